//! A person's real address. It has no `Debug`, `Display`, `Clone`, `Serialize` or `Deref`: it cannot be logged,
//! copied or printed by accident. `reveal` is the one door, used in the few files that `tests/it/tidy.rs` lists.
//!
//! Rules: the local part is at most 64 octets and the whole at most 254 (RFC 5321 §4.5.3.1.1 to 3). Dots where
//! RFC 5321 has none (`a..b@`, `.a@`, `a.@`: addresses that Japanese carriers gave out) are accepted and kept as
//! written; so is a quoted local part, and UTF-8 in either half (RFC 6531). With and without quotes it is one mailbox.
//! When it fails: [`AddressError`]; it never quotes the input.

use super::{Domain, DomainError};
use unicode_normalization::UnicodeNormalization;

/// Longest local part, in octets (RFC 5321 §4.5.3.1.1).
const MAX_LOCAL: usize = 64;
/// Longest address, in octets (RFC 5321 §4.5.3.1.3: a path is 256 with its brackets).
const MAX_ADDRESS: usize = 254;

/// A real address, of a merchant, a customer, or of anyone who wrote to us.
pub struct RealAddress {
    /// As it was written, quoted or not: the form that goes back on the wire.
    local: String,
    domain: Domain,
}

/// Why some text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("the address has no @")]
    NoAt,
    #[error("the part before the @ is empty, longer than 64 octets or has a character that no address has")]
    Local,
    #[error("the part after the @ is no domain: {0}")]
    Domain(#[from] DomainError),
    #[error("the address is longer than 254 octets")]
    TooLong,
}

impl RealAddress {
    /// Reads `local@domain` without angle brackets.
    ///
    /// # Errors
    /// [`AddressError`] when a half is missing, too long or malformed.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::NoAt)?;
        if local.is_empty() || local.len() > MAX_LOCAL {
            return Err(AddressError::Local);
        }
        let good =
            if local.starts_with('"') { is_quoted_string(local) } else { local.chars().all(is_atom_char) };
        if !good {
            return Err(AddressError::Local);
        }
        let domain = Domain::parse(domain)?;
        if local.len() + 1 + domain.as_str().len() > MAX_ADDRESS {
            return Err(AddressError::TooLong);
        }
        Ok(Self { local: local.to_owned(), domain })
    }

    /// The same address once more. A copy is made on purpose and by name: there is no `Clone`.
    pub(crate) fn again(&self) -> Self {
        Self { local: self.local.clone(), domain: self.domain.clone() }
    }

    /// The address as text, as it was written.
    pub(crate) fn reveal(&self) -> String {
        format!("{}@{}", self.local, self.domain)
    }

    /// The address as it goes on the wire: without quotes where they are idle (RFC 5321 §4.1.2 asks for the form that
    /// needs the least), and at a carrier's domain also around dots that only the carrier knows, because there the
    /// quoted form is another mailbox or none.
    pub(crate) fn reveal_for_wire(&self) -> String {
        let bare = self.unquoted();
        let is_atoms = bare.split('.').all(|atom| !atom.is_empty()) || self.domain.is_carriers();
        if !bare.is_empty() && bare.chars().all(is_atom_char) && is_atoms {
            return format!("{bare}@{}", self.domain);
        }
        self.reveal()
    }

    /// Its domain, for routing and comparison.
    pub(crate) fn reveal_domain(&self) -> &Domain {
        &self.domain
    }

    /// The form in which two addresses are compared and indexed: unquoted, lower case, UTF-8 in NFC (RFC 6532 §3.1).
    /// Real receivers ignore the case of the local part, whatever RFC 5321 §2.4 allows them.
    pub(crate) fn reveal_canonical(&self) -> String {
        format!("{}@{}", self.unquoted().to_lowercase().nfc(), self.domain)
    }

    /// The local part without quotes and what they escape.
    fn unquoted(&self) -> String {
        match self.local.strip_prefix('"').and_then(|l| l.strip_suffix('"')) {
            Some(inner) => {
                let mut plain = String::with_capacity(inner.len());
                let mut chars = inner.chars();
                while let Some(c) = chars.next() {
                    plain.extend(if c == '\\' { chars.next() } else { Some(c) });
                }
                plain
            }
            None => self.local.clone(),
        }
    }

    /// Whether the other names this mailbox: at its domain, or at a host within it, as hosts name their mailboxes.
    #[must_use]
    pub fn is_mailbox_of(&self, other: &RealAddress) -> bool {
        let local = |address: &RealAddress| address.unquoted().to_lowercase().nfc().collect::<String>();
        other.domain.is_within(&self.domain) && local(self) == local(other)
    }

    /// Whether both name the same mailbox.
    #[must_use]
    pub fn same_mailbox(&self, other: &RealAddress) -> bool {
        self.domain == other.domain && self.reveal_canonical() == other.reveal_canonical()
    }

    /// Whether it can travel without SMTPUTF8 (RFC 6531).
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.local.is_ascii()
    }
}

