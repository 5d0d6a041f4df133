//! One connection to a next hop: dialling, TLS, and driving the session over the socket.
//!
//! Rules: every wait has the deadline of its phase, counted from the last whole reply, and none but the one for the
//! final dot goes beyond the end of the attempt. What is to be sent together goes in one write, without Nagle's
//! delay. Which address comes next where one does not serve, `reach` says. An address that the DNS named and that turns
//! out to be this machine is not spoken to (5.4.6).
//! When it fails: a [`Verdict`]; after that the connection is of no use.

use super::demand::{Demand, TlsFailure};
use super::dial::is_this_machine;
use super::reach::TlsSeen;
use super::remembered::Remembered;
use super::resolve::{Origin, Target};
use super::source::Sources;
use super::tls::{TlsClient, TlsInfo};
use super::transport::Outgoing;
use crate::smtp::client::{
    Content, Deadlines, Envelope, LoopCheck, Phase, Session, SessionSettings, StartTls, Status, Step, Verdict,
};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::client::TlsStream;

/// Octets read at a time.
const READ: usize = 4096;

/// What dialling needs.
pub(super) struct Dialer {
    pub(super) hostname: String,
    pub(super) deadlines: Deadlines,
    pub(super) tls: TlsClient,
    pub(super) sources: Sources,
    /// Addresses that answered and did not serve.
    pub(super) shunned: Remembered,
}

/// The socket, in clear or not.
enum Wire {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection with its session, ready for transactions.
pub(super) struct Connection {
    wire: Wire,
    session: Session,
    deadlines: Deadlines,
    tls: Option<TlsInfo>,
    public: Option<Result<(), TlsFailure>>,
    address: SocketAddr,
    opened: Instant,
    /// Transactions begun.
    served: u32,
    buffer: Vec<u8>,
    /// The exchange that is timed, and when it began.
    timed: (u64, Instant),
}

/// Why there is no connection.
pub(super) enum Unreached {
    /// TLS was agreed on and did not come about.
    Tls(TlsFailure, Verdict, SocketAddr),
    /// TLS is required and was not offered.
    NoTls(Verdict, SocketAddr),
    Other(Verdict, Option<SocketAddr>),
}

impl Dialer {
    /// A connection to whichever of these addresses of `target` answers first, ready for a transaction.
    ///
    /// # Errors
    /// [`Unreached`], of the address that answered.
    pub(super) async fn open(
        &self,
        target: &Target,
        addresses: &[SocketAddr],
        clear: Clear,
        until: Instant,
    ) -> Result<Connection, Unreached> {
        let deadline = until.min(Instant::now() + self.deadlines.connect);
        let Ok(Ok((address, stream))) = timeout_at(deadline, self.sources.dial(target, addresses)).await
        else {
            return Err(Unreached::nobody());
        };
        if target.origin != Origin::Route && is_this_machine(&stream) {
            let verdict = Verdict::failed(Status::ours(554, 4, 6), Phase::Connect);
            return Err(Unreached::Other(verdict, Some(address)));
        }
        let start_tls = match target.demand {
            Demand::Never => StartTls::Never,
            Demand::May if clear == Clear::Wanted || self.tls.is_broken(address) => StartTls::Never,
            Demand::May => StartTls::IfOffered,
            Demand::Encrypt | Demand::Verify | Demand::Dane(_) => StartTls::Required,
        };
        // Whole commands go in one write each; waiting to fill a packet would only add delay.
        let _ = stream.set_nodelay(true);
        let loop_check = if target.origin == Origin::Route { LoopCheck::Allow } else { LoopCheck::Refuse };
        let settings = SessionSettings { hostname: self.hostname.clone(), start_tls, loop_check };
        let mut connection = Connection {
            wire: Wire::Clear(stream),
            session: Session::new(settings),
            deadlines: self.deadlines,
            tls: None,
            public: None,
            address,
            opened: Instant::now(),
            served: 0,
            buffer: vec![0; READ],
            timed: (0, Instant::now()),
        };
        loop {
            connection = match connection.drive(until).await {
                Step::Ready => return Ok(connection),
                Step::Handshake => self.secure(target, connection, until).await?,
                // Some servers take the handshake and break on the first octet after it.
                Step::Finished(verdict) if connection.tls.is_some() && verdict.remote_text.is_none() => {
                    return Err(Unreached::Tls(TlsFailure::Handshake, verdict, address));
                }
                Step::Finished(verdict)
                    if verdict.phase == Phase::StartTls && start_tls == StartTls::Required =>
                {
                    return Err(Unreached::NoTls(verdict, address));
                }
                Step::Finished(verdict) => return Err(Unreached::Other(verdict, Some(address))),
                Step::Wait | Step::Content => {
                    return Err(Unreached::Other(connection.session.lost(), Some(address)));
                }
            };
        }
    }

