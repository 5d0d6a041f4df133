//! Host names and IP addresses of the mail path: for the gate alone.
//!
//! Rules: only whole names count. A host of more labels than a registered domain has is hit inside a longer one that
//! lies below it too; an IPv6 address in any of its spellings (RFC 4291 §2.2). Behind an at sign a name is part of
//! somebody's address, and no hit but in fields of message identifiers; nor is it in a text or file where it is part of a
//! link, nor one that somebody registered before an at sign. Other spellings of names are read in texts ([`spelled`]). What has less than four characters is no
//! trace; what has neither dot nor colon, or an at sign, is an id ([`ids`](super::ids)).
//! When it fails: never.

use super::escapes::{Kind, MAX_LAYERS, is_lead, unescaped};
use super::ids::{self, Ids};
use super::numbers::Numbers;
use super::spelled::Pairs;
use super::tags;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Shortest trace that is looked for.
const MIN_TRACE: usize = 4;
/// Shortest id of a queue.
const MIN_ID: usize = 10;
/// How much of a text with tags is read behind the beginning of a name, and how many such places are read.
const TAGS: usize = 1024;
const MAX_CUTS: usize = 50_000;
/// Longest spelling of an IPv6 address.
const MAX_V6: usize = 45;
/// Longest name (RFC 1035 §2.3.4) and what may be joined to it.
const MAX_NAME: usize = 300;
/// What stands before a country's label in registered domains of three labels.
const SECOND_LEVEL: [&str; 14] =
    ["co", "ne", "or", "ac", "go", "gr", "ad", "ed", "lg", "com", "net", "org", "edu", "gov"];

/// Where a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Header,
    /// A field of message identifiers: what stands behind an at sign there is nobody's address.
    Identifiers,
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
    pairs: Pairs,
    ids: Ids,
    numbers: Numbers,
}

struct Name {
    text: Vec<u8>,
    dot: usize,
    /// Whether only exactly this name is meant, not what lies below it.
    is_exact: bool,
}

impl Traces {
    /// Makes them ready to be looked for.
    pub fn new(traces: &[String]) -> Self {
        let mut out = Self {
            names: Vec::new(),
            v6: Vec::new(),
            dots: 0,
            pairs: Pairs::new(),
            ids: Ids::default(),
            numbers: Numbers::default(),
        };
        for trace in traces.iter().map(|trace| trace.trim_matches(['[', ']', '.'])) {
            if trace.len() < MIN_TRACE {
                continue;
            }
            if trace.contains('@') {
                out.ids.add(trace);
                out.pairs.add_signs(&trace.to_ascii_lowercase().into_bytes());
                continue;
            }
            let v6 = trace.get(..5).filter(|tag| tag.eq_ignore_ascii_case("ipv6:"));
            if let Ok(address) = trace.get(v6.map_or(0, str::len)..).unwrap_or_default().parse::<Ipv6Addr>() {
                out.v6.push(address);
                out.numbers.add_six(address);
                out.pairs.add(address.to_string().as_bytes());
                let groups: Vec<String> =
                    address.segments().iter().map(|group| format!("{group:04x}")).collect();
                out.pairs.add(groups.join(":").as_bytes());
            } else if let Some(dot) = trace.find('.') {
                let text = trace.to_ascii_lowercase().into_bytes();
                let around = |at: usize| text.get(at).copied().unwrap_or(0);
                out.dots |= bit(around(dot.wrapping_sub(1)), around(dot + 1));
                out.pairs.add(&text);
                out.names.push(Name { dot, is_exact: is_exact(trace), text });
                if let Ok(address) = trace.parse::<Ipv4Addr>() {
                    out.numbers.add_four(address);
                    // Behind an at sign it counts too, also behind one that is written as an escape.
                    out.pairs.add(&[b'@', trace.as_bytes().first().copied().unwrap_or(b'0')]);
                }
            } else if !trace.contains(':') && is_id(trace) {
                out.ids.add(trace);
            }
        }
        out
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.v6.is_empty() && self.ids.is_empty()
    }

    /// Whether one stands in a text, however it is spelled.
    pub fn stand_in(&self, text: &[u8], place: Place) -> bool {
        !self.is_empty()
            && place != Place::Token
            && (self.stand_plainly_in(text, place)
                || self.numbers.stand_in(text)
                || self.ids.stand_in_links(text)
                || self.pairs.any(text, |text| self.stand_plainly_in(text, place))
                || (place == Place::Body && self.stand_around_tags(text)))
    }

