//! Sealing at rest: AES-256-GCM, each ciphertext bound to its table, row and column, under a data key that is
//! itself wrapped by the key ring.
//!
//! Layout of a sealed value: 1 octet version, then by version: 1: 12 octets random nonce, ciphertext, 16 octets tag; 2: as
//! `class.rs` has it; 3: the letter of a `seal` key and what is sealed to its public half (`pair.rs`).
//! A wrapped data key has the letter of the ring key that wrapped it in front of such a value, of version 1, or of version 3
//! where it was made by a process that holds the public half alone.
//! Bounds: random 96-bit nonces allow 2^32 seals per key (NIST SP 800-38D §8.3); a data key seals what belongs to
//! one conversation or store, and the ring's key only wraps data keys.
//! Where the ring has a tree of erasure (`erasure_tree.rs`), version 4 wraps a data key under HKDF of the seal key and the data key's
//! leaf: once the leaf is taken out nothing opens it, not even in a copy of the database.
//! When it fails: [`VaultError`]; it says which place did not open, never what was in it.

use super::aead::{Cipher, NONCE, Nonce, Plain, TAG, decrypt, encrypt_into, nonce};
use super::cache::Cache;
use super::class::Segment;
use super::erasure_tree::Tree;
use super::locked::Locked;
use super::pair::{Private, Public};
use super::random_bytes;
use super::ring::NamedKey;
use hkdf::Hkdf;
use sha2::Sha256;
use std::sync::{Arc, OnceLock};
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const OF_A_CLASS: u8 = 2;
const BOXED: u8 = 3;
const UNDER_THE_TREE: u8 = 4;
const SEGMENT: usize = 8;
const INFO: &[u8] = b"anshin seal 3";

/// Where a sealed value lies. A value moved to another place does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub table: &'static str,
    pub column: &'static str,
    pub row: i64,
}

impl Place {
    /// `table.column` of the row with this id.
    #[must_use]
    pub const fn new(table: &'static str, column: &'static str, row: i64) -> Self {
        Self { table, column, row }
    }

    fn associated_data(self, data_key_id: i64) -> Vec<u8> {
        let mut data = Vec::with_capacity(64);
        data.extend_from_slice(b"anshin seal 1\0");
        data.extend_from_slice(self.table.as_bytes());
        data.push(0);
        data.extend_from_slice(self.column.as_bytes());
        data.push(0);
        data.extend_from_slice(&self.row.to_be_bytes());
        data.extend_from_slice(&data_key_id.to_be_bytes());
        data
    }
}

/// A sealed value: the only form in which text reaches the database.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// What the database gave back.
    #[must_use]
    pub fn from_stored(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// What the database gets.
    #[must_use]
    pub fn into_stored(self) -> Vec<u8> {
        self.0
    }

    /// The octets at rest, for binding them to a statement.
    #[must_use]
    pub fn stored(&self) -> &[u8] {
        &self.0
    }

    /// Its size at rest, in octets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing at all, not even a tag: never a valid sealed value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The segment whose key it takes, for a value of a class.
    #[must_use]
    pub fn segment(&self) -> Option<i64> {
        let (version, rest) = self.0.split_first()?;
        rest.first_chunk().filter(|_| *version == OF_A_CLASS).map(|id| i64::from_be_bytes(*id))
    }

    /// Whether it is sealed to a public half.
    #[must_use]
    pub fn is_boxed(&self) -> bool {
        self.0.first() == Some(&BOXED)
    }
}

