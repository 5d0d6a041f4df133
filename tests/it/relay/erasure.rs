//! A person is erased: yesterday's copy of the database and today's key ring open nothing of hers, and everything of others.

use super::letter::Letter;
use super::process::{On, on_both_databases};
use super::scene::{Scene, open_order};
use crate::peer::postgres::{Database, fresh_database};
use crate::peer::{eventually, sqlite};
use serde_json::Value;
use sqlx::AssertSqlSafe;
use std::fs;
use std::process::{Command, Stdio};

on_both_databases! {
    an_old_copy_of_the_database_opens_nothing_of_who_was_erased_and_all_of_others,
    what_a_hold_keeps_is_not_erased,
}

const LOOK: [&str; 6] = ["--actor", "akiko", "--purpose", "data-subject-request", "--case", "D-1"];

/// A copy of the database as it is, and its URL.
fn copy(scene: &Scene) -> (String, Option<Database>) {
    let url = scene.relay.database_url();
    if url.starts_with("sqlite:") {
        let path = scene.relay.state().join("copy.db");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = sqlite::connect(&url).await;
            let text = format!("VACUUM INTO '{}'", path.display());
            sqlx::query(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
        });
        return (format!("sqlite:{}", path.display()), None);
    }
    let copy = fresh_database();
    let mut dump = Command::new("pg_dump").arg(&url).stdout(Stdio::piped()).spawn().unwrap();
    let mut restore = Command::new("psql");
    restore.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", &copy.url()]);
    let restored = restore.stdin(dump.stdout.take().unwrap()).stdout(Stdio::null()).status().unwrap();
    assert!(restored.success() && dump.wait().unwrap().success());
    (copy.url(), Some(copy))
}

/// A copy of the key ring as it is.
fn ring(scene: &Scene) -> String {
    let (from, to) = (scene.relay.state().join("keys"), scene.relay.state().join("keys-before"));
    let copied = Command::new("cp").arg("-a").args([&from, &to]).status().unwrap();
    assert!(copied.success());
    to.to_str().unwrap().to_owned()
}

fn erase(scene: &Scene, more: &[&str]) -> (i32, Value) {
    let base = ["compliance", "erase", "--customer", &scene.hana.address];
    let ran = scene.relay.run(&[&base[..], more, &LOOK].concat());
    (ran.status, ran.json())
}

fn why(answer: &Value) -> &str {
    answer["error"].as_str().unwrap_or_default()
}

/// Lets a second person approve what this answer asks for.
fn approve(scene: &Scene, asked: &Value) -> String {
    let words: Vec<&str> = why(asked).split([' ', ';', ':']).collect();
    let at = words.iter().position(|word| *word == "request").unwrap();
    scene.relay.anshin(&["reveal", "approve", words[at + 1], "--actor", "botan"]);
    words[at + 1].to_owned()
}

/// What a look at an order shows: the customer's address, or why not.
fn customer(scene: &Scene, order_no: &str) -> String {
    let name = ["order", "show", "--store-id", "mise", "--order-no", order_no];
    let shown = scene.relay.run(&[&name[..], &LOOK].concat()).json();
    shown["customer"].as_str().map_or_else(|| why(&shown).to_owned(), str::to_owned)
}

