//! The spool: deliveries and their leases.
//!
//! # States
//!
//! A delivery is one row in one of five states. Beside it stand its message, the message's body while it may still be
//! needed, and one record for each thing that happened.
//!
//! | state | body | lease | what moves it |
//! |---|---|---|---|
//! | `waiting`, idle | there | 0 | time: it is leased once `next_at` has come |
//! | `waiting`, leased | there | a number, until `next_at` | its worker, or the end of the lease |
//! | `held` | there | 0 | a decision, or `expires_at` (`holds`) |
//! | `delivered` | gone | 0 | a bounce makes it `failed`; then the purge |
//! | `failed` | gone, or there until its time in `kept_body` | 0 | a ruling: it is sent once more; the purge |
//! | `dropped` | gone | 0 | the purge |
//!
//! # Walks
//!
//! | from | to | by | in one transaction with |
//! |---|---|---|---|
//! | nothing | `waiting`, `held` | `accept` | message, body, record, threads, guard, notices, lane |
//! | idle | leased | a look (`lanes`) | the attempt is counted; the lane goes to the end |
//! | leased, its end over | leased | a look | the attempt before is counted as doubtful |
//! | leased | leased | [`extend`], by its worker | nothing |
//! | leased | idle | [`settle`]: deferred | record, the notice of delay, lane |
//! | leased | `delivered`, `failed` | [`settle`] | record, notice, the body's end, or when that will be |
//! | leased | `held` | [`settle`]: the gate found something | record, notice |
//! | leased | `held` | a look: it can't be read, or its message or key is gone | nothing |
//! | idle | `held`, `dropped`, `failed` | a ruling (`holds`): operator, or expiry of what is not tried | record, notice |
//! | idle | idle, by another way | a ruling: the operator moves it | record, envelope, lane |
//! | idle | idle, due now | `retries`: the operator wants it tried | record, lane |
//! | `held` | `waiting`, `dropped` | a ruling | record, the envelope or the body's end, lane |
//! | `failed`, its body there | idle, its attempts forgotten | a ruling: the store wants it sent once more | record, lane |
//! | `delivered` | `failed` | [`bounced`] | record, notice |
//! | ended | nothing | [`purge`] | message |
//!
//! # Why a crash leaves a legal state
//!
//! Each walk is one transaction of the writer, so a crash before its commit leaves the state before, one after it the
//! state after, and there is none between. What a process knows that no row does is only what its attempt has done so
//! far. So of a process that dies at whatever instruction a leased row is left, `waiting`, and `next_at` says when it may
//! be leased again: at most one lease later. The lane's `due_at` is no later than that. Nothing has to be cleaned up.
//!
//! The attempt that was under way is repeated. Only one whose final dot was on the wire can have arrived (RFC 1047),
//! and nobody can tell; it is counted in `doubtful`, as is one whose answer to the dot never came. Its repetition has
//! the same octets, Message-ID included, so that the recipient's program can tell it is the same.
//!
//! Every settlement names its lease. A worker that was thought dead and comes back finds another number, or none, and
//! its settlement changes nothing but the log. A change is answered after its commit; a change whose answer was lost is
//! made again and finds the state it wanted (`settled_lease`), or is refused by the duplicate guard.

use super::accept;
use super::api_replies;
use super::batch::{lots, statement};
use super::blocks;
use super::engine::Engine;
use super::fault::StoreFault;
use super::handle::Store;
use super::ids;
use super::kept_bodies;
use super::lanes::Ask;
use super::parties::KeyRow;
use super::rows::{Bounced, Doubt, NewMessage, NewRecord, Next, Settlement};
use super::touched::Touched;
use super::webhook_events;
use crate::mail::Timestamp;
use crate::schedule::Class;
use crate::vault::Sealed;
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use std::collections::HashSet;

/// A delivery under a lease, with everything an attempt needs except the body.
pub struct Work {
    pub delivery_id: i64,
    pub message_id: i64,
    pub merchant_id: i64,
    pub conversation_id: Option<i64>,
    /// Its order number, where it still is.
    pub label: Option<Sealed>,
    pub route: i64,
    pub lease: i64,
    /// This attempt's number, from 1.
    pub attempt: i64,
    pub recipient: Sealed,
    pub envelope: Sealed,
    pub direction: String,
    pub class: Class,
    pub key: KeyRow,
    pub size: i64,
    pub received_at: Timestamp,
    pub expires_at: Timestamp,
    pub delay_noticed: bool,
    /// How often it had failed and the store had it sent once more.
    pub times: i64,
}

