//! What a session tells its driver, and what it asks.

use crate::mail::RealAddress;
use crate::smtp::auth::Credentials;
use crate::smtp::params::{MailParams, RcptParams};
use crate::smtp::path::ForwardPath;

/// What the driver must do next. `S` is the driver's verdict on a sender and `T` that on a recipient; both come back
/// in the [`Envelope`], so nothing needs to be looked up twice.
pub enum Event<T, S> {
    /// Write the output, begin TLS, then [`tls_started`](super::Session::tls_started). If the handshake fails, drop
    /// session and connection.
    StartTls,
    /// Answer with [`answer_auth`](super::Session::answer_auth).
    Auth(Credentials),
    /// Answer with [`answer_scram`](super::Session::answer_scram).
    Scram(ScramName),
    /// Nothing is to be answered: the client has taken our proof (RFC 5802 §3), and only now is it in. One that breaks off
    /// before it never was, though `answer_auth` said yes. It is told `235` when the output is next written.
    LoggedIn,
    /// Answer with [`answer_mail`](super::Session::answer_mail).
    Mail(MailCommand),
    /// Answer with [`answer_rcpt`](super::Session::answer_rcpt).
    Rcpt(RcptCommand),
    /// Answer with [`answer_message`](super::Session::answer_message), when the message is durable or refused.
    Message {
        /// Who sends it to whom.
        envelope: Envelope<T, S>,
        /// The message as received, without doubled dots; empty or ending in CRLF, without bare CR, LF or NUL, unless
        /// its parameters say that it is binary: then any octets.
        bytes: Vec<u8>,
    },
    /// Write the output and close. It comes once and is the last.
    Closed,
}

/// MAIL, of good syntax and within the announced limits.
pub struct MailCommand {
    /// `None` is the null reverse-path `<>`.
    pub reverse_path: Option<RealAddress>,
    /// The size that the client declared, in octets, never above the limit. It is a claim.
    pub size: Option<u64>,
    /// Whether addresses and header may be UTF-8 (RFC 6531).
    pub smtputf8: bool,
}

/// Whose SCRAM verifier is needed.
pub struct ScramName(pub(super) String);

impl ScramName {
    /// The name, as sent.
    #[must_use]
    pub fn auth_id(&self) -> &str {
        &self.0
    }
}

/// RCPT, of good syntax. Whether the mailbox exists is for the driver to say.
pub struct RcptCommand {
    /// Whom the message shall reach.
    pub forward_path: ForwardPath,
    /// NOTIFY and ORCPT; the session does not keep them.
    pub params: RcptParams,
}

/// Who sends a message to whom, in the driver's words.
pub struct Envelope<T, S> {
    /// What [`answer_mail`](super::Session::answer_mail) was given.
    pub sender: S,
    /// What [`answer_rcpt`](super::Session::answer_rcpt) was given, in order; never empty.
    pub recipients: Vec<T>,
    /// What MAIL said besides the reverse-path.
    pub params: MailParams,
}

/// How the client introduced itself. It is a claim, and may tell who the client is.
#[derive(Clone, PartialEq, Eq)]
pub struct Hello {
    pub(super) name: String,
    pub(super) is_extended: bool,
}

impl Hello {
    /// The name given: 1 to 255 octets of anything but spaces and control characters.
    #[must_use]
    pub fn reveal_name(&self) -> &str {
        &self.name
    }

    /// Whether it said EHLO and not HELO.
    #[must_use]
    pub fn is_extended(&self) -> bool {
        self.is_extended
    }
}

/// What a session waits for, so that the driver can set a deadline (RFC 5321 §4.5.3.2.7: five minutes for a command;
/// §4.5.3.2.5: three for a block of data).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// EHLO or HELO.
    Hello,
    /// The next command, without a transaction.
    Command,
    /// A line of the AUTH exchange.
    Auth,
    /// The next command of a transaction.
    Transaction,
    /// The message, or its next chunk.
    Data,
    /// The TLS handshake.
    Tls,
    /// The driver's answer.
    Answer,
    /// Nothing more.
    Closed,
}
