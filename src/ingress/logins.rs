//! Logins that are being looked at: each network has a few turns, so that one that sends many wrong passwords at once keeps
//! only itself waiting.
//!
//! Rules: a network is an IPv4 /24 or an IPv6 /56; at most [`AT_ONCE`] of its logins are looked at together, the others wait
//! in the order in which they came, none for longer than [`PATIENCE`]. Those behind one that is right find it remembered, and
//! cost no hash of their own. Networks in which nobody is waiting are forgotten.
//! When it fails: [`Denied`]; nothing was looked at.

use super::limiter::{Limited, Loan};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Logins of one network that are looked at at once: of the hashes that may wait (`relay::hashes`) a sixteenth.
const AT_ONCE: usize = 4;
/// How long one may wait for its network's turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a login is not looked at.
#[derive(Debug)]
pub(super) enum Denied {
    Limited(Limited),
    /// Too many of its network wait.
    Busy,
}

/// A login that is being looked at. Nothing of it counts for a peer of an exempt network.
#[derive(Default)]
pub(super) struct Attempt {
    /// The next of its network has it when this one is dropped.
    #[expect(dead_code, reason = "held, and nothing more")]
    pub turn: Option<Turn>,
    pub loan: Option<Loan>,
}

impl Attempt {
    /// It was not wrong, or nobody can tell.
    pub fn was_not_wrong(self) {
        if let Some(loan) = self.loan {
            loan.give_back();
        }
    }
}

/// The turns of all networks.
#[derive(Default)]
pub(super) struct Logins {
    networks: Arc<Mutex<HashMap<IpAddr, Arc<Semaphore>>>>,
}

/// A turn, the next one's when dropped.
pub(super) struct Turn {
    networks: Arc<Mutex<HashMap<IpAddr, Arc<Semaphore>>>>,
    network: IpAddr,
    turns: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Logins {
    /// A turn of this network; `None` when it did not come in time.
    pub async fn turn(&self, network: IpAddr) -> Option<Turn> {
        let turns = {
            let mut networks = self.networks.lock().unwrap_or_else(PoisonError::into_inner);
            networks.entry(network).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))).clone()
        };
        // Made before it waits, so that the network is forgotten too where the session ends meanwhile.
        let mut turn = Turn { networks: self.networks.clone(), network, turns, permit: None };
        turn.permit = timeout(PATIENCE, turn.turns.clone().acquire_owned()).await.ok()?.ok();
        turn.permit.is_some().then_some(turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut networks = self.networks.lock().unwrap_or_else(PoisonError::into_inner);
        // The permit holds the semaphore too.
        drop(self.permit.take());
        // The table's and this one: nobody else has a turn or waits.
        if Arc::strong_count(&self.turns) == 2 {
            networks.remove(&self.network);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_network_keeps_only_itself_waiting_and_is_forgotten_behind_its_last_login() {
        let logins = Logins::default();
        let [one, other] = ["192.0.2.0", "2001:db8::"].map(|ip| ip.parse::<IpAddr>().unwrap());
        let mut held = Vec::new();
        for _ in 0..AT_ONCE {
            held.push(logins.turn(one).await.unwrap());
        }
        assert!(logins.turn(one).await.is_none(), "it waits its patience, and no longer");
        drop(logins.turn(other).await.unwrap());
        let next = async {
            let turn = logins.turn(one).await;
            assert!(turn.is_some());
        };
        tokio::join!(next, async { drop(held.pop()) });
        drop(held);
        assert!(logins.networks.lock().unwrap().is_empty());
    }
}
