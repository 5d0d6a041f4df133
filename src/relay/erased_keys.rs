//! Data keys that were destroyed for good: which of them this process takes out of its own tree, and what proves them.
//!
//! Rules: the tree is punctured for good, in every copy, so the word of the database is not enough: a row counts with an index that
//! only a process with the key ring makes, and never for the installation's key or a store's. And it makes one only for a key that opens what the
//! row has sealed whose key it is said to be, since a row can be pointed to another's. A row without one is of an older
//! version, or of somebody who changes rows: its leaf stays, until a process whose own tree has lost it already, since it was
//! that which erased, gives it its proof. So while versions differ an erasure reaches other key rings once the node
//! that did it is updated.
//! When it fails: [`RelayFault`]; the leaves stay, and it is done again.

use super::binding::is_key_of;
use super::desk::look_place;
use super::{Relay, RelayFault};
use crate::mail::Timestamp;
use crate::store::{ConversationRow, DESTROYED, ErasedKeyRow, ErasureRow, Ids, KeyRow, Proves};
use crate::vault::{Index, VaultError};
use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::Duration;

/// How long a transaction may take between its ids and its commit.
const LATE: Duration = Duration::from_secs(600);
/// Entries about erasures that are read to prove one of an older version.
const MANY: i64 = 1000;

/// How far a process has followed what was erased.
pub(super) struct Followed {
    /// What was destroyed before is out of its tree.
    until: Timestamp,
    /// Rows that nothing proves, of which it was told.
    told: BTreeSet<i64>,
}

impl Default for Followed {
    fn default() -> Self {
        Self { until: Timestamp::from_millis(0), told: BTreeSet::new() }
    }
}

/// A destruction of keys that open what they are destroyed with.
pub(super) struct Destroying<'a> {
    relay: &'a Relay,
    own: BTreeSet<i64>,
}

impl Proves for Destroying<'_> {
    fn next_id(&self) -> i64 {
        self.relay.next_id()
    }

    fn prove(&self, table: &'static str, row: i64, said: &str) -> Index {
        self.relay.proof_of(table, row, said)
    }

    fn owns(&self, data_key: i64) -> bool {
        self.own.contains(&data_key)
    }
}

