//! Where mail comes in: listeners on 25, 587 and 465, TLS, the door with its limits, one task for each session.
//!
//! The wire is [`crate::smtp::server`]'s, the decisions are [`crate::relay`]'s; this floor owns sockets, clocks and counts.
//! When it fails: [`IngressError`] at start, naming listener or file and the cure. A running session's fault ends that
//! session; the listener goes on.

mod admission;
mod blocklist;
mod clamd;
mod client_certificate;
mod connection;
mod daemon;
mod door;
mod guard;
mod inherited;
mod limiter;
mod listener;
mod logins;
mod memory;
mod rate;
mod rspamd;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod times;
mod tls;
mod words;
pub(crate) mod x509;

pub use inherited::{Inherited, InheritedError, Place};
// The menu counts as the door does.
pub(crate) use rate::{Answer, Rate, delay};
pub(crate) use table::Table;

pub use listener::{Ingress, IngressError, Listening};
pub use tls::{CertificateError, Certificates, certificate_warnings, make_self_signed};
