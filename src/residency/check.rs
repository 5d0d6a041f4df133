//! Holds places against proofs.
//!
//! Rules: a name is judged by what it stands for now, each address of it; one that is not proven spoils the name. What
//! is looked at is what the system itself would connect to, so names go through the system's resolver.
//! When it fails: [`ResidencyError`] where a statement or the overlay cannot be used.

use super::places::{At, Place, Purpose, at_host, places};
use super::site::{Site, SiteError};
use super::{Finding, Origin, Report, Standing, mounts};
use crate::config::Config;
use crate::dns;
use crate::geo::{self, Country, Geo, OverlayError, Region};
use crate::ledger::Verifier;
use crate::mail::Timestamp;
use crate::store::Replica;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest wait for the addresses of a name.
const LOOK_UP: Duration = Duration::from_secs(10);
/// The kernel's list of mounts.
const MOUNTINFO: &str = "/proc/self/mountinfo";

/// Why places cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum ResidencyError {
    #[error("residency.sites: {file} cannot be read ({cause})")]
    Unreadable { file: String, cause: std::io::ErrorKind },
    #[error("residency.sites: {file}: {cause}")]
    Site { file: String, cause: SiteError },
    #[error("residency.country_overlay: {0}")]
    Overlay(#[from] OverlayError),
}

/// Judges places. Reads the statements anew at each look, since they end.
pub struct Checker {
    places: Vec<Place>,
    files: Vec<PathBuf>,
    officers: Vec<Verifier>,
    geo: Geo,
}

/// What a look knows.
struct Look<'a> {
    sites: Vec<Site>,
    geo: &'a Geo,
    mounts: String,
}

struct Judged {
    standing: Standing,
    evidence: String,
}

impl Judged {
    fn new(standing: Standing, evidence: impl Into<String>) -> Self {
        Self { standing, evidence: evidence.into() }
    }
}

impl Checker {
    /// For the places of `config`.
    ///
    /// # Errors
    /// [`ResidencyError::Overlay`].
    pub fn new(config: &Config) -> Result<Self, ResidencyError> {
        let geo = match &config.residency.country_overlay {
            Some(path) => Geo::with_overlay(path)?,
            None => Geo::default(),
        };
        let (files, officers) = (config.residency.sites.clone(), config.residency.officers.clone());
        Ok(Self { places: places(config), files, officers, geo })
    }

    /// Looks at all places, and at the `replicas` that the database names.
    ///
    /// # Errors
    /// [`ResidencyError`] where a statement cannot be read or does not count.
    pub async fn look(&self, replicas: &[Replica], now: Timestamp) -> Result<Report, ResidencyError> {
        let mounts = std::fs::read_to_string(MOUNTINFO).unwrap_or_default();
        let look = Look { sites: self.sites(now)?, geo: &self.geo, mounts };
        let mut findings = Vec::new();
        for place in self.places.iter().chain(&replicas.iter().map(replica).collect::<Vec<_>>()) {
            look.at(place, &mut findings).await;
        }
        Ok(Report { at: now, findings })
    }

    fn sites(&self, now: Timestamp) -> Result<Vec<Site>, ResidencyError> {
        let site = |file: &PathBuf| {
            let name = || file.display().to_string();
            let octets = read(file).map_err(|cause| ResidencyError::Unreadable { file: name(), cause })?;
            Site::read(&octets, &self.officers, now)
                .map_err(|cause| ResidencyError::Site { file: name(), cause })
        };
        self.files.iter().map(site).collect()
    }
}

/// A statement's octets; what is far too long for one is cut, and refused as such.
fn read(file: &Path) -> Result<Vec<u8>, std::io::ErrorKind> {
    use std::io::Read;
    let mut octets = Vec::new();
    let open = std::fs::File::open(file).map_err(|fault| fault.kind())?;
    open.take(1 << 20).read_to_end(&mut octets).map_err(|fault| fault.kind())?;
    Ok(octets)
}

fn replica(replica: &Replica) -> Place {
    let at = match replica {
        Replica::Local => At::Ip(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)),
        Replica::At(ip) => At::Ip(*ip),
        Replica::Hidden => At::Hidden,
    };
    Place { key: "storage.url".to_owned(), purpose: Purpose::Replica, at }
}

