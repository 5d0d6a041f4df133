//! PostgreSQL: a fresh database for each test on the server that `ANSHIN_TEST_POSTGRES` names.
//!
//! When it fails: without the variable, or when the server refuses, the test panics.

use super::HOW_TO_RUN;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// An empty database, dropped with everything in it, connections included, when this is dropped.
pub struct Database {
    server: String,
    name: String,
}

impl Database {
    /// The URL for `storage.url`.
    pub fn url(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }

    /// Everything in it as plain SQL, for searching what must not be there.
    pub fn dump(&self) -> Vec<u8> {
        let output = Command::new("pg_dump").args(["--inserts", &self.url()]).output();
        let output = output.unwrap_or_else(|fault| panic!("pg_dump: {fault}; {HOW_TO_RUN}"));
        assert!(output.status.success(), "pg_dump: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}

/// Makes an empty database of its own.
pub fn fresh_database() -> Database {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let Ok(url) = std::env::var("ANSHIN_TEST_POSTGRES") else {
        panic!("ANSHIN_TEST_POSTGRES does not name a PostgreSQL server: {HOW_TO_RUN}")
    };
    let server = url.rsplit_once('/').map_or(url.clone(), |(server, _)| server.to_owned());
    let name = format!("anshin_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    Database::on(&server, &name)
}

impl Database {
    /// Makes an empty one of this name on a server, such as `postgres://anshin@127.0.0.1:5432`.
    pub fn on(server: &str, name: &str) -> Self {
        let database = Self { server: server.to_owned(), name: name.to_owned() };
        // A killed run with the same process id may have left one.
        database.administer(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", database.name)).unwrap();
        database.administer(&format!("CREATE DATABASE {}", database.name)).unwrap();
        database
    }

    fn administer(&self, statement: &str) -> Result<(), String> {
        let url = format!("{}/postgres", self.server);
        let output = Command::new("psql")
            .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--command", statement, &url])
            .output()
            .map_err(|fault| format!("psql: {fault}; {HOW_TO_RUN}"))?;
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Err(fault) = self.administer(&format!("DROP DATABASE {} WITH (FORCE)", self.name)) {
            eprintln!("{} stays behind: {fault}", self.name);
        }
    }
}

#[test]
fn a_fresh_database_is_empty_and_gone_when_dropped() {
    let database = fresh_database();
    assert!(!String::from_utf8(database.dump()).unwrap().contains("CREATE TABLE"));
    let (server, url) = (database.server.clone(), database.url());
    let psql = |url: &str, sql: &str| {
        let output = Command::new("psql").args(["--no-psqlrc", "-Atc", sql, url]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    psql(&url, "CREATE TABLE mark (id BIGINT)");
    assert!(String::from_utf8(database.dump()).unwrap().contains("CREATE TABLE"));
    let count = format!("SELECT count(*) FROM pg_database WHERE datname = '{}'", database.name);
    assert_eq!(psql(&format!("{server}/postgres"), &count), "1");
    drop(database);
    assert_eq!(psql(&format!("{server}/postgres"), &count), "0");
}

#[test]
fn the_server_acknowledges_only_what_it_has_written() {
    let database = fresh_database();
    let output =
        Command::new("psql").args(["--no-psqlrc", "-Atc", "SHOW fsync", &database.url()]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "on");
}
