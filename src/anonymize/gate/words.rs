//! Encoded words (RFC 2047) and parameters in pieces (RFC 2231): for the gate alone, apart from the readers of `mime`.
//!
//! Rules: whatever looks like a word is decoded wherever it stands, in any charset, with the text around it. Blanks
//! between words are out. What words hold is put together in three ways, for programs cut and join them differently:
//! as octets, as characters of each word's own charset, and as base64 before it is decoded.
//! When it fails: never; what is no word stays.

use super::charset::{self, Label, Order, Sink};
use super::shifted;
use super::tokens::decode_base64;

/// Longest text between two words that is kept whole, and how much of a longer one.
const MAX_BETWEEN: usize = 512;
const CONTEXT: usize = 192;
/// Longest text that is put together.
const MAX_TEXT: usize = 1 << 15;

/// Octets of one charset.
pub struct Stretch {
    pub charset: String,
    pub octets: Vec<u8>,
}

/// Words and the text around them.
#[derive(Default)]
pub struct Words {
    /// In order; text between words has the charset of the word before it.
    pub stretches: Vec<Stretch>,
    /// What the words in base64 hold when their texts are put together first; empty where that is the same.
    pub joined: Vec<u8>,
    texts: Vec<u8>,
    torn: bool,
    length: usize,
}

impl Words {
    fn add(&mut self, charset: Option<&[u8]>, octets: &[u8]) {
        self.length += octets.len();
        let named = charset.map(|name| {
            let name = name.split(|b| *b == b'*').next().unwrap_or_default();
            String::from_utf8_lossy(name).to_ascii_lowercase()
        });
        match (self.stretches.last_mut(), named) {
            (Some(last), None) => last.octets.extend_from_slice(octets),
            (Some(last), Some(name)) if last.charset == name => last.octets.extend_from_slice(octets),
            (_, name) => {
                self.stretches.push(Stretch { charset: name.unwrap_or_default(), octets: octets.to_vec() })
            }
        }
    }

    fn add_base64(&mut self, text: &[u8]) {
        let digits = text.iter().filter(|b| **b != b'=' && !b.is_ascii_whitespace());
        let before = self.texts.len();
        // A word whose text ends inside a group, with another behind it.
        self.torn |= !before.is_multiple_of(4);
        self.texts.extend(digits);
    }

    fn part(&mut self) {
        if self.torn {
            self.joined.extend(decode_base64(&self.texts));
            self.joined.push(b' ');
        }
        self.texts.clear();
        self.torn = false;
    }

    fn give(&mut self, each: &mut impl FnMut(Words)) {
        self.part();
        if !self.stretches.is_empty() {
            each(std::mem::take(self));
        }
        *self = Words::default();
    }
}

/// A stretch of words in UTF-8, by its label.
pub fn decoded(stretch: &Stretch) -> Vec<u8> {
    let octets = &stretch.octets;
    let mut ignore = |_: &mut Vec<u8>| {};
    let mut sink = Sink { text: Vec::new(), full: &mut ignore };
    match Label::of(&stretch.charset) {
        Label::Plain => match shifted::readings(octets).first() {
            Some(reading) => reading.decode(octets, &mut sink),
            None => return octets.clone(),
        },
        Label::Utf7 => shifted::utf7(octets, &mut sink),
        Label::Utf16 if octets.starts_with(&[0xff, 0xfe]) => {
            charset::utf16(octets, Order::LittleEndian, &mut sink)
        }
        Label::Utf16 if stretch.charset.ends_with("le") => {
            charset::utf16(octets, Order::LittleEndian, &mut sink)
        }
        Label::Utf16 => charset::utf16(octets, Order::BigEndian, &mut sink),
        Label::Utf32 if stretch.charset.ends_with("le") => {
            charset::utf32(octets, Order::LittleEndian, &mut sink)
        }
        Label::Utf32 => charset::utf32(octets, Order::BigEndian, &mut sink),
        Label::Iso2022 => match shifted::readings(octets).last() {
            Some(reading) => reading.decode(octets, &mut sink),
            None => return octets.clone(),
        },
        Label::Pairs(pairs) => pairs.decode(octets, &mut sink),
        Label::Single(single) => charset::single(single, octets, &mut sink),
    }
    sink.text
}

/// Gives `each` the words of `text`, group by group.
pub fn words(text: &[u8], mut each: impl FnMut(Words)) {
    let mut found = Words::default();
    let mut rest = text;
    let mut any = false;
    while let Some((before, word, behind)) = next_word(rest) {
        rest = behind;
        let blank = before.iter().all(u8::is_ascii_whitespace);
        if !any || before.len() > MAX_BETWEEN || found.length > MAX_TEXT {
            if any {
                found.add(None, before.get(..before.len().min(CONTEXT)).unwrap_or_default());
                found.give(&mut each);
            }
            let tail = before.get(before.len().saturating_sub(CONTEXT)..).unwrap_or_default();
            found.add(Some(b""), tail);
        } else if !blank {
            found.part();
            found.add(None, before);
        }
        any = true;
        let octets = if word.base64 { decode_base64(word.text) } else { decode_q(word.text) };
        if word.base64 {
            found.add_base64(word.text);
        } else {
            found.part();
        }
        found.add(Some(word.charset), &octets);
    }
    if any {
        found.add(None, rest.get(..rest.len().min(CONTEXT)).unwrap_or_default());
        found.give(&mut each);
    }
}

