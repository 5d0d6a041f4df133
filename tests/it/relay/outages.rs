//! What is away comes back: the next hop, the DNS, the database, space on the disk. Nothing that was acknowledged is lost, and
//! nothing is acknowledged that was not written.

use super::client::Client;
use super::letter::{Letter, body};
use super::mailbox::Manner;
use super::process::{On, Setup, TestRelay, on_both_databases};
use super::proxy::Proxy;
use super::scene::{Order, Person, Scene, add_merchant, open_order};
use super::watch::Watch;
use crate::peer::nsd::Nsd;
use crate::peer::postgres::{Database, fresh_database};
use crate::peer::{Scratch, eventually, eventually_within};
use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A little longer than a lease of the egress.
const LEASE: Duration = Duration::from_secs(63);

/// How long the database is gone: longer than a lease, or so many seconds as `ANSHIN_TEST_OUTAGE` says.
fn outage() -> Duration {
    let asked = std::env::var("ANSHIN_TEST_OUTAGE").ok().and_then(|seconds| seconds.parse().ok());
    asked.map_or(LEASE, Duration::from_secs).max(LEASE)
}

on_both_databases! {
    mail_taken_while_the_next_hop_is_down_arrives_when_it_is_back,
    a_deferred_mail_is_tried_again_after_a_restart,
    a_next_hop_that_falls_silent_or_hangs_up_after_the_dot_gets_the_mail_again,
    the_same_mail_sent_twice_is_delivered_once,
    mail_taken_while_the_dns_is_gone_arrives_when_it_is_back_and_nobody_is_thought_dead,
    a_slow_host_of_many_domains_does_not_keep_the_mail_of_others_waiting,
    nor_do_many_hosts_that_take_connections_and_say_nothing,
}

fn mail_taken_while_the_next_hop_is_down_arrives_when_it_is_back(on: On) {
    let scene = Scene::new(on);
    scene.hana.mailbox.go_down();
    let letters: Vec<Letter> = (0..5).map(|_| scene.to_customer()).collect();
    for letter in &letters {
        scene.submit(letter).is("250 2.0.0");
    }
    eventually("all were tried", || {
        let queue = scene.relay.queue(None);
        let is_tried =
            |line: &serde_json::Value| line["last_status"].as_str().is_some_and(|s| s.starts_with("4"));
        (queue.len() == 5 && queue.iter().all(is_tried)).then_some(())
    });
    scene.hana.mailbox.come_back();
    scene.relay.anshin(&["queue", "retry", "--all"]);
    let mails = scene.hana.mailbox.wait_for(5);
    for letter in &letters {
        assert!(mails.iter().any(|mail| body(&mail.bytes) == body(&letter.bytes())));
    }
}

fn a_deferred_mail_is_tried_again_after_a_restart(on: On) {
    let mut scene =
        Scene::with(on, |setup| setup.key("egress.retry.first", "'1h'").key("egress.retry.max", "'1h'"));
    scene.hana.mailbox.behave(Manner::Rcpt("450 4.2.1 Come back later".into()));
    let id = scene.submit(&scene.to_customer()).is("250 2.0.0").queue_ids().remove(0);
    let line = eventually("it was deferred", || {
        let queue = scene.relay.queue(Some("waiting"));
        queue.into_iter().find(|line| line["last_status"] == "450 4.2.1")
    });
    assert_eq!(line["queue_id"], id.as_str());
    assert_eq!(
        (&line["state"], &line["attempts"], &line["direction"]),
        (&"waiting".into(), &1.into(), &"to_customer".into())
    );
    let at = |name: &str| anshin::mail::Timestamp::parse_rfc3339(line[name].as_str().unwrap()).unwrap();
    let wait = at("next_at").since(at("received_at")).as_secs();
    assert!((45 * 60..75 * 60).contains(&wait), "an hour, a fifth more or less: {wait} s");

    let ended = scene.relay.terminate();
    assert!(ended.iter().all(|status| status.success()), "{ended:?}");
    scene.hana.mailbox.behave(Manner::Kind);
    scene.relay.start(&["all"]);
    assert_eq!(scene.relay.queue(None), [line], "it waits as before");
    let retried = scene.relay.anshin(&["queue", "retry", &id]);
    assert_eq!(retried["retried"], 1);
    scene.hana.mailbox.wait_for(1);
    let shown = eventually("it is settled", || {
        let shown = scene.relay.anshin(&["queue", "show", &id])[0].clone();
        (shown["state"] == "delivered").then_some(shown)
    });
    assert_eq!((&shown["attempts"], &shown["last_status"]), (&2.into(), &"250 2.0.0".into()));
}

