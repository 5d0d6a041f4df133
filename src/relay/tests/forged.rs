//! Whoever changes rows behind the relay's back destroys no key, gets no certificate, uses no approval twice and lets nobody in again.

use super::*;
use crate::vault::{self, Indexed};
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

fn look(actor: &str, uid: u32) -> Look {
    let account = Account { uid, login: Some(uid), from: Origin::Here };
    Look::new(actor, LookPurpose::LegalRequest, "C-5", account).unwrap()
}

async fn run(database: &mut SqliteConnection, text: &str) {
    let changed = sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(database).await.unwrap();
    assert!(changed.rows_affected() > 0 || text.starts_with("CREATE"), "{text}");
}

async fn number(database: &mut SqliteConnection, text: &'static str) -> i64 {
    sqlx::query(text).fetch_one(database).await.unwrap().get(0)
}

impl Shop {
    async fn said(&self) -> Vec<String> {
        let broken = self.relay.unproven().await.unwrap().unwrap();
        broken.into_iter().map(|broken| broken.why).collect()
    }
}

#[tokio::test]
async fn a_key_is_destroyed_by_who_has_the_ring_and_not_by_a_row() {
    let shop = Shop::open().await;
    let order = shop.relay.order("hana-ya", "1").await.unwrap().key.id();
    let mut database = shop.database().await;
    let installation = number(&mut database, "SELECT data_key_id FROM installation").await;
    let store = number(&mut database, "SELECT data_key_id FROM merchant").await;
    for (id, key) in [(1, order), (2, installation), (3, store)] {
        run(&mut database, &format!("INSERT INTO erased_key (id, data_key_id, at) VALUES ({id}, {key}, 1)"))
            .await;
    }
    assert!(shop.relay.keys_to_erase().await.unwrap().is_empty());
    assert_eq!(shop.said().await.len(), 3);
    // A proof is for one key.
    let proof = |key| shop.relay.proof_of("erased_key", key, crate::store::DESTROYED);
    let text = "UPDATE erased_key SET ruling = $1 WHERE id = 1";
    sqlx::query(text).bind(proof(store).as_bytes()).execute(&mut database).await.unwrap();
    assert!(shop.relay.keys_to_erase().await.unwrap().is_empty());
    // Nor is a key that lasts taken out with one.
    let text = "UPDATE erased_key SET ruling = $1 WHERE id = 3";
    sqlx::query(text).bind(proof(store).as_bytes()).execute(&mut database).await.unwrap();
    assert!(shop.relay.keys_to_erase().await.unwrap().is_empty());
    // A conversation that was pointed to a store's key takes that with it to nowhere.
    run(&mut database, "DELETE FROM erased_key").await;
    run(&mut database, &format!("UPDATE conversation SET data_key_id = {store}")).await;
    let (_, opening) = shop.relay.erasure_of(CUSTOMER, true).await.unwrap();
    let open =
        async |approved| shop.relay.open_for(&look("akiko", 1), &opening, Goes::ToTheScreen, approved).await;
    let Err(DeskFault::SecondPerson(request)) = open(None).await else { panic!("by one alone") };
    shop.relay.decide_look(&request, "botan", look("botan", 2).account, Ruling::Approved).await.unwrap();
    assert!(open(Some(&request)).await.is_err());
    assert!(shop.relay.merchant("hana-ya").await.unwrap().is_some());
    assert!(shop.relay.keys_to_erase().await.unwrap().is_empty());
}

#[tokio::test]
async fn no_row_has_the_key_of_another_destroyed() {
    let shop = Shop::open().await;
    let taro = OrderRequest {
        store_id: "hana-ya".into(),
        order_no: "2".into(),
        customer: "taro@other.example".into(),
        expires_at: None,
    };
    shop.relay.open_order(taro).await.unwrap();
    let (own, other) = (shop.relay.order("hana-ya", "1").await.unwrap(), "2");
    let other = shop.relay.order("hana-ya", other).await.unwrap().key.id();
    let mut database = shop.database().await;
    run(
        &mut database,
        &format!("INSERT INTO correction (id, at, expires_at, data_key_id, detail) VALUES (5, 1, 2, {other}, X'00')"),
    )
    .await;
    shop.relay.end_corrections(Timestamp::now()).await.unwrap();
    run(
        &mut database,
        &format!("INSERT INTO correction (id, at, expires_at, data_key_id, detail) VALUES (5, 1, 2, {other}, X'00')"),
    )
    .await;
    let stranger = shop.relay.vault().index.of(Indexed::Stranger(&address(CUSTOMER)));
    sqlx::query("INSERT INTO stranger (address_idx, day, data_key_id) VALUES ($1, 20000, $2)")
        .bind(stranger.as_bytes())
        .bind(other)
        .execute(&mut database)
        .await
        .unwrap();
    run(&mut database, &format!("UPDATE conversation SET data_key_id = {other} WHERE id = {}", own.id)).await;
    assert!(shop.erase_for_good(CUSTOMER).await.is_empty());
    assert_eq!(number(&mut database, "SELECT COUNT(*) FROM erased_key").await, 0);
    let order = shop.relay.order("hana-ya", "2").await.unwrap();
    assert_eq!(order.customer.reveal(), "taro@other.example");
}

