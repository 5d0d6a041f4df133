//! The SQLite file and its key: a file of an older version, a newer key, a lost one, and a power cut at each of their steps.

use super::process::{On, Setup, TestRelay};
use super::scene::open_order;
use super::watch::Watch;
use crate::peer::{Scratch, eventually, eventually_within, preload, sqlite};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Power cuts: so many spread over the writing, and one at each of so many steps before and after the new file gets its name.
const SPREAD: usize = 6;
const AROUND: usize = 3;
/// What shows whether everything is there.
const ORDERS: [&str; 4] = ["order", "list", "--store-id", "mise"];

/// An installation with some orders that does not run.
fn installation() -> TestRelay {
    let relay = Setup::new(On::Sqlite).prepare(&Arc::new(Watch::default()));
    relay.anshin(&["merchant", "add", "--store-id", "mise", "--name", "店", "--address", "mise@shop.test"]);
    for number in 0..5 {
        open_order(&relay, "mise", &format!("A-{number}"), &format!("hana{number}@mail.test"));
    }
    relay
}

/// Makes a newer file key and waits until it is the one that seals.
fn rotate(relay: &TestRelay) {
    relay.anshin(&["keys", "rotate", "--purpose", "file", "--seals-after", "1s"]);
    eventually("the newer key seals", || {
        let keys = relay.anshin(&["keys", "list"]);
        let is_it = |key: &&Value| key["purpose"] == "file" && key["name"] == "b";
        (keys.as_array().unwrap().iter().find(is_it).unwrap()["seals"] == true).then_some(())
    });
}

fn database(relay: &TestRelay) -> PathBuf {
    relay.state().join("anshin.db")
}

/// Makes it the plain file that an older version had.
fn become_plain(relay: &TestRelay) {
    let (path, plain) = (database(relay), relay.state().join("plain.db"));
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        sqlite::write_plain(&relay.database_url(), &plain).await;
    });
    for end in ["-wal", "-shm", "-lock"] {
        let _ = fs::remove_file(format!("{}{end}", path.display()));
    }
    fs::rename(plain, path).unwrap();
    assert!(is_plain(relay));
}

fn is_plain(relay: &TestRelay) -> bool {
    fs::read(database(relay)).unwrap().starts_with(b"SQLite format 3\0")
}

/// The files of the database.
fn kept(relay: &TestRelay) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(relay.state()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_file()).map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

/// Puts the files back as they were, and no others.
fn restore(relay: &TestRelay, kept: &[(PathBuf, Vec<u8>)]) {
    for entry in fs::read_dir(relay.state()).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_file() {
            fs::remove_file(entry).unwrap();
        }
    }
    for (path, octets) in kept {
        fs::write(path, octets).unwrap();
    }
}

/// Runs a command to its end, or until the power is cut; in the first case at which step the new file got its name.
fn run_until(relay: &TestRelay, command: &[&str], library: &Path, at: usize) -> Option<usize> {
    let count = relay.state().join("../step");
    let mut process = relay.binary();
    process.args(command).env("LD_PRELOAD", library).env("ANSHIN_TEST_DIES_AT", at.to_string());
    let output = process.env("ANSHIN_TEST_DIES_COUNT", &count).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.code() {
        None => None,
        Some(0) => Some(fs::read_to_string(count).unwrap().parse().unwrap()),
        Some(code) => panic!("{code}: {said}"),
    }
}

/// Cuts the power of a command at many of its steps. After each the database must be whole, and the command do the rest.
fn cut_at_each_step(relay: &TestRelay, command: &[&str], is_done: impl Fn(&TestRelay) -> bool) {
    let scratch = Scratch::new("dies");
    let library = preload::build("dies", &scratch);
    let before = kept(relay);
    let named = run_until(relay, command, &library, 0).unwrap();
    assert!(is_done(relay) && named > 100, "named at step {named}");
    let expected = relay.anshin(&ORDERS);
    assert_eq!(expected.as_array().unwrap().len(), 5);
    let spread = (1..=SPREAD).map(|n| n * (named - AROUND) / (SPREAD + 1));
    let mut cut = 0;
    for at in spread.chain(named - AROUND..=named + AROUND) {
        restore(relay, &before);
        cut += usize::from(run_until(relay, command, &library, at).is_none());
        let found = relay.run(&ORDERS);
        assert_eq!(found.status, 0, "cut at step {at}: {}", found.stderr);
        assert_eq!(found.json(), expected, "cut at step {at}");
        relay.anshin(command);
        assert!(is_done(relay), "cut at step {at}");
        let left: Vec<PathBuf> = kept(relay).into_iter().map(|(path, _)| path).collect();
        let unfinished = left.iter().filter(|path| path.to_string_lossy().contains("unfinished"));
        assert_eq!(unfinished.count(), 0, "cut at step {at}: {left:?}");
    }
    println!("{command:?}: {cut} power cuts, the name at step {named}");
    assert_eq!(cut, SPREAD + 2 * AROUND + 1);
}

#[test]
fn a_file_of_an_older_version_is_encrypted_at_the_first_start_wherever_the_power_is_cut() {
    let relay = installation();
    become_plain(&relay);
    cut_at_each_step(&relay, &["queue", "stats"], |relay| !is_plain(relay));
}

#[test]
fn a_file_comes_to_a_newer_key_wherever_the_power_is_cut_and_the_old_key_can_go() {
    let relay = installation();
    rotate(&relay);
    assert!(sqlite::keys_below(&relay.state()).len() == 2);
    eventually_within(Duration::from_secs(60), "the file alone needs the old key", || {
        let refused = relay.run(&["keys", "retire", "file-a"]);
        refused.stdout.contains("the database file is encrypted with it").then_some(())
    });
    let is_new = |relay: &TestRelay| {
        let (from, to) = (relay.state().join("keys/file-a.key"), relay.state().join("../file-a.key"));
        fs::rename(&from, &to).unwrap();
        let opens = relay.run(&ORDERS);
        fs::rename(&to, &from).unwrap();
        // It opens with the new key; the ring is not whole all the same.
        opens.stdout.contains("file-a.key is missing")
    };
    cut_at_each_step(&relay, &["keys", "rewrap"], is_new);
    relay.anshin(&["keys", "retire", "file-a"]);
    assert!(!relay.state().join("keys/file-a.key").exists());
    assert_eq!(relay.anshin(&ORDERS).as_array().unwrap().len(), 5);
}

#[test]
fn a_running_relay_keeps_its_file_and_a_lost_or_other_key_is_said_as_such() {
    let mut relay = installation();
    relay.start(&["all"]);
    rotate(&relay);
    let rewrapped = relay.anshin(&["keys", "rewrap"]);
    let stage = rewrapped.as_array().unwrap().iter().find(|stage| stage["stage"] == "database file").unwrap();
    assert!(stage["state"].as_str().unwrap().starts_with("left: another process has it open"), "{stage}");
    assert!(relay.terminate().iter().all(|status| status.success()));
    let keys = relay.state().join("keys");
    fs::rename(keys.join("file-a.key"), relay.state().join("../file-a.key")).unwrap();
    let refused = relay.run(&ORDERS);
    assert!(refused.stdout.contains("no file key of this key ring opens the database file (tried: file-b)"));
    assert!(!refused.stdout.contains("not a database") && refused.stderr.is_empty(), "{}", refused.stderr);
    fs::rename(relay.state().join("../file-a.key"), keys.join("file-a.key")).unwrap();
    relay.anshin(&ORDERS);
}
