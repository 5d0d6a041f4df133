//! Sites: hosts that many domains share, found out when one of them is full.
//!
//! A window is a domain's, a host's connections are everybody's: mail to forty domains at one slow host would take all places
//! of a process, most of them waiting for a connection, while other destinations starve.
//! Rules: an attempt that got no connection says at which host ([`Site`]). From then on the domains that met it there share the
//! places of one destination, for [`KNOWN`]; and the host gets nothing new from them for [`FULL`], since those that hold its
//! connections may not be known yet. Domains of one shape and those of a smarthost share places anyway and are left
//! alone. At most [`MOST`] domains are remembered, since a look into the spool names those without room; beyond that those
//! met longest ago are met anew. A time further ahead than any is was kept
//! before the clock went back, and is over.
//! When it fails: it does not; a domain that moved away shares with its old neighbours until it is forgotten.

use super::rooms::SitePlaces;
use crate::mail::Timestamp;
use std::collections::HashMap;
use std::time::Duration;

/// How long a domain counts with its site.
const KNOWN: Duration = Duration::from_secs(3600);
/// How long a full site is left alone.
const FULL: Duration = Duration::from_secs(10);
/// Domains remembered with their site.
const MOST: usize = 1024;

/// A host, by a number that says nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Site(pub u64);

/// What is known of sites.
#[derive(Debug, Default)]
pub(super) struct Sites {
    by_route: HashMap<i64, (Site, Timestamp)>,
    full: HashMap<Site, Timestamp>,
}

impl Sites {
    /// An attempt for this route found its site full.
    pub fn found_full(&mut self, route: i64, site: Site, now: Timestamp) {
        self.by_route.retain(|_, (_, until)| lasts(*until, KNOWN, now));
        self.full.retain(|_, until| lasts(*until, FULL, now));
        if self.by_route.len() >= MOST && !self.by_route.contains_key(&route) {
            // Many at once, so that not every new one looks through all of them.
            let mut ends: Vec<_> = self.by_route.iter().map(|(route, (_, until))| (*until, *route)).collect();
            ends.sort_unstable();
            for (_, route) in ends.into_iter().take(MOST / 4) {
                self.by_route.remove(&route);
            }
        }
        self.by_route.insert(route, (site, now.after(KNOWN)));
        self.full.insert(site, now.after(FULL));
    }

    /// The places at each site, `each` less those that `sending` says are in use.
    pub fn places(&self, each: usize, sending: impl Fn(i64) -> usize, now: Timestamp) -> SitePlaces {
        let mut places = SitePlaces::default();
        for (route, (site, until)) in &self.by_route {
            if lasts(*until, KNOWN, now) {
                places.count(*route, *site, each, sending(*route));
            }
        }
        for (site, until) in &self.full {
            if lasts(*until, FULL, now) {
                places.rest(*site, *until);
            }
        }
        places
    }
}

fn lasts(until: Timestamp, at_most: Duration, now: Timestamp) -> bool {
    now < until && until.since(now) <= at_most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_met_last_are_remembered_and_no_more_than_so_many() {
        let mut sites = Sites::default();
        let at = |route: i64| Timestamp::from_millis(1_000_000 + route);
        for route in 0..10_000 {
            sites.found_full(route, Site(1), at(route));
        }
        assert!(sites.by_route.len() <= MOST && sites.by_route.contains_key(&9_999));
        assert!(!sites.by_route.contains_key(&0) && sites.by_route.contains_key(&9_500));
        sites.found_full(1, Site(2), at(10_000).after(KNOWN));
        assert_eq!((sites.by_route.len(), sites.full.len()), (1, 1));
    }
}
