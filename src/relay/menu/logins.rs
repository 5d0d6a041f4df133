//! With what, when and from where a store's programs logged in to send mail, as its people see it.
//!
//! Rules: by the facts of the log, which have country and network but no address: the records are opened at the desk alone. The address stands once
//! more, sealed as the access log is (`menu_whence`), for administrators; not of who had a wrong password, since nobody's name
//! may cost more than another's. A user name is known by its number in each quarter; whoever failed is found by the names of the
//! store's credentials, ended ones too.
//! When it fails: [`RelayFault`].

use super::{MenuRole, MenuSession, Visit, Whence};
use crate::mail::Timestamp;
use crate::relay::{Relay, RelayFault};
use crate::store::{Ids, MenuLoginRow, NewRecord};
use crate::vault::{Class, DataKey, Numbered, Place, nonces, quarter_of};
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
/// Names that are looked for at once.
const NAMES_MAX: usize = 400;

/// What came of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginResult {
    In,
    /// From a network from which the credential was never used before; the store was told.
    NewNetwork,
    Refused,
}

/// A login of a store's program.
#[derive(Debug, Clone)]
pub struct LoginView {
    /// Where it stands in the list.
    pub place: i64,
    pub at: Timestamp,
    /// Name and user name of the credential; none: it is not known any more.
    pub credential: Option<(String, String)>,
    pub result: LoginResult,
    pub country: Option<String>,
    /// The number of the network among autonomous systems.
    pub network: Option<i64>,
    /// For administrators, where it is known.
    pub whence: Option<Whence>,
}

impl Relay {
    /// Logins of a store's programs, the latest first, and the place from which older ones are asked for, where there may be some.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn menu_logins(
        &self,
        who: &MenuSession,
        before: Option<i64>,
        limit: i64,
    ) -> Result<(Vec<LoginView>, Option<i64>), RelayFault> {
        let now = Timestamp::now();
        let added = Ids::time_of(who.store.id).before(DAY);
        let credentials = self.credential_names(who).await?;
        let mut names: HashMap<i64, (String, String)> = HashMap::new();
        for period in self.periods(quarter_of(added), quarter_of(now)).await?.iter().rev() {
            for (name, auth_id) in &credentials {
                if names.len() < NAMES_MAX {
                    names.insert(period.number(Numbered::Login(auth_id)), (name.clone(), auth_id.clone()));
                }
            }
        }
        let numbers: Vec<i64> = names.keys().copied().collect();
        let first = Ids::first_of(added);
        let mut before = before.unwrap_or(i64::MAX).min(Ids::first_of(now.after(DAY)));
        let mut found: Vec<LoginView> = Vec::new();
        while before > first {
            let from = Ids::first_of(Ids::time_of(before).before(super::STRETCH)).max(first);
            let left = limit - i64::try_from(found.len()).unwrap_or(limit);
            let rows = self.store().menu_logins(who.store.id, &numbers, (from, before), left).await?;
            let is_full = i64::try_from(rows.len()).is_ok_and(|count| count >= left);
            let last = rows.last().map(|row| row.id);
            let mut whence = self.whence_of_logins(who, &rows).await?;
            found.extend(rows.into_iter().map(|row| {
                let whence = whence.remove(&row.id);
                view(row, &names, whence)
            }));
            if is_full {
                return Ok((found, last));
            }
            before = from;
        }
        Ok((found, None))
    }

    /// From where these came, for administrators.
    async fn whence_of_logins(
        &self,
        who: &MenuSession,
        rows: &[MenuLoginRow],
    ) -> Result<HashMap<i64, Whence>, RelayFault> {
        let mut found = HashMap::new();
        let (Some(last), Some(first)) = (rows.first(), rows.last()) else { return Ok(found) };
        if who.person.role != MenuRole::Administrator {
            return Ok(found);
        }
        for (id, sealed) in self.store().menu_whence(who.store.id, (first.id, last.id)).await? {
            // One that does not open any more is not known.
            if let Ok(plain) = self.open_in(&who.store.key, whence_place(id), &sealed).await
                && let Ok(whence) = serde_json::from_slice(&plain)
            {
                found.insert(id, whence);
            }
        }
        Ok(found)
    }

    /// A record of a login of a store's program, with from where it was for the store's administrators.
    pub(in crate::relay) fn told_whence(&self, record: NewRecord, key: &DataKey, ip: IpAddr) -> NewRecord {
        // A ring without a key for the menu has nobody to tell.
        if !self.vault().menu.class.seal_it() {
            return record;
        }
        let visit = Visit { ip, is_known: true, agent: String::new(), device: None };
        let Ok(text) = serde_json::to_vec(&self.whence(&visit)) else { return record };
        let [nonce] = nonces();
        let place = whence_place(record.id);
        let sealed = self.seal_in_with(nonce, Class::Access, record.at, key, place, &text);
        NewRecord { whence: Some(sealed), ..record }
    }

    /// Name and user name of the store's credentials, the newest first.
    async fn credential_names(&self, who: &MenuSession) -> Result<Vec<(String, String)>, RelayFault> {
        let credentials = self.menu_credentials(who).await.map_err(|fault| match fault {
            super::MenuCredentialFault::Credential(crate::relay::CredentialFault::Fault(fault)) => fault,
            _ => RelayFault::Malformed("credential"),
        })?;
        Ok(credentials.into_iter().rev().map(|one| (one.name, one.auth_id)).collect())
    }
}

fn whence_place(record: i64) -> Place {
    Place::new("menu_whence", "whence", record)
}

fn view(row: MenuLoginRow, names: &HashMap<i64, (String, String)>, whence: Option<Whence>) -> LoginView {
    LoginView {
        place: row.id,
        at: row.at,
        credential: row.login.and_then(|number| names.get(&number)).cloned(),
        result: match row.event.as_str() {
            "login" => LoginResult::In,
            "login_new_network" => LoginResult::NewNetwork,
            _ => LoginResult::Refused,
        },
        country: row.country,
        network: row.asn,
        whence,
    }
}
