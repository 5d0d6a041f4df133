//! Quoted-printable: read leniently, written strictly, changed line by line.
//!
//! Rules: RFC 2045 §6.7. Blanks at a line end go; an `=` before a line end, with or without blanks between, joins two
//! lines; one that starts no escape is itself. A changed line is broken softly below 76 characters, never inside an
//! escape; the others keep their bytes.
//! When it fails: never.

use super::transfer::{Edit, LINE, hex};
use super::{room, slice};
use std::ops::Range;

/// The decoded body.
pub fn decode(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(room(raw.len()));
    each_line(raw, |line| {
        read_line(line, |piece| match piece {
            Piece::Copied(range) if range.len() == 1 => out.extend(line.get(range.start)),
            Piece::Copied(range) => out.extend_from_slice(slice(line, range)),
            Piece::Made(octet, _) => out.push(octet),
        });
    });
    out
}

/// A piece of a decoded line.
enum Piece {
    /// As it stands in the line.
    Copied(Range<usize>),
    /// Made from an escape.
    Made(u8, Range<usize>),
}

/// Calls `each` with every line, its line end included.
fn each_line(raw: &[u8], mut each: impl FnMut(&[u8])) {
    let mut at = 0;
    let is_end = |end: &usize| end.checked_sub(1).and_then(|i| raw.get(i)) == Some(&b'\r');
    for end in memchr::memchr_iter(b'\n', raw).filter(is_end) {
        each(raw.get(at..=end).unwrap_or_default());
        at = end + 1;
    }
    if at < raw.len() {
        each(raw.get(at..).unwrap_or_default());
    }
}

/// Decodes one line, its line end included.
fn read_line(line: &[u8], mut each: impl FnMut(Piece)) {
    let text = line.strip_suffix(b"\r\n").unwrap_or(line);
    let content = text.trim_ascii_end();
    let mut i = 0;
    let mut soft = false;
    while i < content.len() {
        let tail = content.get(i..).unwrap_or_default();
        // Escape follows on escape where the text is not Latin.
        let near = tail.iter().take(8).position(|b| *b == b'=');
        let plain = near.or_else(|| memchr::memchr(b'=', tail)).unwrap_or(tail.len());
        if plain > 0 {
            each(Piece::Copied(i..i + plain));
        }
        i += plain;
        match content.get(i + 1..).unwrap_or_default() {
            _ if i >= content.len() => {}
            [] => {
                soft = true;
                i += 1;
            }
            [a, b, ..] if hex(*a).is_some() && hex(*b).is_some() => {
                each(Piece::Made(hex(*a).unwrap_or(0) << 4 | hex(*b).unwrap_or(0), i..i + 3));
                i += 3;
            }
            _ => {
                each(Piece::Copied(i..i + 1));
                i += 1;
            }
        }
    }
    if !soft && text.len() < line.len() {
        each(Piece::Copied(text.len()..line.len()));
    }
}

/// Appends an encoded text; its CRLF stay line ends.
pub fn encode_into(bytes: &[u8], out: &mut Vec<u8>) {
    let mut column = 0;
    let mut i = 0;
    while let Some(&b) = bytes.get(i) {
        if bytes.get(i..i + 2) == Some(b"\r\n") {
            out.extend_from_slice(b"\r\n");
            column = 0;
            i += 2;
            continue;
        }
        let at_end = matches!(bytes.get(i + 1), None | Some(b'\r'));
        let literal = matches!(b, 33..=60 | 62..=126) || (matches!(b, b' ' | b'\t') && !at_end);
        let width = if literal { 1 } else { 3 };
        if column + width > LINE - 1 {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        if literal {
            out.push(b);
        } else {
            push_escaped(b, out);
        }
        column += width;
        i += 1;
    }
}

fn push_escaped(b: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("={b:02X}").as_bytes());
}

/// Appends the encoded body with `edits` over the decoded one made in it. What holds no edit is copied line by line.
pub fn edit(raw: &[u8], edits: &[Edit], out: &mut Vec<u8>) {
    let mut done = 0;
    // Where the decoded text of the line begins, and the first edit that is not behind it.
    let (mut decoded, mut next) = (0, 0);
    each_line(raw, |line| {
        let from = decoded;
        read_line(line, |piece| {
            decoded += match piece {
                Piece::Copied(range) => range.len(),
                Piece::Made(..) => 1,
            }
        });
        let open = edits.get(next..).unwrap_or_default();
        let here = open.iter().take_while(|edit| edit.range.start < decoded).count();
        let here = open.get(..here).unwrap_or_default();
        if here.is_empty() {
            out.extend_from_slice(line);
            return;
        }
        rewrap(&changed(line, from, here, &mut done), out);
        // One that reaches beyond the line goes on in the next one.
        next += here.iter().take_while(|edit| edit.range.end <= decoded).count();
        next = next.min(edits.len());
    });
}

/// One line, whose decoded text begins at `from`, with its edits made. `done` counts the edits whose text is written.
fn changed(line: &[u8], from: usize, edits: &[Edit], done: &mut usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len() + 64);
    let mut at = from;
    let mut copied = 0;
    let mut write = |octet: Range<usize>, source: Range<usize>| {
        let Some(edit) =
            edits.iter().find(|edit| edit.range.start < octet.end && edit.range.end > octet.start)
        else {
            return;
        };
        out.extend_from_slice(slice(line, copied..source.start));
        copied = source.end;
        if *done <= edit.range.start {
            // Its own place is remembered, so that it is written once, be it over several lines.
            *done = edit.range.start + 1;
            if edit.with.iter().all(|b| matches!(b, 33..=60 | 62..=126)) {
                out.extend_from_slice(&edit.with);
            } else {
                encode_into(&edit.with, &mut out);
            }
        }
    };
    read_line(line, |piece| match piece {
        Piece::Copied(range) => {
            for i in range {
                write(at..at + 1, i..i + 1);
                at += 1;
            }
        }
        Piece::Made(_, range) => {
            write(at..at + 1, range);
            at += 1;
        }
    });
    out.extend_from_slice(slice(line, copied..line.len()));
    out
}

/// Breaks encoded lines softly wherever they are longer than 76 characters, never inside an escape.
fn rewrap(lines: &[u8], out: &mut Vec<u8>) {
    each_line(lines, |line| {
        let (mut content, end) = match line.strip_suffix(b"\r\n") {
            Some(content) => (content, b"\r\n".as_slice()),
            None => (line, b"".as_slice()),
        };
        while content.len() > LINE {
            let mut cut = LINE - 1;
            for back in 1..=2 {
                if content.get(LINE - 1 - back) == Some(&b'=') {
                    cut = LINE - 1 - back;
                }
            }
            let (head, tail) = content.split_at_checked(cut).unwrap_or((content, &[]));
            out.extend_from_slice(head);
            out.extend_from_slice(b"=\r\n");
            content = tail;
        }
        out.extend_from_slice(content);
        out.extend_from_slice(end);
    });
}
