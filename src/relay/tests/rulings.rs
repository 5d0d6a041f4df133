//! What was decided is not a word that somebody writes into the database.

use super::*;
use crate::config::Config;
use sqlx::SqliteConnection;

fn look(actor: &str, uid: u32) -> Look {
    Look::new(actor, LookPurpose::LegalRequest, "C-5", Account { uid, login: Some(uid), from: Origin::Here })
        .unwrap()
}

async fn run(database: &mut SqliteConnection, text: &'static str) {
    let changed = sqlx::raw_sql(text).execute(database).await.unwrap().rows_affected();
    assert!(changed > 0 || text.starts_with("CREATE"), "{text}");
}

impl Shop {
    /// What a verification says of decisions.
    async fn unproven(&self) -> Vec<String> {
        let broken = self.relay.unproven().await.unwrap().unwrap();
        assert!(broken.iter().all(|broken| broken.what == "unproven"));
        broken.into_iter().map(|broken| broken.why).collect()
    }
}

#[tokio::test]
async fn a_request_that_nobody_approved_opens_nothing_whatever_its_row_says() {
    let shop = Shop::open().await;
    let opening = shop.relay.readdressing_of("hana-ya", "1", "thief@customer.example").await.unwrap();
    let open =
        async |approved| shop.relay.open_for(&look("akiko", 1), &opening, Goes::ToTheScreen, approved).await;
    let Err(DeskFault::SecondPerson(request)) = open(None).await else { panic!("by one alone") };
    let mut database = shop.database().await;
    run(&mut database, "UPDATE look_request SET decision = 'approved', decided_at = at, decider_idx = X'00'")
        .await;
    assert!(matches!(open(Some(&request)).await, Err(DeskFault::Unproven)));
    assert_eq!(shop.unproven().await.len(), 1);
    // An entry that is written by hand is not enough.
    run(
        &mut database,
        "INSERT INTO look (id, at, actor_idx, purpose, kind, rows, outcome, request_id, data_key_id, detail) \
         SELECT l.id + 1, l.at, X'00', l.purpose, 'request', 0, 'approved', r.id, l.data_key_id, l.detail \
         FROM look l, look_request r LIMIT 1",
    )
    .await;
    assert!(matches!(open(Some(&request)).await, Err(DeskFault::Unproven)));
    assert_eq!(shop.unproven().await.len(), 1);
    // Nor is the word where somebody was against it.
    run(&mut database, "UPDATE look_request SET decision = NULL, decided_at = NULL, decider_idx = NULL")
        .await;
    shop.relay.decide_look(&request, "botan", look("botan", 2).account, Ruling::Refused).await.unwrap();
    run(&mut database, "UPDATE look_request SET decision = 'approved'").await;
    assert!(matches!(open(Some(&request)).await, Err(DeskFault::Unproven)));
    assert_eq!(shop.relay.order("hana-ya", "1").await.unwrap().customer.reveal(), CUSTOMER);
    // What was approved opens only as long as the entry about it is there.
    let Err(DeskFault::SecondPerson(request)) = open(None).await else { panic!("by one alone") };
    shop.relay.decide_look(&request, "botan", look("botan", 2).account, Ruling::Approved).await.unwrap();
    run(
        &mut database,
        "CREATE TABLE kept AS SELECT * FROM look WHERE outcome = 'approved' AND actor_idx <> X'00'",
    )
    .await;
    run(&mut database, "DELETE FROM look WHERE outcome = 'approved' AND actor_idx <> X'00'").await;
    assert!(matches!(open(Some(&request)).await, Err(DeskFault::Unproven)));
    run(&mut database, "INSERT INTO look SELECT * FROM kept").await;
    assert!(matches!(open(Some(&request)).await, Ok(Opened::Readdressed(_))));
}

#[tokio::test]
async fn an_access_that_nobody_certified_is_suspended_whatever_its_row_says() {
    let shop = Shop::open().await;
    let token = shop.relay.add_token("shop system", "orders").await.unwrap();
    let opening = Opening::Customer { store_id: "hana-ya".into(), order_no: "1".into() };
    let see = async || shop.relay.open_for(&look("akiko", 1), &opening, Goes::ToTheScreen, None).await;
    see().await.unwrap();
    let week = Duration::from_secs(7 * 86_400);
    shop.relay
        .begin_review(&Look::for_audit("botan", look("botan", 2).account).unwrap(), week)
        .await
        .unwrap();
    let mut database = shop.database().await;
    run(&mut database, "UPDATE review SET due_at = 1").await;
    run(&mut database, "UPDATE review_item SET decision = 'certified', decided_at = 1").await;
    assert!(matches!(see().await, Err(DeskFault::Suspended)));
    assert_eq!(shop.relay.token_allows(token.token.show(), Scope::Orders).await.unwrap(), None);
    assert_eq!(shop.unproven().await.len(), 2);
}

