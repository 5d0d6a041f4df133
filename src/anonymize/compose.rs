//! Letters and their marks as one character: `か` and the mark behind it as `が`, as file systems and half-width kana part them.
//!
//! Rules: only where a mark stands that makes another letter of the one before it (UAX #15, NFC). All else stays.
//! When it fails: never.

use crate::mime::view::View;
use unicode_normalization::char::compose;

/// The text with such letters as one; `None` where there are none.
#[must_use]
pub fn composed(text: &[u8]) -> Option<View> {
    if !text.iter().any(|b| matches!(b, 0xcc | 0xcd | 0xe1 | 0xe3 | 0xef)) {
        return None;
    }
    let has_marks = memchr::memchr3(0xcc, 0xcd, 0xe1, text).is_some()
        || [b"\xe3\x82\x99".as_slice(), b"\xe3\x82\x9a", b"\xef\xbe\x9e", b"\xef\xbe\x9f"]
            .iter()
            .any(|mark| memchr::memmem::find(text, mark).is_some());
    let text = if has_marks { std::str::from_utf8(text).ok()? } else { return None };
    let mut view: Option<View> = None;
    let mut copied = 0;
    // The letter that may still get a mark, and where it stands.
    let mut letter: Option<(char, usize)> = None;
    let mut end = 0;
    for (at, c) in text.char_indices() {
        let mark = match c {
            '\u{ff9e}' => '\u{3099}',
            '\u{ff9f}' => '\u{309a}',
            c => c,
        };
        let whole = letter.and_then(|(letter, start)| Some((compose(letter, mark)?, start)));
        let next = at + c.len_utf8();
        match whole {
            Some((whole, _)) => {
                letter = letter.map(|(_, start)| (whole, start));
                end = next;
            }
            None => {
                if let Some((whole, start)) = letter.filter(|(_, start)| end > *start) {
                    put(&mut view, text, copied..start, whole, end);
                    copied = end;
                }
                letter = Some((c, at));
                end = 0;
            }
        }
    }
    if let Some((whole, start)) = letter.filter(|(_, start)| end > *start) {
        put(&mut view, text, copied..start, whole, end);
        copied = end;
    }
    let mut view = view?;
    view.push_copied(text.as_bytes().get(copied..)?, copied);
    Some(view)
}

fn put(view: &mut Option<View>, text: &str, before: std::ops::Range<usize>, whole: char, end: usize) {
    let view = view.get_or_insert_with(|| View::with_capacity(text.len()));
    let start = before.end;
    view.push_copied(text.as_bytes().get(before.clone()).unwrap_or_default(), before.start);
    let lower: String = whole.to_lowercase().collect();
    view.push_made(lower.as_bytes(), start..end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_take_their_marks_and_nothing_else_changes() {
        for (text, expected) in [
            ("info@か\u{3099}くふ\u{3099}ち.example", Some("info@がくぶち.example")),
            ("ハ\u{309a}ンとカ\u{ff9e}", Some("パンとガ")),
            ("cafe\u{301}@x", Some("café@x")),
            ("\u{1112}\u{1161}\u{11ab}", Some("한")),
            ("E\u{302}\u{301}", Some("ế")),
            ("あ\u{3099} が cafe", None),
        ] {
            let view = composed(text.as_bytes());
            assert_eq!(
                view.map(|view| String::from_utf8(view.into_bytes()).unwrap()).as_deref(),
                expected,
                "{text}"
            );
        }
        let text = "xか\u{3099}y";
        assert_eq!(composed(text.as_bytes()).unwrap().sources(1..4), vec![1..7]);
    }
}
