//! Parts of `[egress]` that say how one next hop is spoken to: waits, reuse of connections, what its replies mean, which
//! keys sign, whether TLS reports are sent; and what the word of `[dns]` servers is worth.

use super::egress::RouteDomain;
use super::kind;
use super::reader::{Context, Flaw, Reader};
use super::show;
use super::tree::Value;
use crate::mail::Timestamp;
use serde::{Serialize, Serializer};
use std::time::Duration;

/// `[egress.timeouts]` (RFC 5321 §4.5.3.2)
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timeouts {
    /// Opening a connection.
    #[serde(serialize_with = "show::duration")]
    pub connect: Duration,
    /// The TLS handshake.
    #[serde(serialize_with = "show::duration")]
    pub tls: Duration,
    /// The greeting.
    #[serde(serialize_with = "show::duration")]
    pub greeting: Duration,
    /// EHLO, STARTTLS, MAIL and RCPT, each.
    #[serde(serialize_with = "show::duration")]
    pub command: Duration,
    /// DATA, up to 354.
    #[serde(serialize_with = "show::duration")]
    pub data: Duration,
    /// One piece of the message.
    #[serde(serialize_with = "show::duration")]
    pub content: Duration,
    /// The reply to the final dot.
    #[serde(serialize_with = "show::duration")]
    pub dot: Duration,
    /// One attempt up to the final dot.
    #[serde(serialize_with = "show::duration")]
    pub attempt: Duration,
    /// Attempts before the final dot once a stop was asked for.
    #[serde(serialize_with = "show::duration")]
    pub drain: Duration,
}

/// `[egress.reuse]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reuse {
    /// Messages on one connection.
    pub messages: u32,
    /// Wait for another message.
    #[serde(serialize_with = "show::duration")]
    pub idle: Duration,
    /// Age at which a connection takes no further message.
    #[serde(serialize_with = "show::duration")]
    pub age: Duration,
}

/// `[[egress.reply]]`: what a reply means at one provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reply {
    /// Of the recipients; those below it too.
    pub domain: RouteDomain,
    /// `550` or `550 5.7.1`.
    pub code: String,
    /// Words in the text, in any case; empty: any text.
    pub text: String,
    pub class: ReplyClass,
}

/// What a reply is made to mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplyClass {
    /// To be tried again.
    Defer,
    /// Not to be tried again.
    Fail,
}

impl ReplyClass {
    const WORDS: [(&'static str, Self); 2] = [("defer", Self::Defer), ("fail", Self::Fail)];

    /// The word in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Defer => "defer",
            Self::Fail => "fail",
        }
    }
}

/// `[[egress.dkim.key]]`: a key beside the two that sign from the beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DkimKey {
    pub selector: String,
    pub state: DkimKeyState,
    /// With `sign`: it signs from then on, in place of an earlier one of its algorithm.
    #[serde(serialize_with = "time")]
    pub not_before: Option<Timestamp>,
}

/// What is done with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DkimKeyState {
    /// Published, so that the world knows it before it signs.
    Publish,
    Sign,
    /// Published still, so that what it signed can be verified.
    Retire,
}

impl DkimKeyState {
    const WORDS: [(&'static str, Self); 3] =
        [("publish", Self::Publish), ("sign", Self::Sign), ("retire", Self::Retire)];
}

/// Whether TLS reports are sent (RFC 8460).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsReports {
    /// Once a day to those who ask for them.
    Send,
    None,
}

impl TlsReports {
    pub(super) const WORDS: [(&'static str, Self); 2] = [("send", Self::Send), ("none", Self::None)];
}

/// What the AD bit of the resolvers is worth (RFC 4035 §3.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dnssec {
    /// Nothing: no DANE.
    Ignore,
    /// They are on this machine and validate.
    Trust,
}

impl Dnssec {
    pub(super) const WORDS: [(&'static str, Self); 2] = [("ignore", Self::Ignore), ("trust", Self::Trust)];
}

impl Timeouts {
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        let connect = r.value("egress.timeouts.connect", "30s", kind::duration);
        let tls = r.value("egress.timeouts.tls", "1m", kind::duration);
        let greeting = r.value("egress.timeouts.greeting", "5m", kind::duration);
        let command = r.value("egress.timeouts.command", "5m", kind::duration);
        let data = r.value("egress.timeouts.data", "2m", kind::duration);
        let content = r.value("egress.timeouts.content", "3m", kind::duration);
        let dot = r.value("egress.timeouts.dot", "10m", kind::duration);
        let attempt = r.value("egress.timeouts.attempt", "30m", kind::duration);
        let drain = r.value("egress.timeouts.drain", "1m", kind::duration);
        Some(Self {
            connect: connect?,
            tls: tls?,
            greeting: greeting?,
            command: command?,
            data: data?,
            content: content?,
            dot: dot?,
            attempt: attempt?,
            drain: drain?,
        })
    }
}

impl Reuse {
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        let messages = r.value("egress.reuse.messages", "100", kind::count(1..=10_000));
        let idle = r.value("egress.reuse.idle", "10s", kind::duration);
        let age = r.value("egress.reuse.age", "5m", kind::duration);
        Some(Self { messages: messages?, idle: idle?, age: age? })
    }
}

/// What the built-in entries say, behind those of the file: codes, words, what they mean. Greylisting passes, whatever code it
/// comes under. deploy/anshin.toml lists them too.
const BUILT_IN: [(&str, &str, ReplyClass); 4] = [
    ("550", "greylist", ReplyClass::Defer),
    ("550", "graylist", ReplyClass::Defer),
    ("554", "greylist", ReplyClass::Defer),
    ("554", "graylist", ReplyClass::Defer),
];

impl Reply {
    /// The entries that hold without a file: the first that fits decides, so those of the file come before them.
    #[must_use]
    pub fn built_in() -> Vec<Self> {
        let entry = |(code, text, class): (&str, &str, ReplyClass)| Self {
            domain: RouteDomain::Any,
            code: code.to_owned(),
            text: text.to_owned(),
            class,
        };
        BUILT_IN.into_iter().map(entry).collect()
    }

