//! The listeners: binding, accepting, turning away, and stopping in order.

use super::admission::{Admission, TooMany};
use super::connection::{Connection, Shared};
use super::memory::Budget;
use super::times::Times;
use super::tls::{Certificate, CertificateError};
use crate::config::Config;
use crate::relay::Relay;
use crate::smtp::Reply;
use crate::smtp::server::{Limits, ServerConfig, Service, Session};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long an accept loop rests when the system has no file descriptors left.
const REST: Duration = Duration::from_millis(100);
/// How long sessions may take to end after a stop was asked for.
const DRAIN: Duration = Duration::from_secs(30);
/// How long a turned-away peer may take to read why.
const TURN_AWAY: Duration = Duration::from_secs(2);

/// Why the ingress can't start.
#[derive(Debug, thiserror::Error)]
pub enum IngressError {
    #[error(
        "{key}: can't listen on {address}: {cause}; is another server there, or does the port need privileges?"
    )]
    Bind { key: &'static str, address: SocketAddr, cause: std::io::Error },
    #[error(transparent)]
    Certificate(#[from] CertificateError),
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
    listeners: Vec<(TcpListener, Arc<Shared>)>,
    certificate: Arc<Certificate>,
    admission: Arc<Admission>,
    pub listening: Listening,
}

impl Ingress {
    /// Reads the certificate and binds all listeners.
    ///
    /// # Errors
    /// [`IngressError`] naming what can't be read or bound.
    pub async fn bind(config: &Config, relay: &Relay) -> Result<Self, IngressError> {
        let files = &config.ingress.tls;
        let certificate = Certificate::load(&files.certificate, &files.key)?;
        let budget = Budget::new(config.limits.memory.octets());
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
            };
            let shared = Arc::new(Shared {
                relay: relay.clone(),
                wire: Arc::new(wire),
                tls: certificate.server_config()?,
                budget: budget.clone(),
                times: Times::new(session),
            });
            for address in addresses {
                let fault = |cause| IngressError::Bind { key, address: *address, cause };
                let listener = TcpListener::bind(address).await.map_err(fault)?;
                bound.push(listener.local_addr().map_err(fault)?);
                listeners.push((listener, shared.clone()));
            }
        }
        let admission = Admission::new(config.limits.sessions, config.limits.sessions_per_ip);
        Ok(Self { listeners, certificate, admission, listening })
    }

    /// Serves until `stop` turns true, then lets running sessions finish what they acknowledged.
    pub async fn serve(self, mut stop: watch::Receiver<bool>) {
        let mut loops = JoinSet::new();
        for (listener, shared) in self.listeners {
            loops.spawn(accept(listener, shared, self.admission.clone(), stop.clone()));
        }
        let watcher = tokio::spawn(self.certificate.watch());
        while loops.join_next().await.is_some() {}
        // Without a listener there is nothing to serve, and the role is up all the same.
        let _ = stop.wait_for(|stop| *stop).await;
        watcher.abort();
    }
}

async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    admission: Arc<Admission>,
    mut stop: watch::Receiver<bool>,
) {
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
        match admission.admit(peer.ip(), shared.wire.service) {
            Ok(place) => {
                let connection = Connection::new(shared.clone(), stream, peer, stop.clone());
                sessions.spawn(async move {
                    connection.run().await;
                    drop(place);
                });
            }
            Err(too_many) => {
                sessions.spawn(turn_away(stream, shared.wire.clone(), too_many));
            }
        }
    }
    drop(listener);
    let drained = async { while sessions.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        tracing::warn!(event = "drain_cut", "sessions did not end in time and were cut");
        sessions.shutdown().await;
    }
}

async fn turn_away(mut stream: TcpStream, wire: Arc<ServerConfig>, too_many: TooMany) {
    if wire.service == Service::Submissions {
        return; // There is no TLS yet in which to say it.
    }
    let reply = match too_many {
        TooMany::Sessions => Reply::new(421, 3, 2, "Too many sessions just now: try again in a minute"),
        TooMany::FromThisNeighbour => {
            Reply::new(421, 7, 0, "Too many sessions from your network: close some, or try again in a minute")
        }
    };
    let mut session: Session<(), ()> = Session::new(wire);
    session.turn_away(reply);
    let output = session.take_output();
    let _ = tokio::time::timeout(TURN_AWAY, async {
        stream.write_all(&output).await?;
        stream.shutdown().await
    })
    .await;
}
