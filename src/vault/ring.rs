//! The key ring: a directory (mode 0700) of files (mode 0600), one 256-bit key each, `PURPOSE-NAME.key`.
//!
//! Rules: the newest key of a purpose seals, all open. A name is one character of `a-z2-7`, since a token carries
//! it. A file that others may read, a malformed file and a double name are refused, each by its path.
//! Only [`KeyRing::open`] with [`Make::Missing`] (the development profile) creates anything.
//! When it fails: [`RingError`] with path and cure; keys themselves are never printed and are wiped when dropped.

use super::random_bytes;
use crate::mail::Timestamp;
use data_encoding::{BASE64, HEXLOWER};
use hkdf::Hkdf;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// What a key is for. Keys of different purposes are unrelated, so a process can hold some without the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Alias tokens and return addresses.
    Alias,
    /// Keyed blind indexes.
    Index,
    /// Wrapping of data keys.
    Seal,
}

impl Purpose {
    /// All of them, in the order of lists.
    pub const ALL: [Purpose; 3] = [Purpose::Alias, Purpose::Index, Purpose::Seal];

    /// The word in file names and lists.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::Alias => "alias",
            Purpose::Index => "index",
            Purpose::Seal => "seal",
        }
    }
}

/// Whether opening may create keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// Make the directory and a first key of each purpose where there is none.
    Missing,
    /// Refuse to start without them.
    Nothing,
}

/// One key with its name. Neither printable nor copyable.
pub struct NamedKey {
    purpose: Purpose,
    name: u8,
    created_at: Timestamp,
    bytes: Zeroizing<[u8; 32]>,
}

impl NamedKey {
    /// The letter that names it within its purpose.
    #[must_use]
    pub(super) fn name(&self) -> u8 {
        self.name
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }
}

/// All keys found in the directory, newest first within each purpose.
pub struct KeyRing {
    dir: PathBuf,
    keys: Vec<NamedKey>,
}

