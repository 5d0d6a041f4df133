//! The merchant's menu: who of a store is signed in, from where, and what that person may. What it shows and decides; pages and cookies are
//! the floor above.
//!
//! Rules: a person belongs to one store and sees nothing of another. Stores are opened with the `menu` key, which opens no customer's
//! data. Whatever a person changes is one transaction with its record in the access log and the mails that tell of it.
//! When it fails: [`RelayFault`] where the database or the keys fail; faults of a person's own say what to do.

mod access;
mod alarm;
mod alert;
mod arrival;
mod code_mails;
mod codes;
mod credentials;
mod deciding;
mod first_address;
mod forgotten;
mod logins;
mod mails;
mod one_login;
mod outcomes;
mod passwords;
mod people;
mod recovery;
mod second;
mod senders;
mod sessions;
mod sign_in;
mod test_mail;
mod traffic;

pub(in crate::relay) use mails::MenuText;
pub(in crate::relay) use outcomes::why_of;

pub use access::{Access, AccessView, Attempt};
pub use credentials::MenuCredentialFault;
pub use deciding::{MailDecision, MailFault};
pub use first_address::{FirstFault, OldMailbox};
pub use logins::{LoginResult, LoginView};
pub use one_login::OneLogin;
pub use outcomes::{MailState, MailStep};
pub use passwords::{PASSWORD_LENGTH, PasswordFlaw};
pub use people::{PeopleFault, PersonView};
pub use recovery::Recovered;
pub use second::FactorView;
pub use senders::{ClaimView, SenderFault, SenderView};
pub use sessions::{MenuSession, SessionView};
pub use sign_in::{SignIn, SignInFault, SignedIn, Stays, menu_account};
pub use test_mail::TestFault;
pub use traffic::{MailDirection, MailOf, MailView, MailsAsked};

use super::conversation::Profile;
use super::{Merchant, Relay, RelayFault};
use crate::geo::Country;
use crate::mail::{RealAddress, Timestamp};
use crate::store::{KeyRow, MenuPersonRow, MenuStoreRow};
use crate::vault::{DataKey, Place, Sealed, VaultError};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The time that a statement over the log reaches over: an older version made a partition a day of it, and each is locked.
const STRETCH: Duration = Duration::from_secs(92 * 86_400);
/// Nothing that leads mail is changed for so long after a sign-in from a new country.
pub const COOLING: Duration = Duration::from_secs(86_400);
/// A device, a network or a country is known for so long after the last sign-in from it.
const KNOWN_FOR: Duration = Duration::from_secs(180 * 86_400);

/// What a person of a store may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MenuRole {
    /// Everything, and says who else may what.
    Administrator,
    /// The store's mail.
    Staff,
    /// Looks.
    Reader,
}

impl MenuRole {
    pub const ALL: [MenuRole; 3] = [MenuRole::Administrator, MenuRole::Staff, MenuRole::Reader];

    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            MenuRole::Administrator => "administrator",
            MenuRole::Staff => "staff",
            MenuRole::Reader => "reader",
        }
    }

    /// Reads a word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// Who asks the menu for something, as far as that is seen from outside.
#[derive(Clone)]
pub struct Visit {
    pub ip: IpAddr,
    /// Whether that is where somebody is, and not a proxy that nobody declared.
    pub is_known: bool,
    /// What the browser says that it is, cut short.
    pub agent: String,
    /// The mark of a device from which somebody signed in before.
    pub device: Option<String>,
}

/// Where a visit comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whence {
    pub ip: String,
    /// Two letters; none: it is not known.
    pub country: Option<String>,
    /// Who runs the network, where that is known; else the network.
    pub network: String,
    /// Browser and system, in words.
    pub device: String,
}

