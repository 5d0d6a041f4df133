//! The storage URL: SQLite by path, or PostgreSQL. It may hold a password, so it is shown masked and never quoted.
//!
//! Rules: `sqlite:PATH`, `sqlite://PATH`, `sqlite::memory:`, `postgres://…`, `postgresql://…`. How SQLite is opened
//! is the store's affair, so a SQLite URL takes no parameters. Nothing is expanded: `${VAR}` is refused.

use super::kind;
use super::place;
use super::reader::{Context, Flaw};
use super::tree::Value;
use serde::{Serialize, Serializer};
use std::fmt;
use std::path::{Path, PathBuf};

const CURE: &str = "write sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE";

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// Where everything durable lies. `Display`, `Debug` and `Serialize` mask the password.
#[derive(Clone, PartialEq, Eq)]
pub struct StorageUrl(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    File(PathBuf),
    Memory,
    Postgres(String),
}

impl StorageUrl {
    /// A SQLite database in the file `path`.
    #[must_use]
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self(Kind::File(path.into()))
    }

    /// Which database it is.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match self.0 {
            Kind::File(_) | Kind::Memory => Engine::Sqlite,
            Kind::Postgres(_) => Engine::Postgres,
        }
    }

    /// The file of a SQLite database; `None` in memory or with PostgreSQL.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        if let Kind::File(path) = &self.0 { Some(path) } else { None }
    }

    /// Whether everything is lost when the process ends.
    #[must_use]
    pub fn is_memory(&self) -> bool {
        self.0 == Kind::Memory
    }

    /// The URL to connect with. It may hold a password: pass it on, never print it.
    #[must_use]
    pub fn connect_url(&self) -> String {
        match &self.0 {
            Kind::Memory => "sqlite::memory:".to_owned(),
            Kind::Postgres(url) => url.clone(),
            Kind::File(path) => {
                let text = path.to_string_lossy();
                // In a URL these three would end or change the path.
                format!("sqlite://{}", text.replace('%', "%25").replace('?', "%3F").replace('#', "%23"))
            }
        }
    }

    /// Whether a password stands in the URL.
    pub(super) fn holds_password(&self) -> bool {
        matches!(&self.0, Kind::Postgres(url) if masked(url) != *url)
    }

    /// The host of a PostgreSQL server, or the directory of its socket (it begins with a slash): what the library
    /// connects to, where `host` and `hostaddr` among the parameters go before what stands in front of the path.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        let Kind::Postgres(url) = &self.0 else { return None };
        let parts = Parts::of(url)?;
        let named = |parameter: &'_ str| {
            let (name, value) = parameter.split_once('=')?;
            matches!(unescaped(name).as_str(), "host" | "hostaddr").then(|| unescaped(value))
        };
        if let Some(host) = parts.parameters().filter_map(named).next_back() {
            return Some(host);
        }
        let host = parts.authority.rsplit_once('@').map_or(parts.authority, |(_, host)| host);
        let host = match host.strip_prefix('[') {
            Some(v6) => v6.split(']').next()?,
            None => host.split(':').next()?,
        };
        Some(unescaped(host)).filter(|h| !h.is_empty())
    }
}

/// A value without its percent-encoding (RFC 3986 §2.1). What is badly encoded stays as it is.
fn unescaped(value: &str) -> String {
    let mut octets = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let octet = digits.filter(|_| first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        octets.push(octet.unwrap_or(first));
        rest = behind.get(if octet.is_some() { 2.. } else { 0.. }).unwrap_or_default();
    }
    String::from_utf8_lossy(&octets).into_owned()
}

/// Reads a storage URL. Its flaws never quote it.
pub(super) fn url(value: &Value, context: &Context) -> Result<StorageUrl, Flaw> {
    let text = kind::text(value)?.trim();
    if text.contains("${") {
        let cure = "write the URL itself, or set ANSHIN__STORAGE__URL in the environment";
        return Err(Flaw::new("holds ${…}; nothing is expanded here", cure));
    }
    if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err(Flaw::new("holds a space or control character", CURE));
    }
    if text == "sqlite::memory:" {
        return Ok(StorageUrl(Kind::Memory));
    }
    if let Some(path) = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:")) {
        if path.contains(['?', '#']) {
            return Err(Flaw::new(
                "has parameters, which SQLite takes none of here",
                "write sqlite:PATH alone",
            ));
        }
        let path = place::resolve(&context.dir, path).filter(|_| !path.ends_with('/'));
        return path.map(StorageUrl::sqlite).ok_or_else(|| Flaw::new("names no file", CURE));
    }
    let Some(parts) = Parts::of(text).filter(|p| matches!(p.scheme, "postgres" | "postgresql")) else {
        return Err(Flaw::new("is neither sqlite: nor postgres://", CURE));
    };
    if text.contains('#') || [Some(parts.path), parts.query].into_iter().flatten().any(|p| p.contains('@')) {
        // A raw / ? or # in a password would end the authority, and what follows would be shown in clear.
        let cure = "write / ? # @ in a user name or password as %2F %3F %23 %40";
        return Err(Flaw::new("holds a # or an @ where no URL has one", cure));
    }
    let url = StorageUrl(Kind::Postgres(text.to_owned()));
    if url.host().is_none() && !parts.parameters().any(|p| p.starts_with("host=/")) {
        return Err(Flaw::new("names no host", CURE));
    }
    if parts.path.trim_matches('/').is_empty() && !parts.parameters().any(|p| p.starts_with("dbname=")) {
        return Err(Flaw::new("names no database", CURE));
    }
    Ok(url)
}

