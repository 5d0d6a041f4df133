//! The versions of the schema, in `migrations/`, applied at start in order and once, each in a transaction.
//! A database that is newer than the program is refused: a downgrade would not understand what is in it.

use super::StoreFault;
use super::engine::{Engine, WRITER_LIMITS};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, AssertSqlSafe, SqlSafeStr};

pub(super) const MIGRATIONS: [(i64, &str, &str); 20] = [
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
];

/// Stands in front of what only PostgreSQL has.
const FOR_POSTGRES: &str = "-- PostgreSQL: ";
/// Only PostgreSQL has partitions.
const PARTITIONED: &str = " PARTITION BY RANGE (id)";

/// A lock of the database's own, under a number that nobody else has; it ends with its session too. `IS NULL`, because the
/// driver has no type for an answer that is none.
const LOCK: &str = "SELECT CASE WHEN pg_advisory_lock(6017245871) IS NULL THEN 0 ELSE 1 END";
const UNLOCK: &str = "SELECT CASE WHEN pg_advisory_unlock(6017245871) THEN 1 ELSE 0 END";

/// Brings the schema up to date.
pub(super) async fn migrate(engine: Engine, connection: &mut AnyConnection) -> Result<(), StoreFault> {
    let migration = |(version, name, text): (i64, &'static str, &'static str)| {
        let text = match engine {
            Engine::Postgres => text.replace(FOR_POSTGRES, ""),
            Engine::Sqlite => text
                .replace("BYTEA", "BLOB")
                .replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY")
                .replace(PARTITIONED, ""),
        };
        Migration::new(version, name.into(), MigrationType::Simple, AssertSqlSafe(text).into_sql_str(), false)
    };
    let migrator = Migrator::with_migrations(MIGRATIONS.into_iter().map(migration).collect());
    // Nodes that start at once wait for the first, however long its migration takes; SQLite locks its file by itself.
    if engine == Engine::Postgres {
        sqlx::query("SET statement_timeout = 0").execute(&mut *connection).await?;
        sqlx::query(LOCK).execute(&mut *connection).await?;
    }
    let done = migrator.run_direct(None, connection, false).await;
    if engine == Engine::Postgres {
        sqlx::query(UNLOCK).execute(&mut *connection).await?;
        sqlx::raw_sql(WRITER_LIMITS).execute(&mut *connection).await?;
    }
    done.map_err(|error| match error {
        sqlx::migrate::MigrateError::VersionMissing(version) => StoreFault::Schema(format!(
            "it has version {version}, which this program does not know; run the newer one"
        )),
        sqlx::migrate::MigrateError::VersionMismatch(version) => {
            StoreFault::Schema(format!("version {version} was applied with another text"))
        }
        sqlx::migrate::MigrateError::Execute(error)
        | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => error.into(),
        _ => StoreFault::Schema("the migration did not run".into()),
    })
}
