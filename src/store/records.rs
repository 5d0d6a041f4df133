//! Reading the log.

use super::fault::StoreFault;
use super::handle::Store;
use super::ids;
use super::parties::KeyRow;
use super::retention::DAY_MS;
use super::strangers::LATER;
use crate::mail::Timestamp;
use crate::vault::{Index, Sealed};
use sqlx::Row;
use sqlx::any::AnyRow;

/// One line of the log, still sealed.
pub struct RecordRow {
    pub id: i64,
    pub at: Timestamp,
    pub event: String,
    pub merchant_id: Option<i64>,
    pub conversation_id: Option<i64>,
    pub message_id: Option<i64>,
    pub delivery_id: Option<i64>,
    pub key: KeyRow,
    pub detail: Sealed,
    pub headers: Option<Sealed>,
}

pub(super) const RECORD: &str = "SELECT r.id, r.at, r.event, r.merchant_id, r.conversation_id, r.message_id, r.delivery_id, \
    r.data_key_id, k.wrapped, r.detail, r.headers FROM record r JOIN data_key k ON k.id = r.data_key_id ";

/// Most lines that one trace reads.
const TRACE_LIMIT: i64 = 10_000;

impl Store {
    /// Everything that happened to one message, in order.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn records_of_message(&self, message: i64) -> Result<Vec<RecordRow>, StoreFault> {
        self.records("r.message_id = $1", message).await
    }

    /// Everything that happened in one conversation and in those of its guests, in order.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn records_of_conversation(&self, conversation: i64) -> Result<Vec<RecordRow>, StoreFault> {
        let of = "r.conversation_id IN (SELECT id FROM conversation WHERE id = $1 OR parent_id = $1)";
        self.records(of, conversation).await
    }

    /// Everything that happened in one conversation alone, in order.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn records_in(&self, conversation: i64) -> Result<Vec<RecordRow>, StoreFault> {
        let mut all = Vec::new();
        loop {
            let after = all.last().map_or(-1, |row: &RecordRow| row.id);
            let some = self.records_after("r.conversation_id = $1", conversation, after).await?;
            if some.is_empty() {
                return Ok(all);
            }
            all.extend(some);
        }
    }

    /// Everything that was noted about an address outside of conversations, in order.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn records_of_stranger(&self, address: Index) -> Result<Vec<RecordRow>, StoreFault> {
        let text = "SELECT day, data_key_id FROM stranger WHERE address_idx = $1 ORDER BY day";
        let days = sqlx::query(text).bind(address.as_bytes()).fetch_all(self.pool()).await?;
        let mut all = Vec::new();
        for row in days {
            let (day, key): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            // What becomes of a mail to the operator is noted some days later.
            let (from, until) = (
                ids::floor(day.saturating_mul(DAY_MS)),
                ids::floor((day + LATER + 2).saturating_mul(DAY_MS)),
            );
            let text =
                format!("{RECORD} WHERE r.id >= $1 AND r.id < $2 AND r.data_key_id = $3 ORDER BY r.id");
            let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(from).bind(until).bind(key);
            all.extend(read(&query.fetch_all(self.pool()).await?)?);
        }
        Ok(all)
    }

    /// The keys that a conversation's records and mails name.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn keys_about(&self, conversation: i64) -> Result<Vec<KeyRow>, StoreFault> {
        let text = "SELECT id, wrapped FROM data_key WHERE id IN (SELECT data_key_id FROM record WHERE conversation_id = $1 \
             UNION SELECT data_key_id FROM message WHERE conversation_id = $1)";
        let rows = sqlx::query(text).bind(conversation).fetch_all(self.pool()).await?;
        let read = |row: &AnyRow| Ok(KeyRow { id: row.try_get(0)?, wrapped: row.try_get(1)? });
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    async fn records(&self, of: &'static str, id: i64) -> Result<Vec<RecordRow>, StoreFault> {
        self.records_after(of, id, -1).await
    }

    async fn records_after(
        &self,
        of: &'static str,
        id: i64,
        after: i64,
    ) -> Result<Vec<RecordRow>, StoreFault> {
        let text = format!("{RECORD} WHERE {of} AND r.id > $3 ORDER BY r.id LIMIT $2");
        let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(id).bind(TRACE_LIMIT).bind(after);
        Ok(read(&query.fetch_all(self.pool()).await?)?)
    }
}

pub(super) fn read(rows: &[AnyRow]) -> Result<Vec<RecordRow>, sqlx::Error> {
    rows.iter()
        .map(|row| {
            Ok(RecordRow {
                id: row.try_get(0)?,
                at: Timestamp::from_millis(row.try_get(1)?),
                event: row.try_get(2)?,
                merchant_id: row.try_get(3)?,
                conversation_id: row.try_get(4)?,
                message_id: row.try_get(5)?,
                delivery_id: row.try_get(6)?,
                key: KeyRow { id: row.try_get(7)?, wrapped: row.try_get(8)? },
                detail: Sealed::from_stored(row.try_get(9)?),
                headers: row.try_get::<Option<Vec<u8>>, _>(10)?.map(Sealed::from_stored),
            })
        })
        .collect()
}
