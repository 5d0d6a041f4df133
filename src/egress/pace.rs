//! How long the database takes to write: a slow one lives, and so do those whose leases it has not prolonged yet.
//!
//! Rules: a write that took, or is taking, longer than [`SLOW`] counts for [`COUNTS`] after its end. While one counts nothing is taken
//! over whose lease is over, and leases are asked for longer by what three writes take.
//! When it fails: it does not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A write that takes longer says that the database is slow.
pub(super) const SLOW: Duration = Duration::from_secs(10);
/// How long that counts.
const COUNTS: Duration = Duration::from_secs(60);
/// Writes of one process that come one after the other before its leases are prolonged.
const IN_A_ROW: u32 = 3;

/// What was seen of writes. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Pace(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    under_way: HashMap<u64, Instant>,
    begun: u64,
    /// The longest that still counts, and until when.
    slow: Option<(Duration, Instant)>,
}

/// A write under way; it ends when this is dropped.
pub(super) struct Stroke {
    pace: Pace,
    number: u64,
}

impl Pace {
    /// A write begins.
    pub fn begin(&self) -> Stroke {
        let mut seen = self.seen();
        seen.begun = seen.begun.wrapping_add(1);
        let number = seen.begun;
        seen.under_way.insert(number, Instant::now());
        drop(seen);
        Stroke { pace: self.clone(), number }
    }

    /// Whether the database is slow to write.
    pub fn is_slow(&self) -> bool {
        !self.allowance().is_zero()
    }

    /// By how much longer leases have to last. Nothing where it is as quick as ever.
    pub fn allowance(&self) -> Duration {
        let (seen, now) = (self.seen(), Instant::now());
        let lasting =
            seen.under_way.values().map(|since| now.duration_since(*since)).max().unwrap_or_default();
        let ended = seen.slow.filter(|(_, until)| now < *until).map_or(Duration::ZERO, |(took, _)| took);
        let longest = lasting.max(ended);
        if longest > SLOW { longest.saturating_mul(IN_A_ROW) } else { Duration::ZERO }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stroke {
    fn drop(&mut self) {
        let (mut seen, now) = (self.pace.seen(), Instant::now());
        let Some(since) = seen.under_way.remove(&self.number) else { return };
        let took = now.duration_since(since);
        if took > SLOW {
            let before = seen.slow.filter(|(_, until)| now < *until).map_or(Duration::ZERO, |(took, _)| took);
            seen.slow = Some((took.max(before), now + COUNTS));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_slow_write_counts_while_it_lasts_and_for_a_while() {
        let pace = Pace::default();
        let quick = pace.begin();
        tokio::time::advance(SLOW).await;
        drop(quick);
        assert!(!pace.is_slow());
        let slow = pace.begin();
        tokio::time::advance(SLOW + Duration::from_secs(15)).await;
        assert_eq!(pace.allowance(), Duration::from_secs(75), "it has not even ended");
        drop(slow);
        drop(pace.begin());
        assert_eq!(pace.allowance(), Duration::from_secs(75));
        tokio::time::advance(COUNTS).await;
        assert!(!pace.is_slow());
    }
}
