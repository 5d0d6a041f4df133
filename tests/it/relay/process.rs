//! The real binary as a child process, on a database of its own, with every port chosen by the system.
//!
//! Rules: configuration lies beside the state, not in it; all commands run with `--json`; when a test that went well
//! drops its relay, [`Watch`] searches log, database and whatever was shown to anybody.

use super::watch::Watch;
use crate::peer::postgres::{Database, fresh_database};
use crate::peer::{Scratch, eventually, eventually_within, sqlite};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    Sqlite,
    Postgres,
}

/// Makes of each `fn name(on: On)` one test on SQLite and one on PostgreSQL.
macro_rules! on_both_databases {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[test] fn $name() { super::$name(crate::relay::process::On::Sqlite) })+
        }
        mod on_postgres {
            $(#[test] fn $name() { super::$name(crate::relay::process::On::Postgres) })+
        }
    };
}
pub(crate) use on_both_databases;

/// What a relay is started with.
pub struct Setup {
    on: On,
    keys: BTreeMap<String, String>,
    routes: Vec<String>,
    database: Option<Database>,
    environment: BTreeMap<String, String>,
}

impl Setup {
    /// The development profile on loopback; one try a second.
    pub fn new(on: On) -> Self {
        let mut keys = BTreeMap::new();
        for (key, value) in [
            ("profile", "'development'"),
            ("hostname", "'relay.anshin.test'"),
            ("domains.customer", "'fw.anshin.test'"),
            ("domains.merchant", "'shop.anshin.test'"),
            ("ingress.mx.listen", "'127.0.0.1:0'"),
            ("ingress.submission.listen", "'127.0.0.1:0'"),
            ("ingress.submission.tls_listen", "'127.0.0.1:0'"),
            ("ingress.tls.certificate", "'state/tls/certificate.pem'"),
            ("ingress.tls.key", "'state/tls/key.pem'"),
            ("egress.dkim.dir", "'state/dkim'"),
            ("egress.retry.first", "'1s'"),
            ("egress.retry.max", "'1s'"),
            ("keys.dir", "'state/keys'"),
            ("web.listen", "'127.0.0.1:0'"),
        ] {
            keys.insert(key.to_owned(), value.to_owned());
        }
        Self { on, keys, routes: Vec::new(), database: None, environment: BTreeMap::new() }
    }

    /// Sets a key to a TOML value.
    pub fn key(mut self, key: &str, value: &str) -> Self {
        self.keys.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Sends mail for `domain` to `next_hop`.
    pub fn route(self, domain: &str, next_hop: SocketAddr) -> Self {
        self.route_with(domain, next_hop, "may")
    }

    pub fn route_with(self, domain: &str, next_hop: SocketAddr, tls: &str) -> Self {
        self.route_as(&format!("domain = '{domain}', next_hop = '{next_hop}', tls = '{tls}'"))
    }

    /// A route with these keys.
    pub fn route_as(mut self, keys: &str) -> Self {
        self.routes.push(format!("{{ {keys} }}"));
        self
    }

    /// Keeps its state in this database, which `storage.url` must lead to.
    pub fn database(mut self, database: Database) -> Self {
        self.database = Some(database);
        self
    }

    /// Runs its processes with a variable.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Writes the configuration and starts nothing.
    pub fn prepare(self, watch: &Arc<Watch>) -> TestRelay {
        let scratch = Scratch::new("relay");
        fs::create_dir(scratch.path().join("state")).unwrap();
        let database = self.database.or_else(|| (self.on == On::Postgres).then(fresh_database));
        let mut keys = self.keys;
        let url = database.as_ref().map_or_else(|| "sqlite:state/anshin.db".to_owned(), Database::url);
        keys.entry("storage.url".to_owned()).or_insert_with(|| format!("'{url}'"));
        let mut text: String = keys.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        text.push_str(&format!("egress.route = [{}]\n", self.routes.join(", ")));
        fs::write(scratch.path().join("anshin.toml"), text).unwrap();
        TestRelay {
            scratch,
            database,
            watch: watch.clone(),
            running: Vec::new(),
            bound: Bound::default(),
            environment: self.environment,
            program: env!("CARGO_BIN_EXE_anshin").into(),
            looks: AtomicU32::new(0),
        }
    }

    /// Starts all roles in one process.
    pub fn start(self, watch: &Arc<Watch>) -> TestRelay {
        let mut relay = self.prepare(watch);
        relay.start(&["all"]);
        relay
    }
}

/// Where the relay listens.
#[derive(Debug, Clone, Default)]
pub struct Bound {
    pub mx: Option<SocketAddr>,
    pub submission: Option<SocketAddr>,
    pub submissions: Option<SocketAddr>,
    pub web: Option<SocketAddr>,
}

/// An installation, running or not.
pub struct TestRelay {
    scratch: Scratch,
    database: Option<Database>,
    watch: Arc<Watch>,
    running: Vec<Child>,
    bound: Bound,
    environment: BTreeMap<String, String>,
    program: PathBuf,
    looks: AtomicU32,
}

/// What a command gave.
pub struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The one JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|fault| panic!("{fault}: {}{}", self.stdout, self.stderr))
    }
}

