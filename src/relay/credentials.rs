//! What a store logs in with: several credentials, each with a name, changed one after the other without breaking a mail
//! tool.
//!
//! Rules: up to ten stand at once; a user name is never used twice. One that is replaced goes on for the overlap that was
//! said, so that tools change one by one, and the list says which still use it. One that has ended is refused at AUTH like
//! any wrong one; a session that it began goes no further than its next transaction. Where networks are named it is refused
//! from elsewhere, in the same words, and the log says so to the store. Every change has its record.
//! When it fails: [`CredentialFault`]; nothing was changed.

use super::first_use::network;
use super::hashes::Busy;
use super::record::About;
use super::{Event, Login, Merchant, Refusal, Relay, RelayFault};
use crate::config::Network;
use crate::mail::Timestamp;
use crate::store::{CREDENTIALS_MAX, Changed, KeptCredential, NewCredential, NewRecord, Told};
use crate::vault::{DataKey, Indexed, Place, Sealed, Secret, random_bytes};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;
use unicode_normalization::UnicodeNormalization;

/// Longest name, in characters.
const NAME_MAX: usize = 50;
/// Most networks of one credential.
const NETWORKS_MAX: usize = 50;
/// A use from the same network is written down again after this long.
const USED_AGAIN: Duration = Duration::from_secs(600);

/// Why credentials were not changed.
#[derive(Debug, thiserror::Error)]
pub enum CredentialFault {
    #[error("store id: there is no such store; `anshin merchant add` makes one")]
    NoStore,
    #[error("store id: this store has left; nobody logs in for it any more")]
    Left,
    #[error("name: 1 to 50 characters, no control characters")]
    Name,
    #[error(
        "name: the store has a credential of this name; choose another, or replace that one with --replaces"
    )]
    NameTaken,
    #[error(
        "the store has {CREDENTIALS_MAX} credentials, and no more may stand at once; revoke one that is not used"
    )]
    TooMany,
    #[error(
        "user name: the store has no such credential that still stands; `anshin merchant credential list` shows them"
    )]
    NotThere,
    #[error(
        "network {0}: write such as 192.0.2.0/24 or 2001:db8::/32, with no bit set behind the length, at most {NETWORKS_MAX}"
    )]
    Network(String),
    #[error("who asked is signed in no more, or may not any more")]
    NotAllowed,
    #[error("overlap: at most 90 days")]
    Overlap,
    #[error("no memory to hash the password, or too many are being hashed; try again")]
    Memory,
    #[error(transparent)]
    Fault(#[from] RelayFault),
}

/// Longest time that one that was replaced goes on.
const OVERLAP_MAX: Duration = Duration::from_secs(90 * 86_400);

/// A credential that a store asks for.
pub struct NewCredentialRequest<'a> {
    pub store_id: &'a str,
    /// None: that of the one that it replaces.
    pub name: Option<&'a str>,
    pub networks: &'a [String],
    /// The user name that ends, and how much later.
    pub replaces: Option<(&'a str, Duration)>,
}

/// A new credential; the password is shown this once.
pub struct CredentialAdded {
    pub name: String,
    pub auth_id: String,
    pub auth_password: Secret,
    /// When the one that it replaces ends.
    pub replaced_until: Option<Timestamp>,
}

/// A credential as its store sees it.
pub struct CredentialView {
    pub auth_id: String,
    pub name: String,
    /// From where it may be used; empty: from anywhere.
    pub networks: Vec<Network>,
    pub created_at: Timestamp,
    /// Refused from then on.
    pub ends_at: Option<Timestamp>,
    pub last_use: Option<LastUse>,
    id: i64,
}

/// When and from where a credential was last used, give or take ten minutes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastUse {
    pub at: i64,
    pub network: String,
}

/// What is sealed beside a credential for its owner.
#[derive(Serialize, Deserialize)]
struct Label {
    auth_id: String,
    name: String,
}

impl Relay {
    /// Adds a credential to a store, in place of another where that is said.
    ///
    /// # Errors
    /// [`CredentialFault`] that names the field and the rule.
    pub async fn add_credential(
        &self,
        request: &NewCredentialRequest<'_>,
    ) -> Result<CredentialAdded, CredentialFault> {
        let merchant = self.store_of(request.store_id).await?;
        self.add_credential_to(&merchant, request, None, Told::default()).await
    }

