//! A mail server that follows a script, one for each connection in the order in which they come.
//!
//! | line | is |
//! |---|---|
//! | `s: …` | said |
//! | `c: …` | a line that must come |
//! | `content` | the message up to the final dot, kept without doubled dots |
//! | `tls` | the handshake |
//! | `garbage` | what is no TLS, then the end |
//! | `drip` | one octet of a reply after another, without end |
//! | `hang` | silence until the client goes |
//! | `gone` | the client must close now, after QUIT or without |
//!
//! After the last line the connection is closed. [`Script::ended`] fails when a connection did not go as written, or
//! did not come, or one too many came.

use super::identity::Identity;
use rustls::pki_types::PrivateKeyDer;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

pub struct Script {
    pub address: SocketAddr,
    pub certificate_pem: String,
    contents: Arc<Mutex<Vec<Vec<u8>>>>,
    most_at_once: Arc<AtomicUsize>,
    results: mpsc::Receiver<Result<(), String>>,
    expected: usize,
    task: tokio::task::JoinHandle<()>,
}

impl Script {
    pub async fn start(scripts: &[String]) -> Self {
        Self::start_at("127.0.0.1:0", scripts).await
    }

    pub async fn start_at(address: &str, scripts: &[String]) -> Self {
        Self::start_with(address, &Identity::of("mx.test.example"), scripts).await
    }

    pub async fn start_with(address: &str, identity: &Identity, scripts: &[String]) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let key = PrivateKeyDer::try_from(identity.key.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(identity.chain.clone(), key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (sender, results) = mpsc::channel(64);
        let contents: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let most_at_once = Arc::new(AtomicUsize::new(0));
        let mut left: VecDeque<String> = scripts.iter().cloned().collect();
        let (kept, most) = (Arc::clone(&contents), Arc::clone(&most_at_once));
        let task = tokio::spawn(async move {
            let now = Arc::new(AtomicUsize::new(0));
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Some(script) = left.pop_front() else {
                    let _ = sender.try_send(Err("a connection too many".into()));
                    continue;
                };
                let (sender, acceptor, kept) = (sender.clone(), acceptor.clone(), Arc::clone(&kept));
                let now = Arc::clone(&now);
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let result = follow(Box::new(stream), &script, acceptor, &kept).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                    let _ = sender.try_send(result);
                });
            }
        });
        let expected = scripts.len();
        Self {
            address,
            certificate_pem: identity.pem.clone(),
            contents,
            most_at_once,
            results,
            expected,
            task,
        }
    }

    /// The messages received.
    pub fn contents(&self) -> Vec<Vec<u8>> {
        self.contents.lock().unwrap().clone()
    }

    /// Connections open at the same time, at most.
    pub fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::SeqCst)
    }

    /// Waits for one connection to be over.
    pub async fn one_over(&mut self) {
        self.expected -= 1;
        let over = tokio::time::timeout(Duration::from_secs(10), self.results.recv()).await;
        over.expect("a connection did not come or did not end").unwrap().unwrap();
    }

    /// Waits for all connections to be over and checks that they went as written.
    pub async fn ended(mut self) -> Vec<Vec<u8>> {
        while self.expected > 0 {
            self.one_over().await;
        }
        self.task.abort();
        if let Ok(more) = self.results.try_recv() {
            more.unwrap();
        }
        self.contents()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(
    mut stream: Box<dyn Stream>,
    script: &str,
    acceptor: TlsAcceptor,
    kept: &Mutex<Vec<Vec<u8>>>,
) -> Result<(), String> {
    let mut lines = Vec::new();
    for line in script.lines().map(str::trim) {
        if !line.is_empty() {
            lines.push(line);
        }
    }
    let mut lines = lines.into_iter().peekable();
    while let Some(line) = lines.next() {
        let fail = |seen: &[u8]| Err(format!("at {line:?}: {}", seen.escape_ascii()));
        match line.split_once(": ").unwrap_or((line, "")) {
            ("s", text) => {
                let mut said = format!("{text}\r\n");
                while let Some(more) = lines.next_if(|next| next.starts_with("s: ")) {
                    said.push_str(&more[3..]);
                    said.push_str("\r\n");
                }
                if stream.write_all(said.as_bytes()).await.and(stream.flush().await).is_err() {
                    return fail(b"cannot be said");
                }
            }
            ("c", text) => {
                let mut seen = Vec::new();
                while !seen.ends_with(b"\r\n") {
                    match stream.read_u8().await {
                        Ok(octet) => seen.push(octet),
                        Err(_) => return fail(&seen),
                    }
                }
                if seen != format!("{text}\r\n").as_bytes() {
                    return fail(&seen);
                }
            }
            ("content", _) => {
                let mut reader = crate::smtp::DotReader::new(10_000_000);
                let mut octet = [0];
                loop {
                    if stream.read_exact(&mut octet).await.is_err() {
                        return fail(b"the message did not end");
                    }
                    if let crate::smtp::DotProgress::End(_) = reader.read(&octet) {
                        break;
                    }
                }
                kept.lock().unwrap().push(reader.finish().unwrap());
            }
            ("tls", _) => match acceptor.accept(stream).await {
                Ok(secured) => stream = Box::new(secured),
                Err(error) => return Err(format!("at tls: {error}")),
            },
            ("tls fails", _) => {
                return if acceptor.accept(stream).await.is_err() { Ok(()) } else { fail(b"it succeeded") };
            }
            ("garbage", _) => {
                let _ = stream.write_all(b"this is no TLS\r\n").await;
                return Ok(());
            }
            ("drip", _) => {
                while stream.write_all(b"2").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                return Ok(());
            }
            ("hang", _) => {
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
                return Ok(());
            }
            ("gone", _) => {
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
                return if rest.is_empty() || rest == b"QUIT\r\n" { Ok(()) } else { fail(&rest) };
            }
            _ => return fail(b"no such line"),
        }
    }
    Ok(())
}
