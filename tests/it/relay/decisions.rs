//! A document with an address inside waits for its sender, who decides by mail: both sides, and nobody else.

use super::client::{Client, Reply};
use super::letter::{Letter, body, header, show};
use super::mailbox::Mailbox;
use super::process::{On, on_both_databases};
use super::scene::{Account, Order, Scene, add_merchant, open_order};
use crate::peer::eventually;

on_both_databases! {
    a_store_confirms_its_document_by_mail_and_it_arrives_as_it_was,
    a_customer_confirms_a_document_by_mail_and_it_arrives_as_it_was,
    a_withdrawn_document_never_arrives,
}

/// Addresses that are nobody's needle, so that a document with them may arrive.
pub const STORE: &str = "orders@plain-store.test";
const CUSTOMER: &str = "hana@plain-customer.test";

/// ZIP archives with a compressed `note.txt` that has the address in it.
pub const OF_STORE: &str = "UEsDBBQAAAAIAABIdl1mmMiaSgAAAHcAAAAIAAAAbm90ZS50eHRzSc0rT1QAorzETIW8/JRUhdzU1KJSBSAjPy81HShYnJGZm1hcaqWQ\r\n\
X5SSWlTsUJCTmJmnW1ySX5SqV5JaXKKggUNCB5cOTV4uAFBLAQIUAxQAAAAIAABIdl1mmMiaSgAAAHcAAAAIAAAAAAAAAAAAAACAAQAA\r\n\
AABub3RlLnR4dFBLBQYAAAAAAQABADYAAABwAAAAAAA=";
const OF_CUSTOMER: &str = "UEsDBBQAAAAIAABIdl1Evj8rSwAAAHoAAAAIAAAAbm90ZS50eHRzSc0rT1QAorzETIW8/JRUhdzU1KJSBSAjPy81HShYnJGZm1hcaqWQ\r\n\
kZiX6FCQk5iZp5tcWlySn5tapFeSWlyioIFLRgenHk1eLgBQSwECFAMUAAAACAAASHZdRL4/K0sAAAB6AAAACAAAAAAAAAAAAAAAgAEA\r\n\
AAAAbm90ZS50eHRQSwUGAAAAAAEAAQA2AAAAcQAAAAAA";

/// A store of `mise` that has such an address beside its own, and an order of `hana`.
struct Stage {
    scene: Scene,
    account: Account,
    order: Order,
}

impl Stage {
    fn new(on: On) -> Self {
        let scene = Scene::new(on);
        let account = add_merchant(&scene.relay, "ume", &[&scene.mise.address, STORE]);
        let order = open_order(&scene.relay, "ume", "U-1", &scene.hana.address);
        Self { scene, account, order }
    }

    fn submit(&self, to: &str, mail: &[u8]) -> Reply {
        let (user, password) = (&self.account.user, &self.account.password);
        let server = self.scene.relay.submissions();
        let mut session = Client::log_in(server, &self.scene.watch, "mise", user, password).unwrap();
        session.send(&self.scene.mise.address, &[to], mail).unwrap()
    }

    fn deliver(&self, to: &str, mail: &[u8]) -> Reply {
        self.scene.customer().unwrap().send(&self.scene.hana.address, &[to], mail).unwrap()
    }

    fn state(&self, id: &str) -> String {
        self.scene.relay.anshin(&["queue", "show", id])[0]["state"].as_str().unwrap().to_owned()
    }
}

pub fn with_document(letter: &Letter, document: &str) -> Vec<u8> {
    format!(
        "Date: Sun, 22 Nov 2026 09:00:00 +0900\r\nFrom: {}\r\nTo: {}\r\nSubject: {}\r\nMessage-ID: {}\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{}\r\n\
         --b\r\nContent-Type: application/zip; name=note.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n\
         {document}\r\n--b--\r\n",
        letter.from, letter.to, letter.subject, letter.message_id, letter.text
    )
    .into_bytes()
}

/// A mail as a person writes it to a decision address.
fn decision(from: &str, to: &str, more: &str) -> Vec<u8> {
    format!("From: {from}\r\nTo: {to}\r\nSubject: OK\r\n{more}\r\nyoroshiku\r\n").into_bytes()
}

/// The two addresses in a notice: to confirm, to withdraw.
#[track_caller]
fn choices(mailbox: &Mailbox) -> (String, String) {
    let bytes = mailbox.wait_for(1).remove(0).bytes;
    assert_eq!(header(&bytes, "Reply-To"), None);
    let parsed = mail_parser::MessageParser::default().parse(&bytes).unwrap();
    let text = parsed.body_text(0).unwrap().into_owned();
    let found: Vec<String> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("mailto:")?.split_once('?').map(|(to, _)| to.to_owned()))
        .collect();
    assert_eq!(found.len(), 2, "{text}");
    assert!(found[0].starts_with('c') && found[1].starts_with('w'), "{found:?}");
    for address in &found {
        assert!(text.lines().any(|line| line.trim() == address), "{text}");
    }
    (found[0].clone(), found[1].clone())
}

