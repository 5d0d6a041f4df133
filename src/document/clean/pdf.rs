//! PDF without document information and XMP: overwritten with blanks of the same length, so that nothing moves.
//!
//! Rules: dates stay. Every revision is cleaned.
//! When it fails: `None` for a file that is encrypted or signed, whose information is compressed or spread over other
//! objects, or that holds photographs with EXIF.

use crate::document::image::EXIF;
use crate::document::pdf::lexer::{Lexer, Token};
use crate::document::pdf::{Streams, unfiltered};
use crate::document::search::Search;
use crate::document::{Limits, Text};
use memchr::memmem::{find, find_iter};
use std::ops::Range;

/// Values that stay.
const DATES: [&[u8]; 2] = [b"/CreationDate", b"/ModDate"];
/// Most objects of information: one for each revision.
const MAX_REVISIONS: usize = 64;
/// The longest object of information that is believed, in octets.
const MAX_OBJECT: usize = 256 * 1024;

pub fn clean(octets: &[u8], limits: &Limits) -> Option<Vec<u8>> {
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
        let is_photo = stream.parameters.is_packed_image() || find(stream.octets, EXIF).is_some();
        if stream.parameters.is_image && is_photo {
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
    for object in &objects {
        // In an object stream, or nowhere, or in so many places that it is no file that a program wrote.
        let places = places(octets, &clear, object);
        if places.is_empty() || places.len() > MAX_REVISIONS {
            return None;
        }
        for from in places {
            let length = find(octets.get(from..)?, b"endobj").filter(|length| *length <= MAX_OBJECT)?;
            blank(octets, from..from + length, &mut out)?;
        }
    }
    (!is_packed(octets, &objects, limits)).then_some(out)
}

/// Behind every beginning of an object.
fn places(octets: &[u8], clear: &[Range<usize>], object: &[u8]) -> Vec<usize> {
    let within = |range: &Range<usize>| {
        let (text, start) = (octets.get(range.clone()).unwrap_or_default(), range.start);
        let begins = move |at: &usize| {
            at.checked_sub(1).and_then(|at| text.get(at)).is_none_or(|b| !b.is_ascii_digit())
        };
        find_iter(text, object).filter(begins).map(move |at| start + at + object.len()).collect::<Vec<_>>()
    };
    clear.iter().flat_map(within).take(MAX_REVISIONS + 1).collect()
}

/// Whether one of the objects, in some revision, is in an object stream (ISO 32000-1 §7.5.7), or that cannot be told.
fn is_packed(octets: &[u8], objects: &[Vec<u8>], limits: &Limits) -> bool {
    let numbers: Vec<f64> = objects
        .iter()
        .filter_map(|object| std::str::from_utf8(object.split(|b| *b == b' ').next()?).ok()?.parse().ok())
        .collect();
    let mut nobody = |_: Text<'_>| false;
    let mut search = Search::new(*limits, &mut nobody);
    let mut is_packed = false;
    for stream in Streams::new(octets).filter(|stream| stream.parameters.is_objects && !numbers.is_empty()) {
        let mut lexer = Lexer::new(false);
        // Pairs of a number and a place, before the first object.
        let mut count = Some(0);
        unfiltered(&stream, &mut search, &mut |out, _| {
            lexer.push(out, &mut |token| match (token, &mut count) {
                (Token::Number(n), Some(count)) => {
                    is_packed |= *count % 2 == 0 && numbers.contains(&n);
                    *count += 1;
                }
                _ => count = None,
            });
        });
    }
    is_packed || search.opaque().is_some()
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

/// Overwrites the strings of an object. `None` where a value is a reference, a string does not end, or it is no
/// information.
fn blank(octets: &[u8], range: Range<usize>, out: &mut [u8]) -> Option<()> {
    if find(octets.get(range.clone())?, b"/Type").is_some() {
        // The number belonged to another object once.
        return None;
    }
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
