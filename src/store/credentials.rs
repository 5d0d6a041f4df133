//! Submission credentials over their life: added, changed, ended, used.
//!
//! Rules: a change is one transaction, which begins with a lock on the store's row, so that two at once count each other;
//! its record is in it. A credential that has ended stays, since the log names it, and never comes back.
//! When it fails: [`StoreFault`]; nothing was changed.

use super::fault::StoreFault;
use super::handle::Store;
use super::menu_changing::{Came, Told};
use super::reader::Transaction;
use super::rows::{NewCredential, Verifiers};
use super::writer::Change;
use crate::mail::Timestamp;
use crate::vault::Sealed;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

/// Credentials of one store that stand at once.
pub const CREDENTIALS_MAX: usize = 10;

/// A credential as its store has it.
pub struct KeptCredential {
    pub id: i64,
    pub label: Sealed,
    pub networks: Option<Sealed>,
    pub used: Option<Sealed>,
    pub created_at: Timestamp,
    /// Refused from then on; may lie ahead.
    pub revoked_at: Option<Timestamp>,
}

/// What a change of credentials came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    Done,
    /// As many stand as may.
    TooMany,
    /// Who asked may not any more.
    NotAllowed,
    /// It has ended already, or is not the store's; or the store has left, and all of its credentials with it.
    NotThere,
}

impl Came for Changed {
    const DONE: Self = Self::Done;
    const NOT_ALLOWED: Self = Self::NotAllowed;
    const GONE: Self = Self::NotThere;
}

impl Store {
    /// Keeps the verifiers of a credential that lacks one.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn keep_verifiers(
        &self,
        credential: i64,
        verifiers: Verifiers,
        at: Timestamp,
    ) -> Result<(), StoreFault> {
        self.change(Change::KeepVerifiers { credential, verifiers, at }).await.map(|_| ())
    }

    /// Clears the fast hashes of passwords that have had a verifier since before `at`, and all of what has ended.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn clear_fast_hashes(&self, at: Timestamp, now: Timestamp) -> Result<(), StoreFault> {
        self.change(Change::ClearFastHashes { at, now }).await.map(|_| ())
    }

    /// All credentials of a store, ended ones too, the oldest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn credentials(&self, merchant: i64) -> Result<Vec<KeptCredential>, StoreFault> {
        let text = "SELECT id, label, networks, used, created_at, revoked_at FROM credential WHERE merchant_id = $1 ORDER BY id";
        let rows = sqlx::query(text).bind(merchant).fetch_all(self.pool()).await?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Adds a credential, and ends the one that it replaces at a time.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn add_credential(
        &self,
        merchant: i64,
        new: &NewCredential,
        replaces: Option<(i64, Timestamp)>,
        now: Timestamp,
        told: &Told,
    ) -> Result<Changed, StoreFault> {
        self.menu_changing(merchant, told, async |transaction| {
            if let Some((old, at)) = replaces
                && !end(transaction, merchant, old, at, now).await?
            {
                return Ok(Changed::NotThere);
            }
            // One that ends has its place filled already, so that ten can change one by one.
            let text = "SELECT COUNT(revoked_at), COUNT(*) FROM credential WHERE merchant_id = $1 \
                 AND (revoked_at IS NULL OR revoked_at > $2)";
            let query = sqlx::query(text).bind(merchant).bind(now.as_millis());
            let row = query.fetch_one(&mut **transaction).await?;
            let (ending, all): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            let most = i64::try_from(CREDENTIALS_MAX).unwrap_or(i64::MAX);
            if all - ending >= most || all >= 2 * most {
                return Ok(Changed::TooMany);
            }
            add(transaction, merchant, new, now).await?;
            Ok(Changed::Done)
        })
        .await
    }

    /// Ends a credential at a time, or sooner where that was said before.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn end_credential(
        &self,
        merchant: i64,
        credential: i64,
        at: Timestamp,
        now: Timestamp,
        told: &Told,
    ) -> Result<Changed, StoreFault> {
        self.menu_changing(merchant, told, async |transaction| {
            let is_ended = end(transaction, merchant, credential, at, now).await?;
            Ok(if is_ended { Changed::Done } else { Changed::NotThere })
        })
        .await
    }

    /// Says from where a credential may be used.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn limit_credential(
        &self,
        merchant: i64,
        credential: i64,
        networks: Option<&Sealed>,
        now: Timestamp,
        told: &Told,
    ) -> Result<Changed, StoreFault> {
        self.menu_changing(merchant, told, async |transaction| {
            let text = "UPDATE credential SET networks = $1 WHERE id = $2 AND merchant_id = $3 \
                 AND (revoked_at IS NULL OR revoked_at > $4)";
            let done = sqlx::query(text)
                .bind(networks.map(Sealed::stored))
                .bind(credential)
                .bind(merchant)
                .bind(now.as_millis())
                .execute(&mut **transaction)
                .await?;
            Ok(if done.rows_affected() == 1 { Changed::Done } else { Changed::NotThere })
        })
        .await
    }

    /// Keeps when and from where a credential was last used.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn credential_used(&self, credential: i64, used: &Sealed) -> Result<(), StoreFault> {
        let text = "UPDATE credential SET used = $1 WHERE id = $2";
        sqlx::query(text).bind(used.stored()).bind(credential).execute(self.pool()).await?;
        Ok(())
    }

    /// From where a credential may be used, for a session that it began. `None`: it has ended.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn credential_standing(
        &self,
        credential: i64,
        now: Timestamp,
    ) -> Result<Option<Option<Sealed>>, StoreFault> {
        let text = "SELECT networks FROM credential c WHERE id = $1 AND (revoked_at IS NULL OR revoked_at > $2) \
             AND NOT EXISTS (SELECT 1 FROM merchant m WHERE m.id = c.merchant_id AND m.contained_at IS NOT NULL)";
        let query = sqlx::query(text).bind(credential).bind(now.as_millis());
        let row = query.fetch_optional(self.pool()).await?;
        let read = |row: AnyRow| Ok(row.try_get::<Option<Vec<u8>>, _>(0)?.map(Sealed::from_stored));
        row.map(read).transpose().map_err(|error: sqlx::Error| error.into())
    }
}