/// A person of a store.
#[derive(Clone)]
pub struct MenuPerson {
    pub id: i64,
    pub name: String,
    pub role: MenuRole,
    pub created_at: Timestamp,
    /// Until when nothing that leads mail is changed.
    pub cools_until: Option<Timestamp>,
    /// Whether the password is one that somebody else made.
    pub must_change: bool,
    /// Whether there is one: who signs in by a login elsewhere has none.
    pub has_password: bool,
    pub(super) row: MenuPersonRow,
}

/// What is sealed of a person.
#[derive(Serialize, Deserialize)]
struct PersonLabel {
    name: String,
    address: String,
}

/// How far keys of stores were looked at to be boxed for the menu.
pub struct Boxing {
    without_after: i64,
    /// None: all were looked at since the start.
    boxed_after: Option<i64>,
    /// How far people of an older version were looked at to be found by their address.
    people_after: i64,
}

impl Default for Boxing {
    fn default() -> Self {
        Self { without_after: 0, boxed_after: Some(0), people_after: 0 }
    }
}

/// A store, opened for the menu.
pub(super) struct MenuStore {
    pub merchant: Merchant,
    /// The one-time password of its first person, as it is kept.
    pub first: Sealed,
    pub has_left: bool,
}

impl Relay {
    /// Whether this process can serve the menu.
    #[must_use]
    pub fn serves_menu(&self) -> bool {
        let vault = self.vault();
        vault.menu.class.open_it() && vault.menu.class.seal_it()
    }

    /// Boxes keys of stores for the menu that are not so yet, and once after the start those whose box is of a key that the ring has lost.
    /// A process that can't open them leaves it to another.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn open_stores_to_menu(&self, boxing: &mut Boxing) -> Result<(), RelayFault> {
        const AT_ONCE: i64 = 100;
        const LOOKED_AT: i64 = 2000;
        let vault = self.vault();
        if !vault.seal.open_it() || !vault.menu.class.seal_it() {
            return Ok(());
        }
        let without = self.store().stores_without_menu(boxing.without_after, AT_ONCE).await?;
        // One that can't be opened here stays as it is, and those behind it are not kept from theirs.
        boxing.without_after = without.last().map_or(0, |key| key.id);
        for key in without {
            let left = self.box_key(&key).await?;
            // Said after the start alone: it is looked at again and again.
            if let Some(fault) = left.filter(|_| boxing.boxed_after.is_some()) {
                tracing::warn!(event = "unreadable", id = key.id, %fault, "a store's menu can't be opened");
            }
        }
        let Some(after) = boxing.boxed_after else { return Ok(()) };
        let boxed = self.store().stores_with_menu(after, LOOKED_AT).await?;
        boxing.boxed_after = boxed.last().map(|(key, _)| key.id);
        for (key, boxed) in boxed {
            // A program of before the menu that destroyed a key left its box.
            if !boxed.is_empty() && (key.wrapped.is_empty() || !vault.menu.has_key_of(&boxed)) {
                self.box_key(&key).await?;
            }
        }
        Ok(())
    }

    /// Boxes a key; why not, where it does not open here: perhaps at a later look, or by another process.
    async fn box_key(&self, key: &KeyRow) -> Result<Option<VaultError>, RelayFault> {
        match self.vault().box_store_key(key.id, &key.wrapped) {
            Ok(Some(boxed)) => self.store().keep_menu_key(key, &boxed).await?,
            Ok(None) => {}
            // An empty box says that there is nothing left to box.
            Err(VaultError::Destroyed { .. }) => self.store().keep_menu_key(key, &[]).await?,
            Err(fault) => return Ok(Some(fault)),
        }
        Ok(None)
    }

    pub(super) fn open_menu_store(&self, row: MenuStoreRow) -> Result<MenuStore, RelayFault> {
        let vault = self.vault();
        let key = match &row.menu_key {
            Some(boxed) => vault.menu.open_store_key(row.merchant.key.id, boxed)?,
            None => self.data_key(&row.merchant.key)?,
        };
        let id = row.merchant.id;
        let plain = key.open(Place::new("merchant", "profile", id), &row.merchant.profile)?;
        let profile: Profile =
            serde_json::from_slice(&plain).map_err(|_| RelayFault::Malformed("merchant.profile"))?;
        let merchant = Merchant { id, store_id: profile.store_id, name: profile.name, key };
        Ok(MenuStore { merchant, first: row.first, has_left: row.has_left })
    }

    pub(super) fn open_person(&self, key: &DataKey, row: MenuPersonRow) -> Result<MenuPerson, RelayFault> {
        let (label, _) = open_label(key, &row)?;
        let role = MenuRole::parse(&row.role).ok_or(RelayFault::Malformed("menu_person.role"))?;
        Ok(MenuPerson {
            id: row.id,
            name: label.name,
            role,
            created_at: row.created_at,
            cools_until: row.cools_until,
            must_change: row.initial_until.is_some() && !row.has_login,
            has_password: !row.has_login,
            row,
        })
    }

    /// Where a visit comes from.
    #[must_use]
    pub fn whence(&self, visit: &Visit) -> Whence {
        let ip = visit.ip.to_canonical();
        let country = self.country_of(visit);
        let operator = self.geo().operator(ip).map(|operator| operator.name);
        Whence {
            ip: ip.to_string(),
            country: country.map(|country| country.to_string()),
            network: operator.unwrap_or_else(|| super::first_use::network(ip).1),
            device: device_words(&visit.agent),
        }
    }

    pub(super) fn country_of(&self, visit: &Visit) -> Option<Country> {
        let ip = visit.ip.to_canonical();
        visit.is_known.then(|| self.geo().locate(ip).country(ip.is_ipv4())).flatten()
    }
}