#[tokio::test]
async fn an_erasure_that_leaves_a_key_is_not_certified_as_complete_and_says_what_to_do() {
    let shop = Shop::open().await;
    shop.backup().await;
    let order = shop.relay.order("hana-ya", "1").await.unwrap();
    let (conversation, key) = (queue_id(order.id), order.key.id());
    let mut database = shop.database().await;
    // One value that opens is enough.
    run(&mut database, "UPDATE conversation SET customer = X'00', label = X'00', revision = X'00'").await;
    assert_eq!(shop.relay.own_keys(&[order.id]).await.unwrap(), [(order.id, key)]);
    run(&mut database, "UPDATE alias SET tag = X'00'").await;
    assert!(shop.erase_for_good(CUSTOMER).await.is_empty());
    let left = [LeftKey::Conversation(conversation.clone())];
    for _ in 0..2 {
        let waits = shop.relay.certify_erasures(Timestamp::now()).await.unwrap();
        assert!(waits.len() == 1 && waits[0].is_proven && waits[0].left == left);
    }
    let certificates = shop.relay.certificates(10).await.unwrap();
    let said = format!(
        "not complete, nothing shows whose its key is: conversation {conversation}\nto do: {}\n",
        LeftKey::CURE
    );
    assert!(certificates.len() == 1 && certificates[0].text.ends_with(&said), "{}", certificates[0].text);
    // What it left can't be taken out of it behind the relay's back.
    run(&mut database, "UPDATE erasure SET unproven = '', certified_at = NULL").await;
    assert!(!shop.relay.certify_erasures(Timestamp::now()).await.unwrap()[0].is_proven);
    run(
        &mut database,
        &format!("UPDATE erasure SET unproven = 'conversation {}', certified_at = 1", order.id),
    )
    .await;
    // Put back and erased again.
    for table in ["conversation", "alias"] {
        run(&mut database, &format!("INSERT INTO {table} SELECT * FROM kept_{table}")).await;
    }
    assert_eq!(shop.erase_for_good(CUSTOMER).await, [key]);
    assert!(shop.relay.certify_erasures(Timestamp::now()).await.unwrap().is_empty());
    let certificates = shop.relay.certificates(10).await.unwrap();
    assert_eq!(certificates.iter().filter(|one| !one.text.contains("not complete")).count(), 1);
}

#[tokio::test]
async fn the_key_of_a_conversation_that_was_pointed_to_another_is_found_by_its_records() {
    let shop = Shop::open().await;
    shop.customer_writes(&shop.store_alias(), "<1@x.example>", Notify::default(), None).await;
    let taro = OrderRequest {
        store_id: "hana-ya".into(),
        order_no: "2".into(),
        customer: "taro@other.example".into(),
        expires_at: None,
    };
    shop.relay.open_order(taro).await.unwrap();
    let own = shop.relay.order("hana-ya", "1").await.unwrap();
    let other = shop.relay.order("hana-ya", "2").await.unwrap().key.id();
    let mut database = shop.database().await;
    run(&mut database, &format!("UPDATE conversation SET data_key_id = {other} WHERE id = {}", own.id)).await;
    assert_eq!(shop.erase_for_good(CUSTOMER).await, [own.key.id()]);
    assert!(shop.relay.certify_erasures(Timestamp::now()).await.unwrap().is_empty());
    assert_eq!(shop.relay.order("hana-ya", "2").await.unwrap().customer.reveal(), "taro@other.example");
}

