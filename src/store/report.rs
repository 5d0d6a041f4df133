//! Looking at the queue: lists, counts and totals for the operator. Nothing here moves anything, and no address is shown.
//!
//! These are scans, made for a person who waits a second, not for a program that asks all the time.

use super::batch::{lots, statement};
use super::fault::StoreFault;
use super::handle::Store;
use crate::mail::Timestamp;
use crate::schedule::Class;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

/// What `anshin queue` selects: rows that meet all of it.
#[derive(Debug, Clone, Default)]
pub struct QueueFilter {
    /// A state, or all that have not ended.
    pub state: Option<String>,
    pub merchant: Option<i64>,
    pub class: Option<Class>,
    /// To one of these; all, where none is named.
    pub routes: Vec<i64>,
    /// What a store sends, and its copies, alone.
    pub is_own: bool,
    /// Accepted by then.
    pub received_by: Option<Timestamp>,
    /// What the status of the last attempt begins with, such as `4` or `450 4.2.1`.
    pub status: Option<String>,
    /// Why it is held, else the status of its last attempt, else `new`: as [`By::Reason`] counts.
    pub reason: Option<String>,
    /// Deliveries up to this id are left out: where a walk is.
    pub after: i64,
    /// Deliveries at most; a negative number selects none.
    pub limit: i64,
}

/// What deliveries are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// By the number of the recipient's domain.
    Destination,
    /// By why it is held, or the status of the last attempt.
    Reason,
    Store,
    Class,
}

/// Deliveries that have not ended and have something in common.
pub struct QueueCount {
    /// A number or a word, by what was asked for.
    pub of: String,
    pub waiting: i64,
    pub held: i64,
    /// Of those that wait, how many were tried before.
    pub tried: i64,
    pub oldest_at: Option<Timestamp>,
    /// One of the deliveries.
    pub delivery_id: i64,
}

/// A line of the queue.
pub struct QueueRow {
    pub delivery_id: i64,
    pub message_id: i64,
    pub merchant_id: i64,
    pub conversation_id: Option<i64>,
    pub direction: String,
    /// None for one that an older version accepted a moment ago.
    pub class: Option<Class>,
    /// The number of the recipient's domain, or below zero of the next hop that it was moved to.
    pub route: i64,
    pub state: String,
    /// Why it is held: residue, document, operator or fault.
    pub held_for: Option<String>,
    pub attempts: i64,
    pub leased: bool,
    pub next_at: Timestamp,
    pub expires_at: Timestamp,
    pub received_at: Timestamp,
    pub last_status: Option<String>,
    pub size: i64,
    /// Attempts of which nobody knows whether they arrived.
    pub doubtful: i64,
    /// Failed: until when it can be sent once more.
    pub body_until: Option<Timestamp>,
}

/// How much is in which state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueTotals {
    pub state: String,
    pub held_for: Option<String>,
    pub count: i64,
    pub oldest_at: Option<Timestamp>,
    /// Attempts of which nobody knows whether they arrived: each may have doubled a mail.
    pub doubtful: i64,
}

/// Why a delivery has not ended.
const REASON: &str = "COALESCE(d.held_for, d.last_status, 'new')";

const QUEUE: &str = "SELECT d.id, d.message_id, m.merchant_id, m.conversation_id, m.direction, d.state, d.attempts, \
    d.lease, d.next_at, d.expires_at, m.received_at, d.last_status, m.size, d.held_for, \
    d.class, d.doubtful, d.route, (SELECT k.until FROM kept_body k WHERE k.message_id = d.message_id) \
    FROM delivery d JOIN message m ON m.id = d.message_id ";

fn read_queue(row: &AnyRow) -> Result<QueueRow, sqlx::Error> {
    Ok(QueueRow {
        delivery_id: row.try_get(0)?,
        message_id: row.try_get(1)?,
        merchant_id: row.try_get(2)?,
        conversation_id: row.try_get(3)?,
        direction: row.try_get(4)?,
        state: row.try_get(5)?,
        attempts: row.try_get(6)?,
        leased: row.try_get::<i64, _>(7)? != 0,
        next_at: Timestamp::from_millis(row.try_get(8)?),
        expires_at: Timestamp::from_millis(row.try_get(9)?),
        received_at: Timestamp::from_millis(row.try_get(10)?),
        last_status: row.try_get(11)?,
        size: row.try_get(12)?,
        held_for: row.try_get(13)?,
        class: row.try_get::<Option<i64>, _>(14)?.map(Class::of),
        doubtful: row.try_get(15)?,
        route: row.try_get(16)?,
        body_until: row.try_get::<Option<i64>, _>(17)?.map(Timestamp::from_millis),
    })
}

/// What a filter asks of a row, and what is bound to it in this order.
struct Conditions {
    text: String,
    numbers: Vec<i64>,
    words: Vec<String>,
}

impl QueueFilter {
    fn conditions(&self) -> Conditions {
        let (mut numbers, mut words) = (vec![self.after], Vec::new());
        let mut conditions = vec!["d.id > $1".to_owned()];
        for (test, wanted) in [
            ("m.received_at <=", self.received_by.map(Timestamp::as_millis)),
            ("m.merchant_id =", self.merchant),
            ("d.class =", self.class.map(Class::number)),
        ] {
            if let Some(number) = wanted {
                numbers.push(number);
                conditions.push(format!("{test} ${}", numbers.len()));
            }
        }
        if !self.routes.is_empty() {
            let first = numbers.len() + 1;
            let places: Vec<String> =
                (first..).take(self.routes.len()).map(|place| format!("${place}")).collect();
            numbers.extend(&self.routes);
            conditions.push(format!("d.route IN ({})", places.join(", ")));
        }
        match &self.state {
            Some(state) => {
                words.push(state.clone());
                conditions.push(format!("d.state = ${}", numbers.len() + words.len()));
            }
            None => conditions.push("d.ended_at IS NULL".to_owned()),
        }
        if self.is_own {
            conditions.push("m.direction IN ('to_customer', 'copy')".to_owned());
        }
        if let Some(status) = &self.status {
            words.push(format!("{}%", status.replace(['%', '_'], "")));
            conditions.push(format!("d.last_status LIKE ${}", numbers.len() + words.len()));
        }
        if let Some(reason) = &self.reason {
            words.push(reason.clone());
            conditions.push(format!("{REASON} = ${}", numbers.len() + words.len()));
        }
        Conditions { text: conditions.join(" AND "), numbers, words }
    }
}

