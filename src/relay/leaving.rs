//! A store leaves: nobody logs in for it any more, its conversations close, and its customers are told. The log stays
//! for its period.
//!
//! Rules: first the credentials, in one transaction with the mark that the store has left, so that nothing new is
//! opened meanwhile; then conversation by conversation, the notice before the closing, each once: who was stopped goes
//! on where he was. One whose row does not open closes without a notice. Mail that waits goes on to both sides. Who asked for it stands among the looks.
//! When it fails: [`LeaveFault`]; what was closed is closed, and the same again does the rest.

use super::conversation::Conversation;
use super::desk::DeskFault;
use super::look::Look;
use super::own::ToCustomer;
use super::{OrderFault, Relay, RelayFault, words};
use crate::mail::{RealAddress, Timestamp};
use crate::store::StoreHoldings;
use serde_json::json;
use std::time::Duration;

/// Conversations that are read at once.
const SOME: i64 = 100;
/// How long a customer is not told the same again.
const TOLD: Duration = Duration::from_secs(30 * 86_400);

/// Why a store does not leave.
#[derive(Debug, thiserror::Error)]
pub enum LeaveFault {
    #[error(transparent)]
    Order(#[from] OrderFault),
    #[error(transparent)]
    Desk(#[from] DeskFault),
    #[error(transparent)]
    Fault(#[from] RelayFault),
}

/// What came of it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    pub credentials: u64,
    pub conversations: u64,
    /// Of these: whose customers nobody could tell, since their rows do not open.
    pub untold: u64,
}

impl Relay {
    /// What ends when a store leaves.
    ///
    /// # Errors
    /// [`LeaveFault`] when there is no such store.
    pub async fn store_holdings(&self, store_id: &str) -> Result<StoreHoldings, LeaveFault> {
        let merchant = self.merchant_row(store_id).await?.ok_or(OrderFault::NoStore)?.id;
        Ok(self.store().store_holdings(merchant, Timestamp::now()).await.map_err(RelayFault::from)?)
    }

    /// A store leaves.
    ///
    /// # Errors
    /// [`LeaveFault`]; the same again does the rest.
    pub async fn leave_store(&self, look: &Look, store_id: &str) -> Result<Left, LeaveFault> {
        self.may_look(look).await?;
        let row = self.merchant_row(store_id).await?.ok_or(OrderFault::NoStore)?;
        let (merchant, now) = (self.open_merchant(&row)?, Timestamp::now());
        self.note_deed(look, "leaving", json!({ "store_id": store_id }), "begun").await?;
        let credentials = self.store().leave(merchant.id, now).await.map_err(RelayFault::from)?;
        let registered = self.registered(&merchant).await?;
        let mut left = Left { credentials, conversations: 0, untold: 0 };
        let mut seen = std::collections::HashSet::new();
        loop {
            let some = self.store().live_conversations(merchant.id, now, SOME).await;
            let some: Vec<i64> = some.map_err(RelayFault::from)?;
            // A conversation that was closed and is there again is nobody's to close any more.
            if some.iter().all(|id| seen.contains(id)) {
                break;
            }
            for id in some.into_iter().filter(|id| seen.insert(*id)).collect::<Vec<_>>() {
                match self.conversation_by_id(id).await {
                    Ok(Some(conversation)) => self.tell_of_leaving(&conversation, &registered, now).await?,
                    Ok(None) => continue,
                    // It leads nowhere, so nobody can be told; the others are.
                    Err(fault) if fault.is_of_one_row() => {
                        tracing::warn!(event = "unreadable", stage = "leaving", id, %fault);
                        left.untold += 1;
                    }
                    Err(fault) => return Err(fault.into()),
                }
                self.store().close_conversation(id, now).await.map_err(RelayFault::from)?;
                left.conversations += 1;
            }
        }
        let what = json!({
            "store_id": store_id, "credentials": left.credentials, "conversations": left.conversations,
            "untold": left.untold,
        });
        self.note_deed(look, "leaving", what, "done").await?;
        tracing::info!(
            event = "store_left",
            credentials,
            conversations = left.conversations,
            untold = left.untold
        );
        Ok(left)
    }

    /// Tells the customer of a conversation that the store has left.
    async fn tell_of_leaving(
        &self,
        conversation: &Conversation,
        registered: &[RealAddress],
        now: Timestamp,
    ) -> Result<(), RelayFault> {
        let mail = ToCustomer {
            subject: "店舗の利用終了のお知らせ / The store has left",
            text: words::store_left(&conversation.merchant.name, &conversation.merchant_alias.to_string()),
            action: "store-left",
            once: ("store-left", TOLD),
        };
        self.write_to_customer(conversation, registered, mail, now).await
    }
}
