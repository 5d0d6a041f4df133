//! IP addresses of the path as other numbers: octal, hexadecimal, one integer (as `inet_aton` and browsers take them, in
//! links with any of their parts short), with the commas of FTP (RFC 959 §4.1.2) or the colons of IPv6, reversed (RFC 1035 §3.5, RFC 3596 §2.5), in the names that providers give to machines, within IPv6 (RFC 4291 §2.5.5,
//! RFC 6052 §2.1, RFC 3056 §2).
//!
//! Rules: the whole value must be the address, and no longer number or name of digits reaches into it. Where so few digits could be
//! the number of a house or a version (`3-12-4-5`), a name must stand around them. What is replaced is the whole name.
//! When it fails: never. Of very many addresses the first ones count; the gate knows all.

use super::names::Names;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

/// Most addresses whose numbers are looked for in every form: a mail of two hops has three.
const MAX_WHOLE: usize = 4;
/// Most of which only the names are: reversed, as lists of senders of spam are asked for them, and with hyphens.
const MAX_NAMED: usize = 24;
/// Fewest digits that are an address without a name around them.
const MIN_DIGITS: usize = 8;
/// From where on one number outside a link is taken for an address.
const MIN_NUMBER: u32 = 100_000_000;
/// Longest spelling of an IPv6 address, and longest name (RFC 1035 §2.3.4), in octets.
const MAX_V6: usize = 48;
const MAX_NAME: usize = 253;

/// What must stand around a form.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    /// A number of its own, or the first label of a name.
    Word,
    /// Digits with a mark between them, anywhere in a name.
    Label(u8),
    /// A list of its own, of which a port may be the rest.
    Listed(u8),
}

/// Longest host that `inet_aton` may read, in octets: four numbers of eleven digits, and zeros before them.
const MAX_ATON: usize = 64;

/// An address that stands as a number.
pub struct Number {
    /// Its digits.
    pub range: Range<usize>,
    /// The name or address that they are a part of.
    pub whole: Range<usize>,
    pub left_clear: bool,
    pub right_clear: bool,
}

impl Number {
    /// Whether no longer number or word reaches into it.
    pub fn is_clear(&self) -> bool {
        self.left_clear && self.right_clear
    }
}

/// What is looked for.
#[derive(Default)]
pub struct Numbers {
    forms: Names,
    around: BTreeMap<String, Around>,
    v4: Vec<Ipv4Addr>,
    v6: Vec<Ipv6Addr>,
}

impl Numbers {
    /// Those of the names that are addresses, in texts of up to `text` octets.
    pub fn new(names: &[String], text: usize) -> Self {
        let (mut v4, mut v6): (Vec<Ipv4Addr>, Vec<Ipv6Addr>) = (Vec::new(), Vec::new());
        for name in names {
            match name.parse() {
                Ok(IpAddr::V4(ip)) => v4.push(ip),
                Ok(IpAddr::V6(ip)) => v6.push(ip),
                Err(_) => {}
            }
        }
        let mut around = BTreeMap::new();
        v4.iter().take(MAX_WHOLE).for_each(|ip| around.extend(forms(*ip)));
        for [a, b, c, d] in v4.iter().take(MAX_NAMED).skip(MAX_WHOLE).map(Ipv4Addr::octets) {
            around.insert(format!("{d}.{c}.{b}.{a}"), Around::Label(b'.'));
            around.insert(format!("{a}-{b}-{c}-{d}"), Around::Label(b'-'));
        }
        v6.iter().take(MAX_WHOLE).for_each(|ip| around.extend(forms_of_six(ip)));
        let forms = Names::new(around.keys().cloned().collect(), text);
        Self { forms, around, v4, v6 }
    }

    /// Every place of each of them.
    pub fn found(&self, hay: &[u8]) -> Vec<Number> {
        let by_form = self.forms.found(hay).filter_map(|(form, range)| {
            let around = *self.around.get(form)?;
            number(hay, range, around)
        });
        let mut out: Vec<Number> = by_form.collect();
        if !self.v4.is_empty() {
            let hosts = memchr::memmem::find_iter(hay, b"//");
            out.extend(hosts.filter_map(|at| self.linked(hay, at + 2)));
        }
        if !(self.v4.is_empty() && self.v6.is_empty()) {
            let mut end = 0;
            for at in memchr::memchr_iter(b':', hay) {
                if at >= end
                    && let Some(token) = six_around(hay, at)
                {
                    end = token.end;
                    out.extend(self.six(hay, token));
                }
            }
        }
        out
    }

