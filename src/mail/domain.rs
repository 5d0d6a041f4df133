//! A domain as it is compared, looked up and put on the wire: lower-case A-labels.
//!
//! Rules: at most 253 octets, labels of 1 to 63 octets (RFC 1035 §2.3.4), letters, digits, hyphen and (as in
//! real mail) underscore; U-labels are converted by UTS #46. An address literal (RFC 5321 §4.1.3) is kept as
//! it is, so that syntax is accepted and policy can refuse it.
//! When it fails: [`DomainError`]; it never quotes the input, which may be personal.

use std::fmt;

/// Longest domain, in octets without the root dot (RFC 1035 §2.3.4: 255 octets on the wire).
const MAX_DOMAIN: usize = 253;

/// A domain name in lower-case A-labels, or an address literal in brackets.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(String);

/// Why some text is no domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    #[error("the domain is empty")]
    Empty,
    #[error("the domain is longer than 253 octets")]
    TooLong,
    #[error("a label of the domain is empty, longer than 63 octets or has a character that no domain has")]
    Label,
}

impl Domain {
    /// Reads a domain in any case, with U-labels or A-labels, with or without the root dot.
    ///
    /// # Errors
    /// [`DomainError`] when it is empty, too long or malformed.
    pub fn parse(text: &str) -> Result<Self, DomainError> {
        if text.is_empty() {
            return Err(DomainError::Empty);
        }
        if text.starts_with('[') {
            return Self::parse_literal(text);
        }
        let text = text.strip_suffix('.').unwrap_or(text);
        let ascii = if text.is_ascii() {
            text.to_ascii_lowercase()
        } else {
            idna::domain_to_ascii(text).map_err(|_| DomainError::Label)?
        };
        if ascii.len() > MAX_DOMAIN {
            return Err(DomainError::TooLong);
        }
        let label_is_good = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if ascii.split('.').all(label_is_good) { Ok(Self(ascii)) } else { Err(DomainError::Label) }
    }

    fn parse_literal(text: &str) -> Result<Self, DomainError> {
        let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).ok_or(DomainError::Label)?;
        let address = match inner.split_at_checked(5) {
            Some((tag, rest)) if tag.eq_ignore_ascii_case("IPv6:") => {
                rest.parse::<std::net::Ipv6Addr>().map(|ip| format!("[IPv6:{ip}]"))
            }
            _ => inner.parse::<std::net::Ipv4Addr>().map(|ip| format!("[{ip}]")),
        };
        address.map(Self).map_err(|_| DomainError::Label)
    }

    /// The domain as text: lower-case A-labels without the root dot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is an address literal such as `[192.0.2.1]`.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.0.starts_with('[')
    }

    /// Whether `self` is `parent` or lies below it, by whole labels.
    #[must_use]
    pub fn is_within(&self, parent: &Domain) -> bool {
        self.0 == parent.0 || self.0.strip_suffix(&parent.0).is_some_and(|head| head.ends_with('.'))
    }

    /// `label.self`.
    ///
    /// # Errors
    /// [`DomainError`] when the result is no domain.
    pub fn below(&self, label: &str) -> Result<Self, DomainError> {
        Self::parse(&format!("{label}.{}", self.0))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_domain_has_one_form() {
        for text in ["日本.example", "XN--WGV71A.example.", "xn--wgv71a.EXAMPLE"] {
            assert_eq!(Domain::parse(text).map(|d| d.0), Ok("xn--wgv71a.example".into()), "{text}");
        }
        assert_eq!(Domain::parse("[192.0.2.1]").map(|d| d.0), Ok("[192.0.2.1]".into()));
        assert_eq!(Domain::parse("[ipv6:2001:DB8::1]").map(|d| d.0), Ok("[IPv6:2001:db8::1]".into()));
    }

    #[test]
    fn what_is_no_domain_is_refused() {
        let long = format!("{}.example", "a".repeat(64));
        for text in ["", ".", "a..b", "-a.example", "a b", "a@b", "[300.0.0.1]", "[", "é\u{0}", &long] {
            assert!(Domain::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn within_goes_by_whole_labels() {
        let parent = Domain::parse("fw.example").unwrap();
        assert!(Domain::parse("pc.fw.example").unwrap().is_within(&parent));
        assert!(!Domain::parse("xfw.example").unwrap().is_within(&parent));
    }
}
