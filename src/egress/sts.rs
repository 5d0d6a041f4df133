//! MTA-STS (RFC 8461): reading the TXT record and the policy, and whether a host is one of those that it names.
//!
//! Rules: of several TXT records that begin with `v=STSv1` none counts (§3.1); a policy's unknown fields are passed over,
//! of a field that may stand once the first counts, lines end in CRLF or LF (§3.2). A pattern's `*` stands for exactly one
//! label, the leftmost (§4.1). Names are compared as lower-case A-labels. All octets come from whoever owns the domain:
//! at most [`MAX_POLICY`] of them, at most [`MAX_PATTERNS`] patterns.
//! When it fails: nothing is read, and the domain counts as one whose policy is invalid.

use crate::mail::Domain;
use std::time::Duration;

/// Octets of a policy (§3.3 suggests a bound of this size).
pub const MAX_POLICY: usize = 64 * 1024;
/// Patterns of one policy.
pub const MAX_PATTERNS: usize = 64;
/// Longest time a policy is kept (§3.2: about a year).
pub const MAX_AGE: Duration = Duration::from_secs(31_557_600);
/// Longest id (§3.1).
const MAX_ID: usize = 32;

/// What a policy asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A host that is not as the policy says gets no mail.
    Enforce,
    /// It gets its mail, and is reported.
    Testing,
    /// No policy.
    None,
}

/// A host, or all hosts one label below a name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Host(Domain),
    Below(Domain),
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub mode: Mode,
    pub max_age: Duration,
    patterns: Vec<Pattern>,
    /// Its lines as they came, for reports (RFC 8460 §4.4).
    pub lines: Vec<String>,
}

/// The id in the TXT records of `_mta-sts.DOMAIN`; none where there is no record, more than one, or one that is none.
#[must_use]
pub fn read_record(texts: &[Vec<u8>]) -> Option<String> {
    let mut records = texts.iter().filter_map(|text| std::str::from_utf8(text).ok()).filter_map(|text| {
        let mut fields = text.split(';').map(str::trim);
        (fields.next()? == "v=STSv1").then(|| {
            let id = fields.find_map(|field| field.split_once('=').filter(|(key, _)| key.trim() == "id"))?;
            let id = id.1.trim();
            let good = (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
            good.then(|| id.to_owned())
        })
    });
    match (records.next(), records.next()) {
        (Some(id), None) => id,
        _ => None,
    }
}

impl Policy {
    /// Reads the text of a policy.
    #[must_use]
    pub fn read(octets: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(octets).ok().filter(|text| text.len() <= MAX_POLICY)?;
        let (mut version, mut mode, mut max_age) = (None, None, None);
        let (mut patterns, mut lines) = (Vec::new(), Vec::new());
        for line in text.split('\n').map(str::trim).filter(|line| !line.is_empty()) {
            let (key, value) = line.split_once(':')?;
            let (key, value) = (key.trim_end(), value.trim_start());
            match key {
                "version" if version.is_none() => version = Some(value),
                "mode" if mode.is_none() => mode = Some(value),
                "max_age" if max_age.is_none() => max_age = Some(value),
                "mx" if patterns.len() < MAX_PATTERNS => patterns.push(Pattern::read(value)?),
                _ => continue,
            }
            lines.push(printable(line));
        }
        let mode = match mode? {
            "enforce" => Mode::Enforce,
            "testing" => Mode::Testing,
            "none" => Mode::None,
            _ => return None,
        };
        let max_age = max_age.filter(|digits| (1..=10).contains(&digits.len()))?;
        if version? != "STSv1" || !max_age.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let max_age = Duration::from_secs(max_age.parse().ok()?).min(MAX_AGE);
        if patterns.is_empty() && mode != Mode::None {
            return None;
        }
        Some(Self { mode, max_age, patterns, lines })
    }

    /// Whether it names this host.
    #[must_use]
    pub fn names(&self, host: &Domain) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(host))
    }

    /// Its patterns, for reports (RFC 8460 §4.4, `mx-host`).
    pub fn patterns(&self) -> impl Iterator<Item = String> {
        self.patterns.iter().map(|pattern| match pattern {
            Pattern::Host(host) => host.to_string(),
            Pattern::Below(parent) => format!("*.{parent}"),
        })
    }
}

