//! Opening the database: which engine the URL names, and what each connection is told.

use super::StoreFault;
use super::reader::fell_silent;
use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, Connection, Row};
use std::str::FromStr;
use std::time::Duration;

/// How long opening a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a read may take, and the writer's group of changes: longer than the server lets one statement run. Then
/// whatever is at the other end has fallen silent. Groups end before their askers give up.
pub(super) const READ_PATIENCE: Duration = Duration::from_secs(65);
pub(super) const WRITE_PATIENCE: Duration = Duration::from_secs(40);

/// What the server lets the writer's connection do. Its statements are short by their making.
pub(super) const WRITER_LIMITS: &str = "SET statement_timeout = '30s'";

/// Which of the two databases it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
}

/// A database by its URL.
#[derive(Clone)]
pub(super) struct Database {
    pub(super) engine: Engine,
    options: AnyConnectOptions,
    /// As it was given, credentials included.
    url: String,
}

impl Database {
    pub(super) fn from_url(url: &str) -> Result<Self, StoreFault> {
        sqlx::any::install_default_drivers();
        let (engine, url) = if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            let glue = if path.contains('?') { '&' } else { '?' };
            (Engine::Sqlite, format!("sqlite:{path}{glue}mode=rwc"))
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            (Engine::Postgres, url.to_owned())
        } else {
            return Err(StoreFault::Url);
        };
        Ok(Self { engine, options: AnyConnectOptions::from_str(&url).map_err(|_| StoreFault::Url)?, url })
    }

    /// Where a listener connects to; none for SQLite, which tells nobody.
    pub(super) fn listen_url(&self) -> Option<String> {
        (self.engine == Engine::Postgres).then(|| self.url.clone())
    }

    /// A connection for the writer.
    pub(super) async fn connect(&self) -> Result<AnyConnection, StoreFault> {
        let opened = async {
            let mut connection = self.open().await?;
            // The writer destroys no key: pages of bodies that were delivered need not be written once more.
            let own = match self.engine {
                Engine::Postgres => WRITER_LIMITS,
                Engine::Sqlite => "PRAGMA secure_delete = FAST",
            };
            sqlx::raw_sql(own).execute(&mut connection).await?;
            // Each time: after a failover it is another server.
            check_durability(self.engine, &mut connection).await?;
            Ok(connection)
        };
        tokio::time::timeout(CONNECT_TIMEOUT, opened).await.unwrap_or_else(|_| Err(fell_silent().into()))
    }

    /// A connection that was told what every one is.
    pub(super) async fn open(&self) -> Result<AnyConnection, sqlx::Error> {
        let mut connection = AnyConnection::connect_with(&self.options).await?;
        prepare(self.engine, &mut connection).await?;
        Ok(connection)
    }
}

async fn prepare(engine: Engine, connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    match engine {
        Engine::Sqlite => {
            // WAL with FULL: a commit is on the disk when it returns. Other processes (roles) may write: wait for them. What is
            // deleted is overwritten: keys that are destroyed must not lie about in free pages.
            sqlx::raw_sql(
                "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                 PRAGMA cache_size = -16000; PRAGMA temp_store = MEMORY; PRAGMA secure_delete = ON;",
            )
            .execute(&mut *connection)
            .await?;
        }
        Engine::Postgres => {
            sqlx::raw_sql("SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '60s';")
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(())
}

/// Refuses a PostgreSQL server that acknowledges before it has written.
async fn check_durability(engine: Engine, connection: &mut AnyConnection) -> Result<(), StoreFault> {
    if engine == Engine::Postgres {
        let row = sqlx::query("SELECT current_setting('synchronous_commit'), current_setting('fsync')")
            .fetch_one(connection)
            .await?;
        let (commit, fsync): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        if commit == "off" || fsync == "off" {
            return Err(StoreFault::NotDurable);
        }
    }
    Ok(())
}
