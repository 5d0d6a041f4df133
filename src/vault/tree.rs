//! The seed of a key that signs the audit tree, derived from a key of the ring.

use super::locked::LockedKey;
use super::ring::NamedKey;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

/// A seed of Ed25519 (RFC 8032 §5.1.5). Neither printable nor copyable.
pub struct TreeSeed(LockedKey);

impl TreeSeed {
    pub(super) fn new(key: &NamedKey) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        let _ = Hkdf::<Sha256>::new(Some(b"anshin tree 1"), key.bytes()).expand(b"ed25519", &mut *seed);
        Self(LockedKey::new(seed))
    }

    /// The seed, for the moment of a signature.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(**self.0)
    }
}
