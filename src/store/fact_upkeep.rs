//! What becomes of facts later: erased with a person, destroyed with their records, counts and keys of quarters at the end of their
//! periods.
//!
//! Rules: a fact never outlives its record, but where a process of a version before facts destroyed that: what is then left goes once
//! every period is over. A key of a quarter is destroyed when no fact of the quarter is left, so what a hold keeps keeps it.
//! When it fails: [`StoreFault`]; it is done again.

use super::fault::StoreFault;
use super::handle::Store;
use super::ids;
use super::retention::DAY_MS;
use crate::mail::Timestamp;
use crate::vault::quarter_begins;
use sqlx::{AnyConnection, AssertSqlSafe};

/// Rows of one step.
const STEP: i64 = 2000;
/// Most steps of a round.
const STEPS: usize = 20;
/// Hours of counts that one step forgets.
const HOURS: i64 = 24;

/// All numbers of a fact, and what was made of them.
const CLEARED: &str = "from_k = NULL, author_k = NULL, reply_k = NULL, to_k = NULL, rcpt_k = NULL, order_k = NULL, \
    login_k = NULL, msgid_k = NULL, sent_id_k = NULL, answers_k = NULL, ip_k = NULL, net_k = NULL, origin_k = NULL, \
    peer_dom_k = NULL, author_dom_k = NULL, from_dom_k = NULL, dkim_dom_k = NULL, mailer_k = NULL, proof = NULL";
/// The columns with numbers of addresses, each with an index. `to_k` has a real one where mail to it was refused.
const ADDRESSES: [&str; 5] = ["from_k", "author_k", "reply_k", "to_k", "rcpt_k"];
/// Days of ids that one transaction clears: PostgreSQL locks each partition with each of its indexes (docs/postgresql.md).
const CLEARED_DAYS: i64 = 31;
/// How far the id of a fact may lie outside of the quarter whose key made its numbers: a day is more than any clock may be off.
const BESIDE_MS: i64 = DAY_MS;

/// Facts are those with ids from the first on, before the second. These stand in the text, since PostgreSQL leaves out the other
/// partitions, and takes no locks of them, only where it knows the ids as it plans.
type Ids = (i64, i64);

/// Takes all numbers out of the facts of a conversation, and out of their attachments, but for what a hold keeps.
pub(super) async fn clear_conversation(
    connection: &mut AnyConnection,
    ids: Ids,
    conversation: i64,
) -> Result<(), sqlx::Error> {
    clear(connection, ids, "t.conversation_id", conversation).await
}

/// The same of facts whose records are sealed with a key.
pub(super) async fn clear_sealed_with(
    connection: &mut AnyConnection,
    (from, until): Ids,
    key: i64,
) -> Result<(), sqlx::Error> {
    let own = format!("(SELECT id FROM record WHERE id >= {from} AND id < {until} AND data_key_id = $1)");
    for text in [
        format!("UPDATE fact_file SET hash_k = NULL WHERE fact_id IN {own}"),
        format!("UPDATE fact SET {CLEARED} WHERE id >= {from} AND id < {until} AND id IN {own}"),
    ] {
        sqlx::query(AssertSqlSafe(text)).bind(key).execute(&mut *connection).await?;
    }
    Ok(())
}

/// The same of facts that have one of these numbers as somebody's address, but for what a hold keeps.
pub(super) async fn clear_numbers(
    connection: &mut AnyConnection,
    ids: Ids,
    numbers: impl Iterator<Item = i64>,
) -> Result<(), sqlx::Error> {
    for number in numbers {
        for column in ADDRESSES {
            clear(connection, ids, &format!("t.{column}"), number).await?;
        }
    }
    Ok(())
}

