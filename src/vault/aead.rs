//! AES-256-GCM with a random nonce in front and the tag behind (NIST SP 800-38D).
//!
//! When it fails: what does not open is `None`.

use super::random_bytes;
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, Nonce};
use zeroize::Zeroizing;

pub(super) const NONCE: usize = 12;
pub(super) const TAG: usize = 16;

/// Adds the nonce, what `plain` becomes and the tag.
pub(super) fn encrypt_into(cipher: &Aes256Gcm, aad: &[u8], plain: &[u8], out: &mut Vec<u8>) {
    let nonce = random_bytes::<NONCE>();
    out.extend_from_slice(&nonce);
    let start = out.len();
    out.extend_from_slice(plain);
    let Some(buffer) = out.get_mut(start..) else { return };
    match cipher.encrypt_inout_detached(&Nonce::from(nonce), aad, buffer.into()) {
        Ok(tag) => out.extend_from_slice(&tag),
        // AES-GCM fails only beyond 64 GiB, which no message of ours can be.
        Err(_) => std::process::abort(),
    }
}

/// What was encrypted for the same associated data.
pub(super) fn decrypt(cipher: &Aes256Gcm, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE>()?;
    let (body, tag) = rest.split_last_chunk::<TAG>()?;
    let mut plain = Zeroizing::new(body.to_vec());
    cipher
        .decrypt_inout_detached(&Nonce::from(*nonce), aad, plain.as_mut_slice().into(), &(*tag).into())
        .ok()?;
    Some(plain)
}
