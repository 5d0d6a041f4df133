//! The files of the key ring: `PURPOSE-NAME.key` holds a secret key, in clear or wrapped by a key of a provider
//! (`wrapping.rs`), `PURPOSE-NAME.pub` a public half.
//!
//! Rules: a secret file that others may read, a public file that others may write, a malformed file and a public half that
//! is another key's are refused, each by its path. A file is there whole or not at all. What a crash has left of a key that
//! was being written or destroyed is wiped when the ring is opened next.
//! When it fails: [`RingError`] with path and cure.

use super::locked::LockedKey;
use super::pair;
use super::purpose::Purpose;
use super::ring::{NAMES, NamedKey, RingError};
use super::wrapping::{Wrapping, WrappingFault};
use crate::mail::Timestamp;
use data_encoding::BASE64;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// Mode bits of group and others.
const NOT_THE_OWNER: u32 = 0o077;
/// A file that was not written to its end after so long never will be.
const STALE: Duration = Duration::from_secs(600);
/// The right to write of group and others.
const OTHERS_WRITE: u32 = 0o022;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    purpose: String,
    name: String,
    created_at: String,
    #[serde(default)]
    seals_from: Option<String>,
    /// The key itself.
    #[serde(default)]
    key: Option<String>,
    /// The key, wrapped by what `wrapped_by` names.
    #[serde(default)]
    wrapped: Option<String>,
    #[serde(default)]
    wrapped_by: Option<String>,
    /// The public half alone.
    #[serde(default)]
    public: Option<String>,
}

/// The file of a key.
pub(super) fn path_of(dir: &Path, purpose: Purpose, name: u8, extension: &str) -> PathBuf {
    dir.join(format!("{}-{}.{extension}", purpose.as_str(), char::from(name)))
}

/// Reads a secret file.
pub(super) fn read_secret(path: &Path, wrapping: &Wrapping) -> Result<NamedKey, RingError> {
    let malformed = |reason| RingError::Malformed { path: path.into(), reason };
    let (head, file) = read(path, NOT_THE_OWNER)?;
    let wrapped_by = file.wrapped_by.clone().unwrap_or_else(|| Wrapping::File.name());
    let bytes = match (file.key, file.wrapped, file.wrapped_by) {
        (Some(key), None, None) => decode(&Zeroizing::new(key)).ok_or(malformed(NOT_256_BITS))?,
        (None, Some(wrapped), Some(by)) => {
            let wrapped = BASE64.decode(wrapped.as_bytes()).map_err(|_| malformed("wrapped is no base64"))?;
            let bound = format!("{}-{}", head.purpose.as_str(), char::from(head.name));
            let fault = |cause: WrappingFault| RingError::Wrapping { path: path.into(), cause };
            wrapping.unwrap(&bound, &by, &wrapped).map_err(fault)?
        }
        _ => return Err(malformed("it has not one key")),
    };
    let public = head.purpose.has_halves().then(|| pair::public_of(&bytes)).flatten();
    let secret = Some(LockedKey::new(bytes));
    Ok(NamedKey { secret, wrapped_by, public, ..head })
}

/// Reads a public file.
pub(super) fn read_public(path: &Path) -> Result<NamedKey, RingError> {
    let malformed = |reason| RingError::Malformed { path: path.into(), reason };
    let (head, file) = read(path, OTHERS_WRITE)?;
    let public = file.public.filter(|_| head.purpose.has_halves() && file.key.is_none());
    let bytes = *decode(&public.ok_or(malformed("it is no public half"))?).ok_or(malformed(NOT_256_BITS))?;
    pair::Public::new(&bytes).ok_or(malformed("nothing can be sealed to it"))?;
    Ok(NamedKey { public: Some(bytes), ..head })
}

const NOT_256_BITS: &str = "the key is no base64 of 256 bits";

fn decode(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let raw = Zeroizing::new(BASE64.decode(text.as_bytes()).ok()?);
    Some(Zeroizing::new(<[u8; 32]>::try_from(raw.as_slice()).ok()?))
}

