//! What a look into the spool costs when much waits in it: `cargo bench --bench spool -- --deliveries 10000000`.
//!
//! It fills a database with deferred deliveries (SQLite in a temporary directory, or `--storage postgres://…`, which must be
//! empty; with `--filled-at MILLISECONDS` it is one that was filled then), then opens it as the relay does and leases what is due while time goes on. Printed are the start-up, looks
//! and leases a second, the slowest look, and the memory of this process. Run it with 10,000 and with 10 million and
//! compare; docs/benchmarks.md has figures.
//!
//! Rules: 1,000 stores, 2,000 destinations of which few take most, next attempts spread over four hours. Rows are written
//! in SQL, without bodies: a look reads none.
#![expect(clippy::print_stdout, clippy::unwrap_used, clippy::panic, reason = "a program for its developers")]

use anshin::mail::Timestamp;
use anshin::schedule::{Class, Rooms};
use anshin::store::{Leases, Store};
use anshin::vault::{FileKeys, KeyRing, Make, Vault};
use sqlx::{AnyConnection, AssertSqlSafe, Connection};
use std::time::{Duration, Instant};

/// Deliveries leased at once.
const LIMIT: usize = 20;
/// Over which the next attempts are spread.
const SPREAD_MS: i64 = 4 * 3_600_000;
/// Start-ups besides the one whose spool is looked into.
const STARTS: usize = 6;
/// Looks that are measured.
const LOOKS: i64 = 2_000;

