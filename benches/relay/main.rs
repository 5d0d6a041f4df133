//! The relay under load, whole and real: the release binary on loopback, every commit synced, beside Postfix.
//!
//! Rules: a cell is a message size and a number of sessions; in each round of a cell the relay and Postfix take turns
//! under the same load from the same generator, so that what else the machine does meets both. A run sends for a
//! fixed time and then waits until everything that was acknowledged has arrived; rates and CPU count up to then.
//! A message that is lost, arrives twice or names a real address ends the bench with a failure.
//! When Postfix is not installed, or can't start, that is said and its rows are missing; nothing is installed.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measuring program, run by hand: it stops where something is wrong and prints what it found"
)]

mod arguments;
mod generator;
mod ledger;
mod machine;
mod message;
mod postfix;
#[allow(dead_code, reason = "the bench among hostile sessions uses the rest")]
mod relay;
mod report;
mod sink;

use arguments::Arguments;
use generator::{Connections, Load};
use ledger::Ledger;
use machine::Tree;
use postfix::Postfix;
use relay::Relay;
use report::{Report, Row, Sample, Way};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// How long what was acknowledged may take to arrive.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// The parts, started.
struct Bench {
    arguments: Arguments,
    ledger: Arc<Ledger>,
    sink: SocketAddr,
    relay: Relay,
    postfix: Option<Postfix>,
}

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(why) => {
            eprintln!("{why}\n\n{}", arguments::HELP);
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let done = runtime.block_on(measure_all(arguments));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("the figures do not count: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn measure_all(arguments: Arguments) -> Result<(), String> {
    // Below the build directory: that is a disk, where the system's temporary directory may be memory.
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{}", std::process::id()));
    std::fs::create_dir_all(dir.join("relay")).unwrap();
    let ledger = Arc::new(Ledger::open());
    let sink = sink::start(ledger.clone()).await;
    let relay = Relay::install(&dir.join("relay"), sink, &arguments);
    let postfix = if arguments.wants_postfix() {
        Postfix::start(&dir.join("postfix"), sink).map_err(|why| eprintln!("{why}: measured without")).ok()
    } else {
        None
    };
    let mut about = machine::describe();
    about.push(("relay", format!("anshin {}", env!("CARGO_PKG_VERSION"))));
    about.push(("beside it", postfix.as_ref().map_or("nothing".to_owned(), |_| postfix::version())));
    about.push(("storage", arguments.storage_name().to_owned()));
    about.push(("command", arguments.to_string()));
    let mut bench = Bench { arguments, ledger, sink, relay, postfix };
    let rows = bench.all_cells().await;
    bench.relay.stop().await;
    about.push(("database in the end", format!("{} MiB", bench.relay.disk_octets() / (1024 * 1024))));
    let json = bench.arguments.json;
    drop(bench);
    let _ = std::fs::remove_dir_all(&dir);
    let report = Report { about, rows: rows? };
    if json {
        report.print_json()
    } else {
        report.print()
    }
    Ok(())
}

impl Bench {
    async fn all_cells(&mut self) -> Result<Vec<Row>, String> {
        let mut rows = Vec::new();
        let Arguments { sizes_kb, sessions, .. } = self.arguments.clone();
        for kb in sizes_kb {
            for sessions in &sessions {
                rows.extend(self.cell(kb, *sessions).await?);
            }
        }
        Ok(rows)
    }

    async fn cell(&mut self, kb: usize, sessions: usize) -> Result<Vec<Row>, String> {
        let ways = self.arguments.ways.clone();
        let ways = ways
            .into_iter()
            .filter(|way| self.postfix.is_some() || !matches!(way, Way::PostfixNew | Way::PostfixKept));
        let mut rows: Vec<Row> = ways.map(|way| Row { way, kb, sessions, samples: Vec::new() }).collect();
        self.relay.start().await;
        let warm_up = Duration::from_millis(300);
        for row in rows.iter().filter(|row| row.way != Way::Ceiling) {
            self.run(row.way, kb, sessions, warm_up).await?;
        }
        for round in 0..self.arguments.runs {
            for row in &mut rows {
                if row.way == Way::Ceiling && round > 0 {
                    continue;
                }
                row.samples.push(self.run(row.way, kb, sessions, self.arguments.time).await?);
            }
            eprint!(".");
        }
        eprintln!(" {kb} KB, {sessions} sessions");
        Ok(rows)
    }

    async fn run(&self, way: Way, kb: usize, sessions: usize, time: Duration) -> Result<Sample, String> {
        let size = kb * 1024;
        let postfix = || self.postfix.as_ref().unwrap();
        let (load, tree) = match way {
            Way::Ceiling => {
                let plain = ("a@plain.example".to_owned(), "b@plain.example".to_owned());
                let connections = Connections::New;
                let (to, parties) = (vec![self.sink], vec![plain]);
                (Load { to, sessions, size, connections, access: None, parties }, None)
            }
            Way::MxNew => (self.relay.mx(sessions, size, Connections::New), Some(self.relay.tree())),
            Way::MxKept => (self.relay.mx(sessions, size, Connections::Kept), Some(self.relay.tree())),
            Way::Submission => (self.relay.submission(sessions, size), Some(self.relay.tree())),
            Way::PostfixNew => (postfix().load(sessions, size, Connections::New), Some(postfix().tree())),
            Way::PostfixKept => (postfix().load(sessions, size, Connections::Kept), Some(postfix().tree())),
        };
        self.measure(&load, tree, time).await.map_err(|why| format!("{}: {why}", way.name()))
    }

    async fn measure(&self, load: &Load, tree: Option<Tree>, time: Duration) -> Result<Sample, String> {
        let ledger = &self.ledger;
        let (first, accepted_before) = (ledger.numbers(), ledger.count_accepted());
        let cpu_before = tree.as_ref().map(|tree| {
            tree.forget_peak();
            (tree.cpu(), machine::postgres_cpu())
        });
        let watched = tree.clone();
        let watch = tokio::spawn(async move {
            let mut most = 0;
            while let Some(tree) = &watched {
                most = most.max(tree.pss_kib());
                tokio::time::sleep(LOOK).await;
                MOST_PSS.fetch_max(most, Relaxed);
            }
        });
        MOST_PSS.store(0, Relaxed);
        let start = Instant::now();
        let sent = generator::send(load, ledger, start + time).await;
        let sending = start.elapsed();
        sent.map_err(|fault| fault.to_string())?;
        let accepted = ledger.count_accepted() - accepted_before;
        while ledger.count_delivered() < ledger.count_accepted() {
            if start.elapsed() > time + PATIENCE {
                let missing = ledger.count_accepted() - ledger.count_delivered();
                return Err(format!("{missing} acknowledged messages have not arrived"));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let all = start.elapsed();
        // What is settled after the last delivery belongs to it.
        tokio::time::sleep(Duration::from_millis(30)).await;
        let cpu = tree
            .as_ref()
            .zip(cpu_before)
            .map_or((Duration::ZERO, Duration::ZERO), |(tree, (own, postgres))| {
                (tree.cpu() - own, machine::postgres_cpu().saturating_sub(postgres))
            });
        if let Some(tree) = &tree {
            MOST_PSS.fetch_max(tree.pss_kib(), Relaxed);
        }
        watch.abort();
        if ledger.leaks.load(Relaxed) > 0 {
            return Err("a delivered message names a real address".to_owned());
        }
        if ledger.strange.load(Relaxed) > 0 {
            return Err("a message arrived twice, or changed beyond recognition".to_owned());
        }
        let (reply, delivery) = ledger.latencies(first);
        let count = accepted as f64;
        Ok(Sample {
            accepted: count / sending.as_secs_f64(),
            delivered: count / all.as_secs_f64(),
            cpu_ms: cpu.0.as_secs_f64() * 1000.0 / count,
            database_ms: cpu.1.as_secs_f64() * 1000.0 / count,
            reply_ms: [reply.quantile(0.5), reply.quantile(0.99)],
            delivery_ms: [delivery.quantile(0.5), delivery.quantile(0.99)],
            pss_mib: MOST_PSS.load(Relaxed) as f64 / 1024.0,
            peak_mib: if load.to == [self.sink] || self.is_postfix(load) {
                0.0
            } else {
                tree.map_or(0.0, |tree| tree.peak_kib() as f64 / 1024.0)
            },
        })
    }

    fn is_postfix(&self, load: &Load) -> bool {
        self.postfix.as_ref().is_some_and(|postfix| postfix.load(1, 1, Connections::New).to == load.to)
    }
}

/// The largest PSS of the run under way, in KiB.
static MOST_PSS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
