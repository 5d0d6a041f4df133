//! Holds places against proofs.
//!
//! Rules: a name is judged by what it stands for now, each address of it; one that is not proven spoils the name. What
//! is looked at is what the system itself would connect to, so names go through the system's resolver. A statement that does
//! not count proves nothing and harms nothing else; it is shown.
//! When it fails: [`OverlayError`] where the country database cannot be used. What is found is a report.

use super::places::{At, Place, Purpose, at_host, places};
use super::said::Said;
use super::site::{Site, SiteError};
use super::{Finding, Report, Source, Standing, mounts};
use crate::config::Config;
use crate::geo::{self, Country, Geo, Located, OverlayError, Region};
use crate::ledger::Verifier;
use crate::mail::Timestamp;
use crate::store::Replica;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The longest wait for the addresses of a name.
const LOOK_UP: Duration = Duration::from_secs(10);
/// Where systemd's resolver listens (systemd-resolved.service(8)); whom it asks stands in a file of its own.
const STUBS: [&str; 2] = ["127.0.0.53", "127.0.0.54"];

/// The files of the machine that are read.
struct Ground {
    mountinfo: PathBuf,
    resolvers: PathBuf,
    behind_the_stub: PathBuf,
}

impl Default for Ground {
    fn default() -> Self {
        Self {
            mountinfo: "/proc/self/mountinfo".into(),
            resolvers: "/etc/resolv.conf".into(),
            behind_the_stub: "/run/systemd/resolve/resolv.conf".into(),
        }
    }
}

/// What the database itself says of its place.
#[derive(Debug, Default)]
pub struct Told {
    /// The address at which the server sees itself.
    pub server: Option<IpAddr>,
    /// Who copies it.
    pub replicas: Vec<Replica>,
}

/// Judges places. Reads statements, mounts and resolvers anew at each look, since they change.
pub struct Checker {
    places: Vec<Place>,
    files: Vec<PathBuf>,
    officers: Vec<Verifier>,
    geo: Arc<Geo>,
    ground: Ground,
}

/// What a look knows.
struct Look<'a> {
    sites: Vec<Site>,
    geo: &'a Geo,
    ground: &'a Ground,
    mounts: String,
}

struct Judged {
    standing: Standing,
    evidence: Said,
}

impl Judged {
    fn new(standing: Standing, english: impl Into<String>, japanese: impl Into<String>) -> Self {
        Self { standing, evidence: Said::new(english, japanese) }
    }
}

impl Checker {
    /// For the places of `config`.
    ///
    /// # Errors
    /// [`OverlayError`].
    pub fn new(config: &Config) -> Result<Self, OverlayError> {
        let of = &config.residency;
        let geo = Geo::open(of.country_overlay.as_deref(), of.network_overlay.as_deref())?;
        let (files, officers) = (config.residency.sites.clone(), config.residency.officers.clone());
        let geo = Arc::new(geo);
        Ok(Self { places: places(config), files, officers, geo, ground: Ground::default() })
    }

    /// By what it looks addresses up.
    #[must_use]
    pub fn geo(&self) -> Arc<Geo> {
        self.geo.clone()
    }

    /// For a next hop that an operator names, and nothing else.
    #[must_use]
    pub fn for_next_hop(self, host: &str) -> Self {
        let place = Place { key: "--to".to_owned(), purpose: Purpose::Smarthost, at: at_host(host) };
        Self { places: vec![place], ..self }
    }

    /// For the service that wraps the ring's keys, and nothing else: it is asked before anything is opened.
    #[must_use]
    pub fn for_key_service(self) -> Self {
        let is_asked = |place: &Place| place.purpose == Purpose::KeyService;
        Self { places: self.places.into_iter().filter(is_asked).collect(), ..self }
    }

    /// For a file into which somebody has user information written, and nothing else.
    #[must_use]
    pub fn for_export(self, key: &str, path: &Path) -> Self {
        // What is to be written is not there yet; where its directory lies it lies too.
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let place = Place { key: key.to_owned(), purpose: Purpose::Export, at: At::File(dir.to_owned()) };
        Self { places: vec![place], ..self }
    }

