//! Waiting deliveries that an operator wants tried now, and the word of it to all egress processes.
//!
//! Rules: what is under way is left alone, or the attempt would be doubled. What becomes due lowers its lanes in the same
//! transaction; which destinations are dead each process remembers by itself, so a [`RetryMark`] tells them whose rest is
//! over. Marks are written behind what they are about: a process that put a lane off meanwhile wakes it when it reads
//! the mark.
//! When it fails: [`StoreFault`]; what was done stays done, and rests without a mark end by themselves.

use super::batch::{lots, statement};
use super::engine::Engine;
use super::fault::StoreFault;
use super::handle::Store;
use super::rows::NewRecord;
use super::touched::Touched;
use super::writer::Change;
use crate::mail::Timestamp;
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use std::collections::HashSet;
use std::time::Duration;

/// How long a mark is kept: every process that runs has read it long before.
const KEPT: Duration = Duration::from_secs(600);
/// Most marks that are read at once, the newest.
const READ: i64 = 10_000;

/// The word that rests are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryMark {
    pub id: i64,
    /// Of one destination, or of every one.
    pub route: Option<i64>,
}

/// Makes idle deliveries due now. How many.
pub(super) async fn retry(
    connection: &mut AnyConnection,
    touched: &mut Touched<'_>,
    deliveries: &[i64],
    now: Timestamp,
) -> Result<u64, sqlx::Error> {
    let mut count = 0;
    for lot in lots(deliveries) {
        let text = statement(
            Engine::of(connection),
            "UPDATE delivery SET next_at = v.column2 FROM (VALUES",
            "(?, ?)",
            lot.len(),
            ") AS v WHERE delivery.id = v.column1 AND delivery.state = 'waiting' \
             AND (delivery.lease = 0 OR delivery.next_at <= v.column2) \
             RETURNING delivery.class, delivery.merchant_id, delivery.route",
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for delivery in lot {
            query = query.bind(*delivery).bind(now.as_millis());
        }
        for row in &query.fetch_all(&mut *connection).await? {
            touched.touch_row(row, 0, now)?;
            count += 1;
        }
    }
    Ok(count)
}

impl Store {
    /// Makes waiting deliveries due now that are not under way: a lot that one transaction bears. How many.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn retry(
        &self,
        deliveries: Vec<i64>,
        now: Timestamp,
        record: NewRecord,
    ) -> Result<u64, StoreFault> {
        let count = self.count(Change::Retry { deliveries, now, record: Box::new(record) }).await?;
        self.ring();
        Ok(count)
    }

    /// The routes of these deliveries whose lanes were put off beyond what is due in them: their destinations rest.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn resting(&self, deliveries: &[i64], now: Timestamp) -> Result<HashSet<i64>, StoreFault> {
        let mut routes = HashSet::new();
        for lot in lots(deliveries) {
            let tail = ") AND l.due_at > ? AND l.due_at > (SELECT MIN(w.next_at) FROM delivery w WHERE w.state = 'waiting' \
                 AND w.class = l.class AND w.merchant_id = l.merchant_id AND w.route = l.route)";
            let head = "SELECT DISTINCT d.route FROM delivery d JOIN lane l ON l.class = d.class \
                        AND l.merchant_id = d.merchant_id AND l.route = d.route WHERE d.id IN (";
            let text = statement(self.engine(), head, "?", lot.len(), tail);
            let mut query = sqlx::query(AssertSqlSafe(text));
            for delivery in lot {
                query = query.bind(*delivery);
            }
            for row in query.bind(now.as_millis()).fetch_all(self.pool()).await? {
                routes.insert(row.try_get(0)?);
            }
        }
        Ok(routes)
    }

    /// Tells all egress processes that the rests of these destinations are over, or of every one.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn mark_retry(&self, routes: Option<&[i64]>, now: Timestamp) -> Result<(), StoreFault> {
        let before = now.as_millis().saturating_sub(i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX));
        let marks: Vec<Option<i64>> =
            routes.map_or_else(|| vec![None], |routes| routes.iter().copied().map(Some).collect());
        let work = async {
            let mut transaction = self.pool().begin().await?;
            sqlx::query("DELETE FROM retry_mark WHERE at < $1")
                .bind(before)
                .execute(&mut *transaction)
                .await?;
            for route in marks {
                sqlx::query("INSERT INTO retry_mark (id, route, at) VALUES ($1, $2, $3)")
                    .bind(super::random_id())
                    .bind(route)
                    .bind(now.as_millis())
                    .execute(&mut *transaction)
                    .await?;
            }
            transaction.commit().await?;
            Ok(())
        };
        self.pool().bounded(work).await
    }

    /// The marks of the last minutes, at most 10,000.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn retry_marks(&self) -> Result<Vec<RetryMark>, StoreFault> {
        let rows = sqlx::query("SELECT id, route FROM retry_mark ORDER BY at DESC, id LIMIT $1")
            .bind(READ)
            .fetch_all(self.pool())
            .await?;
        rows.iter()
            .map(|row| Ok(RetryMark { id: row.try_get(0)?, route: row.try_get(1)? }))
            .collect::<Result<_, sqlx::Error>>()
            .map_err(Into::into)
    }
}
