//! What cannot be delivered is told to its sender, in a notice that says nothing of the other side.

use super::client::{Client, Reply};
use super::letter::{Letter, count_of, header, show};
use super::mailbox::{Mailbox, Manner, Received};
use super::process::{On, on_both_databases};
use super::scene::{Person, Scene};
use super::watch::Watch;
use crate::peer::eventually;
use std::sync::Arc;

on_both_databases! {
    a_refused_mail_comes_back_as_a_report_that_names_the_alias_and_nothing_of_the_other_side,
    a_bounce_to_our_return_address_marks_the_mail_failed_and_is_answered_for_once,
    mail_that_waits_too_long_is_given_up_and_its_sender_told,
    a_notice_that_fails_makes_no_notice_but_a_word_to_the_operator,
    a_mail_that_failed_is_taken_anew_when_it_is_sent_again,
    a_customer_who_calls_a_mail_spam_is_written_to_no_more_until_the_customer_writes,
    a_mailbox_that_takes_mail_and_returns_it_is_written_to_no_more,
    a_report_that_a_mail_is_no_spam_suppresses_nobody,
}

/// What a remote server said, which nobody but the log may learn.
const REMOTE: &str = "policyrefusal7731";

fn refusing(person: &Person) {
    let text = format!("550 5.1.1 <{}>: {REMOTE} on host mx.{}", person.address, person.domain);
    person.mailbox.behave(Manner::Rcpt(text));
}

/// The one notice in a mailbox, checked for what all notices have in common.
#[track_caller]
fn notice(mailbox: &Mailbox, to: &str, about: &str, own_alias: &str) -> String {
    let Received { reverse_path, forward_paths, bytes, .. } = mailbox.wait_for(1).remove(0);
    assert_eq!((reverse_path.as_str(), forward_paths.as_slice()), ("", [to.to_owned()].as_slice()));
    let text = show(&bytes);
    let kind = header(&bytes, "Content-Type").unwrap();
    assert!(kind.starts_with("multipart/report") && kind.contains("delivery-status"), "{kind}");
    let domain = about.rsplit_once('@').unwrap().1;
    let from = header(&bytes, "From").unwrap();
    assert!(from.contains(&format!("mailer-daemon@{domain}")), "{from}");
    assert!(header(&bytes, "To").unwrap().contains(own_alias), "{text}");
    assert_eq!(header(&bytes, "Auto-Submitted").unwrap(), "auto-replied");
    assert_eq!(count_of(&bytes, "DKIM-Signature"), 2, "{text}");
    assert!(text.contains(&format!("Final-Recipient: rfc822; {about}\r\n")), "{text}");
    assert!(!text.contains(REMOTE), "the remote server's words were passed on:\n{text}");
    text
}

fn a_refused_mail_comes_back_as_a_report_that_names_the_alias_and_nothing_of_the_other_side(on: On) {
    let scene = Scene::new(on);
    scene.watch.secret(REMOTE);
    refusing(&scene.hana);
    let letter = scene.to_customer();
    let id = scene.submit(&letter).is("250 2.0.0").queue_ids().remove(0);
    let (alias, own) = (&scene.order.customer_alias, &scene.order.merchant_alias);
    let text = notice(&scene.mise.mailbox, &scene.mise.address, alias, own);
    let parsed = mail_parser::MessageParser::default().parse(text.as_bytes()).unwrap();
    let words = parsed.body_text(0).unwrap();
    for part in ["届けることができませんでした", "could not be delivered", alias.as_str(), &id, "5.1.1"]
    {
        assert!(words.contains(part), "{part:?} is missing:\n{words}");
    }
    for part in ["\r\nAction: failed\r\n", "\r\nStatus: 5.1.1\r\n", &letter.message_id, &letter.subject] {
        assert!(text.contains(part), "{part:?} is missing:\n{text}");
    }
    assert_eq!(header(text.as_bytes(), "In-Reply-To").unwrap(), letter.message_id);
    let shown = &scene.relay.anshin(&["queue", "show", &id])[0];
    assert_eq!((&shown["state"], &shown["last_status"]), (&"failed".into(), &"550 5.1.1".into()));
    assert_eq!(scene.hana.mailbox.count(), 0);
}

#[test]
fn a_customer_is_told_in_the_same_way_when_the_store_cannot_be_reached() {
    let scene = Scene::new(On::Sqlite);
    refusing(&scene.mise);
    let letter = scene.to_merchant();
    scene.deliver(&letter).is("250 2.0.0");
    let (alias, own) = (&scene.order.merchant_alias, &scene.order.customer_alias);
    let text = notice(&scene.hana.mailbox, &scene.hana.address, alias, own);
    assert!(text.contains("\r\nStatus: 5.1.1\r\n"), "{text}");
}

