//! What became of an attempt: what its report says of the delivery and of the destination, and how that is written.
//!
//! Rules: a result that cannot be written is tried again until it can. One that says delivered is never given up: the next hop has
//! the message, and sending it twice is the greater evil.
//! When it fails: the lease ends by itself, and the delivery is tried again.

use super::Report;
use super::demand::TlsFailure;
use super::scheduler::Shared;
use crate::mail::Timestamp;
use crate::mime::automatic;
use crate::relay::{AttemptResult, Outbound, RelayFault, Verdict, queue_id};
use crate::schedule::{Effect, NextAttempt, Standing};
use crate::smtp::client::{Outcome, Phase, Status};
use crate::store::{Doubt, Work};
use std::time::Duration;

/// The longest rest of mail that found all connections of a host taken.
const CROWDED: Duration = Duration::from_secs(15);
/// The longest rest of mail that found no memory.
pub(super) const NO_MEMORY: Duration = Duration::from_secs(60);
/// How often a result is written again that the database refused.
const SETTLE_AGAIN: u32 = 10;

/// What a server means with words alone, or with a code that fits everything: `550 Unknown user`, `550 5.5.0 … mailbox
/// unavailable`. Only at RCPT and after the dot.
fn meant(report: &Report, status: Status) -> Status {
    let Some(text) = report.remote_text.as_ref().filter(|_| is_vague(status)) else { return status };
    let is_nobody = match report.phase {
        // The words that RFC 5321 §4.2.2 has for any 550 mean a mailbox where this code stands beside them.
        Phase::Rcpt => automatic::denies_mailbox(text.reveal(), status.enhanced == Some((5, 5, 0))),
        Phase::Dot => automatic::denies_mailbox(text.reveal(), false),
        _ => false,
    };
    Status { enhanced: if is_nobody { Some((5, 1, 1)) } else { status.enhanced }, ..status }
}

/// Whether the enhanced code says nothing.
fn is_vague(status: Status) -> bool {
    matches!(status.enhanced, None | Some((5, 0 | 5, 0)))
}

/// Whether a failure may be of us: of the sender, or of a policy, with or without a code for that. Of the message's size and form it
/// is not.
fn may_be_of_us(report: &Report, status: Status) -> bool {
    let Some(text) = &report.remote_text else { return false };
    match (report.phase, status.enhanced) {
        // A policy; the sender's address, which many servers look at only at RCPT.
        (_, Some((_, 7, _) | (_, 1, 7 | 8))) => report.phase >= Phase::Mail,
        (Phase::Mail | Phase::Data, enhanced) => {
            status.code != 552 && !matches!(enhanced, Some((_, 6, _) | (_, 3, 4) | (_, 2, 3)))
        }
        (Phase::Rcpt | Phase::Dot, _) => is_vague(status) && automatic::speaks_of_sender(text.reveal()),
        _ => false,
    }
}

impl Shared {
    /// The report in the light of what the destination said before it, and what it says of the destination.
    pub fn weigh(&self, work: &Work, outbound: &Outbound, mut report: Report) -> (Report, Effect) {
        // Notices and answers of programs have no sender: what is said of them says nothing of other mail. They wait where that waits.
        let tells = outbound.reverse_path.is_some();
        let sender = &outbound.domain;
        match report.outcome {
            Outcome::Delivered { .. } if tells => self.sending.board().took(work.route, sender),
            Outcome::Failed { status } => {
                let status = meant(&report, status);
                report.outcome = Outcome::Failed { status };
                if !report.is_decided && may_be_of_us(&report, status) {
                    let (whose, now) = (
                        (work.merchant_id, work.conversation_id.unwrap_or(work.message_id)),
                        Timestamp::now(),
                    );
                    let mut board = self.sending.board();
                    let standing = match tells {
                        true => board.refused(work.route, sender, whose, now),
                        false if board.refuses_us(work.route, now) => Standing::StillBad,
                        false => Standing::Unclear,
                    };
                    drop(board);
                    if standing == Standing::Bad {
                        let id = queue_id(work.message_id);
                        tracing::error!(
                            event = "destination_refuses_us",
                            queue_id = %id,
                            code = status.code,
                            "it refused many messages in a row by a policy: look for our addresses in block lists, and \
                             at `anshin dns`; its mail waits"
                        );
                    }
                    if standing != Standing::Unclear {
                        let phase = report.phase;
                        report.outcome =
                            Outcome::Deferred { status: status.as_deferral(), phase, ambiguous: false };
                        return (report, Effect::Answered);
                    }
                }
            }
            Outcome::Delivered { .. } | Outcome::Deferred { .. } => {}
        }
        let effect = effect_of(&report);
        (report, effect)
    }

