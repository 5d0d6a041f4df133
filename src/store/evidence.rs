//! What people are shown and sign: breaches, API tokens, and counts over a span of time.
//!
//! Rules: entries about a breach are added and never changed; what is known of it is what its entries say, the later ones over
//! the earlier.
//! When it fails: [`StoreFault`]; nothing was written.

use super::fault::StoreFault;
use super::handle::Store;
use super::ids;
use super::looks::{self, NewLook};
use super::parties::KeyRow;
use crate::mail::Timestamp;
use crate::vault::Sealed;
use sqlx::Row;
use sqlx::any::AnyRow;

/// An entry about a breach, to be kept.
pub struct NewBreachEntry {
    pub id: i64,
    pub breach_id: i64,
    pub at: Timestamp,
    pub data_key_id: i64,
    pub detail: Sealed,
}

/// An entry about a breach, as it is kept.
pub struct BreachEntryRow {
    pub id: i64,
    pub breach_id: i64,
    pub at: Timestamp,
    pub key: KeyRow,
    pub detail: Sealed,
}

/// An API token, as it is kept.
pub struct TokenRow {
    pub id: i64,
    pub scopes: String,
    pub label: Sealed,
    pub created_at: Timestamp,
    pub used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// Another has taken its place by then.
    pub ends_at: Option<Timestamp>,
}

/// How many of what is kept lie in a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Affected {
    pub records: i64,
    pub conversations: i64,
    /// Customers, each counted once for a store.
    pub customers: i64,
    pub stores: i64,
}

/// Looks of one kind with one end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookCount {
    pub purpose: String,
    pub kind: String,
    pub outcome: String,
    pub looks: i64,
    pub rows: i64,
}

