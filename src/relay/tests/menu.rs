//! The menu without its pages: what a session may that has ended meanwhile, who counts as an administrator, what is bounded and what goes.

use super::*;
use crate::vault::Secret;
use sqlx::Row;
use std::net::IpAddr;
use zeroize::Zeroizing;

const OWN: &str = "umineko no asagohan 7";

fn from(ip: &str) -> Visit {
    let ip: IpAddr = ip.parse().unwrap();
    Visit { ip, is_known: true, agent: "Mozilla/5.0 (X11; Linux) Firefox/140.0".into(), device: None }
}

/// From this machine, where nothing is far.
fn here() -> Visit {
    from("127.0.0.1")
}

fn secret(text: &str) -> Secret {
    Secret::received(Zeroizing::new(text.to_owned()))
}

/// A store with a menu that nobody has opened: its one-time password.
async fn ume(shop: &Shop) -> Secret {
    let merchant = NewMerchantRequest {
        store_id: "ume".into(),
        name: "Ume".into(),
        addresses: vec!["ume@store.example".into()],
    };
    shop.relay.add_merchant(merchant).await.unwrap().menu_password
}

async fn signs_in(shop: &Shop, name: &str, password: &Secret, visit: &Visit) -> MenuSession {
    let asked = SignIn { store_id: "ume", name, password, stays: Stays::Own };
    let Ok(signed_in) = shop.relay.sign_in(&asked, visit).await else { panic!("{name} is not let in") };
    shop.relay.menu_session(signed_in.token.show()).await.unwrap().unwrap()
}

/// The first person, with a password of his own.
async fn boss(shop: &Shop, visit: &Visit) -> MenuSession {
    let once = ume(shop).await;
    let session = signs_in(shop, "", &once, visit).await;
    shop.relay.change_password(&session, (&once, &secret(OWN)), visit).await.unwrap();
    signs_in(shop, "admin", &secret(OWN), visit).await
}

/// How many deliveries there are.
async fn mails(shop: &Shop) -> i64 {
    let mut database = shop.database().await;
    let count = "SELECT COUNT(*) FROM delivery";
    sqlx::query(count).fetch_one(&mut database).await.unwrap().get(0)
}

#[tokio::test]
async fn what_began_before_a_session_ended_or_had_to_wait_changes_nothing_after_it() {
    let shop = Shop::open().await;
    let relay = &shop.relay;
    let stale = boss(&shop, &here()).await;
    let other = signs_in(&shop, "admin", &secret(OWN), &here()).await;
    let hana = ("hana", "hana@staff.example", MenuRole::Administrator);
    // Another sign-in, from a new country as it seems: whoever is in waits, also who was looked up before.
    let far = signs_in(&shop, "admin", &secret(OWN), &from("192.0.2.9")).await;
    assert!(far.person.cools_until.is_some() && other.person.cools_until.is_none());
    assert!(matches!(relay.invite(&other, hana, &here()).await, Err(PeopleFault::NotAllowed)));
    let added = relay.menu_add_credential(&other, (Some("x"), &[], None), &here()).await;
    assert!(matches!(added, Err(MenuCredentialFault::Credential(CredentialFault::NotAllowed))));
    // To end something waits for nothing.
    relay.end_other_menu_sessions(&other, &here(), "devices").await.unwrap();
    let credential = relay.menu_credentials(&other).await.unwrap().remove(0).auth_id;
    let ended = relay.menu_end_credential(&stale, &credential, &here()).await;
    assert!(matches!(ended, Err(MenuCredentialFault::Credential(CredentialFault::NotAllowed))));
    assert!(!relay.end_menu_session(&stale, other.id, &here(), "devices").await.unwrap());
    let changed =
        relay.change_password(&stale, (&secret(OWN), &secret("kirin ga sanpo suru 3")), &here()).await;
    assert!(matches!(changed, Err(PeopleFault::NotAllowed)));
    relay.menu_end_credential(&other, &credential, &here()).await.unwrap();
}

#[tokio::test]
async fn a_store_s_first_sign_in_from_far_waits_like_any_other() {
    for (ip, waits) in [("192.0.2.9", true), ("127.0.0.1", false)] {
        let shop = Shop::open().await;
        let once = ume(&shop).await;
        let first = signs_in(&shop, "", &once, &from(ip)).await;
        assert_eq!(first.person.cools_until.is_some(), waits, "{ip}");
    }
}

#[tokio::test]
async fn who_was_invited_and_has_not_come_is_told_nothing_and_administers_nothing() {
    let shop = Shop::open().await;
    let relay = &shop.relay;
    let boss = boss(&shop, &here()).await;
    relay.invite(&boss, ("hana", "hana@staff.example", MenuRole::Administrator), &here()).await.unwrap();
    let hana = relay.menu_people(&boss).await.unwrap().into_iter().find(|one| one.name == "hana").unwrap();
    // A new one-time password goes to the same address: it proves nothing yet.
    relay.reset_password(&boss, hana.id, &here()).await.unwrap();
    let before = mails(&shop).await;
    relay.menu_add_credential(&boss, (Some("x"), &[], None), &here()).await.unwrap();
    assert_eq!(mails(&shop).await - before, 1, "the administrator alone");
    let (of, told) = ((boss.store.id, boss.person.id), Told::default());
    let changed = relay.store().set_menu_role(of, None, Timestamp::now(), &told).await.unwrap();
    assert_eq!(changed, MenuChanged::LastAdministrator);
    // The store's registered address hears of what could take the store from its people.
    let before = mails(&shop).await;
    relay.change_password(&boss, (&secret(OWN), &secret("kirin ga sanpo suru 3")), &here()).await.unwrap();
    assert_eq!(mails(&shop).await - before, 1, "both are one address");
}

