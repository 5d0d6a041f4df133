//! `anshin log verify`: the whole tree computed anew from the rows, and held against what was signed and what was kept
//! elsewhere.
//!
//! Rules: nothing in the database is believed but what a known key signed; anchors are believed before the database. Hours are
//! verified side by side, as many as there are processors.
//! When it fails: [`RelayFault`] where the database does not answer. What is broken is told, the first hour and row first.

use super::broken::{Broken, Verification};
use super::rows::Hour;
use super::walk::Walk;
use super::{hour_of, ids_of, number};
use crate::ledger::{Checkpoint, Table, Verifier, merkle, notes};
use crate::mail::Timestamp;
use crate::relay::{Relay, RelayFault};

/// Leaves and other rows read at once.
const PAGE: i64 = 64;
pub(super) const MANY: i64 = 1000;
/// Most hours side by side: no more reads run at once, and each holds a page of its rows.
const HOURS_AT_ONCE: usize = 8;
/// Walks of one verification, where something is destroyed on the way.
const TRIES: usize = 3;

/// Checkpoints that were kept outside the database.
pub struct Anchors {
    /// Where they are from.
    pub name: String,
    pub text: String,
}

/// How far a verification is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    pub leaf: u64,
    pub of: u64,
    pub rows: u64,
}

impl Relay {
    /// Verifies the tree, and the rows of the hours from `since` on (all without).
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn verify_tree(
        &self,
        keys: &[Verifier],
        anchors: &[Anchors],
        since: Option<Timestamp>,
        told: impl Fn(Progress),
    ) -> Result<Verification, RelayFault> {
        let mut tries = 0;
        loop {
            tries += 1;
            let before = self.store().last_destruction().await?;
            let done = self.verify_once(keys, anchors, since, &told).await?;
            // What was destroyed lawfully on the way has a certificate that this walk did not know.
            if done.intact || tries == TRIES || self.store().last_destruction().await? == before {
                return Ok(done);
            }
        }
    }

    async fn verify_once(
        &self,
        keys: &[Verifier],
        anchors: &[Anchors],
        since: Option<Timestamp>,
        told: impl Fn(Progress),
    ) -> Result<Verification, RelayFault> {
        let tree = self.store().tree(&self.tree_origin().await?).await?;
        let mut walk = Walk::new(self.certified(keys).await?, Timestamp::now());
        walk.facts = self.known_facts().await?;
        self.known_checkpoints(keys, anchors, tree.size, &mut walk).await?;
        let since = since.map_or(i64::MIN, hour_of);
        let width =
            std::thread::available_parallelism().map_or(2, |number| number.get() * 2).min(HOURS_AT_ONCE);
        loop {
            // What is added on the way is the next verification's.
            let left = tree.size.saturating_sub(number(walk.next)).clamp(0, PAGE);
            let leaves = self.store().leaves(number(walk.next), left).await?;
            if leaves.is_empty() {
                break;
            }
            for leaf in leaves {
                if let Some(hour) = walk.take(leaf) {
                    self.spawn(&mut walk, hour, since);
                }
                while walk.tasks.len() >= width {
                    walk.join().await?;
                }
            }
            told(Progress { leaf: walk.next, of: tree.size.unsigned_abs(), rows: walk.done.rows });
        }
        if let Some(hour) = walk.pending.take() {
            self.spawn(&mut walk, hour, since);
        }
        while !walk.tasks.is_empty() {
            walk.join().await?;
            told(Progress { leaf: walk.next, of: tree.size.unsigned_abs(), rows: walk.done.rows });
        }
        walk.end_round();
        self.verify_entries(&mut walk).await?;
        let end = walk.last_hour.map_or(0, |hour| ids_of(hour).1);
        let future = walk.future();
        walk.done.open += self.store().count_log_rows(end, future).await?.unsigned_abs();
        for row in self.store().log_rows(future.max(end), i64::MAX, MANY).await? {
            walk.tell_future(row.id);
        }
        if let Some(broken) = self.unproven().await? {
            walk.done.decisions = true;
            broken.into_iter().for_each(|broken| walk.done.tell(broken));
        }
        let is_own = number(walk.edge.size()) == tree.size && walk.edge.roots().concat() == tree.edge;
        Ok(walk.finish(is_own))
    }

    fn spawn(&self, walk: &mut Walk, hour: Hour, since: i64) {
        let is_whole = walk.last_hour.is_none_or(|last| hour.hour > last);
        let (relay, known) = (self.clone(), (walk.certified.clone(), walk.facts.clone()));
        if is_whole {
            walk.last_hour = Some(hour.hour);
        }
        let from = if is_whole { std::mem::replace(&mut walk.seen, hour.to) } else { hour.from };
        if hour.hour < since {
            hour.leaves.iter().for_each(|leaf| walk.leave_out(leaf.row.position.unsigned_abs()));
            return;
        }
        let hour = Hour { from, ..hour };
        walk.tasks.spawn(async move { relay.verify_hour(hour, is_whole, known).await });
    }

    /// The checkpoints of the database and those from elsewhere.
    async fn known_checkpoints(
        &self,
        keys: &[Verifier],
        anchors: &[Anchors],
        tree_size: i64,
        walk: &mut Walk,
    ) -> Result<(), RelayFault> {
        let mut size = 0;
        loop {
            let some = self.store().checkpoints_after(size, MANY).await?;
            let Some((last, _)) = some.last() else { break };
            size = *last;
            for (size, note) in some.iter().filter(|(size, _)| *size <= tree_size) {
                match Checkpoint::read(note.as_bytes(), keys) {
                    Ok((own, _)) if number(own.size) == *size => {
                        walk.done.signed_at = own.at().map(Timestamp::to_rfc3339);
                        walk.know(&own, None);
                        walk.done.checkpoints += 1;
                    }
                    _ => walk.break_tree(
                        "unsigned",
                        size.unsigned_abs(),
                        "its checkpoint is signed by no known key",
                    ),
                }
            }
        }
        for anchors in anchors {
            for note in &notes(&anchors.text) {
                match Checkpoint::read(note.as_bytes(), keys) {
                    Ok((anchor, _)) => walk.know(&anchor, Some(anchors.name.clone())),
                    Err(fault) => {
                        let why = format!("a checkpoint in {} does not count: {fault}", anchors.name);
                        walk.done.tell(Broken { what: "unsigned", hour: None, row: None, leaf: None, why });
                    }
                }
            }
        }
        Ok(())
    }

    /// Looks and certificates, held against their leaves.
    async fn verify_entries(&self, walk: &mut Walk) -> Result<(), RelayFault> {
        let mut from = i64::MIN;
        loop {
            let some = self.store().look_entries(from, MANY).await?;
            let Some(last) = some.last() else { break };
            from = last.id.saturating_add(1);
            for look in &some {
                walk.done.looks += 1;
                walk.claim(Table::Look, look.id, look.hash());
            }
        }
        from = i64::MIN;
        loop {
            let some = self.store().destructions(from, MANY).await?;
            let Some((last, _)) = some.last() else { break };
            from = last.saturating_add(1);
            for (id, note) in &some {
                walk.claim(Table::Destruction, *id, merkle::leaf(note.as_bytes()));
            }
        }
        from = i64::MIN;
        loop {
            let some = self.store().certificates_from(from, MANY).await?;
            let Some(last) = some.last() else { return Ok(()) };
            from = last.id.saturating_add(1);
            for row in &some {
                walk.claim(Table::Certificate, row.id, merkle::leaf(&row.body));
            }
        }
    }
}
