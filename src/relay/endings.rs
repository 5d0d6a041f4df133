//! Conversations that ended long ago are forgotten: addresses, order numbers, aliases and thread ids, with their keys.
//!
//! Rules: the period counts from the end of the conversation, of a guest from its order's. What the log has of it is sealed with
//! its key, so it lasts at least as long as its records, and its guests. It is closed for an hour first: whoever was
//! about to take a mail for it has done so or been refused.
//! When it fails: [`RelayFault`]; the next round goes on.

use super::retention::lines;
use super::{Relay, RelayFault, queue_id};
use crate::config::Rule;
use crate::mail::Timestamp;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// Conversations that a round looks at, and that it ends.
const SPAN: i64 = 50_000;
const MOST: i64 = 200;
/// How long round follows round while they are full. Pauses and deadlines wait as long.
const ROUNDS: Duration = Duration::from_secs(2);
/// How long one is closed before its key goes.
const CLOSED: Duration = Duration::from_secs(3600);

fn before(now: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(now.as_millis().saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}

impl Relay {
    /// Ends some conversations whose period is over. How many are forgotten.
    ///
    /// # Errors
    /// [`RelayFault`] when the database or a key fails.
    pub(super) async fn end_conversations(&self, rule: &Rule, now: Timestamp) -> Result<usize, RelayFault> {
        let (begun, mut count) = (Instant::now(), 0);
        loop {
            let (ended, is_full) = self.end_some(rule, now).await?;
            count += ended;
            if !is_full || begun.elapsed() >= ROUNDS {
                return Ok(count);
            }
        }
    }

    /// One round. How many are forgotten, and whether another may follow at once.
    async fn end_some(&self, rule: &Rule, now: Timestamp) -> Result<(usize, bool), RelayFault> {
        let go_on = |from: i64| {
            *self.inner.ended_from.lock().unwrap_or_else(PoisonError::into_inner) = from;
        };
        let from = *self.inner.ended_from.lock().unwrap_or_else(PoisonError::into_inner);
        let over = before(now, rule.period);
        let endings = self.store().endings(from, over, SPAN, MOST).await?;
        go_on(endings.next.unwrap_or(-1));
        if endings.over.is_empty() {
            return Ok((0, false));
        }
        self.follow_held_persons().await?;
        self.store().end_keys(&endings.over, over, before(now, CLOSED), now).await?;
        // The certificate says that the keys are gone: they are, once no copy of their pages is left.
        if !self.store().forget_pages().await? {
            // Rows without keys wait for the next time only, not until everything was looked at.
            go_on(from);
            return Ok((0, false));
        }
        let id = self.next_id();
        let count = self.store().end_rows(&endings.over, id, &lines(rule), now).await?;
        if count > 0 {
            tracing::info!(event = "destroyed", class = "conversations", count, certificate = queue_id(id));
        }
        Ok((count, endings.is_full))
    }
}
