//! The words every floor shares: addresses, domains, aliases, points in time. Pure.

mod address;
mod alias;
mod carrier;
mod domain;
mod flag;
mod timestamp;

pub use address::{AddressError, RealAddress};
pub use alias::Alias;
pub use domain::{Domain, DomainError};
pub use flag::{Flag, Flags};
pub use timestamp::Timestamp;
