//! Destroying what is kept, a day of a class at a time: first the keys, then the rows, then a certificate.
//!
//! Rules: the walk stands in `destroying`, one row for a day and class, and each step of it is one transaction that begins by
//! locking this row and checking that it is where it was left. So any node takes part, a crash loses nothing, and rows are
//! hashed in the transaction that deletes them: the certificate's hash is over exactly what went, whoever did which part.
//! What a hold touches keeps its row, and with it the keys of its day; the day's other rows go on time, and a certificate says
//! that the keys are still there. Once the keys of a day are gone all of its rows go: nothing could open them.
//! When it fails: [`StoreFault`]; the step is done again.

use super::engine::Engine;
use super::fault::StoreFault;
use super::handle::Store;
use super::retention_parts::{HELD_LOOK, HELD_RECORD, Part, Then, free, parts, row_octets, select, span};
use crate::ledger::merkle::{Edge, leaf};
use crate::mail::Timestamp;
use crate::vault::Class;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use std::fmt::Write;

/// Rows of one step.
const STEP: i64 = 2000;
/// A day, in milliseconds.
pub const DAY_MS: i64 = 86_400_000;
/// How much later than its message a text can have been sealed, in days: none was, but a clock may have gone back.
const TEXT_SLACK_DAYS: i64 = 1;

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There is more to do.
    More,
    /// The day is over, so far as no hold keeps it. Whether a certificate says so: nothing is said about nothing.
    Done { certified: bool },
}

/// The rows of the next step of a walk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NextRows {
    /// Where they are.
    pub table: &'static str,
    /// Whether only their header blocks go.
    pub headers_alone: bool,
    pub ids: Vec<i64>,
}

/// A certificate.
pub struct CertificateRow {
    pub id: i64,
    pub at: Timestamp,
    pub kind: String,
    pub class: Option<String>,
    pub day: Option<i64>,
    pub is_last: bool,
    pub body: Vec<u8>,
}