const WORK: &str = "SELECT d.id, d.message_id, m.merchant_id, m.conversation_id, d.route, d.attempts, d.recipient, \
    m.envelope, m.direction, m.data_key_id, k.wrapped, m.size, m.received_at, d.expires_at, d.delay_noticed_at, d.lease, \
    d.class, c.label, (SELECT t.times FROM kept_body t WHERE t.message_id = m.id) \
    FROM delivery d JOIN message m ON m.id = d.message_id JOIN data_key k ON k.id = m.data_key_id \
    LEFT JOIN conversation c ON c.id = m.conversation_id AND c.data_key_id = m.data_key_id ";

fn read_work(row: &sqlx::any::AnyRow) -> Result<Work, sqlx::Error> {
    Ok(Work {
        delivery_id: row.try_get(0)?,
        message_id: row.try_get(1)?,
        merchant_id: row.try_get(2)?,
        conversation_id: row.try_get(3)?,
        label: row.try_get::<Option<Vec<u8>>, _>(17)?.map(Sealed::from_stored),
        route: row.try_get(4)?,
        attempt: row.try_get(5)?,
        recipient: Sealed::from_stored(row.try_get(6)?),
        envelope: Sealed::from_stored(row.try_get(7)?),
        direction: row.try_get(8)?,
        key: KeyRow { id: row.try_get(9)?, wrapped: row.try_get(10)? },
        size: row.try_get(11)?,
        received_at: Timestamp::from_millis(row.try_get(12)?),
        expires_at: Timestamp::from_millis(row.try_get(13)?),
        delay_noticed: row.try_get::<Option<i64>, _>(14)?.is_some(),
        lease: row.try_get(15)?,
        class: row.try_get::<Option<i64>, _>(16)?.map_or(Class::Order, Class::of),
        times: row.try_get::<Option<i64>, _>(18)?.unwrap_or(0),
    })
}

/// What was just leased, and what of it can't be read: a row that does not decode, or whose message or data key is gone. Neither may
/// keep the others from being sent.
pub(super) async fn work(
    connection: &mut AnyConnection,
    leased: &[i64],
    lease: i64,
) -> Result<(Vec<Work>, Vec<i64>), sqlx::Error> {
    let mut found: Vec<Work> = Vec::with_capacity(leased.len());
    for lot in lots(leased) {
        let text = statement(Engine::of(connection), &format!("{WORK} WHERE d.id IN ("), "?", lot.len(), ")");
        let mut query = sqlx::query(AssertSqlSafe(text));
        for delivery in lot {
            query = query.bind(*delivery);
        }
        found.extend(query.fetch_all(&mut *connection).await?.iter().filter_map(|row| read_work(row).ok()));
    }
    found.retain(|work| work.lease == lease);
    if found.len() == leased.len() {
        return Ok((found, Vec::new()));
    }
    let read: HashSet<i64> = found.iter().map(|work| work.delivery_id).collect();
    let unreadable = leased.iter().copied().filter(|delivery| !read.contains(delivery)).collect();
    Ok((found, unreadable))
}

/// Holds what was leased and can't be read, for the operator: it would be leased again each minute. The messages, as far as they
/// are known.
pub(super) async fn hold_unreadable(
    connection: &mut AnyConnection,
    deliveries: &[i64],
    ask: &Ask,
) -> Result<Vec<i64>, sqlx::Error> {
    let mut messages = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        let held = sqlx::query(
            "UPDATE delivery SET state = 'held', held_for = 'fault', lease = 0, next_at = $1, attempts = attempts - 1 \
             WHERE id = $2 AND lease = $3 AND state = 'waiting' RETURNING message_id",
        )
        .bind(ask.now.as_millis())
        .bind(*delivery)
        .bind(ask.lease)
        .fetch_optional(&mut *connection)
        .await?;
        if let Some(row) = held {
            messages.push(row.try_get(0).unwrap_or_default());
        }
    }
    Ok(messages)
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

