//! Reports: who gets them, what stands in them, and that programs can read them.

use super::mail::Report;
use super::report::{About, Period, gzip, json_of};
use super::rua;
use super::tally::{Kind, ReportedFailure, ReportedPolicy};
use crate::mail::{Alias, Domain, RealAddress, Timestamp};
use crate::schedule::{Class, Rooms};
use mail_parser::MessageParser;
use serde_json::json;
use std::io::Write;
use std::process::{Command, Stdio};

fn readers(texts: &[&str]) -> Vec<String> {
    let texts: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    rua::readers(&texts).addresses.iter().map(|address| address.reveal().to_owned()).collect()
}

#[test]
fn reports_go_to_the_mailto_addresses_of_one_record() {
    assert_eq!(readers(&["v=TLSRPTv1; rua=mailto:a@b.example"]), ["a@b.example"]);
    assert_eq!(
        readers(&[
            "x",
            "v=TLSRPTv1;rua=https://r.example/x , MAILTO:a%2bb@c.example,mailto:d@e.example?subject=x"
        ]),
        ["a+b@c.example", "d@e.example"]
    );
    for none in [
        &["v=TLSRPTv1; rua=mailto:a@b.example", "v=TLSRPTv1; rua=mailto:c@d.example"][..],
        &["v=TLSRPTv2; rua=mailto:a@b.example"],
        &["v=TLSRPTv1"],
        &["v=TLSRPTv1; rua=mailto:nobody"],
        &["v=TLSRPTv1; rua=mailto:a%0d%0ab@c.example"],
        &["v=TLSRPTv1; rua=mailto:a%2"],
        &[],
    ] {
        assert!(readers(none).is_empty(), "{none:?}");
    }
    let many = format!("v=TLSRPTv1; rua={}", vec!["mailto:a@b.example"; 50].join(","));
    assert_eq!(readers(&[&many]).len(), 4);
}

#[test]
fn reports_go_to_the_https_endpoints_of_the_record_too() {
    let endpoints = |text: &str| -> Vec<String> {
        let found = rua::readers(&[format!("v=TLSRPTv1; rua={text}").into_bytes()]).endpoints;
        found.iter().map(|endpoint| format!("{} {}", endpoint.host, endpoint.path)).collect()
    };
    assert_eq!(
        endpoints("mailto:a@b.example,HTTPS://R.example/v1?x=y#z,https://s.example,https://t.example:443/"),
        ["r.example /v1?x=y", "s.example /", "t.example /"]
    );
    for none in [
        "http://r.example/",
        "https://r.example:8443/",
        "https://user@r.example/",
        "https://192.0.2.1/",
        "https://[2001:db8::1]/",
        "https://r.example/a b",
        "https://r.example/\u{e9}",
        "https:///x",
        "https://",
    ] {
        assert!(endpoints(none).is_empty(), "{none}");
    }
}

fn kinds() -> Vec<(Kind, u64)> {
    let policy = ReportedPolicy {
        kind: "sts".into(),
        lines: vec!["version: STSv1".into(), "mode: testing".into()],
        domain: "mail.example".into(),
        hosts: vec!["*.mail.example".into()],
    };
    let failure = ReportedFailure {
        result: "certificate-expired".into(),
        host: "mx.mail.example".into(),
        ip: Some("192.0.2.1".parse().unwrap()),
        reason: "certificate-expired".into(),
    };
    vec![(Kind { policy: policy.clone(), failure: None }, 40), (Kind { policy, failure: Some(failure) }, 3)]
}

fn about() -> About<'static> {
    let period = Period::of(Timestamp::parse_rfc3339("2026-11-25T12:00:00Z").unwrap());
    About { organization: "relay.example.jp", contact: "postmaster@relay.example.jp", id: "20782.x", period }
}

