//! A store that is contained: it sends nothing, and nobody signs in to its menu, until it is let go on.
//!
//! Rules: nothing of what it has is changed; who asks for a credential or a session finds none that stands. Record and change are one
//! transaction.
//! When it fails: [`StoreFault`]; nothing is changed.

use super::fault::StoreFault;
use super::handle::Store;
use super::menu::MenuChanged;
use super::menu_changing::Told;
use crate::mail::Timestamp;
use sqlx::Row;

impl Store {
    /// Contains a store from then on, or with `None` lets it go on. [`MenuChanged::Gone`]: it has left, or is so already.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn contain(
        &self,
        merchant: i64,
        since: Option<Timestamp>,
        told: &Told,
    ) -> Result<MenuChanged, StoreFault> {
        self.menu_changing(merchant, told, async |transaction| {
            let query = match since {
                Some(since) => {
                    let text = "UPDATE merchant SET contained_at = $1 WHERE id = $2 AND contained_at IS NULL";
                    sqlx::query(text).bind(since.as_millis()).bind(merchant)
                }
                None => {
                    let text =
                        "UPDATE merchant SET contained_at = NULL WHERE id = $1 AND contained_at IS NOT NULL";
                    sqlx::query(text).bind(merchant)
                }
            };
            let done = query.execute(&mut **transaction).await?;
            Ok(if done.rows_affected() == 1 { MenuChanged::Done } else { MenuChanged::Gone })
        })
        .await
    }

    /// Since when a store is contained.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn contained_at(&self, merchant: i64) -> Result<Option<Timestamp>, StoreFault> {
        let query = sqlx::query("SELECT contained_at FROM merchant WHERE id = $1").bind(merchant);
        let at: Option<i64> = query.fetch_one(self.pool()).await?.try_get(0)?;
        Ok(at.map(Timestamp::from_millis))
    }
}
