//! From where somebody comes: refused and written down, let through by a break-glass, and no longer.

use super::*;
use crate::residency::{By, Hidden};

const ABROAD: Origin = Origin::At(std::net::IpAddr::V4(std::net::Ipv4Addr::new(8, 8, 8, 8)), By::Login);
const HOME: Origin = Origin::At(std::net::IpAddr::V4(std::net::Ipv4Addr::new(126, 1, 2, 3)), By::Login);

fn at(uid: u32, from: Origin) -> Account {
    Account { uid: 0, login: Some(uid), from }
}

fn look(actor: &str, account: Account) -> Look {
    Look::new(actor, LookPurpose::FraudInvestigation, "C-1", account).unwrap()
}

async fn open(shop: &Shop, look: &Look) -> Result<Opened, DeskFault> {
    let order = Opening::Customer { store_id: "hana-ya".into(), order_no: "1".into() };
    shop.relay.open_for(look, &order, Goes::ToTheScreen, None).await
}

#[tokio::test]
async fn who_comes_from_elsewhere_is_refused_and_written_down_before_anything_is_found() {
    let shop = Shop::open().await;
    assert!(open(&shop, &look("akiko", at(1, HOME))).await.is_ok());
    for (from, ruling) in [
        (ABROAD, "abroad"),
        (Origin::Hidden(Hidden::Unrecorded), "hidden"),
        (Origin::At("49.212.1.1".parse().unwrap(), By::Login), "hosting"),
        (Origin::At("10.1.1.1".parse().unwrap(), By::Proxy), "unknown"),
    ] {
        let refused = open(&shop, &look("akiko", at(1, from))).await.err().unwrap();
        assert!(
            matches!(&refused, DeskFault::Elsewhere(judged) if judged.ruling.as_str() == ruling),
            "{refused}"
        );
        let [last, ..] = &shop.relay.looks().await.unwrap()[..] else { panic!("no entry") };
        assert_eq!((last.kind.as_str(), last.outcome.as_str(), last.rows), ("origin", "elsewhere", 0));
        assert_eq!((&last.detail["actor"], &last.detail["case"]), (&"akiko".into(), &"C-1".into()));
        assert_eq!(last.detail["origin"]["ruling"], ruling);
    }
    let looks = shop.relay.looks().await.unwrap();
    let opened = looks.iter().find(|look| look.outcome == "opened").unwrap();
    let origin = &opened.detail["origin"];
    assert_eq!((&origin["registry"], &origin["address"]), (&"JP".into(), &"126.1.2.3".into()));
    // Every other way to the desk.
    let away = look("akiko", at(1, ABROAD));
    let is_refused = |fault: &DeskFault| matches!(fault, DeskFault::Elsewhere(_));
    let scope = HoldScope { store_id: Some("hana-ya".into()), ..HoldScope::default() };
    assert!(shop.relay.add_legal_hold(&away, scope).await.is_err_and(|fault| is_refused(&fault)));
    assert!(shop.relay.trust_clock(&away, Timestamp::now()).await.is_err_and(|fault| is_refused(&fault)));
    assert!(shop.relay.may_command(&at(1, ABROAD), "order").await.is_err_and(|fault| is_refused(&fault)));
    assert!(matches!(
        shop.relay.begin_review(&away, Duration::from_secs(7200)).await,
        Err(ReviewFault::Desk(DeskFault::Elsewhere(_)))
    ));
    assert!(shop.relay.leave_store(&away, "hana-ya").await.is_err());
    assert!(shop.relay.enter_breach(&away, None, BreachFacts::default()).await.is_err());
    let looks = shop.relay.looks().await.unwrap();
    let nobody = looks.iter().find(|look| look.detail["what"]["command"] == "order").unwrap();
    assert!(nobody.detail["actor"].is_null() && nobody.detail["user"] == "uid 0, login 1");
    // Whose name was refused stands in the next review; the refused command without one is nobody's.
    let review =
        shop.relay.begin_review(&look("botan", at(2, HOME)), Duration::from_secs(7200)).await.unwrap();
    let whose: Vec<_> = review.accesses.iter().map(|access| &access.whose).collect();
    assert!(
        whose.contains(&&Whose::Person("akiko".into())) && !whose.contains(&&Whose::Person(String::new()))
    );
    let akiko = review.accesses.iter().find(|access| access.whose == Whose::Person("akiko".into())).unwrap();
    assert!(akiko.facts.conflicts.iter().any(|said| said.contains("was refused")), "{:?}", akiko.facts);
}

