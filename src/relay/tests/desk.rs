//! The desk: how many rows, how many looks, and what is written down before anything is shown.

use super::*;

fn account(uid: u32) -> Account {
    Account { uid, login: None, from: Origin::Here }
}

fn akiko() -> Look {
    Look::new("Akiko", LookPurpose::FraudInvestigation, "C-1", account(1)).unwrap()
}

fn order() -> Opening {
    Opening::Trace(TraceOf::Order { store_id: "hana-ya".into(), order_no: "1".into() })
}

/// Writes so many records of the order's conversation.
async fn record(shop: &Shop, count: usize) {
    let conversation = shop.relay.order("hana-ya", "1").await.unwrap();
    let about = record::About { conversation: Some(conversation.id), ..record::About::default() };
    let one = || {
        let detail = serde_json::json!({ "reason": "test" });
        shop.relay.new_record(&conversation.key, Event::Refused, about, None, &detail, None)
    };
    shop.relay.store().record((0..count).map(|_| one()).collect()).await.unwrap();
}

#[tokio::test]
async fn three_hundred_rows_are_one_persons_and_one_more_takes_two() {
    let shop = Shop::open().await;
    record(&shop, 300).await;
    let open = async |approved| shop.relay.open_for(&akiko(), &order(), Goes::ToTheScreen, approved).await;
    assert!(matches!(open(None).await, Ok(Opened::Trace(lines)) if lines.len() == 300));
    record(&shop, 1).await;
    let Err(DeskFault::SecondPerson(request)) = open(None).await else { panic!("it was opened") };
    assert!(matches!(open(Some(&request)).await, Err(DeskFault::NotApproved)));
    shop.relay.decide_look(&request, "botan", account(2), Ruling::Approved).await.unwrap();
    assert!(matches!(open(Some(&request)).await, Ok(Opened::Trace(lines)) if lines.len() == 301));
    assert!(matches!(open(Some(&request)).await, Err(DeskFault::Used)));
}

#[tokio::test]
async fn one_person_has_two_hundred_looks_a_day_and_another_has_his_own() {
    let shop = Shop::open().await;
    let open = async |look: &Look| shop.relay.open_for(look, &order(), Goes::ToTheScreen, None).await;
    for _ in 0..200 {
        assert!(open(&akiko()).await.is_ok());
    }
    assert!(matches!(open(&akiko()).await, Err(DeskFault::Limited)));
    let spelled = Look::new(" AKIKO ", LookPurpose::Audit, "C-2", account(1)).unwrap();
    assert!(matches!(open(&spelled).await, Err(DeskFault::Limited)));
    let botan = Look::new("botan", LookPurpose::Audit, "C-2", account(2)).unwrap();
    assert!(open(&botan).await.is_ok());
    // Each is written down, also those that were not answered.
    let looks = shop.relay.looks().await.unwrap();
    assert!(looks.len() > 201);
    assert_eq!((looks[0].outcome.as_str(), looks[1].outcome.as_str()), ("opened", "limited"));
}

#[tokio::test]
async fn what_was_approved_is_no_more_than_was_asked_for_and_not_by_the_same_login() {
    let shop = Shop::open().await;
    record(&shop, 301).await;
    let at = |login| Account { uid: 0, login, from: Origin::Here };
    let look = Look::new("Akiko", LookPurpose::Audit, "C-1", at(Some(1001))).unwrap();
    let open = async |approved| shop.relay.open_for(&look, &order(), Goes::ToTheScreen, approved).await;
    let Err(DeskFault::SecondPerson(request)) = open(None).await else { panic!("it was opened") };
    let approve =
        async |name: &str, login| shop.relay.decide_look(&request, name, at(login), Ruling::Approved).await;
    for (name, login) in [("ＡＫＩＫＯ", Some(1002)), ("a  kiko", Some(1001)), ("botan", Some(1001))] {
        assert!(matches!(approve(name, login).await, Err(DeskFault::OwnRequest)), "{name} {login:?}");
    }
    approve("botan", Some(1002)).await.unwrap();
    record(&shop, 301).await;
    assert!(matches!(open(Some(&request)).await, Err(DeskFault::MoreRows)));
}

#[tokio::test]
async fn who_asks_for_what_is_not_there_is_written_down() {
    let shop = Shop::open().await;
    let opening = Opening::Trace(TraceOf::Alias("nobody".into()));
    let opened = shop.relay.open_for(&akiko(), &opening, Goes::ToTheScreen, None).await;
    assert!(matches!(opened, Err(DeskFault::Trace(TraceFault::Alias))));
    let looks = shop.relay.looks().await.unwrap();
    assert_eq!((looks[0].outcome.as_str(), looks[0].rows), ("nothing", 0));
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_shown() {
    use sqlx::Connection;
    let shop = Shop::open().await;
    let mut database = shop.database().await;
    sqlx::query("ALTER TABLE look RENAME TO gone").execute(&mut database).await.unwrap();
    database.close().await.unwrap();
    let opened = shop.relay.open_for(&akiko(), &order(), Goes::ToTheScreen, None).await;
    assert!(matches!(opened, Err(DeskFault::Fault(_))));
}

#[test]
fn a_look_has_a_name_and_a_case() {
    let look = |actor: &str, case: &str| Look::new(actor, LookPurpose::Audit, case, account(1)).err();
    assert!(look("a", "1").is_none());
    for nameless in ["", "  ", "a\nb", &"a".repeat(65)] {
        assert!(matches!(look(nameless, "1"), Some(DeskFault::Actor)), "{nameless:?}");
        assert!(matches!(look("a", nameless), Some(DeskFault::Case)), "{nameless:?}");
    }
}

#[tokio::test]
async fn one_login_has_enough_for_a_day_whatever_names_it_gives() {
    let shop = Shop::open().await;
    let opening = Opening::Customer { store_id: "hana-ya".into(), order_no: "1".into() };
    let see = async |name: &str, login| {
        let account = Account { uid: 0, login, from: Origin::Here };
        let look = Look::new(name, LookPurpose::Audit, "C-1", account).unwrap();
        shop.relay.open_for(&look, &opening, Goes::ToTheScreen, None).await.map(|_| ())
    };
    see("akiko", Some(7)).await.unwrap();
    let mut database = shop.database().await;
    // As 199 more, each in another name.
    let copies = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 199) \
         INSERT INTO look (id, at, actor_idx, purpose, kind, rows, outcome, data_key_id, detail, login_idx) \
         SELECT l.id + n.i, l.at, CAST(n.i AS BLOB), l.purpose, l.kind, l.rows, l.outcome, l.data_key_id, l.detail, l.login_idx \
         FROM look l, n";
    sqlx::query(copies).execute(&mut database).await.unwrap();
    assert!(matches!(see("somebody else", Some(7)).await, Err(DeskFault::Limited)));
    see("somebody else", Some(8)).await.unwrap();
    see("akiko", None).await.unwrap();
}
