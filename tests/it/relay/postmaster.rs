//! Whoever runs the relay can be reached, and hears of complaints.

use super::client::Client;
use super::letter::{header, show};
use super::mailbox::Mailbox;
use super::process::{On, on_both_databases};
use super::scene::Scene;
use super::watch::Watch;
use crate::peer::eventually;
use std::sync::Arc;

on_both_databases! {
    the_postmaster_gets_mail_as_it_came_and_a_complaint_suppresses_whose_it_is,
}

/// Mail from outside, behind this reverse-path.
fn outside(scene: &Scene, reverse_path: &str, to: &str, bytes: &[u8]) -> super::client::Reply {
    let mut server = Client::hello(scene.relay.mx(), &scene.watch, "a server elsewhere").unwrap();
    server.send(reverse_path, &[to], bytes).unwrap()
}

/// A complaint as providers send it, with this in what is left of our mail.
fn complaint(header: &str) -> Vec<u8> {
    format!(
        "From: <fbl@provider.test>\r\nTo: <abuse@pc.fw.anshin.test>\r\nSubject: complaint\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=feedback-report; boundary=f\r\n\r\n\
         --f\r\nContent-Type: text/plain\r\n\r\nSomebody called this spam.\r\n\
         --f\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\nUser-Agent: x/1\r\n\r\n\
         --f\r\nContent-Type: message/rfc822\r\n\r\n{header}\r\nSubject: hello\r\n\r\ntext\r\n--f--\r\n"
    )
    .into_bytes()
}

fn the_postmaster_gets_mail_as_it_came_and_a_complaint_suppresses_whose_it_is(on: On) {
    // Mail from outside names people to whoever runs the relay, and his domain stands in warnings: no canary of the others.
    let ops = Mailbox::start(&Arc::new(Watch::default()), "ops");
    let mut scene = Scene::with(on, |setup| {
        setup.route("ops.test", ops.address()).key("domains.postmaster", "'ops@ops.test'")
    });
    let asked = "From: <nobody@outside.test>\r\nSubject: =?utf-8?b?6LOq5ZWP?=\r\n\r\nWho are you? \u{8cea}\u{554f}\r\n";
    for to in ["PostMaster@pc.fw.anshin.test", "abuse@shop.anshin.test"] {
        outside(&scene, "nobody@outside.test", to, asked.as_bytes()).is("250 2.0.0");
    }
    let mut server = Client::hello(scene.relay.mx(), &scene.watch, "a server elsewhere").unwrap();
    server.say("MAIL FROM:<>").unwrap().is("250");
    server.say("RCPT TO:<Postmaster>").unwrap().is("250");
    server.say(&format!("RCPT TO:<{}>", scene.order.merchant_alias)).unwrap().is("452 4.5.3");
    server.say("RSET").unwrap().is("250");
    let mut shop = scene.merchant().unwrap();
    shop.say(&format!("MAIL FROM:<{}>", scene.mise.address)).unwrap().is("250");
    shop.say("RCPT TO:<postmaster@pc.fw.anshin.test>").unwrap().is("250");
    drop(shop);
    // The same mail twice is one.
    let mail = ops.wait_for(1).remove(0);
    assert_eq!(mail.reverse_path, "");
    assert!(memchr::memmem::find(&mail.bytes, asked.as_bytes()).is_some(), "{}", show(&mail.bytes));
    assert_eq!(header(&mail.bytes, "From").unwrap(), "<postmaster@shop.anshin.test>");
    assert_eq!(header(&mail.bytes, "Reply-To").unwrap(), "<nobody@outside.test>");

    // By the return address of one mail; then nobody but the relay reads it.
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    let seen = scene.hana.mailbox.wait_for(1).remove(0);
    let alias = &scene.order.customer_alias;
    let by_return = complaint(&format!("Return-Path: <{}>", seen.reverse_path));
    outside(&scene, "", "abuse@pc.fw.anshin.test", &by_return).is("250 2.0.0");
    eventually("it is suppressed", || {
        let list = scene.relay.anshin(&["queue", "suppress", "list"]);
        (list[0]["alias"] == alias.as_str() && list[0]["status"] == "complaint").then_some(())
    });
    scene.submit(&scene.to_customer()).is("550 5.2.1");
    scene.relay.anshin(&["queue", "suppress", "remove", alias]);
    // The alias is no proof: whoever was forwarded a mail has seen it.
    let by_alias = complaint(&format!("From: <{}>", scene.order.merchant_alias));
    outside(&scene, "", "abuse@pc.fw.anshin.test", &by_alias).is("250 2.0.0");
    // What names nobody of ours changes nothing, and is read by a person all the same.
    outside(&scene, "", "abuse@pc.fw.anshin.test", &complaint("From: <someone@else.test>")).is("250 2.0.0");
    assert_eq!(ops.wait_for(3).len(), 3);
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(2);
    scene.relay.check_at_rest();
    // Without a mailbox there is no such address.
    scene.relay.terminate();
    scene.relay.set("ANSHIN__DOMAINS__POSTMASTER", "");
    scene.relay.start(&["all"]);
    outside(&scene, "nobody@outside.test", "postmaster@pc.fw.anshin.test", asked.as_bytes()).is("550 5.1.1");
}
