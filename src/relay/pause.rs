//! Destinations to which the operator lets nothing be sent for a while.
//!
//! Rules: a pause is by the domain of the recipients, exactly, or by the number that the spool has for it or for a next hop
//! that mail was moved to; mail is taken meanwhile, its senders are told that it is late, and it ends at its expiry. Every
//! process sees a pause within some seconds.

use super::record::About;
use super::{Destination, Event, Relay, RelayFault};
use crate::mail::Timestamp;
use crate::store::Block;
use crate::vault::Place;

/// A paused destination.
pub struct PauseView {
    /// As the operator named it.
    pub domain: String,
    pub since: Timestamp,
}

fn place(route: i64) -> Place {
    Place::new("pause", "domain", route)
}

impl Relay {
    /// Pauses a destination. Whether it was not paused before.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn pause(&self, destination: &Destination) -> Result<bool, RelayFault> {
        let (key, route) = (&self.inner.installation, self.route(destination));
        let name = destination.to_string();
        let detail =
            serde_json::json!({ "by": "operator", "user": self.user(), "action": "pause", "domain": name });
        let block = Block::Pause {
            route,
            data_key_id: key.id(),
            domain: key.seal(place(route), name.as_bytes()),
            record: self.new_record(key, Event::Blocked, About::default(), None, &detail, None),
            at: Timestamp::now(),
        };
        Ok(self.store().block(block).await? > 0)
    }

    /// Lets mail go to a destination again. Whether it was paused.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn resume(&self, destination: &Destination) -> Result<bool, RelayFault> {
        let (key, route) = (&self.inner.installation, self.route(destination));
        let name = destination.to_string();
        let detail =
            serde_json::json!({ "by": "operator", "user": self.user(), "action": "resume", "domain": name });
        let record = self.new_record(key, Event::Blocked, About::default(), None, &detail, None);
        Ok(self.store().block(Block::Resume { route, record, at: Timestamp::now() }).await? > 0)
    }

    /// What is paused, the oldest first.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn pauses(&self) -> Result<Vec<PauseView>, RelayFault> {
        let rows = self.store().paused().await?;
        rows.into_iter()
            .map(|row| {
                let domain = self.data_key(&row.key)?.open(place(row.route), &row.domain)?;
                Ok(PauseView { domain: String::from_utf8_lossy(&domain).into_owned(), since: row.since })
            })
            .collect()
    }
}
