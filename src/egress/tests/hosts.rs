//! Which address of a host is used, and from where.

use super::attempt::{HELLO, TAKE, config, deliver, describe};
use super::name_server::NameServer;
use super::script::Script;
use crate::egress::Transport;
use crate::egress::ground::Ground;
use crate::egress::resolve::Resolvers;
use std::time::Instant;

async fn by_zone(zone: &str, port: u16) -> (Transport, NameServer) {
    let names = NameServer::start(&format!("mail.example MX 10 mx.test.example\n{zone}")).await;
    let mut config = config(&[]);
    config.resolvers = Resolvers::Plain(vec![names.address]);
    config.source_addresses = vec!["127.0.0.2".parse().unwrap()];
    config.ground = Ground { smtp: port, may_dial: |_| true, ..Ground::default() };
    (Transport::new(config).unwrap(), names)
}

#[tokio::test]
async fn an_ipv6_address_that_answers_comes_first() {
    let six = Script::start_at("[::1]:0", &[[HELLO, TAKE, "c: QUIT"].concat()]).await;
    let port = six.address.port();
    let four = Script::start_at(&format!("127.0.1.1:{port}"), &[]).await;
    let mut config = config(&[("mail.example", &format!("mx.test.example:{port}"), "may")]);
    let names = NameServer::start("mx.test.example A 127.0.1.1\nmx.test.example AAAA ::1").await;
    config.resolvers = Resolvers::Plain(vec![names.address]);
    let transport = Transport::new(config).unwrap();
    let report = deliver(&transport).await;
    assert_eq!((describe(&report).as_str(), report.address), ("delivered 2.0.0 dot", Some(six.address)));
    transport.close().await;
    six.ended().await;
    four.ended().await;
}

#[tokio::test]
async fn an_ipv6_address_where_nobody_is_costs_no_time() {
    let four = Script::start_at("127.0.1.1:0", &[[HELLO, TAKE, "c: QUIT"].concat()]).await;
    // Discarded silently (RFC 6666), or refused at once; either way IPv4 is reached soon.
    let zone = "mx.test.example A 127.0.1.1\nmx.test.example AAAA 100::1";
    let (transport, _names) = by_zone(zone, four.address.port()).await;
    let start = Instant::now();
    let report = deliver(&transport).await;
    assert_eq!((describe(&report).as_str(), report.address), ("delivered 2.0.0 dot", Some(four.address)));
    assert!(start.elapsed() < transport_patience(), "{:?}", start.elapsed());
    transport.close().await;
    four.ended().await;
}

/// Far below the 30 s that a dead address would cost alone.
fn transport_patience() -> std::time::Duration {
    std::time::Duration::from_secs(15)
}

#[tokio::test]
async fn a_host_at_our_own_address_is_ourselves() {
    let server = Script::start_at("127.0.0.2:0", &["gone".to_owned()]).await;
    let (transport, _names) = by_zone("mx.test.example A 127.0.0.2", server.address.port()).await;
    assert_eq!(describe(&deliver(&transport).await), "failed 5.4.6 connect");
    server.ended().await;
}
