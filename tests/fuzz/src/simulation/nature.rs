//! What happens by chance: numbers of a seed, how destinations behave through time; and the things that can happen.

use super::company::Seen;
use crate::mail::{Domain, Timestamp};
use crate::schedule::{Board, Class};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood 2014).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}

/// How a destination behaves for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Takes,
    /// 450 to each recipient.
    Defers,
    /// 421 to each session.
    SendsAway,
    /// No connection, noticed after up to 30 seconds.
    Dead,
    /// Holds each session until the attempt's end.
    Tarpit,
    /// Takes connections and never greets.
    Silent,
    Refuses,
    /// The resolver does not answer, noticed after up to half an hour.
    Unresolved,
}

/// The longest attempt: 30 minutes and the answer to the dot.
const LONGEST: Duration = Duration::from_secs(40 * 60);
/// How long a greeting is waited for (RFC 5321 §4.5.3.2.1).
const GREETING: Duration = Duration::from_secs(300);
/// How long it may take to find out, over all hosts and addresses, that a destination can't be reached, in milliseconds.
const TOOK: u64 = 30 * 60_000;

impl Manner {
    /// How long an attempt lasts.
    pub fn lasts(self, random: &mut Random) -> Duration {
        match self {
            Manner::Takes | Manner::Defers | Manner::Refuses | Manner::SendsAway => random.millis(20, 500),
            Manner::Dead => random.millis(1, 30_000),
            Manner::Tarpit => LONGEST,
            Manner::Silent => GREETING,
            Manner::Unresolved => random.millis(0, TOOK),
        }
    }

    /// The same where processes have ways out of their own: one that finds nobody may take long to find out.
    pub fn lasts_apart(self, random: &mut Random) -> Duration {
        match self {
            Manner::Dead if random.below(4) == 0 => random.millis(0, TOOK),
            manner => manner.lasts(random),
        }
    }
}

/// What a destination does through time; at last every one takes mail, refuses it, or is dead for ever.
pub fn lot_of(random: &mut Random, route: i64, start: Timestamp) -> Vec<(Timestamp, Manner)> {
    let mut lot = vec![(start, Manner::Takes)];
    let mut at = start;
    for _ in 0..if route == 0 { 0 } else { random.below(6) } {
        at = at.after(random.millis(0, 6 * 3_600_000));
        let tarpits = route <= 3;
        let manner = match random.below(8) {
            0 | 1 => Manner::Takes,
            2 => Manner::Defers,
            3 => Manner::SendsAway,
            4 if tarpits => Manner::Tarpit,
            5 => Manner::Refuses,
            _ => Manner::Dead,
        };
        lot.push((at, manner));
    }
    lot
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// All to one destination, or to any.
    Accept {
        store: i64,
        count: u64,
        class: Class,
        to: Option<i64>,
    },
    Look {
        node: usize,
    },
    House {
        node: usize,
    },
    End {
        node: usize,
        life: u64,
        delivery: usize,
        lease: u64,
        begun: Timestamp,
    },
    /// An attempt has lasted for long.
    Lasts {
        node: usize,
        life: u64,
        delivery: usize,
        lease: u64,
    },
    Prolong {
        node: usize,
        life: u64,
    },
    Crash {
        node: usize,
    },
    Start {
        node: usize,
    },
}

pub struct Node {
    pub board: Board,
    /// `None`: it is down. Counts its lives, so that what an earlier one began is lost.
    pub life: Option<u64>,
    pub lives: u64,
    pub running: HashMap<usize, u64>,
    pub sending: HashMap<i64, usize>,
    /// What waits aside.
    pub aside: HashSet<usize>,
    /// When it looks into the spool next, and keeps house: one event of each at a time.
    pub looks_at: Option<Timestamp>,
    pub keeps_at: Option<Timestamp>,
    /// Whether its leases are going to be prolonged.
    pub prolongs: bool,
    pub seen: Seen,
}

/// Stores send from two domains of ours.
pub fn sender_of(store: i64) -> Domain {
    Domain::parse(if store % 2 == 0 { "pc.example" } else { "shop.example" }).unwrap()
}
