//! A store that leaves: its credentials, and what of it is still open.
//!
//! When it fails: [`StoreFault`]; then nothing is changed.

use super::credentials;
use super::fault::StoreFault;
use super::handle::Store;
use crate::mail::Timestamp;
use sqlx::Row;

/// What a store has that ends when it leaves.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct StoreHoldings {
    pub credentials: i64,
    pub orders: i64,
    pub inquiries: i64,
    pub guests: i64,
    /// Mails to and from it that wait or are held: they go on.
    pub waiting: i64,
    pub left_at: Option<Timestamp>,
}

impl Store {
    /// Counts what ends when a store leaves.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn store_holdings(&self, merchant: i64, now: Timestamp) -> Result<StoreHoldings, StoreFault> {
        let text = "SELECT left_at FROM merchant WHERE id = $1";
        let row = sqlx::query(text).bind(merchant).fetch_one(self.pool()).await?;
        let mut held = StoreHoldings {
            left_at: row.try_get::<Option<i64>, _>(0)?.map(Timestamp::from_millis),
            ..StoreHoldings::default()
        };
        let text = "SELECT COUNT(*) FROM credential WHERE merchant_id = $1 AND revoked_at IS NULL";
        held.credentials = sqlx::query(text).bind(merchant).fetch_one(self.pool()).await?.try_get(0)?;
        let text = "SELECT COUNT(*) FROM delivery WHERE merchant_id = $1 AND state IN ('waiting', 'held')";
        held.waiting = sqlx::query(text).bind(merchant).fetch_one(self.pool()).await?.try_get(0)?;
        let text = format!("SELECT c.kind, COUNT(*) {LIVE} GROUP BY c.kind");
        let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(merchant).bind(now.as_millis());
        for row in query.fetch_all(self.pool()).await? {
            let count: i64 = row.try_get(1)?;
            match row.try_get::<String, _>(0)?.as_str() {
                "order" => held.orders = count,
                "guest" => held.guests = count,
                _ => held.inquiries = count,
            }
        }
        Ok(held)
    }

    /// Conversations of a store whose aliases live: guests before their orders, whose times are theirs.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn live_conversations(
        &self,
        merchant: i64,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<i64>, StoreFault> {
        let text = format!(
            "SELECT c.id {LIVE} AND c.closed_at IS NULL ORDER BY CASE c.kind WHEN 'guest' THEN 0 ELSE 1 END, c.id LIMIT $3"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(merchant).bind(now.as_millis()).bind(limit);
        let rows = query.fetch_all(self.pool()).await?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// A store leaves: from now on nobody logs in for it, whatever its rows say later, since nothing is left by which a password is
    /// known; and nothing is opened with it. How many credentials that ended.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer; then it is here still.
    pub async fn leave(&self, merchant: i64, now: Timestamp) -> Result<u64, StoreFault> {
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                let text = "UPDATE merchant SET left_at = COALESCE(left_at, $1), menu = $3 WHERE id = $2";
                let query = sqlx::query(text).bind(now.as_millis()).bind(merchant).bind(&[][..]);
                query.execute(&mut *transaction).await?;
                let text =
                    "UPDATE credential SET revoked_at = $1 WHERE merchant_id = $2 AND (revoked_at IS NULL OR revoked_at > $1)";
                let query = sqlx::query(text).bind(now.as_millis()).bind(merchant);
                let ended = query.execute(&mut *transaction).await?.rows_affected();
                credentials::forget_ended(&mut transaction, Some(merchant), now).await?;
                // Nobody signs in to the menu again either, whatever is put back into these rows.
                let text = "UPDATE menu_person SET verifier = $1, factor = NULL, ended_at = COALESCE(ended_at, $2) \
                     WHERE merchant_id = $3";
                let query = sqlx::query(text).bind(&[][..]).bind(now.as_millis()).bind(merchant);
                query.execute(&mut *transaction).await?;
                let text = "DELETE FROM menu_session WHERE merchant_id = $1";
                sqlx::query(text).bind(merchant).execute(&mut *transaction).await?;
                transaction.commit().await?;
                Ok(ended)
            })
            .await
    }

    /// Whether a store has left.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn has_left(&self, merchant: i64) -> Result<bool, StoreFault> {
        let text = "SELECT id FROM merchant WHERE id = $1 AND left_at IS NOT NULL";
        Ok(sqlx::query(text).bind(merchant).fetch_optional(self.pool()).await?.is_some())
    }
}

/// Conversations of a store whose aliases live; the times of a guest are its order's.
const LIVE: &str = "FROM conversation c LEFT JOIN conversation p ON p.id = c.parent_id WHERE c.merchant_id = $1 \
    AND COALESCE(p.closed_at, c.closed_at) IS NULL AND COALESCE(p.expires_at, c.expires_at) > $2";
