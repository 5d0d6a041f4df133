//! What keeps the secrets: the key ring, sealing at rest, data keys, keyed indexes, alias, return and decision
//! tokens, passwords. ARCHITECTURE.md has the constructions and their bounds.
//!
//! When it fails: [`VaultError`], which names files and keys, never what was sealed.

mod hops;
mod index;
mod password;
mod random;
mod ring;
mod scram;
mod seal;
mod token;

pub use hops::HopMarks;
pub use index::{Index, IndexKey, Indexed};
pub use password::{PasswordHash, Secret, SecretHash};
pub use random::random_bytes;
pub use ring::{KeyLine, KeyRing, Make, Purpose, RingError};
pub use scram::ScramSalts;
pub use seal::{DataKey, Place, SealKeys, Sealed, VaultError};
pub use token::{AliasTokens, Decision, DecisionTokens, ReturnTokens, Returned, Side, TOKEN_MAX};

/// All keys of a process, opened once at its start.
pub struct Vault {
    pub alias: AliasTokens,
    pub returns: ReturnTokens,
    pub decisions: DecisionTokens,
    pub hops: HopMarks,
    pub index: IndexKey,
    pub scram: ScramSalts,
    pub seal: SealKeys,
    /// Of every key, by its name.
    pub fingerprints: std::collections::BTreeMap<String, String>,
}

impl Vault {
    /// Derives what the floors use from the ring's keys.
    ///
    /// # Errors
    /// [`RingError::Missing`] when a purpose has no key.
    pub fn open(ring: &KeyRing) -> Result<Self, RingError> {
        Ok(Self {
            alias: AliasTokens::new(ring.keys(Purpose::Alias)?),
            returns: ReturnTokens::new(ring.keys(Purpose::Alias)?),
            decisions: DecisionTokens::new(ring.keys(Purpose::Alias)?),
            hops: HopMarks::new(ring.keys(Purpose::Alias)?),
            index: IndexKey::new(ring.keys(Purpose::Index)?),
            scram: ScramSalts::new(ring.keys(Purpose::Index)?),
            seal: SealKeys::new(ring.keys(Purpose::Seal)?),
            fingerprints: ring.fingerprints(),
        })
    }
}
