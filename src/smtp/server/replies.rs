//! Every reply that the session itself gives, in one table: code, enhanced code (RFC 3463, RFC 5248) and a text for
//! a person. No text repeats what the client sent.

use super::config::{ServerConfig, Service};
use crate::smtp::reply::Reply;
use crate::smtp::scram::ChannelBinding;

/// A reply of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    Done,
    Bye,
    SenderGood,
    RecipientGood,
    Authenticated,
    NoVrfy,
    Help,
    GoOn,
    StartTls,

    NotSmtp,
    Unknown,
    NotOffered,
    LineTooLong,
    BareLineEnd,
    NotUtf8,
    Control,
    NeedlessArgument,
    MissingArgument,
    NoFrom,
    NoTo,
    BadSender,
    BadRecipient,
    NeedsSmtpUtf8,
    BadParameter,
    UnknownParameter,
    BadValue,
    DuplicateParameter,
    HelloFirst,
    MailFirst,
    RcptFirst,
    NestedMail,
    InTransaction,
    NoValidRecipients,
    DataAfterChunk,
    BinaryNeedsChunks,
    ChunkWasted,
    ResetFirst,
    BadChunk,
    OutOfStep,

    TlsFirst,
    TlsAlready,
    NoStartTls,
    AuthNeedsTls,
    AuthFirst,
    AuthAlready,
    NoAuth,
    AuthMechanism,
    AuthCancelled,
    AuthBase64,
    AuthMalformed,
    AuthBinding,
    AuthLineTooLong,
    AuthFailed,

    TooManyRecipients,
    EnoughMessages,
    TooManyErrors,
    TooManyAuthFailures,
    TooLarge,
    NoMemory,
    BareCr,
    BareLf,
    Nul,

    TimedOut,
    LoginDue,
    MessageDue,
    MakingRoom,
    ShuttingDown,
    Fault,
}

