//! TLS between us and a next hop.

use super::attempt::{
    AGAIN, HELLO, HELLO_TLS, TAKE, check, config, deliver, deliver_to, describe, to_server,
};
use super::name_server::NameServer;
use super::script::Script;
use crate::egress::Transport;
use crate::egress::resolve::Resolvers;
use crate::egress::tls::Certificate;
use crate::smtp::client::Outcome;

#[tokio::test]
async fn starttls_is_used_where_offered_with_any_certificate() {
    let tls = "c: STARTTLS\ns: 220 go\ntls\n";
    let server = Script::start(&[[HELLO_TLS, tls, AGAIN, TAKE, TAKE, "c: QUIT"].concat()]).await;
    let transport = Transport::new(to_server(server.address, "may")).unwrap();
    for reused in [false, true] {
        let report = deliver(&transport).await;
        assert!(matches!(report.outcome, Outcome::Delivered { .. }));
        let info = report.tls.unwrap();
        assert_eq!((info.version, info.certificate), ("TLSv1.3", Certificate::Unproven));
        assert!(info.cipher.starts_with("TLS13_"));
        assert_eq!(report.connection_reused, reused);
    }
    transport.close().await;
    server.ended().await;
}

#[tokio::test]
async fn broken_tls_is_followed_by_clear_once_and_remembered() {
    let broken = "c: STARTTLS\ns: 220 go\ngarbage\n";
    check(
        &[&[HELLO_TLS, broken], &[HELLO_TLS, TAKE, "c: QUIT"], &[HELLO_TLS, TAKE, "c: QUIT"]],
        "may",
        |c| c.pool.messages = 1,
        &["delivered 2.0.0 dot", "delivered 2.0.0 dot"],
    )
    .await;
}

#[tokio::test]
async fn tls_that_ends_right_after_the_handshake_is_broken_too() {
    let broken = "c: STARTTLS\ns: 220 go\ntls\n";
    check(&[&[HELLO_TLS, broken], &[HELLO_TLS, TAKE, "c: QUIT"]], "may", |_| {}, &["delivered 2.0.0 dot"])
        .await;
}

#[tokio::test]
async fn required_tls_is_never_replaced_by_clear() {
    let broken = "c: STARTTLS\ns: 220 go\ngarbage\n";
    for tls in ["encrypt", "verify"] {
        check(&[&[HELLO_TLS, broken]], tls, |_| {}, &["deferred 4.7.5 handshake"]).await;
        check(&[&[HELLO]], tls, |_| {}, &["deferred 4.7.10 starttls"]).await;
    }
    let unproven = "c: STARTTLS\ns: 220 go\ntls fails\n";
    check(&[&[HELLO_TLS, unproven]], "verify", |_| {}, &["deferred 4.7.5 handshake"]).await;
}

#[tokio::test]
async fn verify_takes_a_certificate_of_a_named_authority_for_the_right_name_only() {
    let names = NameServer::start("mx.test.example A 127.0.0.1\nother.test.example A 127.0.0.1").await;
    let good = [HELLO_TLS, "c: STARTTLS\ns: 220 go\ntls\n", AGAIN, TAKE, "c: QUIT"].concat();
    let bad = [HELLO_TLS, "c: STARTTLS\ns: 220 go\ntls fails\n"].concat();
    let server = Script::start(&[good, bad]).await;
    let file = std::env::temp_dir().join(format!("authority-{:016x}.pem", getrandom::u64().unwrap()));
    std::fs::write(&file, &server.certificate_pem).unwrap();
    let hop = |name: &str| format!("{name}:{}", server.address.port());
    let mut config = config(&[
        ("mail.example", &hop("mx.test.example"), "verify"),
        ("other.example", &hop("other.test.example"), "verify"),
    ]);
    config.resolvers = Resolvers::Plain(vec![names.address]);
    config.authorities = Some(file.clone());
    let transport = Transport::new(config).unwrap();
    std::fs::remove_file(file).unwrap();
    let report = deliver(&transport).await;
    assert_eq!(describe(&report), "delivered 2.0.0 dot");
    assert_eq!(report.tls.unwrap().certificate, Certificate::Proven);
    let report = deliver_to(&transport, "hana@other.example", b"a\r\n").await;
    assert_eq!(describe(&report), "deferred 4.7.5 handshake");
    transport.close().await;
    server.ended().await;
}
