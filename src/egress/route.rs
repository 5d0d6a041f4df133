//! Static routes: for which domains the next hop stands in the configuration instead of the DNS.
//!
//! Rules: a route for just this domain comes first, `*` (a smarthost for everything) last; order in the file does
//! not matter. A next hop is `host:port`, `192.0.2.1:25` or `[2001:db8::1]:25`. What an operator names may lie
//! anywhere, in private networks too.
//! When it fails: [`RouteFault`], at start.

use super::source::SourcePool;
use crate::mail::Domain;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// How TLS is used towards a next hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsPolicy {
    /// Never (`none`).
    None,
    /// Where offered, with any certificate; in clear where it fails (`may`, RFC 3207 §5, RFC 7435).
    May,
    /// Always, with any certificate (`encrypt`).
    Encrypt,
    /// Always, with a certificate that proves the host's name (`verify`).
    Verify,
}

/// Why a route of the configuration is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RouteFault {
    #[error("a route's domain is neither a domain nor *")]
    Domain,
    #[error("a next hop is written host:port, 192.0.2.1:25 or [2001:db8::1]:25")]
    NextHop,
    #[error("tls is one of none, may, encrypt, verify")]
    Tls,
}

/// The host of a next hop.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    Name(Domain),
    Address(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => name.fmt(f),
            Host::Address(address) => address.fmt(f),
        }
    }
}

/// Where to connect.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NextHop {
    pub host: Host,
    pub port: u16,
}

impl NextHop {
    /// Reads `host:port`.
    ///
    /// # Errors
    /// [`RouteFault::NextHop`].
    pub fn parse(text: &str) -> Result<Self, RouteFault> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return match address.port() {
                0 => Err(RouteFault::NextHop),
                port => Ok(Self { host: Host::Address(address.ip()), port }),
            };
        }
        let (host, port) = text.rsplit_once(':').ok_or(RouteFault::NextHop)?;
        let host = Domain::parse(host).map_err(|_| RouteFault::NextHop)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(RouteFault::NextHop)?;
        // `300.1.1.1` and the like: no top-level domain is a number.
        let last = host.as_str().rsplit('.').next().unwrap_or_default();
        if host.is_literal() || last.bytes().all(|b| b.is_ascii_digit()) {
            return Err(RouteFault::NextHop);
        }
        Ok(Self { host: Host::Name(host), port })
    }
}

impl TlsPolicy {
    /// Reads `none`, `may`, `encrypt` or `verify`.
    ///
    /// # Errors
    /// [`RouteFault::Tls`].
    pub fn parse(text: &str) -> Result<Self, RouteFault> {
        match text {
            "none" => Ok(TlsPolicy::None),
            "may" => Ok(TlsPolicy::May),
            "encrypt" => Ok(TlsPolicy::Encrypt),
            "verify" => Ok(TlsPolicy::Verify),
            _ => Err(RouteFault::Tls),
        }
    }
}

/// One static route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// `None` is `*`.
    domain: Option<Domain>,
    next_hop: NextHop,
    tls: TlsPolicy,
    pool: Option<SourcePool>,
}

impl Route {
    /// From the texts of the configuration: `domain`, `next_hop`, `tls`.
    ///
    /// # Errors
    /// [`RouteFault`] for the first that is malformed.
    pub fn parse(domain: &str, next_hop: &str, tls: &str) -> Result<Self, RouteFault> {
        let domain = match domain {
            "*" => None,
            domain => Some(Domain::parse(domain).map_err(|_| RouteFault::Domain)?),
        };
        Ok(Self { domain, next_hop: NextHop::parse(next_hop)?, tls: TlsPolicy::parse(tls)?, pool: None })
    }

    /// The same, dialled from this pool.
    #[must_use]
    pub fn from_pool(self, pool: Option<SourcePool>) -> Self {
        Self { pool, ..self }
    }

    /// Where it leads.
    #[must_use]
    pub fn next_hop(&self) -> &NextHop {
        &self.next_hop
    }

    /// Where it is dialled from, if not from where all mail goes.
    #[must_use]
    pub fn pool(&self) -> Option<SourcePool> {
        self.pool
    }

    /// How TLS is used on the way.
    #[must_use]
    pub fn tls(&self) -> TlsPolicy {
        self.tls
    }
}

/// The route for `domain`, if there is one.
#[must_use]
pub fn find_route<'a>(routes: &'a [Route], domain: &Domain) -> Option<&'a Route> {
    let exact = routes.iter().find(|route| route.domain.as_ref() == Some(domain));
    exact.or_else(|| routes.iter().find(|route| route.domain.is_none()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_hops_are_read_in_their_three_forms() {
        for (text, address, port) in [
            ("192.0.2.1:25", "192.0.2.1", 25),
            ("[2001:db8::1]:2525", "2001:db8::1", 2525),
            ("[::1]:1", "::1", 1),
        ] {
            let expected = NextHop { host: Host::Address(address.parse().unwrap()), port };
            assert_eq!(NextHop::parse(text), Ok(expected), "{text}");
        }
        let name = NextHop::parse("Relay.Example:587").unwrap();
        assert_eq!(name, NextHop { host: Host::Name(Domain::parse("relay.example").unwrap()), port: 587 });
        for text in [
            "",
            "relay.example",
            ":25",
            "relay.example:",
            "relay.example:0",
            "relay.example:70000",
            "::1:25",
            "[::1]",
            "[192.0.2.1]:25",
            "300.1.1.1:25",
            "a b:25",
            "192.0.2.1:0",
            "relay.example:25:25",
        ] {
            assert_eq!(NextHop::parse(text), Err(RouteFault::NextHop), "{text}");
        }
        assert_eq!(Route::parse("a..b", "x.example:25", "may"), Err(RouteFault::Domain));
        assert_eq!(Route::parse("*", "x.example:25", "maybe"), Err(RouteFault::Tls));
    }

    #[test]
    fn the_route_of_just_this_domain_comes_before_the_smarthost() {
        let routes = [
            Route::parse("*", "smart.example:25", "verify").unwrap(),
            Route::parse("mail.example", "[::1]:2525", "none").unwrap(),
        ];
        let find = |domain: &str| find_route(&routes, &Domain::parse(domain).unwrap()).map(Route::tls);
        assert_eq!(find("MAIL.example"), Some(TlsPolicy::None));
        assert_eq!(find("sub.mail.example"), Some(TlsPolicy::Verify));
        assert!(find_route(&routes[1..], &Domain::parse("sub.mail.example").unwrap()).is_none());
    }
}
