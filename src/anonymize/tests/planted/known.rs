//! What is known not to hold, with its reason: cells that the page of places shows as *fails*, so that nobody takes them
//! for covered. A share of all variants bounds them; whatever else fails, fails the test. No leak is among them.

use super::claim::{Failure, Wrong};
use super::variant::Variant;

/// Most of a thousand variants that may be in this list.
pub const PER_MILLE: usize = 1;

/// Structures that programs read differently: one reading is chosen and written so that all choose the same, and the
/// tree of parts, or a text, is then another one than in the other reading.
const CHOSEN: [&str; 6] = [
    "no boundary",
    "two boundaries",
    "boundary that occurs nowhere",
    "two types",
    "two types, the other last",
    "two encodings",
];

/// Why a failure is known; `None` when it is not.
pub fn reason(variant: &Variant<'_>, failure: &Failure) -> Option<&'static str> {
    let chosen = CHOSEN.contains(&variant.inside.as_str());
    let odd = matches!(
        variant.encoding,
        "uuencode" | "base64, stray octets" | "base64, with comment" | "base64, odd lines"
    );
    match failure.wrong {
        Wrong::Tree | Wrong::Text | Wrong::Field if chosen => Some("one of two readings is chosen"),
        Wrong::Text if odd => Some("stray octets are left out where a line is written anew"),
        Wrong::Text | Wrong::Field if matches!(variant.charset, "UTF-7" | "ISO-2022-KR") => {
            Some("a shifted charset is written in another form of the same text")
        }
        Wrong::Blind if variant.encoding == "word and clear text" => Some("the reader sees the word alone"),
        _ => None,
    }
}
