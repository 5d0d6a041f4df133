//! The command line of searches of the log.

use super::arguments_desk::LookArguments;
use clap::{Subcommand, ValueEnum};
use std::path::PathBuf;

/// What is searched, and what becomes of it.
#[derive(clap::Args)]
pub(super) struct SearchArguments {
    /// What to look for, such as 'from:hana@example.jp -event:delivered after:3d'; put it in single quotes. Nothing: everything.
    #[arg(value_name = "QUERY")]
    pub query: Vec<String>,
    /// At most so many rows, the newest.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: u64,
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
    #[arg(long, value_name = "NAMES", default_value = "plain", requires = "format")]
    pub names: Names,
    /// Write to this file, which must not be there yet. With --actor it takes a second person.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Show times in UTC instead of Japan's.
    #[arg(long)]
    pub utc: bool,
    #[command(flatten)]
    pub look: LookArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Comma-separated, with a line of names (RFC 4180).
    Csv,
    /// A JSON object on each line.
    Jsonl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Names {
    /// The Elastic Common Schema's, where it has one.
    Ecs,
    /// Those of Microsoft's ASIM, where it has one.
    Asim,
    /// Those of `--json`.
    Plain,
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