    async fn secure(
        &self,
        target: &Target,
        mut connection: Connection,
        until: Instant,
    ) -> Result<Connection, Unreached> {
        let deadline = until.min(Instant::now() + self.deadlines.handshake);
        let address = connection.address;
        let Wire::Clear(stream) = connection.wire else {
            return Err(Unreached::Other(connection.session.lost(), Some(address)));
        };
        let failure = match timeout_at(deadline, self.tls.handshake(target, stream)).await {
            Ok(Ok(secured)) => {
                connection.wire = Wire::Tls(secured.stream);
                connection.tls = Some(secured.info);
                connection.public = Some(secured.public);
                connection.session.secured();
                return Ok(connection);
            }
            Ok(Err(failure)) => failure,
            Err(_) => TlsFailure::Handshake,
        };
        let verdict = Verdict::deferred(Status::ours(451, 7, 5), Phase::Handshake);
        Err(Unreached::Tls(failure, verdict, address))
    }
}

/// Whether a connection is to be in clear.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Clear {
    /// Where the demand lets us choose.
    Avoided,
    Wanted,
}

impl Unreached {
    /// Nobody answers.
    pub(super) fn nobody() -> Self {
        Unreached::Other(Verdict::deferred(Status::ours(451, 4, 1), Phase::Connect), None)
    }

    /// The address that answered.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self {
            Unreached::Tls(_, _, address) | Unreached::NoTls(_, address) => Some(*address),
            Unreached::Other(_, address) => *address,
        }
    }

    /// Whether the host is this one, whatever the address (5.4.6).
    pub(super) fn is_ourselves(&self) -> bool {
        matches!(self, Unreached::Other(verdict, _) if verdict.outcome.status().enhanced == Some((5, 4, 6)))
    }

    pub(super) fn verdict(self) -> Verdict {
        match self {
            Unreached::Tls(_, verdict, _) | Unreached::NoTls(verdict, _) | Unreached::Other(verdict, _) => {
                verdict
            }
        }
    }
}

impl Connection {
    /// What TLS came to, if it is used.
    pub(super) fn tls(&self) -> Option<TlsInfo> {
        self.tls
    }

    /// What was seen of the host's TLS.
    pub(super) fn tls_seen(&self, target: &Target) -> TlsSeen {
        match self.public {
            Some(public) => TlsSeen::Secured(public),
            None if target.demand == Demand::Never || self.session.offered().start_tls => TlsSeen::Nothing,
            None => TlsSeen::Failed(TlsFailure::StartTlsNotSupported),
        }
    }

    /// Where it leads.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How long it has been open.
    pub(super) fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Whether it has served as many messages as we give one, `limit`, or the server said it takes (RFC 9422 §4.1).
    pub(super) fn is_spent(&self, limit: u32) -> bool {
        self.served >= limit.max(1).min(self.session.offered().mail_max.unwrap_or(u32::MAX))
    }

    /// Whether another transaction may begin.
    pub(super) fn is_reusable(&self) -> bool {
        self.session.is_reusable()
    }

    /// Whether the server is silent and has not closed: whatever it has to say now is no good news.
    pub(super) async fn is_quiet(&mut self) -> bool {
        let mut octet = [0];
        poll_fn(|context| {
            let mut buffer = ReadBuf::new(&mut octet);
            Poll::Ready(self.wire.poll_read(context, &mut buffer).is_pending())
        })
        .await
    }

    /// One transaction.
    pub(super) async fn transact(
        &mut self,
        envelope: &Envelope<'_>,
        outgoing: &Outgoing<'_>,
        until: Instant,
    ) -> Verdict {
        self.served += 1;
        if let Step::Finished(verdict) = self.session.begin(envelope) {
            return verdict;
        }
        match self.drive(until).await {
            Step::Finished(verdict) => return verdict,
            Step::Content => {}
            Step::Wait | Step::Handshake | Step::Ready => return self.session.lost(),
        }
        if let Err(verdict) = self.send_content(outgoing, until).await {
            return verdict;
        }
        match self.drive(until).await {
            Step::Finished(verdict) => verdict,
            Step::Wait | Step::Handshake | Step::Ready | Step::Content => self.session.lost(),
        }
    }

