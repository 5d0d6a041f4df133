//! A conversation and a store, opened: what the sealed rows mean.

use super::{Relay, RelayFault};
use crate::mail::{Alias, Domain, RealAddress, Timestamp};
use crate::store::{AliasRow, ConversationRow, Kind, MerchantRow};
use crate::vault::{DataKey, Place, Sealed, Side};
use std::sync::Arc;

/// A store.
pub struct Merchant {
    pub id: i64,
    pub store_id: String,
    pub name: String,
    pub(super) key: Arc<DataKey>,
}

/// A conversation between a store and a customer.
pub struct Conversation {
    pub id: i64,
    pub kind: Kind,
    /// Of a guest: the order's conversation.
    pub(super) parent: Option<i64>,
    pub merchant: Merchant,
    pub(super) key: Arc<DataKey>,
    pub customer: RealAddress,
    /// The same as it is kept: who changes it says so what he has seen.
    pub(super) customer_sealed: Sealed,
    /// Addresses the customer had before: they must not pass either.
    pub(super) former: Vec<RealAddress>,
    /// Empty for an inquiry.
    pub order_no: String,
    pub customer_alias: Alias,
    pub merchant_alias: Alias,
    pub(super) alias_ids: [i64; 2],
    /// How often its address was changed.
    pub(super) revision: u64,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub closed_at: Option<Timestamp>,
}

#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct Profile {
    pub store_id: String,
    pub name: String,
}

impl Conversation {
    /// The alias that stands for `side`.
    #[must_use]
    pub fn alias(&self, side: Side) -> &Alias {
        match side {
            Side::Customer => &self.customer_alias,
            Side::Merchant => &self.merchant_alias,
        }
    }

    /// The order that it belongs to: of a guest its order's conversation, else its own.
    pub(super) fn order(&self) -> i64 {
        self.parent.unwrap_or(self.id)
    }

    pub(super) fn alias_id(&self, side: Side) -> i64 {
        let [customer, merchant] = self.alias_ids;
        match side {
            Side::Customer => customer,
            Side::Merchant => merchant,
        }
    }
}

impl Relay {
    pub(super) fn open_merchant(&self, row: &MerchantRow) -> Result<Merchant, RelayFault> {
        let key = self.data_key(&row.key)?;
        let plain = key.open(Place::new("merchant", "profile", row.id), &row.profile)?;
        let profile: Profile =
            serde_json::from_slice(&plain).map_err(|_| RelayFault::Malformed("merchant.profile"))?;
        Ok(Merchant { id: row.id, store_id: profile.store_id, name: profile.name, key })
    }

    /// Opens a conversation whose rows belong together.
    pub(super) fn open_conversation_row(&self, row: &ConversationRow) -> Result<Conversation, RelayFault> {
        let key = self.data_key(&row.key)?;
        let revision = self.revision_of(row, &key)?;
        Ok(Conversation { revision, ..self.open_unbound(row, key)? })
    }

    /// Opens a conversation, whatever its rows say of each other.
    pub(super) fn open_unbound(
        &self,
        row: &ConversationRow,
        key: Arc<DataKey>,
    ) -> Result<Conversation, RelayFault> {
        let customer = open_address(&key, Place::new("conversation", "customer", row.id), &row.customer)?;
        let label = key.open(label_place(row.id), &row.label)?;
        let order_no =
            String::from_utf8(label.to_vec()).map_err(|_| RelayFault::Malformed("conversation.label"))?;
        let former = match &row.former {
            Some(sealed) => open_former(&key, row.id, sealed)?,
            None => Vec::new(),
        };
        Ok(Conversation {
            former,
            id: row.id,
            kind: row.kind,
            parent: row.parent,
            merchant: self.open_merchant(&row.merchant)?,
            customer,
            customer_sealed: row.customer.clone(),
            order_no,
            customer_alias: self.alias_of(Side::Customer, &row.customer_alias)?,
            merchant_alias: self.alias_of(Side::Merchant, &row.merchant_alias)?,
            alias_ids: [row.customer_alias.id, row.merchant_alias.id],
            revision: 0,
            key,
            created_at: row.created_at,
            expires_at: row.expires_at,
            closed_at: row.closed_at,
        })
    }

    pub(super) fn alias_of(&self, side: Side, row: &AliasRow) -> Result<Alias, RelayFault> {
        let token = self.vault().alias.mint_with(row.key_name, side, row.id).ok_or_else(|| {
            self.miss_a_key();
            RelayFault::Malformed("alias.key_name (its alias key is missing from the key ring)")
        })?;
        let domain = Domain::parse(&row.domain).map_err(|_| RelayFault::Malformed("alias.domain"))?;
        Ok(Alias::new(token, domain))
    }

    /// A store by its id.
    ///
    /// # Errors
    /// [`RelayFault`] when the database or the keys fail.
    pub async fn merchant(&self, store_id: &str) -> Result<Option<Merchant>, RelayFault> {
        self.merchant_row(store_id).await?.map(|row| self.open_merchant(&row)).transpose()
    }

    /// The row of a store, which nothing opens.
    pub(super) async fn merchant_row(&self, store_id: &str) -> Result<Option<MerchantRow>, RelayFault> {
        for index in self.vault().index.all(crate::vault::Indexed::StoreId(store_id)) {
            if let Some(row) = self.store().merchant_by_store_idx(index).await? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// The id of a store, by its number in the queue.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn store_id_of(&self, merchant: i64) -> Result<Option<String>, RelayFault> {
        let row = self.store().merchant(merchant).await?;
        row.map(|row| Ok(self.open_merchant(&row)?.store_id)).transpose()
    }
}

/// The place of a conversation's order number.
pub(super) const fn label_place(conversation: i64) -> Place {
    Place::new("conversation", "label", conversation)
}

/// The place of a conversation's former addresses.
pub(super) fn former_place(conversation: i64) -> Place {
    Place::new("conversation", "former", conversation)
}

pub(super) fn open_former(
    key: &DataKey,
    conversation: i64,
    sealed: &Sealed,
) -> Result<Vec<RealAddress>, RelayFault> {
    let malformed = || RelayFault::Malformed("conversation.former");
    let plain = key.open(former_place(conversation), sealed)?;
    let texts: Vec<String> = serde_json::from_slice(&plain).map_err(|_| malformed())?;
    texts.iter().map(|text| RealAddress::parse(text).map_err(|_| malformed())).collect()
}

pub(super) fn open_address(key: &DataKey, place: Place, sealed: &Sealed) -> Result<RealAddress, RelayFault> {
    let plain = key.open(place, sealed)?;
    let text = std::str::from_utf8(&plain).map_err(|_| RelayFault::Malformed(place.table))?;
    RealAddress::parse(text).map_err(|_| RelayFault::Malformed(place.table))
}
