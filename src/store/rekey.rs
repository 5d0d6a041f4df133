//! Rows that are wrapped or indexed anew when keys of the ring change, and what still needs an old one.
//!
//! Rules: a row is written only if it is what it was when it was read, so nothing that was changed or destroyed meanwhile
//! comes back. A batch and its place are one transaction.
//! When it fails: [`StoreFault`]; the batch is done again.

use super::fault::StoreFault;
use super::handle::Store;
use super::keys::{SegmentRow, classes_of, read_segment};
use super::parties::KeyRow;
use crate::mail::Timestamp;
use crate::vault::{Purpose, Sealed};
use sqlx::{AssertSqlSafe, Row};

/// How far a stage has come.
pub struct RekeyingRow {
    pub target: String,
    pub position: i64,
    pub done: i64,
    pub begun_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

/// One column of one row, with what stands there now and what shall.
pub struct Rewritten {
    pub id: i64,
    pub column: Column,
    pub old: Vec<u8>,
    pub new: Vec<u8>,
}

/// The columns that depend on a key of the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    DataKey,
    MenuKey,
    Segment,
    Scram,
    Verifier,
    Store,
    Address,
    Credential,
    Conversation,
    Customer,
    Source,
    Period,
}

impl Column {
    fn update(self) -> &'static str {
        match self {
            Column::DataKey => "UPDATE data_key SET wrapped = $1 WHERE id = $2 AND wrapped = $3",
            Column::MenuKey => "UPDATE data_key SET menu_wrapped = $1 WHERE id = $2 AND menu_wrapped = $3",
            Column::Segment => "UPDATE segment SET wrapped = $1 WHERE id = $2 AND wrapped = $3",
            Column::Scram => "UPDATE credential SET scram = $1 WHERE id = $2 AND scram = $3",
            Column::Verifier => "UPDATE credential SET verifier = $1 WHERE id = $2 AND verifier = $3",
            Column::Store => {
                "UPDATE merchant SET store_idx = $1 WHERE id = $2 AND store_idx = $3 \
                 AND NOT EXISTS (SELECT 1 FROM merchant o WHERE o.store_idx = $1)"
            }
            Column::Address => {
                "UPDATE merchant_address SET address_idx = $1 WHERE id = $2 AND address_idx = $3 AND NOT EXISTS \
                 (SELECT 1 FROM merchant_address o WHERE o.merchant_id = merchant_address.merchant_id AND o.address_idx = $1)"
            }
            Column::Credential => {
                "UPDATE credential SET auth_idx = $1 WHERE id = $2 AND auth_idx = $3 \
                 AND NOT EXISTS (SELECT 1 FROM credential o WHERE o.auth_idx = $1)"
            }
            Column::Conversation => {
                "UPDATE conversation SET key_idx = $1 WHERE id = $2 AND key_idx = $3 AND NOT EXISTS \
                 (SELECT 1 FROM conversation o WHERE o.merchant_id = conversation.merchant_id \
                 AND o.kind = conversation.kind AND o.key_idx = $1)"
            }
            Column::Customer => {
                "UPDATE conversation SET customer_idx = $1 WHERE id = $2 AND customer_idx = $3"
            }
            Column::Period => "UPDATE period_key SET wrapped = $1 WHERE id = $2 AND wrapped = $3",
            Column::Source => "UPDATE record SET source = $1 WHERE id = $2 AND source = $3",
        }
    }
}

/// A row with one sealed value from which an index is made.
pub struct IndexedRow {
    pub id: i64,
    pub key: KeyRow,
    pub value: Sealed,
    pub index: Vec<u8>,
}

/// A conversation with what its indexes are made of.
pub struct IndexedConversation {
    pub id: i64,
    pub key: KeyRow,
    pub kind: String,
    pub merchant_id: i64,
    pub parent: Option<i64>,
    pub customer: Sealed,
    pub label: Sealed,
    pub key_idx: Vec<u8>,
    pub customer_idx: Vec<u8>,
}

/// A log record whose peer's address is indexed.
pub struct IndexedRecord {
    pub id: i64,
    pub key: KeyRow,
    pub detail: Sealed,
    pub source: i64,
}

/// Tables with one indexed value a row.
#[derive(Debug, Clone, Copy)]
pub enum IndexedTable {
    Stores,
    Addresses,
    Credentials,
}

