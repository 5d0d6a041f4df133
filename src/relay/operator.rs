//! What an operator decides about the queue: releasing, dropping and holding. Nothing of a message is shown.
//!
//! Rules: a release runs the gate again and goes no further while it finds something; only files can be vouched for,
//! and a document that its sender was asked about is released by nothing less.
//! When it fails: [`QueueFault`], which says what to do instead.

use super::envelope::Envelope;
use super::hold::{DOCUMENT, OPERATOR, UNPROVEN};
use super::notice::Outcome;
use super::outbound::Unsent;
use super::{Event, Relay, RelayFault};
use crate::anonymize::Files;
use crate::mail::Timestamp;
use crate::store::{QueueRow, Ruled, Ruling, Standing, Work};

/// Why the queue was not moved.
#[derive(Debug, thiserror::Error)]
pub enum QueueFault {
    #[error("queue id: no such message in the queue; ended ones are purged after a while")]
    NoMessage,
    #[error("the message is {0}; only a held one can be released")]
    NotHeld(String),
    #[error("the message is {0}; only one that waits or is held can be dropped")]
    Ended(String),
    #[error("the message is {0}; only one that waits can go another way; release a held one first")]
    NotMovable(String),
    #[error("the message is {0}; only a waiting one can be held")]
    NotWaiting(String),
    #[error("the message is {0}; only a waiting one can be tried again; release a held one first")]
    NotTried(String),
    #[error("the message is being delivered just now; look at it again in a minute")]
    InDelivery,
    #[error(
        "the gate still finds a real address in the message; `--files` releases it if that stands in an attached file \
         that may pass, otherwise drop it: its sender is asked to send it anew"
    )]
    StillFound,
    #[error(
        "the gate finds a real address in a header or text of the message, which nobody can vouch for; drop it: its \
         sender is asked to send it anew"
    )]
    FoundInText,
    #[error(
        "a document in the message holds an address, and its sender was asked to confirm it; `--files` confirms it in \
         the sender's place"
    )]
    NotConfirmed,
    #[error(transparent)]
    Fault(#[from] RelayFault),
}

impl QueueFault {
    /// Why one of many was left as it is, in a few words.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            QueueFault::NoMessage => "gone",
            QueueFault::NotHeld(_)
            | QueueFault::Ended(_)
            | QueueFault::NotMovable(_)
            | QueueFault::NotWaiting(_)
            | QueueFault::NotTried(_) => "in another state",
            QueueFault::InDelivery => "in delivery",
            QueueFault::StillFound => "an address in a file",
            QueueFault::FoundInText => "an address in a text",
            QueueFault::NotConfirmed => "a document that nobody confirmed",
            QueueFault::Fault(_) => "does not open",
        }
    }
}

impl Relay {
    /// Releases a held message, with its files vouched for or not.
    ///
    /// # Errors
    /// [`QueueFault`] when there is none, or the gate still stops it.
    pub async fn release(&self, message: i64, files: Files) -> Result<(), QueueFault> {
        let (row, work) = self.queued(message).await?;
        if row.state != "held" {
            return Err(QueueFault::NotHeld(row.state));
        }
        let key = self.data_key(&work.key).map_err(RelayFault::from)?;
        let mut envelope = Envelope::open(&key, message, &work.envelope)?;
        envelope.confirmed |= files == Files::Confirmed;
        if row.held_for.as_deref() == Some(DOCUMENT) && !envelope.confirmed {
            return Err(QueueFault::NotConfirmed);
        }
        // Who cannot open the text leaves the look to egress, which has it before anything is sent.
        let looked = match self.opens_texts() {
            true => self.past_the_gate(&key, &work, &envelope).await.map(|_| ()),
            false => Ok(()),
        };
        match looked {
            Ok(()) => {}
            Err(Unsent::Gate) if envelope.confirmed => return Err(QueueFault::FoundInText),
            Err(Unsent::Gate) => return Err(QueueFault::StillFound),
            Err(Unsent::Fault(fault)) => return Err(fault.into()),
        }
        let now = Timestamp::now();
        let detail =
            serde_json::json!({ "by": "operator", "user": self.user(), "files": envelope.confirmed });
        let expires_at = now.after(self.policy().expire);
        let ruling = Ruling {
            delivery_id: work.delivery_id,
            message_id: message,
            at: now,
            from: Standing::Held,
            to: Ruled::Released {
                envelope: envelope.seal(&key, message)?,
                expires_at,
                look_at: self.deadlines().first(now),
            },
            record: self.work_record(&key, Event::Released, &work, &detail),
            notice: None,
        };
        if let (Some(UNPROVEN), Some(conversation)) = (row.held_for.as_deref(), work.conversation_id) {
            self.prolong_inquiry(conversation, now).await?;
        }
        if self.ruled(ruling).await? { Ok(()) } else { Err(self.no_longer(message).await?) }
    }

