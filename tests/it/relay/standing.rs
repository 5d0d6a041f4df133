//! A receiver that refuses us is told from one that refuses a mailbox, and a failure is told whatever came back before it.

use super::client::Client;
use super::letter::Letter;
use super::mailbox::Manner;
use super::process::{On, on_both_databases};
use super::scene::{Scene, add_merchant, open_order};
use crate::peer::eventually;

on_both_databases! {
    mail_of_many_stores_that_a_receiver_refuses_waits_until_it_takes_some_and_that_of_one_mailbox_does_not,
    a_failure_is_told_however_much_came_back_before_it,
}

/// What the receiver says of us.
const REFUSED: &str = "550 5.7.1 Your address stands in a list";

fn mail_of_many_stores_that_a_receiver_refuses_waits_until_it_takes_some_and_that_of_one_mailbox_does_not(
    on: On,
) {
    let scene = Scene::new(on);
    scene.hana.mailbox.behave(Manner::Rcpt(REFUSED.into()));
    let waiting = || scene.relay.queue(None).iter().filter(|row| row["state"] == "waiting").count();
    let all_ended = || eventually("each has its answer", || (waiting() == 0).then_some(()));
    // More than are a row, of one mailbox: each is refused, and its sender told.
    for _ in 0..22 {
        scene.submit(&scene.to_customer()).is("250 2.0.0");
    }
    all_ended();
    assert_eq!(scene.hana.mailbox.count(), 0);

    let stores = ["mise", "niwa", "mado"].map(|store| {
        let address = format!("{store}@{}", scene.mise.domain);
        let account =
            if store == "mise" { None } else { Some(add_merchant(&scene.relay, store, &[&address])) };
        (store, account, address)
    });
    for n in 0..24 {
        let (store, account, address) = &stores[n % 3];
        let customer = format!("guest-{n}@{}", scene.hana.domain);
        let order = open_order(&scene.relay, store, &format!("B-{n}"), &customer);
        let (account, from) =
            account.as_ref().map_or((&scene.account, &scene.mise.address), |own| (own, address));
        let letter = Letter::new(&scene.watch, from, &order.customer_alias);
        let (user, password) = (&account.user, &account.password);
        let mut session =
            Client::log_in(scene.relay.submissions(), &scene.watch, store, user, password).unwrap();
        session.send(from, &[&order.customer_alias], &letter.bytes()).unwrap().is("250 2.0.0");
    }
    // The row began with the one mailbox, so of these the twentieth and all behind it wait.
    let rows = eventually("those that are of us wait", || {
        let rows = scene.relay.queue(None);
        let of_us = rows.iter().filter(|row| row["last_status"] == "451 4.7.1").count();
        (of_us == 5 && rows.len() == 5).then_some(rows)
    });
    assert!(rows.iter().all(|row| row["state"] == "waiting"), "{rows:?}");
    // A notice, which has no sender, waits with them.
    scene.mise.mailbox.behave(Manner::Rcpt("550 5.1.1 No such user".into()));
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    eventually("the notice waits too", || {
        let rows = scene.relay.queue(None);
        (rows.len() == 6 && rows.iter().all(|row| row["last_status"] == "451 4.7.1")).then_some(())
    });
    scene.hana.mailbox.behave(Manner::Kind);
    scene.relay.anshin(&["queue", "retry", "--all"]);
    eventually("they go", || scene.relay.queue(None).is_empty().then_some(()));
    assert_eq!(scene.hana.mailbox.count(), 6);
    // One that was taken ends the row.
    scene.hana.mailbox.behave(Manner::Rcpt(REFUSED.into()));
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    all_ended();
    assert_eq!(scene.hana.mailbox.count(), 6);
}

fn a_failure_is_told_however_much_came_back_before_it(on: On) {
    let scene = Scene::new(on);
    let id = scene.submit(&scene.to_customer()).is("250 2.0.0").queue_ids().remove(0);
    let return_address = scene.hana.mailbox.wait_for(1).remove(0).reverse_path;
    let state = || scene.relay.anshin(&["queue", "show", &id])[0]["state"].clone();
    eventually("it is settled", || (state() == "delivered").then_some(()));
    let mut server = scene.customer().unwrap();
    let mut send = |action: &str| {
        let report = report(&scene, &return_address, action);
        server.send("", &[&return_address], report.as_bytes()).unwrap().is("250");
    };
    (0..25).for_each(|_| send("delayed"));
    send("failed");
    assert_eq!(state(), "failed");
    scene.mise.mailbox.wait_for(1);
    (0..25).for_each(|_| send("failed"));
    // The log has the failure and what came before it, and not all that followed.
    let found = scene.relay.anshin(&["log", "search", "event:returned", "--count"]);
    assert_eq!(found["rows"], 21);
    eventually("the queue is empty", || scene.relay.queue(None).is_empty().then_some(()));
    assert_eq!(scene.mise.mailbox.count(), 1, "one failure, one notice");
}

fn report(scene: &Scene, to: &str, action: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.{domain}\r\nTo: {to}\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.{domain}\r\n\r\n\
         Final-Recipient: rfc822; {address}\r\nAction: {action}\r\nStatus: 5.2.2\r\n\r\n--b--\r\n",
        domain = scene.hana.domain,
        address = scene.hana.address,
    )
}
