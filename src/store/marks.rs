//! What rows of the log hash to, noted in the transaction that writes them.
//!
//! Rules: one row for all of an hour that a transaction writes, behind everything else, so that a message pays for hashing and hardly
//! for the note. Nothing relies on it: rows without a mark (an older version's) are found by their ids, and entered as they stand there.
//! When it fails: the transaction is rolled back.

use super::fault::StoreFault;
use super::handle::Store;
use super::ids::Ids;
use super::rows::NewRecord;
use crate::ledger::{LogFields, Mark, pack};
use sqlx::{AnyConnection, Row};
use std::collections::BTreeMap;

const HOUR_MS: i64 = 3_600_000;

/// What a transaction has written, by hour.
#[derive(Default)]
pub(super) struct Marks(BTreeMap<i64, Vec<Mark>>);

impl Marks {
    /// Notes a row.
    pub fn note(&mut self, new: &NewRecord) {
        let fields = LogFields {
            id: new.id,
            at: new.at.as_millis(),
            event: new.event,
            merchant_id: new.merchant_id,
            conversation_id: new.conversation_id,
            message_id: new.message_id,
            delivery_id: new.delivery_id,
            data_key_id: new.data_key_id,
            detail: new.detail.stored(),
            headers: new.headers.as_ref().map(|headers| headers.stored()),
        };
        let hour = Ids::time_of(new.id).as_millis().div_euclid(HOUR_MS);
        self.0.entry(hour).or_default().push(fields.mark());
    }

    /// Writes what was noted.
    pub async fn write(self, connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
        for (hour, mut marks) in self.0 {
            marks.sort_unstable_by_key(|mark| mark.id);
            let Some(first) = marks.first() else { continue };
            sqlx::query("INSERT INTO record_mark (id, hour, marks) VALUES ($1, $2, $3)")
                .bind(first.id)
                .bind(hour)
                .bind(pack(&marks))
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }
}

impl Store {
    /// What was noted of an hour behind an id, in the order of the first rows: that row's id, and the marks.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn noted_marks(
        &self,
        hour: i64,
        after: i64,
        limit: i64,
    ) -> Result<Vec<(i64, Vec<u8>)>, StoreFault> {
        let text = "SELECT id, marks FROM record_mark WHERE hour = $1 AND id > $2 ORDER BY id LIMIT $3";
        let rows = sqlx::query(text).bind(hour).bind(after).bind(limit).fetch_all(self.pool()).await?;
        let read = |row: &sqlx::any::AnyRow| Ok((row.try_get(0)?, row.try_get(1)?));
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Forgets what was noted of hours before one.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn forget_marks(&self, hour: i64) -> Result<(), StoreFault> {
        sqlx::query("DELETE FROM record_mark WHERE hour < $1").bind(hour).execute(self.pool()).await?;
        Ok(())
    }
}
