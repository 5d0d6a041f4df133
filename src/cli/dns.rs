//! `anshin dns`: the DNS records that the installation needs, as lines of a zone file.
//!
//! For each of our mail domains: MX to this host (RFC 5321 §5.1), SPF that lets this host alone send (RFC 7208), the DKIM
//! keys (RFC 6376 §3.6.1, RFC 8463), DMARC (RFC 7489 §6.3). Address and PTR records of the host itself are its
//! provider's business and are named in a comment. Nothing is looked up.

use super::arguments::Common;
use super::output::{Failure, print};
use super::process;
use crate::config::Role;
use crate::egress::dkim::Signer;
use crate::mail::Domain;
use crate::relay::Domains;
use serde_json::{Value, json};

struct Record {
    name: String,
    kind: &'static str,
    value: String,
    line: String,
}

pub(super) fn run(common: &Common) -> Result<(), Failure> {
    let config = process::load(common, &[Role::Egress])?;
    let domains = Domains::new(&config.domains.customer, &config.domains.merchant)?;
    let signer = Signer::configured(&config.egress.dkim)?;
    let records: Vec<Record> =
        domains.all().flat_map(|domain| records(domain, &config.hostname, &signer)).collect();
    let document: Vec<Value> = records
        .iter()
        .map(|record| json!({ "name": record.name, "type": record.kind, "value": record.value }))
        .collect();
    let mut text =
        format!("; {} itself needs A or AAAA, and a PTR that leads back to it.\n", config.hostname);
    for record in &records {
        text.push_str(&record.line);
        text.push('\n');
    }
    print(common, &Value::Array(document), &text);
    Ok(())
}

fn records(domain: &Domain, host: &Domain, signer: &Signer) -> Vec<Record> {
    let plain = |name: String, kind: &'static str, value: String| {
        let shown = if kind == "TXT" { format!("\"{value}\"") } else { value.clone() };
        Record { line: format!("{name}. IN {kind} {shown}"), name, kind, value }
    };
    let mut records = vec![
        plain(domain.to_string(), "MX", format!("10 {host}.")),
        plain(domain.to_string(), "TXT", format!("v=spf1 a:{host} -all")),
        plain(format!("_dmarc.{domain}"), "TXT", "v=DMARC1; p=reject".into()),
    ];
    records.extend(signer.dns_records(domain).into_iter().map(|key| Record {
        line: key.to_string(),
        name: key.name,
        kind: "TXT",
        value: key.value,
    }));
    records
}
