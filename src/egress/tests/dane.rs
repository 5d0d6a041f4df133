//! DANE for SMTP, against a signed zone: which hosts are held to TLSA records, and what comes of it.

use super::attempt::{AGAIN, HELLO, HELLO_TLS, TAKE, config, deliver_to, describe};
use super::dnssec::{Dnssec, FORGED};
use super::identity::{Age, Authority, Identity};
use super::script::Script;
use crate::egress::demand::{Demand, TlsFailure};
use crate::egress::ground::Ground;
use crate::egress::resolve::{NextHops, Resolvers};
use crate::egress::tls::{Certificate, TlsClient};
use crate::egress::{Report, Transport};
use crate::mail::Domain;
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use std::time::Duration;

const START_TLS: &str = "c: STARTTLS\ns: 220 go\ntls\n";
const TLS_FAILS: &str = "c: STARTTLS\ns: 220 go\ntls fails\n";

fn digest(octets: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(octets))
}

/// `3 1 1`, which names the key.
fn of_key(certificate: &CertificateDer<'_>) -> String {
    let parsed = rustls::server::ParsedCertificate::try_from(certificate).unwrap();
    format!("3 1 1 {}", digest(parsed.subject_public_key_info().as_ref()))
}

#[tokio::test]
async fn a_host_is_held_to_tlsa_records_where_everything_on_the_way_is_proven() {
    let good = "3 1 1 ".to_owned() + &"ab".repeat(32);
    let forged = FORGED.0;
    let dns = Dnssec::start(
        &format!(
            "dane MX 10 mx.dane
             mx.dane A 192.0.2.1
             _25._tcp.mx.dane TLSA {good}
             unusable MX 10 mx.unusable
             mx.unusable A 192.0.2.2
             _25._tcp.mx.unusable TLSA 1 1 1 {}
             without MX 10 mx.without
             mx.without A 192.0.2.3
             mixed MX 10 mx.elsewhere.plain.
             alias MX 10 mx.alias
             mx.alias CNAME mx.dane
             initial MX 10 mx.initial
             mx.initial CNAME mx.without
             _25._tcp.mx.initial TLSA {good}
             forged MX 10 mx.forged
             mx.forged A 192.0.2.4
             _25._tcp.mx.forged TLSA 3 1 1 {forged}
             rescued MX 10 mx.forged
             rescued MX 20 mx.dane
             forgedmx MX 10 mx.dane
             forgedaddress MX 10 mx.forgedaddress
             bare A 192.0.2.5
             _25._tcp.bare TLSA {good}",
            "cd".repeat(32)
        ),
        &format!(
            "shop MX 10 mx.dane.example.
             elsewhere MX 10 mx.elsewhere
             mx.elsewhere A 192.0.2.9
             _25._tcp.mx.elsewhere TLSA {good}"
        ),
    );
    let tls = TlsClient::new(None, Duration::ZERO).unwrap();
    let hops = NextHops::new(
        &Resolvers::Validating(vec![dns.address]),
        tls.proven_config(),
        Vec::new(),
        Domain::parse("relay.example.net").unwrap(),
        Vec::new(),
        Ground { may_dial: |_| true, ..Ground::default() },
    )
    .unwrap();
    for (domain, expected) in [
        ("dane.example", "mx.dane.example: dane mx.dane.example 1"),
        ("unusable.example", "mx.unusable.example: dane mx.unusable.example 0"),
        ("without.example", "mx.without.example: May"),
        // A host outside the signed world, and a domain outside it whose host is inside.
        ("mixed.example", "mx.elsewhere.plain: May"),
        ("shop.plain", "mx.dane.example: May"),
        ("elsewhere.plain", "mx.elsewhere.plain: May"),
        ("alias.example", "mx.alias.example: dane mx.dane.example 1"),
        ("initial.example", "mx.initial.example: dane mx.initial.example 1"),
        ("forged.example", "4.7.5"),
        ("rescued.example", "mx.dane.example: dane mx.dane.example 1"),
        ("bare.example", "bare.example: dane bare.example 1"),
    ] {
        let seen = match hops.find(None, &Domain::parse(domain).unwrap(), 1).await {
            Ok(targets) => targets
                .iter()
                .map(|target| match &target.demand {
                    Demand::Dane(dane) => {
                        format!("{}: dane {} {}", target.host, dane.base, dane.records.len())
                    }
                    demand => format!("{}: {demand:?}", target.host),
                })
                .collect::<Vec<_>>()
                .join(", "),
            Err(verdict) => {
                let (c, s, d) = verdict.outcome.status().enhanced_or_general();
                format!("{c}.{s}.{d}")
            }
        };
        assert_eq!(seen, expected, "{domain}\n{}", dns.logs());
    }
}

