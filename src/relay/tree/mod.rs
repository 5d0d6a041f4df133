//! The audit tree: a Merkle tree over the hours of the log, over looks and over certificates of destruction, kept beside the
//! writing of mail and not within it.
//!
//! Rules: whoever holds the tree's key adds; of two that add at once the first counts. An hour of the log becomes a leaf when
//! it has settled; rows that come later become leaves of their own, and nothing that was entered is ever changed. Nothing is
//! opened: the tree is over what is stored.
//! When it fails: [`RelayFault`], and the tree stands still while mail goes on; what was not entered is entered later.

mod broken;
mod certified;
mod destroy;
mod enter;
mod facts;
mod proof;
mod rows;
mod verify;
mod walk;

pub use broken::{Broken, Verification};
pub(super) use destroy::rule_of;
pub use enter::Grown;
pub use proof::ProofFault;
pub use verify::{Anchors, Progress};

use super::{Account, DeskFault, Look, Relay, RelayFault};
use crate::ledger::{Checkpoint, Signer, Verifier};
use crate::mail::{RealAddress, Timestamp};
use crate::store::Ids;

const HOUR_MS: i64 = 3_600_000;
/// What an entry about a process is called, and by whom it is.
pub(super) const PROCESS: &str = "process";

/// When an hour begins, in hours since 1970.
fn begins(hour: i64) -> Timestamp {
    Timestamp::from_millis(hour.saturating_mul(HOUR_MS))
}

/// The hour of a time.
fn hour_of(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(HOUR_MS)
}

/// The hour of a row.
pub(super) fn hour_of_row(id: i64) -> Timestamp {
    begins(hour_of(Ids::time_of(id)))
}

/// The ids of an hour: from the first to before the second.
fn ids_of(hour: i64) -> (i64, i64) {
    (Ids::first_of(begins(hour)), Ids::first_of(begins(hour + 1)))
}

/// What is kept in a column that only this program writes.
fn hash(octets: &[u8]) -> Result<[u8; 32], RelayFault> {
    octets.try_into().map_err(|_| RelayFault::Malformed("tree"))
}

/// A number of rows or leaves as the database has it.
fn number(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

/// A checkpoint with the note that says it.
pub struct Signed {
    pub checkpoint: Checkpoint,
    pub note: String,
}

impl Relay {
    /// The name of the tree, which the first start gives it for ever.
    async fn tree_origin(&self) -> Result<String, RelayFault> {
        let first = format!("{}/audit", self.domains().merchant());
        Ok(self.store().tree(&first).await?.origin)
    }

    /// The keys that sign the tree, the one that signs now first; none in a ring that has none.
    fn tree_signers(&self, origin: &str) -> Result<Vec<Signer>, RelayFault> {
        let signer = |seed: &crate::vault::TreeSeed| Signer::new(origin, seed.seed());
        let signers = self.vault().tree.iter().map(signer).collect::<Result<_, _>>();
        signers.map_err(|_| RelayFault::Malformed("tree.origin"))
    }

    /// The public halves of the keys that sign the tree.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn tree_keys(&self) -> Result<Vec<Verifier>, RelayFault> {
        let signers = self.tree_signers(&self.tree_origin().await?)?;
        Ok(signers.iter().map(|signer| signer.verifier().clone()).collect())
    }

    /// The last checkpoint; none of an empty tree.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer, or does not hold what was signed.
    pub async fn last_checkpoint(&self) -> Result<Option<Signed>, RelayFault> {
        let origin = self.tree_origin().await?;
        let size = self.store().tree(&origin).await?.size;
        if size == 0 {
            return Ok(None);
        }
        let malformed = RelayFault::Malformed("tree_checkpoint.note");
        let note = self.store().checkpoint(size).await?.ok_or(RelayFault::Malformed("tree_checkpoint"))?;
        let keys = self.tree_keys().await?;
        match Checkpoint::read(note.as_bytes(), &keys) {
            Ok((checkpoint, _)) if number(checkpoint.size) == size => Ok(Some(Signed { checkpoint, note })),
            _ => Err(malformed),
        }
    }

    /// Whether the first checkpoint of the tree is older than this.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn is_tree_older(&self, now: Timestamp, age: std::time::Duration) -> Result<bool, RelayFault> {
        let Some((_, note)) = self.store().checkpoints_after(0, 1).await?.pop() else { return Ok(false) };
        let keys = self.tree_keys().await?;
        let first = Checkpoint::read(note.as_bytes(), &keys);
        Ok(first.ok().and_then(|(first, _)| first.at()).is_none_or(|at| at.after(age) < now))
    }

    /// Says that the file of checkpoints begins anew; the last checkpoint, which it is to begin with.
    ///
    /// # Errors
    /// [`DeskFault`] when it is not taken from this one, or the database does not answer.
    pub async fn begin_anchors(&self, look: &Look) -> Result<Option<Signed>, DeskFault> {
        self.may_look(look).await?;
        let Some(last) = self.last_checkpoint().await? else { return Ok(None) };
        let what = serde_json::json!({ "anchors": { "size": last.checkpoint.size } });
        self.note_deed(look, "anchors", what, "begun").await?;
        Ok(Some(last))
    }

    /// Writes down that a process begins or ends, among the looks: so what happened while none ran shows.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn note_process(
        &self,
        account: Account,
        roles: &[&str],
        outcome: &'static str,
    ) -> Result<(), RelayFault> {
        let malformed = |_| RelayFault::Malformed("look.detail");
        let look = Look::for_audit(PROCESS, account).map_err(malformed)?;
        self.note_deed(&look, PROCESS, serde_json::json!({ "roles": roles }), outcome).await
    }

    /// Whether the tree was once as this checkpoint says.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn tree_was(&self, known: &Checkpoint) -> Result<bool, RelayFault> {
        let keys = self.tree_keys().await?;
        let note = self.store().checkpoint(number(known.size)).await?.unwrap_or_default();
        let own = Checkpoint::read(note.as_bytes(), &keys);
        Ok(own.is_ok_and(|(own, _)| own.size == known.size && own.root == known.root))
    }

    /// Tells the officer by mail where the tree stands, once a day.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn tell_officer(&self, to: &RealAddress, now: Timestamp) -> Result<(), RelayFault> {
        let Some(Signed { checkpoint, note }) = self.last_checkpoint().await? else { return Ok(()) };
        let day = now.as_millis().div_euclid(24 * HOUR_MS);
        let subject = format!("Audit tree {}: {} entries", checkpoint.origin, checkpoint.size);
        let text = format!(
            "監査ツリーの署名付きチェックポイントです。改ざんの検証に使うため、消さずに保管してください。\r\n\
             The signed checkpoint of the audit tree. Keep this mail: `anshin log verify --anchors FILE` compares it.\r\n\
             \r\n{}",
            note.replace('\n', "\r\n")
        );
        self.write_to(to, &format!("checkpoint {day}"), &subject, &text, now).await
    }
}
