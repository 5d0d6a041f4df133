//! The lines that begin and end armoured blocks, and what stands around them.
//!
//! Rules: RFC 9580 §6.2.1 and RFC 7468 §3 (`-----BEGIN LABEL-----`), RFC 4716 §3.2 (four dashes and blanks). Blanks
//! may have become `&nbsp;`, and a line may end in `<br>`. Before a marker may stand marks of quoting, dash escapes,
//! tags.
//! When it fails: never; what is no marker is none.

use crate::mime::slice;
use std::ops::Range;

/// Fewest dashes on each side.
const DASHES: usize = 4;
/// Longest label, in octets.
const MAX_LABEL: usize = 60;
/// How far back the line of a marker is looked at.
const MAX_PREFIX: usize = 400;
/// Longest tag that is taken for one.
const MAX_TAG: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Begin,
    End,
}

/// A line that begins or ends a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    pub verb: Verb,
    /// With single blanks.
    pub label: String,
    /// From the first dash to behind the last.
    pub range: Range<usize>,
    /// The range with what goes with it: marks of quoting before it, the end of the line behind it.
    pub line: Range<usize>,
    /// Whether nothing but such things and tags stand beside it.
    pub is_alone: bool,
}

/// All markers of a text, in order.
pub fn markers(text: &[u8]) -> Vec<Marker> {
    let mut found = Vec::new();
    // Without this word there is none, and it is rarer than dashes.
    if memchr::memmem::find(text, b"BEGIN").is_none() {
        return found;
    }
    let mut at = 0;
    while let Some(i) = memchr::memchr(b'-', text.get(at..).unwrap_or_default()) {
        let start = at + i;
        let run = dashes(text.get(start..).unwrap_or_default());
        at = start + run;
        if run < DASHES {
            continue;
        }
        if let Some((verb, label, end)) = label_at(text, at) {
            at = end;
            found.push(in_place(text, verb, label, start..end));
        }
    }
    found
}

fn dashes(text: &[u8]) -> usize {
    text.iter().take_while(|b| **b == b'-').count()
}

/// Verb, label and end of the marker whose first dashes end at `at`.
fn label_at(text: &[u8], at: usize) -> Option<(Verb, String, usize)> {
    let inside = slice(text, at..text.len().min(at + MAX_LABEL + 40));
    let mut rest = after_blanks(inside);
    let verb = if let Some(behind) = rest.strip_prefix(b"BEGIN") {
        rest = behind;
        Verb::Begin
    } else {
        rest = rest.strip_prefix(b"END")?;
        Verb::End
    };
    let mut label = String::new();
    loop {
        let words = after_blanks(rest);
        let had_blank = words.len() < rest.len();
        rest = words;
        if dashes(rest) >= DASHES {
            // The closing dashes may go on beyond what was looked at.
            let closing = at + inside.len() - rest.len();
            let end = closing + dashes(text.get(closing..)?);
            return (!label.is_empty()).then_some((verb, label, end));
        }
        let (&octet, behind) = rest.split_first()?;
        let is_letter = octet.is_ascii_uppercase() || octet.is_ascii_digit() || b",/#".contains(&octet);
        if !is_letter || (label.is_empty() && !had_blank) || label.len() > MAX_LABEL {
            return None;
        }
        if had_blank && !label.is_empty() {
            label.push(' ');
        }
        label.push(char::from(octet));
        rest = behind;
    }
}

/// What follows blanks of any kind, line ends included.
fn after_blanks(mut text: &[u8]) -> &[u8] {
    while let Some(width) = blank(text).or_else(|| matches!(text.first(), Some(b'\r' | b'\n')).then_some(1)) {
        text = text.get(width..).unwrap_or_default();
    }
    text
}

/// How many octets the blank at the front has.
fn blank(text: &[u8]) -> Option<usize> {
    const BLANKS: [&[u8]; 7] = [b" ", b"\t", b"&nbsp;", b"&#160;", b"&#xA0;", b"\xc2\xa0", b"\xa0"];
    BLANKS.iter().find(|blank| text.starts_with(blank)).map(|blank| blank.len())
}

/// How many octets a mark of quoting, a dash escape or a blank has at the front.
fn quoting(text: &[u8]) -> Option<usize> {
    const MARKS: [&[u8]; 4] = [b">", b"|", b"&gt;", b"- "];
    MARKS.iter().find(|mark| text.starts_with(mark)).map(|mark| mark.len()).or_else(|| blank(text))
}

/// How many octets of marks of quoting the text begins with.
pub fn quoted(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(width) = quoting(text.get(at..).unwrap_or_default()) {
        at += width;
    }
    at
}

