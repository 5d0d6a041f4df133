//! The door: what happens to a connection between accept and greeting.
//!
//! Rules: the PROXY header first where the peer is a balancer, then a place, then the rate of
//! connections; from there on the client's address counts for everything. A place that another offers goes only to who may come. Whoever is turned away is told why, in clear,
//! but only so many at once: beyond that a connection is closed without a word, so that refusing costs little.
//! When it fails: a connection without a good header is closed; the log says from which balancer, once a minute.

use super::admission::{Admission, Admitted, Claim, TooMany};
use super::connection::{Connection, Shared};
use super::guard::Guard;
use super::limiter::{Limiter, Measure, Subject};
use crate::config::Network;
use crate::relay::Peer;
use crate::smtp::server::{Service, Session};
use crate::smtp::{ProxyFault, ProxyHeader, ProxyStep, Reply, proxy_step};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long a balancer may take for its header; it has it when it connects.
const HEADER: Duration = Duration::from_secs(5);
/// Headers that are waited for at once; a balancer sends them at once.
const HEADERS: usize = 1000;
/// How long a turned-away peer may take to read why.
const TURN_AWAY: Duration = Duration::from_secs(2);
/// Turned-away peers that are told why at once.
const TURNED_AWAY: usize = 100;

/// What all listeners of the process share.
pub(super) struct House {
    pub admission: Arc<Admission>,
    pub limiter: Arc<Limiter>,
    turned_away: Arc<Semaphore>,
    /// Connections of balancers that have not said yet whom they serve.
    headers: Arc<Semaphore>,
}

impl House {
    pub fn new(admission: Arc<Admission>, limiter: Arc<Limiter>) -> Arc<Self> {
        Arc::new(Self {
            admission,
            limiter,
            turned_away: Arc::new(Semaphore::new(TURNED_AWAY)),
            headers: Arc::new(Semaphore::new(HEADERS)),
        })
    }
}

/// One listener's door.
pub(super) struct Door {
    pub house: Arc<House>,
    pub shared: Arc<Shared>,
    /// Whose connections begin with a header.
    pub balancers: Vec<Network>,
}

impl Door {
    /// Takes a connection in, or turns it away, as a task of `sessions`.
    pub fn enter(
        self: &Arc<Self>,
        stream: TcpStream,
        from: SocketAddr,
        stop: watch::Receiver<bool>,
        sessions: &mut JoinSet<()>,
    ) {
        let door = self.clone();
        let (service, admission) = (self.shared.wire.service, &self.house.admission);
        if self.balancers.iter().any(|network| network.contains(from.ip())) {
            // It has not said yet whom it serves: nobody is there to be told, nor to be given another's place.
            if let Ok(turn) = self.house.headers.clone().try_acquire_owned() {
                sessions.spawn(async move { door.behind_balancer(stream, from, turn, stop).await });
            }
            return;
        }
        // Counted before the next connection is accepted, so that a burst from one peer takes no places.
        match admission.place(service, from.ip(), self.claim(from)) {
            Ok(place) => {
                sessions.spawn(async move { door.serve(stream, from, place, stop).await });
            }
            Err(too_many) => self.turn_away(stream, too_many.reply(&self.shared.wire.hostname), sessions),
        }
    }

    /// Who comes too often is turned away in a moment, and must not cost another his place.
    fn claim(&self, from: SocketAddr) -> Claim {
        let limiter = &self.house.limiter;
        let subjects = Subject::of_peer(from.ip());
        let may_come = limiter.is_exempt(from.ip()) || limiter.look(Measure::Connections, &subjects).is_ok();
        if may_come { Claim::Offered } else { Claim::Free }
    }

