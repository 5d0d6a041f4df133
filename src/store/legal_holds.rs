//! Legal holds: what retention and erasure must leave alone.
//!
//! Rules: a hold is by store, by person, by time, or by all of them at once; what of the log it keeps says
//! `retention.rs`. A person is kept by conversations, which are named when the hold is set and again before anything is
//! destroyed. Lifting destroys the key of the hold's own detail.
//! When it fails: [`StoreFault`]; then it holds, or holds on.

use super::accept;
use super::erased_keys::{Proves, destroy_key};
use super::fault::StoreFault;
use super::handle::Store;
use super::looks::{self, NewLook};
use super::parties::KeyRow;
use super::rows::NewKey;
use crate::mail::Timestamp;
use crate::vault::{Index, Sealed};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Row};

/// Pairs of store and index in one question.
const PAIRS: usize = 100;

/// What a hold keeps: what meets all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldScope {
    pub merchant_id: Option<i64>,
    /// Only what is of the conversations that are named.
    pub by_person: bool,
    /// Since when and until when, in milliseconds since 1970.
    pub from: Option<i64>,
    pub until: Option<i64>,
}

/// A hold to be set.
pub struct NewLegalHold {
    pub id: i64,
    pub at: Timestamp,
    pub scope: HeldScope,
    /// Of a person.
    pub conversations: Vec<i64>,
    pub key: NewKey,
    pub detail: Sealed,
}

/// A hold as it is kept.
pub struct LegalHoldRow {
    pub id: i64,
    pub at: Timestamp,
    pub scope: HeldScope,
    pub key: KeyRow,
    pub detail: Sealed,
    pub lifted_at: Option<Timestamp>,
    /// What proves that it was lifted; not known of those of an older version.
    pub ruling: Option<Vec<u8>>,
}

