//! The command line of rules.

use clap::Subcommand;
use std::path::PathBuf;

#[derive(Subcommand)]
pub(super) enum RuleCommand {
    /// List the rules: what becomes of what they find, for how much of it a day, whose they are, and until when they are good.
    List,
    /// Show a rule as it is written.
    Show {
        /// Its name.
        name: String,
    },
    /// Check the rules of the configuration, or some files before they are put there. A flaw is shown at its word.
    Check {
        /// Files of rules.
        files: Vec<PathBuf>,
    },
    /// How often rules found something in the last 30 days, by what was done.
    Hits,
    /// Ask of the last 30 days what a rule would have found: how much a day, and some of it, which names nobody. It is in the list of looks.
    Test {
        /// The name of a rule, or a file with one.
        rule: String,
        /// How many of the rows that it finds are shown, the newest.
        #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=1000))]
        sample: u16,
        /// Show times in UTC instead of Japan's.
        #[arg(long)]
        utc: bool,
    },
}
