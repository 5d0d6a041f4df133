//! ISO-2022-JP and its relatives, read octet by octet so that every character knows where it stands.
//!
//! Rules: RFC 1468 (ASCII, JIS X 0201 Roman, JIS X 0208), RFC 2237 (JIS X 0212), the half-width kana of
//! CP50220/50221 (`ESC ( I`, SO and SI, and raw octets above 0xA0). A line begins in ASCII (RFC 1468: a text line
//! ends in it). JIS X 0213 is read as JIS X 0208, with which it shares the letters an address may be written in.
//! When it fails: never; what is no character becomes U+FFFD.

use super::transfer::Edit;
use super::{slice, view::View};
use encoding_rs::EUC_JP;
use std::ops::Range;
use std::sync::LazyLock;

/// Which set the octets belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Ascii,
    Kana,
    Jis0208,
    Jis0212,
}

/// Goes back to ASCII.
const TO_ASCII: &[u8] = b"\x1b(B";

impl Set {
    /// The escape sequence that brings this set back.
    fn escape(self) -> &'static [u8] {
        match self {
            Set::Ascii => TO_ASCII,
            Set::Kana => b"\x1b(I",
            Set::Jis0208 => b"\x1b$B",
            Set::Jis0212 => b"\x1b$(D",
        }
    }
}

/// Length and target of the escape sequence that `bytes` begins with.
fn escape_at(bytes: &[u8]) -> Option<(usize, Set)> {
    let rest = bytes.strip_prefix(b"\x1b")?;
    Some(match rest {
        [b'(', b'I', ..] => (3, Set::Kana),
        [b'(', _, ..] => (3, Set::Ascii),
        [b'$', b'@' | b'A' | b'B', ..] => (3, Set::Jis0208),
        [b'$', b'(', b'D', ..] => (4, Set::Jis0212),
        [b'$', b'(', _, ..] => (4, Set::Jis0208),
        _ => return None,
    })
}

/// One stretch of octets in one set.
struct Stretch {
    set: Set,
    from: usize,
    to: usize,
}

/// Calls `each` for every stretch between escapes.
fn stretches(bytes: &[u8], mut each: impl FnMut(Stretch)) {
    let mut set = Set::Ascii;
    let mut at = 0;
    while at < bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        if let Some((length, next)) = escape_at(rest) {
            set = next;
            at += length;
            continue;
        }
        match rest.first() {
            Some(0x0e) => {
                set = Set::Kana;
                at += 1;
                continue;
            }
            Some(0x0f) => {
                set = Set::Ascii;
                at += 1;
                continue;
            }
            Some(b'\r' | b'\n') => set = Set::Ascii,
            _ => {}
        }
        let behind = rest.get(1..).unwrap_or_default();
        let length = if set == Set::Ascii {
            memchr::memchr3(0x1b, 0x0e, 0x0f, behind)
        } else {
            let stop = |b: &u8| matches!(b, 0x1b | 0x0e | 0x0f | b'\r' | b'\n');
            let run = graphic_run(behind);
            behind.get(run..).and_then(|rest| rest.iter().position(stop)).map(|i| run + i)
        };
        let length = length.map_or(rest.len(), |i| i + 1);
        each(Stretch { set, from: at, to: at + length });
        at += length;
    }
}

/// Whether an octet, its highest bit aside, is half of a character.
fn is_graphic(b: u8) -> bool {
    (0x21..=0x7e).contains(&(b & 0x7f))
}

/// How many halves of characters begin `bytes`, looked at in blocks.
fn graphic_run(bytes: &[u8]) -> usize {
    let (blocks, tail) = bytes.as_chunks::<16>();
    let whole =
        blocks.iter().take_while(|block| block.iter().fold(true, |all, b| all & is_graphic(*b))).count();
    let rest = blocks.get(whole).map_or(tail, <[u8; 16]>::as_slice);
    16 * whole + rest.iter().take_while(|b| is_graphic(**b)).count()
}

/// What has its own way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    Characters,
    Stretches,
}

