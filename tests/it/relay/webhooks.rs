//! Webhooks: what becomes of mails is told to the marketplace's own systems, whatever they do, signed, and never to a network that nobody
//! declared.

use super::http::{Answer, request};
use super::process::{On, on_both_databases};
use super::scene::Scene;
use crate::peer::nsd::Nsd;
use crate::peer::receiver::{Does, Posted, Receiver};
use crate::peer::{HOW_TO_RUN, eventually, eventually_within};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

on_both_databases! {
    a_receiver_that_refuses_says_nothing_or_is_down_loses_no_event_and_gets_none_twice_unmarked,
}

/// Longer than the first tries take together, with one that nobody answers.
const PATIENCE: Duration = Duration::from_secs(120);

fn scene(on: On) -> Scene {
    Scene::with(on, |setup| {
        setup.key("webhooks.hosts", "['127.0.0.1', 'localhost']").key("webhooks.networks", "['127.0.0.0/8']")
    })
}

fn token(scene: &Scene) -> String {
    let made = scene.relay.anshin(&["token", "add", "--name", "shop system", "--scope", "messages"]);
    made["token"].as_str().unwrap().to_owned()
}

fn call(scene: &Scene, token: &str, method: &str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    request(scene.relay.web(), method, path, token, &body)
}

/// A webhook there; its id and its secret.
fn added(scene: &Scene, token: &str, receiver: &Receiver) -> (String, String) {
    let url = format!("http://{}/hook", receiver.address);
    let added = call(scene, token, "POST", "/v1/webhooks", &json!({ "url": url }));
    assert_eq!(added.status, 201, "{}", added.body);
    let text = |name: &str| added.json()[name].as_str().unwrap().to_owned();
    scene.watch.secret(&text("secret"));
    (text("id"), text("secret"))
}

fn waiting(scene: &Scene, token: &str) -> i64 {
    let list = call(scene, token, "GET", "/v1/webhooks", &Value::Null).json();
    list["webhooks"][0]["waiting"].as_i64().unwrap()
}

/// How often each id was taken.
fn taken(posted: &[Posted]) -> BTreeMap<String, usize> {
    let mut taken = BTreeMap::new();
    for post in posted.iter().filter(|post| post.taken) {
        *taken.entry(post.header("webhook-id")).or_default() += 1;
    }
    taken
}

