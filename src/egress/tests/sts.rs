//! MTA-STS: what a policy does to the hosts of a domain, and what holds when the policy cannot be had.

use super::attempt::{AGAIN, HELLO, HELLO_TLS, TAKE, config, deliver_for, deliver_to, describe};
use super::identity::{Age, Authority, Identity};
use super::name_server::NameServer;
use super::policy_host::PolicyHost;
use super::script::Script;
use crate::egress::demand::TlsFailure;
use crate::egress::ground::Ground;
use crate::egress::resolve::Resolvers;
use crate::egress::sts_policies::Kept;
use crate::egress::tls_report::Endpoint;
use crate::egress::{Purpose, Transport};
use crate::mail::Timestamp;

const START_TLS: &str = "c: STARTTLS\ns: 220 go\ntls\n";
const TLS_FAILS: &str = "c: STARTTLS\ns: 220 go\ntls fails\n";
const CLEAR: [&str; 3] = [HELLO, TAKE, "c: QUIT"];
const GOOD: [&str; 5] = [HELLO_TLS, START_TLS, AGAIN, TAKE, "c: QUIT"];

fn policy(mode: &str, mx: &str) -> String {
    format!("version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: 86400\r\n")
}

fn response(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A domain with one mail server and, if it has one, a policy host.
struct Lab {
    authority: Authority,
    transport: Transport,
    server: Option<Script>,
    host: Option<PolicyHost>,
    _names: NameServer,
}

impl Lab {
    /// The mail server has the certificate that `identity` makes and follows `script`.
    async fn new(
        identity: impl FnOnce(&Authority) -> Identity,
        script: &[&str],
        policy: Option<(&str, String)>,
    ) -> Self {
        let authority = Authority::new();
        let scripts = if script.is_empty() { Vec::new() } else { vec![script.concat()] };
        let server = Script::start_with("127.0.1.1:0", &identity(&authority), &scripts).await;
        let mut zone = "mail.example MX 10 mx.test.example\nmx.test.example A 127.0.1.1\n".to_owned();
        let mut host = None;
        if let Some((name, response)) = policy {
            host = Some(PolicyHost::start(&authority.vouch(name, Age::Valid), response).await);
            zone.push_str("_mta-sts.mail.example TXT v=STSv1; id=1;\nmta-sts.mail.example A 127.0.1.9\n");
        }
        let names = NameServer::start(&zone).await;
        let file = std::env::temp_dir().join(format!("authority-{:016x}.pem", getrandom::u64().unwrap()));
        std::fs::write(&file, authority.pem()).unwrap();
        let mut config = config(&[]);
        config.resolvers = Resolvers::Plain(vec![names.address]);
        config.sources.plain = vec!["127.0.0.2".parse().unwrap()];
        config.authorities = Some(file.clone());
        let https = host.as_ref().map_or(9, |host| host.address.port());
        config.ground = Ground { smtp: server.address.port(), https, may_dial: |_| true };
        let transport = Transport::new(config).unwrap();
        std::fs::remove_file(file).unwrap();
        Self { authority, transport, server: Some(server), host, _names: names }
    }

    /// One delivery, and the TLS failure it met.
    async fn deliver(&mut self) -> (String, Option<TlsFailure>) {
        let report = deliver_to(&self.transport, "hana@mail.example", b"Subject: a\r\n\r\nHello\r\n").await;
        let seen = (describe(&report), report.tls_failure);
        self.transport.close().await;
        self.server.take().unwrap().ended().await;
        seen
    }

    /// What was counted: policy, result.
    fn counted(&self) -> Vec<(String, String)> {
        let kind = |(kind, _): (crate::egress::tls_report::Kind, u64)| {
            (kind.policy.kind, kind.failure.map_or_else(|| "good".to_owned(), |failure| failure.reason))
        };
        self.transport.tally().take().into_iter().map(kind).collect()
    }
}

fn own(authority: &Authority) -> Identity {
    authority.vouch("mx.test.example", Age::Valid)
}

fn enforced(mx: &str) -> Option<(&'static str, String)> {
    Some(("mta-sts.mail.example", response(&policy("enforce", mx))))
}

fn delivered() -> String {
    "delivered 2.0.0 dot".to_owned()
}

#[tokio::test]
async fn an_enforced_policy_wants_a_proven_certificate_of_a_host_that_it_names() {
    for mx in ["mx.test.example", "*.test.example"] {
        let mut lab = Lab::new(own, &GOOD, enforced(mx)).await;
        assert_eq!(lab.deliver().await, (delivered(), None));
        assert_eq!(lab.counted(), [("sts".to_owned(), "good".to_owned())]);
        assert_eq!(lab.host.as_ref().unwrap().asked(), 1);
        let fresh = lab.transport.policies().take_fresh();
        assert_eq!((fresh.len(), fresh[0].id.as_str()), (1, "1"));
    }
}

#[tokio::test]
async fn under_an_enforced_policy_a_bad_certificate_defers_and_says_why() {
    type Made = fn(&Authority) -> Identity;
    let expired: Made = |authority| authority.vouch("mx.test.example", Age::Expired);
    let misnamed: Made = |authority| authority.vouch("other.example", Age::Valid);
    let stranger: Made = |_| Identity::of("mx.test.example");
    for (identity, failure) in [
        (expired, TlsFailure::Expired),
        (misnamed, TlsFailure::HostMismatch),
        (stranger, TlsFailure::NotTrusted),
    ] {
        let mut lab = Lab::new(identity, &[HELLO_TLS, TLS_FAILS], enforced("mx.test.example")).await;
        let seen = lab.deliver().await;
        assert_eq!(seen, ("deferred 4.7.5 handshake".to_owned(), Some(failure)));
        assert_eq!(lab.counted(), [("sts".to_owned(), failure.reason().to_owned())]);
    }
}

#[tokio::test]
async fn under_an_enforced_policy_a_stripped_starttls_defers() {
    let mut lab = Lab::new(own, &[HELLO], enforced("mx.test.example")).await;
    let failure = TlsFailure::StartTlsNotSupported;
    assert_eq!(lab.deliver().await, ("deferred 4.7.10 starttls".to_owned(), Some(failure)));
}

#[tokio::test]
async fn a_host_that_an_enforced_policy_does_not_name_is_not_dialled() {
    let mut lab = Lab::new(own, &[], enforced("mx.elsewhere.example")).await;
    let failure = TlsFailure::MxNotInPolicy;
    assert_eq!(lab.deliver().await, ("deferred 4.7.5 resolve".to_owned(), Some(failure)));
    assert_eq!(lab.counted(), [("sts".to_owned(), "mx-not-in-sts-policy".to_owned())]);
}

#[tokio::test]
async fn a_policy_in_testing_reports_and_lets_pass() {
    let testing = Some(("mta-sts.mail.example", response(&policy("testing", "mx.test.example"))));
    let stranger = |_: &Authority| Identity::of("mx.test.example");
    let mut lab = Lab::new(stranger, &GOOD, testing.clone()).await;
    assert_eq!(lab.deliver().await, (delivered(), None));
    assert_eq!(lab.counted(), [("sts".to_owned(), "certificate-not-trusted".to_owned())]);
    let mut lab = Lab::new(own, &CLEAR, testing).await;
    assert_eq!(lab.deliver().await.0, delivered());
    assert_eq!(lab.counted(), [("sts".to_owned(), "starttls-not-offered".to_owned())]);
}

#[tokio::test]
async fn a_policy_that_cannot_be_had_holds_nobody_up_and_is_reported() {
    let good = response(&policy("enforce", "mx.elsewhere.example"));
    let moved = "HTTP/1.1 302 Found\r\nLocation: https://mx.test.example/\r\n\r\n".to_owned();
    let html = good.replace("text/plain", "text/html");
    for (host, response, reason) in [
        ("other.example", good, "sts-policy-host-certificate"),
        ("mta-sts.mail.example", moved, "sts-policy-fetch-error"),
        ("mta-sts.mail.example", html, "sts-policy-invalid"),
        ("mta-sts.mail.example", super::sts::response("mode: enforce\r\n"), "sts-policy-invalid"),
    ] {
        let mut lab = Lab::new(own, &GOOD, Some((host, response))).await;
        assert_eq!(lab.deliver().await.0, delivered(), "{reason}");
        assert_eq!(lab.counted(), [("sts".to_owned(), reason.to_owned())]);
    }
}

#[tokio::test]
async fn a_kept_policy_holds_without_its_record_and_its_host_until_it_ends() {
    let now = Timestamp::now();
    let kept = |age_s: i64| Kept {
        domain: "mail.example".to_owned(),
        id: "0".to_owned(),
        policy: policy("enforce", "mx.test.example"),
        fetched_at: now.as_millis() - age_s * 1000,
    };
    let stranger = |_: &Authority| Identity::of("mx.test.example");
    // No record in the DNS, nobody at the policy host.
    let mut lab = Lab::new(stranger, &[HELLO_TLS, TLS_FAILS], None).await;
    lab.transport.policies().restore(vec![kept(86_000)]);
    assert_eq!(lab.deliver().await.0, "deferred 4.7.5 handshake");
    // A record with a new id, and a policy host that refuses.
    let refuses = Some(("mta-sts.mail.example", "HTTP/1.1 500 No\r\n\r\n".to_owned()));
    let mut lab = Lab::new(stranger, &[HELLO_TLS, TLS_FAILS], refuses).await;
    lab.transport.policies().restore(vec![kept(100)]);
    assert_eq!(lab.deliver().await.0, "deferred 4.7.5 handshake");
    assert_eq!(lab.host.as_ref().unwrap().asked(), 1);
    // Its time is over.
    let mut lab = Lab::new(stranger, &GOOD, None).await;
    lab.transport.policies().restore(vec![kept(86_401)]);
    assert_eq!(lab.deliver().await.0, delivered());
    let _ = lab.authority.pem();
}

#[tokio::test]
async fn a_new_id_replaces_the_policy_and_several_deliveries_ask_once() {
    let lab = Lab::new(own, &[], enforced("mx.elsewhere.example")).await;
    let mut attempts = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let transport = lab.transport.clone();
        attempts.spawn(async move {
            describe(&deliver_to(&transport, "hana@mail.example", b"Subject: a\r\n\r\n").await)
        });
    }
    assert!(attempts.join_all().await.iter().all(|seen| seen == "deferred 4.7.5 resolve"));
    assert_eq!(lab.host.as_ref().unwrap().asked(), 1);
}

