//! TLS towards next hops: any certificate where TLS is opportunistic (RFC 7435), a proven one where a route or an MTA-STS
//! policy says so, the one that TLSA records name under DANE; and the memory of hosts whose TLS is broken.
//!
//! Rules: also where any certificate will do, the handshake's signatures are checked, so that what was encrypted
//! was encrypted to the holder of the certificate that was recorded; and whether the certificate would have proven the
//! name is recorded. A host whose handshake failed is spoken to in clear for a while, only where the demand is `may`.
//! Sessions are resumed only under the demand under which their certificate was checked, under DANE never: its records may
//! have changed. The provider is aws-lc-rs, named here; no process-wide default is needed.
//! When it fails: [`TlsFault`], at start.

use super::demand::{Dane, Demand, TlsFailure};
use super::remembered::Remembered;
use super::resolve::Target;
use super::route::Host;
use super::tlsa::Usage;
use crate::mail::Domain;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Why TLS cannot be set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    #[error("the file of additional authorities cannot be read or is no PEM with certificates")]
    Authorities,
    #[error("the TLS library does not take this set-up")]
    SetUp,
}

/// Whether a certificate proved the host's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// By a known authority, for this name, now.
    Proven,
    /// By the TLSA records of the host.
    Dane,
    /// It did not, and under this policy it did not need to.
    Unproven,
}

/// What TLS came to on one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlsInfo {
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: &'static str,
    /// Such as `TLS13_AES_256_GCM_SHA384`.
    pub cipher: &'static str,
    pub certificate: Certificate,
}

impl fmt::Display for TlsInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, certificate: {:?}", self.version, self.cipher, self.certificate)
    }
}

/// A connection after its handshake.
pub struct Secured {
    pub stream: Box<TlsStream<TcpStream>>,
    pub info: TlsInfo,
    /// Whether the certificate would do under `verify`, whatever was demanded.
    pub public: Result<(), TlsFailure>,
}

/// The client's side of TLS.
pub struct TlsClient {
    provider: Arc<CryptoProvider>,
    any: Arc<ClientConfig>,
    proven: Arc<ClientConfig>,
    verifier: Arc<WebPkiServerVerifier>,
    broken: Remembered,
}

impl TlsClient {
    /// With the authorities of the Mozilla root programme and those in the PEM file `authorities`. A host whose TLS
    /// is broken is spoken to in clear for `remember_broken`.
    ///
    /// # Errors
    /// [`TlsFault`].
    pub fn new(authorities: Option<&Path>, remember_broken: Duration) -> Result<Self, TlsFault> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(path) = authorities {
            let before = roots.len();
            for certificate in CertificateDer::pem_file_iter(path).map_err(|_| TlsFault::Authorities)? {
                let certificate = certificate.map_err(|_| TlsFault::Authorities)?;
                roots.add(certificate).map_err(|_| TlsFault::Authorities)?;
            }
            if roots.len() == before {
                return Err(TlsFault::Authorities);
            }
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|_| TlsFault::SetUp)?;
        let any = client(
            &provider,
            Arc::new(HostVerifier { will_do: WillDo::Any, provider: Arc::clone(&provider) }),
        )?;
        let proven = client(&provider, Arc::clone(&verifier) as Arc<dyn ServerCertVerifier>)?;
        Ok(Self { provider, any, proven, verifier, broken: Remembered::new(remember_broken) })
    }

    /// The set-up that wants a proven certificate, for other uses of TLS in this process.
    #[must_use]
    pub fn proven_config(&self) -> &ClientConfig {
        &self.proven
    }

    /// The handshake on a connection on which the server said it is ready.
    ///
    /// # Errors
    /// Why it did not come about; it tells nothing of a message.
    pub async fn handshake(&self, target: &Target, stream: TcpStream) -> Result<Secured, TlsFailure> {
        let (name, config) = match &target.demand {
            Demand::Dane(dane) => (name_of(&dane.base)?, self.under(dane)?),
            Demand::Verify => (server_name(&target.host)?, Arc::clone(&self.proven)),
            Demand::Never | Demand::May | Demand::Encrypt => {
                (server_name(&target.host)?, Arc::clone(&self.any))
            }
        };
        let stream = TlsConnector::from(config).connect(name.clone(), stream).await;
        let stream = stream.map_err(|error| TlsFailure::of_handshake(&error))?;
        let (_, connection) = stream.get_ref();
        let public = match connection.peer_certificates().and_then(<[_]>::split_first) {
            Some((leaf, chain)) => {
                let verified = self.verifier.verify_server_cert(leaf, chain, &name, &[], UnixTime::now());
                verified.map(|_| ()).map_err(|error| TlsFailure::of(&error))
            }
            None => Err(TlsFailure::NotTrusted),
        };
        let certificate = match &target.demand {
            Demand::Dane(dane) if !dane.records.is_empty() => Certificate::Dane,
            _ if public.is_ok() => Certificate::Proven,
            _ => Certificate::Unproven,
        };
        let version = match connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "unknown",
        };
        let cipher = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
        let info = TlsInfo { version, cipher: cipher.unwrap_or("unknown"), certificate };
        Ok(Secured { stream: Box::new(stream), info, public })
    }

    /// A set-up of its own for the records of one host: no session is carried over.
    fn under(&self, dane: &Arc<Dane>) -> Result<Arc<ClientConfig>, TlsFailure> {
        if dane.records.is_empty() {
            return Ok(Arc::clone(&self.any));
        }
        let verifier =
            HostVerifier { will_do: WillDo::Dane(Arc::clone(dane)), provider: Arc::clone(&self.provider) };
        client(&self.provider, Arc::new(verifier)).map_err(|_| TlsFailure::Handshake)
    }

    /// Notes that the TLS of this address failed.
    pub fn note_broken(&self, address: SocketAddr) {
        self.broken.note(address);
    }

    /// Whether the TLS of this address failed not long ago.
    #[must_use]
    pub fn is_broken(&self, address: SocketAddr) -> bool {
        self.broken.has(address)
    }
}