fn a_bounce_to_our_return_address_marks_the_mail_failed_and_is_answered_for_once(on: On) {
    let scene = Scene::new(on);
    let id = scene.submit(&scene.to_customer()).is("250 2.0.0").queue_ids().remove(0);
    let return_address = scene.hana.mailbox.wait_for(1).remove(0).reverse_path;
    eventually("it is settled", || {
        (scene.relay.anshin(&["queue", "show", &id])[0]["state"] == "delivered").then_some(())
    });
    let bounce = report(&scene.hana, &return_address, "failed", "5.2.2");
    let delay = report(&scene.hana, &return_address, "delayed", "4.4.1");
    let unclear = report(&scene.hana, &return_address, "on its way", "5.0.0");
    let mut server = scene.customer().unwrap();
    let mut send =
        |from: &str, to: &str, mail: &str| -> Reply { server.send(from, &[to], mail.as_bytes()).unwrap() };
    send("", &return_address, &delay).is("250");
    send("", &return_address, &unclear).is("250");
    assert_eq!(scene.relay.anshin(&["queue", "show", &id])[0]["state"], "delivered", "neither is a failure");
    // Only bounces go there, and only to an address that we gave out.
    send(&scene.hana.address, &return_address, &bounce).is("550 5.1.1");
    let forged = if return_address.starts_with("ra") {
        return_address.replacen("ra", "rb", 1)
    } else {
        flip(&return_address)
    };
    send("", &forged, &bounce).is("550 5.1.1");
    send("", &flip(&return_address), &bounce).is("550 5.1.1");
    send("", &return_address, &bounce).is("250");
    send("", &return_address, &bounce).is("250");
    let (alias, own) = (&scene.order.customer_alias, &scene.order.merchant_alias);
    let text = notice(&scene.mise.mailbox, &scene.mise.address, alias, own);
    assert!(text.contains("\r\nStatus: 5.2.2\r\n"), "{text}");
    let shown = &scene.relay.anshin(&["queue", "show", &id])[0];
    assert_eq!((&shown["state"], &shown["last_status"]), (&"failed".into(), &"550 5.2.2".into()));
    eventually("the queue is empty", || scene.relay.queue(None).is_empty().then_some(()));
    assert_eq!(scene.mise.mailbox.count(), 1, "one failure, one notice");
}

/// Another last letter before the @: the same address, forged.
fn flip(address: &str) -> String {
    let (local, domain) = address.rsplit_once('@').unwrap();
    let (head, last) = local.split_at(local.len() - 1);
    format!("{head}{}@{domain}", if last == "a" { "b" } else { "a" })
}

fn report(of: &Person, to: &str, action: &str, status: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.{domain}\r\nTo: {to}\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\n<{address}>: {REMOTE}\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.{domain}\r\n\r\n\
         Final-Recipient: rfc822; {address}\r\nAction: {action}\r\nStatus: {status}\r\n\
         Diagnostic-Code: smtp; 552 {status} <{address}> {REMOTE}\r\n\r\n--b--\r\n",
        domain = of.domain,
        address = of.address,
    )
}

fn a_customer_who_calls_a_mail_spam_is_written_to_no_more_until_the_customer_writes(on: On) {
    let scene = Scene::new(on);
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    let return_address = scene.hana.mailbox.wait_for(1).remove(0).reverse_path;
    eventually("it is settled", || scene.relay.queue(None).is_empty().then_some(()));
    let complaint = complaint(&scene.hana, &return_address);
    // A person has no business at a return address; a provider's loop writes from an address of its own.
    let person = Letter::new(&scene.watch, &scene.hana.address, &return_address);
    let mut server = scene.customer().unwrap();
    server.send(&scene.hana.address, &[&return_address], &person.bytes()).unwrap().is("550 5.1.1");
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(2);
    let feedback = format!("feedback@{}", scene.hana.domain);
    let mut server = scene.customer().unwrap();
    server.send(&feedback, &[&return_address], complaint.as_bytes()).unwrap().is("250");
    scene.submit(&scene.to_customer()).is("550 5.2.1");
    let listed = scene.relay.anshin(&["queue", "suppress", "list"]);
    assert_eq!((&listed[0]["status"], listed.as_array().unwrap().len()), (&"complaint".into(), 1));
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(3);
}

