//! Certificates of destruction, for people: what each says, and the list of them.
//!
//! Rules: a certificate is written in the transaction that ends what it is about. Its hash is over the rows as the
//! audit tree has them, in the order of their ids.
//! When it fails: [`StoreFault`].

use super::fault::StoreFault;
use super::handle::Store;
use super::retention::DAY_MS;
use crate::ledger::merkle::Edge;
use crate::mail::Timestamp;
use crate::vault::Class;
use data_encoding::HEXLOWER;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

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

const CERTIFICATE: &str = "SELECT id, at, kind, class, day, is_last, body FROM certificate";

/// A day (days since 1970, UTC) as people write it.
#[must_use]
pub fn day_text(day: i64) -> String {
    let text = Timestamp::from_millis(day.saturating_mul(DAY_MS)).to_rfc3339();
    text.get(..10).unwrap_or(&text).to_owned()
}

impl Store {
    /// Whether a certificate says that a day of a class is gone.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn is_destroyed(&self, class: Class, day: i64) -> Result<bool, StoreFault> {
        let text = "SELECT id FROM certificate WHERE class = $1 AND day = $2 AND is_last = 1";
        let query = sqlx::query(text).bind(class.as_str()).bind(day);
        Ok(query.fetch_optional(self.pool()).await?.is_some())
    }

    /// Certificates from an id on, in order.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn certificates_from(&self, from: i64, limit: i64) -> Result<Vec<CertificateRow>, StoreFault> {
        let text = format!("{CERTIFICATE} WHERE id >= $1 ORDER BY id LIMIT $2");
        let query = sqlx::query(AssertSqlSafe(text)).bind(from).bind(limit);
        let rows = query.fetch_all(self.pool()).await?;
        rows.iter().map(read_certificate).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Certificates, the latest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn certificates(&self, limit: i64) -> Result<Vec<CertificateRow>, StoreFault> {
        let text = format!("{CERTIFICATE} ORDER BY id DESC LIMIT $1");
        let rows = sqlx::query(AssertSqlSafe(text)).bind(limit).fetch_all(self.pool()).await?;
        rows.iter().map(read_certificate).collect::<Result<_, _>>().map_err(Into::into)
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

fn read_certificate(row: &AnyRow) -> Result<CertificateRow, sqlx::Error> {
    Ok(CertificateRow {
        id: row.try_get(0)?,
        at: Timestamp::from_millis(row.try_get(1)?),
        kind: row.try_get(2)?,
        class: row.try_get(3)?,
        day: row.try_get(4)?,
        is_last: row.try_get::<i64, _>(5)? == 1,
        body: row.try_get(6)?,
    })
}

/// What the row of a walk says.
pub(super) struct Walk {
    pub begun_at: i64,
    pub key_at: Option<i64>,
    pub fingerprints: String,
    /// Rows that were in no leaf of the audit tree.
    pub unentered: i64,
}

impl Walk {
    /// Reads `begun_at, key_at, fingerprints, part, position, tree, unentered`.
    pub fn read(row: &AnyRow) -> Result<Self, sqlx::Error> {
        let (begun_at, key_at) = (row.try_get(0)?, row.try_get(1)?);
        Ok(Self { begun_at, key_at, fingerprints: row.try_get(2)?, unentered: row.try_get(6)? })
    }

    pub fn body(&self, class: Class, day: i64, id: i64, root: &Edge, rule: &str, now: Timestamp) -> String {
        let keys = match (self.key_at, self.fingerprints.as_str()) {
            (None, _) => "kept: a hold touches the day".to_owned(),
            (Some(at), "") => format!("none of its own, {}", Timestamp::from_millis(at).to_rfc3339()),
            (Some(at), some) => format!("destroyed {} {some}", Timestamp::from_millis(at).to_rfc3339()),
        };
        format!(
            "anshin certificate of destruction 1\nid {id:016X}\nclass {}\nday {}\nbegun {}\nended {}\nrows {}\nroot {}\n\
             unentered {}\nkeys {keys}\n{rule}",
            class.as_str(),
            day_text(day),
            Timestamp::from_millis(self.begun_at).to_rfc3339(),
            now.to_rfc3339(),
            root.size(),
            HEXLOWER.encode(&root.root()),
            self.unentered,
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