struct Word<'a> {
    charset: &'a [u8],
    base64: bool,
    text: &'a [u8],
}

/// The text before the next word, the word, and the text behind it.
fn next_word(text: &[u8]) -> Option<(&[u8], Word<'_>, &[u8])> {
    let mut from = 0;
    while let Some(open) = text.get(from..).and_then(|rest| memchr::memmem::find(rest, b"=?")) {
        let at = from + open;
        let before = text.get(..at)?;
        let inner = text.get(at + 2..)?;
        from = at + 2;
        let is_name = |b: &u8| b.is_ascii_alphanumeric() || b"-_*.:+".contains(b);
        let name = inner.iter().take(80).take_while(|b| is_name(b)).count();
        let (charset, rest) = inner.split_at_checked(name)?;
        let [b'?', coding, b'?', encoded @ ..] = rest else { continue };
        let base64 = coding.eq_ignore_ascii_case(&b'b');
        if !base64 && !coding.eq_ignore_ascii_case(&b'q') {
            continue;
        }
        let (length, close) = if base64 {
            let length = encoded.iter().take_while(|b| **b != b'?' && **b != b'\n').count();
            (length, encoded.get(length..).unwrap_or_default())
        } else {
            let end = end_of_q(encoded);
            (end, encoded.get(end..).unwrap_or_default())
        };
        // A word that lacks its end is read to where it breaks off.
        let behind = close.strip_prefix(b"?=").unwrap_or(close);
        let encoded = encoded.get(..length)?;
        return Some((before, Word { charset, base64, text: encoded }, behind));
    }
    None
}

/// Where the text of a word in Q ends: at `?=`, or with its line.
fn end_of_q(encoded: &[u8]) -> usize {
    let ends = |at: &usize| matches!(encoded.get(*at..), Some([b'?', b'=', ..] | [b'\n', ..]));
    memchr::memchr2_iter(b'?', b'\n', encoded).find(ends).unwrap_or(encoded.len())
}

fn decode_q(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    octets_of(text, b'=', |b| if b == b'_' { b' ' } else { b }, &mut out);
    out
}

/// Whether a text looks like quoted-printable (RFC 2045 §6.7) that nothing declares: it has a soft break, or escapes
/// side by side, and a good part of its equals signs are one or the other. In uuencoded text and in programs they
/// stand for themselves.
pub fn may_be_quoted(text: &[u8]) -> bool {
    let hex = |i: usize| text.get(i).is_some_and(u8::is_ascii_hexdigit);
    // Lines are drawn with equals signs.
    let drawn = |at: usize| at.checked_sub(1).and_then(|i| text.get(i)) == Some(&b'=');
    let (mut marks, mut all, mut looks) = (0usize, 0usize, false);
    for at in memchr::memchr_iter(b'=', text) {
        let escape = hex(at + 1) && hex(at + 2);
        let soft = match text.get(at + 1) {
            Some(b'\r' | b'\n') => !drawn(at),
            Some(b' ' | b'\t') => !drawn(at) && soft_break(text.get(at + 1..).unwrap_or_default()) > 0,
            _ => false,
        };
        looks |= soft || (escape && text.get(at + 3) == Some(&b'=') && hex(at + 4) && hex(at + 5));
        marks += usize::from(escape || soft);
        all += usize::from(!drawn(at));
    }
    looks && marks * 4 >= all
}

/// The octets of quoted-printable text.
pub fn quoted_octets(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'=', rest) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(before);
        let behind = from.get(1..).unwrap_or_default();
        let soft = soft_break(behind);
        if soft > 0 {
            rest = behind.get(soft..).unwrap_or_default();
            continue;
        }
        let is_escape = matches!(behind, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
        let (escape, after) = from.split_at_checked(if is_escape { 3 } else { 1 }).unwrap_or((from, &[]));
        octets_of(escape, b'=', |b| b, &mut out);
        rest = after;
    }
    out.extend_from_slice(rest);
    out
}

/// Length of the blanks and the line end that `text` begins with.
fn soft_break(text: &[u8]) -> usize {
    let blanks = text.iter().take(256).take_while(|b| matches!(b, b' ' | b'\t')).count();
    match text.get(blanks..) {
        Some([b'\r', b'\n', ..]) => blanks + 2,
        Some([b'\r' | b'\n', ..]) => blanks + 1,
        _ => 0,
    }
}

