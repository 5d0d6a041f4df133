//! A store leaves: its credentials die at once, its customers are told and reach it no more, and the log stays.

use super::client::auth_plain;
use super::letter::{Letter, header};
use super::process::{On, on_both_databases};
use super::scene::{Scene, add_merchant, open_order};
use serde_json::Value;

on_both_databases! {
    a_store_that_leaves_can_do_nothing_more_and_its_customers_are_told_once,
}

const LOOK: [&str; 6] = ["--actor", "akiko", "--purpose", "audit", "--case", "S-1"];

fn leave(scene: &Scene, more: &[&str]) -> (i32, Value) {
    let ran = scene.relay.run(&[&["compliance", "leave", "--store-id", "mise"][..], more].concat());
    (ran.status, ran.json())
}

fn a_store_that_leaves_can_do_nothing_more_and_its_customers_are_told_once(on: On) {
    let scene = Scene::new(on);
    let other = add_merchant(&scene.relay, "tonari", &["tonari@elsewhere.test"]);
    let next_door = open_order(&scene.relay, "tonari", "T-1", &scene.taro.address);
    open_order(&scene.relay, "mise", "A-1002", &scene.hana.address);
    scene.relay.anshin(&["order", "close", "--store-id", "mise", "--order-no", "A-1002"]);
    scene
        .deliver(&Letter::new(&scene.watch, &scene.hana.address, &scene.account.public_alias))
        .is("250 2.0.0");
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    scene.mise.mailbox.wait_for(2);
    let (status, preview) = leave(&scene, &[]);
    let counts =
        ["credentials", "orders", "inquiries", "guests", "mails_waiting"].map(|name| preview[name].as_i64());
    assert_eq!((status, counts), (0, [Some(1), Some(1), Some(1), Some(0), Some(0)]), "{preview}");
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(1);

    let yes = [&["--yes"][..], &LOOK].concat();
    let (status, left) = leave(&scene, &yes);
    assert_eq!(
        (status, &left["credentials_ended"], &left["conversations_closed"]),
        (0, &1.into(), &2.into()),
        "{left}"
    );
    // Nobody logs in.
    let mut tool = super::client::Client::hello(scene.relay.submission(), &scene.watch, "mise").unwrap();
    tool.say("STARTTLS").unwrap().is("220");
    tool.wire().start_tls().unwrap();
    tool.say("EHLO tool.test").unwrap().is("250");
    tool.say(&auth_plain(&scene.account.user, &scene.account.password)).unwrap().is("535 5.7.8");
    // One notice for each conversation, at the customer's own alias, with the store's name and not its address.
    let told = scene.hana.mailbox.wait_for(3);
    let notice = mail_parser::MessageParser::default().parse(&told[1].bytes).unwrap();
    let text = notice.body_text(0).unwrap();
    assert!(text.contains("花屋 Hanaya") && text.contains("has left"), "{text}");
    assert_eq!(told[1].reverse_path, "");
    let to: Vec<String> = told[1..].iter().map(|mail| header(&mail.bytes, "To").unwrap()).collect();
    assert!(to.iter().any(|to| to.contains(&scene.order.customer_alias)), "{to:?}");
    // The same again does nothing more.
    let (_, again) = leave(&scene, &yes);
    assert_eq!(
        (&again["credentials_ended"], &again["conversations_closed"]),
        (&0.into(), &0.into()),
        "{again}"
    );
    // Its aliases are over, its public one is unknown, and nothing is opened with it.
    let mut client = scene.customer().unwrap();
    client.say(&format!("MAIL FROM:<{}>", scene.hana.address)).unwrap().is("250");
    client.say(&format!("RCPT TO:<{}>", scene.order.merchant_alias)).unwrap().is("550 5.1");
    client.say(&format!("RCPT TO:<{}>", scene.account.public_alias)).unwrap().is("550 5.1.1");
    let order =
        ["order", "open", "--store-id", "mise", "--order-no", "N-1", "--customer", &scene.taro.address];
    let refused = scene.relay.run(&order);
    assert!(
        refused.status == 1 && refused.json()["error"].as_str().unwrap().contains("has left"),
        "{}",
        refused.stdout
    );
    // The store next door goes on.
    let letter = Letter::new(&scene.watch, &scene.taro.address, &next_door.merchant_alias);
    let mut client = scene.customer().unwrap();
    client.say(&format!("MAIL FROM:<{}>", scene.taro.address)).unwrap().is("250");
    client.say(&format!("RCPT TO:<{}>", letter.to)).unwrap().is("250");
    client.say(&format!("RCPT TO:<{}>", other.public_alias)).unwrap().is("250");
    // The log stays, for who may look.
    let name = ["log", "trace", "--store-id", "mise", "--order-no", "A-1001"];
    let traced = scene.relay.anshin(&[&name[..], &LOOK].concat());
    assert!(traced.as_array().unwrap().iter().any(|line| line["event"] == "accepted"), "{traced}");
    let looks = scene.relay.anshin(&["reveal", "log"]);
    assert!(
        looks.as_array().unwrap().iter().any(|look| look["kind"] == "leaving" && look["outcome"] == "done")
    );
    assert_eq!(scene.hana.mailbox.wait_for(3).len(), 3);
    scene.relay.check_at_rest();
}
