//! What keeps the secrets: the key ring, sealing at rest, data keys, keyed indexes, alias, return and decision
//! tokens, passwords. ARCHITECTURE.md has the constructions and their bounds, and which process holds which key.
//!
//! When it fails: [`VaultError`], which names files and keys, never what was sealed.

mod aead;
mod age;
mod answers;
mod cache;
mod class;
mod derived;
mod erasure_tree;
mod fact_proof;
mod file;
mod hops;
mod index;
mod keeper;
mod keyfile;
#[cfg(feature = "aws-kms")]
mod kms;
mod locked;
mod mac;
mod menu;
mod openssl;
mod pair;
mod password;
mod period;
mod pseudonym;
#[cfg(feature = "pkcs11")]
mod pkcs11;
mod purpose;
mod random;
mod ring;
mod scram;
mod seal;
mod tags;
mod token;
mod totp;
mod tree;
mod wrapping;

pub use aead::{Nonce, Plain, nonces};
pub use age::{AgeFault, Identity, Opener, RECIPIENTS_MAX, Recipient, Sealer};
pub use class::{Class, ClassKeys, Segment};
pub use fact_proof::FactProofs;
pub use file::{FileKey, FileKeys};
pub use hops::HopMarks;
pub use index::{Index, IndexKey, Indexed};
pub use keeper::Keeper;
#[cfg(feature = "aws-kms")]
pub use kms::{Kms, KmsSetup};
pub use menu::MenuKeys;
pub use openssl::keep_openssl;
pub use password::{PasswordHash, Secret, SecretHash};
pub use period::{Numbered, Period, quarter_begins, quarter_of};
#[cfg(feature = "pkcs11")]
pub use pkcs11::{Token, TokenSetup};
pub use pseudonym::Pseudonyms;
pub use purpose::{Purpose, Take};
pub use random::random_bytes;
pub use ring::{KeyLine, KeyRing, Make, RingError};
pub use scram::ScramSalts;
pub(crate) use seal::sealed_under;
pub use seal::{DataKey, Place, SealKeys, Sealed, VaultError, bare_under, boxed_head};
pub use tags::Tags;
pub use token::{AliasTokens, Decision, DecisionTokens, ReturnTokens, Returned, Side, TOKEN_MAX};
pub use totp::TotpSecret;
pub use tree::TreeSeed;
pub use wrapping::{Wrapping, WrappingFault};

use crate::mail::Timestamp;

/// All keys that a process holds, as they are at one time.
pub struct Vault {
    pub alias: AliasTokens,
    pub returns: ReturnTokens,
    pub decisions: DecisionTokens,
    pub hops: HopMarks,
    pub index: IndexKey,
    pub scram: ScramSalts,
    pub seal: SealKeys,
    pub body: ClassKeys,
    pub log: ClassKeys,
    /// What the menu opens.
    pub menu: MenuKeys,
    /// Seeds of the keys that sign the audit tree (Ed25519), the one that signs first; none in an old ring.
    pub tree: Vec<TreeSeed>,
    /// Of the database file.
    pub file: FileKeys,
    /// Of every key, by its name.
    pub fingerprints: std::collections::BTreeMap<String, String>,
    /// The names of those whose secret is here.
    pub secrets: std::collections::BTreeSet<String>,
    /// As versions before the public halves had them.
    pub old_fingerprints: std::collections::BTreeMap<String, String>,
    /// What tells the tree of erasure from another one, where it is here.
    pub erasure_tree: Option<String>,
    /// All of them, without the keys themselves.
    pub lines: Vec<KeyLine>,
    /// The name of the index key that numbers the operation, in a ring without a guard key.
    numbers: Option<char>,
    /// Whether all secrets lie on locked pages.
    pub is_locked: bool,
}

impl Vault {
    /// Derives what the floors use from the ring's keys.
    ///
    /// # Errors
    /// [`RingError::Missing`] when a purpose has no key.
    pub fn open(ring: &KeyRing) -> Result<Self, RingError> {
        Self::open_at(ring, Timestamp::now())
    }

    /// The same at a time, which says which keys seal.
    ///
    /// # Errors
    /// [`RingError::Missing`] when a purpose has no key.
    pub fn open_at(ring: &KeyRing, now: Timestamp) -> Result<Self, RingError> {
        let secrets = |purpose| ring.keys(purpose, now).unwrap_or_default();
        let class = |purpose| ClassKeys::new(purpose, &ring.publics(purpose, now), &secrets(purpose));
        let tree = ring.tree();
        let seal = SealKeys::new(&ring.publics(Purpose::Seal, now), &secrets(Purpose::Seal), tree.clone());
        let (body, log) = (class(Purpose::Body), class(Purpose::Log));
        let menu = MenuKeys::new(class(Purpose::Menu));
        let file = FileKeys::new(&secrets(Purpose::File));
        let is_locked = (ring.is_locked() && seal.is_locked() && body.is_locked())
            && (log.is_locked() && file.is_locked() && menu.class.is_locked());
        Ok(Self {
            alias: AliasTokens::new(ring.keys(Purpose::Alias, now)?),
            returns: ReturnTokens::new(ring.keys(Purpose::Alias, now)?),
            decisions: DecisionTokens::new(ring.keys(Purpose::Alias, now)?),
            hops: HopMarks::new(ring.keys(Purpose::Alias, now)?),
            index: IndexKey::new(ring.keys(Purpose::Index, now)?, ring.guard()?),
            scram: ScramSalts::new(ring.guard()?),
            seal,
            body,
            log,
            menu,
            tree: secrets(Purpose::Tree).into_iter().map(TreeSeed::new).collect(),
            file,
            fingerprints: ring.fingerprints(),
            secrets: ring.old_fingerprints().into_keys().collect(),
            old_fingerprints: ring.old_fingerprints(),
            erasure_tree: tree.map(|tree| tree.id().to_owned()),
            lines: ring.list(now),
            numbers: ring.numbering_index_key(),
            is_locked,
        })
    }

    /// The key of a purpose with which new things are sealed.
    #[must_use]
    pub fn sealing(&self, purpose: Purpose) -> Option<&KeyLine> {
        self.lines.iter().find(|line| line.purpose == purpose && line.seals)
    }

    /// Whether an index key numbers the operation too.
    #[must_use]
    pub fn numbers_with(&self, name: char) -> bool {
        self.numbers == Some(name)
    }

    /// The keys of a class.
    #[must_use]
    pub fn class(&self, class: Class) -> &ClassKeys {
        match class {
            Class::Body => &self.body,
            Class::Access => &self.menu.class,
            _ => &self.log,
        }
    }
}
