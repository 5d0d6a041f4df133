//! The people of a store: invited, given another role, taken off; their passwords.
//!
//! Rules: an administrator does it, nobody to himself, and one administrator always remains. Who is invited gets a one-time password at the
//! address that was given, which so is proven to be theirs; nobody else sees it, it is good for [`INITIAL_LASTS`] and is to be
//! changed. Every change is told to the person and to the administrators. For a day after a sign-in from a new country nothing of
//! this is changed by who signed in so.
//! When it fails: [`PeopleFault`]; nothing was changed.

use super::mails::MenuText;
use super::passwords::{self, PasswordFlaw};
use super::sign_in::user_name;
use super::{MenuRole, MenuSession, PersonLabel, Visit, label_place, open_label, seal_json, verifier_place};
use crate::mail::{AddressError, RealAddress, Timestamp};
use crate::relay::hashes::Busy;
use crate::relay::{Merchant, Relay, RelayFault};
use crate::store::{MenuChanged, MenuPersonRow, NewMenuPerson, PEOPLE_MAX, StoreFault, Told};
use crate::vault::Secret;
use std::time::Duration;

/// How long a password is good that somebody else made.
pub(super) const INITIAL_LASTS: Duration = Duration::from_secs(7 * 86_400);
/// Longest user name.
const NAME_MAX: usize = 32;

/// Why people were not changed.
#[derive(Debug, thiserror::Error)]
pub enum PeopleFault {
    #[error("user name: 1 to {NAME_MAX} of a-z, 0-9, -, _ and .")]
    Name,
    #[error("address: {0}")]
    Address(AddressError),
    #[error("address: it lies in one of this installation's own domains")]
    OwnDomain,
    #[error("user name: somebody has it")]
    Taken,
    #[error("at most {PEOPLE_MAX} people of a store")]
    TooMany,
    #[error("nobody would be left who administers")]
    LastAdministrator,
    #[error("that person is not there any more")]
    Gone,
    #[error("nobody does that to himself")]
    Oneself,
    #[error("only an administrator does that")]
    NotAllowed,
    #[error("a sign-in came from a new country; this waits until {0}")]
    Cooling(Timestamp),
    #[error("the password is wrong")]
    WrongPassword,
    #[error("that person signs in by a login elsewhere and has no password")]
    NoPassword,
    #[error("the code is wrong, or was used")]
    WrongCode,
    #[error("the new password")]
    Password(PasswordFlaw),
    #[error("too many passwords are being checked; try again")]
    Busy,
    #[error(transparent)]
    Fault(#[from] RelayFault),
}

impl From<StoreFault> for PeopleFault {
    fn from(fault: StoreFault) -> Self {
        Self::Fault(fault.into())
    }
}

impl From<Busy> for PeopleFault {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

/// A person as administrators see it.
pub struct PersonView {
    pub id: i64,
    pub name: String,
    pub role: MenuRole,
    /// The person's own, which the administrators gave.
    pub address: String,
    pub created_at: Timestamp,
    /// Invited, and not in yet: until when that is good.
    pub invited_until: Option<Timestamp>,
    /// Whether there is a second factor.
    pub has_factor: bool,
    /// Whether it is a login elsewhere by which the person signs in.
    pub has_login: bool,
}

impl Relay {
    /// The people of a store who may sign in.
    ///
    /// # Errors
    /// [`PeopleFault`] when who asks is no administrator, or the database does not answer.
    pub async fn menu_people(&self, who: &MenuSession) -> Result<Vec<PersonView>, PeopleFault> {
        administrates(who)?;
        let rows = self.store().menu_people(who.store.id).await?;
        let view = |row: MenuPersonRow| -> Result<PersonView, RelayFault> {
            let (label, _) = open_label(&who.store.key, &row)?;
            let role = MenuRole::parse(&row.role).ok_or(RelayFault::Malformed("menu_person.role"))?;
            Ok(PersonView {
                id: row.id,
                name: label.name,
                role,
                address: label.address,
                created_at: row.created_at,
                invited_until: row.initial_until,
                has_factor: row.factor.is_some(),
                has_login: row.has_login,
            })
        };
        let here = rows.into_iter().filter(|row| row.ended_at.is_none());
        Ok(here.map(view).collect::<Result<_, _>>()?)
    }

