//! What a wrong charset or a habit made of an at sign: for the gate alone, apart from the rewriter's table.
//!
//! Rules: between a whole local part, of at least eight octets or with a dot or a digit, and a whole domain stand at most a few
//! characters, no blank among them but around a word. They are a sign where, brackets and marks aside, they are the letter, the
//! word or the number of one, or where they are characters that only octets in a wrong charset give; and among tags, escapes and blanks
//! a word in brackets, signs alone, or a mark that is drawn. Anything else (a slash, a
//! comma, a tab, a bracket, Japanese) is between two things of a list, and nothing is held for it.
//! When it fails: never.

use super::compat::{is_invisible, plain};
use super::escapes::{Kind, unescaped};
use super::tags;
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
    }) || stands_loosely(party, before)
}

/// The same where tags, escapes and blanks stand among the characters of the sign.
fn stands_loosely(party: &Wanted, before: &[u8]) -> bool {
    // What such a sign ends with is rarely what stands before a domain in a link.
    let escaped = |near: Option<&[u8]>| near.is_none_or(|near| near.iter().any(|b| b"%\\#".contains(b)));
    let may_be = match before.last() {
        Some(b'/' | b'.' | b'-' | b'_' | b':' | b',' | b'"') | None => false,
        Some(b) if b.is_ascii_alphanumeric() => escaped(before.get(before.len().saturating_sub(8)..)),
        _ => true,
    };
    if !may_be {
        return false;
    }
    let near = before.get(before.len().saturating_sub(MAX_LOOSE)..).unwrap_or_default();
    // Most domains stand in links, and no local part anywhere near.
    let lower = near.to_ascii_lowercase();
    let mut locals = party.locals().filter(|local| local.len() > 2);
    locals.any(|local| {
        memchr::memmem::rfind(&lower, local).is_some_and(|at| {
            let length = near.len() - at - local.len();
            let (head, between) = before.split_at_checked(before.len() - length).unwrap_or_default();
            party.ends_in_local(head, MIN_LOCAL) && is_loose_sign(between)
        })
    })
}

/// Whether a sign in brackets, doubled or drawn is left of a text once its tags and escapes are read.
fn is_loose_sign(between: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(between) else { return false };
    if text.contains(['\r', '\n', '\t']) {
        return false;
    }
    if ends_line(between) {
        return false;
    }
    let mut bare = String::with_capacity(text.len());
    tags::outside(text.as_bytes(), tags::View::Strict, |piece| {
        bare.push_str(&String::from_utf8_lossy(piece))
    });
    for _ in 0..MAX_LAYERS {
        let Some(below) = unescaped(&bare, Kind::All) else { break };
        bare = below;
    }
    let is_drawn = |c: char| "★☆◎●○◆◇■□▲△▼▽※＊".contains(c);
    if bare != text && (bare.chars().count() == 1 && bare.chars().all(is_drawn) || bare == "#") {
        return true;
    }
    let mut word = String::new();
    for c in bare.chars().filter(|c| !c.is_whitespace() && !is_invisible(*c)) {
        match plain(c) {
            Some(reads) => word.push_str(reads),
            None => word.extend(c.to_lowercase()),
        }
    }
    let word = word.to_lowercase();
    let is_wide_word = word != bare && word.contains("at") && !bare.contains(char::is_whitespace);
    if is_wide_word && is_sign(word.as_bytes()) {
        return true;
    }
    let inner = word.trim_start_matches(OPEN).trim_end_matches(CLOSE);
    let is_word = WORDS.contains(&inner) || MORE.contains(&inner);
    is_word && word.starts_with(OPEN) && word.ends_with(CLOSE)
        || word.len() > 1 && word.bytes().all(|b| b == b'@')
}

/// Whether a tag in a text ends a line, a cell or an item: what follows is another one.
fn ends_line(text: &[u8]) -> bool {
    memchr::memchr_iter(b'<', text).any(|at| {
        let inside = text.get(at + 1..).unwrap_or_default();
        let inside = inside.strip_prefix(b"/").unwrap_or(inside);
        let length = inside.iter().take_while(|b| b.is_ascii_alphanumeric()).count();
        let name = inside.get(..length).unwrap_or_default();
        BLOCKS.iter().any(|block| name.eq_ignore_ascii_case(block.as_bytes()))
    })
}

/// The elements that begin a line, a cell or an item, and end one.
const BLOCKS: [&str; 18] = [
    "br", "p", "li", "td", "th", "tr", "div", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "ul", "ol", "table",
    "tbody",
];
/// How far before a domain such a sign may begin, and escapes over escapes in it.
const MAX_LOOSE: usize = 192;
const MAX_LAYERS: usize = 3;
const OPEN: [char; 11] = ['(', '[', '{', '【', '「', '『', '《', '〈', '〔', '“', '\''];
const CLOSE: [char; 11] = [')', ']', '}', '】', '」', '』', '》', '〉', '〕', '”', '\''];
/// Words in brackets beside the others, as they are read.
const MORE: [&str; 8] =
    ["@", "アットマーク", "あっと", "あっとまーく", "半角at", "半角の@", "半角のアットマーク", "ｱｯﾄ"];

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
    // One of those that people write between two words is a character.
    let is_written = |c: char| matches!(c, '×' | '÷' | '±' | '«' | '»');
    (text.contains(|c| is_garbled(c) && !is_written(c))
        || text.chars().filter(|c| is_garbled(*c)).count() > 1)
        && text.chars().all(|c| is_garbled(c) || matches!(c, ' ' | '?' | '\u{a0}' | '—' | 'ｼ'))
}