    /// The host of a link that begins at `start`, if it is one of the addresses.
    fn linked(&self, hay: &[u8], start: usize) -> Option<Number> {
        let rest = hay.get(start..)?;
        let length =
            rest.iter().take(MAX_ATON).take_while(|b| b.is_ascii_alphanumeric() || **b == b'.').count();
        let host = rest.get(..length)?;
        let length = length - host.iter().rev().take_while(|b| **b == b'.').count();
        let host = std::str::from_utf8(host.get(..length)?).ok()?;
        let goes_on = matches!(rest.get(length), Some(b'-' | b'_' | b'@'));
        let known = !goes_on
            && host.parse::<Ipv4Addr>().is_err()
            && aton(host).is_some_and(|ip| self.v4.contains(&ip));
        let range = start..start + length;
        known.then(|| Number { whole: range.clone(), range, left_clear: true, right_clear: true })
    }

    /// The address in a stretch of digits and colons, if it is one of these or holds one.
    fn six(&self, hay: &[u8], token: Range<usize>) -> Option<Number> {
        let text = std::str::from_utf8(hay.get(token.clone())?).ok()?;
        // A label before it has a colon too: `ip:2001:…`.
        let tries = [0, text.find(':').map_or(0, |i| i + 1)];
        tries.into_iter().find_map(|from| {
            let ip: Ipv6Addr = text.get(from..)?.parse().ok()?;
            let [.., a, b, c, d] = ip.octets();
            let [_, _, e, f, g, h, ..] = ip.octets();
            let has = |octets: [u8; 4]| self.v4.contains(&Ipv4Addr::from(octets));
            let is_6to4 = ip.segments().first() == Some(&0x2002);
            let known = self.v6.contains(&ip) || has([a, b, c, d]) || is_6to4 && has([e, f, g, h]);
            let range = token.start + from..token.end;
            let joins = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
            known.then(|| Number {
                left_clear: !joins(range.start.checked_sub(1).and_then(|i| hay.get(i))),
                right_clear: !joins(hay.get(range.end)),
                whole: range.clone(),
                range,
            })
        })
    }
}

/// The stretch of hexadecimal digits, colons and dots around a colon, if it has two colons.
fn six_around(hay: &[u8], at: usize) -> Option<Range<usize>> {
    let is_part = |b: &&u8| b.is_ascii_hexdigit() || matches!(b, b':' | b'.');
    let before = hay.get(at.saturating_sub(MAX_V6)..at)?;
    let start = at - before.iter().rev().take_while(is_part).count();
    let length = hay.get(at..)?.iter().take(MAX_V6).take_while(is_part).count();
    let token = hay.get(start..at + length)?;
    let dots = token.iter().rev().take_while(|b| **b == b'.').count();
    let end = at + length - dots;
    // A colon that ends a clause is none of its own.
    let end = if token.ends_with(b":") && !token.ends_with(b"::") { end - 1 } else { end };
    (start < end && memchr::memchr_iter(b':', hay.get(start..end)?).count() >= 2).then_some(start..end)
}

/// The address that a host of one to four numbers is, the last one of which holds all that is left (inet_aton(3)).
fn aton(host: &str) -> Option<Ipv4Addr> {
    let numbers = host.split('.').map(|text| {
        let lower = text.to_ascii_lowercase();
        match (lower.strip_prefix("0x"), lower.strip_prefix('0')) {
            (Some(""), _) | (_, Some("")) => Some(0),
            (Some(digits), _) => u32::from_str_radix(digits, 16).ok(),
            (_, Some(digits)) => u32::from_str_radix(digits, 8).ok(),
            _ if lower.starts_with(|c: char| c.is_ascii_digit()) => lower.parse().ok(),
            _ => None,
        }
    });
    let numbers: Vec<u32> = numbers.collect::<Option<_>>()?;
    let (last, head) = numbers.split_last().filter(|(_, head)| head.len() < 4)?;
    let mut value = *last;
    for (number, shift) in head.iter().zip([24, 16, 8]) {
        let good = *number < 256 && u64::from(*last) < 1 << (32 - 8 * head.len());
        value = good.then(|| value | number << shift)?;
    }
    Some(Ipv4Addr::from(value))
}

