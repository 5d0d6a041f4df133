//! A mail program, or an outgoing mail server: one mail over one connection, with TLS and AUTH, as a person's would.
//!
//! Rules: plain RFC 5321 without pipelining; AUTH LOGIN and PLAIN (RFC 4954, RFC 4616); TLS before anything that
//! matters (RFC 3207, RFC 8314), and the relay's certificate must prove its name. A refusal is a result, not a fault.
//! When it fails: [`ProgramFault`], when the connection breaks or the server says what no server says.

use crate::smtp::dot_stuff;
use data_encoding::BASE64;
use rustls::pki_types::ServerName;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Patience with the relay.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest reply that is read, in octets.
const REPLY_MAX: usize = 64 * 1024;

/// Why a mail could not be brought to an end, good or bad.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProgramFault {
    #[error("the connection to the relay failed: {0}")]
    Connection(#[from] std::io::Error),
    #[error("the relay did not answer within 30 seconds")]
    Late,
    #[error("the relay's reply is no SMTP reply")]
    Reply,
    #[error("the mail has a bare line end")]
    Mail(#[from] crate::smtp::Unsendable),
}

/// How the connection is made.
pub(super) struct Access<'a> {
    pub server: SocketAddr,
    pub server_name: ServerName<'static>,
    pub connector: TlsConnector,
    pub tls: Tls,
    pub login: Option<Login<'a>>,
    /// Where to connect from, if the system has this address.
    pub source: IpAddr,
    /// What to introduce oneself as.
    pub helo: &'a str,
}

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tls {
    Starttls,
    Implicit,
}

/// User name and password, and how they are sent.
#[derive(Clone, Copy)]
pub(super) struct Login<'a> {
    pub mechanism: Mechanism,
    pub user: &'a str,
    pub password: &'a str,
}

/// RFC 4616, and the one without an RFC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mechanism {
    Plain,
    Login,
}

/// A server's reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub code: u16,
    /// The texts of all lines, with their enhanced codes, joined.
    pub text: String,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sending {
    Taken(Answer),
    Refused { at: &'static str, answer: Answer },
}

impl Access<'_> {
    /// Sends one mail.
    pub async fn send(&self, from: &str, to: &str, mail: &[u8]) -> Result<Sending, ProgramFault> {
        let stream = connect(self.source, self.server).await?;
        stream.set_nodelay(true)?;
        let mut greeted = false;
        let stream = match self.tls {
            Tls::Implicit => stream,
            Tls::Starttls => {
                let mut clear = Dialogue { stream, buffer: Vec::new() };
                greeted = true;
                let steps = [
                    ("CONNECT", String::new()),
                    ("EHLO", format!("EHLO {}", self.helo)),
                    ("STARTTLS", "STARTTLS".into()),
                ];
                for (at, command) in steps {
                    let answer = clear.say(&command).await?;
                    if answer.code / 100 != 2 {
                        return Ok(Sending::Refused { at, answer });
                    }
                }
                clear.stream
            }
        };
        let stream = within(self.connector.connect(self.server_name.clone(), stream)).await?;
        let mut dialogue = Dialogue { stream, buffer: Vec::new() };
        let mut steps = Vec::new();
        if !greeted {
            steps.push(("CONNECT", String::new()));
        }
        steps.push(("EHLO", format!("EHLO {}", self.helo)));
        steps.extend(self.login.iter().flat_map(Login::commands).map(|command| ("AUTH", command)));
        let body = if mail.is_ascii() { "" } else { " BODY=8BITMIME" };
        steps.push(("MAIL", format!("MAIL FROM:<{from}> SIZE={}{body}", mail.len())));
        steps.push(("RCPT", format!("RCPT TO:<{to}>")));
        steps.push(("DATA", "DATA".into()));
        for (at, command) in steps {
            let answer = dialogue.say(&command).await?;
            if answer.code >= 400 {
                let _ = dialogue.say("QUIT").await;
                return Ok(Sending::Refused { at, answer });
            }
        }
        let answer = dialogue.talk(&dot_stuff(mail)?).await?;
        let _ = dialogue.say("QUIT").await;
        let taken = answer.code / 100 == 2;
        Ok(if taken { Sending::Taken(answer) } else { Sending::Refused { at: "DATA", answer } })
    }
}

impl Login<'_> {
    fn commands(&self) -> Vec<String> {
        match self.mechanism {
            Mechanism::Plain => {
                let response = format!("\0{}\0{}", self.user, self.password);
                vec![format!("AUTH PLAIN {}", BASE64.encode(response.as_bytes()))]
            }
            Mechanism::Login => {
                let word = |text: &str| BASE64.encode(text.as_bytes());
                vec!["AUTH LOGIN".into(), word(self.user), word(self.password)]
            }
        }
    }
}

async fn connect(source: IpAddr, server: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = if server.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Not every system has all of 127.0.0.0/8.
    let _ = socket.bind(SocketAddr::new(source, 0));
    socket.connect(server).await
}

async fn within<T>(future: impl Future<Output = std::io::Result<T>>) -> Result<T, ProgramFault> {
    Ok(timeout(PATIENCE, future).await.map_err(|_| ProgramFault::Late)??)
}

struct Dialogue<S> {
    stream: S,
    buffer: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Dialogue<S> {
    /// Says a command, or nothing to hear the greeting, and hears the reply.
    async fn say(&mut self, command: &str) -> Result<Answer, ProgramFault> {
        let line = if command.is_empty() { String::new() } else { format!("{command}\r\n") };
        self.talk(line.as_bytes()).await
    }

    async fn talk(&mut self, octets: &[u8]) -> Result<Answer, ProgramFault> {
        within(async {
            self.stream.write_all(octets).await?;
            self.stream.flush().await
        })
        .await?;
        let mut heard = 0;
        let mut texts = Vec::new();
        loop {
            let line = self.line().await?;
            heard += line.len();
            let (code, rest) = line.split_at_checked(3).ok_or(ProgramFault::Reply)?;
            let code: u16 = code.parse().map_err(|_| ProgramFault::Reply)?;
            let (mark, text) = rest.split_at_checked(1).unwrap_or((" ", ""));
            texts.push(text.to_owned());
            match mark {
                " " => return Ok(Answer { code, text: texts.join(" / ") }),
                "-" if heard < REPLY_MAX => {}
                _ => return Err(ProgramFault::Reply),
            }
        }
    }

    async fn line(&mut self) -> Result<String, ProgramFault> {
        loop {
            if let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).take(end).collect();
                return String::from_utf8(line).map_err(|_| ProgramFault::Reply);
            }
            if self.buffer.len() > REPLY_MAX {
                return Err(ProgramFault::Reply);
            }
            let mut block = [0_u8; 4096];
            let n = within(self.stream.read(&mut block)).await?;
            if n == 0 {
                return Err(ProgramFault::Connection(std::io::ErrorKind::UnexpectedEof.into()));
            }
            self.buffer.extend_from_slice(block.get(..n).unwrap_or_default());
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

impl std::fmt::Display for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Tls::Starttls => "STARTTLS",
            Tls::Implicit => "TLS from the first octet",
        })
    }
}

impl std::fmt::Display for Mechanism {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Mechanism::Plain => "AUTH PLAIN",
            Mechanism::Login => "AUTH LOGIN",
        })
    }
}
