//! MTA-STS policies and the counts of TLS sessions, both sealed; SQL sees keyed indexes, days and numbers.

use super::fault::StoreFault;
use super::handle::Store;
use super::writer::Change;
use crate::mail::Timestamp;
use crate::vault::Sealed;
use sqlx::{AnyConnection, Row};

/// Policies read at once: bounds what a start holds in memory.
const MOST: i64 = 10_000;
/// Counts read at once.
pub const TLS_COUNTS: i64 = 10_000;

/// A policy to be kept.
pub struct NewPolicy {
    /// The keyed index of its domain.
    pub id: i64,
    pub data_key_id: i64,
    pub policy: Sealed,
    pub expires_at: Timestamp,
}

/// Sessions of one kind, to be added to those of their day.
pub struct NewTlsCount {
    /// The keyed index of day and kind.
    pub id: i64,
    /// Days since 1970.
    pub day: i64,
    pub data_key_id: i64,
    pub kind: Sealed,
    pub sessions: i64,
}

/// Sessions of one kind on one day.
pub struct TlsCountRow {
    pub id: i64,
    pub day: i64,
    pub kind: Sealed,
    pub sessions: i64,
}

pub(super) async fn keep_policies(
    connection: &mut AnyConnection,
    new: &[NewPolicy],
) -> Result<(), sqlx::Error> {
    for new in new {
        sqlx::query(
            "INSERT INTO sts_policy (id, data_key_id, policy, expires_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (id) DO UPDATE SET data_key_id = excluded.data_key_id, policy = excluded.policy, \
             expires_at = excluded.expires_at",
        )
        .bind(new.id)
        .bind(new.data_key_id)
        .bind(new.policy.stored())
        .bind(new.expires_at.as_millis())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

pub(super) async fn count_tls(
    connection: &mut AnyConnection,
    new: &[NewTlsCount],
) -> Result<(), sqlx::Error> {
    for new in new {
        sqlx::query(
            "INSERT INTO tls_result (id, day, data_key_id, kind, sessions) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (id) DO UPDATE SET sessions = tls_result.sessions + excluded.sessions",
        )
        .bind(new.id)
        .bind(new.day)
        .bind(new.data_key_id)
        .bind(new.kind.stored())
        .bind(new.sessions)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Forgets the counts of these days' kinds, and policies that have ended.
pub(super) async fn forget_tls(
    connection: &mut AnyConnection,
    counts: &[i64],
    ended_before: Timestamp,
) -> Result<(), sqlx::Error> {
    for id in counts {
        sqlx::query("DELETE FROM tls_result WHERE id = $1").bind(*id).execute(&mut *connection).await?;
    }
    sqlx::query("DELETE FROM sts_policy WHERE expires_at < $1")
        .bind(ended_before.as_millis())
        .execute(connection)
        .await?;
    Ok(())
}

impl Store {
    /// Keeps policies, each in place of an older one of its domain.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn keep_policies(&self, new: Vec<NewPolicy>) -> Result<(), StoreFault> {
        self.change(Change::KeepPolicies(new)).await.map(|_| ())
    }

    /// Adds to the counts of days.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer: they may have been added all the same.
    pub async fn count_tls(&self, new: Vec<NewTlsCount>) -> Result<(), StoreFault> {
        self.change(Change::CountTls(new)).await.map(|_| ())
    }

    /// Forgets counts, by id, and policies that ended before `now`.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn forget_tls(&self, counts: Vec<i64>, now: Timestamp) -> Result<(), StoreFault> {
        self.change(Change::ForgetTls { counts, ended_before: now }).await.map(|_| ())
    }

    /// The policies that hold still, the one that ends last first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn sts_policies(&self, now: Timestamp) -> Result<Vec<(i64, Sealed)>, StoreFault> {
        let rows = sqlx::query(
            "SELECT id, policy FROM sts_policy WHERE expires_at >= $1 ORDER BY expires_at DESC LIMIT $2",
        )
        .bind(now.as_millis())
        .bind(MOST)
        .fetch_all(self.pool())
        .await?;
        let read = |row: &sqlx::any::AnyRow| Ok((row.try_get(0)?, Sealed::from_stored(row.try_get(1)?)));
        Ok(rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?)
    }

    /// The policy of one domain, if it holds still.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn sts_policy(&self, id: i64, now: Timestamp) -> Result<Option<Sealed>, StoreFault> {
        let row = sqlx::query("SELECT policy FROM sts_policy WHERE id = $1 AND expires_at >= $2")
            .bind(id)
            .bind(now.as_millis())
            .fetch_optional(self.pool())
            .await?;
        row.map(|row| row.try_get(0).map(Sealed::from_stored)).transpose().map_err(Into::into)
    }

    /// The first counts of a day behind this row; at most [`TLS_COUNTS`] of them.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn tls_counts_of(&self, day: i64, behind: i64) -> Result<Vec<TlsCountRow>, StoreFault> {
        let rows = sqlx::query(
            "SELECT id, day, kind, sessions FROM tls_result WHERE day = $1 AND id > $2 ORDER BY id LIMIT $3",
        )
        .bind(day)
        .bind(behind)
        .bind(TLS_COUNTS)
        .fetch_all(self.pool())
        .await?;
        let read = |row: &sqlx::any::AnyRow| {
            Ok(TlsCountRow {
                id: row.try_get(0)?,
                day: row.try_get(1)?,
                kind: Sealed::from_stored(row.try_get(2)?),
                sessions: row.try_get(3)?,
            })
        };
        Ok(rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?)
    }

    /// The days before this one of which there are counts, the first first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn tls_count_days(&self, before: i64) -> Result<Vec<i64>, StoreFault> {
        let rows = sqlx::query("SELECT DISTINCT day FROM tls_result WHERE day < $1 ORDER BY day")
            .bind(before)
            .fetch_all(self.pool())
            .await?;
        let days = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, sqlx::Error>>()?;
        Ok(days)
    }
}
