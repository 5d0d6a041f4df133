//! The writer: one task with one connection, through which everything is written. It takes what many sessions bring,
//! executes it in one transaction and commits once, so that they share one fsync; then it answers each.
//!
//! Rules: a change is answered only after the commit that holds it. If a group fails, its changes are executed one by
//! one, so that one bad change harms nobody else: one that takes too long, too, and then none gets as long. What keeps the spool in order
//! ([`Change::is_upkeep`]) has groups of its own. Once in [`CHECKED`] the server is asked whether it still writes before it acknowledges. A change whose asker has gone before its group begins (a session that died,
//! or was told that the commit took too long) is not executed: nobody was promised anything, and a sender who tries again
//! would be taken twice.
//! When it fails: [`StoreFault`] to every asker of the group; a broken connection, or one that fell silent, is opened anew for
//! the next one.

pub(super) use super::change::{Change, Effect};
use super::engine::{Database, Engine, WRITE_PATIENCE, check_durability};
use super::keys::Announced;
use super::lanes;
use super::reader::fell_silent;
use super::rows::{Bounced, NewMessage, NewRecord, Settlement};
use super::touched::Touched;
use super::{
    Repointing, accept, blocks, clock, corrections, credentials, fault::StoreFault, greylist, holds, looks,
    parties, queue, retries, tls,
};
use crate::mail::Timestamp;
use crate::vault::FactProofs;
use sqlx::{AnyConnection, Connection};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Most changes in one transaction.
const GROUP: usize = 256;
/// Most octets of messages in one transaction: bounds how long a commit takes.
const GROUP_BYTES: usize = 16 * 1024 * 1024;

/// How often the server is asked whether a commit is on its disk when it says so: that can be changed while it runs.
const CHECKED: Duration = Duration::from_secs(10);
/// How long a statement of a change may take that is tried alone, since its group had one that took too long.
const BRIEF: &str = "SET LOCAL statement_timeout = '5s'";

/// The channel on which PostgreSQL tells processes on other machines that something is due.
pub(super) const WOKEN: &str = "anshin_due";

/// Whom a commit tells that it made something due.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tells {
    Nobody,
    Others,
}

pub(super) struct Job {
    pub change: Change,
    pub done: oneshot::Sender<Result<Effect, StoreFault>>,
}

/// The writer's task. Ends when the last [`Store`] is dropped.
pub(super) async fn write(
    database: Database,
    connection: Option<AnyConnection>,
    mut inbox: mpsc::Receiver<Job>,
    serves: Arc<AtomicBool>,
    announced: Arc<Announced>,
) {
    let database = Opens { database, announced };
    let mut connection = connection.map(Opened::new);
    let mut group: Vec<Job> = Vec::with_capacity(GROUP);
    let mut upkeep: VecDeque<Job> = VecDeque::new();
    loop {
        let mut next = match upkeep.is_empty() {
            true => inbox.recv().await,
            false => inbox.try_recv().ok(),
        };
        let mut bytes = 0;
        while let Some(job) = next.take() {
            if job.change.is_upkeep() {
                upkeep.push_back(job);
            } else {
                bytes += job.change.weight();
                group.push(job);
            }
            if group.len() < GROUP && bytes < GROUP_BYTES {
                next = inbox.try_recv().ok();
            }
        }
        if group.is_empty() && upkeep.is_empty() {
            break;
        }
        commit_open(&database, &serves, &mut connection, &mut group).await;
        group.extend(upkeep.pop_front());
        commit_open(&database, &serves, &mut connection, &mut group).await;
    }
    if let Some(connection) = connection {
        let _ = connection.connection.close().await;
    }
}

/// Commits those of a group whose askers are still there.
async fn commit_open(
    database: &Opens,
    serves: &AtomicBool,
    connection: &mut Option<Opened>,
    group: &mut Vec<Job>,
) {
    group.retain(|job| !job.done.is_closed());
    if group.is_empty() {
        return;
    }
    let tells = if serves.load(Ordering::Relaxed) { Tells::Nobody } else { Tells::Others };
    commit_group(database, tells, connection, group).await;
}

