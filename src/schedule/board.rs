//! The board: what one process knows of the destinations it sends to, and what may be leased next.
//!
//! Rules: no more than `concurrency` attempts in all, beside those that last long and wait aside ([`ASIDE`]); for one destination no more than its window, which is never wider
//! than `per_destination` or its shape; for all domains that met at a full host together no more than `per_destination`
//! ([`Site`]). A destination that the operator paused rests like a dead one, and is not
//! probed. What rests for this process alone is left to the others (`others`): it is passed by and not put off, and what it could not
//! reach is given back to them; who suspects itself (`suspicion`) takes nothing but probes while others are there. What is not in use, not dead and has refused nobody of late is forgotten, so that memory follows what is under way, not what there is; of
//! dead destinations those whose rest ends first are forgotten beyond [`DEAD`]: they are met anew.

use super::others::{Others, Resting};
use super::refusals::{Rows, Standing};
use super::rooms::{Groups, Key, Left, Room, Rooms};
use super::shape::{Meter, Shape};
use super::site::{Site, Sites};
use super::suspicion::Suspicion;
use super::window::{INITIAL, Rest, Window};
use crate::mail::{Domain, Timestamp};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Destinations that are remembered before those not in use are forgotten.
const REMEMBERED: usize = 1024;
/// Destinations, dead ones among them, that are remembered at most, but for those in use.
const DEAD: usize = 16 * REMEMBERED;
/// Attempts that may wait aside, in parts of `concurrency`: they keep their place at their destination, and none from others.
/// So hosts that take connections and say nothing, however many, are in nobody's way until they hold as many.
const ASIDE: usize = 2;

/// Attempts that may be under way at once, those that wait aside among them.
#[must_use]
pub fn at_once(concurrency: usize) -> usize {
    (1 + ASIDE).saturating_mul(concurrency)
}

/// How long a paused destination's lanes are put off at a time. Resuming makes them due at once.
const PAUSED: Duration = Duration::from_secs(300);

/// Deliveries of which it is remembered that they were left to others, at most twice so many.
const LEFT_ONES: usize = 32 * REMEMBERED;
/// How long a destination that could not be reached is left to others that can.
const LEFT: Duration = Duration::from_secs(60);
/// Routes that a look into the spool passes by for others' sake, by name. Beyond that they are put off for [`BRIEFLY`].
const NAMED: usize = 256;
const BRIEFLY: Duration = Duration::from_secs(3);

/// How much there may be at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub concurrency: usize,
    pub per_destination: usize,
    pub messages_per_connection: u32,
    pub rest: Rest,
}

/// What an attempt said of its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It answered about the message, whatever the answer.
    Answered,
    /// It asked for less: a 421, or a session that timed out.
    Slowed,
    /// There was no session with it.
    Unreached,
    /// Nothing of the destination: the resolver did not answer, which may be of our way to it.
    Unresolved,
    /// Nothing: the fault was ours.
    Ours,
    /// Nothing: all our connections to its host are in use.
    Crowded(Site),
}

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    Nothing,
    /// It is dead from now on.
    Died,
    /// It is back: what waits for it can go at once.
    Revived,
}

#[derive(Debug)]
struct Destination {
    window: Window,
    meter: Meter,
    sending: usize,
    refusals: Rows,
    /// When it last answered.
    answered: Option<Timestamp>,
    /// Until when it is left to others, and how long that was at its beginning.
    left_until: Option<(Timestamp, Duration)>,
}

impl Destination {
    /// Until when this process has reason not to send there, whoever else may.
    fn rests_until(&self, now: Timestamp) -> Option<Timestamp> {
        // Also where it is further off than it ever was: the clock went back.
        let left = self.left_until.filter(|(until, lasts)| *until > now && until.since(now) <= *lasts);
        self.window.rests_until(now).max(left.map(|(until, _)| until))
    }
}

