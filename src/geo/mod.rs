//! In which country an address is: what the five regional registries delegated, and a database of the operator over it.
//!
//! Rules: a country or nothing, never a city, since that is where such data is wrong. Where the two disagree the answer
//! says so. Cloud providers register world-wide ranges in one country, which an overlay knows better for IPv4; for IPv6
//! overlays are worse than the registries, so there they only cast doubt.
//! When it fails: [`OverlayError`] at start, or when a file has changed. A look-up has no error, only "unknown".

mod database;
mod hosting;
#[cfg(test)]
pub(crate) mod made;
mod provider;
#[cfg(test)]
mod tests;

pub use database::{DataFile, OverlayError};
pub use hosting::Operator;
pub use provider::{Region, may_register, region};

use database::Database;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

/// A country (ISO 3166-1 alpha-2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Country([u8; 2]);

impl Country {
    pub const JAPAN: Self = Self(*b"JP");

    /// Two capital letters; `None` of anything else, and of `ZZ`, by which databases mean that they do not know.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        let octets: [u8; 2] = code.as_bytes().try_into().ok()?;
        let is_code = octets.iter().all(u8::is_ascii_uppercase) && octets != *b"ZZ";
        is_code.then_some(Self(octets))
    }

    /// Its two letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is known of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located {
    /// By the registries.
    pub registry: Option<Country>,
    /// By the operator's database.
    pub overlay: Option<Country>,
}

impl Located {
    /// The country that both allow; `None` where nothing is known or they contradict each other.
    #[must_use]
    pub fn country(self, is_v4: bool) -> Option<Country> {
        match (self.registry, self.overlay) {
            (Some(registry), Some(overlay)) if registry == overlay => Some(registry),
            (Some(one), None) | (None, Some(one)) => Some(one),
            (Some(_), Some(Country::JAPAN)) if is_v4 => Some(Country::JAPAN),
            (Some(registry), Some(_)) if !is_v4 => Some(registry),
            _ => None,
        }
    }

    /// Whether both speak and say different things.
    #[must_use]
    pub fn is_disputed(self) -> bool {
        matches!((self.registry, self.overlay), (Some(registry), Some(overlay)) if registry != overlay)
    }

    /// Whether both speak and say the same.
    #[must_use]
    pub fn is_confirmed(self) -> bool {
        self.registry.is_some() && self.registry == self.overlay
    }
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word =
            |country: Option<Country>| country.map_or_else(|| "nothing".to_owned(), |one| one.to_string());
        write!(f, "registry {}, overlay {}", word(self.registry), word(self.overlay))
    }
}

/// The IPv4 address that stands in an IPv6 one: mapped (RFC 4291 §2.5.5.2), NAT64 (RFC 6052 §2.1) or 6to4 (RFC 3056 §2); else
/// the address itself.
#[must_use]
pub fn embedded(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip.to_canonical() else { return ip.to_canonical() };
    let v4 = |high: u16, low: u16| IpAddr::V4(((u32::from(high) << 16) | u32::from(low)).into());
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        _ => IpAddr::V6(v6),
    }
}

/// Looks countries and operators of networks up. The registries' data is compiled in, files of the operator lie over it. Cheap
/// to clone; all clones see a file that was read again.
#[derive(Clone, Default)]
pub struct Geo {
    files: Arc<Files>,
}

#[derive(Default)]
struct Files {
    overlay: Option<Database>,
    networks: Option<Database>,
}

impl Geo {
    /// With a country database, whose records have `country.iso_code` or `country_code`, and one of operators of networks
    /// ([`Operator`]), where there are such.
    ///
    /// # Errors
    /// [`OverlayError`].
    pub fn open(overlay: Option<&Path>, networks: Option<&Path>) -> Result<Self, OverlayError> {
        let open = |key, path: Option<&Path>| path.map(|path| Database::open(key, path)).transpose();
        let files = Files {
            overlay: open("residency.country_overlay", overlay)?,
            networks: open("residency.network_overlay", networks)?,
        };
        Ok(Self { files: Arc::new(files) })
    }

    /// Reads files again that have changed.
    ///
    /// # Errors
    /// [`OverlayError`]; then what is known of that file stays as it was.
    pub fn renew(&self) -> Result<(), OverlayError> {
        let Files { overlay, networks } = &*self.files;
        let renewed: Vec<_> = overlay.iter().chain(networks).map(Database::renew).collect();
        renewed.into_iter().collect()
    }

    /// The files of the operator.
    #[must_use]
    pub fn data_files(&self) -> Vec<DataFile> {
        let Files { overlay, networks } = &*self.files;
        overlay.iter().chain(networks).map(Database::file).collect()
    }

    /// What both say of `ip`. An IPv4 address within IPv6 is looked up as the IPv4 address.
    #[must_use]
    pub fn locate(&self, ip: IpAddr) -> Located {
        let ip = embedded(ip);
        let registry = iptocc::country_code(ip).and_then(Country::parse);
        let told = |database: &Database| database.text(ip, &[&["country", "iso_code"], &["country_code"]]);
        let overlay = self.files.overlay.as_ref().and_then(told).and_then(|code| Country::parse(&code));
        Located { registry, overlay }
    }

    /// Who runs the network of `ip`, by the operator's database.
    #[must_use]
    pub fn operator(&self, ip: IpAddr) -> Option<Operator> {
        Operator::read(self.files.networks.as_ref()?, embedded(ip))
    }

    /// The provider of servers that runs the network of `ip`, by the operator's database and by a list of the largest.
    #[must_use]
    pub fn hoster(&self, ip: IpAddr) -> Option<String> {
        hosting::hoster(embedded(ip), self.operator(ip).as_ref())
    }
}
