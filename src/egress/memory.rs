//! Memory for messages that are being sent: a bound on all together, whatever their number.
//!
//! Rules: a message is held twice while it is sent, opened and signed, and once more while it is opened. Small ones cost
//! nothing here: as many as there are attempts are bounded by their number. The others wait in the order in which they came; one that is
//! larger than everything waits until it is alone.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Copies of a message while it is being sent.
const COPIES: usize = 3;
/// Octets up to which a message is free of charge.
const SMALL: usize = 64 * 1024;
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

    /// Whether a message of so many octets waits for nothing.
    pub fn is_free_of_charge(&self, octets: usize) -> bool {
        octets <= SMALL
    }

    /// Waits for a message's part; it is given back when that is dropped.
    pub async fn take(&self, octets: usize) -> Option<OwnedSemaphorePermit> {
        if self.is_free_of_charge(octets) {
            return None;
        }
        let units = u32::try_from(octets.saturating_mul(COPIES) / UNIT).unwrap_or(u32::MAX).min(self.all);
        // Never closed.
        self.permits.clone().acquire_many_owned(units).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn large_messages_wait_for_each_other_and_small_ones_for_nobody() {
        let memory = Memory::new(30 * 1024 * 1024);
        let megabytes = |count: usize| count * 1024 * 1024;
        let soon = Duration::from_secs(1);
        let first = memory.take(megabytes(5)).await;
        let second = memory.take(megabytes(5)).await;
        assert!(first.is_some() && second.is_some());
        assert!(timeout(soon, memory.take(megabytes(1))).await.is_err(), "there is room for two");
        assert!(timeout(soon, memory.take(SMALL)).await.unwrap().is_none());
        drop(first);
        let third = timeout(soon, memory.take(megabytes(1))).await.unwrap();
        assert!(timeout(soon, memory.take(megabytes(500))).await.is_err());
        drop((second, third));
        let alone = timeout(soon, memory.take(megabytes(500))).await.unwrap();
        assert!(alone.is_some(), "one that is larger than everything is sent alone");
    }
}
