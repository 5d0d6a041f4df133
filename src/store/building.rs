//! Indexes of large tables that an upgrade adds, built on PostgreSQL beside nodes that run: before their migration, which is then only
//! written down as done.
//!
//! Rules: a migration is one transaction, and an index that is built in one keeps everybody from writing to the log until it is there,
//! which for many millions of rows is longer than a session waits. So each table, and of the log each partition, gets its own `CONCURRENTLY`,
//! and no statement waits for a lock, with others behind it, for longer than a fifth of a second: it is tried again. An empty table has the
//! migration do it. On SQLite it is always the migration: there the file has one machine, and its other processes wait.
//! When it fails: [`StoreFault`]; what was built stays, what was half built is dropped at the next try, and goes on there.

use super::fault::{LOCK_NOT_AVAILABLE, StoreFault};
use super::filling::index_statements;
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use std::time::Duration;

/// The migrations whose indexes are built ahead, in order, and the table that is large.
pub(super) const BUILT_AHEAD: [(i64, &str); 2] = [(23, "fact"), (32, "data_key")];
/// How long a statement waits for a lock.
const PATIENCE: &str = "SET lock_timeout = '200ms'";
pub(super) const NO_PATIENCE: &str = "SET lock_timeout = 0";
/// How often it is tried, and how long others have their turn in between: five minutes, beside which a transaction that lasts longer is
/// one that hangs.
const TRIES: u32 = 1500;
const TURN: Duration = Duration::from_millis(200);

/// Whether a table with rows in it lacks that migration.
pub(super) async fn is_to_build(
    connection: &mut AnyConnection,
    (version, table): (i64, &str),
) -> Result<bool, StoreFault> {
    let there = format!(
        "SELECT CASE WHEN to_regclass('{table}') IS NULL OR to_regclass('_sqlx_migrations') IS NULL THEN 0 ELSE 1 END"
    );
    if number(connection, &there).await? == 0 {
        return Ok(false);
    }
    let done = format!("SELECT COUNT(*) FROM _sqlx_migrations WHERE version = {version}");
    if number(connection, &done).await? > 0 {
        return Ok(false);
    }
    let any = format!("SELECT COUNT(*) FROM (SELECT id FROM {table} LIMIT 1) AS f");
    Ok(number(connection, &any).await? > 0)
}

/// Builds them, of a migration's text.
pub(super) async fn build(connection: &mut AnyConnection, text: &str) -> Result<(), StoreFault> {
    for (name, table, statement) in index_statements(text) {
        // `CREATE INDEX name ON fact (…)`: the part from the columns on is the same for each partition.
        let Some((_, of)) = statement.split_once(&format!(" ON {table} ")) else { continue };
        if !is_partitioned(connection, &table).await? {
            part(connection, &name, &table, of).await?;
            continue;
        }
        let whole = format!("CREATE INDEX IF NOT EXISTS {name} ON ONLY {table} {of}");
        patiently(connection, &whole).await?;
        // A day whose partition is made meanwhile has the index from the beginning.
        while let Some(partition) = lacking(connection, &table, &name).await? {
            let own = format!("{partition}_{name}");
            if let Err(fault) = part(connection, &own, &partition, of).await {
                // The day went meanwhile.
                if !is_gone(connection, &partition).await? {
                    return Err(fault);
                }
                continue;
            }
            patiently(connection, &format!("ALTER INDEX {name} ATTACH PARTITION {own}")).await?;
        }
    }
    run(connection, NO_PATIENCE).await
}

/// Builds one index of one table, where it is not there whole.
async fn part(connection: &mut AnyConnection, name: &str, table: &str, of: &str) -> Result<(), StoreFault> {
    let is_whole =
        format!("SELECT COUNT(*) FROM pg_index WHERE indexrelid = to_regclass('{name}') AND indisvalid");
    if number(connection, &is_whole).await? > 0 {
        return Ok(());
    }
    // One that was left half built.
    patiently(connection, &format!("DROP INDEX IF EXISTS {name}")).await?;
    // It waits for transactions that are under way, which nobody waits behind.
    run(connection, NO_PATIENCE).await?;
    run(connection, &format!("CREATE INDEX CONCURRENTLY {name} ON {table} {of}")).await
}

async fn is_partitioned(connection: &mut AnyConnection, table: &str) -> Result<bool, StoreFault> {
    let text = format!("SELECT COUNT(*) FROM pg_class WHERE oid = to_regclass('{table}') AND relkind = 'p'");
    number(connection, &text).await.map(|count| count > 0)
}

/// A partition that has no part of an index yet.
async fn lacking(
    connection: &mut AnyConnection,
    table: &str,
    index: &str,
) -> Result<Option<String>, StoreFault> {
    let text = format!(
        "SELECT CAST(c.relname AS TEXT) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
         WHERE i.inhparent = to_regclass('{table}') AND NOT EXISTS (SELECT 1 FROM pg_inherits p JOIN pg_index x \
         ON x.indexrelid = p.inhrelid WHERE p.inhparent = to_regclass('{index}') AND x.indrelid = c.oid) \
         ORDER BY c.relname LIMIT 1"
    );
    let row = sqlx::query(AssertSqlSafe(text)).persistent(false).fetch_optional(connection).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Whether a partition was destroyed.
async fn is_gone(connection: &mut AnyConnection, partition: &str) -> Result<bool, StoreFault> {
    let text = format!("SELECT CASE WHEN to_regclass('{partition}') IS NULL THEN 1 ELSE 0 END");
    number(connection, &text).await.map(|gone| gone != 0)
}

/// Runs a statement that needs a lock, without letting others wait behind it for long.
async fn patiently(connection: &mut AnyConnection, text: &str) -> Result<(), StoreFault> {
    run(connection, PATIENCE).await?;
    for _ in 1..TRIES {
        match sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(&mut *connection).await {
            Ok(_) => return Ok(()),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(LOCK_NOT_AVAILABLE) => {
                tokio::time::sleep(TURN).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    run(connection, text).await
}

async fn run(connection: &mut AnyConnection, text: &str) -> Result<(), StoreFault> {
    sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(connection).await?;
    Ok(())
}

async fn number(connection: &mut AnyConnection, text: &str) -> Result<i64, StoreFault> {
    let query = sqlx::query(AssertSqlSafe(text.to_owned())).persistent(false);
    Ok(query.fetch_one(connection).await?.try_get::<i64, _>(0)?)
}

#[cfg(test)]
mod tests;
