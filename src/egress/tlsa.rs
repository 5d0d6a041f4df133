//! TLSA records of a mail server (RFC 6698, RFC 7671) as SMTP uses them (RFC 7672 §3.1), and whether the certificates of
//! a handshake match them.
//!
//! | record | use |
//! |---|---|
//! | DANE-EE (3), certificate or key, as it is, SHA-256 or SHA-512 | the server's own; its names and dates say nothing |
//! | DANE-TA (2), the same | an authority among the server's certificates; then names and dates count |
//! | PKIX-TA (0), PKIX-EE (1) | unusable in SMTP (RFC 7672 §3.1.3) |
//! | another selector or matching type, octets of the wrong length | unusable |
//!
//! Rules: of records that differ in their digest alone the stronger one counts (RFC 7671 §9). Where all are unusable TLS
//! is required and nothing is proven (RFC 7672 §2.2). At most [`MAX_RECORDS`] are read.
//! When it fails: it does not; what cannot be used is not used.

use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;
use sha2::{Digest, Sha256, Sha512};

/// Records read of one set.
pub const MAX_RECORDS: usize = 64;

/// Whose certificate a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Usage {
    /// DANE-TA(2).
    Authority,
    /// DANE-EE(3).
    Server,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Selector {
    Certificate,
    Key,
}

/// What is compared; the order is that of strength.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Matching {
    Sha256,
    Sha512,
    Exact,
}

/// A usable record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tlsa {
    usage: Usage,
    selector: Selector,
    matching: Matching,
    octets: Vec<u8>,
}

impl Tlsa {
    /// From the fields of a record; none where it is unusable.
    #[must_use]
    pub fn read(usage: u8, selector: u8, matching: u8, octets: &[u8]) -> Option<Self> {
        let usage = match usage {
            2 => Usage::Authority,
            3 => Usage::Server,
            _ => return None,
        };
        let selector = match selector {
            0 => Selector::Certificate,
            1 => Selector::Key,
            _ => return None,
        };
        let matching = match (matching, octets.len()) {
            (0, 1..) => Matching::Exact,
            (1, 32) => Matching::Sha256,
            (2, 64) => Matching::Sha512,
            _ => return None,
        };
        Some(Self { usage, selector, matching, octets: octets.to_vec() })
    }

    /// Whose certificate it is about.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Whether this certificate is the one.
    #[must_use]
    pub fn matches(&self, certificate: &CertificateDer<'_>) -> bool {
        let key;
        let subject: &[u8] = match self.selector {
            Selector::Certificate => certificate,
            Selector::Key => match ParsedCertificate::try_from(certificate) {
                Ok(parsed) => {
                    key = parsed.subject_public_key_info();
                    key.as_ref()
                }
                Err(_) => return false,
            },
        };
        match self.matching {
            Matching::Exact => subject == self.octets,
            Matching::Sha256 => Sha256::digest(subject).as_slice() == self.octets,
            Matching::Sha512 => Sha512::digest(subject).as_slice() == self.octets,
        }
    }

    /// The authority's certificate, where the record holds it whole: the server need not send it then.
    #[must_use]
    pub fn whole_authority(&self) -> Option<CertificateDer<'static>> {
        let whole = self.usage == Usage::Authority
            && self.selector == Selector::Certificate
            && self.matching == Matching::Exact;
        whole.then(|| CertificateDer::from(self.octets.clone()))
    }

    /// As in a zone file, for reports (RFC 8460 §4.4).
    #[must_use]
    pub fn text(&self) -> String {
        let usage = match self.usage {
            Usage::Authority => 2,
            Usage::Server => 3,
        };
        let selector = u8::from(self.selector == Selector::Key);
        let matching = match self.matching {
            Matching::Exact => 0,
            Matching::Sha256 => 1,
            Matching::Sha512 => 2,
        };
        format!("{usage} {selector} {matching} {}", data_encoding::HEXUPPER.encode(&self.octets))
    }
}

/// The usable ones of a set, less those whose digest is weaker than another's of the same kind.
#[must_use]
pub fn usable(records: impl Iterator<Item = Option<Tlsa>>) -> Vec<Tlsa> {
    let all: Vec<Tlsa> = records.take(MAX_RECORDS).flatten().collect();
    let is_weaker = |record: &Tlsa| {
        record.matching == Matching::Sha256
            && all.iter().any(|other| {
                other.matching == Matching::Sha512
                    && (other.usage, other.selector) == (record.usage, record.selector)
            })
    };
    all.iter().filter(|record| !is_weaker(record)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    fn made() -> (CertificateDer<'static>, Vec<u8>) {
        let CertifiedKey { cert, .. } =
            generate_simple_self_signed(vec!["mx.test.example".to_owned()]).unwrap();
        let der = cert.der().clone();
        let key = ParsedCertificate::try_from(&der).unwrap().subject_public_key_info().as_ref().to_vec();
        (der, key)
    }

    #[test]
    fn what_smtp_has_no_use_for_is_unusable() {
        let digest = [7; 32];
        for (usage, selector, matching, octets) in [
            (0, 1, 1, &digest[..]),
            (1, 1, 1, &digest),
            (4, 1, 1, &digest),
            (255, 1, 1, &digest),
            (3, 2, 1, &digest),
            (3, 1, 3, &digest),
            (3, 1, 2, &digest),
            (3, 1, 1, &digest[..31]),
            (3, 1, 1, &[]),
            (3, 0, 0, &[]),
        ] {
            assert_eq!(Tlsa::read(usage, selector, matching, octets), None, "{usage} {selector} {matching}");
        }
        assert_eq!(Tlsa::read(3, 1, 1, &[0xab; 32]).unwrap().text(), format!("3 1 1 {}", "AB".repeat(32)));
    }

    #[test]
    fn a_certificate_matches_by_itself_or_by_its_key_whole_or_by_digest() {
        let (der, key) = made();
        let (other, _) = made();
        let (c256, c512) = (Sha256::digest(&der).to_vec(), Sha512::digest(&der).to_vec());
        let (k256, k512) = (Sha256::digest(&key).to_vec(), Sha512::digest(&key).to_vec());
        for (selector, matching, octets) in
            [(0, 0, der.as_ref()), (0, 1, &c256), (0, 2, &c512), (1, 0, &key), (1, 1, &k256), (1, 2, &k512)]
        {
            for usage in [2, 3] {
                let record = Tlsa::read(usage, selector, matching, octets).unwrap();
                assert!(record.matches(&der), "{}", record.text());
                assert!(!record.matches(&other), "{}", record.text());
                assert!(!record.matches(&CertificateDer::from(vec![0x30, 0x03])), "{}", record.text());
                assert_eq!(record.whole_authority().is_some(), (usage, selector, matching) == (2, 0, 0));
            }
        }
    }

    #[test]
    fn the_weaker_digest_of_a_pair_does_not_count() {
        let read =
            |usage, selector, matching, length| Tlsa::read(usage, selector, matching, &vec![1; length]);
        let set =
            [read(3, 1, 1, 32), read(3, 1, 2, 64), read(3, 0, 1, 32), read(2, 1, 1, 32), read(1, 1, 1, 32)];
        let texts: Vec<String> = usable(set.into_iter()).iter().map(|r| r.text()[..5].to_owned()).collect();
        assert_eq!(texts, ["3 1 2", "3 0 1", "2 1 1"]);
        assert!(usable((0..1000).map(|_| read(3, 1, 1, 32))).len() <= MAX_RECORDS);
    }
}
