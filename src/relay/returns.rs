//! Mail that programs write by themselves: bounces, receipts, complaints, automatic replies.
//!
//! Rules: of a bounce nothing is passed on; the sender of the message that failed gets a notice of our own. A return
//! address names the delivery, so nothing in the bounce needs to be believed except what kind of answer it is. At an
//! alias the message is found by the pseudonym that we gave its Message-ID, which nobody guesses; what names none is
//! recorded and ends here. A bounce that is not clear fails nothing, since it could fail a mail that arrived.
//! An automatic reply passes once a day for a conversation and a side, from the null sender, and nobody is told of its
//! fate (RFC 3834 §2, §4): two answering programs tell each other two things a day. The others are recorded.
//! When it fails: [`Refusal`]; a mail system keeps what it could not bring.

use super::accept::{Incoming, Receipt};
use super::admission::Admitted;
use super::leg::Leg;
use super::record::{About, peer_json};
use super::routing::{check_alive, is_program};
use super::{Conversation, Event, Notify, Recipient, Refusal, Relay, RelayFault, Wishes, queue_id};
use crate::anonymize;
use crate::mail::{RealAddress, Timestamp};
use crate::mime::automatic::{self, Automatic, Bounce, Fate, ReversePath};
use crate::senders::Verdict;
use crate::store::{Acceptance, NewRecord, Work};
use crate::vault::{DataKey, Index, Indexed, Side};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Duration;

/// Of all automatic replies of one side of a conversation one passes in this time.
const REPLY_EVERY: Duration = Duration::from_secs(86_400);

/// The bytes of an automatic reply with the field that says so in front, where it is the one that counts.
pub(super) fn marked<'a>(bytes: &'a [u8], leg: &Leg<'_>) -> Cow<'a, [u8]> {
    if leg.automatic {
        Cow::Owned([b"Auto-Submitted: auto-replied\r\n", bytes].concat())
    } else {
        Cow::Borrowed(bytes)
    }
}

/// Records of what came back for one message, or at one alias, in a day, before no more are written.
const RECORDED: u32 = 20;
/// Messages of which that is remembered; then it begins anew.
const REMEMBERED: usize = 4096;

/// How much of what came back was recorded, and since when.
#[derive(Default)]
pub(super) struct Heard(HashMap<i64, (u32, Timestamp)>);

impl Heard {
    fn may_record(&mut self, id: i64, now: Timestamp) -> bool {
        if self.0.len() >= REMEMBERED && !self.0.contains_key(&id) {
            self.0.clear();
        }
        let (count, since) = self.0.entry(id).or_insert((0, now));
        if now.since(*since) > REPLY_EVERY {
            (*count, *since) = (0, now);
        }
        *count = count.saturating_add(1);
        *count <= RECORDED
    }
}

/// What is written in a record of it.
pub(super) fn word(kind: &Automatic) -> &str {
    match kind {
        Automatic::Bounce(Bounce { fate: Fate::Failed(status), .. }) => status,
        Automatic::Bounce(Bounce { fate: Fate::Delayed, .. }) => "delayed",
        Automatic::Bounce(Bounce { fate: Fate::Arrived, .. }) => "arrived",
        Automatic::Bounce(Bounce { fate: Fate::Unclear, .. }) => "unclear",
        Automatic::AutoReply => "auto_reply",
        Automatic::Receipt => "receipt",
        Automatic::Complaint => "complaint",
        Automatic::Feedback => "feedback",
        Automatic::Person => "other",
    }
}

/// The word for messages that a side writes.
pub(super) fn direction_of(writer: Side) -> &'static str {
    match writer {
        Side::Merchant => "to_customer",
        Side::Customer => "to_merchant",
    }
}

