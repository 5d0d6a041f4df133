//! Searching the log on both engines, over rows made by hand: names, quarters, order, what is destroyed meanwhile, the audit, and
//! that statements find what a plan says of each row.

mod differential;
mod fixtures;
mod hostile;
mod random;

use crate::peer::sqlite;
use crate::store::{domains, on_both, policy};
use anshin::mail::{Flag, Flags, RealAddress, Timestamp};
use anshin::query::Query;
use anshin::relay::{
    Account, DeskFault, Found, Goes, Look, LookPurpose, NewMerchantRequest, Opened, Opening, OrderRequest,
    Relay, Search, SearchFault, Searcher,
};
use anshin::residency::Origin;
use anshin::store::{Ids, NewFact, NewFile, NewRecord, Store};
use anshin::vault::{DataKey, Numbered, Period, Place, Vault, quarter_of};
use std::collections::BTreeMap;

const ACCOUNT: Account = Account { uid: 1000, login: None, from: Origin::Here };
const HANA: &str = "hana.canary@customer.example.jp";

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

/// A relay whose log is written by hand.
struct Ground {
    relay: Relay,
    store: Store,
    key: DataKey,
    ids: Ids,
    periods: BTreeMap<i64, Period>,
    url: String,
}

impl Ground {
    async fn open(url: String, vault: Vault) -> Self {
        let store = Store::open(&url, &vault.file).await.unwrap();
        let id = anshin::store::random_id();
        let (key, wrapped) = vault.seal.new_data_key(id);
        let new = anshin::store::NewKey { id, subject: "stranger", wrapped, menu: None };
        store.add_key(&new, Timestamp::now()).await.unwrap();
        let mut sql = sqlite::connect(&url).await;
        let mut periods = BTreeMap::new();
        for quarter in quarter_of(at("2026-01-15T00:00:00Z"))..=quarter_of(at("2026-12-15T00:00:00Z")) {
            let (period, wrapped) = vault.index.new_period(quarter, quarter);
            sqlx::query("INSERT INTO period_key (id, quarter, wrapped, created_at) VALUES ($1, $2, $3, 0)")
                .bind(quarter)
                .bind(quarter)
                .bind(wrapped)
                .execute(&mut sql)
                .await
                .unwrap();
            periods.insert(quarter, period);
        }
        let relay = Relay::open(store.clone(), vault, domains(), policy()).await.unwrap();
        for store_id in ["hana-ya", "ume"] {
            let request = NewMerchantRequest {
                store_id: store_id.into(),
                name: store_id.into(),
                addresses: vec![format!("owner@{store_id}.example")],
            };
            relay.add_merchant(request).await.unwrap();
        }
        Self { relay, store, key, ids: Ids::default(), periods, url }
    }

    fn number(&self, at: Timestamp, value: Numbered<'_>) -> Option<i64> {
        self.periods.get(&quarter_of(at)).map(|period| period.number(value))
    }

