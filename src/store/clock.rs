//! What is stored as a time of the clock, when the clock goes back: without this, mail that was due a moment ago would wait
//! until the clock is there again.
//!
//! Rules: turns and lanes become due at once, since a look finds out what is really due in them. Waiting deliveries come up
//! earlier by as much as the clock went back, so that the order and the back-off stay; two processes of one machine that both
//! do this bring some up too early, which costs an attempt. Leases are left alone: who holds one prolongs it by the new
//! clock. What is left of leases that nobody prolongs is ended by [`end_leases`], some time later.
//! When it fails: [`StoreFault`]; the caller tries again.

use super::fault::StoreFault;
use super::handle::Store;
use super::writer::{Change, Effect};
use crate::mail::Timestamp;
use sqlx::{AnyConnection, Row};
use std::time::Duration;

/// Most deliveries of one change.
const LOT: i64 = 5000;

/// The clock was at `was` and is at `now`, which is earlier.
#[derive(Debug, Clone, Copy)]
pub struct Rewind {
    pub was: Timestamp,
    pub now: Timestamp,
}

/// Makes turns and lanes due.
pub(super) async fn lanes(connection: &mut AnyConnection, now: Timestamp) -> Result<(), sqlx::Error> {
    for text in
        ["UPDATE turn SET due_at = $1 WHERE due_at > $1", "UPDATE lane SET due_at = $1 WHERE due_at > $1"]
    {
        sqlx::query(text).bind(now.as_millis()).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Brings up idle deliveries that come up at `from` or later; up to which time, where there may be more.
pub(super) async fn deliveries(
    connection: &mut AnyConnection,
    rewind: Rewind,
    from: Timestamp,
) -> Result<Option<Timestamp>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT id, next_at FROM delivery WHERE state = 'waiting' AND lease = 0 AND next_at >= $1 ORDER BY next_at LIMIT $2",
    )
    .bind(from.max(rewind.now).as_millis())
    .bind(LOT)
    .fetch_all(&mut *connection)
    .await?;
    let (now, by) = (rewind.now.as_millis(), rewind.was.as_millis().saturating_sub(rewind.now.as_millis()));
    let mut last = None;
    for row in &rows {
        let (id, next_at): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        last = Some(next_at);
        sqlx::query("UPDATE delivery SET next_at = $1 WHERE id = $2 AND lease = 0 AND state = 'waiting'")
            .bind(next_at.saturating_sub(by).max(now))
            .bind(id)
            .execute(&mut *connection)
            .await?;
    }
    let is_full = i64::try_from(rows.len()).is_ok_and(|count| count >= LOT);
    Ok(last.filter(|_| is_full).map(Timestamp::from_millis))
}

/// Ends leases that were taken before the clock went back and that nobody has prolonged since. How many.
pub(super) async fn end_leases(
    connection: &mut AnyConnection,
    now: Timestamp,
    longest: Duration,
) -> Result<u64, sqlx::Error> {
    let ended = sqlx::query(
        "UPDATE delivery SET next_at = $1 WHERE state = 'waiting' AND lease <> 0 AND next_at > $2",
    )
    .bind(now.as_millis())
    .bind(now.after(longest).as_millis())
    .execute(&mut *connection)
    .await?;
    Ok(ended.rows_affected())
}

impl Store {
    /// Brings up what waits, after the clock went back.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn rewind(&self, rewind: Rewind) -> Result<(), StoreFault> {
        let mut from = Some(rewind.now);
        while let Some(at) = from {
            from = match self.change(Change::Rewind { rewind, from: at }).await? {
                Effect::Rewound { next } => next,
                _ => None,
            };
        }
        self.ring();
        Ok(())
    }

    /// Ends leases that last for longer than `longest` from now. How many.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn end_leases(&self, now: Timestamp, longest: Duration) -> Result<u64, StoreFault> {
        let ended = self.count(Change::EndLeases { now, longest }).await?;
        self.ring();
        Ok(ended)
    }
}