fn main() {
    let mut deliveries = 10_000_i64;
    let (mut storage, mut filled_at) = (None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--deliveries" => deliveries = arguments.next().unwrap().parse().unwrap(),
            "--storage" => storage = arguments.next(),
            "--filled-at" => filled_at = arguments.next().map(|text| text.parse().unwrap()),
            "--bench" => {}
            other => panic!("{other}: only --deliveries, --storage and --filled-at are known"),
        }
    }
    let dir = std::env::temp_dir().join(format!("anshin-spool-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    let url = storage.unwrap_or_else(|| format!("sqlite:{}", dir.join("spool.db").display()));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ring = KeyRing::open(&dir.join("keys"), Make::Missing, Timestamp::now()).unwrap();
    let keys = Vault::open(&ring).unwrap().file;
    runtime.block_on(measure(&url, &keys, deliveries, filled_at.map(Timestamp::from_millis)));
    drop(runtime);
    std::fs::remove_dir_all(&dir).unwrap();
}

async fn measure(url: &str, keys: &FileKeys, deliveries: i64, filled_at: Option<Timestamp>) {
    let now = filled_at.unwrap_or_else(Timestamp::now);
    if filled_at.is_none() {
        let began = Instant::now();
        drop(Store::open(url, keys).await.unwrap());
        fill(url, keys, deliveries, now).await;
        println!("{deliveries} deliveries filled in {:.0} s", began.elapsed().as_secs_f64());
    }

    let mut starts = Vec::new();
    for _ in 0..STARTS {
        starts.push(open(url, keys).await.1);
    }
    let (store, last) = open(url, keys).await;
    starts.push(last);
    let first = starts[0];
    starts.sort_by(f64::total_cmp);
    println!(
        "start-up: the first {first:.1} ms, median of {} {:.1} ms",
        starts.len(),
        starts[starts.len() / 2]
    );
    let at_start = memory("VmRSS");

    // Time goes on so that each look finds some that became due, at most four hours of it.
    let step = (SPREAD_MS / LOOKS).min((SPREAD_MS * 50 / deliveries).max(1));
    let (mut leased, mut slowest) = (0, Duration::ZERO);
    let began = Instant::now();
    for look in 0..LOOKS {
        let at = Timestamp::from_millis(now.as_millis() + look * step);
        let one = Instant::now();
        let rooms = Rooms::plain(LIMIT, LIMIT, &[]);
        let until = at.after(Duration::from_secs(86_400));
        leased += store.claim(at, until, rooms, Class::ALL, Leases::TakenOver(at)).await.unwrap().work.len();
        slowest = slowest.max(one.elapsed());
    }
    let took = began.elapsed().as_secs_f64();
    println!(
        "{LOOKS} looks, {leased} leased: {:.0} looks/s, {:.0} leases/s, slowest {:.1} ms",
        f64::from(u32::try_from(LOOKS).unwrap()) / took,
        f64::from(u32::try_from(leased).unwrap()) / took,
        slowest.as_secs_f64() * 1000.0
    );
    let began = Instant::now();
    let found = store
        .claim(now, now, Rooms::plain(LIMIT, LIMIT, &[]), Class::ALL, Leases::TakenOver(now))
        .await
        .unwrap()
        .work
        .len();
    println!("a look that finds {found}: {:.2} ms", began.elapsed().as_secs_f64() * 1000.0);
    println!("memory: {at_start} at start, {} now, {} at most", memory("VmRSS"), memory("VmHWM"));
}

/// Opens the spool until it answers, and how many milliseconds that took.
async fn open(url: &str, keys: &FileKeys) -> (Store, f64) {
    let began = Instant::now();
    let store = Store::open(url, keys).await.unwrap();
    store.ping().await.unwrap();
    (store, began.elapsed().as_secs_f64() * 1000.0)
}

async fn fill(url: &str, keys: &FileKeys, deliveries: i64, now: Timestamp) {
    sqlx::any::install_default_drivers();
    let url = match url.strip_prefix("sqlite:") {
        Some(path) => format!("sqlite:{path}?mode=rw"),
        None => url.to_owned(),
    };
    let mut connection = AnyConnection::connect(&url).await.unwrap();
    if url.starts_with("sqlite:") {
        let key = format!("PRAGMA key = \"{}\"", *keys.newest().unwrap().raw());
        sqlx::raw_sql(AssertSqlSafe(key)).execute(&mut connection).await.unwrap();
        sqlx::raw_sql("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -200000;")
            .execute(&mut connection)
            .await
            .unwrap();
    }
    // SQLite would make a number of what is cast to BYTEA.
    let octets = if url.starts_with("sqlite:") { "BLOB" } else { "BYTEA" };
    let key = format!(
        "INSERT INTO data_key (id, subject, wrapped, created_at) VALUES (1, 'installation', CAST('' AS {octets}), 1)"
    );
    sqlx::query(AssertSqlSafe(key)).execute(&mut connection).await.unwrap();
    let lot = 500_000;
    for first in (0..deliveries).step_by(lot) {
        let last = (first + i64::try_from(lot).unwrap()).min(deliveries);
        let rows = format!(
            "WITH RECURSIVE n(i) AS (SELECT CAST({} AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {last})",
            first + 1
        );
        // A few destinations take most, as they do; the primes spread the rest.
        let store = "(i * 7919 % 100003) % 1000";
        let route = "CASE WHEN i % 10 < 8 THEN (i * 104729 % 99991) % 8 ELSE (i * 8191 % 99989) % 2000 END";
        let at = now.as_millis();
        let spread = format!("{at} + (i * 6364136223) % {SPREAD_MS}");
        for insert in [
            format!(
                "INSERT INTO message (id, merchant_id, conversation_id, data_key_id, direction, envelope, size, received_at) \
                 SELECT i, {store}, i, 1, 'to_customer', CAST('0123456789012345678901234567890123456789' AS {octets}), 9000, \
                 {at} FROM n"
            ),
            format!(
                "INSERT INTO delivery (id, message_id, state, class, merchant_id, route, recipient, attempts, next_at, \
                 expires_at, look_at, lease, last_status) SELECT i, i, 'waiting', 1 + i % 2, {store}, {route}, \
                 CAST('0123456789012345678901234567890123456789' AS {octets}), 3, {spread}, {at} + 259200000, \
                 {at} + 259200000 + i % 1000, 0, '450 4.2.1' FROM n"
            ),
        ] {
            sqlx::query(AssertSqlSafe(format!("{rows} {insert}"))).execute(&mut connection).await.unwrap();
        }
    }
    for insert in [
        "INSERT INTO lane (class, merchant_id, route, due_at) SELECT class, merchant_id, route, MIN(next_at) FROM delivery \
         GROUP BY class, merchant_id, route",
        "INSERT INTO turn (class, merchant_id, due_at) SELECT class, merchant_id, MIN(due_at) FROM lane \
         GROUP BY class, merchant_id",
    ] {
        sqlx::query(insert).execute(&mut connection).await.unwrap();
    }
    if url.starts_with("postgres") {
        sqlx::raw_sql("ANALYZE").execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

/// A line of `/proc/self/status`, such as `VmRSS`.
fn memory(name: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or("unknown").trim().to_owned()
}
