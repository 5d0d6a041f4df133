//! The command line of `anshin queue`.

use super::arguments_desk::LookArguments;
use clap::{Subcommand, ValueEnum};

#[derive(Subcommand)]
pub(super) enum QueueCommand {
    /// List deliveries that have not ended, oldest first.
    List {
        #[command(flatten)]
        selection: QueueSelection,
        /// At most so many, the oldest first.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Show the deliveries of one message: state, why it is held, times; no address.
    Show {
        /// The queue id, as in the reply to DATA.
        #[arg(value_name = "QUEUE_ID")]
        queue_id: String,
        /// Show its text instead, as its recipient gets it. Takes a second person.
        #[arg(long, requires_all = ["actor", "purpose", "case"])]
        content: bool,
        #[command(flatten)]
        look: LookArguments,
    },
    /// Hold messages that wait: nothing is sent until they are released. Their senders are not told, unless nobody
    /// releases or drops them within content.hold_expire (7 days): then they are dropped, and their senders told.
    Hold {
        #[command(flatten)]
        choice: QueueChoice,
    },
    /// Release held messages, after one more look by the gate at each.
    Release {
        #[command(flatten)]
        choice: QueueChoice,
        /// Vouch for the attached files of one message: the gate looks at headers and texts alone.
        #[arg(long, conflicts_with_all = MANY)]
        files: bool,
    },
    /// Drop messages that are held or wait, destroy their bodies and tell their senders.
    Drop {
        #[command(flatten)]
        choice: QueueChoice,
    },
    /// Count deliveries by state, with the age of the oldest, and attempts that may have doubled a mail.
    Stats {
        /// Count anew every so many seconds, until Ctrl-C.
        #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2",
            value_parser = clap::value_parser!(u64).range(1..=3600))]
        follow: Option<u64>,
    },
    /// Count what waits and is held.
    Summary {
        /// By what.
        #[arg(long, value_name = "WHAT", default_value = "destination")]
        by: CountBy,
        /// At most so many lines, the largest counts first.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Show what waits, by destination and by reason, anew until Ctrl-C; as JSON one document a line. Each look reads the whole queue.
    Watch {
        /// Seconds between two looks.
        #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
        every: u64,
        /// At most so many lines of each.
        #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Send waiting mail another way than its domain goes, due at once: one message, or all that meet the filters.
    Route {
        #[command(flatten)]
        choice: QueueChoice,
        /// HOST:PORT, the domain of a route in the configuration, or `dns` for where the domain itself goes.
        #[arg(long, value_name = "NEXT_HOP")]
        to: String,
        /// How TLS is used towards HOST:PORT.
        #[arg(long, value_parser = TLS_WORDS, default_value = "may")]
        tls: String,
    },
    /// Send nothing to a destination until it is resumed. Its mail is taken, waits, and ends at its expiry.
    Pause {
        /// The domain of the recipients, exactly, or what `queue summary` shows for it.
        domain: String,
    },
    /// Send to a destination again.
    Resume {
        /// The destination, as it was paused.
        domain: String,
    },
    /// List the paused destinations.
    Paused,
    /// Mailboxes that refused for good, to which nothing is sent for a while.
    Suppress {
        #[command(subcommand)]
        command: SuppressCommand,
    },
    /// Try waiting messages again now, those too whose destination is dead. Held ones are released, not retried.
    Retry {
        #[command(flatten)]
        choice: QueueChoice,
    },
}

/// Which messages are moved: one, or all that meet all of the filters.
#[derive(clap::Args)]
pub(super) struct QueueChoice {
    /// The queue id, as in the log and the reply to DATA; or a filter, or --all, in its place.
    #[arg(value_name = "QUEUE_ID", required_unless_present_any = MANY, conflicts_with_all = MANY)]
    pub queue_id: Option<String>,
    #[command(flatten)]
    pub selection: QueueSelection,
    /// All that can be moved so, where no filter is given.
    #[arg(long)]
    pub all: bool,
    /// At most so many, the oldest first.
    #[arg(long, conflicts_with = "queue_id", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// Only count them.
    #[arg(long, conflicts_with = "queue_id")]
    pub dry_run: bool,
}

/// What selects many: one of these is there where no queue id is.
const MANY: [&str; 9] =
    ["all", "state", "store_id", "class", "destination", "via", "older", "status", "reason"];

/// How TLS is used towards a next hop.
pub(super) const TLS_WORDS: [&str; 4] = ["none", "may", "encrypt", "verify"];

/// Which deliveries are meant: those that meet all of it.
#[derive(clap::Args)]
pub(super) struct QueueSelection {
    /// Only this state.
    #[arg(long, value_name = "STATE", value_parser = ["waiting", "delivered", "failed", "held", "dropped"])]
    pub state: Option<String>,
    /// Only this store's.
    #[arg(long, value_name = "ID")]
    pub store_id: Option<String>,
    /// Only this class.
    #[arg(long, value_name = "CLASS")]
    pub class: Option<ClassName>,
    /// Only to this domain of recipients, exactly, or to what `queue summary` shows for it.
    #[arg(long, value_name = "DOMAIN")]
    pub destination: Option<String>,
    /// Only what was moved to this next hop by `queue route`, as it was named there.
    #[arg(long, value_name = "NEXT_HOP", conflicts_with = "destination")]
    pub via: Option<String>,
    /// Only what was accepted so long ago, such as 30m, 4h or 2d.
    #[arg(long, value_name = "AGE")]
    pub older: Option<String>,
    /// Only where the last attempt's status begins so, such as 4 or "450 4.2.1".
    #[arg(long, value_name = "STATUS", value_parser = status_beginning)]
    pub status: Option<String>,
    /// Only where this is why it waits or is held, as `queue summary --by reason` shows it.
    #[arg(long, value_name = "REASON")]
    pub reason: Option<String>,
}

/// The beginning of a status. An empty one, or a pattern, would mean everything.
fn status_beginning(text: &str) -> Result<String, String> {
    let mut words = text.split(' ');
    let is_number = |word: &str, by: &[char]| {
        word.starts_with(['2', '4', '5'])
            && word.split(by).all(|part| part.bytes().all(|b| b.is_ascii_digit()))
    };
    let is_one = words.next().is_some_and(|code| code.len() <= 3 && is_number(code, &[]))
        && words.next().is_none_or(|enhanced| enhanced.is_empty() || is_number(enhanced, &['.']))
        && words.next().is_none();
    is_one
        .then(|| text.to_owned())
        .ok_or_else(|| "the beginning of a status is one such as 4, 450 or \"450 4.2.1\"".to_owned())
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ClassName {
    Notice,
    Order,
    Bulk,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CountBy {
    Destination,
    Reason,
    Store,
    Class,
}

#[derive(Subcommand)]
pub(super) enum SuppressCommand {
    /// List suppressed mailboxes, by an alias that leads there.
    List,
    /// Suppress the mailbox behind an alias.
    Add {
        /// An alias of either side.
        alias: String,
    },
    /// Send to the mailbox behind an alias again.
    Remove {
        /// An alias of either side.
        alias: String,
    },
}
