//! At signs in UTF-16 or UTF-32 that nothing declares, in a text or among other octets.
//!
//! Rules: an at sign beside NULs, with a letter on one side in the same form. Between letters of ASCII a sign has NULs on
//! both sides and either order fits: then it is read in both, first in the one whose units begin at a multiple of their
//! length, as they do in a file that is nothing else.
//! When it fails: never.

use super::{MARGIN, Window};
use crate::mime::charset::Charset;

/// The orders with the octets of a unit, and where among them the sign stands.
const ORDERS: [(Charset, usize, usize); 4] =
    [(Charset::Utf16Le, 2, 0), (Charset::Utf16Be, 2, 1), (Charset::Utf32Le, 4, 0), (Charset::Utf32Be, 4, 3)];

/// Windows around such signs, each with the charset to read it in.
pub fn wide_windows(text: &[u8]) -> Vec<(Charset, Window)> {
    let mut out: Vec<(Charset, Window)> = Vec::new();
    for at in
        memchr::memmem::find_iter(text, b"\0@").map(|i| i + 1).chain(memchr::memmem::find_iter(text, b"@\0"))
    {
        let mut fitting: Vec<_> = ORDERS.into_iter().filter(|order| fits(text, at, order.0)).collect();
        fitting.sort_by_key(|(_, unit, lead)| !(at - lead).is_multiple_of(*unit));
        for (charset, unit, lead) in fitting {
            let first = at - lead;
            let reach = 4 * MARGIN;
            let start = first - first.min(reach) / unit * unit;
            let end = (first + reach).min(text.len());
            let known = |(other, window): &(Charset, Window)| {
                *other == charset
                    && window.range.start % unit == start % unit
                    && window.range.end >= end.min(first + 4 * 320)
                    && window.range.start <= start.max(first.saturating_sub(4 * 320))
            };
            if !out.iter().rev().take(8).any(known) {
                out.push((charset, Window { range: start..end, core_start: start, core_end: end }));
            }
        }
    }
    out
}

/// Whether the sign at `at` is one of this order: with a letter behind it, and a unit of the same form before it or nothing.
fn fits(text: &[u8], at: usize, charset: Charset) -> bool {
    let around = |from: usize, to: usize| at.checked_sub(from).and_then(|start| text.get(start..at + to));
    let letter = |b: u8| b.is_ascii_graphic() || b == b' ';
    match charset {
        Charset::Utf16Le => matches!(around(2, 4), Some([_, 0, _, 0, a, 0]) if letter(*a)),
        Charset::Utf16Be => matches!(around(1, 3), Some([0, _, 0, a]) if letter(*a)),
        Charset::Utf32Le => {
            matches!(around(4, 8), Some([_, 0, 0, 0, _, 0, 0, 0, a, 0, 0, 0]) if letter(*a))
        }
        _ => matches!(around(3, 5), Some([0, 0, 0, _, 0, 0, 0, a]) if letter(*a)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_between_letters_is_read_in_both_orders_the_aligned_one_first() {
        for (text, expected) in [
            (b"\0b\0@\0a\0.".as_slice(), vec![(Charset::Utf16Be, 0), (Charset::Utf16Le, 1)]),
            (b"b\0@\0a\0.\0", vec![(Charset::Utf16Le, 0), (Charset::Utf16Be, 1)]),
            (b"xb\0@\0a\0", vec![(Charset::Utf16Be, 0), (Charset::Utf16Le, 1)]),
            (b"\0\0\0b\0\0\0@\0\0\0a\0\0\0.", vec![(Charset::Utf32Be, 0), (Charset::Utf32Le, 3)]),
            (b"b\0\0\0@\0\0\0a\0\0\0", vec![(Charset::Utf32Le, 0), (Charset::Utf32Be, 1)]),
            (b"b@a \0@\x01", vec![]),
        ] {
            let found = wide_windows(text);
            let found: Vec<_> =
                found.iter().map(|(charset, window)| (*charset, window.range.start)).collect();
            assert_eq!(found, expected, "{}", text.escape_ascii());
        }
    }
}
