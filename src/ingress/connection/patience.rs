//! How long a session may hold its place, by what it has shown so far.
//!
//! Rules: for a command it has its time (`times`); for its login, or on port 25 for a message that is accepted, the time that
//! is counted over all its commands, so that nobody holds a place by talking. While three quarters of all places are taken who
//! has shown nothing has less for a command than others, sessions that were opened before too. Where none is left, who has
//! shown nothing for a while gives his place to the next that comes; a store that has logged in never does.
//! When it fails: never.

use super::Connection;
use crate::smtp::server::{Phase, Service};
use std::time::Duration;
use tokio::time::Instant;

/// The longest wait for a command while it is crowded, of who has shown nothing: Postfix's `smtpd_timeout` under stress.
const STRANGERS_IF_CROWDED: Duration = Duration::from_secs(10);
/// The same, of who has logged in, or had a message accepted.
const OTHERS_IF_CROWDED: Duration = Duration::from_secs(30);
/// After so long without a login or an accepted message a session that waits gives its place to one that comes. TLS and a login,
/// or the commands before a message, take a few round trips; a flood of honest ones must not push each other out.
pub(in crate::ingress) const GIVES_IDLE: Duration = Duration::from_secs(10);
/// The same while a message is on its way: enough for the largest over 2 Mbit/s. At 500 octets a second it could take hours.
const GIVES_IN_MESSAGE: Duration = Duration::from_secs(120);

/// What a session has shown.
pub(super) struct Standing {
    /// When it connected, or had a message accepted.
    since: Instant,
    /// Whether a message was accepted.
    has_sent: bool,
}

impl Standing {
    pub fn new() -> Self {
        Self { since: Instant::now(), has_sent: false }
    }

    /// A message was accepted.
    pub fn accepted(&mut self) {
        *self = Self { since: Instant::now(), has_sent: true };
    }
}

impl Connection {
    /// When to look at a session again that waits for a command since `asked`.
    pub(super) fn wake(&self, asked: Instant) -> Instant {
        let crowded = self.patience_if_crowded();
        let look = Some(asked + crowded).filter(|at| *at > Instant::now());
        let look = look.unwrap_or_else(|| Instant::now() + crowded);
        let latest = look.min(asked + self.shared.times.command);
        self.due().map_or(latest, |due| due.min(latest))
    }

    /// Ends the session if it is late; whether it was. To be asked before each wait, since octets that come wake it too.
    pub(super) fn end_if_late(&mut self, asked: Instant) -> bool {
        let now = Instant::now();
        let patience = self.shared.times.command;
        let crowded = now >= asked + self.patience_if_crowded() && self.place.is_crowded();
        if crowded || now >= asked + patience {
            self.session.timed_out();
            return true;
        }
        let is_due = self.due().is_some_and(|due| now >= due);
        match self.shared.wire.service {
            _ if !is_due => {}
            Service::Mx => self.session.message_is_due(),
            Service::Submission | Service::Submissions => self.session.login_is_due(),
        }
        is_due
    }

    /// Offers the place to others, or not, before it waits for its peer.
    pub(super) fn offer(&mut self, phase: Phase) {
        let patience = if phase == Phase::Data { GIVES_IN_MESSAGE } else { GIVES_IDLE };
        let from = self.login.is_none().then(|| self.standing.since + patience);
        self.place.offer(from);
    }

    /// By when it must have logged in, or sent a message.
    fn due(&self) -> Option<Instant> {
        let times = &self.shared.times;
        match self.shared.wire.service {
            Service::Mx => Some(self.standing.since + times.message),
            _ => self.login.is_none().then(|| self.standing.since + times.login),
        }
    }

    fn patience_if_crowded(&self) -> Duration {
        let is_known = self.login.is_some() || self.standing.has_sent;
        if is_known { OTHERS_IF_CROWDED } else { STRANGERS_IF_CROWDED }
    }
}
