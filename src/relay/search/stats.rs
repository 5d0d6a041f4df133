//! How much there was: rows of the log by hour, day or month, by event, direction, result, country and store, and how large mails were.
//!
//! Rules: as those of a search: entered for the audit first, nothing opened but the ids of stores. It reads what was counted beside the
//! rows, a day at a time, so it reaches as far back as counts are kept, which is further than rows are; and it is as exact as those:
//! to the hour. Its beginning is the one of an hour, day or month, so that the first bar can be held against the others. There are as many
//! bars as 13 months have hours at most; of the time before anything was counted nothing is read.
//! When it fails: [`SearchFault`]; what was read before is whole days.

use super::{SearchFault, Searcher};
use crate::mail::Timestamp;
use crate::relay::{Relay, RelayFault, queue_id};
use crate::store::Counted;
use serde_json::json;
use std::collections::BTreeMap;
use time::{Month, OffsetDateTime};

/// Hours that one step reads.
const STEP_HOURS: i64 = 24;
/// Most bars: the hours of 416 days.
pub(super) const BARS_MAX: usize = 10_000;
/// Most stores that an answer names; of the others it says how many and how much.
const STORES_MAX: usize = 100;
const HOUR_MS: i64 = 3_600_000;
const HOUR_S: i64 = 3600;

/// By what stretch of time it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    Hour,
    Day,
    Month,
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct StatsAsked {
    /// Of one store, by its id.
    pub store: Option<String>,
    pub from: Timestamp,
    pub until: Timestamp,
    pub by: Interval,
    /// By whose clock days and months begin: hours east of UTC.
    pub hours_east: i64,
}

/// How many rows, and how large their mails together.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    pub rows: i64,
    pub octets: i64,
}

impl Amount {
    fn add(&mut self, rows: i64, octets: i64) {
        self.rows = self.rows.saturating_add(rows);
        self.octets = self.octets.saturating_add(octets);
    }
}

/// One hour, day or month.
#[derive(Debug, Clone)]
pub struct Bar {
    /// When it begins.
    pub from: Timestamp,
    pub rows: i64,
    /// Octets of the mails that were accepted.
    pub octets: i64,
    pub events: BTreeMap<String, i64>,
    /// Of them those of what stores send.
    pub own: BTreeMap<String, i64>,
}

/// A count under way, and what it has come to.
pub struct Stats {
    relay: Relay,
    asked: StatsAsked,
    merchant: Option<i64>,
    /// Hours since 1970 that are still to be read, from and until.
    left: (i64, i64),
    whole: i64,
    stores: BTreeMap<i64, Amount>,
    /// The oldest first, without gaps.
    pub bars: Vec<Bar>,
    pub rows: i64,
    pub events: BTreeMap<String, i64>,
    pub directions: BTreeMap<String, i64>,
    pub results: BTreeMap<String, i64>,
    pub countries: BTreeMap<String, i64>,
    /// Mails that were accepted, by the way that they went.
    pub mails: BTreeMap<String, Amount>,
}

/// The stores that had most.
pub struct StoreAmounts {
    /// By their ids, the most first.
    pub named: Vec<(String, Amount)>,
    /// How many others there are, and how much they had.
    pub others: (usize, Amount),
}

impl Relay {
    /// Begins to count.
    ///
    /// # Errors
    /// [`SearchFault::TooManyBars`], [`SearchFault::NoStore`], or a fault; then nothing is read.
    pub async fn stats(&self, asked: StatsAsked, searcher: &Searcher<'_>) -> Result<Stats, SearchFault> {
        let first = asked.by.begin(asked.from, asked.hours_east);
        let last = (asked.until.as_millis().saturating_add(HOUR_MS - 1)).div_euclid(HOUR_MS).max(first);
        let bars = asked.by.bars(first, last, asked.hours_east).ok_or(SearchFault::TooManyBars)?;
        let what = json!({
            "store": asked.store.as_deref().map(|store| self.audited_text(store)),
            "from": of_hour(first).to_rfc3339(),
            "until": of_hour(last).to_rfc3339(),
        });
        self.enter(searcher, json!({ "stats": what })).await?;
        let merchant = match &asked.store {
            Some(store) => Some(self.merchant_row(store).await?.ok_or(SearchFault::NoStore)?.id),
            None => None,
        };
        let counted = self.store().first_counted().await.map_err(RelayFault::from)?;
        let begins = counted.map_or(last, |hour| hour.clamp(first, last));
        Ok(Stats {
            relay: self.clone(),
            asked,
            merchant,
            left: (begins, last),
            whole: (last - begins).max(1),
            stores: BTreeMap::new(),
            bars,
            rows: 0,
            events: BTreeMap::new(),
            directions: BTreeMap::new(),
            results: BTreeMap::new(),
            countries: BTreeMap::new(),
            mails: BTreeMap::new(),
        })
    }
}

