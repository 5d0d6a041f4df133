//! Writing accepted messages: everything that a 250 promises, in the transaction of the caller.

use super::batch::{lots, statement};
use super::engine::Engine;
use super::facts;
use super::kept_texts;
use super::menu;
use super::rows::{Acceptance, NewConversation, NewKey, NewMessage, NewNotice, NewRecord, NewThread};
use super::touched::{Lane, Touched};
use crate::mail::Timestamp;
use crate::vault::Index;
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use std::collections::HashSet;

type Done = Result<(), sqlx::Error>;

/// A body up to this size is written together with others; a larger one alone, since a statement copies its values.
const SMALL_BODY: usize = 64 * 1024;

/// Writes messages with their notices, except those that were accepted before.
pub(super) async fn messages<'a>(
    connection: &mut AnyConnection,
    touched: &mut Touched<'a>,
    new: &[&'a NewMessage],
) -> Result<Vec<Acceptance>, sqlx::Error> {
    let acceptances = guard(connection, new).await?;
    let is_new = |acceptance: &Acceptance| matches!(acceptance, Acceptance::New(_));
    let fresh: Vec<&'a NewMessage> =
        new.iter().zip(&acceptances).filter(|(_, a)| is_new(a)).map(|(new, _)| *new).collect();
    write(connection, touched, &fresh).await?;
    let mut due = Vec::new();
    for notice in fresh.iter().flat_map(|new| &new.notices) {
        if is_due(connection, notice).await? {
            due.push(&notice.message);
        }
    }
    write(connection, touched, &due).await?;
    Ok(acceptances)
}

