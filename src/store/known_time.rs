//! The last time that is known to have been: what a clock is held against that is ahead, also of a process that has
//! just begun.
//!
//! Rules: it goes forward; back only by the word of a person.
//! When it fails: [`StoreFault`]; then nothing is known, and nothing may be destroyed.

use super::engine::Engine;
use super::fault::StoreFault;
use super::handle::Store;
use crate::mail::Timestamp;
use sqlx::Row;

impl Store {
    /// What the database server's clock says; `None` where the database is a file of this machine.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn server_time(&self) -> Result<Option<Timestamp>, StoreFault> {
        if self.engine() == Engine::Sqlite {
            return Ok(None);
        }
        let text = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";
        let row = sqlx::query(text).fetch_one(self.pool()).await?;
        Ok(Some(Timestamp::from_millis(row.try_get(0)?)))
    }

    /// The last known time; `None` in a database in which nobody has kept house yet.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn known_time(&self) -> Result<Option<Timestamp>, StoreFault> {
        let text = "SELECT known_at FROM clock WHERE id = 1";
        let row = sqlx::query(text).fetch_optional(self.pool()).await?;
        row.map(|row| Ok(Timestamp::from_millis(row.try_get(0)?)))
            .transpose()
            .map_err(|error: sqlx::Error| error.into())
    }

    /// The time that a person has said it is, the last time that one had to.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn trusted_time(&self) -> Result<Option<Timestamp>, StoreFault> {
        let text = "SELECT trusted_at FROM clock WHERE id = 1 AND trusted_at IS NOT NULL";
        let row = sqlx::query(text).fetch_optional(self.pool()).await?;
        row.map(|row| Ok(Timestamp::from_millis(row.try_get(0)?)))
            .transpose()
            .map_err(|error: sqlx::Error| error.into())
    }

    /// Notes that it is this late now; an earlier time changes nothing.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn know_time(&self, now: Timestamp) -> Result<(), StoreFault> {
        sqlx::query(
            "INSERT INTO clock (id, known_at) VALUES (1, $1) \
             ON CONFLICT (id) DO UPDATE SET known_at = excluded.known_at WHERE clock.known_at < excluded.known_at",
        )
        .bind(now.as_millis())
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Sets the known time, by the word of a person.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn set_known_time(&self, now: Timestamp) -> Result<(), StoreFault> {
        sqlx::query(
            "INSERT INTO clock (id, known_at, trusted_at) VALUES (1, $1, $1) \
             ON CONFLICT (id) DO UPDATE SET known_at = excluded.known_at, trusted_at = excluded.trusted_at",
        )
        .bind(now.as_millis())
        .execute(self.pool())
        .await?;
        Ok(())
    }
}
