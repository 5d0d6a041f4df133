//! What rules found: written beside facts, counted, and destroyed with them.
//!
//! When it fails: the transaction is rolled back, with the record; of what is read, [`StoreFault`].

use super::batch::{lots, statement};
use super::engine::Engine;
use super::fault::StoreFault;
use super::handle::Store;
use super::rows::NewRecord;
use crate::mail::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

/// A rule that a record fulfils.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDetection {
    pub rule: String,
    pub version: i64,
    /// What was done: shadow, rank, hold or refuse.
    pub mode: &'static str,
}

/// How often a rule found something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detected {
    pub rule: String,
    pub mode: String,
    pub n: i64,
}

/// Writes what rules found of records that are written.
pub(super) async fn write(connection: &mut AnyConnection, new: &[&NewRecord]) -> Result<(), sqlx::Error> {
    let found: Vec<(&NewRecord, &NewDetection)> =
        new.iter().flat_map(|new| new.fact.detected.iter().map(|found| (*new, found))).collect();
    for lot in lots(&found) {
        let text = statement(
            Engine::of(connection),
            "INSERT INTO detected (record_id, rule, version, at, merchant_id, mode) VALUES",
            "(?, ?, ?, ?, ?, ?)",
            lot.len(),
            "",
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for (new, found) in lot {
            query = query
                .bind(new.id)
                .bind(&found.rule)
                .bind(found.version)
                .bind(new.at.as_millis())
                .bind(new.merchant_id.unwrap_or(0))
                .bind(found.mode);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

impl Store {
    /// How often rules found something since a time, by rule and by what was done.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn detected_since(&self, since: Timestamp) -> Result<Vec<Detected>, StoreFault> {
        let text = "SELECT rule, mode, CAST(COUNT(*) AS BIGINT) FROM detected WHERE at >= $1 GROUP BY rule, mode ORDER BY 1, 2";
        let rows = sqlx::query(text).bind(since.as_millis()).fetch_all(self.pool()).await?;
        let read =
            |row: &AnyRow| Ok(Detected { rule: row.try_get(0)?, mode: row.try_get(1)?, n: row.try_get(2)? });
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }
}
