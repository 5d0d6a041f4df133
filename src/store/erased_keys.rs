//! Data keys that were destroyed for good, each with what proves it.
//!
//! Rules: a key is named here in the transaction that destroys it, with an index that only a process with the key ring makes: a row
//! that somebody else wrote takes no leaf out of any tree. Nor does one that was pointed to another's key: where nothing shows that the
//! key is the row's own, it stays; a key of a stranger or an extract, of which older versions keep nothing that does, is
//! destroyed in the database alone. The installation's key and those of stores are never destroyed. Nodes of an older version write no
//! proof; whoever has the leaf out of its own tree already gives it one.
//! When it fails: [`StoreFault`]; then no key is destroyed.

use super::fault::StoreFault;
use super::handle::Store;
use super::ids;
use crate::mail::Timestamp;
use crate::vault::Index;
use sqlx::{AnyConnection, Row};
use std::collections::BTreeSet;

/// What the proof of a destroyed key says.
pub const DESTROYED: &str = "destroyed";

/// Whoever has the key ring, and so proves what it destroys.
pub trait Proves: Sync {
    /// An id by time.
    fn next_id(&self) -> i64;
    /// The index that proves what is said of a row of a table.
    fn prove(&self, table: &'static str, row: i64, said: &str) -> Index;
    /// Whether a data key is known to be of what it is destroyed with: it opens what that has sealed.
    fn owns(&self, data_key: i64) -> bool;
}

/// Somebody with the key ring, who knows keys of strangers too.
pub(super) struct OfThem<'a, P> {
    pub by: &'a P,
    pub own: &'a BTreeSet<i64>,
}

impl<P: Proves> Proves for OfThem<'_, P> {
    fn next_id(&self) -> i64 {
        self.by.next_id()
    }

    fn prove(&self, table: &'static str, row: i64, said: &str) -> Index {
        self.by.prove(table, row, said)
    }

    fn owns(&self, data_key: i64) -> bool {
        self.own.contains(&data_key) || self.by.owns(data_key)
    }
}

/// What became of a data key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gone {
    /// In the database, and its leaf goes out of every tree.
    ForGood,
    /// In this database: a copy of it opens with the seal key that wrapped it.
    Here,
    /// Nothing shows whose it is.
    Stays,
}

/// A data key that was destroyed.
pub struct ErasedKeyRow {
    pub id: i64,
    pub data_key: i64,
    /// What proves it; not known of those of an older version.
    pub ruling: Option<Vec<u8>>,
}

impl Store {
    /// Data keys that were destroyed for good since a time, the oldest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn erased_keys(&self, since: Timestamp) -> Result<Vec<ErasedKeyRow>, StoreFault> {
        let text = "SELECT id, data_key_id, ruling FROM erased_key WHERE id >= $1 ORDER BY id";
        let rows = sqlx::query(text).bind(ids::floor(since.as_millis())).fetch_all(self.pool()).await?;
        rows.iter()
            .map(|row| {
                Ok(ErasedKeyRow { id: row.try_get(0)?, data_key: row.try_get(1)?, ruling: row.try_get(2)? })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(Into::into)
    }

    /// Gives a destroyed key what proves that it was, where it has nothing.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn rule_erased_key(&self, id: i64, ruling: Index) -> Result<(), StoreFault> {
        let text = "UPDATE erased_key SET ruling = $1 WHERE id = $2 AND ruling IS NULL";
        sqlx::query(text).bind(ruling.as_bytes()).bind(id).execute(self.pool()).await?;
        Ok(())
    }

    /// Whether a data key is the installation's or a store's.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn is_lasting(&self, data_key: i64) -> Result<bool, StoreFault> {
        Ok(lasts(&mut *self.pool().take().await?, data_key).await?)
    }
}

/// Whether a data key is the installation's or a store's.
async fn lasts(connection: &mut AnyConnection, data_key: i64) -> Result<bool, sqlx::Error> {
    let text = "SELECT data_key_id FROM installation WHERE data_key_id = $1 \
         UNION SELECT data_key_id FROM merchant WHERE data_key_id = $1";
    Ok(sqlx::query(text).bind(data_key).fetch_optional(connection).await?.is_some())
}

/// Destroys a data key for good, where it is the row's own.
///
/// A row that somebody pointed to a key that lasts destroys nothing: the change that it belongs to fails as a whole.
pub(super) async fn destroy_key(
    connection: &mut AnyConnection,
    key: i64,
    by: &impl Proves,
    at: Timestamp,
) -> Result<Gone, StoreFault> {
    if lasts(&mut *connection, key).await? {
        return Err(StoreFault::Lasting);
    }
    if !by.owns(key) {
        let text = "UPDATE data_key SET wrapped = $1 WHERE id = $2 AND subject IN ('stranger', 'extract')";
        let done = sqlx::query(text).bind(&[][..]).bind(key).execute(&mut *connection).await?;
        return Ok(if done.rows_affected() > 0 { Gone::Here } else { Gone::Stays });
    }
    let text = "UPDATE data_key SET wrapped = $1, menu_wrapped = NULL WHERE id = $2";
    sqlx::query(text).bind(&[][..]).bind(key).execute(&mut *connection).await?;
    let text = "INSERT INTO erased_key (id, data_key_id, at, ruling) VALUES ($1, $2, $3, $4)";
    sqlx::query(text)
        .bind(by.next_id())
        .bind(key)
        .bind(at.as_millis())
        .bind(by.prove("erased_key", key, DESTROYED).as_bytes())
        .execute(connection)
        .await?;
    Ok(Gone::ForGood)
}
