//! What could take a store's menu from its people: old rights, an old session, floods that hide a guess or lock its owner out.

use super::browser::Browser;
use super::menu::{OWN, mails, signed_in};
use super::process::On;
use super::scene::{Scene, add_merchant};
use crate::peer::sqlite;
use sqlx::AssertSqlSafe;

/// Changes something behind the relay's back.
pub fn behind(scene: &Scene, text: &str) {
    let url = scene.relay.database_url();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = sqlite::connect(&url).await;
        sqlx::query(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
    });
}

fn proxied() -> Scene {
    Scene::with(On::Sqlite, |setup| setup.key("web.proxies", "['127.0.0.1/32']"))
}

#[test]
fn a_form_that_comes_slowly_does_nothing_once_its_session_has_ended() {
    let scene = Scene::new(On::Sqlite);
    let mut boss = signed_in(&scene);
    let mut thief = Browser::new(scene.relay.web(), &scene.watch, "mise");
    thief.sign_in("mise", "admin", OWN).is(200);
    thief.get("/menu/mail-server").is(200);
    let rest = thief.post_slowly("/menu/mail-server", &[("do", "add"), ("name", "x")]);
    boss.get("/menu/devices").is(200);
    boss.post("/menu/devices", &[("do", "end-others")]).is(200);
    let page = rest().is(303);
    assert_eq!(page.header("Location"), Some("/menu/sign-in"));
    let page = boss.get("/menu/mail-server").is(200);
    assert!(!page.body.contains(">x</td>"), "{}", page.body);
}

#[test]
fn a_store_that_is_first_opened_from_abroad_waits_before_it_is_changed() {
    let scene = proxied();
    let other = add_merchant(&scene.relay, "ume", &[&scene.taro.address]);
    for secret in [&other.menu_password, &scene.account.menu_password] {
        scene.watch.secret(secret);
    }
    scene.watch.secret(OWN);
    for (store, once, ip, waits) in [
        ("ume", &other.menu_password, "8.8.8.8", true),
        ("mise", &scene.account.menu_password, "10.1.2.3", true),
    ] {
        let who = if store == "ume" { "taro" } else { "mise" };
        let mut browser = Browser::new(scene.relay.web(), &scene.watch, who).from(ip);
        browser.sign_in(store, "", once).is(200);
        browser.change_password(once, OWN).is(200);
        assert_eq!(browser.get("/menu/").is(200).body.contains("変更はできません"), waits, "{ip}");
        browser.get("/menu/mail-server").is(200);
        browser.post("/menu/mail-server", &[("do", "add"), ("name", "x")]).is(422).says("新しい国・地域");
    }
}

