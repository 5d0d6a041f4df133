//! TLS of the listeners: the certificates, by the name that a client asks for, and what is negotiated.
//!
//! Rules: the provider is aws-lc-rs; TLS 1.3 and 1.2, of the latter only ECDHE with AEAD, which is all that rustls has
//! (RFC 9325 §4.2; RFC 8996 retired the older versions). Each listener has its own configuration and its own ticket keys,
//! which rotate every six hours, so that a ticket of one service is none at another. Files are read at start, when they
//! change and when the operator asks (SIGHUP); running sessions keep what they have.
//! When it fails: at start [`CertificateError`] with path and cure; later the old certificate stays and the log says why.

use super::x509;
use crate::config::{ClientCertificates, TlsFiles};
use crate::mail::Timestamp;
use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Notify;

/// How often the files are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How long before its end a certificate is complained about, and how often. Renewal is tried at a third of 90 days.
const EXPIRES_SOON: Duration = Duration::from_secs(14 * 86_400);
const COMPLAIN: Duration = Duration::from_secs(86_400);

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

/// The certificates in use.
pub struct Certificates {
    default: Pair,
    named: Vec<(Vec<String>, Pair)>,
}

/// A certificate with its key, and the files they come from.
struct Pair {
    certificate: PathBuf,
    key: PathBuf,
    current: ArcSwap<CertifiedKey>,
}

/// What shows that a file was changed or replaced.
type Seen = Option<(SystemTime, u64, u64)>;

impl Certificates {
    pub(super) fn load(files: &TlsFiles) -> Result<Arc<Self>, CertificateError> {
        let mut named = Vec::new();
        for more in &files.named {
            let names = more.names.iter().map(|name| name.as_str().to_ascii_lowercase()).collect();
            named.push((names, Pair::load(&more.certificate, &more.key)?));
        }
        Ok(Arc::new(Self { default: Pair::load(&files.certificate, &files.key)?, named }))
    }

