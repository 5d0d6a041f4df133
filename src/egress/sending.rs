//! How many attempts are sending, in all and for each destination, and the word that one has ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The counts. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Sending {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    counts: Mutex<Counts>,
    ended: Notify,
}

#[derive(Default)]
struct Counts {
    total: usize,
    by_route: HashMap<i64, usize>,
}

/// One attempt's place, free again when dropped, however the attempt ends.
pub(super) struct Place {
    sending: Sending,
    route: i64,
}

impl Sending {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.inner.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an attempt to this destination.
    pub fn begin(&self, route: i64) -> Place {
        let mut counts = self.counts();
        counts.total += 1;
        *counts.by_route.entry(route).or_default() += 1;
        Place { sending: self.clone(), route }
    }

    /// All attempts that are sending.
    pub fn total(&self) -> usize {
        self.counts().total
    }

    /// The destinations with at least `limit` of them.
    pub fn busy(&self, limit: usize) -> Vec<i64> {
        self.counts().by_route.iter().filter(|(_, count)| **count >= limit).map(|(route, _)| *route).collect()
    }

    /// Waits until an attempt has ended since this was last asked.
    pub async fn ended(&self) {
        self.inner.ended.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.sending.counts();
        counts.total = counts.total.saturating_sub(1);
        if let Some(count) = counts.by_route.get_mut(&self.route) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.by_route.remove(&self.route);
            }
        }
        drop(counts);
        self.sending.inner.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_busy_until_one_of_its_attempts_ends() {
        let sending = Sending::default();
        let first = sending.begin(7);
        let _second = sending.begin(7);
        let _other = sending.begin(8);
        assert_eq!((sending.total(), sending.busy(2)), (3, vec![7]));
        drop(first);
        assert_eq!((sending.total(), sending.busy(2)), (2, vec![]));
    }
}
