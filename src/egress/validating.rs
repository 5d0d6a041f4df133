//! Questions to a validating resolver on this machine, and its word on whether an answer is proven: the AD bit
//! (RFC 4035 §3.2.3, asked for as in RFC 6840 §5.7).
//!
//! Why not validate here: the resolver beside us (unbound and the like) has been validating the world's zones for years,
//! keeps the trust anchor current and caches; a library that guesses wrong would turn DANE into bounced mail or into a
//! false sense of security. The bit is worth nothing on a network, so such a resolver must listen on loopback; the
//! configuration refuses anything else.
//!
//! Rules: one question a datagram, from a fresh port, with a random id; the answer must come from where the question went
//! and repeat both. What does not fit comes over TCP. Each server is asked twice at most. Answers are not kept: the
//! resolver is next door and keeps them.
//! When it fails: [`Reply::Unknown`].

use super::names::{Proof, Reply};
use hickory_resolver::proto::op::{Edns, Message, MessageType, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// How long one server has for one answer. Validating a new zone takes it several questions of its own.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often each server is asked.
const ROUNDS: usize = 2;
/// Octets of one datagram; loopback carries more than the 1232 that the internet does (RFC 9715).
const DATAGRAM: u16 = 4096;

/// Resolvers on this machine.
pub(super) struct Validating {
    servers: Vec<SocketAddr>,
}

impl Validating {
    /// With these, which must be on loopback.
    pub(super) fn new(servers: Vec<SocketAddr>) -> Self {
        Self { servers }
    }

    /// One question.
    pub(super) async fn ask(&self, name: &Name, kind: RecordType) -> Reply {
        let mut query = Message::query();
        query.metadata.recursion_desired = true;
        query.metadata.authentic_data = true;
        query.add_query(Query::query(name.clone(), kind));
        let mut edns = Edns::new();
        edns.set_max_payload(DATAGRAM);
        query.set_edns(edns);
        for _ in 0..ROUNDS {
            for server in &self.servers {
                query.metadata.id =
                    getrandom::u32().map_or(0, |random| u16::try_from(random >> 16).unwrap_or(0));
                if let Ok(Ok(answer)) = timeout(PATIENCE, exchange(*server, &query)).await {
                    match read(answer, kind) {
                        Reply::Unknown => {}
                        reply => return reply,
                    }
                }
            }
        }
        Reply::Unknown
    }
}

async fn exchange(server: SocketAddr, query: &Message) -> io::Result<Message> {
    let octets = query.to_vec().map_err(|_| io::ErrorKind::InvalidInput)?;
    let answer = over_udp(server, query, &octets).await?;
    if answer.metadata.truncation { over_tcp(server, query, &octets).await } else { Ok(answer) }
}

async fn over_udp(server: SocketAddr, query: &Message, octets: &[u8]) -> io::Result<Message> {
    let local: IpAddr =
        if server.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    let socket = UdpSocket::bind((local, 0)).await?;
    // The kernel drops what comes from anywhere else.
    socket.connect(server).await?;
    socket.send(octets).await?;
    let mut buffer = vec![0; usize::from(DATAGRAM)];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if let Some(answer) = answer_to(query, buffer.get(..length).unwrap_or_default()) {
            return Ok(answer);
        }
    }
}

async fn over_tcp(server: SocketAddr, query: &Message, octets: &[u8]) -> io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(octets.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    stream.write_all(&[&length.to_be_bytes(), octets].concat()).await?;
    let length = stream.read_u16().await?;
    let mut buffer = vec![0; usize::from(length)];
    stream.read_exact(&mut buffer).await?;
    answer_to(query, &buffer).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The answer in these octets, if they are one to this question.
fn answer_to(query: &Message, octets: &[u8]) -> Option<Message> {
    let answer = Message::from_vec(octets).ok()?;
    let same = answer.metadata.id == query.metadata.id
        && answer.metadata.message_type == MessageType::Response
        && answer.queries == query.queries;
    same.then_some(answer)
}

fn read(answer: Message, kind: RecordType) -> Reply {
    let proof = if answer.metadata.authentic_data { Proof::Proven } else { Proof::Unproven };
    match answer.metadata.response_code {
        ResponseCode::NoError if answer.answers.iter().any(|record| record.record_type() == kind) => {
            Reply::Records(answer.answers, proof)
        }
        ResponseCode::NoError => Reply::NoData(proof),
        ResponseCode::NXDomain => Reply::NoName,
        _ => Reply::Unknown,
    }
}
