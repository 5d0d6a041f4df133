//! Where the rows of each class are, in SQL: what is destroyed, and what a hold keeps of it.
//!
//! Rules: a row has one form by which it is hashed, that of the audit tree (`ledger/row.rs`), so that a certificate
//! can be held against the tree.
//! When it fails: a row that is not what this program wrote is a fault of the database.

use super::ids;
use super::retention::DAY_MS;
use super::tree::{LOG_ROW, LOOK_ENTRY, read_log_row, read_look_entry};
use crate::ledger::merkle::Hash;
use crate::ledger::{KeptText, RequestEntry};
use crate::vault::Class;
use sqlx::Row;
use sqlx::any::AnyRow;
use std::collections::HashMap;

/// The rows of a class in one table.
pub(super) struct Part {
    pub table: &'static str,
    /// Which of the table's rows.
    pub of: &'static str,
    /// All that counts of a row.
    pub columns: &'static str,
    pub then: Then,
    pub held: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Delete,
    ClearHeaders,
}

const REQUEST: &str =
    "id, at, expires_at, actor_idx, data_key_id, detail, decision, decided_at, decider_idx, used_at";
pub(super) const KEPT_TEXT: &str = "id, at, merchant_id, conversation_id, data_key_id, body";
/// In the places of a request.
const BREAK_GLASS: &str =
    "id, at, expires_at, actor_idx, data_key_id, detail, decision, decided_at, decider_idx, ended_at";
const REJECTED: &str = "event IN ('refused', 'limited')";
const LOGINS: &str = "event IN ('login', 'login_proven', 'login_new_network', 'login_refused', 'credential', 'api_login', 'api_refused')";
const METADATA: &str = "event NOT IN ('refused', 'limited', 'login', 'login_proven', 'login_new_network', 'login_refused', 'credential', 'api_login', 'api_refused', 'menu', 'menu_login', 'menu_refused', 'menu_alarm')";
const ACCESS: &str = "event IN ('menu', 'menu_login', 'menu_refused', 'menu_alarm')";

/// A record that a hold keeps.
pub(super) const HELD_RECORD: &str = "EXISTS (SELECT 1 FROM legal_hold h WHERE h.lifted_at IS NULL \
    AND (h.from_at IS NULL OR t.at >= h.from_at) AND (h.until_at IS NULL OR t.at < h.until_at) \
    AND (h.merchant_id IS NULL OR h.merchant_id = t.merchant_id) \
    AND (h.by_person = 0 OR EXISTS (SELECT 1 FROM held_conversation c WHERE c.hold_id = h.id \
    AND c.conversation_id = t.conversation_id)))";
/// A look that a hold keeps: looks name nobody in the clear, so only a hold on a time does.
pub(super) const HELD_LOOK: &str = "EXISTS (SELECT 1 FROM legal_hold h WHERE h.lifted_at IS NULL \
    AND (h.from_at IS NULL OR t.at >= h.from_at) AND (h.until_at IS NULL OR t.at < h.until_at) \
    AND h.merchant_id IS NULL AND h.by_person = 0)";

const fn records(of: &'static str) -> Part {
    Part { table: "record", of, columns: LOG_ROW, then: Then::Delete, held: HELD_RECORD }
}

/// Where the rows of a class are.
pub(super) fn parts(class: Class) -> Vec<Part> {
    match class {
        // Texts go with their deliveries, and the old log's rows with their classes: here are only keys.
        Class::Body | Class::Log => Vec::new(),
        Class::KeptText => vec![Part {
            table: "kept_text",
            of: "1 = 1",
            columns: KEPT_TEXT,
            then: Then::Delete,
            held: HELD_RECORD,
        }],
        Class::Rejected => vec![records(REJECTED)],
        Class::Logins => vec![records(LOGINS)],
        Class::Access => vec![records(ACCESS)],
        Class::Metadata => vec![records(METADATA)],
        Class::Headers => vec![Part {
            of: "headers IS NOT NULL AND event NOT IN ('refused', 'limited', 'login', 'login_proven', 'login_new_network', 'login_refused', 'credential', 'api_login', 'api_refused', 'menu', 'menu_login', 'menu_refused', 'menu_alarm')",
            then: Then::ClearHeaders,
            ..records(METADATA)
        }],
        Class::Audit => vec![
            Part { table: "look", of: "1 = 1", columns: LOOK_ENTRY, then: Then::Delete, held: HELD_LOOK },
            Part {
                table: "look_request",
                of: "1 = 1",
                columns: REQUEST,
                then: Then::Delete,
                held: HELD_LOOK,
            },
            Part {
                table: "break_glass",
                of: "1 = 1",
                columns: BREAK_GLASS,
                then: Then::Delete,
                held: HELD_LOOK,
            },
        ],
    }
}

