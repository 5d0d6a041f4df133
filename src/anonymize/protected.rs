//! Addresses that Cloudflare hides in pages: hexadecimal digits, each octet under the first one (`data-cfemail`,
//! `/cdn-cgi/l/email-protection#`).
//!
//! Rules: what stands behind either mark, in any form that a gateway's link gives it, is read in clear and searched like any text,
//! also over line ends with the marks of quoting behind them and over short tags, as far as it is a text in which something changes;
//! what takes its place is written in the same way, under the same octet, in the same case, as much of it in each line as there was.
//! When it fails: never; digits that are no such address stay.

use super::search::{Hit, Kind, Search};
use super::text::replacements;
use crate::mime::transfer::{Edit, apply, hex};
use data_encoding::{HEXLOWER, HEXUPPER};
use std::collections::BTreeSet;

/// What such digits stand behind, in either case, and what stands closely before it.
const MARKS: [(&[u8], &[u8]); 4] =
    [(b"cfemail", b""), (b"CFEMAIL", b""), (b"protection", b"email"), (b"PROTECTION", b"EMAIL")];
/// Most octets between both halves of a mark: `-`, `%2D`, `-2D`, `%252D`.
const MAX_JOINT: usize = 8;
/// Most octets between a mark and its digits: `=\"`, `=3D'`, `&quot;`, `%23`.
const MAX_BETWEEN: usize = 80;
/// Most digits, and most lines they stand in.
const MAX_DIGITS: usize = 4096;
const MAX_LINES: usize = 8;
/// Fewest digits, and how many before them may be the end of an escape: `%23`, `%252523`.
const MIN_DIGITS: usize = 8;
const MAX_OTHERS: usize = 10;
/// How many octets before an end are looked at where what follows was a text too.
const MAX_TAIL: usize = 400;
/// Longest tag between two pieces of an address.
const MAX_TAG: usize = 16;

/// The edits that take the secrets out of such digits, in order.
pub fn edits(text: &[u8], search: &Search) -> Vec<Edit> {
    let mut out: Vec<Edit> = Vec::new();
    for (mark, before) in MARKS {
        // Where the last run began: many marks may stand before it.
        let mut last = None;
        for at in memchr::memmem::find_iter(text, mark) {
            let near = text.get(at.saturating_sub(before.len() + MAX_JOINT)..at).unwrap_or_default();
            if memchr::memmem::find(near, before).is_some() {
                let run = digits(text, at + mark.len()).filter(|run| run.start() != last);
                last = run.as_ref().map_or(last, Digits::start);
                out.extend(run.map(|run| edits_of(&run, search)).unwrap_or_default());
            }
        }
    }
    out.sort_by_key(|edit| edit.range.start);
    out
}

/// The digits that stand behind a mark, each with its place, and where among them a line ends.
#[derive(Default)]
struct Digits {
    all: Vec<(usize, u8)>,
    ends: Vec<usize>,
}

impl Digits {
    fn start(&self) -> Option<usize> {
        self.all.first().map(|(at, _)| *at)
    }
}

/// Length of what stands between two pieces of a word that a program broke: a line end with marks of quoting behind it, or a short tag
/// without a mark in it.
fn seam(text: &[u8]) -> Option<usize> {
    if let [b'<', b'/' | b'a'..=b'z' | b'A'..=b'Z', ..] = text {
        let tag = text.get(..=text.iter().take(MAX_TAG).position(|b| *b == b'>')?)?;
        let is_in = |mark: &[u8]| memchr::memmem::find(tag, mark).is_some();
        return (!MARKS.iter().any(|(mark, _)| is_in(mark))).then_some(tag.len());
    }
    let soft = usize::from(text.first() == Some(&b'='));
    let end = match text.get(soft..)? {
        [b'\r', b'\n', ..] => soft + 2,
        [b'\n', ..] => soft + 1,
        _ => return None,
    };
    let marks = text.get(end..)?.iter().take(16).take_while(|b| matches!(b, b' ' | b'\t' | b'>' | b'|'));
    Some(end + marks.count())
}

fn digits(text: &[u8], from: usize) -> Option<Digits> {
    let near = |at: usize| text.get(at..).unwrap_or_default();
    let is_run = |at: &usize| {
        let mut run = Digits::default();
        collect(text, *at, MIN_DIGITS, &mut run);
        run.all.len() >= MIN_DIGITS
    };
    // The first run that is long enough: what stands before may hold a digit of its own.
    let begins = |at: &usize| text.get(*at).is_some_and(u8::is_ascii_hexdigit);
    let start = (from..(from + MAX_BETWEEN).min(from + near(from).len())).filter(begins).find(is_run)?;
    let mut out = Digits::default();
    collect(text, start, MAX_DIGITS, &mut out);
    Some(out)
}