    pub(super) fn read_all(r: &mut Reader) -> Vec<Self> {
        let count = r.tables("egress.reply");
        (1..=count).filter_map(|i| Self::read(r, i)).collect()
    }

    fn read(r: &mut Reader, i: usize) -> Option<Self> {
        let key = |name: &str| format!("egress.reply[{i}].{name}");
        let cure = "name the domain of the recipients, or \"*\" for all";
        let domain = r.required(&key("domain"), cure, super::egress::route_domain);
        let code = r.required(&key("code"), "write a code such as \"550\" or \"550 5.7.1\"", code);
        let text = r.value(&key("text"), "", |value, _| kind::text(value).map(str::to_owned));
        let class = r.required(&key("class"), "write \"defer\" or \"fail\"", kind::word(&ReplyClass::WORDS));
        Some(Self { domain: domain?, code: code?, text: text?, class: class? })
    }
}

impl DkimKey {
    pub(super) fn read_all(r: &mut Reader) -> Vec<Self> {
        let count = r.tables("egress.dkim.key");
        (1..=count).filter_map(|i| Self::read(r, i)).collect()
    }

    fn read(r: &mut Reader, i: usize) -> Option<Self> {
        let key = |name: &str| format!("egress.dkim.key[{i}].{name}");
        let selector = r.required(&key("selector"), "name the file without .pem", kind::label);
        let cure = "write \"publish\", \"sign\" or \"retire\"";
        let state = r.required(&key("state"), cure, kind::word(&DkimKeyState::WORDS));
        let not_before = r.value(&key("not_before"), "", kind::optional(rfc3339));
        Some(Self { selector: selector?, state: state?, not_before: not_before? })
    }
}

/// `550` or `550 5.7.1`.
fn code(value: &Value, _: &Context) -> Result<String, Flaw> {
    let text = match value {
        Value::Integer(number) => number.to_string(),
        other => kind::text(other)?.trim().to_owned(),
    };
    let (digits, enhanced) = text.split_once(' ').map_or((text.as_str(), None), |(a, b)| (a, Some(b)));
    let good = digits.len() == 3
        && digits.parse::<u16>().is_ok_and(|code| (400..600).contains(&code))
        && enhanced.is_none_or(|enhanced| {
            let parts: Vec<&str> = enhanced.split('.').collect();
            matches!(parts.as_slice(), ["4" | "5", ..])
                && parts.len() == 3
                && parts
                    .iter()
                    .all(|part| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()))
        });
    if good {
        return Ok(text);
    }
    Err(Flaw::new(
        format!("{} is no code of a refusal", kind::quote(&text)),
        "write a code such as \"550\" or \"550 5.7.1\"",
    ))
}

fn rfc3339(value: &Value, _: &Context) -> Result<Timestamp, Flaw> {
    let text = kind::text(value)?.trim();
    Timestamp::parse_rfc3339(text).ok_or_else(|| {
        let reason = format!("{} is no time", kind::quote(text));
        Flaw::new(reason, "write it such as \"2027-01-01T00:00:00+09:00\"")
    })
}

fn time<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.map(Timestamp::to_rfc3339).unwrap_or_default())
}