/// What of a part no hold keeps. Once the keys are gone a row is of no use to any hold.
pub(super) fn free(part: &Part, key_at: Option<i64>) -> String {
    if key_at.is_some() { "1 = 1".to_owned() } else { format!("NOT {}", part.held) }
}

/// The statement that finds the rows of a step.
pub(super) fn select(part: &Part, columns: &str, key_at: Option<i64>) -> String {
    let (Part { table, of, .. }, free) = (part, free(part, key_at));
    format!(
        "SELECT {columns} FROM {table} t WHERE id > $1 AND id < $2 AND {of} AND {free} ORDER BY id LIMIT $3"
    )
}

/// The ids of a day: rows lie in the order in which they came (`ids`).
pub(super) fn span(day: i64) -> (i64, i64) {
    (ids::floor(day.saturating_mul(DAY_MS)), ids::floor((day + 1).saturating_mul(DAY_MS)))
}

/// How long a row may come before or after the sealing of what it holds.
const SLACK_MS: i64 = 600_000;

/// The ids of what may be sealed with the keys of a day: what is sealed before midnight may get its id after it, and
/// the other way.
pub(super) fn sealed_span(day: i64) -> (i64, i64) {
    let at = |day: i64, slack: i64| ids::floor(day.saturating_mul(DAY_MS).saturating_add(slack));
    (at(day, -SLACK_MS), at(day + 1, SLACK_MS))
}

/// The ids at the beginning and at the end of a day that may be sealed with the keys of its neighbours.
pub(super) fn edges(day: i64) -> [(i64, i64); 2] {
    let ((from, until), (begin, end)) = (span(day), (sealed_span(day - 1).1, sealed_span(day + 1).0));
    [(from, begin), (end, until)]
}

/// The class of a record, by its event.
#[must_use]
pub fn class_of(event: &str) -> Class {
    match event {
        "refused" | "limited" => Class::Rejected,
        "login" | "login_proven" | "login_new_network" | "login_refused" | "credential" | "api_login"
        | "api_refused" => Class::Logins,
        "menu" | "menu_login" | "menu_refused" | "menu_alarm" => Class::Access,
        _ => Class::Metadata,
    }
}

/// The id of a row and its hash, as the audit tree has it. `headers`: by id the hashes of header blocks that were
/// destroyed before.
pub(super) fn hashed(
    part: &Part,
    row: &AnyRow,
    headers: &HashMap<i64, Hash>,
) -> Result<(i64, Hash), sqlx::Error> {
    match part.table {
        "record" => {
            let row = read_log_row(row)?;
            let gone = headers.get(&row.id).filter(|_| row.headers.is_none());
            Ok((row.id, gone.map_or_else(|| row.mark().hash, |gone| row.hash_with(Some(*gone)))))
        }
        "look" => read_look_entry(row).map(|look| (look.id, look.hash())),
        "kept_text" => read_kept_text(row).map(|text| (text.id, text.hash())),
        _ => read_request(row).map(|request| (request.id, request.hash())),
    }
}

fn read_kept_text(row: &AnyRow) -> Result<KeptText, sqlx::Error> {
    Ok(KeptText {
        id: row.try_get(0)?,
        at: row.try_get(1)?,
        merchant_id: row.try_get(2)?,
        conversation_id: row.try_get(3)?,
        data_key_id: row.try_get(4)?,
        body: row.try_get(5)?,
    })
}

fn read_request(row: &AnyRow) -> Result<RequestEntry, sqlx::Error> {
    Ok(RequestEntry {
        id: row.try_get(0)?,
        at: row.try_get(1)?,
        expires_at: row.try_get(2)?,
        actor_idx: row.try_get(3)?,
        data_key_id: row.try_get(4)?,
        detail: row.try_get(5)?,
        decision: row.try_get(6)?,
        decided_at: row.try_get(7)?,
        decider_idx: row.try_get(8)?,
        used_at: row.try_get(9)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::EVENTS;

    #[test]
    fn rows_of_each_event_lie_where_the_class_of_the_event_says() {
        for event in EVENTS {
            let word = format!("'{event}'");
            let class = class_of(event);
            for (of, rows) in [(Class::Rejected, REJECTED), (Class::Logins, LOGINS), (Class::Access, ACCESS)]
            {
                assert_eq!(rows.contains(&word), class == of, "{event}: {rows}");
            }
            assert_eq!(METADATA.contains(&word), class != Class::Metadata, "{event}");
            let headers = parts(Class::Headers).pop().unwrap().of;
            assert_eq!(headers.contains(&word), class != Class::Metadata, "{event}");
        }
    }
}
