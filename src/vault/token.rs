//! Alias, return and decision tokens: the local parts of our addresses. ARCHITECTURE.md has the construction and its
//! bounds; in short:
//!
//! - alias: `a` + key letter + base32(AES-256(id ‖ constant)), 28 octets. The constant belongs to key and side, so
//!   a customer's alias never opens as a merchant's. A guess opens with probability 2^-64.
//! - return address: `r` + key letter + base32(id ‖ expiry day ‖ HMAC-SHA-256, 80 bits), 34 octets.
//! - decision address: the same with `c` (confirm) or `w` (withdraw) in front, each with a MAC key of its own, so that
//!   who can write one of the two has not the other, nor a return address.
//!
//! Case is ignored when reading (RFC 5321 §2.4 lets a local part differ in case; no real mailer relies on it, and
//! some change it). The base32 of RFC 4648 §6 without padding; its unused bits must be zero, so one token has one
//! spelling. A token that does not open is `None`: why is nobody's business.

use super::locked::Locked;
use super::ring::NamedKey;
use crate::mail::Timestamp;
use aes::Aes256;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use data_encoding::BASE32_NOPAD;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Longest local part that we issue, in octets (the contract allows 40).
pub const TOKEN_MAX: usize = 34;

const DAY_MS: i64 = 86_400_000;

/// Whose alias it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The merchant writes to it; it stands for the customer.
    Customer,
    /// The customer writes to it; it stands for the merchant.
    Merchant,
}

impl Side {
    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Side::Customer => "customer",
            Side::Merchant => "merchant",
        }
    }

    /// The side that writes to this one.
    #[must_use]
    pub fn other(self) -> Side {
        match self {
            Side::Customer => Side::Merchant,
            Side::Merchant => Side::Customer,
        }
    }
}

struct SideKey {
    cipher: Aes256,
    constant: [u8; 8],
}

struct AliasKey {
    name: u8,
    customer: SideKey,
    merchant: SideKey,
}

/// Mints and opens alias tokens.
pub struct AliasTokens(Vec<Locked<AliasKey>>);

impl AliasTokens {
    pub(super) fn new(keys: Vec<&NamedKey>) -> Self {
        let side = |key: &NamedKey, side: Side| {
            let derive = Hkdf::<Sha256>::new(Some(b"anshin alias 1"), key.bytes());
            let mut cipher = Zeroizing::new([0_u8; 32]);
            let mut constant = [0_u8; 8];
            let _ = derive.expand_multi_info(&[b"cipher ", side.as_str().as_bytes()], &mut *cipher);
            let _ = derive.expand_multi_info(&[b"constant ", side.as_str().as_bytes()], &mut constant);
            SideKey { cipher: Aes256::new(&(*cipher).into()), constant }
        };
        let all = |key: &NamedKey| {
            Locked::new(AliasKey {
                name: key.name(),
                customer: side(key, Side::Customer),
                merchant: side(key, Side::Merchant),
            })
        };
        Self(keys.into_iter().map(all).collect())
    }

    /// The token of the alias with this id, under the newest key.
    #[must_use]
    pub fn mint(&self, side: Side, id: i64) -> String {
        self.0.first().map(|key| mint(key, side, id)).unwrap_or_default()
    }

    /// The token under the key with this name, for an alias that was minted with it. `None` if the key is gone.
    #[must_use]
    pub fn mint_with(&self, name: u8, side: Side, id: i64) -> Option<String> {
        self.0.iter().find(|key| key.name == name).map(|key| mint(key, side, id))
    }

    /// The name of the key that mints.
    #[must_use]
    pub fn newest(&self) -> u8 {
        self.0.first().map_or(b'a', |key| key.name)
    }

    /// Whether this looks like a token of a key that is not here.
    #[must_use]
    pub fn lacks_key_of(&self, token: &str) -> bool {
        split(token, b'a', 26).is_some_and(|(name, _)| self.0.iter().all(|key| key.name != name))
    }

