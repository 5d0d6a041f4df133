//! `[web]`: the HTTP listener, and what of it the public sees.

use super::kind;
use super::listen;
use super::network::{self, Network};
use super::rates::{self, RateLimit};
use super::reader::{Context, Flaw, Reader};
use super::show;
use super::tree::Value;
use serde::Serialize;
use std::net::SocketAddr;
use std::time::Duration;

/// Longest max_age of a policy (RFC 8461 §3.2).
const MAX_AGE: Duration = Duration::from_secs(31_557_600);

/// `[web]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Web {
    /// Where the HTTP API, the menu and `/readyz` listen, in clear. Empty: nowhere.
    pub listen: Vec<SocketAddr>,
    /// Where the help pages are for everybody, without a slash at the end.
    #[serde(serialize_with = "show::optional")]
    pub public_url: Option<String>,
    /// Networks of the proxies before it, whose word counts on who asks.
    pub proxies: Vec<Network>,
    /// Requests of one token of the API.
    #[serde(serialize_with = "rates::rate_text")]
    pub requests: Option<RateLimit>,
    pub mta_sts: MtaSts,
}

/// `[web.mta_sts]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MtaSts {
    pub mode: MtaStsMode,
    /// How long a sender keeps the policy.
    #[serde(serialize_with = "show::duration")]
    pub max_age: Duration,
    /// Where reports about failed TLS go (RFC 8460): `mailto:` or `https:`.
    #[serde(serialize_with = "show::optional")]
    pub report_to: Option<String>,
}

/// What the policy asks of senders (RFC 8461 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MtaStsMode {
    /// No policy is served.
    Off,
    /// A policy that ends an earlier one (§8.3).
    None,
    Testing,
    Enforce,
}

impl Web {
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        const MODES: [(&str, MtaStsMode); 4] = [
            ("off", MtaStsMode::Off),
            ("none", MtaStsMode::None),
            ("testing", MtaStsMode::Testing),
            ("enforce", MtaStsMode::Enforce),
        ];
        let listen = r.value("web.listen", "127.0.0.1:8025", kind::list(listen::address));
        let public_url = r.value("web.public_url", "", kind::optional(public_url));
        let proxies = r.value("web.proxies", "[]", kind::list(network::balancers));
        let requests = r.value("web.requests", "1200/1m", rates::number);
        let mode = r.value("web.mta_sts.mode", "off", kind::word(&MODES));
        let max_age = r.value("web.mta_sts.max_age", "7d", max_age);
        let report_to = r.value("web.mta_sts.report_to", "", kind::optional(report_to));
        let mta_sts = MtaSts { mode: mode?, max_age: max_age?, report_to: report_to? };
        Some(Self {
            listen: listen?,
            public_url: public_url?,
            proxies: proxies?,
            requests: requests?,
            mta_sts,
        })
    }
}

/// `https://HOST` and perhaps a path: it stands in SMTP replies, of 512 octets at most.
fn public_url(value: &Value, _: &Context) -> Result<String, Flaw> {
    let text = kind::text(value)?.trim().trim_end_matches('/');
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_good = |rest: &str| {
        rest.len() <= 100
            && rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
            && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_/:[]~".contains(&b))
    };
    if rest.is_some_and(is_good) {
        return Ok(text.to_owned());
    }
    let cure = "write such as https://relay.example.jp, of at most 100 letters, digits and .-_/:~";
    Err(Flaw::new(format!("{} is no address of a web page", kind::quote(text)), cure))
}

fn max_age(value: &Value, context: &Context) -> Result<Duration, Flaw> {
    let age = kind::duration(value, context)?;
    if age > MAX_AGE || age.as_secs() == 0 {
        return Err(Flaw::new("is out of bounds", "write a time from 1s to 365d"));
    }
    Ok(age)
}

fn report_to(value: &Value, _: &Context) -> Result<String, Flaw> {
    let text = kind::text(value)?.trim();
    let is_good = (text.starts_with("mailto:") && text.contains('@')) || text.starts_with("https://");
    if is_good && text.bytes().all(|b| b.is_ascii_graphic() && !b",;!\"".contains(&b)) && text.len() <= 200 {
        return Ok(text.to_owned());
    }
    let cure = "write such as mailto:tls@example.jp or https://example.jp/tls";
    Err(Flaw::new(format!("{} is no place for reports", kind::quote(text)), cure))
}
