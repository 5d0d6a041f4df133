//! What programs write by themselves: bounces tell their senders and go no further, answers pass once a day, nothing
//! goes round.

use super::client::{Client, Reply};
use super::letter::{Letter, count_of, header, show};
use super::mailbox::{Mailbox, Manner, Received};
use super::process::{On, on_both_databases};
use super::scene::Scene;
use crate::peer::eventually;
use serde_json::Value;

on_both_databases! {
    a_vacation_text_passes_once_a_day_for_each_side_and_the_next_is_taken_and_goes_no_further,
    a_bounce_at_an_alias_tells_whose_mail_failed_and_is_not_passed_on,
    a_mail_that_is_sent_round_without_its_received_lines_ends,
}

/// What a vacation program of this person sends.
fn vacation(from: &str, to: &str, fields: &str) -> Vec<u8> {
    format!(
        "From: {from}\r\nTo: {to}\r\nSubject: Away until Monday\r\n{fields}\r\nI am {from}, and away.\r\n"
    )
    .into_bytes()
}

/// A session of somebody's mail server that says nothing of a sender.
fn send(scene: &Scene, who: &str, from: &str, to: &str, mail: &[u8]) -> Reply {
    Client::hello(scene.relay.mx(), &scene.watch, who).unwrap().send(from, &[to], mail).unwrap()
}

/// A mail of the store has arrived at the customer: its queue id, and how it arrived.
fn delivered(scene: &Scene) -> (String, Received) {
    let count = scene.hana.mailbox.count() + 1;
    let id = scene.submit(&scene.to_customer()).is("250 2.0.0").queue_ids().remove(0);
    let mail = scene.hana.mailbox.wait_for(count).remove(count - 1);
    is_in(scene, &id, "delivered");
    (id, mail)
}

#[track_caller]
fn is_in(scene: &Scene, id: &str, state: &str) {
    eventually(&format!("it is {state}"), || {
        (scene.relay.anshin(&["queue", "show", id])[0]["state"] == state).then_some(())
    });
}