/// The octets of percent-encoded text.
pub fn percent_octets(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    octets_of(text, b'%', |b| b, &mut out);
    out
}

fn octets_of(text: &[u8], lead: u8, other: impl Fn(u8) -> u8, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((&b, behind)) = rest.split_first() {
        let digit = |i: usize| behind.get(i).and_then(|b| char::from(*b).to_digit(16));
        let octet = digit(0).zip(digit(1)).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        match octet.filter(|_| b == lead) {
            Some(octet) => {
                out.push(octet);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                out.push(other(b));
                rest = behind;
            }
        }
    }
}

/// The values of parameters in pieces, each in the order of its numbers (RFC 2231 §3); empty where all stand in order.
pub fn in_order(header: &[u8]) -> Vec<u8> {
    let mut pieces: Vec<(Vec<u8>, u32, &[u8])> = Vec::new();
    for piece in header.split(|b| *b == b';') {
        let Some(equals) = memchr::memchr(b'=', piece) else { continue };
        let (name, value) = piece.split_at_checked(equals).unwrap_or_default();
        let name = name.trim_ascii().to_ascii_lowercase();
        let mut parts = name.split(|b| *b == b'*');
        let (first, number) = (parts.next().unwrap_or_default(), parts.next());
        let number = number.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        let Some(number) = number else { continue };
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let value = value.strip_prefix(b"\"").map_or(value, |rest| rest.strip_suffix(b"\"").unwrap_or(rest));
        pieces.push((first.to_vec(), number, value));
    }
    let key = |piece: &(Vec<u8>, u32, &[u8])| (piece.0.clone(), piece.1);
    if pieces.is_sorted_by_key(key) {
        return Vec::new();
    }
    pieces.sort_by_key(key);
    let mut out = Vec::new();
    for (_, number, value) in pieces {
        if number == 0 {
            out.push(b' ');
        }
        out.extend_from_slice(value);
    }
    out
}

/// A header with the seams between the pieces of its parameters out, and the charset that the first one names; `None`
/// where no parameter is in pieces or encoded.
pub fn seamless(header: &[u8]) -> Option<(Vec<u8>, String)> {
    memchr::memchr(b'*', header)?;
    let mut out: Vec<u8> = Vec::with_capacity(header.len());
    let mut charset = String::new();
    let mut found = false;
    let mut rest = header;
    while let Some(star) = memchr::memchr(b'*', rest) {
        let (before, from) = rest.split_at_checked(star).unwrap_or((rest, &[]));
        let digits = from.iter().skip(1).take_while(|b| b.is_ascii_digit()).count();
        let mut tail = from.get(1 + digits..).unwrap_or_default();
        tail = tail.strip_prefix(b"*").unwrap_or(tail).trim_ascii_start();
        let Some(value) = tail.strip_prefix(b"=") else {
            out.extend_from_slice(before);
            out.push(b'*');
            rest = from.get(1..).unwrap_or_default();
            continue;
        };
        found = true;
        // The name of the parameter, the semicolon before it, and the quote before that.
        let name = before
            .iter()
            .rev()
            .take(64)
            .take_while(|b| b.is_ascii_alphanumeric() || b"-_".contains(b))
            .count();
        let before = before.get(..before.len() - name).unwrap_or_default().trim_ascii_end();
        let seam = before.strip_suffix(b";").map(<[u8]>::trim_ascii_end);
        let before = seam.map_or(before, |before| before.strip_suffix(b"\"").unwrap_or(before));
        out.extend_from_slice(before);
        let first = digits == 0 || from.get(1..1 + digits).is_some_and(|n| n.iter().all(|b| *b == b'0'));
        if first {
            out.push(b' ');
        }
        let value = value.trim_ascii_start();
        rest = value.strip_prefix(b"\"").unwrap_or(value);
        if charset.is_empty() {
            let end = rest.iter().take(64).position(|b| *b == b'\'');
            let name = end.and_then(|end| rest.get(..end)).and_then(|name| std::str::from_utf8(name).ok());
            charset = name.unwrap_or_default().to_owned();
        }
    }
    out.extend_from_slice(rest);
    found.then_some((out, charset))
}

/// The Subject fields of a header with their folds, and all other fields.
pub fn subject_apart(header: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut subject, mut others) = (Vec::new(), Vec::with_capacity(header.len()));
    let mut is_subject = false;
    for line in header.split_inclusive(|b| *b == b'\n') {
        let goes_on = matches!(line.first(), Some(b' ' | b'\t'));
        let named = line.get(..7).is_some_and(|name| name.eq_ignore_ascii_case(b"subject"));
        let colon = line.get(7..).map(<[u8]>::trim_ascii_start).and_then(<[u8]>::first) == Some(&b':');
        is_subject = if goes_on { is_subject } else { named && colon };
        if is_subject { subject.extend_from_slice(line) } else { others.extend_from_slice(line) }
    }
    (subject, others)
}
