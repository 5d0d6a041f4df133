//! What is not sent to: destinations that the operator paused, and mailboxes that refused for good.
//!
//! Rules: a suppression is a keyed index of an address within one store, so two stores' rows can't be linked; it ends by
//! itself, and its count of failures is forgotten a while after it. Each change by a person has its record.

use super::accept;
use super::batch::{lots, statement};
use super::engine::Engine;
use super::fault::StoreFault;
use super::handle::Store;
use super::lanes;
use super::parties::KeyRow;
use super::rows::{Gone, Mailbox, NewRecord, Settlement};
use super::touched::Touched;
use super::writer::Change;
use crate::mail::Timestamp;
use crate::schedule::Suppression;
use crate::vault::{Index, Sealed};
use sqlx::{AnyConnection, AssertSqlSafe, Row};

/// How long after a bounce a mail that is taken says nothing of the mailbox: bounces come within days (RFC 5321 §4.5.4.1).
const LATE_MS: i64 = 14 * 86_400_000;
/// Most suppressions that are listed.
const LISTED: i64 = 10_000;

/// A change of what is sent to.
pub enum Block {
    Pause {
        route: i64,
        data_key_id: i64,
        domain: Sealed,
        record: NewRecord,
        at: Timestamp,
    },
    Resume {
        route: i64,
        record: NewRecord,
        at: Timestamp,
    },
    Suppress {
        gone: Gone,
        record: NewRecord,
        at: Timestamp,
    },
    /// By any of the indexes that the keys of the ring give.
    Lift {
        address_idx: Vec<Index>,
        record: Option<NewRecord>,
    },
}

/// A paused destination.
pub struct PauseRow {
    pub route: i64,
    pub key: KeyRow,
    pub domain: Sealed,
    pub since: Timestamp,
}

/// A mailbox to which nothing is sent.
pub struct SuppressedRow {
    pub merchant_id: i64,
    pub conversation_id: Option<i64>,
    pub side: String,
    pub status: String,
    pub failures: i64,
    pub since: Timestamp,
    pub expires_at: Timestamp,
}

/// Writes one. How many rows it changed.
pub(super) async fn write<'a>(
    connection: &mut AnyConnection,
    touched: &mut Touched<'a>,
    block: &'a Block,
) -> Result<u64, sqlx::Error> {
    let (changed, record) = match block {
        Block::Pause { route, data_key_id, domain, record, at } => {
            let done = sqlx::query(
                "INSERT INTO pause (route, data_key_id, domain, since) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (route) DO NOTHING",
            )
            .bind(*route)
            .bind(*data_key_id)
            .bind(domain.stored())
            .bind(at.as_millis())
            .execute(&mut *connection)
            .await?;
            (done.rows_affected(), Some(record))
        }
        Block::Resume { route, record, at } => {
            let done = sqlx::query("DELETE FROM pause WHERE route = $1")
                .bind(*route)
                .execute(&mut *connection)
                .await?;
            lanes::wake(connection, touched, &[*route], *at).await?;
            (done.rows_affected(), Some(record))
        }
        Block::Suppress { gone, record, at } => {
            // A person's word counts like a second failure.
            suppress(connection, gone, *at).await?;
            suppress(connection, gone, *at).await?;
            (1, Some(record))
        }
        Block::Lift { address_idx, record } => {
            let mut lifted = 0;
            for index in address_idx {
                lifted += lift(connection, index).await?;
            }
            (lifted, record.as_ref())
        }
    };
    if let Some(record) = record.filter(|_| changed > 0) {
        accept::records(connection, touched, &[record]).await?;
    }
    Ok(changed)
}

