//! IP addresses of the mail path by their value, in whatever digits: for the gate alone.
//!
//! Rules: a word of letters, digits and marks is cut at its marks, and its fields are read as numbers of base ten, eight and
//! sixteen. Four fields that follow each other, forwards or backwards, or one that holds all 32 bits, are the address where
//! the whole value is the same. Fields of few digits with hyphens alone may be the number of a house: there a letter must
//! stand in the same word.
//! When it fails: never.

use super::traces::is_behind_escape;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

/// Longest word that is read, in octets: a name (RFC 1035 §2.3.4).
const MAX_WORD: usize = 255;
/// Fewest digits that can spell an address, and fewest that are one without a letter beside them.
const FEWEST: usize = 4;
const MIN_DIGITS: usize = 8;
/// From where on one number alone is taken for an address.
const MIN_NUMBER: u32 = 100_000_000;
/// Digits of an IPv6 address.
const DIGITS_OF_SIX: usize = 32;

/// The addresses.
#[derive(Default)]
pub struct Numbers {
    v4: Vec<u32>,
    v6: Vec<u128>,
}

/// A field of a word, and the mark before it.
struct Field<'a> {
    text: &'a [u8],
    mark: u8,
    /// The mark behind it.
    next: u8,
}

impl Numbers {
    /// Adds an address.
    pub fn add_four(&mut self, address: Ipv4Addr) {
        self.v4.push(u32::from(address));
    }

    /// Adds an address.
    pub fn add_six(&mut self, address: Ipv6Addr) {
        self.v6.push(u128::from(address));
    }

    /// Whether there are none of IPv4.
    pub fn are_none(&self) -> bool {
        self.v4.is_empty()
    }

    /// Whether one stands in a text.
    pub fn stand_in(&self, text: &[u8]) -> bool {
        if self.v4.is_empty() && self.v6.is_empty() {
            return false;
        }
        words(text, |range| self.is_in(text, range)) || self.listed(text)
    }

    /// Whether an IPv6 address holds one of the IPv4 addresses (RFC 4291 §2.5.5, RFC 6052 §2.1, RFC 3056 §2).
    pub fn lie_within(&self, six: Ipv6Addr) -> bool {
        let [.., a, b, c, d] = six.octets();
        let [first, second, e, f, g, h, ..] = six.octets();
        self.v4.contains(&u32::from_be_bytes([a, b, c, d]))
            || [first, second] == [0x20, 0x02] && self.v4.contains(&u32::from_be_bytes([e, f, g, h]))
    }

    fn is_in(&self, text: &[u8], range: Range<usize>) -> bool {
        let escaped = usize::from(is_behind_escape(text, range.start + 1));
        let range = range.start + escaped..range.end;
        let word = text.get(range.clone()).unwrap_or_default();
        let linked = is_linked(text, range.start);
        let fields = fields(word);
        let named = word.iter().any(u8::is_ascii_alphabetic);
        let whole = |i: usize, count: usize| stands_alone(&fields, i, count);
        fields.iter().enumerate().any(|(i, field)| {
            (whole(i, 1) && self.alone(field.text, linked && i == 0))
                || (linked && i == 0 && self.short(&fields))
                || self.four(fields.get(i..i + 4).unwrap_or_default(), || neighbours(&fields, i, 4), named)
                || (whole(i, 8) && self.six(fields.get(i..).unwrap_or_default()))
        })
    }

    /// One field that holds the address whole.
    fn alone(&self, field: &[u8], linked: bool) -> bool {
        let Ok(text) = std::str::from_utf8(field) else { return false };
        let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let known = |value: u32| self.v4.contains(&value);
        let radix = |digits: &str, radix| u32::from_str_radix(digits, radix).ok();
        let padded = || {
            let octets = [text.get(..3)?, text.get(3..6)?, text.get(6..9)?, text.get(9..)?];
            let [a, b, c, d] = octets.map(|octet| octet.parse::<u8>().ok());
            Some(u32::from_be_bytes([a?, b?, c?, d?]))
        };
        let six = || {
            text.len() == DIGITS_OF_SIX && u128::from_str_radix(text, 16).is_ok_and(|v| self.v6.contains(&v))
        };
        let decimal =
            radix(text, 10).filter(|value| !text.starts_with('0') && (linked || *value >= MIN_NUMBER));
        hexadecimal.and_then(|digits| radix(digits, 16)).is_some_and(known)
            || (text.len() == 8 && radix(text, 16).is_some_and(known))
            || (text.len() >= 9 && text.starts_with('0') && radix(text, 8).is_some_and(known))
            || decimal.is_some_and(known)
            || (text.len() == 12 && padded().is_some_and(known))
            || six()
    }

