//! From a recipient's domain to the addresses to dial, in the order in which to dial them (RFC 5321 §5.1).
//!
//! | case | means |
//! |---|---|
//! | a static route | its host, by A and AAAA or as written; anything goes, the operator named it |
//! | MX: NXDOMAIN | failed 5.1.2 |
//! | MX: no data | the domain's own addresses (implicit MX) |
//! | MX: failure, timeout, refusal, a referral | deferred 4.4.3, never anything else |
//! | MX: only `.` (RFC 7505) | failed 5.1.10 |
//! | equal preferences | in random order |
//! | an exchange is this host, by name or address | it and all that are not preferred to it are dropped; none left: 5.4.6 |
//! | an exchange without addresses, or with none that is public | skipped; none left: 5.4.4, or 4.4.3 if any look-up failed |
//!
//! Names are looked up as they are, absolute: no search domains. At most [`MAX_TARGETS`] addresses come out, at
//! most two a host where there are several hosts, IPv4 and IPv6 taking turns. Randomness comes in as a number.
//! When it fails: a [`Verdict`] of the phase `resolve`.

use super::public_address::is_public;
use super::route::{Host, NextHop, Route, TlsPolicy, find_route};
use crate::dns::{ResolverFault, name_servers, resolver};
use crate::mail::Domain;
use crate::smtp::client::{Phase, Status, Verdict};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolveHosts;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use std::net::{IpAddr, SocketAddr};

/// Addresses tried in one attempt.
pub const MAX_TARGETS: usize = 5;
/// Exchanges looked up in one attempt.
const MAX_EXCHANGES: usize = 10;
/// The port of an exchange that the DNS named (RFC 5321 §4.5.4.2).
const SMTP_PORT: u16 = 25;

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

/// One address to dial.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Target {
    pub host: Host,
    pub address: SocketAddr,
    pub origin: Origin,
    pub tls: TlsPolicy,
}

/// Finds targets.
pub struct NextHops {
    /// For what the DNS names: without the hosts file.
    dns: TokioResolver,
    /// For what the operator names: with it.
    named: TokioResolver,
    routes: Vec<Route>,
    hostname: Domain,
    own_addresses: Vec<IpAddr>,
}

/// What was found for a name.
enum Found<T> {
    Some(Vec<T>),
    /// The name exists and has none of these.
    NoData,
    NoName,
    /// The name servers did not say: ask again later.
    Unknown,
}

impl NextHops {
    /// With these name servers, or the system's where there are none. `hostname` and `own_addresses` are ours: no
    /// mail is sent there unless a route says so.
    ///
    /// # Errors
    /// [`ResolverFault`].
    pub fn new(
        servers: &[SocketAddr],
        tls: &rustls::ClientConfig,
        routes: Vec<Route>,
        hostname: Domain,
        own_addresses: Vec<IpAddr>,
    ) -> Result<Self, ResolverFault> {
        let servers = name_servers(servers)?;
        let build = |hosts| resolver(&servers, Some(tls), hosts);
        let (dns, named) = (build(ResolveHosts::Never)?, build(ResolveHosts::Always)?);
        Ok(Self { dns, named, routes, hostname, own_addresses })
    }

    /// The targets for mail to `domain`, in order; `random` decides between equals.
    ///
    /// # Errors
    /// A verdict of the phase `resolve` when there is nowhere to go.
    pub async fn find(&self, domain: &Domain, random: u64) -> Result<Vec<Target>, Verdict> {
        if let Some(route) = find_route(&self.routes, domain) {
            return self.by_route(route.next_hop(), route.tls()).await;
        }
        if domain.is_literal() {
            return Err(failed(1, 2));
        }
        let (exchanges, origin) = match self.exchanges(domain).await {
            Found::Some(exchanges) => (exchanges, Origin::Mx),
            Found::NoData => (vec![(0, Some(domain.clone()))], Origin::ImplicitMx),
            Found::NoName => return Err(failed(1, 2)),
            Found::Unknown => return Err(deferred()),
        };
        // RFC 7505 §3: a null MX stands alone. Beside others it means nothing.
        if exchanges.iter().all(|(_, host)| host.is_none()) {
            return Err(Verdict::failed(Status::ours(556, 1, 10), Phase::Resolve));
        }
        let hosts = exchanges.into_iter().filter_map(|(preference, host)| Some((preference, host?)));
        self.by_exchanges(in_order(hosts.collect(), random), origin).await
    }