impl Store {
    /// How far a stage has come.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn rekeying(&self, stage: &str) -> Result<Option<RekeyingRow>, StoreFault> {
        let text = "SELECT target, position, done, begun_at, finished_at FROM rekeying WHERE stage = $1";
        let row = sqlx::query(text).bind(stage).fetch_optional(self.pool()).await?;
        row.map(|row| {
            Ok(RekeyingRow {
                target: row.try_get(0)?,
                position: row.try_get(1)?,
                done: row.try_get(2)?,
                begun_at: Timestamp::from_millis(row.try_get(3)?),
                finished_at: row.try_get::<Option<i64>, _>(4)?.map(Timestamp::from_millis),
            })
        })
        .transpose()
        .map_err(|error: sqlx::Error| error.into())
    }

    /// Writes a batch with its place. How many rows were what they had been.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer; then nothing is written.
    pub async fn rekey(
        &self,
        stage: &str,
        place: &RekeyingRow,
        rows: &[Rewritten],
    ) -> Result<u64, StoreFault> {
        self.pool().bounded(async {
        let mut transaction = self.pool().begin().await?;
        // Written first: it takes the right to write at once.
        sqlx::query(
            "INSERT INTO rekeying (stage, target, position, done, begun_at, finished_at) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (stage) DO UPDATE SET target = excluded.target, position = excluded.position, \
             done = excluded.done, begun_at = excluded.begun_at, finished_at = excluded.finished_at",
        )
        .bind(stage)
        .bind(place.target.as_str())
        .bind(place.position)
        .bind(place.done)
        .bind(place.begun_at.as_millis())
        .bind(place.finished_at.map(Timestamp::as_millis))
        .execute(&mut *transaction)
        .await?;
        let mut written = 0;
        for row in rows {
            let query = sqlx::query(row.column.update());
            let query = match row.column {
                Column::Source => {
                    let number = |bytes: &[u8]| bytes.try_into().map_or(0, i64::from_be_bytes);
                    query.bind(number(&row.new)).bind(row.id).bind(number(&row.old))
                }
                _ => query.bind(row.new.as_slice()).bind(row.id).bind(row.old.as_slice()),
            };
            written += query.execute(&mut *transaction).await?.rows_affected();
            if row.column == Column::DataKey {
                // What opened it until now opens it in old copies of the database.
                let text = "UPDATE data_key SET bare = $1 WHERE id = $2 AND bare IS NULL";
                let query = sqlx::query(text).bind(crate::vault::bare_under(&row.old)).bind(row.id);
                query.execute(&mut *transaction).await?;
            }
        }
        transaction.commit().await?;
        Ok(written)
        }).await
    }

    /// Data keys after `position`.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn data_keys(&self, position: i64, limit: i64) -> Result<Vec<KeyRow>, StoreFault> {
        let text = "SELECT id, wrapped FROM data_key WHERE id > $1 ORDER BY id LIMIT $2";
        let rows = sqlx::query(text).bind(position).bind(limit).fetch_all(self.pool()).await?;
        let read = |row: &sqlx::any::AnyRow| Ok(KeyRow { id: row.try_get(0)?, wrapped: row.try_get(1)? });
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Keys of stores as they are boxed for the menu, after `position`.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn menu_keys(&self, position: i64, limit: i64) -> Result<Vec<KeyRow>, StoreFault> {
        let text = "SELECT id, menu_wrapped FROM data_key WHERE menu_wrapped IS NOT NULL AND id > $1 ORDER BY id LIMIT $2";
        let rows = sqlx::query(text).bind(position).bind(limit).fetch_all(self.pool()).await?;
        let read = |row: &sqlx::any::AnyRow| Ok(KeyRow { id: row.try_get(0)?, wrapped: row.try_get(1)? });
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Segments of the classes of a purpose after `position`.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn segments(
        &self,
        purpose: Purpose,
        position: i64,
        limit: i64,
    ) -> Result<Vec<SegmentRow>, StoreFault> {
        let of = classes_of(purpose);
        let text = format!(
            "SELECT id, class, day, wrapped FROM segment WHERE {of} AND id > $1 ORDER BY id LIMIT $2"
        );
        let query = sqlx::query(AssertSqlSafe(text)).bind(position).bind(limit);
        let rows = query.fetch_all(self.pool()).await?;
        rows.iter().map(read_segment).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Sealed verifiers after `position`, SCRAM's and the password's, with the rows' ids.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn verifiers(
        &self,
        position: i64,
        limit: i64,
    ) -> Result<Vec<(i64, Option<Sealed>, Option<Sealed>)>, StoreFault> {
        let text = "SELECT id, scram, verifier FROM credential \
                    WHERE id > $1 AND (scram IS NOT NULL OR verifier IS NOT NULL) ORDER BY id LIMIT $2";
        let rows = sqlx::query(text).bind(position).bind(limit).fetch_all(self.pool()).await?;
        let read = |row: &sqlx::any::AnyRow| {
            let sealed = |at: usize| {
                row.try_get::<Option<Vec<u8>>, _>(at).map(|octets| octets.map(Sealed::from_stored))
            };
            Ok((row.try_get(0)?, sealed(1)?, sealed(2)?))
        };
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Rows of an indexed table after `position`.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn indexed(
        &self,
        table: IndexedTable,
        position: i64,
        limit: i64,
    ) -> Result<Vec<IndexedRow>, StoreFault> {
        let from = match table {
            IndexedTable::Stores => {
                "SELECT t.id, m.data_key_id, k.wrapped, t.profile, t.store_idx FROM merchant t JOIN merchant m ON m.id = t.id"
            }
            IndexedTable::Addresses => {
                "SELECT t.id, m.data_key_id, k.wrapped, t.address, t.address_idx FROM merchant_address t \
                 JOIN merchant m ON m.id = t.merchant_id"
            }
            IndexedTable::Credentials => {
                "SELECT t.id, m.data_key_id, k.wrapped, t.label, t.auth_idx FROM credential t \
                 JOIN merchant m ON m.id = t.merchant_id"
            }
        };
        let text =
            format!("{from} JOIN data_key k ON k.id = m.data_key_id WHERE t.id > $1 ORDER BY t.id LIMIT $2");
        let rows = sqlx::query(AssertSqlSafe(text)).bind(position).bind(limit).fetch_all(self.pool()).await?;
        rows.iter()
            .map(|row| {
                Ok(IndexedRow {
                    id: row.try_get(0)?,
                    key: KeyRow { id: row.try_get(1)?, wrapped: row.try_get(2)? },
                    value: Sealed::from_stored(row.try_get(3)?),
                    index: row.try_get(4)?,
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(Into::into)
    }

    /// Conversations after `position`, with what their indexes are made of.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn indexed_conversations(
        &self,
        position: i64,
        limit: i64,
    ) -> Result<Vec<IndexedConversation>, StoreFault> {
        let text = "SELECT c.id, c.data_key_id, k.wrapped, c.kind, c.merchant_id, c.parent_id, c.customer, c.label, \
             c.key_idx, c.customer_idx FROM conversation c JOIN data_key k ON k.id = c.data_key_id \
             WHERE c.id > $1 ORDER BY c.id LIMIT $2";
        let rows = sqlx::query(text).bind(position).bind(limit).fetch_all(self.pool()).await?;
        rows.iter()
            .map(|row| {
                Ok(IndexedConversation {
                    id: row.try_get(0)?,
                    key: KeyRow { id: row.try_get(1)?, wrapped: row.try_get(2)? },
                    kind: row.try_get(3)?,
                    merchant_id: row.try_get(4)?,
                    parent: row.try_get(5)?,
                    customer: Sealed::from_stored(row.try_get(6)?),
                    label: Sealed::from_stored(row.try_get(7)?),
                    key_idx: row.try_get(8)?,
                    customer_idx: row.try_get(9)?,
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(Into::into)
    }

    /// Log records after `position` that name a peer.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn indexed_records(&self, position: i64, limit: i64) -> Result<Vec<IndexedRecord>, StoreFault> {
        let text = "SELECT r.id, r.data_key_id, k.wrapped, r.detail, r.source FROM record r \
             JOIN data_key k ON k.id = r.data_key_id WHERE r.id > $1 AND r.source IS NOT NULL ORDER BY r.id LIMIT $2";
        let rows = sqlx::query(text).bind(position).bind(limit).fetch_all(self.pool()).await?;
        rows.iter()
            .map(|row| {
                Ok(IndexedRecord {
                    id: row.try_get(0)?,
                    key: KeyRow { id: row.try_get(1)?, wrapped: row.try_get(2)? },
                    detail: Sealed::from_stored(row.try_get(3)?),
                    source: row.try_get(4)?,
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(Into::into)
    }
}