    /// Whether a name or an address stands in a text that a tag cuts up: `mail.exa<b></b>mple.jp`. A text with very many tags behind the
    /// beginnings of names is no text that anybody wrote: it is taken for one that has a name.
    fn stand_around_tags(&self, text: &[u8]) -> bool {
        let mut left = MAX_CUTS;
        memchr::memchr_iter(b'<', text).any(|at| {
            let slice = |start: usize| text.get(start..(at + TAGS).min(text.len())).unwrap_or_default();
            let mut is_cut = |start: usize, shown: &dyn Fn(tags::View) -> bool| {
                left -= 1;
                left == 0
                    || tags::View::EACH.into_iter().any(shown)
                        && !is_exempt(text, start, Place::Body)
                        && !is_behind_sign(text, start, at)
            };
            label_starts(text, at).any(|start| {
                let head = text.get(start..at).unwrap_or_default();
                self.names.iter().any(|name| {
                    is_beginning(&name.text, head)
                        && is_whole(text, start, at, name.is_exact)
                        && is_cut(start, &|view| shows(&name.text, slice(start), view))
                })
            }) || self.v6_start(text, at).is_some_and(|start| {
                is_cut(start, &|view| self.v6_from(&bare(slice(start), view), 0, Place::Body))
            })
        })
    }

    /// Where what stands before `end` may begin an IPv6 address.
    fn v6_start(&self, text: &[u8], end: usize) -> Option<usize> {
        let before = text.get(end.saturating_sub(MAX_V6)..end).filter(|_| !self.v6.is_empty())?;
        let is_part = |b: &u8| b.is_ascii_hexdigit() || *b == b':';
        let length = before.iter().rev().take_while(|b| is_part(b)).count();
        let head = before.get(before.len() - length..)?;
        (head.len() >= 2 && head.contains(&b':')).then_some(end - length)
    }

    /// Whether one stands in plain octets.
    pub fn stand_plainly_in(&self, text: &[u8], place: Place) -> bool {
        (!self.names.is_empty()
            && memchr::memchr_iter(b'.', text).any(|at| self.name_around(text, at, place)))
            || self.ids.stand_in(text)
            || (!(self.v6.is_empty() && self.numbers.are_none())
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
                && is_whole(text, start, end, name.is_exact)
                && !is_exempt(text, start, place)
                && !(name.is_exact && place == Place::Body && is_local_part(text, start, end))
                && !(name.is_exact && place != Place::Header && is_in_query(text, start))
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
        // `ip:2001:…`, `mailto:2001:…`: what stands before the first colon is another word.
        let label = text.get(at + 1) != Some(&b':');
        self.v6_from(text, start, place) || (label && self.v6_from(text, at + 1, place))
    }

    /// Whether one of the addresses begins at `start`.
    fn v6_from(&self, text: &[u8], start: usize, place: Place) -> bool {
        let is_part = |b: &u8| b.is_ascii_hexdigit() || matches!(b, b':' | b'.');
        let near = text.get(start..(start + 48).min(text.len())).unwrap_or_default();
        let length = near.iter().take_while(|b| is_part(b)).count();
        let is_joined = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'-');
        let left = start.checked_sub(1).and_then(|i| text.get(i));
        let apart = !is_joined(left) || is_half(text, start) || is_behind_escape(text, start);
        if !apart || is_joined(text.get(start + length)) {
            return false;
        }
        let token = text.get(start..start + length).unwrap_or_default();
        let found =
            [token, token.strip_suffix(b".").unwrap_or(token), token.strip_suffix(b":").unwrap_or(token)]
                .iter()
                .filter_map(|token| std::str::from_utf8(token).ok()?.parse().ok())
                .any(|address: Ipv6Addr| self.v6.contains(&address) || self.numbers.lie_within(address));
        found && !is_exempt(text, start, place)
    }
}

/// Where the labels of the name start that a text has before `end`, as far as a name is long.
fn label_starts(text: &[u8], end: usize) -> impl Iterator<Item = usize> {
    let before = text.get(end.saturating_sub(MAX_NAME)..end).unwrap_or_default();
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || b".-_".contains(b);
    let length = before.iter().rev().take_while(|b| is_part(b)).count();
    let from = end - length;
    (from..end).filter(move |start| {
        *start == from
            || start.checked_sub(1).and_then(|i| text.get(i)).is_some_and(|b| !b.is_ascii_alphanumeric())
    })
}

