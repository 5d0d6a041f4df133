//! One connection: octets between socket and [`Session`], events between [`Session`] and [`Relay`], and deadlines.
//!
//! Rules: a client has its time for a command and for a block of data (`times`), counted from our last reply, not from
//! its last octet, and its time for all of them together (`patience`); a message must come at a rate, where haste buys no more rest than a block of data has, so that who
//! stops sending cannot hold memory. Between two chunks of a message these clocks go on. What is committed is acknowledged even when we are stopping.

mod auth;
mod checks;
mod envelope;
pub(super) mod patience;

use self::auth::Proven;
use self::patience::Standing;
use super::admission::Admitted as Place;
use super::blocklist::{Blocklists, Listed};
use super::clamd::Scanner;
use super::guard::Guard;
use super::memory::{Budget, Share};
use super::rspamd::Filter;
use super::stream::Stream;
use super::times::Times;
use super::words::{proof, shown_ids};
use crate::mail::RealAddress;
use crate::relay::{Incoming, Login, MailParameters, Peer, Recipient, Refusal, Relay, Wishes};
use crate::senders::Verifier;
use crate::smtp::server::{Envelope, Event, Phase, ServerConfig, Service, Session};
use crate::smtp::{Reply, Ret};
use crate::store::Patience;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

/// The longest wait for a peer to take the last word where its place is another's already.
const LAST_WORD: Duration = Duration::from_secs(2);
/// Refused recipients of one session that are recorded one by one.
const REFUSALS_RECORDED: u32 = 10;

/// What the sessions of a listener share.
pub(super) struct Shared {
    pub relay: Relay,
    pub wire: Arc<ServerConfig>,
    pub tls: Arc<rustls::ServerConfig>,
    pub budget: Arc<Budget>,
    /// Who is writing on port 25.
    pub verifier: Arc<Verifier>,
    pub times: Times,
    /// Where the help pages are.
    pub public_url: Option<String>,
    pub blocklists: Option<Blocklists>,
    pub greylist: Option<Patience>,
    pub scanner: Option<Arc<Scanner>>,
    pub filter: Option<Arc<Filter>>,
}

impl Shared {
    /// A reply that leads to a help page, where there is one for everybody.
    pub fn with_help(&self, reply: Reply, page: &str) -> Reply {
        match &self.public_url {
            Some(url) => reply.line(format!("See {url}/help/{page}")),
            None => reply,
        }
    }

    /// The word for the service in log and record.
    pub fn service(&self) -> &'static str {
        match self.wire.service {
            Service::Mx => "mx",
            Service::Submission => "submission",
            Service::Submissions => "submissions",
        }
    }
}

/// A recipient that was admitted, with when its sender wants to be told.
struct Admitted {
    recipient: Recipient,
    wishes: Wishes,
}

type Wire = Session<Admitted, Option<RealAddress>>;

/// A connection and its session.
pub(super) struct Connection {
    shared: Arc<Shared>,
    stream: Stream,
    session: Wire,
    peer: Peer,
    login: Option<Login>,
    /// When what it logged in with was last known to stand.
    asked_at: Instant,
    /// The SCRAM exchange that goes on, or was broken off.
    proven: Option<Proven>,
    sender: Option<RealAddress>,
    /// Octets that MAIL declared, and recipients admitted since.
    declared: Option<u64>,
    admitted: u64,
    /// Whether they are the operator.
    is_for_operator: bool,
    /// Whether the transaction may be answered in UTF-8.
    smtputf8: bool,
    /// What the block lists say of the peer, once they were asked.
    listed: Option<Listed>,
    share: Share,
    refusals: u32,
    limits_met: u32,
    guard: Guard,
    place: Place,
    standing: Standing,
    stop: watch::Receiver<bool>,
}

