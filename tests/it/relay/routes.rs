//! The operator sends waiting mail another way, and looks on.

use super::client::Client;
use super::letter::{Letter, body};
use super::mailbox::{Mailbox, Manner};
use super::process::{On, Setup, on_both_databases};
use super::scene::{Person, Scene, add_merchant, open_order};
use super::watch::Watch;
use crate::peer::eventually;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::Arc;

on_both_databases! {
    mail_for_a_dead_destination_goes_where_the_operator_sends_it_and_the_rest_waits,
}

fn mail_for_a_dead_destination_goes_where_the_operator_sends_it_and_the_rest_waits(on: On) {
    let scene =
        Scene::with(on, |setup| setup.key("egress.retry.first", "'4s'").key("egress.retry.max", "'4s'"));
    let elsewhere = Mailbox::start(&scene.watch, "hana");
    scene.hana.mailbox.go_down();
    let letters: Vec<_> = (0..8).map(|_| scene.to_customer()).collect();
    let ids: Vec<String> =
        letters.iter().map(|letter| scene.submit(letter).is("250 2.0.0").queue_ids().remove(0)).collect();
    let waiting = || scene.relay.queue(Some("waiting"));
    eventually("the destination is dead and nothing is under way", || {
        (scene.relay.log().contains("destination_dead") && waiting().len() == 8).then_some(())
    });
    let to = elsewhere.address().to_string();
    // One that is just being tried is told so.
    let moved = eventually("it is moved", || {
        let ran = scene.relay.run(&["queue", "route", &ids[0], "--to", &to]);
        (ran.status == 0).then(|| ran.json())
    });
    assert_eq!((&moved["moved"], &moved["to"]), (&1.into(), &to.as_str().into()));
    assert_eq!(body(&elsewhere.wait_for(1)[0].bytes), body(&letters[0].bytes()));
    eventually("it is settled", || (waiting().len() == 7).then_some(()));
    let trace = scene.relay.trace(&["--message", &ids[0]]);
    assert_eq!(trace.iter().filter(|line| line["event"] == "rerouted").count(), 1, "{trace:?}");
    let refused = scene.relay.run(&["queue", "route", &ids[0], "--to", &to]);
    assert!(refused.status == 1 && refused.stdout.contains("delivered"), "{}", refused.stdout);
    let unclear = scene.relay.run(&["queue", "route", &ids[1], "--to", "somewhere"]);
    assert!(unclear.status == 1 && unclear.stdout.contains("--to"), "{}", unclear.stdout);
    // An address of a registry elsewhere: nobody's mail goes there, whatever is configured.
    let abroad = scene.relay.run(&["queue", "route", &ids[1], "--to", "8.8.8.8:25"]);
    assert!(abroad.status == 1 && abroad.stdout.contains("lies outside Japan"), "{}", abroad.stdout);

    // Some that meet a filter, then back where their domain goes, when that is there again.
    let domain = &scene.hana.domain;
    let some = scene.relay.anshin(&["queue", "route", "--destination", domain, "--limit", "3", "--to", &to]);
    let moved = 1 + usize::try_from(some["moved"].as_u64().unwrap()).unwrap();
    elsewhere.wait_for(moved);
    scene.hana.mailbox.come_back();
    scene.relay.anshin(&["queue", "route", "--store-id", "mise", "--to", "dns"]);
    scene.hana.mailbox.wait_for(8 - moved);
    eventually("the queue is empty", || scene.relay.queue(None).is_empty().then_some(()));
    assert_eq!(elsewhere.count(), moved);
}

#[test]
fn mail_goes_from_the_addresses_of_its_pool() {
    let watch = Arc::new(Watch::default());
    let [mise, hana, taro, jiro] = ["mise", "hana", "taro", "jiro"].map(|who| Person::new(&watch, who));
    let pool = |name: &str, address: &str| format!("{{ name = '{name}', source_addresses = ['{address}'] }}");
    let pools = [pool("notices", "127.0.0.3"), pool("routed", "127.0.0.4"), pool("shaped", "127.0.0.5")];
    let pools = [&pools[..], &[pool("many", "127.0.0.6")]].concat();
    let (domain, hop) = (&hana.domain, hana.mailbox.address());
    let relay = Setup::new(On::Sqlite)
        .key("egress.source_addresses", "['127.0.0.2']")
        .key("egress.pool", &format!("[{}]", pools.join(", ")))
        .key("egress.notice_pool", "'notices'")
        .key("egress.bulk_pool", "'many'")
        .key("egress.shape", &format!("[{{ domains = ['{}'], pool = 'shaped' }}]", taro.domain))
        .route_as(&format!("domain = '{domain}', next_hop = '{hop}', pool = 'routed'"))
        .route(&taro.domain, taro.mailbox.address())
        .route(&mise.domain, mise.mailbox.address())
        .route(&jiro.domain, jiro.mailbox.address())
        .start(&watch);
    let account = add_merchant(&relay, "mise", &[&mise.address]);
    let submit_as = |field: &str, customer: &Person, order_no: &str| {
        let order = open_order(&relay, "mise", order_no, &customer.address);
        let letter = Letter::new(&watch, &mise.address, &order.customer_alias);
        let (user, password) = (&account.user, &account.password);
        let mut session = Client::log_in(relay.submissions(), &watch, "mise", user, password).unwrap();
        session
            .send(&mise.address, &[&letter.to], &[field.as_bytes(), &letter.bytes()].concat())
            .unwrap()
            .is("250 2.0.0");
        order.merchant_alias
    };
    let submit = |customer: &Person, order_no: &str| submit_as("", customer, order_no);
    let from = |person: &Person, count: usize| person.mailbox.wait_for(count)[count - 1].from.to_string();
    let alias = submit(&hana, "A-1");
    submit(&taro, "A-2");
    assert_eq!((from(&hana, 1), from(&taro, 1)), ("127.0.0.4".into(), "127.0.0.5".into()));
    let answer = Letter::new(&watch, &hana.address, &alias);
    let mut server = Client::hello(relay.mx(), &watch, "hana").unwrap();
    server.send(&hana.address, &[&alias], &answer.bytes()).unwrap().is("250 2.0.0");
    assert_eq!(from(&mise, 1), "127.0.0.2");
    submit_as("List-Unsubscribe: <https://shop.example/stop>\r\n", &jiro, "A-3");
    assert_eq!(from(&jiro, 1), "127.0.0.6", "a newsletter");
    hana.mailbox.behave(Manner::Rcpt("550 5.1.1 No such user".into()));
    submit(&hana, "A-1");
    assert_eq!(from(&mise, 2), "127.0.0.3", "a report of ours");
}

#[test]
fn the_queue_can_be_watched() {
    let scene = Scene::new(On::Sqlite);
    let mut command = scene.relay.binary();
    let mut child = command.args(["queue", "watch", "--every", "1"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // A document a line: two looks.
    for line in lines.by_ref().take(2) {
        let look: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert!(look["at"].is_string(), "{look}");
        assert!(
            ["states", "destinations", "reasons"].iter().all(|of| look[of].as_array().unwrap().is_empty()),
            "{look}"
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
