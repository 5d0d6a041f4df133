//! What a wrong charset or a habit made of an at sign: for the gate alone, apart from the rewriter's table.
//!
//! Rules: between a whole local part, of at least eight octets or with a dot or a digit, and a whole domain stand at most a few
//! characters, no blank among them but around a word. They are a sign where, brackets and marks aside, they are the letter, the
//! word or the number of one, or where they are characters that only octets in a wrong charset give. Anything else (a slash, a
//! comma, a tab, a bracket, Japanese) is between two things of a list, and nothing is held for it.
//! When it fails: never.

use super::wanted::Wanted;

/// Most octets between both.
const MAX_BETWEEN: usize = 32;
/// Shortest local part that is one without a dot or a digit.
const MIN_LOCAL: usize = 8;
/// What is a sign on its own.
const WORDS: [&str; 24] = [
    "a",
    "at",
    "atmark",
    "at-mark",
    "at mark",
    "atマーク",
    "ａｔマーク",
    "ａ",
    "ａｔ",
    "40",
    "%40",
    "2540",
    "%2540",
    "%81%97",
    "%a1%f7",
    "b!w(b",
    "b!w(j",
    "半角アット",
    "全角アット",
    "半角アットマーク",
    "半角@",
    "半角＠",
    "アットマーク半角",
    "アット",
];

/// Whether a local part and such a sign stand before a domain.
pub fn stands_before(party: &Wanted, before: &[u8]) -> bool {
    let near = before.get(before.len().saturating_sub(MAX_BETWEEN)..).unwrap_or_default();
    (1..=near.len()).any(|length| {
        let (head, between) = before.split_at_checked(before.len() - length).unwrap_or_default();
        // Few octets end a local part of theirs.
        party.ends_in_local(head, MIN_LOCAL) && is_sign(between)
    })
}

fn is_sign(between: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(between) else { return false };
    if text.chars().count() > 12 || text.contains(['\r', '\n', '\t', '<', '>']) {
        return false;
    }
    let lower = text.to_lowercase();
    let is_mark = |c: char| "()[]{}|*/.~+=_-!$\"'".contains(c) || "（）【】［］「」〔〕｛｝".contains(c);
    let bare = lower.trim_matches(|c| is_mark(c) || c == ' ');
    // A letter alone is one in brackets, and a word between blanks is looked at elsewhere.
    let in_marks = !lower.starts_with(' ') && lower.starts_with(is_mark) && lower.ends_with(is_mark);
    if WORDS.contains(&bare) {
        let is_short = matches!(bare, "a" | "at" | "ａ" | "ａｔ" | "アット");
        return !is_short || in_marks;
    }
    let is_garbled = |c: char| matches!(c, '\u{80}'..='\u{9f}' | '\u{a1}'..='\u{b6}' | '\u{b8}'..='\u{ff}' | '\u{e000}'..='\u{f8ff}' | '\u{fffd}' | '⊙');
    text.contains(is_garbled)
        && text.chars().all(|c| is_garbled(c) || matches!(c, ' ' | '?' | '\u{a0}' | '—' | 'ｼ'))
}
