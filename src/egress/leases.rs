//! Leases: what is due is taken for a minute (`times`), and for longer as long as it is being sent.
//!
//! Rules: a running lease is prolonged; when this process dies its leases end by themselves. Leases end by one clock on all
//! machines, the database server's where there is one, and by this machine's; what is due is due by this machine's alone. Before anything is taken over whose lease is over, this process must have been
//! in touch with the database for a while ([`Times::grace`]): who had it may have been cut off by the same outage, and be about to write that
//! it was delivered. Where the database is slow to write (`pace`), leases are asked for longer, and nothing is taken over: who had
//! it may live, and wait for the commit that prolongs it.
//! When it fails: nothing is leased; what is under way goes on.

use super::Dotted;
use super::memory::Memory;
use super::outcomes::NO_MEMORY;
use super::scheduler::{Egress, Shared};
use super::times::Times;
use crate::mail::Timestamp;
use crate::relay::{Relay, queue_id};
use crate::store::{Leases, Work};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

/// Leases held for each attempt that may be sending: results of the others are being written.
const AHEAD: usize = 4;
/// Looks that leased nothing, though there may be more, before one waits as for an empty queue.
const IN_VAIN: u32 = 50;
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

/// When what was leased is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Starts {
    Now,
    /// It is put off, untried.
    Later,
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

/// An attempt under way.
struct Task {
    work: Arc<Work>,
    dotted: Arc<Dotted>,
    handle: AbortHandle,
}

/// The attempts under way.
pub(super) struct Running {
    pub tasks: JoinSet<()>,
    /// Delivery and lease.
    leases: HashMap<i64, i64>,
    by_task: HashMap<tokio::task::Id, Task>,
    clock: LeaseClock,
    times: Times,
    /// When all leases were last known to be good, by both clocks.
    renewed: (Instant, Timestamp),
    /// When something could last be leased.
    claimed: Option<Instant>,
    /// Until when what others had is left to them.
    spares_until: Option<Instant>,
    /// Looks since the last that leased something.
    in_vain: u32,
}

impl Running {
    pub fn new(times: Times) -> Self {
        Self {
            times,
            tasks: JoinSet::new(),
            leases: HashMap::new(),
            by_task: HashMap::new(),
            clock: LeaseClock { ahead: 0, asked: None },
            renewed: (Instant::now(), Timestamp::now()),
            claimed: None,
            spares_until: None,
            in_vain: 0,
        }
    }

    fn start(&mut self, work: Work, shared: Arc<Shared>, starts: Starts) {
        let (delivery, work) = (work.delivery_id, Arc::new(work));
        // Taken a second time while it is being sent, by whatever moved the clock: the first attempt says what becomes of it, under
        // the new lease, so that nobody else takes it meanwhile.
        if self.leases.insert(delivery, work.lease).is_some() {
            return;
        }
        if starts == Starts::Later {
            let (of_task, dotted) = (work.clone(), Arc::new(Dotted::default()));
            dotted.set();
            let handle = self.tasks.spawn(async move {
                shared
                    .put_off_untried(&of_task, shared.times.lease, "another process may be sending it")
                    .await;
            });
            self.by_task.insert(handle.id(), Task { work, dotted, handle });
            return;
        }
        let octets = usize::try_from(work.size).unwrap_or(usize::MAX);
        // One that waits for memory has no place yet, so that it keeps none from others; only a few may wait.
        let place = Memory::is_free_of_charge(octets).then(|| shared.sending.begin(work.route));
        let dotted = Arc::new(Dotted::default());
        let of_task = (work.clone(), dotted.clone());
        let handle = self.tasks.spawn(async move {
            let Ok(share) = shared.memory.take(octets).await else {
                return shared.put_off_untried(&work, NO_MEMORY, "no memory for it just now").await;
            };
            let place = place.unwrap_or_else(|| shared.sending.begin(work.route));
            shared.attempt(&work, place, share, &dotted).await;
        });
        let (work, dotted) = of_task;
        self.by_task.insert(handle.id(), Task { work, dotted, handle });
    }

    /// Breaks off what has not sent its final dot, to be given back; how many go on.
    pub fn cut(&mut self) -> usize {
        let (open, dotted): (Vec<&Task>, Vec<&Task>) =
            self.by_task.values().partition(|task| task.dotted.cut());
        open.iter().for_each(|task| task.handle.abort());
        dotted.len()
    }

    /// Whether this process was without the database for so long that others may have been too.
    fn was_away(&self) -> bool {
        self.claimed.is_none_or(|at| at.elapsed() > self.times.away())
    }

    /// The database answered, while there may be no room for more. That does not end having been away: only a look does.
    fn was_heard(&mut self) {
        if !self.was_away() && !self.leases.is_empty() {
            self.claimed = Some(Instant::now());
        }
    }

