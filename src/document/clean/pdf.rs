//! PDF without document information and XMP: overwritten with blanks of the same length, so that nothing moves.
//!
//! Rules: dates stay. Every revision is cleaned.
//! When it fails: `None` for a file that is encrypted or signed, whose information is compressed or spread over other
//! objects, or that holds photographs with EXIF.

use crate::document::image::EXIF;
use crate::document::pdf::Streams;
use memchr::memmem::{find, find_iter};
use std::ops::Range;

/// Values that stay.
const DATES: [&[u8]; 2] = [b"/CreationDate", b"/ModDate"];
/// Most objects of information: one for each revision.
const MAX_REVISIONS: usize = 64;
/// The longest object of information that is believed, in octets.
const MAX_OBJECT: usize = 256 * 1024;

pub fn clean(octets: &[u8]) -> Option<Vec<u8>> {
    if find(octets, b"/ByteRange").is_some() {
        return None;
    }
    let mut out = octets.to_vec();
    // Octets that are in the clear and no content of a stream.
    let mut clear: Vec<Range<usize>> = Vec::new();
    let mut streams = Streams::new(octets);
    for stream in streams.by_ref() {
        clear.push(stream.before_at..stream.before_at + stream.before.len());
        if stream.parameters.is_metadata {
            if !stream.parameters.filters.is_empty() {
                return None;
            }
            out.get_mut(stream.at..stream.at + stream.octets.len())?.fill(b' ');
        }
        if stream.parameters.is_image && find(stream.octets, EXIF).is_some() {
            return None;
        }
    }
    clear.push(streams.rest_at()..octets.len());
    for range in &clear {
        let text = octets.get(range.clone())?;
        if find_iter(text, b"/Encrypt").any(|at| text.get(at + 8).is_none_or(|b| !b.is_ascii_alphabetic())) {
            return None;
        }
    }
    packets(octets, &mut out)?;
    let mut objects: Vec<Vec<u8>> = Vec::new();
    for range in &clear {
        for reference in references(octets.get(range.clone())?) {
            let reference = reference?;
            if !objects.contains(&reference) {
                objects.push(reference);
            }
        }
        if objects.len() > MAX_REVISIONS {
            return None;
        }
    }
    for object in objects {
        let mut any = false;
        for range in &clear {
            let text = octets.get(range.clone())?;
            for at in find_iter(text, &object) {
                let is_whole =
                    at.checked_sub(1).and_then(|at| text.get(at)).is_none_or(|b| !b.is_ascii_digit());
                if is_whole {
                    any = true;
                    let from = at + object.len();
                    let length = find(text.get(from..)?, b"endobj").filter(|length| *length <= MAX_OBJECT)?;
                    let start = range.start + from;
                    blank(octets, start..start + length, &mut out)?;
                }
            }
        }
        // In an object stream, or nowhere.
        if !any {
            return None;
        }
    }
    Some(out)
}

/// Overwrites XMP packets wherever they are, images included.
fn packets(octets: &[u8], out: &mut [u8]) -> Option<()> {
    let mut at = 0;
    while let Some(begin) = find(octets.get(at..)?, b"<?xpacket begin").map(|begin| at + begin) {
        let length = find(octets.get(begin..)?, b"<?xpacket end")?;
        out.get_mut(begin..begin + length)?.fill(b' ');
        at = begin + length;
    }
    Some(())
}

/// The objects that `/Info` refers to, each as it begins: `12 0 obj`. `None` for a value that is no reference.
fn references(text: &[u8]) -> impl Iterator<Item = Option<Vec<u8>>> + '_ {
    let places = find_iter(text, b"/Info").filter_map(|at| text.get(at + 5..));
    places.filter(|rest| rest.first().is_some_and(|b| !b.is_ascii_alphanumeric())).map(|rest| {
        let mut words = rest.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let is_number = |word: &&[u8]| word.iter().all(u8::is_ascii_digit);
        let number = words.next().filter(is_number)?;
        let generation = words.next().filter(is_number)?;
        words.next().filter(|word| word.starts_with(b"R"))?;
        Some([number, b" ", generation, b" obj"].concat())
    })
}

/// Overwrites the strings of an object. `None` where a value is a reference, or a string does not end.
fn blank(octets: &[u8], range: Range<usize>, out: &mut [u8]) -> Option<()> {
    let mut at = range.start;
    let mut key_from = range.start;
    while at < range.end {
        match octets.get(at)? {
            b'/' => key_from = at,
            b'(' => {
                let end = literal_end(octets, at, range.end)?;
                if !is_date(octets, key_from) {
                    out.get_mut(at + 1..end - 1)?.fill(b' ');
                }
                at = end;
                continue;
            }
            b'<' if octets.get(at + 1) == Some(&b'<') => at += 1,
            b'<' => {
                let end = at + memchr::memchr(b'>', octets.get(at..range.end)?)?;
                if !is_date(octets, key_from) {
                    // Twenty is the code of a blank.
                    let digits = out.get_mut(at + 1..end)?.iter_mut().filter(|b| b.is_ascii_hexdigit());
                    digits.zip([b'2', b'0'].into_iter().cycle()).for_each(|(digit, blank)| *digit = blank);
                }
                at = end;
            }
            // A reference: the value is elsewhere.
            b'R' if octets.get(at.checked_sub(1)?).is_some_and(u8::is_ascii_whitespace)
                && octets.get(at + 1).is_none_or(|b| !b.is_ascii_alphanumeric()) =>
            {
                return None;
            }
            _ => {}
        }
        at += 1;
    }
    Some(())
}

fn is_date(octets: &[u8], key: usize) -> bool {
    let key = octets.get(key..).unwrap_or_default();
    DATES
        .iter()
        .any(|date| key.starts_with(date) && key.get(date.len()).is_some_and(|b| !b.is_ascii_alphanumeric()))
}

/// Behind the end of the literal string that begins at `at`.
fn literal_end(octets: &[u8], at: usize, end: usize) -> Option<usize> {
    let (mut depth, mut escaped) = (0, false);
    for (i, b) in octets.get(at..end)?.iter().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' if depth == 1 => return Some(at + i + 1),
            b')' => depth -= 1,
            _ => {}
        }
    }
    None
}
