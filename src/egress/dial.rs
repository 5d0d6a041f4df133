//! Opening a socket to one of a host's addresses.
//!
//! Rules: the first address, which is the IPv6 one unless that lately did not serve, has a head start of [`HEAD_START`], and
//! whichever answers first is used (as RFC 8305 has it for browsers): a machine without IPv6, or a host whose IPv6 is dead,
//! costs a quarter of a second. From which address of ours, `source` says. Time is the caller's to bound.
//! When it fails: an error of the system, which tells nothing of a message.

use super::resolve::Target;
use super::source::Sources;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How long the first address of a host is tried before the second is tried beside it (RFC 8305 §5).
const HEAD_START: Duration = Duration::from_millis(250);

impl Sources {
    /// The first of these addresses of a target that answers, dialled from where mail of its pool goes.
    ///
    /// # Errors
    /// When none does.
    pub(super) async fn dial(
        &self,
        target: &Target,
        addresses: &[SocketAddr],
    ) -> io::Result<(SocketAddr, TcpStream)> {
        let mut left = addresses.iter().copied();
        let mut racing = JoinSet::new();
        loop {
            if racing.is_empty() {
                let Some(address) = left.next() else { return Err(io::ErrorKind::HostUnreachable.into()) };
                racing.spawn(dial_one(address, self.towards(target.pool, &target.host, address.ip())));
            }
            tokio::select! {
                Some(done) = racing.join_next() => {
                    if let Ok((address, Ok(stream))) = done {
                        return Ok((address, stream));
                    }
                }
                () = sleep(HEAD_START), if left.len() > 0 => {
                    if let Some(address) = left.next() {
                        racing.spawn(dial_one(address, self.towards(target.pool, &target.host, address.ip())));
                    }
                }
            }
        }
    }
}

async fn dial_one(address: SocketAddr, source: Option<IpAddr>) -> (SocketAddr, io::Result<TcpStream>) {
    let dialled = async {
        let Some(source) = source else { return TcpStream::connect(address).await };
        let socket = if source.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.bind(SocketAddr::new(source, 0))?;
        socket.connect(address).await
    };
    (address, dialled.await)
}

/// A connection whose two ends have one address leads to the machine it comes from.
pub(super) fn is_this_machine(stream: &TcpStream) -> bool {
    match (stream.peer_addr(), stream.local_addr()) {
        (Ok(peer), Ok(local)) => peer.ip() == local.ip(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_connection_to_an_address_of_this_machine_is_recognized() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        assert!(is_this_machine(&stream));
        let elsewhere = TcpListener::bind("127.0.0.2:0").await.unwrap();
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let stream = socket.connect(elsewhere.local_addr().unwrap()).await.unwrap();
        assert!(!is_this_machine(&stream));
    }
}
