//! Keeping the audit tree: what is to be entered is entered, and each checkpoint goes where whoever changes the database
//! can't change it: to the end of a file, to witnesses on other machines, once a day to the officer by mail.
//!
//! Rules: before anything is added the tree is held against the last checkpoint in the file. A tree that does not continue it
//! (an old copy of the database, leaves that were changed) is not added to, and nothing of it is kept or shown to witnesses.
//! When it fails: the log says so once, mail goes on, and it is tried again every few seconds.

use super::notes_file::NotesFile;
use super::scheduler::stopped;
use super::witnesses::{self, WitnessFault};
use crate::config::{Audit, Witness};
use crate::ledger::{Checkpoint, notes};
use crate::mail::{RealAddress, Timestamp};
use crate::relay::{Grown, ProofFault, Relay, RelayFault, Signed, queue_id};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

/// How often: how long an entry may wait for its checkpoint.
const EVERY: Duration = Duration::from_secs(15);
const DAY_MS: i64 = 86_400_000;
/// How long after the first checkpoint of a tree its file may be empty: a first start may have been cut off.
const FIRST_START: Duration = Duration::from_secs(3600);

/// Why the tree is not kept as it should be.
#[derive(Debug, thiserror::Error)]
enum AuditFault {
    #[error(transparent)]
    Relay(#[from] RelayFault),
    #[error(transparent)]
    Proof(#[from] ProofFault),
    #[error("{path}: {kind}; the user that runs anshin must be able to write there", path = .0.display(), kind = .1.kind())]
    File(PathBuf, std::io::Error),
    #[error(
        "{path}: the audit tree has checkpoints, and this file has none: it was emptied, is gone, or is a new one; put it back, or \
         look at `anshin log verify` with what else is kept and begin it anew with `anshin log begin-anchors`; nothing is added \
         to the tree until then", path = .0.display()
    )]
    Emptied(PathBuf),
    #[error("{path}: it holds no checkpoint that a key of this ring signed", path = .0.display())]
    Anchors(PathBuf),
    #[error(
        "the audit tree does not continue the checkpoint in {path}: the database is an old copy, or was changed; nothing is \
         added to the tree until `anshin log verify` was looked at (docs/audit-tree.md)", path = .0.display()
    )]
    Broken(PathBuf),
    #[error(
        "the audit tree's own row is not what its last checkpoint says: the database was changed; nothing is added to the tree \
         until `anshin log verify` was looked at (docs/audit-tree.md)"
    )]
    Edge,
    #[error("the key ring has no key `tree`: make one with `anshin keys rotate --purpose tree`")]
    NoKey,
    #[error("witness {0}: {1}")]
    Witness(String, WitnessFault),
}

/// The work, and what of it was done last.
struct Auditing {
    relay: Relay,
    audit: Audit,
    /// What the next round looks at.
    round: Round,
    told_on: Option<i64>,
    /// Until when each break-glass is good that the log has.
    known: Vec<(i64, Timestamp)>,
}

/// What a round looks at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Round {
    /// The first: entries of any age.
    First,
    Next,
    /// At a stop: the hour that runs, too.
    Last,
}

/// Enters all that there is, the hour that runs included, when a process has stopped in order: what is in no leaf while nothing
/// runs could be changed unseen.
pub async fn close_audit(relay: &Relay, audit: &Audit) {
    let (relay, audit) = (relay.clone(), audit.clone());
    let mut auditing = Auditing { relay, audit, round: Round::Last, told_on: None, known: Vec::new() };
    for fault in auditing.round(Timestamp::now()).await {
        tracing::error!(event = "audit", %fault, "what happened last is not in the audit tree");
    }
}

/// Keeps the tree until `stop` turns true.
pub(super) async fn keep(relay: Relay, audit: Audit, mut stop: watch::Receiver<bool>) {
    let mut auditing = Auditing { relay, audit, round: Round::First, told_on: None, known: Vec::new() };
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
        // Mail that nobody sends any more is sent after the next start.
        if self.round != Round::Last {
            faults.extend(self.tell(now).await.err());
        }
        faults
    }

    /// Adds to the tree and to the file.
    async fn grow(&mut self, now: Timestamp) -> Result<Option<Signed>, AuditFault> {
        let path = self.audit.anchors.clone();
        let fault = |path: &Path| {
            let path = path.to_owned();
            move |fault| AuditFault::File(path, fault)
        };
        let mut file = match &path {
            Some(path) => Some((path, NotesFile::open(path).map_err(fault(path))?)),
            None => None,
        };
        let last = match &mut file {
            Some((path, file)) => {
                let text = file.tail().map_err(fault(path))?;
                self.last_anchor(path, &text).await?
            }
            None => None,
        };
        if let (Some((path, _)), None) = (&file, &last)
            && self.relay.is_tree_older(now, FIRST_START).await?
        {
            return Err(AuditFault::Emptied((*path).clone()));
        }
        // Before anything is added: the tree was so, and what it has become since continues it.
        if let (Some((path, _)), Some(last)) = (&file, &last) {
            let broken = || AuditFault::Broken((*path).clone());
            if !self.relay.tree_was(last).await? {
                return Err(broken());
            }
            let now = self.relay.last_checkpoint().await?.ok_or_else(broken)?;
            match self.relay.continues(last, &now.checkpoint).await {
                Err(ProofFault::Broken) => return Err(broken()),
                other => other?,
            }
        }
        while match self.step(now).await? {
            Grown::More => true,
            Grown::Whole | Grown::Overtaken => false,
            Grown::NoKey => return Err(AuditFault::NoKey),
            Grown::Broken => return Err(AuditFault::Edge),
        } {}
        if self.round == Round::First {
            self.round = Round::Next;
        }
        let Some(newest) = self.relay.last_checkpoint().await? else { return Ok(None) };
        if let Some((path, file)) = &mut file {
            if let Some(last) = &last {
                match self.relay.continues(last, &newest.checkpoint).await {
                    Err(ProofFault::Broken) => return Err(AuditFault::Broken((*path).clone())),
                    other => other?,
                }
            }
            if last.is_none_or(|last| last.size < newest.checkpoint.size) {
                file.add(&newest.note).map_err(fault(path))?;
            }
        }
        Ok(Some(newest))
    }

    async fn step(&self, now: Timestamp) -> Result<Grown, RelayFault> {
        match self.round {
            Round::Last => self.relay.close_tree(now).await,
            round => self.relay.grow_tree(now, round == Round::First).await,
        }
    }

    /// The last checkpoint at the end of the file; none in an empty one.
    async fn last_anchor(&self, path: &Path, text: &str) -> Result<Option<Checkpoint>, AuditFault> {
        if text.is_empty() {
            return Ok(None);
        }
        let keys = self.relay.tree_keys().await?;
        if keys.is_empty() {
            return Err(AuditFault::NoKey);
        }
        let read =
            |note: &String| Checkpoint::read(note.as_bytes(), &keys).ok().map(|(checkpoint, _)| checkpoint);
        let last = notes(text).iter().filter_map(read).max_by_key(|checkpoint| checkpoint.size);
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
