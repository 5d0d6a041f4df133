//! Which address of a host serves: those of a target one after the other, with TLS before in clear.
//!
//! | what came of an address | next |
//! |---|---|
//! | nobody answers at any that is left | those where TLS was broken, in clear: they were dialled side by side |
//! | it answers and does not serve: it refuses, is lost or silent before the session is ready, has no TLS or a broken one | the target's other address |
//! | it is this host | nothing: another address would be this host too |
//! | TLS is broken wherever it was tried, and need not be | in clear, where it was broken first, then at the next |
//!
//! Rules: nothing goes in clear because of a broken handshake before every address had its chance with TLS. What answered
//! and did not serve comes after the others for [`SHUNNED`]: a host whose IPv6 takes connections and nothing else (no PTR
//! record of ours, a firewall that swallows the handshake) costs one wait an hour, not a wait each time. What may be mended
//! outweighs what may not, whichever came first. No address is dialled after the end of the attempt.
//! When it fails: a [`Verdict`] of one of the addresses.

use super::connect::{Clear, Connection, Dialer, Unreached};
use super::demand::{Demand, TlsFailure};
use super::resolve::Target;
use crate::smtp::client::{Outcome, Verdict};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::Instant;

/// How long an address that answered and did not serve comes after the others.
pub(super) const SHUNNED: Duration = Duration::from_secs(3600);

/// What was seen of the TLS of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TlsSeen {
    /// It never came to that, or was not asked for.
    Nothing,
    Failed(TlsFailure),
    /// With whether the certificate would do under `verify`.
    Secured(Result<(), TlsFailure>),
}

/// What dialling a target came to.
pub(super) struct Reached {
    pub(super) connection: Result<Connection, Verdict>,
    /// The address that serves, or the one that the verdict is of.
    pub(super) address: Option<SocketAddr>,
    /// Of each address that answered, in their order.
    pub(super) seen: Vec<(SocketAddr, TlsSeen)>,
}

impl Reached {
    /// Why the last TLS that was tried did not come about as demanded.
    pub(super) fn tls_failure(&self) -> Option<TlsFailure> {
        let last = self.seen.iter().rev().find(|(_, seen)| *seen != TlsSeen::Nothing);
        match last {
            Some((_, TlsSeen::Failed(failure))) => Some(*failure),
            _ => None,
        }
    }
}

/// What the addresses so far came to.
#[derive(Default)]
struct Tried {
    seen: Vec<(SocketAddr, TlsSeen)>,
    /// Where TLS was agreed on and did not come about.
    broken: Vec<SocketAddr>,
    best: Option<(Verdict, Option<SocketAddr>)>,
}

impl Dialer {
    /// Connects to `target`, up to the point where a transaction may begin. `until` ends the attempt.
    pub(super) async fn reach(&self, target: &Target, until: Instant) -> Reached {
        let mut tried = Tried::default();
        let mut left = self.in_order(&target.addresses);
        while !left.is_empty() && (tried.best.is_none() || Instant::now() < until) {
            let unreached = match self.open(target, &left, Clear::Avoided, until).await {
                Ok(connection) => return self.served(target, connection, tried),
                Err(unreached) => unreached,
            };
            let (address, ourselves) = (unreached.address(), unreached.is_ourselves());
            tried.add(unreached);
            match address {
                _ if ourselves => return tried.reached(),
                Some(address) => {
                    self.shun(target, address);
                    left.retain(|other| *other != address);
                }
                // Nobody is there at those that are left; where TLS was broken one may serve in clear.
                None => break,
            }
        }
        if target.demand == Demand::May {
            for address in std::mem::take(&mut tried.broken) {
                if Instant::now() >= until {
                    break;
                }
                match self.open(target, &[address], Clear::Wanted, until).await {
                    Ok(connection) => {
                        // Only where it serves in clear was it the TLS that is broken.
                        self.tls.note_broken(address);
                        self.shunned.forget(address);
                        return Reached {
                            connection: Ok(connection),
                            address: Some(address),
                            seen: tried.seen,
                        };
                    }
                    Err(unreached) => tried.add_clear(unreached),
                }
            }
        }
        tried.reached()
    }

    /// The next attempt tries another address of this host first, if it has one.
    pub(super) fn shun(&self, target: &Target, address: SocketAddr) {
        if target.addresses.len() > 1 {
            self.shunned.note(address);
        }
    }

    /// As they are, but those last that lately did not serve.
    fn in_order(&self, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
        let (shunned, mut good): (Vec<_>, Vec<_>) =
            addresses.iter().partition(|address| self.shunned.has(**address));
        good.extend(shunned);
        good
    }

    fn served(&self, target: &Target, connection: Connection, mut tried: Tried) -> Reached {
        let address = connection.address();
        self.shunned.forget(address);
        tried.seen.push((address, connection.tls_seen(target)));
        Reached { connection: Ok(connection), address: Some(address), seen: tried.seen }
    }
}

impl Tried {
    fn add(&mut self, unreached: Unreached) {
        match &unreached {
            Unreached::Tls(failure, _, address) => {
                self.seen.push((*address, TlsSeen::Failed(*failure)));
                self.broken.push(*address);
            }
            Unreached::NoTls(_, address) => {
                self.seen.push((*address, TlsSeen::Failed(TlsFailure::StartTlsNotSupported)));
            }
            Unreached::Other(..) => {}
        }
        self.add_clear(unreached);
    }

    /// Adds what came of an address whose TLS was counted, or that said nothing of it.
    fn add_clear(&mut self, unreached: Unreached) {
        let (address, verdict) = (unreached.address(), unreached.verdict());
        let outweighs = match &self.best {
            None => true,
            // Who answered knows more than who did not.
            Some((best, _)) => is_deferral(&verdict) && (address.is_some() || !is_deferral(best)),
        };
        if outweighs {
            self.best = Some((verdict, address));
        }
    }

    fn reached(self) -> Reached {
        let (connection, address) = match self.best {
            Some((verdict, address)) => (Err(verdict), address),
            None => (Err(Unreached::nobody().verdict()), None),
        };
        Reached { connection, address, seen: self.seen }
    }
}

fn is_deferral(verdict: &Verdict) -> bool {
    matches!(verdict.outcome, Outcome::Deferred { .. })
}
