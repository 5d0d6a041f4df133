//! Erasures as they are kept: what each destroyed, what it could not, and that it is certified.
//!
//! Rules: of a key of which nothing shows whose it is nothing is destroyed for good; what has it is named with the erasure, and the
//! certificate says that it is not complete. A later erasure that finds it whole settles it.
//! When it fails: [`StoreFault`]; nothing is certified.

use super::certificates::certify;
use super::fact_upkeep;
use super::fault::StoreFault;
use super::handle::Store;
use super::ids;
use crate::mail::Timestamp;
use crate::vault::Index;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

/// How long something may be under way with a key that was opened before, in milliseconds.
const LATE_MS: i64 = 120_000;

/// An erasure as it is kept.
pub struct ErasureRow {
    pub id: i64,
    pub at: Timestamp,
    pub conversations: i64,
    pub keys: Vec<i64>,
    pub fingerprints: String,
    /// The letters of the seal keys that wrapped some of the keys without the tree of erasure.
    pub bare: String,
    /// What still has a key that nothing shows to be its own: table and row, in pairs, separated by blanks.
    pub unproven: String,
    /// What of it was erased since.
    pub settled: String,
    /// What proves it; not known of those of an older version.
    pub ruling: Option<Vec<u8>>,
}

impl ErasureRow {
    /// All that it says, for what proves it.
    #[must_use]
    pub fn said(&self) -> String {
        let Self { at, conversations, fingerprints, bare, unproven, .. } = self;
        let said =
            format!("{} {conversations} [{}] [{fingerprints}] [{bare}]", at.as_millis(), self.keys_text());
        // As older versions have said it, where nothing is left.
        if unproven.is_empty() { said } else { format!("{said} [{unproven}]") }
    }

    /// What has a key that nothing showed to be its own: table and row.
    #[must_use]
    pub fn all_left(&self) -> Vec<(String, i64)> {
        pairs(&self.unproven)
    }

    /// The same without what was erased since.
    #[must_use]
    pub fn still_left(&self) -> Vec<(String, i64)> {
        let settled = pairs(&self.settled);
        self.all_left().into_iter().filter(|own| !settled.contains(own)).collect()
    }

    pub(super) fn keys_text(&self) -> String {
        self.keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }
}

/// The table of keys of an address and a day.
pub(super) const STRANGER: &str = "stranger";

/// What has a key, as a word of the list.
pub(super) fn left(table: &str, row: i64) -> String {
    format!("{table} {row}")
}

fn pairs(words: &str) -> Vec<(String, i64)> {
    let words: Vec<&str> = words.split_whitespace().collect();
    let pair = |[table, row]: &[&str; 2]| Some(((*table).to_owned(), row.parse().ok()?));
    words.as_chunks().0.iter().filter_map(pair).collect()
}

/// Notes with earlier erasures that something was erased now. Not of a stranger's day, which is of many people.
pub(super) async fn settle(connection: &mut AnyConnection, word: &str) -> Result<(), sqlx::Error> {
    if word.starts_with(STRANGER) {
        return Ok(());
    }
    let text = "UPDATE erasure SET settled = settled || ' ' || $1 WHERE ' ' || unproven || ' ' LIKE '% ' || $1 || ' %'";
    sqlx::query(text).bind(word).execute(connection).await.map(|_| ())
}

impl Store {
    /// Erasures without a certificate, the oldest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn erasures_pending(&self) -> Result<Vec<ErasureRow>, StoreFault> {
        self.erasures("certified_at IS NULL").await
    }

    /// Erasures with a certificate that left a key of which nothing shows whose it is.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn erasures_incomplete(&self) -> Result<Vec<ErasureRow>, StoreFault> {
        let mut rows = self.erasures("certified_at IS NOT NULL AND unproven <> ''").await?;
        rows.retain(|row| !row.still_left().is_empty());
        Ok(rows)
    }

    async fn erasures(&self, which: &'static str) -> Result<Vec<ErasureRow>, StoreFault> {
        let text = format!(
            "SELECT id, at, conversations, keys, fingerprints, bare, unproven, settled, ruling FROM erasure \
             WHERE {which} ORDER BY id LIMIT 1000"
        );
        let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(self.pool()).await?;
        rows.iter()
            .map(|row| {
                let keys: String = row.try_get(3)?;
                Ok(ErasureRow {
                    id: row.try_get(0)?,
                    at: Timestamp::from_millis(row.try_get(1)?),
                    conversations: row.try_get(2)?,
                    keys: keys.split(' ').filter_map(|key| key.parse().ok()).collect(),
                    fingerprints: row.try_get(4)?,
                    bare: row.try_get(5)?,
                    unproven: row.try_get(6)?,
                    settled: row.try_get(7)?,
                    ruling: row.try_get(8)?,
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(Into::into)
    }

    /// Gives an erasure what proves it, where it has nothing.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn rule_erasure(&self, id: i64, ruling: Index) -> Result<(), StoreFault> {
        let text = "UPDATE erasure SET ruling = $1 WHERE id = $2 AND ruling IS NULL";
        sqlx::query(text).bind(ruling.as_bytes()).bind(id).execute(self.pool()).await?;
        Ok(())
    }

    /// Writes the certificate of an erasure, once.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn certify_erasure(
        &self,
        erasure: i64,
        id: i64,
        body: &str,
        now: Timestamp,
    ) -> Result<bool, StoreFault> {
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                let text = "UPDATE erasure SET certified_at = $1 WHERE id = $2 AND certified_at IS NULL \
                     RETURNING at, keys";
                let query = sqlx::query(text).bind(now.as_millis()).bind(erasure);
                let row = query.fetch_optional(&mut *transaction).await?;
                let is_first = row.is_some();
                if let Some(row) = row {
                    // What was under way when the keys went: its record opens no more, and its fact must have no numbers.
                    let (at, keys): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
                    let late = (ids::floor(at - LATE_MS), ids::floor(at + LATE_MS));
                    for key in keys.split(' ').filter_map(|key| key.parse().ok()) {
                        fact_upkeep::clear_sealed_with(&mut transaction, late, key).await?;
                    }
                    certify(&mut transaction, id, "erasure", None, body, now).await?;
                }
                transaction.commit().await?;
                Ok(is_first)
            })
            .await
    }
}
