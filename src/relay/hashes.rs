//! Argon2id of passwords: how many are computed at once, and which passwords were right a while ago.
//!
//! Rules: a hash takes 19 MiB and some 20 ms on purpose, so at most [`at_once`] run, apart from the tasks that serve
//! sessions. Whose network has logged in within [`REGULAR`] has places of its own: of strangers at most half as many run and
//! at most [`WAITING`] wait, so that whoever sends wrong passwords from everywhere keeps no store out. The name plays no part
//! in it: how long an answer takes tells nothing of who exists. None waits for longer than [`PATIENCE`]. A store's tool that
//! logs in for every mail is
//! remembered: what was right is known for [`REMEMBERED`] by an HMAC of verifier, name and password under a key that is
//! made at the start of the process and never leaves it. Only successes are kept, a bounded number; another verifier is
//! another entry, and whether the credential is revoked the caller looks up each time. So the memory of a process tells no
//! more than its sessions do, and the database nothing.
//! When it fails: [`Busy`]; nothing is known of the password, and its owner is asked to try again.

use super::first_use::network;
use crate::vault::{PasswordHash, Secret, random_bytes};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// Hashes of regulars that may wait for their turn, and as many of strangers.
const WAITING: usize = 64;
/// How long one may wait.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a password that was right is known.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// How long a network is a regular one after a login from it.
const REGULAR: Duration = Duration::from_secs(30 * 86_400);
/// Passwords and networks known of one generation; there are two of each.
const KNOWN: usize = 4096;

/// Too many hashes are being computed, or there is no memory for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy;

/// Computes hashes and remembers what was right.
pub(super) struct Hashes {
    strangers: Lane,
    regulars: Lane,
    turns: Arc<Semaphore>,
    key: Hmac<Sha256>,
    right: Mutex<Lately<[u8; 32]>>,
    networks: Mutex<Lately<IpAddr>>,
    /// What a password is held against where there is no credential: the same work.
    nobody: PasswordHash,
}

/// Who waits, and who of them may take one of the turns.
struct Lane {
    places: Arc<Semaphore>,
    first: Arc<Semaphore>,
}

/// What was so a while ago, a bounded number.
struct Lately<K> {
    young: HashMap<K, Instant>,
    old: HashMap<K, Instant>,
}

/// Hashes at once: a processor each, and no more than 76 MiB.
fn at_once() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(4)
}

impl Hashes {
    pub(super) fn new() -> Self {
        let turns = at_once();
        let lane = |first: usize| Lane {
            places: Arc::new(Semaphore::new(first + WAITING)),
            first: Arc::new(Semaphore::new(first)),
        };
        Self {
            strangers: lane(turns.div_ceil(2)),
            regulars: lane(turns),
            turns: Arc::new(Semaphore::new(turns)),
            key: Hmac::new(&random_bytes::<64>().into()),
            right: Mutex::default(),
            networks: Mutex::default(),
            nobody: PasswordHash::of_nobody(),
        }
    }

    /// The Argon2id of a password, for somebody who is known.
    pub(super) async fn make(&self, password: &Secret) -> Result<PasswordHash, Busy> {
        let password = password.again();
        self.in_turn(&self.regulars, move || PasswordHash::new(&password)).await?.ok_or(Busy)
    }

    /// What no password fits: it stands where there is no credential.
    pub(super) fn nobody(&self) -> &PasswordHash {
        &self.nobody
    }

    /// Whether a password that came from this address is the one of this verifier.
    pub(super) async fn is_right(
        &self,
        verifier: &str,
        name: &str,
        password: &Secret,
        from: IpAddr,
    ) -> Result<bool, Busy> {
        let entry = self.entry(verifier, name, password);
        if lock(&self.right).knows(&entry, REMEMBERED) {
            return Ok(true);
        }
        let (stored, given) = (verifier.to_owned(), password.again());
        let is_regular = lock(&self.networks).knows(&network(from).0, REGULAR);
        let lane = if is_regular { &self.regulars } else { &self.strangers };
        let is_right = self.in_turn(lane, move || PasswordHash::matches(&stored, &given)).await?;
        if is_right {
            lock(&self.right).learn(entry);
        }
        Ok(is_right)
    }

    /// Somebody has logged in from this address.
    pub(super) fn is_welcome(&self, from: IpAddr) {
        lock(&self.networks).learn(network(from).0);
    }

