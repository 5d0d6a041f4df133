//! The scheduler: leases what is due, gives each delivery to a task, writes the results.
//!
//! Rules: an attempt is counted and its lease written before the first packet. How many are sending at once, in all and
//! to one destination, the board says (`schedule::Board`), so that a slow one holds up only its own; while a result is
//! being written the next attempt already sends. A running lease is prolonged; when this process dies its leases end by themselves. A result that cannot be
//! written is tried again until it can: the next hop has the message, and sending it twice is the greater evil.
//! When it fails: while the database is away nothing is leased; what is under way is settled when it is back.

use super::clock::Clock;
use super::configured;
use super::demand::TlsFailure;
use super::dkim::{DkimFault, Signer};
use super::prepare::{self, Letter};
use super::route::Route;
use super::sending::{Place, Sending};
use super::tls_report::{Ledger, Reporting};
use super::{EgressFault, Purpose, Report, Transport};
use super::{auditing, housekeeping};
use crate::config::{self, Config, Retention};
use crate::mail::Timestamp;
use crate::relay::{AttemptResult, INSTALLATION, Outbound, Relay, RelayFault, Unsent, Verdict, queue_id};
use crate::schedule::{BackOff, Effect, NextAttempt, Word};
use crate::smtp::client::{self, Outcome, Phase, Status};
use crate::store::{Doubt, Work};
use crate::vault::VaultError;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Leases held for each attempt that may be sending: results of the others are being written.
const AHEAD: usize = 4;
/// How long a lease lasts. A dead process's deliveries wait this long.
const LEASE: Duration = Duration::from_secs(60);
/// How often running leases are prolonged.
const PROLONG: Duration = Duration::from_secs(15);
/// How often the queue is looked at for what has become due meanwhile, or was accepted by another process.
const LOOK: Duration = Duration::from_millis(500);
/// Rest after a fault of the database.
const REST: Duration = Duration::from_secs(1);
/// How often a result is written again that the database refused.
const SETTLE_AGAIN: u32 = 10;
/// How far back the clock may go unnoticed.
const SLIPS: Duration = Duration::from_secs(2);
/// How long running attempts may take to end after a stop was asked for.
const DRAIN: Duration = Duration::from_secs(60);

