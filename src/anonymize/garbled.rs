//! At signs that a wrong charset, a form or a habit made another thing of: `$B!w(B`, `ï¼ `, `%81%97`, `(atmark)`, `(a)`, `|at|`.
//!
//! Rules: only between a whole local part, of at least eight octets or with a dot or a digit, and a whole domain, and only what
//! stands in the table, or the letter or a word in brackets of any kind, whatever blanks are among them and however wide its letters
//! are: a slash, a comma or a blank between both is a list of a shop's, and stays.
//! When it fails: never; the gate holds more than is written here.

use super::longer;
use super::needle::{Found, Needle, left_is_clear};
use super::search::{Kind, down};
use super::tags;
use crate::mime::view::View;
use aho_corasick::AhoCorasick;
use std::ops::Range;

/// Shortest local part that is one without a dot or a digit.
const MIN_LOCAL: usize = 8;
/// How far before a domain the local part may end, in octets, in any charset.
const REACH: usize = 48;
/// How far before a domain one may end among tags and escapes.
const FAR: usize = 160;

/// What stands for an at sign, in small letters, as written and as it is once folded; what is longer first where one ends with
/// another.
const SIGNS: [&str; 58] = [
    // Brackets around another word.
    "(atmark)",
    "[atmark]",
    "(at-mark)",
    "[at-mark]",
    "(at mark)",
    "（atmark）",
    "<atmark>",
    "{atmark}",
    "（at-mark）",
    "(半角アット)",
    "（半角アット）",
    "(半角アットマーク)",
    "（半角アットマーク）",
    "(半角@)",
    "（半角@）",
    "（半角＠）",
    "(全角アット)",
    "(アットマーク半角)",
    "【半角アット】",
    "(a)",
    "[a]",
    "{a}",
    "（a）",
    "（ａ）",
    "【a】",
    // Marks around the word.
    "|at|",
    "*at*",
    "/at/",
    ".at.",
    "~at~",
    "+at+",
    "=at=",
    "--at--",
    "__at__",
    "_@_",
    // Words, with a blank on either side or none.
    " at-mark ",
    " atmark ",
    " ａｔマーク ",
    " atマーク ",
    "at-mark",
    "atmark",
    "ａｔマーク",
    "atマーク",
    // Octets of a wide at sign in links, and its escapes behind other marks.
    "%81%97",
    "%a1%f7",
    "+%40+",
    "+@+",
    "_40",
    "!40",
    "$40",
    // A wide at sign in a charset that was none.
    "$b!w(b",
    "$b!w(j",
    "ï¼\u{a0}",
    "ï¼ ",
    "\u{fffd}ｼ\u{f8f0}",
    "\u{81}\u{97}",
    "\u{fffd}—",
    "¡÷",
];

/// The domains that such a sign may stand before.
#[derive(Default)]
pub struct Garbled {
    search: Option<AhoCorasick>,
    /// The needle of each pattern.
    needles: Vec<usize>,
}

impl Garbled {
    /// For the secrets whose local part is no mere word.
    pub fn new(needles: &[Needle]) -> Self {
        let (mut words, mut of): (Vec<&[u8]>, Vec<usize>) = (Vec::new(), Vec::new());
        for (i, needle) in needles.iter().enumerate().filter(|(_, needle)| locals(needle).next().is_some()) {
            for domain in needle.domains() {
                words.push(domain);
                of.push(i);
            }
        }
        let search =
            (!words.is_empty()).then(|| AhoCorasick::builder().ascii_case_insensitive(true).build(words));
        Self { search: search.and_then(Result::ok), needles: of }
    }

    /// Where a local part ends closely before its domain.
    pub fn places(&self, text: &[u8], needles: &[Needle]) -> Vec<usize> {
        let Some(search) = &self.search else { return Vec::new() };
        let is_near = |needle: &Needle, at: usize| {
            locals(needle).any(|local| {
                let near = text.get(at.saturating_sub(FAR + local.len())..at).unwrap_or_default();
                last_place(near, local).is_some()
            })
        };
        let found = search.find_overlapping_iter(text).filter(|found| {
            let needle = self.needles.get(found.pattern().as_usize()).and_then(|i| needles.get(*i));
            needle.is_some_and(|needle| is_near(needle, found.start()))
        });
        found.map(|found| found.start()).collect()
    }