    /// A TLS configuration that always serves the current certificates.
    pub(super) fn server_config(
        self: &Arc<Self>,
        clients: ClientCertificates,
    ) -> Result<Arc<rustls::ServerConfig>, CertificateError> {
        let provider = Arc::new(default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(CertificateError::Tls)?;
        let builder = match clients {
            ClientCertificates::Ignore => builder.with_no_client_auth(),
            ClientCertificates::Note => {
                builder.with_client_cert_verifier(Arc::new(super::client_certificate::Anybody::new(provider)))
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(Resolver(self.clone())));
        config.ticketer = Ticketer::new().map_err(CertificateError::Tls)?;
        Ok(Arc::new(config))
    }

    /// The first end of a certificate that is served; `None` where none tells.
    #[must_use]
    pub fn valid_until(&self) -> Option<Timestamp> {
        self.pairs().filter_map(Pair::valid_until).min()
    }

    /// Looks at the files from time to time, and whenever `asked`, and takes them over when they changed. Runs until it is
    /// dropped.
    pub(super) async fn watch(self: Arc<Self>, asked: Arc<Notify>) {
        let mut seen: Vec<[Seen; 2]> = self.pairs().map(Pair::seen).collect();
        let mut complained = None::<tokio::time::Instant>;
        loop {
            if complained.is_none_or(|at| at.elapsed() >= COMPLAIN) {
                self.complain();
                complained = Some(tokio::time::Instant::now());
            }
            let by_hand = tokio::select! {
                () = tokio::time::sleep(LOOK_AGAIN) => false,
                () = asked.notified() => true,
            };
            for (pair, seen) in self.pairs().zip(&mut seen) {
                let now = pair.seen();
                if by_hand || (now != *seen && now.iter().all(Option::is_some)) {
                    match pair.reload() {
                        // Certificate and key are two files: the second may be a moment late. Then this is tried again.
                        Err(CertificateError::Mismatch { .. }) if !by_hand => continue,
                        Ok(()) => complained = None,
                        Err(_) => {}
                    }
                    *seen = now;
                }
            }
        }
    }

    fn complain(&self) {
        let now = Timestamp::now();
        for pair in self.pairs() {
            let file = pair.certificate.display();
            match pair.valid_until().map(|until| (until.to_rfc3339(), Validity::at(until, now))) {
                None | Some((_, Validity::Good)) => {}
                Some((until, Validity::Ends { days })) => tracing::warn!(
                    event = "certificate_expires", %file, until, days,
                    "renew it: servers that verify will not send any more"
                ),
                Some((until, Validity::Ended { days })) => tracing::error!(
                    event = "certificate_expired", %file, until, days,
                    "renew it: sessions go on, but servers that verify do not send"
                ),
            }
        }
    }

    fn pairs(&self) -> impl Iterator<Item = &Pair> {
        std::iter::once(&self.default).chain(self.named.iter().map(|(_, pair)| pair))
    }

    fn for_name(&self, name: Option<&str>) -> &Pair {
        let asked = name.map(str::to_ascii_lowercase);
        let found = asked.and_then(|asked| self.named.iter().find(|(names, _)| names.contains(&asked)));
        found.map_or(&self.default, |(_, pair)| pair)
    }
}

/// How far a certificate is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Validity {
    Good,
    /// In so many days.
    Ends {
        days: u64,
    },
    /// So many days ago.
    Ended {
        days: u64,
    },
}

impl Validity {
    fn at(until: Timestamp, now: Timestamp) -> Self {
        let days = |long: Duration| long.as_secs() / 86_400;
        match until.since(now) {
            Duration::ZERO => Validity::Ended { days: days(now.since(until)) },
            left if left < EXPIRES_SOON => Validity::Ends { days: days(left) },
            _ => Validity::Good,
        }
    }
}

/// What is to be said of the certificates in these files: those that have ended or soon will. A file that is not there is
/// no matter of time; starting says what is wrong with it.
#[must_use]
pub fn certificate_warnings(files: &TlsFiles, now: Timestamp) -> Vec<String> {
    let named = files
        .named
        .iter()
        .zip(1..)
        .map(|(more, i)| (format!("ingress.tls.named[{i}].certificate"), more.certificate.as_path()));
    std::iter::once(("ingress.tls.certificate".to_owned(), files.certificate.as_path()))
        .chain(named)
        .filter_map(|(key, path)| {
            let own = CertificateDer::from_pem_file(path).ok()?;
            let until = x509::valid_until(&own)?;
            let (file, at) = (path.display(), until.to_rfc3339());
            match Validity::at(until, now) {
                Validity::Good => None,
                Validity::Ends { days } => Some(format!("{key}: {file} ends in {days} days, {at}; renew it")),
                Validity::Ended { days } => Some(format!(
                    "{key}: {file} ended {days} days ago, {at}; renew it: servers that verify do not send"
                )),
            }
        })
        .collect()
}

impl Pair {
    fn load(certificate: &Path, key: &Path) -> Result<Self, CertificateError> {
        let current = ArcSwap::from_pointee(read(certificate, key)?);
        Ok(Self { certificate: certificate.into(), key: key.into(), current })
    }

    fn reload(&self) -> Result<(), CertificateError> {
        match read(&self.certificate, &self.key) {
            Ok(new) => {
                self.current.store(Arc::new(new));
                let file = self.certificate.display();
                tracing::info!(event = "certificate_reloaded", %file, "new sessions get the new certificate");
                Ok(())
            }
            Err(error) => {
                if !matches!(error, CertificateError::Mismatch { .. }) {
                    tracing::error!(event = "certificate_refused", %error, "the old one stays in use");
                }
                Err(error)
            }
        }
    }

    fn valid_until(&self) -> Option<Timestamp> {
        self.current.load().end_entity_cert().ok().and_then(|own| x509::valid_until(own))
    }

    fn seen(&self) -> [Seen; 2] {
        let seen = |path: &Path| {
            let meta = std::fs::metadata(path).ok()?;
            Some((meta.modified().ok()?, meta.len(), meta.ino()))
        };
        [seen(&self.certificate), seen(&self.key)]
    }
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

struct Resolver(Arc<Certificates>);

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.for_name(hello.server_name()).current.load_full())
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

#[cfg(test)]
mod tests;
