//! Opening the database: which engine the URL names, and what each connection is told.

use super::StoreFault;
use super::file::DatabaseFile;
use super::reader::fell_silent;
use crate::vault::{FileKeys, keep_openssl};
use sqlx::any::AnyConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AnyConnection, ConnectOptions, Connection, Row};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
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

impl Engine {
    /// Which one a connection leads to.
    pub(super) fn of(connection: &AnyConnection) -> Self {
        if connection.backend_name() == "SQLite" { Engine::Sqlite } else { Engine::Postgres }
    }
}

/// A database by its URL.
#[derive(Clone)]
pub(super) struct Database {
    pub(super) engine: Engine,
    options: AnyConnectOptions,
    /// As it was given, credentials included.
    url: String,
    /// What opens the file of SQLite; none in memory.
    file: Option<Arc<DatabaseFile>>,
}

impl Database {
    /// The database of a URL. A SQLite file is found, made or encrypted first.
    pub(super) async fn from_url(url: &str, keys: &FileKeys) -> Result<Self, StoreFault> {
        sqlx::any::install_default_drivers();
        let (engine, text) = if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            let glue = if path.contains('?') { '&' } else { '?' };
            (Engine::Sqlite, format!("sqlite:{path}{glue}mode=rwc"))
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            (Engine::Postgres, url.to_owned())
        } else {
            return Err(StoreFault::Url);
        };
        let options = AnyConnectOptions::from_str(&text).map_err(|_| StoreFault::Url)?;
        let file = match file_of(url)? {
            Some(path) => Some(Arc::new(DatabaseFile::claim(&path, keys).await?)),
            None => None,
        };
        // The first statement of a connection may be a key.
        Ok(Self { engine, options: options.disable_statement_logging(), url: text, file })
    }

    /// The name of the key that the file is encrypted with.
    pub(super) fn file_key(&self) -> Option<char> {
        self.file.as_ref().map(|file| file.key_name())
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
        keep_openssl();
        let mut connection = AnyConnection::connect_with(&self.options).await?;
        if let Some(file) = &self.file {
            sqlx::raw_sql(file.opening()).execute(&mut connection).await?;
        }
        prepare(self.engine, &mut connection).await?;
        Ok(connection)
    }
}

/// The file of a SQLite database; none of another one, or of one in memory.
pub(super) fn file_of(url: &str) -> Result<Option<PathBuf>, StoreFault> {
    if !url.starts_with("sqlite:") || url.contains(":memory:") {
        return Ok(None);
    }
    let options = SqliteConnectOptions::from_str(url).map_err(|_| StoreFault::Url)?;
    Ok(Some(options.get_filename().to_owned()))
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
            // What a search reads of many partitions is reckoned to be much: machine code for each of them costs more than it ever
            // saves. A node that vanished without a word keeps its locks until the server finds out: in a minute, not in two hours.
            sqlx::raw_sql(
                "SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '60s'; SET jit = off; \
                 SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3;",
            )
            .execute(&mut *connection)
            .await?;
        }
    }
    Ok(())
}

/// Refuses a PostgreSQL server that acknowledges before it has written; where it has standbys that it is to wait for, also one that does
/// not wait for them.
pub(super) async fn check_durability(
    engine: Engine,
    connection: &mut AnyConnection,
) -> Result<(), StoreFault> {
    if engine == Engine::Postgres {
        let row = sqlx::query(
            "SELECT current_setting('synchronous_commit'), current_setting('fsync'), \
             current_setting('synchronous_standby_names')",
        )
        .fetch_one(connection)
        .await?;
        let (commit, fsync, standbys): (String, String, String) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let is_alone = standbys.trim().is_empty();
        if commit == "off" || fsync == "off" || (commit == "local" && !is_alone) {
            return Err(StoreFault::NotDurable);
        }
    }
    Ok(())
}
