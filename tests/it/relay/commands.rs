//! The commands keep the fields and exit statuses that other programs rely on.

use super::letter::Letter;
use super::mailbox::Manner;
use super::process::{On, on_both_databases};
use super::scene::{Scene, open_order};
use crate::peer::eventually;
use serde_json::Value;

on_both_databases! {
    an_order_is_opened_shown_listed_extended_readdressed_and_closed,
}

#[track_caller]
fn has_keys(document: &Value, keys: &[&str]) {
    let mut own: Vec<&str> = document.as_object().unwrap().keys().map(String::as_str).collect();
    let mut keys = keys.to_vec();
    own.sort_unstable();
    keys.sort_unstable();
    assert_eq!(own, keys);
}

fn an_order_is_opened_shown_listed_extended_readdressed_and_closed(on: On) {
    let scene = Scene::new(on);
    let name = ["--store-id", "mise", "--order-no", "A-1001"];
    let order = |verb: &str, more: &[&str]| scene.relay.anshin(&[&["order", verb], &name[..], more].concat());
    let opened = order("open", &["--customer", &scene.hana.address.to_uppercase()]);
    has_keys(&opened, &["order_no", "customer_alias", "merchant_alias", "expires_at"]);
    assert_eq!(
        opened["customer_alias"],
        scene.order.customer_alias.as_str(),
        "opened again: the same aliases"
    );
    assert_eq!(order("show", &[]), opened);
    for (alias, domain) in
        [(&opened["customer_alias"], "pc.fw.anshin.test"), (&opened["merchant_alias"], "shop.anshin.test")]
    {
        let (local, own) = alias.as_str().unwrap().rsplit_once('@').unwrap();
        assert_eq!(own, domain);
        assert!(
            local.len() <= 40 && local.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
            "{local}"
        );
    }
    let mobile = open_order(&scene.relay, "mise", "A-1002", "a..b@docomo.ne.jp");
    assert!(mobile.customer_alias.ends_with("@mb.fw.anshin.test"), "{}", mobile.customer_alias);
    let listed = scene.relay.anshin(&["order", "list", "--store-id", "mise"]);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(listed[0], opened);

    let extended = order("extend", &["--expires-at", "2031-01-31T23:59:59+09:00"]);
    assert_eq!(extended["expires_at"], "2031-01-31T14:59:59Z");
    let readdress =
        |to: &str| scene.relay.run(&[&["order", "readdress"], &name[..], &["--customer", to]].concat());
    let alone = readdress(&scene.taro.address);
    assert!(alone.status == 1 && alone.json()["error"].as_str().unwrap().contains("say who you are"));
    let arguments = [&["order", "readdress"], &name[..], &["--customer", &scene.taro.address]].concat();
    let moved = scene.by_two(&arguments);
    assert_eq!(moved["customer_alias"], opened["customer_alias"]);
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    assert_eq!(scene.taro.mailbox.wait_for(1)[0].forward_paths, [scene.taro.address.as_str()]);
    // The address before is told, and neither the new one nor the store nor the order is named.
    let told = scene.hana.mailbox.wait_for(1).remove(0);
    let told = mail_parser::MessageParser::default().parse(&told.bytes).unwrap();
    let told = told.body_text(0).unwrap().into_owned();
    assert!(told.contains("お心当たりのない場合") && told.contains("If it was not you"), "{told}");
    assert!(!told.contains('@') && !told.contains("A-1001") && !told.contains("mise"), "{told}");
    let looks = scene.relay.anshin(&["reveal", "log"]);
    let of_it = |look: &&Value| look["kind"] == "readdress";
    let outcomes: Vec<&str> =
        looks.as_array().unwrap().iter().filter(of_it).filter_map(|look| look["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["done", "opened", "asked"], "the latest first");
    scene.deliver(&scene.to_merchant()).is("550 5.7.1");
    let letter = Letter::new(&scene.watch, &scene.taro.address, &scene.order.merchant_alias);
    scene
        .customer()
        .unwrap()
        .send(&scene.taro.address, &[&letter.to], &letter.bytes())
        .unwrap()
        .is("250 2.0.0");

    let closed = order("close", &[]);
    has_keys(&closed, &["order_no", "customer_alias", "merchant_alias", "expires_at", "closed_at"]);
    scene.submit(&scene.to_customer()).is("550 5.1.6");
    let failed = scene
        .relay
        .run(&[&["order", "extend"], &name[..], &["--expires-at", "2032-01-31T23:59:59Z"]].concat());
    assert!(
        failed.status == 1 && failed.json()["error"].as_str().unwrap().contains("closed"),
        "{}",
        failed.stdout
    );
}

const STATS: [&str; 5] = ["state", "held_for", "count", "oldest_at", "doubtful_attempts"];

#[test]
fn every_document_has_the_fields_of_the_contract() {
    let scene = Scene::new(On::Sqlite);
    let added = scene.relay.anshin(&[
        "merchant",
        "add",
        "--store-id",
        "ume",
        "--name",
        "梅屋",
        "--address",
        &scene.mise.address,
    ]);
    has_keys(&added, &["store_id", "public_alias", "smtp", "menu"]);
    has_keys(&added["smtp"], &["host", "port", "auth_id", "auth_password"]);
    has_keys(&added["menu"], &["store_id", "password"]);
    scene.hana.mailbox.go_down();
    let id = scene.submit(&scene.to_customer()).is("250 2.0.0").queue_ids().remove(0);
    let fields = [
        "queue_id",
        "direction",
        "class",
        "state",
        "held_for",
        "attempts",
        "next_at",
        "expires_at",
        "received_at",
        "last_status",
        "doubtful_attempts",
        "size",
    ];
    has_keys(&scene.relay.queue(None)[0], &fields);
    has_keys(&scene.relay.anshin(&["queue", "show", &id])[0], &fields);
    let retried = eventually("it is not under way", || {
        let ran = scene.relay.run(&["queue", "retry", &id]);
        (ran.status == 0).then(|| ran.json())
    });
    has_keys(&retried, &["retried", "resting", "paused"]);
    has_keys(&scene.relay.anshin(&["queue", "stats"])[0], &STATS);
    let summary = ["of", "via", "waiting", "held", "tried", "oldest_at"];
    has_keys(&scene.relay.anshin(&["queue", "summary", "--by", "reason"])[0], &summary);
    has_keys(&scene.relay.trace(&["--message", &id])[0], &["at", "event", "queue_id", "detail", "headers"]);
    let keys = scene.relay.anshin(&["keys", "list"]);
    let mut purposes: Vec<&str> =
        keys.as_array().unwrap().iter().map(|key| key["purpose"].as_str().unwrap()).collect();
    purposes.sort_unstable();
    assert_eq!(purposes, ["alias", "body", "file", "guard", "index", "log", "menu", "seal", "tree"]);
    let fields = ["purpose", "name", "created_at", "seals_from", "seals", "opens", "fingerprint"];
    has_keys(&keys[0], &fields);
    has_keys(&scene.relay.anshin(&["config", "check"]), &["ok", "from", "warnings"]);
    assert_eq!(scene.relay.anshin(&["config", "show"])["hostname"], "relay.anshin.test");
}

#[test]
fn a_failure_is_status_1_with_a_document_and_a_misuse_is_status_2() {
    let scene = Scene::new(On::Sqlite);
    for arguments in [
        &["order", "show", "--store-id", "mise", "--order-no", "none"][..],
        &["order", "list", "--store-id", "nobody"],
        &["merchant", "add", "--store-id", "mise", "--name", "x", "--address", "x@y.test"],
        &["merchant", "add", "--store-id", "ume", "--name", "x", "--address", "nothing"],
        &["queue", "show", "0000000000000001"],
        &["queue", "show", "nothing"],
        &["queue", "retry", "nothing"],
        &["queue", "retry", "0000000000000001"],
        &["queue", "hold", "0000000000000001"],
        &["queue", "release", "0000000000000001"],
        &["queue", "drop", "nothing"],
        &["log", "trace", "--message", "nothing"],
        &["keys", "retire", "seal-a"],
        &["keys", "retire", "nothing"],
        &["reveal", "approve", "nothing", "--actor", "a"],
    ] {
        let ran = scene.relay.run(arguments);
        assert_eq!(ran.status, 1, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.json()["error"].as_str().is_some_and(|text| text.len() > 10), "{}", ran.stdout);
    }
    for arguments in [
        &[][..],
        &["fly"],
        &["log", "trace"],
        &["log", "trace", "--message", "0000000000000001", "--actor", "a"],
        &["keys", "rotate", "--purpose", "guard"],
        &["order", "open", "--store-id", "mise"],
        &["queue", "retry"],
        &["queue", "release"],
        &["queue", "drop"],
        &["queue", "drop", "--all", "0000000000000001"],
        &["queue", "hold", "0000000000000001", "--store-id", "mise"],
        &["queue", "route", "--to", "dns"],
        &["queue", "list", "--state", "lost"],
        &["serve", "--role", "everything"],
    ] {
        assert_eq!(scene.relay.run(arguments).status, 2, "{arguments:?}");
    }
}

#[test]
fn a_pause_is_listed_and_a_mailbox_that_is_gone_is_refused_until_it_writes() {
    let scene = Scene::new(On::Sqlite);
    scene.relay.anshin(&["queue", "pause", "big.example"]);
    assert_eq!(scene.relay.anshin(&["queue", "paused"])[0]["domain"], "big.example");
    scene.relay.anshin(&["queue", "resume", "big.example"]);
    assert_eq!(scene.relay.run(&["queue", "resume", "big.example"]).status, 1);
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(1);

    scene.hana.mailbox.behave(Manner::Rcpt("550 5.1.1 No such user".into()));
    for seen in 1..=2 {
        scene.submit(&scene.to_customer()).is("250 2.0.0");
        // The store is told of each.
        scene.mise.mailbox.wait_for(seen);
    }
    let listed = eventually("it is suppressed", || {
        let listed = scene.relay.anshin(&["queue", "suppress", "list"]);
        (!listed.as_array().unwrap().is_empty()).then(|| listed[0].clone())
    });
    assert_eq!(listed["alias"], scene.order.customer_alias.as_str());
    assert_eq!((&listed["status"], &listed["failures"]), (&"550 5.1.1".into(), &2.into()));
    scene.submit(&scene.to_customer()).is("550 5.2.1");
    // Who writes is there.
    scene.hana.mailbox.behave(Manner::Kind);
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(2);
    assert_eq!(scene.relay.run(&["queue", "suppress", "remove", &scene.order.customer_alias]).status, 1);
    scene.relay.anshin(&["queue", "suppress", "add", &scene.order.customer_alias]);
    let said = scene.relay.trace(&["--alias", &scene.order.customer_alias]);
    let said = said.iter().rev().find(|line| line["detail"]["action"] == "suppress").unwrap();
    assert!(said["detail"]["by"] == "operator" && said["detail"]["user"].is_string(), "{said}");
    scene.submit(&scene.to_customer()).is("550 5.2.1");
    scene.relay.anshin(&["queue", "suppress", "remove", &scene.order.customer_alias]);
    scene.submit(&scene.to_customer()).is("250 2.0.0");
}
