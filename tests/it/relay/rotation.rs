//! Keys are rotated, everything is brought to the new ones and the old ones are destroyed, while mail goes both ways: none is
//! refused, none is lost, and aliases that were given out before work as before.

use super::letter::Letter;
use super::process::{On, on_both_databases};
use super::scene::{Scene, open_order};
use crate::peer::{eventually, eventually_within};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

on_both_databases! {
    keys_change_under_load_and_nothing_is_refused_or_lost,
}

/// A rewrap waits a quarter of a minute after a key began to seal.
const SETTLES: Duration = Duration::from_secs(90);
const MAILS_OF_A_SESSION: usize = 20;
/// The least time between two mails of a side: what was shown to anybody is searched at the end, for every mail.
const PACE: Duration = Duration::from_millis(250);

fn keys_change_under_load_and_nothing_is_refused_or_lost(on: On) {
    // Rates are another test's matter.
    let unlimited = |setup: super::process::Setup| {
        ["credential", "store", "sender", "alias"]
            .iter()
            .fold(setup, |setup, of| setup.key(&format!("limits.{of}.messages"), "'off'"))
    };
    let scene = Scene::with_roles(on, unlimited, &[&["ingress", "web"], &["egress"]]);
    let older = open_order(&scene.relay, "mise", "A-1002", &scene.hana.address);
    let stop = AtomicBool::new(false);
    let (out, back) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let began = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let mut session = scene.merchant().unwrap();
                for letter in (0..MAILS_OF_A_SESSION).map(|_| scene.to_customer()) {
                    session
                        .send(&scene.mise.address, &[&letter.to], &letter.bytes())
                        .unwrap()
                        .is("250 2.0.0");
                    wait_for_turn(began, out.fetch_add(1, Ordering::Relaxed));
                }
            }
        });
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let mut session = scene.customer().unwrap();
                for letter in (0..MAILS_OF_A_SESSION).map(|_| scene.to_merchant()) {
                    session
                        .send(&scene.hana.address, &[&letter.to], &letter.bytes())
                        .unwrap()
                        .is("250 2.0.0");
                    wait_for_turn(began, back.fetch_add(1, Ordering::Relaxed));
                }
            }
        });
        // Whatever goes wrong here, the senders end.
        let changed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| change_keys(&scene)));
        let at_the_end = (out.load(Ordering::Relaxed), back.load(Ordering::Relaxed));
        if changed.is_ok() {
            eventually("mail goes on under the new keys", || {
                let now = (out.load(Ordering::Relaxed), back.load(Ordering::Relaxed));
                (now.0 > at_the_end.0 + 3 && now.1 > at_the_end.1 + 3).then_some(())
            });
        }
        stop.store(true, Ordering::Relaxed);
        changed.unwrap();
    });
    let (out, back) = (out.into_inner(), back.into_inner());
    println!("{on:?}: {} mails in {:?}, none refused", out + back, began.elapsed());
    scene.hana.mailbox.wait_for(out);
    scene.mise.mailbox.wait_for(back);
    assert_eq!((scene.hana.mailbox.count(), scene.mise.mailbox.count()), (out, back), "each once");
    // An alias of before, an order that is found under the new index, and one that is opened now.
    let letter = Letter::new(&scene.watch, &scene.mise.address, &older.customer_alias);
    scene.submit(&letter).is("250 2.0.0");
    let again = open_order(&scene.relay, "mise", "A-1002", &scene.hana.address);
    assert_eq!(again.customer_alias, older.customer_alias);
    let newer = open_order(&scene.relay, "mise", "A-1003", &scene.hana.address);
    assert_eq!((&newer.customer_alias[..2], &older.customer_alias[..2]), ("ab", "aa"));
    let letter = Letter::new(&scene.watch, &scene.mise.address, &newer.customer_alias);
    scene.submit(&letter).is("250 2.0.0");
    scene.hana.mailbox.wait_for(out + 2);
}

fn wait_for_turn(began: Instant, sent: usize) {
    let turn = PACE * u32::try_from(sent).unwrap();
    eventually("the next mail's turn comes", || (began.elapsed() >= turn).then_some(()));
}

fn change_keys(scene: &Scene) {
    let names = |of: &str| -> Vec<String> {
        let keys = scene.relay.anshin(&["keys", "list"]);
        let of = keys.as_array().unwrap().iter().filter(|key| key["purpose"] == of);
        of.map(|key| key["name"].as_str().unwrap().to_owned()).collect()
    };
    scene.relay.anshin(&["keys", "rotate", "--seals-after", "8s"]);
    for purpose in ["alias", "index", "seal", "body", "log", "tree"] {
        assert_eq!(names(purpose), ["b", "a"], "{purpose}");
    }
    // What is needed stays, and why is told.
    for key in ["seal-a", "seal-b", "alias-a", "guard-a", "index-a", "tree-a"] {
        let refused = scene.relay.run(&["keys", "retire", key]);
        assert_eq!(refused.status, 1, "{key}: {}", refused.stdout);
        assert!(refused.json()["error"].as_str().unwrap().contains("still needed"), "{}", refused.stdout);
    }
    // Killed once in the middle, then run until nothing waits.
    let mut rewrap = scene.relay.binary();
    let mut killed =
        rewrap.args(["keys", "rewrap"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let _ = Command::new("kill").args(["-s", "KILL", &killed.id().to_string()]).status().unwrap();
    killed.wait().unwrap();
    eventually_within(SETTLES, "everything is under the newest keys", || {
        let done = scene.relay.anshin(&["keys", "rewrap"]);
        // A database file is written anew when nobody has it open.
        let is_done =
            |stage: &serde_json::Value| stage["stage"] == "database file" || stage["state"] == "done";
        done.as_array().unwrap().iter().all(is_done).then_some(())
    });
    for key in ["seal-a", "body-a", "log-a", "index-a"] {
        let retired = eventually_within(SETTLES, "nothing needs it", || {
            let ran = scene.relay.run(&["keys", "retire", key]);
            if ran.status != 0 {
                scene.relay.anshin(&["keys", "rewrap"]);
            }
            (ran.status == 0).then_some(ran)
        });
        assert_eq!(retired.json()["retired"], true, "{key}");
    }
    assert_eq!(names("seal"), ["b"]);
    // Of an alias key aliases live: it stays as long as they do.
    let kept = scene.relay.run(&["keys", "retire", "alias-a"]);
    assert!(kept.stdout.contains("aliases were minted with it"), "{}", kept.stdout);
}
