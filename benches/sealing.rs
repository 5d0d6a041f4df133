//! What keys cost a message: `cargo bench --bench sealing`. Sealing its envelope, recipient, text, log record and header block, its
//! indexes, and opening the data keys of its conversation and store; then each alone.
//!
//! `cargo bench --bench sealing -- tree 10000000` generates so many rows of the log in an SQLite database below the system's
//! temporary directory (some 14 GB), enters them into the audit tree and verifies it: wall clock and processor, all threads.
//!
//! Printed are microseconds of the processor, the median of rounds. Run it on a quiet machine, or with
//! `valgrind --tool=callgrind`, whose instructions other work does not change.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for its developers")]

use anshin::anonymize::Rules;
use anshin::config::{CustomerName, Enforce, MerchantName, Names, OtherAddress, Unproven};
use anshin::ledger::LogRow;
use anshin::mail::{Domain, RealAddress, Timestamp};
use anshin::relay::{Domains, Grown, Policy, Relay, SenderPolicy};
use anshin::residency::Staff;
use anshin::store::{Ids, Store};
use anshin::vault::{Class, Indexed, KeyRing, Make, Numbered, Place, Vault};
use sqlx::{AnyConnection, AssertSqlSafe, Connection};
use std::hint::black_box;
use std::time::{Duration, Instant};

const ROUNDS: usize = 21;
const TIMES: u32 = 2_000;
/// A store's mail: header block and text as they are on the way.
const HEADERS: usize = 1_500;
const TEXT: usize = 3_000;
/// Octets of a record's detail.
const DETAIL: usize = 600;
/// Hours over which generated rows are spread.
const HOURS: u32 = 100;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(rows) = words.iter().skip_while(|word| *word != "tree").nth(1) {
        return tokio::runtime::Runtime::new().unwrap().block_on(tree(rows.parse().unwrap()));
    }
    let dir = std::env::temp_dir().join(format!("anshin-sealing-{}", std::process::id()));
    let ring = KeyRing::open(&dir, Make::Missing, Timestamp::now()).unwrap();
    let vault = Vault::open(&ring).unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    let (key, wrapped) = vault.seal.new_data_key(1);
    let (_, store) = vault.seal.new_data_key(2);
    let (body, _) = vault.body.new_segment(Class::Body, 3, 20_000);
    let (log, sealed_log) = vault.log.new_segment(Class::Metadata, 4, 20_000);
    let (headers, text) = (vec![b'h'; HEADERS], vec![b't'; TEXT]);
    let (envelope, detail) = (vec![b'e'; HEADERS + 500], [b'd'; DETAIL]);
    let recipient = b"hana@customer.example";
    let domain = Domain::parse("customer.example").unwrap();
    let address = RealAddress::parse("hana@customer.example").unwrap();
    let ip = std::net::IpAddr::from([192, 0, 2, 1]);
    let indexes = || {
        black_box(vault.index.of(Indexed::Ip(ip)));
        black_box(vault.index.of(Indexed::Domain(&domain)));
        black_box(vault.index.of(Indexed::MailboxOf { merchant: 1, address: &address }));
        black_box(vault.index.of(Indexed::Submission {
            alias: 1,
            message_id: "<1@x.example>",
            digest: &[7; 32],
        }));
    };
    let open = || {
        black_box(vault.seal.unwrap_data_key(1, &wrapped).unwrap());
        black_box(vault.seal.unwrap_data_key(2, &store).unwrap());
    };
    let party = || {
        black_box(key.seal(Place::new("message", "envelope", 1), &envelope));
        black_box(key.seal(Place::new("delivery", "recipient", 1), recipient));
    };
    let classes = || {
        black_box(key.seal_in(&body, Place::new("message_body", "body", 1), &text));
        black_box(key.seal_in(&log, Place::new("record", "detail", 1), &detail));
        black_box(key.seal_in(&log, Place::new("record", "headers", 1), &headers));
    };
    measure("a message: all of it", || {
        open();
        indexes();
        party();
        classes();
    });
    measure("  data keys of conversation and store, remembered", open);
    measure("  four indexes", indexes);
    measure("  envelope and recipient", party);
    numbers(&vault, &address, &domain, ip);
    measure("  text, record and header block in their classes", classes);
    let sealed = key.seal_in(&body, Place::new("message_body", "body", 1), &text);
    measure("opening the text, at delivery", || {
        black_box(key.open_in(&body, Place::new("message_body", "body", 1), &sealed).unwrap());
    });
    let fresh = |vault: &Vault| vault.seal.rewrap(1, &wrapped).unwrap();
    measure("looking whether a data key is under the newest key", || {
        black_box(fresh(&vault));
    });
    let row = |headers: bool| LogRow {
        id: 1,
        at: 2,
        event: "accepted".into(),
        merchant_id: Some(3),
        conversation_id: Some(4),
        message_id: Some(5),
        delivery_id: Some(6),
        data_key_id: 7,
        detail: detail.to_vec(),
        headers: headers.then(|| vec![b'h'; HEADERS]),
    };
    let (accepted, delivered) = (row(true), row(false));
    measure("the audit tree: hashes of a message's two log records, once their hour is over", || {
        black_box((accepted.mark(), delivered.mark()));
    });
    measure("a new data key, wrapped under its leaf of the tree of erasure", || {
        black_box(vault.seal.new_data_key(5));
    });
    measure("a segment, once a day and class: sealed to the public half", || {
        black_box(vault.log.new_segment(Class::Metadata, 5, 20_000));
    });
    measure("the same, opened", || {
        black_box(vault.log.open_segment(Class::Metadata, 4, 20_000, &sealed_log).unwrap());
    });
}

