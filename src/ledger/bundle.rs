//! Bundles of evidence: rows with all that it takes to prove them, in one JSON document that needs no database and no network.
//!
//! Rules: a row is proven by its path to the root of its leaf, the leaf by its path to the root of a checkpoint, the
//! checkpoint by its signatures; whose keys these are is the reader's knowledge and comes from elsewhere. What a row
//! has sealed stays sealed; a header block that was destroyed meanwhile stands there by its hash, and the rest is
//! proven still.
//! When it fails: [`BundleError`], which names the leaf.

use super::checkpoint::{Checkpoint, CheckpointError};
use super::entry::{Entry, Table};
use super::merkle::{self, Hash};
use super::note::Verifier;
use super::row::{LogRow, LookEntry};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

const FORMAT: &str = "anshin-mail evidence v1";

/// Rows and their proofs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    format: String,
    /// The signed note, with the cosignatures that there are.
    pub checkpoint: String,
    pub leaves: Vec<Evidence>,
}

/// One leaf, with rows of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    pub position: u64,
    pub entry: String,
    /// From the leaf up, in base64.
    pub path: Vec<String>,
    /// Of a leaf that is an hour of the log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<ProvenRow>,
    /// Of a leaf that is a look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look: Option<LookEntry>,
}

/// A row of the log with its path within the leaf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenRow {
    pub index: u64,
    pub path: Vec<String>,
    pub row: LogRow,
    /// The SHA-256 of its header block, in base64, where that is gone and the rest stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers_hash: Option<String>,
}

impl ProvenRow {
    /// The hash of the row as it was entered; `None` where what is written here can't be.
    fn hash(&self) -> Option<Hash> {
        match (&self.row.headers, &self.headers_hash) {
            (_, None) => Some(self.row.mark().hash),
            (None, Some(text)) => Some(self.row.hash_with(Some(hash(text)?))),
            (Some(_), Some(_)) => None,
        }
    }
}

/// Why a bundle proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    #[error("it is not {FORMAT}")]
    Format,
    #[error("the checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    #[error("leaf {0} is not in the tree of the checkpoint, or was changed")]
    Leaf(u64),
    #[error("leaf {0} says nothing that is known here")]
    Entry(u64),
    #[error("row {id} is not in leaf {leaf}, or was changed")]
    Row { leaf: u64, id: i64 },
}

impl Bundle {
    /// Of these leaves, proven by this checkpoint.
    #[must_use]
    pub fn new(checkpoint: String, leaves: Vec<Evidence>) -> Self {
        Self { format: FORMAT.to_owned(), checkpoint, leaves }
    }

    /// Checks all of it against keys that the reader knows: the tree's, and those of witnesses. The checkpoint, and who of
    /// `known` signed it.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn check<'a>(&self, known: &'a [Verifier]) -> Result<(Checkpoint, Vec<&'a Verifier>), BundleError> {
        if self.format != FORMAT {
            return Err(BundleError::Format);
        }
        let (checkpoint, signers) = Checkpoint::read(self.checkpoint.as_bytes(), known)?;
        for evidence in &self.leaves {
            evidence.check(&checkpoint)?;
        }
        Ok((checkpoint, signers))
    }
}

impl Evidence {
    fn check(&self, checkpoint: &Checkpoint) -> Result<(), BundleError> {
        let at = self.position;
        let leaf = merkle::leaf(self.entry.as_bytes());
        let path = hashes(&self.path).ok_or(BundleError::Leaf(at))?;
        if !merkle::is_included(&leaf, at, checkpoint.size, &path, &checkpoint.root) {
            return Err(BundleError::Leaf(at));
        }
        match (Entry::parse(&self.entry).ok_or(BundleError::Entry(at))?, &self.look) {
            (Entry::Segment { rows, root, .. }, None) => self.rows.iter().try_for_each(|proven| {
                let is_in = |(path, own): (Vec<Hash>, Hash)| {
                    merkle::is_included(&own, proven.index, rows, &path, &root)
                };
                let is_proven = hashes(&proven.path).zip(proven.hash()).is_some_and(is_in);
                if is_proven { Ok(()) } else { Err(BundleError::Row { leaf: at, id: proven.row.id }) }
            }),
            (Entry::Row { table: Table::Look, id, hash, .. }, Some(look))
                if look.id == id && look.hash() == hash && self.rows.is_empty() =>
            {
                Ok(())
            }
            (_, Some(look)) => Err(BundleError::Row { leaf: at, id: look.id }),
            (Entry::Row { .. }, None) => Err(BundleError::Entry(at)),
        }
    }
}

/// A path as it is written.
pub(crate) fn written(path: &[Hash]) -> Vec<String> {
    path.iter().map(|hash| BASE64.encode(hash)).collect()
}

