//! How much may come in how long: a rate, and the one number that has to be remembered to keep it.
//!
//! The generic cell rate algorithm (ITU-T I.371 Annex A): what was taken is a time in the future up to which everything
//! is paid, and it may lie at most one window ahead of now. It has no edges at which all counters start anew, needs no
//! timer, and who stays below the rate is never refused. Pure: time comes in as milliseconds of any clock that only
//! goes forward.
//! When it fails: never; sums that would overflow stop at the largest number.

use std::time::Duration;

/// At most `amount` within `window`, and at most `amount` at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    amount: u64,
    window_ms: u64,
}

/// What a request gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Taken. `used` is the share of the rate that is used up now, in thousandths.
    Taken { paid_until: u64, used: u16 },
    /// Not now: the earliest time at which the same request would be taken, in milliseconds from now.
    Wait { ms: u64 },
}

impl Rate {
    /// A rate; nothing in no time is taken for one in a millisecond.
    pub fn new(amount: u64, window: Duration) -> Self {
        let window_ms = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
        Self { amount: amount.max(1), window_ms: window_ms.max(1) }
    }

    /// Asks for `cost` at `now`, everything before being paid until `paid_until`. A cost above the whole rate, such as a
    /// message larger than an hour's octets, counts as the whole rate: it is taken when nothing else was.
    pub fn ask(self, paid_until: u64, now: u64, cost: u64) -> Answer {
        let until = paid_until.max(now).saturating_add(self.price(cost));
        let ahead = until - now;
        if ahead > self.window_ms {
            return Answer::Wait { ms: ahead - self.window_ms };
        }
        let used = u128::from(ahead) * 1000 / u128::from(self.window_ms);
        Answer::Taken { paid_until: until, used: u16::try_from(used).unwrap_or(1000) }
    }

    /// Charges `cost` that was used already, whether or not it was there to be had: what comes next waits for it, at most
    /// two windows.
    pub fn charge(self, paid_until: u64, now: u64, cost: u64) -> u64 {
        let until = paid_until.max(now).saturating_add(self.price(cost));
        until.min(now.saturating_add(self.window_ms.saturating_mul(2)))
    }

    /// Takes back what was taken at `taken_at`, less what has run off since.
    pub fn give_back(self, paid_until: u64, taken_at: u64, now: u64, cost: u64) -> u64 {
        paid_until.saturating_sub(taken_at.saturating_add(self.price(cost)).saturating_sub(now))
    }

    /// The time that `cost` takes, in milliseconds; never free, at most the window.
    fn price(self, cost: u64) -> u64 {
        let ms = (u128::from(cost) * u128::from(self.window_ms)).div_ceil(u128::from(self.amount));
        u64::try_from(ms).unwrap_or(u64::MAX).min(self.window_ms)
    }
}

