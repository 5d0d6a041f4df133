//! What hides addresses of pages (Cloudflare's): hexadecimal digits behind a mark, each octet under the first one. For the gate alone.
//!
//! Rules: a mark counts in small letters and in capitals, with a hyphen in whatever escape between its words. Behind it line ends, marks
//! of quoting and tags are left out; the first run of digits is read whole, from each of its first digits on, and what stands before each
//! of its seams. Of many marks before one run, and of many first digits that say the same, one is enough.
//! When it fails: never; digits that are none of it give octets that mean nothing.

use memchr::memmem::Finder;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Longest such address, in digits, and most octets between the mark and it.
const MAX_HIDDEN: usize = 4096;
const MAX_BETWEEN: usize = 96;
/// Fewest digits, and how many of the first may be of an escape.
const MIN_DIGITS: usize = 8;
const MAX_SKIPPED: usize = 10;
/// Longest tag that is left out, most ends that are tried, and how many octets before one of them are looked at.
const MAX_TAG: usize = 16;
const MAX_ENDS: usize = 8;
const MAX_TAIL: usize = 400;

static MARKS: LazyLock<[Finder<'static>; 4]> =
    LazyLock::new(|| ["cfemail", "CFEMAIL", "rotection", "ROTECTION"].map(Finder::new));

/// Gives `each` what is hidden in a text.
pub fn hidden(text: &[u8], mut each: impl FnMut(&[u8])) {
    for mark in MARKS.iter() {
        // Where the last run began: it is read once, however many marks stand before it.
        let mut last = None;
        for at in mark.find_iter(text) {
            let before = text.get(at.saturating_sub(14)..at).unwrap_or_default();
            let is_whole =
                mark.needle().len() == 7 || before.windows(5).any(|w| w.eq_ignore_ascii_case(b"email"));
            let from = at + mark.needle().len();
            let Some(run) = Run::behind(text, from).filter(|run| is_whole && last != Some(run.start)) else {
                continue;
            };
            last = Some(run.start);
            run.read(&mut each);
        }
    }
}

/// The first run of digits behind a mark.
struct Run {
    /// Where in the text it begins.
    start: usize,
    digits: Vec<u8>,
    /// Behind how many of its digits it was broken, and where it ends.
    ends: Vec<usize>,
}

impl Run {
    fn behind(text: &[u8], from: usize) -> Option<Self> {
        let near = text.get(from..text.len().min(from + MAX_HIDDEN + MAX_BETWEEN))?;
        let mut run = Self { start: 0, digits: Vec::new(), ends: Vec::new() };
        let (mut at, mut others) = (0, 0);
        while let Some(b) = near.get(at) {
            let length = left_out(near.get(at..).unwrap_or_default());
            if length > 0 {
                run.ends.push(run.digits.len());
                at += length;
                continue;
            }
            if b.is_ascii_hexdigit() {
                if run.digits.is_empty() {
                    run.start = from + at;
                }
                run.digits.push(*b);
            } else {
                // A few digits are of what stands before: of an escape, or of a word.
                others += run.digits.len() + 1;
                if run.digits.len() >= MIN_DIGITS || others > MAX_BETWEEN {
                    break;
                }
                run.digits.clear();
                run.ends.clear();
            }
            at += 1;
        }
        run.ends.push(run.digits.len());
        (run.digits.len() >= MIN_DIGITS).then_some(run)
    }

    fn read(&self, each: &mut impl FnMut(&[u8])) {
        let value = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let ends = || self.ends.iter().filter(|end| **end >= MIN_DIGITS).take(MAX_ENDS);
        let mut known = BTreeSet::new();
        for skip in 0..MAX_SKIPPED {
            let octets: Vec<u8> =
                self.digits.get(skip..).unwrap_or_default().chunks_exact(2).filter_map(value).collect();
            let Some((key, hidden)) = octets.split_first().filter(|(key, _)| known.insert((skip % 2, **key)))
            else {
                continue;
            };
            let clear: Vec<u8> = hidden.iter().map(|b| b ^ key).collect();
            each(&clear);
            for end in ends() {
                let octets = (end.saturating_sub(skip) / 2).saturating_sub(1);
                let tail = clear.get(octets.saturating_sub(MAX_TAIL)..octets).unwrap_or_default();
                if octets < clear.len() {
                    each(tail);
                }
            }
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
            let tag = text.get(..text.len().min(MAX_TAG)).unwrap_or_default();
            let length = memchr::memchr(b'>', tag).map_or(0, |end| end + 1);
            // One with a mark in it begins another run.
            let is_mark = MARKS.iter().any(|mark| mark.find(tag.get(..length).unwrap_or_default()).is_some());
            if is_mark { 0 } else { length }
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::hidden;

    fn digits(clear: &str, keys: usize) -> String {
        let octets = std::iter::repeat_n(0x5a, keys).chain(clear.bytes().map(|b| b ^ 0x5a));
        octets.map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn one_run_is_read_once_for_all_marks_before_it_and_before_each_of_its_seams() {
        let text = "x".repeat(1500);
        let digits = digits(&text, 5);
        let (head, tail) = digits.split_at(digits.len() - 14);
        let seams: Vec<&str> = (0..7).filter_map(|i| tail.get(2 * i..2 * i + 2)).collect();
        let page = format!("{}{head}\r\n{} x", "cfemail".repeat(12), seams.join("\r\n"));
        let (mut all, mut whole) = (0, 0);
        hidden(page.as_bytes(), |clear| {
            all += clear.len();
            whole += usize::from(memchr::memmem::find(clear, text.as_bytes()).is_some());
        });
        assert!(whole == 1 && all < 10 * page.len(), "{whole} {all} of {}", page.len());
    }

    #[test]
    fn what_is_hidden_ends_at_any_seam_and_begins_behind_any_mark() {
        let address = "bob@a.example";
        for page in [
            format!("cfemail=\"{}\"", digits(address, 1)),
            format!("cfemail {}\r\nbeef and", digits(address, 1)),
            format!("cfemail {}<wbr>beef<wbr>12\r\nab", digits(address, 1)),
            format!("cfemail 0000000000000000<cfemail>{}", digits(address, 1)),
            format!("cfemail 0123456789abcdef cfemail={}", digits(address, 1)),
            format!("email-protection%252523{}", digits(address, 1)),
            format!("email-protection# 23 ab {}", digits(address, 1)),
        ] {
            let mut found = false;
            hidden(page.as_bytes(), |clear| found |= clear.ends_with(address.as_bytes()));
            assert!(found, "{page}");
        }
    }
}
