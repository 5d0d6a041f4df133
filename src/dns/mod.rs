//! Questions to the DNS: the resolver, as all floors use it, and plain look-ups for `anshin dns --check` and block lists.
//!
//! Rules: names are absolute, no search domain is tried; "there is none" and "nobody could say" are two answers.
//! When it fails: [`ResolverFault`] at start; [`Looked::Unknown`] later.

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Why the resolver cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResolverFault {
    #[error(
        "the system's resolver configuration (/etc/resolv.conf) cannot be read; name servers under [dns] servers"
    )]
    System,
    #[error("the resolver cannot be built")]
    Build,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A and AAAA together.
    Address,
    Mx,
    Ptr,
    Tlsa,
    Txt,
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looked {
    /// The data of the records, as a zone file writes it; a TXT in one piece, without quotes.
    Found(Vec<String>),
    /// There is none.
    None,
    /// The name servers did not say.
    Unknown,
}

/// Answers kept at once. The largest has 64 KiB (RFC 1035 §4.2.2), so 64 MiB if every one of them were made to be large.
const CACHED: u64 = 1024;

/// Asks. Cheap to clone.
#[derive(Clone)]
pub struct Lookup(TokioResolver);

impl Lookup {
    /// With these name servers, or the system's where there are none.
    ///
    /// # Errors
    /// [`ResolverFault`].
    pub fn new(servers: &[SocketAddr]) -> Result<Self, ResolverFault> {
        resolver(&name_servers(servers)?, None, ResolveHosts::Never).map(Self)
    }

    /// The records of `name`, which has no root dot.
    pub async fn ask(&self, name: &str, kind: Kind) -> Looked {
        match kind {
            Kind::Address => {
                let (v4, v6) = tokio::join!(self.one(name, RecordType::A), self.one(name, RecordType::AAAA));
                match (v4, v6) {
                    (Looked::Found(mut v4), Looked::Found(v6)) => {
                        v4.extend(v6);
                        Looked::Found(v4)
                    }
                    (Looked::Found(one), _) | (_, Looked::Found(one)) => Looked::Found(one),
                    (Looked::Unknown, _) | (_, Looked::Unknown) => Looked::Unknown,
                    _ => Looked::None,
                }
            }
            Kind::Mx => self.one(name, RecordType::MX).await,
            Kind::Ptr => self.one(name, RecordType::PTR).await,
            Kind::Tlsa => self.one(name, RecordType::TLSA).await,
            Kind::Txt => self.one(name, RecordType::TXT).await,
        }
    }

    async fn one(&self, name: &str, kind: RecordType) -> Looked {
        let Ok(name) = Name::from_ascii(format!("{name}.")) else { return Looked::None };
        match self.0.lookup(name, kind).await {
            Ok(lookup) => {
                let found: Vec<_> = lookup.answers().iter().filter_map(|record| text(&record.data)).collect();
                if found.is_empty() { Looked::None } else { Looked::Found(found) }
            }
            Err(error) => match absence(&error) {
                Absence::NoName | Absence::NoData => Looked::None,
                Absence::NotSaid => Looked::Unknown,
            },
        }
    }
}

/// What it means that no records came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// There is no such name.
    NoName,
    /// The name has none of these records.
    NoData,
    /// The servers did not say: ask again later.
    NotSaid,
}

/// What an error of the resolver means, for every reader alike. No data with name servers and no SOA is a referral
/// (RFC 2308 §2.1, §2.2): the server that was asked did not do its work.
#[must_use]
pub fn absence(error: &NetError) -> Absence {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => Absence::NoName,
            ResponseCode::NoError if none.soa.is_some() || none.ns.is_none() => Absence::NoData,
            _ => Absence::NotSaid,
        },
        _ => Absence::NotSaid,
    }
}

/// These name servers, or the system's where there are none.
///
/// # Errors
/// [`ResolverFault::System`] when the system's can't be read.
pub fn name_servers(servers: &[SocketAddr]) -> Result<Vec<NameServerConfig>, ResolverFault> {
    if !servers.is_empty() {
        return Ok(servers.iter().map(name_server).collect());
    }
    let (config, _) = hickory_resolver::system_conf::read_system_conf().map_err(|_| ResolverFault::System)?;
    Ok(config.into_parts().2)
}

