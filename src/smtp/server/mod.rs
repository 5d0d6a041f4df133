//! The server's half of an SMTP session, without sockets, clock or decisions.
//!
//! The driver reads octets and hands them to [`Session::receive`], calls [`Session::next_event`] until it says
//! `None`, answering each event, then writes what [`Session::take_output`] gives, and only then reads on, as long as
//! [`Session::wants_input`]. The session keeps the order of commands, the limits, what must be encrypted and who
//! must have proved who they are; the driver decides who may send to whom and whether a message is safe on disk.
//!
//! Rules: a transaction is a value that every way out of it takes, so nothing of it can outlive it. A reply that the
//! client must wait for is held back until the output is taken; octets that come before it end the session (RFC 2920
//! §3.1, RFC 3207 §4.2).
//! When it fails: an answer that nobody asked for, and a refusal that says yes, are faults of the driver; the session
//! ends with `421 4.3.0` and nothing is acknowledged.

mod chunk;
mod config;
mod event;
mod replies;
mod session;
mod state;
mod tally;
mod transaction;
mod wire;

#[cfg(test)]
mod matrix;
#[cfg(test)]
mod random;
#[cfg(test)]
mod script;
#[cfg(test)]
mod tests;

pub use config::{Limits, ServerConfig, Service};
pub use event::{Envelope, Event, Hello, MailCommand, Phase, RcptCommand, ScramName};
#[cfg(test)]
pub(crate) use replies::PAGES;
pub use session::Session;
