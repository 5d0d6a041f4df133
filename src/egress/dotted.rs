//! Whether an attempt has written its final dot: from then on the next hop alone knows whether it has the message, and who breaks the
//! attempt off sends it twice (RFC 5321 §4.5.3.2.6).

use std::sync::atomic::{AtomicBool, Ordering};

/// The mark of one attempt. It stays once it is set.
#[derive(Debug, Default)]
pub struct Dotted(AtomicBool);

impl Dotted {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the dot may have been sent.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
