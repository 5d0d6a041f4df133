//! Signing in to the menu: store id, user name and password, to a session.
//!
//! Rules: an unknown store, an unknown name, a wrong password and one whose time is over get one answer after the same work: a look at
//! each index, one verifier opened, one Argon2id (`hashes`). A session is new at each sign-in. Before the first person has signed in
//! the store's one-time password is that person's, under the name [`FIRST`], and has to be changed.
//! How often somebody may try is the floor above's to say.
//! When it fails: [`SignInFault`]; nobody is signed in.

use super::access::Attempt;
use super::arrival::Arrival;
use super::people::INITIAL_LASTS;
use super::sessions::digest;
use super::{
    MenuPerson, MenuRole, PersonLabel, Visit, label_place, seal_json, session_place, verifier_place,
};
use crate::mail::Timestamp;
use crate::relay::hashes::Busy;
use crate::relay::{Merchant, Relay, RelayFault};
use crate::store::{
    MenuChanged, MenuPersonRow, MenuStoreRow, NewMenuPerson, NewMenuSession, SigningIn, Told,
};
use crate::vault::{Index, Indexed, Place, Secret};
use std::time::Duration;
use zeroize::Zeroizing;

/// The user name of a store's first person.
pub const FIRST: &str = "admin";
/// Most sessions live so long, however much they are used (OWASP ASVS 5.0, 7.3.2).
const LIVES: Duration = Duration::from_secs(12 * 3600);
/// How long the second factor is awaited.
const AWAITS: Duration = Duration::from_secs(5 * 60);
/// How long one may go unused, on a device of one's own and on a shared one.
const IDLE: Duration = Duration::from_secs(30 * 60);
pub(super) const IDLE_PRIVATE: Duration = Duration::from_secs(10 * 60);

/// How long somebody stays on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stays {
    /// It is the person's own: it is known the next time.
    Own,
    /// Others use it: nothing stays there, and the session ends soon.
    Shared,
}

/// What somebody signs in with.
pub struct SignIn<'a> {
    pub store_id: &'a str,
    /// Empty: the first person.
    pub name: &'a str,
    pub password: &'a Secret,
    pub stays: Stays,
}

/// Somebody is in.
pub struct SignedIn {
    /// For the browser; the database has its hash.
    pub token: Secret,
    /// The mark of the device, where it may be known the next time.
    pub device: Option<String>,
    pub must_change: bool,
    /// Whether the second factor has to be shown first.
    pub awaits_second: bool,
}

/// By which way somebody comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// With a password.
    SignIn,
    /// By a login elsewhere.
    OneLogin,
}

impl Way {
    /// The page, as the access log has it.
    pub fn page(self) -> &'static str {
        match self {
            Way::SignIn => "sign-in",
            Way::OneLogin => "one-login",
        }
    }

    /// What was right before the second factor is.
    pub fn first_step(self) -> &'static str {
        match self {
            Way::SignIn => "password",
            Way::OneLogin => "one-login",
        }
    }
}

/// Somebody who has shown who it is.
pub(super) struct Coming<'a> {
    pub id: i64,
    pub name: String,
    pub must_change: bool,
    pub has_factor: bool,
    pub who: SigningIn<'a>,
    pub stays: Stays,
    pub way: Way,
    /// What is written beside the sign-in.
    pub more: Told,
}

/// Why somebody is not let in.
pub enum SignInFault {
    /// Store id, user name or password is wrong.
    Refused(Box<Attempt>),
    /// Too many are being checked.
    Busy,
    Fault(RelayFault),
}

