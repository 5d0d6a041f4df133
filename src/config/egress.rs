//! `[egress]`: how mail goes out: static routes, bounds, retries, signatures.
//!
//! Rules: a route is asked before any MX look-up, an exact domain before `*`. Retry defaults bend to what is given:
//! a short `expire` alone is a whole configuration, and only two given values can contradict each other.

use super::delivery::{DkimKey, Reply, Reuse, Timeouts, TlsReports};
use super::kind::{self, ByteSize};
use super::pool::{self, Pool};
use super::reader::{Context, Flaw, Reader};
use super::shape::Shape;
use super::show;
use super::tree::Value;
use crate::mail::Domain;
use serde::{Serialize, Serializer};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Port of a next hop that names none (RFC 5321 §4.5.4.2).
const SMTP_PORT: u16 = 25;

/// `[egress]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Egress {
    /// Connections at once.
    pub concurrency: u32,
    /// For all messages that are being sent together; small ones do not count.
    pub memory: ByteSize,
    /// How long a process holds what it sends before another may take it over.
    #[serde(serialize_with = "show::duration")]
    pub lease: Duration,
    /// Connections at once to one next hop.
    pub per_destination: u32,
    /// Local addresses of our connections; the system chooses for a family that has none here.
    pub source_addresses: Vec<IpAddr>,
    /// `[[egress.pool]]`
    #[serde(rename = "pool")]
    pub pools: Vec<Pool>,
    /// The pool of mail without a return address.
    #[serde(serialize_with = "show::optional")]
    pub notice_pool: Option<String>,
    /// The pool of bulk mail.
    #[serde(serialize_with = "show::optional")]
    pub bulk_pool: Option<String>,
    /// PEM file of further roots for routes with `tls = "verify"`.
    #[serde(serialize_with = "show::optional_path")]
    pub ca_file: Option<PathBuf>,
    /// `[[egress.route]]`
    #[serde(rename = "route")]
    pub routes: Vec<Route>,
    /// `[[egress.reply]]`
    #[serde(rename = "reply")]
    pub replies: Vec<Reply>,
    pub tls_reports: TlsReports,
    /// Who answers questions about TLS reports.
    #[serde(serialize_with = "show::optional")]
    pub tls_reports_contact: Option<String>,
    /// `[[egress.shape]]`, without the built-in ones.
    #[serde(rename = "shape")]
    pub shapes: Vec<Shape>,
    pub retry: Retry,
    pub timeouts: Timeouts,
    pub reuse: Reuse,
    pub dkim: Dkim,
}

/// `[[egress.route]]`: where mail of a domain goes without an MX look-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Route {
    pub domain: RouteDomain,
    pub next_hop: NextHop,
    pub tls: RouteTls,
    /// Where its connections come from.
    #[serde(serialize_with = "show::optional")]
    pub pool: Option<String>,
}

/// What a route is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteDomain {
    /// This domain, without those below it.
    Exactly(Domain),
    /// `*`: every domain that no other route names.
    Any,
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextHop {
    pub host: Host,
    pub port: u16,
}

/// The machine of a next hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// Looked up as A and AAAA, never as MX.
    Name(Domain),
    Ip(IpAddr),
}

/// How a route uses TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteTls {
    /// Never.
    None,
    /// STARTTLS where offered, any certificate, else in clear (RFC 7435).
    May,
    /// STARTTLS or no mail; any certificate.
    Encrypt,
    /// STARTTLS with a certificate that verifies for the name of the host, or no mail.
    Verify,
}

impl RouteTls {
    /// The word in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RouteTls::None => "none",
            RouteTls::May => "may",
            RouteTls::Encrypt => "encrypt",
            RouteTls::Verify => "verify",
        }
    }
}

