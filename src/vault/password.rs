//! Secrets that prove who somebody is.
//!
//! Passwords (of submission, of the menu) are hashed with Argon2id (RFC 9106) with its crate's defaults (19 MiB, 2 passes,
//! one lane; OWASP's choice). Submission credentials of older versions have one SHA-256 until their next login: that is no
//! weakness, since what we generate has 160 bits of randomness, which nobody guesses.
//! Comparison takes the same time wherever the first difference lies.

use super::random_bytes;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::{PasswordHasher, phc};
use argon2::{Argon2, Params};
use data_encoding::{BASE32_NOPAD, BASE64_NOPAD};
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

    /// The same once more.
    #[must_use]
    pub fn again(&self) -> Self {
        Self(self.0.clone())
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
    /// Hashes; some 20 ms and 19 MiB, of whoever calls. `None` when the system has no memory for it.
    #[must_use]
    pub fn new(secret: &Secret) -> Option<Self> {
        let salt = random_bytes::<16>();
        let hash: phc::PasswordHash =
            Argon2::default().hash_password_with_salt(secret.0.as_bytes(), &salt).ok()?;
        Some(Self(hash.to_string()))
    }

    /// One that no password fits, and that takes as long to hold a password against as any: random where the hash stands.
    #[must_use]
    pub fn of_nobody() -> Self {
        let (salt, hash) = (random_bytes::<16>(), random_bytes::<32>());
        let [salt, hash] = [&salt[..], &hash[..]].map(|octets| BASE64_NOPAD.encode(octets));
        let [memory, passes, lanes] =
            [Params::DEFAULT_M_COST, Params::DEFAULT_T_COST, Params::DEFAULT_P_COST];
        Self(format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${hash}"))
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
        let nobody = PasswordHash::of_nobody();
        assert!(!PasswordHash::matches(nobody.as_str(), &secret));
        let parameters = |hash: &PasswordHash| hash.as_str().split('$').take(4).collect::<Vec<_>>().join("$");
        assert_eq!(parameters(&nobody), parameters(&hash), "it is read, and costs as much");
        assert_eq!(nobody.as_str().len(), hash.as_str().len());
        assert!(phc::PasswordHash::new(nobody.as_str()).is_ok());
    }
}