#[tokio::test]
async fn a_hold_that_nobody_lifted_holds_whatever_its_row_says() {
    let shop = Shop::open().await;
    shop.customer_writes(&shop.store_alias(), "<1@x.example>", Notify::default(), None).await;
    let scope = HoldScope { store_id: Some("hana-ya".into()), ..HoldScope::default() };
    shop.relay.add_legal_hold(&look("akiko", 1), scope).await.unwrap();
    let mut database = shop.database().await;
    run(&mut database, "UPDATE legal_hold SET lifted_at = at").await;
    assert_eq!(shop.unproven().await, ["the row of legal_hold says that it was lifted, and no look says so"]);
    let rules = Config::development(&std::env::temp_dir()).unwrap().retention;
    let later = Timestamp::now().after(Duration::from_secs(400 * 86_400));
    while shop.relay.destroy_due(&rules, later).await.unwrap() > 0 {}
    let kept: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM record").fetch_one(&mut database).await.unwrap();
    assert!(kept > 0);
    assert!(shop.relay.legal_holds().await.unwrap()[0].lifted_at.is_none());
    // Two persons lift it.
    let lift = Opening::Lift { hold: shop.relay.legal_holds().await.unwrap()[0].id.clone() };
    let open =
        async |approved| shop.relay.open_for(&look("akiko", 1), &lift, Goes::ToTheScreen, approved).await;
    let Err(DeskFault::SecondPerson(request)) = open(None).await else { panic!("by one alone") };
    shop.relay.decide_look(&request, "botan", look("botan", 2).account, Ruling::Approved).await.unwrap();
    open(Some(&request)).await.unwrap();
    shop.relay.follow_held_persons().await.unwrap();
    assert!(shop.relay.legal_holds().await.unwrap()[0].lifted_at.is_some());
    assert!(shop.unproven().await.is_empty());
    run(&mut database, "DELETE FROM legal_hold").await;
    assert_eq!(shop.unproven().await, ["the row of legal_hold is gone"]);
}

#[tokio::test]
async fn the_register_of_breaches_is_what_was_entered() {
    let shop = Shop::open().await;
    let facts = BreachFacts {
        known_at: Some(Timestamp::now().as_millis()),
        breached: vec![Breached::Secrecy],
        ..BreachFacts::default()
    };
    let enter = async || shop.relay.enter_breach(&look("akiko", 1), None, facts.clone()).await.unwrap();
    let (_, _) = (enter().await, enter().await);
    assert!(shop.unproven().await.is_empty());
    let mut database = shop.database().await;
    run(&mut database, "CREATE TABLE kept AS SELECT * FROM breach_entry").await;
    run(&mut database, "UPDATE breach_entry SET detail = X'00' WHERE id = (SELECT MIN(id) FROM kept)").await;
    assert_eq!(shop.unproven().await, ["the row of breach_entry is not what was entered"]);
    run(&mut database, "DELETE FROM breach_entry WHERE id = (SELECT MIN(id) FROM kept)").await;
    assert_eq!(shop.unproven().await, ["the row of breach_entry is gone"]);
    run(&mut database, "INSERT INTO breach_entry SELECT * FROM kept WHERE id = (SELECT MIN(id) FROM kept)")
        .await;
    run(&mut database, "UPDATE breach_entry SET id = id + 1 WHERE id = (SELECT MAX(id) FROM kept)").await;
    let said = shop.unproven().await;
    assert!(said.iter().any(|why| why.contains("no look says")) && said.len() == 2, "{said:?}");
}

