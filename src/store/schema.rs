//! The versions of the schema, in `migrations/`, applied at start in order and once, each in a transaction.
//! A database that is newer than the program is refused: a downgrade would not understand what is in it.

use super::StoreFault;
use super::building::{self, BUILT_AHEAD, NO_PATIENCE};
use super::engine::{Engine, READ_PATIENCE, WRITER_LIMITS};
use super::reader::fell_silent;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, AssertSqlSafe, Row, SqlSafeStr};
use std::time::Duration;

pub(super) const MIGRATIONS: [(i64, &str, &str); 41] = [
    (1, "relay", include_str!("../../migrations/0001_relay.sql")),
    (2, "automatic", include_str!("../../migrations/0002_automatic.sql")),
    (3, "hold", include_str!("../../migrations/0003_hold.sql")),
    (4, "scram", include_str!("../../migrations/0004_scram.sql")),
    (5, "guest", include_str!("../../migrations/0005_guest.sql")),
    (6, "tls", include_str!("../../migrations/0006_tls.sql")),
    (7, "lanes", include_str!("../../migrations/0007_lanes.sql")),
    (8, "argon2id", include_str!("../../migrations/0008_argon2id.sql")),
    (9, "keys", include_str!("../../migrations/0009_keys.sql")),
    (10, "tree", include_str!("../../migrations/0010_tree.sql")),
    (11, "retention", include_str!("../../migrations/0011_retention.sql")),
    (12, "erasure", include_str!("../../migrations/0012_erasure.sql")),
    (13, "credentials", include_str!("../../migrations/0013_credentials.sql")),
    (14, "evidence", include_str!("../../migrations/0014_evidence.sql")),
    (15, "rights", include_str!("../../migrations/0015_rights.sql")),
    (16, "persons", include_str!("../../migrations/0016_persons.sql")),
    (17, "break_glass", include_str!("../../migrations/0017_break_glass.sql")),
    (18, "facts", include_str!("../../migrations/0018_facts.sql")),
    (19, "proven", include_str!("../../migrations/0019_proven.sql")),
    (20, "retry", include_str!("../../migrations/0020_retry.sql")),
    (21, "marks", include_str!("../../migrations/0021_marks.sql")),
    (23, "fact_days", include_str!("../../migrations/0023_fact_days.sql")),
    (25, "kept_texts", include_str!("../../migrations/0025_kept_texts.sql")),
    (26, "extracts", include_str!("../../migrations/0026_extracts.sql")),
    (28, "late", include_str!("../../migrations/0028_late.sql")),
    (29, "log_ids", include_str!("../../migrations/0029_log_ids.sql")),
    (30, "menu", include_str!("../../migrations/0030_menu.sql")),
    (31, "second_factor", include_str!("../../migrations/0031_second_factor.sql")),
    (32, "menu_keys", include_str!("../../migrations/0032_menu_keys.sql")),
    (34, "erased_proven", include_str!("../../migrations/0034_erased_proven.sql")),
    (35, "menu_senders", include_str!("../../migrations/0035_menu_senders.sql")),
    (36, "menu_login", include_str!("../../migrations/0036_menu_login.sql")),
    (38, "unproven_keys", include_str!("../../migrations/0038_unproven_keys.sql")),
    (41, "egress_nodes", include_str!("../../migrations/0041_egress_nodes.sql")),
    (42, "api", include_str!("../../migrations/0042_api.sql")),
    (43, "webhooks", include_str!("../../migrations/0043_webhooks.sql")),
    (45, "detections", include_str!("../../migrations/0045_detections.sql")),
    (46, "network_names", include_str!("../../migrations/0046_network_names.sql")),
    (47, "contained", include_str!("../../migrations/0047_contained.sql")),
    (48, "fact_proofs", include_str!("../../migrations/0048_fact_proofs.sql")),
    (50, "kept_bodies", include_str!("../../migrations/0050_kept_bodies.sql")),
];

/// Stands in front of what only PostgreSQL has.
const FOR_POSTGRES: &str = "-- PostgreSQL: ";
/// The same for SQLite.
const FOR_SQLITE: &str = "-- SQLite: ";
/// Only PostgreSQL has partitions.
const PARTITIONED: &str = " PARTITION BY RANGE (id)";

/// A lock of the database's own, under a number that nobody else has; it ends with its session too. Asked for again and again: who
/// waited for it inside a statement would be waited for by an index that is built beside it, and both would wait for ever.
const LOCK: &str = "SELECT CASE WHEN pg_try_advisory_lock(6017245871) THEN 1 ELSE 0 END";
/// The same, of who builds indexes ahead: only programs that know of it ask, before they ask for the other.
const BUILDING: &str = "SELECT CASE WHEN pg_try_advisory_lock(6017245872) THEN 1 ELSE 0 END";
/// How long is waited between two tries.
const TURN: Duration = Duration::from_millis(200);
/// How long a migration waits for a lock on a table, with others behind it, and how often it is tried.
const PATIENCE: &str = "SET statement_timeout = 0; SET lock_timeout = '2s'";
const TRIES: u32 = 150;
const BUILT: &str = "SELECT CASE WHEN pg_advisory_unlock(6017245872) THEN 1 ELSE 0 END";
const UNLOCK: &str = "SELECT CASE WHEN pg_advisory_unlock(6017245871) THEN 1 ELSE 0 END";