/// The length of the tag at the front.
fn tag(text: &[u8]) -> Option<usize> {
    let head = text.get(..text.len().min(MAX_TAG)).unwrap_or_default();
    let names = head.strip_prefix(b"<")?.first()?;
    (names.is_ascii_alphabetic() || matches!(names, b'/' | b'!'))
        .then(|| memchr::memchr(b'>', head).map(|end| end + 1))
        .flatten()
}

fn is_break(tag: &[u8]) -> bool {
    tag.get(1..3).is_some_and(|name| name.eq_ignore_ascii_case(b"br"))
}

/// How many octets the end of a line has: CRLF, or `<br>` with the one behind it.
fn line_end(text: &[u8]) -> Option<usize> {
    let crlf = |text: &[u8]| match text {
        [b'\r', b'\n', ..] => 2,
        [b'\n', ..] => 1,
        _ => 0,
    };
    match tag(text) {
        Some(width) if is_break(text) => Some(width + crlf(text.get(width..).unwrap_or_default())),
        _ => Some(crlf(text)).filter(|width| *width > 0),
    }
}

fn in_place(text: &[u8], verb: Verb, label: String, range: Range<usize>) -> Marker {
    let earliest = range.start.saturating_sub(MAX_PREFIX);
    let window = slice(text, earliest..range.start);
    let cut = memchr::memrchr(b'\n', window).map(|i| i + 1);
    let is_line = cut.is_some() || earliest == 0;
    let before = window.get(cut.unwrap_or(0)..).unwrap_or_default();
    let before_start = range.start - before.len();
    // Where the last tag before the marker ends, and whether only marks of quoting follow it.
    let behind_tag = memchr::memrchr(b'<', before)
        .and_then(|open| Some(open + tag(before.get(open..)?)?))
        .filter(|end| quoted(before.get(*end..).unwrap_or_default()) == before.len() - end);
    let (start, clear_before) = match behind_tag {
        _ if is_line && quoted(before) == before.len() => (before_start, true),
        Some(end) => (before_start + end, true),
        None => (range.start, false),
    };
    let behind = text.get(range.end..).unwrap_or_default();
    let mut blanks = 0;
    while let Some(width) = blank(behind.get(blanks..).unwrap_or_default()) {
        blanks += width;
    }
    let rest = behind.get(blanks..).unwrap_or_default();
    let (end, clear_behind) = match line_end(rest) {
        Some(width) => (range.end + blanks + width, true),
        None => (range.end + blanks, rest.is_empty() || tag(rest).is_some()),
    };
    let end = if clear_behind { end } else { range.end };
    Marker { verb, label, range, line: start..end, is_alone: clear_before && clear_behind }
}

/// A line: its range with its end, and its text without quoting, tags and blanks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub range: Range<usize>,
    pub core: Range<usize>,
    /// Whether it has tags that do not end a line.
    pub has_tags: bool,
}

impl Line {
    /// What goes when the line goes: tags stay.
    pub fn removal(&self) -> Range<usize> {
        if self.has_tags { self.core.clone() } else { self.range.clone() }
    }
}

/// The line that begins at `at`: to its CRLF, its `<br>`, or the end of its paragraph.
pub fn line_at(text: &[u8], at: usize) -> Line {
    let rest = text.get(at..).unwrap_or_default();
    let mut core_start = quoted(rest);
    let mut core_end = core_start;
    let mut has_tags = false;
    let mut i = core_start;
    let end = loop {
        let here = rest.get(i..).unwrap_or_default();
        if here.is_empty() {
            break i;
        }
        if let Some(width) = line_end(here) {
            break i + width;
        }
        if let Some(width) = tag(here) {
            has_tags = true;
            i += width;
            if core_end == core_start {
                core_start = i;
                core_end = i;
            } else if here.starts_with(b"</") {
                let name = here.get(2..5).unwrap_or_default().to_ascii_lowercase();
                if name == b"div" || name.starts_with(b"p>") {
                    break i;
                }
            }
        } else if let Some(width) = blank(here) {
            i += width;
            if core_end == core_start {
                core_start = i;
                core_end = i;
            }
        } else {
            i += 1;
            core_end = if here.starts_with(b"\r") { core_end } else { i };
        }
    };
    Line { range: at..at + end, core: at + core_start..at + core_end, has_tags }
}

/// Whether a stretch holds base64 as armours do, beyond what words of a language look like.
pub fn has_armour(text: &[u8]) -> bool {
    text.split(|b| b.is_ascii_whitespace() || matches!(b, b'<' | b'>' | b'&' | b';'))
        .any(|word| word.len() >= 32 && word.iter().all(is_base64))
}

/// Whether a whole line is base64.
pub fn is_armour(line: &[u8]) -> bool {
    line.len() >= 4 && line.iter().all(is_base64)
}

fn is_base64(octet: &u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/' | b'=')
}
