//! The nodes of one PostgreSQL are replaced one after the other while mail flows: nothing is lost, nothing comes twice,
//! since each leaves in order.
//!
//! Rules: `ANSHIN_TEST_OLDER` names the program of an earlier version, with which the nodes begin; the one that is tested takes
//! over node by node, its migrations with the first. Without it both are the same, which is how a machine is restarted.

use super::kills::{LEASES_END, Load, collect, count, session};
use super::process::{Bound, On};
use super::scene::Scene;
use crate::peer::eventually_within;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const NODES: usize = 3;
/// How many mails are acknowledged between two steps, at least.
const LOAD: usize = 60;

#[test]
fn nodes_are_replaced_one_after_the_other_under_load_and_every_mail_comes_once() {
    let older = std::env::var("ANSHIN_TEST_OLDER").ok();
    println!("from {}", older.as_deref().unwrap_or("this version"));
    let mut scene = Scene::prepared(
        On::Postgres,
        |setup| setup,
        |relay| {
            if let Some(older) = &older {
                relay.use_program(older);
            }
        },
    );
    let mut nodes: Vec<Bound> = vec![scene.relay.bound().clone()];
    for _ in 1..NODES {
        scene.relay.start(&["all"]);
        nodes.push(scene.relay.bound().clone());
    }
    let (sender, acknowledged) = channel();
    let load = Arc::new(Load::new(nodes[0].clone(), sender, Duration::ZERO));
    let sessions: Vec<_> = (0..8).map(|number| session(&scene, load.clone(), number)).collect();
    let mut all = Vec::new();
    let flows = |all: &mut Vec<_>, at: &Bound, acknowledged: &Receiver<_>| {
        load.use_node(at);
        let wanted = all.len() + LOAD;
        eventually_within(Duration::from_secs(60), "mail flows", || {
            collect(acknowledged, Instant::now() + Duration::from_millis(50), all);
            (all.len() >= wanted).then_some(())
        });
    };
    for node in &nodes {
        flows(&mut all, node, &acknowledged);
    }
    scene.relay.use_this_program();
    for _ in 0..NODES {
        // The oldest leaves while sessions are with it; the others and the new one carry on.
        flows(&mut all, &nodes[0], &acknowledged);
        nodes.remove(0);
        load.use_node(&nodes[0]);
        assert!(scene.relay.terminate_one(0).success());
        scene.relay.start(&["all"]);
        nodes.push(scene.relay.bound().clone());
        for node in &nodes {
            flows(&mut all, node, &acknowledged);
        }
    }
    load.stop.store(true, Ordering::Relaxed);
    sessions.into_iter().for_each(|session| session.join().unwrap());
    all.extend(acknowledged.try_iter());

    let mailboxes = [&scene.hana.mailbox, &scene.mise.mailbox];
    eventually_within(LEASES_END, "the queue is empty", || scene.relay.queue(None).is_empty().then_some(()));
    let seen = count(&mailboxes);
    println!("{} acknowledged, {} delivered", all.len(), seen.len());
    assert!(all.iter().all(|one| seen.get(&one.token) == Some(&1)), "one is lost, or came twice");
    // The history is one, whichever version wrote it.
    scene.relay.anshin(&["log", "verify"]);
}
