//! The registered addresses of a store: what it may send as, where its mail goes, and what no customer may learn.
//!
//! Rules: `merchant_address` says which there are, for the door, the menu and the commands alike; a session of a mail program reads them anew
//! (`credentials.rs`). An address that was taken off is no sender any more, and stays a secret: it stands in signatures and
//! quotations for years.
//! When it fails: [`RelayFault`] where the database or the keys fail.

use super::accept::COPIES_MAX;
use super::conversation::open_address;
use super::{Incoming, Merchant, Recipient, Relay, RelayFault, Wishes};
use crate::anonymize;
use crate::mail::RealAddress;
use crate::store::{SenderRow, SenderRows};
use crate::vault::{DataKey, Place, Sealed, Side};
use serde::{Deserialize, Serialize};

/// A registered address.
pub(super) struct Registered {
    pub id: i64,
    pub address: RealAddress,
    pub label: SenderLabel,
}

/// What the store's people say of one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SenderLabel {
    /// The name that customers see; empty: what the mail says.
    #[serde(default)]
    pub name: String,
    /// Whether what is sent from it goes to it too.
    #[serde(default)]
    pub copies: bool,
}

impl Registered {
    /// One of which nothing is said.
    pub fn bare(address: RealAddress) -> Self {
        Self { id: 0, address, label: SenderLabel::default() }
    }
}

impl Relay {
    /// The registered addresses of a store, the one its mail goes to first.
    pub(super) async fn registered(&self, merchant: &Merchant) -> Result<Vec<RealAddress>, RelayFault> {
        Ok(self.senders_of(merchant).await?.into_iter().map(|one| one.address).collect())
    }

    /// The same, with what is said of each.
    pub(super) async fn senders_of(&self, merchant: &Merchant) -> Result<Vec<Registered>, RelayFault> {
        let SenderRows { rows, .. } = self.store().senders(merchant.id).await?;
        rows.iter().map(|row| open_sender(&merchant.key, row)).collect()
    }

    /// All addresses by which a store can be known: the one its mail goes to first, at last those that were taken off.
    pub(super) async fn known_addresses(&self, merchant: &Merchant) -> Result<Vec<RealAddress>, RelayFault> {
        let SenderRows { rows, former } = self.store().senders(merchant.id).await?;
        let open = |row: &SenderRow| open_address(&merchant.key, address_place(row.id), &row.address);
        let mut addresses = rows.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        addresses.extend(open_former(merchant, former.as_ref())?);
        Ok(addresses)
    }

    /// Adds the sender's own copy to a mail for a customer, where the store asks for that and its program has not.
    pub(super) fn add_own_copy(incoming: &mut Incoming<'_>) {
        let to_customer =
            |(to, _): &(Recipient, Wishes)| matches!(to, Recipient::Party { side: Side::Customer, .. });
        let Some(own) = speaking(incoming).filter(|own| own.label.copies) else { return };
        let is_named = |(to, _): &(Recipient, Wishes)| match to {
            Recipient::Copy(address) => address.same_mailbox(&own.address),
            _ => false,
        };
        let octets = incoming.bytes.len().saturating_mul(incoming.recipients.len() + 1);
        // A mail that can just be taken is not refused for its copy.
        let has_room = u64::try_from(octets).is_ok_and(|octets| octets <= COPIES_MAX);
        if has_room
            && incoming.recipients.iter().any(to_customer)
            && !incoming.recipients.iter().any(is_named)
        {
            let copy = Recipient::Copy(own.address.again());
            incoming.recipients.push((copy, Wishes::default()));
        }
    }
}

/// The registered address that a mail of a store is from: that in From, else the reverse-path.
pub(super) fn speaking<'a>(incoming: &Incoming<'a>) -> Option<&'a Registered> {
    let login = incoming.login?;
    if login.addresses.iter().all(|own| own.label == SenderLabel::default()) {
        return None;
    }
    let from = anonymize::header_from(&incoming.bytes).unwrap_or_default();
    from.iter().chain(incoming.sender).find_map(|address| login.registered(address))
}

pub(super) fn address_place(sender: i64) -> Place {
    Place::new("merchant_address", "address", sender)
}

pub(super) fn label_place(sender: i64) -> Place {
    Place::new("merchant_address", "label", sender)
}

fn former_place(merchant: i64) -> Place {
    Place::new("merchant", "former", merchant)
}

fn open_sender(key: &DataKey, row: &SenderRow) -> Result<Registered, RelayFault> {
    let label = match &row.label {
        // Nothing that leads mail: one that does not open is as if nothing was said.
        Some(sealed) => key
            .open(label_place(row.id), sealed)
            .ok()
            .and_then(|plain| serde_json::from_slice(&plain).ok())
            .unwrap_or_default(),
        None => SenderLabel::default(),
    };
    let address = open_address(key, address_place(row.id), &row.address)?;
    Ok(Registered { id: row.id, address, label })
}

pub(super) fn open_former(
    merchant: &Merchant,
    former: Option<&Sealed>,
) -> Result<Vec<RealAddress>, RelayFault> {
    let malformed = || RelayFault::Malformed("merchant.former");
    let Some(sealed) = former else { return Ok(Vec::new()) };
    let plain = merchant.key.open(former_place(merchant.id), sealed)?;
    let texts: Vec<String> = serde_json::from_slice(&plain).map_err(|_| malformed())?;
    texts.iter().map(|text| RealAddress::parse(text).map_err(|_| malformed())).collect()
}

/// The addresses that were taken off, as they are kept.
pub(super) fn seal_former(merchant: &Merchant, former: &[RealAddress]) -> Result<Sealed, RelayFault> {
    let texts: Vec<String> = former.iter().map(RealAddress::reveal).collect();
    let text = serde_json::to_vec(&texts).map_err(|_| RelayFault::Malformed("merchant.former"))?;
    Ok(merchant.key.seal(former_place(merchant.id), &text))
}