/// The board.
#[derive(Debug)]
pub struct Board {
    bounds: Bounds,
    groups: Arc<Groups>,
    shapes: Vec<Shape>,
    known: HashMap<Key, Destination>,
    sites: Sites,
    /// By the domain of the recipients, whatever it shares with others.
    paused: HashSet<i64>,
    sending: usize,
    /// Those among them that wait aside.
    aside: usize,
    /// At how many known ones some are forgotten.
    forget_at: usize,
    turn: u64,
    others: Others,
    suspicion: Suspicion,
    /// Deliveries that were left to others, of late and before.
    left: [HashSet<i64>; 2],
}

impl Board {
    #[must_use]
    pub fn new(bounds: Bounds, groups: Groups, shapes: Vec<Shape>) -> Self {
        Self {
            bounds,
            groups: Arc::new(groups),
            shapes,
            known: HashMap::new(),
            sites: Sites::default(),
            paused: HashSet::new(),
            sending: 0,
            aside: 0,
            forget_at: REMEMBERED,
            turn: 0,
            others: Others::default(),
            suspicion: Suspicion::default(),
            left: [HashSet::new(), HashSet::new()],
        }
    }

    /// The most attempts at once to a key, the most messages on a connection, and the rate.
    fn shape(&self, key: Key) -> Shape {
        let plain = Shape {
            connections: self.bounds.per_destination,
            messages_per_connection: self.bounds.messages_per_connection,
            rate: None,
        };
        match key {
            Key::Shape(place) => self.shapes.get(place).copied().unwrap_or(plain),
            Key::Route(_) | Key::Smarthost => plain,
        }
    }

    /// How many messages one connection to a route's destination may carry.
    #[must_use]
    pub fn messages_per_connection(&self, route: i64) -> u32 {
        self.shape(self.groups.key(route)).messages_per_connection
    }

    /// Attempts that are sending.
    #[must_use]
    pub fn sending(&self) -> usize {
        self.sending
    }

    /// What may be leased now, at most `most`.
    #[must_use]
    pub fn rooms(&self, now: Timestamp, most: usize) -> Rooms {
        let mut known: HashMap<Key, Room> = HashMap::with_capacity(self.known.len());
        let mut named = 0;
        // The more there are, the more seldom each is written down anew.
        let resting = self.known.values().filter(|one| one.rests_until(now).is_some()).count();
        let parts = u32::try_from(1 + resting / NAMED).unwrap_or(u32::MAX);
        let briefly = BRIEFLY.saturating_mul(parts).min(LEFT);
        for (key, destination) in &self.known {
            let shape = self.shape(*key);
            let places = || {
                let places = destination.window.size(now).min(shape.connections);
                let places = places.saturating_sub(destination.sending);
                shape.rate.map_or(places, |rate| places.min(destination.meter.room(rate, now)))
            };
            let all_rest = || self.others.rest(*key, &self.groups, now);
            let room = match (destination.rests_until(now), destination.window.rests_until(now)) {
                (None, _) => Room::For(places()),
                (Some(_), own) => match (all_rest(), own) {
                    (Some(theirs), Some(own)) => Room::Rests(own.min(theirs)),
                    // It was left to others, and they can't either.
                    (Some(_), None) => Room::For(places()),
                    (None, _) if named < NAMED => {
                        named += 1;
                        Room::For(0)
                    }
                    (None, _) => Room::Rests(now.after(briefly)),
                },
            };
            known.insert(*key, room);
        }
        for (place, shape) in self.shapes.iter().enumerate() {
            known.entry(Key::Shape(place)).or_insert(Room::For(INITIAL.min(shape.connections)));
        }
        let limit = match self.suspects_itself() {
            true => usize::from(self.sending == 0 && self.suspicion.may_probe(now)),
            false => (self.bounds.concurrency + self.aside).saturating_sub(self.sending),
        };
        let limit = limit.min(most);
        let sending = |route| self.known.get(&Key::Route(route)).map_or(0, |destination| destination.sending);
        let sites = self.sites.places(self.bounds.per_destination, sending, now);
        Rooms::new(self.groups.clone(), known, INITIAL.min(self.bounds.per_destination), limit)
            .sharing(sites)
            .without(&self.paused, now.after(PAUSED))
    }

    /// Counts a look; its number chooses the order of the classes.
    pub fn next_turn(&mut self) -> u64 {
        self.turn = self.turn.wrapping_add(1);
        self.turn
    }

