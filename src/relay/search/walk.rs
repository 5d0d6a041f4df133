//! A plan walked back through time, in steps.
//!
//! Rules: a step is one statement for each index, over a stretch of ids that grows while steps are quick and shrinks where they
//! are slow; what the indexes have of it is put together, the newest first, each row once. Between two steps nothing is held, so
//! a search can be left at any of them and gone on with from its cursor. Of what the indexes have few rows all are read at once, by one
//! statement for each of them, as it is looked what the search will cost: on PostgreSQL a statement costs more than they do.
//! When it fails: [`RelayFault`] of the step; the one before was whole.

use super::{FoundLine, Pivot};
use crate::mail::Timestamp;
use crate::query::{IdSpan, Plan, Probe, Row, STRETCH, Slice};
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
/// A stretch of time by which some indexes are ordered. Within one they give rows in order.
const STRETCH_MS: i64 = 1 << (STRETCH - 22);
/// Steps quicker than this grow, slower ones shrink.
const QUICK: Duration = Duration::from_millis(100);
const SLOW: Duration = Duration::from_secs(1);
/// Ids of stores, and names of networks, that are remembered.
const NAMES_MAX: usize = 4096;
/// How far rows are counted for what a search may cost.
const COST_MAX: i64 = 10_000;

/// A row that was found.
pub struct Found {
    /// Below it the next rows are.
    pub id: i64,
    pub conversation: Option<i64>,
    pub line: FoundLine,
    /// It as it was read: numbers, and words of closed lists.
    pub row: Row,
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
    /// How many rows the indexes have of the window, where it was counted, and whether that is all of them.
    counted: Option<(i64, bool)>,
    /// Whether that is so few that what is left is read in as few statements as can be.
    is_few: Option<bool>,
    /// All rows of the window, where they were few and have been read, the newest first.
    ready: Option<Vec<Row>>,
    stores: HashMap<i64, Option<String>>,
    networks: HashMap<i64, Option<String>>,
}

impl Search {
    pub(super) fn new(relay: Relay, plan: Plan, cursor: Option<i64>) -> Self {
        let mut slices = plan.slices();
        slices.reverse();
        slices.extend(plan.beyond());
        let at = cursor.unwrap_or(i64::MAX);
        let width_ms = if plan.probes.is_empty() {
            FIRST_SCAN_MS
        } else if plan.is_by_stretch() {
            STRETCH_MS
        } else if plan.is_in_order() {
            i64::MAX >> 23
        } else {
            FIRST_INDEX_MS
        };
        let (counted, is_few, ready) = (None, None, None);
        let (stores, networks) = (HashMap::new(), HashMap::new());
        let mut search = Self { relay, plan, slices, at, width_ms, counted, is_few, ready, stores, networks };
        search.skip();
        search
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The same for whoever counts rows and shows none: less is read of each, some five times as fast.
    #[must_use]
    pub fn counting(mut self) -> Self {
        self.plan = self.plan.reading(&Pivot::COLUMNS);
        self
    }

    /// The same for whoever would rather have the newest rows first than few rows all at once.
    #[must_use]
    pub fn in_steps(mut self) -> Self {
        self.is_few = Some(false);
        self
    }

    /// Where to go on, unless all has been read.
    #[must_use]
    pub fn cursor(&self) -> Option<i64> {
        (!self.slices.is_empty()).then_some(self.at)
    }

    /// The same search once more from its beginning. What was destroyed meanwhile is not there any more.
    #[must_use]
    pub fn again(self) -> Self {
        Self::new(self.relay, self.plan, None)
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
    pub async fn cost(&mut self) -> Result<(i64, bool), RelayFault> {
        let window = self.plan.window;
        if self.plan.is_empty() {
            return Ok((0, true));
        }
        if self.plan.probes.is_empty() {
            return Ok((self.relay.store().facts_between(window.from, window.until).await?, true));
        }
        if let Some(counted) = self.counted {
            return Ok(counted);
        }
        let parts = self.parts().await?;
        if let Some((count, rows)) = self.read_at_once(&parts).await? {
            (self.counted, self.ready) = (Some((count, true)), Some(rows));
            return Ok((count, true));
        }
        let (mut rows, mut is_all) = (0, true);
        for part in parts {
            for probe in &self.plan.probes {
                let span = ids(part, i64::MAX, i64::MAX >> 23);
                let Some(statement) = self.plan.cost(probe, span, COST_MAX) else { continue };
                let count = self.relay.store().rows_counted(&statement).await?;
                is_all &= count < COST_MAX;
                rows += count;
            }
        }
        self.counted = Some((rows, is_all));
        Ok((rows, is_all))
    }

    /// The window in as few parts as the database may be asked for.
    async fn parts(&self) -> Result<Vec<Slice>, RelayFault> {
        let window = self.plan.window;
        let [from, until] = [window.from, window.until].map(Timestamp::from_millis);
        Ok(self.plan.parts(&self.relay.store().cuts(from, until).await?))
    }

    /// Of what each index has few rows all of them, and how many the indexes had. `None`: one of them has as many as a step takes.
    async fn read_at_once(&self, parts: &[Slice]) -> Result<Option<(i64, Vec<Row>)>, RelayFault> {
        if !self.plan.may_be_few() {
            return Ok(None);
        }
        let reads_on = self.plan.reads_on();
        let end = parts.first().map_or(i64::MIN, |newest| first(newest.until));
        let (mut count, mut rows): (i64, Vec<Row>) = (0, Vec::new());
        for probe in &self.plan.probes {
            let mut of_index = 0;
            for (n, part) in parts.iter().enumerate() {
                let until = if n == 0 && reads_on { i64::MAX } else { part.until };
                let span = IdSpan { from: first(part.from), until: first(until), quarters: part.quarters };
                let Some(statement) = self.plan.few(probe, span, STEP_ROWS) else { continue };
                let (found, read) = self.relay.store().found_few(&statement, &self.plan).await?;
                of_index += i64::try_from(read).unwrap_or(STEP_ROWS);
                if of_index >= STEP_ROWS {
                    return Ok(None);
                }
                rows.extend(found);
            }
            count += of_index;
        }
        rows.retain(|row| row.id < end || self.plan.is_within(row));
        rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.id));
        rows.dedup_by_key(|row| row.id);
        Ok(Some((count, rows)))
    }

