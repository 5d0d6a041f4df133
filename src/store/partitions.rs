//! The partitions in which PostgreSQL keeps facts: as many days (UTC) of ids as make one of a good size.
//!
//! Rules: a statement is planned for each partition that it may read with each of its indexes, half a millisecond each, and five times that
//! the first time in a connection: so there are to be few. What is written goes to random places of the newest one's indexes: so these are to
//! fit into memory. So one spans four weeks, a week or a day, by how large those before it have become. It is made before its first day,
//! attached, and dropped when nothing is left in it; `fact_20784` is one day, `fact_20784_20811` those from the first on before the
//! second. Where one is missing facts go to `fact_rest`, and stay there.
//! When it fails: [`StoreFault`]; it is done again.

use super::engine::Engine;
use super::fault::StoreFault;
use super::handle::Store;
use super::ids;
use super::retention::DAY_MS;
use crate::mail::Timestamp;
use sqlx::{AssertSqlSafe, Row};

/// Days that have a partition ahead, today included.
pub const DAYS_AHEAD: i64 = 4;
/// Days of one, the most first.
const WIDTHS: [i64; 3] = [28, 7, 1];
/// Those of the first, when nothing is known.
const FIRST_WIDTH: i64 = 7;
/// How large the rows of one are to become at most: some 20 million, whose indexes are one and a half times that.
const OCTETS_MAX: i64 = 4 << 30;
/// From how many days it is reckoned how much comes.
const RECKONED_DAYS: i64 = 28;
/// How many a statement may read. PostgreSQL locks each with each of its indexes, some 28 to a partition, of which a server as it comes has
/// room for 6,400 in all (docs/postgresql.md).
const READ_AT_ONCE: usize = 92;
/// How long making or dropping a partition waits for those who read, while others wait behind it.
const LOCK_PATIENCE: &str = "SET LOCAL lock_timeout = '200ms'";
/// How often one is made once more whose lock did not come.
const TRIES: u32 = 5;

/// The days of a partition, since 1970: from the first on, before the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Days {
    from: i64,
    until: i64,
}

impl Days {
    fn of_table(name: &str) -> Option<Self> {
        let days = name.strip_prefix("fact_")?;
        let (from, until) = match days.split_once('_') {
            Some((from, until)) => (from.parse().ok()?, until.parse().ok()?),
            None => (days.parse().ok()?, days.parse::<i64>().ok()?.checked_add(1)?),
        };
        (from < until).then_some(Self { from, until })
    }

    fn table(self) -> String {
        let Self { from, until } = self;
        if until == from + 1 { format!("fact_{from}") } else { format!("fact_{from}_{until}") }
    }

    fn has(self, day: i64) -> bool {
        self.from <= day && day < self.until
    }

    /// Ids from the first on, before the second.
    fn ids(self) -> (i64, i64) {
        let floor = |day: i64| ids::floor(day.saturating_mul(DAY_MS));
        (floor(self.from), floor(self.until))
    }
}

/// Over how many days one reaches where so much comes a day.
fn width(octets_a_day: Option<i64>) -> i64 {
    let Some(octets) = octets_a_day else { return FIRST_WIDTH };
    let fits = |width: &i64| octets.saturating_mul(*width) <= OCTETS_MAX;
    WIDTHS.into_iter().find(fits).unwrap_or(1)
}

/// The partition that a day without one gets: until the next multiple of its width, or the next day that has its place elsewhere.
fn next(day: i64, width: i64, there: &[Days], elsewhere: &[i64]) -> Days {
    let end = (day.div_euclid(width) + 1) * width;
    let taken = there.iter().map(|days| days.from).chain(elsewhere.iter().copied());
    let until = taken.filter(|taken| *taken > day).fold(end, i64::min);
    Days { from: day, until }
}

