//! A person of a store decides about one of its own mails: what is held for a document is sent as it is, what has not gone yet is withdrawn,
//! what could not be delivered is sent once more, also what a customer wrote to the store.
//!
//! Rules: the same as by the mail that a notice asks for (`decision.rs`), and no more: a document alone can be vouched for by its sender;
//! what holds an address in a text, what the operator holds, and what a customer wrote is not a store's to decide. Administrators and
//! staff decide. The decision is one transaction with its record and that of the access log. It takes a process that opens messages.
//! When it fails: [`MailFault`]; nothing was decided.

use super::{MenuRole, MenuSession, Visit};
use crate::mail::Timestamp;
use crate::relay::envelope::{Envelope, open_recipient};
use crate::relay::hold::{DOCUMENT, FAULT, OPERATOR, OTHER_ADDRESS, RESIDUE, UNPROVEN};
use crate::relay::{Event, Relay, RelayFault, queue_id};
use crate::store::{MenuChanged, Ruled, Ruling, Standing, Work};
use crate::vault::DataKey;

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailDecision {
    /// It is sent as it is.
    Send,
    /// It is not sent.
    Withdraw,
    /// It could not be delivered, and is sent once more.
    Again,
}

impl MailDecision {
    /// The word in the access log.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            MailDecision::Send => "send-mail",
            MailDecision::Withdraw => "withdraw-mail",
            MailDecision::Again => "resend-mail",
        }
    }
}

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
pub enum MailFault {
    #[error("there is no such mail of this store")]
    NotThere,
    #[error("this person may not, or is signed in no more")]
    NotAllowed,
    #[error("nobody of the store decides about this one")]
    NotForStores,
    #[error("it has ended, or is being delivered just now")]
    TooLate,
    #[error("its text is not kept any more")]
    NoText,
    #[error("its recipient has another address by now, or the conversation has ended")]
    Elsewhere,
    #[error("mail to this recipient is refused just now")]
    Unreachable,
    #[error("this process opens no message")]
    Apart,
    #[error(transparent)]
    Fault(#[from] RelayFault),
}

impl Relay {
    /// Decides about a mail of the store's own.
    ///
    /// # Errors
    /// [`MailFault`].
    pub async fn menu_decide(
        &self,
        who: &MenuSession,
        (message, decision): (i64, MailDecision),
        page: &'static str,
        visit: &Visit,
    ) -> Result<(), MailFault> {
        if who.person.role == MenuRole::Reader {
            return Err(MailFault::NotAllowed);
        }
        if !self.vault().seal.open_it() {
            return Err(MailFault::Apart);
        }
        let now = Timestamp::now();
        let rows = self.store().queue_of_message(message).await.map_err(RelayFault::from)?;
        let is_own = |direction: &str| match direction {
            "to_customer" => true,
            "copy" => decision != MailDecision::Again,
            // What a customer wrote is nothing to decide about, but that it arrives after all.
            "to_merchant" => decision == MailDecision::Again,
            _ => false,
        };
        let row = rows.into_iter().find(|row| row.merchant_id == who.store.id && is_own(&row.direction));
        let row = row.ok_or(MailFault::NotThere)?;
        let work = self.store().delivered_work(row.delivery_id).await.map_err(RelayFault::from)?;
        let work = work.ok_or(MailFault::NotThere)?;
        match (decision, row.state.as_str(), row.held_for.as_deref()) {
            (_, "held", Some(FAULT | OPERATOR)) => return Err(MailFault::NotForStores),
            (MailDecision::Send, "held", Some(DOCUMENT))
            | (MailDecision::Withdraw, "held" | "waiting", _) => {}
            (MailDecision::Send, "held", _) => return Err(MailFault::NotForStores),
            (MailDecision::Again, "failed", _) if row.body_until.is_some_and(|until| until > now) => {}
            (MailDecision::Again, "failed", _) => return Err(MailFault::NoText),
            _ => return Err(MailFault::TooLate),
        }
        let key = self.data_key(&work.key).map_err(RelayFault::from)?;
        let (event, word, from, to) = match decision {
            MailDecision::Send => {
                let mut envelope = Envelope::open(&key, message, &work.envelope)?;
                envelope.confirmed = true;
                let expires_at = now.after(self.policy().expire);
                let sealed = envelope.seal(&key, message)?;
                let to =
                    Ruled::Released { envelope: sealed, expires_at, look_at: self.deadlines().first(now) };
                (Event::Released, "confirm", Standing::HeldFor(DOCUMENT), to)
            }
            MailDecision::Withdraw => {
                // What somebody else decided about meanwhile is not withdrawn.
                let from = if row.state == "held" {
                    held_still(row.held_for.as_deref())?
                } else {
                    Standing::Waiting
                };
                (Event::Dropped, "withdraw", from, Ruled::Dropped)
            }
            MailDecision::Again => {
                self.goes_again(&key, &work, now).await?;
                let expires_at = now.after(self.policy().expire);
                let to = Ruled::Again { expires_at, look_at: self.deadlines().first(now) };
                (Event::Retried, "resend", Standing::Failed, to)
            }
        };
        let detail = serde_json::json!({
            "by": "sender", "decision": word, "through": "menu", "user": who.person.name,
        });
        let ruling = Ruling {
            delivery_id: work.delivery_id,
            message_id: message,
            at: now,
            from,
            to,
            record: self.work_record(&key, event, &work, &detail),
            notice: None,
        };
        let told = self.menu_told(who, visit, page, decision.word(), Some(queue_id(message)));
        match self.store().menu_rule(who.store.id, &ruling, &told).await.map_err(RelayFault::from)? {
            MenuChanged::Done => {
                tracing::info!(event = event.as_str(), queue_id = queue_id(message), by = "sender");
                Ok(())
            }
            MenuChanged::NotAllowed => Err(MailFault::NotAllowed),
            _ => Err(MailFault::TooLate),
        }
    }
}

impl Relay {
    /// Whether what failed can be sent once more.
    pub(super) async fn may_go_again(&self, message: i64) -> Result<bool, RelayFault> {
        let Some(row) = self.store().queue_of_message(message).await?.into_iter().next() else {
            return Ok(false);
        };
        let Some(work) = self.store().delivered_work(row.delivery_id).await? else { return Ok(false) };
        let key = self.data_key(&work.key)?;
        match self.goes_again(&key, &work, Timestamp::now()).await {
            Ok(()) => Ok(true),
            Err(MailFault::Fault(fault)) => Err(fault),
            Err(_) => Ok(false),
        }
    }

