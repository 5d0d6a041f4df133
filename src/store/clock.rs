//! What is stored as a time of the clock, when the clock goes back: without this, mail that was due a moment ago would wait
//! until the clock is there again.
//!
//! Rules: turns and lanes become due, each once, since a look finds out what is really due in them. Of the idle deliveries those
//! become due that were so by the clock as it was, and those that would wait for longer than any delivery does; the others
//! keep their time, so that none waits for longer than the longest back-off. Doing it again changes nothing, so it does
//! not matter how many processes see the clock go back, nor whether the others' did. Leases are left alone: who holds one
//! prolongs it by the new clock. What is left of leases that nobody prolongs is ended by [`end_leases`], some time later, and
//! on SQLite alone: there all processes have one clock.
//! When it fails: [`StoreFault`]; the caller tries again.

use super::fault::StoreFault;
use super::handle::Store;
use super::touched::Touched;
use super::writer::Change;
use crate::mail::Timestamp;
use sqlx::{AnyConnection, Row};
use std::time::Duration;

/// Most deliveries of one change, and most lanes.
const LOT: i64 = 5000;
const LANES: i64 = 20_000;

/// The clock was at `was` and is at `now`, which is earlier. No delivery waits for longer than `longest`.
#[derive(Debug, Clone, Copy)]
pub struct Rewind {
    pub was: Timestamp,
    pub now: Timestamp,
    pub longest: Duration,
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

/// A lane's place among all.
pub(super) type LaneKey = (i64, i64, i64);

/// Makes some lanes due: those after the first place, up to the second.
pub(super) async fn some_lanes(
    connection: &mut AnyConnection,
    (after, until): (LaneKey, LaneKey),
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let text = "UPDATE lane SET due_at = $1 WHERE due_at > $1 AND (class, merchant_id, route) > ($2, $3, $4) \
        AND (class, merchant_id, route) <= ($5, $6, $7)";
    let mut query = sqlx::query(text).bind(now.as_millis());
    for (class, merchant, route) in [after, until] {
        query = query.bind(class).bind(merchant).bind(route);
    }
    query.execute(connection).await?;
    Ok(())
}

/// A turn's place among all.
pub(super) type TurnKey = (i64, i64);

/// Makes some turns due: those after the first place, up to the second.
pub(super) async fn some_turns(
    connection: &mut AnyConnection,
    (after, until): (TurnKey, TurnKey),
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let text = "UPDATE turn SET due_at = $1 WHERE due_at > $1 AND (class, merchant_id) > ($2, $3) \
        AND (class, merchant_id) <= ($4, $5)";
    let mut query = sqlx::query(text).bind(now.as_millis());
    for (class, merchant) in [after, until] {
        query = query.bind(class).bind(merchant);
    }
    query.execute(connection).await?;
    Ok(())
}

/// Makes some idle deliveries due that should be, and their lanes. How many; none when all are.
pub(super) async fn deliveries(
    connection: &mut AnyConnection,
    touched: &mut Touched<'_>,
    rewind: Rewind,
) -> Result<u64, sqlx::Error> {
    let (now, never) = (rewind.now.as_millis(), i64::MAX);
    let mut done = 0;
    for (after, until) in
        [(now, rewind.was.as_millis()), (rewind.now.after(rewind.longest).as_millis(), never)]
    {
        // A lease may begin between finding a row and changing it.
        let changed = sqlx::query(
            "UPDATE delivery SET next_at = $1 WHERE state = 'waiting' AND lease = 0 AND id IN (SELECT id FROM delivery \
             WHERE state = 'waiting' AND lease = 0 AND next_at > $2 AND next_at <= $3 ORDER BY next_at LIMIT $4) \
             RETURNING class, merchant_id, route",
        )
        .bind(now)
        .bind(after)
        .bind(until)
        .bind(LOT)
        .fetch_all(&mut *connection)
        .await?;
        for row in &changed {
            touched.touch_row(row, 0, rewind.now)?;
        }
        done += changed.len() as u64;
    }
    Ok(done)
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
    // Their lanes may sleep until the leases would have been over.
    if ended.rows_affected() > 0 {
        lanes(connection, now).await?;
    }
    Ok(ended.rows_affected())
}

impl Store {
    /// Whether something waits for longer than any delivery does: the clock was ahead when that was written.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn waits_beyond(&self, longest: Timestamp) -> Result<bool, StoreFault> {
        let text = "SELECT COUNT(*) FROM (SELECT 1 FROM lane WHERE due_at > $1 LIMIT 1) AS found";
        let count: i64 =
            sqlx::query(text).bind(longest.as_millis()).fetch_one(self.pool()).await?.try_get(0)?;
        Ok(count > 0)
    }

    /// Makes some of what waits due, after the clock went back. How many; none when that is done.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn rewind(&self, rewind: Rewind) -> Result<u64, StoreFault> {
        let count = self.count(Change::Rewind(rewind)).await?;
        if count == 0 {
            self.wake_lanes(rewind.now).await?;
        }
        self.ring();
        Ok(count)
    }

    /// Makes all lanes and turns due, once and in lots: there may be millions.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn wake_lanes(&self, now: Timestamp) -> Result<(), StoreFault> {
        let next = "SELECT class, merchant_id, route FROM lane WHERE (class, merchant_id, route) > ($1, $2, $3) \
            ORDER BY class, merchant_id, route LIMIT 1 OFFSET $4";
        let (mut after, last) = ((i64::MIN, i64::MIN, i64::MIN), (i64::MAX, i64::MAX, i64::MAX));
        while after != last {
            let query = sqlx::query(next).bind(after.0).bind(after.1).bind(after.2).bind(LANES);
            let until = match query.fetch_optional(self.pool()).await? {
                Some(row) => (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?),
                None => last,
            };
            self.change(Change::WakeLanes { lanes: (after, until), now }).await?;
            after = until;
        }
        let next = "SELECT class, merchant_id FROM turn WHERE (class, merchant_id) > ($1, $2) \
            ORDER BY class, merchant_id LIMIT 1 OFFSET $3";
        let (mut after, last) = ((i64::MIN, i64::MIN), (i64::MAX, i64::MAX));
        while after != last {
            let query = sqlx::query(next).bind(after.0).bind(after.1).bind(LANES);
            let until = match query.fetch_optional(self.pool()).await? {
                Some(row) => (row.try_get(0)?, row.try_get(1)?),
                None => last,
            };
            self.change(Change::WakeTurns { turns: (after, until), now }).await?;
            after = until;
        }
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