/// How an IPv4 address is written beside the usual way.
fn forms(ip: Ipv4Addr) -> Vec<(String, Around)> {
    let [a, b, c, d] = ip.octets();
    let (forward, back) = ([a, b, c, d], [d, c, b, a]);
    let joined = |octets: [u8; 4], mark: &str, write: fn(&u8) -> String| {
        octets.iter().map(write).collect::<Vec<_>>().join(mark)
    };
    let number = u32::from(ip);
    let label = |mark: &str| Around::Label(mark.bytes().next().unwrap_or(0));
    let mut out = vec![
        (joined(forward, ".", |octet| format!("0{octet:o}")), Around::Word),
        (joined(forward, ".", |octet| format!("0{octet:03o}")), Around::Word),
        (joined(forward, ".", |octet| format!("0x{octet:x}")), Around::Word),
        (format!("0x{number:08x}"), Around::Word),
        (format!("{number:08x}"), Around::Word),
        (format!("0{number:o}"), Around::Word),
        (joined(forward, "", |octet| format!("{octet:03}")), Around::Word),
        (joined(forward, ",", u8::to_string), Around::Listed(b',')),
        (joined(forward, ":", |octet| format!("{octet:02x}")), Around::Listed(b':')),
        (
            format!("{:04x}:{:04x}", u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])),
            Around::Listed(b':'),
        ),
        (joined(back, ".", u8::to_string), label(".")),
    ];
    if number >= MIN_NUMBER {
        out.push((number.to_string(), Around::Word));
    }
    for mark in ["-", "_"] {
        out.push((joined(forward, mark, u8::to_string), label(mark)));
    }
    out.push((joined(back, "-", u8::to_string), label("-")));
    for mark in [".", "-"] {
        out.push((joined(forward, mark, |octet| format!("{octet:03}")), label(mark)));
    }
    // The usual way has its own search.
    out.retain(|(form, _)| *form != ip.to_string());
    out
}

/// How an IPv6 address is written beside the usual way.
fn forms_of_six(ip: &Ipv6Addr) -> Vec<(String, Around)> {
    let digits: String = ip.octets().iter().map(|octet| format!("{octet:02x}")).collect();
    let reversed: Vec<String> = digits.chars().rev().map(String::from).collect();
    let groups: Vec<String> = ip.segments().iter().map(|group| format!("{group:04x}")).collect();
    vec![
        (ip.to_string().replace(':', "-"), Around::Word),
        (groups.join("-"), Around::Word),
        (reversed.join("."), Around::Word),
        (digits, Around::Word),
    ]
}

