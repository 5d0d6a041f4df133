//! Memory for messages that are being sent: a bound on all together, whatever their number.
//!
//! Rules: a message is held twice while it is sent, opened and signed, and once more while it is opened. Small ones cost
//! nothing here: as many as there are attempts are bounded by their number. The others wait in the order in which they came, [`WAITING`]
//! of them and for a minute at most; beyond that they are put off. One that is larger than everything waits until it is alone.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Copies of a message while it is being sent.
const COPIES: usize = 3;
/// Octets up to which a message is free of charge.
const SMALL: usize = 64 * 1024;
/// How long a message waits for its part, and how many wait.
const PATIENCE: Duration = Duration::from_secs(60);
const WAITING: usize = 32;
/// Octets that one permit stands for.
const UNIT: usize = 1024;

/// The bound.
pub(super) struct Memory {
    permits: Arc<Semaphore>,
    waiting: Semaphore,
    all: u32,
}

/// A message's part, if it needs one; given back when dropped.
pub(super) type Share = Option<OwnedSemaphorePermit>;

/// There is no part for a message now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken;

impl Memory {
    /// So many octets for all messages.
    pub fn new(octets: u64) -> Self {
        let all = u32::try_from(octets / UNIT as u64).unwrap_or(u32::MAX).clamp(1, 1 << 28);
        Self { permits: Arc::new(Semaphore::new(all as usize)), waiting: Semaphore::new(WAITING), all }
    }

    /// Whether a message of so many octets waits for nothing.
    pub fn is_free_of_charge(octets: usize) -> bool {
        octets <= SMALL
    }

    /// Waits for a message's part.
    ///
    /// # Errors
    /// [`Taken`] when too many wait already, or it did not come in time.
    pub async fn take(&self, octets: usize) -> Result<Share, Taken> {
        if Self::is_free_of_charge(octets) {
            return Ok(None);
        }
        let units = u32::try_from(octets.saturating_mul(COPIES) / UNIT).unwrap_or(u32::MAX).min(self.all);
        let _turn = self.waiting.try_acquire().map_err(|_| Taken)?;
        let share = timeout(PATIENCE, self.permits.clone().acquire_many_owned(units)).await;
        // Never closed.
        share.map(Result::ok).map_err(|_| Taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn large_messages_wait_for_each_other_and_small_ones_for_nobody() {
        let memory = Memory::new(30 * 1024 * 1024);
        let megabytes = |count: usize| count * 1024 * 1024;
        let first = memory.take(megabytes(5)).await.unwrap();
        let second = memory.take(megabytes(5)).await.unwrap();
        assert!(first.is_some() && second.is_some());
        assert!(memory.take(megabytes(1)).await.is_err(), "there is room for two");
        assert!(memory.take(SMALL).await.unwrap().is_none());
        drop(first);
        let third = memory.take(megabytes(1)).await.unwrap();
        assert!(memory.take(megabytes(500)).await.is_err());
        drop((second, third));
        let alone = memory.take(megabytes(500)).await.unwrap();
        assert!(alone.is_some(), "one that is larger than everything is sent alone");
        let waiting: Vec<_> = (0..WAITING + 1).map(|_| memory.take(megabytes(1))).collect();
        let mut waiting = futures_util::future::join_all(waiting);
        let none = std::future::poll_fn(|context| {
            let polled = std::pin::Pin::new(&mut waiting).poll(context).is_ready();
            std::task::Poll::Ready(polled)
        });
        assert!(!none.await, "all but one wait");
        drop(alone);
        let got = waiting.await.into_iter().filter(Result::is_ok).count();
        assert_eq!(got, 10, "of those that waited as many as fit, and no more");
    }
}
