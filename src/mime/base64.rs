//! Base64: read leniently, written in lines, changed from the first line that must.
//!
//! Rules: RFC 2045 §6.8. Octets outside the alphabet are skipped; a padded group is followed by another one, as where
//! two encoded texts were put together. A change keeps the lines before it and, where the groups of three meet again,
//! those behind it; the width of the lines stays.
//! When it fails: never.

use super::transfer::{Edit, LINE};
use super::{room, slice};
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

/// Whether octets are of the alphabet, all of them. Looked at in blocks, without the table: that is what vectors do.
fn is_all_alphabet(octets: &[u8]) -> bool {
    let is_one = |b: u8| {
        ((b | 0x20).wrapping_sub(b'a') < 26) | (b.wrapping_sub(b'0') < 10) | (b == b'+') | (b == b'/')
    };
    octets.chunks(64).all(|block| block.iter().fold(0, |others, b| others | u8::from(!is_one(*b))) == 0)
}

/// Appends what a line of whole groups and nothing else holds; says whether it was one.
fn decode_line(line: &[u8], out: &mut Vec<u8>) -> bool {
    if !line.len().is_multiple_of(4) {
        return false;
    }
    let from = out.len();
    let groups = line.as_chunks::<4>().0;
    out.resize(from + groups.len() * 3, 0);
    let room = out.get_mut(from..).unwrap_or_default().as_chunks_mut::<3>().0;
    let mut seen = 0;
    for (group, octets) in groups.iter().zip(room) {
        let [a, b, c, d] = *group;
        let bits = sextet_at(0, a) | sextet_at(1, b) | sextet_at(2, c) | sextet_at(3, d);
        seen |= bits;
        let [_, x, y, z] = bits.to_be_bytes();
        *octets = [x, y, z];
    }
    if seen >= ALIEN {
        out.truncate(from);
        return false;
    }
    true
}

/// Beyond the 24 bits of a group: there is an octet that is none of the alphabet.
const ALIEN: u32 = 1 << 24;

/// What an octet stands for in each of the four places of a group.
static PLACES: [[u32; 256]; 4] = {
    let mut table = [[ALIEN; 256]; 4];
    let mut i = 0;
    while i < 256 {
        if SEXTETS[i] != NONE {
            let value = SEXTETS[i] as u32;
            table[0][i] = value << 18;
            table[1][i] = value << 12;
            table[2][i] = value << 6;
            table[3][i] = value;
        }
        i += 1;
    }
    table
};

fn sextet_at(place: usize, b: u8) -> u32 {
    PLACES.get(place).and_then(|table| table.get(usize::from(b))).copied().unwrap_or(ALIEN)
}

/// The decoded octets, and whether the text was base64 and nothing else.
pub fn decode(raw: &[u8]) -> (Vec<u8>, bool) {
    let mut out = Vec::with_capacity(room(raw.len() / 4 * 3 + 3));
    let mut decoder = Decoder::default();
    each_line(raw, |line| decoder.line(line, &mut out));
    let clean = decoder.finish(&mut out);
    (out, clean)
}

/// Calls `each` with every line, its line end included.
fn each_line(raw: &[u8], mut each: impl FnMut(&[u8])) {
    let mut rest = raw;
    while !rest.is_empty() {
        let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |i| i + 1);
        let (line, tail) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        each(line);
        rest = tail;
    }
}

/// Decodes line by line.
#[derive(Default)]
struct Decoder {
    group: u32,
    filled: u32,
    padded: bool,
    is_odd: bool,
}

impl Decoder {
    /// Whether a line of whole groups can be read by itself.
    fn is_between_groups(&self) -> bool {
        self.filled == 0 && !self.padded
    }

    /// Appends what a line holds, with what was left of the one before.
    fn line(&mut self, line: &[u8], out: &mut Vec<u8>) {
        if self.is_between_groups() && decode_line(line.trim_ascii_end(), out) {
            return;
        }
        for &b in line {
            if let Some(value) = sextet(b) {
                self.is_odd |= self.padded;
                self.group = self.group << 6 | u32::from(value);
                self.filled += 1;
                if self.filled == 4 {
                    out.extend_from_slice(self.group.to_be_bytes().get(1..).unwrap_or_default());
                    (self.group, self.filled) = (0, 0);
                }
            } else if b == b'=' {
                flush_group(self.group, self.filled, out);
                (self.group, self.filled) = (0, 0);
                self.padded = true;
            } else {
                self.is_odd |= !b.is_ascii_whitespace();
            }
        }
    }

    /// Appends what an unfinished group holds; says whether there was base64 and nothing else.
    fn finish(self, out: &mut Vec<u8>) -> bool {
        flush_group(self.group, self.filled, out);
        !self.is_odd && self.filled == 0
    }
}

