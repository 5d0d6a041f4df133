//! A header value with the secrets taken out: plain text, encoded words and addresses, each in its own charset.
//!
//! Rules: the value is decoded as a whole, so an address split over words or folds is found; only the words and
//! stretches that hold a piece of it are written anew, encoded words with their own charset and coding. A value
//! without a hit is left alone.
//! When it fails: [`Refusal::LineTooLong`], when a changed line cannot be folded below 998 octets.

use super::Refusal;
use super::search::{Hit, Kind, Search};
use super::text::replacements;
use crate::mime::charset::Charset;
use crate::mime::lines::MAX_LINE;
use crate::mime::transfer::apply;
use crate::mime::words::{self, Segment};
use crate::mime::{lines, slice};
use std::borrow::Cow;
use std::ops::Range;

/// A segment with its text and the octets behind it.
struct Piece<'a> {
    segment: &'a Segment,
    octets: &'a [u8],
    charset: Charset,
    /// Where its text stands in the text of the value.
    at: Range<usize>,
}

/// A stretch of encoded words in a text, without secrets; `None` when there are none in it, or where it cannot be read.
///
/// # Errors
/// [`Refusal::LineTooLong`].
pub fn words_scrubbed(value: &[u8], search: &Search) -> Result<Option<Vec<u8>>, Refusal> {
    let unreadable = |segment: &Segment| matches!(segment, Segment::Word(word) if word.is_unreadable());
    if words::segments(value).iter().any(unreadable) {
        Ok(None)
    } else {
        scrubbed(value, Kind::Plain, search)
    }
}

/// The value without secrets; `None` when there are none in it.
///
/// # Errors
/// [`Refusal::LineTooLong`].
pub fn scrubbed(value: &[u8], kind: Kind, search: &Search) -> Result<Option<Vec<u8>>, Refusal> {
    let mut new = scrubbed_as(value, kind, search, None)?;
    if new.is_none() && std::str::from_utf8(value).is_err() {
        // Octets that nobody declares can be characters in more than one charset.
        for bare in [Charset::EUC_JP, Charset::SHIFT_JIS, Charset::GB18030, Charset::EUC_KR, Charset::BIG5] {
            new = match new {
                None => scrubbed_as(value, kind, search, Some(bare))?,
                new => new,
            };
        }
    }
    Ok(new)
}

/// Words of one charset between which a character is cut, which RFC 2047 §5 forbids and programs do, as one.
fn whole_characters(segments: Vec<Segment>) -> Vec<Segment> {
    let mut out: Vec<Segment> = Vec::with_capacity(segments.len());
    for segment in segments {
        let Segment::Word(word) = segment else {
            out.push(segment);
            continue;
        };
        let is_between = matches!(out.last(), Some(Segment::Between(_)));
        let before = out.len().checked_sub(1 + usize::from(is_between)).and_then(|at| out.get_mut(at));
        if let Some(Segment::Word(before)) = before
            && before.coding == word.coding
            && before.label.eq_ignore_ascii_case(&word.label)
            && !before.is_unreadable()
            && !before.charset().decode(&before.bytes).1
            && before.charset().decode(&[&before.bytes[..], &word.bytes].concat()).1
        {
            before.bytes.extend_from_slice(&word.bytes);
            before.range.end = word.range.end;
            if is_between {
                out.pop();
            }
            continue;
        }
        out.push(Segment::Word(word));
    }
    out
}

