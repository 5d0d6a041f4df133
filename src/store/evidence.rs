//! What people are shown and sign: breaches, reviews of who has access, and counts over a span of time.
//!
//! Rules: entries about a breach are added and never changed; what is known of it is what its entries say, the later ones over
//! the earlier. An item of a review is decided once, or later revoked.
//! When it fails: [`StoreFault`]; nothing was written.

use super::accept;
use super::fault::StoreFault;
use super::handle::Store;
use super::ids;
use super::looks::{self, NewLook};
use super::parties::KeyRow;
use super::rows::NewKey;
use crate::mail::Timestamp;
use crate::vault::{Index, Sealed};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

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

/// An account in a review, to be kept.
pub struct NewReviewItem {
    pub id: i64,
    pub token_id: Option<i64>,
    pub detail: Sealed,
}

/// An account in a review, as it is kept.
pub struct ReviewItemRow {
    pub id: i64,
    pub review_id: i64,
    pub due_at: Timestamp,
    pub key: KeyRow,
    pub token_id: Option<i64>,
    pub detail: Sealed,
    pub decision: Option<String>,
    pub decided_at: Option<Timestamp>,
    pub decided_by: Option<Sealed>,
    /// What proves the decision; not known of those of an older version.
    pub ruling: Option<Vec<u8>>,
}

/// A review, as it is kept.
pub struct ReviewRow {
    pub id: i64,
    pub at: Timestamp,
    pub due_at: Timestamp,
    pub key: KeyRow,
    pub begun_by: Sealed,
}

/// An API token, as it is kept.
pub struct TokenRow {
    pub id: i64,
    pub scopes: String,
    pub label: Sealed,
    pub created_at: Timestamp,
    pub used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
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

const ITEM: &str = "SELECT i.id, i.review_id, r.due_at, r.data_key_id, k.wrapped, i.token_id, i.detail, i.decision, \
    i.decided_at, i.decided_by, i.ruling FROM review_item i JOIN review r ON r.id = i.review_id \
    JOIN data_key k ON k.id = r.data_key_id ";

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

    /// Begins a review of these accounts.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn begin_review(
        &self,
        review: &ReviewRow,
        key: &NewKey,
        items: &[NewReviewItem],
    ) -> Result<(), StoreFault> {
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                accept::data_key(&mut transaction, key, review.at).await?;
                let text =
                    "INSERT INTO review (id, at, due_at, data_key_id, begun_by) VALUES ($1, $2, $3, $4, $5)";
                sqlx::query(text)
                    .bind(review.id)
                    .bind(review.at.as_millis())
                    .bind(review.due_at.as_millis())
                    .bind(review.key.id)
                    .bind(review.begun_by.stored())
                    .execute(&mut *transaction)
                    .await?;
                for item in items {
                    let text =
                        "INSERT INTO review_item (id, review_id, token_id, detail) VALUES ($1, $2, $3, $4)";
                    sqlx::query(text)
                        .bind(item.id)
                        .bind(review.id)
                        .bind(item.token_id)
                        .bind(item.detail.stored())
                        .execute(&mut *transaction)
                        .await?;
                }
                transaction.commit().await?;
                Ok(())
            })
            .await
    }

    /// The reviews, the latest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn reviews(&self) -> Result<Vec<ReviewRow>, StoreFault> {
        let text = "SELECT r.id, r.at, r.due_at, r.data_key_id, k.wrapped, r.begun_by FROM review r \
             JOIN data_key k ON k.id = r.data_key_id ORDER BY r.id DESC LIMIT 100";
        let read = |row: &AnyRow| {
            Ok(ReviewRow {
                id: row.try_get(0)?,
                at: Timestamp::from_millis(row.try_get(1)?),
                due_at: Timestamp::from_millis(row.try_get(2)?),
                key: KeyRow { id: row.try_get(3)?, wrapped: row.try_get(4)? },
                begun_by: Sealed::from_stored(row.try_get(5)?),
            })
        };
        let rows = sqlx::query(text).fetch_all(self.pool()).await?;
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// The accounts of a review, or all of people in all reviews; the latest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn review_items(&self, review: Option<i64>) -> Result<Vec<ReviewItemRow>, StoreFault> {
        let which = "WHERE (i.review_id = $1 OR ($1 = 0 AND i.token_id IS NULL))";
        self.items(which, review.unwrap_or_default()).await
    }

    /// All accesses about which somebody decided, the latest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn decided_items(&self) -> Result<Vec<ReviewItemRow>, StoreFault> {
        self.items("WHERE i.decision IS NOT NULL AND i.id > $1", 0).await
    }

    async fn items(&self, which: &'static str, id: i64) -> Result<Vec<ReviewItemRow>, StoreFault> {
        let text = format!("{ITEM}{which} ORDER BY i.id DESC");
        let rows = sqlx::query(AssertSqlSafe(text)).bind(id).fetch_all(self.pool()).await?;
        rows.iter().map(read_item).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Decides about an account: certifies one that nobody decided about, or revokes one that stands. Whether it did.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn decide_review(
        &self,
        item: i64,
        decision: &'static str,
        at: Timestamp,
        by: &Sealed,
        ruling: Index,
    ) -> Result<bool, StoreFault> {
        let text = "UPDATE review_item SET decision = $1, decided_at = $2, decided_by = $3, ruling = $5 WHERE id = $4 \
             AND (decision IS NULL OR ($1 = 'revoked' AND decision = 'certified'))";
        let done = sqlx::query(text)
            .bind(decision)
            .bind(at.as_millis())
            .bind(by.stored())
            .bind(item)
            .bind(ruling.as_bytes())
            .execute(self.pool())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Gives a decision about an access what proves it, where it has none.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn rule_item(&self, item: i64, ruling: Index) -> Result<(), StoreFault> {
        let text = "UPDATE review_item SET ruling = $1 WHERE id = $2 AND ruling IS NULL";
        sqlx::query(text).bind(ruling.as_bytes()).bind(item).execute(self.pool()).await?;
        Ok(())
    }

    /// What reviews decided about an API token, the latest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn token_reviews(&self, token: i64) -> Result<Vec<ReviewItemRow>, StoreFault> {
        self.items("WHERE i.token_id = $1", token).await
    }

    /// All API tokens, the oldest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn tokens(&self) -> Result<Vec<TokenRow>, StoreFault> {
        let text = "SELECT id, scopes, label, created_at, used_at, revoked_at FROM api_token ORDER BY id";
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

    /// Revokes an API token. Whether it stood.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn revoke_token(&self, token: i64, at: Timestamp) -> Result<bool, StoreFault> {
        let text = "UPDATE api_token SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL";
        let done = sqlx::query(text).bind(at.as_millis()).bind(token).execute(self.pool()).await?;
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

fn read_item(row: &AnyRow) -> Result<ReviewItemRow, sqlx::Error> {
    Ok(ReviewItemRow {
        id: row.try_get(0)?,
        review_id: row.try_get(1)?,
        due_at: Timestamp::from_millis(row.try_get(2)?),
        key: KeyRow { id: row.try_get(3)?, wrapped: row.try_get(4)? },
        token_id: row.try_get(5)?,
        detail: Sealed::from_stored(row.try_get(6)?),
        decision: row.try_get(7)?,
        decided_at: row.try_get::<Option<i64>, _>(8)?.map(Timestamp::from_millis),
        decided_by: row.try_get::<Option<Vec<u8>>, _>(9)?.map(Sealed::from_stored),
        ruling: row.try_get(10)?,
    })
}
