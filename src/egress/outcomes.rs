//! What became of an attempt: what its report says of the delivery and of the destination, and how that is written.
//!
//! Rules: a result that cannot be written is tried again until it can. One that says delivered is never given up: the next hop has
//! the message, and sending it twice is the greater evil.
//! When it fails: the lease ends by itself, and the delivery is tried again.

use super::Report;
use super::demand::TlsFailure;
use super::scheduler::Shared;
use crate::mail::Timestamp;
use crate::relay::{AttemptResult, RelayFault, Verdict, queue_id};
use crate::schedule::{Effect, NextAttempt};
use crate::smtp::client::{Outcome, Phase};
use crate::store::{Doubt, Work};
use std::time::Duration;

/// Rest after a fault of the database, and the longest of them: each is twice the one before.
const REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(10);
/// The longest rest of mail that found all connections of a host taken.
const CROWDED: Duration = Duration::from_secs(15);
/// The longest rest of mail that found no memory.
pub(super) const NO_MEMORY: Duration = Duration::from_secs(60);
/// How often a result is written again that the database refused.
const SETTLE_AGAIN: u32 = 10;

impl Shared {
    pub fn result(&self, work: &Work, report: &Report) -> AttemptResult {
        let status = report.outcome.status();
        let (class, subject, detail) = status.enhanced_or_general();
        let status = format!("{} {class}.{subject}.{detail}", status.code);
        let detail = serde_json::json!({
            "attempt": work.attempt,
            "status": status,
            "phase": report.phase.name(),
            "next_hop": report.address.map(|address| address.to_string()),
            "tls": report.tls.as_ref().map(|tls| format!("{tls:?}")),
            "tls_failure": report.tls_failure.map(TlsFailure::reason),
            "remote": report.remote_text.as_ref().map(|text| text.reveal()),
            "reused": report.connection_reused,
            "ambiguous": report.outcome.is_ambiguous(),
        });
        let doubt = if report.outcome.is_ambiguous() { Doubt::Ambiguous } else { Doubt::Clear };
        match report.outcome {
            Outcome::Delivered { .. } => AttemptResult {
                verdict: Verdict::Delivered,
                status,
                retry_at: None,
                was_tried: true,
                doubt,
                detail,
            },
            Outcome::Failed { .. } => AttemptResult {
                verdict: Verdict::Failed,
                status,
                retry_at: None,
                was_tried: true,
                doubt,
                detail,
            },
            Outcome::Deferred { .. } => {
                let deferred = self.deferred(work, status, detail);
                // A full host said nothing of this mail: it is put off for no longer each time.
                let result = match effect_of(report) {
                    Effect::Crowded(_) => untried(deferred, CROWDED),
                    _ => deferred,
                };
                AttemptResult { doubt, ..result }
            }
        }
    }

    pub fn deferred(&self, work: &Work, status: String, detail: serde_json::Value) -> AttemptResult {
        let attempts = u32::try_from(work.attempt).unwrap_or(u32::MAX);
        let random = u64::from_be_bytes(crate::vault::random_bytes());
        let retry_at = match self.back_off.after(attempts, self.relay.begun(work), Timestamp::now(), random) {
            NextAttempt::At(at) => Some(at),
            // A clock that leapt ahead, or that is in doubt, ends nothing.
            NextAttempt::Expired if !self.trust.is_good() => Some(Timestamp::now().after(self.back_off.max)),
            NextAttempt::Expired => None,
        };
        AttemptResult {
            verdict: Verdict::Deferred,
            status,
            retry_at,
            was_tried: true,
            doubt: Doubt::Clear,
            detail,
        }
    }