#[tokio::test]
async fn no_old_copy_opens_refused_mail_of_an_older_version_once_its_erasure_is_certified() {
    let shop = Shop::open().await;
    let (from, to) = (address("stray@x.example"), address("nobody@fw.example"));
    shop.relay.record_refused_recipient(None, Some(&from), &to, &Refusal::Relaying, &peer()).await;
    let mut database = shop.database().await;
    run(&mut database, "UPDATE stranger SET ruling = NULL").await;
    let key = number(&mut database, "SELECT data_key_id FROM stranger").await;
    let kept = shop.relay.store().data_keys(-1, 1000).await.unwrap();
    let kept = kept.into_iter().find(|row| row.id == key).unwrap();
    let opens = |relay: &Relay| relay.vault().seal.unwrap_data_key(key, &kept.wrapped).is_ok();
    assert!(shop.erase_for_good("stray@x.example").await.is_empty());
    let waits = async || {
        let pending = shop.relay.certify_erasures(Timestamp::now()).await.unwrap();
        pending.into_iter().flat_map(|pending| pending.seal_keys).collect::<Vec<_>>()
    };
    assert_eq!(waits().await, ["seal-a"]);
    assert!(opens(&shop.relay), "so it is not certified");
    // A new seal key, everything rewrapped, and the old one destroyed.
    let now = Timestamp::now().after(Duration::from_secs(2));
    let mut ring = KeyRing::open_or_begin(&shop.dir.join("keys"), Arc::default()).unwrap();
    ring.make(vault::Purpose::Seal, Timestamp::now(), Duration::ZERO).unwrap();
    let mut keeper = shop.keeper();
    keeper.again();
    shop.relay.renew(keeper.look(now).unwrap().unwrap()).await.unwrap();
    let later = now.after(MINUTE);
    while shop.relay.rekey(Stage::DataKeys, later).await.unwrap() != Step::Done {}
    let long_ago = Timestamp::from_millis(now.as_millis() - 3_600_000);
    shop.relay.retire(vault::Purpose::Seal, 'a', Some(long_ago)).await.unwrap();
    keeper.destroy(vault::Purpose::Seal, 'a').unwrap();
    shop.relay.renew(keeper.look(now).unwrap().unwrap()).await.unwrap();
    assert!(!opens(&shop.relay));
    shop.relay.key_is_gone(vault::Purpose::Seal, 'a', long_ago).await.unwrap();
    assert!(waits().await.is_empty());
    let certificate = shop.relay.certificates(1).await.unwrap().remove(0);
    assert!(certificate.kind == "erasure" && !certificate.text.contains("not complete"));
}

#[tokio::test]
async fn what_a_node_of_an_older_version_erased_is_proven_by_its_own_tree_and_followed_then() {
    let shop = Shop::open().await;
    let other = shop.dir.join("other-keys");
    std::fs::create_dir(&other).unwrap();
    for file in std::fs::read_dir(shop.dir.join("keys")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), other.join(file.file_name())).unwrap();
    }
    let keys = shop.erase_for_good(CUSTOMER).await;
    let mut database = shop.database().await;
    run(&mut database, "UPDATE erased_key SET ruling = NULL").await;
    run(&mut database, "UPDATE erasure SET ruling = NULL").await;
    // Another machine's copy of the ring, in which the leaves are still there, waits.
    let ring = KeyRing::open(&other, Make::Nothing, Timestamp::now()).unwrap();
    let (store, domains) = (shop.relay.store().clone(), shop.relay.domains().clone());
    let second = Relay::open(store, Vault::open(&ring).unwrap(), domains, Policy::for_tests()).await.unwrap();
    assert!(second.keys_to_erase().await.unwrap().is_empty());
    assert!(shop.relay.keys_to_erase().await.unwrap().is_empty());
    let proven = "SELECT COUNT(*) FROM erased_key WHERE ruling IS NOT NULL";
    assert_eq!(number(&mut database, proven).await, i64::try_from(keys.len()).unwrap());
    assert_eq!(second.keys_to_erase().await.unwrap(), keys);
    // The list of looks shows the erasure.
    assert!(shop.relay.certify_erasures(Timestamp::now()).await.unwrap().is_empty());
    assert_eq!(number(&mut database, "SELECT COUNT(*) FROM erasure WHERE certified_at > 0").await, 1);
}

