//! PostgreSQL's disk fills up: the door says so, and nothing that was taken is lost. SQLite's is in `outages`.

use super::letter::{Letter, body};
use super::process::{On, Setup};
use super::scene::Scene;
use super::torture::disk::Disk;
use crate::peer::cluster::Cluster;
use crate::peer::{eventually, eventually_within};
use std::time::Duration;

/// Room for the server and some mail.
const MEBIBYTES: u64 = 250;

#[test]
fn a_full_disk_of_postgres_is_a_452_and_mail_is_taken_again_when_there_is_space() {
    let disk = Disk::new(MEBIBYTES);
    let cluster = Cluster::new(disk.path(), &[]);
    let url = format!("'postgres://anshin@{}/anshin'", cluster.address());
    let on_it = |setup: Setup| setup.database(cluster.database()).key("storage.url", &url);
    let scene = Scene::with(On::Postgres, on_it);
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(1);

    disk.fill();
    let letter = scene.to_customer();
    // More than what the server has in reserve for its own.
    let big = Letter { text: "x\r\n".repeat(500_000), ..scene.to_customer() };
    let told = scene.submit(&big).is("452 4.3.1");
    assert!(told.to_string().contains("try again later"), "{told}");

    disk.mend();
    // It stops itself where it can't write what it promised.
    eventually_within(Duration::from_secs(120), "the server runs", || cluster.start().then_some(()));
    eventually("it is taken again", || (scene.submit(&letter).code == 250).then_some(()));
    let mails = scene.hana.mailbox.wait_for(2);
    assert_eq!(body(&mails[1].bytes), body(&letter.bytes()));
    scene.watch.check_hidden_below(&disk.path().join("data/base"));
}
