//! Erasing what is kept about a person: conversations with all that hangs on them, and their data keys.
//!
//! Rules: one transaction, and before it, month by month, the numbers of facts. What a hold keeps is not erased. Records of the log keep their rows until their period is over, and
//! open no more. Each destroyed key is named in `erased_key`, by which every key ring takes its leaf out of its tree.
//! When it fails: [`StoreFault`]; then nothing is erased but numbers of facts, and it is done again.

use super::engine::Engine;
use super::erased_keys::{Gone, OfThem, Proves, destroy_key};
use super::erasures::{ErasureRow, STRANGER, left, settle};
use super::fact_upkeep;
use super::fault::StoreFault;
use super::handle::Store;
use super::ids;
use super::retention::DAY_MS;
use super::strangers::{LATER, stranger_said};
use crate::mail::Timestamp;
use crate::vault::{Index, bare_under, sealed_under};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use std::collections::BTreeSet;

/// A hold that keeps what is of a conversation.
const HOLDS: &str = "SELECT h.id FROM legal_hold h JOIN conversation c ON c.id = $1 WHERE h.lifted_at IS NULL \
    AND (h.merchant_id IS NULL OR h.merchant_id = c.merchant_id) \
    AND (h.by_person = 0 OR EXISTS (SELECT 1 FROM held_conversation n WHERE n.hold_id = h.id AND n.conversation_id = c.id)) \
    AND ((h.from_at IS NULL AND h.until_at IS NULL) OR EXISTS (SELECT 1 FROM record r WHERE r.conversation_id = c.id \
    AND (h.from_at IS NULL OR r.at >= h.from_at) AND (h.until_at IS NULL OR r.at < h.until_at))) ORDER BY h.id";

/// What is kept about a person, counted.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Holdings {
    pub orders: i64,
    pub inquiries: i64,
    pub guests: i64,
    /// Orders whose aliases have not ended.
    pub open_orders: i64,
    /// Mails that wait or are held.
    pub waiting: i64,
    pub records: i64,
    /// Days of which there are records about the address outside of conversations: refused mail, and mail to the
    /// operator.
    pub refused_days: i64,
    /// Corrections of the address, or to it, that wait for their proof. Whose they are only their keys tell: 0 here.
    pub corrections: usize,
    /// Holds that keep some of it.
    pub holds: BTreeSet<i64>,
}

/// What is to be erased, under the id of an erasure.
pub struct Erasing<'a> {
    pub id: i64,
    pub at: Timestamp,
    pub conversations: &'a [i64],
    /// Of the address, as a stranger's.
    pub address: Index,
    /// Quarters with the number that the address has in facts of each.
    pub numbers: &'a [(i64, i64)],
    /// Corrections that wait for their proof and have the address.
    pub corrections: &'a [i64],
    /// Keys that open what conversations have sealed whose rows name others.
    pub others: &'a [(i64, i64)],
}

