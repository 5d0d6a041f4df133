//! New files of commands: one place through which whatever is exported goes.
//!
//! Rules: nobody else may read it, it replaces nothing, and it has its name only once it is whole and on disk; until then it is
//! `NAME.part` beside it. Whether the name can be given is tried at the beginning, before an approval is used up for it.
//! When it fails, or the command ends before: there is no file of this name, and none of the other unless the process was killed.

use super::desk;
use super::output::Failure;
use crate::relay::FileWritten;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file that is being written.
pub(super) struct NewFile {
    out: Option<BufWriter<File>>,
    digest: Sha256,
    octets: u64,
    part: PathBuf,
    path: PathBuf,
}

impl NewFile {
    /// Begins one.
    pub fn begin(path: &Path) -> Result<Self, Failure> {
        if path.symlink_metadata().is_ok() {
            return Err(Failure::new(format!("{}: it is there; name a new file", path.display())));
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let out = Some(BufWriter::new(desk::file(&part)?));
        let new = Self { out, digest: Sha256::new(), octets: 0, part, path: path.to_owned() };
        new.try_link()?;
        Ok(new)
    }

    /// Whether the file system gives a file a second name, as it gets its own in the end.
    fn try_link(&self) -> Result<(), Failure> {
        let mut other = self.part.as_os_str().to_owned();
        other.push(".try");
        let other = PathBuf::from(other);
        let linked = std::fs::hard_link(&self.part, &other).and_then(|()| std::fs::remove_file(&other));
        linked.map_err(|fault| {
            let path = self.path.display();
            Failure::new(format!(
                "{path}: its file system gives no file a second name ({fault}); name a file on another"
            ))
        })
    }

    /// Writes on.
    pub fn put(&mut self, octets: &[u8]) -> Result<(), Failure> {
        self.write_all(octets)
            .map_err(|fault| Failure::new(format!("{}: it can't be written: {fault}", self.path.display())))
    }

    /// The SHA-256 of what was written so far.
    pub fn sha256(&self) -> [u8; 32] {
        self.digest.clone().finalize().into()
    }

    /// Gives it its name, once it is on disk. What was written.
    pub fn finish(mut self) -> Result<FileWritten, Failure> {
        let told = |fault: std::io::Error, path: &Path| {
            Failure::new(format!("{}: it can't be written: {fault}", path.display()))
        };
        let written = FileWritten { sha256: HEXLOWER.encode(&self.sha256()), octets: self.octets };
        let Some(out) = self.out.take() else { return Ok(written) };
        let file = out.into_inner().map_err(|fault| told(fault.into_error(), &self.path))?;
        file.sync_all().map_err(|fault| told(fault, &self.path))?;
        // Unlike a rename, a link replaces nothing that came meanwhile.
        std::fs::hard_link(&self.part, &self.path).map_err(|fault| told(fault, &self.path))?;
        Ok(written)
    }
}

impl Write for NewFile {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        match &mut self.out {
            Some(out) => {
                let written = out.write(octets)?;
                self.digest.update(octets.get(..written).unwrap_or_default());
                self.octets += written as u64;
                Ok(written)
            }
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_has_its_name_only_when_it_is_whole_and_replaces_none() {
        let folder = std::env::temp_dir().join(format!("anshin-new-file-{}", crate::store::random_id()));
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("rows.csv");
        let names =
            || std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>();
        let mut left = NewFile::begin(&path).unwrap();
        left.put(b"half").unwrap();
        assert_eq!(names(), ["rows.csv.part"]);
        drop(left);
        assert!(names().is_empty());
        let mut whole = NewFile::begin(&path).unwrap();
        whole.put(b"whole").unwrap();
        whole.finish().unwrap();
        assert_eq!((names(), std::fs::read(&path).unwrap()), (vec!["rows.csv".into()], b"whole".to_vec()));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(NewFile::begin(&path).is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
