//! Who had something opened, and what a second person decided about it. Rows are added and never changed, but for a
//! request's decision and its use, each once.

use super::batch::statement;
use super::fault::StoreFault;
use super::handle::Store;
use super::parties::KeyRow;
use crate::mail::Timestamp;
use crate::vault::{Index, Sealed};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

/// An entry to be kept.
pub struct NewLook {
    pub id: i64,
    pub at: Timestamp,
    pub actor_idx: Index,
    /// Of the login or API token, where it is known.
    pub login_idx: Option<Index>,
    pub purpose: &'static str,
    pub kind: &'static str,
    pub rows: i64,
    pub outcome: &'static str,
    pub request_id: Option<i64>,
    pub data_key_id: i64,
    pub detail: Sealed,
}

/// An entry as it is kept.
pub struct LookRow {
    pub id: i64,
    pub at: Timestamp,
    pub purpose: String,
    pub kind: String,
    pub rows: i64,
    pub outcome: String,
    pub request_id: Option<i64>,
    pub key: KeyRow,
    pub detail: Sealed,
}

/// A request to be kept.
pub struct NewLookRequest {
    pub id: i64,
    pub at: Timestamp,
    pub expires_at: Timestamp,
    pub actor_idx: Index,
    pub data_key_id: i64,
    pub detail: Sealed,
    /// Of all that it asks for.
    pub what_idx: Index,
    pub rows: i64,
}

/// A request as it is kept.
pub struct LookRequestRow {
    pub id: i64,
    pub at: Timestamp,
    pub expires_at: Timestamp,
    pub actor_idx: Vec<u8>,
    pub key: KeyRow,
    pub detail: Sealed,
    pub decision: Option<String>,
    pub decided_at: Option<Timestamp>,
    pub decider_idx: Option<Vec<u8>>,
    /// What proves the decision; not known of those of an older version.
    pub ruling: Option<Vec<u8>>,
    pub used_at: Option<Timestamp>,
    /// Of all that it asks for, and how many rows it was about; not known of those of an older version.
    pub what: Option<(Vec<u8>, i64)>,
}

const REQUEST: &str = "SELECT r.id, r.at, r.expires_at, r.actor_idx, r.data_key_id, k.wrapped, r.detail, r.decision, \
    r.used_at, r.what_idx, r.rows, r.decided_at, r.decider_idx, r.ruling FROM look_request r JOIN data_key k ON k.id = r.data_key_id ";

/// That a look was opened.
const USED: &str = "outcome IN ('opened', 'exported')";

impl Store {
    /// Commits an entry.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer; then nothing may be opened.
    pub async fn look(&self, new: &NewLook) -> Result<(), StoreFault> {
        self.save_announced().await?;
        self.pool().bounded(async { Ok(add(&mut *self.pool().take().await?, new).await?) }).await
    }