/// `[egress.retry]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Retry {
    /// Wait after the first attempt.
    #[serde(serialize_with = "show::duration")]
    pub first: Duration,
    /// What each wait is multiplied by for the next, 1 to 10.
    pub factor: f64,
    /// Longest wait.
    #[serde(serialize_with = "show::duration")]
    pub max: Duration,
    /// Age of a message at which it has failed.
    #[serde(serialize_with = "show::duration")]
    pub expire: Duration,
    /// Age at which the sender is told of the delay, once. At or beyond `expire`: never.
    #[serde(serialize_with = "show::duration")]
    pub delay_notice: Duration,
    /// How long a store can have a mail sent once more that could not be delivered.
    #[serde(serialize_with = "show::optional_duration")]
    pub keep_failed: Option<Duration>,
}

/// `[egress.dkim]` (RFC 6376, RFC 8463)
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dkim {
    /// The directory of the signing keys.
    pub dir: PathBuf,
    pub selector_rsa: String,
    pub selector_ed25519: String,
    /// `[[egress.dkim.key]]`
    #[serde(rename = "key")]
    pub keys: Vec<DkimKey>,
}

impl Egress {
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        let concurrency = r.value("egress.concurrency", "200", kind::count(1..=10_000));
        let memory = r.value("egress.memory", "256MiB", kind::size(1 << 20..=1 << 40));
        let per_destination = r.value("egress.per_destination", "20", kind::count(1..=10_000));
        let source_addresses = r.value("egress.source_addresses", "[]", kind::list(pool::source));
        let pools = Pool::read_all(r);
        let notice_pool = r.value("egress.notice_pool", "", kind::optional(kind::label));
        let bulk_pool = r.value("egress.bulk_pool", "", kind::optional(kind::label));
        let ca_file = r.value("egress.ca_file", "", kind::optional(kind::path));
        let count = r.tables("egress.route");
        let routes: Vec<_> = (1..=count).filter_map(|i| Route::read(r, i)).collect();
        let replies = Reply::read_all(r);
        let tls_reports = r.value("egress.tls_reports", "send", kind::word(&TlsReports::WORDS));
        let contact = r.value("egress.tls_reports_contact", "", kind::optional(contact));
        let count = r.tables("egress.shape");
        let shapes: Vec<_> = (1..=count).filter_map(|i| Shape::read(r, i)).collect();
        let retry = Retry::read(r);
        let timeouts = Timeouts::read(r);
        let lease = r.value("egress.lease", "1m", kind::duration);
        let reuse = Reuse::read(r);
        let dir = r.value("egress.dkim.dir", "dkim", kind::path);
        let rsa = r.value("egress.dkim.selector_rsa", "anshin-rsa", kind::label);
        let ed25519 = r.value("egress.dkim.selector_ed25519", "anshin-ed25519", kind::label);
        let keys = DkimKey::read_all(r);
        Some(Self {
            concurrency: concurrency?,
            memory: memory?,
            per_destination: per_destination?,
            source_addresses: source_addresses?,
            pools,
            notice_pool: notice_pool?,
            bulk_pool: bulk_pool?,
            ca_file: ca_file?,
            routes,
            replies,
            tls_reports: tls_reports?,
            tls_reports_contact: contact?,
            shapes,
            retry: retry?,
            timeouts: timeouts?,
            lease: lease?,
            reuse: reuse?,
            dkim: Dkim { dir: dir?, selector_rsa: rsa?, selector_ed25519: ed25519?, keys },
        })
    }
}

impl Route {
    fn read(r: &mut Reader, i: usize) -> Option<Self> {
        let key = |name: &str| format!("egress.route[{i}].{name}");
        let domain =
            r.required(&key("domain"), "name the domain of the recipients, or \"*\" for all", route_domain);
        let next_hop = r.required(
            &key("next_hop"),
            "name the host and port mail goes to, such as mail.example.jp:25",
            next_hop,
        );
        let tls = r.value(&key("tls"), "may", kind::word(&RouteTls::WORDS));
        let pool = r.value(&key("pool"), "", kind::optional(kind::label));
        Some(Self { domain: domain?, next_hop: next_hop?, tls: tls?, pool: pool? })
    }
}

