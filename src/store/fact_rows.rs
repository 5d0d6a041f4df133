//! What a fact says in clear: to be held against its record, and shown beside it.
//!
//! When it fails: [`StoreFault`] where the database does not answer.

use super::fact_proofs::{Said, said_columns};
use super::fault::StoreFault;
use super::handle::Store;
use super::ids;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};
use std::collections::HashMap;

/// What a fact has in common with its record.
pub struct FactRow {
    pub id: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    pub event: String,
    pub merchant_id: Option<i64>,
    pub conversation_id: Option<i64>,
    pub message_id: Option<i64>,
    pub delivery_id: Option<i64>,
    /// The rest of it.
    pub said: Said,
}

/// Facts that one statement reads by their ids.
const LOT: usize = 500;

impl Store {
    /// Of facts, by their ids, direction, result and country.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn fact_words(&self, ids: &[i64]) -> Result<HashMap<i64, [Option<String>; 3]>, StoreFault> {
        let mut words = HashMap::with_capacity(ids.len());
        for lot in ids.chunks(LOT) {
            // The ids stand in the text, so that only their partitions are looked into.
            let ids: Vec<String> = lot.iter().map(i64::to_string).collect();
            let text =
                format!("SELECT id, direction, result, country FROM fact WHERE id IN ({})", ids.join(", "));
            let rows = sqlx::query(AssertSqlSafe(text)).persistent(false).fetch_all(self.pool()).await?;
            for row in rows {
                words.insert(row.try_get(0)?, [row.try_get(1)?, row.try_get(2)?, row.try_get(3)?]);
            }
        }
        Ok(words)
    }

    /// Facts from one id to before another, in order.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn fact_rows(&self, from: i64, to: i64, limit: i64) -> Result<Vec<FactRow>, StoreFault> {
        // The ids stand in the text: a statement that is prepared for any of them locks every partition.
        let text = format!(
            "SELECT id, at, event, merchant_id, conversation_id, message_id, delivery_id, {} FROM fact \
             WHERE id >= {from} AND id < {to} ORDER BY id LIMIT {limit}",
            said_columns()
        );
        let rows = sqlx::query(AssertSqlSafe(text)).persistent(false).fetch_all(self.pool()).await?;
        let Some(last) = rows.last() else { return Ok(Vec::new()) };
        let files = self.files_said(from, last.try_get(0).map_err(StoreFault::from)?).await?;
        let read = |row: &AnyRow| {
            Ok(FactRow {
                said: Said::read(row.try_get(0)?, row, 7, &files)?,
                id: row.try_get(0)?,
                at: row.try_get(1)?,
                event: row.try_get(2)?,
                merchant_id: row.try_get(3)?,
                conversation_id: row.try_get(4)?,
                message_id: row.try_get(5)?,
                delivery_id: row.try_get(6)?,
            })
        };
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// The first id of which each record has a fact: since this database has facts at all, or earlier, where a log was made for a time before.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn facts_since(&self) -> Result<i64, StoreFault> {
        let since = self.migrated_at(18).await?.unwrap_or(0);
        let since = ids::floor(since.saturating_add(1).saturating_mul(1000));
        // Of a log that was made for a time before; only partitions of before are looked into.
        let text = format!("SELECT MIN(id) FROM fact WHERE id < {since}");
        let row = sqlx::query(AssertSqlSafe(text)).persistent(false).fetch_one(self.pool()).await?;
        Ok(row.try_get::<Option<i64>, _>(0)?.unwrap_or(since))
    }
}
