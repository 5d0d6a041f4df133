//! One connection: octets between socket and [`Session`], events between [`Session`] and [`Relay`], and deadlines.
//!
//! Rules: a client has its time for a command and for a block of data (`times`), counted from our last reply, not from
//! its last octet; a message must come at a rate, where haste buys no more rest than a block of data has, so that who
//! stops sending cannot hold memory. Between two chunks of a message these clocks go on. What is committed is acknowledged even when we are stopping.

use super::memory::{Budget, Share};
use super::times::Times;
use crate::mail::RealAddress;
use crate::relay::{COPIES_MAX, Incoming, Login, MailParameters, Peer, Recipient, Refusal, Relay, Wishes};
use crate::smtp::server::{Envelope, Event, MailCommand, Phase, RcptCommand, ServerConfig, Service, Session};
use crate::smtp::{Credentials, ForwardPath, Proof, Reply};
use crate::vault::Secret;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use zeroize::Zeroizing;

/// Octets read at once.
const BLOCK: usize = 16 * 1024;
/// Refused recipients of one session that are recorded one by one.
const REFUSALS_RECORDED: u32 = 10;

/// What the sessions of a listener share.
pub(super) struct Shared {
    pub relay: Relay,
    pub wire: Arc<ServerConfig>,
    pub tls: Arc<rustls::ServerConfig>,
    pub budget: Arc<Budget>,
    pub times: Times,
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
    sender: Option<RealAddress>,
    /// Octets that MAIL declared, and recipients admitted since.
    declared: Option<u64>,
    admitted: u64,
    share: Share,
    refusals: u32,
    stop: watch::Receiver<bool>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// Between the two, and after a failed handshake.
    Gone,
}

impl Connection {
    pub fn new(
        shared: Arc<Shared>,
        stream: TcpStream,
        address: SocketAddr,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let service = match shared.wire.service {
            Service::Mx => "mx",
            Service::Submission => "submission",
            Service::Submissions => "submissions",
        };
        let peer = Peer {
            ip: address.ip().to_canonical(),
            port: address.port(),
            helo: String::new(),
            tls: None,
            service,
        };
        Self {
            session: Session::new(shared.wire.clone()),
            share: Share::new(shared.budget.clone()),
            stream: Stream::Plain(stream),
            shared,
            peer,
            login: None,
            sender: None,
            declared: None,
            admitted: 0,
            refusals: 0,
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
        } else if self.talks_first() {
            // RFC 5321 §4.3.1: the client waits for the greeting. Who does not is no mail server.
            self.session.turn_away(Reply::new(554, 5, 0, "You spoke before the greeting: wait for it"));
        }
        self.converse().await;
    }

