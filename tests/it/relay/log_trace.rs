//! The log answers who, when, from where, how large and with what result, for a message, an alias and an order.

use super::letter::{Letter, header};
use super::mailbox::Manner;
use super::process::{On, on_both_databases};
use super::scene::Scene;
use crate::peer::eventually;
use serde_json::Value;

on_both_databases! {
    a_trace_shows_acceptance_and_every_attempt_by_message_alias_and_order,
    what_was_refused_is_in_the_log_too,
}

fn a_trace_shows_acceptance_and_every_attempt_by_message_alias_and_order(on: On) {
    let scene = Scene::new(on);
    scene.hana.mailbox.behave(Manner::Rcpt("450 4.2.1 Greylisted".into()));
    let letter = scene.to_customer();
    let id = scene.submit(&letter).is("250 2.0.0").queue_ids().remove(0);
    eventually("it was deferred", || {
        let traced = scene.relay.trace(&["--message", &id]);
        traced.iter().any(|line| line["event"] == "deferred").then_some(())
    });
    scene.hana.mailbox.behave(Manner::Kind);
    let traced = eventually("it was delivered", || {
        let traced = scene.relay.trace(&["--message", &id]);
        traced.iter().any(|line| line["event"] == "delivered").then_some(traced)
    });
    let of = |event: &str| traced.iter().find(|line| line["event"] == event).unwrap();

    let accepted = of("accepted");
    assert_eq!(accepted["queue_id"], id.as_str());
    assert!(accepted["at"].as_str().unwrap().ends_with('Z'));
    let detail = &accepted["detail"];
    assert_eq!((&detail["direction"], &detail["order_no"]), (&"to_customer".into(), &"A-1001".into()));
    assert_eq!(detail["from"], scene.mise.address.as_str());
    assert_eq!(detail["to"], scene.order.customer_alias.as_str());
    assert_eq!(detail["message_id"], letter.message_id.as_str());
    assert_eq!(detail["size_received"], letter.bytes().len());
    let peer = &detail["peer"];
    assert_eq!((&peer["ip"], &peer["helo"]), (&"127.0.0.1".into(), &"client.test".into()));
    assert_eq!(peer["service"], "submissions");
    assert!(peer["tls"].as_str().unwrap().starts_with("TLSv1_3"), "{peer}");
    assert!(peer["port"].as_u64().unwrap() > 0);
    assert!(accepted["headers"].as_str().unwrap().contains(&letter.subject));

    let deferred = &of("deferred")["detail"];
    assert_eq!((&deferred["status"], &deferred["attempt"]), (&"450 4.2.1".into(), &1.into()));
    assert!(deferred["remote"].as_str().unwrap().contains("Greylisted"), "{deferred}");
    let delivered = &of("delivered")["detail"];
    assert_eq!(delivered["status"], "250 2.0.0");
    assert_eq!(delivered["next_hop"], scene.hana.mailbox.address().to_string().as_str());
    assert!(delivered["tls"].as_str().is_some(), "{delivered}");

    // By the Message-ID that it came with, and by the one that it was given; what is not sealed is shown to everybody.
    let given = rows_of(&scene, &letter.message_id);
    let shown: Vec<_> = given.iter().map(|row| row["event"].as_str().unwrap()).collect();
    assert!(shown.starts_with(&["accepted"]) && shown.ends_with(&["delivered"]), "{shown:?}");
    assert!(shown.contains(&"deferred") && shown.len() == traced.len(), "{shown:?}");
    let late = given.iter().find(|row| row["event"] == "deferred").unwrap();
    assert_eq!((&late["direction"], &late["result"]), (&"to_customer".into(), &"4.2.1".into()));
    let arrived = scene.hana.mailbox.wait_for(1).remove(0);
    let sent_id = header(&arrived.bytes, "Message-ID").unwrap();
    assert!(sent_id != letter.message_id && rows_of(&scene, &sent_id).len() == traced.len(), "{sent_id}");
    let opened = scene.relay.trace(&["--message", &letter.message_id]);
    assert_eq!(opened.len(), traced.len());
    assert!(opened.iter().any(|line| line["detail"]["status"] == "450 4.2.1"), "{opened:?}");
    let by_queue_id = scene.relay.anshin(&["log", "trace", "--message", &id]);
    let late = by_queue_id.as_array().unwrap().iter().find(|row| row["event"] == "deferred").unwrap();
    assert_eq!((&late["direction"], &late["result"]), (&"to_customer".into(), &"4.2.1".into()));
    assert!(rows_of(&scene, "<nobody.wrote@this.test>").is_empty());

    let ids = |lines: &[Value]| lines.iter().filter(|line| line["queue_id"] == id.as_str()).count();
    for of in [
        vec!["--alias", &scene.order.customer_alias],
        vec!["--alias", &scene.order.merchant_alias],
        vec!["--store-id", "mise", "--order-no", "A-1001"],
    ] {
        assert_eq!(ids(&scene.relay.trace(&of)), traced.len(), "{of:?}");
    }
    let none = scene.relay.run(&["log", "trace", "--alias", "nobody@shop.anshin.test"]);
    assert_eq!(none.status, 1);
    assert!(none.json()["error"].as_str().unwrap().contains("no such alias"), "{}", none.stdout);
}

/// What is shown of a Message-ID to who has not said who he is.
fn rows_of(scene: &Scene, message_id: &str) -> Vec<Value> {
    let shown = scene.relay.anshin(&["log", "trace", "--message", message_id]);
    scene.watch.shown("support", message_id, shown.to_string().as_bytes());
    shown.as_array().unwrap().clone()
}

fn what_was_refused_is_in_the_log_too(on: On) {
    let scene = Scene::new(on);
    let stranger = Letter { from: scene.taro.address.clone(), ..scene.to_merchant() };
    // The envelope is the customer's, the From line is not.
    let told =
        scene.customer().unwrap().send(&scene.hana.address, &[&stranger.to], &stranger.bytes()).unwrap();
    told.is("550 5.7.1");
    let traced = scene.relay.trace(&["--alias", &scene.order.merchant_alias]);
    let refused = traced.iter().find(|line| line["event"] == "refused").unwrap();
    assert_eq!(refused["detail"]["reason"], "other_sender");
    assert_eq!(refused["detail"]["reply"], 550);
    assert!(refused["headers"].as_str().unwrap().contains(&scene.taro.address));
    let shown = rows_of(&scene, &stranger.message_id);
    assert_eq!(shown.len(), 1, "by its Message-ID too: {shown:?}");
    assert_eq!((&shown[0]["event"], &shown[0]["result"]), (&"refused".into(), &"other_sender".into()));
}
