//! A witness: on a machine of its own it sees every checkpoint of a tree and signs those that continue the one it saw last
//! (C2SP tlog-witness). It has no database and no key of the relay.
//!
//! Rules: what it signs is on the disk before it answers, one note after the other in a file that nobody else writes; of
//! each tree the last one there counts. One question is answered at a time.
//! When it fails: at start [`WitnessError`]; later the status says why, and nothing is signed.

use crate::egress::NotesFile;
use crate::ledger::merkle::{self, Hash};
use crate::ledger::{Checkpoint, CheckpointError, Note, NoteError, Signer, Verifier, notes};
use crate::mail::Timestamp;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::post;
use data_encoding::BASE64;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;

/// Octets of a question: a checkpoint and at most 63 hashes.
const MOST: usize = 16 * 1024;

/// Why a witness can't work.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    #[error("{path}: {kind}; the user that runs the witness must be able to write there", path = .0.display(), kind = .1.kind())]
    File(PathBuf, std::io::Error),
    #[error(
        "{path}: note {number} does not count: {cause}; this file is what the witness knows, restore it from a backup",
        path = .0.display(), number = .1, cause = .2
    )]
    Note(PathBuf, usize, CheckpointError),
}

/// What it knows.
pub struct Witness {
    signer: Signer,
    known: Vec<Verifier>,
    file: NotesFile,
    last: HashMap<String, Checkpoint>,
}

impl Witness {
    /// Reads what was signed before.
    ///
    /// # Errors
    /// [`WitnessError`].
    pub fn open(path: &Path, signer: Signer, known: Vec<Verifier>) -> Result<Self, WitnessError> {
        let fault = |fault| WitnessError::File(path.to_owned(), fault);
        let file = NotesFile::open(path).map_err(fault)?;
        let text = std::fs::read_to_string(path).map_err(fault)?;
        let mut last = HashMap::new();
        for (note, number) in notes(&text).iter().zip(1..) {
            let read = Checkpoint::read(note.as_bytes(), &known);
            let (checkpoint, _) = read.map_err(|cause| WitnessError::Note(path.to_owned(), number, cause))?;
            last.insert(checkpoint.origin.clone(), checkpoint);
        }
        Ok(Self { signer, known, file, last })
    }

    /// Answers `old SIZE`, hashes, an empty line and a checkpoint: its signature, once it is kept.
    ///
    /// # Errors
    /// Status and text of the refusal, as tlog-witness has them.
    pub fn add(&mut self, question: &str, now: Timestamp) -> Result<String, (StatusCode, String)> {
        let refuse = |status: StatusCode| move || (status, String::new());
        let bad = refuse(StatusCode::BAD_REQUEST);
        let (head, note) = question.split_once("\n\n").ok_or_else(bad)?;
        let mut lines = head.lines();
        let old =
            lines.next().and_then(|line| line.strip_prefix("old ")?.parse::<u64>().ok()).ok_or_else(bad)?;
        let hash = |line: &str| -> Option<Hash> { BASE64.decode(line.as_bytes()).ok()?.try_into().ok() };
        let proof = lines.map(hash).collect::<Option<Vec<_>>>().ok_or_else(bad)?;
        let checkpoint = match Checkpoint::read(note.as_bytes(), &self.known) {
            Ok((checkpoint, _)) => checkpoint,
            Err(CheckpointError::Note(NoteError::UnknownSigner | NoteError::Forged)) => {
                return Err(refuse(StatusCode::FORBIDDEN)());
            }
            Err(_) => return Err(bad()),
        };
        let seen = self.last.get(&checkpoint.origin);
        let (size, root) = seen.map_or((0, merkle::root([])), |seen| (seen.size, seen.root));
        if old > checkpoint.size {
            return Err(bad());
        }
        if old != size {
            return Err((StatusCode::CONFLICT, format!("{size}\n")));
        }
        if !merkle::is_consistent(old, &root, checkpoint.size, &checkpoint.root, &proof) {
            let origin = &checkpoint.origin;
            tracing::error!(
                event = "witness",
                origin,
                old,
                size = checkpoint.size,
                "a checkpoint does not continue the one before; it is not signed"
            );
            return Err(refuse(StatusCode::UNPROCESSABLE_ENTITY)());
        }
        let parsed = Note::parse(note.as_bytes()).map_err(|_| bad())?;
        let line = self.signer.cosign(&parsed, now.as_millis().unsigned_abs() / 1000);
        if let Err(fault) = self.file.add(&format!("{note}{line}")) {
            tracing::error!(event = "witness", kind = %fault.kind(), "what was seen can't be written; nothing is signed");
            return Err(refuse(StatusCode::INTERNAL_SERVER_ERROR)());
        }
        tracing::info!(event = "witness", origin = checkpoint.origin, size = checkpoint.size, "signed");
        self.last.insert(checkpoint.origin.clone(), checkpoint);
        Ok(line)
    }

