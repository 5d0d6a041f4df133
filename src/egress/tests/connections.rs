//! Connections kept, shared, counted and closed.

use super::attempt::{ASK, HELLO, TAKE, check, config, deliver, deliver_to, describe, to_server};
use super::script::Script;
use crate::egress::{PoolLimits, Transport};
use crate::smtp::client::Phase;
use std::time::Duration;

#[tokio::test]
async fn a_connection_serves_as_many_messages_as_it_may() {
    let twice = [HELLO, TAKE, TAKE, "c: QUIT"].concat();
    check(
        &[&[&twice], &[HELLO, TAKE, "c: QUIT"]],
        "may",
        |c| c.pool.messages = 2,
        &["delivered 2.0.0 dot", "delivered 2.0.0 dot reused", "delivered 2.0.0 dot"],
    )
    .await;
}

#[tokio::test]
async fn a_kept_connection_that_died_is_replaced_and_nothing_is_deferred() {
    let second = [HELLO, TAKE, "c: QUIT"].concat();
    let twice = ["delivered 2.0.0 dot", "delivered 2.0.0 dot"];
    // Closed before we spoke, closed on MAIL, sent away on MAIL.
    check(&[&[HELLO, TAKE], &[&second]], "may", |_| {}, &twice).await;
    let on_mail = "c: MAIL FROM:<aa7@pc.fw.example>\n";
    check(&[&[HELLO, TAKE, on_mail], &[&second]], "may", |_| {}, &twice).await;
    let sent_away = format!("{ASK}s: 421 4.4.2 idle too long");
    check(&[&[HELLO, TAKE, &sent_away], &[&second]], "may", |_| {}, &twice).await;
}

#[tokio::test]
async fn a_new_connection_that_dies_on_mail_is_a_deferral() {
    check(&[&[HELLO, "c: MAIL FROM:<aa7@pc.fw.example>\n"]], "may", |_| {}, &["deferred 4.4.2 mail"]).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_time() {
    let mut server = Script::start(&[[HELLO, TAKE, "c: QUIT"].concat()]).await;
    let mut config = to_server(server.address, "may");
    config.pool.idle = Duration::from_millis(30);
    let transport = Transport::new(config).unwrap();
    assert_eq!(describe(&deliver(&transport).await), "delivered 2.0.0 dot");
    server.one_over().await;
}

#[tokio::test]
async fn a_next_hop_never_sees_more_connections_than_it_has_slots() {
    let one = [HELLO, TAKE, "c: QUIT"].concat();
    let server = Script::start(&vec![one; 6]).await;
    let mut config = to_server(server.address, "may");
    config.pool = PoolLimits { per_hop: 2, messages: 1, ..PoolLimits::default() };
    config.deadlines.slot = Duration::from_secs(60);
    let transport = Transport::new(config).unwrap();
    let mut attempts = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let transport = transport.clone();
        attempts.spawn(async move { describe(&deliver(&transport).await) });
    }
    assert!(attempts.join_all().await.iter().all(|outcome| outcome == "delivered 2.0.0 dot"));
    // One that says QUIT and one that is just opened may overlap with the slots' two.
    assert!(server.most_at_once() <= 4, "{}", server.most_at_once());
    transport.close().await;
    server.ended().await;
}

#[tokio::test]
async fn a_kept_connection_makes_room_where_all_are_used() {
    let mut first = Script::start(&[[HELLO, TAKE, "c: QUIT"].concat()]).await;
    let second = Script::start(&[[HELLO, "c: MAIL FROM:<aa7@pc.fw.example>\n"].concat()]).await;
    let mut config = config(&[
        ("mail.example", &first.address.to_string(), "may"),
        ("other.example", &second.address.to_string(), "may"),
    ]);
    config.pool.total = 1;
    let transport = Transport::new(config).unwrap();
    assert_eq!(describe(&deliver(&transport).await), "delivered 2.0.0 dot");
    let report = deliver_to(&transport, "hana@other.example", b"a\r\n").await;
    assert_eq!(describe(&report), "deferred 4.4.2 mail");
    first.one_over().await;
    second.ended().await;
}

#[tokio::test]
async fn waiting_for_a_slot_ends_and_blames_nobody() {
    let mut server = Script::start(&[[HELLO, ASK, "hang"].concat()]).await;
    let hop = server.address.to_string();
    let mut config = config(&[("mail.example", &hop, "may"), ("other.example", &hop, "may")]);
    config.pool.per_hop = 1;
    config.deadlines.slot = Duration::from_millis(40);
    let transport = Transport::new(config).unwrap();
    let other = transport.clone();
    let busy = tokio::spawn(async move { deliver(&other).await });
    while server.most_at_once() == 0 {
        tokio::task::yield_now().await;
    }
    let report = deliver(&transport).await;
    assert_eq!(describe(&report), "deferred 4.4.5 slot");
    assert_eq!(report.address, None);
    // Another domain of the same host meets the same crowd.
    let neighbour = deliver_to(&transport, "hana@other.example", b"a\r\n").await;
    assert!(report.crowded.is_some() && neighbour.crowded == report.crowded);
    // An attempt that is dropped closes its connection and frees its slot.
    busy.abort();
    server.one_over().await;
    assert_eq!(deliver(&transport).await.phase, Phase::Greeting);
}

#[tokio::test]
async fn closing_does_not_wait_for_a_next_hop_that_takes_its_time() {
    let slow = "s: 250 ok\ns: 250 ok\ns: 354 go\ncontent\nhang";
    let mut server = Script::start(&[[HELLO, ASK, slow].concat()]).await;
    let mut config = to_server(server.address, "may");
    config.pool.closing = Duration::from_millis(40);
    let transport = Transport::new(config).unwrap();
    let other = transport.clone();
    let under_way = tokio::spawn(async move { describe(&deliver(&other).await) });
    while server.most_at_once() == 0 {
        tokio::task::yield_now().await;
    }
    transport.close().await;
    assert!(!under_way.is_finished());
    assert_eq!(describe(&deliver(&transport).await), "deferred 4.4.5 slot");
    under_way.abort();
    server.one_over().await;
}

#[tokio::test]
async fn closing_waits_for_what_is_under_way_and_begins_nothing() {
    let server = Script::start(&[[HELLO, TAKE, "c: QUIT"].concat()]).await;
    let transport = Transport::new(to_server(server.address, "may")).unwrap();
    let other = transport.clone();
    let under_way = tokio::spawn(async move { describe(&deliver(&other).await) });
    while server.most_at_once() == 0 {
        tokio::task::yield_now().await;
    }
    transport.close().await;
    assert!(under_way.is_finished());
    assert_eq!(under_way.await.unwrap(), "delivered 2.0.0 dot");
    assert_eq!(describe(&deliver(&transport).await), "deferred 4.4.5 slot");
    server.ended().await;
}
