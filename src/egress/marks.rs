//! Rests that the operator ended (`anshin queue retry`): read from the database, where all egress processes find them.
//!
//! Rules: a mark is acted on once, and means one probe of each destination that rests here: one that is dead still rests again
//! after it. A process that has just begun remembers no rest, so old marks mean nothing to it. What was put off is made due
//! behind the end of the rest, or the next look would put it off again.
//! When it fails: the mark counts as unseen, and the next look has it again.

use super::sending::Sending;
use crate::mail::Timestamp;
use crate::relay::{Relay, RelayFault};
use std::collections::HashSet;

/// The marks that this process has acted on, of those that are still kept.
#[derive(Default)]
pub(super) struct Marks {
    seen: HashSet<i64>,
    /// Those whose rests ended here and behind which not everything is due yet.
    begun: HashSet<i64>,
}

impl Marks {
    /// Ends the rests that new marks name.
    pub async fn look(&mut self, relay: &Relay, sending: &Sending) -> Result<(), RelayFault> {
        let marks = relay.store().retry_marks().await?;
        let now = Timestamp::now();
        for mark in marks.iter().filter(|mark| !self.seen.contains(&mark.id)) {
            if sending.board().end_rests(mark.route, now) {
                self.begun.insert(mark.id);
            }
            match mark.route {
                _ if !self.begun.contains(&mark.id) => {}
                Some(route) => {
                    let routes = sending.board().siblings(route);
                    relay.store().wake(routes, now).await?;
                }
                None => {
                    relay.store().wake_lanes(now).await?;
                    relay.store().ring();
                }
            }
        }
        self.begun.clear();
        self.seen = marks.into_iter().map(|mark| mark.id).collect();
        Ok(())
    }
}
