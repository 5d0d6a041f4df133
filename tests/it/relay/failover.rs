//! The database server dies under load and its standby is promoted: what was acknowledged is there.
//!
//! Rules: two real clusters on loopback, streaming replication, `synchronous_commit = remote_apply`. The relay is led to the
//! new primary as an operator's address or name does it; it is not restarted.

use super::kills::{LEASES_END, Load, collect, session};
use super::process::On;
use super::proxy::Proxy;
use super::scene::Scene;
use super::torture::books::{Books, Ledger};
use crate::peer::cluster::{Cluster, Stop};
use crate::peer::{Scratch, eventually_within};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const SESSIONS: u64 = 8;
/// Mails that are acknowledged before the failover, and after it.
const MAILS: usize = 60;

#[test]
fn a_standby_that_is_promoted_under_load_has_everything_that_was_acknowledged() {
    let dirs = [Scratch::new("primary"), Scratch::new("standby")];
    let primary = Cluster::new(dirs[0].path(), &[]);
    primary.ask("postgres", "CREATE DATABASE anshin");
    let standby = Cluster::standby(dirs[1].path(), &primary);
    primary.configure("synchronous_standby_names = '*'\nsynchronous_commit = remote_apply\n");
    primary.reload();
    primary.wait_for_standby();
    let proxy = Proxy::start(primary.address());
    let url = format!("'postgres://anshin@{}/anshin'", proxy.address());
    // The installation's own state is its keys alone.
    let mut scene = Scene::with(On::Sqlite, |setup| setup.key("storage.url", &url));
    scene.relay.start(&["all"]);
    let (sender, acknowledged) = channel();
    let load = Arc::new(Load::new(scene.relay.bound().clone(), sender, Duration::ZERO));
    let sessions: Vec<_> = (0..SESSIONS).map(|number| session(&scene, load.clone(), number)).collect();
    let mut all = Vec::new();
    more(&acknowledged, &mut all, MAILS);

    primary.stop(Stop::Immediate);
    proxy.cut();
    standby.promote();
    proxy.lead_to(standby.address());
    proxy.mend();
    let before = all.len() + acknowledged.try_iter().map(|one| all.push(one)).count();
    more(&acknowledged, &mut all, before + MAILS);
    load.stop.store(true, Ordering::Relaxed);
    sessions.into_iter().for_each(|session| session.join().unwrap());
    all.extend(acknowledged.try_iter());

    let mailboxes = [&scene.hana.mailbox, &scene.mise.mailbox];
    let mut ledger = Ledger::at(&format!("postgres://anshin@{}/anshin", standby.address()));
    eventually_within(LEASES_END, "the queue is empty", || (ledger.waiting() == 0).then_some(()));
    let books = Books::of(&mailboxes);
    println!("{} acknowledged, {} delivered", all.len(), books.copies.len());
    assert_eq!(books.lost(&all), [""; 0], "lost");
    assert_eq!(books.doubled(&[], &[]).unexplained, [""; 0], "nobody was killed, and every dot was answered");
    ledger.check();
    scene.watch.check_hidden("the database", &standby.dump("anshin"));
}

/// Waits until so many are acknowledged.
fn more<T>(acknowledged: &Receiver<T>, all: &mut Vec<T>, count: usize) {
    eventually_within(LEASES_END, "mail is acknowledged", || {
        collect(acknowledged, Instant::now() + Duration::from_millis(50), all);
        (all.len() >= count).then_some(())
    });
}
