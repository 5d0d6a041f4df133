//! Lawful destruction: what goes of the log and of looks is named by certificates that the tree's key signs, and the tree still
//! verifies.
//!
//! Rules: the certificates are kept in the transaction that destroys (`store::retention`). The hash of a destroyed row stays; it
//! says nothing of the row, whose sealed values began with a random nonce. A row that is in no leaf, since it is older than
//! the tree, needs no certificate.
//! When it fails: [`RelayFault`]; then nothing is destroyed.

use super::hour_of;
use crate::ledger::{Certificate, Entry, Gone, Mark, Table, What, root_of, unpack};
use crate::mail::Timestamp;
use crate::relay::{Relay, RelayFault};
use crate::store::{Ids, LeafRow, NextRows, Noted};
use std::collections::{BTreeMap, HashSet};

/// The rule in the certificates of a walk of retention, by which they and what people are told of it are held against
/// each other.
pub(in crate::relay) fn rule_of(class: &str, day: &str, begun: &str) -> String {
    format!("{class} of {day}, begun {begun}")
}

/// Leaves of one certificate: a note has room for the places of so many.
const LEAVES: usize = 32;

impl Relay {
    /// Signs what the tree has to know before these rows are destroyed, by a rule of one line. `None`: their hours are
    /// not entered yet, and they have to wait.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer, or this ring has no key that signs the tree that has the rows.
    pub async fn certify_destruction(
        &self,
        next: &NextRows,
        rule: &str,
    ) -> Result<Option<Noted>, RelayFault> {
        let begun = self.store().tree_passes().await?.into_iter().find(|(pass, _)| *pass == 0);
        if let (Some((_, entered)), "record") = (begun, next.table)
            && next.ids.iter().any(|id| hour_of(Ids::time_of(*id)) >= entered)
        {
            return Ok(None);
        }
        let leaves = match next.table {
            "record" => self.leaves_of_records(&next.ids).await?,
            "look" => self.leaves_of_looks(&next.ids).await?,
            _ => Vec::new(),
        };
        if leaves.is_empty() {
            return Ok(Some(Noted::default()));
        }
        let missing = || RelayFault::MissingKey("tree-a".into());
        let origin = self.tree_origin().await?;
        let signer = self.tree_signers(&origin)?.into_iter().next().ok_or_else(missing)?;
        let what = if next.headers_alone { What::Headers } else { What::Rows };
        let marks = || leaves.iter().flat_map(|(_, marks)| marks);
        let headers = marks().filter_map(|mark| Some((mark.id, mark.headers?))).collect();
        let mut noted = Noted { notes: Vec::new(), entered: marks().count(), headers };
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
            noted.notes.push((self.next_id(), note));
        }
        Ok(Some(noted))
    }

    async fn leaves_of_records(&self, ids: &[i64]) -> Result<Vec<(Gone, Vec<Mark>)>, RelayFault> {
        let mut by_hour: BTreeMap<i64, HashSet<i64>> = BTreeMap::new();
        for id in ids {
            by_hour.entry(hour_of(Ids::time_of(*id))).or_default().insert(*id);
        }
        let mut leaves = Vec::new();
        for (hour, wanted) in &by_hour {
            for leaf in self.store().segments_of(*hour).await? {
                let malformed = RelayFault::Malformed("tree_leaf.marks");
                let marks = unpack(leaf.marks.as_deref().unwrap_or_default()).ok_or(malformed)?;
                let rows: Vec<bool> = marks.iter().map(|mark| wanted.contains(&mark.id)).collect();
                let gone: Vec<Mark> = marks.into_iter().filter(|mark| wanted.contains(&mark.id)).collect();
                if !gone.is_empty() {
                    leaves.push((Gone { position: position(&leaf), rows }, gone));
                }
            }
        }
        Ok(leaves)
    }

    /// A look is a leaf by itself.
    async fn leaves_of_looks(&self, ids: &[i64]) -> Result<Vec<(Gone, Vec<Mark>)>, RelayFault> {
        let mut leaves = Vec::new();
        for id in ids {
            if let Some(leaf) = self.store().leaf_of(Table::Look, *id).await? {
                let Some(Entry::Row { hash, .. }) = Entry::parse(&leaf.entry) else {
                    return Err(RelayFault::Malformed("tree_leaf.entry"));
                };
                let mark = Mark { id: *id, hash, headers: None };
                leaves.push((Gone { position: position(&leaf), rows: vec![true] }, vec![mark]));
            }
        }
        Ok(leaves)
    }
}

fn position(leaf: &LeafRow) -> u64 {
    u64::try_from(leaf.position).unwrap_or(u64::MAX)
}