/// Writes what settlements said of mailboxes.
pub(super) async fn mailboxes(
    connection: &mut AnyConnection,
    settled: impl Iterator<Item = &Settlement>,
) -> Result<(), sqlx::Error> {
    let mut alive: Vec<&Index> = Vec::new();
    let mut now = Timestamp::from_millis(0);
    for done in settled {
        now = now.max(done.at);
        match &done.mailbox {
            Mailbox::Gone(gone) => suppress(connection, gone, done.at).await?,
            Mailbox::Alive(indexes) => alive.extend(indexes),
            Mailbox::Nothing => {}
        }
    }
    for lot in lots(&alive) {
        // What a person said stands, whatever a server of his takes; and one that takes first and refuses later has not
        // refused yet.
        let end = ") AND status NOT IN ('complaint', 'operator') AND (late = 0 OR since < ?)";
        let text = statement(
            Engine::of(connection),
            "DELETE FROM suppressed WHERE address_idx IN (",
            "?",
            lot.len(),
            end,
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for index in lot {
            query = query.bind(index.as_bytes());
        }
        query.bind(now.as_millis().saturating_sub(LATE_MS)).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn lift(connection: &mut AnyConnection, index: &Index) -> Result<u64, sqlx::Error> {
    let done = sqlx::query("DELETE FROM suppressed WHERE address_idx = $1")
        .bind(index.as_bytes())
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

/// Counts a refusal for good, and suppresses a mailbox for longer each time; while it is suppressed nothing changes.
pub(super) async fn suppress(
    connection: &mut AnyConnection,
    gone: &Gone,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    let row = sqlx::query("SELECT failures, expires_at FROM suppressed WHERE address_idx = $1")
        .bind(gone.address_idx.as_bytes())
        .fetch_optional(&mut *connection)
        .await?;
    let (mut earlier, mut in_force) = (0_i64, false);
    if let Some(row) = row {
        earlier = row.try_get(0)?;
        in_force = row.try_get::<i64, _>(1)? > at.as_millis();
    }
    // What was under way when it was suppressed says nothing new; a person does.
    if in_force {
        if matches!(gone.status.as_str(), "complaint" | "operator") {
            sqlx::query("UPDATE suppressed SET status = $1, late = 0 WHERE address_idx = $2")
                .bind(gone.status.as_str())
                .bind(gone.address_idx.as_bytes())
                .execute(connection)
                .await?;
        }
        return Ok(());
    }
    let next = Suppression::after(u32::try_from(earlier).unwrap_or(0), at);
    sqlx::query(
        "INSERT INTO suppressed (address_idx, merchant_id, conversation_id, side, status, failures, since, expires_at, \
         late) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (address_idx) DO UPDATE SET \
         conversation_id = excluded.conversation_id, status = excluded.status, failures = excluded.failures, \
         since = excluded.since, expires_at = excluded.expires_at, late = excluded.late",
    )
    .bind(gone.address_idx.as_bytes())
    .bind(gone.merchant_id)
    .bind(gone.conversation_id)
    .bind(gone.side)
    .bind(gone.status.as_str())
    .bind(i64::from(next.failures))
    .bind(at.as_millis())
    .bind(next.expires_at.as_millis())
    .bind(i64::from(gone.late))
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// Changes what is sent to. How many rows it changed.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn block(&self, block: Block) -> Result<u64, StoreFault> {
        let changed = self.count(Change::Block(Box::new(block))).await?;
        self.ring();
        Ok(changed)
    }

    /// The paused destinations.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn paused(&self) -> Result<Vec<PauseRow>, StoreFault> {
        let rows = sqlx::query(
            "SELECT p.route, p.data_key_id, k.wrapped, p.domain, p.since FROM pause p \
             JOIN data_key k ON k.id = p.data_key_id ORDER BY p.since",
        )
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(PauseRow {
                    route: row.try_get(0)?,
                    key: KeyRow { id: row.try_get(1)?, wrapped: row.try_get(2)? },
                    domain: Sealed::from_stored(row.try_get(3)?),
                    since: Timestamp::from_millis(row.try_get(4)?),
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(Into::into)
    }

    /// The suppression of an address that is in force, if there is one.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn suppression(
        &self,
        indexes: impl Iterator<Item = Index>,
        now: Timestamp,
    ) -> Result<Option<SuppressedRow>, StoreFault> {
        for index in indexes {
            let row = sqlx::query(
                "SELECT merchant_id, conversation_id, side, status, failures, since, expires_at FROM suppressed \
                 WHERE address_idx = $1 AND expires_at > $2",
            )
            .bind(index.as_bytes())
            .bind(now.as_millis())
            .fetch_optional(self.pool())
            .await?;
            if let Some(row) = row {
                return Ok(Some(read(&row)?));
            }
        }
        Ok(None)
    }

    /// All suppressions that are in force, at most 10,000, the last first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn suppressions(&self, now: Timestamp) -> Result<Vec<SuppressedRow>, StoreFault> {
        let rows = sqlx::query(
            "SELECT merchant_id, conversation_id, side, status, failures, since, expires_at FROM suppressed \
             WHERE expires_at > $1 ORDER BY since DESC LIMIT $2",
        )
        .bind(now.as_millis())
        .bind(LISTED)
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(Into::into)
    }
}

fn read(row: &sqlx::any::AnyRow) -> Result<SuppressedRow, sqlx::Error> {
    Ok(SuppressedRow {
        merchant_id: row.try_get(0)?,
        conversation_id: row.try_get(1)?,
        side: row.try_get(2)?,
        status: row.try_get(3)?,
        failures: row.try_get(4)?,
        since: Timestamp::from_millis(row.try_get(5)?),
        expires_at: Timestamp::from_millis(row.try_get(6)?),
    })
}
