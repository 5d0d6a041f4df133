//! Entering: hours of the log that have settled, looks and certificates become leaves, and the tree a signed checkpoint.
//!
//! Rules: an hour is entered five minutes after its end, since a commit takes a minute at most; it is looked at again after
//! two hours, a day and a week, for rows of a process that stood still or had a wrong clock. An hour without rows is a leaf
//! too: so it shows that nothing was logged, and a stop of the auditing is a gap between an hour and its entering. Which rows are not entered
//! yet is found by their ids, not by how many there are: some may have been destroyed lawfully.
//! When it fails: nothing of the round is added; the next one does the same again.

use super::{HOUR_MS, Signed, begins, hour_of, ids_of, number};
use crate::ledger::{Checkpoint, Entry, LogRow, Mark, Table, merkle, pack, root_of, unpack};
use crate::mail::Timestamp;
use crate::relay::{Relay, RelayFault};
use crate::store::{Census, Growth, Ids, LeafRow, NodeRow, SEGMENT};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// How long after its end an hour is entered.
pub(super) const SETTLES: Duration = Duration::from_secs(300);
/// The same, and when it is looked at again.
const PASSES: [Duration; 4] =
    [SETTLES, Duration::from_secs(2 * 3600), Duration::from_secs(26 * 3600), Duration::from_secs(8 * 86_400)];
/// Most rows of a leaf: what a verification reads at once.
pub(super) const LEAF_ROWS: usize = 4096;
/// Notes of marks read at once, each of what one transaction wrote.
const MARKS_AT_ONCE: i64 = 1000;
/// Rows of a page that are read each by itself, where the others are known.
const FEW: usize = 64;
/// Rows and hours after which a round ends.
const ROUND_ROWS: usize = 32 * LEAF_ROWS;
const ROUND_HOURS: i64 = 1000;
/// Rows of a table that one round enters: one that entered fewer has entered all that there were.
pub(super) const ROUND_ENTRIES: i64 = 1000;
/// How far back a round looks for entries that came late; the first round of a process looks at all.
const LATE_ENTRIES: i64 = 7 * 24 * HOUR_MS;

/// What a round came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grown {
    /// Everything is entered.
    Whole,
    /// Something was; there may be more.
    More,
    /// Another process was faster.
    Overtaken,
    /// This ring has no key to sign with.
    NoKey,
    /// The tree's own row is not what was signed last: nothing is added.
    Broken,
}

/// What a round looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Entries of any age.
    All,
    /// Entries of the last days.
    Late,
    /// These, and the hour that runs.
    RunningHour,
}

/// What a round adds.
struct Round {
    now: Timestamp,
    fresh: Vec<Fresh>,
    /// Hours of the log that it has looked at.
    hours: HashSet<i64>,
}

impl Round {
    /// Enters rows of an hour; none where it has none.
    fn enter_segment(&mut self, hour: i64, marks: &[Mark]) {
        let entered = self.now;
        let segment = |marks: &[Mark]| {
            let (rows, root) = (marks.len() as u64, root_of(marks));
            let entry = Entry::Segment { hour: begins(hour), rows, root, entered };
            Fresh { kind: SEGMENT, about: hour, entry, marks: Some(pack(marks)) }
        };
        match marks {
            [] => self.fresh.push(segment(&[])),
            marks => self.fresh.extend(marks.chunks(LEAF_ROWS).map(segment)),
        }
    }
}

/// What is to become a leaf.
struct Fresh {
    kind: &'static str,
    about: i64,
    entry: Entry,
    marks: Option<Vec<u8>>,
}

