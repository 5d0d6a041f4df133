//! Octets that stand in a text as other characters: base64 and hexadecimal digits in links, lines of base64 and
//! uuencode that nothing declares, `data:` links. For the gate alone, apart from the readers of `mime`.
//!
//! Rules: whatever looks like it is decoded, in any alphabet (RFC 4648 §4 and §5) and from any digit on. Long blocks
//! are given away in pieces that overlap.
//! When it fails: never; what is no base64 gives octets that mean nothing.

use super::torn;
use memchr::memmem::Finder;
use std::sync::LazyLock;

/// Longest piece of a block that is decoded at once, in digits, and how much the next one repeats.
const PIECE: usize = 1 << 16;
const OVERLAP: usize = 1 << 13;
/// Shortest line that begins a block of base64.
const MIN_LINE: usize = 8;
/// Most octets at either end of a line of base64 that belong to none.
const MAX_STRAYS: usize = 3;
/// Longest head of a `data:` link.
const MAX_HEAD: usize = 120;

/// The value of each octet as a digit of base64, of either alphabet; 0xff for all others.
static DIGITS: [u8; 256] = digits();

const fn digits() -> [u8; 256] {
    let mut table = [0xff; 256];
    let mut i = 0;
    while i < 26 {
        table[b'A' as usize + i] = i as u8;
        table[b'a' as usize + i] = i as u8 + 26;
        i += 1;
    }
    let mut i = 0;
    while i < 10 {
        table[b'0' as usize + i] = i as u8 + 52;
        i += 1;
    }
    table[b'+' as usize] = 62;
    table[b'-' as usize] = 62;
    table[b'/' as usize] = 63;
    table[b'_' as usize] = 63;
    table
}

fn digit(b: u8) -> Option<u8> {
    DIGITS.get(usize::from(b)).copied().filter(|value| *value != 0xff)
}

fn is_digit(b: u8) -> bool {
    digit(b).is_some()
}

/// What the octets hold as base64, whatever else is among them; a `=` begins anew.
pub fn decode_base64(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    decode_into(text, &mut out);
    out
}

fn decode_into(text: &[u8], out: &mut Vec<u8>) {
    decode_all(text.iter(), out);
}

fn decode_all<'a>(text: impl Iterator<Item = &'a u8>, out: &mut Vec<u8>) {
    let mut state = State::default();
    text.for_each(|b| state.add(*b, out));
}

/// The bits of base64 that are no whole octet yet.
#[derive(Default)]
struct State {
    bits: u32,
    count: u32,
}

impl State {
    fn add(&mut self, b: u8, out: &mut Vec<u8>) {
        let Some(value) = digit(b) else {
            if b == b'=' {
                *self = Self::default();
            }
            return;
        };
        self.bits = self.bits << 6 | u32::from(value);
        self.count += 6;
        if self.count >= 8 {
            self.count -= 8;
            let [.., octet] = (self.bits >> self.count).to_be_bytes();
            out.push(octet);
        }
    }
}

/// What digits hold that come a few at a time. Whatever stands between them, the octets are the same; much of them is given
/// away in pieces that overlap.
#[derive(Default)]
struct Stream {
    state: State,
    octets: Vec<u8>,
}

impl Stream {
    fn add(&mut self, text: &[u8], each: &mut impl FnMut(&[u8])) {
        for some in text.chunks(PIECE) {
            some.iter().for_each(|b| self.state.add(*b, &mut self.octets));
            if self.octets.len() > PIECE {
                each(&self.octets);
                // Characters of two and of four octets stay whole.
                let kept = (self.octets.len() - OVERLAP) & !3;
                self.octets.drain(..kept);
            }
        }
    }

    fn close(&mut self, each: &mut impl FnMut(&[u8])) {
        each(&self.octets);
        self.octets.clear();
        self.state = State::default();
    }
}

/// What the octets hold as base64 to a program that skips `=` like any other octet outside the alphabet; `None`
/// where one stands at the end only.
pub fn decode_over_padding(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().rposition(|b| *b != b'=' && !b.is_ascii_whitespace())?;
    let text = text.get(..=end)?;
    memchr::memchr(b'=', text)?;
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    decode_all(text.iter().filter(|b| **b != b'='), &mut out);
    Some(out)
}

/// Runs of digits of base64 of at least `least`.
fn runs(text: &[u8], least: usize, each: impl FnMut(&[u8])) {
    runs_of(is_digit, text, least, each);
}

/// Runs of at least `least` characters that can be read.
pub fn readable(text: &[u8], least: usize, each: impl FnMut(&[u8])) {
    runs_of(|b| matches!(b, b' '..=b'~' | b'\t' | b'\r' | b'\n'), text, least.max(MIN_LINE), each);
}