fn collect(text: &[u8], start: usize, most: usize, out: &mut Digits) {
    let mut at = start;
    while out.all.len() < most {
        match text.get(at) {
            Some(b) if b.is_ascii_hexdigit() => {
                out.all.push((at, *b));
                at += 1;
            }
            _ => {
                out.ends.push(out.all.len());
                match text.get(at..).and_then(seam) {
                    Some(length) if out.ends.len() < MAX_LINES => at += length,
                    _ => return,
                }
            }
        }
    }
    out.ends.push(out.all.len());
}

fn edits_of(digits: &Digits, search: &Search) -> Vec<Edit> {
    let Some((run, with)) = changed_run(digits, search) else { return Vec::new() };
    let pieces: Vec<_> = run.chunk_by(|(a, _), (b, _)| a + 1 == *b).collect();
    let last = pieces.len() - 1;
    let mut rest = with.as_bytes();
    let edits = pieces.into_iter().enumerate().filter_map(|(i, piece)| {
        let length = if i == last { rest.len() } else { piece.len().min(rest.len()) };
        let (own, more) = rest.split_at_checked(length)?;
        rest = more;
        Some(Edit { range: piece.first()?.0..piece.last()?.0 + 1, with: own.to_vec() })
    });
    edits.collect()
}

/// The digits of a run that hide something, and what takes their place.
fn changed_run<'d>(digits: &'d Digits, search: &Search) -> Option<(&'d [(usize, u8)], String)> {
    let mut known = BTreeSet::new();
    (0..=MAX_OTHERS).find_map(|skip| {
        let first: Vec<u8> = digits.all.get(skip..skip + 2)?.iter().map(|(_, b)| *b).collect();
        // Under the same octet it is the same once more, without its beginning.
        if !known.insert((skip % 2, first)) {
            return None;
        }
        let ends = || digits.ends.iter().copied().filter(|end| *end >= MIN_DIGITS);
        // What follows on the next line may be another word: each end may be the last one.
        let mut is_known = false;
        let found = ends().rev().find_map(|end| {
            let piece = Piece::of(digits.all.get(skip..end)?)?;
            // What stands farther before this end was looked at with what follows.
            let tail = piece.clear.get(piece.clear.len().saturating_sub(MAX_TAIL)..)?;
            if is_known && search.hits(tail, Kind::Plain, None).is_empty() {
                return None;
            }
            is_known = true;
            let hits = search.hits(&piece.clear, Kind::Plain, None);
            (!hits.is_empty()).then_some((piece, hits))
        });
        let (piece, hits) = found?;
        // Of the ends that say as much the first one: what follows stays as it is.
        let last = hits.iter().flat_map(|hit| &hit.ranges).map(|range| range.end).max()?;
        let nearest = ends().find(|end| end.saturating_sub(skip) / 2 > last)?;
        let less = Piece::of(digits.all.get(skip..nearest)?).and_then(|less| {
            let same = search.hits(&less.clear, Kind::Plain, None);
            (same.len() == hits.len()).then_some((less, same))
        });
        let (piece, hits) = less.unwrap_or((piece, hits));
        Some((piece.digits, piece.with(&hits)))
    })
}

/// Digits that hide a text.
struct Piece<'d> {
    digits: &'d [(usize, u8)],
    key: u8,
    clear: Vec<u8>,
}

impl<'d> Piece<'d> {
    fn of(digits: &'d [(usize, u8)]) -> Option<Self> {
        let digits = digits.get(..digits.len() & !1)?;
        let octet = |[(_, high), (_, low)]: &[(usize, u8); 2]| Some(hex(*high)? << 4 | hex(*low)?);
        let octets: Vec<u8> = digits.as_chunks::<2>().0.iter().map(octet).collect::<Option<_>>()?;
        let (key, hidden) = octets.split_first()?;
        let clear: Vec<u8> = hidden.iter().map(|b| b ^ key).collect();
        std::str::from_utf8(&clear).is_ok().then_some(Self { digits, key: *key, clear })
    }

    /// What takes the place of the digits where something takes the place of what was found.
    fn with(&self, hits: &[Hit]) -> String {
        let edits: Vec<Edit> = replacements(hits, |range| vec![range])
            .into_iter()
            .map(|(range, with)| Edit { range, with: with.as_bytes().to_vec() })
            .collect();
        let hidden = apply(&self.clear, &edits);
        let new: Vec<u8> = std::iter::once(self.key).chain(hidden.iter().map(|b| b ^ self.key)).collect();
        let upper = self.digits.iter().any(|(_, b)| b.is_ascii_uppercase());
        if upper { HEXUPPER.encode(&new) } else { HEXLOWER.encode(&new) }
    }
}