/// What a connection is opened by.
struct Opens {
    database: Database,
    announced: Arc<Announced>,
}

/// The writer's connection, and when the server behind it was last asked how it commits.
struct Opened {
    connection: AnyConnection,
    checked: Instant,
}

impl Opened {
    fn new(connection: AnyConnection) -> Self {
        Self { connection, checked: Instant::now() }
    }
}

/// How long a statement may take.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Limit {
    Usual,
    Brief,
}

async fn commit_group(database: &Opens, tells: Tells, slot: &mut Option<Opened>, group: &mut Vec<Job>) {
    let result = run(database, tells, slot, Limit::Usual, group.iter().map(|job| &job.change)).await;
    match result {
        Ok(effects) => {
            for (job, effect) in group.drain(..).zip(effects) {
                let _ = job.done.send(Ok(effect));
            }
        }
        Err(fault) if group.len() == 1 || fault.is_of_all() => {
            for job in group.drain(..) {
                let _ = job.done.send(Err(fault.clone()));
            }
        }
        // One of them is at fault: find out which, by trying each alone.
        Err(fault) => {
            let limit = if fault == StoreFault::Overlong { Limit::Brief } else { Limit::Usual };
            for job in group.drain(..).filter(|job| !job.done.is_closed()) {
                let alone = run(database, tells, slot, limit, std::iter::once(&job.change)).await;
                let answer = alone.and_then(|effects| effects.into_iter().next().ok_or(StoreFault::Stopped));
                let _ = job.done.send(answer);
            }
        }
    }
}

/// Executes changes in one transaction; all of them or none.
async fn run<'a>(
    Opens { database, announced }: &Opens,
    tells: Tells,
    slot: &mut Option<Opened>,
    limit: Limit,
    changes: impl Iterator<Item = &'a Change>,
) -> Result<Vec<Effect>, StoreFault> {
    if slot.is_none() {
        let mut connection = database.connect().await?;
        tokio::time::timeout(WRITE_PATIENCE, announced.restore(&mut connection))
            .await
            .unwrap_or_else(|_| Err(fell_silent()))?;
        *slot = Some(Opened::new(connection));
    }
    let Some(Opened { connection, checked }) = slot.as_mut() else { return Err(StoreFault::Stopped) };
    let done = async {
        if checked.elapsed() >= CHECKED {
            if let Err(fault) = check_durability(database.engine, connection).await {
                return (Err(fault), false);
            }
            *checked = Instant::now();
        }
        let proofs = announced.proofs.get().cloned();
        let result = transact(database.engine, tells, (limit, proofs), connection, changes).await;
        let result = result.map_err(StoreFault::from);
        // A connection whose transaction did not end well is not used again, nor one to a server that can't write now: after a
        // failover another one can.
        let is_lost = matches!(result, Err(StoreFault::Unreachable(_)));
        let usable =
            result.is_ok() || (!is_lost && sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await.is_ok());
        (result, usable)
    };
    // SQLite is in this process, and a group that is cut off there would go on in its thread.
    let (result, usable) = match database.engine {
        Engine::Sqlite => done.await,
        Engine::Postgres => tokio::time::timeout(WRITE_PATIENCE, done)
            .await
            .unwrap_or_else(|_| (Err(fell_silent().into()), false)),
    };
    if !usable {
        *slot = None;
    }
    result
}