/// The same, with what is no word and no UTF-8 read in the charset `bare`, where it makes sense in it.
fn scrubbed_as(
    value: &[u8],
    kind: Kind,
    search: &Search,
    bare: Option<Charset>,
) -> Result<Option<Vec<u8>>, Refusal> {
    let segments = whole_characters(words::segments(value));
    let mut text = String::new();
    let mut pieces = Vec::with_capacity(segments.len());
    for segment in &segments {
        let (octets, charset) = match segment {
            Segment::Plain(range) => {
                let octets = slice(value, range.clone());
                let fits = |bare: &Charset| !octets.is_ascii() && bare.decode(octets).1;
                (octets, bare.filter(fits).unwrap_or_else(|| words::plain_charset(octets)))
            }
            Segment::Between(_) => continue,
            Segment::Word(word) if word.is_unreadable() => {
                return Err(Refusal::Charset);
            }
            Segment::Word(word) => (word.bytes.as_slice(), word.charset()),
        };
        let from = text.len();
        let (read, good) = charset.decode(octets);
        if good {
            text.push_str(&read);
        } else {
            text.push_str(&String::from_utf8_lossy(charset.decode_view(octets).bytes()));
        }
        pieces.push(Piece { segment, octets, charset, at: from..text.len() });
    }
    let mut hits = search.hits(text.as_bytes(), kind, None);
    // In base64 or hexadecimal digits, within a word too.
    for token in search.token_edits(text.as_bytes()) {
        let meets = |range: &Range<usize>| range.start < token.range.end && token.range.start < range.end;
        if let Ok(with) = String::from_utf8(token.with)
            && !hits.iter().any(|hit| hit.ranges.iter().any(meets))
        {
            hits.push(Hit { ranges: vec![token.range], with });
        }
    }
    hits.sort_by_key(|hit| hit.ranges.first().map_or(0, |range| range.start));
    if hits.is_empty() {
        // What a program sees that decodes no words here.
        let raw = String::from_utf8_lossy(value);
        hits = if segments.len() > 1 { search.hits(raw.as_bytes(), kind, None) } else { hits };
        if hits.is_empty() || matches!(raw, Cow::Owned(_)) {
            return Ok(None);
        }
        let edits = Charset::Utf8.edits(value, &replacements(&hits, |range| vec![range]));
        return folded(apply(value, &edits)).map(Some);
    }
    let flat = replacements(&hits, |range| vec![range]);
    let mut out = Vec::with_capacity(value.len() + 64);
    let mut pieces = pieces.iter();
    let mut between = 0..0;
    for segment in &segments {
        if let Segment::Between(range) = segment {
            between = range.clone();
            continue;
        }
        let Some(piece) = pieces.next() else { break };
        let mut new = Vec::new();
        write_piece(value, piece, &flat, &mut new);
        // A word that held nothing but a piece of a secret goes, and the blanks before it.
        if !new.is_empty() {
            out.extend_from_slice(slice(value, between));
            out.extend_from_slice(&new);
        }
        between = 0..0;
    }
    folded(out).map(Some)
}

fn write_piece(value: &[u8], piece: &Piece<'_>, flat: &[(Range<usize>, &str)], out: &mut Vec<u8>) {
    let inside: Vec<(Range<usize>, &str)> = flat
        .iter()
        .filter(|(range, _)| range.start < piece.at.end && range.end > piece.at.start)
        .map(|(range, with)| {
            // A stretch over several words: its replacement goes where it begins.
            let with = if range.start >= piece.at.start { *with } else { "" };
            let from = range.start.max(piece.at.start) - piece.at.start;
            (from..range.end.min(piece.at.end) - piece.at.start, with)
        })
        .collect();
    if inside.is_empty() {
        match piece.segment {
            Segment::Plain(range) | Segment::Between(range) => {
                out.extend_from_slice(slice(value, range.clone()))
            }
            Segment::Word(word) => out.extend_from_slice(slice(value, word.range.clone())),
        }
        return;
    }
    let view = piece.charset.decode_view(piece.octets);
    let mut on_octets: Vec<(Range<usize>, &str)> = Vec::new();
    for (range, with) in inside {
        for (i, source) in view.sources(range).into_iter().enumerate() {
            on_octets.push((source, if i == 0 { with } else { "" }));
        }
    }
    let octets = apply(piece.octets, &piece.charset.edits(piece.octets, &on_octets));
    match piece.segment {
        Segment::Word(_) if piece.charset.decode(&octets).0.is_empty() => {}
        Segment::Word(word) => out.extend_from_slice(&word.written_with(&octets)),
        _ => out.extend_from_slice(&octets),
    }
}

/// The value with lines of at most 998 octets.
///
/// # Errors
/// [`Refusal::LineTooLong`] when a line has no blank to fold at.
pub fn folded(mut value: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    // What stood behind a fold may be gone: no line is left with blanks alone.
    let end = value.trim_ascii_end().len();
    if memchr::memchr(b'\n', value.get(end..).unwrap_or_default()).is_some() {
        value.truncate(end);
    }
    // Room for the name of the field on the first line.
    lines::broken_at_blanks(&value, MAX_LINE - 80, lines::Break::BeforeBlank).ok_or(Refusal::LineTooLong)
}