    /// Counts an attempt that begins.
    pub fn began(&mut self, route: i64, now: Timestamp) {
        let key = self.groups.key(route);
        let shape = self.shape(key);
        if self.known.len() >= self.forget_at && !self.known.contains_key(&key) {
            self.forget(now);
        }
        let destination = self.known.entry(key).or_insert_with(|| Destination {
            window: Window::new(shape.connections),
            meter: Meter::default(),
            sending: 0,
            refusals: Rows::default(),
            answered: None,
            left_until: None,
        });
        destination.sending += 1;
        self.sending += 1;
        if let Some(rate) = shape.rate {
            destination.meter.count(rate, now);
        }
    }

    /// An attempt has lasted for long: others may take its place among all, if not too many wait already. Whether it is so;
    /// then [`Self::come_back`] goes before its end.
    pub fn step_aside(&mut self) -> bool {
        let may = self.aside < ASIDE * self.bounds.concurrency;
        self.aside += usize::from(may);
        may
    }

    /// One that waited aside is about to end.
    pub fn come_back(&mut self) {
        self.aside = self.aside.saturating_sub(1);
    }

    /// Makes room for destinations that come.
    fn forget(&mut self, now: Timestamp) {
        self.known.retain(|_, d| {
            d.sending > 0
                || d.window.is_dead()
                || d.left_until.is_some_and(|(until, _)| until > now)
                || d.refusals.go_on(now)
        });
        if self.known.len() >= DEAD {
            let idle = self.known.iter().filter(|(_, d)| d.sending == 0);
            let mut ends: Vec<_> = idle.map(|(key, d)| (d.rests_until(now).unwrap_or(now), *key)).collect();
            ends.sort_unstable();
            // Many at once, so that not every new one looks through all of them.
            for (_, key) in ends.into_iter().take(DEAD / 4) {
                self.known.remove(&key);
            }
        }
        // The next look through them is due when as many more have come.
        self.forget_at = (self.known.len() + REMEMBERED).clamp(REMEMBERED, DEAD);
    }

    /// Counts an attempt that ended.
    pub fn ended(&mut self, route: i64, effect: Effect, now: Timestamp, random: u64) -> Word {
        let key = self.groups.key(route);
        let (limit, rest) = (self.shape(key).connections, self.bounds.rest);
        self.sending = self.sending.saturating_sub(1);
        // What none of the others reaches either says nothing of this process.
        let all_rest = self.others.rest(key, &self.groups, now).is_some();
        let Some(destination) = self.known.get_mut(&key) else { return Word::Nothing };
        let busy = destination.sending;
        destination.sending = busy.saturating_sub(1);
        match effect {
            Effect::Answered | Effect::Slowed => {
                (destination.answered, destination.left_until) = (Some(now), None);
                self.suspicion.ends();
            }
            Effect::Unreached | Effect::Unresolved if self.suspicion.is_there() || !all_rest => {
                self.suspicion.grows(key, now);
            }
            Effect::Unreached | Effect::Unresolved => {}
            Effect::Ours | Effect::Crowded(_) => {}
        }
        let window = &mut destination.window;
        match effect {
            Effect::Ours | Effect::Unresolved => Word::Nothing,
            Effect::Crowded(site) => {
                if key == Key::Route(route) {
                    self.sites.found_full(route, site, now);
                }
                Word::Nothing
            }
            Effect::Answered if window.answered(busy, limit) => Word::Revived,
            Effect::Answered => Word::Nothing,
            Effect::Slowed if window.slowed(rest, now, random) => Word::Died,
            Effect::Unreached if window.unreached(rest, now, random) => Word::Died,
            Effect::Slowed | Effect::Unreached => Word::Nothing,
        }
    }

    /// Takes what the other processes say that are there.
    pub fn hear(&mut self, others: Vec<Resting>) {
        self.others = Others::new(others);
    }

    /// What the others are to hear of this one.
    #[must_use]
    pub fn resting(&self, now: Timestamp) -> Resting {
        let mut resting = Resting { suspects_itself: self.suspicion.is_there(), ..Resting::default() };
        for (key, destination) in &self.known {
            if let Some(until) = destination.rests_until(now) {
                resting.add(*key, &self.groups, until);
            }
        }
        resting
    }

