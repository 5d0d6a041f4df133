//! Conversations that ended long ago, and their end: the keys first, then the rows, with a certificate.
//!
//! Rules: nothing hangs on one any more: no record of the log, which is sealed with its key, no mail, no guest, no hold. It is
//! closed before its key goes, so that nothing is taken for it meanwhile; from then on an inquiry or a guest is found by its
//! aliases alone, and the next mail opens another, however long the end takes. Its leaf stays in the tree of erasure, since the
//! file of the tree must stay small: an old copy of the database opens it, as it does everything that ends by its time.
//! When it fails: [`StoreFault`]; what was not done is done by the next round.

use super::certificates::certify;
use super::fault::StoreFault;
use super::handle::Store;
use super::ids;
use crate::mail::Timestamp;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Row};

/// That a conversation `c` ended before `$1`, and nothing hangs on it. What a hold on a store or a person names stays.
const OVER: &str = "(COALESCE((SELECT p.closed_at FROM conversation p WHERE p.id = c.parent_id), c.closed_at) <= $1 \
    OR COALESCE((SELECT p.expires_at FROM conversation p WHERE p.id = c.parent_id), c.expires_at) <= $1) \
    AND NOT EXISTS (SELECT 1 FROM record r WHERE r.conversation_id = c.id) \
    AND NOT EXISTS (SELECT 1 FROM conversation g WHERE g.parent_id = c.id) \
    AND NOT EXISTS (SELECT 1 FROM legal_hold h WHERE h.lifted_at IS NULL AND h.from_at IS NULL AND h.until_at IS NULL \
    AND (h.merchant_id IS NULL OR h.merchant_id = c.merchant_id) AND (h.by_person = 0 OR EXISTS \
    (SELECT 1 FROM held_conversation n WHERE n.hold_id = h.id AND n.conversation_id = c.id)))";

/// Conversations that can end.
pub struct Endings {
    /// Those of the span that can.
    pub over: Vec<i64>,
    /// Whether these are as many as were asked for: there may be more.
    pub is_full: bool,
    /// Where the next span begins; none at the end.
    pub next: Option<i64>,
}

/// What stands in `key_idx` of an inquiry or a guest that ended, or of whatever gave way: no index is so short, so nobody finds it by its address.
#[must_use]
pub fn ended_idx(id: i64) -> [u8; 8] {
    id.to_be_bytes()
}

