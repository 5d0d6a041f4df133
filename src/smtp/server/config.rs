//! What a session must know before it starts: the service it speaks for and its limits.

/// The service that a listener offers (RFC 5321, RFC 6409, RFC 8314).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Port 25: mail from anywhere. No AUTH.
    Mx,
    /// Port 587: submission. STARTTLS first, then AUTH.
    Submission,
    /// Port 465: submission inside TLS from the first octet.
    Submissions,
}

impl Service {
    /// Whether a client must prove who it is before it may send.
    pub(super) fn is_submission(self) -> bool {
        matches!(self, Service::Submission | Service::Submissions)
    }
}

/// Limits of one session.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest message, in octets; announced as SIZE (RFC 1870).
    pub max_message: u64,
    /// Most recipients of a message (RFC 5321 §4.5.3.1.8: at least 100).
    pub max_recipients: usize,
    /// Most messages in a session, accepted or not; behind the reply to the last comes `421 4.7.0`.
    pub max_messages: u32,
    /// As many errors without an accepted message in between end the session with `421 4.7.0`.
    pub max_errors: u32,
    /// Most commands that move no mail (EHLO, RSET, NOOP, VRFY, HELP) without an accepted message in between; each
    /// one more counts as an error.
    pub max_junk: u32,
    /// As many failed attempts to authenticate end the session with `421 4.7.0`.
    pub max_auth_failures: u32,
}

impl Limits {
    /// The limits that the product ships with.
    #[must_use]
    pub fn of(service: Service) -> Self {
        Self {
            max_message: 25 * 1024 * 1024,
            max_recipients: 100,
            max_messages: if service.is_submission() { 1000 } else { 100 },
            max_errors: 10,
            max_junk: 20,
            max_auth_failures: 3,
        }
    }
}

/// What all sessions of a listener share.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Our name in greeting, EHLO and 421, a domain or an address literal (RFC 5321 §4.2).
    pub hostname: String,
    /// What the listener offers.
    pub service: Service,
    /// Whether there is a certificate, so that STARTTLS can be offered. [`Service::Submissions`] ignores it.
    pub starttls_available: bool,
    /// Of each session by itself.
    pub limits: Limits,
    /// Where the help pages are, without a slash at its end; each refusal names its own behind it.
    pub help: Option<String>,
}
