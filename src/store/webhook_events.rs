//! What webhooks are told, written in the transaction in which it happens: an event once, and for each webhook that it waits.
//!
//! Rules: events of messages between a store and a customer alone. Of a customer's message nothing that is between him and the service: that
//! it is held, and so that it came before it goes on. Where nobody asked for webhooks one look at an empty table is all that it costs.
//! When it fails: the transaction is rolled back, and what happened with it.

use super::batch::{lots, statement};
use super::engine::Engine;
use super::rows::NewRecord;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

/// What is told of either side's messages, and of a store's own alone.
const OF_ALL: [&str; 5] = ["accepted", "delivered", "deferred", "failed", "returned"];
const OF_OWN: [&str; 3] = ["held", "released", "dropped"];
const OWN: &str = "to_customer";
const OTHERS: &str = "to_merchant";

/// Events of one transaction.
#[derive(Default)]
pub(super) struct Events<'a> {
    new: Vec<Event<'a>>,
    held: Vec<i64>,
}

struct Event<'a> {
    record: &'a NewRecord,
    merchant: i64,
    conversation: i64,
    message: i64,
    direction: &'a str,
}

impl<'a> Events<'a> {
    /// Takes a record, if webhooks are told of it.
    pub fn note(&mut self, record: &'a NewRecord) {
        let (Some(merchant), Some(conversation), Some(message)) =
            (record.merchant_id, record.conversation_id, record.message_id)
        else {
            return;
        };
        let direction = record.fact.direction.as_deref().unwrap_or_default();
        let is_own = direction == OWN;
        if record.event == "held" && !is_own {
            self.held.push(message);
        }
        // What comes back with another word than a failure (a receipt) is between its sender and the service.
        let is_told = record.event != "returned"
            || record.fact.result.as_deref().is_some_and(|result| result.starts_with("5."));
        let told = OF_ALL.contains(&record.event) || (is_own && OF_OWN.contains(&record.event));
        if (is_own || direction == OTHERS) && told && is_told {
            self.new.push(Event { record, merchant, conversation, message, direction });
        }
    }

    /// Writes what was noted, for whoever is told.
    pub async fn write(self, connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
        let Self { mut new, held } = self;
        new.retain(|event| event.direction == OWN || !held.contains(&event.message));
        if new.is_empty() {
            return Ok(());
        }
        let text = "SELECT id FROM webhook WHERE ended_at IS NULL";
        let rows = sqlx::query(text).fetch_all(&mut *connection).await?;
        if rows.is_empty() {
            return Ok(());
        }
        for lot in lots(&new) {
            let text = statement(
                Engine::of(connection),
                "INSERT INTO webhook_event (id, at, event, result, merchant_id, conversation_id, message_id, direction) VALUES",
                "(?, ?, ?, ?, ?, ?, ?, ?)",
                lot.len(),
                "",
            );
            let mut query = sqlx::query(AssertSqlSafe(text));
            for event in lot {
                query = query
                    .bind(event.record.id)
                    .bind(event.record.at.as_millis())
                    .bind(event.record.event)
                    .bind(event.record.fact.result.as_deref())
                    .bind(event.merchant)
                    .bind(event.conversation)
                    .bind(event.message)
                    .bind(event.direction);
            }
            query.execute(&mut *connection).await?;
        }
        for row in &rows {
            let webhook: i64 = row.try_get(0)?;
            for lot in lots(&new) {
                let text = statement(
                    Engine::of(connection),
                    "INSERT INTO webhook_delivery (webhook_id, event_id, next_at, lease, attempts) VALUES",
                    "(?, ?, ?, 0, 0)",
                    lot.len(),
                    "",
                );
                let mut query = sqlx::query(AssertSqlSafe(text));
                for event in lot {
                    query = query.bind(webhook).bind(event.record.id).bind(event.record.at.as_millis());
                }
                query.execute(&mut *connection).await?;
            }
        }
        Ok(())
    }
}

/// Forgets events that are older, with what was sent of them, at most so many. How many.
pub(super) async fn forget(
    connection: &mut AnyConnection,
    before: i64,
    most: i64,
) -> Result<u64, sqlx::Error> {
    let text = "SELECT id FROM webhook_event WHERE id < $1 ORDER BY id LIMIT $2";
    let rows = sqlx::query(text).bind(before).bind(most).fetch_all(&mut *connection).await?;
    for row in &rows {
        let id: i64 = row.try_get(0)?;
        for text in
            ["DELETE FROM webhook_delivery WHERE event_id = $1", "DELETE FROM webhook_event WHERE id = $1"]
        {
            sqlx::query(text).bind(id).execute(&mut *connection).await?;
        }
    }
    Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
}
