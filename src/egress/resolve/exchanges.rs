//! The hosts of an MX record set: their addresses, asked for side by side, and what is demanded of their TLS.
//!
//! Rules: a host whose name servers are silent keeps no mail from the others. Where there are several, all together have
//! [`PATIENCE`]; once a usable one is known and all that are preferred to it were heard of, the rest have [`GRACE`]; and where
//! the first ones fill the attempt the rest is not awaited. Who was not heard of counts as one whose addresses could not be
//! had. A single host has as long as the resolver and the attempt give.
//! When it fails: a [`Verdict`] of the phase `resolve`.

use super::super::demand::{Dane, Demand};
use super::super::names::{Addresses, Found, Proof, Reply};
use super::super::route::Host;
use super::super::tlsa::{self, Tlsa};
use super::{MAX_ADDRESSES, NextHops, Origin, Target, deferred, failed, in_turn, targets};
use crate::mail::Domain;
use crate::smtp::client::{Phase, Status, Verdict};
use futures_util::stream::{FuturesUnordered, StreamExt};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Exchanges looked up in one attempt.
const MAX_EXCHANGES: usize = 10;
/// How long several hosts are waited for.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long the others are waited for once mail can go somewhere. Who is known in the resolver's cache answers at once.
const GRACE: Duration = Duration::from_secs(2);

/// What was heard of a host.
enum Heard {
    At(Vec<IpAddr>, Demand),
    /// It is this host, by one of its addresses.
    Ourselves,
    Skipped(Skipped),
}

/// Why a host is left out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Skipped {
    /// There is no way to it.
    Nowhere,
    /// Its addresses could not be had.
    Addresses,
    /// Its TLSA records could not be had.
    Tlsa,
}

impl NextHops {
    /// The targets at these hosts, which are in order.
    pub(super) async fn by_exchanges(
        &self,
        domain: &Domain,
        hosts: Vec<(u16, Domain)>,
        proof: Proof,
        origin: Origin,
    ) -> Result<Vec<Target>, Verdict> {
        let per_host = if hosts.len() > 1 { 2 } else { MAX_ADDRESSES };
        let mut ours =
            hosts.iter().filter(|(_, host)| *host == self.hostname).map(|(preference, _)| *preference).min();
        let asked: Vec<(u16, Domain)> = hosts
            .into_iter()
            .take(MAX_EXCHANGES)
            .take_while(|(preference, _)| ours.is_none_or(|ours| *preference < ours))
            .collect();
        let heard = self.hear(domain, &asked, proof, per_host).await;
        let mut found: Vec<(u16, Vec<Target>)> = Vec::new();
        let mut left = MAX_ADDRESSES;
        let mut skipped = Vec::new();
        for ((preference, host), heard) in asked.into_iter().zip(heard) {
            if left == 0 {
                break;
            }
            match heard.unwrap_or(Heard::Skipped(Skipped::Addresses)) {
                Heard::Ourselves => {
                    ours = Some(preference);
                    break;
                }
                Heard::Skipped(why) => skipped.push(why),
                Heard::At(addresses, demand) => {
                    let dialled: Vec<SocketAddr> = addresses
                        .into_iter()
                        .take(per_host.min(left))
                        .map(|ip| SocketAddr::new(ip, self.ground.smtp))
                        .collect();
                    left = left.saturating_sub(dialled.len());
                    found.push((preference, targets(&Host::Name(host), dialled, origin, &demand)));
                }
            }
        }
        // RFC 5321 §5.1: what is not preferred to ourselves would send the mail in a circle.
        found.retain(|(preference, _)| ours.is_none_or(|ours| *preference < ours));
        let found: Vec<Target> = found.into_iter().flat_map(|(_, targets)| targets).collect();
        if !found.is_empty() {
            return Ok(found);
        }
        Err(if skipped.contains(&Skipped::Tlsa) {
            Verdict::deferred(Status::ours(451, 7, 5), Phase::Resolve)
        } else if skipped.contains(&Skipped::Addresses) {
            deferred()
        } else if ours.is_some() {
            failed(4, 6)
        } else {
            failed(4, 4)
        })
    }

