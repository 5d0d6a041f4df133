//! WebP (RFC 9649): a RIFF file with chunks for EXIF and XMP.
//!
//! Rules: the size in its header is not believed.
//! When it fails: never; chunks that are cut off are read as far as they go.

use super::{exif, markup};
use crate::document::search::Search;

/// One chunk.
#[derive(Debug, Clone, Copy)]
pub struct Chunk<'o> {
    pub name: &'o [u8],
    pub content: &'o [u8],
    /// With name, length and padding.
    pub whole: &'o [u8],
}

/// The chunks behind the header.
pub fn chunks(octets: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let mut rest = octets.get(12..).unwrap_or_default();
    std::iter::from_fn(move || {
        let name = rest.get(..4)?;
        let length = usize::try_from(u32::from_le_bytes(*rest.get(4..)?.first_chunk()?)).ok()?;
        let content = rest.get(8..)?;
        let content = content.get(..length).unwrap_or(content);
        let end = 8 + content.len() + (content.len() & 1);
        let whole = rest.get(..end).unwrap_or(rest);
        rest = rest.get(end..).unwrap_or_default();
        Some(Chunk { name, content, whole })
    })
}

pub fn scan(octets: &[u8], search: &mut Search<'_>) {
    for chunk in chunks(octets) {
        if !search.stream() {
            return;
        }
        match chunk.name {
            b"EXIF" => exif(chunk.content, search),
            b"XMP " => markup(chunk.content, search),
            _ => search.edges(chunk.content),
        }
    }
}
