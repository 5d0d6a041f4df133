//! Host names and IP addresses of the mail path: for the gate alone.
//!
//! Rules: only whole names count. A host is hit inside a longer one that lies below it; an IPv6 address in any of its
//! spellings (RFC 4291 §2.2). In a header field it is a hit wherever it stands; in a text or file not where it is part
//! of a link or of somebody's address. What has less than four characters, or neither dot nor colon, is no trace.
//! When it fails: never.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Shortest trace that is looked for.
const MIN_TRACE: usize = 4;
/// Longest name (RFC 1035 §2.3.4) and what may be joined to it.
const MAX_NAME: usize = 300;

/// Where a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Header,
    Body,
    /// What a token of a link holds, where no trace is looked for: it means nothing to a person.
    Token,
}

/// The traces of one message.
pub struct Traces {
    names: Vec<Name>,
    v6: Vec<Ipv6Addr>,
    /// Neighbours of the first dot that occur, by hash.
    dots: u64,
}

struct Name {
    text: Vec<u8>,
    dot: usize,
    is_ip: bool,
}

impl Traces {
    /// Makes them ready to be looked for.
    pub fn new(traces: &[String]) -> Self {
        let mut out = Self { names: Vec::new(), v6: Vec::new(), dots: 0 };
        for trace in traces.iter().map(|trace| trace.trim_matches(['[', ']', '.'])) {
            if trace.len() < MIN_TRACE {
                continue;
            }
            let v6 = trace.get(..5).filter(|tag| tag.eq_ignore_ascii_case("ipv6:"));
            if let Ok(address) = trace.get(v6.map_or(0, str::len)..).unwrap_or_default().parse() {
                out.v6.push(address);
            } else if let Some(dot) = trace.find('.') {
                let text = trace.to_ascii_lowercase().into_bytes();
                let around = |at: usize| text.get(at).copied().unwrap_or(0);
                out.dots |= bit(around(dot.wrapping_sub(1)), around(dot + 1));
                out.names.push(Name { text, dot, is_ip: trace.parse::<Ipv4Addr>().is_ok() });
            }
        }
        out
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.v6.is_empty()
    }

    /// Whether one stands in `text`.
    pub fn stand_in(&self, text: &[u8], place: Place) -> bool {
        if place == Place::Token {
            return false;
        }
        (!self.names.is_empty()
            && memchr::memchr_iter(b'.', text).any(|at| self.name_around(text, at, place)))
            || (!self.v6.is_empty()
                && memchr::memchr_iter(b':', text).any(|at| self.v6_around(text, at, place)))
    }

    fn name_around(&self, text: &[u8], at: usize, place: Place) -> bool {
        let around = |at: usize| text.get(at).map_or(0, u8::to_ascii_lowercase);
        if self.dots & bit(around(at.wrapping_sub(1)), around(at + 1)) == 0 {
            return false;
        }
        self.names.iter().any(|name| {
            let Some(start) = at.checked_sub(name.dot) else { return false };
            let end = start + name.text.len();
            text.get(start..end).is_some_and(|found| found.eq_ignore_ascii_case(&name.text))
                && is_whole(text, start, end, name.is_ip)
                && (place == Place::Header || !is_link(text, start))
        })
    }

    fn v6_around(&self, text: &[u8], at: usize, place: Place) -> bool {
        let is_part = |b: &u8| b.is_ascii_hexdigit() || matches!(b, b':' | b'.');
        let before = text.get(at.saturating_sub(5)..at).unwrap_or_default();
        let mut start = at - before.iter().rev().take_while(|b| is_part(b)).count();
        let head = text.get(..at).unwrap_or_default();
        if memchr::memchr(b':', text.get(start..at).unwrap_or_default()).is_some() {
            return false;
        }
        // `IPv6:` (RFC 5321 §4.1.3).
        if head.len() >= 4 && head.get(head.len() - 4..).is_some_and(|tag| tag.eq_ignore_ascii_case(b"ipv6"))
        {
            start = at + 1;
        }
        let length = text
            .get(start..(start + 48).min(text.len()))
            .unwrap_or_default()
            .iter()
            .take_while(|b| is_part(b));
        let length = length.count();
        let is_joined = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'-');
        let left = start.checked_sub(1).and_then(|i| text.get(i));
        if is_joined(left) || is_joined(text.get(start + length)) {
            return false;
        }
        let token = text.get(start..start + length).unwrap_or_default();
        let found =
            [token, token.strip_suffix(b".").unwrap_or(token), token.strip_suffix(b":").unwrap_or(token)]
                .iter()
                .filter_map(|token| std::str::from_utf8(token).ok()?.parse().ok())
                .any(|address: Ipv6Addr| self.v6.contains(&address));
        found && (place == Place::Header || !is_link(text, start))
    }
}

fn bit(before: u8, behind: u8) -> u64 {
    1 << ((u32::from(before) * 31 + u32::from(behind) * 7) % 64)
}

/// Whether no longer name reaches into what stands from `start` to `end`. A host may have names below it.
fn is_whole(text: &[u8], start: usize, end: usize, is_ip: bool) -> bool {
    let joined = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'-');
    let left = |back: usize| start.checked_sub(back).and_then(|i| text.get(i));
    let below = left(1) == Some(&b'.') && is_ip && joined(left(2));
    let longer = text.get(end) == Some(&b'.') && joined(text.get(end + 1));
    !joined(left(1)) && !joined(text.get(end)) && !below && !longer
}

/// Whether the name around `start` is that of a link, or behind an at sign.
fn is_link(text: &[u8], start: usize) -> bool {
    let before = text.get(start.saturating_sub(MAX_NAME)..start).unwrap_or_default();
    let labels = before.iter().rev().take_while(|b| b.is_ascii_alphanumeric() || b".-_".contains(b)).count();
    let first = start - labels;
    let before = text.get(..first).unwrap_or_default();
    // An address literal (RFC 5321 §4.1.3, RFC 3986 §3.2.2).
    let before = before.strip_suffix(b"[").unwrap_or(before);
    let www = text.get(first..first + 4).is_some_and(|head| head.eq_ignore_ascii_case(b"www."));
    www || [b"//".as_slice(), b"\\/", b"@", "＠".as_bytes()].iter().any(|mark| before.ends_with(mark))
}
