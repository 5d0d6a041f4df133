//! JPEG without EXIF, XMP, IPTC, comments and what stands behind its end.
//!
//! Rules: of the application segments only those stay that say how the picture is to be shown: JFIF, Adobe's colour
//! transform, the colour profile, and how it is turned. The picture is copied.
//! When it fails: `None` for what is no JPEG up to its picture.

use super::orientation_alone;
use crate::document::image::EXIF;
use crate::document::image::jpeg::{APP0, APP15, COM, SOI, SOS, Segments};

pub fn clean(octets: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(octets.len());
    let mut segments = Segments::new(octets);
    let (mut has_exif, mut has_picture) = (false, false);
    for segment in segments.by_ref() {
        let keep = match segment.marker {
            APP0 => segment.content.starts_with(b"JFIF\0"),
            0xe2 => segment.content.starts_with(b"ICC_PROFILE\0"),
            0xee => segment.content.starts_with(b"Adobe"),
            0xe1 => {
                let exif = segment.content.strip_prefix(EXIF).filter(|_| !has_exif);
                has_exif |= exif.is_some();
                if let Some(alone) = exif.and_then(orientation_alone) {
                    let length = u16::try_from(2 + EXIF.len() + alone.len()).ok()?;
                    out.extend([0xff, 0xe1]);
                    out.extend(length.to_be_bytes());
                    out.extend(EXIF);
                    out.extend(alone);
                }
                false
            }
            COM | APP0..=APP15 => false,
            SOS => {
                has_picture = true;
                true
            }
            marker => marker != SOI || out.is_empty(),
        };
        if keep {
            out.extend_from_slice(segment.whole);
        }
    }
    (has_picture && !segments.is_broken).then_some(out)
}
