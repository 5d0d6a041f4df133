//! Retention: what is due, and its destruction, a bounded piece at a time.
//!
//! Rules: a day of a class is due when its period has gone by since the day's end (UTC). Every node that keeps house calls
//! [`Relay::destroy_due`] now and then; `store::retention` keeps them apart. Holds are followed before anything is destroyed.
//! When it fails: [`RelayFault`]; what was destroyed is so, and the next call goes on.

use super::{Relay, RelayFault, queue_id};
use crate::config::{Retention, Rule};
use crate::mail::Timestamp;
use crate::store::{CertificateRow, DAY_MS, Progress};
use crate::vault::Class;

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

fn lines(rule: &Rule) -> String {
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
    /// Destroys a piece of what is due. How many certificates were written.
    ///
    /// # Errors
    /// [`RelayFault`] when the database or a key fails.
    pub async fn destroy_due(&self, retention: &Retention, now: Timestamp) -> Result<usize, RelayFault> {
        let (mut steps, mut certificates) = (0, 0);
        let mut is_followed = false;
        for class in Class::ALL {
            let rule = retention.rule(class);
            for day in self.store().days_left(class, last_due(rule, now, 0)).await? {
                if !is_followed {
                    self.follow_held_persons().await?;
                    is_followed = true;
                }
                self.store().begin_destruction(class, day, now).await?;
                loop {
                    let id = self.next_id();
                    let next = self.store().next_rows(class, day).await?;
                    // A day that a hold keeps is walked through each time, and must not use up the round.
                    steps += usize::from(!next.ids.is_empty());
                    if steps > STEPS {
                        return Ok(certificates);
                    }
                    let words = format!("{}, {} days", class.as_str(), rule.period.as_secs() / 86_400);
                    let Some(notes) = self.certify_destruction(&next, &words).await? else { break };
                    let said = lines(rule);
                    let done = self.store().destroy_rows(class, day, &next, &notes, id, &said, now);
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
        Ok(certificates)
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
            for day in self.store().days_left(class, last_due(rule, now, AHEAD)).await? {
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
