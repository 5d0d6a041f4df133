//! How many sessions there may be: in all, from one neighbour (an IPv4 address or an IPv6 /64) and from one network (a
//! /24 or a /56). A quarter of all places is kept for stores and a quarter for port 25: whoever fills one does not lock out who comes to the other.
//!
//! Rules: where no place is left, a session that has offered its own gives it to the newcomer, that first whose offer holds
//! longest; but none of the quarter that is kept for its service goes to another's. A session offers while it waits for its peer, from a time on that it names; so who has proven nothing goes first,
//! and nobody while something of his is being worked on. Who has given his place is told so and ends within seconds. Who
//! has too many places himself, or comes too often, is given none of another's.
//! When it fails: never; without an offer the newcomer is turned away.

use super::limiter::Subject;
use crate::smtp::server::Service;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The counts.
pub(super) struct Admission {
    sessions: usize,
    per_ip: usize,
    per_network: usize,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    mx: usize,
    stores: usize,
    /// At most two entries a session.
    by_subject: HashMap<Subject, usize>,
    /// One entry a session at most.
    offers: BTreeMap<Offer, Arc<Holder>>,
    sessions_so_far: u64,
}

/// From when on a place may be given away, and whose it is.
type Offer = (Instant, u64);

/// How a session hears that its place is another's.
struct Holder {
    service: Service,
    has_given: AtomicBool,
    bell: Notify,
}

/// Why a connection is one too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TooMany {
    Sessions,
    FromThisNeighbour,
}

/// Which places a newcomer may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// Any that is free or offered.
    Offered,
    /// One that is free.
    Free,
}

/// A place among the sessions, given back when dropped.
pub(super) struct Admitted {
    admission: Arc<Admission>,
    /// Whose it is.
    subjects: [Subject; 2],
    number: u64,
    holder: Arc<Holder>,
    offer: Option<Instant>,
}

impl Admission {
    pub fn new(sessions: u32, per_ip: u32, per_network: u32) -> Arc<Self> {
        Arc::new(Self {
            sessions: sessions as usize,
            per_ip: per_ip as usize,
            // Never below what one neighbour may have.
            per_network: per_network.max(per_ip) as usize,
            counts: Mutex::default(),
        })
    }

    /// A place for a connection from `ip`.
    ///
    /// # Errors
    /// The peer has too many, or there is none left for this service.
    pub fn place(self: &Arc<Self>, service: Service, ip: IpAddr, claim: Claim) -> Result<Admitted, TooMany> {
        let subjects = Subject::of_peer(ip);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        // First, so that one who is turned away costs nobody his place.
        if self.is_full(&counts, subjects) {
            return Err(TooMany::FromThisNeighbour);
        }
        let kept = self.sessions / 4;
        let other = counts.others(service);
        let free = self.sessions.saturating_sub(counts.all());
        if free <= kept.saturating_sub(other) {
            let now = Instant::now();
            // Beyond its quarter the other service has nothing kept for it.
            let may_have = |holder: &Holder| holder.is_same(service) || other > kept;
            let mut due = counts.offers.iter().take_while(|(offer, _)| offer.0 <= now);
            let offer = due.find(|(_, holder)| may_have(holder)).map(|(offer, _)| *offer);
            let offer = offer.filter(|_| claim == Claim::Offered).ok_or(TooMany::Sessions)?;
            let holder = counts.offers.remove(&offer).ok_or(TooMany::Sessions)?;
            holder.has_given.store(true, Ordering::Relaxed);
            holder.bell.notify_one();
            *counts.of(holder.service) -= 1;
        }
        *counts.of(service) += 1;
        counts.sessions_so_far += 1;
        counts.count(subjects);
        Ok(Admitted {
            admission: self.clone(),
            subjects,
            number: counts.sessions_so_far,
            holder: Arc::new(Holder { service, has_given: AtomicBool::new(false), bell: Notify::new() }),
            offer: None,
        })
    }

