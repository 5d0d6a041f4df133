//! What still needs a key of the ring.

use super::fault::StoreFault;
use super::handle::Store;
use crate::mail::Timestamp;
use crate::vault::{Index, Purpose};
use sqlx::Row;

impl Store {
    /// Counts data keys whose wrapped form begins with a ring key's letter.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn data_keys_under(&self, name: u8) -> Result<i64, StoreFault> {
        self.counted("SELECT COUNT(*) FROM data_key WHERE substr(wrapped, 1, 1) = $1", vec![name]).await
    }

    /// Counts keys of stores that are boxed for the menu to a ring key.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn menu_keys_under(&self, name: u8) -> Result<i64, StoreFault> {
        self.counted("SELECT COUNT(*) FROM data_key WHERE substr(menu_wrapped, 1, 1) = $1", vec![name]).await
    }

    /// Counts verifiers that are sealed to the public half of a ring key.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn boxes_under(&self, head: Vec<u8>) -> Result<i64, StoreFault> {
        let text =
            "SELECT COUNT(*) FROM credential WHERE substr(scram, 1, 2) = $1 OR substr(verifier, 1, 2) = $1";
        self.counted(text, head).await
    }

    /// Counts the segments of a purpose's classes under a ring key.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn segments_under(&self, purpose: Purpose, name: u8) -> Result<i64, StoreFault> {
        let of = super::keys::classes_of(purpose);
        let text = format!("SELECT COUNT(*) FROM segment WHERE {of} AND substr(wrapped, 1, 1) = $1");
        let row = sqlx::query(sqlx::AssertSqlSafe(text)).bind(vec![name]).fetch_one(self.pool()).await?;
        Ok(row.try_get(0)?)
    }

    /// Counts aliases that a ring key minted.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn aliases_under(&self, name: &str) -> Result<i64, StoreFault> {
        let text = "SELECT COUNT(*) FROM alias WHERE key_name = $1";
        Ok(sqlx::query(text).bind(name).fetch_one(self.pool()).await?.try_get(0)?)
    }

    /// Counts deliveries of messages that were accepted before a time: their return addresses may be older keys'.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn deliveries_before(&self, at: Timestamp) -> Result<i64, StoreFault> {
        let text =
            "SELECT COUNT(*) FROM delivery d JOIN message m ON m.id = d.message_id WHERE m.received_at < $1";
        self.before(text, at).await
    }

    /// Counts API tokens that were made, or used, last before a time.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn tokens_before(&self, at: Timestamp) -> Result<i64, StoreFault> {
        self.before("SELECT COUNT(*) FROM api_token WHERE COALESCE(reindexed_at, created_at) < $1", at).await
    }

    /// Counts mailboxes that were suppressed before a time and still are.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn suppressed_before(&self, at: Timestamp, now: Timestamp) -> Result<i64, StoreFault> {
        let text = "SELECT COUNT(*) FROM suppressed WHERE since < $1 AND expires_at > $2";
        let row = sqlx::query(text).bind(at.as_millis()).bind(now.as_millis()).fetch_one(self.pool()).await?;
        Ok(row.try_get(0)?)
    }

    /// Indexes a token under a newer key.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn reindex_token(&self, old: Index, new: Index, at: Timestamp) -> Result<(), StoreFault> {
        sqlx::query("UPDATE api_token SET token_idx = $1, reindexed_at = $2 WHERE token_idx = $3")
            .bind(new.as_bytes())
            .bind(at.as_millis())
            .bind(old.as_bytes())
            .execute(self.pool())
            .await?;
        Ok(())
    }

    async fn counted(&self, text: &'static str, head: Vec<u8>) -> Result<i64, StoreFault> {
        Ok(sqlx::query(text).bind(head).fetch_one(self.pool()).await?.try_get(0)?)
    }

    async fn before(&self, text: &'static str, at: Timestamp) -> Result<i64, StoreFault> {
        Ok(sqlx::query(text).bind(at.as_millis()).fetch_one(self.pool()).await?.try_get(0)?)
    }
}
