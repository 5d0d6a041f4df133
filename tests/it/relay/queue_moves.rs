//! The operator moves the queue: what is dead is tried at once, what filters select is counted, held, released, dropped and sent
//! another way, one message is never taken for all, and each record names who it was.

use super::letter::Letter;
use super::mailbox::{Mailbox, Manner};
use super::process::{On, on_both_databases};
use super::scene::{Scene, open_order};
use crate::peer::eventually;
use serde_json::Value;

on_both_databases! {
    a_retry_reaches_a_dead_destination_at_once_and_says_that_it_rested,
    what_filters_select_is_counted_held_released_dropped_and_tried_again,
    what_was_sent_another_way_and_what_has_no_name_is_selected_by_what_the_summary_shows,
}

/// Rests and back-off are longer than any test waits.
fn patient(on: On, processes: &[&[&str]]) -> Scene {
    let change = |setup: super::process::Setup| {
        setup.key("egress.retry.first", "'1h'").key("egress.retry.max", "'1h'")
    };
    Scene::with_roles(on, change, processes)
}

/// Once nothing is under way.
fn idle(scene: &Scene, count: usize) {
    eventually("nothing is under way", || {
        let waiting = scene.relay.queue(Some("waiting"));
        (waiting.len() == count && waiting.iter().all(|line| line["state"] == "waiting")).then_some(())
    });
}

/// Once each was tried and put off.
fn put_off(scene: &Scene, count: usize) {
    eventually("each was tried", || {
        let waiting = scene.relay.queue(Some("waiting"));
        let is_put_off = |line: &Value| line["state"] == "waiting" && line["last_status"] == "450 4.2.1";
        (waiting.len() == count && waiting.iter().all(is_put_off)).then_some(())
    });
}

fn submit(scene: &Scene, letter: &Letter) -> String {
    scene.submit(letter).is("250 2.0.0").queue_ids().remove(0)
}

/// The details of what happened to a message in this word of the log.
fn details(scene: &Scene, id: &str, event: &str) -> Vec<Value> {
    let trace = scene.relay.trace(&["--message", id]);
    trace.into_iter().filter(|line| line["event"] == event).map(|line| line["detail"].clone()).collect()
}

fn is_by_a_user(detail: &Value) -> bool {
    detail["by"] == "operator" && detail["user"].as_str().is_some_and(|user| !user.is_empty())
}