    fn is_full(&self, counts: &Counts, subjects: [Subject; 2]) -> bool {
        let limits = [self.per_ip, self.per_network];
        let open = |subject| counts.by_subject.get(&subject).copied().unwrap_or_default();
        subjects.into_iter().zip(limits).any(|(subject, limit)| open(subject) >= limit)
    }

    /// Whether three quarters of the places are taken, so that idle sessions are to make room.
    pub fn is_crowded(&self) -> bool {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all().saturating_mul(4) >= self.sessions.saturating_mul(3)
    }
}

impl Holder {
    fn is_same(&self, service: Service) -> bool {
        (self.service == Service::Mx) == (service == Service::Mx)
    }
}

impl Counts {
    fn all(&self) -> usize {
        self.mx + self.stores
    }

    /// Sessions of this service, of both ports of submission together.
    fn of(&mut self, service: Service) -> &mut usize {
        if service == Service::Mx { &mut self.mx } else { &mut self.stores }
    }

    fn others(&self, service: Service) -> usize {
        if service == Service::Mx { self.stores } else { self.mx }
    }

    fn count(&mut self, subjects: [Subject; 2]) {
        for subject in subjects {
            *self.by_subject.entry(subject).or_default() += 1;
        }
    }
}

impl Admitted {
    /// Whether idle sessions are to make room.
    pub fn is_crowded(&self) -> bool {
        self.admission.is_crowded()
    }

    /// Lets whoever needs it have the place from `from` on; `None` takes the offer back.
    pub fn offer(&mut self, from: Option<Instant>) {
        if self.offer == from {
            return;
        }
        let mut counts = self.admission.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = self.offer.take() {
            counts.offers.remove(&(before, self.number));
        }
        if let Some(from) = from
            && !self.has_given()
        {
            counts.offers.insert((from, self.number), self.holder.clone());
            self.offer = Some(from);
        }
    }

    /// Waits until the place is another's.
    pub async fn given(&self) {
        if !self.has_given() {
            self.holder.bell.notified().await;
        }
    }

