//! Errands outside of the database that one process of several runs, kept among the guards, which forget them by themselves.
//!
//! Rules: who takes an errand has it until a time; then another may, for its process may be dead. One that is done stays done as
//! long as it is remembered. The row of a guard has here whether the errand is done.
//! When it fails: [`StoreFault`]; then nobody may run it, or it is run again.

use super::{Store, StoreFault};
use crate::mail::Timestamp;
use crate::vault::Index;
use sqlx::Row;

/// Whose an errand is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    /// It is this process's, until the time it asked for.
    Ours,
    /// Another process is at it.
    Theirs,
    Done,
}

impl Store {
    /// Takes an errand until a time, unless somebody has it or it is done.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn take_errand(
        &self,
        guard: &Index,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Errand, StoreFault> {
        let text = "INSERT INTO duplicate (guard_idx, message_id, expires_at) VALUES ($1, 0, $2) \
             ON CONFLICT (guard_idx) DO UPDATE SET message_id = 0, expires_at = excluded.expires_at \
             WHERE duplicate.expires_at <= $3";
        let taken = sqlx::query(text)
            .bind(guard.as_bytes())
            .bind(until.as_millis())
            .bind(now.as_millis())
            .execute(self.pool())
            .await?;
        if taken.rows_affected() == 1 {
            return Ok(Errand::Ours);
        }
        let text = "SELECT message_id FROM duplicate WHERE guard_idx = $1";
        let row = sqlx::query(text).bind(guard.as_bytes()).fetch_optional(self.pool()).await?;
        // Forgotten in between: whoever asks next gets it.
        let is_done = row.map(|row| row.try_get::<i64, _>(0)).transpose()? == Some(1);
        Ok(if is_done { Errand::Done } else { Errand::Theirs })
    }

    /// Ends an errand that is this process's: done, and remembered until a time; or not, and anybody's at once.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn end_errand(&self, guard: &Index, done_until: Option<Timestamp>) -> Result<(), StoreFault> {
        let text = "UPDATE duplicate SET message_id = $1, expires_at = $2 WHERE guard_idx = $3";
        sqlx::query(text)
            .bind(i64::from(done_until.is_some()))
            .bind(done_until.map_or(0, Timestamp::as_millis))
            .bind(guard.as_bytes())
            .execute(self.pool())
            .await?;
        Ok(())
    }
}