#[tokio::test]
async fn an_erasure_that_never_was_is_not_certified() {
    let shop = Shop::open().await;
    let keys = shop.erase_for_good(CUSTOMER).await;
    assert!(shop.relay.certify_erasures(Timestamp::now()).await.unwrap().is_empty());
    let mut database = shop.database().await;
    // As many conversations more, of the same keys, with the proof of the true one.
    run(
        &mut database,
        "INSERT INTO erasure (id, at, conversations, keys, fingerprints, bare, ruling) \
         SELECT id + 1, at, 7, keys, fingerprints, bare, ruling FROM erasure",
    )
    .await;
    run(&mut database, "UPDATE erasure SET conversations = 9, certified_at = NULL WHERE conversations = 1")
        .await;
    let waiting = shop.relay.certify_erasures(Timestamp::now()).await.unwrap();
    assert!(waiting.len() == 2 && waiting.iter().all(|waits| !waits.is_proven));
    assert_eq!(shop.relay.certificates(10).await.unwrap().len(), 1);
    assert_eq!(shop.said().await.len(), 2);
    // Without a proof, as of an older version: no look is about so many.
    run(&mut database, "UPDATE erasure SET ruling = NULL").await;
    assert_eq!(shop.relay.certify_erasures(Timestamp::now()).await.unwrap().len(), 2);
    assert!(!keys.is_empty());
}

#[tokio::test]
async fn an_approval_opens_once_and_in_its_time_whatever_its_row_says() {
    let shop = Shop::open().await;
    shop.customer_writes(&shop.store_alias(), "<1@x.example>", Notify::default(), None).await;
    let queue_id = queue_id(shop.lease().await[0].message_id);
    let opening = Opening::Content { queue_id };
    let open =
        async |approved| shop.relay.open_for(&look("akiko", 1), &opening, Goes::ToTheScreen, approved).await;
    let approve = async |request: &str| {
        shop.relay.decide_look(request, "botan", look("botan", 2).account, Ruling::Approved).await.unwrap();
    };
    let mut database = shop.database().await;
    let Err(DeskFault::SecondPerson(request)) = open(None).await else { panic!("by one alone") };
    approve(&request).await;
    run(&mut database, "UPDATE look_request SET expires_at = expires_at + 3600000").await;
    assert!(matches!(open(Some(&request)).await, Err(DeskFault::Unproven)));
    run(&mut database, "UPDATE look_request SET expires_at = expires_at - 3600000").await;
    assert!(open(Some(&request)).await.is_ok());
    assert!(shop.said().await.is_empty());
    run(&mut database, "UPDATE look_request SET used_at = NULL").await;
    assert!(matches!(open(Some(&request)).await, Err(DeskFault::Used)));
    assert_eq!(shop.said().await, ["the row of look_request says that it was not used, and a look says so"]);
    // An entry that was taken out and put back later.
    run(&mut database, "CREATE TABLE kept AS SELECT * FROM look WHERE outcome = 'opened'").await;
    run(&mut database, "DELETE FROM look WHERE outcome = 'opened'").await;
    assert!(open(Some(&request)).await.is_ok());
    run(&mut database, "INSERT INTO look SELECT * FROM kept").await;
    assert_eq!(shop.said().await, ["more than one look was opened by one approval"]);
}

