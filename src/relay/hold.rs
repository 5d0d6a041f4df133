//! Messages that must not be sent without a decision: holding them, and what happens when nobody decides.
//!
//! Rules: a held message keeps its body, sealed, and is told to its sender at once and to the operator as a warning in
//! the log with queue id and reason, never a word of it. It ends: released, dropped, or dropped when its time is over.
//! When it fails: what cannot be opened stays held for `fault`, since nobody could be told of its end.

use super::admission::{Ask, Doubt};
use super::envelope::Envelope;
use super::leg::Leg;
use super::notice::{Outcome, Subject};
use super::outbound::Unsent;
use super::{Conversation, Event, Relay, RelayFault, queue_id};
use crate::anonymize::Hold;
use crate::mail::Timestamp;
use crate::store::{self, Kind, Mailbox, Next, Ruled, Ruling, Settlement, Standing, Work};

/// Most holds that one look ends.
const ENDED_AT_ONCE: i64 = 50;
/// Most messages of one conversation that are held at once: whoever sends more has not read the notices.
const HELD_OF_CONVERSATION: i64 = 20;
/// Most of one store's, whose inquiries anybody can open. They keep their bodies; what comes beyond is refused.
const HELD_OF_STORE: i64 = 100;
/// The same for mail whose sender is in doubt, which anybody can send: it must not take the places of the others.
const DOUBTED_OF_CONVERSATION: i64 = 5;
const DOUBTED_OF_STORE: i64 = 50;
/// The same of a store's inquiries, so that orders keep places: anybody can fill these. Within orders every doubt has
/// the same places, whoever is asked about it, since who is asked says whether a guess of an address was right.
const INQUIRIES_OF_STORE: i64 = 25;

/// The words of `delivery.held_for`.
pub(super) const RESIDUE: &str = "residue";
pub(super) const DOCUMENT: &str = "document";
pub(super) const UNPROVEN: &str = "unproven";
pub(super) const OTHER_ADDRESS: &str = "other_address";
pub(super) const OPERATOR: &str = "operator";
pub(super) const RULE: &str = "rule";
pub(super) const FAULT: &str = "fault";

/// Why a new message is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// What is in it.
    Content(Hold),
    /// Who wrote it.
    Sender(Doubt, Ask),
    /// A rule that looks for fraud.
    Rule,
}

/// The word of a hold.
pub(super) fn word(why: Why) -> &'static str {
    match why {
        Why::Content(Hold::Residue) => RESIDUE,
        Why::Content(Hold::Document) => DOCUMENT,
        Why::Sender(Doubt::Unproven, _) => UNPROVEN,
        Why::Sender(Doubt::OtherAddress, _) => OTHER_ADDRESS,
        Why::Rule => RULE,
    }
}

/// Alerts the operator.
pub(super) fn alert(message: i64, why: &'static str) {
    tracing::warn!(
        event = "held",
        queue_id = queue_id(message),
        reason = why,
        "a message waits for a decision"
    );
}

impl Relay {
    /// Until when a message is held that is held from now on.
    pub(super) fn held_until(&self, now: Timestamp) -> Timestamp {
        now.after(self.policy().hold_expire)
    }

    /// Whether one more message may be held.
    pub(super) async fn may_hold(&self, leg: &Leg<'_>) -> Result<bool, RelayFault> {
        let places = match (&leg.doubt, leg.conversation.map(|conversation| conversation.kind)) {
            (None, _) => (HELD_OF_STORE, HELD_OF_CONVERSATION),
            (Some(_), Some(Kind::Inquiry)) => (INQUIRIES_OF_STORE, DOUBTED_OF_CONVERSATION),
            (Some(_), _) => (DOUBTED_OF_STORE, DOUBTED_OF_CONVERSATION),
        };
        self.has_room(leg.merchant.id, leg.conversation.map(Conversation::order), places).await
    }

    /// Whether a store may have one more inquiry held whose sender is in doubt, before it is opened.
    pub(super) async fn may_hold_inquiry(&self, merchant: i64) -> Result<bool, RelayFault> {
        self.has_room(merchant, None, (INQUIRIES_OF_STORE, DOUBTED_OF_CONVERSATION)).await
    }

    async fn has_room(
        &self,
        merchant: i64,
        order: Option<i64>,
        (store_max, order_max): (i64, i64),
    ) -> Result<bool, RelayFault> {
        let (of_store, of_order) = self.store().held(merchant, order).await?;
        Ok(of_store < store_max && of_order < order_max)
    }

