//! メールサーバ設定情報: what a store's programs submit mail with, changed in the menu while they run.

use super::browser::{Browser, Page};
use super::client::Client;
use super::menu::{OWN, mails, signed_in};
use super::process::{On, on_both_databases};
use super::scene::{Scene, add_merchant};

on_both_databases! {
    a_credential_is_replaced_under_a_running_program_without_one_refused_mail,
}

/// User name and password of the page that shows them once.
fn made(scene: &Scene, page: &Page) -> (String, String) {
    let (_, section) = page.body.split_once("id=\"made\"").unwrap_or_else(|| panic!("{}", page.body));
    let codes: Vec<&str> =
        section.split("<code>").skip(1).map(|rest| rest.split("</code>").next().unwrap()).collect();
    assert!(codes[1].starts_with("ansm_"), "{codes:?}");
    scene.watch.secret(codes[1]);
    (codes[0].to_owned(), codes[1].to_owned())
}

fn can_submit(scene: &Scene, user: &str, password: &str) -> bool {
    let Ok(mut client) = Client::log_in(scene.relay.submissions(), &scene.watch, "mise", user, password)
    else {
        return false;
    };
    let letter = scene.to_customer();
    client.send(&scene.mise.address, &[&letter.to], &letter.bytes()).unwrap().is("250");
    true
}

fn a_credential_is_replaced_under_a_running_program_without_one_refused_mail(on: On) {
    let scene = Scene::new(on);
    let mut browser = signed_in(&scene);
    let page = browser.get("/menu/mail-server").is(200).says("relay.anshin.test");
    for port in [scene.relay.submission().port(), scene.relay.submissions().port()] {
        assert!(page.body.contains(&format!("<code>{port}</code>")), "{port}: {}", page.body);
    }
    let old = (scene.account.user.clone(), scene.account.password.clone());
    assert!(can_submit(&scene, &old.0, &old.1));
    let page =
        browser.post("/menu/mail-server", &[("do", "replace"), ("user", &old.0), ("overlap", "7")]).is(200);
    let new = made(&scene, &page);
    // Both go on, and the page says that the old one is still used.
    assert!(can_submit(&scene, &old.0, &old.1) && can_submit(&scene, &new.0, &new.1));
    let page = browser.get("/menu/mail-server").is(200).says("まだ使われています: 1").says("127.0.0.0/24");
    assert!(!page.body.contains(&new.1), "it was shown once");
    browser.post("/menu/mail-server", &[("do", "end"), ("user", &old.0)]).is(200).says("終了しました");
    assert!(!can_submit(&scene, &old.0, &old.1) && can_submit(&scene, &new.0, &new.1));
    browser.get("/menu/mail-server");
    browser.post("/menu/mail-server", &[("do", "end"), ("user", &old.0)]).is(422).says("すでに終了");
    // From where it may be used.
    browser.get("/menu/mail-server");
    let limit = [("do", "limit"), ("user", new.0.as_str()), ("networks", "192.0.2.0/24 2001:db8::/32")];
    browser.post("/menu/mail-server", &limit).is(200).says("192.0.2.0/24 2001:db8::/32");
    assert!(!can_submit(&scene, &new.0, &new.1));
    let wrong = [("do", "limit"), ("user", new.0.as_str()), ("networks", "192.0.2.1/24")];
    browser.post("/menu/mail-server", &wrong).is(422).says("の形で");
    // An empty field lifts no limit; who wants that says so.
    let empty = [("do", "limit"), ("user", new.0.as_str()), ("networks", " ")];
    browser.post("/menu/mail-server", &empty).is(422).says("どちらか一方");
    assert!(!can_submit(&scene, &new.0, &new.1));
    let anywhere = [("do", "limit"), ("user", new.0.as_str()), ("anywhere", "yes")];
    browser.post("/menu/mail-server", &anywhere).is(200).says("制限なし");
    assert!(can_submit(&scene, &new.0, &new.1));
    // One for each program.
    let page = browser.post("/menu/mail-server", &[("do", "add"), ("name", "在庫システム")]).is(200);
    let other = made(&scene, &page);
    assert!(can_submit(&scene, &other.0, &other.1));
    browser.get("/menu/mail-server");
    browser.post("/menu/mail-server", &[("do", "add"), ("name", "在庫システム")]).is(422).says("別の名前");
    // Alert, password, and five changes: the administrators are told of each.
    let told = mails(&scene, 7);
    assert_eq!(told.iter().filter(|(title, _)| title.contains("認証情報の変更")).count(), 5, "{told:?}");
}

#[test]
fn a_reader_and_another_store_change_no_credential() {
    let scene = Scene::new(On::Sqlite);
    let other = add_merchant(&scene.relay, "ume", &[&scene.taro.address]);
    scene.watch.secret(&other.menu_password);
    let mut boss = signed_in(&scene);
    boss.get("/menu/mail-server");
    boss.post("/menu/mail-server", &[("do", "end"), ("user", &other.user)]).is(422).says("すでに終了");
    boss.get("/menu/people");
    let address = format!("reader.{}", scene.mise.address);
    let invite = [("do", "invite"), ("name", "reader"), ("address", address.as_str()), ("role", "reader")];
    boss.post("/menu/people", &invite).is(200);
    let told = mails(&scene, 4);
    let (_, invitation) = told.iter().find(|(title, _)| title.contains("招待")).unwrap();
    let once =
        invitation.split("初回用パスワード: ").nth(1).unwrap().lines().next().unwrap().trim().to_owned();
    scene.watch.secret(&once);
    let mut reader = Browser::new(scene.relay.web(), &scene.watch, "mise");
    reader.sign_in("mise", "reader", &once).is(200);
    const HERS: &str = "kirin ga sanpo suru 3";
    scene.watch.secret(HERS);
    reader.change_password(&once, HERS).is(200);
    let page = reader.get("/menu/mail-server").is(200).says(&scene.account.user);
    assert!(!page.body.contains("value=\"replace\""));
    for what in ["add", "replace", "end", "limit"] {
        let fields = [("do", what), ("user", scene.account.user.as_str()), ("name", "x")];
        reader.post("/menu/mail-server", &fields).is(422);
    }
    assert!(can_submit(&scene, &scene.account.user, &scene.account.password));
    assert_ne!(OWN, HERS);
}