    /// How often something was opened for somebody since a time: under these names or this login, whichever is more.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn looks_since(
        &self,
        actors: &[Index],
        login: Option<Index>,
        since: Timestamp,
    ) -> Result<i64, StoreFault> {
        let mut named = 0;
        for actor in actors {
            named += self.opened_since("actor_idx", *actor, since).await?;
        }
        match login {
            Some(login) => Ok(named.max(self.opened_since("login_idx", login, since).await?)),
            None => Ok(named),
        }
    }

    async fn opened_since(
        &self,
        column: &'static str,
        who: Index,
        since: Timestamp,
    ) -> Result<i64, StoreFault> {
        let text = format!(
            "SELECT COUNT(*) FROM look WHERE {column} = $1 AND at > $2 AND outcome IN ('opened', 'exported', 'previewed')"
        );
        let query = sqlx::query(AssertSqlSafe(text)).bind(who.as_bytes()).bind(since.as_millis());
        Ok(query.fetch_one(self.pool()).await?.try_get(0)?)
    }

    /// The last entries before one, the latest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn looks(&self, before: i64, limit: i64) -> Result<Vec<LookRow>, StoreFault> {
        let text = "SELECT l.id, l.at, l.purpose, l.kind, l.rows, l.outcome, l.request_id, l.data_key_id, k.wrapped, \
             l.detail FROM look l JOIN data_key k ON k.id = l.data_key_id WHERE l.id < $1 ORDER BY l.id DESC LIMIT $2";
        let rows = sqlx::query(text).bind(before).bind(limit).fetch_all(self.pool()).await?;
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// The same of somebody, under whichever key his name was indexed.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn looks_by(
        &self,
        actors: &[Index],
        before: i64,
        limit: i64,
    ) -> Result<Vec<LookRow>, StoreFault> {
        let head = "SELECT l.id, l.at, l.purpose, l.kind, l.rows, l.outcome, l.request_id, l.data_key_id, k.wrapped, l.detail \
             FROM look l JOIN data_key k ON k.id = l.data_key_id WHERE l.id < ? AND l.actor_idx IN (";
        let text = statement(self.engine(), head, "?", actors.len(), ") ORDER BY l.id DESC LIMIT ?");
        let mut query = sqlx::query(AssertSqlSafe(text)).bind(before);
        for actor in actors {
            query = query.bind(actor.as_bytes());
        }
        let rows = query.bind(limit).fetch_all(self.pool()).await?;
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Keeps a request.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn request_look(&self, new: &NewLookRequest) -> Result<(), StoreFault> {
        self.save_announced().await?;
        sqlx::query(
            "INSERT INTO look_request (id, at, expires_at, actor_idx, data_key_id, detail, what_idx, rows) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(new.id)
        .bind(new.at.as_millis())
        .bind(new.expires_at.as_millis())
        .bind(new.actor_idx.as_bytes())
        .bind(new.data_key_id)
        .bind(new.detail.stored())
        .bind(new.what_idx.as_bytes())
        .bind(new.rows)
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// A request.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn look_request(&self, id: i64) -> Result<Option<LookRequestRow>, StoreFault> {
        let text = format!("{REQUEST} WHERE r.id = $1");
        let row = sqlx::query(AssertSqlSafe(text)).bind(id).fetch_optional(self.pool()).await?;
        row.as_ref().map(read_request).transpose().map_err(Into::into)
    }

    /// The last request for exactly this that is not over.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn request_for(
        &self,
        what: Index,
        now: Timestamp,
    ) -> Result<Option<LookRequestRow>, StoreFault> {
        let text =
            format!("{REQUEST} WHERE r.what_idx = $1 AND r.expires_at > $2 ORDER BY r.id DESC LIMIT 1");
        let query = sqlx::query(AssertSqlSafe(text)).bind(what.as_bytes()).bind(now.as_millis());
        let row = query.fetch_optional(self.pool()).await?;
        row.as_ref().map(read_request).transpose().map_err(Into::into)
    }

    /// Requests that are not over, the oldest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn look_requests(&self, now: Timestamp, limit: i64) -> Result<Vec<LookRequestRow>, StoreFault> {
        let text = format!("{REQUEST} WHERE r.expires_at > $1 AND r.used_at IS NULL ORDER BY r.id LIMIT $2");
        let query = sqlx::query(AssertSqlSafe(text)).bind(now.as_millis()).bind(limit);
        let rows = query.fetch_all(self.pool()).await?;
        rows.iter().map(read_request).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Decides a request, with the entry that says so. `false` when it was decided already, and nothing is entered.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer; then nothing is decided.
    pub async fn decide_look(
        &self,
        id: i64,
        decision: &'static str,
        decider: Index,
        ruling: Index,
        entry: &NewLook,
    ) -> Result<bool, StoreFault> {
        self.save_announced().await?;
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                let text = "UPDATE look_request SET decision = $1, decider_idx = $2, decided_at = $3, ruling = $5 \
                     WHERE id = $4 AND decision IS NULL AND expires_at > $3";
                let done = sqlx::query(text)
                    .bind(decision)
                    .bind(decider.as_bytes())
                    .bind(entry.at.as_millis())
                    .bind(id)
                    .bind(ruling.as_bytes())
                    .execute(&mut *transaction)
                    .await?;
                let is_decided = done.rows_affected() == 1;
                if is_decided {
                    add(&mut transaction, entry).await?;
                }
                transaction.commit().await?;
                Ok(is_decided)
            })
            .await
    }

    /// Whether an entry says that this one, who is not who asked, has approved a request.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn is_approval_entered(&self, request: &LookRequestRow) -> Result<bool, StoreFault> {
        let text = "SELECT COUNT(*) FROM look WHERE request_id = $1 AND kind = 'request' AND outcome = 'approved' \
             AND actor_idx = $2 AND actor_idx <> $3";
        let row = sqlx::query(text)
            .bind(request.id)
            .bind(request.decider_idx.as_deref())
            .bind(request.actor_idx.as_slice())
            .fetch_one(self.pool())
            .await?;
        Ok(row.try_get::<i64, _>(0)? > 0)
    }

    /// Requests that were decided, the oldest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn decided_requests(&self) -> Result<Vec<LookRequestRow>, StoreFault> {
        let text = format!("{REQUEST} WHERE r.decision IS NOT NULL ORDER BY r.id");
        let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(self.pool()).await?;
        rows.iter().map(read_request).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Entries about decisions, holds and breaches after an id, in their order, at most `limit`.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn rulings_after(&self, after: i64, limit: i64) -> Result<Vec<LookRow>, StoreFault> {
        let text = "SELECT l.id, l.at, l.purpose, l.kind, l.rows, l.outcome, l.request_id, l.data_key_id, k.wrapped, \
             l.detail FROM look l JOIN data_key k ON k.id = l.data_key_id \
             WHERE l.id > $1 AND l.kind IN ('request', 'review', 'hold', 'breach', 'break-glass') ORDER BY l.id LIMIT $2";
        let rows = sqlx::query(text).bind(after).bind(limit).fetch_all(self.pool()).await?;
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// The last entries of a kind, the latest first.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn looks_of_kind(&self, kind: &str, limit: i64) -> Result<Vec<LookRow>, StoreFault> {
        let text = "SELECT l.id, l.at, l.purpose, l.kind, l.rows, l.outcome, l.request_id, l.data_key_id, k.wrapped, \
             l.detail FROM look l JOIN data_key k ON k.id = l.data_key_id WHERE l.kind = $1 ORDER BY l.id DESC LIMIT $2";
        let rows = sqlx::query(text).bind(kind).bind(limit).fetch_all(self.pool()).await?;
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Entries that an access was revoked.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn revocations(&self) -> Result<Vec<LookRow>, StoreFault> {
        let text = "SELECT l.id, l.at, l.purpose, l.kind, l.rows, l.outcome, l.request_id, l.data_key_id, k.wrapped, \
             l.detail FROM look l JOIN data_key k ON k.id = l.data_key_id WHERE l.kind = 'review' AND l.outcome = 'revoked' ORDER BY l.id";
        let rows = sqlx::query(text).fetch_all(self.pool()).await?;
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// When the first entry was made that is still there.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn first_look(&self) -> Result<Option<Timestamp>, StoreFault> {
        let row = sqlx::query("SELECT at FROM look ORDER BY id LIMIT 1").fetch_optional(self.pool()).await?;
        row.map(|row| Ok(Timestamp::from_millis(row.try_get(0)?)))
            .transpose()
            .map_err(|error: sqlx::Error| error.into())
    }

    /// Requests by which something was opened: the last look of each, and how many there are.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn look_uses(&self) -> Result<Vec<(i64, i64, i64)>, StoreFault> {
        let text = format!(
            "SELECT request_id, MAX(id), COUNT(*) FROM look WHERE request_id IS NOT NULL AND {USED} GROUP BY request_id ORDER BY request_id"
        );
        let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(self.pool()).await?;
        let read = |row: &AnyRow| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }

    /// Uses an approved request, which can be done once, whatever its row says: the look that it opened stays. `false` when it can't be.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn use_look(&self, id: i64, at: Timestamp) -> Result<bool, StoreFault> {
        let text = format!(
            "UPDATE look_request SET used_at = $1 WHERE id = $2 AND decision = 'approved' AND used_at IS NULL \
             AND expires_at > $1 AND NOT EXISTS (SELECT 1 FROM look WHERE request_id = $2 AND {USED})"
        );
        let done =
            sqlx::query(AssertSqlSafe(text)).bind(at.as_millis()).bind(id).execute(self.pool()).await?;
        Ok(done.rows_affected() == 1)
    }
}

