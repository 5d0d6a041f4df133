//! The SQLite file, encrypted whole by SQLCipher: found, made, and brought from an older key, or from none, to another.
//!
//! Rules: a key is raw, 256 bits of the ring, and a connection's first statement. Beside the file lies `FILE-lock`: every process
//! holds it shared for as long as it has the file open, and whoever makes or rewrites the file holds it alone. A program of an
//! older version knows nothing of that lock, so who rewrites also takes SQLite's own lock whole, which nobody else's open
//! connection allows, and spoils the old file's head before he lets go: who waited meanwhile finds no database in it.
//! A file is rewritten beside itself (`FILE-unfinished`), synced, and takes the old one's name in one step. So at whatever
//! instruction the process dies one of them is there whole under the name; what is unfinished goes at the next rewriting.
//! The file is opened by SQLite alone while anybody here has it open: closing it otherwise would end the locks of this process
//! (fcntl(2), "Record locking and process termination").
//! When it fails: [`StoreFault`]; the file is as it was.

use super::engine::file_of;
use super::fault::StoreFault;
use crate::vault::{FileKey, FileKeys, keep_openssl};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, SqlSafeStr, SqlStr};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often, and how far apart, the lock is tried while another process has the file open.
const TRIES: usize = 50;
const REST: Duration = Duration::from_millis(100);
/// How much of a replaced file is spoiled: its header and schema, without which SQLite reads none of it.
const HEAD: usize = 64 * 1024;
const MIB: u64 = 1024 * 1024;
/// SQLITE_NOTADB: the first page is none, with this key.
const NOT_A_DATABASE: u32 = 26;
/// SQLITE_BUSY: another connection has it open.
const BUSY: u32 = 5;

/// A file that this process may open: the key, and the right to have it open.
pub(super) struct DatabaseFile {
    keys: FileKeys,
    name: char,
    _held: File,
}

/// How the file opens.
enum Opens {
    /// There is nothing in it yet.
    Empty,
    /// It is not encrypted.
    Plainly,
    /// With the key of this name.
    With(char),
}

/// What became of a file that was to be brought to the newest key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brought {
    /// It is encrypted with that key, or there is none.
    IsNewest,
    /// It was rewritten.
    Rewritten,
    /// Another process has it open.
    InUse,
}

impl DatabaseFile {
    /// Takes the right to have the file open. Makes it where it is missing, and encrypts it where it is plain.
    pub(super) async fn claim(path: &Path, keys: &FileKeys) -> Result<Self, StoreFault> {
        let newest = keys.newest().ok_or(StoreFault::NoFileKey)?;
        let mut held = lock_of(path)?;
        for _ in 0..TRIES {
            held = shared(held).await?;
            if let Opens::With(name) = find(path, keys).await? {
                return Ok(Self { keys: keys.clone(), name, _held: held });
            }
            held.unlock()?;
            if is_alone(&held)? {
                match find(path, keys).await? {
                    Opens::Empty => make(path, newest).await?,
                    Opens::Plainly => {
                        tracing::warn!(event = "database_file", "it is not encrypted; encrypting it");
                        rewrite(path, None, newest).await?;
                        tracing::info!(event = "database_file", "it is encrypted now");
                    }
                    Opens::With(_) => {}
                }
                held.unlock()?;
            } else {
                tokio::time::sleep(REST).await;
            }
        }
        Err(StoreFault::PlainFileInUse)
    }

    pub(super) fn key_name(&self) -> char {
        self.name
    }

    /// The first statements of a connection.
    pub(super) fn opening(&self) -> SqlStr {
        opening(self.keys.named(self.name))
    }
}

