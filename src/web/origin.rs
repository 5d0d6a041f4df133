//! From where a request comes: the client of the connection, or the one whom a proxy of the configuration names.
//!
//! Rules: `X-Forwarded-For` counts from the networks under `web.proxies` alone, read from its end: each proxy adds whom it has
//! before it, so the first from the end that is no proxy of ours is the client, and what stands before it is anybody's word. What was
//! forwarded by somebody else, or by a proxy that names nobody, has no origin.
//! When it fails: the origin is hidden, which the rules for staff refuse.

use crate::config::Network;
use crate::residency::{By, Hidden, Origin};
use axum::http::HeaderMap;
use std::net::{IpAddr, SocketAddr};

const FORWARDED_FOR: &str = "x-forwarded-for";
/// What says that somebody forwarded a request.
const FORWARDED: [&str; 4] = [FORWARDED_FOR, "forwarded", "x-real-ip", "via"];

/// The origin of a request from `peer`.
pub(super) fn of(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> Origin {
    let is_proxy = |ip: IpAddr| proxies.iter().any(|network| network.contains(ip));
    if !is_proxy(peer) {
        let was_forwarded = FORWARDED.iter().any(|name| headers.contains_key(*name));
        return if was_forwarded {
            Origin::Hidden(Hidden::Forwarded)
        } else {
            Origin::from(peer.to_canonical())
        };
    }
    let unnamed = Origin::Hidden(Hidden::Unnamed);
    let mut client = None;
    for value in headers.get_all(FORWARDED_FOR).iter().rev() {
        let Ok(text) = value.to_str() else { return unnamed };
        for word in text.rsplit(',') {
            let Some(ip) = address(word.trim()) else { return unnamed };
            client = Some(ip);
            if !is_proxy(ip) {
                return Origin::At(ip, By::Proxy);
            }
        }
    }
    client.map_or(unnamed, |ip| Origin::At(ip, By::Proxy))
}

/// An address, which some proxies write with a port.
fn address(text: &str) -> Option<IpAddr> {
    let ip = text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))?;
    Some(IpAddr::to_canonical(&ip))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    #[test]
    fn the_client_is_whom_a_declared_proxy_names_and_nobody_else_s_word_counts() {
        let proxies = ["127.0.0.1/32", "10.0.0.0/8"].map(|text| Network::parse(text).unwrap());
        let by = |ip: &str| Origin::At(ip.parse().unwrap(), By::Proxy);
        let direct = |ip: &str| Origin::At(ip.parse().unwrap(), By::Connection);
        let (forwarded, unnamed) = (Origin::Hidden(Hidden::Forwarded), Origin::Hidden(Hidden::Unnamed));
        for (peer, headers, origin) in [
            ("192.0.2.1", &[][..], direct("192.0.2.1")),
            ("::ffff:192.0.2.1", &[], direct("192.0.2.1")),
            ("::1", &[], direct("::1")),
            ("::1", &[("x-forwarded-for", "126.1.2.3")], forwarded),
            ("192.0.2.1", &[("forwarded", "for=126.1.2.3")], forwarded),
            ("192.0.2.1", &[("via", "1.1 cache")], forwarded),
            ("127.0.0.1", &[], unnamed),
            ("127.0.0.1", &[("forwarded", "for=126.1.2.3")], unnamed),
            ("127.0.0.1", &[("x-forwarded-for", "")], unnamed),
            ("127.0.0.1", &[("x-forwarded-for", "pc.example.jp")], unnamed),
            ("127.0.0.1", &[("x-forwarded-for", "8.8.8.8")], by("8.8.8.8")),
            // What the client wrote himself stands before what the proxy wrote.
            ("127.0.0.1", &[("x-forwarded-for", "126.1.2.3, 8.8.8.8")], by("8.8.8.8")),
            ("127.0.0.1", &[("x-forwarded-for", "126.1.2.3"), ("x-forwarded-for", "8.8.8.8")], by("8.8.8.8")),
            ("127.0.0.1", &[("x-forwarded-for", "8.8.8.8, 10.1.1.1")], by("8.8.8.8")),
            ("127.0.0.1", &[("x-forwarded-for", "8.8.8.8"), ("x-forwarded-for", "10.1.1.1")], by("8.8.8.8")),
            ("127.0.0.1", &[("x-forwarded-for", "junk, 8.8.8.8")], by("8.8.8.8")),
            ("127.0.0.1", &[("x-forwarded-for", "junk, 10.1.1.1")], unnamed),
            ("127.0.0.1", &[("x-forwarded-for", "10.2.2.2, 10.1.1.1")], by("10.2.2.2")),
            ("127.0.0.1", &[("x-forwarded-for", "[2001:db8::1]:443")], by("2001:db8::1")),
            ("127.0.0.1", &[("x-forwarded-for", "8.8.8.8:443")], by("8.8.8.8")),
            ("127.0.0.1", &[("x-forwarded-for", "127.0.0.1")], by("127.0.0.1")),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            assert_eq!(of(peer.parse().unwrap(), &map, &proxies), origin, "{peer} {headers:?}");
        }
    }
}
