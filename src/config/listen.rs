//! Socket addresses: what is listened on, who is asked, and which of them mean the same place.

use super::kind;
use super::reader::{Context, Flaw};
use super::tree::Value;
use std::net::{IpAddr, SocketAddr};

/// Where resolvers listen (RFC 1035 §4.2).
const DNS_PORT: u16 = 53;

/// `192.0.2.1:25` or `[2001:db8::1]:25`. Port 0 lets the system choose.
pub(super) fn address(value: &Value, _: &Context) -> Result<SocketAddr, Flaw> {
    let text = kind::text(value)?;
    text.trim().parse().map_err(|_| {
        Flaw::new(
            format!("{} is no IP address with a port", kind::quote(text)),
            "write such as 0.0.0.0:25 or [::]:25, or a list of them",
        )
    })
}

/// An IP address.
pub(super) fn ip(value: &Value, _: &Context) -> Result<IpAddr, Flaw> {
    let text = kind::text(value)?;
    let flaw = || {
        Flaw::new(format!("{} is no IP address", kind::quote(text)), "write such as 192.0.2.1 or 2001:db8::1")
    };
    text.trim().parse().map_err(|_| flaw())
}

/// A resolver: an IP address, with port 53 unless another is written.
pub(super) fn resolver(value: &Value, context: &Context) -> Result<SocketAddr, Flaw> {
    let text = kind::text(value)?;
    let plain = text.trim().parse::<IpAddr>().map(|ip| SocketAddr::new(ip, DNS_PORT));
    let server = plain.or_else(|_| address(value, context)).map_err(|_| {
        Flaw::new(
            format!("{} is no IP address of a resolver", kind::quote(text)),
            "write such as 192.0.2.53 or 127.0.0.1:5353",
        )
    })?;
    if server.port() == 0 || server.ip().is_unspecified() {
        return Err(Flaw::new(
            format!("nobody answers at {server}"),
            "write the address and port of a resolver",
        ));
    }
    Ok(server)
}

/// Whether the system would refuse to listen on both: same port, and one address covers the other.
///
/// `[::]` covers IPv4 too, as Linux has it unless `net.ipv6.bindv6only` is set.
pub(super) fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() != 0 && a.port() == b.port() && (covers(a.ip(), b.ip()) || covers(b.ip(), a.ip()))
}

/// Whether a connection to `to` reaches a listener on `listener`, as far as can be told without asking the system.
pub(super) fn reaches(to: SocketAddr, listener: SocketAddr) -> bool {
    let ip = to.ip().to_canonical();
    to.port() == listener.port()
        && (ip == listener.ip().to_canonical()
            || ((ip.is_loopback() || ip.is_unspecified()) && covers(listener.ip(), ip)))
}

fn covers(wide: IpAddr, other: IpAddr) -> bool {
    let (wide, other) = (wide.to_canonical(), other.to_canonical());
    match wide {
        IpAddr::V4(v4) if v4.is_unspecified() => other.is_ipv4(),
        IpAddr::V6(v6) if v6.is_unspecified() => true,
        _ => wide == other,
    }
}

/// Whether only this machine or a private network gets there: loopback, RFC 1918, RFC 4193, link-local
/// (RFC 3927, RFC 4291 §2.5.6), shared address space (RFC 6598). "All addresses" is not private.
pub(super) fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn listeners_overlap_where_one_covers_the_other() {
        for (a, b, both) in [
            ("0.0.0.0:25", "127.0.0.1:25", true),
            ("[::]:25", "127.0.0.1:25", true),
            ("0.0.0.0:25", "[::1]:25", false),
            ("127.0.0.1:25", "127.0.0.2:25", false),
            ("127.0.0.1:25", "[::ffff:127.0.0.1]:25", true),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("0.0.0.0:25", "0.0.0.0:587", false),
        ] {
            assert_eq!((overlap(at(a), at(b)), overlap(at(b), at(a))), (both, both), "{a} {b}");
        }
    }

    #[test]
    fn a_wildcard_listener_is_reached_through_loopback() {
        assert!(reaches(at("127.0.0.1:25"), at("0.0.0.0:25")));
        assert!(reaches(at("[::1]:25"), at("[::]:25")));
        assert!(reaches(at("192.0.2.1:25"), at("192.0.2.1:25")));
        assert!(!reaches(at("192.0.2.9:25"), at("0.0.0.0:25")));
        assert!(!reaches(at("127.0.0.1:26"), at("0.0.0.0:25")));
    }

    #[test]
    fn all_addresses_and_public_ones_are_not_private() {
        for (ip, private) in [
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("fd00::1", true),
            ("100.64.0.1", true),
            ("0.0.0.0", false),
            ("::", false),
            ("203.0.113.1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_private(ip.parse().unwrap()), private, "{ip}");
        }
    }
}