impl Store {
    /// Makes the partitions of the day of `now` and of the days after it that are missing.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer, or a day has facts in `fact_rest` already, where they then stay.
    pub async fn make_partitions(&self, now: Timestamp) -> Result<(), StoreFault> {
        if self.engine() == Engine::Sqlite {
            return Ok(());
        }
        let today = now.as_millis().div_euclid(DAY_MS);
        let mut there = self.partitions().await?;
        let mut made = Ok(());
        for day in today..today + DAYS_AHEAD {
            if there.iter().any(|days| days.has(day)) {
                continue;
            }
            let width = width(self.octets_a_day(&there, today).await?);
            let elsewhere = self.days_in_rest(day, day + width).await?;
            let wanted = next(day, width, &there, &elsewhere);
            let mut one = self.make_partition(wanted).await;
            there = self.partitions().await?;
            // Another process may be at it, and slow.
            for _ in 0..TRIES {
                if there.iter().any(|days| days.has(day)) || !one.as_ref().is_err_and(StoreFault::is_of_lock)
                {
                    break;
                }
                one = self.make_partition(wanted).await;
                there = self.partitions().await?;
            }
            // Another process may have been faster.
            if one.is_err() && !there.iter().any(|days| days.has(day)) {
                made = made.and(one);
            }
        }
        made
    }

    async fn make_partition(&self, days: Days) -> Result<(), StoreFault> {
        let ((from, until), table) = (days.ids(), days.table());
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                for text in [
                    LOCK_PATIENCE.to_owned(),
                    format!("CREATE TABLE {table} (LIKE fact INCLUDING ALL)"),
                    // Unlike a table that is made as a partition, one that is attached keeps nobody from writing to the others.
                    format!(
                        "ALTER TABLE fact ATTACH PARTITION {table} FOR VALUES FROM ({from}) TO ({until})"
                    ),
                ] {
                    sqlx::query(AssertSqlSafe(text)).execute(&mut *transaction).await?;
                }
                transaction.commit().await?;
                Ok(())
            })
            .await
    }

    /// How large the rows of a day are, by the partitions of the last days. `None`: there is none.
    async fn octets_a_day(&self, there: &[Days], today: i64) -> Result<Option<i64>, StoreFault> {
        let is_late = |days: &&Days| days.from < today && today - RECKONED_DAYS < days.until;
        let (mut days, mut sizes) = (0, vec!["0".to_owned()]);
        for one in there.iter().filter(is_late) {
            days += one.until.min(today) - one.from;
            sizes.push(format!("COALESCE(pg_relation_size(to_regclass('{}')), 0)", one.table()));
        }
        if days == 0 {
            return Ok(None);
        }
        let text = format!("SELECT CAST({} AS BIGINT)", sizes.join(" + "));
        let row = sqlx::query(AssertSqlSafe(text)).persistent(false).fetch_one(self.pool()).await?;
        Ok(Some(row.try_get::<i64, _>(0)? / days))
    }

    /// The days of a span that have facts in `fact_rest`, and so can have no partition.
    async fn days_in_rest(&self, from: i64, until: i64) -> Result<Vec<i64>, StoreFault> {
        let mut found = Vec::new();
        let mut at = Days { from, until };
        // From each day that has some to the next: there are few, or none.
        while at.from < at.until {
            let (first, end) = at.ids();
            let text = "SELECT MIN(id) FROM fact_rest WHERE id >= $1 AND id < $2";
            let row = sqlx::query(text).bind(first).bind(end).fetch_one(self.pool()).await?;
            let Some(id) = row.try_get::<Option<i64>, _>(0)? else { break };
            let day = ids::Ids::time_of(id).as_millis().div_euclid(DAY_MS);
            found.push(day);
            at.from = day + 1;
        }
        Ok(found)
    }

    /// The partitions that there are, the oldest first.
    async fn partitions(&self) -> Result<Vec<Days>, StoreFault> {
        let text = "SELECT CAST(c.relname AS TEXT) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
             WHERE i.inhparent = to_regclass('fact')";
        let rows = sqlx::query(text).fetch_all(self.pool()).await?;
        let mut there = Vec::with_capacity(rows.len());
        for row in &rows {
            let name: String = row.try_get(0)?;
            there.extend(Days::of_table(&name));
        }
        there.sort_unstable();
        Ok(there)
    }

    /// The times at which a search of a span is to be cut, the latest first, so that no statement reads too many partitions.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn cuts(&self, from: Timestamp, until: Timestamp) -> Result<Vec<i64>, StoreFault> {
        if self.engine() == Engine::Sqlite {
            return Ok(Vec::new());
        }
        let mut there = self.partitions().await?;
        let day = |at: Timestamp| at.as_millis().div_euclid(DAY_MS);
        there.retain(|days| days.from <= day(until) && day(from) < days.until);
        Ok(cuts(&there))
    }

    /// Drops the partitions of days before `now`'s in which nothing is left. How many.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer, or somebody reads one for long.
    pub async fn drop_partitions(&self, now: Timestamp) -> Result<usize, StoreFault> {
        if self.engine() == Engine::Sqlite {
            return Ok(0);
        }
        // What came just before midnight may be written after it.
        let yesterday = now.as_millis().div_euclid(DAY_MS) - 1;
        let mut dropped = 0;
        for days in self.partitions().await?.into_iter().filter(|days| days.until <= yesterday) {
            let text = format!("SELECT id FROM {} LIMIT 1", days.table());
            let is_empty = sqlx::query(AssertSqlSafe(text)).fetch_optional(self.pool()).await?.is_none();
            if is_empty && self.drop_partition(days).await? {
                dropped += 1;
            }
        }
        Ok(dropped)
    }

    async fn drop_partition(&self, days: Days) -> Result<bool, StoreFault> {
        let table = days.table();
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                // The whole first, as whoever reads or writes it does.
                for text in [
                    LOCK_PATIENCE.to_owned(),
                    "LOCK TABLE ONLY fact IN ACCESS EXCLUSIVE MODE".to_owned(),
                    format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"),
                ] {
                    sqlx::query(AssertSqlSafe(text)).execute(&mut *transaction).await?;
                }
                let text = format!("SELECT id FROM {table} LIMIT 1");
                let is_empty =
                    sqlx::query(AssertSqlSafe(text)).fetch_optional(&mut *transaction).await?.is_none();
                if is_empty {
                    let text = format!("DROP TABLE {table}");
                    sqlx::query(AssertSqlSafe(text)).execute(&mut *transaction).await?;
                    transaction.commit().await?;
                }
                Ok(is_empty)
            })
            .await
    }
}

