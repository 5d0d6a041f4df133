//! How much room each destination has at one moment: what a look into the spool may take, and what it passes by.
//!
//! Rules: domains of one receiver share a key, and so a window and a rate; where a smarthost takes all mail that no route
//! names, all those share one. A route below zero was chosen by the operator for single mails, and shares nothing. A key
//! that nothing is known of has the room of a new window.

use super::site::Site;
use crate::mail::Timestamp;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Which destinations are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The keyed index of a domain.
    Route(i64),
    /// A shape, by its place in the configuration.
    Shape(usize),
    /// The next hop of everything that has no other.
    Smarthost,
}

/// Which routes share a key.
#[derive(Debug, Default)]
pub struct Groups {
    shaped: HashMap<i64, usize>,
    smarthost: Smarthost,
}

#[derive(Debug, Default)]
enum Smarthost {
    #[default]
    None,
    /// All but these, which have routes of their own.
    AllBut(Vec<i64>),
}

impl Groups {
    /// Routes with the number of their shape; with a smarthost, the routes that do not go there.
    #[must_use]
    pub fn new(shaped: HashMap<i64, usize>, smarthost_for_all_but: Option<Vec<i64>>) -> Self {
        let smarthost = smarthost_for_all_but.map_or(Smarthost::None, Smarthost::AllBut);
        Self { shaped, smarthost }
    }

    /// The key of a route.
    #[must_use]
    pub fn key(&self, route: i64) -> Key {
        match (&self.smarthost, self.shaped.get(&route)) {
            _ if route < 0 => Key::Route(route),
            (Smarthost::AllBut(own), _) if !own.contains(&route) => Key::Smarthost,
            (_, Some(shape)) => Key::Shape(*shape),
            _ => Key::Route(route),
        }
    }

    /// The routes of a key.
    pub(super) fn routes(&self, key: Key) -> Left {
        match (key, &self.smarthost) {
            (Key::Route(route), _) => Left::Only(vec![route]),
            (Key::Shape(shape), _) => {
                let own = self.shaped.iter().filter(|(route, s)| **s == shape && self.key(**route) == key);
                Left::Only(own.map(|(route, _)| *route).collect())
            }
            (Key::Smarthost, Smarthost::AllBut(own)) => Left::Out(own.clone()),
            (Key::Smarthost, Smarthost::None) => Left::Only(Vec::new()),
        }
    }
}

/// The routes that are left out, or the only ones that are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    Out(Vec<i64>),
    Only(Vec<i64>),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Room {
    For(usize),
    /// Nothing before then.
    Rests(Timestamp),
}

/// The places that routes share at the hosts where they meet.
#[derive(Debug, Clone, Default)]
pub(super) struct SitePlaces {
    of: HashMap<i64, Site>,
    free: HashMap<Site, usize>,
    resting: HashMap<Site, Timestamp>,
}

impl SitePlaces {
    /// Counts a route of a site that has `each` places, `used` of them taken by this route.
    pub fn count(&mut self, route: i64, site: Site, each: usize, used: usize) {
        self.of.insert(route, site);
        let free = self.free.entry(site).or_insert(each);
        *free = free.saturating_sub(used);
    }

    /// Nothing for this site before then.
    pub fn rest(&mut self, site: Site, until: Timestamp) {
        self.resting.insert(site, until);
    }

    fn free(&self, route: i64) -> Option<usize> {
        self.free.get(self.of.get(&route)?).copied()
    }

    fn rests_until(&self, route: i64) -> Option<Timestamp> {
        self.resting.get(self.of.get(&route)?).copied()
    }

    fn take(&mut self, route: i64, count: usize) {
        if let Some(free) = self.of.get(&route).and_then(|site| self.free.get_mut(site)) {
            *free = free.saturating_sub(count);
        }
    }

    /// The routes whose site is full. Resting ones are not among them.
    fn full(&self) -> impl Iterator<Item = i64> {
        self.of
            .iter()
            .filter(|(_, site)| self.free.get(site) == Some(&0) && !self.resting.contains_key(site))
            .map(|(route, _)| *route)
    }
}

/// The room at one moment. Whoever takes some counts it here.
#[derive(Debug, Clone)]
pub struct Rooms {
    groups: Arc<Groups>,
    known: HashMap<Key, Room>,
    /// Routes that rest whatever their key does, and until when.
    resting: HashMap<i64, Timestamp>,
    sites: SitePlaces,
    fresh: usize,
    limit: usize,
}

