//! ClamAV's daemon with a database of one signature, on a socket of its own.

use super::{HOW_TO_RUN, Scratch, eventually};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// What it knows, as octets of a mail.
pub const MALWARE: &[u8] = b"this is what the scanner of this test takes for malware\r\n";
/// What it calls it.
pub const NAME: &str = "Test.Anshin";

/// It runs until it is dropped.
pub struct Clamd {
    child: Child,
    scratch: Scratch,
}

impl Clamd {
    pub fn start() -> Self {
        let scratch = Scratch::new("clamd");
        let dir = scratch.path().display();
        let signature = data_encoding::HEXLOWER.encode(MALWARE.trim_ascii_end());
        std::fs::create_dir(scratch.path().join("db")).unwrap();
        std::fs::write(scratch.path().join("db/test.ndb"), format!("{NAME}:0:*:{signature}\n")).unwrap();
        let config = format!("Foreground yes\nDatabaseDirectory {dir}/db\nLocalSocket {dir}/clamd.ctl\n");
        let file = scratch.path().join("clamd.conf");
        std::fs::write(&file, config).unwrap();
        let child = Command::new("/usr/sbin/clamd")
            .arg("--config-file")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|fault| panic!("clamd: {fault}; {HOW_TO_RUN}"));
        let clamd = Self { child, scratch };
        eventually("clamd listens", || UnixStream::connect(clamd.socket()).ok());
        clamd
    }

    pub fn socket(&self) -> PathBuf {
        self.scratch.path().join("clamd.ctl")
    }
}

impl Drop for Clamd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
