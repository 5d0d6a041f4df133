//! Encoded words: where they are in a header value, what octets they hold, and writing them.
//!
//! Rules: RFC 2047, read the way mail programs do: anywhere, also inside quotes, parameters and other words, with
//! blanks and folds in them; blanks between two words are not part of the text (§6.2). Each word has its own
//! charset state (§3). A language suffix is ignored (RFC 2231 §5). Written words are at most 75 characters (§2).
//! When it fails: what is no complete word is plain text.

use super::charset::Charset;
use super::slice;
use super::transfer::{Encoding, hex};
use std::ops::Range;

/// Longest encoded word (RFC 2047 §2).
const MAX_WORD: usize = 75;

/// A stretch of a header value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Octets that are no encoded word.
    Plain(Range<usize>),
    /// Blanks between two encoded words: no part of the text.
    Between(Range<usize>),
    /// An encoded word.
    Word(Word),
}

/// An encoded word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// From `=?` to `?=`.
    pub range: Range<usize>,
    /// The charset as written, without language.
    pub label: String,
    /// How the octets are written.
    pub coding: Coding,
    /// The octets.
    pub bytes: Vec<u8>,
}

/// RFC 2047 §4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    B,
    Q,
}

/// Cuts a value into its segments; they cover it without gaps.
#[must_use]
pub fn segments(value: &[u8]) -> Vec<Segment> {
    let mut out = Vec::new();
    let mut plain = 0;
    let mut at = 0;
    // Behind the last end no word begins: many openings without one would cost a look at the whole value each.
    let last_end = memchr::memmem::rfind(value, b"?=").unwrap_or(0);
    while let Some(i) = memchr::memmem::find(value.get(at..).unwrap_or_default(), b"=?") {
        let start = at + i;
        if start >= last_end {
            break;
        }
        let Some(word) = word_at(value, start) else {
            at = start + 2;
            continue;
        };
        at = word.range.end;
        let before = plain..start;
        plain = at;
        if !before.is_empty() {
            let blank = slice(value, before.clone()).iter().all(u8::is_ascii_whitespace);
            let between = blank && matches!(out.last(), Some(Segment::Word(_)));
            out.push(if between { Segment::Between(before) } else { Segment::Plain(before) });
        }
        out.push(Segment::Word(word));
    }
    if plain < value.len() {
        out.push(Segment::Plain(plain..value.len()));
    }
    out
}

/// The complete encoded word that begins at `start`.
fn word_at(value: &[u8], start: usize) -> Option<Word> {
    let rest = value.get(start + 2..)?;
    let label_len = rest.iter().take(64).position(|b| *b == b'?')?;
    let label = rest.get(..label_len)?;
    if label.is_empty()
        || !label.iter().all(|b| b.is_ascii_graphic() && !matches!(b, b'=' | b'<' | b'>' | b'"'))
    {
        return None;
    }
    let coding = match rest.get(label_len + 1..label_len + 3)? {
        [b'b' | b'B', b'?'] => Coding::B,
        [b'q' | b'Q', b'?'] => Coding::Q,
        _ => return None,
    };
    let text = rest.get(label_len + 3..)?;
    // `=?utf-8?Q?=41?=`: the first `?=` may be the `?` that opens the text and an escape; it is not, for the `?`
    // was taken above. A Q text that ends in `=3D?=` is found as it should.
    let end = memchr::memmem::find(text, b"?=")?;
    let text = text.get(..end)?;
    let bytes = match coding {
        Coding::B => Encoding::Base64.decode(text).into_owned(),
        Coding::Q => decode_q(text),
    };
    let name = label.split(|b| *b == b'*').next().unwrap_or_default();
    Some(Word {
        range: start..start + 2 + label_len + 3 + end + 2,
        label: String::from_utf8_lossy(name).into_owned(),
        coding,
        bytes,
    })
}

fn decode_q(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut i = 0;
    while let Some(&b) = text.get(i) {
        i += 1;
        match b {
            b'_' => out.push(b' '),
            b'\r' | b'\n' => {}
            b'=' => match (text.get(i).and_then(|b| hex(*b)), text.get(i + 1).and_then(|b| hex(*b))) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    i += 2;
                }
                _ => out.push(b),
            },
            _ => out.push(b),
        }
    }
    out
}

/// `text` as encoded words of at most 75 characters, on lines of their own; in UTF-8 where `charset` has no place
/// for it.
#[must_use]
pub fn encode(text: &str, label: &str, charset: Charset, coding: Coding) -> Vec<u8> {
    let fits = charset.encode(text).is_some();
    let (label, charset) = if fits { (label, charset) } else { ("UTF-8", Charset::Utf8) };
    let room = MAX_WORD.saturating_sub(label.len() + 7).max(16);
    let mut out: Vec<u8> = Vec::new();
    let mut chunk = String::new();
    for c in text.chars() {
        chunk.push(c);
        if chunk.len() > 1 && coded(&chunk, charset, coding).len() > room {
            chunk.pop();
            push_word(&chunk, label, charset, coding, &mut out);
            chunk.clear();
            chunk.push(c);
        }
    }
    push_word(&chunk, label, charset, coding, &mut out);
    out
}

