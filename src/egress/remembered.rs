//! Addresses of hosts that something was found out about, for a while.
//!
//! Rules: what is known is known to one process, and it is a hint: forgetting one costs a dial. At most [`MOST`] are
//! remembered at a time; beyond that the memory is emptied.
//! When it fails: it does not.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Addresses remembered at the same time.
const MOST: usize = 4096;

/// What is remembered of addresses, each for the same time.
pub(super) struct Remembered {
    since: Mutex<HashMap<SocketAddr, Instant>>,
    lasts: Duration,
}

impl Remembered {
    pub(super) fn new(lasts: Duration) -> Self {
        Self { since: Mutex::default(), lasts }
    }

    /// Remembers it from now on.
    pub(super) fn note(&self, address: SocketAddr) {
        let mut since = self.lock();
        if since.len() >= MOST {
            since.clear();
        }
        since.insert(address, Instant::now());
    }

    /// It is no longer so.
    pub(super) fn forget(&self, address: SocketAddr) {
        self.lock().remove(&address);
    }

    /// Whether it was noted not long ago.
    pub(super) fn has(&self, address: SocketAddr) -> bool {
        let mut since = self.lock();
        match since.get(&address) {
            Some(noted) if noted.elapsed() < self.lasts => true,
            Some(_) => {
                since.remove(&address);
                false
            }
            None => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Instant>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
