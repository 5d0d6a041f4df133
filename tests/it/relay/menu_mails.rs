//! Mails in the menu: what was sent and received, what became of it, and what a store decides about its own.

use super::browser::Browser;
use super::client::Client;
use super::decisions::{OF_STORE, STORE, with_document};
use super::letter::Letter;
use super::mailbox::Manner;
use super::menu::{OWN, signed_in, told};
use super::menu_takeovers::behind;
use super::process::{On, on_both_databases};
use super::scene::{Account, Order, Scene, add_merchant, open_order};
use crate::peer::eventually;

on_both_databases! {
    a_store_sees_what_became_of_its_mails_and_finds_them_by_order,
    a_mail_that_waits_is_withdrawn_and_never_arrives,
    a_held_document_is_sent_as_it_is_by_staff_and_by_nobody_who_only_reads,
    what_could_not_be_delivered_is_sent_once_more_either_way_and_arrives_once,
}

/// Somebody of the store whom the administrator invites, signed in with a password of his own.
pub fn invited(scene: &Scene, boss: &mut Browser, (store, name, role): (&str, &str, &str)) -> Browser {
    let address = format!("{name}.{}", scene.mise.address);
    boss.get("/menu/people").is(200);
    let invite = [("do", "invite"), ("name", name), ("address", address.as_str()), ("role", role)];
    boss.post("/menu/people", &invite).is(200);
    let invitation = eventually("the invitation", || {
        let arrived = scene.mise.mailbox.received();
        let mut texts = arrived.iter().map(|one| told(one).1);
        texts.find(|text| text.contains("初回用パスワード: ") && text.contains(name))
    });
    let once =
        invitation.split("初回用パスワード: ").nth(1).unwrap().lines().next().unwrap().trim().to_owned();
    scene.watch.secret(&once);
    let mut browser = Browser::new(scene.relay.web(), &scene.watch, "mise");
    browser.sign_in(store, name, &once).is(200);
    let own = format!("{name} to kirin ga sanpo suru 3");
    scene.watch.secret(&own);
    browser.change_password(&once, &own).is(200);
    browser
}

/// A store with two addresses, an order of it, and its administrator at the menu.
fn of_two_addresses(scene: &Scene) -> (Account, Order, Browser) {
    let account = add_merchant(&scene.relay, "ume", &[&scene.mise.address, STORE]);
    let order = open_order(&scene.relay, "ume", "U-1", &scene.hana.address);
    scene.watch.secret(OWN);
    scene.watch.secret(&account.menu_password);
    let mut boss = Browser::new(scene.relay.web(), &scene.watch, "mise");
    boss.sign_in("ume", "", &account.menu_password).is(200);
    boss.change_password(&account.menu_password, OWN).is(200);
    (account, order, boss)
}

/// How many mails a list has.
fn count(body: &str) -> usize {
    body.matches("/menu/mail?id=").count()
}

