//! Facts on both engines: rows, counts that several writers add up, what is usual over a change of quarter, and partitions.

use crate::peer::postgres;
use crate::store::{on_both, open, record, vault};
use anshin::mail::{Flag, Flags, Timestamp};
use anshin::store::{DAY_MS, DAYS_AHEAD, Ids, NewFact, NewFile, NewRecord, Store, Usual};
use anshin::vault::DataKey;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Connection, Row};
use std::sync::Arc;
use std::time::Duration;

async fn rows(url: &str, text: &str) -> Vec<AnyRow> {
    let mut connection = crate::peer::sqlite::connect(url).await;
    let rows = sqlx::query(AssertSqlSafe(text.to_owned())).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    rows
}

pub async fn number(url: &str, text: &str) -> i64 {
    rows(url, text).await[0].get(0)
}

/// A record at a time, with a fact.
fn found(ids: &Ids, key: &DataKey, at: Timestamp, fact: NewFact) -> NewRecord {
    let new = record(key, None);
    NewRecord { id: ids.next(at), at, merchant_id: Some(7), fact: Box::new(fact), ..new }
}

pub fn fact(n: i64) -> NewFact {
    NewFact {
        direction: Some("to_customer".into()),
        country: Some("JP".into()),
        from_k: Some(n),
        size: Some(100),
        flags: Some(Flags::default().with(Flag::List, true)),
        attachments: vec![NewFile {
            hash_k: Some(n),
            kind: Some("pdf"),
            declared: None,
            found: Some("pdf"),
            size: 10,
            is_encrypted: true,
        }],
        usual: vec![
            Usual { what: "country", value: "JP".into(), before: None },
            Usual { what: "net", value: (1000 + n).to_string(), before: Some(n.to_string()) },
        ],
        ..NewFact::default()
    }
}

#[test]
fn a_fact_is_written_with_its_record_or_not_at_all_and_counts_add_up() {
    on_both(async |url, vault| {
        let ((store, key), ids) = (open(&url, &vault).await, Ids::default());
        let now = Timestamp::now();
        let all: Vec<NewRecord> = (0..40).map(|n| found(&ids, &key, now, fact(n % 3))).collect();
        store.record(all).await.unwrap();
        let read = "SELECT CAST(COUNT(*) AS BIGINT), CAST(SUM(f.size) AS BIGINT), CAST(MAX(f.flags) AS BIGINT) \
             FROM fact f JOIN record r ON r.id = f.id AND r.at = f.at AND r.event = f.event JOIN fact_file l ON l.fact_id = f.id \
             WHERE l.hash_k = f.from_k AND l.ord = 0 AND l.is_encrypted = 1 AND f.to_k IS NULL";
        let row = &rows(&url, read).await[0];
        assert_eq!(
            (row.get::<i64, _>(0), row.get::<i64, _>(1), row.get::<i64, _>(2)),
            (40, 4000, Flag::List.bit())
        );
        let counted = "SELECT CAST(SUM(n) AS BIGINT) FROM rollup WHERE merchant_id = 7 AND direction = 'to_customer' \
             AND country = 'JP' AND result = '' AND octets = 100 * n";
        assert_eq!(number(&url, counted).await, 40);
        // Of two with one id neither has a fact twice: the group is refused as a whole, and tried one by one.
        let twice = found(&ids, &key, now, fact(9));
        let again = NewRecord { id: twice.id, ..found(&ids, &key, now, fact(9)) };
        assert!(store.record(vec![twice, again]).await.is_err());
        assert_eq!(number(&url, "SELECT COUNT(*) FROM fact WHERE from_k = 9").await, 0);
        assert_eq!(number(&url, counted).await, 40);
    });
}

#[test]
fn what_is_usual_stays_so_over_a_change_of_quarter() {
    on_both(async |url, vault| {
        let ((store, key), ids) = (open(&url, &vault).await, Ids::default());
        let (first, later) =
            (Timestamp::from_millis(1_790_000_000_000), Timestamp::from_millis(1_799_000_000_000));
        let of = |value: i64, before: Option<i64>| NewFact {
            usual: vec![Usual {
                what: "net",
                value: value.to_string(),
                before: before.map(|n| n.to_string()),
            }],
            ..NewFact::default()
        };
        store.record(vec![found(&ids, &key, first, of(5, None))]).await.unwrap();
        store.record(vec![found(&ids, &key, later, of(6, Some(5)))]).await.unwrap();
        store.record(vec![found(&ids, &key, later, of(8, Some(7)))]).await.unwrap();
        let seen = rows(&url, "SELECT value, first_at, last_at, n FROM profile ORDER BY value").await;
        let seen: Vec<(String, i64, i64, i64)> =
            seen.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect();
        let (first, later) = (first.as_millis(), later.as_millis());
        assert_eq!(
            seen,
            [("5".into(), first, first, 1), ("6".into(), first, later, 1), ("8".into(), later, later, 1)]
        );
    });
}

