//! Sending single mails another way than their domain's: to a next hop that the operator names, or back.
//!
//! Rules: only what waits and is not under way is moved; the change, its record and the new lane are one transaction. A mail
//! that was moved rests and is paused by its next hop, no longer by the recipient's domain: moving it is how it gets
//! around a destination that is dead. The next hop is an operator's word, as a route of the configuration is: it may lie in
//! private networks, and DNS is asked for nothing but its addresses. What must not go without TLS still does not.
//! When it fails: [`QueueFault`].

use super::envelope::{ChosenHop, Envelope, open_recipient};
use super::{Event, QueueFault, Relay, RelayFault};
use crate::mail::Timestamp;
use crate::store::{Ruled, Ruling, Standing};

impl Relay {
    /// Sends a waiting message to a next hop (`host:port`, and a TLS policy in the words of the configuration), or as its
    /// domain goes. It is due at once.
    ///
    /// # Errors
    /// [`QueueFault`] when there is none, or it does not wait.
    pub async fn reroute(&self, message: i64, to: Option<(String, String)>) -> Result<(), QueueFault> {
        let (row, work) = self.queued(message).await?;
        if row.state != "waiting" {
            return Err(QueueFault::NotMovable(row.state));
        }
        let now = Timestamp::now();
        let key = self.data_key(&work.key).map_err(RelayFault::from)?;
        let mut envelope = Envelope::open(&key, message, &work.envelope)?;
        let detail = serde_json::json!({
            "by": "operator",
            "user": self.user(),
            "action": "route",
            "to": to.as_ref().map_or("dns", |(next_hop, _)| next_hop),
            "tls": to.as_ref().map(|(_, tls)| tls),
        });
        let route = match &to {
            Some((next_hop, tls)) => self.route_via(next_hop, tls),
            None => {
                let recipient = open_recipient(&key, work.delivery_id, &work.recipient)?;
                self.route_of(recipient.reveal_domain())
            }
        };
        envelope.next_hop = to.map(|(next_hop, tls)| ChosenHop { next_hop, tls });
        let ruling = Ruling {
            delivery_id: work.delivery_id,
            message_id: message,
            at: now,
            from: Standing::Waiting,
            to: Ruled::Rerouted { envelope: envelope.seal(&key, message)?, route },
            record: self.work_record(&key, Event::Rerouted, &work, &detail),
            notice: None,
        };
        if self.ruled(ruling).await? { Ok(()) } else { Err(self.no_longer(message).await?) }
    }
}
