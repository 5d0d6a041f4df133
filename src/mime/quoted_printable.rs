//! Quoted-printable: read leniently, written strictly, changed line by line.
//!
//! Rules: RFC 2045 §6.7. Blanks at a line end go; an `=` before a line end, with or without blanks between, joins two
//! lines; one that starts no escape is itself. A changed line is broken softly below 76 characters, never inside an
//! escape; the others keep their bytes.
//! When it fails: never.

use super::slice;
use super::transfer::{Edit, LINE, hex};
use super::view::View;

/// The decoded body, with the way back.
pub fn decode(raw: &[u8]) -> View {
    let mut view = View::with_capacity(raw.len());
    let mut at = 0;
    while at < raw.len() {
        let rest = raw.get(at..).unwrap_or_default();
        let (end, next) = match memchr::memmem::find(rest, b"\r\n") {
            Some(i) => (at + i, at + i + 2),
            None => (raw.len(), raw.len()),
        };
        let line = slice(raw, at..end).trim_ascii_end();
        let mut i = 0;
        let mut soft = false;
        while i < line.len() {
            let tail = line.get(i..).unwrap_or_default();
            let plain = memchr::memchr(b'=', tail).unwrap_or(tail.len());
            view.push_copied(tail.get(..plain).unwrap_or_default(), at + i);
            i += plain;
            match line.get(i + 1..).unwrap_or_default() {
                _ if i >= line.len() => {}
                [] => {
                    soft = true;
                    i += 1;
                }
                [a, b, ..] if hex(*a).is_some() && hex(*b).is_some() => {
                    let octet = hex(*a).unwrap_or(0) << 4 | hex(*b).unwrap_or(0);
                    view.push_made(&[octet], at + i..at + i + 3);
                    i += 3;
                }
                _ => {
                    view.push_copied(b"=", at + i);
                    i += 1;
                }
            }
        }
        if !soft {
            view.push_copied(slice(raw, end..next), end);
        }
        at = next;
    }
    view
}

/// Encodes a text; its CRLF stay line ends.
pub fn encode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 8);
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
            push_escaped(b, &mut out);
        }
        column += width;
        i += 1;
    }
    out
}

fn push_escaped(b: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("={b:02X}").as_bytes());
}

/// The encoded body with `edits` over the decoded one made in it.
pub fn edit(raw: &[u8], edits: &[Edit]) -> Vec<u8> {
    let view = decode(raw);
    let mut on_raw = Vec::new();
    for edit in edits {
        let mut with: Vec<u8> = Vec::new();
        for &b in &edit.with {
            if matches!(b, 33..=60 | 62..=126) {
                with.push(b);
            } else {
                push_escaped(b, &mut with);
            }
        }
        for (i, range) in view.sources(edit.range.clone()).into_iter().enumerate() {
            on_raw.push(Edit { range, with: if i == 0 { std::mem::take(&mut with) } else { Vec::new() } });
        }
    }
    let mut out = Vec::with_capacity(raw.len() + edits.len() * 64);
    let mut at = 0;
    let mut edits = on_raw.iter().peekable();
    // Line by line: what holds no edit is copied, what holds one is broken anew where it became too long.
    while at < raw.len() {
        let next = memchr::memmem::find(raw.get(at..).unwrap_or_default(), b"\r\n")
            .map_or(raw.len(), |i| at + i + 2);
        let mut line = Vec::new();
        let mut from = at;
        while let Some(edit) = edits.next_if(|edit| edit.range.start < next) {
            line.extend_from_slice(slice(raw, from..edit.range.start));
            line.extend_from_slice(&edit.with);
            from = edit.range.end.min(next).max(from);
        }
        if from == at && line.is_empty() {
            out.extend_from_slice(slice(raw, at..next));
        } else {
            line.extend_from_slice(slice(raw, from..next));
            rewrap(&line, &mut out);
        }
        at = next;
    }
    out
}

/// Breaks one encoded line softly wherever it is longer than 76 characters, never inside an escape.
fn rewrap(line: &[u8], out: &mut Vec<u8>) {
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
}
