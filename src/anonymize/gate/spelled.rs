//! Names in other spellings: where a text may hold one, and the text around it as it is read. For the gate alone.
//!
//! Rules: escapes, letters of other widths, characters that are not seen and line ends (with the marks of quoting) are
//! looked at only where two neighbouring characters of a name meet over them; around such a place everything is decoded.
//! When it fails: never.

use super::compat::{is_invisible, plain};
use super::escapes::{Kind, MAX_LAYERS, is_lead, raw, read, unescaped};
use super::fold::stays;
use memchr::memmem::Finder;
use std::borrow::Cow;
use std::sync::LazyLock;

/// How far a name reaches before a place, in octets, and how far one look goes behind it.
const BEFORE: usize = 1024;
const BEHIND: usize = 4096;
/// How far a name reaches in clear (RFC 1035 §2.3.4), with room for what stands beside it.
const CLEAR: usize = 320;
/// Most characters that are stepped over between two.
const MAX_STEPS: usize = 16;

/// A letter that is not seen.
static FILLER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\u{3164}"));

/// Which characters follow each other in names.
pub struct Pairs {
    followers: [u128; 128],
    /// All characters of names.
    all: u128,
}

impl Pairs {
    /// None.
    pub fn new() -> Self {
        Self { followers: [0; 128], all: 0 }
    }

    /// Adds those of a name in lower case.
    pub fn add(&mut self, name: &[u8]) {
        for b in name {
            self.all |= 1 << (b & 0x7f);
        }
        for (a, b) in name.iter().zip(name.iter().skip(1)) {
            if let Some(followers) = self.followers.get_mut(usize::from(*a)) {
                *followers |= 1 << (b & 0x7f);
            }
        }
    }

    /// Adds the signs of an id in lower case, with their neighbours: of its letters there are too many.
    pub fn add_signs(&mut self, id: &[u8]) {
        let signs = id.windows(3).filter(|near| near.get(1).is_some_and(|b| !b.is_ascii_alphanumeric()));
        signs.for_each(|near| self.add(near));
    }

    fn meet(&self, a: u8, b: u8) -> bool {
        let followers = self.followers.get(usize::from(a.to_ascii_lowercase()));
        b < 0x80 && followers.is_some_and(|followers| followers >> b.to_ascii_lowercase() & 1 == 1)
    }

    /// Gives `is_in` every text in which a name may stand that `text` spells otherwise; whether it said yes once.
    pub fn any(&self, text: &[u8], mut is_in: impl FnMut(&[u8]) -> bool) -> bool {
        self.over_line_ends(text, &mut is_in)
            || dots_in_brackets(text).is_some_and(|text| is_in(&text))
            || self.around(text, memchr::memchr3_iter(b'%', b'&', b'\\', text), &mut is_in)
            || self.around(text, memchr::memchr_iter(b'=', text), &mut is_in)
            || (!text.is_ascii() && self.any_beyond_ascii(text, &mut is_in))
    }

    fn any_beyond_ascii(&self, text: &[u8], is_in: &mut impl FnMut(&[u8]) -> bool) -> bool {
        // What begins characters of full width, without width, of mathematics, and soft hyphens in UTF-8.
        // Most characters are themselves: none of a name, nor one that is not seen.
        let means = |at: &usize| !stays(text, *at);
        self.around(text, memchr::memchr3_iter(0xef, 0xe2, 0xc2, text).filter(means), is_in)
            || self.around(text, memchr::memchr3_iter(0xcd, 0xf0, 0xf3, text).filter(means), is_in)
            || self.around(text, FILLER.find_iter(text), is_in)
    }

    fn around(
        &self,
        text: &[u8],
        places: impl Iterator<Item = usize>,
        is_in: &mut impl FnMut(&[u8]) -> bool,
    ) -> bool {
        let mut done = 0;
        for at in places {
            if at < done || !self.may_stand(text, at) {
                continue;
            }
            let to = (at + BEHIND).min(text.len());
            done = (at + BEHIND).saturating_sub(BEFORE);
            if layers(text.get(at.saturating_sub(BEFORE)..to).unwrap_or_default(), is_in) {
                return true;
            }
        }
        false
    }

