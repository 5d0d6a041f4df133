//! `anshin compliance`: what the law asks of an operator, as commands.
//!
//! Rules: a report says what is so now, with what shows it, and its exit status is 1 where something is not as it must be.

mod breach;
mod break_glass;
mod correct;
mod erase;
mod export;
mod export_words;
mod hold;
pub(super) mod page;
mod leave;
pub(super) mod residency;
mod retention;
mod review;
mod staff;
mod statement;
mod statement_words;

use self::breach::BreachCommand;
use self::break_glass::BreakGlassCommand;
use self::review::ReviewCommand;

use super::arguments::Common;
use super::arguments_desk::{ForArguments, LookArguments};
use super::output::Failure;
use super::sealed_file;
use clap::Subcommand;
use std::path::PathBuf;

#[derive(Subcommand)]
pub(in crate::cli) enum ComplianceCommand {
    /// Where user information lies and goes, and what proves that it is in Japan.
    Residency {
        #[command(subcommand)]
        command: ResidencyCommand,
    },
    /// What is kept how long and why; what is due, held and destroyed, and what will be due within 30 days.
    Retention {
        /// List each day that is due, with how many rows. Nothing is destroyed by this command either way: the relay does
        /// that by itself.
        #[arg(long)]
        dry_run: bool,
        /// Say that this machine's clock is right, where the relay doubts it and therefore destroys nothing.
        #[arg(long, requires = "actor")]
        clock_is_right: bool,
        #[command(flatten)]
        look: LookArguments,
    },
    /// What is kept about a customer, which is a look and counts as one; with --yes, erase it for good, in every copy of the
    /// database too. Takes a second person.
    Erase(EraseArguments),
    /// Write all that is held about a customer into two new encrypted files, NAME.json.age and NAME.txt.age (in Japanese), for
    /// the customer: what is the other party's is masked. Takes a second person.
    Export {
        /// The customer's real address, the one of now or one before.
        #[arg(long, value_name = "ADDRESS")]
        customer: String,
        /// The files, without their endings.
        #[arg(long, value_name = "NAME", required_unless_present = "clear", conflicts_with = "clear")]
        out: Option<PathBuf>,
        #[command(flatten)]
        to: ForArguments,
        #[command(flatten)]
        look: LookArguments,
    },
    /// Make the key of somebody who gets exported files; prints its public half, for --recipient or compliance.export_recipients. `age`
    /// reads it too.
    ExportKey {
        /// The file for the secret key; it must not exist. Keep it off this machine.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Open an exported file, to standard output. It takes its key, and no database; `age -d -i KEY FILE` does the same.
    OpenExport {
        /// The file.
        file: PathBuf,
        /// The secret key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Correct a customer's address at all stores: asks the new address by mail, and re-points the live aliases when
    /// it answers; the address before is told. Takes a second person.
    Correct {
        /// The customer's real address of now.
        #[arg(long, value_name = "ADDRESS")]
        customer: String,
        /// The new one.
        #[arg(long, value_name = "ADDRESS")]
        to: String,
        #[command(flatten)]
        look: LookArguments,
    },
    /// What ends when a store leaves; with --yes, it leaves: its credentials die at once, its conversations close, and
    /// their customers are told. The log stays for its period.
    Leave {
        /// The store.
        #[arg(long, value_name = "ID")]
        store_id: String,
        /// It leaves.
        #[arg(long, requires = "actor")]
        yes: bool,
        #[command(flatten)]
        look: LookArguments,
    },
    /// What must not be destroyed while a case is open.
    Hold {
        #[command(subcommand)]
        command: HoldCommand,
    },
    /// The register of breaches: what leaked, who was told, and what is due when.
    Breach {
        #[command(subcommand)]
        command: BreachCommand,
    },
    /// Come from elsewhere than Japan for some hours, approved by another person.
    BreakGlass {
        #[command(subcommand)]
        command: BreakGlassCommand,
    },
    /// Review who has access: people at the desk and API tokens.
    Review {
        #[command(subcommand)]
        command: ReviewCommand,
    },
    /// Write the pack for the yearly self-evaluation: what is kept where and how long, who looked, what leaked, in Japanese.
    Statement {
        /// The year, from 1 January in Japan.
        #[arg(long, value_name = "YEAR")]
        year: i32,
        /// The page to write; it must not exist.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(clap::Args)]
pub(in crate::cli) struct EraseArguments {
    /// The customer's real address, the one of now or one before.
    #[arg(long, value_name = "ADDRESS")]
    pub customer: String,
    /// Erase.
    #[arg(long)]
    pub yes: bool,
    /// Open orders too: their aliases end at once.
    #[arg(long)]
    pub open_orders: bool,
    #[command(flatten)]
    pub look: LookArguments,
}

#[derive(Subcommand)]
pub(in crate::cli) enum HoldCommand {
    /// Hold what meets all of these. From then on it outlives its period, and can't be erased.
    Add {
        #[command(flatten)]
        look: LookArguments,
        /// Only what is of this store.
        #[arg(long, value_name = "ID")]
        store_id: Option<String>,
        /// Only what is of this customer, at every store, and of what begins later.
        #[arg(long, value_name = "ADDRESS")]
        customer: Option<String>,
        /// Only what happened from then on.
        #[arg(long, value_name = "RFC3339")]
        from: Option<String>,
        /// Only what happened before.
        #[arg(long, value_name = "RFC3339")]
        until: Option<String>,
    },
    /// List the holds, lifted ones too.
    List {
        /// Only those of this case that hold.
        #[arg(long, value_name = "CASE")]
        of_case: Option<String>,
    },
    /// Lift a hold, or all of a case. Takes a second person.
    #[command(group(clap::ArgGroup::new("of").required(true)))]
    Lift {
        /// The hold, as the list shows it.
        #[arg(group = "of")]
        hold: Option<String>,
        /// All that hold for this case.
        #[arg(long, value_name = "CASE", group = "of")]
        of_case: Option<String>,
        #[command(flatten)]
        look: LookArguments,
    },
}

#[derive(Subcommand)]
pub(in crate::cli) enum ResidencyCommand {
    /// Look at every place of the configuration now. Exit status 1 where one would stop a start.
    Report {
        /// Write it as a page in Japanese too, to be signed; the file must not exist.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Make the key with which an officer signs statements about sites; prints the line for residency.officers.
    Key {
        /// Whose it is, such as officer.example.jp; no spaces.
        #[arg(long)]
        name: String,
        /// The file for the private key; it must not exist. Keep it off this machine.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// From where an address is, who runs its network, and whether staff may come from there; without an address, of whoever asks.
    Origin {
        /// The address.
        address: Option<std::net::IpAddr>,
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
        ComplianceCommand::Residency { command: ResidencyCommand::Report { out } } => {
            residency::report(out.as_deref(), common).await
        }
        ComplianceCommand::Residency { command: ResidencyCommand::Key { name, out } } => {
            residency::key(&name, &out, common)
        }
        ComplianceCommand::Residency { command: ResidencyCommand::Origin { address } } => {
            staff::run(address, common)
        }
        ComplianceCommand::Residency { command: ResidencyCommand::Attest(attest) } => {
            residency::attest(&attest, common)
        }
        ComplianceCommand::Retention { dry_run, clock_is_right, look } => {
            let trusting = clock_is_right.then_some(&look);
            retention::run(dry_run, trusting, common).await
        }
        ComplianceCommand::Erase(arguments) => erase::run(&arguments, common).await,
        ComplianceCommand::Export { customer, out, to, look } => {
            export::run(&customer, out.as_deref(), &to, &look, common).await
        }
        ComplianceCommand::ExportKey { out } => sealed_file::make_key(&out, common),
        ComplianceCommand::OpenExport { file, key } => sealed_file::open(&file, &key),
        ComplianceCommand::Correct { customer, to, look } => {
            correct::run(&customer, &to, &look, common).await
        }
        ComplianceCommand::Leave { store_id, yes, look } => {
            let leaving = yes.then_some(&look);
            leave::run(&store_id, leaving, common).await
        }
        ComplianceCommand::Hold { command } => hold::run(command, common).await,
        ComplianceCommand::Breach { command } => breach::run(command, common).await,
        ComplianceCommand::BreakGlass { command } => break_glass::run(command, common).await,
        ComplianceCommand::Review { command } => review::run(command, common).await,
        ComplianceCommand::Statement { year, out } => statement::run(year, out.as_deref(), common).await,
    }
}
