//! The command line of searches of the log.

use super::arguments_desk::{ForArguments, LookArguments};
use clap::{Subcommand, ValueEnum};
use std::path::PathBuf;

/// What is searched, and what becomes of it.
#[derive(clap::Args)]
pub(super) struct SearchArguments {
    /// What to look for, such as 'from:hana@example.jp -event:delivered after:3d'; put it in single quotes. Nothing: everything.
    #[arg(value_name = "QUERY")]
    pub query: Vec<String>,
    /// At most so many rows, the newest; 100 unless it says otherwise, and all of them into a file.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// All rows. With --actor at most 10000.
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,
    /// Show how it would be answered, and what that costs.
    #[arg(long)]
    pub explain: bool,
    /// Count the rows instead of showing them.
    #[arg(long, conflicts_with_all = ["limit", "format", "out", "actor"])]
    pub count: bool,
    /// List what can be typed at the end of the query, and search nothing.
    #[arg(long, conflicts_with_all = ["explain", "count", "format", "out", "actor"])]
    pub complete: bool,
    /// Write rows for another program, times in UTC.
    #[arg(long, value_name = "FORMAT", conflicts_with = "actor")]
    pub format: Option<Format>,
    /// What its fields are called.
    #[arg(long, value_name = "NAMES", default_value = "own", requires = "format")]
    pub names: Names,
    /// Write to this file, which must not be there yet; it appears once it is whole. Encrypted where --recipient or
    /// `compliance.export_recipients` says to whom; with --actor it must be, and takes a second person.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Show times in UTC instead of Japan's.
    #[arg(long)]
    pub utc: bool,
    #[command(flatten)]
    pub to: ForArguments,
    #[command(flatten)]
    pub look: LookArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Comma-separated, with a line of names (RFC 4180).
    Csv,
    /// A JSON object on each line.
    Jsonl,
    /// Apache Parquet, with --out.
    Parquet,
}

/// What is exported, and into what.
#[derive(clap::Args)]
pub(super) struct ExportArguments {
    /// What to export, as `log search` has it. Nothing: everything of 30 days.
    #[arg(value_name = "QUERY")]
    pub query: Vec<String>,
    /// The new file; it appears once it is whole.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// In which form.
    #[arg(long, value_name = "FORMAT", default_value = "csv")]
    pub format: Format,
    /// What its fields are called.
    #[arg(long, value_name = "NAMES", default_value = "own")]
    pub names: Names,
    /// At most so many rows, the newest; all of them unless it says otherwise.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Who opens the file: a public key of age, age1…; may be given several times [default: compliance.export_recipients, and in
    /// clear without either].
    #[arg(long = "recipient", value_name = "KEY")]
    pub recipients: Vec<String>,
}

impl ExportArguments {
    /// The search that it is.
    pub fn search(self) -> SearchArguments {
        SearchArguments {
            query: self.query,
            limit: self.limit,
            all: false,
            explain: false,
            count: false,
            complete: false,
            format: Some(self.format),
            names: self.names,
            out: Some(self.out),
            utc: true,
            look: LookArguments::default(),
            to: ForArguments { recipients: self.recipients, clear: false },
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Names {
    /// The Elastic Common Schema's, where it has one.
    Ecs,
    /// Those of Microsoft's ASIM, where it has one.
    Asim,
    /// Those of `--json`.
    #[value(alias = "plain")]
    Own,
}

/// What traffic is made up.
#[derive(clap::Args)]
pub(super) struct GenerateArguments {
    /// About how many rows: 300k, 10m. Left out: a million.
    #[arg(long, value_name = "N", value_parser = amount)]
    pub rows: Option<u64>,
    /// The same seed makes the same traffic. Left out: another each time, which is printed.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Over how many days.
    #[arg(long, value_name = "DAYS", default_value_t = 395, value_parser = clap::value_parser!(i64).range(2..=3660))]
    pub days: i64,
    /// Until when; left out: until now.
    #[arg(long, value_name = "RFC3339")]
    pub until: Option<String>,
    /// How many stores.
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = stores)]
    pub stores: usize,
    /// The file to which the planted frauds are told, as JSON lines. If it is there, what was begun then goes on.
    #[arg(long, value_name = "FILE")]
    pub truth: PathBuf,
}

/// A number with k or m.
fn amount(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1_000),
        None => text.strip_suffix(['m', 'M']).map_or((text, 1), |digits| (digits, 1_000_000)),
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    number
        .filter(|number| (100..=10_000_000_000).contains(number))
        .ok_or_else(|| "a number of at least 100, such as 300k or 10m".into())
}

fn stores(text: &str) -> Result<usize, String> {
    let number = text.parse::<usize>().ok().filter(|number| (20..=100_000).contains(number));
    number.ok_or_else(|| "from 20 to 100000".into())
}

/// From when until when a question is asked.
#[derive(clap::Args)]
pub(super) struct SpanArguments {
    /// From when on: 2026-11-22, 2026-11-22T09:00, 3d, yesterday … in Japan's time.
    #[arg(long, value_name = "TIME", default_value = "30d")]
    pub from: String,
    /// Until when; left out: until now.
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Show times in UTC instead of Japan's.
    #[arg(long)]
    pub utc: bool,
}

/// Of what is counted.
#[derive(clap::Args)]
pub(super) struct StatsArguments {
    /// Of one store.
    #[arg(long, value_name = "ID")]
    pub store_id: Option<String>,
    /// By what stretch of time.
    #[arg(long, value_name = "STRETCH", default_value = "day")]
    pub by: Stretch,
    #[command(flatten)]
    pub span: SpanArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Stretch {
    Hour,
    Day,
    Month,
}

/// Questions that have a command of their own.
#[derive(Subcommand)]
pub(super) enum QuestionCommand {
    /// What passed between a store and the customer of an order, both ways, with what became of each mail, the oldest first.
    Pair {
        /// The store.
        #[arg(long, value_name = "ID")]
        store_id: String,
        /// The order number.
        #[arg(long, value_name = "NO")]
        order_no: String,
        /// Show times in UTC instead of Japan's.
        #[arg(long)]
        utc: bool,
    },
    /// An address, network, domain, file, mailer, order, login or anything else that a query can name: when it was first and last
    /// seen, how often, at which stores, from which countries.
    Pivot {
        /// A word of a query, or a bare value.
        what: String,
        #[command(flatten)]
        span: SpanArguments,
    },
    /// Where else a file was attached: when first and last, how often, at which stores.
    Same {
        /// A SHA-256, or @ and the name of a file.
        hash: String,
        #[command(flatten)]
        span: SpanArguments,
    },
    /// How far something reached that a store sent: mails, conversations, results.
    Blast {
        /// The store.
        store_id: String,
        #[command(flatten)]
        span: SpanArguments,
    },
    /// A store's last 24 hours against what is usual for it.
    Merchant {
        /// The store.
        store_id: String,
        /// Show times in UTC instead of Japan's.
        #[arg(long)]
        utc: bool,
    },
    /// How a takeover looks: a store's logins, what it changed and, by the hour, what it sent, the oldest first; countries and networks that are
    /// new to it are marked.
    Timeline {
        /// The store.
        store_id: String,
        #[command(flatten)]
        span: SpanArguments,
    },
    /// Stores that came from a country or a network from which they never came before.
    NewGeo {
        /// Since when: 1d, yesterday, 2026-11-22 …
        #[arg(long, value_name = "TIME", default_value = "1d")]
        since: String,
        /// Show times in UTC instead of Japan's.
        #[arg(long)]
        utc: bool,
    },
}