    /// Invites somebody: a one-time password goes to the address.
    ///
    /// # Errors
    /// [`PeopleFault`].
    pub async fn invite(
        &self,
        who: &MenuSession,
        (name, address, role): (&str, &str, MenuRole),
        visit: &Visit,
    ) -> Result<(), PeopleFault> {
        administrates(who)?;
        may_change(who)?;
        let name = user_name(name);
        let is_good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
        if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(is_good) {
            return Err(PeopleFault::Name);
        }
        let address = RealAddress::parse(address.trim()).map_err(PeopleFault::Address)?;
        if self.domains().is_ours(address.reveal_domain()) {
            return Err(PeopleFault::OwnDomain);
        }
        let (id, now) = (self.next_id(), Timestamp::now());
        let key = &who.store.key;
        let password = Secret::generate("answ_");
        let hash = self.inner.hashes.make(&password).await?;
        let label = PersonLabel { name: name.clone(), address: address.reveal() };
        let until = now.after(INITIAL_LASTS);
        let new = NewMenuPerson {
            id,
            name_idx: self.name_index(who.store.id, &name),
            address_idx: self.menu_address(&address),
            role: role.as_str(),
            label: seal_json(key, label_place(id), &label)?,
            verifier: key.seal(verifier_place(id), hash.as_str().as_bytes()),
            initial_until: Some(until),
        };
        let about = Some(format!("{name}: {}", role.as_str()));
        let mut told = self.menu_told(who, visit, "people", "invite", about).unless_cooling();
        let invitation = MenuText::invitation(&self.policy().brand, &who.store, &name, &password, until);
        told.mails.push(self.menu_mail(&who.store, &address, &invitation, "menu_invitation", now)?);
        let change =
            MenuText::person(&self.policy().brand, &who.store, &who.person.name, &name, Some(role), now);
        self.tell_administrators(&who.store, &change, now, &mut told).await?;
        done(self.store().add_menu_person(who.store.id, &new, now, &told).await?)
    }

    /// Gives a person another role; `None` takes the person off.
    ///
    /// # Errors
    /// [`PeopleFault`].
    pub async fn set_role(
        &self,
        who: &MenuSession,
        person: i64,
        role: Option<MenuRole>,
        visit: &Visit,
    ) -> Result<(), PeopleFault> {
        may_change_other(who, person)?;
        let row = self.person_of(&who.store, person).await?;
        let (label, address) = open_label(&who.store.key, &row)?;
        let now = Timestamp::now();
        let word = role.map_or("taken off", MenuRole::as_str);
        let (action, about) = match role {
            Some(_) => ("role", format!("{}: {word}", label.name)),
            None => ("remove", label.name.clone()),
        };
        let mut told = self.menu_told(who, visit, "people", action, Some(about)).unless_cooling();
        let brand = &self.policy().brand;
        let change = MenuText::person(brand, &who.store, &who.person.name, &label.name, role, now);
        told.mails.push(self.menu_mail(&who.store, &address, &change, "menu_person", now)?);
        self.tell_administrators(&who.store, &change, now, &mut told).await?;
        let of = (who.store.id, person);
        done(self.store().set_menu_role(of, role.map(MenuRole::as_str), now, &told).await?)
    }

    /// Sends a person a new one-time password; the one before is good no more, and its sessions end.
    ///
    /// # Errors
    /// [`PeopleFault`].
    pub async fn reset_password(
        &self,
        who: &MenuSession,
        person: i64,
        visit: &Visit,
    ) -> Result<(), PeopleFault> {
        may_change_other(who, person)?;
        let row = self.person_of(&who.store, person).await?;
        if row.has_login {
            return Err(PeopleFault::NoPassword);
        }
        let (label, address) = open_label(&who.store.key, &row)?;
        let now = Timestamp::now();
        let password = Secret::generate("answ_");
        let hash = self.inner.hashes.make(&password).await?;
        let verifier = who.store.key.seal(verifier_place(person), hash.as_str().as_bytes());
        let until = now.after(INITIAL_LASTS);
        let about = Some(label.name.clone());
        let mut told = self.menu_told(who, visit, "people", "reset-password", about).unless_cooling();
        let text = MenuText::invitation(&self.policy().brand, &who.store, &label.name, &password, until);
        told.mails.push(self.menu_mail(&who.store, &address, &text, "menu_invitation", now)?);
        done(self.store().set_menu_password(&row, (&verifier, Some(until)), None, now, &told).await?)
    }

    /// Changes one's own password. The session goes on, all others end.
    ///
    /// # Errors
    /// [`PeopleFault`].
    pub async fn change_password(
        &self,
        who: &MenuSession,
        (old, new): (&Secret, &Secret),
        visit: &Visit,
    ) -> Result<(), PeopleFault> {
        let row = &who.person.row;
        if row.has_login {
            return Err(PeopleFault::NoPassword);
        }
        let key = &who.store.key;
        self.confirm_password(who, old, visit).await?;
        if old.show() == new.show() {
            return Err(PeopleFault::Password(PasswordFlaw::Same));
        }
        let context = [who.store.store_id.as_str(), &who.store.name, &who.person.name, &self.policy().brand];
        passwords::check(new.show(), &context).map_err(PeopleFault::Password)?;
        let hash = self.inner.hashes.make(new).await?;
        let now = Timestamp::now();
        let verifier = key.seal(verifier_place(row.id), hash.as_str().as_bytes());
        let mut told = self.menu_told(who, visit, "password", "change-password", None);
        let whence = self.whence(visit);
        let text = MenuText::password(&self.policy().brand, &who.store, &who.person.name, &whence, now);
        for to in self.addresses_to_warn(&who.store, &who.person.name).await? {
            told.mails.push(self.menu_mail(&who.store, &to, &text, "menu_password", now)?);
        }
        done(self.store().set_menu_password(row, (&verifier, None), Some(who.id), now, &told).await?)
    }

