//! What a line end cuts in two and its reader puts together again: escapes, and tokens of base64 or hexadecimal digits.
//!
//! Rules: lines of calendars and cards are folded wherever 75 octets end (RFC 5545 §3.1, RFC 6350 §3.2), flowed texts lose
//! the blank at their ends (RFC 3676 §4.2), links in attributes their line ends, and quoted texts have marks before their
//! lines. An escape is cut where its beginning stands at the end of a line; a token goes on in the next line where it
//! reaches to both ends, and over a line that is nothing else. Nothing is taken out of the text itself.
//! When it fails: never.

use crate::mime::transfer::Edit;
use crate::mime::view::View;
use std::ops::Range;

/// Longest beginning of an escape, in octets: `\U00000`, `%252525`, and the names of entities.
const MAX_ESCAPE: usize = 12;
/// How long a line must be at most to be full, in octets.
const MAX_WIDTH: usize = 72;
/// The width of lines of content that are folded, in octets: 75 at most, and less by a character that would not fit.
const FOLDED: Range<usize> = 70..77;
/// Most blanks and marks of quoting before a line.
const MAX_MARKS: usize = 64;

/// A line end with what belongs to it: a blank before it, the fold or the marks of quoting behind it.
fn seam(text: &[u8], newline: usize) -> Range<usize> {
    let before = text.get(..newline).unwrap_or_default();
    let before = before.strip_suffix(b"\r").unwrap_or(before);
    let before = before.strip_suffix(b" ").unwrap_or(before);
    let behind = text.get(newline + 1..).unwrap_or_default();
    let is_mark = |b: &&u8| matches!(b, b' ' | b'\t' | b'>' | b'|');
    before.len()..newline + 1 + behind.iter().take(MAX_MARKS).take_while(is_mark).count()
}

/// The blank before a line end, if it has one, and what stands behind it.
fn shape<'t>(text: &'t [u8], seam: &Range<usize>) -> (bool, &'t [u8]) {
    let octets = text.get(seam.clone()).unwrap_or_default();
    let end = memchr::memchr(b'\n', octets).map_or(0, |at| at + 1);
    (octets.first() == Some(&b' '), octets.get(end..).unwrap_or_default())
}

/// Whether a line end is a fold of content lines, which is none of the text: one blank behind it.
fn is_fold(shape: (bool, &[u8])) -> bool {
    matches!(shape, (false, b" " | b"\t"))
}

/// The line ends that may cut an escape, each with what belongs to it, in order.
fn cuts(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    memchr::memchr_iter(b'\n', text).map(|newline| seam(text, newline)).filter(|seam| {
        let near = text.get(seam.start.saturating_sub(MAX_ESCAPE)..seam.start).unwrap_or_default();
        let Some(at) = near.iter().rposition(|b| b"%&\\=^".contains(b)) else { return false };
        let begun = near.get(at + 1..).unwrap_or_default();
        let next = text.get(seam.end).copied().unwrap_or_default();
        match near.get(at) {
            Some(b'=') => begun.len() < 2 && next.is_ascii_hexdigit(),
            Some(b'^') => begun.is_empty() && matches!(next, b'n' | b'\'' | b'^'),
            _ => {
                let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'#' | b'{' | b'\'');
                begun.iter().all(is_part) && next.is_ascii_graphic()
            }
        }
    })
}

/// Where escapes may be cut.
pub fn places(text: &[u8]) -> impl Iterator<Item = usize> {
    cuts(text).map(|seam| seam.start)
}

/// The text without the line ends that may cut an escape; `None` where there are none.
#[must_use]
pub fn mended(text: &[u8]) -> Option<View> {
    let mut view: Option<View> = None;
    let mut copied = 0;
    for seam in cuts(text).filter(|seam| seam.start < seam.end) {
        let view = view.get_or_insert_with(|| View::with_capacity(text.len()));
        view.push_copied(text.get(copied..seam.start.max(copied)).unwrap_or_default(), copied);
        copied = seam.end;
    }
    let mut view = view?;
    view.push_copied(text.get(copied..).unwrap_or_default(), copied);
    Some(view)
}

/// A token in pieces.
pub struct Torn {
    /// Where its pieces stand in the text, in order.
    pieces: Vec<Range<usize>>,
    /// All of them, and the padding behind the last one.
    pub whole: Vec<u8>,
}

impl Torn {
    /// The pieces, each as it stands in the text.
    pub fn pieces<'t>(&self, text: &'t [u8]) -> impl Iterator<Item = &'t [u8]> {
        self.pieces.iter().map(|piece| text.get(piece.clone()).unwrap_or_default())
    }

    /// Whether every line end between the pieces is a fold behind a line that is as long as they are, so that the token goes on for
    /// certain. Lines of other texts begin with a blank too.
    pub fn is_folded(&self, text: &[u8]) -> bool {
        let mut seams = self.pieces.iter().zip(self.pieces.iter().skip(1));
        seams.all(|(before, behind)| {
            let line = text.get(..before.end).unwrap_or_default();
            let width = line.iter().rev().take(2 * FOLDED.end).take_while(|b| **b != b'\n').count();
            FOLDED.contains(&width) && is_fold(shape(text, &(before.end..behind.start)))
        })
    }

    /// The edits of the text that an edit of the whole token comes to: each line keeps as much of it as it had, the last
    /// one has the rest. None where it concerns one piece alone.
    pub fn edits(&self, edit: &Edit) -> Vec<Edit> {
        let mut parts: Vec<Range<usize>> = Vec::new();
        let mut at = 0;
        for piece in &self.pieces {
            let (from, to) = (edit.range.start.max(at), edit.range.end.min(at + piece.len()));
            if from < to {
                parts.push(piece.start + from - at..piece.start + to - at);
            }
            at += piece.len();
        }
        if parts.len() < 2 {
            return Vec::new();
        }
        let last = parts.len() - 1;
        let mut with = edit.with.as_slice();
        let shared = parts.into_iter().enumerate().map(|(i, range)| {
            let length = if i == last { with.len() } else { range.len().min(with.len()) };
            let (own, rest) = with.split_at(length);
            with = rest;
            Edit { range, with: own.to_vec() }
        });
        shared.collect()
    }
}

