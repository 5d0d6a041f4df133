//! The audit tree as it is kept, and the rows that it is over.
//!
//! Rules: leaves, edge, checkpoint and passes are one transaction, which is nothing when another process was faster. What is
//! read for the tree is read as it is stored: nothing is opened.
//! When it fails: [`StoreFault`]; then nothing was added.

use super::fault::StoreFault;
use super::handle::Store;
use crate::ledger::{LogRow, LookEntry, Table};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

/// How far the tree has come.
pub struct TreeRow {
    pub origin: String,
    pub size: i64,
    pub edge: Vec<u8>,
}

/// A leaf as it is kept, or to be kept.
#[derive(Clone)]
pub struct LeafRow {
    pub position: i64,
    pub kind: String,
    pub about: i64,
    pub entry: String,
    pub marks: Option<Vec<u8>>,
}

/// The root of a full subtree.
pub struct NodeRow {
    pub level: i64,
    pub position: i64,
    pub hash: Vec<u8>,
}

/// What one addition to the tree is.
pub struct Growth {
    pub from: i64,
    pub to: i64,
    pub edge: Vec<u8>,
    pub leaves: Vec<LeafRow>,
    pub nodes: Vec<NodeRow>,
    /// The signed checkpoint of the tree as it then is.
    pub note: String,
}

/// The kind of leaves that are hours of the log.
pub const SEGMENT: &str = "segment";

const LEAF: &str = "SELECT position, kind, about, entry, marks FROM tree_leaf ";
/// The columns that [`read_log_row`] reads, and [`read_look_entry`].
pub(super) const LOG_ROW: &str =
    "id, at, event, merchant_id, conversation_id, message_id, delivery_id, data_key_id, detail, headers";
pub(super) const LOOK_ENTRY: &str =
    "id, at, actor_idx, purpose, kind, rows, outcome, request_id, data_key_id, detail";

