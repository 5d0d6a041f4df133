//! A person's mail server: takes mail over SMTP, keeps it for the test to read, and misbehaves on demand.
//!
//! Rules: it listens on one loopback port for its whole life, also over [`Mailbox::go_down`]; it offers STARTTLS,
//! PIPELINING, 8BITMIME and SMTPUTF8; a message counts as received once its final dot was read, whatever is answered.

use super::watch::Watch;
use super::wire::{Wire, server_config};
use crate::peer::eventually;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manner {
    /// Takes everything.
    Kind,
    /// Greets with this reply and closes, such as `421 4.3.2 Busy`.
    Greets(String),
    /// Closes each connection at once.
    ClosesOnConnect,
    /// Says nothing, and greets only when its manner changes.
    WaitsToGreet,
    /// Answers EHLO so, and HELO well.
    Ehlo(String),
    /// Answers MAIL so. What fails for good spares mail from the null sender, here and after, so that notices arrive; but not at RCPT.
    Mail(String),
    /// Answers DATA so.
    Data(String),
    /// Answers RCPT so, such as `550 5.1.1 No such user`.
    Rcpt(String),
    /// Answers the final dot so.
    Dot(String),
    /// Reads the final dot and then says nothing until its manner changes.
    HangsAfterDot,
    /// Reads the final dot and answers 250 only when its manner changes.
    WaitsAfterDot,
    /// Reads the final dot and closes without a reply.
    ClosesAfterDot,
}

/// A message as it came.
#[derive(Debug, Clone)]
pub struct Received {
    pub reverse_path: String,
    pub forward_paths: Vec<String>,
    /// Dots un-stuffed, lines end in CRLF.
    pub bytes: Vec<u8>,
    pub is_tls: bool,
    /// Whose connection brought it.
    pub from: IpAddr,
    /// Whether it was answered with 250.
    pub was_taken: bool,
    /// Whether it was answered with 4yz or 5yz.
    pub was_refused: bool,
    /// Whether the dot was answered at all.
    pub was_answered: bool,
    /// When the dot was read.
    pub at: Instant,
}

/// The server. Stops when dropped.
pub struct Mailbox {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    who: String,
    watch: Arc<Watch>,
    tls: Arc<rustls::ServerConfig>,
    state: Mutex<State>,
}

struct State {
    manner: Manner,
    is_down: bool,
    /// Counts the times it went down, so that an accept loop knows that it is an old one.
    life: u64,
    received: Vec<Received>,
    connections: usize,
}

impl Mailbox {
    /// Starts the server of `who`.
    pub fn start(watch: &Arc<Watch>, who: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let state =
            State { manner: Manner::Kind, is_down: false, life: 0, received: Vec::new(), connections: 0 };
        let shared = Arc::new(Shared {
            who: who.to_owned(),
            watch: watch.clone(),
            tls: server_config("mx.mailbox.test"),
            state: Mutex::new(state),
        });
        let address = listener.local_addr().unwrap();
        spawn(listener, shared.clone(), 0);
        Self { address, shared }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes how it answers from now on, also in running sessions.
    pub fn behave(&self, manner: Manner) {
        self.shared.state().manner = manner;
    }

    /// Refuses connections.
    pub fn go_down(&self) {
        {
            let mut state = self.shared.state();
            state.is_down = true;
            state.life += 1;
        }
        // Wakes the accept loop, which then closes its socket.
        let _ = TcpStream::connect(self.address);
        eventually("the port closes", || TcpStream::connect(self.address).is_err().then_some(()));
    }

    /// Whether it refuses connections.
    pub fn is_down(&self) -> bool {
        self.shared.state().is_down
    }

    /// Listens again on the same port.
    pub fn come_back(&self) {
        let listener = eventually("the port is free again", || TcpListener::bind(self.address).ok());
        let life = {
            let mut state = self.shared.state();
            state.is_down = false;
            state.life
        };
        spawn(listener, self.shared.clone(), life);
    }

    /// Everything whose final dot was read, oldest first.
    pub fn received(&self) -> Vec<Received> {
        self.shared.state().received.clone()
    }

    /// Looks at what was received without copying it.
    pub fn look<T>(&self, look: impl FnOnce(&[Received]) -> T) -> T {
        look(&self.shared.state().received)
    }

    /// How many messages were received.
    pub fn count(&self) -> usize {
        self.look(<[Received]>::len)
    }

    /// How many connections were made to it.
    pub fn connections(&self) -> usize {
        self.shared.state().connections
    }

    /// The messages once there are so many; fails when there are more.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Received> {
        let mails =
            eventually(&format!("{count} mails for {}, {} there", self.shared.who, self.count()), || {
                let mails = self.received();
                (mails.len() >= count).then_some(mails)
            });
        assert_eq!(mails.len(), count, "more mails than expected for {}", self.shared.who);
        mails
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_down = true;
        state.life += 1;
        state.manner = Manner::ClosesAfterDot;
        drop(state);
        let _ = TcpStream::connect(self.address);
    }
}

fn spawn(listener: TcpListener, shared: Arc<Shared>, life: u64) {
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut state = shared.state();
            if state.life != life {
                return;
            }
            state.connections += 1;
            drop(state);
            let (Ok(stream), shared) = (stream, shared.clone()) else { continue };
            thread::spawn(move || {
                let _ = converse(stream, &shared);
            });
        }
    });
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn manner(&self) -> Manner {
        self.state().manner.clone()
    }
}

fn converse(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let from = stream.peer_addr()?.ip();
    let mut wire = Wire::new(stream)?;
    let mut said = Vec::new();
    let result = answer(&mut wire, shared, &mut said, from);
    shared.watch.shown(&shared.who, "an SMTP session", &said);
    result
}