fn a_next_hop_that_falls_silent_or_hangs_up_after_the_dot_gets_the_mail_again(on: On) {
    let scene = Scene::new(on);
    scene.hana.mailbox.behave(Manner::ClosesAfterDot);
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.mise.mailbox.behave(Manner::HangsAfterDot);
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    eventually("both dots were read", || {
        (scene.hana.mailbox.count() >= 1 && scene.mise.mailbox.count() >= 1).then_some(())
    });
    for mailbox in [&scene.hana.mailbox, &scene.mise.mailbox] {
        mailbox.behave(Manner::Kind);
        let taken = eventually("it is taken in the end", || {
            mailbox.received().into_iter().find(|mail| mail.was_taken)
        });
        assert_eq!(mailbox.received()[0].bytes.len(), taken.bytes.len(), "the same mail");
    }
    eventually("the queue is empty", || scene.relay.queue(None).is_empty().then_some(()));
}

fn the_same_mail_sent_twice_is_delivered_once(on: On) {
    let scene = Scene::new(on);
    let (to_hana, to_mise) = (scene.to_customer(), scene.to_merchant());
    let ids: Vec<_> = (0..2).map(|_| scene.submit(&to_hana).is("250 2.0.0").queue_ids()).collect();
    assert_eq!(ids[0], ids[1], "the second is told the id of the first");
    scene.deliver(&to_mise).is("250 2.0.0");
    scene.deliver(&to_mise).is("250 2.0.0");
    // The same Message-ID with another text is another mail.
    let other = Letter { text: "another text".into(), ..scene.to_customer() };
    let other = Letter { message_id: to_hana.message_id.clone(), ..other };
    scene.submit(&other).is("250 2.0.0");
    scene.hana.mailbox.wait_for(2);
    scene.mise.mailbox.wait_for(1);
    eventually("the queue is empty", || scene.relay.queue(None).is_empty().then_some(()));
    assert_eq!((scene.hana.mailbox.count(), scene.mise.mailbox.count()), (2, 1));
}

/// A store, a relay and as many customers, each with a domain of its own; each is sent `mails`.
fn to_many(
    setup: Setup,
    watch: &Arc<Watch>,
    store: &Person,
    customers: &[&Person],
    mails: usize,
) -> (TestRelay, impl Fn(&str) + use<>) {
    let relay = setup.route(&store.domain, store.mailbox.address()).start(watch);
    let account = add_merchant(&relay, "mise", &[&store.address]);
    let orders: Vec<(String, Order)> = customers
        .iter()
        .zip(1..)
        .map(|(to, n)| (to.address.clone(), open_order(&relay, "mise", &format!("A-{n}"), &to.address)))
        .collect();
    let (submissions, watch, from) = (relay.submissions(), watch.clone(), store.address.clone());
    let submit = move |customer: &str| {
        let mut session =
            Client::log_in(submissions, &watch, "mise", &account.user, &account.password).unwrap();
        let (_, order) = orders.iter().find(|(address, _)| address == customer).unwrap();
        for _ in 0..mails {
            let letter = Letter::new(&watch, &from, &order.customer_alias);
            session.send(&from, &[&letter.to], &letter.bytes()).unwrap().is("250 2.0.0");
        }
    };
    (relay, submit)
}

fn mail_taken_while_the_dns_is_gone_arrives_when_it_is_back_and_nobody_is_thought_dead(on: On) {
    let watch = Arc::new(Watch::default());
    let [mise, hana] = ["mise", "hana"].map(|who| Person::new(&watch, who));
    let mut names = Nsd::start(&[(&hana.domain, Some("mx IN A 127.0.0.1"))]);
    let (domain, port) = (&hana.domain, hana.mailbox.address().port());
    let setup = Setup::new(on)
        .key("dns.servers", &format!("['{}']", names.address()))
        .route_as(&format!("domain = '{domain}', next_hop = 'mx.{domain}:{port}'"));
    let (relay, submit) = to_many(setup, &watch, &mise, &[&hana], 12);
    names.go_down();
    submit(&hana.address);
    eventually_within(LEASE * 2, "all were tried", || {
        let queue = relay.queue(None);
        (queue.len() == 12 && queue.iter().all(|line| line["last_status"] == "451 4.4.3")).then_some(())
    });
    names.come_back();
    hana.mailbox.wait_for(12);
    assert!(!relay.log().contains("destination_dead"));
}

