//! Searching the log: statements of a plan (`query/sql.rs`) and what is read for them.
//!
//! Rules: each statement reads a bounded stretch of ids and holds nothing when it has been read; what retention destroys
//! between two of them is not there for the second.
//! When it fails: [`StoreFault`].

use super::fault::StoreFault;
use super::handle::Store;
use super::records::{RECORD, RecordRow, read};
use crate::mail::Timestamp;
use crate::query::{Bound, Plan, Row, Statement};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe, Row as _};

const HOUR_MS: i64 = 3_600_000;
/// Records that one statement reads by their ids.
const LOT: usize = 500;

/// What was counted: of a store in some hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rolled {
    pub direction: String,
    pub event: String,
    pub country: String,
    pub n: i64,
    pub octets: i64,
}

/// Something that a store was seen with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenWith {
    pub merchant_id: i64,
    /// country, asn, net, mailer, dkim or domain.
    pub what: String,
    pub value: String,
    /// Of a network's number its name.
    pub name: Option<String>,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub n: i64,
}

/// The name of a network's number.
const NAME: &str = "CASE WHEN p.what = 'asn' THEN (SELECT w.name FROM network_name w \
    WHERE w.asn = CAST(CASE WHEN p.what = 'asn' THEN p.value ELSE '0' END AS BIGINT)) END";

fn query(statement: &Statement) -> Query<'_, Any, AnyArguments> {
    // Planned anew each time, with its ids: a plan that PostgreSQL keeps for any ids locks each index of each partition.
    let mut query = sqlx::query(AssertSqlSafe(statement.text.as_str())).persistent(false);
    for bound in &statement.bound {
        query = match bound {
            Bound::Number(number) => query.bind(*number),
            Bound::Text(text) => query.bind(text.clone()),
        };
    }
    query
}

fn read_row(row: &AnyRow, plan: &Plan) -> Result<Row, sqlx::Error> {
    let mut found = Row::new(row.try_get(0)?, row.try_get(1)?);
    for (place, column) in (2..).zip(plan.columns()) {
        if column.is_text() {
            found.set_text(*column, row.try_get(place)?);
        } else {
            found.set_number(*column, row.try_get(place)?);
        }
    }
    let files = 2 + plan.columns().len();
    for place in files..files + plan.files() {
        found.files.push(row.try_get::<i64, _>(place)? != 0);
    }
    Ok(found)
}

