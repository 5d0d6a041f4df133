//! A world of one seed: destinations that change their minds, stores of all sizes, processes that die; and virtual time.
//!
//! Rules: everything that happens is an event in a heap, ordered by time and number, so a seed has one history. The first
//! destination is always well: what is sent there measures whether anybody starves.

use super::company::{Seen, is_apart};
use super::nature::{Event, Manner, Node, Random, lot_of};
use super::siege::{SILENT, is_besieged};
use super::spool::{Delivery, Spool, State};
use crate::mail::Timestamp;
use crate::schedule::{
    BackOff, Blocked, Board, Bounds, Class, Deadlines, Groups, Look, Rate, Rest, Shape, Told,
};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::time::Duration;

pub const LEASE: Duration = Duration::from_secs(60);
pub const PROLONG: Duration = Duration::from_secs(15);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
/// How often who takes nothing but probes looks.
const SUSPECTS: Duration = Duration::from_secs(5);

/// What is measured.
#[derive(Default)]
pub struct Measured {
    /// The longest wait of a single mail to the destination that is always well, while a process was up.
    pub longest_wait: Duration,
    pub most_at_once: usize,
    pub attempts_while_dead: u64,
    pub deaths: u64,
    /// Refusals of us: the mail waited.
    pub spared: u64,
    /// Deliveries that were left to other processes.
    pub left: u64,
    /// Attempts that ended at a process that did not trust its way out.
    pub suspicions: u64,
}

