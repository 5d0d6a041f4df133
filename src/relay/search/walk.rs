//! A plan walked back through time, in steps.
//!
//! Rules: a step is one statement for each index, over a stretch of ids that grows while steps are quick and shrinks where they
//! are slow; what the indexes have of it is put together, the newest first, each row once. Between two steps nothing is held, so
//! a search can be left at any of them and gone on with from its cursor.
//! When it fails: [`RelayFault`] of the step; the one before was whole.

use super::FoundLine;
use crate::mail::Timestamp;
use crate::query::{IdSpan, Plan, Probe, Row, Slice};
use crate::relay::{Relay, RelayFault, queue_id};
use crate::store::Ids;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Rows that one statement reads.
const STEP_ROWS: i64 = 1000;
/// The first stretch where every row is read, and where an index is.
const FIRST_SCAN_MS: i64 = 3_600_000;
const FIRST_INDEX_MS: i64 = 7 * 86_400_000;
const LEAST_MS: i64 = 60_000;
/// Steps quicker than this grow, slower ones shrink.
const QUICK: Duration = Duration::from_millis(100);
const SLOW: Duration = Duration::from_secs(1);
/// Ids of stores that are remembered.
const STORES_MAX: usize = 4096;
/// How far rows are counted for what a search may cost.
const COST_MAX: i64 = 10_000;

/// A row that was found.
pub struct Found {
    /// Below it the next rows are.
    pub id: i64,
    pub conversation: Option<i64>,
    pub line: FoundLine,
}

/// A search under way.
pub struct Search {
    relay: Relay,
    plan: Plan,
    /// What is still to be read, the newest last.
    slices: Vec<Slice>,
    /// All rows with this id and above have been read.
    at: i64,
    width_ms: i64,
    stores: HashMap<i64, Option<String>>,
}

impl Search {
    pub(super) fn new(relay: Relay, plan: Plan, cursor: Option<i64>) -> Self {
        let mut slices = plan.slices();
        slices.reverse();
        let at = cursor.unwrap_or(i64::MAX);
        let width_ms = if plan.probes.is_empty() {
            FIRST_SCAN_MS
        } else if plan.is_in_order() {
            i64::MAX >> 23
        } else {
            FIRST_INDEX_MS
        };
        let mut search = Self { relay, plan, slices, at, width_ms, stores: HashMap::new() };
        search.skip();
        search
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where to go on, unless all has been read.
    #[must_use]
    pub fn cursor(&self) -> Option<i64> {
        (!self.slices.is_empty()).then_some(self.at)
    }

    /// How far back it has come, and how much of the whole that is, from 0 to 1.
    #[must_use]
    pub fn progress(&self) -> (Timestamp, f64) {
        let window = self.plan.window;
        let reached = match self.slices.last() {
            None => window.from,
            Some(_) => Ids::time_of(self.at).as_millis().clamp(window.from, window.until),
        };
        #[expect(clippy::cast_precision_loss, reason = "a share for people")]
        let share = (window.until - reached) as f64 / (window.until - window.from).max(1) as f64;
        (Timestamp::from_millis(reached), share)
    }

    /// About how many rows it will read; with `false` at least so many.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn cost(&self) -> Result<(i64, bool), RelayFault> {
        let window = self.plan.window;
        if self.plan.is_empty() {
            return Ok((0, true));
        }
        if self.plan.probes.is_empty() {
            return Ok((self.relay.store().facts_between(window.from, window.until).await?, true));
        }
        let (mut rows, mut is_all) = (0, true);
        for slice in &self.slices {
            for probe in &self.plan.probes {
                let span = ids(*slice, i64::MAX, i64::MAX >> 23);
                let Some(statement) = self.plan.cost(probe, span, COST_MAX) else { continue };
                let count = self.relay.store().rows_counted(&statement).await?;
                is_all &= count < COST_MAX;
                rows += count;
            }
        }
        Ok((rows, is_all))
    }

