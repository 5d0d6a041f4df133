//! How long the questions of analysts, support and compliance take on a generated log:
//!
//!     anshin log generate --rows 10m --seed 7 --until 2027-01-31T00:00:00Z --truth truth.jsonl
//!     cargo bench --bench questions -- --storage sqlite:anshin.db --keys keys --truth truth.jsonl
//!
//! It asks each question of so many different orders, people, files and so on as `--times` says, which the file of the truth names, and
//! prints median and 95th percentile in milliseconds beside what is aimed at, and how long this process was on a processor for each, in the mean
//! (a server is not in it). The first round is cold as far as a process can make it so:
//! with connections just opened, and on SQLite with the file's pages given back to the system. `--only` asks what begins with a word,
//! `--verify` also computes the audit tree anew. Exit status 1 when a question takes longer than it may.
//!
//! Rules: a question is what its command does, from the text of the query to the last row, the entry for the audit included; only the
//! start of a process is not in it. "Now" is when the generated traffic ends.
#![expect(clippy::print_stdout, clippy::unwrap_used, clippy::panic, reason = "a program for its developers")]

use anshin::anonymize::Rules;
use anshin::config::{CustomerName, Enforce, MerchantName, Names, OtherAddress, Unproven};
use anshin::mail::{Domain, Timestamp};
use anshin::query::Query;
use anshin::relay::{
    Account, Domains, Goes, Interval, Look, LookPurpose, Opened, Opening, Pivot, Policy, Relay, Searcher,
    SenderPolicy, StatsAsked, TraceOf,
};
use anshin::residency::{Origin, Staff};
use anshin::store::Store;
use anshin::vault::{KeyRing, Make, Vault};
use serde_json::Value;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

const HERE: Account = Account { uid: 1000, login: None, from: Origin::Here };
const DAY: Duration = Duration::from_secs(86_400);

/// What is asked, and how many milliseconds it may take.
#[derive(Clone)]
struct Question {
    name: String,
    target_ms: f64,
    asks: Vec<Asks>,
}

/// One time that it is asked.
#[derive(Clone)]
enum Asks {
    /// A query, all rows of which are shown.
    Walk(String),
    /// A query, all rows of which are counted as `anshin log pivot` counts them.
    Count(String),
    /// How much there was in so many days.
    Stats(i64),
    Trace(String),
    Reveal {
        store_id: String,
        order_no: String,
    },
    Prove(String),
    Card(String),
    NewGeo,
    Looks,
    Checkpoint,
}

struct Arguments {
    storage: String,
    keys: PathBuf,
    truth: PathBuf,
    domains: (String, String),
    times: usize,
    only: String,
    verifies: bool,
}

fn arguments() -> Arguments {
    let mut found = Arguments {
        storage: String::new(),
        keys: PathBuf::new(),
        truth: PathBuf::new(),
        domains: ("fw.example".into(), "shop.example".into()),
        times: 24,
        only: String::new(),
        verifies: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word}: a value"));
        match word.as_str() {
            "--storage" => found.storage = value(),
            "--keys" => found.keys = value().into(),
            "--truth" => found.truth = value().into(),
            "--domains" => found.domains = (value(), value()),
            "--times" => found.times = value().parse().unwrap(),
            "--only" => found.only = value(),
            "--verify" => found.verifies = true,
            "--bench" => {}
            other => panic!("{other}: --storage, --keys, --truth, --domains, --times, --only, --verify"),
        }
    }
    found
}

fn main() {
    let arguments = arguments();
    let lines: Vec<Value> = std::fs::read_to_string(&arguments.truth)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let asked = lines.first().unwrap();
    let now = Timestamp::from_millis(asked["until_ms"].as_i64().unwrap());
    let samples: Vec<&Value> = lines.iter().filter(|line| line["kind"] == "sample").collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let is_good = runtime.block_on(run(&arguments, now, &samples));
    std::process::exit(i32::from(!is_good));
}

async fn run(arguments: &Arguments, now: Timestamp, samples: &[&Value]) -> bool {
    let relay = open(arguments).await;
    let rows = relay.store().facts_between(0, now.as_millis()).await.unwrap();
    println!("{rows} rows, {} times each, milliseconds\n", arguments.times);
    println!(
        "| question | cold p50 | cold p95 | warm p50 | warm p95 | warm CPU | aim | |\n|---|---|---|---|---|---|---|---|"
    );
    drop(relay);
    let mut is_good = true;
    for question in questions(samples, arguments.times, now) {
        if !question.name.starts_with(&arguments.only) || question.asks.is_empty() {
            continue;
        }
        evict(&arguments.storage);
        let relay = open(arguments).await;
        let cold = round(&relay, &question, now).await;
        let before = processor_ms();
        let warm = round(&relay, &question, now).await;
        let processor = (processor_ms() - before) / question.asks.len() as f64;
        let is_met = warm.1 <= question.target_ms && cold.1 <= question.target_ms;
        is_good &= is_met;
        println!(
            "| {} ({}) | {:.1} | {:.1} | {:.1} | {:.1} | {processor:.1} | {:.0} | {} |",
            question.name,
            question.asks.len(),
            cold.0,
            cold.1,
            warm.0,
            warm.1,
            question.target_ms,
            if is_met { "met" } else { "**not met**" }
        );
    }
    if arguments.verifies {
        let relay = open(arguments).await;
        let (keys, begun) = (relay.tree_keys().await.unwrap(), Instant::now());
        let found = relay.verify_tree(&keys, &[], None, |_| {}).await.unwrap();
        println!(
            "\nverify: {} rows in {:.1} s, intact: {}",
            found.rows,
            begun.elapsed().as_secs_f64(),
            found.intact
        );
        is_good &= found.intact;
    }
    is_good
}

