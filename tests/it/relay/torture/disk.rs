//! A small disk of its own that becomes full and whose writes fail, by a library that is preloaded into one process.
//!
//! When it fails: the test panics where it may not mount a tmpfs, or where nothing can be preloaded.

use crate::peer::{HOW_TO_RUN, Scratch, preload};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The disk. Unmounted when dropped.
pub struct Disk {
    mounted: Scratch,
    control: Scratch,
}

impl Disk {
    pub fn new(mebibytes: u64) -> Self {
        let (mounted, control) = (Scratch::new("disk"), Scratch::new("faults"));
        let size = format!("size={mebibytes}m,mode=0777");
        let done =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(mounted.path()).status();
        assert!(done.is_ok_and(|done| done.success()), "no right to mount a tmpfs; {HOW_TO_RUN}, as root");
        // Whoever runs the server deletes what makes it fail once.
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(control.path(), fs::Permissions::from_mode(0o777)).unwrap();
        preload::build("disk", &control);
        Self { mounted, control }
    }

    pub fn path(&self) -> &Path {
        self.mounted.path()
    }

    /// The variables under which a process's writes can fail.
    pub fn environment(&self) -> [(String, String); 2] {
        let library = self.control.path().join("disk.so");
        [
            ("LD_PRELOAD".to_owned(), library.display().to_string()),
            ("ANSHIN_TEST_DISK".to_owned(), self.control.path().display().to_string()),
        ]
    }

    /// No write reaches the disk from now on.
    pub fn fail(&self) {
        fs::write(self.control.path().join("fails"), "").unwrap();
    }

    /// One does not.
    pub fn fail_once(&self) {
        fs::write(self.control.path().join("fails-once"), "").unwrap();
    }

    /// Takes all that is left.
    pub fn fill(&self) {
        let mut file = fs::File::create(self.ballast()).unwrap();
        for block in [1 << 20, 4096] {
            let block = vec![0; block];
            while std::io::Write::write(&mut file, &block).is_ok_and(|written| written > 0) {}
        }
    }

    /// All is well again.
    pub fn mend(&self) {
        for path in
            [self.control.path().join("fails"), self.control.path().join("fails-once"), self.ballast()]
        {
            let _ = fs::remove_file(path);
        }
    }

    fn ballast(&self) -> PathBuf {
        self.mounted.path().join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.mounted.path()).status();
    }
}
