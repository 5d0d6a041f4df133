//! `anshin dns --check` against NSD and a host of an MTA-STS policy, in a network where public addresses are ours to give.
//!
//! When it fails: as any test; needs root.

use super::process::{On, Setup, TestRelay};
use super::secure_delivery::{PolicyHost, in_own_network};
use super::watch::Watch;
use crate::peer::Scratch;
use crate::peer::nsd::Nsd;
use serde_json::Value;
use std::sync::Arc;

const HOST: &str = "relay.anshin.test";
const POLICY: &str = "version: STSv1\r\nmode: enforce\r\nmx: relay.anshin.test\r\nmax_age: 604800\r\n";
const NETWORK: [&str; 2] = ["8.8.1.25/32", "8.8.1.80/32"];

/// The records that `anshin dns` prints, as lines of the zone `test.`; `change` may give another value, or none.
fn zone(relay: &TestRelay, change: impl Fn(&str, &str) -> Option<String>) -> String {
    let records = relay.anshin(&["dns"]);
    let mut text = String::new();
    for record in records.as_array().unwrap() {
        let of = |key: &str| record[key].as_str().unwrap().to_owned();
        let (name, kind, value) = (of("name"), of("type"), of("value"));
        // The proxy is a host of its own.
        let kind = if kind == "CNAME" { "A" } else { &kind };
        let value = if kind == "A" { "8.8.1.80".to_owned() } else { value };
        let Some(value) = change(kind, &value) else { continue };
        let value = match kind {
            "TXT" => {
                let strings: Vec<String> = value
                    .as_bytes()
                    .chunks(255)
                    .map(|string| format!("\"{}\"", String::from_utf8_lossy(string)))
                    .collect();
                strings.join(" ")
            }
            _ => value,
        };
        text.push_str(&format!("{name}. IN {kind} {value}\n"));
    }
    text
}

/// What is not as it should be: type, name and state.
fn amiss(relay: &TestRelay, test: &str, ca_file: &str) -> Vec<(String, String, String)> {
    let backwards = "25 IN PTR relay.anshin.test.\n30 IN PTR out.anshin.test.\n31 IN PTR out.anshin.test.\n";
    let other = "25 IN PTR other.test.\n30 IN PTR other.test.\n31 IN PTR relay.anshin.test.\n";
    let backwards = if test.contains("other.anshin.test") { other } else { backwards };
    let backwards = if test.contains(" MX ") { backwards } else { "" };
    let dns = Nsd::start(&[("test", Some(test)), ("1.8.8.in-addr.arpa", Some(backwards))]);
    let output = relay
        .binary()
        .env("ANSHIN__DNS__SERVERS", format!("['{}']", dns.address()))
        .env("ANSHIN__EGRESS__CA_FILE", ca_file)
        .args(["dns", "--check"])
        .output()
        .unwrap();
    let said = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let (stdout, stderr) = (said(&output.stdout), said(&output.stderr));
    let document: Value =
        serde_json::from_str(&stdout).unwrap_or_else(|fault| panic!("{fault}: {stdout}{stderr}"));
    let lines = if output.status.success() { &document } else { &document["details"] };
    let of = |line: &Value, key: &str| {
        line[key].as_str().unwrap_or_else(|| panic!("no {key}: {document:#}")).to_owned()
    };
    let lines = lines.as_array().unwrap_or_else(|| panic!("{stdout}{stderr}")).iter();
    lines
        .filter(|line| line["state"] != "ok")
        .map(|line| (of(line, "type"), of(line, "name"), of(line, "state")))
        .collect()
}

