//! Ciphers of a segment that a process seals in, for subjects that it lately sealed something for, so that the second record of a
//! message, and its text when it is delivered, do not pay again for the derivation.
//!
//! Rules: an entry is found by its data key's id and that key's part together, which only an opened data key has: where the data key
//! opens no more, nothing is found. Of an erased one it is forgotten, in every process at its next look at what was erased. A place for each of [`PLACES`]
//! remainders of ids, the newer one wins, and the older is wiped; so a segment remembers 350 KB at most.
//! When it fails: never; at worst it finds nothing.

use super::aead::Cipher;
use std::sync::{Arc, Mutex, PoisonError};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A power of two. Mails are delivered within a second, mostly: some hundreds are under way at once.
const PLACES: u64 = 512;

struct Entry {
    id: i64,
    part: Zeroizing<[u8; 32]>,
    cipher: Arc<Cipher>,
}

#[derive(Default)]
pub(super) struct Derived(Mutex<Vec<Option<Entry>>>);

impl Derived {
    pub fn find_or(&self, id: i64, part: &[u8; 32], derive: impl FnOnce() -> Cipher) -> Arc<Cipher> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.is_empty() {
            places.extend((0..PLACES).map(|_| None));
        }
        let place = places.get_mut(place_of(id));
        if let Some(Some(own)) = place.as_deref()
            && own.id == id
            && bool::from(own.part.ct_eq(part))
        {
            return own.cipher.clone();
        }
        let cipher = Arc::new(derive());
        if let Some(place) = place {
            *place = Some(Entry { id, part: Zeroizing::new(*part), cipher: cipher.clone() });
        }
        cipher
    }

    /// Forgets, and so wipes, what was derived for a data key.
    pub fn forget(&self, id: i64) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get_mut(place_of(id))
            && place.as_ref().is_some_and(|own| own.id == id)
        {
            *place = None;
        }
    }
}

#[cfg(test)]
impl Derived {
    pub fn remembers(&self, id: i64) -> bool {
        self.0.lock().unwrap().iter().flatten().any(|own| own.id == id)
    }
}

/// Ids are random numbers.
fn place_of(id: i64) -> usize {
    usize::try_from(id.unsigned_abs() % PLACES).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_again_is_derived_once_and_by_nobody_who_has_another_key() {
        let (derived, places) = (Derived::default(), i64::try_from(PLACES).unwrap());
        let find = |id: i64, part: u8| {
            let mut made = false;
            derived.find_or(id, &[part; 32], || {
                made = true;
                Cipher::new(&[part; 32])
            });
            made
        };
        assert!(find(1, 7) && !find(1, 7));
        assert!(find(2, 7) && !find(1, 7));
        assert!(find(1, 8) && find(1, 7) && find(-1, 7));
        assert!(find(1 + places, 7) && find(1, 7));
        derived.forget(1 + places);
        assert!(!find(1, 7), "it was another's");
        derived.forget(1);
        assert!(find(1, 7));
        (0..2_000).for_each(|id| assert!(find(id * 7919 + 12, 9)));
        assert_eq!(derived.0.lock().unwrap().len() as u64, PLACES);
    }
}
