//! Stripping: what can stand in the middle of an address without being part of it, taken out, with the way back.
//!
//! Rules: line ends and blanks with the marks of quoting behind them; comments and backslashes of address fields (RFC 5322 §3.2.1, §3.2.2).
//! Tags are `tags`'.
//! When it fails: never.

use crate::mime::transfer::hex;
use crate::mime::view::View;
use std::ops::Range;

/// Longest comment beside an at sign, in octets.
const MAX_COMMENT: usize = 200;

/// `text` without blanks and line ends, and without the marks that quoting puts after them: what broke in the
/// middle is whole again. Also without the soft breaks of quoted-printable text that was never decoded.
#[must_use]
pub fn joined(text: &[u8]) -> View {
    let mut view = View::with_capacity(text.len());
    let (mut at, mut copied) = (0, 0);
    let may_go = |b: u8| (b == b'=') | (b <= b' ');
    while let Some(skip) = text.get(at..).and_then(|rest| next_of(rest, may_go)) {
        at += skip;
        let rest = text.get(at..).unwrap_or_default();
        let b = rest.first().copied().unwrap_or_default();
        let length = match b {
            b'\n' => {
                1 + rest
                    .iter()
                    .skip(1)
                    .take_while(|b| b.is_ascii_whitespace() || matches!(b, b'>' | b'|'))
                    .count()
            }
            b'=' if rest.starts_with(b"=\r\n") => 3,
            _ if b.is_ascii_whitespace() => 1,
            _ => 0,
        };
        if length == 0 {
            at += 1;
            continue;
        }
        view.push_copied(text.get(copied..at).unwrap_or_default(), copied);
        at += length;
        copied = at;
    }
    view.push_copied(text.get(copied..).unwrap_or_default(), copied);
    view
}

/// The first octet that fits, looked for in blocks, which cost less than one octet after the other.
fn next_of(text: &[u8], fits: impl Fn(u8) -> bool) -> Option<usize> {
    for (i, block) in text.chunks(BLOCK).enumerate() {
        if block.iter().fold(false, |any, b| any | fits(*b)) {
            return Some(i * BLOCK + block.iter().position(|b| fits(*b))?);
        }
    }
    None
}

const BLOCK: usize = 32;

/// The same, without the marks of quoting that two lines have in common, whatever they are: `Hana> `, `: `, `》`.
/// `None` where no two lines have any that [`joined`] leaves.
#[must_use]
pub fn joined_over_marks(text: &[u8]) -> Option<View> {
    let lines = || {
        let mut from = 0;
        memchr::memchr_iter(b'\n', text).map(|end| end + 1).chain(std::iter::once(text.len())).map(
            move |end| {
                let line = text.get(from..end).unwrap_or_default();
                from = end;
                line
            },
        )
    };
    let pairs = || std::iter::once(&b""[..]).chain(lines()).zip(lines());
    let is_unusual = |(before, line): (&[u8], &[u8])| {
        let marks = line.get(..common_marks(before, line)).unwrap_or_default();
        marks.iter().any(|b| !is_usual_mark(*b))
    };
    if !pairs().any(is_unusual) {
        return None;
    }
    let mut view = View::with_capacity(text.len());
    let mut start = 0;
    for (before, line) in pairs() {
        let (mut at, end) = (common_marks(before, line), line.trim_ascii_end().len());
        while let Some(rest) = line.get(at..end).filter(|rest| !rest.is_empty()) {
            let length = next_of(rest, |b| b <= b' ').unwrap_or(rest.len());
            // Controls that are no blanks stay.
            let length = length + usize::from(rest.get(length).is_some_and(|b| !b.is_ascii_whitespace()));
            view.push_copied(rest.get(..length).unwrap_or_default(), start + at);
            at += length + usize::from(rest.get(length).is_some_and(u8::is_ascii_whitespace));
        }
        start += line.len();
    }
    Some(view)
}

