//! Memory for messages that are being sent: a bound on all together, whatever their number.
//!
//! Rules: a message is held twice while it is sent, opened and signed, and once more while it is opened. Small ones cost
//! nothing here: as many as there are attempts are bounded by their number. The others wait a while in the order in which they came, and
//! are put off then, so that they keep no place from other mail; one that is larger than everything waits until it is alone.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

/// Copies of a message while it is being sent.
const COPIES: usize = 3;
/// Octets up to which a message is free of charge.
const SMALL: usize = 64 * 1024;
/// How long a message waits for its part.
const PATIENCE: Duration = Duration::from_secs(5);
/// Octets that one permit stands for.
const UNIT: usize = 1024;

/// The bound.
pub(super) struct Memory {
    permits: Arc<Semaphore>,
    all: u32,
}

impl Memory {
    /// So many octets for all messages.
    pub fn new(octets: u64) -> Self {
        let all = u32::try_from(octets / UNIT as u64).unwrap_or(u32::MAX).clamp(1, 1 << 28);
        Self { permits: Arc::new(Semaphore::new(all as usize)), all }
    }

    /// Waits for a message's part, [`PATIENCE`] at most; it is given back when that is dropped.
    ///
    /// # Errors
    /// There is none.
    pub async fn take(&self, octets: usize) -> Result<Option<OwnedSemaphorePermit>, Elapsed> {
        if octets <= SMALL {
            return Ok(None);
        }
        let units = u32::try_from(octets.saturating_mul(COPIES) / UNIT).unwrap_or(u32::MAX).min(self.all);
        // Never closed.
        timeout(PATIENCE, self.permits.clone().acquire_many_owned(units)).await.map(Result::ok)
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
    }
}
