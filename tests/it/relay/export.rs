//! A person gets all that is held about her, and nothing of whom she wrote with.

use super::letter::Letter;
use super::mailbox::Manner;
use super::process::{On, on_both_databases};
use super::scene::{Scene, open_order};
use crate::peer::{HOW_TO_RUN, Scratch, eventually};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

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
    // Nobody is named who could open it, so nothing is written; nor for a key that is none.
    let nobody = scene.relay.run(&[&base[..], &look].concat());
    assert!(
        nobody.status == 1 && nobody.stdout.contains("compliance.export_recipients"),
        "{}",
        nobody.stdout
    );
    let wrong = scene.relay.run(&[&base[..], &look, &["--recipient", "age1x"]].concat());
    assert!(wrong.status == 1 && wrong.stdout.contains("no public key of age"), "{}", wrong.stdout);
    let key = scratch.path().join("officer.key").display().to_string();
    let recipient = scene.relay.anshin(&["compliance", "export-key", "--out", &key])["recipient"].clone();
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let base = [&base[..], &["--recipient", recipient.as_str().unwrap()]].concat();
    let asked = scene.relay.run(&[&base[..], &look].concat());
    let why = asked.json()["error"].as_str().unwrap().to_owned();
    assert!(asked.status == 1 && why.contains("second person"), "{why}");
    assert!(!fs::exists(format!("{out}.json.age")).unwrap(), "nothing is left of a refusal");
    let words: Vec<&str> = why.split([' ', ';', ':']).collect();
    let request = words[words.iter().position(|word| *word == "request").unwrap() + 1];
    scene.relay.anshin(&["reveal", "approve", request, "--actor", "botan"]);
    let done = scene.relay.anshin(&[&base[..], &look, &["--approved", request]].concat());
    assert_eq!(done["conversations"], 1);
    assert!(scene.relay.run(&[&base[..], &look, &["--approved", request]].concat()).status == 1, "once");
    let path = |ending: &str| format!("{out}.{ending}.age");
    let read = |ending: &str| {
        let mut command = scene.relay.binary();
        let opened =
            command.args(["compliance", "open-export", &path(ending), "--key", &key]).output().unwrap();
        assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
        // The tool of others says the same.
        let theirs = Command::new("age").args(["-d", "-i", &key, &path(ending)]).output();
        let theirs = theirs.unwrap_or_else(|fault| panic!("age: {fault}; {HOW_TO_RUN}"));
        assert!(theirs.status.success() && theirs.stdout == opened.stdout, "{theirs:?}");
        opened.stdout
    };
    let (json, text) = (read("json"), read("txt"));
    // On the disk it is nobody's to read: another key opens nothing, and nothing of it stands there.
    let other = scratch.path().join("other.key").display().to_string();
    scene.relay.anshin(&["compliance", "export-key", "--out", &other]);
    let shut = scene.relay.run(&["compliance", "open-export", &path("json"), "--key", &other]);
    assert!(shut.status == 1 && shut.stdout.contains("for other keys"), "{}", shut.stdout);
    for ending in ["json", "txt"] {
        let raw = fs::read(path(ending)).unwrap();
        assert!(raw.starts_with(b"age-encryption.org/v1\n"));
        assert!(memchr::memmem::find(&raw, scene.hana.address.as_bytes()).is_none());
    }
    for (what, octets) in [("the export as JSON", &json), ("the export as text", &text)] {
        scene.watch.shown("hana", what, octets);
        let octets = String::from_utf8(octets.clone()).unwrap();
        for own in [&scene.hana.address, &scene.order.customer_alias, &waits.subject, &waits.text] {
            assert!(octets.contains(own.as_str()), "{what} lacks {own}:\n{octets}");
        }
        assert!(!octets.contains(&to_hana.message_id), "what the store's program named it");
    }
    assert_eq!(fs::metadata(path("txt")).unwrap().permissions().mode() & 0o777, 0o600);
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
    our_program_opens_what_theirs_wrote(&scene, &scratch, &key, recipient.as_str().unwrap());
    in_clear_it_goes_to_the_screen_alone_and_is_written_down(&scene, &look);
}

fn our_program_opens_what_theirs_wrote(scene: &Scene, scratch: &Scratch, key: &str, recipient: &str) {
    let theirs = scratch.path().join("theirs.age").display().to_string();
    let written = Command::new("age").args(["-r", recipient, "-o", &theirs, key]).status();
    assert!(written.unwrap().success());
    let ours =
        scene.relay.binary().args(["compliance", "open-export", &theirs, "--key", key]).output().unwrap();
    assert!(ours.status.success() && ours.stdout == fs::read(key).unwrap());
}

fn in_clear_it_goes_to_the_screen_alone_and_is_written_down(scene: &Scene, look: &[&str]) {
    let clear = ["compliance", "export", "--customer", &scene.hana.address, "--clear"];
    let both = scene.relay.run(&[&clear[..], look, &["--out", "x"]].concat());
    assert_eq!(both.status, 2, "{}", both.stdout);
    let asked = scene.relay.run(&[&clear[..], look].concat()).json()["error"].as_str().unwrap().to_owned();
    let words: Vec<&str> = asked.split([' ', ';', ':']).collect();
    let request = words[words.iter().position(|word| *word == "request").unwrap() + 1];
    scene.relay.anshin(&["reveal", "approve", request, "--actor", "botan"]);
    let shown = scene.relay.anshin(&[&clear[..], look, &["--approved", request]].concat());
    assert_eq!(shown["conversations"].as_array().unwrap().len(), 1);
    scene.watch.shown("hana", "the export on the screen", shown.to_string().as_bytes());
    let looks = scene.relay.anshin(&["reveal", "log"]);
    let is_clear = |look: &Value| look["kind"] == "file" && look["outcome"] == "clear";
    assert!(looks.as_array().unwrap().iter().any(is_clear), "{looks}");
}
