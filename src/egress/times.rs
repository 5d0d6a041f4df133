//! How long a lease lasts, and what follows from it.
//!
//! Rules: everything that has to do with who holds a delivery is a part of `egress.lease`, so that a shorter one keeps all proportions.
//! When it fails: it does not.

use std::time::Duration;

/// The times of leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    /// How long a lease lasts. A dead process's deliveries wait this long.
    pub lease: Duration,
}

impl Times {
    /// How often running leases are prolonged.
    pub fn prolong(self) -> Duration {
        self.lease / 4
    }

    /// How long others have after an outage to write what they did meanwhile; results are tried twice in that time at least.
    pub fn grace(self) -> Duration {
        self.lease / 3
    }

    /// A process that could lease nothing for longer was away.
    pub fn away(self) -> Duration {
        self.lease / 2
    }

    /// A write that takes longer says that the database is slow.
    pub fn slow(self) -> Duration {
        self.lease / 6
    }

    /// How long that counts.
    pub fn slow_counts(self) -> Duration {
        self.lease / 3
    }

    /// The rest after a fault of the database: a second, less of a short lease.
    pub fn rest(self) -> Duration {
        (self.lease / 12).min(Duration::from_secs(1))
    }

    /// The longest rest between two tries to write a result.
    pub fn longest_rest(self) -> Duration {
        self.lease / 6
    }

    /// After how long a process of which nothing was heard is forgotten: longer than it is absent for, and at most ten minutes.
    pub fn forgotten(self) -> Duration {
        (10 * self.lease).min(Duration::from_secs(600))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_writes_results_does_so_within_the_grace_and_a_lease_bears_two_missed_prolongations() {
        let times = Times { lease: Duration::from_secs(60) };
        assert!(2 * times.longest_rest() <= times.grace() && 3 * times.prolong() < times.lease);
        assert!(times.away() >= 2 * times.prolong() && times.away() < times.lease);
        assert_eq!((times.slow(), times.grace()), (Duration::from_secs(10), Duration::from_secs(20)));
    }
}
