//! Who runs the network of an address, and whether that is a provider of servers: nobody sits in a data centre, so who comes
//! from there comes through something that hides where he sits.
//!
//! Rules: a small list of what is beyond doubt. Autonomous systems count where a database of the operator tells the one of an
//! address; without it there are the largest networks of providers of servers in Japan, which the registries give to Japan.
//! Providers from elsewhere are registered abroad anyway. What both lack the operator declares.
//! Source: origin AS and names as RouteViews saw them on 2026-06-17 (CC BY 4.0); of networks those of at least a /18.

use super::database::Database;
use std::net::IpAddr;

/// Who announces a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The number of its autonomous system (RFC 6793).
    pub asn: Option<u32>,
    pub name: String,
    /// Whether the database itself calls it one of servers.
    is_hosting: bool,
}

impl Operator {
    /// One that announces a number under a name.
    #[cfg(test)]
    pub(crate) fn named(asn: u32, name: &str) -> Self {
        Self { asn: Some(asn), name: name.to_owned(), is_hosting: false }
    }

    /// Reads the layouts of GeoLite2 ASN (`autonomous_system_number`, `autonomous_system_organization`) and of IPinfo (`asn` as
    /// `AS7684`, `as_name` or `name`, and in some `type`).
    pub(super) fn read(database: &Database, ip: IpAddr) -> Option<Self> {
        let named = || database.text(ip, &[&["asn"]]).and_then(|text| text.strip_prefix("AS")?.parse().ok());
        let asn = database.number(ip, "autonomous_system_number").or_else(named);
        let name = database.text(ip, &[&["autonomous_system_organization"], &["as_name"], &["name"]]);
        let kind = database.text(ip, &[&["type"], &["as_type"]]);
        (asn.is_some() || name.is_some()).then(|| Self {
            asn,
            name: name.unwrap_or_default(),
            is_hosting: kind.as_deref() == Some("hosting"),
        })
    }
}

impl std::fmt::Display for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.asn, self.name.as_str()) {
            (Some(asn), "") => write!(f, "AS{asn}"),
            (Some(asn), name) => write!(f, "AS{asn} {name}"),
            (None, name) => f.write_str(name),
        }
    }
}

/// A provider of servers, or of ways to hide (virtual private networks).
struct Hoster {
    name: &'static str,
    systems: &'static [u32],
    v4: &'static [([u8; 4], u8)],
    /// The first 32 bits.
    v6: &'static [(u32, u8)],
}

const fn abroad(name: &'static str, systems: &'static [u32]) -> Hoster {
    Hoster { name, systems, v4: &[], v6: &[] }
}