    /// Whether what stands at `at` may be a character of a name, or nothing inside one.
    fn may_stand(&self, text: &[u8], at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|i| text.get(i)).copied().unwrap_or(0);
        if !self.may_mean(text, at) {
            return false;
        }
        let Some((c, end)) = read_at(text, at) else { return false };
        let behind = || {
            let mut at = end;
            for _ in 0..MAX_STEPS {
                let (c, end) = read_at(text, at)?;
                if let Some((first, _)) = reading(c) {
                    return Some(first);
                }
                at = end;
            }
            None
        };
        match reading(c) {
            Some((first, last)) => {
                self.meet(before, first)
                    || (self.begins(last) && behind().is_some_and(|next| self.meet(last, next)))
            }
            None => self.begins(before) && behind().is_some_and(|next| self.meet(before, next)),
        }
    }

    /// Whether an escape at `at` may mean a character of a name, by its first octets; most mean others.
    fn may_mean(&self, text: &[u8], at: usize) -> bool {
        let next = |i: usize| text.get(at + i).copied().unwrap_or(0);
        let value = || Some(char::from(next(1)).to_digit(16)? * 16 + char::from(next(2)).to_digit(16)?);
        match next(0) {
            b'%' => match value().and_then(|value| u8::try_from(value).ok()) {
                Some(b) => b >= 0x80 || is_lead(b) || self.has(b),
                None => matches!(next(1), b'u' | b'U') || is_lead(next(1)) || is_lead(next(2)),
            },
            b'=' => match value().and_then(|value| u8::try_from(value).ok()) {
                Some(b) => is_lead(b) || self.has(b),
                None => is_lead(next(1)) && next(1) != b'=',
            },
            // A named blank, bracket or quote; an ampersand alone.
            b'&' => match (next(1), next(2)) {
                (b'n', b'b') | (b'l' | b'g', b't') | (b'q', b'u') => false,
                (b'a', b'm') => next(5) == b'#' || next(5).is_ascii_alphabetic(),
                (b'#', _) => true,
                (first, _) => first.is_ascii_alphabetic() || is_lead(first),
            },
            b'\\' => next(1).is_ascii_alphanumeric() || is_lead(next(1)) || next(1) == b'\'',
            _ => true,
        }
    }

    /// Whether a name has this character.
    fn has(&self, b: u8) -> bool {
        let b = b.to_ascii_lowercase();
        b < 0x80 && self.all >> b & 1 == 1
    }

    /// Whether anything follows this character.
    fn begins(&self, a: u8) -> bool {
        self.followers.get(usize::from(a.to_ascii_lowercase())).is_some_and(|followers| *followers != 0)
    }

    /// Names that a line end breaks.
    fn over_line_ends(&self, text: &[u8], is_in: &mut impl FnMut(&[u8]) -> bool) -> bool {
        let mut line = 0;
        for end in memchr::memchr_iter(b'\n', text) {
            let left =
                text.get(line.max(end.saturating_sub(CLEAR))..end).unwrap_or_default().trim_ascii_end();
            line = end + 1;
            // A soft break (RFC 2045 §6.7).
            let left = left.strip_suffix(b"=").unwrap_or(left);
            let right = text.get(line..(line + CLEAR).min(text.len())).unwrap_or_default();
            let is_mark = |b: &&u8| matches!(b, b'>' | b'|' | b' ' | b'\t');
            let marks = right.iter().take_while(is_mark).count();
            let right = right.get(marks..).unwrap_or_default();
            let (Some(last), Some(first)) = (left.last(), right.first()) else { continue };
            if !self.meet(*last, *first) {
                continue;
            }
            let right = right.get(..memchr::memchr(b'\n', right).unwrap_or(right.len())).unwrap_or_default();
            if layers(&[left, right].concat(), is_in) {
                return true;
            }
        }
        false
    }
}

/// A text with `[.]`, `(dot)` and the like as dots; `None` where there are none.
fn dots_in_brackets(text: &[u8]) -> Option<Vec<u8>> {
    let mut out: Vec<u8> = Vec::new();
    let mut done = 0;
    for open in memchr::memchr3_iter(b'[', b'(', b'{', text) {
        let inside = text.get(open + 1..(open + 9).min(text.len())).unwrap_or_default();
        let Some(close) = inside.iter().position(|b| matches!(b, b']' | b')' | b'}')) else { continue };
        let word = inside.get(..close).unwrap_or_default().trim_ascii();
        if word == b"." || word.eq_ignore_ascii_case(b"dot") {
            out.extend_from_slice(text.get(done..open).unwrap_or_default());
            out.push(b'.');
            done = open + 1 + close + 1;
        }
    }
    if done == 0 {
        return None;
    }
    out.extend_from_slice(text.get(done..).unwrap_or_default());
    Some(out)
}

/// The character at `at` through its escapes, or as it is.
fn read_at(text: &[u8], at: usize) -> Option<(char, usize)> {
    if text.get(at).is_some_and(|b| is_lead(*b)) { read(text, at, MAX_LAYERS) } else { raw(text, at) }
}

/// The first and the last octet of what a character reads as: those of ASCII, or its own where it is none; `None` where it
/// is not seen.
fn reading(c: char) -> Option<(u8, u8)> {
    let mut room = [0; 4];
    let reads = match plain(c) {
        Some(reads) => reads,
        None if c.is_ascii_graphic() || !is_invisible(c) => c.encode_utf8(&mut room),
        None => return None,
    };
    Some((*reads.as_bytes().first()?, *reads.as_bytes().last()?))
}

/// Gives `is_in` the text as it is read through each layer of escapes.
fn layers(text: &[u8], is_in: &mut impl FnMut(&[u8]) -> bool) -> bool {
    let text = String::from_utf8_lossy(text);
    if is_in(folded(&text).as_bytes()) {
        return true;
    }
    [Kind::All, Kind::Percent, Kind::Entities, Kind::Quoted].into_iter().any(|kind| {
        let mut decoded: Option<String> = None;
        for _ in 0..MAX_LAYERS {
            let Some(next) = unescaped(decoded.as_deref().unwrap_or(&text), kind) else { break };
            if is_in(folded(&next).as_bytes()) {
                return true;
            }
            decoded = Some(next);
        }
        false
    })
}

fn folded(text: &str) -> Cow<'_, str> {
    let stays = |c: char| matches!(c, '\n' | '\r' | '\t');
    if text.bytes().all(|b| b.is_ascii() && (!b.is_ascii_control() || stays(char::from(b)))) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if let Some(reads) = plain(c) {
            out.push_str(reads);
        } else if stays(c) || !is_invisible(c) {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_is_passed_by_is_none_of_a_name_and_is_seen() {
        let mut count = 0;
        for c in '\u{80}'..='\u{ffff}' {
            if stays(c.to_string().as_bytes(), 0) {
                assert!(reading(c).is_some_and(|(first, last)| first >= 0x80 && last >= 0x80), "{c:?}");
                count += 1;
            }
        }
        assert!(count > 20_000);
    }
}