fn client(
    provider: &Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<Arc<ClientConfig>, TlsFault> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| TlsFault::SetUp)?;
    Ok(Arc::new(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()))
}

fn server_name(host: &Host) -> Result<ServerName<'static>, TlsFailure> {
    match host {
        Host::Address(address) => Ok(ServerName::from(*address)),
        Host::Name(name) => name_of(name),
    }
}

fn name_of(domain: &Domain) -> Result<ServerName<'static>, TlsFailure> {
    ServerName::try_from(domain.as_str().to_owned()).map_err(|_| TlsFailure::Handshake)
}

/// Which certificate will do. The signatures of the handshake are checked in any case: TLS is with who holds its key.
#[derive(Debug)]
struct HostVerifier {
    will_do: WillDo,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
enum WillDo {
    Any,
    /// What the TLSA records of a host name (RFC 7672 §3.1).
    Dane(Arc<Dane>),
}

impl HostVerifier {
    fn takes(&self, leaf: &CertificateDer<'_>, chain: &[CertificateDer<'_>], now: UnixTime) -> bool {
        let WillDo::Dane(dane) = &self.will_do else { return true };
        let mut records = dane.records.iter().filter(|record| record.usage() == Usage::Server);
        records.any(|record| record.matches(leaf)) || self.is_vouched_for(dane, leaf, chain, now)
    }

    /// Whether an authority that the records name vouches for the certificate under one of the names.
    fn is_vouched_for(
        &self,
        dane: &Dane,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> bool {
        let records = || dane.records.iter().filter(|record| record.usage() == Usage::Authority);
        let mut roots = RootCertStore::empty();
        for authority in chain.iter().filter(|held| records().any(|record| record.matches(held))) {
            let _ = roots.add(authority.clone().into_owned());
        }
        for authority in records().filter_map(super::tlsa::Tlsa::whole_authority) {
            let _ = roots.add(authority);
        }
        let Ok(leaf) = ParsedCertificate::try_from(leaf) else { return false };
        let algorithms = self.provider.signature_verification_algorithms.all;
        let names = || dane.names.iter().filter_map(|name| name_of(name).ok());
        !roots.is_empty()
            && verify_server_cert_signed_by_trust_anchor(&leaf, &roots, chain, now, algorithms).is_ok()
            && names().any(|name| verify_server_name(&leaf, &name).is_ok())
    }
}

impl ServerCertVerifier for HostVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.takes(leaf, chain, now) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
