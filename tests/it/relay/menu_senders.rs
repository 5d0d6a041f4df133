//! 登録メールアドレス: the addresses from which a store sends, changed in the menu while its programs run.

use super::browser::Browser;
use super::client::Client;
use super::letter::{Letter, header};
use super::menu::{OWN, signed_in, told};
use super::process::{On, on_both_databases};
use super::scene::{Scene, add_merchant, open_order};
use crate::peer::eventually;
use std::time::{Duration, Instant};

on_both_databases! {
    an_address_is_a_sender_once_its_code_came_back_and_none_once_it_was_taken_off,
    copies_go_to_the_sender_who_asks_for_them_once,
}

/// The code that went to somebody.
fn code(scene: &Scene, to: &str) -> String {
    let mail = eventually("the code is there", || {
        let is_it = |mail: &&super::mailbox::Received| {
            mail.forward_paths.iter().any(|own| own.contains(to))
                && told(mail).0.contains("登録メールアドレスの確認")
        };
        scene.mise.mailbox.received().iter().rfind(is_it).map(told)
    });
    let code = mail.1.split("確認コード: ").nth(1).unwrap().lines().next().unwrap().trim().to_owned();
    scene.watch.secret(&code);
    code
}

/// A session asks anew what is older than a second.
fn a_second_later() {
    let since = Instant::now();
    eventually("a second is over", || (since.elapsed() > Duration::from_millis(1100)).then_some(()));
}

fn id(browser: &mut Browser, address: &str) -> String {
    let page = browser.get("/menu/senders").is(200);
    let (_, section) =
        page.body.split_once(&format!("\">{address}")).unwrap_or_else(|| panic!("{}", page.body));
    let (_, id) = section.split_once("name=\"sender\" value=\"").unwrap();
    id.split('"').next().unwrap().to_owned()
}

fn add(scene: &Scene, browser: &mut Browser, address: &str) {
    browser.get("/menu/senders").is(200);
    browser
        .post("/menu/senders", &[("do", "add"), ("address", address)])
        .is(200)
        .says("確認コードを送りました");
    let code = code(scene, address);
    browser.post("/menu/senders", &[("do", "confirm"), ("code", &code)]).is(200).says("登録しました");
}

fn an_address_is_a_sender_once_its_code_came_back_and_none_once_it_was_taken_off(on: On) {
    let scene = Scene::new(on);
    let mut browser = signed_in(&scene);
    let new = format!("nigo.{}", scene.mise.address);
    // A program's session that goes on all the while.
    let mut program = scene.merchant().unwrap();
    let mut send = |text: &str| {
        let mut letter = Letter::new(&scene.watch, &new, &scene.order.customer_alias);
        letter.text.push_str(text);
        program.send(&new, &[&letter.to], &letter.bytes()).unwrap()
    };
    send("").is("553 5.7.1");
    browser.get("/menu/senders").is(200).says(&scene.mise.address).says("店舗のメールの届け先");
    let asked = [("do", "add"), ("address", new.as_str()), ("name", "二号店"), ("copies", "")];
    browser.post("/menu/senders", &asked).is(200).says("確認コードを送りました").says(&new);
    let code = code(&scene, &new);
    send("").is("553 5.7.1");
    for wrong in ["", "abcde-fghij-klmno-pqrst"] {
        browser.post("/menu/senders", &[("do", "confirm"), ("code", wrong)]).is(422).says("確認コードが違う");
    }
    let typed = code.replace('-', "").to_uppercase();
    browser.post("/menu/senders", &[("do", "confirm"), ("code", &typed)]).is(200).says("登録しました");
    browser.post("/menu/senders", &[("do", "confirm"), ("code", &code)]).is(422).says("確認コードが違う");
    // The session of before may use it within a second.
    a_second_later();
    send("").is("250");
    let got = scene.hana.mailbox.wait_for(1);
    let from = header(&got[0].bytes, "From").unwrap();
    assert!(from.contains(&scene.order.merchant_alias), "{from}");
    let name = mail_parser::MessageParser::default().parse(&got[0].bytes).unwrap();
    assert_eq!(name.from().unwrap().first().unwrap().name(), Some("二号店"));
    // Of the change the old address, the new one, and who administers (at the old one) are told, each once.
    let notices = |count: usize| {
        eventually("all are told", || {
            let received = scene.mise.mailbox.received();
            let is_notice =
                |mail: &&super::mailbox::Received| told(mail).0.contains("登録メールアドレスの変更");
            let to: Vec<String> =
                received.iter().filter(is_notice).map(|mail| mail.forward_paths.concat()).collect();
            (to.len() == count).then_some(to)
        })
    };
    let to = notices(2);
    assert_eq!(to.iter().filter(|to| to.contains(&new)).count(), 1, "{to:?}");
    let first = id(&mut browser, &scene.mise.address);
    browser
        .post("/menu/senders", &[("do", "end"), ("sender", &first)])
        .is(422)
        .says("届け先は削除できません");
    let second = id(&mut browser, &new);
    browser.post("/menu/senders", &[("do", "end"), ("sender", &second)]).is(200).says("削除しました");
    a_second_later();
    send("").is("553 5.7.1");
    notices(4);
    // It stays a secret: a signature that has it shows it to no customer (the watch looks).
    let before = scene.hana.mailbox.count();
    let mut letter = scene.to_customer();
    letter.text.push_str(&format!("\r\nnigo-ten {new}"));
    scene.submit(&letter).is("250");
    let got = scene.hana.mailbox.wait_for(before + 1);
    let text = String::from_utf8_lossy(&got[before].bytes).into_owned();
    assert!(text.contains("nigo-ten") && !text.contains(&new), "{text}");
    browser.get("/menu/history?all=1").is(200).says("アドレスの削除");
}