    fn talks_first(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => matches!(stream.try_read(&mut [0_u8; 1]), Ok(n) if n > 0),
            _ => false,
        }
    }

    async fn converse(&mut self) {
        let mut block = vec![0_u8; BLOCK];
        let times = self.shared.times;
        let mut deadline = Instant::now() + times.command;
        let mut paid_until: Option<Instant> = None;
        loop {
            while let Some(event) = self.session.next_event() {
                if let Event::Closed = event {
                    let _ = self.flush().await;
                    let _ = timeout(times.write, self.stream.shutdown()).await;
                    return;
                }
                if !self.react(event).await {
                    return;
                }
                deadline = Instant::now() + times.command;
            }
            match self.flush().await {
                Ok(true) => deadline = Instant::now() + times.command,
                Ok(false) => {}
                Err(_) => return,
            }
            let phase = self.session.phase();
            if phase == Phase::Data {
                deadline = Instant::now() + times.data;
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
            let read = tokio::select! {
                read = timeout_at(deadline, self.stream.read(&mut block)) => read,
                _ = self.stop.wait_for(|stop| *stop), if phase != Phase::Data => {
                    self.session.shutting_down();
                    continue;
                }
            };
            match read {
                Ok(Ok(0) | Err(_)) => return,
                Ok(Ok(n)) => {
                    self.session.receive(block.get(..n).unwrap_or_default());
                    if let Some(until) = &mut paid_until {
                        *until = (*until + times.bought(n)).min(Instant::now() + times.data);
                    }
                    if !self.share.hold(self.session.held()) {
                        self.session.discard_message();
                    }
                }
                Err(_) => self.session.timed_out(),
            }
        }
    }

    /// Writes what the session has to say. Whether it said something.
    async fn flush(&mut self) -> std::io::Result<bool> {
        let output = self.session.take_output();
        if output.is_empty() {
            return Ok(false);
        }
        let write = async {
            self.stream.write_all(&output).await?;
            self.stream.flush().await
        };
        timeout(self.shared.times.write, write).await.map_err(|_| std::io::ErrorKind::TimedOut)??;
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
                self.login = None;
            }
            Event::Auth(credentials) => self.authenticate(credentials).await,
            Event::Scram(name) => {
                let verdict = self.shared.relay.scram(name.auth_id()).await;
                self.session.answer_scram(verdict.map_err(|refusal| refusal.auth_reply()));
            }
            Event::Mail(command) => self.mail(command).await,
            Event::Rcpt(command) => self.rcpt(command).await,
            Event::Message { envelope, bytes } => self.message(envelope, bytes).await,
            Event::Closed => {}
        }
        true
    }

    async fn handshake(&mut self) -> bool {
        let Stream::Plain(stream) = std::mem::replace(&mut self.stream, Stream::Gone) else { return false };
        let acceptor = TlsAcceptor::from(self.shared.tls.clone());
        let Ok(Ok(stream)) = timeout(self.shared.times.handshake, acceptor.accept(stream)).await else {
            return false;
        };
        let (_, tls) = stream.get_ref();
        let version = tls.protocol_version().and_then(|version| version.as_str()).unwrap_or("TLS");
        let suite = tls.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("?");
        self.peer.tls = Some(format!("{version} {suite}"));
        self.stream = Stream::Tls(Box::new(stream));
        true
    }

    /// What binds a client's proof to this connection (RFC 9266 §2). With TLS 1.2 it is unique only where the handshake
    /// used extended_master_secret, which nobody tells us, so there channel binding is not offered (RFC 9266 §4.2).
    fn bind_channel(&mut self) {
        let Stream::Tls(stream) = &self.stream else { return };
        let (_, tls) = stream.get_ref();
        if tls.protocol_version() != Some(rustls::ProtocolVersion::TLSv1_3) {
            return;
        }
        if let Ok(octets) = tls.export_keying_material([0_u8; 32], b"EXPORTER-Channel-Binding", Some(b"")) {
            self.session.bind_channel(octets);
        }
    }

    async fn authenticate(&mut self, credentials: Credentials) {
        self.note_hello();
        let relay = &self.shared.relay;
        let result = match credentials.proof() {
            Proof::Password(password) => {
                let password = Secret::received(Zeroizing::new(password.reveal().to_owned()));
                relay.authenticate(credentials.auth_id(), &password).await
            }
            Proof::Known => relay.authenticated(credentials.auth_id()).await,
            Proof::Unknown => Err(Refusal::Credentials),
        };
        match result {
            Ok(login) => {
                relay.record_login(Some(&login), credentials.auth_id(), &self.peer).await;
                self.login = Some(login);
                self.session.answer_auth(Ok(()));
            }
            Err(refusal) => {
                if refusal == Refusal::Credentials {
                    relay.record_login(None, credentials.auth_id(), &self.peer).await;
                }
                self.session.answer_auth(Err(refusal.auth_reply()));
            }
        }
    }

    async fn mail(&mut self, command: MailCommand) {
        self.note_hello();
        let relay = &self.shared.relay;
        let verdict = match (&self.login, &command.reverse_path) {
            (Some(login), sender) => relay.submission_sender(login, sender.as_ref()).await,
            (None, Some(sender)) if relay.is_own_domain(sender) => Err(Refusal::OwnDomain),
            (None, _) => Ok(()),
        };
        match verdict {
            Ok(()) => {
                self.sender = command.reverse_path.as_ref().map(RealAddress::again);
                (self.declared, self.admitted) = (command.size, 0);
                self.session.answer_mail(Ok(command.reverse_path));
            }
            Err(refusal) => {
                tracing::info!(
                    event = "refused",
                    at = "mail",
                    reason = refusal.name(),
                    service = self.peer.service
                );
                self.session.answer_mail(Err(refusal.reply()));
            }
        }
    }

    async fn rcpt(&mut self, command: RcptCommand) {
        let relay = &self.shared.relay;
        let verdict = match &command.forward_path {
            ForwardPath::Mailbox(to) => match &self.login {
                Some(login) => relay.submission_recipient(login, to).await,
                None => relay.mx_recipient(self.sender.as_ref(), to).await,
            },
            ForwardPath::Postmaster => Err(Refusal::UnknownAlias),
        };
        match verdict {
            // The client sends to the rest in its next transaction (RFC 5321 §4.5.3.1.10).
            Ok(_) if self.admitted > 0 && self.would_be() > COPIES_MAX => {
                let text =
                    "The message is too large for more recipients at once: send to the rest separately";
                self.session.answer_rcpt(Err(Reply::new(452, 5, 3, text)));
            }
            Ok(recipient) => {
                self.admitted += 1;
                let wishes = Wishes::from(&command.params);
                self.session.answer_rcpt(Ok(Admitted { recipient, wishes }));
            }
            Err(refusal) => {
                tracing::info!(
                    event = "refused",
                    at = "rcpt",
                    reason = refusal.name(),
                    service = self.peer.service
                );
                self.refusals += 1;
                if let (true, ForwardPath::Mailbox(to)) =
                    (self.refusals <= REFUSALS_RECORDED, &command.forward_path)
                {
                    let login = self.login.as_ref();
                    relay
                        .record_refused_recipient(login, self.sender.as_ref(), to, &refusal, &self.peer)
                        .await;
                }
                self.session.answer_rcpt(Err(refusal.reply()));
            }
        }
    }

    async fn message(&mut self, envelope: Envelope<Admitted, Option<RealAddress>>, bytes: Vec<u8>) {
        // The message is the driver's now, and counts until it is answered, with what it becomes.
        let copies = envelope.recipients.len();
        let held = bytes.len().saturating_mul(copies.saturating_add(1));
        if !self.share.hold(self.session.held().saturating_add(held)) && copies > 1 {
            self.session.answer_message(Err(Refusal::NoSpace.reply()));
            self.share.hold(self.session.held());
            return;
        }
        let incoming = Incoming {
            peer: &self.peer,
            login: self.login.as_ref(),
            sender: envelope.sender.as_ref(),
            recipients: envelope.recipients.into_iter().map(|a| (a.recipient, a.wishes)).collect(),
            parameters: MailParameters {
                envelope_id: envelope.params.envid.as_ref().map(|id| id.reveal().to_owned()),
                smtputf8: envelope.params.smtputf8,
                body: envelope.params.body,
                require_tls: envelope.params.require_tls,
            },
            bytes,
        };
        let result = self.shared.relay.accept(incoming).await;
        match result {
            Ok(receipt) => {
                for id in &receipt.queue_ids {
                    tracing::info!(event = "accepted", queue_id = %id, service = self.peer.service);
                }
                self.session.answer_message(Ok(&shown_ids(&receipt.queue_ids)));
            }
            Err(refusal) => {
                tracing::info!(
                    event = "refused",
                    at = "data",
                    reason = refusal.name(),
                    service = self.peer.service
                );
                self.session.answer_message(Err(refusal.reply()));
            }
        }
        self.share.hold(self.session.held());
    }

    /// Octets of all messages, with one recipient more, by what MAIL declared.
    fn would_be(&self) -> u64 {
        self.declared.unwrap_or(0).saturating_mul(self.admitted.saturating_add(1))
    }

    fn note_hello(&mut self) {
        if let Some(hello) = self.session.hello() {
            self.peer.helo = hello.reveal_name().to_owned();
        }
    }
}

