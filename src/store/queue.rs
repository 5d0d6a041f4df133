//! The spool: deliveries and their leases.
//!
//! A delivery is in one of five states: `waiting`, `delivered`, `failed`, `held`, `dropped`. Only `waiting` moves by
//! itself; what moves `held` stands in `holds`. A lease is no state: taking one counts the attempt, writes a lease number and moves `next_at` to the lease's
//! end, in one statement. Settling names the lease; if another has been taken since, the settlement changes nothing.
//! So a crash at any instruction leaves a `waiting` row whose `next_at` is at most one lease away: nothing has to be
//! cleaned up, and the attempt that was under way is the only one that can be repeated.

use super::accept;
use super::batch::{lots, statement};
use super::engine::Engine;
use super::fault::StoreFault;
use super::handle::Store;
use super::parties::KeyRow;
use super::rows::{Bounced, NewMessage, NewRecord, Next, Settlement};
use crate::mail::Timestamp;
use crate::vault::Sealed;
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use std::collections::HashSet;

/// A delivery under a lease, with everything an attempt needs except the body.
pub struct Work {
    pub delivery_id: i64,
    pub message_id: i64,
    pub merchant_id: i64,
    pub conversation_id: Option<i64>,
    pub route: i64,
    pub lease: i64,
    /// This attempt's number, from 1.
    pub attempt: i64,
    pub recipient: Sealed,
    pub envelope: Sealed,
    pub direction: String,
    pub key: KeyRow,
    pub size: i64,
    pub received_at: Timestamp,
    pub expires_at: Timestamp,
    pub delay_noticed: bool,
}

/// What `anshin queue list` asks for.
#[derive(Debug, Clone, Default)]
pub struct QueueFilter {
    /// A state, or all that have not ended.
    pub state: Option<String>,
    pub limit: i64,
}

/// A line of the queue.
pub struct QueueRow {
    pub delivery_id: i64,
    pub message_id: i64,
    pub merchant_id: i64,
    pub conversation_id: Option<i64>,
    pub direction: String,
    pub state: String,
    /// Why it is held: residue, document, operator or fault.
    pub held_for: Option<String>,
    pub attempts: i64,
    pub leased: bool,
    pub next_at: Timestamp,
    pub expires_at: Timestamp,
    pub received_at: Timestamp,
    pub last_status: Option<String>,
    pub size: i64,
}

/// How much is in which state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueTotals {
    pub state: String,
    pub held_for: Option<String>,
    pub count: i64,
    pub oldest_at: Option<Timestamp>,
}

pub(super) async fn claim(
    engine: Engine,
    connection: &mut AnyConnection,
    now: Timestamp,
    until: Timestamp,
    limit: i64,
    busy: &[i64],
    lease: i64,
) -> Result<Vec<Work>, sqlx::Error> {
    let lock = match engine {
        Engine::Sqlite => "",
        Engine::Postgres => "FOR UPDATE SKIP LOCKED",
    };
    let not_busy = if busy.is_empty() {
        String::new()
    } else {
        let places: Vec<String> = (0..busy.len()).map(|i| format!("${}", i + 5)).collect();
        format!("AND route NOT IN ({})", places.join(", "))
    };
    let text = format!(
        "UPDATE delivery SET attempts = attempts + 1, lease = $1, next_at = $2 WHERE id IN \
         (SELECT id FROM delivery WHERE state = 'waiting' AND next_at <= $3 {not_busy} ORDER BY next_at LIMIT $4 {lock}) \
         RETURNING id"
    );
    let mut query = sqlx::query(AssertSqlSafe(text))
        .bind(lease)
        .bind(until.as_millis())
        .bind(now.as_millis())
        .bind(limit);
    for route in busy {
        query = query.bind(*route);
    }
    if query.fetch_all(&mut *connection).await?.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(
        "SELECT d.id, d.message_id, m.merchant_id, m.conversation_id, d.route, d.attempts, d.recipient, m.envelope, \
         m.direction, m.data_key_id, k.wrapped, m.size, m.received_at, d.expires_at, d.delay_noticed_at \
         FROM delivery d JOIN message m ON m.id = d.message_id JOIN data_key k ON k.id = m.data_key_id \
         WHERE d.state = 'waiting' AND d.next_at = $1 AND d.lease = $2",
    )
    .bind(until.as_millis())
    .bind(lease)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Work {
                delivery_id: row.try_get(0)?,
                message_id: row.try_get(1)?,
                merchant_id: row.try_get(2)?,
                conversation_id: row.try_get(3)?,
                route: row.try_get(4)?,
                lease,
                attempt: row.try_get(5)?,
                recipient: Sealed::from_stored(row.try_get(6)?),
                envelope: Sealed::from_stored(row.try_get(7)?),
                direction: row.try_get(8)?,
                key: KeyRow { id: row.try_get(9)?, wrapped: row.try_get(10)? },
                size: row.try_get(11)?,
                received_at: Timestamp::from_millis(row.try_get(12)?),
                expires_at: Timestamp::from_millis(row.try_get(13)?),
                delay_noticed: row.try_get::<Option<i64>, _>(14)?.is_some(),
            })
        })
        .collect()
}

