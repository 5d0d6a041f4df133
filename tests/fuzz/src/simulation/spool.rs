//! The spool as a model: what `src/store/lanes.rs` and `queue.rs` do in SQL, done with maps.
//!
//! Rules: as there, step by step: turns by the longest wait, lanes of a turn likewise, what was served goes to the end, a
//! lane of a resting destination is put off, and a leased delivery counts with its lease's end.

use crate::mail::Timestamp;
use crate::schedule::{Class, Left, Rooms};
use std::collections::{BTreeMap, BTreeSet};

const TURNS: usize = 32;
const LANES: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Waiting,
    Delivered,
    Failed,
}

#[derive(Debug)]
pub struct Delivery {
    pub class: Class,
    pub store: i64,
    pub route: i64,
    pub state: State,
    pub accepted: Timestamp,
    pub expires_at: Timestamp,
    pub ended: Option<Timestamp>,
    pub first_attempt: Option<Timestamp>,
    pub attempts: u32,
    pub lease: u64,
    pub next_at: Timestamp,
    pub look_at: Timestamp,
    pub told: bool,
    /// Attempts of which nobody knows the end.
    pub doubtful: usize,
    /// Attempts, those of which nothing is counted too.
    pub tried: usize,
    /// How often the destination took it.
    pub taken: usize,
}

type Lane = (i64, i64, i64);

#[derive(Default)]
pub struct Spool {
    pub deliveries: Vec<Delivery>,
    /// Of each lane its waiting deliveries by `next_at`.
    waiting: BTreeMap<Lane, BTreeSet<(Timestamp, usize)>>,
    lanes: BTreeMap<Lane, Timestamp>,
    turns: BTreeMap<(i64, i64), Timestamp>,
    looks: BTreeSet<(Timestamp, usize)>,
    leases: u64,
}

impl Spool {
    pub fn accept(&mut self, delivery: Delivery) {
        let id = self.deliveries.len();
        let (lane, at) = (lane(&delivery), delivery.next_at);
        self.waiting.entry(lane).or_default().insert((at, id));
        self.looks.insert((delivery.look_at, id));
        self.deliveries.push(delivery);
        self.touch(lane, at);
    }

    fn touch(&mut self, lane: Lane, due: Timestamp) {
        for at in [self.turns.entry((lane.0, lane.1)).or_insert(due), self.lanes.entry(lane).or_insert(due)] {
            *at = due.min(*at);
        }
    }

    /// When something may be due next.
    pub fn due(&self) -> Option<Timestamp> {
        self.turns.values().min().copied()
    }

    pub fn next_look(&self) -> Option<Timestamp> {
        self.looks.first().map(|(at, _)| *at)
    }

