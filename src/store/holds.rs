//! Decisions about deliveries: what is held is released or dropped, what waits can be held, is late, or has expired without
//! an attempt, what failed is sent once more. Each is one conditional
//! change, so that of two who decide at once the first counts, and a record says who it was.

use super::accept;
use super::fault::StoreFault;
use super::handle::Store;
use super::kept_bodies;
use super::rows::{NewMessage, NewRecord};
use super::touched::Touched;
use crate::mail::Timestamp;
use crate::vault::{Index, Sealed};
use sqlx::{AnyConnection, AssertSqlSafe, Row};

/// What a delivery must be for a decision to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Held, whatever for.
    Held,
    /// Held for this.
    HeldFor(&'static str),
    /// Held until now.
    Overdue,
    /// Waiting, with no attempt under way.
    Waiting,
    /// Waiting, with no attempt under way, and to be looked at by now.
    WaitingLong,
    /// Held, or waiting with no attempt under way.
    Idle,
    /// Failed, with its body still there.
    Failed,
}

/// What is decided.
pub enum Ruled {
    /// It goes out, by this envelope, and is given up then.
    Released { envelope: Sealed, expires_at: Timestamp, look_at: Timestamp },
    /// It goes out another way, due at once.
    Rerouted { envelope: Sealed, route: i64 },
    /// It does not; its body is destroyed.
    Dropped,
    /// It waits for a decision until then.
    Held { why: &'static str, until: Timestamp },
    /// It goes on waiting, its sender knows that it is late, and it is looked at again then.
    Late { look_at: Timestamp },
    /// It is given up; its body is destroyed, or stays until then.
    Expired { keep_body: Option<Timestamp> },
    /// It is sent once more, with all its attempts before it, and is given up then; nobody is told that it is late.
    Again { expires_at: Timestamp, look_at: Timestamp },
}

/// A decision with all that is written with it.
pub struct Ruling {
    pub delivery_id: i64,
    pub message_id: i64,
    pub at: Timestamp,
    pub from: Standing,
    pub to: Ruled,
    pub record: NewRecord,
    /// What the sender is told.
    pub notice: Option<Box<NewMessage>>,
}

/// What a worker left behind whose lease is over counts as sent, as it does where the lease is taken over.
const LEFT: &str = "doubtful = doubtful + CASE WHEN lease <> 0 THEN 1 ELSE 0 END, lease = 0";

/// Writes a decision. `false` when the delivery is not what it had to be: then nothing is written.
pub(super) async fn rule<'a>(
    connection: &mut AnyConnection,
    touched: &mut Touched<'a>,
    ruling: &'a Ruling,
) -> Result<bool, sqlx::Error> {
    // Of two who want it, and of the purge, the first to take it has it.
    if matches!(ruling.to, Ruled::Again { .. })
        && !kept_bodies::take(connection, ruling.message_id, ruling.at).await?
    {
        return Ok(false);
    }
    let is_idle = "state = 'waiting' AND (lease = 0 OR next_at <= $2)";
    let condition = match ruling.from {
        Standing::Held => "state = 'held'".to_owned(),
        Standing::HeldFor(_) => "state = 'held' AND held_for = $5".to_owned(),
        Standing::Overdue => "state = 'held' AND expires_at <= $2".to_owned(),
        Standing::Waiting => is_idle.to_owned(),
        Standing::WaitingLong => format!("{is_idle} AND look_at <= $2"),
        Standing::Idle => format!("(state = 'held' OR ({is_idle}))"),
        Standing::Failed => "state = 'failed'".to_owned(),
    };
    let (change, word, number) = match &ruling.to {
        Ruled::Released { expires_at, look_at, .. } => {
            let text = format!(
                "state = 'waiting', held_for = $3, next_at = $2, expires_at = $4, lease = 0, look_at = {}",
                look_at.as_millis()
            );
            (text, None, Some(expires_at.as_millis()))
        }
        Ruled::Dropped => (
            format!("state = 'dropped', held_for = $3, next_at = $2, ended_at = $4, {LEFT}"),
            None,
            Some(ruling.at.as_millis()),
        ),
        Ruled::Rerouted { route, .. } => {
            (format!("held_for = $3, next_at = $2, route = $4, {LEFT}"), None, Some(*route))
        }
        Ruled::Held { why, until } => (
            format!("state = 'held', held_for = $3, next_at = $2, expires_at = $4, {LEFT}"),
            Some(*why),
            Some(until.as_millis()),
        ),
        Ruled::Late { look_at } => {
            ("held_for = $3, delay_noticed_at = $2, look_at = $4".into(), None, Some(look_at.as_millis()))
        }
        Ruled::Again { expires_at, look_at } => {
            let text = format!(
                "state = 'waiting', held_for = $3, next_at = $2, expires_at = $4, lease = 0, look_at = {}, attempts = 0, \
                 ended_at = NULL, delay_noticed_at = $2, last_status = NULL",
                look_at.as_millis()
            );
            (text, None, Some(expires_at.as_millis()))
        }
        Ruled::Expired { .. } => (
            format!("state = 'failed', held_for = $3, next_at = $2, ended_at = $4, {LEFT}"),
            None,
            Some(ruling.at.as_millis()),
        ),
    };
    let text = format!(
        "UPDATE delivery SET {change} WHERE id = $1 AND {condition} RETURNING class, merchant_id, route"
    );
    let mut query = sqlx::query(AssertSqlSafe(text))
        .bind(ruling.delivery_id)
        .bind(ruling.at.as_millis())
        .bind(word)
        .bind(number);
    if let Standing::HeldFor(why) = ruling.from {
        query = query.bind(why);
    }
    let Some(row) = query.fetch_optional(&mut *connection).await? else { return Ok(false) };
    match &ruling.to {
        Ruled::Released { envelope, .. } | Ruled::Rerouted { envelope, .. } => {
            touched.touch_row(&row, 0, ruling.at)?;
            sqlx::query("UPDATE message SET envelope = $1 WHERE id = $2")
                .bind(envelope.stored())
                .bind(ruling.message_id)
                .execute(&mut *connection)
                .await?;
        }
        Ruled::Again { .. } => {
            touched.touch_row(&row, 0, ruling.at)?;
        }
        Ruled::Expired { keep_body: Some(until) } => {
            kept_bodies::keep(connection, ruling.message_id, *until).await?;
        }
        Ruled::Dropped | Ruled::Expired { keep_body: None } => {
            kept_bodies::destroy(connection, &[ruling.message_id]).await?;
        }
        Ruled::Held { .. } | Ruled::Late { .. } => {}
    }
    accept::records(connection, touched, &[&ruling.record]).await?;
    if let Some(notice) = &ruling.notice {
        accept::messages(connection, touched, &[notice.as_ref()]).await?;
    }
    Ok(true)
}

