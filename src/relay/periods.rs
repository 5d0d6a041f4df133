//! Keys of quarters, by which facts get their numbers: made, opened, and kept by this process.
//!
//! Rules: they are made by whoever needs one first, and ahead of the quarter. One that does not open (the ring was restored without
//! its index key, or somebody altered its row) takes the names of its own quarter and keeps nothing else from being found or erased.
//! When it fails: [`RelayFault`], and facts have no numbers until it is done.

use super::{Relay, RelayFault};
use crate::mail::{RealAddress, Timestamp};
use crate::store::{NewPeriod, PeriodRow};
use crate::vault::{Numbered, Period, VaultError, quarter_begins, quarter_of};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// How long before a quarter its key is made.
const AHEAD: Duration = Duration::from_secs(86_400);
/// The keys of quarters that a process has.
#[derive(Default)]
pub(super) struct Periods {
    /// The quarters that were asked for.
    of: Option<(i64, i64)>,
    pub keys: Vec<Arc<Period>>,
}

impl Relay {
    /// Has the keys of the quarter, and of the next one a day before it begins.
    ///
    /// # Errors
    /// [`RelayFault`] when the database or a key fails.
    pub async fn keep_periods(&self, now: Timestamp) -> Result<(), RelayFault> {
        let of = (quarter_of(now), quarter_of(now.after(AHEAD)));
        if self.inner.periods.load().of == Some(of) {
            return Ok(());
        }
        let mut keys = self.periods(of.0 - 1, of.1).await?;
        let mut made = Ok(());
        for quarter in of.0..=of.1 {
            if !keys.iter().any(|key| key.quarter == quarter) {
                match self.new_period(quarter, now).await {
                    Ok(key) => keys.extend(key),
                    Err(fault) => made = Err(fault),
                }
            }
        }
        // One that does not open keeps the others from nothing; it is asked for again.
        self.inner.periods.store(Arc::new(Periods { of: made.is_ok().then_some(of), keys }));
        made
    }

    /// The keys of quarters that are there and open, for looking something up in them. Of one that does not open an error is logged,
    /// once; what happened in its quarter has no names then.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn periods(&self, first: i64, last: i64) -> Result<Vec<Arc<Period>>, RelayFault> {
        let mut keys = Vec::new();
        for row in self.store().periods(first, last).await? {
            match self.open_period(&row) {
                Ok(period) => keys.extend(period),
                Err(fault) => {
                    let mut told = self.inner.shut_periods.lock().unwrap_or_else(PoisonError::into_inner);
                    if told.insert(row.id) {
                        let quarter = quarter_begins(row.quarter).to_rfc3339();
                        tracing::error!(event = "fault", %fault, quarter, "the names in a quarter's facts are not found");
                    }
                }
            }
        }
        Ok(keys)
    }

    /// `None`: it was destroyed.
    fn open_period(&self, row: &PeriodRow) -> Result<Option<Arc<Period>>, VaultError> {
        match self.vault().index.open_period(row.id, row.quarter, &row.wrapped) {
            Ok(period) => Ok(Some(Arc::new(period))),
            Err(VaultError::Destroyed { .. }) => Ok(None),
            Err(fault) => {
                if matches!(fault, VaultError::NotHeld { .. }) {
                    self.miss_a_key();
                }
                Err(fault)
            }
        }
    }

    /// The key of a quarter that has none yet; of two processes that make it at once the first counts. `None`: it was destroyed.
    async fn new_period(&self, quarter: i64, at: Timestamp) -> Result<Option<Arc<Period>>, RelayFault> {
        let id = crate::store::random_id();
        let (period, wrapped) = self.vault().index.new_period(id, quarter);
        if self.store().add_period(&NewPeriod { id, quarter, wrapped, at }).await? {
            return Ok(Some(Arc::new(period)));
        }
        let row = self.store().periods(quarter, quarter).await?.pop();
        row.map_or(Ok(None), |row| Ok(self.open_period(&row)?))
    }

    /// Has what facts need, and rules that look at them; where that fails mail goes on, and it is tried again.
    pub async fn make_room_for_facts(&self, now: Timestamp) {
        if let Err(fault) = self.keep_periods(now).await {
            tracing::error!(event = "fault", %fault, "facts of the log get no numbers");
        }
        if let Err(fault) = self.arm_rules(now).await {
            tracing::error!(event = "fault", %fault, "rules could not be armed anew");
        }
        if let Err(fault) = self.name_networks(now).await {
            tracing::error!(event = "fault", %fault, "names of networks were not written down; it is tried again");
        }
        let day = now.as_millis().div_euclid(crate::store::DAY_MS);
        if self.inner.partitions_of.load(Ordering::Relaxed) == day {
            return;
        }
        // Once a day, whatever comes of it: there are days ahead, and a default partition.
        self.inner.partitions_of.store(day, Ordering::Relaxed);
        if let Err(fault) = self.store().make_partitions(now).await {
            tracing::error!(event = "fault", %fault, "partitions of facts were not made");
        }
    }

    /// The quarters of which there may be facts and whose keys open, each with the number of an address, and of each of these aliases.
    pub(super) async fn numbers_of(
        &self,
        address: &RealAddress,
        aliases: &[String],
    ) -> Result<Vec<(i64, i64)>, RelayFault> {
        let periods = self.periods(0, quarter_of(Timestamp::now()) + 1).await?;
        let values = || {
            let aliases = aliases.iter().map(|alias| Numbered::Alias(alias));
            std::iter::once(Numbered::Address(address)).chain(aliases)
        };
        let of = |period: &Arc<Period>| {
            values().map(|value| (period.quarter, period.number(value))).collect::<Vec<_>>()
        };
        Ok(periods.iter().flat_map(of).collect())
    }
}
