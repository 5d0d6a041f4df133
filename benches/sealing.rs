//! What sealing, indexes and the audit tree cost a message: `cargo bench --bench sealing`. Each part alone, and their sum.
//!
//! Counted is the processor's time of all threads: of a message that is taken and delivered once, opening its data keys and what of its conversation and store
//! shows its way, the pseudonyms of its ids, sealing its envelope, recipient, thread, text, both records of the log and the header block, opening at delivery what was sealed (each message of
//! another conversation, which has sealed nothing lately), its keyed indexes, the numbers of its two facts and the proofs of these, the hashes of its two records; then, by rows of a real size in an encrypted SQLite
//! file, the notes of these hashes and the entering of the rows into the tree, with every look that is taken at their hour again, the
//! database's own work for it included. Not counted is what the message would cost without them: the rows' own statements, the commit.
//!
//! `cargo bench --bench sealing -- tree 10000000` generates so many rows of the log below the system's temporary directory (some
//! 14 GB), enters and verifies them.
//!
//! Printed are microseconds: the median of rounds and the least. Run it on a quiet machine, or with `valgrind --tool=callgrind`.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for its developers")]

use anshin::anonymize::Rules;
use anshin::config::{CustomerName, Enforce, MerchantName, Names, OtherAddress, Unproven};
use anshin::ledger::{LogRow, pack};
use anshin::mail::{Domain, Flags, RealAddress, Timestamp};
use anshin::relay::{Domains, Grown, Policy, Relay, SenderPolicy};
use anshin::residency::Staff;
use anshin::store::{Ids, NewFact, NewRecord, Store, proof_of};
use anshin::vault::{
    Class, DataKey, Indexed, KeyRing, Make, Numbered, Period, Place, Sealed, Side, Vault, nonces,
};
use sha2::{Digest, Sha256};
use sqlx::{AnyConnection, AssertSqlSafe, Connection};
use std::cell::Cell;
use std::hint::black_box;
use std::time::{Duration, Instant};

const ROUNDS: usize = 11;
/// Long enough for a clock that the kernel sets forward every 4 ms while a thread runs.
const TIMES: u32 = 20_000;
/// A store's mail: header block and text as they are on the way.
const HEADERS: usize = 1_500;
const TEXT: usize = 3_000;
/// Conversations that write in turns: more than a segment remembers.
const CONVERSATIONS: i64 = 2048;
/// Octets of a record's detail.
const DETAIL: usize = 600;
const DETAIL_OF: [u8; DETAIL] = [b'd'; DETAIL];
/// What is opened of a conversation to find the way of a mail, with about so many octets: revision, both tags, address, order number, the
/// original of an id that is answered.
const LEADS: [(Place, usize); 6] = [
    (Place::new("conversation", "revision", 1), 90),
    (Place::new("alias", "tag", 1), 62),
    (Place::new("alias", "tag", 2), 62),
    (Place::new("conversation", "customer", 1), 21),
    (Place::new("conversation", "label", 1), 20),
    (Place::new("thread_id", "original", 1), 40),
];
/// And of the store: its profile and a registered address, twice.
const STORE: [(Place, usize); 3] = [
    (Place::new("merchant", "profile", 1), 60),
    (Place::new("merchant_address", "address", 1), 24),
    (Place::new("merchant_address", "address", 1), 24),
];
/// Hours over which generated rows are spread.
const HOURS: u32 = 100;
/// Rows that are generated where nobody says how many: as many an hour as a log of 10 million rows in 13 months has.
const ROWS: u32 = 100_000;
/// Rows of the log that one transaction of a relay under load writes.
const GROUP: usize = 50;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(rows) = words.iter().skip_while(|word| *word != "tree").nth(1) {
        runtime.block_on(tree(rows.parse().unwrap()));
        return;
    }
    let message = message();
    if !words.iter().any(|word| word == "--message") {
        let row = runtime.block_on(tree(ROWS));
        println!(
            "{:>9.2} µs  a message: all of the above, and its two rows of the tree",
            message + 2.0 * row
        );
    }
}

