//! Line ends: one form for the whole message before anything is read, so that no two parsers see different lines.
//!
//! Rules: a bare LF or a bare CR becomes CRLF (RFC 5322 §2.3 knows neither outside a pair, and programs differ in
//! what they take them for); a message ends with a line end. A message that is already so is not copied.
//! When it fails: never.

use std::borrow::Cow;

/// Longest line, in octets without its line end (RFC 5322 §2.1.1).
pub const MAX_LINE: usize = 998;

/// On which side of a blank a line breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// Before it: a fold of a header field.
    BeforeBlank,
    /// Behind it: a text goes on on the next line.
    BehindBlank,
}

/// `text` with no line longer than `most` octets, broken at blanks; `None` when a line has no blank where one is
/// needed.
#[must_use]
pub fn broken_at_blanks(text: &[u8], most: usize, side: Break) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() + 16);
    for line in text.split_inclusive(|b| *b == b'\n') {
        let mut rest = line;
        while rest.trim_ascii_end().len() > most {
            let blank = memchr::memrchr(b' ', rest.get(1..most)?)? + 1;
            let cut = if side == Break::BeforeBlank { blank } else { blank + 1 };
            let (head, tail) = rest.split_at_checked(cut)?;
            out.extend_from_slice(head);
            out.extend_from_slice(b"\r\n");
            rest = tail;
        }
        out.extend_from_slice(rest);
    }
    Some(out)
}

/// `message` with CRLF as its only line end, and with one at its end.
#[must_use]
pub fn only_crlf(message: &[u8]) -> Cow<'_, [u8]> {
    if is_only_crlf(message) {
        return Cow::Borrowed(message);
    }
    let mut out = Vec::with_capacity(super::room(message.len() + message.len() / 32 + 2));
    let mut rest = message;
    while let Some(i) = memchr::memchr2(b'\r', b'\n', rest) {
        let (line, tail) = rest.split_at_checked(i).unwrap_or((rest, &[]));
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
        let width = if tail.starts_with(b"\r\n") { 2 } else { 1 };
        rest = tail.get(width..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    if !rest.is_empty() {
        out.extend_from_slice(b"\r\n");
    }
    Cow::Owned(out)
}

/// Whether CRLF is the only line end, and stands at the end.
#[must_use]
pub fn is_only_crlf(message: &[u8]) -> bool {
    (message.is_empty() || message.ends_with(b"\r\n")) && !has_bare(message)
}

/// `text`, which has only CRLF, with bare LF where `model` has no other line ends.
#[must_use]
pub fn ended_like(model: &[u8], mut text: Vec<u8>) -> Vec<u8> {
    if memchr::memchr(b'\n', model).is_some() && memchr::memchr(b'\r', model).is_none() {
        text.retain(|b| *b != b'\r');
    }
    text
}

/// Whether a CR or an LF stands outside a pair.
#[must_use]
pub fn has_bare(message: &[u8]) -> bool {
    let mut expected = 0;
    for i in memchr::memchr_iter(b'\n', message) {
        if i == 0 || message.get(i - 1) != Some(&b'\r') {
            return true;
        }
        // Each CR must be the one before this LF.
        if memchr::memchr(b'\r', message.get(expected..i - 1).unwrap_or_default()).is_some() {
            return true;
        }
        expected = i + 1;
    }
    memchr::memchr(b'\r', message.get(expected..).unwrap_or_default()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_end_becomes_crlf_and_a_right_message_is_not_copied() {
        for (from, to) in
            [("a\nb\rc\r\nd", "a\r\nb\r\nc\r\nd\r\n"), ("\r\r\n", "\r\n\r\n"), ("\n\r", "\r\n\r\n"), ("", "")]
        {
            assert_eq!(only_crlf(from.as_bytes()).as_ref(), to.as_bytes(), "{from:?}");
        }
        assert!(matches!(only_crlf(b"a\r\n\r\nb\r\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn line_ends_become_those_of_a_text_that_has_one_kind() {
        for (model, expected) in [("a\nb", "x\ny\n"), ("a\r\nb\n", "x\r\ny\r\n"), ("a", "x\r\ny\r\n")] {
            assert_eq!(
                ended_like(model.as_bytes(), b"x\r\ny\r\n".to_vec()),
                expected.as_bytes(),
                "{model:?}"
            );
        }
    }

    #[test]
    fn long_lines_break_at_blanks_only() {
        let broken = |text: &str, side| {
            broken_at_blanks(text.as_bytes(), 8, side).map(|out| String::from_utf8(out).unwrap())
        };
        assert_eq!(
            broken("aaa bbb ccc\r\ndd\r\n", Break::BehindBlank).as_deref(),
            Some("aaa bbb \r\nccc\r\ndd\r\n")
        );
        assert_eq!(broken(" aaa bbb ccc", Break::BeforeBlank).as_deref(), Some(" aaa\r\n bbb ccc"));
        assert_eq!(broken("aaaaaaaaaaaa", Break::BehindBlank), None);
    }
}