#[tokio::test]
async fn an_access_that_was_revoked_stays_so_whatever_is_put_back() {
    let shop = Shop::open().await;
    let token = shop.relay.add_token("shop system", "orders").await.unwrap();
    let opening = Opening::Customer { store_id: "hana-ya".into(), order_no: "1".into() };
    let see = async || shop.relay.open_for(&look("akiko", 1), &opening, Goes::ToTheScreen, None).await;
    see().await.unwrap();
    let botan = Look::for_audit("botan", look("botan", 2).account).unwrap();
    let view = shop.relay.begin_review(&botan, Duration::from_secs(7 * 86_400)).await.unwrap();
    for access in &view.accesses {
        shop.relay.decide_access(&botan, &access.id, Decision::Certified, None).await.unwrap();
    }
    let mut database = shop.database().await;
    for table in ["review", "review_item", "api_token"] {
        run(&mut database, &format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}")).await;
    }
    for access in &view.accesses {
        shop.relay.decide_access(&botan, &access.id, Decision::Revoked, None).await.unwrap();
    }
    assert!(shop.said().await.is_empty());
    assert!(matches!(see().await, Err(DeskFault::Suspended)));
    // The rows of before, with a proof that was good.
    run(&mut database, "DELETE FROM review_item").await;
    run(&mut database, "INSERT INTO review_item SELECT * FROM kept_review_item").await;
    assert!(matches!(see().await, Err(DeskFault::Suspended)));
    assert_eq!(shop.said().await.len(), 2);
    // A mark of a token that is taken back lets nobody in.
    run(&mut database, "UPDATE api_token SET revoked_at = NULL").await;
    assert_eq!(shop.relay.token_allows(token.token.show(), Scope::Orders).await.unwrap(), None);
    assert!(shop.said().await.iter().any(|why| why.contains("row of api_token")));
    run(&mut database, "DELETE FROM review_item").await;
    assert!(matches!(see().await, Err(DeskFault::Suspended)));
    let said = shop.said().await;
    assert_eq!(said.iter().filter(|why| *why == "the row of review_item is gone").count(), 2, "{said:?}");
    assert!(said.iter().any(|why| why.contains("of this review are gone")), "{said:?}");
    run(&mut database, "DELETE FROM review").await;
    assert!(shop.said().await.iter().any(|why| why == "the row of review is gone"));
}

#[tokio::test]
async fn a_hold_keeps_what_it_was_set_to_keep() {
    let shop = Shop::open().await;
    let scope = HoldScope { store_id: Some("hana-ya".into()), ..HoldScope::default() };
    shop.relay.add_legal_hold(&look("akiko", 1), scope).await.unwrap();
    let scope = HoldScope { customer: Some(CUSTOMER.into()), ..HoldScope::default() };
    shop.relay.add_legal_hold(&look("akiko", 1), scope).await.unwrap();
    assert!(shop.said().await.is_empty());
    let mut database = shop.database().await;
    for (attack, broken) in [
        ("UPDATE legal_hold SET until_at = 1", 2),
        ("UPDATE legal_hold SET merchant_id = 7", 2),
        ("UPDATE legal_hold SET by_person = 1", 1),
    ] {
        run(&mut database, attack).await;
        let said = shop.said().await;
        assert_eq!(said.len(), broken, "{said:?}");
        assert!(said.iter().all(|why| why.contains("set to keep")), "{said:?}");
        // Before anything is destroyed.
        let refused = shop.relay.may_erase(
            &[],
            shop.relay.vault().index.of(Indexed::Stranger(&address(CUSTOMER))),
            true,
        );
        assert!(refused.await.is_ok());
        assert!(shop.said().await.is_empty(), "{attack}");
    }
}

#[tokio::test]
async fn a_store_that_left_logs_in_no_more_whatever_its_rows_say() {
    let shop = Shop::open().await;
    let request = |store_id: &str| NewMerchantRequest {
        store_id: store_id.into(),
        name: "Store".into(),
        addresses: vec![format!("{store_id}@store.example")],
    };
    let added = shop.relay.add_merchant(request("left-ya")).await.unwrap();
    let enter = async || shop.relay.authenticate(&added.auth_id, &added.auth_password, HERE).await;
    enter().await.unwrap();
    shop.relay.leave_store(&look("akiko", 1), "left-ya").await.unwrap();
    let mut database = shop.database().await;
    run(&mut database, "UPDATE credential SET revoked_at = NULL").await;
    run(&mut database, "UPDATE merchant SET left_at = NULL").await;
    assert_eq!(enter().await.err(), Some(Refusal::Credentials));
    let kept = "SELECT COUNT(*) FROM credential c JOIN merchant m ON m.id = c.merchant_id WHERE \
         length(c.secret) > 0 OR c.verifier IS NOT NULL OR c.scram IS NOT NULL";
    assert_eq!(number(&mut database, kept).await, 1, "the other store's");
    let kept = "SELECT COUNT(*) FROM merchant WHERE length(menu) > 0";
    assert_eq!(number(&mut database, kept).await, 1);
    // One that was to end later is forgotten when it has.
    run(&mut database, "UPDATE credential SET revoked_at = 1").await;
    shop.relay.clear_fast_hashes(Timestamp::now()).await.unwrap();
    run(&mut database, "UPDATE credential SET revoked_at = NULL").await;
    assert_eq!(number(&mut database, "SELECT COUNT(*) FROM credential WHERE verifier IS NOT NULL").await, 0);
}
