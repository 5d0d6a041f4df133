//! A customer's address is corrected at all stores once a second person has approved it and the new address has
//! answered, and by nobody else; the address before hears of it.

use super::client::Reply;
use super::letter::{Letter, show};
use super::process::{On, on_both_databases};
use super::scene::{Scene, open_order};
use serde_json::Value;

on_both_databases! {
    an_address_is_corrected_everywhere_when_the_new_one_answers_and_the_aliases_stay,
}

const LOOK: [&str; 6] = ["--actor", "akiko", "--purpose", "data-subject-request", "--case", "D-3"];

fn correct(scene: &Scene, customer: &str, to: &str, approved: &[&str]) -> (i32, Value) {
    let base = ["compliance", "correct", "--customer", customer, "--to", to];
    let ran = scene.relay.run(&[&base[..], &LOOK, approved].concat());
    (ran.status, ran.json())
}

/// A mail to the token, from this address.
fn answer(scene: &Scene, from: &str, token: &str) -> Reply {
    let letter = Letter::new(&scene.watch, from, token);
    scene.customer().unwrap().send(from, &[token], &letter.bytes()).unwrap()
}

fn an_address_is_corrected_everywhere_when_the_new_one_answers_and_the_aliases_stay(on: On) {
    let scene = Scene::new(on);
    let (hana, taro) = (&scene.hana.address, &scene.taro.address);
    let closed = open_order(&scene.relay, "mise", "A-1000", hana);
    scene.relay.anshin(&["order", "close", "--store-id", "mise", "--order-no", "A-1000"]);
    let other = open_order(&scene.relay, "mise", "A-1003", hana);
    scene.deliver(&Letter::new(&scene.watch, hana, &scene.account.public_alias)).is("250 2.0.0");
    scene.mise.mailbox.wait_for(1);
    for (customer, to, why) in [
        ("nobody@elsewhere.test", taro.as_str(), "no live conversation"),
        (hana, hana, "address of now"),
        (hana, "x@pc.fw.anshin.test", "own domains"),
        (hana, "no address", "to:"),
    ] {
        let (status, said) = correct(&scene, customer, to, &[]);
        assert!(status == 1 && said["error"].as_str().unwrap().contains(why), "{said}");
    }
    // One person alone moves nobody's mail.
    let (status, asked) = correct(&scene, hana, taro, &[]);
    let why = asked["error"].as_str().unwrap_or_default();
    assert!(status == 1 && why.contains("second person"), "{asked}");
    let words: Vec<&str> = why.split([' ', ';', ':']).collect();
    let request = words[words.iter().position(|word| *word == "request").unwrap() + 1];
    let approved = ["--approved", request];
    let (status, said) = correct(&scene, hana, taro, &approved);
    assert!(status == 1 && said["error"].as_str().unwrap().contains("nobody has approved"), "{said}");
    let own = scene.relay.run(&["reveal", "approve", request, "--actor", "akiko"]);
    assert!(own.status == 1 && own.json()["error"].as_str().unwrap().contains("second person"));
    scene.relay.anshin(&["reveal", "approve", request, "--actor", "botan"]);
    let (status, said) = correct(&scene, hana, "somebody@elsewhere.test", &approved);
    assert!(status == 1 && said["error"].as_str().unwrap().contains("something else"), "{said}");
    let (status, asked) = correct(&scene, hana, taro, &approved);
    assert_eq!((status, &asked["conversations"]), (0, &3.into()), "{asked}");
    let (status, said) = correct(&scene, hana, taro, &approved);
    assert!(status == 1 && said["error"].as_str().unwrap().contains("used already"), "{said}");
    // The address before hears of it, and neither address is named.
    let warning = scene.hana.mailbox.wait_for(1).remove(0);
    let decoded = mail_parser::MessageParser::default().parse(&warning.bytes).unwrap();
    let decoded = decoded.body_text(0).unwrap().into_owned();
    assert!(decoded.contains("お心当たりのない場合") && decoded.contains("If it was not you"), "{decoded}");
    assert!(!decoded.contains('@'), "{decoded}");
    let question = scene.taro.mailbox.wait_for(1).remove(0);
    let text = show(&question.bytes);
    let decoded = mail_parser::MessageParser::default().parse(&question.bytes).unwrap();
    let decoded = decoded.body_text(0).unwrap().into_owned();
    let token = decoded.lines().find_map(|line| line.trim().strip_prefix("mailto:")).unwrap().to_owned();
    assert!(token.starts_with('n') && token.ends_with("@shop.anshin.test"), "{text}");
    assert!(
        decoded.contains("メールアドレス") && !decoded.contains("mise") && !decoded.contains("A-100"),
        "{decoded}"
    );
    // Who has the token and another address proves nothing, nor does a program, nor a store.
    answer(&scene, hana, &token).is("550 5.1.1");
    let vacation = format!(
        "From: {taro}\r\nTo: {token}\r\nSubject: away\r\nAuto-Submitted: auto-replied\r\n\r\nAway.\r\n"
    );
    scene.customer().unwrap().send(taro, &[&token], vacation.as_bytes()).unwrap().is("250 2.0.0");
    let mut shop = scene.merchant().unwrap();
    shop.say(&format!("MAIL FROM:<{}>", scene.mise.address)).unwrap().is("250");
    shop.say(&format!("RCPT TO:<{token}>")).unwrap().is("550 5.1.1");
    drop(shop);
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(2);
    // The new address answers, twice.
    for _ in 0..2 {
        answer(&scene, taro, &token).is("250 2.0.0");
    }
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.submit(&Letter::new(&scene.watch, &scene.mise.address, &other.customer_alias)).is("250 2.0.0");
    let mails = scene.taro.mailbox.wait_for(3);
    assert_eq!(mails[1].forward_paths, [taro.as_str()]);
    assert_eq!(scene.hana.mailbox.wait_for(2).len(), 2);
    // He writes to the same alias, and his inquiry is the one that was hers; the closed order stayed what it was.
    let letter = Letter::new(&scene.watch, taro, &scene.order.merchant_alias);
    scene.customer().unwrap().send(taro, &[&letter.to], &letter.bytes()).unwrap().is("250 2.0.0");
    let letter = Letter::new(&scene.watch, taro, &scene.account.public_alias);
    scene.customer().unwrap().send(taro, &[&letter.to], &letter.bytes()).unwrap().is("250 2.0.0");
    let at_store = scene.mise.mailbox.wait_for(3);
    let from = |mail: &[u8]| super::letter::header(mail, "From").unwrap();
    assert_eq!(from(&at_store[0].bytes), from(&at_store[2].bytes), "one inquiry");
    let mut client = scene.customer().unwrap();
    client.say(&format!("MAIL FROM:<{hana}>")).unwrap().is("250");
    client.say(&format!("RCPT TO:<{}>", closed.merchant_alias)).unwrap().is("550 5.1");
    let looks = scene.relay.anshin(&["reveal", "log"]);
    let looks = looks.as_array().unwrap();
    let outcomes: Vec<&str> = looks
        .iter()
        .filter(|look| look["kind"] == "correction")
        .filter_map(|look| look["outcome"].as_str())
        .collect();
    assert_eq!(outcomes[..3], ["done", "asked", "opened"], "the latest first: {outcomes:?}");
    assert!(outcomes[3..].contains(&"asked"), "a second person: {outcomes:?}");
    let done = looks.iter().find(|look| look["outcome"] == "done").unwrap();
    assert_eq!(
        (&done["detail"]["what"]["conversations"], &done["detail"]["actor"]),
        (&3.into(), &"akiko".into())
    );
    scene.relay.check_at_rest();
}
