//! A plan's window in slices: stretches of time, each with the quarters whose numbers may stand in it.
//!
//! Rules: pure. The window is whole: slices have no gaps, and reach as far beyond it as clocks may be off.

use super::filter::Row;
use super::plan::{By, Plan, Probe};

/// What an index is expected to have of one value, at most, to be read on behind the window.
const FEW: u32 = 8;
/// The same, to be read at once on trial.
const SOME: u32 = 60;
/// How far the time of a row may be from that of its id, and from the quarter whose key made its numbers.
const SLACK_MS: i64 = 600_000;

/// A stretch of time in which numbers of these quarters may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    pub from: i64,
    pub until: i64,
    pub quarters: (i64, i64),
    /// Whether it is what lies behind the window: ids of a clock that was ahead.
    pub is_beyond: bool,
}

impl Plan {
    /// The window in parts in which the same numbers are good, the newest first.
    #[must_use]
    pub fn slices(&self) -> Vec<Slice> {
        let (from, until) =
            (self.window.from.saturating_sub(SLACK_MS).max(0), self.window.until.saturating_add(SLACK_MS));
        if self.is_empty() {
            return Vec::new();
        }
        let mut cuts = vec![from];
        for quarter in quarter_of(from)..=quarter_of(until) + 1 {
            let begins = quarter_start(quarter);
            cuts.extend(
                [begins - SLACK_MS, begins + SLACK_MS].into_iter().filter(|cut| from < *cut && *cut < until),
            );
        }
        cuts.push(until);
        let pairs = cuts.iter().zip(cuts.iter().skip(1)).map(|(from, until)| Slice {
            from: *from,
            until: *until,
            quarters: (quarter_of(from - SLACK_MS), quarter_of(until + SLACK_MS - 1)),
            is_beyond: false,
        });
        let mut slices: Vec<Slice> = pairs.collect();
        slices.reverse();
        slices
    }

    /// The window in as few parts as may be, cut at these times (the latest first), each with the numbers of all its quarters, the newest
    /// first: for what has few rows.
    #[must_use]
    pub fn parts(&self, cuts: &[i64]) -> Vec<Slice> {
        let slices = self.slices();
        let (Some(newest), Some(oldest)) = (slices.first(), slices.last()) else { return Vec::new() };
        let (mut parts, mut until) = (Vec::new(), newest.until);
        let within = cuts.iter().copied().filter(|cut| oldest.from < *cut && *cut < newest.until);
        for from in within.chain([oldest.from]) {
            let quarters = (quarter_of(from - SLACK_MS), quarter_of(until + SLACK_MS - 1));
            parts.push(Slice { from, until, quarters, is_beyond: false });
            until = from;
        }
        parts
    }

    /// Whether its indexes have so few rows of most values that it is worth while to read them all at once, and see.
    #[must_use]
    pub fn may_be_few(&self) -> bool {
        let is_few = |probe: &Probe| match probe.by {
            By::Column(column) => column.index().is_some_and(|cost| cost <= SOME),
            By::File => true,
        };
        !self.probes.is_empty() && self.probes.iter().all(is_few)
    }

    /// Whether what lies behind the window is read with it where all is read at once: it costs a look at some partitions more, but no
    /// statement. An index of stretches would be asked for each that has not come.
    #[must_use]
    pub fn reads_on(&self) -> bool {
        !self.is_by_stretch() && !self.beyond().is_empty()
    }

    /// The ids behind the window in which rows of it may stand all the same: a process whose clock was ahead goes on giving ids of that
    /// time after the clock was set right (`store/ids.rs`). Where the query names no end that is nearly nothing; where it does, they are
    /// looked at only by indexes that have few rows of a value, and those of times that have come apart from those that have not, since
    /// an index of stretches is asked for each stretch of the former. The newest last.
    #[must_use]
    pub fn beyond(&self) -> Vec<Slice> {
        let has_few = |probe: &Probe| match probe.by {
            By::Column(column) => column.index().is_some_and(|cost| cost <= FEW),
            By::File => true,
        };
        let is_cheap = !self.probes.is_empty() && self.probes.iter().all(has_few);
        if self.is_empty() || !(self.window.is_open || is_cheap) {
            return Vec::new();
        }
        let from = self.window.until.saturating_add(SLACK_MS);
        let latest = self.window.latest.saturating_add(SLACK_MS).max(from);
        let quarters = (quarter_of(self.window.from - SLACK_MS), quarter_of(from));
        let slice = |from, until| Slice { from, until, quarters, is_beyond: true };
        let parts = [slice(from, latest), slice(latest, i64::MAX)];
        parts.into_iter().filter(|part| part.from < part.until).collect()
    }

    /// Whether a row that was found there is of the window.
    #[must_use]
    pub fn is_within(&self, row: &Row) -> bool {
        self.window.from <= row.at && (self.window.is_open || row.at < self.window.until)
    }
}

/// The quarter of a time, counted from 1970, in UTC.
#[must_use]
pub fn quarter_of(millis: i64) -> i64 {
    let date = time::OffsetDateTime::from_unix_timestamp(millis.div_euclid(1000));
    let date = date.unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    (i64::from(date.year()) - 1970) * 4 + (i64::from(u8::from(date.month())) - 1) / 3
}

/// When a quarter begins, in milliseconds.
fn quarter_start(quarter: i64) -> i64 {
    let (year, month) = (1970 + quarter.div_euclid(4), quarter.rem_euclid(4) * 3 + 1);
    let month = u8::try_from(month).ok().and_then(|month| time::Month::try_from(month).ok());
    let date = i32::try_from(year)
        .ok()
        .zip(month)
        .and_then(|(year, month)| time::Date::from_calendar_date(year, month, 1).ok());
    date.map_or(i64::MAX / 2, |date| date.midnight().assume_utc().unix_timestamp() * 1000)
}
