//! What each role can do with its own keys alone, by the same database: the web role seals what it cannot open, and those who
//! must open can.

use super::*;
use crate::vault::{Keeper, Purpose, Take, Wrapping};

const BASIS: [Purpose; 3] = [Purpose::Alias, Purpose::Index, Purpose::Guard];

/// The same installation with these secrets alone.
async fn holding(shop: &Shop, more: &[Purpose]) -> Relay {
    let take = Take::Only([&BASIS[..], more].concat());
    let (_, vault) =
        Keeper::open(&shop.dir.join("keys"), Wrapping::File, take, Make::Nothing, Timestamp::now()).unwrap();
    let (domains, policy) = (shop.relay.domains().clone(), shop.relay.policy().clone());
    Relay::open(shop.relay.store().clone(), vault, domains, policy).await.unwrap()
}

fn not_held(fault: Option<impl std::fmt::Display>, key: &str) {
    let text = fault.map(|fault| fault.to_string()).unwrap_or_default();
    assert!(text.contains(&format!("it takes the {key} key")), "{text}");
}

#[tokio::test]
async fn the_web_role_makes_stores_and_orders_and_opens_neither() {
    let shop = Shop::open().await;
    let web = holding(&shop, &[]).await;
    let addresses = vec!["a@store.example".to_owned()];
    let request = NewMerchantRequest { store_id: "ume".into(), name: "Ume".into(), addresses };
    let added = web.add_merchant(request).await.unwrap();
    let order = |customer: &str| OrderRequest {
        store_id: "ume".into(),
        order_no: "7".into(),
        customer: customer.into(),
        expires_at: None,
    };
    let opened = web.open_order(order(CUSTOMER)).await.unwrap();
    let again = web.open_order(order("HANA@customer.example")).await.unwrap();
    assert!(opened.is_new && !again.is_new && opened.customer_alias == again.customer_alias);
    assert!(matches!(web.open_order(order("other@customer.example")).await, Err(OrderFault::OtherCustomer)));
    assert_eq!(web.show_order("ume", "7").await.unwrap().merchant_alias, opened.merchant_alias);
    web.extend_order("ume", "7", Timestamp::now().after(MINUTE)).await.unwrap();
    not_held(web.list_orders("ume").await.err(), "seal");
    not_held(web.order("ume", "7").await.err(), "seal");
    assert!(web.authenticate(&added.auth_id, &added.auth_password, HERE).await.is_err());

    // Ingress opens who people are, and the verifier that the web role sealed.
    let ingress = holding(&shop, &[Purpose::Seal]).await;
    assert!(ingress.authenticate(&added.auth_id, &added.auth_password, HERE).await.is_ok());
    assert!(ingress.scram(&added.auth_id).await.is_ok());
    assert_eq!(ingress.order("ume", "7").await.unwrap().customer.reveal(), CUSTOMER);
}

#[tokio::test]
async fn ingress_takes_mail_whose_text_it_cannot_open_and_egress_can() {
    let mut shop = Shop::open().await;
    let ingress = holding(&shop, &[Purpose::Seal]).await;
    let egress = holding(&shop, &[Purpose::Seal, Purpose::Body]).await;
    let whole = std::mem::replace(&mut shop.relay, ingress.clone());
    let receipt = shop.customer_writes(&shop.store_alias(), "<1@x.example>", Notify::default(), None).await;
    shop.relay = whole;
    let id = parse_queue_id(&receipt.queue_ids[0]).unwrap();
    let delivery = shop.relay.store().queue_of_message(id).await.unwrap().remove(0).delivery_id;
    let work = shop.relay.store().delivered_work(delivery).await.unwrap().unwrap();
    not_held(ingress.outbound(&work).await.err(), "body");
    assert!(egress.outbound(&work).await.is_ok());
    // The log is for neither, though both write it.
    let row = shop.relay.store().records_of_message(id).await.unwrap().remove(0);
    not_held(ingress.trace_line(&row).await.err(), "log");
    not_held(egress.trace_line(&row).await.err(), "log");
    assert!(shop.relay.trace_line(&row).await.is_ok());
}

#[tokio::test]
async fn what_a_role_lacks_of_the_keys_it_needs_stops_its_start() {
    let shop = Shop::open().await;
    make_alias_key(&shop.dir.join("keys"));
    let _ = holding(&shop, &[]).await;
    let ring = shop.dir.join("keys");
    std::fs::remove_file(ring.join("alias-a.key")).unwrap();
    let take = Take::Only(BASIS.to_vec());
    let (_, vault) = Keeper::open(&ring, Wrapping::File, take, Make::Nothing, Timestamp::now()).unwrap();
    let (domains, policy) = (shop.relay.domains().clone(), shop.relay.policy().clone());
    let opened = Relay::open(shop.relay.store().clone(), vault, domains, policy).await;
    assert!(opened.err().is_some_and(|fault| fault.to_string().contains("alias-a.key is missing")));
}
