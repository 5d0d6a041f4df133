//! Posting events to webhooks, until each was taken.
//!
//! Rules: each webhook has a task of its own and a few posts at once, so that a slow receiver holds up nobody else, and no mail. What is not
//! taken is tried again, later each time, for [`GIVEN_UP`]; then it waits for somebody who asks for it. A process that dies leaves its events to
//! others a minute later; one that was taken then comes a second time, under the same id.
//! When it fails: the fault is logged, and the next look tries again.

use super::json::JsonFault;
use super::webhook_post::Poster;
use crate::config::{Config, WebAddress};
use crate::mail::Timestamp;
use crate::relay::{Relay, RelayFault, WebhookLetter, is_named};
use crate::store::{WebhookNext, WebhookWork};
use futures_util::future::join_all;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio::time::{MissedTickBehavior, interval};

/// How often is looked for what is due.
const LOOK: Duration = Duration::from_secs(1);
/// Posts at once to one webhook.
const AT_ONCE: i64 = 4;
/// A post and its result take less.
const LEASE: Duration = Duration::from_secs(60);
/// How long until the next try, after the first, the second and so on; then always the last.
const AGAIN_S: [u64; 8] = [1, 5, 30, 120, 600, 1800, 3600, 10_800];
/// An event that was not taken for so long is given up.
const GIVEN_UP: Duration = Duration::from_secs(3 * 86_400);

/// Posts to all webhooks.
pub(super) struct Webhooks {
    relay: Relay,
    poster: Poster,
    hosts: Vec<String>,
}

impl Webhooks {
    /// None where no host may have any.
    pub fn new(config: &Config, relay: &Relay) -> Result<Option<Self>, JsonFault> {
        let own = &config.webhooks;
        if own.hosts.is_empty() {
            return Ok(None);
        }
        let poster = Poster::new(own, &config.dns.servers)?;
        Ok(Some(Self { relay: relay.clone(), poster, hosts: own.hosts.clone() }))
    }

    /// Posts until `stop` turns true. What is under way then is left to whoever comes next.
    pub async fn serve(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let (mut tasks, mut running): (JoinSet<()>, HashMap<Id, i64>) = (JoinSet::new(), HashMap::new());
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = super::scheduler::stopped(&mut stop) => return,
                _ = look.tick() => {}
            }
            while let Some(ended) = tasks.try_join_next_with_id() {
                let id = ended.map_or_else(|fault| fault.id(), |(id, ())| id);
                running.remove(&id);
            }
            let due = match self.relay.store().webhooks_due(Timestamp::now()).await {
                Ok(due) => due,
                Err(fault) => {
                    tracing::error!(event = "fault", %fault, "webhooks can't be read");
                    continue;
                }
            };
            for (webhook, key, url) in due {
                if running.values().any(|other| *other == webhook) {
                    continue;
                }
                let own = Arc::clone(&self);
                let task = tasks.spawn(async move {
                    let served = match own.relay.webhook_url(webhook, &key, &url) {
                        Ok(at) => own.serve_one(webhook, &at).await,
                        Err(fault) => Err(fault),
                    };
                    if let Err(fault) = served {
                        tracing::error!(event = "fault", %fault, webhook, "events can't be posted");
                    }
                });
                running.insert(task.id(), webhook);
            }
        }
    }

    /// Posts what is due to one webhook.
    async fn serve_one(&self, webhook: i64, at: &WebAddress) -> Result<(), RelayFault> {
        loop {
            let now = Timestamp::now();
            let span = (now, now.after(LEASE));
            let due = self.relay.store().claim_webhook(webhook, span, AT_ONCE).await?;
            if due.is_empty() {
                return Ok(());
            }
            for result in join_all(due.iter().map(|work| self.tell(webhook, at, work))).await {
                result?;
            }
        }
    }

    async fn tell(&self, webhook: i64, at: &WebAddress, work: &WebhookWork) -> Result<(), RelayFault> {
        let letter = self.relay.webhook_letter(webhook, work, Timestamp::now()).await;
        let (then, status) = match letter {
            Err(fault) => {
                // One that does not open keeps no other from being posted.
                tracing::error!(event = "fault", %fault, webhook, "an event can't be posted");
                (next(work, Timestamp::now()), "fault".to_owned())
            }
            Ok(letter) => self.posted(at, work, letter).await,
        };
        let then = (then, status.as_str());
        Ok(self.relay.store().settle_webhook(webhook, work, then, Timestamp::now()).await?)
    }

    async fn posted(
        &self,
        at: &WebAddress,
        work: &WebhookWork,
        letter: Option<WebhookLetter>,
    ) -> (WebhookNext, String) {
        match letter {
            None => (WebhookNext::GivenUp, "erased".to_owned()),
            // The configuration names its host no more.
            Some(_) if !is_named(at, &self.hosts) => (next(work, Timestamp::now()), "not-named".to_owned()),
            Some(letter) => match self.poster.post(at, &letter).await {
                Ok(status @ 200..300) => (WebhookNext::Taken, status.to_string()),
                Ok(status) => (next(work, Timestamp::now()), status.to_string()),
                Err(fault) => (next(work, Timestamp::now()), fault.as_str().to_owned()),
            },
        }
    }
}

/// When an event that was not taken is tried again, by how often it was tried.
fn next(work: &WebhookWork, now: Timestamp) -> WebhookNext {
    let tried = usize::try_from(work.attempts - 1).unwrap_or(0);
    let longest = AGAIN_S.last().copied().unwrap_or(1);
    let beyond = u64::try_from(tried.saturating_sub(AGAIN_S.len())).unwrap_or(0);
    if AGAIN_S.iter().take(tried).sum::<u64>() + longest * beyond >= GIVEN_UP.as_secs() {
        return WebhookNext::GivenUp;
    }
    let seconds = AGAIN_S.get(tried).copied().unwrap_or(longest);
    WebhookNext::Again(now.after(Duration::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_further_apart_each_time_and_end_after_three_days() {
        let now = Timestamp::from_millis(1_795_000_000_000);
        let after = |attempts| {
            let (event, direction) = ("delivered".into(), "to_customer".into());
            let (event_id, conversation, message, lease) = (1, 1, 1, 1);
            let work = WebhookWork {
                event_id,
                at: now,
                event,
                result: None,
                conversation,
                message,
                direction,
                lease,
                attempts,
            };
            match next(&work, now) {
                WebhookNext::Again(at) => Some(at.since(now).as_secs()),
                _ => None,
            }
        };
        assert_eq!([1, 2, 3, 8, 9].map(after), [Some(1), Some(5), Some(30), Some(10_800), Some(10_800)]);
        let tries = (1..).take_while(|attempts| after(*attempts).is_some()).count();
        assert!((25..36).contains(&tries), "{tries}");
    }
}
