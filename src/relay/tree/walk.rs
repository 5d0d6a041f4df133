//! A verification under way: the leaves in their order, the rounds in which they were entered, and what is known of
//! the tree.
//!
//! Rules: a round enters all that there is of looks and certificates, but for a limit. So what is in the database with
//! an older time than a round that was below the limit, and was not entered by then, was put in later.
//! When it fails: it does not; what is broken is told.

use super::broken::{Broken, Verification};
use super::certified::Claims;
use super::enter::{ROUND_ENTRIES, SETTLES};
use super::facts::KnownFacts;
use super::rows::{Certified, Found, Hour, Leaf};
use super::{begins, hour_of, ids_of};
use crate::ledger::{Checkpoint, Entry, Table, merkle};
use crate::mail::Timestamp;
use crate::relay::RelayFault;
use crate::store::{Ids, LeafRow};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;
use tokio::task::JoinSet;

/// Findings that are told; more are counted.
const TOLD: usize = 1000;
/// By how much clocks may differ, and a commit be later than the id of its row.
const SLACK: Duration = Duration::from_secs(3600);

/// How much later than the id of its row a commit may be.
const COMMITS: Duration = Duration::from_secs(60);

/// A checkpoint that the tree is held against.
struct Known {
    root: merkle::Hash,
    /// None: the database's own.
    from: Option<String>,
}

/// A verification under way.
pub(super) struct Walk {
    pub done: Verification,
    /// The position of the next leaf.
    pub next: u64,
    pub edge: merkle::Edge,
    known: BTreeMap<u64, Vec<Known>>,
    /// The size of the last tree that was as it was signed, and the first hour entered since.
    good: u64,
    since_good: Option<Timestamp>,
    forked: bool,
    pub certified: Certified,
    /// Hashes of looks and certificates, and their leaves, by table and id.
    entered: HashMap<(Table, i64), (merkle::Hash, u64)>,
    pub pending: Option<Hour>,
    /// Rows before this id were looked at.
    pub seen: i64,
    pub last_hour: Option<i64>,
    pub tasks: JoinSet<Result<Found, RelayFault>>,
    /// The hour that ran when it was entered, and when that was, as long as nothing later was entered of it.
    running: Option<(i64, Timestamp)>,
    unclaimed: HashSet<i64>,
    claimed: HashSet<i64>,
    /// What is known of facts; facts without a row, and late rows that are gone, which was told.
    pub facts: KnownFacts,
    orphans: BTreeSet<i64>,
    missed: HashSet<i64>,
    claims: Claims,
    first_hour: Option<Timestamp>,
    now: Timestamp,
    /// When the leaves of the round were entered, and how many there are of each table.
    round: Option<Timestamp>,
    in_round: HashMap<Table, i64>,
    /// By table the last round that entered all that there was.
    whole: HashMap<Table, Timestamp>,
}

impl Walk {
    pub fn new((certified, claims, broken): (Certified, Claims, Vec<Broken>), now: Timestamp) -> Self {
        Self {
            done: Verification { broken, ..Verification::default() },
            next: 0,
            edge: merkle::Edge::default(),
            known: BTreeMap::new(),
            good: 0,
            since_good: None,
            forked: false,
            certified,
            entered: HashMap::new(),
            pending: None,
            seen: i64::MIN,
            last_hour: None,
            tasks: JoinSet::new(),
            running: None,
            unclaimed: HashSet::new(),
            claimed: HashSet::new(),
            facts: KnownFacts::default(),
            orphans: BTreeSet::new(),
            missed: HashSet::new(),
            claims,
            first_hour: None,
            now,
            round: None,
            in_round: HashMap::new(),
            whole: HashMap::new(),
        }
    }

    /// Takes note of the round that a leaf belongs to.
    fn enter(&mut self, entered: Timestamp) {
        if self.round != Some(entered) {
            self.end_round();
            self.round = Some(entered);
        }
    }

    /// The round is over, or the last of the tree.
    pub fn end_round(&mut self) {
        let Some(round) = self.round.take() else { return };
        for table in Table::ALL {
            if self.in_round.remove(&table).unwrap_or(0) < ROUND_ENTRIES {
                let whole = self.whole.entry(table).or_insert(round);
                *whole = round.max(*whole);
            }
        }
    }

    /// Whether a row of this time had to be in the tree by the end of the last whole round.
    fn is_overdue(&self, table: Table, id: i64) -> bool {
        self.whole.get(&table).is_some_and(|whole| Ids::time_of(id).after(SLACK) < *whole)
    }

    /// The first id of a time that has not come yet.
    pub fn future(&self) -> i64 {
        Ids::first_of(self.now.after(SLACK))
    }

    pub fn tell_future(&mut self, id: i64) {
        let why = "its time has not come yet: it was put in by hand, or by a process whose clock was ahead";
        self.done.tell(Broken::row("inserted", begins(hour_of(Ids::time_of(id))), id, why));
    }

    /// A leaf is not looked at, so that nothing can be said about certificates that name it.
    pub fn leave_out(&mut self, leaf: u64) {
        for (claim, ..) in self.certified.parts(leaf) {
            self.claims.leave_out(*claim);
        }
    }

    pub fn know(&mut self, checkpoint: &Checkpoint, from: Option<String>) {
        self.known.entry(checkpoint.size).or_default().push(Known { root: checkpoint.root, from });
    }