/// The text.
pub fn decode(bytes: &[u8], detail: Detail) -> View {
    let mut view = View::with_capacity(bytes.len() * 3 / 2);
    let mut made = Vec::new();
    stretches(bytes, |Stretch { set, from, to }| {
        let part = slice(bytes, from..to);
        if set == Set::Ascii && part.is_ascii() {
            view.push_copied(part, from);
            return;
        }
        let size = match set {
            Set::Ascii | Set::Kana => 1,
            Set::Jis0208 | Set::Jis0212 => 2,
        };
        let is_whole = set == Set::Jis0208 && part.len().is_multiple_of(2) && graphic_run(part) == part.len();
        match (is_whole, detail) {
            (true, Detail::Characters) => {
                for (i, pair) in part.as_chunks::<2>().0.iter().enumerate() {
                    let (utf8, length) = jis0208(pair);
                    let at = from + 2 * i;
                    view.push_made(utf8.get(..length).unwrap_or_default(), at..at + 2);
                }
            }
            (true, Detail::Stretches) => {
                view.push_written(from..to, |out| add_pairs(part.as_chunks::<2>().0, out));
            }
            (false, _) => {
                made.clear();
                to_euc(set, part, size, &mut made);
                let (text, _) = EUC_JP.decode_without_bom_handling(&made);
                let (mut characters, mut mark) = (text.chars(), from);
                if detail == Detail::Characters {
                    // Each octet or pair has become one character.
                    let mut room = [0; 4];
                    for (octets, c) in part.chunks(size).zip(characters.by_ref()) {
                        view.push_made(c.encode_utf8(&mut room).as_bytes(), mark..mark + octets.len());
                        mark += octets.len();
                    }
                }
                view.push_made(characters.as_str().as_bytes(), mark..to);
            }
        }
    });
    view
}

/// Appends the characters of pairs of graphic octets. Nearly all are three octets of UTF-8.
fn add_pairs(pairs: &[[u8; 2]], out: &mut Vec<u8>) {
    let (from, table) = (out.len(), JIS0208.as_slice());
    out.resize(from + 3 * pairs.len(), 0);
    let room = out.get_mut(from..).unwrap_or_default().as_chunks_mut::<3>().0;
    let mut least = 3;
    for (pair, octets) in pairs.iter().zip(room) {
        let [x, y, z, length] = table.get(place(pair)).copied().unwrap_or(UNKNOWN);
        *octets = [x, y, z];
        least = least.min(length);
    }
    if least < 3 {
        out.truncate(from);
        for pair in pairs {
            let (utf8, length) = jis0208(pair);
            out.extend_from_slice(utf8.get(..length).unwrap_or_default());
        }
    }
}

/// U+FFFD.
const UNKNOWN: [u8; 4] = [0xef, 0xbf, 0xbd, 3];

/// Where the table has a pair.
fn place([a, b]: &[u8; 2]) -> usize {
    let [row, cell] = [a, b].map(|b| usize::from(b & 0x7f).saturating_sub(0x21));
    row * 94 + cell
}

/// The character of two graphic octets in UTF-8, and how long it is.
fn jis0208(pair: &[u8; 2]) -> ([u8; 3], usize) {
    let [x, y, z, length] = JIS0208.get(place(pair)).copied().unwrap_or(UNKNOWN);
    ([x, y, z], usize::from(length))
}

/// All of them, found once: three octets and the length. None is longer.
static JIS0208: LazyLock<Vec<[u8; 4]>> = LazyLock::new(|| {
    let pairs = (0xa1..=0xfe_u8).flat_map(|row| (0xa1..=0xfe_u8).map(move |cell| [row, cell]));
    let decoded = |pair: [u8; 2]| {
        let (text, _) = EUC_JP.decode_without_bom_handling(&pair);
        match text.as_bytes() {
            [x, y] => [*x, *y, 0, 2],
            [x, y, z] => [*x, *y, *z, 3],
            _ => UNKNOWN,
        }
    };
    pairs.map(decoded).collect()
});

/// Appends the octets of a stretch as EUC-JP: one character each, or each pair.
fn to_euc(set: Set, part: &[u8], size: usize, euc: &mut Vec<u8>) {
    for character in part.chunks(size) {
        let graphic = character.iter().all(|b| is_graphic(*b));
        match (set, character) {
            (Set::Ascii, [b @ 0xa1..=0xdf]) | (Set::Kana, [b]) => euc.extend_from_slice(&[0x8e, b | 0x80]),
            (Set::Jis0208, [a, b]) if graphic => euc.extend_from_slice(&[a | 0x80, b | 0x80]),
            (Set::Jis0212, [a, b]) if graphic => euc.extend_from_slice(&[0x8f, a | 0x80, b | 0x80]),
            (_, [b]) if b.is_ascii() => euc.push(*b),
            // No octet of EUC-JP: one U+FFFD, whatever stands beside it.
            _ => euc.push(0xff),
        }
    }
}