    /// Looks at all places, and at what the database told of itself, if it was asked.
    pub async fn look(&self, told: &Told, now: Timestamp) -> Report {
        let mut findings = Vec::new();
        let mut look =
            Look { sites: Vec::new(), geo: &self.geo, ground: &self.ground, mounts: self.mounts() };
        for file in &self.files {
            match self.site(file, now) {
                Ok(site) => look.sites.push(site),
                Err((standing, evidence)) => findings.push(Finding {
                    key: "residency.sites".to_owned(),
                    purpose: Purpose::Statement,
                    place: file.display().to_string(),
                    standing,
                    evidence: evidence.english,
                    evidence_ja: evidence.japanese,
                    source: Source::Configured,
                }),
            }
        }
        let copies = told.replicas.iter().map(replica);
        for place in self.places.iter().cloned().chain(copies) {
            look.at(&place, &mut findings).await;
        }
        findings.extend(told.server.and_then(|ip| look.server(ip)));
        Report { at: now, findings }
    }

    /// Changes when a statement, a file about addresses, the list of mounts or that of resolvers does.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let data = self.geo.data_files();
        for file in self.files.iter().chain(data.iter().map(|file| &file.path)) {
            let meta = std::fs::metadata(file).ok();
            meta.map(|meta| (meta.len(), meta.modified().ok())).hash(&mut hasher);
        }
        for file in [&self.ground.mountinfo, &self.ground.resolvers, &self.ground.behind_the_stub] {
            std::fs::read(file).ok().hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Octets that are no UTF-8 stand in names of mounts; they hide no other line.
    fn mounts(&self) -> String {
        let octets = std::fs::read(&self.ground.mountinfo).unwrap_or_default();
        String::from_utf8_lossy(&octets).into_owned()
    }

    fn site(&self, file: &Path, now: Timestamp) -> Result<Site, (Standing, Said)> {
        let unread = |cause| Said::new(format!("it cannot be read ({cause})"), "読み取れません");
        let octets = read(file).map_err(|cause| (Standing::Void, unread(cause)))?;
        Site::read(&octets, &self.officers, now).map_err(|cause| {
            let said = Said::new(cause.to_string(), cause.japanese());
            match cause {
                SiteError::Ended(_) | SiteError::NotYet(_) => (Standing::Ended, said),
                _ => (Standing::Void, said),
            }
        })
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
        let mut add = |shown: String, judged: Judged, source: Source| {
            let (key, purpose) = (place.key.clone(), place.purpose);
            let Judged { standing, evidence: Said { english: evidence, japanese: evidence_ja } } = judged;
            findings.push(Finding { key, purpose, place: shown, standing, evidence, evidence_ja, source });
        };
        let (shown, judged) = match &place.at {
            At::SystemResolvers => {
                for (shown, judged, source) in self.system_resolvers() {
                    add(shown, judged, source);
                }
                return;
            }
            // Not even its name is asked for: nobody judges where a recipient's mailbox is.
            at if place.purpose == Purpose::Delivery => {
                (at.to_string(), Judged::new(Standing::Apart, "a way to recipients", "宛先への経路"))
            }
            At::File(path) => (path.display().to_string(), self.file(path).await),
            At::Socket(path) => {
                let judged = Judged::new(Standing::InJapan, "a socket of this machine", "この機器のソケット");
                (path.display().to_string(), judged)
            }
            At::Ip(ip) => (ip.to_string(), self.ip(*ip, None)),
            At::Host(host) => (host.clone(), self.host(host).await),
            At::Zone(zone) => (zone.clone(), self.zone(zone, place.purpose)),
            At::Hidden => {
                let why = "the database does not show its address to this user";
                let judged = Judged::new(Standing::Unproven, why, "データベースがアドレスを示しません");
                ("a replica".to_owned(), judged)
            }
        };
        add(shown, judged, Source::Configured);
    }

    async fn file(&self, path: &Path) -> Judged {
        match mounts::lies(&self.mounts, &canonical(path)) {
            mounts::Lies::Here => Judged::new(
                Standing::InJapan,
                "a disk of this machine, by residency.storage",
                "この機器のディスク(residency.storageによる)",
            ),
            mounts::Lies::Unknown => Judged::new(
                Standing::Unknown,
                "the list of mounts does not tell where it lies",
                "マウントの一覧から所在が分かりません",
            ),
            mounts::Lies::On(server) => {
                let judged = match at_host(&server) {
                    At::Ip(ip) => self.ip(ip, None),
                    _ => self.host(&server).await,
                };
                let standing = match judged.standing {
                    // A bucket or a device has no address: nothing shows where it is.
                    Standing::Unknown => Standing::Unproven,
                    standing => standing,
                };
                let from = Said::new(format!("mounted from {server}: "), format!("{server} からマウント: "));
                Judged { standing, evidence: from.and(&judged.evidence) }
            }
        }
    }

    /// What the database says of its own address counts only against it: a tunnel may end anywhere.
    fn server(&self, ip: IpAddr) -> Option<Finding> {
        let judged = self.ip(ip, None);
        (judged.standing == Standing::Abroad).then(|| Finding {
            key: "storage.url".to_owned(),
            purpose: Purpose::Storage,
            place: ip.to_string(),
            standing: judged.standing,
            evidence: format!("the database says that it is there; {}", judged.evidence.english),
            evidence_ja: format!("データベース自身が示した所在。{}", judged.evidence.japanese),
            source: Source::Configured,
        })
    }

    /// An address; `name` is the host it stands for, if that is one of a provider's Japanese region.
    fn ip(&self, ip: IpAddr, name: Option<(&str, &str)>) -> Judged {
        let ip = geo::embedded(ip);
        if ip.is_loopback() || ip.is_unspecified() {
            return Judged::new(
                Standing::InJapan,
                "this machine, by residency.storage",
                "この機器(residency.storageによる)",
            );
        }
        let located = self.geo.locate(ip);
        if let Some(site) = self.sites.iter().find(|site| site.has(ip)) {
            return stated(site, located);
        }
        let Located { registry, overlay } = located;
        let disputed = Said::disputed(located);
        let judged = |standing, english: String, japanese: String| Judged {
            standing,
            evidence: Said::new(english, japanese).and(&disputed),
        };
        let fits = |country: Option<Country>| {
            country.is_none_or(|country| {
                country == Country::JAPAN || name.is_some_and(|(host, _)| geo::may_register(host, country))
            })
        };
        match (located.country(ip.is_ipv4()), name) {
            (_, Some((_, region))) if fits(registry) && overlay.is_none_or(|one| one == Country::JAPAN) => {
                judged(Standing::InJapan, region.to_owned(), region.to_owned())
            }
            (Some(country), Some((host, region)))
                if geo::may_register(host, country)
                    && overlay.is_none_or(|one| geo::may_register(host, one)) =>
            {
                judged(
                    Standing::InJapan,
                    format!("{region}; its address is registered in {country}"),
                    format!("{region}(アドレスの登録国は{country})"),
                )
            }
            (Some(Country::JAPAN), None) => judged(
                Standing::Unproven,
                format!("{ip} is registered in JP, which shows no place; no site names it"),
                format!(
                    "{ip} はJPに登録されていますが、所在の証明にはならず、証明された拠点にも含まれません"
                ),
            ),
            (Some(country), _) => judged(
                Standing::Abroad,
                format!("{ip} is registered in {country}"),
                format!("{ip} の登録国は{country}です"),
            ),
            (None, Some(_)) => judged(
                Standing::Abroad,
                format!("{ip} is registered elsewhere"),
                format!("{ip} は国外に登録されています"),
            ),
            (None, None) => judged(
                Standing::Unproven,
                format!("no site names {ip}"),
                format!("{ip} は証明された拠点に含まれません"),
            ),
        }
    }

    async fn host(&self, host: &str) -> Judged {
        let region = match geo::region(host) {
            Some(Region::Abroad(region)) => {
                let (english, japanese) =
                    (format!("the name is of {region}"), format!("{region} の名前です"));
                return Judged::new(Standing::Abroad, english, japanese);
            }
            Some(Region::Japan(region)) => Some(region),
            None => None,
        };
        let looked = tokio::time::timeout(LOOK_UP, tokio::net::lookup_host((host, 0))).await;
        let Ok(Ok(addresses)) = looked else {
            return Judged::new(Standing::Unknown, "the name does not resolve now", "名前を解決できません");
        };
        let name = region.as_deref().map(|region| (host, region));
        let judged = addresses.map(|address| self.ip(address.ip(), name));
        let judged = judged.max_by_key(|judged| badness(judged.standing));
        judged.unwrap_or_else(|| {
            Judged::new(Standing::Unknown, "the name has no address now", "名前にアドレスがありません")
        })
    }

    fn zone(&self, zone: &str, purpose: Purpose) -> Judged {
        match self.sites.iter().find(|site| site.has_zone(zone)) {
            Some(site) => stated(site, Located { registry: None, overlay: None }),
            None => {
                let (english, japanese) = match purpose {
                    Purpose::Operator => (
                        "people's mail to the operator goes there, and no site names it",
                        "運営者あてのメールの送り先ですが、証明された拠点に含まれません",
                    ),
                    _ => (
                        "the addresses of clients are asked for there, and no site names it",
                        "接続元のアドレスを問い合わせる先ですが、証明された拠点に含まれません",
                    ),
                };
                Judged::new(Standing::Unproven, english, japanese)
            }
        }
    }

    /// The resolvers that nobody named here, one by one; behind a stub also those that it asks.
    fn system_resolvers(&self) -> Vec<(String, Judged, Source)> {
        let listed = |file: &Path| name_servers(&std::fs::read_to_string(file).unwrap_or_default());
        let mut servers: Vec<_> =
            listed(&self.ground.resolvers).into_iter().map(|ip| (ip, &self.ground.resolvers)).collect();
        if servers.iter().any(|(ip, _)| STUBS.contains(&ip.to_string().as_str())) {
            let behind = &self.ground.behind_the_stub;
            servers.extend(listed(behind).into_iter().map(|ip| (ip, behind)));
        }
        let of = |(ip, file): (IpAddr, &PathBuf)| {
            let source = if is_neighbour(ip) { Source::Neighbour } else { Source::Delegated };
            (format!("{ip} (of {})", file.display()), self.ip(ip, None), source)
        };
        servers.into_iter().map(of).collect()
    }
}

/// The path without links and dots, as far as it exists.
fn canonical(path: &Path) -> PathBuf {
    for ancestor in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (ancestor.canonicalize(), path.strip_prefix(ancestor)) {
            return real.join(rest);
        }
    }
    path.to_owned()
}

/// The addresses that resolv.conf(5) names.
fn name_servers(text: &str) -> Vec<IpAddr> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let word = words.next().filter(|word| *word == "nameserver").and(words.next())?;
        word.split('%').next()?.parse().ok()
    };
    text.lines().filter_map(address).collect()
}

/// An address that means something only on this machine's own networks (RFC 1918, 6598, 3927, 4193, 4291).
fn is_neighbour(ip: IpAddr) -> bool {
    match geo::embedded(ip) {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

fn stated(site: &Site, located: Located) -> Judged {
    Judged { standing: Standing::InJapan, evidence: Said::of_site(site, located) }
}

fn badness(standing: Standing) -> u8 {
    match standing {
        Standing::Apart | Standing::InJapan | Standing::Ended | Standing::Void => 0,
        Standing::Unknown => 1,
        Standing::Unproven => 2,
        Standing::Abroad => 3,
    }
}

#[cfg(test)]
mod tests;
