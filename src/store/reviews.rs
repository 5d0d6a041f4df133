//! Reviews of who has access, and what was decided in them.
//!
//! Rules: an item of a review is decided once, or later revoked; what is begun or decided is committed with the look that says so.
//! When it fails: [`StoreFault`]; nothing was written.

use super::accept;
use super::fault::StoreFault;
use super::handle::Store;
use super::looks::{self, NewLook};
use super::parties::KeyRow;
use super::rows::NewKey;
use crate::mail::Timestamp;
use crate::vault::{Index, Sealed};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

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

const ITEM: &str = "SELECT i.id, i.review_id, r.due_at, r.data_key_id, k.wrapped, i.token_id, i.detail, i.decision, \
    i.decided_at, i.decided_by, i.ruling FROM review_item i JOIN review r ON r.id = i.review_id \
    JOIN data_key k ON k.id = r.data_key_id ";

impl Store {
    /// Begins a review of these accounts, with the look that says so.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer; then nothing has begun.
    pub async fn begin_review(
        &self,
        look: &NewLook,
        review: &ReviewRow,
        key: &NewKey,
        items: &[NewReviewItem],
    ) -> Result<(), StoreFault> {
        self.save_announced().await?;
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                looks::add(&mut transaction, look).await?;
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

    /// All accesses of all reviews, the latest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn all_items(&self) -> Result<Vec<ReviewItemRow>, StoreFault> {
        self.items("WHERE i.id > $1", 0).await
    }

    /// The ids of all reviews.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn review_ids(&self) -> Result<Vec<i64>, StoreFault> {
        let rows = sqlx::query("SELECT id FROM review ORDER BY id").fetch_all(self.pool()).await?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(Into::into)
    }

    async fn items(&self, which: &'static str, id: i64) -> Result<Vec<ReviewItemRow>, StoreFault> {
        let text = format!("{ITEM}{which} ORDER BY i.id DESC");
        let rows = sqlx::query(AssertSqlSafe(text)).bind(id).fetch_all(self.pool()).await?;
        rows.iter().map(read_item).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Decides about an account, with the look that says so: certifies one that nobody decided about, or revokes one that stands. Whether
    /// it did; if not, there is no look either.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer; then nothing is decided.
    pub async fn decide_review(
        &self,
        item: i64,
        decision: &'static str,
        look: &NewLook,
        by: &Sealed,
        ruling: Index,
    ) -> Result<bool, StoreFault> {
        self.save_announced().await?;
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                let text = "UPDATE review_item SET decision = $1, decided_at = $2, decided_by = $3, ruling = $5 WHERE id = $4 \
                     AND (decision IS NULL OR ($1 = 'revoked' AND decision = 'certified'))";
                let done = sqlx::query(text)
                    .bind(decision)
                    .bind(look.at.as_millis())
                    .bind(by.stored())
                    .bind(item)
                    .bind(ruling.as_bytes())
                    .execute(&mut *transaction)
                    .await?;
                let is_decided = done.rows_affected() == 1;
                if is_decided {
                    looks::add(&mut transaction, look).await?;
                }
                transaction.commit().await?;
                Ok(is_decided)
            })
            .await
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
