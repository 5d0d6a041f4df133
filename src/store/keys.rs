//! Keys as the database knows them: segments, and the names of the ring's keys.
//!
//! Rules: a segment is committed before the first change that may hold a value sealed with it. So it is announced when it is
//! made, and whoever changes something next writes it first.
//! When it fails: [`StoreFault`]; then the change is not made either.

use super::fault::StoreFault;
use super::handle::Store;
use crate::mail::Timestamp;
use crate::vault::{FactProofs, Index, Purpose};
use sqlx::{AnyConnection, Row};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A segment to be kept.
#[derive(Clone)]
pub struct NewSegment {
    pub id: i64,
    pub class: &'static str,
    pub day: i64,
    pub wrapped: Vec<u8>,
    pub at: Timestamp,
}

/// A segment as it is kept.
pub struct SegmentRow {
    pub id: i64,
    pub class: String,
    pub day: i64,
    pub wrapped: Vec<u8>,
}

/// A key of the ring that this database was used with.
pub struct RingKeyRow {
    pub purpose: String,
    pub name: String,
    pub fingerprint: String,
    pub since: Timestamp,
    pub retired_at: Option<Timestamp>,
    /// When its file was destroyed.
    pub gone_at: Option<Timestamp>,
    /// What proves that it was.
    pub ruling: Option<Vec<u8>>,
}

/// What the writer is to know before it writes: segments that are made and not yet committed, and what proves facts.
#[derive(Default)]
pub(super) struct Announced {
    pub(super) proofs: OnceLock<Arc<FactProofs>>,
    any: AtomicBool,
    segments: Mutex<Vec<NewSegment>>,
    saving: tokio::sync::Mutex<()>,
    /// The last that was committed of each class.
    committed: Mutex<Vec<NewSegment>>,
}

impl Announced {
    /// Writes again what this process seals with today, on a connection that is new: after a failover the server may lack it.
    pub(super) async fn restore(&self, connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
        let today = Timestamp::now().as_millis().div_euclid(super::DAY_MS);
        let committed = self.committed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Keys of a day that is over may have been destroyed since.
        for segment in committed.iter().filter(|segment| segment.day == today) {
            insert(segment, &mut *connection).await?;
        }
        Ok(())
    }
}

async fn insert(segment: &NewSegment, into: impl sqlx::AnyExecutor<'_>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO segment (id, class, day, wrapped, created_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(segment.id)
    .bind(segment.class)
    .bind(segment.day)
    .bind(segment.wrapped.as_slice())
    .bind(segment.at.as_millis())
    .execute(into)
    .await?;
    Ok(())
}

impl Store {
    /// Makes a segment known: it is committed before the next change.
    pub fn announce(&self, segment: NewSegment) {
        let announced = self.announced();
        let mut segments = announced.segments.lock().unwrap_or_else(PoisonError::into_inner);
        segments.push(segment);
        announced.any.store(true, Ordering::Release);
    }

    /// Commits what was announced.
    pub(super) async fn save_announced(&self) -> Result<(), StoreFault> {
        let announced = self.announced();
        if !announced.any.load(Ordering::Acquire) {
            return Ok(());
        }
        let _turn = announced.saving.lock().await;
        let segments = announced.segments.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for segment in &segments {
            insert(segment, self.pool()).await?;
        }
        let mut committed = announced.committed.lock().unwrap_or_else(PoisonError::into_inner);
        for segment in &segments {
            committed.retain(|old| old.class != segment.class);
            committed.push(segment.clone());
        }
        drop(committed);
        let mut left = announced.segments.lock().unwrap_or_else(PoisonError::into_inner);
        left.retain(|segment| !segments.iter().any(|saved| saved.id == segment.id));
        announced.any.store(!left.is_empty(), Ordering::Release);
        Ok(())
    }

    /// A segment.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn segment(&self, id: i64) -> Result<Option<SegmentRow>, StoreFault> {
        let row = sqlx::query("SELECT id, class, day, wrapped FROM segment WHERE id = $1")
            .bind(id)
            .fetch_optional(self.pool())
            .await?;
        row.as_ref().map(read_segment).transpose().map_err(Into::into)
    }

    /// The ring's keys that this database was used with.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn ring_keys(&self) -> Result<Vec<RingKeyRow>, StoreFault> {
        let rows = sqlx::query(
            "SELECT purpose, name, fingerprint, retired_at, since, gone_at, ruling FROM ring_key ORDER BY purpose, name",
        )
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                let time =
                    |at| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>, _>(at)?.map(Timestamp::from_millis));
                Ok(RingKeyRow {
                    purpose: row.try_get(0)?,
                    name: row.try_get(1)?,
                    fingerprint: row.try_get(2)?,
                    since: Timestamp::from_millis(row.try_get(4)?),
                    retired_at: time(3)?,
                    gone_at: time(5)?,
                    ruling: row.try_get(6)?,
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(Into::into)
    }

    /// Remembers a key of the ring; one of a retired key's name takes its place.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn note_ring_key(
        &self,
        purpose: &str,
        name: &str,
        fingerprint: &str,
        at: Timestamp,
    ) -> Result<(), StoreFault> {
        sqlx::query(
            "INSERT INTO ring_key (purpose, name, fingerprint, since) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (purpose, name) DO UPDATE SET fingerprint = excluded.fingerprint, since = excluded.since, \
             retired_at = NULL, gone_at = NULL, ruling = NULL WHERE ring_key.retired_at IS NOT NULL",
        )
        .bind(purpose)
        .bind(name)
        .bind(fingerprint)
        .bind(at.as_millis())
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Notes that the file of a retired key was destroyed.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn ring_key_is_gone(
        &self,
        purpose: &str,
        name: &str,
        ruling: Index,
        at: Timestamp,
    ) -> Result<(), StoreFault> {
        let text = "UPDATE ring_key SET gone_at = $3, ruling = $4 \
             WHERE purpose = $1 AND name = $2 AND retired_at IS NOT NULL";
        let query = sqlx::query(text).bind(purpose).bind(name).bind(at.as_millis()).bind(ruling.as_bytes());
        query.execute(self.pool()).await?;
        Ok(())
    }

    /// Notes that a key of the ring is retired, or that it is not.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn retire_ring_key(
        &self,
        purpose: &str,
        name: &str,
        at: Option<Timestamp>,
    ) -> Result<(), StoreFault> {
        sqlx::query("UPDATE ring_key SET retired_at = $3 WHERE purpose = $1 AND name = $2")
            .bind(purpose)
            .bind(name)
            .bind(at.map(Timestamp::as_millis))
            .execute(self.pool())
            .await?;
        Ok(())
    }
}

pub(super) fn read_segment(row: &sqlx::any::AnyRow) -> Result<SegmentRow, sqlx::Error> {
    Ok(SegmentRow {
        id: row.try_get(0)?,
        class: row.try_get(1)?,
        day: row.try_get(2)?,
        wrapped: row.try_get(3)?,
    })
}

/// The classes that the ring's keys of a purpose open: texts, or everything else.
pub(super) fn classes_of(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Body => "class = 'body'",
        Purpose::Menu => "class = 'access'",
        _ => "class NOT IN ('body', 'access')",
    }
}