impl Relay {
    /// Takes mail from the null sender, or from a mailer daemon.
    pub(super) async fn take_automatic(
        &self,
        incoming: &Incoming<'_>,
        now: Timestamp,
    ) -> Result<Receipt, Refusal> {
        if !incoming.recipients.iter().all(|(recipient, _)| recipient.is_for_programs()) {
            return Err(Refusal::NotAutomatic);
        }
        let kind = automatic::read(&incoming.bytes, ReversePath::Null);
        let mut queue_ids = Vec::new();
        for (recipient, _) in &incoming.recipients {
            let id = match recipient {
                // Providers report under names of their own.
                Recipient::Return { .. }
                    if !is_program(incoming.sender)
                        && !matches!(kind, Automatic::Complaint | Automatic::Feedback) =>
                {
                    return Err(Refusal::UnknownAlias);
                }
                Recipient::Return { delivery } => self.take_return(*delivery, &kind, incoming, now).await?,
                Recipient::Automatic { conversation, side } => {
                    self.take_at_alias(conversation, *side, &kind, incoming, now).await?
                }
                _ => None,
            };
            queue_ids.push(queue_id(id.unwrap_or_else(|| self.next_id())));
        }
        Ok(Receipt::of(incoming, queue_ids))
    }

    /// Takes what came back to a return address. The id of the message that it became, if it became one.
    async fn take_return(
        &self,
        delivery: i64,
        kind: &Automatic,
        incoming: &Incoming<'_>,
        now: Timestamp,
    ) -> Result<Option<i64>, Refusal> {
        let Some(work) = self.store().delivered_work(delivery).await? else {
            // Its time is over; the answer is the same, so that nobody can ask which deliveries there are.
            return Ok(None);
        };
        if let Automatic::Bounce(bounce) = kind {
            self.take_bounce(&work, bounce, incoming, now).await?;
            return Ok(None);
        }
        // The null sender says already that a program wrote it; many vacation texts say it nowhere else.
        if matches!(kind, Automatic::AutoReply | Automatic::Person)
            && let Some((conversation, side)) = self.conversation_back(&work).await?
            && check_alive(&conversation, now).is_ok()
            && self.is_proven_reply(&conversation, side.other(), incoming).await?
        {
            return self.pass_reply(&conversation, side, incoming, now).await.map(Some);
        }
        let key = self.data_key(&work.key)?;
        if *kind == Automatic::Complaint {
            self.complained(&key, &work).await?;
        }
        self.record_automatic(&key, self.about(&work), word(kind), incoming).await?;
        Ok(None)
    }

    /// Takes what came to an alias without a sender.
    async fn take_at_alias(
        &self,
        conversation: &Conversation,
        side: Side,
        kind: &Automatic,
        incoming: &Incoming<'_>,
        now: Timestamp,
    ) -> Result<Option<i64>, Refusal> {
        match kind {
            Automatic::AutoReply if self.is_proven_reply(conversation, side.other(), incoming).await? => {
                self.pass_reply(conversation, side, incoming, now).await.map(Some)
            }
            Automatic::AutoReply | Automatic::Person => Err(Refusal::NotAutomatic),
            kind => {
                self.take_about(conversation, side, kind, incoming, now).await?;
                Ok(None)
            }
        }
    }

    /// Keeps bounces, receipts and complaints from a party's own address back; `None` for everything else.
    pub(super) async fn keep_back(
        &self,
        incoming: &Incoming<'_>,
        kind: &Automatic,
    ) -> Result<Option<Receipt>, Refusal> {
        let for_a_party = |(recipient, _): &(Recipient, Wishes)| !matches!(recipient, Recipient::Copy(_));
        // What goes to a store's own address alone is its own affair; the anonymizer decides.
        if matches!(kind, Automatic::AutoReply | Automatic::Person)
            || !incoming.recipients.iter().any(for_a_party)
        {
            return Ok(None);
        }
        if let Automatic::Bounce(bounce) = kind
            && !self.is_proven(bounce, incoming).await?
        {
            return Ok(None);
        }
        let now = Timestamp::now();
        let mut queue_ids = Vec::new();
        for (recipient, _) in &incoming.recipients {
            match recipient {
                Recipient::Party { conversation, side } => {
                    self.take_about(conversation, *side, kind, incoming, now).await?;
                }
                Recipient::Inquiry(merchant) => {
                    let about = About { merchant: Some(merchant.id), ..About::default() };
                    self.record_automatic(&merchant.key, about, word(kind), incoming).await?;
                }
                _ => {}
            }
            queue_ids.push(queue_id(self.next_id()));
        }
        Ok(Some(Receipt::of(incoming, queue_ids)))
    }

