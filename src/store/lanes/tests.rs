//! How the engines execute the statements of a look: by index, so that what waits costs nothing.
//!
//! The test on PostgreSQL needs `ANSHIN_TEST_POSTGRES`, which `tests/run` sets.

use super::text;
use crate::store::engine::{Database, Engine};
use crate::store::schema::migrate;
use crate::vault::FileKeys;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Row};

/// 30,000 deliveries of 300 stores to 97 destinations, their lanes and turns.
const FILL: [&str; 3] = [
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000) \
     INSERT INTO delivery (id, message_id, state, class, merchant_id, route, recipient, attempts, next_at, expires_at, \
     look_at, lease) SELECT i, i, 'waiting', 1, i % 300, i % 97, CAST('' AS BYTEA), 1, 1000000 + i, 9000000, \
     8000000 + i, 0 FROM n",
    "INSERT INTO lane (class, merchant_id, route, due_at) SELECT class, merchant_id, route, MIN(next_at) FROM delivery \
     GROUP BY class, merchant_id, route",
    "INSERT INTO turn (class, merchant_id, due_at) SELECT class, merchant_id, MIN(due_at) FROM lane \
     GROUP BY class, merchant_id",
];

async fn filled(url: &str, name: &str) -> (Engine, AnyConnection) {
    let database = Database::from_url(url, &FileKeys::for_tests('a', 1)).await.unwrap();
    let mut connection = database.connect().await.unwrap();
    if database.engine == Engine::Postgres {
        let text =
            format!("DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}; SET search_path TO {name}");
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
    }
    migrate(database.engine, &mut connection).await.unwrap();
    for statement in FILL {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    sqlx::raw_sql("ANALYZE").execute(&mut connection).await.unwrap();
    (database.engine, connection)
}

async fn plan(engine: Engine, connection: &mut AnyConnection, statement: &str, numbers: &[i64]) -> String {
    let (word, column) = match engine {
        Engine::Sqlite => ("EXPLAIN QUERY PLAN", 3),
        Engine::Postgres => ("EXPLAIN", 0),
    };
    let mut query = sqlx::query(AssertSqlSafe(format!("{word} {statement}")));
    for number in numbers {
        query = query.bind(*number);
    }
    let rows = query.fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>(column) + "\n").collect()
}

async fn check(url: &str) {
    let name = format!("plans_{}", std::process::id());
    let (engine, mut connection) = filled(url, &name).await;
    let lock = |of: &str| match engine {
        Engine::Sqlite => String::new(),
        Engine::Postgres => format!("FOR UPDATE{of} SKIP LOCKED"),
    };
    let out = "AND l.route NOT IN (5, 6)";
    let looks = "SELECT id FROM delivery WHERE state = 'waiting' AND look_at <= $1 ORDER BY look_at LIMIT $2";
    let stray = "SELECT id FROM delivery WHERE state = 'waiting' AND class IS NULL LIMIT $1";
    let cases: [(String, &[i64], &str); 7] = [
        (text::turns(out, &lock(" OF t")), &[1, 1_000_100, 32], "lane_due"),
        (text::lanes(out, &lock("")), &[1, 7, 1_000_100, 32], "lane_due"),
        (
            text::lease(super::Leases::TakenOver(crate::mail::Timestamp::from_millis(1_000_100)), &lock("")),
            &[9, 2_000_000, 1, 7, 7, 1_000_100, 5, 1_000_100],
            "delivery_lane",
        ),
        (text::LANE_DUE.to_owned(), &[1, 7, 7], "delivery_lane"),
        (text::TURN_DUE.to_owned(), &[1, 7], "lane_due"),
        (looks.to_owned(), &[7_000_000, 100], "delivery_look"),
        (stray.to_owned(), &[100], "delivery_lane"),
    ];
    for (statement, numbers, index) in cases {
        let plan = plan(engine, &mut connection, &statement, numbers).await;
        assert!(plan.contains(index), "{statement}\n{plan}");
        let scans = plan.lines().any(|line| {
            line.contains("Seq Scan on delivery") || line.contains("SCAN delivery") && !line.contains("USING")
        });
        assert!(!scans, "{statement}\n{plan}");
    }
    if engine == Engine::Postgres {
        let text = format!("DROP SCHEMA {name} CASCADE");
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_look_reads_by_index_on_sqlite() {
    let path = std::env::temp_dir().join(format!("anshin-plans-{}.db", std::process::id()));
    check(&format!("sqlite:{}", path.display())).await;
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
}

#[tokio::test]
async fn a_look_reads_by_index_on_postgres() {
    let url =
        std::env::var("ANSHIN_TEST_POSTGRES").expect("start the tests by tests/run, which starts PostgreSQL");
    check(&url).await;
}
