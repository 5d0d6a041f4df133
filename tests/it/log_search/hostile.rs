//! Searches that go where rows are moved, destroyed or kept from being read, and queries that want more than an answer.

use super::{Ground, HANA, address, at};
use crate::peer::sqlite;
use crate::store::on_both;
use anshin::mail::Timestamp;
use anshin::query::Query;
use anshin::store::{Ids, NewFact, NewRecord};
use anshin::vault::{Numbered, Place};
use std::time::Duration;

impl Ground {
    /// A row whose id was given out at another time than its own, as a clock that was ahead does.
    async fn keep_with_id(&self, id: i64, at: Timestamp, make: impl FnOnce(&mut NewFact)) {
        let mut fact = NewFact::default();
        make(&mut fact);
        let record = NewRecord {
            id,
            at,
            event: "accepted",
            merchant_id: None,
            conversation_id: None,
            message_id: None,
            delivery_id: None,
            source: None,
            data_key_id: self.key.id(),
            detail: self.key.seal(Place::new("record", "detail", id), b"{}"),
            headers: None,
            whence: None,
            fact: Box::new(fact),
        };
        self.store.record(vec![record]).await.unwrap();
    }
}

#[test]
fn what_a_clock_that_was_ahead_gave_ids_is_found_by_its_own_time() {
    on_both(|url, vault| async move {
        let ground = Ground::open(url, vault).await;
        let (now, when) = (at("2026-10-20T00:00:00Z"), at("2026-10-10T00:00:00Z"));
        let ahead = Ids::default();
        let (hana, id) = (address(HANA), ahead.next(now.after(Duration::from_secs(40 * 86_400))));
        // The clock was set right, and ids go on from where it was.
        let next = ahead.next(when);
        assert!(next > id && Ids::time_of(next) > now);
        let from_k = |when| ground.number(when, Numbered::Address(&hana));
        ground
            .keep_with_id(next, when, |fact| {
                fact.from_k = from_k(when);
                fact.country = Some("JP".into());
            })
            .await;
        let own = ground.keep(when, "accepted", |record| record.fact.from_k = from_k(when)).await;
        for text in [
            format!("from:{HANA}"),
            format!("from:{HANA} on:2026-10-10"),
            format!("from:{HANA} before:2026-10-11"),
            format!("all: from:{HANA}"),
        ] {
            assert_eq!(ground.ids(&text, now).await, [next, own], "{text}");
        }
        assert_eq!(ground.ids("country:JP", now).await, [next]);
        assert!(ground.ids(&format!("from:{HANA} on:2026-10-12"), now).await.is_empty());
        assert!(ground.ids(&format!("from:{HANA} before:2026-10-09"), now).await.is_empty());
    });
}

#[test]
fn branches_reach_back_as_far_as_each_says() {
    on_both(|url, vault| async move {
        let ground = Ground::open(url, vault).await;
        let now = at("2026-10-20T00:00:00Z");
        let hana = address(HANA);
        let mut ids = Vec::new();
        for when in [at("2026-03-10T00:00:00Z"), at("2026-10-10T00:00:00Z")] {
            let (from_k, order_k) = (
                ground.number(when, Numbered::Address(&hana)),
                ground.number(when, Numbered::OrderNo("A-1")),
            );
            ids.push(ground.keep(when, "accepted", |record| record.fact.from_k = from_k).await);
            ids.push(ground.keep(when, "accepted", |record| record.fact.order_k = order_k).await);
        }
        let [old_from, old_order, from, order] = ids[..] else { panic!() };
        for (text, expected) in [
            (format!("from:{HANA} or order:A-1"), vec![order, from]),
            (format!("(from:{HANA} after:2026-01-01) or order:A-1"), vec![order, from, old_from]),
            (format!("from:{HANA} or (order:A-1 after:2026-01-01)"), vec![order, from, old_order]),
            (
                format!("event:accepted (from:{HANA} after:2026-01-01 or order:A-1)"),
                vec![order, from, old_from],
            ),
            (format!("all: (from:{HANA} or order:A-1)"), vec![order, from, old_order, old_from]),
            (format!("(from:{HANA} before:2026-05-01 after:2026-01-01) or order:A-1"), vec![order, old_from]),
        ] {
            assert_eq!(ground.ids(&text, now).await, expected, "{text}");
        }
    });
}