impl Store {
    /// Counts what is kept in these conversations, and about this address (as a stranger's) outside of them.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn holdings(
        &self,
        conversations: &[i64],
        address: Index,
        now: Timestamp,
    ) -> Result<Holdings, StoreFault> {
        self.pool()
            .bounded(async {
                let mut all = Holdings::default();
                let text = "SELECT COUNT(*) FROM stranger WHERE address_idx = $1";
                all.refused_days =
                    sqlx::query(text).bind(address.as_bytes()).fetch_one(self.pool()).await?.try_get(0)?;
                let text = "SELECT day, data_key_id FROM stranger WHERE address_idx = $1 AND class IS NOT NULL";
                for row in sqlx::query(text).bind(address.as_bytes()).fetch_all(self.pool()).await? {
                    let (day, key): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
                    let (from, until) = of_stranger(day);
                    let text = "SELECT COUNT(*) FROM message m JOIN delivery d ON d.message_id = m.id WHERE m.id >= $1 \
                         AND m.id < $2 AND m.data_key_id = $3 AND d.state IN ('waiting', 'held')";
                    let query = sqlx::query(text).bind(from).bind(until).bind(key);
                    all.waiting += query.fetch_one(self.pool()).await?.try_get::<i64, _>(0)?;
                }
                let mut connection = self.pool().begin().await?;
                all.holds.extend(holds_on_stranger(&mut connection, address).await?);
                drop(connection);
                for id in conversations {
                    let text = "SELECT kind, closed_at, expires_at FROM conversation WHERE id = $1";
                    let row = sqlx::query(text).bind(*id).fetch_optional(self.pool()).await?;
                    let Some(row) = row else { continue };
                    match row.try_get::<String, _>(0)?.as_str() {
                        "order" => {
                            all.orders += 1;
                            let is_closed = row.try_get::<Option<i64>, _>(1)?.is_some();
                            all.open_orders +=
                                i64::from(!is_closed && row.try_get::<i64, _>(2)? > now.as_millis());
                        }
                        "guest" => all.guests += 1,
                        _ => all.inquiries += 1,
                    }
                    let waiting = "SELECT COUNT(*) FROM delivery d JOIN message m ON m.id = d.message_id \
                 WHERE m.conversation_id = $1 AND (d.state IN ('waiting', 'held') \
                 OR m.id IN (SELECT message_id FROM kept_body WHERE until IS NOT NULL))";
                    let records = "SELECT COUNT(*) FROM record WHERE conversation_id = $1";
                    for (text, count) in [(waiting, &mut all.waiting), (records, &mut all.records)] {
                        let own: i64 =
                            sqlx::query(text).bind(*id).fetch_one(self.pool()).await?.try_get(0)?;
                        *count += own;
                    }
                    for hold in sqlx::query(HOLDS).bind(*id).fetch_all(self.pool()).await? {
                        all.holds.insert(hold.try_get(0)?);
                    }
                }
                Ok(all)
            })
            .await
    }

    /// Mails of the two parties that wait, are held or could be sent once more in a conversation: id, direction, when they came, which of both,
    /// and what they are held for.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn waiting_in(
        &self,
        conversation: i64,
    ) -> Result<Vec<(i64, String, Timestamp, String, Option<String>)>, StoreFault> {
        let text = "SELECT m.id, m.direction, m.received_at, d.state, d.held_for FROM message m \
             JOIN delivery d ON d.message_id = m.id WHERE m.conversation_id = $1 AND m.direction <> 'notice' \
             AND (d.state IN ('waiting', 'held') OR m.id IN (SELECT message_id FROM kept_body WHERE until IS NOT NULL)) \
             ORDER BY m.id";
        let rows = sqlx::query(text).bind(conversation).fetch_all(self.pool()).await?;
        let read = |row: &AnyRow| {
            let at = Timestamp::from_millis(row.try_get(2)?);
            Ok((row.try_get(0)?, row.try_get(1)?, at, row.try_get(3)?, row.try_get(4)?))
        };
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// That the customer's mailbox of a conversation refuses mail: with what status, since when, until when it is not
    /// tried.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn mailbox_of(
        &self,
        conversation: i64,
    ) -> Result<Option<(String, Timestamp, Timestamp)>, StoreFault> {
        let text = "SELECT status, since, expires_at FROM suppressed WHERE conversation_id = $1 AND side = 'customer'";
        let row = sqlx::query(text).bind(conversation).fetch_optional(self.pool()).await?;
        let time = |millis| Timestamp::from_millis(millis);
        row.map(|row| Ok((row.try_get(0)?, time(row.try_get(1)?), time(row.try_get(2)?))))
            .transpose()
            .map_err(|error: sqlx::Error| error.into())
    }

    /// Erases these conversations, and what is kept about this address outside of them; the data keys that are destroyed.
    /// `None`: a hold keeps some of it.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer; then nothing is erased but numbers of facts.
    pub async fn erase(
        &self,
        erasing: &Erasing<'_>,
        by: &impl Proves,
    ) -> Result<Option<Vec<i64>>, StoreFault> {
        let Erasing { id, at, conversations, address, numbers, corrections, others } = *erasing;
        if self.is_kept(conversations, address).await? {
            return Ok(None);
        }
        self.clear_facts(conversations, numbers).await?;
        let recent = (ids::floor(at.as_millis() - DAY_MS), ids::floor(at.as_millis() + DAY_MS));
        self.pool().bounded(async {
        let mut transaction = self.pool().begin().await?;
        let text = "INSERT INTO erasure (id, at, conversations, keys, fingerprints, bare) VALUES ($1, $2, $3, '', '', '')";
        let count = i64::try_from(conversations.len()).unwrap_or(i64::MAX);
        sqlx::query(text).bind(id).bind(at.as_millis()).bind(count).execute(&mut *transaction).await?;
        let (mut found, mut unproven) = (Vec::new(), Vec::new());
        let text = "SELECT s.data_key_id, k.wrapped, k.bare, s.day, s.ruling FROM stranger s \
             LEFT JOIN data_key k ON k.id = s.data_key_id WHERE s.address_idx = $1";
        let days = sqlx::query(text).bind(address.as_bytes()).fetch_all(&mut *transaction).await?;
        if !holds_on_stranger(&mut transaction, address).await?.is_empty() {
            return Ok(None);
        }
        let mut own = BTreeSet::new();
        for row in days {
            let (key, day): (i64, i64) = (row.try_get(0)?, row.try_get(3)?);
            let proof = by.prove("stranger", key, &stranger_said(address.as_bytes(), day));
            if row.try_get::<Option<Vec<u8>>, _>(4)?.as_deref() == Some(proof.as_bytes()) {
                own.insert(key);
            }
            clear_to_operator(&mut transaction, day, key).await?;
            // What becomes of a mail to the operator is noted some days later.
            let until = of_stranger(day + LATER).1;
            fact_upkeep::clear_sealed_with(&mut transaction, (of_stranger(day).0, until), key).await?;
            // Without its row nothing was destroyed here: its leaf lasts, and a copy opens with it.
            match row.try_get::<Option<Vec<u8>>, _>(1)? {
                Some(_) => found.push((left(STRANGER, day), row)),
                None => unproven.push(left(STRANGER, day)),
            }
        }
        let text = "DELETE FROM stranger WHERE address_idx = $1";
        sqlx::query(text).bind(address.as_bytes()).execute(&mut *transaction).await?;
        // Before the conversations, in the order of whoever carries one out.
        for correction in corrections {
            let word = left("correction", *correction);
            match end_correction(&mut transaction, *correction).await? {
                OwnKey::There(row) => found.push((word, row)),
                OwnKey::Missing => unproven.push(word),
                OwnKey::Nobodys => {}
            }
        }
        for conversation in conversations {
            if sqlx::query(HOLDS).bind(*conversation).fetch_optional(&mut *transaction).await?.is_some() {
                return Ok(None);
            }
            let word = left("conversation", *conversation);
            match key_of(&mut transaction, *conversation, others).await? {
                OwnKey::There(row) => found.push((word, row)),
                OwnKey::Missing => unproven.push(word),
                OwnKey::Nobodys => {}
            }
            clear(&mut transaction, *conversation).await?;
            fact_upkeep::clear_conversation(&mut transaction, recent, *conversation).await?;
        }
        // What came meanwhile.
        fact_upkeep::clear_numbers(&mut transaction, recent, numbers.iter().map(|(_, number)| *number)).await?;
        let (mut keys, mut fingerprints, mut bare) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (word, row) in found {
            let (key, wrapped): (i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
            let by = OfThem { by, own: &own };
            match destroy_key(&mut transaction, key, &by, at).await? {
                Gone::ForGood => {
                    bare.insert(row.try_get::<Option<String>, _>(2)?.unwrap_or_else(|| bare_under(&wrapped)));
                    fingerprints.push(HEXLOWER.encode(&Sha256::digest(&wrapped)));
                    keys.push(key);
                    settle(&mut transaction, &word).await?;
                }
                // Its leaf stays: a copy of the database opens with the seal key that wrapped it, until that is gone.
                Gone::Here => drop(bare.insert(sealed_under(&wrapped))),
                // What is not its own is none of this person's, as far as anybody can tell.
                Gone::Stays => unproven.push(word),
            }
        }
        let row = ErasureRow {
            id,
            at,
            conversations: count,
            keys,
            fingerprints: fingerprints.join(" "),
            bare: bare.into_iter().collect(),
            unproven: unproven.join(" "),
            settled: String::new(),
            ruling: None,
        };
        let ruling = by.prove("erasure", id, &row.said());
        let text = "UPDATE erasure SET keys = $1, fingerprints = $2, bare = $3, ruling = $5, unproven = $6 WHERE id = $4";
        sqlx::query(text)
            .bind(row.keys_text())
            .bind(row.fingerprints.as_str())
            .bind(row.bare.as_str())
            .bind(id)
            .bind(ruling.as_bytes())
            .bind(row.unproven.as_str())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(Some(row.keys))
        }).await
    }

    /// Whether a hold keeps some of it.
    async fn is_kept(&self, conversations: &[i64], address: Index) -> Result<bool, StoreFault> {
        let mut connection = self.pool().take().await?;
        for conversation in conversations {
            if sqlx::query(HOLDS).bind(*conversation).fetch_optional(&mut *connection).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(!holds_on_stranger(&mut connection, address).await?.is_empty())
    }

    /// Has the database file forget what was overwritten: SQLite's log holds pages as they were until it is emptied. `false`:
    /// somebody reads there just now; come again. A server keeps old rows and its own log as it is set up (docs/retention.md).
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn forget_pages(&self) -> Result<bool, StoreFault> {
        if self.engine() == Engine::Postgres {
            return Ok(true);
        }
        // While it waits for readers nobody writes: not for long, it is asked for again.
        let mut held = self.pool().take().await?;
        sqlx::raw_sql("PRAGMA busy_timeout = 250").execute(&mut *held).await?;
        let emptied = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *held).await;
        sqlx::raw_sql("PRAGMA busy_timeout = 10000").execute(&mut *held).await?;
        Ok(emptied?.try_get::<i64, _>(0)? == 0)
    }
}

