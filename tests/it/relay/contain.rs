//! A store that another may be behind: kept from sending and from its menu within two seconds, and let go on as it was.

use super::browser::Browser;
use super::client::Client;
use super::mailbox::Manner;
use super::menu::{OWN, signed_in};
use super::process::{On, on_both_databases};
use super::scene::{Scene, add_merchant, open_order};
use crate::peer::eventually;
use std::time::{Duration, Instant};

on_both_databases! {
    a_contained_store_sends_nothing_and_is_in_no_menu_until_it_is_let_go_on_as_it_was,
}

fn contain(scene: &Scene, more: &[&str]) -> super::process::Ran {
    let who = ["--actor", "akiko", "--purpose", "fraud-investigation", "--case", "F-1"];
    scene.relay.run(&[&["merchant", "contain", "--store-id", "mise"], &who[..], more].concat())
}

fn a_contained_store_sends_nothing_and_is_in_no_menu_until_it_is_let_go_on_as_it_was(on: On) {
    let scene = Scene::new(on);
    let mut browser = signed_in(&scene);
    browser.get("/menu/mail-server").is(200).says("relay.anshin.test");
    scene.hana.mailbox.behave(Manner::Rcpt("450 4.2.1 Greylisted".into()));
    let waiting = scene.submit(&scene.to_customer()).is("250 2.0.0").queue_ids().remove(0);
    let (user, password) = (&scene.account.user, &scene.account.password);
    let log_in = || Client::log_in(scene.relay.submissions(), &scene.watch, "mise", user, password);
    let mut running = log_in().unwrap();

    let nobody = scene.relay.run(&["merchant", "contain", "--store-id", "mise"]);
    assert!(nobody.status != 0, "nobody is contained without a name, a purpose and a case");
    let begun = Instant::now();
    let contained = contain(&scene, &[]);
    assert_eq!(contained.status, 0, "{}", contained.stdout);
    assert_eq!(contained.json()["contained"], true);
    let letter = scene.to_customer();
    let told = eventually("the session that runs is over", || {
        let told = running.say(&format!("MAIL FROM:<{}>", scene.mise.address)).ok()?;
        if told.code == 250 {
            running.say("RSET").ok()?;
        }
        (told.code != 250).then_some(told.code)
    });
    assert_eq!(told, 421);
    // What a session knows of its credential is good for a second; the rest is what this machine takes under load.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(log_in().err().unwrap().to_string().starts_with("535 5.7.8"));
    assert!(!browser.get("/menu/mail-server").body.contains("relay.anshin.test"), "the menu is closed");
    Browser::new(scene.relay.web(), &scene.watch, "mise").sign_in("mise", "", OWN).is(401);
    eventually("what waited is held", || {
        let queue = scene.relay.queue(None);
        queue.iter().any(|row| row["queue_id"] == waiting.as_str() && row["state"] == "held").then_some(())
    });
    let twice = contain(&scene, &[]);
    assert!(twice.status == 1 && twice.stdout.contains("contained already"), "{}", twice.stdout);

    // Mail to it still comes, and another store goes on.
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    let other = add_merchant(&scene.relay, "other", &["canary-other@other.example"]);
    open_order(&scene.relay, "other", "B-1", &scene.hana.address);
    Client::log_in(scene.relay.submissions(), &scene.watch, "other", &other.user, &other.password).unwrap();

    // It stands among the looks, in the store's log and on its card.
    let book = scene.relay.anshin(&["reveal", "log", "--about", "mise", "--by", "akiko"]);
    assert!(book.as_array().unwrap().iter().any(|look| look["kind"] == "contain"), "{book}");
    let timeline = scene.relay.anshin(&["log", "timeline", "mise", "--from", "1d"]);
    let steps = timeline["steps"].as_array().unwrap();
    assert!(
        steps.iter().any(|step| step["event"] == "credential" && step["result"] == "contained"),
        "{timeline}"
    );
    let card = scene.relay.anshin(&["log", "merchant", "mise"]);
    assert!(card["contained_at"].is_string(), "{card}");

    // As it was: the same password, the same session of the menu, and what was held goes out.
    scene.hana.mailbox.behave(Manner::Kind);
    assert_eq!(contain(&scene, &["--lift"]).status, 0);
    let mut client = log_in().unwrap();
    client.send(&scene.mise.address, &[&letter.to], &letter.bytes()).unwrap().is("250 2.0.0");
    browser.get("/menu/mail-server").is(200).says("relay.anshin.test");
    scene.relay.anshin(&["queue", "release", "--store-id", "mise"]);
    scene.hana.mailbox.wait_for(2);
    let free = contain(&scene, &["--lift"]);
    assert!(free.status == 1 && free.stdout.contains("is not contained"), "{}", free.stdout);
    assert_eq!(scene.relay.anshin(&["log", "verify"])["intact"], true);
}