#[test]
fn a_right_zone_passes_and_each_record_that_is_wrong_or_missing_is_named() {
    let name = "relay::dns_check::a_right_zone_passes_and_each_record_that_is_wrong_or_missing_is_named";
    in_own_network(name, &NETWORK, || {
        let watch = Arc::new(Watch::default());
        let relay = Setup::new(On::Sqlite)
            .key("web.mta_sts.mode", "'enforce'")
            .key("web.mta_sts.report_to", "'mailto:tls@anshin.test'")
            .key("egress.source_addresses", "['8.8.1.25', '8.8.1.30']")
            .key("egress.pool", "[{ name = 'notices', source_addresses = ['8.8.1.31'] }]")
            .key("egress.notice_pool", "'notices'")
            .start(&watch);
        let records = relay.anshin(&["dns"]);
        let records = records.as_array().unwrap();
        let named = |kind: &str| -> Vec<String> {
            let of_kind = records.iter().filter(|record| record["type"] == kind);
            of_kind.map(|record| record["name"].as_str().unwrap().to_owned()).collect()
        };
        let is_whole = |record: &Value| {
            let value = record["value"].as_str().unwrap();
            !value.starts_with("v=spf1")
                || value == "v=spf1 a:relay.anshin.test ip4:8.8.1.25 ip4:8.8.1.30 ip4:8.8.1.31 -all"
        };
        assert!(records.iter().all(is_whole), "{records:?}");
        let hosts = named("CNAME");
        assert!(hosts.len() >= 2, "{records:?}");
        let (policy_host, certificate) = PolicyHost::start("8.8.1.80:443", hosts.clone(), POLICY);
        let roots = Scratch::new("roots");
        let file = roots.path().join("roots.pem");
        std::fs::write(&file, certificate).unwrap();
        let ca_file = file.display().to_string();

        let own = format!(
            "{HOST}. IN A 8.8.1.25\nout.anshin.test. IN A 8.8.1.30\nout.anshin.test. IN A 8.8.1.31\n"
        );
        let right = own.clone() + &zone(&relay, |_, value| Some(value.to_owned()));
        assert_eq!(amiss(&relay, &right, &ca_file), [], "{right}");

        // Every record is another one.
        let host = HOST.strip_suffix(".anshin.test").unwrap();
        let wrong = |kind: &str, value: &str| {
            let other = match kind {
                "MX" => "10 other.anshin.test.".to_owned(),
                "TLSA" => value.replace(|c: char| c.is_ascii_hexdigit() && c > '8', "1"),
                "TXT" if value.starts_with("v=spf1") => value.replace(host, "other"),
                "TXT" if value.starts_with("v=DMARC1") => value.replace("reject", "none"),
                "TXT" => value.replace("p=", "p=AAAA").replace("id=", "id=0").replace("tls@", "nobody@"),
                _ => value.to_owned(),
            };
            Some(other)
        };
        let found = amiss(&relay, &(own.clone() + &zone(&relay, wrong)), &ca_file);
        let expected = |kind: &str, state: &str, of: &[String]| {
            let mut lines = of.iter().map(|name| (kind.to_owned(), name.clone(), state.to_owned()));
            lines.all(|line| found.contains(&line))
        };
        for kind in ["MX", "TXT", "TLSA"] {
            assert!(expected(kind, "wrong", &named(kind)), "{kind}: {found:?}");
        }
        let backwards = ["25", "30", "31"].map(|last| format!("{last}.1.8.8.in-addr.arpa"));
        assert!(expected("PTR", "wrong", &backwards), "{found:?}");
        // One of the addresses that are sent from is not in SPF.
        let fewer = |_: &str, value: &str| Some(value.replace(" ip4:8.8.1.31", ""));
        let found = amiss(&relay, &(own.clone() + &zone(&relay, fewer)), &ca_file);
        assert!(
            !found.is_empty() && found.iter().all(|(kind, _, state)| kind == "TXT" && state == "wrong"),
            "{found:?}"
        );

        // Nothing is there but the host.
        let found = amiss(&relay, &own, &ca_file);
        let is_missing = |kind: &str, name: &str| {
            found.iter().any(|line| {
                let state = if kind == "TLSA" { "optional" } else { "missing" };
                (line.0.as_str(), line.1.as_str(), line.2.as_str()) == (kind, name, state)
            })
        };
        for record in records {
            let (kind, name) = (record["type"].as_str().unwrap(), record["name"].as_str().unwrap());
            assert!(is_missing(kind, name), "{kind} {name}: {found:?}");
        }
        assert!(backwards.iter().all(|name| is_missing("PTR", name)), "{found:?}");

        // The records are right, and the policy that is served is another, or cannot be had.
        let policies: Vec<_> = hosts
            .iter()
            .map(|host| {
                let at = format!("https://{host}/.well-known/mta-sts.txt");
                ("HTTPS".to_owned(), at, "wrong".to_owned())
            })
            .collect();
        assert_eq!(amiss(&relay, &right, ""), policies, "no authority that we know proves the host");
        drop(policy_host);
        let old = POLICY.replace("enforce", "testing");
        let (_policy_host, certificate) = PolicyHost::start("8.8.1.80:443", hosts, &old);
        std::fs::write(&file, certificate).unwrap();
        assert_eq!(amiss(&relay, &right, &ca_file), policies);
    });
}
