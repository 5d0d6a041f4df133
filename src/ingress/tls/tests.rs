//! Handshakes with the real client of rustls, over a pipe in memory.

use super::*;
use crate::config::{Config, NamedCertificate};
use crate::mail::Domain;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, DigitallySignedStruct, HandshakeKind, SignatureScheme};
use rustls_pki_types::{ServerName, UnixTime};
use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A directory of its own, gone when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("anshin-tls-{}-{number}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        Self(dir)
    }

    fn files(&self, name: &str) -> (PathBuf, PathBuf) {
        (self.0.join(format!("{name}.pem")), self.0.join(format!("{name}.key")))
    }

    /// Makes a certificate of that name, in place of the one before.
    fn make(&self, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = self.files(name);
        let _ = (fs::remove_file(&certificate), fs::remove_file(&key));
        make_self_signed(&certificate, &key, vec![name.to_owned()]).unwrap();
        (certificate, key)
    }

    fn certificates(&self, named: &[&str]) -> Arc<Certificates> {
        let (certificate, key) = self.make("relay.example.jp");
        let named = named
            .iter()
            .map(|name| {
                let (certificate, key) = self.make(name);
                NamedCertificate { names: vec![Domain::parse(name).unwrap()], certificate, key }
            })
            .collect();
        let files = TlsFiles { certificate, key, named };
        Certificates::load(&files).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A client that takes any certificate.
#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A client, with a certificate of its own or without.
fn client(
    version: &'static rustls::SupportedProtocolVersion,
    own: Option<CertifiedKey>,
) -> Arc<ClientConfig> {
    let provider = Arc::new(default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting(provider)));
    Arc::new(match own {
        Some(own) => builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(own))),
        None => builder.with_no_client_auth(),
    })
}

/// What both ends know after a handshake and an octet each way.
struct Met {
    /// The certificate that the client saw.
    server: Vec<u8>,
    /// The certificate that the server saw.
    client: Option<Vec<u8>>,
    kind: HandshakeKind,
}

async fn meet(server: Arc<rustls::ServerConfig>, client: &Arc<ClientConfig>, name: &str) -> Met {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let serve = async {
        let mut stream = TlsAcceptor::from(server).accept(far).await.unwrap();
        stream.write_all(b".").await.unwrap();
        stream.flush().await.unwrap();
        stream.read_exact(&mut [0]).await.unwrap();
        stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).map(|c| c.to_vec())
    };
    let connect = async {
        let mut stream = TlsConnector::from(client.clone()).connect(name, near).await.unwrap();
        stream.read_exact(&mut [0]).await.unwrap();
        stream.write_all(b".").await.unwrap();
        stream.flush().await.unwrap();
        let (_, tls) = stream.get_ref();
        (tls.peer_certificates().unwrap()[0].to_vec(), tls.handshake_kind().unwrap())
    };
    let (client, (server, kind)) = tokio::join!(serve, connect);
    Met { server, client, kind }
}

fn der(files: &(PathBuf, PathBuf)) -> Vec<u8> {
    CertificateDer::from_pem_file(&files.0).unwrap().to_vec()
}

#[tokio::test]
async fn a_client_gets_the_certificate_of_the_name_it_asks_for_and_the_usual_one_otherwise() {
    let scratch = Scratch::new();
    let certificates = scratch.certificates(&["mx.example.com"]);
    let server = certificates.server_config(ClientCertificates::Ignore).unwrap();
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let client = client(version, None);
        for (asked, got) in [
            ("mx.example.com", "mx.example.com"),
            ("MX.Example.Com", "mx.example.com"),
            ("relay.example.jp", "relay.example.jp"),
            ("other.example", "relay.example.jp"),
        ] {
            let met = meet(server.clone(), &client, asked).await;
            assert!(met.server == der(&scratch.files(got)), "{asked}");
        }
    }
}

#[tokio::test]
async fn a_session_is_resumed_by_a_ticket_at_its_own_listener_and_at_no_other() {
    let scratch = Scratch::new();
    let certificates = scratch.certificates(&[]);
    let mx = certificates.server_config(ClientCertificates::Ignore).unwrap();
    let submission = certificates.server_config(ClientCertificates::Ignore).unwrap();
    let client = client(&rustls::version::TLS13, None);
    let mut kinds = Vec::new();
    for server in [&mx, &mx, &submission] {
        kinds.push(meet(server.clone(), &client, "relay.example.jp").await.kind);
    }
    assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Full]);
}

