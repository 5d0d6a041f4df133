//! Pseudonyms for others: keyed, so that nobody without the key can make one from a guess, and those of two keys have nothing in common.
//!
//! The first 80 bits of HMAC-SHA-256 (RFC 2104; truncation §5) under a subkey of a data key, in base32: who destroys the data key
//! destroys the way from a name to its pseudonym. Two values of a kind have the same one with a probability of 2^-80.

use super::seal::DataKey;
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Octets of a pseudonym.
const LENGTH: usize = 10;

/// Makes pseudonyms under one key.
pub struct Pseudonyms(Hmac<Sha256>);

impl Pseudonyms {
    /// Of a data key that was made for them.
    #[must_use]
    pub fn of(key: &DataKey) -> Self {
        // HMAC fills a key that is shorter than its block with zeros (RFC 2104 §2).
        let mut block = Zeroizing::new([0_u8; 64]);
        for (to, from) in block.iter_mut().zip(key.subkey("pseudonyms").iter()) {
            *to = *from;
        }
        Self(Hmac::new(&(*block).into()))
    }

    /// The pseudonym of what these numbers stand for, within its kind: 16 letters and digits.
    #[must_use]
    pub fn name(&self, kind: &str, numbers: &[i64]) -> String {
        let mut mac = self.0.clone().chain_update((kind.len() as u64).to_be_bytes()).chain_update(kind);
        for number in numbers {
            mac.update(&number.to_be_bytes());
        }
        let full = mac.finalize().into_bytes();
        BASE32_NOPAD.encode(full.get(..LENGTH).unwrap_or_default()).to_lowercase()
    }

    /// A value by which two keys can be told apart and that says nothing of either.
    #[must_use]
    pub fn check(&self) -> String {
        let full = self.0.clone().chain_update(b"check").finalize().into_bytes();
        HEXLOWER.encode(full.get(..4).unwrap_or_default())
    }
}
