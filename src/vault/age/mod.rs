//! Files that only their recipients open, in the format of age (C2SP age.md, version 1; recipients of the kind X25519): what is exported
//! lies nowhere in clear, and who gets it opens it with a tool that everybody has (`age -d -i KEY FILE`), or with ours.
//!
//! Layout: a header of lines (version, for each recipient the file's key wrapped for him, a MAC under that key), 16 octets of nonce,
//! then the text in chunks (`stream.rs`). Bounds: a header of at most [`HEADER_MAX`] octets and [`RECIPIENTS_MAX`] recipients.
//! When it fails: [`AgeFault`]; it says what is wrong with the file or the key, never what is in it.

mod bech32;
mod stream;

pub use stream::{Opener, Sealer};

use super::random_bytes;
use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use data_encoding::BASE64_NOPAD;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use std::io::{self, BufRead, Read};
use zeroize::Zeroizing;

const VERSION: &str = "age-encryption.org/v1";
const WRAPS: &[u8] = b"age-encryption.org/v1/X25519";
/// Word in front of a public key, and of a secret one.
const RECIPIENT: &str = "age";
const IDENTITY: &str = "age-secret-key-";
/// Octets of a file's key, and of the nonce of its text.
const FILE_KEY: usize = 16;
const NONCE: usize = 16;
/// Octets of a header, and people whom one file is for.
const HEADER_MAX: usize = 64 * 1024;
pub const RECIPIENTS_MAX: usize = 20;

/// Why a file or a key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum AgeFault {
    #[error("this is no file of age (version 1) for keys of the kind X25519")]
    Format,
    #[error("the file is for other keys than this one")]
    OtherKey,
    #[error("the file was altered, or is cut off")]
    Altered,
    #[error("no line of it is a secret key (AGE-SECRET-KEY-1…)")]
    NoKey,
    #[error("the key can't be used")]
    Key,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// To whom a file goes: a public key, as `age1…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipient([u8; 32]);

impl Recipient {
    /// Reads one. `None` where it is misspelt, or nothing can be wrapped for it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let own = Self(bech32::decode(RECIPIENT, text.trim())?);
        own.wrap(&[0; FILE_KEY]).map(|_| own)
    }

    /// The line that wraps a file's key for him: its argument and its body.
    fn wrap(&self, file_key: &[u8; FILE_KEY]) -> Option<(String, String)> {
        let ephemeral = PrivateKey::generate(&X25519).ok()?;
        let share: [u8; 32] = ephemeral.compute_public_key().ok()?.as_ref().try_into().ok()?;
        let key = wrapping_key(&ephemeral, &self.0, &share, &self.0)?;
        let mut body = file_key.to_vec();
        // The key is used once, so its nonce is zero (age.md, X25519 recipient stanza).
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        key.seal_in_place_append_tag(nonce, Aad::empty(), &mut body).ok()?;
        Some((BASE64_NOPAD.encode(&share), BASE64_NOPAD.encode(&body)))
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bech32::encode(RECIPIENT, &self.0))
    }
}

/// A secret key, which opens what is for its public half.
pub struct Identity(Zeroizing<[u8; 32]>);

impl Identity {
    /// Makes one.
    #[must_use]
    pub fn new() -> Self {
        Self(Zeroizing::new(random_bytes()))
    }

    /// Reads the first one in a file of keys: lines, comments behind `#`.
    ///
    /// # Errors
    /// [`AgeFault::NoKey`] where there is none.
    pub fn read(text: &str) -> Result<Self, AgeFault> {
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let mut keys = lines.filter_map(|line| bech32::decode(IDENTITY, line));
        keys.next().map(|key| Self(Zeroizing::new(key))).ok_or(AgeFault::NoKey)
    }

    /// Its public half.
    ///
    /// # Errors
    /// [`AgeFault::Key`] where it has none.
    pub fn recipient(&self) -> Result<Recipient, AgeFault> {
        let public = self.private()?.compute_public_key().map_err(|_| AgeFault::Key)?;
        public.as_ref().try_into().map(Recipient).map_err(|_| AgeFault::Key)
    }

    /// As a file has it.
    #[must_use]
    pub fn show(&self) -> Zeroizing<String> {
        Zeroizing::new(Zeroizing::new(bech32::encode(IDENTITY, &self.0)).to_ascii_uppercase())
    }

    fn private(&self) -> Result<PrivateKey, AgeFault> {
        PrivateKey::from_private_key(&X25519, &*self.0).map_err(|_| AgeFault::Key)
    }

    fn unwrap(&self, share: &[u8; 32], body: &[u8]) -> Option<Zeroizing<[u8; FILE_KEY]>> {
        let key = wrapping_key(&self.private().ok()?, share, share, &self.recipient().ok()?.0)?;
        let mut body = Zeroizing::new(body.to_vec());
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let plain = key.open_in_place(nonce, Aad::empty(), &mut body).ok()?;
        <[u8; FILE_KEY]>::try_from(&*plain).ok().map(Zeroizing::new)
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self::new()
    }
}

