//! The way back from a decoded text to its octets, for the few places that are asked for.
//!
//! Rules: in a charset in which every line begins in the same state, only the lines that are asked for are read again,
//! each found by counting line ends. Any other charset, and a text in which an octet made no sense, is read again whole.
//! When it fails: never; a range outside maps to nothing.

use super::charset::Charset;
use super::slice;
use super::view::View;
use std::ops::Range;

/// Where the octets of a text are.
pub enum WayBack<'a> {
    /// The text is its octets.
    Same,
    Lines(Lines<'a>),
    Whole(View),
}

impl<'a> WayBack<'a> {
    /// The way back from `text`, which is `bytes` decoded without a fault.
    #[must_use]
    pub fn new(charset: Charset, bytes: &'a [u8], text: &'a [u8]) -> Self {
        match charset {
            Charset::Utf8 => Self::Same,
            Charset::Iso2022Jp | Charset::Legacy(_) => {
                Self::Lines(Lines { charset, bytes, text, line: Line::default(), read: None })
            }
            _ => Self::Whole(charset.decode_view(bytes)),
        }
    }

    /// The ranges of the octets that `range` of the text came from, in order, neighbours joined.
    pub fn sources(&mut self, range: Range<usize>) -> Vec<Range<usize>> {
        match self {
            Self::Same => {
                if range.is_empty() {
                    Vec::new()
                } else {
                    vec![range]
                }
            }
            Self::Lines(lines) => lines.sources(range),
            Self::Whole(view) => view.sources(range),
        }
    }
}

/// A text whose lines are read again one by one.
pub struct Lines<'a> {
    charset: Charset,
    bytes: &'a [u8],
    text: &'a [u8],
    /// Where a line begins that was asked for.
    line: Line,
    /// The lines that were read last.
    read: Option<Read>,
}

/// Where a line begins.
#[derive(Clone, Copy, Default)]
struct Line {
    text: usize,
    bytes: usize,
}

/// Lines that were read again: how much of the text they are, where their octets begin, and the way back in them.
struct Read {
    text: Range<usize>,
    bytes: usize,
    view: View,
}

impl Lines<'_> {
    fn sources(&mut self, range: Range<usize>) -> Vec<Range<usize>> {
        let known =
            self.read.as_ref().is_some_and(|r| r.text.start <= range.start && range.end <= r.text.end);
        if !known {
            self.read = Some(self.read_again(&range));
        }
        let Some(read) = &self.read else { return Vec::new() };
        let inside = range.start - read.text.start..range.end.saturating_sub(read.text.start);
        let mut sources = read.view.sources(inside);
        for source in &mut sources {
            *source = source.start + read.bytes..source.end + read.bytes;
        }
        sources
    }

    /// Reads the lines that `range` of the text lies in.
    fn read_again(&mut self, range: &Range<usize>) -> Read {
        if range.start < self.line.text {
            self.line = Line::default();
        }
        let mut end = self.end(self.line);
        while end.text <= range.start && end.text < self.text.len() {
            self.line = end;
            end = self.end(end);
        }
        while end.text < range.end && end.text < self.text.len() {
            end = self.end(end);
        }
        let octets = slice(self.bytes, self.line.bytes..end.bytes);
        Read {
            text: self.line.text..end.text,
            bytes: self.line.bytes,
            view: self.charset.decode_view(octets),
        }
    }

    /// Where the line ends that begins at `line`.
    fn end(&self, line: Line) -> Line {
        let end = |text: &[u8], at: usize| {
            let rest = text.get(at..).unwrap_or_default();
            memchr::memchr(b'\n', rest).map_or(text.len(), |i| at + i + 1)
        };
        Line { text: end(self.text, line.text), bytes: end(self.bytes, line.bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn read_line_by_line_the_way_back_is_the_one_of_the_whole(
            pieces in proptest::collection::vec(prop_oneof![
                Just("a@b "), Just("日本"), Just("\n"), Just("\r\n"), Just("ｶﾅ"), Just("§"), Just("\r"), Just("=\r\n> "),
            ], 0..30),
            raw in proptest::collection::vec(any::<u8>(), 0..60),
            from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(),
        ) {
            let (jp, sjis, euc) = (Charset::Iso2022Jp, Charset::SHIFT_JIS, Charset::EUC_JP);
            let mut all: Vec<(Charset, Vec<u8>)> = Vec::new();
            let text = pieces.concat();
            for charset in [jp, sjis, euc, Charset::GB18030, Charset::EUC_KR, Charset::Utf8, Charset::Utf16Le, Charset::HZ] {
                all.extend(charset.encode(&text).map(|bytes| (charset, bytes)));
                all.push((charset, raw.clone()));
            }
            all.push((jp, text.replace('日', "\u{1b}$B$\"").replace('本', "$$\u{1b}(B").into_bytes()));
            all.push((jp, text.replace('日', "\u{e}1").replace('本', "2").into_bytes()));
            for (charset, bytes) in all {
                let (text, good) = charset.decode(&bytes);
                if !good {
                    continue;
                }
                let view = charset.decode_view(&bytes);
                let (a, b) = (from.index(text.len() + 1), to.index(text.len() + 1));
                let mut way = WayBack::new(charset, &bytes, text.as_bytes());
                for range in [a.min(b)..a.max(b), a..(a + 3).min(text.len()), b..(b + 3).min(text.len())] {
                    if range.is_empty() {
                        continue;
                    }
                    prop_assert_eq!(way.sources(range.clone()), view.sources(range), "{:?}", charset);
                }
            }
        }
    }
}
