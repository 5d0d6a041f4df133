//! Bodies that stay behind a delivery that has failed, so that it can be sent once more.
//!
//! Rules: a row says until when, and how often it was sent so; after [`TIMES`] no body is kept any more. Bodies of what was delivered or withdrawn are never kept. The
//! row goes with its message.
//! When it fails: the transaction it is part of does.

use super::batch::{lots, statement};
use super::engine::Engine;
use crate::mail::Timestamp;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

/// How often a message is sent once more at most: each time its next hop is tried anew, and its sender is told anew.
pub const TIMES: i64 = 3;

/// A body stays until then, if it may still be sent once more; else it goes now.
pub(super) async fn keep(
    connection: &mut AnyConnection,
    message: i64,
    until: Timestamp,
) -> Result<(), sqlx::Error> {
    let kept = sqlx::query(
        "INSERT INTO kept_body (message_id, until, times) VALUES ($1, $2, 0) \
         ON CONFLICT (message_id) DO UPDATE SET until = excluded.until WHERE kept_body.times < $3",
    )
    .bind(message)
    .bind(until.as_millis())
    .bind(TIMES)
    .execute(&mut *connection)
    .await?;
    if kept.rows_affected() == 0 { destroy(connection, &[message]).await } else { Ok(()) }
}

/// Takes a body back for its delivery. Whether it is there.
pub(super) async fn take(
    connection: &mut AnyConnection,
    message: i64,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let taken = sqlx::query(
        "UPDATE kept_body SET until = NULL, times = times + 1 WHERE message_id = $1 AND until > $2 \
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

/// A delivery that ended before a time goes, and with it a body that is kept still. `false`: it is sent once more by now, and stays.
pub(super) async fn end(
    connection: &mut AnyConnection,
    message: i64,
    (delivery, ended_before): (i64, Timestamp),
) -> Result<bool, sqlx::Error> {
    // It changes nothing, but has its lock.
    let text = "UPDATE kept_body SET times = times WHERE message_id = $1";
    sqlx::query(text).bind(message).execute(&mut *connection).await?;
    let text = "DELETE FROM delivery WHERE id = $1 AND ended_at <= $2";
    let gone =
        sqlx::query(text).bind(delivery).bind(ended_before.as_millis()).execute(&mut *connection).await?;
    if gone.rows_affected() == 0 {
        return Ok(false);
    }
    let text = "DELETE FROM kept_body WHERE message_id = $1";
    sqlx::query(text).bind(message).execute(&mut *connection).await?;
    destroy(connection, &[message]).await?;
    Ok(true)
}

/// Bodies go whose time is over, at most so many. How many went.
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
        // Who has it sent once more meanwhile has taken it.
        let text = "UPDATE kept_body SET until = NULL WHERE message_id = $1 AND until <= $2";
        let over = sqlx::query(text).bind(message).bind(now.as_millis()).execute(&mut *connection).await?;
        if over.rows_affected() > 0 {
            destroy(connection, &[message]).await?;
            gone += over.rows_affected();
        }
    }
    Ok(gone)
}
