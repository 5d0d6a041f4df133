//! One event, posted to a webhook: bounded time, a proven certificate, no redirect, no address that nobody declared.
//!
//! Rules: a name's addresses are looked up for each post, and what is dialled is one of them that may be: a public one over TLS, or one in a
//! network of `webhooks.networks`. So a name that somebody else changes leads to no host of ours; nor does a redirect, which is a
//! refusal like any answer but 2xx. In clear it posts on loopback alone.
//! When it fails: [`PostFault`], which tells nothing of what came.

use super::http_response::HttpFault;
use super::https::{ADDRESSES, addresses_of, connect, dial, status};
use super::json::JsonFault;
use super::public_address::is_public;
use super::tls::TlsClient;
use crate::config::{Network, WebAddress, Webhooks};
use crate::dns::Lookup;
use crate::relay::WebhookLetter;
use rustls::ClientConfig;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long one post may take, with the look-up of its host.
const PATIENCE: Duration = Duration::from_secs(15);

/// Why an event was not posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PostFault {
    /// No address of the host may be dialled.
    Private,
    Http(HttpFault),
}

impl PostFault {
    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            PostFault::Private => "private-network",
            PostFault::Http(HttpFault::Certificate) => "certificate",
            PostFault::Http(HttpFault::Slow) => "slow",
            PostFault::Http(HttpFault::Unreachable) => "unreachable",
            PostFault::Http(_) => "broken",
        }
    }
}

/// Posts.
pub(super) struct Poster {
    tls: Arc<ClientConfig>,
    lookup: Lookup,
    networks: Vec<Network>,
}

impl Poster {
    pub fn new(webhooks: &Webhooks, servers: &[SocketAddr]) -> Result<Self, JsonFault> {
        let tls = TlsClient::new(webhooks.authorities.as_deref(), Duration::ZERO)?;
        let tls = Arc::new(tls.proven_config().clone());
        Ok(Self { tls, lookup: Lookup::new(servers)?, networks: webhooks.networks.clone() })
    }

    /// The status of the answer.
    pub async fn post(&self, at: &WebAddress, letter: &WebhookLetter) -> Result<u16, PostFault> {
        let WebhookLetter { id, timestamp, signature, body } = letter;
        let request = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             webhook-id: {id}\r\nwebhook-timestamp: {timestamp}\r\nwebhook-signature: {signature}\r\n\
             Connection: close\r\n\r\n{body}",
            at.path,
            at.authority(),
            body.len()
        );
        let posted = async {
            let addresses = self.addresses(at).await?;
            let answered = if at.is_tls {
                let tls = Arc::clone(&self.tls);
                let mut stream = connect(tls, &addresses, &at.host).await.map_err(PostFault::Http)?;
                status(&mut stream, &[request.as_bytes()]).await
            } else {
                status(&mut dial(&addresses).await.map_err(PostFault::Http)?, &[request.as_bytes()]).await
            };
            answered.map_err(PostFault::Http)
        };
        timeout(PATIENCE, posted).await.unwrap_or(Err(PostFault::Http(HttpFault::Slow)))
    }

    async fn addresses(&self, at: &WebAddress) -> Result<Vec<SocketAddr>, PostFault> {
        let found = addresses_of(&self.lookup, at).await;
        if found.is_empty() {
            return Err(PostFault::Http(HttpFault::Unreachable));
        }
        let is_declared =
            |ip: IpAddr| self.networks.iter().any(|network| network.contains(ip.to_canonical()));
        let may = |ip: &IpAddr| is_declared(*ip) || (is_public(*ip) && at.is_tls);
        let reachable: Vec<SocketAddr> =
            found.into_iter().filter(may).take(ADDRESSES).map(|ip| SocketAddr::new(ip, at.port)).collect();
        if reachable.is_empty() { Err(PostFault::Private) } else { Ok(reachable) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_dialled_is_public_over_tls_or_declared() {
        let servers = ["127.0.0.1:9".parse().unwrap()];
        let poster = |networks: &[&str]| {
            let networks = networks.iter().map(|text| Network::parse(text).unwrap()).collect();
            Poster::new(&Webhooks { hosts: Vec::new(), networks, authorities: None }, &servers).unwrap()
        };
        let (none, own) = (poster(&[]), poster(&["10.0.0.0/8", "127.0.0.0/8"]));
        for (address, without, with) in [
            ("https://8.8.8.8/", true, true),
            ("https://10.0.0.1/", false, true),
            ("https://192.168.0.1/", false, false),
            ("https://169.254.169.254/", false, false),
            ("https://127.0.0.1/", false, true),
            ("http://127.0.0.1/", false, true),
            ("https://localhost/", false, true),
            ("https://[::ffff:10.0.0.1]/", false, true),
            ("https://[::ffff:192.168.0.1]/", false, false),
            ("https://[::1]/", false, false),
        ] {
            let at = WebAddress::parse(address).unwrap();
            let may = (none.addresses(&at).await.is_ok(), own.addresses(&at).await.is_ok());
            assert_eq!(may, (without, with), "{address}");
        }
    }
}
