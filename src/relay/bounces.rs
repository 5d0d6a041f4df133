//! Bounces of what we delivered: which message they are about, and what they end.
//!
//! Rules: at a return address the address says which delivery it is; at an alias the Message-ID that we gave, which nobody
//! guesses. A bounce that fails a delivery is told its sender by a notice of ours, and counts against the mailbox where it has the
//! form of RFC 3464 and is of that mailbox, not of one behind it, to which its owner has his mail forwarded, or of one of several
//! who read what comes to it.
//! When it fails: [`Refusal`]; a mail system keeps what it could not bring.

use super::accept::Incoming;
use super::envelope::open_recipient;
use super::notice::Outcome;
use super::returns::{direction_of, word};
use super::threads::parse_pseudonym;
use super::{Conversation, Recipient, Refusal, Relay, RelayFault, parse_queue_id};
use crate::mail::{RealAddress, Timestamp};
use crate::mime::automatic::{Automatic, Bounce, Fate};
use crate::store::{Bounced, Gone, Work};
use crate::vault::{DataKey, Side};

impl Relay {
    /// Whether a bounce from a party's own address is one beyond doubt: it has the form of RFC 3464, or names a mail that
    /// we sent. What only sounds like one may be a shop's letter about a parcel, and a letter must not be lost.
    pub(super) async fn is_proven(&self, bounce: &Bounce, incoming: &Incoming<'_>) -> Result<bool, Refusal> {
        if bounce.has_form {
            return Ok(true);
        }
        for (recipient, _) in &incoming.recipients {
            if let Recipient::Party { conversation, side } = recipient
                && self.bounced_delivery(conversation, *side, &bounce.original_ids).await?.is_some()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes a bounce for a delivery of ours.
    pub(super) async fn take_bounce(
        &self,
        work: &Work,
        bounce: &Bounce,
        incoming: &Incoming<'_>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let key = self.data_key(&work.key)?;
        let Fate::Failed(status) = &bounce.fate else {
            let said = word(&Automatic::Bounce(bounce.clone())).to_owned();
            return self.record_automatic(&key, self.about(work), &said, incoming).await;
        };
        let (said, status) = (status, format!("550 {status}"));
        let record = self.record_returned(&key, self.about(work), said, incoming);
        let notice = self.notice(&key, work, Outcome::Failed, &status, now).await;
        let gone = self
            .gone(&key, work, &status)
            .filter(|_| bounce.has_form && self.is_of_recipient(&key, work, bounce));
        let gone = gone.map(|gone| Gone { late: true, ..gone });
        let bounced =
            self.store().bounced(work.delivery_id, now, status.clone(), record, notice, gone).await?;
        match bounced {
            Bounced::Delivered => Ok(()),
            // A bounce can be faster than the commit that says "delivered". Whoever sent it keeps it and comes again.
            Bounced::Waiting => Err(Refusal::TryAgain),
            // It says nothing new, and may be said without end.
            Bounced::Over => self.record_automatic(&key, self.about(work), said, incoming).await,
        }
    }

    /// Whether a bounce is of the mailbox that we sent to, not of one behind it to which its owner has his mail forwarded. One whose
    /// mailbox cannot be read is of none.
    fn is_of_recipient(&self, key: &DataKey, work: &Work, bounce: &Bounce) -> bool {
        let Ok(address) = open_recipient(key, work.delivery_id, &work.recipient) else { return false };
        let is_own =
            |named: &String| RealAddress::parse(named).is_ok_and(|named| address.is_mailbox_of(&named));
        bounce.failed_at.is_empty() || bounce.failed_at.iter().any(is_own)
    }

    /// The delivery of the message that `writer` sent in this conversation, by the id that its recipient saw.
    pub(super) async fn bounced_delivery(
        &self,
        conversation: &Conversation,
        writer: Side,
        ids: &[String],
    ) -> Result<Option<i64>, RelayFault> {
        let direction = direction_of(writer);
        let domain = conversation.alias(writer).domain().as_str();
        let tags: Vec<Vec<u8>> = ids.iter().filter_map(|id| parse_pseudonym(id, domain)).collect();
        if let Some(delivery) = self.store().delivery_under(conversation.id, direction, &tags).await? {
            return Ok(Some(delivery));
        }
        // A message that came without an id went out with its queue id.
        let suffix = format!("@{}>", self.policy().hostname);
        for id in ids {
            let Some(message) = id.strip_prefix('<').and_then(|id| parse_queue_id(id.strip_suffix(&suffix)?))
            else {
                continue;
            };
            let rows = self.store().queue_of_message(message).await?;
            let ours = |row: &&crate::store::QueueRow| {
                row.conversation_id == Some(conversation.id) && row.direction == direction
            };
            if let Some(row) = rows.iter().find(ours) {
                return Ok(Some(row.delivery_id));
            }
        }
        Ok(None)
    }
}