fn a_mailbox_that_takes_mail_and_returns_it_is_written_to_no_more(on: On) {
    let scene = Scene::new(on);
    let bounced = |count: usize, of: &dyn Fn(String) -> String| {
        scene.submit(&scene.to_customer()).is("250 2.0.0");
        let return_address = eventually("it arrives", || {
            scene.relay.queue(None).is_empty().then(|| scene.hana.mailbox.wait_for(count).pop().unwrap())
        })
        .reverse_path;
        let bounce = of(report(&scene.hana, &return_address, "failed", "5.1.1"));
        let mut server = scene.customer().unwrap();
        server.send("", &[&return_address], bounce.as_bytes()).unwrap().is("250");
    };
    let as_it_is = |mail: String| mail;
    // A mailbox behind it, to which its owner has his mail forwarded, is another.
    let forwarded = |mail: String| {
        mail.replace(
            &format!("Final-Recipient: rfc822; {}", scene.hana.address),
            "Final-Recipient: rfc822; gone@elsewhere.example",
        )
    };
    let listed = || scene.relay.anshin(&["queue", "suppress", "list"]);
    // So is one of several who read what comes to it.
    let shared = |mail: String| {
        mail.replace(
            &format!("Final-Recipient: rfc822; {}", scene.hana.address),
            &format!("Final-Recipient: rfc822; gone@{}", scene.hana.domain),
        )
    };
    for count in 1..=3 {
        bounced(count, &forwarded);
    }
    for count in 4..=6 {
        bounced(count, &shared);
    }
    assert_eq!(listed().as_array().unwrap().len(), 0);
    bounced(7, &as_it_is);
    assert_eq!(listed().as_array().unwrap().len(), 0, "once is a filter's mistake");
    // A host within the domain names it with its own name.
    bounced(8, &|mail| {
        mail.replace(
            &format!("@{}\r\nAction", scene.hana.domain),
            &format!("@mx.{}\r\nAction", scene.hana.domain),
        )
    });
    assert_eq!((&listed()[0]["status"], &listed()[0]["failures"]), (&"550 5.1.1".into(), &2.into()));
    scene.submit(&scene.to_customer()).is("550 5.2.1");
}

fn a_report_that_a_mail_is_no_spam_suppresses_nobody(on: On) {
    let scene = Scene::new(on);
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    let return_address = scene.hana.mailbox.wait_for(1).remove(0).reverse_path;
    eventually("it is settled", || scene.relay.queue(None).is_empty().then_some(()));
    let feedback = format!("feedback@{}", scene.hana.domain);
    let mut server = scene.customer().unwrap();
    for kind in ["not-spam", "auth-failure"] {
        let said = complaint(&scene.hana, &return_address)
            .replace("Feedback-Type: abuse", &format!("Feedback-Type: {kind}"));
        server.send(&feedback, &[&return_address], said.as_bytes()).unwrap().is("250");
    }
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(2);
    assert_eq!(scene.relay.anshin(&["queue", "suppress", "list"]), serde_json::json!([]));
}

/// As a provider passes it on.
fn complaint(of: &Person, to: &str) -> String {
    format!(
        "From: <feedback@{domain}>\r\nTo: {to}\r\nSubject: FW: spam\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\n{address} calls this spam.\r\n\
         --b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: Loop/1\r\nVersion: 1\r\n\
         --b\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: something\r\n\r\n--b--\r\n",
        domain = of.domain,
        address = of.address,
    )
}

fn mail_that_waits_too_long_is_given_up_and_its_sender_told(on: On) {
    let scene = Scene::with(on, |setup| setup.key("egress.retry.expire", "'2s'"));
    scene.hana.mailbox.behave(Manner::Greets(format!("421 4.3.2 mx.{} {REMOTE}", scene.hana.domain)));
    let id = scene.submit(&scene.to_customer()).is("250 2.0.0").queue_ids().remove(0);
    let (alias, own) = (&scene.order.customer_alias, &scene.order.merchant_alias);
    let text = notice(&scene.mise.mailbox, &scene.mise.address, alias, own);
    assert!(text.contains("\r\nAction: failed\r\n") && text.contains("\r\nStatus: 5.4.7\r\n"), "{text}");
    let shown = &scene.relay.anshin(&["queue", "show", &id])[0];
    assert_eq!(shown["state"], "failed");
    assert!(shown["attempts"].as_i64().unwrap() >= 2, "{shown}");
}

