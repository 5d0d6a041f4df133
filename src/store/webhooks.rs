//! Webhooks as they are kept, and what waits for each.
//!
//! Rules: who takes a delivery has it for a while (`next_at`), under a number of his own (`lease`); one that died needs no clean-up. An event
//! has a row for each webhook, which says what came of it, and is due again when somebody asks for it.
//! When it fails: [`StoreFault`].

use super::engine::Engine;
use super::fault::StoreFault;
use super::handle::Store;
use super::ids;
use super::parties::KeyRow;
use crate::mail::Timestamp;
use crate::vault::Sealed;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};
use std::time::Duration;

/// Rows of one statement: whoever writes mail waits for who holds more.
const LOT: i64 = 1000;
/// How long events stay.
const KEPT: Duration = Duration::from_secs(14 * 86_400);

/// Webhooks of an installation.
pub const WEBHOOKS_MAX: i64 = 20;

/// A webhook to be kept, with its secret.
pub struct NewWebhook {
    pub id: i64,
    pub data_key_id: i64,
    pub url: Sealed,
    pub secret: NewWebhookSecret,
    pub at: Timestamp,
}

/// A secret to be kept.
pub struct NewWebhookSecret {
    pub id: i64,
    pub data_key_id: i64,
    pub secret: Sealed,
}

/// A webhook that stands, and how its deliveries are.
pub struct WebhookRow {
    pub id: i64,
    pub key: KeyRow,
    pub url: Sealed,
    pub created_at: Timestamp,
    pub waiting: i64,
    /// Of those that wait and were tried: what came of the last.
    pub status: Option<String>,
    /// Given up, and asked for by nobody since.
    pub given_up: i64,
}

/// A secret that signs.
pub struct WebhookSecretRow {
    pub id: i64,
    pub key: KeyRow,
    pub secret: Sealed,
}

/// An event under a lease.
pub struct WebhookWork {
    pub event_id: i64,
    pub at: Timestamp,
    pub event: String,
    pub result: Option<String>,
    pub conversation: i64,
    pub message: i64,
    pub direction: String,
    pub lease: i64,
    pub attempts: i64,
}

/// How a delivery goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookNext {
    Taken,
    Again(Timestamp),
    GivenUp,
}

fn key(row: &AnyRow, at: usize) -> Result<KeyRow, sqlx::Error> {
    Ok(KeyRow { id: row.try_get(at)?, wrapped: row.try_get(at + 1)? })
}

