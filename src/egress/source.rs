//! From which addresses of this machine which mail goes out.
//!
//! | mail | goes from |
//! |---|---|
//! | by a route that names a pool | that pool |
//! | to a domain whose shape names a pool | that pool |
//! | without a return address: notices, reports, automatic replies | the pool for notices, if there is one |
//! | to many: bulk mail | the pool for bulk, if there is one |
//! | all other | `source_addresses` |
//!
//! Rules: the first row that fits counts. Connections are not shared between pools. Within a pool a host always sees the
//! same address, since greylisting remembers it. A family that a pool lacks is used only towards a host that has no address
//! of another; then, as where there is no pool at all, the system chooses. What a receiver thinks of one pool's addresses
//! does not touch the mail of another.
//! When it fails: an address that is none of this machine fails each connection from it.

use super::Purpose;
use super::resolve::Target;
use super::route::Host;
use crate::mail::Domain;
use std::collections::HashMap;
use std::net::IpAddr;

/// A pool, by its place in [`Sources::pools`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SourcePool(pub usize);

/// All pools, and who goes from which.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Of mail that has no pool; for a family that has none here the system chooses.
    pub plain: Vec<IpAddr>,
    pub pools: Vec<Vec<IpAddr>>,
    pub by_domain: HashMap<Domain, SourcePool>,
    pub notices: Option<SourcePool>,
    pub bulk: Option<SourcePool>,
}

impl Sources {
    /// Those of mail without a pool.
    #[must_use]
    pub fn plain(addresses: Vec<IpAddr>) -> Self {
        Self { plain: addresses, ..Self::default() }
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = IpAddr> {
        self.plain.iter().chain(self.pools.iter().flatten()).copied()
    }

    /// The pool of a kind of mail, where neither route nor shape says otherwise.
    pub(super) fn of_kind(&self, is_notice: bool, purpose: Purpose) -> Option<SourcePool> {
        match purpose {
            _ if is_notice => self.notices,
            Purpose::Bulk => self.bulk,
            Purpose::Mail | Purpose::TlsReport => None,
        }
    }

    /// The target as mail to `domain` goes there. `otherwise`: the pool of its kind.
    pub(super) fn apply(&self, mut target: Target, domain: &Domain, otherwise: Option<SourcePool>) -> Target {
        target.pool = target.pool.or_else(|| self.by_domain.get(domain).copied()).or(otherwise);
        if target.pool.is_some() {
            let own = self.of(target.pool);
            let has = |ip: IpAddr| own.iter().any(|source| source.is_ipv4() == ip.is_ipv4());
            if target.addresses.iter().any(|address| has(address.ip())) {
                target.addresses.retain(|address| has(address.ip()));
            }
        }
        target
    }

    /// Which of a pool's addresses a host sees at `towards`.
    pub(super) fn towards(&self, pool: Option<SourcePool>, host: &Host, towards: IpAddr) -> Option<IpAddr> {
        let own: Vec<IpAddr> =
            self.of(pool).iter().copied().filter(|source| source.is_ipv4() == towards.is_ipv4()).collect();
        let spread = host
            .to_string()
            .bytes()
            .fold(0_usize, |sum, octet| sum.wrapping_mul(31).wrapping_add(usize::from(octet)));
        own.get(spread.checked_rem(own.len())?).copied()
    }

    fn of(&self, pool: Option<SourcePool>) -> &[IpAddr] {
        match pool {
            None => &self.plain,
            Some(SourcePool(place)) => self.pools.get(place).map_or(&[], Vec::as_slice),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::demand::Demand;
    use super::super::resolve::Origin;
    use super::*;
    use std::collections::HashSet;
    use std::net::SocketAddr;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_host_sees_one_of_several_sources_and_none_of_the_other_family() {
        let sources = Sources::plain(vec![ip("192.0.2.1"), ip("2001:db8::1"), ip("192.0.2.2")]);
        let seen = |host: &str, address: &str| {
            sources.towards(None, &Host::Name(Domain::parse(host).unwrap()), ip(address))
        };
        let hosts = (0..20).map(|n| format!("mx{n}.example"));
        let four: HashSet<_> = hosts.map(|host| seen(&host, "8.8.8.8")).collect();
        assert_eq!(four, [Some(ip("192.0.2.1")), Some(ip("192.0.2.2"))].into());
        assert_eq!(seen("mx.example", "2400:cb00::1"), Some(ip("2001:db8::1")));
        let four = Sources::plain(vec![ip("192.0.2.1")]);
        assert_eq!(four.towards(None, &Host::Address(ip("::1")), ip("::1")), None);
    }

    #[test]
    fn a_route_comes_before_a_shape_and_a_shape_before_the_kind_of_mail() {
        let domain = |text: &str| Domain::parse(text).unwrap();
        let pools =
            ["192.0.2.10", "192.0.2.11", "192.0.2.12", "192.0.2.13"].map(|text| vec![ip(text)]).to_vec();
        let by_domain = HashMap::from([(domain("shaped.example"), SourcePool(1))]);
        let (notices, bulk) = (Some(SourcePool(2)), Some(SourcePool(3)));
        let sources = Sources { pools, by_domain, notices, bulk, ..Sources::default() };
        let seen = |route: Option<SourcePool>, to: &str, is_notice: bool, addresses: &[&str]| {
            let addresses = addresses.iter().map(|text| SocketAddr::new(ip(text), 25)).collect();
            let host = Host::Name(domain("mx.example"));
            let target = Target { host, addresses, origin: Origin::Mx, demand: Demand::May, pool: route };
            let purpose = if to.starts_with("many") { Purpose::Bulk } else { Purpose::Mail };
            let target = sources.apply(target, &domain(to), sources.of_kind(is_notice, purpose));
            let first = target.addresses[0].ip();
            (sources.towards(target.pool, &target.host, first), target.addresses.len())
        };
        let both = ["2400:cb00::1", "8.8.1.1"];
        let from = |text: &str| Some(ip(text));
        assert_eq!(seen(Some(SourcePool(0)), "shaped.example", true, &both), (from("192.0.2.10"), 1));
        assert_eq!(seen(None, "shaped.example", true, &both), (from("192.0.2.11"), 1));
        assert_eq!(seen(None, "other.example", true, &both), (from("192.0.2.12"), 1));
        assert_eq!(seen(None, "other.example", false, &both), (None, 2));
        assert_eq!(seen(None, "many.example", false, &both), (from("192.0.2.13"), 1));
        assert_eq!(seen(None, "many.example", true, &both), (from("192.0.2.12"), 1), "a report about bulk");
        // Nothing but IPv6 there: better from an address of the system's choice than not at all.
        assert_eq!(seen(None, "shaped.example", false, &both[..1]), (None, 1));
    }
}
