//! Traces: host names and IP addresses of the way a mail took, and the ids it names, which say where its writer is.
//!
//! Rules: the hosts of a mail's path are those in Received, Message-ID, the authentication fields and the like (every
//! field that says how the mail went), and what the peer said of itself. In a header they go with their fields, or the
//! field is written anew; in a text they give way to our own host name, ids to the ids that the recipient sees, so that
//! a quoted header block still makes sense. Left in a text are: the mail domain of a party and what lies above it,
//! domains of providers that millions share, what stands in a link or behind an at sign (a shop's web site is its
//! content; other people's addresses are theirs) but in a quoted field of ids ([`quoted`]), private and loopback
//! addresses, and our own names. A name that an organization registered counts alone; a machine's counts also as the
//! end of a longer name.
//! When it fails: never.

mod names;
mod numbers;
mod path;
mod quoted;

use super::Party;
use super::identity;
use super::needle::Found;
use super::search::Search;
use crate::mime::header::Header;
use crate::mime::transfer::Edit;
use numbers::Numbers;

pub use names::Names;
pub use numbers::Number;
pub use path::is_shared;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

/// Most traces of one mail; a mail path has a dozen.
const MAX_TRACES: usize = 64;
/// Most ids of parts that are looked for in texts.
const MAX_PARTS: usize = 64;
/// Octets that are compared for the places of a text where a name may be broken; beyond that every place is one.
const MAX_STEPS: usize = 20_000_000;
/// Longest name of a charset with its language that is read before a name, in octets.
const MAX_CHARSET: usize = 64;
/// How much of a line is read before a name (RFC 5322 §2.1.1).
const MAX_LINE: usize = 998;

/// What is known beside the message.
pub struct Known<'a> {
    /// Of the sender's machine.
    pub peer: &'a [String],
    /// Our domains.
    pub own: &'a [&'a str],
    pub writer: Party,
    /// Our id of the message.
    pub queue_id: &'a str,
}

/// What is looked for in texts.
#[derive(Default)]
pub struct Traces {
    /// Lower case, each once.
    names: Vec<String>,
    /// The parties' mail domains, which are hosts in quoted ids alone.
    mailboxes: Vec<String>,
    /// What takes the place of the id, without brackets.
    ids: BTreeMap<String, String>,
    host: String,
    patterns: Names,
    numbers: Numbers,
}

impl Traces {
    /// Collects the traces of a message, from its header and from what is known beside it; `map` gives the id that the recipient sees.
    pub fn new(
        bytes: &[u8],
        header: &Header,
        search: &Search,
        known: &Known<'_>,
        map: &dyn Fn(&str) -> String,
    ) -> Self {
        let Known { peer, own, writer, queue_id } = *known;
        // The sender's own machine first: of too many, the first ones count.
        let mut found: Vec<String> = Vec::new();
        for text in peer {
            path::collect(text.as_bytes(), &mut found);
        }
        path::of_fields(bytes, header, MAX_TRACES, &mut found);
        let below = |name: &str, domain: &str| {
            name == domain || name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
        };
        // The domain of a party's mailbox, and what lies above it, is no trace in a text.
        let provider = |name: &str| {
            search.domains().any(|domain| below(&domain, name))
                || path::is_shared(name)
                || name == "localhost.localdomain"
        };
        let ours = |name: &str| own.iter().any(|domain| below(name, domain) || below(domain, name));
        let public = |name: &str| writer == Party::Merchant && path::is_registered(name);
        let names: Vec<String> = found
            .into_iter()
            .filter(|name| !provider(name) && !ours(name) && !public(name))
            .take(MAX_TRACES)
            .collect();
        // A store's own domain stands on all its pages.
        let mut mailboxes: Vec<String> = Vec::new();
        if writer == Party::Customer {
            let domains = search.domains().filter(|domain| domain.is_ascii() && !path::is_shared(domain));
            mailboxes.extend(domains);
        }
        let mut ids = BTreeMap::new();
        for field in ["Message-ID", "In-Reply-To", "References"] {
            for id in identity::ids(bytes, header, field) {
                let bare = |id: &str| id.trim_start_matches('<').trim_end_matches('>').to_owned();
                if ids.len() < MAX_TRACES && id.contains('@') {
                    ids.insert(bare(&id), bare(&map(&id)));
                }
            }
        }
        for id in path::queue_ids(bytes, header, MAX_TRACES) {
            if !id.eq_ignore_ascii_case(queue_id) {
                ids.insert(id, queue_id.to_owned());
            }
        }
        let host = own.first().copied().unwrap_or_default().to_owned();
        let numbers = Numbers::new(&names, bytes.len());
        let mut traces = Self { names, mailboxes, ids, host, patterns: Names::default(), numbers };
        traces.prepare(bytes.len());
        traces
    }