impl Rooms {
    pub(super) fn new(groups: Arc<Groups>, known: HashMap<Key, Room>, fresh: usize, limit: usize) -> Self {
        Self { groups, known, resting: HashMap::new(), sites: SitePlaces::default(), fresh, limit }
    }

    /// The same without these routes until then.
    pub(super) fn without(mut self, routes: &HashSet<i64>, until: Timestamp) -> Self {
        self.resting = routes.iter().map(|route| (*route, until)).collect();
        self
    }

    /// The same with the places that routes share.
    pub(super) fn sharing(self, sites: SitePlaces) -> Self {
        Self { sites, ..self }
    }

    /// Room for `limit` deliveries in all and `each` for a destination, except for the `full` ones. For those who take
    /// from the spool without a scheduler.
    #[must_use]
    pub fn plain(limit: usize, each: usize, full: &[i64]) -> Self {
        let known = full.iter().map(|route| (Key::Route(*route), Room::For(0))).collect();
        Self::new(Arc::default(), known, each, limit)
    }

    /// In all.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// For one route.
    #[must_use]
    pub fn of(&self, route: i64) -> usize {
        if self.resting.contains_key(&route) || self.sites.rests_until(route).is_some() {
            return 0;
        }
        let limit = self.limit.min(self.sites.free(route).unwrap_or(self.limit));
        match self.known.get(&self.groups.key(route)) {
            Some(Room::For(count)) => (*count).min(limit),
            Some(Room::Rests(_)) => 0,
            None => self.fresh.min(limit),
        }
    }

    /// Until when a route's destination is to be left alone.
    #[must_use]
    pub fn rests_until(&self, route: i64) -> Option<Timestamp> {
        let rests = match self.known.get(&self.groups.key(route)) {
            Some(Room::Rests(until)) => Some(*until),
            _ => None,
        };
        self.resting.get(&route).copied().max(rests).max(self.sites.rests_until(route))
    }

    /// Counts what was taken for a route.
    pub fn take(&mut self, route: i64, count: usize) {
        self.limit = self.limit.saturating_sub(count);
        self.sites.take(route, count);
        if let Room::For(left) = self.known.entry(self.groups.key(route)).or_insert(Room::For(self.fresh)) {
            *left = left.saturating_sub(count);
        }
    }

    /// Which routes have no room. Resting ones are not among them: whoever meets one puts it off.
    #[must_use]
    pub fn left(&self) -> Left {
        let full = self.known.iter().filter(|(_, room)| matches!(room, Room::For(0))).map(|(key, _)| *key);
        let mut out: Vec<i64> = self.sites.full().collect();
        for key in full {
            match self.groups.routes(key) {
                Left::Only(routes) => out.extend(routes),
                Left::Out(own) => {
                    return Left::Only(own.into_iter().filter(|route| self.of(*route) > 0).collect());
                }
            }
        }
        out.sort_unstable();
        out.dedup();
        Left::Out(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_of_one_receiver_share_its_room() {
        let groups = Arc::new(Groups::new(HashMap::from([(1, 0), (2, 0)]), None));
        let mut rooms = Rooms::new(groups, HashMap::new(), 5, 100);
        rooms.take(1, 3);
        assert_eq!((rooms.of(2), rooms.of(3), rooms.limit()), (2, 5, 97));
        rooms.take(2, 2);
        assert_eq!(rooms.left(), Left::Out(vec![1, 2]));
    }

    #[test]
    fn a_full_receiver_keeps_no_mail_from_a_smarthost() {
        // Of its two domains one goes by the smarthost.
        let groups = Arc::new(Groups::new(HashMap::from([(1, 0), (2, 0)]), Some(vec![1])));
        let known = HashMap::from([(Key::Shape(0), Room::For(0))]);
        let rooms = Rooms::new(groups.clone(), known, 5, 100);
        assert_eq!(rooms.left(), Left::Out(vec![1]));
        assert_eq!(groups.routes(groups.key(2)), Left::Out(vec![1]));
    }

    #[test]
    fn a_full_smarthost_leaves_only_the_routes_that_do_not_go_there() {
        let groups = Arc::new(Groups::new(HashMap::new(), Some(vec![7, 8])));
        let known = HashMap::from([(Key::Smarthost, Room::For(0)), (Key::Route(8), Room::For(0))]);
        let rooms = Rooms::new(groups, known, 5, 100);
        assert_eq!(rooms.left(), Left::Only(vec![7]));
        assert_eq!((rooms.of(1), rooms.of(7)), (0, 5));
    }
}