    /// Keeps a record with its fact, which `make` fills.
    async fn keep(&self, at: Timestamp, event: &'static str, make: impl FnOnce(&mut NewRecord)) -> i64 {
        let id = self.ids.next(at);
        let mut record = NewRecord {
            id,
            at,
            event,
            merchant_id: None,
            conversation_id: None,
            message_id: None,
            delivery_id: None,
            source: None,
            data_key_id: self.key.id(),
            detail: self.key.seal(Place::new("record", "detail", id), br#"{"from":"opened"}"#),
            headers: None,
            whence: None,
            fact: Box::new(NewFact::default()),
        };
        make(&mut record);
        self.store.record(vec![record]).await.unwrap();
        id
    }

    async fn search(&self, text: &str, now: Timestamp, from: Option<i64>) -> Result<Search, SearchFault> {
        self.relay.search(&Query::parse(text)?, now, &Searcher::Account(ACCOUNT), from).await
    }

    async fn all(&self, text: &str, now: Timestamp) -> Vec<Found> {
        let begun = self.search(text, now, None).await;
        let mut search = begun.unwrap_or_else(|fault| panic!("{text}: {fault}"));
        let mut all = Vec::new();
        while let Some(found) = search.step().await.unwrap() {
            all.extend(found);
        }
        assert!(all.windows(2).all(|pair| pair[0].id > pair[1].id), "{text}: the newest first, each once");
        all
    }

    async fn ids(&self, text: &str, now: Timestamp) -> Vec<i64> {
        self.all(text, now).await.iter().map(|found| found.id).collect()
    }

    async fn sql(&self, text: &'static str, bound: i64) {
        let mut sql = sqlite::connect(&self.url).await;
        let mut query = sqlx::query(text).bind(bound);
        if text.contains("$2") {
            query = query.bind(Vec::new());
        }
        query.execute(&mut sql).await.unwrap();
    }
}

fn address(text: &str) -> RealAddress {
    RealAddress::parse(text).unwrap()
}

#[test]
fn each_name_finds_its_rows_in_every_quarter_and_rows_say_which_matched_and_name_nobody() {
    on_both(|url, vault| async move {
        let ground = Ground::open(url, vault).await;
        let now = at("2026-10-20T00:00:00Z");
        let (hana, autumn, summer) = (address(HANA), at("2026-10-19T23:00:00Z"), at("2026-08-01T00:00:00Z"));
        let (peer, net) = ("192.0.2.7".parse().unwrap(), "192.0.2.0".parse().unwrap());
        let hash = [7; 32];
        let domain = anshin::mail::Domain::parse("example.jp").unwrap();
        let mut written = Vec::new();
        for when in [summer, autumn] {
            let k = |value| ground.number(when, value);
            let id = ground
                .keep(when, "accepted", |record| {
                    record.message_id = Some(0x0123_4567_89AB_CDEF);
                    let fact = &mut record.fact;
                    fact.author_k = k(Numbered::Address(&hana));
                    fact.order_k = k(Numbered::OrderNo("A-1001"));
                    fact.msgid_k = k(Numbered::MessageId("<1@example.jp>"));
                    fact.ip_k = k(Numbered::Ip(peer));
                    fact.net_k = k(Numbered::Net(net));
                    fact.author_dom_k = k(Numbered::Domain(&domain));
                    fact.mailer_k = k(Numbered::Mailer("Example Mailer"));
                    fact.direction = Some("to_merchant".into());
                    fact.country = Some("JP".into());
                    fact.size = Some(12_345);
                    fact.flags = Some(Flags::default().with(Flag::Unproven, true));
                    fact.attachments = vec![NewFile {
                        hash_k: k(Numbered::File(&hash)),
                        kind: Some("pdf"),
                        declared: None,
                        found: None,
                        size: 5,
                        is_encrypted: false,
                    }];
                })
                .await;
            written.insert(0, id);
            ground.keep(when, "login", |record| record.fact.login_k = k(Numbered::Login("9096760334"))).await;
            ground.keep(when, "delivered", |record| record.fact.rcpt_k = k(Numbered::Address(&hana))).await;
        }
        let hash = "07".repeat(32);
        for text in [
            format!("from:{HANA}"),
            format!("\"{HANA}\" -to:{HANA}"),
            "order:A-1001".into(),
            "id:<1@example.jp>".into(),
            "id:0123456789ABCDEF".into(),
            "ip:192.0.2.7".into(),
            "net:192.0.2.0/23".into(),
            "from:@mail.example.jp".into(),
            "domain:example.jp country:JP".into(),
            "mailer:\"EXAMPLE mailer\"".into(),
            format!("hash:{hash} size:>12k flag:unproven"),
            hash.clone(),
            "A-1001".into(),
            "192.0.2.7".into(),
        ] {
            let text = format!("({text}) after:2026-07-15");
            let found = ground.all(&text, now).await;
            let ids: Vec<i64> = found.iter().map(|found| found.id).collect();
            assert_eq!(ids, written, "{text}");
            let line = &found[0].line;
            assert_eq!((line.event.as_str(), line.country.as_deref()), ("accepted", Some("JP")), "{text}");
            assert!(!line.matched.is_empty(), "{text}");
            let shown = line.to_json().to_string();
            for canary in ["canary", "customer.example", "A-1001", "192.0.2.7", "9096760334", &hash] {
                assert!(!shown.contains(canary), "{text}: {shown}");
            }
        }
        let both = ground.all(&format!("{HANA} after:2026-10-01"), now).await;
        let matched: Vec<&str> =
            both.iter().flat_map(|found| &found.line.matched).map(String::as_str).collect();
        assert_eq!(matched, ["to:h…@c…", "from:h…@c…"]);
        assert_eq!(ground.ids("login:9096760334", now).await.len(), 1, "30 days by default");
        assert_eq!(ground.ids("all: login:9096760334", now).await.len(), 2);
        assert!(ground.ids("login:9096760335", now).await.is_empty());

        // A key that was destroyed, and one that was never made, have no rows.
        ground.sql("UPDATE period_key SET wrapped = $2 WHERE quarter = $1", quarter_of(summer)).await;
        assert_eq!(ground.ids(&format!("all: from:{HANA}"), now).await, written[..1]);
        assert!(ground.ids("order:A-1001 on:2024-01", now).await.is_empty());
    });
}

#[test]
fn orders_aliases_and_stores_are_found_by_their_own_rows() {
    on_both(|url, vault| async move {
        let ground = Ground::open(url, vault).await;
        let now = at("2026-10-20T00:00:00Z");
        let order = |store: &str| OrderRequest {
            store_id: store.into(),
            order_no: "N/1".into(),
            customer: HANA.into(),
            expires_at: Some(Timestamp::now().after(std::time::Duration::from_secs(3600))),
        };
        let opened = ground.relay.open_order(order("hana-ya")).await.unwrap();
        let conversation = ground.relay.order("hana-ya", "N/1").await.unwrap();
        let when = at("2026-10-19T00:00:00Z");
        let mut ids = Vec::new();
        for direction in ["to_customer", "to_merchant"] {
            let id = ground
                .keep(when, "accepted", |record| {
                    record.merchant_id = Some(conversation.merchant.id);
                    record.conversation_id = Some(conversation.id);
                    record.fact.direction = Some(direction.into());
                })
                .await;
            ids.insert(0, id);
        }
        let inquiry = address("hana-ya@shop.example");
        let third = ground
            .keep(when, "refused", |record| {
                record.merchant_id = Some(conversation.merchant.id);
                record.fact.to_k = ground.number(when, Numbered::Address(&inquiry));
            })
            .await;
        // To an alias and to the real address, where nobody looked for a conversation.
        let refused = async |to: &str| {
            let to = address(to);
            ground
                .keep(when, "refused", |record| {
                    record.fact.to_k = ground.number(when, Numbered::Address(&to))
                })
                .await
        };
        let (to_alias, to_real) =
            (refused(&opened.merchant_alias.to_string()).await, refused("x@real.example").await);
        let (to_customer, to_merchant) = (vec![ids[1]], vec![to_alias, ids[0]]);
        for (text, expected) in [
            ("order:hana-ya/N/1".to_owned(), ids.clone()),
            (format!("alias:{}", opened.customer_alias), ids.clone()),
            (format!("to:{}", opened.customer_alias), to_customer.clone()),
            (format!("from:{}", opened.merchant_alias), to_customer),
            (format!("from:{}", opened.customer_alias), vec![ids[0]]),
            ("to:x@real.example".into(), vec![to_real]),
            ("x@real.example".into(), vec![to_real]),
            (format!("alias:{}", opened.merchant_alias), vec![to_alias, ids[0], ids[1]]),
            (format!("to:{}", opened.merchant_alias.to_string().to_uppercase()), to_merchant),
            ("store:hana-ya".into(), vec![third, ids[0], ids[1]]),
            ("hana-ya event:refused".into(), vec![third]),
            ("alias:hana-ya@shop.example".into(), vec![third]),
            ("store:ume".into(), vec![]),
            ("order:ume/N/1".into(), vec![]),
            ("hana-ya/N/1".into(), ids.clone()),
            ("no-store/N/1".into(), vec![]),
        ] {
            assert_eq!(ground.ids(&text, now).await, expected, "{text}");
        }
        let line = ground.all("store:hana-ya", now).await.remove(0).line;
        assert_eq!(line.store.as_deref(), Some("hana-ya"));
        let text = "event:held or store:hana-ja";
        match ground.search(text, now, None).await {
            Err(SearchFault::Query(problem)) => {
                assert_eq!((problem.span.start, problem.reason.as_str()), (14, "no such store"));
            }
            _ => panic!("a store that is none was not told"),
        }
    });
}

#[test]
fn a_search_of_many_rows_goes_on_from_any_cursor_and_past_what_is_destroyed_meanwhile() {
    on_both(|url, vault| async move {
        let ground = Ground::open(url, vault).await;
        let now = at("2026-11-01T00:00:00Z");
        let hana = address(HANA);
        let records = (0..3500_i64).map(|n| {
            let when = Timestamp::from_millis(at("2026-10-05T00:00:00Z").as_millis() + n * 500_000);
            let id = ground.ids.next(when);
            NewRecord {
                id,
                at: when,
                event: if n % 2 == 0 { "accepted" } else { "delivered" },
                merchant_id: None,
                conversation_id: None,
                message_id: None,
                delivery_id: None,
                source: None,
                data_key_id: ground.key.id(),
                detail: ground.key.seal(Place::new("record", "detail", id), b"{}"),
                headers: None,
                whence: None,
                fact: Box::new(NewFact {
                    from_k: ground.number(when, Numbered::Address(&hana)),
                    author_k: ground.number(when, Numbered::Address(&hana)).filter(|_| n % 3 == 0),
                    country: Some("JP".into()),
                    ..NewFact::default()
                }),
            }
        });
        let records: Vec<NewRecord> = records.collect();
        let mut ids: Vec<i64> = records.iter().map(|record| record.id).collect();
        ids.reverse();
        ground.store.record(records).await.unwrap();
        let text = format!("from:{HANA}");
        assert_eq!(ground.ids(&text, now).await, ids);
        assert_eq!(ground.ids("country:JP", now).await, ids);
        assert_eq!(ground.ids(&format!("{text} event:accepted"), now).await.len(), 1750);

        let from_there = ground.search(&text, now, Some(ids[1234])).await.unwrap();
        assert!(from_there.cursor().is_some());
        let mut search = from_there;
        let (mut found, mut is_destroyed) = (Vec::new(), false);
        assert_eq!(search.cost().await.unwrap(), (3500 + 1167, true));
        while let Some(step) = search.step().await.unwrap() {
            found.extend(step.iter().map(|found| found.id));
            if !std::mem::replace(&mut is_destroyed, true) {
                ground.sql("DELETE FROM fact WHERE id < $1", ids[3000]).await;
            }
        }
        assert_eq!(found, ids[1235..=3000]);
        assert!((search.cursor(), search.progress().1) == (None, 1.0));
    });
}

#[test]
fn every_search_is_entered_and_what_is_sealed_is_opened_at_the_desk() {
    on_both(|url, vault| async move {
        let ground = Ground::open(url, vault).await;
        let now = Timestamp::now();
        let hana = address(HANA);
        let mut sql = sqlite::connect(&ground.url).await;
        if !ground.periods.contains_key(&quarter_of(now)) {
            panic!("the keys of this test are of another year: {}", now.to_rfc3339());
        }
        let mut ids = Vec::new();
        for _ in 0..301 {
            let id = ground
                .keep(now, "accepted", |record| {
                    record.fact.from_k = ground.number(now, Numbered::Address(&hana))
                })
                .await;
            ids.push(id);
        }
        let text = format!("from:{HANA}");
        ground.all(&text, now).await;
        let query = Query::parse(&text).unwrap_or_else(|problem| panic!("{}", problem.reason));
        ground.relay.search(&query, now, &Searcher::Token(5, ACCOUNT), None).await.unwrap();
        let looks = ground.relay.looks().await.unwrap();
        let told: Vec<_> = looks
            .iter()
            .map(|look| {
                (
                    look.kind.as_str(),
                    look.outcome.as_str(),
                    look.purpose.as_str(),
                    look.detail["actor"].as_str(),
                )
            })
            .collect();
        let entry = |actor| ("search", "masked", "unstated", Some(actor));
        assert_eq!(told, [entry("token 0000000000000005"), entry("uid 1000")]);
        let written = looks[0].detail["what"]["search"]["query"].as_str().unwrap();
        assert!(
            written.len() == 5 + 32
                && written.starts_with("from:")
                && looks[1].detail["what"] == looks[0].detail["what"]
        );
        let stored: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT detail FROM look").fetch_all(&mut sql).await.unwrap();
        assert!(stored.iter().all(|detail| !String::from_utf8_lossy(detail).contains("canary")), "sealed");

        let look = Look::new("akiko", LookPurpose::FraudInvestigation, "C-1", ACCOUNT).unwrap();
        let opening = |records: &[i64]| Opening::Search {
            query: ground.relay.audited(&query),
            limit: 100,
            records: records.to_vec(),
        };
        let opened = ground.relay.open_for(&look, &opening(&ids[..2]), Goes::ToTheScreen, None).await;
        let Ok(Opened::Trace(lines)) = opened else { panic!("not opened") };
        assert!(lines.len() == 2 && lines[0].detail["from"] == "opened");
        for (records, goes) in [(&ids[..], Goes::ToTheScreen), (&ids[..1], Goes::ToAFile)] {
            let opened = ground.relay.open_for(&look, &opening(records), goes, None).await;
            assert!(matches!(opened, Err(DeskFault::SecondPerson(_))), "a second person");
        }
        // What retention destroyed meanwhile is not among what is opened.
        ground.sql("DELETE FROM record WHERE id = $1", ids[0]).await;
        let opened = ground.relay.open_for(&look, &opening(&ids[..2]), Goes::ToTheScreen, None).await;
        assert!(matches!(opened, Ok(Opened::Trace(lines)) if lines.len() == 1));
    });
}
