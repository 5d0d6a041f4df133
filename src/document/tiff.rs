//! The tags of TIFF 6.0 and of EXIF (CIPA DC-008), which is TIFF inside another image.
//!
//! Rules: every value that can hold text is given alone, in the charset that its tag says; other values are numbers.
//! Directories are followed wherever they are, each once.
//! When it fails: `Damaged` where there is no directory; a value that lies outside is left.

use super::Why;
use super::search::Search;
use super::xml::Markup;
use encoding_rs::{UTF_16BE, UTF_16LE};

/// Most directories that are followed.
const MAX_DIRECTORIES: usize = 64;

/// Tags that hold the place of another directory: SubIFDs, Exif, GPS, interoperability.
const DIRECTORIES: [u16; 4] = [0x014a, 0x8769, 0x8825, 0xa005];
/// Texts of Windows in UTF-16LE: title, comment, author, keywords, subject.
const WINDOWS: std::ops::RangeInclusive<u16> = 0x9c9b..=0x9c9f;
/// UserComment, GPSProcessingMethod, GPSAreaInformation: eight octets of charset before them.
const WITH_CHARSET: [u16; 3] = [0x9286, 0x001b, 0x001c];
const XMP: u16 = 0x02bc;
pub const ORIENTATION: u16 = 0x0112;

/// A TIFF file or block.
pub struct Tiff<'o> {
    octets: &'o [u8],
    big: bool,
}

/// One entry of a directory.
pub struct Entry<'o> {
    pub tag: u16,
    kind: u16,
    pub value: &'o [u8],
}

impl<'o> Tiff<'o> {
    pub fn new(octets: &'o [u8]) -> Option<Self> {
        let big = match octets.get(..4)? {
            b"II*\0" => false,
            b"MM\0*" => true,
            _ => return None,
        };
        Some(Self { octets, big })
    }

    pub fn u16(&self, octets: &[u8], at: usize) -> Option<u16> {
        let octets = octets.get(at..)?.first_chunk()?;
        Some(if self.big { u16::from_be_bytes(*octets) } else { u16::from_le_bytes(*octets) })
    }

    fn u32(&self, octets: &[u8], at: usize) -> Option<usize> {
        let octets = octets.get(at..)?.first_chunk()?;
        let value = if self.big { u32::from_be_bytes(*octets) } else { u32::from_le_bytes(*octets) };
        usize::try_from(value).ok()
    }

    /// Where the first directory is.
    pub fn first(&self) -> Option<usize> {
        self.u32(self.octets, 4)
    }

    /// The entries of the directory at `at`, as far as they are there.
    pub fn entries(&self, at: usize) -> impl Iterator<Item = Entry<'o>> + '_ {
        let count = self.u16(self.octets, at).unwrap_or(0);
        (0..usize::from(count))
            .map_while(move |i| self.octets.get(at + 2 + i * 12..at + 14 + i * 12))
            .filter_map(|entry| {
                let (tag, kind) = (self.u16(entry, 0)?, self.u16(entry, 2)?);
                let size = match kind {
                    1 | 2 | 6 | 7 => 1,
                    3 | 8 => 2,
                    4 | 9 | 11 | 13 => 4,
                    _ => 8,
                };
                let size = self.u32(entry, 4)?.checked_mul(size)?;
                let value = if size <= 4 {
                    entry.get(8..8 + size)?
                } else {
                    let from = self.u32(entry, 8)?;
                    let rest = self.octets.get(from..)?;
                    rest.get(..size).unwrap_or(rest)
                };
                Some(Entry { tag, kind, value })
            })
    }

    /// Where the directory behind the one at `at` is.
    fn next(&self, at: usize) -> Option<usize> {
        let count = usize::from(self.u16(self.octets, at)?);
        self.u32(self.octets, at + 2 + count * 12).filter(|next| *next != 0)
    }
}

pub fn scan(octets: &[u8], search: &mut Search<'_>) {
    let Some(tiff) = Tiff::new(octets) else {
        // BigTIFF: what it holds is in the clear.
        return;
    };
    let Some(first) = tiff.first() else { return search.is_opaque(Why::Damaged) };
    let mut places = vec![first];
    let mut next = 0;
    while let Some(at) = places.get(next).copied() {
        next += 1;
        if !search.stream() {
            return;
        }
        let mut follow = |place: usize| {
            if !places.contains(&place) && places.len() < MAX_DIRECTORIES {
                places.push(place);
            }
        };
        tiff.next(at).map(&mut follow);
        for entry in tiff.entries(at) {
            if DIRECTORIES.contains(&entry.tag) {
                let count = (entry.value.len() / 4).min(MAX_DIRECTORIES);
                (0..count).filter_map(|i| tiff.u32(entry.value, i * 4)).for_each(&mut follow);
            } else if matches!(entry.kind, 1 | 2 | 6 | 7) || entry.tag == XMP {
                if !search.spend(entry.value.len()) {
                    return;
                }
                value(&entry, search);
            }
        }
    }
}

fn value(entry: &Entry<'_>, search: &mut Search<'_>) {
    search.octets(entry.value);
    if WINDOWS.contains(&entry.tag) {
        search.unicode(&UTF_16LE.decode_without_bom_handling(entry.value).0);
    } else if entry.tag == XMP {
        let mut markup = Markup::new(entry.value);
        markup.push(entry.value, search);
        markup.finish(search);
    } else if WITH_CHARSET.contains(&entry.tag)
        && let Some((charset, text)) = entry.value.split_at_checked(8)
    {
        search.octets(text);
        if charset == b"UNICODE\0" {
            search.unicode(&UTF_16LE.decode_without_bom_handling(text).0);
            search.unicode(&UTF_16BE.decode_without_bom_handling(text).0);
        }
    }
}
