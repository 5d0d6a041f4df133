//! The text of a page: its strings put together as a reader sees them, under every table of the document.
//!
//! Rules: which font a string is in is not asked, since every table is tried. The strings come put together in three
//! ways: parted where a line ends or a gap is wide, with nothing between them, and parted at every operator. (A line is
//! told by its height, which programs write in too many ways to be sure.)
//! When it fails: never.

use super::cmap::Table;
use super::lexer::Token;
use crate::document::search::Search;

/// Octets of strings that are put together.
const WINDOW: usize = 16 * 1024;
/// What is kept for the next window.
const OVERLAP: usize = 2 * 1024;
/// How far a string in an array is moved to the right, in thousandths, that it reads as a blank.
const GAP: f64 = -180.0;

/// What every address has, also where its sign is spelled in brackets.
pub const SIGNS: [char; 8] = ['@', '\u{ff20}', '\u{fe6b}', '(', '[', '{', '<', '\u{ff08}'];

/// What stands before a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Before {
    Nothing,
    Operator,
    Gap,
    Line,
}

/// How strings are put together.
#[derive(Clone, Copy)]
enum Way {
    Lines,
    Joined,
    Parted,
}

impl Way {
    fn between(self, before: Before) -> &'static str {
        match (self, before) {
            (Self::Joined, _) | (_, Before::Nothing) | (Self::Lines, Before::Operator) => "",
            (_, Before::Line) => "\n",
            _ => " ",
        }
    }
}

/// The strings of the contents of pages.
pub struct Shown<'t> {
    tables: &'t [Table],
    octets: Vec<u8>,
    /// Where each string ends, and what stands before it.
    strings: Vec<(usize, Before)>,
    next: Before,
    in_array: bool,
    numbers: [f64; 6],
    height: f64,
}

impl<'t> Shown<'t> {
    pub fn new(tables: &'t [Table]) -> Self {
        Self {
            tables,
            octets: Vec::new(),
            strings: Vec::new(),
            next: Before::Nothing,
            in_array: false,
            numbers: [0.0; 6],
            height: 0.0,
        }
    }

    pub fn take(&mut self, token: Token<'_>, search: &mut Search<'_>) {
        match token {
            Token::String(string) => {
                self.octets.extend_from_slice(string);
                self.strings.push((self.octets.len(), self.next));
                self.next = Before::Nothing;
                if self.octets.len() >= WINDOW || self.strings.len() >= WINDOW {
                    self.give(search);
                    self.keep_tail();
                }
            }
            Token::Number(n) => {
                if self.in_array && n < GAP {
                    self.next = self.next.max(Before::Gap);
                }
                self.numbers.rotate_left(1);
                if let Some(last) = self.numbers.last_mut() {
                    *last = n;
                }
            }
            Token::Open => self.in_array = true,
            Token::Close => self.in_array = false,
            Token::Word(word) => self.operator(word),
            Token::Name(_) => {}
        }
    }

    fn operator(&mut self, word: &[u8]) {
        let [.., y] = self.numbers;
        #[expect(clippy::float_cmp, reason = "the same height is written with the same digits")]
        let before = match word {
            b"Td" | b"TD" if y == 0.0 => Before::Operator,
            b"Tm" if y == self.height => Before::Operator,
            b"Tm" => {
                self.height = y;
                Before::Line
            }
            b"Td" | b"TD" | b"T*" => Before::Line,
            b"'" | b"\"" => {
                // It moved before it showed.
                if let Some(last) = self.strings.last_mut() {
                    last.1 = Before::Line;
                }
                Before::Operator
            }
            _ => Before::Operator,
        };
        self.next = self.next.max(before);
    }

    /// Gives what there is.
    pub fn give(&mut self, search: &mut Search<'_>) {
        if self.octets.is_empty() {
            return;
        }
        let is_parted = self.strings.iter().any(|(_, before)| *before > Before::Nothing);
        let has_lines = self.strings.iter().any(|(_, before)| *before > Before::Operator);
        let ways: &[Way] = match (is_parted, has_lines) {
            (false, _) => &[Way::Joined],
            (true, false) => &[Way::Joined, Way::Parted],
            (true, true) => &[Way::Lines, Way::Joined, Way::Parted],
        };
        for way in ways {
            let mut out = Vec::with_capacity(self.octets.len() + self.strings.len());
            self.each(*way, |between, string| {
                out.extend_from_slice(between.as_bytes());
                out.extend_from_slice(string);
            });
            search.octets(&out);
        }
        for table in self.tables {
            if !search.spend(self.octets.len()) {
                return;
            }
            for way in ways {
                let mut out = String::with_capacity(self.octets.len() + self.strings.len());
                self.each(*way, |between, string| {
                    out.push_str(between);
                    table.decode(string, &mut out);
                });
                // Under the table of another font hardly anything reads like an address.
                if !out.contains(SIGNS) {
                    break;
                }
                search.unicode(&out);
            }
        }
    }

    fn each(&self, way: Way, mut each: impl FnMut(&str, &[u8])) {
        let mut from = 0;
        for (end, before) in &self.strings {
            each(way.between(*before), self.octets.get(from..*end).unwrap_or_default());
            from = *end;
        }
    }

    /// Keeps the last strings for the next window; of one long string no more than its end, cut between codes.
    fn keep_tail(&mut self) {
        let total = self.octets.len();
        let from = self.strings.partition_point(|(end, _)| *end + OVERLAP <= total);
        let from = from.max(self.strings.len().saturating_sub(WINDOW / 4));
        let begin = from.checked_sub(1).and_then(|at| self.strings.get(at)).map_or(0, |string| string.0);
        let start = begin + (total.saturating_sub(WINDOW / 2).saturating_sub(begin) & !1);
        self.octets.drain(..start.min(total));
        self.strings.drain(..from);
        for string in &mut self.strings {
            string.0 = string.0.saturating_sub(start);
        }
    }
}
