//! How much memory all sessions together may hold for messages that are being received.
//!
//! Rules: the last quarter is for mail of orders: from stores that logged in, and to the alias of a live
//! order. So inquiries and strangers are deferred first, and a flood of them never defers an order's mail. One
//! message of the largest size fits for everybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The process's budget, in octets.
pub(super) struct Budget {
    limit: usize,
    /// How far strangers get.
    limit_of_strangers: usize,
    used: AtomicUsize,
}

/// Whose message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// A store's, or the customer's of an order.
    Known,
    /// Anybody's.
    Stranger,
}

impl Budget {
    /// Of `limit` octets, for messages of at most `largest`.
    pub fn new(limit: u64, largest: u64) -> Arc<Self> {
        let octets = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        // A buffer that grows doubles: it may hold twice what it has received.
        let strangers = (limit - limit / 4).max(largest.saturating_mul(2)).min(limit);
        Arc::new(Self {
            limit: octets(limit),
            limit_of_strangers: octets(strangers),
            used: AtomicUsize::new(0),
        })
    }
}

/// One session's share; given back when the session ends, however it ends.
pub(super) struct Share {
    budget: Arc<Budget>,
    held: usize,
    class: Class,
}

impl Share {
    pub fn new(budget: Arc<Budget>) -> Self {
        Self { budget, held: 0, class: Class::Stranger }
    }

    /// Says whose the message is that comes next.
    pub fn is_for(&mut self, class: Class) {
        self.class = class;
    }

    /// Whether the message is anybody's.
    pub fn is_strangers(&self) -> bool {
        self.class == Class::Stranger
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
        let limit = match self.class {
            Class::Known => self.budget.limit,
            Class::Stranger => self.budget.limit_of_strangers,
        };
        !grew || used <= limit
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
        let budget = Budget::new(100, 1);
        let mut a = Share::new(budget.clone());
        let mut b = Share::new(budget.clone());
        a.is_for(Class::Known);
        b.is_for(Class::Known);
        assert!(a.hold(60));
        assert!(!b.hold(60));
        assert!(b.hold(30));
        drop(a);
        assert!(b.hold(100));
        drop(b);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn strangers_leave_the_last_quarter_to_the_mail_of_orders() {
        let budget = Budget::new(100, 10);
        let mut stranger = Share::new(budget.clone());
        let mut store = Share::new(budget.clone());
        store.is_for(Class::Known);
        assert!(stranger.hold(75));
        assert!(!Share::new(budget.clone()).hold(1));
        assert!(store.hold(24));
        assert!(!store.hold(26));
    }

    #[test]
    fn a_strangers_largest_message_fits_however_small_the_budget_is() {
        let budget = Budget::new(100, 50);
        assert!(Share::new(budget).hold(100));
    }
}
