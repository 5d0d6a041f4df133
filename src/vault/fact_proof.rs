//! Proofs of facts: 63 bits of HMAC-SHA-256 (RFC 2104; truncation §5) of all that a fact says, under a subkey of the `guard` key, which every
//! process has and the database has not. Whoever changes a fact there guesses the proof of another one with a probability of 2^-63.
//!
//! When it fails: never.

use super::index::IndexKey;
use super::locked::Locked;
use super::mac::MacKey;
use zeroize::Zeroizing;

/// What makes the proofs of facts.
pub struct FactProofs(Locked<MacKey>);

impl IndexKey {
    /// What makes the proofs of facts. It never changes, as the `guard` key does not.
    #[must_use]
    pub fn fact_proofs(&self) -> FactProofs {
        let mut block = Zeroizing::new([0_u8; 64]);
        block.iter_mut().zip(self.guard_key(b"fact", &[]).iter()).for_each(|(to, from)| *to = *from);
        FactProofs(Locked::new(MacKey::new(&block)))
    }
}

impl FactProofs {
    /// The proof of a fact in its one form.
    #[must_use]
    pub fn of(&self, form: &[u8]) -> i64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0.begin().chain_update(form).finalize();
        i64::from_be_bytes([a, b, c, d, e, f, g, h]) & i64::MAX
    }
}
