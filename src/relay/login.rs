//! Who is submitting: user name and what speaks for it, to a store with its registered addresses.
//!
//! Unknown user, wrong password and revoked credential get one answer after the same work: a look at each index, a verifier
//! opened, an Argon2id (`hashes`), of whoever it is. For SCRAM a user that does not exist, is revoked, or has no verifier yet has the same salt as if it had
//! one, and a verifier that nothing fits. A credential of an older version (SHA-256) gets its verifiers when its password
//! next comes; the SHA-256 stays a day longer, for machines that have the version before.

use super::credentials::{may_be_used, open_use};
use super::hashes::Busy;
use super::registered::Registered;
use super::{LastUse, Merchant, Refusal, Relay, RelayFault};
use crate::mail::{Alias, RealAddress, Timestamp};
use crate::smtp::scram::{ITERATIONS, NONCE, Verifier};
use crate::store::{CredentialRow, Verifiers};
use crate::vault::{Indexed, Place, Plain, Sealed, Secret, random_bytes};
use std::net::IpAddr;
use zeroize::Zeroizing;

/// The id of no credential.
const NOBODY: i64 = 0;

/// An authenticated store.
pub struct Login {
    pub merchant: Merchant,
    pub public_alias: Alias,
    pub(super) addresses: Vec<Registered>,
    pub(super) credential_id: i64,
    /// The user name.
    pub(super) auth_id: String,
    /// The use before this one.
    pub(super) last_use: Option<LastUse>,
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
        self.registered(address).is_some()
    }

    /// The registered address that is this one.
    pub(super) fn registered(&self, address: &RealAddress) -> Option<&Registered> {
        self.addresses.iter().find(|own| own.address.same_mailbox(address))
    }
}

impl Relay {
    /// Checks a submission credential that came from this address.
    ///
    /// # Errors
    /// [`Refusal::Credentials`] when it is none of ours, [`Refusal::TryAgain`] when that can't be told now.
    pub async fn authenticate(
        &self,
        auth_id: &str,
        password: &Secret,
        from: IpAddr,
    ) -> Result<Login, Refusal> {
        let credential = self.credential(auth_id).await?;
        let own = credential.as_ref().and_then(|own| Some((own.id, own.verifier.as_ref()?)));
        let mut verifier = self.open_alike(verifier_place, own, &self.nobody().password)?;
        let verifier = String::from_utf8(std::mem::take(&mut *verifier)).map(Zeroizing::new);
        let verifier = verifier.map_err(|_| RelayFault::Malformed("credential.verifier"))?;
        let is_fast = own.is_none()
            && credential
                .as_ref()
                .and_then(|own| own.secret.as_ref())
                .is_some_and(|fast| fast.matches(password));
        let is_right = is_fast || self.inner.hashes.is_right(&verifier, auth_id, password, from).await?;
        let Some(credential) = credential.filter(|_| is_right) else { return Err(Refusal::Credentials) };
        if credential.scram.is_none() || credential.verifier.is_none() {
            // Without them the store goes on with what it has.
            if let Ok(verifiers) = self.verifiers_of(credential.id, auth_id, password).await {
                let kept = self.store().keep_verifiers(credential.id, verifiers, Timestamp::now()).await;
                if let Err(fault) = kept {
                    tracing::error!(event = "fault", %fault, "the verifiers of a password can't be kept");
                }
            }
        }
        self.login(&credential, auth_id, from).await
    }

    /// What a SCRAM exchange goes on with, whoever the name is: a verifier and our half of the nonce.
    ///
    /// # Errors
    /// [`Refusal::TryAgain`] when the database does not answer.
    pub async fn scram(&self, auth_id: &str) -> Result<(Verifier, [u8; NONCE]), Refusal> {
        let vault = self.vault();
        let salts = &vault.scram;
        let nobody = Verifier::of_nobody(salts.salt(auth_id), salts.keys_of_nobody(auth_id));
        let credential = self.credential(auth_id).await?;
        let own = credential.as_ref().and_then(|own| Some((own.id, own.scram.as_ref()?)));
        let plain = self.open_alike(scram_place, own, &self.nobody().scram)?;
        let kept = Verifier::from_stored(&plain).ok_or(RelayFault::Malformed("credential.scram"))?;
        Ok((if own.is_some() { kept } else { nobody }, random_bytes()))
    }

    /// The store whose password a SCRAM exchange from this address has proved.
    ///
    /// # Errors
    /// [`Refusal::Credentials`] when the credential has been revoked since, [`Refusal::TryAgain`] when that can't be told.
    pub async fn authenticated(&self, auth_id: &str, from: IpAddr) -> Result<Login, Refusal> {
        match self.credential(auth_id).await? {
            Some(credential) => self.login(&credential, auth_id, from).await,
            None => Err(Refusal::Credentials),
        }
    }