impl Stats {
    /// From when until when it counts.
    #[must_use]
    pub fn window(&self) -> (Timestamp, Timestamp) {
        let until = of_hour(self.left.1);
        (self.bars.first().map_or(until, |bar| bar.from), until)
    }

    /// How much of the whole has been read, from 0 to 1.
    #[must_use]
    pub fn progress(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a share for people")]
        let share = 1.0 - (self.left.1 - self.left.0) as f64 / self.whole as f64;
        share
    }

    /// Reads on. Whether there is more.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn step(&mut self) -> Result<bool, RelayFault> {
        let (from, last) = self.left;
        if from >= last {
            return Ok(false);
        }
        // No further than the bar does, so that each has what is its own.
        let (by, east) = (self.asked.by, self.asked.hours_east);
        let until = last.min(by.after(from, east)).min(from + STEP_HOURS);
        let store = self.relay.store();
        let (counted, stores) = match self.merchant {
            Some(_) => (store.counted_by_kind(self.merchant, from, until).await?, Vec::new()),
            None => tokio::try_join!(
                store.counted_by_kind(None, from, until),
                store.counted_by_store(from, until)
            )?,
        };
        let begins = of_hour(by.begin(of_hour(from), east));
        if let Some(bar) = self.bars.iter_mut().rfind(|bar| bar.from <= begins) {
            counted.iter().for_each(|counted| bar.add(counted));
        }
        counted.into_iter().for_each(|counted| self.add(counted));
        for one in stores {
            self.stores.entry(one.merchant_id).or_default().add(one.n, one.octets);
        }
        self.left.0 = until;
        Ok(true)
    }

    fn add(&mut self, counted: Counted) {
        let Counted { direction, event, country, result, n, octets } = counted;
        self.rows = self.rows.saturating_add(n);
        if event == "accepted" {
            self.mails.entry(direction.clone()).or_default().add(n, octets);
        }
        for (counts, what) in [
            (&mut self.events, event),
            (&mut self.directions, direction),
            (&mut self.results, result),
            (&mut self.countries, country),
        ] {
            if !what.is_empty() {
                *counts.entry(what).or_default() += n;
            }
        }
    }

    /// The stores that had most, where all were counted.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn stores(&self) -> Result<StoreAmounts, RelayFault> {
        let mut all: Vec<(i64, Amount)> =
            self.stores.iter().filter(|(id, _)| **id != 0).map(|(id, amount)| (*id, *amount)).collect();
        all.sort_unstable_by_key(|(id, amount)| (std::cmp::Reverse(amount.rows), *id));
        let mut named = Vec::new();
        for (id, amount) in all.iter().take(STORES_MAX) {
            let name = self.relay.store_name(*id).await?.unwrap_or_else(|| queue_id(*id));
            named.push((name, *amount));
        }
        let mut others = (all.len().saturating_sub(STORES_MAX), Amount::default());
        all.iter().skip(STORES_MAX).for_each(|(_, amount)| others.1.add(amount.rows, amount.octets));
        Ok(StoreAmounts { named, others })
    }
}

impl Bar {
    fn add(&mut self, counted: &Counted) {
        self.rows = self.rows.saturating_add(counted.n);
        if counted.event == "accepted" {
            self.octets = self.octets.saturating_add(counted.octets);
        }
        *self.events.entry(counted.event.clone()).or_default() += counted.n;
        if matches!(counted.direction.as_str(), "to_customer" | "copy") {
            *self.own.entry(counted.event.clone()).or_default() += counted.n;
        }
    }
}

