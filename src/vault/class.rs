//! Classes: what is sealed so that those who seal it cannot open it again, the texts of messages and the log. What of the
//! log is kept for another time is another class, so that a day of it is destroyed with its own keys.
//!
//! A process that seals makes a key for the day and class, a *segment*, and keeps it wrapped to the public half of the
//! class's ring key. A value is sealed under HKDF of the segment's key and its subject's data key, so to open it takes the
//! class's secret and the data key, and destroying either destroys it. One key agreement a day, none for a message.
//!
//! Layout of a value: 1 octet version (2), 8 octets id of the segment, 12 octets nonce, ciphertext, 16 octets tag.
//! Bounds: a key derived here seals what one subject gets on one day from one process, far below 2^32 (SP 800-38D §8.3).
//! When it fails: [`VaultError`].

use super::aead::Cipher;
use super::derived::Derived;
use super::locked::Locked;
use super::pair::{Private, Public};
use super::ring::NamedKey;
use super::seal::VaultError;
use super::{Purpose, random_bytes};
use hkdf::Hkdf;
use sha2::Sha256;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What is sealed apart from its subject's other values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Texts of messages: for those who deliver them. All others are for those who may read the log.
    Body,
    /// Texts of messages that stay after their delivery, where that was decided.
    KeptText,
    /// Records of what was refused or limited, header blocks included.
    Rejected,
    /// Header blocks of what was taken.
    Headers,
    /// Records of what was taken: who, from where, how, with what result.
    Metadata,
    /// Records of logins.
    Logins,
    /// What people of stores did in the menu, refused attempts included.
    Access,
    /// Who looked at what, and who approved it.
    Audit,
    /// All of the log, as versions before retention sealed it. Nothing new.
    Log,
}

impl Class {
    pub const ALL: [Class; 9] = [
        Class::Body,
        Class::KeptText,
        Class::Rejected,
        Class::Headers,
        Class::Metadata,
        Class::Logins,
        Class::Access,
        Class::Audit,
        Class::Log,
    ];

    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Body => "body",
            Class::KeptText => "kept_text",
            Class::Rejected => "rejected",
            Class::Headers => "headers",
            Class::Metadata => "metadata",
            Class::Logins => "logins",
            Class::Access => "access",
            Class::Audit => "audit",
            Class::Log => "log",
        }
    }

    /// Reads a word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }

    /// Whose ring keys open it.
    #[must_use]
    pub fn purpose(self) -> Purpose {
        match self {
            Class::Body => Purpose::Body,
            Class::Access => Purpose::Menu,
            _ => Purpose::Log,
        }
    }
}

/// The key of one day, class and process.
pub struct Segment {
    pub class: Class,
    pub id: i64,
    /// Days since 1970, UTC.
    pub day: i64,
    derive: Hkdf<Sha256>,
    /// Of subjects that something was sealed for lately; none where it was only opened, as who reads the log opens thousands.
    ciphers: Option<Derived>,
}

impl Segment {
    fn from_bytes(class: Class, id: i64, day: i64, bytes: &[u8; 32]) -> Self {
        Self { class, id, day, derive: Hkdf::new(Some(b"anshin segment 1"), bytes), ciphers: None }
    }

    /// What seals and opens the values of one subject: the id of its data key, and what that gives to a class.
    pub(super) fn cipher_for(&self, id: i64, part: &[u8; 32]) -> Arc<Cipher> {
        let derive = || Cipher::new(&self.key_for(part));
        match &self.ciphers {
            Some(ciphers) => ciphers.find_or(id, part, derive),
            None => Arc::new(derive()),
        }
    }

    /// Forgets what seals and opens the values of an erased subject, by the id of its data key.
    pub fn forget(&self, data_key: i64) {
        if let Some(ciphers) = &self.ciphers {
            ciphers.forget(data_key);
        }
    }

    #[cfg(test)]
    pub fn remembers(&self, data_key: i64) -> bool {
        self.ciphers.as_ref().is_some_and(|ciphers| ciphers.remembers(data_key))
    }

    fn key_for(&self, subject: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0_u8; 32]);
        // 32 octets are far below HKDF's limit of 255 blocks, the only way in which expand can fail.
        if self.derive.expand(subject, &mut *key).is_err() {
            std::process::abort();
        }
        key
    }
}

/// The ring's keys of the classes of one purpose.
pub struct ClassKeys {
    purpose: Purpose,
    /// The one that seals first.
    publics: Vec<(u8, Public)>,
    privates: Vec<(u8, Locked<Private>)>,
}

impl ClassKeys {
    pub(super) fn new(purpose: Purpose, publics: &[&NamedKey], secrets: &[&NamedKey]) -> Self {
        let publics = publics.iter().filter_map(|key| Some((key.name(), Public::new(key.public()?)?)));
        let privates = secrets.iter().map(|key| (key.name(), Locked::new(Private::new(key.bytes()))));
        Self { purpose, publics: publics.collect(), privates: privates.collect() }
    }

