//! Decisions about deliveries: what is held is released or dropped, what waits can be held. Each is one conditional
//! change, so that of two who decide at once the first counts, and a record says who it was.

use super::accept;
use super::fault::StoreFault;
use super::handle::Store;
use super::rows::{NewMessage, NewRecord};
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
    /// Held, or waiting with no attempt under way.
    Idle,
}

/// What is decided.
pub enum Ruled {
    /// It goes out, by this envelope, and is given up then.
    Released { envelope: Sealed, expires_at: Timestamp },
    /// It does not; its body is destroyed.
    Dropped,
    /// It waits for a decision until then.
    Held { why: &'static str, until: Timestamp },
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

/// Writes a decision. `false` when the delivery is not what it had to be: then nothing is written.
pub(super) async fn rule(connection: &mut AnyConnection, ruling: &Ruling) -> Result<bool, sqlx::Error> {
    let (state, held_for, expires_at) = match &ruling.to {
        Ruled::Released { expires_at, .. } => ("waiting", None, Some(expires_at.as_millis())),
        Ruled::Dropped => ("dropped", None, None),
        Ruled::Held { why, until } => ("held", Some(*why), Some(until.as_millis())),
    };
    let is_idle = "state = 'waiting' AND (lease = 0 OR next_at <= $3)";
    let condition = match ruling.from {
        Standing::Held => "state = 'held'".to_owned(),
        Standing::HeldFor(_) => "state = 'held' AND held_for = $7".to_owned(),
        Standing::Overdue => "state = 'held' AND expires_at <= $3".to_owned(),
        Standing::Waiting => is_idle.to_owned(),
        Standing::Idle => format!("(state = 'held' OR ({is_idle}))"),
    };
    let text = format!(
        "UPDATE delivery SET state = $1, held_for = $2, next_at = $3, expires_at = COALESCE($4, expires_at), \
         ended_at = $5, lease = 0 WHERE id = $6 AND {condition}"
    );
    let mut query = sqlx::query(AssertSqlSafe(text))
        .bind(state)
        .bind(held_for)
        .bind(ruling.at.as_millis())
        .bind(expires_at)
        .bind(matches!(ruling.to, Ruled::Dropped).then(|| ruling.at.as_millis()))
        .bind(ruling.delivery_id);
    if let Standing::HeldFor(why) = ruling.from {
        query = query.bind(why);
    }
    if query.execute(&mut *connection).await?.rows_affected() == 0 {
        return Ok(false);
    }
    match &ruling.to {
        Ruled::Released { envelope, .. } => {
            sqlx::query("UPDATE message SET envelope = $1 WHERE id = $2")
                .bind(envelope.stored())
                .bind(ruling.message_id)
                .execute(&mut *connection)
                .await?;
        }
        Ruled::Dropped => {
            sqlx::query("DELETE FROM message_body WHERE message_id = $1")
                .bind(ruling.message_id)
                .execute(&mut *connection)
                .await?;
        }
        Ruled::Held { .. } => {}
    }
    accept::records(connection, &[&ruling.record]).await?;
    if let Some(notice) = &ruling.notice {
        accept::messages(connection, &[notice.as_ref()]).await?;
    }
    Ok(true)
}

impl Store {
    /// Deliveries that are held and whose time is over, the oldest first. What is held for a fault stays, since nobody
    /// could be told.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn overdue(&self, now: Timestamp, limit: i64) -> Result<Vec<i64>, StoreFault> {
        let rows = sqlx::query(
            "SELECT id FROM delivery WHERE state = 'held' AND expires_at <= $1 AND held_for <> 'fault' \
             ORDER BY expires_at LIMIT $2",
        )
        .bind(now.as_millis())
        .bind(limit)
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// How many messages of a store are held, and of one of its conversations, or of none.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn held(&self, merchant: i64, conversation: Option<i64>) -> Result<(i64, i64), StoreFault> {
        let rows = sqlx::query(
            "SELECT m.conversation_id, COUNT(*) FROM delivery d JOIN message m ON m.id = d.message_id \
             WHERE d.state = 'held' AND m.merchant_id = $1 GROUP BY m.conversation_id",
        )
        .bind(merchant)
        .fetch_all(self.pool())
        .await?;
        let (mut all, mut own) = (0, 0);
        for row in &rows {
            let count: i64 = row.try_get(1)?;
            all += count;
            if row.try_get::<Option<i64>, _>(0)? == conversation {
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