impl Connection {
    pub fn new(
        shared: Arc<Shared>,
        stream: TcpStream,
        address: SocketAddr,
        guard: Guard,
        place: Place,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let peer = Peer::new(address, shared.service());
        Self {
            session: Session::new(shared.wire.clone()),
            share: Share::new(shared.budget.clone()),
            stream: Stream::Plain(stream),
            shared,
            peer,
            login: None,
            asked_at: Instant::now(),
            proven: None,
            sender: None,
            declared: None,
            admitted: 0,
            is_for_operator: false,
            smtputf8: false,
            listed: None,
            refusals: 0,
            limits_met: 0,
            guard,
            place,
            standing: Standing::new(),
            stop,
        }
    }

    /// Runs the session to its end. Ends quietly when the peer goes away.
    pub async fn run(mut self) {
        if self.shared.wire.service == Service::Submissions {
            if !self.handshake().await {
                return;
            }
            self.bind_channel();
        } else if self.stream.has_spoken() {
            // RFC 5321 §4.3.1: the client waits for the greeting. Who does not is no mail server.
            let reply = Reply::new(554, 5, 0, "You spoke before the greeting: wait for it");
            self.session.turn_away(self.shared.with_help(reply, "protocol"));
        }
        self.converse().await;
    }

    async fn converse(&mut self) {
        let times = self.shared.times;
        let mut asked = Instant::now();
        let mut paid_until: Option<Instant> = None;
        loop {
            while let Some(event) = self.session.next_event() {
                self.note_refused();
                if let Event::Closed = event {
                    let patience = if self.place.has_given() { LAST_WORD } else { times.write };
                    let last = async {
                        let _ = self.flush().await;
                        let _ = self.stream.shutdown().await;
                    };
                    let _ = timeout(patience, last).await;
                    return;
                }
                // What is being worked on is nobody's to take.
                self.place.offer(None);
                // What an event needs is large; a session that waits must not hold the room for it.
                if !Box::pin(self.react(event)).await {
                    return;
                }
                asked = Instant::now();
            }
            self.note_refused();
            match self.flush().await {
                Ok(true) => asked = Instant::now(),
                Ok(false) => {}
                Err(_) => return,
            }
            let phase = self.session.phase();
            let deadline = if phase == Phase::Data { Instant::now() + times.data } else { self.wake(asked) };
            if phase != Phase::Data && self.end_if_late(asked) {
                continue;
            }
            if phase == Phase::Data {
                if *paid_until.get_or_insert_with(|| Instant::now() + times.grace) < Instant::now() {
                    self.session.timed_out();
                    continue;
                }
            } else {
                paid_until = None;
            }
            if !self.session.wants_input() {
                // Nothing to do and nothing to read: the session waits for nobody. It cannot happen while events are
                // answered at once; if it did, ending is better than spinning.
                return;
            }
            self.offer(phase);
            let (stream, session) = (&mut self.stream, &mut self.session);
            let read = tokio::select! {
                read = timeout_at(deadline, stream.read(|octets| session.receive(octets))) => read,
                _ = self.stop.wait_for(|stop| *stop), if phase != Phase::Data => {
                    self.session.shutting_down();
                    continue;
                }
                () = self.place.given() => {
                    self.session.make_room();
                    continue;
                }
            };
            match read {
                Ok(Ok(0) | Err(_)) => return,
                Ok(Ok(n)) => {
                    if let Some(until) = &mut paid_until {
                        *until = (*until + times.bought(n)).min(Instant::now() + times.data);
                    }
                    if !self.share.hold(self.session.held()) {
                        self.session.discard_message();
                    }
                }
                Err(_) if phase == Phase::Data => self.session.timed_out(),
                // It is looked at again, above.
                Err(_) => {}
            }
        }
    }

    /// Writes what the session has to say. Whether it said something.
    async fn flush(&mut self) -> std::io::Result<bool> {
        let output = self.session.take_output();
        if output.is_empty() {
            return Ok(false);
        }
        timeout(self.shared.times.write, self.stream.write(&output))
            .await
            .map_err(|_| std::io::ErrorKind::TimedOut)??;
        Ok(true)
    }

