//! Starting, refusing to start, taking over a certificate, and stopping in order.

use super::client::stuffed;
use super::letter::{Letter, body};
use super::mailbox::Manner;
use super::process::{On, Setup, TestRelay, on_both_databases};
use super::scene::{Scene, add_merchant, open_order};
use super::watch::Watch;
use crate::peer::eventually;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

on_both_databases! {
    a_message_under_way_is_taken_before_a_stop_and_delivered_after_the_next_start,
    a_database_that_was_sealed_with_other_keys_is_refused,
    three_roles_started_at_once_as_processes_of_their_own_deliver_mail,
}

fn a_message_under_way_is_taken_before_a_stop_and_delivered_after_the_next_start(on: On) {
    let mut scene = Scene::new(on);
    scene.hana.mailbox.go_down();
    let letter = scene.to_customer();
    let mut idle = scene.customer().unwrap();
    let mut merchant = scene.merchant().unwrap();
    merchant.say(&format!("MAIL FROM:<{}>", scene.mise.address)).unwrap().is("250");
    merchant.say(&format!("RCPT TO:<{}>", letter.to)).unwrap().is("250");
    merchant.say("DATA").unwrap().is("354");
    let octets = stuffed(&letter.bytes());
    let (first, rest) = octets.split_at(octets.len() / 2);
    merchant.wire().write(first).unwrap();
    scene.relay.signal("TERM");
    idle.read().unwrap().is("421 4.3.2");
    let mx = scene.relay.mx();
    eventually("nobody new is let in", || TcpStream::connect(mx).is_err().then_some(()));
    merchant.wire().write(rest).unwrap();
    merchant.read().unwrap().is("250 2.0.0");
    let ended = scene.relay.wait();
    assert!(ended.iter().all(|status| status.code() == Some(0)), "{ended:?}");
    assert!(scene.relay.log().contains("\"event\":\"stopped\""));

    scene.hana.mailbox.come_back();
    scene.relay.start(&["all"]);
    assert_eq!(body(&scene.hana.mailbox.wait_for(1)[0].bytes), body(&letter.bytes()));
}