fn push_word(chunk: &str, label: &str, charset: Charset, coding: Coding, out: &mut Vec<u8>) {
    if chunk.is_empty() {
        return;
    }
    if !out.is_empty() {
        out.extend_from_slice(b"\r\n ");
    }
    push_coded(&coded(chunk, charset, coding), label, coding, out);
}

fn push_coded(text: &[u8], label: &str, coding: Coding, out: &mut Vec<u8>) {
    let letter = match coding {
        Coding::B => 'B',
        Coding::Q => 'Q',
    };
    out.extend_from_slice(format!("=?{label}?{letter}?").as_bytes());
    out.extend_from_slice(text);
    out.extend_from_slice(b"?=");
}

fn coded(chunk: &str, charset: Charset, coding: Coding) -> Vec<u8> {
    coded_octets(&charset.encode(chunk).unwrap_or_default(), coding)
}

fn coded_octets(bytes: &[u8], coding: Coding) -> Vec<u8> {
    match coding {
        Coding::B => data_encoding::BASE64.encode(bytes).into_bytes(),
        Coding::Q => {
            let mut out = Vec::new();
            for &b in bytes {
                match b {
                    b' ' => out.push(b'_'),
                    // RFC 2047 §5 (3): what is safe in a phrase too.
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'!' | b'*' | b'+' | b'-' | b'/' => out.push(b),
                    _ => out.extend_from_slice(format!("={b:02X}").as_bytes()),
                }
            }
            out
        }
    }
}

/// The text of a value: encoded words decoded, the rest as UTF-8, broken octets as U+FFFD, folds removed.
#[must_use]
pub fn text(value: &[u8]) -> String {
    let mut out = String::new();
    for segment in segments(value) {
        match segment {
            Segment::Plain(range) => {
                let plain = super::header::unfold(slice(value, range));
                out.push_str(&plain_charset(&plain).decode(&plain).0);
            }
            Segment::Between(_) => {}
            Segment::Word(word) => out.push_str(&word.charset().decode(&word.bytes).0),
        }
    }
    out
}

impl Word {
    /// Whether nobody here reads its charset, though ASCII letters in it are other letters.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        Charset::is_unreadable(self.label.as_bytes())
    }

    /// The charset to read the octets with: the declared one, else what they can be.
    #[must_use]
    pub fn charset(&self) -> Charset {
        Charset::for_label(self.label.as_bytes()).unwrap_or_else(|| plain_charset(&self.bytes))
    }
}

impl Word {
    /// The word with other octets in it, as one word where it stays short enough, else as several.
    #[must_use]
    pub fn written_with(&self, bytes: &[u8]) -> Vec<u8> {
        let charset = self.charset();
        let whole = coded_octets(bytes, self.coding);
        if whole.len() + self.label.len() + 7 <= MAX_WORD {
            let mut out = Vec::new();
            push_coded(&whole, &self.label, self.coding, &mut out);
            return out;
        }
        encode(&charset.decode(bytes).0, &self.label, charset, self.coding)
    }
}

/// What undeclared octets of a header are: UTF-8 (RFC 6532), else what Japanese programs have put there bare.
#[must_use]
pub fn plain_charset(bytes: &[u8]) -> Charset {
    if memchr::memmem::find(bytes, b"\x1b$").is_some() || memchr::memmem::find(bytes, b"\x1b(").is_some() {
        return Charset::Iso2022Jp;
    }
    [Charset::Utf8, Charset::SHIFT_JIS, Charset::EUC_JP]
        .into_iter()
        .find(|charset| charset.decode(bytes).1)
        .unwrap_or(Charset::ASCII)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_where_mail_programs_find_them() {
        for (value, expected) in [
            ("=?utf-8?B?Ym9i?=\r\n =?UTF-8*ja?q?=40x_y?= z", "bob@x y z"),
            ("a=?us-ascii?Q?=41?=b =? =?x?", "aAb =? =?x?"),
            ("\"=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?=\" <a@b>", "\"日本\" <a@b>"),
            ("=?utf-8?Q?a b\r\n c?=", "a b c"),
            ("=?utf-8?Q??= x", " x"),
            ("=?utf-8?X?a?=", "=?utf-8?X?a?="),
        ] {
            assert_eq!(text(value.as_bytes()), expected, "{value:?}");
        }
    }

    #[test]
    fn segments_cover_the_value() {
        let value = b"x =?utf-8?B?Ym9i?= =?utf-8?B?Ym9i?= y";
        let mut at = 0;
        for segment in segments(value) {
            let range = match segment {
                Segment::Plain(range) | Segment::Between(range) | Segment::Word(Word { range, .. }) => range,
            };
            assert_eq!(range.start, at);
            at = range.end;
        }
        assert_eq!(at, value.len());
    }

    #[test]
    fn long_texts_are_written_in_words_that_each_stand_alone() {
        let long = "日本語の件名はとても長いことがある".repeat(5);
        for (label, coding) in [("ISO-2022-JP", Coding::B), ("UTF-8", Coding::Q), ("Shift_JIS", Coding::B)] {
            let charset = Charset::for_label(label.as_bytes()).unwrap();
            let out = encode(&long, label, charset, coding);
            assert!(out.split(|b| *b == b'\n').all(|line| line.len() <= 78), "{label}");
            assert_eq!(text(&out), long);
        }
        assert_eq!(text(&encode("😀", "ISO-2022-JP", Charset::Iso2022Jp, Coding::B)), "😀");
    }
}
