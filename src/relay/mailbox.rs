//! Mailboxes that refuse for good: what is remembered of them, whose mail is refused for it, and how they come back.
//!
//! Rules: a mailbox is known by a keyed index of its address within one store. It counts as gone when the receiver says
//! that there is no such mailbox, at delivery or in a bounce about itself, not about one behind it, twice in a row; then mail to any alias of it at this store
//! is refused at RCPT, for a day at first and longer each time. A customer who calls a store's mail spam, by a feedback
//! report (RFC 5965) to the mail's own return address, is written to no more in the same way; a store that does is not cut
//! off from its customers, the report is recorded. It is back when mail comes from it, when the operator says
//! so, or when its time is over and a mail arrives; where a bounce came after the receiver had taken the mail, that it takes
//! the next is no word yet, and two weeks without another bounce are. Notices are never refused for it.
//! When it fails: a fault of the database refuses nothing for good, and loses at most the word that somebody is back.

use super::accept::Incoming;
use super::envelope::open_recipient;
use super::record::About;
use super::{AttemptResult, Conversation, Event, Recipient, Refusal, Relay, RelayFault, Verdict};
use crate::mail::{Alias, RealAddress, Timestamp};
use crate::schedule::means_for_good;
use crate::store::{Acceptance, Block, Gone, Mailbox, Patience, SuppressedRow, Work};
use crate::vault::{DataKey, Index, Indexed, Side};
use std::time::Duration;

/// A complaint about a delivery is remembered for longer than any suppression lasts.
const COMPLAINED: Patience = Patience {
    wait: Duration::ZERO,
    retry_within: Duration::ZERO,
    remember: Duration::from_secs(400 * 86_400),
};

/// Why a suppression was not changed.
#[derive(Debug, thiserror::Error)]
pub enum SuppressFault {
    #[error("alias: no such alias here; `anshin order show` and `anshin queue suppress list` show them")]
    UnknownAlias,
    #[error("nothing is suppressed for this alias")]
    NotSuppressed,
    #[error(transparent)]
    Fault(#[from] RelayFault),
}

/// A suppressed mailbox, by an alias that leads to it.
pub struct SuppressedView {
    /// None where its conversation is no longer there, or does not open.
    pub alias: Option<Alias>,
    pub status: String,
    pub failures: i64,
    pub since: Timestamp,
    pub expires_at: Timestamp,
}

/// Whose mailbox mail of a direction goes to.
fn side_of(direction: &str) -> Option<Side> {
    match direction {
        "to_customer" => Some(Side::Customer),
        "to_merchant" => Some(Side::Merchant),
        _ => None,
    }
}

impl Relay {
    /// What an attempt said of the mailbox.
    pub(super) fn mailbox_after(&self, key: &DataKey, work: &Work, result: &AttemptResult) -> Mailbox {
        match result.verdict {
            Verdict::Delivered => self
                .mailbox_indexes_of(key, work)
                .map_or(Mailbox::Nothing, |(indexes, _)| Mailbox::Alive(indexes)),
            Verdict::Failed => self.gone(key, work, &result.status).map_or(Mailbox::Nothing, Mailbox::Gone),
            Verdict::Deferred => Mailbox::Nothing,
        }
    }

    /// The suppression that follows from a status, if one does.
    pub(super) fn gone(&self, key: &DataKey, work: &Work, status: &str) -> Option<Gone> {
        if !means_for_good(status) {
            return None;
        }
        let (indexes, side) = self.mailbox_indexes_of(key, work)?;
        let address_idx = indexes.into_iter().next()?;
        Some(Gone {
            address_idx,
            merchant_id: work.merchant_id,
            conversation_id: work.conversation_id,
            side: side.as_str(),
            status: status.to_owned(),
            late: false,
        })
    }

