//! From a recipient's domain to the addresses to dial, in the order in which to dial them (RFC 5321 §5.1).
//!
//! | case | means |
//! |---|---|
//! | a static route | its host, by A and AAAA or as written; anything goes, the operator named it |
//! | MX: NXDOMAIN | failed 5.1.2 |
//! | MX: no data | the domain's own addresses (implicit MX) |
//! | MX: failure, timeout, refusal, a referral | deferred 4.4.3, never anything else |
//! | MX: only `.` (RFC 7505) | failed 5.1.10 |
//! | MX: only names that are none | failed 5.4.4, never an implicit MX |
//! | equal preferences | in random order |
//! | an exchange is this host, by name or address | it and all that are not preferred to it are dropped; none left: 5.4.6 |
//! | an exchange without addresses, or with none that is public | skipped; none left: 5.4.4, or 4.4.3 if any look-up failed |
//! | an exchange whose addresses cannot be had in time | skipped, likewise |
//! | a host with proven TLSA records | DANE (RFC 7672): MX, addresses and records must all be proven |
//! | a host whose TLSA records cannot be had | skipped, for it may have some; none left: deferred 4.7.5 |
//!
//! Names are looked up as they are, absolute: no search domains. At most [`MAX_ADDRESSES`] addresses come out, at
//! most two a host where there are several hosts. An IPv6 and an IPv4 address of a host make one target, IPv6 first;
//! further ones follow as targets of their own. How long is waited for one of several hosts, `exchanges` says. Randomness comes in as a number.
//! When it fails: a [`Verdict`] of the phase `resolve`.

mod exchanges;

use super::demand::Demand;
use super::ground::Ground;
use super::names::{Found, NameService, Proof, Reply, absolute};
use super::route::{Host, Route, find_route};
use super::source::SourcePool;
use super::validating::Validating;
use crate::dns::{ResolverFault, name_servers, resolver};
use crate::mail::Domain;
use crate::smtp::client::{Phase, Status, Verdict};
use hickory_resolver::config::ResolveHosts;
use hickory_resolver::proto::rr::{RData, RecordType};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Addresses tried in one attempt.
pub const MAX_ADDRESSES: usize = 6;

/// How a target was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// It stands in the configuration.
    Route,
    /// An MX record names it.
    Mx,
    /// The domain has no MX record but addresses.
    ImplicitMx,
}

/// One host to dial, at one address or at one of each family.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Target {
    pub host: Host,
    /// One or two; the first has a head start.
    pub addresses: Vec<SocketAddr>,
    pub origin: Origin,
    pub demand: Demand,
    /// Where it is dialled from, if not from where all mail goes.
    pub pool: Option<SourcePool>,
}

impl Target {
    /// The host's name, where it has one.
    #[must_use]
    pub fn host_name(&self) -> Option<&Domain> {
        match &self.host {
            Host::Name(name) => Some(name),
            Host::Address(_) => None,
        }
    }
}

/// Which name servers are asked, and whether their word on DNSSEC counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolvers {
    /// These, or the system's where there are none.
    Plain(Vec<SocketAddr>),
    /// These, on this machine, validate.
    Validating(Vec<SocketAddr>),
}

/// Finds targets.
pub struct NextHops {
    /// For what the DNS names: without the hosts file.
    dns: Arc<NameService>,
    /// For what the operator names: with it.
    named: NameService,
    routes: Vec<Route>,
    hostname: Domain,
    own_addresses: Vec<IpAddr>,
    ground: Ground,
}

/// What an MX record names.
enum Exchange {
    /// `.`: no mail at all (RFC 7505).
    Null,
    Host(Domain),
    /// What is no name of a host.
    Malformed,
}

impl NextHops {
    /// With these name servers. `hostname` and `own_addresses` are ours: no mail is sent there unless a route says so.
    ///
    /// # Errors
    /// [`ResolverFault`].
    pub(super) fn new(
        resolvers: &Resolvers,
        tls: &rustls::ClientConfig,
        routes: Vec<Route>,
        hostname: Domain,
        own_addresses: Vec<IpAddr>,
        ground: Ground,
    ) -> Result<Self, ResolverFault> {
        let (Resolvers::Plain(servers) | Resolvers::Validating(servers)) = resolvers;
        let servers = name_servers(servers)?;
        let plain = |hosts| Ok(NameService::Plain(Box::new(resolver(&servers, Some(tls), hosts)?)));
        let dns = match resolvers {
            Resolvers::Validating(servers) => NameService::Validating(Validating::new(servers.clone())),
            Resolvers::Plain(_) => plain(ResolveHosts::Never)?,
        };
        Ok(Self {
            dns: Arc::new(dns),
            named: plain(ResolveHosts::Always)?,
            routes,
            hostname,
            own_addresses,
            ground,
        })
    }

    /// Who is asked about what is not ours.
    pub(super) fn dns(&self) -> Arc<NameService> {
        Arc::clone(&self.dns)
    }