    /// Whether this process does not trust its own way out, and others are there that trust theirs.
    #[must_use]
    pub fn suspects_itself(&self) -> bool {
        self.suspicion.is_there() && !self.others.is_empty()
    }

    /// Whether this process has reason not to trust its own way out, whoever else is there.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.suspicion.is_there()
    }

    /// Leaves a destination that could not be reached in `took` to others that may reach it, for so long that they can find out too.
    /// Whether there are such. One that answered a moment ago is no reason: it is busy. A delivery is left once: what comes back, however
    /// many processes there are, counts as tried, or it would go round among them and never end.
    pub fn leave(&mut self, (delivery, route): (i64, i64), now: Timestamp, took: Duration) -> bool {
        let key = self.groups.key(route);
        if self.others.rest(key, &self.groups, now).is_some() {
            return false;
        }
        let Some(destination) = self.known.get_mut(&key) else { return false };
        let answered = destination.answered.is_some_and(|at| at <= now && now.since(at) < LEFT);
        if self.left.iter().any(|left| left.contains(&delivery)) {
            return false;
        }
        if !answered {
            if self.left[0].len() >= LEFT_ONES {
                self.left[1] = std::mem::take(&mut self.left[0]);
            }
            self.left[0].insert(delivery);
            let lasts = LEFT.max(took.saturating_mul(2));
            destination.left_until = Some((now.after(lasts), lasts));
        }
        !answered
    }

    /// Sets which routes the operator paused. Returns the routes that are no longer.
    pub fn pause(&mut self, routes: &[i64]) -> Vec<i64> {
        let paused: HashSet<i64> = routes.iter().copied().collect();
        let resumed = self.paused.difference(&paused).copied().collect();
        self.paused = paused;
        resumed
    }

    /// Ends the rest of a route's destination, or of every one: the next attempt there is a probe. Whether any rested.
    pub fn end_rests(&mut self, route: Option<i64>, now: Timestamp) -> bool {
        let end = |destination: &mut Destination| {
            destination.left_until = None;
            destination.window.end_rest(now)
        };
        match route.map(|route| self.groups.key(route)) {
            Some(key) => self.known.get_mut(&key).is_some_and(end),
            None => self.known.values_mut().map(end).fold(false, |any, it| any | it),
        }
    }

    /// The routes of a route's key: what waits for them goes when one of them is back. Those left out are the ones that do not
    /// go by the smarthost; neither do those below zero.
    #[must_use]
    pub fn siblings(&self, route: i64) -> Left {
        self.groups.routes(self.groups.key(route))
    }

    /// Counts a delivery: its destination takes mail of this domain of ours.
    pub fn took(&mut self, route: i64, sender: &Domain) {
        if let Some(destination) = self.known.get_mut(&self.groups.key(route)) {
            destination.refusals.end(sender);
        }
    }

    /// Counts a refusal that may be of us, of mail from this domain of ours, met by a store's conversation. What so many of
    /// them in a row mean.
    pub fn refused(&mut self, route: i64, sender: &Domain, whose: (i64, i64), now: Timestamp) -> Standing {
        let destination = self.known.get_mut(&self.groups.key(route));
        destination.map_or(Standing::Unclear, |destination| destination.refusals.grow(sender, whose, now))
    }

    /// Whether a route's destination refuses what comes from us, whoever sends it.
    #[must_use]
    pub fn refuses_us(&self, route: i64, now: Timestamp) -> bool {
        self.known.get(&self.groups.key(route)).is_some_and(|destination| destination.refusals.is_bad(now))
    }

    /// Whether a route's destination is paused, or dead for every process that is there: what waits for it is not tried.
    #[must_use]
    pub fn is_blocked(&self, route: i64, now: Timestamp) -> bool {
        let key = self.groups.key(route);
        let is_dead = || self.known.get(&key).is_some_and(|d| d.window.is_dead());
        self.paused.contains(&route) || is_dead() && self.others.rest(key, &self.groups, now).is_some()
    }
}

#[cfg(test)]
mod tests;