fn an_old_copy_of_the_database_opens_nothing_of_who_was_erased_and_all_of_others(on: On) {
    let mut scene = Scene::new(on);
    open_order(&scene.relay, "mise", "A-1002", &scene.taro.address);
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    scene
        .deliver(&Letter::new(&scene.watch, &scene.hana.address, &scene.account.public_alias))
        .is("250 2.0.0");
    let mut stray = scene.customer().unwrap();
    stray.say(&format!("MAIL FROM:<{}>", scene.hana.address)).unwrap();
    stray.say("RCPT TO:<nobody@shop.anshin.test>").unwrap().is("550 5.1.1");
    scene.hana.mailbox.wait_for(1);
    scene.mise.mailbox.wait_for(2);
    let (copied, _database) = copy(&scene);
    let before = ring(&scene);
    // A preview erases nothing, an open order stands in the way, and one person is not enough.
    let (status, preview) = erase(&scene, &[]);
    assert_eq!(status, 0, "{preview}");
    assert_eq!(
        (&preview["orders"], &preview["open_orders"], &preview["inquiries"]),
        (&1.into(), &1.into(), &1.into())
    );
    assert_eq!((&preview["erased"], &preview["refused_days"]), (&false.into(), &1.into()));
    assert_eq!(preview["open"], serde_json::json!([{ "store_id": "mise", "order_no": "A-1001" }]));
    let yes = ["--yes"];
    let (status, refused) = erase(&scene, &yes);
    assert!(status == 1 && why(&refused).contains("1 orders are open"), "{refused}");
    let yes = ["--open-orders", "--yes"];
    let (status, asked) = erase(&scene, &yes);
    assert!(status == 1 && why(&asked).contains("second person"), "{asked}");
    assert_eq!(customer(&scene, "A-1001"), scene.hana.address);
    let request = approve(&scene, &asked);
    let (status, erased) = erase(&scene, &[&yes[..], &["--approved", &request]].concat());
    assert!(status == 0 && erased["erased"] == true, "{erased}");
    assert_eq!(erased["without_certificate"], serde_json::json!([]));
    let (_, nobody) = erase(&scene, &[]);
    assert!(why(&nobody).contains("nothing is kept"), "{nobody}");
    // Her alias is nobody's from now on, his goes on, and she can begin anew.
    let mut client = scene.customer().unwrap();
    client.say(&format!("MAIL FROM:<{}>", scene.hana.address)).unwrap();
    client.say(&format!("RCPT TO:<{}>", scene.order.merchant_alias)).unwrap().is("550 5.1.1");
    assert_eq!(customer(&scene, "A-1002"), scene.taro.address);
    let again = open_order(&scene.relay, "mise", "A-1001", &scene.hana.address);
    assert_ne!(again.customer_alias, scene.order.customer_alias);
    let certificates = scene.relay.anshin(&["compliance", "retention"])["certificates"].clone();
    assert_eq!(certificates[0]["kind"], "erasure");
    assert!(certificates[0]["text"].as_str().unwrap().contains("conversations 2\n"), "{certificates}");
    // Yesterday's database, today's keys.
    scene.relay.set("ANSHIN__STORAGE__URL", &copied);
    let gone = customer(&scene, "A-1001");
    assert!(gone.contains("was destroyed"), "{gone}");
    let (status, preview) = erase(&scene, &[]);
    assert_eq!(status, 0, "{preview}");
    let open = serde_json::json!([{ "store_id": "mise", "order_no": null, "destroyed": true }]);
    assert_eq!(preview["open"], open);
    let list = scene.relay.anshin(&["order", "list", "--store-id", "mise"]);
    let destroyed = list.as_array().unwrap().iter().filter(|order| order["destroyed"] == true).count();
    assert_eq!(destroyed, 1, "{list}");
    let trace = ["log", "trace", "--store-id", "mise", "--order-no", "A-1001"];
    let traced = scene.relay.run(&[&trace[..], &LOOK].concat());
    let lines = traced.json();
    let is_empty = |line: &serde_json::Value| line["detail"].is_null() && line["headers"].is_null();
    assert!(traced.status == 0 && lines.as_array().unwrap().iter().all(is_empty), "{}", traced.stdout);
    assert_eq!(customer(&scene, "A-1002"), scene.taro.address);
    // It is the tree that does it: with yesterday's keys too it opens.
    scene.relay.set("ANSHIN__KEYS__DIR", &before);
    assert_eq!(customer(&scene, "A-1001"), scene.hana.address);
    let whole = scene.relay.state().join("keys");
    scene.relay.set("ANSHIN__KEYS__DIR", whole.to_str().unwrap());
    // The next rewrap clears what an old copy brought back.
    scene.relay.anshin(&["keys", "rewrap"]);
    let url = scene.relay.database_url();
    scene.relay.set("ANSHIN__STORAGE__URL", &url);
    // A relay on yesterday's database: her alias leads nowhere for good, and nothing of it is deferred.
    scene.relay.terminate();
    scene.relay.set("ANSHIN__STORAGE__URL", &copied);
    scene.relay.start(&["all"]);
    let mut client = scene.customer().unwrap();
    client.say(&format!("MAIL FROM:<{}>", scene.hana.address)).unwrap();
    client.say(&format!("RCPT TO:<{}>", scene.order.merchant_alias)).unwrap().is("550 5.1.1");
    let mut client = scene.merchant().unwrap();
    client.say(&format!("MAIL FROM:<{}>", scene.mise.address)).unwrap();
    client.say(&format!("RCPT TO:<{}>", scene.order.customer_alias)).unwrap().is("550 5.1.6");
    scene.relay.terminate();
    scene.relay.set("ANSHIN__STORAGE__URL", &url);
    scene.relay.start(&["all"]);
    // Another copy of the ring follows by itself, as soon as a process serves with it.
    scene.relay.terminate();
    scene.relay.set("ANSHIN__KEYS__DIR", &before);
    let tree = |dir: &str| fs::read_to_string(format!("{dir}/seal-tree.nodes")).unwrap();
    let old = tree(&before);
    scene.relay.start(&["all"]);
    eventually("the other ring has followed", || (tree(&before) != old).then_some(()));
    scene.relay.terminate();
    scene.relay.set("ANSHIN__STORAGE__URL", &copied);
    assert!(customer(&scene, "A-1001").contains("was destroyed"));
    // What the old copy brought back of her goes for good.
    let (_, asked) = erase(&scene, &yes);
    let request = approve(&scene, &asked);
    let (status, erased) = erase(&scene, &[&yes[..], &["--approved", &request]].concat());
    assert!(status == 0 && erased["erased"] == true, "{erased}");
    assert_eq!(erased["without_certificate"], serde_json::json!([]));
    let (_, nobody) = erase(&scene, &[]);
    assert!(why(&nobody).contains("nothing is kept"), "{nobody}");
    assert_eq!(customer(&scene, "A-1002"), scene.taro.address);
    scene.relay.set("ANSHIN__STORAGE__URL", &url);
}

fn what_a_hold_keeps_is_not_erased(on: On) {
    let scene = Scene::new(on);
    let add = ["compliance", "hold", "add", "--customer", &scene.hana.address];
    let hold = scene.relay.anshin(&[&add[..], &LOOK].concat());
    assert_eq!(hold["conversations"], 1);
    let hold = hold["hold"].as_str().unwrap();
    let yes = ["--yes", "--open-orders"];
    let (status, held) = erase(&scene, &yes);
    assert!(status == 1 && why(&held).contains(hold), "{held}");
    assert_eq!(erase(&scene, &[]).1["legal_holds"][0], hold);
    let lift = [&["compliance", "hold", "lift", hold][..], &LOOK].concat();
    let asked = scene.relay.run(&lift).json();
    let request = approve(&scene, &asked);
    scene.relay.anshin(&[&lift[..], &["--approved", &request]].concat());
    let (status, asked) = erase(&scene, &yes);
    assert!(status == 1 && why(&asked).contains("second person"), "{asked}");
    let request = approve(&scene, &asked);
    assert_eq!(erase(&scene, &[&yes[..], &["--approved", &request]].concat()).0, 0);
}