#[tokio::test(start_paused = true)]
async fn a_new_certificate_is_taken_over_and_a_broken_one_is_not() {
    let scratch = Scratch::new();
    let certificates = scratch.certificates(&["mx.example.com"]);
    let server = certificates.server_config(ClientCertificates::Ignore).unwrap();
    let watcher = tokio::spawn(certificates.clone().watch(Arc::default()));
    tokio::time::sleep(LOOK_AGAIN).await;
    let client = client(&rustls::version::TLS13, None);
    for name in ["mx.example.com", "relay.example.jp"] {
        let new = der(&scratch.make(name));
        tokio::time::sleep(LOOK_AGAIN * 2).await;
        assert!(meet(server.clone(), &client, name).await.server == new, "{name}");
        fs::write(scratch.files(name).0, "no certificate").unwrap();
        tokio::time::sleep(LOOK_AGAIN * 2).await;
        assert!(meet(server.clone(), &client, name).await.server == new, "{name}");
    }
    watcher.abort();
}

#[tokio::test]
async fn what_is_asked_for_by_hand_is_read_at_once() {
    let scratch = Scratch::new();
    let certificates = scratch.certificates(&[]);
    let asked = Arc::new(Notify::new());
    let watcher = tokio::spawn(certificates.clone().watch(asked.clone()));
    let new = der(&scratch.make("relay.example.jp"));
    asked.notify_one();
    for _ in 0..100_000 {
        if certificates.default.current.load().cert[0].to_vec() == new {
            return watcher.abort();
        }
        tokio::task::yield_now().await;
    }
    panic!("it was not read");
}

#[tokio::test]
async fn a_client_may_show_a_certificate_where_it_is_asked_and_need_not() {
    let scratch = Scratch::new();
    let certificates = scratch.certificates(&[]);
    let notes = certificates.server_config(ClientCertificates::Note).unwrap();
    let ignores = certificates.server_config(ClientCertificates::Ignore).unwrap();
    let files = scratch.make("sender.example");
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let shows = client(version, Some(super::read(&files.0, &files.1).unwrap()));
        let shown = meet(notes.clone(), &shows, "relay.example.jp").await.client;
        assert!(shown == Some(der(&files)));
        assert!(meet(ignores.clone(), &shows, "relay.example.jp").await.client.is_none());
        assert!(meet(notes.clone(), &client(version, None), "relay.example.jp").await.client.is_none());
    }
}

#[test]
fn the_soonest_end_of_all_certificates_counts() {
    let scratch = Scratch::new();
    let certificates = scratch.certificates(&[]);
    // What the development profile makes ends in the year 4096.
    assert!(certificates.valid_until().unwrap().to_rfc3339().starts_with("4096-01-01"));
    assert!(Config::development(&scratch.0).unwrap().ingress.tls.named.is_empty());
}

#[test]
fn a_certificate_that_has_ended_or_soon_will_is_warned_of_by_its_key_and_days() {
    let scratch = Scratch::new();
    let (certificate, key) = scratch.make("relay.example.jp");
    let (more, more_key) = scratch.make("mx.example.jp");
    let named = vec![NamedCertificate { names: Vec::new(), certificate: more, key: more_key }];
    let files = TlsFiles { certificate, key, named };
    // What the development profile makes ends in the year 4096.
    let end = Timestamp::parse_rfc3339("4096-01-01T00:00:00Z").unwrap();
    let day = |days: i64| Timestamp::from_millis(end.as_millis() + days * 86_400_000);
    assert!(certificate_warnings(&files, day(-15)).is_empty());
    let soon = certificate_warnings(&files, day(-3));
    assert!(
        soon[0].starts_with("ingress.tls.certificate: ") && soon[0].contains("ends in 3 days"),
        "{soon:?}"
    );
    assert!(soon[1].starts_with("ingress.tls.named[1].certificate: "), "{soon:?}");
    let over = certificate_warnings(&files, day(2));
    assert!(over.len() == 2 && over[0].contains("ended 2 days ago, 4096-01-01"), "{over:?}");
    fs::remove_file(&files.certificate).unwrap();
    assert_eq!(certificate_warnings(&files, day(2)).len(), 1);
}
