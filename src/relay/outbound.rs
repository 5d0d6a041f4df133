//! The way out: opening what the spool holds, and what an attempt's result means for delivery, log and sender.

use super::envelope::{ChosenHop, Envelope, body_place, open_recipient};
use super::notice::Outcome;
use super::record::{About, Entry, Moment};
use super::{Event, Relay, RelayFault};
use crate::anonymize::{self, Anonymized, Forbidden};
use crate::mail::{Alias, Domain, RealAddress, Timestamp};
use crate::schedule::Deadlines;
use crate::store::{Doubt, Mailbox, NewRecord, Next, Settlement, StoreFault, Work};
use crate::vault::DataKey;

/// A message on its way out, opened and past the gate.
pub struct Outbound {
    /// Ours: a return address, or null for a notice.
    pub reverse_path: Option<Alias>,
    pub forward_path: RealAddress,
    pub message: Anonymized,
    /// Whether SMTPUTF8 must be asked for.
    pub utf8: bool,
    /// Whether it may go only over proven TLS (RFC 8689).
    pub require_tls: bool,
    /// Whether it tells its reader how TLS to the reader's own servers went (RFC 8460).
    pub tells_of_tls: bool,
    /// Whose DKIM key signs.
    pub domain: Domain,
    /// Where the operator sends it instead of where its domain goes.
    pub next_hop: Option<ChosenHop>,
}

/// Why a message of the spool is not sent.
#[derive(Debug, thiserror::Error)]
pub enum Unsent {
    /// The gate found in it what must not leave: an older version let it pass.
    #[error("the gate found a real address in it")]
    Gate,
    #[error(transparent)]
    Fault(#[from] RelayFault),
}

/// What a delivery came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Delivered,
    Deferred,
    Failed,
}

/// The result of an attempt, as the egress floor saw it.
pub struct AttemptResult {
    pub verdict: Verdict,
    /// Code and enhanced code, such as `550 5.1.1`.
    pub status: String,
    /// When to try again; none when the time is over.
    pub retry_at: Option<Timestamp>,
    /// Whether anybody was asked to take it. What was put off by us alone costs no attempt, and is no event.
    pub was_tried: bool,
    /// Whether the next hop may have taken it all the same.
    pub doubt: Doubt,
    /// Whether the clock is to be believed: by one that leapt nobody is told that a mail is late.
    pub is_time_sure: bool,
    /// What is sealed in the record: next hop, TLS, what the remote server said.
    pub detail: serde_json::Value,
}

impl Relay {
    /// Opens a leased delivery.
    ///
    /// # Errors
    /// [`Unsent`] when it does not open, or does not pass the gate: the message is not sent but held.
    pub async fn outbound(&self, work: &Work) -> Result<Outbound, Unsent> {
        let key = self.data_key(&work.key).map_err(RelayFault::from)?;
        let envelope = Envelope::open(&key, work.message_id, &work.envelope)?;
        let forward_path = open_recipient(&key, work.delivery_id, &work.recipient)?;
        let message = self.past_the_gate(&key, work, &envelope).await?;
        let from = envelope.from.alias()?;
        let reverse_path = envelope.returns.then(|| {
            // A bounce may come long after the last attempt; RFC 5321 §4.5.4.1 lets others try for 4 to 5 days.
            let until = work.expires_at.after(std::time::Duration::from_secs(10 * 86_400));
            Alias::new(self.vault().returns.mint(work.delivery_id, until), from.domain().clone())
        });
        Ok(Outbound {
            reverse_path,
            forward_path,
            utf8: envelope.utf8 && message.needs_smtputf8(),
            require_tls: envelope.require_tls,
            tells_of_tls: envelope.tells_of_tls,
            message,
            domain: from.domain().clone(),
            next_hop: envelope.next_hop,
        })
    }

    /// The body of a message, once more through the gate.
    pub(super) async fn past_the_gate(
        &self,
        key: &DataKey,
        work: &Work,
        envelope: &Envelope,
    ) -> Result<Anonymized, Unsent> {
        let body = self.store().body(work.message_id).await.map_err(RelayFault::from)?;
        let body = body.ok_or(RelayFault::Malformed("message_body"))?;
        let mut plain = self.open_in(key, body_place(work.message_id), &body).await?;
        let secrets = envelope.secrets()?;
        let plain = std::mem::take(&mut *plain);
        let look = |plain| {
            let secrets: Vec<anonymize::Secret<'_>> =
                secrets.iter().map(|(address, alias)| anonymize::Secret { address, alias }).collect();
            let forbidden =
                Forbidden { secrets: &secrets, traces: &envelope.traces, files: envelope.files() };
            anonymize::pass_gate(plain, &forbidden)
        };
        self.in_turn(plain.len(), move || look(plain)).await.map_err(|_| Unsent::Gate)
    }

    /// When a delivery's time began: at its acceptance, or at its release.
    #[must_use]
    pub fn begun(&self, work: &Work) -> Timestamp {
        let expire = i64::try_from(self.policy().expire.as_millis()).unwrap_or(i64::MAX);
        let released = Timestamp::from_millis(work.expires_at.as_millis().saturating_sub(expire));
        released.max(work.received_at)
    }