impl Relay {
    /// To destroy these keys, each of which opens what its row has sealed.
    pub(super) fn destroying(&self, own: impl IntoIterator<Item = i64>) -> Destroying<'_> {
        Destroying { relay: self, own: own.into_iter().collect() }
    }

    /// The keys of these conversations that open something of them, or are out of the tree already: each with its conversation. Where a row names
    /// a key that does not, those are tried that its records and mails name.
    pub(super) async fn own_keys(&self, conversations: &[i64]) -> Result<Vec<(i64, i64)>, RelayFault> {
        let mut own = Vec::new();
        for id in conversations {
            let Some(row) = self.store().conversation(*id).await? else { continue };
            if self.opens(&row, &row.key)? {
                own.push((*id, row.key.id));
                continue;
            }
            let mut found = None;
            for key in self.store().keys_about(*id).await? {
                if found.is_none() && self.opens(&row, &key)? {
                    found = Some(key.id);
                }
            }
            let is_out = self.vault().seal.is_erased(row.key.id);
            let found = found.or_else(|| is_out.then_some(row.key.id));
            if found != Some(row.key.id) {
                let (conversation, key) = (super::queue_id(*id), found);
                tracing::error!(
                    event = "tampered",
                    conversation,
                    key,
                    "the key that its row names does not open it; where no other does (`key`) its key stays, and its rows go"
                );
            }
            own.extend(found.map(|key| (*id, key)));
        }
        Ok(own)
    }

    fn opens(&self, row: &ConversationRow, key: &KeyRow) -> Result<bool, RelayFault> {
        match self.data_key(key) {
            Ok(key) => Ok(is_key_of(row, &key)),
            Err(VaultError::Destroyed { .. } | VaultError::DoesNotOpen { .. }) => Ok(false),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Data keys that were erased and whose leaves are still in this process's tree. What this process remembers of erased ones it forgets.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn keys_to_erase(&self) -> Result<Vec<i64>, RelayFault> {
        let (vault, now) = (self.vault(), Timestamp::now());
        let since = self.inner.erased.lock().unwrap_or_else(PoisonError::into_inner).until;
        let (mut keys, mut unproven) = (Vec::new(), None);
        let rows = self.store().erased_keys(since).await?;
        // Whoever had a key when it went may have used it a moment longer: for as long as its row is late it is forgotten again.
        self.forget_keys(&rows.iter().map(|row| row.data_key).collect::<Vec<_>>());
        let rows = if vault.erasure_tree.is_some() { rows } else { Vec::new() };
        for row in rows {
            if vault.seal.is_erased(row.data_key) {
                if row.ruling.is_none() {
                    let ruling = self.proof_of("erased_key", row.data_key, DESTROYED);
                    self.store().rule_erased_key(row.id, ruling).await?;
                }
            } else if self.is_erasure_of_key_proven(&row) && !self.store().is_lasting(row.data_key).await? {
                keys.push(row.data_key);
            } else {
                unproven = unproven.or(Some(row.id));
                self.tell_unproven_key(&row);
            }
        }
        // Those that are not out yet are asked for again, and those that may still be proven.
        if keys.is_empty() {
            let late = i64::try_from(LATE.as_millis()).unwrap_or(0);
            let until = Timestamp::from_millis(now.as_millis().saturating_sub(late));
            let until = unproven.map_or(until, |id| until.min(Ids::time_of(id)));
            self.inner.erased.lock().unwrap_or_else(PoisonError::into_inner).until = until;
        }
        Ok(keys)
    }

    /// Rows that name a key as destroyed which no tree has lost, and that nothing proves. Without a tree none is known.
    pub(super) async fn unproven_keys(&self) -> Result<Vec<i64>, RelayFault> {
        let vault = self.vault();
        if vault.erasure_tree.is_none() {
            return Ok(Vec::new());
        }
        let rows = self.store().erased_keys(Timestamp::from_millis(0)).await?;
        let is_unproven =
            |row: &ErasedKeyRow| !vault.seal.is_erased(row.data_key) && !self.is_erasure_of_key_proven(row);
        Ok(rows.into_iter().filter(is_unproven).map(|row| row.id).collect())
    }

    fn is_erasure_of_key_proven(&self, row: &ErasedKeyRow) -> bool {
        let proof = self.proof_of("erased_key", row.data_key, DESTROYED);
        row.ruling.as_deref() == Some(proof.as_bytes())
    }

    /// Whether an erasure is as somebody with the key ring wrote it.
    pub(super) fn is_erasure_proven(&self, row: &ErasureRow) -> bool {
        let proof = self.proof_of("erasure", row.id, &row.said());
        row.ruling.as_deref() == Some(proof.as_bytes())
    }

    /// Gives an erasure of an older version its proof, where the list of looks shows it; whether it did.
    pub(super) async fn prove_old_erasure(&self, row: &ErasureRow) -> Result<bool, RelayFault> {
        if row.ruling.is_some() || self.lacks_key_of_looks().is_some() {
            return Ok(false);
        }
        for look in self.store().looks_of_kind("erasure", MANY).await? {
            let is_then = look.at.since(row.at).max(row.at.since(look.at)) <= LATE;
            let is_it = look.outcome == "opened" && look.rows == row.conversations && is_then;
            // Nobody without the key ring makes one that opens.
            if is_it && self.opened_detail(&look.key, look_place(look.id), &look.detail).await.is_ok() {
                self.store().rule_erasure(row.id, self.proof_of("erasure", row.id, &row.said())).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Tells once that a row erases nothing.
    fn tell_unproven_key(&self, row: &ErasedKeyRow) {
        let mut followed = self.inner.erased.lock().unwrap_or_else(PoisonError::into_inner);
        if followed.told.insert(row.id) {
            let (row, key) = (super::queue_id(row.id), row.data_key);
            tracing::error!(
                event = "tampered",
                row,
                key,
                "nothing proves that this key was erased: it stays. A node of an older version proves what it erased once it is updated"
            );
        }
    }
}
