//! Who else is on the spool: this process says what it can't reach, and hears what the others can't.
//!
//! Rules: it says something new at most once a second, and that it is there every [`BEAT`], at its start [`AT_ONCE`] times in a row; another
//! one is present from when its beat is seen to move, so that the row of one that was killed is nobody; one whose beat has stood still for
//! [`GONE`] is absent, one for [`Times::forgotten`] is deleted. How long the word takes to be written tells how slow the database is (`pace`), also where
//! nothing else is written.
//! When it fails: the fault is logged once; the others become absent, and this process goes on as if it were alone.

use super::pace::Pace;
use super::sending::Sending;
use super::times::Times;
use crate::mail::Timestamp;
use crate::relay::Relay;
use crate::schedule::Resting;
use crate::store::{StoreFault, random_id};
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

/// How often the others are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often a process says that it is there.
const BEAT: Duration = Duration::from_secs(5);
/// How often a process that begins says so in a row: the others count it from the second time that they see.
const AT_ONCE: i64 = 3;
/// A word of more octets is said then alone: it changes with each probe of a thousand dead destinations.
const LONG: usize = 16 * 1024;
/// Who has not said so for as long is absent.
const GONE: Duration = Duration::from_secs(20);

/// Another process, as it was last seen.
struct Seen {
    beat: i64,
    since: Instant,
    /// Whether its beat was seen to move: until then it may be a row that a killed process left.
    has_moved: bool,
    says: Resting,
}

impl Seen {
    /// Whether it is there: whoever can't be read for long becomes absent too.
    fn is_there(&self) -> bool {
        self.has_moved && self.since.elapsed() < GONE
    }
}

/// Takes what a process says with this beat.
fn note(others: &mut HashMap<i64, Seen>, node: i64, beat: i64, says: Resting) {
    let has_moved = others.get(&node).is_some_and(|seen| seen.has_moved || seen.beat != beat);
    others.insert(node, Seen { beat, since: Instant::now(), has_moved, says });
}

struct Company {
    relay: Relay,
    sending: Sending,
    pace: Pace,
    times: Times,
    node: i64,
    beat: i64,
    said: Option<(Resting, Instant)>,
    others: HashMap<i64, Seen>,
    suspects: bool,
    failed: bool,
}

/// Says and hears until `stop` turns true.
pub(super) async fn keep(
    relay: Relay,
    sending: Sending,
    (pace, times): (Pace, Times),
    mut stop: watch::Receiver<bool>,
) {
    let (node, others) = (random_id(), HashMap::new());
    let mut company = Company {
        relay,
        sending,
        pace,
        times,
        node,
        beat: 0,
        said: None,
        others,
        suspects: false,
        failed: false,
    };
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = super::scheduler::stopped(&mut stop) => break,
            () = company.round(&mut look) => {}
        }
    }
    // Others need not wait until it is found to be absent. If it can't be said they do.
    let _ = tokio::time::timeout(LOOK, company.relay.store().forget_nodes(&[node])).await;
}

impl Company {
    async fn round(&mut self, look: &mut Interval) {
        look.tick().await;
        let done = self.look().await;
        if let Err(fault) = &done
            && !self.failed
        {
            tracing::error!(event = "fault", %fault, "what other egress processes can reach can't be read");
        }
        self.failed = done.is_err();
        self.tell();
    }

    async fn look(&mut self) -> Result<(), StoreFault> {
        let done = async {
            self.say().await?;
            self.hear().await
        }
        .await;
        let here = self.others.values().filter(|one| one.is_there()).map(|one| one.says.clone());
        let here = here.collect();
        self.sending.board().hear(here);
        done
    }

    async fn say(&mut self) -> Result<(), StoreFault> {
        let now = Timestamp::now();
        let says = self.sending.board().resting(now);
        let bytes = says.to_bytes(now);
        let may_wait = |said: &Resting| *said == says || bytes.len() > LONG;
        let is_known = self.beat >= AT_ONCE;
        if is_known && self.said.as_ref().is_some_and(|(said, at)| at.elapsed() < BEAT && may_wait(said)) {
            return Ok(());
        }
        self.beat += 1;
        let stroke = self.pace.begin();
        self.relay.store().say(self.node, self.beat, &bytes).await?;
        stroke.done();
        self.said = Some((says, Instant::now()));
        Ok(())
    }

    async fn hear(&mut self) -> Result<(), StoreFault> {
        let store = self.relay.store();
        let beats = store.beats().await?;
        self.others.retain(|node, _| beats.iter().any(|(other, _)| other == node));
        for (node, beat) in beats.into_iter().filter(|(node, _)| *node != self.node) {
            if self.others.get(&node).is_some_and(|seen| seen.beat == beat) {
                continue;
            }
            let Some(says) = store.said(node).await? else { continue };
            // Who begins counts this process once it sees its beat move: that shall not take until the next one is due.
            if !self.others.contains_key(&node) {
                self.said = None;
            }
            note(&mut self.others, node, beat, Resting::from_bytes(&says, Timestamp::now()));
        }
        let gone = self.others.iter().filter(|(_, seen)| seen.since.elapsed() > self.times.forgotten());
        let gone: Vec<i64> = gone.map(|(node, _)| *node).collect();
        store.forget_nodes(&gone).await
    }

    /// Tells the operator once that this process does not trust its own way out, and once that it does again.
    fn tell(&mut self) {
        let suspects = self.sending.board().is_in_doubt();
        if suspects == std::mem::replace(&mut self.suspects, suspects) {
            return;
        }
        self.relay.doubt_way_out(suspects);
        if suspects {
            tracing::error!(
                event = "egress_suspects_itself",
                "several destinations that have nothing to do with each other could not be reached, and none could: look at this \
                 machine's network, its source addresses and block lists; other processes send its mail, and it probes"
            );
        } else {
            tracing::info!(event = "egress_trusts_itself", "it sends again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_was_killed_before_this_process_began_is_nobody_and_who_lives_is_there_once_its_beat_moves() {
        let mut others = HashMap::new();
        let there = |others: &HashMap<i64, Seen>| {
            let mut there: Vec<i64> =
                others.iter().filter(|(_, seen)| seen.is_there()).map(|(node, _)| *node).collect();
            there.sort_unstable();
            there
        };
        for node in [1, 2] {
            note(&mut others, node, 7, Resting::default());
        }
        assert!(there(&others).is_empty());
        tokio::time::advance(LOOK).await;
        note(&mut others, 2, 8, Resting::default());
        assert_eq!(there(&others), [2]);
        // What it says once more under the same beat changes nothing.
        note(&mut others, 2, 8, Resting::default());
        note(&mut others, 1, 7, Resting::default());
        assert_eq!(there(&others), [2]);
        tokio::time::advance(GONE).await;
        assert!(there(&others).is_empty());
        // It was cut off for a while.
        note(&mut others, 2, 9, Resting::default());
        assert_eq!(there(&others), [2]);
    }
}