    /// A bounce, receipt or complaint about something that `side` wrote in this conversation.
    async fn take_about(
        &self,
        conversation: &Conversation,
        side: Side,
        kind: &Automatic,
        incoming: &Incoming<'_>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if let Automatic::Bounce(bounce) = kind
            && let Some(delivery) = self.bounced_delivery(conversation, side, &bounce.original_ids).await?
            && let Some(work) = self.store().delivered_work(delivery).await?
        {
            return self.take_bounce(&work, bounce, incoming, now).await;
        }
        let about = About {
            merchant: Some(conversation.merchant.id),
            conversation: Some(conversation.id),
            ..About::default()
        };
        self.record_automatic(&conversation.key, about, word(kind), incoming).await
    }

    /// Passes an automatic reply to the party that `side`'s alias stands for, if it is the day's first.
    async fn pass_reply(
        &self,
        conversation: &Conversation,
        side: Side,
        incoming: &Incoming<'_>,
        now: Timestamp,
    ) -> Result<i64, Refusal> {
        let leg = self.party_leg(incoming, conversation, side, Notify::default()).await?.of_a_program();
        let message = self.compose(incoming, leg, now).await?;
        let accepted = self.store().accept(vec![message]).await?;
        match accepted.first() {
            Some(Acceptance::New(id)) => Ok(*id),
            Some(Acceptance::Duplicate(id)) => {
                self.record_reply_too_many(conversation, incoming).await;
                Ok(*id)
            }
            None => Err(Refusal::TryAgain),
        }
    }

    /// Records the automatic replies of a party's own address that were not the day's first.
    pub(super) async fn record_held_replies(
        &self,
        incoming: &Incoming<'_>,
        places: &[(&Recipient, usize)],
        accepted: &[Acceptance],
    ) {
        for (recipient, place) in places {
            match (recipient, accepted.get(*place)) {
                (Recipient::Party { conversation, .. }, Some(Acceptance::Duplicate(_))) => {
                    self.record_reply_too_many(conversation, incoming).await;
                }
                (Recipient::Inquiry(merchant), Some(Acceptance::Duplicate(_))) => {
                    let about = About { merchant: Some(merchant.id), ..About::default() };
                    let said = word(&Automatic::AutoReply);
                    let record = self.record_returned(&merchant.key, about, said, incoming);
                    self.keep(record).await;
                }
                _ => {}
            }
        }
    }

    /// The guard that lets one automatic reply a day pass: it is set in the transaction that accepts it.
    pub(super) fn one_reply_a_day(&self, leg: &Leg<'_>, now: Timestamp) -> Option<(Index, Timestamp)> {
        let (conversation, side) = (leg.conversation?.id, leg.writer?);
        let index = self.vault().index.of(Indexed::AutoReply { conversation, side });
        Some((index, now.after(REPLY_EVERY)))
    }

    async fn record_reply_too_many(&self, conversation: &Conversation, incoming: &Incoming<'_>) {
        let about = About {
            merchant: Some(conversation.merchant.id),
            conversation: Some(conversation.id),
            ..About::default()
        };
        self.keep(self.record_returned(&conversation.key, about, word(&Automatic::AutoReply), incoming))
            .await;
    }

    pub(super) async fn record_automatic(
        &self,
        key: &DataKey,
        about: About,
        said: &str,
        incoming: &Incoming<'_>,
    ) -> Result<(), Refusal> {
        // Whoever was shown a return address can write to it without end.
        let id = about.delivery.or(about.conversation).or(about.merchant).unwrap_or_default();
        let may =
            self.inner.heard.lock().unwrap_or_else(PoisonError::into_inner).may_record(id, Timestamp::now());
        if !may {
            tracing::info!(
                event = "returned_unrecorded",
                "so much came back for one message that no more is recorded"
            );
            return Ok(());
        }
        Ok(self.store().record(vec![self.record_returned(key, about, said, incoming)]).await?)
    }

