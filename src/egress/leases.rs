//! Leases: what is due is taken for a minute, and for longer as long as it is being sent.
//!
//! Rules: a running lease is prolonged; when this process dies its leases end by themselves. Leases end by one clock on all
//! machines, the database server's where there is one, and by this machine's; what is due is due by this machine's alone. Before anything is taken over whose lease is over, this process must have been
//! in touch with the database for [`GRACE`]: who had it may have been cut off by the same outage, and be about to write that
//! it was delivered.
//! When it fails: nothing is leased; what is under way goes on.

use super::scheduler::{Egress, REST, Shared};
use crate::mail::Timestamp;
use crate::relay::Relay;
use crate::store::{Leases, Work};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Leases held for each attempt that may be sending: results of the others are being written.
const AHEAD: usize = 4;
/// How long a lease lasts. A dead process's deliveries wait this long.
pub(super) const LEASE: Duration = Duration::from_secs(60);
/// How often running leases are prolonged.
pub(super) const PROLONG: Duration = Duration::from_secs(15);
/// How long others have after an outage to write what they did meanwhile; results are tried every ten seconds at least.
const GRACE: Duration = Duration::from_secs(20);
/// How often the server is asked for its time.
const ASK_TIME: Duration = Duration::from_secs(30);
/// A clock that moves so much against one that only goes forward was set.
const SET: Duration = Duration::from_secs(2);
/// Clocks that differ by more are told of.
const DIFFER: Duration = Duration::from_secs(10);

/// What a look into the queue came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// There may be more that is due.
    More,
    /// What is due has to wait until something that is sending ends.
    NoRoom,
    /// Nothing more is due.
    Nothing,
}

/// The clock that leases go by.
struct LeaseClock {
    /// By how much the server's is ahead of ours, in milliseconds.
    ahead: i64,
    asked: Option<(Timestamp, Instant)>,
}

impl LeaseClock {
    /// The time now. While the server does not say it, that which it last implied.
    async fn now(&mut self, relay: &Relay) -> Timestamp {
        let (wall, steady) = (Timestamp::now(), Instant::now());
        let is_known = self.asked.is_some_and(|(then, since)| {
            let expected = then.after(steady.duration_since(since));
            let moved = expected.since(wall).max(wall.since(expected));
            moved < SET && steady.duration_since(since) < ASK_TIME
        });
        if !is_known && let Ok(server) = relay.store().server_time().await {
            let wall = Timestamp::now();
            self.asked = Some((wall, Instant::now()));
            let ahead = server.map_or(0, |server| server.as_millis().saturating_sub(wall.as_millis()));
            let moved = Duration::from_millis(ahead.abs_diff(self.ahead));
            if moved > SET && Duration::from_millis(ahead.unsigned_abs()) > DIFFER {
                tracing::warn!(
                    event = "clock_differs",
                    milliseconds = ahead,
                    "this clock and the database server's differ; leases go by the server's, all else by this: set the clocks"
                );
            }
            self.ahead = ahead;
        }
        Timestamp::from_millis(Timestamp::now().as_millis().saturating_add(self.ahead))
    }
}

/// The attempts under way.
pub(super) struct Running {
    pub tasks: JoinSet<()>,
    /// Delivery and lease.
    leases: HashMap<i64, i64>,
    by_task: HashMap<tokio::task::Id, Arc<Work>>,
    clock: LeaseClock,
    /// When all leases were last known to be good, by both clocks.
    renewed: (Instant, Timestamp),
    /// When something could last be leased.
    claimed: Option<Instant>,
    /// Until when what others had is left to them.
    spares_until: Option<Instant>,
}

impl Running {
    pub fn new() -> Self {
        Self {
            tasks: JoinSet::new(),
            leases: HashMap::new(),
            by_task: HashMap::new(),
            clock: LeaseClock { ahead: 0, asked: None },
            renewed: (Instant::now(), Timestamp::now()),
            claimed: None,
            spares_until: None,
        }
    }

