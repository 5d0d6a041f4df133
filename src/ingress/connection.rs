//! One connection: octets between socket and [`Session`], events between [`Session`] and [`Relay`], and deadlines.
//!
//! Rules: a client has its time for a command and for a block of data (`times`), counted from our last reply, not from
//! its last octet; a message must come at a rate, where haste buys no more rest than a block of data has, so that who
//! stops sending cannot hold memory. Between two chunks of a message these clocks go on. What is committed is acknowledged even when we are stopping.

mod checks;

use super::admission::Admitted as Place;
use super::blocklist::{Blocklists, Listed};
use super::clamd::Scanner;
use super::guard::Guard;
use super::memory::{Budget, Class, Share};
use super::stream::Stream;
use super::times::Times;
use crate::mail::RealAddress;
use crate::relay::{COPIES_MAX, Incoming, Login, MailParameters, Peer, Recipient, Refusal, Relay, Wishes};
use crate::smtp::server::{Envelope, Event, MailCommand, Phase, RcptCommand, ServerConfig, Service, Session};
use crate::smtp::{Credentials, ForwardPath, Proof, Reply};
use crate::store::Patience;
use crate::vault::Secret;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use zeroize::Zeroizing;

/// The longest wait for a command while three quarters of all places are taken: idle sessions make room.
const COMMAND_IF_CROWDED: Duration = Duration::from_secs(30);
/// Refused recipients of one session that are recorded one by one.
const REFUSALS_RECORDED: u32 = 10;

/// What the sessions of a listener share.
pub(super) struct Shared {
    pub relay: Relay,
    pub wire: Arc<ServerConfig>,
    pub tls: Arc<rustls::ServerConfig>,
    pub budget: Arc<Budget>,
    pub times: Times,
    /// Where the help pages are.
    pub public_url: Option<String>,
    pub blocklists: Option<Blocklists>,
    pub greylist: Option<Patience>,
    pub scanner: Option<Arc<Scanner>>,
}

