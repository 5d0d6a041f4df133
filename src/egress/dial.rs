//! Opening a socket to one of a host's addresses.
//!
//! Rules: the first address, which is the IPv6 one unless that lately did not serve, has a head start of [`HEAD_START`], and
//! whichever answers first is used (as RFC 8305 has it for browsers): a machine without IPv6, or a host whose IPv6 is dead,
//! costs a quarter of a second. Where
//! there are several addresses to send from a host always sees the same one, since greylisting remembers it. Time is the
//! caller's to bound.
//! When it fails: an error of the system, which tells nothing of a message.

use super::route::Host;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How long the first address of a host is tried before the second is tried beside it (RFC 8305 §5).
const HEAD_START: Duration = Duration::from_millis(250);

/// The addresses to send from; the system's choice for a family that has none here.
pub(super) struct Sources(pub(super) Vec<IpAddr>);

impl Sources {
    /// The first of a host's addresses that answers.
    ///
    /// # Errors
    /// When none does.
    pub(super) async fn dial(
        &self,
        host: &Host,
        addresses: &[SocketAddr],
    ) -> io::Result<(SocketAddr, TcpStream)> {
        let mut left = addresses.iter().copied();
        let mut racing = JoinSet::new();
        loop {
            if racing.is_empty() {
                let Some(address) = left.next() else { return Err(io::ErrorKind::HostUnreachable.into()) };
                racing.spawn(dial_one(address, self.towards(host, address)));
            }
            tokio::select! {
                Some(done) = racing.join_next() => {
                    if let Ok((address, Ok(stream))) = done {
                        return Ok((address, stream));
                    }
                }
                () = sleep(HEAD_START), if left.len() > 0 => {
                    if let Some(address) = left.next() {
                        racing.spawn(dial_one(address, self.towards(host, address)));
                    }
                }
            }
        }
    }

    /// Which of them a host sees.
    fn towards(&self, host: &Host, address: SocketAddr) -> Option<IpAddr> {
        let own: Vec<IpAddr> =
            self.0.iter().copied().filter(|source| source.is_ipv4() == address.is_ipv4()).collect();
        let spread = host
            .to_string()
            .bytes()
            .fold(0_usize, |sum, octet| sum.wrapping_mul(31).wrapping_add(usize::from(octet)));
        own.get(spread.checked_rem(own.len())?).copied()
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

    #[test]
    fn a_host_sees_one_of_several_sources_and_none_of_the_other_family() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let sources = Sources(vec![ip("192.0.2.1"), ip("2001:db8::1"), ip("192.0.2.2")]);
        let seen = |host: &str, address: &str| {
            let host = Host::Name(crate::mail::Domain::parse(host).unwrap());
            sources.towards(&host, address.parse().unwrap())
        };
        let hosts = (0..20).map(|n| format!("mx{n}.example"));
        let four: std::collections::HashSet<_> = hosts.map(|host| seen(&host, "8.8.8.8:25")).collect();
        assert_eq!(four, [Some(ip("192.0.2.1")), Some(ip("192.0.2.2"))].into());
        assert_eq!(seen("mx.example", "[2400:cb00::1]:25"), Some(ip("2001:db8::1")));
        assert_eq!(
            Sources(vec![ip("192.0.2.1")]).towards(&Host::Address(ip("::1")), "[::1]:25".parse().unwrap()),
            None
        );
    }
}
