//! How long the database takes to write: a slow one lives, and so do those whose leases it has not prolonged yet.
//!
//! Rules: a write that took, or is taking, longer than [`Times::slow`] counts for [`Times::slow_counts`] after its end, whether or not it came to something.
//! While one counts nothing is taken over whose lease is over. By what two that came to something take leases are asked for longer: a
//! database that is away needs no longer ones.
//! When it fails: it does not.

use super::times::Times;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A lease is prolonged by the third write after it was asked for, at the latest, and lasts longer than one takes by itself.
const IN_A_ROW: u32 = 2;

/// What was seen of writes. Clones share it.
#[derive(Clone)]
pub(super) struct Pace {
    seen: Arc<Mutex<Seen>>,
    times: Times,
}

#[derive(Default)]
struct Seen {
    under_way: HashMap<u64, Instant>,
    begun: u64,
    /// Until when a slow one counts.
    slow_until: Option<Instant>,
    /// The longest that came to something, and until when it counts.
    longest: Option<(Duration, Instant)>,
}

/// A write under way; it ends when this is dropped.
pub(super) struct Stroke {
    pace: Pace,
    number: u64,
}

impl Pace {
    pub fn new(times: Times) -> Self {
        Self { seen: Arc::default(), times }
    }

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
        let (seen, now) = (self.seen(), Instant::now());
        let lasts = seen.under_way.values().any(|since| now.duration_since(*since) > self.times.slow());
        lasts || seen.slow_until.is_some_and(|until| now < until)
    }

    /// By how much longer leases have to last. Nothing where it is as quick as ever.
    pub fn allowance(&self) -> Duration {
        let (seen, now) = (self.seen(), Instant::now());
        let longest = seen.longest.filter(|(_, until)| now < *until);
        longest.map_or(Duration::ZERO, |(took, _)| took.saturating_mul(IN_A_ROW))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stroke {
    /// It came to something.
    pub fn done(self) {
        let (mut seen, now) = (self.pace.seen(), Instant::now());
        let took =
            seen.under_way.get(&self.number).map_or(Duration::ZERO, |since| now.duration_since(*since));
        let times = self.pace.times;
        if took > times.slow() {
            let before =
                seen.longest.filter(|(_, until)| now < *until).map_or(Duration::ZERO, |(took, _)| took);
            seen.longest = Some((took.max(before), now + times.slow_counts()));
        }
    }
}

impl Drop for Stroke {
    fn drop(&mut self) {
        let (mut seen, now) = (self.pace.seen(), Instant::now());
        let times = self.pace.times;
        if seen.under_way.remove(&self.number).is_some_and(|since| now.duration_since(since) > times.slow()) {
            seen.slow_until = Some(now + times.slow_counts());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times { lease: Duration::from_secs(60) };

    #[tokio::test(start_paused = true)]
    async fn a_slow_write_counts_while_it_lasts_and_for_a_while() {
        let pace = Pace::new(TIMES);
        let quick = pace.begin();
        tokio::time::advance(TIMES.slow()).await;
        quick.done();
        assert!(!pace.is_slow());
        let slow = pace.begin();
        tokio::time::advance(TIMES.slow() + Duration::from_secs(15)).await;
        assert!(pace.is_slow(), "it has not even ended");
        slow.done();
        pace.begin().done();
        assert_eq!((pace.is_slow(), pace.allowance()), (true, Duration::from_secs(50)));
        tokio::time::advance(TIMES.slow_counts()).await;
        assert_eq!((pace.is_slow(), pace.allowance()), (false, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_came_to_nothing_makes_no_lease_longer() {
        let pace = Pace::new(TIMES);
        let failed = pace.begin();
        tokio::time::advance(2 * TIMES.slow()).await;
        drop(failed);
        assert_eq!((pace.is_slow(), pace.allowance()), (true, Duration::ZERO));
    }
}