    /// The newest key's index first.
    fn mailbox_indexes_of(&self, key: &DataKey, work: &Work) -> Option<(Vec<Index>, Side)> {
        let side = side_of(&work.direction)?;
        let address = open_recipient(key, work.delivery_id, &work.recipient).ok()?;
        let index = Indexed::MailboxOf { merchant: work.merchant_id, address: &address };
        Some((self.vault().index.all(index), side))
    }

    /// Takes a customer's word that the mail of this delivery is spam; once, since whoever was shown its return address can
    /// say so again.
    pub(super) async fn complained(&self, key: &DataKey, work: &Work) -> Result<(), RelayFault> {
        let Some((indexes, Side::Customer)) = self.mailbox_indexes_of(key, work) else { return Ok(()) };
        let Some(address_idx) = indexes.into_iter().next() else { return Ok(()) };
        let now = Timestamp::now();
        let once = self.vault().index.of(Indexed::Told { conversation: work.delivery_id, what: "complaint" });
        if self.store().first_contact(&once, now).await?.is_some() {
            return Ok(());
        }
        let detail = serde_json::json!({ "by": "complaint", "action": "suppress" });
        let block = Block::Suppress {
            gone: Gone {
                address_idx,
                merchant_id: work.merchant_id,
                conversation_id: work.conversation_id,
                side: Side::Customer.as_str(),
                status: "complaint".into(),
                late: false,
            },
            record: self.work_record(key, Event::Blocked, work, &detail),
            at: now,
        };
        self.store().block(block).await?;
        self.store().greylist(once, now, COMPLAINED).await?;
        Ok(())
    }

    /// Suppresses a party's mailbox, by the operator's word.
    async fn suppress_side(&self, conversation: &Conversation, side: Side) -> Result<(), RelayFault> {
        let address = self.mailbox_of(conversation, side).await?;
        let merchant = conversation.merchant.id;
        let address_idx = self.vault().index.of(Indexed::MailboxOf { merchant, address: &address });
        let detail = serde_json::json!({ "by": "operator", "user": self.user(), "action": "suppress" });
        let gone = Gone {
            address_idx,
            merchant_id: merchant,
            conversation_id: Some(conversation.id),
            side: side.as_str(),
            status: "operator".into(),
            late: false,
        };
        let record =
            self.new_record(&conversation.key, Event::Blocked, about(conversation), None, &detail, None);
        self.store().block(Block::Suppress { gone, record, at: Timestamp::now() }).await?;
        Ok(())
    }

    /// Refuses a recipient whose mailbox is gone.
    pub(super) async fn check_mailbox(&self, conversation: &Conversation, side: Side) -> Result<(), Refusal> {
        let address = self.mailbox_of(conversation, side).await?;
        let indexes = self.mailbox_indexes(conversation, &address);
        match self.store().suppression(indexes.into_iter(), Timestamp::now()).await? {
            Some(_) => Err(Refusal::Suppressed),
            None => Ok(()),
        }
    }

    /// Whether mail to the customer of a conversation is refused; not where nobody can tell just now.
    pub(super) async fn is_unreachable(&self, conversation: &Conversation) -> bool {
        matches!(self.check_mailbox(conversation, Side::Customer).await, Err(Refusal::Suppressed))
    }

    /// Lifts what is suppressed of those who just wrote.
    pub(super) async fn heard_from(
        &self,
        incoming: &Incoming<'_>,
        places: &[(&Recipient, usize)],
        accepted: &[Acceptance],
    ) {
        let Some(sender) = incoming.sender else { return };
        let now = Timestamp::now();
        for (recipient, place) in places {
            let (Recipient::Party { conversation, .. }, Some(Acceptance::New(_))) =
                (recipient, accepted.get(*place))
            else {
                continue;
            };
            let indexes = self.mailbox_indexes(conversation, sender);
            let lifted = async {
                if self.store().suppression(indexes.iter().copied(), now).await?.is_some() {
                    let detail = serde_json::json!({ "by": "mail", "action": "unsuppress" });
                    let record = self.new_record(
                        &conversation.key,
                        Event::Blocked,
                        about(conversation),
                        None,
                        &detail,
                        None,
                    );
                    self.store().block(Block::Lift { address_idx: indexes, record: Some(record) }).await?;
                }
                Ok::<_, crate::store::StoreFault>(())
            };
            if let Err(fault) = lifted.await {
                tracing::error!(event = "fault", %fault, "a mailbox that is back stays suppressed");
            }
        }
    }

