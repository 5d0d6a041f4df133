//! Letters whose marks stand behind them, and kana of half width: for the gate alone.
//!
//! Rules: one more text to look at, in which each is the one character that domains have. The quick look asks only whether
//! such a letter may begin.
//! When it fails: never.

/// The kana of half width from U+FF66 on.
const KANA: &str = "ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン";

/// Whether `c` is a mark that makes another letter of the one before it.
pub fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{3099}' | '\u{309a}' | '\u{ff9e}' | '\u{ff9f}' | '\u{1161}'..='\u{11c2}')
}

/// Whether `c` is kana of half width.
pub fn is_narrow(c: char) -> bool {
    matches!(c, '\u{ff66}'..='\u{ff9d}')
}

/// The text with whole letters; `None` where all are.
pub fn composed(text: &str) -> Option<String> {
    if text.is_ascii() || !text.contains(|c| is_mark(c) || is_narrow(c)) {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let c = match c {
            '\u{ff66}'..='\u{ff9d}' => KANA.chars().nth(c as usize - 0xff66).unwrap_or(c),
            '\u{ff9e}' => '\u{3099}',
            '\u{ff9f}' => '\u{309a}',
            _ => c,
        };
        let whole = if is_mark(c) {
            out.chars().next_back().and_then(|last| unicode_normalization::char::compose(last, c))
        } else {
            None
        };
        if whole.is_some() {
            out.pop();
        }
        out.push(whole.unwrap_or(c));
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_take_their_marks() {
        for (text, expected) in [
            ("か\u{3099}くふ\u{3099}ち", Some("がくぶち")),
            ("ｶﾞｸﾌﾞﾁｰｦﾝﾊﾟ", Some("ガクブチーヲンパ")),
            ("cafe\u{301}", Some("café")),
            ("\u{1112}\u{1161}\u{11ab}", Some("한")),
            ("がくぶち", None),
        ] {
            assert_eq!(composed(text).as_deref(), expected, "{text}");
        }
    }
}
