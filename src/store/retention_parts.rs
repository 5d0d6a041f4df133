//! Where the rows of each class are, in SQL: what is destroyed, and what a hold keeps of it.
//!
//! When it fails: a row that is not what this program wrote is a fault of the database.

use super::ids;
use super::retention::DAY_MS;
use crate::vault::Class;
use sqlx::Row;
use sqlx::any::AnyRow;

/// The rows of a class in one table.
pub(super) struct Part {
    pub table: &'static str,
    /// Which of the table's rows.
    pub of: &'static str,
    /// All that a row says, and what each column is: a number, a text or octets.
    pub columns: &'static str,
    pub kinds: &'static str,
    pub then: Then,
    pub held: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Delete,
    ClearHeaders,
}

const RECORD: &str = "id, at, event, merchant_id, conversation_id, message_id, delivery_id, source, data_key_id, detail, headers";
const RECORD_KINDS: &str = "nntnnnnnnoo";
const REJECTED: &str = "event IN ('refused', 'limited')";
const LOGINS: &str = "event IN ('login', 'login_proven', 'login_new_network', 'login_refused', 'credential')";
const METADATA: &str = "event NOT IN ('refused', 'limited', 'login', 'login_proven', 'login_new_network', 'login_refused', 'credential')";

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
    Part { table: "record", of, columns: RECORD, kinds: RECORD_KINDS, then: Then::Delete, held: HELD_RECORD }
}

/// Where the rows of a class are.
pub(super) fn parts(class: Class) -> Vec<Part> {
    match class {
        // Texts go with their deliveries, and the old log's rows with their classes: here are only keys.
        Class::Body | Class::Log => Vec::new(),
        Class::Rejected => vec![records(REJECTED)],
        Class::Logins => vec![records(LOGINS)],
        Class::Metadata => vec![records(METADATA)],
        Class::Headers => vec![Part {
            of: "headers IS NOT NULL AND event NOT IN ('refused', 'limited', 'login', 'login_proven', 'login_new_network', 'login_refused', 'credential')",
            columns: "id, headers",
            kinds: "no",
            then: Then::ClearHeaders,
            ..records(METADATA)
        }],
        Class::Audit => vec![
            Part {
                table: "look",
                of: "1 = 1",
                columns: "id, at, actor_idx, purpose, kind, rows, outcome, request_id, data_key_id, detail",
                kinds: "nnottntnno",
                then: Then::Delete,
                held: HELD_LOOK,
            },
            Part {
                table: "look_request",
                of: "1 = 1",
                columns: "id, at, expires_at, actor_idx, data_key_id, detail, decision, decided_at, decider_idx, used_at",
                kinds: "nnnonotnon",
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

/// Octets that differ wherever two rows differ.
pub(super) fn row_octets(part: &Part, row: &AnyRow) -> Result<Vec<u8>, sqlx::Error> {
    let mut octets = part.table.as_bytes().to_vec();
    for (at, kind) in part.kinds.bytes().enumerate() {
        let value = match kind {
            b'n' => row.try_get::<Option<i64>, _>(at)?.map(|number| number.to_be_bytes().to_vec()),
            b't' => row.try_get::<Option<String>, _>(at)?.map(String::into_bytes),
            _ => row.try_get::<Option<Vec<u8>>, _>(at)?,
        };
        octets.push(u8::from(value.is_some()));
        let value = value.unwrap_or_default();
        octets.extend_from_slice(&u64::try_from(value.len()).unwrap_or(u64::MAX).to_be_bytes());
        octets.extend_from_slice(&value);
    }
    Ok(octets)
}