    async fn behind_balancer(
        self: Arc<Self>,
        mut stream: TcpStream,
        balancer: SocketAddr,
        turn: OwnedSemaphorePermit,
        stop: watch::Receiver<bool>,
    ) {
        let client = match timeout(HEADER, header(&mut stream)).await {
            Ok(Ok(ProxyHeader::Client(client))) => client,
            // Its own check of health: an ordinary session, from the balancer.
            Ok(Ok(ProxyHeader::Local)) => balancer,
            Ok(Err(None)) => return,
            Ok(Err(Some(fault))) => return self.note_fault(&fault.to_string(), balancer),
            Err(_) => return self.note_fault("the PROXY header did not come in time", balancer),
        };
        let service = self.shared.wire.service;
        let place = self.house.admission.place(service, client.ip(), self.claim(client));
        drop(turn);
        match place {
            Ok(place) => self.serve(stream, client, place, stop).await,
            Err(too_many) => self.tell_some(stream, too_many.reply(&self.shared.wire.hostname)).await,
        }
    }

    /// Tells whoever is turned away why, as long as not too many are being told.
    async fn tell_some(&self, stream: TcpStream, reply: Reply) {
        if let Ok(_permit) = self.house.turned_away.try_acquire() {
            self.tell(stream, reply).await;
        }
    }

    async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        from: SocketAddr,
        place: Admitted,
        stop: watch::Receiver<bool>,
    ) {
        let guard = Guard::new(self.house.limiter.clone(), from.ip());
        match guard.connected() {
            Ok(used) => {
                guard.delay(used).await;
                Connection::new(self.shared.clone(), stream, from, guard, place, stop).run().await;
            }
            Err(limited) => {
                let peer = Peer::new(from, self.shared.service());
                guard.note(&limited, &self.shared.relay, None, &peer).await;
                self.tell_some(stream, limited.reply(&self.shared.wire.hostname)).await;
            }
        }
    }

    fn turn_away(self: &Arc<Self>, stream: TcpStream, reply: Reply, sessions: &mut JoinSet<()>) {
        let Ok(permit) = self.house.turned_away.clone().try_acquire_owned() else { return };
        let door = self.clone();
        sessions.spawn(async move {
            door.tell(stream, reply).await;
            drop(permit);
        });
    }

    async fn tell(&self, mut stream: TcpStream, reply: Reply) {
        if self.shared.wire.service == Service::Submissions {
            return; // There is no TLS yet in which to say it.
        }
        let mut session: Session<(), ()> = Session::new(self.shared.wire.clone());
        session.turn_away(self.shared.with_help(reply, "limited"));
        let output = session.take_output();
        let _ = timeout(TURN_AWAY, async {
            stream.write_all(&output).await?;
            stream.shutdown().await
        })
        .await;
    }

    /// A balancer that is set up wrongly, or somebody in its network: worth a line, but not one for each connection.
    fn note_fault(&self, fault: &str, balancer: SocketAddr) {
        let [_, network] = Subject::of_peer(balancer.ip());
        if self.house.limiter.take(Measure::Records, &[network, Subject::All], 1).is_ok() {
            tracing::warn!(
                event = "proxy_refused",
                fault,
                service = self.shared.service(),
                "a connection from proxy_protocol_from was closed: the balancer must send the header, and nobody else"
            );
        }
    }
}

/// Reads exactly a header.
///
/// # Errors
/// `None` when the connection ended first.
async fn header(stream: &mut TcpStream) -> Result<ProxyHeader, Option<ProxyFault>> {
    let mut read = Vec::new();
    loop {
        match proxy_step(&read)? {
            ProxyStep::Done(header) => return Ok(header),
            ProxyStep::Need(more) => {
                let had = read.len();
                read.resize(had.saturating_add(more), 0);
                let missing = read.get_mut(had..).unwrap_or_default();
                stream.read_exact(missing).await.map_err(|_| None)?;
            }
        }
    }
}

impl TooMany {
    /// What the peer is told. `hostname` is ours, for a 421 (RFC 5321 §4.2.3).
    fn reply(self, hostname: &str) -> Reply {
        let (subject, detail, text) = match self {
            TooMany::Sessions => (3, 2, "Too many sessions just now: try again in a minute"),
            TooMany::FromThisNeighbour => {
                (7, 0, "Too many sessions from your network: close some, or try again in a minute")
            }
        };
        Reply::new(421, subject, detail, format!("{hostname} {text}"))
    }
}
