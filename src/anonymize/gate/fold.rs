//! A text folded to what could be read as an address: for the gate alone, apart from the rewriter's spelling.
//!
//! Rules: one character stands for all that look like it; blanks, quotes, backslashes, what has no width, soft breaks
//! and the marks of quoting are out, and so on request are tags or comments. Where something was taken out a word
//! may begin or end. Escapes are decoded before ([`super::escapes`]).
//! When it fails: never.

use super::compat::{is_caseless, is_framed, is_invisible, plain};
use std::sync::LazyLock;

/// What else is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// Nothing.
    Nothing,
    /// What stands between `<` and `>`.
    Tags,
    /// What stands between `(` and `)`.
    Comments,
}

/// What dots, hyphens, underscores and pluses do between letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joints {
    /// They join: `rob.bob@` is another address than `bob@`.
    Join,
    /// They part, as in file names.
    Part,
}

/// A folded text, in UTF-8.
#[derive(Default)]
pub struct Folded {
    bytes: Vec<u8>,
    /// Places before which something was taken out, in order.
    gaps: Vec<usize>,
    /// Places behind dots and hyphens at which a capital letter begins a sentence, in order.
    sentences: Vec<usize>,
    /// Places before which a quote was taken out, at which a link ends, in order.
    quotes: Vec<usize>,
}

impl Folded {
    /// Folds `text`.
    pub fn new(text: &str, leave: Leave) -> Self {
        let (open, close) = match leave {
            Leave::Nothing => (0, 0),
            Leave::Tags => (b'<', b'>'),
            Leave::Comments => (b'(', b')'),
        };
        let mut out = Self { bytes: Vec::with_capacity(text.len()), gaps: vec![0], ..Self::default() };
        let bytes = text.as_bytes();
        let (mut at, mut inside, mut line_start) = (0, 0usize, false);
        while let Some(&b) = bytes.get(at) {
            let rest = bytes.get(at..).unwrap_or_default();
            let length = if inside == 0 { ordinary_run(rest) } else { 0 };
            if length > 0 {
                let (from, run) = (out.bytes.len(), rest.get(..length).unwrap_or_default());
                out.note_sentence(text, at);
                for joint in memchr::memchr2_iter(b'.', b'-', run) {
                    if run.get(joint + 1).is_some_and(u8::is_ascii_uppercase)
                        && begins_sentence(text, at + joint + 1)
                    {
                        out.sentences.push(from + joint + 1);
                    }
                }
                if length < SHORT {
                    run.iter().for_each(|b| out.bytes.push(b.to_ascii_lowercase()));
                } else {
                    out.bytes.extend_from_slice(run);
                    out.bytes.get_mut(from..).unwrap_or_default().make_ascii_lowercase();
                }
                line_start = false;
                at += length;
                continue;
            }
            if inside > 0 && b != open && b != close {
                // Nothing of what is inside stays.
                let length = memchr::memchr2(open, close, rest).unwrap_or(rest.len());
                line_start = starts_line(text.get(at..at + length).unwrap_or_default(), line_start);
                at += length;
                continue;
            }
            let next = bytes.get(at + 1).copied().unwrap_or(0);
            let begins = b == open && leave != Leave::Nothing;
            if begins && leave == Leave::Comments {
                inside += 1;
            } else if begins && inside == 0 && (next.is_ascii_alphabetic() || b"/!?".contains(&next)) {
                inside = 1;
            } else if inside > 0 && b == close {
                inside -= 1;
                out.quote();
                at += 1;
                continue;
            }
            if b >= 0x80 {
                let c = text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or(' ');
                out.note_sentence(text, at);
                at += c.len_utf8();
                let mark = line_start && matches!(c, '＞' | '｜');
                line_start &= mark || c.is_whitespace();
                if inside > 0 || mark || c.is_whitespace() {
                    out.gap();
                } else if let Some(reads) = plain(c) {
                    if is_framed(c) {
                        out.gap();
                        out.bytes.extend_from_slice(reads.as_bytes());
                        out.gap();
                    } else {
                        out.bytes.extend_from_slice(reads.as_bytes());
                    }
                    // A full stop ends a sentence, and with it a domain.
                    if matches!(c, '。' | '｡') {
                        out.gap();
                    }
                } else if !is_invisible(c) {
                    let mut room = [0; 4];
                    for lower in c.to_lowercase() {
                        out.bytes.extend_from_slice(lower.encode_utf8(&mut room).as_bytes());
                    }
                }
                continue;
            }
            let shift = if inside == 0 { shift_length(rest) } else { 0 };
            if shift > 0 {
                out.gap();
                line_start = false;
                at += shift;
                continue;
            }
            at += 1;
            let mark = line_start && matches!(b, b'>' | b'|');
            line_start = b == b'\n' || (line_start && (b.is_ascii_whitespace() || mark));
            let soft = b == b'=' && ends_line(bytes.get(at..).unwrap_or_default());
            if inside > 0 || soft || mark || b.is_ascii_whitespace() || matches!(b, b'"' | b'\\') {
                if b == b'"' { out.quote() } else { out.gap() }
            } else if !b.is_ascii_control() {
                out.bytes.push(b.to_ascii_lowercase());
            }
        }
        out.gap();
        out
    }