fn a_store_sees_what_became_of_its_mails_and_finds_them_by_order(on: On) {
    let scene = Scene::new(on);
    let other = add_merchant(&scene.relay, "ume", &[&scene.taro.address]);
    let order = open_order(&scene.relay, "mise", "B-2002", &scene.taro.address);
    let mut boss = signed_in(&scene);
    let letter = scene.to_customer();
    let id = scene.submit(&letter).is("250 2.0.0").queue_ids().remove(0);
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    scene.taro.mailbox.behave(Manner::Rcpt("550 5.1.1 nobody of this name".into()));
    let lost = Letter::new(&scene.watch, &scene.mise.address, &order.customer_alias);
    let lost = scene.submit(&lost).is("250 2.0.0").queue_ids().remove(0);
    eventually("all have ended", || scene.relay.queue(None).is_empty().then_some(()));

    let page =
        boss.get("/menu/mails").is(200).says("A-1001").says("B-2002").says(&scene.order.customer_alias);
    assert_eq!(count(&page.body), 3, "notices and alerts are no mails of an order: {}", page.body);
    for word in
        ["お客様へ", "お客様から", "届きました", "届きませんでした", "メールボックスがメールを受け取りません"]
    {
        assert!(page.body.contains(word), "{word}: {}", page.body);
    }
    assert!(!page.body.contains(&letter.subject));
    // By order: the number comes by a form and is in no URL.
    let page =
        boss.post("/menu/mails", &[("order", "B-2002")]).is(200).says("B-2002").says("届きませんでした");
    assert_eq!(count(&page.body), 1, "{}", page.body);
    assert!(page.path.starts_with("/menu/mails?order=") && !page.path.contains("B-2002"), "{}", page.path);
    let order_page = page.path.clone();
    boss.get(&format!("{}&lang=en", page.path)).is(200).says("Undeliverable").says("does not take mail");
    boss.get("/menu/mails?lang=ja").is(200);
    boss.post("/menu/mails", &[("order", "nothing of the sort")]).is(422).says("お店の注文にありません");
    boss.post("/menu/mails", &[("from", "yesterday")]).is(422).says("2026-11-28");
    // By day and state.
    boss.get("/menu/mails").is(200);
    let page = boss.post("/menu/mails", &[("from", "2026-01-01"), ("state", "failed")]).is(200);
    assert_eq!(count(&page.body), 1, "{}", page.body);
    boss.post("/menu/mails", &[("until", "2026-01-02")]).is(200).says("表示するメールはありません");
    // As a file.
    let file = boss.get("/menu/mails.csv").is(200);
    assert_eq!(file.body.lines().count(), 1 + 3, "{}", file.body);
    assert!(file.body.contains(&format!("\"{id}\",\"A-1001\",\"お客様へ\"")), "{}", file.body);
    // One by one, with what happened.
    let page = boss
        .get(&format!("/menu/mail?id={lost}"))
        .is(200)
        .says("受け付けました")
        .says("届けられませんでした");
    assert!(!page.body.contains("nobody of this name"), "what a server said is not shown");
    boss.get(&format!("/menu/mail?id={id}")).is(200).says("宛先のメールサーバーに届けました");
    boss.get("/menu/mail?id=0000000000000001").is(404);
    boss.get("/menu/mail?id=x").is(404);

    // Another store sees none of it, by whatever number.
    scene.watch.secret(&other.menu_password);
    let mut stranger = Browser::new(scene.relay.web(), &scene.watch, "taro");
    stranger.sign_in("ume", "", &other.menu_password).is(200);
    stranger.change_password(&other.menu_password, OWN).is(200);
    stranger.get("/menu/mails").is(200).says("表示するメールはありません");
    stranger.get(&format!("/menu/mail?id={id}")).is(404);
    assert_eq!(count(&stranger.get(&order_page).is(200).body), 0);
    stranger.get("/menu/held").is(200);
    for what in ["send", "withdraw"] {
        stranger.post("/menu/held", &[("do", what), ("mail", &id)]).is(422).says("見つかりません");
    }
    // What was looked at stands in the access log.
    let page = boss.get("/menu/history?all=1").is(200);
    for word in ["メール", "メール(CSV)", "検索", "該当する注文がありません"] {
        assert!(page.body.contains(&format!(">{word}<")), "{word}: {}", page.body);
    }
}