impl Pattern {
    fn read(text: &str) -> Option<Self> {
        let (text, below) = match text.strip_prefix("*.") {
            Some(parent) => (parent, true),
            None => (text, false),
        };
        let name = Domain::parse(text).ok().filter(|name| !name.is_literal())?;
        Some(if below { Pattern::Below(name) } else { Pattern::Host(name) })
    }

    fn matches(&self, host: &Domain) -> bool {
        match self {
            Pattern::Host(name) => name == host,
            Pattern::Below(parent) => {
                host.as_str().split_once('.').is_some_and(|(_, rest)| rest == parent.as_str())
            }
        }
    }
}

fn printable(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str =
        "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.Example.NET\r\nmax_age: 604800\r\n";

    fn read(text: &str) -> Option<Policy> {
        Policy::read(text.as_bytes())
    }

    #[test]
    fn a_policy_is_read_with_either_line_end_and_unknown_fields() {
        let policy = read(POLICY).unwrap();
        assert_eq!((policy.mode, policy.max_age), (Mode::Enforce, Duration::from_secs(604_800)));
        assert_eq!(policy.patterns().collect::<Vec<_>>(), ["mail.example.com", "*.example.net"]);
        assert_eq!(policy.lines.len(), 5);
        let same = read(&POLICY.replace("\r\n", "\n").replace("mode: ", "x-new: 1\nmode:")).unwrap();
        assert_eq!((same.mode, same.max_age), (policy.mode, policy.max_age));
        let first = read(&format!("{POLICY}mode: none\r\nmax_age: 1\r\n")).unwrap();
        assert_eq!((first.mode, first.max_age), (Mode::Enforce, Duration::from_secs(604_800)));
        assert_eq!(read("version: STSv1\nmode: none\nmax_age: 9999999999\n").unwrap().max_age, MAX_AGE);
    }

    #[test]
    fn what_is_no_policy_is_none() {
        for text in [
            "",
            "no colon\n",
            "mode: enforce\nmx: a.example\nmax_age: 1\n",
            "version: STSv2\nmode: enforce\nmx: a.example\nmax_age: 1\n",
            "version: STSv1\nmode: force\nmx: a.example\nmax_age: 1\n",
            "version: STSv1\nmode: enforce\nmax_age: 1\n",
            "version: STSv1\nmode: enforce\nmx: a.example\n",
            "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: -1\n",
            "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 1d\n",
            "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 12345678901\n",
            "version: STSv1\nmode: enforce\nmx: *.*.example\nmax_age: 1\n",
            "version: STSv1\nmode: enforce\nmx: [192.0.2.1]\nmax_age: 1\n",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(Policy::read(b"version: STSv1\nmode: \xff\n"), None);
        assert_eq!(read(&format!("{POLICY}x: {}\n", "y".repeat(MAX_POLICY))), None);
    }

    #[test]
    fn a_star_is_one_label_and_the_leftmost() {
        let policy = read(POLICY).unwrap();
        for (host, named) in [
            ("mail.example.com", true),
            ("MAIL.example.com.", true),
            ("mx.mail.example.com", false),
            ("example.com", false),
            ("mx1.example.net", true),
            ("a.mx1.example.net", false),
            ("example.net", false),
            ("evilexample.net", false),
        ] {
            assert_eq!(policy.names(&Domain::parse(host).unwrap()), named, "{host}");
        }
    }

    #[test]
    fn exactly_one_record_counts() {
        let read =
            |texts: &[&str]| read_record(&texts.iter().map(|t| t.as_bytes().to_vec()).collect::<Vec<_>>());
        assert_eq!(read(&["v=STSv1; id=20260101T000000;"]).as_deref(), Some("20260101T000000"));
        assert_eq!(read(&["v=spf1 -all", "v=STSv1;id=a1", "x"]).as_deref(), Some("a1"));
        assert_eq!(read(&["v=STSv1; new=1; id = a1"]).as_deref(), Some("a1"));
        for none in [
            &["v=STSv1; id=a", "v=STSv1; id=b"][..],
            &["v=STSv1;"],
            &["v=STSv1; id="],
            &["v=STSv1; id=a b"],
            &["v=STSv12; id=a"],
            &[" id=a; v=STSv1"],
            &[],
        ] {
            assert_eq!(read(none), None, "{none:?}");
        }
        assert_eq!(read(&[&format!("v=STSv1; id={}", "a".repeat(33))]), None);
    }
}
