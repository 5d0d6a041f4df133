//! An SPF record as terms (RFC 7208 §12). Pure.
//!
//! Rules: what the grammar does not allow anywhere in the record makes the whole of it an error (§4.6), as receivers agree.
//! Modifiers that nobody knows are skipped (§6).

use super::macros::{DomainSpec, is_macro_string};
use std::net::{Ipv4Addr, Ipv6Addr};

/// What a term says where it matches (RFC 7208 §4.6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Qualifier {
    Pass,
    Fail,
    SoftFail,
    Neutral,
}

/// How many leading bits of an address count, for each family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefix {
    pub v4: u8,
    pub v6: u8,
}

/// A term that can match (RFC 7208 §5). Without a domain it is about the domain that is checked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    All,
    Include(DomainSpec),
    A(Option<DomainSpec>, Prefix),
    Mx(Option<DomainSpec>, Prefix),
    Ptr(Option<DomainSpec>),
    Ip4(Ipv4Addr, u8),
    Ip6(Ipv6Addr, u8),
    Exists(DomainSpec),
}

/// A record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub directives: Vec<(Qualifier, Mechanism)>,
    pub redirect: Option<DomainSpec>,
}

/// The record is none that can be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError;

/// Whether a text is an SPF record at all (RFC 7208 §4.5).
pub(super) fn is_record(text: &[u8]) -> bool {
    text.get(..6).is_some_and(|version| version.eq_ignore_ascii_case(b"v=spf1"))
        && text.get(6).is_none_or(|next| *next == b' ')
}

impl Record {
    /// Reads a text that [`is_record`].
    pub fn parse(text: &[u8]) -> Result<Self, SyntaxError> {
        let terms = text.get(6..).and_then(|terms| std::str::from_utf8(terms).ok()).ok_or(SyntaxError)?;
        let mut record = Record { directives: Vec::new(), redirect: None };
        let mut has_explanation = false;
        for term in terms.split(' ').filter(|term| !term.is_empty()) {
            let end = term.find([':', '/', '=']).unwrap_or(term.len());
            let (name, rest) = term.split_at_checked(end).ok_or(SyntaxError)?;
            let Some(value) = rest.strip_prefix('=') else {
                record.directives.push(directive(name, rest)?);
                continue;
            };
            if !is_name(name) {
                return Err(SyntaxError);
            }
            if name.eq_ignore_ascii_case("redirect") {
                if record.redirect.replace(DomainSpec::parse(value).ok_or(SyntaxError)?).is_some() {
                    return Err(SyntaxError);
                }
            } else if name.eq_ignore_ascii_case("exp") {
                if DomainSpec::parse(value).is_none() || std::mem::replace(&mut has_explanation, true) {
                    return Err(SyntaxError);
                }
            } else if !is_macro_string(value) {
                return Err(SyntaxError);
            }
        }
        Ok(record)
    }
}

fn directive(name: &str, rest: &str) -> Result<(Qualifier, Mechanism), SyntaxError> {
    let (qualifier, name) = match name.split_at_checked(1) {
        Some(("+", name)) => (Qualifier::Pass, name),
        Some(("-", name)) => (Qualifier::Fail, name),
        Some(("~", name)) => (Qualifier::SoftFail, name),
        Some(("?", name)) => (Qualifier::Neutral, name),
        _ => (Qualifier::Pass, name),
    };
    let required = || rest.strip_prefix(':').and_then(DomainSpec::parse).ok_or(SyntaxError);
    let mechanism = match name.to_ascii_lowercase().as_str() {
        "all" if rest.is_empty() => Mechanism::All,
        "include" => Mechanism::Include(required()?),
        "exists" => Mechanism::Exists(required()?),
        "ptr" if rest.is_empty() => Mechanism::Ptr(None),
        "ptr" => Mechanism::Ptr(Some(required()?)),
        "a" => {
            let (domain, prefix) = domain_and_prefix(rest)?;
            Mechanism::A(domain, prefix)
        }
        "mx" => {
            let (domain, prefix) = domain_and_prefix(rest)?;
            Mechanism::Mx(domain, prefix)
        }
        "ip4" => {
            let (address, bits) = network(rest, 32)?;
            Mechanism::Ip4(address.parse().map_err(|_| SyntaxError)?, bits)
        }
        "ip6" => {
            let (address, bits) = network(rest, 128)?;
            Mechanism::Ip6(address.parse().map_err(|_| SyntaxError)?, bits)
        }
        _ => return Err(SyntaxError),
    };
    Ok((qualifier, mechanism))
}

/// `:domain/24//64`, each part optional. A domain may have slashes too: only the last ones before digits are prefixes.
fn domain_and_prefix(rest: &str) -> Result<(Option<DomainSpec>, Prefix), SyntaxError> {
    let mut prefix = Prefix { v4: 32, v6: 128 };
    let mut rest = rest;
    if let Some((head, digits)) = rest.rsplit_once("//").filter(|(_, digits)| is_number(digits)) {
        prefix.v6 = bits(digits, 128)?;
        rest = head;
    }
    if let Some((head, digits)) = rest.rsplit_once('/').filter(|(_, digits)| is_number(digits)) {
        prefix.v4 = bits(digits, 32)?;
        rest = head;
    }
    match rest.strip_prefix(':') {
        None if rest.is_empty() => Ok((None, prefix)),
        None => Err(SyntaxError),
        Some(domain) => Ok((Some(DomainSpec::parse(domain).ok_or(SyntaxError)?), prefix)),
    }
}

fn network(rest: &str, longest: u8) -> Result<(&str, u8), SyntaxError> {
    let network = rest.strip_prefix(':').ok_or(SyntaxError)?;
    match network.split_once('/') {
        None => Ok((network, longest)),
        Some((address, digits)) => Ok((address, bits(digits, longest)?)),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// A prefix length: no leading zero, not longer than the address.
fn bits(digits: &str, longest: u8) -> Result<u8, SyntaxError> {
    if !is_number(digits) || (digits.len() > 1 && digits.starts_with('0')) {
        return Err(SyntaxError);
    }
    digits.parse().ok().filter(|bits| *bits <= longest).ok_or(SyntaxError)
}

/// The name of a modifier.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_whole_or_not_at_all() {
        let good = Record::parse(
            b"v=spf1 ip4:192.0.2.0/24 ?a/24//64 -MX:mx.example.org ~include:%{d2}.example x-y=%{s} -all",
        );
        assert_eq!(good.as_ref().map(|record| record.directives.len()).ok(), Some(5));
        assert!(Record::parse(b"v=spf1").is_ok_and(|record| record.directives.is_empty()));
        for bad in [
            "v=spf1 ip4:192.0.2.0/33",
            "v=spf1 ip4:192.0.2.0/024",
            "v=spf1 ip4:192.0.2",
            "v=spf1 ip6:2001:db8::/129",
            "v=spf1 a:example.org/33",
            "v=spf1 a:localhost",
            "v=spf1 a:example.111",
            "v=spf1 a:",
            "v=spf1 all:x",
            "v=spf1 include",
            "v=spf1 redirect=a.example redirect=b.example",
            "v=spf1 exp=-all",
            "v=spf1 =x",
            "v=spf1 -redirect=a.example",
            "v=spf1 everything",
            "v=spf1 a\tmx",
            "v=spf1 exists:%{x}.example",
            "v=spf1 exists:%{d0}.example",
            "v=spf1 exists:%(d).example",
        ] {
            assert_eq!(Record::parse(bad.as_bytes()), Err(SyntaxError), "{bad}");
        }
    }
}
