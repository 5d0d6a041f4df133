//! Destinations as the operator names them, and the numbers by which the spool knows them.
//!
//! Rules: the spool holds no domain, so a number leads back to none. What `anshin queue summary` can't name it shows as
//! `other-` and the number, in 16 hexadecimal digits, and that is taken wherever a destination is.
//! When it fails: what is neither is refused, with what it should be.

use super::envelope::Envelope;
use super::{Relay, RelayFault};
use crate::mail::{Domain, DomainError};
use crate::vault::Indexed;
use std::fmt;

/// What a number is shown with.
const OTHER: &str = "other-";

/// Why a word is no destination.
#[derive(Debug, thiserror::Error)]
pub enum DestinationFault {
    #[error("a number has 16 hexadecimal digits")]
    Number,
    #[error(transparent)]
    Domain(#[from] DomainError),
}

/// A destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// The domain of the recipients.
    Domain(Domain),
    /// What the spool has for a domain, or below zero for a next hop that mail was moved to.
    Number(i64),
}

impl Destination {
    /// Reads a domain, or `other-` with 16 hexadecimal digits.
    ///
    /// # Errors
    /// [`DestinationFault`] when it is neither.
    pub fn parse(text: &str) -> Result<Self, DestinationFault> {
        // No domain in use has one label; one that looks so is a number with a digit lost, and would be nobody's.
        let is_number = |digits: &&str| digits.bytes().all(|b| b.is_ascii_hexdigit());
        match text.strip_prefix(OTHER).filter(is_number) {
            Some(digits) if digits.len() == 16 => u64::from_str_radix(digits, 16)
                .map(|number| Self::Number(number.cast_signed()))
                .map_err(|_| DestinationFault::Number),
            Some(_) => Err(DestinationFault::Number),
            None => Ok(Self::Domain(Domain::parse(text)?)),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => domain.fmt(f),
            Self::Number(number) => write!(f, "{OTHER}{number:016x}"),
        }
    }
}

impl Relay {
    /// The number by which the spool knows a destination.
    #[must_use]
    pub fn route(&self, destination: &Destination) -> i64 {
        match destination {
            Destination::Domain(domain) => self.route_of(domain),
            Destination::Number(number) => *number,
        }
    }

    /// The number of a next hop that single mails are moved to, in the words in which it was given: below zero, since it
    /// shares room with no domain (`schedule::Groups`).
    #[must_use]
    pub fn route_via(&self, next_hop: &str, tls: &str) -> i64 {
        -1 - self.vault().index.of(Indexed::NextHop { next_hop, tls }).to_i64()
    }

    /// The next hop that a delivery was moved to, as `host:port`. `None` where it goes as its domain does, has ended, or where
    /// this process can't open what is written of it.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn moved_to(&self, delivery: i64) -> Result<Option<String>, RelayFault> {
        let Some(work) = self.store().delivered_work(delivery).await? else { return Ok(None) };
        let key = self.data_key(&work.key).ok();
        let envelope = key.and_then(|key| Envelope::open(&key, work.message_id, &work.envelope).ok());
        Ok(envelope.and_then(|envelope| envelope.next_hop).map(|hop| hop.next_hop))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_read_as_it_is_shown() {
        for text in ["mail.example.jp", "other-0000000000000007", "other-fffffffffffffff0"] {
            assert_eq!(Destination::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Destination::parse("other-fffffffffffffffe").unwrap(), Destination::Number(-2));
        for text in ["other-7.example.jp", "other-gggggggggggggggg.example.jp"] {
            assert!(matches!(Destination::parse(text).unwrap(), Destination::Domain(_)));
        }
        assert!(Destination::parse("other-+000000000000007").is_err());
        for lost in ["other-12", "other-1704ffd4025f970", "other-1704ffd4025f9700a", "other-"] {
            assert!(matches!(Destination::parse(lost), Err(DestinationFault::Number)), "{lost}");
        }
    }
}
