//! How wide a text is on a terminal, and its cut into lines that fit.
//!
//! Rules: characters that are wide or fullwidth (UAX #11) take two columns, combining ones none, all others one. Control
//! characters are shown as `?`: a mail must not drive the terminal that shows it.
//! When it fails: never; a script that this short table does not know may be a column off.

/// Ranges of characters that take two columns.
const WIDE: [(u32, u32); 17] = [
    (0x1100, 0x115f),
    (0x2e80, 0x303e),
    (0x3041, 0x33ff),
    (0x3400, 0x4dbf),
    (0x4e00, 0x9fff),
    (0xa000, 0xa4cf),
    (0xa960, 0xa97f),
    (0xac00, 0xd7a3),
    (0xf900, 0xfaff),
    (0xfe30, 0xfe6f),
    (0xff01, 0xff60),
    (0xffe0, 0xffe6),
    (0x1f300, 0x1f64f),
    (0x1f680, 0x1f6ff),
    (0x1f900, 0x1faff),
    (0x20000, 0x2fffd),
    (0x30000, 0x3fffd),
];
/// Ranges of characters that take none.
const NONE: [(u32, u32); 6] = [
    (0x300, 0x36f),
    (0x200b, 0x200f),
    (0x202a, 0x202e),
    (0x2060, 0x2069),
    (0xfe00, 0xfe0f),
    (0xfeff, 0xfeff),
];

/// Columns of a character.
fn columns(c: char) -> usize {
    let is_in =
        |ranges: &[(u32, u32)]| ranges.iter().any(|(low, high)| (*low..=*high).contains(&u32::from(c)));
    match c {
        ' '..='~' => 1,
        _ if is_in(&NONE) || is_in(&[(0x3099, 0x309a)]) => 0,
        _ if is_in(&WIDE) => 2,
        _ => 1,
    }
}

/// Columns of a text.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// A text without anything that a terminal would obey.
pub(super) fn harmless(text: &str) -> String {
    let is_order = |c: char| c.is_control() || matches!(u32::from(c), 0x202a..=0x202e | 0x2066..=0x2069);
    text.chars().map(|c| if is_order(c) { '?' } else { c }).collect()
}

/// Cuts a line into lines of at most `limit` columns, at a blank where one is near the end. At least one line.
pub(super) fn wrap(line: &str, limit: usize) -> Vec<String> {
    let limit = limit.max(2);
    let mut lines = Vec::new();
    let mut rest = line;
    loop {
        let mut used = 0;
        let overflow = rest.char_indices().find(|(_, c)| {
            used += columns(*c);
            used > limit
        });
        let Some((mut cut, _)) = overflow else {
            lines.push(rest.to_owned());
            return lines;
        };
        let head = rest.get(..cut).unwrap_or_default();
        if let Some(blank) =
            head.rfind(' ').filter(|at| width(head.get(..*at).unwrap_or_default()) > limit / 5)
        {
            cut = blank + 1;
        }
        let (head, tail) = rest.split_at_checked(cut).unwrap_or((rest, ""));
        lines.push(head.trim_end().to_owned());
        rest = tail.trim_start_matches(' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn japanese_takes_two_columns_a_character() {
        assert_eq!(width("花工房 abc"), 10);
        assert_eq!(width("ｶﾅ"), 2);
        assert_eq!(width("か\u{3099}"), 2);
    }

    #[test]
    fn no_line_is_wider_than_asked_and_nothing_is_lost() {
        let text = "ご注文 order 2026-1122 ありがとうございます、花工房みどりです https://a.example/bbbbbbbbbbbbbbbbbb";
        for limit in [2, 3, 10, 17, 40, 200] {
            let lines = wrap(text, limit);
            assert!(lines.iter().all(|line| width(line) <= limit), "{limit}: {lines:?}");
            let glued: String = lines.concat().chars().filter(|c| *c != ' ').collect();
            assert_eq!(glued, text.replace(' ', ""), "{limit}");
        }
        assert_eq!(wrap("", 10), [""]);
    }

    #[test]
    fn a_mail_cannot_drive_the_terminal() {
        assert_eq!(harmless("a\u{1b}[31mb\r\u{7}\u{9b}c\u{202e}"), "a?[31mb???c?");
    }
}
