//! Lines of a text that became too long, broken where nobody sees it.
//!
//! Rules: at a blank, or between two characters of full width, between which Japanese and Chinese texts need no blank; best behind
//! the end of a sentence. Never within a character or a sequence that switches character sets: in ISO-2022-JP each line
//! begins and ends in ASCII (RFC 1468).
//! Blanks at the end of a line do not count: what still is too long by them is written anew before it is sent.
//! When it fails: `None`, where a line has no such place.

use super::charset::Charset;
use super::lines::MAX_LINE;
use std::ops::Range;

/// `ESC ( B`, which takes a text back to ASCII.
const TO_ASCII: &[u8] = b"\x1b(B";

/// A place where a line may be broken.
struct Place {
    at: usize,
    /// The sequence with which the next line begins, where this one ends with [`TO_ASCII`].
    state: Range<usize>,
    is_end: bool,
}

/// `text` with no line over [`MAX_LINE`] octets.
#[must_use]
pub fn broken(text: &[u8], charset: Charset) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() + 64);
    for line in text.split_inclusive(|b| *b == b'\n') {
        if line.trim_ascii_end().len() <= MAX_LINE {
            out.extend_from_slice(line);
            continue;
        }
        let places = places(line, charset);
        let (mut from, mut begun): (usize, &[u8]) = (0, b"");
        while begun.len() + line.get(from..)?.trim_ascii_end().len() > MAX_LINE {
            let most = from + MAX_LINE - begun.len() - TO_ASCII.len();
            let first = places.partition_point(|place| place.at <= from);
            let end = places.partition_point(|place| place.at <= most);
            let fitting = places.get(first..end)?;
            let late = |place: &&Place| place.is_end && place.at > from + MAX_LINE / 2;
            let place = fitting.iter().rev().find(late).or_else(|| fitting.last())?;
            out.extend_from_slice(begun);
            out.extend_from_slice(line.get(from..place.at)?);
            begun = line.get(place.state.clone())?;
            out.extend_from_slice(if begun.is_empty() { b"" } else { TO_ASCII });
            out.extend_from_slice(b"\r\n");
            from = place.at;
        }
        out.extend_from_slice(begun);
        out.extend_from_slice(line.get(from..)?);
    }
    Some(out)
}

fn places(line: &[u8], charset: Charset) -> Vec<Place> {
    if charset == Charset::Iso2022Jp { in_shifts(line) } else { in_view(line, charset) }
}

/// Whether a character stands for itself wherever it is, so that a line may end beside it.
fn is_wide(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{3029}' | '\u{3030}'..='\u{3098}' | '\u{309b}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}' | '\u{20000}'..='\u{3ffff}')
}

fn in_view(line: &[u8], charset: Charset) -> Vec<Place> {
    let view = charset.decode_view(line);
    let text = String::from_utf8_lossy(view.bytes());
    let mut places = Vec::new();
    let mut before = None;
    // A character that made no sense is of no width.
    if text.len() == view.bytes().len() {
        for (at, c) in text.char_indices() {
            let source = view.sources(at..at + c.len_utf8()).first().map_or(0, |source| source.start);
            if before.is_some_and(|b| b == ' ' && c != ' ' || is_wide(b) && is_wide(c)) {
                let is_end = matches!(before, Some('。' | '、' | '！' | '？'));
                places.push(Place { at: source, state: 0..0, is_end });
            }
            // What is put over a character stays with it.
            if !matches!(c, '\u{3099}' | '\u{309a}' | '\u{fe00}'..='\u{fe0f}') {
                before = Some(c);
            }
        }
    }
    places
}

fn in_shifts(line: &[u8]) -> Vec<Place> {
    let mut places = Vec::new();
    let (mut at, mut state, mut width, mut is_ascii) = (0, 0..0, 1, true);
    let mut is_behind_wide = false;
    while let Some(rest) = line.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.first() == Some(&0x1b) {
            let length = match rest {
                [_, b'$', b'(', ..] => 4,
                [_, b'$' | b'(' | b'&' | b'.', ..] => 3,
                _ => 2,
            };
            let is_wide = rest.get(1) == Some(&b'$');
            state = if is_wide { at..(at + length).min(line.len()) } else { 0..0 };
            width = if is_wide { 2 } else { 1 };
            is_ascii = matches!(rest, [_, b'(', b'B' | b'J', ..]);
            at += length;
            is_behind_wide = false;
            continue;
        }
        let is_blank = is_ascii && at.checked_sub(1).and_then(|i| line.get(i)) == Some(&b' ');
        if is_blank && rest.first() != Some(&b' ') || width == 2 && is_behind_wide {
            let last = at.checked_sub(2).and_then(|from| line.get(from..at)).unwrap_or_default();
            places.push(Place {
                at,
                state: state.clone(),
                is_end: width == 2 && matches!(last, b"!#" | b"!\""),
            });
        }
        is_behind_wide = width == 2;
        at += width;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str, charset: Charset) {
        let bytes = charset.encode(text).unwrap();
        let out = broken(&bytes, charset).unwrap_or_else(|| panic!("{charset:?}"));
        for line in out.split(|b| *b == b'\n') {
            assert!(line.len() <= MAX_LINE + 1, "{charset:?}: {}", line.len());
            let (read, is_whole) = charset.decode(line);
            assert!(is_whole && !read.contains('\u{fffd}'), "{charset:?}: {read}");
        }
        let (read, _) = charset.decode(&out);
        assert_eq!(read.replace("\r\n", ""), text.replace("\r\n", ""), "{charset:?}");
        assert!(read.matches("\r\n").count() > text.matches("\r\n").count());
    }

    #[test]
    fn lines_without_blanks_break_between_wide_characters_in_every_charset() {
        let sentence = "鉢植えの件で、届け先の変更をお願いいたします。".repeat(60);
        let none = "表ソ能".repeat(700);
        let mixed = format!("{}a@b.example{}\r\n短い\r\n", "あ".repeat(480), "い".repeat(900));
        for label in ["utf-8", "iso-2022-jp", "shift_jis", "euc-jp"] {
            let charset = Charset::for_label(label.as_bytes()).unwrap();
            for text in [&sentence, &none, &mixed] {
                holds(text, charset);
            }
        }
        holds(&"联系".repeat(700), Charset::GB18030);
        holds(&"연락 주세요 ".repeat(200), Charset::EUC_KR);
    }

    #[test]
    fn a_break_stands_behind_a_sentence_and_a_word_is_never_cut() {
        let text = format!("{}。{}", "あ".repeat(250), "い".repeat(250));
        let out = String::from_utf8(broken(text.as_bytes(), Charset::Utf8).unwrap()).unwrap();
        assert!(out.starts_with(&format!("{}。\r\nい", "あ".repeat(250))));
        assert!(broken("a".repeat(1200).as_bytes(), Charset::Utf8).is_none());
        let out =
            String::from_utf8(broken("か\u{3099}".repeat(400).as_bytes(), Charset::Utf8).unwrap()).unwrap();
        assert!(out.lines().count() > 2 && out.lines().all(|line| line.starts_with('か')));
    }
}
