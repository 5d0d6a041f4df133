//! From where people may have user information opened or decide about it: the one judge, for commands, the API and whatever comes.
//!
//! Rules: this machine, an office that the configuration names, or an address registered in Japan of which no database says
//! otherwise and that no provider of servers runs. All else is refused: abroad, unknown, disputed (on IPv6 too: an overlay that errs is the
//! operator's to mend), a data centre, an origin that cannot be told. A country or nothing, never a city.
//! When it fails: it has an answer for everything; what is not known is refused.

use crate::config::{Config, Enforce, Network, Staff as Rules, StaffNetwork};
use crate::geo::{self, Country, Geo, Located};
use serde_json::{Value, json};
use std::fmt;
use std::net::IpAddr;

/// What told the address from where somebody comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The login, as systemd-logind keeps it.
    Login,
    /// The login, as utmp keeps it.
    Utmp,
    /// `SSH_CONNECTION`, which whoever runs the command can set: asked where the system knows no login at all.
    SshConnection,
    /// The connection itself.
    Connection,
    /// A proxy that the configuration names.
    Proxy,
}

impl By {
    /// The word in an entry.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            By::Login => "login",
            By::Utmp => "utmp",
            By::SshConnection => "ssh-connection",
            By::Connection => "connection",
            By::Proxy => "proxy",
        }
    }
}

/// Why nobody can tell from where somebody comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    /// The login names a host, not an address.
    Name,
    /// The login came from elsewhere, and does not say from where.
    Nowhere,
    /// The login came from this machine itself: from where its user came before is not known.
    Onward,
    /// Somebody logged in, and the system does not know the login.
    Unrecorded,
    /// A request was forwarded by somebody who is no proxy of the configuration.
    Forwarded,
    /// A proxy does not say for whom it asks.
    Unnamed,
    /// Nobody is there: what somebody asked for earlier is carried out.
    Earlier,
}

impl Hidden {
    fn said(self) -> (&'static str, &'static str) {
        match self {
            Hidden::Name => {
                ("the login names a host and no address", "set UseDNS no in sshd_config, and log in again")
            }
            Hidden::Nowhere => ("the login came from elsewhere and does not say from where", "log in by SSH"),
            Hidden::Onward => (
                "the login came from this machine itself, which hides where it began",
                "log in straight from where you are, or at the console",
            ),
            Hidden::Unrecorded => (
                "somebody logged in, and the system does not know from where",
                "let sshd use PAM with pam_systemd (UsePAM yes), and log in again",
            ),
            Hidden::Forwarded => (
                "the request was forwarded by somebody who is no proxy here",
                "name the proxy under web.proxies",
            ),
            Hidden::Unnamed => (
                "the proxy does not say for whom it asks",
                "have it set X-Forwarded-For to its client's address",
            ),
            Hidden::Earlier => ("nobody is there", "ask for it anew"),
        }
    }
}

/// From where somebody comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This machine: its console, or a process that no login began (a timer).
    Here,
    /// An address, and what told it.
    At(IpAddr, By),
    Hidden(Hidden),
}

impl Origin {
    /// Whether it is of somebody who gives commands on this machine.
    #[must_use]
    pub fn is_of_a_login(self) -> bool {
        match self {
            Origin::Here | Origin::At(_, By::Login | By::Utmp | By::SshConnection) => true,
            Origin::Hidden(Hidden::Name | Hidden::Nowhere | Hidden::Onward | Hidden::Unrecorded) => true,
            Origin::At(_, By::Connection | By::Proxy) => false,
            Origin::Hidden(Hidden::Forwarded | Hidden::Unnamed | Hidden::Earlier) => false,
        }
    }
}

impl From<IpAddr> for Origin {
    /// The client of a connection to this machine.
    fn from(ip: IpAddr) -> Self {
        Origin::At(ip, By::Connection)
    }
}

/// Whether somebody may come from there, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    ThisMachine,
    /// A network of the configuration, by its name.
    Declared(String),
    /// Registered in Japan, and nothing speaks against it.
    InJapan,
    Abroad(Country),
    Unknown,
    /// Registry and overlay contradict each other.
    Disputed,
    /// A provider of servers.
    Hosting(String),
    Hidden(Hidden),
}

impl Ruling {
    /// The word in an entry.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Ruling::ThisMachine => "this-machine",
            Ruling::Declared(_) => "declared",
            Ruling::InJapan => "japan",
            Ruling::Abroad(_) => "abroad",
            Ruling::Unknown => "unknown",
            Ruling::Disputed => "disputed",
            Ruling::Hosting(_) => "hosting",
            Ruling::Hidden(_) => "hidden",
        }
    }

    #[must_use]
    pub fn is_allowed(&self) -> bool {
        match self {
            Ruling::ThisMachine | Ruling::Declared(_) | Ruling::InJapan => true,
            Ruling::Abroad(_)
            | Ruling::Unknown
            | Ruling::Disputed
            | Ruling::Hosting(_)
            | Ruling::Hidden(_) => false,
        }
    }
}

/// What was found of an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    pub origin: Origin,
    /// By registry and overlay; nothing where there is no address.
    pub located: Located,
    pub ruling: Ruling,
}

impl Judged {
    /// Why.
    #[must_use]
    pub fn reason(&self) -> String {
        match &self.ruling {
            Ruling::ThisMachine => "it is this machine".to_owned(),
            Ruling::Declared(name) => format!("it is in the network of {name}"),
            Ruling::InJapan => format!("it is registered in JP ({})", self.located),
            Ruling::Abroad(country) => format!("it is registered in {country} ({})", self.located),
            Ruling::Unknown => {
                format!("nothing shows that it is in Japan ({})", self.located)
            }
            Ruling::Disputed => format!("its country is disputed ({})", self.located),
            Ruling::Hosting(name) => {
                format!("its network is of {name}, a provider of servers, where nobody sits")
            }
            Ruling::Hidden(hidden) => hidden.said().0.to_owned(),
        }
    }

