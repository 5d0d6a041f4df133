//! Proofs out of the tree: that a checkpoint continues an earlier one, and bundles of evidence about rows.
//!
//! Rules: the roots of full subtrees of 2^8, 2^16, … leaves are kept, so a proof reads some hundred rows, however large the
//! tree is. A proof is checked before it is given away.
//! When it fails: [`ProofFault`].

use super::{Signed, hour_of, number};
use crate::ledger::merkle::{self, Edge, Hash, Range};
use crate::ledger::{Bundle, Checkpoint, Entry, Evidence, Mark, ProvenRow, Table, unpack, written};
use crate::mail::Timestamp;
use crate::relay::{Relay, RelayFault, parse_queue_id};
use crate::store::{Ids, LeafRow};
use std::collections::BTreeMap;

/// Levels of kept subtrees lie so far apart.
pub(super) const STEP: u32 = 8;
/// Leaves, or kept subtrees of a level, below one of the next.
const WIDTH: u64 = 1 << STEP;
/// The highest kept level: 2^40 leaves come never.
const TOP: u32 = 32;

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProofFault {
    #[error("queue id: 16 digits and letters A-F, as in the reply to DATA")]
    QueueId,
    #[error("nothing is recorded of it")]
    Nothing,
    #[error("the rows of {} are not in the tree yet: come again ten minutes after that hour, while a process with the role egress runs", .0.to_rfc3339())]
    NotYet(Timestamp),
    #[error("the tree is not what was signed: run `anshin log verify`")]
    Broken,
    #[error(transparent)]
    Fault(#[from] RelayFault),
}

impl From<crate::store::StoreFault> for ProofFault {
    fn from(fault: crate::store::StoreFault) -> Self {
        Self::Fault(fault.into())
    }
}

impl Relay {
    /// Sees from the leaves that a tree continues an earlier one.
    ///
    /// # Errors
    /// [`ProofFault::Broken`] when it is not.
    pub async fn continues(&self, old: &Checkpoint, new: &Checkpoint) -> Result<(), ProofFault> {
        let path = self.consistency(old.size, new.size).await?;
        let is_proven = merkle::is_consistent(old.size, &old.root, new.size, &new.root, &path);
        if is_proven { Ok(()) } else { Err(ProofFault::Broken) }
    }

    /// The hashes with which somebody who knows the tree of `old` leaves sees that the one of `new` continues it.
    ///
    /// # Errors
    /// [`ProofFault::Broken`] when there are no such leaves.
    pub async fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, ProofFault> {
        self.path(&merkle::consistency(old, new)).await
    }

    /// Evidence of all that is recorded of a message.
    ///
    /// # Errors
    /// [`ProofFault`].
    pub async fn prove_message(&self, text: &str) -> Result<Bundle, ProofFault> {
        let message = parse_queue_id(text).ok_or(ProofFault::QueueId)?;
        let rows = self.store().log_rows_of(message).await?;
        let mut by_leaf: BTreeMap<i64, (LeafRow, Vec<Mark>, Vec<ProvenRow>)> = BTreeMap::new();
        for id in rows {
            let hour = Ids::time_of(id);
            let mut found = None;
            for leaf in self.store().segments_of(hour_of(hour)).await? {
                let marks = unpack(leaf.marks.as_deref().unwrap_or_default()).ok_or(ProofFault::Broken)?;
                if let Some(at) = marks.iter().position(|mark| mark.id == id) {
                    found = Some((leaf, marks, at));
                    break;
                }
            }
            let (leaf, marks, at) = found.ok_or(ProofFault::NotYet(hour))?;
            let log_row = self.store().log_rows(id, id + 1, 1).await?.pop().ok_or(ProofFault::Broken)?;
            let of = |range: &Range| {
                let hashes = marks.iter().map(|mark| mark.hash);
                let (first, count) = (usize::try_from(range.first), usize::try_from(range.count));
                merkle::root(hashes.skip(first.unwrap_or(usize::MAX)).take(count.unwrap_or(0)))
            };
            let path: Vec<Hash> = merkle::inclusion(at as u64, marks.len() as u64).iter().map(of).collect();
            // A header block that went lawfully: the tree has its hash, and with that the rest is what was entered.
            let gone = marks.get(at).and_then(|mark| mark.headers).filter(|_| log_row.headers.is_none());
            let headers_hash = gone.and_then(|hash| written(&[hash]).pop());
            let proven = ProvenRow { index: at as u64, path: written(&path), row: log_row, headers_hash };
            by_leaf.entry(leaf.position).or_insert((leaf, marks, Vec::new())).2.push(proven);
        }
        if by_leaf.is_empty() {
            return Err(ProofFault::Nothing);
        }
        let leaves = by_leaf.into_values().map(|(leaf, _, rows)| (leaf, rows)).collect();
        self.bundle(leaves).await
    }

    /// Evidence of a look, by its place in the list of looks.
    ///
    /// # Errors
    /// [`ProofFault`].
    pub async fn prove_look(&self, text: &str) -> Result<Bundle, ProofFault> {
        let id = parse_queue_id(text).ok_or(ProofFault::QueueId)?;
        let leaf =
            self.store().leaf_of(Table::Look, id).await?.ok_or(ProofFault::NotYet(Ids::time_of(id)))?;
        self.bundle(vec![(leaf, Vec::new())]).await
    }

    async fn bundle(&self, leaves: Vec<(LeafRow, Vec<ProvenRow>)>) -> Result<Bundle, ProofFault> {
        let Signed { checkpoint, mut note } = self.last_checkpoint().await?.ok_or(ProofFault::Nothing)?;
        // The newest checkpoint may not have come to the witnesses yet: theirs follow below it in a minute.
        self.store().cosignatures(number(checkpoint.size)).await?.iter().for_each(|line| note.push_str(line));
        let mut evidence = Vec::new();
        for (leaf, rows) in leaves {
            let position = u64::try_from(leaf.position).map_err(|_| ProofFault::Broken)?;
            let path = self.path(&merkle::inclusion(position, checkpoint.size)).await?;
            let look = match Entry::parse(&leaf.entry) {
                Some(Entry::Row { table: Table::Look, id, .. }) => {
                    self.store().look_entries(id, 1).await?.pop()
                }
                _ => None,
            };
            evidence.push(Evidence { position, entry: leaf.entry, path: written(&path), rows, look });
        }
        let bundle = Bundle::new(note, evidence);
        match bundle.check(&self.tree_keys().await?) {
            Ok(_) => Ok(bundle),
            Err(_) => Err(ProofFault::Broken),
        }
    }

    async fn path(&self, ranges: &[Range]) -> Result<Vec<Hash>, ProofFault> {
        let mut path = Vec::with_capacity(ranges.len());
        for range in ranges {
            path.push(self.subtree(*range).await?);
        }
        Ok(path)
    }

    /// The root over a range that is a subtree: it begins where one of its size does.
    async fn subtree(&self, range: Range) -> Result<Hash, ProofFault> {
        let (mut at, end) = (range.first, range.first + range.count);
        let mut edge = Edge::default();
        while at < end {
            let fits = |level: &u32| at.is_multiple_of(1 << *level) && end - at >= 1 << *level;
            let level = (0..=TOP).rev().step_by(STEP as usize).find(fits).unwrap_or(0);
            let first = at >> level;
            // As many as there are up to the next one of a higher level.
            let count = ((end - at) >> level).min(WIDTH - first % WIDTH);
            let (from, many) = (number(first), number(count));
            let hashes: Vec<Hash> = match level {
                0 => self
                    .store()
                    .entries(from, many)
                    .await?
                    .iter()
                    .map(|entry| merkle::leaf(entry.as_bytes()))
                    .collect(),
                _ => {
                    let nodes = self.store().nodes(level.into(), from, many).await?;
                    nodes.iter().map(|node| super::hash(node)).collect::<Result<_, _>>()?
                }
            };
            if hashes.len() as u64 != count {
                return Err(ProofFault::Broken);
            }
            hashes.into_iter().for_each(|hash| edge.push_full(level, hash, |_, _| {}));
            at += count << level;
        }
        Ok(edge.root())
    }
}
