//! Anshin Mail: an anonymizing e-mail relay. Two people write to each other through it and neither sees the
//! other's address.
//!
//! The order of the modules below is the architecture, lowest floor first: a file uses its own floor and the
//! floors above it in this list, never one further down. `tests/it/tidy.rs` holds it. ARCHITECTURE.md tells
//! what each floor is for and walks one message through all of them.
//!
//! `mail`, `ledger`, `mime`, `document`, `anonymize`, `smtp`, `schedule`, `query` and `detect` are pure: no I/O, no clock, no async, no randomness of their own.
#![forbid(unsafe_code)]

pub mod mail;
pub mod vault;
pub mod ledger;
pub mod mime;
pub mod document;
pub mod anonymize;
pub mod smtp;
pub mod schedule;
pub mod query;
pub mod detect;
pub mod geo;
pub mod dns;
pub mod senders;
pub mod config;
pub mod store;
pub mod residency;
pub mod relay;
pub mod ingress;
pub mod egress;
pub mod web;
pub mod cli;
