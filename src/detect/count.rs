//! How often a value came within a time.
//!
//! Rules: bounded by [`VALUES_MAX`]: where more values came, those that were seen least lately are forgotten, so that somebody who has
//! many is counted too little, and nobody too much. Of each value as many times are kept as the rule asks for.

use std::collections::{HashMap, VecDeque};

/// Most values that are counted at a time.
const VALUES_MAX: usize = 100_000;

/// What was counted for one rule.
pub struct Counting {
    at_least: usize,
    within_ms: i64,
    seen: HashMap<i64, VecDeque<i64>>,
}

impl Counting {
    /// Nothing yet.
    #[must_use]
    pub fn new(of: super::Threshold) -> Self {
        let within_ms = i64::try_from(of.within.as_millis()).unwrap_or(i64::MAX);
        Self { at_least: usize::try_from(of.at_least).unwrap_or(usize::MAX), within_ms, seen: HashMap::new() }
    }

    /// Counts a value at a time, in milliseconds; times go forward. Whether it has come often enough.
    pub fn comes(&mut self, value: i64, at: i64) -> bool {
        if self.seen.len() >= VALUES_MAX && !self.seen.contains_key(&value) {
            self.forget(at);
        }
        let times = self.seen.entry(value).or_default();
        times.push_back(at);
        while times.len() > self.at_least || times.front().is_some_and(|first| at - first > self.within_ms) {
            times.pop_front();
        }
        times.len() >= self.at_least
    }

    /// Makes room: what is over goes, and if that is not enough whatever was not seen in the younger half of the time.
    fn forget(&mut self, at: i64) {
        let mut age = self.within_ms;
        while self.seen.len() >= VALUES_MAX && age > 0 {
            self.seen.retain(|_, times| times.back().is_some_and(|last| at - last <= age));
            age /= 2;
        }
        if self.seen.len() >= VALUES_MAX {
            self.seen.clear();
        }
    }
}