    /// Suppresses the mailbox behind an alias, as the operator wishes.
    ///
    /// # Errors
    /// [`SuppressFault`] when there is no such alias.
    pub async fn suppress(&self, alias: &str) -> Result<(), SuppressFault> {
        let (conversation, side) = self.aliased(alias).await?;
        Ok(self.suppress_side(&conversation, side).await?)
    }

    /// Lets mail go again to the mailbox behind an alias.
    ///
    /// # Errors
    /// [`SuppressFault`] when there is no such alias, or nothing is suppressed.
    pub async fn unsuppress(&self, alias: &str) -> Result<(), SuppressFault> {
        let (conversation, side) = self.aliased(alias).await?;
        let address = self.mailbox_of(&conversation, side).await?;
        let address_idx = self.mailbox_indexes(&conversation, &address);
        let detail = serde_json::json!({ "by": "operator", "user": self.user(), "action": "unsuppress" });
        let record =
            self.new_record(&conversation.key, Event::Blocked, about(&conversation), None, &detail, None);
        let lifted = self.store().block(Block::Lift { address_idx, record: Some(record) }).await;
        if lifted.map_err(RelayFault::from)? == 0 { Err(SuppressFault::NotSuppressed) } else { Ok(()) }
    }

    /// What is suppressed, the last first.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn suppressions(&self) -> Result<Vec<SuppressedView>, RelayFault> {
        let rows = self.store().suppressions(Timestamp::now()).await?;
        let mut views = Vec::with_capacity(rows.len());
        for row in rows {
            let alias = self.alias_of_suppressed(&row).await?;
            let SuppressedRow { status, failures, since, expires_at, .. } = row;
            views.push(SuppressedView { alias, status, failures, since, expires_at });
        }
        Ok(views)
    }

    async fn alias_of_suppressed(&self, row: &SuppressedRow) -> Result<Option<Alias>, RelayFault> {
        let Some(id) = row.conversation_id else { return Ok(None) };
        let Some(found) = self.store().conversation(id).await? else { return Ok(None) };
        let side = if row.side == Side::Customer.as_str() { Side::Customer } else { Side::Merchant };
        match self.open_conversation_row(&found) {
            Ok(conversation) => Ok(Some(conversation.alias(side).clone())),
            Err(fault) if fault.is_of_one_row() => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    async fn aliased(&self, alias: &str) -> Result<(Box<Conversation>, Side), SuppressFault> {
        let address = RealAddress::parse(alias).map_err(|_| SuppressFault::UnknownAlias)?;
        self.find_alias(&address).await?.ok_or(SuppressFault::UnknownAlias)
    }

    /// The address that mail to a side of a conversation goes to.
    async fn mailbox_of(&self, conversation: &Conversation, side: Side) -> Result<RealAddress, RelayFault> {
        match side {
            Side::Customer => Ok(conversation.customer.again()),
            Side::Merchant => {
                let registered = self.registered(&conversation.merchant).await?;
                registered.into_iter().next().ok_or(RelayFault::Malformed("merchant_address"))
            }
        }
    }

    fn mailbox_indexes(&self, conversation: &Conversation, address: &RealAddress) -> Vec<Index> {
        self.vault().index.all(Indexed::MailboxOf { merchant: conversation.merchant.id, address })
    }
}

fn about(conversation: &Conversation) -> About {
    About {
        merchant: Some(conversation.merchant.id),
        conversation: Some(conversation.id),
        ..About::default()
    }
}