/// A device, a network or a country counts as known if it was used since then.
fn known_since(now: Timestamp) -> Timestamp {
    now.before(KNOWN_FOR)
}

fn open_label(key: &DataKey, row: &MenuPersonRow) -> Result<(PersonLabel, RealAddress), RelayFault> {
    let malformed = || RelayFault::Malformed("menu_person.label");
    let plain = key.open(label_place(row.id), &row.label)?;
    let label: PersonLabel = serde_json::from_slice(&plain).map_err(|_| malformed())?;
    let address = RealAddress::parse(&label.address).map_err(|_| malformed())?;
    Ok((label, address))
}

fn label_place(person: i64) -> Place {
    Place::new("menu_person", "label", person)
}

fn verifier_place(person: i64) -> Place {
    Place::new("menu_person", "verifier", person)
}

fn session_place(session: i64) -> Place {
    Place::new("menu_session", "label", session)
}

fn seal_json(key: &Arc<DataKey>, place: Place, value: &impl Serialize) -> Result<Sealed, RelayFault> {
    let text = serde_json::to_vec(value).map_err(|_| RelayFault::Malformed(place.table))?;
    Ok(key.seal(place, &text))
}

/// What a browser says that it is, in words that its owner knows. It is a claim, and shown as what helps to remember.
fn device_words(agent: &str) -> String {
    let first = |words: &[(&str, &'static str)]| {
        words.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    let browser = first(&[
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser", "Samsung Internet"),
        ("Firefox", "Firefox"),
        ("FxiOS", "Firefox"),
        ("CriOS", "Chrome"),
        ("Chrome", "Chrome"),
        ("Safari", "Safari"),
    ]);
    let system = first(&[
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} / {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_named_as_its_owner_knows_it() {
        let on = |agent: &str| device_words(agent);
        let windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36";
        assert_eq!(on(windows), "Chrome / Windows");
        assert_eq!(on(&format!("{windows} Edg/140.0")), "Edge / Windows");
        let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 (KHTML, like Gecko) Version/18.0 Mobile Safari/604.1";
        assert_eq!(on(phone), "Safari / iPhone");
        assert_eq!((on("curl/8.0").as_str(), on("").as_str()), ("?", "?"));
    }
}