/// Brings a SQLite file to the newest key, if no other process has it open.
///
/// # Errors
/// [`StoreFault`] when no key opens it, or it can't be rewritten; then it is as it was.
pub async fn bring_to_newest_key(url: &str, keys: &FileKeys) -> Result<Brought, StoreFault> {
    let Some(path) = file_of(url)? else { return Ok(Brought::IsNewest) };
    let newest = keys.newest().ok_or(StoreFault::NoFileKey)?;
    if !path.exists() {
        return Ok(Brought::IsNewest);
    }
    let held = lock_of(&path)?;
    if !is_alone(&held)? {
        let held = shared(held).await?;
        let is_newest = matches!(find(&path, keys).await?, Opens::With(name) if name == newest.name());
        drop(held);
        return Ok(if is_newest { Brought::IsNewest } else { Brought::InUse });
    }
    let from = match find(&path, keys).await? {
        Opens::Empty => return Ok(Brought::IsNewest),
        Opens::With(name) if name == newest.name() => return Ok(Brought::IsNewest),
        Opens::With(name) => keys.named(name),
        Opens::Plainly => None,
    };
    match rewrite(&path, from, newest).await {
        Ok(()) => Ok(Brought::Rewritten),
        Err(StoreFault::PlainFileInUse) => Ok(Brought::InUse),
        Err(fault) => Err(fault),
    }
}

/// The file whose lock stands for the database file. Its owner and mode are that file's: a command of root's must not keep the
/// service out.
fn lock_of(path: &Path) -> Result<File, StoreFault> {
    let lock = beside(path, "-lock");
    match File::open(&lock) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => {}
        opened => return Ok(opened?),
    }
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&lock)?;
    if let Ok(of) = fs::metadata(path) {
        // Who may use the file and not give the lock away shares it with those who may use both.
        let _ = belong(&made, &of);
    }
    Ok(made)
}

/// Gives a file the owner and the mode of another.
fn belong(file: &File, of: &fs::Metadata) -> io::Result<()> {
    // The mode first: it is what who may not give files away can set.
    file.set_permissions(of.permissions())?;
    let own = file.metadata()?;
    if own.uid() != of.uid() && fchown(file, Some(of.uid()), Some(of.gid())).is_ok() {
        return Ok(());
    }
    if own.gid() != of.gid() {
        fchown(file, None, Some(of.gid()))?;
    }
    Ok(())
}

/// Waits until nobody rewrites the file.
async fn shared(lock: File) -> Result<File, StoreFault> {
    let waiting = tokio::task::spawn_blocking(move || lock.lock_shared().map(|()| lock));
    Ok(waiting.await.map_err(|_| StoreFault::Stopped)??)
}

fn is_alone(lock: &File) -> Result<bool, StoreFault> {
    match lock.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(fault)) => Err(fault.into()),
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// What SQLCipher writes to standard error would stand between the lines of the log, and says no more than the error.
fn opening(key: Option<&FileKey>) -> SqlStr {
    const QUIET: &str = "PRAGMA cipher_log_level = NONE;";
    match key {
        Some(key) => AssertSqlSafe(format!("{QUIET} PRAGMA key = \"{}\";", *key.raw())).into_sql_str(),
        None => QUIET.into_sql_str(),
    }
}

async fn connect(path: &Path, key: Option<&FileKey>) -> Result<SqliteConnection, StoreFault> {
    let options = SqliteConnectOptions::new().filename(path).disable_statement_logging();
    keep_openssl();
    let mut connection = options.connect().await?;
    sqlx::raw_sql(opening(key)).execute(&mut connection).await?;
    Ok(connection)
}

/// Whether the file is a database with this key.
async fn opens(path: &Path, key: Option<&FileKey>) -> Result<bool, StoreFault> {
    let mut connection = connect(path, key).await?;
    let read = sqlx::query("SELECT COUNT(*) FROM sqlite_schema").fetch_one(&mut connection).await;
    connection.close().await?;
    match read {
        Ok(_) => Ok(true),
        Err(error) if has_code(&error, NOT_A_DATABASE) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// By the primary code, which stands in the low octet.
fn has_code(error: &sqlx::Error, primary: u32) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == primary)
}

async fn find(path: &Path, keys: &FileKeys) -> Result<Opens, StoreFault> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() == 0 => return Ok(Opens::Empty),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Opens::Empty),
        Err(fault) => return Err(fault.into()),
        Ok(_) => {}
    }
    for key in keys.iter() {
        if opens(path, Some(key)).await? {
            return Ok(Opens::With(key.name()));
        }
    }
    if opens(path, None).await? {
        return Ok(Opens::Plainly);
    }
    let tried: Vec<String> = keys.iter().map(|key| format!("file-{}", key.name())).collect();
    Err(StoreFault::OtherFileKey(tried.join(", ")))
}

