//! What still needs an old key of the ring, and the end of one that nothing needs.
//!
//! Rules: it asks the database, not the processes; one that would go on with a retired key ends ([`Relay::may_seal`]).
//! When it fails: [`RelayFault`]; the key stays.

use super::rekey::{SETTLED, Stage};
use super::{Relay, RelayFault};
use crate::mail::Timestamp;
use crate::store::{RekeyingRow, RingKeyRow};
use crate::vault::{Index, KeyLine, Purpose};
use std::fmt;

/// What still needs a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// It is no key of the ring.
    Unknown,
    /// New things are sealed with it.
    Seals,
    /// It numbers the running operation.
    Numbers,
    /// What it signed is verified with it, as long as the audit tree stands.
    Signed,
    /// A newer key seals only from then on, or since then.
    Successor(Timestamp),
    Rows {
        count: i64,
        what: &'static str,
        cure: &'static str,
    },
    /// The database file is encrypted with it.
    File,
    /// This stage was not brought to the newest key.
    Stage(Stage),
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Need::Unknown => write!(f, "there is no such key in the ring"),
            Need::Seals => write!(f, "it seals: make a newer one with `anshin keys rotate`"),
            Need::Numbers => write!(f, "it numbers routes, duplicates and salts, which must not change"),
            Need::Signed => write!(f, "the audit tree is verified with it"),
            Need::Successor(at) => write!(f, "the newer key seals from {at}: come again 15 seconds later"),
            Need::Rows { count, what, cure } => write!(f, "{count} {what}: {cure}"),
            Need::File => {
                write!(
                    f,
                    "the database file is encrypted with it: stop every process and run `anshin keys rewrap`"
                )
            }
            Need::Stage(stage) => write!(f, "{}: run `anshin keys rewrap`", stage.as_str()),
        }
    }
}

impl Relay {
    /// From when on every process seals with the newest key of a purpose; `None` where it is the only one.
    pub(super) fn settled(&self, purpose: Purpose) -> Option<Timestamp> {
        let vault = self.vault();
        let lines = || vault.lines.iter().filter(|line| line.purpose == purpose);
        let newest = lines().max_by_key(|line| line.created_at)?;
        (lines().count() > 1).then(|| newest.seals_from.after(SETTLED))
    }

