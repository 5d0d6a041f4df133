//! Keeping the audit tree: what is to be entered is entered, and each checkpoint goes where whoever changes the database
//! can't change it: to the end of a file, to witnesses on other machines, once a day to the officer by mail.
//!
//! Rules: before anything is added the tree is held against the last checkpoint in the file. A tree that does not continue it
//! (an old copy of the database, leaves that were changed) is not added to, and nothing of it is kept or shown to witnesses.
//! When it fails: the log says so once, mail goes on, and it is tried again every few seconds.

use super::scheduler::stopped;
use super::witnesses::{self, WitnessFault};
use crate::config::{Audit, Witness};
use crate::ledger::{Checkpoint, notes};
use crate::mail::{RealAddress, Timestamp};
use crate::relay::{Grown, ProofFault, Relay, RelayFault, Signed, queue_id};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

/// How often: how long an entry may wait for its checkpoint.
const EVERY: Duration = Duration::from_secs(15);
/// Octets at the end of the file that are read; a checkpoint has some three hundred.
const TAIL: u64 = 64 * 1024;
const DAY_MS: i64 = 86_400_000;

/// Why the tree is not kept as it should be.
#[derive(Debug, thiserror::Error)]
enum AuditFault {
    #[error(transparent)]
    Relay(#[from] RelayFault),
    #[error(transparent)]
    Proof(#[from] ProofFault),
    #[error("{path}: {kind}; the user that runs anshin must be able to write there", path = .0.display(), kind = .1.kind())]
    File(PathBuf, std::io::Error),
    #[error("{path}: it holds no checkpoint that a key of this ring signed", path = .0.display())]
    Anchors(PathBuf),
    #[error(
        "the audit tree does not continue the checkpoint in {path}: the database is an old copy, or was changed; nothing is \
         added to the tree until `anshin log verify` was looked at (docs/audit-tree.md)", path = .0.display()
    )]
    Broken(PathBuf),
    #[error("the key ring has no key `tree`: make one with `anshin keys rotate --purpose tree`")]
    NoKey,
    #[error("witness {0}: {1}")]
    Witness(String, WitnessFault),
}

/// The work, and what of it was done last.
struct Auditing {
    relay: Relay,
    audit: Audit,
    /// Whether the next round looks at entries of any age.
    all: bool,
    told_on: Option<i64>,
    /// Until when each break-glass is good that the log has.
    known: Vec<(i64, Timestamp)>,
}

/// Keeps the tree until `stop` turns true.
pub(super) async fn keep(relay: Relay, audit: Audit, mut stop: watch::Receiver<bool>) {
    let mut auditing = Auditing { relay, audit, all: true, told_on: None, known: Vec::new() };
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The same fault is told once.
    let mut said = Vec::new();
    loop {
        let round = async {
            tick.tick().await;
            auditing.round(Timestamp::now()).await
        };
        // What was begun and not committed is done again after the next start.
        let faults = tokio::select! {
            () = stopped(&mut stop) => return,
            faults = round => faults,
        };
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        for fault in faults.iter().filter(|fault| !said.contains(*fault)) {
            tracing::error!(
                event = "audit",
                fault,
                "the audit tree is not kept as it should be; mail goes on"
            );
        }
        said = faults;
    }
}

impl Auditing {
    async fn round(&mut self, now: Timestamp) -> Vec<AuditFault> {
        let mut faults = Vec::from_iter(self.watch(now).await.err());
        let newest = match self.grow(now).await {
            Ok(Some(newest)) => newest,
            Ok(None) => return faults,
            Err(fault) => {
                faults.push(fault);
                return faults;
            }
        };
        for witness in &self.audit.witnesses {
            let shown = self.show(witness, &newest).await;
            faults.extend(shown.err());
        }
        faults.extend(self.tell(now).await.err());
        faults
    }

