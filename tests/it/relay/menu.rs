//! The menu from outside: people of a store sign in, change what is theirs, see what was done, and are told.

use super::browser::Browser;
use super::process::{On, on_both_databases};
use super::scene::{Scene, add_merchant};
use mail_parser::MessageParser;

on_both_databases! {
    the_first_person_comes_in_with_the_one_time_password_once_and_has_to_change_it,
    who_is_invited_gets_a_password_by_mail_and_may_what_the_role_says,
    sessions_are_listed_and_end_everywhere_at_once,
    the_access_log_has_every_request_and_shows_it_to_the_store,
}

/// A password that nobody tries first.
pub const OWN: &str = "umineko no asagohan 7";

/// A browser of the store, its first person signed in with a password of his own.
pub fn signed_in(scene: &Scene) -> Browser {
    scene.watch.secret(OWN);
    scene.watch.secret(&scene.account.menu_password);
    let mut browser = Browser::new(scene.relay.web(), &scene.watch, "mise");
    let first = browser.sign_in("mise", "", &scene.account.menu_password);
    first.is(200).says("変更が必要です");
    browser.change_password(&scene.account.menu_password, OWN).is(200).says("パスワードを変更しました");
    browser
}

/// The subjects and texts of what arrived at the store.
pub fn mails(scene: &Scene, count: usize) -> Vec<(String, String)> {
    scene.mise.mailbox.wait_for(count).iter().map(told).collect()
}

/// Subject and text of a mail.
pub fn told(received: &super::mailbox::Received) -> (String, String) {
    let mail = MessageParser::default().parse(&received.bytes).unwrap();
    let text = mail.body_text(0).unwrap().into_owned();
    (mail.subject().unwrap().to_owned(), text)
}

fn the_first_person_comes_in_with_the_one_time_password_once_and_has_to_change_it(on: On) {
    let scene = Scene::new(on);
    let (once, web) = (scene.account.menu_password.clone(), scene.relay.web());
    scene.watch.secret(&once);
    scene.watch.secret(OWN);
    let mut browser = Browser::new(web, &scene.watch, "mise");
    browser.get("/menu/").is(200).says("店舗ID");
    browser.sign_in("mise", "", &once).is(200).says("変更が必要です");
    // Until then there is nothing else.
    for path in ["/menu/", "/menu/people", "/menu/history", "/menu/devices"] {
        browser.get(path).is(200).says("変更が必要です");
    }
    for (new, why) in [
        ("short", "8文字以上"),
        ("password1", "多くの人"),
        ("12345678abc", "単純"),
        ("mise-mise", "推測"),
        (once.as_str(), "同じ"),
    ] {
        browser.change_password(&once, new).is(422).says(why);
    }
    browser.change_password("wrong wrong", OWN).is(422).says("違います");
    browser.change_password(&once, OWN).is(200).says("パスワードを変更しました");
    browser.get("/menu/").is(200).says("花屋 Hanaya").says(&scene.account.public_alias);
    browser.get("/menu/?lang=en").is(200).says("Public address");
    browser.get("/menu/devices").is(200).says("this one").says("Firefox / Windows");
    browser.post("/menu/sign-out", &[]).is(200).says("Store ID");
    browser.get("/menu/").is(200).says("Store ID");

    let mut other = Browser::new(web, &scene.watch, "mise");
    other.sign_in("mise", "", &once).is(401).says("いずれかが違います");
    other.sign_in("mise", "admin", OWN).is(200).says("花屋 Hanaya");
    // The alert about the first sign-in, the change, the alert about the other browser.
    let told = mails(&scene, 3);
    let (title, text) = &told[0];
    assert!(title.starts_with("[Anshin Mail] ログイン通知 / Login Notification (20"), "{title}");
    assert!(title.ends_with(" UTC)"), "nobody knows where loopback is: {title}");
    for line in ["IPアドレス: 127.0.0.1", "国・地域: Unknown Location", "a new device", "User name: admin"]
    {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("http"), "no link:\n{text}");
    assert!(told[1].0.contains("パスワード変更"), "{told:?}");
    assert!(told[2].1.contains("新しい端末") && !told[2].1.contains("新しい国"), "{told:?}");
    // Another of the same kind and network is told no second time within minutes, and the same browser again is no news.
    Browser::new(web, &scene.watch, "mise").sign_in("mise", "admin", OWN).is(200).says("花屋 Hanaya");
    other.post("/menu/sign-out", &[]);
    other.sign_in("mise", "admin", OWN).is(200).says("花屋 Hanaya");
    assert_eq!(scene.mise.mailbox.count(), 3);
}