/// Holds the signatures of a post against a secret, as docs/api.md shows it in Python.
fn is_signed(post: &Posted, secret: &str) -> bool {
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api.md")).unwrap();
    let begin = docs.find("        import base64, hashlib, hmac").expect("docs/api.md has the example");
    let lines = docs[begin..].lines().take_while(|line| line.is_empty() || line.starts_with("        "));
    let mut program: String = lines.map(|line| format!("{}\n", line.get(8..).unwrap_or_default())).collect();
    program.push_str("import json, sys\nhead, body, secret, now = json.load(sys.stdin)\n");
    program.push_str("print(verified(head, body.encode(), secret, now))\n");
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let head: BTreeMap<&str, String> = names.map(|name| (name, post.header(name))).into();
    let now: u64 = head["webhook-timestamp"].parse().unwrap();
    let mut child = Command::new("python3")
        .args(["-c", &program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|fault| panic!("python3: {fault}; {HOW_TO_RUN}"));
    let given = json!([head, post.body, secret, now]).to_string();
    child.stdin.take().unwrap().write_all(given.as_bytes()).unwrap();
    let said = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert!(["True\n", "False\n"].contains(&said.as_str()), "{said}\n{program}");
    said == "True\n"
}

fn a_receiver_that_refuses_says_nothing_or_is_down_loses_no_event_and_gets_none_twice_unmarked(on: On) {
    let mut scene = scene(on);
    let token = token(&scene);
    let receiver = Receiver::start(Does::Refuse);
    let (id, secret) = added(&scene, &token, &receiver);

    // It answers 500: the same events come again, under the same ids.
    scene.submit(&scene.to_customer()).is("250");
    scene.hana.mailbox.wait_for(1);
    let refused = eventually_within(PATIENCE, "each event comes again", || {
        let posted = receiver.posted();
        let mut tries: BTreeMap<String, usize> = BTreeMap::new();
        posted.iter().for_each(|post| *tries.entry(post.header("webhook-id")).or_default() += 1);
        (tries.len() == 2 && tries.values().all(|tries| *tries >= 2)).then_some(posted)
    });
    let mut events = refused.iter().map(|post| serde_json::from_str::<Value>(&post.body).unwrap());
    // They come in any order.
    let first = events.find(|event| event["type"] == "message.accepted").expect("it was accepted");
    assert_eq!(first["order_no"], "A-1001");
    assert_eq!(first["store_id"], "mise");
    assert_eq!(first["customer_alias"], scene.order.customer_alias.as_str());
    for post in &refused {
        scene.watch.shown("the marketplace", "a webhook", post.body.as_bytes());
    }
    assert!(is_signed(&refused[0], &secret));
    let wrong = format!("whsec_{}", "A".repeat(43) + "=");
    assert!(!is_signed(&refused[0], &wrong), "by nobody else");
    let changed = Posted { body: refused[0].body.replace("A-1001", "A-1002"), ..refused[0].clone() };
    assert!(!is_signed(&changed, &secret), "and nothing else");

    // It says nothing, and mail goes on; then it is down, and the relay dies beside it.
    receiver.now_does(Does::Nothing);
    scene.submit(&scene.to_customer()).is("250");
    scene.hana.mailbox.wait_for(2);
    let address = receiver.address;
    drop(receiver);
    scene.relay.kill();
    scene.relay.start(&["all"]);
    scene.submit(&scene.to_customer()).is("250");
    scene.hana.mailbox.wait_for(3);
    let receiver = Receiver::start_at(address, Does::Take);
    eventually_within(PATIENCE, "all six events are taken", || {
        (taken(&receiver.posted()).len() == 6 && waiting(&scene, &token) == 0).then_some(())
    });
    let once = taken(&receiver.posted());
    assert!(once.values().all(|times| *times == 1), "{once:?}");

    // Another secret, beside the one before; then without it.
    let path = |what: &str| format!("/v1/webhooks/{id}/{what}");
    let rotated = call(&scene, &token, "POST", &path("rotate"), &json!({})).json();
    let second = rotated["secret"].as_str().unwrap().to_owned();
    let before = receiver.posted().len();
    let replayed = call(&scene, &token, "POST", &path("replay"), &json!({ "from": "2020-01-01T00:00:00Z" }));
    assert_eq!(replayed.json(), json!({ "events": 6 }));
    let again = eventually_within(PATIENCE, "all come once more", || {
        let posted = receiver.posted().split_off(before);
        (taken(&posted).len() == 6).then_some(posted)
    });
    assert!(taken(&again).keys().eq(once.keys()), "with the ids that they had");
    assert!(is_signed(&again[0], &secret) && is_signed(&again[0], &second));
    call(&scene, &token, "POST", &path("rotate"), &json!({ "overlap_hours": 0 }));
    let before = receiver.posted().len();
    scene.submit(&scene.to_customer()).is("250");
    let third = eventually_within(PATIENCE, "another event", || receiver.posted().get(before).cloned());
    assert!(!is_signed(&third, &second) && !is_signed(&third, &secret));

    let removed = call(&scene, &token, "DELETE", &format!("/v1/webhooks/{id}"), &Value::Null);
    assert_eq!(removed.status, 200, "{}", removed.body);
    call(&scene, &token, "DELETE", &format!("/v1/webhooks/{id}"), &Value::Null).problem(404);
    call(&scene, &token, "POST", &path("replay"), &json!({ "from": "2020-01-01T00:00:00Z" })).problem(404);
    assert_eq!(scene.relay.anshin(&["webhook", "list"]), json!([]));
}

#[test]
fn a_mail_of_a_customer_that_is_held_is_told_of_once_it_goes_on() {
    let scene = scene(On::Sqlite);
    let token = token(&scene);
    let receiver = Receiver::start(Does::Take);
    added(&scene, &token, &receiver);
    // A style of its own hides what stands within the address: the gate holds it.
    let letter = scene.to_merchant();
    let (local, domain) = scene.hana.address.split_once('@').unwrap();
    let held = format!(
        "Date: Sun, 22 Nov 2026 09:00:00 +0900\r\nFrom: {}\r\nTo: {}\r\nSubject: {}\r\nMessage-ID: {}\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
         {}\r\n<style>i{{display:none}}</style><p>{local}<i>x</i>@{domain}</p>\r\n",
        letter.from, letter.to, letter.subject, letter.message_id, letter.text
    );
    let mut customer = scene.customer().unwrap();
    customer.send(&scene.hana.address, &[&letter.to], held.as_bytes()).unwrap().is("250");
    eventually("it is held", || (!scene.relay.queue(Some("held")).is_empty()).then_some(()));
    scene.deliver(&scene.to_merchant()).is("250");
    let types = |posted: &[Posted]| -> Vec<String> {
        let read = |post: &Posted| serde_json::from_str::<Value>(&post.body).unwrap();
        let mut types: Vec<String> = posted.iter().map(read).map(|event| event["type"].to_string()).collect();
        types.sort_unstable();
        types
    };
    let posted = eventually_within(PATIENCE, "the other one is told of", || {
        let posted = receiver.posted();
        posted.iter().any(|post| post.body.contains("message.delivered")).then_some(posted)
    });
    assert_eq!(
        types(&posted),
        ["\"message.accepted\"", "\"message.delivered\""],
        "nothing of the one that is held"
    );
}

#[test]
fn no_webhook_leads_into_a_network_that_nobody_declared() {
    let nsd = Nsd::start(&[("test", Some("hooks A 127.0.0.1\n"))]);
    let scene = Scene::with(On::Sqlite, |setup| {
        setup
            .key("webhooks.hosts", "['127.0.0.1', '127.0.0.2', 'hooks.test']")
            .key("webhooks.networks", "['127.0.0.2/32']")
            .key("dns.servers", &format!("'{}'", nsd.address()))
    });
    let token = token(&scene);
    let inner = Receiver::start(Does::Take);
    let outer = Receiver::start_at(
        "127.0.0.2:0".parse().unwrap(),
        Does::Redirect(format!("http://{}/", inner.address)),
    );
    let other = json!({ "url": "https://169.254.169.254/latest" });
    assert!(call(&scene, &token, "POST", "/v1/webhooks", &other).problem(422).contains("webhooks.hosts"));
    let in_clear = json!({ "url": "http://hooks.test/" });
    assert!(call(&scene, &token, "POST", "/v1/webhooks", &in_clear).problem(422).contains("https"));
    let port = inner.address.port();
    for url in [format!("http://127.0.0.1:{port}/"), format!("https://hooks.test:{port}/")] {
        assert_eq!(call(&scene, &token, "POST", "/v1/webhooks", &json!({ "url": url })).status, 201);
    }
    added(&scene, &token, &outer);
    scene.submit(&scene.to_customer()).is("250");
    eventually_within(PATIENCE, "all three were tried", || {
        let list = call(&scene, &token, "GET", "/v1/webhooks", &Value::Null).json();
        let status = |i: usize| list["webhooks"][i]["last_status"].clone();
        ([status(0), status(1), status(2)] == ["private-network", "private-network", "307"]).then_some(())
    });
    assert!(!outer.posted().is_empty(), "where it is declared it is posted");
    assert!(inner.posted().is_empty(), "neither by address, nor by name, nor by a redirect");
}
