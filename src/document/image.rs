//! What images carry beside their picture: EXIF, XMP, IPTC, comments, and files behind their end.
//!
//! Rules: the raw octets were searched already, so what is looked for here is what they do not show: texts in pieces,
//! compressed, in a charset of their own. A picture that breaks off keeps nothing from view, since its metadata says
//! where it ends.
//! When it fails: `Damaged` where the structure breaks before the picture.

pub mod gif;
pub mod jpeg;
pub mod png;
pub mod webp;

use super::search::Search;
use super::xml::Markup;
use super::{kind, nested, tiff};

/// What EXIF begins with, outside of TIFF.
pub const EXIF: &[u8] = b"Exif\0\0";
/// Most EXIF blocks that are looked for by their beginning alone.
const MAX_BLOCKS: usize = 16;

/// EXIF, with or without its beginning.
fn exif(octets: &[u8], search: &mut Search<'_>) {
    tiff::scan(octets.strip_prefix(EXIF).unwrap_or(octets), search);
}

fn markup(octets: &[u8], search: &mut Search<'_>) {
    let mut markup = Markup::new(octets);
    markup.push(octets, search);
    markup.finish(search);
}

/// What stands behind the end of an image.
fn behind(octets: &[u8], search: &mut Search<'_>) {
    if kind(octets, "", "").is_some() && search.spend(octets.len()) {
        nested(octets, "", search);
    }
}

/// HEIF, whose boxes are not walked: XMP is in the clear there, and EXIF has its beginning.
pub fn heif(octets: &[u8], search: &mut Search<'_>) {
    for at in memchr::memmem::find_iter(octets, EXIF).take(MAX_BLOCKS) {
        exif(octets.get(at..).unwrap_or_default(), search);
    }
}
