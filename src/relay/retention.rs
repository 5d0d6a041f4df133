//! Retention: what is due, and its destruction, a bounded piece at a time.
//!
//! Rules: a day of a class is due when its period has gone by since the day's end (UTC). Every node that keeps house calls
//! [`Relay::keep_retention`] now and then; `store::retention` keeps them apart. Holds are followed before anything is
//! destroyed, and a clock that may be ahead destroys nothing.
//! When it fails: [`RelayFault`]; what was destroyed is so, and the next call goes on.

use super::clock::ClockDoubt;
use super::tree::rule_of;
use super::{Relay, RelayFault, queue_id};
use crate::config::{Retention, Rule};
use crate::mail::Timestamp;
use crate::store::{CertificateRow, DAY_MS, Progress, day_text};
use crate::vault::Class;
use std::collections::HashMap;
use std::sync::PoisonError;

/// Steps of one call; each is of 2000 rows at most.
const STEPS: usize = 40;
/// How far ahead days are told that will be due.
const AHEAD: i64 = 30;

/// A day of a class of which something is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayLeft {
    pub day: i64,
    /// When its period is over.
    pub due_at: Timestamp,
    /// Rows, and those that a hold keeps; counted only for what is due.
    pub rows: Option<(i64, i64)>,
}

/// By class the last day that was looked at, and the days without a key of their own.
pub(super) type Strays = HashMap<Class, (i64, Vec<i64>)>;

/// What is destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// Days of classes.
    Days,
    /// Deliveries in the list of the queue, and conversations that ended.
    Queue,
}

/// How retention stands for a class.
pub struct ClassStanding {
    pub class: Class,
    pub destroyed_days: i64,
    pub due: Vec<DayLeft>,
    pub soon: Vec<DayLeft>,
}

/// A certificate, for a person.
pub struct CertificateView {
    pub id: String,
    pub at: Timestamp,
    pub kind: String,
    pub is_last: bool,
    pub text: String,
}

impl From<CertificateRow> for CertificateView {
    fn from(row: CertificateRow) -> Self {
        let text = String::from_utf8_lossy(&row.body).into_owned();
        Self { id: queue_id(row.id), at: row.at, kind: row.kind, is_last: row.is_last, text }
    }
}

/// The last day whose period is over; of what lies ahead, with `ahead` days added.
fn last_due(rule: &Rule, now: Timestamp, ahead: i64) -> i64 {
    let period = i64::try_from(rule.period.as_millis()).unwrap_or(i64::MAX);
    now.as_millis().saturating_sub(period).div_euclid(DAY_MS).saturating_add(ahead) - 1
}

pub(super) fn lines(rule: &Rule) -> String {
    let said = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    format!(
        "period {}d\nreason {}\napprover {}\nreview {}\n",
        rule.period.as_secs() / 86_400,
        rule.reason,
        said(&rule.approver),
        said(&rule.review)
    )
}

impl Relay {
    /// Destroys a piece of what is due, and forgets deliveries that ended long ago, if this clock may decide that;
    /// else what is to be said against it.
    ///
    /// # Errors
    /// [`RelayFault`] when the database or a key fails.
    pub async fn keep_retention(
        &self,
        retention: &Retention,
        piece: Piece,
        now: Timestamp,
    ) -> Result<Option<ClockDoubt>, RelayFault> {
        let doubt = self.know_time(now).await?;
        match piece {
            _ if doubt.is_some() => {}
            Piece::Days => {
                self.destroy_due(retention, now).await?;
            }
            Piece::Queue => {
                let period = i64::try_from(retention.queue.as_millis()).unwrap_or(i64::MAX);
                let before = Timestamp::from_millis(now.as_millis().saturating_sub(period));
                self.store().purge(before, now).await?;
                self.end_corrections(now).await?;
                let ended = self.end_extracts(None, now).await?;
                if ended > 0 {
                    tracing::info!(event = "destroyed", class = "extracts", count = ended);
                }
                let looks =
                    i64::try_from(retention.rule(Class::Audit).period.as_millis()).unwrap_or(i64::MAX);
                let before = Timestamp::from_millis(now.as_millis().saturating_sub(looks));
                let forgotten = self.store().forget_extracts(before).await?;
                if forgotten > 0 {
                    tracing::info!(event = "destroyed", class = "register of extracts", count = forgotten);
                }
                self.end_conversations(&retention.conversations, now).await?;
                self.forget_facts(retention, now).await?;
            }
        }
        Ok(doubt)
    }

