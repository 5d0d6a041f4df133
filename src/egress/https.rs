//! One GET over HTTPS, as fetching an MTA-STS policy needs it (RFC 8461 §3.3), or one POST, as delivering a TLS report does
//! (RFC 8460 §5.4): TLS with a certificate for the host's name, no redirect, bounded octets and time.
//!
//! Rules: HTTP/1.1 with `Connection: close` (RFC 9112), read by `http_response`. The host's addresses are dialled one after the other,
//! public ones only, each for [`CONNECT`] at most: one that says nothing must not use up the time of the others.
//! When it fails: [`HttpFault`], which tells nothing of what came.

use super::demand::TlsFailure;
use super::ground::Ground;
use super::http_response::{End, HttpFault, body_of, status_of};
use super::sts::MAX_POLICY;
use super::tls::TlsClient;
use super::tls_report::Endpoint;
use crate::config::WebAddress;
use crate::dns::{Kind, Looked, Lookup};
use crate::mail::Domain;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long one address may take to answer.
const CONNECT: Duration = Duration::from_secs(5);
/// Addresses of a host that are dialled.
pub(super) const ADDRESSES: usize = 4;
/// How long one fetch may take (§3.3: about a minute at most). Mail waits meanwhile.
pub(super) const FETCH: Duration = Duration::from_secs(20);

/// Of a host's addresses those that may be dialled, at most [`ADDRESSES`].
pub(super) fn reachable(addresses: impl Iterator<Item = IpAddr>, ground: Ground) -> Vec<SocketAddr> {
    let public = addresses.filter(|ip| (ground.may_dial)(*ip));
    public.take(ADDRESSES).map(|ip| SocketAddr::new(ip, ground.https)).collect()
}

/// The octets of the policy that this host has, one of whose addresses is asked (RFC 8461 §3.3). Time is the caller's to
/// bound.
///
/// # Errors
/// [`HttpFault`].
pub(super) async fn policy(
    tls: Arc<ClientConfig>,
    host: &Domain,
    addresses: &[SocketAddr],
) -> Result<Vec<u8>, HttpFault> {
    get(tls, addresses, host.as_str(), "/.well-known/mta-sts.txt", MAX_POLICY).await
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
    let addresses = reachable(addresses.iter().copied(), Ground::default());
    let got = timeout(FETCH, policy(tls, host, &addresses)).await;
    let octets = got.map_err(|_| "the host did not answer in time".to_owned())?;
    let octets = octets.map_err(|fault| fault.to_string())?;
    String::from_utf8(octets).map_err(|_| HttpFault::MediaType.to_string())
}

/// What `https://HOST/PATH` has. Time is the caller's to bound.
///
/// # Errors
/// [`HttpFault`].
async fn get(
    tls: Arc<ClientConfig>,
    addresses: &[SocketAddr],
    host: &str,
    path: &str,
    most: usize,
) -> Result<Vec<u8>, HttpFault> {
    let mut stream = connect(tls, addresses, host).await?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/plain\r\nConnection: close\r\n\r\n");
    converse(&mut stream, request.as_bytes(), &["text/plain"], most).await
}

/// Sends a request, and reads the body of what comes. Time is the caller's to bound.
///
/// # Errors
/// [`HttpFault`].
pub(super) async fn converse(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    request: &[u8],
    media: &[&str],
    most: usize,
) -> Result<Vec<u8>, HttpFault> {
    stream.write_all(request).await.map_err(|_| HttpFault::Broken)?;
    stream.flush().await.map_err(|_| HttpFault::Broken)?;
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(body) = body_of(&received, End::Open, media, most)? {
            return Ok(body);
        }
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => received.extend_from_slice(buffer.get(..read).unwrap_or_default()),
            Ok(_) => break,
            // Some servers close without saying so in TLS; a body of known length is whole all the same.
            Err(_) => return Err(HttpFault::Broken),
        }
    }
    body_of(&received, End::Closed, media, most)?.ok_or(HttpFault::Broken)
}

/// Posts octets to `https://HOST/PATH`; well if the answer is 2xx. Time is the caller's to bound.
///
/// # Errors
/// [`HttpFault`].
pub(super) async fn post(
    tls: Arc<ClientConfig>,
    addresses: &[SocketAddr],
    endpoint: &Endpoint,
    media: &str,
    octets: &[u8],
) -> Result<(), HttpFault> {
    let (host, path) = (endpoint.host.as_str(), &endpoint.path);
    let mut stream = connect(tls, addresses, host).await?;
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        octets.len()
    );
    match status(&mut stream, &[request.as_bytes(), octets]).await? {
        200..300 => Ok(()),
        _ => Err(HttpFault::Response),
    }
}

/// Sends a request in parts, and reads the status of what comes.
pub(super) async fn status(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    request: &[&[u8]],
) -> Result<u16, HttpFault> {
    for part in request {
        stream.write_all(part).await.map_err(|_| HttpFault::Broken)?;
    }
    stream.flush().await.map_err(|_| HttpFault::Broken)?;
    let mut received = Vec::new();
    let mut buffer = [0; 512];
    loop {
        if let Some(status) = status_of(&received)? {
            return Ok(status);
        }
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => received.extend_from_slice(buffer.get(..read).unwrap_or_default()),
            _ => return Err(HttpFault::Broken),
        }
    }
}

/// All addresses of the host of a web address; what may be dialled of them is the caller's to say.
pub(super) async fn addresses_of(lookup: &Lookup, at: &WebAddress) -> Vec<IpAddr> {
    match at.ip() {
        Some(ip) => vec![ip],
        None if at.host == "localhost" => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        None => match lookup.ask(&at.host, Kind::Address).await {
            Looked::Found(found) => found.iter().filter_map(|text| text.parse().ok()).collect(),
            Looked::None | Looked::Unknown => Vec::new(),
        },
    }
}

/// A connection to the first of these addresses that answers.
pub(super) async fn dial(addresses: &[SocketAddr]) -> Result<TcpStream, HttpFault> {
    for address in addresses {
        if let Ok(Ok(stream)) = timeout(CONNECT, TcpStream::connect(address)).await {
            return Ok(stream);
        }
    }
    Err(HttpFault::Unreachable)
}

/// The same with TLS, and a certificate that proves the host's name.
pub(super) async fn connect(
    tls: Arc<ClientConfig>,
    addresses: &[SocketAddr],
    host: &str,
) -> Result<TlsStream<TcpStream>, HttpFault> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| HttpFault::Unreachable)?;
    let stream = dial(addresses).await?;
    TlsConnector::from(tls).connect(name, stream).await.map_err(|error| {
        match TlsFailure::of_handshake(&error) {
            TlsFailure::Handshake => HttpFault::Broken,
            _ => HttpFault::Certificate,
        }
    })
}