fn answer(wire: &mut Wire, shared: &Shared, said: &mut Vec<u8>, from: IpAddr) -> io::Result<()> {
    if let Manner::Greets(reply) = shared.manner() {
        return say(wire, &reply);
    }
    if shared.manner() == Manner::ClosesOnConnect {
        return Ok(());
    }
    while shared.manner() == Manner::WaitsToGreet {
        thread::park_timeout(Duration::from_millis(10));
    }
    say(wire, "220 mx.mailbox.test ESMTP")?;
    let mut reverse_path = String::new();
    let mut has_mail = true;
    let mut forward_paths: Vec<String> = Vec::new();
    loop {
        let line = wire.line()?;
        said.extend_from_slice(&line);
        said.push(b'\n');
        if shared.state().is_down {
            return say(wire, "421 4.3.2 mx.mailbox.test going down");
        }
        let line = String::from_utf8(line).map_err(io::Error::other)?;
        match line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "EHLO" => {
                if let Manner::Ehlo(reply) = shared.manner() {
                    say(wire, &reply)?;
                    continue;
                }
                let starttls = if wire.is_tls() { "" } else { "250-STARTTLS\r\n" };
                say(
                    wire,
                    &format!(
                        "250-mx.mailbox.test\r\n{starttls}250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8"
                    ),
                )?;
            }
            "HELO" => say(wire, "250 mx.mailbox.test")?,
            "STARTTLS" => {
                say(wire, "220 2.0.0 Go ahead")?;
                wire.accept_tls(shared.tls.clone())?;
            }
            "MAIL" => {
                reverse_path = path(&line);
                forward_paths.clear();
                let refusal = match shared.manner() {
                    Manner::Mail(reply) if hits(&reply, &reverse_path) => Some(reply),
                    _ => None,
                };
                has_mail = refusal.is_none();
                say(wire, refusal.as_deref().unwrap_or("250 2.1.0 Ok"))?;
            }
            "RCPT" if !has_mail => say(wire, "503 5.5.1 MAIL first")?,
            "RCPT" => match shared.manner() {
                Manner::Rcpt(reply) => say(wire, &reply)?,
                _ => {
                    forward_paths.push(path(&line));
                    say(wire, "250 2.1.5 Ok")?;
                }
            },
            "DATA" if forward_paths.is_empty() => say(wire, "554 5.5.1 No valid recipients")?,
            "DATA" => {
                if let Manner::Data(reply) = shared.manner()
                    && hits(&reply, &reverse_path)
                {
                    say(wire, &reply)?;
                    continue;
                }
                say(wire, "354 Go ahead")?;
                let bytes = data(wire)?;
                shared.watch.shown(&shared.who, "a mail", &bytes);
                let received = Received {
                    reverse_path: std::mem::take(&mut reverse_path),
                    forward_paths: std::mem::take(&mut forward_paths),
                    bytes,
                    is_tls: wire.is_tls(),
                    from,
                    was_taken: false,
                    was_refused: false,
                    was_answered: false,
                    at: Instant::now(),
                };
                if !after_the_dot(wire, shared, received)? {
                    return Ok(());
                }
            }
            "RSET" | "NOOP" => say(wire, "250 2.0.0 Ok")?,
            "QUIT" => return say(wire, "221 2.0.0 Bye"),
            _ => say(wire, "500 5.5.2 Not understood")?,
        }
    }
}

/// Takes a mail, or not, as its manner is. Whether the session goes on.
fn after_the_dot(wire: &mut Wire, shared: &Shared, mut received: Received) -> io::Result<bool> {
    let (at, manner) = {
        let mut state = shared.state();
        received.was_taken = state.manner == Manner::Kind;
        received.was_refused =
            matches!(&state.manner, Manner::Dot(reply) if hits(reply, &received.reverse_path));
        received.was_answered =
            !matches!(state.manner, Manner::ClosesAfterDot | Manner::HangsAfterDot | Manner::WaitsAfterDot);
        let manner = match state.manner.clone() {
            Manner::Dot(_) if !received.was_refused => Manner::Kind,
            manner => manner,
        };
        state.received.push(received);
        (state.received.len(), manner)
    };
    match manner {
        Manner::ClosesAfterDot => return Ok(false),
        Manner::HangsAfterDot => {
            while shared.manner() == Manner::HangsAfterDot {
                thread::park_timeout(Duration::from_millis(10));
            }
            return Ok(false);
        }
        Manner::WaitsAfterDot => {
            while shared.manner() == Manner::WaitsAfterDot {
                thread::park_timeout(Duration::from_millis(10));
            }
            say(wire, "250 2.0.0 Ok: taken at last")?;
        }
        Manner::Dot(reply) => say(wire, &reply)?,
        _ => say(wire, &format!("250 2.0.0 Ok: taken as {at}"))?,
    }
    Ok(true)
}

fn say(wire: &mut Wire, reply: &str) -> io::Result<()> {
    wire.write(format!("{reply}\r\n").as_bytes())
}

/// Whether a reply is given to mail from there.
fn hits(reply: &str, reverse_path: &str) -> bool {
    !(reply.starts_with('5') && reverse_path.is_empty())
}

fn path(line: &str) -> String {
    line.split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'))
        .map(|(path, _)| path.to_owned())
        .unwrap_or_default()
}

fn data(wire: &mut Wire) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let line = wire.line()?;
        if line == b"." {
            return Ok(bytes);
        }
        bytes.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        bytes.extend_from_slice(b"\r\n");
    }
}
