//! Extracts of the log for others: rows under pseudonyms, or counts, each registered with for whom, until when and the hash of its file.
//!
//! Rules: nothing sealed is opened for one. Pseudonyms are of numbers that facts have anyway, under a key for whoever gets it, so that
//! what two of them have can't be joined, and a name has another one each quarter. It takes two persons. When the last
//! extract of somebody ends its key is destroyed: from then on nobody, we neither, can tell whose a pseudonym was.
//! When it fails: [`RelayFault`]; an extract that was begun and not finished ends by its time.

use super::desk::DeskFault;
use super::look::Look;
use super::{Relay, RelayFault, parse_queue_id, queue_id};
use crate::mail::Timestamp;
use crate::store::{EndingExtract, ExtractRow, NewExtract};
use crate::vault::{Indexed, Place, Pseudonyms};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use std::time::Duration;
use unicode_normalization::UnicodeNormalization;

/// Fewest persons of a group that are told of, unless it is asked for more (Sweeney 2002; what statistics offices take is 3 to 10).
pub const LEAST: u32 = 5;
/// Longest life of an extract, in days.
pub const DAYS_MAX: u32 = 366;
/// Most extracts in one list.
const LIST_MAX: i64 = 1000;

/// An extract that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtractAsked {
    /// For whom.
    pub recipient: String,
    /// The query, as it is written down.
    pub query: String,
    /// rows or counts.
    pub kind: &'static str,
    pub least: u32,
    pub days: u32,
    /// How many rows it may have.
    pub rows: usize,
}

/// One that is being made.
pub struct Extracting {
    id: i64,
    pub pseudonyms: Pseudonyms,
    pub at: Timestamp,
    pub expires_at: Timestamp,
}

impl Extracting {
    /// Its number in the register.
    #[must_use]
    pub fn number(&self) -> String {
        queue_id(self.id)
    }
}

/// One of the register.
#[derive(Debug, Clone)]
pub struct ExtractView {
    pub id: String,
    pub at: Timestamp,
    pub expires_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub kind: String,
    pub sha256: Option<String>,
    pub rows: i64,
    pub left_out: i64,
    /// For whom, by whom, for which case, which query, fewest persons of a group.
    pub detail: Value,
}

impl ExtractView {
    /// Whether it may still be used.
    #[must_use]
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.ended_at.is_none() && now < self.expires_at && self.sha256.is_some()
    }
}

const fn place(id: i64) -> Place {
    Place::new("extract", "detail", id)
}

/// A name of somebody, however it is typed.
fn folded(name: &str) -> String {
    let name = name.nfkc().collect::<String>().to_lowercase();
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Relay {
    /// Registers one and gives it its key: that of an earlier one for the same, if such is still good.
    pub(super) async fn begin_extract(
        &self,
        look: &Look,
        asked: &ExtractAsked,
        now: Timestamp,
    ) -> Result<Extracting, RelayFault> {
        let who = format!("extract for {}", folded(&asked.recipient));
        let mut known = None;
        for index in self.vault().index.all(Indexed::Request(&who)) {
            if known.is_none() {
                known = self.store().extract_key(index, now).await?;
            }
        }
        let (key, new) = match known {
            Some(row) => (self.data_key(&row)?, None),
            None => {
                let (key, new) = self.new_data_key("extract");
                (key, Some(new))
            }
        };
        let id = self.next_id();
        let expires_at = now.after(Duration::from_secs(u64::from(asked.days) * 86_400));
        let installation = &self.inner.installation;
        let detail = json!({
            "recipient": asked.recipient,
            "actor": look.actor,
            "purpose": look.purpose.as_str(),
            "case": look.case,
            "query": asked.query,
            "least": asked.least,
            "key": key.id(),
        });
        let extract = NewExtract {
            id,
            at: now,
            expires_at,
            kind: asked.kind,
            recipient_idx: self.vault().index.of(Indexed::Request(&who)),
            data_key_id: key.id(),
            key: new,
            sealed_by: installation.id(),
            detail: installation.seal(place(id), detail.to_string().as_bytes()),
        };
        self.store().add_extract(&extract).await?;
        Ok(Extracting { id, pseudonyms: Pseudonyms::of(&key), at: now, expires_at })
    }

    /// Notes what an extract became, before its file gets its name.
    ///
    /// # Errors
    /// [`DeskFault`]; then it must not be handed over.
    pub async fn finish_extract(
        &self,
        look: &Look,
        extract: &Extracting,
        sha256: &[u8; 32],
        (rows, left_out): (u64, u64),
    ) -> Result<(), DeskFault> {
        let hash = HEXLOWER.encode(sha256);
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let finished = self.store().finish_extract(extract.id, &hash, count(rows), count(left_out)).await;
        if !finished.map_err(RelayFault::from)? {
            return Err(DeskFault::NoExtract);
        }
        let what = json!({ "extract": extract.number(), "sha256": hash, "rows": rows,
            "destroy_by": extract.expires_at.to_rfc3339() });
        Ok(self.note_deed(look, "extract", what, "written").await?)
    }

    /// The register, the latest first.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer, or the installation's key is not here.
    pub async fn extracts(&self) -> Result<Vec<ExtractView>, RelayFault> {
        self.store().extracts(LIST_MAX).await?.into_iter().map(|row| self.extract_view(row)).collect()
    }

    /// The extract whose file has this hash.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer, or the installation's key is not here.
    pub async fn extract_with(&self, sha256: &[u8; 32]) -> Result<Option<ExtractView>, RelayFault> {
        let row = self.store().extract_with(&HEXLOWER.encode(sha256)).await?;
        row.map(|row| self.extract_view(row)).transpose()
    }

    /// Ends one before its time: who has it was told to destroy it.
    ///
    /// # Errors
    /// [`DeskFault`]; then it goes on.
    pub async fn end_extract(&self, look: &Look, id: &str) -> Result<(), DeskFault> {
        let id = parse_queue_id(id).ok_or(DeskFault::NoExtract)?;
        if self.end_extracts(Some(id), Timestamp::now()).await? == 0 {
            return Err(DeskFault::NoExtract);
        }
        Ok(self.note_deed(look, "extract", json!({ "extract": queue_id(id) }), "ended").await?)
    }

    /// Ends one, or those whose time is over. A key is destroyed for good where the register says that it is theirs; of those of an older
    /// version in the database alone.
    pub(super) async fn end_extracts(&self, one: Option<i64>, now: Timestamp) -> Result<u64, RelayFault> {
        let mut own = Vec::new();
        for EndingExtract { id, data_key_id, key, detail } in self.store().extracts_to_end(one, now).await? {
            let detail = self.data_key(&key)?.open(place(id), &detail);
            let detail = detail.ok().and_then(|plain| serde_json::from_slice::<Value>(&plain).ok());
            let named = detail.as_ref().and_then(|detail| detail.get("key")?.as_i64());
            own.extend(named.filter(|named| *named == data_key_id));
        }
        Ok(self.store().end_extracts(one, &self.destroying(own), now).await?)
    }

    fn extract_view(&self, row: ExtractRow) -> Result<ExtractView, RelayFault> {
        let plain = self.data_key(&row.key)?.open(place(row.id), &row.detail)?;
        Ok(ExtractView {
            id: queue_id(row.id),
            at: row.at,
            expires_at: row.expires_at,
            ended_at: row.ended_at,
            kind: row.kind,
            sha256: row.sha256,
            rows: row.rows,
            left_out: row.left_out,
            detail: serde_json::from_slice(&plain).map_err(|_| RelayFault::Malformed("extract.detail"))?,
        })
    }
}
