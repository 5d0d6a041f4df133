//! What a transaction leaves to its end: the lanes in which it made something due, and the counts of what it wrote. Both are rows that
//! other transactions write too.
//!
//! Rules: turns, lanes, counts, each in the order of their keys, so that two processes never wait for each other in a circle.
//! When it fails: the transaction is rolled back.

use super::batch::{lots, statement};
use super::engine::Engine;
use super::facts::Tally;
use super::marks::Marks;
use super::webhook_events::Events;
use crate::mail::Timestamp;
use crate::vault::FactProofs;
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What one store has for one destination in one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lane {
    pub class: i64,
    pub merchant_id: i64,
    pub route: i64,
}

/// The lanes in which a transaction made something due, and when; and what it wrote, counted.
#[derive(Default)]
pub(super) struct Touched<'a> {
    lanes: BTreeMap<Lane, i64>,
    tally: Tally<'a>,
    marks: Marks,
    events: Events<'a>,
}

impl<'a> Touched<'a> {
    /// Nothing yet; facts that are written get these proofs.
    pub fn proven_by(proofs: Option<Arc<FactProofs>>) -> Self {
        Self { tally: Tally::proven_by(proofs), ..Self::default() }
    }

    /// Something in this lane is due then.
    pub fn touch(&mut self, lane: Lane, due: Timestamp) {
        let due = due.as_millis();
        self.lanes.entry(lane).and_modify(|at| *at = due.min(*at)).or_insert(due);
    }

    /// The same for a row of `class, merchant_id, route`; one of an older version is adopted later.
    pub fn touch_row(
        &mut self,
        row: &sqlx::any::AnyRow,
        first: usize,
        due: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let (class, merchant_id): (Option<i64>, Option<i64>) = (row.try_get(first)?, row.try_get(first + 1)?);
        if let (Some(class), Some(merchant_id)) = (class, merchant_id) {
            self.touch(Lane { class, merchant_id, route: row.try_get(first + 2)? }, due);
        }
        Ok(())
    }

    /// Whether something is due by `now`.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.lanes.values().any(|due| *due <= now.as_millis())
    }

    /// Where what is written is counted.
    pub fn tally(&mut self) -> &mut Tally<'a> {
        &mut self.tally
    }

    /// Where what is written to the log is noted.
    pub fn marks(&mut self) -> &mut Marks {
        &mut self.marks
    }

    /// What webhooks are told of it.
    pub fn events(&mut self) -> &mut Events<'a> {
        &mut self.events
    }

    /// Writes what webhooks are told, lowers turns and lanes, then adds up what was counted. The last thing that a transaction does.
    pub async fn write(self, connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
        self.events.write(&mut *connection).await?;
        let mut turns: BTreeMap<(i64, i64), i64> = BTreeMap::new();
        for (lane, due) in &self.lanes {
            let key = (lane.class, lane.merchant_id);
            turns.entry(key).and_modify(|at| *at = (*due).min(*at)).or_insert(*due);
        }
        let turns: Vec<_> = turns.into_iter().collect();
        for lot in lots(&turns) {
            let text = statement(
                Engine::of(connection),
                "INSERT INTO turn (class, merchant_id, due_at) VALUES",
                "(?, ?, ?)",
                lot.len(),
                "ON CONFLICT (class, merchant_id) DO UPDATE SET due_at = excluded.due_at \
                 WHERE turn.due_at > excluded.due_at",
            );
            let mut query = sqlx::query(AssertSqlSafe(text));
            for ((class, merchant), due) in lot {
                query = query.bind(*class).bind(*merchant).bind(*due);
            }
            query.execute(&mut *connection).await?;
        }
        let lanes: Vec<_> = self.lanes.into_iter().collect();
        for lot in lots(&lanes) {
            let text = statement(
                Engine::of(connection),
                "INSERT INTO lane (class, merchant_id, route, due_at) VALUES",
                "(?, ?, ?, ?)",
                lot.len(),
                "ON CONFLICT (class, merchant_id, route) DO UPDATE SET due_at = excluded.due_at \
                 WHERE lane.due_at > excluded.due_at",
            );
            let mut query = sqlx::query(AssertSqlSafe(text));
            for (lane, due) in lot {
                query = query.bind(lane.class).bind(lane.merchant_id).bind(lane.route).bind(*due);
            }
            query.execute(&mut *connection).await?;
        }
        self.tally.write(&mut *connection).await?;
        self.marks.write(connection).await
    }
}
