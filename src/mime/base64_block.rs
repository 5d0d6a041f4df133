//! Blocks of base64 within a text: lines that a part without a transfer encoding holds, as where a message was quoted with
//! its source, or a program forgot to say how it had encoded it.
//!
//! Rules: a block is lines of whole groups of RFC 4648 §4, none longer than the first, padded at its end alone; a line alone
//! is one too. They may be quoted, each with the same marks. A change keeps width, marks and line ends.
//! When it fails: never; what is no block is text.

use super::base64;
use super::slice;
use super::transfer::{Edit, Encoding};
use std::borrow::Cow;
use std::ops::Range;

/// Shortest first line, in digits: shorter ones are words.
const SHORTEST: usize = 24;
/// Longest marks of quoting, in octets.
const MAX_MARKS: usize = 40;

/// Where a block is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// From its first line to the end of the last one, with the line end.
    pub range: Range<usize>,
    /// Length of the marks of quoting before each line.
    marks: usize,
}

/// The blocks of a text, in order.
#[must_use]
pub fn blocks(text: &[u8]) -> Vec<Block> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        match block_at(text, at) {
            Some(block) => {
                at = block.range.end;
                out.push(block);
            }
            None => at = line_at(text, at).1,
        }
    }
    out
}

impl Block {
    /// The block without its marks.
    fn lines<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        let raw = slice(text, self.range.clone());
        if self.marks == 0 {
            return Cow::Borrowed(raw);
        }
        let bare = |line: &'t [u8]| line.get(self.marks..).unwrap_or_default();
        Cow::Owned(raw.split_inclusive(|b| *b == b'\n').flat_map(bare).copied().collect())
    }

    /// What the block holds.
    #[must_use]
    pub fn decoded(&self, text: &[u8]) -> Vec<u8> {
        base64::decode(&self.lines(text)).0
    }

    /// The block with `edits` (over what it holds) made in it.
    #[must_use]
    pub fn edited(&self, text: &[u8], edits: &[Edit]) -> Vec<u8> {
        let raw = slice(text, self.range.clone());
        let bare_ends = !raw.windows(2).any(|pair| pair == b"\r\n") && raw.contains(&b'\n');
        let new = Encoding::Base64.edit(&self.lines(text), edits);
        if self.marks == 0 && !bare_ends {
            return new;
        }
        let mut out = Vec::with_capacity(new.len() + new.len() / 16);
        for line in new.split_inclusive(|b| *b == b'\n') {
            out.extend_from_slice(slice(raw, 0..self.marks));
            match line.strip_suffix(b"\r\n").filter(|_| bare_ends) {
                Some(line) => {
                    out.extend_from_slice(line);
                    out.push(b'\n');
                }
                None => out.extend_from_slice(line),
            }
        }
        out
    }
}

/// The line at `at` without its end, and where the next one begins.
fn line_at(text: &[u8], at: usize) -> (&[u8], usize) {
    let rest = text.get(at..).unwrap_or_default();
    let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    let line = slice(rest, 0..end);
    (line.strip_suffix(b"\r").unwrap_or(line), (at + end + 1).min(text.len()))
}

fn block_at(text: &[u8], start: usize) -> Option<Block> {
    let (first, mut end) = line_at(text, start);
    let is_mark = |b: &&u8| matches!(**b, b'>' | b'|' | b' ' | b'\t');
    let marks = first.iter().take(MAX_MARKS).take_while(is_mark).count();
    let (before, first) = first.split_at_checked(marks)?;
    let width = first.len();
    // Most lines of a text are told by their first octets.
    if width < SHORTEST || !first.iter().take(8).all(|b| is_digit(*b)) {
        return None;
    }
    let mut goes_on = is_whole(first)?;
    while goes_on && end < text.len() {
        let (line, next) = line_at(text, end);
        let here = line.strip_prefix(before).filter(|line| line.len() <= width).and_then(is_whole);
        let Some(here) = here else { break };
        (goes_on, end) = (here, next);
    }
    Some(Block { range: start..end, marks })
}

fn is_digit(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')
}

/// Whether a line of whole groups ends without padding, so that another one may follow; `None` for what is no such line.
fn is_whole(line: &[u8]) -> Option<bool> {
    let padding = line.iter().rev().take(2).take_while(|b| **b == b'=').count();
    let digits = slice(line, 0..line.len() - padding);
    let is_line = !digits.is_empty() && line.len().is_multiple_of(4) && digits.iter().all(|b| is_digit(*b));
    is_line.then_some(padding == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINE: &str = "TG9yZW0gaXBzdW0gZG9sb3Igc2l0IGFtZXQ=";

    fn found(text: &str) -> Vec<(&str, Vec<u8>)> {
        blocks(text.as_bytes())
            .into_iter()
            .map(|block| (&text[block.range.clone()], block.decoded(text.as_bytes())))
            .collect()
    }

    #[test]
    fn lines_of_base64_are_a_block_and_words_are_none() {
        let lorem = b"Lorem ipsum dolor sit amet".to_vec();
        for block in [
            format!("{LINE}\r\n"),
            format!("> > {LINE}\n"),
            LINE.to_owned(),
            "TG9yZW0gaXBzdW0gZG9sb3Ig\r\nc2l0IGFtZXQ=\r\n".into(),
        ] {
            assert_eq!(found(&format!("Hello,\r\n\r\n{block}")), [(block.as_str(), lorem.clone())]);
        }
        for text in [
            "Donaudampfschifffahrtsgesellschaft!",
            "word",
            "https://shop.example/a/very/long/path/x",
            "TG9yZW0gaXBzdW0gZG9sb3Igc2l0IGFtZXQ",
            "------------------------",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_edit_changes_what_the_block_holds_and_nothing_else(
            octets in proptest::collection::vec(any::<u8>(), 60..400),
            width in 6_usize..20,
            at in 0_usize..50,
            with in proptest::collection::vec(any::<u8>(), 8..40),
            marks in prop_oneof![Just(""), Just("> "), Just("| > ")],
            end in prop_oneof![Just("\n"), Just("\r\n")],
        ) {
            let lines = octets.chunks(width * 3).map(|chunk| format!("{marks}{}{end}", data_encoding::BASE64.encode(chunk)));
            let text: String = lines.collect();
            let found = blocks(text.as_bytes());
            prop_assume!(width * 4 >= SHORTEST);
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!(&found[0].decoded(text.as_bytes()), &octets);
            let edits = [Edit { range: at..at + 8, with: with.clone() }];
            let new = found[0].edited(text.as_bytes(), &edits);
            let again = blocks(&new);
            prop_assert_eq!(again.len(), 1);
            let expected = [&octets[..at], &with, &octets[at + 8..]].concat();
            prop_assert_eq!(again[0].decoded(&new), expected);
            prop_assert_eq!(again[0].range.clone(), 0..new.len());
            prop_assert_eq!(new.iter().filter(|b| **b == b'\r').count() > 0, end == "\r\n");
        }
    }
}