    /// A delivery would go today where it went when it was taken: its conversation lives, who it was for has that address, as the one that
    /// mail goes to, and takes mail.
    async fn goes_again(&self, key: &DataKey, work: &Work, now: Timestamp) -> Result<(), MailFault> {
        let conversation = match work.conversation_id {
            Some(conversation) => self.conversation_by_id(conversation).await?,
            None => None,
        };
        let conversation = conversation.ok_or(MailFault::Elsewhere)?;
        if conversation.closed_at.is_some() || conversation.expires_at <= now {
            return Err(MailFault::Elsewhere);
        }
        let recipient = open_recipient(key, work.delivery_id, &work.recipient)?;
        let is_to_customer = work.direction == "to_customer";
        let is_same = if is_to_customer {
            conversation.customer.same_mailbox(&recipient)
        } else {
            let registered = self.registered(&conversation.merchant).await?;
            registered.first().is_some_and(|address| address.same_mailbox(&recipient))
        };
        if !is_same {
            return Err(MailFault::Elsewhere);
        }
        if is_to_customer && self.is_unreachable(&conversation).await {
            return Err(MailFault::Unreachable);
        }
        Ok(())
    }
}

/// Held for what it was held for when it was looked at.
fn held_still(held_for: Option<&str>) -> Result<Standing, MailFault> {
    let known = [RESIDUE, DOCUMENT, UNPROVEN, OTHER_ADDRESS].into_iter().find(|why| Some(*why) == held_for);
    known.map(Standing::HeldFor).ok_or(MailFault::NotForStores)
}