impl Says {
    /// The reply as it goes on the wire. A 421 names the host (RFC 5321 §4.2.3).
    pub(super) fn reply(self, config: &ServerConfig) -> Reply {
        let (code, subject, detail, text) = match self {
            Says::Done => (250, 0, 0, "Ok"),
            Says::Bye => (221, 0, 0, "Bye"),
            Says::SenderGood => (250, 1, 0, "Ok"),
            Says::RecipientGood => (250, 1, 5, "Ok"),
            Says::Authenticated => (235, 7, 0, "Authentication successful"),
            Says::NoVrfy => (252, 5, 2, "Addresses are not verified here; send a message to try"),
            Says::Help => (214, 0, 0, "See RFC 5321"),
            Says::GoOn => return Reply::bare(354, "End data with <CR><LF>.<CR><LF>"),
            Says::StartTls => (220, 0, 0, "Ready to start TLS"),

            Says::NotSmtp => (221, 7, 0, "This is an SMTP server. Goodbye"),
            Says::Unknown => (500, 5, 2, "Command not recognized"),
            Says::NotOffered => (502, 5, 1, "Command not offered here"),
            Says::LineTooLong => (500, 5, 2, "Command line too long"),
            Says::BareLineEnd => (500, 5, 2, "A line must end with CR LF and have no other CR or LF"),
            Says::NotUtf8 => (500, 5, 2, "Command line is neither ASCII nor UTF-8"),
            Says::Control => (501, 5, 2, "Command line has a control character"),
            Says::NeedlessArgument => (501, 5, 4, "This command takes no argument"),
            Says::MissingArgument => (501, 5, 4, "This command needs one argument"),
            Says::NoFrom => (501, 5, 4, "Syntax: MAIL FROM:<address>"),
            Says::NoTo => (501, 5, 4, "Syntax: RCPT TO:<address>"),
            Says::BadSender => (501, 1, 7, "Bad sender address syntax; write <name@domain>"),
            Says::BadRecipient => (501, 1, 3, "Bad recipient address syntax; write <name@domain>"),
            Says::NeedsSmtpUtf8 => (553, 6, 7, "An address with non-ASCII letters needs SMTPUTF8 in MAIL"),
            Says::BadParameter => (501, 5, 4, "Bad parameter syntax"),
            Says::UnknownParameter => (555, 5, 4, "Unsupported parameter"),
            Says::BadValue => (501, 5, 4, "Bad value of a parameter"),
            Says::DuplicateParameter => (501, 5, 4, "Parameter given twice"),
            Says::HelloFirst => (503, 5, 1, "Send EHLO first"),
            Says::MailFirst => (503, 5, 1, "Send MAIL first"),
            Says::RcptFirst => (503, 5, 1, "Send RCPT first"),
            Says::NestedMail => (503, 5, 1, "MAIL was already sent; finish the message or send RSET"),
            Says::InTransaction => (503, 5, 1, "Not between MAIL and the end of the message"),
            Says::NoValidRecipients => (554, 5, 1, "No valid recipients"),
            Says::DataAfterChunk => {
                (503, 5, 1, "The message has begun with BDAT; send BDAT, or RSET to give it up")
            }
            Says::BinaryNeedsChunks => (503, 5, 1, "A message with BODY=BINARYMIME is sent with BDAT"),
            Says::ChunkWasted => {
                (503, 5, 1, "Chunk thrown away, because an earlier one was refused; send RSET")
            }
            Says::ResetFirst => (503, 5, 1, "A chunk was refused; send RSET first"),
            Says::BadChunk => (501, 5, 4, "Syntax: BDAT size [LAST]. Goodbye"),
            Says::OutOfStep => (554, 5, 0, "SMTP protocol synchronization: wait for the reply. Goodbye"),

            Says::TlsFirst => (530, 7, 0, "Must issue a STARTTLS command first"),
            Says::TlsAlready => (503, 5, 1, "TLS is already in use"),
            Says::NoStartTls => (502, 5, 1, "STARTTLS is not offered here"),
            Says::AuthNeedsTls => (538, 7, 11, "Passwords are taken inside TLS only; send STARTTLS first"),
            Says::AuthFirst => (530, 7, 0, "Authentication required"),
            Says::AuthAlready => (503, 5, 1, "Already authenticated"),
            Says::NoAuth => (503, 5, 1, "AUTH is not offered here; send mail through port 587 or 465"),
            Says::AuthMechanism => {
                (504, 5, 4, "Authentication mechanism not offered; use one that EHLO names")
            }
            Says::AuthCancelled => (501, 7, 0, "Authentication cancelled"),
            Says::AuthBase64 => (501, 5, 2, "Authentication response is not base64"),
            Says::AuthMalformed => (501, 5, 2, "Authentication response is malformed"),
            Says::AuthBinding => (535, 7, 8, "Authentication is not bound to this TLS connection"),
            Says::AuthLineTooLong => (500, 5, 6, "Authentication response is too long"),
            Says::AuthFailed => (535, 7, 8, "Authentication credentials invalid"),

            Says::TooManyRecipients => {
                (452, 5, 3, "Too many recipients; send the message to the others separately")
            }
            Says::EnoughMessages => (421, 7, 0, "enough messages for one session; connect again"),
            Says::TooManyErrors => (421, 7, 0, "too many errors"),
            Says::TooManyAuthFailures => (421, 7, 0, "too many failed attempts to authenticate"),
            Says::TooLarge => (552, 3, 4, "Message size exceeds fixed limit"),
            Says::NoMemory => (452, 3, 1, "Insufficient system storage; try again later"),
            Says::BareCr => (550, 6, 0, "Message refused: it has a CR without LF; end every line with CR LF"),
            Says::BareLf => {
                (550, 6, 0, "Message refused: it has an LF without CR; end every line with CR LF")
            }
            Says::Nul => {
                (554, 6, 0, "Message refused: it has a NUL; encode it as base64 or quoted-printable")
            }

            Says::TimedOut => (421, 4, 2, "timeout exceeded"),
            Says::LoginDue => (421, 4, 2, "timeout exceeded: log in first"),
            Says::MessageDue => (421, 4, 2, "timeout exceeded: no message came"),
            Says::MakingRoom => (421, 3, 2, "idle while too many wait; connect again"),
            Says::ShuttingDown => (421, 3, 2, "shutting down; connect again later"),
            Says::Fault => (421, 3, 0, "internal fault; try again later"),
        };
        let reply = if code == 421 {
            Reply::new(code, subject, detail, format!("{} {text}", config.hostname))
        } else {
            Reply::new(code, subject, detail, text)
        };
        match (self.page(), &config.help) {
            (Some(page), Some(url)) => reply.line(format!("See {url}/{page}")),
            _ => reply,
        }
    }

