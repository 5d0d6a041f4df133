//! DKIM signatures with the domain of the alias in From (RFC 6376; RSA as of RFC 8301, Ed25519 as of RFC 8463).
//!
//! Rules: a directory holds the private keys, one `SELECTOR.pem` each (PKCS #8, mode 0600). All that are planned are
//! published; of each algorithm the one signs whose time began last. So a key is rotated by publishing a new one, letting it
//! sign once the world can have seen its record, and publishing the old one until nothing that it signed is under way.
//! Both signatures are made where there are both keys. Relaxed/relaxed; the body is signed whole; a header
//! field that could be added to mislead is signed once more than it occurs (RFC 6376 §5.4.2).
//! Keys are parsed once. An RSA signature costs about half a millisecond of a core.
//! When it fails: [`DkimFault`]; it names a selector at most.

use crate::mail::{Domain, Timestamp};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::KeyPair;
use data_encoding::BASE64;
use mail_auth::crypto::{Algorithm, Ed25519Key, RsaKey, Sha256, SigningKey};
use mail_auth::dkim::DkimSigner;
use mail_auth::headers::{HeaderWriter, Writable};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::fmt;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use zeroize::Zeroizing;

/// RSA keys below this many bits are refused (RFC 8301 §3.2 asks for 1024 at least, 2048 by preference).
const MIN_RSA_BITS: usize = 2048;

/// The fields that are signed. Each stands here twice: once for what is there, once more so that none can be added
/// unseen; a field that is absent is signed as absent.
const SIGNED: [&str; 28] = [
    "From",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "Reply-To",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Disposition",
    "Sender",
    "From",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "Reply-To",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Disposition",
    "Sender",
];

/// Why there is no signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DkimFault {
    #[error("the directory of DKIM keys cannot be read")]
    Directory,
    #[error("the directory of DKIM keys holds no SELECTOR.pem")]
    NoKey,
    #[error("the directory of DKIM keys has no {0}.pem; `anshin keys dkim --selector {0}` makes it")]
    Missing(String),
    #[error("the DKIM key {0} is there already")]
    Exists(String),
    #[error(
        "the DKIM key {0} cannot be read, or is no PKCS #8 PEM of an RSA (2048 bits or more) or Ed25519 key"
    )]
    Key(String),
    #[error("the DKIM key {0} cannot be written")]
    Write(String),
    #[error("a DKIM key cannot be made")]
    Make,
    #[error("the message cannot be signed")]
    Sign,
}

enum PrivateKey {
    Rsa(Box<RsaKey<Sha256>>),
    Ed25519(Box<Ed25519Key>),
}

struct NamedKey {
    selector: String,
    private: PrivateKey,
    /// The value of `p=`.
    public: String,
    /// It signs from then on, unless another of its algorithm began later; none: it is published and signs nothing.
    signs_from: Option<Timestamp>,
}

/// What is done with the key of one selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPlan {
    pub selector: String,
    /// None: it is published only.
    pub signs_from: Option<Timestamp>,
}

/// RFC 8301, RFC 8463.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyAlgorithm {
    Rsa,
    Ed25519,
}

/// A key as it is published in the DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// `SELECTOR._domainkey.DOMAIN`, without the root dot.
    pub name: String,
    /// The text of the TXT record, in one piece.
    pub value: String,
}

impl fmt::Display for KeyRecord {
    /// A line of a zone file, with the text cut into strings of at most 255 octets (RFC 1035 §3.3.14).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. IN TXT (", self.name)?;
        for piece in self.value.as_bytes().chunks(255) {
            write!(f, " \"{}\"", String::from_utf8_lossy(piece))?;
        }
        f.write_str(" )")
    }
}

/// Signs for any of our domains with the keys of one directory.
pub struct Signer {
    /// Sorted by selector.
    keys: Vec<NamedKey>,
}