#[tokio::test]
async fn what_an_older_version_decided_is_proven_when_everything_is_bound_and_the_looks_show_it() {
    let shop = Shop::open().await;
    let opening = Opening::Customer { store_id: "hana-ya".into(), order_no: "1".into() };
    let see =
        async |name, uid| shop.relay.open_for(&look(name, uid), &opening, Goes::ToTheScreen, None).await;
    for (name, uid) in [("akiko", 1), ("botan", 2)] {
        see(name, uid).await.unwrap();
    }
    let audit =
        |name, uid| Look::for_audit(name, Account { uid, login: Some(uid), from: Origin::Here }).unwrap();
    let view = shop.relay.begin_review(&audit("chika", 3), Duration::from_secs(3600)).await.unwrap();
    let akiko = view.accesses.iter().find(|access| access.whose == Whose::Person("akiko".into())).unwrap();
    shop.relay.decide_access(&audit("chika", 3), &akiko.id, Decision::Certified, None).await.unwrap();
    let mut database = shop.database().await;
    run(&mut database, "UPDATE review SET due_at = 1").await;
    run(
        &mut database,
        "UPDATE review_item SET decision = 'certified', decided_at = at FROM review WHERE decision IS NULL",
    )
    .await;
    run(&mut database, "UPDATE review_item SET ruling = NULL").await;
    run(&mut database, "UPDATE installation SET bound = NULL").await;
    let ring = KeyRing::open(&shop.dir.join("keys"), Make::Nothing, Timestamp::now()).unwrap();
    let (store, domains) = (shop.relay.store().clone(), shop.relay.domains().clone());
    let old = Relay::open(store, Vault::open(&ring).unwrap(), domains, Policy::for_tests()).await.unwrap();
    let see = async |name, uid| old.open_for(&look(name, uid), &opening, Goes::ToTheScreen, None).await;
    see("botan", 2).await.unwrap();
    let mut from = -1;
    while let Binding::More { position, .. } = old.bind_some(from, true).await.unwrap() {
        from = position;
    }
    see("akiko", 1).await.unwrap();
    assert!(
        matches!(see("botan", 2).await, Err(DeskFault::Suspended)),
        "no look shows that somebody certified it"
    );
}

#[tokio::test]
async fn a_break_glass_that_is_gone_or_another_one_or_was_decided_by_hand_is_found() {
    const WAS: &str = "UPDATE break_glass SET (hours, expires_at, account_idx, decision, decided_at, ended_at) = \
         (SELECT hours, expires_at, account_idx, decision, decided_at, ended_at FROM kept WHERE kept.id = break_glass.id)";
    let shop = Shop::open().await;
    let relay = &shop.relay;
    let ask = async |name, uid| relay.ask_break_glass(&look(name, uid), "it burns", 2).await.unwrap();
    let (approved, ended, waits) = (ask("akiko", 1).await, ask("akiko", 1).await, ask("dan", 4).await);
    for id in [&approved, &ended] {
        relay.approve_break_glass(id, "botan", look("botan", 2).account, &[]).await.unwrap();
    }
    relay.end_break_glass(&ended, &look("chiyo", 3)).await.unwrap();
    assert_eq!(shop.unproven().await, [""; 0]);
    let mut database = shop.database().await;
    run(&mut database, "CREATE TABLE kept AS SELECT * FROM break_glass").await;
    let other = "the row of break_glass is not what was asked for";
    for (attack, said) in [
        ("UPDATE break_glass SET hours = 24 WHERE decision IS NULL", other),
        ("UPDATE break_glass SET account_idx = X'00' WHERE ended_at IS NOT NULL", other),
        (
            "UPDATE break_glass SET expires_at = expires_at + 3600000 WHERE decision = 'approved' AND ended_at IS NULL",
            "the row of break_glass is not what was approved",
        ),
        (
            "UPDATE break_glass SET decision = 'approved', decided_at = at WHERE decision IS NULL",
            "the row of break_glass says that it was approved, and no look says so",
        ),
        (
            "UPDATE break_glass SET ended_at = NULL WHERE ended_at IS NOT NULL",
            "the row of break_glass does not say as a look does whether it was ended",
        ),
    ] {
        run(&mut database, attack).await;
        assert_eq!(shop.unproven().await, [said], "{attack}");
        run(&mut database, WAS).await;
        assert_eq!(shop.unproven().await, [""; 0], "{attack}");
    }
    run(&mut database, "DELETE FROM break_glass WHERE decision IS NULL").await;
    assert_eq!(shop.unproven().await, ["the row of break_glass is gone"]);
    assert!(relay.end_break_glass(&waits, &look("chiyo", 3)).await.is_err());
    // Put in by hand: another one's row under an id of its own.
    run(&mut database, "INSERT INTO break_glass SELECT * FROM kept WHERE decision IS NULL").await;
    run(&mut database, "UPDATE break_glass SET id = id + 1 WHERE decision IS NULL").await;
    let said = shop.unproven().await;
    assert_eq!(said.len(), 2, "{said:?}");
}
