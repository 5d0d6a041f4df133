//! OpenPGP and PEM blocks in a text: what takes signature frames and keys out of it, and whether it is encrypted.
//!
//! Rules: RFC 9580 §6.2 (armour) and §7 (cleartext signatures, dash escapes); RFC 7468 and RFC 4716 for the other
//! blocks. A signature names its key and often its owner, so that a block is found wherever a mail program has put
//! it: quoted, escaped within another frame, between HTML tags, all on one line, without its end. A frame that no
//! block follows is taken away all the same. What only speaks of such blocks stays.
//! When it fails: never; a text without blocks has no edits. Edits of [`cleartext`] and [`keys`] may overlap: make
//! those of one before the other reads.

mod marker;

use super::slice;
use super::transfer::Edit;
use marker::{Marker, Verb, has_armour, is_armour, line_at, markers};
use std::ops::Range;

/// Labels of blocks that hold a key or name its owner.
const KEYS: [&str; 14] = [
    "PGP PUBLIC KEY BLOCK",
    "PGP PRIVATE KEY BLOCK",
    "PGP SECRET KEY BLOCK",
    "CERTIFICATE",
    "X509 CERTIFICATE",
    "TRUSTED CERTIFICATE",
    "ATTRIBUTE CERTIFICATE",
    "CERTIFICATE REQUEST",
    "NEW CERTIFICATE REQUEST",
    "PKCS7",
    "PKCS #7 SIGNED DATA",
    "CMS",
    "SSH2 PUBLIC KEY",
    "OPENSSH PRIVATE KEY",
];
const SIGNED: &str = "PGP SIGNED MESSAGE";
const SIGNATURE: &str = "PGP SIGNATURE";
const ENCRYPTED: &str = "PGP MESSAGE";

/// Headers of a frame (RFC 9580 §7), and what older programs wrote there.
const FRAME_HEADERS: [&[u8]; 6] =
    [b"hash:", b"notdashescaped:", b"charset:", b"version:", b"comment:", b"messageid:"];
/// Most headers of a frame.
const MAX_HEADERS: usize = 16;
/// Deepest nesting of frames whose escapes are undone.
const MAX_FRAMES: usize = 8;

/// What takes the frames of cleartext signatures out of a text; `None` where it has none.
#[must_use]
pub fn cleartext(text: &[u8]) -> Option<Vec<Edit>> {
    let markers = markers(text);
    let mut edits = Vec::new();
    let (mut at, mut frames) = (0, 0usize);
    for (i, marker) in markers.iter().enumerate() {
        if marker.line.start < at || marker.verb != Verb::Begin {
            continue;
        }
        let end = match marker.label.as_str() {
            SIGNATURE => block(text, &markers, i),
            SIGNED if marker.is_alone => Some(headers_end(before(text, markers.get(i + 1)), marker.line.end)),
            _ => None,
        };
        let Some(end) = end else { continue };
        escapes(text, at..marker.line.start, frames, &mut edits);
        remove(marker.line.start..end, &mut edits);
        at = end;
        frames = if marker.label == SIGNED { (frames + 1).min(MAX_FRAMES) } else { frames.saturating_sub(1) };
    }
    escapes(text, at..text.len(), frames, &mut edits);
    (!edits.is_empty()).then_some(edits)
}

/// What takes keys and certificates out of a text.
#[must_use]
pub fn keys(text: &[u8]) -> Vec<Edit> {
    let markers = markers(text);
    let mut edits = Vec::new();
    let mut at = 0;
    for (i, marker) in markers.iter().enumerate() {
        let is_key = marker.verb == Verb::Begin && KEYS.contains(&marker.label.as_str());
        if is_key
            && marker.line.start >= at
            && let Some(end) = block(text, &markers, i)
        {
            remove(marker.line.start..end, &mut edits);
            at = end;
        }
    }
    edits
}

