//! When a waiting delivery must be looked at whatever becomes of its destination: its sender is told that it is late, then
//! that it is given up.
//!
//! Rules: a delivery whose destination can be tried is left to its attempts, the last of which is at expiry; so what
//! waited out an outage of ours is tried once more. One whose destination is dead or paused has no attempts, and ends
//! at its expiry; none lives longer than [`BEYOND`] after it, or after the start of the process that looks.

use crate::mail::Timestamp;
use std::time::Duration;

/// How long past its expiry a delivery may wait for its last attempt.
const BEYOND: Duration = Duration::from_secs(3600);
/// How often one is looked at that waits for its last attempt, and how long after a deadline the first look is: the
/// attempt that is due then comes first.
const AGAIN: Duration = Duration::from_secs(300);

/// How long senders wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    pub expire: Duration,
    /// At or beyond `expire`: never.
    pub delay_notice: Duration,
    /// When this process began: what waited while nothing ran has its last attempt before it.
    pub up_since: Timestamp,
}

/// What a look at a delivery comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Its sender is told that it is late; the next look is then.
    Late(Timestamp),
    /// It is given up.
    Expired,
    /// It is looked at again then.
    Again(Timestamp),
}

impl Deadlines {
    /// When a delivery is first looked at that waits since `begun`.
    #[must_use]
    pub fn first(&self, begun: Timestamp) -> Timestamp {
        begun.after(self.delay_notice.min(self.expire)).after(AGAIN)
    }

    /// When one is looked at next whose sender was told that it is late.
    #[must_use]
    pub fn told(expires_at: Timestamp) -> Timestamp {
        expires_at.after(AGAIN)
    }

    /// What is to be done now with one that waits since `begun`. `told`: its sender knows that it is late. `blocked`: its
    /// destination is not tried.
    #[must_use]
    pub fn look(
        &self,
        begun: Timestamp,
        expires_at: Timestamp,
        told: Told,
        blocked: Blocked,
        now: Timestamp,
    ) -> Look {
        if now >= expires_at {
            return match blocked {
                Blocked::Yes => Look::Expired,
                Blocked::No if now >= expires_at.max(self.up_since).after(BEYOND) => Look::Expired,
                Blocked::No => Look::Again(now.after(AGAIN)),
            };
        }
        let late_at = begun.after(self.delay_notice);
        match told {
            Told::No if self.delay_notice < self.expire && now >= late_at => {
                Look::Late(Self::told(expires_at))
            }
            Told::No if self.delay_notice < self.expire => Look::Again(late_at.after(AGAIN)),
            _ => Look::Again(Self::told(expires_at)),
        }
    }
}

/// Whether a sender knows that a delivery is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Yes,
    No,
}

/// Whether a destination is dead or paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocked {
    Yes,
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const RULES: Deadlines = Deadlines {
        expire: HOUR.saturating_mul(72),
        delay_notice: HOUR.saturating_mul(4),
        up_since: Timestamp::from_millis(0),
    };
    const BEGUN: Timestamp = Timestamp::from_millis(0);

    fn look(hours: u32, told: Told, blocked: Blocked) -> Look {
        RULES.look(BEGUN, BEGUN.after(RULES.expire), told, blocked, BEGUN.after(HOUR * hours))
    }

    #[test]
    fn a_sender_is_told_once_and_the_delivery_ends_at_its_expiry_where_it_is_not_tried() {
        let expires_at = BEGUN.after(RULES.expire);
        assert_eq!(look(5, Told::No, Blocked::Yes), Look::Late(expires_at.after(AGAIN)));
        assert_eq!(look(6, Told::Yes, Blocked::Yes), Look::Again(expires_at.after(AGAIN)));
        assert_eq!(look(72, Told::Yes, Blocked::Yes), Look::Expired);
    }

    #[test]
    fn one_that_can_be_tried_gets_its_last_attempt_but_not_for_ever() {
        assert!(matches!(look(72, Told::Yes, Blocked::No), Look::Again(_)));
        assert_eq!(look(73, Told::Yes, Blocked::No), Look::Expired);
    }

    #[test]
    fn what_waited_out_our_own_outage_gets_its_last_attempt_too() {
        let rules = Deadlines { up_since: BEGUN.after(HOUR * 80), ..RULES };
        let look = |hours: u32| {
            rules.look(BEGUN, BEGUN.after(rules.expire), Told::Yes, Blocked::No, BEGUN.after(HOUR * hours))
        };
        assert!(matches!(look(80), Look::Again(_)));
        assert_eq!(look(81), Look::Expired);
    }

    #[test]
    fn a_notice_of_delay_at_or_beyond_expiry_is_never_sent() {
        let rules = Deadlines { delay_notice: HOUR * 72, ..RULES };
        let expires_at = BEGUN.after(rules.expire);
        let look = rules.look(BEGUN, expires_at, Told::No, Blocked::Yes, BEGUN.after(HOUR * 71));
        assert!(matches!(look, Look::Again(_)));
    }
}
