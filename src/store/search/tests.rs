//! How the engines execute the statements of a search by stretches of time: by the index, whatever else is there.
//!
//! The test on PostgreSQL needs `ANSHIN_TEST_POSTGRES`, which `tests/run` sets.

use crate::mail::Timestamp;
use crate::query::{Column, Filter, IdSpan, Numbers, Outline, Plan, Query, STRETCH};
use crate::store::Ids;
use crate::store::engine::{Database, Engine};
use crate::store::schema::migrate;
use crate::vault::FileKeys;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Row};

/// 40,000 facts, a minute apart; every fortieth has a rare value.
fn fill(begins: Timestamp) -> String {
    let (first, at) = (Ids::first_of(begins), begins.as_millis());
    let rare = |n: i64| format!("CASE WHEN i % 40 = 0 THEN {n} ELSE 1000 + i % 50 END");
    format!(
        "WITH RECURSIVE n(i) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < 40000) \
         INSERT INTO fact (id, at, event, country, merchant_id, from_dom_k, author_dom_k, dkim_dom_k, peer_dom_k, mailer_k, \
         origin_k, answers_k, asn, rcpt_k) SELECT {first} + i * 251658240000, {at} + i * 60000, 'accepted', \
         CASE WHEN i % 40 = 0 THEN 'NG' ELSE 'JP' END, i % 30, {}, {}, {}, {}, {}, {}, i, {}, {} FROM n",
        rare(1),
        rare(2),
        rare(3),
        rare(4),
        rare(5),
        rare(6),
        rare(7),
        // Sixteen have it.
        "CASE WHEN i % 2500 = 0 THEN 1 ELSE 1000 + i END"
    )
}

async fn check(url: &str) {
    let name = format!("stretches_{}", std::process::id());
    let database = Database::from_url(url, &FileKeys::for_tests('a', 1)).await.unwrap();
    let (engine, mut connection) = (database.engine, database.connect().await.unwrap());
    if engine == Engine::Postgres {
        let text =
            format!("DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}; SET search_path TO {name}");
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
    }
    migrate(engine, &mut connection).await.unwrap();
    let begins = Timestamp::parse_rfc3339("2026-06-01T00:00:00Z").unwrap();
    let first = Ids::first_of(begins);
    sqlx::raw_sql(AssertSqlSafe(fill(begins))).execute(&mut connection).await.unwrap();
    if engine == Engine::Postgres {
        sqlx::raw_sql("ANALYZE fact").execute(&mut connection).await.unwrap();
    }
    let query = Query::parse("domain:x.example after:2026-06-01").unwrap();
    let now = begins.after(std::time::Duration::from_secs(30 * 86_400));
    let of = |columns: &[Column], number| Filter::keyed(columns, &Numbers::fixed(vec![number]));
    let domains =
        [Column::AuthorDomain, Column::FromDomain, Column::DkimDomain, Column::PeerDomain].as_slice();
    for (filter, values, indexes) in [
        (
            of(domains, 4),
            1000,
            ["fact_from_dom", "fact_author_dom", "fact_dkim_dom", "fact_peer_dom"].as_slice(),
        ),
        (of(&[Column::DkimDomain], 3), 1000, &["fact_dkim_dom", "fact_from_dom"]),
        (of(&[Column::Mailer], 5), 1000, &["fact_mailer"]),
        (of(&[Column::Origin], 6), 1000, &["fact_origin"]),
        (of(&[Column::Asn], 7), 1000, &["fact_asn"]),
        (of(&[Column::Answers], 77), 1, &["fact_answers"]),
        (Filter::text(Column::Country, "NG"), 1000, &["fact_country"]),
        (of(&[Column::Rcpt], 1), 16, &["fact_rcpt"]),
    ] {
        let plan = Plan::new(Outline::of(&query, now).unwrap(), vec![filter.clone()]).unwrap();
        let mut found = 0;
        for probe in &plan.probes {
            let span = IdSpan { from: first, until: Ids::first_of(now), quarters: (0, i64::MAX) };
            for from in [first, ((span.until - 1) >> STRETCH) << STRETCH] {
                let statement = plan.rows(Some(probe), IdSpan { from, ..span }, 2000).unwrap();
                let told = explain(engine, &mut connection, &statement).await;
                // A partition's index has a name of its own, with the columns in it.
                let of = |index: &&str| index.trim_start_matches("fact_").to_owned();
                let read: Vec<&str> =
                    told.lines().filter(|line| line.contains("Index") || line.contains("INDEX")).collect();
                let is_used = indexes.iter().any(|index| read.iter().any(|line| line.contains(&of(index))));
                // Of one stretch alone PostgreSQL may read the few rows by their ids.
                let by_id = from != first && read.iter().any(|line| line.contains("pkey"));
                assert!(is_used || by_id, "{}\n{told}", statement.text);
                let scans = told.lines().any(|line| line.contains("Seq Scan") || line.contains("SCAN fact"));
                assert!(!scans, "{}\n{told}", statement.text);
                if from == first {
                    found += super::query(&statement).fetch_all(&mut connection).await.unwrap().len();
                }
            }
        }
        assert!((values..=values + 1).contains(&found), "{filter:?}: {found}");
        if values < 1000 {
            // All at once, filter and all.
            let narrow = Filter::all(vec![
                filter.clone(),
                Filter::keyed(&[Column::Merchant], &Numbers::fixed(vec![0])),
            ]);
            let plan = Plan::new(Outline::of(&query, now).unwrap(), vec![narrow]).unwrap();
            let span = IdSpan { from: first, until: Ids::first_of(now), quarters: (0, i64::MAX) };
            let probe = plan.probes.first().filter(|_| plan.probes.len() == 1).unwrap();
            let statement = plan.few(probe, span, 1000).unwrap();
            let told = explain(engine, &mut connection, &statement).await;
            let of = |index: &&str| index.trim_start_matches("fact_").to_owned();
            assert!(indexes.iter().any(|index| told.contains(&of(index))), "{}\n{told}", statement.text);
            assert!(!told.contains("Seq Scan") && !told.contains("SCAN fact"), "{told}");
            let rows = super::query(&statement).fetch_all(&mut connection).await.unwrap();
            assert!((values..=values + 1).contains(&rows.len()), "{filter:?}: {}", rows.len());
            let let_through =
                rows.iter().filter(|row| row.get::<i64, _>(2 + plan.columns().len()) != 0).count();
            assert!(let_through < rows.len(), "{let_through} of {}", rows.len());
        }
    }
    if engine == Engine::Postgres {
        let text = format!("DROP SCHEMA {name} CASCADE");
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

async fn explain(
    engine: Engine,
    connection: &mut AnyConnection,
    statement: &crate::query::Statement,
) -> String {
    let (word, column) = match engine {
        Engine::Sqlite => ("EXPLAIN QUERY PLAN", 3),
        Engine::Postgres => ("EXPLAIN", 0),
    };
    let explained = crate::query::Statement {
        text: format!("{word} {}", statement.text),
        bound: statement.bound.clone(),
    };
    let rows = super::query(&explained).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>(column) + "\n").collect()
}

#[tokio::test]
async fn a_search_by_stretches_reads_by_index_on_sqlite() {
    let path = std::env::temp_dir().join(format!("anshin-stretches-{}.db", std::process::id()));
    check(&format!("sqlite:{}", path.display())).await;
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
}

#[tokio::test]
async fn a_search_by_stretches_reads_by_index_on_postgres() {
    let url =
        std::env::var("ANSHIN_TEST_POSTGRES").expect("start the tests by tests/run, which starts PostgreSQL");
    check(&url).await;
}