#[tokio::test]
async fn an_attempt_that_is_given_up_while_it_fetches_counts_as_a_failed_fetch_and_keeps_nobody_waiting() {
    let mut lab = Lab::new(own, &CLEAR, Some(("mta-sts.mail.example", String::new()))).await;
    let host = lab.host.as_ref().unwrap();
    let transport = lab.transport.clone();
    let attempt = tokio::spawn(async move {
        deliver_to(&transport, "hana@mail.example", b"Subject: a\r\n\r\n").await;
    });
    host.has_been_asked().await;
    attempt.abort();
    let _ = attempt.await;
    // The next one does not wait for that host again.
    assert_eq!(lab.deliver().await.0, delivered());
    assert_eq!(lab.host.as_ref().unwrap().asked(), 1);
    assert_eq!(lab.counted(), [("sts".to_owned(), "starttls-not-offered".to_owned())]);
}

#[tokio::test]
async fn what_is_posted_arrives_whole_and_only_2xx_is_taken_for_an_answer() {
    for (response, is_good) in [("HTTP/1.1 204 No Content\r\n\r\n", true), ("HTTP/1.1 500 No\r\n\r\n", false)]
    {
        let lab = Lab::new(own, &[], Some(("mta-sts.mail.example", response.to_owned()))).await;
        let endpoint = Endpoint::parse("https://mta-sts.mail.example/v1?to=us").unwrap();
        let octets: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let posted = lab.transport.policies().post(&endpoint, "application/tlsrpt+gzip", &octets).await;
        assert_eq!(posted.is_ok(), is_good);
        let request = lab.host.as_ref().unwrap().posted().remove(0);
        let head = "POST /v1?to=us HTTP/1.1\r\nHost: mta-sts.mail.example\r\nContent-Type: application/tlsrpt+gzip\r\n";
        assert!(request.starts_with(head.as_bytes()) && request.ends_with(&octets));
        // Nobody else's certificate will do.
        let other = Endpoint::parse("https://mx.test.example/v1").unwrap();
        assert!(lab.transport.policies().post(&other, "application/tlsrpt+gzip", &octets).await.is_err());
    }
}

#[tokio::test]
async fn without_a_record_no_policy_is_asked_for() {
    let mut lab = Lab::new(own, &CLEAR, None).await;
    assert_eq!(lab.deliver().await.0, delivered());
    assert_eq!(lab.counted(), [("no-policy-found".to_owned(), "starttls-not-offered".to_owned())]);
}

#[tokio::test]
async fn a_report_on_tls_arrives_where_tls_fails_and_is_not_reported_on() {
    let mut lab = Lab::new(own, &CLEAR, enforced("mx.elsewhere.example")).await;
    let message = b"Subject: a\r\n\r\nHello\r\n";
    let report = deliver_for(Purpose::TlsReport, &lab.transport, "hana@mail.example", message).await;
    assert_eq!(describe(&report), delivered());
    assert!(lab.counted().is_empty());
    lab.transport.close().await;
    lab.server.take().unwrap().ended().await;
}
