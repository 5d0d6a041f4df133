//! Out to the world: from an anonymized message to a next hop that took it, or to a verdict why not.
//!
//! [`Transport`] is the whole of it for one attempt: next hop, connection, session, outcome. When an attempt is due
//! and what follows from its outcome is the scheduler's business.

mod auditing;
mod clock;
mod company;
mod configured;
mod connect;
pub mod demand;
mod dial;
pub mod dkim;
mod dotted;
mod ground;
mod housekeeping;
mod leases;
mod marks;
mod memory;
mod http_response;
mod https;
mod json;
mod names;
mod notes_file;
mod outcomes;
mod pace;
mod times;
mod pool;
mod prepare;
mod public_address;
mod reach;
mod remembered;
pub mod replies;
mod report;
pub mod resolve;
pub mod route;
mod scheduler;
mod sending;
mod source;
pub mod sts;
mod sts_policies;
pub mod tls;
mod tls_report;
pub mod tlsa;
mod transport;
mod validating;
mod webhook_post;
mod webhooks;
mod witnesses;

pub use auditing::close_audit;
pub use dotted::Dotted;
pub use http_response::HttpFault;
pub use https::policy_of;
pub use json::{Form, JsonClient, JsonFault, Reach};
pub use notes_file::NotesFile;
pub use pool::PoolLimits;
pub use public_address::is_public;
pub use report::Report;
pub use route::{NextHop, TlsPolicy};
pub use scheduler::{Egress, EgressError};
pub use source::{SourcePool, Sources};
pub use transport::{EgressConfig, EgressFault, Outgoing, Purpose, Transport};

#[cfg(test)]
mod tests;