    /// Checks the password of who is signed in.
    ///
    /// # Errors
    /// [`PeopleFault::WrongPassword`], or a fault.
    pub async fn confirm_password(
        &self,
        who: &MenuSession,
        password: &Secret,
        visit: &Visit,
    ) -> Result<(), PeopleFault> {
        let row = &who.person.row;
        let kept = who.store.key.open(verifier_place(row.id), &row.verifier).map_err(RelayFault::from)?;
        let kept = std::str::from_utf8(&kept).map_err(|_| RelayFault::Malformed("menu_person.verifier"))?;
        let under = format!("menu {} {}", who.store.store_id, who.person.name);
        let is_right = self.inner.hashes.is_right(kept, &under, password, visit.ip).await?;
        if is_right { Ok(()) } else { Err(PeopleFault::WrongPassword) }
    }

    pub(super) async fn person_of(
        &self,
        store: &Merchant,
        person: i64,
    ) -> Result<MenuPersonRow, PeopleFault> {
        let rows = self.store().menu_people(store.id).await?;
        let is_it = |row: &MenuPersonRow| row.id == person && row.ended_at.is_none();
        rows.into_iter().find(is_it).ok_or(PeopleFault::Gone)
    }

    async fn tell_administrators(
        &self,
        store: &Merchant,
        text: &MenuText,
        now: Timestamp,
        told: &mut Told,
    ) -> Result<(), RelayFault> {
        for to in self.addresses_to_tell(store, None).await? {
            told.mails.push(self.menu_mail(store, &to, text, "menu_person", now)?);
        }
        Ok(())
    }

    /// The same, and the store's registered address, which nobody changes in the menu: of what could take a store from its people.
    pub(super) async fn addresses_to_warn(
        &self,
        store: &Merchant,
        name: &str,
    ) -> Result<Vec<RealAddress>, RelayFault> {
        let mut addresses = self.addresses_to_tell(store, Some(name)).await?;
        let registered = self.registered(store).await?.into_iter().next();
        let is_new = |address: &RealAddress| !addresses.iter().any(|other| other.same_mailbox(address));
        if let Some(registered) = registered.filter(is_new) {
            addresses.push(registered);
        }
        Ok(addresses)
    }

    /// The addresses of a store's administrators who have proven them, and of the person of this name, each once.
    pub(super) async fn addresses_to_tell(
        &self,
        store: &Merchant,
        name: Option<&str>,
    ) -> Result<Vec<RealAddress>, RelayFault> {
        let mut addresses: Vec<RealAddress> = Vec::new();
        for row in self.store().menu_people(store.id).await? {
            if row.ended_at.is_some() {
                continue;
            }
            let (label, address) = open_label(&store.key, &row)?;
            // Who was invited and has not come yet may be anybody: the address is what somebody typed.
            let is_proven = row.initial_until.is_none() || row.password_at != row.created_at;
            let administrates = row.role == MenuRole::Administrator.as_str() && is_proven;
            let is_told = administrates || Some(label.name.as_str()) == name;
            if is_told && !addresses.iter().any(|other| other.same_mailbox(&address)) {
                addresses.push(address);
            }
        }
        // No administrator has a password of his own yet: the store's own address.
        if addresses.is_empty() {
            addresses.extend(self.registered(store).await?.into_iter().next());
        }
        Ok(addresses)
    }
}

pub(super) fn administrates(who: &MenuSession) -> Result<(), PeopleFault> {
    if who.person.role == MenuRole::Administrator { Ok(()) } else { Err(PeopleFault::NotAllowed) }
}

/// Whether who signed in may change what leads mail, or who may.
pub(super) fn may_change(who: &MenuSession) -> Result<(), PeopleFault> {
    match who.person.cools_until {
        Some(until) if until > Timestamp::now() => Err(PeopleFault::Cooling(until)),
        _ => Ok(()),
    }
}

/// Whether who signed in may change what another person is.
pub(super) fn may_change_other(who: &MenuSession, person: i64) -> Result<(), PeopleFault> {
    administrates(who)?;
    may_change(who)?;
    if person == who.person.id { Err(PeopleFault::Oneself) } else { Ok(()) }
}

pub(super) fn done(changed: MenuChanged) -> Result<(), PeopleFault> {
    match changed {
        MenuChanged::Done => Ok(()),
        MenuChanged::Taken => Err(PeopleFault::Taken),
        MenuChanged::TooMany => Err(PeopleFault::TooMany),
        MenuChanged::LastAdministrator => Err(PeopleFault::LastAdministrator),
        MenuChanged::NotAllowed => Err(PeopleFault::NotAllowed),
        MenuChanged::Gone => Err(PeopleFault::Gone),
    }
}
