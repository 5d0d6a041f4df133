//! Sealing at rest: AES-256-GCM, each ciphertext bound to its table, row and column, under a data key that is
//! itself wrapped by the key ring.
//!
//! Layout of a sealed value: 1 octet version (1), 12 octets random nonce, ciphertext, 16 octets tag.
//! A wrapped data key has the letter of the ring key that wrapped it in front.
//! Bounds: random 96-bit nonces allow 2^32 seals per key (NIST SP 800-38D §8.3); a data key seals what belongs to
//! one conversation or store, and the ring's key only wraps data keys.
//! When it fails: [`VaultError`]; it says which place did not open, never what was in it.

use super::random_bytes;
use super::ring::NamedKey;
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const NONCE: usize = 12;
const TAG: usize = 16;

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
}

/// The keys that wrap data keys, newest first.
pub struct SealKeys(Vec<(u8, Aes256Gcm)>);

impl SealKeys {
    pub(super) fn new(keys: Vec<&NamedKey>) -> Self {
        Self(keys.into_iter().map(|key| (key.name(), Aes256Gcm::new(key.bytes().into()))).collect())
    }

    /// Makes a data key with this id, and its wrapped form for the database.
    #[must_use]
    pub fn new_data_key(&self, id: i64) -> (DataKey, Vec<u8>) {
        let bytes = Zeroizing::new(random_bytes::<32>());
        let mut wrapped = Vec::new();
        if let Some((name, cipher)) = self.0.first() {
            wrapped.push(*name);
            seal_into(
                cipher,
                &Place::new("data_key", "wrapped", id).associated_data(id),
                &*bytes,
                &mut wrapped,
            );
        }
        (DataKey::from_bytes(id, &bytes), wrapped)
    }

    /// Opens a wrapped data key.
    ///
    /// # Errors
    /// [`VaultError::UnknownKey`] when the ring lacks the key that wrapped it, [`VaultError::DoesNotOpen`] when it
    /// was altered or belongs to another id.
    pub fn unwrap_data_key(&self, id: i64, wrapped: &[u8]) -> Result<DataKey, VaultError> {
        let broken = VaultError::DoesNotOpen { table: "data_key", column: "wrapped" };
        let (name, rest) = wrapped.split_first().ok_or(broken)?;
        let (_, cipher) = self
            .0
            .iter()
            .find(|(own, _)| own == name)
            .ok_or(VaultError::UnknownKey { id, name: char::from(*name) })?;
        let aad = Place::new("data_key", "wrapped", id).associated_data(id);
        let plain = open_with(cipher, &aad, rest).ok_or(broken)?;
        let bytes = Zeroizing::new(<[u8; 32]>::try_from(plain.as_slice()).map_err(|_| broken)?);
        Ok(DataKey::from_bytes(id, &bytes))
    }
}

/// The key of one subject: a conversation, a store, or the installation.
pub struct DataKey {
    id: i64,
    cipher: Aes256Gcm,
    derive: Hkdf<Sha256>,
}

impl DataKey {
    fn from_bytes(id: i64, bytes: &[u8; 32]) -> Self {
        Self {
            id,
            cipher: Aes256Gcm::new(bytes.into()),
            derive: Hkdf::new(Some(b"anshin data key 1"), bytes),
        }
    }

    /// The row in `data_key`.
    #[must_use]
    pub fn id(&self) -> i64 {
        self.id
    }

    /// Seals `plain` for `place`.
    #[must_use]
    pub fn seal(&self, place: Place, plain: &[u8]) -> Sealed {
        let mut out = Vec::with_capacity(1 + NONCE + plain.len() + TAG);
        seal_into(&self.cipher, &place.associated_data(self.id), plain, &mut out);
        Sealed(out)
    }