    /// Whether the place is another's.
    pub fn has_given(&self) -> bool {
        self.holder.has_given.load(Ordering::Relaxed)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.admission.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(from) = self.offer {
            counts.offers.remove(&(from, self.number));
        }
        if !self.has_given() {
            *counts.of(self.holder.service) -= 1;
        }
        for subject in self.subjects {
            if let Some(own) = counts.by_subject.get_mut(&subject) {
                *own -= 1;
                if *own == 0 {
                    counts.by_subject.remove(&subject);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(admission: &Arc<Admission>, ip: &str, service: Service) -> Result<Admitted, TooMany> {
        admission.place(service, ip.parse().unwrap(), Claim::Offered)
    }

    #[test]
    fn one_neighbour_cannot_take_all_places() {
        let admission = Admission::new(3, 2, 3);
        let from = |text: &str| admit(&admission, text, Service::Submission);
        let _a = from("2001:db8::1").unwrap();
        let b = from("2001:db8::2").unwrap();
        assert_eq!(from("2001:db8::3").err(), Some(TooMany::FromThisNeighbour));
        let _c = from("2001:db8:1::1").unwrap();
        assert_eq!(from("192.0.2.1").err(), Some(TooMany::Sessions));
        drop(b);
        assert!(from("192.0.2.1").is_ok());
    }

    #[test]
    fn who_fills_port_25_takes_no_place_of_the_quarter_for_stores() {
        let admission = Admission::new(8, 8, 8);
        let now = Instant::now();
        let mx: Vec<_> = (0..6).map(|_| admit(&admission, "192.0.2.1", Service::Mx).unwrap()).collect();
        let mut shops: Vec<_> =
            (0..2).map(|_| admit(&admission, "198.51.100.1", Service::Submission).unwrap()).collect();
        shops.iter_mut().for_each(|shop| shop.offer(Some(now)));
        assert_eq!(admit(&admission, "203.0.113.1", Service::Mx).err(), Some(TooMany::Sessions));
        assert!(!shops.iter().any(Admitted::has_given));
        // Another store may, and port 25 gives its own to both.
        let shop = admit(&admission, "203.0.113.2", Service::Submission).unwrap();
        assert_eq!(shops.iter().filter(|shop| shop.has_given()).count(), 1);
        let mut mx = mx;
        mx[0].offer(Some(now));
        let _stranger = admit(&admission, "203.0.113.1", Service::Mx).unwrap();
        assert!(mx[0].has_given());
        drop(shop);
    }

    #[test]
    fn one_network_cannot_either() {
        let admission = Admission::new(10, 2, 3);
        let from = |text: &str| admit(&admission, text, Service::Submission);
        let held: Vec<_> = (1..=3).map(|n| from(&format!("192.0.2.{n}")).unwrap()).collect();
        assert_eq!(from("192.0.2.4").err(), Some(TooMany::FromThisNeighbour));
        assert!(from("192.0.3.4").is_ok());
        drop(held);
        assert!(from("192.0.2.4").is_ok());
        assert!(admission.counts.lock().unwrap().by_subject.is_empty());
    }

    #[test]
    fn strangers_leave_places_for_stores() {
        let admission = Admission::new(4, 4, 4);
        let from = |service| admit(&admission, "192.0.2.1", service);
        let mut held: Vec<_> = (0..2).map(|_| from(Service::Mx).unwrap()).collect();
        assert!(!admission.is_crowded());
        held.push(from(Service::Mx).unwrap());
        assert!(admission.is_crowded(), "strangers alone can fill their places");
        assert_eq!(from(Service::Mx).err(), Some(TooMany::Sessions));
        let _store = from(Service::Submission).unwrap();
        assert!(admission.is_crowded());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_offered_first_gives_his_place_to_a_newcomer_and_nobody_before_his_time() {
        let admission = Admission::new(4, 4, 4);
        let from = |service| admit(&admission, "192.0.2.1", service);
        let mut held: Vec<_> = (0..3).map(|_| from(Service::Mx).unwrap()).collect();
        let second = std::time::Duration::from_secs(1);
        let now = Instant::now();
        held[0].offer(Some(now + 3 * second));
        held[1].offer(Some(now + 2 * second));
        held[2].offer(Some(now + second));
        held[2].offer(None);
        assert_eq!(from(Service::Mx).err(), Some(TooMany::Sessions), "it is too early");
        tokio::time::advance(3 * second).await;
        let free = admission.place(Service::Mx, "203.0.113.9".parse().unwrap(), Claim::Free).err();
        assert_eq!(free, Some(TooMany::Sessions), "who comes too often gets none that is offered");
        let mut other = admission.place(Service::Mx, "203.0.113.9".parse().unwrap(), Claim::Offered).unwrap();
        assert_eq!([0, 1, 2].map(|n| held[n].has_given()), [false, true, false]);
        held[1].given().await;
        // Who has given cannot give again, and is no session any more.
        held[1].offer(Some(now));
        drop(held.remove(1));
        assert_eq!(admission.counts.lock().unwrap().all(), 3);
        let _next = admission.place(Service::Mx, "203.0.113.9".parse().unwrap(), Claim::Offered).unwrap();
        assert_eq!([0, 1].map(|n| held[n].has_given()), [true, false]);
        assert_eq!(from(Service::Mx).err(), Some(TooMany::Sessions));
        other.offer(Some(now));
        drop(other);
        assert!(admission.counts.lock().unwrap().offers.is_empty(), "an offer goes with its session");
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_too_many_himself_costs_nobody_his_place() {
        let admission = Admission::new(2, 1, 2);
        let from = |ip| admit(&admission, ip, Service::Submission);
        let (mut idle, _other) = (from("192.0.2.1").unwrap(), from("198.51.100.1").unwrap());
        idle.offer(Some(Instant::now()));
        assert_eq!(from("198.51.100.1").err(), Some(TooMany::FromThisNeighbour));
        assert!(!idle.has_given());
        let _next = from("203.0.113.1").unwrap();
        assert!(idle.has_given());
    }
}
