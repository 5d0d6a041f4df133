//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677): the client proves that it knows the password without
//! sending it, and the server proves that it knows it too.
//!
//! Rules: what is kept is no password and cannot be used in its place. Channel binding is `tls-exporter` (RFC 9266) and
//! nothing else. A client that could bind the channel and believes that we cannot was lied to (RFC 5802 §6): it is
//! refused. Names and passwords are ours (digits, base32), so SASLprep has nothing to prepare. The fields of each
//! message stand in their one order (RFC 5802 §7); extensions are skipped, a mandatory one (`m=`) refuses.
//! When it fails: `ScramFault`; a wrong proof is told in the same words whatever was wrong, and for a name that does
//! not exist the same steps are gone through with a verifier that nothing fits.

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Rounds of the key derivation: the least that RFC 7677 §4 allows, because the passwords are 160 random bits of ours
/// that no number of guesses finds.
pub const ITERATIONS: u32 = 4096;
/// Octets of a salt.
pub const SALT: usize = 16;
/// Octets of randomness in our half of the nonce.
pub const NONCE: usize = 18;
/// Octets of a verifier as it is stored.
const STORED: usize = SALT + 4 + KEY + KEY;
/// Octets of a key.
const KEY: usize = 32;
/// Longest nonce of a client, in octets; they have 24 to 64.
const MAX_CLIENT_NONCE: usize = 1024;

/// Keying material that both ends of one TLS connection know and nobody else (RFC 9266 §2).
pub type ChannelBinding = [u8; KEY];

/// What is kept of a password (RFC 5802 §3). It cannot be printed.
#[derive(Clone)]
pub struct Verifier {
    salt: [u8; SALT],
    iterations: u32,
    stored_key: [u8; KEY],
    server_key: [u8; KEY],
}

impl Verifier {
    /// From a password; some milliseconds.
    #[must_use]
    pub fn derive(password: &str, salt: [u8; SALT], iterations: u32) -> Self {
        let salted = Zeroizing::new(salted(password, &salt, iterations));
        let client_key = Zeroizing::new(hmac(&salted, b"Client Key"));
        Self {
            salt,
            iterations,
            stored_key: Sha256::digest(*client_key).into(),
            server_key: hmac(&salted, b"Server Key"),
        }
    }

    /// One that no password fits, for a name that does not exist. `keys` must be a secret of ours.
    #[must_use]
    pub fn of_nobody(salt: [u8; SALT], keys: [u8; KEY]) -> Self {
        Self { salt, iterations: ITERATIONS, stored_key: keys, server_key: keys }
    }

    /// The octets to be sealed: salt, iterations, StoredKey, ServerKey.
    #[must_use]
    pub fn to_stored(&self) -> Zeroizing<Vec<u8>> {
        let iterations = self.iterations.to_be_bytes();
        Zeroizing::new([&self.salt[..], &iterations, &self.stored_key, &self.server_key].concat())
    }

    /// What was sealed; `None` when it is no verifier.
    #[must_use]
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != STORED {
            return None;
        }
        let (salt, rest) = bytes.split_first_chunk()?;
        let (iterations, rest) = rest.split_first_chunk()?;
        let (stored_key, rest) = rest.split_first_chunk()?;
        let (server_key, _) = rest.split_first_chunk()?;
        Some(Self {
            salt: *salt,
            iterations: u32::from_be_bytes(*iterations),
            stored_key: *stored_key,
            server_key: *server_key,
        })
    }
}

/// Which of the two mechanisms runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binding {
    /// `SCRAM-SHA-256`. `offered` says whether the other one was offered too.
    None { offered: bool },
    /// `SCRAM-SHA-256-PLUS`.
    Exporter(ChannelBinding),
}

/// Why an exchange came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScramFault {
    #[error("a message is malformed")]
    Malformed,
    #[error("the client wants to act for another")]
    OtherIdentity,
    #[error("the channel binding is not the one that was offered")]
    Binding,
}

/// What the client said first.
pub(crate) struct ClientFirst {
    name: String,
    /// `client-first-message-bare`.
    bare: String,
    nonce: String,
    /// `gs2-header` and the binding's octets: what `c=` must hold.
    bound: Vec<u8>,
}

impl ClientFirst {
    /// Reads `gs2-header n=name,r=nonce` (RFC 5802 §7).
    ///
    /// # Errors
    /// [`ScramFault`].
    pub(crate) fn parse(text: &str, binding: Binding) -> Result<Self, ScramFault> {
        let mut parts = text.splitn(3, ',');
        let (Some(flag), Some(authzid), Some(bare)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(ScramFault::Malformed);
        };
        match (flag, binding) {
            ("n", Binding::None { .. }) | ("y", Binding::None { offered: false }) => {}
            ("p=tls-exporter", Binding::Exporter(_)) => {}
            ("n" | "y", _) => return Err(ScramFault::Binding),
            (flag, _) if flag.starts_with("p=") => return Err(ScramFault::Binding),
            _ => return Err(ScramFault::Malformed),
        }
        let mut fields = bare.split(',');
        // `m=` in front is an extension that must be understood.
        let name = fields.next().and_then(|field| field.strip_prefix("n=")).ok_or(ScramFault::Malformed)?;
        let nonce = fields.next().and_then(|field| field.strip_prefix("r=")).ok_or(ScramFault::Malformed)?;
        let name = saslname(name).ok_or(ScramFault::Malformed)?;
        let is_nonce =
            (1..=MAX_CLIENT_NONCE).contains(&nonce.len()) && nonce.bytes().all(|b| b.is_ascii_graphic());
        if !is_nonce || fields.any(|field| !is_attribute(field)) {
            return Err(ScramFault::Malformed);
        }
        match authzid.strip_prefix("a=").map(saslname) {
            None if authzid.is_empty() => {}
            Some(Some(other)) if other == name => {}
            Some(Some(_)) => return Err(ScramFault::OtherIdentity),
            _ => return Err(ScramFault::Malformed),
        }
        let mut bound = format!("{flag},{authzid},").into_bytes();
        if let Binding::Exporter(octets) = binding {
            bound.extend_from_slice(&octets);
        }
        Ok(Self { name, bare: bare.to_owned(), nonce: nonce.to_owned(), bound })
    }

