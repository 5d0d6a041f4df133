//! Rich Text Format (specification 1.9.1): its text without control words, and what is embedded.
//!
//! Rules: the text comes twice, with a line end at paragraphs, and at groups too. Characters by number are in UTF-8
//! there, octets by number as they are.
//! When it fails: never.

use super::nested;
use super::search::{OctetWindow, Search};

/// Control words that end a word.
const ENDS: [&[u8]; 9] = [b"par", b"line", b"tab", b"cell", b"row", b"sect", b"page", b"pard", b"column"];
/// Longest control word.
const MAX_WORD: usize = 32;
/// Beginnings of embedded files that are looked for behind the header of an object.
const EMBEDDED: [&[u8]; 4] = [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x03\x04", b"%PDF-", b"\xff\xd8\xff"];

/// The text as it is read.
struct Reader<'o> {
    rest: &'o [u8],
    text: OctetWindow,
    parted: OctetWindow,
    /// Characters that stand for one that was given by number (`\ucN`), and how many of them still come.
    fallback: usize,
    skip: usize,
}

pub fn scan(octets: &[u8], search: &mut Search<'_>) {
    let mut reader = Reader {
        rest: octets,
        text: OctetWindow::default(),
        parted: OctetWindow::default(),
        fallback: 1,
        skip: 0,
    };
    while let Some((b, rest)) = reader.rest.split_first() {
        if search.is_over() {
            return;
        }
        reader.rest = rest;
        match b {
            b'\\' => reader.control(search),
            b'{' | b'}' => {
                reader.skip = 0;
                reader.parted.push(b"\n", search);
            }
            b'\r' | b'\n' => {}
            _ if reader.skip > 0 => reader.skip -= 1,
            b => {
                let plain =
                    rest.iter().take_while(|b| !matches!(b, b'\\' | b'{' | b'}' | b'\r' | b'\n')).count();
                let (text, behind) = rest.split_at_checked(plain).unwrap_or((rest, &[]));
                reader.show(&[*b], search);
                reader.show(text, search);
                reader.rest = behind;
            }
        }
    }
    reader.text.finish(search);
    reader.parted.finish(search);
}

impl Reader<'_> {
    fn show(&mut self, octets: &[u8], search: &mut Search<'_>) {
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        self.text.push(octets, search);
        self.parted.push(octets, search);
    }

    /// What stands behind a backslash.
    fn control(&mut self, search: &mut Search<'_>) {
        let letters = self.rest.iter().take(MAX_WORD).take_while(|b| b.is_ascii_alphabetic()).count();
        let Some((word, rest)) = self.rest.split_at_checked(letters) else { return };
        if word.is_empty() {
            let Some((symbol, rest)) = self.rest.split_first() else { return };
            self.rest = rest;
            match symbol {
                b'\'' => {
                    let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                    if let Some(octet) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                        self.rest = rest.get(2..).unwrap_or_default();
                        self.show(&[octet], search);
                    }
                }
                b'~' => self.show(b" ", search),
                b'_' => self.show(b"-", search),
                b'\r' | b'\n' => self.show(b"\n", search),
                b'-' | b'*' | b':' | b'|' => {}
                symbol => self.show(&[*symbol], search),
            }
            return;
        }
        let minus = usize::from(rest.first() == Some(&b'-'));
        let digits = rest.iter().skip(minus).take(10).take_while(|b| b.is_ascii_digit()).count();
        let (number, rest) =
            rest.split_at_checked(if digits > 0 { minus + digits } else { 0 }).unwrap_or((rest, &[]));
        let number: Option<i64> = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
        self.rest = rest.strip_prefix(b" ").unwrap_or(rest);
        match (word, number) {
            (b"u", Some(number)) => {
                // Above 32767 they are written as negative numbers.
                let code = u32::try_from(if number < 0 { number + 0x1_0000 } else { number });
                let c = code.ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
                self.skip = 0;
                self.show(c.encode_utf8(&mut [0; 4]).as_bytes(), search);
                self.skip = self.fallback;
            }
            (b"uc", Some(number)) => self.fallback = usize::try_from(number).unwrap_or(1).min(MAX_WORD),
            (b"bin", Some(number)) => {
                let length = usize::try_from(number).unwrap_or(0).min(self.rest.len());
                self.rest = self.rest.get(length..).unwrap_or_default();
            }
            (b"objdata", _) => self.object(search),
            (word, _) if ENDS.contains(&word) => self.show(b"\n", search),
            _ => {}
        }
    }

    /// An embedded object in hexadecimal digits.
    fn object(&mut self, search: &mut Search<'_>) {
        let end = memchr::memchr2(b'}', b'\\', self.rest).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
        self.rest = rest;
        let room = digits.len() / 2;
        if !search.spend(room) || !search.hold(room) {
            return;
        }
        let mut octets = Vec::with_capacity(room);
        let mut first = None;
        for digit in digits.iter().filter_map(|b| u8::try_from(char::from(*b).to_digit(16)?).ok()) {
            match first.take() {
                Some(first) => octets.push(first << 4 | digit),
                None => first = Some(digit),
            }
        }
        search.octets(&octets);
        for magic in EMBEDDED {
            if let Some(at) = memchr::memmem::find(&octets, magic) {
                nested(octets.get(at..).unwrap_or_default(), "", search);
            }
        }
        search.release(room);
    }
}
