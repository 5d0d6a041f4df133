//! What was counted of the log, by hour, read over a span: of all stores, or of one.
//!
//! Rules: reads `rollup` alone, a span at a time, so that its asker says how far it is and stops where it likes. What came late for
//! its hour is in it as soon as it was written.
//! When it fails: [`StoreFault`].

use super::fault::StoreFault;
use super::handle::Store;
use sqlx::Row;
use sqlx::any::AnyRow;

/// What was counted of one kind of event in a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    pub direction: String,
    pub event: String,
    pub country: String,
    pub result: String,
    pub n: i64,
    pub octets: i64,
}

/// How much there was of one store in a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedOfStore {
    /// 0: none is known.
    pub merchant_id: i64,
    pub n: i64,
    pub octets: i64,
}

const WHAT: &str = "r.direction, r.event, r.country, r.result, CAST(SUM(r.n) AS BIGINT), \
    CAST(SUM(r.octets) AS BIGINT)";
const BY: &str = "GROUP BY r.direction, r.event, r.country, r.result";

impl Store {
    /// The first hour of which anything was counted, since 1970, UTC.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn first_counted(&self) -> Result<Option<i64>, StoreFault> {
        let row = sqlx::query("SELECT MIN(hour) FROM rollup").fetch_one(self.pool()).await?;
        Ok(row.try_get(0)?)
    }

    /// What was counted from one hour until before another (since 1970, UTC), of a store where one is named.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn counted_by_kind(
        &self,
        merchant: Option<i64>,
        from: i64,
        until: i64,
    ) -> Result<Vec<Counted>, StoreFault> {
        let rows = match merchant {
            None => {
                let text = format!("SELECT {WHAT} FROM rollup r WHERE r.hour >= $1 AND r.hour < $2 {BY}");
                let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(from).bind(until);
                query.fetch_all(self.pool()).await?
            }
            Some(merchant) => {
                // The key begins with the hour: a look for each of them reads the store's rows alone, not those of all stores.
                let text = format!(
                    "WITH RECURSIVE h (hour) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT h.hour + 1 FROM h \
                     WHERE h.hour + 1 < $2) SELECT {WHAT} FROM h CROSS JOIN rollup r WHERE r.hour = h.hour \
                     AND r.hour < $2 AND r.merchant_id = $3 {BY}"
                );
                let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(from).bind(until).bind(merchant);
                query.fetch_all(self.pool()).await?
            }
        };
        let read = |row: &AnyRow| {
            Ok(Counted {
                direction: row.try_get(0)?,
                event: row.try_get(1)?,
                country: row.try_get(2)?,
                result: row.try_get(3)?,
                n: row.try_get(4)?,
                octets: row.try_get(5)?,
            })
        };
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// How much there was of each store from one hour until before another (since 1970, UTC).
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn counted_by_store(&self, from: i64, until: i64) -> Result<Vec<CountedOfStore>, StoreFault> {
        let text = "SELECT merchant_id, CAST(SUM(n) AS BIGINT), CAST(SUM(octets) AS BIGINT) FROM rollup \
             WHERE hour >= $1 AND hour < $2 GROUP BY merchant_id";
        let rows = sqlx::query(text).bind(from).bind(until).fetch_all(self.pool()).await?;
        let read = |row: &AnyRow| {
            Ok(CountedOfStore { merchant_id: row.try_get(0)?, n: row.try_get(1)?, octets: row.try_get(2)? })
        };
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }
}
