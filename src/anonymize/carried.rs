//! Tokens of links that carry an address in any of its spellings: `hana%40mailbox.example`, `\u0040`, with a tag or without its
//! dots, in base64 or hexadecimal digits.
//!
//! Rules: the domains are spelled out in digits, in each of the three places of a group; a token that holds one is read in clear,
//! searched like any text, and written again as it was. So is the short form of Google Calendar, for each form of the local part.
//! When it fails: never; what is no such token stays, and the gate reads it.

use super::needle::Needle;
use super::tokens;
use crate::mime::transfer::Edit;
use aho_corasick::AhoCorasick;
use data_encoding::{BASE64_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE, HEXUPPER};

/// Shortest spelling that is looked for, in digits.
const MIN_DIGITS: usize = 8;
/// Longest token, in digits.
const MAX_DIGITS: usize = 64 * 1024;
/// Shortest text in octets that are none.
const MIN_TEXT: usize = 8;

/// What a spelling is.
#[derive(Clone, Copy)]
enum Alphabet {
    /// Where in a group of four it begins.
    Base64(usize),
    Hex,
}

/// The spellings of all domains and short forms.
#[derive(Default)]
pub struct Carried {
    search: Option<AhoCorasick>,
    alphabets: Vec<Alphabet>,
}

impl Carried {
    /// Spells them out.
    pub fn new(needles: &[Needle]) -> Self {
        let (mut words, mut alphabets): (Vec<String>, Vec<Alphabet>) = (Vec::new(), Vec::new());
        let mut add = |word: &str, alphabet| {
            if word.len() >= MIN_DIGITS && !words.iter().any(|known| known == word) {
                words.push(word.to_owned());
                alphabets.push(alphabet);
            }
        };
        let domains = needles.iter().flat_map(Needle::domains).cloned();
        for text in domains.chain(needles.iter().flat_map(Needle::short_forms)) {
            for (before, phase) in [(0, 0), (1, 2), (2, 3)] {
                let octets = [&[0; 2][..before], &text].concat();
                let standard = BASE64_NOPAD.encode(&octets);
                let standard = standard.get(phase..octets.len() * 8 / 6).unwrap_or_default();
                add(standard, Alphabet::Base64(phase));
                add(&standard.replace('+', "-").replace('/', "_"), Alphabet::Base64(phase));
            }
            add(&HEXLOWER.encode(&text), Alphabet::Hex);
            add(&HEXUPPER.encode(&text), Alphabet::Hex);
        }
        Self { search: AhoCorasick::new(words).ok(), alphabets }
    }

    /// The edits of the tokens in which `inner` changes something, in order, apart from each other.
    pub fn edits(&self, text: &[u8], inner: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Vec<Edit> {
        let mut out: Vec<Edit> = Vec::new();
        let Some(search) = &self.search else { return out };
        let mut done = 0;
        // How far a run was read in vain, for each way to cut it: it is read once, however often a domain stands in it.
        let mut read = [0; 6];
        for found in search.find_overlapping_iter(text) {
            let at = found.start();
            let Some(alphabet) = self.alphabets.get(found.pattern().as_usize()).filter(|_| at >= done) else {
                continue;
            };
            let cut = match alphabet {
                Alphabet::Base64(phase) => (at + 4 - phase) % 4,
                Alphabet::Hex => 4 + at % 2,
            };
            let Some(read) = read.get_mut(cut).filter(|read| at >= **read) else { continue };
            let edit = match alphabet {
                Alphabet::Base64(phase) => tokens::base64_token(text, at, *phase, inner),
                Alphabet::Hex => hex_token(text, at, inner),
            };
            match edit.filter(|edit| edit.range.start >= done) {
                Some(edit) => {
                    done = edit.range.end;
                    out.push(edit);
                }
                None => {
                    let rest = text.get(at..).unwrap_or_default().iter().take(MAX_DIGITS / 2);
                    let length =
                        rest.take_while(|b| b.is_ascii_alphanumeric() || b"+/-_".contains(b)).count();
                    *read = at + length;
                }
            }
        }
        out
    }
}

/// The edit of the hexadecimal digits around `at`, as many as make octets with those there.
fn hex_token(text: &[u8], at: usize, inner: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Edit> {
    let is_one = |b: &&u8| b.is_ascii_hexdigit();
    let before = text.get(..at)?.iter().rev().take(MAX_DIGITS).take_while(is_one).count();
    let behind = text.get(at..)?.iter().take(MAX_DIGITS).take_while(is_one).count();
    let range = at - (before & !1)..at + (behind & !1);
    let digits = text.get(range.clone())?;
    let with = inner(&HEXLOWER_PERMISSIVE.decode(digits).ok()?)?;
    let upper = digits.iter().any(u8::is_ascii_uppercase);
    let with = if upper { HEXUPPER.encode(&with) } else { HEXLOWER.encode(&with) };
    Some(Edit { range, with: with.into_bytes() })
}

/// Octets with `change` applied to each text among them; `None` where nothing changes.
pub fn with_texts(octets: &[u8], change: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    if std::str::from_utf8(octets).is_ok() {
        return change(octets);
    }
    let mut out = Vec::with_capacity(octets.len());
    let mut any = false;
    for piece in octets.chunk_by(|a, b| is_readable(*a) == is_readable(*b)) {
        let new = if piece.len() >= MIN_TEXT && piece.first().is_some_and(|b| is_readable(*b)) {
            change(piece)
        } else {
            None
        };
        any |= new.is_some();
        out.extend_from_slice(new.as_deref().unwrap_or(piece));
    }
    any.then_some(out)
}

fn is_readable(b: u8) -> bool {
    matches!(b, b' '..=b'~' | b'\t' | b'\r' | b'\n')
}

/// Octets that end with the short form of one of the addresses, with the alias in its place.
pub fn without_short_form(octets: &[u8], needles: &[Needle]) -> Option<Vec<u8>> {
    let before = octets.strip_suffix(b"@m")?;
    let start = before.iter().rposition(|b| !b.is_ascii_graphic()).map_or(0, |i| i + 1);
    let (kept, word) = before.split_at_checked(start)?;
    let word = word.to_ascii_lowercase();
    let needle = needles.iter().find(|needle| needle.is_without_dots(&word))?;
    Some([kept, needle.alias().as_bytes()].concat())
}
