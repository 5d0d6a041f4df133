//! What processes on one spool tell each other of their ways out: for which destinations each of them rests.
//!
//! A rest is of one process: its network, its address, its link may be what is broken. What it would put off in the
//! spool is put off for everybody, so it may be only where everybody who is there rests too.
//! Rules: who suspects itself counts as absent; so does one of whom nothing is heard any more. At most [`TOLD`] routes
//! are told, those that rest longest; for one that is not told its process counts as able, so its lane stays in sight.
//! When it fails: what does not read as a word of ours is of a version that knows nothing of this, and rests for nothing.

use super::rooms::{Groups, Key, Left};
use crate::mail::Timestamp;
use std::collections::HashMap;
use std::time::Duration;

/// Most routes that a process tells.
const TOLD: usize = 16 * 1024;
/// The form of the word.
const FORM: u8 = 1;

/// For what a process rests, as it says itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resting {
    /// It does not trust its own way out, and leases nothing but probes.
    pub suspects_itself: bool,
    pub(super) routes: HashMap<i64, Timestamp>,
    /// Until when its smarthost rests, and the routes that do not go there.
    pub(super) smarthost: Option<(Timestamp, Vec<i64>)>,
}

impl Resting {
    /// Adds a destination that rests until then.
    pub(super) fn add(&mut self, key: Key, groups: &Groups, until: Timestamp) {
        match groups.routes(key) {
            Left::Only(routes) => self.routes.extend(routes.into_iter().map(|route| (route, until))),
            Left::Out(own) => self.smarthost = Some((until, own)),
        }
    }

    /// Until when it rests for a route; `None` where it can send.
    fn of_route(&self, route: i64, now: Timestamp) -> Option<Timestamp> {
        let own = self.routes.get(&route).copied();
        let common = match &self.smarthost {
            Some((until, but)) if route >= 0 && !but.contains(&route) => Some(*until),
            _ => None,
        };
        own.max(common).filter(|until| *until > now)
    }

    /// The same for all routes of a destination of ours.
    fn of_key(&self, key: Key, groups: &Groups, now: Timestamp) -> Option<Timestamp> {
        match groups.routes(key) {
            Left::Only(routes) => {
                let mut all = routes.into_iter().map(|route| self.of_route(route, now));
                all.try_fold(Timestamp::from_millis(i64::MAX), |first, until| Some(first.min(until?)))
            }
            Left::Out(_) => self.smarthost.as_ref().map(|(until, _)| *until).filter(|until| *until > now),
        }
    }

    /// As it is kept: how long each rest lasts from now, since the clocks of two machines differ.
    #[must_use]
    pub fn to_bytes(&self, now: Timestamp) -> Vec<u8> {
        let left = |until: Timestamp| i64::try_from(until.since(now).as_millis()).unwrap_or(i64::MAX);
        let mut bytes = vec![FORM, u8::from(self.suspects_itself)];
        let mut add = |number: i64| bytes.extend_from_slice(&number.to_be_bytes());
        let (until, but) = match &self.smarthost {
            Some((until, but)) => (left(*until), &but[..]),
            None => (0, &[][..]),
        };
        add(until);
        add(i64::try_from(but.len()).unwrap_or(0));
        but.iter().for_each(|route| add(*route));
        let mut routes: Vec<_> = self.routes.iter().map(|(route, until)| (left(*until), *route)).collect();
        routes.sort_unstable_by(|one, other| other.cmp(one));
        for (until, route) in routes.into_iter().take(TOLD) {
            add(route);
            add(until);
        }
        bytes
    }

    /// Whether the process that said this does not trust its own way out, by the beginning of its word.
    #[must_use]
    pub fn says_doubt(beginning: &[u8]) -> bool {
        matches!(beginning, [FORM, suspects, ..] if *suspects != 0)
    }

    /// What was kept a moment ago; nothing where it is of another form.
    #[must_use]
    pub fn from_bytes(bytes: &[u8], now: Timestamp) -> Self {
        Self::read(bytes, now).unwrap_or_default()
    }

