//! 登録メールアドレス: the addresses from which a store sends, changed by its own people.
//!
//! Rules: administrators and staff change them, readers look; after a sign-in from a new country that waits for a day, but for taking one off. A new
//! one counts once a code that went to it came back. The first one, where the store's mail goes, is neither taken off nor another
//! here: it is what a store gets its menu back by. Every change is told to all addresses of the store, the new and the old one among them,
//! and to its administrators.
//! When it fails: [`SenderFault`]; nothing was changed.

use super::codes::{Bound, CODE_LASTS, digest, new_code};
use super::credentials::handles_mail;
use super::mails::MenuText;
use super::{MenuRole, MenuSession, PeopleFault, Visit, seal_json};
use crate::anonymize::may_be_shown;
use crate::mail::{RealAddress, Timestamp};
use crate::relay::registered::{
    Registered, SenderLabel, address_place, label_place, open_former, seal_former,
};
use crate::relay::{Merchant, Relay, RelayFault, queue_id};
use crate::store::{ADDRESSES_MAX, MenuChanged, MenuCodeRow, NewAddress, NewMenuCode, StoreFault, Told};
use crate::vault::{DataKey, Indexed, Place};
use serde::{Deserialize, Serialize};

/// Longest name, in characters.
const NAME_MAX: usize = 100;
/// Addresses that were taken off and are sought in each mail of the store.
const FORMER_MAX: usize = 200;

/// Why registered addresses were not changed.
#[derive(Debug, thiserror::Error)]
pub enum SenderFault {
    /// By who asks, or by the address.
    #[error(transparent)]
    Person(#[from] PeopleFault),
    #[error("name: up to {NAME_MAX} characters, with no address, domain, link or telephone number")]
    Name,
    #[error("address: it is registered")]
    Taken,
    #[error("at most {ADDRESSES_MAX} addresses of a store")]
    TooMany,
    #[error("the first address is not taken off")]
    First,
    #[error("the code is wrong, was used, or is over")]
    Code,
}

impl From<RelayFault> for SenderFault {
    fn from(fault: RelayFault) -> Self {
        Self::Person(fault.into())
    }
}

impl From<StoreFault> for SenderFault {
    fn from(fault: StoreFault) -> Self {
        Self::Person(fault.into())
    }
}

/// A registered address as its store sees it.
pub struct SenderView {
    pub id: i64,
    pub address: String,
    pub name: String,
    pub copies: bool,
    /// Whether the store's mail goes to it.
    pub is_first: bool,
}

/// One that waits for its proof.
pub struct ClaimView {
    pub address: String,
    pub until: Timestamp,
}

/// What is sealed of one that waits.
#[derive(Serialize, Deserialize)]
struct Claim {
    address: String,
    #[serde(flatten)]
    label: SenderLabel,
}

impl Relay {
    /// The registered addresses of a store, and those that wait for their proof.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn menu_senders(
        &self,
        who: &MenuSession,
    ) -> Result<(Vec<SenderView>, Vec<ClaimView>), RelayFault> {
        let senders = self.sender_views(&who.store).await?;
        let claimed = self.store().claimed_senders(who.store.id, Timestamp::now()).await?;
        let claim = |row: &MenuCodeRow| {
            let claim = open_claim(&who.store.key, row).ok()?;
            Some(ClaimView { address: claim.address, until: row.ends_at })
        };
        Ok((senders, claimed.iter().filter_map(claim).collect()))
    }

    async fn sender_views(&self, store: &Merchant) -> Result<Vec<SenderView>, RelayFault> {
        let view = |(at, one): (usize, Registered)| SenderView {
            id: one.id,
            address: one.address.reveal(),
            name: one.label.name,
            copies: one.label.copies,
            is_first: at == 0,
        };
        Ok(self.senders_of(store).await?.into_iter().enumerate().map(view).collect())
    }

    /// Asks a new address whether it is the store's: a code goes there.
    ///
    /// # Errors
    /// [`SenderFault`].
    pub async fn claim_sender(
        &self,
        who: &MenuSession,
        (address, name, copies): (&str, &str, bool),
        visit: &Visit,
    ) -> Result<(), SenderFault> {
        handles_mail(who)?;
        let address = RealAddress::parse(address.trim()).map_err(PeopleFault::Address)?;
        if self.domains().is_ours(address.reveal_domain()) {
            return Err(PeopleFault::OwnDomain.into());
        }
        let registered = self.registered(&who.store).await?;
        if registered.iter().any(|own| own.same_mailbox(&address)) {
            return Err(SenderFault::Taken);
        }
        if registered.len() >= ADDRESSES_MAX {
            return Err(SenderFault::TooMany);
        }
        let mut known = self.known_addresses(&who.store).await?;
        known.push(address.again());
        let label = label(name, copies, &known)?;
        let (id, now, code) = (self.next_id(), Timestamp::now(), new_code());
        let claim = Claim { address: address.reveal(), label };
        let until = now.after(CODE_LASTS);
        let new = NewMenuCode {
            id,
            code: digest(code.show(), &Bound::Address(who.store.id)),
            person_id: None,
            label: Some(seal_json(&who.store.key, claim_place(id), &claim)?),
            ends_at: until,
        };
        let mut told =
            self.menu_told(who, visit, "senders", "add-sender", Some(queue_id(id))).unless_cooling();
        let text = MenuText::address_code(&self.policy().brand, &who.store, &code, until);
        told.mails.push(self.menu_mail(&who.store, &address, &text, "menu_code", now)?);
        done(self.store().add_menu_codes(who.store.id, &[new], now, &told).await?)
    }