impl Conditions {
    /// The statement that `text` makes of the conditions and the number of the parameter behind theirs, which is `limit`.
    async fn ask(
        self,
        store: &Store,
        text: impl FnOnce(&str, usize) -> String,
        limit: i64,
    ) -> Result<Vec<AnyRow>, sqlx::Error> {
        let last = self.numbers.len() + self.words.len() + 1;
        let mut query = sqlx::query(AssertSqlSafe(text(&self.text, last)));
        for number in self.numbers {
            query = query.bind(number);
        }
        for word in self.words {
            query = query.bind(word);
        }
        query.bind(limit.max(0)).fetch_all(store.pool()).await
    }
}

impl Store {
    /// Lines of the queue, oldest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn queue(&self, filter: &QueueFilter) -> Result<Vec<QueueRow>, StoreFault> {
        let text = |conditions: &str, last| format!("{QUEUE} WHERE {conditions} ORDER BY d.id LIMIT ${last}");
        let rows = filter.conditions().ask(self, text, filter.limit).await?;
        rows.iter().map(read_queue).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// How many deliveries a filter selects.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn queue_count(&self, filter: &QueueFilter) -> Result<i64, StoreFault> {
        let text = |conditions: &str, last| {
            format!(
                "SELECT COUNT(*) FROM (SELECT d.id FROM delivery d JOIN message m ON m.id = d.message_id \
                 WHERE {conditions} LIMIT ${last}) AS selected"
            )
        };
        let rows = filter.conditions().ask(self, text, filter.limit).await?;
        Ok(rows.first().map_or(Ok(0), |row| row.try_get(0))?)
    }

    /// Deliveries that have not ended, counted; the most first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn queue_counts(&self, by: By, limit: i64) -> Result<Vec<QueueCount>, StoreFault> {
        let of = match by {
            By::Destination => "CAST(d.route AS TEXT)",
            By::Reason => REASON,
            By::Store => "CAST(m.merchant_id AS TEXT)",
            By::Class => "CAST(COALESCE(d.class, 1) AS TEXT)",
        };
        let text = format!(
            "SELECT {of}, CAST(SUM(CASE WHEN d.state = 'waiting' THEN 1 ELSE 0 END) AS BIGINT), \
             CAST(SUM(CASE WHEN d.state = 'held' THEN 1 ELSE 0 END) AS BIGINT), \
             CAST(SUM(CASE WHEN d.state = 'waiting' AND d.attempts > 0 THEN 1 ELSE 0 END) AS BIGINT), \
             MIN(m.received_at), MIN(d.id), COUNT(*) AS many FROM delivery d JOIN message m ON m.id = d.message_id \
             WHERE d.ended_at IS NULL GROUP BY 1 ORDER BY many DESC LIMIT $1"
        );
        let rows = sqlx::query(AssertSqlSafe(text)).bind(limit).fetch_all(self.pool()).await?;
        rows.iter()
            .map(|row| {
                Ok(QueueCount {
                    of: row.try_get(0)?,
                    waiting: row.try_get(1)?,
                    held: row.try_get(2)?,
                    tried: row.try_get(3)?,
                    oldest_at: row.try_get::<Option<i64>, _>(4)?.map(Timestamp::from_millis),
                    delivery_id: row.try_get(5)?,
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(Into::into)
    }

    /// The lines of messages.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn queue_of_messages(&self, messages: &[i64]) -> Result<Vec<QueueRow>, StoreFault> {
        let mut found = Vec::with_capacity(messages.len());
        for lot in lots(messages) {
            let head = format!("{QUEUE} WHERE d.message_id IN (");
            let text = statement(self.engine(), &head, "?", lot.len(), ")");
            let mut query = sqlx::query(AssertSqlSafe(text));
            for message in lot {
                query = query.bind(*message);
            }
            for row in &query.fetch_all(self.pool()).await? {
                found.push(read_queue(row)?);
            }
        }
        Ok(found)
    }

    /// The lines of one message.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn queue_of_message(&self, message: i64) -> Result<Vec<QueueRow>, StoreFault> {
        let rows = sqlx::query(AssertSqlSafe(format!("{QUEUE} WHERE d.message_id = $1 ORDER BY d.id")))
            .bind(message)
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(read_queue).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// How many deliveries are in which state, and since when the oldest.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn queue_totals(&self) -> Result<Vec<QueueTotals>, StoreFault> {
        let rows = sqlx::query(
            "SELECT d.state, d.held_for, COUNT(*), MIN(m.received_at), CAST(SUM(d.doubtful) AS BIGINT) FROM delivery d \
             JOIN message m ON m.id = d.message_id GROUP BY d.state, d.held_for ORDER BY d.state, d.held_for",
        )
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(QueueTotals {
                    state: row.try_get(0)?,
                    held_for: row.try_get(1)?,
                    count: row.try_get(2)?,
                    oldest_at: row.try_get::<Option<i64>, _>(3)?.map(Timestamp::from_millis),
                    doubtful: row.try_get(4)?,
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(Into::into)
    }
}
