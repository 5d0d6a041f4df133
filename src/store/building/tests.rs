//! Needs `ANSHIN_TEST_POSTGRES`, which `tests/run` sets.

use super::*;
use crate::store::engine::{Database, Engine};
use crate::store::schema::{migrate, migrator};
use crate::vault::FileKeys;
use std::time::Instant;

const FACTS: (i64, &str) = BUILT_AHEAD[0];

/// A schema of a test's own, which every connection is told of.
fn url(name: &str) -> String {
    let url = std::env::var("ANSHIN_TEST_POSTGRES").expect("tests/run sets ANSHIN_TEST_POSTGRES");
    format!("{url}?options=-c%20search_path%3D{name}")
}

async fn fact(connection: &mut AnyConnection, id: i64) {
    let text = format!(
        "INSERT INTO fact (id, at, event, from_dom_k, mailer_k) VALUES ({id}, 1, 'accepted', 7, {id})"
    );
    run(connection, &text).await.unwrap();
}

#[tokio::test]
async fn an_upgrade_builds_indexes_of_a_log_while_another_node_writes_to_it_on_postgresql() {
    let name = format!("building_{}", std::process::id());
    let database = Database::from_url(&url(&name), &FileKeys::for_tests('a', 1)).await.unwrap();
    let mut connection = database.connect().await.unwrap();
    run(&mut connection, &format!("DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}"))
        .await
        .unwrap();
    let migrator = migrator(Engine::Postgres);
    migrator.run_direct(Some(FACTS.0 - 1), &mut connection, false).await.unwrap();
    assert!(!is_to_build(&mut connection, FACTS).await.unwrap(), "an empty one has its migration do it");
    run(&mut connection, "CREATE TABLE fact_9 PARTITION OF fact FOR VALUES FROM (1000) TO (2000)")
        .await
        .unwrap();
    for id in [1, 2, 1001, 1002] {
        fact(&mut connection, id).await;
    }
    let key = "INSERT INTO data_key (id, subject, wrapped, created_at) VALUES (1, 'merchant', '', 1)";
    run(&mut connection, key).await.unwrap();
    // What a start that was killed left behind.
    run(&mut connection, "CREATE INDEX fact_9_fact_mailer ON fact_9 (id)").await.unwrap();
    run(
        &mut connection,
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'fact_9_fact_mailer'::regclass",
    )
    .await
    .unwrap();
    assert!(is_to_build(&mut connection, FACTS).await.unwrap());

    let (mut slow, mut quick) = (database.connect().await.unwrap(), database.connect().await.unwrap());
    run(&mut slow, "BEGIN").await.unwrap();
    fact(&mut slow, 3).await;
    run(&mut quick, "SET statement_timeout = '2s'").await.unwrap();
    let upgrade = tokio::spawn(async move {
        migrate(Engine::Postgres, &mut connection).await.unwrap();
        connection
    });
    // Another role that starts meanwhile waits until it is done.
    let mut beside = database.connect().await.unwrap();
    let other = tokio::spawn(async move { migrate(Engine::Postgres, &mut beside).await });
    // And a program of before, which waits for the lock inside a statement.
    let mut before = database.connect().await.unwrap();
    let old = tokio::spawn(async move {
        let held = "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND NOT pid = pg_backend_pid()";
        while number(&mut before, held).await.unwrap() == 0 {}
        run(&mut before, "SET statement_timeout = 0; SELECT pg_advisory_lock(6017245871)").await.unwrap();
        run(&mut before, "SELECT pg_advisory_unlock(6017245871)").await.unwrap();
    });
    let begun = Instant::now();
    let tried =
        "SELECT COUNT(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX IF NOT EXISTS%ON ONLY fact%'";
    let (mut id, mut has_begun) = (4, false);
    while !(has_begun && begun.elapsed() > Duration::from_millis(800)) {
        fact(&mut quick, id).await;
        id += 1;
        has_begun |= number(&mut quick, tried).await.unwrap() > 0;
    }
    run(&mut slow, "COMMIT").await.unwrap();
    let mut connection = upgrade.await.unwrap();
    other.await.unwrap().unwrap();
    old.await.unwrap();

    let whole = "SELECT COUNT(*) FROM pg_index WHERE indrelid = to_regclass('fact') AND indisvalid";
    let of_migration = 11;
    let before = 14;
    assert_eq!(number(&mut connection, whole).await.unwrap(), before + of_migration);
    let parts = "SELECT COUNT(*) FROM pg_index WHERE indrelid = to_regclass('fact_9') AND indisvalid";
    assert_eq!(number(&mut connection, parts).await.unwrap(), before + of_migration);
    let done = "SELECT COUNT(*) FROM _sqlx_migrations WHERE success AND version IN (23, 28)";
    assert_eq!(number(&mut connection, done).await.unwrap(), 2);
    for ahead in BUILT_AHEAD {
        assert!(!is_to_build(&mut connection, ahead).await.unwrap());
    }
    let keys = "SELECT COUNT(*) FROM pg_index WHERE indrelid = to_regclass('data_key') AND indisvalid";
    assert!(number(&mut connection, keys).await.unwrap() >= 3);
    migrate(Engine::Postgres, &mut connection).await.unwrap();
    run(&mut connection, &format!("DROP SCHEMA {name} CASCADE")).await.unwrap();
}
