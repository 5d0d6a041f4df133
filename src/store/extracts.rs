//! The register of extracts for others, and the keys of their pseudonyms.
//!
//! Rules: whoever gets several has one key, as long as one of them is good; it is destroyed with the last of them, for good
//! (`erased_key`), so that nobody can make the pseudonyms again, from any copy of the database. What is registered of one stays after its
//! end as long as the looks that led to it.
//! When it fails: [`StoreFault`].

use super::batch::{lots, statement};
use super::erased_keys::{Proves, destroy_key};
use super::fault::StoreFault;
use super::handle::Store;
use super::parties::KeyRow;
use super::retention_parts::HELD_LOOK;
use super::rows::NewKey;
use crate::mail::Timestamp;
use crate::vault::{Index, Sealed};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

/// An extract that begins.
pub struct NewExtract {
    pub id: i64,
    pub at: Timestamp,
    pub expires_at: Timestamp,
    /// rows or counts.
    pub kind: &'static str,
    pub recipient_idx: Index,
    pub data_key_id: i64,
    /// That key, where it is new.
    pub key: Option<NewKey>,
    pub sealed_by: i64,
    pub detail: Sealed,
}

/// An extract as it is registered.
pub struct ExtractRow {
    pub id: i64,
    pub at: Timestamp,
    pub expires_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub kind: String,
    pub key: KeyRow,
    pub detail: Sealed,
    pub sha256: Option<String>,
    pub rows: i64,
    pub left_out: i64,
}

/// An extract that is to end: the key of its pseudonyms, and what the register says of it.
pub struct EndingExtract {
    pub id: i64,
    pub data_key_id: i64,
    /// What seals the detail.
    pub key: KeyRow,
    pub detail: Sealed,
}

const EXTRACT: &str = "SELECT e.id, e.at, e.expires_at, e.ended_at, e.kind, e.sealed_by, k.wrapped, e.detail, e.sha256, e.rows, \
    e.left_out FROM extract e JOIN data_key k ON k.id = e.sealed_by ";
/// The keys of those that just ended which no other one has.
const NO_OTHER: &str = "SELECT DISTINCT e.data_key_id FROM extract e WHERE e.ended_at = $1 \
    AND NOT EXISTS (SELECT 1 FROM extract o WHERE o.data_key_id = e.data_key_id AND o.ended_at IS NULL) \
    AND NOT EXISTS (SELECT 1 FROM erased_key g WHERE g.data_key_id = e.data_key_id)";

fn read(row: &AnyRow) -> Result<ExtractRow, sqlx::Error> {
    let time = Timestamp::from_millis;
    Ok(ExtractRow {
        id: row.try_get(0)?,
        at: time(row.try_get(1)?),
        expires_at: time(row.try_get(2)?),
        ended_at: row.try_get::<Option<i64>, _>(3)?.map(time),
        kind: row.try_get(4)?,
        key: KeyRow { id: row.try_get(5)?, wrapped: row.try_get(6)? },
        detail: Sealed::from_stored(row.try_get(7)?),
        sha256: row.try_get(8)?,
        rows: row.try_get(9)?,
        left_out: row.try_get(10)?,
    })
}

