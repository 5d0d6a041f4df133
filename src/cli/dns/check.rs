//! Looks every record up, fetches every MTA-STS policy over HTTPS, and says of each: ok, missing, wrong or unknown, and what to put.
//!
//! When it fails: some record that is needed is not as it should be; then the exit status is 1.

use super::record::{Need, Record, State};
use crate::cli::arguments::Common;
use crate::cli::output::{Failure, print};
use crate::config::Config;
use crate::dns::{Kind, Looked, Lookup, ptr_name};
use crate::egress::{is_public, policy_of};
use crate::mail::Domain;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

/// Most names of an address that are looked at (RFC 7208 §4.6.4 has the same for `ptr`).
const NAMES: usize = 10;

/// What was found about one record.
struct Line {
    name: String,
    kind: &'static str,
    state: State,
    need: Need,
    found: Vec<String>,
    put: String,
}

/// From where mail goes out.
pub(super) struct Sources {
    /// Public addresses.
    pub public: BTreeSet<IpAddr>,
    /// Addresses that others do not see.
    pub hidden: BTreeSet<IpAddr>,
}

pub(super) async fn run(
    lookup: &Lookup,
    config: &Config,
    records: &[Record],
    policies: &[(Domain, String)],
    from: &Sources,
    common: &Common,
) -> Result<(), Failure> {
    let host = &config.hostname;
    let mut lines = of_host(lookup, host).await;
    lines.extend(of_sources(lookup, host, from, &lines).await);
    for record in records {
        let (state, found) = match lookup.ask(&record.name, record.question()).await {
            Looked::Found(found) => (record.judge(&found, host), found),
            Looked::None => (State::Missing, Vec::new()),
            Looked::Unknown => (State::Unknown, Vec::new()),
        };
        let (name, kind, need, put) = (record.name.clone(), record.kind, record.need, record.line());
        lines.push(Line { name, kind, state, need, found, put });
    }
    for (at, policy) in policies {
        lines.push(of_policy(lookup, at, policy, config.egress.ca_file.as_deref()).await);
    }
    let document = Value::Array(lines.iter().map(Line::json).collect());
    let text: String = lines.iter().map(Line::text).collect();
    let amiss = lines.iter().filter(|line| line.need == Need::Required && line.state != State::Good).count();
    if amiss == 0 {
        print(common, &document, &format!("{text}All that is needed is there."));
        return Ok(());
    }
    let text = format!("{text}{amiss} of the records that are needed are not as they should be");
    Err(Failure { details: Some(document), ..Failure::new(text) })
}

/// Addresses of the host, and that each leads back to it (RFC 1912 §2.1).
async fn of_host(lookup: &Lookup, host: &Domain) -> Vec<Line> {
    let line = |name: String, kind, state, found, put: String| Line {
        name,
        kind,
        state,
        need: Need::Required,
        found,
        put,
    };
    let put = format!("{host}. IN A the public address of this machine");
    let found = match lookup.ask(host.as_str(), Kind::Address).await {
        Looked::Found(found) => found,
        Looked::None => return vec![line(host.to_string(), "A", State::Missing, Vec::new(), put)],
        Looked::Unknown => return vec![line(host.to_string(), "A", State::Unknown, Vec::new(), put)],
    };
    let addresses: Vec<IpAddr> = found.iter().filter_map(|text| text.parse().ok()).collect();
    let state = if addresses.iter().all(|ip| is_public(*ip)) { State::Good } else { State::Wrong };
    let mut lines = vec![line(host.to_string(), "A", state, found, put)];
    for ip in addresses {
        let name = ptr_name(ip);
        let put = format!("{name}. IN PTR {host}.  (the provider of the address sets it)");
        let (state, found) = match lookup.ask(&name, Kind::Ptr).await {
            Looked::Found(found) if found.contains(&format!("{host}.")) => (State::Good, found),
            Looked::Found(found) => (State::Wrong, found),
            Looked::None => (State::Missing, Vec::new()),
            Looked::Unknown => (State::Unknown, Vec::new()),
        };
        lines.push(line(name, "PTR", state, found, put));
    }
    lines
}

