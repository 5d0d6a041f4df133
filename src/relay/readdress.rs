//! One order gets another customer address: the aliases stay, and lead to the new one at once.
//!
//! Rules: the new address proves nothing, as it does in a correction (`correction.rs`), so two persons answer for it at the
//! desk, and the address before is told by mail, without naming the new one. The change, the entry about it and that mail
//! are one transaction. What waits already goes where it was taken for.
//! When it fails: [`OrderFault`]; then nothing is changed.

use super::conversation::Conversation;
use super::look::{Look, Opening};
use super::{DeskFault, Goes, Opened, OrderFault, OrderView, Relay, RelayFault, queue_id};
use crate::mail::{RealAddress, Timestamp};
use crate::store::{Readdressed, Repointing};
use crate::vault::Indexed;
use data_encoding::HEXLOWER;
use serde_json::json;

/// An order and the address that it is to get.
pub(super) struct Readdressing {
    conversation: Conversation,
    to: RealAddress,
}

/// How far a change has come that is asked for again until it is done.
pub enum ReaddressStep {
    Done(OrderView),
    /// A request waits for a second person.
    Asked(String),
    /// The second person was against it.
    Refused(String),
}

impl Relay {
    /// Gives an order another customer address, step by step: the same call asks for a second person, says that it waits, and does it. Asked
    /// again it changes nothing.
    ///
    /// # Errors
    /// [`DeskFault`]; then nothing is changed.
    pub async fn step_readdress(
        &self,
        look: &Look,
        store_id: &str,
        order_no: &str,
        customer: &str,
    ) -> Result<ReaddressStep, DeskFault> {
        if !self.vault().seal.open_it() {
            return Err(OrderFault::Apart.into());
        }
        let opening = match self.readdressing_of(store_id, order_no, customer).await {
            Err(OrderFault::Same) => {
                return Ok(ReaddressStep::Done(self.show_order(store_id, order_no).await?));
            }
            opening => opening?,
        };
        let (goes, now) = (Goes::ToTheScreen, Timestamp::now());
        let what = self.what_idx(look, &opening, goes);
        let last = self.store().request_for(what, now).await.map_err(RelayFault::from)?;
        let state = last.map(|row| (queue_id(row.id), row.decision, row.used_at.is_some()));
        let done = match state {
            Some((id, None, false)) => return Ok(ReaddressStep::Asked(id)),
            Some((id, Some(word), false)) if word != "approved" => return Ok(ReaddressStep::Refused(id)),
            Some((id, Some(_), false)) => self.open_for(look, &opening, goes, Some(&id)).await,
            // It was done, and somebody changed the address back since.
            None | Some((_, _, true)) => self.open_for(look, &opening, goes, None).await,
        };
        match done {
            Ok(Opened::Readdressed(order)) => Ok(ReaddressStep::Done(order)),
            Ok(_) => Err(RelayFault::Malformed("opening").into()),
            Err(DeskFault::SecondPerson(id)) => Ok(ReaddressStep::Asked(id)),
            // By another request at the same time.
            Err(DeskFault::Used) => Ok(ReaddressStep::Done(self.show_order(store_id, order_no).await?)),
            Err(fault) => Err(fault),
        }
    }

    /// How to give an order another customer address, at the desk.
    ///
    /// # Errors
    /// [`OrderFault`] when there is none, it is closed, or the address is none.
    pub async fn readdressing_of(
        &self,
        store_id: &str,
        order_no: &str,
        customer: &str,
    ) -> Result<Opening, OrderFault> {
        let Readdressing { to, .. } = self.readdressable(store_id, order_no, customer).await?;
        // The entry about it outlives the customer's keys, so it has an index and no address.
        let new = HEXLOWER.encode(self.vault().index.of(Indexed::Stranger(&to)).as_bytes());
        let (store_id, order_no) = (store_id.to_owned(), order_no.to_owned());
        Ok(Opening::Readdress { store_id, order_no, new, to: customer.to_owned() })
    }

    /// What an order may be readdressed to.
    pub(super) async fn readdressable(
        &self,
        store_id: &str,
        order_no: &str,
        customer: &str,
    ) -> Result<Readdressing, OrderFault> {
        let conversation = self.order(store_id, order_no).await?;
        if conversation.closed_at.is_some() {
            return Err(OrderFault::Closed);
        }
        let to = self.parse_customer(customer)?;
        if conversation.customer.same_mailbox(&to) {
            return Err(OrderFault::Same);
        }
        Ok(Readdressing { conversation, to })
    }

    /// Gives an order its new address, and tells the one before.
    pub(super) async fn readdress(
        &self,
        look: &Look,
        Readdressing { conversation, to }: &Readdressing,
        now: Timestamp,
    ) -> Result<OrderView, OrderFault> {
        let (store_id, order_no) = (&conversation.merchant.store_id, &conversation.order_no);
        let what = json!({ "readdress": { "store_id": store_id, "order_no": order_no } });
        let subject = "メールアドレスの変更について / Your address was changed";
        let text = super::words::readdressed();
        let about = json!({ "action": "readdress" });
        let warning = self.mail_about(about, &conversation.customer, subject, text, now).await?;
        let new = Readdressed {
            to: self.repointed(conversation, to)?,
            look: self.entry(look, "readdress", Some(what), 1, "done", None),
            warning,
        };
        match self.store().readdress(new).await.map_err(RelayFault::from)? {
            Repointing::Done => {}
            Repointing::Kept => return Err(OrderFault::Closed),
            Repointing::Moved => return Err(OrderFault::Moved),
        }
        tracing::info!(event = "readdressed", conversation = conversation.id);
        self.show_order(store_id, order_no).await
    }
}
