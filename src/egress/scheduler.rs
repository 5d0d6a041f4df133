//! The scheduler: leases what is due, gives each delivery to a task, writes the results.
//!
//! Rules: an attempt is counted and its lease written before the first packet. How many are sending at once, in all and
//! to one destination, the board says (`schedule::Board`), so that a slow one holds up only its own; while a result is
//! being written the next attempt already sends. Leases are in `leases`, results in `outcomes`.
//! When it fails: while the database is away nothing is leased; what is under way is settled when it is back.

use super::auditing;
use super::clock::{Clock, Trust};
use super::company;
use super::configured;
use super::dkim::{DkimFault, Signer};
use super::housekeeping::{self, House};
use super::leases::{Found, Running};
use super::memory::{Memory, Share};
use super::pace::Pace;
use super::prepare::{self, Letter};
use super::route::Route;
use super::sending::{Place, Sending};
use super::times::Times;
use super::tls_report::{Ledger, Reporting};
use super::webhooks::Webhooks;
use super::{Dotted, EgressFault, JsonFault, Purpose, Report, Transport};
use crate::config::{self, Config, Retention};
use crate::mail::Timestamp;
use crate::relay::{Outbound, Relay, RelayFault, Unsent, queue_id};
use crate::schedule::{BackOff, Class, Effect, Word};
use crate::smtp::client::{self, Phase, Status};
use crate::store::Work;
use crate::vault::VaultError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often the queue is looked at for what has become due meanwhile, or was accepted by another process.
const LOOK: Duration = Duration::from_millis(500);
/// How far back the clock may go unnoticed.
const SLIPS: Duration = Duration::from_secs(2);
/// An attempt that lasts for longer waits aside: its place is another's.
const LASTS: Duration = Duration::from_secs(15);
/// How long the result of the last attempt may take to be written after a stop was asked for.
const LAST_WORDS: Duration = Duration::from_secs(30);

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
    #[error("webhooks.authorities: {0}")]
    Webhooks(#[from] JsonFault),
}

/// The way out.
pub struct Egress {
    pub(super) shared: Arc<Shared>,
    pub(super) concurrency: usize,
    audit: config::Audit,
    retention: Retention,
    reporting: Reporting,
    /// None where no host may have any.
    webhooks: Option<Arc<Webhooks>>,
    /// How long attempts may take to end after a stop was asked for: those before their final dot, and those behind it.
    drain: (Duration, Duration),
}

pub(super) struct Shared {
    pub relay: Relay,
    transport: Transport,
    signer: Signer,
    pub back_off: BackOff,
    pub sending: Sending,
    pub memory: Memory,
    pub trust: Trust,
    pub pace: Pace,
    pub times: Times,
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
        let (retry, times) = (&config.egress.retry, Times { lease: config.egress.lease });
        let back_off =
            BackOff { first: retry.first, factor: retry.factor, max: retry.max, expire: retry.expire };
        Ok(Self {
            shared: Arc::new(Shared {
                relay: relay.clone(),
                transport,
                signer,
                back_off,
                sending: Sending::new(configured::board(config, relay, &shapes)),
                memory: Memory::new(config.egress.memory.octets()),
                trust: Trust::default(),
                pace: Pace::new(times),
                times,
            }),
            concurrency: config.egress.concurrency as usize,
            audit: config.audit.clone(),
            retention: config.retention.clone(),
            reporting: configured::reporting(config),
            webhooks: Webhooks::new(config, relay)?.map(Arc::new),
            drain: {
                let times = &config.egress.timeouts;
                (times.drain, times.drain + times.dot + LAST_WORDS)
            },
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
        let times = self.shared.times;
        let mut running = Running::new(times);
        let sending = self.shared.sending.clone();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut prolong = tokio::time::interval(times.prolong());
        self.shared.relay.store().serve_due();
        let house = housekeeping::keep(
            self.shared.relay.clone(),
            sending.clone(),
            self.retention.clone(),
            House { trust: self.shared.trust.clone(), longest: 2 * self.shared.back_off.max },
            stop.clone(),
        );
        let house = tokio::spawn(house);
        let webhooks = self.webhooks.clone().map(|webhooks| tokio::spawn(webhooks.serve(stop.clone())));
        let company = company::keep(
            self.shared.relay.clone(),
            sending.clone(),
            (self.shared.pace.clone(), times),
            stop.clone(),
        );
        let company = tokio::spawn(company);
        let audit = tokio::spawn(auditing::keep(self.shared.relay.clone(), self.audit.clone(), stop.clone()));
        let mut found = Found::More;
        // Twice the longest back-off is more than chance adds to it.
        let mut clock = Clock::new(SLIPS, 2 * self.shared.back_off.max, self.shared.trust.clone());
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
                    clock.look(self.shared.relay.store(), times.lease).await;
                    found = Found::More;
                }
                () = sending.ended(), if found == Found::NoRoom => found = Found::More,
                Some(done) = running.tasks.join_next_with_id(), if !running.tasks.is_empty() => running.ended(&done, &self.shared),
                _ = prolong.tick() => { self.prolong(&mut running).await; }
            }
            while let Some(done) = running.tasks.try_join_next_with_id() {
                running.ended(&done, &self.shared);
            }
        }
        let (brief, whole) = self.drain;
        let drain = async {
            let mut cut = std::pin::pin!(tokio::time::sleep(brief));
            let mut is_cut = false;
            while !running.tasks.is_empty() {
                tokio::select! {
                    Some(done) = running.tasks.join_next_with_id() => running.ended(&done, &self.shared),
                    _ = prolong.tick() => { self.prolong(&mut running).await; }
                    () = &mut cut, if !is_cut => {
                        is_cut = true;
                        let left = running.cut();
                        tracing::warn!(
                            event = "drain_cut",
                            left,
                            "attempts did not end in time and are given back; those that sent their final dot wait for its reply"
                        );
                    }
                }
            }
        };
        if tokio::time::timeout(whole, drain).await.is_err() {
            tracing::warn!(
                event = "drain_cut",
                left = running.tasks.len(),
                "attempts were broken off behind their final dot, or could not be written; they are repeated after their lease"
            );
        }
        // What is cut off holds connections, which are waited for below.
        drop(running);
        // It has seen the word to stop; what it began is one change.
        let _ = tokio::join!(house, audit, company);
        if let Some(webhooks) = webhooks {
            let _ = webhooks.await;
        }
        self.shared.transport.close().await;
        let _ = ledger.await;
    }
}

