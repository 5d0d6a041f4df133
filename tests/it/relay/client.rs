//! A small SMTP client that says exactly what a test tells it to, and notes what it was told for [`Watch`].

use super::watch::Watch;
use super::wire::Wire;
use data_encoding::BASE64;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;

/// A reply, all its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    pub lines: Vec<String>,
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

impl Reply {
    /// Fails unless the first line begins so, such as `550 5.1.1`. Gives the reply back.
    #[track_caller]
    pub fn is(self, begin: &str) -> Self {
        let first = self.lines.first().map(|line| line.replacen('-', " ", 1)).unwrap_or_default();
        assert!(first.starts_with(begin), "expected {begin}, was told:\n{self}");
        self
    }

    /// The queue ids of an accepted message.
    pub fn queue_ids(&self) -> Vec<String> {
        let text = self.lines.first().and_then(|line| line.split_once("queued as "));
        text.map(|(_, ids)| ids.split(' ').map(str::to_owned).collect()).unwrap_or_default()
    }
}

/// A session.
pub struct Client {
    wire: Wire,
    watch: Arc<Watch>,
    who: String,
}

impl Client {
    /// Connects and reads nothing yet. `who` is the person to whom all replies are shown.
    pub fn open(server: SocketAddr, watch: &Arc<Watch>, who: &str) -> io::Result<Self> {
        let wire = Wire::new(TcpStream::connect(server)?)?;
        Ok(Self { wire, watch: watch.clone(), who: who.to_owned() })
    }

    /// As [`Client::open`], from an address of this machine: 127.0.0.0/8 is all loopback.
    pub fn open_from(from: IpAddr, server: SocketAddr, watch: &Arc<Watch>, who: &str) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let stream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4()?;
            socket.bind((from, 0).into())?;
            socket.connect(server).await?.into_std()
        })?;
        stream.set_nonblocking(false)?;
        let wire = Wire::new(stream)?;
        Ok(Self { wire, watch: watch.clone(), who: who.to_owned() })
    }

    /// Connects, reads the greeting and says EHLO.
    pub fn hello(server: SocketAddr, watch: &Arc<Watch>, who: &str) -> io::Result<Self> {
        let mut client = Self::open(server, watch, who)?;
        good(client.read()?, 220)?;
        good(client.say("EHLO client.test")?, 250)?;
        Ok(client)
    }

    /// A merchant's program on the implicit TLS port: handshake, EHLO, AUTH PLAIN.
    pub fn log_in(
        server: SocketAddr,
        watch: &Arc<Watch>,
        who: &str,
        user: &str,
        password: &str,
    ) -> io::Result<Self> {
        let mut client = Self::open(server, watch, who)?;
        client.wire.start_tls()?;
        good(client.read()?, 220)?;
        good(client.say("EHLO client.test")?, 250)?;
        good(client.say(&auth_plain(user, password))?, 235)?;
        Ok(client)
    }

    pub fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// The next reply.
    pub fn read(&mut self) -> io::Result<Reply> {
        let mut lines = Vec::new();
        loop {
            let line = self.wire.line()?;
            self.watch.shown(&self.who, "an SMTP reply", &line);
            let line = String::from_utf8(line).map_err(io::Error::other)?;
            let goes_on = line.as_bytes().get(3) == Some(&b'-');
            lines.push(line);
            if !goes_on {
                break;
            }
        }
        let code = lines.first().and_then(|line| line.get(..3)?.parse().ok());
        Ok(Reply { code: code.ok_or_else(|| io::Error::other("no reply code"))?, lines })
    }

    /// A command and its reply.
    pub fn say(&mut self, command: &str) -> io::Result<Reply> {
        self.wire.write(format!("{command}\r\n").as_bytes())?;
        self.read()
    }

    /// A message: the reply to the final dot, or the refusal before it. RSET leaves the session ready for the next.
    pub fn send(&mut self, reverse_path: &str, forward_paths: &[&str], message: &[u8]) -> io::Result<Reply> {
        let mut refused = None;
        let mail = self.say(&format!("MAIL FROM:<{reverse_path}> BODY=8BITMIME"))?;
        if mail.code != 250 {
            return Ok(mail);
        }
        let mut taken = 0;
        for forward_path in forward_paths {
            let rcpt = self.say(&format!("RCPT TO:<{forward_path}>"))?;
            if rcpt.code == 250 {
                taken += 1;
            } else {
                refused = Some(rcpt);
            }
        }
        if let (0, Some(refused)) = (taken, refused) {
            self.say("RSET")?;
            return Ok(refused);
        }
        let data = self.say("DATA")?;
        if data.code != 354 {
            return Ok(data);
        }
        self.wire.write(&stuffed(message))?;
        self.read()
    }
}

/// The AUTH PLAIN command (RFC 4616).
pub fn auth_plain(user: &str, password: &str) -> String {
    format!("AUTH PLAIN {}", BASE64.encode(format!("\0{user}\0{password}").as_bytes()))
}

/// The octets of a message as DATA wants them, with the final dot (RFC 5321 §4.5.2).
pub fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(message.len() + 8);
    let message = message.strip_suffix(b"\r\n").unwrap_or(message);
    for line in message.split(|b| *b == b'\n') {
        if line.starts_with(b".") {
            octets.push(b'.');
        }
        octets.extend_from_slice(line);
        octets.push(b'\n');
    }
    octets.truncate(octets.len() - 1);
    octets.extend_from_slice(b"\r\n.\r\n");
    octets
}

fn good(reply: Reply, code: u16) -> io::Result<Reply> {
    if reply.code == code { Ok(reply) } else { Err(io::Error::other(reply.to_string())) }
}
