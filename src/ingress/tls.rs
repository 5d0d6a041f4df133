//! Certificates of the listeners: read at start, read again when the files change, without touching running sessions.
//!
//! Rules: the provider is aws-lc-rs; TLS 1.2 and 1.3 (RFC 8996 retired the older). Each listener has its own
//! configuration, so that a session ticket of one service is none at another.
//! When it fails: at start [`CertificateError`] with path and cure; later the old certificate stays and the log says why.

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How often the files are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Why a certificate can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("{path}: {cause}; [ingress.tls] must name PEM files that this user can read")]
    File { path: PathBuf, cause: std::io::Error },
    #[error("{path}: no certificate in it; it must hold the certificate and its chain in PEM")]
    NoCertificate { path: PathBuf },
    #[error(
        "{path}: no private key in it that this program can use; it must hold one in PEM (PKCS#8, SEC1 or PKCS#1)"
    )]
    NoKey { path: PathBuf },
    #[error(
        "{certificate} and {key} do not belong together; the key must be the one the certificate was made for"
    )]
    Mismatch { certificate: PathBuf, key: PathBuf },
    #[error("TLS can't be set up: {0}")]
    Tls(rustls::Error),
    #[error("a self-signed certificate can't be made: {0}")]
    Make(rcgen::Error),
}

/// The certificate in use.
pub(super) struct Certificate {
    files: (PathBuf, PathBuf),
    current: ArcSwap<CertifiedKey>,
}

impl Certificate {
    pub fn load(certificate: &Path, key: &Path) -> Result<Arc<Self>, CertificateError> {
        let current = ArcSwap::from_pointee(read(certificate, key)?);
        Ok(Arc::new(Self { files: (certificate.into(), key.into()), current }))
    }

    /// A TLS configuration that always serves the current certificate.
    pub fn server_config(self: &Arc<Self>) -> Result<Arc<rustls::ServerConfig>, CertificateError> {
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(CertificateError::Tls)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Resolver(self.clone())));
        Ok(Arc::new(config))
    }

    /// Looks at the files from time to time and takes them over when they changed. Runs until it is dropped.
    pub async fn watch(self: Arc<Self>) {
        let (certificate, key) = &self.files;
        let mut seen = changed_at(certificate, key);
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            let now = changed_at(certificate, key);
            if now == seen || now.iter().any(Option::is_none) {
                continue;
            }
            match read(certificate, key) {
                Ok(new) => {
                    self.current.store(Arc::new(new));
                    tracing::info!(event = "certificate_reloaded", "new sessions get the new certificate");
                }
                // Certificate and key are two files: the second may be a moment late. Then this is tried again.
                Err(CertificateError::Mismatch { .. }) => continue,
                Err(error) => {
                    tracing::error!(event = "certificate_refused", %error, "the old one stays in use")
                }
            }
            seen = now;
        }
    }
}

fn changed_at(certificate: &Path, key: &Path) -> [Option<SystemTime>; 2] {
    let time = |path: &Path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
    [time(certificate), time(key)]
}

fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, CertificateError> {
    let file = |path: &Path| {
        std::fs::read(path).map_err(|cause| CertificateError::File { path: path.into(), cause })
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&file(certificate)?)
        .collect::<Result<_, _>>()
        .map_err(|_| CertificateError::NoCertificate { path: certificate.into() })?;
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate { path: certificate.into() });
    }
    let no_key = || CertificateError::NoKey { path: key.into() };
    let pem = zeroize::Zeroizing::new(file(key)?);
    let der = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| no_key())?;
    let signer = default_provider().key_provider.load_private_key(der).map_err(|_| no_key())?;
    let certified = CertifiedKey::new(chain, signer);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(certified),
        Err(_) => Err(CertificateError::Mismatch { certificate: certificate.into(), key: key.into() }),
    }
}

struct Resolver(Arc<Certificate>);

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current.load_full())
    }
}

/// Makes a self-signed certificate (P-256) for these names where neither file exists. For the development profile.
///
/// # Errors
/// [`CertificateError`] when a file can't be written.
pub fn make_self_signed(certificate: &Path, key: &Path, names: Vec<String>) -> Result<(), CertificateError> {
    if certificate.exists() || key.exists() {
        return Ok(());
    }
    let made = rcgen::generate_simple_self_signed(names).map_err(CertificateError::Make)?;
    write(key, &made.signing_key.serialize_pem(), 0o600)?;
    write(certificate, &made.cert.pem(), 0o644)
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), CertificateError> {
    let fault = |cause| CertificateError::File { path: path.into(), cause };
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(fault)?;
    }
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(fault)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(fault)
}