/// Longest mark of quoting with a name in it, in octets.
const MAX_MARKS: usize = 40;

fn is_usual_mark(b: u8) -> bool {
    b.is_ascii_whitespace() || matches!(b, b'>' | b'|')
}

/// Length of what two lines begin with in common, to the last octet of it that can end a mark of quoting.
fn common_marks(before: &[u8], line: &[u8]) -> usize {
    if before.first() != line.first() {
        return 0;
    }
    let most = before.len().min(line.len()).min(MAX_MARKS);
    let (above, begin) = (before.get(..most).unwrap_or_default(), line.get(..most).unwrap_or_default());
    let same =
        if above == begin { most } else { above.iter().zip(begin).take_while(|(a, b)| a == b).count() };
    let common = line.get(..same).unwrap_or_default();
    let ends = |b: &u8| {
        is_usual_mark(*b)
            || matches!(b, 0x80..|b':'| b'#' | b'%' | b'}' | b'*' | b'?' | b'!' | b'~' | b']' | b')' | b';')
    };
    let mut end = common.iter().rposition(ends).map_or(0, |i| i + 1);
    // A dash is a mark where a line begins with nothing else.
    if end == 0 && common.first() == Some(&b'-') {
        end = 1;
    }
    // No character is cut in two.
    while end > 0 && line.get(end).is_some_and(|b| b & 0xc0 == 0x80) {
        end -= 1;
    }
    end
}

/// An address field without its comments and backslashes (RFC 5322 §3.2.2, §3.2.1).
#[must_use]
pub fn without_comments(text: &[u8]) -> View {
    let mut view = View::with_capacity(text.len());
    let mut depth = 0usize;
    let mut copied = 0;
    for (i, b) in text.iter().enumerate() {
        let leaves_out = match b {
            b'(' => {
                depth += 1;
                true
            }
            b')' if depth > 0 => {
                depth -= 1;
                true
            }
            b'\\' => true,
            _ => depth > 0,
        };
        if leaves_out {
            view.push_copied(text.get(copied..i).unwrap_or_default(), copied);
            copied = i + 1;
        }
    }
    view.push_copied(text.get(copied..).unwrap_or_default(), copied);
    view
}

/// A text without what stands directly beside at signs and is left out by who reads them: comments, `bob(a)@(b)c.example`,
/// and the quotes that put strings together, `'bob' + '@' + 'c.example'`. `None` when there are none. Anywhere else in a
/// text brackets and quotes are what they are.
#[must_use]
pub fn joined_at_signs(text: &[u8]) -> Option<View> {
    let mut out: Vec<Range<usize>> = Vec::new();
    for at in memchr::memchr_iter(b'@', text) {
        // One within a comment is left out with it.
        if out.last().is_some_and(|last| last.end > at) {
            continue;
        }
        let before = text.get(at.saturating_sub(MAX_COMMENT)..at).unwrap_or_default();
        let length = comment_length(before.iter().rev(), b')', b'(').max(quotes_length(before.iter().rev()));
        if length > 0 && out.last().is_none_or(|last| last.end <= at - length) {
            out.push(at - length..at);
        }
        let behind = text.get(at + 1..(at + 1 + MAX_COMMENT).min(text.len())).unwrap_or_default();
        let length = comment_length(behind.iter(), b'(', b')').max(quotes_length(behind.iter()));
        if length > 0 {
            out.push(at + 1..at + 1 + length);
        }
    }
    if out.is_empty() {
        return None;
    }
    let mut view = View::with_capacity(text.len());
    let mut copied = 0;
    for range in out {
        view.push_copied(text.get(copied..range.start).unwrap_or_default(), copied);
        copied = range.end;
    }
    view.push_copied(text.get(copied..).unwrap_or_default(), copied);
    Some(view)
}