    /// Drops a message that is held or waits, and tells its sender.
    ///
    /// # Errors
    /// [`QueueFault`] when there is none, or it has ended.
    pub async fn drop_message(&self, message: i64) -> Result<(), QueueFault> {
        let (row, work) = self.queued(message).await?;
        if !matches!(row.state.as_str(), "held" | "waiting") {
            return Err(QueueFault::Ended(row.state));
        }
        let now = Timestamp::now();
        // Only what the gate or a doubt stopped has anything in it to leave out.
        let is_for_itself = row.held_for.as_deref().is_some_and(|why| why != OPERATOR);
        let outcome = if is_for_itself { Outcome::Dropped } else { Outcome::Stopped };
        let ruling = match self.end_of(&work, outcome, Standing::Idle, "operator", now) {
            Ok(ruling) => ruling,
            // What does not open can still be dropped; its sender is known to nobody.
            Err(fault) => {
                tracing::error!(event = "fault", %fault, "the sender of a dropped message can't be told");
                let key = &self.inner.installation;
                let detail = serde_json::json!({ "by": "operator", "user": self.user() });
                Ruling {
                    delivery_id: work.delivery_id,
                    message_id: message,
                    at: now,
                    from: Standing::Idle,
                    to: Ruled::Dropped,
                    record: self.work_record(key, Event::Dropped, &work, &detail),
                    notice: None,
                }
            }
        };
        if self.ruled(ruling).await? { Ok(()) } else { Err(self.no_longer(message).await?) }
    }

    /// Holds a message that waits, until it is released or dropped.
    ///
    /// # Errors
    /// [`QueueFault`] when there is none, or it does not wait.
    pub async fn hold_waiting(&self, message: i64) -> Result<(), QueueFault> {
        let (row, work) = self.queued(message).await?;
        if row.state != "waiting" {
            return Err(QueueFault::NotWaiting(row.state));
        }
        let now = Timestamp::now();
        let key = self.data_key(&work.key).map_err(RelayFault::from)?;
        let detail = serde_json::json!({ "reason": OPERATOR, "by": "operator", "user": self.user() });
        let ruling = Ruling {
            delivery_id: work.delivery_id,
            message_id: message,
            at: now,
            from: Standing::Waiting,
            to: Ruled::Held { why: OPERATOR, until: self.held_until(now) },
            record: self.work_record(&key, Event::Held, &work, &detail),
            notice: None,
        };
        if self.ruled(ruling).await? { Ok(()) } else { Err(self.no_longer(message).await?) }
    }

    pub(super) async fn ruled(&self, ruling: Ruling) -> Result<bool, QueueFault> {
        Ok(self.store().rule(ruling).await.map_err(RelayFault::from)?)
    }

    /// The delivery of a message.
    pub(super) async fn queued(&self, message: i64) -> Result<(QueueRow, Work), QueueFault> {
        let rows = self.store().queue_of_message(message).await.map_err(RelayFault::from)?;
        let row = rows.into_iter().next().ok_or(QueueFault::NoMessage)?;
        let work = self.store().delivered_work(row.delivery_id).await.map_err(RelayFault::from)?;
        Ok((row, work.ok_or(QueueFault::NoMessage)?))
    }

    /// Why a decision came to nothing: somebody was faster, or an attempt is under way.
    pub(super) async fn no_longer(&self, message: i64) -> Result<QueueFault, QueueFault> {
        let (row, _) = self.queued(message).await?;
        Ok(if row.state == "waiting" { QueueFault::InDelivery } else { QueueFault::Ended(row.state) })
    }
}
