//! What the DNS says about one name and type, and whether that was proven (DNSSEC).
//!
//! | answer | means |
//! |---|---|
//! | records | as found, aliases (CNAME) and what they lead to together |
//! | NXDOMAIN | there is no such name |
//! | no data | the name exists, without records of this type |
//! | SERVFAIL, refusal, silence, a referral | unknown: ask again later, and conclude nothing |
//!
//! Rules: names are asked for as they are, absolute, without search domains. Proven is only what a validating resolver
//! on this machine said so of ([`Validating`]); what other resolvers say counts as unproven, whatever bits they set.
//! When it fails: [`Reply::Unknown`].

use super::validating::Validating;
use crate::dns::{Absence, absence};
use crate::mail::Domain;
use hickory_resolver::TokioResolver;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use std::net::IpAddr;

/// Aliases followed from one name to its canonical one.
const MAX_ALIASES: usize = 16;

/// Whether DNSSEC vouches for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    Proven,
    Unproven,
}

/// An answer.
pub(super) enum Reply {
    Records(Vec<Record>, Proof),
    NoData(Proof),
    NoName,
    Unknown,
}

/// Who is asked.
pub(super) enum NameService {
    /// Any resolvers.
    Plain(Box<TokioResolver>),
    /// Resolvers on this machine that validate.
    Validating(Validating),
}

/// The addresses of a host.
pub(super) struct Addresses {
    pub(super) v4: Vec<IpAddr>,
    pub(super) v6: Vec<IpAddr>,
    /// Of all of them, and of the aliases on the way.
    pub(super) proof: Proof,
    /// Where the host's name is an alias: what it stands for.
    pub(super) canonical: Option<Domain>,
}

/// What was looked for, or why it is not there.
pub(super) enum Found<T> {
    Some(T),
    NoData(Proof),
    NoName,
    Unknown,
}

impl NameService {
    /// One question.
    pub(super) async fn ask(&self, name: &Name, kind: RecordType) -> Reply {
        match self {
            NameService::Plain(resolver) => match resolver.lookup(name.clone(), kind).await {
                Ok(lookup) => Reply::Records(lookup.answers().to_vec(), Proof::Unproven),
                Err(error) => nothing(&error),
            },
            NameService::Validating(resolver) => resolver.ask(name, kind).await,
        }
    }

    /// The texts of a TXT record set, the strings of each record joined (RFC 7208 §3.3).
    pub(super) async fn texts(&self, name: &str) -> Found<Vec<Vec<u8>>> {
        let Ok(name) = Name::from_ascii(name) else { return Found::NoName };
        match self.ask(&name, RecordType::TXT).await {
            Reply::Records(records, proof) => {
                let texts = records.iter().filter_map(|record| match &record.data {
                    RData::TXT(txt) => Some(txt.txt_data.concat()),
                    _ => None,
                });
                let texts: Vec<Vec<u8>> = texts.collect();
                if texts.is_empty() { Found::NoData(proof) } else { Found::Some(texts) }
            }
            Reply::NoData(proof) => Found::NoData(proof),
            Reply::NoName => Found::NoName,
            Reply::Unknown => Found::Unknown,
        }
    }

    /// A and AAAA of a host.
    pub(super) async fn addresses(&self, host: &Domain) -> Found<Addresses> {
        let Some(name) = absolute(host) else { return Found::NoName };
        let (v4, v6) = tokio::join!(self.ask(&name, RecordType::A), self.ask(&name, RecordType::AAAA));
        let mut found = Addresses { v4: Vec::new(), v6: Vec::new(), proof: Proof::Proven, canonical: None };
        let mut unknown = false;
        for reply in [v4, v6] {
            match reply {
                Reply::Records(records, proof) => {
                    found.proof = found.proof.and(proof);
                    found.canonical = found.canonical.or_else(|| canonical(&name, &records));
                    for record in &records {
                        match &record.data {
                            RData::A(a) => found.v4.push(IpAddr::V4(a.0)),
                            RData::AAAA(aaaa) => found.v6.push(IpAddr::V6(aaaa.0)),
                            _ => {}
                        }
                    }
                }
                Reply::NoData(_) | Reply::NoName => {}
                Reply::Unknown => unknown = true,
            }
        }
        if !found.v4.is_empty() || !found.v6.is_empty() {
            Found::Some(found)
        } else if unknown {
            Found::Unknown
        } else {
            Found::NoData(Proof::Unproven)
        }
    }
}

impl Proof {
    /// Proven only where both are.
    fn and(self, other: Self) -> Self {
        if self == other { self } else { Proof::Unproven }
    }
}

/// The name of a domain in the DNS, absolute.
pub(super) fn absolute(domain: &Domain) -> Option<Name> {
    Name::from_ascii(format!("{}.", domain.as_str())).ok()
}

/// Where the aliases of `name` lead; none where it is no alias.
fn canonical(name: &Name, records: &[Record]) -> Option<Domain> {
    let mut at = name;
    for _ in 0..MAX_ALIASES {
        let next = records.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if record.name == *at => Some(&target.0),
            _ => None,
        });
        match next {
            Some(next) => at = next,
            None => break,
        }
    }
    (at != name).then(|| Domain::parse(&at.to_ascii()).ok()).flatten()
}

/// What an error of the resolver means.
fn nothing(error: &NetError) -> Reply {
    match absence(error) {
        Absence::NoName => Reply::NoName,
        Absence::NoData => Reply::NoData(Proof::Unproven),
        Absence::NotSaid => Reply::Unknown,
    }
}
