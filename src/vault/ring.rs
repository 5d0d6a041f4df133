//! The key ring: a directory (mode 0700) of key files (`keyfile.rs`), one 256-bit key each.
//!
//! Rules: of a purpose the newest key seals whose time to seal has come, all open. So a new key is known to every process
//! before anything is sealed with it. A name is one character of `a-z2-7`, since a token carries it. A process takes only
//! the secrets that it needs, and everybody the public halves.
//! Only [`Make::Missing`] (the development profile) and [`KeyRing::make`] create anything.
//! When it fails: [`RingError`] with path and cure; keys themselves are never printed and are wiped when dropped.

use super::erasure_tree::{self, Tree};
use super::keyfile;
use super::locked::LockedKey;
use super::pair;
use super::purpose::{Purpose, Take};
use super::random_bytes;
use super::wrapping::{Wrapping, WrappingFault};
use crate::mail::Timestamp;
use data_encoding::HEXLOWER;
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Whether opening may create keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// Make the directory and a first key of each purpose where there is none.
    Missing,
    /// Refuse to start without them.
    Nothing,
}

/// One key with its name: the secret, the public half, or both. Neither printable nor copyable.
pub struct NamedKey {
    pub(super) purpose: Purpose,
    pub(super) name: u8,
    pub(super) created_at: Timestamp,
    /// It seals from then on.
    pub(super) seals_from: Timestamp,
    pub(super) secret: Option<LockedKey>,
    /// What keeps the secret in its file.
    pub(super) wrapped_by: String,
    pub(super) public: Option<[u8; 32]>,
}

impl NamedKey {
    /// The letter that names it within its purpose.
    #[must_use]
    pub(super) fn name(&self) -> u8 {
        self.name
    }

    /// The secret; of a public half alone nothing that opens anything.
    pub(super) fn bytes(&self) -> &[u8; 32] {
        const NONE: [u8; 32] = [0; 32];
        self.secret.as_ref().map_or(&NONE, |secret| secret)
    }

    pub(super) fn public(&self) -> Option<&[u8; 32]> {
        self.public.as_ref()
    }

    fn file_stem(&self) -> String {
        format!("{}-{}", self.purpose.as_str(), char::from(self.name))
    }
}

/// The keys taken from the directory, newest first within each purpose.
pub struct KeyRing {
    dir: PathBuf,
    wrapping: Arc<Wrapping>,
    keys: Vec<NamedKey>,
    tree: Option<Arc<Tree>>,
}

/// What `anshin keys list` shows of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyLine {
    pub purpose: Purpose,
    pub name: char,
    pub created_at: Timestamp,
    pub seals_from: Timestamp,
    /// Whether new things are sealed with it.
    pub seals: bool,
    /// Whether the secret is here, or only the public half.
    pub opens: bool,
    /// What tells it from another key of the same name.
    pub fingerprint: String,
}

