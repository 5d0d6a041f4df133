//! Values in base64 that stand behind the name of a line: LDIF's `mail:: …` (RFC 2849), a card's `NOTE;ENCODING=b:…`
//! (RFC 2426 §2.4.1, vCard 2.1 with `BASE64`), a calendar's (RFC 5545 §3.2.7). Programs show what they hold.
//!
//! Rules: a value goes on over folds, which are a line end and a blank. A change keeps folds and their width.
//! When it fails: never; what is no base64 is no value.

use super::slice;
use super::transfer::{Edit, apply};
use data_encoding::BASE64;
use std::ops::Range;

/// Longest head of a line, in octets: a name with its parameters.
const MAX_HEAD: usize = 256;
/// Fewest digits that hold a name.
const SHORTEST: usize = 8;

/// Where a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// From its first digit to its last one, with the folds between.
    pub range: Range<usize>,
}

/// The values of a text, in order.
#[must_use]
pub fn values(text: &[u8]) -> Vec<Value> {
    let mut out: Vec<Value> = Vec::new();
    // Few texts have a parameter, or two colons.
    if memchr::memchr(b';', text).is_none() && memchr::memmem::find(text, b"::").is_none() {
        return out;
    }
    for at in memchr::memchr_iter(b':', text) {
        let is_behind = out.last().is_none_or(|last| last.range.end <= at);
        if is_behind
            && let Some(from) = value_start(text, at)
            && let Some(range) = value_at(text, from)
        {
            out.push(Value { range });
        }
    }
    out
}

impl Value {
    /// What it holds; nothing where it is cut.
    #[must_use]
    pub fn decoded(&self, text: &[u8]) -> Vec<u8> {
        BASE64.decode(&digits(slice(text, self.range.clone()))).unwrap_or_default()
    }

    /// The value with `edits` (over what it holds) made in it.
    #[must_use]
    pub fn edited(&self, text: &[u8], edits: &[Edit]) -> Vec<u8> {
        let raw = slice(text, self.range.clone());
        let new = BASE64.encode(&apply(&self.decoded(text), edits)).into_bytes();
        let is_digit = |b: &u8| !b.is_ascii_whitespace();
        let first = raw.iter().take_while(|b| is_digit(b)).count();
        let behind = slice(raw, first..raw.len());
        let fold = slice(behind, 0..behind.iter().take_while(|b| !is_digit(b)).count());
        if fold.is_empty() {
            return new;
        }
        let second = slice(behind, fold.len()..behind.len()).iter().take_while(|b| is_digit(b)).count();
        let (head, mut rest) = new.split_at_checked(first).unwrap_or((&new, &[]));
        let mut out = head.to_vec();
        // One that had a single line behind the first may get others of the first one's width.
        let width = second.max(first).max(SHORTEST);
        while !rest.is_empty() {
            let (line, more) = rest.split_at_checked(width).unwrap_or((rest, &[]));
            out.extend_from_slice(fold);
            out.extend_from_slice(line);
            rest = more;
        }
        out
    }
}

/// Where the value begins behind the colon at `at`, if what stands before it says that it is base64.
fn value_start(text: &[u8], at: usize) -> Option<usize> {
    let near = text.get(at.saturating_sub(MAX_HEAD)..at)?;
    let is_double = text.get(at + 1) == Some(&b':');
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || b"-;.=_\"".contains(b);
    // A line may be quoted.
    let is_mark = |b: &u8| matches!(b, b'>' | b'|' | b' ' | b'\t');
    let length = near.iter().rev().take_while(|b| is_name(b) || is_mark(b)).count();
    let begins = near.len().checked_sub(length + 1).and_then(|i| near.get(i));
    let is_line = begins.map_or(near.len() < MAX_HEAD, |b| *b == b'\n');
    let line = slice(near, near.len() - length..near.len());
    let head = slice(line, line.iter().take_while(|b| is_mark(b)).count()..line.len());
    let good = is_line && !head.is_empty() && head.iter().all(is_name) && (is_double || says_base64(head));
    good.then_some(at + 1 + usize::from(is_double))
}

/// Whether the parameters of a line say `ENCODING=b` or `BASE64`.
fn says_base64(head: &[u8]) -> bool {
    head.split(|b| *b == b';').skip(1).any(|parameter| {
        let value = parameter.get(..9).filter(|name| name.eq_ignore_ascii_case(b"encoding="));
        let value = value.map_or(parameter, |name| slice(parameter, name.len()..parameter.len()));
        (value.len() < parameter.len() && value.eq_ignore_ascii_case(b"b"))
            || value.eq_ignore_ascii_case(b"base64")
    })
}

/// The digits from `from` on, over blanks and folds, if they are whole groups.
fn value_at(text: &[u8], from: usize) -> Option<Range<usize>> {
    let (mut at, mut start, mut end) = (from, None, from);
    let mut count = 0;
    while let Some(b) = text.get(at) {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' | b'=' => {
                start.get_or_insert(at);
                count += 1;
                end = at + 1;
                at += 1;
            }
            b' ' | b'\t' if start.is_none() => at += 1,
            b'\r' | b'\n' => {
                let line_end = if text.get(at..at + 2) == Some(b"\r\n") { 2 } else { 1 };
                if !text.get(at + line_end).is_some_and(|b| matches!(b, b' ' | b'\t')) {
                    break;
                }
                at += line_end;
                at += slice(text, at..text.len()).iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
            }
            _ => break,
        }
    }
    let whole = count >= SHORTEST && count % 4 == 0;
    start.filter(|_| whole).map(|start| start..end)
}

fn digits(raw: &[u8]) -> Vec<u8> {
    raw.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_what_a_line_says_is_base64() {
        let held = "host mx7.hidden.example";
        let value = BASE64.encode(held.as_bytes());
        let (head, tail) = value.split_at(9);
        for text in [
            format!("dn: x\nmail:: {value}\nsn: y\n"),
            format!("> description;lang-ja:: {value}\r\n"),
            format!("mail:: {head}\n {tail}\ncn: z"),
            format!("NOTE;ENCODING=b:{value}\r\nEND:VCARD"),
            format!("item1.NOTE;TYPE=x;encoding=BASE64;CHARSET=\"utf-8\":\r\n  {head}\r\n  {tail}\r\n\r\n"),
            format!("NOTE;BASE64:{value}"),
        ] {
            let found = values(text.as_bytes());
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!(found[0].decoded(text.as_bytes()), held.as_bytes(), "{text}");
            let edit = Edit { range: 5..8, with: b"mail-relay-42".to_vec() };
            let with = found[0].edited(text.as_bytes(), &[edit]);
            let new = apply(text.as_bytes(), &[Edit { range: found[0].range.clone(), with }]);
            let again = values(&new);
            assert_eq!(again[0].decoded(&new), b"host mail-relay-42.hidden.example");
            let line_ends = |octets: &[u8]| (octets.contains(&b'\r'), octets.ends_with(b"\n"));
            assert_eq!(line_ends(&new), line_ends(text.as_bytes()));
        }
        for text in [
            format!("mail: {value}"),
            format!("std::vec:: {value}"),
            format!("NOTE;TYPE=b:{value}"),
            format!("a word:: {value}"),
            "mail:: TG9yZW0gaXBzd".to_owned(),
        ] {
            assert_eq!(values(text.as_bytes()), [], "{text}");
        }
    }
}