    /// The next step's rows, the newest first; there may be none. `None`: all has been read.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn step(&mut self) -> Result<Option<Vec<Found>>, RelayFault> {
        let Some(slice) = self.slices.last().copied() else { return Ok(None) };
        let span = ids(slice, self.at, self.width_ms);
        let begun = Instant::now();
        let probes: Vec<Option<&Probe>> = match self.plan.probes.as_slice() {
            [] => vec![None],
            probes => probes.iter().map(Some).collect(),
        };
        let (mut rows, mut read_to): (Vec<Row>, i64) = (Vec::new(), span.from);
        for probe in probes {
            let Some(statement) = self.plan.rows(probe, span, STEP_ROWS) else { continue };
            let found = self.relay.store().found(&statement, self.plan.files()).await?;
            // An index that has more than a step takes ends the step for all of them.
            if i64::try_from(found.len()).is_ok_and(|count| count >= STEP_ROWS) {
                read_to = read_to.max(found.last().map_or(span.from, |row| row.id));
            }
            rows.extend(found);
        }
        rows.retain(|row| row.id >= read_to);
        rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.id));
        rows.dedup_by_key(|row| row.id);
        if read_to == span.from && begun.elapsed() < QUICK {
            self.width_ms = self.width_ms.saturating_mul(4).min(i64::MAX >> 23);
        } else if begun.elapsed() > SLOW {
            self.width_ms = (self.width_ms / 2).max(LEAST_MS);
        }
        self.at = read_to;
        self.skip();
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            found.push(self.line(row).await?);
        }
        Ok(Some(found))
    }

    /// Leaves slices behind that have been read.
    fn skip(&mut self) {
        while self.slices.last().is_some_and(|slice| self.at <= first(slice.from)) {
            self.slices.pop();
        }
    }

    async fn line(&mut self, row: &Row) -> Result<Found, RelayFault> {
        let store = match row.number(crate::query::Column::Merchant).filter(|id| *id != 0) {
            Some(id) => Some(self.store_of(id).await?),
            None => None,
        };
        let line = FoundLine::new(row, store, &self.plan.matched(row));
        Ok(Found { id: row.id, conversation: row.number(crate::query::Column::Conversation), line })
    }

    async fn store_of(&mut self, id: i64) -> Result<String, RelayFault> {
        if !self.stores.contains_key(&id) {
            if self.stores.len() >= STORES_MAX {
                self.stores.clear();
            }
            let name = self.relay.store_name(id).await?;
            self.stores.insert(id, name);
        }
        Ok(self.stores.get(&id).cloned().flatten().unwrap_or_else(|| queue_id(id)))
    }
}

impl Relay {
    /// The id of a store, where this process opens it and the store is still known.
    pub(super) async fn store_name(&self, id: i64) -> Result<Option<String>, RelayFault> {
        if !self.vault().seal.open_it() {
            return Ok(None);
        }
        match self.store_id_of(id).await {
            Err(RelayFault::Vault(crate::vault::VaultError::Destroyed { .. })) => Ok(None),
            name => name,
        }
    }
}

/// The least id of a time.
fn first(millis: i64) -> i64 {
    Ids::first_of(Timestamp::from_millis(millis))
}

/// The newest ids of a slice below `at`, over so many milliseconds.
fn ids(slice: Slice, at: i64, width_ms: i64) -> IdSpan {
    let until = at.min(first(slice.until));
    let from = first(slice.from).max(until.saturating_sub(width_ms.saturating_mul(1 << 22)));
    IdSpan { from, until, quarters: slice.quarters }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_stays_within_its_slice() {
        let at = 1_795_000_000_000;
        let slice = Slice { from: at, until: at + 1000, quarters: (0, 0) };
        let all = ids(slice, i64::MAX, i64::MAX >> 23);
        assert_eq!((all.from, all.until), (first(at), first(at + 1000)));
        let some = ids(slice, first(at + 500), 100);
        assert_eq!((some.from, some.until), (first(at + 400), first(at + 500)));
    }
}