    pub(super) fn record_returned(
        &self,
        key: &DataKey,
        about: About,
        said: &str,
        incoming: &Incoming<'_>,
    ) -> NewRecord {
        let detail = detail(said, incoming);
        let source = Some(incoming.peer.ip);
        let record = self.sealed_record(key, Event::Returned, about, source, &detail, None);
        let fact = self.fact_of_mail(incoming, record.at);
        record.found_by(fact)
    }

    /// The conversation of a delivery, and whose alias its recipient would answer to.
    async fn conversation_back(&self, work: &Work) -> Result<Option<(Conversation, Side)>, RelayFault> {
        let side = match work.direction.as_str() {
            "to_customer" => Side::Merchant,
            "to_merchant" => Side::Customer,
            _ => return Ok(None),
        };
        let Some(id) = work.conversation_id else { return Ok(None) };
        let Some(row) = self.store().conversation(id).await? else { return Ok(None) };
        Ok(Some((self.open_conversation_row(&row)?, side)))
    }

    /// Whether a program of this side wrote an automatic reply: From is an address of this side, and proven. One that is not
    /// is no question to anybody: it is not passed.
    async fn is_proven_reply(
        &self,
        conversation: &Conversation,
        side: Side,
        incoming: &Incoming<'_>,
    ) -> Result<bool, Refusal> {
        let from = anonymize::header_from(&incoming.bytes).unwrap_or_default();
        let [author] = from.as_slice() else { return Ok(false) };
        match self.prove(incoming, author).await {
            Verdict::Proven(_) => Ok(self.is_from(conversation, side, &incoming.bytes).await?),
            Verdict::Unproven(_) => Ok(false),
            Verdict::Unknown => Err(Refusal::SenderUnknown),
        }
    }

    /// Whether mail that came as a daemon's is that of a person whose address is a daemon's: a letter, from a party, proven.
    pub(super) async fn is_a_person_after_all(&self, incoming: &Incoming<'_>) -> Result<bool, Refusal> {
        let mut conversations = Vec::new();
        for (recipient, _) in &incoming.recipients {
            match recipient {
                Recipient::Automatic { conversation, side: Side::Merchant } => {
                    conversations.push(conversation)
                }
                _ => return Ok(false),
            }
        }
        let from = anonymize::header_from(&incoming.bytes).unwrap_or_default();
        let (Some(_), [author]) = (incoming.sender, from.as_slice()) else { return Ok(false) };
        if automatic::read(&incoming.bytes, ReversePath::Named) != Automatic::Person {
            return Ok(false);
        }
        match self.prove(incoming, author).await {
            Verdict::Proven(_) => Ok(conversations.iter().all(|own| own.customer.same_mailbox(author))),
            Verdict::Unproven(_) => Ok(false),
            Verdict::Unknown => Err(Refusal::SenderUnknown),
        }
    }

    /// Records an automatic reply whose sender is in doubt: nobody is asked whether his program wrote something.
    pub(super) async fn record_reply_in_doubt(
        &self,
        recipient: &Recipient,
        admitted: &Admitted,
        incoming: &Incoming<'_>,
    ) {
        let conversation = match (&admitted.conversation, recipient) {
            (Some(conversation), _) => conversation,
            (None, Recipient::Party { conversation, .. }) => conversation.as_ref(),
            _ => return,
        };
        self.record_reply_too_many(conversation, incoming).await;
    }

    /// Whether the header From is an address of this side, and no other.
    async fn is_from(
        &self,
        conversation: &Conversation,
        side: Side,
        message: &[u8],
    ) -> Result<bool, RelayFault> {
        let Ok(from) = anonymize::header_from(message) else { return Ok(false) };
        let [only] = from.as_slice() else { return Ok(false) };
        Ok(match side {
            Side::Customer => conversation.customer.same_mailbox(only),
            Side::Merchant => {
                let own: Vec<RealAddress> = self.registered(&conversation.merchant).await?;
                own.iter().any(|address| address.same_mailbox(only))
            }
        })
    }
}

fn detail(said: &str, incoming: &Incoming<'_>) -> serde_json::Value {
    serde_json::json!({
        "said": said,
        "peer": peer_json(incoming.peer),
        "proof": incoming.proof.to_json(),
        "size_received": incoming.bytes.len(),
    })
}