#[test]
fn what_somebody_types_to_reach_the_database_finds_nothing_and_changes_nothing() {
    on_both(|url, vault| async move {
        let ground = Ground::open(url, vault).await;
        let now = at("2026-10-20T00:00:00Z");
        let when = at("2026-10-10T00:00:00Z");
        let own = ground.keep(when, "refused", |record| record.fact.result = Some("5.1.1".into())).await;
        for text in [
            "id:\"' OR 1=1 --\"",
            "mailer:\"x'); DROP TABLE fact; --\"",
            "login:\"$1\" or order:\"x' UNION SELECT 1\"",
            "\"' OR ''='\"",
            "order:\"\\\\'; DELETE FROM record; --\"",
            "mailer:\"%\"",
            "login:_",
        ] {
            assert!(ground.ids(text, now).await.is_empty(), "{text}");
        }
        // Nothing is a pattern but the end of a result, and one that looks like one costs no more than another.
        for (text, finds) in [
            ("result:5.*", true),
            ("result:5.1.1", true),
            ("mailer:\"(a+)+$\"", false),
            ("login:\"((((((((((a*)*)*)*)*)*)*)*)*)*)*b\"", false),
            ("order:\".*.*.*.*.*.*.*.*.*.*x\"", false),
        ] {
            assert_eq!(ground.ids(text, now).await, if finds { vec![own] } else { vec![] }, "{text}");
        }
        for text in ["result:5_1_1*x", "result:%", "result:*", "result:(a+)+"] {
            assert!(Query::parse(text).is_err(), "{text}");
        }
        // The largest that is allowed is answered too.
        let words: Vec<String> = (0..255).map(|n| format!("order:X-{n}")).collect();
        let large = words.join(" or ");
        assert!(large.len() <= anshin::query::LENGTH_MAX, "{}", large.len());
        assert!(ground.ids(&large, now).await.is_empty());
        assert_eq!(ground.ids("event:refused", now).await, [own]);
    });
}

#[test]
fn a_query_over_the_end_of_retention_finds_what_is_left() {
    on_both(|url, vault| async move {
        let ground = Ground::open(url, vault).await;
        let now = at("2026-12-01T00:00:00Z");
        let hana = address(HANA);
        let mut ids = Vec::new();
        for day in 1..=20 {
            let when = at(&format!("2026-10-{day:02}T12:00:00Z"));
            let from_k = ground.number(when, Numbered::Address(&hana));
            ids.insert(0, ground.keep(when, "refused", |record| record.fact.from_k = from_k).await);
        }
        let text = format!("from:{HANA} after:2026-09-01");
        assert_eq!(ground.ids(&text, now).await, ids);
        // The first ten days are over; the search began before.
        let mut search = ground.search(&text, now, None).await.unwrap();
        let border = Ids::first_of(at("2026-10-11T00:00:00Z"));
        ground.sql("DELETE FROM record WHERE id < $1", border).await;
        ground.sql("DELETE FROM fact WHERE id < $1", border).await;
        let mut found = Vec::new();
        while let Some(step) = search.step().await.unwrap() {
            found.extend(step.iter().map(|found| found.id));
        }
        assert_eq!(found, ids[..10]);
        assert!(ground.ids(&format!("from:{HANA} after:2026-09-01 before:2026-10-10"), now).await.is_empty());
    });
}

#[test]
fn a_search_waits_for_no_partition_that_is_dropped_and_goes_on_behind_it() {
    on_both(|url, vault| async move {
        if !url.starts_with("postgres") {
            return;
        }
        let ground = Ground::open(url, vault).await;
        let hana = address(HANA);
        let first = at("2026-10-01T00:00:00Z");
        let day = |n: u64| first.after(Duration::from_secs(n * 86_400));
        // A partition a day, as older versions made them.
        for n in 0..12 {
            let number = day(n).as_millis() / 86_400_000;
            let (from, until) = (Ids::first_of(day(n)), Ids::first_of(day(n + 1)));
            let text =
                format!("CREATE TABLE fact_{number} PARTITION OF fact FOR VALUES FROM ({from}) TO ({until})");
            let mut sql = sqlite::connect(&ground.url).await;
            sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(&mut sql).await.unwrap();
        }
        let mut ids = Vec::new();
        for n in 0..12 {
            let when = day(n).after(Duration::from_secs(60));
            let from_k = ground.number(when, Numbered::Address(&hana));
            ids.insert(0, ground.keep(when, "accepted", |record| record.fact.from_k = from_k).await);
        }
        let text = format!("from:{HANA} after:2026-09-25");
        let now = day(20);
        let mut search = ground.search(&text, now, None).await.unwrap().in_steps();
        // The days are emptied and dropped while somebody searches, and each step of the search is one that holds nothing: else
        // to drop one would wait for 200 ms and fail.
        let mut dropped = 0;
        let mut found = Vec::new();
        let mut left = (0..6).collect::<Vec<i64>>();
        loop {
            let step = search.step().await.unwrap();
            if let Some(n) = left.pop() {
                let (from, until) =
                    (Ids::first_of(day(n.unsigned_abs())), Ids::first_of(day(n.unsigned_abs() + 1)));
                ground.sql("DELETE FROM fact WHERE id >= $1 AND id < $1 + 362387865600000", from).await;
                assert!(until - from == 86_400_000 << 22);
                dropped += ground.store.drop_partitions(now).await.unwrap();
            }
            match step {
                Some(step) => found.extend(step.iter().map(|found| found.id)),
                None if left.is_empty() => break,
                None => {}
            }
        }
        assert_eq!(dropped, 6, "each of them");
        assert_eq!(ground.ids(&text, now).await, ids[..6]);
        assert!(found.starts_with(&ids[..6]), "{found:?}");
    });
}
