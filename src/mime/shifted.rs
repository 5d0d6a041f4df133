//! Charsets that shift the letters of a two-octet set down to seven bits: ISO-2022-KR (RFC 1557) by SO and SI, HZ
//! (RFC 1843) by `~{` and `~}`.
//!
//! Rules: a line begins in ASCII. Two octets of the set are read as EUC-KR or GBK with the eighth bit set. ASCII text
//! that is put among them is set between the signs that leave and enter the set.
//! When it fails: never; what is no character becomes U+FFFD.

use super::transfer::Edit;
use super::view::View;
use encoding_rs::{EUC_KR, Encoding, GBK};
use std::ops::Range;

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shift {
    Korean,
    Hz,
}

/// What stands at one place.
enum Step {
    /// A sign without text.
    Sign { length: usize, shifted: bool },
    /// A tilde of HZ.
    Tilde,
    /// A character of two octets.
    Pair,
    /// An octet as it is.
    Octet,
}

impl Shift {
    fn encoding(self) -> &'static Encoding {
        match self {
            Shift::Korean => EUC_KR,
            Shift::Hz => GBK,
        }
    }

    fn step(self, rest: &[u8], shifted: bool) -> Step {
        match (self, rest) {
            (Shift::Korean, [0x0e, ..]) => Step::Sign { length: 1, shifted: true },
            (Shift::Korean, [0x0f, ..]) => Step::Sign { length: 1, shifted: false },
            (Shift::Korean, [0x1b, b'$', b')', b'C', ..]) => Step::Sign { length: 4, shifted },
            (Shift::Hz, [b'~', b'{', ..]) => Step::Sign { length: 2, shifted: true },
            (Shift::Hz, [b'~', b'}', ..]) => Step::Sign { length: 2, shifted: false },
            (Shift::Hz, [b'~', b'~', ..]) if !shifted => Step::Tilde,
            (_, [a, b, ..]) if shifted && (0x21..=0x7e).contains(a) && (0x21..=0x7e).contains(b) => {
                Step::Pair
            }
            _ => Step::Octet,
        }
    }

    /// The text, with the way back.
    pub fn decode(self, bytes: &[u8]) -> View {
        let mut view = View::with_capacity(bytes.len());
        self.walk(bytes, |at, step, _| {
            let rest = bytes.get(at..).unwrap_or_default();
            match (step, rest) {
                (Step::Tilde, _) => view.push_made(b"~", at..at + 2),
                (Step::Pair, [a, b, ..]) => {
                    let pair = [a | 0x80, b | 0x80];
                    let text = self.encoding().decode_without_bom_handling(&pair).0;
                    view.push_made(text.as_bytes(), at..at + 2);
                }
                (Step::Octet, [b, ..]) if b.is_ascii() => view.push_copied(&[*b], at),
                (Step::Octet, _) => view.push_made("\u{fffd}".as_bytes(), at..at + 1),
                _ => {}
            }
        });
        view
    }

    fn walk(self, bytes: &[u8], mut each: impl FnMut(usize, &Step, bool)) {
        let (mut at, mut shifted) = (0, false);
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let step = self.step(rest, shifted);
            each(at, &step, shifted);
            at += match step {
                Step::Sign { length, shifted: next } => {
                    shifted = next;
                    length
                }
                Step::Tilde | Step::Pair => 2,
                Step::Octet => {
                    shifted &= rest.first() != Some(&b'\n');
                    1
                }
            };
        }
    }

    /// Replacements by ASCII text as edits of the octets.
    pub fn edits(self, bytes: &[u8], replacements: &[(Range<usize>, &str)]) -> Vec<Edit> {
        let (leave, enter): (&[u8], &[u8]) = match self {
            Shift::Korean => (b"\x0f", b"\x0e"),
            Shift::Hz => (b"~}", b"~{"),
        };
        let mut out: Vec<Edit> = Vec::new();
        let mut wanted = replacements.iter().peekable();
        self.walk(bytes, |at, _, shifted| {
            while let Some((range, text)) = wanted.next_if(|(range, _)| range.start <= at) {
                let text = if self == Shift::Hz { text.replace('~', "~~") } else { (*text).to_owned() };
                let with = match (shifted, text.is_empty()) {
                    (_, true) => Vec::new(),
                    (true, false) => [leave, text.as_bytes(), enter].concat(),
                    (false, false) => text.into_bytes(),
                };
                out.push(Edit { range: range.clone(), with });
            }
        });
        out
    }

    /// `text` in this charset; `None` when a character has no place in it.
    pub fn encode(self, text: &str) -> Option<Vec<u8>> {
        let (octets, _, unmappable) = self.encoding().encode(text);
        if unmappable {
            return None;
        }
        let (leave, enter): (&[u8], &[u8]) = match self {
            Shift::Korean => (b"\x0f", b"\x0e"),
            Shift::Hz => (b"~}", b"~{"),
        };
        let mut out: Vec<u8> = if self == Shift::Korean { b"\x1b$)C".to_vec() } else { Vec::new() };
        let mut shifted = false;
        for b in octets.iter() {
            if b.is_ascii() == shifted {
                out.extend_from_slice(if shifted { leave } else { enter });
                shifted = !shifted;
            }
            out.push(b & 0x7f);
            if self == Shift::Hz && *b == b'~' {
                out.push(b'~');
            }
        }
        if shifted {
            out.extend_from_slice(leave);
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::transfer::apply;

    #[test]
    fn letters_that_were_shifted_are_read_and_changed() {
        for shift in [Shift::Korean, Shift::Hz] {
            let text =
                if shift == Shift::Korean { "연락처 ｂ＠x 까지" } else { "联系 ｂ＠x 吧 ~" };
            let raw = shift.encode(text).unwrap();
            assert!(raw.is_ascii());
            let view = shift.decode(&raw);
            assert_eq!(String::from_utf8_lossy(view.bytes()), text);
            let at = memchr::memmem::find(view.bytes(), "ｂ＠".as_bytes()).unwrap();
            let pieces = view.sources(at..at + 6);
            let (first, more) = pieces.split_first().unwrap();
            let mut edits = vec![(first.clone(), "c@d")];
            edits.extend(more.iter().map(|range| (range.clone(), "")));
            let out = apply(&raw, &shift.edits(&raw, &edits));
            assert_eq!(String::from_utf8_lossy(shift.decode(&out).bytes()), text.replace("ｂ＠", "c@d"));
        }
    }
}
