//! Who may come from elsewhere than Japan for once. Rows are added and never changed, but for the decision and the end, each once.

use super::fault::StoreFault;
use super::handle::Store;
use super::looks::{self, NewLook};
use super::parties::KeyRow;
use crate::mail::Timestamp;
use crate::vault::{Index, Sealed};
use sqlx::Row;
use sqlx::any::AnyRow;

/// What is asked for.
pub struct NewBreakGlass {
    pub id: i64,
    pub at: Timestamp,
    /// Until when it can be approved.
    pub expires_at: Timestamp,
    pub hours: i64,
    pub actor_idx: Index,
    pub account_idx: Index,
    pub data_key_id: i64,
    pub detail: Sealed,
}

/// It as it is kept.
pub struct BreakGlassRow {
    pub id: i64,
    pub at: Timestamp,
    pub expires_at: Timestamp,
    pub hours: i64,
    pub actor_idx: Vec<u8>,
    pub account_idx: Vec<u8>,
    pub key: KeyRow,
    pub detail: Sealed,
    pub decided_at: Option<Timestamp>,
    pub decider_idx: Option<Vec<u8>>,
    pub ruling: Option<Vec<u8>>,
    pub ended_at: Option<Timestamp>,
}

const SELECT: &str = "SELECT b.id, b.at, b.expires_at, b.hours, b.actor_idx, b.account_idx, b.data_key_id, k.wrapped, b.detail, \
    b.decided_at, b.ended_at, b.decider_idx, b.ruling FROM break_glass b JOIN data_key k ON k.id = b.data_key_id ";

impl Store {
    /// Keeps what is asked for, and the look that says so.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer; then neither is kept.
    pub async fn ask_break_glass(&self, look: &NewLook, new: &NewBreakGlass) -> Result<(), StoreFault> {
        self.save_announced().await?;
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                looks::add(&mut transaction, look).await?;
                sqlx::query(
                    "INSERT INTO break_glass (id, at, expires_at, hours, actor_idx, account_idx, data_key_id, detail) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                )
                .bind(new.id)
                .bind(new.at.as_millis())
                .bind(new.expires_at.as_millis())
                .bind(new.hours)
                .bind(new.actor_idx.as_bytes())
                .bind(new.account_idx.as_bytes())
                .bind(new.data_key_id)
                .bind(new.detail.stored())
                .execute(&mut *transaction)
                .await?;
                transaction.commit().await?;
                Ok(())
            })
            .await
    }

    /// One of them.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn break_glass(&self, id: i64) -> Result<Option<BreakGlassRow>, StoreFault> {
        let text = format!("{SELECT} WHERE b.id = $1");
        let row = sqlx::query(sqlx::AssertSqlSafe(text)).bind(id).fetch_optional(self.pool()).await?;
        row.as_ref().map(read).transpose().map_err(Into::into)
    }

    /// Those that were asked for in a span of time, the latest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn break_glasses(
        &self,
        from: Timestamp,
        until: Timestamp,
        limit: i64,
    ) -> Result<Vec<BreakGlassRow>, StoreFault> {
        let text = format!("{SELECT} WHERE b.at >= $1 AND b.at < $2 ORDER BY b.id DESC LIMIT $3");
        let query = sqlx::query(sqlx::AssertSqlSafe(text));
        let query = query.bind(from.as_millis()).bind(until.as_millis()).bind(limit);
        let rows = query.fetch_all(self.pool()).await?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Those that are good now.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn standing_break_glasses(&self, now: Timestamp) -> Result<Vec<BreakGlassRow>, StoreFault> {
        let text = format!(
            "{SELECT} WHERE b.expires_at > $1 AND b.decision = 'approved' AND b.decided_at <= $1 AND b.ended_at IS NULL \
             ORDER BY b.id"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(now.as_millis());
        let rows = query.fetch_all(self.pool()).await?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Approves one until a time, with the look that says so. `false` when it was decided or ended already, or can't be decided any
    /// more; then nothing is written.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn approve_break_glass(
        &self,
        look: &NewLook,
        id: i64,
        decider: Index,
        ruling: Index,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreFault> {
        self.save_announced().await?;
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                let done = sqlx::query(
                    "UPDATE break_glass SET decision = 'approved', decider_idx = $1, decided_at = $2, expires_at = $3, ruling = $5 \
                     WHERE id = $4 AND decision IS NULL AND ended_at IS NULL AND expires_at > $2",
                )
                .bind(decider.as_bytes())
                .bind(now.as_millis())
                .bind(until.as_millis())
                .bind(id)
                .bind(ruling.as_bytes())
                .execute(&mut *transaction)
                .await?;
                if done.rows_affected() == 1 {
                    looks::add(&mut transaction, look).await?;
                    transaction.commit().await?;
                }
                Ok(done.rows_affected() == 1)
            })
            .await
    }

    /// Ends one, approved or not, with the look that says so. `false` when it is over; then nothing is written.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn end_break_glass(&self, look: &NewLook, id: i64, now: Timestamp) -> Result<bool, StoreFault> {
        self.save_announced().await?;
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                let text = "UPDATE break_glass SET ended_at = $1 WHERE id = $2 AND ended_at IS NULL AND expires_at > $1";
                let done =
                    sqlx::query(text).bind(now.as_millis()).bind(id).execute(&mut *transaction).await?;
                if done.rows_affected() == 1 {
                    looks::add(&mut transaction, look).await?;
                    transaction.commit().await?;
                }
                Ok(done.rows_affected() == 1)
            })
            .await
    }

    /// All that are kept, the oldest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn all_break_glasses(&self) -> Result<Vec<BreakGlassRow>, StoreFault> {
        let text = format!("{SELECT} ORDER BY b.id");
        let rows = sqlx::query(sqlx::AssertSqlSafe(text)).fetch_all(self.pool()).await?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(Into::into)
    }
}

fn read(row: &AnyRow) -> Result<BreakGlassRow, sqlx::Error> {
    let time = |place| row.try_get::<Option<i64>, _>(place).map(|at| at.map(Timestamp::from_millis));
    Ok(BreakGlassRow {
        id: row.try_get(0)?,
        at: Timestamp::from_millis(row.try_get(1)?),
        expires_at: Timestamp::from_millis(row.try_get(2)?),
        hours: row.try_get(3)?,
        actor_idx: row.try_get(4)?,
        account_idx: row.try_get(5)?,
        key: KeyRow { id: row.try_get(6)?, wrapped: row.try_get(7)? },
        detail: Sealed::from_stored(row.try_get(8)?),
        decided_at: time(9)?,
        ended_at: time(10)?,
        decider_idx: row.try_get(11)?,
        ruling: row.try_get(12)?,
    })
}
