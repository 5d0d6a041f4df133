//! Which egress processes share the spool, and what each says of itself.
//!
//! Rules: a process writes its own row and reads the others'. Nobody's clock counts: who is there lets its beat grow, and
//! whoever reads it sees that by a clock of its own. A row whose beat stands still is deleted by whoever finds it so.
//! When it fails: [`StoreFault`]; the others count as what they were last seen to be, then as absent.

use super::batch::statement;
use super::engine::Engine;
use super::fault::StoreFault;
use super::handle::Store;
use sqlx::{AssertSqlSafe, Row};

/// Most processes that are read.
const NODES: i64 = 1000;

impl Store {
    /// Says that a process is there.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn say(&self, node: i64, beat: i64, says: &[u8]) -> Result<(), StoreFault> {
        sqlx::query(
            "INSERT INTO egress_node (id, beat, says) VALUES ($1, $2, $3) \
             ON CONFLICT (id) DO UPDATE SET beat = excluded.beat, says = excluded.says",
        )
        .bind(node)
        .bind(beat)
        .bind(says)
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// The processes that said that they are there, each with its beat.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn beats(&self) -> Result<Vec<(i64, i64)>, StoreFault> {
        let rows = sqlx::query("SELECT id, beat FROM egress_node LIMIT $1")
            .bind(NODES)
            .fetch_all(self.pool())
            .await?;
        let read = |row: &sqlx::any::AnyRow| Ok((row.try_get(0)?, row.try_get(1)?));
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// What one of them says; `None` where it has gone.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn said(&self, node: i64) -> Result<Option<Vec<u8>>, StoreFault> {
        let row = sqlx::query("SELECT says FROM egress_node WHERE id = $1")
            .bind(node)
            .fetch_optional(self.pool())
            .await?;
        row.map(|row| row.try_get(0)).transpose().map_err(|error: sqlx::Error| error.into())
    }

    /// The beginning of what each of them says: two octets.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn words_of_nodes(&self) -> Result<Vec<Vec<u8>>, StoreFault> {
        let rows = sqlx::query("SELECT substr(says, 1, 2) FROM egress_node LIMIT $1")
            .bind(NODES)
            .fetch_all(self.pool())
            .await?;
        let read = |row: &sqlx::any::AnyRow| row.try_get(0);
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Forgets processes that are gone.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn forget_nodes(&self, nodes: &[i64]) -> Result<(), StoreFault> {
        if nodes.is_empty() {
            return Ok(());
        }
        let engine: Engine = self.engine();
        let text = statement(engine, "DELETE FROM egress_node WHERE id IN (", "?", nodes.len(), ")");
        let mut query = sqlx::query(AssertSqlSafe(text));
        for node in nodes {
            query = query.bind(*node);
        }
        query.execute(self.pool()).await?;
        Ok(())
    }
}