    /// Notes that a sentence begins at `at` of the text, where the folded text ends.
    fn note_sentence(&mut self, text: &str, at: usize) {
        if matches!(self.bytes.last(), Some(b'.' | b'-')) && begins_sentence(text, at) {
            self.sentences.push(self.bytes.len());
        }
    }

    fn gap(&mut self) {
        if self.gaps.last() != Some(&self.bytes.len()) {
            self.gaps.push(self.bytes.len());
        }
    }

    /// A gap at which a link ends.
    fn quote(&mut self) {
        self.gap();
        self.quotes.push(self.bytes.len());
    }

    /// Whether something was taken out before `at`.
    pub fn is_gap(&self, at: usize) -> bool {
        self.gaps.binary_search(&at).is_ok()
    }

    /// `(at)`, `[at]`, `(dot)` and the like, and both words between blanks, as the sign; `None` where there are none.
    pub fn with_signs(&self) -> Option<Self> {
        let mut out = Self {
            bytes: Vec::with_capacity(self.bytes.len()),
            gaps: Vec::with_capacity(self.gaps.len()),
            sentences: Vec::new(),
            quotes: Vec::new(),
        };
        let mut quotes = self.quotes.iter().peekable();
        let mut gaps = self.gaps.iter().peekable();
        let mut sentences = self.sentences.iter().peekable();
        let (mut at, mut found) = (0, false);
        while let Some(&b) = self.bytes.get(at) {
            let mut after_gap = false;
            while gaps.next_if(|gap| **gap <= at).is_some() {
                out.gap();
                after_gap = true;
            }
            while sentences.next_if(|begin| **begin <= at).is_some() {
                out.sentences.push(out.bytes.len());
            }
            while quotes.next_if(|quote| **quote <= at).is_some() {
                out.quotes.push(out.bytes.len());
            }
            let rest = self.bytes.get(at..).unwrap_or_default();
            let sign = bracketed_sign(rest).or_else(|| {
                let (sign, length) = if after_gap { word_sign(rest)? } else { return None };
                self.is_gap(at + length).then_some((sign, length))
            });
            if let Some((sign, length)) = sign {
                out.gap();
                out.bytes.push(sign);
                at += length;
                out.gap();
                found = true;
            } else {
                out.bytes.push(b);
                at += 1;
            }
        }
        out.gap();
        found.then_some(out)
    }

    /// Whether letters stand in it, one after the other.
    pub fn holds(&self, letters: &[u8]) -> bool {
        memchr::memmem::find(&self.bytes, letters).is_some()
    }

