//! The pure floors of the relay, compiled from their own sources: that they build here proves that they need nothing
//! of the floors below them in `src/lib.rs`; what is done to them with random octets;
//! and the spool with its scheduler on virtual time.
#![forbid(unsafe_code)]

// The other floors use more of it than these do.
#[allow(dead_code)]
#[path = "../../../src/mail/mod.rs"]
pub mod mail;
#[path = "../../../src/mime/mod.rs"]
pub mod mime;
#[path = "../../../src/document/mod.rs"]
pub mod document;
#[path = "../../../src/anonymize/mod.rs"]
pub mod anonymize;
#[path = "../../../src/schedule/mod.rs"]
pub mod schedule;
#[path = "../../../src/query/mod.rs"]
pub mod query;
#[path = "../../../src/detect/mod.rs"]
pub mod detect;
#[path = "../../../src/smtp/proxy.rs"]
pub mod proxy;

// What the egress floor reads of strangers.
#[path = "../../../src/egress/http_response.rs"]
pub mod http_response;
#[path = "../../../src/egress/tls_report/rua.rs"]
pub mod rua;
#[path = "../../../src/egress/sts.rs"]
pub mod sts;
#[allow(unused_imports)]
#[path = "../../../src/smtp/mod.rs"]
pub mod smtp;

#[path = "../../../src/anonymize/tests/planted/reader/mod.rs"]
pub mod reader;
#[cfg(test)]
mod simulation;
pub mod targets;
pub mod wire;
