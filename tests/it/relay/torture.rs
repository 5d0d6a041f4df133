//! Everything fails, one after the other and at once: processes are killed, disks fill up and lose writes, commits fail, the
//! database crashes, the ways to it are cut or fall silent, next hops close, hang up, send away, refuse or fall silent. What
//! was acknowledged is delivered or told to have failed, what came twice is accounted for, and the log has each message.
//!
//! Rules: one node on SQLite, three on one PostgreSQL, each with a path of its own to it; 12 sessions send all the time and
//! repeat what was not acknowledged. `ANSHIN_TEST_KILLS` sets how many processes are killed (12; a thousand take an hour),
//! `ANSHIN_TEST_SEED` says what is broken and who is killed, in which order and after which pauses; what threads, processes and
//! disks do meanwhile it does not repeat. So a seed that failed replays nothing and none is kept: what a failure taught is a
//! test of its own, as those of `outages` and `store_lanes` are. A mail that came twice is explained by what the next hop saw: of
//! every copy but the last either the dot was not answered, or the node that brought it was killed behind the dot and before
//! the next copy came, or was cut off from the database until its lease was over. Each node sends from an address of its own, by which the next hop knows it.

pub(super) mod books;
pub(super) mod disk;
mod ground;

use super::kills::{LEASES_END, Load, Random, collect, number, session};
use super::process::{Bound, On, TestRelay};
use super::scene::Scene;
use super::watch::random_hex;
use crate::peer::eventually_within;
use books::{Books, Harmed, Ledger};
use ground::{Ground, behave, misbehave};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

const SESSIONS: u64 = 12;

#[test]
fn one_node_on_sqlite_loses_nothing_while_it_its_disk_and_its_next_hops_fail() {
    torture(On::Sqlite, 1);
}

#[test]
fn three_nodes_lose_nothing_while_they_their_next_hops_and_their_postgres_fail() {
    torture(On::Postgres, 3);
}

fn torture(on: On, nodes: usize) {
    let kills = number("ANSHIN_TEST_KILLS").unwrap_or(12);
    let seed = number("ANSHIN_TEST_SEED").unwrap_or_else(|| u64::from_str_radix(&random_hex(8), 16).unwrap());
    println!("ANSHIN_TEST_SEED={seed} ANSHIN_TEST_KILLS={kills}");
    let mut random = Random(seed);
    let mut ground = Ground::new(on, nodes, kills);
    let sources = format!("['{}']", source(0));
    let mut scene = Scene::with(on, |setup| ground.carry(setup).key("egress.source_addresses", &sources));
    ground.prepare();
    // Those that run, in the order in which they were started: path and sockets of each.
    let mut running = vec![(0, scene.relay.bound().clone())];
    for node in 1..nodes {
        running.push(start(&mut scene.relay, &ground, node));
    }
    let (sender, acknowledged) = channel();
    // A long run shall not take all memory: the mailboxes keep everything.
    let rest = Duration::from_millis(if kills > 100 { 300 } else { 0 });
    let load = Arc::new(Load::new(running[0].1.clone(), sender, rest));
    let sessions: Vec<_> = (0..SESSIONS).map(|number| session(&scene, load.clone(), number)).collect();

    let mailboxes = [&scene.hana.mailbox, &scene.mise.mailbox];
    let (mut all, mut harms) = (Vec::new(), BTreeMap::new());
    let (mut killed, mut cut_off) = (Vec::new(), Vec::new());
    for _ in 0..kills {
        collect(&acknowledged, Instant::now() + Duration::from_micros(random.below(600_000)), &mut all);
        misbehave(&mailboxes, &mut random);
        let harmed_at = Instant::now();
        *harms.entry(ground.harm(&mut random)).or_insert(0) += 1;
        collect(&acknowledged, Instant::now() + Duration::from_micros(random.below(1_200_000)), &mut all);
        let victim = usize::try_from(random.below(nodes as u64)).unwrap();
        let (node, _) = running.remove(victim);
        let begun = Instant::now();
        scene.relay.kill_one(victim);
        killed.push(Harmed { node: source(node), begun, done: Instant::now() });
        if let Some((_, other)) = running.first() {
            load.use_node(other);
            collect(&acknowledged, Instant::now() + Duration::from_micros(random.below(500_000)), &mut all);
        }
        ground.mend();
        let cut = |node| Harmed { node: source(node), begun: harmed_at, done: Instant::now() };
        cut_off.extend(ground.cut_off().map(cut));
        running.push(start(&mut scene.relay, &ground, node));
        load.use_node(&running[usize::try_from(random.below(running.len() as u64)).unwrap()].1);
    }
    mailboxes.iter().for_each(|mailbox| behave(mailbox));
    load.stop.store(true, Ordering::Relaxed);
    sessions.into_iter().for_each(|session| session.join().unwrap());
    all.extend(acknowledged.try_iter());

    let mut ledger = Ledger::at(&ground.own_url(), &scene.relay.state());
    // How long it takes is a matter of the machine; that it goes on is not.
    let mut waiting = i64::MAX;
    while waiting > 0 {
        waiting = eventually_within(LEASES_END, "the queue gets shorter", || {
            Some(ledger.waiting()).filter(|now| *now < waiting)
        });
    }
    let books = Books::of(&mailboxes);
    let (doubled, doubtful) = (books.doubled(&killed, &cut_off), ledger.doubtful());
    println!(
        "{on:?}, {nodes} nodes, seed {seed}: {kills} kills, {harms:?}, {} acknowledged, {} delivered, {} told to have \
         failed; doubled: {} unanswered at the dot, {} killed behind it, {} cut off; {} attempts doubtful",
        all.len(),
        books.copies.len(),
        books.told.len(),
        doubled.unanswered,
        doubled.killed,
        doubled.cut_off,
        doubtful.values().sum::<i64>(),
    );
    assert_eq!(books.lost(&all), [""; 0], "lost");
    assert!(all.len() as u64 >= kills, "hardly any load: {}", all.len());
    assert_eq!(doubled.unexplained, [""; 0], "nothing explains why it came again; kills: {killed:?}");
    // Nor does a mail come again behind the back of the relay: it counts each such attempt itself.
    for one in &all {
        let copies = books.copies.get(&one.token).map_or(0, Vec::len) as i64;
        let doubtful = doubtful.get(&one.queue_id).copied().unwrap_or_default();
        assert!(copies - 1 <= doubtful, "{} came {copies} times, {doubtful} doubtful", one.queue_id);
    }
    ledger.check();
    scene.watch.check_hidden_below(&ground.disk().join(if on == On::Sqlite { "" } else { "data/base" }));
}

/// From where a node sends.
fn source(node: usize) -> IpAddr {
    IpAddr::from([127, 0, 0, 20 + u8::try_from(node).unwrap()])
}

/// Starts a node on its path to the database; which it is, and where it listens.
fn start(relay: &mut TestRelay, ground: &Ground, node: usize) -> (usize, Bound) {
    let (url, sources) = (ground.url(node), format!("['{}']", source(node)));
    let environment =
        [("ANSHIN__STORAGE__URL", url.as_str()), ("ANSHIN__EGRESS__SOURCE_ADDRESSES", sources.as_str())];
    relay.start_with(&[&["all"]], if node == 0 { &[] } else { &environment });
    (node, relay.bound().clone())
}