fn a_store_confirms_its_document_by_mail_and_it_arrives_as_it_was(on: On) {
    let stage = Stage::new(on);
    let scene = &stage.scene;
    let (mise, hana) = (&scene.mise, &scene.hana);
    let letter = Letter::new(&scene.watch, &mise.address, &stage.order.customer_alias);
    let mail = with_document(&letter, OF_STORE);
    let id = stage.submit(&letter.to, &mail).is("250 2.0.0").queue_ids().remove(0);
    let (confirm, withdraw) = choices(&mise.mailbox);
    assert_eq!(scene.relay.queue(Some("held"))[0]["held_for"], "document");
    for to in [&confirm, &withdraw] {
        // The store's own mailbox is no login, another store is another, and a program is nobody.
        stage.deliver(to, &decision(&hana.address, to, "")).is("550 5.1.1");
        let outside = scene.customer().unwrap().send(&mise.address, &[to], &decision(&mise.address, to, ""));
        outside.unwrap().is("550 5.1.1");
        scene.merchant().unwrap().send(&mise.address, &[to], b"").unwrap().is("550 5.1.1");
        let automatic = decision(&mise.address, to, "Auto-Submitted: auto-replied\r\n");
        stage.submit(to, &automatic).is("250 2.0.0");
    }
    assert_eq!(stage.state(&id), "held");
    // From must be the store's, as in every mail of its.
    stage.submit(&confirm, &decision(&hana.address, &confirm, "")).is("550");
    assert_eq!((stage.state(&id), hana.mailbox.count()), ("held".into(), 0));
    stage.submit(&confirm, &decision(&mise.address, &confirm, "")).is("250 2.0.0");
    let arrived = hana.mailbox.wait_for(1).remove(0).bytes;
    assert_eq!(show(body(&arrived)), show(body(&mail)), "it arrives as it was written");
    eventually("it is settled", || (stage.state(&id) == "delivered").then_some(()));
    for again in [&confirm, &withdraw] {
        stage.submit(again, &decision(&mise.address, again, "")).is("250 2.0.0");
    }
    eventually("the queue is empty", || scene.relay.queue(None).is_empty().then_some(()));
    assert_eq!((stage.state(&id), hana.mailbox.count()), ("delivered".into(), 1));
    assert_eq!(mise.mailbox.count(), 1);
}

fn a_customer_confirms_a_document_by_mail_and_it_arrives_as_it_was(on: On) {
    let stage = Stage::new(on);
    let scene = &stage.scene;
    // The customer had another address before; the document names that one.
    let order = open_order(&scene.relay, "ume", "U-2", CUSTOMER);
    let name = ["--store-id", "ume", "--order-no", "U-2", "--customer", &scene.hana.address];
    scene.by_two(&[&["order", "readdress"], &name[..]].concat());
    let letter = Letter::new(&scene.watch, &scene.hana.address, &order.merchant_alias);
    let mail = with_document(&letter, OF_CUSTOMER);
    let id = stage.deliver(&letter.to, &mail).is("250 2.0.0").queue_ids().remove(0);
    let (confirm, _) = choices(&scene.hana.mailbox);
    stage.submit(&confirm, &decision(&scene.mise.address, &confirm, "")).is("550 5.1.1");
    let taro = &scene.taro.address;
    let stranger = decision(taro, &confirm, "");
    scene.customer().unwrap().send(taro, &[&confirm], &stranger).unwrap().is("550 5.1.1");
    scene.customer().unwrap().send("", &[&confirm], &stranger).unwrap().is("550 5.1.1");
    stage.deliver(&confirm, &decision(taro, &confirm, "")).is("550");
    stage.deliver(&confirm, &decision(&scene.hana.address, &confirm, "Precedence: bulk\r\n")).is("250");
    assert_eq!((stage.state(&id), scene.mise.mailbox.count()), ("held".into(), 0));
    let upper = confirm.to_uppercase();
    stage.deliver(&upper, &decision(&scene.hana.address, &upper, "")).is("250 2.0.0");
    let arrived = scene.mise.mailbox.wait_for(1).remove(0).bytes;
    assert_eq!(show(body(&arrived)), show(body(&mail)), "it arrives as it was written");
}

fn a_withdrawn_document_never_arrives(on: On) {
    let stage = Stage::new(on);
    let scene = &stage.scene;
    let letter = Letter::new(&scene.watch, &scene.mise.address, &stage.order.customer_alias);
    let mail = with_document(&letter, OF_STORE);
    let id = stage.submit(&letter.to, &mail).is("250 2.0.0").queue_ids().remove(0);
    let (confirm, withdraw) = choices(&scene.mise.mailbox);
    for to in [&withdraw, &confirm] {
        stage.submit(to, &decision(&scene.mise.address, to, "")).is("250 2.0.0");
    }
    assert_eq!(stage.state(&id), "dropped");
    // Sent again it is a new mail, and a new question.
    let again = stage.submit(&letter.to, &mail).is("250 2.0.0").queue_ids().remove(0);
    assert_ne!(again, id);
    scene.relay.anshin(&["queue", "release", &again, "--files"]);
    scene.hana.mailbox.wait_for(1);
}
