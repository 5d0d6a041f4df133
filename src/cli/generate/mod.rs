//! `anshin log generate`: fills the log with traffic that never was, to try questions on, in a development profile alone.
//!
//! Rules: what is made goes through the code that records real traffic (`relay/past.rs`); nothing is queued or sent. The same seed
//! makes the same traffic, under new keys. One that was stopped goes on where it stopped, by the first line of the file of the truth.
//! The log's indexes are made at its end, since one that grows at random places costs many times what is written.
//! When it fails: what was committed stays; the same command goes on.

mod calendar;
mod chance;
mod fraud;
mod letter;
mod traffic;
mod truth;
mod world;

use super::arguments::Common;
use super::arguments_search::GenerateArguments;
use super::desk;
use super::output::{Failure, print};
use super::process;
use crate::config::{Config, Profile};
use crate::mail::Timestamp;
use crate::relay::{Grown, Past, Refusal, Relay, RelayFault};
use crate::store::Ids;
use crate::vault::Side;
use calendar::{DAY_MS, Day};
use chance::Chance;
use serde_json::json;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use traffic::{Deed, HOUR, Kept, MINUTE, Traffic, Twist};
use truth::Truth;
use world::World;

/// Rows that one thread comes to, in the middle.
const ROWS_A_THREAD: u64 = 7;
/// Records of one commit.
const BATCH: usize = 4000;
/// Commits that are under way while more is made.
const UNDER_WAY: usize = 2;
/// How often it says how far it is.
const TELLS: Duration = Duration::from_secs(5);
/// For so many rows there is one more case of each kind of fraud, at first and later on.
const ROWS_A_CASE: (u64, u64) = (200_000, 2_000_000);

/// What is made, as the first line of the truth says it.
#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Asked {
    kind: String,
    seed: u64,
    rows: u64,
    stores: usize,
    from_ms: i64,
    until_ms: i64,
}

pub(super) async fn run(arguments: &GenerateArguments, common: &Common) -> Result<(), Failure> {
    // Before the database is opened, let alone made.
    if process::load(common, &[])?.profile != Profile::Development {
        return Err(Failure::new(
            "log generate fills a log with traffic that never was: only a configuration with profile = \"development\" may",
        ));
    }
    let (config, relay) = desk::relay(common, "log generate").await?;
    relay.detects_by(std::sync::Arc::new(super::rules::of(&config)?));
    let last = relay.store().last_fact().await.map_err(RelayFault::from)?;
    let (asked, file, last) = match arguments.truth.exists() {
        true => (known(&arguments.truth, arguments)?, again(&arguments.truth)?, last),
        false if last.is_none() => {
            let asked = ask(arguments)?;
            let mut file = desk::file(&arguments.truth)?;
            writeln!(file, "{}", serde_json::to_string(&asked).unwrap_or_default())?;
            (asked, file, None)
        }
        false => {
            return Err(Failure::new(
                "the log has rows: generate fills an empty one, or goes on where it was stopped, with --truth the file of then",
            ));
        }
    };
    let mut told = std::io::stderr();
    let time = |ms| Timestamp::from_millis(ms).to_rfc3339();
    let (from, until) = (time(asked.from_ms), time(asked.until_ms));
    let _ = writeln!(told, "seed {}: {} rows from {from} until {until}", asked.seed, asked.rows);
    let begun = Instant::now();
    relay.store().begin_filling().await.map_err(RelayFault::from)?;
    let filled = fill(&relay, &config, &asked, last, file).await;
    let _ = writeln!(told, "\nindexes");
    relay.store().end_filling().await.map_err(RelayFault::from)?;
    let (rows, planted) = filled?;
    let filled_s = begun.elapsed().as_secs_f64();
    let _ = writeln!(told, "audit tree");
    while relay.grow_tree(Timestamp::from_millis(asked.until_ms), true).await? == Grown::More {}
    let document = json!({
        "seed": asked.seed, "rows": rows, "planted": planted, "from": from, "until": until,
        "seconds": begun.elapsed().as_secs(), "truth": arguments.truth.display().to_string(),
    });
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = rows as f64 / filled_s;
    let text = format!(
        "seed {}: {rows} rows in {filled_s:.0} s, {rate:.0} a second; {planted} frauds planted, told in {}",
        asked.seed,
        arguments.truth.display()
    );
    print(common, &document, &text);
    Ok(())
}

