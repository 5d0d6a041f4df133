//! A forgotten ID or password, by the registered address; and a test mail of the store to itself.

use super::browser::{Browser, Page};
use super::mailbox::{Manner, Received};
use super::menu::{OWN, signed_in, told};
use super::menu_takeovers::behind;
use super::process::{On, on_both_databases};
use super::scene::{Scene, add_merchant};
use crate::peer::eventually;
use anshin::mail::Timestamp;
use anshin::vault::TotpSecret;
use std::time::{Duration, Instant};

on_both_databases! {
    a_forgotten_password_is_set_anew_with_a_code_once_and_ends_every_session,
    a_test_mail_goes_the_whole_way_and_each_step_is_shown,
}

const NEXT: &str = "penguin wa tobanai 5";

fn proxied(on: On) -> Scene {
    Scene::with(on, |setup| setup.key("web.proxies", "['127.0.0.1/32']"))
}

pub(super) fn ask(browser: &mut Browser, address: &str) -> Page {
    browser.get("/menu/forgotten").is(200);
    browser.post("/menu/forgotten", &[("do", "ask"), ("address", address)])
}

fn set(browser: &mut Browser, code: &str, new: &str) -> Page {
    browser.get("/menu/forgotten").is(200);
    browser.post("/menu/forgotten", &[("do", "set"), ("code", code), ("new", new), ("again", new)])
}

/// The texts of mails about what was forgotten, once there are so many.
pub(super) fn about_forgotten(scene: &Scene, mailbox: &super::mailbox::Mailbox, count: usize) -> Vec<String> {
    let found = eventually("mails about what was forgotten", || {
        let received = mailbox.received();
        let is_it = |mail: &&Received| told(mail).0.contains("ID・パスワードのお問い合わせ");
        let texts: Vec<String> = received.iter().filter(is_it).map(|mail| told(mail).1).collect();
        (texts.len() >= count).then_some(texts)
    });
    for text in &found {
        for code in text.split("確認コード: ").skip(1) {
            scene.watch.secret(code.lines().next().unwrap().trim());
        }
    }
    found
}

fn code(text: &str) -> String {
    text.split("確認コード: ").nth(1).unwrap().lines().next().unwrap().trim().to_owned()
}

fn a_forgotten_password_is_set_anew_with_a_code_once_and_ends_every_session(on: On) {
    let scene = Scene::new(on);
    scene.watch.secret(NEXT);
    let mut there = signed_in(&scene);
    let mut lost = Browser::new(scene.relay.web(), &scene.watch, "mise");
    lost.get("/menu/sign-in").is(200).says("/menu/forgotten");
    ask(&mut lost, &scene.mise.address.to_uppercase()).is(200).says("登録されていれば");
    let text = about_forgotten(&scene, &scene.mise.mailbox, 1).remove(0);
    // It goes to what was registered, however that was typed.
    let is_it = |mail: &&Received| told(mail).0.contains("ID・パスワードのお問い合わせ");
    let to: Vec<String> =
        scene.mise.mailbox.received().iter().filter(is_it).map(|mail| mail.forward_paths.concat()).collect();
    assert!(to.len() == 1 && to[0].contains(&scene.mise.address), "{to:?}");
    for line in ["店舗ID: mise", "ユーザー名: admin", "Store ID: mise", "User name: admin"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains("http"), "no link: {text}");
    let code = code(&text);
    // Wrong, in another browser, with a password that is not fit: nothing is done, and the code is still good.
    set(&mut lost, "abcde-fghij-klmno-pqrst", NEXT).is(422).says("確認コードが違うか");
    set(&mut lost, "", NEXT).is(422).says("確認コードが違うか");
    let mut other = Browser::new(scene.relay.web(), &scene.watch, "mise");
    set(&mut other, &code, NEXT).is(422).says("確認コードが違うか");
    set(&mut lost, &code, "password1").is(422).says("多くの人");
    lost.get("/menu/forgotten");
    let twice = [("do", "set"), ("code", code.as_str()), ("new", NEXT), ("again", OWN)];
    lost.post("/menu/forgotten", &twice).is(422).says("同じではありません");
    there.get("/menu/").says("花屋 Hanaya");
    set(&mut lost, &code, NEXT).is(200).says("再設定しました").says("店舗ID");
    // Used once; all sessions are over; the new password is the one.
    set(&mut lost, &code, OWN).is(422).says("確認コードが違うか");
    there.get("/menu/").says("店舗ID");
    lost.sign_in("mise", "admin", OWN).is(401);
    lost.sign_in("mise", "admin", NEXT).is(200).says("花屋 Hanaya");
    let page = lost.get("/menu/history?all=1").is(200);
    for word in ["パスワードの再設定", "確認コードの送付", "ID・パスワードを忘れたとき"]
    {
        assert!(page.body.contains(word), "{word}: {}", page.body);
    }
    eventually("the administrators are told", || {
        let received = scene.mise.mailbox.received();
        let text =
            received.iter().map(told).find(|(title, _)| title.contains("パスワードの再設定のお知らせ"))?;
        assert!(text.1.contains("ユーザー名: admin") && text.1.contains("IPアドレス: 127.0.0.1"), "{text:?}");
        Some(())
    });
}