    /// What still needs a key of the ring. Nothing: it can be destroyed.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn needs(&self, purpose: Purpose, name: char, now: Timestamp) -> Result<Vec<Need>, RelayFault> {
        let vault = self.vault();
        let lines = || vault.lines.iter().filter(|line| line.purpose == purpose);
        let Some(own) = lines().find(|line| line.name == name) else { return Ok(vec![Need::Unknown]) };
        if purpose == Purpose::Guard || (purpose == Purpose::Index && vault.numbers_with(name)) {
            return Ok(vec![Need::Numbers]);
        }
        if purpose == Purpose::Tree {
            return Ok(vec![Need::Signed]);
        }
        let newest = lines().max_by_key(|line| line.created_at).unwrap_or(own);
        if own.seals && newest.name == name {
            return Ok(vec![Need::Seals]);
        }
        let since = newest.seals_from.after(SETTLED);
        if now < since {
            return Ok(vec![Need::Successor(newest.seals_from)]);
        }
        let letter = u8::try_from(name).unwrap_or_default();
        let (store, mut needs) = (self.store(), Vec::new());
        let mut rows = |count: i64, what: &'static str, cure: &'static str| {
            if count > 0 {
                needs.push(Need::Rows { count, what, cure });
            }
        };
        const REWRAP: &str = "run `anshin keys rewrap`";
        match purpose {
            Purpose::Alias => {
                let name = name.to_string();
                rows(
                    store.aliases_under(&name).await?,
                    "aliases were minted with it",
                    "they live as long as it does",
                );
                let count = store.deliveries_before(since).await?;
                rows(
                    count,
                    "deliveries in the queue may have return addresses of it",
                    "wait until they are purged",
                );
            }
            Purpose::Seal => {
                rows(store.data_keys_under(letter).await?, "data keys are wrapped with it", REWRAP);
                rows(
                    store.boxes_under(crate::vault::boxed_head(letter)).await?,
                    "verifiers are sealed to it",
                    REWRAP,
                );
            }
            Purpose::Body | Purpose::Log => {
                let count = store.segments_under(purpose, letter).await?;
                rows(count, "segments are wrapped with it", REWRAP);
            }
            Purpose::Menu => {
                let count = store.segments_under(purpose, letter).await?;
                rows(count, "segments are wrapped with it", REWRAP);
                rows(store.menu_keys_under(letter).await?, "keys of stores are boxed to it", REWRAP);
            }
            Purpose::Index => {
                let count = store.tokens_before(since).await?;
                rows(count, "API tokens may be indexed with it", "a token is indexed anew at its next use");
                let count = store.suppressed_before(since, now).await?;
                rows(
                    count,
                    "suppressed mailboxes may be indexed with it",
                    "wait until they end, or remove them",
                );
                for stage in Stage::ALL.into_iter().filter(|stage| stage.purpose() == Purpose::Index) {
                    let place = store.rekeying(stage.as_str()).await?;
                    let is_done = |place: RekeyingRow| {
                        place.target == newest.fingerprint
                            && place.finished_at.is_some()
                            && place.begun_at >= since
                    };
                    if !place.is_some_and(is_done) {
                        needs.push(Need::Stage(stage));
                    }
                }
            }
            Purpose::File if store.file_key() == Some(name) => needs.push(Need::File),
            Purpose::Guard | Purpose::Tree | Purpose::File => {}
        }
        Ok(needs)
    }

    /// Notes that a key is retired, or that it is not. A process that seals with it ends within [`SETTLED`]; then its file
    /// may go, if still nothing needs it.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn retire(
        &self,
        purpose: Purpose,
        name: char,
        at: Option<Timestamp>,
    ) -> Result<(), RelayFault> {
        Ok(self.store().retire_ring_key(purpose.as_str(), &name.to_string(), at).await?)
    }

    /// Whether a key is marked as retired and no longer in this ring: whoever retired it was cut off on the way.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn is_half_retired(&self, purpose: Purpose, name: char) -> Result<bool, RelayFault> {
        let is_it = |of: &str, letter: &str| of == purpose.as_str() && letter == name.to_string();
        let is_here = self.vault().lines.iter().any(|line| line.purpose == purpose && line.name == name);
        let known = self.store().ring_keys().await?;
        let is_marked = known.iter().any(|key| is_it(&key.purpose, &key.name) && key.retired_at.is_some());
        Ok(!is_here && is_marked)
    }

    /// Notes that the file of a retired key is destroyed. From then on other processes destroy theirs.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn key_is_gone(&self, purpose: Purpose, name: char, at: Timestamp) -> Result<(), RelayFault> {
        let (purpose, name) = (purpose.as_str(), name.to_string());
        let known = self.store().ring_keys().await?;
        let Some(key) = known.iter().find(|key| key.purpose == purpose && key.name == name) else {
            return Ok(());
        };
        Ok(self.store().ring_key_is_gone(purpose, &name, self.proof_of_end(key), at).await?)
    }

    /// When the file of a key was destroyed, by the word of a process with the key ring.
    pub(super) fn gone_at(&self, key: &RingKeyRow) -> Option<Timestamp> {
        let is_proven = key.ruling.as_deref() == Some(self.proof_of_end(key).as_bytes());
        key.gone_at.filter(|_| is_proven)
    }

    fn proof_of_end(&self, key: &RingKeyRow) -> Index {
        let said = format!("gone {}-{} {}", key.purpose, key.name, key.fingerprint);
        self.proof_of("ring_key", 0, &said)
    }

    /// Keys in this ring whose file was destroyed elsewhere, and which nothing needs: this process destroys its own.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn keys_to_destroy(&self, now: Timestamp) -> Result<Vec<(Purpose, char)>, RelayFault> {
        let (vault, mut keys) = (self.vault(), Vec::new());
        for key in self.store().ring_keys().await?.iter().filter(|key| self.gone_at(key).is_some()) {
            let is_it = |line: &&KeyLine| {
                line.purpose.as_str() == key.purpose
                    && line.name.to_string() == key.name
                    && line.fingerprint == key.fingerprint
            };
            // A file that is gone comes back from no database: it is asked once more.
            if let Some(line) = vault.lines.iter().find(is_it)
                && self.needs(line.purpose, line.name, now).await?.is_empty()
            {
                keys.push((line.purpose, line.name));
            }
        }
        Ok(keys)
    }
}
