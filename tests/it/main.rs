//! The one integration binary: what no floor can test alone. Peers are real programs, started by the test that needs
//! them; `tests/run` installs and starts what they need. A test that cannot run fails, none is skipped.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "these are tests; clippy's own exception does not reach functions that tests call"
)]

mod log_search;
mod peer;
mod relay;
mod store;
mod store_errands;
mod store_facts;
mod store_failover;
mod store_clock;
mod store_holds;
mod store_holders;
mod store_lanes;
mod store_queue;
mod store_tree;
mod store_retention;
mod tidy;
mod validity;
