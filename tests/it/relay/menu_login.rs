//! The marketplace's one login for all, against a provider that does what none should.

use super::browser::{Browser, Page};
use super::menu::{OWN, signed_in};
use super::menu_takeovers::behind;
use super::process::{On, TestRelay, on_both_databases};
use super::scene::{Scene, add_merchant};
use crate::peer::eventually;
use crate::peer::rogue::{Manner, Rogue};
use anshin::mail::Timestamp;
use anshin::vault::TotpSecret;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

on_both_databases! {
    who_comes_by_the_marketplaces_login_is_a_person_of_the_store_without_a_password,
}

const SECRET: &str = "client-secret-of-the-menu-7";
/// What nobody may find in a log or in the database.
const SUBJECT: &str = "marketplace-subject-5f0c2b71";

pub fn scene(on: On, issuer: &str, more: &[(&str, &str)]) -> Scene {
    let issuer = format!("'{issuer}'");
    let scene = Scene::prepared(
        on,
        |setup| {
            let setup = setup
                .key("menu.login.issuer", &issuer)
                .key("menu.login.client_id", "'menu'")
                .key("menu.login.client_secret_file", "'login-secret'")
                .key("menu.login.public_url", "'https://menu.anshin.test'");
            more.iter().fold(setup, |setup, (key, value)| setup.key(key, value))
        },
        |relay| write_secret(relay, SECRET),
    );
    scene.watch.secret(SECRET);
    scene.watch.secret(SUBJECT);
    scene
}

