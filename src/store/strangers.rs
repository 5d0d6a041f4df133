//! Keys of those who are in no conversation: one for an address and a day.
//!
//! Rules: the first to need one makes it. They go with the day of the class `rejected` (`retention.rs`), or with the person
//! (`erasure.rs`).
//! When it fails: [`StoreFault`]; then the asker seals with another key.

use super::accept;
use super::fault::StoreFault;
use super::handle::Store;
use super::parties::KeyRow;
use super::rows::NewKey;
use crate::mail::Timestamp;
use crate::vault::Index;
use sqlx::Row;

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
        key: &NewKey,
        at: Timestamp,
    ) -> Result<Option<KeyRow>, StoreFault> {
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                let text = "INSERT INTO stranger (address_idx, day, data_key_id) VALUES ($1, $2, $3) \
             ON CONFLICT (address_idx, day) DO NOTHING";
                let query = sqlx::query(text).bind(address.as_bytes()).bind(day).bind(key.id);
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
}