    /// All that stands in `hay`, in order; `stack` leads from there to `text`, in which no line, cell or item ends within a sign.
    pub fn found(&self, hay: &[u8], needles: &[Needle], stack: &[&View], text: &[u8]) -> Vec<Found> {
        let mut out: Vec<Found> = Vec::new();
        let Some(search) = &self.search else { return out };
        for found in search.find_overlapping_iter(hay) {
            let Some(needle) = self.needles.get(found.pattern().as_usize()).and_then(|i| needles.get(*i))
            else {
                continue;
            };
            let before = hay.get(..found.start()).unwrap_or_default();
            let listed = SIGNS.iter().find_map(|sign| without_end(before, sign.as_bytes()));
            let listed = listed.and_then(|before| {
                let start =
                    locals(needle).filter_map(|local| without_end(before, local)).map(<[u8]>::len).min();
                start.map(|start| start..before.len())
            });
            let Some(local) = listed.or_else(|| local_before_brackets(before, needle)) else { continue };
            if is_over_lines(local.end.saturating_sub(1)..found.start() + 1, stack, text) {
                continue;
            }
            let start = local.start;
            let (domain, behind) = hay.split_at_checked(found.end()).unwrap_or_default();
            let goes_on =
                behind.first().is_some_and(u8::is_ascii_alphanumeric) || longer::goes_on(domain, behind);
            out.push(Found {
                range: start..found.end(),
                with: needle.alias().to_owned(),
                left_clear: begins(hay.get(..start).unwrap_or_default()),
                right_clear: !goes_on,
            });
        }
        out
    }
}

/// Where a word stands last in a text, in any case.
fn last_place(text: &[u8], word: &[u8]) -> Option<usize> {
    let first = word.first()?;
    let mut places = memchr::memchr2_iter(first.to_ascii_lowercase(), first.to_ascii_uppercase(), text).rev();
    places.find(|at| text.get(*at..*at + word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word)))
}

/// Whether a tag ends a line, a cell or an item in what is left out of a range of a view.
fn is_over_lines(range: Range<usize>, stack: &[&View], text: &[u8]) -> bool {
    if stack.is_empty() {
        return false;
    }
    down(range, stack).windows(2).any(|two| match two {
        [left, right] => text.get(left.end..right.start).is_some_and(tags::end_line),
        _ => false,
    })
}

/// Where a local part stands that what is read as a sign in brackets stands behind, at the end of a text.
fn local_before_brackets(before: &[u8], needle: &Needle) -> Option<Range<usize>> {
    locals(needle).find_map(|local| {
        let from = before.len().saturating_sub(REACH + local.len());
        let near = before.get(from..)?;
        let start = last_place(near, local)?;
        let end = start + local.len();
        is_in_brackets(near.get(end..)?).then_some(from + start..from + end)
    })
}

/// Whether a text is a word for a sign in brackets, or signs and nothing else, blanks aside and letters of any width.
fn is_in_brackets(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    if text.contains(['\r', '\n', '\t']) {
        return false;
    }
    let narrow = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        c => c,
    };
    let is_blank = |c: &char| matches!(c, ' ' | '\u{a0}' | '\u{3000}' | '\u{200b}'..='\u{200d}' | '\u{feff}');
    let word: String =
        text.chars().filter(|c| !is_blank(c)).map(narrow).flat_map(char::to_lowercase).collect();
    let inner = word.trim_start_matches(OPENING).trim_end_matches(CLOSING);
    let is_between = word.starts_with(OPENING) && word.ends_with(CLOSING);
    is_between && INSIDE.contains(&inner) || (2..=4).contains(&word.len()) && word.bytes().all(|b| b == b'@')
}

/// Brackets around the words for a sign, and the words, all narrow.
const OPENING: [char; 11] = ['(', '[', '{', '【', '「', '『', '《', '〈', '〔', '“', '\''];
const CLOSING: [char; 11] = [')', ']', '}', '】', '」', '』', '》', '〉', '〕', '”', '\''];
const INSIDE: [&str; 20] = [
    "a",
    "at",
    "@",
    "atmark",
    "at-mark",
    "atマーク",
    "アット",
    "アットマーク",
    "あっと",
    "あっとまーく",
    "ｱｯﾄ",
    "ｱｯﾄﾏｰｸ",
    "半角at",
    "半角@",
    "半角の@",
    "半角アット",
    "半角アットマーク",
    "半角のアットマーク",
    "全角アット",
    "アットマーク半角",
];

/// Whether no longer local part reaches into what follows `before`. What takes a text back to ASCII ends no word, be its escape
/// lost.
fn begins(before: &[u8]) -> bool {
    before.ends_with(b"(B") || before.ends_with(b"(J") || left_is_clear(before, Kind::Plain)
}

/// The local parts that are no mere words.
fn locals(needle: &Needle) -> impl Iterator<Item = &[u8]> {
    let says = |local: &&[u8]| {
        local.len() >= MIN_LOCAL || local.len() > 2 && local.iter().any(|b| *b == b'.' || b.is_ascii_digit())
    };
    needle.locals().iter().map(Vec::as_slice).filter(says)
}

/// What stands before `end`, where a text ends with it in any case.
fn without_end<'t>(text: &'t [u8], end: &[u8]) -> Option<&'t [u8]> {
    let (before, found) = text.split_at_checked(text.len().checked_sub(end.len())?)?;
    found.eq_ignore_ascii_case(end).then_some(before)
}