impl Store {
    /// Keeps an entry about a breach, and the look that says so.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer; then neither is kept.
    pub async fn add_breach_entry(&self, look: &NewLook, new: &NewBreachEntry) -> Result<(), StoreFault> {
        self.save_announced().await?;
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                looks::add(&mut transaction, look).await?;
                let text = "INSERT INTO breach_entry (id, breach_id, at, data_key_id, detail) VALUES ($1, $2, $3, $4, $5)";
                sqlx::query(text)
                    .bind(new.id)
                    .bind(new.breach_id)
                    .bind(new.at.as_millis())
                    .bind(new.data_key_id)
                    .bind(new.detail.stored())
                    .execute(&mut *transaction)
                    .await?;
                transaction.commit().await?;
                Ok(())
            })
            .await
    }

    /// All entries about breaches, in the order in which they were made.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn breach_entries(&self) -> Result<Vec<BreachEntryRow>, StoreFault> {
        let text = "SELECT b.id, b.breach_id, b.at, b.data_key_id, k.wrapped, b.detail FROM breach_entry b \
             JOIN data_key k ON k.id = b.data_key_id ORDER BY b.id";
        let read = |row: &AnyRow| {
            Ok(BreachEntryRow {
                id: row.try_get(0)?,
                breach_id: row.try_get(1)?,
                at: Timestamp::from_millis(row.try_get(2)?),
                key: KeyRow { id: row.try_get(3)?, wrapped: row.try_get(4)? },
                detail: Sealed::from_stored(row.try_get(5)?),
            })
        };
        let rows = sqlx::query(text).fetch_all(self.pool()).await?;
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// All API tokens, the oldest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn tokens(&self) -> Result<Vec<TokenRow>, StoreFault> {
        let text =
            "SELECT id, scopes, label, created_at, used_at, revoked_at, ends_at FROM api_token ORDER BY id";
        let read = |row: &AnyRow| {
            let time =
                |at| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>, _>(at)?.map(Timestamp::from_millis));
            Ok(TokenRow {
                id: row.try_get(0)?,
                scopes: row.try_get(1)?,
                label: Sealed::from_stored(row.try_get(2)?),
                created_at: Timestamp::from_millis(row.try_get(3)?),
                used_at: time(4)?,
                revoked_at: time(5)?,
                ends_at: time(6)?,
            })
        };
        let rows = sqlx::query(text).fetch_all(self.pool()).await?;
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// How many credentials of stores stand.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn count_credentials(&self, now: Timestamp) -> Result<i64, StoreFault> {
        let text = "SELECT COUNT(*) FROM credential WHERE revoked_at IS NULL OR revoked_at > $1";
        Ok(sqlx::query(text).bind(now.as_millis()).fetch_one(self.pool()).await?.try_get(0)?)
    }

    /// Revokes an API token, and has nobody find it by its secret any more. Whether it stood.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn revoke_token(&self, token: i64, at: Timestamp) -> Result<bool, StoreFault> {
        // No index is so short.
        let text =
            "UPDATE api_token SET revoked_at = $1, token_idx = $3 WHERE id = $2 AND revoked_at IS NULL";
        let query = sqlx::query(text).bind(at.as_millis()).bind(token).bind(token.to_be_bytes().to_vec());
        let done = query.execute(self.pool()).await?;
        Ok(done.rows_affected() == 1)
    }

    /// Keeps when an API token was used.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn token_used(&self, token: i64, at: Timestamp) -> Result<(), StoreFault> {
        let text = "UPDATE api_token SET used_at = $1 WHERE id = $2";
        sqlx::query(text).bind(at.as_millis()).bind(token).execute(self.pool()).await?;
        Ok(())
    }

    /// How much of the log lies in a span of time, of one store or of all.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn affected(
        &self,
        merchant: Option<i64>,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Affected, StoreFault> {
        let text = "SELECT COUNT(*), COUNT(DISTINCT r.conversation_id), COUNT(DISTINCT c.customer_idx), \
             COUNT(DISTINCT r.merchant_id) FROM record r LEFT JOIN conversation c ON c.id = r.conversation_id \
             WHERE r.id >= $1 AND r.id < $2 AND ($3 = 0 OR r.merchant_id = $3)";
        let row = sqlx::query(text)
            .bind(ids::floor(from.as_millis()))
            .bind(ids::floor(until.as_millis()))
            .bind(merchant.unwrap_or_default())
            .fetch_one(self.pool())
            .await?;
        Ok(Affected {
            records: row.try_get(0)?,
            conversations: row.try_get(1)?,
            customers: row.try_get(2)?,
            stores: row.try_get(3)?,
        })
    }

    /// Looks in a span of time, by purpose, kind and outcome.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn look_counts(&self, from: Timestamp, until: Timestamp) -> Result<Vec<LookCount>, StoreFault> {
        let text = "SELECT purpose, kind, outcome, COUNT(*), CAST(SUM(rows) AS BIGINT) FROM look \
             WHERE id >= $1 AND id < $2 GROUP BY purpose, kind, outcome ORDER BY purpose, kind, outcome";
        let (from, until) = (ids::floor(from.as_millis()), ids::floor(until.as_millis()));
        let rows = sqlx::query(text).bind(from).bind(until).fetch_all(self.pool()).await?;
        let read = |row: &AnyRow| {
            Ok(LookCount {
                purpose: row.try_get(0)?,
                kind: row.try_get(1)?,
                outcome: row.try_get(2)?,
                looks: row.try_get(3)?,
                rows: row.try_get(4)?,
            })
        };
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Looks in a span of time after an id, in their order, at most `limit`.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn looks_after(
        &self,
        after: i64,
        since: Timestamp,
        limit: i64,
    ) -> Result<Vec<super::LookRow>, StoreFault> {
        let text = "SELECT l.id, l.at, l.purpose, l.kind, l.rows, l.outcome, l.request_id, l.data_key_id, k.wrapped, \
             l.detail FROM look l JOIN data_key k ON k.id = l.data_key_id \
             WHERE l.id > $1 ORDER BY l.id LIMIT $2";
        let rows = sqlx::query(text)
            .bind(after.max(ids::floor(since.as_millis())))
            .bind(limit)
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(super::looks::read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Events of the log in a span of time, and how often each was.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn event_counts(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<(String, i64)>, StoreFault> {
        let text =
            "SELECT event, COUNT(*) FROM record WHERE id >= $1 AND id < $2 GROUP BY event ORDER BY event";
        let (from, until) = (ids::floor(from.as_millis()), ids::floor(until.as_millis()));
        let rows = sqlx::query(text).bind(from).bind(until).fetch_all(self.pool()).await?;
        let read = |row: &AnyRow| Ok((row.try_get(0)?, row.try_get(1)?));
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Certificates of destruction in a span of time, by kind, and how many persons were erased.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn destruction_counts(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<(Vec<(String, i64)>, i64), StoreFault> {
        let (from, until) = (from.as_millis(), until.as_millis());
        let text =
            "SELECT kind, COUNT(*) FROM certificate WHERE at >= $1 AND at < $2 GROUP BY kind ORDER BY kind";
        let rows = sqlx::query(text).bind(from).bind(until).fetch_all(self.pool()).await?;
        let read = |row: &AnyRow| Ok((row.try_get(0)?, row.try_get(1)?));
        let kinds = rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?;
        let text = "SELECT COUNT(*) FROM erasure WHERE at >= $1 AND at < $2";
        let erased = sqlx::query(text).bind(from).bind(until).fetch_one(self.pool()).await?.try_get(0)?;
        Ok((kinds, erased))
    }
}
