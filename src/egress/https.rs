//! One GET over HTTPS, as fetching an MTA-STS policy needs it (RFC 8461 §3.3): TLS with a certificate for the host's
//! name, status 200, no redirect, `text/plain`, bounded octets and time.
//!
//! Rules: HTTP/1.1 with `Connection: close` (RFC 9112), read by `http_response`. The host's addresses are dialled one after the other,
//! public ones only.
//! When it fails: [`HttpFault`], which tells nothing of what came.

use super::demand::TlsFailure;
use super::ground::Ground;
use super::http_response::{End, HttpFault, body_of};
use super::sts::MAX_POLICY;
use super::tls::TlsClient;
use crate::mail::Domain;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Addresses of a host that are dialled.
const ADDRESSES: usize = 4;
/// How long one fetch may take (§3.3: about a minute at most). Mail waits meanwhile.
pub(super) const FETCH: Duration = Duration::from_secs(20);

/// The octets of the policy that this host has, one of whose addresses is asked (RFC 8461 §3.3). Time is the caller's to
/// bound.
///
/// # Errors
/// [`HttpFault`].
pub(super) async fn policy(
    tls: Arc<ClientConfig>,
    host: &Domain,
    addresses: impl Iterator<Item = IpAddr>,
    ground: Ground,
) -> Result<Vec<u8>, HttpFault> {
    let public = addresses.filter(|ip| (ground.may_dial)(*ip));
    let addresses: Vec<SocketAddr> =
        public.take(ADDRESSES).map(|ip| SocketAddr::new(ip, ground.https)).collect();
    get(tls, &addresses, host.as_str(), "/.well-known/mta-sts.txt", MAX_POLICY).await
}

/// The policy that a domain's host serves now, as every sender that verifies would get it.
///
/// # Errors
/// Why there is none, in words.
pub async fn policy_of(
    host: &Domain,
    addresses: &[IpAddr],
    authorities: Option<&Path>,
) -> Result<String, String> {
    let tls = TlsClient::new(authorities, Duration::ZERO).map_err(|fault| fault.to_string())?;
    let tls = Arc::new(tls.proven_config().clone());
    let got = timeout(FETCH, policy(tls, host, addresses.iter().copied(), Ground::default())).await;
    let octets = got.map_err(|_| "the host did not answer in time".to_owned())?;
    let octets = octets.map_err(|fault| fault.to_string())?;
    String::from_utf8(octets).map_err(|_| HttpFault::MediaType.to_string())
}

/// What `https://HOST/PATH` has. Time is the caller's to bound.
///
/// # Errors
/// [`HttpFault`].
pub(super) async fn get(
    tls: Arc<ClientConfig>,
    addresses: &[SocketAddr],
    host: &str,
    path: &str,
    most: usize,
) -> Result<Vec<u8>, HttpFault> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| HttpFault::Unreachable)?;
    let mut connected = None;
    for address in addresses {
        if let Ok(stream) = TcpStream::connect(address).await {
            connected = Some(stream);
            break;
        }
    }
    let stream = connected.ok_or(HttpFault::Unreachable)?;
    let mut stream =
        TlsConnector::from(tls).connect(name, stream).await.map_err(
            |error| match TlsFailure::of_handshake(&error) {
                TlsFailure::Handshake => HttpFault::Broken,
                _ => HttpFault::Certificate,
            },
        )?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/plain\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(|_| HttpFault::Broken)?;
    stream.flush().await.map_err(|_| HttpFault::Broken)?;
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(body) = body_of(&received, End::Open, most)? {
            return Ok(body);
        }
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => received.extend_from_slice(buffer.get(..read).unwrap_or_default()),
            Ok(_) => break,
            // Some servers close without saying so in TLS; a body of known length is whole all the same.
            Err(_) => return Err(HttpFault::Broken),
        }
    }
    body_of(&received, End::Closed, most)?.ok_or(HttpFault::Broken)
}
