//! What autonomous systems are called.
//!
//! When it fails: [`StoreFault`]; numbers go without names.

use super::batch::{lots, statement};
use super::fault::StoreFault;
use super::handle::Store;
use crate::mail::Timestamp;
use sqlx::{AssertSqlSafe, Row};

impl Store {
    /// Keeps names, in the order of their numbers; one that stands already is not written again.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn name_networks(&self, names: &[(i64, String)], at: Timestamp) -> Result<(), StoreFault> {
        for lot in lots(names) {
            let text = statement(
                self.engine(),
                "INSERT INTO network_name (asn, name, named_at) VALUES",
                "(?, ?, ?)",
                lot.len(),
                "ON CONFLICT (asn) DO UPDATE SET name = excluded.name, named_at = excluded.named_at \
                 WHERE network_name.name <> excluded.name",
            );
            let mut query = sqlx::query(AssertSqlSafe(text));
            for (asn, name) in lot {
                query = query.bind(*asn).bind(name.clone()).bind(at.as_millis());
            }
            query.execute(self.pool()).await?;
        }
        Ok(())
    }

    /// The name of one.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn network_name(&self, asn: i64) -> Result<Option<String>, StoreFault> {
        let query = sqlx::query("SELECT name FROM network_name WHERE asn = $1").bind(asn);
        let row = query.fetch_optional(self.pool()).await?;
        row.map(|row| row.try_get(0)).transpose().map_err(Into::into)
    }
}