/// Why the egress can't start.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    #[error("egress.dkim.dir: {0}")]
    Dkim(#[from] DkimFault),
    #[error("egress.route: {0}")]
    Route(#[from] super::route::RouteFault),
    #[error("egress.reply: {0}")]
    Reply(#[from] super::replies::OverrideFault),
    #[error(transparent)]
    Transport(#[from] EgressFault),
}

/// The way out.
pub struct Egress {
    shared: Arc<Shared>,
    concurrency: usize,
    audit: config::Audit,
    retention: Retention,
    reporting: Reporting,
}

struct Shared {
    relay: Relay,
    transport: Transport,
    signer: Signer,
    back_off: BackOff,
    sending: Sending,
}

impl Egress {
    /// Reads signing keys and authorities.
    ///
    /// # Errors
    /// [`EgressError`] that names the key of the configuration.
    pub fn new(config: &Config, relay: &Relay) -> Result<Self, EgressError> {
        let signer = configured::signer(config)?;
        let transport = Transport::new(configured::transport(config)?)?;
        transport.policies().share(relay.clone());
        let shapes = config::Shape::in_force(&config.egress.shapes);
        let retry = &config.egress.retry;
        let back_off =
            BackOff { first: retry.first, factor: retry.factor, max: retry.max, expire: retry.expire };
        Ok(Self {
            shared: Arc::new(Shared {
                relay: relay.clone(),
                transport,
                signer,
                back_off,
                sending: Sending::new(configured::board(config, relay, &shapes)),
            }),
            concurrency: config.egress.concurrency as usize,
            audit: config.audit.clone(),
            retention: config.retention.clone(),
            reporting: configured::reporting(config),
        })
    }

    /// Delivers until `stop` turns true, then lets running attempts end.
    pub async fn serve(self, mut stop: watch::Receiver<bool>) {
        let ledger = Ledger {
            relay: self.shared.relay.clone(),
            transport: self.shared.transport.clone(),
            reporting: self.reporting.clone(),
        };
        ledger.restore().await;
        let ledger = tokio::spawn(ledger.serve(stop.clone()));
        let mut running = Running::new();
        let sending = self.shared.sending.clone();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut prolong = tokio::time::interval(PROLONG);
        self.shared.relay.store().serve_due();
        let house = housekeeping::keep(
            self.shared.relay.clone(),
            sending.clone(),
            self.retention.clone(),
            stop.clone(),
        );
        let house = tokio::spawn(house);
        let audit = tokio::spawn(auditing::keep(self.shared.relay.clone(), self.audit.clone(), stop.clone()));
        let mut found = Found::More;
        // Twice the longest back-off is more than chance adds to it.
        let mut clock = Clock::new(SLIPS, 2 * self.shared.back_off.max);
        loop {
            if found == Found::More {
                found = self.lease(&mut running).await;
            }
            let store = self.shared.relay.store();
            tokio::select! {
                () = stopped(&mut stop) => break,
                () = std::future::ready(()), if found == Found::More => {}
                () = store.due() => found = Found::More,
                _ = look.tick() => {
                    clock.look(self.shared.relay.store(), LEASE).await;
                    found = Found::More;
                }
                () = sending.ended(), if found == Found::NoRoom => found = Found::More,
                Some(done) = running.tasks.join_next_with_id(), if !running.tasks.is_empty() => running.ended(&done),
                _ = prolong.tick() => { self.prolong(&mut running).await; }
            }
            while let Some(done) = running.tasks.try_join_next_with_id() {
                running.ended(&done);
            }
        }
        let drain = async {
            while !running.tasks.is_empty() {
                tokio::select! {
                    Some(done) = running.tasks.join_next_with_id() => running.ended(&done),
                    _ = prolong.tick() => { self.prolong(&mut running).await; }
                }
            }
        };
        if tokio::time::timeout(DRAIN, drain).await.is_err() {
            tracing::warn!(
                event = "drain_cut",
                "attempts did not end in time; they are repeated after their lease"
            );
        }
        // It has seen the word to stop; what it began is one change.
        let _ = tokio::join!(house, audit);
        self.shared.transport.close().await;
        let _ = ledger.await;
    }

    /// Leases what is due and starts its attempts.
    async fn lease(&self, running: &mut Running) -> Found {
        // After a pause of the database our own leases may be over: they are renewed first, or this process would
        // lease, and send, a second time what it is still sending.
        if running.renewed.elapsed() > 2 * PROLONG && !self.prolong(running).await {
            tokio::time::sleep(REST).await;
            return Found::Nothing;
        }
        let sending = &self.shared.sending;
        let room = (AHEAD * self.concurrency).saturating_sub(running.leases.len());
        let now = Timestamp::now();
        let (rooms, classes) = sending.rooms(now, room);
        let limit = rooms.limit();
        if limit == 0 {
            return Found::NoRoom;
        }
        let claimed = self.shared.relay.store().claim(now, now.after(LEASE), rooms, classes).await;
        let claimed = match claimed {
            Ok(claimed) => claimed,
            Err(fault) => {
                tracing::error!(event = "fault", %fault, "nothing can be leased; trying again");
                tokio::time::sleep(REST).await;
                return Found::Nothing;
            }
        };
        let found = match claimed.work.len() {
            _ if claimed.more => Found::More,
            all if all == limit => Found::More,
            _ if claimed.crowded => Found::NoRoom,
            _ => Found::Nothing,
        };
        let work = claimed.work;
        for work in work {
            running.start(work, self.shared.clone());
        }
        found
    }

    /// Makes all running leases longer. Whether it could be written.
    async fn prolong(&self, running: &mut Running) -> bool {
        // The leases run from before the question: its answer may take long.
        let asked = Instant::now();
        let leases: Vec<(i64, i64)> =
            running.leases.iter().map(|(delivery, lease)| (*delivery, *lease)).collect();
        if !leases.is_empty()
            && let Err(fault) = self.shared.relay.store().extend(leases, Timestamp::now().after(LEASE)).await
        {
            tracing::error!(event = "fault", %fault, "running leases can't be prolonged");
            return false;
        }
        running.renewed = asked;
        true
    }
}

/// What a look into the queue came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// There may be more that is due.
    More,
    /// What is due has to wait until something that is sending ends.
    NoRoom,
    /// Nothing more is due.
    Nothing,
}

/// The attempts under way.
struct Running {
    tasks: JoinSet<()>,
    /// Delivery and lease.
    leases: HashMap<i64, i64>,
    by_task: HashMap<tokio::task::Id, i64>,
    /// When all leases were last known to be good.
    renewed: Instant,
}

impl Running {
    fn new() -> Self {
        let (tasks, leases, by_task) = (JoinSet::new(), HashMap::new(), HashMap::new());
        Self { tasks, leases, by_task, renewed: Instant::now() }
    }

    fn start(&mut self, work: Work, shared: Arc<Shared>) {
        let delivery = work.delivery_id;
        self.leases.insert(delivery, work.lease);
        let place = shared.sending.begin(work.route);
        let handle = self.tasks.spawn(async move { shared.attempt(&work, place).await });
        self.by_task.insert(handle.id(), delivery);
    }

    fn ended(&mut self, done: &Result<(tokio::task::Id, ()), tokio::task::JoinError>) {
        let task = match done {
            Ok((task, ())) => *task,
            // The attempt panicked: its lease ends by itself, and the attempt was counted.
            Err(error) => {
                tracing::error!(
                    event = "panic",
                    "an attempt ended abnormally; it is repeated after its lease"
                );
                error.id()
            }
        };
        if let Some(delivery) = self.by_task.remove(&task) {
            self.leases.remove(&delivery);
        }
    }
}

impl Shared {
    /// One attempt. Its place among those that are sending is free again before the result is written.
    async fn attempt(&self, work: &Work, place: Place) {
        let outbound = match self.relay.outbound(work).await {
            Ok(outbound) => outbound,
            Err(Unsent::Fault(RelayFault::Store(fault))) => {
                tracing::error!(event = "fault", %fault, "a message can't be read; it is tried again after its lease");
                return;
            }
            // The key is on its way from another machine, or to be copied by the operator: nobody decides about that.
            Err(Unsent::Fault(RelayFault::Vault(fault @ VaultError::NotHeld { .. }))) => {
                tracing::error!(event = "fault", %fault, "a message can't be opened yet; it is tried again after its lease");
                return;
            }
            Err(why) => {
                if let Err(fault) = self.relay.hold(work, &why).await {
                    tracing::error!(event = "fault", %fault, "a message can't be held; it is tried after its lease");
                }
                return;
            }
        };
        let mut effect = Effect::Ours;
        let result = match self.send(work, &outbound).await {
            Ok(report) => {
                effect = effect_of(&report);
                self.result(work, &report)
            }
            Err(fault) => {
                tracing::error!(event = "fault", %fault, "a message can't be signed; it is tried again later");
                self.deferred(work, "451 4.3.0".into(), serde_json::json!({ "reason": "not signed" }))
            }
        };
        drop(outbound);
        let word = place.end(effect);
        self.settle(work, &result).await;
        self.tell(work, word).await;
    }

    /// Says what became of a destination, and wakes what waits for one that is back.
    async fn tell(&self, work: &Work, word: Word) {
        let id = queue_id(work.message_id);
        match word {
            Word::Nothing => {}
            Word::Died => {
                tracing::warn!(event = "destination_dead", queue_id = %id, "it is probed, and its mail waits");
            }
            Word::Revived => {
                tracing::info!(event = "destination_back", queue_id = %id);
                let routes = self.sending.board().siblings(work.route);
                if let Err(fault) = self.relay.store().wake(routes, Timestamp::now()).await {
                    tracing::error!(event = "fault", %fault, "what waits for a destination goes when its rest is over");
                }
            }
        }
    }

    async fn send(&self, work: &Work, outbound: &Outbound) -> Result<Report, DkimFault> {
        let chosen = outbound.next_hop.as_ref();
        let route = chosen.map(|hop| Route::parse("*", &hop.next_hop, &hop.tls)).transpose();
        // A word that a later version wrote.
        let Ok(route) = route else {
            let status = Status::ours(451, 3, 5);
            return Ok(Report::nowhere(client::Verdict::deferred(status, Phase::Resolve)));
        };
        let letter = Letter {
            route: route.as_ref(),
            reverse_path: outbound.reverse_path.as_ref(),
            forward_path: &outbound.forward_path,
            message: outbound.message.as_bytes(),
            utf8_headers: outbound.utf8,
            require_tls: outbound.require_tls,
            // What is the installation's own is a report on TLS.
            purpose: if work.merchant_id == INSTALLATION { Purpose::TlsReport } else { Purpose::Mail },
            domain: &outbound.domain,
            messages_per_connection: self.sending.board().messages_per_connection(work.route),
        };
        prepare::send(&self.transport, &self.signer, &letter).await
    }

    fn result(&self, work: &Work, report: &Report) -> AttemptResult {
        let status = report.outcome.status();
        let (class, subject, detail) = status.enhanced_or_general();
        let status = format!("{} {class}.{subject}.{detail}", status.code);
        let detail = serde_json::json!({
            "attempt": work.attempt,
            "status": status,
            "phase": report.phase.name(),
            "next_hop": report.address.map(|address| address.to_string()),
            "tls": report.tls.as_ref().map(|tls| format!("{tls:?}")),
            "tls_failure": report.tls_failure.map(TlsFailure::reason),
            "remote": report.remote_text.as_ref().map(|text| text.reveal()),
            "reused": report.connection_reused,
            "ambiguous": report.outcome.is_ambiguous(),
        });
        let doubt = if report.outcome.is_ambiguous() { Doubt::Ambiguous } else { Doubt::Clear };
        match report.outcome {
            Outcome::Delivered { .. } => {
                AttemptResult { verdict: Verdict::Delivered, status, retry_at: None, doubt, detail }
            }
            Outcome::Failed { .. } => {
                AttemptResult { verdict: Verdict::Failed, status, retry_at: None, doubt, detail }
            }
            Outcome::Deferred { .. } => AttemptResult { doubt, ..self.deferred(work, status, detail) },
        }
    }

    fn deferred(&self, work: &Work, status: String, detail: serde_json::Value) -> AttemptResult {
        let attempts = u32::try_from(work.attempt).unwrap_or(u32::MAX);
        let random = u64::from_be_bytes(crate::vault::random_bytes());
        let retry_at = match self.back_off.after(attempts, self.relay.begun(work), Timestamp::now(), random) {
            NextAttempt::At(at) => Some(at),
            NextAttempt::Expired => None,
        };
        AttemptResult { verdict: Verdict::Deferred, status, retry_at, doubt: Doubt::Clear, detail }
    }

    async fn settle(&self, work: &Work, result: &AttemptResult) {
        let id = queue_id(work.message_id);
        let mut refused = 0;
        loop {
            match self.relay.settle(work, result).await {
                Ok(true) => {
                    let verdict = match result.verdict {
                        Verdict::Delivered => "delivered",
                        Verdict::Deferred => "deferred",
                        Verdict::Failed => "failed",
                    };
                    tracing::info!(event = verdict, queue_id = %id, status = %result.status, attempt = work.attempt);
                    return;
                }
                Ok(false) => {
                    tracing::warn!(event = "lease_lost", queue_id = %id, "another worker took it over");
                    return;
                }
                Err(RelayFault::Store(fault)) if fault.is_passing() || refused < SETTLE_AGAIN => {
                    // Each try has new ids, so one that met an id of another process does not meet it again.
                    refused += u32::from(!fault.is_passing());
                    tracing::error!(event = "fault", %fault, "a result can't be written; trying again");
                    tokio::time::sleep(REST).await;
                }
                Err(fault) => {
                    tracing::error!(event = "fault", %fault, queue_id = %id, "a result was refused");
                    return;
                }
            }
        }
    }
}

/// Waits for the word to stop; a sender that is gone says it too.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// What a report says of the destination, not of the message.
fn effect_of(report: &Report) -> Effect {
    let Outcome::Deferred { status, .. } = report.outcome else { return Effect::Answered };
    match report.phase {
        Phase::Slot => report.crowded.map_or(Effect::Ours, Effect::Crowded),
        // The resolver did not answer: that says nothing of whom it was asked about.
        Phase::Resolve if report.tls_failure.is_none() => Effect::Ours,
        phase if phase < Phase::Reset => Effect::Unreached,
        // Sent away, lost, or silent for too long.
        _ if status.code == 421 || report.remote_text.is_none() => Effect::Slowed,
        _ => Effect::Answered,
    }
}
