//! Where an address could be at all: the places in a text that can be read as an at sign. Everything dearer is done
//! only around them, so that a text without one costs one quick pass.
//!
//! Rules: an at sign is `@`, its wide forms in every charset that keeps ASCII as it is, an escape of it (`40`, `64`,
//! `100`, `commat` behind what opens an escape, escaped once more or not), or the word *at* between brackets or blanks.
//! A place counts unless plain letters beside it rule every secret out. Around each a window of some KB is taken, to
//! the ends of its lines, since a line begins in a known state in every charset; windows that meet are one, and a long
//! one is cut with an overlap in which any address fits.
//! When it fails: never. What is found in vain costs time only.

mod follows;
mod signs;
mod veiled_signs;
mod wide;

use super::needle::Needle;
use crate::mime::charset::Charset;
use follows::may_follow;
use signs::next_sign;
use std::ops::Range;
pub use veiled_signs::veiled_signs;
pub use wide::wide_windows;

/// How far around an at sign an address can reach, in octets, with its escapes and what stands between its letters.
const MARGIN: usize = 1024;
/// How much farther a window reaches to begin and end with a line.
const MAX_LINE_REACH: usize = 4096;
/// Longest window that is looked at in one piece.
const MAX_WINDOW: usize = 64 * 1024;
/// How much two pieces of a long window share.
const OVERLAP: usize = 2 * MARGIN;

/// A window: a stretch of the text, and the part of it in which hits that begin there count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    pub range: Range<usize>,
    /// Hits that begin before this belong to the window before.
    pub core_start: usize,
    /// Hits that begin here or later belong to the window that follows.
    pub core_end: usize,
}

/// The windows of `text`, which says that it is in `first`, in which one of the needles may stand, in order; `also` are
/// further places to look at, `known` the stretches whose signs are known, both in order.
pub fn windows(
    text: &[u8],
    first: Charset,
    needles: &[Needle],
    also: &[usize],
    known: &[Range<usize>],
) -> Vec<Window> {
    let is_known = |at: usize| {
        let next = known.partition_point(|range| range.end <= at);
        known.get(next).is_some_and(|range| range.start <= at)
    };
    around(text, needles, also, |range| {
        let is_letter = match first {
            Charset::Utf8 => is_inside_utf8(text, range),
            Charset::Iso2022Jp => is_half_of_a_pair(text, range),
            _ => false,
        };
        is_letter || is_known(range.start) || is_ruled_out(text, range, needles)
    })
}

/// The windows of a text that was decoded to UTF-8: fewer than those of its octets, since what stands behind a sign is a
/// character there, and no octet of any. `also` are further places to look at.
pub fn windows_in_unicode(text: &[u8], needles: &[Needle], mut also: Vec<usize>) -> Vec<Window> {
    let goes_on = |end: usize| may_follow(text, end, needles);
    // An equals sign may stand farther from its domain than one that is told by it.
    also.extend(memchr::memchr_iter(b'=', text).filter(|at| goes_on(at + 1)));
    also.sort_unstable();
    around(text, needles, &also, |range| {
        is_inside_utf8(text, range) || is_ruled_out(text, range, needles) || !goes_on(range.end)
    })
}

/// The windows around some places of a text, which are in order.
pub fn windows_at(text: &[u8], places: &[usize]) -> Vec<Window> {
    around(text, &[], places, |_| true)
}