/// The key of something, as its row says or as it was found out.
enum OwnKey {
    There(AnyRow),
    /// The row names one that is not there.
    Missing,
    /// There is no such thing.
    Nobodys,
}

/// Takes a correction back that waits; its key.
async fn end_correction(connection: &mut AnyConnection, correction: i64) -> Result<OwnKey, StoreFault> {
    let text = "SELECT c.data_key_id, k.wrapped, k.bare FROM correction c LEFT JOIN data_key k ON k.id = c.data_key_id \
         WHERE c.id = $1 AND c.done_at IS NULL";
    let row = sqlx::query(text).bind(correction).fetch_optional(&mut *connection).await?;
    let text = "DELETE FROM correction WHERE id = $1 AND done_at IS NULL";
    sqlx::query(text).bind(correction).execute(connection).await?;
    let Some(row) = row else { return Ok(OwnKey::Nobodys) };
    let is_there = row.try_get::<Option<Vec<u8>>, _>(1)?.is_some();
    Ok(if is_there { OwnKey::There(row) } else { OwnKey::Missing })
}

async fn key_of(
    connection: &mut AnyConnection,
    conversation: i64,
    others: &[(i64, i64)],
) -> Result<OwnKey, StoreFault> {
    let text = "SELECT data_key_id FROM conversation WHERE id = $1";
    let Some(row) = sqlx::query(text).bind(conversation).fetch_optional(&mut *connection).await? else {
        return Ok(OwnKey::Nobodys);
    };
    let named: i64 = row.try_get(0)?;
    let other = others.iter().find(|(of, _)| *of == conversation).map(|(_, key)| *key);
    let text = "SELECT id, wrapped, bare FROM data_key WHERE id = $1";
    let row = sqlx::query(text).bind(other.unwrap_or(named)).fetch_optional(connection).await?;
    Ok(row.map_or(OwnKey::Missing, OwnKey::There))
}