impl TestRelay {
    /// Starts a process with these roles and waits until it serves.
    pub fn start(&mut self, roles: &[&str]) {
        self.start_together(&[roles]);
    }

    /// Starts several processes at the same moment and waits until all serve.
    pub fn start_together(&mut self, processes: &[&[&str]]) {
        self.start_with(processes, &[]);
    }

    /// The same with these variables.
    pub fn start_with(&mut self, processes: &[&[&str]], environment: &[(&str, &str)]) {
        let from = fs::metadata(self.log_path()).map_or(0, |log| log.len());
        let before = self.running.len();
        for roles in processes {
            let log = OpenOptions::new().create(true).append(true).open(self.log_path()).unwrap();
            let mut command = self.binary();
            command.envs(environment.iter().copied());
            command.arg("serve").args(roles.iter().flat_map(|role| ["--role", role]));
            let command = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
            self.running.push(command.spawn().unwrap());
        }
        // A start migrates and recovers, and a machine under torture is slow.
        let started = eventually_within(Duration::from_secs(120), "the relay starts", || {
            let lines = self.log_from(from);
            let events = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let started: Vec<Value> =
                events.filter(|e| e["fields"]["event"] == "started").map(|e| e["fields"].clone()).collect();
            if started.len() == processes.len() {
                return Some(started);
            }
            let ended = self.running[before..].iter_mut().any(|child| child.try_wait().unwrap().is_some());
            assert!(!ended, "the relay ended at its start:\n{lines}");
            None
        });
        for event in started {
            let first = |name: &str| {
                let list = event[name].as_str().unwrap_or_default().to_owned();
                let inner = list.strip_prefix('[').and_then(|list| list.strip_suffix(']'))?;
                inner.split(", ").next().and_then(|address| address.parse().ok())
            };
            self.bound.mx = first("mx").or(self.bound.mx);
            self.bound.submission = first("submission").or(self.bound.submission);
            self.bound.submissions = first("submissions").or(self.bound.submissions);
            self.bound.web = first("web").or(self.bound.web);
        }
    }

    pub fn bound(&self) -> &Bound {
        &self.bound
    }

    pub fn mx(&self) -> SocketAddr {
        self.bound.mx.unwrap()
    }

    pub fn submission(&self) -> SocketAddr {
        self.bound.submission.unwrap()
    }

    pub fn submissions(&self) -> SocketAddr {
        self.bound.submissions.unwrap()
    }

    pub fn web(&self) -> SocketAddr {
        self.bound.web.unwrap()
    }

    /// Where its database is.
    pub fn database_url(&self) -> String {
        let file = || format!("sqlite:{}", self.state().join("anshin.db").display());
        self.database.as_ref().map_or_else(file, Database::url)
    }

    /// The directory with database, keys and certificates.
    pub fn state(&self) -> PathBuf {
        self.scratch.path().join("state")
    }

    pub fn config(&self) -> PathBuf {
        self.scratch.path().join("anshin.toml")
    }