#[test]
fn sessions_of_one_policy_are_added_up_and_failures_told_one_by_one() {
    assert_eq!(
        json_of(&about(), &kinds()),
        json!({
            "organization-name": "relay.example.jp",
            "date-range": { "start-datetime": "2026-11-25T00:00:00Z", "end-datetime": "2026-11-25T23:59:59Z" },
            "contact-info": "postmaster@relay.example.jp",
            "report-id": "20782.x",
            "policies": [{
                "policy": {
                    "policy-type": "sts",
                    "policy-string": ["version: STSv1", "mode: testing"],
                    "policy-domain": "mail.example",
                    "mx-host": ["*.mail.example"],
                },
                "summary": { "total-successful-session-count": 40, "total-failure-session-count": 3 },
                "failure-details": [{
                    "result-type": "certificate-expired",
                    "receiving-mx-hostname": "mx.mail.example",
                    "receiving-ip": "192.0.2.1",
                    "failure-reason-code": "certificate-expired",
                    "failed-session-count": 3,
                }],
            }],
        })
    );
}

#[test]
fn what_is_packed_gzip_unpacks() {
    for octets in [&b""[..], b"a", &[b'x'; 70_000]] {
        let mut child =
            Command::new("gzip").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let packed = gzip(octets);
        let writer = std::thread::spawn(move || input.write_all(&packed).unwrap());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(output.status.success());
        assert_eq!(output.stdout, octets);
    }
}