fn read(path: &Path, forbidden: u32) -> Result<(NamedKey, KeyFile), RingError> {
    let fault = |cause| RingError::File { path: path.into(), cause };
    let malformed = |reason| RingError::Malformed { path: path.into(), reason };
    let mode = fs::metadata(path).map_err(fault)?.permissions().mode() & 0o777;
    if mode & forbidden != 0 {
        return Err(RingError::Exposed { path: path.into(), mode });
    }
    let text = Zeroizing::new(fs::read_to_string(path).map_err(fault)?);
    let file: KeyFile = toml::from_str(&text).map_err(|_| malformed("this is no key file"))?;
    let purpose = Purpose::parse(&file.purpose).ok_or_else(|| malformed("unknown purpose"))?;
    let name = match file.name.as_bytes() {
        [name] if NAMES.contains(name) => *name,
        _ => return Err(malformed("the name must be one character of a-z2-7")),
    };
    let time = |text: &str| Timestamp::parse_rfc3339(text);
    let created_at = time(&file.created_at).ok_or_else(|| malformed("created_at is no RFC 3339 time"))?;
    let seals_from = match file.seals_from.as_deref() {
        Some(text) => time(text).ok_or_else(|| malformed("seals_from is no RFC 3339 time"))?,
        None => created_at,
    };
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    if stem != Some(&format!("{}-{}", purpose.as_str(), char::from(name))) {
        return Err(malformed("its name says another key than it holds"));
    }
    let wrapped_by = String::new();
    Ok((NamedKey { purpose, name, created_at, seals_from, secret: None, wrapped_by, public: None }, file))
}

/// Writes the files of a new key: the secret, and its public half if it has one.
pub(super) fn write(dir: &Path, key: &NamedKey, wrapping: &Wrapping) -> Result<(), RingError> {
    // The secret first: what is sealed to a public half whose secret was never written opens nowhere. Who takes only public
    // halves goes on with the old key meanwhile.
    write_secret(dir, key, wrapping, Over::Nothing)?;
    write_public(dir, key)
}

/// Writes the secret of a key over its file, wrapped by another provider.
pub(super) fn replace(dir: &Path, key: &NamedKey, wrapping: &Wrapping) -> Result<(), RingError> {
    write_secret(dir, key, wrapping, Over::ItsFile)
}

/// What may be written over.
#[derive(PartialEq, Eq)]
pub(super) enum Over {
    Nothing,
    ItsFile,
}

fn write_secret(dir: &Path, key: &NamedKey, wrapping: &Wrapping, over: Over) -> Result<(), RingError> {
    let Some(secret) = &key.secret else { return Ok(()) };
    let path = path_of(dir, key.purpose, key.name, "key");
    let fault = |cause| RingError::Wrapping { path: path.clone(), cause };
    let bound = format!("{}-{}", key.purpose.as_str(), char::from(key.name));
    let line = match wrapping.wrap(&bound, secret).map_err(fault)? {
        None => Zeroizing::new(format!("key = \"{}\"\n", BASE64.encode(&***secret))),
        Some((by, wrapped)) => {
            Zeroizing::new(format!("wrapped_by = \"{by}\"\nwrapped = \"{}\"\n", BASE64.encode(&wrapped)))
        }
    };
    let text = Zeroizing::new(format!(
        "# A key of Anshin Mail. Who reads it reads what it protects: keep it secret, and back it up apart\n\
         # from the database.\n{}{}",
        head_of(key),
        *line
    ));
    write_whole(&path, text.as_bytes(), 0o600, over)
}

/// Writes the public half of a key, unless it is there.
pub(super) fn write_public(dir: &Path, key: &NamedKey) -> Result<(), RingError> {
    let Some(public) = &key.public else { return Ok(()) };
    let path = path_of(dir, key.purpose, key.name, "pub");
    if path.exists() {
        return Ok(());
    }
    let text = format!(
        "# The public half of a key of Anshin Mail: who has it can seal and not open. No secret; nobody else may change it.\n\
         {}public = \"{}\"\n",
        head_of(key),
        BASE64.encode(public)
    );
    write_whole(&path, text.as_bytes(), 0o644, Over::Nothing)
}

fn head_of(key: &NamedKey) -> String {
    format!(
        "purpose = \"{}\"\nname = \"{}\"\ncreated_at = \"{}\"\nseals_from = \"{}\"\n",
        key.purpose.as_str(),
        char::from(key.name),
        key.created_at,
        key.seals_from
    )
}

pub(super) fn write_whole(path: &Path, text: &[u8], mode: u32, over: Over) -> Result<(), RingError> {
    let fault = |cause| RingError::File { path: path.into(), cause };
    // Whole under its own name or not at all: half a key file would stop the next start.
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode);
    let mut file = options.open(&unfinished).map_err(fault)?;
    file.write_all(text).and_then(|()| file.sync_all()).map_err(fault)?;
    if over == Over::Nothing && path.exists() {
        return Err(RingError::Malformed { path: path.into(), reason: "it appeared while the key was made" });
    }
    let before = (over == Over::ItsFile).then(|| fs::OpenOptions::new().write(true).open(path)).transpose();
    let before = before.map_err(fault)?;
    fs::rename(&unfinished, path).map_err(fault)?;
    // The name must survive a power cut before anything is sealed with the key.
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(fault)?;
    // What was there has no name any more, and may be a key in clear.
    before.map_or(Ok(()), |mut file| overwrite(&mut file).map_err(fault))
}