/// What `anshin keys list` shows of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyLine {
    pub purpose: &'static str,
    pub name: char,
    pub created_at: Timestamp,
    /// Whether new things are sealed with it.
    pub seals: bool,
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
        "{path}: others may read this key (mode {mode:o}); run chmod 0600 on it, and rotate the key if anyone did"
    )]
    Exposed { path: PathBuf, mode: u32 },
    #[error("{path}: {reason}; restore the file from its backup")]
    Malformed { path: PathBuf, reason: &'static str },
    #[error(
        "{dir}: no {purpose} key; restore the key ring from its backup, or make the first keys with `anshin keys rotate`"
    )]
    Missing { dir: PathBuf, purpose: &'static str },
    #[error("{dir}: all 32 names of {purpose} keys are in use; remove keys that nothing needs any more")]
    Full { dir: PathBuf, purpose: &'static str },
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    purpose: String,
    name: String,
    created_at: String,
    key: String,
}

/// The alphabet of key names, in the order in which they are given out (RFC 4648 §6, lower case).
const NAMES: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

impl KeyRing {
    /// Reads what there is in `dir`, which is made where it is missing: for adding the first keys of a new installation.
    ///
    /// # Errors
    /// [`RingError`] for an unreadable, exposed or malformed file.
    pub fn open_or_begin(dir: &Path) -> Result<Self, RingError> {
        make_dir(dir)?;
        Ok(Self { dir: dir.into(), keys: read_all(dir)? })
    }

    /// Reads the ring in `dir`; with [`Make::Missing`] makes what is not there.
    ///
    /// # Errors
    /// [`RingError`] for an unreadable, exposed or malformed file and for a missing purpose.
    pub fn open(dir: &Path, make: Make, now: Timestamp) -> Result<Self, RingError> {
        if make == Make::Missing {
            make_dir(dir)?;
        }
        let mut ring = Self { dir: dir.into(), keys: read_all(dir)? };
        for purpose in Purpose::ALL {
            if ring.keys(purpose).is_err() {
                if make == Make::Nothing {
                    return Err(RingError::Missing { dir: dir.into(), purpose: purpose.as_str() });
                }
                ring.make(purpose, now)?;
            }
        }
        Ok(ring)
    }

    /// Adds a new newest key of `purpose`, on disk and in the ring.
    ///
    /// # Errors
    /// [`RingError`] when the file can't be written or no name is free.
    pub fn make(&mut self, purpose: Purpose, now: Timestamp) -> Result<(), RingError> {
        let taken = |name: u8| self.keys.iter().any(|key| key.purpose == purpose && key.name == name);
        let name = NAMES
            .iter()
            .copied()
            .find(|name| !taken(*name))
            .ok_or_else(|| RingError::Full { dir: self.dir.clone(), purpose: purpose.as_str() })?;
        let newest = self.keys.iter().filter(|key| key.purpose == purpose).map(|key| key.created_at).max();
        // Later than the key before it even if the clock stands still: the newest seals.
        let created_at = newest.map_or(now, |at| now.max(at.after(std::time::Duration::from_secs(1))));
        let key = NamedKey { purpose, name, created_at, bytes: Zeroizing::new(random_bytes()) };
        self.write(&key)?;
        self.keys.push(key);
        sort(&mut self.keys);
        Ok(())
    }

    fn write(&self, key: &NamedKey) -> Result<(), RingError> {
        let path = self.dir.join(format!("{}-{}.key", key.purpose.as_str(), char::from(key.name)));
        let fault = |cause| RingError::File { path: path.clone(), cause };
        let text = Zeroizing::new(format!(
            "# A key of Anshin Mail. Who reads it reads what it protects: keep it secret, and back it up apart\n\
             # from the database.\n\
             purpose = \"{}\"\nname = \"{}\"\ncreated_at = \"{}\"\nkey = \"{}\"\n",
            key.purpose.as_str(),
            char::from(key.name),
            key.created_at,
            BASE64.encode(&*key.bytes)
        ));
        // Whole under its own name or not at all: half a key file would stop the next start.
        let unfinished = path.with_extension("unfinished");
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)
            .map_err(fault)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(fault)?;
        if path.exists() {
            return Err(RingError::Malformed { path, reason: "it appeared while the key was made" });
        }
        fs::rename(&unfinished, &path).map_err(fault)?;
        // The name must survive a power cut before anything is sealed with the key.
        fs::File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(fault)
    }

    /// The keys of a purpose, newest first; never empty.
    pub(super) fn keys(&self, purpose: Purpose) -> Result<Vec<&NamedKey>, RingError> {
        let keys: Vec<_> = self.keys.iter().filter(|key| key.purpose == purpose).collect();
        if keys.is_empty() {
            return Err(RingError::Missing { dir: self.dir.clone(), purpose: purpose.as_str() });
        }
        Ok(keys)
    }

    /// What tells each key from another one of the same name, without telling the key: 64 bits derived from it.
    #[must_use]
    pub fn fingerprints(&self) -> BTreeMap<String, String> {
        let print = |key: &NamedKey| {
            let mut check = [0_u8; 8];
            let _ =
                Hkdf::<Sha256>::new(Some(b"anshin check 1"), key.bytes()).expand(b"fingerprint", &mut check);
            (format!("{}-{}", key.purpose.as_str(), char::from(key.name)), HEXLOWER.encode(&check))
        };
        self.keys.iter().map(print).collect()
    }

    /// What there is, without the keys themselves.
    #[must_use]
    pub fn list(&self) -> Vec<KeyLine> {
        let mut lines: Vec<KeyLine> = Vec::new();
        for key in &self.keys {
            let seals = lines.last().is_none_or(|line| line.purpose != key.purpose.as_str());
            lines.push(KeyLine {
                purpose: key.purpose.as_str(),
                name: char::from(key.name),
                created_at: key.created_at,
                seals,
            });
        }
        lines
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

fn read_all(dir: &Path) -> Result<Vec<NamedKey>, RingError> {
    let fault = |cause| RingError::Directory { path: dir.into(), cause };
    let mut keys: Vec<NamedKey> = Vec::new();
    for entry in fs::read_dir(dir).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        if path.extension().is_none_or(|extension| extension != "key") {
            continue;
        }
        let key = read(&path)?;
        if keys.iter().any(|other| other.purpose == key.purpose && other.name == key.name) {
            return Err(RingError::Malformed { path, reason: "another file has the same purpose and name" });
        }
        keys.push(key);
    }
    sort(&mut keys);
    Ok(keys)
}

fn read(path: &Path) -> Result<NamedKey, RingError> {
    let fault = |cause| RingError::File { path: path.into(), cause };
    let malformed = |reason| RingError::Malformed { path: path.into(), reason };
    let mode = fs::metadata(path).map_err(fault)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(RingError::Exposed { path: path.into(), mode });
    }
    let text = Zeroizing::new(fs::read_to_string(path).map_err(fault)?);
    let file: KeyFile = toml::from_str(&text).map_err(|_| malformed("this is no key file"))?;
    let purpose = Purpose::ALL
        .into_iter()
        .find(|purpose| purpose.as_str() == file.purpose)
        .ok_or_else(|| malformed("unknown purpose"))?;
    let name = match file.name.as_bytes() {
        [name] if NAMES.contains(name) => *name,
        _ => return Err(malformed("the name must be one character of a-z2-7")),
    };
    let created_at = Timestamp::parse_rfc3339(&file.created_at)
        .ok_or_else(|| malformed("created_at is no RFC 3339 time"))?;
    let encoded = Zeroizing::new(file.key);
    let raw =
        Zeroizing::new(BASE64.decode(encoded.as_bytes()).map_err(|_| malformed("the key is no base64"))?);
    let bytes =
        <[u8; 32]>::try_from(raw.as_slice()).map_err(|_| malformed("the key is not 256 bits long"))?;
    Ok(NamedKey { purpose, name, created_at, bytes: Zeroizing::new(bytes) })
}