fn copies_go_to_the_sender_who_asks_for_them_once(on: On) {
    let scene = Scene::new(on);
    let mut browser = signed_in(&scene);
    let first = id(&mut browser, &scene.mise.address);
    let change = [("do", "change"), ("sender", first.as_str()), ("name", "花屋 本店"), ("copies", "yes")];
    browser.post("/menu/senders", &change).is(200).says("変更しました").says("value=\"花屋 本店\"");
    let copies = || {
        let received = scene.mise.mailbox.received();
        received.iter().filter(|mail| header(&mail.bytes, "Subject").unwrap().contains("Gochumon")).count()
    };
    scene.submit(&scene.to_customer()).is("250");
    eventually("the copy is there", || (copies() == 1).then_some(()));
    // A program that makes one itself gets one.
    let letter = scene.to_customer();
    let to = [letter.to.as_str(), scene.mise.address.as_str()];
    scene.merchant().unwrap().send(&scene.mise.address, &to, &letter.bytes()).unwrap().is("250");
    eventually("the second copy is there", || (copies() >= 2).then_some(()));
    let got = scene.hana.mailbox.wait_for(2);
    for mail in &got {
        let mail = mail_parser::MessageParser::default().parse(&mail.bytes).unwrap();
        assert_eq!(mail.from().unwrap().first().unwrap().name(), Some("花屋 本店"));
    }
    browser.get("/menu/senders");
    let change = [("do", "change"), ("sender", first.as_str()), ("name", "")];
    browser.post("/menu/senders", &change).is(200);
    let mut program = scene.merchant().unwrap();
    let letter = scene.to_customer();
    program.send(&scene.mise.address, &[&letter.to], &letter.bytes()).unwrap().is("250");
    scene.hana.mailbox.wait_for(3);
    eventually("nothing waits", || scene.relay.queue(Some("waiting")).is_empty().then_some(()));
    assert_eq!(copies(), 2);
}