/// Writes the results of attempts. `false` where the lease was lost meanwhile: then only the record is kept, and not that either where the
/// same result was written before and its answer lost, nor of a hold, for which there may be no reason any more. What was delivered is
/// delivered, whoever has the lease by now: it must not be sent once more.
pub(super) async fn settle<'a>(
    connection: &mut AnyConnection,
    touched: &mut Touched<'a>,
    done: &[&'a Settlement],
) -> Result<Vec<bool>, sqlx::Error> {
    let held = write(connection, touched, done).await?;
    let effective = || done.iter().zip(&held).filter(|(_, held)| **held).map(|(done, _)| *done);
    let ended = effective().filter(|done| done.next.is_end() && done.keep_body.is_none());
    kept_bodies::destroy(connection, &ended.map(|done| done.message_id).collect::<Vec<_>>()).await?;
    for (done, until) in effective().filter_map(|done| Some((done, done.keep_body?))) {
        kept_bodies::keep(connection, done.message_id, until).await?;
    }
    blocks::mailboxes(connection, effective()).await?;
    let repeated = repeated(connection, done, &held).await?;
    let is_told = |(done, held): &(&&'a Settlement, &bool)| match done.next {
        _ if **held => true,
        // Who lost its lease may have found no body, since another delivered it.
        Next::Held { .. } => false,
        // Nor did it tell anybody of a delay.
        _ => (done.was_tried || done.next.is_end()) && !repeated.contains(&(done.delivery_id, done.lease)),
    };
    let told = done.iter().zip(&held).filter(is_told);
    let records: Vec<&NewRecord> = told.filter_map(|(done, _)| done.record.as_ref()).collect();
    accept::records(connection, touched, &records).await?;
    let notices: Vec<&NewMessage> = effective().filter_map(|done| done.notice.as_deref()).collect();
    accept::messages(connection, touched, &notices).await?;
    Ok(held)
}

/// Writes the states, and which of them counted. What is settled twice under one lease in one group is a repetition; of two holders of one
/// delivery the first one's word is written before the second's, so that each counts by its lease.
async fn write<'a>(
    connection: &mut AnyConnection,
    touched: &mut Touched<'a>,
    done: &[&'a Settlement],
) -> Result<Vec<bool>, sqlx::Error> {
    let mut seen = HashSet::new();
    let mut left: Vec<&'a Settlement> =
        done.iter().filter(|done| seen.insert((done.delivery_id, done.lease))).copied().collect();
    // Whoever says that it arrived is right, whatever another said before.
    left.sort_by_key(|done| !matches!(done.next, Next::Delivered));
    let mut counted = HashSet::new();
    while !left.is_empty() {
        let mut of_round = HashSet::new();
        let (round, later): (Vec<&'a Settlement>, Vec<&'a Settlement>) =
            left.into_iter().partition(|done| of_round.insert(done.delivery_id));
        let updated = write_round(connection, touched, &round).await?;
        counted.extend(
            round
                .iter()
                .filter(|done| updated.contains(&done.delivery_id))
                .map(|done| (done.delivery_id, done.lease)),
        );
        left = later;
    }
    // The first of those that are alike.
    Ok(done.iter().map(|done| counted.remove(&(done.delivery_id, done.lease))).collect())
}

