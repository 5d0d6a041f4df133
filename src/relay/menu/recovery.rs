//! A way back for a store whose people have lost theirs: the operator makes a new one-time password.
//!
//! Rules: it is one as `merchant add` makes it: random, to be changed at once. The administrators are told by mail. The second factor stays
//! unless the operator takes it off too, having made sure who asks.
//! When it fails: [`PeopleFault`]; nothing was changed.

use super::mails::MenuText;
use super::people::{INITIAL_LASTS, done};
use super::sign_in::{FIRST, user_name};
use super::{PeopleFault, verifier_place};
use crate::mail::Timestamp;
use crate::relay::record::About;
use crate::relay::{Event, Relay, RelayFault};
use crate::store::Told;
use crate::vault::{Place, Secret};

/// What the operator gave back.
pub enum Recovered {
    /// A one-time password.
    Password(Secret),
    /// Nothing but the second factor was taken off: the person has no password here.
    FactorOff,
}

impl Relay {
    /// Makes a one-time password for a person of a store: of this name, or the first one. `None`: there is no such store.
    ///
    /// # Errors
    /// [`PeopleFault::Gone`] when there is no such person; [`PeopleFault::NoPassword`] when it is one who has none, and there is no
    /// second factor to take off.
    pub async fn new_menu_password(
        &self,
        store_id: &str,
        name: Option<&str>,
        drops_factor: bool,
    ) -> Result<Option<Recovered>, PeopleFault> {
        let Some(row) = self.menu_store(store_id).await? else { return Ok(None) };
        let store = self.open_menu_store(row)?.merchant;
        let (name, now) = (name.map_or_else(|| FIRST.to_owned(), user_name), Timestamp::now());
        let password = Secret::generate("answ_");
        let hash = self.inner.hashes.make(&password).await?;
        let person = self.store().menu_person(self.name_index(store.id, &name)).await?;
        let Some(person) = person else {
            if name != FIRST {
                return Err(PeopleFault::Gone);
            }
            // Nobody has come in yet, or those alone who come by a login elsewhere.
            let sealed = store.key.seal(Place::new("merchant", "menu", store.id), hash.as_str().as_bytes());
            let told = self.told_of_recovery(&store, &name, drops_factor, now).await?;
            done(self.store().set_first_menu_password(store.id, &sealed, &told).await?)?;
            return Ok(Some(Recovered::Password(password)));
        };
        if drops_factor && person.factor.is_some() {
            // Who has no password is told of it here: there is nothing after it.
            let told = if person.has_login {
                let text = MenuText::factor(
                    &self.policy().brand,
                    &store,
                    ("運営者 / the operator", &name, false),
                    now,
                );
                self.told_by_operator(&store, (&name, "second_factor", drops_factor), &text, now).await?
            } else {
                Told::default()
            };
            done(self.store().set_menu_factor(&person, None, None, &told).await?)?;
            if person.has_login {
                return Ok(Some(Recovered::FactorOff));
            }
        }
        if person.has_login {
            return Err(PeopleFault::NoPassword);
        }
        let verifier = store.key.seal(verifier_place(person.id), hash.as_str().as_bytes());
        let told = self.told_of_recovery(&store, &name, drops_factor, now).await?;
        let new = (&verifier, Some(now.after(INITIAL_LASTS)));
        done(self.store().set_menu_password(&person, new, None, now, &told).await?)?;
        Ok(Some(Recovered::Password(password)))
    }

    async fn told_of_recovery(
        &self,
        store: &crate::relay::Merchant,
        name: &str,
        drops_factor: bool,
        now: Timestamp,
    ) -> Result<Told, RelayFault> {
        let text = MenuText::reissued(&self.policy().brand, store, name, now);
        self.told_by_operator(store, (name, "menu_password", drops_factor), &text, now).await
    }

    async fn told_by_operator(
        &self,
        store: &crate::relay::Merchant,
        (name, change, drops_factor): (&str, &'static str, bool),
        text: &MenuText,
        now: Timestamp,
    ) -> Result<Told, RelayFault> {
        let detail = serde_json::json!({
            "change": change, "user": self.user(), "person": name, "second_factor_off": drops_factor,
        });
        let about = About { merchant: Some(store.id), ..About::default() };
        let record = self.new_record(&store.key, Event::Credential, about, None, &detail, None);
        let mut told = Told { records: vec![record], ..Told::default() };
        for to in self.addresses_to_warn(store, name).await? {
            told.mails.push(self.menu_mail(store, &to, text, "menu_reissued", now)?);
        }
        Ok(told)
    }
}
