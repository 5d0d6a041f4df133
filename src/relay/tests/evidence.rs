//! The register of breaches and the reviews of who has access.

use super::*;

fn person(uid: u32) -> Account {
    Account { uid, login: Some(uid), from: Origin::Here }
}

fn auditor(name: &str, uid: u32) -> Look {
    Look::for_audit(name, person(uid)).unwrap()
}

const DAY_MS: i64 = 86_400_000;
const WEEK: Duration = Duration::from_secs(7 * 86_400);

#[tokio::test]
async fn a_breach_grows_by_entries_and_its_clocks_run_from_when_it_was_known() {
    let shop = Shop::open().await;
    let relay = &shop.relay;
    let now = Timestamp::now().as_millis();
    let known = now - 2 * DAY_MS;
    let nothing = relay.enter_breach(&auditor("akiko", 1), None, BreachFacts::default()).await;
    assert!(matches!(nothing, Err(BreachFault::Incomplete)));
    let first = BreachFacts {
        breached: vec![Breached::PersonalData, Breached::Secrecy, Breached::Secrecy],
        known_at: Some(known),
        summary: Some("宛先の取り違え".into()),
        ..BreachFacts::default()
    };
    let ahead = BreachFacts { known_at: Some(now + DAY_MS), ..first.clone() };
    let ahead = relay.enter_breach(&auditor("akiko", 1), None, ahead).await;
    assert!(matches!(ahead, Err(BreachFault::Times)));
    let id = relay.enter_breach(&auditor("akiko", 1), None, first).await.unwrap();
    let due = |breach: &Breach| -> Vec<(Breached, ReportStage, i64, bool)> {
        let days = |clock: &Clock| (clock.due_at.as_millis() - known) / DAY_MS;
        let line = |clock: Clock| (clock.breached, clock.stage, days(&clock), clock.reported_at.is_some());
        breach.clocks().into_iter().map(line).collect()
    };
    let breach = relay.breach(&id).await.unwrap();
    assert_eq!(
        due(&breach),
        [
            (Breached::Secrecy, ReportStage::First, 1, false),
            (Breached::PersonalData, ReportStage::First, 3, false),
            (Breached::Secrecy, ReportStage::Full, 30, false),
            (Breached::PersonalData, ReportStage::Full, 30, false),
        ]
    );
    let more = BreachFacts { malicious: Some(true), persons: Some(12), ..BreachFacts::default() };
    relay.enter_breach(&auditor("botan", 2), Some(&id), more).await.unwrap();
    let breach = relay.breach(&id.to_ascii_lowercase()).await.unwrap();
    assert_eq!(breach.facts.summary.as_deref(), Some("宛先の取り違え"), "what was known stays");
    assert_eq!((breach.facts.persons, due(&breach)[3].2), (Some(12), 60));
    let by: Vec<&str> = breach.entries.iter().map(|(_, by)| by.as_str()).collect();
    assert_eq!(by, ["akiko", "botan"]);
    // It closes once every report is made, and then for good.
    let close = BreachFacts { closed: Some(true), ..BreachFacts::default() };
    let early = relay.enter_breach(&auditor("botan", 2), Some(&id), close.clone()).await;
    assert!(matches!(early, Err(BreachFault::Open)));
    let foreign = (Breached::SpecifiedUserInformation, ReportStage::First, now);
    let foreign = BreachFacts { reported: vec![foreign], ..BreachFacts::default() };
    let foreign = relay.enter_breach(&auditor("botan", 2), Some(&id), foreign).await;
    assert!(matches!(foreign, Err(BreachFault::NotDue)));
    for clock in breach.clocks() {
        let reported = vec![(clock.breached, clock.stage, known + DAY_MS)];
        let reported = BreachFacts { reported, ..BreachFacts::default() };
        relay.enter_breach(&auditor("botan", 2), Some(&id), reported).await.unwrap();
    }
    relay.enter_breach(&auditor("botan", 2), Some(&id), close.clone()).await.unwrap();
    let closed = relay.enter_breach(&auditor("botan", 2), Some(&id), close).await;
    assert!(matches!(closed, Err(BreachFault::Closed)));
    let entered = relay.looks().await.unwrap().iter().filter(|look| look.kind == "breach").count();
    assert_eq!(entered, 7, "each entry is in the list of looks");
    let other = relay.breach("01A8F0000000000").await;
    assert!(matches!(other, Err(BreachFault::NoBreach)));
    // Nothing of it can be read at rest.
    let files = std::fs::read_dir(&shop.dir).unwrap().flatten().map(|entry| entry.path());
    for path in files.filter(|path| path.is_file()) {
        let octets = std::fs::read(path).unwrap();
        assert!(memchr::memmem::find(&octets, "取り違え".as_bytes()).is_none());
    }
}