    /// Takes the next leaf; an hour whose leaves are all here.
    pub fn take(&mut self, row: LeafRow) -> Option<Hour> {
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
            Some(Entry::Segment { hour, rows, root, entered }) => {
                self.enter(entered);
                self.first_hour = self.first_hour.or(Some(hour));
                let (hour, leaf) = (hour_of(hour), Leaf { row, rows, root });
                // Entered at a stop: what came after that is looked at when the hour has settled.
                if entered < begins(hour + 1).after(SETTLES) {
                    self.running = Some((hour, entered));
                } else if self.running.is_some_and(|(running, _)| running <= hour) {
                    self.running = None;
                }
                if let Some(pending) = self.pending.as_mut().filter(|pending| pending.hour == hour) {
                    pending.leaves.push(leaf);
                    return None;
                }
                let (from, to) = ids_of(hour);
                self.pending.replace(Hour { hour, leaves: vec![leaf], from, to })
            }
            Some(Entry::Row { table, id, hash, entered }) => {
                self.enter(entered);
                *self.in_round.entry(table).or_default() += 1;
                self.take_row((table, id, hash), entered, position);
                None
            }
            None => {
                self.done.tell(Broken::leaf("changed", None, position, "it says nothing that is known here"));
                None
            }
        }
    }

    /// Takes a leaf that is a row of another table.
    fn take_row(&mut self, (table, id, hash): (Table, i64, merkle::Hash), entered: Timestamp, leaf: u64) {
        let why = if Ids::time_of(id) > entered.after(SLACK) {
            Some("its time lies behind that of its entering")
        } else if self.is_overdue(table, id) {
            Some(
                "everything of its time had been entered before it came: it came late, or was put in by hand",
            )
        } else {
            None
        };
        if let Some(why) = why {
            let hour = begins(hour_of(Ids::time_of(id)));
            let why = format!("{}: {why}", table.as_str());
            self.done.tell(Broken { leaf: Some(leaf), ..Broken::row("inserted", hour, id, &why) });
        }
        for (claim, part, rows) in self.certified.clone().parts(leaf) {
            let named = if rows.len() == 1 { vec![(id, hash)] } else { Vec::new() };
            self.claims.fill(*claim, *part, named);
        }
        self.entered.insert((table, id), (hash, leaf));
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

    pub fn break_tree(&mut self, what: &'static str, leaf: u64, why: &str) {
        self.done.tell(Broken::leaf(what, None, leaf, why));
    }

    pub async fn join(&mut self) -> Result<(), RelayFault> {
        let Some(joined) = self.tasks.join_next().await else { return Ok(()) };
        let found = joined.map_err(|_| RelayFault::Malformed("a task of the verification"))??;
        self.done.rows += found.rows;
        self.done.destroyed += found.destroyed;
        self.done.late += found.claimed.len() as u64;
        found.broken.into_iter().for_each(|broken| self.done.tell(broken));
        found.named.into_iter().for_each(|(claim, part, rows)| self.claims.fill(claim, part, rows));
        found.unlisted.into_iter().for_each(|claim| self.claims.leave_out(claim));
        self.done.without_fact += found.without_fact;
        self.done.unproven_facts += found.unproven_facts;
        self.done.emptied_facts += found.emptied_facts;
        let room = TOLD.saturating_sub(self.orphans.len());
        self.done.untold += found.orphans.len().saturating_sub(room) as u64;
        self.orphans.extend(found.orphans.into_iter().take(room));
        self.missed.extend(found.missed);
        self.unclaimed.extend(found.unclaimed);
        self.claimed.extend(found.claimed);
        Ok(())
    }

    /// Holds a row of another table against its leaf.
    pub fn claim(&mut self, table: Table, id: i64, hash: merkle::Hash) {
        let hour = begins(hour_of(Ids::time_of(id)));
        match self.entered.remove(&(table, id)) {
            Some((entered, _)) if entered == hash => {}
            Some(_) => self.done.tell(Broken::row(
                "changed",
                hour,
                id,
                &format!("the row of {} is not what was entered", table.as_str()),
            )),
            None if id >= self.future() => self.tell_future(id),
            None if self.is_overdue(table, id) => {
                let why = format!(
                    "the row of {} is in no leaf, and everything of its time has been entered: it was put in by hand",
                    table.as_str()
                );
                self.done.tell(Broken::row("inserted", hour, id, &why));
            }
            // Since the last round; or a tree that stands still, which the time of its last checkpoint shows.
            None => self.done.open += 1,
        }
    }

    pub fn finish(mut self, is_own: bool) -> Verification {
        for id in self.unclaimed.difference(&self.claimed) {
            let at = Ids::time_of(*id);
            let is_later =
                |(hour, entered): (i64, Timestamp)| hour == hour_of(at) && at.after(COMMITS) >= entered;
            if self.running.is_some_and(is_later) {
                self.done.open += 1;
                continue;
            }
            let why = "no leaf has it: it came more than a week late, or was put in by hand";
            self.done.tell(Broken::row("inserted", begins(hour_of(Ids::time_of(*id))), *id, why));
        }
        for id in self.orphans.iter().filter(|id| !self.missed.contains(id)) {
            let why = "a fact stands there whose row is gone, or never was";
            self.done.tell(Broken::row("inserted", begins(hour_of(Ids::time_of(*id))), *id, why));
        }
        std::mem::take(&mut self.claims)
            .finish(self.first_hour)
            .into_iter()
            .for_each(|broken| self.done.tell(broken));
        for ((table, id), (_, leaf)) in &self.entered {
            if self.certified.lawful.get(leaf).is_some_and(|lawful| lawful.rows.first() == Some(&true)) {
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
    pub fn tell(&mut self, broken: Broken) {
        if self.broken.len() < TOLD {
            self.broken.push(broken);
        } else {
            self.untold += 1;
        }
    }
}
