//! Everything fails, one after the other and at once: processes are killed, the next hops close, hang up, send away or fall
//! silent, the way to the database is cut. What was acknowledged is delivered, what came twice is accounted for,
//! and the log has each message.
//!
//! Rules: one node on SQLite, three on one PostgreSQL; 12 sessions send without a pause and repeat what was not
//! acknowledged. `ANSHIN_TEST_KILLS` sets how many processes are killed (12; a thousand take half an hour),
//! `ANSHIN_TEST_SEED` repeats a run. A mail that came twice is explained when the relay itself counted as many attempts
//! of which it does not know the end.

use super::kills::{LEASES_END, Load, Random, collect, count, number, session};
use super::mailbox::{Mailbox, Manner};
use super::process::{On, Setup};
use super::proxy::Proxy;
use super::scene::Scene;
use super::watch::random_hex;
use crate::peer::eventually_within;
use crate::peer::postgres::fresh_database;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

const SESSIONS: u64 = 12;

#[test]
fn one_node_on_sqlite_loses_nothing_while_it_and_its_next_hops_fail() {
    torture(On::Sqlite, 1, None);
}

#[test]
fn three_nodes_lose_nothing_while_they_their_next_hops_and_their_postgres_fail() {
    let database = fresh_database();
    let url = database.url();
    let (host, name) = url.rsplit_once('@').unwrap().1.split_once('/').unwrap();
    let proxy = Proxy::start(host.parse().unwrap());
    let through = format!("'postgres://anshin@{}/{name}'", proxy.address());
    torture(On::Postgres, 3, Some((&proxy, through)));
}

fn torture(on: On, nodes: usize, cut: Option<(&Proxy, String)>) {
    let kills = number("ANSHIN_TEST_KILLS").unwrap_or(12);
    let seed = number("ANSHIN_TEST_SEED").unwrap_or_else(|| u64::from_str_radix(&random_hex(8), 16).unwrap());
    println!("ANSHIN_TEST_SEED={seed} ANSHIN_TEST_KILLS={kills}");
    let mut random = Random(seed);
    let url = cut.as_ref().map(|(_, url)| url.clone());
    let mut scene = Scene::with(on, |setup: Setup| match &url {
        Some(url) => setup.key("storage.url", url),
        None => setup,
    });
    let mut bound = vec![scene.relay.bound().clone()];
    for _ in 1..nodes {
        scene.relay.start(&["all"]);
        bound.push(scene.relay.bound().clone());
    }
    let (sender, acknowledged) = channel();
    let load = Arc::new(Load::new(bound[0].clone(), sender));
    let sessions: Vec<_> = (0..SESSIONS).map(|number| session(&scene, load.clone(), number)).collect();

    let mut tokens = Vec::new();
    for _ in 0..kills {
        let pause = Duration::from_micros(random.below(1_200_000));
        collect(&acknowledged, Instant::now() + pause, &mut tokens);
        misbehave(&scene, &mut random);
        if let Some((proxy, _)) = cut.as_ref().filter(|_| random.below(8) == 0) {
            proxy.cut();
            collect(&acknowledged, Instant::now() + Duration::from_millis(random.below(900)), &mut tokens);
            proxy.mend();
        }
        let victim = usize::try_from(random.below(nodes as u64)).unwrap();
        scene.relay.kill_one(victim);
        bound.remove(victim);
        if let Some(other) = bound.first() {
            load.use_node(other);
        }
        scene.relay.start(&["all"]);
        bound.push(scene.relay.bound().clone());
        load.use_node(&bound[usize::try_from(random.below(bound.len() as u64)).unwrap()]);
    }
    load.stop.store(true, Ordering::Relaxed);
    sessions.into_iter().for_each(|session| session.join().unwrap());
    tokens.extend(acknowledged.try_iter());
    behave(&[&scene.hana.mailbox, &scene.mise.mailbox]);

    let mailboxes = [&scene.hana.mailbox, &scene.mise.mailbox];
    eventually_within(LEASES_END, "everything acknowledged is delivered", || {
        let seen = count(&mailboxes);
        tokens.iter().all(|token| seen.contains_key(token)).then_some(())
    });
    eventually_within(LEASES_END, "the queue is empty", || scene.relay.queue(None).is_empty().then_some(()));
    let seen = count(&mailboxes);
    let doubled: i64 = seen.values().map(|times| i64::try_from(*times).unwrap() - 1).sum();
    let doubtful = doubtful(&scene);
    println!(
        "{on:?}, {nodes} nodes: {kills} kills, {} acknowledged, {} delivered, {doubled} doubled, {doubtful} doubtful",
        tokens.len(),
        seen.len(),
    );
    assert!(tokens.len() as u64 >= kills, "hardly any load: {}", tokens.len());
    assert!(doubled <= doubtful, "{doubled} doubled, only {doubtful} attempts are doubtful");
    check_log(&scene, seen.len());
}

/// Attempts of which the relay does not know the end, by its own count.
fn doubtful(scene: &Scene) -> i64 {
    let totals = scene.relay.anshin(&["queue", "stats"]);
    totals.as_array().unwrap().iter().map(|total| total["doubtful_attempts"].as_i64().unwrap()).sum()
}

/// Each delivered message has a record of its acceptance and one of its delivery, and each accepted one a message.
fn check_log(scene: &Scene, delivered: usize) {
    let lines = scene.relay.anshin(&["queue", "list", "--state", "delivered", "--limit", "100000"]);
    let lines = lines.as_array().unwrap();
    assert!(lines.len() >= delivered, "{} delivered by the queue, {delivered} by the mailboxes", lines.len());
    let step = (lines.len() / 25).max(1);
    for line in lines.iter().step_by(step) {
        let id = line["queue_id"].as_str().unwrap();
        let trace = scene.relay.trace(&["--message", id]);
        let events = |word: &str| trace.iter().filter(|line| line["event"] == word).count();
        assert_eq!((events("accepted"), events("delivered")), (1, 1), "{id}: {trace:?}");
    }
    let trace = scene.relay.trace(&["--alias", &scene.order.customer_alias]);
    let accepted = trace.iter().filter(|line: &&Value| line["event"] == "accepted");
    for line in accepted.step_by(step) {
        let id = line["queue_id"].as_str().or(line["message"].as_str()).unwrap_or_default();
        if !id.is_empty() {
            assert_eq!(scene.relay.anshin(&["queue", "show", id]).as_array().unwrap().len(), 1, "{id}");
        }
    }
}

/// Lets a next hop behave in some way for a while; half of the times well.
fn misbehave(scene: &Scene, random: &mut Random) {
    for mailbox in [&scene.hana.mailbox, &scene.mise.mailbox] {
        if random.below(2) == 0 {
            behave(&[mailbox]);
            continue;
        }
        match random.below(5) {
            0 => mailbox.behave(Manner::Greets("421 4.3.2 Busy".into())),
            1 => mailbox.behave(Manner::Rcpt("450 4.2.1 Come back later".into())),
            2 => mailbox.behave(Manner::ClosesAfterDot),
            3 => mailbox.behave(Manner::HangsAfterDot),
            _ if mailbox.is_down() => {}
            _ => mailbox.go_down(),
        }
    }
}

/// All is well again.
fn behave(mailboxes: &[&Mailbox]) {
    for mailbox in mailboxes {
        mailbox.behave(Manner::Kind);
        if mailbox.is_down() {
            mailbox.come_back();
        }
    }
}
