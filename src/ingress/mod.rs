//! Where mail comes in: listeners on 25, 587 and 465, TLS, one task for each session, limits.
//!
//! The wire is [`crate::smtp::server`]'s, the decisions are [`crate::relay`]'s; this floor owns sockets, clocks and counts.
//! When it fails: [`IngressError`] at start, naming listener or file and the cure. A running session's fault ends that
//! session; the listener goes on.

mod admission;
mod connection;
mod listener;
mod memory;
mod times;
mod tls;

pub use listener::{Ingress, IngressError, Listening};
pub use tls::{CertificateError, make_self_signed};
