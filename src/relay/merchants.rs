//! Adding a store: its id, its name, its registered addresses, its first submission credential, its menu password.

use super::conversation::Profile;
use super::hashes::Busy;
use super::{CredentialFault, Relay, RelayFault};
use crate::mail::{AddressError, Alias, RealAddress, Timestamp};
use crate::store::{ADDRESSES_MAX, NewAddress, NewMerchant, StoreFault};
use crate::vault::{Indexed, Place, Secret};

/// Longest store id: shorter than an alias token, so that the two never meet in one domain.
pub const STORE_ID_MAX: usize = 24;
/// Longest store name, in characters.
const NAME_MAX: usize = 100;
/// Local parts that RFC 2142 and common sense keep for other uses.
const RESERVED: [&str; 8] =
    ["postmaster", "abuse", "mailer-daemon", "noreply", "no-reply", "root", "hostmaster", "webmaster"];

/// What is asked for.
pub struct NewMerchantRequest {
    pub store_id: String,
    pub name: String,
    /// The first is where the store's mail goes; all may send.
    pub addresses: Vec<String>,
}

/// What the marketplace is told, once: both secrets are kept as hashes only.
pub struct MerchantAdded {
    pub store_id: String,
    pub public_alias: Alias,
    pub auth_id: String,
    pub auth_password: Secret,
    pub menu_password: Secret,
}

/// Why a store was not added.
#[derive(Debug, thiserror::Error)]
pub enum MerchantFault {
    #[error("store id: 1 to 24 characters of a-z, 0-9, - and _, beginning with a letter or digit")]
    StoreId,
    #[error("store id: this name is reserved; choose another")]
    Reserved,
    #[error("store id: it is taken; choose another")]
    Exists,
    #[error("name: 1 to 100 characters, no control characters, no @")]
    Name,
    #[error("address {position}: {cause}")]
    Address { position: usize, cause: AddressError },
    #[error(
        "address {0}: it lies in one of this installation's own domains; register the store's real address"
    )]
    OwnDomain(usize),
    #[error("address: at least 1 and at most 50, each once")]
    Addresses,
    #[error("no memory to hash the passwords, or too many are being hashed; try again")]
    Memory,
    #[error(transparent)]
    Fault(#[from] RelayFault),
}

impl Relay {
    /// Adds a store.
    ///
    /// # Errors
    /// [`MerchantFault`] that names the field and the rule.
    pub async fn add_merchant(&self, request: NewMerchantRequest) -> Result<MerchantAdded, MerchantFault> {
        let store_id = request.store_id;
        if !is_store_id(&store_id) {
            return Err(MerchantFault::StoreId);
        }
        if RESERVED.contains(&store_id.as_str()) {
            return Err(MerchantFault::Reserved);
        }
        let name = request.name.trim().to_owned();
        if name.is_empty()
            || name.chars().count() > NAME_MAX
            || name.chars().any(|c| c.is_control() || c == '@')
        {
            return Err(MerchantFault::Name);
        }
        let addresses = self.parse_addresses(&request.addresses)?;
        // The database compares what one key indexed; an older key of the ring may have indexed the same id.
        if self.merchant_row(&store_id).await?.is_some() {
            return Err(MerchantFault::Exists);
        }

        let id = self.next_id();
        let vault = self.vault();
        let index = &vault.index;
        let (key, new_key) = self.new_store_key();
        let profile = serde_json::to_vec(&Profile { store_id: store_id.clone(), name })
            .map_err(|_| RelayFault::Malformed("merchant.profile"))?;
        let menu_password = Secret::generate("answ_");
        let menu_hash = self.inner.hashes.make(&menu_password).await.map_err(|Busy| MerchantFault::Memory)?;
        let made = self.new_credential(&key, "first").await;
        let (credential, auth_id, auth_password) = made.map_err(|fault| match fault {
            CredentialFault::Fault(fault) => fault.into(),
            _ => MerchantFault::Memory,
        })?;
        let new = NewMerchant {
            id,
            store_idx: index.of(Indexed::StoreId(&store_id)),
            profile: key.seal(Place::new("merchant", "profile", id), &profile),
            menu: key.seal(Place::new("merchant", "menu", id), menu_hash.as_str().as_bytes()),
            addresses: addresses
                .iter()
                .map(|address| {
                    let id = self.next_id();
                    let place = Place::new("merchant_address", "address", id);
                    NewAddress {
                        id,
                        address_idx: index.of(Indexed::Address(address)),
                        address: key.seal(place, address.reveal().as_bytes()),
                    }
                })
                .collect(),
            credential,
            key: new_key,
            at: Timestamp::now(),
        };
        match self.store().add_merchant(new).await {
            Ok(()) => {}
            Err(StoreFault::Exists) => return Err(MerchantFault::Exists),
            Err(fault) => return Err(RelayFault::from(fault).into()),
        }
        let public_alias = self.domains().public_alias(&store_id);
        Ok(MerchantAdded { store_id, public_alias, auth_id, auth_password, menu_password })
    }

    fn parse_addresses(&self, texts: &[String]) -> Result<Vec<RealAddress>, MerchantFault> {
        let mut addresses: Vec<RealAddress> = Vec::new();
        for (i, text) in texts.iter().enumerate() {
            let position = i + 1;
            let address = RealAddress::parse(text.trim())
                .map_err(|cause| MerchantFault::Address { position, cause })?;
            if self.domains().is_ours(address.reveal_domain()) {
                return Err(MerchantFault::OwnDomain(position));
            }
            if addresses.iter().any(|other| other.same_mailbox(&address)) {
                return Err(MerchantFault::Addresses);
            }
            addresses.push(address);
        }
        if addresses.is_empty() || addresses.len() > ADDRESSES_MAX {
            return Err(MerchantFault::Addresses);
        }
        Ok(addresses)
    }
}

/// Whether a local part can be a store's id.
#[must_use]
pub fn is_store_id(text: &str) -> bool {
    (1..=STORE_ID_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
}