    /// Takes in further ids and what takes the place of each, for texts of up to `text` octets.
    pub fn add_ids<'i>(&mut self, ids: impl Iterator<Item = (&'i str, &'i str)>, text: usize) {
        let before = self.ids.len();
        let room = MAX_TRACES + MAX_PARTS;
        for (id, new) in ids.filter(|(id, new)| id.contains('@') && !id.eq_ignore_ascii_case(new)) {
            if self.ids.len() < room {
                self.ids.entry(id.to_owned()).or_insert_with(|| new.to_owned());
            }
        }
        if self.ids.len() > before {
            self.prepare(text);
        }
    }

    /// Makes ready what is looked for.
    fn prepare(&mut self, text: usize) {
        let mut patterns: Vec<String> = self.ids.keys().cloned().collect();
        for name in &self.names {
            patterns.push(name.clone());
            patterns.extend(path::spelled_in_full(name));
        }
        patterns.extend(self.mailboxes.iter().filter(|domain| !self.names.contains(domain)).cloned());
        self.patterns = Names::new(patterns, text);
    }

    /// All that the gate must not find: host names and IP addresses, and ids that are replaced, but for one that takes the
    /// place of another.
    pub fn for_the_gate(&self) -> Vec<String> {
        let ids = self.ids.keys().filter(|id| self.ids.values().all(|new| !new.eq_ignore_ascii_case(id)));
        self.names.iter().chain(ids).cloned().collect()
    }

    /// Host names and IP addresses, lower case.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether there is anything to look for.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// All that stands in `hay`, with what takes its place. A name that is joined to a longer one is no hit; whether its
    /// neighbours are its neighbours in the text is the caller's to know.
    pub fn found<'a>(&'a self, hay: &'a [u8]) -> impl Iterator<Item = Found> + 'a {
        self.patterns.found(hay).filter_map(move |(pattern, range)| {
            let id = self.ids.get(pattern);
            let start = if id.is_some() { range.start } else { host_start(hay, range.start) };
            let extends = start < range.start;
            let registered = path::is_registered(pattern);
            let is_content =
                || is_content(hay, &(start..range.end)) || registered && is_value_in_link(hay, start);
            let stays = || {
                extends && registered
                    || id.is_none() && (is_content() || self.mailboxes.iter().any(|domain| domain == pattern))
            };
            if stays() && (id.is_some() || !quoted::is_host_of_id(hay, start)) {
                return None;
            }
            let before = start.checked_sub(1).and_then(|i| hay.get(i));
            Some(Found {
                with: id.unwrap_or(&self.host).clone(),
                left_clear: !joins(before) || ends_escape(hay, start) || is_trail(hay, start),
                right_clear: is_ended(hay, range.end),
                range: start..range.end,
            })
        })
    }

    /// Addresses that stand in `hay` as other numbers.
    pub fn numbers(&self, hay: &[u8]) -> Vec<Number> {
        self.numbers.found(hay)
    }

    /// Our host name, which takes the place of a host.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The edits that take every trace out of a text as it stands, in order, apart from each other.
    pub fn edits(&self, text: &[u8]) -> Vec<Edit> {
        let mut out: Vec<Edit> = Vec::new();
        for found in self.found(text).filter(|found| found.left_clear && found.right_clear) {
            // The longer one of two that meet.
            while out.last().is_some_and(|last| last.range.start >= found.range.start) {
                out.pop();
            }
            if out.last().is_none_or(|last| last.range.end <= found.range.start) {
                out.push(Edit { range: found.range, with: found.with.into_bytes() });
            }
        }
        let names = out.len();
        let mut numbers: Vec<Range<usize>> =
            self.numbers(text).into_iter().filter(Number::is_clear).map(|number| number.whole).collect();
        numbers.sort_unstable_by_key(|whole| (whole.start, std::cmp::Reverse(whole.end)));
        let mut free_from = 0;
        for whole in numbers {
            let named = out.get(..names).unwrap_or_default();
            let next = named.partition_point(|edit| edit.range.end <= whole.start);
            let meets_name = named.get(next).is_some_and(|edit| edit.range.start < whole.end);
            if !meets_name && free_from <= whole.start {
                free_from = whole.end;
                out.push(Edit { range: whole, with: self.host.clone().into_bytes() });
            }
        }
        if out.len() > names {
            out.sort_by_key(|edit| edit.range.start);
        }
        out
    }

    /// Whether a header value names a trace.
    pub fn stand_in(&self, value: &[u8]) -> bool {
        self.found(value).any(|found| found.left_clear && found.right_clear)
            || self.numbers(value).iter().any(Number::is_clear)
    }

    /// Places of a text where a name may be broken by a line end or a tag, or in a text that is no UTF-8 by another character:
    /// what stands before it ends with the beginning of a name.
    pub fn broken_places<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        let is_ascii = text.is_ascii();
        let shifts = memchr::memchr2_iter(0x1b, 0x0e, if is_ascii { text } else { &[] });
        let shifts = shifts
            .filter(|at| at.checked_sub(1).is_some_and(|i| text.get(i).is_some_and(|b| is_host_octet(*b))));
        let is_other =
            !is_ascii && (memchr::memchr2(0x1b, 0x0e, text).is_some() || std::str::from_utf8(text).is_err());
        let turns = turns(if is_other { text } else { &[] });
        let mut steps = 0;
        memchr::memchr2_iter(b'\n', b'<', text).chain(shifts).chain(turns).filter(move |at| {
            let line = text.get(at.saturating_sub(80)..*at).unwrap_or_default();
            // A tag may part what a line end does not: `192<b></b>.0.2.1`.
            let is_tag = text.get(*at) == Some(&b'<');
            let (line, shortest) = if is_tag { (line, 1) } else { (line.trim_ascii_end(), path::SHORTEST) };
            let length = line.iter().rev().take_while(|b| is_host_octet(**b)).count();
            let last = line.get(line.len() - length..).unwrap_or_default();
            let is_spent = steps > MAX_STEPS;
            let mut begins = |name: &String| {
                let most = last.len().min(name.len() - 1);
                let tail = last.get(last.len() - most..).unwrap_or_default();
                (shortest..=tail.len()).any(|n| {
                    let end = tail.get(tail.len() - n..).unwrap_or_default();
                    // One or two letters begin a name only where a label begins.
                    let before = last.len().checked_sub(n + 1).and_then(|i| last.get(i));
                    if n < path::SHORTEST && before.is_some_and(u8::is_ascii_alphanumeric) {
                        return false;
                    }
                    let alike = name.bytes().zip(end).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count();
                    steps += alike;
                    alike == n
                })
            };
            last.len() >= shortest && (is_spent || self.patterns.all().iter().any(&mut begins))
        })
    }
}