    /// Whom the client says it is.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Answers with the salt and our half of the nonce.
    pub(crate) fn answer(self, verifier: Verifier, random: [u8; NONCE]) -> ServerFirst {
        let nonce = format!("{}{}", self.nonce, BASE64.encode(&random));
        let text = format!("r={nonce},s={},i={}", BASE64.encode(&verifier.salt), verifier.iterations);
        ServerFirst { first: self, verifier, nonce, text }
    }
}

/// What we answered, and with what the client's proof is checked.
pub(crate) struct ServerFirst {
    first: ClientFirst,
    verifier: Verifier,
    nonce: String,
    text: String,
}

/// What the client's last message came to.
pub(crate) enum Checked {
    /// It knows the password: what proves the same to it (`v=`).
    Right { name: String, server_final: String },
    /// It does not, or the name does not exist.
    Wrong { name: String },
}

impl ServerFirst {
    /// `server-first-message`.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Checks `c=binding,r=nonce,p=proof`.
    ///
    /// # Errors
    /// [`ScramFault`] when it is malformed or belongs to another channel.
    pub(crate) fn check(self, text: &str) -> Result<Checked, ScramFault> {
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(ScramFault::Malformed)?;
        let mut fields = without_proof.split(',');
        let bound = fields.next().and_then(|field| field.strip_prefix("c=")).ok_or(ScramFault::Malformed)?;
        let nonce = fields.next().and_then(|field| field.strip_prefix("r=")).ok_or(ScramFault::Malformed)?;
        if fields.any(|field| !is_attribute(field)) {
            return Err(ScramFault::Malformed);
        }
        let bound = BASE64.decode(bound.as_bytes()).map_err(|_| ScramFault::Malformed)?;
        let proof = BASE64.decode(proof.as_bytes()).map_err(|_| ScramFault::Malformed)?;
        let proof: [u8; KEY] = proof.try_into().map_err(|_| ScramFault::Malformed)?;
        if !bool::from(bound.ct_eq(&self.first.bound)) {
            return Err(ScramFault::Binding);
        }
        let message = format!("{},{},{without_proof}", self.first.bare, self.text);
        let signature = hmac(&self.verifier.stored_key, message.as_bytes());
        let mut client_key = Zeroizing::new(proof);
        client_key.iter_mut().zip(signature).for_each(|(key, mask)| *key ^= mask);
        let fits = <[u8; KEY]>::from(Sha256::digest(*client_key)).ct_eq(&self.verifier.stored_key);
        let is_nonce = nonce.as_bytes().ct_eq(self.nonce.as_bytes());
        let server_signature = hmac(&self.verifier.server_key, message.as_bytes());
        let name = self.first.name;
        Ok(if bool::from(fits & is_nonce) {
            Checked::Right { name, server_final: format!("v={}", BASE64.encode(&server_signature)) }
        } else {
            Checked::Wrong { name }
        })
    }
}

/// `saslname`: `=2C` is a comma, `=3D` an equals sign, and no other `=` may be there (RFC 5802 §5.1).
fn saslname(text: &str) -> Option<String> {
    let plain = text.replace("=2C", ",").replace("=3D", "=");
    let escapes = text.matches("=2C").count().saturating_add(text.matches("=3D").count());
    let good = !plain.is_empty() && !plain.contains('\0') && text.matches('=').count() == escapes;
    good.then_some(plain)
}

/// `letter=value`.
fn is_attribute(field: &str) -> bool {
    let mut bytes = field.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic()) && bytes.next() == Some(b'=')
}

/// `Hi(password, salt, iterations)` (RFC 5802 §2.2), which is PBKDF2 with one block.
fn salted(password: &str, salt: &[u8; SALT], iterations: u32) -> [u8; KEY] {
    let Ok(keyed) = Hmac::<Sha256>::new_from_slice(password.as_bytes()) else { return [0; KEY] };
    let mac = |message: &[&[u8]]| -> [u8; KEY] {
        let mut mac = keyed.clone();
        message.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    };
    let mut last = mac(&[salt, &1_u32.to_be_bytes()]);
    let mut all = last;
    for _ in 1..iterations {
        last = mac(&[&last]);
        all.iter_mut().zip(last).for_each(|(all, last)| *all ^= last);
    }
    all
}

fn hmac(key: &[u8; KEY], message: &[u8]) -> [u8; KEY] {
    // A key of any length is good, so the error never comes.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; KEY] };
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
pub(crate) mod tests;