#[test]
fn three_writers_count_the_same_and_none_waits_for_another_for_ever() {
    let database = postgres::fresh_database();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let scratch = crate::peer::Scratch::new("facts");
    let vault = vault(&scratch);
    runtime.block_on(async {
        let url = database.url();
        let (first, key) = open(&url, &vault).await;
        let key = Arc::new(key);
        let mut writers = Vec::new();
        for writer in 0..3_i64 {
            let store =
                if writer == 0 { first.clone() } else { Store::open(&url, &vault.file).await.unwrap() };
            let key = key.clone();
            writers.push(tokio::spawn(async move {
                let ids = Ids::default();
                for round in 0..30_i64 {
                    // The same stores and networks, in another order from each.
                    let new = (0..20).map(|n| {
                        let n = if writer % 2 == 0 { n } else { 19 - n };
                        let new = found(&ids, &key, Timestamp::now(), fact(n));
                        NewRecord { merchant_id: Some((n + round) % 5), ..new }
                    });
                    store.record(new.collect()).await.unwrap();
                }
            }));
        }
        for writer in writers {
            writer.await.unwrap();
        }
        assert_eq!(number(&url, "SELECT COUNT(*) FROM fact").await, 1800);
        assert_eq!(number(&url, "SELECT CAST(SUM(n) AS BIGINT) FROM rollup").await, 1800);
        let usual = "SELECT CAST(SUM(n) AS BIGINT) FROM profile WHERE what = 'country'";
        assert_eq!(number(&url, usual).await, 1800);
    });
}

/// What the partition of some days is called.
fn table(from: i64, until: i64) -> String {
    if until == from + 1 { format!("fact_{from}") } else { format!("fact_{from}_{until}") }
}

#[test]
fn partitions_are_made_ahead_and_dropped_when_empty_and_a_missing_one_loses_nothing() {
    let database = postgres::fresh_database();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let scratch = crate::peer::Scratch::new("partitions");
    let vault = vault(&scratch);
    runtime.block_on(async {
        let url = database.url();
        let ((store, key), ids) = (open(&url, &vault).await, Ids::default());
        let now = Timestamp::now();
        let day = now.as_millis().div_euclid(DAY_MS);
        let write = async |at| store.record(vec![found(&ids, &key, at, fact(1))]).await.unwrap();
        let lies = "SELECT CAST(tableoid::regclass AS TEXT) FROM fact ORDER BY id";
        // There is none yet.
        write(now).await;
        assert_eq!(rows(&url, lies).await[0].get::<String, _>(0), "fact_rest");
        // The day that has facts elsewhere goes on there; the days after it are made.
        assert!(store.make_partitions(now).await.is_err());
        write(Timestamp::now()).await;
        let tomorrow = now.after(Duration::from_secs(86_400));
        write(tomorrow).await;
        let places: Vec<String> = rows(&url, lies).await.iter().map(|row| row.get(0)).collect();
        // Until the end of a week at first, since nobody knows how much will come.
        let end = ((day + 1).div_euclid(7) + 1) * 7;
        let first = table(day + 1, end);
        assert_eq!(places, ["fact_rest".to_owned(), "fact_rest".into(), first.clone()]);
        store.make_partitions(tomorrow).await.unwrap();
        let is_there = async |from: i64| {
            for day in from..from + DAYS_AHEAD {
                let id = Ids::first_of(Timestamp::from_millis(day * DAY_MS));
                let text = format!(
                    "SELECT COUNT(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = \
                     to_regclass('fact') AND c.relname <> 'fact_rest' AND {id} >= CAST(substring(pg_get_expr(c.relpartbound, \
                     c.oid) FROM 'FROM ..([0-9]+)') AS BIGINT) AND {id} < CAST(substring(pg_get_expr(c.relpartbound, c.oid) \
                     FROM 'TO ..([0-9]+)') AS BIGINT)"
                );
                assert_eq!(number(&url, &text).await, 1, "{day}");
            }
        };
        is_there(day + 1).await;
        // A day that an older version has made, which knows days alone, stays; around it are new ones. Where little came in a week the
        // next is one of four.
        let (theirs, floor) = (day + 22, |day: i64| Ids::first_of(Timestamp::from_millis(day * DAY_MS)));
        let text = format!(
            "CREATE TABLE fact_{theirs} PARTITION OF fact FOR VALUES FROM ({}) TO ({})",
            floor(theirs),
            floor(theirs + 1)
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(&mut crate::peer::sqlite::connect(&url).await).await.unwrap();
        // Two processes at once.
        let later = now.after(Duration::from_secs(20 * 86_400));
        let (one, other) = tokio::join!(store.make_partitions(later), store.make_partitions(later));
        assert!(one.is_ok() && other.is_ok());
        is_there(day + 20).await;
        let after = ((theirs + 1).div_euclid(28) + 1) * 28;
        let there = format!("SELECT COUNT(*) FROM pg_class WHERE relname = '{}'", table(theirs + 1, after));
        assert_eq!(number(&url, &there).await, 1, "{}", table(theirs + 1, after));
        // Those of the past go if they are empty; of tomorrow there is a row.
        let latest = now.after(Duration::from_secs(60 * 86_400));
        assert!(store.drop_partitions(latest).await.unwrap() >= 3);
        let parts = "SELECT COUNT(*) FROM pg_inherits WHERE inhparent = to_regclass('fact')";
        assert_eq!(number(&url, parts).await, 2);
        assert_eq!(number(&url, "SELECT COUNT(*) FROM fact").await, 3);
        let indexes = format!("SELECT COUNT(*) FROM pg_indexes WHERE tablename = '{first}'");
        let own = "SELECT COUNT(*) FROM pg_indexes WHERE tablename = 'fact'";
        assert_eq!(number(&url, &indexes).await, number(&url, own).await);
    });
}