fn runs_of(is_one: impl Fn(u8) -> bool, text: &[u8], least: usize, mut each: impl FnMut(&[u8])) {
    let mut at = 0;
    // Only every `least`-th octet is looked at where there is no run.
    while let Some(last) = text.get(at + least - 1) {
        let probed = at + least - 1;
        if !is_one(*last) {
            at = probed + 1;
            continue;
        }
        let before = text.get(at..probed).unwrap_or_default();
        if let Some(other) = before.iter().rposition(|b| !is_one(*b)) {
            at += other + 1;
            continue;
        }
        let behind = text.get(probed..).unwrap_or_default();
        let end = probed + behind.iter().position(|b| !is_one(*b)).unwrap_or(behind.len());
        each(text.get(at..end).unwrap_or_default());
        at = end + 1;
    }
}

/// Stretches of base64 or hexadecimal digits inside a text, such as in links, each decoded in every way it can be cut.
/// `least` is the length of the shortest text that is looked for.
pub fn tokens(text: &[u8], least: usize, mut each: impl FnMut(&[u8])) {
    let mut octets = Vec::new();
    let least_digits = (least * 4 / 3).max(MIN_LINE);
    let mut read = |run: &[u8]| {
        pieces(run, |piece| {
            for skip in 0..4 {
                octets.clear();
                decode_into(piece.get(skip..).unwrap_or_default(), &mut octets);
                each(&octets);
            }
            for digits in piece.split(|b| !b.is_ascii_hexdigit()).filter(|digits| digits.len() >= least * 2) {
                for skip in 0..2 {
                    octets.clear();
                    let pairs = digits.get(skip..).unwrap_or_default().chunks_exact(2);
                    octets.extend(
                        pairs
                            .filter_map(|pair| std::str::from_utf8(pair).ok())
                            .filter_map(|pair| u8::from_str_radix(pair, 16).ok()),
                    );
                    each(&octets);
                }
            }
        });
    };
    runs(text, least_digits, &mut read);
    torn::runs(text, is_digit, least_digits, &mut read);
}

/// A long run in pieces that overlap.
fn pieces(run: &[u8], mut each: impl FnMut(&[u8])) {
    let mut rest = run;
    while rest.len() > PIECE {
        each(rest.get(..PIECE).unwrap_or_default());
        rest = rest.get(PIECE - OVERLAP..).unwrap_or_default();
    }
    each(rest);
}

/// Gives `each` what a text holds in yEnc, with what stands behind it.
pub fn shifted_by_42(text: &[u8], mut each: impl FnMut(&[u8])) {
    static MARK: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("=ybegin "));
    // All that follows is read as such: what is none of it means nothing.
    let Some(at) = MARK.find(text) else { return };
    let mut file = Vec::new();
    let mut more = 0;
    for b in text.get(at..).unwrap_or_default().iter().filter(|b| !matches!(b, b'\r' | b'\n')) {
        if *b == b'=' && more == 0 {
            more = 64;
        } else {
            file.push(b.wrapping_sub(42 + more));
            more = 0;
        }
    }
    each(&file);
}

/// Blocks of lines that are nothing but base64, or uuencode.
pub fn blocks(text: &[u8], mut each: impl FnMut(&[u8])) {
    let mut block = Block::default();
    let mut at = 0;
    for end in memchr::memchr_iter(b'\n', text).chain(std::iter::once(text.len())) {
        let line = text.get(at..end).unwrap_or_default();
        at = end + 1;
        block.line(line, &mut each);
    }
    block.close(&mut each);
}

#[derive(Default)]
struct Block {
    base64: Stream,
    /// Whether there is base64.
    in_base64: bool,
    /// Octets of uuencode, decoded.
    octets: Vec<u8>,
    in_uuencode: bool,
    /// Whether its first line was quoted: the marks are digits too.
    is_quoted: bool,
}

