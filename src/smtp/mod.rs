//! The SMTP wire, without I/O: replies, line and end-of-data reading, the server session and the client session.
//! Bytes go in, bytes and events come out; who drives it owns the socket, the clock and the decisions. Pure.

mod auth;
mod chunk;
pub mod client;
mod command;
mod dot;
mod line;
mod params;
mod path;
mod proxy;
mod reply;
pub mod scram;
pub mod server;

pub use auth::{Credentials, Proof};
pub use dot::{Damage, DataFault, DotProgress, DotReader, Unsendable, dot_stuff};
pub use params::{Body, EnvId, MailParams, Notify, Orcpt, RcptParams, Ret};
pub use path::ForwardPath;
pub use proxy::{ProxyFault, ProxyHeader, ProxyStep, proxy_step};
pub use reply::Reply;

/// The top of the tree, wherever these sources are compiled from.
#[cfg(test)]
fn top() -> &'static std::path::Path {
    let own = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().find(|top| top.join("fixtures").is_dir()).expect("there are fixtures")
}