    /// Says QUIT and closes, without awaiting the reply (RFC 5321 §4.1.1.10 allows the wait to be short).
    pub(super) async fn close(mut self) {
        self.session.quit();
        let farewell = self.session.take_output();
        let deadline = Instant::now() + self.deadlines.quit;
        let _ = timeout_at(deadline, async {
            self.wire.write(&farewell).await?;
            self.wire.shutdown().await
        })
        .await;
    }

    async fn send_content(&mut self, outgoing: &Outgoing<'_>, until: Instant) -> Result<(), Verdict> {
        let mut content = Content::new(outgoing.message);
        loop {
            let piece = match content.next_piece() {
                Ok(Some(piece)) => piece,
                Ok(None) => return Ok(()),
                // Without the final dot the server throws away what it has.
                Err(_) => {
                    let _ = self.session.lost();
                    return Err(Verdict::failed(Status::ours(554, 6, 0), Phase::Content));
                }
            };
            if content.is_finished() {
                // An answer that is there before the dot is none to it.
                if let Some(verdict) = self.early_words().await {
                    return Err(verdict);
                }
                // From here on nobody can tell whether the dot arrived.
                if !outgoing.dotted.set() {
                    return Err(self.session.lost());
                }
                self.session.content_sent();
            }
            let deadline = until.min(Instant::now() + self.deadlines.content);
            if !matches!(timeout_at(deadline, self.wire.write(&piece)).await, Ok(Ok(()))) {
                return Err(self.last_words().await);
            }
        }
    }

    /// What the server says before it has the message; `None` where it is silent, as it should be.
    async fn early_words(&mut self) -> Option<Verdict> {
        let (wire, buffer) = (&mut self.wire, &mut self.buffer);
        let read = poll_fn(|context| {
            let mut buffer = ReadBuf::new(buffer.as_mut());
            match wire.poll_read(context, &mut buffer) {
                Poll::Pending => Poll::Ready(None),
                Poll::Ready(done) => Poll::Ready(Some(done.map_or(0, |()| buffer.filled().len()))),
            }
        });
        let Some(read) = read.await else {
            // Half a reply that came with what was read before: no answer to a dot that is still to be sent.
            return self.session.has_words().then(|| self.session.lost());
        };
        self.session.feed(self.buffer.get(..read).unwrap_or_default());
        Some(match self.session.step() {
            Step::Finished(verdict) => verdict,
            _ => self.last_words().await,
        })
    }

    /// Writing failed: the server may have said why before it closed.
    async fn last_words(&mut self) -> Verdict {
        let deadline = Instant::now() + self.deadlines.quit;
        while let Ok(Ok(read)) = timeout_at(deadline, self.wire.read(&mut self.buffer)).await {
            if read == 0 {
                break;
            }
            self.session.feed(self.buffer.get(..read).unwrap_or_default());
            if let Step::Finished(verdict) = self.session.step() {
                return verdict;
            }
        }
        self.session.lost()
    }

    /// Writes and reads until the session wants something else; never returns [`Step::Wait`].
    async fn drive(&mut self, until: Instant) -> Step {
        loop {
            let step = self.session.step();
            let output = self.session.take_output();
            if !output.is_empty() {
                let deadline = self.deadline(until);
                // When this fails the server may have said why; reading finds out.
                let _ = timeout_at(deadline, self.wire.write(&output)).await;
            }
            if !matches!(step, Step::Wait) {
                return step;
            }
            let deadline = self.deadline(until);
            match timeout_at(deadline, self.wire.read(&mut self.buffer)).await {
                Ok(Ok(read)) if read > 0 => self.session.feed(self.buffer.get(..read).unwrap_or_default()),
                _ => return Step::Finished(self.session.lost()),
            }
        }
    }

    /// When the present exchange must be over.
    fn deadline(&mut self, until: Instant) -> Instant {
        if self.timed.0 != self.session.exchange() {
            self.timed = (self.session.exchange(), Instant::now());
        }
        let phase = self.session.phase();
        let own = self.timed.1 + self.deadlines.of(phase);
        // Giving up on the answer to the final dot makes duplicates: it has all of its time.
        if phase == Phase::Dot { own } else { own.min(until) }
    }
}

impl Wire {
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Clear(stream) => stream.read(buffer).await,
            Wire::Tls(stream) => stream.read(buffer).await,
        }
    }

    async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        match self {
            Wire::Clear(stream) => stream.write_all(octets).await,
            Wire::Tls(stream) => {
                stream.write_all(octets).await?;
                stream.flush().await
            }
        }
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        match self {
            Wire::Clear(stream) => stream.shutdown().await,
            Wire::Tls(stream) => stream.shutdown().await,
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Wire::Clear(stream) => Pin::new(stream).poll_read(context, buffer),
            Wire::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, buffer),
        }
    }
}
