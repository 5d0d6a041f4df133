//! Ids of messages, deliveries, records and the like: 63 bits that grow with time, so that rows lie together on disk
//! in the order in which they came.
//!
//! 41 bits of milliseconds since 2026-01-01T00:00:00Z (69 years), 10 bits drawn once per process, 12 bits counting on.
//! Two processes collide only with the same 10 bits in the same millisecond; the primary key then refuses the row,
//! the transaction fails as a fault, and the sender tries again: nothing is lost.

use crate::mail::Timestamp;
use std::sync::atomic::{AtomicI64, Ordering};

/// 2026-01-01T00:00:00Z.
const EPOCH_MS: i64 = 1_767_225_600_000;

/// Gives out ids.
pub struct Ids {
    process: i64,
    /// Milliseconds and count of the last id, without the process bits.
    last: AtomicI64,
}

impl Default for Ids {
    fn default() -> Self {
        Self {
            process: i64::from(u16::from_be_bytes(crate::vault::random_bytes()) & 0x3ff),
            last: AtomicI64::new(0),
        }
    }
}

impl Ids {
    /// When an id was given out.
    #[must_use]
    pub fn time_of(id: i64) -> Timestamp {
        Timestamp::from_millis(EPOCH_MS + (id >> 22))
    }

    /// The least id of a time.
    #[must_use]
    pub fn first_of(at: Timestamp) -> i64 {
        (at.as_millis() - EPOCH_MS).clamp(0, (1 << 41) - 1) << 22
    }

    /// The next id. A clock that stands still or steps back only makes ids denser, never equal.
    pub fn next(&self, now: Timestamp) -> i64 {
        let floor = (now.as_millis() - EPOCH_MS).clamp(0, (1 << 41) - 1) << 12;
        let mut current = self.last.load(Ordering::Relaxed);
        loop {
            let next = floor.max(current + 1);
            match self.last.compare_exchange_weak(current, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return ((next >> 12) << 22) | (self.process << 12) | (next & 0xfff),
                Err(seen) => current = seen,
            }
        }
    }
}

/// The least id of a time: all that were given out before are smaller.
pub(super) fn floor(at_ms: i64) -> i64 {
    (at_ms - EPOCH_MS).clamp(0, (1 << 41) - 1) << 22
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_and_never_repeat_while_the_clock_stands_still() {
        let ids = Ids::default();
        let now = Timestamp::from_millis(EPOCH_MS + 5);
        let many: Vec<i64> = (0..10_000).map(|_| ids.next(now)).collect();
        assert!(many.windows(2).all(|w| w[0] < w[1]));
        assert_eq!((Ids::time_of(many[0]), Ids::first_of(now) <= many[0]), (now, true));
        assert!(ids.next(Timestamp::from_millis(0)) > *many.last().unwrap());
        assert!(floor(EPOCH_MS + 5) <= many[0] && many[0] < floor(EPOCH_MS + 6));
    }
}