/// How long this process has been on a processor, by the kernel's clock of a hundredth of a second (proc_pid_stat(5)).
fn processor_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields.iter().skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap()).sum();
    ticks * 10.0
}

/// Median and 95th percentile of a question.
async fn round(relay: &Relay, question: &Question, now: Timestamp) -> (f64, f64) {
    let mut took = Vec::new();
    for asks in &question.asks {
        let begun = Instant::now();
        ask(relay, asks, now).await;
        took.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    took.sort_by(f64::total_cmp);
    let at = |share: usize| took[((took.len() * share).div_ceil(100)).clamp(1, took.len()) - 1];
    (at(50), at(95))
}

async fn ask(relay: &Relay, asks: &Asks, now: Timestamp) {
    match asks {
        Asks::Walk(text) | Asks::Count(text) => {
            let query = Query::parse(text).unwrap_or_else(|problem| panic!("{}", problem.show(text)));
            let searcher = Searcher::Account(HERE);
            let mut search = relay.search(&query, now, &searcher, None).await.unwrap();
            // A command says first what it will cost.
            black_box(search.cost().await.unwrap());
            let mut search = match asks {
                Asks::Count(_) => search.counting(),
                _ => search,
            };
            let mut pivot = Pivot::default();
            while let Some(found) = search.step().await.unwrap() {
                found.iter().for_each(|found| pivot.add(found));
            }
            black_box(pivot.rows);
        }
        Asks::Trace(message) => {
            let events = relay.events(&TraceOf::Message(message.clone())).await.unwrap();
            assert!(!events.is_empty(), "{message}");
        }
        Asks::Reveal { store_id, order_no } => {
            let case = format!("Q-{}", anshin::store::random_id() % 1000);
            let look = Look::new("akiko", LookPurpose::Audit, &case, HERE).unwrap();
            let opening = Opening::Customer { store_id: store_id.clone(), order_no: order_no.clone() };
            let look = relay.let_in(look).await.unwrap();
            let opened = relay.open_for(&look, &opening, Goes::ToTheScreen, None).await;
            assert!(matches!(opened, Ok(Opened::Customer(_))), "{:?}", opened.err());
        }
        Asks::Prove(message) => drop(relay.prove_messages(std::slice::from_ref(message)).await.unwrap()),
        Asks::Card(store) => {
            relay.store_card(store, &Searcher::Account(HERE), now).await.unwrap();
        }
        Asks::Stats(days) => {
            let from = Timestamp::from_millis(now.as_millis() - days * 86_400_000);
            let asked = StatsAsked { store: None, from, until: now, by: Interval::Day, hours_east: 9 };
            let mut stats = relay.stats(asked, &Searcher::Account(HERE)).await.unwrap();
            while stats.step().await.unwrap() {}
            assert!(stats.rows > 0 && !stats.stores().await.unwrap().named.is_empty());
        }
        Asks::NewGeo => {
            let since = Timestamp::from_millis(now.as_millis() - 86_400_000);
            relay.new_places(since, None, &Searcher::Account(HERE)).await.unwrap();
        }
        Asks::Looks => drop(relay.looks().await.unwrap()),
        Asks::Checkpoint => drop(relay.last_checkpoint().await.unwrap().unwrap()),
    }
}

/// Each question of as many different things as there are, spread over the whole time.
#[expect(clippy::too_many_lines, reason = "one table of questions")]
fn questions(samples: &[&Value], times: usize, now: Timestamp) -> Vec<Question> {
    let pick = |field: &str| {
        let mut found: Vec<String> = Vec::new();
        let step = (samples.len() / (times * 4)).max(1);
        for sample in samples.iter().step_by(step) {
            if let Some(text) = sample[field].as_str().filter(|text| !text.is_empty())
                && found.len() < times
                && !found.iter().any(|known| known == text)
            {
                found.push(text.to_owned());
            }
        }
        found
    };
    let since = |days: i64| Timestamp::from_millis(now.as_millis() - days * 86_400_000).to_rfc3339();
    let walks = |name: &str, target_ms: f64, field: &str, make: &dyn Fn(&str) -> String| Question {
        name: name.to_owned(),
        target_ms,
        asks: pick(field).iter().map(|value| Asks::Count(make(value))).collect(),
    };
    let orders: Vec<(String, String)> = samples
        .iter()
        .filter(|sample| sample["order_no"].as_str().is_some_and(|no| !no.is_empty()))
        .step_by((samples.len() / times).max(1))
        .take(times)
        .map(|sample| {
            let text = |field: &str| sample[field].as_str().unwrap_or_default().to_owned();
            (text("store"), text("order_no"))
        })
        .collect();
    let over = |of: &dyn Fn(String) -> Asks, field: &str| pick(field).into_iter().map(of).collect();
    let mut all = vec![
        Question {
            name: "1 pair".into(),
            target_ms: 1000.0,
            asks: orders
                .iter()
                .map(|(store, no)| Asks::Walk(format!("all: order:\"{store}/{no}\"")))
                .collect(),
        },
        Question { name: "2 trace".into(), target_ms: 1000.0, asks: over(&Asks::Trace, "message") },
        Question {
            name: "2 id:".into(),
            target_ms: 1000.0,
            asks: over(&|id| Asks::Walk(format!("all: id:\"{id}\"")), "message_id"),
        },
        Question {
            name: "3 reveal".into(),
            target_ms: 1000.0,
            asks: orders
                .iter()
                .map(|(store_id, order_no)| Asks::Reveal {
                    store_id: store_id.clone(),
                    order_no: order_no.clone(),
                })
                .collect(),
        },
        Question { name: "4 prove".into(), target_ms: 5000.0, asks: over(&Asks::Prove, "message") },
    ];
    for (span, target_ms) in [(90, 2000.0), (395, 10_000.0)] {
        let after = since(span);
        let within = |name: &str, field: &str, make: &dyn Fn(&str) -> String| {
            let make = |value: &str| format!("{} after:{after}", make(value));
            walks(&format!("5 pivot {name} {span} d"), target_ms, field, &make)
        };
        let domain = |address: &str| address.rsplit_once('@').map_or("", |(_, domain)| domain).to_owned();
        all.extend([
            within("address", "customer", &|value| value.to_owned()),
            within("from:", "writer", &|value| format!("from:{value}")),
            within("domain:", "writer", &|value| format!("domain:{}", domain(value))),
            within("ip:", "ip", &|value| format!("ip:{value}")),
            within("net:", "ip", &|value| format!("net:{value}")),
            within("origin:", "origin", &|value| format!("origin:{value}")),
            within("mailer:", "mailer", &|value| format!("mailer:\"{value}\"")),
            within("answers:", "answers", &|value| format!("answers:\"{value}\"")),
            within("hash:", "hash", &|value| format!("hash:{value}")),
        ]);
        all.push(Question {
            name: format!("5 pivot country: {span} d"),
            target_ms,
            asks: ["NG", "ZA", "CN", "VN", "RU", "KE"]
                .map(|country| Asks::Count(format!("country:{country} after:{after}")))
                .to_vec(),
        });
    }
    let last = since(30);
    let stores = over(&Asks::Card, "store");
    let once = |name: &str, target_ms: f64, asks: Asks| Question {
        name: name.to_owned(),
        target_ms,
        asks: vec![asks; times],
    };
    all.extend([
        Question { name: "6 merchant".into(), target_ms: 1000.0, asks: stores },
        once("8 new-geo", 2000.0, Asks::NewGeo),
        walks("13 same", 2000.0, "hash", &|hash| format!("hash:{hash} after:{}", since(395))),
        walks("14 blast 30 d", 5000.0, "store", &|store| {
            format!("store:{store} direction:to_customer after:{last}")
        }),
        once("stats 30 d", 2000.0, Asks::Stats(30)),
        Question { asks: vec![Asks::Stats(395); 3], ..once("stats 395 d", 10_000.0, Asks::Stats(395)) },
        once("17 looks", 2000.0, Asks::Looks),
        once("18 checkpoint", 2000.0, Asks::Checkpoint),
    ]);
    all
}

async fn open(arguments: &Arguments) -> Relay {
    let ring = KeyRing::open(&arguments.keys, Make::Nothing, Timestamp::now()).unwrap();
    let vault = Vault::open(&ring).unwrap();
    let domain = |text: &str| Domain::parse(text).unwrap();
    let (customer, merchant) = &arguments.domains;
    let domains = Domains::new(&domain(customer), &domain(merchant)).unwrap();
    let policy = Policy {
        hostname: "relay.example".into(),
        expire: DAY,
        delay_notice: DAY,
        keep_failed: None,
        order_lifetime: DAY,
        duplicate_window: DAY,
        postmaster: None,
        hold_expire: DAY,
        rules: Rules::default(),
        names: Names { merchant: MerchantName::AsWritten, customer: CustomerName::AsWritten },
        senders: SenderPolicy { unproven: Unproven::Hold, other_address: OtherAddress::Refuse },
        brand: "Anshin Mail".into(),
        staff: std::sync::Arc::new(Staff::of_nobody(Enforce::Refuse)),
    };
    let store = Store::open(&arguments.storage, &vault.file).await.unwrap();
    Relay::open(store, vault, domains, policy).await.unwrap()
}

/// Gives the pages of an SQLite file back, as far as the system lets go of them.
fn evict(storage: &str) {
    let Some(path) = storage.strip_prefix("sqlite:") else { return };
    let input = format!("if={path}");
    let _ = Command::new("dd").args([&input, "iflag=nocache", "count=0", "status=none"]).status();
}
