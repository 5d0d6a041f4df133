//! How an attempt begins and ends, as in `egress::scheduler`.

use super::nature::{Event, Manner, sender_of};
use super::spool::State;
use super::world::{PROLONG, World};
use crate::schedule::{Class, Effect, NextAttempt, Standing, Word};
use std::time::Duration;

/// After how long an attempt waits aside.
const LASTS: Duration = Duration::from_secs(15);
/// How often a process looks for what others left.
const LOOK: Duration = Duration::from_millis(500);

impl World {
    pub fn begin(&mut self, node: usize, life: u64, id: usize, lease: u64) {
        let now = self.now;
        let (route, attempts) = (self.spool.deliveries[id].route, self.spool.deliveries[id].attempts);
        let delivery = &self.spool.deliveries[id];
        let is_first = attempts == 1 && delivery.tried == 0;
        let is_well = !self.is_apart || self.is_well(delivery.accepted, now);
        if is_first && is_well && route == 0 && delivery.store > 0 && delivery.class != Class::Bulk {
            let up_since = self.dark.iter().map(|(_, until)| *until).max().unwrap_or(now);
            let wait = now.since(delivery.accepted.max(up_since).max(self.ghosts_until()));
            self.measured.longest_wait = self.measured.longest_wait.max(wait);
        }
        self.spool.deliveries[id].tried += 1;
        let it = &mut self.nodes[node];
        it.board.began(route, now);
        // Another lease of the same delivery can't be running here: its lease would have been prolonged.
        assert!(it.running.insert(id, lease).is_none(), "leased twice by one process");
        let starts_prolonging = !std::mem::replace(&mut it.prolongs, true);
        let sending = it.sending.entry(route).or_default();
        *sending += 1;
        self.measured.most_at_once = self.measured.most_at_once.max(*sending);
        let manner = self.seen_manner(node, route, now);
        let lasts = match self.is_apart {
            true => manner.lasts_apart(&mut self.random),
            false => manner.lasts(&mut self.random),
        };
        self.measured.attempts_while_dead += u64::from(self.manner(route, now) == Manner::Dead);
        self.at(now.after(lasts), Event::End { node, life, delivery: id, lease, begun: now });
        if lasts > LASTS {
            self.at(now.after(LASTS), Event::Lasts { node, life, delivery: id, lease });
        }
        if starts_prolonging {
            self.at(now.after(PROLONG), Event::Prolong { node, life });
        }
    }

    pub fn end(&mut self, node: usize, life: u64, (id, lease): (usize, u64), took: Duration) {
        if self.nodes[node].life != Some(life) {
            return;
        }
        self.hear(node);
        let (now, random) = (self.now, self.random.next());
        let (route, store) = (self.spool.deliveries[id].route, self.spool.deliveries[id].store);
        let it = &mut self.nodes[node];
        it.running.remove(&id);
        if it.aside.remove(&id) {
            it.board.come_back();
        }
        *it.sending.entry(route).or_default() -= 1;
        let manner = self.seen_manner(node, route, now);
        let effect = match manner {
            Manner::Takes | Manner::Defers | Manner::Refuses => Effect::Answered,
            Manner::SendsAway | Manner::Tarpit => Effect::Slowed,
            Manner::Dead | Manner::Silent => Effect::Unreached,
            Manner::Unresolved => Effect::Unresolved,
        };
        let (sender, board) = (sender_of(store), &mut self.nodes[node].board);
        let is_left = matches!(effect, Effect::Unreached | Effect::Unresolved)
            && now < self.spool.deliveries[id].expires_at
            && board.leave((id as i64, route), now, took);
        let word = board.ended(route, effect, now, random);
        let standing = match manner {
            Manner::Refuses => board.refused(route, &sender, (store, id as i64), now),
            _ => Standing::Unclear,
        };
        self.measured.spared += u64::from(standing != Standing::Unclear);
        let delivery = &mut self.spool.deliveries[id];
        let next = match manner {
            Manner::Takes => {
                self.nodes[node].board.took(route, &sender);
                delivery.taken += 1;
                Ok(State::Delivered)
            }
            Manner::Refuses if standing == Standing::Unclear => Ok(State::Failed),
            _ if is_left => Err(now),
            _ => match self.back_off.after(delivery.attempts, delivery.accepted, now, random) {
                NextAttempt::At(at) => Err(at),
                NextAttempt::Expired => Ok(State::Failed),
            },
        };
        if self.spool.settle(id, lease, next, now) && is_left {
            self.measured.left += 1;
            self.spool.deliveries[id].attempts -= 1;
            (0..self.nodes.len()).for_each(|other| self.look_at(other, now.after(LOOK)));
        }
        self.measured.suspicions += u64::from(self.nodes[node].board.suspects_itself());
        match word {
            Word::Nothing => {}
            Word::Died => self.measured.deaths += 1,
            Word::Revived => {
                let routes = self.nodes[node].board.siblings(route);
                self.spool.wake(&routes, now);
            }
        }
        self.look_at(node, now);
    }
}