    /// The help page for people whose program was told this; none for what is no refusal.
    pub(super) fn page(self) -> Option<&'static str> {
        Some(match self {
            Says::Done
            | Says::Bye
            | Says::SenderGood
            | Says::RecipientGood
            | Says::Authenticated
            | Says::NoVrfy
            | Says::Help
            | Says::GoOn
            | Says::StartTls => return None,

            Says::BadSender | Says::BadRecipient | Says::NeedsSmtpUtf8 => "address-syntax",
            Says::TlsFirst
            | Says::AuthNeedsTls
            | Says::AuthFirst
            | Says::NoAuth
            | Says::NoStartTls
            | Says::LoginDue => "login-first",
            Says::AuthMechanism
            | Says::AuthCancelled
            | Says::AuthBase64
            | Says::AuthMalformed
            | Says::AuthBinding
            | Says::AuthLineTooLong => "login-method",
            Says::AuthFailed => "credentials",
            Says::TooManyRecipients | Says::TooLarge => "too-large",
            Says::NoMemory => "no-space",
            Says::BareCr | Says::BareLf | Says::Nul => "line-ends",
            Says::EnoughMessages | Says::TooManyErrors | Says::TooManyAuthFailures => "limited",
            Says::TimedOut | Says::MessageDue | Says::MakingRoom | Says::ShuttingDown | Says::Fault => {
                "try-again"
            }
            Says::NoValidRecipients => "no-recipients",

            Says::NotSmtp
            | Says::Unknown
            | Says::NotOffered
            | Says::LineTooLong
            | Says::BareLineEnd
            | Says::NotUtf8
            | Says::Control
            | Says::NeedlessArgument
            | Says::MissingArgument
            | Says::NoFrom
            | Says::NoTo
            | Says::BadParameter
            | Says::UnknownParameter
            | Says::BadValue
            | Says::DuplicateParameter
            | Says::HelloFirst
            | Says::MailFirst
            | Says::RcptFirst
            | Says::NestedMail
            | Says::InTransaction
            | Says::DataAfterChunk
            | Says::BinaryNeedsChunks
            | Says::ChunkWasted
            | Says::ResetFirst
            | Says::BadChunk
            | Says::OutOfStep
            | Says::TlsAlready
            | Says::AuthAlready => "protocol",
        })
    }
}

/// The pages to which a session's own refusals lead. Each must be there.
#[cfg(test)]
pub const PAGES: [&str; 11] = [
    "address-syntax",
    "login-first",
    "login-method",
    "credentials",
    "too-large",
    "no-space",
    "line-ends",
    "limited",
    "try-again",
    "no-recipients",
    "protocol",
];

/// The greeting: no version, no enhanced code (RFC 5321 §4.3.1, RFC 2034 §3).
pub(super) fn greeting(config: &ServerConfig) -> Reply {
    Reply::bare(220, format!("{} ESMTP", config.hostname))
}

/// The reply to HELO.
pub(super) fn helo(config: &ServerConfig) -> Reply {
    Reply::bare(250, config.hostname.clone())
}

/// The reply to EHLO: our name and what we can do here and now.
pub(super) fn ehlo(config: &ServerConfig, is_tls: bool, channel: Option<ChannelBinding>) -> Reply {
    let mut reply = Reply::bare(250, config.hostname.clone())
        .line("PIPELINING")
        .line(format!("SIZE {}", config.limits.max_message));
    if config.service != Service::Submissions && config.starttls_available && !is_tls {
        reply = reply.line("STARTTLS");
    }
    if config.service.is_submission() && is_tls {
        let plus = if channel.is_some() { " SCRAM-SHA-256-PLUS" } else { "" };
        reply = reply.line(format!("AUTH PLAIN LOGIN SCRAM-SHA-256{plus}"));
    }
    if is_tls {
        reply = reply.line("REQUIRETLS");
    }
    let limits = &config.limits;
    reply
        .line("8BITMIME")
        .line("SMTPUTF8")
        .line("ENHANCEDSTATUSCODES")
        .line("DSN")
        .line("CHUNKING")
        .line("BINARYMIME")
        .line(format!("LIMITS MAILMAX={} RCPTMAX={}", limits.max_messages, limits.max_recipients))
}

/// The reply to a chunk that is not the last.
pub(super) fn chunk(octets: u64) -> Reply {
    Reply::new(250, 0, 0, format!("{octets} octets received"))
}

/// The reply to an accepted message.
pub(super) fn queued(id: &str) -> Reply {
    Reply::new(250, 0, 0, format!("Ok: queued as {id}"))
}
