//! Rules at the door: what one holds waits for the operator, what one refuses is refused with a help page, and what it found is noted.

use super::letter::{Letter, header, show};
use super::process::{On, on_both_databases};
use super::scene::Scene;
use crate::peer::{Scratch, eventually};
use serde_json::Value;

on_both_databases! {
    what_a_rule_holds_waits_for_the_operator_and_its_sender_is_told,
    what_a_rule_refuses_is_refused_until_its_budget_is_used_up,
    honest_mail_of_both_sides_meets_no_rule_and_an_answer_to_an_id_that_was_never_given_is_noted,
}

/// A letter with a file of this name, which begins as a program does.
fn with_program(letter: &Letter, name: &str) -> Vec<u8> {
    format!(
        "Date: Sun, 22 Nov 2026 09:00:00 +0900\r\nFrom: {}\r\nTo: {}\r\nSubject: {}\r\nMessage-ID: {}\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{}\r\n\
         --b\r\nContent-Type: application/octet-stream; name={name}\r\nContent-Disposition: attachment; filename={name}\r\n\
         Content-Transfer-Encoding: base64\r\n\r\nTVqQAAMAAAAEAAAA\r\n--b--\r\n",
        letter.from, letter.to, letter.subject, letter.message_id, letter.text
    )
    .into_bytes()
}

/// What rules found: by rule and by what was done, how often.
fn hits(scene: &Scene) -> Vec<(String, String, u64)> {
    let found = scene.relay.anshin(&["log", "rule", "hits"]);
    let text = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
    let lines = found.as_array().unwrap().iter();
    lines.map(|line| (text(line, "rule"), text(line, "mode"), line["hits"].as_u64().unwrap())).collect()
}

fn what_a_rule_holds_waits_for_the_operator_and_its_sender_is_told(on: On) {
    let scene = Scene::new(on);
    let letter = scene.to_customer();
    let mail = with_program(&letter, "invoice.pdf.exe");
    let reply =
        scene.merchant().unwrap().send(&scene.mise.address, &[&letter.to], &mail).unwrap().is("250 2.0.0");
    let id = reply.queue_ids().remove(0);
    let notice = scene.mise.mailbox.wait_for(1).remove(0);
    let parsed = mail_parser::MessageParser::default().parse(&notice.bytes).unwrap();
    let text = parsed.body_text(0).unwrap();
    assert!(
        text.contains("check against fraud") && text.contains(&id) && text.contains("保留期限"),
        "{text}"
    );
    assert!(!text.contains("mailto:"), "its sender decides nothing: {text}");
    let shown = scene.relay.anshin(&["queue", "show", &id])[0].clone();
    assert_eq!((&shown["state"], &shown["held_for"]), (&"held".into(), &"rule".into()));
    assert_eq!(hits(&scene), [("P8-dangerous-file".into(), "hold".into(), 1)]);
    let held =
        scene.relay.trace(&["--message", &id]).into_iter().find(|line| line["event"] == "held").unwrap();
    assert_eq!(held["detail"]["rule"], "P8-dangerous-file/1", "{held}");
    assert_eq!(scene.hana.mailbox.count(), 0);
    scene.relay.anshin(&["queue", "release", &id]);
    let arrived = scene.hana.mailbox.wait_for(1).remove(0);
    assert!(show(&arrived.bytes).contains(&letter.text));
}

fn what_a_rule_refuses_is_refused_until_its_budget_is_used_up(on: On) {
    let rules = Scratch::new("rules");
    let rule = "name: X1-program\nversion: 4\nmode: refuse\nbudget: 2\nowner: the desk\nexpires: 2040-01-31\n\
        ja: \u{7406}\u{7531}\nen: Why\nwhen: event:accepted direction:to_customer flag:executable_file -flag:double_extension\n";
    std::fs::write(rules.path().join("program.rule"), rule).unwrap();
    let scene =
        Scene::with(on, |setup| setup.key("detections.rules", &format!("'{}'", rules.path().display())));
    for n in 0..2 {
        let letter = scene.to_customer();
        let mail = with_program(&letter, "tool.exe");
        let reply = scene.merchant().unwrap().send(&scene.mise.address, &[&letter.to], &mail).unwrap();
        let reply = reply.is("554 5.7.1");
        assert!(format!("{reply:?}").contains("check against fraud"), "{n}");
    }
    assert_eq!(hits(&scene), [("X1-program".into(), "refuse".into(), 2)]);
    let refused = scene.relay.anshin(&["log", "search", "result:detected", "--json"]);
    assert_eq!(refused["rows"].as_array().unwrap().len(), 2);
    // Its day is used up: it goes on finding, and keeps no mail back.
    let letter = scene.to_customer();
    let mail = with_program(&letter, "tool.exe");
    scene.merchant().unwrap().send(&scene.mise.address, &[&letter.to], &mail).unwrap().is("250 2.0.0");
    let found = hits(&scene);
    assert!(found.contains(&("X1-program".into(), "shadow".into(), 1)), "{found:?}");
}

fn honest_mail_of_both_sides_meets_no_rule_and_an_answer_to_an_id_that_was_never_given_is_noted(on: On) {
    let rules = Scratch::new("rules");
    let rule = "name: X2-thread\nversion: 1\nmode: shadow\nbudget: 2\nowner: the desk\nexpires: 2040-01-31\n\
        ja: \u{7406}\u{7531}\nen: Why\nwhen: event:accepted flag:unknown_thread\n";
    std::fs::write(rules.path().join("thread.rule"), rule).unwrap();
    let scene =
        Scene::with(on, |setup| setup.key("detections.rules", &format!("'{}'", rules.path().display())));
    let first = scene.to_customer();
    scene.submit(&first).is("250 2.0.0");
    let arrived = scene.hana.mailbox.wait_for(1).remove(0);
    scene.deliver(&scene.to_merchant().answering(&arrived.bytes)).is("250 2.0.0");
    let answer = scene.mise.mailbox.wait_for(1).remove(0);
    scene.submit(&scene.to_customer().answering(&answer.bytes)).is("250 2.0.0");
    // The store goes on from what it wrote itself.
    let mut again = scene.to_customer();
    again.in_reply_to = Some(first.message_id.clone());
    scene.submit(&again).is("250 2.0.0");
    scene.hana.mailbox.wait_for(3);
    assert_eq!(hits(&scene), []);
    let mut forged = scene.to_merchant();
    forged.in_reply_to = Some("<never.given@elsewhere.test>".into());
    scene.deliver(&forged).is("250 2.0.0");
    let arrived = eventually("it is delivered all the same", || {
        let mails = scene.mise.mailbox.wait_for(2);
        mails.into_iter().find(|mail| show(&mail.bytes).contains(&forged.text))
    });
    assert!(header(&arrived.bytes, "In-Reply-To").is_none_or(|id| !id.contains("never.given")));
    assert_eq!(hits(&scene), [("X2-thread".into(), "shadow".into(), 1)]);
}
