//! Content-Transfer-Encoding: which one a body has, decoding it, and changes that touch only the lines they must.
//!
//! Rules: RFC 2045 §6.7 (quoted-printable: blanks at a line end go, lines of at most 76 characters), §6.8 (base64:
//! octets outside the alphabet are skipped). Reading is lenient as mail programs are: an `=` that starts no escape
//! is itself, a padded group is followed by another one. Writing is strict.
//! When it fails: never; an encoding that is not known is `None` and the caller decides.

use super::{base64, quoted_printable, room, slice};
use std::borrow::Cow;
use std::ops::Range;

/// Longest line of the encodings, in octets without its line end (RFC 2045 §6.7 (5), §6.8).
pub const LINE: usize = 76;

/// What a body was encoded with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// 7bit, 8bit, binary: the octets themselves.
    Identity,
    QuotedPrintable,
    Base64,
}

/// Octets `range` are replaced by `with`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What goes.
    pub range: Range<usize>,
    /// What comes in its place.
    pub with: Vec<u8>,
}

impl Encoding {
    /// Reads the value of the field; `None` for an encoding that is not known.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let token: Vec<u8> = value
            .iter()
            .skip_while(|b| b.is_ascii_whitespace())
            .take_while(|b| !b.is_ascii_whitespace() && !matches!(b, b';' | b'('))
            .map(u8::to_ascii_lowercase)
            .collect();
        match token.as_slice() {
            b"" | b"7bit" | b"8bit" | b"binary" | b"7-bit" | b"8-bit" => Some(Self::Identity),
            b"quoted-printable" => Some(Self::QuotedPrintable),
            b"base64" => Some(Self::Base64),
            _ => None,
        }
    }

    /// The decoded body.
    #[must_use]
    pub fn decode(self, raw: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::Identity => Cow::Borrowed(raw),
            Self::QuotedPrintable => Cow::Owned(quoted_printable::decode(raw)),
            Self::Base64 => Cow::Owned(base64::decode(raw).0),
        }
    }

    /// Length of the lines at the beginning that are in this encoding: behind them stands text that was never encoded,
    /// such as the footer of a mailing list.
    #[must_use]
    pub fn encoded_length(self, raw: &[u8]) -> usize {
        if self == Self::Base64 { base64::pure_length(raw) } else { raw.len() }
    }

    /// Encodes a whole body anew.
    #[must_use]
    pub fn encode(self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len() / 3 * 4 + bytes.len() / 28 + 8);
        self.encode_into(bytes, &mut out);
        out
    }

    /// Appends a whole body encoded anew.
    pub fn encode_into(self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Identity => out.extend_from_slice(bytes),
            Self::QuotedPrintable => quoted_printable::encode_into(bytes, out),
            Self::Base64 => base64::wrap(bytes, LINE, out),
        }
    }

    /// Appends the encoded body with `edits` (over the decoded body, in order, apart from each other) made in it.
    pub fn edit_into(self, raw: &[u8], edits: &[Edit], out: &mut Vec<u8>) {
        match self {
            Self::Identity => apply_into(raw, edits, out),
            Self::QuotedPrintable => quoted_printable::edit(raw, edits, out),
            Self::Base64 => base64::edit(raw, edits, out),
        }
    }

    /// The encoded body with `edits` made in it.
    #[must_use]
    pub fn edit(self, raw: &[u8], edits: &[Edit]) -> Vec<u8> {
        let mut out = Vec::with_capacity(raw.len());
        self.edit_into(raw, edits, &mut out);
        out
    }
}

/// `bytes` with `edits` (in order, apart from each other) made.
#[must_use]
pub fn apply(bytes: &[u8], edits: &[Edit]) -> Vec<u8> {
    let grown: usize = edits.iter().map(|e| e.with.len()).sum();
    let mut out = Vec::with_capacity(room(bytes.len() + grown));
    apply_into(bytes, edits, &mut out);
    out
}

fn apply_into(bytes: &[u8], edits: &[Edit], out: &mut Vec<u8>) {
    let mut at = 0;
    for edit in edits {
        out.extend_from_slice(slice(bytes, at..edit.range.start));
        out.extend_from_slice(&edit.with);
        at = at.max(edit.range.end);
    }
    out.extend_from_slice(bytes.get(at..).unwrap_or_default());
}

/// The six bits of a digit of base64, in either alphabet (RFC 4648 §4, §5); what is no digit counts as the last.
#[must_use]
pub fn sextet(digit: u8) -> u8 {
    match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' | b'-' => 62,
        _ => 63,
    }
}