    /// Notes the end of an attempt.
    pub fn ended(
        &mut self,
        done: &Result<(tokio::task::Id, ()), tokio::task::JoinError>,
        shared: &Arc<Shared>,
    ) {
        let (task, broken) = match done {
            Ok((task, ())) => (*task, None),
            Err(error) => (error.id(), Some(error)),
        };
        let Some(Task { work, .. }) = self.by_task.remove(&task) else { return };
        let Some(broken) = broken else {
            self.leases.remove(&work.delivery_id);
            return;
        };
        let is_given_back = broken.is_cancelled();
        if !is_given_back {
            tracing::error!(event = "panic", "an attempt ended abnormally; it is repeated later");
        }
        // Its lease stays ours until that is written: at once again would be at once again the same.
        let (shared, of_task) = (shared.clone(), work.clone());
        let handle = self.tasks.spawn(async move {
            if is_given_back {
                shared.put_off_untried(&of_task, Duration::ZERO, "given back at a stop").await;
            } else {
                shared.put_off(&of_task, "the attempt ended abnormally").await;
            }
        });
        // That is written in its own time.
        let dotted = Arc::new(Dotted::default());
        dotted.set();
        self.by_task.insert(handle.id(), Task { work, dotted, handle });
    }
}

impl Egress {
    /// Leases what is due and starts its attempts.
    pub(super) async fn lease(&self, running: &mut Running) -> Found {
        let relay = &self.shared.relay;
        // After a pause of the database our own leases may be over, and after a leap of the clock: they are renewed first, or
        // this process would lease, and send, a second time what it is still sending.
        let now = running.clock.now(relay).await;
        let times = self.shared.times;
        let longest = if self.shared.pace.is_slow() { times.prolong() } else { 2 * times.prolong() };
        let is_stale = running.renewed.0.elapsed() > longest || now.since(running.renewed.1) > longest;
        if is_stale && !self.prolong(running).await {
            tokio::time::sleep(times.rest()).await;
            return Found::Nothing;
        }
        let sending = &self.shared.sending;
        let room = (AHEAD * self.concurrency).saturating_sub(running.leases.len());
        let (rooms, classes) = sending.rooms(Timestamp::now(), room);
        let limit = rooms.limit();
        if limit == 0 {
            return Found::NoRoom;
        }
        let was_away = running.was_away();
        let pace = &self.shared.pace;
        let spares =
            was_away || pace.is_slow() || running.spares_until.is_some_and(|until| Instant::now() < until);
        let leases = if spares { Leases::Left } else { Leases::TakenOver(now) };
        let local = Timestamp::now();
        let until = local.max(now).after(times.lease + pace.allowance());
        let (stroke, asked) = (pace.begin(), Instant::now());
        let claimed = relay.store().claim(local, until, rooms, classes, leases).await;
        let claimed = match claimed {
            Ok(claimed) => {
                stroke.done();
                claimed
            }
            Err(fault) => {
                tracing::error!(event = "fault", %fault, "nothing can be leased; trying again");
                tokio::time::sleep(times.rest()).await;
                return Found::Nothing;
            }
        };
        if was_away {
            running.spares_until = Some(Instant::now() + times.grace());
        }
        running.claimed = Some(Instant::now());
        running.in_vain = if claimed.work.is_empty() { running.in_vain.saturating_add(1) } else { 0 };
        let found = match claimed.work.len() {
            // What is spared, or over by one clock alone, is found again and again.
            0 if spares || running.in_vain > IN_VAIN => Found::Nothing,
            _ if claimed.more => Found::More,
            all if all == limit => Found::More,
            _ if claimed.crowded => Found::NoRoom,
            _ => Found::Nothing,
        };
        for unreadable in &claimed.unreadable {
            tracing::error!(
                event = "fault",
                queue_id = queue_id(*unreadable),
                "a delivery can't be read: its row was altered, or its message or key is gone; it is held"
            );
        }
        // The commit took so long that who had it may have prolonged it meanwhile, and be about to say what became of it.
        let is_late = leases != Leases::Left && asked.elapsed() > times.slow();
        for work in claimed.work {
            // One that was never leased before is nobody else's.
            let may_be_anothers = is_late && work.attempt > 1;
            let starts = if may_be_anothers { Starts::Later } else { Starts::Now };
            running.start(work, self.shared.clone(), starts);
        }
        found
    }

    /// Makes all running leases longer. Whether it could be written.
    pub(super) async fn prolong(&self, running: &mut Running) -> bool {
        // The leases run from before the question: its answer may take long.
        let asked = (Instant::now(), running.clock.now(&self.shared.relay).await);
        let leases: Vec<(i64, i64)> =
            running.leases.iter().map(|(delivery, lease)| (*delivery, *lease)).collect();
        if !leases.is_empty() {
            let pace = &self.shared.pace;
            let until = asked.1.max(Timestamp::now()).after(self.shared.times.lease + pace.allowance());
            let stroke = pace.begin();
            let prolonged = self.shared.relay.store().extend(leases, until).await;
            if let Err(fault) = prolonged {
                tracing::error!(event = "fault", %fault, "running leases can't be prolonged");
                return false;
            }
            stroke.done();
        }
        running.renewed = asked;
        running.was_heard();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_was_away_leaves_what_others_had_alone_although_its_own_leases_could_be_prolonged() {
        let times = Times { lease: Duration::from_secs(60) };
        let mut running = Running::new(times);
        assert!(running.was_away(), "at its start");
        running.claimed = Some(Instant::now());
        running.leases.insert(1, 1);
        for _ in 0..10 {
            tokio::time::advance(times.prolong()).await;
            running.was_heard();
        }
        assert!(!running.was_away(), "full, and in touch");
        tokio::time::advance(times.away() + times.prolong()).await;
        // What it had is renewed first when the database is back.
        running.was_heard();
        assert!(running.was_away());
    }
}
