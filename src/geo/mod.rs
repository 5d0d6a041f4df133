//! In which country an address is: what the five regional registries delegated, and a database of the operator over it.
//!
//! Rules: a country or nothing, never a city, since that is where such data is wrong. Where the two disagree the answer
//! says so. Cloud providers register world-wide ranges in one country, which an overlay knows better for IPv4; for IPv6
//! overlays are worse than the registries, so there they only cast doubt.
//! When it fails: [`OverlayError`] at start. A look-up has no error, only "unknown".

mod provider;

pub use provider::{Region, may_register, region};

use std::fmt;
use std::net::IpAddr;
use std::path::Path;

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

/// Why the operator's database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    #[error("{0} cannot be read ({1})")]
    Unreadable(String, std::io::ErrorKind),
    #[error("{0} is no country database in MaxMind's format (MMDB): {1}")]
    Malformed(String, String),
}

/// Looks countries up. The registries' data is compiled in.
#[derive(Default)]
pub struct Geo {
    overlay: Option<maxminddb::Reader<Vec<u8>>>,
}

impl Geo {
    /// With the database in the file `overlay`, whose records have `country.iso_code` or `country_code`.
    ///
    /// # Errors
    /// [`OverlayError`].
    pub fn with_overlay(overlay: &Path) -> Result<Self, OverlayError> {
        let name = overlay.display().to_string();
        let octets =
            std::fs::read(overlay).map_err(|fault| OverlayError::Unreadable(name.clone(), fault.kind()))?;
        let reader = maxminddb::Reader::from_source(octets)
            .map_err(|fault| OverlayError::Malformed(name, fault.to_string()))?;
        Ok(Self { overlay: Some(reader) })
    }

    /// What both say of `ip`. An IPv4 address within IPv6 is looked up as the IPv4 address.
    #[must_use]
    pub fn locate(&self, ip: IpAddr) -> Located {
        let ip = embedded(ip);
        let registry = iptocc::country_code(ip).and_then(Country::parse);
        Located { registry, overlay: self.overlaid(ip) }
    }

    fn overlaid(&self, ip: IpAddr) -> Option<Country> {
        use maxminddb::PathElement::Key;
        let found = self.overlay.as_ref()?.lookup(ip).ok()?;
        let by = |path: &[maxminddb::PathElement<'_>]| found.decode_path::<&str>(path).ok().flatten();
        by(&[Key("country"), Key("iso_code")]).or_else(|| by(&[Key("country_code")])).and_then(Country::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn country(ip: &str) -> Option<Country> {
        let ip = ip.parse().unwrap();
        Geo::default().locate(ip).country(embedded(ip).is_ipv4())
    }

    #[test]
    fn the_registries_know_japanese_carriers_on_both_protocols() {
        for ip in ["49.98.1.1", "106.128.3.4", "126.1.2.3", "133.237.16.234", "2001:268::1", "240a:6b::1"] {
            assert_eq!(country(ip), Some(Country::JAPAN), "{ip}");
        }
        assert_eq!(country("12.0.0.1"), Country::parse("US"));
        assert_eq!(country("114.114.114.114"), Country::parse("CN"));
        for ip in ["::ffff:126.1.2.3", "64:ff9b::7e01:203", "2002:7e01:203::1"] {
            assert_eq!(country(ip), Some(Country::JAPAN), "{ip}");
        }
    }

    #[test]
    fn what_nobody_delegated_has_no_country() {
        for ip in ["10.1.2.3", "192.168.0.1", "100.64.0.1", "127.0.0.1", "::1", "fe80::1", "198.51.100.1"] {
            assert_eq!(country(ip), None, "{ip}");
        }
    }

    #[test]
    fn a_contradiction_is_no_country_but_for_a_cloud_in_japan() {
        let us = Country::parse("US");
        let located = |registry, overlay| Located { registry, overlay };
        let japan = Some(Country::JAPAN);
        assert_eq!(located(us, japan).country(true), japan);
        assert_eq!(located(us, japan).country(false), us);
        assert_eq!(located(japan, us).country(true), None);
        assert_eq!(located(japan, us).country(false), japan);
        assert_eq!((located(None, japan).country(true), located(japan, None).country(true)), (japan, japan));
        assert!(located(us, japan).is_disputed() && !located(None, japan).is_disputed());
    }

    #[test]
    fn only_two_capital_letters_are_a_country() {
        for bad in ["", "J", "jp", "JPN", "ZZ", "日本"] {
            assert_eq!(Country::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_file_that_is_no_database_is_named() {
        let dir = std::env::temp_dir().join(format!("anshin-geo-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("overlay.mmdb");
        std::fs::write(&file, b"country,JP\n").unwrap();
        let error = Geo::with_overlay(&file).err().unwrap().to_string();
        assert!(error.contains("overlay.mmdb is no country database"), "{error}");
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(matches!(Geo::with_overlay(&file), Err(OverlayError::Unreadable(..))));
    }
}
