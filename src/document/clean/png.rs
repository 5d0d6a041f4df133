//! PNG without texts, EXIF, times and what stands behind its end.
//!
//! Rules: the chunks that say how the picture is to be shown stay, all others that are not critical go.
//! When it fails: `None` for a picture that breaks off, or with a critical chunk that is not known.

use super::{crc32, orientation_alone};
use crate::document::image::png::{Chunks, SIGNATURE};

/// What stays (PNG third edition, §11).
const KEPT: [&[u8; 4]; 22] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP",
    b"mDCV", b"cLLI", b"bKGD", b"hIST", b"pHYs", b"sPLT", b"acTL", b"fcTL", b"fdAT", b"oFFs", b"sTER",
];

pub fn clean(octets: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(octets.len());
    out.extend_from_slice(SIGNATURE);
    let mut chunks = Chunks::new(octets);
    for chunk in chunks.by_ref() {
        if KEPT.iter().any(|kept| chunk.name == *kept) {
            out.extend_from_slice(chunk.whole);
        } else if chunk.name == b"eXIf" {
            if let Some(alone) = orientation_alone(chunk.content) {
                out.extend(u32::try_from(alone.len()).ok()?.to_be_bytes());
                out.extend(b"eXIf");
                out.extend(&alone);
                out.extend(crc32(&[b"eXIf", &alone]).to_be_bytes());
            }
        } else if chunk.name.first()?.is_ascii_uppercase() {
            return None;
        }
    }
    chunks.has_ended().then_some(out)
}
