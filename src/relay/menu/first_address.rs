//! Where a store's mail goes: the operator makes another of its registered addresses the first one.
//!
//! Rules: it is what a store gets its menu back by, so no person of the store changes it; the operator makes sure who asks. Where the mailbox of
//! before is lost, people whose own address it was have the new one from then on. All registered addresses and the administrators are told, and it stands in the log.
//! When it fails: [`FirstFault`]; nothing was changed.

use super::mails::MenuText;
use super::{PersonLabel, label_place, open_label, seal_json};
use crate::mail::{AddressError, RealAddress, Timestamp};
use crate::relay::record::About;
use crate::relay::{Event, Merchant, Relay, RelayFault, queue_id};
use crate::store::{MenuChanged, PersonMoved, StoreFault, Told};

/// What is known of the mailbox of before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldMailbox {
    /// It is the store's still.
    Kept,
    /// It is lost, or in strange hands: people who were written to there are written to at the new one, and their sessions, codes and
    /// one-time passwords end.
    Lost,
}

/// Why it stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum FirstFault {
    #[error("store id: there is no such store")]
    NoStore,
    #[error("address: {0}")]
    Address(AddressError),
    #[error("address: the store has not registered it; its people do so in the menu")]
    NotRegistered,
    #[error("somebody changed the store's addresses or people meanwhile; try again")]
    Changed,
    #[error(transparent)]
    Fault(#[from] RelayFault),
}

impl From<StoreFault> for FirstFault {
    fn from(fault: StoreFault) -> Self {
        Self::Fault(fault.into())
    }
}

impl Relay {
    /// Lets a store's mail go to this one of its registered addresses from now on.
    ///
    /// # Errors
    /// [`FirstFault`].
    pub async fn first_address(
        &self,
        store_id: &str,
        address: &str,
        whose: OldMailbox,
    ) -> Result<(), FirstFault> {
        let row = self.merchant_row(store_id).await?.ok_or(FirstFault::NoStore)?;
        let store = self.open_merchant(&row)?;
        let address = RealAddress::parse(address.trim()).map_err(FirstFault::Address)?;
        let senders = self.senders_of(&store).await?;
        let Some(new) = senders.iter().find(|one| one.address.same_mailbox(&address)) else {
            return Err(FirstFault::NotRegistered);
        };
        let now = Timestamp::now();
        let moved = match whose {
            OldMailbox::Kept => Vec::new(),
            OldMailbox::Lost => {
                self.moved(&store, senders.first().map(|one| &one.address), &new.address).await?
            }
        };
        let people: Vec<String> = moved.iter().map(|one| queue_id(one.person)).collect();
        let detail = serde_json::json!({
            "change": "first_address", "user": self.user(), "address": new.id, "people": people,
        });
        let about = About { merchant: Some(store.id), ..About::default() };
        let record = self.new_record(&store.key, Event::Credential, about, None, &detail, None);
        let mut told = Told { records: vec![record], ..Told::default() };
        let text = MenuText::first_address(&self.policy().brand, &store, now);
        let mut to: Vec<RealAddress> = senders.iter().map(|one| one.address.again()).collect();
        for other in self.addresses_to_tell(&store, None).await? {
            if !to.iter().any(|known| known.same_mailbox(&other)) {
                to.push(other);
            }
        }
        for to in to {
            told.mails.push(self.menu_mail(&store, &to, &text, "menu_sender", now)?);
        }
        match self.store().make_first((store.id, new.id), &moved, &told).await? {
            MenuChanged::Done => Ok(()),
            _ => Err(FirstFault::Changed),
        }
    }

    /// The people who are written to at `former`, with `new` in its place.
    async fn moved(
        &self,
        store: &Merchant,
        former: Option<&RealAddress>,
        new: &RealAddress,
    ) -> Result<Vec<PersonMoved>, RelayFault> {
        let mut moved = Vec::new();
        for row in self.store().menu_people(store.id).await? {
            if row.ended_at.is_some() {
                continue;
            }
            let (label, own) = open_label(&store.key, &row)?;
            if former.is_some_and(|former| former.same_mailbox(&own)) && !own.same_mailbox(new) {
                let label = PersonLabel { name: label.name, address: new.reveal() };
                moved.push(PersonMoved {
                    person: row.id,
                    label: seal_json(&store.key, label_place(row.id), &label)?,
                    was: row.label,
                    address_idx: self.menu_address(new),
                });
            }
        }
        Ok(moved)
    }
}
