//! What must not be sent without a decision: it is taken, told, shown in the queue, and ends by a word of the operator's
//! or by time.

use super::letter::{Letter, header, show};
use super::mailbox::{Mailbox, Received};
use super::process::{On, on_both_databases};
use super::scene::{Account, Order, Scene, add_merchant, open_order};
use crate::peer::eventually;
use data_encoding::BASE64;
use serde_json::Value;

on_both_databases! {
    a_mail_that_the_gate_stops_is_taken_told_and_shown_and_stays,
    a_file_that_the_operator_vouches_for_is_released,
    a_held_mail_is_dropped_by_the_operator_and_its_sender_told,
    a_mail_that_nobody_decides_about_is_dropped_in_time,
    a_waiting_mail_that_the_operator_holds_goes_out_when_it_is_released,
}

/// A store with a registered address that is nobody's needle, so that a file with it may arrive.
struct Shop {
    account: Account,
    order: Order,
}

/// What is found in a file, and left there.
const OTHER: &str = "orders@plain-store.test";

fn shop(scene: &Scene) -> Shop {
    let account = add_merchant(&scene.relay, "ume", &[&scene.mise.address, OTHER]);
    let order = open_order(&scene.relay, "ume", "U-1", &scene.hana.address);
    Shop { account, order }
}

/// A letter with a file of a kind that is passed as it is, which holds `text`.
fn with_file(letter: &Letter, text: &str) -> Vec<u8> {
    let content = BASE64.encode(format!("\u{1}record {text}\u{2}").as_bytes());
    format!(
        "Date: Sun, 22 Nov 2026 09:00:00 +0900\r\nFrom: {}\r\nTo: {}\r\nSubject: {}\r\nMessage-ID: {}\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{}\r\n\
         --b\r\nContent-Type: application/octet-stream; name=orders.db\r\nContent-Transfer-Encoding: base64\r\n\r\n\
         {content}\r\n--b--\r\n",
        letter.from, letter.to, letter.subject, letter.message_id, letter.text
    )
    .into_bytes()
}

/// A letter that has `text` with something between that a style of its own hides: the rewriter leaves it, the gate does not.
fn with_residue(letter: &Letter, text: &str) -> Vec<u8> {
    let (local, domain) = text.split_once('@').unwrap();
    let body = format!("<style>i{{display:none}}</style><p>{local}<i>x</i>@{domain}</p>");
    format!(
        "Date: Sun, 22 Nov 2026 09:00:00 +0900\r\nFrom: {}\r\nTo: {}\r\nSubject: {}\r\nMessage-ID: {}\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{}\r\n{body}\r\n",
        letter.from, letter.to, letter.subject, letter.message_id, letter.text
    )
    .into_bytes()
}

/// Sends a mail with such a file as the store `ume`; its queue id.
fn submit(scene: &Scene, shop: &Shop) -> (Letter, String) {
    submit_made(scene, shop, with_file)
}

fn submit_made(scene: &Scene, shop: &Shop, make: fn(&Letter, &str) -> Vec<u8>) -> (Letter, String) {
    let letter = Letter::new(&scene.watch, &scene.mise.address, &shop.order.customer_alias);
    let (user, password) = (&shop.account.user, &shop.account.password);
    let server = scene.relay.submissions();
    let mut session = super::client::Client::log_in(server, &scene.watch, "mise", user, password).unwrap();
    let mail = make(&letter, OTHER);
    let reply = session.send(&scene.mise.address, &[&letter.to], &mail).unwrap().is("250 2.0.0");
    (letter, reply.queue_ids().remove(0))
}

/// The notice number `count` in a mailbox, as text and as a person reads it.
#[track_caller]
fn notice(mailbox: &Mailbox, count: usize) -> (String, String) {
    let Received { reverse_path, bytes, .. } = mailbox.wait_for(count).remove(count - 1);
    assert_eq!(reverse_path, "");
    assert_eq!(header(&bytes, "Auto-Submitted").unwrap(), "auto-replied");
    assert_eq!(header(&bytes, "Reply-To"), None);
    let parsed = mail_parser::MessageParser::default().parse(&bytes).unwrap();
    (show(&bytes), parsed.body_text(0).unwrap().into_owned())
}

