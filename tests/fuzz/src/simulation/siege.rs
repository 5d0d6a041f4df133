//! Worlds in which most destinations take connections and say nothing.

use super::nature::{Event, Manner};
use super::world::World;
use crate::mail::Timestamp;
use crate::schedule::Class;
use std::time::Duration;

/// Of so many worlds one is besieged.
const BESIEGED: u64 = 40;
/// Hosts that say nothing: what is sent to them wants all places there are.
pub const SILENT: i64 = 40;
/// The route of the first of them.
const FIRST: i64 = 1000;
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Whether the world of a seed is one.
pub fn is_besieged(seed: u64) -> bool {
    seed % BESIEGED == 7
}

impl World {
    /// Again and again one store has much mail for hosts that say nothing, and others a single one for the one that is well.
    pub fn besiege(&mut self, start: Timestamp) {
        let silent = FIRST..FIRST + SILENT;
        self.manners.extend(silent.clone().map(|route| (route, vec![(start, Manner::Silent)])));
        for wave in 0..1 + self.random.below(4) {
            let at = start.after(SECOND + HOUR * u32::try_from(wave).unwrap());
            for route in silent.clone() {
                let count = 5 + self.random.below(10);
                self.at(at, Event::Accept { store: 0, count, class: Class::Order, to: Some(route) });
            }
            for store in 1..4 {
                let at = at.after(self.random.millis(0, 600_000));
                self.at(at, Event::Accept { store, count: 1, class: Class::Order, to: Some(0) });
            }
        }
    }
}
