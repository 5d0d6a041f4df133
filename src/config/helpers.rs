//! Helpers of the ingress, all off by default: block lists in the DNS, greylisting, a scanner for malware, a filter for spam.

use super::kind;
use super::listen;
use super::reader::{Context, Flaw, Reader};
use super::show;
use super::tree::Value;
use crate::mail::Domain;
use serde::{Serialize, Serializer};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// `[[ingress.mx.blocklist]]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Blocklist {
    /// The zone that is asked (RFC 5782).
    #[serde(serialize_with = "show::text")]
    pub zone: Domain,
    pub action: BlockAction,
}

/// What a listed address meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BlockAction {
    /// The record says so, nothing else.
    Label,
    /// 450.
    Defer,
    /// 550.
    Refuse,
}

/// `[ingress.mx.greylist]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Greylist {
    /// How long the first inquiry of a sender is put off; nobody's is without.
    #[serde(serialize_with = "show::optional_duration")]
    pub wait: Option<Duration>,
    /// How long the sender may take to come again.
    #[serde(serialize_with = "show::duration")]
    pub retry_within: Duration,
    /// How long one who did is known.
    #[serde(serialize_with = "show::duration")]
    pub remember: Duration,
}

/// `[ingress.clamd]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Clamd {
    /// Where it listens; nobody is asked without.
    #[serde(serialize_with = "show::optional")]
    pub address: Option<ScannerAddress>,
    #[serde(serialize_with = "show::duration")]
    pub timeout: Duration,
    pub on_failure: OnFailure,
}

/// `[ingress.rspamd]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rspamd {
    /// Where its normal worker listens; nobody is asked without.
    #[serde(serialize_with = "show::optional")]
    pub address: Option<ScannerAddress>,
    #[serde(serialize_with = "show::duration")]
    pub timeout: Duration,
    pub on_failure: OnFailure,
    pub on_spam: OnSpam,
}

/// What becomes of a mail that the filter would reject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnSpam {
    /// It goes on with a label, as what it would only mark does.
    Label,
    /// 554.
    Refuse,
}

/// A socket on this machine or in a private network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScannerAddress {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// What becomes of a mail that the scanner could not look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    Accept,
    Defer,
}

impl Blocklist {
    pub(super) fn read_all(r: &mut Reader) -> Vec<Self> {
        const WORDS: [(&str, BlockAction); 3] =
            [("label", BlockAction::Label), ("defer", BlockAction::Defer), ("refuse", BlockAction::Refuse)];
        let count = r.tables("ingress.mx.blocklist");
        let read = |i: usize| {
            let key = |name: &str| format!("ingress.mx.blocklist[{i}].{name}");
            let zone = r.required(&key("zone"), "name the zone of the list", kind::domain);
            let action = r.value(&key("action"), "label", kind::word(&WORDS));
            Some(Self { zone: zone?, action: action? })
        };
        (1..=count).filter_map(read).collect()
    }
}

impl Greylist {
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        let wait = r.value("ingress.mx.greylist.wait", "", kind::optional(kind::duration));
        let retry_within = r.value("ingress.mx.greylist.retry_within", "2d", kind::duration);
        let remember = r.value("ingress.mx.greylist.remember", "36d", kind::duration);
        Some(Self { wait: wait?, retry_within: retry_within?, remember: remember? })
    }
}

impl Clamd {
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        const WORDS: [(&str, OnFailure); 2] = [("accept", OnFailure::Accept), ("defer", OnFailure::Defer)];
        let address = r.value("ingress.clamd.address", "", kind::optional(scanner));
        let timeout = r.value("ingress.clamd.timeout", "30s", kind::duration);
        let on_failure = r.value("ingress.clamd.on_failure", "defer", kind::word(&WORDS));
        Some(Self { address: address?, timeout: timeout?, on_failure: on_failure? })
    }
}

impl Rspamd {
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        const FAILURE: [(&str, OnFailure); 2] = [("accept", OnFailure::Accept), ("defer", OnFailure::Defer)];
        const SPAM: [(&str, OnSpam); 2] = [("label", OnSpam::Label), ("refuse", OnSpam::Refuse)];
        let address = r.value("ingress.rspamd.address", "", kind::optional(scanner));
        let timeout = r.value("ingress.rspamd.timeout", "10s", kind::duration);
        let on_failure = r.value("ingress.rspamd.on_failure", "accept", kind::word(&FAILURE));
        let on_spam = r.value("ingress.rspamd.on_spam", "label", kind::word(&SPAM));
        Some(Self { address: address?, timeout: timeout?, on_failure: on_failure?, on_spam: on_spam? })
    }
}

/// What is scanned is mail in clear: it must not leave for somewhere.
fn scanner(value: &Value, context: &Context) -> Result<ScannerAddress, Flaw> {
    let text = kind::text(value)?;
    if text.contains('/') {
        return kind::path(value, context).map(ScannerAddress::Unix);
    }
    let address = listen::address(value, context)?;
    if address.port() == 0 || !listen::is_private(address.ip()) {
        let cure = "name a socket of this machine, such as /run/clamav/clamd.ctl or 127.0.0.1:3310";
        return Err(Flaw::new("is outside: mail would leave in clear to be scanned", cure));
    }
    Ok(ScannerAddress::Tcp(address))
}

impl fmt::Display for ScannerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

impl Serialize for ScannerAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