impl Relay {
    /// Enters what is to be entered; `all` looks at entries of any age.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn grow_tree(&self, now: Timestamp, all: bool) -> Result<Grown, RelayFault> {
        self.grow_until(now, if all { Reach::All } else { Reach::Late }).await
    }

    /// Enters what there is by now, the hour that runs included: what is entered no more once this process has ended must not be
    /// changed meanwhile. What comes later in that hour becomes leaves of its own.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn close_tree(&self, now: Timestamp) -> Result<Grown, RelayFault> {
        self.grow_until(now, Reach::RunningHour).await
    }

    async fn grow_until(&self, now: Timestamp, reach: Reach) -> Result<Grown, RelayFault> {
        let origin = self.tree_origin().await?;
        let Some(signer) = self.tree_signers(&origin)?.into_iter().next() else { return Ok(Grown::NoKey) };
        let tree = self.store().tree(&origin).await?;
        let mut round = Round { now, fresh: Vec::new(), hours: HashSet::new() };
        let since = match reach {
            Reach::All => i64::MIN,
            _ => Ids::first_of(Timestamp::from_millis(now.as_millis() - LATE_ENTRIES)),
        };
        let mut is_whole = true;
        for table in Table::ALL {
            let ids = self.store().unentered(table, since, ROUND_ENTRIES).await?;
            is_whole &= number(ids.len()) < ROUND_ENTRIES;
            for id in ids {
                round.fresh.extend(self.fresh_row(table, id, now).await?);
            }
        }
        let passed = self.fresh_hours(&mut round).await?;
        let is_through = passed.iter().all(|(.., is_through)| *is_through);
        if reach == Reach::RunningHour && is_through {
            let first = passed.iter().find(|(pass, ..)| *pass == 0).map(|(_, hour, _)| *hour);
            let first = match first {
                Some(hour) => hour,
                None => self
                    .store()
                    .tree_passes()
                    .await?
                    .iter()
                    .find(|(pass, _)| *pass == 0)
                    .map_or(hour_of(now), |(_, hour)| *hour),
            };
            for hour in first..=hour_of(now) {
                self.enter_hour(hour, &mut round).await?;
            }
        }
        if !round.fresh.is_empty() {
            let roots = tree.edge.chunks(32).map(super::hash).collect::<Result<_, _>>()?;
            let size = u64::try_from(tree.size).map_err(|_| RelayFault::Malformed("tree.size"))?;
            let mut edge = merkle::Edge::new(size, roots).ok_or(RelayFault::Malformed("tree.edge"))?;
            // What was signed last is what is added to.
            if let Some(Signed { checkpoint: last, .. }) = self.last_checkpoint().await? {
                match last.size.cmp(&size) {
                    Ordering::Greater => return Ok(Grown::Overtaken),
                    Ordering::Equal if last.root == edge.root() => {}
                    _ => return Ok(Grown::Broken),
                }
            }
            let (leaves, nodes) = leaves_of(&mut edge, round.fresh);
            let said = vec![now.to_rfc3339()];
            let checkpoint = Checkpoint { origin, size: edge.size(), root: edge.root(), said };
            let note = checkpoint.sign(&signer).map_err(|_| RelayFault::Malformed("tree.origin"))?;
            let (from, to, edge) = (tree.size, number(edge.size()), edge.roots().concat());
            if !self.store().grow(&Growth { from, to, edge, leaves, nodes, note }).await? {
                return Ok(Grown::Overtaken);
            }
        }
        for (pass, hour, is_through) in passed {
            self.store().set_tree_pass(pass, hour).await?;
            is_whole &= is_through;
        }
        // Both look at the marks of an hour, and either may be behind the other.
        let passes: HashMap<i64, i64> = self.store().tree_passes().await?.into_iter().collect();
        if let (Some(first), Some(second)) = (passes.get(&0), passes.get(&1)) {
            self.store().forget_marks(*first.min(second)).await?;
        }
        Ok(if is_whole { Grown::Whole } else { Grown::More })
    }

    async fn fresh_row(&self, table: Table, id: i64, now: Timestamp) -> Result<Option<Fresh>, RelayFault> {
        let hash = match table {
            Table::Look => self.store().look_entries(id, 1).await?.first().map(|look| look.hash()),
            Table::Destruction => {
                let note = self.store().destructions(id, 1).await?.pop();
                note.map(|(_, note)| merkle::leaf(note.as_bytes()))
            }
            Table::Certificate => {
                let row = self.store().certificates_from(id, 1).await?.pop();
                row.map(|row| merkle::leaf(&row.body))
            }
        };
        let entry = |hash| Entry::Row { table, id, hash, entered: now };
        Ok(hash.map(|hash| Fresh { kind: table.as_str(), about: id, entry: entry(hash), marks: None }))
    }

    /// Enters hours that are due. For each pass its next hour, and whether that is all.
    async fn fresh_hours(&self, round: &mut Round) -> Result<Vec<(i64, i64, bool)>, RelayFault> {
        let now = round.now;
        let begun: HashMap<i64, i64> = self.store().tree_passes().await?.into_iter().collect();
        let (mut passed, mut rows, mut hours) = (Vec::new(), 0, 0);
        for (pass, after) in (0..).zip(PASSES) {
            // Hours before this one have settled; they are looked at again once they are entered.
            let settled = (now.as_millis() - number(after.as_millis())).div_euclid(HOUR_MS);
            let due =
                if pass == 0 { settled } else { settled.min(begun.get(&0).copied().unwrap_or(i64::MIN)) };
            let first = match begun.get(&pass) {
                // A clock that was ahead and went back: what is entered already is found to be.
                Some(hour) => (*hour).min(hour_of(now)),
                None if pass > 0 => hour_of(now) - 1,
                None => {
                    let first = self.store().first_log_row().await?;
                    first.map_or(due, |id| hour_of(Ids::time_of(id))).min(due)
                }
            };
            let mut hour = first;
            while hour < due && rows < ROUND_ROWS && hours < ROUND_HOURS {
                rows += self.enter_hour(hour, round).await?;
                hour += 1;
                hours += 1;
            }
            if begun.get(&pass) != Some(&hour) {
                passed.push((pass, hour, hour >= due));
            }
        }
        Ok(passed)
    }

    /// Enters the rows of an hour that no leaf has. How many were looked at one by one.
    async fn enter_hour(&self, hour: i64, round: &mut Round) -> Result<usize, RelayFault> {
        // One look is as good as two; a second would find what the first has not committed yet.
        if !round.hours.insert(hour) {
            return Ok(0);
        }
        let leaves = self.store().segments_of(hour).await?;
        let lists: Vec<_> =
            leaves.iter().filter_map(|leaf| unpack(leaf.marks.as_deref().unwrap_or_default())).collect();
        let entered = || lists.iter().flatten();
        let (from, to) = ids_of(hour);
        let there = self.store().log_census(from, to).await?;
        if !leaves.is_empty() && there == Census::of(from, entered().map(|mark| mark.id)) {
            return Ok(0);
        }
        // A list that is not the one that was hashed says nothing of what is entered: what came late cannot be told from what was
        // changed, and who verifies hears of it.
        let are_whole = leaves.iter().zip(&lists).all(|(leaf, marks)| is_listed(leaf, marks));
        if !are_whole || lists.len() < leaves.len() {
            tracing::error!(
                event = "audit",
                hour,
                "the list of an hour's rows is damaged: see `anshin log verify`"
            );
            return Ok(0);
        }
        // What was noted as it was written goes before what stands there now.
        let mut marks = self.noted_in(hour).await?;
        if !leaves.is_empty() {
            let known: HashSet<i64> = entered().map(|mark| mark.id).collect();
            marks.retain(|mark| !known.contains(&mark.id));
        }
        let mut read = marks.len();
        // The rest is an older version's, which notes nothing, or was written since the notes were read.
        if there != Census::of(from, entered().chain(&marks).map(|mark| mark.id)) {
            let known = entered().chain(&marks).map(|mark| mark.id).collect();
            read += self.unnoted(from, to, &known, &mut marks).await?;
        }
        if leaves.is_empty() || !marks.is_empty() {
            marks.sort_unstable_by_key(|mark| mark.id);
            round.enter_segment(hour, &marks);
        }
        Ok(read)
    }

    /// Adds the marks of an hour's rows that are not known. How many rows there are.
    async fn unnoted(
        &self,
        mut from: i64,
        to: i64,
        known: &HashSet<i64>,
        marks: &mut Vec<Mark>,
    ) -> Result<usize, RelayFault> {
        let mut read = 0;
        loop {
            let ids = self.store().log_ids(from, to, number(LEAF_ROWS)).await?;
            let Some(last) = ids.last() else { return Ok(read) };
            read += ids.len();
            from = last.saturating_add(1);
            let unknown: Vec<i64> = ids.into_iter().filter(|id| !known.contains(id)).collect();
            // Few among many are read each by itself.
            let alone = if unknown.len() > FEW { unknown.len() } else { 1 };
            for some in unknown.chunks(alone) {
                let (Some(first), Some(last)) = (some.first(), some.last()) else { continue };
                let rows = self.store().log_rows(*first, last.saturating_add(1), number(LEAF_ROWS)).await?;
                marks.extend(rows.iter().filter(|row| !known.contains(&row.id)).map(LogRow::mark));
            }
        }
    }

    /// What the rows of an hour hashed to as they were written, in the order of their ids. Marks that are no marks are left out: their
    /// rows are entered as they stand there.
    async fn noted_in(&self, hour: i64) -> Result<Vec<Mark>, RelayFault> {
        let (mut all, mut after) = (Vec::new(), i64::MIN);
        loop {
            let some = self.store().noted_marks(hour, after, MARKS_AT_ONCE).await?;
            all.extend(some.iter().filter_map(|(_, packed)| unpack(packed)).flatten());
            match some.last() {
                Some((last, _)) if number(some.len()) == MARKS_AT_ONCE => after = *last,
                _ => break,
            }
        }
        all.retain(|mark: &Mark| hour_of(Ids::time_of(mark.id)) == hour);
        all.sort_unstable_by_key(|mark| mark.id);
        all.dedup_by_key(|mark| mark.id);
        Ok(all)
    }
}

/// Whether the list of a leaf's rows is the one that its entry hashed.
fn is_listed(leaf: &LeafRow, marks: &[Mark]) -> bool {
    let Some(Entry::Segment { rows, root, .. }) = Entry::parse(&leaf.entry) else { return false };
    u64::try_from(marks.len()) == Ok(rows) && root_of(marks) == root
}

/// Adds to the edge: the rows of the leaves, and of subtrees that became full.
fn leaves_of(edge: &mut merkle::Edge, fresh: Vec<Fresh>) -> (Vec<LeafRow>, Vec<NodeRow>) {
    let (mut leaves, mut nodes) = (Vec::with_capacity(fresh.len()), Vec::new());
    for Fresh { kind, about, entry, marks } in fresh {
        let position = edge.size();
        edge.push_noting(entry.leaf(), |level, hash| {
            if level % super::proof::STEP == 0 {
                let (level, position) = (i64::from(level), number(position >> level));
                nodes.push(NodeRow { level, position, hash: hash.to_vec() });
            }
        });
        let (kind, entry, position) = (kind.to_owned(), entry.to_text(), number(position));
        leaves.push(LeafRow { position, kind, about, entry, marks });
    }
    (leaves, nodes)
}