/// Where the configuration names it, for the relay's user alone.
pub fn write_secret(relay: &TestRelay, secret: &str) {
    let file = relay.config().with_file_name("login-secret");
    std::fs::write(&file, format!("{secret}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn browser(scene: &Scene) -> Browser {
    Browser::new(scene.relay.web(), &scene.watch, "mise")
}

/// What the provider was asked for.
struct Asked {
    state: String,
    nonce: String,
    challenge: String,
    all: String,
}

/// Presses the button of the page that is open.
fn press(browser: &mut Browser, fields: &[(&str, &str)]) -> Page {
    let word = browser.last.as_ref().and_then(|page| page.field("word")).unwrap();
    browser.post_with("/menu/one-login", &word, fields, "Sec-Fetch-Site: same-origin\r\n")
}

#[track_caller]
fn asked_by(page: &Page) -> Asked {
    assert_eq!(page.status, 303, "{}", page.body);
    let all = page.header("Location").unwrap().to_owned();
    let field = |name: &str| {
        let value = all.split(['?', '&']).find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_else(|| panic!("{name}: {all}")).to_owned()
    };
    Asked { state: field("state"), nonce: field("nonce"), challenge: field("code_challenge"), all }
}

fn begun(browser: &mut Browser) -> Asked {
    browser.get("/menu/sign-in").is(200).says("マーケットプレイスのアカウントでログイン");
    asked_by(&press(browser, &[]))
}

fn encoded(text: &str) -> String {
    text.replace('/', "%2F").replace('+', "%2B").replace('=', "%3D").replace(':', "%3A")
}

/// Comes back with a code: the page that leads on, and where it leads.
fn back(browser: &mut Browser, code: &str, state: &str) -> Page {
    let cookies = std::mem::take(&mut browser.cookies);
    // From another site come none.
    let page = browser.get(&format!("/menu/one-login?code={}&state={state}", encoded(code))).is(200);
    browser.cookies = cookies;
    let (_, link) = page.body.split_once("<a href=\"").unwrap();
    let link = link.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    assert!(page.body.contains("http-equiv=\"refresh\""), "{}", page.body);
    browser.get(&link)
}

fn claims(more: Value) -> Value {
    let mut claims = json!({ "sub": SUBJECT, "store_id": "mise" });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

/// All of it, with these claims.
fn come(browser: &mut Browser, rogue: &Rogue, more: Value) -> Page {
    let asked = begun(browser);
    let code = rogue.code(&asked.nonce, &asked.challenge, &claims(more));
    back(browser, &code, &asked.state)
}

fn who_comes_by_the_marketplaces_login_is_a_person_of_the_store_without_a_password(on: On) {
    let rogue = Rogue::start(SECRET);
    let scene = scene(on, &rogue.issuer, &[]);
    let mut boss = signed_in(&scene);
    let mut hanako = browser(&scene);
    let asked = begun(&mut hanako);
    // What the provider is told: nothing of anybody, and nothing of the store.
    let names: Vec<&str> =
        asked.all.split_once('?').unwrap().1.split('&').map(|pair| pair.split('=').next().unwrap()).collect();
    let all = [
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "max_age",
    ];
    assert_eq!(names, all);
    assert!(asked.all.contains("scope=openid&") && asked.all.starts_with(&format!("{}/auth?", rogue.issuer)));
    assert!(asked.all.contains("redirect_uri=https%3A%2F%2Fmenu.anshin.test%2Fmenu%2Fone-login&"));
    let code = rogue.code(&asked.nonce, &asked.challenge, &claims(json!({})));
    let page = back(&mut hanako, &code, &asked.state).is(200).says("花屋 Hanaya").says("担当者");
    let name = page.body.split("/ login-").nth(1).unwrap().split(' ').next().unwrap();
    let name = format!("login-{name}");
    assert!(!page.body.contains("/menu/password"), "there is none to change");
    hanako.get("/menu/password").is(405);
    // The button is on the sign-in page, and forms of no other page lead there.
    let policy = |page: &Page| page.header("Content-Security-Policy").unwrap().to_owned();
    assert!(!policy(&page).contains(&rogue.issuer));
    let mut other = browser(&scene);
    let page = other.get("/menu/sign-in").is(200);
    assert!(policy(&page).contains(&format!("form-action 'self' {};", rogue.issuer)), "{}", policy(&page));

    // The same again is the same person, and the same browser no news.
    hanako.get("/menu/").is(200);
    hanako.post("/menu/sign-out", &[]);
    // Of the first person: the alert and the password; of her: who she is, and the alert.
    let mails = scene.mise.mailbox.wait_for(4).len();
    come(&mut hanako, &rogue, json!({})).is(200).says(&name);
    assert_eq!(scene.mise.mailbox.count(), mails);
    // Under this name no password is right: as slow and as short an answer as for anybody.
    for password in ["", "x", SUBJECT, SECRET] {
        other.sign_in("mise", &name, password).is(401).says("いずれかが違います");
    }
    let page = boss.get("/menu/people").is(200).says(&name).says("マーケットプレイスのアカウント");
    assert!(!page.body.contains("value=\"reset\""), "nobody sends a password there");
    let (_, row) = page.body.split_once(&format!("<span>{name}")).unwrap();
    let id = row.split("name=\"person\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    boss.post("/menu/people", &[("do", "reset"), ("person", &id)]).is(422).says("パスワードはありません");
    boss.get("/menu/history?all=1").is(200).says("マーケットプレイスのログイン").says(&name);

    // Taken off, and it stays so.
    boss.get("/menu/people");
    boss.post("/menu/people", &[("do", "remove"), ("person", &id)]).is(200).says("削除しました");
    hanako.get("/menu/").says("店舗ID");
    for _ in 0..2 {
        come(&mut hanako, &rogue, json!({})).is(403).says("このアカウントでは");
    }
    let page = boss.get("/menu/history?all=1").is(200).says("マーケットプレイスのログイン").says("拒否");
    assert!(page.body.contains(&name));
    // Passwords go on as before.
    boss.post("/menu/sign-out", &[]);
    boss.sign_in("mise", "admin", OWN).is(200).says("花屋 Hanaya");
}

#[test]
fn a_token_that_is_not_as_it_has_to_be_lets_nobody_in() {
    let rogue = Rogue::start(SECRET);
    let scene = scene(On::Sqlite, &rogue.issuer, &[]);
    let mut browser = browser(&scene);
    let hour = |sign: i64| Timestamp::now().as_millis() / 1000 + sign * 3600;
    for (manner, more) in [
        (Manner::WrongKey, json!({})),
        (Manner::None, json!({})),
        (Manner::Shared, json!({})),
        (Manner::Good, json!({ "aud": "another" })),
        (Manner::Good, json!({ "aud": ["menu", "another"] })),
        (Manner::Good, json!({ "azp": "another" })),
        (Manner::Good, json!({ "iss": "http://127.0.0.1:1" })),
        (Manner::Good, json!({ "nonce": "another" })),
        (Manner::Good, json!({ "exp": hour(-1) })),
        (Manner::Good, json!({ "iat": hour(-1) })),
        (Manner::Good, json!({ "iat": hour(1) })),
        (Manner::Good, json!({ "sub": "" })),
        // Whoever the provider let in without a word hours ago has proven nothing now.
        (Manner::Good, json!({ "auth_time": null })),
        (Manner::Good, json!({ "auth_time": hour(-1) })),
        (Manner::Good, json!({ "store_id": null })),
        (Manner::Good, json!({ "store_id": ["mise"] })),
    ] {
        rogue.behave(manner);
        come(&mut browser, &rogue, more.clone()).is(403).says("確認できませんでした");
        assert!(!browser.cookies.contains_key("__Host-anshin-menu"), "{manner:?} {more}");
        assert!(!browser.cookies.contains_key("__Host-anshin-outer"), "it goes with its answer");
    }
    rogue.behave(Manner::Good);
    for store in ["nobody", "", "mise2"] {
        let page = come(&mut browser, &rogue, json!({ "store_id": store }));
        assert_eq!(page.status, 403, "{store}: {}", page.body);
    }
    // No log tells who it was, or with what.
    for line in scene.relay.log().lines().filter(|line| line.contains("one_login_failed")) {
        assert!(!line.contains("code-") && !line.contains("eyJ"), "{line}");
    }
    // A key that it has from now on is looked for; within a minute of the last look it is not there.
    come(&mut browser, &rogue, json!({})).is(200).says("花屋 Hanaya");
    assert_eq!((rogue.asked("/keys"), rogue.asked("/.well-known/openid-configuration")), (1, 1));
}

#[test]
fn an_answer_is_good_once_and_for_the_browser_that_asked() {
    let rogue = Rogue::start(SECRET);
    let scene = scene(On::Sqlite, &rogue.issuer, &[]);
    let (mut hanako, mut thief) = (browser(&scene), browser(&scene));
    let hers = begun(&mut hanako);
    let his = begun(&mut thief);
    let code = rogue.code(&hers.nonce, &hers.challenge, &claims(json!({})));
    // Her answer in his browser: the provider is not even asked.
    back(&mut thief, &code, &hers.state).is(403).says("別の画面");
    assert_eq!(rogue.asked("/token"), 0);
    // Her code in an answer to him: it is no good without her verifier, and then for nobody.
    let his = if thief.cookies.contains_key("__Host-anshin-outer") { his } else { begun(&mut thief) };
    back(&mut thief, &code, &his.state).is(403).says("確認できませんでした");
    assert_eq!(rogue.asked("/token"), 1);
    let code = rogue.code(&hers.nonce, &hers.challenge, &claims(json!({})));
    back(&mut hanako, &code, &hers.state).is(200).says("花屋 Hanaya");
    assert_eq!(rogue.asked("/token"), 2);
    // Once more, and as who has kept the cookie.
    let kept = begun(&mut thief);
    let cookies = thief.cookies.clone();
    let code = rogue.code(&kept.nonce, &kept.challenge, &claims(json!({})));
    back(&mut thief, &code, &kept.state).is(200);
    thief.post("/menu/sign-out", &[]);
    back(&mut thief, &code, &kept.state).is(403);
    thief.cookies = cookies;
    back(&mut thief, &code, &kept.state).is(403).says("確認できませんでした");
    // An answer to nobody, one without a state, one that has it twice.
    let mut nobody = browser(&scene);
    for query in ["code=a&state=b", "code=a", "error=x&state=b"] {
        nobody.get(&format!("/menu/one-login/in?{query}")).is(403);
    }
    nobody.get("/menu/one-login/in?code=a&state=b&state=c").is(403);
    // A form from elsewhere begins nothing.
    nobody.get("/menu/sign-in");
    let word = nobody.last.as_ref().unwrap().field("word").unwrap();
    nobody.post_with("/menu/one-login", &word, &[], "Sec-Fetch-Site: cross-site\r\n").is(403);
    nobody.post_with("/menu/one-login", "x", &[], "Sec-Fetch-Site: same-origin\r\n").is(403);
}

#[test]
fn a_provider_that_fails_keeps_nobody_from_the_menu_who_has_a_password() {
    let rogue = Rogue::start(SECRET);
    let scene = scene(On::Sqlite, &rogue.issuer, &[]);
    let mut boss = signed_in(&scene);
    rogue.says(json!({ "token_endpoint": "http://127.0.0.1:9/token" }));
    let mut hanako = browser(&scene);
    let button = |hanako: &mut Browser| {
        hanako.get("/menu/sign-in").is(200);
        press(hanako, &[])
    };
    button(&mut hanako).is(502).says("ただいま利用できません").says("店舗ID");
    rogue.says(json!({ "issuer": "http://127.0.0.1:9" }));
    button(&mut hanako).is(502);
    rogue.says(json!({}));
    // It is asked again once it had a rest.
    eventually("it answers again", || (button(&mut hanako).status == 303).then_some(()));
    for manner in [Manner::Huge, Manner::Elsewhere, Manner::Nonsense, Manner::Gone, Manner::Silent] {
        rogue.behave(manner);
        let page = come(&mut hanako, &rogue, json!({}));
        let status = if manner == Manner::Elsewhere { 403 } else { 502 };
        assert_eq!(page.status, status, "{manner:?}: {}", page.body);
        boss.get("/menu/").is(200).says("花屋 Hanaya");
    }
    rogue.behave(Manner::Good);
    let asked = begun(&mut hanako);
    let page = hanako.get(&format!("/menu/one-login/in?error=access_denied&state={}", asked.state));
    page.is(200).says("取り消されました").says("店舗ID");
    let asked = begun(&mut hanako);
    hanako.get(&format!("/menu/one-login/in?error=server_error&state={}", asked.state)).is(403);
    come(&mut hanako, &rogue, json!({})).is(200).says("花屋 Hanaya");
    boss.post("/menu/sign-out", &[]);
    boss.sign_in("mise", "admin", OWN).is(200).says("花屋 Hanaya");
}

#[test]
fn a_role_that_the_login_says_counts_at_each_sign_in_but_somebody_administers() {
    let rogue = Rogue::start(SECRET);
    let scene = scene(
        On::Sqlite,
        &rogue.issuer,
        &[("menu.login.role_claim", "'role'"), ("menu.login.role", "'reader'")],
    );
    let mut hanako = browser(&scene);
    come(&mut hanako, &rogue, json!({})).is(200).says("閲覧のみ");
    come_again(&mut hanako, &rogue, json!({ "role": "staff" })).is(200).says("担当者");
    come_again(&mut hanako, &rogue, json!({ "role": "king" })).is(403).says("確認できませんでした");
    come(&mut hanako, &rogue, json!({ "role": ["administrator"] })).is(403);
    // A token without the claim takes away what an earlier one gave.
    come(&mut hanako, &rogue, json!({})).is(200).says("閲覧のみ");
    come_again(&mut hanako, &rogue, json!({ "role": "administrator" })).is(200).says("管理者");
    // Nobody else administers: the role stays.
    come_again(&mut hanako, &rogue, json!({ "role": "reader" })).is(200).says("管理者");
    let mut boss = browser(&scene);
    come(&mut boss, &rogue, json!({ "sub": "marketplace-subject-2", "role": "administrator" })).is(200);
    come_again(&mut hanako, &rogue, json!({ "role": "reader" })).is(200).says("閲覧のみ");
    // Whoever is somebody in one store is nobody in another.
    let other = add_merchant(&scene.relay, "ume", &[&scene.taro.address]);
    scene.watch.secret(&other.menu_password);
    let mut there = Browser::new(scene.relay.web(), &scene.watch, "taro");
    let name = |page: &Page| page.body.split("/ login-").nth(1).unwrap()[..6].to_owned();
    let here = name(&come_again(&mut hanako, &rogue, json!({ "role": "staff" })).is(200));
    let page = come(&mut there, &rogue, json!({ "store_id": "UME" })).is(200).says("ume");
    assert_ne!(name(&page), here);
}

fn come_again(browser: &mut Browser, rogue: &Rogue, more: Value) -> Page {
    browser.get("/menu/");
    browser.post("/menu/sign-out", &[]);
    come(browser, rogue, more)
}

#[test]
fn who_has_no_password_confirms_a_change_by_signing_in_anew() {
    let rogue = Rogue::start(SECRET);
    let scene = scene(On::Sqlite, &rogue.issuer, &[("menu.login.role", "'administrator'")]);
    let mut hanako = browser(&scene);
    come(&mut hanako, &rogue, json!({})).is(200).says("管理者");
    let add = |hanako: &mut Browser| {
        hanako.get("/menu/mail-server").is(200);
        hanako.post("/menu/mail-server", &[("do", "add"), ("name", "在庫")])
    };
    behind(&scene, "UPDATE menu_session SET created_at = created_at - 3600000");
    let page = hanako.get("/menu/mail-server").is(200).says("/menu/one-login?to=mail-server");
    assert!(!page.body.contains("name=\"confirm\""), "no password is asked for");
    add(&mut hanako).is(422).says("まだ変更していません");
    let before = hanako.cookies["__Host-anshin-menu"].clone();
    let again = |hanako: &mut Browser, more: Value| {
        hanako.get("/menu/one-login?to=mail-server").is(200).says("もう一度ログイン");
        let asked = asked_by(&press(hanako, &[("to", "mail-server")]));
        assert!(asked.all.contains("&prompt=login&max_age=0"), "{}", asked.all);
        let code = rogue.code(&asked.nonce, &asked.challenge, &claims(more));
        back(hanako, &code, &asked.state)
    };
    let now = || Timestamp::now().as_millis() / 1000;
    // A session of hours ago at the provider confirms nothing, nor does another person.
    for more in [
        json!({ "auth_time": null }),
        json!({ "auth_time": now() - 3600 }),
        json!({ "auth_time": now(), "sub": "marketplace-subject-2" }),
        json!({ "auth_time": now(), "store_id": "ume" }),
    ] {
        again(&mut hanako, more.clone()).is(403);
        add(&mut hanako).is(422);
        assert_eq!(hanako.cookies["__Host-anshin-menu"], before, "{more}");
    }
    again(&mut hanako, json!({ "auth_time": now() })).is(200).says("メールサーバ設定情報");
    let page = add(&mut hanako).is(200);
    let password = page.body.split("ansm_").nth(1).unwrap().split('<').next().unwrap();
    scene.watch.secret(&format!("ansm_{password}"));
    // The session of before is over, and nobody goes on with its token.
    let after = hanako.cookies.insert("__Host-anshin-menu".to_owned(), before.clone());
    assert_ne!(after, Some(before));
    hanako.get("/menu/").says("店舗ID");
}

#[test]
fn a_second_factor_of_ones_own_is_asked_for_after_the_marketplaces_login() {
    let rogue = Rogue::start(SECRET);
    let scene = scene(On::Sqlite, &rogue.issuer, &[]);
    let mut hanako = browser(&scene);
    come(&mut hanako, &rogue, json!({})).is(200);
    hanako.get("/menu/second-factor").is(200);
    let text = hanako.post("/menu/second-factor", &[("do", "begin")]).is(200).field("secret").unwrap();
    scene.watch.secret(&text);
    let secret = TotpSecret::parse(&text).unwrap();
    let code = |ahead: i64| secret.code(Timestamp::now().as_millis() / 30_000 + ahead);
    let set = [("do", "set"), ("secret", text.as_str()), ("code", &code(0))];
    hanako.post("/menu/second-factor", &set).is(200).says("設定しました");
    hanako.post("/menu/sign-out", &[]);
    come(&mut hanako, &rogue, json!({})).is(200).says("確認コードの入力");
    hanako.get("/menu/mails").says("確認コードの入力");
    let page = hanako.post("/menu/second", &[("code", &code(1))]).is(200).says("花屋 Hanaya");
    // Who has lost it gets it taken off by the operator, who makes no password where there is none.
    let name = format!("login-{}", page.body.split("/ login-").nth(1).unwrap().split(' ').next().unwrap());
    let recover = ["merchant", "menu-password", "--store-id", "mise", "--name", &name];
    assert_eq!(scene.relay.run(&recover).status, 1);
    let ran = scene.relay.anshin(&[&recover[..], &["--without-second-factor"]].concat());
    assert_eq!(ran["menu"]["second_factor_off"], true);
    come_again(&mut hanako, &rogue, json!({})).is(200).says("花屋 Hanaya");
}

#[test]
fn who_comes_by_the_marketplaces_login_gets_no_password_by_a_code_and_keeps_no_one_from_the_first() {
    let rogue = Rogue::start(SECRET);
    let scene = scene(On::Sqlite, &rogue.issuer, &[("menu.login.role", "'administrator'")]);
    let mut hanako = browser(&scene);
    come(&mut hanako, &rogue, json!({})).is(200).says("管理者");
    // Her notices go to the store's first address, where others read: there is nothing of hers to forget.
    let mut lost = browser(&scene);
    let page = super::menu_forgotten::ask(&mut lost, &scene.mise.address).is(200);
    let policy = page.header("Content-Security-Policy").unwrap();
    assert!(policy.contains(&format!("form-action 'self' {};", rogue.issuer)), "{policy}");
    let text = super::menu_forgotten::about_forgotten(&scene, &scene.mise.mailbox, 1).remove(0);
    assert!(text.contains("店舗ID: mise") && !text.contains("確認コード: "), "{text}");
    // What asks for a fresh sign-in is reached from the page of addresses too.
    behind(&scene, "UPDATE menu_session SET created_at = created_at - 3600000");
    hanako.get("/menu/senders").is(200).says("/menu/one-login?to=senders");
    // The operator lets somebody in with a password where none has one.
    let recover = ["merchant", "menu-password", "--store-id", "mise"];
    let made = scene.relay.anshin(&recover);
    let password = made["menu"]["password"].as_str().unwrap().to_owned();
    scene.watch.secret(&password);
    let mut boss = browser(&scene);
    boss.sign_in("mise", "", &password).is(200);
    boss.change_password(&password, OWN).is(200);
}

#[test]
fn an_installation_without_such_a_login_has_no_such_page() {
    let scene = Scene::new(On::Sqlite);
    let mut browser = browser(&scene);
    let page = browser.get("/menu/sign-in").is(200);
    assert!(!page.body.contains("one-login"));
    assert!(page.header("Content-Security-Policy").unwrap().contains("form-action 'self';"));
    for path in ["/menu/one-login", "/menu/one-login/in?code=a&state=b"] {
        browser.get(path).is(404);
    }
    browser.get("/menu/sign-in");
    press(&mut browser, &[]).is(404);
}
