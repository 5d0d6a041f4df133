//! Which answers mean that a mailbox is gone, and for how long nothing is sent to it then.
//!
//! Rules: only what speaks of the mailbox itself counts (RFC 3463 §3.2: 5.1.1, 5.1.2, 5.1.3, 5.1.6, 5.1.10, 5.2.1); a full
//! mailbox, a policy or the content of one mail does not. Japanese carriers answer "unknown user" where a reception
//! filter is on, so the first time is only remembered, the second is short, and each further one longer. Numbers are
//! given out anew, so none is for ever.

use crate::mail::Timestamp;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// A mailbox that refused for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suppression {
    /// How often in a row.
    pub failures: u32,
    pub expires_at: Timestamp,
}

impl Suppression {
    /// What follows a refusal for good, after so many before it.
    #[must_use]
    pub fn after(earlier: u32, now: Timestamp) -> Self {
        let failures = earlier.saturating_add(1);
        let lasts = match failures {
            1 => Duration::ZERO,
            2 => DAY,
            3 => DAY * 7,
            4 => DAY * 30,
            _ => DAY * 180,
        };
        Self { failures, expires_at: now.after(lasts) }
    }
}

/// Whether a status such as `550 5.1.1` says that the mailbox is gone.
#[must_use]
pub fn means_for_good(status: &str) -> bool {
    let Some((code, enhanced)) = status.split_once(' ') else { return false };
    code.starts_with('5') && ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"].contains(&enhanced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_that_is_gone_is_told_from_one_that_is_full_or_choosy() {
        for status in ["550 5.1.1", "550 5.1.10", "556 5.1.10", "550 5.2.1"] {
            assert!(means_for_good(status), "{status}");
        }
        for status in
            ["450 4.1.1", "552 5.2.2", "550 5.7.1", "554 5.6.0", "550 5.0.0", "250 2.0.0", "550", ""]
        {
            assert!(!means_for_good(status), "{status}");
        }
    }

    #[test]
    fn each_further_failure_lasts_longer_and_none_for_ever() {
        let now = Timestamp::from_millis(0);
        let days: Vec<u64> =
            (0..5).map(|n| Suppression::after(n, now).expires_at.since(now).as_secs() / 86_400).collect();
        assert_eq!(days, [0, 1, 7, 30, 180]);
    }
}