/// How long to wait before a request is served whose rate is used up by `used` thousandths: nothing below a half, then
/// growing evenly up to `longest` at the limit, so that a program feels the limit before it meets it.
pub(crate) fn delay(used: u16, longest: Duration) -> Duration {
    const HALF: u16 = 500;
    let above = u32::from(used.min(1000).saturating_sub(HALF));
    longest.saturating_mul(above) / u32::from(HALF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn take(rate: Rate, paid_until: &mut u64, now: u64, cost: u64) -> bool {
        match rate.ask(*paid_until, now, cost) {
            Answer::Taken { paid_until: until, .. } => {
                *paid_until = until;
                true
            }
            Answer::Wait { .. } => false,
        }
    }

    #[test]
    fn the_whole_amount_may_come_at_once_and_one_more_when_its_part_of_the_window_is_over() {
        let rate = Rate::new(4, Duration::from_secs(60));
        let mut paid = 0;
        for _ in 0..4 {
            assert!(take(rate, &mut paid, 1_000, 1));
        }
        assert_eq!(rate.ask(paid, 1_000, 1), Answer::Wait { ms: 15_000 });
        assert!(!take(rate, &mut paid, 15_999, 1));
        assert!(take(rate, &mut paid, 16_000, 1));
    }

    #[test]
    fn a_cost_above_the_rate_is_taken_only_from_the_full() {
        let rate = Rate::new(100, Duration::from_secs(10));
        let mut paid = 0;
        assert!(take(rate, &mut paid, 0, 1_000_000));
        assert_eq!(rate.ask(paid, 0, 1), Answer::Wait { ms: 100 });
        assert!(!take(rate, &mut paid, 9_999, 1_000_000));
        assert!(take(rate, &mut paid, 10_000, 1_000_000));
    }

    #[test]
    fn what_was_charged_is_waited_for_and_never_longer_than_two_windows() {
        let rate = Rate::new(10, Duration::from_secs(10));
        let mut paid = 0;
        for _ in 0..1000 {
            paid = rate.charge(paid, 0, 10);
        }
        assert_eq!(rate.ask(paid, 0, 1), Answer::Wait { ms: 11_000 });
    }

    #[test]
    fn what_is_given_back_is_what_was_taken_less_what_ran_off() {
        let rate = Rate::new(10, Duration::from_secs(10));
        let mut paid = 0;
        assert!(take(rate, &mut paid, 500, 1) && take(rate, &mut paid, 500, 2));
        assert_eq!(rate.give_back(paid, 500, 500, 2), 1500);
        assert_eq!(rate.give_back(paid, 500, 1700, 2), 2700);
        assert_eq!(rate.give_back(paid, 500, 3000, 2), paid, "nothing is left of it");
    }

    #[test]
    fn delays_begin_at_half_of_the_rate_and_grow_without_a_step() {
        let longest = Duration::from_secs(4);
        for (used, ms) in [(0, 0), (500, 0), (501, 8), (750, 2000), (1000, 4000), (u16::MAX, 4000)] {
            assert_eq!(delay(used, longest), Duration::from_millis(ms), "{used}");
        }
    }

    proptest! {
        #[test]
        fn never_more_than_twice_the_amount_is_taken_in_a_window(
            amount in 1_u64..50, window_ms in 1_u64..10_000,
            steps in proptest::collection::vec((0_u64..500, 1_u64..5), 1..200),
        ) {
            let rate = Rate::new(amount, Duration::from_millis(window_ms));
            let (mut now, mut paid, mut taken) = (0_u64, 0_u64, Vec::new());
            for (pause, cost) in steps {
                now += pause;
                let cost = cost.min(amount);
                if take(rate, &mut paid, now, cost) {
                    taken.push((now, cost));
                }
                let in_window: u64 =
                    taken.iter().filter(|(at, _)| now - at < window_ms).map(|(_, cost)| cost).sum();
                prop_assert!(in_window <= 2 * amount, "{in_window} of {amount}");
            }
        }

        #[test]
        fn whoever_waits_as_told_is_served(
            amount in 1_u64..1000, window_ms in 1_u64..1_000_000, paid in 0_u64..2_000_000, now in 0_u64..1_000_000,
            cost in 0_u64..2000,
        ) {
            let rate = Rate::new(amount, Duration::from_millis(window_ms));
            if let Answer::Wait { ms } = rate.ask(paid, now, cost) {
                let again = rate.ask(paid, now + ms, cost);
                prop_assert!(matches!(again, Answer::Taken { .. }), "{again:?}");
                let early = rate.ask(paid, now + ms - 1, cost);
                prop_assert!(matches!(early, Answer::Wait { .. }), "{early:?}");
            }
        }

        #[test]
        fn no_number_overflows(a in any::<u64>(), w in any::<u64>(), p in any::<u64>(), n in any::<u64>(), c in any::<u64>()) {
            let rate = Rate::new(a, Duration::from_millis(w));
            let _ = rate.ask(p, n, c);
            let _ = rate.charge(p, n, c);
        }
    }
}
