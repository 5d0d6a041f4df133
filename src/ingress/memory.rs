//! How much memory all sessions together may hold for messages that are being received.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The process's budget, in octets.
pub(super) struct Budget {
    limit: usize,
    used: AtomicUsize,
}

impl Budget {
    pub fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit: usize::try_from(limit).unwrap_or(usize::MAX), used: AtomicUsize::new(0) })
    }
}

/// One session's share; given back when the session ends, however it ends.
pub(super) struct Share {
    budget: Arc<Budget>,
    held: usize,
}

impl Share {
    pub fn new(budget: Arc<Budget>) -> Self {
        Self { budget, held: 0 }
    }

    /// Says how much the session holds now. `false` when the process holds more than it may, and this session grew.
    pub fn hold(&mut self, octets: usize) -> bool {
        let grew = octets > self.held;
        let used = if grew {
            let more = octets - self.held;
            self.budget.used.fetch_add(more, Ordering::Relaxed) + more
        } else {
            let less = self.held - octets;
            self.budget.used.fetch_sub(less, Ordering::Relaxed) - less
        };
        self.held = octets;
        !grew || used <= self.budget.limit
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.held, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_shared_and_given_back() {
        let budget = Budget::new(100);
        let mut a = Share::new(budget.clone());
        let mut b = Share::new(budget.clone());
        assert!(a.hold(60));
        assert!(!b.hold(60));
        assert!(b.hold(30));
        drop(a);
        assert!(b.hold(100));
        drop(b);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }
}
