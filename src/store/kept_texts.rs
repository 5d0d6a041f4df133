//! Texts that stay after their delivery: written with their message, read for the desk, gone with their day or their person.
//!
//! When it fails: [`StoreFault`]; a text is written in the transaction of its message or not at all.

use super::fault::StoreFault;
use super::handle::Store;
use super::parties::KeyRow;
use super::rows::NewMessage;
use crate::mail::Timestamp;
use crate::vault::Sealed;
use sqlx::AnyConnection;
use sqlx::Row;
use sqlx::any::AnyRow;

/// A text, still sealed.
pub struct KeptTextRow {
    pub message_id: i64,
    pub at: Timestamp,
    pub key: KeyRow,
    pub body: Sealed,
}

const KEPT: &str = "SELECT t.id, t.at, t.data_key_id, k.wrapped, t.body FROM kept_text t \
    JOIN data_key k ON k.id = t.data_key_id ";

/// Writes what stays of new messages, each alone: a statement copies its values.
pub(super) async fn write(connection: &mut AnyConnection, fresh: &[&NewMessage]) -> Result<(), sqlx::Error> {
    for (new, body) in fresh.iter().filter_map(|new| Some((new, new.kept.as_ref()?))) {
        let text = "INSERT INTO kept_text (id, at, merchant_id, conversation_id, data_key_id, body) \
             VALUES ($1, $2, $3, $4, $5, $6)";
        sqlx::query(text)
            .bind(new.id)
            .bind(new.at.as_millis())
            .bind(new.merchant_id)
            .bind(new.conversation_id)
            .bind(new.data_key_id)
            .bind(body.stored())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

fn read(row: &AnyRow) -> Result<KeptTextRow, sqlx::Error> {
    Ok(KeptTextRow {
        message_id: row.try_get(0)?,
        at: Timestamp::from_millis(row.try_get(1)?),
        key: KeyRow { id: row.try_get(2)?, wrapped: row.try_get(3)? },
        body: Sealed::from_stored(row.try_get(4)?),
    })
}

impl Store {
    /// What stayed of a message.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn kept_text(&self, message: i64) -> Result<Option<KeptTextRow>, StoreFault> {
        let query = sqlx::query(sqlx::AssertSqlSafe(format!("{KEPT} WHERE t.id = $1"))).bind(message);
        let row = query.fetch_optional(self.pool()).await?;
        row.as_ref().map(read).transpose().map_err(Into::into)
    }

    /// What stayed of a conversation's messages, in order.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn kept_texts_in(&self, conversation: i64) -> Result<Vec<KeptTextRow>, StoreFault> {
        let text = format!("{KEPT} WHERE t.conversation_id = $1 ORDER BY t.id");
        let rows = sqlx::query(sqlx::AssertSqlSafe(text)).bind(conversation).fetch_all(self.pool()).await?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(Into::into)
    }
}
