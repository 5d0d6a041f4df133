//! Conversations that end soon and were written in lately: whose two sides are to be told.
//!
//! When it fails: [`StoreFault`].

use super::fault::StoreFault;
use super::handle::Store;
use super::ids;
use crate::mail::Timestamp;
use sqlx::{AssertSqlSafe, Row};

/// Which ones.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// They end from now on, and before this.
    pub now: Timestamp,
    pub ends_before: Timestamp,
    /// They were opened before this: who opens one for some days knows when it ends.
    pub opened_before: Timestamp,
    /// Mail was accepted in them since.
    pub used_since: Timestamp,
}

/// One of them. The times of a guest are its order's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiring {
    pub id: i64,
    pub merchant_id: i64,
    pub expires_at: Timestamp,
}

/// `$1` to `$4` are the window. Mail of ours is no use of a conversation.
const SOON: &str = "FROM conversation c LEFT JOIN conversation p ON p.id = c.parent_id \
    JOIN merchant m ON m.id = c.merchant_id \
    WHERE COALESCE(p.closed_at, c.closed_at) IS NULL AND m.left_at IS NULL \
    AND COALESCE(p.expires_at, c.expires_at) > $1 AND COALESCE(p.expires_at, c.expires_at) < $2 \
    AND c.created_at < $3 AND EXISTS (SELECT 1 FROM fact f WHERE f.conversation_id = c.id AND f.id >= $4 \
    AND f.event = 'accepted' AND f.direction <> 'notice')";

impl Store {
    /// Of so many conversations after an id those of the window, at most `most`; and where the next span begins, none at the end.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn expiring(
        &self,
        window: Window,
        after: i64,
        span: i64,
        most: i64,
    ) -> Result<(Vec<Expiring>, Option<i64>), StoreFault> {
        let text = "SELECT MAX(id) FROM (SELECT id FROM conversation WHERE id > $1 ORDER BY id LIMIT $2) s";
        let query = sqlx::query(text).bind(after).bind(span);
        let until: Option<i64> = query.fetch_one(self.pool()).await?.try_get(0)?;
        let Some(until) = until else { return Ok((Vec::new(), None)) };
        let found = self.expiring_where("c.id > $5 AND c.id <= $6", window, [after, until], most).await?;
        let is_full = i64::try_from(found.len()).is_ok_and(|count| count >= most);
        let next = if is_full { found.last().map(|last| last.id) } else { Some(until) };
        Ok((found, next))
    }

    /// Those of a store, at most `most`. `$6` bounds the ids, which are all.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn expiring_of(
        &self,
        merchant: i64,
        window: Window,
        most: i64,
    ) -> Result<Vec<Expiring>, StoreFault> {
        self.expiring_where("c.merchant_id = $5 AND c.id <= $6", window, [merchant, i64::MAX], most).await
    }

    async fn expiring_where(
        &self,
        which: &str,
        window: Window,
        bounds: [i64; 2],
        most: i64,
    ) -> Result<Vec<Expiring>, StoreFault> {
        let text = format!(
            "SELECT c.id, c.merchant_id, COALESCE(p.expires_at, c.expires_at) {SOON} AND {which} ORDER BY c.id LIMIT $7"
        );
        let Window { now, ends_before, opened_before, used_since } = window;
        let used_since = ids::floor(used_since.as_millis());
        let numbers = [now.as_millis(), ends_before.as_millis(), opened_before.as_millis(), used_since];
        let query =
            numbers.iter().fold(sqlx::query(AssertSqlSafe(text)), |query, number| query.bind(*number));
        let query = query.bind(bounds[0]).bind(bounds[1]).bind(most);
        let row = |row: &sqlx::any::AnyRow| -> Result<Expiring, sqlx::Error> {
            Ok(Expiring {
                id: row.try_get(0)?,
                merchant_id: row.try_get(1)?,
                expires_at: Timestamp::from_millis(row.try_get(2)?),
            })
        };
        let rows = query.fetch_all(self.pool()).await?;
        rows.iter().map(row).collect::<Result<_, _>>().map_err(Into::into)
    }
}