/// The queue ids that fit a reply line of 512 octets (RFC 5321 §4.5.3.1.5); one recipient's message has one.
fn shown_ids(ids: &[String]) -> String {
    const SHOWN: usize = 20;
    let shown = ids.get(..SHOWN).unwrap_or(ids).join(" ");
    if ids.len() > SHOWN { format!("{shown} and {} more", ids.len() - SHOWN) } else { shown }
}

impl Stream {
    async fn read(&mut self, block: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Stream::Plain(stream) => read(stream, block).await,
            Stream::Tls(stream) => read(stream, block).await,
            Stream::Gone => Ok(0),
        }
    }

    async fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.write_all(bytes).await,
            Stream::Tls(stream) => stream.write_all(bytes).await,
            Stream::Gone => Err(std::io::ErrorKind::NotConnected.into()),
        }
    }

    async fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.flush().await,
            Stream::Tls(stream) => stream.flush().await,
            Stream::Gone => Ok(()),
        }
    }

    async fn shutdown(&mut self) -> std::io::Result<()> {
        match self {
            Stream::Plain(stream) => close(stream).await,
            Stream::Tls(stream) => close(stream).await,
            Stream::Gone => Ok(()),
        }
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin), block: &mut [u8]) -> std::io::Result<usize> {
    stream.read(block).await
}

async fn close(stream: &mut (impl AsyncWrite + Unpin)) -> std::io::Result<()> {
    stream.shutdown().await
}
