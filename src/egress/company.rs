//! Who else is on the spool: this process says what it can't reach, and hears what the others can't.
//!
//! Rules: it says something new at most once a second, and that it is there every [`BEAT`]; one whose beat has stood still for [`GONE`] is
//! absent, one for [`FORGOTTEN`] is deleted. How long the word takes to be written tells how slow the database is (`pace`), also where
//! nothing else is written.
//! When it fails: the fault is logged once; the others become absent, and this process goes on as if it were alone.

use super::pace::Pace;
use super::sending::Sending;
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
/// A word of more octets is said then alone: it changes with each probe of a thousand dead destinations.
const LONG: usize = 16 * 1024;
/// Who has not said so for as long is absent.
const GONE: Duration = Duration::from_secs(20);
/// And is forgotten after this.
const FORGOTTEN: Duration = Duration::from_secs(600);

/// Another process, as it was last seen.
struct Seen {
    beat: i64,
    since: Instant,
    says: Resting,
}

struct Company {
    relay: Relay,
    sending: Sending,
    pace: Pace,
    node: i64,
    beat: i64,
    said: Option<(Resting, Instant)>,
    others: HashMap<i64, Seen>,
    suspects: bool,
    failed: bool,
}

/// Says and hears until `stop` turns true.
pub(super) async fn keep(relay: Relay, sending: Sending, pace: Pace, mut stop: watch::Receiver<bool>) {
    let (node, others) = (random_id(), HashMap::new());
    let mut company =
        Company { relay, sending, pace, node, beat: 0, said: None, others, suspects: false, failed: false };
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
        // Whoever can't be read for long becomes absent too.
        let here = self.others.values().filter(|one| one.since.elapsed() < GONE).map(|one| one.says.clone());
        let here = here.collect();
        self.sending.board().hear(here);
        done
    }

    async fn say(&mut self) -> Result<(), StoreFault> {
        let now = Timestamp::now();
        let says = self.sending.board().resting(now);
        let bytes = says.to_bytes(now);
        let may_wait = |said: &Resting| *said == says || bytes.len() > LONG;
        if self.said.as_ref().is_some_and(|(said, at)| at.elapsed() < BEAT && may_wait(said)) {
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
            let says = Resting::from_bytes(&says, Timestamp::now());
            self.others.insert(node, Seen { beat, since: Instant::now(), says });
        }
        let gone = self.others.iter().filter(|(_, seen)| seen.since.elapsed() > FORGOTTEN);
        let gone: Vec<i64> = gone.map(|(node, _)| *node).collect();
        store.forget_nodes(&gone).await
    }

    /// Tells the operator once that this process does not trust its own way out, and once that it does again.
    fn tell(&mut self) {
        let suspects = self.sending.board().is_in_doubt();
        if suspects == std::mem::replace(&mut self.suspects, suspects) {
            return;
        }
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
