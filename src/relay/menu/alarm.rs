//! Somebody says that a sign-in was not his.
//!
//! Rules: nothing is asked twice: his other sessions end, his password has to be changed, the store's mail credentials end where he says so,
//! its administrators are told, and the log has an alarm (`menu_alarm`) that the operator finds. One transaction.
//! When it fails: [`RelayFault`]; nothing was done.

use super::access::{Access, By};
use super::mails::MenuText;
use super::people::INITIAL_LASTS;
use super::{MenuSession, Visit};
use crate::mail::Timestamp;
use crate::relay::{Event, Relay, RelayFault};
use crate::store::MenuChanged;

impl Relay {
    /// Raises the alarm. Whether who does it was still signed in.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn raise_alarm(
        &self,
        who: &MenuSession,
        ends_credentials: bool,
        visit: &Visit,
    ) -> Result<bool, RelayFault> {
        let now = Timestamp::now();
        let about = ends_credentials.then(|| "credentials ended".to_owned());
        let access = Access { page: "not-me", action: "not-me", result: "done", left_out: 0 };
        let record = self.access_record(Event::MenuAlarm, By::Session(who), visit, access, about);
        let (brand, whence) = (&self.policy().brand, self.whence(visit));
        let of = (who.person.name.as_str(), ends_credentials);
        let text = MenuText::alarm(brand, &who.store, of, &whence, now);
        // What `menu_told` writes is another record; who does it is the same.
        let mut told = self.menu_told(who, visit, "not-me", "not-me", None);
        told.records = vec![record];
        for to in self.addresses_to_warn(&who.store, &who.person.name).await? {
            told.mails.push(self.menu_mail(&who.store, &to, &text, "menu_alarm", now)?);
        }
        let until = now.after(INITIAL_LASTS);
        let of = (who.store.id, who.person.id, who.id);
        if self.store().menu_alarm(of, ends_credentials, until, now, &told).await? != MenuChanged::Done {
            return Ok(false);
        }
        tracing::warn!(
            event = "menu_alarm",
            store = who.store.id,
            "somebody says that a sign-in to the menu was not his"
        );
        Ok(true)
    }
}