fn a_mail_that_waits_is_withdrawn_and_never_arrives(on: On) {
    let scene =
        Scene::with(on, |setup| setup.key("egress.retry.first", "'1h'").key("egress.retry.max", "'2h'"));
    let mut boss = signed_in(&scene);
    scene.hana.mailbox.behave(Manner::Rcpt("452 4.2.2 full".into()));
    let id = scene.submit(&scene.to_customer()).is("250 2.0.0").queue_ids().remove(0);
    let path = format!("/menu/mail?id={id}");
    let page = eventually("it is deferred", || {
        let page = boss.get(&path).is(200);
        page.body.contains("再送待ち").then_some(page)
    });
    let page = page
        .says("宛先のメールボックスがいっぱいです")
        .says("次の配信")
        .says("届けられず、再送を待っています");
    assert!(
        page.body.contains("value=\"withdraw\"") && !page.body.contains("value=\"send\""),
        "{}",
        page.body
    );
    boss.post("/menu/mail", &[("do", "send"), ("mail", &id)]).is(422);
    boss.post("/menu/mail", &[("do", "withdraw"), ("mail", &id)])
        .is(200)
        .says("取りやめました")
        .says("お店の判断");
    boss.post("/menu/mail", &[("do", "withdraw"), ("mail", &id)]).is(422).says("すでに終わって");
    scene.hana.mailbox.behave(Manner::Kind);
    scene.relay.anshin(&["queue", "retry", "--all"]);
    eventually("the queue is empty", || scene.relay.queue(None).is_empty().then_some(()));
    assert_eq!(scene.hana.mailbox.received().iter().filter(|one| one.was_taken).count(), 0);
    let trace = scene.relay.trace(&["--message", &id]);
    let last = trace.last().unwrap();
    assert_eq!((&last["event"], &last["detail"]["by"]), (&"dropped".into(), &"sender".into()), "{trace:?}");
    assert_eq!((&last["detail"]["through"], &last["detail"]["user"]), (&"menu".into(), &"admin".into()));
    boss.get("/menu/history?all=1").is(200).says("メールの取りやめ").says("間に合いませんでした");
    assert_eq!(scene.relay.anshin(&["log", "verify"])["intact"], true);
}

fn a_held_document_is_sent_as_it_is_by_staff_and_by_nobody_who_only_reads(on: On) {
    let scene = Scene::new(on);
    let (account, order, mut boss) = of_two_addresses(&scene);
    let hold = || {
        let letter = Letter::new(&scene.watch, &scene.mise.address, &order.customer_alias);
        let (user, password) = (&account.user, &account.password);
        let server = scene.relay.submissions();
        let mut session = Client::log_in(server, &scene.watch, "mise", user, password).unwrap();
        let mail = with_document(&letter, OF_STORE);
        session.send(&scene.mise.address, &[&letter.to], &mail).unwrap().is("250 2.0.0").queue_ids().remove(0)
    };
    let (first, second) = (hold(), hold());
    let mut reader = invited(&scene, &mut boss, ("ume", "miru", "reader"));
    reader.get("/menu/").is(200).says("保留中のメールがあります</a> (2)");
    reader.get("/menu/leaving").is(200).says("メール送信の認証情報: 1").says("395 日");
    let page = reader.get("/menu/held").is(200).says("添付ファイル").says("U-1").says(&order.customer_alias);
    assert!(!page.body.contains("value=\"send\""), "{}", page.body);
    reader.post("/menu/held", &[("do", "send"), ("mail", &first)]).is(422).says("権限がない");
    let mut staff = invited(&scene, &mut boss, ("ume", "hakobu", "staff"));
    let page = staff.get("/menu/held").is(200);
    assert_eq!(page.body.matches("value=\"send\"").count(), 2, "{}", page.body);
    staff.post("/menu/held", &[("do", "send"), ("mail", &first)]).is(200).says("そのまま送ります");
    scene.hana.mailbox.wait_for(1);
    staff
        .post("/menu/held", &[("do", "withdraw"), ("mail", &second)])
        .is(200)
        .says("保留中のメールはありません");
    eventually("it is settled", || {
        staff.get(&format!("/menu/mail?id={first}")).is(200).body.contains("届きました").then_some(())
    });
    staff.get(&format!("/menu/mail?id={first}")).says("保留しました").says("保留を解いて").says("お店の判断");
    staff.get(&format!("/menu/mail?id={second}")).is(200).says("送信しませんでした");
    assert_eq!(scene.hana.mailbox.count(), 1);
    let page = boss
        .get("/menu/history?all=1")
        .is(200)
        .says("保留中のメールの送信")
        .says("メールの取りやめ")
        .says("hakobu");
    assert!(page.body.contains("権限がありません"), "{}", page.body);
}

