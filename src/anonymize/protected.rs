//! Addresses that Cloudflare hides in pages: hexadecimal digits, each octet under the first one (`data-cfemail`,
//! `/cdn-cgi/l/email-protection#`).
//!
//! Rules: what stands behind either mark is read in clear and searched like any text; what takes its place is written in the same
//! way, under the same octet, in the same case.
//! When it fails: never; digits that are no such address stay.

use super::search::{Kind, Search};
use super::text::replacements;
use crate::mime::transfer::{Edit, apply, hex};
use data_encoding::{HEXLOWER, HEXUPPER};

/// What such digits stand behind.
const MARKS: [&[u8]; 2] = [b"cfemail", b"email-protection"];
/// Most octets between a mark and its digits: `=\"`, `=3D'`, `&quot;`, `%23`.
const MAX_BETWEEN: usize = 16;
/// Most digits.
const MAX_DIGITS: usize = 4096;

/// The edits that take the secrets out of such digits, in order.
pub fn edits(text: &[u8], search: &Search) -> Vec<Edit> {
    let mut out: Vec<Edit> = Vec::new();
    for mark in MARKS {
        for at in memchr::memmem::find_iter(text, mark) {
            out.extend(edit(text, at + mark.len(), search));
        }
    }
    out.sort_by_key(|edit| edit.range.start);
    out
}

fn edit(text: &[u8], from: usize, search: &Search) -> Option<Edit> {
    // The first run that is long enough: what stands before may hold a digit of its own.
    let near = text.get(from..(from + MAX_BETWEEN + MAX_DIGITS).min(text.len()))?;
    let is_run = |at: &usize| near.get(*at..*at + 8).is_some_and(|run| run.iter().all(u8::is_ascii_hexdigit));
    let first = (0..MAX_BETWEEN.min(near.len())).find(is_run)?;
    let digits = near.get(first..)?;
    let length = digits.iter().position(|b| !b.is_ascii_hexdigit()).unwrap_or(digits.len());
    // `%23` and `3D` before it end in digits: an odd one is theirs.
    (0..=4).find_map(|skip| {
        let digits = digits.get(skip..length)?;
        let with = changed(digits.get(..digits.len() & !1)?, search)?;
        let start = from + first + skip;
        Some(Edit { range: start..start + (digits.len() & !1), with: with.into_bytes() })
    })
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
