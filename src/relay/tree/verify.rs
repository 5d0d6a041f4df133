//! `anshin log verify`: the whole tree computed anew from the rows, and held against what was signed and what was kept
//! elsewhere.
//!
//! Rules: nothing in the database is believed but what a known key signed; anchors are believed before the database. Hours are
//! verified side by side, as many as there are processors.
//! When it fails: [`RelayFault`] where the database does not answer. What is broken is told, the first hour and row first.

use super::broken::{Broken, Verification};
use super::rows::{Certified, Found, Hour, Lawful, Leaf};
use super::{begins, hour_of, ids_of, number};
use crate::ledger::{Certificate, Checkpoint, Entry, Table, Verifier, What, merkle, notes};
use crate::mail::Timestamp;
use crate::relay::{Relay, RelayFault, queue_id};
use crate::store::{Ids, LeafRow};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Leaves and other rows read at once.
const PAGE: i64 = 64;
const MANY: i64 = 1000;
/// Walks of one verification, where something is destroyed on the way.
const TRIES: usize = 3;
/// Findings that are told; more are counted.
const TOLD: usize = 1000;

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

/// A checkpoint that the tree is held against.
struct Known {
    root: merkle::Hash,
    /// None: the database's own.
    from: Option<String>,
}

/// A verification under way.
struct Walk {
    done: Verification,
    /// The position of the next leaf.
    next: u64,
    edge: merkle::Edge,
    known: BTreeMap<u64, Vec<Known>>,
    /// The size of the last tree that was as it was signed, and the first hour entered since.
    good: u64,
    since_good: Option<Timestamp>,
    forked: bool,
    certified: Certified,
    /// Hashes of looks and certificates, and their leaves, by table and id.
    entered: HashMap<(Table, i64), (merkle::Hash, u64)>,
    pending: Option<Hour>,
    /// Rows before this id were looked at.
    seen: i64,
    last_hour: Option<i64>,
    tasks: JoinSet<Result<Found, RelayFault>>,
    unclaimed: HashSet<i64>,
    claimed: HashSet<i64>,
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
        let mut walk = Walk::new(self.certified(keys).await?);
        self.known_checkpoints(keys, anchors, tree.size, &mut walk).await?;
        let since = since.map_or(i64::MIN, hour_of);
        let width = std::thread::available_parallelism().map_or(1, usize::from) * 2;
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
        self.verify_entries(&mut walk).await?;
        let end = walk.last_hour.map_or(0, |hour| ids_of(hour).1);
        walk.done.open = self.store().count_log_rows(end, i64::MAX).await?.unsigned_abs();
        let is_own = number(walk.edge.size()) == tree.size && walk.edge.roots().concat() == tree.edge;
        Ok(walk.finish(is_own))
    }

    fn spawn(&self, walk: &mut Walk, hour: Hour, since: i64) {
        let is_whole = walk.last_hour.is_none_or(|last| hour.hour > last);
        let (relay, certified) = (self.clone(), walk.certified.clone());
        if is_whole {
            walk.last_hour = Some(hour.hour);
        }
        let from = if is_whole { std::mem::replace(&mut walk.seen, hour.to) } else { hour.from };
        if hour.hour < since {
            return;
        }
        let hour = Hour { from, ..hour };
        walk.tasks.spawn(async move { relay.verify_hour(hour, is_whole, certified).await });
    }

    /// What certificates that a known key signed say, by leaf.
    async fn certified(&self, keys: &[Verifier]) -> Result<(HashMap<u64, Lawful>, Vec<Broken>), RelayFault> {
        let (mut by_leaf, mut broken, mut from) = (HashMap::<u64, Lawful>::new(), Vec::new(), i64::MIN);
        loop {
            let some = self.store().destructions(from, MANY).await?;
            let Some((last, _)) = some.last() else { return Ok((by_leaf, broken)) };
            from = last.saturating_add(1);
            for (id, note) in &some {
                let Ok(certificate) = Certificate::read(note.as_bytes(), keys) else {
                    let why =
                        format!("certificate {} of destruction is signed by no known key", queue_id(*id));
                    broken.push(Broken { what: "unsigned", hour: None, row: None, leaf: None, why });
                    continue;
                };
                for gone in certificate.gone {
                    let lawful = by_leaf.entry(gone.position).or_default();
                    let list = match certificate.what {
                        What::Rows => &mut lawful.rows,
                        What::Headers => &mut lawful.headers,
                    };
                    list.resize(list.len().max(gone.rows.len()), false);
                    list.iter_mut().zip(&gone.rows).for_each(|(had, gone)| *had |= gone);
                }
            }
        }
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
            let some = self.store().certificate_bodies(from, MANY).await?;
            let Some((last, _)) = some.last() else { return Ok(()) };
            from = last.saturating_add(1);
            for (id, body) in &some {
                walk.claim(Table::Certificate, *id, merkle::leaf(body));
            }
        }
    }
}

impl Walk {
    fn new((certified, broken): (HashMap<u64, Lawful>, Vec<Broken>)) -> Self {
        Self {
            done: Verification { broken, ..Verification::default() },
            next: 0,
            edge: merkle::Edge::default(),
            known: BTreeMap::new(),
            good: 0,
            since_good: None,
            forked: false,
            certified: Arc::new(certified),
            entered: HashMap::new(),
            pending: None,
            seen: i64::MIN,
            last_hour: None,
            tasks: JoinSet::new(),
            unclaimed: HashSet::new(),
            claimed: HashSet::new(),
        }
    }

    fn know(&mut self, checkpoint: &Checkpoint, from: Option<String>) {
        self.known.entry(checkpoint.size).or_default().push(Known { root: checkpoint.root, from });
    }