    pub async fn settle(&self, work: &Work, result: &AttemptResult) {
        let id = queue_id(work.message_id);
        let (mut refused, mut rest) = (0, REST);
        loop {
            match self.relay.settle(work, result).await {
                Ok(true) => {
                    let verdict = match result.verdict {
                        Verdict::Delivered => "delivered",
                        Verdict::Deferred => "deferred",
                        Verdict::Failed => "failed",
                    };
                    tracing::info!(event = verdict, queue_id = %id, status = %result.status, attempt = work.attempt);
                    return;
                }
                Ok(false) => {
                    tracing::warn!(event = "lease_lost", queue_id = %id, "another worker took it over");
                    return;
                }
                Err(fault) => {
                    let is_passing = matches!(&fault, RelayFault::Store(fault) if fault.is_passing());
                    let may_help =
                        is_passing || matches!(fault, RelayFault::Store(_)) && refused < SETTLE_AGAIN;
                    if !may_help && result.verdict != Verdict::Delivered {
                        tracing::error!(event = "fault", %fault, queue_id = %id, "a result was refused");
                        return;
                    }
                    // Each try has new ids, so one that met an id of another process does not meet it again.
                    refused += u32::from(!is_passing);
                    tracing::error!(event = "fault", %fault, "a result can't be written; trying again");
                    tokio::time::sleep(rest).await;
                    if refused >= SETTLE_AGAIN {
                        rest = (2 * rest).min(LONGEST_REST);
                    }
                }
            }
        }
    }

    /// Puts off a delivery whose attempt broke off by a fault of ours.
    pub async fn put_off(&self, work: &Work, reason: &'static str) {
        let detail = serde_json::json!({ "attempt": work.attempt, "reason": reason });
        self.settle(work, &self.deferred(work, "451 4.3.0".into(), detail)).await;
    }

    /// The same for one that was not tried at all, for no longer than `longest`.
    pub async fn put_off_untried(&self, work: &Work, longest: Duration, reason: &'static str) {
        let detail = serde_json::json!({ "attempt": work.attempt, "reason": reason });
        let deferred = self.deferred(work, "451 4.3.0".into(), detail);
        self.settle(work, &untried(deferred, longest)).await;
    }
}

/// A deferral of what nobody was asked to take, with its rest cut to `longest`.
fn untried(deferred: AttemptResult, longest: Duration) -> AttemptResult {
    let latest = Timestamp::now().after(longest);
    AttemptResult { retry_at: deferred.retry_at.map(|at| at.min(latest)), was_tried: false, ..deferred }
}

/// What a report says of the destination, not of the message.
pub(super) fn effect_of(report: &Report) -> Effect {
    let Outcome::Deferred { status, .. } = report.outcome else { return Effect::Answered };
    match report.phase {
        Phase::Slot => report.crowded.map_or(Effect::Ours, Effect::Crowded),
        // The resolver did not answer: that says nothing of whom it was asked about.
        Phase::Resolve if report.tls_failure.is_none() => Effect::Ours,
        phase if phase < Phase::Reset => Effect::Unreached,
        // Sent away, lost, or silent for too long.
        _ if status.code == 421 || report.remote_text.is_none() => Effect::Slowed,
        phase if asks_for_less(phase, status.enhanced) => Effect::Slowed,
        _ => Effect::Answered,
    }
}

/// Whether a deferral is of the server rather than of one message or recipient: it takes no mail now, is congested (RFC 3463
/// §3.4, §3.5), or turns the whole transaction away by a policy, as the large receivers do with who sends too much.
/// Policy at RCPT is greylisting, which is of one pair.
fn asks_for_less(phase: Phase, enhanced: Option<(u8, u16, u16)>) -> bool {
    match enhanced {
        Some((4, 3, 2) | (4, 4, 5)) => true,
        Some((4, 7, _)) | None => phase == Phase::Mail,
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_server_asks_for_less_and_one_that_knows_a_message_or_recipient_does_not() {
        let asks = [
            (Phase::Mail, Some((4, 7, 500))),
            (Phase::Mail, None),
            (Phase::Rcpt, Some((4, 3, 2))),
            (Phase::Dot, Some((4, 4, 5))),
        ];
        assert!(asks.into_iter().all(|(phase, enhanced)| asks_for_less(phase, enhanced)));
        let of_one = [
            (Phase::Rcpt, Some((4, 7, 1))),
            (Phase::Rcpt, None),
            (Phase::Rcpt, Some((4, 2, 2))),
            (Phase::Mail, Some((4, 3, 1))),
            (Phase::Dot, Some((4, 7, 0))),
        ];
        assert!(!of_one.into_iter().any(|(phase, enhanced)| asks_for_less(phase, enhanced)));
    }
}
