//! Which address of a host is used, and from where.

use super::attempt::{AGAIN, ASK, HELLO, HELLO_TLS, TAKE, config, deliver, deliver_to, describe};
use super::name_server::NameServer;
use super::script::Script;
use crate::egress::ground::Ground;
use crate::egress::resolve::Resolvers;
use crate::egress::route::Route;
use crate::egress::{Dotted, Outgoing, Purpose, SourcePool, Sources, Transport};
use crate::mail::{Domain, RealAddress};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

async fn by_zone(zone: &str, port: u16) -> (Transport, NameServer) {
    let names = NameServer::start(&format!("mail.example MX 10 mx.test.example\n{zone}")).await;
    let mut config = config(&[]);
    config.resolvers = Resolvers::Plain(vec![names.address]);
    config.sources.plain = vec!["127.0.0.2".parse().unwrap()];
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

#[tokio::test]
async fn a_host_is_reached_from_the_addresses_of_the_mails_pool() {
    let listener = TcpListener::bind("127.0.1.1:0").await.unwrap();
    let hop = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        let mut seen = Vec::new();
        for _ in 0..4 {
            let (mut stream, peer) = listener.accept().await.unwrap();
            stream.write_all(b"421 4.3.2 busy\r\n").await.unwrap();
            seen.push(peer.ip().to_string());
        }
        seen
    });
    let addresses = |text: &str| vec![text.parse().unwrap()];
    let mut config = config(&[("*", &hop, "none")]);
    let route = Route::parse("routed.example", &hop, "none").unwrap();
    config.routes.push(route.from_pool(Some(SourcePool(0))));
    config.sources = Sources {
        plain: addresses("127.0.0.2"),
        pools: ["127.0.0.3", "127.0.0.4", "127.0.0.5"].map(addresses).to_vec(),
        by_domain: [(Domain::parse("shaped.example").unwrap(), SourcePool(1))].into(),
        notices: Some(SourcePool(2)),
        bulk: None,
    };
    let transport = Transport::new(config).unwrap();
    for to in ["hana@routed.example", "hana@shaped.example", "hana@other.example"] {
        deliver_to(&transport, to, b"a\r\n").await;
    }
    let forward_path = RealAddress::parse("hana@other.example").unwrap();
    let notice = Outgoing {
        messages_per_connection: 100,
        route: None,
        reverse_path: None,
        forward_path: &forward_path,
        message: b"a\r\n",
        eight_bit: false,
        utf8_headers: false,
        require_tls: false,
        purpose: Purpose::Mail,
        dotted: &Dotted::default(),
    };
    transport.deliver(notice).await;
    assert_eq!(server.await.unwrap(), ["127.0.0.3", "127.0.0.4", "127.0.0.2", "127.0.0.5"]);
}

/// A host that is reached over IPv6 and IPv4, each following its scripts, after so many deliveries with these outcomes.
async fn dual(demand: &str, six: &[&[&str]], four: &[&[&str]], expected: &[(&str, Family)]) {
    let scripts = |parts: &[&[&str]]| parts.iter().map(|parts| parts.concat()).collect::<Vec<_>>();
    let six = Script::start_at("[::1]:0", &scripts(six)).await;
    let port = six.address.port();
    let four = Script::start_at(&format!("127.0.1.1:{port}"), &scripts(four)).await;
    let mut config = config(&[("mail.example", &format!("mx.test.example:{port}"), demand)]);
    let names = NameServer::start("mx.test.example A 127.0.1.1\nmx.test.example AAAA ::1").await;
    config.resolvers = Resolvers::Plain(vec![names.address]);
    config.pool.messages = 1;
    let short = Duration::from_secs(2);
    (config.deadlines.greeting, config.deadlines.ehlo, config.deadlines.handshake) = (short, short, short);
    let transport = Transport::new(config).unwrap();
    for (outcome, family) in expected {
        let report = deliver(&transport).await;
        assert_eq!(describe(&report), *outcome);
        let address = match family {
            Family::Six => six.address,
            Family::Four => four.address,
        };
        assert_eq!(report.address, Some(address));
    }
    transport.close().await;
    six.ended().await;
    four.ended().await;
}

