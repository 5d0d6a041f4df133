//! What stands behind a colon, typed. Whatever can't be what its word takes is a problem that says what it takes.

use super::span::{Problem, Span, nearest};
use super::when::When;
use super::words::{METHODS, Takes, VERDICTS, Word};
use crate::mail::{Domain, Flag, RealAddress};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest text that is looked for, in characters.
const TEXT_MAX: usize = 998;

/// What is looked for.
pub(super) enum Value {
    Address(RealAddress),
    Domain(Domain),
    /// At one store, or at any.
    Order {
        store: Option<String>,
        no: String,
    },
    Text(String),
    Ip(IpAddr),
    Net(Net),
    Asn(i64),
    /// Two letters; `None`: it is not known.
    Country(Option<[u8; 2]>),
    Hash([u8; 32]),
    /// A file of this machine, whose hash is meant. Only a command may read one.
    File(String),
    Auth {
        method: &'static str,
        verdict: &'static str,
    },
    /// With `is_prefix` the beginning of what is meant.
    Pattern {
        text: String,
        is_prefix: bool,
    },
    OneOf(&'static str),
    Flag(Flag),
    Number(Compare),
    When(When),
    Nothing,
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::Address(a), Value::Address(b)) => a.same_mailbox(b),
            (Value::Domain(a), Value::Domain(b)) => a == b,
            (Value::Order { store: a, no: b }, Value::Order { store: c, no: d }) => (a, b) == (c, d),
            (Value::Text(a), Value::Text(b)) | (Value::File(a), Value::File(b)) => a == b,
            (Value::Ip(a), Value::Ip(b)) => a == b,
            (Value::Net(a), Value::Net(b)) => a == b,
            (Value::Asn(a), Value::Asn(b)) => a == b,
            (Value::Country(a), Value::Country(b)) => a == b,
            (Value::Hash(a), Value::Hash(b)) => a == b,
            (Value::Auth { method: a, verdict: b }, Value::Auth { method: c, verdict: d }) => {
                (a, b) == (c, d)
            }
            (Value::Pattern { text: a, is_prefix: b }, Value::Pattern { text: c, is_prefix: d }) => {
                (a, b) == (c, d)
            }
            (Value::OneOf(a), Value::OneOf(b)) => a == b,
            (Value::Flag(a), Value::Flag(b)) => a == b,
            (Value::Number(a), Value::Number(b)) => a == b,
            (Value::When(a), Value::When(b)) => a == b,
            (Value::Nothing, Value::Nothing) => true,
            _ => false,
        }
    }
}

/// How a number is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    Equal(i64),
    Below(i64),
    AtMost(i64),
    Above(i64),
    AtLeast(i64),
    /// Both included.
    Between(i64, i64),
}

/// A network whose width can be asked for: /16 to /24, or /40 to /48.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Net {
    pub address: IpAddr,
    pub prefix: u8,
}

impl Net {
    /// The network that an address is recorded in: its /24, or its /48.
    pub fn of(address: IpAddr) -> Net {
        let address = address.to_canonical();
        let prefix = if address.is_ipv4() { 24 } else { 48 };
        Net { address: masked(address, prefix), prefix }
    }

    /// The /24 or /48 that it consists of, at most 256.
    pub fn parts(self) -> Vec<IpAddr> {
        match self.address {
            IpAddr::V4(address) => {
                let count = 1_u32 << 24_u8.saturating_sub(self.prefix).min(8);
                (0..count).map(|n| Ipv4Addr::from(u32::from(address) | (n << 8)).into()).collect()
            }
            IpAddr::V6(address) => {
                let count = 1_u128 << 48_u8.saturating_sub(self.prefix).min(8);
                (0..count).map(|n| Ipv6Addr::from(u128::from(address) | (n << 80)).into()).collect()
            }
        }
    }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(u32::from(32 - prefix.min(32))).unwrap_or(0);
            Ipv4Addr::from(u32::from(v4) & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(u32::from(128 - prefix.min(128))).unwrap_or(0);
            Ipv6Addr::from(u128::from(v6) & mask).into()
        }
    }
}