/// Makes a running lease longer. An attempt may take minutes; whoever runs it says so from time to time.
pub(super) async fn extend(
    connection: &mut AnyConnection,
    deliveries: &[(i64, i64)],
    until: Timestamp,
) -> Result<(), sqlx::Error> {
    for (delivery, lease) in deliveries {
        sqlx::query("UPDATE delivery SET next_at = $1 WHERE id = $2 AND lease = $3 AND state = 'waiting'")
            .bind(until.as_millis())
            .bind(*delivery)
            .bind(*lease)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Writes the results of attempts. `false` where the lease was lost meanwhile: then only the record is kept.
pub(super) async fn settle(
    connection: &mut AnyConnection,
    done: &[&Settlement],
) -> Result<Vec<bool>, sqlx::Error> {
    // One delivery settled twice in one group is a repetition: the second finds its lease gone.
    let mut seen = HashSet::new();
    let first: Vec<bool> = done.iter().map(|done| seen.insert(done.delivery_id)).collect();
    let once: Vec<&Settlement> =
        done.iter().zip(&first).filter(|(_, first)| **first).map(|(done, _)| *done).collect();
    let mut updated = HashSet::new();
    for lot in lots(&once) {
        let text = statement(
            "UPDATE delivery SET state = v.column3, next_at = v.column4, ended_at = v.column5, \
             last_status = v.column6, lease = 0, delay_noticed_at = COALESCE(delay_noticed_at, v.column7), \
             held_for = v.column8, expires_at = COALESCE(v.column9, expires_at) \
             FROM (VALUES",
            "(?, ?, ?, ?, ?, ?, ?, ?, ?)",
            lot.len(),
            ") AS v WHERE delivery.id = v.column1 AND delivery.lease = v.column2 AND delivery.state = 'waiting' \
             RETURNING delivery.id",
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for done in lot {
            let (state, next_at, hold) = match done.next {
                Next::Delivered => ("delivered", done.at, None),
                Next::Again(at) => ("waiting", at, None),
                Next::Failed => ("failed", done.at, None),
                Next::Held { why, until } => ("held", done.at, Some((why, until))),
            };
            query = query
                .bind(done.delivery_id)
                .bind(done.lease)
                .bind(state)
                .bind(next_at.as_millis())
                .bind(done.next.is_end().then(|| done.at.as_millis()))
                .bind(done.status.as_deref())
                .bind(done.delay_noticed.then(|| done.at.as_millis()))
                .bind(hold.map(|(why, _)| why))
                .bind(hold.map(|(_, until)| until.as_millis()));
        }
        for row in query.fetch_all(&mut *connection).await? {
            updated.insert(row.try_get::<i64, _>(0)?);
        }
    }
    let held: Vec<bool> =
        done.iter().zip(first).map(|(done, first)| first && updated.contains(&done.delivery_id)).collect();
    let effective = || done.iter().zip(&held).filter(|(_, held)| **held).map(|(done, _)| *done);
    let ended: Vec<i64> = effective().filter(|done| done.next.is_end()).map(|done| done.message_id).collect();
    for lot in lots(&ended) {
        let text = statement("DELETE FROM message_body WHERE message_id IN (", "?", lot.len(), ")");
        let mut query = sqlx::query(AssertSqlSafe(text));
        for message in lot {
            query = query.bind(*message);
        }
        query.execute(&mut *connection).await?;
    }
    let records: Vec<&NewRecord> = done.iter().map(|done| &done.record).collect();
    accept::records(connection, &records).await?;
    let notices: Vec<&NewMessage> = effective().filter_map(|done| done.notice.as_deref()).collect();
    accept::messages(connection, &notices).await?;
    Ok(held)
}

/// Marks a delivered message as bounced afterwards.
pub(super) async fn bounced(
    connection: &mut AnyConnection,
    delivery: i64,
    at: Timestamp,
    status: &str,
) -> Result<Bounced, sqlx::Error> {
    let updated = sqlx::query(
        "UPDATE delivery SET state = 'failed', ended_at = $1, last_status = $2 WHERE id = $3 AND state = 'delivered'",
    )
    .bind(at.as_millis())
    .bind(status)
    .bind(delivery)
    .execute(&mut *connection)
    .await?;
    if updated.rows_affected() > 0 {
        return Ok(Bounced::Delivered);
    }
    let waits = sqlx::query("SELECT id FROM delivery WHERE id = $1 AND state = 'waiting'")
        .bind(delivery)
        .fetch_optional(connection)
        .await?;
    Ok(if waits.is_some() { Bounced::Waiting } else { Bounced::Over })
}

/// Makes waiting deliveries due now: one by its message, or all. Returns how many.
pub(super) async fn retry(
    connection: &mut AnyConnection,
    message: Option<i64>,
    now: Timestamp,
) -> Result<u64, sqlx::Error> {
    // A lease that runs is left alone: the attempt it covers would be doubled.
    let text = "UPDATE delivery SET next_at = $1 WHERE state = 'waiting' AND (lease = 0 OR next_at <= $1)";
    let done = match message {
        Some(id) => {
            sqlx::query(AssertSqlSafe(format!("{text} AND message_id = $2")))
                .bind(now.as_millis())
                .bind(id)
                .execute(connection)
                .await?
        }
        None => sqlx::query(text).bind(now.as_millis()).execute(connection).await?,
    };
    Ok(done.rows_affected())
}

/// Forgets ended deliveries and duplicate guards whose time is over, at most [`PURGED`] of each, so that no purge holds
/// up the writer for long. Whether there may be more.
pub(super) async fn purge(
    connection: &mut AnyConnection,
    ended_before: Timestamp,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let guards = sqlx::query(
        "DELETE FROM duplicate WHERE guard_idx IN \
         (SELECT guard_idx FROM duplicate WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
    )
    .bind(now.as_millis())
    .bind(PURGED)
    .execute(&mut *connection)
    .await?
    .rows_affected();
    let ended = sqlx::query(
        "SELECT id, message_id FROM delivery WHERE ended_at IS NOT NULL AND ended_at <= $1 ORDER BY ended_at LIMIT $2",
    )
    .bind(ended_before.as_millis())
    .bind(PURGED)
    .fetch_all(&mut *connection)
    .await?;
    for row in &ended {
        let (delivery, message): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        sqlx::query("DELETE FROM delivery WHERE id = $1").bind(delivery).execute(&mut *connection).await?;
        sqlx::query("DELETE FROM message WHERE id = $1").bind(message).execute(&mut *connection).await?;
    }
    let full = |rows: u64| i64::try_from(rows).is_ok_and(|rows| rows >= PURGED);
    Ok(full(guards) || full(u64::try_from(ended.len()).unwrap_or(u64::MAX)))
}

/// Most rows of a kind that one purge deletes.
const PURGED: i64 = 500;

const QUEUE: &str = "SELECT d.id, d.message_id, m.merchant_id, m.conversation_id, m.direction, d.state, d.attempts, \
    d.lease, d.next_at, d.expires_at, m.received_at, d.last_status, m.size, d.held_for \
    FROM delivery d JOIN message m ON m.id = d.message_id ";

fn read_queue(row: &sqlx::any::AnyRow) -> Result<QueueRow, sqlx::Error> {
    Ok(QueueRow {
        delivery_id: row.try_get(0)?,
        message_id: row.try_get(1)?,
        merchant_id: row.try_get(2)?,
        conversation_id: row.try_get(3)?,
        direction: row.try_get(4)?,
        state: row.try_get(5)?,
        attempts: row.try_get(6)?,
        leased: row.try_get::<i64, _>(7)? != 0,
        next_at: Timestamp::from_millis(row.try_get(8)?),
        expires_at: Timestamp::from_millis(row.try_get(9)?),
        received_at: Timestamp::from_millis(row.try_get(10)?),
        last_status: row.try_get(11)?,
        size: row.try_get(12)?,
        held_for: row.try_get(13)?,
    })
}

impl Store {
    /// The sealed body of a message, if its delivery has not ended.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn body(&self, message: i64) -> Result<Option<Sealed>, StoreFault> {
        let row = sqlx::query("SELECT body FROM message_body WHERE message_id = $1")
            .bind(message)
            .fetch_optional(self.pool())
            .await?;
        row.map(|row| row.try_get(0).map(Sealed::from_stored)).transpose().map_err(Into::into)
    }

    /// The delivery that a return address names, with its message's envelope.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn delivered_work(&self, delivery: i64) -> Result<Option<Work>, StoreFault> {
        let row = sqlx::query(
            "SELECT d.id, d.message_id, m.merchant_id, m.conversation_id, d.route, d.attempts, d.recipient, m.envelope, \
             m.direction, m.data_key_id, k.wrapped, m.size, m.received_at, d.expires_at \
             FROM delivery d JOIN message m ON m.id = d.message_id JOIN data_key k ON k.id = m.data_key_id \
             WHERE d.id = $1",
        )
        .bind(delivery)
        .fetch_optional(self.pool())
        .await?;
        row.map(|row| {
            Ok(Work {
                delivery_id: row.try_get(0)?,
                message_id: row.try_get(1)?,
                merchant_id: row.try_get(2)?,
                conversation_id: row.try_get(3)?,
                route: row.try_get(4)?,
                lease: 0,
                attempt: row.try_get(5)?,
                recipient: Sealed::from_stored(row.try_get(6)?),
                envelope: Sealed::from_stored(row.try_get(7)?),
                direction: row.try_get(8)?,
                key: KeyRow { id: row.try_get(9)?, wrapped: row.try_get(10)? },
                size: row.try_get(11)?,
                received_at: Timestamp::from_millis(row.try_get(12)?),
                expires_at: Timestamp::from_millis(row.try_get(13)?),
                delay_noticed: true,
            })
        })
        .transpose()
        .map_err(|error: sqlx::Error| error.into())
    }

    /// Lines of the queue, oldest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn queue(&self, filter: &QueueFilter) -> Result<Vec<QueueRow>, StoreFault> {
        let rows = match &filter.state {
            Some(state) => {
                sqlx::query(AssertSqlSafe(format!("{QUEUE} WHERE d.state = $1 ORDER BY d.id LIMIT $2")))
                    .bind(state.as_str())
                    .bind(filter.limit)
                    .fetch_all(self.pool())
                    .await?
            }
            None => {
                sqlx::query(AssertSqlSafe(format!("{QUEUE} WHERE d.ended_at IS NULL ORDER BY d.id LIMIT $1")))
                    .bind(filter.limit)
                    .fetch_all(self.pool())
                    .await?
            }
        };
        rows.iter().map(read_queue).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// The lines of one message.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn queue_of_message(&self, message: i64) -> Result<Vec<QueueRow>, StoreFault> {
        let rows = sqlx::query(AssertSqlSafe(format!("{QUEUE} WHERE d.message_id = $1 ORDER BY d.id")))
            .bind(message)
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(read_queue).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// How many deliveries are in which state, and since when the oldest.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn queue_totals(&self) -> Result<Vec<QueueTotals>, StoreFault> {
        let rows = sqlx::query(
            "SELECT d.state, d.held_for, COUNT(*), MIN(m.received_at) FROM delivery d \
             JOIN message m ON m.id = d.message_id GROUP BY d.state, d.held_for ORDER BY d.state, d.held_for",
        )
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(QueueTotals {
                    state: row.try_get(0)?,
                    held_for: row.try_get(1)?,
                    count: row.try_get(2)?,
                    oldest_at: row.try_get::<Option<i64>, _>(3)?.map(Timestamp::from_millis),
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(Into::into)
    }
}