async fn transact<'a>(
    engine: Engine,
    tells: Tells,
    (limit, proofs): (Limit, Option<Arc<FactProofs>>),
    connection: &mut AnyConnection,
    changes: impl Iterator<Item = &'a Change>,
) -> Result<Vec<Effect>, sqlx::Error> {
    // IMMEDIATE: a transaction that begins as a reader could not become a writer while another process writes.
    let begin = match engine {
        Engine::Sqlite => "BEGIN IMMEDIATE",
        Engine::Postgres => "BEGIN",
    };
    sqlx::query(begin).execute(&mut *connection).await?;
    if engine == Engine::Postgres && limit == Limit::Brief {
        sqlx::query(BRIEF).execute(&mut *connection).await?;
    }
    let (mut together, mut touched) = (Together::default(), Touched::proven_by(proofs));
    let changes: Vec<&Change> = changes.inspect(|change| together.add(change)).collect();
    // None of these has been answered yet, so none depends on another: their order is ours to choose.
    let mut accepted = accept::messages(connection, &mut touched, &together.messages).await?.into_iter();
    let mut settled = queue::settle(connection, &mut touched, &together.settlements).await?.into_iter();
    accept::records(connection, &mut touched, &together.records).await?;
    let mut effects = Vec::with_capacity(changes.len());
    let claims = changes.clone();
    for change in changes {
        effects.push(match change {
            Change::Accept(messages) => Effect::Accepted(accepted.by_ref().take(messages.len()).collect()),
            Change::Settle(_) => Effect::Settled(settled.next().unwrap_or(false)),
            Change::Record(_) => Effect::Done,
            other => execute(engine, connection, &mut touched, other).await?,
        });
    }
    // A process that serves itself needs no word to the others, who look by themselves as well.
    let tells = engine == Engine::Postgres && tells == Tells::Others && touched.is_due(Timestamp::now());
    touched.write(connection).await?;
    // What a look locks it locks without waiting. It is the last to lock, since what is written above does wait for others:
    // two processes that held what they claimed meanwhile could wait for each other.
    for (change, effect) in claims.into_iter().zip(effects.iter_mut()) {
        if let Change::Claim(ask) = change {
            *effect = Effect::Claimed(lanes::claim(engine, connection, ask).await?);
        }
    }
    if tells {
        sqlx::query("SELECT pg_notify($1, '')").bind(WOKEN).execute(&mut *connection).await?;
    }
    sqlx::query("COMMIT").execute(connection).await?;
    Ok(effects)
}

/// What of a group is written many rows to a statement: all that comes with every message.
#[derive(Default)]
struct Together<'a> {
    messages: Vec<&'a NewMessage>,
    settlements: Vec<&'a Settlement>,
    records: Vec<&'a NewRecord>,
}

impl<'a> Together<'a> {
    fn add(&mut self, change: &'a Change) {
        match change {
            Change::Accept(messages) => self.messages.extend(messages),
            Change::Settle(done) => self.settlements.push(done),
            Change::Record(records) => self.records.extend(records),
            _ => {}
        }
    }
}

