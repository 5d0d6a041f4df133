//! What a store's people see of its mails: which there were, by the facts of the log, and what stands in the queue of them; and a decision of
//! theirs about one.
//!
//! Rules: every statement names the store, so that nothing of another is found by a number. Facts are asked for a stretch of ids at a time
//! (`days_at_once`). A decision is one transaction with its records, which looks again whether who decides may.
//! When it fails: [`StoreFault`]; nothing was decided.

use super::accept;
use super::batch::{lots, statement};
use super::fault::StoreFault;
use super::handle::Store;
use super::holds::{self, Ruling};
use super::menu::MenuChanged;
use super::menu_changing::Told;
use super::parties::{AliasRow, KeyRow};
use super::rows::{Kind, NewRecord};
use super::touched::Touched;
use crate::mail::Timestamp;
use crate::vault::Sealed;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

/// Which mails of a store.
pub struct MenuMailsAsked<'a> {
    pub merchant: i64,
    /// Of these conversations; all, where none is named.
    pub conversations: &'a [i64],
    /// Ids of facts: from one until before another.
    pub from: i64,
    pub before: i64,
    pub limit: i64,
}

/// A mail that was taken: the fact of it.
#[derive(Debug, Clone)]
pub struct MenuMailRow {
    pub id: i64,
    pub at: Timestamp,
    pub message_id: i64,
    pub conversation_id: Option<i64>,
    pub direction: String,
    pub size: Option<i64>,
}

/// Something that happened to a mail.
#[derive(Debug, Clone)]
pub struct MenuMailEvent {
    pub id: i64,
    pub at: Timestamp,
    pub message_id: i64,
    pub event: String,
    pub result: Option<String>,
}

/// A conversation, as far as it says with whom a mail was.
pub struct MenuConversationRow {
    pub id: i64,
    pub kind: Kind,
    pub key: KeyRow,
    pub label: Sealed,
    /// Of the customer.
    pub alias: AliasRow,
}

const MAIL: &str = "SELECT id, at, message_id, conversation_id, direction, size FROM fact WHERE merchant_id = ? \
    AND event = 'accepted' AND direction IN ('to_customer', 'to_merchant', 'copy') AND message_id IS NOT NULL \
    AND id >= ? AND id < ?";

fn read_mail(row: &AnyRow) -> Result<MenuMailRow, sqlx::Error> {
    Ok(MenuMailRow {
        id: row.try_get(0)?,
        at: Timestamp::from_millis(row.try_get(1)?),
        message_id: row.try_get(2)?,
        conversation_id: row.try_get(3)?,
        direction: row.try_get(4)?,
        size: row.try_get(5)?,
    })
}