fn is_host_octet(b: u8) -> bool {
    HOST_OCTETS.get(usize::from(b)).copied().unwrap_or(false)
}

static HOST_OCTETS: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0_u8;
    while b < 0x80 {
        table[b as usize] = b.is_ascii_alphanumeric() || b == b'.' || b == b'-';
        b += 1;
    }
    table
};

/// Where a word that may begin a name is followed by a character of another kind.
fn turns(text: &[u8]) -> Vec<usize> {
    let mut out = Vec::new();
    let mut length = 0;
    for (i, b) in text.iter().enumerate() {
        if is_host_octet(*b) {
            length += 1;
            continue;
        }
        if length >= path::SHORTEST && (*b >= 0x80 || matches!(b, 0x0e | 0x1b)) {
            out.push(i);
        }
        length = 0;
    }
    out
}

fn joins(b: Option<&u8>) -> bool {
    b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'-')
}

/// Whether the letter before `start` ends the escape of a line end or tab: `\n` in calendars (RFC 5545 §3.3.11), data and
/// scripts.
fn ends_escape(text: &[u8], start: usize) -> bool {
    let before = text.get(..start).unwrap_or_default();
    before
        .strip_suffix(b"n")
        .or_else(|| before.strip_suffix(b"N"))
        .or_else(|| before.strip_suffix(b"r"))
        .or_else(|| before.strip_suffix(b"t"))
        .is_some_and(|before| before.ends_with(b"\\"))
}

/// Whether the octet before `start` ends a character of two octets, as the bracket 「 does in Shift_JIS, and is no letter:
/// the line is no UTF-8 up to there.
fn is_trail(text: &[u8], start: usize) -> bool {
    let near =
        start.checked_sub(1).and_then(|end| text.get(end.saturating_sub(MAX_LINE)..end)).unwrap_or_default();
    let line = near.rsplit(|b| *b == b'\n').next().unwrap_or_default();
    // A long one may be cut within a character.
    let cut = line.iter().take(3).take_while(|b| (0x80..0xc0).contains(*b)).count();
    let line = line.get(if line.len() == MAX_LINE { cut } else { 0 }..).unwrap_or_default();
    line.last().is_some_and(|b| *b >= 0x81) && std::str::from_utf8(line).is_err()
}

