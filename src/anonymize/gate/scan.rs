//! The search of a text in UTF-8 for secrets: quickly for what reads as an at sign with one of the domains behind it,
//! then slowly in a window around each.
//!
//! Rules: the quick look errs on the side of finding (`ahead`); only the slow one decides. It reads a window with
//! every layer of escapes decoded, with and without tags and comments. Windows that touch are read as one, so that no
//! octet is read slowly more than a fixed number of times.
//! When it fails: never.

use super::ahead::{Far, may_follow};
use super::charset::{PIECE, Sink};
use super::compose;
use super::escapes::{Kind, MAX_LAYERS, is_lead, raw, read, unescaped};
use super::fold::{Folded, Joints, Leave};
use super::marks;
use super::tags::{self, View};
use super::wanted::{Likeness, Wanted};

/// How far an address can reach to either side of its at sign, in octets: 254 characters in several layers of escapes.
const REACH: usize = 4096;
/// The same in a file that is no text: what stands farther off is hardly part of it.
const BINARY_REACH: usize = 512;
/// Longest text that is read slowly at once, without what it has in common with its neighbours.
const BLOCK: usize = 1 << 15;
/// Most places that are remembered; with more, the whole text is read slowly.
const MAX_PLACES: usize = 4096;

/// What a text is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Texture {
    Text,
    /// A file that is none: only what stands among readable characters.
    Binary,
}

/// Whether a text ends where it is cut, or goes on in the next piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Here,
    /// What stands near the end is left to the next piece.
    Later,
}

/// What a search has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    Secret,
    /// Something that could be one of the domains behind an at sign.
    Likeness,
    Nothing,
}

/// Whether a secret stands in `text`.
pub fn search(wanted: &[Wanted], text: &[u8], texture: Texture, joints: Joints, end: End) -> Found {
    let far = Far::for_text(text.len());
    let search = Search { wanted, text, texture, joints, follows: None, far: &far };
    let places = search.places(end);
    if places.is_empty() {
        return Found::Nothing;
    }
    let markup = texture == Texture::Text && memchr::memchr(b'<', text).is_some();
    if search.slowly(&places) || (markup && search.without_tags(end)) {
        Found::Secret
    } else {
        Found::Likeness
    }
}

/// Whether anything reads as an at sign behind which `follows` says yes.
pub fn has_sign(text: &[u8], follows: &dyn Fn(usize) -> bool) -> bool {
    let follows = Some(follows);
    let far = &Far::for_text(0);
    let search = Search { wanted: &[], text, texture: Texture::Text, joints: Joints::Join, follows, far };
    !search.places(End::Here).is_empty()
}

/// What a tag leaves behind: nothing that is seen, but words end there.
const GAP: &[u8] = b"\"";

/// Takes away what has been looked at, but for what an address in the next piece can begin with. Cuts no word, if
/// there is a place between words.
pub fn shorten(piece: &mut Vec<u8>) {
    let from = piece.len().saturating_sub(2 * REACH);
    let near = piece.get(from..from + REACH / 2).unwrap_or_default();
    let between = near.iter().position(|b| b.is_ascii_whitespace() || *b >= 0x80).unwrap_or(0);
    piece.drain(..from + between);
}

/// As much of a piece as no word reaches out of.
pub fn whole_words(piece: &[u8]) -> &[u8] {
    let between = |b: &u8| b.is_ascii_whitespace() || *b >= 0x80;
    let end = piece.iter().rposition(between).unwrap_or(piece.len());
    piece.get(..end).unwrap_or_default()
}

struct Search<'a> {
    wanted: &'a [Wanted],
    text: &'a [u8],
    texture: Texture,
    joints: Joints,
    /// Tells in place of the domains whether something follows.
    follows: Option<&'a dyn Fn(usize) -> bool>,
    far: &'a Far,
}

