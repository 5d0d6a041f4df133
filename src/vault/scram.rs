//! Salts of SCRAM verifiers: one for each user name, whether it exists or not, so that nobody learns from a salt who is
//! there (RFC 5802 §9 leaves that to the server).
//!
//! HMAC-SHA-256 under a subkey of the oldest `index` key: new keys of the ring change no salt. A salt must be unique and
//! need not be secret (RFC 5802 §5.1); that it can be told from its name by nobody else is the key's doing.

use super::ring::NamedKey;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Makes salts.
pub struct ScramSalts(Option<Hmac<Sha256>>);

impl ScramSalts {
    /// From the keys of the ring, newest first.
    pub(super) fn new(keys: Vec<&NamedKey>) -> Self {
        let derive = |key: &&NamedKey| {
            let mut subkey = Zeroizing::new([0_u8; 64]);
            let _ = Hkdf::<Sha256>::new(Some(b"anshin scram 1"), key.bytes()).expand(b"salt", &mut *subkey);
            Hmac::new(&(*subkey).into())
        };
        Self(keys.last().map(derive))
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
        // A ring without an index key does not open.
        let Some(mut mac) = self.0.clone() else { return [0; 32] };
        mac.update(what);
        mac.update(&[0]);
        mac.update(auth_id.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::ring::{Purpose, ring_for_tests};
    use super::*;

    #[test]
    fn a_name_keeps_its_salt_when_the_ring_gets_a_new_key() {
        let ring = ring_for_tests();
        let keys = ring.keys(Purpose::Alias).unwrap();
        let (old, all) = (ScramSalts::new(vec![keys[1]]), ScramSalts::new(keys));
        assert_eq!(old.salt("0123"), all.salt("0123"));
        assert_ne!(all.salt("0123"), all.salt("0124"));
        assert_ne!(all.keys_of_nobody("0123")[..16], all.salt("0123"));
    }
}