/// The key that wraps a file's key, of what both sides compute. `None` for a public key that gives nothing (RFC 7748 §6.1).
fn wrapping_key(
    own: &PrivateKey,
    other: &[u8],
    share: &[u8; 32],
    recipient: &[u8; 32],
) -> Option<LessSafeKey> {
    let salt = [*share, *recipient].concat();
    let mut key = Zeroizing::new([0_u8; 32]);
    agree(own, UnparsedPublicKey::new(&X25519, other), (), |shared| {
        Hkdf::<Sha256>::new(Some(&salt), shared).expand(WRAPS, &mut *key).map_err(|_| ())
    })
    .ok()?;
    UnboundKey::new(&CHACHA20_POLY1305, &*key).ok().map(LessSafeKey::new)
}

fn derived(file_key: &[u8; FILE_KEY], salt: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0_u8; 32]);
    // 32 octets are far below HKDF's limit of 255 blocks, the only way in which expand can fail.
    if Hkdf::<Sha256>::new(Some(salt), file_key).expand(info, &mut *key).is_err() {
        std::process::abort();
    }
    key
}

fn header_mac(file_key: &[u8; FILE_KEY], header: &[u8]) -> Hmac<Sha256> {
    // RFC 2104 §2: a key that is shorter than a block is followed by zeros.
    let mut block = Zeroizing::new([0_u8; 64]);
    block.iter_mut().zip(&*derived(file_key, b"", b"header")).for_each(|(to, from)| *to = *from);
    Hmac::<Sha256>::new(&(*block).into()).chain_update(header)
}

/// Makes the head of a file for these recipients; with the key of its text.
fn header(to: &[Recipient]) -> Result<(Vec<u8>, Zeroizing<[u8; 32]>), AgeFault> {
    let file_key = Zeroizing::new(random_bytes::<FILE_KEY>());
    let mut text = format!("{VERSION}\n");
    if to.is_empty() || to.len() > RECIPIENTS_MAX {
        return Err(AgeFault::Key);
    }
    for recipient in to {
        let (share, body) = recipient.wrap(&file_key).ok_or(AgeFault::Key)?;
        text.push_str(&format!("-> X25519 {share}\n{body}\n"));
    }
    text.push_str("---");
    let mac = header_mac(&file_key, text.as_bytes()).finalize().into_bytes();
    text.push_str(&format!(" {}\n", BASE64_NOPAD.encode(&mac)));
    let nonce = random_bytes::<NONCE>();
    Ok(([text.as_bytes(), &nonce].concat(), derived(&file_key, &nonce, b"payload")))
}

/// Reads the head of a file; the key of its text.
fn read_header(file: &mut impl BufRead, identity: &Identity) -> Result<Zeroizing<[u8; 32]>, AgeFault> {
    let (mut header, mut found) = (Vec::new(), None);
    let mut file_head = file.by_ref().take(HEADER_MAX as u64);
    let mut is_first = true;
    // The stanza whose body comes next, where it is one that could be ours.
    let mut share: Option<[u8; 32]> = None;
    let mac = loop {
        let begin = header.len();
        if file_head.read_until(b'\n', &mut header)? == 0 {
            return Err(AgeFault::Format);
        }
        let line = header.get(begin..).and_then(|line| line.strip_suffix(b"\n")).ok_or(AgeFault::Format)?;
        let line = std::str::from_utf8(line).map_err(|_| AgeFault::Format)?;
        if std::mem::take(&mut is_first) {
            if line != VERSION {
                return Err(AgeFault::Format);
            }
        } else if let Some(mac) = line.strip_prefix("--- ") {
            let mac = BASE64_NOPAD.decode(mac.as_bytes()).map_err(|_| AgeFault::Format)?;
            header.truncate(begin + 3);
            break mac;
        } else if let Some(stanza) = line.strip_prefix("-> ") {
            let own = stanza.strip_prefix("X25519 ").map(|share| BASE64_NOPAD.decode(share.as_bytes()));
            share = own.and_then(Result::ok).and_then(|share| share.try_into().ok());
        } else if let Some(share) = share.take() {
            let body = BASE64_NOPAD.decode(line.as_bytes()).map_err(|_| AgeFault::Format)?;
            found = found.or_else(|| identity.unwrap(&share, &body));
        }
    };
    let file_key = found.ok_or(AgeFault::OtherKey)?;
    header_mac(&file_key, &header).verify_slice(&mac).map_err(|_| AgeFault::Altered)?;
    let mut nonce = [0; NONCE];
    file.read_exact(&mut nonce).map_err(|_| AgeFault::Altered)?;
    Ok(derived(&file_key, &nonce, b"payload"))
}

#[cfg(test)]
mod tests;
