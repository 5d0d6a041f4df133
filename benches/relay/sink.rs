//! The next hop: an SMTP server on loopback that notes when each message arrived, and throws it away.
//!
//! Rules: pipelined commands are answered in one write; no STARTTLS, so that both relays speak in clear to it. Each
//! message is searched for the addresses that nobody may see: a fast relay that leaks has no figure.
//! When it fails: the connection ends, and the run finds messages missing.

use crate::ledger::{DIGITS, Ledger, MARK};
use memchr::memmem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What mail through the relay is delivered to, and what must not stand in it: both sides' real addresses, and the
/// hosts of their mail path, lie below this domain.
pub const HIDDEN: &str = "hidden.example";
/// Octets read at once.
const BLOCK: usize = 128 * 1024;

/// Begins to listen; serves as long as the runtime lives.
pub async fn start(ledger: Arc<Ledger>) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let ledger = ledger.clone();
            tokio::spawn(async move {
                let _ = serve(stream, &ledger).await;
            });
        }
    });
    address
}

async fn serve(mut stream: TcpStream, ledger: &Ledger) -> std::io::Result<()> {
    let end = memmem::Finder::new(b"\r\n.\r\n");
    let mut output = b"220 sink.bench.example ESMTP\r\n".to_vec();
    let mut input = Vec::with_capacity(BLOCK);
    let (mut in_data, mut searched, mut watched) = (false, 0, false);
    loop {
        if !output.is_empty() {
            stream.write_all(&output).await?;
            output.clear();
        }
        if stream.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
        loop {
            if in_data {
                let from = usize::min(searched, input.len());
                let Some(at) = end.find(&input[from..]) else {
                    searched = input.len().saturating_sub(4);
                    break;
                };
                take(&input[..from + at], ledger, watched);
                input.drain(..from + at + 5);
                in_data = false;
                output.extend_from_slice(b"250 2.0.0 taken\r\n");
                continue;
            }
            let Some(length) = memmem::find(&input, b"\r\n") else { break };
            let line: Vec<u8> = input.drain(..length + 2).collect();
            let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            let reply: &[u8] = match verb.as_slice() {
                b"EHLO" => b"250-sink.bench.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE 104857600\r\n",
                b"DATA" => {
                    (in_data, searched) = (true, 0);
                    b"354 go on\r\n"
                }
                b"RCPT" => {
                    // What the plain relay passes on is what it was given.
                    watched = memmem::find(&line, HIDDEN.as_bytes()).is_some();
                    b"250 2.1.5 yes\r\n"
                }
                b"QUIT" => {
                    stream.write_all(b"221 2.0.0 bye\r\n").await?;
                    return Ok(());
                }
                _ => b"250 2.0.0 yes\r\n",
            };
            output.extend_from_slice(reply);
        }
    }
}

fn take(content: &[u8], ledger: &Ledger, watched: bool) {
    let number = memmem::find(content, MARK)
        .and_then(|at| content.get(at + MARK.len()..at + MARK.len() + DIGITS))
        .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    match number {
        Some(number) => ledger.delivered(number),
        None => {
            ledger.strange.fetch_add(1, Relaxed);
        }
    }
    if watched && memmem::find(content, HIDDEN.as_bytes()).is_some() {
        ledger.leaks.fetch_add(1, Relaxed);
    }
}
