//! `[[egress.shape]]`: what single receivers bear.
//!
//! Rules: the domains of one shape are one receiver and share its connections and its rate. A domain that the file
//! shapes leaves the built-in shape it was in. Built-in shapes are careful guesses: no receiver promises a figure.

use super::kind;
use super::reader::{Context, Flaw, Reader};
use super::show;
use super::tree::Value;
use crate::mail::Domain;
use serde::{Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// `[[egress.shape]]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shape {
    #[serde(serialize_with = "texts")]
    pub domains: Vec<Domain>,
    /// Connections at once.
    pub connections: u32,
    /// Messages on one connection.
    pub messages_per_connection: u32,
    /// Messages in a time; none: as fast as it takes them.
    #[serde(serialize_with = "rate_text")]
    pub rate: Option<Rate>,
    /// Where its connections come from.
    #[serde(serialize_with = "show::optional")]
    pub pool: Option<String>,
}

/// So many messages in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub messages: u32,
    pub per: Duration,
}

/// The built-in shapes: domains, connections, messages on each, rate. deploy/anshin.toml lists them too.
const BUILT_IN: [(&str, u32, u32, &str); 8] = [
    ("docomo.ne.jp mopera.net", 5, 20, "10/s"),
    ("ezweb.ne.jp au.com uqmobile.jp", 5, 20, "10/s"),
    ("softbank.ne.jp i.softbank.jp vodafone.ne.jp ymobile.ne.jp", 5, 20, "10/s"),
    ("yahoo.co.jp ymail.ne.jp", 2, 20, "10/s"),
    ("rakuten.jp rakuten.ne.jp rakumail.jp", 5, 50, ""),
    ("icloud.com me.com mac.com", 5, 50, ""),
    ("outlook.com outlook.jp hotmail.com hotmail.co.jp live.jp live.com msn.com", 10, 100, ""),
    ("gmail.com googlemail.com", 20, 100, ""),
];

impl Shape {
    /// All shapes in force: those of the file, then the built-in ones for what is left.
    #[must_use]
    pub fn in_force(given: &[Shape]) -> Vec<Shape> {
        let context = Context { dir: std::path::PathBuf::new() };
        let mut all = given.to_vec();
        for (domains, connections, messages_per_connection, limit) in BUILT_IN {
            let domains: Vec<Domain> = domains
                .split(' ')
                .filter_map(|name| Domain::parse(name).ok())
                .filter(|domain| !given.iter().any(|shape| shape.domains.contains(domain)))
                .collect();
            let rate = rate(&Value::Raw(limit.to_owned()), &context).unwrap_or(None);
            all.push(Shape { domains, connections, messages_per_connection, rate, pool: None });
        }
        all
    }

    pub(super) fn read(r: &mut Reader, i: usize) -> Option<Self> {
        let key = |name: &str| format!("egress.shape[{i}].{name}");
        let domains = r.required(
            &key("domains"),
            "list the receiver's domains, such as [\"example.com\", \"example.net\"]",
            kind::list(kind::domain),
        );
        let connections = r.value(&key("connections"), "20", kind::count(1..=10_000));
        let messages = r.value(&key("messages_per_connection"), "100", kind::count(1..=10_000));
        let rate = r.value(&key("rate"), "", rate);
        let pool = r.value(&key("pool"), "", kind::optional(kind::label));
        Some(Self {
            domains: domains?,
            connections: connections?,
            messages_per_connection: messages?,
            rate: rate?,
            pool: pool?,
        })
    }
}

fn rate(value: &Value, _: &Context) -> Result<Option<Rate>, Flaw> {
    let text = kind::text(value)?.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let flaw = || {
        let cure = "write a number of messages and a time, such as \"10/s\", \"600/m\" or \"2000/h\"";
        Flaw::new(format!("{} is no rate", kind::quote(text)), cure)
    };
    let (messages, unit) = text.split_once('/').ok_or_else(flaw)?;
    let messages: u32 = messages.trim().parse().map_err(|_| flaw())?;
    let seconds = match unit.trim() {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(flaw()),
    };
    if messages == 0 || messages > 1_000_000 {
        return Err(flaw());
    }
    Ok(Some(Rate { messages, per: Duration::from_secs(seconds) }))
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per.as_secs() {
            1 => "s",
            60 => "m",
            _ => "h",
        };
        write!(f, "{}/{unit}", self.messages)
    }
}

fn rate_text<S: Serializer>(rate: &Option<Rate>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rate.map(|rate| rate.to_string()).unwrap_or_default())
}

fn texts<S: Serializer>(domains: &[Domain], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(domains.iter().map(Domain::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deployed_file_names_every_built_in_shape() {
        let deployed = include_str!("../../deploy/anshin.toml");
        for (domains, connections, messages, rate) in BUILT_IN {
            let rate = if rate.is_empty() { "-" } else { rate };
            let line = format!("#   {domains}: {connections}, {messages}, {rate}");
            assert!(deployed.lines().any(|l| l == line), "{line}");
        }
    }

    #[test]
    fn a_domain_of_the_file_leaves_its_built_in_shape() {
        let own = Shape {
            domains: vec![Domain::parse("au.com").unwrap()],
            connections: 1,
            messages_per_connection: 1,
            rate: None,
            pool: None,
        };
        let shapes = Shape::in_force(std::slice::from_ref(&own));
        let with: Vec<_> = shapes.iter().filter(|s| s.domains.contains(&own.domains[0])).collect();
        assert_eq!(with, [&own]);
        assert_eq!(shapes.len(), BUILT_IN.len() + 1);
    }

    #[test]
    fn a_rate_is_a_number_and_a_time() {
        let context = Context { dir: std::path::PathBuf::new() };
        let read = |text: &str| rate(&Value::Text(text.to_owned()), &context).ok();
        for text in ["10/s", "600/m", "2000/h"] {
            assert_eq!(read(text).unwrap().unwrap().to_string(), text);
        }
        assert_eq!(read(""), Some(None));
        for text in ["10", "/s", "0/s", "10/d", "-1/s", "1.5/s", "10/ss"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
