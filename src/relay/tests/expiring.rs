//! Whose addresses end in a week is told so, both sides, once; and nobody else.

use super::*;

const DAY: Duration = Duration::from_secs(86_400);
/// After the orders are opened.
const LATER: Duration = Duration::from_secs(14 * 86_400);

impl Shop {
    async fn order_until(&self, order_no: &str, customer: &str, days: u32) -> OrderView {
        let (store_id, order_no) = ("hana-ya".into(), order_no.into());
        let expires_at = Some(Timestamp::now().after(DAY * days));
        let request = OrderRequest { store_id, order_no, customer: customer.into(), expires_at };
        self.relay.open_order(request).await.unwrap()
    }

    /// What is sent to whom, other than mail of the parties; each is settled.
    async fn notices_at(&self, at: Timestamp) -> Vec<(String, String)> {
        let mut told = Vec::new();
        for work in self.lease_at(at).await {
            if work.direction == "notice" {
                let sent = self.relay.outbound(&work).await.unwrap();
                let bytes = sent.message.as_bytes();
                let parsed = mail_parser::MessageParser::default().parse(bytes).unwrap();
                let text = format!("{}\n{}", parsed.subject().unwrap(), parsed.body_text(0).unwrap());
                told.push((sent.forward_path.reveal().to_owned(), text));
            }
            self.settle(&work, Verdict::Delivered, "250 2.0.0").await;
        }
        told.sort();
        told
    }
}

#[tokio::test]
async fn both_sides_of_what_ends_in_a_week_are_told_once() {
    let shop = Shop::open().await;
    let soon = shop.order_until("A-20", CUSTOMER, 20).await;
    shop.order_until("B-20-silent", "silent@customer.example", 20).await;
    let late = shop.order_until("C-40", CUSTOMER, 40).await;
    for order in [&soon, &late] {
        let to = [order.merchant_alias.to_string()];
        shop.customer_writes(&to, &format!("<{}@x.example>", order.order_no), Notify::default(), None).await;
    }
    let early = Timestamp::now().after(DAY * 12);
    shop.relay.tell_of_ends(early).await.unwrap();
    assert_eq!(shop.notices_at(early).await, [], "nothing ends within a week of then");

    let later = Timestamp::now().after(LATER);
    let other = Shop::again(&shop).await;
    other.tell_of_ends(later).await.unwrap();
    // Another process does the same at the same time.
    Shop::again(&shop).await.tell_of_ends(later).await.unwrap();
    let told = shop.notices_at(later).await;
    let [(customer, to_customer), (owner, to_owner)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((customer.as_str(), owner.as_str()), (CUSTOMER, OWNER));
    assert!(to_customer.contains(&soon.merchant_alias.to_string()), "{to_customer}");
    assert!(to_customer.contains("Hana-ya") && !to_customer.contains(OWNER), "{to_customer}");
    assert!(!to_customer.contains("A-20") && !to_customer.contains(&late.merchant_alias.to_string()));
    assert!(to_owner.contains("\nA-20\r\n") || to_owner.contains("\nA-20\n"), "{to_owner}");
    assert!(
        !to_owner.contains("B-20") && !to_owner.contains("C-40") && !to_owner.contains(CUSTOMER),
        "{to_owner}"
    );

    // Where the end was put off, the next one is told as well; what was closed is not told at all.
    let until = Timestamp::now().after(DAY * 23);
    shop.relay.extend_order("hana-ya", "A-20", until).await.unwrap();
    Shop::again(&shop).await.tell_of_ends(later).await.unwrap();
    assert_eq!(shop.notices_at(later).await, [], "nine days are more than a week");
    let then = Timestamp::now().after(DAY * 17);
    Shop::again(&shop).await.tell_of_ends(then).await.unwrap();
    assert_eq!(shop.notices_at(then).await.len(), 2);
    shop.relay.close_order("hana-ya", "C-40").await.unwrap();
    let closed = Timestamp::now().after(DAY * 36);
    Shop::again(&shop).await.tell_of_ends(closed).await.unwrap();
    assert_eq!(shop.notices_at(closed).await, []);
}

impl Shop {
    /// Another process on the same database.
    async fn again(shop: &Shop) -> Relay {
        let ring = KeyRing::open(&shop.dir.join("keys"), Make::Nothing, Timestamp::now()).unwrap();
        let (store, domains) = (shop.relay.store().clone(), shop.relay.domains().clone());
        Relay::open(store, Vault::open(&ring).unwrap(), domains, Policy::for_tests()).await.unwrap()
    }
}

#[tokio::test]
async fn a_store_is_told_of_the_whole_day_and_of_a_mail_that_came_back_not_again() {
    const HOUR: Duration = Duration::from_secs(3600);
    let shop = Shop::open().await;
    // Midnight and noon in Japan, three weeks from now.
    let day = (Timestamp::now().as_millis() / 86_400_000 + 21) * 86_400_000;
    let noon = Timestamp::from_millis(day + 3 * 3_600_000);
    let midnight = Timestamp::from_millis(noon.as_millis() - 12 * 3_600_000);
    for (order_no, expires_at) in
        [("A-midnight", midnight), ("B-noon", noon), ("C-evening", noon.after(HOUR * 6))]
    {
        let request = OrderRequest {
            store_id: "hana-ya".into(),
            order_no: order_no.into(),
            customer: CUSTOMER.into(),
            expires_at: Some(expires_at),
        };
        let order = shop.relay.open_order(request).await.unwrap();
        let (to, id) = ([order.merchant_alias.to_string()], format!("<{order_no}@x.example>"));
        shop.customer_writes(&to, &id, Notify::default(), None).await;
    }
    // Of the day the evening is more than a week away.
    let first = Timestamp::from_millis(noon.as_millis() - 7 * 86_400_000 + 3_600_000);
    Shop::again(&shop).await.tell_of_ends(first).await.unwrap();
    let mut to_owner = Vec::new();
    for work in shop.lease_at(first).await.into_iter().filter(|work| work.direction == "notice") {
        let sent = shop.relay.outbound(&work).await.unwrap();
        if sent.forward_path.reveal() == OWNER {
            to_owner.push(String::from_utf8_lossy(sent.message.as_bytes()).into_owned());
        }
        shop.settle(&work, Verdict::Failed, "550 5.1.1").await;
    }
    assert_eq!(to_owner.len(), 1);
    let parsed = mail_parser::MessageParser::default().parse(to_owner[0].as_bytes()).unwrap();
    let text = parsed.body_text(0).unwrap().into_owned();
    assert!(["A-midnight", "B-noon", "C-evening"].iter().all(|no| text.contains(no)), "{text}");
    // All came back; none goes out again.
    let then = first.after(HOUR * 3);
    Shop::again(&shop).await.tell_of_ends(then).await.unwrap();
    assert_eq!(shop.notices_at(then).await, []);
}
