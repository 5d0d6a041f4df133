//! Asking the DNS for what senders publish.
//!
//! Rules: a name is asked as it is, absolute; there is no hosts file and no search domain. Answers are kept by the
//! resolver for their time to live, a bounded number of them. What the servers did not say is [`Found::Unknown`] and never
//! taken for *no*.
//! When it fails: [`ResolverFault`] at start; later [`Found::Unknown`].

use crate::dns::{Absence, ResolverFault, absence, name_servers, resolver};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolveHosts;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use rustls::crypto::aws_lc_rs::default_provider;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

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
    ///
    /// # Errors
    /// [`ResolverFault`].
    pub fn new(servers: &[SocketAddr]) -> Result<Self, ResolverFault> {
        // Questions go by UDP and TCP; without a configuration for TLS the resolver wants the machine's certificates.
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|_| ResolverFault::Build)?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        resolver(&name_servers(servers)?, Some(&tls), ResolveHosts::Never).map(Self)
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
            Err(error) => match absence(&error) {
                Absence::NoName | Absence::NoData => Found::Nothing,
                Absence::NotSaid => Found::Unknown,
            },
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