impl Store {
    /// Of so many conversations after an id those that ended before a time and on which nothing hangs, at most `most`.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn endings(
        &self,
        after: i64,
        before: Timestamp,
        span: i64,
        most: i64,
    ) -> Result<Endings, StoreFault> {
        // None that began later can have ended before.
        let text = "SELECT MAX(id) FROM (SELECT id FROM conversation WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3) s";
        let query = sqlx::query(text).bind(after).bind(ids::floor(before.as_millis())).bind(span);
        let until: Option<i64> = query.fetch_one(self.pool()).await?.try_get(0)?;
        let Some(until) = until else { return Ok(Endings { over: Vec::new(), is_full: false, next: None }) };
        let text = format!(
            "SELECT c.id FROM conversation c WHERE c.id > $2 AND c.id <= $3 AND {OVER} \
             AND NOT EXISTS (SELECT 1 FROM message m WHERE m.conversation_id = c.id) ORDER BY c.id LIMIT $4"
        );
        let rows = sqlx::query(AssertSqlSafe(text))
            .bind(before.as_millis())
            .bind(after)
            .bind(until)
            .bind(most)
            .fetch_all(self.pool())
            .await?;
        let over: Vec<i64> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        let is_full = i64::try_from(over.len()).is_ok_and(|count| count >= most);
        let next = if is_full { over.last().copied() } else { Some(until) };
        Ok(Endings { over, is_full, next })
    }

    /// Closes these, and destroys the keys of those that are closed since `closed_before`. How many keys.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer; then nothing is changed.
    pub async fn end_keys(
        &self,
        conversations: &[i64],
        before: Timestamp,
        closed_before: Timestamp,
        now: Timestamp,
    ) -> Result<usize, StoreFault> {
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                let mut keys = 0;
                for id in conversations {
                    let text = format!(
                        "UPDATE conversation SET closed_at = COALESCE(closed_at, $3), \
                         key_idx = CASE WHEN kind = 'order' THEN key_idx ELSE $4 END WHERE id IN \
                         (SELECT c.id FROM conversation c WHERE c.id = $2 AND {OVER})"
                    );
                    let query = sqlx::query(AssertSqlSafe(text)).bind(before.as_millis()).bind(*id);
                    let query = query.bind(now.as_millis()).bind(ended_idx(*id).to_vec());
                    let closed = query.execute(&mut *transaction).await?;
                    if closed.rows_affected() == 0 {
                        continue;
                    }
                    let text = "UPDATE data_key SET wrapped = $1 WHERE id IN \
                         (SELECT data_key_id FROM conversation WHERE id = $2 AND closed_at <= $3)";
                    let query = sqlx::query(text).bind(&[][..]).bind(*id).bind(closed_before.as_millis());
                    keys +=
                        usize::try_from(query.execute(&mut *transaction).await?.rows_affected()).unwrap_or(0);
                }
                transaction.commit().await?;
                Ok(keys)
            })
            .await
    }

    /// Closes a conversation whose key is destroyed, and has nobody find it by its order number or address any more: it leads
    /// nowhere, and whoever opens it next opens another.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer; then it is found still.
    pub async fn give_way(&self, id: i64, now: Timestamp) -> Result<(), StoreFault> {
        let text = "UPDATE conversation SET closed_at = COALESCE(closed_at, $1), key_idx = $2 WHERE id = $3";
        let query = sqlx::query(text).bind(now.as_millis()).bind(ended_idx(id).to_vec()).bind(id);
        query.execute(self.pool()).await?;
        Ok(())
    }

    /// Forgets those of these whose keys are destroyed, and writes the certificate. How many.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer; then all of them are there.
    pub async fn end_rows(
        &self,
        conversations: &[i64],
        certificate: i64,
        rule: &str,
        now: Timestamp,
    ) -> Result<usize, StoreFault> {
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                let (mut count, mut root) = (0, Sha256::new());
                for id in conversations {
                    let text = "DELETE FROM data_key WHERE wrapped = $1 AND id IN \
                         (SELECT data_key_id FROM conversation WHERE id = $2)";
                    let query = sqlx::query(text).bind(&[][..]).bind(*id);
                    if query.execute(&mut *transaction).await?.rows_affected() == 0 {
                        continue;
                    }
                    let text = "SELECT customer, label FROM conversation WHERE id = $1";
                    let row = sqlx::query(text).bind(*id).fetch_one(&mut *transaction).await?;
                    for column in [0, 1] {
                        root.update(Sha256::digest(row.try_get::<Vec<u8>, _>(column)?));
                    }
                    for text in [
                        "DELETE FROM thread_id WHERE conversation_id = $1",
                        "DELETE FROM suppressed WHERE conversation_id = $1",
                        "DELETE FROM held_conversation WHERE conversation_id = $1",
                        "DELETE FROM alias WHERE conversation_id = $1",
                        "DELETE FROM conversation WHERE id = $1",
                    ] {
                        sqlx::query(text).bind(*id).execute(&mut *transaction).await?;
                    }
                    count += 1;
                }
                if count > 0 {
                    let body = format!(
                        "anshin certificate of destruction 1\nid {certificate:016X}\nclass conversations\nended {}\n\
                         conversations {count}\nhash {}\n{rule}",
                        now.to_rfc3339(),
                        HEXLOWER.encode(&root.finalize())
                    );
                    certify(&mut transaction, certificate, "conversations", None, &body, now).await?;
                }
                transaction.commit().await?;
                Ok(count)
            })
            .await
    }
}
