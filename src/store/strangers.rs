//! Keys of those who are in no conversation: one for an address and a day.
//!
//! Rules: the first to need one makes it. They go with the day of the class `rejected` (`retention.rs`), or with the
//! person (`erasure.rs`); one that seals a mail to the operator, whose record is kept as for all mail that was taken,
//! with `metadata`, and some days later, since what becomes of the mail is noted later.
//! When it fails: [`StoreFault`]; then the asker seals with another key.

use super::accept;
use super::fault::StoreFault;
use super::handle::Store;
use super::parties::KeyRow;
use super::rows::NewKey;
use crate::mail::Timestamp;
use crate::vault::Index;
use data_encoding::HEXLOWER;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

/// How much later than a mail to the operator something can be noted about it, in days.
pub(super) const LATER: i64 = 6;

/// What proves whose the key of an address and day is.
#[must_use]
pub fn stranger_said(address: &[u8], day: i64) -> String {
    format!("{} {day}", HEXLOWER.encode(address))
}

impl Store {
    /// The key of an address and day.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn stranger(&self, address: Index, day: i64) -> Result<Option<KeyRow>, StoreFault> {
        let text = "SELECT k.id, k.wrapped FROM stranger s JOIN data_key k ON k.id = s.data_key_id \
             WHERE s.address_idx = $1 AND s.day = $2";
        let row = sqlx::query(text).bind(address.as_bytes()).bind(day).fetch_optional(self.pool()).await?;
        row.map(|row| Ok(KeyRow { id: row.try_get(0)?, wrapped: row.try_get(1)? }))
            .transpose()
            .map_err(|error: sqlx::Error| error.into())
    }

    /// Keeps the key of an address and day, unless there is one, which is the answer then.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn add_stranger(
        &self,
        address: Index,
        day: i64,
        (key, ruling): (&NewKey, Index),
        at: Timestamp,
    ) -> Result<Option<KeyRow>, StoreFault> {
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                let text = "INSERT INTO stranger (address_idx, day, data_key_id, ruling) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (address_idx, day) DO NOTHING";
                let query = sqlx::query(text).bind(address.as_bytes()).bind(day).bind(key.id);
                let query = query.bind(ruling.as_bytes());
                if query.execute(&mut *transaction).await?.rows_affected() == 1 {
                    accept::data_key(&mut transaction, key, at).await?;
                    transaction.commit().await?;
                    return Ok(None);
                }
                drop(transaction);
                self.stranger(address, day).await
            })
            .await
    }

    /// How many mails of the installation wait for a route, and how many octets they have.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn waiting_for_installation(&self, route: i64) -> Result<(i64, i64), StoreFault> {
        let text = "SELECT COUNT(*), CAST(COALESCE(SUM(m.size), 0) AS BIGINT) FROM delivery d \
             JOIN message m ON m.id = d.message_id \
             WHERE d.state = 'waiting' AND d.class = 0 AND d.merchant_id = 0 AND d.route = $1";
        let row = sqlx::query(text).bind(route).fetch_one(self.pool()).await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    }

    /// Keeps the key of an address and day for as long as records of mail that was taken.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn keep_stranger(&self, address: Index, day: i64) -> Result<(), StoreFault> {
        let text =
            "UPDATE stranger SET class = 'metadata' WHERE address_idx = $1 AND day = $2 AND class IS NULL";
        sqlx::query(text).bind(address.as_bytes()).bind(day).execute(self.pool()).await?;
        Ok(())
    }

    /// Forgets the keys of those who wrote to the operator up to a day, where nothing that may be sealed with them is
    /// left. How many.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn forget_writers(&self, until: i64) -> Result<u64, StoreFault> {
        // Not while a hold keeps a day in which something may have been noted with it.
        let of = format!(
            "day + {LATER} <= $1 AND class = 'metadata' AND NOT EXISTS (SELECT 1 FROM segment g WHERE g.class = 'metadata' \
             AND g.day >= stranger.day AND g.day <= stranger.day + {LATER} AND length(g.wrapped) > 0)"
        );
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                let gone = forget(&mut transaction, &of, until).await?;
                transaction.commit().await?;
                Ok(gone)
            })
            .await
    }
}

/// Forgets the keys that go with a day of the class `rejected`.
pub(super) async fn forget_refused(connection: &mut AnyConnection, day: i64) -> Result<(), sqlx::Error> {
    forget(connection, "day = $1 AND class IS NULL", day).await.map(|_| ())
}

async fn forget(connection: &mut AnyConnection, of: &str, day: i64) -> Result<u64, sqlx::Error> {
    let keys = format!("DELETE FROM data_key WHERE id IN (SELECT data_key_id FROM stranger WHERE {of})");
    sqlx::query(AssertSqlSafe(keys)).bind(day).execute(&mut *connection).await?;
    let rows = format!("DELETE FROM stranger WHERE {of}");
    Ok(sqlx::query(AssertSqlSafe(rows)).bind(day).execute(connection).await?.rows_affected())
}