/// Whether a credential that stands ends then; one that was to end sooner does.
async fn end(
    transaction: &mut Transaction<'_>,
    merchant: i64,
    credential: i64,
    at: Timestamp,
    now: Timestamp,
) -> Result<bool, StoreFault> {
    let text = "UPDATE credential SET revoked_at = CASE WHEN revoked_at < $1 THEN revoked_at ELSE $1 END \
         WHERE id = $2 AND merchant_id = $3 AND (revoked_at IS NULL OR revoked_at > $4)";
    let done = sqlx::query(text)
        .bind(at.as_millis())
        .bind(credential)
        .bind(merchant)
        .bind(now.as_millis())
        .execute(&mut **transaction)
        .await?;
    forget_ended(transaction, Some(merchant), now).await?;
    Ok(done.rows_affected() == 1)
}

/// Forgets all by which the passwords of credentials that have ended are known, of one store or of all: a mark that is taken back
/// lets nobody in.
pub(super) async fn forget_ended(
    connection: &mut AnyConnection,
    merchant: Option<i64>,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let text = "UPDATE credential SET secret = $1, verifier = NULL, scram = NULL WHERE revoked_at <= $2 \
         AND ($3 = 0 OR merchant_id = $3) AND (secret <> $1 OR verifier IS NOT NULL OR scram IS NOT NULL)";
    let query = sqlx::query(text).bind(&[][..]).bind(now.as_millis()).bind(merchant.unwrap_or_default());
    query.execute(connection).await?;
    Ok(())
}

fn read(row: &AnyRow) -> Result<KeptCredential, sqlx::Error> {
    let sealed = |at| Ok::<_, sqlx::Error>(row.try_get::<Option<Vec<u8>>, _>(at)?.map(Sealed::from_stored));
    Ok(KeptCredential {
        id: row.try_get(0)?,
        label: Sealed::from_stored(row.try_get(1)?),
        networks: sealed(2)?,
        used: sealed(3)?,
        created_at: Timestamp::from_millis(row.try_get(4)?),
        revoked_at: row.try_get::<Option<i64>, _>(5)?.map(Timestamp::from_millis),
    })
}

/// Adds a credential to a store.
pub(super) async fn add(
    connection: &mut AnyConnection,
    merchant: i64,
    new: &NewCredential,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO credential (id, merchant_id, auth_idx, secret, scram, verifier, label, created_at, verifier_at, \
         networks) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9)",
    )
    .bind(new.id)
    .bind(merchant)
    .bind(new.auth_idx.as_bytes())
    .bind(new.secret.as_slice())
    .bind(new.verifiers.scram.stored())
    .bind(new.verifiers.password.stored())
    .bind(new.label.stored())
    .bind(at.as_millis())
    .bind(new.networks.as_ref().map(Sealed::stored))
    .execute(connection)
    .await?;
    Ok(())
}

/// Keeps the verifiers of a credential that lacks one.
pub(super) async fn keep_verifiers(
    connection: &mut AnyConnection,
    credential: i64,
    verifiers: &Verifiers,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    // Of two logins that bring the same, the first one's stay.
    sqlx::query(
        "UPDATE credential SET scram = $1, verifier = $2, verifier_at = $3 \
         WHERE id = $4 AND (scram IS NULL OR verifier IS NULL) AND (revoked_at IS NULL OR revoked_at > $3)",
    )
    .bind(verifiers.scram.stored())
    .bind(verifiers.password.stored())
    .bind(at.as_millis())
    .bind(credential)
    .execute(connection)
    .await?;
    Ok(())
}

/// Clears the fast hashes of passwords that have had a verifier since before `at`.
pub(super) async fn clear_fast_hashes(
    connection: &mut AnyConnection,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE credential SET secret = $1 WHERE verifier_at <= $2 AND secret <> $1")
        .bind(&[][..])
        .bind(at.as_millis())
        .execute(connection)
        .await?;
    Ok(())
}