/// Reads what stands behind `word:`.
pub(super) fn read(word: Word, text: &str, span: Span) -> Result<Value, Problem> {
    let says = |what: &str| Problem::new(span, format!("{}: {what}", word.name()));
    let takes = word.takes();
    if text.is_empty() != (takes == Takes::Nothing) {
        return Err(match takes {
            Takes::Nothing => says("takes nothing behind its colon; put a blank there"),
            _ => says(&format!("something must stand behind the colon, such as {}", word.example())),
        });
    }
    if text.chars().count() > TEXT_MAX {
        return Err(says("that is longer than anything it could be"));
    }
    let found = match takes {
        Takes::Nothing => Some(Value::Nothing),
        Takes::Correspondent => match text.strip_prefix('@') {
            Some(domain) => Domain::parse(domain).ok().map(Value::Domain),
            None => RealAddress::parse(text).ok().map(Value::Address),
        },
        Takes::Address => RealAddress::parse(text).ok().map(Value::Address),
        Takes::Domain => Domain::parse(text.strip_prefix('@').unwrap_or(text))
            .ok()
            .filter(|d| !d.is_literal())
            .map(Value::Domain),
        Takes::Order => {
            Some(order(text)).filter(|value| !matches!(value, Value::Order { no, .. } if no.is_empty()))
        }
        Takes::Text => Some(Value::Text(text.to_owned())),
        Takes::Ip => ip(text).map(Value::Ip),
        Takes::Net => net(text).map(Value::Net),
        Takes::Asn => asn(text).map(Value::Asn),
        Takes::Country => country(text).map(Value::Country),
        Takes::Origin => ip(text).map(Value::Ip).or_else(|| country(text).map(Value::Country)),
        Takes::Hash => hash(text),
        Takes::Auth => return auth(text).ok_or_else(|| auth_problem(text, span)),
        Takes::Pattern => pattern(text),
        Takes::OneOf(list) => {
            return one_of(list.iter().copied(), text)
                .map(Value::OneOf)
                .map_err(|near| says(&format!("one of {}", list.join(", "))).near(near));
        }
        Takes::Flag => {
            let near = match one_of(flags(), text) {
                Ok(word) => return Flag::parse(word).map(Value::Flag).ok_or_else(|| says("no such flag")),
                Err(near) => near,
            };
            return Err(says(&format!("one of {}", flags().collect::<Vec<_>>().join(", "))).near(near));
        }
        Takes::Number => number(text).map(Value::Number),
        Takes::When => When::parse(text).map(Value::When),
        Takes::Day => When::parse(text).filter(|when| when.is_days()).map(Value::When),
    };
    found.ok_or_else(|| says(expected(takes)))
}

/// What a word takes, in words.
fn expected(takes: Takes) -> &'static str {
    match takes {
        Takes::Correspondent => "an address such as hana@example.jp, or @example.jp for a domain",
        Takes::Address => "an address such as hana@example.jp",
        Takes::Order => "STORE/NO, or NO",
        Takes::Ip => "an address such as 192.0.2.7 or 2001:db8::7",
        Takes::Net => {
            "a network such as 192.0.2.0/24 or 2001:db8::/48; not narrower than that, and not wider than /16 or /40"
        }
        Takes::Asn => "a number such as 2527 or AS2527",
        Takes::Country => "two letters such as JP; ZZ where it is not known",
        Takes::Origin => "an address such as 192.0.2.7, or a country such as JP",
        Takes::Domain => "a domain such as example.jp",
        Takes::Hash => "64 hexadecimal digits of a SHA-256, or @ and the name of a file",
        Takes::Pattern => "a word such as unknown_alias or 5.1.1; * stands at its end alone",
        Takes::Number => "a number such as 10k, a comparison such as >10k, or a range such as 10k..2m",
        Takes::When => {
            "a time such as 2026-11-22, 2026-11-22T09:00, 2026-11-22T00:00:00Z, 3d, \"2h ago\", today, yesterday"
        }
        Takes::Day => "a day such as 2026-11-22, today or yesterday, or a month such as 2026-11",
        Takes::Text | Takes::Auth | Takes::OneOf(_) | Takes::Flag | Takes::Nothing => "another text",
    }
}

fn flags() -> impl Iterator<Item = &'static str> + Clone {
    Flag::all().map(Flag::as_str).collect::<Vec<_>>().into_iter()
}

/// The member of a list that is meant, in any case; else the one that may be.
fn one_of(
    list: impl Iterator<Item = &'static str> + Clone,
    text: &str,
) -> Result<&'static str, Option<&'static str>> {
    let found = list.clone().find(|member| member.eq_ignore_ascii_case(text));
    found.ok_or_else(|| nearest(text, list))
}

fn order(text: &str) -> Value {
    // A store's id has no slash; an order number may.
    match text.split_once('/').filter(|(store, _)| is_store_id(store)) {
        Some((store, no)) => Value::Order { store: Some(store.to_owned()), no: no.to_owned() },
        None => Value::Order { store: None, no: text.strip_prefix('/').unwrap_or(text).to_owned() },
    }
}

