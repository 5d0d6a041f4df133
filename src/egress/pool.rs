//! Connections kept for the next message to the same next hop, and how many there are.
//!
//! Rules: an attempt holds a slot of its next hop and one of the whole. A kept connection is taken before a new one
//! is opened, so no next hop ever sees more connections than it has slots; when the whole is full, the connection
//! that was idle longest makes room. A connection serves a limited number of messages, lives and is idle for a limited time.
//! Connections are shared only between targets that agree in addresses, host name and demand on TLS.
//! When it fails: a slot that does not become free in time is [`NoSlot`]; that is congestion of ours and says
//! nothing about the next hop.

use super::connect::Connection;
use super::resolve::Target;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Next hops remembered before those without connections are forgotten.
const MAX_HOPS: usize = 1024;

/// How many connections there may be, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLimits {
    /// To one next hop at a time.
    pub per_hop: usize,
    /// In all.
    pub total: usize,
    /// How long a connection waits for another message.
    pub idle: Duration,
    /// Messages on one connection.
    pub messages: u32,
    /// How long a connection is used for further messages.
    pub age: Duration,
    /// How long closing waits for what is under way.
    pub closing: Duration,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            per_hop: 20,
            total: 200,
            idle: Duration::from_secs(10),
            messages: 100,
            age: Duration::from_secs(300),
            closing: Duration::from_secs(10),
        }
    }
}

/// No slot became free in time, or we are closing.
pub(super) struct NoSlot;

/// The right to use one connection to one next hop.
pub(super) struct Slot {
    _hop: OwnedSemaphorePermit,
    _total: OwnedSemaphorePermit,
}

/// All kept connections.
pub(super) struct Pool {
    limits: PoolLimits,
    total: Arc<Semaphore>,
    state: Mutex<State>,
    this: Weak<Pool>,
}

#[derive(Default)]
struct State {
    hops: HashMap<Target, Hop>,
    sweeping: bool,
    closed: bool,
}

struct Hop {
    slots: Arc<Semaphore>,
    /// Oldest first.
    idle: Vec<(Instant, Connection)>,
}

impl Pool {
    pub(super) fn new(limits: PoolLimits) -> Arc<Self> {
        let total = Arc::new(Semaphore::new(limits.total.clamp(1, Semaphore::MAX_PERMITS)));
        Arc::new_cyclic(|this| Self { limits, total, state: Mutex::default(), this: this.clone() })
    }

    /// Waits for a slot, the next hop's first: a slow next hop must not use up the slots of the whole by waiting.
    pub(super) async fn slot(&self, target: &Target, deadline: Instant) -> Result<Slot, NoSlot> {
        let slots = self.slots_of(target)?;
        let both = async {
            let hop = slots.acquire_owned().await.map_err(|_| NoSlot)?;
            let total = Arc::clone(&self.total).acquire_owned().await.map_err(|_| NoSlot)?;
            Ok(Slot { _hop: hop, _total: total })
        };
        timeout_at(deadline, both).await.unwrap_or(Err(NoSlot))
    }

    fn slots_of(&self, target: &Target) -> Result<Arc<Semaphore>, NoSlot> {
        let mut state = self.lock();
        if state.closed {
            return Err(NoSlot);
        }
        if state.hops.len() >= MAX_HOPS {
            state.forget_unused();
        }
        if let Some(hop) = state.hops.get(target) {
            return Ok(Arc::clone(&hop.slots));
        }
        let slots = Arc::new(Semaphore::new(self.limits.per_hop.clamp(1, Semaphore::MAX_PERMITS)));
        state.hops.insert(target.clone(), Hop { slots: Arc::clone(&slots), idle: Vec::new() });
        Ok(slots)
    }

    /// A kept connection that still seems alive, the one used last.
    pub(super) async fn take(&self, target: &Target) -> Option<Connection> {
        loop {
            let (since, mut connection) = self.lock().hops.get_mut(target)?.idle.pop()?;
            if since.elapsed() < self.limits.idle && connection.is_quiet().await {
                return Some(connection);
            }
            tokio::spawn(connection.close());
        }
    }

    /// Makes room before a new connection is opened under a slot.
    pub(super) fn make_room(&self) {
        let mut state = self.lock();
        let total = self.limits.total.max(1);
        let busy = total.saturating_sub(self.total.available_permits());
        while busy + state.idle() > total {
            let Some(connection) = state.pop_oldest() else { break };
            tokio::spawn(connection.close());
        }
    }

    /// Keeps a connection, or closes it where it has served enough (`messages`, at most what the limits say) or is of no
    /// more use.
    pub(super) fn put_back(&self, target: &Target, connection: Connection, messages: u32) {
        let mut state = self.lock();
        let worn = connection.is_spent(self.limits.messages.min(messages))
            || connection.age() >= self.limits.age
            || !connection.is_reusable();
        let hop = if worn || state.closed { None } else { state.hops.get_mut(target) };
        let Some(hop) = hop else {
            drop(state);
            tokio::spawn(connection.close());
            return;
        };
        hop.idle.push((Instant::now(), connection));
        if !state.sweeping {
            state.sweeping = true;
            tokio::spawn(sweep(self.this.clone(), self.limits.idle));
        }
    }

    /// Gives out no more slots, waits a while until all that were given out are back, then closes the connections that are
    /// kept. What is still under way, at a next hop that takes its time, ends with its task.
    pub(super) async fn close(&self) {
        self.lock().closed = true;
        let all = u32::try_from(self.limits.total.max(1)).unwrap_or(u32::MAX);
        // Slots that are waited for come first, and then find us closing.
        if let Ok(Ok(all)) = timeout(self.limits.closing, self.total.acquire_many(all)).await {
            SemaphorePermit::forget(all);
        }
        self.total.close();
        let hops = std::mem::take(&mut self.lock().hops);
        let mut closing = tokio::task::JoinSet::new();
        for (_, connection) in hops.into_values().flat_map(|hop| hop.idle) {
            closing.spawn(connection.close());
        }
        closing.join_all().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn idle(&self) -> usize {
        self.hops.values().map(|hop| hop.idle.len()).sum()
    }

    fn pop_oldest(&mut self) -> Option<Connection> {
        let with_idle = self.hops.values_mut().filter(|hop| !hop.idle.is_empty());
        let hop = with_idle.min_by_key(|hop| hop.idle.first().map(|(since, _)| *since))?;
        Some(hop.idle.remove(0).1)
    }

    fn forget_unused(&mut self) {
        self.hops.retain(|_, hop| !hop.idle.is_empty() || Arc::strong_count(&hop.slots) > 1);
    }
}

/// Closes connections that were idle too long, and ends when there are none.
async fn sweep(pool: Weak<Pool>, idle: Duration) {
    loop {
        sleep(idle.max(Duration::from_millis(10))).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut worn = Vec::new();
        let done = {
            let mut state = pool.lock();
            for hop in state.hops.values_mut() {
                let fresh = hop.idle.iter().position(|(since, _)| since.elapsed() < idle);
                worn.extend(hop.idle.drain(..fresh.unwrap_or(hop.idle.len())));
            }
            state.forget_unused();
            state.sweeping = state.idle() > 0;
            !state.sweeping
        };
        for (_, connection) in worn {
            tokio::spawn(connection.close());
        }
        if done {
            return;
        }
    }
}