#[tokio::test]
async fn what_a_span_of_time_touched_is_counted() {
    let shop = Shop::open().await;
    let (from, until) = (Timestamp::from_millis(0), Timestamp::now().after(MINUTE));
    let before = shop.relay.affected(None, from, until).await.unwrap();
    assert_eq!((before.conversations, before.customers, before.stores), (0, 0, 0));
    shop.lease().await;
    let look = Look::new("akiko", LookPurpose::Audit, "C-1", person(1)).unwrap();
    let opening = Opening::Customer { store_id: "hana-ya".into(), order_no: "1".into() };
    shop.relay.open_for(&look, &opening, Goes::ToTheScreen, None).await.unwrap();
    let counts = shop.relay.counts(from, until).await.unwrap();
    assert_eq!(counts.looks.len(), 1);
    assert_eq!((counts.looks[0].outcome.as_str(), counts.looks[0].looks), ("opened", 1));
    let nobody = shop.relay.affected(Some("nobody"), from, until).await;
    assert!(matches!(nobody, Err(BreachFault::NoStore)));
    let ours = shop.relay.affected(Some("hana-ya"), from, until).await.unwrap();
    assert_eq!(ours.records, before.records);
}

async fn see(shop: &Shop, actor: &str, uid: u32) -> Result<(), DeskFault> {
    let look = Look::new(actor, LookPurpose::Audit, "C-1", person(uid)).unwrap();
    let opening = Opening::Customer { store_id: "hana-ya".into(), order_no: "1".into() };
    shop.relay.open_for(&look, &opening, Goes::ToTheScreen, None).await.map(|_| ())
}

/// The access of this name in the last review: its id, whether it is suspended, what is notable.
async fn access(shop: &Shop, name: &str) -> (String, bool, Vec<String>) {
    let view = shop.relay.last_review().await.unwrap();
    let is_it = |whose: &Whose| matches!(whose, Whose::Person(n) | Whose::Token(n) if n == name);
    let found = view.accesses.into_iter().find(|access| is_it(&access.whose)).unwrap();
    (found.id, found.is_suspended, found.facts.conflicts)
}

/// Lets the last review be due.
async fn become_due(shop: &Shop) {
    let mut database = shop.database().await;
    sqlx::query("UPDATE review SET due_at = 1").execute(&mut database).await.unwrap();
}

