//! With what a store's programs logged in to submission, by the facts of the log.
//!
//! When it fails: [`StoreFault`].

use super::batch::statement;
use super::fault::StoreFault;
use super::handle::Store;
use crate::mail::Timestamp;
use crate::vault::Sealed;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

/// A login, or somebody who failed to.
pub struct MenuLoginRow {
    pub id: i64,
    pub at: Timestamp,
    pub event: String,
    /// The number of the user name, in its quarter.
    pub login: Option<i64>,
    pub country: Option<String>,
    pub asn: Option<i64>,
}

const LOGIN: &str = "SELECT id, at, event, login_k, country, asn FROM fact WHERE id >= ? AND id < ? AND ";

fn read(row: &AnyRow) -> Result<MenuLoginRow, sqlx::Error> {
    Ok(MenuLoginRow {
        id: row.try_get(0)?,
        at: Timestamp::from_millis(row.try_get(1)?),
        event: row.try_get(2)?,
        login: row.try_get(3)?,
        country: row.try_get(4)?,
        asn: row.try_get(5)?,
    })
}

impl Store {
    /// Logins of a store in a stretch of ids, and failed ones under the user names with these numbers; the latest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn menu_logins(
        &self,
        merchant: i64,
        names: &[i64],
        (from, before): (i64, i64),
        limit: i64,
    ) -> Result<Vec<MenuLoginRow>, StoreFault> {
        let tail = "ORDER BY id DESC LIMIT ?";
        let own = format!("{LOGIN} merchant_id = ? AND event IN ('login', 'login_new_network')");
        let text = statement(self.engine(), &own, "", 1, tail);
        // Planned anew each time, with its ids, as searches are.
        let query = sqlx::query(AssertSqlSafe(text)).persistent(false);
        let query = query.bind(from).bind(before).bind(merchant).bind(limit);
        let mut rows = query.fetch_all(self.pool()).await?;
        if !names.is_empty() {
            // Whose name it was is known of nobody who failed.
            let refused = format!("{LOGIN} event = 'login_refused' AND login_k IN (");
            let text = statement(self.engine(), &refused, "?", names.len(), &format!(") {tail}"));
            let mut query = sqlx::query(AssertSqlSafe(text)).persistent(false).bind(from).bind(before);
            for name in names {
                query = query.bind(*name);
            }
            rows.extend(query.bind(limit).fetch_all(self.pool()).await?);
        }
        let mut found = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        found.sort_by_key(|row| std::cmp::Reverse(row.id));
        found.truncate(usize::try_from(limit).unwrap_or_default());
        Ok(found)
    }

    /// From where a store's programs logged in, by their records from the first to the last of these.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn menu_whence(
        &self,
        merchant: i64,
        (first, last): (i64, i64),
    ) -> Result<Vec<(i64, Sealed)>, StoreFault> {
        let text = "SELECT id, whence FROM menu_whence WHERE merchant_id = $1 AND id >= $2 AND id <= $3";
        let query = sqlx::query(text).bind(merchant).bind(first).bind(last);
        let rows = query.fetch_all(self.pool()).await?;
        let read = |row: &AnyRow| Ok((row.try_get(0)?, Sealed::from_stored(row.try_get(1)?)));
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }
}