    fn start(&mut self, work: Work, shared: Arc<Shared>) {
        let (delivery, work) = (work.delivery_id, Arc::new(work));
        // Taken a second time while it is being sent, by whatever moved the clock: the first attempt says what becomes of it, under
        // the new lease, so that nobody else takes it meanwhile.
        if self.leases.insert(delivery, work.lease).is_some() {
            return;
        }
        let place = shared.sending.begin(work.route);
        let of_task = work.clone();
        let handle = self.tasks.spawn(async move { shared.attempt(&work, place).await });
        self.by_task.insert(handle.id(), of_task);
    }

    /// Notes the end of an attempt.
    pub fn ended(
        &mut self,
        done: &Result<(tokio::task::Id, ()), tokio::task::JoinError>,
        shared: &Arc<Shared>,
    ) {
        let (task, is_whole) = match done {
            Ok((task, ())) => (*task, true),
            Err(error) => (error.id(), false),
        };
        let Some(work) = self.by_task.remove(&task) else { return };
        if is_whole {
            self.leases.remove(&work.delivery_id);
            return;
        }
        tracing::error!(event = "panic", "an attempt ended abnormally; it is repeated later");
        // Its lease stays ours until that is written: at once again would be at once again the same.
        let (shared, of_task) = (shared.clone(), work.clone());
        let handle = self.tasks.spawn(async move {
            shared.put_off(&work, shared.back_off.max, "the attempt ended abnormally").await
        });
        self.by_task.insert(handle.id(), of_task);
    }
}

impl Egress {
    /// Leases what is due and starts its attempts.
    pub(super) async fn lease(&self, running: &mut Running) -> Found {
        let relay = &self.shared.relay;
        // After a pause of the database our own leases may be over, and after a leap of the clock: they are renewed first, or
        // this process would lease, and send, a second time what it is still sending.
        let now = running.clock.now(relay).await;
        let is_stale =
            running.renewed.0.elapsed() > 2 * PROLONG || now.since(running.renewed.1) > 2 * PROLONG;
        if is_stale && !self.prolong(running).await {
            tokio::time::sleep(REST).await;
            return Found::Nothing;
        }
        let sending = &self.shared.sending;
        let room = (AHEAD * self.concurrency).saturating_sub(running.leases.len());
        let (rooms, classes) = sending.rooms(Timestamp::now(), room);
        let limit = rooms.limit();
        if limit == 0 {
            return Found::NoRoom;
        }
        let was_away = running.claimed.is_none_or(|at| at.elapsed() > LEASE / 2);
        let spares = was_away || running.spares_until.is_some_and(|until| Instant::now() < until);
        let leases = if spares { Leases::Left } else { Leases::TakenOver(now) };
        let local = Timestamp::now();
        let until = local.max(now).after(LEASE);
        let claimed = match relay.store().claim(local, until, rooms, classes, leases).await {
            Ok(claimed) => claimed,
            Err(fault) => {
                tracing::error!(event = "fault", %fault, "nothing can be leased; trying again");
                tokio::time::sleep(REST).await;
                return Found::Nothing;
            }
        };
        if was_away {
            running.spares_until = Some(Instant::now() + GRACE);
        }
        running.claimed = Some(Instant::now());
        let found = match claimed.work.len() {
            // What is spared is found again and again.
            0 if spares => Found::Nothing,
            _ if claimed.more => Found::More,
            all if all == limit => Found::More,
            _ if claimed.crowded => Found::NoRoom,
            _ => Found::Nothing,
        };
        for work in claimed.work {
            running.start(work, self.shared.clone());
        }
        found
    }

    /// Makes all running leases longer. Whether it could be written.
    pub(super) async fn prolong(&self, running: &mut Running) -> bool {
        // The leases run from before the question: its answer may take long.
        let asked = (Instant::now(), running.clock.now(&self.shared.relay).await);
        let leases: Vec<(i64, i64)> =
            running.leases.iter().map(|(delivery, lease)| (*delivery, *lease)).collect();
        if !leases.is_empty()
            && let Err(fault) =
                self.shared.relay.store().extend(leases, asked.1.max(Timestamp::now()).after(LEASE)).await
        {
            tracing::error!(event = "fault", %fault, "running leases can't be prolonged");
            return false;
        }
        running.renewed = asked;
        // The database answers, also while there is no room for more.
        if running.claimed.is_some() && !running.leases.is_empty() {
            running.claimed = Some(Instant::now());
        }
        true
    }
}
