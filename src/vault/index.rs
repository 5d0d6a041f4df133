//! Keyed blind indexes: equality look-up without the value. HMAC-SHA-256 (RFC 2104) under a key of the ring,
//! truncated to 128 bits, with the kind of value in front, so that an address and an order number never match.
//!
//! Who has only the database can compare rows of one kind with each other, and nothing else; who has the key too
//! can test guesses. Collisions: 2^-128 a pair.

use super::aead::{Cipher, Plain, decrypt, encrypt_into, nonce};
use super::locked::{Locked, LockedKey};
use super::mac::MacKey;
use super::ring::NamedKey;
use crate::mail::RealAddress;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

/// A keyed index, as it stands in an `…_idx` column.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Index([u8; 16]);

impl Index {
    /// The octets that SQL sees.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The first 63 bits, for columns where a match only narrows a search.
    #[must_use]
    pub fn to_i64(self) -> i64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        i64::from_be_bytes([a, b, c, d, e, f, g, h]) & i64::MAX
    }
}

/// What kind of value is indexed. `scope` ids keep equal values of different owners apart.
#[derive(Clone, Copy)]
pub enum Indexed<'a> {
    /// An address in its canonical form, anywhere in the installation.
    Address(&'a RealAddress),
    /// An address as the customer of one store: two stores' rows can't be linked.
    CustomerOf { merchant: i64, address: &'a RealAddress },
    /// An address as the mailbox that mail of one store goes to, of either side.
    MailboxOf { merchant: i64, address: &'a RealAddress },
    /// The address of somebody who is in no conversation.
    Stranger(&'a RealAddress),
    /// A store's id.
    StoreId(&'a str),
    /// An order number of one store.
    OrderNo { merchant: i64, order_no: &'a str },
    /// The user name of a submission credential.
    AuthId(&'a str),
    /// An API token.
    Token(&'a str),
    /// Another address of the customer of one conversation.
    GuestOf { conversation: i64, address: &'a RealAddress },
    /// Somebody who had something opened.
    Actor(&'a str),
    /// The login of the system, or the API token, under which somebody had something opened.
    Login(&'a str),
    /// What was decided about a row: who has only the database decides nothing. Compared, and never searched for.
    Ruling { table: &'static str, row: i64, said: &'a str },
    /// What somebody asks a second person for.
    Request(&'a str),
    /// A peer's network address.
    Ip(std::net::IpAddr),
    /// The domain of a next hop.
    Domain(&'a crate::mail::Domain),
    /// One message from one sender to one alias: the duplicate guard.
    Submission { alias: i64, message_id: &'a str, digest: &'a [u8; 32] },
    /// That one side of a conversation was told something: the guard against telling it too often.
    Told { conversation: i64, what: &'a str },
    /// A next hop that the operator chose for single mails.
    NextHop { next_hop: &'a str, tls: &'a str },
    /// The MTA-STS policy of a domain.
    StsPolicy(&'a crate::mail::Domain),
    /// TLS sessions of one kind on one day.
    TlsKind { day: i64, kind: &'a [u8] },
    /// Automatic replies of one side of a conversation: one a day passes.
    AutoReply { conversation: i64, side: super::Side },
    /// A sender, from a network: the guard of greylisting.
    Contact { network: std::net::IpAddr, sender: &'a RealAddress },
    /// A submission credential, used from a network, or from any.
    LoginFrom { credential: i64, network: Option<std::net::IpAddr> },
    /// The user name of a person of one store, in the menu.
    MenuName { merchant: i64, name: &'a str },
    /// The address of people, of whatever store.
    MenuAddress(&'a RealAddress),
    /// A device, a network or a country from which such a person signed in.
    MenuKnown { person: i64, what: &'a str },
    /// Somebody of one store, as a login elsewhere says it.
    MenuLogin { merchant: i64, issuer: &'a str, subject: &'a str },
    /// What a browser keeps while somebody signs in elsewhere.
    MenuOuter(&'a str),
    /// A call of the API, by its token and what it says.
    ApiCall { token: i64, said: &'a [&'a [u8]] },
}

impl Indexed<'_> {
    /// Whether it numbers what runs, rather than finding what is kept: such a number must not change with the keys, or what
    /// was paused, refused or delivered once would be so no more.
    fn is_of_operation(&self) -> bool {
        match self {
            Indexed::Address(_)
            | Indexed::CustomerOf { .. }
            | Indexed::MailboxOf { .. }
            | Indexed::StoreId(_)
            | Indexed::OrderNo { .. }
            | Indexed::AuthId(_)
            | Indexed::Token(_)
            | Indexed::GuestOf { .. }
            | Indexed::Actor(_)
            | Indexed::Ip(_) => false,
            Indexed::Domain(_)
            | Indexed::Submission { .. }
            | Indexed::Stranger(_)
            | Indexed::Request(_)
            | Indexed::Login(_)
            | Indexed::Ruling { .. }
            | Indexed::Told { .. }
            | Indexed::StsPolicy(_)
            | Indexed::TlsKind { .. }
            | Indexed::AutoReply { .. }
            | Indexed::Contact { .. }
            | Indexed::NextHop { .. }
            | Indexed::MenuName { .. }
            | Indexed::MenuKnown { .. }
            | Indexed::MenuAddress(_)
            | Indexed::MenuLogin { .. }
            | Indexed::MenuOuter(_)
            | Indexed::ApiCall { .. }
            | Indexed::LoginFrom { .. } => true,
        }
    }
}

/// The keys that make indexes.
pub struct IndexKey {
    /// The one that new rows get first.
    keys: Vec<Locked<MacKey>>,
    guard: Locked<MacKey>,
    /// What wraps the keys of periods, by the names of the ring's keys, the one that seals first.
    wraps: Vec<(u8, LockedKey)>,
}

impl IndexKey {
    pub(super) fn new(keys: Vec<&NamedKey>, guard: &NamedKey) -> Self {
        let derive = |key: &NamedKey| {
            let mut subkey = Zeroizing::new([0_u8; 64]);
            let _ = Hkdf::<Sha256>::new(Some(b"anshin index 1"), key.bytes()).expand(b"blind", &mut *subkey);
            Locked::new(MacKey::new(&subkey))
        };
        let wrap = |key: &&NamedKey| {
            let mut subkey = Zeroizing::new([0_u8; 32]);
            let _ =
                Hkdf::<Sha256>::new(Some(b"anshin index 1"), key.bytes()).expand(b"periods", &mut *subkey);
            (key.name(), Locked::new(subkey))
        };
        let wraps = keys.iter().map(wrap).collect();
        Self { keys: keys.into_iter().map(derive).collect(), guard: derive(guard), wraps }
    }

    /// The name of the key that wraps.
    pub(super) fn wrapping_name(&self) -> Option<u8> {
        self.wraps.first().map(|(name, _)| *name)
    }

    /// Wraps a key for a place: the name of the ring's key, and what it makes of it.
    pub(super) fn wrap(&self, place: &[u8], key: &[u8; 32]) -> Vec<u8> {
        // A ring without an index key does not open.
        let Some((name, own)) = self.wraps.first() else { std::process::abort() };
        let mut wrapped = vec![*name];
        encrypt_into(&Cipher::new(own), nonce(), place, key, &mut wrapped);
        wrapped
    }

    /// Unwraps it. `None`: the ring has no key of this name; `Some(None)`: it does not open.
    pub(super) fn unwrap(&self, name: u8, place: &[u8], wrapped: &[u8]) -> Option<Option<Plain>> {
        let (_, own) = self.wraps.iter().find(|(own, _)| *own == name)?;
        Some(decrypt(&Cipher::new(own), place, wrapped))
    }

    /// A key of the running operation, of what is said: each part with its length before it.
    pub(super) fn guard_key(&self, kind: &[u8], said: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut mac = self.guard.begin();
        mac.update(b"key\0");
        mac.update(kind);
        mac.update(&[0]);
        for part in said {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Zeroizing::new(mac.finalize())
    }

    /// The index that new rows get.
    #[must_use]
    pub fn of(&self, value: Indexed<'_>) -> Index {
        let key = if value.is_of_operation() { Some(&self.guard) } else { self.keys.first() };
        key.map_or(Index([0; 16]), |key| compute(key, value))
    }

    /// The indexes under which a row may stand: one for each key of the ring.
    pub fn all(&self, value: Indexed<'_>) -> Vec<Index> {
        if value.is_of_operation() {
            return vec![self.of(value)];
        }
        self.keys.iter().map(|key| compute(key, value)).collect()
    }
}

fn compute(key: &MacKey, value: Indexed<'_>) -> Index {
    let mut mac = key.begin();
    let mut put = |kind: &[u8], scope: i64, bytes: &[u8]| {
        mac.update(kind);
        mac.update(&[0]);
        mac.update(&scope.to_be_bytes());
        mac.update(bytes);
    };
    match value {
        Indexed::Address(address) => put(b"address", 0, address.reveal_canonical().as_bytes()),
        Indexed::CustomerOf { merchant, address } => {
            put(b"customer", merchant, address.reveal_canonical().as_bytes());
        }
        Indexed::GuestOf { conversation, address } => {
            put(b"guest", conversation, address.reveal_canonical().as_bytes());
        }
        Indexed::MailboxOf { merchant, address } => {
            put(b"mailbox", merchant, address.reveal_canonical().as_bytes());
        }
        Indexed::Stranger(address) => put(b"stranger", 0, address.reveal_canonical().as_bytes()),
        Indexed::StoreId(id) => put(b"store", 0, id.as_bytes()),
        Indexed::OrderNo { merchant, order_no } => put(b"order", merchant, order_no.as_bytes()),
        Indexed::AuthId(id) => put(b"auth", 0, id.as_bytes()),
        Indexed::Token(token) => put(b"token", 0, token.as_bytes()),
        Indexed::Request(what) => put(b"request", 0, what.as_bytes()),
        Indexed::Login(login) => put(b"login", 0, login.as_bytes()),
        Indexed::Ruling { table, row, said } => {
            put(b"ruling", row, table.as_bytes());
            mac.update(&[0]);
            mac.update(said.as_bytes());
        }
        Indexed::Actor(actor) => put(b"actor", 0, actor.as_bytes()),
        Indexed::Ip(ip) => put(b"ip", 0, ip.to_canonical().to_string().as_bytes()),
        Indexed::Domain(domain) => put(b"domain", 0, domain.as_str().as_bytes()),
        Indexed::Submission { alias, message_id, digest } => {
            put(b"submission", alias, digest);
            mac.update(message_id.as_bytes());
        }
        Indexed::Told { conversation, what } => put(b"told", conversation, what.as_bytes()),
        Indexed::NextHop { next_hop, tls } => {
            put(b"next_hop", i64::try_from(tls.len()).unwrap_or(0), [tls, next_hop].concat().as_bytes());
        }
        Indexed::StsPolicy(domain) => put(b"sts_policy", 0, domain.as_str().as_bytes()),
        Indexed::TlsKind { day, kind } => put(b"tls_kind", day, kind),
        Indexed::AutoReply { conversation, side } => {
            put(b"auto_reply", conversation, side.as_str().as_bytes());
        }
        Indexed::Contact { network, sender } => {
            put(b"contact", 0, network.to_canonical().to_string().as_bytes());
            mac.update(&[0]);
            mac.update(sender.reveal_canonical().as_bytes());
        }
        Indexed::LoginFrom { credential, network } => {
            let network = network.map_or_else(String::new, |network| network.to_canonical().to_string());
            put(b"login_from", credential, network.as_bytes());
        }
        Indexed::MenuName { merchant, name } => put(b"menu_name", merchant, name.as_bytes()),
        Indexed::MenuAddress(address) => put(b"menu_address", 0, address.reveal_canonical().as_bytes()),
        Indexed::MenuKnown { person, what } => put(b"menu_known", person, what.as_bytes()),
        Indexed::MenuLogin { merchant, issuer, subject } => {
            put(b"menu_login", merchant, issuer.as_bytes());
            mac.update(&[0]);
            mac.update(subject.as_bytes());
        }
        Indexed::MenuOuter(text) => put(b"menu_outer", 0, text.as_bytes()),
        Indexed::ApiCall { token, said } => {
            put(b"api_call", token, b"");
            for part in said {
                mac.update(&(part.len() as u64).to_be_bytes());
                mac.update(part);
            }
        }
    }
    let full = mac.finalize();
    let mut short = [0_u8; 16];
    for (to, from) in short.iter_mut().zip(full) {
        *to = from;
    }
    Index(short)
}

#[cfg(test)]
mod tests {
    use super::super::purpose::Purpose;
    use super::super::ring::ring_for_tests;
    use super::*;
    use crate::mail::Timestamp;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    #[test]
    fn equal_values_of_different_kinds_or_owners_have_different_indexes() {
        let ring = ring_for_tests();
        let keys = IndexKey::new(ring.keys(Purpose::Index, NOW).unwrap(), ring.guard().unwrap());
        let address = RealAddress::parse("Hanako@Example.jp").unwrap();
        let same = RealAddress::parse("hanako@example.JP").unwrap();
        assert!(keys.of(Indexed::Address(&address)) == keys.of(Indexed::Address(&same)));
        let indexes = [
            keys.of(Indexed::Address(&address)),
            keys.of(Indexed::CustomerOf { merchant: 1, address: &address }),
            keys.of(Indexed::CustomerOf { merchant: 2, address: &address }),
            keys.of(Indexed::StoreId("hanako@example.jp")),
            keys.of(Indexed::AuthId("hanako@example.jp")),
            keys.of(Indexed::OrderNo { merchant: 1, order_no: "hanako@example.jp" }),
        ];
        for (i, a) in indexes.iter().enumerate() {
            for b in &indexes[i + 1..] {
                assert!(a != b);
            }
        }
    }

    #[test]
    fn a_new_key_finds_old_rows_and_leaves_the_numbers_of_the_operation_alone() {
        let ring = ring_for_tests();
        let (index, guard) = (ring.keys(Purpose::Index, NOW).unwrap(), ring.guard().unwrap());
        let new = ring.keys(Purpose::Alias, NOW).unwrap();
        let before = IndexKey::new(index.clone(), guard);
        let after = IndexKey::new(vec![new[0], index[0]], guard);
        let store = Indexed::StoreId("hana-ya");
        assert!(before.of(store) != after.of(store));
        assert!(after.all(store).contains(&before.of(store)));
        let domain = crate::mail::Domain::parse("a.example").unwrap();
        assert!(before.of(Indexed::Domain(&domain)) == after.of(Indexed::Domain(&domain)));
    }
}