/// A command about the customer's domain, which it says back to whoever named it.
fn by_name(scene: &Scene, verb: &str) {
    let done = scene.relay.binary().args(["queue", verb, &scene.hana.domain]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}

fn a_retry_reaches_a_dead_destination_at_once_and_says_that_it_rested(on: On) {
    let scene = patient(on, &[&["all"], &["egress"]]);
    scene.hana.mailbox.go_down();
    let ids: Vec<String> = (0..20).map(|_| submit(&scene, &scene.to_customer())).collect();
    eventually("it is dead", || scene.relay.log().contains("destination_dead").then_some(()));
    idle(&scene, 20);
    // Its lane is put off when it is met the next time.
    eventually("it rests", || {
        let ran = scene.relay.run(&["queue", "retry", "--all"]).json();
        (ran["resting"] == 20 && ran["retried"] == 20 && ran["paused"] == 0).then_some(())
    });
    eventually("one is tried again", || {
        (scene.relay.run(&["queue", "retry", &ids[0]]).status == 0).then_some(())
    });
    assert!(is_by_a_user(&details(&scene, &ids[0], "retried")[0]));
    scene.hana.mailbox.come_back();
    // Without it: when the rest is over, after a quarter of an hour.
    scene.relay.anshin(&["queue", "retry", "--store-id", "mise"]);
    scene.hana.mailbox.wait_for(20);

    by_name(&scene, "pause");
    eventually("it is paused everywhere", || {
        let id = submit(&scene, &scene.to_customer());
        let ran = scene.relay.run(&["queue", "retry", &id]);
        (ran.status == 0).then(|| assert_eq!(ran.json()["paused"], 1, "{}", ran.stdout))
    });
}

fn what_filters_select_is_counted_held_released_dropped_and_tried_again(on: On) {
    let scene = patient(on, &[&["all"]]);
    let other = open_order(&scene.relay, "mise", "A-1002", &scene.taro.address);
    for mailbox in [&scene.hana.mailbox, &scene.taro.mailbox] {
        mailbox.behave(Manner::Rcpt("450 4.2.1 Come back later".into()));
    }
    let hana: Vec<String> = (0..3).map(|_| submit(&scene, &scene.to_customer())).collect();
    let to_taro = |_| Letter { to: other.customer_alias.clone(), ..scene.to_customer() };
    let taro: Vec<String> = (0..2).map(to_taro).map(|letter| submit(&scene, &letter)).collect();
    put_off(&scene, 5);
    let anshin = |words: &[&str]| scene.relay.anshin(&[&["queue"], words].concat());
    let refused = |words: &[&str]| {
        let ran = scene.relay.run(&[&["queue"], words].concat());
        assert_eq!(ran.status, 1, "{words:?}: {}", ran.stdout);
        ran.stdout
    };
    let states = || {
        let count = |state: &str| scene.relay.queue(Some(state)).len();
        [count("waiting"), count("held"), count("dropped")]
    };

    let domain = scene.hana.domain.as_str();
    assert_eq!(anshin(&["hold", "--destination", domain, "--dry-run"])["selected"], 3);
    assert_eq!(states(), [5, 0, 0]);
    let held = anshin(&["hold", "--destination", domain, "--status", "450", "--older", "1ms"]);
    assert_eq!((&held["held"], &held["left"]), (&3.into(), &0.into()), "{held}");
    assert_eq!(states(), [2, 3, 0]);
    assert!(is_by_a_user(&details(&scene, &hana[0], "held")[0]));

    // A state in which nothing can be moved so selects nothing, and surely not everything.
    let nowhere = "127.0.0.1:9";
    for words in [
        &["route", "--state", "held", "--to", nowhere][..],
        &["route", "--state", "failed", "--to", nowhere],
        &["retry", "--state", "held"],
        &["hold", "--state", "held"],
        &["release", "--state", "waiting"],
        &["drop", "--state", "delivered"],
    ] {
        assert!(refused(words).contains("--state"), "{words:?}");
    }
    for words in [&["retry", &hana[0]][..], &["hold", &hana[0]]] {
        assert!(refused(words).contains("held"), "{words:?}");
    }
    assert_eq!(
        scene.relay.run(&["queue", "release", "--all", "--files"]).status,
        2,
        "nobody vouches for all"
    );
    assert_eq!(states(), [2, 3, 0]);

    let released = anshin(&["release", "--reason", "operator", "--store-id", "mise", "--limit", "2"]);
    assert_eq!((&released["waiting"], &released["left"]), (&2.into(), &0.into()), "{released}");
    put_off(&scene, 4);
    assert_eq!(anshin(&["drop", "--state", "held"])["dropped"], 1);
    // Its sender is being told, by a mail that may still wait.
    assert_eq!(states()[1..], [0, 1]);
    let dropped = scene.relay.queue(Some("dropped"))[0]["queue_id"].as_str().unwrap().to_owned();
    assert!(is_by_a_user(&details(&scene, &dropped, "dropped")[0]));
    assert!(refused(&["retry", &dropped]).contains("dropped"));

    scene.taro.mailbox.behave(Manner::Kind);
    let retried = anshin(&["retry", "--destination", &scene.taro.domain]);
    assert_eq!(retried["retried"], 2);
    scene.taro.mailbox.wait_for(taro.len());
}

fn what_was_sent_another_way_and_what_has_no_name_is_selected_by_what_the_summary_shows(on: On) {
    let scene = patient(on, &[&["all"]]);
    scene.hana.mailbox.behave(Manner::Rcpt("450 4.2.1 Come back later".into()));
    let elsewhere = Mailbox::start(&scene.watch, "hana");
    elsewhere.behave(Manner::Rcpt("450 4.2.1 Come back later".into()));
    for _ in 0..4 {
        submit(&scene, &scene.to_customer());
    }
    put_off(&scene, 4);
    let anshin = |words: &[&str]| scene.relay.anshin(&[&["queue"], words].concat());
    let counted = || -> Vec<(String, Value, u64)> {
        let lines = anshin(&["summary"]);
        let of = |line: &Value| {
            let name = line["of"].as_str().unwrap().to_owned();
            (name, line["via"].clone(), line["waiting"].as_u64().unwrap())
        };
        lines.as_array().unwrap().iter().map(of).collect()
    };
    let [(name, via, 4)] = &counted()[..] else { panic!("{:?}", counted()) };
    assert!(name.starts_with("other-") && via.is_null(), "{name}");
    assert_eq!(anshin(&["list", "--destination", name]).as_array().unwrap().len(), 4);
    assert_eq!(anshin(&["pause", name])["domain"], name.as_str());
    assert_eq!(anshin(&["paused"])[0]["domain"], name.as_str());
    // The same destination, by its name.
    by_name(&scene, "resume");
    assert_eq!(scene.relay.run(&["queue", "pause", "other-0123456789abcdef"]).status, 1, "nothing has it");

    let hop = elsewhere.address().to_string();
    assert_eq!(anshin(&["route", "--destination", name, "--limit", "3", "--to", &hop])["moved"], 3);
    put_off(&scene, 4);
    let [(moved, via, 3), (_, _, 1)] = &counted()[..] else { panic!("{:?}", counted()) };
    assert_eq!(via, hop.as_str());
    assert_eq!(anshin(&["list", "--destination", moved]).as_array().unwrap().len(), 3);
    assert_eq!(anshin(&["list", "--via", &hop]).as_array().unwrap().len(), 3);
    scene.hana.mailbox.behave(Manner::Kind);
    let mut back = 0;
    eventually("those that are under way are moved too", || {
        back += anshin(&["route", "--via", &hop, "--to", "dns"])["moved"].as_u64().unwrap();
        (back == 3).then_some(())
    });
    scene.hana.mailbox.wait_for(3);
}