impl Shared {
    /// One attempt. Its place among those that are sending is free again before the result is written.
    pub async fn attempt(&self, work: &Work, mut place: Place, share: Share, dotted: &Dotted) {
        let outbound = self.relay.outbound(work).await;
        if outbound.is_err() {
            // What follows is written in its own time, also after a stop was asked for.
            dotted.set();
        }
        let outbound = match outbound {
            Ok(outbound) => outbound,
            Err(Unsent::Fault(RelayFault::Store(fault))) if fault.is_passing() => {
                tracing::error!(event = "fault", %fault, "a message can't be read; it is tried again in a minute");
                return self.give_back(work).await;
            }
            // The key is on its way from another machine, or to be copied by the operator: nobody decides about that.
            Err(Unsent::Fault(RelayFault::Vault(fault @ VaultError::NotHeld { .. }))) => {
                tracing::error!(event = "fault", %fault, "a message can't be opened yet; it is tried again in a minute");
                return self.give_back(work).await;
            }
            Err(why) => return self.hold(work, &why).await,
        };
        let mut effect = Effect::Ours;
        let begun = tokio::time::Instant::now();
        let sent = {
            let mut sent = std::pin::pin!(self.send(work, &outbound, dotted));
            tokio::select! {
                sent = &mut sent => sent,
                () = tokio::time::sleep(LASTS) => {
                    place.step_aside();
                    sent.await
                }
            }
        };
        let result = match sent {
            Ok(report) => {
                let (report, said) = self.weigh(work, &outbound, report);
                effect = said;
                // Who can reach it has it at once; that this process could not says nothing of the mail.
                let is_ours =
                    matches!(effect, Effect::Unreached | Effect::Unresolved) && report.remote_text.is_none();
                let (whose, now) = ((work.delivery_id, work.route), Timestamp::now());
                let is_left = is_ours
                    && now < work.expires_at
                    && self.sending.board().leave(whose, now, begun.elapsed());
                if is_left { self.left(work, &report) } else { self.result(work, &report) }
            }
            Err(fault) => {
                tracing::error!(event = "fault", %fault, "a message can't be signed; it is tried again later");
                self.deferred(work, "451 4.3.0".into(), serde_json::json!({ "reason": "not signed" }))
            }
        };
        // Written in its own time, also after a stop was asked for.
        dotted.set();
        drop((outbound, share));
        let word = place.end(effect);
        self.settle(work, &result).await;
        self.tell(work, word).await;
    }

    /// Holds what must not be sent. Who lost its lease holds nothing: another may have delivered it, and then its body is gone.
    async fn hold(&self, work: &Work, why: &Unsent) {
        let held = match self.relay.store().has_lease(work.delivery_id, work.lease).await {
            Ok(true) => self.relay.hold(work, why).await.map(|_| ()),
            Ok(false) => {
                let id = queue_id(work.message_id);
                tracing::warn!(event = "lease_lost", queue_id = %id, "another worker took it over");
                return;
            }
            Err(fault) => Err(fault.into()),
        };
        if let Err(fault) = held {
            tracing::error!(event = "fault", %fault, "a message can't be held; it is tried again in a minute");
            self.give_back(work).await;
        }
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

    async fn send(&self, work: &Work, outbound: &Outbound, dotted: &Dotted) -> Result<Report, DkimFault> {
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
            purpose: purpose(work, outbound),
            domain: &outbound.domain,
            messages_per_connection: self.sending.board().messages_per_connection(work.route),
            dotted,
        };
        prepare::send(&self.transport, &self.signer, &letter).await
    }
}

fn purpose(work: &Work, outbound: &Outbound) -> Purpose {
    match work.class {
        _ if outbound.tells_of_tls => Purpose::TlsReport,
        Class::Bulk => Purpose::Bulk,
        Class::Notice | Class::Order => Purpose::Mail,
    }
}

/// Waits for the word to stop; a sender that is gone says it too.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