    /// The same for a store that is open already, by this person of its own, with what else is told.
    pub(super) async fn add_credential_to(
        &self,
        merchant: &Merchant,
        request: &NewCredentialRequest<'_>,
        by: Option<&str>,
        mut told: Told,
    ) -> Result<CredentialAdded, CredentialFault> {
        let kept = self.credentials_of(merchant).await?;
        if self.store().has_left(merchant.id).await.map_err(RelayFault::from)? {
            return Err(CredentialFault::Left);
        }
        let now = Timestamp::now();
        let old = match request.replaces {
            Some((_, overlap)) if overlap > OVERLAP_MAX => return Err(CredentialFault::Overlap),
            Some((auth_id, overlap)) => {
                let old = standing(&kept, auth_id, now)?;
                let said = now.after(overlap);
                Some((old, old.ends_at.map_or(said, |sooner| sooner.min(said))))
            }
            None => None,
        };
        let name = match (request.name, old) {
            (Some(name), _) => name.nfc().collect::<String>().trim().to_owned(),
            (None, Some((old, _))) => old.name.clone(),
            (None, None) => return Err(CredentialFault::Name),
        };
        if name.is_empty() || name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
            return Err(CredentialFault::Name);
        }
        let is_replaced = |kept: &CredentialView| old.is_some_and(|(old, _)| old.id == kept.id);
        if kept.iter().any(|kept| kept.name == name && kept.ends_at.is_none() && !is_replaced(kept)) {
            return Err(CredentialFault::NameTaken);
        }
        // One that takes the place of another may be used from where that was.
        let networks = match old {
            Some((old, _)) if request.networks.is_empty() => old.networks.clone(),
            _ => parse_networks(request.networks)?,
        };
        let (new, auth_id, auth_password) = self.new_credential(&merchant.key, &name).await?;
        let id = new.id;
        let new = NewCredential { networks: seal_networks(&merchant.key, id, &networks)?, ..new };
        let detail = serde_json::json!({
            "change": "added", "user": self.user(), "person": by, "auth_id": auth_id, "name": name, "networks": networks,
            "replaces": old.map(|(old, _)| &old.auth_id), "until": old.map(|(_, at)| at.to_rfc3339()),
        });
        told.records.push(self.record_of_change(merchant, &detail));
        let replaces = old.map(|(old, at)| (old.id, at));
        let added = self.store().add_credential(merchant.id, &new, replaces, now, &told).await;
        done(added.map_err(RelayFault::from)?)?;
        Ok(CredentialAdded { name, auth_id, auth_password, replaced_until: old.map(|(_, at)| at) })
    }

    /// The credentials of a store, ended ones too, the oldest first.
    ///
    /// # Errors
    /// [`CredentialFault`] when there is no such store, or the database does not answer.
    pub async fn credentials(&self, store_id: &str) -> Result<Vec<CredentialView>, CredentialFault> {
        let merchant = self.store_of(store_id).await?;
        self.credentials_of(&merchant).await
    }

    /// The same of a store that is open already.
    pub(super) async fn credentials_of(
        &self,
        merchant: &Merchant,
    ) -> Result<Vec<CredentialView>, CredentialFault> {
        let rows = self.store().credentials(merchant.id).await.map_err(RelayFault::from)?;
        Ok(rows.iter().map(|row| open(&merchant.key, row)).collect::<Result<_, _>>()?)
    }

    /// Ends a credential, now or after a while. When it ends.
    ///
    /// # Errors
    /// [`CredentialFault`] when there is none that stands.
    pub async fn revoke_credential(
        &self,
        store_id: &str,
        auth_id: &str,
        after: Duration,
    ) -> Result<Timestamp, CredentialFault> {
        let merchant = self.store_of(store_id).await?;
        self.end_credential_of(&merchant, (auth_id, after), None, Told::default()).await
    }

    /// The same for a store that is open already, by this person of its own.
    pub(super) async fn end_credential_of(
        &self,
        merchant: &Merchant,
        (auth_id, after): (&str, Duration),
        by: Option<&str>,
        mut told: Told,
    ) -> Result<Timestamp, CredentialFault> {
        let (kept, now) = (self.credentials_of(merchant).await?, Timestamp::now());
        let credential = standing(&kept, auth_id, now)?;
        if after > OVERLAP_MAX {
            return Err(CredentialFault::Overlap);
        }
        let said = now.after(after);
        let at = credential.ends_at.map_or(said, |sooner| sooner.min(said));
        let detail = serde_json::json!({
            "change": "revoked", "user": self.user(), "person": by, "auth_id": auth_id, "until": at.to_rfc3339(),
        });
        told.records.push(self.record_of_change(merchant, &detail));
        let ended = self.store().end_credential(merchant.id, credential.id, at, now, &told).await;
        done(ended.map_err(RelayFault::from)?)?;
        Ok(at)
    }

    /// Says from which networks a credential may be used; none: from anywhere.
    ///
    /// # Errors
    /// [`CredentialFault`] when there is none that stands, or a network is none.
    pub async fn limit_credential(
        &self,
        store_id: &str,
        auth_id: &str,
        networks: &[String],
    ) -> Result<Vec<Network>, CredentialFault> {
        let merchant = self.store_of(store_id).await?;
        self.limit_credential_of(&merchant, (auth_id, networks), None, Told::default()).await
    }

    /// The same for a store that is open already, by this person of its own.
    pub(super) async fn limit_credential_of(
        &self,
        merchant: &Merchant,
        (auth_id, networks): (&str, &[String]),
        by: Option<&str>,
        mut told: Told,
    ) -> Result<Vec<Network>, CredentialFault> {
        let (now, networks) = (Timestamp::now(), parse_networks(networks)?);
        let kept = self.credentials_of(merchant).await?;
        let credential = standing(&kept, auth_id, now)?;
        let sealed = seal_networks(&merchant.key, credential.id, &networks)?;
        let detail = serde_json::json!({
            "change": "networks", "user": self.user(), "person": by, "auth_id": auth_id, "networks": networks,
        });
        told.records.push(self.record_of_change(merchant, &detail));
        let store = self.store();
        let limited = store.limit_credential(merchant.id, credential.id, sealed.as_ref(), now, &told).await;
        done(limited.map_err(RelayFault::from)?)?;
        Ok(networks)
    }

    /// Whether the credential that began a session still stands, and may still be used from there; what the store has registered is read anew.
    ///
    /// # Errors
    /// [`Refusal::LoginEnded`] when not, [`Refusal::TryAgain`] when the database does not answer.
    pub async fn still_stands(&self, login: &mut Login, from: IpAddr) -> Result<(), Refusal> {
        let standing = self.store().credential_standing(login.credential_id, Timestamp::now()).await?;
        let (key, id) = (&login.merchant.key, login.credential_id);
        match standing {
            Some(networks) if may_be_used(key, id, networks.as_ref(), from)? => {}
            _ => return Err(Refusal::LoginEnded),
        }
        login.addresses = self.senders_of(&login.merchant).await?;
        Ok(())
    }

    /// Keeps that somebody had the right password where it may not be used.
    pub(super) async fn record_elsewhere(
        &self,
        merchant: &Merchant,
        (credential, auth_id): (i64, &str),
        from: IpAddr,
    ) {
        tracing::warn!(
            event = "login_refused_elsewhere",
            credential,
            "the right password came from a network that it may not be used from"
        );
        let detail = serde_json::json!({ "reason": "network", "network": network(from).1 });
        let about = About { merchant: Some(merchant.id), ..About::default() };
        let mut record =
            self.new_record(&merchant.key, Event::LoginRefused, about, Some(from), &detail, None);
        record.fact.login_k = self.login_number(auth_id, record.at);
        self.keep(self.told_whence(record, &merchant.key, from)).await;
    }

    /// Keeps when and from where a credential was used, unless that is known.
    pub(super) async fn note_use(&self, login: &Login, from: IpAddr) {
        let (now, network) = (Timestamp::now(), network(from).1);
        let is_known = login.last_use.as_ref().is_some_and(|last| {
            let since = Timestamp::from_millis(last.at);
            last.network == network && since <= now && now < since.after(USED_AGAIN)
        });
        if is_known {
            return;
        }
        let (id, used) = (login.credential_id, LastUse { at: now.as_millis(), network });
        let sealed = seal_json(&login.merchant.key, used_place(id), &used);
        let kept = match sealed {
            Ok(sealed) => self.store().credential_used(id, &sealed).await.map_err(RelayFault::from),
            Err(fault) => Err(fault),
        };
        if let Err(fault) = kept {
            tracing::error!(event = "fault", %fault, "the use of a credential was not noted");
        }
    }

    /// A credential that is not in the database yet, with its user name and its password.
    pub(super) async fn new_credential(
        &self,
        key: &DataKey,
        name: &str,
    ) -> Result<(NewCredential, String, Secret), CredentialFault> {
        let id = self.next_id();
        // A number, as merchants' tools know them; it is no secret and tells nothing.
        let auth_id = format!("{:010}", u64::from_be_bytes(random_bytes()) % 10_000_000_000);
        let password = Secret::generate("ansm_");
        let verifiers = self.verifiers_of(id, &auth_id, &password).await;
        let verifiers = verifiers.map_err(|Busy| CredentialFault::Memory)?;
        let label = Label { auth_id: auth_id.clone(), name: name.to_owned() };
        let new = NewCredential {
            id,
            auth_idx: self.vault().index.of(Indexed::AuthId(&auth_id)),
            secret: password.fingerprint().to_stored(),
            verifiers,
            label: seal_json(key, Place::new("credential", "label", id), &label)?,
            networks: None,
        };
        Ok((new, auth_id, password))
    }

    async fn store_of(&self, store_id: &str) -> Result<Merchant, CredentialFault> {
        let row = self.merchant_row(store_id).await?.ok_or(CredentialFault::NoStore)?;
        Ok(self.open_merchant(&row)?)
    }

    fn record_of_change(&self, merchant: &Merchant, detail: &serde_json::Value) -> NewRecord {
        let about = About { merchant: Some(merchant.id), ..About::default() };
        self.new_record(&merchant.key, Event::Credential, about, None, detail, None)
    }
}