/// Holds that keep a record about an address outside of conversations: those on a store or a time.
async fn holds_on_stranger(connection: &mut AnyConnection, address: Index) -> Result<Vec<i64>, sqlx::Error> {
    let text = "SELECT day, data_key_id FROM stranger WHERE address_idx = $1";
    let days = sqlx::query(text).bind(address.as_bytes()).fetch_all(&mut *connection).await?;
    let mut holds = Vec::new();
    for row in days {
        let (day, key): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let (from, until) = of_stranger(day);
        let text = "SELECT DISTINCT h.id FROM record r JOIN legal_hold h ON h.lifted_at IS NULL AND h.by_person = 0 \
             AND (h.merchant_id IS NULL OR h.merchant_id = r.merchant_id) \
             AND (h.from_at IS NULL OR r.at >= h.from_at) AND (h.until_at IS NULL OR r.at < h.until_at) \
             WHERE r.id >= $1 AND r.id < $2 AND r.data_key_id = $3";
        for hold in sqlx::query(text).bind(from).bind(until).bind(key).fetch_all(&mut *connection).await? {
            holds.push(hold.try_get(0)?);
        }
    }
    Ok(holds)
}

/// The ids of what is sealed with the key of a stranger's day: a row may be a moment younger than its key.
fn of_stranger(day: i64) -> (i64, i64) {
    (ids::floor(day.saturating_mul(DAY_MS)), ids::floor((day + 2).saturating_mul(DAY_MS)))
}

