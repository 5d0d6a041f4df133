//! What keeps others out of a store's menu, and tells the store where a sign-in came from.

use super::browser::{Browser, Page};
use super::menu::{OWN, mails, signed_in};
use super::process::On;
use super::scene::{Scene, add_merchant};

fn proxied() -> Scene {
    Scene::with(On::Sqlite, |setup| setup.key("web.proxies", "['127.0.0.1/32']").key("menu.brand", "'楽市'"))
}

#[test]
fn the_alert_has_the_time_of_japan_from_japan_and_of_utc_from_elsewhere_and_changes_wait_after_a_new_country()
{
    let scene = proxied();
    scene.watch.secret(OWN);
    let browser = |ip: &str| Browser::new(scene.relay.web(), &scene.watch, "mise").from(ip);
    let mut home = browser("126.1.2.3");
    home.sign_in("mise", "", &scene.account.menu_password).is(200);
    home.change_password(&scene.account.menu_password, OWN).is(200);
    let mut away = browser("8.8.8.8");
    away.sign_in("mise", "admin", OWN).is(200).says("変更はできません");
    let mut nowhere = browser("10.1.2.3");
    nowhere.sign_in("mise", "admin", OWN).is(200);
    let told = mails(&scene, 4);
    let alert = |ip: &str| told.iter().find(|(_, text)| text.contains(&format!("IP address: {ip}"))).unwrap();
    for (ip, zone, country) in
        [("126.1.2.3", "JST)", "JP"), ("8.8.8.8", "UTC)", "US"), ("10.1.2.3", "UTC)", "Unknown Location")]
    {
        let (title, text) = alert(ip);
        assert!(
            title.starts_with("[楽市] ログイン通知 / Login Notification (20") && title.ends_with(zone),
            "{title}"
        );
        assert!(text.contains(&format!("Country or region: {country}")), "{text}");
    }
    assert!(alert("8.8.8.8").1.contains("a new country"));
    // For a day nobody is invited by who came from there; whoever has the password has the mailbox told, not the store.
    let address = format!("x.{}", scene.mise.address);
    let invite = [("do", "invite"), ("name", "x"), ("address", address.as_str()), ("role", "staff")];
    for browser in [&mut away, &mut home] {
        browser.get("/menu/people").is(200);
        browser.post("/menu/people", &invite).is(422).says("新しい国・地域");
    }
}

#[test]
fn forms_of_others_and_words_of_others_change_nothing() {
    let scene = Scene::new(On::Sqlite);
    let mut browser = signed_in(&scene);
    let page = browser.get("/menu/devices").is(200);
    let word = page.field("word").unwrap();
    let mut other = Browser::new(scene.relay.web(), &scene.watch, "mise");
    other.sign_in("mise", "admin", OWN).is(200);
    let others = other.get("/menu/devices").field("word").unwrap();
    let fields = [("do", "end-others")];
    for (word, more) in [
        ("", "Sec-Fetch-Site: same-origin\r\n"),
        ("wrong", "Sec-Fetch-Site: same-origin\r\n"),
        (&others, "Sec-Fetch-Site: same-origin\r\n"),
        (&word, "Sec-Fetch-Site: cross-site\r\n"),
        (&word, "Origin: https://evil.test\r\n"),
        (&word, "Origin: null\r\n"),
    ] {
        browser.post_with("/menu/devices", word, &fields, more).is(403);
    }
    other.get("/menu/").says("花屋 Hanaya");
    // By GET nothing is done, whatever it says.
    browser.get(&format!("/menu/devices?do=end-others&word={word}")).is(200);
    browser.get(&format!("/menu/sign-out?word={word}")).is(200);
    browser.get("/menu/").says("花屋 Hanaya");
    other.get("/menu/").says("花屋 Hanaya");
    browser.post_with("/menu/devices", &word, &fields, "Origin: https://menu.anshin.test\r\n").is(303);
    other.get("/menu/").says("店舗ID");
    // Nobody is signed in by a form that was made elsewhere.
    let mut fresh = Browser::new(scene.relay.web(), &scene.watch, "mise");
    let fields = [("store", "mise"), ("name", "admin"), ("password", OWN)];
    fresh.post_with("/menu/sign-in", "", &fields, "").is(403);
    assert!(!fresh.cookies.contains_key("__Host-anshin-menu"));
}

