//! A text body, edited in its own charset: which octets change, and to what.
//!
//! Rules: the text is read in its declared charset, and where that does not make sense in the others it can be, so
//! that a wrong label hides nothing. Only the octets of an address change; a text without a hit gives no edits.
//! When it fails: never.

use super::content_id::ContentIds;
use super::search::{Hit, Kind, Search};
use crate::mime::charset::Charset;
use crate::mime::transfer::Edit;
use std::borrow::Cow;
use std::ops::Range;

/// The edits that take every secret out of `bytes`, in order, apart from each other.
pub fn edits(
    bytes: &[u8],
    label: Option<&[u8]>,
    kind: Kind,
    search: &Search,
    ids: Option<&ContentIds>,
) -> Vec<Edit> {
    let mut all: Vec<Edit> = Vec::new();
    let (first, trusted) = match label {
        Some(label) => {
            (Charset::for_label(label).unwrap_or(Charset::Utf8), Charset::for_label(label).is_some())
        }
        None => (Charset::Utf8, true),
    };
    let good = read(first, bytes, kind, search, ids, &mut all);
    let escapes = first != Charset::Iso2022Jp && has_escapes(bytes);
    let single_octet =
        matches!(first, Charset::Legacy(encoding) if encoding.is_single_byte()) && !bytes.is_ascii();
    if escapes {
        read(Charset::Iso2022Jp, bytes, kind, search, ids, &mut all);
    }
    if !good || !trusted || single_octet {
        for other in [Charset::Utf8, Charset::SHIFT_JIS, Charset::EUC_JP, Charset::ASCII] {
            if other != first {
                read(other, bytes, kind, search, ids, &mut all);
            }
        }
        if memchr::memchr(0, bytes).is_some() {
            for other in [Charset::Utf16Le, Charset::Utf16Be] {
                if other != first {
                    read(other, bytes, kind, search, ids, &mut all);
                }
            }
        }
    }
    all
}

fn has_escapes(bytes: &[u8]) -> bool {
    memchr::memchr_iter(0x1b, bytes).any(|i| matches!(bytes.get(i + 1), Some(b'$' | b'(')))
}

/// Adds the edits of one reading; says whether every octet made sense in it.
fn read(
    charset: Charset,
    bytes: &[u8],
    kind: Kind,
    search: &Search,
    ids: Option<&ContentIds>,
    all: &mut Vec<Edit>,
) -> bool {
    let (mut text, good) = charset.decode(bytes);
    let mut view = None;
    if !good {
        // Only this text has the way back for octets that make no sense.
        let stepwise = charset.decode_view(bytes);
        text = Cow::Owned(String::from_utf8_lossy(stepwise.bytes()).into_owned());
        view = Some(stepwise);
    }
    let hits = search.hits(text.as_bytes(), kind, ids);
    if hits.is_empty() {
        return good;
    }
    let view = view.unwrap_or_else(|| charset.decode_view(bytes));
    let replacements = replacements(&hits, |range| view.sources(range));
    for edit in charset.edits(bytes, &replacements) {
        let at = all.partition_point(|other| other.range.start < edit.range.start);
        let before = at
            .checked_sub(1)
            .and_then(|i| all.get(i))
            .is_none_or(|other| other.range.end <= edit.range.start);
        let behind = all.get(at).is_none_or(|other| edit.range.end <= other.range.start);
        if before && behind {
            all.insert(at, edit);
        }
    }
    good
}

/// The stretches of the hits in the source, in order: the first of each hit with its replacement, the others empty.
pub fn replacements(
    hits: &[Hit],
    sources: impl Fn(Range<usize>) -> Vec<Range<usize>>,
) -> Vec<(Range<usize>, &str)> {
    let mut out = Vec::new();
    for hit in hits {
        let pieces = hit.ranges.iter().flat_map(|range| sources(range.clone()));
        out.extend(pieces.enumerate().map(|(i, piece)| (piece, if i == 0 { hit.with.as_str() } else { "" })));
    }
    out.sort_by_key(|(range, _)| range.start);
    // Two characters made from the same octets map to the same place: once is enough.
    out.dedup_by(|next, kept| next.0.start < kept.0.end && next.1.is_empty());
    out
}