#[cfg(test)]
pub(super) fn ring_for_tests() -> KeyRing {
    let key = |purpose, name, fill| NamedKey {
        purpose,
        name,
        created_at: Timestamp::from_millis(i64::from(name)),
        bytes: Zeroizing::new([fill; 32]),
    };
    let mut keys = vec![
        key(Purpose::Alias, b'a', 1),
        key(Purpose::Alias, b'b', 2),
        key(Purpose::Index, b'a', 3),
        key(Purpose::Seal, b'a', 4),
        key(Purpose::Seal, b'b', 5),
    ];
    sort(&mut keys);
    KeyRing { dir: PathBuf::new(), keys }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn temporary() -> PathBuf {
        let dir = std::env::temp_dir()
            .join(format!("anshin-ring-{}", data_encoding::HEXLOWER.encode(&random_bytes::<8>())));
        fs::create_dir(&dir).unwrap();
        dir
    }

    #[test]
    fn a_ring_is_made_once_and_found_again() {
        let dir = temporary().join("keys");
        let now = Timestamp::from_millis(1_000_000);
        assert!(matches!(KeyRing::open(&dir, Make::Nothing, now), Err(RingError::Directory { .. })));
        let made = KeyRing::open(&dir, Make::Missing, now).unwrap();
        let found = KeyRing::open(&dir, Make::Nothing, now).unwrap();
        assert_eq!(made.list(), found.list());
        assert_eq!(found.list().len(), 3);
        for entry in fs::read_dir(&dir).unwrap() {
            assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        fs::remove_dir_all(dir.parent().unwrap()).unwrap();
    }

    #[test]
    fn the_newest_key_seals() {
        let dir = temporary();
        let now = Timestamp::from_millis(1_000_000);
        let mut ring = KeyRing::open(&dir, Make::Missing, now).unwrap();
        ring.make(Purpose::Seal, now).unwrap();
        let ring = KeyRing::open(&dir, Make::Nothing, now).unwrap();
        let seals: Vec<_> =
            ring.list().into_iter().filter(|l| l.seals).map(|l| (l.purpose, l.name)).collect();
        assert_eq!(seals, [("alias", 'a'), ("index", 'a'), ("seal", 'b')]);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let dir = temporary();
        KeyRing::open(&dir, Make::Missing, Timestamp::from_millis(0)).unwrap();
        let path = dir.join("seal-a.key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = KeyRing::open(&dir, Make::Nothing, Timestamp::from_millis(0)).err().unwrap();
        assert!(matches!(error, RingError::Exposed { mode: 0o640, .. }), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "key = 1").unwrap();
        assert!(matches!(
            KeyRing::open(&dir, Make::Missing, Timestamp::from_millis(0)).err(),
            Some(RingError::Malformed { .. })
        ));
        fs::remove_dir_all(dir).unwrap();
    }
}
