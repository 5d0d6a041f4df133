//! Out to the world: from an anonymized message to a next hop that took it, or to a verdict why not.
//!
//! [`Transport`] is the whole of it for one attempt: next hop, connection, session, outcome. When an attempt is due
//! and what follows from its outcome is the scheduler's business.

mod connect;
pub mod dkim;
mod housekeeping;
mod pool;
mod public_address;
pub mod resolve;
pub mod route;
mod scheduler;
mod sending;
pub mod tls;
mod transport;

pub use pool::PoolLimits;
pub use public_address::is_public;
pub use scheduler::{Egress, EgressError};
pub use transport::{EgressConfig, EgressFault, Outgoing, Report, Transport};

#[cfg(test)]
mod tests;
