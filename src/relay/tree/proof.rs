//! Proofs out of the tree: that a checkpoint continues an earlier one, and bundles of evidence about rows.
//!
//! Rules: the roots of full subtrees of 2^8, 2^16, … leaves are kept, so a proof reads some hundred rows, however large the
//! tree is. A proof is checked before it is given away.
//! When it fails: [`ProofFault`].

use super::{Signed, hour_of, number};
use crate::ledger::merkle::{self, Edge, Hash, Range};
use crate::ledger::{Bundle, Checkpoint, Entry, Evidence, ProvenRow, Table, unpack, written};
use crate::mail::Timestamp;
use crate::relay::{Relay, RelayFault, parse_queue_id};
use crate::store::Ids;
use std::collections::BTreeSet;

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

    /// Evidence of all that is recorded of messages, by their queue ids.
    ///
    /// # Errors
    /// [`ProofFault`].
    pub async fn prove_messages(&self, texts: &[String]) -> Result<Bundle, ProofFault> {
        let mut rows = BTreeSet::new();
        for text in texts {
            let message = parse_queue_id(text).ok_or(ProofFault::QueueId)?;
            rows.extend(self.store().log_rows_of(message).await?);
        }
        self.prove_rows(&rows.into_iter().collect::<Vec<_>>(), &[]).await
    }

    /// Evidence of these rows of the log, and of these looks, by their ids.
    ///
    /// # Errors
    /// [`ProofFault`]; [`ProofFault::Nothing`] where there are none.
    pub async fn prove_rows(&self, rows: &[i64], looks: &[i64]) -> Result<Bundle, ProofFault> {
        let rows: BTreeSet<i64> = rows.iter().copied().collect();
        let rows: Vec<i64> = rows.into_iter().collect();
        let mut leaves: Vec<(i64, String, Vec<ProvenRow>)> = Vec::new();
        // In the order of their ids: the lists of one hour are in memory at a time, and read once.
        for of_hour in rows.chunk_by(|a, b| hour_of(Ids::time_of(*a)) == hour_of(Ids::time_of(*b))) {
            leaves.extend(self.prove_hour(of_hour).await?);
        }
        for id in looks {
            // One that is not entered yet is proven later.
            if let Some(leaf) = self.store().leaf_of(Table::Look, *id).await? {
                leaves.push((leaf.position, leaf.entry, Vec::new()));
            }
        }
        if leaves.is_empty() {
            return Err(ProofFault::Nothing);
        }
        self.bundle(leaves).await
    }

    /// Rows of one hour, by leaf: its position, its entry, and the rows with their paths.
    async fn prove_hour(&self, ids: &[i64]) -> Result<Vec<(i64, String, Vec<ProvenRow>)>, ProofFault> {
        let Some(first) = ids.first() else { return Ok(Vec::new()) };
        let hour = Ids::time_of(*first);
        let mut leaves = Vec::new();
        for leaf in self.store().segments_of(hour_of(hour)).await? {
            let marks = unpack(leaf.marks.as_deref().unwrap_or_default()).ok_or(ProofFault::Broken)?;
            leaves.push((leaf.position, leaf.entry, marks, Vec::new()));
        }
        for id in ids {
            let found = leaves.iter_mut().find_map(|(.., marks, proven)| {
                let at = marks.iter().position(|mark| mark.id == *id)?;
                Some((&*marks, at, proven))
            });
            let (marks, at, proven) = found.ok_or(ProofFault::NotYet(hour))?;
            // What retention destroyed since it was found.
            let Some(row) = self.store().log_rows(*id, id.saturating_add(1), 1).await?.pop() else {
                continue;
            };
            let of = |range: &Range| {
                let hashes = marks.iter().map(|mark| mark.hash);
                let (first, count) = (usize::try_from(range.first), usize::try_from(range.count));
                merkle::root(hashes.skip(first.unwrap_or(usize::MAX)).take(count.unwrap_or(0)))
            };
            let path: Vec<Hash> = merkle::inclusion(at as u64, marks.len() as u64).iter().map(of).collect();
            // A header block that went lawfully: the tree has its hash, and with that the rest is what was entered.
            let gone = marks.get(at).and_then(|mark| mark.headers).filter(|_| row.headers.is_none());
            let headers_hash = gone.and_then(|hash| written(&[hash]).pop());
            proven.push(ProvenRow { index: at as u64, path: written(&path), row, headers_hash });
        }
        let proven = leaves.into_iter().filter(|(.., proven)| !proven.is_empty());
        Ok(proven.map(|(position, entry, _, proven)| (position, entry, proven)).collect())
    }

    /// Evidence of a look, by its place in the list of looks.
    ///
    /// # Errors
    /// [`ProofFault`].
    pub async fn prove_look(&self, text: &str) -> Result<Bundle, ProofFault> {
        let id = parse_queue_id(text).ok_or(ProofFault::QueueId)?;
        match self.prove_rows(&[], &[id]).await {
            Err(ProofFault::Nothing) => Err(ProofFault::NotYet(Ids::time_of(id))),
            proven => proven,
        }
    }

    /// A text signed with the key of the tree: that this installation says so.
    ///
    /// # Errors
    /// [`RelayFault::MissingKey`] where this ring has no key that signs, or the text is none that can be signed.
    pub async fn sign_statement(&self, text: &str) -> Result<String, RelayFault> {
        let missing = || RelayFault::MissingKey("tree-a".into());
        let signer = self.tree_signers(&self.tree_origin().await?)?.into_iter().next().ok_or_else(missing)?;
        signer.sign(text).map_err(|_| missing())
    }

    async fn bundle(&self, leaves: Vec<(i64, String, Vec<ProvenRow>)>) -> Result<Bundle, ProofFault> {
        let Signed { checkpoint, mut note } = self.last_checkpoint().await?.ok_or(ProofFault::Nothing)?;
        // The newest checkpoint may not have come to the witnesses yet: theirs follow below it in a minute.
        self.store().cosignatures(number(checkpoint.size)).await?.iter().for_each(|line| note.push_str(line));
        let mut evidence = Vec::new();
        for (position, entry, rows) in leaves {
            let position = u64::try_from(position).map_err(|_| ProofFault::Broken)?;
            let path = self.path(&merkle::inclusion(position, checkpoint.size)).await?;
            let look = match Entry::parse(&entry) {
                Some(Entry::Row { table: Table::Look, id, .. }) => {
                    self.store().look_entries(id, 1).await?.pop()
                }
                _ => None,
            };
            evidence.push(Evidence { position, entry, path: written(&path), rows, look });
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
