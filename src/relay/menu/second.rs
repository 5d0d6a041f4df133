//! The second factor: a code of an authenticator app, or one of ten recovery codes.
//!
//! Rules: who has one is signed in only once it was shown; until then the session opens one page, for five minutes. A code counts once,
//! a recovery code too, of which the hash alone is kept. Setting it up takes a code of the new secret. A wrong code after the right
//! password is told to its person, once a day: somebody else may have the password. An administrator takes it off for who has lost the
//! app, and everybody is told; a one-time password does not get round it.
//! When it fails: [`PeopleFault`].

use super::access::{Access, By};
use super::mails::MenuText;
use super::people::{done, may_change, may_change_other};
use super::sessions::digest;
use super::sign_in::{IDLE_PRIVATE, SignedIn, Stays, Way, random_text};
use super::{MenuPerson, MenuSession, PeopleFault, Visit, open_label, seal_json};
use crate::mail::Timestamp;
use crate::relay::{Event, Relay, RelayFault};
use crate::store::{MenuChanged, SecondShown, Told};
use crate::vault::{DataKey, Indexed, Place, Secret, TotpSecret};
use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::time::Duration;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// How many recovery codes there are.
const CODES: usize = 10;
/// A wrong code is told once in this time.
const TOLD_EVERY: Duration = Duration::from_secs(86_400);

/// What is sealed of it.
#[derive(Serialize, Deserialize)]
struct Factor {
    secret: String,
    since: i64,
    /// SHA-256 of each recovery code that was not used: a code has 80 random bits.
    codes: Vec<String>,
}

/// A second factor as its person sees it.
pub struct FactorView {
    pub since: Timestamp,
    pub codes_left: usize,
}

impl Relay {
    /// The second factor of who is signed in, if there is one.
    ///
    /// # Errors
    /// [`RelayFault`] when it does not open.
    pub fn factor(&self, who: &MenuSession) -> Result<Option<FactorView>, RelayFault> {
        let Some(factor) = open_factor(&who.store.key, &who.person)? else { return Ok(None) };
        let since = Timestamp::from_millis(factor.since);
        Ok(Some(FactorView { since, codes_left: factor.codes.len() }))
    }

    /// Sets a second factor up, if `code` is a code of it. The recovery codes, shown this once.
    ///
    /// # Errors
    /// [`PeopleFault::WrongCode`] when it is not.
    pub async fn set_factor(
        &self,
        who: &MenuSession,
        (secret, code): (&TotpSecret, &str),
        visit: &Visit,
    ) -> Result<Vec<Secret>, PeopleFault> {
        may_change(who)?;
        if who.person.row.factor.is_some() {
            return Err(PeopleFault::Gone);
        }
        let now = Timestamp::now();
        let step = secret.step_of(code, now.as_millis(), None).ok_or(PeopleFault::WrongCode)?;
        let codes: Vec<Secret> =
            (0..CODES).map(|_| Secret::received(Zeroizing::new(random_text(10)))).collect();
        let factor = Factor {
            secret: secret.show().to_string(),
            since: now.as_millis(),
            codes: codes.iter().map(|code| hash(code.show())).collect(),
        };
        let sealed = seal_json(&who.store.key, factor_place(who.person.id), &factor)?;
        let told =
            self.told_of_factor(who, visit, "set-second-factor", &who.person, now).await?.unless_cooling();
        let changed =
            self.store().set_menu_factor(&who.person.row, Some((&sealed, step)), Some(who.id), &told).await?;
        done(changed)?;
        Ok(codes)
    }

    /// Takes one's own second factor off, by a code of it.
    ///
    /// # Errors
    /// [`PeopleFault::WrongCode`] when it is none.
    pub async fn drop_factor(&self, who: &MenuSession, code: &str, visit: &Visit) -> Result<(), PeopleFault> {
        may_change(who)?;
        let factor = open_factor(&who.store.key, &who.person)?.ok_or(PeopleFault::Gone)?;
        let now = Timestamp::now();
        if shown(&factor, code, who.person.row.factor_step, now)?.is_none() {
            return Err(PeopleFault::WrongCode);
        }
        let told =
            self.told_of_factor(who, visit, "drop-second-factor", &who.person, now).await?.unless_cooling();
        done(self.store().set_menu_factor(&who.person.row, None, Some(who.id), &told).await?)
    }

    /// Takes the second factor of another person off, who has lost the app.
    ///
    /// # Errors
    /// [`PeopleFault`].
    pub async fn drop_factor_of(
        &self,
        who: &MenuSession,
        person: i64,
        visit: &Visit,
    ) -> Result<(), PeopleFault> {
        may_change_other(who, person)?;
        let row = self.person_of(&who.store, person).await?;
        let other = self.open_person(&who.store.key, row)?;
        if other.row.factor.is_none() {
            return Err(PeopleFault::Gone);
        }
        let told = self.told_of_factor(who, visit, "drop-second-factor", &other, Timestamp::now()).await?;
        let told = told.unless_cooling();
        done(self.store().set_menu_factor(&other.row, None, None, &told).await?)
    }