impl Store {
    /// By which customer each of these conversations is, as far as they are there: the beginning of a keyed index of the store and
    /// the address, the same for all conversations of one customer with one store.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn customers_of(&self, conversations: &[i64]) -> Result<Vec<(i64, i64)>, StoreFault> {
        let mut found = Vec::with_capacity(conversations.len());
        for lot in lots(conversations) {
            let head = "SELECT id, customer_idx FROM conversation WHERE id IN (";
            let text = statement(self.engine(), head, "?", lot.len(), ")");
            let mut query = sqlx::query(AssertSqlSafe(text));
            for id in lot {
                query = query.bind(*id);
            }
            for row in query.fetch_all(self.pool()).await? {
                let index: Vec<u8> = row.try_get(1)?;
                if let Some(first) = index.first_chunk() {
                    found.push((row.try_get(0)?, i64::from_be_bytes(*first)));
                }
            }
        }
        Ok(found)
    }

    /// The key of somebody who has an extract that is good now.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn extract_key(&self, recipient: Index, now: Timestamp) -> Result<Option<KeyRow>, StoreFault> {
        let text = "SELECT k.id, k.wrapped FROM extract e JOIN data_key k ON k.id = e.data_key_id \
             WHERE e.recipient_idx = $1 AND e.ended_at IS NULL AND e.expires_at > $2 ORDER BY e.id DESC LIMIT 1";
        let query = sqlx::query(text).bind(recipient.as_bytes()).bind(now.as_millis());
        let row = query.fetch_optional(self.pool()).await?;
        row.map(|row| Ok(KeyRow { id: row.try_get(0)?, wrapped: row.try_get(1)? }))
            .transpose()
            .map_err(|error: sqlx::Error| error.into())
    }

    /// Registers an extract that begins, with its key.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer; then nothing is registered.
    pub async fn add_extract(&self, new: &NewExtract) -> Result<(), StoreFault> {
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                let text = "INSERT INTO extract (id, at, expires_at, kind, recipient_idx, data_key_id, sealed_by, detail, rows, \
                     left_out) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0)";
                sqlx::query(text)
                    .bind(new.id)
                    .bind(new.at.as_millis())
                    .bind(new.expires_at.as_millis())
                    .bind(new.kind)
                    .bind(new.recipient_idx.as_bytes())
                    .bind(new.data_key_id)
                    .bind(new.sealed_by)
                    .bind(new.detail.stored())
                    .execute(&mut *transaction)
                    .await?;
                if let Some(key) = &new.key {
                    super::accept::data_key(&mut transaction, key, new.at).await?;
                }
                transaction.commit().await?;
                Ok(())
            })
            .await
    }

    /// Notes what an extract became. `false`: it has ended meanwhile, or is none.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn finish_extract(
        &self,
        id: i64,
        sha256: &str,
        rows: i64,
        left_out: i64,
    ) -> Result<bool, StoreFault> {
        let text = "UPDATE extract SET sha256 = $1, rows = $2, left_out = $3 WHERE id = $4 AND ended_at IS NULL \
             AND sha256 IS NULL";
        let query = sqlx::query(text).bind(sha256).bind(rows).bind(left_out).bind(id);
        Ok(query.execute(self.pool()).await?.rows_affected() > 0)
    }

    /// The last extracts, the latest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn extracts(&self, limit: i64) -> Result<Vec<ExtractRow>, StoreFault> {
        let text = format!("{EXTRACT} ORDER BY e.id DESC LIMIT $1");
        let rows = sqlx::query(AssertSqlSafe(text)).bind(limit).fetch_all(self.pool()).await?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// The extract whose file has this hash, in hexadecimal digits: of several that are the same one that has not ended, the last.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn extract_with(&self, sha256: &str) -> Result<Option<ExtractRow>, StoreFault> {
        let text = format!(
            "{EXTRACT} WHERE e.sha256 = $1 ORDER BY CASE WHEN e.ended_at IS NULL THEN 0 ELSE 1 END, e.id DESC LIMIT 1"
        );
        let row = sqlx::query(AssertSqlSafe(text)).bind(sha256).fetch_optional(self.pool()).await?;
        row.as_ref().map(read).transpose().map_err(Into::into)
    }

    /// Forgets extracts that ended before a time, but for what a hold keeps. How many.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn forget_extracts(&self, before: Timestamp) -> Result<u64, StoreFault> {
        let text = format!("DELETE FROM extract AS t WHERE t.ended_at < $1 AND NOT {HELD_LOOK}");
        let query = sqlx::query(AssertSqlSafe(text)).bind(before.as_millis());
        Ok(query.execute(self.pool()).await?.rows_affected())
    }

    /// One extract that has not ended, or with `None` those whose time is over.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn extracts_to_end(
        &self,
        one: Option<i64>,
        now: Timestamp,
    ) -> Result<Vec<EndingExtract>, StoreFault> {
        let of = if one.is_some() { "e.id = $1" } else { "e.expires_at <= $1" };
        let text = format!(
            "SELECT e.id, e.data_key_id, e.sealed_by, k.wrapped, e.detail FROM extract e JOIN data_key k ON k.id = e.sealed_by \
             WHERE e.ended_at IS NULL AND {of} ORDER BY e.id"
        );
        let query = sqlx::query(AssertSqlSafe(text)).bind(one.unwrap_or(now.as_millis()));
        let read = |row: &AnyRow| {
            Ok(EndingExtract {
                id: row.try_get(0)?,
                data_key_id: row.try_get(1)?,
                key: KeyRow { id: row.try_get(2)?, wrapped: row.try_get(3)? },
                detail: Sealed::from_stored(row.try_get(4)?),
            })
        };
        let rows = query.fetch_all(self.pool()).await?;
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Ends one extract, or with `None` those whose time is over, and destroys keys that no other one has. How many ended.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer; then nothing is ended.
    pub async fn end_extracts(
        &self,
        one: Option<i64>,
        by: &impl Proves,
        now: Timestamp,
    ) -> Result<u64, StoreFault> {
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                let of = if one.is_some() { "id = $2" } else { "expires_at <= $2" };
                let text = format!("UPDATE extract SET ended_at = $1 WHERE ended_at IS NULL AND {of}");
                let ended = sqlx::query(AssertSqlSafe(text))
                    .bind(now.as_millis())
                    .bind(one.unwrap_or(now.as_millis()))
                    .execute(&mut *transaction)
                    .await?
                    .rows_affected();
                if ended > 0 {
                    let keys =
                        sqlx::query(NO_OTHER).bind(now.as_millis()).fetch_all(&mut *transaction).await?;
                    for row in &keys {
                        destroy_key(&mut transaction, row.try_get(0)?, by, now).await?;
                    }
                }
                transaction.commit().await?;
                Ok(ended)
            })
            .await
    }
}
