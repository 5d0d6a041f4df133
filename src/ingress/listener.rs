//! The listeners: binding, accepting, turning away, and stopping in order.

use super::admission::Admission;
use super::blocklist::Blocklists;
use super::clamd::Scanner;
use super::connection::Shared;
use super::door::{Door, House};
use super::inherited::{Inherited, Place};
use super::limiter::Limiter;
use super::memory::Budget;
use super::rspamd::Filter;
use super::times::Times;
use super::tls::{CertificateError, Certificates};
use crate::config::{ClientCertificates, Config};
use crate::dns::{Lookup, ResolverFault};
use crate::relay::Relay;
use crate::senders::{self, Verifier};
use crate::smtp::server::{Limits, ServerConfig, Service};
use crate::store::Patience;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// Connections that may wait to be accepted, as in deploy/anshin.socket. Of the 128 that a listener has otherwise the kernel drops
/// those that come at once beyond it, and their clients try again after up to a minute.
const BACKLOG: u32 = 4096;

/// How long an accept loop rests when the system has no file descriptors left.
const REST: Duration = Duration::from_millis(100);
/// How long sessions may take to end after a stop was asked for.
const DRAIN: Duration = Duration::from_secs(30);

/// Why the ingress can't start.
#[derive(Debug, thiserror::Error)]
pub enum IngressError {
    #[error(
        "{key}: can't listen on {address}: {cause}; is another server there, or does the port need privileges?"
    )]
    Bind { key: &'static str, address: SocketAddr, cause: std::io::Error },
    #[error("{key}: a socket that was passed on can't be used: {cause}")]
    Passed { key: &'static str, cause: std::io::Error },
    #[error("ingress.mx.blocklist: {0}")]
    Resolver(#[from] ResolverFault),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("dns.servers: {0}")]
    Dns(ResolverFault),
}

/// Where the ingress listens, as the system gave it.
#[derive(Debug, Clone, Default)]
pub struct Listening {
    pub mx: Vec<SocketAddr>,
    pub submission: Vec<SocketAddr>,
    pub submissions: Vec<SocketAddr>,
}

/// The bound listeners, before they serve.
pub struct Ingress {
    listeners: Vec<(TcpListener, Arc<Door>)>,
    /// What the listeners serve.
    pub certificates: Arc<Certificates>,
    /// Lets the certificates be read again.
    pub reload: Arc<Notify>,
    pub listening: Listening,
}

impl Ingress {
    /// Reads the certificate and binds all listeners that got no socket from the supervisor.
    ///
    /// # Errors
    /// [`IngressError`] naming what can't be read or bound.
    pub async fn bind(
        config: &Config,
        relay: &Relay,
        senders: senders::Setup,
        inherited: &mut Inherited,
    ) -> Result<Self, IngressError> {
        let verifier = Arc::new(Verifier::new(senders).map_err(IngressError::Dns)?);
        let certificates = Certificates::load(&config.ingress.tls)?;
        let budget = Budget::new(config.limits.memory.octets(), config.limits.message_size.octets());
        let limits = &config.limits;
        let house = House::new(
            Admission::new(limits.sessions, limits.sessions_per_ip, limits.door.sessions_per_network),
            Limiter::new(&limits.door),
        );
        let scanner = Scanner::new(&config.ingress.clamd).map(Arc::new);
        let filter = Filter::new(&config.ingress.rspamd).map(Arc::new);
        let mut listeners = Vec::new();
        let mut listening = Listening::default();
        let services = [
            (Service::Mx, "ingress.mx.listen", &config.ingress.mx.listen, &mut listening.mx),
            (
                Service::Submission,
                "ingress.submission.listen",
                &config.ingress.submission.listen,
                &mut listening.submission,
            ),
            (
                Service::Submissions,
                "ingress.submission.tls_listen",
                &config.ingress.submission.tls_listen,
                &mut listening.submissions,
            ),
        ];
        let session = &config.ingress.session;
        for (service, key, addresses, bound) in services {
            let limits = Limits {
                max_message: config.limits.message_size.octets(),
                max_recipients: config.limits.recipients as usize,
                max_messages: match service {
                    Service::Mx => session.mx_messages,
                    Service::Submission | Service::Submissions => session.submission_messages,
                },
                max_errors: session.errors,
                max_junk: session.idle_commands,
                max_auth_failures: session.auth_failures,
            };
            let wire = ServerConfig {
                hostname: config.hostname.to_string(),
                service,
                starttls_available: true,
                limits,
                help: config.web.public_url.as_ref().map(|url| format!("{url}/help")),
            };
            let clients = match service {
                Service::Mx => config.ingress.mx.client_certificates,
                Service::Submission | Service::Submissions => ClientCertificates::Ignore,
            };
            let shared = Arc::new(Shared {
                relay: relay.clone(),
                wire: Arc::new(wire),
                tls: certificates.server_config(clients)?,
                budget: budget.clone(),
                verifier: verifier.clone(),
                public_url: config.web.public_url.clone(),
                blocklists: blocklists(config, service)?,
                greylist: greylist(config, service),
                scanner: scanner.clone(),
                filter: filter.clone(),
                times: Times::new(session),
            });
            let balancers = match service {
                Service::Mx => &config.ingress.mx.proxy_protocol_from,
                Service::Submission | Service::Submissions => &config.ingress.submission.proxy_protocol_from,
            };
            let door = Arc::new(Door { house: house.clone(), shared, balancers: balancers.clone() });
            let place = match service {
                Service::Mx => Place::Mx,
                Service::Submission => Place::Submission,
                Service::Submissions => Place::Submissions,
            };
            let passed = inherited.of(place).map_err(|cause| IngressError::Passed { key, cause })?;
            let open: &[SocketAddr] = if passed.is_empty() { addresses } else { &[] };
            for listener in passed {
                bound.extend(listener.local_addr());
                listeners.push((listener, door.clone()));
            }
            for address in open {
                let fault = |cause| IngressError::Bind { key, address: *address, cause };
                let listener = listen(*address).map_err(fault)?;
                bound.push(listener.local_addr().map_err(fault)?);
                listeners.push((listener, door.clone()));
            }
        }
        Ok(Self { listeners, certificates, reload: Arc::default(), listening })
    }

    /// Serves until `stop` turns true, then lets running sessions finish what they acknowledged.
    pub async fn serve(self, mut stop: watch::Receiver<bool>) {
        let mut loops = JoinSet::new();
        for (listener, door) in self.listeners {
            loops.spawn(accept(listener, door, stop.clone()));
        }
        let watcher = tokio::spawn(self.certificates.watch(self.reload));
        while loops.join_next().await.is_some() {}
        // Without a listener there is nothing to serve, and the role is up all the same.
        let _ = stop.wait_for(|stop| *stop).await;
        watcher.abort();
    }
}

/// The lists that port 25 asks. Their use is said at every start: it is told abroad who writes to us.
fn blocklists(config: &Config, service: Service) -> Result<Option<Blocklists>, ResolverFault> {
    let lists = &config.ingress.mx.blocklists;
    if service != Service::Mx || lists.is_empty() {
        return Ok(None);
    }
    for list in lists {
        let zone = list.zone.as_str();
        tracing::warn!(
            event = "blocklist_asked",
            zone,
            "its operator learns which addresses send mail here; that may not leave Japan unexamined"
        );
    }
    Ok(Some(Blocklists::new(Lookup::new(&config.dns.servers)?, lists.clone())))
}

fn greylist(config: &Config, service: Service) -> Option<Patience> {
    let greylist = &config.ingress.mx.greylist;
    let (retry_within, remember) = (greylist.retry_within, greylist.remember);
    let wait = greylist.wait.filter(|_| service == Service::Mx)?;
    Some(Patience { wait, retry_within, remember })
}

/// A listener of our own; its port may be one whose last connections still close.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(listener: TcpListener, door: Arc<Door>, mut stop: watch::Receiver<bool>) {
    let mut sessions = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = sessions.join_next(), if !sessions.is_empty() => continue,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(event = "accept_failed", kind = %error.kind(), "resting a moment");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        // Replies are written whole; waiting to fill a packet would only delay them (RFC 2920 §3.1).
        let _ = stream.set_nodelay(true);
        door.enter(stream, peer, stop.clone(), &mut sessions);
    }
    drop(listener);
    let drained = async { while sessions.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        tracing::warn!(event = "drain_cut", "sessions did not end in time and were cut");
        sessions.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn five_hundred_connections_at_once_wait_to_be_accepted_and_none_is_dropped() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let patience = Duration::from_millis(900); // The kernel tries again after a second.
        let open: Vec<_> =
            (0..500).map(|_| std::net::TcpStream::connect_timeout(&address, patience).unwrap()).collect();
        for _ in open {
            listener.accept().await.unwrap();
        }
    }
}