/// What opens what leads a customer's mail, and makes what is shown of it.
fn routing<'a>(vault: &'a Vault, keys: &'a [DataKey], turn: &'a Cell<usize>) -> impl Fn() + 'a {
    // As `Relay::open_conversation_row`, `registered` and `threads` open what leads a customer's mail.
    let store_key = vault.seal.new_data_key(2).0;
    let leads: Vec<[Sealed; 6]> =
        keys.iter().map(|key| LEADS.map(|(place, size)| key.seal(place, &DETAIL_OF[..size]))).collect();
    let of_store = STORE.map(|(place, size)| store_key.seal(place, &DETAIL_OF[..size]));
    let alias = vault.alias.mint(Side::Merchant, 7);
    move || {
        let at = turn.get() % keys.len();
        for ((place, _), sealed) in LEADS.iter().zip(&leads[at]) {
            black_box(keys[at].open(*place, sealed).unwrap());
        }
        for ((place, _), sealed) in STORE.iter().zip(&of_store) {
            black_box(store_key.open(*place, sealed).unwrap());
        }
        black_box(vault.alias.open(&alias));
        black_box((vault.alias.mint(Side::Customer, 8), vault.alias.mint(Side::Merchant, 7)));
        // What binds the row, and pseudonyms of three ids.
        black_box(Sha256::digest(&DETAIL_OF[..160]));
        let tags = keys[at].tags("thread ids");
        for id in ["<1@x.example>", "<2@x.example>", "<3@x.example>"] {
            black_box(tags.of(id.as_bytes()));
        }
    }
}

/// What a message costs in memory: the median.
#[expect(clippy::too_many_lines, reason = "one list of what is counted")]
fn message() -> f64 {
    let dir = std::env::temp_dir().join(format!("anshin-sealing-{}", std::process::id()));
    let ring = KeyRing::open(&dir, Make::Missing, Timestamp::now()).unwrap();
    let vault = Vault::open(&ring).unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    let (_, wrapped) = vault.seal.new_data_key(1);
    let keys: Vec<DataKey> = (0..CONVERSATIONS).map(|id| vault.seal.new_data_key(id).0).collect();
    let turn = Cell::new(0);
    let key = || &keys[turn.get() % keys.len()];
    let (_, store) = vault.seal.new_data_key(2);
    let (body, _) = vault.body.new_segment(Class::Body, 3, 20_000);
    let (log, sealed_log) = vault.log.new_segment(Class::Metadata, 4, 20_000);
    let (blocks, _) = vault.log.new_segment(Class::Headers, 6, 20_000);
    let (period, _) = vault.index.new_period(1, 227);
    let (headers, text) = (vec![b'h'; HEADERS], vec![b't'; TEXT]);
    let (envelope, detail) = (vec![b'e'; HEADERS + 500], [b'd'; DETAIL]);
    let recipient = b"hana@customer.example";
    let domain = Domain::parse("customer.example").unwrap();
    let address = RealAddress::parse("hana@customer.example").unwrap();
    let ip = std::net::IpAddr::from([192, 0, 2, 1]);
    let (envelope_place, recipient_place) =
        (Place::new("message", "envelope", 1), Place::new("delivery", "recipient", 1));
    let body_place = Place::new("message_body", "body", 1);
    let unwrap = || {
        black_box(vault.seal.unwrap_data_key(1, &wrapped).unwrap());
        black_box(vault.seal.unwrap_data_key(2, &store).unwrap());
    };
    let routing = routing(&vault, &keys, &turn);
    let indexes = || {
        for _ in 0..2 {
            black_box(vault.index.of(Indexed::Ip(ip)));
            black_box(vault.index.of(Indexed::Domain(&domain)));
        }
        black_box(vault.index.of(Indexed::MailboxOf { merchant: 1, address: &address }));
        black_box(vault.index.of(Indexed::Submission {
            alias: 1,
            message_id: "<1@x.example>",
            digest: &[7; 32],
        }));
    };
    // As `Relay::new_message` draws the nonces of a message and its record, and `Relay::sealed_at` those of its delivery's.
    let drawn = Cell::new(None);
    let message = || {
        turn.set(turn.get() + 1);
        let [of_envelope, of_body, of_recipient, of_detail, of_block] = nonces();
        drawn.set(Some([of_detail, of_block]));
        black_box(key().seal(Place::new("thread_id", "original", 1), &recipient[..]));
        black_box((
            key().seal_with(of_envelope, envelope_place, &envelope),
            key().seal_in(&body, of_body, body_place, &text),
            key().seal_with(of_recipient, recipient_place, recipient),
        ))
    };
    let records = || {
        let [of_detail, of_block] = drawn.take().unwrap_or_else(nonces);
        black_box(key().seal_in(&log, of_detail, Place::new("record", "detail", 1), &detail));
        black_box(key().seal_in(&blocks, of_block, Place::new("record", "headers", 1), &headers));
        let [of_detail, _] = nonces();
        black_box(key().seal_in(&log, of_detail, Place::new("record", "detail", 2), &detail));
    };
    let deliver = |(envelope, text, recipient): &(Sealed, Sealed, Sealed)| {
        black_box(key().open_in(&body, body_place, text).unwrap());
        black_box(key().open(envelope_place, envelope).unwrap());
        // To find the way, and for the fact of the attempt; with it the order's number, of the size of a recipient.
        for _ in 0..3 {
            black_box(key().open(recipient_place, recipient).unwrap());
        }
    };
    let facts = || {
        numbers(&period, &address, &domain, ip);
        // Of its delivery.
        black_box((period.number(Numbered::Ip(ip)), period.number(Numbered::Net(ip))));
        black_box((period.number(Numbered::Domain(&domain)), period.number(Numbered::Alias("recipient"))));
        black_box(period.number(Numbered::MessageId("<1@x.example>")));
    };
    let (accepted, delivered) = (row(&detail, true), row(&detail, false));
    let (proofs, known) = (vault.index.fact_proofs(), [known(true), known(false)]);
    let prove = || {
        known.iter().for_each(|new| {
            black_box(proof_of(&proofs, new));
        });
    };
    let marks = || {
        black_box((accepted.mark(), delivered.mark()));
    };
    let sum = measure("a message without the tree's rows: all of the next nine", || {
        unwrap();
        routing();
        indexes();
        let sealed = message();
        records();
        deliver(&sealed);
        facts();
        prove();
        marks();
    });
    measure("  data keys of conversation and store, remembered", unwrap);
    measure("  conversation, store and addresses opened, aliases and pseudonyms made", || {
        turn.set(turn.get() + 1);
        routing();
    });
    measure("  six indexes", indexes);
    measure("  envelope, recipient, thread and text sealed", || drop(message()));
    measure("  two records and header block sealed", || {
        turn.set(turn.get() + 1);
        records();
    });
    let sealed = message();
    measure("  text, envelope and recipient opened at delivery", || deliver(&sealed));
    measure("  twenty-one numbers of its two facts", facts);
    measure("  proofs of its two facts", prove);
    measure("  hashes of its two records", marks);
    beside(&vault, &wrapped, &sealed_log);
    sum
}