#[tokio::test]
async fn who_is_not_certified_by_somebody_else_is_suspended_when_the_review_is_due() {
    let shop = Shop::open().await;
    let token = shop.relay.add_token("shop system", "orders").await.unwrap();
    let allows = async || shop.relay.token_allows(token.token.show(), Scope::Orders).await.unwrap();
    assert!(matches!(shop.relay.last_review().await, Err(ReviewFault::NoReview)));
    for (actor, uid) in [("akiko", 1), ("botan", 2), ("chika", 1)] {
        see(&shop, actor, uid).await.unwrap();
    }
    let short = shop.relay.begin_review(&auditor("dai", 4), MINUTE).await;
    assert!(matches!(short, Err(ReviewFault::Due)));
    // The marketplace's tokens would be refused by tomorrow.
    let short = shop.relay.begin_review(&auditor("dai", 4), 6 * 1440 * MINUTE).await;
    assert!(matches!(short, Err(ReviewFault::DueOfTokens)));
    let view = shop.relay.begin_review(&auditor("dai", 4), WEEK).await.unwrap();
    assert_eq!(view.accesses.len(), 4, "three who looked, and a token");
    assert_eq!((view.begun_by.as_str(), allows().await), ("dai", Some(true)));
    assert!(view.others.credentials == 1 && view.others.processes.is_empty());
    let (akiko, is_suspended, conflicts) = access(&shop, "akiko").await;
    assert!(!is_suspended, "not before it is due");
    assert_eq!(conflicts, ["shares an account with chika"]);
    // Not by oneself, under another name neither.
    for (name, uid) in [("akiko", 9), ("somebody", 1)] {
        let own = shop.relay.decide_access(&auditor(name, uid), &akiko, Decision::Certified, None).await;
        assert!(matches!(own, Err(ReviewFault::Own)), "{name}");
    }
    shop.relay.decide_access(&auditor("botan", 2), &akiko, Decision::Certified, None).await.unwrap();
    // The other name of the same login too, or the login is suspended.
    let (chika, ..) = access(&shop, "chika").await;
    shop.relay.decide_access(&auditor("botan", 2), &chika, Decision::Certified, None).await.unwrap();
    let twice = shop.relay.decide_access(&auditor("dai", 4), &akiko, Decision::Certified, None).await;
    assert!(matches!(twice, Err(ReviewFault::Decided)));
    become_due(&shop).await;
    see(&shop, "akiko", 1).await.unwrap();
    assert!(matches!(see(&shop, "botan", 2).await, Err(DeskFault::Suspended)));
    assert_eq!(allows().await, None, "the token is refused");
    assert!(shop.relay.tokens().await.unwrap()[0].is_suspended);
    // Late is not never.
    let (botan, is_suspended, _) = access(&shop, "botan").await;
    assert!(is_suspended);
    shop.relay.decide_access(&auditor("akiko", 1), &botan, Decision::Certified, None).await.unwrap();
    see(&shop, "botan", 2).await.unwrap();
    let (system, ..) = access(&shop, "shop system").await;
    shop.relay.decide_access(&auditor("akiko", 1), &system, Decision::Certified, None).await.unwrap();
    assert_eq!(allows().await, Some(true));
}

#[tokio::test]
async fn who_is_revoked_stays_so_until_a_later_review_certifies_and_a_token_for_good() {
    let shop = Shop::open().await;
    let token = shop.relay.add_token("shop system", "orders").await.unwrap();
    see(&shop, "akiko", 1).await.unwrap();
    shop.relay.begin_review(&auditor("dai", 4), WEEK).await.unwrap();
    for name in ["akiko", "shop system"] {
        let (id, ..) = access(&shop, name).await;
        shop.relay.decide_access(&auditor("botan", 2), &id, Decision::Certified, None).await.unwrap();
        shop.relay.decide_access(&auditor("botan", 2), &id, Decision::Revoked, None).await.unwrap();
    }
    assert!(matches!(see(&shop, "akiko", 1).await, Err(DeskFault::Suspended)));
    let allowed = shop.relay.token_allows(token.token.show(), Scope::Orders).await.unwrap();
    assert_eq!(allowed, None);
    let view = shop.relay.begin_review(&auditor("dai", 4), 60 * MINUTE).await.unwrap();
    let people: Vec<&Whose> = view.accesses.iter().map(|access| &access.whose).collect();
    assert!(!people.contains(&&Whose::Token("shop system".into())), "what is revoked is not reviewed");
    assert!(
        matches!(see(&shop, "akiko", 1).await, Err(DeskFault::Suspended)),
        "a new review forgives nobody"
    );
    // Also once the looks of that name are gone: else nobody could ever certify it again.
    let mut database = shop.database().await;
    sqlx::query("DELETE FROM look").execute(&mut database).await.unwrap();
    shop.relay.begin_review(&auditor("dai", 4), 60 * MINUTE).await.unwrap();
    let (id, ..) = access(&shop, "akiko").await;
    shop.relay.decide_access(&auditor("botan", 2), &id, Decision::Certified, None).await.unwrap();
    see(&shop, "akiko", 1).await.unwrap();
}

