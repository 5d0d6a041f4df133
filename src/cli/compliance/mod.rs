//! `anshin compliance`: what the law asks of an operator, as commands.
//!
//! Rules: a report says what is so now, with what shows it, and its exit status is 1 where something is not as it must be.

pub(super) mod residency;

use super::arguments::Common;
use super::output::Failure;
use clap::Subcommand;
use std::path::PathBuf;

#[derive(Subcommand)]
pub(in crate::cli) enum ComplianceCommand {
    /// Where user information lies and goes, and what proves that it is in Japan.
    Residency {
        #[command(subcommand)]
        command: ResidencyCommand,
    },
}

#[derive(Subcommand)]
pub(in crate::cli) enum ResidencyCommand {
    /// Look at every place of the configuration now. Exit status 1 where one would stop a start.
    Report,
    /// Make the key with which an officer signs statements about sites; prints the line for residency.officers.
    Key {
        /// Whose it is, such as officer.example.jp; no spaces.
        #[arg(long)]
        name: String,
        /// The file for the private key; it must not exist. Keep it off this machine.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Write a signed statement that a site lies in Japan.
    Attest(Attest),
}

#[derive(clap::Args)]
pub(in crate::cli) struct Attest {
    /// The officer's private key.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// A short name of the site.
    #[arg(long)]
    pub site: String,
    /// Its postal address.
    #[arg(long)]
    pub address: String,
    /// A network that stands there, such as 10.1.0.0/16. May be given several times.
    #[arg(long = "network", value_name = "NETWORK")]
    pub networks: Vec<String>,
    /// A zone of the DNS that is served there, such as a mirrored block list. May be given several times.
    #[arg(long = "zone", value_name = "NAME")]
    pub zones: Vec<String>,
    /// Who answers for it.
    #[arg(long)]
    pub by: String,
    /// The contract or document that shows it.
    #[arg(long)]
    pub contract: Option<String>,
    /// From when it counts [default: now].
    #[arg(long, value_name = "RFC3339")]
    pub since: Option<String>,
    /// Until when it counts, two years after its beginning at most.
    #[arg(long, value_name = "RFC3339")]
    pub until: String,
    /// The file to write; it must not exist.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

pub(super) async fn run(command: ComplianceCommand, common: &Common) -> Result<(), Failure> {
    match command {
        ComplianceCommand::Residency { command: ResidencyCommand::Report } => residency::report(common).await,
        ComplianceCommand::Residency { command: ResidencyCommand::Key { name, out } } => {
            residency::key(&name, &out, common)
        }
        ComplianceCommand::Residency { command: ResidencyCommand::Attest(attest) } => {
            residency::attest(&attest, common)
        }
    }
}
