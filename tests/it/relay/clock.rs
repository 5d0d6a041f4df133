//! The machine's clock goes back by an hour, or leaps ahead, as a time service or an operator may set it.

use super::mailbox::Manner;
use super::process::On;
use super::scene::Scene;
use crate::peer::{Scratch, eventually, preload};
use std::fs;
use std::path::PathBuf;

/// A relay whose clock is moved by what is written to the file.
fn with_a_clock(control: &Scratch) -> (Scene, PathBuf) {
    let (library, offset) = (preload::build("clock", control), control.path().join("offset"));
    let scene = Scene::with(On::Sqlite, |setup| {
        let setup = setup.environment("LD_PRELOAD", &library.display().to_string());
        setup.environment("ANSHIN_TEST_CLOCK", &offset.display().to_string())
    });
    (scene, offset)
}

#[test]
fn what_is_being_sent_is_sent_once_when_the_clock_leaps_over_its_lease() {
    let control = Scratch::new("clock");
    let (scene, offset) = with_a_clock(&control);
    scene.hana.mailbox.behave(Manner::WaitsAfterDot);
    for _ in 0..3 {
        scene.submit(&scene.to_customer()).is("250 2.0.0");
    }
    scene.hana.mailbox.wait_for(3);
    fs::write(&offset, "600").unwrap();
    // When mail that was taken since has arrived, everything that was due has been leased.
    for _ in 0..2 {
        scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    }
    scene.mise.mailbox.wait_for(2);
    scene.hana.mailbox.behave(Manner::Kind);
    eventually("the queue is empty", || scene.relay.queue(None).is_empty().then_some(()));
    assert_eq!(scene.hana.mailbox.count(), 3);
    assert!(!scene.relay.log().contains("lease_lost"));
}

#[test]
fn nothing_is_given_up_by_a_clock_that_leaps_ahead_by_days() {
    let control = Scratch::new("clock");
    let (scene, offset) = with_a_clock(&control);
    scene.mise.mailbox.behave(Manner::Rcpt("450 4.2.1 Come back later".into()));
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    let tries = || scene.relay.log().matches("\"event\":\"deferred\"").count();
    eventually("it was tried", || (tries() > 0).then_some(()));
    fs::write(&offset, "345600").unwrap();
    eventually("the leap is seen", || scene.relay.log().contains("clock_leapt_ahead").then_some(()));
    let before = tries();
    eventually("it was tried again", || (tries() > before + 1).then_some(()));
    // Back again, as the time service does when it is mended.
    fs::write(&offset, "0").unwrap();
    eventually("it is seen", || scene.relay.log().contains("clock_went_back").then_some(()));
    scene.mise.mailbox.behave(Manner::Kind);
    scene.mise.mailbox.wait_for(1);
    eventually("the queue is empty", || scene.relay.queue(None).is_empty().then_some(()));
    assert!(!scene.relay.log().contains("\"event\":\"failed\""));
    assert_eq!(scene.hana.mailbox.count(), 0, "nobody was told that a mail of this minute is late");
}

#[test]
fn nothing_is_given_up_or_dropped_by_a_machine_that_begins_with_a_clock_of_next_week() {
    let control = Scratch::new("clock");
    let (mut scene, offset) = with_a_clock(&control);
    scene.mise.mailbox.behave(Manner::Rcpt("450 4.2.1 Come back later".into()));
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    let log = |scene: &Scene| scene.relay.log();
    eventually("it was tried", || log(&scene).contains("\"event\":\"deferred\"").then_some(()));
    let ended = scene.relay.terminate();
    assert!(ended.iter().all(|status| status.success()), "{ended:?}");
    fs::write(&offset, "864000").unwrap();
    scene.relay.start(&["all"]);
    let tries = || log(&scene).matches("\"event\":\"deferred\"").count();
    let before = tries();
    eventually("it was tried twice", || (tries() > before + 1).then_some(()));
    assert!(log(&scene).contains("clock_in_doubt"));
    fs::write(&offset, "0").unwrap();
    eventually("it is seen", || log(&scene).contains("clock_went_back").then_some(()));
    scene.mise.mailbox.behave(Manner::Kind);
    scene.mise.mailbox.wait_for(1);
    eventually("the queue is empty", || scene.relay.queue(None).is_empty().then_some(()));
    assert!(!log(&scene).contains("\"event\":\"failed\""));
}

#[test]
fn what_waits_is_tried_and_what_comes_is_taken_when_the_clock_goes_back_by_an_hour() {
    let control = Scratch::new("clock");
    let (scene, offset) = with_a_clock(&control);
    // One waits for a destination that is dead, one for another try.
    scene.hana.mailbox.go_down();
    scene.mise.mailbox.behave(Manner::Rcpt("450 4.2.1 Come back later".into()));
    for _ in 0..6 {
        scene.submit(&scene.to_customer()).is("250 2.0.0");
    }
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    eventually("both were tried", || {
        let is_dead = scene.relay.log().contains("destination_dead");
        (is_dead && scene.mise.mailbox.connections() > 0).then_some(())
    });
    fs::write(&offset, "-3600").unwrap();
    scene.hana.mailbox.come_back();
    scene.mise.mailbox.behave(Manner::Kind);
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(7);
    scene.mise.mailbox.wait_for(1);
    eventually("the queue is empty", || scene.relay.queue(None).is_empty().then_some(()));
    assert!(scene.relay.log().contains("clock_went_back"));
    // And forward again, beyond where it was.
    fs::write(&offset, "7200").unwrap();
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    scene.mise.mailbox.wait_for(2);
}