/// Replacements by ASCII text (in order, apart from each other) as edits of the octets. Escape sequences next to a
/// replacement are part of its edit: two of them with nothing between would be an error to some readers (WHATWG
/// Encoding Standard §12.2.1 gives U+FFFD), and what follows must stand in the set it stood in.
pub fn edits(bytes: &[u8], replacements: &[(Range<usize>, &str)]) -> Vec<Edit> {
    let mut all: Vec<Stretch> = Vec::new();
    stretches(bytes, |stretch| all.push(stretch));
    let mut out: Vec<Edit> = Vec::new();
    let mut replacements = replacements.iter().peekable();
    while let Some((range, text)) = replacements.next() {
        let mut range = range.clone();
        let mut text = (*text).to_owned();
        // What is parted by escapes only is changed as one.
        while let Some((next, more)) =
            replacements.next_if(|(next, _)| octets_between(&all, range.end, next.start) == 0)
        {
            range.end = range.end.max(next.end);
            text.push_str(more);
        }
        let (start, before) = left_of(&all, range.start);
        let (end, behind) = right_of(&all, range.end, bytes.len());
        let mut with = Vec::with_capacity(text.len() + 8);
        let mut set = before;
        if !text.is_empty() {
            with.extend_from_slice(if set == Set::Ascii { b"" } else { TO_ASCII });
            with.extend_from_slice(text.as_bytes());
            set = Set::Ascii;
        }
        if set != behind {
            with.extend_from_slice(behind.escape());
        }
        out.push(Edit { range: start..end, with });
    }
    out
}

/// How many octets that are no escape stand between two places.
fn octets_between(all: &[Stretch], from: usize, to: usize) -> usize {
    let first = all.partition_point(|stretch| stretch.to <= from);
    let inside = all.iter().skip(first).take_while(|stretch| stretch.from < to);
    inside.map(|stretch| stretch.to.min(to).saturating_sub(stretch.from.max(from))).sum()
}

/// Where the escapes begin that stand directly before `at`, and the set before them.
fn left_of(all: &[Stretch], at: usize) -> (usize, Set) {
    let i = all.partition_point(|stretch| stretch.to <= at);
    let Some(here) = all.get(i).filter(|stretch| stretch.from <= at) else { return (at, Set::Ascii) };
    if here.from < at {
        return (at, here.set);
    }
    match i.checked_sub(1).and_then(|i| all.get(i)) {
        // No escape: a new line.
        Some(before) if before.to == here.from => (at, here.set),
        Some(before) => (before.to, before.set),
        None => (0, Set::Ascii),
    }
}

/// Where the escapes end that stand directly behind `at`, and the set behind them.
fn right_of(all: &[Stretch], at: usize, length: usize) -> (usize, Set) {
    let i = all.partition_point(|stretch| stretch.to < at);
    let Some(here) = all.get(i) else { return (at, Set::Ascii) };
    if at < here.to {
        return (at, here.set);
    }
    match all.get(i + 1) {
        Some(next) if next.from == here.to => (at, Set::Ascii),
        Some(next) => (next.from, next.set),
        None => (length, Set::Ascii),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_every_set_are_read_and_lines_begin_in_ascii() {
        let text = b"a\x1b$B$\"#b!w\x1b(Bb\x1b(I1\x1b$BF|K\x5c\r\nend";
        let view = decode(text, Detail::Characters);
        assert_eq!(String::from_utf8_lossy(view.bytes()), "aあｂ＠bｱ日本\r\nend");
        assert_eq!(decode(text, Detail::Stretches).bytes(), view.bytes());
        assert_eq!(view.sources(4..10).first(), Some(&(6..10)), "ｂ＠ is four octets in the source");
    }

    #[test]
    fn a_change_never_leaves_two_escapes_without_a_character_between() {
        for (from, range, to) in [
            (b"\x1b$B$\"#b!w$\"\x1b(B".as_slice(), 5..9, b"\x1b$B$\"\x1b(Bx@y\x1b$B$\"\x1b(B".as_slice()),
            (b"\x1b$B#b!w\x1b(B z", 3..7, b"x@y z"),
            (b"\x1b$B#b!w$\"\x1b(B z", 3..7, b"x@y\x1b$B$\"\x1b(B z"),
            (b"\x1b(I1\x1b$B#b!w\x1b(B", 7..11, b"\x1b(I1\x1b(Bx@y"),
            (b"\x1b$B$\"#b!w\r\n", 5..9, b"\x1b$B$\"\x1b(Bx@y\r\n"),
        ] {
            let out = crate::mime::transfer::apply(from, &edits(from, &[(range, "x@y")]));
            assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(to));
        }
        let text = b"a\x1b$B!w\x1b(Bb\x1b$B!%\x1b(B.";
        let out = edits(text, &[(0..1, "x@y"), (4..6, ""), (9..10, ""), (13..15, "")]);
        assert_eq!(crate::mime::transfer::apply(text, &out), b"x@y.");
    }
}
