//! The command line of the log.

use super::arguments_desk::LookArguments;
use super::arguments_search::{QuestionCommand, SearchArguments};
use clap::Subcommand;
use std::path::PathBuf;

#[derive(Subcommand)]
pub(super) enum LogCommand {
    /// What happened to a message, an alias or an order: when and what; with --actor, --purpose and --case also who, from
    /// where and how, real addresses and header blocks included.
    #[command(group(clap::ArgGroup::new("of").required(true)))]
    Trace {
        /// A queue id.
        #[arg(long, value_name = "QUEUE_ID", group = "of")]
        message: Option<String>,
        /// An alias of either side.
        #[arg(long, value_name = "ALIAS", group = "of")]
        alias: Option<String>,
        /// An order number, with --store-id.
        #[arg(long, value_name = "NO", group = "of", requires = "store_id")]
        order_no: Option<String>,
        /// The order's store.
        #[arg(long, value_name = "ID")]
        store_id: Option<String>,
        #[command(flatten)]
        look: LookArguments,
        /// Write it to this file, which must not be there yet. Takes a second person.
        #[arg(long, value_name = "FILE", requires = "actor")]
        export: Option<PathBuf>,
    },
    /// Search what was recorded; docs/query.md has the language. Rows show when, what and where, and name nobody; with --actor,
    /// --purpose and --case also who and how. Each search is in the list of looks.
    Search(SearchArguments),
    #[command(flatten)]
    Question(QuestionCommand),
    /// Compute the audit tree anew from every row and hold it against what was signed and kept elsewhere; names the first
    /// hour and row that is not as it was entered. Exit status 1 when anything is not.
    Verify {
        /// A file of checkpoints kept elsewhere: a copy of audit.anchors, a witness's file, mails of the officer. May be given
        /// several times; audit.anchors counts anyway.
        #[arg(long, value_name = "FILE")]
        anchors: Vec<PathBuf>,
        /// Look only at rows of this hour and later ones; the tree itself is computed whole.
        #[arg(long, value_name = "RFC3339")]
        since: Option<String>,
        /// A key of the tree, as `anshin log key` prints it, instead of those of this key ring. May be given several times.
        #[arg(long = "key", value_name = "KEY")]
        keys: Vec<String>,
    },
    /// Write a bundle that proves what is recorded of a message, or that somebody looked. It opens nothing.
    #[command(group(clap::ArgGroup::new("proven").required(true)))]
    Prove {
        /// A queue id.
        #[arg(long, value_name = "QUEUE_ID", group = "proven")]
        message: Option<String>,
        /// A look, by its id in `anshin reveal log`.
        #[arg(long, value_name = "ID", group = "proven")]
        look: Option<String>,
        /// The file to write; it must not exist.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Check a bundle, with no database, no network and no configuration.
    VerifyBundle {
        /// The bundle.
        file: PathBuf,
        /// A key that you know to be the tree's or a witness's, as `anshin log key` or `anshin log witness-key` printed it.
        /// May be given several times.
        #[arg(long = "key", value_name = "KEY", required = true)]
        keys: Vec<String>,
    },
    /// Print the public keys of the audit tree: for witnesses, officers and whoever checks bundles.
    Key,
    /// Print the last signed checkpoint.
    Checkpoint,
    /// Begin audit.anchors anew with the last checkpoint, where it was lost: written down among the looks. Look at `anshin log
    /// verify` with what else is kept first.
    BeginAnchors {
        /// Your name.
        #[arg(long, value_name = "NAME")]
        actor: String,
        /// The number of the case.
        #[arg(long, value_name = "CASE")]
        case: String,
    },
    /// Make a witness's key; prints the line for audit.witness.
    WitnessKey {
        /// Whose it is, such as witness.example.jp; no spaces.
        #[arg(long)]
        name: String,
        /// The file for the private key; it must not exist.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Be a witness, on another machine than the relay's: sign each checkpoint that continues the one before.
    Witness {
        /// Where to listen.
        #[arg(long, value_name = "ADDRESS:PORT")]
        listen: std::net::SocketAddr,
        /// The witness's private key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// A key of the tree, as `anshin log key` prints it. May be given several times.
        #[arg(long = "tree", value_name = "KEY", required = true)]
        trees: Vec<String>,
        /// The file in which everything signed is kept; it is what the witness knows.
        #[arg(long, value_name = "FILE")]
        state: PathBuf,
    },
}
