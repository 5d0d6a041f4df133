//! Keys of quarters, wrapped: what numbers the values of facts (`vault::Period`).
//!
//! Rules: a quarter has one key, that of whoever made it first. A key that was destroyed leaves its row, so that nobody makes another
//! for the same quarter.
//! When it fails: [`StoreFault`].

use super::fault::StoreFault;
use super::handle::Store;
use crate::mail::Timestamp;
use sqlx::Row;
use sqlx::any::AnyRow;

/// A key to be kept.
pub struct NewPeriod {
    pub id: i64,
    pub quarter: i64,
    pub wrapped: Vec<u8>,
    pub at: Timestamp,
}

/// A key as it is kept.
pub struct PeriodRow {
    pub id: i64,
    pub quarter: i64,
    pub wrapped: Vec<u8>,
}

impl Store {
    /// The keys of these quarters, destroyed ones too.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn periods(&self, first: i64, last: i64) -> Result<Vec<PeriodRow>, StoreFault> {
        let text = "SELECT id, quarter, wrapped FROM period_key WHERE quarter >= $1 AND quarter <= $2 ORDER BY quarter";
        let rows = sqlx::query(text).bind(first).bind(last).fetch_all(self.pool()).await?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// The keys after `position`, by their ids.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn periods_after(&self, position: i64, limit: i64) -> Result<Vec<PeriodRow>, StoreFault> {
        let text = "SELECT id, quarter, wrapped FROM period_key WHERE id > $1 ORDER BY id LIMIT $2";
        let rows = sqlx::query(text).bind(position).bind(limit).fetch_all(self.pool()).await?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Keeps the key of a quarter, unless it has one.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn add_period(&self, new: &NewPeriod) -> Result<bool, StoreFault> {
        let text = "INSERT INTO period_key (id, quarter, wrapped, created_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (quarter) DO NOTHING";
        let added = sqlx::query(text)
            .bind(new.id)
            .bind(new.quarter)
            .bind(new.wrapped.as_slice())
            .bind(new.at.as_millis())
            .execute(self.pool())
            .await?;
        Ok(added.rows_affected() == 1)
    }
}

fn read(row: &AnyRow) -> Result<PeriodRow, sqlx::Error> {
    Ok(PeriodRow { id: row.try_get(0)?, quarter: row.try_get(1)?, wrapped: row.try_get(2)? })
}
