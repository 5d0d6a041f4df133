//! Waiting mail that the operator wants tried now: one message, or many in lots.
//!
//! Rules: each lot is one transaction with its record, which names who wanted it, what was selected, and the first and the last
//! message. Behind the last lot all egress processes are told that the destinations rest no longer; a paused one
//! stays paused.
//! When it fails: [`QueueFault`]; of many, the lots before are done.

use super::record::About;
use super::{Event, QueueFault, Relay, RelayFault, queue_id};
use crate::mail::Timestamp;
use crate::store::QueueRow;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// Most destinations whose rests are ended one by one; beyond that those of all are.
const NAMED: usize = 100;

/// What a retry came to, in deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retried {
    /// Made due now.
    pub due: u64,
    /// Of these, to destinations that rested, since they were dead: each process probes them.
    pub resting: u64,
    /// Of these, to paused destinations: they wait until it is resumed.
    pub paused: u64,
}

/// A retry of many that is under way.
#[derive(Default)]
pub struct Retrying {
    due: u64,
    by_route: HashMap<i64, u64>,
    resting: HashSet<i64>,
}

impl Relay {
    /// Tries one message now.
    ///
    /// # Errors
    /// [`QueueFault`] when there is none, it does not wait, or it is being tried.
    pub async fn retry(&self, message: i64) -> Result<Retried, QueueFault> {
        let (row, _) = self.queued(message).await?;
        if row.state != "waiting" {
            return Err(QueueFault::NotTried(row.state));
        }
        let mut retrying = Retrying::default();
        let about = About { message: Some(message), ..About::default() };
        self.retry_rows(&[row], about, &Value::Null, &mut retrying).await?;
        if retrying.due == 0 {
            return Err(self.no_longer(message).await?);
        }
        Ok(self.retried(retrying).await?)
    }

    /// Tries a lot of many now. `selected`: what the operator asked for, for the record.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn retry_lot(
        &self,
        rows: &[QueueRow],
        selected: &Value,
        retrying: &mut Retrying,
    ) -> Result<(), RelayFault> {
        self.retry_rows(rows, About::default(), selected, retrying).await
    }

    async fn retry_rows(
        &self,
        rows: &[QueueRow],
        about: About,
        selected: &Value,
        retrying: &mut Retrying,
    ) -> Result<(), RelayFault> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
        let now = Timestamp::now();
        let detail = json!({
            "by": "operator",
            "user": self.user(),
            "selected": selected,
            "first": queue_id(first.message_id),
            "last": queue_id(last.message_id),
            "of": rows.len(),
        });
        let deliveries: Vec<i64> = rows.iter().map(|row| row.delivery_id).collect();
        retrying.resting.extend(self.store().resting(&deliveries, now).await?);
        let record = self.new_record(&self.inner.installation, Event::Retried, about, None, &detail, None);
        retrying.due += self.store().retry(deliveries, now, record).await?;
        for row in rows.iter().filter(|row| !row.leased || row.next_at <= now) {
            *retrying.by_route.entry(row.route).or_default() += 1;
        }
        Ok(())
    }

    /// Ends a retry of many: the rests of its destinations are over.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn retried(&self, retrying: Retrying) -> Result<Retried, RelayFault> {
        let Retrying { due, by_route, resting } = retrying;
        let routes: Vec<i64> = by_route.keys().copied().collect();
        if due > 0 {
            let named = Some(routes.as_slice()).filter(|routes| routes.len() <= NAMED);
            self.store().mark_retry(named, Timestamp::now()).await?;
        }
        let paused: HashSet<i64> = self.store().paused().await?.into_iter().map(|row| row.route).collect();
        let sum = |is_meant: &dyn Fn(&i64) -> bool| {
            by_route.iter().filter(|(route, _)| is_meant(route)).map(|(_, count)| count).sum()
        };
        Ok(Retried {
            due,
            resting: sum(&|route| resting.contains(route) && !paused.contains(route)),
            paused: sum(&|route| paused.contains(route)),
        })
    }
}
