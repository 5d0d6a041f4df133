//! What becomes of deliveries that wait for long: the sender is told that one is late, and a delivery whose destination is
//! not tried at all, because it is dead or paused, ends at its expiry.
//!
//! Rules: what can be tried is left to its attempts. Each decision is one conditional change, so of two processes that
//! look at the same delivery the first counts.
//! When it fails: what does not open is looked at again later and logged; its attempts will hold it.

use super::notice::Outcome;
use super::{Event, Relay, RelayFault, queue_id};
use crate::mail::Timestamp;
use crate::schedule::{Blocked, Look, Told};
use crate::store::{Ruled, Ruling, Standing, Work};
use std::time::Duration;

/// Most deliveries that one look reads.
const LOOKED_AT: i64 = 100;
/// When one is looked at again that was under way, or did not open.
const LATER: Duration = Duration::from_secs(300);
/// The status of a delivery that ends without an attempt.
const NOT_TRIED: &str = "451 4.4.1";

impl Relay {
    /// Looks at deliveries that wait for long. How many it looked at: as many as it can mean that there are more.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn look_at_waiting(
        &self,
        now: Timestamp,
        is_blocked: impl Fn(i64) -> bool,
    ) -> Result<bool, RelayFault> {
        let deliveries = self.store().waiting_long(now, LOOKED_AT).await?;
        let more = i64::try_from(deliveries.len()).is_ok_and(|count| count >= LOOKED_AT);
        let mut again = Vec::new();
        for delivery in deliveries {
            let Some(work) = self.work_of(delivery).await? else {
                again.push((delivery, now.after(LATER)));
                continue;
            };
            let told = if work.delay_noticed { Told::Yes } else { Told::No };
            let blocked = if is_blocked(work.route) { Blocked::Yes } else { Blocked::No };
            let look = self.deadlines().look(self.begun(&work), work.expires_at, told, blocked, now);
            let (to, outcome, event) = match look {
                Look::Again(at) => {
                    again.push((delivery, at));
                    continue;
                }
                Look::Late(look_at) => (Ruled::Late { look_at }, Outcome::Delayed, Event::Deferred),
                Look::Expired => (
                    Ruled::Expired { keep_body: self.body_kept(&work, now) },
                    Outcome::Expired,
                    Event::Failed,
                ),
            };
            let ruled = match self.waited(&work, to, outcome, event, now).await {
                Ok(ruling) => match self.store().rule(ruling).await {
                    Ok(ruled) => ruled,
                    Err(fault) if fault.is_passing() => return Err(fault.into()),
                    Err(fault) => {
                        let queue_id = queue_id(work.message_id);
                        tracing::error!(event = "fault", %fault, queue_id, "what became of a message that waits can't be written");
                        false
                    }
                },
                Err(fault) => {
                    let queue_id = queue_id(work.message_id);
                    tracing::error!(event = "fault", %fault, queue_id, "a message that waits does not open");
                    false
                }
            };
            if ruled {
                let word = if event == Event::Failed { "expired" } else { "late" };
                tracing::info!(event = word, queue_id = queue_id(work.message_id));
            } else {
                again.push((delivery, now.after(LATER)));
            }
        }
        if !again.is_empty() {
            self.store().look_again(again).await?;
        }
        Ok(more)
    }

    /// A delivery that is not leased; `None`, which is told: its row was altered, or its message or key is gone. That keeps no other one
    /// from what is due to it.
    pub(super) async fn work_of(&self, delivery: i64) -> Result<Option<Work>, RelayFault> {
        let why = match self.store().delivered_work(delivery).await {
            Ok(Some(work)) => return Ok(Some(work)),
            Err(fault) if fault.is_passing() => return Err(fault.into()),
            Ok(None) => "its message or its key is gone".to_owned(),
            Err(fault) => fault.to_string(),
        };
        tracing::error!(event = "unreadable", delivery, why, "a delivery can't be read and stays as it is");
        Ok(None)
    }

    async fn waited(
        &self,
        work: &Work,
        to: Ruled,
        outcome: Outcome,
        event: Event,
        now: Timestamp,
    ) -> Result<Ruling, RelayFault> {
        let key = self.data_key(&work.key)?;
        let notice = self.notice(&key, work, outcome, NOT_TRIED, now).await;
        let detail =
            serde_json::json!({ "reason": "waits", "attempts": work.attempt, "told": notice.is_some() });
        Ok(Ruling {
            delivery_id: work.delivery_id,
            message_id: work.message_id,
            at: now,
            from: Standing::WaitingLong,
            to,
            record: self.work_record(&key, event, work, &detail),
            notice: notice.map(Box::new),
        })
    }
}