const HOSTERS: [Hoster; 26] = [
    Hoster {
        name: "SAKURA Internet",
        systems: &[7684, 9370, 9371, 55897],
        v4: &[
            ([36, 53, 0, 0], 17),
            ([36, 53, 128, 0], 18),
            ([49, 212, 0, 0], 16),
            ([59, 106, 0, 0], 17),
            ([59, 106, 128, 0], 18),
            ([133, 125, 0, 0], 16),
            ([133, 167, 0, 0], 16),
            ([133, 242, 0, 0], 16),
            ([153, 120, 0, 0], 17),
            ([153, 120, 128, 0], 18),
            ([153, 121, 0, 0], 18),
            ([153, 121, 128, 0], 18),
            ([153, 125, 128, 0], 18),
            ([153, 126, 0, 0], 16),
            ([153, 127, 0, 0], 17),
            ([153, 127, 128, 0], 18),
            ([157, 17, 64, 0], 18),
            ([160, 16, 0, 0], 16),
            ([160, 27, 0, 0], 16),
            ([163, 43, 0, 0], 16),
            ([182, 48, 0, 0], 18),
            ([219, 94, 128, 0], 17),
        ],
        v6: &[(0x2401_2500, 32), (0x2001_0e40, 30), (0x2406_ce00, 29), (0x2403_3a00, 32)],
    },
    Hoster {
        name: "GMO Internet (ConoHa, Onamae)",
        systems: &[7506, 58791],
        v4: &[
            ([118, 27, 0, 0], 18),
            ([133, 130, 64, 0], 18),
            ([150, 95, 128, 0], 17),
            ([157, 7, 64, 0], 18),
            ([157, 7, 128, 0], 17),
            ([160, 251, 0, 0], 16),
            ([163, 44, 64, 0], 18),
            ([163, 44, 128, 0], 18),
            ([210, 172, 128, 0], 18),
        ],
        v6: &[(0x2400_8500, 32)],
    },
    Hoster {
        name: "Xserver",
        systems: &[131_965],
        v4: &[([85, 131, 192, 0], 18), ([153, 115, 0, 0], 16), ([162, 43, 0, 0], 17)],
        v6: &[(0x2400_b1a0, 32)],
    },
    Hoster {
        name: "KAGOYA Japan",
        systems: &[24282],
        v4: &[([133, 18, 0, 0], 16)],
        v6: &[(0x2406_8c00, 32)],
    },
    Hoster {
        name: "KDDI Web Communications (CPI)",
        systems: &[9597],
        v4: &[
            ([115, 146, 0, 0], 18),
            ([118, 82, 64, 0], 18),
            ([122, 200, 192, 0], 18),
            ([150, 60, 0, 0], 16),
            ([158, 199, 128, 0], 17),
            ([194, 91, 0, 0], 16),
        ],
        v6: &[(0x2402_3d00, 32)],
    },
    abroad("Amazon Web Services", &[16509, 14618, 8987]),
    abroad("Google Cloud", &[396_982, 15169, 19527]),
    abroad("Microsoft Azure", &[8075, 8068, 8069]),
    abroad("Oracle Cloud", &[31898]),
    abroad("IBM Cloud", &[36351]),
    abroad("Alibaba Cloud", &[45102, 37963]),
    abroad("Tencent Cloud", &[132_203, 45090]),
    abroad("Akamai (Linode)", &[63949]),
    abroad("DigitalOcean", &[14061, 393_406]),
    abroad("Vultr", &[20473]),
    abroad("OVH", &[16276]),
    abroad("Hetzner", &[24940, 213_230, 212_317]),
    abroad("Leaseweb", &[60781, 28753, 30633]),
    abroad("Contabo", &[51167, 40021]),
    abroad("Scaleway", &[12876]),
    abroad("Cloudflare (WARP)", &[13335]),
    abroad("Fastly", &[54113]),
    abroad("M247", &[9009]),
    abroad("Datacamp", &[60068, 212_238]),
    abroad("Latitude.sh", &[396_356]),
    abroad("PacketHub", &[136_787]),
];

/// The provider of servers that runs an address, as far as it is known.
pub(super) fn hoster(ip: IpAddr, operator: Option<&Operator>) -> Option<String> {
    let has = |hoster: &Hoster| {
        operator.and_then(|operator| operator.asn).is_some_and(|asn| hoster.systems.contains(&asn))
            || match ip {
                IpAddr::V4(ip) => hoster
                    .v4
                    .iter()
                    .any(|(first, length)| shares(ip.to_bits(), u32::from_be_bytes(*first), *length)),
                IpAddr::V6(ip) => {
                    let [a, b, ..] = ip.segments();
                    let high = (u32::from(a) << 16) | u32::from(b);
                    hoster.v6.iter().any(|(first, length)| shares(high, *first, *length))
                }
            }
    };
    let known = HOSTERS.iter().find(|hoster| has(hoster)).map(|hoster| hoster.name.to_owned());
    known.or_else(|| operator.filter(|operator| operator.is_hosting).map(ToString::to_string))
}

/// Whether the first `length` bits, of 32, are the same.
fn shares(a: u32, b: u32, length: u8) -> bool {
    (a ^ b).checked_shr(32 - u32::from(length)) == Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_a_known_network_has_its_provider_with_no_database() {
        let named = |ip: &str| hoster(ip.parse().unwrap(), None);
        for (ip, name) in [
            ("49.212.1.1", "SAKURA Internet"),
            ("2401:2500::1", "SAKURA Internet"),
            ("160.251.3.4", "GMO Internet (ConoHa, Onamae)"),
            ("133.18.255.255", "KAGOYA Japan"),
        ] {
            assert_eq!(named(ip).as_deref(), Some(name), "{ip}");
        }
        for ip in ["49.213.1.1", "49.211.255.255", "126.1.2.3", "2001:268::1", "2401:2501::1"] {
            assert_eq!(named(ip), None, "{ip}");
        }
    }

    #[test]
    fn a_network_of_the_list_has_no_bit_behind_its_length() {
        for hoster in &HOSTERS {
            let v4 = hoster.v4.iter().map(|(first, length)| (u32::from_be_bytes(*first), *length));
            for (first, length) in v4.chain(hoster.v6.iter().copied()) {
                assert!((8..=32).contains(&length), "{}", hoster.name);
                assert_eq!(
                    first.checked_shl(u32::from(length)).unwrap_or(0),
                    0,
                    "{} {first:08x}",
                    hoster.name
                );
            }
        }
    }
}
