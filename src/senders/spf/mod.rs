//! SPF (RFC 7208): may this client send for this domain?
//!
//! Read and evaluated here and not by `mail-auth`, which takes many a broken record for a good one and counts of the limits
//! of §4.6.4 the first only: ten terms that ask the DNS, two look-ups that find nothing, ten exchanges, ten names of an
//! address. Explanations (`exp=`) are not fetched: we repeat nobody's words. `tests/suites/spf.py` runs the public suite.
//! When it fails: [`Spf::TempError`], where the DNS did not answer.

mod macros;
mod record;

use super::dns::{Dns, Found};
use macros::{DomainSpec, Values};
use record::{Mechanism, Prefix, Qualifier, Record, is_record};
use std::net::{IpAddr, Ipv4Addr};

/// Terms that ask the DNS (RFC 7208 §4.6.4).
const TERMS_MAX: usize = 10;
/// Look-ups that find nothing (RFC 7208 §4.6.4).
const VOIDS_MAX: usize = 2;
/// Exchanges of one `mx`, and names of one `ptr` (RFC 7208 §4.6.4).
const NAMES_MAX: usize = 10;
/// Longest name, without the root dot (RFC 7208 §7.3).
const NAME_MAX: usize = 253;

/// The result of a check (RFC 7208 §2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spf {
    None,
    Neutral,
    Pass,
    Fail,
    SoftFail,
    TempError,
    PermError,
}

impl Spf {
    /// The word of RFC 8601 §2.7.2.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Spf::None => "none",
            Spf::Neutral => "neutral",
            Spf::Pass => "pass",
            Spf::Fail => "fail",
            Spf::SoftFail => "softfail",
            Spf::TempError => "temperror",
            Spf::PermError => "permerror",
        }
    }

    fn of(qualifier: Qualifier) -> Self {
        match qualifier {
            Qualifier::Pass => Spf::Pass,
            Qualifier::Fail => Spf::Fail,
            Qualifier::SoftFail => Spf::SoftFail,
            Qualifier::Neutral => Spf::Neutral,
        }
    }
}

/// Who sends, for macros (RFC 7208 §7.2).
pub(super) struct Client<'a> {
    pub ip: IpAddr,
    pub helo: &'a str,
    /// The reverse-path; `postmaster@` HELO for the null one (§2.4).
    pub sender: &'a str,
}

/// `check_host()` (RFC 7208 §4).
pub(super) async fn check(dns: &Dns, client: &Client<'_>, domain: &str) -> Spf {
    let mut check = Check { dns, client, terms: 0, voids: 0, validated: None };
    match check.host(domain.to_owned()).await {
        Ok(spf) | Err(spf) => spf,
    }
}

/// Whether a text is a record without an error.
#[cfg(test)]
pub(super) fn reads(text: &[u8]) -> bool {
    Record::parse(text).is_ok()
}

struct Check<'a> {
    dns: &'a Dns,
    client: &'a Client<'a>,
    terms: usize,
    voids: usize,
    /// The validated name of the client, for the macro `p`, once it was asked for.
    validated: Option<String>,
}

