//! What keeps the secret keys of the ring: the files alone, or a key that never leaves its provider and wraps them.
//!
//! Rules: a provider wraps and unwraps 256 bits, bound to the name of the key file; that is all that is asked of it, at
//! start and when a key is new. So a provider that is away stops a start and no mail.
//! When it fails: [`WrappingFault`], which names provider and cause, never a PIN, a token or a key.

use zeroize::Zeroizing;

/// A provider.
#[derive(Default)]
pub enum Wrapping {
    /// Secrets stand in the files, which file modes and the disk's encryption protect.
    #[default]
    File,
    /// A token behind a PKCS#11 module.
    #[cfg(feature = "pkcs11")]
    Pkcs11(super::pkcs11::Token),
    /// AWS KMS, in Tokyo or Osaka.
    #[cfg(feature = "aws-kms")]
    AwsKms(super::kms::Kms),
    /// What keeps them now, and what kept some of them before: the ring is moving, and may be left half moved.
    Moving { to: Box<Wrapping>, from: Box<Wrapping> },
}

/// Why a key can't be wrapped or unwrapped.
#[derive(Debug, thiserror::Error)]
pub enum WrappingFault {
    #[error(
        "it is wrapped by {wrapped_by}, and the configuration names {configured}; set [keys] provider as it was, or \
         former_provider to it and run `anshin keys rewrap`"
    )]
    Other { wrapped_by: String, configured: String },
    #[error("{provider}: {reason}")]
    Provider { provider: &'static str, reason: String },
}

impl Wrapping {
    /// The same, which opens what another one has wrapped.
    #[must_use]
    pub fn moved_from(self, former: Wrapping) -> Self {
        Wrapping::Moving { to: Box::new(self), from: Box::new(former) }
    }

    /// The provider and its key, as key files name it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Wrapping::File => "file".into(),
            #[cfg(feature = "pkcs11")]
            Wrapping::Pkcs11(token) => token.name(),
            #[cfg(feature = "aws-kms")]
            Wrapping::AwsKms(kms) => kms.name(),
            Wrapping::Moving { to, .. } => to.name(),
        }
    }

    /// Wraps a key of this name. `None`: it stands in its file.
    pub(super) fn wrap(
        &self,
        bound: &str,
        key: &[u8; 32],
    ) -> Result<Option<(String, Vec<u8>)>, WrappingFault> {
        let _ = (bound, key);
        match self {
            Wrapping::File => Ok(None),
            #[cfg(feature = "pkcs11")]
            Wrapping::Pkcs11(token) => Ok(Some((self.name(), token.wrap(bound, key)?))),
            #[cfg(feature = "aws-kms")]
            Wrapping::AwsKms(kms) => Ok(Some((self.name(), kms.wrap(bound, key)?))),
            Wrapping::Moving { to, .. } => to.wrap(bound, key),
        }
    }

    /// Unwraps the key of this name that `by` wrapped.
    pub(super) fn unwrap(
        &self,
        bound: &str,
        by: &str,
        wrapped: &[u8],
    ) -> Result<Zeroizing<[u8; 32]>, WrappingFault> {
        let _ = (bound, wrapped);
        let other = || WrappingFault::Other { wrapped_by: by.into(), configured: self.name() };
        match self {
            #[cfg(feature = "pkcs11")]
            Wrapping::Pkcs11(token) if by == self.name() => token.unwrap(bound, wrapped),
            #[cfg(feature = "aws-kms")]
            Wrapping::AwsKms(kms) if by == self.name() => kms.unwrap(bound, wrapped),
            Wrapping::Moving { from, .. } if by == from.name() => from.unwrap(bound, by, wrapped),
            Wrapping::Moving { to, .. } => to.unwrap(bound, by, wrapped),
            _ => Err(other()),
        }
    }
}