    /// Whether this process can open what is sealed.
    #[must_use]
    pub fn open_it(&self) -> bool {
        !self.privates.is_empty()
    }

    pub(super) fn is_locked(&self) -> bool {
        self.privates.iter().all(|(_, private)| private.is_locked())
    }

    /// Makes the key of a segment, and its wrapped form for the database.
    #[must_use]
    pub fn new_segment(&self, class: Class, id: i64, day: i64) -> (Segment, Vec<u8>) {
        let bytes = Zeroizing::new(random_bytes::<32>());
        let segment =
            Segment { ciphers: Some(Derived::default()), ..Segment::from_bytes(class, id, day, &bytes) };
        (segment, self.wrap(class, id, day, &bytes))
    }

    /// Whether something can be sealed to it.
    #[must_use]
    pub fn seal_it(&self) -> bool {
        !self.publics.is_empty()
    }

    /// The letter of the key that seals.
    pub(super) fn sealing(&self) -> Option<u8> {
        self.publics.first().map(|(name, _)| *name)
    }

    /// Whether a half of the key of this letter is here.
    pub(super) fn knows(&self, letter: u8) -> bool {
        let publics = self.publics.iter().map(|(name, _)| *name);
        publics.chain(self.privates.iter().map(|(name, _)| *name)).any(|name| name == letter)
    }

    /// Boxes 256 bits to the key that seals, with its letter in front.
    pub(super) fn boxed(&self, info: &[u8], aad: &[u8], bytes: &[u8; 32]) -> Option<Vec<u8>> {
        let (name, public) = self.publics.first()?;
        let mut boxed = vec![*name];
        boxed.extend(public.seal(info, aad, bytes)?);
        Some(boxed)
    }

    /// Opens what was boxed so. `Ok(None)`: it does not open.
    pub(super) fn unboxed(
        &self,
        info: &[u8],
        aad: &[u8],
        boxed: &[u8],
    ) -> Result<Option<Zeroizing<[u8; 32]>>, VaultError> {
        let Some((name, rest)) = boxed.split_first() else { return Ok(None) };
        let own = self.privates.iter().find(|(own, _)| own == name);
        let (purpose, letter) = (self.purpose.as_str(), char::from(*name));
        let (_, private) = own.ok_or(VaultError::NotHeld { purpose, name: letter })?;
        let plain = private.open(info, aad, rest);
        Ok(plain.and_then(|plain| <[u8; 32]>::try_from(plain.as_slice()).ok()).map(Zeroizing::new))
    }

    fn wrap(&self, class: Class, id: i64, day: i64, bytes: &[u8; 32]) -> Vec<u8> {
        let boxed = self.boxed(INFO, &associated_data(class, id, day), bytes);
        // A ring without a public half does not open, and one to which nothing can be sealed is refused when it is read.
        let Some(wrapped) = boxed else { std::process::abort() };
        wrapped
    }

    fn unwrap(
        &self,
        class: Class,
        id: i64,
        day: i64,
        wrapped: &[u8],
    ) -> Result<Zeroizing<[u8; 32]>, VaultError> {
        let broken = VaultError::DoesNotOpen { table: "segment", column: "wrapped" };
        if wrapped.is_empty() {
            return Err(VaultError::Destroyed { table: "segment", id });
        }
        self.unboxed(INFO, &associated_data(class, id, day), wrapped)?.ok_or(broken)
    }

    /// Opens a wrapped segment.
    ///
    /// # Errors
    /// [`VaultError::NotHeld`] when this process has not the key, [`VaultError::DoesNotOpen`] when it was altered.
    pub fn open_segment(
        &self,
        class: Class,
        id: i64,
        day: i64,
        wrapped: &[u8],
    ) -> Result<Segment, VaultError> {
        Ok(Segment::from_bytes(class, id, day, &*self.unwrap(class, id, day, wrapped)?))
    }

    /// Wraps a segment anew under the key that seals; `None` if it is so already, or destroyed.
    ///
    /// # Errors
    /// [`VaultError`] when it does not open.
    pub fn rewrap(
        &self,
        class: Class,
        id: i64,
        day: i64,
        wrapped: &[u8],
    ) -> Result<Option<Vec<u8>>, VaultError> {
        if wrapped.is_empty() || wrapped.first().copied() == self.sealing() {
            return Ok(None);
        }
        Ok(Some(self.wrap(class, id, day, &*self.unwrap(class, id, day, wrapped)?)))
    }
}

fn associated_data(class: Class, id: i64, day: i64) -> Vec<u8> {
    let mut data = class.as_str().as_bytes().to_vec();
    data.push(0);
    data.extend_from_slice(&id.to_be_bytes());
    data.extend_from_slice(&day.to_be_bytes());
    data
}

const INFO: &[u8] = b"anshin segment 1";