impl Check<'_> {
    /// The result for a domain; `Err` ends the whole check.
    async fn host(&mut self, mut domain: String) -> Result<Spf, Spf> {
        // RFC 7208 §4.3.
        if !is_checkable(&domain) {
            return Ok(Spf::None);
        }
        let mut found = self.record(&domain).await?;
        loop {
            let Some(record) = found else { return Ok(Spf::None) };
            for (qualifier, mechanism) in &record.directives {
                if self.matches(mechanism, &domain).await? {
                    return Ok(Spf::of(*qualifier));
                }
            }
            let Some(redirect) = &record.redirect else { return Ok(Spf::Neutral) };
            self.term()?;
            domain = self.expand(Some(redirect), &domain).await;
            found = match is_checkable(&domain) {
                true => self.record(&domain).await?,
                false => None,
            };
            // RFC 7208 §6.1.
            if found.is_none() {
                return Err(Spf::PermError);
            }
        }
    }

    /// The one record of a domain (RFC 7208 §4.5).
    async fn record(&mut self, domain: &str) -> Result<Option<Record>, Spf> {
        let texts = match self.dns.txt(domain).await {
            Found::Some(texts) => texts,
            Found::Nothing => {
                // The first look-up is no term's.
                if self.terms > 0 {
                    self.void()?;
                }
                return Ok(None);
            }
            Found::Unknown => return Err(Spf::TempError),
        };
        let mut records = texts.iter().filter(|text| is_record(text));
        match (records.next(), records.next()) {
            (None, _) => Ok(None),
            (Some(one), None) => Record::parse(one).map(Some).map_err(|_| Spf::PermError),
            (Some(_), Some(_)) => Err(Spf::PermError),
        }
    }

    async fn matches(&mut self, mechanism: &Mechanism, domain: &str) -> Result<bool, Spf> {
        match mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip4(network, bits) => {
                Ok(self.is_within((*network).into(), Prefix { v4: *bits, v6: 0 }))
            }
            Mechanism::Ip6(network, bits) => {
                Ok(self.is_within((*network).into(), Prefix { v4: 0, v6: *bits }))
            }
            Mechanism::A(spec, prefix) => {
                self.term()?;
                let name = self.expand(spec.as_ref(), domain).await;
                self.has_address(&name, *prefix).await
            }
            Mechanism::Mx(spec, prefix) => {
                self.term()?;
                let name = self.expand(spec.as_ref(), domain).await;
                let exchanges = match self.dns.exchanges(&name).await {
                    Found::Some(exchanges) => exchanges,
                    Found::Nothing => return self.void().map(|()| false),
                    Found::Unknown => return Err(Spf::TempError),
                };
                if exchanges.len() > NAMES_MAX {
                    return Err(Spf::PermError);
                }
                for exchange in exchanges {
                    if self.has_address(&exchange, *prefix).await? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Mechanism::Include(spec) => {
                self.term()?;
                let name = self.expand(Some(spec), domain).await;
                match Box::pin(self.host(name)).await? {
                    Spf::Pass => Ok(true),
                    Spf::Fail | Spf::SoftFail | Spf::Neutral => Ok(false),
                    Spf::TempError => Err(Spf::TempError),
                    Spf::None | Spf::PermError => Err(Spf::PermError),
                }
            }
            Mechanism::Ptr(spec) => {
                self.term()?;
                let name = self.expand(spec.as_ref(), domain).await;
                let names = self.validated_names().await?;
                Ok(names.iter().any(|own| is_at_or_below(own, &name)))
            }
            Mechanism::Exists(spec) => {
                self.term()?;
                let name = self.expand(Some(spec), domain).await;
                // RFC 7208 §5.7: A, whatever the client has.
                match self.dns.addresses(&name, IpAddr::V4(Ipv4Addr::UNSPECIFIED)).await {
                    Found::Some(_) => Ok(true),
                    Found::Nothing => self.void().map(|()| false),
                    Found::Unknown => Err(Spf::TempError),
                }
            }
        }
    }

    async fn has_address(&mut self, name: &str, prefix: Prefix) -> Result<bool, Spf> {
        match self.dns.addresses(name, self.client.ip).await {
            Found::Some(addresses) => {
                Ok(addresses.into_iter().any(|address| self.is_within(address, prefix)))
            }
            Found::Nothing => self.void().map(|()| false),
            Found::Unknown => Err(Spf::TempError),
        }
    }

    fn is_within(&self, network: IpAddr, prefix: Prefix) -> bool {
        match (self.client.ip, network) {
            (IpAddr::V4(ip), IpAddr::V4(network)) => {
                let mask = u32::MAX.checked_shl(32_u32.saturating_sub(prefix.v4.into())).unwrap_or(0);
                ip.to_bits() & mask == network.to_bits() & mask
            }
            (IpAddr::V6(ip), IpAddr::V6(network)) => {
                let mask = u128::MAX.checked_shl(128_u32.saturating_sub(prefix.v6.into())).unwrap_or(0);
                ip.to_bits() & mask == network.to_bits() & mask
            }
            _ => false,
        }
    }

    /// The client's names that lead back to it (RFC 7208 §5.5). What the DNS does not say is no name.
    async fn validated_names(&mut self) -> Result<Vec<String>, Spf> {
        let names = match self.dns.names(self.client.ip).await {
            Found::Some(names) => names,
            Found::Nothing => return self.void().map(|()| Vec::new()),
            Found::Unknown => return Ok(Vec::new()),
        };
        let mut validated = Vec::new();
        for name in names.into_iter().take(NAMES_MAX) {
            if let Found::Some(addresses) = self.dns.addresses(&name, self.client.ip).await
                && addresses.contains(&self.client.ip)
            {
                validated.push(name);
            }
        }
        Ok(validated)
    }

    /// The domain that a term is about: its own, expanded, or the one that is checked.
    async fn expand(&mut self, spec: Option<&DomainSpec>, domain: &str) -> String {
        let Some(spec) = spec else { return domain.to_owned() };
        if spec.needs_validated_name() && self.validated.is_none() {
            let names = self.validated_names().await.unwrap_or_default();
            let best = names
                .iter()
                .find(|name| is_same(name, domain))
                .or_else(|| names.iter().find(|name| is_at_or_below(name, domain)))
                .or(names.first());
            self.validated = Some(best.map_or("unknown", |name| name.trim_end_matches('.')).to_owned());
        }
        spec.expand(&Values {
            ip: self.client.ip,
            sender: self.client.sender,
            helo: self.client.helo,
            domain,
            validated: self.validated.as_deref().unwrap_or("unknown"),
        })
    }

    fn term(&mut self) -> Result<(), Spf> {
        self.terms += 1;
        if self.terms > TERMS_MAX { Err(Spf::PermError) } else { Ok(()) }
    }

    fn void(&mut self) -> Result<(), Spf> {
        self.voids += 1;
        if self.voids > VOIDS_MAX { Err(Spf::PermError) } else { Ok(()) }
    }
}

/// Whether a name is one that can have a record: labels of 1 to 63 octets, more than one (RFC 7208 §4.3).
fn is_checkable(domain: &str) -> bool {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    domain.len() <= NAME_MAX
        && domain.contains('.')
        && !domain.starts_with('[')
        && domain.split('.').all(|label| (1..=63).contains(&label.len()))
}

fn is_same(name: &str, other: &str) -> bool {
    name.trim_end_matches('.').eq_ignore_ascii_case(other.trim_end_matches('.'))
}

fn is_at_or_below(name: &str, parent: &str) -> bool {
    let (name, parent) = (name.trim_end_matches('.'), parent.trim_end_matches('.'));
    is_same(name, parent)
        || name
            .len()
            .checked_sub(parent.len())
            .and_then(|at| name.split_at_checked(at))
            .is_some_and(|(head, tail)| head.ends_with('.') && tail.eq_ignore_ascii_case(parent))
}
