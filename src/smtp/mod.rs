//! The SMTP wire, without I/O: replies, line and end-of-data reading, the server session and the client session.
//! Bytes go in, bytes and events come out; who drives it owns the socket, the clock and the decisions. Pure.

mod auth;
pub mod client;
mod command;
mod dot;
mod line;
mod params;
mod path;
mod proxy;
mod reply;
pub mod server;

pub use auth::Credentials;
pub use dot::{Damage, DataFault, DotProgress, DotReader, Unsendable, dot_stuff};
pub use params::{Body, EnvId, MailParams, Notify, Orcpt, RcptParams, Ret};
pub use path::ForwardPath;
pub use proxy::{ProxyFault, ProxyHeader, ProxyStep, proxy_step};
pub use reply::Reply;