#[test]
fn a_report_is_mail_that_report_readers_know() {
    let domain = Domain::parse("mail.example").unwrap();
    let from = Alias::new("mailer-daemon", Domain::parse("shop.example.jp").unwrap());
    let report =
        Report { about: about(), domain: &domain, from: &from, kinds: &kinds(), now: Timestamp::now() };
    let message = report.message(&RealAddress::parse("tls@mail.example").unwrap());
    assert!(message.is_ascii());
    let parsed = MessageParser::default().parse(&message).unwrap();
    let text = String::from_utf8(message.clone()).unwrap();
    for line in [
        "TLS-Report-Domain: mail.example\r\n",
        "TLS-Report-Submitter: relay.example.jp\r\n",
        "Content-Type: multipart/report; report-type=tlsrpt;",
        "Content-Type: application/tlsrpt+gzip",
        "relay.example.jp!mail.example!1795564800!1795651199.json.gz",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let subject = "Report Domain: mail.example Submitter: relay.example.jp Report-ID: <20782.x>";
    assert_eq!(parsed.subject(), Some(subject));
    let packed = text.split_once("application/tlsrpt+gzip").unwrap().1.split_once("\r\n\r\n").unwrap().1;
    let packed: String = packed.lines().take_while(|line| !line.starts_with("--")).collect();
    let packed = data_encoding::BASE64.decode(packed.as_bytes()).unwrap();
    assert_eq!(packed, gzip(json_of(&about(), &kinds()).to_string().as_bytes()));
}

/// A relay without stores, on a database of its own that is gone with it.
struct Installation {
    relay: crate::relay::Relay,
    dir: std::path::PathBuf,
}

impl Installation {
    async fn new() -> Self {
        use crate::vault::{KeyRing, Make, Vault};
        let dir = std::env::temp_dir().join(format!("anshin-ledger-{}", crate::store::random_id()));
        std::fs::create_dir(&dir).unwrap();
        let ring = KeyRing::open(&dir.join("keys"), Make::Missing, Timestamp::now()).unwrap();
        let vault = Vault::open(&ring).unwrap();
        let url = format!("sqlite:{}", dir.join("relay.db").display());
        let store = crate::store::Store::open(&url, &vault.file).await.unwrap();
        let domain = |text| Domain::parse(text).unwrap();
        let domains = crate::relay::Domains::new(&domain("fw.example"), &domain("shop.example")).unwrap();
        let policy = crate::relay::Policy::for_tests();
        Self { relay: crate::relay::Relay::open(store, vault, domains, policy).await.unwrap(), dir }
    }

    /// All files of the database.
    fn octets(&self) -> Vec<u8> {
        let files = std::fs::read_dir(&self.dir).unwrap().flatten().map(|entry| entry.path());
        files.filter(|path| path.is_file()).flat_map(|path| std::fs::read(path).unwrap()).collect()
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

#[tokio::test]
async fn a_days_sessions_become_one_sealed_message_to_who_asked_and_none_to_who_did_not() {
    use super::ledger::{Ledger, Reporting};
    use crate::egress::demand::TlsFailure;
    use crate::egress::reach::TlsSeen;
    use crate::egress::resolve::{Origin, Resolvers, Target};
    use crate::egress::sts_policies::{Holding, Kept};
    use crate::egress::tests::{NameServer, config};
    use crate::egress::{Transport, demand::Demand, route::Host};

    let names =
        NameServer::start("_smtp._tls.asks.example TXT v=TLSRPTv1; rua=mailto:tls@asks.example").await;
    let mut config = config(&[]);
    config.resolvers = Resolvers::Plain(vec![names.address]);
    let transport = Transport::new(config).unwrap();
    let installation = Installation::new().await;
    let relay = installation.relay.clone();
    let reporting = Reporting::On { contact: "postmaster@relay.example".into() };
    let ledger = Ledger { relay: relay.clone(), transport: transport.clone(), reporting };
    let domain = |text: &str| Domain::parse(text).unwrap();
    let target = |host: &str| Target {
        host: Host::Name(domain(host)),
        addresses: vec!["192.0.2.1:25".parse().unwrap()],
        origin: Origin::Mx,
        demand: Demand::May,
        pool: None,
    };
    for (to, seen) in [
        ("asks.example", TlsSeen::Secured(Err(TlsFailure::NotTrusted))),
        ("asks.example", TlsSeen::Failed(TlsFailure::StartTlsNotSupported)),
        ("silent.example", TlsSeen::Secured(Ok(()))),
        ("nothing.example", TlsSeen::Nothing),
    ] {
        transport.tally().count(&domain(to), &Holding::default(), &target("mx.asks.example"), seen, None);
        ledger.flush().await;
    }
    let tomorrow = Period { day: Period::of(Timestamp::now()).day + 1 };
    assert_eq!(relay.tls_counts(tomorrow.day).await.unwrap().len(), 3);
    for hidden in [&b"asks.example"[..], b"silent.example", b"no-policy-found"] {
        assert!(memchr::memmem::find(&installation.octets(), hidden).is_none());
    }
    ledger.report(tomorrow).await.unwrap();
    // Another process, or the same one after a fault: nothing comes of it.
    ledger.report(tomorrow).await.unwrap();
    assert!(relay.tls_counts(tomorrow.day).await.unwrap().is_empty());
    let now = Timestamp::now();
    let later = now.after(std::time::Duration::from_secs(60));
    let work = relay
        .store()
        .claim(now, later, Rooms::plain(10, 10, &[]), Class::ALL, crate::store::Leases::TakenOver(now))
        .await
        .unwrap()
        .work;
    assert_eq!(work.len(), 1);
    let outbound = relay.outbound(&work[0]).await.ok().unwrap();
    assert_eq!(outbound.forward_path.reveal(), "tls@asks.example");
    assert_eq!((outbound.reverse_path.is_none(), outbound.domain.as_str()), (true, "shop.example"));
    let text = String::from_utf8(outbound.message.as_bytes().to_vec()).unwrap();
    assert!(text.contains("TLS-Report-Domain: asks.example\r\n"), "{text}");

    let policy = "version: STSv1\nmode: enforce\nmx: mx.asks.example\nmax_age: 86400\n".to_owned();
    let kept = Kept { domain: "asks.example".into(), id: "1".into(), policy, fetched_at: now.as_millis() };
    transport.policies().restore(vec![kept.clone()]);
    assert!(transport.policies().take_fresh().is_empty());
    let octets = serde_json::to_vec(&kept).unwrap();
    let row = crate::relay::KeptPolicy {
        domain: domain("asks.example"),
        octets: octets.clone(),
        expires_at: later,
    };
    relay.keep_policies(&[row]).await.unwrap();
    assert_eq!(relay.kept_policies().await.unwrap(), [octets]);
}