/// Length of the lines at the beginning that are base64 or blank. Programs skip stray octets (RFC 2045 §6.8), so a few of
/// them do not make a text of a line; words do.
pub fn pure_length(raw: &[u8]) -> usize {
    let mut at = 0;
    let mut rest = raw;
    while !rest.is_empty() {
        let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |i| i + 1);
        let (line, tail) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        rest = tail;
        let text = line.trim_ascii();
        // Nearly every line is digits alone.
        if is_all_alphabet(text) {
            at += line.len();
            continue;
        }
        let blanks = text.iter().filter(|b| b.is_ascii_whitespace()).count();
        let known = |b: &&u8| **b == b'=' || b.is_ascii_whitespace() || sextet(**b).is_some();
        let stray = text.len() - text.iter().filter(known).count();
        if blanks > 1 || stray * 8 > text.len() {
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
    while at < raw.len() {
        let rest = raw.get(at..).unwrap_or_default();
        let line = rest.get(..memchr::memchr(b'\n', rest).map_or(rest.len(), |i| i + 1)).unwrap_or_default();
        if characters.is_multiple_of(4) {
            let start = LineStart { raw: at, decoded: characters / 4 * 3 };
            if start.decoded <= first {
                frame.from = start;
            } else if meets && start.decoded >= last && start.decoded < decoded {
                frame.until = Some(start);
                break;
            }
        }
        let text = line.trim_ascii_end();
        let here = if is_all_alphabet(text) {
            text.len()
        } else {
            line.iter().filter(|b| sextet(**b).is_some()).count()
        };
        if at == 0 && here.is_multiple_of(4) && (4..=LINE).contains(&here) {
            frame.width = here;
        }
        characters += here;
        at += line.len();
    }
    frame
}

/// Appends the encoded text with `edits` over the decoded one made in it. Keeps the lines before the first change, and
/// those behind the last one where the groups of three still meet. Holds no more than a line of the decoded text.
pub fn edit(raw: &[u8], edits: &[Edit], out: &mut Vec<u8>) {
    let (Some(first), Some(last)) = (edits.first(), edits.last()) else {
        out.extend_from_slice(raw);
        return;
    };
    let (decoded, clean) = decoded_length(raw);
    let grown: usize = edits.iter().map(|e| e.with.len()).sum();
    let gone: usize = edits.iter().map(|e| e.range.len()).sum();
    let meets = grown.abs_diff(gone).is_multiple_of(3);
    let frame = if clean {
        frame(raw, first.range.start, last.range.end, meets, decoded)
    } else {
        Frame { from: LineStart { raw: 0, decoded: 0 }, until: None, width: LINE }
    };
    let start = out.len();
    out.extend_from_slice(slice(raw, 0..frame.from.raw));
    let lines = Lines { width: (frame.width / 4 * 3).max(3), held: Vec::new(), out };
    let mut editor = Editor { edits, at: frame.from.decoded, copied: frame.from.decoded, lines };
    let end = frame.until.map_or(raw.len(), |start| start.raw);
    let (mut decoder, mut octets) = (Decoder::default(), Vec::new());
    each_line(slice(raw, frame.from.raw..end), |line| {
        octets.clear();
        decoder.line(line, &mut octets);
        editor.push(&octets);
    });
    octets.clear();
    decoder.finish(&mut octets);
    editor.push(&octets);
    editor.end();
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

/// How many octets a text decodes to, and whether it is base64 and nothing else.
fn decoded_length(raw: &[u8]) -> (usize, bool) {
    let (mut decoder, mut octets, mut length) = (Decoder::default(), Vec::new(), 0);
    each_line(raw, |line| {
        let text = line.trim_ascii_end();
        if decoder.is_between_groups() && text.len().is_multiple_of(4) && is_all_alphabet(text) {
            length += text.len() / 4 * 3;
            return;
        }
        octets.clear();
        decoder.line(line, &mut octets);
        length += octets.len();
    });
    octets.clear();
    let clean = decoder.finish(&mut octets);
    (length + octets.len(), clean)
}

/// Makes edits in decoded octets that come in pieces.
struct Editor<'a> {
    /// Those that are not made yet.
    edits: &'a [Edit],
    /// Where the next piece begins.
    at: usize,
    /// What lies before is copied or gone.
    copied: usize,
    lines: Lines<'a>,
}

impl Editor<'_> {
    fn push(&mut self, octets: &[u8]) {
        let end = self.at + octets.len();
        let here = |from: usize, to: usize| {
            slice(octets, from.saturating_sub(self.at)..to.clamp(self.at, end) - self.at)
        };
        while let Some((edit, rest)) = self.edits.split_first() {
            if edit.range.start >= end {
                break;
            }
            self.lines.push(here(self.copied, edit.range.start));
            self.lines.push(&edit.with);
            self.copied = self.copied.max(edit.range.end);
            self.edits = rest;
        }
        self.lines.push(here(self.copied, end));
        self.copied = self.copied.max(end);
        self.at = end;
    }

    fn end(mut self) {
        self.edits.iter().for_each(|edit| self.lines.push(&edit.with));
        self.lines.end();
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