    /// What stands in place of the verifiers of whoever has none. It is sealed like theirs, so that it takes as long to open.
    fn nobody(&self) -> &Verifiers {
        self.inner.nobody.get_or_init(|| {
            let scram = Verifier::of_nobody(random_bytes(), random_bytes());
            Verifiers {
                password: self.seal_for_installation(
                    verifier_place(NOBODY),
                    self.inner.hashes.nobody().as_str().as_bytes(),
                ),
                scram: self.seal_for_installation(scram_place(NOBODY), &scram.to_stored()),
            }
        })
    }

    /// The sealed verifiers of a password.
    pub(super) async fn verifiers_of(
        &self,
        credential: i64,
        auth_id: &str,
        password: &Secret,
    ) -> Result<Verifiers, Busy> {
        let hash = self.inner.hashes.make(password).await?;
        let scram = Verifier::derive(password.show(), self.vault().scram.salt(auth_id), ITERATIONS);
        Ok(Verifiers {
            password: self.seal_for_installation(verifier_place(credential), hash.as_str().as_bytes()),
            scram: self.seal_for_installation(scram_place(credential), &scram.to_stored()),
        })
    }

    /// Opens what a credential has, or nobody's. What is sealed to a public half takes longer, so one of each kind is opened.
    fn open_alike(
        &self,
        place: fn(i64) -> Place,
        own: Option<(i64, &Sealed)>,
        nobodys: &Sealed,
    ) -> Result<Plain, RelayFault> {
        let (id, sealed) = own.unwrap_or((NOBODY, nobodys));
        if sealed.is_boxed() {
            let _ = self.open_for_installation(place(NOBODY), nobodys);
        } else {
            self.vault().seal.open_nothing();
        }
        Ok(self.open_for_installation(place(id), sealed)?)
    }

    /// Clears what only processes of the version before need of a credential, once none can be running any more.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn clear_fast_hashes(&self, now: Timestamp) -> Result<(), RelayFault> {
        let before = Timestamp::from_millis(now.as_millis().saturating_sub(FAST_HASH_STAYS_MS));
        Ok(self.store().clear_fast_hashes(before, now).await?)
    }

    /// The credential of this name that stands. Every index is asked, so that the newest of them answers no sooner; one that
    /// is revoked is nobody's.
    async fn credential(&self, auth_id: &str) -> Result<Option<CredentialRow>, RelayFault> {
        let mut found = None;
        for index in self.vault().index.all(Indexed::AuthId(auth_id)) {
            found = self.store().credential(index).await?.or(found);
        }
        let now = Timestamp::now();
        Ok(found.filter(|credential: &CredentialRow| credential.revoked_at.is_none_or(|at| at > now)))
    }

    async fn login(&self, credential: &CredentialRow, auth_id: &str, from: IpAddr) -> Result<Login, Refusal> {
        let row = self.store().merchant(credential.merchant_id).await.map_err(RelayFault::from)?;
        let merchant = self.open_merchant(&row.ok_or(RelayFault::Malformed("merchant"))?)?;
        if !may_be_used(&merchant.key, credential.id, credential.networks.as_ref(), from)? {
            self.record_elsewhere(&merchant, (credential.id, auth_id), from).await;
            return Err(Refusal::Credentials);
        }
        let last_use = open_use(&merchant.key, credential.id, credential.used.as_ref());
        let addresses = self.senders_of(&merchant).await?;
        let public_alias = self.domains().public_alias(&merchant.store_id);
        self.inner.hashes.is_welcome(from);
        let (auth_id, credential_id) = (auth_id.to_owned(), credential.id);
        Ok(Login { merchant, public_alias, addresses, credential_id, auth_id, last_use })
    }
}

/// How long the SHA-256 of a password stays beside its verifier, in milliseconds: an update of all machines takes less.
const FAST_HASH_STAYS_MS: i64 = 86_400_000;

impl From<Busy> for Refusal {
    fn from(_: Busy) -> Self {
        Refusal::TryAgain
    }
}

pub(super) fn verifier_place(credential: i64) -> Place {
    Place::new("credential", "verifier", credential)
}

/// The place of a credential's SCRAM verifier. The installation's key seals it, not the store's: to look for that one would
/// take longer for a user that exists.
pub(super) fn scram_place(credential: i64) -> Place {
    Place::new("credential", "scram", credential)
}
