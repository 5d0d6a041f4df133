//! Messages that must not go without TLS (RFC 8689), and how many a server takes on one connection (RFC 9422).

use super::attempt::{HELLO, HELLO_TLS, TAKE, check, config, deliver_requiring_tls, describe};
use super::name_server::NameServer;
use super::script::Script;
use crate::egress::Transport;

const TLS: &str = "c: STARTTLS\ns: 220 go\ntls\n";
const OFFERED: &str = "c: EHLO relay.example\ns: 250-mx\ns: 250-REQUIRETLS\ns: 250 PIPELINING\n";
const NOT_OFFERED: &str = "c: EHLO relay.example\ns: 250-mx\ns: 250 PIPELINING\n";

/// One delivery over a static route with this policy to a server of this script; what came of it.
async fn outcome(policy: &str, script: &[&str]) -> String {
    let names = NameServer::start("mx.test.example A 127.0.0.1").await;
    let server = Script::start(&[script.concat()]).await;
    let file = std::env::temp_dir().join(format!("authority-{:016x}.pem", getrandom::u64().unwrap()));
    std::fs::write(&file, &server.certificate_pem).unwrap();
    let hop = format!("mx.test.example:{}", server.address.port());
    let mut config = config(&[("mail.example", &hop, policy)]);
    config.dns_servers = vec![names.address];
    config.authorities = Some(file.clone());
    let transport = Transport::new(config).unwrap();
    std::fs::remove_file(file).unwrap();
    let report = describe(&deliver_requiring_tls(&transport).await);
    transport.close().await;
    server.ended().await;
    report
}

#[tokio::test]
async fn it_goes_over_proven_tls_to_a_server_that_keeps_the_rule() {
    let take = TAKE.replace("fw.example>", "fw.example> REQUIRETLS");
    for policy in ["may", "encrypt", "verify"] {
        let script = [HELLO_TLS, TLS, OFFERED, &take, "c: QUIT"];
        assert_eq!(outcome(policy, &script).await, "delivered 2.0.0 dot", "{policy}");
    }
}

#[tokio::test]
async fn it_fails_at_a_server_without_the_rule_or_without_tls() {
    let without_rule = [HELLO_TLS, TLS, NOT_OFFERED, "c: QUIT"];
    assert_eq!(outcome("may", &without_rule).await, "failed 5.7.30 mail");
    assert_eq!(outcome("may", &[HELLO]).await, "failed 5.7.30 starttls");
}

#[tokio::test]
async fn a_certificate_that_proves_nothing_and_a_route_without_tls_do_not_serve() {
    let unproven = [HELLO_TLS, "c: STARTTLS\ns: 220 go\ntls fails\n"].concat();
    let server = Script::start(&[unproven]).await;
    let transport = Transport::new(super::attempt::to_server(server.address, "may")).unwrap();
    assert_eq!(describe(&deliver_requiring_tls(&transport).await), "deferred 4.7.5 handshake");
    transport.close().await;
    server.ended().await;
    let transport = Transport::new(super::attempt::to_server(([127, 0, 0, 1], 9).into(), "none")).unwrap();
    assert_eq!(describe(&deliver_requiring_tls(&transport).await), "failed 5.7.30 starttls");
}

#[tokio::test]
async fn a_server_gets_no_more_messages_on_a_connection_than_it_said() {
    let hello = HELLO.replace("s: 250 PIPELINING", "s: 250-LIMITS MAILMAX=2 RCPTMAX=1\ns: 250 PIPELINING");
    let (two, one) = ([&hello, TAKE, TAKE, "c: QUIT"], [&hello, TAKE, "c: QUIT"]);
    let expected = ["delivered 2.0.0 dot", "delivered 2.0.0 dot reused", "delivered 2.0.0 dot"];
    check(&[&two, &one], "may", |_| {}, &expected).await;
}
