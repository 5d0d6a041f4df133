//! The steps of one attempt and how long each may take.
//!
//! RFC 5321 §4.5.3.2 sets the minimums; the final dot has the longest one, because giving up there makes
//! duplicates (RFC 1047).

use std::time::Duration;

/// Where in an attempt something happened. The first four belong to whoever drives the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Finding the next hop.
    Resolve,
    /// Waiting for one of our own connections to become free.
    Slot,
    /// Opening the connection.
    Connect,
    /// The TLS handshake.
    Handshake,
    /// Waiting for 220.
    Greeting,
    /// EHLO, or HELO after it.
    Ehlo,
    /// STARTTLS and its reply.
    StartTls,
    /// RSET between two transactions.
    Reset,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA, up to 354.
    Data,
    /// The message itself, piece by piece.
    Content,
    /// The final dot and its reply.
    Dot,
    /// QUIT, which is not waited for.
    Quit,
}

impl Phase {
    /// A name for logs and metrics: lower case, no spaces.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Phase::Resolve => "resolve",
            Phase::Slot => "slot",
            Phase::Connect => "connect",
            Phase::Handshake => "handshake",
            Phase::Greeting => "greeting",
            Phase::Ehlo => "ehlo",
            Phase::StartTls => "starttls",
            Phase::Reset => "reset",
            Phase::Mail => "mail",
            Phase::Rcpt => "rcpt",
            Phase::Data => "data",
            Phase::Content => "content",
            Phase::Dot => "dot",
            Phase::Quit => "quit",
        }
    }
}

/// How long each phase may take. One reply, or one write of the message, restarts it; single octets do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    pub resolve: Duration,
    pub slot: Duration,
    pub connect: Duration,
    pub handshake: Duration,
    pub greeting: Duration,
    pub ehlo: Duration,
    pub start_tls: Duration,
    pub reset: Duration,
    pub mail: Duration,
    pub rcpt: Duration,
    pub data: Duration,
    pub content: Duration,
    pub dot: Duration,
    pub quit: Duration,
}

impl Default for Deadlines {
    /// RFC 5321 §4.5.3.2.1 to 6 where it names a minimum; the rest are ours.
    fn default() -> Self {
        let s = Duration::from_secs;
        Self {
            resolve: s(30),
            // Whoever waits here holds a place that another destination could use.
            slot: s(2),
            connect: s(30),
            handshake: s(60),
            greeting: s(300),
            ehlo: s(300),
            start_tls: s(120),
            reset: s(20),
            mail: s(300),
            rcpt: s(300),
            data: s(120),
            content: s(180),
            dot: s(600),
            quit: s(5),
        }
    }
}

impl Deadlines {
    /// How long `phase` may take.
    #[must_use]
    pub fn of(&self, phase: Phase) -> Duration {
        match phase {
            Phase::Resolve => self.resolve,
            Phase::Slot => self.slot,
            Phase::Connect => self.connect,
            Phase::Handshake => self.handshake,
            Phase::Greeting => self.greeting,
            Phase::Ehlo => self.ehlo,
            Phase::StartTls => self.start_tls,
            Phase::Reset => self.reset,
            Phase::Mail => self.mail,
            Phase::Rcpt => self.rcpt,
            Phase::Data => self.data,
            Phase::Content => self.content,
            Phase::Dot => self.dot,
            Phase::Quit => self.quit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_default_is_below_the_minimum_of_the_standard() {
        let minutes = |m: u64| Duration::from_secs(m * 60);
        let deadlines = Deadlines::default();
        for (phase, minimum) in [
            (Phase::Greeting, minutes(5)),
            (Phase::Mail, minutes(5)),
            (Phase::Rcpt, minutes(5)),
            (Phase::Data, minutes(2)),
            (Phase::Content, minutes(3)),
            (Phase::Dot, minutes(10)),
        ] {
            assert!(deadlines.of(phase) >= minimum, "{}", phase.name());
        }
    }
}
