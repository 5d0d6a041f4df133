//! The command line of extracts of the log for others.

use super::arguments_desk::LookArguments;
use super::arguments_search::Format;
use crate::relay::{DAYS_MAX, LEAST};
use clap::{Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Subcommand)]
pub(super) enum ExtractCommand {
    /// Make one. Takes a second person.
    Make(MakeArguments),
    /// List all that were made: for whom, by whom, until when.
    List,
    /// Whether a file is one, unchanged and still good. Exit status 1 when not.
    Verify {
        /// The file.
        file: PathBuf,
    },
    /// End one before its time. Whoever has it is to destroy it.
    End {
        /// Its number in the list.
        id: String,
        /// Your name.
        #[arg(long, value_name = "NAME")]
        actor: String,
        /// The number of the case.
        #[arg(long, value_name = "CASE")]
        case: String,
    },
}

/// What is extracted, for whom, and how.
#[derive(clap::Args)]
pub(super) struct MakeArguments {
    /// Of which rows, as `log search` has it.
    #[arg(value_name = "QUERY")]
    pub query: Vec<String>,
    /// For whom it is. What one gets under pseudonyms can't be joined with what another gets.
    #[arg(long = "for", value_name = "NAME", value_parser = recipient)]
    pub recipient: String,
    /// The new file. Beside it lies what is to be known of it, as FILE.about.json.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Rows under pseudonyms, or counts by day, event, direction, result and country.
    #[arg(long, value_name = "KIND", default_value = "rows")]
    pub kind: Kind,
    /// In which form.
    #[arg(long, value_name = "FORMAT", default_value = "csv")]
    pub format: Format,
    /// Of fewer persons nothing is told.
    #[arg(long, value_name = "N", default_value_t = LEAST, value_parser = clap::value_parser!(u32).range(i64::from(LEAST)..))]
    pub least: u32,
    /// Days until it must be destroyed, and the key of its pseudonyms is.
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=i64::from(DAYS_MAX)))]
    pub days: u32,
    #[command(flatten)]
    pub look: LookArguments,
}

fn recipient(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_good = (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if is_good { Ok(text.to_owned()) } else { Err("1 to 200 characters in one line".to_owned()) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    Rows,
    Counts,
}

impl Kind {
    /// The word in the register.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Rows => "rows",
            Kind::Counts => "counts",
        }
    }
}