fn a_slow_host_of_many_domains_does_not_keep_the_mail_of_others_waiting(on: On) {
    let watch = Arc::new(Watch::default());
    let [mise, taro] = ["mise", "taro"].map(|who| Person::new(&watch, who));
    let hosted: Vec<Person> = (0..6).map(|_| Person::new(&watch, "hana")).collect();
    let host = &hosted[0].mailbox;
    host.behave(Manner::WaitsAfterDot);
    let setup = Setup::new(on).key("egress.concurrency", "6").key("egress.per_destination", "2");
    let setup = setup.route(&taro.domain, taro.mailbox.address());
    let setup = hosted.iter().fold(setup, |setup, person| setup.route(&person.domain, host.address()));
    let customers: Vec<&Person> = hosted.iter().chain([&taro]).collect();
    let (relay, submit) = to_many(setup, &watch, &mise, &customers, 3);
    for person in &hosted {
        submit(&person.address);
    }
    host.wait_for(2);
    submit(&taro.address);
    // Whoever waits for a connection to the host would have to give way to it.
    taro.mailbox.wait_for(3);
    assert_eq!(host.count(), 2);
    host.behave(Manner::Kind);
    eventually_within(LEASE * 2, "the rest follows", || (host.count() == 18).then_some(()));
    eventually("the queue is empty", || relay.queue(None).is_empty().then_some(()));
}

fn nor_do_many_hosts_that_take_connections_and_say_nothing(on: On) {
    let watch = Arc::new(Watch::default());
    let [mise, taro] = ["mise", "taro"].map(|who| Person::new(&watch, who));
    let silent: Vec<(Person, TcpListener)> =
        (0..5).map(|_| (Person::new(&watch, "hana"), TcpListener::bind(("127.0.0.1", 0)).unwrap())).collect();
    // Three of them hold all places, and would for five minutes.
    let setup = Setup::new(on).key("egress.concurrency", "6").key("egress.per_destination", "2");
    let setup = setup.route(&taro.domain, taro.mailbox.address());
    let setup = silent
        .iter()
        .fold(setup, |setup, (person, host)| setup.route(&person.domain, host.local_addr().unwrap()));
    let customers: Vec<&Person> = silent.iter().map(|(person, _)| person).chain([&taro]).collect();
    let (relay, submit) = to_many(setup, &watch, &mise, &customers, 3);
    for (person, _) in &silent {
        submit(&person.address);
    }
    eventually("all places are taken", || {
        let queue = relay.queue(None);
        let sending = queue.iter().filter(|line| line["state"] == "in delivery").count();
        (sending >= 6).then_some(())
    });
    submit(&taro.address);
    eventually_within(LEASE, "the others' mail arrives", || (taro.mailbox.count() == 3).then_some(()));
    drop(relay);
}

/// The usual people, with a path to the database that can be cut.
fn behind_a_path() -> (Database, Proxy, Scene) {
    nodes_behind_a_path(&[&[]])
}

fn nodes_behind_a_path(processes: &[&[&str]]) -> (Database, Proxy, Scene) {
    set_up_behind_a_path(processes, |setup| setup)
}

/// The same with a changed set-up.
pub fn set_up_behind_a_path(
    processes: &[&[&str]],
    change: impl Fn(Setup) -> Setup,
) -> (Database, Proxy, Scene) {
    let database = fresh_database();
    let url = database.url();
    let (host, name) = url.rsplit_once('@').unwrap().1.split_once('/').unwrap();
    let proxy = Proxy::start(host.parse().unwrap());
    let through = format!("'postgres://anshin@{}/{name}'", proxy.address());
    let change = |setup: Setup| change(setup.key("storage.url", &through));
    let scene = Scene::with_roles(On::Postgres, change, processes);
    (database, proxy, scene)
}