    /// Side and id of the alias, if this is a token of ours.
    #[must_use]
    pub fn open(&self, token: &str) -> Option<(Side, i64)> {
        let (name, body) = split(token, b'a', 26)?;
        let key = self.0.iter().find(|key| key.name == name)?;
        let block: [u8; 16] = BASE32_NOPAD.decode(&body).ok()?.try_into().ok()?;
        [(Side::Customer, &key.customer), (Side::Merchant, &key.merchant)].into_iter().find_map(
            |(side, keyed)| {
                let mut plain = block.into();
                keyed.cipher.decrypt_block(&mut plain);
                let (id, constant) = plain.split_first_chunk::<8>()?;
                bool::from(constant.ct_eq(&keyed.constant)).then(|| (side, i64::from_be_bytes(*id)))
            },
        )
    }
}

fn mint(key: &AliasKey, side: Side, id: i64) -> String {
    let keyed = match side {
        Side::Customer => &key.customer,
        Side::Merchant => &key.merchant,
    };
    let mut block = [0_u8; 16];
    for (to, from) in block.iter_mut().zip(id.to_be_bytes().into_iter().chain(keyed.constant)) {
        *to = from;
    }
    let mut block = block.into();
    keyed.cipher.encrypt_block(&mut block);
    spell(b'a', key.name, &block)
}

/// What a return or decision address says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Returned {
    /// The delivery that it is about.
    pub delivery: i64,
    /// Whether its time is over.
    pub expired: bool,
}

/// Mints and opens return tokens.
pub struct ReturnTokens(Vec<Stamp>);

impl ReturnTokens {
    pub(super) fn new(keys: Vec<&NamedKey>) -> Self {
        Self(keys.into_iter().map(|key| Stamp::new(key, b'r', b"anshin return 1", b"mac")).collect())
    }

    /// The return token of a delivery, good until the day of `expires_at` has passed.
    #[must_use]
    pub fn mint(&self, delivery: i64, expires_at: Timestamp) -> String {
        self.0.first().map(|stamp| stamp.mint(delivery, expires_at)).unwrap_or_default()
    }

    /// The delivery, if this is a return token of ours.
    #[must_use]
    pub fn open(&self, token: &str, now: Timestamp) -> Option<Returned> {
        self.0.iter().find_map(|stamp| stamp.open(token, now))
    }
}

/// What somebody decides by a mail: about a message of its own that is held, or that an address is his.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is sent as it is.
    Confirm,
    /// It is not sent.
    Withdraw,
    /// The mail that named this token has arrived: the new address is his. In place of the delivery stands the
    /// correction.
    Correct,
}

/// Mints and opens decision tokens.
pub struct DecisionTokens(Vec<(Decision, Stamp)>);

impl DecisionTokens {
    pub(super) fn new(keys: Vec<&NamedKey>) -> Self {
        let all = |key: &NamedKey| {
            let stamp = |kind, purpose| Stamp::new(key, kind, b"anshin decision 1", purpose);
            [
                (Decision::Confirm, stamp(b'c', b"confirm".as_slice())),
                (Decision::Withdraw, stamp(b'w', b"withdraw")),
                (Decision::Correct, stamp(b'n', b"correct")),
            ]
        };
        Self(keys.into_iter().flat_map(all).collect())
    }

    /// The token that decides so about a delivery, good until the day of `expires_at` has passed.
    #[must_use]
    pub fn mint(&self, decision: Decision, delivery: i64, expires_at: Timestamp) -> String {
        let newest = self.0.iter().find(|(own, _)| *own == decision);
        newest.map(|(_, stamp)| stamp.mint(delivery, expires_at)).unwrap_or_default()
    }

    /// Decision and delivery, if this is a decision token of ours.
    #[must_use]
    pub fn open(&self, token: &str, now: Timestamp) -> Option<(Decision, Returned)> {
        self.0.iter().find_map(|(decision, stamp)| Some((*decision, stamp.open(token, now)?)))
    }
}

/// Tokens of one kind under one key: a delivery and a day, authenticated.
struct Stamp {
    kind: u8,
    name: u8,
    key: Hmac<Sha256>,
}

