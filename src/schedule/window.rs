//! How many attempts one destination gets at once: a window that grows with success and shrinks with failure.
//!
//! Rules: a window begins at [`INITIAL`]. A success adds one over as many successes as the window is wide, so it doubles
//! with each round; a destination that cannot be reached takes one away, one that asks for less (421) halves it. When the
//! failures without a success between them make up a whole window the destination is dead: nothing is sent until a
//! time, then one attempt probes it, and each failed probe doubles the time ([`Rest`]). What a
//! server says of one message or recipient is a success here: it answered. A rest that ends later than any may last was
//! begun before the clock went back: it is over.

use crate::mail::Timestamp;
use std::time::Duration;

/// Attempts at once to a destination of which nothing is known.
pub(super) const INITIAL: usize = 5;
/// The longest rest that is ever right: a destination that is back is noticed after at most this long, and a fifth.
pub(super) const REST_MAX: Duration = Duration::from_secs(900);

/// How long a dead destination is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// Before the first probe.
    pub first: Duration,
    /// Each failed probe doubles it up to this, and to a quarter of an hour.
    pub max: Duration,
}

/// What is known of a destination.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Window {
    Open {
        size: usize,
        /// Successes towards the next place, in parts of one.
        gained: f64,
        /// Failures since the last success, in parts of a window.
        cohort: f64,
    },
    /// Not spoken to before `until`; then one attempt at a time.
    Dead { until: Timestamp, failures: u32 },
}

impl Window {
    pub fn new(limit: usize) -> Self {
        Window::Open { size: INITIAL.min(limit).max(1), gained: 0.0, cohort: 0.0 }
    }

    /// Attempts that may be under way at once.
    pub fn size(self, now: Timestamp) -> usize {
        match self {
            Window::Open { size, .. } => size,
            Window::Dead { until, .. } => usize::from(is_over(until, now)),
        }
    }

    /// Until when nothing is sent.
    pub fn rests_until(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Window::Dead { until, .. } if !is_over(until, now) => Some(until),
            _ => None,
        }
    }

    /// Ends a rest: the next attempt is a probe. Whether there was one.
    pub fn end_rest(&mut self, now: Timestamp) -> bool {
        match self {
            Window::Dead { until, .. } if !is_over(*until, now) => {
                *until = now;
                true
            }
            _ => false,
        }
    }

    pub fn is_dead(self) -> bool {
        matches!(self, Window::Dead { .. })
    }

    /// It answered, with `busy` attempts under way. Whether it was dead before.
    pub fn answered(&mut self, busy: usize, limit: usize) -> bool {
        match self {
            Window::Dead { .. } => {
                *self = Window::new(limit);
                return true;
            }
            Window::Open { size, gained, cohort } => {
                *cohort = 0.0;
                *gained += 1.0 / count(*size);
                if *gained >= 1.0 {
                    *gained -= 1.0;
                    // A window that nobody fills says nothing about what the destination bears.
                    if *size < busy + INITIAL {
                        *size = (*size + 1).min(limit).max(1);
                    }
                }
            }
        }
        false
    }

    /// It asked for less.
    pub fn slowed(&mut self, rest: Rest, now: Timestamp, random: u64) -> bool {
        match self {
            Window::Open { size, gained, .. } if *size > 1 => {
                (*size, *gained) = (*size / 2, 0.0);
                false
            }
            _ => self.unreached(rest, now, random),
        }
    }

    /// It could not be reached. Whether it is dead from now on.
    pub fn unreached(&mut self, rest: Rest, now: Timestamp, random: u64) -> bool {
        match self {
            Window::Open { size, gained, cohort } => {
                *cohort += 1.0 / count(*size);
                (*size, *gained) = (size.saturating_sub(1).max(1), 0.0);
                let dies = *cohort >= 1.0;
                if dies {
                    *self = Window::Dead { until: now.after(rest.after(1, random)), failures: 1 };
                }
                dies
            }
            // Attempts that were under way when it died say nothing new; only a probe does.
            Window::Dead { until, failures } => {
                if is_over(*until, now) {
                    *failures = failures.saturating_add(1);
                    *until = now.after(rest.after(*failures, random));
                }
                false
            }
        }
    }
}

