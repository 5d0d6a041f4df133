//! Who can write the database and has no key leads no mail elsewhere: rows that were swapped, put back or copied are found
//! before a mail follows them.

use super::*;
use sqlx::SqliteConnection;

const OTHER: &str = "taro@customer.example";

impl Shop {
    async fn order_of(&self, order_no: &str, customer: &str) -> OrderView {
        let (store_id, order_no) = ("hana-ya".into(), order_no.into());
        let request = OrderRequest { store_id, order_no, customer: customer.into(), expires_at: None };
        self.relay.open_order(request).await.unwrap()
    }

    /// What RCPT at port 25 is told, of the store's side, and what a store is told of the customer's.
    async fn told(&self, order: &OrderView) -> [Option<Refusal>; 2] {
        let outside = self.mx(Some(&address(CUSTOMER)), &address(&order.merchant_alias.to_string())).await;
        let to = address(&order.customer_alias.to_string());
        let inside = self.relay.submission_recipient(&self.login, &to).await;
        [outside.err(), inside.err()]
    }
}

async fn run(database: &mut SqliteConnection, text: &'static str) {
    let changed = sqlx::raw_sql(text).execute(database).await.unwrap().rows_affected();
    assert!(changed > 0 || text.starts_with("CREATE"), "{text}");
}

fn is_deferred(told: &[Option<Refusal>; 2]) -> bool {
    told.iter().all(|refusal| *refusal == Some(Refusal::TryAgain))
}

#[tokio::test]
async fn swapped_aliases_lead_nowhere_and_the_operator_is_told_once() {
    let mut shop = Shop::open().await;
    let policy =
        Policy { postmaster: Some(Arc::new(address("ops@operator.example"))), ..Policy::for_tests() };
    shop.reopen(policy).await;
    let other = shop.order_of("2", OTHER).await;
    assert_eq!(shop.told(&shop.order).await, [None, None]);
    assert_eq!(shop.told(&other).await, [None, None]);
    let mut database = shop.database().await;
    for side in ["merchant", "customer"] {
        let swap = format!(
            "CREATE TEMP TABLE pair AS SELECT id, conversation_id FROM alias WHERE side = '{side}' ORDER BY conversation_id;
             UPDATE alias SET conversation_id = -id WHERE side = '{side}';
             UPDATE alias SET conversation_id = (SELECT conversation_id FROM pair WHERE pair.id <> alias.id)
             WHERE side = '{side}';
             DROP TABLE pair;"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(swap)).execute(&mut database).await.unwrap();
    }
    for order in [&shop.order, &other] {
        assert!(is_deferred(&shop.told(order).await));
    }
    let told = shop.lease().await;
    assert_eq!(told.len(), 2, "one for each conversation, however often it is met");
    let mail = shop.relay.outbound(&told[0]).await.unwrap();
    assert_eq!(mail.forward_path.reveal(), "ops@operator.example");
}

#[tokio::test]
async fn an_address_that_was_put_back_gets_no_mail() {
    let shop = Shop::open().await;
    let mut database = shop.database().await;
    run(&mut database, "CREATE TABLE old AS SELECT * FROM conversation").await;
    shop.readdress("1", "hana.new@customer.example").await;
    assert_eq!(shop.told(&shop.order).await, [None, None]);
    // The address alone, with what it is found by.
    run(&mut database, "CREATE TABLE now AS SELECT * FROM conversation").await;
    run(
        &mut database,
        "UPDATE conversation SET customer = (SELECT customer FROM old), customer_idx = (SELECT customer_idx FROM old)",
    )
    .await;
    assert!(is_deferred(&shop.told(&shop.order).await));
    // The addresses before alone, which must not pass either.
    run(
        &mut database,
        "UPDATE conversation SET (customer, customer_idx) = (SELECT customer, customer_idx FROM now)",
    )
    .await;
    assert_eq!(shop.told(&shop.order).await, [None, None]);
    run(&mut database, "UPDATE conversation SET former = NULL").await;
    assert!(is_deferred(&shop.told(&shop.order).await));
    // The whole row, as it stood in a backup.
    run(
        &mut database,
        "UPDATE conversation SET (customer, customer_idx, former, revision) = \
         (SELECT customer, customer_idx, former, revision FROM old)",
    )
    .await;
    assert!(is_deferred(&shop.told(&shop.order).await));
    // Without what proves it.
    run(&mut database, "UPDATE conversation SET revision = NULL; UPDATE alias SET tag = NULL").await;
    assert!(is_deferred(&shop.told(&shop.order).await));
}

#[tokio::test]
async fn a_conversation_that_was_given_to_another_store_or_copied_leads_nowhere() {
    let shop = Shop::open().await;
    let addresses = vec!["thief@store.example".to_owned()];
    let request = NewMerchantRequest { store_id: "thief".into(), name: "Thief".into(), addresses };
    shop.relay.add_merchant(request).await.unwrap();
    let other = shop.order_of("2", OTHER).await;
    let mut database = shop.database().await;
    run(&mut database, "UPDATE conversation SET merchant_id = (SELECT MAX(id) FROM merchant) WHERE id = (SELECT MIN(id) FROM conversation)").await;
    let told = shop.told(&shop.order).await;
    assert_eq!(told[0], Some(Refusal::TryAgain));
    // The sealed address of another conversation, or a value of another column, opens in neither.
    run(
        &mut database,
        "UPDATE conversation SET customer = (SELECT customer FROM conversation ORDER BY id LIMIT 1) \
         WHERE id = (SELECT MAX(id) FROM conversation)",
    )
    .await;
    assert!(shop.told(&other).await.iter().all(|refusal| *refusal == Some(Refusal::TryAgain)));
    run(
        &mut database,
        "UPDATE alias SET tag = (SELECT revision FROM conversation WHERE id = conversation_id)",
    )
    .await;
    assert!(shop.told(&other).await.iter().all(|refusal| *refusal == Some(Refusal::TryAgain)));
}

#[tokio::test]
async fn what_an_older_version_wrote_leads_as_before_until_it_is_bound() {
    let shop = Shop::open().await;
    let mut database = shop.database().await;
    run(
        &mut database,
        "UPDATE conversation SET revision = NULL; UPDATE alias SET tag = NULL; UPDATE installation SET bound = NULL",
    )
    .await;
    let ring = KeyRing::open(&shop.dir.join("keys"), Make::Nothing, Timestamp::now()).unwrap();
    let open = async || {
        let (store, domains) = (shop.relay.store().clone(), shop.relay.domains().clone());
        Relay::open(store, Vault::open(&ring).unwrap(), domains, Policy::for_tests()).await.unwrap()
    };
    let (old, other) = (open().await, open().await);
    let to = address(&shop.order.customer_alias.to_string());
    assert!(old.submission_recipient(&shop.login, &to).await.is_ok());
    let (mut from, mut written) = (-1, 0);
    while let Binding::More { position, written: more, .. } = old.bind_some(from, true).await.unwrap() {
        (from, written) = (position, written + more);
    }
    assert_eq!((written, old.bind_some(-1, true).await.unwrap()), (1, Binding::Done));
    assert!(old.submission_recipient(&shop.login, &to).await.is_ok());
    // Once it is bound nothing is taken for older, in any process.
    run(&mut database, "UPDATE alias SET tag = NULL").await;
    assert!(other.submission_recipient(&shop.login, &to).await.is_ok(), "it has not heard of it");
    other.learn_bound().await.unwrap();
    for relay in [&old, &other] {
        let told = relay.submission_recipient(&shop.login, &to).await.err();
        assert_eq!(told, Some(Refusal::TryAgain));
    }
}