    /// The text.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Where at signs stand, and what stands for them.
    pub fn signs(&self) -> impl Iterator<Item = usize> + '_ {
        memchr::memchr2_iter(b'@', b'=', &self.bytes)
    }

    /// Whether there is an equals sign at `at`.
    pub fn is_equals(&self, at: usize) -> bool {
        self.bytes.get(at) == Some(&b'=')
    }

    /// The text before `end`.
    pub fn before(&self, end: usize) -> &[u8] {
        self.bytes.get(..end).unwrap_or_default()
    }

    /// The text from `from` to the next `end`, as far as a local part reaches.
    pub fn between(&self, from: usize, end: u8) -> Option<&[u8]> {
        let near = self.bytes.get(from..(from + MAX_LOCAL).min(self.bytes.len()))?;
        near.get(..memchr::memchr(end, near)?)
    }

    /// Whether `word` begins at `from`.
    pub fn starts_with(&self, from: usize, word: &[u8]) -> bool {
        !word.is_empty() && self.bytes.get(from..from + word.len()) == Some(word)
    }

    /// Whether the character at `at` goes on with the word before it.
    pub fn continues_word(&self, at: usize) -> bool {
        self.bytes.get(at).is_some_and(u8::is_ascii_alphanumeric) && !self.is_gap(at)
    }

    /// The text from `at` on, up to where something was taken out or a sentence begins.
    pub fn rest_of_word(&self, at: usize) -> &[u8] {
        let next = |places: &[usize]| places.get(places.partition_point(|place| *place < at)).copied();
        let end = [next(&self.gaps), next(&self.sentences)].into_iter().flatten().min();
        self.bytes.get(at..end.unwrap_or(self.bytes.len())).unwrap_or_default()
    }

    /// Whether what ends at `end` lies behind what begins the query or the fragment of a link, where a plus is a blank.
    fn is_in_query(&self, end: usize) -> bool {
        let quotes = self.quotes.partition_point(|quote| *quote <= end);
        let quote = quotes.checked_sub(1).and_then(|i| self.quotes.get(i)).copied().unwrap_or(0);
        // Over blanks and line ends too: folds, attributes and quoting put them into links, and a doubt is a hit.
        let near = self.bytes.get(end.saturating_sub(MAX_LINK).max(quote)..end).unwrap_or_default();
        let near = near.rsplit(|b| matches!(b, b'<' | b'>')).next().unwrap_or_default();
        let schemes: [&[u8]; 2] = [b"://", b"mailto:"];
        let first = schemes.iter().filter_map(|scheme| memchr::memmem::find(near, scheme)).min();
        first.and_then(|at| near.get(at..)).is_some_and(|link| link.iter().any(|b| b"?&#".contains(b)))
    }

    /// Whether the letter or digit before `at` may be none of a word: the end of an undeclared escape of a blank, a line end
    /// or an octet beyond ASCII, or half of a character of which the other half made no sense.
    fn is_half(&self, at: usize) -> bool {
        if let Some([0xef, 0xbf, 0xbd, _]) = self.bytes.get(at.saturating_sub(4)..at) {
            return true;
        }
        let octet = |end: usize| {
            let Some([b'=', digits @ ..]) = end.checked_sub(3).and_then(|from| self.bytes.get(from..end))
            else {
                return None;
            };
            u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
        };
        let has_digit =
            self.bytes.get(at.saturating_sub(2)..at).is_some_and(|d| d.iter().any(u8::is_ascii_digit));
        match octet(at) {
            Some(0x09 | 0x0a | 0x0d | 0x20) => true,
            // Two letters may be those of a word: `to=data@`.
            Some(0x80..) => has_digit || at.checked_sub(3).and_then(octet).is_some(),
            _ => false,
        }
    }

    /// Whether a local part can begin at `at`: no letter or digit reaches it from the left, be it over joints.
    pub fn begins_word(&self, at: usize, joints: Joints) -> bool {
        let mut i = at;
        // Longer joints than an address has letters do not join.
        while !self.is_gap(i) && at - i <= MAX_LOCAL {
            let Some(before) = i.checked_sub(1) else { return true };
            match self.bytes.get(before) {
                Some(b'+') if i == at && self.is_in_query(before) => return true,
                Some(b'.' | b'_' | b'-' | b'+') if joints == Joints::Join => i = before,
                Some(b) if i == at => return !b.is_ascii_alphanumeric() || self.is_half(at),
                Some(b) => return !b.is_ascii_alphanumeric(),
                None => return true,
            }
        }
        true
    }
}

/// Whether a capital letter at `at`, behind a dot or a hyphen, is not of a word in capitals that goes on there.
fn begins_sentence(text: &str, at: usize) -> bool {
    let mut behind = text.get(at..).unwrap_or_default().chars();
    let before = text.get(..at).unwrap_or_default().chars().rev().nth(1);
    behind.next().is_some_and(char::is_uppercase)
        && (before.is_some_and(char::is_lowercase) || behind.next().is_some_and(char::is_lowercase))
}

/// Shortest run that is worth a copy as a whole, in octets.
const SHORT: usize = 8;

/// Whether a line begins behind `passed`, but for blanks and marks of quoting; `before` is whether one does before it.
fn starts_line(passed: &str, before: bool) -> bool {
    let stays = |c: char| c.is_whitespace() || matches!(c, '>' | '|' | '＞' | '｜');
    match passed.chars().rev().find(|c| *c == '\n' || !stays(*c)) {
        Some(c) => c == '\n',
        None => before,
    }
}

