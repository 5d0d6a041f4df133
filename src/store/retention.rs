//! Destroying what is kept, a day of a class at a time: first the keys, then the rows, then a certificate.
//!
//! Rules: the walk stands in `destroying`, one row for a day and class, and each step of it is one transaction that begins by
//! locking this row and checking that it is where it was left. So any node takes part, a crash loses nothing, and rows are
//! hashed in the transaction that deletes them: the certificate's hash is over exactly what went, whoever did which part.
//! What a hold touches keeps its row, and with it the keys of its day; the day's other rows go on time, and a certificate says
//! that the keys are still there. Once the keys of a day are gone all of its rows go: nothing could open them.
//! When it fails: [`StoreFault`]; the step is done again.

use super::certificates::{Walk, certify};
use super::fact_upkeep;
use super::fault::StoreFault;
use super::handle::Store;
use super::retention_parts::{
    HELD_LOOK, HELD_RECORD, Part, Then, edges, free, hashed, parts, sealed_span, select, span,
};
use super::strangers;
use crate::ledger::merkle::{Edge, Hash};
use crate::mail::Timestamp;
use crate::vault::Class;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;

/// Rows of one step.
const STEP: i64 = 2000;
/// A day, in milliseconds.
pub const DAY_MS: i64 = 86_400_000;
/// How much later than its message a text can have been sealed, in days: none was, but a clock may have gone back.
const TEXT_SLACK_DAYS: i64 = 1;
/// Of the first millisecond that an id can tell: 2026-01-01 (`ids`).
const FIRST_DAY: i64 = 20_454;

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There is more to do.
    More,
    /// The day is over, so far as no hold keeps it. Whether a certificate says so: nothing is said about nothing.
    Done { certified: bool },
}

/// The rows of the next step of a walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextRows {
    /// Where they are.
    pub table: &'static str,
    /// Whether only their header blocks go.
    pub headers_alone: bool,
    pub ids: Vec<i64>,
    /// When the walk began.
    pub begun_at: Timestamp,
}

/// What the audit tree has to know of the rows that go, and what it knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Noted {
    /// Signed certificates, with their ids.
    pub notes: Vec<(i64, String)>,
    /// How many of the rows are in a leaf.
    pub entered: usize,
    /// The hashes of header blocks that the rows were entered with, by id.
    pub headers: HashMap<i64, Hash>,
}

impl Default for NextRows {
    fn default() -> Self {
        Self { table: "", headers_alone: false, ids: Vec::new(), begun_at: Timestamp::from_millis(0) }
    }
}

