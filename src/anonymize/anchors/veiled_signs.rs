//! Places of a text where the sign of an id or the dot of a host is written otherwise: `m.1%40host`, `m.1=40host`,
//! `203[.]0[.]113[.]7`.
//!
//! Rules: for texts in which ids and hosts of a mail's path are looked for; an address is found around its sign anyway. At most
//! one place of each kind for what one window reads.
//! When it fails: never. What is found in vain costs time only.

use super::MARGIN;

/// The places, in order.
pub fn veiled_signs(text: &[u8]) -> Vec<usize> {
    let escaped = memchr::memchr3_iter(b'%', b'&', b'\\', text).filter(|at| is_at_sign(text, *at));
    let mut out = apart(escaped);
    out.extend(apart(memchr::memchr_iter(b'=', text).filter(|at| is_at_sign(text, *at))));
    let bracketed = memchr::memchr3_iter(b'[', b'(', b'{', text).filter(|at| is_dot(text, *at));
    out.extend(apart(bracketed));
    out.extend(apart(memchr::memmem::find_iter(text, "\u{ff20}")));
    out.sort_unstable();
    out
}

/// Places of which none is read in the window of the one before.
fn apart(places: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut out: Vec<usize> = Vec::new();
    for at in places {
        if out.last().is_none_or(|last| at > last + MARGIN / 2) {
            out.push(at);
        }
    }
    out
}

/// Whether the escape at `at` may stand for an at sign, or is the beginning of one that is escaped once more.
fn is_at_sign(text: &[u8], at: usize) -> bool {
    let rest = text.get(at..).unwrap_or_default();
    let begins =
        |escape: &&[u8]| rest.get(..escape.len()).is_some_and(|head| head.eq_ignore_ascii_case(escape));
    let escapes: &[&[u8]] = match rest.first() {
        Some(b'%') => &[b"%40", b"%2540", b"%25254", b"%u0040", b"%EF%BC%A0", b"%26%2364", b"%5Cu0040"],
        Some(b'&') => &[b"&#64", b"&#x40", b"&#0", b"&#x0", b"&commat;", b"&amp;#", b"&amp;commat;"],
        Some(b'=') => &[b"=40", b"=3D40", b"=EF=BC=A0"],
        _ => &[b"\\u0040", b"\\u{", b"\\x40", b"\\100", b"\\@", b"\\40", b"\\0", b"\\U00000040", b"\\'40"],
    };
    escapes.iter().any(begins)
}

/// Whether `[.]`, `(dot)` or the like stands at `at`.
fn is_dot(text: &[u8], at: usize) -> bool {
    let inside = text.get(at + 1..(at + 9).min(text.len())).unwrap_or_default();
    let Some(close) = inside.iter().position(|b| matches!(b, b']' | b')' | b'}')) else { return false };
    let word = inside.get(..close).unwrap_or_default().trim_ascii();
    word == b"." || word.eq_ignore_ascii_case(b"dot")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_veiled_sign_has_a_place_and_other_escapes_have_none() {
        for text in [
            "m%40h",
            "m%2540h",
            "m=40h",
            "m&#64;h",
            "m\\u0040h",
            "m\\@h",
            "7[.]0",
            "a(dot)b",
            "a[ . ]b",
            "a[DOT]b",
            "m＠h",
        ] {
            assert_eq!(veiled_signs(text.as_bytes()).len(), 1, "{text}");
        }
        for text in ["100% a%20b", "a[0] (x) {y}", "a&amp;b=c&d=4", "(.a)", "[dots]"] {
            assert!(veiled_signs(text.as_bytes()).is_empty(), "{text}");
        }
    }
}