/// Whether a rest until then is over.
fn is_over(until: Timestamp, now: Timestamp) -> bool {
    now >= until || until.since(now) > REST_MAX.mul_f64(1.2)
}

#[expect(clippy::cast_precision_loss, reason = "a window is at most some thousands wide")]
fn count(size: usize) -> f64 {
    size.max(1) as f64
}

impl Rest {
    /// After so many failed probes: a fifth more or less by chance, so that many do not come back at once.
    fn after(self, failures: u32, random: u64) -> Duration {
        let doubled = self.first.saturating_mul(1 << failures.saturating_sub(1).min(10));
        let nominal = doubled.min(self.max).min(REST_MAX);
        let millis = u64::try_from(nominal.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(millis - millis / 5 + random % (millis * 2 / 5).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(0);
    const REST: Rest = Rest { first: Duration::from_secs(60), max: Duration::from_secs(14_400) };

    #[test]
    fn a_window_grows_by_one_a_round_up_to_its_limit_and_only_where_it_is_used() {
        let mut window = Window::new(20);
        for _ in 0..5 {
            window.answered(5, 20);
        }
        assert_eq!(window.size(NOW), 6);
        for _ in 0..10_000 {
            window.answered(20, 20);
        }
        assert_eq!(window.size(NOW), 20);
        let mut idle = Window::new(20);
        for _ in 0..10_000 {
            idle.answered(0, 20);
        }
        assert_eq!(idle.size(NOW), INITIAL);
    }

    #[test]
    fn a_window_of_failures_without_success_is_death_and_one_success_is_life() {
        let mut window = Window::new(20);
        let died = (0..5).position(|_| window.unreached(REST, NOW, 0));
        assert_eq!(died, Some(3));
        let until = window.rests_until(NOW).unwrap();
        assert_eq!((window.size(NOW), window.size(until)), (0, 1));
        // What was under way when it died changes nothing.
        window.unreached(REST, NOW, 0);
        assert_eq!(window.rests_until(NOW), Some(until));
        window.unreached(REST, until, 0);
        assert!(window.rests_until(until).unwrap() > until.after(REST.first));
        assert!(window.answered(1, 20));
        assert_eq!(window.size(until), INITIAL);
    }

    #[test]
    fn failures_with_a_success_between_them_only_make_it_narrower() {
        let mut window = Window::new(20);
        for _ in 0..50 {
            assert!(!window.unreached(REST, NOW, 0));
            window.answered(1, 20);
            window.answered(1, 20);
        }
        assert!(!window.is_dead());
    }

    #[test]
    fn a_destination_that_asks_for_less_gets_half_and_at_last_a_rest() {
        let mut window = Window::new(20);
        window.slowed(REST, NOW, 0);
        assert_eq!(window.size(NOW), 2);
        window.slowed(REST, NOW, 0);
        assert_eq!(window.size(NOW), 1);
        assert!(window.slowed(REST, NOW, 0));
    }

    #[test]
    fn a_rest_ends_when_the_clock_goes_back_by_more_than_any_rest() {
        let mut window = Window::new(20);
        let later = NOW.after(Duration::from_secs(3600));
        (0..4).for_each(|_| {
            window.unreached(REST, later, 0);
        });
        assert_eq!((window.is_dead(), window.size(later), window.size(NOW)), (true, 0, 1));
        assert!(window.rests_until(NOW).is_none());
        // The failed probe begins a rest by the new clock.
        window.unreached(REST, NOW, 0);
        assert!(window.rests_until(NOW).is_some());
    }

    #[test]
    fn no_rest_is_longer_than_the_longest_and_a_fifth() {
        for failures in 1..100 {
            let longest = REST.after(failures, u64::MAX);
            assert!(longest <= REST_MAX.mul_f64(1.2) && REST.after(failures, 0) >= REST.first.mul_f64(0.8));
        }
    }
}