async fn clear(
    connection: &mut AnyConnection,
    (from, until): Ids,
    column: &str,
    value: i64,
) -> Result<(), sqlx::Error> {
    let held = super::retention_parts::HELD_RECORD;
    let own = format!("t.id >= {from} AND t.id < {until} AND {column} = $1 AND NOT {held}");
    for text in [
        format!("UPDATE fact_file SET hash_k = NULL WHERE fact_id IN (SELECT t.id FROM fact t WHERE {own})"),
        format!("UPDATE fact AS t SET {CLEARED} WHERE {own}"),
    ] {
        sqlx::query(AssertSqlSafe(text)).bind(value).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Destroys the facts of records that are destroyed: those after `from` up to `last` that are `of` this kind and `free`.
pub(super) async fn destroy(
    connection: &mut AnyConnection,
    (from, last): (i64, i64),
    of: &str,
    free: &str,
) -> Result<(), sqlx::Error> {
    for text in [
        format!("DELETE FROM fact AS t WHERE id > $1 AND id <= $2 AND {of} AND {free}"),
        "DELETE FROM fact_file WHERE fact_id > $1 AND fact_id <= $2 \
         AND NOT EXISTS (SELECT 1 FROM fact f WHERE f.id = fact_file.fact_id)"
            .to_owned(),
        "DELETE FROM detected WHERE record_id > $1 AND record_id <= $2 \
         AND NOT EXISTS (SELECT 1 FROM fact f WHERE f.id = detected.record_id)"
            .to_owned(),
    ] {
        sqlx::query(AssertSqlSafe(text)).bind(from).bind(last).execute(&mut *connection).await?;
    }
    Ok(())
}

impl Store {
    /// Takes the numbers out of all facts of these conversations, and of those with these numbers of quarters, but for what a hold
    /// keeps: month by month, each in a transaction of its own, since of all at once PostgreSQL would lock every partition. Doing it
    /// again does no harm.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer; then some months are done.
    pub(super) async fn clear_facts(
        &self,
        conversations: &[i64],
        numbers: &[(i64, i64)],
    ) -> Result<(), StoreFault> {
        // Where a quarter has no key (any more) its facts have no numbers.
        for row in self.periods(0, i64::MAX).await?.into_iter().filter(|row| !row.wrapped.is_empty()) {
            let until = quarter_begins(row.quarter + 1).as_millis() + BESIDE_MS;
            let mut from = quarter_begins(row.quarter).as_millis() - BESIDE_MS;
            while from < until {
                let end = until.min(from + CLEARED_DAYS * DAY_MS);
                let ids = (ids::floor(from), ids::floor(end));
                self.pool()
                    .bounded(async {
                        let mut transaction = self.pool().begin().await?;
                        for conversation in conversations {
                            clear_conversation(&mut transaction, ids, *conversation).await?;
                        }
                        let of = numbers.iter().filter(|(quarter, _)| *quarter == row.quarter);
                        clear_numbers(&mut transaction, ids, of.map(|(_, number)| *number)).await?;
                        transaction.commit().await?;
                        Ok(())
                    })
                    .await?;
                from = end;
            }
        }
        Ok(())
    }

    /// Forgets facts from before `before` whose records are gone, and what is usual for stores that was not seen since then. Whether
    /// nothing of it is left.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn forget_facts(&self, before: Timestamp) -> Result<bool, StoreFault> {
        let id = ids::floor(before.as_millis());
        for (text, before) in [
            (
                "DELETE FROM fact WHERE id IN (SELECT f.id FROM fact f WHERE f.id < $1 AND NOT EXISTS \
                 (SELECT 1 FROM record r WHERE r.id = f.id) ORDER BY f.id LIMIT $2) AND id < $1",
                id,
            ),
            (
                "DELETE FROM fact_file WHERE fact_id IN (SELECT l.fact_id FROM fact_file l WHERE l.fact_id < $1 AND NOT EXISTS \
                 (SELECT 1 FROM fact f WHERE f.id = l.fact_id) ORDER BY l.fact_id LIMIT $2) AND fact_id < $1",
                id,
            ),
            (
                "DELETE FROM detected WHERE record_id IN (SELECT d.record_id FROM detected d WHERE d.record_id < $1 AND NOT EXISTS \
                 (SELECT 1 FROM fact f WHERE f.id = d.record_id) ORDER BY d.record_id LIMIT $2) AND record_id < $1",
                id,
            ),
            (
                "DELETE FROM profile WHERE last_at < $1 AND last_at <= (SELECT MAX(p.last_at) FROM (SELECT last_at FROM profile \
                 ORDER BY last_at LIMIT $2) AS p)",
                before.as_millis(),
            ),
        ] {
            if !self.in_steps(text, before, STEP).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Forgets counts of hours that began before `before`.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn forget_rollups(&self, before: Timestamp) -> Result<(), StoreFault> {
        let hour = before.as_millis().div_euclid(3_600_000);
        let text = "DELETE FROM rollup WHERE hour < $1 AND hour <= (SELECT MIN(r.hour) FROM rollup r) + $2";
        self.in_steps(text, hour, HOURS).await.map(|_| ())
    }

    /// Does a step until one finds nothing, or there were many. Whether nothing is left.
    async fn in_steps(&self, text: &'static str, before: i64, limit: i64) -> Result<bool, StoreFault> {
        for _ in 0..STEPS {
            let done = sqlx::query(text).bind(before).bind(limit).execute(self.pool()).await?;
            if done.rows_affected() == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Destroys the keys of quarters that ended before `before` and of which no fact is left. How many.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn destroy_periods(&self, before: Timestamp) -> Result<u64, StoreFault> {
        let mut destroyed = 0;
        let last = crate::vault::quarter_of(before) - 1;
        for row in self.periods(0, last).await?.into_iter().filter(|row| !row.wrapped.is_empty()) {
            let [from, until] =
                [row.quarter, row.quarter + 1].map(|quarter| ids::floor(quarter_begins(quarter).as_millis()));
            // One statement: what is late for its quarter by a year and more has no numbers.
            let text = "UPDATE period_key SET wrapped = $1 WHERE id = $2 AND NOT EXISTS \
                 (SELECT 1 FROM fact WHERE id >= $3 AND id < $4)";
            let done = sqlx::query(text)
                .bind(&[][..])
                .bind(row.id)
                .bind(from)
                .bind(until)
                .execute(self.pool())
                .await?;
            destroyed += done.rows_affected();
        }
        Ok(destroyed)
    }
}
