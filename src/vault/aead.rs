//! AES-256-GCM with a random nonce in front and the tag behind (NIST SP 800-38D).
//!
//! Rules: each nonce is drawn from the system for its one use, those of values that are sealed together in one draw, and none ahead, so that
//! a copy of a machine that goes on from a snapshot draws others. Who seals with one gives it away. A cipher's key lies on ordinary pages and is wiped when dropped: what must lie on locked pages is kept as a key
//! there, and is a cipher for the time of one use.
//! When it fails: what does not open is `None`.

use super::random::random_chunks;
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use std::ops::{Deref, DerefMut};
use zeroize::Zeroizing;

pub(super) const NONCE: usize = 12;
pub(super) const TAG: usize = 16;

/// A key that encrypts and decrypts.
pub(super) struct Cipher(Aes256Gcm);

impl Cipher {
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Aes256Gcm::new(key.into()))
    }
}

/// What one value is sealed with. It can be neither copied nor used twice.
pub struct Nonce([u8; NONCE]);

/// What was opened; wiped when dropped, in one stroke. `Zeroizing` wipes a list octet by octet, which took a text of 3 KB as long as a third of
/// its decryption.
pub struct Plain(Vec<u8>);

impl Deref for Plain {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Plain {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl From<Zeroizing<Vec<u8>>> for Plain {
    fn from(mut octets: Zeroizing<Vec<u8>>) -> Self {
        Self(std::mem::take(&mut *octets))
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        // What lies behind the end too, where somebody made it shorter.
        self.0.resize(self.0.capacity(), 0);
        self.0.fill(0);
        zeroize::optimization_barrier(self.0.as_slice());
    }
}

/// Nonces of what is sealed together, in one draw: the system takes as long for two as for one, and for seven not twice that.
#[must_use]
pub fn nonces<const N: usize>() -> [Nonce; N] {
    random_chunks().map(Nonce)
}

/// The nonce of what is sealed alone.
pub(super) fn nonce() -> Nonce {
    let [nonce] = nonces();
    nonce
}

/// Adds the nonce, what `plain` becomes and the tag.
pub(super) fn encrypt_into(
    cipher: &Cipher,
    Nonce(nonce): Nonce,
    aad: &[u8],
    plain: &[u8],
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(&nonce);
    let start = out.len();
    out.extend_from_slice(plain);
    let Some(buffer) = out.get_mut(start..) else { return };
    match cipher.0.encrypt_inout_detached(&nonce.into(), aad, buffer.into()) {
        Ok(tag) => out.extend_from_slice(&tag),
        // AES-GCM fails only beyond 64 GiB, which no message of ours can be.
        Err(_) => std::process::abort(),
    }
}

/// What was encrypted for the same associated data.
pub(super) fn decrypt(cipher: &Cipher, aad: &[u8], sealed: &[u8]) -> Option<Plain> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE>()?;
    let (body, tag) = rest.split_last_chunk::<TAG>()?;
    let mut plain = Plain(body.to_vec());
    cipher
        .0
        .decrypt_inout_detached(&(*nonce).into(), aad, plain.0.as_mut_slice().into(), &(*tag).into())
        .ok()?;
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    fn octets(text: &str) -> Vec<u8> {
        HEXLOWER.decode(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_the_standards_own_example_sealed_opens_and_nothing_else_does() {
        // McGrew and Viega, The Galois/Counter Mode of Operation, test case 16.
        let key = octets("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
        let aad = octets("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let plain = octets(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        );
        let sealed = octets(
            "cafebabefacedbaddecaf888522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b",
        );
        let cipher = Cipher::new(key.as_slice().try_into().unwrap());
        assert_eq!(decrypt(&cipher, &aad, &sealed).unwrap().as_slice(), plain);
        for i in 0..sealed.len() {
            let mut other = sealed.clone();
            other[i] ^= 1;
            assert!(decrypt(&cipher, &aad, &other).is_none(), "octet {i}");
            assert!(decrypt(&cipher, &aad, &sealed[..i]).is_none(), "length {i}");
        }
        assert!(decrypt(&cipher, b"", &sealed).is_none());
    }

    #[test]
    fn what_was_sealed_opens_at_every_length_and_never_has_the_same_nonce() {
        let cipher = Cipher::new(&[7; 32]);
        for length in [0, 1, 15, 16, 17, 4096] {
            let plain = vec![3; length];
            let (mut one, mut other) = (Vec::new(), b"head".to_vec());
            let [first, second] = nonces();
            encrypt_into(&cipher, first, b"place", &plain, &mut one);
            encrypt_into(&cipher, second, b"place", &plain, &mut other);
            assert_eq!(one.len(), NONCE + length + TAG);
            assert_ne!(one[..NONCE], other[4..4 + NONCE]);
            assert_eq!(decrypt(&cipher, b"place", &one).unwrap().as_slice(), plain);
            assert_eq!(decrypt(&cipher, b"place", &other[4..]).unwrap().as_slice(), plain);
        }
    }
}
