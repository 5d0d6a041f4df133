//! SQLite as somebody has it who may read the key ring: to look behind the relay's back.

use data_encoding::{BASE64, HEXLOWER};
use sqlx::{AnyConnection, AssertSqlSafe, Connection};
use std::path::Path;

/// Connects to a database; to a SQLite file with whichever file key opens it of the key rings that lie beside or below it.
pub async fn connect(url: &str) -> AnyConnection {
    let beside = url.strip_prefix("sqlite:").and_then(|path| Path::new(path).parent());
    connect_with(url, beside.unwrap_or(Path::new("/nonexistent"))).await
}

/// The same with the key rings below a directory.
pub async fn connect_with(url: &str, dir: &Path) -> AnyConnection {
    sqlx::any::install_default_drivers();
    openssl_sys::init();
    if !url.starts_with("sqlite:") {
        return AnyConnection::connect(url).await.unwrap();
    }
    open(url, &keys_below(dir))
        .await
        .unwrap_or_else(|| panic!("{url}: no file key below {} opens it", dir.display()))
}

/// With one of these keys.
async fn open(url: &str, keys: &[String]) -> Option<AnyConnection> {
    for key in keys {
        let mut connection = AnyConnection::connect(url).await.unwrap();
        let text =
            format!("PRAGMA cipher_log_level = NONE; PRAGMA key = \"{key}\"; PRAGMA busy_timeout = 10000");
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
        if sqlx::query("SELECT COUNT(*) FROM sqlite_schema").fetch_one(&mut connection).await.is_ok() {
            return Some(connection);
        }
    }
    None
}

/// The keys of database files below a directory, as SQLCipher takes them.
pub fn keys_below(dir: &Path) -> Vec<String> {
    let mut keys = Vec::new();
    for path in std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            keys.extend(keys_below(&path));
        } else if is_file_key(&path) {
            let text = std::fs::read_to_string(&path).unwrap();
            let key = text.lines().find_map(|line| line.strip_prefix("key = \"")?.strip_suffix('"'));
            keys.extend(
                key.map(|key| format!("x'{}'", HEXLOWER.encode(&BASE64.decode(key.as_bytes()).unwrap()))),
            );
        }
    }
    keys
}

fn is_file_key(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with("file-") && name.ends_with(".key")
}

/// Writes all that is in an encrypted file into a plain one.
pub async fn write_plain(url: &str, to: &Path) {
    std::fs::write(to, "").unwrap();
    let mut connection = connect(url).await;
    let text = format!(
        "ATTACH DATABASE '{}' AS plain KEY ''; SELECT sqlcipher_export('plain'); DETACH DATABASE plain",
        to.display()
    );
    sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