/// Why the key ring can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    #[error("{path}: {cause}; give the key directory to the user that runs anshin (mode 0700)")]
    Directory { path: PathBuf, cause: std::io::Error },
    #[error(
        "{path}: {cause}; make the file readable for the user that runs anshin, and for nobody else (mode 0600)"
    )]
    File { path: PathBuf, cause: std::io::Error },
    #[error(
        "{path}: others may read this key, or change it (mode {mode:o}); run chmod 0600 on it, and rotate the key if anyone did"
    )]
    Exposed { path: PathBuf, mode: u32 },
    #[error("{path}: {reason}; restore the file from its backup")]
    Malformed { path: PathBuf, reason: &'static str },
    #[error("{path}: {cause}")]
    Wrapping { path: PathBuf, cause: WrappingFault },
    #[error(
        "{dir}: no {purpose} key; restore the key ring from its backup, or make the first keys with `anshin keys rotate`"
    )]
    Missing { dir: PathBuf, purpose: &'static str },
    #[error(
        "{dir}: no public half of a {purpose} key ({purpose}-*.pub); copy it from the whole key ring, where `anshin keys \
         rotate` writes what is missing"
    )]
    NoPublic { dir: PathBuf, purpose: &'static str },
    #[error("{dir}: all 32 names of {purpose} keys are in use; retire keys that nothing needs any more")]
    Full { dir: PathBuf, purpose: &'static str },
}

/// The alphabet of key names, in the order in which they are given out (RFC 4648 §6, lower case).
pub(super) const NAMES: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

impl KeyRing {
    /// Reads what there is in `dir`, which is made where it is missing: for adding keys.
    ///
    /// # Errors
    /// [`RingError`] for an unreadable, exposed or malformed file.
    pub fn open_or_begin(dir: &Path, wrapping: Arc<Wrapping>) -> Result<Self, RingError> {
        make_dir(dir)?;
        let keys = read_all(dir, &wrapping, &Take::Found)?;
        let tree = erasure_tree::read(dir, &wrapping)?.map(Arc::new);
        Ok(Self { dir: dir.into(), wrapping, keys, tree })
    }

    /// Reads the whole ring in `dir`; with [`Make::Missing`] makes what is not there.
    ///
    /// # Errors
    /// [`RingError`] for an unreadable, exposed or malformed file and for a missing purpose.
    pub fn open(dir: &Path, make: Make, now: Timestamp) -> Result<Self, RingError> {
        Self::open_for(dir, Arc::default(), &Take::Found, make, now)
    }

    /// Reads of the ring in `dir` what `take` says; with [`Make::Missing`] makes what is not there.
    ///
    /// # Errors
    /// [`RingError`] for an unreadable, exposed or malformed file and for a missing purpose.
    pub fn open_for(
        dir: &Path,
        wrapping: Arc<Wrapping>,
        take: &Take,
        make: Make,
        now: Timestamp,
    ) -> Result<Self, RingError> {
        let wrapping = match make {
            Make::Missing => {
                let mut ring = Self::open_or_begin(dir, wrapping)?;
                ring.complete(now, take)?;
                ring.wrapping
            }
            Make::Nothing => wrapping,
        };
        let keys = read_all(dir, &wrapping, take)?;
        let tree =
            if take.wants(Purpose::Seal) { erasure_tree::read(dir, &wrapping)?.map(Arc::new) } else { None };
        let ring = Self { dir: dir.into(), wrapping, keys, tree };
        for purpose in Purpose::ALL {
            let is_there = match purpose {
                Purpose::Guard => ring.guard().is_ok(),
                _ => ring.keys(purpose, now).is_ok(),
            };
            if take.needs(purpose) && !is_there {
                return Err(RingError::Missing { dir: dir.into(), purpose: purpose.as_str() });
            }
            if purpose.has_halves() && !purpose.may_lack() && ring.publics(purpose, now).is_empty() {
                return Err(RingError::NoPublic { dir: dir.into(), purpose: purpose.as_str() });
            }
        }
        Ok(ring)
    }

    /// Makes a first key of every purpose that has none, and the public files that are missing. The tree's key and the file's
    /// have no public half by which a part of a ring would show that there is one, and the menu's is unknown to older programs: only
    /// a new ring and who uses it get it.
    ///
    /// # Errors
    /// [`RingError`] when a file can't be written.
    pub fn complete(&mut self, now: Timestamp, take: &Take) -> Result<(), RingError> {
        let is_new = self.keys.is_empty();
        let may_make = |purpose: Purpose| match purpose {
            // A program that does not know the menu's would refuse a ring that has one.
            Purpose::Tree | Purpose::File | Purpose::Menu => {
                is_new || matches!(take, Take::Only(only) if only.contains(&purpose))
            }
            _ => true,
        };
        for key in &self.keys {
            keyfile::write_public(&self.dir, key)?;
        }
        // Where an older version made the index keys, they number the running operation too.
        if self.guard().is_err() {
            self.make(Purpose::Guard, now, Duration::ZERO)?;
        }
        for purpose in Purpose::ROTATED.into_iter().filter(|purpose| may_make(*purpose)) {
            if !self.keys.iter().any(|key| key.purpose == purpose) {
                self.make(purpose, now, Duration::ZERO)?;
            }
        }
        // Beside the secrets, not where there are only public halves.
        if self.keys.iter().any(|key| key.purpose == Purpose::Seal && key.secret.is_some()) {
            erasure_tree::make(&self.dir, &self.wrapping)?;
            self.tree = erasure_tree::read(&self.dir, &self.wrapping)?.map(Arc::new);
        }
        Ok(())
    }

    /// The tree of erasure.
    pub(super) fn tree(&self) -> Option<Arc<Tree>> {
        self.tree.clone()
    }

    /// Adds a new newest key of `purpose`, on disk and in the ring. It seals after `wait`, a first one at once.
    ///
    /// # Errors
    /// [`RingError`] when the file can't be written or no name is free.
    pub fn make(&mut self, purpose: Purpose, now: Timestamp, wait: Duration) -> Result<char, RingError> {
        let newest = self.keys.iter().find(|key| key.purpose == purpose);
        // The name after the newest one's, so that a name that was retired comes back late.
        let start =
            newest.and_then(|key| NAMES.iter().position(|name| *name == key.name)).map_or(0, |at| at + 1);
        let taken = |name: u8| self.keys.iter().any(|key| key.purpose == purpose && key.name == name);
        let name = (NAMES.iter().cycle().skip(start).take(NAMES.len()).copied())
            .find(|name| !taken(*name))
            .ok_or_else(|| RingError::Full { dir: self.dir.clone(), purpose: purpose.as_str() })?;
        // Later than the key before it even if the clock stands still: the newest seals.
        let second = Duration::from_secs(1);
        let created_at = newest.map_or(now, |key| now.max(key.created_at.after(second)));
        let seals_from = newest
            .map_or(created_at, |key| created_at.max(key.seals_from.after(second)).max(now.after(wait)));
        let secret = Zeroizing::new(random_bytes());
        let public = purpose.has_halves().then(|| pair::public_of(&secret)).flatten();
        let secret = Some(LockedKey::new(secret));
        let wrapped_by = self.wrapping.name();
        let key = NamedKey { purpose, name, created_at, seals_from, secret, wrapped_by, public };
        keyfile::write(&self.dir, &key, &self.wrapping)?;
        self.keys.push(key);
        sort(&mut self.keys);
        Ok(char::from(name))
    }

    /// Writes every secret that lies otherwise wrapped, as this ring wraps, and the tree of erasure. How many files. Whoever
    /// calls has the turn at the directory.
    ///
    /// # Errors
    /// [`RingError`] when a file can't be written.
    pub fn wrap_anew(&self) -> Result<usize, RingError> {
        let mut count = 0;
        let by = self.wrapping.name();
        for key in self.keys.iter().filter(|key| key.secret.is_some() && key.wrapped_by != by) {
            keyfile::replace(&self.dir, key, &self.wrapping)?;
            count += 1;
        }
        Ok(count + usize::from(erasure_tree::wrap_anew(&self.dir, &self.wrapping)?))
    }

    /// Destroys a key, in the ring and on disk.
    ///
    /// # Errors
    /// [`RingError`] when its file can't be removed.
    pub fn destroy(&mut self, purpose: Purpose, name: char) -> Result<(), RingError> {
        let Ok(name) = u8::try_from(name) else { return Ok(()) };
        keyfile::destroy(&self.dir, purpose, name)?;
        self.keys.retain(|key| key.purpose != purpose || key.name != name);
        Ok(())
    }

    /// The secret keys of a purpose, the one that seals first; never empty.
    pub(super) fn keys(&self, purpose: Purpose, now: Timestamp) -> Result<Vec<&NamedKey>, RingError> {
        let keys = self.in_order(purpose, now, |key| key.secret.is_some());
        if keys.is_empty() {
            return Err(RingError::Missing { dir: self.dir.clone(), purpose: purpose.as_str() });
        }
        Ok(keys)
    }

    /// All keys of a purpose whose public half is known, the one that seals first.
    pub(super) fn publics(&self, purpose: Purpose, now: Timestamp) -> Vec<&NamedKey> {
        self.in_order(purpose, now, |key| key.public.is_some())
    }

    /// The key of numbers that do not change: the guard key, or the oldest index key where an older version made the ring.
    pub(super) fn guard(&self) -> Result<&NamedKey, RingError> {
        let oldest = |purpose| self.keys.iter().rfind(|key| key.purpose == purpose && key.secret.is_some());
        oldest(Purpose::Guard)
            .or_else(|| oldest(Purpose::Index))
            .ok_or_else(|| RingError::Missing { dir: self.dir.clone(), purpose: Purpose::Guard.as_str() })
    }

    /// The name of the index key that stands in for a guard key.
    pub(super) fn numbering_index_key(&self) -> Option<char> {
        self.guard().ok().filter(|key| key.purpose == Purpose::Index).map(|key| char::from(key.name))
    }

    fn in_order(&self, purpose: Purpose, now: Timestamp, has: impl Fn(&NamedKey) -> bool) -> Vec<&NamedKey> {
        let mut keys: Vec<&NamedKey> =
            self.keys.iter().filter(|key| key.purpose == purpose && has(key)).collect();
        let sealing = self.sealing(purpose, now).map(|key| key.name);
        keys.sort_by_key(|key| Some(key.name) != sealing);
        keys
    }

    /// The key of a purpose that seals now: the newest whose time has come, else the oldest.
    fn sealing(&self, purpose: Purpose, now: Timestamp) -> Option<&NamedKey> {
        let mut keys = self.keys.iter().filter(|key| key.purpose == purpose);
        keys.clone().find(|key| key.seals_from <= now).or_else(|| keys.next_back())
    }

    /// When another key begins to seal, if one is to.
    #[must_use]
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.keys.iter().map(|key| key.seals_from).filter(|at| *at > now).min()
    }

    /// Whether all secrets lie on locked pages.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.keys.iter().filter_map(|key| key.secret.as_ref()).all(LockedKey::is_locked)
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What tells each key from another one of the same name, without telling the key: 64 bits derived from it, or from
    /// its public half where it has one.
    #[must_use]
    pub fn fingerprints(&self) -> BTreeMap<String, String> {
        self.keys.iter().map(|key| (key.file_stem(), fingerprint(key))).collect()
    }

    /// The same of secret keys alone, as versions before the public halves computed it.
    #[must_use]
    pub fn old_fingerprints(&self) -> BTreeMap<String, String> {
        let secrets = self.keys.iter().filter(|key| key.secret.is_some());
        secrets.map(|key| (key.file_stem(), of_secret(key.bytes()))).collect()
    }

    /// What there is, without the keys themselves.
    #[must_use]
    pub fn list(&self, now: Timestamp) -> Vec<KeyLine> {
        let line = |key: &NamedKey| KeyLine {
            purpose: key.purpose,
            name: char::from(key.name),
            created_at: key.created_at,
            seals_from: key.seals_from,
            seals: self.sealing(key.purpose, now).is_some_and(|sealing| sealing.name == key.name),
            opens: key.secret.is_some(),
            fingerprint: fingerprint(key),
        };
        self.keys.iter().map(line).collect()
    }
}