impl Store {
    /// How far the tree has come; it begins with the first call, under this name.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn tree(&self, origin: &str) -> Result<TreeRow, StoreFault> {
        let text = "SELECT origin, size, edge FROM tree WHERE id = 1";
        let row = match sqlx::query(text).fetch_optional(self.pool()).await? {
            Some(row) => row,
            None => {
                sqlx::query("INSERT INTO tree (id, origin, size, edge) VALUES (1, $1, 0, $2) ON CONFLICT (id) DO NOTHING")
                    .bind(origin)
                    .bind(Vec::<u8>::new())
                    .execute(self.pool())
                    .await?;
                sqlx::query(text).fetch_one(self.pool()).await?
            }
        };
        Ok(TreeRow { origin: row.try_get(0)?, size: row.try_get(1)?, edge: row.try_get(2)? })
    }

    /// Adds to the tree. `false`: another process did meanwhile, and nothing was added.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn grow(&self, growth: &Growth) -> Result<bool, StoreFault> {
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                // Written first: it takes the right to write at once, and waits for whoever has it.
                let won = sqlx::query("UPDATE tree SET size = $1, edge = $2 WHERE id = 1 AND size = $3")
                    .bind(growth.to)
                    .bind(growth.edge.as_slice())
                    .bind(growth.from)
                    .execute(&mut *transaction)
                    .await?;
                if won.rows_affected() == 0 {
                    return Ok(false);
                }
                for leaf in &growth.leaves {
                    sqlx::query(
                "INSERT INTO tree_leaf (position, kind, about, entry, marks) VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(leaf.position)
            .bind(leaf.kind.as_str())
            .bind(leaf.about)
            .bind(leaf.entry.as_str())
            .bind(leaf.marks.as_deref())
            .execute(&mut *transaction)
            .await?;
                }
                for node in &growth.nodes {
                    sqlx::query("INSERT INTO tree_node (level, position, hash) VALUES ($1, $2, $3)")
                        .bind(node.level)
                        .bind(node.position)
                        .bind(node.hash.as_slice())
                        .execute(&mut *transaction)
                        .await?;
                }
                sqlx::query("INSERT INTO tree_checkpoint (size, note) VALUES ($1, $2)")
                    .bind(growth.to)
                    .bind(growth.note.as_str())
                    .execute(&mut *transaction)
                    .await?;
                transaction.commit().await?;
                Ok(true)
            })
            .await
    }

    /// The next hour of each pass that has begun, in hours since 1970.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn tree_passes(&self) -> Result<Vec<(i64, i64)>, StoreFault> {
        let rows = sqlx::query("SELECT pass, hour FROM tree_pass").fetch_all(self.pool()).await?;
        let read = |row: &AnyRow| Ok((row.try_get(0)?, row.try_get(1)?));
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Sets the next hour of a pass. Behind the leaves of the hours before it: what is entered twice is found to be there.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn set_tree_pass(&self, pass: i64, hour: i64) -> Result<(), StoreFault> {
        sqlx::query(
            "INSERT INTO tree_pass (pass, hour) VALUES ($1, $2) ON CONFLICT (pass) DO UPDATE SET hour = excluded.hour",
        )
        .bind(pass)
        .bind(hour)
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// The id of the first row of the log.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn first_log_row(&self) -> Result<Option<i64>, StoreFault> {
        let row =
            sqlx::query("SELECT id FROM record ORDER BY id LIMIT 1").fetch_optional(self.pool()).await?;
        row.map(|row| row.try_get(0)).transpose().map_err(|error: sqlx::Error| error.into())
    }

    /// Rows of the log from one id to before another, in order.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn log_rows(&self, from: i64, to: i64, limit: i64) -> Result<Vec<LogRow>, StoreFault> {
        let text = format!("SELECT {LOG_ROW} FROM record WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3");
        let query = sqlx::query(AssertSqlSafe(text)).bind(from).bind(to).bind(limit);
        let rows = query.fetch_all(self.pool()).await?;
        rows.iter().map(read_log_row).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Ids of the rows about a message, in order.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn log_rows_of(&self, message: i64) -> Result<Vec<i64>, StoreFault> {
        let text = "SELECT id FROM record WHERE message_id = $1 ORDER BY id";
        let rows = sqlx::query(text).bind(message).fetch_all(self.pool()).await?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// How many rows of the log there are from one id to before another.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn count_log_rows(&self, from: i64, to: i64) -> Result<i64, StoreFault> {
        let text = "SELECT COUNT(*) FROM record WHERE id >= $1 AND id < $2";
        Ok(sqlx::query(text).bind(from).bind(to).fetch_one(self.pool()).await?.try_get(0)?)
    }

    /// Entries about looks from an id on, in order.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn look_entries(&self, from: i64, limit: i64) -> Result<Vec<LookEntry>, StoreFault> {
        let text = format!("SELECT {LOOK_ENTRY} FROM look WHERE id >= $1 ORDER BY id LIMIT $2");
        let rows = sqlx::query(AssertSqlSafe(text)).bind(from).bind(limit).fetch_all(self.pool()).await?;
        rows.iter().map(read_look_entry).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Ids of a table's rows from one on that are no leaves.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn unentered(&self, table: Table, from: i64, limit: i64) -> Result<Vec<i64>, StoreFault> {
        let name = table.as_str();
        let text = format!(
            "SELECT t.id FROM {name} t WHERE t.id >= $1 AND NOT EXISTS (SELECT 1 FROM tree_leaf l \
             WHERE l.kind = '{name}' AND l.about = t.id) ORDER BY t.id LIMIT $2"
        );
        let rows = sqlx::query(AssertSqlSafe(text)).bind(from).bind(limit).fetch_all(self.pool()).await?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// The id of the last certificate of destruction.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn last_destruction(&self) -> Result<Option<i64>, StoreFault> {
        Ok(sqlx::query("SELECT MAX(id) FROM destruction").fetch_one(self.pool()).await?.try_get(0)?)
    }

    /// The certificates of destruction from an id on, in order.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn destructions(&self, from: i64, limit: i64) -> Result<Vec<(i64, String)>, StoreFault> {
        let text = "SELECT id, note FROM destruction WHERE id >= $1 ORDER BY id LIMIT $2";
        let rows = sqlx::query(text).bind(from).bind(limit).fetch_all(self.pool()).await?;
        let read = |row: &AnyRow| Ok((row.try_get(0)?, row.try_get(1)?));
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Leaves from a position on, in order.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn leaves(&self, from: i64, limit: i64) -> Result<Vec<LeafRow>, StoreFault> {
        self.read_leaves(" WHERE position >= $1 ORDER BY position LIMIT $2", from, limit).await
    }

    /// The leaves of an hour of the log, in order.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn segments_of(&self, hour: i64) -> Result<Vec<LeafRow>, StoreFault> {
        let of = " WHERE kind = 'segment' AND about = $1 ORDER BY position LIMIT $2";
        self.read_leaves(of, hour, i64::MAX).await
    }

    /// The leaf of a row of another table.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn leaf_of(&self, table: Table, id: i64) -> Result<Option<LeafRow>, StoreFault> {
        let of = match table {
            Table::Look => " WHERE kind = 'look' AND about = $1 ORDER BY position LIMIT $2",
            Table::Destruction => " WHERE kind = 'destruction' AND about = $1 ORDER BY position LIMIT $2",
            Table::Certificate => " WHERE kind = 'certificate' AND about = $1 ORDER BY position LIMIT $2",
        };
        Ok(self.read_leaves(of, id, 1).await?.pop())
    }

    async fn read_leaves(
        &self,
        of: &'static str,
        first: i64,
        limit: i64,
    ) -> Result<Vec<LeafRow>, StoreFault> {
        let text = format!("{LEAF}{of}");
        let rows = sqlx::query(AssertSqlSafe(text)).bind(first).bind(limit).fetch_all(self.pool()).await?;
        let read = |row: &AnyRow| {
            Ok(LeafRow {
                position: row.try_get(0)?,
                kind: row.try_get(1)?,
                about: row.try_get(2)?,
                entry: row.try_get(3)?,
                marks: row.try_get(4)?,
            })
        };
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// What some leaves in a row say.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn entries(&self, from: i64, count: i64) -> Result<Vec<String>, StoreFault> {
        let text = "SELECT entry FROM tree_leaf WHERE position >= $1 AND position < $2 ORDER BY position";
        let rows = sqlx::query(text).bind(from).bind(from + count).fetch_all(self.pool()).await?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Roots of some subtrees of a level in a row.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn nodes(&self, level: i64, from: i64, count: i64) -> Result<Vec<Vec<u8>>, StoreFault> {
        let text = "SELECT hash FROM tree_node WHERE level = $1 AND position >= $2 AND position < $3 ORDER BY position";
        let query = sqlx::query(text).bind(level).bind(from).bind(from + count);
        let rows = query.fetch_all(self.pool()).await?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Checkpoints of trees larger than `size`, the smallest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn checkpoints_after(&self, size: i64, limit: i64) -> Result<Vec<(i64, String)>, StoreFault> {
        let text = "SELECT size, note FROM tree_checkpoint WHERE size > $1 ORDER BY size LIMIT $2";
        let rows = sqlx::query(text).bind(size).bind(limit).fetch_all(self.pool()).await?;
        let read = |row: &AnyRow| Ok((row.try_get(0)?, row.try_get(1)?));
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// The checkpoint of a size.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn checkpoint(&self, size: i64) -> Result<Option<String>, StoreFault> {
        let text = "SELECT note FROM tree_checkpoint WHERE size = $1";
        let row = sqlx::query(text).bind(size).fetch_optional(self.pool()).await?;
        row.map(|row| row.try_get(0)).transpose().map_err(|error: sqlx::Error| error.into())
    }

    /// Keeps a witness's signature.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn keep_cosignature(&self, witness: &str, size: i64, line: &str) -> Result<(), StoreFault> {
        let text = "INSERT INTO tree_cosignature (witness, size, line) VALUES ($1, $2, $3) ON CONFLICT (witness, size) DO NOTHING";
        sqlx::query(text).bind(witness).bind(size).bind(line).execute(self.pool()).await?;
        Ok(())
    }

    /// The size of the tree that a witness signed last; 0 for none.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn witnessed(&self, witness: &str) -> Result<i64, StoreFault> {
        let text = "SELECT COALESCE(MAX(size), 0) FROM tree_cosignature WHERE witness = $1";
        Ok(sqlx::query(text).bind(witness).fetch_one(self.pool()).await?.try_get(0)?)
    }

    /// Witnesses' signatures under the checkpoint of a size.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn cosignatures(&self, size: i64) -> Result<Vec<String>, StoreFault> {
        let text = "SELECT line FROM tree_cosignature WHERE size = $1 ORDER BY witness";
        let rows = sqlx::query(text).bind(size).fetch_all(self.pool()).await?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(Into::into)
    }
}

pub(super) fn read_log_row(row: &AnyRow) -> Result<LogRow, sqlx::Error> {
    Ok(LogRow {
        id: row.try_get(0)?,
        at: row.try_get(1)?,
        event: row.try_get(2)?,
        merchant_id: row.try_get(3)?,
        conversation_id: row.try_get(4)?,
        message_id: row.try_get(5)?,
        delivery_id: row.try_get(6)?,
        data_key_id: row.try_get(7)?,
        detail: row.try_get(8)?,
        headers: row.try_get(9)?,
    })
}

pub(super) fn read_look_entry(row: &AnyRow) -> Result<LookEntry, sqlx::Error> {
    Ok(LookEntry {
        id: row.try_get(0)?,
        at: row.try_get(1)?,
        actor_idx: row.try_get(2)?,
        purpose: row.try_get(3)?,
        kind: row.try_get(4)?,
        rows: row.try_get(5)?,
        outcome: row.try_get(6)?,
        request_id: row.try_get(7)?,
        data_key_id: row.try_get(8)?,
        detail: row.try_get(9)?,
    })
}
