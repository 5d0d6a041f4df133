//! A forgotten ID or password: what a store's people get back by their address.
//!
//! Rules: whoever asks gets one answer at once, before anything is looked for. To the address go the ids of its stores and, for each person who
//! has it, a code, to the spelling under which it was registered: good once, for half an hour, in the browser that asked. With the code a new password is chosen; that signs nobody in, so a
//! second factor is asked for as ever. All sessions of the person end, and the administrators, the person and the store's first address are told.
//! Who signs in by a login elsewhere has nothing to forget. How often one may ask the floor above says.
//! When it fails: [`PeopleFault`]; nothing was changed.

use super::access::{Access, By};
use super::codes::{Bound, CODE_LASTS, digest, new_code};
use super::mails::MenuText;
use super::people::done;
use super::{Boxing, MenuStore, PeopleFault, Visit, open_label, passwords, verifier_place};
use crate::mail::{RealAddress, Timestamp};
use crate::relay::{Event, Merchant, Relay, RelayFault};
use crate::store::{MenuChanged, MenuPersonRow, NewMenuCode, Told};
use crate::vault::{Index, Indexed, Secret};

/// Stores of one address that are told of, and people of it.
const STORES_MAX: usize = 5;
const PEOPLE_MAX: i64 = 20;

impl Relay {
    /// By what requests for an address are counted, however it is spelled; `None`: it is no address.
    pub fn asked_mailbox(&self, address: &str) -> Option<Index> {
        Some(self.menu_address(&RealAddress::parse(address.trim()).ok()?))
    }

    /// Sends an address what it has forgotten, if it is anybody's, and `may_send` says that there was not enough of it yet: for the browser with
    /// this mark.
    ///
    /// # Errors
    /// [`RelayFault`] when the database or the keys fail.
    pub async fn send_forgotten(
        &self,
        address: &str,
        mark: &str,
        visit: &Visit,
        may_send: impl FnOnce() -> bool,
    ) -> Result<(), RelayFault> {
        let Ok(address) = RealAddress::parse(address.trim()) else { return Ok(()) };
        let people = self.store().menu_people_at(self.menu_address(&address), PEOPLE_MAX).await?;
        let indexes: Vec<Index> = self.vault().index.all(Indexed::Address(&address)).into_iter().collect();
        let limit = i64::try_from(STORES_MAX).unwrap_or(i64::MAX);
        let mut stores: Vec<i64> = people.iter().map(|person| person.merchant_id).collect();
        stores.extend(self.store().stores_of_address(&indexes, limit).await?);
        stores.sort_unstable();
        stores.dedup();
        if stores.is_empty() {
            return Ok(());
        }
        if !may_send() {
            tracing::warn!(
                event = "menu_codes",
                "as many have forgotten ID or password as may have in an hour"
            );
            return Ok(());
        }
        for id in stores.into_iter().take(STORES_MAX) {
            let Some(row) = self.store().menu_store_of(id).await? else { continue };
            let MenuStore { merchant, has_left, .. } = self.open_menu_store(row)?;
            if !has_left {
                let own = people.iter().filter(|person| person.merchant_id == id);
                self.send_codes(&merchant, own, (&address, mark), visit).await?;
            }
        }
        Ok(())
    }

    async fn send_codes(
        &self,
        store: &Merchant,
        people: impl Iterator<Item = &MenuPersonRow>,
        (address, mark): (&RealAddress, &str),
        visit: &Visit,
    ) -> Result<(), RelayFault> {
        let now = Timestamp::now();
        let until = now.after(CODE_LASTS);
        let (mut codes, mut told) = (Vec::new(), Told::default());
        // Mail goes to what was registered, never to what was typed: two spellings of which we make one may be two mailboxes elsewhere.
        let mut to: Vec<(RealAddress, Vec<(String, Secret)>)> = Vec::new();
        let registered = self.registered(store).await?;
        to.extend(
            registered.into_iter().filter(|own| own.same_mailbox(address)).map(|own| (own, Vec::new())),
        );
        for person in people {
            let (label, own) = open_label(&store.key, person)?;
            // The index found it; the row says whether it is so. Who was invited and let the invitation end was never there.
            let ended = person.initial_until.is_some_and(|until| until <= now);
            let never_came = person.password_at == person.created_at;
            if !own.same_mailbox(address) || (ended && never_came) || person.has_login {
                continue;
            }
            let code = new_code();
            codes.push(NewMenuCode {
                id: self.next_id(),
                code: digest(code.show(), &Bound::Password(mark)),
                person_id: Some(person.id),
                label: None,
                ends_at: until,
            });
            told.records.push(self.record_of(store, &label.name, ("send-code", "sent"), visit));
            match to.iter_mut().find(|(known, _)| known.reveal() == own.reveal()) {
                Some((_, named)) => named.push((label.name, code)),
                None => to.push((own, vec![(label.name, code)])),
            }
        }
        // Where somebody has it in another spelling, that one alone is told.
        if to.iter().any(|(_, named)| !named.is_empty()) {
            to.retain(|(_, named)| !named.is_empty());
        }
        for (to, named) in &to {
            let text = MenuText::forgotten(&self.policy().brand, store, named, until);
            told.mails.push(self.menu_mail(store, to, &text, "menu_forgotten", now)?);
        }
        self.store().add_menu_codes(store.id, &codes, now, &told).await?;
        Ok(())
    }

