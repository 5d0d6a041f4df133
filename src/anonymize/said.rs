//! Signs of an address that a Japanese text says or draws: `アット` and `ドット` between blanks or letters, `《at》`, `★`, and
//! ` ａｔ ` between wide blanks.
//!
//! Rules: a view of its own, in which each of them is the character it stands for, with the blanks and brackets around it.
//! Only between letters, digits and signs of an address, within a line, a mark without blanks beside it; and since a hit
//! needs the whole address to match, any other text stays as it is.
//! When it fails: never.

use crate::mime::view::View;
use aho_corasick::{AhoCorasick, MatchKind};
use std::sync::LazyLock;

/// Words and marks with what each stands for.
const SIGNS: [(&str, Sign); 36] = [
    ("アットマーク", Sign::Word('@')),
    ("アット", Sign::Word('@')),
    ("ｱｯﾄﾏｰｸ", Sign::Word('@')),
    ("ｱｯﾄ", Sign::Word('@')),
    ("あっとまーく", Sign::Word('@')),
    ("あっと", Sign::Word('@')),
    ("@マーク", Sign::Word('@')),
    ("＠マーク", Sign::Word('@')),
    ("ドット", Sign::Word('.')),
    ("ﾄﾞｯﾄ", Sign::Word('.')),
    ("どっと", Sign::Word('.')),
    ("★", Sign::Drawn),
    ("☆", Sign::Drawn),
    ("◎", Sign::Drawn),
    ("●", Sign::Drawn),
    ("○", Sign::Drawn),
    ("◆", Sign::Drawn),
    ("◇", Sign::Drawn),
    ("■", Sign::Drawn),
    ("□", Sign::Drawn),
    ("▲", Sign::Drawn),
    ("△", Sign::Drawn),
    ("▼", Sign::Drawn),
    ("▽", Sign::Drawn),
    ("※", Sign::Drawn),
    ("＊", Sign::Drawn),
    ("ａｔ", Sign::Apart('@')),
    ("ＡＴ", Sign::Apart('@')),
    ("ｄｏｔ", Sign::Apart('.')),
    ("ＤＯＴ", Sign::Apart('.')),
    ("at", Sign::Apart('@')),
    ("AT", Sign::Apart('@')),
    ("At", Sign::Apart('@')),
    ("dot", Sign::Apart('.')),
    ("＠", Sign::Apart('@')),
    ("@", Sign::Apart('@')),
];

/// What a word or mark stands for.
#[derive(Clone, Copy)]
enum Sign {
    /// Also directly between two letters.
    Word(char),
    /// An at sign directly between what ends a local part and a domain: with a blank beside it, it is the mark of an item.
    Drawn,
    /// Only in brackets, or between blanks of which one is wide.
    Apart(char),
}

/// Brackets that people put around a sign beside those that every spelling knows.
const BRACKETS: [(char, char); 9] = [
    ('《', '》'),
    ('『', '』'),
    ('〈', '〉'),
    ('「', '」'),
    ('【', '】'),
    ('（', '）'),
    ('〔', '〕'),
    ('(', ')'),
    ('[', ']'),
];
/// A blank of full width.
const WIDE_BLANK: char = '\u{3000}';

static SEARCH: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let words = SIGNS.iter().map(|(word, _)| *word);
    AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(words).ok()
});

/// The text with such signs as the characters they stand for; `None` where there are none.
#[must_use]
pub fn with_signs(text: &[u8]) -> Option<View> {
    // All of them, or what stands around them, is beyond ASCII.
    if text.is_ascii() {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let mut view: Option<View> = None;
    let mut copied = 0;
    for found in SEARCH.as_ref()?.find_iter(text) {
        let Some((_, sign)) = SIGNS.get(found.pattern().as_usize()) else { continue };
        let (before, behind) = (text.get(..found.start())?, text.get(found.end()..)?);
        let Some((sign, left, right)) = stands_for(*sign, before, behind) else { continue };
        let (start, end) = (found.start() - left, found.end() + right);
        if start < copied {
            continue;
        }
        let view = view.get_or_insert_with(|| View::with_capacity(text.len()));
        view.push_copied(text.as_bytes().get(copied..start).unwrap_or_default(), copied);
        view.push_made(sign.encode_utf8(&mut [0; 4]).as_bytes(), start..end);
        copied = end;
    }
    let mut view = view?;
    view.push_copied(text.as_bytes().get(copied..).unwrap_or_default(), copied);
    Some(view)
}

/// What a sign stands for between what is `before` and `behind` it, and how many octets of them belong to it.
fn stands_for(sign: Sign, before: &str, behind: &str) -> Option<(char, usize, usize)> {
    // Local parts and labels may be written in Japanese letters too.
    let is_address = |c: char| c.is_alphanumeric() || "._+-．＿－＋".contains(c);
    let is_blank = |c: char| matches!(c, ' ' | '\t' | '\u{a0}' | WIDE_BLANK);
    let (mut left, mut right) = (before.trim_end_matches(is_blank), behind.trim_start_matches(is_blank));
    let mut is_apart = false;
    let inside = left.chars().next_back().zip(right.chars().next());
    if let Some((open, close)) = inside.filter(|pair| BRACKETS.contains(pair)) {
        left = left.strip_suffix(open)?.trim_end_matches(is_blank);
        right = right.strip_prefix(close)?.trim_start_matches(is_blank);
        is_apart = !open.is_ascii();
    } else {
        let (blanks, more) = (before.get(left.len()..)?, behind.get(..behind.len() - right.len())?);
        is_apart |= !blanks.is_empty()
            && !more.is_empty()
            && (blanks.contains(WIDE_BLANK) || more.contains(WIDE_BLANK));
    }
    let sign = match sign {
        Sign::Word(sign) => sign,
        Sign::Apart(sign) if is_apart => sign,
        Sign::Apart(_) => return None,
        Sign::Drawn => {
            // Local parts may end in a dot, or be in Japanese letters: the whole of it must match.
            let is_plain = before.ends_with(|c: char| c.is_alphanumeric() || "._+-".contains(c));
            let is_between = is_plain && behind.starts_with(char::is_alphanumeric);
            return is_between.then_some(('@', 0, 0));
        }
    };
    let is_between =
        left.chars().next_back().is_some_and(is_address) && right.chars().next().is_some_and(is_address);
    is_between.then(|| (sign, before.len() - left.len(), behind.len() - right.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_read_between_letters_of_an_address_alone() {
        let read = |text: &str| {
            with_signs(text.as_bytes())
                .map_or(text.to_owned(), |view| String::from_utf8(view.into_bytes()).unwrap())
        };
        for (text, expected) in [
            ("bob アット a ドット example", "bob@a.example"),
            ("はbobあっとa.exampleへ", "はbob@a.exampleへ"),
            ("bob《at》a.example", "bob@a.example"),
            ("bob 『 アットマーク 』 a.example", "bob@a.example"),
            ("bob★a.example", "bob@a.example"),
            ("bob.★a.example", "bob.@a.example"),
            ("bob　ａｔ　a.example", "bob@a.example"),
            ("bob（＠）a.example", "bob@a.example"),
            ("ｂｏｂアットａ", "ｂｏｂ@ａ"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        for text in [
            "アット a",
            "ホットとドット。",
            "★ bob",
            "日本 at 東京",
            "bob at a、",
            "ａｔｍ",
            "bob@a、",
            "猫★。",
            "bob ★ a.example",
            "bob ※a.example",
            "bob■ a.example",
            "bob（★）a.example",
            "bob\r\nアット a.example",
            "bob アット\r\na.example",
        ] {
            assert_eq!(read(text), text);
        }
    }
}
