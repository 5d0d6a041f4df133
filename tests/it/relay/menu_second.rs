//! The second factor of the menu: asked for after the password, each code once.

use super::browser::{Browser, Page};
use super::menu::{OWN, mails, signed_in};
use super::process::{On, on_both_databases};
use super::scene::Scene;
use anshin::mail::Timestamp;
use anshin::vault::TotpSecret;

on_both_databases! {
    who_has_a_second_factor_is_in_only_once_it_was_shown_and_each_code_counts_once,
    who_finds_a_sign_in_that_was_not_his_ends_everything_at_once,
}

/// Sets one up: the secret, and the recovery codes.
fn set_up(scene: &Scene, browser: &mut Browser) -> (TotpSecret, Vec<String>) {
    browser.get("/menu/second-factor").is(200);
    let page = browser.post("/menu/second-factor", &[("do", "begin")]).is(200).says("<svg");
    let text = page.field("secret").unwrap();
    scene.watch.secret(&text);
    let secret = TotpSecret::parse(&text).unwrap();
    let set = |browser: &mut Browser, code: &str| {
        browser.post("/menu/second-factor", &[("do", "set"), ("secret", &text), ("code", code)])
    };
    set(browser, "000000x").is(422).says("コードが違います");
    let page = set(browser, &secret.code(step())).is(200).says("リカバリーコード");
    let codes: Vec<String> = page
        .body
        .split("<li><code>")
        .skip(1)
        .map(|rest| rest.split('<').next().unwrap().to_owned())
        .collect();
    assert_eq!(codes.len(), 10);
    for code in &codes {
        scene.watch.secret(&code.replace(' ', ""));
    }
    (secret, codes)
}

/// The step that runs.
fn step() -> i64 {
    Timestamp::now().as_millis() / 30_000
}

fn show(browser: &mut Browser, code: &str) -> Page {
    browser.post("/menu/second", &[("code", code)])
}

fn who_has_a_second_factor_is_in_only_once_it_was_shown_and_each_code_counts_once(on: On) {
    let scene = Scene::new(on);
    let mut owner = signed_in(&scene);
    let begun = step();
    let (secret, codes) = set_up(&scene, &mut owner);
    owner.get("/menu/").is(200).says("花屋 Hanaya");
    owner.get("/menu/second-factor").is(200).says("残りのリカバリーコード: 10");

    let mut other = Browser::new(scene.relay.web(), &scene.watch, "mise");
    other.sign_in("mise", "admin", OWN).is(200).says("確認コードの入力");
    let half = other.cookies["__Host-anshin-menu"].clone();
    for path in ["/menu/", "/menu/people", "/menu/password", "/menu/history", "/menu/second-factor"] {
        other.get(path).is(200).says("確認コードの入力");
    }
    // The one by which it was set up was used; one that nobody knows is wrong.
    show(&mut other, &secret.code(begun)).is(401).says("すでに使われています");
    show(&mut other, "123").is(401);
    let next = secret.code(step() + 1);
    show(&mut other, &next).is(200).says("花屋 Hanaya");
    assert_ne!(other.cookies["__Host-anshin-menu"], half, "a new token");
    let mut third = Browser::new(scene.relay.web(), &scene.watch, "mise");
    third.sign_in("mise", "admin", OWN).is(200);
    show(&mut third, &next).is(401);
    third.cookies.insert("__Host-anshin-menu".into(), half);
    third.get("/menu/").says("店舗ID");

    // Without the app: each recovery code once.
    third.sign_in("mise", "admin", OWN).is(200);
    show(&mut third, &codes[3].to_uppercase()).is(200).says("花屋 Hanaya");
    let mut fourth = Browser::new(scene.relay.web(), &scene.watch, "mise");
    fourth.sign_in("mise", "admin", OWN).is(200);
    show(&mut fourth, &codes[3]).is(401);
    show(&mut fourth, &codes[4]).is(200).says("花屋 Hanaya");
    fourth.get("/menu/second-factor").says("残りのリカバリーコード: 8");

    fourth.post("/menu/second-factor", &[("do", "drop"), ("code", "000000x")]).is(422);
    fourth.get("/menu/second-factor");
    fourth.post("/menu/second-factor", &[("do", "drop"), ("code", &codes[5])]).is(200).says("設定を始める");
    owner.sign_in("mise", "admin", OWN).is(200).says("花屋 Hanaya");
    // Alert, password, set up, one about wrong codes however many, one alert of new browsers of a kind, taken off.
    let told = mails(&scene, 6);
    let count = |word: &str| told.iter().filter(|(title, _)| title.contains(word)).count();
    assert_eq!(
        (count("確認コードの誤り"), count("2段階認証の変更"), count("ログイン通知")),
        (1, 2, 2),
        "{told:?}"
    );
    let seen = owner.get("/menu/history").is(200);
    assert!(seen.body.matches("拒否").count() >= 4, "{}", seen.body);
}

