//! Whether an attempt has written its final dot: from then on the next hop alone knows whether it has the message, and who breaks the
//! attempt off sends it twice (RFC 5321 §4.5.3.2.6).
//!
//! Rules: an attempt says so before the first octet of the dot; who breaks attempts off asks first. Whichever of the two comes first
//! counts: a dot that was marked is waited for, one of an attempt that was broken off is not sent.

use std::sync::atomic::{AtomicU8, Ordering};

const OPEN: u8 = 0;
const DOTTED: u8 = 1;
const CUT: u8 = 2;

/// The mark of one attempt. It stays once it is set.
#[derive(Debug, Default)]
pub struct Dotted(AtomicU8);

impl Dotted {
    /// The dot is about to be sent, or what came of the attempt to be written. Whether it may be: the attempt was not broken off.
    pub(super) fn set(&self) -> bool {
        self.turn(DOTTED)
    }

    /// The attempt is to be broken off. Whether it may be: its dot was not sent.
    pub(super) fn cut(&self) -> bool {
        self.turn(CUT)
    }

    fn turn(&self, to: u8) -> bool {
        match self.0.compare_exchange(OPEN, to, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => true,
            Err(was) => was == to,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whichever_comes_first_counts() {
        let (dotted, cut) = (Dotted::default(), Dotted::default());
        assert!(dotted.set() && dotted.set() && !dotted.cut());
        assert!(cut.cut() && cut.cut() && !cut.set());
    }
}
