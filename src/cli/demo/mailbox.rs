//! A mail server of one side: takes mail for its domain on a loopback port, with STARTTLS, and hands it on with the
//! envelope as it saw it.
//!
//! Rules: the session is the relay's own sans-IO server. At most [`SESSIONS`] at once and [`QUEUE`] mails that nobody
//! has looked at; further ones wait. Any address of its domain is a mailbox. What a server sees it may print: these
//! are the demo's own people.
//! When it fails: at the beginning, when no port can be bound. A broken connection is that connection's end.

use super::cast::Player;
use crate::cli::output::Failure;
use crate::mail::{Domain, RealAddress};
use crate::smtp::server::{Event, Limits, Phase, ServerConfig, Service, Session};
use crate::smtp::{ForwardPath, Reply};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// Sessions at once.
const SESSIONS: usize = 32;
/// Mails that wait to be looked at.
const QUEUE: usize = 8;
/// Patience with a peer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Octets read at once.
const BLOCK: usize = 16 * 1024;

/// A mail that arrived.
pub(super) struct Arrival {
    /// The server that took it.
    pub server: &'static str,
    /// Whose server it is.
    pub role: &'static str,
    /// What the client called itself.
    pub helo: String,
    /// MAIL FROM, without brackets; empty for the null reverse-path.
    pub mail_from: String,
    /// RCPT TO.
    pub rcpt_to: Vec<String>,
    /// TLS version and cipher suite, if it was used.
    pub tls: Option<String>,
    /// As it came, dots unstuffed.
    pub octets: Vec<u8>,
}

/// A running mail server. It ends when dropped.
pub(super) struct Mailbox {
    /// Where it listens.
    pub address: SocketAddr,
    accepting: JoinHandle<()>,
}

struct Shared {
    player: &'static Player,
    domain: Domain,
    wire: Arc<ServerConfig>,
    tls: TlsAcceptor,
    arrivals: mpsc::Sender<Arrival>,
}

impl Mailbox {
    /// Opens a mail server with a certificate of its own; what arrives goes to `arrivals`.
    pub async fn open(player: &'static Player, arrivals: mpsc::Sender<Arrival>) -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let wire = ServerConfig {
            hostname: player.receives_as.to_owned(),
            service: Service::Mx,
            starttls_available: true,
            limits: Limits::of(Service::Mx),
            help: None,
        };
        let shared = Arc::new(Shared {
            player,
            domain: Domain::parse(player.domain)?,
            wire: Arc::new(wire),
            tls: acceptor(player.receives_as)?,
            arrivals,
        });
        let accepting = tokio::spawn(accept(listener, shared));
        Ok(Self { address, accepting })
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A channel of the size that mailboxes are made for.
pub(super) fn channel() -> (mpsc::Sender<Arrival>, mpsc::Receiver<Arrival>) {
    mpsc::channel(QUEUE)
}

fn acceptor(name: &str) -> Result<TlsAcceptor, Failure> {
    let made = rcgen::generate_simple_self_signed([name.to_owned()])?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(SESSIONS));
    let mut sessions = tokio::task::JoinSet::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        while sessions.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            // No file descriptors, most likely: they come back as sessions end.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let shared = shared.clone();
        sessions.spawn(async move {
            converse(stream, &shared).await;
            drop(place);
        });
    }
}

type Wire = Session<String, String>;

/// What a run over one kind of stream came to.
enum Turn<S> {
    Over,
    StartTls(S),
}

/// One session, first in clear and then inside TLS.
async fn converse(stream: TcpStream, shared: &Shared) {
    let _ = stream.set_nodelay(true);
    let mut session = Wire::new(shared.wire.clone());
    let Turn::StartTls(stream) = run(stream, &mut session, None, shared).await else { return };
    let Ok(Ok(stream)) = timeout(PATIENCE, shared.tls.accept(stream)).await else { return };
    let (_, tls) = stream.get_ref();
    let version = match tls.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "TLS",
    };
    let suite = tls.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("?");
    let tls = format!("{version} {suite}");
    session.tls_started();
    run(stream, &mut session, Some(&tls), shared).await;
}

async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    session: &mut Wire,
    tls: Option<&str>,
    shared: &Shared,
) -> Turn<S> {
    let mut block = vec![0_u8; BLOCK];
    loop {
        while let Some(event) = session.next_event() {
            match event {
                Event::StartTls => {
                    let written = write(&mut stream, session).await;
                    return if written { Turn::StartTls(stream) } else { Turn::Over };
                }
                Event::Closed => {
                    write(&mut stream, session).await;
                    let _ = timeout(PATIENCE, stream.shutdown()).await;
                    return Turn::Over;
                }
                event => answer(event, session, tls, shared).await,
            }
        }
        if !write(&mut stream, session).await || !session.wants_input() || session.phase() == Phase::Closed {
            return Turn::Over;
        }
        match timeout(PATIENCE, stream.read(&mut block)).await {
            Ok(Ok(0) | Err(_)) => return Turn::Over,
            Ok(Ok(n)) => session.receive(block.get(..n).unwrap_or_default()),
            Err(_) => session.timed_out(),
        }
    }
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, session: &mut Wire) -> bool {
    let output = session.take_output();
    let writing = async {
        stream.write_all(&output).await?;
        stream.flush().await
    };
    matches!(timeout(PATIENCE, writing).await, Ok(Ok(())))
}

async fn answer(event: Event<String, String>, session: &mut Wire, tls: Option<&str>, shared: &Shared) {
    match event {
        Event::Mail(command) => {
            session.answer_mail(Ok(command
                .reverse_path
                .as_ref()
                .map(RealAddress::reveal)
                .unwrap_or_default()));
        }
        Event::Rcpt(command) => session.answer_rcpt(match &command.forward_path {
            ForwardPath::Mailbox(to) if *to.reveal_domain() == shared.domain => Ok(to.reveal()),
            _ => Err(Reply::new(550, 1, 1, "No such mailbox here")),
        }),
        Event::Message { envelope, bytes } => {
            let arrival = Arrival {
                server: shared.player.receives_as,
                role: shared.player.role,
                helo: session.hello().map(|hello| hello.reveal_name().to_owned()).unwrap_or_default(),
                mail_from: envelope.sender,
                rcpt_to: envelope.recipients,
                tls: tls.map(str::to_owned),
                octets: bytes,
            };
            let taken = shared.arrivals.send(arrival).await;
            session.answer_message(match taken {
                Ok(()) => Ok("demo"),
                Err(_) => Err(Reply::new(421, 3, 2, "The demo is ending")),
            });
        }
        Event::Auth(_) => session.answer_auth(Err(Reply::new(535, 7, 8, "No passwords here"))),
        Event::Scram(_) => session.answer_scram(Err(Reply::new(535, 7, 8, "No passwords here"))),
        Event::LoggedIn | Event::StartTls | Event::Closed => {}
    }
}