/// Gives `each` the tokens of at least `least` and at most `most` octets that line ends cut and that may be digits of an
/// address: in base64 an at sign always makes a capital letter, in hexadecimal digits a digit.
pub fn tokens(text: &[u8], is_digit: fn(u8) -> bool, least: usize, most: usize, mut each: impl FnMut(&Torn)) {
    let mut done = 0;
    for newline in memchr::memchr_iter(b'\n', text) {
        if newline < done {
            continue;
        }
        let mut seam = seam(text, newline);
        let before = text.get(..seam.start).unwrap_or_default();
        let head = before.iter().rev().take(most).take_while(|b| is_digit(**b)).count();
        if head == 0 {
            continue;
        }
        let mut pieces: Vec<Range<usize>> = std::iter::once(seam.start - head..seam.start).collect();
        let mut total = head;
        // All its line ends are alike, and a line that is broken is full.
        let shape = shape(text, &seam);
        let line = before.iter().rev().take(MAX_WIDTH).take_while(|b| **b != b'\n').count();
        loop {
            let behind = text.get(seam.end..).unwrap_or_default();
            let length = behind.iter().take(most).take_while(|b| is_digit(**b)).count();
            if length == 0 {
                break;
            }
            let end = seam.end + length;
            pieces.push(seam.end..end);
            total += length;
            let newline = match text.get(end..) {
                Some([b'\n', ..]) => end,
                Some([b'\r' | b' ', b'\n', ..]) => end + 1,
                Some([b' ', b'\r', b'\n', ..]) => end + 2,
                _ => break,
            };
            let marks = text.get(seam.start..seam.end).map_or(0, |seam| seam.trim_ascii_start().len());
            let (width, full) =
                if is_fold(shape) { (length + 1, FOLDED.start) } else { (length + marks, MAX_WIDTH) };
            let next = self::seam(text, newline);
            if total >= most || self::shape(text, &next) != shape || width < line.min(full) {
                break;
            }
            seam = next;
        }
        let Some(last) = pieces.last_mut().filter(|last| last.start > newline) else { continue };
        done = last.end;
        let may_be = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit();
        let has_any = |piece: &Range<usize>| text.get(piece.clone()).is_some_and(|p| p.iter().any(may_be));
        if total < least || !pieces.iter().any(has_any) {
            continue;
        }
        if let Some(last) = pieces.last_mut() {
            last.end += text.iter().skip(last.end).take(2).take_while(|b| **b == b'=').count();
        }
        let whole = pieces.iter().filter_map(|piece| text.get(piece.clone())).collect::<Vec<_>>().concat();
        each(&Torn { pieces, whole });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_that_a_line_end_cuts_is_whole_in_the_view() {
        for (text, expected) in [
            ("a%4\r\n 0b", "a%40b"),
            ("a%\r\n 40b", "a%40b"),
            ("a%25\r\n 40b", "a%2540b"),
            ("a%4 \r\n0b", "a%40b"),
            ("> a%4\r\n> 0b", "> a%40b"),
            ("a&#6\r\n 4;b", "a&#64;b"),
            ("a\\u00\r\n 40b", "a\\u0040b"),
            ("a\\\n nb", "a\\nb"),
            ("a^\r\n nb", "a^nb"),
            ("a=4\r\n 0b", "a=40b"),
        ] {
            let view = mended(text.as_bytes()).map(View::into_bytes).unwrap_or_default();
            assert_eq!(String::from_utf8(view).unwrap(), expected, "{text:?}");
        }
        for text in ["a\r\nb", "50 %\r\n", "a & b\r\n c", "==\r\nx", "a^\r\nb", "%40bcdefghijkl\r\n m"] {
            assert!(mended(text.as_bytes()).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_fold_is_certain_behind_a_line_of_its_width_alone() {
        for (width, expected) in [(20, false), (69, false), (74, true), (75, true), (90, false)] {
            let text = format!("{}\r\n REVG", "Q".repeat(width));
            let mut seen = Vec::new();
            tokens(
                text.as_bytes(),
                |b| b.is_ascii_alphanumeric(),
                6,
                200,
                |torn| {
                    seen.push(torn.is_folded(text.as_bytes()));
                },
            );
            assert_eq!(seen, [expected], "{width}");
        }
    }

    #[test]
    fn a_token_goes_on_over_lines_that_it_fills_and_each_line_keeps_its_length() {
        let text = b"x QUJD\r\n> REVG\r\n> R0hJ and\r\nword\r\nanother word";
        let mut found = Vec::new();
        tokens(
            text,
            |b| b.is_ascii_alphanumeric(),
            6,
            100,
            |torn| {
                found.push(String::from_utf8(torn.whole.clone()).unwrap());
                let edits = torn.edits(&Edit { range: 2..12, with: b"0123456789abc".to_vec() });
                let edits: Vec<_> =
                    edits.iter().map(|edit| (edit.range.clone(), edit.with.as_slice())).collect();
                assert_eq!(edits, [(4..6, b"01".as_slice()), (10..14, b"2345"), (18..22, b"6789abc")]);
                assert!(torn.edits(&Edit { range: 0..4, with: Vec::new() }).is_empty());
            },
        );
        assert_eq!(found, ["QUJDREVGR0hJ"]);
    }
}