fn of_secret(secret: &[u8; 32]) -> String {
    let mut check = [0_u8; 8];
    let _ = Hkdf::<Sha256>::new(Some(b"anshin check 1"), secret).expand(b"fingerprint", &mut check);
    HEXLOWER.encode(&check)
}

fn fingerprint(key: &NamedKey) -> String {
    match &key.public {
        Some(public) => {
            let digest = Sha256::new().chain_update(b"anshin check 2\0").chain_update(public).finalize();
            HEXLOWER.encode(digest.get(..8).unwrap_or_default())
        }
        None => of_secret(key.bytes()),
    }
}

fn make_dir(dir: &Path) -> Result<(), RingError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|cause| RingError::Directory { path: dir.into(), cause })
}

fn sort(keys: &mut [NamedKey]) {
    keys.sort_by_key(|key| (key.purpose, std::cmp::Reverse((key.created_at, key.name))));
}

/// Reads the files of `dir`: secrets that are wanted, and all public halves.
fn read_all(dir: &Path, wrapping: &Wrapping, take: &Take) -> Result<Vec<NamedKey>, RingError> {
    let fault = |cause| RingError::Directory { path: dir.into(), cause };
    keyfile::finish(dir)?;
    let mut keys: Vec<NamedKey> = Vec::new();
    let mut publics: Vec<(PathBuf, NamedKey)> = Vec::new();
    for entry in fs::read_dir(dir).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let purpose = stem.split_once('-').and_then(|(word, _)| Purpose::parse(word));
        match (path.extension().and_then(|extension| extension.to_str()), purpose) {
            (Some("key"), Some(purpose)) if !take.wants(purpose) => {}
            (Some("key"), _) => keys.push(keyfile::read_secret(&path, wrapping)?),
            (Some("pub"), _) => publics.push((path.clone(), keyfile::read_public(&path)?)),
            _ => {}
        }
    }
    for (path, public) in publics {
        match keys.iter().find(|key| key.purpose == public.purpose && key.name == public.name) {
            Some(key) if key.public == public.public => {}
            Some(_) => {
                return Err(RingError::Malformed { path, reason: "it is the public half of another key" });
            }
            None => keys.push(public),
        }
    }
    sort(&mut keys);
    Ok(keys)
}

#[cfg(test)]
pub(super) fn ring_for_tests() -> KeyRing {
    let key = |purpose: Purpose, name, fill| NamedKey {
        purpose,
        name,
        created_at: Timestamp::from_millis(i64::from(name)),
        seals_from: Timestamp::from_millis(i64::from(name)),
        secret: Some(LockedKey::new(Zeroizing::new([fill; 32]))),
        wrapped_by: "file".into(),
        public: purpose.has_halves().then(|| pair::public_of(&[fill; 32])).flatten(),
    };
    let (a, b) = (b'a', b'b');
    let mut keys = vec![key(Purpose::Alias, a, 1), key(Purpose::Alias, b, 2), key(Purpose::Index, a, 3)];
    keys.extend([key(Purpose::Seal, a, 4), key(Purpose::Seal, b, 5), key(Purpose::Guard, a, 6)]);
    keys.extend([key(Purpose::Body, a, 7), key(Purpose::Log, a, 8), key(Purpose::Menu, a, 9)]);
    sort(&mut keys);
    KeyRing { dir: PathBuf::new(), wrapping: Arc::default(), keys, tree: None }
}

#[cfg(test)]
mod tests;