/// A record as the tree has it.
fn row(detail: &[u8], headers: bool) -> LogRow {
    LogRow {
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
    }
}

/// A record with its fact: of a mail that was taken, or of its delivery.
fn known(is_taken: bool) -> NewRecord {
    let word = |text: &'static str| Some(text.into());
    let taken = is_taken.then_some(1_i64 << 61);
    let fact = NewFact {
        direction: word("to_customer"),
        rcpt_k: Some(1 << 61),
        order_k: Some(1 << 61),
        size: Some(3000),
        country: word("JP"),
        result: if is_taken { None } else { word("2.0.0") },
        from_k: taken,
        to_k: taken,
        login_k: taken,
        msgid_k: taken,
        sent_id_k: taken,
        answers_k: taken,
        ip_k: taken,
        net_k: taken,
        author_dom_k: taken,
        from_dom_k: taken,
        dkim_dom_k: taken,
        mailer_k: taken,
        recipients: taken,
        hops: taken,
        zone: taken,
        flags: is_taken.then(Flags::default),
        ..NewFact::default()
    };
    NewRecord {
        id: 1,
        at: Timestamp::from_millis(2),
        event: if is_taken { "accepted" } else { "delivered" },
        merchant_id: None,
        conversation_id: None,
        message_id: None,
        delivery_id: None,
        source: None,
        data_key_id: 7,
        detail: Sealed::from_stored(vec![]),
        headers: None,
        whence: None,
        fact: Box::new(fact),
    }
}

/// What a message does not pay for.
fn beside(vault: &Vault, wrapped: &[u8], sealed_log: &[u8]) {
    measure("(looking whether a data key is under the newest key)", || {
        black_box(vault.seal.rewrap(1, wrapped).unwrap());
    });
    measure("(a new data key, wrapped under its leaf of the tree of erasure)", || {
        black_box(vault.seal.new_data_key(5));
    });
    measure("(a segment, once a day and class: sealed to the public half)", || {
        black_box(vault.log.new_segment(Class::Metadata, 5, 20_000));
    });
    measure("(the same, opened)", || {
        black_box(vault.log.open_segment(Class::Metadata, 4, 20_000, sealed_log).unwrap());
    });
}

/// What the facts of a mail that is taken are found by: thirteen numbers, and three of what is usual for a store.
fn numbers(period: &Period, address: &RealAddress, domain: &Domain, ip: std::net::IpAddr) {
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
    // Of the author, whose domain the envelope and the signature have too.
    black_box(period.number(Numbered::Domain(domain)));
    black_box(period.number(Numbered::Mailer("Thunderbird")));
    // What is usual for a store, as it was numbered in the quarter before.
    black_box((period.number(Numbered::Net(ip)), period.number(Numbered::Mailer("Thunderbird"))));
    black_box(period.number(Numbered::Domain(domain)));
}

