//! Secrets that prove who somebody is.
//!
//! What we generate (submission passwords, API tokens) has 160 bits of randomness: nobody guesses it, so one
//! SHA-256 stands at rest; a slow hash would only slow the relay. What a person chooses or types (the menu's
//! password) is hashed with Argon2id (RFC 9106) with its crate's defaults (19 MiB, 2 passes; OWASP's choice).
//! Comparison takes the same time wherever the first difference lies.

use super::random_bytes;
use argon2::Argon2;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::{PasswordHasher, phc};
use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A secret in clear: shown once to its owner, or just received. Not printable; wiped when dropped.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// A new secret of 160 random bits: `prefix` (by which scanners of public code recognise it) and 32 characters.
    #[must_use]
    pub fn generate(prefix: &str) -> Self {
        Self(Zeroizing::new(format!(
            "{prefix}{}",
            BASE32_NOPAD.encode(&random_bytes::<20>()).to_ascii_lowercase()
        )))
    }

    /// A secret that somebody sent.
    #[must_use]
    pub fn received(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The text, for the one answer that shows it to its owner.
    #[must_use]
    pub fn show(&self) -> &str {
        &self.0
    }

    /// The fast hash of a generated secret.
    #[must_use]
    pub fn fingerprint(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.0.as_bytes()).into())
    }
}

/// SHA-256 of a generated secret.
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// What the database gave back; anything that is not 32 octets matches no secret.
    #[must_use]
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// What the database gets.
    #[must_use]
    pub fn to_stored(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// Whether `secret` is the one; in constant time.
    #[must_use]
    pub fn matches(&self, secret: &Secret) -> bool {
        self.0.ct_eq(&secret.fingerprint().0).into()
    }
}

/// Argon2id of a password, in PHC string form.
pub struct PasswordHash(String);

impl PasswordHash {
    /// Hashes; some 20 ms and 19 MiB. `None` when the system has no memory for it.
    #[must_use]
    pub fn new(secret: &Secret) -> Option<Self> {
        let salt = random_bytes::<16>();
        let hash: phc::PasswordHash =
            Argon2::default().hash_password_with_salt(secret.0.as_bytes(), &salt).ok()?;
        Some(Self(hash.to_string()))
    }

    /// The PHC string, for sealing.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `secret` is the one.
    #[must_use]
    pub fn matches(stored: &str, secret: &Secret) -> bool {
        phc::PasswordHash::new(stored)
            .is_ok_and(|hash| Argon2::default().verify_password(secret.0.as_bytes(), &hash).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_itself_matches() {
        let (secret, other) = (Secret::generate("ansm_"), Secret::generate("ansm_"));
        assert_eq!(secret.show().len(), 37);
        let stored = SecretHash::from_stored(&secret.fingerprint().to_stored()).unwrap();
        assert!(stored.matches(&secret) && !stored.matches(&other));
        let hash = PasswordHash::new(&secret).unwrap();
        assert!(
            PasswordHash::matches(hash.as_str(), &secret) && !PasswordHash::matches(hash.as_str(), &other)
        );
        assert!(!PasswordHash::matches("no hash", &secret));
    }
}
