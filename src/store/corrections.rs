//! Corrections of an address that wait for their proof, and conversations that get another address.
//!
//! Rules: a correction is carried out once, in one transaction with all that it changes, and its key is destroyed
//! then, or when its time is over: it holds both addresses.
//! When it fails: [`StoreFault`]; then nothing is changed.

use super::accept;
use super::bindings::{self, Bound};
use super::erased_keys::{Proves, destroy_key};
use super::fault::StoreFault;
use super::handle::Store;
use super::looks::NewLook;
use super::parties::KeyRow;
use super::rows::{NewKey, NewMessage};
use crate::mail::Timestamp;
use crate::vault::{Index, Sealed};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

/// A correction to be kept.
pub struct NewCorrection {
    pub id: i64,
    pub at: Timestamp,
    pub expires_at: Timestamp,
    pub key: NewKey,
    pub detail: Sealed,
}

/// A correction as it is kept.
pub struct CorrectionRow {
    pub expires_at: Timestamp,
    pub done_at: Option<Timestamp>,
    pub key: KeyRow,
    pub detail: Sealed,
}

/// A conversation with another customer address.
pub struct Repointed {
    pub id: i64,
    /// The sealed address that it has now: one that was moved meanwhile is not moved again by who has not seen that.
    pub from: Sealed,
    pub customer_idx: Index,
    pub customer: Sealed,
    pub former: Sealed,
    /// Of what it is found by, where that is the address.
    pub key_idx: Option<Index>,
    pub bound: Bound,
}

/// What became of a conversation that was to get another address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repointing {
    Done,
    /// It was closed, or would be found as another that is there: it keeps its address.
    Kept,
    /// Somebody else gave it another address meanwhile.
    Moved,
}

/// What became of a correction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CarriedOut {
    /// So many conversations have the new address.
    Done(i64),
    /// It was carried out before, or its time is over.
    Over,
    /// A conversation got another address since it was read: nothing is changed. Read them again.
    Moved,
}

/// An order with another customer address, the entry about it, and the mail that tells the address before.
pub struct Readdressed {
    pub to: Repointed,
    pub look: NewLook,
    pub warning: NewMessage,
}

impl Store {
    /// Keeps a correction that waits for its proof.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn add_correction(&self, new: &NewCorrection) -> Result<(), StoreFault> {
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                accept::data_key(&mut transaction, &new.key, new.at).await?;
                let text = "INSERT INTO correction (id, at, expires_at, data_key_id, detail) VALUES ($1, $2, $3, $4, $5)";
                sqlx::query(text)
                    .bind(new.id)
                    .bind(new.at.as_millis())
                    .bind(new.expires_at.as_millis())
                    .bind(new.key.id)
                    .bind(new.detail.stored())
                    .execute(&mut *transaction)
                    .await?;
                transaction.commit().await?;
                Ok(())
            })
            .await
    }

    /// A correction.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn correction(&self, id: i64) -> Result<Option<CorrectionRow>, StoreFault> {
        let text = "SELECT c.expires_at, c.done_at, c.data_key_id, k.wrapped, c.detail FROM correction c \
             JOIN data_key k ON k.id = c.data_key_id WHERE c.id = $1";
        let row = sqlx::query(text).bind(id).fetch_optional(self.pool()).await?;
        row.as_ref().map(read).transpose().map_err(Into::into)
    }

    /// Corrections that wait for their proof, the oldest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn corrections_pending(&self) -> Result<Vec<(i64, CorrectionRow)>, StoreFault> {
        let text = "SELECT c.expires_at, c.done_at, c.data_key_id, k.wrapped, c.detail, c.id FROM correction c \
             JOIN data_key k ON k.id = c.data_key_id WHERE c.done_at IS NULL ORDER BY c.id";
        let rows = sqlx::query(text).fetch_all(self.pool()).await?;
        let read = |row: &AnyRow| Ok((row.try_get(5)?, read(row)?));
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Carries a correction out. One that would be found as another that is there keeps its address.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer; then nothing is changed.
    pub async fn carry_out_correction(
        &self,
        id: i64,
        conversations: &[Repointed],
        by: &impl Proves,
        now: Timestamp,
    ) -> Result<CarriedOut, StoreFault> {
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                let text = "UPDATE correction SET done_at = $1 WHERE id = $2 AND done_at IS NULL AND expires_at > $1 \
                     RETURNING data_key_id";
                let query = sqlx::query(text).bind(now.as_millis()).bind(id);
                let Some(row) = query.fetch_optional(&mut *transaction).await? else {
                    return Ok(CarriedOut::Over);
                };
                let key: i64 = row.try_get(0)?;
                let mut changed = 0_i64;
                for conversation in conversations {
                    match repoint(&mut transaction, conversation).await? {
                        Repointing::Done => changed += 1,
                        Repointing::Kept => {}
                        // Rolled back whole, with the mark that it was carried out.
                        Repointing::Moved => return Ok(CarriedOut::Moved),
                    }
                }
                let text = "UPDATE correction SET changed = $1 WHERE id = $2";
                sqlx::query(text).bind(changed).bind(id).execute(&mut *transaction).await?;
                destroy_key(&mut transaction, key, by, now).await?;
                transaction.commit().await?;
                Ok(CarriedOut::Done(changed))
            })
            .await
    }

    /// Ends corrections whose proof has not come in time. How many.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn end_corrections(&self, by: &impl Proves, now: Timestamp) -> Result<usize, StoreFault> {
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                let text =
                    "DELETE FROM correction WHERE done_at IS NULL AND expires_at <= $1 RETURNING data_key_id";
                let ended = sqlx::query(text).bind(now.as_millis()).fetch_all(&mut *transaction).await?;
                for row in &ended {
                    destroy_key(&mut transaction, row.try_get(0)?, by, now).await?;
                }
                transaction.commit().await?;
                Ok(ended.len())
            })
            .await
    }
}