/// Whether a text has an encrypted block. One that is only signed, and packed with its text, looks the same.
#[must_use]
pub fn is_encrypted(text: &[u8]) -> bool {
    let is_message = |label: &str| {
        label.strip_prefix(ENCRYPTED).is_some_and(|part| part.is_empty() || part.starts_with(", PART"))
    };
    markers(text).iter().any(|m| m.verb == Verb::Begin && m.is_alone && is_message(&m.label))
}

/// The text up to the line of a marker, if there is one: no search goes on beyond it.
fn before<'a>(text: &'a [u8], marker: Option<&Marker>) -> &'a [u8] {
    marker.and_then(|marker| text.get(..marker.line.start)).unwrap_or(text)
}

fn remove(range: Range<usize>, edits: &mut Vec<Edit>) {
    edits.push(Edit { range, with: Vec::new() });
}

/// Where the block ends that the marker `i` begins; `None` where it is only spoken of.
fn block(text: &[u8], markers: &[Marker], i: usize) -> Option<usize> {
    let begin = markers.get(i)?;
    let next = markers.get(i + 1);
    if let Some(end) = next.filter(|end| end.verb == Verb::End && end.label == begin.label) {
        let between = slice(text, begin.range.end..end.range.start);
        return (begin.is_alone || has_armour(between)).then_some(end.line.end);
    }
    // Without its end: as far as lines look like an armour.
    let text = before(text, next);
    let (mut at, mut end, mut armoured) = (begin.line.end, None, false);
    while at < text.len() {
        let line = line_at(text, at);
        let core = slice(text, line.core.clone());
        let is_header = !armoured && core.iter().position(|b| *b == b':').is_some_and(|colon| colon < 12);
        armoured |= is_armour(core);
        if !(is_armour(core) || core.is_empty() || is_header) {
            break;
        }
        if is_armour(core) {
            end = Some(line.removal().end);
        }
        at = line.range.end.max(at + 1);
    }
    end.or(begin.is_alone.then_some(begin.line.end)).map(|end| end.min(text.len()).max(begin.range.end))
}

/// Where the text of a frame begins, whose headers begin at `at`.
fn headers_end(text: &[u8], mut at: usize) -> usize {
    let mut end = at;
    for _ in 0..MAX_HEADERS {
        let line = line_at(text, at);
        let core = slice(text, line.core.clone());
        let is_header = FRAME_HEADERS
            .iter()
            .any(|name| core.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name)));
        // The empty line behind the headers is the frame's too. One with tags is another paragraph.
        if is_header || (core.is_empty() && !line.has_tags) {
            end = line.removal().end;
        }
        if !is_header {
            break;
        }
        at = line.range.end;
    }
    end
}

/// Undoes the dash escapes (RFC 9580 §7.2) of the lines in `range`, which stand in so many frames. Only what needed
/// one is taken for an escape: in a frame that a mail program has already undone, `- ` begins the items of a list.
fn escapes(text: &[u8], range: Range<usize>, frames: usize, edits: &mut Vec<Edit>) {
    if frames == 0 {
        return;
    }
    let text = text.get(..range.end).unwrap_or(text);
    let mut at = range.start;
    while at < text.len() {
        let line = line_at(text, at);
        // Marks of quoting hold the escapes too.
        let core = slice(text, line.core.clone());
        let mut quoting = slice(text, line.range.start..line.core.start);
        let mut dashes = 0;
        while let Some(before) = quoting.strip_suffix(b"- ") {
            quoting = before;
            dashes += 1;
        }
        if !core.starts_with(b"-") && !core.starts_with(b"From ") {
            dashes = usize::saturating_sub(dashes, 1);
        }
        if dashes > 0 {
            let start = line.range.start + quoting.len();
            remove(start..start + 2 * dashes.min(frames), edits);
        }
        at = line.range.end.max(at + 1);
    }
}

#[cfg(test)]
mod tests;
