//! What was told to have failed does not happen afterwards, and what a person forbade a server does not allow.

use super::*;
use sqlx::{Connection, Row};
use std::time::Duration;

#[tokio::test]
async fn a_change_that_nobody_waits_for_any_more_is_not_made() {
    let shop = Shop::open().await;
    let mut other = shop.database().await;
    // Another process writes: the writer waits.
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let relay = shop.relay.clone();
    let first = tokio::spawn(async move { relay.add_token("first", "orders").await });
    tokio::task::yield_now().await;
    let given_up = tokio::time::timeout(Duration::ZERO, shop.relay.add_token("given up", "orders")).await;
    assert!(given_up.is_err());
    sqlx::query("COMMIT").execute(&mut other).await.unwrap();
    first.await.unwrap().unwrap();
    shop.relay.add_token("last", "orders").await.unwrap();
    let count = sqlx::query("SELECT COUNT(*) FROM api_token").fetch_one(&mut other).await.unwrap();
    assert_eq!(count.get::<i64, _>(0), 2);
    other.close().await.unwrap();
}

#[tokio::test]
async fn a_delivery_lifts_no_suppression_that_a_person_asked_for() {
    let shop = Shop::open().await;
    let to = shop.store_alias();
    for is_person in [false, true] {
        for mail in 0..3 {
            let id = format!("<{mail}.{is_person}@c.example>");
            shop.customer_writes(&to, &id, notify(false), None).await;
        }
        let due = shop.lease().await;
        assert_eq!(due.len(), 3);
        for refused in &due[1..] {
            shop.settle(refused, Verdict::Failed, "550 5.1.1").await;
        }
        if is_person {
            shop.relay.suppress(&to[0]).await.unwrap();
        }
        assert_eq!(shop.relay.suppressions().await.unwrap().len(), 1);
        shop.settle(&due[0], Verdict::Delivered, "250 2.0.0").await;
        assert_eq!(shop.relay.suppressions().await.unwrap().len(), usize::from(is_person));
        for notice in shop.lease().await {
            shop.settle(&notice, Verdict::Delivered, "250 2.0.0").await;
        }
    }
}