    fn read(bytes: &[u8], now: Timestamp) -> Option<Self> {
        let until = |left: i64| now.after(Duration::from_millis(u64::try_from(left).unwrap_or(0)));
        let (form, rest) = bytes.split_first()?;
        let (suspects, rest) = rest.split_first()?;
        let mut numbers =
            rest.chunks_exact(8).map_while(|octets| Some(i64::from_be_bytes(octets.try_into().ok()?)));
        let (smart, count) = (numbers.next()?, usize::try_from(numbers.next()?).ok()?);
        let but: Vec<i64> = numbers.by_ref().take(count).collect();
        if *form != FORM || but.len() != count {
            return None;
        }
        let mut routes = HashMap::new();
        while let (Some(route), Some(left)) = (numbers.next(), numbers.next()) {
            routes.insert(route, until(left));
        }
        let smarthost = (smart != 0).then(|| (until(smart), but));
        Some(Self { suspects_itself: *suspects != 0, routes, smarthost })
    }
}

/// The other processes that are there and trust themselves.
#[derive(Debug, Default)]
pub(super) struct Others(Vec<Resting>);

impl Others {
    pub fn new(said: Vec<Resting>) -> Self {
        Self(said.into_iter().filter(|one| !one.suspects_itself).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Until when all of them rest for a destination; `None` where one of them can send. Nobody there: for ever.
    pub fn rest(&self, key: Key, groups: &Groups, now: Timestamp) -> Option<Timestamp> {
        let mut all = self.0.iter().map(|one| one.of_key(key, groups, now));
        all.try_fold(Timestamp::from_millis(i64::MAX), |first, until| Some(first.min(until?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);
    const LATER: Timestamp = Timestamp::from_millis(2_000);

    #[test]
    fn what_a_process_says_reads_as_it_was_said_and_another_form_says_nothing() {
        let groups = Groups::new(HashMap::new(), Some(vec![7, 8]));
        let mut said = Resting { suspects_itself: true, ..Resting::default() };
        said.add(Key::Smarthost, &groups, LATER);
        said.add(Key::Route(7), &groups, NOW);
        let bytes = said.to_bytes(NOW);
        assert_eq!(Resting::from_bytes(&bytes, NOW), said);
        assert!(Resting::says_doubt(&bytes) && Resting::says_doubt(&bytes[..2]));
        assert!(!Resting::says_doubt(&Resting::default().to_bytes(NOW)) && !Resting::says_doubt(&[9, 1]));
        for wrong in [&bytes[..9], &[][..], &[9; 64]] {
            assert_eq!(Resting::from_bytes(wrong, NOW), Resting::default());
        }
        // On a machine whose clock is an hour behind.
        let behind = Timestamp::from_millis(NOW.as_millis() - 3_600_000);
        let heard = Resting::from_bytes(&bytes, behind);
        assert_eq!(heard.smarthost.map(|(until, _)| until), Some(behind.after(LATER.since(NOW))));
        (0..100_000).for_each(|route| said.add(Key::Route(route), &Groups::default(), LATER));
        assert!(said.to_bytes(NOW).len() < 270_000);
    }

    #[test]
    fn all_rest_only_where_each_of_them_does() {
        let plain = Groups::default();
        let mut one = Resting::default();
        one.add(Key::Route(1), &plain, LATER);
        let mut smart = Resting::default();
        smart.add(
            Key::Smarthost,
            &Groups::new(HashMap::new(), Some(vec![2])),
            LATER.after(Duration::from_secs(1)),
        );
        let others = Others::new(vec![one.clone(), smart.clone()]);
        assert_eq!(others.rest(Key::Route(1), &plain, NOW), Some(LATER));
        assert_eq!(others.rest(Key::Route(2), &plain, NOW), None, "of its own at the second");
        assert_eq!(others.rest(Key::Route(3), &plain, NOW), None, "the first can send there");
        assert_eq!(others.rest(Key::Route(1), &plain, LATER), None, "it is about to probe");
        let alone = Others::new(vec![Resting { suspects_itself: true, ..Resting::default() }]);
        assert!(alone.is_empty() && alone.rest(Key::Route(1), &plain, NOW) > Some(LATER));
    }
}