#[test]
fn a_mail_is_listed_after_its_delivery_has_left_the_queue_as_long_as_the_log_has_it() {
    let scene = Scene::new(On::Sqlite);
    let mut boss = signed_in(&scene);
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.hana.mailbox.wait_for(1);
    eventually("all have ended", || scene.relay.queue(None).is_empty().then_some(()));
    let page = boss.get("/menu/mails").is(200).says("届きました");
    assert_eq!(count(&page.body), 1);
    behind(&scene, "DELETE FROM delivery");
    behind(&scene, "DELETE FROM message");
    let page = boss.get("/menu/mails").is(200).says("届きました").says("A-1001");
    assert_eq!(count(&page.body), 1);
    // Without a word of its end nobody claims one.
    behind(&scene, "DELETE FROM fact WHERE event = 'delivered'");
    boss.get("/menu/mails").is(200).says("記録がありません");
}

#[test]
fn a_customer_who_cannot_be_reached_is_told_of_and_what_he_has_held_is_not_shown() {
    let scene = Scene::new(On::Sqlite);
    let mut boss = signed_in(&scene);
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    scene.relay.anshin(&["queue", "suppress", "add", &scene.order.customer_alias]);
    boss.get("/menu/mails").is(200);
    let page = boss.post("/menu/mails", &[("order", "A-1001")]).is(200).says("いまはメールを送れません");
    assert_eq!(count(&page.body), 1);
    // Held by the operator before it reached the store: the store has no mail of it.
    scene.mise.mailbox.go_down();
    let id = scene.deliver(&scene.to_merchant()).is("250 2.0.0").queue_ids().remove(0);
    boss.get(&format!("/menu/mail?id={id}")).is(200).says("お客様から");
    eventually("it is held", || (scene.relay.run(&["queue", "hold", &id]).status == 0).then_some(()));
    boss.get(&format!("/menu/mail?id={id}")).is(404);
    boss.get("/menu/held").is(200).says("保留中のメールはありません");
    boss.post("/menu/held", &[("do", "withdraw"), ("mail", &id)]).is(422).says("見つかりません");
    assert_eq!(count(&boss.get("/menu/mails").is(200).body), 1);
    scene.mise.mailbox.come_back();
    scene.relay.anshin(&["queue", "release", &id]);
    eventually("it has arrived", || {
        boss.get(&format!("/menu/mail?id={id}")).body.contains("届きました").then_some(())
    });
}

#[test]
fn the_history_shows_the_store_s_own_logins_to_submission_and_one_person_s_lines() {
    let scene = Scene::new(On::Sqlite);
    let other = add_merchant(&scene.relay, "ume", &[&scene.taro.address]);
    let mut boss = signed_in(&scene);
    scene.submit(&scene.to_customer()).is("250 2.0.0");
    for (user, password) in [(&scene.account.user, "not the one"), (&other.user, "not the one")] {
        assert!(Client::log_in(scene.relay.submissions(), &scene.watch, "mise", user, password).is_err());
    }
    Client::log_in(scene.relay.submissions(), &scene.watch, "taro", &other.user, &other.password).unwrap();
    let page = boss
        .get("/menu/history?kind=smtp")
        .is(200)
        .says(&scene.account.user)
        .says("拒否")
        .says("ログイン</td>")
        .says("data-name=\"IPアドレス\">127.0.0.1<");
    assert_eq!(page.body.matches("<tr>").count(), 1 + 2, "its own two alone: {}", page.body);
    assert!(!page.body.contains(&other.user), "{}", page.body);
    let file = boss.get("/menu/history.csv?kind=smtp").is(200);
    assert_eq!(file.body.lines().count(), 1 + 2, "{}", file.body);
    // What one of several people did.
    let mut staff = invited(&scene, &mut boss, ("mise", "hakobu", "staff"));
    staff.get("/menu/mails").is(200);
    let seen = staff.get("/menu/history?kind=smtp").is(200).says(&scene.account.user);
    assert!(!seen.body.contains("127.0.0.1"), "addresses are the administrators': {}", seen.body);
    let page = boss.get("/menu/history?all=1").is(200).says("hakobu");
    let (id, _) = page.body.split_once("\">hakobu</option>").unwrap();
    let hers = id.rsplit('"').next().unwrap().to_owned();
    let page = boss.get(&format!("/menu/history?all=1&person={hers}")).is(200).says(">メール<");
    assert!(!page.body.contains("<span>admin"), "{}", page.body);
}

