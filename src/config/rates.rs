//! `[limits.*]`: how much may come from whom in how long.
//!
//! Rules: a rate is written `AMOUNT/WINDOW`, such as `"120/1m"` or `"1GiB/1h"`, and so much may also come at once; `"off"` is
//! no limit. Which subjects there are, and what is counted of each, stands in `deploy/anshin.toml`.

use super::kind::{self, ByteSize};
use super::reader::{Context, Flaw, Reader};
use super::show;
use super::tree::Value;
use serde::{Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// Longest window. What is counted is kept in memory and forgotten with the process.
const MAX_WINDOW: Duration = Duration::from_secs(86_400);

/// What an amount counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Number,
    Octets,
}

/// So much in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    pub amount: u64,
    pub window: Duration,
    unit: Unit,
}

/// What is counted of an address and of a network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PeerRates {
    #[serde(serialize_with = "rate_text")]
    pub connections: Option<RateLimit>,
    #[serde(serialize_with = "rate_text")]
    pub login_failures: Option<RateLimit>,
    #[serde(serialize_with = "rate_text")]
    pub unknown_recipients: Option<RateLimit>,
    #[serde(serialize_with = "rate_text")]
    pub recipients: Option<RateLimit>,
    #[serde(serialize_with = "rate_text")]
    pub messages: Option<RateLimit>,
    #[serde(serialize_with = "rate_text")]
    pub octets: Option<RateLimit>,
}

/// What is counted of a credential, a store, a sender and an alias.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MailRates {
    #[serde(serialize_with = "rate_text")]
    pub recipients: Option<RateLimit>,
    #[serde(serialize_with = "rate_text")]
    pub messages: Option<RateLimit>,
    #[serde(serialize_with = "rate_text")]
    pub octets: Option<RateLimit>,
}

/// What is counted of an alias that is written to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AliasRates {
    #[serde(serialize_with = "rate_text")]
    pub messages: Option<RateLimit>,
    #[serde(serialize_with = "rate_text")]
    pub octets: Option<RateLimit>,
}

impl PeerRates {
    /// `defaults` in the order of the fields.
    pub(super) fn read(r: &mut Reader, section: &str, defaults: [&str; 6]) -> Option<Self> {
        let [connections, login_failures, unknown_recipients, recipients, messages, octets] = defaults;
        let connections = count(r, section, "connections", connections);
        let login_failures = count(r, section, "login_failures", login_failures);
        let unknown_recipients = count(r, section, "unknown_recipients", unknown_recipients);
        let mail = MailRates::read(r, section, [recipients, messages, octets]);
        let MailRates { recipients, messages, octets } = mail?;
        Some(Self {
            connections: connections?,
            login_failures: login_failures?,
            unknown_recipients: unknown_recipients?,
            recipients,
            messages,
            octets,
        })
    }
}

impl MailRates {
    /// `defaults` in the order of the fields.
    pub(super) fn read(r: &mut Reader, section: &str, defaults: [&str; 3]) -> Option<Self> {
        let [recipients, messages, octets] = defaults;
        let recipients = count(r, section, "recipients", recipients);
        let messages = count(r, section, "messages", messages);
        let octets = size(r, section, octets);
        Some(Self { recipients: recipients?, messages: messages?, octets: octets? })
    }
}

impl AliasRates {
    /// `defaults` in the order of the fields.
    pub(super) fn read(r: &mut Reader, section: &str, defaults: [&str; 2]) -> Option<Self> {
        let [messages, octets] = defaults;
        let messages = count(r, section, "messages", messages);
        let octets = size(r, section, octets);
        Some(Self { messages: messages?, octets: octets? })
    }
}

fn count(r: &mut Reader, section: &str, key: &str, default: &str) -> Option<Option<RateLimit>> {
    r.value(&format!("limits.{section}.{key}"), default, |value, context| rate(value, context, Unit::Number))
}

fn size(r: &mut Reader, section: &str, default: &str) -> Option<Option<RateLimit>> {
    r.value(&format!("limits.{section}.octets"), default, |value, context| rate(value, context, Unit::Octets))
}

/// So many in so long, or `off`.
pub(super) fn number(value: &Value, context: &Context) -> Result<Option<RateLimit>, Flaw> {
    rate(value, context, Unit::Number)
}

fn rate(value: &Value, context: &Context, unit: Unit) -> Result<Option<RateLimit>, Flaw> {
    let text = kind::text(value)?.trim();
    if text == "off" {
        return Ok(None);
    }
    let cure = match unit {
        Unit::Number => "write a number and a time, such as \"120/1m\", or \"off\"",
        Unit::Octets => "write a size and a time, such as \"1GiB/1h\", or \"off\"",
    };
    let flaw = || Flaw::new(format!("{} is no rate", kind::quote(text)), cure);
    let (amount, window) = text.split_once('/').ok_or_else(flaw)?;
    let part = |text: &str| Value::Text(text.trim().to_owned());
    let window = kind::duration(&part(window), context).map_err(|_| flaw())?;
    let amount = match unit {
        Unit::Number => amount.trim().parse::<u32>().map_err(|_| flaw())?.into(),
        Unit::Octets => kind::size(1..=1 << 50)(&part(amount), context).map_err(|_| flaw())?.octets(),
    };
    if amount == 0 || window > MAX_WINDOW {
        return Err(Flaw::new(format!("{} is nothing, or in more than a day", kind::quote(text)), cure));
    }
    Ok(Some(RateLimit { amount, window, unit }))
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let window = show::duration_text(self.window);
        match self.unit {
            Unit::Number => write!(f, "{}/{window}", self.amount),
            Unit::Octets => write!(f, "{}/{window}", ByteSize::new(self.amount)),
        }
    }
}

pub(super) fn rate_text<S: Serializer>(rate: &Option<RateLimit>, serializer: S) -> Result<S::Ok, S::Error> {
    match rate {
        Some(rate) => serializer.collect_str(rate),
        None => serializer.serialize_str("off"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_reads_back_as_it_is_shown() {
        let context = Context { dir: std::path::PathBuf::new() };
        let read = |text: &str, unit| rate(&Value::Text(text.to_owned()), &context, unit);
        for (text, unit) in [("120/1m", Unit::Number), ("1GiB/1h", Unit::Octets), ("1/1d", Unit::Number)] {
            assert_eq!(read(text, unit).ok().flatten().unwrap().to_string(), text);
        }
        assert!(read("off", Unit::Number).is_ok_and(|rate| rate.is_none()));
        for text in ["", "120", "120/", "/1m", "0/1m", "-1/1m", "120/1", "1GiB/1h", "1/2d", "1.5/1m"] {
            assert!(read(text, Unit::Number).is_err(), "{text}");
        }
        assert!(read("1000/1h", Unit::Octets).is_err());
    }
}
