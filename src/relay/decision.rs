//! A sender's decision about a message of its own that is held, by a mail to one of the two addresses in the notice.
//!
//! Rules: the address is a token that names delivery and decision; who knows it has decided nothing yet. A decision
//! counts when it comes from the held message's own sender: with a From that is the order's address (port 25), or from
//! the store's own login (submission), and is no automatic mail: a vacation text confirms nothing. The sender needs no
//! other proof: the token went to that address alone, and who has it reads its mail.
//! The mail itself is not read further, not kept and not passed on. Whoever else writes there learns what a wrong
//! alias would tell.

use super::accept::Incoming;
use super::automatic::is_automatic;
use super::envelope::Envelope;
use super::hold::{DOCUMENT, OTHER_ADDRESS, UNPROVEN};
use super::record::peer_json;
use super::{Event, Login, Notify, Recipient, Refusal, Relay, queue_id};
use crate::mail::{RealAddress, Timestamp};
use crate::store::{Ruled, Ruling, Standing, Work};
use crate::vault::Decision;

/// Who wants to decide.
#[derive(Clone, Copy)]
pub(super) enum Decider<'a> {
    /// A store, by its login.
    Store(&'a Login),
    /// Whoever writes to the MX; which message is his own is seen when From is known.
    Outside,
}

/// What a sender who confirms says.
enum Vouches {
    /// That the files may show what they show.
    ForFiles,
    /// That the mail is his.
    ForSender,
}

/// Whether a message is this store's own.
fn is_stores(work: &Work, login: &Login) -> bool {
    matches!(work.direction.as_str(), "to_customer" | "copy") && login.merchant.id == work.merchant_id
}

impl Relay {
    /// The decision that a local part spells, if it does and this one may decide. `Ok(None)`: it is no such token.
    pub(super) async fn decision_recipient(
        &self,
        by: Decider<'_>,
        local: &str,
    ) -> Result<Option<Recipient>, Refusal> {
        let Some((decision, said)) = self.vault().decisions.open(local, Timestamp::now()) else {
            return Ok(None);
        };
        if said.expired {
            return Err(Refusal::UnknownAlias);
        }
        if decision == Decision::Correct {
            let may = matches!(by, Decider::Outside) && self.is_correction(said.delivery).await?;
            let recipient = Recipient::Decision { delivery: said.delivery, decision };
            return if may { Ok(Some(recipient)) } else { Err(Refusal::UnknownAlias) };
        }
        let work = self.store().delivered_work(said.delivery).await?.ok_or(Refusal::UnknownAlias)?;
        let may = match by {
            Decider::Store(login) => is_stores(&work, login),
            Decider::Outside => work.direction == "to_merchant",
        };
        if !may {
            return Err(Refusal::UnknownAlias);
        }
        Ok(Some(Recipient::Decision { delivery: said.delivery, decision }))
    }

    /// Whether an author at port 25 may decide about all that his mail decides about.
    pub(super) async fn may_decide(
        &self,
        incoming: &Incoming<'_>,
        author: &RealAddress,
    ) -> Result<(), Refusal> {
        for (recipient, _) in &incoming.recipients {
            let Recipient::Decision { delivery, decision } = recipient else { continue };
            if *decision == Decision::Correct {
                self.may_correct(*delivery, author).await?;
                continue;
            }
            let work = self.store().delivered_work(*delivery).await?.ok_or(Refusal::UnknownAlias)?;
            let key = self.data_key(&work.key)?;
            let envelope = Envelope::open(&key, work.message_id, &work.envelope)?;
            let own = envelope.sender.as_deref().and_then(|own| RealAddress::parse(own).ok());
            if !own.is_some_and(|own| own.same_mailbox(author)) {
                return Err(Refusal::UnknownAlias);
            }
        }
        Ok(())
    }

    /// Takes a decision. The queue id of the message that it is about. Decided already: nothing happens.
    pub(super) async fn decide(
        &self,
        delivery: i64,
        decision: Decision,
        incoming: &Incoming<'_>,
    ) -> Result<String, Refusal> {
        if decision == Decision::Correct {
            return self.correct(delivery, incoming).await;
        }
        let now = Timestamp::now();
        let Some(work) = self.store().delivered_work(delivery).await? else {
            return Ok(queue_id(self.next_id()));
        };
        let id = queue_id(work.message_id);
        let key = self.data_key(&work.key)?;
        let (event, word) = match (is_automatic(&incoming.bytes), decision) {
            (true, _) => (Event::Ignored, "automatic"),
            (false, Decision::Confirm) => (Event::Released, "confirm"),
            (false, Decision::Withdraw | Decision::Correct) => (Event::Dropped, "withdraw"),
        };
        let detail = serde_json::json!({
            "by": "sender",
            "decision": word,
            "peer": peer_json(incoming.peer),
            "size_received": incoming.bytes.len(),
        });
        let record =
            self.sealed_record(&key, event, self.about(&work), Some(incoming.peer.ip), &detail, None);
        let fact = self.fact_of_mail(incoming, record.at);
        let record = record.found_by(fact);
        let rows = self.store().queue_of_message(work.message_id).await?;
        let held_for = rows.into_iter().find(|row| row.delivery_id == delivery).and_then(|row| row.held_for);
        let (held_for, vouches) = match held_for.as_deref() {
            Some(UNPROVEN) => (UNPROVEN, Vouches::ForSender),
            Some(OTHER_ADDRESS) => (OTHER_ADDRESS, Vouches::ForSender),
            _ => (DOCUMENT, Vouches::ForFiles),
        };
        let to = match event {
            Event::Released => {
                let mut envelope = Envelope::open(&key, work.message_id, &work.envelope)?;
                match vouches {
                    Vouches::ForFiles => envelope.confirmed = true,
                    // It is the party's now, which is told when it fails.
                    Vouches::ForSender => envelope.notify = Notify::default(),
                }
                let sealed = envelope.seal(&key, work.message_id)?;
                let expires_at = now.after(self.policy().expire);
                Ruled::Released { envelope: sealed, expires_at, look_at: self.deadlines().first(now) }
            }
            Event::Dropped => Ruled::Dropped,
            // Whoever waits for it sees in the log why nothing happens: a program that stamps what people write, or a
            // vacation text, which must not be answered (RFC 3834 §2).
            _ => {
                self.store().record(vec![record]).await?;
                let reason = "a mail that says a program wrote it decides nothing";
                tracing::warn!(event = event.as_str(), queue_id = %id, by = "sender", reason);
                return Ok(id);
            }
        };
        let ruling = Ruling {
            delivery_id: delivery,
            message_id: work.message_id,
            at: now,
            from: Standing::HeldFor(held_for),
            to,
            record,
            notice: None,
        };
        if self.store().rule(ruling).await? {
            tracing::info!(event = event.as_str(), queue_id = %id, by = "sender");
        }
        Ok(id)
    }
}
