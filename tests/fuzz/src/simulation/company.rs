//! What processes tell each other of their ways out, and worlds in which a process's own way out breaks.
//!
//! Rules: as in `egress::company`: a word is at most a second old, who began is heard of once its beat moved, and who was killed
//! counts for [`GONE`] with what it said last. Every node looks when something happens, not each second, and hears then.

use super::nature::{Manner, Random};
use super::world::World;
use crate::mail::Timestamp;
use crate::schedule::Resting;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// Whose beat stands still for so long is absent.
pub const GONE: Duration = Duration::from_secs(20);
/// Until the second beat of a process that begins is seen by the others.
const BEGINS: Duration = Duration::from_secs(3);
/// Until a process that begins has seen a beat of each of the others move.
const HEARS: Duration = Duration::from_secs(7);
/// For so long after its way out was broken a process may leave destinations to others, or wait for attempts of that time.
const AFTER: Duration = Duration::from_secs(2 * 3600);
/// Of so many worlds one has processes whose own ways out break.
const APART: u64 = 3;

/// Whether the world of a seed is one.
pub fn is_apart(seed: u64) -> bool {
    seed % APART == 1
}

/// A process as the others see it.
#[derive(Default)]
pub struct Seen {
    pub started: Option<Timestamp>,
    pub died: Option<Timestamp>,
    said: Option<(Timestamp, Vec<u8>)>,
    /// When its way out is broken, and how that shows.
    cuts: Vec<(Timestamp, Timestamp, Manner)>,
}

impl Seen {
    pub fn new(cuts: Vec<(Timestamp, Timestamp, Manner)>) -> Self {
        Self { cuts, ..Self::default() }
    }

    /// Up to three times in ten hours, for a minute to six hours.
    pub fn cuts(random: &mut Random, start: Timestamp) -> Vec<(Timestamp, Timestamp, Manner)> {
        let cut = |random: &mut Random| {
            let from = start.after(random.millis(0, 10 * 3_600_000));
            let until = from.after(random.millis(60_000, 6 * 3_600_000));
            let manner = if random.below(2) == 0 { Manner::Dead } else { Manner::Unresolved };
            (from, until, manner)
        };
        (0..random.below(4)).map(|_| cut(random)).collect()
    }

    /// How everybody looks from here, where the way out is broken.
    pub fn cut(&self, at: Timestamp) -> Option<Manner> {
        self.cuts.iter().find(|(from, until, _)| *from <= at && at < *until).map(|(_, _, manner)| *manner)
    }

    /// Whether it was up and its way out well all the time, and for long before.
    fn is_well(&self, from: Timestamp, until: Timestamp) -> bool {
        self.started.is_some_and(|started| started.after(HEARS) <= from)
            && self.cuts.iter().all(|(cut, end, _)| until < *cut || end.after(AFTER) < from)
    }
}

impl World {
    /// What a node hears of the others.
    pub fn hear(&mut self, node: usize) {
        let now = self.now;
        let Some(started) = self.nodes[node].seen.started else { return };
        let mut said = Vec::new();
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            let it = &mut self.nodes[other];
            let is_there = match (it.seen.started, it.seen.died) {
                (Some(began), _) => {
                    if it.seen.said.as_ref().is_none_or(|(at, _)| now.since(*at) >= SECOND) {
                        it.seen.said = Some((now, it.board.resting(now).to_bytes(now)));
                    }
                    began.after(BEGINS) <= now && started.after(HEARS) <= now
                }
                (None, Some(died)) => now < died.after(GONE) && started.after(HEARS) <= died,
                (None, None) => false,
            };
            if is_there && let Some((at, bytes)) = &it.seen.said {
                said.push(Resting::from_bytes(bytes, *at));
            }
        }
        self.nodes[node].board.hear(said);
    }

    /// How often the way out of a process breaks, in all.
    pub fn cuts(&self) -> u64 {
        self.nodes.iter().map(|node| node.seen.cuts.len() as u64).sum()
    }

    /// Whether some process could send all the time.
    pub fn is_well(&self, from: Timestamp, until: Timestamp) -> bool {
        self.nodes.iter().any(|node| node.seen.is_well(from, until))
    }

    /// How a destination looks to a node.
    pub fn seen_manner(&self, node: usize, route: i64, at: Timestamp) -> Manner {
        self.nodes[node].seen.cut(at).unwrap_or_else(|| self.manner(route, at))
    }

    /// Until when the one that died last may count as there.
    pub fn ghosts_until(&self) -> Timestamp {
        self.last_death.map_or(Timestamp::from_millis(0), |died| died.after(GONE))
    }
}
