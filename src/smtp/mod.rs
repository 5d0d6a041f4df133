//! The SMTP wire, without I/O: replies, line and end-of-data reading, the server session and the client session.
//! Bytes go in, bytes and events come out; who drives it owns the socket, the clock and the decisions. Pure.

mod reply;

pub use reply::Reply;