    /// Takes all turns.
    #[cfg(test)]
    pub(super) fn occupy(&self) -> tokio::sync::OwnedSemaphorePermit {
        let all = u32::try_from(self.turns.available_permits()).unwrap();
        self.turns.clone().try_acquire_many_owned(all).unwrap()
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        lane: &Lane,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let place = lane.places.clone().try_acquire_owned().map_err(|_| Busy)?;
        let turn = async {
            let first = lane.first.clone().acquire_owned().await;
            Ok::<_, Busy>((
                first.map_err(|_| Busy)?,
                self.turns.clone().acquire_owned().await.map_err(|_| Busy)?,
            ))
        };
        let turn = timeout(PATIENCE, turn).await.map_err(|_| Busy)??;
        // The places go with the work: a session that ends does not end what it began.
        let done = tokio::task::spawn_blocking(move || {
            let _places = (place, turn);
            work()
        });
        done.await.map_err(|_| Busy)
    }

    fn entry(&self, verifier: &str, name: &str, password: &Secret) -> [u8; 32] {
        let mut mac = self.key.clone();
        for part in [verifier, name, password.show()] {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K> Default for Lately<K> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new() }
    }
}

impl<K: Eq + Hash> Lately<K> {
    fn knows(&self, key: &K, how_long: Duration) -> bool {
        let since = self.young.get(key).or_else(|| self.old.get(key));
        since.is_some_and(|since| since.elapsed() < how_long)
    }

    fn learn(&mut self, key: K) {
        if self.young.len() >= KNOWN && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::poll;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
    const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 7));

    #[tokio::test(start_paused = true)]
    async fn what_was_right_is_known_for_an_hour_by_its_own_verifier_and_what_was_wrong_is_not() {
        let hashes = Hashes::new();
        let (password, wrong) = (Secret::generate("ansm_"), Secret::generate("ansm_"));
        let verifier = hashes.make(&password).await.unwrap().as_str().to_owned();
        let other = hashes.make(&password).await.unwrap().as_str().to_owned();
        assert_eq!(hashes.is_right(&verifier, "1", &wrong, HERE).await, Ok(false));
        assert!(lock(&hashes.right).young.is_empty());
        assert_eq!(hashes.is_right(&verifier, "1", &password, HERE).await, Ok(true));
        let knows = |verifier: &str, name, password| {
            lock(&hashes.right).knows(&hashes.entry(verifier, name, password), REMEMBERED)
        };
        for (verifier, name, password) in
            [(&other, "1", &password), (&verifier, "2", &password), (&verifier, "1", &wrong)]
        {
            assert!(!knows(verifier, name, password));
        }
        assert!(knows(&verifier, "1", &password));
        tokio::time::advance(REMEMBERED).await;
        assert!(!knows(&verifier, "1", &password));
    }

    #[test]
    fn a_bounded_number_is_known() {
        let mut lately = Lately::default();
        for n in 0..3 * KNOWN {
            lately.learn(n);
        }
        assert!(lately.young.len() <= KNOWN && lately.old.len() <= KNOWN);
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_that_fill_their_places_keep_no_regular_waiting_and_are_asked_to_try_again() {
        let hashes = Hashes::new();
        let password = Secret::generate("");
        let verifier = hashes.make(&password).await.unwrap().as_str().to_owned();
        hashes.is_welcome(HERE);
        let held = hashes.strangers.first.available_permits();
        let firsts = u32::try_from(held).unwrap();
        let _busy = hashes.strangers.first.clone().acquire_many_owned(firsts).await.unwrap();
        let mut waiting: Vec<_> = (0..held + WAITING)
            .map(|n| {
                Box::pin(hashes.is_right(&verifier, if n == 0 { "0" } else { "1" }, &password, ELSEWHERE))
            })
            .collect();
        for one in &mut waiting {
            assert!(poll!(one).is_pending());
        }
        let beyond = hashes.is_right(&verifier, "1", &password, ELSEWHERE).await;
        assert_eq!(beyond, Err(Busy));
        assert_eq!(hashes.is_right(&verifier, "1", &password, HERE).await, Ok(true));
        for one in waiting {
            assert_eq!(one.await, Err(Busy), "none waits for longer than its patience");
        }
    }
}
