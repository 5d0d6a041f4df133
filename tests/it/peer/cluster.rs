//! A PostgreSQL of its own, for tests that stop, break, fill or replace the server itself.
//!
//! Rules: its data lie below a directory that the test names; it listens on one loopback port for its whole life; fsync and
//! synchronous_commit stay on. PostgreSQL refuses to run as root, so root becomes `postgres` for it.
//! When it fails: the test panics with the server's log.

use super::postgres::Database;
use super::{HOW_TO_RUN, eventually};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A server. Stopped when dropped; its directory is the caller's to remove.
pub struct Cluster {
    dir: PathBuf,
    address: SocketAddr,
    environment: Vec<(String, String)>,
}

/// How a server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// As an operator does: connections end, everything is written.
    Fast,
    /// As a crash: nothing is written any more, the next start recovers.
    Immediate,
}

impl Cluster {
    /// A new one in `dir`, which must exist, started.
    pub fn new(dir: &Path, environment: &[(&str, &str)]) -> Self {
        let cluster = Self::at(dir, environment);
        let data = cluster.data();
        cluster.must("initdb", &["--pgdata", &data, "--username=anshin", "--auth=trust", "--no-sync"]);
        cluster.configure("max_wal_size = '64MB'\nmin_wal_size = '32MB'\n");
        assert!(cluster.start(), "{}", cluster.log());
        cluster
    }

    /// A standby that follows `primary` and has all that it acknowledged under `synchronous_standby_names = '*'`.
    pub fn standby(dir: &Path, primary: &Cluster) -> Self {
        let cluster = Self::at(dir, &[]);
        let port = primary.address.port().to_string();
        let from = ["--host=127.0.0.1", "--port", &port, "--username=anshin", "--pgdata", &cluster.data()];
        cluster.must("pg_basebackup", &[&from[..], &["--write-recovery-conf", "--checkpoint=fast"]].concat());
        assert!(cluster.start(), "{}", cluster.log());
        cluster
    }

    fn at(dir: &Path, environment: &[(&str, &str)]) -> Self {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o777)).unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let environment = environment.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        Self { dir: dir.to_owned(), address: (Ipv4Addr::LOCALHOST, port).into(), environment }
    }

    /// Adds lines to its configuration, for the next start or reload.
    pub fn configure(&self, lines: &str) {
        let path = Path::new(&self.data()).join("postgresql.conf");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}{lines}")).unwrap();
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// An empty database on it.
    pub fn database(&self) -> Database {
        Database::on(&format!("postgres://anshin@{}", self.address), "anshin")
    }

    /// Starts it, or leaves it as it is when it runs. Whether it takes connections now.
    pub fn start(&self) -> bool {
        let port = self.address.port();
        let options = format!(
            "-p {port} -h 127.0.0.1 -k {} -c max_connections=120 -c fsync=on -c shared_buffers=32MB",
            self.dir.display()
        );
        let log = self.dir.join("server.log");
        let (data, log) = (self.data(), log.display().to_string());
        let words =
            ["--pgdata", &data, "--log", &log, "--options", &options, "--timeout=60", "--wait", "--silent"];
        self.is_up() || self.run("pg_ctl", &[&["start"], &words[..]].concat())
    }

    /// Whether it takes connections.
    pub fn is_up(&self) -> bool {
        self.run("pg_isready", &["-q", "-h", "127.0.0.1", "-p", &self.address.port().to_string()])
    }

    /// Stops it, whatever it is at.
    pub fn stop(&self, how: Stop) {
        let mode = if how == Stop::Fast { "--mode=fast" } else { "--mode=immediate" };
        let _ = self.run("pg_ctl", &["stop", "--pgdata", &self.data(), mode, "--silent"]);
    }

    /// Reads its configuration again.
    pub fn reload(&self) {
        self.must("pg_ctl", &["reload", "--pgdata", &self.data(), "--silent"]);
    }

    /// Makes a primary of a standby.
    pub fn promote(&self) {
        self.must("pg_ctl", &["promote", "--pgdata", &self.data(), "--wait", "--silent"]);
    }

    /// Waits until a standby follows and what is committed here is committed there.
    pub fn wait_for_standby(&self) {
        let asks = "SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'";
        eventually("a standby follows", || (self.ask("postgres", asks) == "sync").then_some(()));
    }

    /// What a statement gives in one of its databases, as text; nothing where it fails.
    pub fn ask(&self, database: &str, sql: &str) -> String {
        let url = format!("postgres://anshin@{}/{database}", self.address);
        let output = self.command("psql").args(["--no-psqlrc", "-Atc", sql, &url]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A database as plain SQL, for searching what must not be there.
    pub fn dump(&self, database: &str) -> Vec<u8> {
        let url = format!("postgres://anshin@{}/{database}", self.address);
        let output = self.command("pg_dump").args(["--inserts", &url]).output().unwrap();
        assert!(output.status.success(), "pg_dump: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// The server's log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("server.log")).unwrap_or_default()
    }

    fn data(&self) -> String {
        self.dir.join("data").display().to_string()
    }

    fn must(&self, program: &str, arguments: &[&str]) {
        let output = self.command(program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn run(&self, program: &str, arguments: &[&str]) -> bool {
        // Not captured: a server that goes on running would hold the pipe.
        let mut command = self.command(program);
        let command =
            command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    /// A program of PostgreSQL's, under a user that it accepts.
    fn command(&self, program: &str) -> Command {
        let program = programs().join(program);
        let is_root =
            fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        let mut command = if is_root {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--", "env"]);
            command.args(self.environment.iter().map(|(key, value)| format!("{key}={value}")));
            command.arg(program);
            command
        } else {
            let mut command = Command::new(program);
            command.envs(self.environment.iter().map(|(key, value)| (key, value)));
            command
        };
        command.current_dir("/");
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop(Stop::Immediate);
    }
}

/// Where PostgreSQL's server programs are: the newest that Debian installed.
fn programs() -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|dir| dir.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect())
        .unwrap_or_default();
    found.sort();
    found.pop().unwrap_or_else(|| panic!("no PostgreSQL below /usr/lib/postgresql; {HOW_TO_RUN}"))
}
