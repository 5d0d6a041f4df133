//! Tests with real sockets on loopback: a name server that answers from a zone written in the test, NSD and Unbound where
//! DNSSEC is asked for, mail servers that follow a script, and a host that serves a policy.

mod attempt;
mod connections;
mod dane;
#[path = "../../../tests/it/peer/dns.rs"]
mod dnssec;
mod hosts;
mod identity;
mod name_server;
mod policy_host;
mod replies;
mod requiretls;
mod resolve;
mod script;
mod sts;
mod tls;
mod transport;

pub(super) use attempt::{HELLO, TAKE, config, describe, to_server};
pub(super) use name_server::NameServer;
pub(super) use script::Script;