fn who_is_invited_gets_a_password_by_mail_and_may_what_the_role_says(on: On) {
    let scene = Scene::new(on);
    let mut boss = signed_in(&scene);
    let address = format!("hanako.{}", scene.mise.address);
    let invite = |boss: &mut Browser, name: &str, address: &str, role: &str| {
        boss.get("/menu/people").is(200);
        boss.post("/menu/people", &[("do", "invite"), ("name", name), ("address", address), ("role", role)])
    };
    invite(&mut boss, "hanako", &address, "staff").is(200).says("招待のメールを送りました").says(&address);
    invite(&mut boss, "Hanako", &address, "staff").is(422).says("使われています");
    invite(&mut boss, "花子", &address, "staff").is(422).says("英小文字");
    invite(&mut boss, "taro", "no address", "staff").is(422).says("形を確かめて");
    invite(&mut boss, "taro", "x@shop.anshin.test", "staff").is(422).says("使えません");

    // Alert, change of password, invitation, and what the administrators are told.
    let told = mails(&scene, 4);
    let (_, invitation) = told.iter().find(|(title, _)| title.contains("招待")).unwrap();
    let once =
        invitation.split("初回用パスワード: ").nth(1).unwrap().lines().next().unwrap().trim().to_owned();
    scene.watch.secret(&once);
    assert!(
        told.iter().any(|(title, text)| title.contains("使う人の変更") && text.contains("担当者")),
        "{told:?}"
    );

    let mut hanako = Browser::new(scene.relay.web(), &scene.watch, "mise");
    hanako.sign_in("mise", "hanako", &once).is(200).says("変更が必要です");
    const HERS: &str = "kirin ga sanpo suru 3";
    scene.watch.secret(HERS);
    hanako.change_password(&once, HERS).is(200);
    hanako.get("/menu/people").is(403).says("権限がありません");
    let page = hanako.get("/menu/").is(200);
    assert!(!page.body.contains("/menu/people"));
    // Forms of the page that she may not open are refused too.
    hanako
        .post(
            "/menu/people",
            &[("do", "invite"), ("name", "x"), ("address", &address), ("role", "administrator")],
        )
        .is(403);

    let id = |boss: &mut Browser, name: &str| {
        let page = boss.get("/menu/people").is(200);
        let (_, row) = page.body.split_once(&format!("<span>{name}")).unwrap();
        let (_, id) = row.split_once("name=\"person\" value=\"").unwrap();
        id.split('"').next().unwrap().to_owned()
    };
    let hers = id(&mut boss, "hanako");
    boss.post("/menu/people", &[("do", "role"), ("person", &hers), ("role", "administrator")]).is(200);
    hanako.get("/menu/").is(200).says("店舗ID");
    hanako.sign_in("mise", "hanako", HERS).is(200);
    hanako.get("/menu/people").is(200).says("管理者");
    // Her page has a form for him, his has one for her: what it has of him he can't do to himself.
    let his = id(&mut hanako, "admin");
    boss.get("/menu/people");
    boss.post("/menu/people", &[("do", "remove"), ("person", &his)]).is(422).says("自分自身");
    boss.get("/menu/people");
    boss.post("/menu/people", &[("do", "remove"), ("person", &hers)]).is(200).says("削除しました");
    hanako.get("/menu/").is(200).says("店舗ID");
    hanako.sign_in("mise", "hanako", HERS).is(401);
}

fn sessions_are_listed_and_end_everywhere_at_once(on: On) {
    let scene = Scene::new(on);
    let mut here = signed_in(&scene);
    let mut there = Browser::new(scene.relay.web(), &scene.watch, "mise");
    there.sign_in("mise", "admin", OWN).is(200);
    let mut elsewhere = Browser::new(scene.relay.web(), &scene.watch, "mise");
    elsewhere.sign_in("mise", "admin", OWN).is(200);
    let page = here.get("/menu/devices").is(200);
    assert_eq!(page.body.matches("name=\"session\"").count(), 3);
    // The last that signed in stands first.
    let last = page.field("session").unwrap();
    here.post("/menu/devices", &[("do", "end"), ("session", &last)]).is(200);
    elsewhere.get("/menu/").says("店舗ID");
    there.get("/menu/").says("花屋 Hanaya");
    here.post("/menu/devices", &[("do", "end-others")]).is(200);
    there.get("/menu/").says("店舗ID");
    here.get("/menu/").says("花屋 Hanaya");
    // A changed password ends what began with the one before.
    there.sign_in("mise", "admin", OWN).is(200);
    const NEXT: &str = "penguin wa tobanai 5";
    scene.watch.secret(NEXT);
    here.change_password(OWN, NEXT).is(200);
    there.get("/menu/").says("店舗ID");
    here.get("/menu/").says("花屋 Hanaya");
}

fn the_access_log_has_every_request_and_shows_it_to_the_store(on: On) {
    let scene = Scene::new(on);
    let other = add_merchant(&scene.relay, "ume", &[&scene.taro.address]);
    scene.watch.secret(&other.menu_password);
    let mut browser = signed_in(&scene);
    for path in ["/menu/", "/menu/people", "/menu/devices", "/menu/nothing", "/menu/history"] {
        browser.get(path);
    }
    let mut stranger = Browser::new(scene.relay.web(), &scene.watch, "nobody");
    stranger.sign_in("mise", "admin", "not the right one").is(401);
    stranger.sign_in("ume", "admin", "not the right one").is(401);
    let page = browser.get("/menu/history?all=1").is(200);
    for word in ["ホーム", "使う人", "ログイン中の端末", "パスワードの変更", "127.0.0.1"]
    {
        assert!(page.body.contains(word), "{word}: {}", page.body);
    }
    // Sign-ins alone: that of the first person, and the one that was refused; not that of the other store.
    let page = browser.get("/menu/history").is(200).says("拒否").says("いまのログイン");
    assert_eq!(page.body.matches("<tr>").count(), 1 + 2, "{}", page.body);
    let file = browser.get("/menu/history.csv?all=1").is(200);
    assert!(file.header("Content-Disposition").unwrap().contains("history.csv"));
    assert!(
        file.body.lines().count() > 8
            && file.body.contains("\"ログイン\",\"ログイン\",\"拒否\",\"127.0.0.1\"")
    );
    // The desk finds the same, and the tree has it.
    let found = scene.relay.anshin(&[
        "log",
        "search",
        "event:menu_refused",
        "--actor",
        "a",
        "--purpose",
        "audit",
        "--case",
        "1",
    ]);
    assert!(found.to_string().contains("menu_refused"), "{found}");
    let verified = scene.relay.anshin(&["log", "verify"]);
    assert_eq!(verified["intact"], true, "{verified}");
}
