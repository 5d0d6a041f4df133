//! Keyed numbers of the log: equality look-up within a quarter, and nothing across quarters once a quarter's key is destroyed.
//!
//! A period's key is random, of one quarter (UTC), and kept wrapped by an index key of the ring. Each kind of value has a subkey of
//! its own (HKDF-SHA-256), so that an address and an order number never match. A number is the first 63 bits of HMAC-SHA-256 (RFC
//! 2104) over the value: two values of a kind and quarter have the same one with a probability of 2^-63, so who needs to be certain
//! opens the record.
//!
//! Rules: who has only the database can compare numbers of one kind and quarter, and nothing else; who has an index key too can
//! test guesses, until the period's key is destroyed.
//! When it fails: [`VaultError`], which names the key, never a value.

use super::index::IndexKey;
use super::locked::Locked;
use super::mac::MacKey;
use super::random_bytes;
use super::seal::VaultError;
use crate::mail::{Domain, RealAddress, Timestamp};
use hkdf::Hkdf;
use sha2::Sha256;
use std::net::IpAddr;
use zeroize::Zeroizing;

/// Octets of a network's prefix that are numbered: IPv4 /24, IPv6 /48.
const NET_V4: usize = 3;
const NET_V6: usize = 6;
/// The kinds, each with a subkey.
const KINDS: [&[u8]; 9] =
    [b"address", b"order", b"login", b"message id", b"ip", b"net", b"domain", b"mailer", b"file"];

