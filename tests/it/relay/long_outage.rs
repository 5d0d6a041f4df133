//! The database is away for as long as an hour is for the relay, on three nodes.
//!
//! What has to do with the length of an outage is counted in leases (`egress/times.rs`): leases themselves, the rests between two tries to write
//! a result, whether a node counts itself as away, how long it spares what others had, and after how
//! long the others are forgotten (ten leases). Behind the last of them nothing changes any more, so eleven short leases are an hour. What else
//! lasts for minutes does not count an outage: back-off grows by attempts, of which there are none; `expire` is days; a
//! dead destination's rest ends while nobody looks; connections to the database are new ones in any case. By hand it was away for 25 minutes
//! (`ANSHIN_TEST_OUTAGE`, `outages.rs`).

use super::letter::body;
use super::mailbox::Manner;
use super::outages::set_up_behind_a_path;
use super::scene::open_order;
use crate::peer::{eventually, eventually_within};
use std::time::{Duration, Instant};

/// Short, and with room for a machine that is slow.
const LEASE: Duration = Duration::from_secs(6);

#[test]
fn an_hour_of_leases_without_the_database_loses_nothing_sends_nothing_twice_and_ends_without_hands() {
    let nodes: [&[&str]; 3] = [&["ingress", "egress"], &["egress"], &["egress"]];
    let (_database, proxy, scene) = set_up_behind_a_path(&nodes, |setup| {
        let setup = setup.key("egress.lease", &format!("'{}s'", LEASE.as_secs()));
        setup.key("egress.retry.first", "'20s'").key("egress.retry.max", "'20s'")
    });
    let order = open_order(&scene.relay, "mise", "A-1002", &scene.taro.address);
    // One is answered for during the outage, one after it, one waits for its next attempt.
    scene.hana.mailbox.behave(Manner::WaitsAfterDot);
    scene.mise.mailbox.behave(Manner::WaitsAfterDot);
    scene.taro.mailbox.behave(Manner::Rcpt("450 4.2.1 Come back later".into()));
    let waits = super::letter::Letter { to: order.customer_alias, ..scene.to_customer() };
    scene.submit(&waits).is("250 2.0.0");
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(1);
    scene.mise.mailbox.wait_for(1);
    let was_tried =
        |line: &serde_json::Value| line["last_status"].as_str().is_some_and(|s| s.starts_with("450"));
    eventually("the third was tried", || scene.relay.queue(None).iter().any(was_tried).then_some(()));
    proxy.cut();
    let cut_at = Instant::now();
    scene.hana.mailbox.behave(Manner::Kind);
    scene.taro.mailbox.behave(Manner::Kind);
    let refused = || scene.merchant().err().map(|fault| fault.to_string());
    let said = eventually("nobody may log in", refused);
    assert!(said.starts_with("454 4.7.0"), "{said}");
    let gone = 11 * LEASE;
    eventually_within(2 * gone, "it was away for long", || (cut_at.elapsed() > gone).then_some(()));
    assert_eq!(scene.taro.mailbox.count(), 0, "nothing is sent that nobody can write down");
    proxy.mend();
    let is_settled = |of: &str| scene.relay.queue(None).iter().all(|line| line["direction"] != of);
    eventually_within(Duration::from_secs(90), "the third is sent", || {
        (scene.taro.mailbox.count() > 0).then_some(())
    });
    let mails = scene.taro.mailbox.wait_for(1);
    assert_eq!(body(&mails[0].bytes), body(&waits.bytes()));
    eventually("what was answered for meanwhile is settled", || is_settled("to_customer").then_some(()));
    let letter = scene.to_customer();
    eventually("mail is taken", || {
        let mut session = scene.merchant().ok()?;
        let reply = session.send(&scene.mise.address, &[&letter.to], &letter.bytes()).ok()?;
        (reply.code == 250).then_some(())
    });
    scene.hana.mailbox.wait_for(2);
    scene.mise.mailbox.behave(Manner::Kind);
    eventually("the other is settled", || is_settled("to_merchant").then_some(()));
    let counts = [&scene.hana, &scene.taro, &scene.mise].map(|person| person.mailbox.count());
    assert_eq!(counts, [2, 1, 1]);
    assert!(!scene.relay.log().contains("lease_lost"));
}