fn shown(scene: &Scene, id: &str) -> Value {
    scene.relay.anshin(&["queue", "show", id])[0].clone()
}

#[track_caller]
fn refused(scene: &Scene, arguments: &[&str], word: &str) {
    let ran = scene.relay.run(arguments);
    assert_eq!(ran.status, 1, "{arguments:?}: {}", ran.stdout);
    assert!(ran.json()["error"].as_str().unwrap().contains(word), "{arguments:?}: {}", ran.stdout);
}

fn events(scene: &Scene, id: &str) -> Vec<String> {
    let trace = scene.relay.trace(&["--message", id]);
    trace.iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect()
}

fn a_mail_that_the_gate_stops_is_taken_told_and_shown_and_stays(on: On) {
    let scene = Scene::new(on);
    let shop = shop(&scene);
    let (letter, id) = submit_made(&scene, &shop, with_residue);
    let (mail, text) = notice(&scene.mise.mailbox, 1);
    for part in [&letter.to, &id, "保留", "has not been sent", "without that address"] {
        assert!(text.contains(part), "{part:?} is missing:\n{text}");
    }
    assert!(!text.contains("mailto:"), "{text}");
    assert!(text.contains(&letter.subject) && text.contains("保留期限"), "{text}");
    let kind = header(mail.as_bytes(), "Content-Type").unwrap();
    assert!(kind.starts_with("text/plain"), "a report might be shown in a program's own words: {kind}");
    assert_eq!(header(mail.as_bytes(), "In-Reply-To").unwrap(), letter.message_id);
    let line = shown(&scene, &id);
    assert_eq!((&line["state"], &line["held_for"]), (&"held".into(), &"residue".into()));
    let listed = eventually("the notice is settled", || {
        let listed = scene.relay.queue(None);
        (listed.len() == 1).then_some(listed)
    });
    assert_eq!(listed, [line]);
    assert_eq!(scene.relay.queue(Some("held")), listed);
    let alert = format!("\"queue_id\":\"{id}\",\"reason\":\"residue\"");
    let log = scene.relay.log();
    assert!(log.lines().any(|line| line.contains("WARN") && line.contains(&alert)), "{log}");
    let stats = scene.relay.anshin(&["queue", "stats"]);
    let held = stats.as_array().unwrap().iter().find(|line| line["state"] == "held").unwrap();
    assert_eq!((&held["held_for"], &held["count"]), (&"residue".into(), &1.into()));
    assert!(held["oldest_at"].is_string(), "{held}");

    assert_eq!(scene.relay.anshin(&["queue", "retry", "--all"])["retried"], 0);
    refused(&scene, &["queue", "release", &id], "--files");
    refused(&scene, &["queue", "release", &id, "--files"], "vouch");
    refused(&scene, &["queue", "hold", &id], "held");
    assert_eq!(events(&scene, &id), ["accepted", "held"]);
    assert_eq!((scene.mise.mailbox.count(), scene.hana.mailbox.count()), (1, 0));
}

fn a_file_that_the_operator_vouches_for_is_released(on: On) {
    let scene = Scene::new(on);
    let shop = shop(&scene);
    let (letter, id) = submit(&scene, &shop);
    refused(&scene, &["queue", "release", &id], "--files");
    let released = scene.relay.anshin(&["queue", "release", &id, "--files"]);
    assert_eq!((&released["queue_id"], &released["state"]), (&id.as_str().into(), &"waiting".into()));
    let arrived = scene.hana.mailbox.wait_for(1).remove(0);
    assert!(show(&arrived.bytes).contains(&letter.text));
    eventually("it is settled", || (shown(&scene, &id)["state"] == "delivered").then_some(()));
    assert_eq!(events(&scene, &id), ["accepted", "held", "released", "delivered"]);
    refused(&scene, &["queue", "release", &id, "--files"], "delivered");
    refused(&scene, &["queue", "drop", &id], "delivered");
    assert_eq!(scene.mise.mailbox.count(), 1);
}

