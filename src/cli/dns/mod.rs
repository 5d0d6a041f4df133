//! `anshin dns`: the DNS records that the installation needs, as lines of a zone file; with `--check`, how they are.
//!
//! For each of our mail domains: MX to this host (RFC 5321 §5.1), SPF that lets this host and the addresses of its pools
//! alone send (RFC 7208), the DKIM keys (RFC 6376 §3.6.1, RFC 8463), DMARC (RFC 7489 §6.3), and where they are configured MTA-STS (RFC 8461 §3) and
//! TLS reports (RFC 8460 §3). For the host: its addresses, PTR records of these
//! and of all that is sent from, and TLSA 3 1 1 of its certificate
//! (RFC 7672 §3.1.1). Nothing is looked up without `--check`, which fetches the MTA-STS policies too.

mod check;
mod record;
mod spf;

use super::arguments::Common;
use super::output::{Failure, print};
use super::process;
use crate::config::{Config, Role};
use crate::dns::Lookup;
use crate::egress::dkim::Signer;
use crate::egress::is_public;
use crate::ingress::x509;
use crate::mail::Domain;
use crate::relay::Domains;
use crate::web::mta_sts;
use record::{Expected, Need, Record};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;

pub(super) async fn run(is_check: bool, common: &Common) -> Result<(), Failure> {
    let config = process::load(common, &[Role::Egress])?;
    let domains = Domains::new(&config.domains.customer, &config.domains.merchant)?;
    let signer = Signer::configured(&config.egress.dkim)?;
    let (sources, hidden): (BTreeSet<IpAddr>, BTreeSet<IpAddr>) =
        spf::sources(&config).into_iter().partition(|ip| is_public(*ip));
    let mut records = Vec::new();
    for domain in domains.all() {
        records.extend(of_domain(domain, &config, &signer, &sources)?);
    }
    records.extend(tlsa(&config));
    if is_check {
        let lookup = Lookup::new(&config.dns.servers)?;
        let policies = policies(&domains, &config)?;
        let from = check::Sources { public: sources, hidden };
        return check::run(&lookup, &config, &records, &policies, &from, common).await;
    }
    let document: Vec<Value> = records.iter().map(Record::json).collect();
    let mut text =
        format!("; {} itself needs A or AAAA, and a PTR that leads back to it.\n", config.hostname);
    for source in &sources {
        text.push_str(&format!("; {source} is sent from, and needs a PTR whose name leads back to it.\n"));
    }
    for source in &hidden {
        text.push_str(&format!(
            "; {source} is not public: SPF needs the address as which it is seen, and that a PTR.\n"
        ));
    }
    for record in &records {
        if let Some(note) = record.note {
            text.push_str(&format!("; {note}\n"));
        }
        text.push_str(&record.line());
        text.push('\n');
    }
    print(common, &Value::Array(document), &text);
    Ok(())
}

fn of_domain(
    domain: &Domain,
    config: &Config,
    signer: &Signer,
    sources: &BTreeSet<IpAddr>,
) -> Result<Vec<Record>, Failure> {
    let host = &config.hostname;
    let txt = |name: String, value: String, expected| Record::new(name, "TXT", value, expected);
    let mut records = vec![Record::new(domain.to_string(), "MX", format!("10 {host}."), Expected::OnlyHost)];
    records.extend(spf::records(domain, host, sources)?);
    records.push(txt(format!("_dmarc.{domain}"), "v=DMARC1; p=reject".into(), Expected::Dmarc));
    records.extend(
        signer.dns_records(domain).into_iter().map(|key| txt(key.name, key.value, Expected::Tag("p"))),
    );
    if let Some(policy) = mta_sts::policy(&config.web.mta_sts, host) {
        let id = mta_sts::id(&policy);
        records.push(txt(format!("_mta-sts.{domain}"), format!("v=STSv1; id={id}"), Expected::Tag("id")));
        let name = format!("mta-sts.{domain}");
        let policy_host = Record::new(name, "CNAME", format!("{host}."), Expected::AnyAddress);
        records.push(
            policy_host.noted("the proxy with TLS that passes /.well-known/mta-sts.txt to the web listener"),
        );
    }
    if let Some(report_to) = &config.web.mta_sts.report_to {
        let value = format!("v=TLSRPTv1; rua={report_to}");
        records.push(txt(format!("_smtp._tls.{domain}"), value, Expected::Tag("rua")));
    }
    Ok(records)
}

/// The hosts that serve our MTA-STS policy, and the policy.
fn policies(domains: &Domains, config: &Config) -> Result<Vec<(Domain, String)>, Failure> {
    let Some(policy) = mta_sts::policy(&config.web.mta_sts, &config.hostname) else { return Ok(Vec::new()) };
    domains.all().map(|domain| Ok((domain.below("mta-sts")?, policy.clone()))).collect()
}

/// The record of the certificate, where it can be read here: egress may run where it is not.
fn tlsa(config: &Config) -> Option<Record> {
    let certificate = CertificateDer::from_pem_file(&config.ingress.tls.certificate).ok()?;
    let hash = x509::sha256_hex(x509::public_key(&certificate)?);
    let name = format!("_25._tcp.{}", config.hostname);
    let record = Record::new(name, "TLSA", format!("3 1 1 {hash}"), Expected::Among);
    Some(
        record
            .noted("only in a zone with DNSSEC, and only while renewals keep the key")
            .needed(Need::Optional),
    )
}
