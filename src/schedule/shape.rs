//! What one receiver bears: connections, messages on each, messages in a time.
//!
//! Rules: a rate is kept as a generic cell rate (ITU-T I.371 §B.1): each message moves a theoretical time on by one
//! interval, and what would move it more than a second beyond now has to wait. It counts attempts of one process. A time far beyond
//! what counting comes to was kept before the clock went back, and counts as now.

use crate::mail::Timestamp;
use std::time::Duration;

/// Messages in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// At least 1.
    pub messages: u32,
    pub per: Duration,
}

/// The shape of the traffic to one receiver, however many domains it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Attempts at once, at least 1.
    pub connections: usize,
    /// Messages on one connection, at least 1.
    pub messages_per_connection: u32,
    /// None: as fast as it takes them.
    pub rate: Option<Rate>,
}

/// How much of a second's messages may go at once.
const BURST: Duration = Duration::from_secs(1);

impl Rate {
    fn interval_us(self) -> i64 {
        let per = i64::try_from(self.per.as_micros()).unwrap_or(i64::MAX);
        (per / i64::from(self.messages.max(1))).max(1)
    }

    fn burst_us(self) -> i64 {
        i64::try_from(BURST.as_micros()).unwrap_or(i64::MAX).max(self.interval_us())
    }
}

/// How much of a rate is used: the theoretical time of the next message, in microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Meter(i64);

impl Meter {
    /// How many messages may begin now.
    pub fn room(self, rate: Rate, now: Timestamp) -> usize {
        let interval = rate.interval_us();
        let burst = rate.burst_us();
        let now = now.as_millis().saturating_mul(1000);
        let left = now.saturating_add(burst).saturating_sub(self.at(interval, burst, now));
        usize::try_from(left / interval).unwrap_or(0)
    }

    /// Counts one that begins.
    pub fn count(&mut self, rate: Rate, now: Timestamp) {
        let interval = rate.interval_us();
        let now = now.as_millis().saturating_mul(1000);
        self.0 = self.at(interval, rate.burst_us(), now).saturating_add(interval);
    }

    /// The theoretical time, never before now.
    fn at(self, interval: i64, burst: i64, now: i64) -> i64 {
        // Several looks before one another's counts may go a little beyond the burst.
        let most = burst.saturating_add(interval).saturating_mul(10);
        if self.0.saturating_sub(now) > most { now } else { self.0.max(now) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_lets_a_seconds_worth_go_at_once_and_then_one_an_interval() {
        let rate = Rate { messages: 600, per: Duration::from_secs(60) };
        let (mut meter, start) = (Meter::default(), Timestamp::from_millis(1_000_000));
        let mut sent = 0;
        for tick in 0..100 {
            let now = start.after(Duration::from_millis(tick * 100));
            while meter.room(rate, now) > 0 {
                meter.count(rate, now);
                sent += 1;
            }
        }
        assert_eq!(sent, 10 + 99);
    }

    #[test]
    fn a_rate_goes_on_when_the_clock_goes_back() {
        let rate = Rate { messages: 60, per: Duration::from_secs(60) };
        let (mut meter, now) = (Meter::default(), Timestamp::from_millis(5));
        meter.count(rate, now.after(Duration::from_secs(3600)));
        assert_eq!(meter.room(rate, now), 1);
        meter.count(rate, now);
        assert_eq!(meter.room(rate, now), 0);
    }

    #[test]
    fn a_rate_below_one_a_second_still_lets_one_go() {
        let rate = Rate { messages: 1, per: Duration::from_secs(60) };
        let (mut meter, now) = (Meter::default(), Timestamp::from_millis(5));
        assert_eq!(meter.room(rate, now), 1);
        meter.count(rate, now);
        assert_eq!(meter.room(rate, now.after(Duration::from_secs(59))), 0);
        assert_eq!(meter.room(rate, now.after(Duration::from_secs(60))), 1);
    }
}