impl Store {
    /// Sets a hold, with the look that says so.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer; then it does not hold, and no look says that it does.
    pub async fn add_hold(&self, look: &NewLook, new: &NewLegalHold) -> Result<(), StoreFault> {
        self.save_announced().await?;
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                looks::add(&mut transaction, look).await?;
                sqlx::query(
            "INSERT INTO legal_hold (id, at, merchant_id, by_person, from_at, until_at, data_key_id, detail) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(new.id)
        .bind(new.at.as_millis())
        .bind(new.scope.merchant_id)
        .bind(i64::from(new.scope.by_person))
        .bind(new.scope.from)
        .bind(new.scope.until)
        .bind(new.key.id)
        .bind(new.detail.stored())
        .execute(&mut *transaction)
        .await?;
                accept::data_key(&mut transaction, &new.key, new.at).await?;
                for conversation in &new.conversations {
                    hold_one(&mut transaction, new.id, *conversation).await?;
                }
                transaction.commit().await?;
                Ok(())
            })
            .await
    }

    /// Adds what a hold keeps.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn hold_conversations(&self, hold: i64, conversations: &[i64]) -> Result<(), StoreFault> {
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                for conversation in conversations {
                    hold_one(&mut transaction, hold, *conversation).await?;
                }
                transaction.commit().await?;
                Ok(())
            })
            .await
    }

    /// All holds, lifted ones too, the oldest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn legal_holds(&self) -> Result<Vec<LegalHoldRow>, StoreFault> {
        let text = "SELECT h.id, h.at, h.merchant_id, h.by_person, h.from_at, h.until_at, h.data_key_id, k.wrapped, \
             h.detail, h.lifted_at, h.ruling FROM legal_hold h JOIN data_key k ON k.id = h.data_key_id ORDER BY h.id";
        let rows = sqlx::query(text).fetch_all(self.pool()).await?;
        rows.iter()
            .map(|row| {
                let lifted_at = row.try_get::<Option<i64>, _>(9)?;
                Ok(LegalHoldRow {
                    id: row.try_get(0)?,
                    at: Timestamp::from_millis(row.try_get(1)?),
                    scope: HeldScope {
                        merchant_id: row.try_get(2)?,
                        by_person: row.try_get::<i64, _>(3)? == 1,
                        from: row.try_get(4)?,
                        until: row.try_get(5)?,
                    },
                    key: KeyRow { id: row.try_get(6)?, wrapped: row.try_get(7)? },
                    detail: Sealed::from_stored(row.try_get(8)?),
                    lifted_at: lifted_at.map(Timestamp::from_millis),
                    ruling: row.try_get(10)?,
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(Into::into)
    }

    /// Lifts a hold and destroys the key of its detail. `false` when it does not hold.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer; then it holds on.
    pub async fn lift_hold(
        &self,
        id: i64,
        ruling: Index,
        by: &impl Proves,
        at: Timestamp,
    ) -> Result<bool, StoreFault> {
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                let text =
                    "UPDATE legal_hold SET lifted_at = $1, ruling = $3 WHERE id = $2 AND lifted_at IS NULL";
                let query = sqlx::query(text).bind(at.as_millis()).bind(id).bind(ruling.as_bytes());
                let lifted = query.execute(&mut *transaction).await?;
                let is_lifted = lifted.rows_affected() == 1;
                if is_lifted {
                    let text = "SELECT data_key_id FROM legal_hold WHERE id = $1";
                    let key = sqlx::query(text).bind(id).fetch_one(&mut *transaction).await?.try_get(0)?;
                    destroy_key(&mut transaction, key, by, at).await?;
                }
                transaction.commit().await?;
                Ok(is_lifted)
            })
            .await
    }

    /// Holds on again what was marked as lifted.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn hold_again(&self, id: i64) -> Result<(), StoreFault> {
        let text = "UPDATE legal_hold SET lifted_at = NULL, ruling = NULL WHERE id = $1";
        sqlx::query(text).bind(id).execute(self.pool()).await?;
        Ok(())
    }

    /// Has a hold keep again what it was set to keep.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn put_scope_back(&self, id: i64, scope: &HeldScope) -> Result<(), StoreFault> {
        let text = "UPDATE legal_hold SET merchant_id = $1, by_person = $2, from_at = $3, until_at = $4 WHERE id = $5";
        sqlx::query(text)
            .bind(scope.merchant_id)
            .bind(i64::from(scope.by_person))
            .bind(scope.from)
            .bind(scope.until)
            .bind(id)
            .execute(self.pool())
            .await?;
        Ok(())
    }

    /// Gives the lifting of a hold what proves it, where it has none.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn rule_hold(&self, id: i64, ruling: Index) -> Result<(), StoreFault> {
        let text = "UPDATE legal_hold SET ruling = $1 WHERE id = $2 AND ruling IS NULL";
        sqlx::query(text).bind(ruling.as_bytes()).bind(id).execute(self.pool()).await?;
        Ok(())
    }

    /// The ids of all stores.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn merchant_ids(&self) -> Result<Vec<i64>, StoreFault> {
        let rows = sqlx::query("SELECT id FROM merchant ORDER BY id").fetch_all(self.pool()).await?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// The conversations of a customer, by the index of the address at each store, and those of their orders and guests.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn conversations_of(&self, customer: &[(i64, Index)]) -> Result<Vec<i64>, StoreFault> {
        let mut found = Vec::new();
        for some in customer.chunks(PAIRS) {
            let one =
                |at: usize| format!("(merchant_id = ${} AND customer_idx = ${})", at * 2 + 1, at * 2 + 2);
            let any: Vec<String> = (0..some.len()).map(one).collect();
            let text = format!("SELECT id FROM conversation WHERE {}", any.join(" OR "));
            let mut query = sqlx::query(AssertSqlSafe(text));
            for (merchant, index) in some {
                query = query.bind(*merchant).bind(index.as_bytes());
            }
            for row in query.fetch_all(self.pool()).await? {
                found.push(row.try_get(0)?);
            }
        }
        self.with_guests(found).await
    }

    /// These conversations, and those of their orders and guests: what one keeps secret stands in the others too.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn with_guests(&self, conversations: Vec<i64>) -> Result<Vec<i64>, StoreFault> {
        let mut all = conversations.clone();
        for id in conversations {
            let text = "SELECT c.id FROM conversation o JOIN conversation c ON c.id = COALESCE(o.parent_id, o.id) \
                 OR c.parent_id = COALESCE(o.parent_id, o.id) WHERE o.id = $1";
            for row in sqlx::query(text).bind(id).fetch_all(self.pool()).await? {
                all.push(row.try_get(0)?);
            }
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// Conversations whose customer had another address before.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn readdressed(&self) -> Result<Vec<(i64, KeyRow, Sealed)>, StoreFault> {
        let text = "SELECT c.id, c.data_key_id, k.wrapped, c.former FROM conversation c \
             JOIN data_key k ON k.id = c.data_key_id WHERE c.former IS NOT NULL ORDER BY c.id";
        let rows = sqlx::query(text).fetch_all(self.pool()).await?;
        rows.iter()
            .map(|row| {
                let key = KeyRow { id: row.try_get(1)?, wrapped: row.try_get(2)? };
                Ok((row.try_get(0)?, key, Sealed::from_stored(row.try_get(3)?)))
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(Into::into)
    }
}

async fn hold_one(
    connection: &mut sqlx::AnyConnection,
    hold: i64,
    conversation: i64,
) -> Result<(), sqlx::Error> {
    let text = "INSERT INTO held_conversation (hold_id, conversation_id) VALUES ($1, $2) \
         ON CONFLICT (hold_id, conversation_id) DO NOTHING";
    sqlx::query(text).bind(hold).bind(conversation).execute(connection).await?;
    Ok(())
}