impl Shared {
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
    sender: Option<RealAddress>,
    /// Octets that MAIL declared, and recipients admitted since.
    declared: Option<u64>,
    admitted: u64,
    /// Whether the transaction may be answered in UTF-8.
    smtputf8: bool,
    /// What the block lists say of the peer, once they were asked.
    listed: Option<Listed>,
    share: Share,
    refusals: u32,
    limits_met: u32,
    guard: Guard,
    place: Place,
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
            sender: None,
            declared: None,
            admitted: 0,
            smtputf8: false,
            listed: None,
            refusals: 0,
            limits_met: 0,
            guard,
            place,
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
            self.session.turn_away(Reply::new(554, 5, 0, "You spoke before the greeting: wait for it"));
        }
        self.converse().await;
    }

    async fn converse(&mut self) {
        let times = self.shared.times;
        let mut deadline = self.deadline();
        let mut paid_until: Option<Instant> = None;
        loop {
            while let Some(event) = self.session.next_event() {
                if let Event::Closed = event {
                    let _ = self.flush().await;
                    let _ = timeout(times.write, self.stream.shutdown()).await;
                    return;
                }
                // What an event needs is large; a session that waits must not hold the room for it.
                if !Box::pin(self.react(event)).await {
                    return;
                }
                deadline = self.deadline();
            }
            match self.flush().await {
                Ok(true) => deadline = self.deadline(),
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
            let (stream, session) = (&mut self.stream, &mut self.session);
            let read = tokio::select! {
                read = timeout_at(deadline, stream.read(|octets| session.receive(octets))) => read,
                _ = self.stop.wait_for(|stop| *stop), if phase != Phase::Data => {
                    self.session.shutting_down();
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
        let patience = self.shared.times.handshake;
        let begun = Box::pin(self.stream.start_tls(self.shared.tls.clone(), patience)).await;
        let Some((tls, certificate)) = begun else { return false };
        (self.peer.tls, self.peer.certificate) = (Some(tls), certificate);
        true
    }

    fn deadline(&self) -> Instant {
        let patience = self.shared.times.command;
        Instant::now() + if self.place.is_crowded() { patience.min(COMMAND_IF_CROWDED) } else { patience }
    }

    /// What binds a client's proof to this connection (RFC 9266 §2).
    fn bind_channel(&mut self) {
        if let Some(octets) = self.stream.channel_binding() {
            self.session.bind_channel(octets);
        }
    }

    async fn authenticate(&mut self, credentials: Credentials) {
        self.note_hello();
        if let Err(limited) = self.guard.login().await {
            let reply = self.limited(&limited).await;
            return self.session.answer_auth(Err(reply));
        }
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
                    self.guard.login_failed();
                }
                if refusal == Refusal::Credentials && self.guard.may_record() {
                    relay.record_login(None, credentials.auth_id(), &self.peer).await;
                }
                let reply = match refusal {
                    Refusal::Credentials => self.told(&refusal),
                    _ => refusal.auth_reply(),
                };
                self.session.answer_auth(Err(reply));
            }
        }
    }

    async fn mail(&mut self, command: MailCommand) {
        self.note_hello();
        self.smtputf8 = command.smtputf8;
        let relay = &self.shared.relay;
        let verdict = match (&self.login, &command.reverse_path) {
            (Some(login), sender) => relay.submission_sender(login, sender.as_ref()).await,
            (None, Some(sender)) if relay.is_own_domain(sender) => Err(Refusal::OwnDomain),
            (None, _) => Ok(()),
        };
        if verdict.is_ok()
            && let Err(limited) = self.guard.mail(self.login.as_ref(), command.reverse_path.as_ref()).await
        {
            let reply = self.limited(&limited).await;
            return self.session.answer_mail(Err(reply));
        }
        match verdict {
            Ok(()) => {
                self.share.is_for(if self.login.is_some() { Class::Known } else { Class::Stranger });
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
                self.session.answer_mail(Err(self.told(&refusal)));
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
                if let Some(refusal) = self.stopped(&recipient).await {
                    let reply = self.told(&refusal);
                    return self.session.answer_rcpt(Err(reply));
                }
                if let Err(limited) = self.guard.recipient(self.login.as_ref(), &recipient).await {
                    let reply = self.limited(&limited).await;
                    return self.session.answer_rcpt(Err(reply));
                }
                if let Recipient::Party { .. } = recipient {
                    self.share.is_for(Class::Known);
                }
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
                    (self.refusals <= REFUSALS_RECORDED && self.guard.may_record(), &command.forward_path)
                {
                    let login = self.login.as_ref();
                    relay
                        .record_refused_recipient(login, self.sender.as_ref(), to, &refusal, &self.peer)
                        .await;
                }
                let limited = match refusal {
                    Refusal::UnknownAlias => self.guard.unknown_recipient().await.err(),
                    _ => None,
                };
                let reply = match limited {
                    Some(limited) => self.limited(&limited).await,
                    None => self.told(&refusal),
                };
                self.session.answer_rcpt(Err(reply));
            }
        }
    }

    async fn message(&mut self, envelope: Envelope<Admitted, Option<RealAddress>>, bytes: Vec<u8>) {
        self.guard.message(self.login.as_ref(), bytes.len());
        // The message is the driver's now, and counts until it is answered, with what it becomes.
        let copies = envelope.recipients.len();
        let held = bytes.len().saturating_mul(copies.saturating_add(1));
        if !self.share.hold(self.session.held().saturating_add(held)) && copies > 1 {
            self.session.answer_message(Err(self.told(&Refusal::NoSpace)));
            self.share.hold(self.session.held());
            return;
        }
        if let Some(refusal) = self.scanned(&bytes).await {
            let reply = self.told(&refusal);
            self.session.answer_message(Err(reply));
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
                self.session.answer_message(Err(self.told(&refusal)));
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
