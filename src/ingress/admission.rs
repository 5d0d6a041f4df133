//! How many sessions there may be: in all, and from one network neighbour (an IPv4 address or an IPv6 /64). A quarter
//! of all places is kept for stores: whoever fills port 25 does not lock them out.

use crate::smtp::server::Service;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The counts.
pub(super) struct Admission {
    sessions: usize,
    per_ip: usize,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    all: usize,
    by_neighbour: HashMap<IpAddr, usize>,
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
    neighbour: IpAddr,
}

impl Admission {
    pub fn new(sessions: u32, per_ip: u32) -> Arc<Self> {
        Arc::new(Self { sessions: sessions as usize, per_ip: per_ip as usize, counts: Mutex::default() })
    }

    pub fn admit(self: &Arc<Self>, ip: IpAddr, service: Service) -> Result<Admitted, TooMany> {
        let neighbour = neighbour(ip);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let open = match service {
            Service::Mx => self.sessions - self.sessions / 4,
            Service::Submission | Service::Submissions => self.sessions,
        };
        if counts.all >= open {
            return Err(TooMany::Sessions);
        }
        let own = counts.by_neighbour.entry(neighbour).or_default();
        if *own >= self.per_ip {
            return Err(TooMany::FromThisNeighbour);
        }
        *own += 1;
        counts.all += 1;
        Ok(Admitted { admission: self.clone(), neighbour })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.admission.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all = counts.all.saturating_sub(1);
        if let Some(own) = counts.by_neighbour.get_mut(&self.neighbour) {
            *own -= 1;
            if *own == 0 {
                counts.by_neighbour.remove(&self.neighbour);
            }
        }
    }
}

fn neighbour(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_neighbour_cannot_take_all_places() {
        let admission = Admission::new(3, 2);
        let from = |text: &str| admission.admit(text.parse().unwrap(), Service::Submission);
        let _a = from("2001:db8::1").unwrap();
        let b = from("2001:db8::2").unwrap();
        assert_eq!(from("2001:db8::3").err(), Some(TooMany::FromThisNeighbour));
        let _c = from("2001:db8:0:1::1").unwrap();
        assert_eq!(from("192.0.2.1").err(), Some(TooMany::Sessions));
        drop(b);
        assert!(from("192.0.2.1").is_ok());
    }

    #[test]
    fn strangers_leave_places_for_stores() {
        let admission = Admission::new(4, 4);
        let from = |service| admission.admit("192.0.2.1".parse().unwrap(), service);
        let _held: Vec<_> = (0..3).map(|_| from(Service::Mx).unwrap()).collect();
        assert_eq!(from(Service::Mx).err(), Some(TooMany::Sessions));
        assert!(from(Service::Submission).is_ok());
    }
}