impl Block {
    fn line(&mut self, line: &[u8], each: &mut impl FnMut(&[u8])) {
        let quoted = line.iter().take_while(|b| matches!(b, b'>' | b'|' | b' ' | b'\t')).count();
        let clear = line.get(quoted..).unwrap_or_default();
        if self.in_uuencode {
            let (first, second) = if self.is_quoted { (clear, line) } else { (line, clear) };
            let decoded = uudecoded(first.trim_ascii_end(), &mut self.octets)
                || (quoted > 0 && uudecoded(second.trim_ascii_end(), &mut self.octets));
            if decoded && !clear.starts_with(b"end") {
                if self.octets.len() > PIECE {
                    each(&self.octets);
                    self.octets.drain(..self.octets.len() - OVERLAP);
                }
                return;
            }
            self.in_uuencode = false;
            each(&self.octets);
            self.octets.clear();
        }
        let first = clear.first().copied().unwrap_or(0);
        // Few strays at the ends of a line mean nothing to a decoder (RFC 2045 §6.8).
        let word = without_strays(clear.trim_ascii_end());
        if !word.is_empty() {
            // The last line of a block may be short.
            let least = if self.in_base64 { 1 } else { MIN_LINE };
            if word.len() >= least && word.iter().all(|b| is_digit(*b) || *b == b'=') {
                self.in_base64 = true;
                self.base64.add(word, each);
                return;
            }
        }
        self.close(each);
        let begins = clear.get(..6).is_some_and(|word| word.eq_ignore_ascii_case(b"begin "));
        let mode = clear.get(6..).map(<[u8]>::trim_ascii_start).and_then(|rest| rest.get(..3));
        self.in_uuencode = begins && mode.is_some_and(|mode| mode.iter().all(u8::is_ascii_digit));
        self.is_quoted = line.get(..quoted).is_some_and(|marks| memchr::memchr2(b'>', b'|', marks).is_some());
        // A file that is cut goes on without its head: a whole line has 45 octets.
        let whole = clear.trim_ascii_end();
        if first == b'M' && whole.len() == 61 {
            self.in_uuencode = uudecoded(whole, &mut self.octets);
        }
    }

    fn close(&mut self, each: &mut impl FnMut(&[u8])) {
        if std::mem::take(&mut self.in_base64) {
            self.base64.close(each);
        }
        if !self.octets.is_empty() {
            each(&self.octets);
            self.octets.clear();
        }
    }
}

/// A line from its first digit of base64 to its last one, where only few others stand before and behind.
fn without_strays(line: &[u8]) -> &[u8] {
    let is_one = |b: &u8| is_digit(*b) || *b == b'=';
    let near = |line: &[u8]| line.len().min(MAX_STRAYS + 1);
    let Some(start) = line.iter().take(near(line)).position(is_one) else { return &[] };
    let line = line.get(start..).unwrap_or_default();
    let strays = line.iter().rev().take(near(line)).position(is_one);
    strays.and_then(|strays| line.get(..line.len() - strays)).unwrap_or_default()
}

/// Adds a line of uuencode decoded; whether it is one.
fn uudecoded(line: &[u8], out: &mut Vec<u8>) -> bool {
    let value = |b: u8| (b' '..=b'`').contains(&b).then(|| (b - b' ') & 0x3f);
    let Some((length, digits)) = line.split_first() else { return true };
    let Some(length) = value(*length).map(usize::from) else { return false };
    // Blanks at the end may be lost.
    if digits.len() > length.div_ceil(3) * 4 + 2 || !digits.iter().all(|b| value(*b).is_some()) {
        return false;
    }
    let mut left = length;
    for group in digits.chunks(4) {
        let at = |i: usize| group.get(i).and_then(|b| value(*b)).map_or(0, u32::from);
        let bits = at(0) << 18 | at(1) << 12 | at(2) << 6 | at(3);
        let [_, octets @ ..] = bits.to_be_bytes();
        out.extend(octets.iter().take(left));
        left = left.saturating_sub(3);
    }
    true
}

/// Most of a line that is read before the colon of a value, in octets.
const MAX_NAME: usize = 256;
/// Fewest digits of a value: the shortest trace.
const MIN_VALUE: usize = 6;

/// What lines hold that say of their value that it is base64: `mail:: …` (RFC 2849), `NOTE;ENCODING=b:…` (RFC 2426 §2.4.1).
pub fn line_values(text: &[u8], mut each: impl FnMut(&[u8])) {
    if memchr::memchr(b';', text).is_none() && memchr::memmem::find(text, b"::").is_none() {
        return;
    }
    let (mut done, mut from) = (0, 0);
    // Where the last parameter begins that says so: each stretch between colons is looked at once.
    let mut says = None;
    for at in memchr::memchr_iter(b':', text) {
        let between = text.get(from..at).unwrap_or_default();
        let mut marks = memchr::memchr2_iter(b';', b'=', between);
        let last = marks.rfind(|i| says_base64(between.get(*i..).unwrap_or_default()));
        says = last.map(|i| from + i).or(says);
        from = at + 1;
        let is_double = text.get(from) == Some(&b':');
        let first = at.saturating_sub(MAX_NAME).max(done);
        if at < done || !(is_double || says.is_some_and(|i| i >= first)) {
            continue;
        }
        let line = text.get(first..at).unwrap_or_default();
        let head = memchr::memrchr(b'\n', line).map_or(0, |i| i + 1);
        let declared = says.is_some_and(|i| i >= first + head)
            && line.get(head..).is_some_and(|head| memchr::memchr(b';', head).is_some());
        if !(declared || is_double && head < line.len()) {
            continue;
        }
        let value = text.get(from + usize::from(is_double)..).unwrap_or_default();
        // Over folds: a line that begins with a blank.
        let is_fold = |i: usize| matches!(value.get(i + 1), Some(b' ' | b'\t'));
        let is_part = |i: usize, b: u8| {
            is_digit(b) || matches!(b, b'=' | b' ' | b'\t' | b'\r') || (b == b'\n' && is_fold(i))
        };
        let end = value.iter().enumerate().position(|(i, b)| !is_part(i, *b)).unwrap_or(value.len());
        done = from + end;
        let digits = value.get(..end).unwrap_or_default();
        if end >= MIN_VALUE {
            let mut held = Stream::default();
            held.add(digits, &mut each);
            held.close(&mut each);
        }
    }
}