/// Length of what is no mark of anything that is taken out and stays as it is: most of what stands in a text, and copied
/// in one go.
fn ordinary_run(text: &[u8]) -> usize {
    let stays = STAYS.as_slice();
    let mut at = 0;
    while let Some(&b) = text.get(at) {
        let (code, length) = match (b, text.get(at + 1), text.get(at + 2)) {
            (0..0x80, ..) if ORDINARY.get(usize::from(b)).copied().unwrap_or(false) => {
                at += 1;
                continue;
            }
            (0xc2..=0xdf, Some(c), _) => (usize::from(b & 0x1f) << 6 | usize::from(c & 0x3f), 2),
            (0xe0..=0xef, Some(c), Some(d)) => {
                (usize::from(b & 0xf) << 12 | usize::from(c & 0x3f) << 6 | usize::from(d & 0x3f), 3)
            }
            _ => break,
        };
        if stays.get(code / 64).copied().unwrap_or(0) >> (code % 64) & 1 == 0 {
            break;
        }
        at += length;
    }
    at
}

/// Whether a character of two or three octets that stays as it is stands at `at`, or octets that make no sense.
pub fn stays(text: &[u8], at: usize) -> bool {
    let next = |i: usize| usize::from(text.get(at + i).copied().unwrap_or(0) & 0x3f);
    let code = match text.get(at) {
        Some(b @ 0xc2..=0xdf) => usize::from(b & 0x1f) << 6 | next(1),
        Some(b @ 0xe0..=0xef) => usize::from(b & 0xf) << 12 | next(1) << 6 | next(2),
        _ => return false,
    };
    STAYS.get(code / 64).copied().unwrap_or(0) >> (code % 64) & 1 == 1
}

/// The characters of the first plane that stay as they are, a bit each.
static STAYS: LazyLock<Vec<u64>> = LazyLock::new(|| {
    let stays = |code: u32| {
        char::from_u32(code).is_some_and(|c| {
            let is_lower = is_caseless(c) || c.to_lowercase().eq([c]);
            code >= 0x80 && is_lower && !c.is_whitespace() && plain(c).is_none() && !is_invisible(c)
        })
    };
    (0..0x400).map(|word| (0..64).fold(0, |bits, i| bits | u64::from(stays(word * 64 + i)) << i)).collect()
});

static ORDINARY: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0x21;
    while b < 0x7f {
        table[b as usize] = !matches!(b, b'"' | b'(' | b')' | b'<'..=b'>' | b'\\' | b'|' | b'^');
        b += 1;
    }
    table
};

/// Length of what `text` begins with that shifts to another set of letters or back (ISO/IEC 2022), or that stands for a line
/// end or a quote in a parameter (RFC 6868 §3.1).
fn shift_length(text: &[u8]) -> usize {
    match text {
        [0x1b, b'(', b'B' | b'J' | b'I', ..] | [0x1b, b'$', b'B' | b'@', ..] => 3,
        [b'^', b'n' | b'\'', ..] => 2,
        _ => 0,
    }
}

/// Whether the line ends here, but for blanks.
fn ends_line(text: &[u8]) -> bool {
    let blank = |b: &&u8| matches!(b, b' ' | b'\t');
    let blanks = text.iter().take(MAX_LOCAL).take_while(blank).count();
    matches!(text.get(blanks), Some(b'\r' | b'\n'))
}

/// How far before a plus the beginning of its link is looked for, in octets.
const MAX_LINK: usize = 2048;
/// Longest local part (RFC 5321 §4.5.3.1.1), with room for a tag.
pub const MAX_LOCAL: usize = 80;

/// The sign that `text` spells in brackets at its beginning, and how long that is.
fn bracketed_sign(text: &[u8]) -> Option<(u8, usize)> {
    let close = match text.first()? {
        b'(' => b')',
        b'[' => b']',
        b'{' => b'}',
        b'<' => b'>',
        _ => return None,
    };
    let words: [(&[u8], u8); 4] = [(b"at", b'@'), (b"@", b'@'), (b"dot", b'.'), (b".", b'.')];
    let (word, sign) = words.iter().find(|(word, _)| text.get(1..=word.len()) == Some(word))?;
    (text.get(word.len() + 1) == Some(&close)).then_some((*sign, word.len() + 2))
}

fn word_sign(text: &[u8]) -> Option<(u8, usize)> {
    if text.starts_with(b"at") { Some((b'@', 2)) } else { text.starts_with(b"dot").then_some((b'.', 3)) }
}