/// Whether something still needs the keys of a day: a row that a hold keeps, or a text that waits.
async fn is_needed(connection: &mut AnyConnection, class: Class, day: i64) -> Result<bool, sqlx::Error> {
    let (from, until) = span(day);
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

impl Store {
    /// What the database server's clock says; `None` where the database is a file of this machine.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn server_time(&self) -> Result<Option<Timestamp>, StoreFault> {
        if self.engine() == Engine::Sqlite {
            return Ok(None);
        }
        let text = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";
        let row = sqlx::query(text).fetch_one(self.pool()).await?;
        Ok(Some(Timestamp::from_millis(row.try_get(0)?)))
    }

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
        let text = "SELECT key_at, part, position FROM destroying WHERE class = $1 AND day = $2";
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
        Ok(NextRows { table: part.table, headers_alone: part.then == Then::ClearHeaders, ids })
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
        notes: &[(i64, String)],
        id: i64,
        rule: &str,
        now: Timestamp,
    ) -> Result<Progress, StoreFault> {
        self.pool().bounded(async {
        let mut transaction = self.pool().begin().await?;
        let text = "UPDATE destroying SET position = position WHERE class = $1 AND day = $2 \
             RETURNING begun_at, key_at, fingerprints, part, position, tree";
        let walk = sqlx::query(text).bind(class.as_str()).bind(day).fetch_optional(&mut *transaction).await?;
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
                for text in [
                    "DELETE FROM data_key WHERE id IN (SELECT data_key_id FROM stranger WHERE day = $1)",
                    "DELETE FROM stranger WHERE day = $1",
                ] {
                    sqlx::query(text).bind(day).execute(&mut *transaction).await?;
                }
            }
            let certified = !is_certified && (root.size() > 0 || key_at.is_some());
            if certified {
                let walk = Walk { begun_at: walk.try_get(0)?, key_at, fingerprints: walk.try_get(2)? };
                let body = walk.body(class, day, id, &root, rule, now);
                certify(&mut transaction, id, "retention", Some((class, day, key_at.is_some())), &body, now)
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
        let Part { table, of, columns, .. } = part;
        let text = select(part, columns, key_at);
        let query = sqlx::query(AssertSqlSafe(text)).bind(from).bind(until).bind(STEP);
        let rows = query.fetch_all(&mut *transaction).await?;
        let ids = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<i64>, _>>()?;
        if ids != next.ids {
            return Ok(Progress::More);
        }
        for (id, note) in notes {
            sqlx::query("INSERT INTO destruction (id, note) VALUES ($1, $2)")
                .bind(*id)
                .bind(note.as_str())
                .execute(&mut *transaction)
                .await?;
        }
        let mut last = from;
        for row in &rows {
            root.push(leaf(&row_octets(part, row)?));
            last = row.try_get(0)?;
        }
        if !rows.is_empty() {
            let what = match part.then {
                Then::Delete => format!("DELETE FROM {table} AS t"),
                Then::ClearHeaders => format!("UPDATE {table} AS t SET headers = NULL"),
            };
            let free = free(part, key_at);
            let text = format!("{what} WHERE id > $1 AND id <= $2 AND {of} AND {free}");
            let query = sqlx::query(AssertSqlSafe(text)).bind(from).bind(last);
            let gone = query.execute(&mut *transaction).await?.rows_affected();
            // A hold that came in between: what was hashed is not what would go.
            if usize::try_from(gone) != Ok(rows.len()) {
                return Err(StoreFault::Unreachable("rows changed while they were destroyed".into()));
            }
        }
        let is_over = i64::try_from(rows.len()).unwrap_or(STEP) < STEP;
        sqlx::query(
            "UPDATE destroying SET part = $1, position = $2, tree = $3 WHERE class = $4 AND day = $5",
        )
        .bind(if is_over { number + 1 } else { number })
        .bind(if is_over { -1 } else { last })
        .bind(root.to_octets())
        .bind(class.as_str())
        .bind(day)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(Progress::More)
        }).await
    }

    /// Certificates from an id on, in order: id and what each says.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn certificate_bodies(&self, from: i64, limit: i64) -> Result<Vec<(i64, Vec<u8>)>, StoreFault> {
        let text = "SELECT id, body FROM certificate WHERE id >= $1 ORDER BY id LIMIT $2";
        let rows = sqlx::query(text).bind(from).bind(limit).fetch_all(self.pool()).await?;
        let read = |row: &AnyRow| Ok((row.try_get(0)?, row.try_get(1)?));
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Certificates, the latest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn certificates(&self, limit: i64) -> Result<Vec<CertificateRow>, StoreFault> {
        let text =
            "SELECT id, at, kind, class, day, is_last, body FROM certificate ORDER BY id DESC LIMIT $1";
        let rows = sqlx::query(text).bind(limit).fetch_all(self.pool()).await?;
        rows.iter()
            .map(|row| {
                Ok(CertificateRow {
                    id: row.try_get(0)?,
                    at: Timestamp::from_millis(row.try_get(1)?),
                    kind: row.try_get(2)?,
                    class: row.try_get(3)?,
                    day: row.try_get(4)?,
                    is_last: row.try_get::<i64, _>(5)? == 1,
                    body: row.try_get(6)?,
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(Into::into)
    }

    /// How many certificates say that a day of a class is gone.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn days_destroyed(&self, class: Class) -> Result<i64, StoreFault> {
        let text = "SELECT COUNT(*) FROM certificate WHERE class = $1 AND is_last = 1";
        Ok(sqlx::query(text).bind(class.as_str()).fetch_one(self.pool()).await?.try_get(0)?)
    }
}

/// What the row of a walk says.
struct Walk {
    begun_at: i64,
    key_at: Option<i64>,
    fingerprints: String,
}

impl Walk {
    fn body(&self, class: Class, day: i64, id: i64, root: &Edge, rule: &str, now: Timestamp) -> String {
        let date = Timestamp::from_millis(day.saturating_mul(DAY_MS)).to_rfc3339();
        let keys = match (self.key_at, self.fingerprints.as_str()) {
            (None, _) => "kept: a hold touches the day".to_owned(),
            (Some(at), "") => format!("none of its own, {}", Timestamp::from_millis(at).to_rfc3339()),
            (Some(at), some) => format!("destroyed {} {some}", Timestamp::from_millis(at).to_rfc3339()),
        };
        format!(
            "anshin certificate of destruction 1\nid {id:016X}\nclass {}\nday {}\nbegun {}\nended {}\nrows {}\nroot {}\n\
             keys {keys}\n{rule}",
            class.as_str(),
            date.get(..10).unwrap_or(&date),
            Timestamp::from_millis(self.begun_at).to_rfc3339(),
            now.to_rfc3339(),
            root.size(),
            HEXLOWER.encode(&root.root()),
        )
    }
}

/// Writes a certificate.
pub(super) async fn certify(
    connection: &mut AnyConnection,
    id: i64,
    kind: &str,
    of: Option<(Class, i64, bool)>,
    body: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO certificate (id, at, kind, class, day, is_last, body) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(id)
    .bind(now.as_millis())
    .bind(kind)
    .bind(of.map(|(class, ..)| class.as_str()))
    .bind(of.map(|(_, day, _)| day))
    .bind(of.map_or(1, |(.., is_last)| i64::from(is_last)))
    .bind(body.as_bytes())
    .execute(connection)
    .await?;
    Ok(())
}
