//! Reading the log.

use super::fault::StoreFault;
use super::handle::Store;
use super::parties::KeyRow;
use crate::mail::Timestamp;
use crate::vault::Sealed;
use sqlx::Row;

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

const RECORD: &str = "SELECT r.id, r.at, r.event, r.merchant_id, r.conversation_id, r.message_id, r.delivery_id, \
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

    async fn records(&self, of: &'static str, id: i64) -> Result<Vec<RecordRow>, StoreFault> {
        let text = format!("{RECORD} WHERE {of} ORDER BY r.id LIMIT $2");
        let rows =
            sqlx::query(sqlx::AssertSqlSafe(text)).bind(id).bind(TRACE_LIMIT).fetch_all(self.pool()).await?;
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
            .collect::<Result<_, sqlx::Error>>()
            .map_err(Into::into)
    }
}
