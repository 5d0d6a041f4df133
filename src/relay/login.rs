//! Who is submitting: user name and what speaks for it, to a store with its registered addresses.
//!
//! Unknown user, wrong password and revoked credential get one answer after the same steps. The password is 160 random
//! bits of ours, so one SHA-256 is compared in constant time; for an unknown user a hash is computed and compared as
//! well. For SCRAM a user that does not exist, is revoked, or has no verifier yet has the same salt as if it had one,
//! and a verifier that nothing fits. A credential that is older than SCRAM gets its verifier when its password next comes.

use super::{Merchant, Refusal, Relay, RelayFault};
use crate::mail::{Alias, RealAddress};
use crate::smtp::scram::{ITERATIONS, NONCE, Verifier};
use crate::store::CredentialRow;
use crate::vault::{Indexed, Place, Sealed, Secret, random_bytes};

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
        let Some(credential) = self.credential(auth_id).await? else {
            // The same work as for a known user.
            let _ = Secret::generate("").fingerprint().matches(password);
            return Err(Refusal::Credentials);
        };
        let right = credential.secret.as_ref().is_some_and(|hash| hash.matches(password));
        if !right || credential.revoked_at.is_some() {
            return Err(Refusal::Credentials);
        }
        if credential.scram.is_none() {
            let sealed = self.scram_of(credential.id, auth_id, password);
            // Without it the store goes on with passwords.
            if let Err(fault) = self.store().keep_scram(credential.id, sealed).await {
                tracing::error!(event = "fault", %fault, "a SCRAM verifier can't be kept");
            }
        }
        self.login(&credential).await
    }

    /// What a SCRAM exchange goes on with, whoever the name is: a verifier and our half of the nonce.
    ///
    /// # Errors
    /// [`Refusal::TryAgain`] when the database does not answer.
    pub async fn scram(&self, auth_id: &str) -> Result<(Verifier, [u8; NONCE]), Refusal> {
        let vault = self.vault();
        let salts = &vault.scram;
        let nobody = Verifier::of_nobody(salts.salt(auth_id), salts.keys_of_nobody(auth_id));
        let known = match self.credential(auth_id).await? {
            Some(CredentialRow { id, scram: Some(sealed), revoked_at: None, .. }) => {
                let plain = self.open_for_installation(scram_place(id), &sealed).map_err(RelayFault::from)?;
                Some(Verifier::from_stored(&plain).ok_or(RelayFault::Malformed("credential.scram"))?)
            }
            _ => None,
        };
        Ok((known.unwrap_or(nobody), random_bytes()))
    }

    /// The store whose password a SCRAM exchange has proved.
    ///
    /// # Errors
    /// [`Refusal::Credentials`] when the credential has been revoked since, [`Refusal::TryAgain`] when that can't be told.
    pub async fn authenticated(&self, auth_id: &str) -> Result<Login, Refusal> {
        match self.credential(auth_id).await? {
            Some(credential) if credential.revoked_at.is_none() => self.login(&credential).await,
            _ => Err(Refusal::Credentials),
        }
    }

    /// The sealed verifier of a password.
    pub(super) fn scram_of(&self, credential: i64, auth_id: &str, password: &Secret) -> Sealed {
        let verifier = Verifier::derive(password.show(), self.vault().scram.salt(auth_id), ITERATIONS);
        self.seal_for_installation(scram_place(credential), &verifier.to_stored())
    }

    async fn credential(&self, auth_id: &str) -> Result<Option<CredentialRow>, RelayFault> {
        for index in self.vault().index.all(Indexed::AuthId(auth_id)) {
            if let Some(credential) = self.store().credential(index).await? {
                return Ok(Some(credential));
            }
        }
        Ok(None)
    }

    async fn login(&self, credential: &CredentialRow) -> Result<Login, Refusal> {
        let row = self.store().merchant(credential.merchant_id).await.map_err(RelayFault::from)?;
        let merchant = self.open_merchant(&row.ok_or(RelayFault::Malformed("merchant"))?)?;
        let addresses = self.registered(&merchant).await?;
        let public_alias = self.domains().public_alias(&merchant.store_id);
        Ok(Login { merchant, public_alias, addresses, credential_id: credential.id })
    }
}

/// The place of a credential's verifier. The installation's key seals it, not the store's: to look for that one would
/// take longer for a user that exists.
pub(super) fn scram_place(credential: i64) -> Place {
    Place::new("credential", "scram", credential)
}