    /// Shows the second factor of a sign-in that waits for it. `None`: it was wrong.
    ///
    /// # Errors
    /// [`RelayFault`] when the database or the keys fail.
    pub async fn second(
        &self,
        who: &MenuSession,
        code: &str,
        visit: &Visit,
        page: &'static str,
    ) -> Result<Option<SignedIn>, RelayFault> {
        let now = Timestamp::now();
        let key = &who.store.key;
        let factor = open_factor(key, &who.person)?.ok_or(RelayFault::Malformed("menu_person.factor"))?;
        let Some(by) = shown(&factor, code, who.person.row.factor_step, now)? else {
            self.tell_wrong_code(who, visit, page, now).await?;
            return Ok(None);
        };
        let (step, left) = match by {
            Shown::Code(step) => (Some(step), None),
            Shown::Recovery(codes) => {
                let left = Factor { codes, ..factor };
                (None, Some(seal_json(key, factor_place(who.person.id), &left)?))
            }
        };
        let stays = if who.idle <= IDLE_PRIVATE { Stays::Shared } else { Stays::Own };
        let way = if who.person.has_password { Way::SignIn } else { Way::OneLogin };
        let arrival = self
            .arrival(&who.store, (who.person.id, &who.person.name, who.id), (stays, way), visit, now)
            .await?;
        let token = Secret::received(Zeroizing::new(random_text(32)));
        let second = SecondShown {
            session: who.id,
            token: digest(token.show()),
            step,
            factor: left.as_ref(),
            known: &arrival.known,
            cools_until: arrival.cools_until,
        };
        let changed = self.store().pass_second(&who.person.row, &second, now, &arrival.told).await?;
        // Of two that show the same code one is in.
        if changed != MenuChanged::Done {
            return Ok(None);
        }
        self.welcome(visit);
        Ok(Some(SignedIn {
            token,
            device: arrival.device,
            must_change: who.person.must_change,
            awaits_second: false,
        }))
    }

    async fn tell_wrong_code(
        &self,
        who: &MenuSession,
        visit: &Visit,
        page: &'static str,
        now: Timestamp,
    ) -> Result<(), RelayFault> {
        let access = Access { page, action: "second-factor", result: "refused", left_out: 0 };
        let record = self.access_record(Event::MenuRefused, By::Session(who), visit, access, None);
        let (_, address) = open_label(&who.store.key, &who.person.row)?;
        let text = MenuText::wrong_code(
            &self.policy().brand,
            &who.store,
            &who.person.name,
            &self.whence(visit),
            now,
        );
        let mut mail = self.menu_mail(&who.store, &address, &text, "menu_wrong_code", now)?;
        let once = Indexed::Told { conversation: who.person.id, what: "menu_wrong_code" };
        mail.guard = Some((self.vault().index.of(once), now.after(TOLD_EVERY)));
        let told = Told { records: vec![record], mails: vec![mail], ..Told::default() };
        self.store().menu_tell(who.store.id, &told).await?;
        Ok(())
    }

    async fn told_of_factor(
        &self,
        who: &MenuSession,
        visit: &Visit,
        action: &'static str,
        person: &MenuPerson,
        now: Timestamp,
    ) -> Result<Told, RelayFault> {
        let mut told = self.menu_told(who, visit, "second-factor", action, Some(person.name.clone()));
        let is_set = action == "set-second-factor";
        let brand = &self.policy().brand;
        let text = MenuText::factor(brand, &who.store, (&who.person.name, &person.name, is_set), now);
        for to in self.addresses_to_tell(&who.store, Some(&person.name)).await? {
            told.mails.push(self.menu_mail(&who.store, &to, &text, "menu_factor", now)?);
        }
        Ok(told)
    }
}

/// By what it was shown.
enum Shown {
    /// The step of its code.
    Code(i64),
    /// A recovery code; what is left of them.
    Recovery(Vec<String>),
}

fn shown(
    factor: &Factor,
    code: &str,
    used: Option<i64>,
    now: Timestamp,
) -> Result<Option<Shown>, RelayFault> {
    let secret = TotpSecret::parse(&factor.secret).ok_or(RelayFault::Malformed("menu_person.factor"))?;
    if let Some(step) = secret.step_of(code, now.as_millis(), used) {
        return Ok(Some(Shown::Code(step)));
    }
    let given = hash(&code.trim().to_lowercase().replace([' ', '-'], ""));
    let is_it = |own: &String| bool::from(own.as_bytes().ct_eq(given.as_bytes()));
    if !factor.codes.iter().any(is_it) {
        return Ok(None);
    }
    Ok(Some(Shown::Recovery(factor.codes.iter().filter(|own| !is_it(own)).cloned().collect())))
}

fn hash(code: &str) -> String {
    BASE32_NOPAD.encode(&Sha256::digest(code.as_bytes()))
}

fn open_factor(key: &DataKey, person: &MenuPerson) -> Result<Option<Factor>, RelayFault> {
    let Some(sealed) = &person.row.factor else { return Ok(None) };
    let plain = key.open(factor_place(person.id), sealed)?;
    serde_json::from_slice(&plain).map(Some).map_err(|_| RelayFault::Malformed("menu_person.factor"))
}

fn factor_place(person: i64) -> Place {
    Place::new("menu_person", "factor", person)
}
