//! Salts of SCRAM verifiers: one for each user name, whether it exists or not, so that nobody learns from a salt who is
//! there (RFC 5802 §9 leaves that to the server).
//!
//! HMAC-SHA-256 under a subkey of the `guard` key (of the oldest `index` key in a ring that an older version made): new
//! keys of the ring change no salt. A salt must be unique and
//! need not be secret (RFC 5802 §5.1); that it can be told from its name by nobody else is the key's doing.

use super::ring::NamedKey;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Makes salts.
pub struct ScramSalts(Hmac<Sha256>);

impl ScramSalts {
    pub(super) fn new(key: &NamedKey) -> Self {
        let mut subkey = Zeroizing::new([0_u8; 64]);
        let _ = Hkdf::<Sha256>::new(Some(b"anshin scram 1"), key.bytes()).expand(b"salt", &mut *subkey);
        Self(Hmac::new(&(*subkey).into()))
    }

    /// The salt of a user name.
    #[must_use]
    pub fn salt(&self, auth_id: &str) -> [u8; 16] {
        self.mac(b"salt", auth_id).first_chunk().copied().unwrap_or_default()
    }

    /// Keys that no password leads to, for a user name that does not exist.
    #[must_use]
    pub fn keys_of_nobody(&self, auth_id: &str) -> [u8; 32] {
        self.mac(b"nobody", auth_id)
    }

    fn mac(&self, what: &[u8], auth_id: &str) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(what);
        mac.update(&[0]);
        mac.update(auth_id.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::ring::ring_for_tests;
    use super::*;

    #[test]
    fn every_name_has_a_salt_of_its_own() {
        let ring = ring_for_tests();
        let salts = ScramSalts::new(ring.guard().unwrap());
        assert_eq!(salts.salt("0123"), ScramSalts::new(ring.guard().unwrap()).salt("0123"));
        assert_ne!(salts.salt("0123"), salts.salt("0124"));
        assert_ne!(salts.keys_of_nobody("0123")[..16], salts.salt("0123"));
    }
}
