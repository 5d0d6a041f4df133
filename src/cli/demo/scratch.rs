//! The directory in which everything of a demo lies: made for it, readable by this user alone, gone afterwards.
//!
//! When it fails: at the beginning, when the directory for temporary files can't be written. A demo that is killed
//! with SIGKILL leaves its directory behind; every other end removes it.

use crate::cli::output::Failure;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Names tried until one is free.
const TRIES: usize = 8;

/// A temporary directory, mode 0700, removed when dropped.
pub(super) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes it below the system's directory for temporary files (`TMPDIR`).
    pub fn new() -> Result<Self, Failure> {
        let parent = std::env::temp_dir();
        let mut fault = None;
        for _ in 0..TRIES {
            let path = parent.join(format!("anshin-demo-{:016x}", crate::store::random_id()));
            match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(error) => fault = Some(error),
            }
        }
        let reason = fault.map(|error| error.to_string()).unwrap_or_default();
        Err(Failure::new(format!(
            "{}: can't make a temporary directory: {reason}; set TMPDIR to one that this user can write to",
            parent.display()
        )))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nobody is left to tell; the system empties its directory for temporary files by itself.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_directory_is_private_and_gone_with_its_demo() {
        let scratch = Scratch::new().unwrap();
        let path = scratch.path().to_owned();
        std::fs::create_dir(path.join("keys")).unwrap();
        std::fs::write(path.join("keys/a.key"), b"secret").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        drop(scratch);
        assert!(!path.exists());
    }
}
