//! The same document without the metadata that names its author.
//!
//! Rules: what is shown stays as it is, octet for octet; what is taken out is what a program adds by itself: authors,
//! EXIF, XMP, comments of images, what stands behind their end. How a picture is turned, its colours and its animation
//! stay. A text that a person wrote is not looked at.
//! When it fails: [`Cleaned::CannotBeCleaned`], for a document that cannot be written again with certainty.

mod gif;
mod jpeg;
mod markup;
mod office;
mod pdf;
mod png;
mod webp;

use super::tiff::{ORIENTATION, Tiff};
use super::{Kind, Limits};

/// What became of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cleaned {
    /// It holds no such metadata.
    Unchanged,
    /// The document without it.
    Changed(Vec<u8>),
    /// Its kind, or the way it is written, does not allow it. It may hold metadata.
    CannotBeCleaned,
}

/// Takes the metadata out of JPEG, PNG, GIF and WebP images, Office documents since 2007, OpenDocument and PDF.
#[must_use]
pub fn without_metadata(octets: &[u8], kind: Kind, limits: &Limits) -> Cleaned {
    let cleaned = match kind {
        Kind::Jpeg => jpeg::clean(octets),
        Kind::Png => png::clean(octets),
        Kind::Gif => gif::clean(octets),
        Kind::Webp => webp::clean(octets),
        Kind::Zip => office::clean(octets, limits),
        Kind::Pdf => pdf::clean(octets, limits),
        _ => None,
    };
    match cleaned {
        Some(cleaned) if cleaned == octets => Cleaned::Unchanged,
        Some(cleaned) => Cleaned::Changed(cleaned),
        None => Cleaned::CannotBeCleaned,
    }
}

/// A TIFF block that says how the picture is turned and nothing else, if it is turned.
fn orientation_alone(exif: &[u8]) -> Option<Vec<u8>> {
    let tiff = Tiff::new(exif)?;
    let turned = tiff.entries(tiff.first()?).find(|entry| entry.tag == ORIENTATION)?;
    let turned = tiff.u16(turned.value, 0).filter(|turned| (2..=8).contains(turned))?;
    let mut out = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    out.extend(u32::from(turned).to_le_bytes());
    out.extend([0; 4]);
    Some(out)
}

/// The checksum of PNG and ZIP (ISO 3309).
fn crc32(pieces: &[&[u8]]) -> u32 {
    let mut table = [0u32; 256];
    for (octet, value) in (0u32..).zip(&mut table) {
        *value = (0..8).fold(octet, |v, _| if v & 1 == 1 { v >> 1 ^ 0xedb8_8320 } else { v >> 1 });
    }
    let step = |crc: u32, b: &u8| {
        let at = usize::from(crc.to_le_bytes().first().copied().unwrap_or(0) ^ b);
        table.get(at).copied().unwrap_or(0) ^ crc >> 8
    };
    !pieces.iter().flat_map(|piece| piece.iter()).fold(u32::MAX, step)
}