/// A value that is numbered.
#[derive(Clone, Copy)]
pub enum Numbered<'a> {
    /// A real address, or an alias: in its canonical form.
    Address(&'a RealAddress),
    /// An alias or another address of ours as text, in any case.
    Alias(&'a str),
    /// An order number, of whichever store, as the store writes it.
    OrderNo(&'a str),
    /// The user name of a login.
    Login(&'a str),
    /// A Message-ID with its brackets.
    MessageId(&'a str),
    /// A peer's address.
    Ip(IpAddr),
    /// The network of an address: /24 or /48.
    Net(IpAddr),
    /// A registrable domain.
    Domain(&'a Domain),
    /// The name of a mail program, without its version, in any case.
    Mailer(&'a str),
    /// SHA-256 of a file.
    File(&'a [u8; 32]),
}

/// The quarter (UTC) of a time, counted from the first of 1970.
#[must_use]
pub fn quarter_of(at: Timestamp) -> i64 {
    let date = at.date();
    (i64::from(date.year()) - 1970) * 4 + i64::from(u8::from(date.month()) - 1) / 3
}

/// When a quarter begins.
#[must_use]
pub fn quarter_begins(quarter: i64) -> Timestamp {
    let (year, month) = (1970 + quarter.div_euclid(4), quarter.rem_euclid(4) * 3 + 1);
    Timestamp::parse_rfc3339(&format!("{year:04}-{month:02}-01T00:00:00Z"))
        .unwrap_or(Timestamp::from_millis(i64::MAX))
}

/// A key of one quarter.
pub struct Period {
    pub id: i64,
    /// Quarters since 1970, UTC.
    pub quarter: i64,
    macs: Locked<[MacKey; KINDS.len()]>,
}

impl Period {
    fn from_bytes(id: i64, quarter: i64, bytes: &[u8; 32]) -> Self {
        let period = Hkdf::<Sha256>::new(Some(b"anshin period 1"), bytes);
        let mac = |kind: &[u8]| {
            let mut subkey = Zeroizing::new([0_u8; 64]);
            // 64 octets are far below HKDF's limit of 255 blocks, the only way in which expand can fail.
            if period.expand(kind, &mut *subkey).is_err() {
                std::process::abort();
            }
            MacKey::new(&subkey)
        };
        Self { id, quarter, macs: Locked::new(KINDS.map(mac)) }
    }

    /// The number of a value.
    #[must_use]
    pub fn number(&self, value: Numbered<'_>) -> i64 {
        match value {
            Numbered::Address(address) => self.of(0, address.reveal_canonical().as_bytes()),
            Numbered::Alias(text) => self.of(0, text.to_lowercase().as_bytes()),
            Numbered::OrderNo(text) => self.of(1, text.as_bytes()),
            Numbered::Login(text) => self.of(2, text.as_bytes()),
            Numbered::MessageId(text) => self.of(3, text.as_bytes()),
            Numbered::Ip(ip) => match ip.to_canonical() {
                IpAddr::V4(ip) => self.of(4, &ip.octets()),
                IpAddr::V6(ip) => self.of(4, &ip.octets()),
            },
            Numbered::Net(ip) => match ip.to_canonical() {
                IpAddr::V4(ip) => self.of(5, ip.octets().get(..NET_V4).unwrap_or_default()),
                IpAddr::V6(ip) => self.of(5, ip.octets().get(..NET_V6).unwrap_or_default()),
            },
            Numbered::Domain(domain) => self.of(6, domain.as_str().as_bytes()),
            Numbered::Mailer(name) => self.of(7, name.to_lowercase().as_bytes()),
            Numbered::File(digest) => self.of(8, digest),
        }
    }

    fn of(&self, kind: usize, value: &[u8]) -> i64 {
        // The kinds above are fewer than the subkeys.
        let Some(mac) = self.macs.get(kind) else { std::process::abort() };
        let [a, b, c, d, e, f, g, h, ..] = mac.begin().chain_update(value).finalize();
        i64::from_be_bytes([a, b, c, d, e, f, g, h]) & i64::MAX
    }
}

impl IndexKey {
    /// Makes the key of a quarter, and its wrapped form for the database.
    #[must_use]
    pub fn new_period(&self, id: i64, quarter: i64) -> (Period, Vec<u8>) {
        let bytes = Zeroizing::new(random_bytes::<32>());
        (Period::from_bytes(id, quarter, &bytes), self.wrap(&place(id, quarter), &bytes))
    }

    /// Opens the wrapped key of a quarter.
    ///
    /// # Errors
    /// [`VaultError::NotHeld`] when this process lacks the key that wrapped it, [`VaultError::DoesNotOpen`] when it was
    /// altered, [`VaultError::Destroyed`] when it is no longer there.
    pub fn open_period(&self, id: i64, quarter: i64, wrapped: &[u8]) -> Result<Period, VaultError> {
        Ok(Period::from_bytes(id, quarter, &*self.unwrap_period(id, quarter, wrapped)?))
    }

    /// Wraps the key of a quarter anew under the key that seals; `None` if it is so already, or destroyed.
    ///
    /// # Errors
    /// [`VaultError`] when it does not open.
    pub fn rewrap_period(
        &self,
        id: i64,
        quarter: i64,
        wrapped: &[u8],
    ) -> Result<Option<Vec<u8>>, VaultError> {
        if wrapped.is_empty() || wrapped.first() == self.wrapping_name().as_ref() {
            return Ok(None);
        }
        let bytes = self.unwrap_period(id, quarter, wrapped)?;
        Ok(Some(self.wrap(&place(id, quarter), &bytes)))
    }

    fn unwrap_period(
        &self,
        id: i64,
        quarter: i64,
        wrapped: &[u8],
    ) -> Result<Zeroizing<[u8; 32]>, VaultError> {
        let broken = VaultError::DoesNotOpen { table: "period_key", column: "wrapped" };
        let (name, rest) = wrapped.split_first().ok_or(VaultError::Destroyed { table: "period_key", id })?;
        let lacks = VaultError::NotHeld { purpose: "index", name: char::from(*name) };
        let plain = self.unwrap(*name, &place(id, quarter), rest).ok_or(lacks)?.ok_or(broken)?;
        <[u8; 32]>::try_from(plain.as_slice()).map(Zeroizing::new).map_err(|_| broken)
    }
}

/// The place that a wrapped key is bound to.
fn place(id: i64, quarter: i64) -> Vec<u8> {
    let mut data = b"anshin period 1\0period_key\0wrapped\0".to_vec();
    data.extend_from_slice(&id.to_be_bytes());
    data.extend_from_slice(&quarter.to_be_bytes());
    data
}

#[cfg(test)]
mod tests {
    use super::super::purpose::Purpose;
    use super::super::ring::ring_for_tests;
    use super::*;

    fn keys() -> IndexKey {
        let (ring, now) = (ring_for_tests(), Timestamp::from_millis(1_000_000));
        IndexKey::new(ring.keys(Purpose::Index, now).unwrap(), ring.guard().unwrap())
    }

    #[test]
    fn numbers_of_a_quarter_are_equal_where_values_are_and_say_nothing_across_kinds_and_quarters() {
        let keys = keys();
        let (period, wrapped) = keys.new_period(1, 227);
        let (later, _) = keys.new_period(2, 228);
        let again = keys.open_period(1, 227, &wrapped).unwrap();
        let address = RealAddress::parse("\"Hanako\"@Example.jp").unwrap();
        let domain = Domain::parse("example.jp").unwrap();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let values = [
            Numbered::Address(&address),
            Numbered::OrderNo("hanako@example.jp"),
            Numbered::Login("hanako@example.jp"),
            Numbered::MessageId("hanako@example.jp"),
            Numbered::Mailer("hanako@example.jp"),
            Numbered::Domain(&domain),
            Numbered::File(&[7; 32]),
            Numbered::Ip(ip("192.0.2.7")),
            Numbered::Net(ip("192.0.2.7")),
            Numbered::Ip(ip("2001:db8:1:2::3")),
            Numbered::Net(ip("2001:db8:1:2::3")),
        ];
        for (i, a) in values.iter().enumerate() {
            assert!(period.number(*a) >= 0);
            assert_eq!(period.number(*a), again.number(*a));
            assert_ne!(period.number(*a), later.number(*a));
            assert!(values[i + 1..].iter().all(|b| period.number(*a) != period.number(*b)));
        }
        let same = |a, b| period.number(a) == period.number(b);
        assert!(same(Numbered::Address(&address), Numbered::Alias("HANAKO@example.jp")));
        assert!(same(Numbered::Ip(ip("::ffff:192.0.2.7")), Numbered::Ip(ip("192.0.2.7"))));
        assert!(same(Numbered::Net(ip("192.0.2.200")), Numbered::Net(ip("192.0.2.7"))));
        assert!(same(Numbered::Net(ip("2001:db8:1:9::1")), Numbered::Net(ip("2001:db8:1:2::3"))));
        assert!(!same(Numbered::Net(ip("192.0.3.7")), Numbered::Net(ip("192.0.2.7"))));
    }

    #[test]
    fn a_periods_key_opens_in_its_place_alone_and_is_wrapped_anew_without_changing_its_numbers() {
        let (ring, now) = (ring_for_tests(), Timestamp::from_millis(1_000_000));
        let (index, guard) = (ring.keys(Purpose::Index, now).unwrap(), ring.guard().unwrap());
        let new = ring.keys(Purpose::Alias, now).unwrap();
        let (before, after) = (keys(), IndexKey::new(vec![new[0], index[0]], guard));
        let alone = IndexKey::new(vec![new[0]], guard);
        let (period, wrapped) = before.new_period(1, 227);
        for (id, quarter) in [(2, 227), (1, 228)] {
            assert!(before.open_period(id, quarter, &wrapped).is_err());
        }
        let rewrapped = after.rewrap_period(1, 227, &wrapped).unwrap().unwrap();
        assert_eq!(after.rewrap_period(1, 227, &rewrapped), Ok(None));
        let number = |period: &Period| period.number(Numbered::OrderNo("1"));
        assert_eq!(number(&alone.open_period(1, 227, &rewrapped).unwrap()), number(&period));
        let name = char::from(index[0].name());
        let lacks = VaultError::NotHeld { purpose: "index", name };
        assert_eq!(alone.open_period(1, 227, &wrapped).err(), Some(lacks));
        let gone = VaultError::Destroyed { table: "period_key", id: 1 };
        assert_eq!(before.open_period(1, 227, &[]).err(), Some(gone));
        assert_eq!(before.rewrap_period(1, 227, &[]), Ok(None));
    }

    #[test]
    fn quarters_are_those_of_the_calendar() {
        for (at, quarter) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-09-30T23:59:59Z", 226),
            ("2026-10-01T00:00:00Z", 227),
            ("2026-12-31T23:59:59Z", 227),
            ("2027-01-01T00:00:00Z", 228),
        ] {
            assert_eq!(quarter_of(Timestamp::parse_rfc3339(at).unwrap()), quarter, "{at}");
        }
        assert_eq!(quarter_begins(227).to_rfc3339(), "2026-10-01T00:00:00Z");
        assert_eq!(quarter_of(quarter_begins(228)), 228);
    }
}