    /// The deliveries to be looked at by now.
    pub fn looks(&self, now: Timestamp) -> Vec<usize> {
        self.looks.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id).collect()
    }

    pub fn look_again(&mut self, id: usize, at: Timestamp) {
        let delivery = &mut self.deliveries[id];
        self.looks.remove(&(delivery.look_at, id));
        delivery.look_at = at;
        self.looks.insert((at, id));
    }

    /// Whether an attempt may be under way.
    pub fn is_leased(&self, id: usize, now: Timestamp) -> bool {
        let delivery = &self.deliveries[id];
        delivery.lease != 0 && delivery.next_at > now
    }

    fn set_next(&mut self, id: usize, at: Timestamp) {
        let delivery = &mut self.deliveries[id];
        let set = self.waiting.entry(lane(delivery)).or_default();
        set.remove(&(delivery.next_at, id));
        set.insert((at, id));
        delivery.next_at = at;
    }

    /// Makes a running lease longer; one that was lost stays lost.
    pub fn extend(&mut self, id: usize, lease: u64, until: Timestamp) {
        let delivery = &self.deliveries[id];
        if delivery.lease == lease && delivery.state == State::Waiting {
            self.set_next(id, until);
        }
    }

    /// Deliveries that are leased by this, with their lease.
    pub fn claim(
        &mut self,
        now: Timestamp,
        until: Timestamp,
        mut rooms: Rooms,
        classes: [Class; 3],
    ) -> (Vec<(usize, u64)>, bool) {
        self.leases += 1;
        let (lease, mut leased, mut more) = (self.leases, Vec::new(), false);
        for class in classes.map(Class::number) {
            if rooms.limit() == 0 {
                break;
            }
            let left = rooms.left();
            let mut turns: Vec<_> = self
                .turns
                .iter()
                .filter(|((of, store), due)| {
                    *of == class && **due <= now && self.due_lanes(class, *store, now, &left).next().is_some()
                })
                .map(|((_, store), due)| (*due, *store))
                .collect();
            turns.sort_unstable();
            turns.truncate(TURNS);
            more |= turns.len() == TURNS;
            for (served, (_, store)) in turns.iter().enumerate() {
                let share = rooms.limit().div_ceil(turns.len() - served);
                if share == 0 {
                    break;
                }
                more |= self.turn(class, *store, share, now, until, lease, &mut rooms, &mut leased);
            }
        }
        (leased.into_iter().map(|id| (id, lease)).collect(), more)
    }

    fn due_lanes<'a>(
        &'a self,
        class: i64,
        store: i64,
        now: Timestamp,
        left: &'a Left,
    ) -> impl Iterator<Item = (Timestamp, i64)> + 'a {
        let range = (class, store, i64::MIN)..=(class, store, i64::MAX);
        let fits = |route: &i64| match left {
            Left::Out(routes) => !routes.contains(route),
            Left::Only(routes) => routes.contains(route),
        };
        let lanes = self.lanes.range(range).filter(move |(lane, due)| **due <= now && fits(&lane.2));
        lanes.map(|(lane, due)| (*due, lane.2))
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one look")]
    fn turn(
        &mut self,
        class: i64,
        store: i64,
        mut share: usize,
        now: Timestamp,
        until: Timestamp,
        lease: u64,
        rooms: &mut Rooms,
        leased: &mut Vec<usize>,
    ) -> bool {
        let mut lanes: Vec<_> = self.due_lanes(class, store, now, &rooms.left()).collect();
        lanes.sort_unstable();
        lanes.truncate(LANES);
        let before = leased.len();
        for (_, route) in &lanes {
            let lane = (class, store, *route);
            if let Some(until) = rooms.rests_until(*route) {
                self.lanes.insert(lane, until);
                continue;
            }
            let count = rooms.of(*route).min(share);
            if count == 0 {
                continue;
            }
            let due = self.waiting.get(&lane).into_iter().flatten();
            let taken: Vec<usize> =
                due.take_while(|(at, _)| *at <= now).take(count).map(|(_, id)| *id).collect();
            for id in &taken {
                let delivery = &mut self.deliveries[*id];
                delivery.attempts += 1;
                delivery.doubtful += usize::from(delivery.lease != 0);
                delivery.lease = lease;
                delivery.first_attempt.get_or_insert(now);
                self.set_next(*id, until);
            }
            match self.waiting.get(&lane).and_then(BTreeSet::first) {
                Some((at, _)) => self.lanes.insert(lane, (*at).max(now)),
                None => self.lanes.remove(&lane),
            };
            share -= taken.len();
            rooms.take(*route, taken.len());
            leased.extend(taken);
        }
        let range = (class, store, i64::MIN)..=(class, store, i64::MAX);
        match self.lanes.range(range).map(|(_, due)| *due).min() {
            Some(due) if due <= now && leased.len() == before => {}
            Some(due) => {
                self.turns.insert((class, store), due.max(now));
            }
            None => {
                self.turns.remove(&(class, store));
            }
        }
        lanes.len() == LANES || share == 0
    }

    /// Writes a result. `false`: the lease was lost.
    pub fn settle(&mut self, id: usize, lease: u64, next: Result<State, Timestamp>, now: Timestamp) -> bool {
        if self.deliveries[id].lease != lease || self.deliveries[id].state != State::Waiting {
            return false;
        }
        match next {
            Ok(state) => self.end(id, state, now),
            Err(at) => {
                self.set_next(id, at);
                self.deliveries[id].lease = 0;
                self.touch(lane(&self.deliveries[id]), at);
            }
        }
        true
    }

    pub fn end(&mut self, id: usize, state: State, now: Timestamp) {
        let delivery = &mut self.deliveries[id];
        if let Some(set) = self.waiting.get_mut(&lane(delivery)) {
            set.remove(&(delivery.next_at, id));
        }
        self.looks.remove(&(delivery.look_at, id));
        (delivery.state, delivery.lease, delivery.ended) = (state, 0, Some(now));
    }

    /// Makes what rests for these routes due.
    pub fn wake(&mut self, routes: &Left, now: Timestamp) {
        let is_meant = |route: i64| match routes {
            Left::Only(routes) => routes.contains(&route),
            Left::Out(own) => route >= 0 && !own.contains(&route),
        };
        let resting: Vec<Lane> = self
            .lanes
            .iter()
            .filter(|(lane, due)| is_meant(lane.2) && **due > now)
            .map(|(lane, _)| *lane)
            .collect();
        resting.into_iter().for_each(|lane| self.touch(lane, now));
    }
}

fn lane(delivery: &Delivery) -> Lane {
    (delivery.class.number(), delivery.store, delivery.route)
}