/// The windows around the places `also` and the signs that nothing rules out.
fn around(
    text: &[u8],
    needles: &[Needle],
    also: &[usize],
    rules_out: impl Fn(&Range<usize>) -> bool,
) -> Vec<Window> {
    let mut around: Vec<Range<usize>> = Vec::new();
    let mut add = |at: usize| {
        let (from, to) = (at.saturating_sub(MARGIN), (at + MARGIN).min(text.len()));
        match around.last_mut() {
            // A sign is found by its rarest octets: one that begins a little earlier may come later.
            Some(last) if last.end >= from => *last = last.start.min(from)..last.end.max(to),
            _ => around.push(from..to),
        }
    };
    let mut also = also.iter().copied().peekable();
    for_each_sign(text, needles, |range| {
        while let Some(place) = also.next_if(|place| *place <= range.start) {
            add(place);
        }
        if !rules_out(&range) {
            add(range.start);
        }
    });
    also.for_each(&mut add);
    let mut out: Vec<Window> = Vec::with_capacity(around.len());
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(around.len());
    for range in around {
        let wide = character_start(text, line_start(text, range.start))..line_end(text, range.end);
        match merged.last_mut() {
            Some(last) if last.end >= wide.start => last.end = last.end.max(wide.end),
            _ => merged.push(wide),
        }
    }
    for range in merged {
        cut(text, range, character_start, &mut out);
    }
    out
}

