//! What a session costs that does nothing: resident memory of the relay, with so many of them open, in clear and in TLS.

use crate::relay::Relay;
use rustls::pki_types::ServerName;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Handshakes at once.
const AT_ONCE: usize = 50;

/// Opens `sessions` and prints what each holds.
pub async fn measure(relay: &mut Relay, sessions: usize) {
    for with_tls in [false, true] {
        relay.start().await;
        let before = relay.tree().pss_kib();
        let mut open: Vec<Box<dyn Send>> = Vec::new();
        let mut tasks = JoinSet::new();
        let mut begun = 0;
        while open.len() < sessions {
            while tasks.len() < AT_ONCE && begun < sessions {
                begun += 1;
                let (to, tls) = (relay.mx_address(), relay.connector());
                tasks.spawn(async move { if with_tls { in_tls(to, tls).await } else { in_clear(to).await } });
            }
            open.push(tasks.join_next().await.unwrap().unwrap().unwrap());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let after = relay.tree().pss_kib();
        let each = (after - before) * 1024 / sessions as u64;
        let how = if with_tls { "in TLS" } else { "in clear" };
        println!("{sessions} idle sessions {how}: {} MiB, {each} octets each", after / 1024);
        drop(open);
    }
}

async fn in_clear(to: std::net::SocketAddr) -> std::io::Result<Box<dyn Send>> {
    let mut stream = TcpStream::connect(to).await?;
    hello(&mut stream).await?;
    Ok(Box::new(stream))
}

async fn in_tls(to: std::net::SocketAddr, tls: tokio_rustls::TlsConnector) -> std::io::Result<Box<dyn Send>> {
    let mut stream = TcpStream::connect(to).await?;
    hello(&mut stream).await?;
    stream.write_all(b"STARTTLS\r\n").await?;
    reply(&mut stream).await?;
    let name = ServerName::try_from("relay.bench.example").unwrap();
    let mut stream = tls.connect(name, stream).await?;
    stream.write_all(b"EHLO idle.example\r\n").await?;
    stream.flush().await?;
    reply(&mut stream).await?;
    Ok(Box::new(stream))
}

async fn hello(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> std::io::Result<()> {
    reply(stream).await?;
    stream.write_all(b"EHLO idle.example\r\n").await?;
    reply(stream).await
}

/// Reads to the last line of a reply.
async fn reply(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<()> {
    let mut read = Vec::new();
    loop {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&read);
        if text.ends_with("\r\n")
            && text.lines().last().is_some_and(|line| line.as_bytes().get(3) == Some(&b' '))
        {
            return Ok(());
        }
    }
}