/// Forgets the mails to the operator that are sealed with this key of a day.
async fn clear_to_operator(connection: &mut AnyConnection, day: i64, key: i64) -> Result<(), sqlx::Error> {
    let (from, until) = of_stranger(day);
    let own = "(SELECT id FROM message WHERE id >= $1 AND id < $2 AND data_key_id = $3)";
    for text in [
        format!("DELETE FROM kept_body WHERE message_id IN {own}"),
        format!("DELETE FROM message_body WHERE message_id IN {own}"),
        format!("DELETE FROM delivery WHERE message_id IN {own}"),
        format!("DELETE FROM message WHERE id IN {own}"),
    ] {
        sqlx::query(AssertSqlSafe(text)).bind(from).bind(until).bind(key).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Forgets a conversation and what hangs on it, but for the log.
async fn clear(connection: &mut AnyConnection, conversation: i64) -> Result<(), sqlx::Error> {
    for text in [
        "DELETE FROM kept_body WHERE message_id IN (SELECT id FROM message WHERE conversation_id = $1)",
        "DELETE FROM message_body WHERE message_id IN (SELECT id FROM message WHERE conversation_id = $1)",
        "DELETE FROM kept_text WHERE conversation_id = $1",
        "DELETE FROM delivery WHERE message_id IN (SELECT id FROM message WHERE conversation_id = $1)",
        "DELETE FROM message WHERE conversation_id = $1",
        "DELETE FROM thread_id WHERE conversation_id = $1",
        "DELETE FROM suppressed WHERE conversation_id = $1",
        "DELETE FROM alias WHERE conversation_id = $1",
        "DELETE FROM conversation WHERE id = $1",
    ] {
        sqlx::query(text).bind(conversation).execute(&mut *connection).await?;
    }
    Ok(())
}
