//! The keys of the database file: SQLite's pages are encrypted whole, beneath everything that is sealed in them.

use super::locked::LockedKey;
use super::ring::NamedKey;
use data_encoding::HEXLOWER;
use std::sync::Arc;
use zeroize::Zeroizing;

/// One of them. Neither printable nor copyable.
pub struct FileKey {
    name: char,
    key: LockedKey,
}

impl FileKey {
    /// The letter that names it in the ring.
    #[must_use]
    pub fn name(&self) -> char {
        self.name
    }

    /// The 256 bits as SQLCipher takes them raw, without deriving them from a passphrase: `x'…'`.
    #[must_use]
    pub fn raw(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(3 + 2 * self.key.len()));
        text.push_str("x'");
        HEXLOWER.encode_append(&**self.key, &mut text);
        text.push('\'');
        text
    }
}

/// Those of the ring, the one that encrypts first; none where no SQLite file is used.
#[derive(Clone, Default)]
pub struct FileKeys(Arc<[FileKey]>);

impl FileKeys {
    pub(super) fn new(keys: &[&NamedKey]) -> Self {
        let of = |key: &&NamedKey| FileKey {
            name: char::from(key.name()),
            key: LockedKey::new(Zeroizing::new(*key.bytes())),
        };
        Self(keys.iter().map(of).collect())
    }

    /// The one that encrypts.
    #[must_use]
    pub fn newest(&self) -> Option<&FileKey> {
        self.0.first()
    }

    /// Each of them, the one that encrypts first.
    pub fn iter(&self) -> impl Iterator<Item = &FileKey> {
        self.0.iter()
    }

    /// The one of this name.
    #[must_use]
    pub fn named(&self, name: char) -> Option<&FileKey> {
        self.iter().find(|key| key.name == name)
    }

    /// These, then those.
    #[cfg(test)]
    pub(crate) fn with(self, others: &Self) -> Self {
        let again =
            |key: &FileKey| FileKey { name: key.name, key: LockedKey::new(Zeroizing::new(**key.key)) };
        Self(self.iter().chain(others.iter()).map(again).collect())
    }

    /// A key whose octets are all this one.
    #[cfg(test)]
    pub(crate) fn for_tests(name: char, octet: u8) -> Self {
        Self(Arc::new([FileKey { name, key: LockedKey::new(Zeroizing::new([octet; 32])) }]))
    }

    pub(super) fn is_locked(&self) -> bool {
        self.iter().all(|key| key.key.is_locked())
    }
}
