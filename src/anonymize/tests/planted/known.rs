//! What is known not to hold, with its reason: cells that the page of places shows as *fails*, so that nobody takes them
//! for covered. A share of all variants bounds them; whatever else fails, fails the test. No leak is among them.

use super::claim::{Failure, Wrong};
use super::variant::Variant;

/// Most of a thousand variants that may be in this list.
pub const PER_MILLE: usize = 1;

/// Why a failure is known; `None` when it is not.
pub fn reason(variant: &Variant<'_>, failure: &Failure) -> Option<&'static str> {
    let odd = matches!(
        variant.encoding,
        "uuencode" | "base64, stray octets" | "base64, with comment" | "base64, odd lines"
    );
    match failure.wrong {
        Wrong::Text if odd => Some("stray octets are left out where a line is written anew"),
        Wrong::Text if variant.charset == "UTF-7" => {
            Some("a shifted charset is written in another form of the same text")
        }
        _ => None,
    }
}