#[test]
fn a_session_is_its_token_s_alone_and_another_store_s_ids_are_nobody_s() {
    let scene = Scene::new(On::Sqlite);
    let other = add_merchant(&scene.relay, "ume", &[&scene.taro.address]);
    scene.watch.secret(&other.menu_password);
    let mut mise = signed_in(&scene);
    let mut ume = Browser::new(scene.relay.web(), &scene.watch, "taro");
    ume.sign_in("ume", "", &other.menu_password).is(200);
    const HIS: &str = "tanuki ga odoru 9 hiki";
    scene.watch.secret(HIS);
    ume.change_password(&other.menu_password, HIS).is(200);
    let session = mise.get("/menu/devices").field("session").unwrap();
    ume.get("/menu/devices").is(200);
    ume.post("/menu/devices", &[("do", "end"), ("session", &session)]).is(200);
    mise.get("/menu/").says("花屋 Hanaya");
    let seen = ume.get("/menu/history?all=1").is(200);
    assert!(!seen.body.contains("mise"));
    // A token is taken as it is or not at all, and a new one comes with each sign-in.
    let token = mise.cookies["__Host-anshin-menu"].clone();
    for wrong in [token[..51].to_owned(), token.to_uppercase(), format!("{token}a"), "a".repeat(52)] {
        mise.cookies.insert("__Host-anshin-menu".into(), wrong);
        mise.get("/menu/").says("店舗ID");
    }
    mise.cookies.insert("__Host-anshin-menu".into(), token.clone());
    mise.get("/menu/").says("花屋 Hanaya");
    mise.post("/menu/sign-out", &[]);
    mise.cookies.insert("__Host-anshin-menu".into(), token.clone());
    mise.get("/menu/").says("店舗ID");
    mise.sign_in("mise", "admin", OWN).is(200);
    assert_ne!(mise.cookies["__Host-anshin-menu"], token);
    // A device that others use keeps nothing.
    let mut shared = Browser::new(scene.relay.web(), &scene.watch, "mise");
    shared.get("/menu/sign-in");
    let fields = [("store", "mise"), ("name", "admin"), ("password", OWN), ("shared", "yes")];
    shared.post("/menu/sign-in", &fields).is(200).says("花屋 Hanaya");
    assert!(!shared.cookies.contains_key("__Host-anshin-device"));
}