    /// Gives the person to whom this code went the password that was chosen.
    ///
    /// # Errors
    /// [`PeopleFault::WrongCode`] when the code is none, was used, or is over; of another kind when the password is not fit.
    pub async fn recover_password(
        &self,
        (code, mark): (&str, &str),
        new: &Secret,
        visit: &Visit,
    ) -> Result<(), PeopleFault> {
        let now = Timestamp::now();
        let row = self.store().menu_code(&digest(code, &Bound::Password(mark)), now).await?;
        let row = row.ok_or(PeopleFault::WrongCode)?;
        let person = row.person_id.ok_or(PeopleFault::WrongCode)?;
        let store = self.store().menu_store_of(row.merchant_id).await?.ok_or(PeopleFault::WrongCode)?;
        let MenuStore { merchant: store, has_left, .. } = self.open_menu_store(store)?;
        if has_left {
            return Err(PeopleFault::WrongCode);
        }
        let person = self.person_of(&store, person).await.map_err(|fault| match fault {
            PeopleFault::Gone => PeopleFault::WrongCode,
            other => other,
        })?;
        if person.has_login {
            return Err(PeopleFault::WrongCode);
        }
        let (label, _) = open_label(&store.key, &person)?;
        let context = [store.store_id.as_str(), &store.name, &label.name, &self.policy().brand];
        passwords::check(new.show(), &context).map_err(PeopleFault::Password)?;
        let hash = self.inner.hashes.make(new).await?;
        let verifier = store.key.seal(verifier_place(person.id), hash.as_str().as_bytes());
        let record = self.record_of(&store, &label.name, ("recover-password", "done"), visit);
        let mut told = Told { records: vec![record], ..Told::default() };
        let whence = self.whence(visit);
        let text = MenuText::recovered(&self.policy().brand, &store, &label.name, &whence, now);
        for to in self.addresses_to_warn(&store, &label.name).await? {
            told.mails.push(self.menu_mail(&store, &to, &text, "menu_recovered", now)?);
        }
        match self.store().recover_menu_password(&person, row.id, &verifier, now, &told).await? {
            MenuChanged::Gone => Err(PeopleFault::WrongCode),
            changed => done(changed),
        }
    }

    fn record_of(
        &self,
        store: &Merchant,
        name: &str,
        (action, result): (&'static str, &'static str),
        visit: &Visit,
    ) -> crate::store::NewRecord {
        let access = Access { page: "forgotten", action, result, left_out: 0 };
        let by = By::Named { store: Some(store), store_id: &store.store_id, name, session: None };
        self.access_record(Event::Menu, by, visit, access, None)
    }

    /// By what a person is found.
    pub(super) fn menu_address(&self, address: &RealAddress) -> Index {
        self.vault().index.of(Indexed::MenuAddress(address))
    }

    /// Lets people of an older version be found by their address.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn find_people_by_address(&self, boxing: &mut Boxing) -> Result<(), RelayFault> {
        const AT_ONCE: i64 = 200;
        if !self.serves_menu() {
            return Ok(());
        }
        for row in self.store().people_without_address(boxing.people_after, AT_ONCE).await? {
            boxing.people_after = row.id;
            let Some(store) = self.store().menu_store_of(row.merchant_id).await? else { continue };
            // One that does not open is found by nothing, and told of where it is shown.
            let opened = self.open_menu_store(store).and_then(|store| open_label(&store.merchant.key, &row));
            if let Ok((_, address)) = opened {
                self.store().keep_menu_address(row.id, self.menu_address(&address)).await?;
            }
        }
        Ok(())
    }
}
