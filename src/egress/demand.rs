//! What TLS towards one host must come to, and why it did not.
//!
//! | demand | from | certificate | without TLS |
//! |---|---|---|---|
//! | never | a route with `none` | | always in clear |
//! | may | the default; a route with `may`; MTA-STS `testing` | any | in clear (RFC 7435) |
//! | encrypt | a route with `encrypt` | any | no mail |
//! | verify | a route with `verify`; MTA-STS `enforce` (RFC 8461 §5) | a known authority's, for the host's name | no mail |
//! | DANE | proven TLSA records (RFC 7672) | as the records say; any where none is usable | no mail |
//!
//! When it fails: [`TlsFailure`]; mail that is refused TLS is deferred with 4.7.5 or 4.7.10, never sent in clear.

use super::route::TlsPolicy;
use super::tlsa::Tlsa;
use crate::mail::Domain;
use rustls::CertificateError;
use std::sync::Arc;

/// What TLS must come to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Demand {
    Never,
    May,
    Encrypt,
    Verify,
    Dane(Arc<Dane>),
}

/// What DANE demands of one host.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Dane {
    /// Where the records stand; the name that is asked for in the handshake (RFC 7672 §8.1).
    pub base: Domain,
    /// Names one of which a certificate under DANE-TA must have (RFC 7672 §3.2.2).
    pub names: Vec<Domain>,
    /// Empty: all that stand there are unusable, and only TLS itself is required (RFC 7672 §2.2).
    pub records: Vec<Tlsa>,
}

impl From<TlsPolicy> for Demand {
    fn from(policy: TlsPolicy) -> Self {
        match policy {
            TlsPolicy::None => Demand::Never,
            TlsPolicy::May => Demand::May,
            TlsPolicy::Encrypt => Demand::Encrypt,
            TlsPolicy::Verify => Demand::Verify,
        }
    }
}

/// Why TLS did not come about as demanded. The names are those of RFC 8460 §4.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TlsFailure {
    StartTlsNotSupported,
    HostMismatch,
    Expired,
    NotTrusted,
    /// The certificate matches none of the TLSA records.
    TlsaMismatch,
    /// The host is none of those that the MTA-STS policy names.
    MxNotInPolicy,
    /// The handshake failed for another reason.
    Handshake,
    PolicyFetch,
    PolicyInvalid,
    PolicyHostCertificate,
}

impl TlsFailure {
    /// The result type (RFC 8460 §4.3).
    #[must_use]
    pub fn result_type(self) -> &'static str {
        match self {
            TlsFailure::StartTlsNotSupported => "starttls-not-supported",
            TlsFailure::HostMismatch => "certificate-host-mismatch",
            TlsFailure::Expired => "certificate-expired",
            TlsFailure::NotTrusted => "certificate-not-trusted",
            TlsFailure::TlsaMismatch | TlsFailure::MxNotInPolicy | TlsFailure::Handshake => {
                "validation-failure"
            }
            TlsFailure::PolicyFetch => "sts-policy-fetch-error",
            TlsFailure::PolicyInvalid => "sts-policy-invalid",
            TlsFailure::PolicyHostCertificate => "sts-webpki-invalid",
        }
    }

    /// What the result type leaves open (RFC 8460 §4.4, `failure-reason-code`); also the word in the log.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            TlsFailure::StartTlsNotSupported => "starttls-not-offered",
            TlsFailure::HostMismatch => "certificate-host-mismatch",
            TlsFailure::Expired => "certificate-expired",
            TlsFailure::NotTrusted => "certificate-not-trusted",
            TlsFailure::TlsaMismatch => "tlsa-mismatch",
            TlsFailure::MxNotInPolicy => "mx-not-in-sts-policy",
            TlsFailure::Handshake => "tls-handshake-failed",
            TlsFailure::PolicyFetch => "sts-policy-fetch-error",
            TlsFailure::PolicyInvalid => "sts-policy-invalid",
            TlsFailure::PolicyHostCertificate => "sts-policy-host-certificate",
        }
    }

    /// From what the TLS library said of a handshake.
    #[must_use]
    pub fn of(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(error) => match error {
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => TlsFailure::Expired,
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    TlsFailure::HostMismatch
                }
                CertificateError::ApplicationVerificationFailure => TlsFailure::TlsaMismatch,
                _ => TlsFailure::NotTrusted,
            },
            _ => TlsFailure::Handshake,
        }
    }

    /// From what a handshake on a socket ended with.
    #[must_use]
    pub fn of_handshake(error: &std::io::Error) -> Self {
        let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        cause.map_or(TlsFailure::Handshake, TlsFailure::of)
    }
}
