//! The keys of a running relay: whether ring and database belong together, data keys, and what is sealed in classes.
//!
//! Rules: what belongs to the texts of messages and to the log is sealed in its class, so that who seals it need not be able
//! to open it. A segment is made when something is first sealed on a day. A key that is not known makes the ring be read
//! again; the request that met it fails as a fault, and comes again.
//! When it fails: [`RelayFault`], which names keys and places, never what was sealed.

use super::{Relay, RelayFault};
use crate::mail::Timestamp;
use crate::store::{KeyRow, NewKey, NewSegment, RingKeyRow, Store};
use crate::vault::{
    Class, DataKey, KeyLine, Nonce, Place, Plain, Sealed, Segment, Vault, VaultError, nonces,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// Most segments that are kept open: some hundred days of some processes.
const OPENED_MAX: usize = 4096;
const DAY_MS: i64 = 86_400_000;
/// The word for the tree of erasure among the keys that a database was used with.
pub(super) const TREE: &str = "seal-tree";

/// The segments of a process.
#[derive(Default)]
pub(super) struct Segments {
    /// Those that seal: of each class the day's.
    sealing: Mutex<Vec<Arc<Segment>>>,
    /// Those that were opened.
    opened: Mutex<HashMap<i64, Arc<Segment>>>,
}

#[cfg(test)]
impl Segments {
    pub fn sealing(&self) -> Vec<Arc<Segment>> {
        self.sealing.lock().unwrap().clone()
    }
}

impl Relay {
    /// The keys, as they are now.
    pub(super) fn vault(&self) -> Arc<Vault> {
        self.inner.vault.load_full()
    }

    /// Takes the keys of a ring that has changed.
    ///
    /// # Errors
    /// [`RelayFault`] when they are not this database's; then the old ones stay.
    pub async fn renew(&self, vault: Vault) -> Result<(), RelayFault> {
        match_ring(self.store(), &vault).await?;
        self.inner.vault.store(Arc::new(vault));
        Ok(())
    }

    /// Whether this process may go on with the keys it has.
    ///
    /// # Errors
    /// [`RelayFault::RetiredKey`] when it seals with one that was retired meanwhile; others when the database does not answer.
    pub async fn may_seal(&self) -> Result<(), RelayFault> {
        none_retired(&self.store().ring_keys().await?, &self.vault())
    }

    /// Waits until something was met that takes a key that is not here.
    pub async fn missed_a_key(&self) {
        self.inner.missed_a_key.notified().await;
    }

    pub(super) fn miss_a_key(&self) {
        self.inner.missed_a_key.notify_one();
    }

    pub(super) fn new_data_key(&self, subject: &'static str) -> (Arc<DataKey>, NewKey) {
        let id = crate::store::random_id();
        let (key, wrapped) = self.vault().seal.new_data_key(id);
        (Arc::new(key), NewKey { id, subject, wrapped, menu: None })
    }

    /// A key for a store, which the menu opens too.
    pub(super) fn new_store_key(&self) -> (Arc<DataKey>, NewKey) {
        let id = crate::store::random_id();
        let (key, wrapped, menu) = self.vault().new_store_key(id);
        (Arc::new(key), NewKey { id, subject: "merchant", wrapped, menu })
    }

    /// Forgets erased data keys, and what was derived from them.
    pub(super) fn forget_keys(&self, data_keys: &[i64]) {
        let vault = self.vault();
        let sealing = self.inner.segments.sealing.lock().unwrap_or_else(PoisonError::into_inner);
        for id in data_keys {
            vault.seal.forget(*id);
            sealing.iter().for_each(|segment| segment.forget(*id));
        }
    }

    /// Whether a data key is destroyed: in the database, or in the tree of this key ring, as where the database is an old copy.
    pub(super) fn is_destroyed(&self, row: &KeyRow) -> bool {
        row.wrapped.is_empty() || self.vault().seal.is_erased(row.id)
    }

    pub(super) fn data_key(&self, row: &KeyRow) -> Result<Arc<DataKey>, VaultError> {
        let opened = self.vault().seal.unwrap_data_key(row.id, &row.wrapped);
        if matches!(opened, Err(VaultError::NotHeld { .. })) {
            self.miss_a_key();
        }
        opened
    }

    /// Seals for a place in the segment of the day.
    pub(super) fn seal_in(&self, class: Class, key: &DataKey, place: Place, plain: &[u8]) -> Sealed {
        let [nonce] = nonces();
        self.seal_in_with(nonce, class, Timestamp::now(), key, place, plain)
    }

    /// The same in the segment of the day of a time, with a nonce that was drawn with others.
    pub(super) fn seal_in_with(
        &self,
        nonce: Nonce,
        class: Class,
        at: Timestamp,
        key: &DataKey,
        place: Place,
        plain: &[u8],
    ) -> Sealed {
        key.seal_in(&self.sealing(class, at), nonce, place, plain)
    }

    fn sealing(&self, class: Class, now: Timestamp) -> Arc<Segment> {
        let day = now.as_millis().div_euclid(DAY_MS);
        let mut sealing = self.inner.segments.sealing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(segment) = sealing.iter().find(|segment| segment.class == class && segment.day == day) {
            return segment.clone();
        }
        let id = crate::store::random_id();
        let (segment, wrapped) = self.vault().class(class).new_segment(class, id, day);
        self.store().announce(NewSegment { id, class: class.as_str(), day, wrapped, at: now });
        let segment = Arc::new(segment);
        sealing.retain(|old| old.class != class);
        sealing.push(segment.clone());
        segment
    }

    /// Opens what was sealed in a class, or before there were classes.
    pub(super) async fn open_in(
        &self,
        key: &DataKey,
        place: Place,
        sealed: &Sealed,
    ) -> Result<Plain, RelayFault> {
        match sealed.segment() {
            Some(id) => Ok(key.open_in(&*self.opened(id).await?, place, sealed)?),
            None => Ok(key.open(place, sealed)?),
        }
    }

    async fn opened(&self, id: i64) -> Result<Arc<Segment>, RelayFault> {
        let known = |segments: &Mutex<HashMap<i64, Arc<Segment>>>| {
            segments.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
        };
        if let Some(segment) = known(&self.inner.segments.opened) {
            return Ok(segment);
        }
        if let Some(segment) = self.own_segment(id) {
            return Ok(segment);
        }
        let row = self.store().segment(id).await?.ok_or(VaultError::Destroyed { table: "segment", id })?;
        let class = Class::parse(&row.class).ok_or(RelayFault::Malformed("segment.class"))?;
        let opened = self.vault().class(class).open_segment(class, row.id, row.day, &row.wrapped);
        if matches!(opened, Err(VaultError::NotHeld { .. })) {
            self.miss_a_key();
        }
        let segment = Arc::new(opened?);
        let mut segments = self.inner.segments.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if segments.len() >= OPENED_MAX {
            segments.clear();
        }
        segments.insert(id, segment.clone());
        Ok(segment)
    }

    /// The segment that this process seals texts in, if it may open them: one that delivers what it took derives their keys once.
    fn own_segment(&self, id: i64) -> Option<Arc<Segment>> {
        let sealing = self.inner.segments.sealing.lock().unwrap_or_else(PoisonError::into_inner);
        let own = sealing.iter().find(|own| own.class == Class::Body && own.id == id)?;
        self.vault().class(own.class).open_it().then(|| own.clone())
    }

    /// Whether this process can open texts of messages.
    pub(super) fn opens_texts(&self) -> bool {
        self.vault().body.open_it()
    }

    /// Seals for a place of the installation, where its own key may not be at hand.
    pub(super) fn seal_for_installation(&self, place: Place, plain: &[u8]) -> Sealed {
        let vault = self.vault();
        if vault.seal.open_it() {
            self.inner.installation.seal(place, plain)
        } else {
            vault.seal.seal_boxed(place, plain)
        }
    }

    /// Opens what was sealed for a place of the installation.
    pub(super) fn open_for_installation(&self, place: Place, sealed: &Sealed) -> Result<Plain, VaultError> {
        if sealed.is_boxed() {
            return self.vault().seal.open_boxed(place, sealed);
        }
        self.inner.installation.open(place, sealed)
    }
}

/// Holds the ring against the keys that this database has been used with, and remembers new ones.
pub(super) async fn match_ring(store: &Store, vault: &Vault) -> Result<(), RelayFault> {
    let known = store.ring_keys().await?;
    for row in known.iter().filter(|row| row.retired_at.is_none()) {
        let name = format!("{}-{}", row.purpose, row.name);
        match vault.fingerprints.get(&name) {
            Some(own) if *own == row.fingerprint => {}
            Some(_) => return Err(RelayFault::OtherKey(name)),
            None => {}
        }
        // Of a purpose whose secrets it holds a process needs all; of others it has what it seals with.
        if vault.secrets.iter().any(|own| own.starts_with(&format!("{}-", row.purpose)))
            && !vault.secrets.contains(&name)
        {
            return Err(RelayFault::MissingKey(name));
        }
    }
    // The tree of erasure is one for ever: another one opens nothing.
    match (known.iter().find(|row| row.purpose == TREE), &vault.erasure_tree) {
        (Some(row), Some(own)) if row.fingerprint != *own => return Err(RelayFault::OtherTree),
        (Some(_), None) if vault.seal.open_it() => return Err(RelayFault::OtherTree),
        (None, Some(own)) => store.note_ring_key(TREE, "a", own, Timestamp::now()).await?,
        _ => {}
    }
    none_retired(&known, vault)?;
    for (stem, fingerprint) in &vault.fingerprints {
        let (purpose, name) = stem.split_once('-').unwrap_or_default();
        let is_known = |row: &&RingKeyRow| row.purpose == purpose && row.name == name;
        if known.iter().find(is_known).is_none_or(|row| row.fingerprint != *fingerprint) {
            store.note_ring_key(purpose, name, fingerprint, Timestamp::now()).await?;
        }
    }
    Ok(())
}

/// Refuses a ring that seals with a key that was retired.
fn none_retired(known: &[RingKeyRow], vault: &Vault) -> Result<(), RelayFault> {
    for row in known.iter().filter(|row| row.retired_at.is_some()) {
        // One of the same name that was made since is another key.
        let is_it = |line: &KeyLine| {
            line.seals
                && line.purpose.as_str() == row.purpose
                && line.name.to_string() == row.name
                && line.fingerprint == row.fingerprint
        };
        if vault.lines.iter().any(is_it) {
            return Err(RelayFault::RetiredKey(format!("{}-{}", row.purpose, row.name)));
        }
    }
    Ok(())
}

/// Holds the ring against what a version before this one remembered, if it did.
pub(super) fn match_probe(probe: &[u8], own: &BTreeMap<String, String>) -> Result<(), RelayFault> {
    let malformed = |_| RelayFault::Malformed("installation.probe");
    let known: BTreeMap<String, String> = serde_json::from_slice(probe).map_err(malformed)?;
    for (name, fingerprint) in known {
        match own.get(&name) {
            Some(own) if *own == fingerprint => {}
            Some(_) => return Err(RelayFault::OtherKey(name)),
            None => return Err(RelayFault::MissingKey(name)),
        }
    }
    Ok(())
}