    /// Holds a leased delivery that must not be sent. Its sender is told where the message itself was the reason.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn hold(&self, work: &Work, unsent: &Unsent) -> Result<bool, RelayFault> {
        let now = Timestamp::now();
        let until = self.held_until(now);
        // What does not open has no key that could seal a record of it.
        let key = self.data_key(&work.key).ok().filter(|_| matches!(unsent, Unsent::Gate));
        let why = if key.is_some() { RESIDUE } else { FAULT };
        let detail = serde_json::json!({ "reason": why, "cause": unsent.to_string() });
        let (record, notice) = match &key {
            Some(key) => {
                let envelope = Envelope::open(key, work.message_id, &work.envelope)?;
                let subject = Subject { expires_at: until, ..Subject::from(work) };
                let outcome = Outcome::Held(Hold::Residue);
                let notice = self.notice_about(key, subject, &envelope, outcome, "", now);
                (self.work_record(key, Event::Held, work, &detail), notice)
            }
            None => {
                let key = &self.inner.installation;
                (self.work_record(key, Event::Held, work, &detail), None)
            }
        };
        let settlement = Settlement {
            delivery_id: work.delivery_id,
            message_id: work.message_id,
            lease: work.lease,
            at: now,
            next: Next::Held { why, until },
            status: None,
            was_tried: true,
            record: Some(record),
            notice: notice.map(Box::new),
            late: None,
            doubt: store::Doubt::Clear,
            mailbox: Mailbox::Nothing,
            keep_body: None,
        };
        if let Unsent::Fault(fault) = unsent {
            tracing::error!(event = "fault", %fault, queue_id = queue_id(work.message_id), "a message does not open");
        }
        let held = self.store().settle(settlement).await?;
        if held {
            alert(work.message_id, why);
        }
        Ok(held)
    }

    /// Drops what has been held for too long, each with a word to its sender. How many.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn end_holds(&self, now: Timestamp) -> Result<usize, RelayFault> {
        let mut ended = 0;
        for (delivery, held_for) in self.store().overdue(now, ENDED_AT_ONCE).await? {
            let Some(work) = self.work_of(delivery).await? else {
                self.store().hold_for_fault(delivery).await?;
                continue;
            };
            let outcome = if held_for == OPERATOR { Outcome::Stopped } else { Outcome::NotReleased };
            let ruling = self.end_of(&work, outcome, Standing::Overdue, "time", now);
            let ruling = match ruling {
                Ok(ruling) => ruling,
                // It would come up again and again, and its sender could not be told: the operator's now.
                Err(fault) => {
                    let queue_id = queue_id(work.message_id);
                    tracing::error!(event = "fault", %fault, queue_id, "a held message does not open");
                    self.keep_for_fault(&work, now)
                }
            };
            let ruled = match self.store().rule(ruling).await {
                Err(fault) if !fault.is_passing() => {
                    let queue_id = queue_id(work.message_id);
                    tracing::error!(event = "fault", %fault, queue_id, "the end of a held message can't be written");
                    false
                }
                ruled => ruled?,
            };
            if ruled {
                tracing::info!(event = "hold_ended", queue_id = queue_id(work.message_id));
                ended += 1;
            }
        }
        Ok(ended)
    }

    /// The end of a message that is not sent: who ended it stands in the record, and its sender is told.
    pub(super) fn end_of(
        &self,
        work: &Work,
        outcome: Outcome,
        from: Standing,
        by: &'static str,
        now: Timestamp,
    ) -> Result<Ruling, RelayFault> {
        let key = self.data_key(&work.key)?;
        // Seen to open before anything is destroyed.
        let envelope = Envelope::open(&key, work.message_id, &work.envelope)?;
        let notice = self.notice_about(&key, Subject::from(work), &envelope, outcome, "", now);
        let detail = serde_json::json!({ "by": by, "user": self.user() });
        Ok(Ruling {
            delivery_id: work.delivery_id,
            message_id: work.message_id,
            at: now,
            from,
            to: Ruled::Dropped,
            record: self.work_record(&key, Event::Dropped, work, &detail),
            notice: notice.map(Box::new),
        })
    }

    fn keep_for_fault(&self, work: &Work, now: Timestamp) -> Ruling {
        let detail = serde_json::json!({ "reason": FAULT });
        Ruling {
            delivery_id: work.delivery_id,
            message_id: work.message_id,
            at: now,
            from: Standing::Overdue,
            to: Ruled::Held { why: FAULT, until: work.expires_at },
            record: self.work_record(&self.inner.installation, Event::Held, work, &detail),
            notice: None,
        }
    }
}