#[tokio::test]
async fn sessions_and_what_is_known_of_a_person_are_bounded_and_the_same_is_told_once() {
    let shop = Shop::open().await;
    let relay = &shop.relay;
    let first = boss(&shop, &here()).await;
    let before = mails(&shop).await;
    for _ in 0..20 {
        signs_in(&shop, "admin", &secret(OWN), &here()).await;
    }
    assert_eq!(relay.menu_sessions(&first).await.unwrap().len(), 20);
    assert!(
        relay.menu_sessions(&first).await.unwrap().iter().all(|one| one.id != first.id),
        "the oldest ended"
    );
    assert!(mails(&shop).await - before <= 1, "twenty new browsers of one network and kind are told once");
    for n in 0..40 {
        signs_in(&shop, "admin", &secret(OWN), &from(&format!("10.{n}.0.1"))).await;
    }
    let mut database = shop.database().await;
    let count = "SELECT COUNT(*) FROM menu_known WHERE person_id = $1";
    let known: i64 = sqlx::query(count).bind(first.person.id).fetch_one(&mut database).await.unwrap().get(0);
    assert_eq!(known, 100);
}

#[tokio::test]
async fn who_was_taken_off_has_no_password_and_goes_with_the_access_log() {
    let shop = Shop::open().await;
    let relay = &shop.relay;
    let boss = boss(&shop, &here()).await;
    relay.invite(&boss, ("hana", "hana@staff.example", MenuRole::Staff), &here()).await.unwrap();
    let hana = relay.menu_people(&boss).await.unwrap().into_iter().find(|one| one.name == "hana").unwrap();
    relay.set_role(&boss, hana.id, None, &here()).await.unwrap();
    let mut database = shop.database().await;
    let text =
        "SELECT COUNT(*) FROM menu_person WHERE id = $1 AND length(verifier) = 0 AND ended_at IS NOT NULL";
    let cleared: i64 = sqlx::query(text).bind(hana.id).fetch_one(&mut database).await.unwrap().get(0);
    assert_eq!(cleared, 1);
    let now = Timestamp::now();
    let rows = async || relay.store().menu_people(boss.store.id).await.unwrap().len();
    relay.forget_menu(None, now).await.unwrap();
    relay.forget_menu(Some(Timestamp::from_millis(now.as_millis() - 60_000)), now).await.unwrap();
    assert_eq!(rows().await, 2, "the log may still name her");
    relay.forget_menu(Some(now.after(MINUTE)), now).await.unwrap();
    assert_eq!(rows().await, 1);
}

#[tokio::test]
async fn a_name_that_leads_somewhere_is_none_for_a_credential() {
    let shop = Shop::open().await;
    let boss = boss(&shop, &here()).await;
    for name in ["https://evil.example", "evil.example", "call me @ home", "悪い．例"] {
        let added = shop.relay.menu_add_credential(&boss, (Some(name), &[], None), &here()).await;
        assert!(matches!(added, Err(MenuCredentialFault::Credential(CredentialFault::Name))), "{name}");
    }
}

#[tokio::test]
async fn a_store_s_key_that_is_boxed_to_a_lost_key_is_boxed_anew_and_one_that_does_not_open_stays() {
    let shop = Shop::open().await;
    let store = shop.relay.store();
    let (key, boxed) = store.stores_with_menu(0, 10).await.unwrap().remove(0);
    let lost = [b"#", boxed.get(1..).unwrap()].concat();
    store.keep_menu_key(&key, &lost).await.unwrap();
    let mut boxing = Boxing::default();
    shop.relay.open_stores_to_menu(&mut boxing).await.unwrap();
    let (_, again) = store.stores_with_menu(0, 10).await.unwrap().remove(0);
    assert!(shop.relay.vault().menu.open_store_key(key.id, &again).is_ok());
    // One that was altered: it is not called destroyed, and is right again when its key is.
    let mut database = shop.database().await;
    let text = "UPDATE data_key SET wrapped = $1, menu_wrapped = NULL WHERE id = $2";
    let mut altered = key.wrapped.clone();
    *altered.last_mut().unwrap() ^= 1;
    sqlx::query(text).bind(&altered).bind(key.id).execute(&mut database).await.unwrap();
    shop.relay.open_stores_to_menu(&mut boxing).await.unwrap();
    assert_eq!(store.stores_without_menu(0, 10).await.unwrap().len(), 1);
    sqlx::query(text).bind(&key.wrapped).bind(key.id).execute(&mut database).await.unwrap();
    for _ in 0..2 {
        shop.relay.open_stores_to_menu(&mut boxing).await.unwrap();
    }
    assert_eq!(store.stores_without_menu(0, 10).await.unwrap().len(), 0);
}
