//! JPEG (ITU-T T.81 annex B): the segments between the pieces of the picture.
//!
//! Rules: what one application spreads over several segments is put together (XMP, ICC profiles, Photoshop's).
//! When it fails: `Damaged` where no marker stands before the picture.

use super::{EXIF, behind, exif, markup};
use crate::document::Why;
use crate::document::search::{OctetWindow, Search};
use crate::document::xml::Markup;

/// XMP (XMP part 3, §1.1.3).
pub const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
/// XMP that is too long for one segment: a digest, its whole length and the place of this piece follow.
pub const MORE_XMP: &[u8] = b"http://ns.adobe.com/xmp/extension/\0";

/// Markers.
pub const SOI: u8 = 0xd8;
pub const EOI: u8 = 0xd9;
pub const SOS: u8 = 0xda;
pub const COM: u8 = 0xfe;
pub const APP0: u8 = 0xe0;
pub const APP15: u8 = 0xef;

/// One piece of a JPEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<'o> {
    pub marker: u8,
    /// Behind the length.
    pub content: &'o [u8],
    /// From the marker to the end; behind SOS with the compressed picture.
    pub whole: &'o [u8],
}

/// The segments of a JPEG up to and with EOI.
pub struct Segments<'o> {
    octets: &'o [u8],
    pub at: usize,
    pub is_broken: bool,
}

impl<'o> Segments<'o> {
    pub fn new(octets: &'o [u8]) -> Self {
        Self { octets, at: 0, is_broken: false }
    }
}

impl<'o> Iterator for Segments<'o> {
    type Item = Segment<'o>;

    fn next(&mut self) -> Option<Segment<'o>> {
        let start = self.at;
        let rest = self.octets.get(start..)?;
        if rest.is_empty() || self.is_broken {
            return None;
        }
        // Fill octets may stand before a marker (§B.1.1.2).
        let fill = rest.iter().take_while(|b| **b == 0xff).count();
        let Some(marker) = rest.get(fill).copied().filter(|_| fill > 0) else {
            self.is_broken = true;
            return None;
        };
        let from = fill + 1;
        if matches!(marker, 0x01 | 0xd0..=0xd9) {
            self.at = if marker == EOI { self.octets.len() + 1 } else { start + from };
            return Some(Segment { marker, content: &[], whole: rest.get(..from)? });
        }
        let length = rest.get(from..).and_then(|rest| rest.first_chunk().copied()).map(u16::from_be_bytes);
        let content = length.and_then(|length| rest.get(from + 2..from + usize::from(length)));
        let (Some(content), Some(length)) = (content, length) else {
            self.is_broken = true;
            return None;
        };
        let mut end = from + usize::from(length);
        if marker == SOS {
            end += picture(rest.get(end..).unwrap_or_default());
        }
        self.at = start + end;
        Some(Segment { marker, content, whole: rest.get(..end)? })
    }
}

/// The length of a compressed picture: up to a marker that is neither a restart nor a stuffed octet.
fn picture(octets: &[u8]) -> usize {
    memchr::memchr_iter(0xff, octets)
        .find(|at| octets.get(at + 1).is_some_and(|b| !matches!(b, 0 | 0xff | 0xd0..=0xd7)))
        .unwrap_or(octets.len())
}

pub fn scan(octets: &[u8], search: &mut Search<'_>) {
    let (mut profile, mut photoshop) = (OctetWindow::default(), OctetWindow::default());
    let mut more_xmp = Vec::new();
    let mut has_picture = false;
    let mut end = None;
    let mut segments = Segments::new(octets);
    let mut read = 0;
    for segment in segments.by_ref() {
        if !search.stream() {
            return;
        }
        read += segment.whole.len();
        match segment.marker {
            SOS => has_picture = true,
            EOI => end = Some(read),
            0xe1 if segment.content.starts_with(EXIF) => exif(segment.content, search),
            0xe1 => {
                if let Some(xmp) = segment.content.strip_prefix(XMP) {
                    markup(xmp, search);
                } else if let Some(more) = segment.content.strip_prefix(MORE_XMP) {
                    let place =
                        more.get(36..).and_then(|rest| rest.first_chunk().copied()).map(u32::from_be_bytes);
                    more_xmp.push((place, more.get(40..).unwrap_or_default()));
                }
            }
            0xe2 => profile.push(segment.content.get(14..).unwrap_or_default(), search),
            0xed => {
                let resources = segment.content.strip_prefix(b"Photoshop 3.0\0").unwrap_or(segment.content);
                photoshop.push(resources, search);
            }
            COM | APP0..=APP15 => search.edges(segment.content),
            _ => {}
        }
    }
    profile.finish(search);
    photoshop.finish(search);
    more_xmp.sort_by_key(|(place, _)| *place);
    if let Some((_, first)) = more_xmp.first() {
        let (mut raw, mut markup) = (OctetWindow::default(), Markup::new(first));
        for (_, piece) in &more_xmp {
            raw.push(piece, search);
            markup.push(piece, search);
        }
        raw.finish(search);
        markup.finish(search);
    }
    if segments.is_broken && !has_picture {
        search.is_opaque(Why::Damaged);
    }
    if let Some(end) = end {
        behind(octets.get(end..).unwrap_or_default(), search);
    }
}
