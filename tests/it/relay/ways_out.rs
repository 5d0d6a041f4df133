//! Egress processes with ways out of their own: one whose way is broken keeps no mail from those whose way is well.

use super::letter::Letter;
use super::process::{On, Setup, on_both_databases};
use super::scene::{Person, Scene, open_order};
use super::watch::Watch;
use crate::peer::{eventually, eventually_within, sqlite};
use sqlx::{Connection, Row};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

on_both_databases! {
    a_process_whose_smarthost_is_gone_keeps_no_mail_from_one_whose_way_is_well,
    a_process_that_reaches_nobody_suspects_itself_and_others_send_its_mail,
    a_process_that_was_killed_is_nobody_to_leave_mail_to_for_one_that_begins,
}

/// How long a single mail may take that a healthy process could send at once.
const SECONDS: Duration = Duration::from_secs(30);

/// An address at which nobody listens.
fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Ingress alone; whatever is put off waits for minutes.
fn ingress(on: On, people: &[Person]) -> Scene {
    let change = |setup: Setup| {
        let setup = setup.key("egress.retry.first", "'5m'").key("egress.retry.max", "'1h'");
        people.iter().fold(setup, |setup, one| setup.route(&one.domain, one.mailbox.address()))
    };
    Scene::with_roles(on, change, &[&["ingress"]])
}

/// Starts one process with these routes and one whose way is well, and waits until each knows that the other is there.
fn start_both(scene: &mut Scene, broken: &str) {
    scene.relay.start_with(&[&["egress", "web"]], &[("ANSHIN__EGRESS__ROUTE", broken)]);
    scene.relay.start(&["egress"]);
    let url = scene.relay.database_url();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let beats = || -> BTreeMap<i64, i64> {
        runtime.block_on(async {
            let mut connection = sqlite::connect(&url).await;
            let rows =
                sqlx::query("SELECT id, beat FROM egress_node").fetch_all(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            rows.iter().map(|row| (row.get(0), row.get(1))).collect()
        })
    };
    let first = eventually("both are there", || Some(beats()).filter(|beats| beats.len() == 2));
    // Each counts the other once it saw its beat move, and looks each second.
    eventually_within(2 * SECONDS, "both have seen each other", || {
        let now = beats();
        first.iter().all(|(node, beat)| now.get(node).is_some_and(|now| *now >= beat + 4)).then_some(())
    });
}

/// What `queue watch` says: how many processes there are, and how many of them are in doubt.
fn watched(scene: &Scene) -> (u64, u64) {
    let mut command = scene.relay.binary();
    let mut child = command.args(["queue", "watch", "--every", "1"]).stdout(Stdio::piped()).spawn().unwrap();
    let line = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let look: serde_json::Value = serde_json::from_str(&line).unwrap();
    let count = |of: &str| look["egress"][of].as_u64().unwrap();
    (count("processes"), count("in_doubt"))
}

/// A row that a process left which was killed before any of these began.
fn leave_a_ghost(scene: &Scene) {
    let url = scene.relay.database_url();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut connection = sqlite::connect(&url).await;
        let text = "INSERT INTO egress_node (id, beat, says) VALUES (42, 7, $1)";
        let says: &[u8] = b"\x01\0";
        sqlx::query(text).bind(says).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
}

fn a_process_that_was_killed_is_nobody_to_leave_mail_to_for_one_that_begins(on: On) {
    let mut scene = ingress(on, &[]);
    leave_a_ghost(&scene);
    let broken = format!("[{{ domain = '*', next_hop = '{}', tls = 'may' }}]", closed());
    scene.relay.start_with(&[&["egress"]], &[("ANSHIN__EGRESS__ROUTE", &broken)]);
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    eventually("it is tried, and left to nobody", || {
        let queue = scene.relay.queue(Some("waiting"));
        let line = queue.iter().find(|line| line["last_status"].is_string())?;
        assert_eq!(line["attempts"], 1, "{line}");
        Some(())
    });
}

fn a_process_whose_smarthost_is_gone_keeps_no_mail_from_one_whose_way_is_well(on: On) {
    let mut scene = ingress(on, &[]);
    let broken = format!("[{{ domain = '*', next_hop = '{}', tls = 'may' }}]", closed());
    start_both(&mut scene, &broken);
    for number in 1..=20 {
        let sent = Instant::now();
        scene.submit(&scene.to_customer()).is("250 2.0.0");
        eventually_within(SECONDS, "a single mail arrives", || {
            (scene.hana.mailbox.count() == number).then_some(())
        });
        println!("{on:?} {number}: {:?}", sent.elapsed());
    }
    // Nor was any of them counted as tried by who could not.
    eventually("the queue is empty", || scene.relay.queue(None).is_empty().then_some(()));
    let delivered = scene.relay.queue(Some("delivered"));
    assert_eq!(delivered.len(), 20);
    assert!(delivered.iter().all(|line| line["attempts"] == 1), "{delivered:?}");
}

fn a_process_that_reaches_nobody_suspects_itself_and_others_send_its_mail(on: On) {
    let watch = Arc::new(Watch::default());
    let people: Vec<Person> = (0..6).map(|number| Person::new(&watch, &format!("kyaku{number}"))).collect();
    let mut scene = ingress(on, &people);
    let orders: Vec<_> = people
        .iter()
        .enumerate()
        .map(|(number, one)| open_order(&scene.relay, "mise", &format!("B-{number}"), &one.address))
        .collect();
    let nobody = closed();
    let domains = people
        .iter()
        .map(|one| format!("{{ domain = '{}', next_hop = '{nobody}', tls = 'may' }}", one.domain));
    let broken = format!("[{}]", domains.collect::<Vec<_>>().join(", "));
    start_both(&mut scene, &broken);
    let mut expected = vec![0; people.len()];
    let suspects = |scene: &Scene| scene.relay.log().contains("egress_suspects_itself");
    let begun = Instant::now();
    let mut round = 0;
    while round < 6 || (!suspects(&scene) && begun.elapsed() < Duration::from_secs(120)) {
        for (number, one) in people.iter().enumerate() {
            let letter = Letter::new(&scene.watch, &scene.mise.address, &orders[number].customer_alias);
            scene.submit(&letter).is("250 2.0.0");
            expected[number] += 1;
            eventually_within(SECONDS, "a single mail arrives", || {
                (one.mailbox.count() == expected[number]).then_some(())
            });
        }
        round += 1;
    }
    assert!(suspects(&scene), "it took nothing, or told nobody");
    eventually("who looks after it sees it, and nobody takes it out of service", || {
        let ready = super::http::request(scene.relay.web(), "GET", "/readyz", "", "");
        assert_eq!(ready.status, 200, "{}", ready.body);
        ready.body.contains("doubts its own way out").then_some(())
    });
    eventually("so does who watches the queue", || (watched(&scene) == (2, 1)).then_some(()));
    // Alone it tries everything as ever.
    scene.relay.kill_one(2);
    let letter = Letter::new(&scene.watch, &scene.mise.address, &orders[0].customer_alias);
    scene.submit(&letter).is("250 2.0.0");
    let is_tried = |line: &serde_json::Value| line["attempts"].as_i64().is_some_and(|attempts| attempts > 0);
    eventually_within(Duration::from_secs(90), "it is tried, and counts", || {
        scene.relay.queue(Some("waiting")).iter().any(is_tried).then_some(())
    });
}
