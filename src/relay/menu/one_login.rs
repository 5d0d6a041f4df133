//! Signing in to the menu by the marketplace's own login, which has said of whom.
//!
//! Rules: a person is of one store, which the login names, and is found by the keyed index of store, issuer and subject; the subject itself is
//! kept nowhere. Who comes for the first time is added, without a password, under a name made of that index; who was taken off stays
//! off. A role that the login says counts at each sign-in, but the last administrator stays one. Beyond that it is a sign-in like any
//! (`sign_in.rs`): the alert, the wait after one from far, the second factor of one's own.
//! When it fails: [`SignInFault`]; one answer for an unknown store, one that has left, and a person who was taken off.

use super::access::{Access, Attempt, By};
use super::mails::MenuText;
use super::sign_in::{Coming, SignInFault, SignedIn, Stays, Way};
use super::{MenuRole, MenuStore, PersonLabel, Visit, label_place, seal_json, verifier_place};
use crate::mail::Timestamp;
use crate::relay::{Event, Merchant, Relay, RelayFault};
use crate::store::{MenuChanged, MenuPersonRow, NewMenuPerson, SigningIn, Told};
use crate::vault::{Index, Indexed, PasswordHash};
use data_encoding::HEXLOWER;

/// Octets of the index in a user name; more where that name is somebody's already.
const NAME_OCTETS: [usize; 2] = [3, 8];

/// What a login elsewhere said, proven.
pub struct OneLogin<'a> {
    pub issuer: &'a str,
    pub subject: &'a str,
    pub store_id: &'a str,
    /// What the login says that the person may.
    pub claimed: Option<MenuRole>,
    /// What somebody may of whom it says nothing, at first.
    pub otherwise: MenuRole,
    pub stays: Stays,
    /// The person that it has to be.
    pub expected: Option<i64>,
}

impl Relay {
    /// What a text that a browser keeps is bound to in this installation: nobody else makes it.
    #[must_use]
    pub fn bound_to(&self, text: &str) -> Index {
        self.vault().index.of(Indexed::MenuOuter(text))
    }

    /// Signs somebody in of whom a login elsewhere said who it is.
    ///
    /// # Errors
    /// [`SignInFault`].
    pub async fn one_login(&self, asked: &OneLogin<'_>, visit: &Visit) -> Result<SignedIn, SignInFault> {
        let store_id = asked.store_id.trim().to_lowercase();
        let refused = |store: Option<Merchant>, name: &str| {
            let attempt = Attempt { store, store_id: asked.store_id.to_owned(), name: name.to_owned() };
            SignInFault::Refused(Box::new(attempt))
        };
        let store = self.menu_store(&store_id).await?.map(|row| self.open_menu_store(row)).transpose()?;
        let Some(MenuStore { merchant: store, .. }) = store.filter(|store| !store.has_left) else {
            return Err(refused(None, ""));
        };
        let (issuer, subject) = (asked.issuer, asked.subject);
        let login = self.vault().index.of(Indexed::MenuLogin { merchant: store.id, issuer, subject });
        // Somebody else may do the same at the same moment.
        for _ in 0..3 {
            let person = self.store().menu_person_of_login(login).await?;
            let is_other = person.as_ref().map(|row| row.id);
            if asked.expected.is_some_and(|expected| is_other != Some(expected)) {
                return Err(refused(Some(store), ""));
            }
            let came = match &person {
                Some(row) if row.ended_at.is_some() => {
                    let name = self.open_person(&store.key, row.clone())?.name;
                    return Err(refused(Some(store), &name));
                }
                Some(row) => self.of_login(&store, row, asked, visit).await?,
                None => self.new_of_login(&store, login, asked, visit).await?,
            };
            match came {
                (MenuChanged::Done, signed_in, _) => {
                    if !signed_in.awaits_second {
                        self.welcome(visit);
                    }
                    return Ok(signed_in);
                }
                (MenuChanged::Gone, ..) => {}
                (_, _, name) => return Err(refused(Some(store), &name)),
            }
        }
        Err(refused(Some(store), &name_of(login, 0)))
    }

