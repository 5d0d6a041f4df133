//! How many sessions there may be: in all, from one neighbour (an IPv4 address or an IPv6 /64) and from one network (a
//! /24 or a /56). A quarter of all places is kept for stores: whoever fills port 25 does not lock them out.

use super::limiter::Subject;
use crate::smtp::server::Service;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The counts.
pub(super) struct Admission {
    sessions: usize,
    per_ip: usize,
    per_network: usize,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    all: usize,
    /// At most two entries a session.
    by_subject: HashMap<Subject, usize>,
}

/// Why a connection is one too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TooMany {
    Sessions,
    FromThisNeighbour,
}

/// A place among the sessions, given back when dropped.
pub(super) struct Admitted {
    admission: Arc<Admission>,
    /// Whose it is; nobody's until a balancer has said so.
    subjects: Option<[Subject; 2]>,
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

    /// A place for a connection, whoever it is from.
    ///
    /// # Errors
    /// There is none left for this service.
    pub fn place(self: &Arc<Self>, service: Service) -> Result<Admitted, TooMany> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let open = match service {
            Service::Mx => self.sessions - self.sessions / 4,
            Service::Submission | Service::Submissions => self.sessions,
        };
        if counts.all >= open {
            return Err(TooMany::Sessions);
        }
        counts.all += 1;
        Ok(Admitted { admission: self.clone(), subjects: None })
    }

    /// Whether three quarters of the places are taken, so that idle sessions are to make room.
    pub fn is_crowded(&self) -> bool {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all.saturating_mul(4) >= self.sessions.saturating_mul(3)
    }
}

impl Admitted {
    /// Counts the place for its peer.
    ///
    /// # Errors
    /// The peer has too many; the place is still held.
    pub fn belongs_to(&mut self, ip: IpAddr) -> Result<(), TooMany> {
        let subjects = Subject::of_peer(ip);
        let limits = [self.admission.per_ip, self.admission.per_network];
        let mut counts = self.admission.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let full =
            |(subject, limit)| counts.by_subject.get(subject).is_some_and(|open: &usize| *open >= limit);
        if subjects.iter().zip(limits).any(full) {
            return Err(TooMany::FromThisNeighbour);
        }
        for subject in subjects {
            *counts.by_subject.entry(subject).or_default() += 1;
        }
        self.subjects = Some(subjects);
        Ok(())
    }

    /// Whether idle sessions are to make room.
    pub fn is_crowded(&self) -> bool {
        self.admission.is_crowded()
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.admission.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all = counts.all.saturating_sub(1);
        for subject in self.subjects.into_iter().flatten() {
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
        let mut place = admission.place(service)?;
        place.belongs_to(ip.parse().unwrap())?;
        Ok(place)
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
}