/// That each address which mail goes out from has a name that leads back to it (RFC 1912 §2.1, RFC 8601 §2.7.3); those of
/// the host have been looked at.
async fn of_sources(lookup: &Lookup, host: &Domain, from: &Sources, of_host: &[Line]) -> Vec<Line> {
    let mut lines = Vec::new();
    for ip in &from.public {
        let name = ptr_name(*ip);
        if of_host.iter().any(|line| line.name == name) {
            continue;
        }
        let put = format!("{name}. IN PTR a name of its own below {host} whose A or AAAA is {ip}");
        let (state, found) = match lookup.ask(&name, Kind::Ptr).await {
            Looked::Found(found) => (leads_back(lookup, &found, *ip).await, found),
            Looked::None => (State::Missing, Vec::new()),
            Looked::Unknown => (State::Unknown, Vec::new()),
        };
        lines.push(Line { name, kind: "PTR", state, need: Need::Required, found, put });
    }
    for ip in &from.hidden {
        let put = "the address as which it is seen, into SPF, and a PTR for that".to_owned();
        let (name, found) = (ip.to_string(), Vec::new());
        lines.push(Line { name, kind: "SPF", state: State::Missing, need: Need::Optional, found, put });
    }
    lines
}

/// Whether one of the names leads to the address.
async fn leads_back(lookup: &Lookup, names: &[String], ip: IpAddr) -> State {
    let mut state = State::Wrong;
    for name in names.iter().take(NAMES) {
        match lookup.ask(name.trim_end_matches('.'), Kind::Address).await {
            Looked::Found(found) if found.iter().any(|text| text.parse() == Ok(ip)) => return State::Good,
            Looked::Unknown => state = State::Unknown,
            Looked::Found(_) | Looked::None => {}
        }
    }
    state
}

/// What the host of a policy serves, as every sender that verifies would get it (RFC 8461 §3.3).
async fn of_policy(lookup: &Lookup, host: &Domain, policy: &str, authorities: Option<&Path>) -> Line {
    let lines = |text: &str| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>();
    let (state, found) = match lookup.ask(host.as_str(), Kind::Address).await {
        Looked::Found(found) => {
            let addresses: Vec<IpAddr> = found.iter().filter_map(|text| text.parse().ok()).collect();
            match policy_of(host, &addresses, authorities).await {
                Ok(served) if lines(&served) == lines(policy) => (State::Good, lines(&served)),
                Ok(served) => (State::Wrong, lines(&served)),
                Err(fault) => (State::Wrong, vec![fault]),
            }
        }
        Looked::None => (State::Missing, Vec::new()),
        Looked::Unknown => (State::Unknown, Vec::new()),
    };
    let name = format!("https://{host}/.well-known/mta-sts.txt");
    let put = format!("{}  (a proxy with TLS passes it from the web listener)", lines(policy).join(" | "));
    Line { name, kind: "HTTPS", state, need: Need::Required, found, put }
}

impl Line {
    fn word(&self) -> &'static str {
        match (self.state, self.need) {
            (State::Good, _) => "ok",
            (State::Missing, Need::Required) => "missing",
            (State::Missing, Need::Optional) => "optional",
            (State::Wrong, _) => "wrong",
            (State::Unknown, _) => "unknown",
        }
    }

    fn text(&self) -> String {
        let head = format!("{:<9}{} {}\n", self.word(), self.kind, self.name);
        match self.state {
            State::Good => head,
            State::Unknown => format!("{head}         the name servers did not answer; try again\n"),
            State::Missing => format!("{head}         put:   {}\n", self.put),
            State::Wrong => {
                format!("{head}         found: {}\n         put:   {}\n", self.found.join(" | "), self.put)
            }
        }
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name, "type": self.kind, "state": self.word(), "found": self.found, "put": self.put,
        })
    }
}
