//! The client half of SMTP, without I/O: greeting to QUIT as a state machine that takes the octets a server sent
//! and gives the octets to send, with deadlines as data and one table that says what a reply means.
//!
//! Who drives it: [`Session::step`] says what to do next; write what [`Session::take_output`] gives, read, hand
//! what was read to [`Session::feed`], step again. Nothing here knows a socket, a clock or TLS itself.
//! RFC 5321, 1870 (SIZE), 2034 and 3463 (enhanced codes), 2920 (PIPELINING), 3207 (STARTTLS), 6152 (8BITMIME),
//! 6531 (SMTPUTF8).
//!
//! When it fails: a [`Verdict`] says so; there are no other errors. What a server said travels as
//! [`RemoteText`], which cannot be printed.

mod capabilities;
mod classify;
mod command;
mod content;
mod outcome;
mod phase;
mod remote_reply;
mod remote_text;
mod session;
#[cfg(test)]
mod tests;

pub use capabilities::Capabilities;
pub use command::Envelope;
pub use content::Content;
pub use outcome::{Outcome, Status, Verdict};
pub use phase::{Deadlines, Phase};
pub use remote_reply::{RemoteReply, ReplyFault, ReplyReader};
pub use remote_text::RemoteText;
pub use session::{LoopCheck, Session, SessionSettings, StartTls, Step};
