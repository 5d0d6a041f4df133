//! JSON of a server that the operator named, asked by GET or by a form (RFC 9110, RFC 9112), as a login elsewhere needs it: bounded octets,
//! time and addresses, a proven certificate, no redirect.
//!
//! Rules: a name's addresses are public ones, or loopback ones where the operator named this machine itself ([`Reach`]): so a name that
//! somebody else changes leads to no host of ours. In clear it asks on loopback alone. What came is wiped by the caller.
//! When it fails: [`HttpFault`], which tells nothing of what came; [`JsonFault`] at start.

use super::http_response::HttpFault;
use super::https::{ADDRESSES, addresses_of, connect, converse, dial};
use super::public_address::is_public;
use super::tls::{TlsClient, TlsFault};
use crate::config::WebAddress;
use crate::dns::{Lookup, ResolverFault};
use rustls::ClientConfig;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// How long one question may take, with the look-up of its host. A person waits.
const PATIENCE: Duration = Duration::from_secs(10);
/// Media types of JSON: a document's, and a key set's (RFC 7517 §8.5.2).
const MEDIA: [&str; 2] = ["application/json", "application/jwk-set+json"];

/// Why nobody can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    #[error(transparent)]
    Tls(#[from] TlsFault),
    #[error(transparent)]
    Resolver(#[from] ResolverFault),
}

/// Where a server may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Public,
    Loopback,
}

/// A form that is posted.
pub struct Form<'a> {
    /// The value of the header field.
    pub authorization: &'a str,
    /// Encoded already.
    pub body: &'a str,
}

/// Asks.
pub struct JsonClient {
    tls: Arc<ClientConfig>,
    lookup: Lookup,
    reach: Reach,
}

impl JsonClient {
    /// With these name servers, or the system's where there are none, and these authorities beside those that everybody knows.
    ///
    /// # Errors
    /// [`JsonFault`].
    pub fn new(servers: &[SocketAddr], authorities: Option<&Path>, reach: Reach) -> Result<Self, JsonFault> {
        let tls = TlsClient::new(authorities, Duration::ZERO)?;
        let tls = Arc::new(tls.proven_config().clone());
        Ok(Self { tls, lookup: Lookup::new(servers)?, reach })
    }

    /// What an address has.
    ///
    /// # Errors
    /// [`HttpFault`].
    pub async fn get(&self, at: &WebAddress, most: usize) -> Result<Zeroizing<Vec<u8>>, HttpFault> {
        let (path, host) = (&at.path, at.authority());
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
        );
        self.ask(at, request.as_bytes(), most).await
    }

    /// What it answers to a form.
    ///
    /// # Errors
    /// [`HttpFault`].
    pub async fn post(
        &self,
        at: &WebAddress,
        form: &Form<'_>,
        most: usize,
    ) -> Result<Zeroizing<Vec<u8>>, HttpFault> {
        let (path, host, Form { authorization, body }) = (&at.path, at.authority(), form);
        let request = Zeroizing::new(format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\nAuthorization: {authorization}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ));
        self.ask(at, request.as_bytes(), most).await
    }

    async fn ask(
        &self,
        at: &WebAddress,
        request: &[u8],
        most: usize,
    ) -> Result<Zeroizing<Vec<u8>>, HttpFault> {
        let asked = async {
            let addresses = self.addresses(at).await?;
            if at.is_tls {
                let mut stream = connect(Arc::clone(&self.tls), &addresses, &at.host).await?;
                converse(&mut stream, request, &MEDIA, most).await
            } else {
                converse(&mut dial(&addresses).await?, request, &MEDIA, most).await
            }
        };
        timeout(PATIENCE, asked).await.unwrap_or(Err(HttpFault::Slow)).map(Zeroizing::new)
    }

    async fn addresses(&self, at: &WebAddress) -> Result<Vec<SocketAddr>, HttpFault> {
        let found = addresses_of(&self.lookup, at).await;
        let may = |ip: &IpAddr| match self.reach {
            Reach::Public => is_public(*ip) && at.is_tls,
            Reach::Loopback => ip.is_loopback(),
        };
        let reachable: Vec<SocketAddr> =
            found.into_iter().filter(may).take(ADDRESSES).map(|ip| SocketAddr::new(ip, at.port)).collect();
        if reachable.is_empty() { Err(HttpFault::Unreachable) } else { Ok(reachable) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_is_public_or_this_machine_as_the_operator_said() {
        let servers = ["127.0.0.1:9".parse().unwrap()];
        let client = |reach| JsonClient::new(&servers, None, reach).unwrap();
        let (public, loopback) = (client(Reach::Public), client(Reach::Loopback));
        for (address, is_there) in [
            ("https://8.8.8.8/", (true, false)),
            ("https://127.0.0.1/", (false, true)),
            ("http://127.0.0.1/", (false, true)),
            ("https://localhost:3000/", (false, true)),
            ("https://10.0.0.1/", (false, false)),
            ("https://169.254.169.254/", (false, false)),
            ("https://[::ffff:127.0.0.1]/", (false, false)),
        ] {
            let at = WebAddress::parse(address).unwrap();
            let found = (public.addresses(&at).await.is_ok(), loopback.addresses(&at).await.is_ok());
            assert_eq!(found, is_there, "{address}");
        }
    }
}