    pub fn result(&self, work: &Work, report: &Report) -> AttemptResult {
        let status = report.outcome.status();
        let (class, subject, detail) = status.enhanced_or_general();
        let status = format!("{} {class}.{subject}.{detail}", status.code);
        let detail = serde_json::json!({
            "attempt": work.attempt,
            "status": status,
            "phase": report.phase.name(),
            "next_hop": report.address.map(|address| address.to_string()),
            "tls": report.tls.as_ref().map(ToString::to_string),
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
                is_time_sure: self.trust.is_good(),
                detail,
            },
            Outcome::Failed { .. } => AttemptResult {
                verdict: Verdict::Failed,
                status,
                retry_at: None,
                was_tried: true,
                doubt,
                is_time_sure: self.trust.is_good(),
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
            is_time_sure: self.trust.is_good(),
            detail,
        }
    }

    /// A deferral of what another process is to try at once.
    pub fn left(&self, work: &Work, report: &Report) -> AttemptResult {
        untried(self.result(work, report), Duration::ZERO)
    }

    pub async fn settle(&self, work: &Work, result: &AttemptResult) {
        let id = queue_id(work.message_id);
        let (mut refused, mut rest, mut is_repeated) = (0, self.times.rest(), false);
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
                    let why = match is_repeated {
                        true => "it was written before, or another worker took it over",
                        false => "another worker took it over",
                    };
                    tracing::warn!(event = "lease_lost", queue_id = %id, why);
                    return;
                }
                Err(fault) => {
                    is_repeated = true;
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
                        rest = (2 * rest).min(self.times.longest_rest());
                    }
                }
            }
        }
    }

    /// Gives back for a minute what was not tried, without its key: nothing is written down but that. If that can't be written
    /// its lease ends.
    pub async fn give_back(&self, work: &Work) {
        let until = Timestamp::now().after(NO_MEMORY);
        for _ in 0..SETTLE_AGAIN {
            match self.relay.give_back(work, until).await {
                Ok(_) => return,
                Err(fault) if fault.is_passing() => tokio::time::sleep(self.times.rest()).await,
                Err(_) => return,
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

/// A deferral of what nobody was asked to take, with its rest cut to `longest`. Nothing ends by that, however late it is.
fn untried(deferred: AttemptResult, longest: Duration) -> AttemptResult {
    let latest = Timestamp::now().after(longest);
    let retry_at = deferred.retry_at.map_or(latest, |at| at.min(latest));
    AttemptResult { retry_at: Some(retry_at), was_tried: false, ..deferred }
}

/// What a report says of the destination, not of the message.
pub(super) fn effect_of(report: &Report) -> Effect {
    let Outcome::Deferred { status, .. } = report.outcome else { return Effect::Answered };
    match report.phase {
        Phase::Slot => report.crowded.map_or(Effect::Ours, Effect::Crowded),
        // The resolver did not answer: that says nothing of whom it was asked about.
        Phase::Resolve if report.tls_failure.is_none() => Effect::Unresolved,
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
    use crate::smtp::client::Verdict as Said;

    /// A report of a failure with these words at a phase.
    fn failed(phase: Phase, reply: &str) -> (Report, Status) {
        let mut reader = crate::smtp::client::ReplyReader::new();
        reader.feed(format!("{reply}\r\n").as_bytes());
        let reply = reader.take().unwrap().unwrap();
        let status = reply.status();
        let said = Said { outcome: Outcome::Failed { status }, phase, remote_text: Some(reply.into_text()) };
        (Report::nowhere(said), status)
    }

    #[test]
    fn words_say_what_a_code_leaves_open() {
        for (phase, reply, expected) in [
            (Phase::Rcpt, "550 Unknown user canary@mail.example", Some((5, 1, 1))),
            (Phase::Rcpt, "550 Invalid recipient", Some((5, 1, 1))),
            (Phase::Rcpt, "550 5.5.0 Requested action not taken: mailbox unavailable", Some((5, 1, 1))),
            (
                Phase::Dot,
                "554 delivery error: dd This user doesn't have a mail.example account",
                Some((5, 1, 1)),
            ),
            (Phase::Rcpt, "550 5.7.1 unknown user, they say", Some((5, 7, 1))),
            (Phase::Dot, "554 5.5.0 this message doesn't have a valid DKIM signature", Some((5, 5, 0))),
            (Phase::Rcpt, "550 HELO name does not exist in DNS", None),
            (Phase::Rcpt, "550 5.5.0 mailbox unavailable: your address is blacklisted", Some((5, 5, 0))),
            (Phase::Rcpt, "550 Requested action not taken: mailbox unavailable", None),
            (Phase::Dot, "554 5.5.0 mailbox unavailable", Some((5, 5, 0))),
            (Phase::Rcpt, "550 Invalid recipient: relaying denied", None),
            (Phase::Rcpt, "550 unknown user: hana@spam-dns.domain.example", Some((5, 1, 1))),
            (Phase::Mail, "550 unknown user", None),
            (Phase::Rcpt, "550 sender verify failed: unknown user", None),
            (Phase::Rcpt, "550 unknown user in return-path", None),
            (Phase::Rcpt, "550 User hana not listed in Domino Directory", Some((5, 1, 1))),
            (Phase::Rcpt, "550 Your host is not listed in our list of friends", None),
            (Phase::Rcpt, "550 no", None),
        ] {
            let (report, status) = failed(phase, reply);
            assert_eq!(meant(&report, status).enhanced, expected, "{reply}");
        }
    }

    #[test]
    fn a_policy_may_be_of_us_and_a_mailbox_or_a_message_is_not() {
        for (phase, reply, expected) in [
            (Phase::Mail, "550 go away", true),
            (Phase::Rcpt, "550 5.7.1 blocked by a list", true),
            (Phase::Dot, "554 5.7.26 unauthenticated", true),
            (Phase::Data, "554 no", true),
            (Phase::Rcpt, "550 Your host is blacklisted at a list", true),
            (Phase::Dot, "554 poor reputation", true),
            (Phase::Rcpt, "550 5.1.8 <x@pc.example>: Sender address rejected: Domain not found", true),
            (Phase::Rcpt, "550 Sender verify failed", true),
            (Phase::Rcpt, "550 unknown user in return-path", true),
            (Phase::Rcpt, "550 5.1.1 unknown", false),
            (Phase::Rcpt, "550 User hana not listed in public Name & Address Book", false),
            (Phase::Rcpt, "550 no", false),
            (Phase::Mail, "552 5.3.4 too large", false),
            (Phase::Mail, "550 5.6.7 no UTF-8", false),
            (Phase::Dot, "554 no", false),
        ] {
            let (report, status) = failed(phase, reply);
            assert_eq!(may_be_of_us(&report, status), expected, "{reply}");
        }
    }

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