/// Whether a name goes on where `head` ends.
fn is_beginning(name: &[u8], head: &[u8]) -> bool {
    head.len() < name.len()
        && name.first().zip(head.first()).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b))
        && name.get(..head.len()).is_some_and(|own| own.eq_ignore_ascii_case(head))
}

/// Markup as it is shown.
fn bare(markup: &[u8], view: tags::View) -> Vec<u8> {
    let mut bare = Vec::new();
    tags::outside(markup, view, |piece| bare.extend_from_slice(piece));
    bare
}

/// Whether markup begins with a name, as it is shown. What a tag parts from the name's end is another word.
fn shows(name: &[u8], markup: &[u8], view: tags::View) -> bool {
    let (mut bare, mut next) = (Vec::new(), None);
    tags::outside(markup, view, |piece| {
        if bare.len() < name.len() {
            bare.extend_from_slice(piece);
            next = bare.get(name.len()).copied();
        }
    });
    let is_joined = next.is_some_and(|b: u8| b.is_ascii_alphanumeric() || b == b'-');
    !is_joined && bare.get(..name.len()).is_some_and(|shown| shown.eq_ignore_ascii_case(name))
}

fn bit(before: u8, behind: u8) -> u64 {
    1 << ((u32::from(before) * 31 + u32::from(behind) * 7) % 64)
}

/// Whether no longer name reaches into what stands from `start` to `end`. One that is not exact may have names below it.
fn is_whole(text: &[u8], start: usize, end: usize, is_exact: bool) -> bool {
    let joined = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'-');
    let left = |back: usize| start.checked_sub(back).and_then(|i| text.get(i));
    let below = left(1) == Some(&b'.') && is_exact && joined(left(2));
    let longer = text.get(end) == Some(&b'.') && joined(text.get(end + 1));
    let apart = !joined(left(1)) || is_behind_escape(text, start) || is_half(text, start);
    apart && !joined(text.get(end)) && !below && !longer
}

/// Whether what stands before `start` is a line end or tab as calendars and scripts write it: a backslash and a letter.
pub fn is_behind_escape(text: &[u8], start: usize) -> bool {
    let pair = start.checked_sub(2).and_then(|from| text.get(from..start));
    matches!(pair, Some([b'\\', b'n' | b'N' | b'r' | b't']))
}

/// Whether the octet before `start` may be the second half of a character and no letter: behind an octet above 127 in
/// what is no UTF-8.
fn is_half(text: &[u8], start: usize) -> bool {
    let Some(end) = start.checked_sub(1) else { return false };
    let mut from = end.saturating_sub(2 * MAX_NAME);
    while from > 0 && from < end && text.get(from).is_some_and(|b| b & 0xc0 == 0x80) {
        from += 1;
    }
    let before = text.get(from..end).unwrap_or_default();
    before.last().is_some_and(|b| *b > 0x80) && encoding_rs::Encoding::utf8_valid_up_to(before) < before.len()
}

/// Whether a word is no name, but the id of a queue.
fn is_id(word: &str) -> bool {
    let has = |fits: fn(&u8) -> bool| word.bytes().any(|b| fits(&b));
    word.len() >= MIN_ID
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
}

/// Whether a trace is the domain that somebody registered, under which others may be, or an address (RFC 1034 §3.1).
fn is_exact(trace: &str) -> bool {
    let lower = trace.to_ascii_lowercase();
    let labels: Vec<&str> = lower.split('.').collect();
    match labels[..] {
        [_, _] => true,
        [_, second, last] => last.len() == 2 && SECOND_LEVEL.contains(&second),
        _ => trace.parse::<Ipv4Addr>().is_ok(),
    }
}

/// Whether the name around `start` is none of the mail path where it stands.
fn is_exempt(text: &[u8], start: usize, place: Place) -> bool {
    if place == Place::Identifiers || place == Place::Body && ids::is_quoted(text, start) {
        return false;
    }
    let before = text.get(start.saturating_sub(MAX_NAME)..start).unwrap_or_default();
    let near = text.get(start..(start + MAX_NAME).min(text.len())).unwrap_or_default();
    let length = near.iter().take_while(|b| b.is_ascii_alphanumeric() || b".-".contains(b)).count();
    let name = near.get(..length).unwrap_or_default();
    if is_other(before, name, place) {
        return true;
    }
    // What stands there may be spelled in escapes: `https&#58;&#47;&#47;`.
    let near = before.get(before.len().saturating_sub(MAX_MARK)..).unwrap_or_default();
    if !near.iter().any(|b| is_lead(*b)) {
        return false;
    }
    let mut near = String::from_utf8_lossy(near).into_owned();
    for _ in 0..MAX_LAYERS {
        let Some(decoded) = unescaped(&near, Kind::All) else { return false };
        if is_other(decoded.as_bytes(), name, place) {
            return true;
        }
        near = decoded;
    }
    false
}