#[test]
fn a_database_server_out_of_reach_is_a_451_and_what_was_taken_arrives_afterwards() {
    let (database, proxy, scene) = behind_a_path();
    scene.hana.mailbox.behave(Manner::Rcpt("450 4.2.1 Come back later".into()));
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    eventually("it was tried", || (scene.hana.mailbox.connections() > 0).then_some(()));

    // Cut behind RCPT, so that DATA meets it; then before RCPT; then before AUTH.
    let letter = scene.to_customer();
    let mut merchant = scene.merchant().unwrap();
    merchant.say(&format!("MAIL FROM:<{}>", scene.mise.address)).unwrap().is("250");
    merchant.say(&format!("RCPT TO:<{}>", letter.to)).unwrap().is("250");
    let mut other = scene.merchant().unwrap();
    proxy.cut();
    merchant.say("DATA").unwrap().is("354");
    merchant.wire().write(&super::client::stuffed(&letter.bytes())).unwrap();
    merchant.read().unwrap().is("451 4.3.0");
    other.send(&scene.mise.address, &[&letter.to], &letter.bytes()).unwrap().is("451 4.3.0");
    let refused = scene.merchant().err().unwrap().to_string();
    assert!(refused.starts_with("454 4.7.0"), "{refused}");
    assert_eq!(scene.hana.mailbox.count(), 0);
    let readiness = || super::http::request(scene.relay.web(), "GET", "/readyz", "", "").status;
    assert_eq!(readiness(), 503);

    proxy.mend();
    eventually("it is ready again", || (readiness() == 200).then_some(()));
    scene.hana.mailbox.behave(Manner::Kind);
    eventually("it is taken again", || (scene.submit(&letter).code == 250).then_some(()));
    let mails = scene.hana.mailbox.wait_for(2);
    assert_eq!(mails.iter().filter(|mail| body(&mail.bytes) == body(&letter.bytes())).count(), 1);
    scene.watch.check_hidden("the database", &database.dump());
}

#[test]
fn a_path_to_the_database_that_falls_silent_is_given_up_and_nothing_stays_stuck() {
    let (database, proxy, scene) = behind_a_path();
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(1);
    // Neither side is told, as when a machine loses its power. It is never told: only new connections go on.
    proxy.fall_silent();
    let letter = scene.to_customer();
    eventually_within(LEASE * 2, "it is taken again", || {
        let mut session = scene.merchant().ok()?;
        let reply = session.send(&scene.mise.address, &[&letter.to], &letter.bytes()).ok()?;
        (reply.code == 250).then_some(())
    });
    eventually_within(LEASE * 2, "it is delivered", || (scene.hana.mailbox.count() == 2).then_some(()));
    scene.watch.check_hidden("the database", &database.dump());
}

#[test]
fn what_was_delivered_while_the_database_was_away_for_longer_than_a_lease_is_not_delivered_again() {
    delivered_once_behind_an_outage(behind_a_path());
}

#[test]
fn nor_is_it_by_another_node_that_the_same_outage_cut_off() {
    delivered_once_behind_an_outage(nodes_behind_a_path(&[&["ingress", "egress"], &["egress"], &["egress"]]));
}

fn delivered_once_behind_an_outage((_database, proxy, scene): (Database, Proxy, Scene)) {
    let other = open_order(&scene.relay, "mise", "A-1002", &scene.taro.address);
    // One is answered for during the outage, one after it.
    scene.hana.mailbox.behave(Manner::WaitsAfterDot);
    scene.mise.mailbox.behave(Manner::WaitsAfterDot);
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(1);
    scene.mise.mailbox.wait_for(1);
    proxy.cut();
    let cut_at = Instant::now();
    scene.hana.mailbox.behave(Manner::Kind);
    let gone = outage();
    if gone > LEASE {
        // No client waits for so long behind its dot (RFC 5321 §4.5.3.2.6), and what it does then is another matter.
        scene.mise.mailbox.behave(Manner::Kind);
    }
    eventually_within(gone * 2, "the leases have ended", || (cut_at.elapsed() > gone).then_some(()));
    proxy.mend();
    let is_settled = |id: &str| scene.relay.queue(None).iter().all(|line| line["direction"] != id);
    eventually("the first is settled", || is_settled("to_customer").then_some(()));
    // When another mail is on its way, everything that was due has been leased.
    let letter = Letter { to: other.customer_alias, ..scene.to_customer() };
    eventually("it is taken", || (scene.submit(&letter).code == 250).then_some(()));
    scene.taro.mailbox.wait_for(1);
    scene.mise.mailbox.behave(Manner::Kind);
    eventually("the second is settled", || is_settled("to_merchant").then_some(()));
    assert_eq!((scene.hana.mailbox.count(), scene.mise.mailbox.count()), (1, 1));
    assert!(!scene.relay.log().contains("lease_lost"));
}

