//! How long a session may take over what, as `[ingress.session]` says.

use crate::config;
use std::time::Duration;

/// The deadlines of the sessions of a listener.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// For a command (RFC 5321 §4.5.3.2.7).
    pub command: Duration,
    /// For all that comes before a login.
    pub login: Duration,
    /// From message to message on port 25.
    pub message: Duration,
    /// For the next octets of a message, or its next chunk (RFC 5321 §4.5.3.2.5).
    pub data: Duration,
    /// For a TLS handshake.
    pub handshake: Duration,
    /// For a peer that takes a reply.
    pub write: Duration,
    /// The time that a message has in advance.
    pub grace: Duration,
    /// Octets that a message must bring each second.
    rate: u64,
}

impl Times {
    pub fn new(session: &config::Session) -> Self {
        Self {
            command: session.command_timeout,
            login: session.login_timeout,
            message: session.message_timeout,
            data: session.data_timeout,
            handshake: session.handshake_timeout,
            write: session.write_timeout,
            grace: session.data_grace,
            rate: session.data_rate.octets().max(1),
        }
    }

    /// The time that so many octets of a message buy.
    pub fn bought(&self, octets: usize) -> Duration {
        let octets = u64::try_from(octets).unwrap_or(u64::MAX);
        Duration::from_micros(octets.saturating_mul(1_000_000) / self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_buy_time_at_the_slowest_rate() {
        let config = crate::config::Config::development(std::path::Path::new("anshin")).unwrap();
        let times = Times::new(&config.ingress.session);
        assert_eq!(times.bought(500), Duration::from_secs(1));
        assert_eq!(times.bought(1), Duration::from_millis(2));
        assert_eq!(times.bought(0), Duration::ZERO);
    }
}