    /// Of what the indexes have few rows of the window is cut into as few parts as can be, since each statement costs more than they do.
    async fn take_at_once(&mut self) -> Result<bool, RelayFault> {
        if let Some(is_few) = self.is_few {
            return Ok(is_few);
        }
        let is_few =
            !self.plan.probes.is_empty() && (self.cost().await?.0 < STEP_ROWS || self.ready.is_some());
        self.is_few = Some(is_few);
        if is_few {
            let has_beyond = self.ready.is_some() && self.plan.reads_on();
            let mut slices = self.parts().await?;
            slices.reverse();
            slices.extend(self.slices.iter().filter(|slice| slice.is_beyond && !has_beyond));
            self.slices = slices;
            self.skip();
        }
        Ok(is_few)
    }

    /// The next step's rows, the newest first; there may be none. `None`: all has been read.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn step(&mut self) -> Result<Option<Vec<Found>>, RelayFault> {
        if self.slices.is_empty() {
            return Ok(None);
        }
        let is_few = self.take_at_once().await?;
        let Some(slice) = self.slices.last().copied() else { return Ok(None) };
        if is_few
            && !slice.is_beyond
            && let Some(rows) = self.ready.take()
        {
            let rows: Vec<Row> = rows.into_iter().filter(|row| row.id < self.at).collect();
            self.at = self.slices.first().map_or(self.at, |oldest| first(oldest.from));
            self.slices.clear();
            return self.lines(&rows).await.map(Some);
        }
        // Nearly nothing lies behind the window.
        let is_at_once = is_few || slice.is_beyond;
        let width_ms = if is_at_once { i64::MAX >> 23 } else { self.width_ms };
        let span = ids(slice, self.at, width_ms);
        let begun = Instant::now();
        let probes: Vec<Option<&Probe>> = match self.plan.probes.as_slice() {
            [] => vec![None],
            probes => probes.iter().map(Some).collect(),
        };
        let (mut rows, mut read_to): (Vec<Row>, i64) = (Vec::new(), span.from);
        for probe in probes {
            let Some(statement) = self.plan.rows(probe, span, STEP_ROWS) else { continue };
            let found = self.relay.store().found(&statement, &self.plan).await?;
            // An index that has more than a step takes ends the step for all of them.
            if i64::try_from(found.len()).is_ok_and(|count| count >= STEP_ROWS) {
                read_to = read_to.max(found.last().map_or(span.from, |row| row.id));
            }
            rows.extend(found);
        }
        rows.retain(|row| row.id >= read_to);
        rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.id));
        rows.dedup_by_key(|row| row.id);
        if slice.is_beyond {
            rows.retain(|row| self.plan.is_within(row));
        }
        if is_at_once {
            // There is nothing to learn from it.
        } else if read_to > span.from && self.plan.is_by_stretch() {
            // There are many: one stretch at a time, of which no more is read than is returned.
            self.width_ms = self.width_ms.min(STRETCH_MS);
        } else if read_to == span.from && begun.elapsed() < QUICK {
            self.width_ms = self.width_ms.saturating_mul(4).min(i64::MAX >> 23);
        } else if begun.elapsed() > SLOW {
            self.width_ms = (self.width_ms / 2).max(LEAST_MS);
        }
        self.at = read_to;
        self.skip();
        self.lines(&rows).await.map(Some)
    }

    async fn lines(&mut self, rows: &[Row]) -> Result<Vec<Found>, RelayFault> {
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            found.push(self.line(row).await?);
        }
        Ok(found)
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
        let mut line = FoundLine::new(row, store, &self.plan.matched(row));
        if let Some(asn) = line.asn {
            line.asn_name = self.network_of(asn).await?;
        }
        let conversation = row.number(crate::query::Column::Conversation);
        Ok(Found { id: row.id, conversation, line, row: row.clone() })
    }

    async fn network_of(&mut self, asn: i64) -> Result<Option<String>, RelayFault> {
        if let Some(name) = self.networks.get(&asn) {
            return Ok(name.clone());
        }
        let name = self.relay.store().network_name(asn).await?;
        if self.networks.len() >= NAMES_MAX {
            self.networks.clear();
        }
        self.networks.insert(asn, name.clone());
        Ok(name)
    }

    async fn store_of(&mut self, id: i64) -> Result<String, RelayFault> {
        if !self.stores.contains_key(&id) {
            if self.stores.len() >= NAMES_MAX {
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
    // Not a bit of two stretches where one would do.
    let from = if width_ms == STRETCH_MS { from.max(((until - 1) >> STRETCH) << STRETCH) } else { from };
    IdSpan { from, until, quarters: slice.quarters }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_stays_within_its_slice() {
        let at = 1_795_000_000_000;
        let slice = Slice { from: at, until: at + 1000, quarters: (0, 0), is_beyond: false };
        let all = ids(slice, i64::MAX, i64::MAX >> 23);
        assert_eq!((all.from, all.until), (first(at), first(at + 1000)));
        let some = ids(slice, first(at + 500), 100);
        assert_eq!((some.from, some.until), (first(at + 400), first(at + 500)));
    }
}