    /// Somebody who was here before.
    async fn of_login(
        &self,
        store: &Merchant,
        row: &MenuPersonRow,
        asked: &OneLogin<'_>,
        visit: &Visit,
    ) -> Result<(MenuChanged, SignedIn, String), SignInFault> {
        let now = Timestamp::now();
        let person = self.open_person(&store.key, row.clone())?;
        let mut role = asked.claimed.filter(|claimed| *claimed != person.role);
        loop {
            let more = match role {
                Some(role) => self.told_of_role(store, &person.name, role, visit, now).await?,
                None => Told::default(),
            };
            let coming = Coming {
                id: row.id,
                name: person.name.clone(),
                must_change: false,
                has_factor: row.factor.is_some(),
                who: SigningIn::OfLogin { person: row, role: role.map(MenuRole::as_str) },
                stays: asked.stays,
                way: Way::OneLogin,
                more,
            };
            match self.come_in(store, coming, visit, now).await? {
                // Somebody has to administer: the role stays.
                (MenuChanged::LastAdministrator, _) if role.take().is_some() => {}
                (changed, signed_in) => return Ok((changed, signed_in, person.name)),
            }
        }
    }

    /// Somebody who comes for the first time.
    async fn new_of_login(
        &self,
        store: &Merchant,
        login: Index,
        asked: &OneLogin<'_>,
        visit: &Visit,
    ) -> Result<(MenuChanged, SignedIn, String), SignInFault> {
        let now = Timestamp::now();
        let role = asked.claimed.unwrap_or(asked.otherwise);
        let addresses = self.registered(store).await?;
        let address = addresses.first().ok_or(RelayFault::Malformed("merchant_address"))?;
        let mut attempt = 0;
        loop {
            let (id, name) = (self.next_id(), name_of(login, attempt));
            let label = PersonLabel { name: name.clone(), address: address.reveal() };
            // No password fits, and one that is tried is held against it as long as against any.
            let verifier = PasswordHash::of_nobody();
            let new = NewMenuPerson {
                id,
                name_idx: self.name_index(store.id, &name),
                address_idx: self.menu_address(address),
                role: role.as_str(),
                label: seal_json(&store.key, label_place(id), &label)?,
                verifier: store.key.seal(verifier_place(id), verifier.as_str().as_bytes()),
                initial_until: None,
            };
            let coming = Coming {
                id,
                name: name.clone(),
                must_change: false,
                has_factor: false,
                who: SigningIn::NewOfLogin { merchant: store.id, person: &new, login },
                stays: asked.stays,
                way: Way::OneLogin,
                more: self.told_of_role(store, &name, role, visit, now).await?,
            };
            attempt += 1;
            match self.come_in(store, coming, visit, now).await? {
                (MenuChanged::Taken, _) if attempt < NAME_OCTETS.len() => {}
                (changed, signed_in) => return Ok((changed, signed_in, name)),
            }
        }
    }

    /// The record of a role that a login says, and the mails that tell the administrators of it.
    async fn told_of_role(
        &self,
        store: &Merchant,
        name: &str,
        role: MenuRole,
        visit: &Visit,
        now: Timestamp,
    ) -> Result<Told, RelayFault> {
        let access = Access { page: Way::OneLogin.page(), action: "role", result: "done", left_out: 0 };
        let by = By::Named { store: Some(store), store_id: &store.store_id, name, session: None };
        let about = Some(format!("{name}: {}", role.as_str()));
        let record = self.access_record(Event::Menu, by, visit, access, about);
        let mut told = Told { records: vec![record], ..Told::default() };
        let text = MenuText::person(&self.policy().brand, store, name, name, Some(role), now);
        for to in self.addresses_to_tell(store, None).await? {
            told.mails.push(self.menu_mail(store, &to, &text, "menu_person", now)?);
        }
        Ok(told)
    }
}

/// The user name of who signs in by a login elsewhere.
fn name_of(login: Index, attempt: usize) -> String {
    let octets = NAME_OCTETS.get(attempt).copied().unwrap_or(16);
    format!("login-{}", HEXLOWER.encode(login.as_bytes().get(..octets).unwrap_or_default()))
}
