//! What came of each mail, by four books: the sessions' acknowledgements, the mailboxes, the queue and the log.

use crate::peer::sqlite;
use crate::relay::kills::{Acknowledged, token};
use crate::relay::mailbox::{Mailbox, Received};
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

/// A mail that came, as the next hop saw it.
#[derive(Debug, Clone, Copy)]
pub struct Copy {
    /// When its dot was read.
    pub at: Instant,
    /// The address of the node that brought it.
    pub from: IpAddr,
    /// Whether the dot was answered.
    pub was_answered: bool,
}

/// What was done to a node, and from when to when.
#[derive(Debug, Clone, Copy)]
pub struct Harmed {
    pub node: IpAddr,
    pub begun: Instant,
    pub done: Instant,
}

/// The least time after which others take over what a node had that can't say what became of it: a lease that is a quarter old.
const TAKEN_OVER: Duration = Duration::from_secs(45);
/// How long a node takes to find out that its path fell silent, and to write on another.
const FOUND_OUT: Duration = Duration::from_secs(60);

/// What mailboxes hold.
#[derive(Default)]
pub struct Books {
    /// Each time that a mail came, oldest first, without those that were refused at the dot.
    pub copies: BTreeMap<String, Vec<Copy>>,
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
                        let Received { at, from, was_answered, .. } = *mail;
                        books.copies.entry(token(mail)).or_default().push(Copy { at, from, was_answered });
                    }
                }
            });
        }
        books.copies.values_mut().for_each(|copies| copies.sort_by_key(|copy| copy.at));
        books
    }

    /// Acknowledged and neither delivered nor told to have failed.
    pub fn lost<'a>(&self, acknowledged: &'a [Acknowledged]) -> Vec<&'a str> {
        let is_lost = |token: &&str| !self.copies.contains_key(*token) && !self.told.contains(*token);
        acknowledged.iter().map(|one| one.token.as_str()).filter(is_lost).collect()
    }

    /// Copies that were followed by another one: why, of each.
    pub fn doubled(&self, killed: &[Harmed], cut_off: &[Harmed]) -> Doubled {
        let mut doubled = Doubled::default();
        for (token, copies) in &self.copies {
            for pair in copies.windows(2) {
                let [first, next] = pair else { continue };
                let was = |harmed: &Harmed, lasts: Duration| {
                    harmed.node == first.from && harmed.done + lasts >= first.at && harmed.begun <= next.at
                };
                let took_over = next.at.duration_since(first.at) >= TAKEN_OVER;
                match () {
                    () if !first.was_answered => doubled.unanswered += 1,
                    () if killed.iter().any(|kill| was(kill, Duration::ZERO)) => doubled.killed += 1,
                    () if took_over && cut_off.iter().any(|cut| was(cut, FOUND_OUT)) => doubled.cut_off += 1,
                    () => doubled.unexplained.push(format!("{token}: {first:?}, {next:?}")),
                }
            }
        }
        doubled
    }
}

/// Why mails came more than once.
#[derive(Debug, Default)]
pub struct Doubled {
    /// The next hop read the dot and did not answer.
    pub unanswered: i64,
    /// The node that brought it was killed behind the dot, before it had written what the next hop said.
    pub killed: i64,
    /// It could not reach the database for so long that another one took over.
    pub cut_off: i64,
    /// None of that.
    pub unexplained: Vec<String>,
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
const NEVER: [(&str, &str); 11] = [
    ("a message without its delivery", "message WHERE id NOT IN (SELECT message_id FROM delivery)"),
    ("a delivery without its message", "delivery WHERE message_id NOT IN (SELECT id FROM message)"),
    (
        "a body that nobody needs",
        "message_body WHERE message_id NOT IN (SELECT message_id FROM delivery WHERE state IN ('waiting', 'held')) \
         AND message_id NOT IN (SELECT message_id FROM kept_body WHERE until IS NOT NULL)",
    ),
    (
        "a body that is kept for nothing",
        "kept_body WHERE until IS NOT NULL AND (message_id NOT IN (SELECT message_id FROM delivery WHERE state = 'failed') \
         OR message_id NOT IN (SELECT message_id FROM message_body))",
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

    /// Attempts of which the relay does not know the end, by queue id.
    pub fn doubtful(&mut self) -> BTreeMap<String, i64> {
        let text = "SELECT message_id, CAST(SUM(doubtful) AS BIGINT) FROM delivery WHERE doubtful > 0 GROUP BY message_id";
        let rows = self.runtime.block_on(sqlx::query(text).fetch_all(&mut self.connection)).unwrap();
        rows.iter().map(|row| (anshin::relay::queue_id(row.get(0)), row.get(1))).collect()
    }

    /// Fails where the queue and the log do not say the same.
    pub fn check(&mut self) {
        for (what, rows) in NEVER {
            assert_eq!(self.number(&format!("SELECT COUNT(*) FROM {rows}")), 0, "{what}");
        }
    }
}
