//! UTF-16, UTF-32 and UTF-7: the forms of Unicode in which ASCII is not written as ASCII.
//!
//! Rules: a byte order mark decides, else the label, else little-endian; UTF-7 is RFC 2152, read leniently: a run of
//! base64 ends with the first character outside its alphabet, a hyphen there belongs to it. Written UTF-7 keeps what
//! RFC 2152 calls direct, and `=` and `\` are not direct.
//! When it fails: never; what is no character becomes U+FFFD.

use super::transfer::sextet;
use super::view::View;
use data_encoding::BASE64_NOPAD;

/// UTF-16 by its byte order mark, else as labelled.
pub fn utf16(bytes: &[u8], big_endian: bool) -> View {
    let (start, big) = match bytes {
        [0xfe, 0xff, ..] => (2, true),
        [0xff, 0xfe, ..] => (2, false),
        _ => (0, big_endian),
    };
    let units = bytes.get(start..).unwrap_or_default().chunks_exact(2).map(|pair| match pair {
        [a, b] if big => u16::from_be_bytes([*a, *b]),
        [a, b] => u16::from_le_bytes([*a, *b]),
        _ => 0xfffd,
    });
    let mut view = View::with_capacity(bytes.len());
    let mut at = start;
    let mut room = [0u8; 4];
    for unit in char::decode_utf16(units) {
        let c = unit.unwrap_or(char::REPLACEMENT_CHARACTER);
        let width = if c.len_utf16() == 2 { 4 } else { 2 };
        view.push_made(c.encode_utf8(&mut room).as_bytes(), at..at + width);
        at += width;
    }
    view
}

/// Whether the octets are big-endian: by their byte order mark, else as labelled.
pub fn is_big_endian(bytes: &[u8], labelled: bool) -> bool {
    match bytes {
        [0, 0, 0xfe, 0xff, ..] | [0xfe, 0xff, ..] => true,
        [0xff, 0xfe, ..] => false,
        _ => labelled,
    }
}

/// UTF-32 by its byte order mark, else as labelled.
pub fn utf32(bytes: &[u8], big_endian: bool) -> View {
    let big = is_big_endian(bytes, big_endian);
    let marked = matches!(bytes, [0, 0, 0xfe, 0xff, ..] | [0xff, 0xfe, 0, 0, ..]);
    let mut view = View::with_capacity(bytes.len() / 2);
    let mut room = [0u8; 4];
    for (i, unit) in bytes.chunks_exact(4).enumerate().skip(usize::from(marked)) {
        let unit: [u8; 4] = unit.try_into().unwrap_or_default();
        let code = if big { u32::from_be_bytes(unit) } else { u32::from_le_bytes(unit) };
        let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        view.push_made(c.encode_utf8(&mut room).as_bytes(), i * 4..i * 4 + 4);
    }
    view
}

/// UTF-7. The characters of a run all come from the whole run.
pub fn utf7(bytes: &[u8]) -> View {
    let mut view = View::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        let plain = memchr::memchr(b'+', rest).unwrap_or(rest.len());
        view.push_copied(rest.get(..plain).unwrap_or_default(), at);
        at += plain;
        let Some(run) = bytes.get(at + 1..) else { break };
        let length = run.iter().take_while(|b| is_base64(**b)).count();
        let hyphen = usize::from(run.get(length) == Some(&b'-'));
        let end = at + 1 + length + hyphen;
        if length == 0 {
            view.push_made(b"+", at..end);
        } else {
            view.push_whole(run_text(run.get(..length).unwrap_or_default()).as_bytes(), at..end);
        }
        at = end;
    }
    view
}

fn is_base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'+' || b == b'/'
}

fn run_text(run: &[u8]) -> String {
    let (mut bits, mut count) = (0u32, 0u32);
    let mut units: Vec<u16> = Vec::with_capacity(run.len() * 3 / 8 + 1);
    for b in run {
        bits = bits << 6 | u32::from(sextet(*b));
        count += 6;
        if count >= 16 {
            count -= 16;
            units.extend(u16::try_from(bits >> count & 0xffff));
            bits &= (1 << count) - 1;
        }
    }
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// `text` in UTF-7.
pub fn encode_utf7(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 2);
    let mut run: Vec<u8> = Vec::new();
    for c in text.chars() {
        let direct = matches!(c, ' '..='~' | '\t' | '\r' | '\n') && !matches!(c, '+' | '\\' | '~');
        if direct {
            close_run(&mut run, &mut out);
            out.extend(u8::try_from(u32::from(c)));
        } else if c == '+' && run.is_empty() {
            out.extend_from_slice(b"+-");
        } else {
            let mut room = [0u16; 2];
            run.extend(c.encode_utf16(&mut room).iter().flat_map(|unit| unit.to_be_bytes()));
        }
    }
    close_run(&mut run, &mut out);
    out
}

fn close_run(run: &mut Vec<u8>, out: &mut Vec<u8>) {
    if !run.is_empty() {
        out.push(b'+');
        out.extend_from_slice(BASE64_NOPAD.encode(run).as_bytes());
        out.push(b'-');
        run.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf_7_is_read_and_written() {
        for (text, raw) in [
            ("bob@x", "bob+AEA-x"),
            ("1+1=2", "1+-1=2"),
            ("日本語 ok", "+ZeVnLIqe- ok"),
            ("😀\r\n~", "+2D3eAA-\r\n+AH4-"),
        ] {
            assert_eq!(String::from_utf8_lossy(utf7(raw.as_bytes()).bytes()), text, "{raw}");
            assert_eq!(utf7(&encode_utf7(text)).bytes(), text.as_bytes());
        }
        let view = utf7(b"a+AEAAYg.c");
        assert_eq!(view.bytes(), b"a@b.c");
        assert_eq!(view.sources(1..2), vec![1..8]);
    }

    #[test]
    fn wide_units_are_read_by_their_mark_or_as_labelled() {
        let le: Vec<u8> = "a@".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        assert_eq!(utf32(&le, false).bytes(), b"a@");
        let marked = [&[0, 0, 0xfe, 0xff, 0, 0, 0, b'z'][..]].concat();
        let view = utf32(&marked, false);
        assert_eq!((view.bytes(), view.sources(0..1).first()), (b"z".as_slice(), Some(&(4..8))));
        assert_eq!(utf16(b"\0a\0@", true).bytes(), b"a@");
    }
}