fn read(row: &AnyRow) -> Result<CorrectionRow, sqlx::Error> {
    Ok(CorrectionRow {
        expires_at: Timestamp::from_millis(row.try_get(0)?),
        done_at: row.try_get::<Option<i64>, _>(1)?.map(Timestamp::from_millis),
        key: KeyRow { id: row.try_get(2)?, wrapped: row.try_get(3)? },
        detail: Sealed::from_stored(row.try_get(4)?),
    })
}

/// Gives an open conversation another customer address, and changes nothing where it can't.
pub(super) async fn repoint(
    connection: &mut AnyConnection,
    new: &Repointed,
) -> Result<Repointing, sqlx::Error> {
    if let Some(key) = new.key_idx {
        let text = "SELECT c.id FROM conversation c JOIN conversation own ON own.id = $1 WHERE c.id <> own.id \
             AND c.merchant_id = own.merchant_id AND c.kind = own.kind AND c.key_idx = $2";
        let query = sqlx::query(text).bind(new.id).bind(key.as_bytes());
        if query.fetch_optional(&mut *connection).await?.is_some() {
            return Ok(Repointing::Kept);
        }
    }
    // The address before is in it: who changes at the same time must not put its own list of former ones in place of ours.
    let text = "UPDATE conversation SET customer_idx = $1, customer = $2, former = $3, revision = $5 \
         WHERE id = $4 AND closed_at IS NULL AND customer = $6";
    let changed = sqlx::query(text)
        .bind(new.customer_idx.as_bytes())
        .bind(new.customer.stored())
        .bind(new.former.stored())
        .bind(new.id)
        .bind(new.bound.revision.stored())
        .bind(new.from.stored())
        .execute(&mut *connection)
        .await?;
    if changed.rows_affected() == 0 {
        let text = "SELECT id FROM conversation WHERE id = $1 AND closed_at IS NULL";
        let is_open = sqlx::query(text).bind(new.id).fetch_optional(&mut *connection).await?.is_some();
        return Ok(if is_open { Repointing::Moved } else { Repointing::Kept });
    }
    if let Some(key) = new.key_idx {
        let text = "UPDATE conversation SET key_idx = $1 WHERE id = $2";
        sqlx::query(text).bind(key.as_bytes()).bind(new.id).execute(&mut *connection).await?;
    }
    bindings::tag(connection, new.id, &new.bound).await?;
    Ok(Repointing::Done)
}