impl Search<'_> {
    /// The whole text without its tags, which can be longer than any window.
    fn without_tags(&self, end: End) -> bool {
        let bare = |text: &[u8], end| {
            let search = Search { text, ..*self };
            let places = search.places(end);
            !places.is_empty() && search.slowly(&places)
        };
        View::EACH.into_iter().any(|view| {
            let mut hit = false;
            let mut full = |piece: &mut Vec<u8>| {
                hit = hit || bare(piece, End::Later);
                shorten(piece);
            };
            let mut sink = Sink { text: Vec::new(), full: &mut full };
            tags::outside(self.text, view, |between| {
                between.chunks(PIECE).for_each(|part| sink.push(part));
                sink.push(GAP);
            });
            let rest = std::mem::take(&mut sink.text);
            hit || bare(&rest, end)
        })
    }

    /// Where a secret may stand: the places of what reads as an at sign, in order.
    fn places(&self, end: End) -> Vec<usize> {
        let mut places = Vec::new();
        let text = self.text;
        let kept = if end == End::Here { 0 } else { REACH };
        let within = text.get(..text.len().saturating_sub(kept)).unwrap_or_default();
        let mut add = |at: usize| {
            if places.len() <= MAX_PLACES {
                places.push(at);
            }
        };
        for at in memchr::memchr3_iter(b'@', b'%', b'&', within) {
            let found = if text.get(at) == Some(&b'@') { self.at_sign(at) } else { self.escaped(at) };
            if found {
                add(at);
            }
        }
        let found = |at: &usize| self.escaped(*at) || (text.get(*at) == Some(&b'=') && self.equals(*at));
        memchr::memchr2_iter(b'\\', b'=', within).filter(found).for_each(&mut add);
        if self.texture == Texture::Text {
            memchr::memchr2_iter(b't', b'T', within).filter(|at| self.word(*at)).for_each(&mut add);
        }
        memchr::memchr_iter(0xef, within).filter(|at| self.wide(*at)).for_each(&mut add);
        places.sort_unstable();
        places
    }

    /// Whether one of the domains may follow at `at`.
    fn domain_may_follow(&self, at: usize) -> bool {
        if let Some(follows) = self.follows {
            return follows(at);
        }
        let follows = |domain| may_follow(self.text, at, domain, self.far);
        self.is_readable(at) && self.wanted.iter().any(|wanted| wanted.domains().any(follows))
    }

    /// Whether the octets from `at` on are of a text, as far as an at sign needs it.
    fn is_readable(&self, at: usize) -> bool {
        let readable = |b: &u8| matches!(b, 0 | 0x20..=0x7e | b'\t' | b'\r' | b'\n');
        self.texture == Texture::Text
            || self.text.get(at..(at + 6).min(self.text.len())).unwrap_or_default().iter().all(readable)
    }

    /// A sign as it is. Most stand in other people's addresses, and are told by their plain letters.
    fn at_sign(&self, at: usize) -> bool {
        if self.follows.is_some() {
            return self.domain_may_follow(at + 1);
        }
        if !self.is_readable(at.saturating_sub(3)) || !self.is_readable(at + 1) {
            return false;
        }
        let before = self.text.get(..at).unwrap_or_default();
        let follows =
            |wanted: &Wanted| wanted.domains().any(|domain| may_follow(self.text, at + 1, domain, self.far));
        if !self.wanted.iter().any(follows) {
            return false;
        }
        let plain = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        let length = before.iter().rev().take(80).take_while(plain).count();
        let run = before.get(before.len() - length..).unwrap_or_default();
        let tagged = before.get(..before.len() - length).is_some_and(|rest| rest.ends_with(b"+"));
        self.wanted.iter().any(|wanted| {
            if !follows(wanted) {
                return false;
            }
            match wanted.likeness(run) {
                Likeness::Whole | Likeness::Open => true,
                // The octets that differ may be the end of an escape, or of a tag.
                Likeness::Differs(i) => {
                    let differs = before.len() - length + i.min(length);
                    let near = before
                        .get(differs.saturating_sub(12)..(differs + 1).min(before.len()))
                        .unwrap_or_default();
                    tagged || near.iter().any(|b| is_lead(*b))
                }
            }
        })
    }

    /// An equals sign that stands for an at sign, or behind a domain.
    fn equals(&self, at: usize) -> bool {
        let before = self.text.get(..at).unwrap_or_default();
        if !self.is_readable(at.saturating_sub(1)) {
            return false;
        }
        self.at_sign(at) || self.wanted.iter().any(|wanted| wanted.domain_ends(before))
    }

    /// An escape that may mean an at sign, or the end of one in letters.
    fn escaped(&self, at: usize) -> bool {
        let next = |i: usize| self.text.get(at + i).copied().unwrap_or(0);
        let digit_or_lead = |b: u8| b.is_ascii_hexdigit() || is_lead(b);
        let worth = match self.text.get(at) {
            // Of the names, those of `@`, `a`, `t` and what begins escapes.
            Some(b'&') => b"#capPbeqAtT%&\\=".contains(&next(1)),
            Some(b'%') => digit_or_lead(next(1)) || matches!(next(1), b'u' | b'U'),
            Some(b'=') => digit_or_lead(next(1)) && digit_or_lead(next(2)),
            _ => next(1).is_ascii_alphanumeric() || is_lead(next(1)) || next(1) == b'\'',
        };
        if !worth {
            return false;
        }
        let Some((c, end)) = read(self.text, at, MAX_LAYERS).filter(|(_, end)| *end > at + 1) else {
            return false;
        };
        self.means_at(c, end)
    }

    /// A character of three octets that may be a full-width at sign, or the end of one in letters.
    fn wide(&self, at: usize) -> bool {
        let second = self.text.get(at + 1).copied().unwrap_or(0);
        matches!(second, 0xb9 | 0xbc | 0xbd)
            && raw(self.text, at).is_some_and(|(c, end)| self.means_at(c, end))
    }

    fn means_at(&self, c: char, end: usize) -> bool {
        match c {
            '@' | '＠' | '﹫' | '=' | '＝' | '﹦' | 't' | 'T' | 'ｔ' | 'Ｔ' => {
                self.domain_may_follow(end)
            }
            'a' | 'A' | 'ａ' | 'Ａ' => matches!(read(self.text, end, MAX_LAYERS),
                Some(('t' | 'T' | 'ｔ' | 'Ｔ', end)) if self.domain_may_follow(end)),
            _ => false,
        }
    }

    /// A `t` that may end an `at`.
    fn word(&self, at: usize) -> bool {
        let around = |i: usize| self.text.get(i).copied().unwrap_or(0);
        if around(at + 1).is_ascii_alphanumeric() {
            return false;
        }
        let before = around(at.wrapping_sub(1));
        let apart = match before {
            b'a' | b'A' => {
                let first = around(at.wrapping_sub(2));
                // `%28at`.
                // What looks like a letter may end a pair of octets.
                !first.is_ascii_alphanumeric()
                    || (self.follows.is_some() && around(at.wrapping_sub(3)) >= 0x80)
                    || self
                        .text
                        .get(at.saturating_sub(8)..at)
                        .is_some_and(|near| near.iter().any(|b| is_lead(*b)))
            }
            b'>' | b';' | b'"' => true,
            0x80.. => {
                self.follows.is_some() || !ends_in_letter_of_its_own(self.text.get(..at).unwrap_or_default())
            }
            _ => false,
        };
        apart && self.domain_may_follow(at + 1)
    }

    /// The slow look around the given places.
    fn slowly(&self, places: &[usize]) -> bool {
        if places.len() > MAX_PLACES {
            return (0..self.text.len()).step_by(BLOCK).any(|at| self.window(at, at + BLOCK));
        }
        let mut rest = places;
        while let Some(&first) = rest.first() {
            let together = rest
                .iter()
                .zip(rest.iter().skip(1))
                .take_while(|(a, b)| **b - **a < REACH && **b - first < BLOCK);
            let count = together.count() + 1;
            let last = rest.get(count - 1).copied().unwrap_or(first);
            if self.window(first, last) {
                return true;
            }
            rest = rest.get(count..).unwrap_or_default();
        }
        false
    }

    /// Every view of the text from `from` to `to`, and as far beyond as an address reaches.
    fn window(&self, from: usize, to: usize) -> bool {
        let reach = if self.texture == Texture::Text { REACH } else { BINARY_REACH };
        let (from, to) = (from.saturating_sub(reach), (to + reach).min(self.text.len()));
        let window = String::from_utf8_lossy(self.text.get(from..to).unwrap_or_default());
        if self.views(&window) {
            return true;
        }
        // What one kind of escapes leaves is often what another one left: then what lies below it is too.
        let mut seen: Vec<String> = Vec::new();
        Kind::EACH.into_iter().any(|kind| {
            let mut last = None;
            for _ in 0..MAX_LAYERS {
                let below = last.and_then(|i| seen.get(i)).map_or(window.as_ref(), String::as_str);
                let Some(next) = unescaped(below, kind) else { break };
                last = seen.iter().position(|other| *other == next);
                if last.is_none() {
                    if self.views(&next) {
                        return true;
                    }
                    last = Some(seen.len());
                    seen.push(next);
                }
            }
            false
        })
    }

    fn views(&self, text: &str) -> bool {
        self.views_of(text) || compose::composed(text).is_some_and(|whole| self.views_of(&whole))
    }

    fn views_of(&self, text: &str) -> bool {
        if self.view(text, Leave::Nothing) {
            return true;
        }
        if text.contains('(') && self.view(text, Leave::Comments) {
            return true;
        }
        if marks::without(text).is_some_and(|bare| self.view(&bare, Leave::Nothing)) {
            return true;
        }
        if !text.contains('<') {
            return false;
        }
        let without = |view| {
            let mut bare = Vec::with_capacity(text.len());
            tags::outside(text.as_bytes(), view, |piece| {
                bare.extend_from_slice(piece);
                bare.extend_from_slice(GAP);
            });
            bare
        };
        let (strict, shown, least) = (without(View::Strict), without(View::Shown), without(View::Least));
        self.view(text, Leave::Tags)
            || self.view(&String::from_utf8_lossy(&strict), Leave::Nothing)
            || (shown != strict && self.view(&String::from_utf8_lossy(&shown), Leave::Nothing))
            || (least != shown && self.view(&String::from_utf8_lossy(&least), Leave::Nothing))
    }

    fn view(&self, text: &str, leave: Leave) -> bool {
        let folded = Folded::new(text, leave);
        // Signs in words come between the labels of a domain, never into one.
        self.stands(&folded)
            || (self.wanted.iter().any(|wanted| wanted.may_be_spelled_in(&folded))
                && folded.with_signs().is_some_and(|folded| self.stands(&folded)))
    }

    fn stands(&self, text: &Folded) -> bool {
        // Of the texts with signs few hold a domain.
        text.signs().next().is_some()
            && self
                .wanted
                .iter()
                .filter(|wanted| wanted.domains().any(|domain| text.holds(domain)))
                .any(|wanted| text.signs().any(|at| wanted.stands_at(text, at, self.joints)))
    }
}

/// Whether a text in UTF-8 ends with a letter of Japanese, Chinese or Korean, or with what stands for an octet that makes no
/// sense: none of them is an `a` in any form, nor nothing.
fn ends_in_letter_of_its_own(before: &[u8]) -> bool {
    let Some(letter) = before.last_chunk::<3>() else { return false };
    matches!(letter, [0xe3, 0x81, 0x81..=0xbf] | [0xe3, 0x82, 0x80..=0x96 | 0xa1..=0xbf])
        || matches!(letter, [0xe3, 0x83, 0x80..=0xba] | [0xe4..=0xec, 0x80..=0xbf, 0x80..=0xbf])
        || matches!(letter, [0xef, 0xbd, 0xa6..=0xbf] | [0xef, 0xbe, 0x80..=0x9d] | [.., 0xc2, 0xa4])
}
