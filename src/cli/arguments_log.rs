//! The command line of the log.

use super::arguments_desk::{ForArguments, LookArguments};
use super::arguments_extract::ExtractCommand;
use super::arguments_rule::RuleCommand;
use super::arguments_search::{
    ExportArguments, GenerateArguments, QuestionCommand, SearchArguments, StatsArguments,
};
use clap::Subcommand;
use std::path::PathBuf;

#[derive(Subcommand)]
pub(super) enum LogCommand {
    /// What happened to a message, an alias or an order: when and what; with --actor, --purpose and --case also who, from
    /// where and how, real addresses and header blocks included.
    #[command(group(clap::ArgGroup::new("of").required(true)))]
    Trace {
        /// A queue id; or a Message-ID, as it came or as it was given, in single quotes.
        #[arg(long, value_name = "ID", group = "of")]
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
        /// Write it to this file, encrypted, which must not be there yet. Takes a second person.
        #[arg(long, value_name = "FILE", requires = "actor", conflicts_with = "clear")]
        export: Option<PathBuf>,
        #[command(flatten)]
        to: ForArguments,
    },
    /// Search what was recorded; docs/query.md has the language. Rows show when, what and where, and name nobody; with --actor,
    /// --purpose and --case also who and how. Each search is in the list of looks.
    Search(SearchArguments),
    /// How much there was: rows by day, hour or month, by event, direction, result, country and store, and how large mails were. Reads counts,
    /// which are kept for longer than rows, and names nobody.
    Stats(StatsArguments),
    /// Write all rows of a search into a file, for another program: times in UTC, nobody named. Ctrl-C leaves no file.
    Export(ExportArguments),
    /// Show the text of a mail: one that waits, or one that stayed after its delivery (`retention.kept_texts`). Takes a second person.
    Text {
        /// A queue id.
        #[arg(value_name = "QUEUE_ID")]
        message: String,
        #[command(flatten)]
        look: LookArguments,
    },
    /// Rows under pseudonyms, or counts, for somebody else: few persons are never told of, each ends by its time, all are registered.
    Extract {
        #[command(subcommand)]
        command: ExtractCommand,
    },
    /// The rules by which fraud is looked for, and what one would have found.
    Rule {
        #[command(subcommand)]
        command: RuleCommand,
    },
    #[command(flatten)]
    Question(QuestionCommand),
    /// Fill an empty log with traffic that never was, some of it fraud, to try questions on. Only in a development profile; nothing is
    /// sent. One that was stopped goes on.
    Generate(GenerateArguments),
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
    /// Write a bundle that proves what is recorded of a message, or that somebody looked; it opens nothing. With --case, --actor and
    /// --purpose: all of a case, with who looked for it, and beside it a page that people can read, in Japanese and English; that takes a
    /// second person.
    #[command(group(clap::ArgGroup::new("proven").required(true).multiple(true).args(["message", "look", "case"])))]
    Prove {
        /// A queue id. May be given several times.
        #[arg(long, value_name = "QUEUE_ID")]
        message: Vec<String>,
        /// A look, by its id in `anshin reveal log`.
        #[arg(long, value_name = "ID", conflicts_with_all = ["message", "case"])]
        look: Option<String>,
        /// Of a case: an alias, with all of its order. May be given several times.
        #[arg(long, value_name = "ALIAS", requires = "case")]
        alias: Vec<String>,
        /// Of a case: an order. May be given several times. Where nothing is named it is what was opened for the case so far.
        #[arg(long, value_name = "STORE/NO", requires = "case")]
        order: Vec<String>,
        #[command(flatten)]
        who: LookArguments,
        #[command(flatten)]
        to: ForArguments,
        /// The file to write; it must not exist. Of a case NAME, of which NAME.json and, encrypted, NAME.html.age are written.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Check a bundle, with no database, no network and no configuration.
    VerifyBundle {
        /// The bundle.
        file: PathBuf,
        /// The page that came with the bundle of a case: whether it is the one that was stated.
        #[arg(long, value_name = "FILE")]
        page: Option<PathBuf>,
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
