//! The caller's closure, the limits and what was found so far: what every reader of this floor works with.
//!
//! Rules: texts longer than a window are given in windows that overlap, cut at a blank where there is one, so that an
//! address is whole in one of them. After a yes nothing more is given.
//! When it fails: never; it keeps the gravest reason why something could not be read.

use super::limits::Limits;
use super::{Finding, Why};

/// Octets of a window.
pub const WINDOW: usize = 64 * 1024;
/// What two windows share, in octets: longer than an address in any encoding.
const OVERLAP: usize = 4 * 1024;

/// A text of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text<'t> {
    /// Decoded.
    Unicode(&'t str),
    /// In a charset that the document does not say, or among octets that are no text: 8-bit, UTF-16, anything.
    Octets(&'t [u8]),
}

/// One search.
pub struct Search<'n> {
    names: &'n mut dyn FnMut(Text<'_>) -> bool,
    found: bool,
    opaque: Option<Why>,
    left: Limits,
}

impl<'n> Search<'n> {
    pub fn new(limits: Limits, names: &'n mut dyn FnMut(Text<'_>) -> bool) -> Self {
        Self { names, found: false, opaque: None, left: limits }
    }

    /// Gives octets, in windows.
    pub fn octets(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while !self.found && !rest.is_empty() {
            let end = if rest.len() > WINDOW { cut(rest, WINDOW) } else { rest.len() };
            self.found = (self.names)(Text::Octets(rest.get(..end).unwrap_or_default()));
            let next = if end < rest.len() { cut(rest, end.saturating_sub(OVERLAP)) } else { end };
            rest = rest.get(next..).unwrap_or_default();
        }
    }

    /// Gives the beginning and the end of octets that were searched among others: here they stand alone.
    pub fn edges(&mut self, octets: &[u8]) {
        if octets.len() <= 2 * OVERLAP {
            return self.octets(octets);
        }
        self.octets(octets.get(..OVERLAP).unwrap_or_default());
        self.octets(octets.get(octets.len() - OVERLAP..).unwrap_or_default());
    }

    /// Gives a decoded text, no longer than a few windows.
    pub fn unicode(&mut self, text: &str) {
        if !self.found && !text.is_empty() {
            self.found = (self.names)(Text::Unicode(text))
                || with_letters(text).is_some_and(|text| (self.names)(Text::Unicode(&text)));
        }
    }

    /// Notes that something could not be read.
    pub fn is_opaque(&mut self, why: Why) {
        self.opaque = self.opaque.max(Some(why));
    }

    /// Goes back to an earlier reason: what was read since is not what it seemed to be.
    pub fn forget(&mut self, opaque: Option<Why>) {
        self.opaque = opaque;
    }

    /// The gravest reason so far.
    pub fn opaque(&self) -> Option<Why> {
        self.opaque
    }

    /// Whether somebody was named.
    pub fn is_over(&self) -> bool {
        self.found
    }

    /// The end of the search, with the reason that is told.
    pub fn finding(self, opaque: Option<Why>) -> Finding {
        match opaque {
            _ if self.found => Finding::Names,
            Some(why) => Finding::Opaque(why),
            None => Finding::Clean,
        }
    }

    /// Counts octets that came out of compressed data. Says whether to go on.
    pub fn spend(&mut self, octets: usize) -> bool {
        let octets = u64::try_from(octets).unwrap_or(u64::MAX);
        match self.left.inflated.checked_sub(octets) {
            Some(left) => self.left.inflated = left,
            None => {
                self.left.inflated = 0;
                self.is_opaque(Why::TooLarge);
                return false;
            }
        }
        !self.found
    }

    /// Counts a member. Says whether to go on.
    pub fn member(&mut self) -> bool {
        if self.left.members == 0 {
            self.is_opaque(Why::TooLarge);
            return false;
        }
        self.left.members -= 1;
        !self.found
    }

    /// Counts a stream, a chunk or the like. Says whether to go on.
    pub fn stream(&mut self) -> bool {
        if self.left.streams == 0 {
            self.is_opaque(Why::TooLarge);
            return false;
        }
        self.left.streams -= 1;
        !self.found
    }

    /// Takes room to hold octets of a nested document. Says whether there is any.
    pub fn hold(&mut self, octets: usize) -> bool {
        let is_room = self.hold_if_room(octets);
        if !is_room {
            self.is_opaque(Why::TooLarge);
        }
        is_room
    }

    /// The same where nothing is left unread without room.
    pub fn hold_if_room(&mut self, octets: usize) -> bool {
        let left = self.left.held.checked_sub(octets);
        self.left.held = left.unwrap_or(self.left.held);
        left.is_some()
    }

    /// Gives room back.
    pub fn release(&mut self, octets: usize) {
        self.left.held = self.left.held.saturating_add(octets);
    }

    /// Goes one document deeper.
    pub fn deeper(&mut self, look: impl FnOnce(&mut Self)) {
        if self.left.depth == 0 {
            self.is_opaque(Why::TooLarge);
            return;
        }
        self.left.depth -= 1;
        look(self);
        self.left.depth += 1;
    }
}