/// Whether a credential may be used from there.
pub(super) fn may_be_used(
    key: &DataKey,
    credential: i64,
    networks: Option<&Sealed>,
    from: IpAddr,
) -> Result<bool, RelayFault> {
    let Some(networks) = networks else { return Ok(true) };
    Ok(open_networks(key, credential, networks)?.iter().any(|network| network.contains(from)))
}

/// The last use of a credential, as it is kept.
pub(super) fn open_use(key: &DataKey, credential: i64, used: Option<&Sealed>) -> Option<LastUse> {
    let plain = key.open(used_place(credential), used?).ok()?;
    serde_json::from_slice(&plain).ok()
}

fn standing<'k>(
    kept: &'k [CredentialView],
    auth_id: &str,
    now: Timestamp,
) -> Result<&'k CredentialView, CredentialFault> {
    let stands = |kept: &&CredentialView| kept.auth_id == auth_id && kept.ends_at.is_none_or(|at| at > now);
    kept.iter().find(stands).ok_or(CredentialFault::NotThere)
}

fn done(changed: Changed) -> Result<(), CredentialFault> {
    match changed {
        Changed::Done => Ok(()),
        Changed::TooMany => Err(CredentialFault::TooMany),
        Changed::NotAllowed => Err(CredentialFault::NotAllowed),
        Changed::NotThere => Err(CredentialFault::NotThere),
    }
}