/// What the log says of automatic mail in the order's conversation.
fn said(scene: &Scene) -> Vec<String> {
    let lines: Vec<Value> = scene.relay.trace(&["--store-id", "mise", "--order-no", "A-1001"]);
    let returned = lines.iter().filter(|line| line["event"] == "returned");
    returned.map(|line| line["detail"]["said"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn nothing_waits_and(mailbox: &Mailbox, count: usize, scene: &Scene) {
    eventually("the queue is empty", || scene.relay.queue(None).is_empty().then_some(()));
    assert_eq!(mailbox.count(), count);
}

fn a_vacation_text_passes_once_a_day_for_each_side_and_the_next_is_taken_and_goes_no_further(on: On) {
    let scene = Scene::new(on);
    let (_, mail) = delivered(&scene);
    let (hana, back) = (&scene.hana.address, &mail.reverse_path);
    // A vacation program that marks nothing but has no sender, as RFC 3834 §3.3 asks for.
    send(&scene, "hana", "", back, &vacation(hana, back, "")).is("250 2.0.0");
    let away = scene.mise.mailbox.wait_for(1).remove(0);
    assert_eq!(away.reverse_path, "", "{}", show(&away.bytes));
    assert!(
        header(&away.bytes, "From").unwrap().contains(&scene.order.customer_alias),
        "{}",
        show(&away.bytes)
    );
    assert_eq!(header(&away.bytes, "Auto-Submitted").unwrap(), "auto-replied");
    assert_eq!(count_of(&away.bytes, "Auto-Submitted"), 1);
    assert!(show(&away.bytes).contains(&format!("I am {}, and away", scene.order.customer_alias)));

    // Whatever way the next ones take that day.
    let marked = "Auto-Submitted: auto-replied (vacation)\r\nMessage-ID: <2@x>\r\n";
    let alias = &scene.order.merchant_alias;
    send(&scene, "hana", "", back, &vacation(hana, back, marked)).is("250 2.0.0");
    send(&scene, "hana", "", alias, &vacation(hana, alias, marked)).is("250 2.0.0");
    send(&scene, "hana", hana, alias, &vacation(hana, alias, marked)).is("250 2.0.0");
    nothing_waits_and(&scene.mise.mailbox, 1, &scene);
    assert_eq!(said(&scene), ["auto_reply"; 3]);

    // The other side has one too; and a person's mail is none.
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    let back = scene.mise.mailbox.wait_for(2).remove(1).reverse_path;
    let mise = &scene.mise.address;
    send(&scene, "mise", "", &back, &vacation(mise, &back, marked)).is("250 2.0.0");
    send(&scene, "mise", "", &back, &vacation(mise, &back, marked)).is("250 2.0.0");
    let away = scene.hana.mailbox.wait_for(2).remove(1);
    assert_eq!(away.reverse_path, "");
    assert!(header(&away.bytes, "From").unwrap().contains(&scene.order.merchant_alias));
    nothing_waits_and(&scene.hana.mailbox, 2, &scene);
}

#[test]
fn an_answer_of_somebody_else_does_not_pass_and_an_order_confirmation_is_none() {
    let scene = Scene::new(On::Sqlite);
    let (_, mail) = delivered(&scene);
    let (taro, back, alias) = (&scene.taro.address, &mail.reverse_path, &scene.order.merchant_alias);
    let marked = "Auto-Submitted: auto-replied\r\n";
    send(&scene, "taro", "", back, &vacation(taro, back, marked)).is("250 2.0.0");
    send(&scene, "taro", "", alias, &vacation(taro, alias, marked)).is("550 5.7.1");
    nothing_waits_and(&scene.mise.mailbox, 0, &scene);
    // Programs of stores write many mails a day that are no answers.
    for number in 0..2 {
        let mut letter = scene.to_customer();
        letter.subject = format!("=?UTF-8?B?6Ieq5YuV6L+U5L+h?= {number}");
        let mail = [b"Auto-Submitted: auto-generated\r\nPrecedence: bulk\r\n", &*letter.bytes()].concat();
        scene.merchant().unwrap().send(&scene.mise.address, &[&letter.to], &mail).unwrap().is("250 2.0.0");
    }
    scene.hana.mailbox.wait_for(3);
}

#[test]
fn nobody_is_told_when_an_automatic_answer_fails() {
    let scene = Scene::new(On::Sqlite);
    let (_, mail) = delivered(&scene);
    scene.mise.mailbox.behave(Manner::Rcpt("550 5.1.1 No such user".into()));
    let (hana, back) = (&scene.hana.address, &mail.reverse_path);
    let id = send(&scene, "hana", "", back, &vacation(hana, back, "")).is("250 2.0.0").queue_ids().remove(0);
    is_in(&scene, &id, "failed");
    nothing_waits_and(&scene.hana.mailbox, 1, &scene);
}

#[test]
fn a_carriers_bounce_in_plain_japanese_tells_the_store() {
    let scene = Scene::new(On::Sqlite);
    let (id, mail) = delivered(&scene);
    // "The mail could not be sent to the following address" in ISO-2022-JP.
    let bounce = [
        format!(
            "From: <MAILER-DAEMON@{}>\r\nTo: {}\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\n",
            scene.hana.domain, mail.reverse_path
        )
        .as_bytes(),
        b"\x1b$B<!$N08$F@h$K$O%a!<%k$rAw?.$G$-$^$;$s$G$7$?!#\x1b(B\r\n\r\n",
        format!("Unknown user: {}\r\n", scene.hana.address).as_bytes(),
    ]
    .concat();
    send(&scene, "hana", "", &mail.reverse_path, &bounce).is("250 2.0.0");
    let notice = scene.mise.mailbox.wait_for(1).remove(0);
    assert!(show(&notice.bytes).contains("\r\nStatus: 5.1.1\r\n"), "{}", show(&notice.bytes));
    is_in(&scene, &id, "failed");
}

/// A bounce in words, with the header block of the mail that it is about.
fn bounce(from: &str, quoted: &[u8]) -> Vec<u8> {
    let quoted = show(quoted);
    let block = quoted.split("\r\n\r\n").next().unwrap();
    format!(
        "From: {from}\r\nSubject: failure notice\r\n\r\nHi. This is the qmail-send program at mx.test.\r\n\
         I'm afraid I wasn't able to deliver your message. This is a permanent error. (#5.2.2)\r\n\r\n\
         --- Below this line is a copy of the message.\r\n\r\n{block}\r\n\r\nhello\r\n"
    )
    .into_bytes()
}

fn a_bounce_at_an_alias_tells_whose_mail_failed_and_is_not_passed_on(on: On) {
    let scene = Scene::new(on);
    let (alias, hana) = (&scene.order.merchant_alias, &scene.hana.address);
    let daemon = format!("MAILER-DAEMON@mx.{}", scene.hana.domain);
    // What quotes nothing of ours is recorded.
    send(&scene, "hana", "", alias, &bounce(&daemon, b"Message-ID: <x@y.test>\r\n")).is("250 2.0.0");
    assert_eq!(said(&scene), ["5.2.2"]);
    // From the null sender, from a daemon that has an address, and from the customer's own.
    let mut notices = 0;
    for (sender, from) in [("", &daemon), (&daemon, &daemon), (hana, hana)] {
        let (id, mail) = delivered(&scene);
        let mut told = bounce(from, &mail.bytes);
        if sender == hana {
            // Without a sign of a program it could be she who asks what this means.
            told.splice(..0, *b"Auto-Submitted: auto-replied\r\n");
        }
        send(&scene, "hana", sender, alias, &told).is("250 2.0.0");
        is_in(&scene, &id, "failed");
        notices += 1;
        let notice = scene.mise.mailbox.wait_for(notices).remove(notices - 1);
        let text = show(&notice.bytes);
        assert!(text.contains("\r\nStatus: 5.2.2\r\n") && text.contains("\r\nAction: failed\r\n"), "{text}");
    }
    // The customer's alias takes them in the same way, for what the customer wrote.
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    let mail = scene.mise.mailbox.wait_for(notices + 1).remove(notices);
    let daemon = format!("MAILER-DAEMON@mx.{}", scene.mise.domain);
    send(&scene, "mise", "", &scene.order.customer_alias, &bounce(&daemon, &mail.bytes)).is("250 2.0.0");
    let told = scene.hana.mailbox.wait_for(4).remove(3);
    assert!(show(&told.bytes).contains("\r\nStatus: 5.2.2\r\n"), "{}", show(&told.bytes));
    nothing_waits_and(&scene.mise.mailbox, notices + 1, &scene);
}

#[test]
fn receipts_and_complaints_are_recorded_and_not_passed_on() {
    let scene = Scene::new(On::Sqlite);
    let (hana, alias) = (&scene.hana.address, &scene.order.merchant_alias);
    for (kind, part, fields) in [
        ("disposition-notification", "disposition-notification", "Disposition: manual-action; displayed"),
        ("feedback-report", "feedback-report", "Feedback-Type: abuse"),
    ] {
        let report = format!(
            "From: {hana}\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type={kind}; \
             boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\nContent-Type: message/{part}\r\n\r\n{fields}\r\n\r\n--b--\r\n"
        );
        for sender in [hana.as_str(), ""] {
            send(&scene, "hana", sender, alias, report.as_bytes()).is("250 2.0.0");
        }
    }
    assert_eq!(said(&scene), ["receipt", "receipt", "complaint", "complaint"]);
    nothing_waits_and(&scene.mise.mailbox, 0, &scene);
}

#[test]
fn a_letter_that_only_sounds_like_a_bounce_is_a_letter() {
    let scene = Scene::new(On::Sqlite);
    // A shop's program writes of a parcel, and quotes a mail that is none of ours.
    let mut letter = scene.to_customer();
    letter.subject = "Delivery Status Notification (Failure)".into();
    letter.text = "I'm afraid I wasn't able to deliver your message. Undelivered: https://mise.test/delivery-status/7\r\n\r\n\
                   --- Below this line is a copy of the message.\r\n\r\nMessage-ID: <7@mise.test>"
        .into();
    let mail = [b"Auto-Submitted: auto-generated\r\n", &*letter.bytes()].concat();
    scene.merchant().unwrap().send(&scene.mise.address, &[&letter.to], &mail).unwrap().is("250 2.0.0");
    let arrived = scene.hana.mailbox.wait_for(1).remove(0);
    assert!(show(&arrived.bytes).contains("I'm afraid"), "{}", show(&arrived.bytes));
    assert!(said(&scene).is_empty());
}

/// A mail as a program sends it on that keeps nothing of its way: with another sender, id and no Received lines.
fn sent_on(mail: &Received, from: &str, to: &str, number: usize) -> Vec<u8> {
    let text = show(&mail.bytes);
    let (block, body) = text.split_once("\r\n\r\n").unwrap();
    let unfolded = block.replace("\r\n ", " ").replace("\r\n\t", " ");
    let gone = ["received:", "from:", "to:", "reply-to:", "message-id:", "dkim-signature:"];
    let kept = unfolded.lines().filter(|line| {
        let line = line.to_ascii_lowercase();
        !gone.iter().any(|name| line.starts_with(name))
    });
    let kept: String = kept.map(|line| format!("{line}\r\n")).collect();
    format!("From: {from}\r\nTo: {to}\r\nMessage-ID: <{number}@on.test>\r\n{kept}\r\n{body}").into_bytes()
}

fn a_mail_that_is_sent_round_without_its_received_lines_ends(on: On) {
    let scene = Scene::new(on);
    // Another's mark, and one that is made up, count nothing.
    let forged = [b"Anshin-Hops: 200 a aaaaaaaaaaaaaaaa\r\n", &*scene.to_customer().bytes()].concat();
    let (mise, hana) = (&scene.mise.address, &scene.hana.address);
    let (to_customer, to_merchant) = (&scene.order.customer_alias, &scene.order.merchant_alias);
    scene.merchant().unwrap().send(mise, &[to_customer], &forged).unwrap().is("250 2.0.0");
    let mut passes: usize = 1;
    let told = loop {
        let turn = passes.div_ceil(2);
        let told = if passes % 2 == 1 {
            let mail = scene.hana.mailbox.wait_for(turn).remove(turn - 1);
            assert_eq!(count_of(&mail.bytes, "Anshin-Hops"), 1, "{}", show(&mail.bytes));
            send(&scene, "hana", hana, to_merchant, &sent_on(&mail, hana, to_merchant, passes))
        } else {
            let mail = scene.mise.mailbox.wait_for(turn).remove(turn - 1);
            let mail = sent_on(&mail, mise, to_customer, passes);
            scene.merchant().unwrap().send(mise, &[to_customer], &mail).unwrap()
        };
        if told.code != 250 {
            break told;
        }
        passes += 1;
        assert!(passes < 20, "it goes round and round");
    };
    told.is("554 5.4.6");
    assert_eq!(passes, 5, "a mail may be sent on a few times");
    // An answer to it is a new mail.
    scene.deliver(&Letter::new(&scene.watch, hana, to_merchant)).is("250 2.0.0");
}