/// Sets when deliveries are looked at next.
pub(super) async fn look_again(
    connection: &mut AnyConnection,
    deliveries: &[(i64, Timestamp)],
) -> Result<(), sqlx::Error> {
    for (delivery, at) in deliveries {
        sqlx::query("UPDATE delivery SET look_at = $1 WHERE id = $2 AND state = 'waiting'")
            .bind(at.as_millis())
            .bind(*delivery)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

impl Store {
    /// Waiting deliveries that are to be looked at by now, the longest due first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn waiting_long(&self, now: Timestamp, limit: i64) -> Result<Vec<i64>, StoreFault> {
        let rows = sqlx::query(
            "SELECT id FROM delivery WHERE state = 'waiting' AND look_at <= $1 ORDER BY look_at LIMIT $2",
        )
        .bind(now.as_millis())
        .bind(limit)
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Deliveries that are held and whose time is over, the oldest first. What is held for a fault stays, since nobody
    /// could be told.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn overdue(&self, now: Timestamp, limit: i64) -> Result<Vec<(i64, String)>, StoreFault> {
        let rows = sqlx::query(
            "SELECT id, held_for FROM delivery WHERE state = 'held' AND expires_at <= $1 AND held_for <> 'fault' \
             ORDER BY expires_at LIMIT $2",
        )
        .bind(now.as_millis())
        .bind(limit)
        .fetch_all(self.pool())
        .await?;
        let read = |row: &sqlx::any::AnyRow| Ok((row.try_get(0)?, row.try_get(1)?));
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// What is held and can't be read stays so: nobody could be told of its end.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn hold_for_fault(&self, delivery: i64) -> Result<(), StoreFault> {
        let text = "UPDATE delivery SET held_for = 'fault' WHERE id = $1 AND state = 'held'";
        sqlx::query(text).bind(delivery).execute(self.pool()).await?;
        Ok(())
    }

    /// How many messages of a store are held, and of one of its orders or inquiries, or of none: what its guests wrote
    /// counts as its own, so that nobody can tell by a full place which of its addresses he guessed.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn held(&self, merchant: i64, order: Option<i64>) -> Result<(i64, i64), StoreFault> {
        let rows = sqlx::query(
            "SELECT COALESCE(c.parent_id, m.conversation_id), COUNT(*) FROM delivery d \
             JOIN message m ON m.id = d.message_id LEFT JOIN conversation c ON c.id = m.conversation_id \
             WHERE d.state = 'held' AND m.merchant_id = $1 GROUP BY COALESCE(c.parent_id, m.conversation_id)",
        )
        .bind(merchant)
        .fetch_all(self.pool())
        .await?;
        let (mut all, mut own) = (0, 0);
        for row in &rows {
            let count: i64 = row.try_get(1)?;
            all += count;
            if row.try_get::<Option<i64>, _>(0)? == order {
                own = count;
            }
        }
        Ok((all, own))
    }

    /// Whether a guard stands.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn stands(&self, guard: &Index, now: Timestamp) -> Result<bool, StoreFault> {
        let row = sqlx::query("SELECT guard_idx FROM duplicate WHERE guard_idx = $1 AND expires_at > $2")
            .bind(guard.as_bytes())
            .bind(now.as_millis())
            .fetch_optional(self.pool())
            .await?;
        Ok(row.is_some())
    }
}
