//! Certificates made for tests: self-signed, or of an authority made for them; valid, or out of date.

use crate::mail::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};

/// A server's certificate with its chain and key.
pub struct Identity {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: Vec<u8>,
    /// The certificate that vouches for it: itself or its authority's.
    pub pem: String,
}

/// An authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

/// Whether a certificate's time is over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Age {
    Valid,
    Expired,
}

impl Identity {
    pub fn of(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        Self {
            chain: vec![made.cert.der().clone()],
            key: made.signing_key.serialize_der(),
            pem: made.cert.pem(),
        }
    }

    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.chain[0]
    }
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "Test Authority");
        let certificate = params.self_signed(&key).unwrap();
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        Self { issuer: Issuer::new(params, key), certificate: der, pem }
    }

    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for `name`; the chain that is sent has the authority's too.
    pub fn vouch(&self, name: &str, age: Age) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let now = OffsetDateTime::from_unix_timestamp(Timestamp::now().as_millis() / 1000).unwrap();
        if age == Age::Expired {
            (params.not_before, params.not_after) = (now - Duration::days(9), now - Duration::days(1));
        }
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            chain: vec![certificate.der().clone(), self.certificate.clone()],
            key: key.serialize_der(),
            pem: self.pem.clone(),
        }
    }
}