#[test]
fn a_stop_of_an_idle_relay_takes_no_time() {
    let mut scene = Scene::new(On::Sqlite);
    let _half_a_handshake = TcpStream::connect(scene.relay.web()).unwrap();
    let start = Instant::now();
    let ended = scene.relay.terminate();
    assert!(ended[0].success() && start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn a_stop_waits_for_the_reply_to_a_final_dot_and_gives_all_else_back() {
    let mut scene = Scene::with(On::Sqlite, |setup| setup.key("egress.timeouts.drain", "'1s'"));
    let other = open_order(&scene.relay, "mise", "A-1002", &scene.taro.address);
    scene.hana.mailbox.behave(Manner::WaitsAfterDot);
    scene.taro.mailbox.behave(Manner::WaitsToGreet);
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.submit(&Letter { to: other.customer_alias, ..scene.to_customer() }).is("250 2.0.0");
    scene.hana.mailbox.wait_for(1);
    eventually("the other one is being sent too", || (scene.taro.mailbox.connections() > 0).then_some(()));
    scene.relay.signal("TERM");
    let is_cut = || scene.relay.log().contains("drain_cut").then_some(());
    eventually("what has not sent its dot is given back", is_cut);
    scene.hana.mailbox.behave(Manner::Kind);
    let ended = scene.relay.wait();
    assert!(ended.iter().all(|status| status.success()), "{ended:?}");

    let waiting = scene.relay.queue(None);
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    let (state, attempts) = (&waiting[0]["state"], &waiting[0]["attempts"]);
    assert!(state == "waiting" && attempts == 0, "given back, and not tried: {waiting:?}");
    scene.taro.mailbox.behave(Manner::Kind);
    scene.relay.start(&["all"]);
    scene.taro.mailbox.wait_for(1);
    eventually("the queue is empty", || scene.relay.queue(None).is_empty().then_some(()));
    assert_eq!((scene.hana.mailbox.count(), scene.taro.mailbox.count()), (1, 1), "each once");
}

#[test]
fn a_new_certificate_is_used_for_new_sessions_and_old_ones_go_on() {
    let scene = Scene::new(On::Sqlite);
    let mut old = scene.merchant().unwrap();
    let first = old.wire().certificate().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["relay.anshin.test".to_owned()]).unwrap();
    let tls = scene.relay.state().join("tls");
    // A certificate whose key is not there yet is not taken over.
    fs::write(tls.join("certificate.pem"), made.cert.pem()).unwrap();
    fs::write(tls.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    eventually("new sessions see the new certificate", || {
        let shown = scene.merchant().unwrap().wire().certificate().unwrap();
        assert!(shown == first || shown == made.cert.der().to_vec());
        (shown != first).then_some(())
    });
    let letter = scene.to_customer();
    old.send(&scene.mise.address, &[&letter.to], &letter.bytes()).unwrap().is("250 2.0.0");
    // What is no certificate is refused, and the one in use stays.
    fs::write(tls.join("certificate.pem"), "nothing").unwrap();
    eventually("it is refused", || scene.relay.log().contains("certificate_refused").then_some(()));
    assert_eq!(scene.merchant().unwrap().wire().certificate().unwrap(), made.cert.der().to_vec());
}

fn a_database_that_was_sealed_with_other_keys_is_refused(on: On) {
    let mut scene = Scene::new(on);
    scene.relay.terminate();
    let keys = scene.relay.state().join("keys");
    fs::rename(&keys, scene.relay.state().join("keys.old")).unwrap();
    // The development profile makes a new ring; it must not be used on an old database.
    let ran = scene.relay.run(&["serve"]);
    assert_eq!(ran.status, 1);
    let why = if on == On::Sqlite { "no file key of this key ring" } else { "key ring does not belong" };
    assert!(ran.json()["error"].as_str().unwrap().contains(why), "{}", ran.stdout);
    let ran = scene.relay.run(&["order", "list", "--store-id", "mise"]);
    assert_eq!(ran.status, 1, "{}", ran.stdout);
    fs::remove_dir_all(&keys).unwrap();
    fs::rename(scene.relay.state().join("keys.old"), &keys).unwrap();
    scene.relay.start(&["all"]);
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(1);
}

fn three_roles_started_at_once_as_processes_of_their_own_deliver_mail(on: On) {
    let scene = Scene::with_roles(on, |setup| setup, &[&["ingress"], &["egress"], &["web"]]);
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(1);
    scene.mise.mailbox.wait_for(1);
    assert_eq!(super::http::request(scene.relay.web(), "GET", "/readyz", "", "").status, 200);
}

/// The document of a start that fails: problems by key.
fn refusal(relay: &TestRelay) -> Vec<(String, String, String)> {
    let ran = relay.run(&["serve"]);
    assert_eq!(ran.status, 1, "{}{}", ran.stdout, ran.stderr);
    let document = ran.json();
    let problems = document["details"].as_array().unwrap_or_else(|| panic!("{document}"));
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    problems.iter().map(|p| (text(&p["key"]), text(&p["reason"]), text(&p["cure"]))).collect()
}

#[test]
fn production_starts_only_with_keys_certificate_database_and_signing_keys_of_its_own() {
    let watch = Arc::new(Watch::default());
    let production =
        || Setup::new(On::Sqlite).key("profile", "'production'").key("residency.storage", "'JP'");
    let bare = production().prepare(&watch);
    let problems = refusal(&bare);
    let keys: Vec<&str> = problems.iter().map(|(key, ..)| key.as_str()).collect();
    for key in ["keys.dir", "storage.url", "ingress.tls.certificate", "ingress.tls.key", "egress.dkim.dir"] {
        assert!(keys.contains(&key), "{key} is not named: {keys:?}");
    }
    assert!(problems.iter().all(|(_, reason, cure)| !reason.is_empty() && !cure.is_empty()));
    assert!(fs::read_dir(bare.state()).unwrap().next().is_none(), "production made something");

    // What development made, production takes, if nobody else can read it.
    let mut relay = Setup::new(On::Sqlite).start(&watch);
    relay.terminate();
    let config = fs::read_to_string(relay.config()).unwrap();
    let config =
        config.replace("profile = 'development'", "profile = 'production'\nresidency.storage = 'JP'");
    fs::write(relay.config(), config).unwrap();
    let dkim = relay.state().join("dkim");
    fs::set_permissions(&dkim, fs::Permissions::from_mode(0o755)).unwrap();
    let problems = refusal(&relay);
    assert!(
        problems.iter().any(|(key, reason, _)| key == "egress.dkim.dir" && reason.contains("others")),
        "{problems:?}"
    );
    fs::set_permissions(&dkim, fs::Permissions::from_mode(0o700)).unwrap();
    relay.start(&["all"]);
    add_merchant(&relay, "mise", &["mise@store.test"]);
}

#[test]
fn a_listener_that_is_taken_stops_the_start_and_is_named() {
    let watch = Arc::new(Watch::default());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let relay = Setup::new(On::Sqlite).key("ingress.mx.listen", &format!("'{address}'")).prepare(&watch);
    let ran = relay.run(&["serve"]);
    let error = ran.json()["error"].as_str().unwrap().to_owned();
    assert!(
        ran.status == 1 && error.contains("ingress.mx.listen") && error.contains(&address.to_string()),
        "{error}"
    );
}
