//! GIF without comments, the notes of applications and what stands behind its end.
//!
//! Rules: how often an animation is shown and the colour profile stay.
//! When it fails: `None` for a GIF that breaks off.

use crate::document::image::gif::{APPLICATION, COMMENT, Part, Parts};

/// Applications whose notes say how the picture is to be shown.
const KEPT: [&[u8]; 3] = [b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012"];

pub fn clean(octets: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(octets.len());
    let mut parts = Parts::new(octets);
    for (part, whole) in parts.by_ref() {
        let keep = match part {
            Part::Extension(COMMENT) => false,
            Part::Extension(APPLICATION) => whole.get(3..14).is_some_and(|name| KEPT.contains(&name)),
            _ => true,
        };
        if keep {
            out.extend_from_slice(whole);
        }
    }
    parts.has_ended.then_some(out)
}