/// Where so many partitions, the oldest first, are to be cut: times, the latest first.
fn cuts(there: &[Days]) -> Vec<i64> {
    let begins = there.iter().rev().skip(READ_AT_ONCE - 1).step_by(READ_AT_ONCE);
    begins.map(|days| days.from.saturating_mul(DAY_MS)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_named_after_its_days() {
        for (name, from, until) in [("fact_20784", 20_784, 20_785), ("fact_20784_20811", 20_784, 20_811)] {
            let days = Days::of_table(name).unwrap();
            assert_eq!((days.from, days.until, days.table().as_str()), (from, until, name));
        }
        for name in ["fact_rest", "fact_file", "fact_2_1", "fact_1_1", "fact_1_2_3", "record_1"] {
            assert_eq!(Days::of_table(name), None, "{name}");
        }
    }

    #[test]
    fn a_partition_is_as_long_as_it_may_become_large() {
        let gigabyte = 1 << 30;
        for (octets, days) in [
            (None, 7),
            (Some(0), 28),
            (Some(gigabyte / 7), 28),
            (Some(gigabyte / 2), 7),
            (Some(gigabyte), 1),
            (Some(i64::MAX), 1),
        ] {
            assert_eq!(width(octets), days, "{octets:?}");
        }
    }

    #[test]
    fn a_partition_ends_before_what_has_its_place() {
        let there = [Days { from: 10, until: 11 }, Days { from: 20, until: 28 }];
        let until = |day, width, elsewhere: &[i64]| next(day, width, &there, elsewhere).until;
        assert_eq!((until(12, 7, &[]), until(12, 28, &[]), until(28, 28, &[])), (14, 20, 56));
        assert_eq!((until(12, 28, &[12, 15]), until(12, 1, &[]), until(8, 7, &[])), (15, 13, 10));
    }

    #[test]
    fn a_search_is_cut_where_it_would_read_too_many() {
        let days =
            |count: i64| -> Vec<Days> { (0..count).map(|day| Days { from: day, until: day + 1 }).collect() };
        assert!(cuts(&days(91)).is_empty());
        assert_eq!(cuts(&days(200)), [108 * DAY_MS, 16 * DAY_MS]);
    }
}