/// Whether something still needs the keys of a day: a row that a hold keeps, or a text that waits.
async fn is_needed(connection: &mut AnyConnection, class: Class, day: i64) -> Result<bool, sqlx::Error> {
    let (from, until) = sealed_span(day);
    let conditions: Vec<(&str, String)> = match class {
        Class::Body => vec![("message_body", "1 = 1".into())],
        Class::Log => vec![("record", HELD_RECORD.into()), ("look", HELD_LOOK.into())],
        _ => parts(class).iter().map(|part| (part.table, format!("{} AND {}", part.of, part.held))).collect(),
    };
    let (id, until) = match class {
        Class::Body => ("message_id", span(day + TEXT_SLACK_DAYS).1),
        _ => ("id", until),
    };
    for (table, condition) in conditions {
        let text =
            format!("SELECT {id} FROM {table} t WHERE {id} >= $1 AND {id} < $2 AND {condition} LIMIT 1");
        let query = sqlx::query(AssertSqlSafe(text)).bind(from).bind(until);
        if query.fetch_optional(&mut *connection).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Destroys the rows of a part after `from` up to `last`, and the facts of records. How many rows.
async fn clear(
    connection: &mut AnyConnection,
    part: &Part,
    (from, last): (i64, i64),
    key_at: Option<i64>,
) -> Result<u64, sqlx::Error> {
    let (Part { table, of, then, .. }, free) = (part, free(part, key_at));
    let what = match then {
        Then::Delete => format!("DELETE FROM {table} AS t"),
        Then::ClearHeaders => format!("UPDATE {table} AS t SET headers = NULL"),
    };
    let text = format!("{what} WHERE id > $1 AND id <= $2 AND {of} AND {free}");
    let query = sqlx::query(AssertSqlSafe(text)).bind(from).bind(last);
    let gone = query.execute(&mut *connection).await?.rows_affected();
    if *table == "record" && *then == Then::Delete {
        fact_upkeep::destroy(connection, (from, last), of, &free).await?;
        for of in ["menu_access", "menu_whence"] {
            let text = format!(
                "DELETE FROM {of} AS t WHERE id > $1 AND id <= $2 AND NOT EXISTS (SELECT 1 FROM record r WHERE r.id = t.id)"
            );
            sqlx::query(AssertSqlSafe(text)).bind(from).bind(last).execute(&mut *connection).await?;
        }
    }
    Ok(gone)
}

impl Store {
    /// Days of a class up to `until` of which something is left, the oldest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn days_left(&self, class: Class, until: i64) -> Result<Vec<i64>, StoreFault> {
        // What an older version wrote is found by the key of its day.
        let older = if class == Class::Body { "body" } else { "log" };
        let text = "SELECT DISTINCT s.day FROM segment s WHERE s.class IN ($1, $2) AND s.day <= $3 AND NOT EXISTS \
             (SELECT 1 FROM certificate c WHERE c.class = $1 AND c.day = s.day AND c.is_last = 1) ORDER BY s.day";
        let query = sqlx::query(text).bind(class.as_str()).bind(older).bind(until);
        let rows = query.fetch_all(self.pool()).await?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Days of a class up to `until` that have rows and no key of their own, the oldest first: those of a version that
    /// had no keys of days, and rows at midnight that were sealed with the key of the day beside. Each takes a look at
    /// the rows.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn stray_days(&self, class: Class, until: i64) -> Result<Vec<i64>, StoreFault> {
        let mut found = BTreeSet::new();
        let text = "SELECT DISTINCT day FROM segment WHERE class IN ($1, 'log')";
        let days = sqlx::query(text).bind(class.as_str()).fetch_all(self.pool()).await?;
        let own = days.iter().map(|row| row.try_get(0)).collect::<Result<BTreeSet<i64>, _>>()?;
        let text = "SELECT DISTINCT day FROM certificate WHERE class = $1 AND is_last = 1";
        let days = sqlx::query(text).bind(class.as_str()).fetch_all(self.pool()).await?;
        let gone = days.iter().map(|row| row.try_get(0)).collect::<Result<BTreeSet<i64>, _>>()?;
        let text = "SELECT COALESCE(MIN(day), $1) FROM segment WHERE class <> 'body'";
        let first: i64 = sqlx::query(text).bind(until + 1).fetch_one(self.pool()).await?.try_get(0)?;
        for Part { table, of, .. } in parts(class) {
            let text = format!(
                "SELECT DISTINCT {FIRST_DAY} + id / 4194304 / {DAY_MS} FROM {table} t WHERE id < $1 AND {of}"
            );
            let before = span(first.min(until + 1)).0;
            for row in sqlx::query(AssertSqlSafe(text)).bind(before).fetch_all(self.pool()).await? {
                found.insert(row.try_get(0)?);
            }
            let beside: BTreeSet<i64> = own.iter().flat_map(|day| [day - 1, day + 1]).collect();
            for day in
                beside.into_iter().filter(|day| *day <= until && !own.contains(day) && !gone.contains(day))
            {
                for (from, until) in edges(day) {
                    let text =
                        format!("SELECT id FROM {table} t WHERE id >= $1 AND id < $2 AND {of} LIMIT 1");
                    let query = sqlx::query(AssertSqlSafe(text)).bind(from).bind(until);
                    if query.fetch_optional(self.pool()).await?.is_some() {
                        found.insert(day);
                    }
                }
            }
        }
        Ok(found.into_iter().filter(|day| !own.contains(day) && !gone.contains(day)).collect())
    }

    /// How many rows of a class a day has, and how many of them a hold keeps.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn rows_of_day(&self, class: Class, day: i64) -> Result<(i64, i64), StoreFault> {
        let ((from, until), mut counts) = (span(day), (0, 0));
        for part in parts(class) {
            for (condition, count) in [("1 = 1", &mut counts.0), (part.held, &mut counts.1)] {
                let (table, of) = (part.table, part.of);
                let text = format!(
                    "SELECT COUNT(*) FROM {table} t WHERE id >= $1 AND id < $2 AND {of} AND {condition}"
                );
                let query = sqlx::query(AssertSqlSafe(text)).bind(from).bind(until);
                let own: i64 = query.fetch_one(self.pool()).await?.try_get(0)?;
                *count += own;
            }
        }
        Ok(counts)
    }

    /// Begins to destroy a day of a class, or goes on: destroys its keys, unless something needs them.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer; then nothing is destroyed.
    pub async fn begin_destruction(&self, class: Class, day: i64, now: Timestamp) -> Result<(), StoreFault> {
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                // Written first: it takes the right to write at once, and waits for whoever destroys the same.
                sqlx::query(
                    "INSERT INTO destroying (class, day, begun_at, fingerprints, part, position, tree) \
             SELECT $1, $2, $3, '', 0, -1, $4 WHERE NOT EXISTS \
             (SELECT 1 FROM certificate WHERE class = $1 AND day = $2 AND is_last = 1) \
             ON CONFLICT (class, day) DO NOTHING",
                )
                .bind(class.as_str())
                .bind(day)
                .bind(now.as_millis())
                .bind(Edge::default().to_octets())
                .execute(&mut *transaction)
                .await?;
                let text =
                    "UPDATE destroying SET part = part WHERE class = $1 AND day = $2 AND key_at IS NULL";
                let query = sqlx::query(text).bind(class.as_str()).bind(day);
                let is_open = query.execute(&mut *transaction).await?.rows_affected() == 1;
                if is_open && !is_needed(&mut transaction, class, day).await? {
                    let text = "SELECT wrapped FROM segment WHERE class = $1 AND day = $2 ORDER BY id";
                    let keys =
                        sqlx::query(text).bind(class.as_str()).bind(day).fetch_all(&mut *transaction).await?;
                    let mut fingerprints = String::new();
                    for key in keys {
                        let wrapped: Vec<u8> = key.try_get(0)?;
                        if !wrapped.is_empty() {
                            let _ = write!(fingerprints, " {}", HEXLOWER.encode(&Sha256::digest(&wrapped)));
                        }
                    }
                    sqlx::query("UPDATE segment SET wrapped = $1 WHERE class = $2 AND day = $3")
                        .bind(&[][..])
                        .bind(class.as_str())
                        .bind(day)
                        .execute(&mut *transaction)
                        .await?;
                    sqlx::query(
                        "UPDATE destroying SET key_at = $1, fingerprints = $2 WHERE class = $3 AND day = $4",
                    )
                    .bind(now.as_millis())
                    .bind(fingerprints.trim_start())
                    .bind(class.as_str())
                    .bind(day)
                    .execute(&mut *transaction)
                    .await?;
                }
                transaction.commit().await?;
                Ok(())
            })
            .await
    }

    /// The rows that [`Store::destroy_rows`] would destroy next; none at the end of a table.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn next_rows(&self, class: Class, day: i64) -> Result<NextRows, StoreFault> {
        let text = "SELECT key_at, part, position, begun_at FROM destroying WHERE class = $1 AND day = $2";
        let query = sqlx::query(text).bind(class.as_str()).bind(day);
        let Some(walk) = query.fetch_optional(self.pool()).await? else { return Ok(NextRows::default()) };
        let (key_at, number, position): (Option<i64>, i64, i64) =
            (walk.try_get(0)?, walk.try_get(1)?, walk.try_get(2)?);
        let parts = parts(class);
        let Some(part) = usize::try_from(number).ok().and_then(|number| parts.get(number)) else {
            return Ok(NextRows::default());
        };
        let ((from, until), text) = (span(day), select(part, "id", key_at));
        let query = sqlx::query(AssertSqlSafe(text)).bind(position.max(from - 1)).bind(until).bind(STEP);
        let rows = query.fetch_all(self.pool()).await?;
        let ids = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        let begun_at = Timestamp::from_millis(walk.try_get(3)?);
        Ok(NextRows { table: part.table, headers_alone: part.then == Then::ClearHeaders, ids, begun_at })
    }

    /// Destroys these rows of a day that was begun, and keeps what the audit tree needs about them; after the last ones writes the
    /// certificate, under this id and with the lines of this rule. Where others are next by now, nothing happens.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer, or rows changed meanwhile; then nothing is destroyed.
    #[expect(
        clippy::too_many_arguments,
        reason = "a step: where it is, what goes, and what is written of it"
    )]
    pub async fn destroy_rows(
        &self,
        class: Class,
        day: i64,
        next: &NextRows,
        noted: &Noted,
        id: i64,
        rule: &str,
        now: Timestamp,
    ) -> Result<Progress, StoreFault> {
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                let text = "UPDATE destroying SET position = position WHERE class = $1 AND day = $2 \
             RETURNING begun_at, key_at, fingerprints, part, position, tree, unentered";
                let walk = sqlx::query(text)
                    .bind(class.as_str())
                    .bind(day)
                    .fetch_optional(&mut *transaction)
                    .await?;
                // Another node has come to its end.
                let Some(walk) = walk else { return Ok(Progress::Done { certified: false }) };
                let key_at: Option<i64> = walk.try_get(1)?;
                let (number, position): (i64, i64) = (walk.try_get(3)?, walk.try_get(4)?);
                let mut root = Edge::from_octets(&walk.try_get::<Vec<u8>, _>(5)?)
                    .ok_or(StoreFault::Schema("destroying.tree is not what this program wrote".into()))?;
                let parts = parts(class);
                let Some(part) = usize::try_from(number).ok().and_then(|number| parts.get(number)) else {
                    // A node that was late finds the day certified, and nothing left of it.
                    let text = "SELECT id FROM certificate WHERE class = $1 AND day = $2 AND is_last = 1";
                    let query = sqlx::query(text).bind(class.as_str()).bind(day);
                    let is_certified = query.fetch_optional(&mut *transaction).await?.is_some();
                    if class == Class::Rejected && key_at.is_some() {
                        strangers::forget_refused(&mut transaction, day).await?;
                    }
                    let certified = !is_certified && (root.size() > 0 || key_at.is_some());
                    if certified {
                        let walk = Walk::read(&walk)?;
                        let body = walk.body(class, day, id, &root, rule, now);
                        certify(
                            &mut transaction,
                            id,
                            "retention",
                            Some((class, day, key_at.is_some())),
                            &body,
                            now,
                        )
                        .await?;
                    }
                    sqlx::query("DELETE FROM destroying WHERE class = $1 AND day = $2")
                        .bind(class.as_str())
                        .bind(day)
                        .execute(&mut *transaction)
                        .await?;
                    transaction.commit().await?;
                    return Ok(Progress::Done { certified });
                };
                let (from, until) = span(day);
                let from = position.max(from - 1);
                let text = select(part, part.columns, key_at);
                let query = sqlx::query(AssertSqlSafe(text)).bind(from).bind(until).bind(STEP);
                let rows = query.fetch_all(&mut *transaction).await?;
                let ids = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<i64>, _>>()?;
                if ids != next.ids {
                    return Ok(Progress::More);
                }
                for (id, note) in &noted.notes {
                    sqlx::query("INSERT INTO destruction (id, note) VALUES ($1, $2)")
                        .bind(*id)
                        .bind(note.as_str())
                        .execute(&mut *transaction)
                        .await?;
                }
                let mut last = from;
                for row in &rows {
                    let (id, hash) = hashed(part, row, &noted.headers)?;
                    root.push(hash);
                    last = id;
                }
                if !rows.is_empty() {
                    let gone = clear(&mut transaction, part, (from, last), key_at).await?;
                    // A hold that came in between: what was hashed is not what would go.
                    if usize::try_from(gone) != Ok(rows.len()) {
                        return Err(StoreFault::Unreachable("rows changed while they were destroyed".into()));
                    }
                }
                let is_over = i64::try_from(rows.len()).unwrap_or(STEP) < STEP;
                sqlx::query(
                    "UPDATE destroying SET part = $1, position = $2, tree = $3, unentered = unentered + $6 \
             WHERE class = $4 AND day = $5",
                )
                .bind(if is_over { number + 1 } else { number })
                .bind(if is_over { -1 } else { last })
                .bind(root.to_octets())
                .bind(class.as_str())
                .bind(day)
                .bind(i64::try_from(rows.len().saturating_sub(noted.entered)).unwrap_or(0))
                .execute(&mut *transaction)
                .await?;
                transaction.commit().await?;
                Ok(Progress::More)
            })
            .await
    }
}