/// A resolver that asks them; with TLS where they want it.
///
/// # Errors
/// [`ResolverFault::Build`].
pub fn resolver(
    servers: &[NameServerConfig],
    tls: Option<&rustls::ClientConfig>,
    hosts: ResolveHosts,
) -> Result<TokioResolver, ResolverFault> {
    let config = ResolverConfig::from_parts(None, Vec::new(), servers.to_vec());
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    if let Some(tls) = tls {
        builder = builder.with_tls_config(tls.clone());
    }
    *builder.options_mut() = options(hosts);
    builder.build().map_err(|_| ResolverFault::Build)
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    let at_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    server.connections = server.connections.into_iter().map(at_port).collect();
    server
}

fn options(hosts: ResolveHosts) -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = Duration::from_secs(5);
    options.attempts = 2;
    options.edns0 = true;
    options.cache_size = CACHED;
    options.try_tcp_on_error = true;
    options.use_hosts_file = hosts;
    options.positive_min_ttl = Some(Duration::from_secs(30));
    options.positive_max_ttl = Some(Duration::from_secs(24 * 3600));
    options.negative_max_ttl = Some(Duration::from_secs(300));
    options
}

fn text(data: &RData) -> Option<String> {
    match data {
        RData::A(a) => Some(a.0.to_string()),
        RData::AAAA(aaaa) => Some(aaaa.0.to_string()),
        RData::MX(mx) => Some(format!("{} {}", mx.preference, mx.exchange.to_ascii().to_ascii_lowercase())),
        RData::PTR(name) => Some(name.0.to_ascii().to_ascii_lowercase()),
        RData::TXT(txt) => {
            let whole = txt.txt_data.iter().flat_map(|piece| piece.iter().copied()).collect::<Vec<u8>>();
            Some(String::from_utf8_lossy(&whole).into_owned())
        }
        RData::TLSA(tlsa) => Some(tlsa.to_string().to_ascii_lowercase()),
        _ => None,
    }
}

/// The name under which an address is looked up backwards (RFC 1035 §3.5, RFC 3596 §2.5), or asked for in a block list
/// (RFC 5782 §2.1, §2.4), without its end.
#[must_use]
pub fn reversed(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}")
        }
        IpAddr::V6(v6) => {
            let nibbles = v6.octets().into_iter().rev().flat_map(|octet| [octet & 15, octet >> 4]);
            nibbles.map(|nibble| format!("{nibble:x}")).collect::<Vec<_>>().join(".")
        }
    }
}

/// The name of the PTR record of an address.
#[must_use]
pub fn ptr_name(ip: IpAddr) -> String {
    let zone = if ip.to_canonical().is_ipv4() { "in-addr.arpa" } else { "ip6.arpa" };
    format!("{}.{zone}", reversed(ip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_referral_is_no_answer_and_a_name_without_records_is_one() {
        use hickory_resolver::net::NoRecords;
        use hickory_resolver::proto::op::Query;
        let none = |code| NoRecords::new(Query::query(Name::root(), RecordType::TXT), code);
        let means = |none: NoRecords| absence(&NetError::Dns(DnsError::NoRecordsFound(none)));
        assert_eq!(means(none(ResponseCode::NoError)), Absence::NoData);
        assert_eq!(means(none(ResponseCode::NXDomain)), Absence::NoName);
        assert_eq!(means(none(ResponseCode::ServFail)), Absence::NotSaid);
        let mut referral = none(ResponseCode::NoError);
        referral.ns = Some(Vec::new().into());
        assert_eq!(means(referral), Absence::NotSaid);
    }

    #[test]
    fn addresses_are_turned_round_by_octets_and_by_nibbles() {
        assert_eq!(ptr_name("192.0.2.25".parse().unwrap()), "25.2.0.192.in-addr.arpa");
        let v6 = ptr_name("2001:db8::567:89ab".parse().unwrap());
        assert_eq!(v6, "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
    }
}