/// All versions, as an engine understands them.
pub(super) fn migrator(engine: Engine) -> Migrator {
    let migration = |(version, name, text): (i64, &'static str, &'static str)| {
        let text = match engine {
            Engine::Postgres => text.replace(FOR_POSTGRES, ""),
            Engine::Sqlite => text
                .replace(FOR_SQLITE, "")
                .replace("BYTEA", "BLOB")
                .replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY")
                .replace(PARTITIONED, ""),
        };
        Migration::new(version, name.into(), MigrationType::Simple, AssertSqlSafe(text).into_sql_str(), false)
    };
    Migrator::with_migrations(MIGRATIONS.into_iter().map(migration).collect())
}

/// Brings the schema up to date.
pub(super) async fn migrate(engine: Engine, connection: &mut AnyConnection) -> Result<(), StoreFault> {
    let migrator = migrator(engine);
    // Nodes that start at once wait for the first, however long its migration takes; SQLite locks its file by itself.
    if engine == Engine::Postgres {
        take_turn(BUILDING, connection).await?;
        take_turn(LOCK, connection).await?;
    }
    let mut done = run(engine, &migrator, connection).await;
    // Each that is done is done; the one that could not have its lock is rolled back, and others have their turn meanwhile.
    for _ in 1..TRIES {
        if !matches!(&done, Err(fault) if fault.is_of_lock()) {
            break;
        }
        tokio::time::sleep(TURN).await;
        done = run(engine, &migrator, connection).await;
    }
    if engine == Engine::Postgres {
        sqlx::query(UNLOCK).execute(&mut *connection).await?;
        sqlx::query(BUILT).execute(&mut *connection).await?;
        sqlx::raw_sql(NO_PATIENCE).execute(&mut *connection).await?;
        sqlx::raw_sql(WRITER_LIMITS).execute(&mut *connection).await?;
    }
    done
}

/// Waits for the lock under which one node at a time changes the schema.
async fn take_turn(lock: &'static str, connection: &mut AnyConnection) -> Result<(), StoreFault> {
    let mut is_told = false;
    loop {
        // A question of an instant, beside statements that may take an hour: who does not answer it has gone.
        let asked = tokio::time::timeout(READ_PATIENCE, sqlx::query(lock).fetch_one(&mut *connection));
        if asked.await.unwrap_or_else(|_| Err(fell_silent()))?.try_get::<i32, _>(0)? != 0 {
            return Ok(());
        }
        if !std::mem::replace(&mut is_told, true) {
            tracing::info!(
                event = "schema_waits",
                "another node is changing the schema; this one starts once it is done"
            );
        }
        tokio::time::sleep(TURN).await;
    }
}

/// All migrations that are missing; one whose indexes are built beside running nodes is written down once they are.
async fn run(engine: Engine, migrator: &Migrator, connection: &mut AnyConnection) -> Result<(), StoreFault> {
    if engine == Engine::Postgres {
        sqlx::raw_sql(PATIENCE).execute(&mut *connection).await?;
    }
    for ahead in BUILT_AHEAD {
        if engine != Engine::Postgres || !building::is_to_build(connection, ahead).await? {
            continue;
        }
        let text =
            MIGRATIONS.into_iter().find(|(version, ..)| *version == ahead.0).map_or("", |found| found.2);
        migrator.run_direct(Some(ahead.0 - 1), connection, false).await.map_err(told)?;
        // A program of before waits for the lock inside a statement, and an index that is built waits for that statement: it has its
        // turn meanwhile. Programs of now wait for the other lock, which this one keeps.
        sqlx::query(UNLOCK).execute(&mut *connection).await?;
        let built = building::build(connection, text).await;
        take_turn(LOCK, connection).await?;
        built?;
        sqlx::raw_sql(PATIENCE).execute(&mut *connection).await?;
        migrator.run_direct(Some(ahead.0), connection, true).await.map_err(told)?;
    }
    migrator.run_direct(None, connection, false).await.map_err(told)
}

fn told(error: MigrateError) -> StoreFault {
    match error {
        MigrateError::VersionMissing(version) => StoreFault::Schema(format!(
            "it has version {version}, which this program does not know; run the newer one"
        )),
        MigrateError::VersionMismatch(version) => {
            StoreFault::Schema(format!("version {version} was applied with another text"))
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        _ => StoreFault::Schema("the migration did not run".into()),
    }
}
