//! Files of the operator in MaxMind's format (MMDB): read whole, looked up in memory, read again when they have changed.
//!
//! Rules: a file that can't be used changes nothing of what is known: the one before goes on, and the fault is told.
//! When it fails: [`OverlayError`], which names the file.

use crate::mail::Timestamp;
use arc_swap::ArcSwap;
use maxminddb::PathElement::Key;
use maxminddb::Reader;
use std::io::Read;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The largest file that is read, in octets: city databases of the whole world have some 100 MB.
const FILE_MAX: u64 = 512 << 20;
/// From this age on a file is called old: some 2 % of the addresses change hands in a year.
const OLD: Duration = Duration::from_secs(60 * 86_400);

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    #[error("{0} cannot be read ({1})")]
    Unreadable(String, std::io::ErrorKind),
    #[error("{0} is no database in MaxMind's format (MMDB): {1}")]
    Malformed(String, String),
    #[error("{0} is longer than 512 MiB")]
    Large(String),
}

/// What tells whether a file is another one than before.
type Print = (u64, u64, i64, i64);

struct Loaded {
    reader: Reader<Vec<u8>>,
    print: Option<Print>,
}

/// A file, and what was read of it.
pub(super) struct Database {
    /// The key of the configuration that names it.
    key: &'static str,
    path: PathBuf,
    loaded: ArcSwap<Loaded>,
}

impl Database {
    pub fn open(key: &'static str, path: &Path) -> Result<Self, OverlayError> {
        let loaded = ArcSwap::from_pointee(load(path)?);
        Ok(Self { key, path: path.to_owned(), loaded })
    }

    /// Reads the file again if it is another one.
    pub fn renew(&self) -> Result<(), OverlayError> {
        if self.loaded.load().print != print(&self.path) {
            self.loaded.store(Arc::new(load(&self.path)?));
        }
        Ok(())
    }

    /// The first of these paths at which the record of `ip` has a text.
    pub fn text(&self, ip: IpAddr, paths: &[&[&str]]) -> Option<String> {
        let loaded = self.loaded.load();
        let found = loaded.reader.lookup(ip).ok()?;
        paths.iter().find_map(|path| {
            let path: Vec<_> = path.iter().map(|key| Key(key)).collect();
            found.decode_path::<&str>(&path).ok().flatten().map(str::to_owned)
        })
    }

    /// The number at a path of the record of `ip`.
    pub fn number(&self, ip: IpAddr, key: &str) -> Option<u32> {
        let loaded = self.loaded.load();
        loaded.reader.lookup(ip).ok()?.decode_path::<u32>(&[Key(key)]).ok().flatten()
    }

    /// What is to be said of the file.
    pub fn file(&self) -> DataFile {
        let seconds = i64::try_from(self.loaded.load().reader.metadata().build_epoch).unwrap_or(i64::MAX);
        let built = Timestamp::from_millis(seconds.saturating_mul(1000));
        DataFile { key: self.key, path: self.path.clone(), built }
    }
}

/// A file of the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    pub key: &'static str,
    pub path: PathBuf,
    /// When it was made, by its own word.
    pub built: Timestamp,
}

impl DataFile {
    /// What is to be said against it at `now`.
    #[must_use]
    pub fn warning(&self, now: Timestamp) -> Option<String> {
        let age = now.since(self.built);
        (age > OLD).then(|| {
            format!(
                "{}: {} was made {} days ago; addresses change hands: put a newer one in its place",
                self.key,
                self.path.display(),
                age.as_secs() / 86_400
            )
        })
    }
}

fn print(path: &Path) -> Option<Print> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
}

fn load(path: &Path) -> Result<Loaded, OverlayError> {
    let name = || path.display().to_string();
    // Before the octets: what changes while they are read is read once more.
    let print = print(path);
    let mut octets = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut octets));
    read.map_err(|fault| OverlayError::Unreadable(name(), fault.kind()))?;
    if octets.len() as u64 > FILE_MAX {
        return Err(OverlayError::Large(name()));
    }
    let reader =
        Reader::from_source(octets).map_err(|fault| OverlayError::Malformed(name(), fault.to_string()))?;
    Ok(Loaded { reader, print })
}