/// What the facts of a mail are found by.
fn numbers(vault: &Vault, address: &RealAddress, domain: &Domain, ip: std::net::IpAddr) {
    let (period, _) = vault.index.new_period(1, 227);
    measure("numbers of a mail's facts, all fifteen of them", || {
        for name in ["from", "to", "recipient"] {
            black_box(period.number(Numbered::Alias(name)));
        }
        black_box(period.number(Numbered::Address(address)));
        for id in ["<1@x.example>", "<2@x.example>", "<3@x.example>"] {
            black_box(period.number(Numbered::MessageId(id)));
        }
        black_box(period.number(Numbered::OrderNo("1234567-20261127-0001")));
        black_box(period.number(Numbered::Login("0123456789")));
        black_box((period.number(Numbered::Ip(ip)), period.number(Numbered::Net(ip))));
        for _ in 0..3 {
            black_box(period.number(Numbered::Domain(domain)));
        }
        black_box(period.number(Numbered::Mailer("Thunderbird")));
    });
}

/// Enters generated rows into a tree and verifies it.
async fn tree(rows: u32) {
    let dir = std::env::temp_dir().join(format!("anshin-tree-{}", std::process::id()));
    let vault =
        Vault::open(&KeyRing::open(&dir.join("keys"), Make::Missing, Timestamp::now()).unwrap()).unwrap();
    let keys = vault.file.clone();
    let url = format!("sqlite:{}", dir.join("relay.db").display());
    let domain = |text| Domain::parse(text).unwrap();
    let domains = Domains::new(&domain("fw.example"), &domain("shop.example")).unwrap();
    let day = Duration::from_secs(86_400);
    let policy = Policy {
        hostname: "relay.example".into(),
        expire: day,
        delay_notice: day,
        order_lifetime: day,
        duplicate_window: day,
        postmaster: None,
        hold_expire: day,
        rules: Rules::default(),
        names: Names { merchant: MerchantName::AsWritten, customer: CustomerName::AsWritten },
        senders: SenderPolicy { unproven: Unproven::Hold, other_address: OtherAddress::Refuse },
        staff: std::sync::Arc::new(Staff::of_nobody(Enforce::Refuse)),
    };
    let relay = Relay::open(Store::open(&url, &keys).await.unwrap(), vault, domains, policy).await.unwrap();
    let mut database = AnyConnection::connect(&url).await.unwrap();
    let key = format!("PRAGMA key = \"{}\"", *keys.newest().unwrap().raw());
    sqlx::raw_sql(AssertSqlSafe(key)).execute(&mut database).await.unwrap();
    sqlx::raw_sql("PRAGMA synchronous = OFF").execute(&mut database).await.unwrap();
    let begins = Timestamp::parse_rfc3339("2026-11-01T00:00:00Z").unwrap();
    let (start, cpu) = (Instant::now(), processor());
    for hour in 0..HOURS {
        let at = begins.after(hour * Duration::from_secs(3600));
        let (first, count) = (Ids::first_of(at), rows / HOURS);
        let text = format!(
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count}) \
             INSERT INTO record (id, at, event, merchant_id, conversation_id, message_id, data_key_id, detail, headers) \
             SELECT {first} + i, {}, 'accepted', i % 1000, i, i / 2, 1, randomblob({DETAIL}), \
             CASE WHEN i % 2 = 0 THEN randomblob({HEADERS}) END FROM n",
            at.as_millis()
        );
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut database).await.unwrap();
    }
    database.close().await.unwrap();
    told("generated", rows, start, cpu);
    let (start, cpu) = (Instant::now(), processor());
    let now = begins.after((HOURS + 1) * Duration::from_secs(3600));
    while relay.grow_tree(now, true).await.unwrap() != Grown::Whole {}
    told("entered", rows, start, cpu);
    let (start, cpu) = (Instant::now(), processor());
    let keys = relay.tree_keys().await.unwrap();
    let found = relay.verify_tree(&keys, &[], None, |_| {}).await.unwrap();
    assert!(found.intact && found.rows == u64::from(rows / HOURS * HOURS), "{} rows", found.rows);
    told("verified", rows, start, cpu);
    drop(relay);
    std::fs::remove_dir_all(dir).unwrap();
}

fn told(what: &str, rows: u32, start: Instant, cpu: Duration) {
    let (wall, cpu) = (start.elapsed(), processor() - cpu);
    let each = cpu.as_secs_f64() * 1e6 / f64::from(rows);
    println!(
        "{what} {rows} rows: {:.1} s, {:.1} s of the processor, {each:.2} µs a row",
        wall.as_secs_f64(),
        cpu.as_secs_f64()
    );
}

/// How long all threads were on a processor, in ticks of 10 ms (proc(5)).
fn processor() -> Duration {
    let told = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = told.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// How long this thread was on a processor, which other work lengthens less than the clock.
fn on_processor_ns() -> u64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    told.split(' ').next().unwrap().parse().unwrap()
}

fn measure(what: &str, mut work: impl FnMut()) {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = on_processor_ns();
            (0..TIMES).for_each(|_| work());
            f64::from(u32::try_from(on_processor_ns() - start).unwrap()) / 1e3 / f64::from(TIMES)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    println!("{:>9.2} µs  (least {:.2})  {what}", rounds[ROUNDS / 2], rounds[0]);
}