#[test]
fn every_way_of_being_wrong_looks_the_same_and_guesses_are_refused_without_a_look() {
    let scene = proxied();
    let browser = |ip: &str| Browser::new(scene.relay.web(), &scene.watch, "nobody").from(ip);
    let without = |page: Page| {
        let word = page.field("word").unwrap();
        page.body.replace(&word, "WORD")
    };
    let mut answers = Vec::new();
    for (store, name) in [("mise", "admin"), ("nowhere", "admin"), ("mise", "nobody"), ("", "")] {
        let page = browser("192.0.2.9").sign_in(store, name, "a wrong password").is(401);
        answers.push(
            without(page)
                .replace(&format!("value=\"{store}\""), "")
                .replace(&format!("value=\"{name}\""), ""),
        );
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    let mut guessing = browser("198.51.100.1");
    let mut statuses = Vec::new();
    for n in 0..40 {
        statuses.push(guessing.sign_in("mise", "admin", &format!("guess number {n}")).status);
    }
    assert!(statuses.iter().filter(|status| **status == 401).count() <= 11, "{statuses:?}");
    assert!(statuses.contains(&429));
    // Who is elsewhere is let in.
    scene.watch.secret(&scene.account.menu_password);
    let mut home = Browser::new(scene.relay.web(), &scene.watch, "mise").from("126.1.2.3");
    home.sign_in("mise", "", &scene.account.menu_password).is(200).says("変更が必要です");
}

#[test]
fn answers_say_to_browsers_what_they_may_do_with_them() {
    let scene = Scene::new(On::Sqlite);
    let mut browser = Browser::new(scene.relay.web(), &scene.watch, "nobody");
    let page = browser.get("/menu/sign-in").is(200);
    let policy = page.header("Content-Security-Policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe") && policy.contains("form-action 'self'"), "{policy}");
    assert_eq!(page.header("Cache-Control"), Some("no-store"));
    assert!(page.header("Strict-Transport-Security").unwrap().starts_with("max-age=31536000"));
    assert_eq!(page.header("X-Content-Type-Options"), Some("nosniff"));
    for word in ["<script", "http:", "https:", "style=", "onclick", "@import", "url("] {
        assert!(!page.body.contains(word), "{word}");
    }
    let (_, style) = page.body.split_once("rel=\"stylesheet\" href=\"").unwrap();
    let style = browser.get(style.split('"').next().unwrap()).is(200);
    assert_eq!(style.header("Content-Type"), Some("text/css; charset=utf-8"));
    assert!(style.header("Cache-Control").unwrap().contains("immutable"));
    assert!(page.body.len() + style.body.len() < 100_000);
    browser.fields.push_str("Accept-Language: en-US,en;q=0.8\r\n");
    browser.get("/menu/sign-in").says("Store ID").says("lang=\"en\"");
    browser.get("/menu/sign-in?lang=ja").says("店舗ID");
    browser.get("/menu/sign-in").says("店舗ID");
    browser.get("/menu/nothing").is(404);
    browser.once("DELETE", "/menu/sign-in", "", None).is(405);
}

#[test]
fn a_process_that_serves_the_menu_alone_opens_what_stores_have_with_its_own_key_and_no_other() {
    let scene = Scene::with_roles(On::Postgres, |setup| setup, &[&["ingress", "egress"], &["web"]]);
    let mut browser = signed_in(&scene);
    browser.get("/menu/people").is(200).says(&scene.mise.address);
    browser.get("/menu/history?all=1").is(200).says("パスワードの変更");
    browser.get("/menu/mail-server").is(200).says(&scene.account.user);
    let page = browser.post("/menu/mail-server", &[("do", "add"), ("name", "倉庫")]).is(200).says("ansm_");
    let (_, section) = page.body.split_once("id=\"made\"").unwrap();
    let codes: Vec<&str> =
        section.split("<code>").skip(1).map(|rest| rest.split("</code>").next().unwrap()).collect();
    scene.watch.secret(codes[1]);
    let client =
        super::client::Client::log_in(scene.relay.submissions(), &scene.watch, "mise", codes[0], codes[1]);
    assert!(client.is_ok(), "what it sealed for ingress opens there");
    // Alert, password, credential: sealed there, sent by egress.
    assert_eq!(mails(&scene, 3).len(), 3);
    // Of a mail it opens nothing: the order is found by its number and not shown, and nobody decides there.
    scene.hana.mailbox.go_down();
    let id = scene.submit(&scene.to_customer()).is("250 2.0.0").queue_ids().remove(0);
    browser.get("/menu/mails").is(200);
    let page = browser.post("/menu/mails", &[("order", "A-1001")]).is(200).says(&scene.order.customer_alias);
    assert!(!page.body.contains(">A-1001<"), "{}", page.body);
    let page = browser.get(&format!("/menu/mail?id={id}")).is(200).says("受け付けました");
    assert!(!page.body.contains("value=\"withdraw\""), "{}", page.body);
    browser
        .post("/menu/mail", &[("do", "withdraw"), ("mail", &id)])
        .is(422)
        .says("この画面では決められません");
}