/// Whether a name stands behind an address's at sign with nothing but tags between that part nothing on a screen: the rest of an address
/// that tags cut up. A sign without a local part, in another cell or line, is none.
fn is_behind_sign(text: &[u8], start: usize, cut: usize) -> bool {
    let is_number = text.get(start..cut).is_some_and(|name| !name.iter().any(u8::is_ascii_alphabetic));
    let before = text.get(start.saturating_sub(MAX_NAME)..start).unwrap_or_default();
    let from = memchr::memrchr(b'@', before).unwrap_or(0);
    let between = before.get(from..).unwrap_or_default().to_ascii_lowercase();
    let parts = |tag: &&[u8]| memchr::memmem::find(&between, tag).is_some();
    let shown = bare(before, tags::View::Strict);
    let local = shown.strip_suffix(b"@").and_then(<[u8]>::last);
    !is_number
        && before.ends_with(b">")
        && local.is_some_and(u8::is_ascii_alphanumeric)
        && !PARTING.iter().any(parts)
}

/// Tags behind which a line or a cell begins.
const PARTING: [&[u8]; 9] = [b"<br", b"<td", b"<th", b"<tr", b"<p", b"<div", b"<li", b"<dd", b"<h"];

/// Whether a registered domain, and no number, stands before the at sign of an address: `bounces+ann=shop.example@list.example` is
/// somebody else's, and is judged whole. A machine's name says where somebody is all the same.
fn is_local_part(text: &[u8], start: usize, end: usize) -> bool {
    let is_number = text.get(start..end).is_some_and(|name| !name.iter().any(u8::is_ascii_alphabetic));
    !is_number && text.get(end) == Some(&b'@') && text.get(end + 1).is_some_and(u8::is_ascii_alphanumeric)
}

/// Whether a registered domain, and no number, is the value of a parameter of a link: its writer's content like the rest.
fn is_in_query(text: &[u8], start: usize) -> bool {
    let is_number = text.get(start).is_some_and(u8::is_ascii_digit);
    let before = text.get(start.saturating_sub(MAX_LINK)..start).unwrap_or_default();
    let breaks = |b: &u8| *b <= b' ' || *b >= 0x7f || b"<>\"'()[]{}|^`\\".contains(b);
    let from = before.iter().rposition(breaks).map_or(0, |i| i + 1);
    let link = before.get(from..).unwrap_or_default();
    let scheme = memchr::memmem::find(link, b"://");
    let asks = memchr::memchr(b'?', link);
    !is_number && link.ends_with(b"=") && scheme.zip(asks).is_some_and(|(scheme, asks)| scheme < asks)
}

/// How much of a link is read before a name, in octets (RFC 5322 §2.1.1).
const MAX_LINK: usize = 998;
/// Longest spelling of the mark of a link or address, in octets.
const MAX_MARK: usize = 96;

/// Whether the name that ends with what stands `before` a trace and begins it is part of an address or, in a text, of a
/// link. `name` is the trace.
fn is_other(before: &[u8], name: &[u8], place: Place) -> bool {
    let labels = before.iter().rev().take_while(|b| b.is_ascii_alphanumeric() || b".-_".contains(b)).count();
    let (before, labels) = before.split_at(before.len() - labels);
    // An address literal (RFC 5321 §4.1.3, RFC 3986 §3.2.2). Without brackets a number is nobody's domain.
    let literal = before.strip_suffix(b"[");
    let is_number = !labels.iter().chain(name).any(u8::is_ascii_alphabetic) && literal.is_none();
    let before = literal.unwrap_or(before);
    let at = [b"@".as_slice(), "＠".as_bytes()].iter().find_map(|sign| before.strip_suffix(*sign));
    if place == Place::Header {
        // `i=@` and `<@` name no one.
        return at.and_then(<[u8]>::last).is_some_and(|b| !b.is_ascii_whitespace() && !b"=<(,;:".contains(b));
    }
    let link = before.ends_with(b"//") || before.ends_with(b"\\/");
    let first = labels.iter().chain(name).take(4);
    (at.is_some() && !is_number) || link || first.map(u8::to_ascii_lowercase).eq(*b"www.")
}
