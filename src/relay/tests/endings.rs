//! The end of a conversation loses no mail: whoever writes next begins another, whatever keeps the old one, and a row whose
//! key is gone, or that somebody changed, stops nothing else.

use super::rekey::{ROTATED, rekey, reopen};
use super::*;
use crate::config::Config;
use crate::relay::orders::Lasts;
use sqlx::Connection;

const DAY: Duration = Duration::from_secs(86_400);

fn look() -> Look {
    let account = Account { uid: 1, login: None, from: Origin::Here };
    Look::new("akiko", LookPurpose::LegalRequest, "C-9", account).unwrap()
}

async fn inquiry(relay: &Relay) -> i64 {
    let merchant = relay.merchant("hana-ya").await.unwrap().unwrap();
    let customer = address(CUSTOMER);
    let found = relay.open_inquiry(&merchant, &customer, Lasts::AsItWas, Timestamp::now());
    found.await.unwrap().id
}

impl Shop {
    async fn open_another(&self, order_no: &str) -> OrderView {
        let (store_id, order_no) = ("hana-ya".into(), order_no.into());
        let request = OrderRequest { store_id, order_no, customer: CUSTOMER.into(), expires_at: None };
        self.relay.open_order(request).await.unwrap()
    }

    /// A round when the period has been over for so many minutes since the end of what is new.
    async fn end(&self, minutes: u32) -> usize {
        let rule = Config::development(&std::env::temp_dir()).unwrap().retention.conversations;
        let now = Timestamp::now().after(DAY * 90 + MINUTE * (60 + minutes));
        self.relay.end_conversations(&rule, now).await.unwrap()
    }

    async fn order_numbers(&self) -> Vec<String> {
        let orders = self.relay.list_orders("hana-ya").await.unwrap();
        orders.into_iter().map(|order| order.order_no).collect()
    }
}

#[tokio::test]
async fn who_writes_after_his_inquiry_ended_begins_another_whatever_keeps_the_old_one() {
    for is_held in [false, true] {
        let mut shop = Shop::open().await;
        let old = inquiry(&shop.relay).await;
        assert_eq!(shop.end(1).await, 0, "closed first");
        if is_held {
            let scope = HoldScope { store_id: Some("hana-ya".into()), ..HoldScope::default() };
            shop.relay.add_legal_hold(&look(), scope).await.unwrap();
        }
        let to = ["hana-ya@shop.example".to_owned()];
        shop.customer_writes(&to, "<1@x.example>", Notify::default(), None).await;
        let new = inquiry(&shop.relay).await;
        assert_ne!(new, old);
        let ended = shop.relay.conversation_by_id(old).await.unwrap().unwrap();
        let late = shop.mx(Some(&address(CUSTOMER)), &address(&ended.merchant_alias.to_string())).await;
        assert_eq!(late.err(), Some(Refusal::Closed));

        // With other keys it is the new one still that is found.
        let mut ring = KeyRing::open_or_begin(&shop.dir.join("keys"), Arc::default()).unwrap();
        for purpose in ROTATED {
            ring.make(purpose, Timestamp::now(), Duration::ZERO).unwrap();
        }
        let later = Timestamp::now().after(MINUTE);
        let relay = reopen(&shop, later).await.unwrap();
        rekey(&relay, later).await;
        for purpose in ROTATED {
            relay.retire(purpose, 'a', Some(later)).await.unwrap();
            ring.destroy(purpose, 'a').unwrap();
        }
        shop.relay = reopen(&shop, later).await.unwrap();
        assert_eq!(inquiry(&shop.relay).await, new);

        shop.end(90).await;
        shop.end(90).await;
        let is_there = shop.relay.conversation_by_id(old).await.unwrap().is_some();
        assert_eq!(is_there, is_held);
        assert_eq!(inquiry(&shop.relay).await, new);
    }
}

#[tokio::test]
async fn where_somebody_reads_the_rows_go_in_the_next_round_and_are_listed_meanwhile() {
    let shop = Shop::open().await;
    assert_eq!((shop.end(1).await, shop.end(1).await), (0, 0));
    let mut reader = shop.database().await;
    sqlx::query("BEGIN").execute(&mut reader).await.unwrap();
    sqlx::query("SELECT COUNT(*) FROM conversation").fetch_one(&mut reader).await.unwrap();
    assert_eq!(shop.end(90).await, 0);
    assert_eq!(shop.order_numbers().await, [""]);
    sqlx::query("COMMIT").execute(&mut reader).await.unwrap();
    assert_eq!(shop.end(90).await, 1, "at once");
    assert!(shop.order_numbers().await.is_empty());
    reader.close().await.unwrap();
}

#[tokio::test]
async fn full_rounds_follow_each_other() {
    let shop = Shop::open().await;
    for order_no in 2..=210 {
        shop.open_another(&order_no.to_string()).await;
    }
    shop.end(1).await;
    let orders = shop.relay.list_orders("hana-ya").await.unwrap();
    assert_eq!(orders.len(), 210);
    assert!(orders.iter().all(|order| order.closed_at.is_some()));
}

#[tokio::test]
async fn a_row_without_its_key_or_changed_by_somebody_stops_no_list_no_correction_and_no_leaving() {
    let shop = Shop::open().await;
    let suppressed = shop.open_another("2").await.merchant_alias.to_string();
    shop.open_another("3").await;
    shop.relay.suppress(&suppressed).await.unwrap();
    let [gone, changed] = [shop.relay.order("hana-ya", "2").await, shop.relay.order("hana-ya", "3").await];
    let mut database = shop.database().await;
    for (text, id) in [
        ("UPDATE data_key SET wrapped = X'' WHERE id = $1", gone.unwrap().key.id()),
        ("UPDATE conversation SET revision = NULL WHERE id = $1", changed.unwrap().id),
    ] {
        sqlx::query(text).bind(id).execute(&mut database).await.unwrap();
    }
    database.close().await.unwrap();
    assert_eq!(shop.order_numbers().await, ["1", "", ""]);
    let suppressions = shop.relay.suppressions().await.unwrap();
    assert!(matches!(suppressions.as_slice(), [SuppressedView { alias: None, .. }]));

    let (count, correction) = shop.relay.correctable(CUSTOMER, "new@customer.example").await.unwrap();
    let asked = shop.relay.ask_correction(&look(), &correction, count, Timestamp::now()).await.unwrap();
    assert_eq!((asked.conversations, asked.unreadable), (1, 2));

    assert_eq!(shop.lease().await.len(), 2);
    let left = shop.relay.leave_store(&look(), "hana-ya").await.unwrap();
    assert_eq!((left.conversations, left.untold), (3, 2));
    assert_eq!(shop.lease().await.len(), 1, "who can be told is");
    let orders = shop.relay.list_orders("hana-ya").await.unwrap();
    assert!(orders.iter().all(|order| order.closed_at.is_some()));
}