    /// Destroys a piece of what is due. How many certificates were written.
    pub(super) async fn destroy_due(
        &self,
        retention: &Retention,
        now: Timestamp,
    ) -> Result<usize, RelayFault> {
        let (mut steps, mut certificates) = (0, 0);
        let mut is_followed = false;
        for class in Class::ALL {
            let rule = retention.rule(class);
            for day in self.days_due(class, last_due(rule, now, 0)).await? {
                if !is_followed {
                    self.follow_held_persons().await?;
                    is_followed = true;
                }
                self.store().begin_destruction(class, day, now).await?;
                // The certificate says that the key is gone: it is, once no copy of its page is left.
                if !self.store().forget_pages().await? {
                    continue;
                }
                loop {
                    let id = self.next_id();
                    let next = self.store().next_rows(class, day).await?;
                    // A day that a hold keeps is walked through each time, and must not use up the round.
                    steps += usize::from(!next.ids.is_empty());
                    if steps > STEPS {
                        return Ok(certificates);
                    }
                    let words = rule_of(class.as_str(), &day_text(day), &next.begun_at.to_rfc3339());
                    let Some(noted) = self.certify_destruction(&next, &words).await? else { break };
                    let said = lines(rule);
                    let done = self.store().destroy_rows(class, day, &next, &noted, id, &said, now);
                    match done.await? {
                        Progress::More => {}
                        Progress::Done { certified } => {
                            if certified {
                                certificates += 1;
                                let certificate = queue_id(id);
                                tracing::info!(event = "destroyed", class = class.as_str(), day, certificate);
                            }
                            break;
                        }
                    }
                }
            }
        }
        self.store().forget_writers(last_due(retention.rule(Class::Metadata), now, 0)).await?;
        Ok(certificates)
    }

    /// Forgets what facts leave behind when their periods are over: counts, what was usual, keys of quarters, partitions.
    pub(super) async fn forget_facts(&self, retention: &Retention, now: Timestamp) -> Result<(), RelayFault> {
        let before = |period: std::time::Duration| {
            let millis = i64::try_from(period.as_millis()).unwrap_or(i64::MAX);
            Timestamp::from_millis(now.as_millis().saturating_sub(millis))
        };
        // Days go a day after their periods began to end.
        let facts = before(retention.facts() + 2 * std::time::Duration::from_millis(DAY_MS.unsigned_abs()));
        self.store().forget_rollups(before(retention.rollups.period)).await?;
        if self.store().forget_facts(facts).await? {
            let destroyed = self.store().destroy_periods(facts).await?;
            if destroyed > 0 {
                tracing::info!(event = "destroyed", class = "numbers", keys = destroyed);
            }
        }
        self.store().drop_partitions(now).await?;
        Ok(())
    }

    /// Days up to `until` of which something is left, the oldest first.
    async fn days_due(&self, class: Class, until: i64) -> Result<Vec<i64>, RelayFault> {
        let mut days = self.store().days_left(class, until).await?;
        // What has no key of its own day takes a look at rows; so long after the day it changes no more.
        let known = |strays: &Strays| strays.get(&class).filter(|(of, _)| *of == until).cloned();
        let strays = known(&self.inner.strays.lock().unwrap_or_else(PoisonError::into_inner));
        let strays = match strays {
            Some((_, strays)) => strays,
            None => {
                let found = self.store().stray_days(class, until).await?;
                let mut strays = self.inner.strays.lock().unwrap_or_else(PoisonError::into_inner);
                strays.insert(class, (until, found.clone()));
                found
            }
        };
        for day in strays {
            if !days.contains(&day) && !self.store().is_destroyed(class, day).await? {
                days.push(day);
            }
        }
        days.sort_unstable();
        Ok(days)
    }

    /// How retention stands: what is due, what will be within 30 days, what was destroyed.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn retention(
        &self,
        retention: &Retention,
        now: Timestamp,
    ) -> Result<Vec<ClassStanding>, RelayFault> {
        let mut standings = Vec::new();
        for class in Class::ALL {
            let rule = retention.rule(class);
            let (last, mut due, mut soon) = (last_due(rule, now, 0), Vec::new(), Vec::new());
            let until = last_due(rule, now, AHEAD);
            let mut days = self.store().days_left(class, until).await?;
            days.extend(self.store().stray_days(class, until).await?);
            days.sort_unstable();
            for day in days {
                let due_at = Timestamp::from_millis((day + 1).saturating_mul(DAY_MS)).after(rule.period);
                if day <= last {
                    let rows = Some(self.store().rows_of_day(class, day).await?);
                    due.push(DayLeft { day, due_at, rows });
                } else {
                    soon.push(DayLeft { day, due_at, rows: None });
                }
            }
            let destroyed_days = self.store().days_destroyed(class).await?;
            standings.push(ClassStanding { class, destroyed_days, due, soon });
        }
        Ok(standings)
    }

    /// The last certificates, the latest first.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn certificates(&self, limit: i64) -> Result<Vec<CertificateView>, RelayFault> {
        Ok(self.store().certificates(limit).await?.into_iter().map(CertificateView::from).collect())
    }
}