    /// Registers the address to which this code went.
    ///
    /// # Errors
    /// [`SenderFault`].
    pub async fn confirm_sender(
        &self,
        who: &MenuSession,
        code: &str,
        visit: &Visit,
    ) -> Result<(), SenderFault> {
        handles_mail(who)?;
        let (now, key) = (Timestamp::now(), &who.store.key);
        let found = self.store().menu_code(&digest(code, &Bound::Address(who.store.id)), now).await?;
        let row = found.filter(|row| row.merchant_id == who.store.id && row.person_id.is_none());
        let row = row.ok_or(SenderFault::Code)?;
        let claim = open_claim(key, &row)?;
        let malformed = || RelayFault::Malformed("menu_code.label");
        let address = RealAddress::parse(&claim.address).map_err(|_| malformed())?;
        if self.registered(&who.store).await?.iter().any(|own| own.same_mailbox(&address)) {
            return Err(SenderFault::Taken);
        }
        let id = self.next_id();
        let new = NewAddress {
            id,
            address_idx: self.vault().index.of(Indexed::Address(&address)),
            address: key.seal(address_place(id), claim.address.as_bytes()),
        };
        let label = seal_json(key, label_place(id), &claim.label)?;
        let told = self.told_of_sender(who, visit, ("confirm-sender", id), &address).await?.unless_cooling();
        done(self.store().register_sender((who.store.id, row.id), &new, &label, now, &told).await?)
    }

    /// Gives a registered address another name, and copies or none.
    ///
    /// # Errors
    /// [`SenderFault`].
    pub async fn change_sender(
        &self,
        who: &MenuSession,
        sender: i64,
        (name, copies): (&str, bool),
        visit: &Visit,
    ) -> Result<(), SenderFault> {
        handles_mail(who)?;
        let label = label(name, copies, &self.known_addresses(&who.store).await?)?;
        let senders = self.senders_of(&who.store).await?;
        let own = senders.into_iter().find(|one| one.id == sender).ok_or(PeopleFault::Gone)?;
        let sealed = seal_json(&who.store.key, label_place(sender), &label)?;
        let told = self.told_of_sender(who, visit, ("change-sender", sender), &own.address).await?;
        let told = told.unless_cooling();
        done(self.store().label_sender((who.store.id, sender), &sealed, &told).await?)
    }

    /// Takes a registered address off.
    ///
    /// # Errors
    /// [`SenderFault`].
    pub async fn end_sender(&self, who: &MenuSession, sender: i64, visit: &Visit) -> Result<(), SenderFault> {
        // As with credentials: to end what leads mail waits for nothing.
        if who.person.role == MenuRole::Reader {
            return Err(PeopleFault::NotAllowed.into());
        }
        let read = self.store().senders(who.store.id).await?.former;
        let senders = self.senders_of(&who.store).await?;
        let at = senders.iter().position(|one| one.id == sender).ok_or(PeopleFault::Gone)?;
        let own = senders.get(at).filter(|_| at > 0).ok_or(SenderFault::First)?;
        let mut former = open_former(&who.store, read.as_ref())?;
        if !former.iter().any(|known| known.same_mailbox(&own.address)) {
            former.push(own.address.again());
        }
        if former.len() > FORMER_MAX {
            return Err(SenderFault::TooMany);
        }
        let new = seal_former(&who.store, &former)?;
        let told = self.told_of_sender(who, visit, ("end-sender", sender), &own.address).await?;
        done(self.store().end_sender((who.store.id, sender), (read.as_ref(), &new), &told).await?)
    }

    /// The record of a change, and word of it to everybody whom it is of.
    async fn told_of_sender(
        &self,
        who: &MenuSession,
        visit: &Visit,
        (action, sender): (&'static str, i64),
        address: &RealAddress,
    ) -> Result<Told, RelayFault> {
        let now = Timestamp::now();
        let mut told = self.menu_told(who, visit, "senders", action, Some(queue_id(sender)));
        let whence = self.whence(visit);
        let about = (who.person.name.as_str(), action, address.reveal());
        let text = MenuText::sender(&self.policy().brand, &who.store, about, &whence, now);
        let mut to = self.registered(&who.store).await?;
        let others = self.addresses_to_tell(&who.store, None).await?;
        for other in others.into_iter().chain([address.again()]) {
            if !to.iter().any(|known| known.same_mailbox(&other)) {
                to.push(other);
            }
        }
        for to in to {
            told.mails.push(self.menu_mail(&who.store, &to, &text, "menu_sender", now)?);
        }
        Ok(told)
    }
}

/// `known`: the store's addresses, those of before too, of which the name must show none.
fn label(name: &str, copies: bool, known: &[RealAddress]) -> Result<SenderLabel, SenderFault> {
    let name = name.trim();
    if !name.is_empty() && (name.chars().count() > NAME_MAX || !may_be_shown(name, known.iter())) {
        return Err(SenderFault::Name);
    }
    Ok(SenderLabel { name: name.to_owned(), copies })
}

fn claim_place(code: i64) -> Place {
    Place::new("menu_code", "label", code)
}

fn open_claim(key: &DataKey, row: &MenuCodeRow) -> Result<Claim, RelayFault> {
    let malformed = RelayFault::Malformed("menu_code.label");
    let Some(sealed) = &row.label else { return Err(malformed) };
    serde_json::from_slice(&key.open(claim_place(row.id), sealed)?).map_err(|_| malformed)
}

fn done(changed: MenuChanged) -> Result<(), SenderFault> {
    Err(match changed {
        MenuChanged::Done => return Ok(()),
        MenuChanged::Taken => SenderFault::Taken,
        MenuChanged::TooMany => SenderFault::TooMany,
        MenuChanged::LastAdministrator | MenuChanged::NotAllowed => PeopleFault::NotAllowed.into(),
        MenuChanged::Gone => PeopleFault::Gone.into(),
    })
}
