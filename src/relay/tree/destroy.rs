//! Lawful destruction: rows of the log, or their header blocks, go with a certificate that the tree's key signs, and the tree
//! still verifies.
//!
//! Rules: only what is entered can be certified, and only what is certified is destroyed, in one transaction with its
//! certificate. The hash of a destroyed row stays; it says nothing of the row, whose sealed values began with a random nonce.
//! When it fails: [`RelayFault`]; then nothing was destroyed.

use super::{hour_of, number};
use crate::ledger::{Certificate, Gone, Mark, What, root_of, unpack};
use crate::mail::Timestamp;
use crate::relay::{Relay, RelayFault};
use crate::store::{Ids, NewDestruction};
use std::collections::{BTreeMap, HashSet};

/// Leaves of one certificate: a note has room for the places of so many.
const LEAVES: usize = 32;

/// What became of rows that were to be destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Destroyed {
    pub rows: usize,
    pub certificates: usize,
    /// Rows that are in no leaf yet: they stay until they are.
    pub left: usize,
}

impl Relay {
    /// Destroys rows of the log by their ids, or their header blocks, by a rule of one line. What is held or not due is the
    /// caller's to leave out.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer or this ring has no key that signs the tree; certificates that were
    /// written before stand.
    pub async fn destroy_log(&self, ids: &[i64], what: What, rule: &str) -> Result<Destroyed, RelayFault> {
        let origin = self.tree_origin().await?;
        let missing = || RelayFault::MissingKey("tree-a".into());
        let signer = self.tree_signers(&origin)?.into_iter().next().ok_or_else(missing)?;
        let mut by_hour: BTreeMap<i64, HashSet<i64>> = BTreeMap::new();
        for id in ids {
            by_hour.entry(hour_of(Ids::time_of(*id))).or_default().insert(*id);
        }
        let (mut leaves, mut done) = (Vec::new(), Destroyed { left: ids.len(), ..Destroyed::default() });
        for (hour, wanted) in &by_hour {
            for leaf in self.store().segments_of(*hour).await? {
                let malformed = RelayFault::Malformed("tree_leaf.marks");
                let marks = unpack(leaf.marks.as_deref().unwrap_or_default()).ok_or(malformed)?;
                let rows: Vec<bool> = marks.iter().map(|mark| wanted.contains(&mark.id)).collect();
                let gone: Vec<Mark> = marks.into_iter().filter(|mark| wanted.contains(&mark.id)).collect();
                if !gone.is_empty() {
                    let position = u64::try_from(leaf.position).unwrap_or(u64::MAX);
                    leaves.push((Gone { position, rows }, gone));
                }
            }
        }
        for some in leaves.chunks(LEAVES) {
            let marks: Vec<Mark> = some.iter().flat_map(|(_, marks)| marks).copied().collect();
            let certificate = Certificate {
                at: Timestamp::now(),
                what,
                rule: rule.to_owned(),
                count: marks.len() as u64,
                root: root_of(&marks),
                gone: some.iter().map(|(gone, _)| gone.clone()).collect(),
            };
            let note = signer.sign(&certificate.to_text()).map_err(|_| RelayFault::Malformed("the rule"))?;
            let rows: Vec<i64> = marks.iter().map(|mark| mark.id).collect();
            let new = NewDestruction { id: self.next_id(), note, rows, headers_alone: what == What::Headers };
            self.store().destroy_log_rows(&new).await?;
            done.rows += marks.len();
            done.certificates += 1;
            done.left -= marks.len();
        }
        tracing::info!(event = "destroyed", rows = number(done.rows), left = number(done.left), rule);
        Ok(done)
    }
}