    /// Writes an attempt's result with its record and, where the sender is to be told, the notice.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer: try again, or the attempt is repeated after the lease.
    pub async fn settle(&self, work: &Work, result: &AttemptResult) -> Result<bool, RelayFault> {
        let now = Timestamp::now();
        let key = self.data_key(&work.key)?;
        let late = result.is_time_sure && now.since(self.begun(work)) >= self.policy().delay_notice;
        let (next, event, outcome) = match (result.verdict, result.retry_at) {
            (Verdict::Delivered, _) => (Next::Delivered, Event::Delivered, Some(Outcome::Relayed)),
            (Verdict::Failed, _) => (Next::Failed, Event::Failed, Some(Outcome::Failed)),
            (Verdict::Deferred, None) => (Next::Failed, Event::Failed, Some(Outcome::Expired)),
            (Verdict::Deferred, Some(at)) => {
                let outcome = (late && !work.delay_noticed).then_some(Outcome::Delayed);
                (Next::Again(at), Event::Deferred, outcome)
            }
        };
        if next == Next::Failed && work.merchant_id == super::INSTALLATION {
            // Nobody is told by mail of what the relay itself sends: who runs it reads its log.
            let id = super::queue_id(work.message_id);
            tracing::error!(event = "own_mail_failed", queue_id = id, status = %result.status, "mail of the relay itself did not arrive");
        }
        let notice = match outcome {
            Some(outcome) => self.notice(&key, work, outcome, &result.status, now).await,
            None => None,
        };
        let is_late = outcome == Some(Outcome::Delayed);
        // What nobody was asked to take leaves no record, but that its sender was told of it does.
        let record = match (result.was_tried || next.is_end(), is_late) {
            (true, _) => {
                let moment = Moment { at: now, ..self.moment() };
                Some(self.record_of_attempt(moment, &key, event, work, result))
            }
            (false, true) => {
                let attempts = work.attempt.saturating_sub(1);
                let detail =
                    serde_json::json!({ "reason": "waits", "attempts": attempts, "told": notice.is_some() });
                Some(self.work_record(&key, event, work, &detail))
            }
            (false, false) => None,
        };
        let settlement = Settlement {
            delivery_id: work.delivery_id,
            message_id: work.message_id,
            lease: work.lease,
            at: now,
            next,
            status: Some(result.status.clone()),
            was_tried: result.was_tried,
            record,
            notice: notice.map(Box::new),
            late: is_late.then(|| Deadlines::told(work.expires_at)),
            doubt: result.doubt,
            mailbox: self.mailbox_after(&key, work, result),
            keep_body: if next == Next::Failed { self.body_kept(work, now) } else { None },
        };
        let is_settled = self.store().settle(settlement).await?;
        let is_undelivered_notice =
            next == Next::Failed && work.direction == "notice" && work.merchant_id != super::INSTALLATION;
        if is_settled && is_undelivered_notice {
            self.tell_undelivered(work, &result.status, now).await;
        }
        Ok(is_settled)
    }

    /// Until when the body of a delivery that fails now stays: of what a store can have sent once more.
    pub(super) fn body_kept(&self, work: &Work, now: Timestamp) -> Option<Timestamp> {
        let is_theirs = work.conversation_id.is_some()
            && matches!(work.direction.as_str(), "to_customer" | "to_merchant");
        let keep = self.policy().keep_failed.filter(|_| is_theirs)?;
        let last = work.received_at.after(keep.texts.saturating_sub(self.policy().expire));
        Some(now.after(keep.period).min(last)).filter(|until| *until > now)
    }

    /// Puts off a leased delivery that nobody was asked to take: no attempt, no event, and no key is needed.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn give_back(&self, work: &Work, until: Timestamp) -> Result<bool, StoreFault> {
        let settlement = Settlement {
            delivery_id: work.delivery_id,
            message_id: work.message_id,
            lease: work.lease,
            at: Timestamp::now(),
            next: Next::Again(until),
            status: Some("451 4.3.0".into()),
            was_tried: false,
            record: None,
            notice: None,
            late: None,
            doubt: Doubt::Clear,
            mailbox: Mailbox::Nothing,
            keep_body: None,
        };
        self.store().settle(settlement).await
    }

    /// The record of an attempt.
    pub(super) fn record_of_attempt(
        &self,
        moment: Moment,
        key: &DataKey,
        event: Event,
        work: &Work,
        result: &AttemptResult,
    ) -> NewRecord {
        let (about, source, detail) = (self.about(work), None, &result.detail);
        let record = self.sealed_at(moment, key, &Entry { event, about, source, detail, headers: None });
        let fact = self.fact_of_attempt(key, work, result, moment.at);
        self.examined(record.found_by(fact), None)
    }

    /// Seals a record about a message of the queue.
    pub(super) fn work_record(
        &self,
        key: &DataKey,
        event: Event,
        work: &Work,
        detail: &serde_json::Value,
    ) -> NewRecord {
        let record = self.sealed_record(key, event, self.about(work), None, detail, None);
        let fact = self.fact_of_work(key, work, record.at);
        record.found_by(fact)
    }

    pub(super) fn about(&self, work: &Work) -> About {
        About {
            merchant: Some(work.merchant_id),
            conversation: work.conversation_id,
            message: Some(work.message_id),
            delivery: Some(work.delivery_id),
        }
    }
}