impl Store {
    /// The rows that a statement of [`Plan::rows`] finds.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn found(&self, statement: &Statement, plan: &Plan) -> Result<Vec<Row>, StoreFault> {
        let rows = query(statement).fetch_all(self.pool()).await?;
        rows.iter().map(|row| read_row(row, plan)).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// The rows that a statement of [`Plan::few`] finds and the filter lets through, and how many it found.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn found_few(
        &self,
        statement: &Statement,
        plan: &Plan,
    ) -> Result<(Vec<Row>, usize), StoreFault> {
        let rows = query(statement).fetch_all(self.pool()).await?;
        let let_through = 2 + plan.columns().len() + plan.files();
        let mut found = Vec::new();
        for row in &rows {
            if row.try_get::<i64, _>(let_through)? != 0 {
                found.push(read_row(row, plan)?);
            }
        }
        Ok((found, rows.len()))
    }

    /// What a statement of [`Plan::cost`] counts.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn rows_counted(&self, statement: &Statement) -> Result<i64, StoreFault> {
        Ok(query(statement).fetch_one(self.pool()).await?.try_get(0)?)
    }

    /// About how many facts there are from one time until before another: what was counted in these hours.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn facts_between(&self, from: i64, until: i64) -> Result<i64, StoreFault> {
        let text = "SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM rollup WHERE hour >= $1 AND hour <= $2";
        let query = sqlx::query(text).bind(from.div_euclid(HOUR_MS)).bind(until.div_euclid(HOUR_MS));
        Ok(query.fetch_one(self.pool()).await?.try_get(0)?)
    }

    /// The records with these ids, in order of their ids; those that are gone are left out.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn records_with(&self, ids: &[i64]) -> Result<Vec<RecordRow>, StoreFault> {
        let mut all = Vec::new();
        for lot in ids.chunks(LOT) {
            let places: Vec<String> = (1..=lot.len()).map(|place| format!("${place}")).collect();
            let text = format!("{RECORD} WHERE r.id IN ({}) ORDER BY r.id", places.join(", "));
            let mut query = sqlx::query(AssertSqlSafe(text));
            for id in lot {
                query = query.bind(*id);
            }
            all.extend(read(&query.fetch_all(self.pool()).await?)?);
        }
        all.sort_by_key(|row: &RecordRow| row.id);
        Ok(all)
    }

    /// What was counted of a store from one hour until before another, by direction, event and country.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn rolled_up(
        &self,
        merchant: i64,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Rolled>, StoreFault> {
        // The key begins with the hour: a look for each of them reads the store's rows alone, not those of all stores.
        let text = "WITH RECURSIVE h (hour) AS (SELECT CAST($2 AS BIGINT) UNION ALL SELECT h.hour + 1 FROM h \
             WHERE h.hour + 1 < $3) SELECT r.direction, r.event, r.country, CAST(SUM(r.n) AS BIGINT), \
             CAST(SUM(r.octets) AS BIGINT) FROM h CROSS JOIN rollup r WHERE r.hour = h.hour AND r.hour < $3 \
             AND r.merchant_id = $1 GROUP BY r.direction, r.event, r.country ORDER BY 1, 2, 3";
        let hour = |at: Timestamp| at.as_millis().div_euclid(HOUR_MS);
        let query = sqlx::query(text).bind(merchant).bind(hour(from)).bind(hour(until));
        let rows = query.fetch_all(self.pool()).await?;
        let read = |row: &AnyRow| {
            Ok(Rolled {
                direction: row.try_get(0)?,
                event: row.try_get(1)?,
                country: row.try_get(2)?,
                n: row.try_get(3)?,
                octets: row.try_get(4)?,
            })
        };
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// What a store was seen with.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn seen_with(&self, merchant: i64, most: i64) -> Result<Vec<SeenWith>, StoreFault> {
        let text = format!(
            "SELECT p.merchant_id, p.what, p.value, p.first_at, p.last_at, p.n, {NAME} FROM profile p WHERE p.merchant_id = $1 \
             ORDER BY p.what, p.n DESC, p.value LIMIT $2"
        );
        let rows = sqlx::query(AssertSqlSafe(text)).bind(merchant).bind(most).fetch_all(self.pool()).await?;
        rows.iter().map(read_seen).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Countries and networks with which stores were first seen since a time that were seen with others before it, the
    /// latest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn first_seen(
        &self,
        since: Timestamp,
        merchant: Option<i64>,
        most: i64,
    ) -> Result<Vec<SeenWith>, StoreFault> {
        let of = if merchant.is_some() { "p.merchant_id = $3 AND" } else { "" };
        let text = format!(
            "SELECT p.merchant_id, p.what, p.value, p.first_at, p.last_at, p.n, {NAME} FROM profile p \
             WHERE {of} p.last_at >= $1 AND p.first_at >= $1 AND p.what IN ('country', 'asn') AND EXISTS (SELECT 1 FROM profile q \
             WHERE q.merchant_id = p.merchant_id AND q.what = p.what AND q.first_at < $1) \
             ORDER BY p.first_at DESC, p.merchant_id, p.what, p.value LIMIT $2"
        );
        let query = sqlx::query(AssertSqlSafe(text)).bind(since.as_millis()).bind(most);
        let query = match merchant {
            Some(merchant) => query.bind(merchant),
            None => query,
        };
        let rows = query.fetch_all(self.pool()).await?;
        rows.iter().map(read_seen).collect::<Result<_, _>>().map_err(Into::into)
    }
}

fn read_seen(row: &AnyRow) -> Result<SeenWith, sqlx::Error> {
    Ok(SeenWith {
        merchant_id: row.try_get(0)?,
        what: row.try_get(1)?,
        value: row.try_get(2)?,
        first_at: Timestamp::from_millis(row.try_get(3)?),
        last_at: Timestamp::from_millis(row.try_get(4)?),
        n: row.try_get(5)?,
        name: row.try_get(6)?,
    })
}

#[cfg(test)]
mod tests;