/// `atext` of RFC 5321 §4.1.2, the dot anywhere, and UTF-8 as of RFC 6531 §3.3.
fn is_atom_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c) || (!c.is_ascii() && !c.is_control())
}

/// `Quoted-string` of RFC 5321 §4.1.2, quotes included.
fn is_quoted_string(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) else { return false };
    if text.len() < 2 {
        return false;
    }
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        let content = if c == '\\' {
            chars.next()
        } else if c == '"' {
            None
        } else {
            Some(c)
        };
        if content.is_none_or(char::is_control) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_japanese_carriers_are_kept_as_written() {
        for text in [
            "a..b@docomo.example",
            ".a@carrier.example",
            "abc.@docomo.example",
            "\"a b\"@x.example",
            "あ@x.example",
        ] {
            assert_eq!(RealAddress::parse(text).ok().map(|a| a.reveal()).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@x.example", "a".repeat(65));
        for text in [
            "",
            "a",
            "@x.example",
            "a@",
            "a b@x.example",
            "a\"b@x.example",
            "\"a@x.example",
            "\"\\\"@x.example",
            "a\r\n@x.example",
            "<a@x.example>",
            &long,
        ] {
            assert!(RealAddress::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_same_mailbox_is_found_through_case_and_idle_quotes() {
        let a = RealAddress::parse("\"Hana.Ko\"@Mail.Example").unwrap();
        let b = RealAddress::parse("hana.ko@mail.example").unwrap();
        assert!(a.same_mailbox(&b));
        for (one, other) in [
            ("\"a..b\"@docomo.ne.jp", "A..b@DOCOMO.ne.jp"),
            ("\"a\\.\\.b\"@docomo.ne.jp", "a..b@docomo.ne.jp"),
            ("a@日本.example", "a@xn--wgv71a.example"),
            ("か\u{3099}@x.example", "が@x.example"),
            ("a@[ipv6:2001:DB8:0::1]", "a@[IPv6:2001:db8::1]"),
        ] {
            let parse = |text| RealAddress::parse(text).unwrap();
            assert!(parse(one).same_mailbox(&parse(other)), "{one} {other}");
        }
        let c = RealAddress::parse("a.b@docomo.ne.jp").unwrap();
        assert!(!c.same_mailbox(&RealAddress::parse("a..b@docomo.ne.jp").unwrap()));
    }

    #[test]
    fn quotes_go_on_the_wire_only_where_the_receiver_needs_them() {
        for (written, wire) in [
            ("\"a..b\"@docomo.ne.jp", "a..b@docomo.ne.jp"),
            ("\".a\"@d.vodafone.ne.jp", ".a@d.vodafone.ne.jp"),
            ("abc.@docomo.ne.jp", "abc.@docomo.ne.jp"),
            ("\"a b\"@docomo.ne.jp", "\"a b\"@docomo.ne.jp"),
            ("\"a..b\"@x.example", "\"a..b\"@x.example"),
            ("a..b@x.example", "a..b@x.example"),
            ("\"Hana.Ko\"@x.example", "Hana.Ko@x.example"),
            ("\"\"@x.example", "\"\"@x.example"),
            ("\"あ\"@x.example", "あ@x.example"),
        ] {
            assert_eq!(RealAddress::parse(written).unwrap().reveal_for_wire(), wire);
        }
    }

    #[test]
    fn the_longest_parts_are_taken_and_one_octet_more_is_not() {
        let (local, label) = ("a".repeat(64), "b".repeat(63));
        let domain = format!("{label}.{label}.{}", "c".repeat(61));
        assert_eq!(local.len() + 1 + domain.len(), 254);
        assert!(RealAddress::parse(&format!("{local}@{domain}")).is_ok());
        assert_eq!(RealAddress::parse(&format!("a{local}@x.example")).err(), Some(AddressError::Local));
        assert_eq!(RealAddress::parse(&format!("{local}@{domain}c")).err(), Some(AddressError::TooLong));
        let quoted = format!("\"{}\"@x.example", "a".repeat(62));
        assert!(RealAddress::parse(&quoted).is_ok());
    }
}