impl Look<'_> {
    async fn at(&self, place: &Place, findings: &mut Vec<Finding>) {
        let mut add = |shown: String, judged: Judged, origin: Origin| {
            let standing = if place.purpose == Purpose::Delivery { Standing::Apart } else { judged.standing };
            findings.push(Finding {
                key: place.key.clone(),
                purpose: place.purpose,
                place: shown,
                standing,
                evidence: judged.evidence,
                origin,
            });
        };
        if place.at == At::SystemResolvers {
            for (shown, judged, origin) in self.system_resolvers() {
                add(shown, judged, origin);
            }
        }
        let mut found = |shown: String, judged: Judged| add(shown, judged, Origin::Configured);
        match &place.at {
            At::File(path) => {
                let judged = match mounts::server(&self.mounts, path) {
                    None => Judged::new(Standing::InJapan, "this machine, by residency.storage"),
                    Some(server) => self.of_server(&server).await,
                };
                found(path.display().to_string(), judged);
            }
            At::Socket(path) => {
                found(path.display().to_string(), Judged::new(Standing::InJapan, "a socket of this machine"));
            }
            At::Ip(ip) => found(ip.to_string(), self.ip(*ip, None)),
            At::Host(host) => found(host.clone(), self.host(host).await),
            At::Zone(zone) => found(zone.clone(), self.zone(zone)),
            At::Hidden => found(
                "a replica".to_owned(),
                Judged::new(
                    Standing::Unproven,
                    "the database does not show its address to this user; GRANT pg_read_all_stats to it",
                ),
            ),
            At::SystemResolvers => {}
        }
    }

    async fn of_server(&self, server: &str) -> Judged {
        let judged = match at_host(server) {
            At::Ip(ip) => self.ip(ip, None),
            _ => self.host(server).await,
        };
        Judged { evidence: format!("mounted from {server}: {}", judged.evidence), ..judged }
    }

    /// An address; `name` is the host it stands for, if that is one of a provider's Japanese region.
    fn ip(&self, ip: IpAddr, name: Option<(&str, &str)>) -> Judged {
        let ip = ip.to_canonical();
        if ip.is_loopback() || ip.is_unspecified() {
            return Judged::new(Standing::InJapan, "this machine, by residency.storage");
        }
        if let Some(site) = self.sites.iter().find(|site| site.has(ip)) {
            return stated(site);
        }
        let country = self.geo.country(ip);
        match (country, name) {
            (None | Some(Country::JAPAN), Some((_, region))) => Judged::new(Standing::InJapan, region),
            (Some(country), Some((host, region))) if geo::may_register(host, country) => {
                Judged::new(Standing::InJapan, format!("{region}; its address is registered in {country}"))
            }
            (Some(Country::JAPAN), None) => Judged::new(
                Standing::Unproven,
                format!("{ip} is registered in JP, which shows no place; no site names it"),
            ),
            (Some(country), _) => Judged::new(Standing::Abroad, format!("{ip} is registered in {country}")),
            (None, None) => Judged::new(Standing::Unproven, format!("no site names {ip}")),
        }
    }

    async fn host(&self, host: &str) -> Judged {
        let region = match geo::region(host) {
            Some(Region::Abroad(region)) => {
                return Judged::new(Standing::Abroad, format!("the name is of {region}"));
            }
            Some(Region::Japan(region)) => Some(region),
            Some(Region::Untold(_)) | None => None,
        };
        let looked = tokio::time::timeout(LOOK_UP, tokio::net::lookup_host((host, 0))).await;
        let Ok(Ok(addresses)) = looked else {
            return Judged::new(Standing::Unknown, "the name does not resolve now");
        };
        let name = region.as_deref().map(|region| (host, region));
        let judged = addresses
            .map(|address| self.ip(address.ip(), name))
            .max_by_key(|judged| badness(judged.standing));
        judged.unwrap_or_else(|| Judged::new(Standing::Unknown, "the name has no address now"))
    }

    fn zone(&self, zone: &str) -> Judged {
        match self.sites.iter().find(|site| site.has_host(zone)) {
            Some(site) => stated(site),
            None => Judged::new(
                Standing::Unproven,
                "the addresses of clients are asked for there, and no site names it",
            ),
        }
    }

    /// The resolvers that nobody named here, one by one: an address that a registry delegated stands elsewhere,
    /// whoever runs it.
    fn system_resolvers(&self) -> Vec<(String, Judged, Origin)> {
        let Ok(servers) = dns::name_servers(&[]) else {
            let judged = Judged::new(Standing::Unknown, "/etc/resolv.conf cannot be read");
            return vec![("the system's resolvers".to_owned(), judged, Origin::Neighbour)];
        };
        let of = |ip: IpAddr| {
            let is_private = self.geo.locate(ip).registry.is_none();
            let origin = if is_private { Origin::Neighbour } else { Origin::Delegated };
            (format!("{ip} (of /etc/resolv.conf)"), self.ip(ip, None), origin)
        };
        servers.iter().map(|server| of(server.ip)).collect()
    }
}

fn stated(site: &Site) -> Judged {
    let Site { statement, officer } = site;
    let until = statement.until.to_rfc3339();
    Judged::new(Standing::InJapan, format!("site {}, stated by {officer} until {until}", statement.site))
}

fn badness(standing: Standing) -> u8 {
    match standing {
        Standing::Apart | Standing::InJapan => 0,
        Standing::Unknown => 1,
        Standing::Unproven => 2,
        Standing::Abroad => 3,
    }
}
