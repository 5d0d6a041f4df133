//! GIF (GIF89a): comments and texts, which are cut into blocks of at most 255 octets.
//!
//! Rules: the blocks of one extension are put together.
//! When it fails: `Damaged` where a block has a beginning that no block has, before any picture.

use super::{behind, markup};
use crate::document::Why;
use crate::document::search::{OctetWindow, Search};

/// What a piece of a GIF is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The header, the screen and its colours.
    Head,
    /// An extension, by its label.
    Extension(u8),
    Picture,
    End,
}

pub const COMMENT: u8 = 0xfe;
pub const APPLICATION: u8 = 0xff;

/// The pieces of a GIF up to and with its end.
pub struct Parts<'o> {
    octets: &'o [u8],
    pub at: usize,
    pub has_ended: bool,
}

impl<'o> Parts<'o> {
    pub fn new(octets: &'o [u8]) -> Self {
        Self { octets, at: 0, has_ended: false }
    }

    fn colours(flags: u8) -> usize {
        if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
    }

    /// What the piece at `at` is, and where its blocks begin.
    fn begin(&self) -> Option<(Part, usize)> {
        let at = self.at;
        let octet = |i: usize| self.octets.get(at + i).copied();
        if at == 0 {
            return Some((Part::Head, 13 + Self::colours(octet(10)?)));
        }
        Some(match octet(0)? {
            0x21 => (Part::Extension(octet(1)?), at + 2),
            0x2c => (Part::Picture, at + 11 + Self::colours(octet(9)?)),
            0x3b => (Part::End, at + 1),
            _ => return None,
        })
    }
}

impl<'o> Iterator for Parts<'o> {
    type Item = (Part, &'o [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let (part, mut end) = self.begin()?;
        if matches!(part, Part::Extension(_) | Part::Picture) {
            loop {
                let length = usize::from(self.octets.get(end).copied()?);
                end += 1 + length;
                if length == 0 {
                    break;
                }
            }
        }
        let whole = self.octets.get(self.at..end)?;
        self.at = end;
        self.has_ended = part == Part::End;
        Some((part, whole))
    }
}

/// The blocks of an extension.
pub fn blocks(extension: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = extension.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, behind) = rest.split_first()?;
        let (block, behind) = behind.split_at_checked(usize::from(*length))?;
        rest = behind;
        (!block.is_empty()).then_some(block)
    })
}

pub fn scan(octets: &[u8], search: &mut Search<'_>) {
    let mut parts = Parts::new(octets);
    let mut has_picture = false;
    for (part, whole) in parts.by_ref() {
        if !search.stream() {
            return;
        }
        has_picture |= part == Part::Picture;
        if !matches!(part, Part::Extension(_)) {
            continue;
        }
        // XMP is not cut into blocks (XMP part 3, §1.1.2).
        if let Some(xmp) = whole.get(3..).and_then(|rest| rest.strip_prefix(b"XMP DataXMP")) {
            markup(xmp, search);
            continue;
        }
        let mut window = OctetWindow::default();
        blocks(whole).for_each(|block| window.push(block, search));
        window.finish(search);
    }
    if parts.has_ended {
        behind(octets.get(parts.at..).unwrap_or_default(), search);
    } else if !has_picture {
        search.is_opaque(Why::Damaged);
    }
}
