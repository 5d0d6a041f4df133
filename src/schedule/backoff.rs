//! When to try again: delays that grow from `first` by `factor` up to `max`, each 20 % longer or shorter by chance,
//! until `expire` after acceptance.
//!
//! Rules: no attempt is ever set after expiry; the last is set at expiry itself, so that a message that waited out an
//! outage of ours is tried once more before it is given up. RFC 5321 §4.5.4.1. Randomness comes in as an argument.

use crate::mail::Timestamp;
use std::time::Duration;

/// How far a delay strays from its nominal value, in percent.
const JITTER_PERCENT: u64 = 20;

/// The schedule of attempts (`[egress.retry]`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BackOff {
    /// Before the second attempt.
    pub first: Duration,
    /// By which each delay is longer than the one before; below 1 counts as 1.
    pub factor: f64,
    /// No nominal delay is longer.
    pub max: Duration,
    /// After acceptance.
    pub expire: Duration,
}

/// What follows a deferral.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextAttempt {
    At(Timestamp),
    /// It is given up.
    Expired,
}

impl Default for BackOff {
    /// One minute, doubled up to four hours, for five days.
    fn default() -> Self {
        let hours = |h: u64| Duration::from_secs(h * 3600);
        Self { first: Duration::from_secs(60), factor: 2.0, max: hours(4), expire: hours(120) }
    }
}

impl BackOff {
    /// When to try again after `attempts` attempts (at least 1) of a message accepted at `accepted`.
    #[must_use]
    pub fn after(&self, attempts: u32, accepted: Timestamp, now: Timestamp, random: u64) -> NextAttempt {
        let expiry = accepted.after(self.expire);
        if now >= expiry {
            return NextAttempt::Expired;
        }
        NextAttempt::At(now.after(jittered(self.delay(attempts), random)).min(expiry))
    }

    /// The nominal delay after `attempts` attempts.
    #[must_use]
    pub fn delay(&self, attempts: u32) -> Duration {
        let factor = if self.factor.is_finite() { self.factor.max(1.0) } else { 1.0 };
        let exponent = i32::try_from(attempts.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.first.as_secs_f64() * factor.powi(exponent);
        if seconds < self.max.as_secs_f64() {
            Duration::try_from_secs_f64(seconds).unwrap_or(self.max)
        } else {
            self.max
        }
    }
}

/// `delay` times 0.8 to 1.2.
fn jittered(delay: Duration, random: u64) -> Duration {
    let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
    let spread = millis / 100 * (2 * JITTER_PERCENT) + millis % 100 * (2 * JITTER_PERCENT) / 100;
    let least = millis - spread / 2;
    Duration::from_millis(least.saturating_add(random % spread.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn delays_double_until_the_longest() {
        let back_off = BackOff::default();
        let minutes: Vec<u64> = (1..=10).map(|n| back_off.delay(n).as_secs() / 60).collect();
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 64, 128, 240, 240]);
        assert_eq!(back_off.delay(u32::MAX), back_off.max);
    }

    #[test]
    fn the_last_attempt_is_at_expiry_and_none_after_it() {
        let back_off = BackOff::default();
        let accepted = Timestamp::from_millis(0);
        let expiry = accepted.after(back_off.expire);
        let just_before = Timestamp::from_millis(expiry.as_millis() - 1);
        assert_eq!(back_off.after(30, accepted, just_before, 0), NextAttempt::At(expiry));
        assert_eq!(back_off.after(30, accepted, expiry, 0), NextAttempt::Expired);
    }

    proptest! {
        #[test]
        fn the_next_attempt_is_later_within_a_fifth_and_not_after_expiry(
            first in 0u64..100_000, factor in -1.0f64..50.0, max in 0u64..1_000_000, expire in 0u64..1_000_000_000,
            attempts: u32, passed in 0i64..1_000_000_000, random: u64,
        ) {
            let ms = Duration::from_millis;
            let back_off = BackOff { first: ms(first), factor, max: ms(max), expire: ms(expire) };
            let now = Timestamp::from_millis(passed);
            let expiry = Timestamp::from_millis(0).after(ms(expire));
            match back_off.after(attempts, Timestamp::from_millis(0), now, random) {
                NextAttempt::Expired => prop_assert!(now >= expiry),
                NextAttempt::At(at) => {
                    let nominal = back_off.delay(attempts);
                    prop_assert!(nominal <= ms(max) && at >= now && at <= expiry);
                    let waited = at.since(now);
                    prop_assert!(waited <= nominal.mul_f64(1.2) + ms(1));
                    prop_assert!(at == expiry || waited + ms(1) >= nominal.mul_f64(0.8));
                }
            }
        }
    }
}