    /// Adds to the tree and to the file.
    async fn grow(&mut self, now: Timestamp) -> Result<Option<Signed>, AuditFault> {
        let path = self.audit.anchors.clone();
        let last = match &path {
            Some(path) => self.last_anchor(path).await?,
            None => None,
        };
        if let (Some(path), Some(last)) = (&path, &last)
            && !self.relay.tree_was(last).await?
        {
            return Err(AuditFault::Broken(path.clone()));
        }
        while match self.relay.grow_tree(now, self.all).await? {
            Grown::More => true,
            Grown::Whole | Grown::Overtaken => false,
            Grown::NoKey => return Err(AuditFault::NoKey),
        } {}
        self.all = false;
        let Some(newest) = self.relay.last_checkpoint().await? else { return Ok(None) };
        if let Some(path) = path {
            if let Some(last) = &last {
                match self.relay.continues(last, &newest.checkpoint).await {
                    Err(ProofFault::Broken) => return Err(AuditFault::Broken(path)),
                    other => other?,
                }
            }
            if last.is_none_or(|last| last.size < newest.checkpoint.size) {
                add(&path, &newest.note).map_err(|fault| AuditFault::File(path, fault))?;
            }
        }
        Ok(Some(newest))
    }

    /// The last checkpoint in the file; none in one that is not there or is empty.
    async fn last_anchor(&self, path: &Path) -> Result<Option<Checkpoint>, AuditFault> {
        let text = tail(path).map_err(|fault| AuditFault::File(path.to_owned(), fault))?;
        if text.is_empty() {
            return Ok(None);
        }
        let keys = self.relay.tree_keys().await?;
        if keys.is_empty() {
            return Err(AuditFault::NoKey);
        }
        let read =
            |note: &String| Checkpoint::read(note.as_bytes(), &keys).ok().map(|(checkpoint, _)| checkpoint);
        let last = notes(&text).iter().filter_map(read).max_by_key(|checkpoint| checkpoint.size);
        last.map(Some).ok_or_else(|| AuditFault::Anchors(path.to_owned()))
    }

    /// Has a witness see the newest checkpoint, and keeps what it signs.
    async fn show(&self, witness: &Witness, newest: &Signed) -> Result<(), AuditFault> {
        let name = witness.key.name();
        let size = newest.checkpoint.size;
        let mut old = self.relay.store().witnessed(name).await.map_err(RelayFault::from)?.unsigned_abs();
        let fault = |fault| AuditFault::Witness(name.to_owned(), fault);
        // It may know a later one than we know that it does: asked again with that, it has to agree.
        for _ in 0..2 {
            if old >= size {
                return Ok(());
            }
            let proof = self.relay.consistency(old, size).await?;
            match witnesses::show(witness, old, &proof, &newest.note).await {
                Ok(line) => {
                    let kept = self.relay.store().keep_cosignature(
                        name,
                        i64::try_from(size).unwrap_or(i64::MAX),
                        &line,
                    );
                    return Ok(kept.await.map_err(RelayFault::from)?);
                }
                Err(WitnessFault::Knows(other)) if other < size && other != old => old = other,
                // Another process showed it the same.
                Err(WitnessFault::Knows(other)) if other == size => return Ok(()),
                Err(other) => return Err(fault(other)),
            }
        }
        Ok(())
    }

    /// Says once of each break-glass that stands, so that whoever watches the log knows of it.
    async fn watch(&mut self, now: Timestamp) -> Result<(), AuditFault> {
        let standing = self.relay.standing_break_glasses(now).await?;
        for (id, until) in standing.iter().filter(|one| !self.known.contains(one)) {
            tracing::warn!(
                event = "break_glass",
                break_glass = queue_id(*id),
                until = until.to_rfc3339(),
                "somebody may have user information opened from elsewhere than Japan"
            );
        }
        self.known = standing;
        Ok(())
    }

    async fn tell(&mut self, now: Timestamp) -> Result<(), AuditFault> {
        let day = now.as_millis().div_euclid(DAY_MS);
        let officer = self.audit.officer.as_deref().and_then(|officer| RealAddress::parse(officer).ok());
        if let (Some(officer), true) = (officer, self.told_on != Some(day)) {
            self.relay.tell_officer(&officer, now).await?;
            self.told_on = Some(day);
        }
        Ok(())
    }
}

/// The end of a file, from the first whole note on.
fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        Err(fault) => return Err(fault),
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut octets = Vec::new();
    file.read_to_end(&mut octets)?;
    Ok(String::from_utf8_lossy(&octets).into_owned())
}

/// Adds a note to the end of a file, on the disk before this returns.
fn add(path: &Path, note: &str) -> std::io::Result<()> {
    let mut file = File::options().append(true).create(true).open(path)?;
    file.write_all(format!("{note}\n").as_bytes())?;
    file.sync_all()
}
