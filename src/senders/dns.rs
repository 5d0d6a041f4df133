//! Asking the DNS for what senders publish.
//!
//! Rules: a name is asked as it is, absolute; there is no hosts file and no search domain. Answers are kept by the
//! resolver for their time to live, a bounded number of them. What the servers did not say is [`Found::Unknown`] and never
//! taken for *no*.
//! When it fails: [`DnsFault`] at start; later [`Found::Unknown`].

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use rustls::crypto::aws_lc_rs::default_provider;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Answers kept at once. The largest has 64 KiB (RFC 1035 §4.2.2), so 64 MiB if every one of them were made to be large.
const CACHED: u64 = 1024;
/// How long one question to one server may take, in each of two tries.
const QUESTION: Duration = Duration::from_secs(4);

/// Why the resolver cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DnsFault {
    #[error(
        "the system's resolver configuration (/etc/resolv.conf) cannot be read; name servers under [dns] servers"
    )]
    System,
    #[error("the resolver cannot be built")]
    Build,
}

/// What was found for a name.
pub(super) enum Found<T> {
    Some(Vec<T>),
    /// No such name, or none of these records: a void look-up (RFC 7208 §4.6.4).
    Nothing,
    /// The servers did not say: ask again later.
    Unknown,
}

/// A resolver.
pub(super) struct Dns(TokioResolver);

impl Dns {
    /// With these name servers, or the system's where there are none.
    pub fn new(servers: &[SocketAddr]) -> Result<Self, DnsFault> {
        let servers: Vec<NameServerConfig> = if servers.is_empty() {
            let (config, _) =
                hickory_resolver::system_conf::read_system_conf().map_err(|_| DnsFault::System)?;
            config.into_parts().2
        } else {
            servers.iter().map(name_server).collect()
        };
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        // Questions go by UDP and TCP; without a configuration for TLS the resolver wants the machine's certificates.
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|_| DnsFault::Build)?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let mut builder =
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_tls_config(tls);
        *builder.options_mut() = options();
        builder.build().map(Self).map_err(|_| DnsFault::Build)
    }

    /// TXT, each record's strings joined (RFC 7208 §3.3).
    pub async fn txt(&self, name: &str) -> Found<Vec<u8>> {
        self.find(name, RecordType::TXT, |data| match data {
            RData::TXT(txt) => Some(txt.txt_data.concat()),
            _ => None,
        })
        .await
    }

    /// A for an IPv4 client, AAAA for an IPv6 one.
    pub async fn addresses(&self, name: &str, family: IpAddr) -> Found<IpAddr> {
        let kind = if family.is_ipv4() { RecordType::A } else { RecordType::AAAA };
        self.find(name, kind, |data| match data {
            RData::A(a) => Some(IpAddr::V4(a.0)),
            RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
            _ => None,
        })
        .await
    }

    /// The hosts of MX.
    pub async fn exchanges(&self, name: &str) -> Found<String> {
        self.find(name, RecordType::MX, |data| match data {
            RData::MX(mx) => Some(text(&mx.exchange)),
            _ => None,
        })
        .await
    }

    /// The names that the owner of an address gave it.
    pub async fn names(&self, address: IpAddr) -> Found<String> {
        self.query(Name::from(address), RecordType::PTR, |data| match data {
            RData::PTR(ptr) => Some(text(&ptr.0)),
            _ => None,
        })
        .await
    }

    async fn find<T>(&self, name: &str, kind: RecordType, pick: impl Fn(&RData) -> Option<T>) -> Found<T> {
        // What cannot be a name has no records.
        let Some(name) = absolute(name) else { return Found::Nothing };
        self.query(name, kind, pick).await
    }

    async fn query<T>(&self, name: Name, kind: RecordType, pick: impl Fn(&RData) -> Option<T>) -> Found<T> {
        match self.0.lookup(name, kind).await {
            Ok(lookup) => {
                let found: Vec<T> = lookup.answers().iter().filter_map(|record| pick(&record.data)).collect();
                if found.is_empty() { Found::Nothing } else { Found::Some(found) }
            }
            Err(error) => nothing(&error),
        }
    }
}

/// A name by its labels: what stands in them is no escape.
fn absolute(name: &str) -> Option<Name> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut name = Name::from_labels(name.split('.').map(str::as_bytes)).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// The labels of a name joined by dots, nothing escaped.
fn text(name: &Name) -> String {
    let labels: Vec<_> = name.iter().map(String::from_utf8_lossy).collect();
    labels.join(".")
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

fn options() -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = QUESTION;
    options.attempts = 2;
    options.edns0 = true;
    options.try_tcp_on_error = true;
    options.use_hosts_file = ResolveHosts::Never;
    options.cache_size = CACHED;
    options.positive_max_ttl = Some(Duration::from_secs(3600));
    options.negative_max_ttl = Some(Duration::from_secs(300));
    options
}

/// What an error of the resolver means. No data with name servers and no SOA is a referral: not an answer.
fn nothing<T>(error: &NetError) -> Found<T> {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => Found::Nothing,
            ResponseCode::NoError if none.soa.is_some() || none.ns.is_none() => Found::Nothing,
            _ => Found::Unknown,
        },
        _ => Found::Unknown,
    }
}
