//! One order's address is moved by two persons, and by nobody else.

use super::*;

fn look(actor: &str, uid: u32) -> Look {
    Look::new(
        actor,
        LookPurpose::DisputeSupport,
        "C-4",
        Account { uid, login: Some(uid), from: Origin::Here },
    )
    .unwrap()
}

impl Shop {
    /// Gives an order another address, as two persons do.
    pub(super) async fn readdress(&self, order_no: &str, to: &str) {
        let opening = self.relay.readdressing_of("hana-ya", order_no, to).await.unwrap();
        let open = async |approved| {
            self.relay.open_for(&look("akiko", 1), &opening, Goes::ToTheScreen, approved).await
        };
        let Err(DeskFault::SecondPerson(request)) = open(None).await else { panic!("by one alone") };
        let account = Account { uid: 2, login: Some(2), from: Origin::Here };
        self.relay.decide_look(&request, "botan", account, Ruling::Approved).await.unwrap();
        assert!(matches!(open(Some(&request)).await, Ok(Opened::Readdressed(_))));
    }

    async fn customer(&self) -> String {
        self.relay.order("hana-ya", "1").await.unwrap().customer.reveal()
    }
}

#[tokio::test]
async fn one_person_alone_moves_nobodys_mail_and_the_address_before_is_told_in_the_same_moment() {
    let shop = Shop::open().await;
    let new = "hana.new@customer.example";
    for (to, why) in
        [("hana@CUSTOMER.example", "of now"), ("x@pc.fw.example", "own domains"), ("no", "customer:")]
    {
        let fault = shop.relay.readdressing_of("hana-ya", "1", to).await.err().unwrap();
        assert!(fault.to_string().contains(why), "{fault}");
    }
    let opening = shop.relay.readdressing_of("hana-ya", "1", new).await.unwrap();
    let alone = shop.relay.open_for(&look("akiko", 1), &opening, Goes::ToTheScreen, None).await;
    let Err(DeskFault::SecondPerson(request)) = alone else { panic!("by one alone") };
    assert_eq!(shop.customer().await, CUSTOMER);
    assert!(shop.lease().await.is_empty());

    // Approved for one address is not for another.
    let account = Account { uid: 2, login: Some(2), from: Origin::Here };
    shop.relay.decide_look(&request, "botan", account, Ruling::Approved).await.unwrap();
    let other = shop.relay.readdressing_of("hana-ya", "1", "other@customer.example").await.unwrap();
    let other = shop.relay.open_for(&look("akiko", 1), &other, Goes::ToTheScreen, Some(&request)).await;
    assert!(matches!(other, Err(DeskFault::OtherRequest)));
    assert_eq!(shop.customer().await, CUSTOMER);

    shop.readdress("1", new).await;
    assert_eq!(shop.customer().await, new);
    let told = shop.lease().await;
    assert_eq!(told.len(), 1);
    let told = shop.relay.outbound(&told[0]).await.unwrap();
    assert_eq!(told.forward_path.reveal(), CUSTOMER);
    let looks = shop.relay.looks().await.unwrap();
    let done = looks.iter().find(|look| look.kind == "readdress" && look.outcome == "done").unwrap();
    assert_eq!(done.detail["actor"], "akiko");
    assert_eq!(done.detail["what"]["readdress"]["order_no"], "1");
    assert!(looks.iter().all(|look| !look.detail.to_string().contains("customer.example")));
}

#[tokio::test]
async fn what_can_not_be_entered_moves_no_mail() {
    use sqlx::Connection;
    let shop = Shop::open().await;
    let opening = shop.relay.readdressing_of("hana-ya", "1", "hana.new@customer.example").await.unwrap();
    let open =
        async |approved| shop.relay.open_for(&look("akiko", 1), &opening, Goes::ToTheScreen, approved).await;
    let Err(DeskFault::SecondPerson(request)) = open(None).await else { panic!("by one alone") };
    let account = Account { uid: 2, login: Some(2), from: Origin::Here };
    shop.relay.decide_look(&request, "botan", account, Ruling::Approved).await.unwrap();
    let mut database = shop.database().await;
    let refuses = "CREATE TRIGGER refuses BEFORE INSERT ON look WHEN NEW.outcome = 'done' \
         BEGIN SELECT RAISE(ABORT, 'no'); END";
    sqlx::raw_sql(refuses).execute(&mut database).await.unwrap();
    assert!(open(Some(&request)).await.is_err());
    assert_eq!(shop.customer().await, CUSTOMER);
    assert!(shop.lease().await.is_empty());
    database.close().await.unwrap();
}

#[tokio::test]
async fn of_two_changes_at_once_the_later_is_told_so_and_no_former_address_is_lost() {
    let (shop, now) = (Shop::open().await, Timestamp::now());
    let relay = &shop.relay;
    let [one, two, three] = ["one", "two", "three"].map(|name| format!("{name}@customer.example"));
    // All of them have read the order before any of them writes.
    let first = relay.readdressable("hana-ya", "1", &one).await.unwrap();
    let second = relay.readdressable("hana-ya", "1", &two).await.unwrap();
    let read = relay.order("hana-ya", "1").await.unwrap();
    let corrected = [relay.repointed(&read, &address(&three)).unwrap()];
    relay.readdress(&look("akiko", 1), &first, now).await.unwrap();
    let late = relay.readdress(&look("botan", 2), &second, now).await;
    assert!(matches!(late, Err(OrderFault::Moved)), "{:?}", late.err());
    let looks = relay.looks().await.unwrap();
    assert_eq!(looks.iter().filter(|look| look.outcome == "done").count(), 1, "the later left no entry");
    assert_eq!(shop.lease().await.len(), 1, "nor a mail");

    // A correction by proof that has read it before is carried out anew, and finds nothing that has the address any more.
    let asked = Opening::Correct {
        person: String::new(),
        new: String::new(),
        customer: CUSTOMER.to_owned(),
        to: three.clone(),
    };
    let open = async |approved| relay.open_for(&look("akiko", 1), &asked, Goes::ToTheScreen, approved).await;
    assert!(open(None).await.is_err(), "nobody has the address any more");
    let (key, new_key) = relay.new_data_key("correction");
    let place = crate::vault::Place::new("correction", "detail", 7);
    let row = crate::store::NewCorrection {
        id: 7,
        at: now,
        expires_at: now.after(MINUTE),
        key: new_key,
        detail: key.seal(place, b"{}"),
    };
    relay.store().add_correction(&row).await.unwrap();
    let done = relay.store().carry_out_correction(7, &corrected, &relay.destroying([]), now).await.unwrap();
    assert_eq!(done, crate::store::CarriedOut::Moved);
    assert!(
        relay.store().correction(7).await.unwrap().unwrap().done_at.is_none(),
        "it can be carried out still"
    );

    let order = relay.order("hana-ya", "1").await.unwrap();
    assert_eq!(order.customer.reveal(), one);
    let former: Vec<String> = order.former.iter().map(RealAddress::reveal).collect();
    assert_eq!(former, [CUSTOMER]);
}