fn open(key: &DataKey, row: &KeptCredential) -> Result<CredentialView, RelayFault> {
    let plain = key.open(Place::new("credential", "label", row.id), &row.label)?;
    let label: Label =
        serde_json::from_slice(&plain).map_err(|_| RelayFault::Malformed("credential.label"))?;
    let networks = row.networks.as_ref().map(|networks| open_networks(key, row.id, networks)).transpose()?;
    Ok(CredentialView {
        auth_id: label.auth_id,
        name: label.name,
        networks: networks.unwrap_or_default(),
        created_at: row.created_at,
        ends_at: row.revoked_at,
        last_use: open_use(key, row.id, row.used.as_ref()),
        id: row.id,
    })
}

fn parse_networks(texts: &[String]) -> Result<Vec<Network>, CredentialFault> {
    let fault = |text: &String| CredentialFault::Network(text.clone());
    if let Some(text) = texts.get(NETWORKS_MAX) {
        return Err(fault(text));
    }
    texts.iter().map(|text| Network::parse(text.trim()).ok_or_else(|| fault(text))).collect()
}

fn open_networks(key: &DataKey, credential: i64, sealed: &Sealed) -> Result<Vec<Network>, RelayFault> {
    let malformed = || RelayFault::Malformed("credential.networks");
    let plain = key.open(networks_place(credential), sealed)?;
    let texts: Vec<String> = serde_json::from_slice(&plain).map_err(|_| malformed())?;
    texts.iter().map(|text| Network::parse(text).ok_or_else(malformed)).collect()
}

fn seal_networks(key: &DataKey, credential: i64, networks: &[Network]) -> Result<Option<Sealed>, RelayFault> {
    if networks.is_empty() {
        return Ok(None);
    }
    seal_json(key, networks_place(credential), &networks).map(Some)
}

fn seal_json(key: &DataKey, place: Place, value: &impl Serialize) -> Result<Sealed, RelayFault> {
    let text = serde_json::to_vec(value).map_err(|_| RelayFault::Malformed("credential"))?;
    Ok(key.seal(place, &text))
}

fn networks_place(credential: i64) -> Place {
    Place::new("credential", "networks", credential)
}

fn used_place(credential: i64) -> Place {
    Place::new("credential", "used", credential)
}
