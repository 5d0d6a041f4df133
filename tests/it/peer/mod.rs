//! Real peers for tests: PostgreSQL (shared, or a cluster of its own), clamd, rspamd, Postfix and Exim as mailbox providers,
//! swaks and msmtp as a merchant's mail programs, Chromium as everybody's browser, oidc-provider as a marketplace's login, and one that misbehaves, NSD as everybody's name server, Unbound, dkimpy as another signer.
//!
//! Rules: each test has its own instance or database below a directory of its own; ports are chosen when needed; all
//! of it is gone when the value is dropped. When a peer is missing the test panics and says how to run it.

pub mod browser;
pub mod clamd;
pub mod cluster;
pub mod dkimpy;
pub mod dns;
pub mod exim;
pub mod msmtp;
pub mod nsd;
pub mod postfix;
pub mod postgres;
pub mod preload;
pub mod provider;
pub mod receiver;
pub mod rogue;
pub mod rspamd;
pub mod sqlite;
pub mod swaks;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Longest wait for something a peer does on its own. Generous: a machine under load is slow, not broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a test that lacks a program says.
pub(crate) const HOW_TO_RUN: &str =
    "run the tests with `tests/run`, which installs and starts what they need";

/// A directory of its own, removed with everything in it when dropped. Other users may enter it, since Postfix and
/// PostgreSQL run as users of their own.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        use std::os::unix::fs::PermissionsExt;
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("anshin-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir(&dir).unwrap_or_else(|fault| panic!("{}: {fault}", dir.display()));
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self(dir)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Looks until `condition` gives something; panics with `what` when it never does.
///
/// Only for what can be looked at but not waited for, such as a file that another program writes. The one place in
/// the tests that lets time pass.
pub fn eventually<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, condition)
}

/// The same where it may take longer, such as a lease that has to end.
pub fn eventually_within<T>(patience: Duration, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(start.elapsed() < patience, "not within {patience:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
