//! Looking at the queue: lists, counts and totals for the operator. Nothing here moves anything, and no address is shown.
//!
//! These are scans, made for a person who waits a second, not for a program that asks all the time.

use super::fault::StoreFault;
use super::handle::Store;
use crate::mail::Timestamp;
use crate::schedule::Class;
use sqlx::{AssertSqlSafe, Row};

/// What `anshin queue list` asks for: rows that meet all of it.
#[derive(Debug, Clone, Default)]
pub struct QueueFilter {
    /// A state, or all that have not ended.
    pub state: Option<String>,
    pub merchant: Option<i64>,
    pub class: Option<Class>,
    pub route: Option<i64>,
    /// Accepted by then.
    pub received_by: Option<Timestamp>,
    /// What the status of the last attempt begins with, such as `4` or `450 4.2.1`.
    pub status: Option<String>,
    pub limit: i64,
}

/// What deliveries are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// By the number of the recipient's domain.
    Destination,
    /// By the status of the last attempt.
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

const QUEUE: &str = "SELECT d.id, d.message_id, m.merchant_id, m.conversation_id, m.direction, d.state, d.attempts, \
    d.lease, d.next_at, d.expires_at, m.received_at, d.last_status, m.size, d.held_for, \
    d.class, d.doubtful FROM delivery d JOIN message m ON m.id = d.message_id ";

fn read_queue(row: &sqlx::any::AnyRow) -> Result<QueueRow, sqlx::Error> {
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
    })
}

impl Store {
    /// Lines of the queue, oldest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn queue(&self, filter: &QueueFilter) -> Result<Vec<QueueRow>, StoreFault> {
        let mut conditions = vec!["d.id > 0".to_owned()];
        let (mut numbers, mut words): (Vec<i64>, Vec<String>) = (Vec::new(), Vec::new());
        if let Some(received_by) = filter.received_by {
            numbers.push(received_by.as_millis());
            conditions.push(format!("m.received_at <= ${}", numbers.len()));
        }
        for (column, wanted) in [
            ("m.merchant_id", filter.merchant),
            ("d.class", filter.class.map(Class::number)),
            ("d.route", filter.route),
        ] {
            if let Some(number) = wanted {
                numbers.push(number);
                conditions.push(format!("{column} = ${}", numbers.len()));
            }
        }
        match &filter.state {
            Some(state) => {
                words.push(state.clone());
                conditions.push(format!("d.state = ${}", numbers.len() + words.len()));
            }
            None => conditions.push("d.ended_at IS NULL".to_owned()),
        }
        if let Some(status) = &filter.status {
            words.push(format!("{}%", status.replace(['%', '_'], "")));
            conditions.push(format!("d.last_status LIKE ${}", numbers.len() + words.len()));
        }
        let limit = numbers.len() + words.len() + 1;
        let text = format!("{QUEUE} WHERE {} ORDER BY d.id LIMIT ${limit}", conditions.join(" AND "));
        let mut query = sqlx::query(AssertSqlSafe(text));
        for number in numbers {
            query = query.bind(number);
        }
        for word in words {
            query = query.bind(word);
        }
        let rows = query.bind(filter.limit).fetch_all(self.pool()).await?;
        rows.iter().map(read_queue).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Deliveries that have not ended, counted; the most first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn queue_counts(&self, by: By, limit: i64) -> Result<Vec<QueueCount>, StoreFault> {
        let of = match by {
            By::Destination => "CAST(d.route AS TEXT)",
            By::Reason => "COALESCE(d.held_for, d.last_status, 'new')",
            By::Store => "CAST(m.merchant_id AS TEXT)",
            By::Class => "CAST(COALESCE(d.class, 1) AS TEXT)",
        };
        let text = format!(
            "SELECT {of}, CAST(SUM(CASE WHEN d.state = 'waiting' THEN 1 ELSE 0 END) AS BIGINT), \
             CAST(SUM(CASE WHEN d.state = 'held' THEN 1 ELSE 0 END) AS BIGINT), \
             CAST(SUM(CASE WHEN d.state = 'waiting' AND d.attempts > 0 THEN 1 ELSE 0 END) AS BIGINT), \
             MIN(m.received_at), COUNT(*) AS many FROM delivery d JOIN message m ON m.id = d.message_id \
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
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(Into::into)
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