/// Whether nothing behind `end` makes a longer name of what ends there. A dot and a letter go on; a dot alone ends a
/// sentence.
fn is_ended(text: &[u8], end: usize) -> bool {
    let behind = text.get(end);
    !(joins(behind) || behind == Some(&b'.') && joins(text.get(end + 1)))
}

/// Where the host begins of which the stretch at `start` is the end: `x.mail.example` for `mail.example`.
fn host_start(text: &[u8], start: usize) -> usize {
    let before = text.get(start.saturating_sub(253)..start).unwrap_or_default();
    if before.last() != Some(&b'.') {
        return start;
    }
    let length = before.iter().rev().take_while(|b| is_host_octet(**b)).count();
    // `%2F` before it is a character of its own.
    let from = before.len() - length;
    let escaped = from.checked_sub(1).and_then(|i| before.get(i)) == Some(&b'%');
    start - length + if escaped { 2.min(length) } else { 0 }
}

/// Whether the stretch is somebody's content: part of a link, or of an address.
fn is_content(text: &[u8], range: &Range<usize>) -> bool {
    let before = text.get(..range.start).unwrap_or_default();
    let host = text.get(range.clone()).unwrap_or_default();
    let escaped = before.len().checked_sub(3).and_then(|from| before.get(from..));
    // A machine's number in a link is no page of a shop.
    let is_number = std::str::from_utf8(host).is_ok_and(|host| host.parse::<IpAddr>().is_ok());
    let slashes =
        [b"//".as_slice(), b"\\/\\/", b"&#47;&#47;", b"&#x2F;&#x2F;", b"&#x2f;&#x2f;", b"&sol;&sol;"];
    let linked = !is_number
        && (slashes.iter().any(|slashes| before.ends_with(slashes))
            || escaped.is_some_and(|end| end.eq_ignore_ascii_case(b"%2f")));
    let www = host.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"www."));
    // Beside an at sign it is part of an address or of an id: those are judged whole. A machine's number is nobody's domain.
    let signs = [b"@".as_slice(), "＠".as_bytes(), "﹫".as_bytes(), b"&#64;", b"&#x40;", b"&commat;"];
    let behind_sign =
        signs.iter().any(|sign| before.ends_with(sign)) || escaped.is_some_and(|end| end == b"%40");
    let named = !is_number && (text.get(range.end) == Some(&b'@') || behind_sign);
    // The text of an encoded word is read decoded; as it stands its beginning is no beginning of a name.
    let worded = !is_number && begins_word(before);
    linked || www || named || worded
}

/// Whether `before` ends with the beginning of an encoded word in the encoding Q: `=?utf-8?Q?` (RFC 2047 §2).
fn begins_word(before: &[u8]) -> bool {
    let Some((head, end)) = before.len().checked_sub(3).and_then(|from| before.split_at_checked(from)) else {
        return false;
    };
    if !end.eq_ignore_ascii_case(b"?q?") {
        return false;
    }
    let is_part = |b: &&u8| b.is_ascii_alphanumeric() || b"-_:*.".contains(b);
    let charset = head.iter().rev().take(MAX_CHARSET).take_while(is_part).count();
    let head = head.get(..head.len() - charset).unwrap_or_default();
    charset > 0 && head.ends_with(b"=?")
}

/// Whether what stands at `start` is a value in the query of a link: `https://shop.example/?account=`. A domain stays there;
/// a machine's name says where somebody is all the same.
fn is_value_in_link(text: &[u8], start: usize) -> bool {
    let near = text.get(start.saturating_sub(MAX_LINE)..start).unwrap_or_default();
    // Most are told without a look at the whole line.
    if near.last() != Some(&b'=') || memchr::memmem::find(near, b"://").is_none() {
        return false;
    }
    let ends = |b: &u8| !b.is_ascii_graphic() || b"\"'<>()[]{}|\\^`".contains(b);
    let link = near.rsplit(ends).next().unwrap_or_default();
    let query = memchr::memmem::find(link, b"://").and_then(|at| link.get(at..));
    link.ends_with(b"=") && query.is_some_and(|rest| rest.contains(&b'?'))
}

#[cfg(test)]
mod tests;