#[tokio::test]
async fn a_break_glass_lets_its_actor_through_under_his_account_until_it_ends() {
    let shop = Shop::open().await;
    let (relay, away) = (&shop.relay, look("akiko", at(1, ABROAD)));
    let people =
        ["officer@company.example", "ops@company.example"].map(|text| RealAddress::parse(text).unwrap());
    assert!(matches!(relay.ask_break_glass(&away, "the queue is stuck", 25).await, Err(DeskFault::Hours)));
    assert!(matches!(relay.ask_break_glass(&away, " ", 2).await, Err(DeskFault::Reason)));
    let id = relay.ask_break_glass(&away, "the queue is stuck", 2).await.unwrap();
    assert!(open(&shop, &away).await.is_err(), "nobody approved it");
    let approve = async |actor: &str, account| relay.approve_break_glass(&id, actor, account, &people).await;
    // Not by himself under another name or login, and by nobody who is not in Japan.
    for (actor, account) in [("Akiko", at(9, HOME)), ("eve", at(1, HOME))] {
        assert!(matches!(approve(actor, account).await, Err(DeskFault::OwnRequest)), "{actor}");
    }
    assert!(matches!(approve("botan", at(2, ABROAD)).await, Err(DeskFault::Elsewhere(_))));
    let approved = approve("botan", at(2, HOME)).await.unwrap();
    assert_eq!((approved.state(Timestamp::now()), approved.actor.as_str()), ("stands", "akiko"));
    assert!(approved.until <= Timestamp::now().after(Duration::from_secs(7200)));
    assert!(matches!(approve("chiyo", at(3, HOME)).await, Err(DeskFault::NoBreakGlass)));
    // Each of the people has a mail, whose text has neither case nor reason.
    let waiting: i64 = relay.store().queue_totals().await.unwrap().iter().map(|total| total.count).sum();
    assert_eq!(waiting, 2);

    assert!(matches!(open(&shop, &away).await, Ok(Opened::Customer(_))));
    assert!(relay.may_command(&at(1, ABROAD), "order").await.is_ok());
    let admitted = relay.let_in(away.clone()).await.unwrap();
    assert!(open(&shop, &admitted).await.is_ok());
    let used = |looks: Vec<LookView>| looks.iter().filter(|look| look.outcome == "used").count();
    assert_eq!(used(relay.looks().await.unwrap()), 3, "each use once");
    // Nobody else, no other account, no page and no call; and it approves nothing.
    let is_refused = async |look: Look| matches!(open(&shop, &look).await, Err(DeskFault::Elsewhere(_)));
    assert!(is_refused(look("akiko", at(7, ABROAD))).await);
    assert!(is_refused(look("eve", at(1, ABROAD))).await);
    let by_call = Origin::At("8.8.8.8".parse().unwrap(), By::Proxy);
    assert!(is_refused(look("akiko", at(1, by_call))).await);
    let other = relay.ask_break_glass(&look("dan", at(4, ABROAD)), "me too", 1).await.unwrap();
    let approving = relay.approve_break_glass(&other, "akiko", at(1, ABROAD), &[]).await;
    assert!(matches!(approving, Err(DeskFault::Elsewhere(_))));

    assert_eq!(relay.standing_break_glasses(Timestamp::now()).await.unwrap().len(), 1);
    relay.end_break_glass(&id, &look("chiyo", at(3, HOME))).await.unwrap();
    assert!(is_refused(away.clone()).await);
    assert!(matches!(
        relay.end_break_glass(&id, &look("chiyo", at(3, HOME))).await,
        Err(DeskFault::NoBreakGlass)
    ));
    let now = Timestamp::now();
    let all =
        relay.break_glasses(Timestamp::from_millis(0), now.after(Duration::from_secs(1))).await.unwrap();
    let states: Vec<_> = all.iter().map(|one| (one.actor.as_str(), one.state(now))).collect();
    assert_eq!(states, [("dan", "waits"), ("akiko", "ended")]);
}

#[tokio::test]
async fn a_break_glass_ends_by_itself_and_is_asked_for_ten_times_a_day_at_most() {
    let shop = Shop::open().await;
    let (relay, away) = (&shop.relay, look("akiko", at(1, ABROAD)));
    let id = relay.ask_break_glass(&away, "it burns", 1).await.unwrap();
    let raw = parse_queue_id(&id).unwrap();
    let decider = relay.vault().index.of(crate::vault::Indexed::Actor("botan"));
    let now = Timestamp::now();
    // As if it had been approved an hour ago.
    let hour = Timestamp::from_millis(now.as_millis() - 3_600_000);
    let approved = || relay.entry(&away, "break-glass", None, 0, "approved", None);
    let store = relay.store();
    assert!(store.approve_break_glass(&approved(), raw, decider, decider, hour, now).await.unwrap());
    assert!(matches!(open(&shop, &away).await, Err(DeskFault::Elsewhere(_))));
    assert!(relay.standing_break_glasses(now).await.unwrap().is_empty());
    // Nor does one help that was approved by somebody who can write to the database and has no key.
    let id = relay.ask_break_glass(&away, "it burns", 1).await.unwrap();
    let (raw, later) = (parse_queue_id(&id).unwrap(), now.after(Duration::from_secs(3600)));
    assert!(store.approve_break_glass(&approved(), raw, decider, decider, now, later).await.unwrap());
    assert!(matches!(open(&shop, &away).await, Err(DeskFault::Elsewhere(_))));
    for _ in 2..10 {
        relay.ask_break_glass(&away, "it burns", 1).await.unwrap();
    }
    assert!(matches!(relay.ask_break_glass(&away, "it burns", 1).await, Err(DeskFault::TooMany)));
    assert!(relay.ask_break_glass(&look("eve", at(5, ABROAD)), "it burns", 1).await.is_ok());
}

#[tokio::test]
async fn where_the_configuration_only_warns_the_origin_stands_in_the_entry() {
    let mut shop = Shop::open().await;
    shop.reopen(Policy { staff: Arc::new(Staff::of_nobody(Enforce::Warn)), ..Policy::for_tests() }).await;
    assert!(open(&shop, &look("akiko", at(1, ABROAD))).await.is_ok());
    let looks = shop.relay.looks().await.unwrap();
    assert_eq!(
        (looks[0].outcome.as_str(), &looks[0].detail["origin"]["ruling"]),
        ("opened", &"abroad".into())
    );
}