fn what_could_not_be_delivered_is_sent_once_more_either_way_and_arrives_once(on: On) {
    let scene = Scene::new(on);
    let mut boss = signed_in(&scene);
    let mut reader = invited(&scene, &mut boss, ("mise", "miru", "reader"));
    let lost = |refuses: &crate::relay::mailbox::Mailbox, send: &dyn Fn() -> String| {
        refuses.behave(Manner::Rcpt("550 5.7.1 not now".into()));
        let id = send();
        eventually("it has failed", || {
            scene.relay.queue(Some("failed")).iter().any(|row| row["queue_id"] == id.as_str()).then_some(())
        });
        refuses.behave(Manner::Kind);
        id
    };
    let letter = scene.to_customer();
    let out = lost(&scene.hana.mailbox, &|| scene.submit(&letter).is("250 2.0.0").queue_ids().remove(0));
    let question = scene.to_merchant();
    let came = lost(&scene.mise.mailbox, &|| scene.deliver(&question).is("250 2.0.0").queue_ids().remove(0));
    for (id, mailbox, letter, words) in [
        (&out, &scene.hana.mailbox, &letter, "自動での再送は終わりました"),
        (&came, &scene.mise.mailbox, &question, "受信側の設定"),
    ] {
        let path = format!("/menu/mail?id={id}");
        let page = reader.get(&path).is(200);
        assert!(!page.body.contains("value=\"again\""), "who only reads: {}", page.body);
        reader.post("/menu/mail", &[("do", "again"), ("mail", id)]).is(422).says("権限がない");
        boss.get(&path).is(200).says(words).says("再送できる期限").says("value=\"again\"");
        boss.post("/menu/mail", &[("do", "again"), ("mail", id)]).is(200).says("もう一度送ります");
        eventually("it is delivered", || {
            boss.get(&path).is(200).body.contains("メールサーバーに届けました").then_some(())
        });
        let arrived = mailbox.received();
        let of_it = arrived.iter().filter(|one| one.was_taken && told(one).0 == letter.subject);
        assert_eq!(of_it.count(), 1, "once");
        boss.get(&path).says("もう一度送ることにしました(お店の判断)");
        boss.post("/menu/mail", &[("do", "again"), ("mail", id)]).is(422).says("すでに終わって");
    }
    // Its address is another by now: the text was made for the old one.
    let late = Letter::new(&scene.watch, &scene.mise.address, &scene.order.customer_alias);
    let late = lost(&scene.hana.mailbox, &|| scene.submit(&late).is("250 2.0.0").queue_ids().remove(0));
    scene.relay.anshin(&["order", "close", "--store-id", "mise", "--order-no", "A-1001"]);
    boss.post("/menu/mail", &[("do", "again"), ("mail", &late)]).is(422).says("終了しています");
    boss.get("/menu/history?all=1").is(200).says("届かなかったメールの再送");
    assert_eq!(scene.relay.anshin(&["log", "verify"])["intact"], true);
}

#[test]
fn a_customer_s_mail_is_delivered_once_more_to_the_address_that_mail_goes_to_alone() {
    let scene = Scene::new(On::Sqlite);
    let (_, order, mut boss) = of_two_addresses(&scene);
    scene.mise.mailbox.behave(Manner::Rcpt("550 5.7.1 not now".into()));
    let letter = Letter::new(&scene.watch, &scene.hana.address, &order.merchant_alias);
    let id = scene.deliver(&letter).is("250 2.0.0").queue_ids().remove(0);
    let path = format!("/menu/mail?id={id}");
    eventually("it has failed", || boss.get(&path).is(200).body.contains("value=\"again\"").then_some(()));
    scene.mise.mailbox.behave(Manner::Kind);
    // The first one is gone, or in strange hands.
    scene.relay.anshin(&["merchant", "address", "first", "--store-id", "ume", "--address", STORE]);
    let page = boss.get(&path).is(200);
    assert!(!page.body.contains("value=\"again\""), "{}", page.body);
    boss.post("/menu/mail", &[("do", "again"), ("mail", &id)]).is(422).says("アドレスが変わった");
    let mailbox = scene.mise.mailbox.received();
    assert!(mailbox.iter().all(|one| !one.was_taken || told(one).0 != letter.subject));
}
