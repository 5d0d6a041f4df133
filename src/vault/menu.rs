//! The keys of stores once more, for the menu: boxed to the public half of the ring's `menu` key beside what the `seal` key wrapped. So
//! the process that serves the menu opens what stores have, and nothing of a customer, whose keys are wrapped with `seal` alone.
//!
//! Layout of a boxed key: the letter of the `menu` key, and what HPKE made (`pair.rs`), bound to the data key's id.
//! When it fails: [`VaultError`]. A ring without a `menu` key boxes nothing, and the menu is not served.

use super::cache::Cache;
use super::class::ClassKeys;
use super::seal::{DataKey, VaultError};
use super::{Vault, random_bytes};
use std::sync::Arc;
use zeroize::Zeroizing;

const INFO: &[u8] = b"anshin menu 1";

/// The ring's keys for the menu.
pub struct MenuKeys {
    /// Of the access log.
    pub class: ClassKeys,
    opened: Cache<DataKey>,
}

impl MenuKeys {
    pub(super) fn new(class: ClassKeys) -> Self {
        Self { class, opened: Cache::default() }
    }

    /// Opens the key of a store.
    ///
    /// # Errors
    /// [`VaultError::NotHeld`] when this process has not the key, [`VaultError::DoesNotOpen`] when it was altered.
    pub fn open_store_key(&self, id: i64, boxed: &[u8]) -> Result<Arc<DataKey>, VaultError> {
        if let Some(known) = self.opened.find(id, boxed) {
            return Ok(known);
        }
        let key = Arc::new(DataKey::from_bytes(id, &*self.unbox(id, boxed)?));
        self.opened.keep(id, boxed, &key);
        Ok(key)
    }

    /// Whether the ring has a half of the key that a store's key is boxed to. A ring that has lost both can never open it.
    #[must_use]
    pub fn has_key_of(&self, boxed: &[u8]) -> bool {
        boxed.first().is_some_and(|letter| self.class.knows(*letter))
    }

    fn unbox(&self, id: i64, boxed: &[u8]) -> Result<Zeroizing<[u8; 32]>, VaultError> {
        if boxed.is_empty() {
            return Err(VaultError::Destroyed { table: "data_key", id });
        }
        let broken = VaultError::DoesNotOpen { table: "data_key", column: "menu_wrapped" };
        self.class.unboxed(INFO, &id.to_be_bytes(), boxed)?.ok_or(broken)
    }

    /// Boxes a key anew to the key that seals; `None` if it is so already, or destroyed.
    ///
    /// # Errors
    /// [`VaultError`] when it does not open.
    pub fn rewrap(&self, id: i64, boxed: &[u8]) -> Result<Option<Vec<u8>>, VaultError> {
        if boxed.is_empty() || boxed.first().copied() == self.class.sealing() {
            return Ok(None);
        }
        Ok(self.class.boxed(INFO, &id.to_be_bytes(), &*self.unbox(id, boxed)?))
    }
}

impl Vault {
    /// A new key for a store: itself, wrapped, and boxed for the menu where the ring has a key for that.
    #[must_use]
    pub fn new_store_key(&self, id: i64) -> (DataKey, Vec<u8>, Option<Vec<u8>>) {
        let bytes = Zeroizing::new(random_bytes::<32>());
        let boxed = self.menu.class.boxed(INFO, &id.to_be_bytes(), &bytes);
        (DataKey::from_bytes(id, &bytes), self.seal.wrap(id, &bytes), boxed)
    }

    /// The key of a store of an older version, boxed for the menu. `None`: the ring has no key for that.
    ///
    /// # Errors
    /// [`VaultError`] when this process can't open it.
    pub fn box_store_key(&self, id: i64, wrapped: &[u8]) -> Result<Option<Vec<u8>>, VaultError> {
        Ok(self.menu.class.boxed(INFO, &id.to_be_bytes(), &*self.seal.unwrap(id, wrapped)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::ring::ring_for_tests;
    use super::super::{Place, Purpose, Take};
    use super::*;
    use crate::mail::Timestamp;

    #[test]
    fn the_menu_opens_what_stores_have_and_only_under_their_own_id() {
        let vault = Vault::open_at(&ring_for_tests(), Timestamp::from_millis(1_000)).unwrap();
        let (key, wrapped, boxed) = vault.new_store_key(7);
        let (boxed, place) = (boxed.unwrap(), Place::new("merchant", "profile", 7));
        let sealed = key.seal(place, b"a store");
        let opened = vault.menu.open_store_key(7, &boxed).unwrap();
        assert_eq!(opened.open(place, &sealed).unwrap().as_slice(), b"a store");
        assert!(vault.menu.open_store_key(8, &boxed).is_err());
        assert!(vault.menu.open_store_key(7, &wrapped).is_err());
        assert!(vault.menu.open_store_key(7, &[]).is_err());
        // What an older version wrapped is boxed by who can open it.
        let (_, wrapped) = vault.seal.new_data_key(9);
        let boxed = vault.box_store_key(9, &wrapped).unwrap().unwrap();
        assert!(vault.menu.open_store_key(9, &boxed).is_ok());
        assert_eq!(vault.menu.rewrap(9, &boxed).unwrap(), None);
        assert!(vault.menu.has_key_of(&boxed));
        let of_a_lost_key = [b"#", boxed.get(1..).unwrap()].concat();
        assert!(!vault.menu.has_key_of(&of_a_lost_key) && !vault.menu.has_key_of(&[]));
        assert!(!Take::Found.needs(Purpose::Menu));
    }
}