fn hashes(path: &[String]) -> Option<Vec<Hash>> {
    path.iter().map(|text| hash(text)).collect()
}

fn hash(text: &str) -> Option<Hash> {
    BASE64.decode(text.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::note::{NoteError, Signer};
    use crate::ledger::row::tests::row;
    use crate::ledger::row::{Mark, root_of};
    use crate::mail::Timestamp;
    use zeroize::Zeroizing;

    fn path(leaves: &[Hash], index: u64) -> Vec<String> {
        let ranges = merkle::inclusion(index, leaves.len() as u64);
        let of = |range: &merkle::Range| {
            merkle::root(leaves[range.first as usize..][..range.count as usize].iter().copied())
        };
        written(&ranges.iter().map(of).collect::<Vec<_>>())
    }

    fn signer() -> Signer {
        Signer::new("fw.example/audit", Zeroizing::new([1; 32])).unwrap()
    }

    fn bundle() -> Bundle {
        let marks: Vec<Mark> = (0..7).map(|id| row(id).mark()).collect();
        let now = Timestamp::from_millis(1_795_000_000_000);
        let entry = Entry::Segment { hour: now, rows: 7, root: root_of(&marks), entered: now };
        let leaves = [[1; 32], [2; 32], entry.leaf(), [3; 32], [4; 32]];
        let root = merkle::root(leaves);
        let said = vec![now.to_rfc3339()];
        let checkpoint = Checkpoint { origin: "fw.example/audit".into(), size: 5, root, said };
        let hashes: Vec<Hash> = marks.iter().map(|mark| mark.hash).collect();
        let rows = [2_u32, 6].map(|at| {
            let index = u64::from(at);
            ProvenRow { index, path: path(&hashes, index), row: row(at.into()), headers_hash: None }
        });
        let evidence = Evidence {
            position: 2,
            entry: entry.to_text(),
            path: path(&leaves, 2),
            rows: rows.into(),
            look: None,
        };
        Bundle::new(checkpoint.sign(&signer()).unwrap(), vec![evidence])
    }

    #[test]
    fn a_bundle_proves_its_rows_to_who_knows_the_key() {
        let known = [signer().verifier().clone()];
        let text = serde_json::to_string(&bundle()).unwrap();
        let read: Bundle = serde_json::from_str(&text).unwrap();
        assert_eq!(read, bundle());
        let (checkpoint, signers) = read.check(&known).unwrap();
        assert_eq!((checkpoint.size, signers), (5, vec![signer().verifier()]));
        assert_eq!(read.check(&[]).unwrap_err(), BundleError::Checkpoint(NoteError::UnknownSigner.into()));
    }

    #[test]
    fn a_row_whose_header_block_went_is_proven_by_the_hash_of_it_and_by_no_other() {
        let known = [signer().verifier().clone()];
        let mut bundle = bundle();
        let own = written(&bundle.leaves[0].rows[0].row.mark().headers.into_iter().collect::<Vec<_>>()).pop();
        bundle.leaves[0].rows[0].row.headers = None;
        let check = |hash: Option<String>, headers: Option<Vec<u8>>| {
            let mut changed = bundle.clone();
            changed.leaves[0].rows[0].headers_hash = hash;
            changed.leaves[0].rows[0].row.headers = headers;
            changed.check(&known).is_ok()
        };
        assert!(check(own.clone(), None));
        assert!(!check(None, None), "nothing says what it was");
        assert!(!check(written(&[[7; 32]]).pop(), None), "another header block");
        assert!(!check(Some("x".into()), None));
        assert!(!check(own, Some(vec![1])), "it is there and gone");
        let text = serde_json::to_string(&bundle).unwrap();
        assert!(!text.contains("headers_hash"), "only where it is needed");
    }

    #[test]
    fn whatever_is_changed_in_a_bundle_it_proves_no_more() {
        let known = [signer().verifier().clone()];
        let changes: [fn(&mut Bundle); 7] = [
            |bundle| bundle.format.push('2'),
            |bundle| bundle.checkpoint = bundle.checkpoint.replace("\n5\n", "\n6\n"),
            |bundle| bundle.leaves[0].position = 3,
            |bundle| bundle.leaves[0].entry = bundle.leaves[0].entry.replace("rows 7", "rows 8"),
            |bundle| bundle.leaves[0].rows[1].row.detail[0] ^= 1,
            |bundle| bundle.leaves[0].rows[0].row.headers = None,
            |bundle| bundle.leaves[0].rows[0].index = 3,
        ];
        for (n, change) in changes.iter().enumerate() {
            let mut changed = bundle();
            change(&mut changed);
            assert!(changed.check(&known).is_err(), "change {n}");
        }
    }
}
