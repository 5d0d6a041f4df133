//! What has to be done now and then beside sending: pauses, deliveries of older versions, holds and waits that are over,
//! the purge, retention, notices that addresses end.
//!
//! Rules: it runs beside the scheduler, so that none of it keeps a mail from being sent; each step reads or changes a
//! bounded number of rows. Every egress process does all of it, and of two that do the same the first counts.
//! When it fails: the fault is logged, and the next round tries again.

use super::clock::Trust;
use super::marks::Marks;
use super::sending::Sending;
use crate::config::Retention;
use crate::mail::Timestamp;
use crate::relay::{Piece, Relay, RelayFault};
use crate::schedule::Left;
use crate::store::Rewind;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

/// How often pauses are read: a pause is in force everywhere after at most this long.
const PAUSES: Duration = Duration::from_secs(2);
/// How often holds and waits are looked at, and deliveries of older versions.
const DEADLINES: Duration = Duration::from_secs(5);
/// How long one round looks, 100 deliveries at a time: an outage of days may end for a million at once, and a pause must not wait for them; then others have their turn.
const LOOKS: Duration = Duration::from_secs(1);
/// How often ended deliveries are purged.
const PURGE: Duration = Duration::from_secs(600);
/// How often a piece of what is due by retention is destroyed.
const DESTROY: Duration = Duration::from_secs(60);

/// What the house goes by.
pub(super) struct House {
    /// Whether mail may be given up by the clock. Whether anything may be destroyed by it the relay judges, more strictly.
    pub trust: Trust,
    /// No delivery waits for longer.
    pub longest: Duration,
}

/// Keeps house until `stop` turns true.
pub(super) async fn keep(
    relay: Relay,
    sending: Sending,
    retention: Retention,
    house: House,
    mut stop: watch::Receiver<bool>,
) {
    let mut ticks = [PAUSES, DEADLINES, PURGE, DESTROY].map(interval);
    ticks.iter_mut().for_each(|tick| tick.set_missed_tick_behavior(MissedTickBehavior::Delay));
    let [pauses_tick, deadlines_tick, purge_tick, destroy_tick] = &mut ticks;
    // Not at once: after an upgrade the oldest hours of the log are entered into the audit tree first.
    destroy_tick.reset();
    let mut doubted = false;
    let mut marks = Marks::default();
    loop {
        let (done, what) = tokio::select! {
            () = super::scheduler::stopped(&mut stop) => return,
            _ = pauses_tick.tick() => {
                let done = pauses(&relay, &sending).await;
                (done.and(marks.look(&relay, &sending).await), "pauses and ends of rests can't be read")
            }
            _ = deadlines_tick.tick() => {
                let done = deadlines(&relay, &sending, &house).await.map(|more| {
                    if more {
                        deadlines_tick.reset_immediately();
                    }
                });
                (done, "what waits for too long can't be ended")
            }
            _ = purge_tick.tick() => {
                let done = purge(&relay, &retention, &house, &mut doubted).await;
                (done, "ended deliveries can't be purged")
            }
            _ = destroy_tick.tick() => {
                let done = destroy(&relay, &retention, Piece::Days, &mut doubted).await;
                (done, "what is due by retention can't be destroyed")
            }
        };
        if let Err(fault) = done {
            tracing::error!(event = "fault", %fault, what);
        }
    }
}

async fn pauses(relay: &Relay, sending: &Sending) -> Result<(), RelayFault> {
    let routes: Vec<i64> = relay.store().paused().await?.iter().map(|row| row.route).collect();
    let resumed = sending.board().pause(&routes);
    if !resumed.is_empty() {
        relay.store().wake(Left::Only(resumed), Timestamp::now()).await?;
    }
    Ok(())
}

/// Tells and ends what is due. Whether there is more.
async fn deadlines(relay: &Relay, sending: &Sending, house: &House) -> Result<bool, RelayFault> {
    let now = Timestamp::now();
    // As many as there are: an upgrade may find millions.
    while relay.store().adopt(now).await? > 0 {
        relay.store().ring();
    }
    house.trust.agrees(relay.clock_doubt(now).await?.is_none());
    if !house.trust.is_good() {
        return Ok(false);
    }
    relay.end_holds(now).await?;
    let begun = Instant::now();
    while begun.elapsed() < LOOKS {
        if !relay.look_at_waiting(now, |route| sending.board().is_blocked(route, now)).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Destroys what is due, unless the clock is in doubt, which is said once.
async fn destroy(
    relay: &Relay,
    retention: &Retention,
    piece: Piece,
    doubted: &mut bool,
) -> Result<(), RelayFault> {
    let doubt = relay.keep_retention(retention, piece, Timestamp::now()).await?;
    let was_doubted = std::mem::replace(doubted, doubt.is_some());
    if let Some(doubt) = doubt.filter(|_| !was_doubted) {
        tracing::error!(event = "clock_in_doubt", %doubt);
    }
    Ok(())
}

async fn purge(
    relay: &Relay,
    retention: &Retention,
    house: &House,
    doubted: &mut bool,
) -> Result<(), RelayFault> {
    let now = Timestamp::now();
    // What was written while a clock was ahead would wait until it is there again, also where nobody saw it go back.
    // Where the server's clock contradicts this one, it is this one that may be behind.
    if relay.clock_doubt(now).await?.is_none() && relay.store().waits_beyond(now.after(house.longest)).await?
    {
        tracing::warn!(
            event = "waits_too_long",
            "something waits for longer than any mail does; it is due now"
        );
        let rewind = Rewind { was: now, now, longest: house.longest };
        while relay.store().rewind(rewind).await? > 0 {}
    }
    destroy(relay, retention, Piece::Queue, doubted).await?;
    // Whom the access log may name stays as long as it; a clock in doubt ends nobody.
    let period = i64::try_from(retention.access.period.as_millis()).unwrap_or(i64::MAX);
    let ended_before = Timestamp::from_millis(now.as_millis().saturating_sub(period));
    relay.forget_menu((!*doubted).then_some(ended_before), now).await?;
    relay.clear_fast_hashes(now).await?;
    if *doubted { Ok(()) } else { relay.tell_of_ends(now).await }
}
