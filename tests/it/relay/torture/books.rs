//! What came of each mail, by four books: the sessions' acknowledgements, the mailboxes, the queue and the log.

use crate::relay::kills::{Acknowledged, token};
use crate::relay::mailbox::Mailbox;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Row};
use std::collections::{BTreeMap, BTreeSet};

/// What mailboxes hold.
#[derive(Default)]
pub struct Books {
    /// How often each mail came, without those that were refused at the dot.
    pub copies: BTreeMap<String, i64>,
    /// Mails of which a failure was told to their senders.
    pub told: BTreeSet<String>,
}

impl Books {
    /// Reads mailboxes. Fails where a mail was damaged.
    pub fn of(mailboxes: &[&Mailbox]) -> Self {
        let mut books = Self::default();
        for mailbox in mailboxes {
            mailbox.look(|mails| {
                for mail in mails {
                    if mail.reverse_path.is_empty() {
                        books.told.extend(named(&mail.bytes));
                    } else if !mail.was_refused {
                        *books.copies.entry(token(mail)).or_insert(0) += 1;
                    }
                }
            });
        }
        books
    }

    /// Acknowledged and neither delivered nor told to have failed.
    pub fn lost<'a>(&self, acknowledged: &'a [Acknowledged]) -> Vec<&'a str> {
        let is_lost = |token: &&str| !self.copies.contains_key(*token) && !self.told.contains(*token);
        acknowledged.iter().map(|one| one.token.as_str()).filter(is_lost).collect()
    }

    /// Copies beyond the first.
    pub fn doubled(&self) -> i64 {
        self.copies.values().map(|copies| copies - 1).sum()
    }
}

/// The mail that a notice is about.
fn named(notice: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(notice);
    let (_, rest) = text.split_once("<token")?;
    Some(format!("token{}", rest.split_once("@load.test>")?.0))
}

/// The database, read directly.
pub struct Ledger {
    runtime: tokio::runtime::Runtime,
    connection: AnyConnection,
}

/// What must give nothing once the queue is empty: each what it would mean, and the rows that would say so.
const NEVER: [(&str, &str); 10] = [
    (
        "a message without its delivery",
        "message m WHERE NOT EXISTS (SELECT 1 FROM delivery d WHERE d.message_id = m.id)",
    ),
    (
        "a delivery without its message",
        "delivery d WHERE NOT EXISTS (SELECT 1 FROM message m WHERE m.id = d.message_id)",
    ),
    (
        "a body that nobody needs",
        "message_body b WHERE NOT EXISTS \
        (SELECT 1 FROM delivery d WHERE d.message_id = b.message_id AND d.state IN ('waiting', 'held'))",
    ),
    (
        "a message that was not recorded once",
        "message m WHERE 1 <> \
        (SELECT COUNT(*) FROM record r WHERE r.message_id = m.id AND r.event = 'accepted')",
    ),
    (
        "a record without its message",
        "record r WHERE r.message_id IS NOT NULL AND NOT EXISTS \
        (SELECT 1 FROM message m WHERE m.id = r.message_id)",
    ),
    (
        "a delivery that was made and not recorded",
        "delivery d WHERE d.state = 'delivered' AND NOT EXISTS \
        (SELECT 1 FROM record r WHERE r.delivery_id = d.id AND r.event = 'delivered')",
    ),
    (
        "a delivery that failed and was not recorded",
        "delivery d WHERE d.state = 'failed' AND NOT EXISTS \
        (SELECT 1 FROM record r WHERE r.delivery_id = d.id AND r.event = 'failed')",
    ),
    (
        "a record of a delivery that was not made",
        "record r WHERE r.event = 'delivered' AND NOT EXISTS \
        (SELECT 1 FROM delivery d WHERE d.id = r.delivery_id AND d.state = 'delivered')",
    ),
    ("a delivery in no final state", "delivery d WHERE d.state NOT IN ('delivered', 'failed')"),
    ("a lease that nobody holds", "delivery d WHERE d.lease <> 0 AND d.state <> 'waiting'"),
];

impl Ledger {
    pub fn at(url: &str) -> Self {
        sqlx::any::install_default_drivers();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connection = runtime.block_on(AnyConnection::connect(url)).unwrap();
        Self { runtime, connection }
    }

    fn number(&mut self, sql: &str) -> i64 {
        let query = sqlx::query(AssertSqlSafe(sql.to_owned()));
        self.runtime.block_on(query.fetch_one(&mut self.connection)).unwrap().try_get(0).unwrap()
    }

    /// Deliveries that have not ended.
    pub fn waiting(&mut self) -> i64 {
        self.number("SELECT COUNT(*) FROM delivery WHERE ended_at IS NULL")
    }

    /// Attempts of which the relay does not know the end, in all.
    pub fn doubtful(&mut self) -> i64 {
        self.number("SELECT COALESCE(CAST(SUM(doubtful) AS BIGINT), 0) FROM delivery")
    }

    /// The same for one message.
    pub fn doubtful_of(&mut self, queue_id: &str) -> i64 {
        let id = anshin::relay::parse_queue_id(queue_id).unwrap();
        self.number(&format!(
            "SELECT COALESCE(CAST(SUM(doubtful) AS BIGINT), 0) FROM delivery WHERE message_id = {id}"
        ))
    }

    /// Fails where the queue and the log do not say the same.
    pub fn check(&mut self) {
        for (what, rows) in NEVER {
            assert_eq!(self.number(&format!("SELECT COUNT(*) FROM {rows}")), 0, "{what}");
        }
    }
}