/// Whether a parameter that says that what follows is base64 begins `text`, which ends before a colon: `;ENCODING=b`,
/// `;ENCODING=base64`, `;BASE64`, `=base64`.
fn says_base64(text: &[u8]) -> bool {
    let words = [b";encoding=b".as_slice(), b";base64", b"=base64"];
    words.iter().any(|word| {
        text.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
            && text.get(word.len()).is_none_or(|b| matches!(b, b';' | b'a' | b'A'))
    })
}

/// What hides addresses of pages (Cloudflare's): hexadecimal digits behind a mark, each octet under the first one.
pub fn hidden(text: &[u8], mut each: impl FnMut(&[u8])) {
    static MARKS: LazyLock<[Finder<'static>; 2]> =
        LazyLock::new(|| ["cfemail", "email-protection"].map(Finder::new));
    for mark in MARKS.iter() {
        for at in mark.find_iter(text) {
            let behind = text.get(at + mark.needle().len()..).unwrap_or_default();
            let near = behind.get(..MAX_HIDDEN.min(behind.len())).unwrap_or_default();
            let begins = |i: &usize| {
                near.get(*i..*i + MIN_LINE).is_some_and(|run| run.iter().all(u8::is_ascii_hexdigit))
            };
            let Some(start) = (0..MAX_BEFORE_HIDDEN).find(begins) else { continue };
            let run = near.get(start..).unwrap_or_default();
            let run = run.split(|b| !b.is_ascii_hexdigit()).next().unwrap_or_default();
            // What stands before them may end in digits too, `%23`.
            for skip in 0..5 {
                let value = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
                let octets: Vec<u8> =
                    run.get(skip..).unwrap_or_default().chunks_exact(2).filter_map(value).collect();
                let key = octets.first().copied().unwrap_or(0);
                let clear: Vec<u8> = octets.iter().skip(1).map(|b| b ^ key).collect();
                each(&clear);
            }
        }
    }
}

/// Longest such address, in digits, and most octets between the mark and it.
const MAX_HIDDEN: usize = 4096;
const MAX_BEFORE_HIDDEN: usize = 24;

/// What stands before the digits of a link that holds its content.
static MARK: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"base64,"));

/// The content of `data:` links in base64, and the charset that each names.
pub fn data_links(text: &[u8], mut each: impl FnMut(&[u8], Option<&str>)) {
    for at in MARK.find_iter(text) {
        let head = text.get(at.saturating_sub(MAX_HEAD)..at).unwrap_or_default();
        let charset = memchr::memmem::rfind(head, b"charset=").and_then(|i| head.get(i + 8..)).map(|name| {
            let end = name.iter().position(|b| !(b.is_ascii_alphanumeric() || b"-_".contains(b)));
            std::str::from_utf8(name.get(..end.unwrap_or(name.len())).unwrap_or_default()).unwrap_or_default()
        });
        let rest = text.get(at + 7..).unwrap_or_default();
        let is_part = |b: &u8| {
            is_digit(*b) || b.is_ascii_whitespace() || matches!(b, b'%' | b'=' | b'\\' | b'&' | b'#' | b';')
        };
        let length = rest.iter().position(|b| !is_part(b)).unwrap_or(rest.len());
        let content = rest.get(..length).unwrap_or_default();
        let mut held = Stream::default();
        let mut each = |piece: &[u8]| each(piece, charset);
        // No escape may be torn.
        let clear = memchr::memchr2(b'%', b'&', content)
            .and_then(|_| std::str::from_utf8(content).ok())
            .and_then(|text| super::escapes::unescaped(text, super::escapes::Kind::All));
        held.add(clear.as_deref().map_or(content, str::as_bytes), &mut each);
        held.close(&mut each);
    }
}