fn number(hay: &[u8], range: Range<usize>, around: Around) -> Option<Number> {
    let left = |back: usize| range.start.checked_sub(back).and_then(|i| hay.get(i));
    let right = |on: usize| hay.get(range.end + on);
    let is_digit = |b: Option<&u8>| b.is_some_and(u8::is_ascii_digit);
    let is_word = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let is_mark = |b: Option<&u8>| matches!(b, Some(b'.' | b'-' | b'_'));
    let mut whole = name_around(hay, &range);
    // The letter of `\n` is none of the name.
    whole.start += usize::from(whole.start < range.start && super::ends_escape(hay, whole.start + 1));
    let escaped = super::ends_escape(hay, range.start);
    let digits = hay.get(range.clone())?.iter().filter(|b| b.is_ascii_digit()).count();
    let (left_clear, right_clear) = match around {
        Around::Listed(mark) => {
            // Four numbers with commas may be anything; with a port behind them they are where FTP listens.
            let ports = ports_behind(hay, range.end);
            if mark == b',' && ports.is_none() {
                return None;
            }
            whole = range.clone();
            let right_clear =
                mark == b',' || !(is_word(right(0)) || right(0) == Some(&mark) && is_word(right(1)));
            (escaped || !(is_word(left(1)) || left(1) == Some(&mark)), right_clear)
        }
        // What follows may be the rest of a name, not of a number.
        Around::Word => (
            escaped || !(is_word(left(1)) || is_mark(left(1)) && is_word(left(2))),
            !is_word(right(0))
                && !(is_mark(right(0))
                    && (is_digit(right(1)) || right(0) != Some(&b'.') && is_word(right(1)))),
        ),
        Around::Label(mark) => {
            // Digits behind a letter are no number before it: `ec2-203-…`.
            let before = hay.get(whole.start..range.start)?.strip_suffix(&[mark]);
            let behind = hay.get(range.end..whole.end)?.strip_prefix(&[mark]);
            let is_mark = |b: &u8| matches!(b, b'.' | b'-' | b'_');
            let is_number = |field: &[u8]| !field.is_empty() && field.iter().all(u8::is_ascii_digit);
            let before = before.and_then(|text| text.rsplit(is_mark).next()).is_some_and(is_number);
            let behind = behind.and_then(|text| text.split(is_mark).next()).is_some_and(is_number);
            let name = hay.get(whole.clone())?;
            // No country is numbered: a version is not followed by a word.
            let is_named = name.iter().any(u8::is_ascii_alphabetic);
            if digits < MIN_DIGITS && !is_named {
                return None;
            }
            let reaches_in = mark == b'.' && is_word(left(1)) && !escaped;
            (!before && !is_digit(left(1)) && !reaches_in, !behind && !is_digit(right(0)))
        }
    };
    let name = hay.get(whole.clone())?;
    // A file or a word with a date in it stays, but for the digits.
    let whole = if is_host_like(name) { whole } else { range.clone() };
    Some(Number { range, whole, left_clear, right_clear })
}

/// The two octets of a port behind an address: `,19,136`, and no third one.
fn ports_behind(hay: &[u8], end: usize) -> Option<[u8; 2]> {
    let near = hay.get(end..(end + 9).min(hay.len()))?.strip_prefix(b",")?;
    let is_part = |b: &&u8| b.is_ascii_digit() || **b == b',';
    let list = near.get(..near.iter().take_while(is_part).count())?;
    let list = std::str::from_utf8(list.strip_suffix(b",").unwrap_or(list)).ok()?;
    let (high, low) = list.split_once(',')?;
    Some([high.parse().ok()?, low.parse().ok()?])
}

/// Whether a name may be that of a host: no low line, and of several labels a last one of letters that no file ends with.
fn is_host_like(name: &[u8]) -> bool {
    const FILES: [&str; 16] = [
        "csv", "txt", "log", "pdf", "jpg", "jpeg", "png", "gif", "zip", "gz", "xml", "json", "html", "docx",
        "xlsx", "eml",
    ];
    let last = name.rsplit(|b| *b == b'.').next().unwrap_or_default();
    let is_file = FILES.iter().any(|end| last.eq_ignore_ascii_case(end.as_bytes()));
    let is_label = last.len() == name.len() || (last.len() > 1 && last.iter().all(u8::is_ascii_alphabetic));
    !name.contains(&b'_') && !is_file && is_label
}

/// The name that a stretch is a part of.
fn name_around(hay: &[u8], range: &Range<usize>) -> Range<usize> {
    let is_part = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let before = hay.get(range.start.saturating_sub(MAX_NAME)..range.start).unwrap_or_default();
    let behind = hay.get(range.end..(range.end + MAX_NAME).min(hay.len())).unwrap_or_default();
    let back = before.iter().rev().take_while(is_part).count();
    let is_mark = |b: &&u8| !b.is_ascii_alphanumeric();
    let back =
        back - before.get(before.len() - back..).unwrap_or_default().iter().take_while(is_mark).count();
    let on = behind.iter().take_while(is_part).count();
    let on = on - behind.get(..on).unwrap_or_default().iter().rev().take_while(is_mark).count();
    range.start - back..range.end + on
}