#[test]
fn a_full_disk_is_a_452_and_mail_is_taken_again_when_there_is_space() {
    let disk = Scratch::new("disk");
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"])
        .arg(disk.path())
        .status()
        .is_ok_and(|status| status.success());
    assert!(mounted, "this test needs the right to mount a tmpfs: run tests/run as root");
    let _unmount = Unmount(&disk);
    let url = format!("'sqlite:{}/anshin.db'", disk.path().display());
    let scene = Scene::with(On::Sqlite, |setup| setup.key("storage.url", &url));
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(1);
    // All that is left, to the last octet.
    let ballast = disk.path().join("ballast");
    let mut file = fs::File::create(&ballast).unwrap();
    while std::io::Write::write(&mut file, &[0; 4096]).is_ok_and(|n| n > 0) {}
    drop(file);
    let letter = scene.to_customer();
    let big = Letter { text: "x\r\n".repeat(500_000), ..scene.to_customer() };
    let told = scene.submit(&big).is("452 4.3.1");
    assert!(told.to_string().contains("try again later"), "{told}");
    fs::remove_file(&ballast).unwrap();
    eventually("it is taken again", || (scene.submit(&letter).code == 250).then_some(()));
    let mails = scene.hana.mailbox.wait_for(2);
    assert_eq!(body(&mails[1].bytes), body(&letter.bytes()));
    scene.watch.check_hidden_below(disk.path());
}

#[test]
fn with_a_certificate_that_has_ended_sessions_go_on_and_the_operator_is_told() {
    let scene = Scene::prepared(
        On::Sqlite,
        |setup| setup,
        |relay| {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut ended = rcgen::CertificateParams::new(["relay.anshin.test".to_owned()]).unwrap();
            ended.not_before = rcgen::date_time_ymd(2020, 1, 1);
            ended.not_after = rcgen::date_time_ymd(2020, 3, 1);
            let dir = relay.state().join("tls");
            fs::create_dir(&dir).unwrap();
            fs::write(dir.join("certificate.pem"), ended.self_signed(&key).unwrap().pem()).unwrap();
            fs::write(dir.join("key.pem"), key.serialize_pem()).unwrap();
        },
    );
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    let mut server = scene.customer().unwrap();
    server.say("STARTTLS").unwrap().is("220");
    server.wire().start_tls().unwrap();
    server.say("EHLO client.test").unwrap().is("250");
    let letter = scene.to_merchant();
    server.send(&scene.hana.address, &[&letter.to], &letter.bytes()).unwrap().is("250 2.0.0");
    scene.hana.mailbox.wait_for(1);
    scene.mise.mailbox.wait_for(1);
    let log = scene.relay.log();
    let told = log.lines().find(|line| line.contains("certificate_expired")).expect("the log says so");
    assert!(told.contains("2020-03-01") && told.contains("days"), "{told}");
    let checked = scene.relay.anshin(&["config", "check"]);
    let warnings = checked["warnings"].as_array().unwrap();
    let of_it = |said: &&serde_json::Value| said.as_str().unwrap().starts_with("ingress.tls.certificate: ");
    let warning = warnings.iter().find(of_it).expect("the check says so");
    assert!(checked["ok"] == true && warning.as_str().unwrap().contains("2020-03-01"), "{checked}");
    let ready = super::http::request(scene.relay.web(), "GET", "/readyz", "", "");
    assert!(ready.status == 200, "an ended certificate stops nothing");
}

struct Unmount<'a>(&'a Scratch);

impl Drop for Unmount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}
