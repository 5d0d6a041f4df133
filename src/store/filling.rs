//! Filling a log at once: without its indexes, which are made at the end.
//!
//! Rules: only for traffic that never was. The indexes are those of the schema's own text, so that one that was stopped in
//! between gets them all the same, by going on. On PostgreSQL an index of all partitions is dropped and made as one.
//! When it fails: [`StoreFault`]; done again, it does what is left.

use super::engine::Engine;
use super::fault::StoreFault;
use super::handle::Store;
use super::ids;
use super::schema::MIGRATIONS;
use crate::mail::Timestamp;
use sqlx::{AssertSqlSafe, Connection, Row};

/// The tables that grow with traffic.
const TABLES: [&str; 3] = ["record", "fact", "fact_file"];

/// The same, and what is counted of them.
const ANALYZED: [&str; 6] = ["record", "fact", "fact_file", "rollup", "profile", "conversation"];
/// Room for sorting what an index has of millions of rows, and no end to the wait for it.
const SORTS_IN_SQLITE: &str = "PRAGMA threads = 2";
const SORTS_IN_POSTGRES: &str = "SET statement_timeout = 0; SET maintenance_work_mem = '256MB'";

/// The indexes that a migration makes: each with its name, its table and its statement.
pub(super) fn index_statements(migration: &str) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let code: Vec<&str> = migration.lines().map(|line| line.split("--").next().unwrap_or(line)).collect();
    for statement in code.join("\n").split(';').map(str::trim) {
        let Some(rest) = statement.strip_prefix("CREATE INDEX ") else { continue };
        let mut words = rest.split_whitespace();
        let (name, table) = (words.next().unwrap_or_default(), words.nth(1).unwrap_or_default());
        found.push((name.to_owned(), table.to_owned(), statement.to_owned()));
    }
    found
}

/// The statements that make the indexes of these tables, each with the index's name.
fn indexes() -> Vec<(String, String)> {
    let all = MIGRATIONS.into_iter().flat_map(|(_, _, text)| index_statements(text));
    let of_log = all.filter(|(_, table, _)| TABLES.contains(&table.as_str()));
    let if_missing = |statement: &str| statement.replacen("CREATE INDEX ", "CREATE INDEX IF NOT EXISTS ", 1);
    of_log.map(|(name, _, statement)| (name, if_missing(&statement))).collect()
}

impl Store {
    /// When the newest fact happened.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn last_fact(&self) -> Result<Option<Timestamp>, StoreFault> {
        let last = sqlx::query("SELECT MAX(id) FROM fact").fetch_one(self.pool()).await?;
        Ok(last.try_get::<Option<i64>, _>(0)?.map(ids::Ids::time_of))
    }

    /// Takes the indexes away that would grow at random places.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn begin_filling(&self) -> Result<(), StoreFault> {
        let drop = |(name, _)| format!("DROP INDEX IF EXISTS {name}");
        self.run_alone(indexes().into_iter().map(drop).collect()).await
    }

    /// Makes the indexes that are missing. Takes minutes where there are millions of rows.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn end_filling(&self) -> Result<(), StoreFault> {
        let made = indexes().into_iter().map(|(_, statement)| statement);
        // What SQLite does is written so that it needs no statistics; PostgreSQL would have none until it looks by itself.
        let counted = match self.engine() {
            Engine::Sqlite => Vec::new(),
            Engine::Postgres => ANALYZED.map(|table| format!("ANALYZE {table}")).to_vec(),
        };
        self.run_alone(made.chain(counted).collect()).await
    }

    /// Each statement by itself, on a connection of their own, however long they take.
    async fn run_alone(&self, statements: Vec<String>) -> Result<(), StoreFault> {
        let mut connection = self.connect().await?;
        sqlx::raw_sql(match self.engine() {
            Engine::Sqlite => SORTS_IN_SQLITE,
            Engine::Postgres => SORTS_IN_POSTGRES,
        })
        .execute(&mut connection)
        .await?;
        for statement in statements {
            sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await?;
        }
        Ok(connection.close().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_of_the_log_is_found_in_the_schema() {
        let names: Vec<String> = indexes().into_iter().map(|(name, _)| name).collect();
        for name in ["record_message", "fact_merchant", "fact_sent_id", "fact_file_hash", "fact_mailer"] {
            assert!(names.iter().any(|known| known == name), "{name}: {names:?}");
        }
    }
}