/// Whether the letters of ASCII in `range` mean themselves in every charset that keeps ASCII: what stands beside them is
/// no half of a character, nor an escape, and nothing has shifted them to another set.
pub fn is_plain(text: &[u8], range: &Range<usize>) -> bool {
    let ends = |b: Option<&u8>| {
        b.is_none_or(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n') || b"<>\"'(),;:".contains(b))
    };
    if !ends(range.start.checked_sub(1).and_then(|i| text.get(i))) || !ends(text.get(range.end)) {
        return false;
    }
    let before = text.get(range.start.saturating_sub(MAX_LINE_REACH)..range.start).unwrap_or_default();
    match memchr::memrchr2(0x1b, b'\n', before).and_then(|i| before.get(i..)) {
        None => before.len() == range.start,
        Some([0x1b, b'(', set, ..]) => matches!(set, b'B' | b'J'),
        Some([first, ..]) => *first == b'\n',
        Some([]) => false,
    }
}

/// Whether something in `text` shifts to another set without an escape sequence (SO, and HZ).
pub fn has_shifts(text: &[u8]) -> bool {
    memchr::memchr(0x0e, text).is_some() || memchr::memmem::find(text, b"~{").is_some()
}

/// Whether there is any place in `text` where one of the needles may stand.
pub fn is_any(text: &[u8], first: Charset, needles: &[Needle]) -> bool {
    let mut any = false;
    for_each_sign(text, needles, |range| {
        any |=
            !(is_ruled_out(text, &range, needles) || first == Charset::Utf8 && is_inside_utf8(text, &range));
    });
    any
}

/// The windows that cover all of a text.
pub fn whole(text: &[u8]) -> Vec<Window> {
    let mut out = Vec::new();
    cut(text, 0..text.len(), |_, at| at, &mut out);
    out
}

/// Places where a letter, a digit or a dot is written as an escape, in wide letters, or with something unseen beside it:
/// where a name may be that a plain search passes by.
pub fn veils(text: &[u8]) -> Vec<usize> {
    let letter = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-');
    let mut out: Vec<usize> = Vec::new();
    let mut last = 0;
    let mut add = |at: usize| {
        if out.is_empty() || at > last + MARGIN / 2 {
            out.push(at);
            last = at;
        }
    };
    let digits = |at: usize, length: usize, radix: u32| {
        let text = std::str::from_utf8(text.get(at..at + length)?).ok()?;
        char::from_u32(u32::from_str_radix(text, radix).ok()?)
    };
    for at in memchr::memchr3_iter(b'%', b'&', b'\\', text) {
        let veiled = match (text.get(at), text.get(at + 1)) {
            // `%252E`: the escape is escaped.
            (Some(b'%'), Some(b'2')) if text.get(at + 2) == Some(&b'5') => letter(digits(at + 3, 2, 16)),
            (Some(b'%'), _) => letter(digits(at + 1, 2, 16)),
            (Some(b'&'), Some(b'#')) => {
                let hex = matches!(text.get(at + 2), Some(b'x' | b'X'));
                let (from, radix) = if hex { (at + 3, 16) } else { (at + 2, 10) };
                let rest = text.get(from..).unwrap_or_default();
                let length = rest.iter().take(8).take_while(|b| char::from(**b).is_digit(radix)).count();
                letter(digits(from, length, radix))
            }
            (Some(b'&'), Some(b'p' | b's' | b'z' | b'h' | b'd' | b'a')) => {
                let rest = text.get(at + 1..).unwrap_or_default();
                let rest = rest.strip_prefix(b"amp;").unwrap_or(rest);
                [b"period".as_slice(), b"shy", b"zwj", b"zwnj", b"hyphen", b"dash", b"amp", b"#"]
                    .iter()
                    .any(|name| rest.starts_with(name))
            }
            (Some(b'\\'), Some(b'u')) => letter(digits(at + 2, 4, 16)),
            (Some(b'\\'), Some(b'x')) => letter(digits(at + 2, 2, 16)),
            _ => false,
        };
        if veiled {
            add(at);
        }
    }
    let mut out_wide: Vec<usize> = Vec::new();
    let mut last_wide = 0;
    let filler = memchr::memmem::find_iter(text, "\u{3164}");
    let others = memchr::memchr3_iter(0xc2, 0xcd, 0xf3, text).chain(filler);
    for at in memchr::memchr3_iter(0xef, 0xf0, 0xe2, text).chain(others) {
        let veiled = match text.get(at..at + 3) {
            // Wide dot, hyphen, digits and letters; marks without width.
            Some([0xef, 0xbc, c]) => matches!(c, 0x8d | 0x8e | 0x90..=0x99 | 0xa1..=0xba),
            Some([0xef, 0xbd, c]) => matches!(c, 0x81..=0x9a),
            Some([0xef, 0xbb, 0xbf] | [0xef, 0xb8, 0x80..=0x8f] | [0xef, 0xbe, 0xa0] | [0xe3, ..]) => true,
            Some([0xe2, 0x80, c]) => matches!(c, 0x8b..=0x8f | 0xa4 | 0xaa..=0xae),
            Some([0xe2, 0x81, c]) => matches!(c, 0xa0..=0xaf),
            Some([0xe2, 0x92 | 0x93, _]) => true,
            Some([0xf0, 0x9d, _] | [0xf3, 0xa0, _]) => true,
            Some([0xf0, 0x9f, c]) => matches!(c, 0x84..=0x87),
            Some([0xc2, 0xad, _] | [0xcd, 0x8f, _]) => true,
            _ => false,
        };
        if veiled && (out_wide.is_empty() || at > last_wide + MARGIN / 2 || at < last_wide) {
            out_wide.push(at);
            last_wide = at;
        }
    }
    out.append(&mut out_wide);
    out.sort_unstable();
    out
}

/// Appends `range` in pieces of bounded length, cut where `between` says for a place that is not far behind.
fn cut(text: &[u8], range: Range<usize>, between: fn(&[u8], usize) -> usize, out: &mut Vec<Window>) {
    let mut start = range.start;
    let mut core_start = start;
    loop {
        if range.end.saturating_sub(start) <= MAX_WINDOW {
            out.push(Window { range: start..range.end, core_start, core_end: range.end });
            return;
        }
        let end = between(text, start + MAX_WINDOW);
        let core_end = end - OVERLAP;
        out.push(Window { range: start..end, core_start, core_end });
        core_start = core_end;
        // A multiple of four from the beginning, where no line gives a better place: wide units stay whole.
        let next = line_start(text, core_end.saturating_sub(OVERLAP));
        start = between(text, if next > start { next } else { core_end.saturating_sub(OVERLAP) / 4 * 4 });
    }
}

/// The beginning of the line of `at`, or of a stretch whose state is known, if it is not far.
fn line_start(text: &[u8], at: usize) -> usize {
    let from = at.saturating_sub(MAX_LINE_REACH);
    let before = text.get(from..at).unwrap_or_default();
    match memchr::memrchr(b'\n', before).map(|i| i + 1).or_else(|| memchr::memrchr(0x1b, before)) {
        Some(i) => from + i,
        None => from / 4 * 4,
    }
}

fn line_end(text: &[u8], at: usize) -> usize {
    let to = (at + MAX_LINE_REACH).min(text.len());
    let behind = text.get(at..to).unwrap_or_default();
    memchr::memchr(b'\n', behind).map_or_else(|| character_start(text, to), |i| at + i + 1)
}

/// Where the character of UTF-8 begins that `at` lies in, if it does: half of one would make a text be read in all charsets.
fn character_start(text: &[u8], at: usize) -> usize {
    let is_inside = |back: &usize| match at.checked_sub(*back).and_then(|start| text.get(start..)) {
        Some([0xc2..=0xdf, ..]) => *back < 2,
        Some([0xe0..=0xef, ..]) => *back < 3,
        Some([0xf0..=0xf4, ..]) => *back < 4,
        _ => false,
    };
    let continues = text.get(at).is_some_and(|b| (0x80..0xc0).contains(b));
    if continues { (1..4).find(is_inside).map_or(at, |back| at - back) } else { at }
}

/// Calls `each` for all that may be read as an at sign, in order. An equals sign is one only before a whole domain.
fn for_each_sign(text: &[u8], needles: &[Needle], mut each: impl FnMut(Range<usize>)) {
    let is_sign = |at: &usize| {
        let behind = text.get(at + 1..).unwrap_or_default();
        text.get(*at) == Some(&b'@') || needles.iter().any(|needle| needle.has_domain(behind))
    };
    let mut plain = memchr::memchr2_iter(b'@', b'=', text).filter(is_sign).peekable();
    let mut from = 0;
    while let Some((key, found)) = next_sign(text, from) {
        from = key + 1;
        while let Some(at) = plain.next_if(|at| *at < found.start) {
            each(at..at + 1);
        }
        if let Some(sign) = sign(text, found) {
            each(sign);
        }
    }
    plain.for_each(|at| each(at..at + 1));
}

/// Whether what was found is an escape or the word, and how far it reaches.
fn sign(text: &[u8], range: Range<usize>) -> Option<Range<usize>> {
    let before = |back: usize| range.start.checked_sub(back).and_then(|i| text.get(i)).copied().unwrap_or(0);
    match text.get(range.clone())? {
        b"40" => {
            let opened = match before(1) {
                b'%' | b'x' | b'X' | b'u' | b'U' | b'=' | b'-' | b'+' | b'\\' | b'{' | b';' => true,
                // `\u0040`, `&#x0040;`, CSS `\000040`.
                b'0' => matches!(before(2), b'0' | b'x' | b'X' | b'u' | b'U' | b'{' | b'\\'),
                // `\'40` of RTF.
                b'\'' => before(2) == b'\\',
                // `%2540`, `%252540`: the escape is escaped.
                b'5' if before(2) == b'2' => is_escaped_percent(text, range.start),
                // `%3d40`, and the like.
                b => b.is_ascii_hexdigit() && before(3) == b'%',
            };
            opened.then_some(range)
        }
        b"64" => {
            let opened = match before(1) {
                b'#' | b';' => true,
                b'0' => matches!(before(2), b'0' | b'#' | b';'),
                b => b == b'3' && before(2) == b'2',
            };
            opened.then_some(range)
        }
        word if word.eq_ignore_ascii_case(b"at") => {
            let behind = text.get(range.end).copied().unwrap_or(0);
            let opens = |b: u8| b.is_ascii_whitespace() || b"([{<;".contains(&b) || b >= 0x80;
            let closes = |b: u8| b.is_ascii_whitespace() || b")]}>&".contains(&b) || b >= 0x80;
            // Behind a wide bracket: the second half of one, or what takes the text back to ASCII (`ESC ( B`, SI, `~}`).
            let back = before(3) == 0x1b || before(1) == 0x0f || (before(2), before(1)) == (b'~', b'}');
            let behind_wide = before(2) >= 0x80 || back;
            let hz = text.get(range.end..range.end + 2) == Some(b"~{");
            // `commat;`, or the word alone.
            let entity = before(1) == b'm' && matches!(behind, b';' | b'\\');
            let alone =
                (opens(before(1)) || behind_wide) && (closes(behind) || hz || matches!(behind, 0x1b | 0x0e));
            (entity || alone).then_some(range)
        }
        _ => Some(range),
    }
}

/// Whether `25`, once or a few times, stands between a percent sign and `end`.
fn is_escaped_percent(text: &[u8], end: usize) -> bool {
    let before = text.get(end.saturating_sub(16)..end).unwrap_or_default();
    let layers = before.rchunks_exact(2).take_while(|pair| pair == b"25").count();
    before.len().checked_sub(2 * layers + 1).and_then(|i| before.get(i)) == Some(&b'%')
}

/// Whether octets that are a sign in another charset are the end of a character of UTF-8, such as the last two of
/// HIRAGANA LETTER SI: in a text that says it is UTF-8 that is what they are.
fn is_inside_utf8(text: &[u8], sign: &Range<usize>) -> bool {
    let lead = sign.start.checked_sub(1).and_then(|i| text.get(i));
    let continues = text.get(sign.clone()).is_some_and(|sign| sign.iter().all(|b| (0x80..0xc0).contains(b)));
    continues && lead.is_some_and(|lead| (0xe0..0xf0).contains(lead))
}

/// Whether what looks like a sign stands among the two-octet characters of ISO-2022-JP, and is no wide at sign: its line
/// has gone over to them and not back.
fn is_half_of_a_pair(text: &[u8], sign: &Range<usize>) -> bool {
    if matches!(text.get(sign.clone()), Some(b"!w" | b"%\"%C%H" | b"$\"$C$H")) {
        return false;
    }
    let line = text.get(sign.start.saturating_sub(MAX_LINE_REACH)..sign.start).unwrap_or_default();
    let last = memchr::memrchr2(0x1b, b'\n', line).and_then(|i| line.get(i..i + 2));
    last == Some(b"\x1b$")
}

/// Whether the plain letters beside a sign rule every needle out.
fn is_ruled_out(text: &[u8], sign: &Range<usize>, needles: &[Needle]) -> bool {
    let mut behind = text.get(sign.end..).unwrap_or_default();
    let before = text.get(..sign.start).unwrap_or_default();
    let plain = text.get(sign.clone()) == Some(b"@");
    if !plain {
        let is_word = text.get(sign.clone()).is_some_and(|word| word.eq_ignore_ascii_case(b"at"));
        if is_word && !matches!(behind, [b';', ..] | [b'\\', b';', ..]) {
            // The word: what it stands between must fit, blanks and brackets aside.
            let skip = |b: &u8| b.is_ascii_whitespace() || b")]}>".contains(b);
            let blanks = behind.iter().take(8).take_while(|b| skip(b)).count();
            behind = behind.get(blanks..).unwrap_or_default();
            // Letters of an escape sequence say nothing.
            let before = if before.iter().nth_back(2) == Some(&0x1b) { &[] } else { before };
            let skip = |b: &u8| b.is_ascii_whitespace() || b"([{<".contains(b);
            let blanks = before.iter().rev().take(8).take_while(|b| skip(b)).count();
            let before = before.get(..before.len() - blanks).unwrap_or_default();
            return needles.iter().all(|n| n.is_ruled_out_behind(behind) || n.is_ruled_out_before(before));
        }
        behind = behind.strip_prefix(b";").unwrap_or(behind);
        return needles.iter().all(|n| n.is_ruled_out_behind(behind));
    }
    needles.iter().all(|n| n.is_ruled_out_behind(behind) || n.is_ruled_out_before(before))
}

#[cfg(test)]
mod tests;
