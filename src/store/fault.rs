//! Why the database did not do what it was asked to. Carries the kind, never a statement or a value.

/// A fault of the store. The SMTP floor answers `452 4.3.1` to [`StoreFault::Full`] and `451 4.3.0` to the rest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreFault {
    #[error(
        "the database can't be reached ({0}); check [storage] url, and that the server runs and accepts this user"
    )]
    Unreachable(String),
    #[error(
        "the database's disk is full; free some space: nothing is taken or delivered until then, and nothing is lost"
    )]
    Full,
    #[error("this exists already")]
    Exists,
    #[error("the database refused a statement ({0}); this is a defect, or the schema was altered by hand")]
    Refused(String),
    #[error(
        "a row names the installation's data key, or a store's, as one to be destroyed: somebody changed it (see `anshin log verify`); \
         nothing was destroyed"
    )]
    Lasting,
    #[error("[storage] url is neither sqlite:PATH nor postgres://USER@HOST/NAME")]
    Url,
    #[error(
        "the key ring has no file key, with which a SQLite database is encrypted; make one with `anshin keys rotate --purpose file`"
    )]
    NoFileKey,
    #[error(
        "no file key of this key ring opens the database file (tried: {0}); copy file-*.key from the whole key ring, or restore \
         the ring that the file was made with, or the file from its backup"
    )]
    OtherFileKey(String),
    #[error(
        "another process has the database file open, and it is not encrypted yet; stop every process of Anshin Mail: the next \
         start encrypts it"
    )]
    PlainFileInUse,
    #[error(
        "the database file can't be encrypted: it is written anew beside itself, which takes {needs} MiB, and its file system has {free} MiB \
         free; free some, or move the file to a larger one; nothing was changed"
    )]
    NoRoom { needs: u64, free: u64 },
    #[error("the schema can't be brought up to date ({0})")]
    Schema(String),
    #[error(
        "the PostgreSQL server acknowledges before it has written, or before its standby has: mail could be lost; set fsync and \
         synchronous_commit to on for this database"
    )]
    NotDurable,
    #[error("the database rolled it back for another's sake ({0}); trying again helps")]
    Collided(String),
    #[error("a statement took longer than the server lets it (SQLSTATE 57014); trying again may help")]
    Overlong,
    #[error("the writer has stopped; the process is shutting down")]
    Stopped,
}

impl StoreFault {
    /// Whether trying the same again later can help.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            StoreFault::Unreachable(_)
                | StoreFault::Full
                | StoreFault::Stopped
                | StoreFault::Overlong
                | StoreFault::NotDurable
        )
    }

    /// Whether it is of the server or the way to it, and none of a single change: then the others of its group would meet it too.
    pub(super) fn is_of_all(&self) -> bool {
        self.is_passing() && *self != StoreFault::Overlong
    }
}

/// A statement that took too long (PostgreSQL, Appendix A: `query_canceled`).
const QUERY_CANCELED: &str = "57014";
/// A lock that did not come in time (PostgreSQL, Appendix A: `lock_not_available`).
pub(super) const LOCK_NOT_AVAILABLE: &str = "55P03";

impl StoreFault {
    /// Whether others had the lock for too long, or were waited for in a circle.
    pub(super) fn is_of_lock(&self) -> bool {
        match self {
            StoreFault::Unreachable(why) => why.ends_with(LOCK_NOT_AVAILABLE),
            StoreFault::Collided(_) => true,
            _ => false,
        }
    }
}

impl From<sqlx::Error> for StoreFault {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => {
                // SQLITE_FULL (13) and PostgreSQL's disk_full (53100). SQLite's extended codes keep the primary code
                // in the low octet.
                let code = database.code().unwrap_or_default();
                let primary = code.parse::<u32>().map(|n| n & 0xff);
                if database.is_unique_violation() {
                    StoreFault::Exists
                } else if code == "53100" || (code.len() < 5 && primary == Ok(13)) {
                    StoreFault::Full
                } else if code == QUERY_CANCELED {
                    StoreFault::Overlong
                } else if code.len() == 5 && code.starts_with("40") {
                    // A deadlock, or another transaction that came first (PostgreSQL, Appendix A, class 40).
                    StoreFault::Collided(code.into_owned())
                } else if code.len() == 5
                    && (["08", "53", "57", "58"].iter().any(|class| code.starts_with(class))
                        || matches!(&*code, LOCK_NOT_AVAILABLE | "25006"))
                {
                    // Connection exceptions, insufficient resources, operator intervention, system errors, a lock that did not come, and a
                    // server that only reads: a standby that is being promoted, or one out of space (PostgreSQL, Appendix A).
                    StoreFault::Unreachable(format!("SQLSTATE {code}"))
                } else if code.len() < 5 && matches!(primary, Ok(5 | 6 | 8 | 10 | 14)) {
                    // Busy, locked, read-only, I/O error, can't open.
                    StoreFault::Unreachable(format!("SQLite code {code}"))
                } else {
                    StoreFault::Refused(format!("code {code}"))
                }
            }
            sqlx::Error::Io(cause) => StoreFault::Unreachable(cause.kind().to_string()),
            sqlx::Error::Tls(_) => StoreFault::Unreachable("TLS".into()),
            sqlx::Error::PoolTimedOut => StoreFault::Unreachable("no connection became free in time".into()),
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => StoreFault::Stopped,
            sqlx::Error::Protocol(_) => StoreFault::Unreachable("the connection broke".into()),
            sqlx::Error::ColumnDecode { index, .. } => StoreFault::Refused(format!("column {index}")),
            _ => StoreFault::Refused("unexpected answer".into()),
        }
    }
}

impl From<std::io::Error> for StoreFault {
    fn from(fault: std::io::Error) -> Self {
        match fault.kind() {
            std::io::ErrorKind::StorageFull => StoreFault::Full,
            kind => StoreFault::Unreachable(kind.to_string()),
        }
    }
}
