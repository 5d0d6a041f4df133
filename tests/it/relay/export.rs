//! A person gets all that is held about her, and nothing of whom she wrote with.

use super::letter::Letter;
use super::mailbox::Manner;
use super::process::{On, on_both_databases};
use super::scene::{Scene, open_order};
use crate::peer::{Scratch, eventually};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;

on_both_databases! {
    a_person_gets_all_of_hers_in_json_and_japanese_and_nothing_of_the_other_side,
}

fn a_person_gets_all_of_hers_in_json_and_japanese_and_nothing_of_the_other_side(on: On) {
    let scene = Scene::new(on);
    open_order(&scene.relay, "mise", "B-2002", &scene.taro.address);
    let to_hana = scene.to_customer();
    scene.submit(&to_hana).is("250 2.0.0");
    scene.hana.mailbox.wait_for(1);
    // One that waits, one that was refused within the order, one outside of any.
    scene.mise.mailbox.behave(Manner::Rcpt("450 4.2.1 Come back later".into()));
    let waits = scene.to_merchant();
    scene.deliver(&waits).is("250 2.0.0");
    eventually("it was tried", || (scene.mise.mailbox.connections() > 0).then_some(()));
    let wrong = Letter::new(&scene.watch, &scene.taro.address, &scene.order.merchant_alias);
    scene.deliver(&wrong);
    let mut stray = scene.customer().unwrap();
    stray.say(&format!("MAIL FROM:<{}>", scene.hana.address)).unwrap();
    stray.say("RCPT TO:<nobody@shop.anshin.test>").unwrap().is("550 5.1.1");
    eventually("both deliveries are in the log", || {
        let lines = scene.relay.anshin(&["log", "trace", "--store-id", "mise", "--order-no", "A-1001"]);
        let events: Vec<&str> =
            lines.as_array().unwrap().iter().filter_map(|line| line["event"].as_str()).collect();
        (events.contains(&"delivered") && events.contains(&"deferred")).then_some(())
    });

    let scratch = Scratch::new("export");
    let out = scratch.path().join("hana").display().to_string();
    let look = ["--actor", "akiko", "--purpose", "data-subject-request", "--case", "D-9"];
    let base = ["compliance", "export", "--customer", &scene.hana.address, "--out", &out];
    let asked = scene.relay.run(&[&base[..], &look].concat());
    let why = asked.json()["error"].as_str().unwrap().to_owned();
    assert!(asked.status == 1 && why.contains("second person"), "{why}");
    assert!(!fs::exists(format!("{out}.json")).unwrap(), "nothing is left of a refusal");
    let words: Vec<&str> = why.split([' ', ';', ':']).collect();
    let request = words[words.iter().position(|word| *word == "request").unwrap() + 1];
    scene.relay.anshin(&["reveal", "approve", request, "--actor", "botan"]);
    let done = scene.relay.anshin(&[&base[..], &look, &["--approved", request]].concat());
    assert_eq!(done["conversations"], 1);
    assert!(scene.relay.run(&[&base[..], &look, &["--approved", request]].concat()).status == 1, "once");
    let read = |ending: &str| fs::read(format!("{out}.{ending}")).unwrap();
    let (json, text) = (read("json"), read("txt"));
    for (what, octets) in [("the export as JSON", &json), ("the export as text", &text)] {
        scene.watch.shown("hana", what, octets);
        let octets = String::from_utf8(octets.clone()).unwrap();
        for own in [&scene.hana.address, &scene.order.customer_alias, &waits.subject, &waits.text] {
            assert!(octets.contains(own.as_str()), "{what} lacks {own}:\n{octets}");
        }
        assert!(!octets.contains(&to_hana.message_id), "what the store's program named it");
    }
    assert_eq!(fs::metadata(format!("{out}.txt")).unwrap().permissions().mode() & 0o777, 0o600);
    let document: Value = serde_json::from_slice(&json).unwrap();
    let order = &document["conversations"][0];
    assert_eq!((&order["order_no"], &order["store_id"]), (&"A-1001".into(), &"mise".into()));
    let of = |event: &str| {
        order["records"].as_array().unwrap().iter().filter(|line| line["event"] == event).count()
    };
    assert!(of("accepted") == 2 && of("delivered") == 1 && of("deferred") >= 1, "{order}");
    assert_eq!(order["mails_waiting"].as_array().unwrap().len(), 1);
    assert_eq!(document["outside_of_conversations"][0]["event"], "refused");
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("保有個人データの開示") && text.contains("出来事: 配信完了"), "{text}");
    // Who had it made stands in the book.
    let looks = scene.relay.anshin(&["reveal", "log"]);
    let exported = looks
        .as_array()
        .unwrap()
        .iter()
        .any(|look| look["kind"] == "export" && look["outcome"] == "exported");
    assert!(exported, "{looks}");
}
