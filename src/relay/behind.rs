//! Who is behind an alias, for a person at the desk: of a customer's alias the store, the order and the customer's address; of a
//! store's the store.
//!
//! When it fails: [`TraceFault::Alias`], the same for one that is unknown and one that has gone.

use super::trace::TraceFault;
use super::{Relay, RelayFault};
use crate::mail::RealAddress;
use crate::store::ConversationRow;
use crate::vault::Side;
use serde_json::{Value, json};

/// An alias that was found, still sealed.
pub(super) struct Behind {
    row: ConversationRow,
    side: Side,
}

impl Relay {
    pub(super) async fn behind(&self, alias: &str) -> Result<Behind, TraceFault> {
        let address = RealAddress::parse(alias).map_err(|_| TraceFault::Alias)?;
        let found = self.alias_row_and_side(&address).await?;
        found.map(|(row, side)| Behind { row, side }).ok_or(TraceFault::Alias)
    }

    pub(super) async fn party_behind(&self, behind: &Behind) -> Result<Value, RelayFault> {
        let conversation = self.open_conversation_row(&behind.row)?;
        let merchant = &conversation.merchant;
        let mut party = json!({
            "store_id": merchant.store_id,
            "store": merchant.name,
            "conversation": conversation.kind.as_str(),
            "order_no": (!conversation.order_no.is_empty()).then_some(&conversation.order_no),
            "opened_at": conversation.created_at.to_rfc3339(),
            "closed_at": conversation.closed_at.map(crate::mail::Timestamp::to_rfc3339),
        });
        match behind.side {
            Side::Customer => {
                party["side"] = "customer".into();
                party["address"] = conversation.customer.reveal().into();
            }
            Side::Merchant => {
                party["side"] = "store".into();
                let addresses = self.registered(merchant).await?;
                party["addresses"] = addresses.iter().map(RealAddress::reveal).collect::<Vec<_>>().into();
            }
        }
        Ok(party)
    }
}