/// One delivery to a server with this identity and script, whose host has these TLSA records.
async fn delivered(identity: &Identity, tlsa: &[String], script: &[&str]) -> (Report, Transport) {
    let server = Script::start_with("127.0.1.1:0", identity, &[script.concat()]).await;
    let port = server.address.port();
    let records: String = tlsa.iter().map(|record| format!("_{port}._tcp.mx.test TLSA {record}\n")).collect();
    let dns = Dnssec::start(&format!("mail MX 10 mx.test\nmx.test A 127.0.1.1\n{records}"), "");
    let mut config = config(&[]);
    config.resolvers = Resolvers::Validating(vec![dns.address]);
    // Another address than the server's, or it would be ourselves.
    config.sources.plain = vec!["127.0.0.2".parse().unwrap()];
    config.ground = Ground { smtp: port, may_dial: |_| true, ..Ground::default() };
    config.pool.messages = 1;
    let transport = Transport::new(config).unwrap();
    let report = deliver_to(&transport, "hana@mail.example", b"Subject: a\r\n\r\nHello\r\n").await;
    server.ended().await;
    (report, transport)
}

#[tokio::test]
async fn the_certificate_that_the_records_name_is_taken_whatever_its_name_and_age() {
    let good = [HELLO_TLS, START_TLS, AGAIN, TAKE, "c: QUIT"];
    let authority = Authority::new();
    for identity in [Identity::of("other.example"), authority.vouch("mx.test.example", Age::Expired)] {
        let (report, transport) = delivered(&identity, &[of_key(identity.certificate())], &good).await;
        assert_eq!(describe(&report), "delivered 2.0.0 dot");
        assert_eq!(report.tls.unwrap().certificate, Certificate::Dane);
        assert_eq!(report.tls_failure, None);
        let counted = transport.tally().take();
        assert_eq!(counted.len(), 1);
        assert_eq!((counted[0].0.policy.kind.as_str(), counted[0].0.failure.is_none()), ("tlsa", true));
    }
}

#[tokio::test]
async fn an_authority_that_the_records_name_vouches_for_names_and_dates() {
    let authority = Authority::new();
    let records = [format!("2 0 1 {}", digest(authority.certificate()))];
    let good = [HELLO_TLS, START_TLS, AGAIN, TAKE, "c: QUIT"];
    for name in ["mx.test.example", "mail.example"] {
        let (report, _) = delivered(&authority.vouch(name, Age::Valid), &records, &good).await;
        assert_eq!(describe(&report), "delivered 2.0.0 dot", "{name}");
    }
    for identity in [
        authority.vouch("mx.test.example", Age::Expired),
        authority.vouch("other.example", Age::Valid),
        Authority::new().vouch("mx.test.example", Age::Valid),
    ] {
        let (report, _) = delivered(&identity, &records, &[HELLO_TLS, TLS_FAILS]).await;
        assert_eq!(describe(&report), "deferred 4.7.5 handshake");
    }
}

#[tokio::test]
async fn another_certificate_or_no_tls_defers_and_nothing_goes_in_clear() {
    let (own, other) = (Identity::of("mx.test.example"), Identity::of("mx.test.example"));
    let records = [of_key(other.certificate())];
    let (report, transport) = delivered(&own, &records, &[HELLO_TLS, TLS_FAILS]).await;
    assert_eq!(describe(&report), "deferred 4.7.5 handshake");
    assert_eq!(report.tls_failure, Some(TlsFailure::TlsaMismatch));
    let counted = transport.tally().take();
    let failure = counted[0].0.failure.as_ref().unwrap();
    assert_eq!((failure.result.as_str(), failure.reason.as_str()), ("validation-failure", "tlsa-mismatch"));

    let (report, _) = delivered(&own, &records, &[HELLO]).await;
    assert_eq!(describe(&report), "deferred 4.7.10 starttls");
    assert_eq!(report.tls_failure, Some(TlsFailure::StartTlsNotSupported));

    let broken = "c: STARTTLS\ns: 220 go\ngarbage\n";
    let (report, _) = delivered(&own, &records, &[HELLO_TLS, broken]).await;
    assert_eq!(describe(&report), "deferred 4.7.5 handshake");
}

#[tokio::test]
async fn where_no_record_is_usable_any_certificate_will_do_but_not_clear_text() {
    let records = [format!("1 1 1 {}", "ab".repeat(32))];
    let identity = Identity::of("other.example");
    let good = [HELLO_TLS, START_TLS, AGAIN, TAKE, "c: QUIT"];
    let (report, _) = delivered(&identity, &records, &good).await;
    assert_eq!(report.tls.unwrap().certificate, Certificate::Unproven);
    let (report, _) = delivered(&identity, &records, &[HELLO]).await;
    assert_eq!(describe(&report), "deferred 4.7.10 starttls");
}