    /// Takes the next leaf; an hour whose leaves are all here.
    fn take(&mut self, row: LeafRow) -> Option<Hour> {
        let position = row.position.unsigned_abs();
        let entry = Entry::parse(&row.entry);
        if position != self.next {
            self.break_tree(
                "deleted",
                self.next,
                "the leaf is gone, and with it what is known of the tree behind it",
            );
            self.forked = true;
        }
        self.next = position + 1;
        let hour = match &entry {
            Some(Entry::Segment { hour, .. }) => Some(*hour),
            _ => None,
        };
        self.since_good = self.since_good.or(hour);
        self.edge.push(merkle::leaf(row.entry.as_bytes()));
        self.compare();
        match entry {
            Some(Entry::Segment { hour, rows, root, .. }) => {
                let (hour, leaf) = (hour_of(hour), Leaf { row, rows, root });
                if let Some(pending) = self.pending.as_mut().filter(|pending| pending.hour == hour) {
                    pending.leaves.push(leaf);
                    return None;
                }
                let (from, to) = ids_of(hour);
                self.pending.replace(Hour { hour, leaves: vec![leaf], from, to })
            }
            Some(Entry::Row { table, id, hash, .. }) => {
                self.entered.insert((table, id), (hash, position));
                None
            }
            None => {
                self.done.tell(Broken::leaf("changed", None, position, "it says nothing that is known here"));
                None
            }
        }
    }

    /// Holds the tree as it is now against what is known of its size.
    fn compare(&mut self) {
        let size = self.next;
        let Some(known) = self.known.remove(&size) else { return };
        let root = self.edge.root();
        match known.iter().find(|known| known.root != root) {
            Some(other) if !self.forked => {
                let (good, last) = (self.good, size - 1);
                let from = other.from.as_deref().unwrap_or("the database");
                let why =
                    format!("leaves {good} to {last} are not those that were signed (checkpoint in {from})");
                self.done.tell(Broken::leaf("changed", self.since_good, good, &why));
                self.forked = true;
            }
            Some(_) => {}
            None => {
                let anchors = known.iter().filter(|known| known.from.is_some()).count();
                if anchors > 0 {
                    self.done.anchors += anchors as u64;
                    self.done.anchored = size;
                }
                (self.good, self.since_good) = (size, None);
            }
        }
    }

    fn break_tree(&mut self, what: &'static str, leaf: u64, why: &str) {
        self.done.tell(Broken::leaf(what, None, leaf, why));
    }

    async fn join(&mut self) -> Result<(), RelayFault> {
        let Some(joined) = self.tasks.join_next().await else { return Ok(()) };
        let found = joined.map_err(|_| RelayFault::Malformed("a task of the verification"))??;
        self.done.rows += found.rows;
        self.done.destroyed += found.destroyed;
        self.done.late += found.claimed.len() as u64;
        found.broken.into_iter().for_each(|broken| self.done.tell(broken));
        self.unclaimed.extend(found.unclaimed);
        self.claimed.extend(found.claimed);
        Ok(())
    }

    /// Holds a row of another table against its leaf.
    fn claim(&mut self, table: Table, id: i64, hash: merkle::Hash) {
        let hour = begins(hour_of(Ids::time_of(id)));
        match self.entered.remove(&(table, id)) {
            Some((entered, _)) if entered == hash => {}
            Some(_) => self.done.tell(Broken::row(
                "changed",
                hour,
                id,
                &format!("the row of {} is not what was entered", table.as_str()),
            )),
            // Since the last round; or a tree that stands still, which the time of its last checkpoint shows.
            None => self.done.open += 1,
        }
    }

    fn finish(mut self, is_own: bool) -> Verification {
        for id in self.unclaimed.difference(&self.claimed) {
            let why = "no leaf has it: it came more than a week late, or was put in by hand";
            self.done.tell(Broken::row("inserted", begins(hour_of(Ids::time_of(*id))), *id, why));
        }
        for ((table, id), (_, leaf)) in &self.entered {
            if self.certified.get(leaf).is_some_and(|lawful| lawful.rows.first() == Some(&true)) {
                self.done.destroyed += 1;
                continue;
            }
            let hour = begins(hour_of(Ids::time_of(*id)));
            let why = format!("the row of {} is gone", table.as_str());
            self.done.tell(Broken::row("deleted", hour, *id, &why));
        }
        let size = self.next;
        let mut beyond = self.known.iter().filter(|(known, _)| **known > size);
        if let Some((first, known)) = beyond.next_back() {
            let from = known.iter().find_map(|known| known.from.as_deref()).unwrap_or("the database");
            let why = format!(
                "the tree ends at {size}, but had {first} leaves (checkpoint in {from}): its end was cut off, or the database is an old copy"
            );
            self.done.tell(Broken::leaf("truncated", None, size, &why));
        }
        if !is_own && !self.forked {
            self.done.tell(Broken::leaf(
                "changed",
                None,
                size,
                "the tree's own row is not what its leaves come to",
            ));
        }
        if size > self.good && !self.forked {
            self.done.tell(Broken::leaf(
                "unsigned",
                self.since_good,
                self.good,
                "no checkpoint is over the leaves from here on",
            ));
        }
        // The first hour first; of one hour a row before what is said of all of it.
        self.done.broken.sort_by(|a, b| {
            let key = |broken: &Broken| {
                (broken.hour.is_none(), broken.hour.clone(), broken.row.is_none(), broken.row.clone())
            };
            key(a).cmp(&key(b))
        });
        self.done.leaves = size;
        self.done.intact = self.done.broken.is_empty();
        self.done
    }
}

impl Verification {
    fn tell(&mut self, broken: Broken) {
        if self.broken.len() < TOLD {
            self.broken.push(broken);
        } else {
            self.untold += 1;
        }
    }
}