#[test]
fn people_are_changed_by_who_knows_the_password_and_not_by_an_old_session() {
    let scene = Scene::new(On::Sqlite);
    let mut boss = signed_in(&scene);
    behind(&scene, "UPDATE menu_session SET created_at = created_at - 3600000");
    let address = format!("hanako.{}", scene.mise.address);
    let invite = [("do", "invite"), ("name", "hanako"), ("address", address.as_str()), ("role", "staff")];
    boss.get("/menu/people").is(200).says("name=\"confirm\"");
    boss.post("/menu/people", &invite).is(422).says("確認のため");
    boss.post("/menu/people", &[&invite[..], &[("confirm", "not the right one")]].concat())
        .is(422)
        .says("ログインパスワードが違います");
    boss.post("/menu/people", &[&invite[..], &[("confirm", OWN)]].concat())
        .is(200)
        .says("招待のメールを送りました");
    // Nor does anybody set up a second factor of his own making, at either step.
    boss.get("/menu/second-factor").is(200).says("name=\"confirm\"");
    let secret = ("secret", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP");
    for (what, asks) in [("begin", "確認のため"), ("set", "確認のため")] {
        boss.post("/menu/second-factor", &[("do", what), secret, ("code", "000000")]).is(422).says(asks);
    }
    let wrong = [("do", "set"), secret, ("code", "000000"), ("confirm", "not the right one")];
    boss.post("/menu/second-factor", &wrong)
        .is(422)
        .says("ログインパスワードが違います")
        .says("name=\"confirm\"");
    // The same address gets three a day, whatever is done between.
    let id = |boss: &mut Browser| boss.get("/menu/people").is(200).field("person").unwrap();
    for _ in 0..2 {
        let hers = id(&mut boss);
        boss.post("/menu/people", &[("do", "reset"), ("person", &hers), ("confirm", OWN)]).is(200);
    }
    let hers = id(&mut boss);
    boss.post("/menu/people", &[("do", "reset"), ("person", &hers), ("confirm", OWN)])
        .is(422)
        .says("今日はこれ以上");
    boss.post("/menu/people", &[("do", "remove"), ("person", &hers), ("confirm", OWN)]).is(200);
    boss.post("/menu/people", &[&invite[..], &[("confirm", OWN)]].concat()).is(422).says("今日はこれ以上");
    let page = boss.get("/menu/history?all=1").is(200);
    assert!(page.body.contains("使う人の削除"), "taking somebody off is called so");
}

#[test]
fn strangers_who_fetch_pages_hide_no_guess_from_the_store() {
    let scene = proxied();
    let mut stranger = Browser::new(scene.relay.web(), &scene.watch, "nobody").from("198.51.100.1");
    for _ in 0..40 {
        stranger.get("/menu/sign-in").is(200);
    }
    let mut statuses = Vec::new();
    for n in 0..14 {
        statuses.push(stranger.sign_in("mise", "", &format!("guess number {n}")).status);
    }
    assert!(statuses.contains(&401) && statuses.contains(&429), "{statuses:?}");
    // The owner's neighbour was it; he himself has been here before.
    scene.watch.secret(OWN);
    scene.watch.secret(&scene.account.menu_password);
    let mut boss = Browser::new(scene.relay.web(), &scene.watch, "mise").from("126.1.2.3");
    boss.sign_in("mise", "", &scene.account.menu_password).is(200);
    boss.change_password(&scene.account.menu_password, OWN).is(200);
    let page = boss.get("/menu/history").is(200);
    assert!(page.body.matches("拒否").count() >= 10, "{}", page.body);
    assert!(
        page.body.contains("回数の上限により拒否"),
        "what was not looked at stands there too: {}",
        page.body
    );
    // The first person is one account, by name or without.
    let mut neighbour = Browser::new(scene.relay.web(), &scene.watch, "nobody").from("126.1.2.99");
    for n in 0..10 {
        neighbour.sign_in("mise", if n % 2 == 0 { "" } else { "admin" }, "a guess").is(401);
    }
    neighbour.sign_in("mise", "", "a guess").is(429);
    boss.post("/menu/sign-out", &[]).is(200);
    boss.sign_in("mise", "admin", OWN).is(200).says("花屋 Hanaya");
}

#[test]
fn a_store_whose_only_password_ran_out_comes_back_by_the_operator() {
    let scene = Scene::new(On::Sqlite);
    let once = scene.account.menu_password.clone();
    scene.watch.secret(&once);
    let mut boss = Browser::new(scene.relay.web(), &scene.watch, "mise");
    boss.sign_in("mise", "", &once).is(200);
    behind(&scene, "UPDATE menu_person SET initial_until = 1000");
    boss.sign_in("mise", "", &once).is(401);
    let ran = scene.relay.anshin(&["merchant", "menu-password", "--store-id", "mise"]);
    let again = ran["menu"]["password"].as_str().unwrap().to_owned();
    scene.watch.secret(&again);
    boss.sign_in("mise", "", &again).is(200).says("変更が必要です");
    scene.watch.secret(OWN);
    boss.change_password(&again, OWN).is(200);
    assert!(mails(&scene, 3).iter().any(|(title, _)| title.contains("再発行")));
}
