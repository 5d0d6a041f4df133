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
    /// List who had what opened and why, the latest first.
    Log,
}