#[derive(Clone, Copy)]
enum Family {
    Six,
    Four,
}

#[tokio::test]
async fn an_address_that_connects_and_does_not_serve_gives_way_to_the_other_and_comes_last_afterwards() {
    let take: &[&str] = &[HELLO, TAKE, "c: QUIT"];
    let twice = [("delivered 2.0.0 dot", Family::Four); 2];
    for broken in [
        &["s: 554 5.7.1 no PTR"][..],
        &["s: 421 4.7.0 no PTR"],
        &[""],
        &["hang"],
        &["s: 220 mx\nc: EHLO relay.example\ns: 421 4.3.2 busy"],
        &["s: 220 mx\nc: EHLO relay.example"],
        &["s: 220 mx\nc: EHLO relay.example\nhang"],
    ] {
        dual("may", &[broken], &[take, take], &twice).await;
    }
}

#[tokio::test]
async fn an_address_whose_handshake_hangs_gives_way_to_one_with_tls_before_anything_goes_in_clear() {
    let hangs: &[&str] = &[HELLO_TLS, "c: STARTTLS\ns: 220 go\nhang"];
    let take: &[&str] = &[HELLO_TLS, "c: STARTTLS\ns: 220 go\ntls\n", AGAIN, TAKE, "c: QUIT"];
    let lacks: &[&str] = &[HELLO];
    for demand in ["may", "encrypt"] {
        dual(demand, &[hangs], &[take], &[("delivered 2.0.0 dot", Family::Four)]).await;
    }
    dual("encrypt", &[lacks], &[take], &[("delivered 2.0.0 dot", Family::Four)]).await;
    // Where TLS is broken at both, the first of them is spoken to in clear.
    let broken: &[&str] = &[HELLO_TLS, "c: STARTTLS\ns: 220 go\ngarbage"];
    let clear: &[&str] = &[HELLO_TLS, TAKE, "c: QUIT"];
    dual("may", &[broken, clear], &[broken], &[("delivered 2.0.0 dot", Family::Six)]).await;
}

#[tokio::test]
async fn an_address_that_sends_us_away_in_the_transaction_comes_last_afterwards() {
    let away: &[&str] = &[HELLO, ASK, "s: 421 4.3.2 closing"];
    let take: &[&str] = &[HELLO, TAKE, "c: QUIT"];
    let expected = [("deferred 4.3.2 mail", Family::Six), ("delivered 2.0.0 dot", Family::Four)];
    dual("may", &[away], &[take], &expected).await;
}

#[tokio::test]
async fn where_no_address_serves_what_may_be_mended_outweighs_what_may_not() {
    let (no, busy): (&[&str], &[&str]) = (&["s: 521 5.3.0 no mail"], &["s: 421 4.3.2 busy"]);
    dual("may", &[no], &[busy], &[("deferred 4.3.2 greeting", Family::Four)]).await;
    dual("may", &[busy], &[no], &[("deferred 4.3.2 greeting", Family::Six)]).await;
    dual("may", &[no], &[no], &[("deferred 4.3.2 greeting", Family::Six)]).await;
    // Both failed lately: their order is that of the families again.
    dual(
        "may",
        &[busy, &[HELLO, TAKE, "c: QUIT"]],
        &[busy],
        &[("deferred 4.3.2 greeting", Family::Four), ("delivered 2.0.0 dot", Family::Six)],
    )
    .await;
}

#[tokio::test]
async fn a_host_that_is_ourselves_at_one_address_is_not_tried_at_the_other() {
    let six = Script::start_at("[::1]:0", &["gone".to_owned()]).await;
    let port = six.address.port();
    let four = Script::start_at(&format!("127.0.1.1:{port}"), &[]).await;
    let (transport, _names) = by_zone("mx.test.example A 127.0.1.1\nmx.test.example AAAA ::1", port).await;
    assert_eq!(describe(&deliver(&transport).await), "failed 5.4.6 connect");
    six.ended().await;
    four.ended().await;
}