    /// The targets for mail to `domain`, or by a route that was chosen for one mail, in order; `random` decides between equals.
    ///
    /// # Errors
    /// A verdict of the phase `resolve` when there is nowhere to go.
    pub async fn find(
        &self,
        chosen: Option<&Route>,
        domain: &Domain,
        random: u64,
    ) -> Result<Vec<Target>, Verdict> {
        if let Some(route) = chosen.or_else(|| find_route(&self.routes, domain)) {
            return self.by_route(route).await;
        }
        if domain.is_literal() {
            return Err(failed(1, 2));
        }
        let (exchanges, proof, origin) = match self.exchanges(domain).await {
            Found::Some((exchanges, proof)) => (exchanges, proof, Origin::Mx),
            Found::NoData(proof) => (vec![(0, Exchange::Host(domain.clone()))], proof, Origin::ImplicitMx),
            Found::NoName => return Err(failed(1, 2)),
            Found::Unknown => return Err(deferred()),
        };
        // RFC 7505 §3: a null MX stands alone. Beside others it means nothing.
        if exchanges.iter().all(|(_, exchange)| matches!(exchange, Exchange::Null)) {
            return Err(Verdict::failed(Status::ours(556, 1, 10), Phase::Resolve));
        }
        let hosts = exchanges.into_iter().filter_map(|(preference, exchange)| match exchange {
            Exchange::Host(host) => Some((preference, host)),
            Exchange::Null | Exchange::Malformed => None,
        });
        self.by_exchanges(domain, in_order(hosts.collect(), random), proof, origin).await
    }

    async fn by_route(&self, route: &Route) -> Result<Vec<Target>, Verdict> {
        let next_hop = route.next_hop();
        let addresses = match &next_hop.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => match self.named.addresses(name).await {
                Found::Some(found) => in_turn(found.v6, found.v4),
                // The operator's own entry: a slip in the DNS must not make mail fail.
                Found::NoData(_) | Found::NoName | Found::Unknown => return Err(deferred()),
            },
        };
        let addresses = addresses.into_iter().take(MAX_ADDRESSES);
        let addresses = addresses.map(|address| SocketAddr::new(address, next_hop.port)).collect();
        let found = targets(&next_hop.host, addresses, Origin::Route, &Demand::from(route.tls()));
        Ok(found.into_iter().map(|target| Target { pool: route.pool(), ..target }).collect())
    }

    /// Preference and what it is of. Records of which none is usable are records: no implicit MX (RFC 5321 §5.1).
    async fn exchanges(&self, domain: &Domain) -> Found<(Vec<(u16, Exchange)>, Proof)> {
        let Some(name) = absolute(domain) else { return Found::NoName };
        let (records, proof) = match self.dns.ask(&name, RecordType::MX).await {
            Reply::Records(records, proof) => (records, proof),
            Reply::NoData(proof) => return Found::NoData(proof),
            Reply::NoName => return Found::NoName,
            Reply::Unknown => return Found::Unknown,
        };
        let exchanges = records.iter().filter_map(|record| match &record.data {
            RData::MX(mx) if mx.exchange.is_root() => Some((mx.preference, Exchange::Null)),
            RData::MX(mx) => {
                let host = Domain::parse(&mx.exchange.to_ascii());
                Some((mx.preference, host.map_or(Exchange::Malformed, Exchange::Host)))
            }
            _ => None,
        });
        let exchanges: Vec<_> = exchanges.collect();
        if exchanges.is_empty() { Found::NoData(proof) } else { Found::Some((exchanges, proof)) }
    }
}

/// Two families taking turns, the first one first.
fn in_turn(first: Vec<IpAddr>, second: Vec<IpAddr>) -> Vec<IpAddr> {
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut mixed = Vec::new();
    while first.len() + second.len() > 0 {
        mixed.extend(first.next());
        mixed.extend(second.next());
    }
    mixed
}

/// Addresses of a host as targets: neighbours of different families make one.
fn targets(host: &Host, addresses: Vec<SocketAddr>, origin: Origin, demand: &Demand) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    for address in addresses {
        match targets.last_mut().map(|target| &mut target.addresses) {
            Some(pair)
                if pair.len() == 1 && pair.iter().all(|other| other.is_ipv6() && address.is_ipv4()) =>
            {
                pair.push(address);
            }
            _ => targets.push(Target {
                host: host.clone(),
                addresses: vec![address],
                origin,
                demand: demand.clone(),
                pool: None,
            }),
        }
    }
    targets
}

/// By preference; equals in random order.
fn in_order(mut hosts: Vec<(u16, Domain)>, random: u64) -> Vec<(u16, Domain)> {
    let mut state = random | 1;
    for i in (1..hosts.len()).rev() {
        // xorshift64 (Marsaglia 2003): a spread of load, nothing secret.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let bound = u64::try_from(i).unwrap_or(u64::MAX).saturating_add(1);
        hosts.swap(i, usize::try_from(state % bound).unwrap_or(0));
    }
    hosts.sort_by_key(|(preference, _)| *preference);
    hosts
}

fn failed(subject: u16, detail: u16) -> Verdict {
    Verdict::failed(Status::ours(550, subject, detail), Phase::Resolve)
}

fn deferred() -> Verdict {
    Verdict::deferred(Status::ours(451, 4, 3), Phase::Resolve)
}