    /// What is heard in time, in the order of the hosts.
    async fn hear(
        &self,
        domain: &Domain,
        asked: &[(u16, Domain)],
        proof: Proof,
        per_host: usize,
    ) -> Vec<Option<Heard>> {
        let mut heard: Vec<Option<Heard>> = asked.iter().map(|_| None).collect();
        let mut pending = FuturesUnordered::new();
        for (place, (_, host)) in asked.iter().enumerate() {
            pending.push(self.look_up(place, domain, host, proof));
        }
        let mut until = (asked.len() > 1).then(|| Instant::now() + PATIENCE);
        loop {
            let next = match until {
                Some(until) => timeout_at(until, pending.next()).await.unwrap_or(None),
                None => pending.next().await,
            };
            let Some((place, answer)) = next else { return heard };
            if let Some(slot) = heard.get_mut(place) {
                *slot = Some(answer);
            }
            if is_enough(&heard, per_host) {
                return heard;
            }
            if can_go(asked, &heard) {
                until = until.map(|until| until.min(Instant::now() + GRACE));
            }
        }
    }

    async fn look_up(&self, place: usize, domain: &Domain, host: &Domain, proof: Proof) -> (usize, Heard) {
        let addresses = match self.dns.addresses(host).await {
            Found::Some(addresses) => addresses,
            Found::Unknown => return (place, Heard::Skipped(Skipped::Addresses)),
            Found::NoData(_) | Found::NoName => return (place, Heard::Skipped(Skipped::Nowhere)),
        };
        if addresses.v4.iter().chain(&addresses.v6).any(|own| self.own_addresses.contains(own)) {
            return (place, Heard::Ourselves);
        }
        let demand = match self.demand(domain, host, proof, &addresses).await {
            Ok(demand) => demand,
            Err(why) => return (place, Heard::Skipped(why)),
        };
        let public =
            |family: Vec<IpAddr>| family.into_iter().filter(|ip| (self.ground.may_dial)(*ip)).collect();
        let dialled = in_turn(public(addresses.v6), public(addresses.v4));
        let heard =
            if dialled.is_empty() { Heard::Skipped(Skipped::Nowhere) } else { Heard::At(dialled, demand) };
        (place, heard)
    }

    /// What is demanded of the TLS of a host: DANE, where everything on the way to its records is proven. Where the
    /// addresses are not, its zone is unsigned and is not asked, since some servers choke on the question (RFC 7672
    /// §2.2.1).
    async fn demand(
        &self,
        domain: &Domain,
        host: &Domain,
        proof: Proof,
        addresses: &Addresses,
    ) -> Result<Demand, Skipped> {
        if proof != Proof::Proven || addresses.proof != Proof::Proven {
            return Ok(Demand::May);
        }
        // RFC 7672 §2.2.2: where the host is an alias, what it stands for comes first.
        for base in addresses.canonical.iter().chain([host]) {
            let Ok(name) = Name::from_ascii(format!("_{}._tcp.{base}.", self.ground.smtp)) else { continue };
            let records = match self.dns.ask(&name, RecordType::TLSA).await {
                Reply::Records(records, Proof::Proven) => records,
                Reply::Records(_, Proof::Unproven) | Reply::NoData(_) | Reply::NoName => continue,
                Reply::Unknown => return Err(Skipped::Tlsa),
            };
            let read = records.iter().filter_map(|record| match &record.data {
                RData::TLSA(tlsa) => Some(Tlsa::read(
                    tlsa.cert_usage.into(),
                    tlsa.selector.into(),
                    tlsa.matching.into(),
                    &tlsa.cert_data,
                )),
                _ => None,
            });
            let mut names = vec![base.clone()];
            // RFC 7672 §3.2.2: the name before the aliases, and the domain that a proven MX was looked up for.
            names.extend([host, domain].into_iter().filter(|name| *name != base).cloned());
            let records = tlsa::usable(read);
            return Ok(Demand::Dane(Arc::new(Dane { base: base.clone(), names, records })));
        }
        Ok(Demand::May)
    }
}

/// Whether the first hosts fill an attempt, or end the list.
fn is_enough(heard: &[Option<Heard>], per_host: usize) -> bool {
    let mut left = MAX_ADDRESSES;
    for heard in heard {
        match heard {
            None => return false,
            Some(Heard::Ourselves) => return true,
            Some(Heard::Skipped(_)) => {}
            Some(Heard::At(addresses, _)) => left = left.saturating_sub(addresses.len().min(per_host)),
        }
        if left == 0 {
            return true;
        }
    }
    true
}

/// Whether mail can go to a host, all that are preferred to it having been heard of.
fn can_go(asked: &[(u16, Domain)], heard: &[Option<Heard>]) -> bool {
    let with = || asked.iter().map(|(preference, _)| *preference).zip(heard);
    let unheard = with().filter(|(_, heard)| heard.is_none()).map(|(preference, _)| preference).min();
    with().any(|(preference, heard)| {
        matches!(heard, Some(Heard::At(..))) && unheard.is_none_or(|unheard| preference <= unheard)
    })
}
