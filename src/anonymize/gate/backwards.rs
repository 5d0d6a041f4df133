//! A text that is shown from right to left though its letters run from left to right: for the gate alone.
//!
//! Rules: only where a mark or an element says so (U+202E; `bdo`, `bidi-override` of HTML and CSS). Then the whole text is turned
//! around, without its tags and with a blank for each, and is one more text to look at.
//! When it fails: never.

use super::tags::{self, View};
use memchr::memmem;

/// The text turned around; `None` where nothing says that it is shown so.
pub fn turned(text: &[u8]) -> Option<Vec<u8>> {
    let says = |mark: &[u8]| memmem::find(text, mark).is_some();
    let marks = [
        "\u{202e}",
        "&#8238;",
        "&#x202e;",
        "&#x202E;",
        "&#X202E;",
        "<bdo",
        "<BDO",
        "<Bdo",
        "bidi-override",
        "BIDI-OVERRIDE",
    ];
    if !marks.iter().any(|mark| says(mark.as_bytes())) {
        return None;
    }
    // What is turned ends at a tag, or goes on behind it.
    let mut bare: Vec<u8> = Vec::with_capacity(text.len());
    let mut apart: Vec<u8> = Vec::with_capacity(text.len());
    tags::outside(text, View::Strict, |piece| {
        bare.extend_from_slice(piece);
        apart.extend_from_slice(piece);
        apart.push(b' ');
    });
    let turned = |text: &[u8]| String::from_utf8_lossy(text).chars().rev().collect::<String>();
    Some(format!("{}\n\n{}", turned(&bare), turned(&apart)).into_bytes())
}
