//! Hostile sessions: each does one kind of harm, again and again, from an address of its own.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How long a hostile session goes on, and how long one waits before the next.
const SESSION: Duration = Duration::from_secs(5);
const REST: Duration = Duration::from_millis(20);

#[derive(Clone, Copy)]
enum Harm {
    /// A command, an octet a second.
    Drips,
    /// Octets that are no SMTP.
    Garbage,
    /// A line without end.
    HugeLine,
    /// Recipients that are not there.
    Guesses,
    /// Half a TLS handshake.
    HalfHandshake,
}

const HARMS: [Harm; 5] = [Harm::Drips, Harm::Garbage, Harm::HugeLine, Harm::Guesses, Harm::HalfHandshake];

/// The sessions, until they are dispersed.
pub struct Crowd {
    tasks: JoinSet<()>,
    over: Arc<AtomicBool>,
    counts: Arc<Counts>,
}

#[derive(Default)]
pub struct Counts {
    connections: AtomicUsize,
    refused: AtomicUsize,
    octets: AtomicUsize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |of: &AtomicUsize| of.load(Ordering::Relaxed);
        write!(
            f,
            "{} connections, {} turned away with 421, {} KiB sent",
            count(&self.connections),
            count(&self.refused),
            count(&self.octets) / 1024
        )
    }
}

/// Starts so many sessions against `server`.
pub fn gather(server: SocketAddr, sessions: usize) -> Crowd {
    let (over, counts) = (Arc::new(AtomicBool::new(false)), Arc::new(Counts::default()));
    let mut tasks = JoinSet::new();
    for number in 0..sessions {
        let (over, counts) = (over.clone(), counts.clone());
        let from = [127, 66, u8::try_from(number / 50).unwrap(), u8::try_from(number % 50 + 1).unwrap()];
        tasks.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let harm = HARMS[number % HARMS.len()];
                let _ = timeout(SESSION, session(server, SocketAddr::from((from, 0)), harm, &counts)).await;
                sleep(REST).await;
            }
        });
    }
    Crowd { tasks, over, counts }
}

impl Crowd {
    /// Ends them; what they did.
    pub async fn disperse(mut self) -> Arc<Counts> {
        self.over.store(true, Ordering::Relaxed);
        self.tasks.shutdown().await;
        self.counts
    }
}

async fn session(server: SocketAddr, from: SocketAddr, harm: Harm, counts: &Counts) -> std::io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(from)?;
    let mut stream = socket.connect(server).await?;
    counts.connections.fetch_add(1, Ordering::Relaxed);
    let greeting = read(&mut stream).await?;
    if greeting.starts_with(b"421") {
        counts.refused.fetch_add(1, Ordering::Relaxed);
        return Ok(());
    }
    let write = async |stream: &mut TcpStream, octets: &[u8]| {
        counts.octets.fetch_add(octets.len(), Ordering::Relaxed);
        stream.write_all(octets).await
    };
    match harm {
        Harm::Drips => loop {
            write(&mut stream, b"N").await?;
            sleep(Duration::from_secs(1)).await;
        },
        Harm::Garbage => {
            let mut state = 0x9e37_79b9_7f4a_7c15_u64;
            loop {
                let block: Vec<u8> = (0..4096)
                    .map(|_| {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        state.to_be_bytes()[0]
                    })
                    .collect();
                write(&mut stream, &block).await?;
            }
        }
        Harm::HugeLine => loop {
            write(&mut stream, &[b'A'; 16 * 1024]).await?;
        },
        Harm::Guesses => {
            write(&mut stream, b"EHLO guesser.example\r\n").await?;
            read(&mut stream).await?;
            write(&mut stream, b"MAIL FROM:<guesser@guesser.example>\r\n").await?;
            read(&mut stream).await?;
            loop {
                write(&mut stream, b"RCPT TO:<aaa234567abcdefghijklmnopqrs@shop.bench.example>\r\n").await?;
                if read(&mut stream).await?.is_empty() {
                    return Ok(());
                }
            }
        }
        Harm::HalfHandshake => {
            write(&mut stream, b"EHLO half.example\r\n").await?;
            read(&mut stream).await?;
            write(&mut stream, b"STARTTLS\r\n").await?;
            read(&mut stream).await?;
            write(&mut stream, &[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]).await?;
            sleep(SESSION).await;
        }
    }
    Ok(())
}

async fn read(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut block = vec![0; 1024];
    let read = stream.read(&mut block).await?;
    block.truncate(read);
    Ok(block)
}
