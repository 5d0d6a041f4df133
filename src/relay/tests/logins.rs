//! Passwords at login: what stands in the database of them, what an older credential becomes, and first uses from elsewhere.

use super::*;
use crate::vault::{Secret, SecretHash};
use sqlx::Row;

/// What stands of the one credential: the fast hash, and whether there is a verifier.
async fn kept(shop: &Shop) -> (Vec<u8>, bool) {
    let mut database = shop.database().await;
    let row = sqlx::query("SELECT secret, verifier FROM credential").fetch_one(&mut database).await.unwrap();
    (row.get(0), row.get::<Option<Vec<u8>>, _>(1).is_some())
}

async fn shop_with_credential() -> (Shop, String, Secret) {
    let shop = Shop::open().await;
    let mut database = shop.database().await;
    sqlx::query("DELETE FROM credential").execute(&mut database).await.unwrap();
    let addresses = vec!["two@store.example".to_owned()];
    let request = NewMerchantRequest { store_id: "two".into(), name: "Two".into(), addresses };
    let added = shop.relay.add_merchant(request).await.unwrap();
    (shop, added.auth_id, added.auth_password)
}

#[tokio::test]
async fn a_password_of_an_older_version_goes_on_and_gets_a_slow_hash_at_its_next_login() {
    let (shop, user, password) = shop_with_credential().await;
    let mut database = shop.database().await;
    sqlx::query("UPDATE credential SET verifier = NULL, verifier_at = NULL")
        .execute(&mut database)
        .await
        .unwrap();
    let wrong = Secret::generate("ansm_");
    assert_eq!(shop.relay.authenticate(&user, &wrong, HERE).await.err(), Some(Refusal::Credentials));
    assert!(!kept(&shop).await.1);
    assert!(shop.relay.authenticate(&user, &password, HERE).await.is_ok());
    let (fast, has_verifier) = kept(&shop).await;
    assert!(
        has_verifier && SecretHash::from_stored(&fast).unwrap().matches(&password),
        "for the version before"
    );
    // The day after, nothing but the slow hash is left, and it is the one that counts.
    let now = Timestamp::now();
    shop.relay.clear_fast_hashes(now).await.unwrap();
    assert!(!kept(&shop).await.0.is_empty());
    shop.relay.clear_fast_hashes(now.after(Duration::from_secs(86_401))).await.unwrap();
    assert_eq!(kept(&shop).await, (Vec::new(), true));
    assert!(shop.relay.authenticate(&user, &password, HERE).await.is_ok());
    assert_eq!(shop.relay.authenticate(&user, &wrong, HERE).await.err(), Some(Refusal::Credentials));
}

#[tokio::test]
async fn the_slow_hash_counts_where_the_fast_one_says_otherwise() {
    let (shop, user, password) = shop_with_credential().await;
    let other = Secret::generate("ansm_");
    let mut database = shop.database().await;
    let fast = other.fingerprint().to_stored();
    sqlx::query("UPDATE credential SET secret = $1").bind(fast).execute(&mut database).await.unwrap();
    assert_eq!(shop.relay.authenticate(&user, &other, HERE).await.err(), Some(Refusal::Credentials));
    assert!(shop.relay.authenticate(&user, &password, HERE).await.is_ok());
}

#[tokio::test]
async fn what_is_remembered_of_a_password_ends_with_its_credential() {
    let (shop, user, password) = shop_with_credential().await;
    assert!(shop.relay.authenticate(&user, &password, HERE).await.is_ok());
    let mut database = shop.database().await;
    sqlx::query("UPDATE credential SET revoked_at = 1").execute(&mut database).await.unwrap();
    assert_eq!(shop.relay.authenticate(&user, &password, HERE).await.err(), Some(Refusal::Credentials));
    sqlx::query("UPDATE credential SET revoked_at = NULL").execute(&mut database).await.unwrap();
    assert!(shop.relay.authenticate(&user, &password, HERE).await.is_ok());
    // Another password: the one that was right before is wrong, though it is remembered.
    let id: i64 = sqlx::query("SELECT id FROM credential").fetch_one(&mut database).await.unwrap().get(0);
    sqlx::query("UPDATE credential SET verifier = NULL").execute(&mut database).await.unwrap();
    let new = Secret::generate("ansm_");
    let verifiers = shop.relay.verifiers_of(id, &user, &new).await.ok().unwrap();
    shop.relay.store().keep_verifiers(id, verifiers, Timestamp::now()).await.unwrap();
    assert_eq!(shop.relay.authenticate(&user, &password, HERE).await.err(), Some(Refusal::Credentials));
    assert!(shop.relay.authenticate(&user, &new, HERE).await.is_ok());
}

#[tokio::test]
async fn a_password_that_is_remembered_costs_a_hash_where_its_credential_does_not_stand() {
    let (shop, user, password) = shop_with_credential().await;
    assert!(shop.relay.authenticate(&user, &password, HERE).await.is_ok());
    let mut database = shop.database().await;
    sqlx::query("UPDATE credential SET revoked_at = 1").execute(&mut database).await.unwrap();
    let occupied = shop.relay.inner.hashes.occupy();
    tokio::time::pause();
    for user in [&user, "nobody"] {
        let answer = shop.relay.authenticate(user, &password, HERE).await;
        assert_eq!(answer.err(), Some(Refusal::TryAgain), "it waits for a hash");
    }
    tokio::time::resume();
    drop(occupied);
    assert_eq!(shop.relay.authenticate(&user, &password, HERE).await.err(), Some(Refusal::Credentials));
}

#[tokio::test]
async fn the_first_login_from_another_network_is_told_to_the_store_once_a_day() {
    let shop = Shop::open().await;
    let log_in = async |ip: &str| {
        let peer = Peer::new((ip.parse::<std::net::IpAddr>().unwrap(), 1).into(), "submission");
        shop.relay.note_network(&shop.login, &peer).await;
        let mut told = Vec::new();
        for work in shop.lease().await {
            let outbound = shop.relay.outbound(&work).await.unwrap();
            told.push((outbound.forward_path.reveal(), outbound.reverse_path.is_none()));
            let bytes = outbound.message.into_bytes();
            let parsed = mail_parser::MessageParser::default().parse(&bytes).unwrap();
            let text = parsed.body_text(0).unwrap();
            assert!(text.contains("198.51.100.0/24") && !text.contains("198.51.100.7"), "{text}");
            shop.settle(&work, Verdict::Delivered, "250 2.0.0").await;
        }
        told
    };
    assert_eq!(log_in("192.0.2.1").await, [], "the first of all is no news");
    assert_eq!(log_in("192.0.2.200").await, []);
    assert_eq!(log_in("198.51.100.7").await, [(OWNER.to_owned(), true)]);
    assert_eq!(log_in("198.51.100.7").await, []);
    assert_eq!(log_in("2001:db8::1").await, [], "one a day");
    let mut database = shop.database().await;
    let count = "SELECT COUNT(*) FROM record WHERE event = 'login_new_network'";
    let count: i64 = sqlx::query(count).fetch_one(&mut database).await.unwrap().get(0);
    assert_eq!(count, 2, "each is recorded");
}