impl RouteTls {
    const WORDS: [(&'static str, Self); 4] =
        [("none", Self::None), ("may", Self::May), ("encrypt", Self::Encrypt), ("verify", Self::Verify)];
}

impl Retry {
    fn read(r: &mut Reader) -> Option<Self> {
        let first = r.value("egress.retry.first", "1m", kind::duration);
        let factor = r.value("egress.retry.factor", "2.0", kind::factor);
        let max = r.value("egress.retry.max", "4h", kind::duration);
        let expire = r.value("egress.retry.expire", "3d", kind::duration);
        let delay_notice = r.value("egress.retry.delay_notice", "4h", kind::duration);
        let keep_failed = r.value("egress.retry.keep_failed", "7d", kind::optional(kind::duration));
        let (mut first, mut max, expire) = (first?, max?, expire?);
        if !r.is_given("egress.retry.max") {
            max = max.max(first);
        }
        if !r.is_given("egress.retry.first") {
            first = first.min(max).min(expire);
        }
        Some(Self {
            first,
            factor: factor?,
            max,
            expire,
            delay_notice: delay_notice?,
            keep_failed: keep_failed?,
        })
    }
}

pub(super) fn route_domain(value: &Value, context: &Context) -> Result<RouteDomain, Flaw> {
    if kind::text(value)? == "*" {
        Ok(RouteDomain::Any)
    } else {
        kind::domain(value, context).map(RouteDomain::Exactly)
    }
}

/// An address or a URL that people can turn to.
fn contact(value: &Value, _: &Context) -> Result<String, Flaw> {
    let text = kind::text(value)?.trim();
    if text.len() <= 254 && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err(Flaw::new(
        format!("{} is no contact", kind::quote(text)),
        "write an address such as postmaster@example.jp, or a URL",
    ))
}

pub(super) fn next_hop(value: &Value, context: &Context) -> Result<NextHop, Flaw> {
    let text = kind::text(value)?.trim();
    let cure = "write host:port, such as mail.example.jp:25 or [2001:db8::1]:25";
    let flaw = || Flaw::new(format!("{} is no next hop", kind::quote(text)), cure);
    if let Ok(address) = text.parse::<SocketAddr>() {
        if address.port() == 0 || address.ip().is_unspecified() {
            return Err(Flaw::new(format!("nothing listens at {address}"), cure));
        }
        return Ok(NextHop { host: Host::Ip(address.ip()), port: address.port() });
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(NextHop { host: Host::Ip(ip), port: SMTP_PORT });
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, port.parse().ok().filter(|p| *p != 0).ok_or_else(flaw)?),
        None => (text, SMTP_PORT),
    };
    let name = kind::domain(&Value::Text(host.to_owned()), context).map_err(|_| flaw())?;
    Ok(NextHop { host: Host::Name(name), port })
}

impl fmt::Display for RouteDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(domain) => domain.fmt(f),
            Self::Any => f.write_str("*"),
        }
    }
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Name(name) => write!(f, "{name}:{}", self.port),
            Host::Ip(ip) => SocketAddr::new(*ip, self.port).fmt(f),
        }
    }
}

impl Serialize for RouteDomain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for NextHop {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_next_hop_keeps_its_form_and_gains_port_25() {
        let context = Context { dir: PathBuf::new() };
        let read = |text: &str| next_hop(&Value::Text(text.to_owned()), &context).ok().map(|h| h.to_string());
        for (text, shown) in [
            ("mail.example.jp:2525", "mail.example.jp:2525"),
            ("Mail.Example.JP", "mail.example.jp:25"),
            ("192.0.2.1", "192.0.2.1:25"),
            ("[2001:db8::1]:26", "[2001:db8::1]:26"),
            ("2001:db8::1", "[2001:db8::1]:25"),
        ] {
            assert_eq!(read(text).as_deref(), Some(shown));
        }
        for text in [
            "",
            ":25",
            "h:0",
            "h:65536",
            "h:x",
            "0.0.0.0:25",
            "a b:25",
            "smtp://h:25",
            "h:25:26",
            "256.1.1.1:25",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
