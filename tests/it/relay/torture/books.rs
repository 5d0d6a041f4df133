//! What came of each mail, by four books: the sessions' acknowledgements, the mailboxes, the queue and the log.

use crate::peer::sqlite;
use crate::relay::kills::{Acknowledged, token};
use crate::relay::mailbox::Mailbox;
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

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

/// What must give nothing once the queue is empty: each what it would mean, and the rows that would say so. A thousand kills
/// leave tens of thousands of rows, so none asks one row at a time.
const NEVER: [(&str, &str); 10] = [
    ("a message without its delivery", "message WHERE id NOT IN (SELECT message_id FROM delivery)"),
    ("a delivery without its message", "delivery WHERE message_id NOT IN (SELECT id FROM message)"),
    (
        "a body that nobody needs",
        "message_body WHERE message_id NOT IN (SELECT message_id FROM delivery WHERE state IN ('waiting', 'held'))",
    ),
    (
        "a message that was not recorded once",
        "(SELECT m.id FROM message m LEFT JOIN record r ON r.message_id = m.id AND r.event = 'accepted' \
         GROUP BY m.id HAVING COUNT(r.id) <> 1) x",
    ),
    (
        "a record without its message",
        "record WHERE message_id IS NOT NULL AND message_id NOT IN (SELECT id FROM message)",
    ),
    (
        "a delivery that was made and not recorded",
        "delivery WHERE state = 'delivered' AND id NOT IN \
         (SELECT delivery_id FROM record WHERE event = 'delivered' AND delivery_id IS NOT NULL)",
    ),
    (
        "a delivery that failed and was not recorded",
        "delivery WHERE state = 'failed' AND id NOT IN \
         (SELECT delivery_id FROM record WHERE event = 'failed' AND delivery_id IS NOT NULL)",
    ),
    (
        "a record of a delivery that was not made",
        "record WHERE event = 'delivered' AND (delivery_id IS NULL OR delivery_id NOT IN \
         (SELECT id FROM delivery WHERE state = 'delivered'))",
    ),
    ("a delivery in no final state", "delivery WHERE state NOT IN ('delivered', 'failed')"),
    ("a lease that nobody holds", "delivery WHERE lease <> 0 AND state <> 'waiting'"),
];

impl Ledger {
    pub fn at(url: &str, keys: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connection = runtime.block_on(sqlite::connect_with(url, keys));
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