/// A text with what is written as reports write addresses (xtext, RFC 3461 §4) in one form, `bob+40a+2Eexample`; `None` where
/// no at sign is. It is a view of its own, since `bob+40th@…` is somebody's tag.
#[must_use]
pub fn without_xtext(text: &[u8]) -> Option<View> {
    memchr::memmem::find(text, b"+40")?;
    let mut view = View::with_capacity(text.len());
    let mut copied = 0;
    for at in memchr::memchr_iter(b'+', text) {
        let Some([high, low]) = text.get(at + 1..at + 3) else { continue };
        let Some(meant) = hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low) else { continue };
        if !(meant.is_ascii_alphanumeric() || b"@.!#$%&'*+-/=?^_`{|}~".contains(&meant)) || at < copied {
            continue;
        }
        view.push_copied(text.get(copied..at).unwrap_or_default(), copied);
        view.push_made(&[meant], at..at + 3);
        copied = at + 3;
    }
    view.push_copied(text.get(copied..).unwrap_or_default(), copied);
    Some(view)
}

/// Length of the quotes that the octets begin with, with the blanks and pluses between them; 0 for fewer than two.
fn quotes_length<'a>(octets: impl Iterator<Item = &'a u8>) -> usize {
    let (mut quotes, mut length) = (0, 0);
    for (i, b) in octets.enumerate() {
        match b {
            b'"' | b'\'' => {
                quotes += 1;
                length = i + 1;
            }
            b'+' | b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => break,
        }
    }
    if quotes > 1 { length } else { 0 }
}

/// Length of the comment that the octets begin with, seen from its one bracket; 0 when they begin with none.
fn comment_length<'a>(octets: impl Iterator<Item = &'a u8>, open: u8, close: u8) -> usize {
    let mut depth = 0usize;
    for (i, b) in octets.enumerate() {
        if *b == open {
            depth += 1;
        } else if *b == close {
            depth = depth.saturating_sub(1);
        }
        if depth == 0 {
            return if i == 0 { 0 } else { i + 1 };
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaks_quotes_and_comments_can_be_taken_out() {
        assert_eq!(joined(b"a b\r\n> > c=\r\nd\te").bytes(), b"abcde");
        assert_eq!(without_comments(b"a(b(c)d)\\e)").bytes(), b"ae)");
        let over = |text: &[u8]| joined_over_marks(text).map(View::into_bytes);
        assert_eq!(over(b"Hana> a b@c\r\nHana> .d\r\n"), Some(b"Hana>ab@c.d".to_vec()));
        assert_eq!(over("》a@b\r\n》.c".as_bytes()), Some("》a@b.c".as_bytes().to_vec()));
        assert_eq!(over(b"> a@b\r\n> .c"), None);
        let beside = |text: &[u8]| joined_at_signs(text).map(View::into_bytes);
        assert_eq!(beside(b"(x a(b(c))@(d)e(f) (g)@h"), Some(b"(x a@e(f) @h".to_vec()));
        assert_eq!(beside(b"(a@b) :)@c(@ 'd'@e"), None);
        assert_eq!(beside(b"'a'+\"@\" 'b.c'"), Some(b"'a@b.c'".to_vec()));
    }

    #[test]
    fn an_at_sign_within_a_comment_is_left_out_with_it() {
        for text in ["bob@(bob@(y)a.example)a.example", "bob@(x@(y) z)a.example"] {
            let view = joined_at_signs(text.as_bytes()).unwrap();
            assert_eq!(view.bytes(), b"bob@a.example", "{text}");
        }
    }

    #[test]
    fn what_reports_write_is_one_view_and_a_tag_stays_one() {
        let view = without_xtext(b"rfc822;bob+40a+2Eexample").unwrap();
        assert_eq!(view.bytes(), b"rfc822;bob@a.example");
        let view = without_xtext(b"b+6Fb+40a+2dc+20.example+").unwrap();
        assert_eq!(view.bytes(), b"bob@a-c+20.example+");
        assert!(without_xtext(b"bob+2dx@a.example").is_none());
    }
}
