//! Networks: an address and how many of its first bits count (RFC 4632 §3.1, RFC 4291 §2.3).

use super::kind;
use super::reader::{Context, Flaw};
use super::tree::Value;
use serde::{Serialize, Serializer};
use std::fmt;
use std::net::IpAddr;

/// A network, such as `192.0.2.0/24` or `2001:db8::/32`; one address is a network of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    length: u8,
}

impl Network {
    /// Reads `ADDRESS/LENGTH` or `ADDRESS`.
    ///
    /// `None` when it is neither, or when bits behind the length are set: then address or length is a slip.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) if length.bytes().all(|b| b.is_ascii_digit()) => {
                (address, Some(length.parse::<u8>().ok()?))
            }
            Some(_) => return None,
            None => (text, None),
        };
        let first: IpAddr = address.parse().ok()?;
        let length = length.unwrap_or(bits(first));
        let network = Self { first, length };
        (length <= bits(first) && mask(first, length) == first).then_some(network)
    }

    /// Whether it has a shorter length than `v4` or `v6` bits, by its family.
    #[must_use]
    pub fn is_wider_than(&self, v4: u8, v6: u8) -> bool {
        self.length < if self.first.is_ipv4() { v4 } else { v6 }
    }

    /// Whether an address lies in it. An IPv4 address in IPv6 clothes (RFC 4291 §2.5.5.2) is the IPv4 address.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        ip.is_ipv4() == self.first.is_ipv4() && mask(ip, self.length) == self.first
    }
}

/// An address with all bits behind `length` cleared.
#[must_use]
pub fn mask(ip: IpAddr, length: u8) -> IpAddr {
    match ip {
        IpAddr::V4(v4) => {
            let kept = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
            IpAddr::V4((u32::from(v4) & kept).into())
        }
        IpAddr::V6(v6) => {
            let kept = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0);
            IpAddr::V6((u128::from(v6) & kept).into())
        }
    }
}

fn bits(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

/// A network of the configuration.
pub(super) fn network(value: &Value, _: &Context) -> Result<Network, Flaw> {
    let text = kind::text(value)?;
    Network::parse(text.trim()).ok_or_else(|| {
        Flaw::new(
            format!("{} is no network", kind::quote(text)),
            "write such as 192.0.2.0/24 or 2001:db8::/32, with no bit set behind the length",
        )
    })
}

/// A network of balancers: whoever is in it may say who he is, so it cannot be everybody.
pub(super) fn balancers(value: &Value, context: &Context) -> Result<Network, Flaw> {
    let network = network(value, context)?;
    if network.length < 8 {
        let cure = "name the balancers' own addresses";
        return Err(Flaw::new(format!("{network} is too wide: whoever is in it may name any address"), cure));
    }
    Ok(network)
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.length)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_what_shares_its_first_bits() {
        for (network, ip, inside) in [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.0/24", "::ffff:192.0.2.9", true),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::1/128", "::1", true),
            ("::/0", "2001:db8::1", true),
        ] {
            assert_eq!(
                Network::parse(network).unwrap().contains(ip.parse().unwrap()),
                inside,
                "{network} {ip}"
            );
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "192.0.2.1/24",
            "192.0.2.0/33",
            "192.0.2.0/",
            "192.0.2.0/+8",
            "2001:db8::/129",
            "x/8",
            "192.0.2.0/8/8",
        ] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
        assert_eq!(Network::parse("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
    }
}