    async fn by_route(&self, next_hop: &NextHop, tls: TlsPolicy) -> Result<Vec<Target>, Verdict> {
        let addresses = match &next_hop.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => match addresses(&self.named, name).await {
                Found::Some(addresses) => addresses,
                // The operator's own entry: a slip in the DNS must not make mail fail.
                Found::NoData | Found::NoName | Found::Unknown => return Err(deferred()),
            },
        };
        let target = |address| Target {
            host: next_hop.host.clone(),
            address: SocketAddr::new(address, next_hop.port),
            origin: Origin::Route,
            tls,
        };
        Ok(addresses.into_iter().take(MAX_TARGETS).map(target).collect())
    }

    /// Preference and host; `None` is the null MX.
    async fn exchanges(&self, domain: &Domain) -> Found<(u16, Option<Domain>)> {
        let Some(name) = absolute(domain) else { return Found::NoName };
        let answers = match self.dns.lookup(name, RecordType::MX).await {
            Ok(lookup) => lookup,
            Err(error) => return nothing(&error),
        };
        let exchanges = answers.answers().iter().filter_map(|record| match &record.data {
            RData::MX(mx) if mx.exchange.is_root() => Some((mx.preference, None)),
            // A name that is none, an address in place of a name: a host without addresses.
            RData::MX(mx) => {
                Domain::parse(&mx.exchange.to_ascii()).ok().map(|host| (mx.preference, Some(host)))
            }
            _ => None,
        });
        let exchanges: Vec<_> = exchanges.collect();
        if exchanges.is_empty() { Found::NoData } else { Found::Some(exchanges) }
    }

    async fn by_exchanges(&self, hosts: Vec<(u16, Domain)>, origin: Origin) -> Result<Vec<Target>, Verdict> {
        let per_host = if hosts.len() > 1 { 2 } else { MAX_TARGETS };
        let mut ours =
            hosts.iter().filter(|(_, host)| *host == self.hostname).map(|(preference, _)| *preference).min();
        let mut targets: Vec<(u16, Target)> = Vec::new();
        let mut unknown = false;
        for (preference, host) in hosts.into_iter().take(MAX_EXCHANGES) {
            if targets.len() >= MAX_TARGETS || ours.is_some_and(|ours| preference >= ours) {
                break;
            }
            let found = match addresses(&self.dns, &host).await {
                Found::Some(found) => found,
                Found::Unknown => {
                    unknown = true;
                    continue;
                }
                Found::NoData | Found::NoName => continue,
            };
            if found.iter().any(|address| self.own_addresses.contains(address)) {
                ours = Some(preference);
                break;
            }
            for address in found.into_iter().filter(|address| is_public(*address)).take(per_host) {
                let address = SocketAddr::new(address, SMTP_PORT);
                let target = Target { host: Host::Name(host.clone()), address, origin, tls: TlsPolicy::May };
                targets.push((preference, target));
            }
        }
        // RFC 5321 §5.1: what is not preferred to ourselves would send the mail in a circle.
        targets.retain(|(preference, _)| ours.is_none_or(|ours| *preference < ours));
        targets.truncate(MAX_TARGETS);
        if !targets.is_empty() {
            return Ok(targets.into_iter().map(|(_, target)| target).collect());
        }
        Err(match (unknown, ours) {
            (true, _) => deferred(),
            (false, Some(_)) => failed(4, 6),
            (false, None) => failed(4, 4),
        })
    }
}

fn absolute(domain: &Domain) -> Option<Name> {
    Name::from_ascii(format!("{}.", domain.as_str())).ok()
}

/// A and AAAA of a host, IPv4 and IPv6 taking turns.
async fn addresses(resolver: &TokioResolver, host: &Domain) -> Found<IpAddr> {
    let Some(name) = absolute(host) else { return Found::NoName };
    let (v4, v6) =
        tokio::join!(resolver.lookup(name.clone(), RecordType::A), resolver.lookup(name, RecordType::AAAA));
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for answer in [v4, v6] {
        match answer {
            Ok(lookup) => found.push(
                lookup
                    .answers()
                    .iter()
                    .filter_map(|record| match &record.data {
                        RData::A(a) => Some(IpAddr::V4(a.0)),
                        RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
                        _ => None,
                    })
                    .collect::<Vec<_>>(),
            ),
            Err(error) => missing.push(nothing::<IpAddr>(&error)),
        }
    }
    let mut families = found.into_iter().map(Vec::into_iter).collect::<Vec<_>>();
    let mut mixed = Vec::new();
    while families.iter().any(|family| family.len() > 0) {
        mixed.extend(families.iter_mut().filter_map(Iterator::next));
    }
    if !mixed.is_empty() {
        return Found::Some(mixed);
    }
    if missing.iter().any(|found| matches!(found, Found::Unknown)) { Found::Unknown } else { Found::NoData }
}

/// What an error of the resolver means.
fn nothing<T>(error: &NetError) -> Found<T> {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => Found::NoName,
            // No data with name servers and no SOA is a referral: the server we asked did not do its work.
            ResponseCode::NoError if none.soa.is_some() || none.ns.is_none() => Found::NoData,
            _ => Found::Unknown,
        },
        _ => Found::Unknown,
    }
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
