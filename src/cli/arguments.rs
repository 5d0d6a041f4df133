//! The command line: what can be said, with help for a person.

use super::arguments_desk::{LookArguments, RevealCommand};
use super::arguments_log::LogCommand;
use super::arguments_queue::QueueCommand;
use super::compliance::ComplianceCommand;
use super::credential::CredentialCommand;
use super::token::TokenCommand;
use super::webhook::WebhookCommand;
use crate::vault::Purpose;
use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// An anonymizing e-mail relay for a marketplace: merchant and customer write to each other with ordinary mail
/// programs, and neither sees the other's address.
///
/// Try it: `anshin demo`.
#[derive(Parser)]
#[command(name = "anshin", version, max_term_width = 100)]
pub(super) struct Arguments {
    /// Print one JSON document instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// The configuration file [default: anshin.toml here, else /etc/anshin/anshin.toml].
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command gets.
pub(super) struct Common {
    pub json: bool,
    pub config: Option<PathBuf>,
}

impl Arguments {
    pub fn common(&self) -> Common {
        Common { json: self.json, config: self.config.clone() }
    }
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Show the relay at work: temporary storage, generated keys, real mail both ways over SMTP on loopback.
    Demo {
        /// Check the result, print it and exit instead of going on until Ctrl-C.
        #[arg(long)]
        once: bool,
    },
    /// Run the relay, all roles or some.
    Serve {
        /// A role to run; may be given several times.
        #[arg(long = "role", value_name = "ROLE", default_value = "all", value_delimiter = ',')]
        roles: Vec<RoleName>,
    },
    /// Check or show the configuration.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Add stores; see and change what they log in with.
    Merchant {
        #[command(subcommand)]
        command: MerchantCommand,
    },
    /// Open and manage the conversations of orders.
    Order {
        #[command(subcommand)]
        command: OrderCommand,
    },
    /// Look at the queue and move it.
    Queue {
        #[command(subcommand)]
        command: QueueCommand,
    },
    /// Read the log of what passed; verify and prove it.
    Log {
        #[command(subcommand)]
        command: LogCommand,
    },
    /// Who had something opened, and what a second person decides about it.
    Reveal {
        #[command(subcommand)]
        command: RevealCommand,
    },
    /// Ask what proves a sender.
    Senders {
        #[command(subcommand)]
        command: SendersCommand,
    },
    /// Look at the key ring.
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Print the DNS records that the installation needs, DKIM keys included.
    Dns {
        /// Look each of them up and say whether it is there and right; exit status 1 when one that is needed is not.
        #[arg(long)]
        check: bool,
    },
    /// Show and state what the law asks of an operator.
    Compliance {
        #[command(subcommand)]
        command: ComplianceCommand,
    },
    /// Make, list, rotate and revoke tokens for the HTTP API.
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Have what becomes of mails posted to the marketplace's own systems.
    Webhook {
        #[command(subcommand)]
        command: WebhookCommand,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum RoleName {
    All,
    Ingress,
    Egress,
    Web,
}

#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Validate the configuration and everything it points to.
    Check,
    /// Print the effective configuration, secrets masked.
    Show,
}

#[derive(Subcommand)]
pub(super) enum MerchantCommand {
    /// Add a store. Its passwords are shown once.
    Add {
        /// 1 to 24 characters of a-z, 0-9, - and _; it becomes the store's public alias.
        #[arg(long, value_name = "ID")]
        store_id: String,
        /// The name customers see.
        #[arg(long)]
        name: String,
        /// A registered address; the first takes the store's mail, all may send. May be given several times.
        #[arg(long = "address", value_name = "ADDRESS", required = true)]
        addresses: Vec<String>,
    },
    /// What a store logs in with to send mail: up to ten credentials, each with a name, changed without breaking a tool.
    Credential {
        #[command(subcommand)]
        command: CredentialCommand,
    },
    /// The registered addresses of a store.
    Address {
        #[command(subcommand)]
        command: AddressCommand,
    },
    /// Keep a store from sending and from its menu, since another may be behind it, and hold what waits of its mail; --lift lets it go
    /// on as it was. It still gets mail.
    Contain {
        /// The store.
        #[arg(long, value_name = "ID")]
        store_id: String,
        /// Let it go on. What was held stays held until it is released.
        #[arg(long)]
        lift: bool,
        #[command(flatten)]
        look: LookArguments,
    },
    /// Make a new one-time password for the menu of a store whose people have lost theirs. It is shown once.
    MenuPassword {
        /// The store.
        #[arg(long, value_name = "ID")]
        store_id: String,
        /// The person's user name [default: that of the first one, admin].
        #[arg(long)]
        name: Option<String>,
        /// Take the person's second factor off too.
        #[arg(long)]
        without_second_factor: bool,
    },
}

#[derive(Subcommand)]
pub(super) enum AddressCommand {
    /// Let the store's mail go to this one from now on. All of them are told; make sure who asks.
    First {
        /// The store.
        #[arg(long, value_name = "ID")]
        store_id: String,
        /// One that it has registered.
        #[arg(long, value_name = "ADDRESS")]
        address: String,
        /// The mailbox of before is lost or in strange hands: people of the menu who are written to there are written to at the
        /// new one, and their sessions, codes and one-time passwords end.
        #[arg(long)]
        lost: bool,
    },
}

#[derive(clap::Args)]
pub(super) struct OrderName {
    /// The store.
    #[arg(long, value_name = "ID")]
    pub store_id: String,
    /// The order number, unique within the store.
    #[arg(long, value_name = "NO")]
    pub order_no: String,
}

#[derive(Subcommand)]
pub(super) enum OrderCommand {
    /// Open the conversation of an order; the same order gives the same aliases.
    Open {
        #[command(flatten)]
        order: OrderName,
        /// The customer's real address.
        #[arg(long, value_name = "ADDRESS")]
        customer: String,
        /// When the aliases end, such as 2027-01-31T23:59:59+09:00 [default: 180 days from now].
        #[arg(long, value_name = "RFC3339")]
        expires_at: Option<String>,
    },
    /// Show an order's aliases; with --actor, --purpose and --case the customer's real address too.
    Show {
        #[command(flatten)]
        order: OrderName,
        #[command(flatten)]
        look: LookArguments,
    },
    /// List a store's orders, oldest first (at most 1000).
    List {
        /// The store.
        #[arg(long, value_name = "ID")]
        store_id: String,
    },
    /// Let an order's aliases live longer, or shorter.
    Extend {
        #[command(flatten)]
        order: OrderName,
        /// When the aliases end.
        #[arg(long, value_name = "RFC3339")]
        expires_at: String,
    },
    /// Give an order another customer address; the aliases stay, and the address before is told. Takes a second person.
    Readdress {
        #[command(flatten)]
        order: OrderName,
        /// The customer's new real address.
        #[arg(long, value_name = "ADDRESS")]
        customer: String,
        #[command(flatten)]
        look: LookArguments,
    },
    /// End an order's aliases now.
    Close {
        #[command(flatten)]
        order: OrderName,
    },
}

#[derive(Subcommand)]
pub(super) enum SendersCommand {
    /// Check a sender as port 25 does: SPF, DKIM, DMARC, ARC and the name of its address.
    Check {
        /// The address that the mail came from.
        #[arg(long, value_name = "IP")]
        ip: std::net::IpAddr,
        /// What that server said of itself in EHLO.
        #[arg(long, value_name = "NAME", default_value = "")]
        helo: String,
        /// The reverse-path; left out: the null one.
        #[arg(long, value_name = "ADDRESS")]
        mail_from: Option<String>,
        /// The mail as it was received, lines ending in CRLF.
        #[arg(long, value_name = "FILE")]
        message: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
pub(super) enum KeysCommand {
    /// List the keys: purpose, name, age, which one seals.
    List,
    /// Make a new key of each purpose, or of one. Running processes take it by themselves; it opens at once and seals
    /// after a while. The first keys too.
    Rotate {
        /// Only this purpose.
        #[arg(long, value_parser = Purpose::ROTATED.map(Purpose::as_str))]
        purpose: Option<String>,
        /// How long until it seals; a ring that lies in several places must have it everywhere by then.
        #[arg(long, value_name = "DURATION", default_value = "1m")]
        seals_after: String,
    },
    /// Wrap every data key with the newest keys, index every row with the newest key, and wrap the key files as
    /// keys.provider says. A SQLite file is brought to the newest key if no other process has it open. Can be stopped and started again at any time; mail goes on.
    Rewrap {
        /// No process of a version before this one runs any more: from now on a conversation whose rows are not bound to each other
        /// leads no mail. Said once, on a database that an older version made.
        #[arg(long)]
        all_updated: bool,
    },
    /// Destroy a key that nothing needs any more. Refused, with the reason, while something does.
    Retire {
        /// The key, as `keys list` shows it, such as seal-a.
        key: String,
    },
    /// Make a DKIM signing key in egress.dkim.dir and show its DNS records. Needs no key ring.
    Dkim {
        /// Its name in the DNS and in the configuration.
        #[arg(long)]
        selector: String,
        /// rsa (2048 bits) or ed25519.
        #[arg(long, value_parser = ["rsa", "ed25519"])]
        algorithm: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_that_is_rotated_can_be_asked_for_alone() {
        for purpose in Purpose::ROTATED.map(Purpose::as_str) {
            let asked = Arguments::try_parse_from(["anshin", "keys", "rotate", "--purpose", purpose]);
            assert!(asked.is_ok(), "{purpose}");
        }
        assert!(Arguments::try_parse_from(["anshin", "keys", "rotate", "--purpose", "guard"]).is_err());
    }
}