/// Makes the first page: the salt in it is what processes that start at once must agree on.
async fn make(path: &Path, key: &FileKey) -> Result<(), StoreFault> {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = options.disable_statement_logging().connect().await?;
    sqlx::raw_sql(opening(Some(key))).execute(&mut connection).await?;
    sqlx::raw_sql("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA user_version = 0;")
        .execute(&mut connection)
        .await?;
    Ok(connection.close().await?)
}

/// Writes the database anew with the key `to`, beside the file, and gives it the file's name.
async fn rewrite(path: &Path, from: Option<&FileKey>, to: &FileKey) -> Result<(), StoreFault> {
    // The file itself, where the name is a link to it.
    let path = &fs::canonicalize(path)?;
    let fresh = beside(path, "-unfinished");
    remove(&fresh)?;
    // What the WAL holds comes into both.
    let length = |end: &str| fs::metadata(beside(path, end)).map_or(0, |file| file.len());
    room_for(path, length("") + 2 * length("-wal"))?;
    let written = replace(path, &fresh, from, to).await;
    if written.is_err() {
        // On a full disk most of all. What can't be removed now goes the next time.
        let _ = remove(&fresh);
    }
    written
}

/// Whether the file system has room for so many octets: said before it is tried, since a full disk stops mail.
fn room_for(path: &Path, needs: u64) -> Result<(), StoreFault> {
    let system = rustix::fs::statvfs(path).map_err(io::Error::from)?;
    let free = system.f_bavail.saturating_mul(system.f_frsize);
    if free < needs {
        return Err(StoreFault::NoRoom { needs: needs.div_ceil(MIB), free: free / MIB });
    }
    Ok(())
}

/// Removes an unfinished file.
fn remove(fresh: &Path) -> io::Result<()> {
    for end in ["", "-journal", "-wal", "-shm"] {
        match fs::remove_file(beside(fresh, end)) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
            _ => {}
        }
    }
    Ok(())
}

async fn replace(path: &Path, fresh: &Path, from: Option<&FileKey>, to: &FileKey) -> Result<(), StoreFault> {
    let mut connection = connect(path, from).await?;
    // What is in the WAL comes into the file, and the WAL goes: only who is alone with it can do that, and stays alone.
    let alone = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE; COMMIT;";
    match sqlx::raw_sql(alone).execute(&mut connection).await {
        Err(error) if has_code(&error, BUSY) => return Err(StoreFault::PlainFileInUse),
        other => other?,
    };
    let mode: String =
        sqlx::query("PRAGMA main.journal_mode").fetch_one(&mut connection).await?.try_get(0)?;
    if mode != "delete" {
        return Err(StoreFault::PlainFileInUse);
    }
    let old = OpenOptions::new().write(true).open(path)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(fresh)?;
    let of = old.metadata()?;
    belong(&file, &of)?;
    sqlx::query("ATTACH DATABASE $1 AS fresh KEY $2")
        .bind(fresh.to_string_lossy().into_owned())
        .bind(to.raw().to_string())
        .execute(&mut connection)
        .await?;
    sqlx::raw_sql("SELECT sqlcipher_export('fresh'); DETACH DATABASE fresh").execute(&mut connection).await?;
    file.sync_all()?;
    fs::rename(fresh, path)?;
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()?;
    spoil(old, of.len())?;
    Ok(connection.close().await?)
}

/// Writes over the head of a file that has no name any more.
fn spoil(mut file: File, length: u64) -> io::Result<()> {
    let head = usize::try_from(length).unwrap_or(HEAD).min(HEAD);
    file.write_all(&vec![b'#'; head])?;
    file.sync_all()
}

#[cfg(test)]
mod tests;

/// A connection of somebody who may read the key ring.
#[cfg(test)]
pub(crate) async fn connect_for_tests(path: &Path, keys: &FileKeys) -> SqliteConnection {
    connect(path, keys.newest()).await.unwrap()
}