    /// Opens what was sealed for `place`. The plain text is wiped when dropped.
    ///
    /// # Errors
    /// [`VaultError::DoesNotOpen`] when it was altered, moved, or sealed with another key.
    pub fn open(&self, place: Place, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        open_with(&self.cipher, &place.associated_data(self.id), &sealed.0)
            .ok_or(VaultError::DoesNotOpen { table: place.table, column: place.column })
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

fn seal_into(cipher: &Aes256Gcm, aad: &[u8], plain: &[u8], out: &mut Vec<u8>) {
    let nonce = random_bytes::<NONCE>();
    out.push(VERSION);
    out.extend_from_slice(&nonce);
    let start = out.len();
    out.extend_from_slice(plain);
    let Some(buffer) = out.get_mut(start..) else { return };
    match cipher.encrypt_inout_detached(&Nonce::from(nonce), aad, buffer.into()) {
        Ok(tag) => out.extend_from_slice(&tag),
        // AES-GCM fails only beyond 64 GiB, which no message of ours can be.
        Err(_) => std::process::abort(),
    }
}

fn open_with(cipher: &Aes256Gcm, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (head, rest) = sealed.split_first_chunk::<{ 1 + NONCE }>()?;
    let (version, nonce) = head.split_first_chunk::<1>()?;
    if *version != [VERSION] {
        return None;
    }
    let (body, tag) = rest.split_last_chunk::<TAG>()?;
    let mut plain = Zeroizing::new(body.to_vec());
    let nonce = Nonce::from(<[u8; NONCE]>::try_from(nonce).ok()?);
    cipher.decrypt_inout_detached(&nonce, aad, plain.as_mut_slice().into(), &(*tag).into()).ok()?;
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::super::ring::{Purpose, ring_for_tests};
    use super::*;

    #[test]
    fn a_value_opens_only_in_its_own_place() {
        let keys = SealKeys::new(ring_for_tests().keys(Purpose::Seal).unwrap());
        let (key, wrapped) = keys.new_data_key(7);
        let place = Place::new("delivery", "recipient", 42);
        let sealed = key.seal(place, "花子".as_bytes());
        assert_eq!(key.open(place, &sealed).unwrap().as_slice(), "花子".as_bytes());
        let again = keys.unwrap_data_key(7, &wrapped).unwrap();
        assert!(again.open(place, &sealed).is_ok());
        for elsewhere in [
            Place::new("delivery", "recipient", 43),
            Place::new("delivery", "status", 42),
            Place::new("message", "recipient", 42),
        ] {
            assert!(key.open(elsewhere, &sealed).is_err(), "{elsewhere:?}");
        }
        assert!(keys.unwrap_data_key(8, &wrapped).is_err());
        assert!(keys.new_data_key(7).0.open(place, &sealed).is_err());
    }

    #[test]
    fn no_altered_or_shortened_value_opens() {
        let keys = SealKeys::new(ring_for_tests().keys(Purpose::Seal).unwrap());
        let (key, _) = keys.new_data_key(1);
        let place = Place::new("t", "c", 1);
        let stored = key.seal(place, b"text").into_stored();
        for i in 0..stored.len() {
            let mut altered = stored.clone();
            altered[i] ^= 1;
            assert!(key.open(place, &Sealed::from_stored(altered)).is_err(), "octet {i}");
            assert!(key.open(place, &Sealed::from_stored(stored[..i].to_vec())).is_err(), "length {i}");
        }
    }

    #[test]
    fn the_newest_ring_key_wraps_and_an_older_one_still_opens() {
        let ring = ring_for_tests();
        let both = ring.keys(Purpose::Seal).unwrap();
        let (newest, oldest) = (both[0], both[1]);
        assert_eq!(SealKeys::new(vec![newest, oldest]).new_data_key(1).1.first(), Some(&b'b'));
        let (_, wrapped) = SealKeys::new(vec![oldest]).new_data_key(1);
        assert!(SealKeys::new(vec![newest, oldest]).unwrap_data_key(1, &wrapped).is_ok());
        assert_eq!(
            SealKeys::new(vec![newest]).unwrap_data_key(1, &wrapped).err(),
            Some(VaultError::UnknownKey { id: 1, name: 'a' })
        );
    }
}
