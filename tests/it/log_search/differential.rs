//! That the database finds what a plan says of each row, on both engines, over random rows.

use super::{Ground, HANA, address, at};
use crate::store::on_both;
use anshin::mail::{Domain, Flags, Timestamp};
use anshin::query::{EVENTS, IdSpan};
use anshin::store::{Ids, NewFact, NewFile, NewRecord};
use anshin::vault::{Numbered, Place};

/// 600 rows over weeks, each with some of the fields.
fn random_rows(ground: &Ground) -> Vec<NewRecord> {
    let hana = address(HANA);
    let mut seed = 1_u64;
    let mut below = |most: u64| {
        // xorshift64 (Marsaglia 2003).
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % most).unwrap()
    };
    let domains = ["one.example", "two.example"].map(|name| Domain::parse(name).unwrap());
    let origin = "192.0.2.1".parse().unwrap();
    let mut records = Vec::new();
    for n in 0..600_i64 {
        let when = Timestamp::from_millis(at("2026-09-20T00:00:00Z").as_millis() + n * 3_000_000);
        let id = ground.ids.next(when);
        let mut fact = NewFact::default();
        let mut maybe = |value: Option<i64>| if below(3) == 0 { None } else { value };
        fact.from_k = maybe(ground.number(when, Numbered::Address(&hana)));
        fact.size = maybe(Some(n * 100));
        fact.hops = maybe(Some(n % 9));
        fact.flags = maybe(Some(1 << (n % 5))).map(Flags::from_bits);
        fact.order_k = maybe(ground.number(when, Numbered::OrderNo(if n % 2 == 0 { "1" } else { "2" })));
        for (column, of) in [
            (&mut fact.from_dom_k, n % 2),
            (&mut fact.author_dom_k, n / 2 % 2),
            (&mut fact.dkim_dom_k, n / 4 % 2),
            (&mut fact.peer_dom_k, n / 8 % 2),
        ] {
            let domain = &domains[usize::from(of == 1)];
            *column = maybe(ground.number(when, Numbered::Domain(domain)).filter(|_| n % 5 > 0));
        }
        fact.mailer_k =
            maybe(ground.number(when, Numbered::Mailer(["Alpha", "Beta"][usize::from(n % 3 == 0)])));
        fact.origin_k = maybe(ground.number(when, Numbered::Ip(origin)));
        fact.answers_k = maybe(ground.number(when, Numbered::MessageId("<1@x.example>")));
        fact.asn = maybe(Some(2527 + n % 2));
        fact.origin_country = [None, Some("JP"), Some("US")][below(3)].map(Into::into);
        fact.country = [None, Some("JP"), Some("US")][below(3)].map(Into::into);
        fact.country2 = [None, Some("JP")][below(2)].map(Into::into);
        fact.result =
            [None, Some("5.1.1"), Some("5_1.1"), Some("4.2.1"), Some("é")][below(5)].map(Into::into);
        fact.spf = [None, Some("pass"), Some("fail")][below(3)];
        fact.tls = [None, Some("TLSv1.3"), Some("TLSv1.2")][below(3)].map(Into::into);
        fact.attachments = (0..below(3))
            .map(|file| NewFile {
                hash_k: ground.number(when, Numbered::File(&[u8::try_from(file).unwrap(); 32])),
                kind: None,
                declared: None,
                found: None,
                size: 1,
                is_encrypted: false,
            })
            .collect();
        records.push(NewRecord {
            id,
            at: when,
            event: EVENTS[below(6)],
            merchant_id: None,
            conversation_id: None,
            message_id: None,
            delivery_id: None,
            source: None,
            data_key_id: ground.key.id(),
            detail: ground.key.seal(Place::new("record", "detail", id), b"{}"),
            headers: None,
            whence: None,
            fact: Box::new(fact),
        });
    }
    records
}

#[test]
fn statements_find_what_the_plan_says_of_each_row() {
    on_both(|url, vault| async move {
        let ground = Ground::open(url, vault).await;
        let now = at("2026-11-01T00:00:00Z");
        let records = random_rows(&ground);
        ground.store.record(records).await.unwrap();
        let (zero, one) = ("00".repeat(32), "01".repeat(32));
        let names = format!("from:{HANA}");
        for text in [
            names.clone(),
            format!("not {names}"),
            format!("{names} not order:1"),
            format!("({names} or order:2) not (country:JP or size:>20k)"),
            "domain:one.example".into(),
            "domain:two.example -domain:one.example".into(),
            "from:@one.example hops:<4".into(),
            "mailer:alpha or country:US".into(),
            "country:US".into(),
            "origin:US or origin:192.0.2.1".into(),
            "asn:2527 not origin:US".into(),
            format!("answers:<1@x.example> or hash:{zero} or {names}"),
            "country:JP".into(),
            "not country:JP".into(),
            "country:ZZ".into(),
            "result:5.*".into(),
            "not result:5.*".into(),
            "result:5_1.1".into(),
            "flag:reply_differs or flag:no_author".into(),
            "not flag:reply_differs hops:2..5".into(),
            "tls:none -tls:1.3".into(),
            "auth:spf=pass -auth:spf=fail size:<=30k".into(),
            format!("hash:{zero}"),
            format!("hash:{one} or {names}"),
            format!("not hash:{zero} event:delivered"),
            "on:2026-10-01 or on:2026-10-03".into(),
            "not on:2026-10-01 event:refused".into(),
            "not before:2026-10-10 hops:>=3".into(),
        ] {
            // All rows, with whether they have the files that the query names.
            let wide = format!("(({text}) or not ({text})) after:2026-09-15");
            let wide = ground.search(&wide, now, None).await.unwrap();
            let wide = wide.plan();
            let mut rows = Vec::new();
            for slice in wide.slices() {
                let id = |millis| Ids::first_of(Timestamp::from_millis(millis));
                let (from, until) = (id(slice.from), id(slice.until));
                let span = IdSpan { from, until, quarters: slice.quarters };
                let statement = wide.rows(None, span, 10_000).unwrap();
                rows.extend(ground.store.found(&statement, wide).await.unwrap());
            }
            assert_eq!(rows.len(), 600, "{text}");
            let text = format!("({text}) after:2026-09-15");
            let search = ground.search(&text, now, None).await.unwrap();
            let plan = search.plan();
            let expected: Vec<i64> = rows.iter().filter(|row| plan.holds(row)).map(|row| row.id).collect();
            assert!(!expected.is_empty() && expected.len() < 600, "{text}");
            assert_eq!(ground.ids(&text, now).await, expected, "{text}");
            // In the steps of what has many rows, and counted.
            let all = ground.all(&text, now).await;
            let all: Vec<_> = all.into_iter().map(|found| (found.id, found.line.matched)).collect();
            for mut search in [
                ground.search(&text, now, None).await.unwrap().in_steps(),
                ground.search(&text, now, None).await.unwrap().counting(),
            ] {
                let mut found = Vec::new();
                while let Some(step) = search.step().await.unwrap() {
                    found.extend(step.into_iter().map(|found| (found.id, found.line.matched)));
                }
                assert_eq!(found, all, "{text}");
            }
        }
    });
}
