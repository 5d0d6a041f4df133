//! TLS-RPT (RFC 8460): how TLS towards other mail servers went, counted by day and policy, told to those who ask.

mod ledger;
mod mail;
mod report;
mod rua;
mod tally;

pub(super) use ledger::{Ledger, Reporting};
pub(super) use rua::Endpoint;
#[cfg(test)]
pub(super) use tally::Kind;
pub(super) use tally::Tally;

#[cfg(test)]
mod tests;
