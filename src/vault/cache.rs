//! Keys that were opened lately, so that a message does not pay for what the one before it has paid.
//!
//! Rules: an entry is found by its id and its wrapped form together: where the wrapped form is destroyed or changed in the
//! database, the entry is found no more. Two generations of at most [`GENERATION`] entries: what is not used goes, and is
//! wiped.
//! When it fails: never; at worst it finds nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Most entries of a generation, some hundred octets each.
const GENERATION: usize = 4096;

type Entries<K> = HashMap<i64, (Box<[u8]>, Arc<K>)>;

pub(super) struct Cache<K> {
    /// The younger, the older.
    generations: Mutex<(Entries<K>, Entries<K>)>,
}

impl<K> Default for Cache<K> {
    fn default() -> Self {
        Self { generations: Mutex::default() }
    }
}

impl<K> Cache<K> {
    pub fn find(&self, id: i64, wrapped: &[u8]) -> Option<Arc<K>> {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let (young, old) = &mut *generations;
        if let Some((own, key)) = young.get(&id) {
            return (&**own == wrapped).then(|| key.clone());
        }
        let (own, key) = old.remove(&id)?;
        if &*own != wrapped {
            return None;
        }
        put(young, old, id, own, key.clone());
        Some(key)
    }

    /// Forgets, and so wipes once nobody uses it, what has this id.
    pub fn forget(&self, id: i64) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let (young, old) = &mut *generations;
        young.remove(&id);
        old.remove(&id);
    }

    pub fn keep(&self, id: i64, wrapped: &[u8], key: &Arc<K>) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let (young, old) = &mut *generations;
        put(young, old, id, wrapped.into(), key.clone());
    }
}

fn put<K>(young: &mut Entries<K>, old: &mut Entries<K>, id: i64, wrapped: Box<[u8]>, key: Arc<K>) {
    if young.len() >= GENERATION {
        *old = std::mem::take(young);
    }
    young.insert(id, (wrapped, key));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_there_are_never_more_than_two_generations() {
        let cache = Cache::default();
        let kept = Arc::new(7);
        cache.keep(-1, b"w", &kept);
        for id in 0..10 * i64::try_from(GENERATION).unwrap() {
            cache.keep(id, b"w", &Arc::new(0));
            assert!(cache.find(-1, b"w").is_some());
        }
        assert!(cache.find(0, b"w").is_none());
        assert!(cache.find(-1, b"x").is_none());
        let (young, old) = &*cache.generations.lock().unwrap();
        assert!(young.len() <= GENERATION && old.len() <= GENERATION);
    }

    #[test]
    fn what_is_forgotten_is_in_no_generation() {
        let (cache, kept) = (Cache::default(), Arc::new(7));
        cache.keep(-1, b"w", &kept);
        for id in 0..i64::try_from(GENERATION).unwrap() {
            cache.keep(id, b"w", &kept);
        }
        cache.forget(-1);
        cache.forget(0);
        assert!(
            cache.find(-1, b"w").is_none() && cache.find(0, b"w").is_none() && cache.find(1, b"w").is_some()
        );
    }
}
