//! Base64: read leniently, written in lines, changed from the first line that must.
//!
//! Rules: RFC 2045 §6.8. Octets outside the alphabet are skipped; a padded group is followed by another one, as where
//! two encoded texts were put together. A change keeps the lines before it and, where the groups of three meet again,
//! those behind it; the width of the lines stays.
//! When it fails: never.

use super::slice;
use super::transfer::{Edit, LINE};
use data_encoding::BASE64;

/// What an octet stands for: 0 to 63, or that it is none of the alphabet.
const SEXTETS: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [NONE; 256];
    let mut i = 0;
    while i < alphabet.len() {
        #[expect(clippy::cast_possible_truncation, reason = "i is below 64")]
        let value = i as u8;
        table[alphabet[i] as usize] = value;
        i += 1;
    }
    table
};
const NONE: u8 = 0x80;

fn sextet(b: u8) -> Option<u8> {
    let value = SEXTETS.get(usize::from(b)).copied().unwrap_or(NONE);
    (value != NONE).then_some(value)
}

/// Appends what a line of whole groups and nothing else holds; says whether it was one.
fn decode_line(line: &[u8], out: &mut Vec<u8>) -> bool {
    if !line.len().is_multiple_of(4) {
        return false;
    }
    let from = out.len();
    let value = |b: u8| u32::from(SEXTETS.get(usize::from(b)).copied().unwrap_or(NONE));
    let mut seen = 0;
    out.extend(line.as_chunks::<4>().0.iter().flat_map(|[a, b, c, d]| {
        let (a, b, c, d) = (value(*a), value(*b), value(*c), value(*d));
        seen |= a | b | c | d;
        let [_, x, y, z] = (a << 18 | b << 12 | c << 6 | d).to_be_bytes();
        [x, y, z]
    }));
    if seen >= u32::from(NONE) {
        out.truncate(from);
        return false;
    }
    true
}

/// The decoded octets, and whether the text was base64 and nothing else.
pub fn decode(raw: &[u8]) -> (Vec<u8>, bool) {
    let mut out = Vec::with_capacity(raw.len() / 4 * 3 + 3);
    let mut clean = true;
    let mut group = 0u32;
    let mut filled = 0;
    let mut padded = false;
    let mut rest = raw;
    while !rest.is_empty() {
        let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |i| i + 1);
        let (line, tail) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        rest = tail;
        if filled == 0 && !padded && decode_line(line.trim_ascii_end(), &mut out) {
            continue;
        }
        for &b in line {
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
    }
    clean &= filled == 0;
    flush_group(group, filled, &mut out);
    (out, clean)
}

/// Length of the lines at the beginning that are base64 or blank and nothing else.
pub fn pure_length(raw: &[u8]) -> usize {
    let mut at = 0;
    for line in raw.split_inclusive(|&b| b == b'\n') {
        let text = line.trim_ascii();
        let end = text.iter().rposition(|b| *b != b'=').map_or(0, |i| i + 1);
        if !text.get(..end).unwrap_or_default().iter().all(|b| sextet(*b).is_some()) {
            break;
        }
        at += line.len();
    }
    at
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
        let from = out.len();
        out.resize(from + BASE64.encode_len(chunk.len()), 0);
        if let Some(room) = out.get_mut(from..) {
            BASE64.encode_mut(chunk, room);
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Where a line begins: offset in the encoded text, and in the decoded one.
#[derive(Clone, Copy)]
struct LineStart {
    raw: usize,
    decoded: usize,
}

/// What is known of the lines around the changes.
struct Frame {
    /// The last line start before the first change.
    from: LineStart,
    /// The first one behind the last change where the groups of three meet again.
    until: Option<LineStart>,
    width: usize,
}

fn frame(raw: &[u8], first: usize, last: usize, meets: bool, decoded: usize) -> Frame {
    let mut frame = Frame { from: LineStart { raw: 0, decoded: 0 }, until: None, width: LINE };
    let (mut at, mut characters) = (0, 0usize);
    for line in raw.split_inclusive(|&b| b == b'\n') {
        if characters.is_multiple_of(4) {
            let start = LineStart { raw: at, decoded: characters / 4 * 3 };
            if start.decoded <= first {
                frame.from = start;
            } else if meets && start.decoded >= last && start.decoded < decoded {
                frame.until = Some(start);
                break;
            }
        }
        let here = line.iter().filter(|b| sextet(**b).is_some()).count();
        if at == 0 && here.is_multiple_of(4) && (4..=LINE).contains(&here) {
            frame.width = here;
        }
        characters += here;
        at += line.len();
    }
    frame
}

/// Appends the encoded text with `edits` over the decoded one made in it. Keeps the lines before the first change, and
/// those behind the last one where the groups of three still meet.
pub fn edit(raw: &[u8], edits: &[Edit], out: &mut Vec<u8>) {
    let (decoded, clean) = decode(raw);
    let (Some(first), Some(last)) = (edits.first(), edits.last()) else {
        out.extend_from_slice(raw);
        return;
    };
    let grown: usize = edits.iter().map(|e| e.with.len()).sum();
    let gone: usize = edits.iter().map(|e| e.range.len()).sum();
    let meets = grown.abs_diff(gone).is_multiple_of(3);
    let frame = if clean {
        frame(raw, first.range.start, last.range.end, meets, decoded.len())
    } else {
        Frame { from: LineStart { raw: 0, decoded: 0 }, until: None, width: LINE }
    };
    let end = frame.until.map_or(decoded.len(), |start| start.decoded);
    let start = out.len();
    out.extend_from_slice(slice(raw, 0..frame.from.raw));
    let mut lines = Lines { width: (frame.width / 4 * 3).max(3), held: Vec::new(), out };
    let mut at = frame.from.decoded;
    for edit in edits {
        lines.push(slice(&decoded, at..edit.range.start.max(at)));
        lines.push(&edit.with);
        at = at.max(edit.range.end);
    }
    lines.push(slice(&decoded, at..end));
    lines.end();
    match frame.until {
        Some(until) => out.extend_from_slice(raw.get(until.raw..).unwrap_or_default()),
        // As many line ends at the end as there were.
        None => {
            let content = raw.trim_ascii_end().len();
            out.truncate(slice(out, start..out.len()).trim_ascii_end().len() + start);
            out.extend_from_slice(raw.get(content..).unwrap_or_default());
        }
    }
}

/// Encodes in lines what comes in pieces.
struct Lines<'a> {
    width: usize,
    held: Vec<u8>,
    out: &'a mut Vec<u8>,
}

impl Lines<'_> {
    fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        if !self.held.is_empty() {
            let missing = self.width.saturating_sub(self.held.len()).min(rest.len());
            let (head, tail) = rest.split_at_checked(missing).unwrap_or((rest, &[]));
            self.held.extend_from_slice(head);
            rest = tail;
            if self.held.len() < self.width {
                return;
            }
            wrap(&self.held, self.width / 3 * 4, self.out);
            self.held.clear();
        }
        let whole = rest.len() / self.width * self.width;
        let (lines, tail) = rest.split_at_checked(whole).unwrap_or((rest, &[]));
        wrap(lines, self.width / 3 * 4, self.out);
        self.held.extend_from_slice(tail);
    }

    fn end(&mut self) {
        wrap(&self.held, self.width / 3 * 4, self.out);
        self.held.clear();
    }
}
