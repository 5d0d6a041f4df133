//! Argon2id of passwords: how many are computed at once, and which passwords were right a while ago.
//!
//! Rules: a hash takes 19 MiB and some 20 ms on purpose, so at most [`at_once`] run, apart from the tasks that serve
//! sessions, at most [`WAITING`] wait, and none for longer than [`PATIENCE`]. A store's tool that logs in for every mail is
//! remembered: what was right is known for [`REMEMBERED`] by an HMAC of verifier, name and password under a key that is
//! made at the start of the process and never leaves it. Only successes are kept, a bounded number; another verifier is
//! another entry, and whether the credential is revoked the caller looks up each time. So the memory of a process tells no
//! more than its sessions do, and the database nothing.
//! When it fails: [`Busy`]; nothing is known of the password, and its owner is asked to try again.

use crate::vault::{PasswordHash, Secret, random_bytes};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

/// Hashes that may wait for their turn.
const WAITING: usize = 64;
/// How long one may wait.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a password that was right is known.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// Passwords known of one generation; there are two.
const KNOWN: usize = 4096;

/// Too many hashes are being computed, or there is no memory for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy;

/// Computes hashes and remembers what was right.
pub(super) struct Hashes {
    queue: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    right: Mutex<Right>,
    /// What a password is held against where there is no credential: the same work.
    nobody: PasswordHash,
}

struct Right {
    key: Hmac<Sha256>,
    young: HashMap<[u8; 32], Instant>,
    old: HashMap<[u8; 32], Instant>,
}

/// Hashes at once: a processor each, and no more than 76 MiB.
fn at_once() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(4)
}

impl Hashes {
    pub(super) fn new() -> Self {
        let turns = at_once();
        Self {
            queue: Arc::new(Semaphore::new(turns + WAITING)),
            turns: Arc::new(Semaphore::new(turns)),
            right: Mutex::new(Right {
                key: Hmac::new(&random_bytes::<64>().into()),
                young: HashMap::new(),
                old: HashMap::new(),
            }),
            nobody: PasswordHash::of_nobody(),
        }
    }

    /// The Argon2id of a password.
    pub(super) async fn make(&self, password: &Secret) -> Result<PasswordHash, Busy> {
        let password = password.again();
        self.in_turn(move || PasswordHash::new(&password)).await?.ok_or(Busy)
    }

    /// Whether a password is the one of this verifier.
    pub(super) async fn is_right(&self, verifier: &str, name: &str, password: &Secret) -> Result<bool, Busy> {
        let entry = self.right().entry(verifier, name, password);
        if self.right().knows(&entry, Instant::now()) {
            return Ok(true);
        }
        let (stored, given) = (verifier.to_owned(), password.again());
        let is_right = self.in_turn(move || PasswordHash::matches(&stored, &given)).await?;
        if is_right {
            self.right().learn(entry, Instant::now());
        }
        Ok(is_right)
    }

    /// Does the work of [`is_right`](Self::is_right) where there is no verifier.
    pub(super) async fn is_nobodys(&self, password: &Secret) -> Result<(), Busy> {
        let (stored, given) = (self.nobody.as_str().to_owned(), password.again());
        self.in_turn(move || PasswordHash::matches(&stored, &given)).await?;
        Ok(())
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let place = self.queue.clone().try_acquire_owned().map_err(|_| Busy)?;
        let turn: OwnedSemaphorePermit = timeout(PATIENCE, self.turns.clone().acquire_owned())
            .await
            .map_err(|_| Busy)?
            .map_err(|_| Busy)?;
        // The places go with the work: a session that ends does not end what it began.
        let done = tokio::task::spawn_blocking(move || {
            let _places = (place, turn);
            work()
        });
        done.await.map_err(|_| Busy)
    }

    fn right(&self) -> std::sync::MutexGuard<'_, Right> {
        self.right.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Right {
    fn entry(&self, verifier: &str, name: &str, password: &Secret) -> [u8; 32] {
        let mut mac = self.key.clone();
        for part in [verifier, name, password.show()] {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    fn knows(&self, entry: &[u8; 32], now: Instant) -> bool {
        let since = self.young.get(entry).or_else(|| self.old.get(entry));
        since.is_some_and(|since| now.duration_since(*since) < REMEMBERED)
    }

    fn learn(&mut self, entry: [u8; 32], now: Instant) {
        if self.young.len() >= KNOWN {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(entry, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_right_is_known_for_an_hour_by_its_own_verifier_and_what_was_wrong_is_not() {
        let hashes = Hashes::new();
        let (password, wrong) = (Secret::generate("ansm_"), Secret::generate("ansm_"));
        let verifier = hashes.make(&password).await.unwrap().as_str().to_owned();
        let other = hashes.make(&password).await.unwrap().as_str().to_owned();
        assert_eq!(hashes.is_right(&verifier, "1", &wrong).await, Ok(false));
        assert!(hashes.right().young.is_empty());
        assert_eq!(hashes.is_right(&verifier, "1", &password).await, Ok(true));
        let entry = hashes.right().entry(&verifier, "1", &password);
        let now = Instant::now();
        assert!(hashes.right().knows(&entry, now) && !hashes.right().knows(&entry, now + REMEMBERED));
        for (verifier, name, password) in
            [(&other, "1", &password), (&verifier, "2", &password), (&verifier, "1", &wrong)]
        {
            let entry = hashes.right().entry(verifier, name, password);
            assert!(!hashes.right().knows(&entry, now));
        }
    }

    #[test]
    fn a_bounded_number_is_known() {
        let mut right =
            Right { key: Hmac::new(&[0_u8; 64].into()), young: HashMap::new(), old: HashMap::new() };
        let now = Instant::now();
        for n in 0..3 * KNOWN {
            let entry = right.entry("verifier", &n.to_string(), &Secret::received(String::new().into()));
            right.learn(entry, now);
        }
        assert!(right.young.len() <= KNOWN && right.old.len() <= KNOWN);
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_when_too_many_wait_is_asked_to_try_again_and_keeps_nobody_waiting() {
        let hashes = Hashes::new();
        let turns = hashes.turns.clone().acquire_many_owned(u32::try_from(at_once()).unwrap()).await.unwrap();
        let password = Secret::generate("");
        let waiting: Vec<_> = (0..at_once() + WAITING).map(|_| hashes.make(&password)).collect();
        let all = futures_of(waiting, async {
            assert_eq!(hashes.make(&password).await.err(), Some(Busy));
        });
        assert_eq!(all.await, at_once() + WAITING);
        drop(turns);
        assert!(hashes.make(&password).await.is_ok());
    }

    /// Polls all of them and then `last`; how many of them were busy.
    async fn futures_of<T>(
        waiting: Vec<impl Future<Output = Result<T, Busy>>>,
        last: impl Future<Output = ()>,
    ) -> usize {
        let mut waiting: Vec<_> = waiting.into_iter().map(Box::pin).collect();
        let mut last = Some(Box::pin(last));
        let (mut busy, mut left) = (0, waiting.len());
        std::future::poll_fn(move |context| {
            waiting.retain_mut(|one| match one.as_mut().poll(context) {
                std::task::Poll::Ready(done) => {
                    busy += usize::from(done.is_err());
                    left -= 1;
                    false
                }
                std::task::Poll::Pending => true,
            });
            if let Some(one) = last.as_mut()
                && one.as_mut().poll(context).is_ready()
            {
                last = None;
            }
            if left == 0 && last.is_none() { std::task::Poll::Ready(busy) } else { std::task::Poll::Pending }
        })
        .await
    }
}