    /// One to four numbers of any base, the last one of which holds what is left of the address, as the host of a link.
    fn short(&self, fields: &[Field<'_>]) -> bool {
        let dots = fields.iter().skip(1).all(|field| field.mark == b'.');
        if !(1..=4).contains(&fields.len()) || !dots {
            return false;
        }
        let is_plain = |field: &Field<'_>| {
            field.text.iter().all(u8::is_ascii_digit)
                && (field.text.len() == 1 || !field.text.starts_with(b"0"))
        };
        // The usual way has its own search.
        if fields.len() == 4 && fields.iter().all(is_plain) {
            return false;
        }
        let (mut value, mut room) = (0_u64, 32);
        for (i, field) in fields.iter().enumerate() {
            let Some(number) = number(field.text) else { return false };
            let bits = if i + 1 == fields.len() { room } else { 8 };
            if u64::from(number) >> bits != 0 {
                return false;
            }
            value = value << bits | u64::from(number);
            room -= bits;
        }
        u32::try_from(value).is_ok_and(|value| self.v4.contains(&value))
    }

    /// Where FTP listens (RFC 959 §4.1.2): six numbers with commas; hexadecimal digits with colons.
    fn listed(&self, text: &[u8]) -> bool {
        !self.v4.is_empty()
            && memchr::memchr2_iter(b',', b':', text).any(|at| {
                let mark = text.get(at).copied().unwrap_or(0);
                // Most stand behind a word.
                let is_digit =
                    |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_hexdigit);
                if !(is_digit(at.checked_sub(1)) && is_digit(Some(at + 1))) {
                    return false;
                }
                let is_part = |b: &&u8| b.is_ascii_alphanumeric() || **b == mark;
                let before = text.get(at.saturating_sub(8)..at).unwrap_or_default();
                let mut head = before.iter().rev().take_while(|b| b.is_ascii_alphanumeric()).count();
                if before.len().checked_sub(head + 1).and_then(|i| before.get(i)) == Some(&mark) {
                    return false;
                }
                head -= usize::from(head > 0 && is_behind_escape(text, at - head + 1));
                let start = at - head;
                let length =
                    text.get(start..).unwrap_or_default().iter().take(28).take_while(is_part).count();
                let list = text.get(start..start + length).unwrap_or_default();
                let ends = |b: &u8| *b == mark;
                // One behind the last number ends a clause.
                let list = list.strip_suffix(&[mark]).unwrap_or(list);
                let fields: Vec<&[u8]> = list.split(ends).collect();
                let of = |field: &&[u8], base| {
                    let text = std::str::from_utf8(field).ok().filter(|text| !text.starts_with('+'))?;
                    u32::from_str_radix(text, base).ok()
                };
                let all = |base| fields.iter().map(|field| of(field, base)).collect::<Option<Vec<u32>>>();
                let octets = |numbers: &[u32], bits: u32| {
                    let fits = numbers.iter().all(|number| number >> bits == 0);
                    fits.then(|| {
                        numbers.iter().fold(0_u64, |value, number| value << bits | u64::from(*number))
                    })
                };
                let value = match (mark, fields.len()) {
                    (b',', 6) => all(10).filter(|all| all.iter().all(|number| *number < 256)),
                    (b':', 4) => all(16),
                    (b':', 2) => all(16).filter(|_| fields.iter().all(|field| field.len() == 4)),
                    _ => None,
                };
                let value = value.and_then(|all| match fields.len() {
                    2 => octets(&all, 16),
                    _ => octets(all.get(..4)?, 8),
                });
                value
                    .and_then(|value| u32::try_from(value).ok())
                    .is_some_and(|value| self.v4.contains(&value))
            })
    }

    /// Four fields with the same mark between them.
    fn four(&self, fields: &[Field<'_>], neighbours: impl Fn() -> [bool; 2], named: bool) -> bool {
        let [first, second, third, fourth] = fields else { return false };
        let mark = second.mark;
        if third.mark != mark || fourth.mark != mark || !b".-_".contains(&mark) {
            return false;
        }
        // In a name letters may stand before the first number and behind the last one.
        let letters = mark != b'.';
        let head = first.text.iter().rev().take_while(|b| b.is_ascii_hexdigit() || **b == b'x').count();
        let digits = |text: &[u8]| text.iter().rev().take_while(|b| b.is_ascii_digit()).count();
        let front = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
        let is_named = |field: &Field<'_>| field.text.iter().any(u8::is_ascii_alphabetic);
        let (first_text, fourth_text) = if letters && (is_named(first) || is_named(fourth)) {
            let from = first.text.len() - digits(first.text);
            (first.text.get(from..), fourth.text.get(..front(fourth.text)))
        } else {
            (first.text.get(first.text.len() - head..), Some(fourth.text))
        };
        let (Some(first_text), Some(fourth_text)) = (first_text, fourth_text) else { return false };
        if !letters && first_text.len() < first.text.len() {
            return false;
        }
        let texts = [first_text, second.text, third.text, fourth_text];
        let count: usize = texts.iter().map(|text| text.iter().filter(|b| b.is_ascii_digit()).count()).sum();
        let [left, right] = neighbours();
        if left || right {
            return false;
        }
        let odd = texts.iter().any(|text| text.len() > 1 && text.starts_with(b"0"));
        let usual = mark == b'.' && !odd;
        [10, 8].into_iter().any(|base| {
            let [a, b, c, d] = texts.map(|text| octet(text, base));
            let (Some(a), Some(b), Some(c), Some(d)) = (a, b, c, d) else { return false };
            let forward = self.v4.contains(&u32::from_be_bytes([a, b, c, d]));
            let back = self.v4.contains(&u32::from_be_bytes([d, c, b, a]));
            // Reversed is what servers of names are asked; with underscores or zeros nobody writes it.
            let back = back && mark != b'_' && !odd;
            // The usual way has its own search, and its own exceptions.
            (forward && !usual || back) && (named || odd || count >= MIN_DIGITS)
        })
    }

    /// Eight groups with hyphens, or 32 digits backwards with dots.
    fn six(&self, fields: &[Field<'_>]) -> bool {
        if self.v6.is_empty() {
            return false;
        }
        let groups = |count: usize| fields.get(..count).unwrap_or_default();
        let joined = |fields: &[Field<'_>]| {
            let mut text = String::new();
            for (i, field) in fields.iter().enumerate() {
                text.push_str(if i == 0 { "" } else { ":" });
                text.push_str(std::str::from_utf8(field.text).unwrap_or("-"));
            }
            text.parse::<Ipv6Addr>().ok().map(u128::from)
        };
        let known = |value: Option<u128>| value.is_some_and(|value| self.v6.contains(&value));
        let hyphens = fields.iter().skip(1).take_while(|field| field.mark == b'-').count() + 1;
        if (3..=9).contains(&hyphens) && known(joined(groups(hyphens))) {
            return true;
        }
        let nibbles = groups(DIGITS_OF_SIX);
        let digits = || nibbles.iter().rev().map(|field| field.text.first().copied().map_or('-', char::from));
        nibbles.len() == DIGITS_OF_SIX
            && nibbles.iter().all(|field| field.text.len() == 1)
            && known(u128::from_str_radix(&digits().collect::<String>(), 16).ok())
    }
}

/// Gives `is_in` every word that has digits enough, until it says yes.
fn words(text: &[u8], is_in: impl Fn(Range<usize>) -> bool) -> bool {
    let class = |b: &u8| CLASSES.get(usize::from(*b)).copied().unwrap_or(0);
    let run = |from: usize| {
        text.get(from..).unwrap_or_default().iter().take(MAX_WORD + 1).take_while(|b| class(b) != 0).count()
    };
    let digits = |word: &Range<usize>| {
        text.get(word.clone()).unwrap_or_default().iter().filter(|b| class(b) == DIGIT).count()
    };
    // A host of a link may be one of few digits.
    let is_short_link = |at: usize| {
        let word = at + 2..at + 2 + run(at + 2);
        word.len() <= MAX_WORD && (1..FEWEST).contains(&digits(&word)) && is_in(word)
    };
    let ends_slashes =
        |at: &usize| text.get(at + 1) == Some(&b'/') && text.get(at + 2).is_some_and(|b| class(b) != 0);
    if memchr::memchr_iter(b'/', text).filter(ends_slashes).any(is_short_link) {
        return true;
    }
    // Only every fourth octet is looked at where there is no word of four.
    let mut at = 0;
    while let Some(last) = text.get(at + FEWEST - 1) {
        let probed = at + FEWEST - 1;
        if class(last) == 0 {
            at = probed + 1;
            continue;
        }
        let before = text.get(at..probed).unwrap_or_default();
        if let Some(other) = before.iter().rposition(|b| class(b) == 0) {
            at += other + 1;
            continue;
        }
        let behind = text.get(probed..).unwrap_or_default();
        let end = probed + behind.iter().position(|b| class(b) == 0).unwrap_or(behind.len());
        let word = at..end;
        if word.len() <= MAX_WORD && digits(&word) >= FEWEST && is_in(word) {
            return true;
        }
        at = end + 1;
    }
    false
}

fn is_linked(text: &[u8], start: usize) -> bool {
    text.get(..start).is_some_and(|before| before.ends_with(b"//"))
}

/// A number in the base that it says: sixteen, eight or ten.
fn number(text: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(text).ok().filter(|text| !text.starts_with('+'))?;
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => u32::from_str_radix(if digits.is_empty() { "0" } else { digits }, 16).ok(),
        None => u32::from_str_radix(text, if text.starts_with('0') { 8 } else { 10 }).ok(),
    }
}