    /// Answers on a socket, for ever.
    ///
    /// # Errors
    /// The cause when the listener ends.
    pub async fn serve(self, listener: TcpListener) -> std::io::Result<()> {
        let router = Router::new()
            .route("/add-checkpoint", post(add))
            .layer(DefaultBodyLimit::max(MOST))
            .with_state(Arc::new(Mutex::new(self)));
        axum::serve(listener, router).await
    }
}

async fn add(
    State(witness): State<Arc<Mutex<Witness>>>,
    question: String,
) -> Result<String, (StatusCode, String)> {
    let mut witness = witness.lock().unwrap_or_else(PoisonError::into_inner);
    witness.add(&question, Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Signs;
    use zeroize::Zeroizing;

    fn log() -> Signer {
        Signer::new("fw.example/audit", Zeroizing::new([1; 32])).unwrap()
    }

    fn witness(path: &Path) -> Witness {
        let signer = Signer::of("witness.example", Signs::Cosignatures, Zeroizing::new([2; 32])).unwrap();
        Witness::open(path, signer, vec![log().verifier().clone()]).unwrap()
    }

    fn leaves(size: u8) -> Vec<Hash> {
        (0..size).map(|n| merkle::leaf(&[n])).collect()
    }

    fn question(old: u64, leaves: &[Hash]) -> String {
        let size = leaves.len() as u64;
        let of = |range: &merkle::Range| {
            merkle::root(leaves[range.first as usize..][..range.count as usize].iter().copied())
        };
        let proof: String = merkle::consistency(old, size)
            .iter()
            .map(|range| format!("{}\n", BASE64.encode(&of(range))))
            .collect();
        let root = merkle::root(leaves.iter().copied());
        let checkpoint = Checkpoint { origin: "fw.example/audit".into(), size, root, said: Vec::new() };
        format!("old {old}\n{proof}\n{}", checkpoint.sign(&log()).unwrap())
    }

    #[test]
    fn a_witness_signs_growth_alone_and_remembers_it() {
        let path = std::env::temp_dir().join(format!("anshin-witness-{}", crate::store::random_id()));
        let now = Timestamp::from_millis(1_795_000_000_000);
        let status = |answer: Result<String, (StatusCode, String)>| {
            answer.map_err(|(status, text)| (status.as_u16(), text))
        };
        let mut one = witness(&path);
        assert!(one.add(&question(0, &leaves(3)), now).unwrap().contains("witness.example"));
        assert!(one.add(&question(3, &leaves(7)), now).is_ok());
        // After a restart too.
        drop(one);
        let mut one = witness(&path);
        assert_eq!(status(one.add(&question(3, &leaves(9)), now)), Err((409, "7\n".into())));
        assert_eq!(status(one.add(&question(0, &leaves(5)), now)), Err((409, "7\n".into())));
        let mut forked = leaves(9);
        forked[2] = [0; 32];
        assert_eq!(status(one.add(&question(7, &forked), now)), Err((422, String::new())));
        let stranger = Signer::new("fw.example/audit", Zeroizing::new([9; 32])).unwrap();
        let note = Checkpoint { origin: "fw.example/audit".into(), size: 8, root: [0; 32], said: Vec::new() };
        let foreign = format!("old 7\n\n{}", note.sign(&stranger).unwrap());
        assert_eq!(status(one.add(&foreign, now)), Err((403, String::new())));
        for bad in ["", "old\n\nx", "old 7\nAA==\n\nx", "old 99\n\n"] {
            assert_eq!(status(one.add(bad, now)).unwrap_err().0, 400, "{bad:?}");
        }
        assert!(one.add(&question(7, &leaves(9)), now).is_ok());
        // A power cut within a note: what was signed before counts.
        drop(one);
        let whole = std::fs::read(&path).unwrap();
        let mut cut = witness(&path);
        assert!(cut.add(&question(9, &leaves(12)), now).is_ok());
        drop(cut);
        let all = std::fs::read(&path).unwrap();
        for end in [whole.len() + 1, all.len() - 40, all.len() - 1] {
            std::fs::write(&path, &all[..end]).unwrap();
            let mut one = witness(&path);
            assert_eq!(status(one.add(&question(12, &leaves(13)), now)), Err((409, "9\n".into())), "{end}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        let kept = std::fs::read_to_string(&path).unwrap();
        assert_eq!(notes(&kept).len(), 3);
        std::fs::remove_file(path).unwrap();
    }
}