    /// Answers an event. `false` when the connection is gone.
    async fn react(&mut self, event: Event<Admitted, Option<RealAddress>>) -> bool {
        match event {
            Event::StartTls => {
                if self.flush().await.is_err() || !self.handshake().await {
                    return false;
                }
                self.session.tls_started();
                self.bind_channel();
                (self.login, self.proven) = (None, None);
            }
            Event::Auth(credentials) => self.authenticate(credentials).await,
            Event::Scram(name) => self.begin_scram(name).await,
            Event::LoggedIn => self.take_in().await,
            Event::Mail(command) => self.mail(command).await,
            Event::Rcpt(command) => self.rcpt(command).await,
            Event::Message { envelope, bytes } => self.message(envelope, bytes).await,
            Event::Closed => {}
        }
        true
    }

    async fn handshake(&mut self) -> bool {
        let patience = self.shared.times.handshake;
        self.offer(Phase::Tls);
        let begun = tokio::select! {
            begun = Box::pin(self.stream.start_tls(self.shared.tls.clone(), patience)) => begun,
            () = self.place.given() => None,
        };
        let Some((tls, certificate)) = begun else { return false };
        (self.peer.tls, self.peer.certificate) = (Some(tls), certificate);
        true
    }

    /// What binds a client's proof to this connection (RFC 9266 §2).
    fn bind_channel(&mut self) {
        if let Some(octets) = self.stream.channel_binding() {
            self.session.bind_channel(octets);
        }
    }

    async fn message(&mut self, envelope: Envelope<Admitted, Option<RealAddress>>, bytes: Vec<u8>) {
        self.guard.message(self.login.as_ref(), bytes.len());
        // The message is the driver's now, and counts until it is answered, with what it becomes.
        let copies = envelope.recipients.len();
        let held = bytes.len().saturating_mul(copies.saturating_add(1));
        // What is here already is judged, unless it is a stranger's: theirs together must leave orders their part.
        let fits = self.share.hold(self.session.held().saturating_add(held));
        if !fits && (copies > 1 || self.share.is_strangers()) {
            self.session.answer_message(Err(self.told(&Refusal::NoSpace)));
            self.share.hold(self.session.held());
            return;
        }
        let looked = self.looked_at(&bytes, envelope.sender.as_ref()).await;
        let label = match looked {
            Ok(label) => label,
            Err(refusal) => {
                self.note(&refusal, "data");
                self.session.answer_message(Err(self.told(&refusal)));
                self.share.hold(self.session.held());
                return;
            }
        };
        let octets = bytes.len();
        let incoming = Incoming {
            peer: &self.peer,
            login: self.login.as_ref(),
            sender: envelope.sender.as_ref(),
            recipients: envelope.recipients.into_iter().map(|a| (a.recipient, a.wishes)).collect(),
            parameters: MailParameters {
                envelope_id: envelope.params.envid.as_ref().map(|id| id.reveal().to_owned()),
                full: envelope.params.ret == Some(Ret::Full),
                smtputf8: envelope.params.smtputf8,
                body: envelope.params.body,
                require_tls: envelope.params.require_tls,
                label,
            },
            bytes,
            proof: proof(&self.shared, self.login.as_ref()),
            said: crate::relay::Said::default(),
        };
        let result = self.shared.relay.accept(incoming).await;
        match result {
            Ok(receipt) => {
                // The operator's mailbox is filled by whoever writes, proven or not.
                self.standing.accepted();
                if receipt.is_proven || self.is_for_operator {
                    self.guard.proven(octets);
                }
                for id in &receipt.queue_ids {
                    tracing::info!(event = "accepted", queue_id = %id, service = self.peer.service);
                }
                self.session.answer_message(Ok(&shown_ids(&receipt.queue_ids)));
            }
            Err(refusal) => {
                self.note(&refusal, "data");
                self.session.answer_message(Err(self.told(&refusal)));
            }
        }
        self.share.hold(self.session.held());
    }

    fn note_hello(&mut self) {
        if let Some(hello) = self.session.hello() {
            self.peer.helo = hello.reveal_name().to_owned();
        }
    }
}