#[tokio::test]
async fn one_login_is_one_person_whatever_name_it_gives_and_whoever_it_has_become() {
    let shop = Shop::open().await;
    let see_as = async |actor: &str, account: Account| {
        let look = Look::new(actor, LookPurpose::Audit, "C-1", account).unwrap();
        let opening = Opening::Customer { store_id: "hana-ya".into(), order_no: "1".into() };
        shop.relay.open_for(&look, &opening, Goes::ToTheScreen, None).await.map(|_| ())
    };
    let root = |login| Account { uid: 0, login, from: Origin::Here };
    see(&shop, "akiko", 1).await.unwrap();
    see_as("botan", root(Some(2))).await.unwrap();
    see(&shop, "chika", 3).await.unwrap();
    shop.relay.begin_review(&auditor("dai", 4), 60 * MINUTE).await.unwrap();
    let (akiko, ..) = access(&shop, "akiko").await;
    let (botan, ..) = access(&shop, "botan").await;
    // By the login, also where the user has become another one since, or was another one then.
    for (id, account) in [(&akiko, root(Some(1))), (&botan, person(2)), (&botan, root(Some(2)))] {
        let look = Look::for_audit("eve", account).unwrap();
        let own = shop.relay.decide_access(&look, id, Decision::Certified, None).await;
        assert!(matches!(own, Err(ReviewFault::Own)), "{account}");
    }
    for name in ["akiko", "botan"] {
        let (id, ..) = access(&shop, name).await;
        shop.relay.decide_access(&auditor("dai", 4), &id, Decision::Revoked, None).await.unwrap();
    }
    for (name, account) in [
        ("akiko", person(9)),
        ("eve", person(1)),
        ("eve", root(Some(1))),
        ("fumi", person(2)),
        ("fumi", root(Some(2))),
    ] {
        let seen = see_as(name, account).await;
        assert!(matches!(seen, Err(DeskFault::Suspended)), "{name}, {account}");
    }
    // Where the system does not know who logged in, the name is all there is.
    see_as("eve", Account { uid: 1, login: None, from: Origin::Here }).await.unwrap();
    see(&shop, "chika", 3).await.unwrap();
    see_as("gin", root(Some(5))).await.unwrap();
}

#[tokio::test]
async fn who_is_suspended_corrects_no_address_ends_no_store_sets_no_clock_reviews_nobody_and_enters_no_breach()
 {
    let shop = Shop::open().await;
    let relay = &shop.relay;
    for (actor, uid) in [("akiko", 1), ("botan", 2)] {
        see(&shop, actor, uid).await.unwrap();
    }
    relay.begin_review(&auditor("dai", 4), 60 * MINUTE).await.unwrap();
    let (id, ..) = access(&shop, "akiko").await;
    let (other, ..) = access(&shop, "botan").await;
    relay.decide_access(&auditor("dai", 4), &id, Decision::Revoked, None).await.unwrap();
    let hold = HoldScope { store_id: Some("hana-ya".into()), ..HoldScope::default() };
    let (look, now) = (auditor("eve", 1), Timestamp::now());
    let correction = relay.correction_of(CUSTOMER, "new@customer.example").await.unwrap();
    let facts = BreachFacts {
        known_at: Some(now.as_millis()),
        breached: [Breached::PersonalData].into(),
        ..BreachFacts::default()
    };
    let said = [
        relay.open_for(&look, &correction, Goes::ToTheScreen, None).await.err().unwrap().to_string(),
        relay.leave_store(&look, "hana-ya").await.err().map(|fault| fault.to_string()).unwrap_or_default(),
        relay.trust_clock(&look, now).await.err().map(|fault| fault.to_string()).unwrap_or_default(),
        relay.enter_breach(&look, None, facts).await.err().map(|fault| fault.to_string()).unwrap_or_default(),
        relay.begin_review(&look, WEEK).await.err().map(|fault| fault.to_string()).unwrap_or_default(),
        relay.add_legal_hold(&look, hold).await.err().map(|fault| fault.to_string()).unwrap_or_default(),
        relay
            .decide_access(&look, &other, Decision::Certified, None)
            .await
            .err()
            .map(|fault| fault.to_string())
            .unwrap_or_default(),
    ];
    for (at, said) in said.iter().enumerate() {
        assert!(said.contains("your access is suspended"), "{at}: {said}");
    }
    assert!(relay.breaches().await.unwrap().is_empty() && relay.legal_holds().await.unwrap().is_empty());
    assert!(relay.looks().await.unwrap().iter().all(|look| look.kind != "leaving" && look.kind != "clock"));
}