impl Stamp {
    fn new(key: &NamedKey, kind: u8, salt: &[u8], purpose: &[u8]) -> Self {
        let mut subkey = Zeroizing::new([0_u8; 64]);
        let _ = Hkdf::<Sha256>::new(Some(salt), key.bytes()).expand(purpose, &mut *subkey);
        Self { kind, name: key.name(), key: Hmac::new(&(*subkey).into()) }
    }

    fn mint(&self, delivery: i64, expires_at: Timestamp) -> String {
        let day = u16::try_from(expires_at.as_millis().div_euclid(DAY_MS)).unwrap_or(u16::MAX);
        let mut bytes = Vec::with_capacity(20);
        bytes.extend_from_slice(&delivery.to_be_bytes());
        bytes.extend_from_slice(&day.to_be_bytes());
        let mac = authenticate(&self.key, &bytes);
        bytes.extend_from_slice(&mac);
        spell(self.kind, self.name, &bytes)
    }

    fn open(&self, token: &str, now: Timestamp) -> Option<Returned> {
        let (name, body) = split(token, self.kind, 32)?;
        if name != self.name {
            return None;
        }
        let bytes = BASE32_NOPAD.decode(&body).ok()?;
        let (said, mac) = bytes.split_at_checked(10)?;
        if !bool::from(authenticate(&self.key, said).ct_eq(mac)) {
            return None;
        }
        let (id, day) = said.split_first_chunk::<8>()?;
        let day = i64::from(u16::from_be_bytes(day.try_into().ok()?));
        let expired = now.as_millis().div_euclid(DAY_MS) > day;
        Some(Returned { delivery: i64::from_be_bytes(*id), expired })
    }
}

pub(super) fn authenticate(key: &Hmac<Sha256>, bytes: &[u8]) -> [u8; 10] {
    let mut mac = key.clone();
    mac.update(bytes);
    let full = mac.finalize().into_bytes();
    let mut short = [0_u8; 10];
    for (to, from) in short.iter_mut().zip(full) {
        *to = from;
    }
    short
}

fn spell(kind: u8, name: u8, bytes: &[u8]) -> String {
    let mut token = String::with_capacity(TOKEN_MAX);
    token.push(char::from(kind));
    token.push(char::from(name));
    token.push_str(&BASE32_NOPAD.encode(bytes).to_ascii_lowercase());
    token
}

