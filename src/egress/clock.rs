//! Notices that the machine's clock went back, and brings up what would wait until it is there again; and that it leapt ahead, when
//! nothing is ended for good by what it says. Nor is it where the clock disagrees with what the database knows of the time
//! (`relay/clock.rs`): a machine that begins with a clock of next week would end all that waits.
//!
//! Rules: the clock is compared with one that only goes forward. One look changes a lot of rows at most, so that leases are
//! prolonged meanwhile. On SQLite, where all processes have one clock, leases that were taken by the clock as it was are ended
//! two leases later: whoever is alive has prolonged its own by then.
//! When it fails: the fault is logged, and the next look tries again.

use crate::mail::Timestamp;
use crate::store::{Rewind, Store};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A clock that goes forward by more at once may be wrong: no mail is given up or dropped by it for as long.
const LEAP: Duration = Duration::from_secs(3600);

/// Whether what ends for good may end by the clock.
#[derive(Clone, Default)]
pub(super) struct Trust(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    /// When it leapt ahead, in that nothing ends until then.
    leapt: Option<Instant>,
    /// Whether what the database knows of the time agrees. A process that begins does not know yet.
    agrees: bool,
}

impl Trust {
    /// Whether the clock has not leapt ahead lately, and agrees with what the database knows of the time.
    pub fn is_good(&self) -> bool {
        let seen = self.seen();
        seen.agrees && seen.leapt.is_none_or(|until| Instant::now() >= until)
    }

    /// Takes what was last found out about the clock.
    pub fn agrees(&self, agrees: bool) {
        self.seen().agrees = agrees;
    }

    fn leapt(&self, now: Instant) {
        self.seen().leapt = Some(now + LEAP);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was seen of the clock.
pub(super) struct Clock {
    slips: Duration,
    /// No delivery waits for longer.
    longest: Duration,
    seen: (Timestamp, Instant),
    /// What has not been brought up yet.
    back: Option<Rewind>,
    /// When leases of before are ended.
    leases_end: Option<Instant>,
    trust: Trust,
}

impl Clock {
    /// Less than `slips` is let pass; no delivery waits for longer than `longest`.
    pub fn new(slips: Duration, longest: Duration, trust: Trust) -> Self {
        Self { slips, longest, seen: (Timestamp::now(), Instant::now()), back: None, leases_end: None, trust }
    }

    /// Looks at the clock; `lease` is how long leases last.
    pub async fn look(&mut self, store: &Store, lease: Duration) {
        let seen = (Timestamp::now(), Instant::now());
        let (before, since) = (self.seen.0, seen.1.duration_since(self.seen.1));
        self.seen = seen;
        let expected = before.after(since);
        if expected.since(seen.0) > self.slips {
            tracing::warn!(
                event = "clock_went_back",
                seconds = expected.since(seen.0).as_secs(),
                "what was due stays due; check the time service of this machine"
            );
            self.back = Some(Rewind { was: expected, now: seen.0, longest: self.longest });
            self.leases_end = store.is_embedded().then_some(seen.1 + 2 * lease);
        }
        if seen.0.since(expected) > LEAP {
            tracing::error!(
                event = "clock_leapt_ahead",
                seconds = seen.0.since(expected).as_secs(),
                "for an hour no mail is given up or dropped by it; check the time service of this machine"
            );
            self.trust.leapt(seen.1);
        }
        if let Some(rewind) = self.back {
            match store.rewind(rewind).await {
                Ok(0) => self.back = None,
                Ok(_) => {}
                Err(fault) => {
                    tracing::error!(event = "fault", %fault, "what waits can't be brought up; trying again")
                }
            }
        }
        if self.leases_end.is_some_and(|at| seen.1 >= at) {
            match store.end_leases(Timestamp::now(), 2 * lease).await {
                Ok(_) => self.leases_end = None,
                Err(fault) => {
                    tracing::error!(event = "fault", %fault, "old leases can't be ended; trying again")
                }
            }
        }
    }
}