/// Why a sealed value does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    #[error(
        "a value in {table}.{column} does not open: it was altered or moved, or belongs to another key ring"
    )]
    DoesNotOpen { table: &'static str, column: &'static str },
    #[error(
        "data key {id} is wrapped with key {name:?}, which is not in the key ring: restore that key file"
    )]
    UnknownKey { id: i64, name: char },
    #[error(
        "it takes the {purpose} key {name:?}, which this process does not hold: do it where {purpose}-{name}.key is"
    )]
    NotHeld { purpose: &'static str, name: char },
    #[error("the key of {table} {id} was destroyed, and what was sealed with it")]
    Destroyed { table: &'static str, id: i64 },
}

struct SealKey {
    name: u8,
    bytes: Zeroizing<[u8; 32]>,
    private: Private,
    /// Of which the leaf of a data key makes the key that wraps it.
    derive: Hkdf<Sha256>,
}

impl SealKey {
    fn with(&self, leaf: &[u8; 32]) -> Cipher {
        let mut key = Zeroizing::new([0_u8; 32]);
        // 32 octets are far below HKDF's limit of 255 blocks, the only way in which expand can fail.
        if self.derive.expand(leaf, &mut *key).is_err() {
            std::process::abort();
        }
        Cipher::new(&key)
    }

    /// Without a leaf.
    fn alone(&self) -> Cipher {
        Cipher::new(&self.bytes)
    }
}

/// The keys that wrap data keys.
pub struct SealKeys {
    /// Public halves, the one that seals first.
    publics: Vec<(u8, Public)>,
    secrets: Vec<Locked<SealKey>>,
    tree: Option<Arc<Tree>>,
    opened: Cache<DataKey>,
    /// What is opened where there is nothing to open.
    nothing: OnceLock<Sealed>,
}

impl SealKeys {
    pub(super) fn new(publics: &[&NamedKey], secrets: &[&NamedKey], tree: Option<Arc<Tree>>) -> Self {
        let publics = publics.iter().filter_map(|key| Some((key.name(), Public::new(key.public()?)?)));
        let secret = |key: &&NamedKey| {
            Locked::new(SealKey {
                name: key.name(),
                bytes: Zeroizing::new(*key.bytes()),
                private: Private::new(key.bytes()),
                derive: Hkdf::new(Some(b"anshin seal tree 1"), key.bytes()),
            })
        };
        let secrets = secrets.iter().map(secret).collect();
        let (opened, nothing) = (Cache::default(), OnceLock::new());
        Self { publics: publics.collect(), secrets, tree, opened, nothing }
    }

    /// Whether this process can open data keys, or only make new ones.
    #[must_use]
    pub fn open_it(&self) -> bool {
        !self.secrets.is_empty()
    }

    pub(super) fn is_locked(&self) -> bool {
        self.secrets.iter().all(Locked::is_locked)
    }

    /// Makes a data key with this id, and its wrapped form for the database.
    #[must_use]
    pub fn new_data_key(&self, id: i64) -> (DataKey, Vec<u8>) {
        let bytes = Zeroizing::new(random_bytes::<32>());
        (DataKey::from_bytes(id, &bytes), self.wrap(id, &bytes))
    }

    pub(super) fn wrap(&self, id: i64, bytes: &[u8; 32]) -> Vec<u8> {
        let Some((sealing, _)) = self.publics.first() else { std::process::abort() };
        let mut wrapped = vec![*sealing];
        let leaf = self.tree.as_ref().and_then(|tree| tree.leaf(id));
        match (self.secrets.iter().find(|key| key.name == *sealing), leaf) {
            (Some(key), Some(leaf)) => {
                wrapped.push(UNDER_THE_TREE);
                let aad = wrapped_place(id).associated_data(id);
                encrypt_into(&key.with(&leaf), nonce(), &aad, bytes, &mut wrapped);
            }
            (Some(key), None) => {
                seal_into(&key.alone(), nonce(), &wrapped_place(id).associated_data(id), bytes, &mut wrapped)
            }
            (None, _) => wrapped.extend(self.boxed(&wrapped_place(id).associated_data(id), bytes)),
        }
        wrapped
    }

    pub(super) fn unwrap(&self, id: i64, wrapped: &[u8]) -> Result<Zeroizing<[u8; 32]>, VaultError> {
        let broken = VaultError::DoesNotOpen { table: "data_key", column: "wrapped" };
        let (name, rest) = wrapped.split_first().ok_or(VaultError::Destroyed { table: "data_key", id })?;
        let aad = wrapped_place(id).associated_data(id);
        let plain = if rest.first() == Some(&BOXED) {
            self.open_box(&aad, rest).map_err(|error| error.unwrap_or(broken))?
        } else if let Some((&UNDER_THE_TREE, rest)) = rest.split_first() {
            let lacks = VaultError::NotHeld { purpose: "seal", name: '-' };
            let tree = self.tree.as_ref().ok_or(lacks)?;
            let leaf = tree.leaf(id).ok_or(VaultError::Destroyed { table: "data_key", id })?;
            decrypt(&self.secret(*name)?.with(&leaf), &aad, rest).ok_or(broken)?
        } else {
            let key = self.secret(*name)?;
            open_with(&key.alone(), &aad, rest).ok_or(broken)?
        };
        <[u8; 32]>::try_from(plain.as_slice()).map(Zeroizing::new).map_err(|_| broken)
    }

    fn secret(&self, name: u8) -> Result<&SealKey, VaultError> {
        let own = self.secrets.iter().find(|key| key.name == name);
        own.map(|key| &**key).ok_or(VaultError::NotHeld { purpose: "seal", name: char::from(name) })
    }

    /// Opens a wrapped data key. What was opened is remembered by its wrapped form, so a key whose wrapped form is gone
    /// from the database opens no more.
    ///
    /// # Errors
    /// [`VaultError::NotHeld`] when this process lacks the key that wrapped it, [`VaultError::DoesNotOpen`] when it
    /// was altered or belongs to another id, [`VaultError::Destroyed`] when it is no longer there.
    pub fn unwrap_data_key(&self, id: i64, wrapped: &[u8]) -> Result<Arc<DataKey>, VaultError> {
        if let Some(known) = self.opened.find(id, wrapped) {
            return Ok(known);
        }
        let key = Arc::new(DataKey::from_bytes(id, &*self.unwrap(id, wrapped)?));
        self.opened.keep(id, wrapped, &key);
        Ok(key)
    }

    /// Forgets an erased data key that was opened.
    pub fn forget(&self, id: i64) {
        self.opened.forget(id);
    }

    /// Wraps a data key anew under the key that seals; `None` if it is so already, or destroyed.
    ///
    /// # Errors
    /// [`VaultError`] when it does not open.
    pub fn rewrap(&self, id: i64, wrapped: &[u8]) -> Result<Option<Vec<u8>>, VaultError> {
        let sealing = self.publics.first().map(|(name, _)| name);
        let best = if self.tree.is_some() { UNDER_THE_TREE } else { VERSION };
        match wrapped {
            [] => Ok(None),
            [name, version, ..] if Some(name) == sealing && *version == best => Ok(None),
            // Erased, and come back with an old copy of the database.
            _ if self.is_erased(id) => Ok(Some(Vec::new())),
            _ => Ok(Some(self.wrap(id, &*self.unwrap(id, wrapped)?))),
        }
    }

    /// Whether the leaf of a data key was taken out of the tree.
    #[must_use]
    pub fn is_erased(&self, id: i64) -> bool {
        self.tree.as_ref().is_some_and(|tree| tree.leaf(id).is_none())
    }

    /// Seals for a place of the installation to the public half, where its data key is not at hand.
    #[must_use]
    pub fn seal_boxed(&self, place: Place, plain: &[u8]) -> Sealed {
        Sealed(self.boxed(&place.associated_data(0), plain))
    }

    /// Opens what [`SealKeys::seal_boxed`] sealed.
    ///
    /// # Errors
    /// [`VaultError`] as for a data key.
    pub fn open_boxed(&self, place: Place, sealed: &Sealed) -> Result<Plain, VaultError> {
        let broken = VaultError::DoesNotOpen { table: place.table, column: place.column };
        self.open_box(&place.associated_data(0), &sealed.0).map_err(|error| error.unwrap_or(broken))
    }

    /// Does the work of [`SealKeys::open_boxed`], where how long it takes must not tell whether there was something to open.
    pub fn open_nothing(&self) {
        const NOTHING: Place = Place::new("nothing", "nothing", 0);
        let sealed = self.nothing.get_or_init(|| self.seal_boxed(NOTHING, &[0; 64]));
        let _ = self.open_boxed(NOTHING, sealed);
    }

    fn boxed(&self, aad: &[u8], plain: &[u8]) -> Vec<u8> {
        let boxed = self.publics.first().and_then(|(name, public)| {
            let mut boxed = vec![BOXED, *name];
            boxed.extend(public.seal(INFO, aad, plain)?);
            Some(boxed)
        });
        // A ring without a public half does not open, and one to which nothing can be sealed is refused when it is read.
        let Some(boxed) = boxed else { std::process::abort() };
        boxed
    }

    fn open_box(&self, aad: &[u8], sealed: &[u8]) -> Result<Plain, Option<VaultError>> {
        let [BOXED, name, boxed @ ..] = sealed else { return Err(None) };
        self.secret(*name)?.private.open(INFO, aad, boxed).map(Plain::from).ok_or(None)
    }
}

/// The seal key that wrapped a data key without the tree of erasure; empty where the tree did.
#[must_use]
pub fn bare_under(wrapped: &[u8]) -> String {
    match wrapped {
        [] | [_, UNDER_THE_TREE, ..] => String::new(),
        [name, ..] => char::from(*name).to_string(),
    }
}

/// The seal key that wrapped a data key, with or without the tree; `?` where the key is destroyed already.
pub(crate) fn sealed_under(wrapped: &[u8]) -> String {
    wrapped.first().map_or_else(|| "?".to_owned(), |name| char::from(*name).to_string())
}

/// How a value begins that is sealed to the public half of a key of this name.
#[must_use]
pub fn boxed_head(name: u8) -> Vec<u8> {
    vec![BOXED, name]
}

const fn wrapped_place(id: i64) -> Place {
    Place::new("data_key", "wrapped", id)
}

/// The key of one subject: a conversation, a store, or the installation.
pub struct DataKey {
    id: i64,
    cipher: Cipher,
    derive: Hkdf<Sha256>,
    /// What it gives to the key of a class.
    part: Zeroizing<[u8; 32]>,
}

impl DataKey {
    pub(super) fn from_bytes(id: i64, bytes: &[u8; 32]) -> Self {
        let derive = Hkdf::new(Some(b"anshin data key 1"), bytes);
        let mut key = Self { id, cipher: Cipher::new(bytes), derive, part: Zeroizing::new([0; 32]) };
        key.part = key.subkey("class");
        key
    }

    /// The row in `data_key`.
    #[must_use]
    pub fn id(&self) -> i64 {
        self.id
    }

    /// Seals `plain` for `place`.
    #[must_use]
    pub fn seal(&self, place: Place, plain: &[u8]) -> Sealed {
        self.seal_with(nonce(), place, plain)
    }

    /// The same with a nonce that was drawn with others.
    #[must_use]
    pub fn seal_with(&self, nonce: Nonce, place: Place, plain: &[u8]) -> Sealed {
        let mut out = Vec::with_capacity(1 + NONCE + plain.len() + TAG);
        seal_into(&self.cipher, nonce, &place.associated_data(self.id), plain, &mut out);
        Sealed(out)
    }

    /// Opens what was sealed for `place`. The plain text is wiped when dropped.
    ///
    /// # Errors
    /// [`VaultError::DoesNotOpen`] when it was altered, moved, or sealed with another key.
    pub fn open(&self, place: Place, sealed: &Sealed) -> Result<Plain, VaultError> {
        open_with(&self.cipher, &place.associated_data(self.id), &sealed.0)
            .ok_or(VaultError::DoesNotOpen { table: place.table, column: place.column })
    }

    /// Seals `plain` for `place`, so that it takes this key and the segment's to open it.
    #[must_use]
    pub fn seal_in(&self, segment: &Segment, nonce: Nonce, place: Place, plain: &[u8]) -> Sealed {
        let mut out = Vec::with_capacity(1 + SEGMENT + NONCE + plain.len() + TAG);
        out.push(OF_A_CLASS);
        out.extend_from_slice(&segment.id.to_be_bytes());
        encrypt_into(&self.cipher_of(segment), nonce, &self.class_data(segment, place), plain, &mut out);
        Sealed(out)
    }

    /// Opens what was sealed for `place` in this segment.
    ///
    /// # Errors
    /// [`VaultError::DoesNotOpen`] when it was altered, moved, or sealed with another key.
    pub fn open_in(&self, segment: &Segment, place: Place, sealed: &Sealed) -> Result<Plain, VaultError> {
        let broken = VaultError::DoesNotOpen { table: place.table, column: place.column };
        let own = sealed.segment().filter(|id| *id == segment.id);
        let rest = own.and_then(|_| sealed.0.get(1 + SEGMENT..)).ok_or(broken)?;
        decrypt(&self.cipher_of(segment), &self.class_data(segment, place), rest).ok_or(broken)
    }

    fn cipher_of(&self, segment: &Segment) -> Arc<Cipher> {
        segment.cipher_for(self.id, &self.part)
    }

    fn class_data(&self, segment: &Segment, place: Place) -> Vec<u8> {
        let mut data = place.associated_data(self.id);
        data.extend_from_slice(segment.class.as_str().as_bytes());
        data.extend_from_slice(&segment.id.to_be_bytes());
        data
    }

    /// A subkey for a keyed function that lives and dies with this data key.
    #[must_use]
    pub fn subkey(&self, purpose: &'static str) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0_u8; 32]);
        // 32 octets are far below HKDF's limit of 255 blocks, the only way in which expand can fail.
        if self.derive.expand(purpose.as_bytes(), &mut *key).is_err() {
            std::process::abort();
        }
        key
    }
}

fn seal_into(cipher: &Cipher, nonce: Nonce, aad: &[u8], plain: &[u8], out: &mut Vec<u8>) {
    out.push(VERSION);
    encrypt_into(cipher, nonce, aad, plain, out);
}

fn open_with(cipher: &Cipher, aad: &[u8], sealed: &[u8]) -> Option<Plain> {
    let (version, rest) = sealed.split_first()?;
    if *version == VERSION { decrypt(cipher, aad, rest) } else { None }
}

#[cfg(test)]
mod tests;