#[test]
fn whatever_address_is_asked_for_the_answer_and_its_time_are_the_same() {
    let scene = proxied(On::Sqlite);
    drop(signed_in(&scene));
    let mut answers = Vec::new();
    let mut took = Vec::new();
    let nobody = format!("nobody.{}", scene.taro.address);
    for (at, address) in
        [scene.mise.address.as_str(), &nobody, "no address", "", "x@shop.anshin.test"].into_iter().enumerate()
    {
        let mut browser =
            Browser::new(scene.relay.web(), &scene.watch, "mise").from(&format!("126.1.{at}.3"));
        browser.get("/menu/forgotten").is(200);
        let word = browser.last.as_ref().unwrap().field("word").unwrap();
        let since = Instant::now();
        let page = browser.post("/menu/forgotten", &[("do", "ask"), ("address", address)]).is(200);
        took.push(since.elapsed());
        answers.push(page.body.replace(&word, "WORD"));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    // The first one is known, and its work begins after the answer.
    let others = took[1..].iter().max().unwrap();
    assert!(took[0] < *others + Duration::from_secs(1), "{took:?}");
    about_forgotten(&scene, &scene.mise.mailbox, 1);
    assert_eq!(scene.taro.mailbox.count(), 0, "a stranger's address gets nothing");
    // One address from one network three times an hour, a network twenty times.
    let mut browser = Browser::new(scene.relay.web(), &scene.watch, "mise").from("198.51.100.1");
    let statuses: Vec<u16> = (0..5).map(|_| ask(&mut browser, &nobody).status).collect();
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    let statuses: Vec<u16> = (0..20).map(|n| ask(&mut browser, &format!("x{n}.{nobody}")).status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 17, "{statuses:?}");
    // One mailbox is one, however it is written, and a subscriber's IPv6 is one network.
    let (local, domain) = nobody.split_once('@').unwrap();
    let mut statuses = Vec::new();
    for n in 0..5 {
        let mut browser =
            Browser::new(scene.relay.web(), &scene.watch, "mise").from(&format!("2001:db8:7:{n}00::1"));
        let address =
            if n % 2 == 0 { nobody.clone() } else { format!("\"{local}\"@{}", domain.to_uppercase()) };
        statuses.push(ask(&mut browser, &address).status);
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    // And who types codes is looked at thirty times a quarter of an hour.
    let statuses: Vec<u16> =
        (0..32).map(|_| set(&mut browser, "abcde-fghij-klmno-pqrst", NEXT).status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 422).count(), 30, "{statuses:?}");
}

#[test]
fn an_address_of_several_stores_and_of_none_who_has_signed_in_gets_the_ids_of_all() {
    let scene = Scene::new(On::Sqlite);
    // Nobody has come in there yet: it has no one whose password could be set.
    let second = add_merchant(&scene.relay, "ume", &[&scene.taro.address, &scene.mise.address]);
    scene.watch.secret(&second.menu_password);
    drop(signed_in(&scene));
    let mut lost = Browser::new(scene.relay.web(), &scene.watch, "mise");
    ask(&mut lost, &scene.mise.address).is(200);
    let texts = about_forgotten(&scene, &scene.mise.mailbox, 2);
    let of = |id: &str| texts.iter().find(|text| text.contains(&format!("店舗ID: {id}\r\n"))).unwrap();
    assert!(of("mise").contains("確認コード: "), "{texts:?}");
    assert!(!of("ume").contains("確認コード: ") && of("ume").contains("運営者に依頼"), "{texts:?}");
}

#[test]
fn a_code_lets_nobody_round_the_second_factor_and_ends_with_its_time() {
    let scene = Scene::new(On::Sqlite);
    scene.watch.secret(NEXT);
    let mut owner = signed_in(&scene);
    owner.get("/menu/second-factor").is(200);
    let page = owner.post("/menu/second-factor", &[("do", "begin")]).is(200);
    let text = page.field("secret").unwrap();
    scene.watch.secret(&text);
    let secret = TotpSecret::parse(&text).unwrap();
    let now = secret.code(Timestamp::now().as_millis() / 30_000);
    let page = owner.post("/menu/second-factor", &[("do", "set"), ("secret", &text), ("code", &now)]).is(200);
    for line in page.body.split("<code>").skip(1) {
        scene.watch.secret(&line.split('<').next().unwrap().replace(' ', ""));
    }
    let mut lost = Browser::new(scene.relay.web(), &scene.watch, "mise");
    ask(&mut lost, &scene.mise.address).is(200);
    let text = about_forgotten(&scene, &scene.mise.mailbox, 1).remove(0);
    set(&mut lost, &code(&text), NEXT).is(200).says("再設定しました");
    lost.sign_in("mise", "admin", NEXT).is(200).says("確認コードの入力");
    lost.get("/menu/people").is(200).says("確認コードの入力");
    // One that is over is as one that never was.
    let mut late = Browser::new(scene.relay.web(), &scene.watch, "mise");
    ask(&mut late, &scene.mise.address).is(200);
    let text = about_forgotten(&scene, &scene.mise.mailbox, 2).remove(1);
    behind(&scene, "UPDATE menu_code SET ends_at = 1");
    set(&mut late, &code(&text), OWN).is(422).says("有効期限が切れています");
}

#[test]
fn a_code_is_over_once_the_password_was_changed_in_another_way() {
    let scene = proxied(On::Sqlite);
    scene.watch.secret(NEXT);
    let mut there = signed_in(&scene);
    let mut lost = Browser::new(scene.relay.web(), &scene.watch, "mise").from("126.1.1.1");
    ask(&mut lost, &scene.mise.address).is(200);
    let text = about_forgotten(&scene, &scene.mise.mailbox, 1).remove(0);
    there.change_password(OWN, NEXT).is(200);
    set(&mut lost, &code(&text), "tanuki ga odoru 9 hiki").is(422).says("有効期限が切れています");
    // Whoever asks often in another's name ends no code of his; the first that is used ends the others.
    let mut asked = Vec::new();
    for n in 2..=6 {
        let mut other = Browser::new(scene.relay.web(), &scene.watch, "mise").from(&format!("126.{n}.1.1"));
        ask(&mut other, &scene.mise.address).is(200);
        let text = about_forgotten(&scene, &scene.mise.mailbox, n).remove(n - 1);
        asked.push((other, code(&text)));
    }
    scene.watch.secret("tanuki ga odoru 9 hiki");
    let (oldest, first) = &mut asked[0];
    set(oldest, first, "tanuki ga odoru 9 hiki").is(200).says("再設定しました");
    let (last, other) = &mut asked[4];
    set(last, other, "tanuki ga odoru 9 hiki").is(422).says("有効期限が切れています");
}

fn a_test_mail_goes_the_whole_way_and_each_step_is_shown(on: On) {
    let scene =
        Scene::with(on, |setup| setup.key("egress.retry.first", "'1h'").key("egress.retry.max", "'2h'"));
    let mut browser = signed_in(&scene);
    browser.get("/menu/mail-server").is(200).says("/menu/test");
    let sender = browser.get("/menu/test").is(200).says(&scene.mise.address);
    let (_, rest) = sender.body.split_once("<option value=\"").unwrap();
    let sender = rest.split('"').next().unwrap().to_owned();
    let test = |browser: &mut Browser| {
        browser.get("/menu/test").is(200);
        browser.post("/menu/test", &[("do", "send"), ("sender", &sender)]).is(200).says("受付(送信元")
    };
    let page = test(&mut browser);
    let id = page.body.split("/menu/test?id=").nth(1).unwrap().split('"').next().unwrap().to_owned();
    eventually("it has come", || {
        let page = browser.get(&format!("/menu/test?id={id}")).is(200);
        page.body.contains(">届きました<").then_some(())
    });
    let mail = eventually("it is in the mailbox", || {
        scene.mise.mailbox.received().iter().map(told).find(|(title, _)| title.contains("送信テスト"))
    });
    assert!(mail.1.contains("お店のメールボックスまで配信されています"), "{mail:?}");
    browser.get(&format!("/menu/mail?id={id}")).is(200).says("自店への控え");
    // Where the mailbox does not take it the page says so, with why and when it is tried again.
    scene.mise.mailbox.behave(Manner::Rcpt("452 4.2.2 full".into()));
    let page = test(&mut browser);
    let id = page.body.split("/menu/test?id=").nth(1).unwrap().split('"').next().unwrap().to_owned();
    eventually("it is late", || {
        let page = browser.get(&format!("/menu/test?id={id}")).is(200);
        let is_late = page.body.contains(">再送待ち<") && page.body.contains("いっぱい");
        (is_late && page.body.contains("次の配信")).then_some(())
    });
    browser.get("/menu/test");
    browser
        .post("/menu/test", &[("do", "send"), ("sender", "0000000000000001")])
        .is(422)
        .says("そのアドレス");
    browser.get("/menu/history?all=1").is(200).says("送信テスト");
}