/// What is asked for, by the command line.
fn ask(arguments: &GenerateArguments) -> Result<Asked, Failure> {
    let until = match &arguments.until {
        Some(text) => Timestamp::parse_rfc3339(text)
            .ok_or_else(|| Failure::new("--until: a time such as 2026-11-22T00:00:00Z"))?,
        None => Timestamp::now(),
    };
    let until_ms = until.as_millis();
    // Ids of rows begin with their time, and reach no further back.
    let from_ms = (until_ms - arguments.days.saturating_mul(DAY_MS)).max(Ids::time_of(0).as_millis());
    let seed = arguments.seed.unwrap_or_else(|| u64::from_be_bytes(crate::vault::random_bytes()) >> 16);
    let (kind, rows, stores) = ("asked".to_owned(), arguments.rows.unwrap_or(1_000_000), arguments.stores);
    Ok(Asked { kind, seed, rows, stores, from_ms, until_ms })
}

/// What was asked for before.
fn known(path: &Path, arguments: &GenerateArguments) -> Result<Asked, Failure> {
    let mut line = String::new();
    BufReader::new(File::open(path)?).read_line(&mut line)?;
    let asked: Asked = serde_json::from_str(&line)
        .map_err(|_| Failure::new(format!("{}: it is no file of the truth", path.display())))?;
    let is_other = |asked: u64, now: Option<u64>| now.is_some_and(|now| now != asked);
    if is_other(asked.seed, arguments.seed) || is_other(asked.rows, arguments.rows) {
        return Err(Failure::new(format!(
            "{}: it is of other traffic (seed {}, {} rows); leave --seed and --rows out to go on with it",
            path.display(),
            asked.seed,
            asked.rows
        )));
    }
    Ok(asked)
}

fn again(path: &Path) -> Result<File, Failure> {
    let opened = File::options().append(true).open(path);
    opened.map_err(|fault| Failure::new(format!("{}: {fault}", path.display())))
}

/// Makes and commits it. How many rows there are then, and how many frauds were planted.
async fn fill(
    relay: &Relay,
    config: &Config,
    asked: &Asked,
    last: Option<Timestamp>,
    file: File,
) -> Result<(u64, u64), Failure> {
    let world = World::new(asked.seed, asked.stores, asked.rows / 60);
    let past = Past::new(relay.clone());
    let mut stores = Vec::with_capacity(asked.stores);
    for shop in &world.shops {
        let at = Timestamp::from_millis(asked.from_ms);
        stores.push(past.store(&shop.store_id, &shop.name, &shop.address, at).await?);
    }
    let before = |period: Duration| {
        asked.until_ms - i64::try_from(period.as_millis()).unwrap_or(i64::MAX).min(asked.until_ms)
    };
    let kept = Kept {
        until: asked.until_ms,
        headers_from: before(config.retention.headers.period),
        refused_from: before(config.retention.rejected.period),
    };
    let begins = last.map_or(asked.from_ms, |last| last.as_millis() + 1).max(asked.from_ms);
    let (first, until) = (Day::of(Timestamp::from_millis(begins)), Timestamp::from_millis(asked.until_ms));
    let days = Day::of(Timestamp::from_millis(asked.from_ms)).0..=Day::of(until).0;
    let whole: u64 = days.clone().map(|day| Day(day).weight()).sum();
    let refused_from = kept.refused_from;
    let mut traffic = Traffic::new(world, stores, Chance::of(asked.seed, 2), Truth::new(file), past, kept);
    let counted = relay.store().facts_between(0, asked.until_ms).await.map_err(RelayFault::from)?;
    let mut rows = u64::try_from(counted).unwrap_or(0);
    let (mut committing, mut progress) = (JoinSet::new(), Progress::new(asked, begins));
    for day in days.filter(|day| *day >= first.0).map(Day) {
        traffic.chance = Chance::of(asked.seed, day.0.unsigned_abs() << 8);
        traffic.begin_day(begins.max(day.begins())).await?;
        orders(&mut traffic, day, begins, asked.rows / ROWS_A_THREAD * day.weight() / whole.max(1));
        plants(&mut traffic, day, begins.max(day.begins()), asked, refused_from);
        let ends = day.begins() + DAY_MS;
        while traffic.next_at().is_some_and(|at| at < ends) {
            traffic.step()?;
            if traffic.records.len() >= BATCH {
                rows += commit(relay, &mut traffic, &mut committing).await?;
                progress.tell(rows, traffic.next_at().unwrap_or(ends));
            }
        }
        // The next day may be another quarter, whose keys take the place of this one's.
        rows += commit(relay, &mut traffic, &mut committing).await?;
    }
    while let Some(done) = committing.join_next().await {
        done.map_err(|_| Failure::new("a commit was given up"))??;
    }
    traffic.truth.end()?;
    Ok((rows, traffic.truth.written))
}

impl Traffic {
    async fn begin_day(&self, at: i64) -> Result<(), RelayFault> {
        self.past().begin_day(Timestamp::from_millis(at)).await
    }
}

