//! Whether it is this process's own way out that is broken, rather than all the world.
//!
//! Rules: [`DESTINATIONS`] that have nothing to do with each other and could not be reached, with no session at any
//! between them, and the process suspects itself. One session with anybody ends that. Until then one attempt at a time probes,
//! the first after [`FIRST`], each later one after twice as long, up to [`LONGEST`]. What others are there decides whether
//! that matters (`board`): who is alone tries everything as ever.
//! When it fails: it does not. A suspicion that is wrong (all that was due went to dead hosts) costs what this process would have sent
//! until its next probe, and others send that.

use super::rooms::Key;
use crate::mail::Timestamp;
use std::time::Duration;

/// Destinations that fail one after the other before a process suspects itself.
pub(super) const DESTINATIONS: usize = 4;
/// Until the first probe, and the longest time between two.
const FIRST: Duration = Duration::from_secs(15);
const LONGEST: Duration = Duration::from_secs(240);

/// What speaks against the own way out.
#[derive(Debug, Default)]
pub(super) struct Suspicion {
    /// Destinations that could not be reached since the last session with anybody.
    failed: Vec<Key>,
    probe: Option<(Timestamp, u32)>,
}

impl Suspicion {
    /// There was a session.
    pub fn ends(&mut self) {
        *self = Self::default();
    }

    /// A destination could not be reached.
    pub fn grows(&mut self, key: Key, now: Timestamp) {
        match &mut self.probe {
            // What was under way before says nothing new.
            Some((at, failures)) if is_over(*at, now) => {
                *failures = failures.saturating_add(1);
                *at = now.after(FIRST.saturating_mul(1 << (*failures).min(8)).min(LONGEST));
            }
            Some(_) => {}
            None => {
                if !self.failed.contains(&key) {
                    self.failed.push(key);
                }
                if self.failed.len() >= DESTINATIONS {
                    self.probe = Some((now.after(FIRST), 0));
                }
            }
        }
    }

    pub fn is_there(&self) -> bool {
        self.probe.is_some()
    }

    /// Whether a probe is due.
    pub fn may_probe(&self, now: Timestamp) -> bool {
        self.probe.is_none_or(|(at, _)| is_over(at, now))
    }
}

/// Also where it is further off than any is: the clock went back.
fn is_over(at: Timestamp, now: Timestamp) -> bool {
    now >= at || at.since(now) > LONGEST
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    #[test]
    fn one_destination_however_often_it_fails_is_no_reason_and_several_are() {
        let mut suspicion = Suspicion::default();
        (0..100).for_each(|_| suspicion.grows(Key::Route(1), NOW));
        (2..4).for_each(|route| suspicion.grows(Key::Route(route), NOW));
        assert!(!suspicion.is_there() && suspicion.may_probe(NOW));
        suspicion.grows(Key::Smarthost, NOW);
        assert!(suspicion.is_there() && !suspicion.may_probe(NOW));
        suspicion.ends();
        assert!(!suspicion.is_there());
    }

    #[test]
    fn a_session_between_them_begins_the_count_anew() {
        let mut suspicion = Suspicion::default();
        for route in 0..100 {
            suspicion.grows(Key::Route(route), NOW);
            if route % 3 == 2 {
                suspicion.ends();
            }
        }
        assert!(!suspicion.is_there());
    }

    #[test]
    fn probes_become_rarer_and_never_cease() {
        let mut suspicion = Suspicion::default();
        (0..4).for_each(|route| suspicion.grows(Key::Route(route), NOW));
        let mut now = NOW;
        for _ in 0..50 {
            suspicion.grows(Key::Route(9), now);
            assert!(!suspicion.may_probe(now));
            now = now.after(LONGEST);
            assert!(suspicion.may_probe(now));
            suspicion.grows(Key::Route(9), now);
        }
        assert!(suspicion.may_probe(NOW), "the clock went back");
    }
}