fn a_held_mail_is_dropped_by_the_operator_and_its_sender_told(on: On) {
    let scene = Scene::new(on);
    let shop = shop(&scene);
    let (letter, id) = submit(&scene, &shop);
    notice(&scene.mise.mailbox, 1);
    assert_eq!(scene.relay.anshin(&["queue", "drop", &id])["state"], "dropped");
    let (report, text) = notice(&scene.mise.mailbox, 2);
    for part in [&letter.to, &id, "送られませんでした", "send a new message"] {
        assert!(text.contains(part), "{part:?} is missing:\n{text}");
    }
    assert!(report.contains("\r\nAction: failed\r\nStatus: 5.7.1\r\n"), "{report}");
    let line = shown(&scene, &id);
    assert_eq!((&line["state"], &line["held_for"]), (&"dropped".into(), &Value::Null));
    assert_eq!(events(&scene, &id), ["accepted", "held", "dropped"]);
    refused(&scene, &["queue", "drop", &id], "dropped");
    refused(&scene, &["queue", "release", &id], "dropped");
    eventually("the queue is empty", || scene.relay.queue(None).is_empty().then_some(()));
    assert_eq!(scene.hana.mailbox.count(), 0);
}

fn a_mail_that_nobody_decides_about_is_dropped_in_time(on: On) {
    let scene = Scene::with(on, |setup| setup.key("content.hold_expire", "'1s'"));
    let shop = shop(&scene);
    let (_, id) = submit(&scene, &shop);
    let (report, text) = notice(&scene.mise.mailbox, 2);
    assert!(text.contains("nobody confirmed it in time"), "{text}");
    assert!(report.contains("\r\nAction: failed\r\nStatus: 5.4.7\r\n"), "{report}");
    assert_eq!(shown(&scene, &id)["state"], "dropped");
    eventually("the queue is empty", || scene.relay.queue(None).is_empty().then_some(()));
    assert_eq!((scene.mise.mailbox.count(), scene.hana.mailbox.count()), (2, 0));
}

fn a_waiting_mail_that_the_operator_holds_goes_out_when_it_is_released(on: On) {
    let scene = Scene::new(on);
    scene.hana.mailbox.go_down();
    let id = scene.submit(&scene.to_customer()).is("250 2.0.0").queue_ids().remove(0);
    // While an attempt runs the queue is left alone.
    eventually("it is held", || (scene.relay.run(&["queue", "hold", &id]).status == 0).then_some(()));
    let line = shown(&scene, &id);
    assert_eq!((&line["state"], &line["held_for"]), (&"held".into(), &"operator".into()));
    refused(&scene, &["queue", "hold", &id], "held");
    scene.hana.mailbox.come_back();
    assert_eq!(scene.relay.anshin(&["queue", "retry", "--all"])["retried"], 0);
    assert_eq!(scene.hana.mailbox.count(), 0);
    scene.relay.anshin(&["queue", "release", &id]);
    scene.hana.mailbox.wait_for(1);
    assert_eq!(scene.mise.mailbox.count(), 0, "the sender is told of nothing");
}

#[test]
fn a_customer_is_told_of_a_hold_as_a_store_is() {
    let scene = Scene::new(On::Sqlite);
    let letter = scene.to_merchant();
    let mail = with_file(&letter, &scene.hana.address);
    let reply = scene.customer().unwrap().send(&scene.hana.address, &[&letter.to], &mail).unwrap();
    let id = reply.is("250 2.0.0").queue_ids().remove(0);
    let (_, text) = notice(&scene.hana.mailbox, 1);
    assert!(text.contains(&scene.order.merchant_alias) && text.contains(&id), "{text}");
    assert_eq!(shown(&scene, &id)["state"], "held");
    // The same mail once more is the same mail.
    let again = scene.customer().unwrap().send(&scene.hana.address, &[&letter.to], &mail).unwrap();
    assert_eq!(again.is("250 2.0.0").queue_ids(), [id.as_str()]);
    scene.relay.anshin(&["queue", "drop", &id]);
    notice(&scene.hana.mailbox, 2);
    assert_eq!(scene.mise.mailbox.count(), 0);
}