/// Orders and inquiries of a day, and who knocks in vain.
fn orders(traffic: &mut Traffic, day: Day, begins: i64, threads: u64) {
    let hours = day.hours();
    for n in 0..threads {
        let at = day.time(&hours, &mut traffic.chance);
        if at < begins {
            continue;
        }
        let store = traffic.world.sizes.draw(&mut traffic.chance);
        let customer = traffic.world.customer(&mut traffic.chance);
        let is_inquiry = n % 10 == 9;
        let chance = &mut traffic.chance;
        let mails = match is_inquiry {
            true => vec![(1000, Side::Customer)],
            false => {
                let mut mails = vec![
                    (1000 + chance.ms(2 * MINUTE), Side::Merchant),
                    (6 * HOUR + chance.ms(42 * HOUR), Side::Merchant),
                ];
                if chance.per_mille(600) {
                    mails.push((5 * DAY_MS + chance.ms(4 * DAY_MS), Side::Merchant));
                }
                mails
            }
        };
        let twist = Twist::default();
        traffic.will(at, None, Deed::Begin { store, customer, is_inquiry, mails, twist });
        if n % 15 == 0 {
            stray(traffic, at, customer);
        }
    }
}

/// A stranger who guesses an alias, and a store that mistypes its password.
fn stray(traffic: &mut Traffic, at: i64, customer: u64) {
    let number = traffic.chance.next();
    let peer = world::elsewhere(number % 500, &mut traffic.chance, "mx");
    let deed = Deed::Stray {
        store: None,
        sender: format!("news{}@bulk-{}.example", number % 90, number % 700),
        to: format!("{}@pc.fw.example", traffic.world.address(customer).split('@').next().unwrap_or("a")),
        refusal: Refusal::UnknownAlias,
        peer,
    };
    traffic.will(at + 1, None, deed);
    let store = traffic.world.sizes.draw(&mut traffic.chance);
    let peer = traffic.world.peer_of_store(store, &mut traffic.chance);
    traffic.will(at + 2, None, Deed::Login { store, peer, is_good: !number.is_multiple_of(4) });
}

/// Frauds that begin on a day: of each kind some, spread over the whole, or over the time for which refusals are kept.
fn plants(traffic: &mut Traffic, day: Day, begins: i64, asked: &Asked, refused_from: i64) {
    let cases = 1 + (asked.rows / ROWS_A_CASE.0).min(2) + asked.rows / ROWS_A_CASE.1;
    for (which, kind) in (0_u64..).zip(fraud::KINDS.iter().chain([&fraud::STUFFING])) {
        let from = if kind.is_refused { refused_from.max(asked.from_ms) } else { asked.from_ms };
        for case in 0..cases {
            let mut chance = Chance::of(asked.seed, (which << 20) + (case << 40) + 5);
            let at = from + chance.ms((asked.until_ms - from - DAY_MS).max(1));
            if Day::of(Timestamp::from_millis(at)) == day && at >= begins {
                kind.plant(traffic, which * 1000 + case, at);
            }
        }
    }
}

/// Has what was made committed, while more is made. How many rows.
async fn commit(
    relay: &Relay,
    traffic: &mut Traffic,
    committing: &mut JoinSet<Result<(), RelayFault>>,
) -> Result<u64, Failure> {
    let (conversations, records) =
        (std::mem::take(&mut traffic.conversations), std::mem::take(&mut traffic.records));
    let rows = records.len() as u64;
    while committing.len() >= UNDER_WAY {
        if let Some(done) = committing.join_next().await {
            done.map_err(|_| Failure::new("a commit was given up"))??;
        }
    }
    committing.spawn(Past::keep(relay.clone(), conversations, records));
    Ok(rows)
}

/// How far it is.
struct Progress {
    rows: u64,
    from: i64,
    until: i64,
    begun: Instant,
    told: Instant,
}

impl Progress {
    fn new(asked: &Asked, from: i64) -> Self {
        Self { rows: asked.rows, from, until: asked.until_ms, begun: Instant::now(), told: Instant::now() }
    }

    fn tell(&mut self, rows: u64, at: i64) {
        if self.told.elapsed() < TELLS {
            return;
        }
        self.told = Instant::now();
        #[expect(clippy::cast_precision_loss, reason = "a share for people")]
        let share = (at - self.from) as f64 / (self.until - self.from).max(1) as f64;
        let left = self.begun.elapsed().as_secs_f64() * (1.0 - share) / share.max(1e-6);
        let day = Timestamp::from_millis(at).to_rfc3339();
        let day = day.split('T').next().unwrap_or_default().to_owned();
        let _ = writeln!(
            std::io::stderr(),
            "{day}: {rows} of about {} rows, {:.0} %, some {:.0} minutes left",
            self.rows,
            share * 100.0,
            left / 60.0
        );
    }
}
