//! A person, by address: which conversations are theirs, in all stores.
//!
//! Rules: the database can't link a customer's conversations at two stores, so each store's index is computed. Addresses that
//! a customer had before stand sealed in the conversation, and are opened to be compared. The order of a guest and the
//! guests of an order are one family, since each keeps the others' secrets.
//! When it fails: [`RelayFault`].

use super::conversation::open_former;
use super::{Relay, RelayFault};
use crate::mail::RealAddress;
use crate::vault::{Indexed, Side, VaultError};

impl Relay {
    /// The conversations in which an address is the customer's now.
    pub(super) async fn conversations_now(&self, address: &RealAddress) -> Result<Vec<i64>, RelayFault> {
        let vault = self.vault();
        let mut pairs = Vec::new();
        for merchant in self.store().merchant_ids().await? {
            let of = Indexed::CustomerOf { merchant, address };
            pairs.extend(vault.index.all(of).into_iter().map(|index| (merchant, index)));
        }
        Ok(self.store().conversations_of(&pairs).await?)
    }

    /// The same, and those in which it was before.
    pub(super) async fn conversations_ever(&self, address: &RealAddress) -> Result<Vec<i64>, RelayFault> {
        let mut found = self.conversations_now(address).await?;
        for (id, row, former) in self.store().readdressed().await? {
            let key = match self.data_key(&row) {
                Err(VaultError::Destroyed { .. }) => continue,
                key => key?,
            };
            if open_former(&key, id, &former)?.iter().any(|before| before.same_mailbox(address)) {
                found.push(id);
            }
        }
        Ok(self.store().with_guests(found).await?)
    }

    /// The aliases of both sides in these conversations, as they are written.
    pub(super) async fn aliases_in(&self, conversations: &[i64]) -> Result<Vec<String>, RelayFault> {
        let mut aliases = Vec::with_capacity(conversations.len() * 2);
        for id in conversations {
            let Some(row) = self.store().conversation(*id).await? else { continue };
            for (side, alias) in
                [(Side::Customer, &row.customer_alias), (Side::Merchant, &row.merchant_alias)]
            {
                aliases.push(self.alias_of(side, alias)?.to_string());
            }
        }
        Ok(aliases)
    }
}
