//! What hides addresses of pages (Cloudflare's): hexadecimal digits behind a mark, each octet under the first one. For the gate alone.
//!
//! Rules: a mark counts in small letters and in capitals, with a hyphen in whatever escape between its words. Behind it line ends, marks
//! of quoting and tags are left out; the first run of digits is read up to each of them, from each of its first digits on.
//! When it fails: never; digits that are none of it give octets that mean nothing.

use memchr::memmem::Finder;
use std::sync::LazyLock;

/// Longest such address, in digits, and most octets between the mark and it.
const MAX_HIDDEN: usize = 4096;
const MAX_BETWEEN: usize = 96;
/// Fewest digits, and how many of the first may be of an escape.
const MIN_DIGITS: usize = 8;
const MAX_SKIPPED: usize = 10;
/// Longest tag that is left out, and most ends that are tried.
const MAX_TAG: usize = 16;
const MAX_ENDS: usize = 8;

static MARKS: LazyLock<[Finder<'static>; 4]> =
    LazyLock::new(|| ["cfemail", "CFEMAIL", "rotection", "ROTECTION"].map(Finder::new));

/// Gives `each` what is hidden in a text.
pub fn hidden(text: &[u8], mut each: impl FnMut(&[u8])) {
    for mark in MARKS.iter() {
        for at in mark.find_iter(text) {
            let before = text.get(at.saturating_sub(14)..at).unwrap_or_default();
            let is_whole =
                mark.needle().len() == 7 || before.windows(5).any(|w| w.eq_ignore_ascii_case(b"email"));
            if is_whole {
                read(text.get(at + mark.needle().len()..).unwrap_or_default(), &mut each);
            }
        }
    }
}

fn read(behind: &[u8], each: &mut impl FnMut(&[u8])) {
    let near = behind.get(..behind.len().min(MAX_HIDDEN + MAX_BETWEEN)).unwrap_or_default();
    let (mut bare, mut ends): (Vec<u8>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut at = 0;
    let mut digits = 0;
    while let Some(b) = near.get(at) {
        let rest = near.get(at..).unwrap_or_default();
        let length = left_out(rest);
        if length > 0 {
            ends.push(bare.len());
            at += length;
            continue;
        }
        digits = if b.is_ascii_hexdigit() { digits + 1 } else { 0 };
        let ended = || bare.iter().rev().take_while(|b| b.is_ascii_hexdigit()).count() >= MIN_DIGITS;
        let is_over = digits == 0 && (bare.len() > MAX_BETWEEN || ended());
        if is_over {
            break;
        }
        bare.push(*b);
        at += 1;
    }
    ends.push(bare.len());
    let begins =
        |i: &usize| bare.get(*i..*i + MIN_DIGITS).is_some_and(|run| run.iter().all(u8::is_ascii_hexdigit));
    let Some(start) = (0..MAX_BETWEEN).find(begins) else { return };
    let run = bare.iter().skip(start).take_while(|b| b.is_ascii_hexdigit()).count();
    for end in ends.into_iter().filter(|end| *end >= start + MIN_DIGITS).take(MAX_ENDS) {
        for skip in 0..MAX_SKIPPED {
            let digits = bare.get(start + skip..end.min(start + run)).unwrap_or_default();
            let value = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
            let octets: Vec<u8> = digits.chunks_exact(2).filter_map(value).collect();
            let key = octets.first().copied().unwrap_or(0);
            let clear: Vec<u8> = octets.iter().skip(1).map(|b| b ^ key).collect();
            each(&clear);
        }
    }
}

/// Length of a line end with what quoting puts behind it, or of a short tag, at the beginning.
fn left_out(text: &[u8]) -> usize {
    match text {
        [b'=', b'\r' | b'\n', ..] => 1,
        [b'\r' | b'\n', behind @ ..] => {
            1 + behind.iter().take_while(|b| b.is_ascii_whitespace() || matches!(b, b'>' | b'|')).count()
        }
        [b'<', b'a'..=b'z' | b'A'..=b'Z' | b'/', ..] => {
            text.iter().take(MAX_TAG).position(|b| *b == b'>').map_or(0, |end| end + 1)
        }
        _ => 0,
    }
}
