//! The relay among hostile sessions: what honest mail loses by them, what memory they take, and what an idle session costs.
//!
//! Rules: the release binary on loopback. Honest sessions come from a network that is exempt from rates, as a balancer's
//! health or a mailing service would be; hostile ones from many addresses of another, to which all limits apply. Honest
//! rates are those of messages delivered, with and without the hostile sessions, in turns, median of the rounds.
//! When it fails: a message that is lost, refused or names a real address ends the bench.
#![forbid(unsafe_code)]
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measuring program, run by hand, that shares parts with another"
)]

#[path = "../relay/arguments.rs"]
mod arguments;
mod crowd;
#[path = "../relay/generator.rs"]
mod generator;
mod idle;
#[path = "../relay/ledger.rs"]
mod ledger;
#[path = "../relay/machine.rs"]
mod machine;
#[path = "../relay/message.rs"]
mod message;
#[path = "../relay/relay.rs"]
mod relay;
#[path = "../relay/report.rs"]
mod report;
#[path = "../relay/sink.rs"]
mod sink;

use arguments::Arguments;
use generator::Connections;
use ledger::Ledger;
use relay::Relay;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Sessions at once, and how many of them are hostile.
const SESSIONS: usize = 1000;
const HOSTILE: usize = 100;
const ROUNDS: usize = 3;
const TIME: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(300);
/// Sessions that do nothing.
const IDLE: usize = 10_000;
/// Open files beside those.
const SPARE: u64 = 5000;

fn main() {
    let raised = rlimit::increase_nofile_limit(u64::MAX).unwrap();
    // The relay is a process of its own, with as many.
    let needed = IDLE as u64 + SPARE;
    assert!(raised >= needed, "ulimit -Hn is {raised}: {needed} open files are needed for {IDLE} sessions");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let words = std::env::args().skip(1).filter(|word| word != "--bench");
    let mut arguments = Arguments::parse(words).unwrap();
    arguments.sessions = vec![20];
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("hostile-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let ledger = Arc::new(Ledger::open());
    let sink = sink::start(ledger.clone()).await;
    let mut relay = Relay::install(&dir, sink, &arguments);
    relay.environment = vec![
        ("ANSHIN__LIMITS__SESSIONS", "25000".to_owned()),
        ("ANSHIN__LIMITS__SESSIONS_PER_IP", "20000".to_owned()),
        ("ANSHIN__LIMITS__SESSIONS_PER_NETWORK", "20000".to_owned()),
        ("ANSHIN__LIMITS__EXEMPT", "[\"127.0.0.0/24\"]".to_owned()),
    ];
    for (name, value) in machine::describe() {
        println!("{name}: {value}");
    }
    idle::measure(&mut relay, IDLE).await;
    relay.start().await;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    let mut peak = 0;
    for _ in 0..ROUNDS {
        alone.push(honest(&relay, &ledger).await);
        relay.tree().forget_peak();
        let crowd = crowd::gather(relay.mx_address(), HOSTILE);
        beside.push(honest(&relay, &ledger).await);
        peak = peak.max(relay.tree().peak_kib());
        println!("hostile: {}", crowd.disperse().await);
    }
    let (alone, beside) = (median(alone), median(beside));
    println!("honest, {} sessions alone: {alone:.0} delivered/s", SESSIONS - HOSTILE);
    println!(
        "honest, beside {HOSTILE} hostile sessions: {beside:.0} delivered/s, {:.0} %, most memory {} MiB",
        beside / alone * 100.0,
        peak / 1024
    );
    relay.tree().forget_peak();
    let crowd = crowd::gather(relay.mx_address(), SESSIONS);
    tokio::time::sleep(TIME).await;
    println!(
        "{SESSIONS} hostile sessions: most memory {} MiB; {}",
        relay.tree().peak_kib() / 1024,
        crowd.disperse().await
    );
    relay.stop().await;
    let _ = std::fs::remove_dir_all(&dir);
}

/// Sends for the time and waits until all has arrived; delivered a second.
async fn honest(relay: &Relay, ledger: &Arc<Ledger>) -> f64 {
    let before = ledger.count_accepted();
    let load = relay.mx(SESSIONS - HOSTILE, 4 * 1024, Connections::Kept);
    let start = Instant::now();
    generator::send(&load, ledger, start + TIME).await.unwrap();
    let accepted = ledger.count_accepted() - before;
    while ledger.count_delivered() < ledger.count_accepted() {
        assert!(start.elapsed() < PATIENCE, "messages were lost");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let figure = accepted as f64 / start.elapsed().as_secs_f64();
    eprintln!("{figure:.0} delivered/s");
    figure
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