impl Store {
    /// Keeps a webhook, unless there are too many. Whether it is kept.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn add_webhook(&self, new: &NewWebhook) -> Result<bool, StoreFault> {
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                let text = "INSERT INTO webhook (id, data_key_id, url, created_at) SELECT $1, $2, $3, $4 \
                     WHERE (SELECT COUNT(*) FROM webhook WHERE ended_at IS NULL) < $5";
                let added = sqlx::query(text)
                    .bind(new.id)
                    .bind(new.data_key_id)
                    .bind(new.url.stored())
                    .bind(new.at.as_millis())
                    .bind(WEBHOOKS_MAX)
                    .execute(&mut *transaction)
                    .await?;
                let text = "INSERT INTO webhook_secret (id, webhook_id, data_key_id, secret) VALUES ($1, $2, $3, $4)";
                if added.rows_affected() == 1 {
                    sqlx::query(text)
                        .bind(new.secret.id)
                        .bind(new.id)
                        .bind(new.secret.data_key_id)
                        .bind(new.secret.secret.stored())
                        .execute(&mut *transaction)
                        .await?;
                }
                transaction.commit().await?;
                Ok(added.rows_affected() == 1)
            })
            .await
    }

    /// Webhooks that stand, the oldest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn webhooks(&self) -> Result<Vec<WebhookRow>, StoreFault> {
        let text = "SELECT w.id, w.data_key_id, k.wrapped, w.url, w.created_at, \
             (SELECT COUNT(*) FROM webhook_delivery d WHERE d.webhook_id = w.id AND d.ended_at IS NULL), \
             (SELECT MAX(d.status) FROM webhook_delivery d WHERE d.webhook_id = w.id AND d.ended_at IS NULL), \
             (SELECT COUNT(*) FROM webhook_delivery d WHERE d.webhook_id = w.id AND d.ended_at IS NOT NULL \
             AND d.status NOT LIKE '2%') \
             FROM webhook w JOIN data_key k ON k.id = w.data_key_id WHERE w.ended_at IS NULL ORDER BY w.id";
        let read = |row: &AnyRow| {
            Ok(WebhookRow {
                id: row.try_get(0)?,
                key: key(row, 1)?,
                url: Sealed::from_stored(row.try_get(3)?),
                created_at: Timestamp::from_millis(row.try_get(4)?),
                waiting: row.try_get(5)?,
                status: row.try_get(6)?,
                given_up: row.try_get(7)?,
            })
        };
        let rows = sqlx::query(text).fetch_all(self.pool()).await?;
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Webhooks for which something is due.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn webhooks_due(&self, now: Timestamp) -> Result<Vec<(i64, KeyRow, Sealed)>, StoreFault> {
        let text = "SELECT w.id, w.data_key_id, k.wrapped, w.url FROM webhook w JOIN data_key k ON k.id = w.data_key_id \
             WHERE w.ended_at IS NULL AND EXISTS (SELECT 1 FROM webhook_delivery d WHERE d.webhook_id = w.id \
             AND d.ended_at IS NULL AND d.next_at <= $1) ORDER BY w.id";
        let rows = sqlx::query(text).bind(now.as_millis()).fetch_all(self.pool()).await?;
        let read = |row: &AnyRow| Ok((row.try_get(0)?, key(row, 1)?, Sealed::from_stored(row.try_get(3)?)));
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Ends a webhook, with what waits for it. Whether it stood.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn end_webhook(&self, id: i64, now: Timestamp) -> Result<bool, StoreFault> {
        let text = "UPDATE webhook SET ended_at = $1 WHERE id = $2 AND ended_at IS NULL";
        let done = sqlx::query(text).bind(now.as_millis()).bind(id).execute(self.pool()).await?;
        sqlx::query("DELETE FROM webhook_secret WHERE webhook_id = $1").bind(id).execute(self.pool()).await?;
        // In lots: the writer of mail waits for who holds rows for long.
        let text = "DELETE FROM webhook_delivery WHERE webhook_id = $1 AND event_id IN (SELECT d.event_id FROM webhook_delivery d \
             WHERE d.webhook_id = $1 ORDER BY d.event_id LIMIT $2)";
        while sqlx::query(text).bind(id).bind(LOT).execute(self.pool()).await?.rows_affected() > 0 {}
        Ok(done.rows_affected() == 1)
    }

    /// Gives a webhook that stands another secret; those of before sign until `ends_at`. Whether it stood.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn rotate_webhook(
        &self,
        id: i64,
        new: &NewWebhookSecret,
        ends_at: Timestamp,
    ) -> Result<bool, StoreFault> {
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                let text = "INSERT INTO webhook_secret (id, webhook_id, data_key_id, secret) SELECT $1, w.id, $2, $3 \
                     FROM webhook w WHERE w.id = $4 AND w.ended_at IS NULL";
                let added = sqlx::query(text)
                    .bind(new.id)
                    .bind(new.data_key_id)
                    .bind(new.secret.stored())
                    .bind(id)
                    .execute(&mut *transaction)
                    .await?;
                let text = "UPDATE webhook_secret SET ends_at = $1 WHERE webhook_id = $2 AND id <> $3 \
                     AND (ends_at IS NULL OR ends_at > $1)";
                if added.rows_affected() == 1 {
                    let query = sqlx::query(text).bind(ends_at.as_millis()).bind(id).bind(new.id);
                    query.execute(&mut *transaction).await?;
                }
                transaction.commit().await?;
                Ok(added.rows_affected() == 1)
            })
            .await
    }

    /// Secrets that sign for a webhook, the newest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn webhook_secrets(
        &self,
        id: i64,
        now: Timestamp,
    ) -> Result<Vec<WebhookSecretRow>, StoreFault> {
        let text = "SELECT s.id, s.data_key_id, k.wrapped, s.secret FROM webhook_secret s \
             JOIN data_key k ON k.id = s.data_key_id WHERE s.webhook_id = $1 AND (s.ends_at IS NULL OR s.ends_at > $2) \
             ORDER BY s.id DESC LIMIT 4";
        let rows = sqlx::query(text).bind(id).bind(now.as_millis()).fetch_all(self.pool()).await?;
        let read = |row: &AnyRow| {
            let secret = Sealed::from_stored(row.try_get(3)?);
            Ok(WebhookSecretRow { id: row.try_get(0)?, key: key(row, 1)?, secret })
        };
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Makes all events of a webhook in a span of time due once more. `None`: there is no such webhook; else how many.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn replay_webhook(
        &self,
        id: i64,
        (from, until): (Timestamp, Timestamp),
        now: Timestamp,
    ) -> Result<Option<u64>, StoreFault> {
        let text = "INSERT INTO webhook_delivery (webhook_id, event_id, next_at, lease, attempts) \
             SELECT w.id, e.id, $1, 0, 0 FROM webhook w CROSS JOIN webhook_event e \
             WHERE w.id = $2 AND w.ended_at IS NULL AND e.id >= $3 AND e.id <= $4 AND e.at >= $5 AND e.at < $6 \
             ON CONFLICT (webhook_id, event_id) DO UPDATE \
             SET next_at = excluded.next_at, lease = 0, attempts = 0, status = NULL, ended_at = NULL";
        let ahead = "SELECT id FROM webhook_event WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3";
        // Ids begin with their time, give or take an hour. The oldest may just be forgotten.
        let hour = 3_600_000;
        let from = from.max(now.before(KEPT).after(Duration::from_secs(3600)));
        // What comes while it runs is posted in any case.
        let until = until.min(now);
        let mut next = ids::floor(from.as_millis().saturating_sub(hour));
        let end = ids::floor(until.as_millis().saturating_add(hour));
        let mut replayed = 0;
        loop {
            let rows = sqlx::query(ahead).bind(next).bind(end).bind(LOT).fetch_all(self.pool()).await?;
            let Some(last) = rows.last() else { break };
            let last: i64 = last.try_get(0)?;
            let query = sqlx::query(text).bind(now.as_millis()).bind(id).bind(next).bind(last);
            let query = query.bind(from.as_millis()).bind(until.as_millis());
            replayed += query.execute(self.pool()).await?.rows_affected();
            next = last + 1;
            if i64::try_from(rows.len()).is_ok_and(|read| read < LOT) {
                break;
            }
        }
        let text = "SELECT id FROM webhook WHERE id = $1 AND ended_at IS NULL";
        let stands = sqlx::query(text).bind(id).fetch_optional(self.pool()).await?.is_some();
        Ok(stands.then_some(replayed))
    }

    /// Takes due events of a webhook until `until`, at most so many, the longest waiting first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn claim_webhook(
        &self,
        id: i64,
        (now, until): (Timestamp, Timestamp),
        most: i64,
    ) -> Result<Vec<WebhookWork>, StoreFault> {
        let lock = match self.engine() {
            Engine::Sqlite => "",
            Engine::Postgres => "FOR UPDATE SKIP LOCKED",
        };
        let lease = super::random_id().max(1);
        let text = format!(
            "UPDATE webhook_delivery SET next_at = $1, lease = $2, attempts = attempts + 1 WHERE webhook_id = $3 \
             AND event_id IN (SELECT event_id FROM webhook_delivery WHERE webhook_id = $3 AND ended_at IS NULL \
             AND next_at <= $4 ORDER BY next_at, event_id LIMIT $5 {lock})"
        );
        let taken = sqlx::query(AssertSqlSafe(text))
            .bind(until.as_millis())
            .bind(lease)
            .bind(id)
            .bind(now.as_millis())
            .bind(most)
            .execute(self.pool())
            .await?;
        if taken.rows_affected() == 0 {
            return Ok(Vec::new());
        }
        let text = "SELECT e.id, e.at, e.event, e.result, e.conversation_id, e.message_id, e.direction, d.attempts \
             FROM webhook_delivery d JOIN webhook_event e ON e.id = d.event_id \
             WHERE d.webhook_id = $1 AND d.lease = $2 AND d.ended_at IS NULL ORDER BY e.id";
        let rows = sqlx::query(text).bind(id).bind(lease).fetch_all(self.pool()).await?;
        let read = |row: &AnyRow| {
            Ok(WebhookWork {
                event_id: row.try_get(0)?,
                at: Timestamp::from_millis(row.try_get(1)?),
                event: row.try_get(2)?,
                result: row.try_get(3)?,
                conversation: row.try_get(4)?,
                message: row.try_get(5)?,
                direction: row.try_get(6)?,
                lease,
                attempts: row.try_get(7)?,
            })
        };
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Writes what came of one, unless somebody else has it by now.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer; then it is told once more.
    pub async fn settle_webhook(
        &self,
        id: i64,
        work: &WebhookWork,
        (next, status): (WebhookNext, &str),
        now: Timestamp,
    ) -> Result<(), StoreFault> {
        let next_at = if let WebhookNext::Again(at) = next { at } else { now };
        let ended = (!matches!(next, WebhookNext::Again(_))).then_some(now.as_millis());
        let text = "UPDATE webhook_delivery SET next_at = $1, status = $2, ended_at = $3, lease = 0 \
             WHERE webhook_id = $4 AND event_id = $5 AND lease = $6";
        sqlx::query(text)
            .bind(next_at.as_millis())
            .bind(status)
            .bind(ended)
            .bind(id)
            .bind(work.event_id)
            .bind(work.lease)
            .execute(self.pool())
            .await?;
        Ok(())
    }
}
