//! The command line of the desk: who looks and why, and what a second person decides.

use crate::relay::LookPurpose;
use clap::Subcommand;

/// Who has something opened, and why. It is written down before it is opened.
#[derive(Default, clap::Args)]
pub(super) struct LookArguments {
    /// Your name.
    #[arg(long, value_name = "NAME", requires_all = ["purpose", "case"])]
    pub actor: Option<String>,
    /// Why.
    #[arg(long, value_name = "PURPOSE", requires = "actor",
        value_parser = LookPurpose::ALL.map(LookPurpose::as_str))]
    pub purpose: Option<String>,
    /// The number of the case.
    #[arg(long, value_name = "CASE", requires = "actor")]
    pub case: Option<String>,
    /// The request that a second person has approved.
    #[arg(long, value_name = "REQUEST", requires = "actor")]
    pub approved: Option<String>,
}

/// For whom a file is that has what was opened.
#[derive(Default, clap::Args)]
pub(super) struct ForArguments {
    /// Who opens the file: a public key of age, age1…; may be given several times [default: compliance.export_recipients].
    #[arg(long = "recipient", value_name = "KEY")]
    pub recipients: Vec<String>,
    /// Write to standard output, in clear, instead of an encrypted file; that it was so is written down.
    #[arg(long, requires = "actor", conflicts_with = "recipients")]
    pub clear: bool,
}

#[derive(Subcommand)]
pub(super) enum RevealCommand {
    /// List the requests that wait for a second person, or for their use.
    List,
    /// Approve somebody else's request.
    Approve {
        /// The request.
        request: String,
        /// Your name.
        #[arg(long, value_name = "NAME")]
        actor: String,
    },
    /// Refuse somebody else's request.
    Refuse {
        /// The request.
        request: String,
        /// Your name.
        #[arg(long, value_name = "NAME")]
        actor: String,
    },
    /// Show who is behind an alias: the store, the order, and of a customer's alias the address.
    Alias {
        /// The alias.
        alias: String,
        #[command(flatten)]
        look: LookArguments,
    },
    /// List who had what opened and why, and who searched for what, the latest first.
    Log {
        /// What somebody looked at: his name, as he gave it.
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
        /// Who looked at something: an address, an alias, a queue id, an order (STORE/NO), a store, or a value of a query.
        #[arg(long, value_name = "WHAT")]
        about: Option<String>,
        /// From when on: 2026-11-22, 3d … in Japan's time.
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// At most so many.
        #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
}