fn a_notice_that_fails_makes_no_notice_but_a_word_to_the_operator(on: On) {
    let ops = Mailbox::start(&Arc::new(Watch::default()), "ops");
    let scene = Scene::with(on, |setup| {
        setup.route("ops.test", ops.address()).key("domains.postmaster", "'ops@ops.test'")
    });
    refusing(&scene.hana);
    refusing(&scene.mise);
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    let failed = eventually("the mail and its notice have failed", || {
        let failed = scene.relay.queue(Some("failed"));
        (failed.len() >= 2).then_some(failed)
    });
    let directions: Vec<&str> = failed.iter().map(|line| line["direction"].as_str().unwrap()).collect();
    assert_eq!(directions, ["to_customer", "notice"]);
    let told = ops.wait_for(1).remove(0);
    let text = String::from_utf8(told.bytes.clone()).unwrap();
    let parsed = mail_parser::MessageParser::default().parse(&told.bytes).unwrap();
    let words = parsed.body_text(0).unwrap();
    assert!(
        words.contains(failed[1]["queue_id"].as_str().unwrap()) && words.contains("550 5.1.1"),
        "{words}"
    );
    // Whoever runs the relay learns that, and nobody's address.
    scene.watch.shown("an operator", "a word to the operator", text.as_bytes());
    // Once a day.
    scene.submit(&scene.to_customer());
    scene.deliver(&scene.to_merchant());
    eventually("the queue is empty", || scene.relay.queue(None).is_empty().then_some(()));
    assert_eq!(ops.count(), 1);
}

fn a_mail_that_failed_is_taken_anew_when_it_is_sent_again(on: On) {
    let scene = Scene::new(on);
    refusing(&scene.hana);
    let letter = scene.to_customer();
    let first = scene.submit(&letter).is("250 2.0.0").queue_ids();
    scene.mise.mailbox.wait_for(1);
    scene.hana.mailbox.behave(Manner::Kind);
    // Mail programs keep the Message-ID of a mail that is sent once more.
    let second = scene.submit(&letter).is("250 2.0.0").queue_ids();
    assert_ne!(first, second);
    scene.hana.mailbox.wait_for(1);
    let third = scene.submit(&letter).is("250 2.0.0").queue_ids();
    assert_eq!(second, third, "this one was delivered");
    eventually("the queue is empty", || scene.relay.queue(None).is_empty().then_some(()));
    assert_eq!(scene.hana.mailbox.count(), 1);
}

#[test]
fn a_late_mail_is_announced_once_and_still_delivered() {
    let scene = Scene::with(On::Sqlite, |setup| setup.key("egress.retry.delay_notice", "'1s'"));
    scene.hana.mailbox.behave(Manner::Dot(format!("451 4.3.0 {REMOTE}")));
    let letter = scene.to_customer();
    let id = scene.submit(&letter).is("250 2.0.0").queue_ids().remove(0);
    let (alias, own) = (&scene.order.customer_alias, &scene.order.merchant_alias);
    let text = notice(&scene.mise.mailbox, &scene.mise.address, alias, own);
    assert!(text.contains("\r\nAction: delayed\r\n") && text.contains("\r\nWill-Retry-Until: "), "{text}");
    eventually("it was tried again since", || {
        (scene.relay.anshin(&["queue", "show", &id])[0]["attempts"].as_i64()? >= 4).then_some(())
    });
    scene.hana.mailbox.behave(Manner::Kind);
    eventually("it is taken", || {
        scene.hana.mailbox.look(|mails| mails.iter().any(|m| m.was_taken)).then_some(())
    });
    eventually("the queue is empty", || scene.relay.queue(None).is_empty().then_some(()));
    assert_eq!(scene.mise.mailbox.count(), 1);
}

#[test]
fn who_asks_not_to_be_told_is_not_and_who_asks_for_success_is() {
    let scene = Scene::new(On::Sqlite);
    let send = |notify: &str, letter: &Letter| -> Reply {
        let mut merchant: Client = scene.merchant().unwrap();
        merchant.say(&format!("MAIL FROM:<{}> ENVID=order-77", scene.mise.address)).unwrap().is("250");
        merchant.say(&format!("RCPT TO:<{}> NOTIFY={notify}", letter.to)).unwrap().is("250");
        merchant.say("DATA").unwrap().is("354");
        merchant.wire().write(&super::client::stuffed(&letter.bytes())).unwrap();
        merchant.read().unwrap()
    };
    send("SUCCESS", &scene.to_customer()).is("250");
    let (alias, own) = (&scene.order.customer_alias, &scene.order.merchant_alias);
    let text = notice(&scene.mise.mailbox, &scene.mise.address, alias, own);
    for part in ["\r\nAction: relayed\r\n", "\r\nStatus: 2.0.0\r\n", "\r\nOriginal-Envelope-Id: order-77\r\n"]
    {
        assert!(text.contains(part), "{part:?} is missing:\n{text}");
    }
    refusing(&scene.hana);
    send("NEVER", &scene.to_customer()).is("250");
    eventually("it has failed", || (scene.relay.queue(Some("failed")).len() == 1).then_some(()));
    assert!(scene.relay.queue(None).is_empty());
    assert_eq!(scene.mise.mailbox.count(), 1);
}
