//! Addresses that Cloudflare hides in pages: hexadecimal digits, each octet under the first one (`data-cfemail`,
//! `/cdn-cgi/l/email-protection#`).
//!
//! Rules: what stands behind either mark, in any form that a gateway's link gives it, is read in clear and searched like any text,
//! also over line ends with the marks of quoting behind them and over `<wbr>`; what takes its place is written in the same way,
//! under the same octet, in the same case, as much of it in each line as there was.
//! When it fails: never; digits that are no such address stay.

use super::search::{Kind, Search};
use super::text::replacements;
use crate::mime::transfer::{Edit, apply, hex};
use data_encoding::{HEXLOWER, HEXUPPER};

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

/// The edits that take the secrets out of such digits, in order.
pub fn edits(text: &[u8], search: &Search) -> Vec<Edit> {
    let mut out: Vec<Edit> = Vec::new();
    for (mark, before) in MARKS {
        for at in memchr::memmem::find_iter(text, mark) {
            let near = text.get(at.saturating_sub(before.len() + MAX_JOINT)..at).unwrap_or_default();
            if memchr::memmem::find(near, before).is_some() {
                out.extend(edits_behind(text, at + mark.len(), search));
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

/// Length of what stands between two pieces of a word that a program broke: a line end with marks of quoting behind it, or a tag that
/// lets a line end.
fn seam(text: &[u8]) -> Option<usize> {
    if text.get(..4).is_some_and(|tag| tag.eq_ignore_ascii_case(b"<wbr")) {
        return text.iter().take(8).position(|b| *b == b'>').map(|end| end + 1);
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

fn edits_behind(text: &[u8], from: usize, search: &Search) -> Vec<Edit> {
    let Some(digits) = digits(text, from) else { return Vec::new() };
    // What follows on the next line may be another word: each end may be the last one.
    let mut ends = digits.ends.iter().filter(|end| **end >= MIN_DIGITS);
    let found = ends.find_map(|end| {
        (0..=MAX_OTHERS).find_map(|skip| {
            let run = digits.all.get(skip..*end)?;
            let run = run.get(..run.len() & !1)?;
            let written: Vec<u8> = run.iter().map(|(_, b)| *b).collect();
            Some((run, changed(&written, search)?))
        })
    });
    let Some((run, with)) = found else { return Vec::new() };
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

fn changed(digits: &[u8], search: &Search) -> Option<String> {
    let octets: Vec<u8> = digits
        .as_chunks::<2>()
        .0
        .iter()
        .map(|[high, low]| Some(hex(*high)? << 4 | hex(*low)?))
        .collect::<Option<_>>()?;
    let (key, hidden) = octets.split_first()?;
    let clear: Vec<u8> = hidden.iter().map(|b| b ^ key).collect();
    std::str::from_utf8(&clear).ok()?;
    let hits = search.hits(&clear, Kind::Plain, None);
    if hits.is_empty() {
        return None;
    }
    let edits: Vec<Edit> = replacements(&hits, |range| vec![range])
        .into_iter()
        .map(|(range, with)| Edit { range, with: with.as_bytes().to_vec() })
        .collect();
    let new: Vec<u8> = std::iter::once(*key).chain(apply(&clear, &edits).iter().map(|b| b ^ key)).collect();
    let upper = digits.iter().any(u8::is_ascii_uppercase);
    Some(if upper { HEXUPPER.encode(&new) } else { HEXLOWER.encode(&new) })
}