/// Removes a file, unless another process was faster.
fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Finishes what a crash has left in a directory: keys that were being destroyed, and files that were not written to their end.
/// A process that may not write there leaves it to one that may.
pub(super) fn finish(dir: &Path) -> Result<(), RingError> {
    let fault = |cause| RingError::Directory { path: dir.into(), cause };
    let mut is_changed = false;
    for entry in fs::read_dir(dir).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        let left = match path.extension().and_then(|extension| extension.to_str()) {
            Some("destroyed") => true,
            Some("unfinished") => is_stale(&path),
            _ => false,
        };
        let wiped = || -> std::io::Result<()> {
            overwrite(&mut fs::OpenOptions::new().write(true).open(&path)?)?;
            remove(&path)
        };
        match if left { wiped() } else { continue } {
            Ok(()) => is_changed = true,
            Err(cause) if is_out_of_reach(&cause) => {}
            Err(cause) => return Err(RingError::File { path, cause }),
        }
    }
    if is_changed { fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(fault) } else { Ok(()) }
}

/// Whether a file that is not finished is older than any writing takes.
fn is_stale(path: &Path) -> bool {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > STALE))
}

fn is_out_of_reach(cause: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotFound, PermissionDenied, ReadOnlyFilesystem};
    matches!(cause.kind(), NotFound | PermissionDenied | ReadOnlyFilesystem)
}

/// Writes over a file in its length.
fn overwrite(file: &mut fs::File) -> std::io::Result<()> {
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(0).min(64 * 1024);
    file.write_all(&vec![b'#'; length])?;
    file.sync_all()
}

/// Destroys a key: its secret is overwritten before the name goes. What a file system keeps of old blocks, and every
/// backup, is beyond this program.
pub(super) fn destroy(dir: &Path, purpose: Purpose, name: u8) -> Result<(), RingError> {
    // The public half first: nobody shall seal to a secret that is gone.
    for extension in ["pub", "key"] {
        let path = path_of(dir, purpose, name, extension);
        // Out of the ring whole before it is overwritten: half a key would stop the next start. What a crash left is
        // destroyed by whoever opens the ring next (`finish`).
        let gone = path_of(dir, purpose, name, &format!("{extension}.destroyed"));
        let fault = |cause| RingError::File { path: path.clone(), cause };
        match fs::rename(&path, &gone) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fault(error)),
            _ => {}
        }
        let mut file = match fs::OpenOptions::new().write(true).open(&gone) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(fault(error)),
        };
        overwrite(&mut file).map_err(fault)?;
        remove(&gone).map_err(fault)?;
    }
    fs::File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|cause| RingError::Directory { path: dir.into(), cause })
}

#[cfg(test)]
mod tests {
    use super::super::random_bytes;
    use super::super::{KeyRing, Make, Take};
    use super::*;
    use std::sync::Arc;

    #[test]
    fn what_a_crash_left_is_wiped_when_the_ring_is_opened_and_what_is_being_written_is_not() {
        let name = data_encoding::HEXLOWER.encode(&random_bytes::<8>());
        let dir = std::env::temp_dir().join(format!("anshin-keyfile-{name}"));
        let now = Timestamp::now();
        KeyRing::open(&dir, Make::Missing, now).unwrap();
        // Cut off between the two steps; a second name shows what became of the octets.
        let (key, gone, seen) =
            (dir.join("alias-a.key"), dir.join("alias-a.key.destroyed"), dir.join("seen"));
        let secret = fs::read(&key).unwrap();
        fs::hard_link(&key, &seen).unwrap();
        fs::rename(&key, &gone).unwrap();
        let (old, fresh) = (dir.join("index-b.key.unfinished"), dir.join("index-c.key.unfinished"));
        for path in [&old, &fresh] {
            fs::write(path, "half a key").unwrap();
        }
        let long_ago = std::time::UNIX_EPOCH + STALE;
        fs::File::options().write(true).open(&old).unwrap().set_modified(long_ago).unwrap();
        KeyRing::open_or_begin(&dir, Arc::default()).unwrap();
        assert!(!gone.exists() && !old.exists() && fresh.exists());
        assert_eq!(fs::read(&seen).unwrap(), vec![b'#'; secret.len()]);
        fs::write(&gone, &secret).unwrap();
        let opened = KeyRing::open_for(&dir, Arc::default(), &Take::Only(Vec::new()), Make::Nothing, now);
        assert!(opened.is_ok() && !gone.exists());
        fs::remove_dir_all(dir).unwrap();
    }
}