impl Store {
    /// Mails of a store, the latest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn menu_mails(&self, asked: &MenuMailsAsked<'_>) -> Result<Vec<MenuMailRow>, StoreFault> {
        let tail = "ORDER BY id DESC LIMIT ?";
        let text = match asked.conversations.len() {
            0 => statement(self.engine(), MAIL, "", 1, tail),
            many => {
                let head = format!("{MAIL} AND conversation_id IN (");
                statement(self.engine(), &head, "?", many, &format!(") {tail}"))
            }
        };
        // Planned anew each time, with its ids, as searches are.
        let mut query = sqlx::query(AssertSqlSafe(text)).persistent(false);
        query = query.bind(asked.merchant).bind(asked.from).bind(asked.before);
        for conversation in asked.conversations {
            query = query.bind(*conversation);
        }
        let rows = query.bind(asked.limit).fetch_all(self.pool()).await?;
        rows.iter().map(read_mail).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// One mail of a store, if it was taken in a stretch of ids.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn menu_mail(
        &self,
        merchant: i64,
        message: i64,
        (from, before): (i64, i64),
    ) -> Result<Option<MenuMailRow>, StoreFault> {
        let text = statement(self.engine(), MAIL, "", 1, "AND message_id = ?");
        let query = sqlx::query(AssertSqlSafe(text)).persistent(false);
        let query = query.bind(merchant).bind(from).bind(before).bind(message);
        let row = query.fetch_optional(self.pool()).await?;
        row.as_ref().map(read_mail).transpose().map_err(Into::into)
    }

    /// What happened to mails of a store in a stretch of ids, the first first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn menu_mail_events(
        &self,
        merchant: i64,
        messages: &[i64],
        (from, before): (i64, i64),
    ) -> Result<Vec<MenuMailEvent>, StoreFault> {
        let head = "SELECT id, at, message_id, event, result FROM fact WHERE merchant_id = ? AND id >= ? AND id < ? \
             AND message_id IN (";
        let read = |row: &AnyRow| -> Result<MenuMailEvent, sqlx::Error> {
            Ok(MenuMailEvent {
                id: row.try_get(0)?,
                at: Timestamp::from_millis(row.try_get(1)?),
                message_id: row.try_get(2)?,
                event: row.try_get(3)?,
                result: row.try_get(4)?,
            })
        };
        let mut events = Vec::new();
        for lot in lots(messages) {
            let text = statement(self.engine(), head, "?", lot.len(), ") ORDER BY id");
            let mut query = sqlx::query(AssertSqlSafe(text)).persistent(false);
            query = query.bind(merchant).bind(from).bind(before);
            for message in lot {
                query = query.bind(*message);
            }
            for row in &query.fetch_all(self.pool()).await? {
                events.push(read(row)?);
            }
        }
        Ok(events)
    }

    /// Messages of a store that are held, the latest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn menu_held(&self, merchant: i64, limit: i64) -> Result<Vec<i64>, StoreFault> {
        let text = "SELECT m.id FROM delivery d JOIN message m ON m.id = d.message_id WHERE d.state = 'held' \
             AND m.merchant_id = $1 AND m.direction IN ('to_customer', 'copy') ORDER BY m.id DESC LIMIT $2";
        let rows = sqlx::query(text).bind(merchant).bind(limit).fetch_all(self.pool()).await?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Conversations of a store, by their ids.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn menu_conversations(
        &self,
        merchant: i64,
        ids: &[i64],
    ) -> Result<Vec<MenuConversationRow>, StoreFault> {
        let head = "SELECT c.id, c.kind, c.data_key_id, k.wrapped, c.label, a.id, a.key_name, a.domain FROM conversation c \
             JOIN data_key k ON k.id = c.data_key_id JOIN alias a ON a.conversation_id = c.id AND a.side = 'customer' \
             WHERE c.merchant_id = ? AND c.id IN (";
        let read = |row: &AnyRow| -> Result<MenuConversationRow, sqlx::Error> {
            let key_name: String = row.try_get(6)?;
            Ok(MenuConversationRow {
                id: row.try_get(0)?,
                kind: Kind::of(&row.try_get::<String, _>(1)?),
                key: KeyRow { id: row.try_get(2)?, wrapped: row.try_get(3)? },
                label: Sealed::from_stored(row.try_get(4)?),
                alias: AliasRow {
                    id: row.try_get(5)?,
                    key_name: key_name.bytes().next().unwrap_or_default(),
                    domain: row.try_get(7)?,
                    tag: None,
                },
            })
        };
        let mut found = Vec::new();
        for lot in lots(ids) {
            let text = statement(self.engine(), head, "?", lot.len(), ")");
            let mut query = sqlx::query(AssertSqlSafe(text)).bind(merchant);
            for id in lot {
                query = query.bind(*id);
            }
            for row in &query.fetch_all(self.pool()).await? {
                found.push(read(row)?);
            }
        }
        Ok(found)
    }

    /// The guests of an order's conversation.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn guests_of(&self, conversation: i64) -> Result<Vec<i64>, StoreFault> {
        let text = "SELECT id FROM conversation WHERE parent_id = $1 ORDER BY id";
        let rows = sqlx::query(text).bind(conversation).fetch_all(self.pool()).await?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// A person of a store decides about one of its mails. [`MenuChanged::Gone`]: it is not what it was.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer; then nothing is decided.
    pub async fn menu_rule(
        &self,
        merchant: i64,
        ruling: &Ruling,
        told: &Told,
    ) -> Result<MenuChanged, StoreFault> {
        self.save_announced().await?;
        let changed = self
            .pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                // The first statement writes: SQLite gives the lock of a transaction that has read to no second one.
                let text = "UPDATE merchant SET created_at = created_at WHERE id = $1";
                sqlx::query(text).bind(merchant).execute(&mut *transaction).await?;
                if !told.is_allowed(&mut transaction).await? {
                    return Ok(MenuChanged::NotAllowed);
                }
                // One for all that is written: its rows are locked last, in the order of their keys.
                let mut touched = Touched::proven_by(self.fact_proofs());
                if !holds::rule(&mut transaction, &mut touched, ruling).await? {
                    return Ok(MenuChanged::Gone);
                }
                let records: Vec<&NewRecord> = told.records.iter().collect();
                accept::records(&mut transaction, &mut touched, &records).await?;
                touched.write(&mut transaction).await?;
                transaction.commit().await?;
                Ok(MenuChanged::Done)
            })
            .await?;
        if changed == MenuChanged::Done {
            self.ring();
        }
        Ok(changed)
    }
}