#[test]
fn a_name_that_gives_somebody_away_is_refused_and_none_that_does_so_to_one_customer_is_shown_to_him() {
    let scene = Scene::new(On::Sqlite);
    let mut browser = signed_in(&scene);
    let first = id(&mut browser, &scene.mise.address);
    let local = |address: &str| address.split('@').next().unwrap().to_owned();
    let name = |browser: &mut Browser, name: &str| {
        browser.get("/menu/senders").is(200);
        browser.post("/menu/senders", &[("do", "change"), ("sender", &first), ("name", name)])
    };
    for wrong in [
        local(&scene.mise.address).as_str(),
        "hanaya.co.jp 03-1234-5678",
        "https://shop.example/contact",
        "mise＠hana",
        "花屋 ０９０１２３４５６７８",
    ] {
        name(&mut browser, wrong).is(422).says("電話番号");
    }
    // What no page can know: it is of one conversation. There the registered name stands in for it.
    let tanaka = open_order(&scene.relay, "mise", "ORD-T", &format!("tanaka@{}", scene.hana.domain));
    name(&mut browser, "Tanaka").is(200);
    let shown = |to: &str, count: usize| {
        let letter = Letter::new(&scene.watch, &scene.mise.address, to);
        scene.submit(&letter).is("250");
        let got = scene.hana.mailbox.wait_for(count);
        let mail = mail_parser::MessageParser::default().parse(&got[count - 1].bytes).unwrap();
        mail.from().unwrap().first().unwrap().name().unwrap_or_default().to_owned()
    };
    assert_eq!(shown(&scene.order.customer_alias, 1), "Tanaka");
    assert_eq!(shown(&tanaka.customer_alias, 2), "花屋 Hanaya");
}

#[test]
fn the_operator_makes_another_address_the_first_and_all_are_told() {
    let scene = Scene::new(On::Sqlite);
    let mut browser = signed_in(&scene);
    let new = format!("nigo.{}", scene.mise.address);
    let first = |address: &str| {
        scene.relay.run(&[
            "merchant",
            "address",
            "first",
            "--store-id",
            "mise",
            "--address",
            address,
            "--lost",
        ])
    };
    assert_eq!(first(&new).status, 1, "it is not registered");
    add(&scene, &mut browser, &new);
    let ran = first(&new);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    eventually("both are told", || {
        let received = scene.mise.mailbox.received();
        let is_it = |mail: &&super::mailbox::Received| told(mail).0.contains("届け先の変更");
        (received.iter().filter(is_it).count() == 2).then_some(())
    });
    // The store's mail goes there, and the one of before is an address like any.
    scene.deliver(&scene.to_merchant()).is("250");
    eventually("it went to the new one", || {
        let received = scene.mise.mailbox.received();
        let is_it = |mail: &&super::mailbox::Received| {
            header(&mail.bytes, "From").is_some_and(|from| {
                from.contains(&scene.order.merchant_alias) || from.contains(&scene.order.customer_alias)
            }) && mail.forward_paths.concat().contains(&new)
        };
        received.iter().find(is_it).map(|_| ())
    });
    // Whoever was signed in with the mailbox of before is so no more.
    browser.get("/menu/senders").says("店舗ID");
    browser.sign_in("mise", "admin", OWN).is(200);
    let old = id(&mut browser, &scene.mise.address);
    browser.post("/menu/senders", &[("do", "end"), ("sender", &old)]).is(200).says("削除しました");
    // Whoever has the mailbox of before gets no way into the menu: who had that address is written to at the new one.
    let mut lost = Browser::new(scene.relay.web(), &scene.watch, "mise");
    super::menu_forgotten::ask(&mut lost, &new).is(200);
    eventually("the code goes to the new one", || {
        let received = scene.mise.mailbox.received();
        let is_it = |mail: &&super::mailbox::Received| {
            let (title, text) = told(mail);
            title.contains("ID・パスワードのお問い合わせ")
                && text.contains("ユーザー名: admin")
                && mail.forward_paths.concat().contains(&new)
        };
        received.iter().find(is_it).map(|_| ())
    });
}

