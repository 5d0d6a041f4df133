//! Answers of the API that are given again: one call, one answer, however often it is made with its idempotency key.
//!
//! Rules: whoever makes the row makes the call; the others wait, or get its answer. A row without an answer is of a process that works, or
//! of one that died: it is taken over after [`DEAD_MS`]. Rows are forgotten a day after they began.
//! When it fails: [`StoreFault`]; the call is not made.

use super::fault::StoreFault;
use super::handle::Store;
use crate::mail::Timestamp;
use crate::vault::Index;
use sqlx::{AnyConnection, Row};

/// How long an answer is kept, in milliseconds.
const KEPT_MS: i64 = 86_400_000;
/// A call takes no longer, in milliseconds.
const DEAD_MS: i64 = 300_000;

/// What is known of a call.
pub enum ApiCall {
    /// It is the caller's to make.
    Begun,
    /// Somebody makes it just now.
    UnderWay,
    /// The same key came with something else.
    Other,
    /// Its status, and its answer as it was sealed.
    Answered(i64, Vec<u8>),
}

/// Forgets what is a day old, at most so many. How many.
pub(super) async fn forget(
    connection: &mut AnyConnection,
    now: Timestamp,
    most: i64,
) -> Result<u64, sqlx::Error> {
    let text = "DELETE FROM api_reply WHERE call_idx IN (SELECT call_idx FROM api_reply WHERE at <= $1 ORDER BY at LIMIT $2)";
    let query = sqlx::query(text).bind(now.as_millis() - KEPT_MS).bind(most);
    Ok(query.execute(connection).await?.rows_affected())
}

impl Store {
    /// Begins a call, or finds what became of it.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn begin_api_call(
        &self,
        call: Index,
        what: Index,
        now: Timestamp,
    ) -> Result<ApiCall, StoreFault> {
        // What is over, and what nobody answers for, is as if it had never been.
        let text = "INSERT INTO api_reply (call_idx, what_idx, at) VALUES ($1, $2, $3) ON CONFLICT (call_idx) DO UPDATE \
             SET what_idx = excluded.what_idx, at = excluded.at, status = NULL, answer = NULL \
             WHERE api_reply.at <= $4 OR (api_reply.status IS NULL AND api_reply.at <= $5 \
             AND api_reply.what_idx = excluded.what_idx)";
        let begun = sqlx::query(text)
            .bind(call.as_bytes())
            .bind(what.as_bytes())
            .bind(now.as_millis())
            .bind(now.as_millis() - KEPT_MS)
            .bind(now.as_millis() - DEAD_MS)
            .execute(self.pool())
            .await?;
        if begun.rows_affected() == 1 {
            return Ok(ApiCall::Begun);
        }
        let text = "SELECT what_idx, status, answer FROM api_reply WHERE call_idx = $1";
        let row = sqlx::query(text).bind(call.as_bytes()).fetch_optional(self.pool()).await?;
        // It failed meanwhile, and is to be tried again.
        let Some(row) = row else { return Ok(ApiCall::UnderWay) };
        let own: Vec<u8> = row.try_get(0)?;
        if own != what.as_bytes() {
            return Ok(ApiCall::Other);
        }
        match (row.try_get(1)?, row.try_get(2)?) {
            (Some(status), Some(answer)) => Ok(ApiCall::Answered(status, answer)),
            _ => Ok(ApiCall::UnderWay),
        }
    }

    /// Keeps the answer of a call.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn keep_api_answer(&self, call: Index, status: i64, answer: &[u8]) -> Result<(), StoreFault> {
        let text = "UPDATE api_reply SET status = $1, answer = $2 WHERE call_idx = $3";
        sqlx::query(text).bind(status).bind(answer).bind(call.as_bytes()).execute(self.pool()).await?;
        Ok(())
    }

    /// Forgets a call that came to nothing: the next one is made anew.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn forget_api_call(&self, call: Index) -> Result<(), StoreFault> {
        let text = "DELETE FROM api_reply WHERE call_idx = $1 AND status IS NULL";
        sqlx::query(text).bind(call.as_bytes()).execute(self.pool()).await?;
        Ok(())
    }

    /// Has a token end, unless it ends before. Whether it stood.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn end_token(&self, token: i64, at: Timestamp) -> Result<bool, StoreFault> {
        let text = "UPDATE api_token SET ends_at = CASE WHEN ends_at IS NULL OR ends_at > $1 THEN $1 ELSE ends_at END \
             WHERE id = $2 AND revoked_at IS NULL";
        let done = sqlx::query(text).bind(at.as_millis()).bind(token).execute(self.pool()).await?;
        Ok(done.rows_affected() == 1)
    }
}