/// A text with `_x0040_` as the letter that a workbook writes so (ECMA-376 part 1, §22.4.2.4); `None` where there are none.
fn with_letters(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut done = 0;
    for (at, _) in text.match_indices("_x") {
        let Some(code) = text.get(at + 2..at + 6).filter(|_| text.get(at + 6..at + 7) == Some("_")) else {
            continue;
        };
        let letter = u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
        let Some(letter) = letter.filter(|_| at >= done && code.bytes().all(|b| b.is_ascii_hexdigit()))
        else {
            continue;
        };
        out.push_str(text.get(done..at)?);
        out.push(letter);
        done = at + 7;
    }
    if done == 0 {
        return None;
    }
    out.push_str(text.get(done..)?);
    Some(out)
}

/// Where to cut near `end`: behind a blank, of 8 or 16 bits, in the half overlap before it; else at `end`.
fn cut(octets: &[u8], end: usize) -> usize {
    let from = end.saturating_sub(OVERLAP / 2);
    let near = octets.get(from..end).unwrap_or_default();
    let blank = near.iter().rposition(|b| matches!(b, b' ' | b'\n' | b'\r' | b'\t'));
    blank.map_or(end, |at| from + at + 1)
}

/// Octets that come piece by piece, given in windows.
#[derive(Default)]
pub struct OctetWindow {
    held: Vec<u8>,
}

impl OctetWindow {
    pub fn push(&mut self, octets: &[u8], search: &mut Search<'_>) {
        let mut rest = octets;
        while !rest.is_empty() && !search.is_over() {
            let room = WINDOW.saturating_sub(self.held.len()).min(rest.len());
            let (now, later) = rest.split_at_checked(room).unwrap_or((rest, &[]));
            self.held.extend_from_slice(now);
            rest = later;
            if self.held.len() >= WINDOW {
                search.octets(&self.held);
                let keep = cut(&self.held, WINDOW - OVERLAP);
                self.held.drain(..keep);
            }
        }
    }

    pub fn finish(&mut self, search: &mut Search<'_>) {
        search.octets(&self.held);
        self.held.clear();
    }
}

/// Decoded text that comes piece by piece, given in windows.
#[derive(Default, Clone)]
pub struct TextWindow {
    held: String,
}

impl TextWindow {
    pub fn push(&mut self, c: char, search: &mut Search<'_>) {
        self.held.push(c);
        if self.held.len() >= WINDOW {
            self.give(search);
        }
    }

    pub fn push_str(&mut self, text: &str, search: &mut Search<'_>) {
        self.held.push_str(text);
        if self.held.len() >= WINDOW {
            self.give(search);
        }
    }

    /// Ends a line, unless it ended already.
    pub fn end_line(&mut self, search: &mut Search<'_>) {
        if !self.held.is_empty() && !self.held.ends_with('\n') {
            self.push('\n', search);
        }
    }

    fn give(&mut self, search: &mut Search<'_>) {
        search.unicode(&self.held);
        let from = self.held.floor_char_boundary(self.held.len().saturating_sub(OVERLAP));
        let tail = self.held.get(from..).unwrap_or_default();
        let blank = tail.get(..tail.floor_char_boundary(OVERLAP / 2)).unwrap_or_default().rfind([' ', '\n']);
        self.held.drain(..from + blank.map_or(0, |at| at + 1));
    }

    pub fn finish(&mut self, search: &mut Search<'_>) {
        search.unicode(&self.held);
        self.held.clear();
    }
}
