//! One DNS record: what it should be, how it is written, and whether what was found will do.

use super::spf;
use crate::dns::Kind;
use crate::mail::Domain;
use serde_json::{Value, json};

/// Longest string within a TXT record (RFC 1035 §3.3.14).
const STRING: usize = 255;

/// Whether the installation works without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Required,
    Optional,
}

/// When what is found will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// MX records that all name our host.
    OnlyHost,
    /// One SPF record that lets all send that ours does.
    Spf,
    /// One DMARC record that asks to refuse.
    Dmarc,
    /// A record whose tag has our value.
    Tag(&'static str),
    /// Any address will do.
    AnyAddress,
    /// Ours is among them.
    Among,
}

/// How a record is in the DNS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Good,
    Missing,
    Wrong,
    Unknown,
}

/// A record that should be there.
pub(super) struct Record {
    pub name: String,
    pub kind: &'static str,
    pub value: String,
    pub expected: Expected,
    pub need: Need,
    pub note: Option<&'static str>,
}

impl Record {
    pub fn new(name: String, kind: &'static str, value: String, expected: Expected) -> Self {
        Self { name, kind, value, expected, need: Need::Required, note: None }
    }

    pub fn noted(mut self, note: &'static str) -> Self {
        self.note = Some(note);
        self
    }

    pub fn needed(mut self, need: Need) -> Self {
        self.need = need;
        self
    }

    /// A line of a zone file.
    pub fn line(&self) -> String {
        let value = match self.kind {
            "TXT" if self.value.len() > STRING => {
                let pieces = self.value.as_bytes().chunks(STRING).map(String::from_utf8_lossy);
                let pieces: Vec<String> = pieces.map(|piece| format!("\"{piece}\"")).collect();
                format!("( {} )", pieces.join(" "))
            }
            "TXT" => format!("\"{}\"", self.value),
            _ => self.value.clone(),
        };
        format!("{}. IN {} {value}", self.name, self.kind)
    }

    pub fn json(&self) -> Value {
        json!({ "name": self.name, "type": self.kind, "value": self.value })
    }

    /// What to ask the DNS for.
    pub fn question(&self) -> Kind {
        match self.kind {
            "MX" => Kind::Mx,
            "TLSA" => Kind::Tlsa,
            "CNAME" => Kind::Address,
            _ => Kind::Txt,
        }
    }

    /// Whether what was found will do.
    pub fn judge(&self, found: &[String], host: &Domain) -> State {
        let good = |is_good: bool| if is_good { State::Good } else { State::Wrong };
        // Of several TXT records at a name only those of a kind count: `v=spf1`, `v=DMARC1`, and so on.
        let version = self.value.split([' ', ';']).next().unwrap_or_default();
        let ours: Vec<&String> = found
            .iter()
            .filter(|text| self.kind != "TXT" || text.trim_start().starts_with(version))
            .collect();
        let [first, rest @ ..] = ours.as_slice() else { return State::Missing };
        match self.expected {
            Expected::AnyAddress => State::Good,
            Expected::Among => good(ours.iter().any(|text| plain(text) == plain(&self.value))),
            Expected::OnlyHost => {
                let is_host = |text: &&String| text.split(' ').nth(1) == Some(&format!("{host}."));
                good(ours.iter().all(is_host))
            }
            Expected::Spf => good(rest.is_empty() && spf::allows(first, &self.value)),
            Expected::Dmarc => {
                let policy = tag(first, "p").unwrap_or_default();
                good(
                    rest.is_empty()
                        && ["reject", "quarantine"].contains(&policy.to_ascii_lowercase().as_str()),
                )
            }
            Expected::Tag(name) => good(rest.is_empty() && tag(first, name) == tag(&self.value, name)),
        }
    }
}

/// The value of a tag in a list of `name=value` separated by semicolons, without blanks.
fn tag(text: &str, name: &str) -> Option<String> {
    let mut tags = text.split(';').filter_map(|tag| tag.split_once('='));
    tags.find(|(tag, _)| tag.trim() == name).map(|(_, value)| plain(value))
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_is_good_missing_or_wrong() {
        let host = Domain::parse("relay.example.jp").unwrap();
        let txt = |value: &str, expected| Record::new("x".into(), "TXT", value.into(), expected);
        let spf = txt("v=spf1 a:relay.example.jp -all", Expected::Spf);
        let dmarc = txt("v=DMARC1; p=reject", Expected::Dmarc);
        let key = txt("v=DKIM1; k=rsa; p=AAAABBBB", Expected::Tag("p"));
        let mx = Record::new("x".into(), "MX", "10 relay.example.jp.".into(), Expected::OnlyHost);
        for (record, found, state) in [
            (&spf, &["v=spf1 a:relay.example.jp -all"][..], State::Good),
            (&spf, &["v=spf1 +a:relay.example.jp include:x.example ~all", "other=1"], State::Good),
            (&spf, &["other=1"], State::Missing),
            (&spf, &["v=spf1 a:other.example.jp -all"], State::Wrong),
            (&spf, &["v=spf1 a:relay.example.jp -all", "v=spf1 -all"], State::Wrong),
            (&dmarc, &["v=DMARC1;p=quarantine; rua=mailto:a@b.example"], State::Good),
            (&dmarc, &["v=DMARC1; p=none"], State::Wrong),
            (&key, &["v=DKIM1; p=AAAA BBBB"], State::Good),
            (&key, &["v=DKIM1; p=AAAACCCC"], State::Wrong),
            (&mx, &["20 relay.example.jp."], State::Good),
            (&mx, &["10 relay.example.jp.", "20 other.example."], State::Wrong),
            (&mx, &[], State::Missing),
        ] {
            let found: Vec<String> = found.iter().map(|&text| text.to_owned()).collect();
            assert_eq!(record.judge(&found, &host), state, "{} {found:?}", record.value);
        }
    }

    #[test]
    fn a_long_text_is_written_in_strings_of_255_octets() {
        let record = Record::new("x".into(), "TXT", "a".repeat(300), Expected::Among);
        assert_eq!(record.line(), format!("x. IN TXT ( \"{}\" \"{}\" )", "a".repeat(255), "a".repeat(45)));
    }
}
