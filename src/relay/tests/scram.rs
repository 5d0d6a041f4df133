//! SCRAM verifiers: made with a credential, made up for later where it is older, and alike for who does not exist.

use super::*;
use crate::smtp::scram::{Binding, Checked, ClientFirst, tests::client_final};
use crate::vault::Secret;
use sqlx::Connection;

/// What a client with this password is told: salt and rounds, and whether it proved that it knows the password.
async fn exchange(shop: &Shop, auth_id: &str, password: &Secret) -> (String, bool) {
    let text = format!("n,,n={auth_id},r=client");
    let first = ClientFirst::parse(&text, Binding::None { offered: false }).ok().unwrap();
    let (verifier, random) = shop.relay.scram(auth_id).await.unwrap();
    let server = first.answer(verifier, random);
    let told = server.text().split_once(",s=").unwrap().1.to_owned();
    let last = client_final(&text, server.text(), password.show(), b"");
    (told, matches!(server.check(&last), Ok(Checked::Right { .. })))
}

async fn add(shop: &Shop, store_id: &str) -> MerchantAdded {
    let addresses = vec![format!("{store_id}@store.example")];
    let request = NewMerchantRequest { store_id: store_id.into(), name: "Shop".into(), addresses };
    shop.relay.add_merchant(request).await.unwrap()
}

#[tokio::test]
async fn a_store_proves_its_password_and_nobody_else_does() {
    let shop = Shop::open().await;
    let (one, other) = (add(&shop, "one").await, add(&shop, "other").await);
    assert!(exchange(&shop, &one.auth_id, &one.auth_password).await.1);
    assert!(!exchange(&shop, &one.auth_id, &other.auth_password).await.1);
    assert!(!exchange(&shop, "0", &one.auth_password).await.1);
    let login = shop.relay.authenticated(&one.auth_id, HERE).await.unwrap();
    assert_eq!(login.merchant.store_id, "one");
    assert_eq!(shop.relay.authenticated("0", HERE).await.err(), Some(Refusal::Credentials));
}

#[tokio::test]
async fn who_does_not_exist_has_a_salt_that_stays_and_is_like_any_other() {
    let shop = Shop::open().await;
    let one = add(&shop, "one").await;
    let nobody = exchange(&shop, "0", &one.auth_password).await;
    assert_eq!(exchange(&shop, "0", &one.auth_password).await, nobody);
    let somebody = exchange(&shop, &one.auth_id, &one.auth_password).await;
    assert_eq!(somebody.0.len(), nobody.0.len());
    assert_ne!(somebody.0, nobody.0);
    assert!(nobody.0.ends_with(",i=4096"), "{}", nobody.0);
}

#[tokio::test]
async fn a_credential_that_is_older_gets_its_verifier_when_its_password_comes_and_shows_no_change() {
    let shop = Shop::open().await;
    let one = add(&shop, "one").await;
    let (told, _) = exchange(&shop, &one.auth_id, &one.auth_password).await;
    let mut database = shop.database().await;
    sqlx::query("UPDATE credential SET scram = NULL").execute(&mut database).await.unwrap();
    database.close().await.unwrap();
    assert_eq!(exchange(&shop, &one.auth_id, &one.auth_password).await, (told.clone(), false));
    assert!(shop.relay.authenticate(&one.auth_id, &Secret::generate("ansm_"), HERE).await.is_err());
    assert_eq!(exchange(&shop, &one.auth_id, &one.auth_password).await, (told.clone(), false));
    assert!(shop.relay.authenticate(&one.auth_id, &one.auth_password, HERE).await.is_ok());
    assert_eq!(exchange(&shop, &one.auth_id, &one.auth_password).await, (told, true));
}