/// Adds an entry.
pub(super) async fn add(connection: &mut AnyConnection, new: &NewLook) -> Result<(), sqlx::Error> {
    let text = "INSERT INTO look (id, at, actor_idx, purpose, kind, rows, outcome, request_id, data_key_id, detail, login_idx) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    sqlx::query(text)
        .bind(new.id)
        .bind(new.at.as_millis())
        .bind(new.actor_idx.as_bytes())
        .bind(new.purpose)
        .bind(new.kind)
        .bind(new.rows)
        .bind(new.outcome)
        .bind(new.request_id)
        .bind(new.data_key_id)
        .bind(new.detail.stored())
        .bind(new.login_idx.as_ref().map(Index::as_bytes))
        .execute(connection)
        .await?;
    Ok(())
}

fn read_request(row: &AnyRow) -> Result<LookRequestRow, sqlx::Error> {
    Ok(LookRequestRow {
        id: row.try_get(0)?,
        at: Timestamp::from_millis(row.try_get(1)?),
        expires_at: Timestamp::from_millis(row.try_get(2)?),
        actor_idx: row.try_get(3)?,
        key: KeyRow { id: row.try_get(4)?, wrapped: row.try_get(5)? },
        detail: Sealed::from_stored(row.try_get(6)?),
        decision: row.try_get(7)?,
        used_at: row.try_get::<Option<i64>, _>(8)?.map(Timestamp::from_millis),
        what: row.try_get::<Option<Vec<u8>>, _>(9)?.zip(row.try_get(10)?),
        decided_at: row.try_get::<Option<i64>, _>(11)?.map(Timestamp::from_millis),
        decider_idx: row.try_get(12)?,
        ruling: row.try_get(13)?,
    })
}

/// An entry, of a statement that names its columns as [`Store::looks`] does.
pub(super) fn read(row: &AnyRow) -> Result<LookRow, sqlx::Error> {
    Ok(LookRow {
        id: row.try_get(0)?,
        at: Timestamp::from_millis(row.try_get(1)?),
        purpose: row.try_get(2)?,
        kind: row.try_get(3)?,
        rows: row.try_get(4)?,
        outcome: row.try_get(5)?,
        request_id: row.try_get(6)?,
        key: KeyRow { id: row.try_get(7)?, wrapped: row.try_get(8)? },
        detail: Sealed::from_stored(row.try_get(9)?),
    })
}