/// Writes what became of deliveries, each of which is here once. Those of which it counted.
async fn write_round<'a>(
    connection: &mut AnyConnection,
    touched: &mut Touched<'a>,
    round: &[&'a Settlement],
) -> Result<HashSet<i64>, sqlx::Error> {
    let mut updated = HashSet::new();
    for lot in lots(round) {
        let text = statement(
            Engine::of(connection),
            "UPDATE delivery SET state = v.column3, next_at = v.column4, ended_at = v.column5, \
             last_status = v.column6, lease = 0, delay_noticed_at = COALESCE(delay_noticed_at, v.column7), \
             held_for = v.column8, expires_at = COALESCE(v.column9, expires_at), \
             look_at = CASE WHEN v.column7 IS NULL THEN look_at ELSE v.column10 END, doubtful = doubtful + v.column11, \
             attempts = attempts - v.column12, settled_lease = v.column2 \
             FROM (VALUES",
            "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            lot.len(),
            ") AS v WHERE delivery.id = v.column1 AND (delivery.lease = v.column2 OR v.column3 = 'delivered') \
             AND delivery.state = 'waiting' \
             RETURNING delivery.id, delivery.class, delivery.merchant_id, delivery.route, delivery.next_at, \
             delivery.state",
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
                .bind(done.late.map(|_| done.at.as_millis()))
                .bind(hold.map(|(why, _)| why))
                .bind(hold.map(|(_, until)| until.as_millis()))
                .bind(done.late.map(Timestamp::as_millis))
                .bind(i64::from(done.doubt == Doubt::Ambiguous))
                .bind(i64::from(!done.was_tried));
        }
        for row in query.fetch_all(&mut *connection).await? {
            updated.insert(row.try_get::<i64, _>(0)?);
            if row.try_get::<String, _>(5)? == "waiting" {
                touched.touch_row(&row, 1, Timestamp::from_millis(row.try_get(4)?))?;
            }
        }
    }
    Ok(updated)
}

/// Which of the settlements that changed nothing did so because they were written before: the answer to that was lost.
async fn repeated(
    connection: &mut AnyConnection,
    done: &[&Settlement],
    held: &[bool],
) -> Result<HashSet<(i64, i64)>, sqlx::Error> {
    let mut repeated = HashSet::new();
    for done in done.iter().zip(held).filter(|(_, held)| !**held).map(|(done, _)| done) {
        let row = sqlx::query("SELECT id FROM delivery WHERE id = $1 AND settled_lease = $2")
            .bind(done.delivery_id)
            .bind(done.lease)
            .fetch_optional(&mut *connection)
            .await?;
        if row.is_some() {
            repeated.insert((done.delivery_id, done.lease));
        }
    }
    Ok(repeated)
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
        // First what others lock first; and what was sent once more meanwhile stays.
        if kept_bodies::end(connection, message, (delivery, ended_before)).await? {
            sqlx::query("DELETE FROM message WHERE id = $1").bind(message).execute(&mut *connection).await?;
        }
    }
    let forgotten = sqlx::query(
        "DELETE FROM suppressed WHERE address_idx IN \
         (SELECT address_idx FROM suppressed WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
    )
    .bind(now.as_millis().saturating_sub(REMEMBERED_MS))
    .bind(PURGED)
    .execute(&mut *connection)
    .await?
    .rows_affected();
    let bodies = kept_bodies::forget(connection, now, PURGED).await?;
    let answers = api_replies::forget(connection, now, PURGED).await?;
    let told = webhook_events::forget(connection, ids::floor(now.as_millis() - TOLD_MS), PURGED).await?;
    let full = |rows: u64| i64::try_from(rows).is_ok_and(|rows| rows >= PURGED);
    Ok(full(guards)
        || full(forgotten)
        || full(answers)
        || full(bodies)
        || full(told)
        || full(u64::try_from(ended.len()).unwrap_or(u64::MAX)))
}

/// How long webhooks can be told an event once more, in milliseconds: 14 days.
const TOLD_MS: i64 = 14 * 86_400_000;
/// Most rows of a kind that one purge deletes.
const PURGED: i64 = 500;
/// How long after its end a suppression still counts as one failure before the next, in milliseconds: 30 days.
const REMEMBERED_MS: i64 = 30 * 86_400_000;

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

    /// Whether a delivery still has this lease.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn has_lease(&self, delivery: i64, lease: i64) -> Result<bool, StoreFault> {
        let text = "SELECT id FROM delivery WHERE id = $1 AND lease = $2 AND state = 'waiting'";
        let row = sqlx::query(text).bind(delivery).bind(lease).fetch_optional(self.pool()).await?;
        Ok(row.is_some())
    }

    /// The delivery that a return address names, with its message's envelope.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn delivered_work(&self, delivery: i64) -> Result<Option<Work>, StoreFault> {
        let row = sqlx::query(AssertSqlSafe(format!("{WORK} WHERE d.id = $1")))
            .bind(delivery)
            .fetch_optional(self.pool())
            .await?;
        row.as_ref().map(read_work).transpose().map_err(Into::into)
    }
}
