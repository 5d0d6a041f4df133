//! Greylisting: when a sender was first seen from a network, among the guards, which forget it by themselves.
//!
//! The row of a guard has the time of the first contact where a duplicate guard has its message. Times are milliseconds.

use super::writer::{Change, Effect};
use super::{Store, StoreFault};
use crate::mail::Timestamp;
use crate::vault::Index;
use sqlx::{AnyConnection, Row};
use std::time::Duration;

/// How a first contact is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The sender must come again after so long at the earliest.
    pub wait: Duration,
    /// And within so long.
    pub retry_within: Duration,
    /// Who did is known for so long after each mail.
    pub remember: Duration,
}

const KNOWN: &str = "SELECT message_id FROM duplicate WHERE guard_idx = $1 AND expires_at > $2";

impl Store {
    /// When the sender was first seen, if that is still known.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn first_contact(
        &self,
        guard: &Index,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreFault> {
        let row = sqlx::query(KNOWN)
            .bind(guard.as_bytes())
            .bind(now.as_millis())
            .fetch_optional(self.pool())
            .await?;
        Ok(row.map(|row| row.try_get(0).map(Timestamp::from_millis)).transpose()?)
    }

    /// Notes a contact. How much longer the sender has to wait; zero when it may send.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn greylist(
        &self,
        guard: Index,
        now: Timestamp,
        patience: Patience,
    ) -> Result<Duration, StoreFault> {
        match self.change(Change::Greylist { guard, now, patience }).await? {
            Effect::Count(millis) => Ok(Duration::from_millis(millis)),
            _ => Err(StoreFault::Stopped),
        }
    }
}

/// The milliseconds that are left to wait.
pub(super) async fn contact(
    connection: &mut AnyConnection,
    guard: &Index,
    now: Timestamp,
    patience: Patience,
) -> Result<u64, sqlx::Error> {
    let known = sqlx::query(KNOWN)
        .bind(guard.as_bytes())
        .bind(now.as_millis())
        .fetch_optional(&mut *connection)
        .await?;
    let first = known.map(|row| row.try_get(0).map(Timestamp::from_millis)).transpose()?;
    let left = patience.wait.saturating_sub(now.since(first.unwrap_or(now)));
    let expires_at = match (first, left.is_zero()) {
        (_, true) => now.after(patience.remember),
        (Some(_), false) => return Ok(millis(left)),
        (None, false) => now.after(patience.retry_within),
    };
    sqlx::query(
        "INSERT INTO duplicate (guard_idx, message_id, expires_at) VALUES ($1, $2, $3) \
         ON CONFLICT (guard_idx) DO UPDATE SET message_id = excluded.message_id, expires_at = excluded.expires_at",
    )
    .bind(guard.as_bytes())
    .bind(first.unwrap_or(now).as_millis())
    .bind(expires_at.as_millis())
    .execute(connection)
    .await?;
    Ok(millis(left))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