/// `scheme://authority/path?query`, as much of RFC 3986 §3 as masking needs.
struct Parts<'a> {
    scheme: &'a str,
    authority: &'a str,
    /// With its slash.
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let (authority, path) = rest.split_at_checked(rest.find('/').unwrap_or(rest.len()))?;
        Some(Self { scheme, authority, path, query })
    }

    fn parameters(&self) -> impl DoubleEndedIterator<Item = &'a str> {
        self.query.unwrap_or_default().split('&')
    }
}

/// The URL with `***` for each password: in the user information and as a parameter.
fn masked(url: &str) -> String {
    let Some(parts) = Parts::of(url) else { return "***".to_owned() };
    let authority = match parts.authority.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{name}:***@{host}"),
            None => parts.authority.to_owned(),
        },
        None => parts.authority.to_owned(),
    };
    let parameter = |parameter: &str| match parameter.split_once('=') {
        Some((name, _)) if name.contains('%') || name.to_ascii_lowercase().contains("pass") => {
            format!("{name}=***")
        }
        _ => parameter.to_owned(),
    };
    let query = parts.query.map(|_| parts.parameters().map(parameter).collect::<Vec<_>>().join("&"));
    let query = query.map(|q| format!("?{q}")).unwrap_or_default();
    format!("{}://{authority}{}{query}", parts.scheme, parts.path)
}

impl fmt::Display for StorageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::File(path) => write!(f, "sqlite:{}", path.display()),
            Kind::Memory => f.write_str("sqlite::memory:"),
            Kind::Postgres(url) => f.write_str(&masked(url)),
        }
    }
}

impl fmt::Debug for StorageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for StorageUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<StorageUrl, Flaw> {
        url(&Value::Text(text.to_owned()), &Context { dir: PathBuf::from("/etc/anshin") })
    }

    #[test]
    fn a_password_is_never_shown() {
        for (given, shown) in [
            (
                "postgres://anshin:pw-canary@db.example.jp:5432/anshin",
                "postgres://anshin:***@db.example.jp:5432/anshin",
            ),
            ("postgresql://a:pw@canary@h/d?sslmode=require", "postgresql://a:***@h/d?sslmode=require"),
            (
                "postgres://h/d?user=a&password=pw-canary&sslpassword=x",
                "postgres://h/d?user=a&password=***&sslpassword=***",
            ),
            ("postgres://h/d", "postgres://h/d"),
            ("postgres:///d?host=/run/postgresql", "postgres:///d?host=/run/postgresql"),
        ] {
            let url = read(given).ok().unwrap();
            assert_eq!((url.to_string(), format!("{url:?}")), (shown.to_owned(), shown.to_owned()));
            assert_eq!(url.connect_url(), given);
            assert_eq!(url.holds_password(), given != shown, "{given}");
        }
    }

    #[test]
    fn a_relative_database_lies_beside_the_configuration() {
        for (given, connect) in [
            ("sqlite:anshin.db", "sqlite:///etc/anshin/anshin.db"),
            ("sqlite://anshin.db", "sqlite:///etc/anshin/anshin.db"),
            ("sqlite:///srv/a%b.db", "sqlite:///srv/a%25b.db"),
        ] {
            assert_eq!(read(given).ok().unwrap().connect_url(), connect);
        }
    }

    #[test]
    fn the_host_is_that_which_is_connected_to() {
        for (given, host) in [
            ("postgres://u:p@db.example.jp:5432/d", "db.example.jp"),
            ("postgres://[2001:db8::1]:5432/d", "2001:db8::1"),
            ("postgres://127.0.0.1/d?host=db.us-east-1.rds.amazonaws.com", "db.us-east-1.rds.amazonaws.com"),
            ("postgres://127.0.0.1/d?hostaddr=192.0.2.1&sslmode=require", "192.0.2.1"),
            ("postgres://127.0.0.1/d?%68ost=192.0.2.1", "192.0.2.1"),
            ("postgres:///d?host=/run/postgresql", "/run/postgresql"),
            ("postgres://%2Frun%2Fpostgresql/d", "/run/postgresql"),
        ] {
            assert_eq!(read(given).ok().unwrap().host().as_deref(), Some(host), "{given}");
        }
        assert_eq!(read("sqlite:a.db").ok().unwrap().host(), None);
    }

    #[test]
    fn what_names_no_database_is_refused() {
        for text in [
            "",
            "sqlite:",
            "sqlite:dir/",
            "mysql://h/d",
            "postgres://",
            "postgres://h",
            "postgres:///d",
            "sqlite:a?mode=ro",
            "postgres://u:${PW}@h/d",
            "postgres://h/d e",
            "postgres://u:p/w@h/d",
            "postgres://u:p#w@h/d",
            "anshin.db",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }
}
