//! WebP without EXIF, XMP and chunks that are not known.
//!
//! Rules: the flags of the extended header and the size of the file say what is left (RFC 9649 §2.7).
//! When it fails: `None` for a file that is cut off.

use super::orientation_alone;
use crate::document::image::EXIF;
use crate::document::image::webp::chunks;

const KEPT: [&[u8; 4]; 7] = [b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"];
/// Bits of the extended header.
const HAS_EXIF: u8 = 0x08;
const HAS_XMP: u8 = 0x04;

pub fn clean(octets: &[u8]) -> Option<Vec<u8>> {
    let said = usize::try_from(u32::from_le_bytes(*octets.get(4..)?.first_chunk()?)).ok()?;
    let octets = octets.get(..said.checked_add(8)?)?;
    let mut out = octets.get(..12)?.to_vec();
    let mut turned = None;
    for chunk in chunks(octets) {
        if chunk.whole.len() < chunk.content.len() + 8 {
            return None;
        }
        if KEPT.iter().any(|kept| chunk.name == *kept) {
            out.extend_from_slice(chunk.whole);
        } else if chunk.name == b"EXIF" && turned.is_none() {
            let exif = chunk.content.strip_prefix(EXIF).unwrap_or(chunk.content);
            turned = orientation_alone(exif);
        }
    }
    if out.get(12..16)? == b"VP8X"
        && let Some(flags) = out.get_mut(20)
    {
        *flags &= !(HAS_EXIF | HAS_XMP);
        if let Some(alone) = &turned {
            *flags |= HAS_EXIF;
            // Its length is even.
            out.extend(b"EXIF");
            out.extend(u32::try_from(alone.len()).ok()?.to_le_bytes());
            out.extend(alone);
        }
    }
    let size = u32::try_from(out.len() - 8).ok()?;
    out.get_mut(4..8)?.copy_from_slice(&size.to_le_bytes());
    Some(out)
}