    /// SIGKILL to every process of it.
    pub fn kill(&mut self) {
        for mut child in self.running.drain(..) {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// SIGKILL to the one that was started as the `number`-th of those that run.
    pub fn kill_one(&mut self, number: usize) {
        let mut child = self.running.remove(number);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM to the one that was started as the `number`-th of those that run; how it ended.
    pub fn terminate_one(&mut self, number: usize) -> ExitStatus {
        let mut child = self.running.remove(number);
        assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
        eventually("the process ends", || child.try_wait().unwrap())
    }

    /// Starts and runs another program from now on.
    pub fn use_program(&mut self, program: impl Into<PathBuf>) {
        self.program = program.into();
    }

    /// Starts and runs the program that is tested from now on.
    pub fn use_this_program(&mut self) {
        self.use_program(env!("CARGO_BIN_EXE_anshin"));
    }

    /// SIGTERM to every process of it; how each ended.
    pub fn terminate(&mut self) -> Vec<ExitStatus> {
        self.signal("TERM");
        self.wait()
    }

    /// Waits until every process of it has ended; how each did.
    pub fn wait(&mut self) -> Vec<ExitStatus> {
        let mut children = std::mem::take(&mut self.running);
        children.iter_mut().map(|child| eventually("the relay ends", || child.try_wait().unwrap())).collect()
    }

    /// Sends a signal to every process of it.
    pub fn signal(&self, name: &str) {
        for child in &self.running {
            let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
            assert!(sent.success(), "{name} was not sent");
        }
    }

    /// The log so far: one JSON event a line.
    pub fn log(&self) -> String {
        fs::read(self.log_path()).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// The log from this octet on: a long run must not read all of it while it waits for a line.
    fn log_from(&self, from: u64) -> String {
        let mut text = Vec::new();
        if let Ok(mut log) = fs::File::open(self.log_path()) {
            log.seek(SeekFrom::Start(from)).unwrap();
            log.read_to_end(&mut text).unwrap();
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    fn log_path(&self) -> PathBuf {
        self.scratch.path().join("log.jsonl")
    }

    /// The binary, with this installation's configuration and `--json`.
    pub fn binary(&self) -> Command {
        let mut command = Command::new(&self.program);
        // Whoever runs the tests may have come by SSH himself.
        command.env_remove("SSH_CONNECTION").envs(&self.environment);
        command.arg("--json").arg("--config").arg(self.config());
        command
    }

    /// Sets a variable for what is started and run from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// The ids of its processes.
    pub fn process_ids(&self) -> Vec<u32> {
        self.running.iter().map(Child::id).collect()
    }

    /// Runs a command to its end, whatever comes of it.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.binary().args(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let ran = Ran {
            status: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        };
        // A trace is for those whose work needs addresses, and routes are the operator's own; all else shows none.
        let is_look = arguments.contains(&"--actor");
        if !is_look && !matches!(arguments.first(), Some(&"log" | &"config")) {
            let what = arguments.join(" ");
            self.watch.shown("an operator", &what, ran.stdout.as_bytes());
            self.watch.shown("an operator", &what, ran.stderr.as_bytes());
        }
        ran
    }

    /// Runs a command that must go well; its document.
    #[track_caller]
    pub fn anshin(&self, arguments: &[&str]) -> Value {
        let ran = self.run(arguments);
        assert_eq!(ran.status, 0, "anshin {}: {}{}", arguments.join(" "), ran.stdout, ran.stderr);
        ran.json()
    }

    /// The lines of `queue list`, of a state or of all that wait.
    pub fn queue(&self, state: Option<&str>) -> Vec<Value> {
        let mut arguments = vec!["queue", "list", "--limit", "100000"];
        arguments.extend(state.iter().flat_map(|state| ["--state", state]));
        self.anshin(&arguments).as_array().unwrap().clone()
    }

    /// The lines of a trace.
    pub fn trace(&self, of: &[&str]) -> Vec<Value> {
        // Somebody else each time: one person has so many looks a day, and a test looks until it sees.
        let actor = format!("tester {}", self.looks.fetch_add(1, Ordering::Relaxed));
        let look = ["--actor", &actor, "--purpose", "audit", "--case", "test"];
        self.anshin(&[&["log", "trace"], of, &look].concat()).as_array().unwrap().clone()
    }

    /// All bytes at rest: files of the state, and the dump of a database server, or what is within an encrypted file: what is
    /// sealed there must hold by itself.
    pub fn check_at_rest(&self) {
        self.watch.check_hidden_below(&self.state());
        if let Some(database) = &self.database {
            self.watch.check_hidden("the database", &database.dump());
        } else if self.state().join("anshin.db").exists() && !sqlite::keys_below(&self.state()).is_empty() {
            let (url, plain) = (self.database_url(), self.scratch.path().join("plain.db"));
            // On a thread of its own: it may be dropped within a runtime.
            let written = std::thread::spawn(move || {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                runtime.block_on(sqlite::write_plain(&url, &plain));
                fs::read(plain).unwrap()
            });
            let octets = written.join().unwrap();
            self.watch.check_hidden("what is within the database file", &octets);
        }
    }
}

impl Drop for TestRelay {
    fn drop(&mut self) {
        for child in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the end of the relay's log:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
            return;
        }
        self.watch.check_shown();
        self.watch.check_hidden("the log", self.log().as_bytes());
        self.check_at_rest();
        assert!(!self.log().contains("panic"), "something panicked:\n{}", self.log());
    }
}
