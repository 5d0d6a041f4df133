//! A change of what a store has in the menu: one transaction with its records and the mails that tell of it.
//!
//! Rules: it begins with a lock on the store's row, so that two at once see each other, and a store that has left changes nothing. Who asks is
//! looked at again behind the lock: between a request and its change the session may have ended, the role may be another, and a
//! sign-in from a new country may make the person wait.
//! When it fails: [`StoreFault`]; nothing was changed.

use super::accept;
use super::fault::StoreFault;
use super::handle::Store;
use super::menu::MenuChanged;
use super::reader::Transaction;
use super::rows::{NewMessage, NewRecord};
use super::touched::Touched;
use crate::mail::Timestamp;
use crate::vault::FactProofs;
use sqlx::AnyConnection;
use std::sync::Arc;

/// Who changes something, as it was when the request came. It is looked at again once the store is locked, since a request may take its time.
pub struct Acting {
    pub session: i64,
    pub person: i64,
    pub role: &'static str,
    /// Whether who has to wait after a sign-in from a new country may not.
    pub is_for_later: bool,
    pub at: Timestamp,
}

/// What is written with a change of the menu.
#[derive(Default)]
pub struct Told {
    /// Somebody who is signed in; none: nobody's session is asked.
    pub by: Option<Acting>,
    pub records: Vec<NewRecord>,
    pub mails: Vec<NewMessage>,
}

impl Told {
    /// The same, if who does it has not to wait.
    #[must_use]
    pub fn unless_cooling(mut self) -> Self {
        if let Some(by) = &mut self.by {
            by.is_for_later = true;
        }
        self
    }

    /// Whether who does it may still: the session stands, the role is the same, nothing has to wait.
    pub(super) async fn is_allowed(&self, connection: &mut AnyConnection) -> Result<bool, sqlx::Error> {
        let Some(by) = &self.by else { return Ok(true) };
        let text = "SELECT p.id FROM menu_session s JOIN menu_person p ON p.id = s.person_id \
             WHERE s.id = $1 AND s.person_id = $2 AND s.ends_at > $3 AND p.role = $4 AND p.ended_at IS NULL \
             AND COALESCE(p.cools_until, 0) <= $5";
        let cools = if by.is_for_later { by.at.as_millis() } else { i64::MAX };
        let query = sqlx::query(text).bind(by.session).bind(by.person).bind(by.at.as_millis());
        Ok(query.bind(by.role).bind(cools).fetch_optional(connection).await?.is_some())
    }

    /// Writes records and mails: the last thing that a transaction does.
    pub(super) async fn write(
        &self,
        proofs: Option<Arc<FactProofs>>,
        connection: &mut AnyConnection,
    ) -> Result<(), StoreFault> {
        let mut touched = Touched::proven_by(proofs);
        let records: Vec<&NewRecord> = self.records.iter().collect();
        accept::records(connection, &mut touched, &records).await?;
        let mails: Vec<&NewMessage> = self.mails.iter().collect();
        accept::messages(connection, &mut touched, &mails).await?;
        Ok(touched.write(connection).await?)
    }
}

/// What a change can come to.
pub(super) trait Came: Copy + PartialEq {
    const DONE: Self;
    /// Who asked may not any more.
    const NOT_ALLOWED: Self;
    /// The store has left.
    const GONE: Self;
}

impl Came for MenuChanged {
    const DONE: Self = Self::Done;
    const NOT_ALLOWED: Self = Self::NotAllowed;
    const GONE: Self = Self::Gone;
}

impl Store {
    /// Changes something of a store in one transaction with what is told of it; what is not done is rolled back.
    pub(super) async fn menu_changing<C: Came>(
        &self,
        merchant: i64,
        told: &Told,
        change: impl AsyncFnOnce(&mut Transaction<'_>) -> Result<C, StoreFault>,
    ) -> Result<C, StoreFault> {
        self.save_announced().await?;
        let changed = self
            .pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                // The first statement writes: SQLite gives the lock of a transaction that has read to no second one.
                let text = match &told.by {
                    Some(_) => {
                        "UPDATE merchant SET created_at = created_at WHERE id = $1 AND left_at IS NULL AND contained_at IS NULL"
                    }
                    None => "UPDATE merchant SET created_at = created_at WHERE id = $1 AND left_at IS NULL",
                };
                let here = sqlx::query(text).bind(merchant).execute(&mut *transaction).await?;
                if here.rows_affected() == 0 {
                    return Ok(C::GONE);
                }
                if !told.is_allowed(&mut transaction).await? {
                    return Ok(C::NOT_ALLOWED);
                }
                let changed = change(&mut transaction).await?;
                if changed == C::DONE {
                    told.write(self.fact_proofs(), &mut transaction).await?;
                    transaction.commit().await?;
                }
                Ok(changed)
            })
            .await?;
        if changed == C::DONE && !told.mails.is_empty() {
            self.ring();
        }
        Ok(changed)
    }
}