impl Signer {
    /// Reads all `SELECTOR.pem` of a directory.
    ///
    /// # Errors
    /// [`DkimFault`] when it cannot be read, holds none, or one of them is no good.
    pub fn load(directory: &Path) -> Result<Self, DkimFault> {
        let mut keys = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(|_| DkimFault::Directory)? {
            let path = entry.map_err(|_| DkimFault::Directory)?.path();
            if path.extension().is_none_or(|extension| extension != "pem") {
                continue;
            }
            let selector =
                path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let bad = || DkimFault::Key(selector.clone());
            if Domain::parse(&selector).is_err() {
                return Err(bad());
            }
            let pem = Zeroizing::new(std::fs::read(&path).map_err(|_| bad())?);
            let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|_| bad())?;
            let (private, public) = read_key(&der).ok_or_else(bad)?;
            keys.push(NamedKey { selector, private, public, signs_from: Some(Timestamp::from_millis(0)) });
        }
        if keys.is_empty() {
            return Err(DkimFault::NoKey);
        }
        keys.sort_by(|a, b| a.selector.cmp(&b.selector));
        Ok(Self { keys })
    }

    /// Makes a directory with an RSA-2048 key and an Ed25519 key under these selectors; a file that is there stays.
    ///
    /// # Errors
    /// [`DkimFault`] when a key cannot be made or written.
    pub fn make(directory: &Path, rsa_selector: &str, ed25519_selector: &str) -> Result<(), DkimFault> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(directory).map_err(|_| DkimFault::Directory)?;
        for (selector, algorithm) in
            [(rsa_selector, KeyAlgorithm::Rsa), (ed25519_selector, KeyAlgorithm::Ed25519)]
        {
            match Self::add(directory, selector, algorithm) {
                Ok(()) | Err(DkimFault::Exists(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    /// Makes one key in a directory that is there.
    ///
    /// # Errors
    /// [`DkimFault`] when it is there already, or cannot be made or written.
    pub fn add(directory: &Path, selector: &str, algorithm: KeyAlgorithm) -> Result<(), DkimFault> {
        match algorithm {
            KeyAlgorithm::Rsa => {
                let rsa = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| DkimFault::Make)?;
                let rsa: Pkcs8V1Der<'_> = rsa.as_der().map_err(|_| DkimFault::Make)?;
                write_key(directory, selector, rsa.as_ref())
            }
            KeyAlgorithm::Ed25519 => {
                let ed25519 = Zeroizing::new(Ed25519Key::generate_pkcs8().map_err(|_| DkimFault::Make)?);
                write_key(directory, selector, &ed25519)
            }
        }
    }

    /// Keeps only the keys that are planned, in the order of the plans.
    ///
    /// # Errors
    /// [`DkimFault::Missing`] when one of them is not there.
    pub fn planned(mut self, plans: &[KeyPlan]) -> Result<Self, DkimFault> {
        let mut keys = Vec::new();
        for plan in plans {
            let place = self.keys.iter().position(|key| key.selector == plan.selector);
            let mut key =
                self.keys.swap_remove(place.ok_or_else(|| DkimFault::Missing(plan.selector.clone()))?);
            key.signs_from = plan.signs_from;
            keys.push(key);
        }
        Ok(Self { keys })
    }

    /// The `DKIM-Signature` fields to put in front of `message`, signed for `domain`: whole lines with CRLF.
    ///
    /// # Errors
    /// [`DkimFault::Sign`] when the library refuses, which no message of ours makes it do.
    pub fn sign(&self, message: &[u8], domain: &Domain) -> Result<Vec<u8>, DkimFault> {
        let mut fields = String::new();
        for key in self.signing_keys(Timestamp::now()) {
            let selector = key.selector.as_str();
            let field = match &key.private {
                PrivateKey::Rsa(rsa) => field(Borrowed(rsa.as_ref()), selector, message, domain),
                PrivateKey::Ed25519(ed25519) => field(Borrowed(ed25519.as_ref()), selector, message, domain),
            };
            fields.push_str(&field?);
        }
        Ok(fields.into_bytes())
    }

    /// What is to be published for `domain`, one record a key.
    #[must_use]
    pub fn dns_records(&self, domain: &Domain) -> Vec<KeyRecord> {
        let record = |key: &NamedKey| {
            let kind = if key.is_rsa() { "rsa" } else { "ed25519" };
            KeyRecord {
                name: format!("{}._domainkey.{domain}", key.selector),
                value: format!("v=DKIM1; k={kind}; p={}", key.public),
            }
        };
        self.keys.iter().map(record).collect()
    }

    /// Of each algorithm the one whose time began last; of several that began at once the last.
    fn signing_keys(&self, now: Timestamp) -> impl Iterator<Item = &NamedKey> {
        let last = |rsa: bool| {
            let begun = self.keys.iter().filter(|key| key.is_rsa() == rsa && key.signs_from <= Some(now));
            begun.filter(|key| key.signs_from.is_some()).max_by_key(|key| key.signs_from)
        };
        [last(true), last(false)].into_iter().flatten()
    }
}

impl NamedKey {
    fn is_rsa(&self) -> bool {
        matches!(self.private, PrivateKey::Rsa(_))
    }
}

/// The key and its `p=`: a SubjectPublicKeyInfo for RSA, the bare key for Ed25519 (RFC 8463 §4.2).
fn read_key(der: &PrivatePkcs8KeyDer<'_>) -> Option<(PrivateKey, String)> {
    let octets = der.secret_pkcs8_der();
    if let Ok(pair) = RsaKeyPair::from_pkcs8(octets) {
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().ok()?;
        let bits = pair.public_modulus_len() * 8;
        let key = RsaKey::from_key_der(PrivateKeyDer::Pkcs8(der.clone_key())).ok()?;
        let encoded = BASE64.encode(public.as_ref());
        return (bits >= MIN_RSA_BITS).then_some((PrivateKey::Rsa(Box::new(key)), encoded));
    }
    let key = Ed25519Key::from_pkcs8_maybe_unchecked_der(octets).ok()?;
    let encoded = BASE64.encode(&key.public_key());
    Some((PrivateKey::Ed25519(Box::new(key)), encoded))
}

fn write_key(directory: &Path, selector: &str, der: &[u8]) -> Result<(), DkimFault> {
    let path = directory.join(format!("{selector}.pem"));
    let fault = || DkimFault::Write(selector.to_owned());
    let mut file = match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(DkimFault::Exists(selector.to_owned()));
        }
        Err(_) => return Err(fault()),
    };
    let encoded = Zeroizing::new(BASE64.encode(der));
    let mut pem = Zeroizing::new(String::from("-----BEGIN PRIVATE KEY-----\n"));
    for line in encoded.as_bytes().chunks(64) {
        pem.push_str(std::str::from_utf8(line).map_err(|_| fault())?);
        pem.push('\n');
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()).map_err(|_| fault())
}

fn field(key: impl SigningKey, selector: &str, message: &[u8], domain: &Domain) -> Result<String, DkimFault> {
    let signer = DkimSigner::from_key(key).domain(domain.as_str()).selector(selector).headers(SIGNED);
    Ok(signer.sign(message).map_err(|_| DkimFault::Sign)?.to_header())
}

/// A key that is used without being given away: the library's signer wants to own one.
struct Borrowed<'a, K>(&'a K);

impl<K: SigningKey> SigningKey for Borrowed<'_, K> {
    type Hasher = K::Hasher;

    fn sign(&self, input: impl Writable) -> mail_auth::Result<Vec<u8>> {
        self.0.sign(input)
    }

    fn algorithm(&self) -> Algorithm {
        self.0.algorithm()
    }
}

#[cfg(test)]
mod tests;
