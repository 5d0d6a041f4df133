//! Who is submitting: user name and password to a store with its registered addresses.
//!
//! Unknown user, wrong password and revoked credential get one answer. The password is 160 random bits of ours, so
//! one SHA-256 is compared in constant time; for an unknown user a hash is computed and compared as well.

use super::{Merchant, Refusal, Relay, RelayFault};
use crate::mail::{Alias, RealAddress};
use crate::vault::{Indexed, Secret};

/// An authenticated store.
pub struct Login {
    pub merchant: Merchant,
    pub public_alias: Alias,
    pub(super) addresses: Vec<RealAddress>,
    pub(super) credential_id: i64,
}

impl Login {
    /// The user name's row: what limits on credentials count by.
    #[must_use]
    pub fn credential_id(&self) -> i64 {
        self.credential_id
    }

    /// Whether the store registered this address.
    #[must_use]
    pub fn is_registered(&self, address: &RealAddress) -> bool {
        self.addresses.iter().any(|own| own.same_mailbox(address))
    }
}

impl Relay {
    /// Checks a submission credential.
    ///
    /// # Errors
    /// [`Refusal::Credentials`] when it is none of ours, [`Refusal::TryAgain`] when that can't be told now.
    pub async fn authenticate(&self, auth_id: &str, password: &Secret) -> Result<Login, Refusal> {
        let mut found = None;
        for index in self.vault().index.all(Indexed::AuthId(auth_id)) {
            found = self.store().credential(index).await?;
            if found.is_some() {
                break;
            }
        }
        let Some(credential) = found else {
            // The same work as for a known user.
            let _ = Secret::generate("").fingerprint().matches(password);
            return Err(Refusal::Credentials);
        };
        let right = credential.secret.as_ref().is_some_and(|hash| hash.matches(password));
        if !right || credential.revoked_at.is_some() {
            return Err(Refusal::Credentials);
        }
        let row = self.store().merchant(credential.merchant_id).await?;
        let merchant = self.open_merchant(&row.ok_or(RelayFault::Malformed("merchant"))?)?;
        let addresses = self.registered(&merchant).await?;
        let public_alias = self.domains().public_alias(&merchant.store_id);
        Ok(Login { merchant, public_alias, addresses, credential_id: credential.id })
    }
}