#[tokio::test]
async fn where_everybody_is_suspended_two_of_them_certify_one_together_and_no_one_alone() {
    let shop = Shop::open().await;
    let relay = &shop.relay;
    for (actor, uid) in [("akiko", 1), ("botan", 2)] {
        see(&shop, actor, uid).await.unwrap();
    }
    relay.begin_review(&auditor("akiko", 1), 60 * MINUTE).await.unwrap();
    let (botan, ..) = access(&shop, "botan").await;
    become_due(&shop).await;
    let certify = async |approved| {
        relay.decide_access(&auditor("akiko", 1), &botan, Decision::Certified, approved).await
    };
    let asked = certify(None).await;
    let Err(ReviewFault::Desk(DeskFault::SecondPerson(request))) = asked else { panic!("{asked:?}") };
    let early = certify(Some(&request)).await;
    assert!(matches!(early, Err(ReviewFault::Desk(DeskFault::NotApproved))));
    let approve = async |name, uid| relay.decide_look(&request, name, person(uid), Ruling::Approved).await;
    assert!(matches!(approve("chika", 1).await, Err(DeskFault::OwnRequest)));
    approve("botan", 2).await.unwrap();
    certify(Some(&request)).await.unwrap();
    see(&shop, "botan", 2).await.unwrap();
    // Somebody is left now: the others are certified by him, as ever.
    let (akiko, ..) = access(&shop, "akiko").await;
    assert!(matches!(see(&shop, "akiko", 1).await, Err(DeskFault::Suspended)));
    let other = relay.decide_access(&auditor("akiko", 1), &akiko, Decision::Revoked, None).await;
    assert!(matches!(other, Err(ReviewFault::Desk(DeskFault::Suspended))));
    relay.decide_access(&auditor("botan", 2), &akiko, Decision::Certified, None).await.unwrap();
    see(&shop, "akiko", 1).await.unwrap();
}

#[tokio::test]
async fn a_review_shows_under_which_accounts_processes_with_keys_began_and_takes_none_for_a_person() {
    let shop = Shop::open().await;
    let daemon = Account { uid: 990, login: None, from: Origin::Here };
    for outcome in ["started", "stopped", "started"] {
        shop.relay.note_process(daemon, &["ingress", "web"], outcome).await.unwrap();
    }
    see(&shop, "akiko", 1).await.unwrap();
    let view = shop.relay.begin_review(&auditor("dai", 4), 60 * MINUTE).await.unwrap();
    let people: Vec<&Whose> = view.accesses.iter().map(|access| &access.whose).collect();
    assert_eq!(people, [&Whose::Person("akiko".into())]);
    let of = |((user, roles), _): (&(String, String), _)| (user.clone(), roles.clone());
    let processes: Vec<_> = view.others.processes.iter().map(of).collect();
    assert_eq!(processes, [("uid 990".to_owned(), "ingress, web".to_owned())]);
}

#[tokio::test]
async fn who_left_long_ago_keeps_nobody_else_out() {
    let shop = Shop::open().await;
    let relay = &shop.relay;
    for (actor, uid) in [("akiko", 1), ("botan", 2), ("chika", 3)] {
        see(&shop, actor, uid).await.unwrap();
    }
    relay.begin_review(&auditor("akiko", 1), 60 * MINUTE).await.unwrap();
    let (chika, ..) = access(&shop, "chika").await;
    relay.decide_access(&auditor("botan", 2), &chika, Decision::Certified, None).await.unwrap();
    let (botan, ..) = access(&shop, "botan").await;
    become_due(&shop).await;
    let certify = async || relay.decide_access(&auditor("akiko", 1), &botan, Decision::Certified, None).await;
    // Chika was certified, and can certify others.
    let alone = certify().await;
    assert!(matches!(alone, Err(ReviewFault::Desk(DeskFault::Suspended))), "{alone:?}");
    // Nothing is left that shows her here: her looks are older than what counts.
    let mut database = shop.database().await;
    let index = relay.vault().index.of(crate::vault::Indexed::Actor("chika"));
    let gone = sqlx::query("DELETE FROM look WHERE actor_idx = $1").bind(index.as_bytes());
    assert!(gone.execute(&mut database).await.unwrap().rows_affected() > 0);
    let by_two = certify().await;
    assert!(matches!(by_two, Err(ReviewFault::Desk(DeskFault::SecondPerson(_)))), "{by_two:?}");
}
