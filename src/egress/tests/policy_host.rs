//! A host that serves an MTA-STS policy over HTTPS, and takes what is posted there.

use super::identity::Identity;
use rustls::pki_types::PrivateKeyDer;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

pub struct PolicyHost {
    pub address: SocketAddr,
    asked: Arc<AtomicUsize>,
    rings: Arc<Notify>,
    posted: Arc<Mutex<Vec<Vec<u8>>>>,
    task: tokio::task::JoinHandle<()>,
}

impl PolicyHost {
    /// Answers every request with this response; with none it says nothing.
    pub async fn start(identity: &Identity, response: String) -> Self {
        let listener = TcpListener::bind("127.0.1.9:0").await.unwrap();
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
        let asked = Arc::new(AtomicUsize::new(0));
        let (rings, posted) = (Arc::new(Notify::new()), Arc::new(Mutex::new(Vec::new())));
        let (count, ring, keep) = (Arc::clone(&asked), Arc::clone(&rings), Arc::clone(&posted));
        let task = tokio::spawn(async move {
            let mut silent = Vec::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(octet) => request.push(octet),
                        Err(_) => break,
                    }
                }
                if request.starts_with(b"POST ") {
                    let text = String::from_utf8_lossy(&request).into_owned();
                    let length = text.split_once("Content-Length: ").unwrap().1.split_once("\r\n").unwrap().0;
                    let mut body = vec![0; length.parse().unwrap()];
                    stream.read_exact(&mut body).await.unwrap();
                    keep.lock().unwrap().push([request, body].concat());
                } else {
                    assert!(request.starts_with(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts."));
                }
                count.fetch_add(1, Ordering::SeqCst);
                ring.notify_one();
                if response.is_empty() {
                    silent.push(stream);
                    continue;
                }
                let _ = stream.write_all(response.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { address, asked, rings, posted, task }
    }

    /// Waits until it is asked.
    pub async fn has_been_asked(&self) {
        self.rings.notified().await;
    }

    /// What was posted, header and body.
    pub fn posted(&self) -> Vec<Vec<u8>> {
        self.posted.lock().unwrap().clone()
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for PolicyHost {
    fn drop(&mut self) {
        self.task.abort();
    }
}
