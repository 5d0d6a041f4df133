//! What is measured: the whole matrix, or a part of it.

use crate::report::Way;
use std::fmt;
use std::time::Duration;

/// What can be said.
pub const HELP: &str = "cargo bench --bench relay -- [OPTIONS]\n\
    \x20 --quick             one cell, one run of each: a smoke test\n\
    \x20 --json              one JSON document\n\
    \x20 --cell KBxSESSIONS  this cell only, such as 10x50\n\
    \x20 --way WORD          only ways whose name holds this word, such as mx, submission, postfix\n\
    \x20 --seconds S         how long each run sends [default: 1.5]\n\
    \x20 --runs N            runs of each way in each cell [default: 3]\n\
    \x20 --nodes N           so many processes on one PostgreSQL [default: 1]\n\
    \x20 --storage URL       the relay's database [default: SQLite; a postgres:// URL must name an empty one]\n\
    \x20 --binary PATH       another build of the relay, to compare two [default: the one just built]";

/// A parsed command line.
#[derive(Clone)]
pub struct Arguments {
    pub json: bool,
    pub sizes_kb: Vec<usize>,
    pub sessions: Vec<usize>,
    pub ways: Vec<Way>,
    pub time: Duration,
    pub runs: usize,
    pub nodes: usize,
    pub storage: String,
    pub binary: String,
    said: Vec<String>,
}

impl Arguments {
    pub fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        // Cargo itself adds --bench.
        let said: Vec<String> = words.filter(|word| word != "--bench").collect();
        let mut arguments = Self {
            json: false,
            sizes_kb: vec![1, 10, 100],
            sessions: vec![1, 10, 50],
            ways: Way::ALL.to_vec(),
            time: Duration::from_millis(1500),
            runs: 3,
            nodes: 1,
            storage: "sqlite:anshin.db".to_owned(),
            binary: env!("CARGO_BIN_EXE_anshin").to_owned(),
            said: said.clone(),
        };
        let mut words = said.into_iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--json" => arguments.json = true,
                "--quick" => {
                    (arguments.sizes_kb, arguments.sessions, arguments.runs) = (vec![10], vec![10], 1);
                    arguments.time = Duration::from_millis(500);
                }
                "--cell" => {
                    let cell = value()?;
                    let (kb, sessions) = cell.split_once('x').ok_or("a cell is KBxSESSIONS")?;
                    arguments.sizes_kb = vec![number(kb)?];
                    arguments.sessions = vec![number(sessions)?];
                }
                "--way" => {
                    let wanted = value()?;
                    arguments.ways.retain(|way| way.name().contains(&wanted));
                    if arguments.ways.is_empty() {
                        return Err(format!("no way's name holds {wanted}"));
                    }
                }
                "--seconds" => {
                    let seconds = value()?.parse().map_err(|_| "--seconds needs a number")?;
                    arguments.time = Duration::try_from_secs_f64(seconds).map_err(|why| why.to_string())?;
                }
                "--runs" => arguments.runs = number(&value()?)?,
                "--nodes" => arguments.nodes = number(&value()?)?,
                "--storage" => arguments.storage = value()?,
                "--binary" => arguments.binary = value()?,
                _ => return Err(format!("{word} is unknown")),
            }
        }
        if arguments.nodes > 1 && arguments.storage.starts_with("sqlite:") {
            return Err("--nodes needs --storage postgres://…: SQLite is for one process".to_owned());
        }
        Ok(arguments)
    }

    /// Whether Postfix takes part at all.
    pub fn wants_postfix(&self) -> bool {
        self.ways.iter().any(|way| matches!(way, Way::PostfixNew | Way::PostfixKept))
    }

    /// The database without its password.
    pub fn storage_name(&self) -> &'static str {
        if self.storage.starts_with("sqlite:") { "SQLite, WAL, synchronous=FULL" } else { "PostgreSQL" }
    }
}

impl fmt::Display for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cargo bench --ignore-rust-version --bench relay --")?;
        let mut words = self.said.iter();
        while let Some(word) = words.next() {
            write!(f, " {word}")?;
            // A URL may hold a password, a path names this machine.
            if let "--storage" | "--binary" = word.as_str() {
                f.write_str(" …")?;
                words.next();
            }
        }
        Ok(())
    }
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or(format!("{text} is no number above 0"))
}