/// Writes messages, each with its body, delivery, threads and records.
async fn write<'a>(
    connection: &mut AnyConnection,
    touched: &mut Touched<'a>,
    fresh: &[&'a NewMessage],
) -> Done {
    for lot in lots(fresh) {
        let text = statement(
            Engine::of(connection),
            "INSERT INTO message (id, merchant_id, conversation_id, data_key_id, direction, envelope, size, \
             received_at) VALUES",
            "(?, ?, ?, ?, ?, ?, ?, ?)",
            lot.len(),
            "",
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for new in lot {
            query = query
                .bind(new.id)
                .bind(new.merchant_id)
                .bind(new.conversation_id)
                .bind(new.data_key_id)
                .bind(new.direction)
                .bind(new.envelope.stored())
                .bind(new.size)
                .bind(new.at.as_millis());
        }
        query.execute(&mut *connection).await?;
    }
    let (small, large): (Vec<&NewMessage>, Vec<&NewMessage>) =
        fresh.iter().copied().partition(|new| new.body.len() <= SMALL_BODY);
    for lot in lots(&small).chain(large.chunks(1)) {
        let text = statement(
            Engine::of(connection),
            "INSERT INTO message_body (message_id, body) VALUES",
            "(?, ?)",
            lot.len(),
            "",
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for new in lot {
            query = query.bind(new.id).bind(new.body.stored());
        }
        query.execute(&mut *connection).await?;
    }
    kept_texts::write(connection, fresh).await?;
    for lot in lots(fresh) {
        let text = statement(
            Engine::of(connection),
            "INSERT INTO delivery (id, message_id, state, held_for, class, merchant_id, route, recipient, attempts, \
             next_at, expires_at, look_at, lease) VALUES",
            "(?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, 0)",
            lot.len(),
            "",
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for new in lot {
            query = query
                .bind(new.delivery.id)
                .bind(new.id)
                .bind(if new.delivery.hold.is_some() { "held" } else { "waiting" })
                .bind(new.delivery.hold.as_ref().map(|hold| hold.why))
                .bind(new.delivery.class.number())
                .bind(new.merchant_id)
                .bind(new.delivery.route)
                .bind(new.delivery.recipient.stored())
                .bind(new.at.as_millis())
                .bind(new.delivery.expires_at.as_millis())
                .bind(new.delivery.look_at.as_millis());
        }
        query.execute(&mut *connection).await?;
    }
    for new in fresh.iter().filter(|new| new.delivery.hold.is_none()) {
        let (class, route) = (new.delivery.class.number(), new.delivery.route);
        touched.touch(Lane { class, merchant_id: new.merchant_id, route }, new.at);
    }
    // Of two messages under one pseudonym the later counts; one statement must not name a row twice.
    let mut named = HashSet::new();
    let threads = fresh.iter().rev().flat_map(|new| &new.threads);
    let threads: Vec<&NewThread> =
        threads.filter(|thread| named.insert((thread.conversation_id, thread.tag.as_slice()))).collect();
    for lot in lots(&threads) {
        let text = statement(
            Engine::of(connection),
            "INSERT INTO thread_id (conversation_id, tag, data_key_id, original, message_id) VALUES",
            "(?, ?, ?, ?, ?)",
            lot.len(),
            "ON CONFLICT (conversation_id, tag) DO UPDATE SET message_id = excluded.message_id",
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for thread in lot {
            query = query
                .bind(thread.conversation_id)
                .bind(thread.tag.as_slice())
                .bind(thread.data_key_id)
                .bind(thread.original.stored())
                .bind(thread.message_id);
        }
        query.execute(&mut *connection).await?;
    }
    let holds = fresh.iter().filter_map(|new| new.delivery.hold.as_ref().map(|hold| &hold.record));
    let kept: Vec<&'a NewRecord> = fresh.iter().map(|new| &new.record).chain(holds).collect();
    records(connection, touched, &kept).await
}

/// Sets a notice's guards. Whether it is to be written.
async fn is_due(connection: &mut AnyConnection, notice: &NewNotice) -> Result<bool, sqlx::Error> {
    let mut due = notice.once.is_empty();
    for index in &notice.once {
        // Unlike the guard of a message it stands whatever becomes of the notice.
        let set = sqlx::query(
            "INSERT INTO duplicate (guard_idx, message_id, expires_at) VALUES ($1, $2, $3) \
             ON CONFLICT (guard_idx) DO UPDATE SET message_id = excluded.message_id, expires_at = excluded.expires_at \
             WHERE duplicate.expires_at <= $4",
        )
        .bind(index.as_bytes())
        .bind(notice.message.id)
        .bind(notice.until.as_millis())
        .bind(notice.message.at.as_millis())
        .execute(&mut *connection)
        .await?;
        due |= set.rows_affected() > 0;
    }
    Ok(due)
}

/// Sets the duplicate guards: which messages are new, and which the same as an earlier one. Of two alike in one call
/// the first is new.
async fn guard(connection: &mut AnyConnection, new: &[&NewMessage]) -> Result<Vec<Acceptance>, sqlx::Error> {
    let guarded: Vec<(&NewMessage, &Index, &Timestamp)> =
        new.iter().filter_map(|new| new.guard.as_ref().map(|(index, until)| (*new, index, until))).collect();
    let mut set = HashSet::new();
    for lot in lots(&guarded) {
        let text = statement(
            Engine::of(connection),
            "INSERT INTO duplicate (guard_idx, message_id, expires_at) VALUES",
            "(?, ?, ?)",
            lot.len(),
            "ON CONFLICT (guard_idx) DO NOTHING RETURNING message_id",
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for (new, index, until) in lot {
            query = query.bind(index.as_bytes()).bind(new.id).bind(until.as_millis());
        }
        for row in query.fetch_all(&mut *connection).await? {
            set.insert(row.try_get::<i64, _>(0)?);
        }
    }
    let mut acceptances = Vec::with_capacity(new.len());
    for new in new {
        acceptances.push(match &new.guard {
            Some((index, until)) if !set.contains(&new.id) => {
                match standing_guard(connection, index, new, *until).await? {
                    Some(earlier) => Acceptance::Duplicate(earlier),
                    None => Acceptance::New(new.id),
                }
            }
            _ => Acceptance::New(new.id),
        });
    }
    Ok(acceptances)
}

/// The earlier message that this one repeats; none when that one came to nothing or its time is over: then the guard
/// is this one's from now on, because a message sent again after it bounced is to be delivered.
async fn standing_guard(
    connection: &mut AnyConnection,
    guard: &Index,
    new: &NewMessage,
    expires_at: Timestamp,
) -> Result<Option<i64>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT u.message_id, u.expires_at, d.state FROM duplicate u \
         LEFT JOIN delivery d ON d.message_id = u.message_id WHERE u.guard_idx = $1",
    )
    .bind(guard.as_bytes())
    .fetch_one(&mut *connection)
    .await?;
    let (earlier, until): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let state: Option<String> = row.try_get(2)?;
    let came_to_nothing = matches!(state.as_deref(), Some("failed" | "dropped"));
    if !came_to_nothing && until > new.at.as_millis() {
        return Ok(Some(earlier));
    }
    let taken = sqlx::query(
        "UPDATE duplicate SET message_id = $1, expires_at = $2 WHERE guard_idx = $3 AND message_id = $4",
    )
    .bind(new.id)
    .bind(expires_at.as_millis())
    .bind(guard.as_bytes())
    .bind(earlier)
    .execute(connection)
    .await?;
    // Another process may have been faster with the same message.
    Ok((taken.rows_affected() == 0).then_some(earlier))
}

pub(super) async fn records<'a>(
    connection: &mut AnyConnection,
    touched: &mut Touched<'a>,
    new: &[&'a NewRecord],
) -> Done {
    for lot in lots(new) {
        let text = statement(
            Engine::of(connection),
            "INSERT INTO record (id, at, event, merchant_id, conversation_id, message_id, delivery_id, source, \
             data_key_id, detail, headers) VALUES",
            "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            lot.len(),
            "",
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for new in lot {
            query = query
                .bind(new.id)
                .bind(new.at.as_millis())
                .bind(new.event)
                .bind(new.merchant_id)
                .bind(new.conversation_id)
                .bind(new.message_id)
                .bind(new.delivery_id)
                .bind(new.source)
                .bind(new.data_key_id)
                .bind(new.detail.stored())
                .bind(new.headers.as_ref().map(|headers| headers.stored()));
        }
        query.execute(&mut *connection).await?;
    }
    menu::note(connection, new).await?;
    new.iter().for_each(|new| touched.marks().note(new));
    new.iter().for_each(|new| touched.events().note(new));
    facts::write(connection, touched.tally(), new).await
}

pub(super) async fn data_key(connection: &mut AnyConnection, new: &NewKey, at: Timestamp) -> Done {
    sqlx::query("INSERT INTO data_key (id, subject, wrapped, created_at, bare, menu_wrapped) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(new.id)
        .bind(new.subject)
        .bind(new.wrapped.as_slice())
        .bind(at.as_millis())
        .bind(crate::vault::bare_under(&new.wrapped))
        .bind(new.menu.as_deref())
        .execute(connection)
        .await?;
    Ok(())
}

/// Opens a conversation, or finds the one that is there. Its id, and whether it is new. With a store that has left nothing is
/// opened: then there is no store's id to write, and the statement is refused.
pub(super) async fn conversation(
    connection: &mut AnyConnection,
    new: &NewConversation,
) -> Result<(i64, bool), sqlx::Error> {
    let inserted = sqlx::query(
        "INSERT INTO conversation (id, merchant_id, kind, key_idx, data_key_id, customer_idx, customer, label, \
         created_at, expires_at, parent_id, revision) \
         VALUES ($1, (SELECT id FROM merchant WHERE id = $2 AND left_at IS NULL), \
         $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (merchant_id, kind, key_idx) DO NOTHING",
    )
    .bind(new.id)
    .bind(new.merchant_id)
    .bind(new.kind.as_str())
    .bind(new.key_idx.as_bytes())
    .bind(new.key.id)
    .bind(new.customer_idx.as_bytes())
    .bind(new.customer.stored())
    .bind(new.label.stored())
    .bind(new.at.as_millis())
    .bind(new.expires_at.as_millis())
    .bind(new.parent)
    .bind(new.bound.revision.stored())
    .execute(&mut *connection)
    .await?;
    if inserted.rows_affected() == 0 {
        let row =
            sqlx::query("SELECT id FROM conversation WHERE merchant_id = $1 AND kind = $2 AND key_idx = $3")
                .bind(new.merchant_id)
                .bind(new.kind.as_str())
                .bind(new.key_idx.as_bytes())
                .fetch_one(connection)
                .await?;
        return Ok((row.try_get(0)?, false));
    }
    data_key(connection, &new.key, new.at).await?;
    let text = statement(
        Engine::of(connection),
        "INSERT INTO alias (id, conversation_id, side, key_name, domain, tag) VALUES",
        "(?, ?, ?, ?, ?, ?)",
        new.aliases.len(),
        "",
    );
    let mut query = sqlx::query(AssertSqlSafe(text));
    for alias in &new.aliases {
        let tag = new.bound.tags.iter().find(|(id, _)| *id == alias.id).map(|(_, tag)| tag.stored());
        query = query
            .bind(alias.id)
            .bind(new.id)
            .bind(alias.side)
            .bind(alias.key_name.as_str())
            .bind(alias.domain.as_str())
            .bind(tag);
    }
    query.execute(&mut *connection).await?;
    Ok((new.id, true))
}