/// Key name and upper-case base32 of a token of this kind whose body is `length` characters long.
fn split(token: &str, kind: u8, length: usize) -> Option<(u8, Vec<u8>)> {
    let (head, body) = token.as_bytes().split_first_chunk::<2>()?;
    let [own, name] = head.map(|b| b.to_ascii_lowercase());
    (own == kind && body.len() == length).then(|| (name, body.to_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::super::purpose::Purpose;
    use super::super::ring::ring_for_tests;
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn aliases() -> AliasTokens {
        AliasTokens::new(ring_for_tests().keys(Purpose::Alias, NOW).unwrap())
    }

    fn returns() -> ReturnTokens {
        ReturnTokens::new(ring_for_tests().keys(Purpose::Alias, NOW).unwrap())
    }

    fn decisions() -> DecisionTokens {
        DecisionTokens::new(ring_for_tests().keys(Purpose::Alias, NOW).unwrap())
    }

    #[test]
    fn a_decision_token_opens_as_itself_alone() {
        let (now, later) = (Timestamp::from_millis(0), Timestamp::from_millis(2 * DAY_MS));
        for decision in [Decision::Confirm, Decision::Withdraw, Decision::Correct] {
            let token = decisions().mint(decision, 5, later);
            assert!(token.len() <= 40 && token.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
            let opened = Some((decision, Returned { delivery: 5, expired: false }));
            assert_eq!(decisions().open(&token, now), opened);
            assert_eq!(decisions().open(&token.to_ascii_uppercase(), now), opened);
            let day_after = later.after(std::time::Duration::from_secs(86_400));
            assert!(decisions().open(&token, day_after).is_some_and(|(_, said)| said.expired));
            assert_eq!(returns().open(&token, now), None);
            for kind in ["c", "w", "n", "r", "a"] {
                let other = format!("{kind}{}", &token[1..]);
                assert!(other == token || decisions().open(&other, now).is_none(), "{other}");
                assert_eq!(returns().open(&other, now), None, "{other}");
            }
        }
        let back = returns().mint(5, later);
        for kind in ["c", "w", "n"] {
            assert_eq!(decisions().open(&format!("{kind}{}", &back[1..]), now), None);
        }
    }

    #[test]
    fn a_token_opens_in_any_case_and_only_as_its_own_side() {
        let token = aliases().mint(Side::Customer, 4711);
        assert_eq!(token.len(), 28);
        assert!(token.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
        assert_eq!(aliases().open(&token), Some((Side::Customer, 4711)));
        assert_eq!(aliases().open(&token.to_ascii_uppercase()), Some((Side::Customer, 4711)));
        assert_eq!(aliases().open(&aliases().mint(Side::Merchant, 4711)), Some((Side::Merchant, 4711)));
    }

    #[test]
    fn neighbouring_ids_look_unrelated() {
        let (a, b) = (aliases().mint(Side::Customer, 1), aliases().mint(Side::Customer, 2));
        let same = a.bytes().zip(b.bytes()).skip(2).filter(|(x, y)| x == y).count();
        assert!(same < 12, "{a} {b}");
    }

    #[test]
    fn an_old_token_lives_after_its_key_was_rotated() {
        let ring = ring_for_tests();
        let old = AliasTokens::new(vec![ring.keys(Purpose::Alias, NOW).unwrap()[1]]);
        let token = old.mint(Side::Merchant, 9);
        assert_eq!(aliases().open(&token), Some((Side::Merchant, 9)));
        assert_eq!(aliases().mint_with(b'a', Side::Merchant, 9), Some(token.clone()));
        let only_new = AliasTokens::new(vec![ring.keys(Purpose::Alias, NOW).unwrap()[0]]);
        assert_eq!(only_new.open(&token), None);
    }

    #[test]
    fn every_altered_token_is_refused() {
        let alias = aliases().mint(Side::Customer, 77);
        let back = returns().mint(77, Timestamp::from_millis(0));
        let decision = decisions().mint(Decision::Confirm, 77, Timestamp::from_millis(0));
        for token in [alias, back, decision] {
            for i in 0..token.len() {
                for c in "abcdefghijklmnopqrstuvwxyz234567".chars() {
                    let mut altered = token.clone();
                    altered.replace_range(i..=i, &c.to_string());
                    if altered != token {
                        assert_eq!(aliases().open(&altered), None, "{altered}");
                        assert_eq!(returns().open(&altered, Timestamp::from_millis(0)), None, "{altered}");
                        assert_eq!(decisions().open(&altered, Timestamp::from_millis(0)), None, "{altered}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_return_token_expires_at_the_end_of_its_day() {
        let token = returns().mint(5, Timestamp::from_millis(3 * DAY_MS + 1));
        assert_eq!(token.len(), TOKEN_MAX);
        let at = |ms| returns().open(&token, Timestamp::from_millis(ms));
        assert_eq!(at(4 * DAY_MS - 1), Some(Returned { delivery: 5, expired: false }));
        assert_eq!(at(4 * DAY_MS), Some(Returned { delivery: 5, expired: true }));
    }

    proptest! {
        #[test]
        fn every_id_comes_back(id: i64) {
            prop_assert_eq!(aliases().open(&aliases().mint(Side::Merchant, id)), Some((Side::Merchant, id)));
            let token = returns().mint(id, Timestamp::from_millis(DAY_MS));
            prop_assert_eq!(returns().open(&token, Timestamp::from_millis(0)).map(|r| r.delivery), Some(id));
        }

        #[test]
        fn nothing_else_opens_and_nothing_panics(text in "\\PC{0,40}") {
            prop_assert_eq!(aliases().open(&text), None);
            prop_assert_eq!(returns().open(&text, Timestamp::from_millis(0)), None);
            prop_assert_eq!(decisions().open(&text, Timestamp::from_millis(0)), None);
        }
    }
}
