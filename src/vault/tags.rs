//! Tags of values under a subkey of a data key: equal values have equal ones, and only who opens that key makes them. They live and die with it.
//!
//! A tag is HMAC-SHA-256 (RFC 2104) over the value, truncated to 128 bits (§5). When it fails: never.

use super::mac::MacKey;
use super::seal::DataKey;
use zeroize::Zeroizing;

/// What makes tags for one purpose.
pub struct Tags(MacKey);

impl DataKey {
    /// What makes tags for a purpose.
    #[must_use]
    pub fn tags(&self, purpose: &'static str) -> Tags {
        let mut block = Zeroizing::new([0_u8; 64]);
        block.iter_mut().zip(self.subkey(purpose).iter()).for_each(|(to, from)| *to = *from);
        Tags(MacKey::new(&block))
    }
}

impl Tags {
    /// The tag of a value.
    #[must_use]
    pub fn of(&self, value: &[u8]) -> [u8; 16] {
        let mut tag = [0; 16];
        tag.iter_mut().zip(self.0.begin().chain_update(value).finalize()).for_each(|(to, from)| *to = from);
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hmac::{Hmac, KeyInit, Mac as _};
    use sha2::Sha256;

    #[test]
    fn a_tag_is_the_head_of_the_hmac_that_stands_in_databases_of_before() {
        let key = DataKey::from_bytes(7, &[3; 32]);
        let theirs = Hmac::<Sha256>::new_from_slice(&*key.subkey("thread ids")).unwrap();
        let theirs: [u8; 32] = theirs.chain_update("<1@x.example>").finalize().into_bytes().into();
        assert_eq!(key.tags("thread ids").of(b"<1@x.example>"), theirs[..16]);
        assert_ne!(key.tags("thread ids").of(b"<1@x.example>"), key.tags("another").of(b"<1@x.example>"));
    }
}
