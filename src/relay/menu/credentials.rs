//! What a store sends its mail with, changed by its own people.
//!
//! Rules: administrators and staff change it, readers look. Whoever changes it has signed in a moment ago or says the password once more, and
//! did not come from a new country within a day. Every change is told to the administrators. The rules of credentials themselves
//! are those of `credentials.rs`.
//! When it fails: [`MenuCredentialFault`]; nothing was changed.

use super::mails::MenuText;
use super::people::may_change;
use super::{MenuRole, MenuSession, PeopleFault, Visit};
use crate::config::Network;
use crate::mail::Timestamp;
use crate::relay::{
    CredentialAdded, CredentialFault, CredentialView, NewCredentialRequest, Relay, RelayFault,
};
use crate::store::Told;
use std::time::Duration;

/// Why credentials were not changed.
#[derive(Debug, thiserror::Error)]
pub enum MenuCredentialFault {
    /// By who asks.
    #[error(transparent)]
    Person(#[from] PeopleFault),
    /// By what is asked for.
    #[error(transparent)]
    Credential(#[from] CredentialFault),
}

impl From<RelayFault> for MenuCredentialFault {
    fn from(fault: RelayFault) -> Self {
        Self::Credential(fault.into())
    }
}

impl Relay {
    /// The credentials of a store, ended ones too, the oldest first.
    ///
    /// # Errors
    /// [`MenuCredentialFault`] when the database does not answer.
    pub async fn menu_credentials(
        &self,
        who: &MenuSession,
    ) -> Result<Vec<CredentialView>, MenuCredentialFault> {
        Ok(self.credentials_of(&who.store).await?)
    }

    /// Adds a credential, in place of another where that is said.
    ///
    /// # Errors
    /// [`MenuCredentialFault`].
    pub async fn menu_add_credential(
        &self,
        who: &MenuSession,
        (name, networks, replaces): (Option<&str>, &[String], Option<(&str, Duration)>),
        visit: &Visit,
    ) -> Result<CredentialAdded, MenuCredentialFault> {
        handles_mail(who)?;
        // The name stands in a mail to the administrators: it must not look like an address to go to.
        let leads = |c: char| matches!(c, ':' | '/' | '.' | '@' | '。' | '．' | '｡' | '：' | '／' | '＠');
        if name.is_some_and(|name| name.contains(leads)) {
            return Err(CredentialFault::Name.into());
        }
        let action = if replaces.is_some() { "replace-credential" } else { "add-credential" };
        let about = name.or(replaces.map(|(auth_id, _)| auth_id)).unwrap_or_default();
        let told = self.told_of_credential(who, visit, action, about).await?.unless_cooling();
        let request = NewCredentialRequest { store_id: &who.store.store_id, name, networks, replaces };
        Ok(self.add_credential_to(&who.store, &request, Some(&who.person.name), told).await?)
    }

    /// Ends a credential, now.
    ///
    /// # Errors
    /// [`MenuCredentialFault`].
    pub async fn menu_end_credential(
        &self,
        who: &MenuSession,
        auth_id: &str,
        visit: &Visit,
    ) -> Result<(), MenuCredentialFault> {
        // To end what leads mail is what one does after a strange sign-in: it waits for nothing.
        if who.person.role == MenuRole::Reader {
            return Err(PeopleFault::NotAllowed.into());
        }
        let told = self.told_of_credential(who, visit, "end-credential", auth_id).await?;
        let by = Some(who.person.name.as_str());
        self.end_credential_of(&who.store, (auth_id, Duration::ZERO), by, told).await?;
        Ok(())
    }

    /// Says from which networks a credential may be used; none: from anywhere.
    ///
    /// # Errors
    /// [`MenuCredentialFault`].
    pub async fn menu_limit_credential(
        &self,
        who: &MenuSession,
        auth_id: &str,
        networks: &[String],
        visit: &Visit,
    ) -> Result<Vec<Network>, MenuCredentialFault> {
        handles_mail(who)?;
        let told = self.told_of_credential(who, visit, "limit-credential", auth_id).await?.unless_cooling();
        let by = Some(who.person.name.as_str());
        Ok(self.limit_credential_of(&who.store, (auth_id, networks), by, told).await?)
    }

    async fn told_of_credential(
        &self,
        who: &MenuSession,
        visit: &Visit,
        action: &'static str,
        about: &str,
    ) -> Result<Told, RelayFault> {
        let now = Timestamp::now();
        let mut told = self.menu_told(who, visit, "mail-server", action, Some(about.to_owned()));
        let whence = self.whence(visit);
        let brand = &self.policy().brand;
        let text = MenuText::credential(brand, &who.store, (&who.person.name, action, about), &whence, now);
        for to in self.addresses_to_tell(&who.store, None).await? {
            told.mails.push(self.menu_mail(&who.store, &to, &text, "menu_credential", now)?);
        }
        Ok(told)
    }
}

pub(super) fn handles_mail(who: &MenuSession) -> Result<(), PeopleFault> {
    if who.person.role == MenuRole::Reader {
        return Err(PeopleFault::NotAllowed);
    }
    may_change(who)
}
