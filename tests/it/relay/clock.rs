//! The machine's clock goes back by an hour, as a time service or an operator may set it.

use super::mailbox::Manner;
use super::process::On;
use super::scene::Scene;
use crate::peer::{Scratch, eventually, preload};
use std::fs;

#[test]
fn what_waits_is_tried_and_what_comes_is_taken_when_the_clock_goes_back_by_an_hour() {
    let control = Scratch::new("clock");
    let (library, offset) = (preload::build("clock", &control), control.path().join("offset"));
    let scene = Scene::with(On::Sqlite, |setup| {
        let setup = setup.environment("LD_PRELOAD", &library.display().to_string());
        setup.environment("ANSHIN_TEST_CLOCK", &offset.display().to_string())
    });
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