pub struct World {
    pub random: Random,
    pub now: Timestamp,
    pub spool: Spool,
    pub measured: Measured,
    pub bounds: Bounds,
    pub rules: Deadlines,
    pub back_off: BackOff,
    pub nodes: Vec<Node>,
    pub manners: HashMap<i64, Vec<(Timestamp, Manner)>>,
    events: BinaryHeap<Reverse<(Timestamp, u64, Event)>>,
    number: u64,
    /// Times at which no process was up.
    pub dark: Vec<(Timestamp, Timestamp)>,
    dark_since: Option<Timestamp>,
    shaped: bool,
    /// Whether most destinations are silent, and have mail that wants all places.
    pub is_besieged: bool,
    /// Whether processes have ways out of their own, which break.
    pub is_apart: bool,
    /// When a process died last.
    pub last_death: Option<Timestamp>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let (is_besieged, concurrency) = (is_besieged(seed), 20 + usize::try_from(random.below(80)).unwrap());
        let rest = Rest { first: Duration::from_secs(60), max: HOUR };
        let (concurrency, per_destination) =
            if is_besieged { (200, 20) } else { (concurrency, concurrency / 5) };
        let bounds = Bounds { concurrency, per_destination, messages_per_connection: 100, rest };
        let expire = HOUR * u32::try_from(2 + random.below(46)).unwrap();
        let rules =
            Deadlines { expire, delay_notice: expire.min(HOUR * 4), up_since: Timestamp::from_millis(0) };
        let back_off = BackOff { first: Duration::from_secs(60), factor: 2.0, max: HOUR * 4, expire };
        let shaped = random.below(3) == 0;
        let routes = 2 + i64::try_from(random.below(8)).unwrap();
        let start = Timestamp::from_millis(1_000_000_000);
        let mut world = Self {
            now: start,
            spool: Spool::default(),
            measured: Measured::default(),
            bounds,
            rules,
            back_off,
            nodes: Vec::new(),
            manners: HashMap::new(),
            events: BinaryHeap::new(),
            number: 0,
            dark: Vec::new(),
            dark_since: Some(start),
            shaped,
            is_besieged,
            is_apart: is_apart(seed),
            last_death: None,
            random,
        };
        for route in 0..routes {
            let lot = lot_of(&mut world.random, route, start);
            world.manners.insert(route, lot);
        }
        for node in 0..=usize::try_from(world.random.below(6)).unwrap() {
            let cuts = if world.is_apart { Seen::cuts(&mut world.random, start) } else { Vec::new() };
            let board = world.board();
            let it = Node {
                board,
                life: None,
                lives: 0,
                running: HashMap::new(),
                sending: HashMap::new(),
                aside: HashSet::new(),
                looks_at: None,
                keeps_at: None,
                prolongs: false,
                seen: Seen::new(cuts),
            };
            world.nodes.push(it);
            world.at(start, Event::Start { node });
            for _ in 0..world.random.below(4) {
                let crash = start.after(world.random.millis(1000, 10 * 3_600_000));
                let back = crash.after(world.random.millis(100, 2 * 3_600_000));
                world.at(crash, Event::Crash { node });
                world.at(back, Event::Start { node });
            }
        }
        // One large store, some small ones.
        let stores = 2 + i64::try_from(world.random.below(8)).unwrap();
        for _ in 0..1 + world.random.below(3) {
            let (count, at) = (10 + world.random.below(150), world.some_time());
            let class = if world.random.below(2) == 0 { Class::Bulk } else { Class::Order };
            world.at(at, Event::Accept { store: 0, count, class, to: None });
        }
        for store in 1..stores {
            for _ in 0..1 + world.random.below(3) {
                let at = world.some_time();
                let class = if world.random.below(5) == 0 { Class::Notice } else { Class::Order };
                world.at(at, Event::Accept { store, count: 1, class, to: None });
            }
        }
        // A sale: one store fills the destination that is well, and right after it another one writes there.
        if world.random.below(25) == 0 {
            let at = start.after(SECOND);
            let to = Some(0);
            world.at(at, Event::Accept { store: 0, count: 4000, class: Class::Order, to });
            world.at(at.after(SECOND), Event::Accept { store: 1, count: 1, class: Class::Order, to });
        }
        if is_besieged {
            world.besiege(start);
        }
        world
    }

    fn some_time(&mut self) -> Timestamp {
        let longest = if self.random.below(2) == 0 { 10_000 } else { 8 * 3_600_000 };
        self.now.after(self.random.millis(0, longest))
    }

    fn board(&mut self) -> Board {
        let rate = Some(Rate { messages: 5, per: SECOND });
        let shape = Shape { connections: 2, messages_per_connection: 20, rate };
        let groups = if self.shaped { HashMap::from([(1, 0)]) } else { HashMap::new() };
        Board::new(self.bounds, Groups::new(groups, None), vec![shape])
    }

    pub fn manner(&self, route: i64, at: Timestamp) -> Manner {
        self.manners[&route].iter().rev().find(|(from, _)| *from <= at).map_or(Manner::Takes, |(_, m)| *m)
    }

    pub fn at(&mut self, at: Timestamp, event: Event) {
        self.number += 1;
        self.events.push(Reverse((at, self.number, event)));
    }

    pub fn look_at(&mut self, node: usize, at: Timestamp) {
        if self.nodes[node].looks_at.is_none_or(|planned| at < planned) {
            self.nodes[node].looks_at = Some(at);
            self.at(at, Event::Look { node });
        }
    }

    pub fn keep_at(&mut self, node: usize, at: Timestamp) {
        if self.nodes[node].keeps_at.is_none_or(|planned| at < planned) {
            self.nodes[node].keeps_at = Some(at);
            self.at(at, Event::House { node });
        }
    }

    /// Runs until nothing is left to happen.
    pub fn run(&mut self) {
        let mut steps = 0_u64;
        while let Some(Reverse((at, _, event))) = self.events.pop() {
            assert!(at >= self.now);
            self.now = at;
            self.step(event);
            steps += 1;
            // Each process may look twice a second for two days.
            assert!(steps < 500_000 * (4 + self.nodes.len() as u64), "it does not come to an end");
        }
        if let Some(since) = self.dark_since {
            self.dark.push((since, self.now));
        }
    }

    fn step(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Accept { store, count, class, to } => {
                let silent = if self.is_besieged { SILENT } else { 0 };
                let routes = u64::try_from(self.manners.len()).unwrap() - u64::try_from(silent).unwrap();
                for i in 0..count {
                    let any = i64::try_from(self.random.below(routes)).unwrap();
                    let well = store > 0 && i == 0 && self.random.below(2) == 0;
                    let route = to.unwrap_or(if well { 0 } else { any });
                    self.spool.accept(Delivery {
                        class,
                        store,
                        route,
                        state: State::Waiting,
                        accepted: now,
                        expires_at: now.after(self.rules.expire),
                        ended: None,
                        first_attempt: None,
                        attempts: 0,
                        lease: 0,
                        next_at: now,
                        look_at: self.rules.first(now),
                        told: false,
                        doubtful: 0,
                        tried: 0,
                        taken: 0,
                    });
                }
                for node in 0..self.nodes.len() {
                    self.look_at(node, now);
                    self.keep_at(node, now);
                }
            }
            Event::Start { node } => {
                if self.nodes[node].life.is_some() {
                    return;
                }
                if let Some(since) = self.dark_since.take() {
                    self.dark.push((since, now));
                }
                let board = self.board();
                let it = &mut self.nodes[node];
                it.lives += 1;
                (it.board, it.life) = (board, Some(it.lives));
                (it.seen.started, it.seen.died) = (Some(now), None);
                self.look_at(node, now);
                self.keep_at(node, now);
                self.nodes[node].prolongs = false;
            }
            Event::Crash { node } => {
                let it = &mut self.nodes[node];
                if it.life.take().is_some() {
                    (it.seen.started, it.seen.died, self.last_death) = (None, Some(now), Some(now));
                }
                it.sending.clear();
                it.aside.clear();
                for (id, _) in it.running.drain() {
                    // The dot may have been on the wire.
                    let delivery = &mut self.spool.deliveries[id];
                    if self.random.below(2) == 0 && delivery.state == State::Waiting {
                        delivery.taken += 1;
                    }
                }
                if self.nodes.iter().all(|it| it.life.is_none()) {
                    self.dark_since.get_or_insert(now);
                }
            }
            Event::Look { node } => {
                if self.nodes[node].looks_at.take_if(|at| *at <= now).is_some() {
                    self.look(node);
                }
            }
            Event::House { node } => {
                if self.nodes[node].keeps_at.take_if(|at| *at <= now).is_some() {
                    self.house(node);
                }
            }
            Event::Lasts { node, life, delivery, lease } => {
                let it = &mut self.nodes[node];
                if it.life == Some(life) && it.running.get(&delivery) == Some(&lease) && it.board.step_aside()
                {
                    it.aside.insert(delivery);
                    self.look_at(node, now);
                }
            }
            Event::End { node, life, delivery, lease, begun } => {
                self.end(node, life, (delivery, lease), now.since(begun));
            }
            Event::Prolong { node, life } => {
                if self.nodes[node].life != Some(life) {
                    return;
                }
                let running: Vec<_> = self.nodes[node].running.iter().map(|(id, l)| (*id, *l)).collect();
                for (id, lease) in running {
                    self.spool.extend(id, lease, now.after(LEASE));
                }
                let is_busy = !self.nodes[node].running.is_empty();
                self.nodes[node].prolongs = is_busy;
                if is_busy {
                    self.at(now.after(PROLONG), Event::Prolong { node, life });
                }
            }
        }
    }

    fn look(&mut self, node: usize) {
        let Some(life) = self.nodes[node].life else { return };
        let now = self.now;
        self.hear(node);
        loop {
            let it = &mut self.nodes[node];
            let classes = Class::in_turn(it.board.next_turn());
            let rooms = it.board.rooms(now, usize::MAX);
            let limit = rooms.limit();
            if limit == 0 {
                // Nothing may be sending whose end would make it look.
                let suspects = it.board.suspects_itself();
                if let Some(due) = self.spool.due().filter(|_| suspects) {
                    self.look_at(node, due.max(now.after(SUSPECTS)));
                }
                return;
            }
            let (leased, more) = self.spool.claim(now, now.after(LEASE), rooms, classes);
            let again = more || leased.len() == limit;
            for (id, lease) in leased {
                self.begin(node, life, id, lease);
            }
            if !again {
                break;
            }
        }
        // The next look is twice a second in truth; here, when something may be due.
        if let Some(due) = self.spool.due() {
            let half = Duration::from_millis(500);
            let wait = if self.shaped { half } else { LEASE };
            let next = if due <= now { now.after(wait) } else { due.max(now.after(half)) };
            self.look_at(node, next);
        }
    }

    fn house(&mut self, node: usize) {
        if self.nodes[node].life.is_none() {
            return;
        }
        self.hear(node);
        let now = self.now;
        for id in self.spool.looks(now) {
            if self.spool.is_leased(id, now) {
                self.spool.look_again(id, now.after(Duration::from_secs(300)));
                continue;
            }
            let delivery = &self.spool.deliveries[id];
            let told = if delivery.told { Told::Yes } else { Told::No };
            let is_blocked = self.nodes[node].board.is_blocked(delivery.route, now);
            let blocked = if is_blocked { Blocked::Yes } else { Blocked::No };
            match self.rules.look(delivery.accepted, delivery.expires_at, told, blocked, now) {
                Look::Late(at) => {
                    assert!(!delivery.told, "told twice");
                    self.spool.deliveries[id].told = true;
                    self.spool.look_again(id, at);
                }
                Look::Again(at) => self.spool.look_again(id, at),
                Look::Expired => self.spool.end(id, State::Failed, now),
            }
        }
        if let Some(next) = self.spool.next_look() {
            self.keep_at(node, next.max(now.after(SECOND * 5)));
        }
    }

    /// How long a destination was dead, in all.
    pub fn time_dead(&self) -> Duration {
        let mut dead = Duration::ZERO;
        for lot in self.manners.values() {
            for (place, (from, manner)) in lot.iter().enumerate() {
                if *manner == Manner::Dead {
                    let until = lot.get(place + 1).map_or(self.now, |(at, _)| *at);
                    dead += until.since(*from);
                }
            }
        }
        dead
    }

    pub fn lives(&self) -> u64 {
        self.nodes.iter().map(|node| node.lives).sum()
    }

    pub fn seldom(&self) -> u64 {
        u64::try_from(self.manners.len()).unwrap()
    }
}