/// 1 to 24 characters of a-z, 0-9, - and _.
pub(super) fn is_store_id(text: &str) -> bool {
    let is_good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    (1..=24).contains(&text.len()) && text.bytes().all(is_good)
}

/// An address, with brackets or without.
pub(super) fn ip(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    bare.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

pub(super) fn net(text: &str) -> Option<Net> {
    let Some((address, prefix)) = text.split_once('/') else { return ip(text).map(Net::of) };
    let address = ip(address)?;
    let prefix = if prefix.len() <= 3 { prefix.parse::<u8>().ok()? } else { return None };
    let is_good = if address.is_ipv4() { (16..=24).contains(&prefix) } else { (40..=48).contains(&prefix) };
    is_good.then(|| Net { address: masked(address, prefix), prefix })
}

fn asn(text: &str) -> Option<i64> {
    let digits = text.strip_prefix("AS").or_else(|| text.strip_prefix("as")).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse::<u32>().ok()).flatten().map(i64::from)
}

fn country(text: &str) -> Option<Option<[u8; 2]>> {
    let letters: [u8; 2] = text.as_bytes().try_into().ok()?;
    let letters = letters.map(|b| b.to_ascii_uppercase());
    letters.iter().all(u8::is_ascii_uppercase).then_some((letters != *b"ZZ").then_some(letters))
}

fn hash(text: &str) -> Option<Value> {
    if let Some(file) = text.strip_prefix('@') {
        return (!file.is_empty()).then(|| Value::File(file.to_owned()));
    }
    let octets = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?;
    octets.try_into().ok().map(Value::Hash)
}

fn auth(text: &str) -> Option<Value> {
    let (method, verdict) = text.split_once('=')?;
    let method = one_of(METHODS.into_iter(), method).ok()?;
    let verdict = one_of(VERDICTS.into_iter(), verdict).ok()?;
    Some(Value::Auth { method, verdict })
}

fn auth_problem(text: &str, span: Span) -> Problem {
    let (method, verdict) = text.split_once('=').unwrap_or((text, ""));
    let near = match one_of(METHODS.into_iter(), method) {
        Err(near) => near,
        Ok(_) => one_of(VERDICTS.into_iter(), verdict).err().flatten(),
    };
    let reason = format!("auth: METHOD=RESULT: {}; and {}", METHODS.join(", "), VERDICTS.join(", "));
    Problem::new(span, reason).near(near)
}

fn pattern(text: &str) -> Option<Value> {
    let (text, is_prefix) = text.strip_suffix('*').map_or((text, false), |text| (text, true));
    (!text.is_empty() && text.chars().all(is_of_result))
        .then(|| Value::Pattern { text: text.to_owned(), is_prefix })
}

/// What words for results and statuses are made of.
pub(super) fn is_of_result(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | ' ')
}

fn number(text: &str) -> Option<Compare> {
    type Make = fn(i64) -> Compare;
    let compared: [(&str, Make); 5] = [
        ("<=", Compare::AtMost),
        (">=", Compare::AtLeast),
        ("<", Compare::Below),
        (">", Compare::Above),
        ("=", Compare::Equal),
    ];
    for (sign, compare) in compared {
        if let Some(rest) = text.strip_prefix(sign) {
            return amount(rest).map(compare);
        }
    }
    match text.split_once("..") {
        Some((from, until)) => {
            let (from, until) = (amount(from)?, amount(until)?);
            (from <= until).then_some(Compare::Between(from, until))
        }
        None => amount(text).map(Compare::Equal),
    }
}

fn amount(text: &str) -> Option<i64> {
    let (digits, unit) = match text.as_bytes().last()?.to_ascii_lowercase() {
        b'k' => (text.get(..text.len() - 1)?, 1 << 10),
        b'm' => (text.get(..text.len() - 1)?, 1 << 20),
        b'g' => (text.get(..text.len() - 1)?, 1 << 30),
        _ => (text, 1_i64),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse::<i64>().ok()).flatten()?.checked_mul(unit)
}

/// The values of closed lists that a word takes, for completion.
pub(super) fn choices(word: Word) -> Vec<String> {
    let owned = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
    match word.takes() {
        Takes::OneOf(list) => owned(list),
        Takes::Flag => flags().map(str::to_owned).collect(),
        Takes::Auth => METHODS
            .iter()
            .flat_map(|method| VERDICTS.iter().map(move |verdict| format!("{method}={verdict}")))
            .collect(),
        Takes::When => owned(&["today", "yesterday", "1h", "1d", "7d", "30d"]),
        Takes::Day => owned(&["today", "yesterday"]),
        Takes::Number => owned(&[">", "<", ">=", "<="]),
        _ => Vec::new(),
    }
}
