//! Addresses on the web that the configuration or a provider names: scheme, host, port and path, no more than is needed to ask there.
//!
//! Rules: `https`, or `http` where the host is this machine's own loopback. No user, no fragment, nothing but printable ASCII. A host is a
//! name, an IPv4 address or an IPv6 address in brackets, in lower case.
//! When it fails: nothing is read.

use std::fmt;
use std::net::IpAddr;

/// Longest that is read.
const LENGTH_MAX: usize = 512;

/// An address on the web.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebAddress {
    pub is_tls: bool,
    /// Without brackets.
    pub host: String,
    pub port: u16,
    /// With the slash that begins it, and the query.
    pub path: String,
}

impl WebAddress {
    /// Reads `https://HOST[:PORT][/PATH]`, or `http://` of a loopback host.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_good = |b: u8| b.is_ascii_graphic() && !matches!(b, b'#' | b'"' | b'<' | b'>' | b'\\' | b'@');
        if text.len() > LENGTH_MAX || !text.bytes().all(is_good) {
            return None;
        }
        let (is_tls, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return None,
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end)?;
        let (host, port) = match authority.strip_prefix('[') {
            Some(v6) => {
                let (host, after) = v6.split_once(']')?;
                host.parse::<std::net::Ipv6Addr>().ok()?;
                (host, after.strip_prefix(':').or(after.is_empty().then_some("")))
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port).filter(|port| !port.is_empty())),
                None => (authority, Some("")),
            },
        };
        let port = match port? {
            "" if is_tls => 443,
            "" => 80,
            digits if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok().filter(|p| *p > 0)?,
            _ => return None,
        };
        let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b':');
        if host.is_empty() || host.len() > 253 || !host.bytes().all(is_name) {
            return None;
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let address = Self { is_tls, host: host.to_ascii_lowercase(), port, path };
        (is_tls || address.is_loopback()).then_some(address)
    }

    /// Scheme, host and port, as browsers compare them (RFC 6454).
    #[must_use]
    pub fn origin(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    /// Host and port as a Host field has them: without the port that goes without saying.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let usual = if self.is_tls { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }

    /// The address, where the host is one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Whether it is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.ip().is_some_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_browsers_read_it_and_nothing_else_is_one() {
        let read = |text: &str| WebAddress::parse(text).map(|address| (address.origin(), address.path));
        let is = |origin: &str, path: &str| Some((origin.to_owned(), path.to_owned()));
        assert_eq!(read("https://Login.example.jp"), is("https://login.example.jp", "/"));
        assert_eq!(read("https://login.example.jp:443/a/b?c=d"), is("https://login.example.jp", "/a/b?c=d"));
        assert_eq!(read("https://login.example.jp:8443?c=d"), is("https://login.example.jp:8443", "/?c=d"));
        assert_eq!(read("https://[2001:db8::1]:8443/"), is("https://[2001:db8::1]:8443", "/"));
        assert_eq!(read("http://127.0.0.1:3000/x"), is("http://127.0.0.1:3000", "/x"));
        assert_eq!(read("http://localhost"), is("http://localhost", "/"));
        assert_eq!(read("http://[::1]:80/"), is("http://[::1]", "/"));
        for other in [
            "http://login.example.jp/",
            "http://localhost.example.jp/",
            "ftp://login.example.jp/",
            "https://",
            "https:///a",
            "https://user@login.example.jp/",
            "https://127.0.0.1@login.example.jp/",
            "https://login.example.jp:/",
            "https://login.example.jp:0/",
            "https://login.example.jp:66000/",
            "https://login.example.jp:+443/",
            "https://login.example.jp/#a",
            "https://login.example.jp/a b",
            "https://login.example.jp\\.evil.test/",
            "https://[2001:db8::1",
            "https://[login]/",
            "//login.example.jp/",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
