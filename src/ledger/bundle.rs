//! Bundles of evidence: rows with all that it takes to prove them, in one JSON document that needs no database and no network.
//!
//! Rules: a row is proven by its path to the root of its leaf, the leaf by its path to the root of a checkpoint, the
//! checkpoint by its signatures; whose keys these are is the reader's knowledge and comes from elsewhere. What a row
//! has sealed stays sealed; a header block that was destroyed meanwhile stands there by its hash, and the rest is
//! proven still. Nothing stands in it twice, nothing in it is empty, and where a page is stated with it, it has exactly
//! the rows and looks that the statement is about.
//! When it fails: [`BundleError`], which names the leaf.

use super::checkpoint::{Checkpoint, CheckpointError};
use super::entry::{Entry, Table};
use super::merkle::{self, Hash};
use super::note::Verifier;
use super::row::{LogRow, LookEntry};
use super::statement::{Proven, Statement, StatementError};
use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashSet;

const FORMAT: &str = "anshin-mail evidence v1";

/// Rows and their proofs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    format: String,
    /// The signed note, with the cosignatures that there are.
    pub checkpoint: String,
    pub leaves: Vec<Evidence>,
    /// A signed [`Statement`] about the page beside it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
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
    #[error("the statement about the page: {0}")]
    Statement(#[from] StatementError),
    #[error("it has no row and no look: it proves nothing")]
    Nothing,
    #[error("leaf {0} has no row and no look")]
    Empty(u64),
    #[error("leaf {0} stands in it twice, or a row of it")]
    Twice(u64),
    #[error("its rows and looks are not those that the statement about the page is about: {0}")]
    Other(String),
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
        Self { format: FORMAT.to_owned(), checkpoint, leaves, statement: None }
    }

    /// How many rows of the log it proves, and how many looks.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let rows = self.leaves.iter().map(|evidence| evidence.rows.len()).sum();
        (rows, self.leaves.iter().filter(|evidence| evidence.look.is_some()).count())
    }

    /// A hash over all that it proves, in whatever order that stands: each leaf with its rows or its look.
    #[must_use]
    pub fn proof(&self) -> Hash {
        let mut lines = Vec::new();
        for evidence in &self.leaves {
            let (at, entry) = (evidence.position, HEXLOWER.encode(&Sha256::digest(&evidence.entry)));
            for proven in &evidence.rows {
                lines.push(format!("leaf {at} {entry} row {} {:016X}\n", proven.index, proven.row.id));
            }
            if let Some(look) = &evidence.look {
                lines.push(format!("leaf {at} {entry} look {:016X}\n", look.id));
            }
        }
        lines.sort_unstable();
        lines.iter().fold(Sha256::new(), |hash, line| hash.chain_update(line)).finalize().into()
    }

    /// What a statement about the page beside it is about.
    #[must_use]
    pub fn proven(&self) -> Proven {
        Proven { looks: self.counts().1 as u64, hash: self.proof() }
    }

    /// What the installation states of the page beside it, if it does.
    ///
    /// # Errors
    /// [`BundleError::Statement`] where none of `known` signed it.
    pub fn stated(&self, known: &[Verifier]) -> Result<Option<Statement>, BundleError> {
        let read = |text: &String| Statement::read(text.as_bytes(), known);
        Ok(self.statement.as_ref().map(read).transpose()?)
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
        let mut seen = HashSet::new();
        for evidence in &self.leaves {
            let at = evidence.position;
            if !seen.insert((at, None))
                || !evidence.rows.iter().all(|proven| seen.insert((at, Some(proven.index))))
            {
                return Err(BundleError::Twice(at));
            }
            if evidence.rows.is_empty() && evidence.look.is_none() {
                return Err(BundleError::Empty(at));
            }
            evidence.check(&checkpoint)?;
        }
        if self.leaves.is_empty() {
            return Err(BundleError::Nothing);
        }
        if let Some(stated) = self.stated(known)? {
            self.is_about(&stated)?;
        }
        Ok((checkpoint, signers))
    }
}

impl Bundle {
    /// Whether it has what a statement is about, all of it and nothing else.
    fn is_about(&self, stated: &Statement) -> Result<(), BundleError> {
        let (rows, looks) = self.counts();
        let (rows, looks) = (rows as u64, looks as u64);
        if rows != stated.rows {
            return Err(BundleError::Other(format!("{rows} rows, and it says {}", stated.rows)));
        }
        match stated.proven {
            Some(proven) if looks != proven.looks => {
                Err(BundleError::Other(format!("{looks} looks, and it says {}", proven.looks)))
            }
            Some(proven) if proven.hash != self.proof() => {
                Err(BundleError::Other("others, as many".to_owned()))
            }
            _ => Ok(()),
        }
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

    /// With a page stated.
    fn stated(v1: bool) -> Bundle {
        let mut bundle = bundle();
        let statement = Statement {
            at: Timestamp::from_millis(1_795_000_000_000),
            case: "C-1".into(),
            rows: 2,
            proven: (!v1).then(|| bundle.proven()),
            page: [7; 32],
        };
        bundle.statement = Some(signer().sign(&statement.to_text()).unwrap());
        bundle
    }

    #[test]
    fn a_bundle_of_nothing_or_with_something_twice_proves_nothing() {
        let known = [signer().verifier().clone()];
        let checked = |change: fn(&mut Bundle)| {
            let mut changed = bundle();
            change(&mut changed);
            changed.check(&known).map(|_| ())
        };
        assert_eq!(checked(|_| ()), Ok(()));
        assert_eq!(checked(|bundle| bundle.leaves.clear()), Err(BundleError::Nothing));
        assert_eq!(checked(|bundle| bundle.leaves[0].rows.clear()), Err(BundleError::Empty(2)));
        let twice = Err(BundleError::Twice(2));
        assert_eq!(checked(|bundle| bundle.leaves.push(bundle.leaves[0].clone())), twice);
        assert_eq!(
            checked(|bundle| {
                let row = bundle.leaves[0].rows[0].clone();
                bundle.leaves[0].rows.push(row);
            }),
            twice
        );
    }

    #[test]
    fn a_bundle_with_a_page_has_what_was_stated_all_of_it_and_nothing_else() {
        let known = [signer().verifier().clone()];
        let marks: Vec<Hash> = (0..7).map(|id| row(id).mark().hash).collect();
        for v1 in [false, true] {
            let whole = stated(v1);
            assert!(whole.check(&known).is_ok());
            let mut less = whole.clone();
            less.leaves[0].rows.pop();
            assert!(matches!(less.check(&known), Err(BundleError::Other(_))));
            // As many, and of the same leaf.
            let mut other = whole.clone();
            other.leaves[0].rows[1] =
                ProvenRow { index: 5, path: path(&marks, 5), row: row(5), headers_hash: None };
            assert_eq!(other.check(&known).is_ok(), v1, "version 1 says only how many");
            let mut turned = whole;
            turned.leaves[0].rows.reverse();
            assert!(turned.check(&known).is_ok(), "the order says nothing");
        }
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