/// Enters generated rows into a tree and verifies it. What noting and entering a row costs.
async fn tree(rows: u32) -> f64 {
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
        keep_failed: None,
        order_lifetime: day,
        duplicate_window: day,
        postmaster: None,
        hold_expire: day,
        rules: Rules::default(),
        names: Names { merchant: MerchantName::AsWritten, customer: CustomerName::AsWritten },
        senders: SenderPolicy { unproven: Unproven::Hold, other_address: OtherAddress::Refuse },
        brand: "Anshin Mail".into(),
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
        // Each with its fact, which verifying holds against it.
        let text = format!(
            "INSERT INTO fact (id, at, event, merchant_id, conversation_id, message_id, size, country, result) \
             SELECT id, at, event, merchant_id, conversation_id, message_id, 3000, 'JP', '2.0.0' FROM record WHERE id >= {first}"
        );
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut database).await.unwrap();
    }
    told("generated", rows, start, cpu);
    // Noted as what writes them notes it: one note for what a transaction wrote of an hour.
    let (mut from, mut notes) = (0, Vec::new());
    loop {
        let some = relay.store().log_rows(from, i64::MAX, 5000).await.unwrap();
        let Some(last) = some.last() else { break };
        from = last.id + 1;
        for group in some.chunk_by(|a, b| hour_of(a) == hour_of(b)).flat_map(|hour| hour.chunks(GROUP)) {
            let marks: Vec<_> = group.iter().map(LogRow::mark).collect();
            notes.push((group[0].id, hour_of(&group[0]), pack(&marks)));
        }
    }
    let (start, cpu) = (Instant::now(), processor());
    sqlx::query("BEGIN IMMEDIATE").execute(&mut database).await.unwrap();
    for (id, hour, marks) in &notes {
        let query = sqlx::query("INSERT INTO record_mark (id, hour, marks) VALUES ($1, $2, $3)");
        query.bind(*id).bind(*hour).bind(marks.as_slice()).execute(&mut database).await.unwrap();
    }
    sqlx::query("COMMIT").execute(&mut database).await.unwrap();
    let noted = told(&format!("noted, {} statements, of", notes.len()), rows, start, cpu);
    database.close().await.unwrap();
    // When their hours have settled, and when each was looked at again for the last time.
    let (start, cpu) = (Instant::now(), processor());
    for later in [Duration::from_secs(3600), 9 * day] {
        let now = begins.after(HOURS * Duration::from_secs(3600) + later);
        while relay.grow_tree(now, true).await.unwrap() != Grown::Whole {}
    }
    let entered = told("entered", rows, start, cpu);
    let (start, cpu) = (Instant::now(), processor());
    let keys = relay.tree_keys().await.unwrap();
    let found = relay.verify_tree(&keys, &[], None, |_| {}).await.unwrap();
    assert!(found.intact && found.rows == u64::from(rows / HOURS * HOURS), "{} rows", found.rows);
    told("verified", rows, start, cpu);
    drop(relay);
    std::fs::remove_dir_all(dir).unwrap();
    noted + entered
}

fn hour_of(row: &LogRow) -> i64 {
    Ids::time_of(row.id).as_millis().div_euclid(3_600_000)
}

/// Says what was done, and gives microseconds of the processor a row.
fn told(what: &str, rows: u32, start: Instant, cpu: Duration) -> f64 {
    let (wall, cpu) = (start.elapsed(), processor() - cpu);
    let each = cpu.as_secs_f64() * 1e6 / f64::from(rows);
    println!(
        "{each:>9.2} µs  a row: {what} {rows} rows, {:.1} s of the processor in {:.1} s",
        cpu.as_secs_f64(),
        wall.as_secs_f64()
    );
    each
}

/// How long all threads were on a processor, ended ones too, in ticks of 10 ms (proc(5)).
fn processor() -> Duration {
    let told = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = told.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11..=12].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// The median of rounds; of this thread's time on a processor, which other work lengthens less than the clock.
fn measure(what: &str, mut work: impl FnMut()) -> f64 {
    let told = || std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let now = || told().split(' ').next().unwrap().parse::<u64>().unwrap();
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = now();
            (0..TIMES).for_each(|_| work());
            f64::from(u32::try_from(now() - start).unwrap()) / 1e3 / f64::from(TIMES)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    println!("{:>9.2} µs  (least {:.2})  {what}", rounds[ROUNDS / 2], rounds[0]);
    rounds[ROUNDS / 2]
}
