//! What is remembered of whom, in a bounded table: for each subject and measure the time until which it has paid.
//!
//! Rules: a subject is kept as a 64-bit hash under a key of the process, so the table holds no address and nobody can
//! aim at another's entry. Entries live in two generations: what is written moves to the younger one; when that is
//! full the older is dropped, less what still owes time, as long as that is not more than half of the room. So the table
//! has at most twice its room of entries (32 octets each), whatever comes, and who owes most is forgotten last.
//! When it fails: with more owing subjects than room some are forgotten early; their networks are not.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};

/// The paid-until times of many subjects.
pub(crate) struct Table {
    room: usize,
    seed: RandomState,
    young: HashMap<u64, u64>,
    old: HashMap<u64, u64>,
}

impl Table {
    /// A table of at most `room` entries a generation.
    pub fn new(room: usize) -> Self {
        Self { room: room.max(2), seed: RandomState::new(), young: HashMap::new(), old: HashMap::new() }
    }

    /// The key of a subject, of one process only.
    pub fn key(&self, subject: impl Hash) -> u64 {
        self.seed.hash_one(subject)
    }

    /// Until when this subject has paid; 0 when nothing is known.
    pub fn paid_until(&self, key: u64) -> u64 {
        self.young.get(&key).or_else(|| self.old.get(&key)).copied().unwrap_or(0)
    }

    /// Remembers it.
    pub fn set(&mut self, key: u64, paid_until: u64, now: u64) {
        if self.young.len() >= self.room && !self.young.contains_key(&key) {
            self.turn(now);
        }
        self.young.insert(key, paid_until);
    }

    /// How many entries there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    fn turn(&mut self, now: u64) {
        let mut young = std::mem::take(&mut self.young);
        young.retain(|_, paid_until| *paid_until > now);
        let mut owing: Vec<(u64, u64)> =
            std::mem::take(&mut self.old).into_iter().filter(|(_, paid_until)| *paid_until > now).collect();
        let kept = self.room / 2;
        if owing.len() > kept {
            owing.select_nth_unstable_by_key(kept, |(_, paid_until)| std::cmp::Reverse(*paid_until));
            owing.truncate(kept);
        }
        self.young = owing.into_iter().filter(|(key, _)| !young.contains_key(key)).collect();
        self.old = young;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_subjects_take_no_more_room_than_is_there() {
        let mut table = Table::new(1000);
        for subject in 0..1_000_000_u32 {
            let key = table.key(subject);
            table.set(key, 10 + u64::from(subject), 5);
            assert!(table.len() <= 2000);
        }
    }

    #[test]
    fn who_owes_most_is_remembered_through_a_flood_of_others() {
        let mut table = Table::new(1000);
        let guilty = table.key("guilty");
        table.set(guilty, 1_000_000, 0);
        for subject in 0..100_000_u32 {
            let key = table.key(subject);
            table.set(key, 100, 50);
        }
        assert_eq!(table.paid_until(guilty), 1_000_000);
    }

    #[test]
    fn what_owes_nothing_any_more_goes_first() {
        let mut table = Table::new(10);
        for subject in 0..10_u32 {
            let key = table.key(subject);
            table.set(key, 100, 0);
        }
        let late = table.key("late");
        table.set(late, 300, 200);
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn the_newest_time_of_a_subject_counts() {
        let mut table = Table::new(4);
        let key = table.key("one");
        table.set(key, 10, 0);
        for subject in 0..3_u32 {
            let other = table.key(subject);
            table.set(other, 50, 0);
        }
        table.set(key, 20, 0);
        let other = table.key("another");
        table.set(other, 50, 0);
        table.set(key, 30, 0);
        assert_eq!(table.paid_until(key), 30);
    }
}