#[test]
fn only_who_may_changes_the_senders_of_his_own_store() {
    let scene = Scene::with(On::Sqlite, |setup| setup.key("web.proxies", "['127.0.0.1/32']"));
    let other = add_merchant(&scene.relay, "ume", &[&scene.taro.address]);
    scene.watch.secret(&other.menu_password);
    scene.watch.secret(OWN);
    scene.watch.secret(&scene.account.menu_password);
    let browser = |ip: &str, who: &str| Browser::new(scene.relay.web(), &scene.watch, who).from(ip);
    let mut home = browser("126.1.2.3", "mise");
    home.sign_in("mise", "", &scene.account.menu_password).is(200);
    home.change_password(&scene.account.menu_password, OWN).is(200);
    let second = format!("nigo.{}", scene.mise.address);
    add(&scene, &mut home, &second);
    let ids = [id(&mut home, &scene.mise.address), id(&mut home, &second)];
    for (address, why) in [
        ("no address", "形を確かめて"),
        ("x@shop.anshin.test", "使えません"),
        (second.as_str(), "登録されています"),
    ] {
        home.get("/menu/senders");
        home.post("/menu/senders", &[("do", "add"), ("address", address)]).is(422).says(why);
    }
    home.get("/menu/senders");
    home.post("/menu/senders", &[("do", "change"), ("sender", &ids[1]), ("name", "a@b")])
        .is(422)
        .says("@ より前");
    // Another store changes none of it, and a code of this store proves nothing there.
    home.post("/menu/senders", &[("do", "add"), ("address", &format!("sango.{second}"))]).is(200);
    let code = code(&scene, "sango.");
    let mut ume = browser("126.1.2.4", "taro");
    ume.sign_in("ume", "", &other.menu_password).is(200);
    const HIS: &str = "tanuki ga odoru 9 hiki";
    scene.watch.secret(HIS);
    ume.change_password(&other.menu_password, HIS).is(200);
    for fields in [
        [("do", "end"), ("sender", ids[1].as_str()), ("code", "")],
        [("do", "change"), ("sender", ids[1].as_str()), ("code", "")],
        [("do", "confirm"), ("sender", ""), ("code", code.as_str())],
    ] {
        ume.get("/menu/senders").is(200);
        ume.post("/menu/senders", &fields).is(422);
    }
    // After a sign-in from a new country nothing is added for a day; taking off waits for nothing.
    let mut away = browser("8.8.8.8", "mise");
    away.sign_in("mise", "admin", OWN).is(200);
    for fields in [
        [("do", "add"), ("address", "x@hana.test"), ("sender", "")],
        [("do", "confirm"), ("code", code.as_str()), ("sender", "")],
        [("do", "change"), ("sender", ids[1].as_str()), ("name", "x")],
    ] {
        away.get("/menu/senders").is(200);
        away.post("/menu/senders", &fields).is(422).says("新しい国・地域");
    }
    away.get("/menu/senders");
    away.post("/menu/senders", &[("do", "end"), ("sender", &ids[1])]).is(200).says("削除しました");
    let mut client = Client::log_in(
        scene.relay.submissions(),
        &scene.watch,
        "mise",
        &scene.account.user,
        &scene.account.password,
    )
    .unwrap();
    let letter = Letter::new(&scene.watch, &second, &scene.order.customer_alias);
    client.send(&second, &[&letter.to], &letter.bytes()).unwrap().is("553");
}

#[test]
fn a_process_that_serves_the_menu_alone_registers_addresses_and_sends_tests_that_others_take() {
    let scene = Scene::with_roles(On::Postgres, |setup| setup, &[&["ingress", "egress"], &["web"]]);
    let mut browser = signed_in(&scene);
    let new = format!("nigo.{}", scene.mise.address);
    add(&scene, &mut browser, &new);
    let letter = Letter::new(&scene.watch, &new, &scene.order.customer_alias);
    scene.merchant().unwrap().send(&new, &[&letter.to], &letter.bytes()).unwrap().is("250");
    let sender = id(&mut browser, &new);
    browser.get("/menu/test").is(200);
    browser.post("/menu/test", &[("do", "send"), ("sender", &sender)]).is(200).says("受付(送信元");
    eventually("the test is there", || {
        let received = scene.mise.mailbox.received();
        let is_it = |mail: &&super::mailbox::Received| {
            told(mail).0.contains("送信テスト") && mail.forward_paths.iter().any(|own| own.contains(&new))
        };
        received.iter().find(is_it).map(|_| ())
    });
    // From where its programs log in is sealed by ingress and opened there.
    browser.get("/menu/history?kind=smtp").is(200).says("data-name=\"IPアドレス\">127.0.0.1<");
}
