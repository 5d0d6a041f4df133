//! Everything is brought to the newest keys, nothing that was destroyed comes back, and then the old keys can go.

use super::*;
use crate::vault::Purpose;
use sqlx::Connection;

pub(super) const ROTATED: [Purpose; 4] = [Purpose::Index, Purpose::Seal, Purpose::Body, Purpose::Log];

pub(super) async fn rekey(relay: &Relay, now: Timestamp) {
    for stage in Stage::ALL {
        let mut steps = 0;
        while !matches!(relay.rekey(stage, now).await.unwrap(), Step::Done) {
            steps += 1;
            assert!(steps < 100, "{} does not end", stage.as_str());
        }
    }
}

pub(super) async fn reopen(shop: &Shop, now: Timestamp) -> Result<Relay, RelayFault> {
    let ring = KeyRing::open(&shop.dir.join("keys"), Make::Nothing, now).unwrap();
    let (domains, policy) = (shop.relay.domains().clone(), shop.relay.policy().clone());
    Relay::open(shop.relay.store().clone(), Vault::open_at(&ring, now).unwrap(), domains, policy).await
}

#[tokio::test]
async fn after_rewrapping_the_old_keys_can_go_and_everything_opens_and_is_found() {
    let shop = Shop::open().await;
    shop.customer_writes(&shop.store_alias(), "<1@x.example>", Notify::default(), None).await;
    let added = shop
        .relay
        .add_merchant(NewMerchantRequest {
            store_id: "ume".into(),
            name: "Ume".into(),
            addresses: vec!["a@store.example".into()],
        })
        .await
        .unwrap();
    let mut ring = KeyRing::open_or_begin(&shop.dir.join("keys"), Arc::default()).unwrap();
    for purpose in ROTATED {
        ring.make(purpose, Timestamp::now(), Duration::ZERO).unwrap();
    }
    let later = Timestamp::now().after(MINUTE);
    let relay = reopen(&shop, later).await.unwrap();
    for purpose in ROTATED {
        assert!(!relay.needs(purpose, 'a', later).await.unwrap().is_empty(), "{purpose:?}");
        assert_eq!(relay.needs(purpose, 'b', later).await.unwrap(), [Need::Seals]);
        assert_eq!(relay.needs(purpose, 'c', later).await.unwrap(), [Need::Unknown]);
    }
    let log_in = relay.authenticate(&added.auth_id, &added.auth_password, HERE);
    assert!(log_in.await.is_ok(), "found by an index that is not the newest");
    assert_eq!(relay.needs(Purpose::Guard, 'a', later).await.unwrap(), [Need::Numbers]);
    // A subject's key was destroyed meanwhile: it must not come back.
    let conversation = shop.relay.order("hana-ya", "1").await.unwrap();
    let erased = shop.relay.open_order(OrderRequest {
        store_id: "hana-ya".into(),
        order_no: "2".into(),
        customer: "erased@customer.example".into(),
        expires_at: None,
    });
    erased.await.unwrap();
    let erased = shop.relay.order("hana-ya", "2").await.unwrap();
    let mut database = shop.database().await;
    let destroy = sqlx::query("UPDATE data_key SET wrapped = X'' WHERE id = $1").bind(erased.key.id());
    destroy.execute(&mut database).await.unwrap();

    rekey(&relay, later).await;
    for purpose in ROTATED {
        assert_eq!(relay.needs(purpose, 'a', later).await.unwrap(), [], "{purpose:?}");
        relay.retire(purpose, 'a', Some(later)).await.unwrap();
        ring.destroy(purpose, 'a').unwrap();
    }
    let relay = reopen(&shop, later).await.unwrap();
    assert_eq!(relay.order("hana-ya", "1").await.unwrap().id, conversation.id);
    assert!(relay.authenticate(&added.auth_id, &added.auth_password, HERE).await.is_ok());
    let work = shop.lease().await.remove(0);
    assert!(relay.outbound(&work).await.is_ok());
    let row = relay.store().records_of_message(work.message_id).await.unwrap().remove(0);
    assert!(relay.trace_line(&row).await.is_ok());
    let wrapped: Vec<u8> = sqlx::query_scalar("SELECT wrapped FROM data_key WHERE id = $1")
        .bind(erased.key.id())
        .fetch_one(&mut database)
        .await
        .unwrap();
    assert!(wrapped.is_empty());
    database.close().await.unwrap();
}

#[tokio::test]
async fn a_key_that_seals_since_just_now_is_waited_for() {
    let shop = Shop::open().await;
    let mut ring = KeyRing::open_or_begin(&shop.dir.join("keys"), Arc::default()).unwrap();
    ring.make(Purpose::Seal, Timestamp::now(), MINUTE).unwrap();
    let relay = reopen(&shop, Timestamp::now()).await.unwrap();
    assert!(matches!(relay.rekey(Stage::DataKeys, Timestamp::now()).await.unwrap(), Step::Waits(_)));
    let needs = relay.needs(Purpose::Seal, 'a', Timestamp::now()).await.unwrap();
    assert!(matches!(needs.as_slice(), [Need::Successor(_)]), "{needs:?}");
}

#[tokio::test]
async fn a_running_relay_takes_a_new_key_and_refuses_a_ring_that_is_anothers() {
    let shop = Shop::open().await;
    let mut ring = KeyRing::open_or_begin(&shop.dir.join("keys"), Arc::default()).unwrap();
    ring.make(Purpose::Alias, Timestamp::now(), Duration::ZERO).unwrap();
    let later = Timestamp::now().after(MINUTE);
    shop.relay.renew(Vault::open_at(&ring, later).unwrap()).await.unwrap();
    let opened = shop.relay.open_order(OrderRequest {
        store_id: "hana-ya".into(),
        order_no: "2".into(),
        customer: CUSTOMER.into(),
        expires_at: None,
    });
    assert!(opened.await.unwrap().customer_alias.to_string().starts_with("ab"));
    assert!(shop.mx(Some(&address(CUSTOMER)), &address(&shop.store_alias()[0])).await.is_ok());
    let other = shop.dir.join("other");
    let other = KeyRing::open(&other, Make::Missing, later).unwrap();
    let refused = shop.relay.renew(Vault::open_at(&other, later).unwrap()).await;
    assert!(matches!(refused, Err(RelayFault::OtherKey(_))));
    assert!(shop.relay.order("hana-ya", "1").await.is_ok(), "the old keys stay");
}