#[test]
fn a_store_whose_people_have_lost_everything_gets_a_new_one_time_password_of_the_operator() {
    let scene = Scene::new(On::Sqlite);
    let reissue = |more: &[&str]| {
        let ran = scene.relay.anshin(&[&["merchant", "menu-password", "--store-id", "mise"], more].concat());
        let once = ran["menu"]["password"].as_str().unwrap().to_owned();
        scene.watch.secret(&once);
        once
    };
    // Before anybody came in: the first one is good no more.
    let once = reissue(&[]);
    let mut browser = Browser::new(scene.relay.web(), &scene.watch, "mise");
    browser.sign_in("mise", "", &scene.account.menu_password).is(401);
    browser.sign_in("mise", "", &once).is(200).says("変更が必要です");
    scene.watch.secret(OWN);
    browser.change_password(&once, OWN).is(200);
    set_up(&scene, &mut browser);
    let once = reissue(&["--without-second-factor"]);
    browser.get("/menu/").says("店舗ID");
    browser.sign_in("mise", "admin", OWN).is(401);
    browser.sign_in("mise", "admin", &once).is(200).says("変更が必要です");
    let none = scene.relay.run(&["merchant", "menu-password", "--store-id", "nowhere"]);
    assert!(none.status == 1 && none.stdout.contains("no such store"), "{}{}", none.stdout, none.stderr);
    let none = scene.relay.run(&["merchant", "menu-password", "--store-id", "mise", "--name", "nobody"]);
    assert_eq!(none.status, 1, "{}", none.stdout);
}

fn who_finds_a_sign_in_that_was_not_his_ends_everything_at_once(on: On) {
    let scene = Scene::new(on);
    let mut owner = signed_in(&scene);
    let mut thief = Browser::new(scene.relay.web(), &scene.watch, "mise");
    thief.sign_in("mise", "admin", OWN).is(200);
    assert!(scene.merchant().is_ok());
    owner.get("/menu/history").is(200).says("/menu/not-me");
    // The thief would have an address of his own registered.
    let claimed = &format!("nusumi.{}", scene.mise.address);
    thief.get("/menu/senders").is(200);
    thief.post("/menu/senders", &[("do", "add"), ("address", claimed.as_str())]).is(200).says(claimed);
    owner.get("/menu/senders").is(200).says(claimed);
    owner.get("/menu/not-me").is(200).says("すぐに行います");
    owner.post("/menu/not-me", &[("credentials", "yes")]).is(200).says("変更が必要です");
    thief.get("/menu/").says("店舗ID");
    assert!(scene.merchant().is_err(), "what the store sent with has ended");
    const NEXT: &str = "penguin wa tobanai 5";
    scene.watch.secret(NEXT);
    owner.change_password(OWN, NEXT).is(200);
    let page = owner.get("/menu/senders").is(200);
    assert!(!page.body.contains(claimed.as_str()), "no code proves it any more: {}", page.body);
    thief.sign_in("mise", "admin", OWN).is(401);
    let told = mails(&scene, 6);
    assert!(
        told.iter().any(|(title, text)| title.contains("届け出") && text.contains("終了しました")),
        "{told:?}"
    );
    let look = ["--actor", "a", "--purpose", "audit", "--case", "1"];
    let found = scene.relay.anshin(&[&["log", "search", "event:menu_alarm"], &look[..]].concat());
    assert!(found.to_string().contains("menu_alarm"), "{found}");
}
