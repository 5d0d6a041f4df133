//! Where the streams of a PDF are, by their keywords (ISO 32000-1 §7.3.8).
//!
//! Rules: a stream ends where its length says, if there an end stands; else at the next end.
//! When it fails: never; what has no dictionary before it is no stream.

use super::filters::Parameters;
use super::lexer::{Lexer, Token};
use memchr::memmem::{Finder, find, rfind};

/// How long a dictionary can be before its stream, in octets.
const MAX_DICTIONARY: usize = 16 * 1024;
const END: &[u8] = b"endstream";

/// One stream.
pub struct Stream<'o> {
    /// What stands between the stream before and this one.
    pub before: &'o [u8],
    pub before_at: usize,
    pub octets: &'o [u8],
    /// Where they begin.
    pub at: usize,
    pub parameters: Parameters,
}

/// The streams of a file, in order.
pub struct Streams<'o> {
    octets: &'o [u8],
    keyword: Finder<'static>,
    /// Where to look for the next one.
    at: usize,
    /// Behind the end of the last one.
    end: usize,
    /// The next end, found already.
    next_end: Option<usize>,
}

impl<'o> Streams<'o> {
    pub fn new(octets: &'o [u8]) -> Self {
        Self { octets, keyword: Finder::new(b"stream"), at: 0, end: 0, next_end: None }
    }

    /// Where the rest begins.
    pub fn rest_at(&self) -> usize {
        self.end
    }

    /// What stands behind the last stream.
    pub fn rest(&self) -> &'o [u8] {
        self.octets.get(self.end..).unwrap_or_default()
    }

    fn end_of(&mut self, from: usize, length: Option<usize>) -> usize {
        if let Some(end) = length.and_then(|length| from.checked_add(length)) {
            let behind = self.octets.get(end..end.saturating_add(16)).unwrap_or_default();
            if behind.trim_ascii_start().starts_with(END) {
                return end;
            }
        }
        if self.next_end.is_none_or(|end| end < from) {
            let found = find(self.octets.get(from..).unwrap_or_default(), END);
            self.next_end = Some(found.map_or(self.octets.len(), |at| from + at));
        }
        self.next_end.unwrap_or(self.octets.len())
    }
}

impl<'o> Iterator for Streams<'o> {
    type Item = Stream<'o>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let last = self.at;
            let keyword = last + self.keyword.find(self.octets.get(last..)?)?;
            self.at = keyword + b"stream".len();
            let behind = self.octets.get(self.at..).unwrap_or_default();
            let from = self.at + line_end(behind);
            let is_end = self.octets.get(..keyword).is_some_and(|before| before.ends_with(b"end"));
            if is_end || from == self.at {
                continue;
            }
            // Dictionaries do not overlap, so that a walk stays linear.
            let start = keyword.saturating_sub(MAX_DICTIONARY).max(last);
            let before = self.octets.get(start..keyword).unwrap_or_default();
            let before = rfind(before, b"obj").and_then(|at| before.get(at + 3..)).unwrap_or(before);
            if find(before, b"<<").is_none() {
                continue;
            }
            let parameters = parameters(before);
            let end = self.end_of(from, parameters.length);
            let before_at = self.end;
            let before = self.octets.get(before_at..keyword).unwrap_or_default();
            self.end = self.end.max(end);
            let octets = self.octets.get(from..end).unwrap_or_default();
            return Some(Stream { before, before_at, octets, at: from, parameters });
        }
    }
}

/// The length of the line end behind the keyword, blanks before it included.
fn line_end(behind: &[u8]) -> usize {
    let blanks = behind.iter().take(8).take_while(|b| matches!(b, b' ' | b'\t')).count();
    match behind.get(blanks..) {
        Some([b'\r', b'\n', ..]) => blanks + 2,
        Some([b'\r' | b'\n', ..]) => blanks + 1,
        _ => 0,
    }
}

fn parameters(dictionary: &[u8]) -> Parameters {
    let mut parameters = Parameters::default();
    let mut key: Vec<u8> = Vec::new();
    let mut in_array = false;
    let mut each = |token: Token<'_>| match token {
        Token::Open => in_array = true,
        Token::Close => {
            in_array = false;
            key.clear();
        }
        Token::Name(_) if matches!(key.as_slice(), b"Filter" | b"Subtype" | b"Type") => {
            parameters.take(&key, token);
            if !in_array {
                key.clear();
            }
        }
        Token::Name(name) => {
            key.clear();
            key.extend_from_slice(name);
        }
        Token::Number(_) => {
            parameters.take(&key, token);
            if !in_array {
                key.clear();
            }
        }
        _ => {}
    };
    let mut lexer = Lexer::new(false);
    lexer.push(dictionary, &mut each);
    lexer.finish(&mut each);
    parameters
}