impl From<RelayFault> for SignInFault {
    fn from(fault: RelayFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<crate::store::StoreFault> for SignInFault {
    fn from(fault: crate::store::StoreFault) -> Self {
        Self::Fault(fault.into())
    }
}

impl Relay {
    /// Signs somebody in, and tells the store's administrators if that is news.
    ///
    /// # Errors
    /// [`SignInFault`].
    pub async fn sign_in(&self, asked: &SignIn<'_>, visit: &Visit) -> Result<SignedIn, SignInFault> {
        let (store_id, name) = named(asked.store_id, asked.name);
        let store = self.menu_store(&store_id).await?;
        let merchant = store.as_ref().map_or(0, |store| store.merchant.id);
        let person = self.store().menu_person(self.name_index(merchant, &name)).await?;
        let store = store.map(|row| self.open_menu_store(row)).transpose()?;
        let is_first = person.is_none() && name == FIRST;
        let first = store.as_ref().filter(|store| is_first && !store.first.is_empty());
        let kept = match (&store, &person, first) {
            (Some(store), Some(person), _) => {
                Some(store.merchant.key.open(verifier_place(person.id), &person.verifier))
            }
            (_, None, Some(store)) => {
                Some(store.merchant.key.open(Place::new("merchant", "menu", store.merchant.id), &store.first))
            }
            _ => None,
        };
        let kept = kept.transpose().map_err(RelayFault::from)?;
        let nobody = || Zeroizing::new(self.inner.hashes.nobody().as_str().as_bytes().to_vec()).into();
        let mut kept = kept.unwrap_or_else(nobody);
        let verifier = String::from_utf8(std::mem::take(&mut *kept)).map(Zeroizing::new);
        let verifier = verifier.map_err(|_| RelayFault::Malformed("menu_person.verifier"))?;
        let under = format!("menu {store_id} {name}");
        let is_right = self.inner.hashes.is_right(&verifier, &under, asked.password, visit.ip).await;
        let is_right = is_right.map_err(|Busy| SignInFault::Busy)?;
        let now = Timestamp::now();
        let is_over = |person: &MenuPersonRow| person.initial_until.is_some_and(|until| until <= now);
        // Who signs in by a login elsewhere has no password, whatever the row says.
        let is_none = |person: &MenuPersonRow| person.has_login || is_over(person);
        let store = match store {
            Some(store) if is_right && !store.has_left && !person.as_ref().is_some_and(is_none) => store,
            store => {
                let store = store.filter(|store| !store.has_left).map(|store| store.merchant);
                let name = if asked.name.trim().is_empty() { name } else { asked.name.to_owned() };
                let attempt = Attempt { store, store_id: asked.store_id.to_owned(), name };
                return Err(SignInFault::Refused(Box::new(attempt)));
            }
        };
        let first = store.first;
        let signed_in = self.begin(&store.merchant, person.as_ref(), &first, asked, visit, now).await?;
        if let Some(signed_in) = signed_in {
            if !signed_in.awaits_second {
                self.welcome(visit);
            }
            return Ok(signed_in);
        }
        // Somebody changed the password while it was checked.
        let attempt = Attempt { store: Some(store.merchant), store_id, name };
        Err(SignInFault::Refused(Box::new(attempt)))
    }

    /// Whether somebody signed in as this person with this browser before. It lets nobody in, and looks at as much whoever is named.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn knows_device(&self, store_id: &str, name: &str, visit: &Visit) -> Result<bool, RelayFault> {
        let Some(device) = &visit.device else { return Ok(false) };
        let (store_id, name) = named(store_id, name);
        let merchant = self.menu_store(&store_id).await?.map_or(0, |store| store.merchant.id);
        let person = self.store().menu_person(self.name_index(merchant, &name)).await?;
        let person = person.map_or(0, |person| person.id);
        let mark = self.vault().index.of(Indexed::MenuKnown { person, what: &format!("device {device}") });
        let since = super::known_since(Timestamp::now());
        Ok(self.store().menu_known(person, &[mark], since).await?.contains(&true))
    }

    /// An attempt that was refused before it was looked at: of which store it was, if that exists.
    ///
    /// # Errors
    /// [`RelayFault`] when the database or the keys fail.
    pub async fn attempt_of(&self, store_id: &str, name: &str) -> Result<Attempt, RelayFault> {
        let (id, own) = named(store_id, name);
        let store = self.menu_store(&id).await?.map(|row| self.open_menu_store(row)).transpose()?;
        let store = store.filter(|store| !store.has_left).map(|store| store.merchant);
        let name = if name.trim().is_empty() { own } else { name.to_owned() };
        Ok(Attempt { store, store_id: store_id.to_owned(), name })
    }

    /// A store by its id. Every index is asked, so that the newest of them answers no sooner.
    pub(super) async fn menu_store(&self, store_id: &str) -> Result<Option<MenuStoreRow>, RelayFault> {
        let mut found = None;
        for index in self.vault().index.all(Indexed::StoreId(store_id)) {
            found = self.store().menu_store(index).await?.or(found);
        }
        Ok(found)
    }

    pub(super) fn name_index(&self, merchant: i64, name: &str) -> Index {
        self.vault().index.of(Indexed::MenuName { merchant, name })
    }

    async fn begin(
        &self,
        store: &Merchant,
        person: Option<&MenuPersonRow>,
        first: &crate::vault::Sealed,
        asked: &SignIn<'_>,
        visit: &Visit,
        now: Timestamp,
    ) -> Result<Option<SignedIn>, SignInFault> {
        let coming = |id, person: Option<&MenuPerson>, has_factor, who| Coming {
            id,
            name: person.map_or_else(|| FIRST.to_owned(), |person| person.name.clone()),
            must_change: person.is_none_or(|person| person.must_change),
            has_factor,
            who,
            stays: asked.stays,
            way: Way::SignIn,
            more: Told::default(),
        };
        let (changed, signed_in) = match person {
            Some(row) => {
                let opened = self.open_person(&store.key, row.clone())?;
                let who = SigningIn::Person(row);
                let coming = coming(row.id, Some(&opened), row.factor.is_some(), who);
                self.come_in(store, coming, visit, now).await?
            }
            None => {
                let new = self.first_person(store, asked.password).await?;
                let who = SigningIn::First { merchant: store.id, first, person: &new };
                self.come_in(store, coming(new.id, None, false, who), visit, now).await?
            }
        };
        Ok((changed == MenuChanged::Done).then_some(signed_in))
    }

    /// Lets somebody in who has shown who it is: a new session, what of it is news, and its record, in one transaction. Nobody is in
    /// unless that is done.
    pub(super) async fn come_in(
        &self,
        store: &Merchant,
        coming: Coming<'_>,
        visit: &Visit,
        now: Timestamp,
    ) -> Result<(MenuChanged, SignedIn), RelayFault> {
        let Coming { id: person, name, must_change, has_factor, who, stays, way, more } = coming;
        let (id, token) = (self.next_id(), Secret::received(Zeroizing::new(random_text(32))));
        let arrival = if has_factor {
            self.half_arrival(store, (&name, id), way, visit)
        } else {
            self.arrival(store, (person, &name, id), (stays, way), visit, now).await?
        };
        let idle = match stays {
            Stays::Own => IDLE,
            Stays::Shared => IDLE_PRIVATE,
        };
        let session = NewMenuSession {
            id,
            token: digest(token.show()),
            label: seal_json(&store.key, session_place(id), &self.whence(visit))?,
            idle_ms: i64::try_from(idle.as_millis()).unwrap_or(0),
            ends_at: now.after(LIVES),
            awaits_until: has_factor.then(|| now.after(AWAITS)),
        };
        let Arrival { device, known, cools_until, mut told } = arrival;
        told.records.extend(more.records);
        told.mails.extend(more.mails);
        let changed = self.store().sign_in(who, &session, &known, cools_until, now, &told).await?;
        Ok((changed, SignedIn { token, device, must_change, awaits_second: has_factor }))
    }

    /// Somebody has come in from there.
    pub(super) fn welcome(&self, visit: &Visit) {
        self.inner.hashes.is_welcome(visit.ip);
    }

    /// A store's first person, with the one-time password that was right.
    async fn first_person(&self, store: &Merchant, password: &Secret) -> Result<NewMenuPerson, SignInFault> {
        let id = self.next_id();
        let addresses = self.registered(store).await?;
        let address = addresses.first().ok_or(RelayFault::Malformed("merchant_address"))?;
        let label = PersonLabel { name: FIRST.to_owned(), address: address.reveal() };
        let hash = self.inner.hashes.make(password).await.map_err(|Busy| SignInFault::Busy)?;
        Ok(NewMenuPerson {
            id,
            name_idx: self.name_index(store.id, FIRST),
            address_idx: self.menu_address(address),
            role: MenuRole::Administrator.as_str(),
            label: seal_json(&store.key, label_place(id), &label)?,
            verifier: store.key.seal(verifier_place(id), hash.as_str().as_bytes()),
            // From its first use on it is good for as long as any that somebody else made.
            initial_until: Some(Timestamp::now().after(INITIAL_LASTS)),
        })
    }
}

/// Store id and user name as they are looked for; without a user name it is the first person's.
fn named(store_id: &str, name: &str) -> (String, String) {
    let name = if name.trim().is_empty() { FIRST.to_owned() } else { user_name(name) };
    (store_id.trim().to_lowercase(), name)
}

/// Whom attempts to sign in are counted of.
#[must_use]
pub fn menu_account(store_id: &str, name: &str) -> String {
    let (store_id, name) = named(store_id, name);
    format!("{store_id}/{name}")
}

/// The user name that is looked for: names differ in more than case.
pub(super) fn user_name(text: &str) -> String {
    text.trim().to_lowercase()
}

/// So many random octets, in letters and digits.
pub(super) fn random_text(octets: usize) -> String {
    let random: [u8; 32] = crate::vault::random_bytes();
    data_encoding::BASE32_NOPAD.encode(random.get(..octets).unwrap_or(&random)).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_is_one_account() {
        assert_eq!(menu_account(" Mise ", ""), "mise/admin");
        assert_eq!(menu_account("mise", " Admin"), "mise/admin");
    }
}