    /// What to do about a refusal.
    #[must_use]
    pub fn cure(&self) -> &'static str {
        match &self.ruling {
            Ruling::ThisMachine | Ruling::Declared(_) | Ruling::InJapan => "",
            Ruling::Abroad(_) => {
                "come from Japan; in an emergency a second person lets you (anshin compliance break-glass request)"
            }
            Ruling::Unknown | Ruling::Hosting(_) => {
                "come from an office, or have its network named under residency.staff.network"
            }
            Ruling::Disputed => {
                "have the database under residency.country_overlay mended, or the network named under \
                 residency.staff.network"
            }
            Ruling::Hidden(hidden) => hidden.said().1,
        }
    }

    /// For an entry: the address, both countries and the class of its network.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let country = |country: Option<Country>| country.map(|country| country.as_str().to_owned());
        let (address, by) = match self.origin {
            Origin::At(ip, by) => (Some(ip.to_string()), Some(by.as_str())),
            Origin::Here | Origin::Hidden(_) => (None, None),
        };
        let network = match &self.ruling {
            Ruling::Declared(name) | Ruling::Hosting(name) => Some(name.as_str()),
            _ => None,
        };
        json!({
            "ruling": self.ruling.as_str(),
            "address": address,
            "by": by,
            "registry": country(self.located.registry),
            "overlay": country(self.located.overlay),
            "network": network,
        })
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.origin {
            Origin::At(ip, _) => write!(f, "you come from {ip}: {}", self.reason()),
            Origin::Here | Origin::Hidden(_) => f.write_str(&self.reason()),
        }
    }
}

/// Judges origins by the configuration, the registries and the operator's files.
#[derive(Clone)]
pub struct Staff {
    rules: Rules,
    geo: Geo,
}

impl Staff {
    /// By `config`, with data that others may share.
    #[must_use]
    pub fn new(config: &Config, geo: Geo) -> Self {
        Self { rules: config.residency.staff.clone(), geo }
    }

    /// For a machine of which nothing is configured.
    #[must_use]
    pub fn of_nobody(enforce: Enforce) -> Self {
        let rules = Rules { enforce, hosting: Vec::new(), networks: Vec::new() };
        Self { rules, geo: Geo::default() }
    }

    /// Whether who is refused may not go on.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.rules.enforce == Enforce::Refuse
    }

    /// The data that it judges by.
    #[must_use]
    pub fn geo(&self) -> &Geo {
        &self.geo
    }

    /// Judges an origin.
    #[must_use]
    pub fn judge(&self, origin: Origin) -> Judged {
        let nowhere = Located { registry: None, overlay: None };
        let (located, ruling) = match origin {
            Origin::Here => (nowhere, Ruling::ThisMachine),
            Origin::Hidden(hidden) => (nowhere, Ruling::Hidden(hidden)),
            Origin::At(ip, by) => {
                let located = self.geo.locate(ip);
                (located, self.rule(ip.to_canonical(), by, located))
            }
        };
        Judged { origin, located, ruling }
    }

    fn rule(&self, ip: IpAddr, by: By, located: Located) -> Ruling {
        let has = |networks: &[Network]| networks.iter().any(|network| network.contains(ip));
        if let Some(office) = self.rules.networks.iter().find(|office| has(&office.networks)) {
            return Ruling::Declared(office.name.clone());
        }
        if geo::embedded(ip).is_loopback() {
            return match by {
                By::Connection => Ruling::ThisMachine,
                // Who logs in to this machine from this machine, and a proxy before a proxy, came from somewhere.
                By::Login | By::Utmp | By::SshConnection | By::Proxy => Ruling::Hidden(Hidden::Onward),
            };
        }
        if has(&self.rules.hosting) {
            return Ruling::Hosting("one that residency.staff.hosting names".to_owned());
        }
        if let Some(hoster) = self.geo.hoster(ip) {
            return Ruling::Hosting(hoster);
        }
        match (located.registry, located.overlay) {
            (Some(registry), Some(overlay)) if registry != overlay => Ruling::Disputed,
            (Some(Country::JAPAN), _) => Ruling::InJapan,
            (Some(country), _) => Ruling::Abroad(country),
            // An overlay alone proves nothing, but that it is elsewhere.
            (None, Some(country)) if country != Country::JAPAN => Ruling::Abroad(country),
            (None, _) => Ruling::Unknown,
        }
    }

    /// The origin of those that has the least right, of one person who may have come by several.
    #[must_use]
    pub fn worst(&self, origins: &[Origin]) -> Origin {
        let refused = origins.iter().find(|origin| !self.judge(**origin).ruling.is_allowed());
        refused.or(origins.first()).copied().unwrap_or(Origin::Here)
    }

    /// The rules, for reports.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let texts = |networks: &[Network]| networks.iter().map(ToString::to_string).collect::<Vec<_>>();
        let office =
            |office: &StaffNetwork| json!({ "name": office.name, "networks": texts(&office.networks) });
        json!({
            "enforce": self.rules.enforce,
            "networks": self.rules.networks.iter().map(office).collect::<Vec<_>>(),
            "hosting": texts(&self.rules.hosting),
            "files": self.geo.data_files().iter().map(|file| json!({
                "key": file.key, "file": file.path.display().to_string(), "made_at": file.built.to_rfc3339(),
            })).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests;
