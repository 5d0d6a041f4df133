//! Work that keeps a processor busy for long: searching a large message. It is done in turns, at most one a processor,
//! and off the runtime's own workers, so that sessions, leases and other mail do not stand still meanwhile, and the
//! memory that it takes has a bound.

use super::Relay;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;

/// Octets from which on a message is large: some milliseconds of work.
const LARGE: usize = 64 * 1024;

/// The turns of a process.
pub(super) fn turns() -> Semaphore {
    Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from))
}

impl Relay {
    /// Does work on a message of so many octets.
    pub(super) async fn in_turn<T>(&self, octets: usize, work: impl FnOnce() -> T) -> T {
        if octets < LARGE {
            return work();
        }
        let _turn = self.inner.turns.acquire().await;
        match Handle::current().runtime_flavor() {
            RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
            _ => work(),
        }
    }
}