const DIGIT: u8 = 1;
const OTHER: u8 = 2;

/// What an octet is in a word: a digit of base sixteen, another letter or a mark; zero for none.
static CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut b = 0_u8;
    while b < 0x80 {
        table[b as usize] = match b {
            _ if b.is_ascii_hexdigit() => DIGIT,
            b'.' | b'-' | b'_' => OTHER,
            _ if b.is_ascii_alphabetic() => OTHER,
            _ => 0,
        };
        b += 1;
    }
    table
};

fn fields(word: &[u8]) -> Vec<Field<'_>> {
    let mut out: Vec<Field<'_>> = Vec::new();
    let (mut from, mut mark) = (0, 0);
    for (i, b) in word.iter().chain(b".").enumerate() {
        if b.is_ascii_alphanumeric() {
            continue;
        }
        let next = if i < word.len() { *b } else { 0 };
        out.push(Field { text: word.get(from..i).unwrap_or_default(), mark, next });
        (from, mark) = (i + 1, *b);
    }
    // A mark at the end of a word ends a sentence.
    while out.len() > 1 && out.last().is_some_and(|field| field.text.is_empty()) {
        out.pop();
        if let Some(last) = out.last_mut() {
            last.next = 0;
        }
    }
    out
}

/// Whether what `count` fields from `i` on hold is a word of its own, or the first label of a name.
fn stands_alone(fields: &[Field<'_>], i: usize, count: usize) -> bool {
    let first = i == 0 || fields.get(i - 1).is_some_and(|field| i == 1 && field.text.is_empty());
    let end = if count == 1 { fields.get(i) } else { None };
    let behind = fields.get(i + 1).and_then(|field| field.text.first());
    let ends = end.is_none_or(|field| {
        field.next == 0 || field.next == b'.' && behind.is_none_or(|b| !b.is_ascii_digit())
    });
    first && ends
}

/// Whether a number stands before the fields, and behind them.
fn neighbours(fields: &[Field<'_>], i: usize, count: usize) -> [bool; 2] {
    // The digits of `ec2-203-…` are part of a word.
    let is_number = |field: Option<&Field<'_>>| {
        field.is_some_and(|field| !field.text.is_empty() && field.text.iter().all(u8::is_ascii_digit))
    };
    let mark = fields.get(i + 1).map_or(0, |field| field.mark);
    let before = i.checked_sub(1).and_then(|i| fields.get(i)).filter(|field| field.next == mark);
    let behind = fields.get(i + count).filter(|field| field.mark == mark);
    [is_number(before), is_number(behind)]
}

/// A field as a number below 256: in hexadecimal digits where it says so.
fn octet(text: &[u8], base: u32) -> Option<u8> {
    let text = std::str::from_utf8(text).ok()?;
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => u8::from_str_radix(digits, 16).ok(),
        None if text.starts_with('+') => None,
        None => u8::from_str_radix(text, base).ok(),
    }
}

#[cfg(test)]
mod tests;