/// The value of a hexadecimal digit in either case.
#[must_use]
pub fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn soft_breaks_and_blanks_at_line_ends_go_and_broken_escapes_stay() {
        let decode = |raw: &str| {
            String::from_utf8_lossy(&Encoding::QuotedPrintable.decode(raw.as_bytes())).into_owned()
        };
        for (raw, text) in [
            ("bo=\r\nb=40x", "bob@x"),
            ("a = \r\nb", "a b"),
            ("a  \r\nb", "a\r\nb"),
            ("=4", "=4"),
            ("=zz=3d", "=zz="),
            ("a=", "a"),
        ] {
            assert_eq!(decode(raw), text, "{raw:?}");
        }
    }

    #[test]
    fn an_edit_in_quoted_printable_touches_only_its_lines_and_keeps_them_short() {
        let raw = format!("caf=E9\r\n{}=\r\nbob=40x=2Eexample\r\nend=\r\n", "y".repeat(70));
        let at = 5 + 2 + 70 - 1;
        let out = Encoding::QuotedPrintable
            .edit(raw.as_bytes(), &[Edit { range: at..at + 13, with: b"alias@relay.example".to_vec() }]);
        let out = String::from_utf8(out).unwrap();
        assert_eq!(out, format!("caf=E9\r\n{}=\r\nalias@relay.example\r\nend=\r\n", "y".repeat(70)));
        let long = format!("{} bob@x.example z", "y".repeat(60));
        let out = Encoding::QuotedPrintable
            .edit(long.as_bytes(), &[Edit { range: 61..74, with: b"alias=@relay.example".to_vec() }]);
        assert!(out.split(|b| *b == b'\n').all(|line| line.len() <= 77));
        assert_eq!(
            Encoding::QuotedPrintable.decode(&out).as_ref(),
            format!("{} alias=@relay.example z", "y".repeat(60)).as_bytes()
        );
    }

    #[test]
    fn lines_of_base64_before_an_edit_stay_as_they_were() {
        let text: Vec<u8> = (0..400u32).map(|i| b'a' + u8::try_from(i % 26).unwrap()).collect();
        let raw = Encoding::Base64.encode(&text);
        let out = Encoding::Base64.edit(&raw, &[Edit { range: 120..124, with: b"1234567".to_vec() }]);
        assert_eq!(out[..156], raw[..156]);
        assert_eq!(
            out[out.len() - 160..],
            raw[raw.len() - 160..],
            "three more octets: the lines behind meet again"
        );
        let longer = Encoding::Base64.edit(&raw, &[Edit { range: 120..124, with: b"12345".to_vec() }]);
        assert_eq!(Encoding::Base64.decode(&longer).len(), 401);
    }

    #[test]
    fn what_stands_before_a_body_that_becomes_empty_stays() {
        let mut out = b"header\r\n\r\n".to_vec();
        Encoding::Base64.edit_into(b"Ym9i\r\n", &[Edit { range: 0..3, with: Vec::new() }], &mut out);
        assert_eq!(out, b"header\r\n\r\n\r\n");
    }

    #[test]
    fn padding_in_the_middle_does_not_hide_what_follows() {
        assert_eq!(Encoding::Base64.decode(b"Ym9i\r\nQA==\r\neA==").as_ref(), b"bob@x");
        assert_eq!(Encoding::Base64.decode(b"Y m!9-i_QHg").as_ref(), b"bob@x");
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_the_same(text in proptest::collection::vec(any::<u8>(), 0..600)) {
            let text = crate::mime::lines::only_crlf(&text).into_owned();
            for encoding in [Encoding::Base64, Encoding::QuotedPrintable] {
                let raw = encoding.encode(&text);
                prop_assert!(raw.split(|b| *b == b'\n').all(|line| line.len() <= 77));
                prop_assert_eq!(encoding.decode(&raw).into_owned(), text.clone());
            }
        }

        #[test]
        fn an_edit_is_the_same_before_and_after_encoding(text in proptest::collection::vec(32u8..127, 1..600), from in 0usize..600, len in 1usize..40, with in "[a-z@.]{0,50}") {
            let from = from % text.len();
            let edit = Edit { range: from..(from + len).min(text.len()), with: with.into_bytes() };
            let expected = apply(&text, std::slice::from_ref(&edit));
            for encoding in [Encoding::Base64, Encoding::Identity] {
                let out = encoding.edit(&encoding.encode(&text), std::slice::from_ref(&edit));
                prop_assert_eq!(encoding.decode(&out).into_owned(), expected.clone());
            }
            let out = Encoding::QuotedPrintable.edit(&Encoding::QuotedPrintable.encode(&text), std::slice::from_ref(&edit));
            let decoded = Encoding::QuotedPrintable.decode(&out).into_owned();
            prop_assert_eq!(decoded.trim_ascii_end(), expected.trim_ascii_end());
        }
    }
}
