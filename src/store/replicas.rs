//! Who copies the database: standbys and base backups that PostgreSQL serves now (pg_stat_replication).
//!
//! Rules: SQLite has none. A user without `pg_read_all_stats` sees that somebody copies, not who: that is told apart.
//! When it fails: [`StoreFault`].

use super::{Store, StoreFault};
use sqlx::Row;
use std::net::IpAddr;

/// Somebody who copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replica {
    /// Over a socket of the database's own machine.
    Local,
    /// From this address.
    At(IpAddr),
    /// This user may not see from where.
    Hidden,
}

impl Store {
    /// The address at which the server of the database sees itself; none over a socket, and of SQLite.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn server_address(&self) -> Result<Option<IpAddr>, StoreFault> {
        if self.is_embedded() {
            return Ok(None);
        }
        let row = sqlx::query("SELECT host(inet_server_addr())").fetch_one(self.pool()).await?;
        let address: Option<String> = row.try_get(0)?;
        Ok(address.and_then(|address| address.parse().ok()))
    }

    /// Who copies the database now.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn replicas(&self) -> Result<Vec<Replica>, StoreFault> {
        if self.is_embedded() {
            return Ok(Vec::new());
        }
        // `state` is null where the rest of the row is hidden.
        let rows = sqlx::query("SELECT host(client_addr), state FROM pg_stat_replication")
            .fetch_all(self.pool())
            .await?;
        let replica = |row: &sqlx::any::AnyRow| {
            let (address, state): (Option<String>, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
            Ok(match (address.map(|address| address.parse()), state) {
                (Some(Ok(ip)), _) => Replica::At(ip),
                (None, Some(_)) => Replica::Local,
                _ => Replica::Hidden,
            })
        };
        rows.iter().map(replica).collect()
    }
}
