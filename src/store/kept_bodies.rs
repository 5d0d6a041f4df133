//! Bodies that stay behind a delivery that has failed, so that it can be sent once more.
//!
//! Rules: a row says until when; with it goes the body, and where the body goes for another reason the row is left to the purge. Bodies of
//! what was delivered or withdrawn are never kept.
//! When it fails: the transaction it is part of does.

use super::batch::{lots, statement};
use super::engine::Engine;
use crate::mail::Timestamp;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

/// A body stays until then.
pub(super) async fn keep(
    connection: &mut AnyConnection,
    message: i64,
    until: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO kept_body (message_id, until) VALUES ($1, $2) \
         ON CONFLICT (message_id) DO UPDATE SET until = excluded.until",
    )
    .bind(message)
    .bind(until.as_millis())
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes a body back for its delivery. Whether it is there.
pub(super) async fn take(
    connection: &mut AnyConnection,
    message: i64,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let taken = sqlx::query(
        "DELETE FROM kept_body WHERE message_id = $1 AND until > $2 \
         AND EXISTS (SELECT 1 FROM message_body b WHERE b.message_id = kept_body.message_id)",
    )
    .bind(message)
    .bind(now.as_millis())
    .execute(connection)
    .await?;
    Ok(taken.rows_affected() > 0)
}

/// Bodies go now.
pub(super) async fn destroy(connection: &mut AnyConnection, messages: &[i64]) -> Result<(), sqlx::Error> {
    for lot in lots(messages) {
        let head = "DELETE FROM message_body WHERE message_id IN (";
        let text = statement(Engine::of(connection), head, "?", lot.len(), ")");
        let mut query = sqlx::query(AssertSqlSafe(text));
        for message in lot {
            query = query.bind(*message);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Bodies go whose time is over, at most so many. How many rows went.
pub(super) async fn forget(
    connection: &mut AnyConnection,
    now: Timestamp,
    most: i64,
) -> Result<u64, sqlx::Error> {
    let due = sqlx::query("SELECT message_id FROM kept_body WHERE until <= $1 ORDER BY until LIMIT $2")
        .bind(now.as_millis())
        .bind(most)
        .fetch_all(&mut *connection)
        .await?;
    let mut gone = 0;
    for row in &due {
        let message: i64 = row.try_get(0)?;
        // Who has it sent once more meanwhile has taken the row.
        let taken = sqlx::query("DELETE FROM kept_body WHERE message_id = $1 AND until <= $2")
            .bind(message)
            .bind(now.as_millis())
            .execute(&mut *connection)
            .await?
            .rows_affected();
        if taken > 0 {
            destroy(connection, &[message]).await?;
            gone += taken;
        }
    }
    Ok(gone)
}