#[expect(clippy::too_many_lines, reason = "one table of changes")]
async fn execute<'a>(
    engine: Engine,
    connection: &mut AnyConnection,
    touched: &mut Touched<'a>,
    change: &'a Change,
) -> Result<Effect, sqlx::Error> {
    Ok(match change {
        // Written before, together with those of the whole group, and behind them.
        Change::Accept(_) | Change::Record(_) | Change::Settle(_) | Change::Claim(_) => Effect::Done,
        Change::OpenConversation(new) => {
            let (id, is_new) = accept::conversation(connection, new).await?;
            Effect::Conversation { id, is_new }
        }
        Change::ExtendConversation { id, expires_at } => {
            sqlx::query("UPDATE conversation SET expires_at = $1 WHERE id = $2")
                .bind(expires_at.as_millis())
                .bind(*id)
                .execute(connection)
                .await?;
            Effect::Done
        }
        Change::Readdress(new) => {
            let done = corrections::repoint(connection, &new.to).await?;
            if done == Repointing::Done {
                looks::add(connection, &new.look).await?;
                accept::messages(connection, touched, &[&new.warning]).await?;
            }
            Effect::Repointed(done)
        }
        Change::CloseConversation { id, at } => {
            sqlx::query("UPDATE conversation SET closed_at = COALESCE(closed_at, $1) WHERE id = $2")
                .bind(at.as_millis())
                .bind(*id)
                .execute(connection)
                .await?;
            Effect::Done
        }
        Change::AddMerchant(new) => {
            parties::add_merchant(connection, new).await?;
            Effect::Done
        }
        Change::AddToken { id, token_idx, scopes, label, at } => {
            sqlx::query("INSERT INTO api_token (id, token_idx, scopes, label, created_at) VALUES ($1, $2, $3, $4, $5)")
                .bind(*id)
                .bind(token_idx.as_bytes())
                .bind(scopes.as_str())
                .bind(label.stored())
                .bind(at.as_millis())
                .execute(connection)
                .await?;
            Effect::Done
        }
        Change::KeepVerifiers { credential, verifiers, at } => {
            credentials::keep_verifiers(connection, *credential, verifiers, *at).await?;
            Effect::Done
        }
        Change::ClearFastHashes { at, now } => {
            credentials::clear_fast_hashes(connection, *at).await?;
            credentials::forget_ended(connection, None, *now).await?;
            Effect::Done
        }
        Change::Adopt { now } => Effect::Count(lanes::adopt(engine, connection, touched, *now).await?),
        Change::Wake { routes, after, now } => {
            Effect::Woken(lanes::wake_those(connection, touched, routes, *after, *now).await?)
        }
        Change::LookAgain(deliveries) => {
            holds::look_again(connection, deliveries).await?;
            Effect::Done
        }
        Change::Rewind(rewind) => Effect::Count(clock::deliveries(connection, touched, *rewind).await?),
        Change::WakeLanes { lanes, now } => {
            clock::some_lanes(connection, *lanes, *now).await?;
            Effect::Done
        }
        Change::WakeTurns { turns, now } => {
            clock::some_turns(connection, *turns, *now).await?;
            Effect::Done
        }
        Change::EndLeases { now, longest } => {
            Effect::Count(clock::end_leases(connection, *now, *longest).await?)
        }
        Change::Block(block) => Effect::Count(blocks::write(connection, touched, block).await?),
        Change::Extend { deliveries, until } => {
            queue::extend(connection, deliveries, *until).await?;
            Effect::Done
        }
        Change::Bounced { delivery, at, status, record, notice, gone } => {
            let bounced = queue::bounced(connection, *delivery, *at, status).await?;
            if bounced == Bounced::Delivered {
                accept::records(connection, touched, &[record.as_ref()]).await?;
            }
            if let (Bounced::Delivered, Some(notice)) = (bounced, notice) {
                accept::messages(connection, touched, &[notice.as_ref()]).await?;
            }
            if let (Bounced::Delivered, Some(gone)) = (bounced, gone) {
                blocks::suppress(connection, gone, *at).await?;
            }
            Effect::Bounced(bounced)
        }
        Change::Rule(ruling) => Effect::Ruled(holds::rule(connection, touched, ruling).await?),
        Change::Retry { deliveries, now, record } => {
            let count = retries::retry(connection, touched, deliveries, *now).await?;
            if count > 0 {
                accept::records(connection, touched, &[record.as_ref()]).await?;
            }
            Effect::Count(count)
        }
        Change::KeepPolicies(new) => {
            tls::keep_policies(connection, new).await?;
            Effect::Done
        }
        Change::CountTls(new) => {
            tls::count_tls(connection, new).await?;
            Effect::Done
        }
        Change::ForgetTls { counts, ended_before } => {
            tls::forget_tls(connection, counts, *ended_before).await?;
            Effect::Done
        }
        Change::Greylist { guard, now, patience } => {
            Effect::Count(greylist::contact(connection, guard, *now, *patience).await?)
        }
        Change::Purge { ended_before, now } => {
            Effect::Purged { more: queue::purge(connection, *ended_before, *now).await? }
        }
    })
}