impl Interval {
    /// The hour in which the one begins that has a time.
    fn begin(self, at: Timestamp, hours_east: i64) -> i64 {
        let hour = at.as_millis().div_euclid(HOUR_MS);
        let local = hour + hours_east;
        match self {
            Interval::Hour => hour,
            Interval::Day => local.div_euclid(24) * 24 - hours_east,
            Interval::Month => month(local, 0).unwrap_or(local) - hours_east,
        }
    }

    /// The bars from one hour until before another, empty; `None`: there would be too many.
    fn bars(self, first: i64, last: i64, hours_east: i64) -> Option<Vec<Bar>> {
        let (mut bars, mut at) = (Vec::new(), first);
        while at < last {
            if bars.len() == BARS_MAX {
                return None;
            }
            bars.push(Bar {
                from: of_hour(at),
                rows: 0,
                octets: 0,
                events: BTreeMap::new(),
                own: BTreeMap::new(),
            });
            at = self.after(at, hours_east);
        }
        Some(bars)
    }

    /// The hour in which the next one begins.
    fn after(self, hour: i64, hours_east: i64) -> i64 {
        match self {
            Interval::Hour => hour + 1,
            Interval::Day => self.begin(of_hour(hour), hours_east) + 24,
            Interval::Month => {
                month(hour + hours_east, 1).map_or(hour + STEP_HOURS, |local| local - hours_east)
            }
        }
    }
}

/// The hour with which the month of an hour begins, or the one after it.
fn month(hour: i64, later: i32) -> Option<i64> {
    let date = OffsetDateTime::from_unix_timestamp(hour.checked_mul(HOUR_S)?).ok()?.date();
    let months = date.year() * 12 + i32::from(u8::from(date.month())) - 1 + later;
    let number = u8::try_from(months.rem_euclid(12) + 1).ok()?;
    let first =
        time::Date::from_calendar_date(months.div_euclid(12), Month::try_from(number).ok()?, 1).ok()?;
    Some(first.midnight().assume_utc().unix_timestamp() / HOUR_S)
}

fn of_hour(hour: i64) -> Timestamp {
    Timestamp::from_millis(hour.saturating_mul(HOUR_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirteen_months_have_a_bar_for_each_hour_and_fifty_years_do_not() {
        let hour = |text| Interval::Hour.begin(Timestamp::parse_rfc3339(text).unwrap(), 0);
        let (last, year_ago) = (hour("2027-01-31T00:00:00Z"), hour("2026-01-01T00:00:00Z"));
        let count = |by: Interval, first| by.bars(first, last, 9).map(|bars| bars.len());
        assert_eq!(count(Interval::Hour, year_ago), Some(9480));
        assert_eq!((count(Interval::Hour, 0), count(Interval::Day, 0)), (None, None));
        assert_eq!(count(Interval::Hour, last - 10_001), None);
        assert_eq!(count(Interval::Month, 0), Some(685));
    }

    #[test]
    fn days_and_months_begin_by_the_clock_that_is_asked_for() {
        let at = |text| Timestamp::parse_rfc3339(text).unwrap();
        let begin = |by: Interval, text, east| of_hour(by.begin(at(text), east)).to_rfc3339();
        let after = |by: Interval, text, east| of_hour(by.after(by.begin(at(text), east), east)).to_rfc3339();
        for (by, east, from, until) in [
            (Interval::Hour, 9, "2026-11-30T15:00:00Z", "2026-11-30T16:00:00Z"),
            (Interval::Day, 9, "2026-11-30T15:00:00Z", "2026-12-01T15:00:00Z"),
            (Interval::Day, 0, "2026-11-30T00:00:00Z", "2026-12-01T00:00:00Z"),
            (Interval::Month, 9, "2026-11-30T15:00:00Z", "2026-12-31T15:00:00Z"),
            (Interval::Month, 0, "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
        ] {
            assert_eq!(begin(by, "2026-11-30T15:30:00Z", east), from, "{by:?} {east}");
            assert_eq!(after(by, "2026-11-30T15:30:00Z", east), until, "{by:?} {east}");
        }
        assert_eq!(after(Interval::Month, "2026-12-10T00:00:00Z", 0), "2027-01-01T00:00:00Z");
    }
}
