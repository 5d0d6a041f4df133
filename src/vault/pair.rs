//! Sealing to a public key: HPKE in base mode (RFC 9180; DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM), as rustls
//! has it. The private key is derived from a 256-bit key of the ring, so a purpose has one secret; its public half lies in
//! a file of its own.
//!
//! Layout: 32 octets encapsulated key, ciphertext, 16 octets tag. Who can seal cannot open, not even what he sealed.
//! When it fails: what does not open is `None`.

use aws_lc_rs::agreement::{PrivateKey, X25519};
use hkdf::Hkdf;
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256 as SUITE;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke, HpkePrivateKey, HpkePublicKey};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Octets that sealing adds.
const ENCAPSULATED: usize = 32;

fn private_bytes(secret: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    let _ = Hkdf::<Sha256>::new(Some(b"anshin pair 1"), secret).expand(b"x25519", &mut *bytes);
    bytes
}

/// The public half of a key of the ring.
pub(super) fn public_of(secret: &[u8; 32]) -> Option<[u8; 32]> {
    let private = PrivateKey::from_private_key(&X25519, &*private_bytes(secret)).ok()?;
    private.compute_public_key().ok()?.as_ref().try_into().ok()
}

/// The half that seals.
pub(super) struct Public(HpkePublicKey);

impl Public {
    /// `None` for octets to which nothing can be sealed.
    pub fn new(bytes: &[u8; 32]) -> Option<Self> {
        let key = Self(HpkePublicKey(bytes.to_vec()));
        key.seal(b"probe", b"", b"").map(|_| key)
    }

    pub fn seal(&self, info: &[u8], aad: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        let (EncapsulatedSecret(mut boxed), ciphertext) = SUITE.seal(info, aad, plain, &self.0).ok()?;
        boxed.extend_from_slice(&ciphertext);
        Some(boxed)
    }
}

/// The half that opens.
pub(super) struct Private(Zeroizing<[u8; 32]>);

impl Private {
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(private_bytes(secret))
    }

    pub fn open(&self, info: &[u8], aad: &[u8], boxed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (encapsulated, ciphertext) = boxed.split_at_checked(ENCAPSULATED)?;
        let encapsulated = EncapsulatedSecret(encapsulated.to_vec());
        // A copy that wipes itself, for the time of the opening.
        let private = HpkePrivateKey::from(self.0.to_vec());
        SUITE.open(&encapsulated, info, aad, ciphertext, &private).ok().map(Zeroizing::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_to_a_public_half_opens_with_its_own_secret_in_its_own_place() {
        let (public, private) = (Public::new(&public_of(&[1; 32]).unwrap()).unwrap(), Private::new(&[1; 32]));
        let boxed = public.seal(b"info", b"place", b"text").unwrap();
        assert_eq!(private.open(b"info", b"place", &boxed).unwrap().as_slice(), b"text");
        assert!(private.open(b"info", b"elsewhere", &boxed).is_none());
        assert!(private.open(b"other", b"place", &boxed).is_none());
        assert!(Private::new(&[2; 32]).open(b"info", b"place", &boxed).is_none());
        for i in 0..boxed.len() {
            let mut altered = boxed.clone();
            altered[i] ^= 1;
            assert!(private.open(b"info", b"place", &altered).is_none(), "octet {i}");
            assert!(private.open(b"info", b"place", &boxed[..i]).is_none(), "length {i}");
        }
        assert!(boxed != public.seal(b"info", b"place", b"text").unwrap());
    }

    #[test]
    fn a_point_of_low_order_is_no_public_key() {
        assert!(Public::new(&[0; 32]).is_none());
    }
}
