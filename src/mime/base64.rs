//! Base64: read leniently, written in lines, changed from the first line that must.
//!
//! Rules: RFC 2045 §6.8. Octets outside the alphabet are skipped; a padded group is followed by another one, as where
//! two encoded texts were put together. A change keeps the lines before it and, where the groups of three meet again,
//! those behind it; the width of the lines stays.
//! When it fails: never.

use super::slice;
use super::transfer::{Edit, LINE, apply};
use data_encoding::BASE64;

fn sextet(b: u8) -> Option<u8> {
    match b {
        b'A'..=b'Z' => Some(b - b'A'),
        b'a'..=b'z' => Some(b - b'a' + 26),
        b'0'..=b'9' => Some(b - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

/// The decoded octets, and whether the text was base64 and nothing else.
pub fn decode(raw: &[u8]) -> (Vec<u8>, bool) {
    let mut out = Vec::with_capacity(raw.len() / 4 * 3 + 3);
    let mut clean = true;
    let mut group = 0u32;
    let mut filled = 0;
    let mut padded = false;
    for &b in raw {
        if let Some(value) = sextet(b) {
            clean &= !padded;
            group = group << 6 | u32::from(value);
            filled += 1;
            if filled == 4 {
                out.extend_from_slice(group.to_be_bytes().get(1..).unwrap_or_default());
                (group, filled) = (0, 0);
            }
        } else if b == b'=' {
            flush_group(group, filled, &mut out);
            (group, filled) = (0, 0);
            padded = true;
        } else {
            clean &= b.is_ascii_whitespace();
        }
    }
    clean &= filled == 0;
    flush_group(group, filled, &mut out);
    (out, clean)
}

/// What an unfinished group of `filled` characters still holds.
fn flush_group(group: u32, filled: u32, out: &mut Vec<u8>) {
    let octets = (group << (6 * (4 - filled.min(4)))).to_be_bytes();
    let whole = match filled {
        2 => 1,
        3 => 2,
        _ => 0,
    };
    out.extend_from_slice(octets.get(1..1 + whole).unwrap_or_default());
}

/// Appends `bytes` in lines of `width` characters.
pub fn wrap(bytes: &[u8], width: usize, out: &mut Vec<u8>) {
    for chunk in bytes.chunks((width / 4 * 3).max(3)) {
        out.extend_from_slice(BASE64.encode(chunk).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// Where a line begins: offset in the encoded text, and in the decoded one.
struct LineStart {
    raw: usize,
    decoded: usize,
}

/// Keeps the lines before the first change, and those behind the last one where the groups of three still meet.
pub fn edit(raw: &[u8], edits: &[Edit]) -> Vec<u8> {
    let (decoded, clean) = decode(raw);
    let (Some(first), Some(last)) = (edits.first(), edits.last()) else { return raw.to_vec() };
    let mut starts = Vec::new();
    let mut width = LINE;
    if clean {
        let (mut at, mut characters) = (0, 0usize);
        for line in raw.split_inclusive(|&b| b == b'\n') {
            if characters.is_multiple_of(4) {
                starts.push(LineStart { raw: at, decoded: characters / 4 * 3 });
            }
            let here = line.iter().filter(|b| sextet(**b).is_some()).count();
            if at == 0 && here.is_multiple_of(4) && (4..=LINE).contains(&here) {
                width = here;
            }
            characters += here;
            at += line.len();
        }
    }
    let from = starts.iter().take_while(|s| s.decoded <= first.range.start).last();
    let (raw_from, from) = from.map_or((0, 0), |s| (s.raw, s.decoded));
    let grown: usize = edits.iter().map(|e| e.with.len()).sum();
    let gone: usize = edits.iter().map(|e| e.range.len()).sum();
    let meets = grown.abs_diff(gone).is_multiple_of(3);
    let until = starts.iter().find(|s| meets && s.decoded >= last.range.end && s.decoded < decoded.len());
    let end = until.map_or(decoded.len(), |s| s.decoded);

    let shifted: Vec<Edit> = edits
        .iter()
        .map(|e| Edit {
            range: e.range.start.saturating_sub(from)..e.range.end.saturating_sub(from),
            with: e.with.clone(),
        })
        .collect();
    let changed = apply(slice(&decoded, from..end), &shifted);
    let mut out = Vec::with_capacity(raw.len() + grown * 2 + 8);
    out.extend_from_slice(slice(raw, 0..raw_from));
    wrap(&changed, width, &mut out);
    match until {
        Some(start) => out.extend_from_slice(raw.get(start.raw..).unwrap_or_default()),
        // As many line ends at the end as there were.
        None => {
            let content = raw.trim_ascii_end().len();
            out.truncate(out.trim_ascii_end().len());
            out.extend_from_slice(raw.get(content..).unwrap_or_default());
        }
    }
    out
}
