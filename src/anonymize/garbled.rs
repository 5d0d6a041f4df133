//! At signs that a wrong charset, a form or a habit made another thing of: `$B!w(B`, `ï¼ `, `%81%97`, `(atmark)`, `(a)`, `|at|`.
//!
//! Rules: only between a whole local part, of at least eight octets or with a dot or a digit, and a whole domain, and only what
//! stands in the table: a slash, a comma or a blank between both is a list of a shop's, and stays.
//! When it fails: never; the gate holds more than is written here.

use super::longer;
use super::needle::{Found, Needle, left_is_clear};
use super::search::Kind;
use aho_corasick::AhoCorasick;

/// Shortest local part that is one without a dot or a digit.
const MIN_LOCAL: usize = 8;
/// How far before a domain the local part may end, in octets, in any charset.
const REACH: usize = 32;

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
                let near = text.get(at.saturating_sub(REACH + local.len())..at).unwrap_or_default();
                near.windows(local.len()).any(|word| word.eq_ignore_ascii_case(local))
            })
        };
        let found = search.find_overlapping_iter(text).filter(|found| {
            let needle = self.needles.get(found.pattern().as_usize()).and_then(|i| needles.get(*i));
            needle.is_some_and(|needle| is_near(needle, found.start()))
        });
        found.map(|found| found.start()).collect()
    }

    /// All that stands in `hay`, in order.
    pub fn found(&self, hay: &[u8], needles: &[Needle]) -> Vec<Found> {
        let mut out: Vec<Found> = Vec::new();
        let Some(search) = &self.search else { return out };
        for found in search.find_overlapping_iter(hay) {
            let Some(needle) = self.needles.get(found.pattern().as_usize()).and_then(|i| needles.get(*i))
            else {
                continue;
            };
            let before = hay.get(..found.start()).unwrap_or_default();
            let Some(before) = SIGNS.iter().find_map(|sign| without_end(before, sign.as_bytes())) else {
                continue;
            };
            let start = locals(needle).filter_map(|local| without_end(before, local)).map(<[u8]>::len).min();
            let Some(start) = start else { continue };
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
