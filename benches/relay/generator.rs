//! The load: so many sessions at once, each sending one message after the other, until the time is over.
//!
//! Rules: commands are not pipelined, as most mail programs send them; a session reads each reply before it goes on.
//! Connections are new for each message, or kept for 100 messages. What is refused ends the bench: then the figures
//! would be those of refusals.

use crate::ledger::Ledger;
use crate::message::Template;
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A reply that does not come within this time ends the bench.
const PATIENCE: Duration = Duration::from_secs(60);
/// Messages on a kept connection.
const KEPT: usize = 100;

/// Whether a connection serves one message or many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    New,
    Kept,
}

/// STARTTLS and AUTH PLAIN.
#[derive(Clone)]
pub struct Access {
    pub tls: TlsConnector,
    pub host: String,
    pub auth_id: String,
    pub auth_password: String,
}

/// What is sent where.
#[derive(Clone)]
pub struct Load {
    /// Session after session in turn.
    pub to: Vec<SocketAddr>,
    pub sessions: usize,
    /// Octets of a message.
    pub size: usize,
    pub connections: Connections,
    pub access: Option<Access>,
    /// Sender and recipient of each session.
    pub parties: Vec<(String, String)>,
}

/// Sends until `until`; returns when all sessions have ended.
pub async fn send(load: &Load, ledger: &Arc<Ledger>, until: Instant) -> Result<()> {
    let mut sessions = tokio::task::JoinSet::new();
    for index in 0..load.sessions {
        let (load, ledger) = (load.clone(), ledger.clone());
        sessions.spawn(async move { session(&load, index, &ledger, until).await });
    }
    while let Some(ended) = sessions.join_next().await {
        ended.map_err(Error::other)??;
    }
    Ok(())
}

async fn session(load: &Load, index: usize, ledger: &Ledger, until: Instant) -> Result<()> {
    let (from, to) = &load.parties[index % load.parties.len()];
    let mut template = Template::new(from, to, load.size);
    let (mail, rcpt) = (format!("MAIL FROM:<{from}>\r\n"), format!("RCPT TO:<{to}>\r\n"));
    let many = if load.connections == Connections::Kept { KEPT } else { 1 };
    while Instant::now() < until {
        let mut wire = Wire::open(load, load.to[index % load.to.len()]).await?;
        for _ in 0..many {
            wire.ask(mail.as_bytes(), b'2').await?;
            wire.ask(rcpt.as_bytes(), b'2').await?;
            wire.ask(b"DATA\r\n", b'3').await?;
            let number = ledger.number();
            let content = template.numbered(number);
            ledger.sent(number);
            wire.ask(content, b'2').await?;
            ledger.accepted(number);
            if Instant::now() >= until {
                break;
            }
        }
        // A server may have said goodbye already.
        let _ = wire.ask(b"QUIT\r\n", b'2').await;
    }
    Ok(())
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

struct Wire {
    stream: BufReader<Box<dyn Stream>>,
    line: String,
}

impl Wire {
    async fn open(load: &Load, to: SocketAddr) -> Result<Self> {
        let tcp = TcpStream::connect(to).await?;
        tcp.set_nodelay(true)?;
        let mut wire = Self::over(Box::new(tcp));
        wire.reply(b'2').await?;
        let ehlo: &[u8] = b"EHLO client.bench.example\r\n";
        wire.ask(ehlo, b'2').await?;
        let Some(access) = &load.access else { return Ok(wire) };
        wire.ask(b"STARTTLS\r\n", b'2').await?;
        let name = access.host.clone().try_into().map_err(Error::other)?;
        let tls = access.tls.connect(name, wire.stream.into_inner()).await?;
        let mut wire = Self::over(Box::new(tls));
        wire.ask(ehlo, b'2').await?;
        let plain = format!("\0{}\0{}", access.auth_id, access.auth_password);
        let auth = format!("AUTH PLAIN {}\r\n", data_encoding::BASE64.encode(plain.as_bytes()));
        wire.ask(auth.as_bytes(), b'2').await?;
        Ok(wire)
    }

    fn over(stream: Box<dyn Stream>) -> Self {
        Self { stream: BufReader::new(stream), line: String::new() }
    }

    async fn ask(&mut self, command: &[u8], class: u8) -> Result<()> {
        self.stream.get_mut().write_all(command).await?;
        self.stream.get_mut().flush().await?;
        self.reply(class).await
    }

    async fn reply(&mut self, class: u8) -> Result<()> {
        loop {
            self.line.clear();
            let read = tokio::time::timeout(PATIENCE, self.stream.read_line(&mut self.line)).await;
            if read.map_err(|_| Error::other("no reply within 60 s"))?? == 0 {
                return Err(Error::other("the connection ended"));
            }
            let reply = self.line.as_bytes();
            if reply.first() != Some(&class) {
                return Err(Error::other(format!("refused: {}", self.line.trim_end())));
            }
            if reply.get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    }
}
