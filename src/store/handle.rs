//! The store: what the floors above ask of the database.
//!
//! Rules: reads go through the pool, changes through the [`writer`](super::writer). A change is answered after its commit.
//! When it fails: [`StoreFault`]. A change that is not committed in time is a fault for its asker. If its transaction had begun
//! it may be committed all the same: who repeats it must be able to.

use super::engine::{Database, Engine};
use super::keys::Announced;
use super::lanes::{Ask, Claimed, Leases};
use super::reader::Reader;
use super::rows::{
    Acceptance, Bounced, Gone, NewConversation, NewMerchant, NewMessage, NewRecord, Settlement,
};
use super::writer::{Change, Effect, Job, WOKEN, write};
use super::{Readdressed, Repointing, Ruling, accept, fault::StoreFault, schema};
use crate::mail::Timestamp;
use crate::schedule::{Class, Rooms};
use crate::vault::{FileKeys, Index, Sealed};
use sqlx::postgres::PgListener;
use sqlx::{AnyConnection, Row};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};

/// Changes that may wait for the writer; more wait in their sessions.
const WAITING: usize = 1024;
/// How long one change waits for the writer before its asker gets a fault. Below the 10 minutes that RFC 5321
/// §4.5.3.2.6 gives the reply to the final dot, with room for a client that waits only 60 s.
const DEADLINE: Duration = Duration::from_secs(45);

/// The database. Cheap to clone; all clones share the writer and the pool.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    pool: Reader,
    jobs: mpsc::Sender<Job>,
    /// Rung when a delivery became due in this process.
    due: Notify,
    /// Whether this process leases what it accepts.
    serves: Arc<AtomicBool>,
    announced: Arc<Announced>,
}

impl Store {
    /// Opens the database, brings its schema up to date and starts the writer. A SQLite file is encrypted with one of `keys`;
    /// a plain one of an older version is encrypted first.
    ///
    /// # Errors
    /// [`StoreFault`] when the URL is none, no key opens the file, the server can't be reached or promises no durability, or
    /// the schema is newer than this program.
    pub async fn open(url: &str, keys: &FileKeys) -> Result<Self, StoreFault> {
        let database = Database::from_url(url, keys).await?;
        let mut connection = database.connect().await?;
        // Two roles that start at once may both try; the second finds it done.
        if schema::migrate(database.engine, &mut connection).await.is_err() {
            tokio::time::sleep(Duration::from_millis(300)).await;
            schema::migrate(database.engine, &mut connection).await?;
        }
        let (jobs, inbox) = mpsc::channel(WAITING);
        let pool = Reader::new(database.clone());
        let (serves, announced) = (Arc::new(AtomicBool::new(false)), Arc::new(Announced::default()));
        let writes = write(database.clone(), Some(connection), inbox, serves.clone(), announced.clone());
        tokio::spawn(writes);
        Ok(Self { inner: Arc::new(Inner { database, pool, jobs, due: Notify::new(), serves, announced }) })
    }

    pub(super) fn announced(&self) -> &Announced {
        &self.inner.announced
    }

    pub(super) fn engine(&self) -> Engine {
        self.inner.database.engine
    }

    pub(super) fn pool(&self) -> &Reader {
        &self.inner.pool
    }

    /// A connection of its own.
    pub(super) async fn connect(&self) -> Result<AnyConnection, StoreFault> {
        self.inner.database.connect().await
    }

    /// The name of the file key that a SQLite file is encrypted with.
    #[must_use]
    pub fn file_key(&self) -> Option<char> {
        self.inner.database.file_key()
    }

    /// Whether the database is the embedded one.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        self.inner.database.engine == Engine::Sqlite
    }

    /// Waits until something may have become due in this process.
    pub async fn due(&self) {
        self.inner.due.notified().await;
    }

    /// From now on this process leases deliveries: it wakes also when another one, on whatever machine, makes something due.
    /// SQLite has no such word; there the queue is looked at twice a second.
    pub fn serve_due(&self) {
        self.inner.serves.store(true, Ordering::Relaxed);
        if let Some(url) = self.inner.database.listen_url() {
            tokio::spawn(listen(url, Arc::downgrade(&self.inner)));
        }
    }

    /// Rings for whoever waits in [`Store::due`].
    pub fn ring(&self) {
        self.inner.due.notify_one();
    }

    pub(super) async fn change(&self, change: Change) -> Result<Effect, StoreFault> {
        let (done, answer) = oneshot::channel();
        let jobs = &self.inner.jobs;
        let asked = async {
            self.save_announced().await?;
            jobs.send(Job { change, done }).await.map_err(|_| StoreFault::Stopped)?;
            answer.await.map_err(|_| StoreFault::Stopped)?
        };
        tokio::time::timeout(DEADLINE, asked)
            .await
            .unwrap_or_else(|_| Err(StoreFault::Unreachable("the commit took too long".into())))
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StoreFault`] when it does not.
    pub async fn ping(&self) -> Result<(), StoreFault> {
        sqlx::query("SELECT 1").fetch_one(self.pool()).await?;
        Ok(())
    }

    /// Commits messages, each with its delivery, record, threads and guard.
    ///
    /// # Errors
    /// [`StoreFault`]; then none of them is accepted.
    pub async fn accept(&self, messages: Vec<NewMessage>) -> Result<Vec<Acceptance>, StoreFault> {
        match self.change(Change::Accept(messages)).await? {
            Effect::Accepted(accepted) => {
                self.ring();
                Ok(accepted)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Keeps log records that belong to no accepted message.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn record(&self, records: Vec<NewRecord>) -> Result<(), StoreFault> {
        self.change(Change::Record(records)).await.map(|_| ())
    }

    /// Opens a conversation or finds it: its id, and whether it is new. `None`: the store has left.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn open_conversation(&self, new: NewConversation) -> Result<Option<(i64, bool)>, StoreFault> {
        let merchant = new.merchant_id;
        match self.change(Change::OpenConversation(Box::new(new))).await {
            Ok(Effect::Conversation { id, is_new }) => Ok(Some((id, is_new))),
            Ok(_) => Err(StoreFault::Stopped),
            Err(StoreFault::Refused(_)) if self.has_left(merchant).await? => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Sets the end of a conversation's aliases.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn extend_conversation(&self, id: i64, expires_at: Timestamp) -> Result<(), StoreFault> {
        self.change(Change::ExtendConversation { id, expires_at }).await.map(|_| ())
    }

    /// Gives an order another customer address, with the entry about it and the mail to the address before; all of it or nothing.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn readdress(&self, new: Readdressed) -> Result<Repointing, StoreFault> {
        match self.change(Change::Readdress(Box::new(new))).await? {
            Effect::Repointed(done) => {
                self.ring();
                Ok(done)
            }
            _ => Err(StoreFault::Stopped),
        }
    }

    /// Closes a conversation.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn close_conversation(&self, id: i64, at: Timestamp) -> Result<(), StoreFault> {
        self.change(Change::CloseConversation { id, at }).await.map(|_| ())
    }

    /// Adds a store.
    ///
    /// # Errors
    /// [`StoreFault::Exists`] when its id is taken.
    pub async fn add_merchant(&self, new: NewMerchant) -> Result<(), StoreFault> {
        self.change(Change::AddMerchant(Box::new(new))).await.map(|_| ())
    }

    /// Adds an API token.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn add_token(
        &self,
        id: i64,
        token_idx: Index,
        scopes: String,
        label: Sealed,
        at: Timestamp,
    ) -> Result<(), StoreFault> {
        self.change(Change::AddToken { id, token_idx, scopes, label, at }).await.map(|_| ())
    }

    /// Leases due deliveries that have room, those too whose lease is over where `leases` says so.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn claim(
        &self,
        now: Timestamp,
        until: Timestamp,
        rooms: Rooms,
        classes: [Class; 3],
        leases: Leases,
    ) -> Result<Claimed, StoreFault> {
        let ask = Ask { now, until, lease: super::random_id().max(1), rooms, classes, leases };
        match self.change(Change::Claim(Box::new(ask))).await? {
            Effect::Claimed(claimed) => Ok(claimed),
            _ => Ok(Claimed::default()),
        }
    }

    /// Gives deliveries that a process of an older version accepted their place among the others. How many.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn adopt(&self, now: Timestamp) -> Result<u64, StoreFault> {
        self.count(Change::Adopt { now }).await
    }

    /// Sets when waiting deliveries are looked at next.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn look_again(&self, deliveries: Vec<(i64, Timestamp)>) -> Result<(), StoreFault> {
        self.change(Change::LookAgain(deliveries)).await.map(|_| ())
    }

    pub(super) async fn count(&self, change: Change) -> Result<u64, StoreFault> {
        match self.change(change).await? {
            Effect::Count(count) => Ok(count),
            _ => Err(StoreFault::Stopped),
        }
    }

    /// Makes running leases (delivery, lease) last until `until`.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn extend(&self, deliveries: Vec<(i64, i64)>, until: Timestamp) -> Result<(), StoreFault> {
        self.change(Change::Extend { deliveries, until }).await.map(|_| ())
    }

    /// Writes the result of an attempt. `false` when its lease had been lost.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer; the caller must try again, or the attempt is repeated.
    pub async fn settle(&self, done: Settlement) -> Result<bool, StoreFault> {
        let rings = done.notice.is_some();
        match self.change(Change::Settle(Box::new(done))).await? {
            Effect::Settled(held) => {
                if rings {
                    self.ring();
                }
                Ok(held)
            }
            _ => Err(StoreFault::Stopped),
        }
    }

    /// Marks a message that was delivered as bounced, with its record and the notice to its sender; of any other nothing is
    /// written.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn bounced(
        &self,
        delivery: i64,
        at: Timestamp,
        status: String,
        record: NewRecord,
        notice: Option<NewMessage>,
        gone: Option<Gone>,
    ) -> Result<Bounced, StoreFault> {
        let notice = notice.map(Box::new);
        let change = Change::Bounced { delivery, at, status, record: Box::new(record), notice, gone };
        match self.change(change).await? {
            Effect::Bounced(bounced) => {
                self.ring();
                Ok(bounced)
            }
            _ => Err(StoreFault::Stopped),
        }
    }

    /// Writes a decision about a delivery. `false` when it is not what it had to be: then nothing is written.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn rule(&self, ruling: Ruling) -> Result<bool, StoreFault> {
        match self.change(Change::Rule(Box::new(ruling))).await? {
            Effect::Ruled(counts) => {
                self.ring();
                Ok(counts)
            }
            _ => Err(StoreFault::Stopped),
        }
    }

    /// Forgets what ended before `ended_before`, and guards that are over.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn purge(&self, ended_before: Timestamp, now: Timestamp) -> Result<(), StoreFault> {
        while let Effect::Purged { more: true } = self.change(Change::Purge { ended_before, now }).await? {}
        Ok(())
    }

    /// The installation's own data key and probe, if it has been set up.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn installation(&self) -> Result<Option<(super::KeyRow, Sealed)>, StoreFault> {
        let row = sqlx::query(
            "SELECT i.data_key_id, k.wrapped, i.probe FROM installation i JOIN data_key k ON k.id = i.data_key_id \
             WHERE i.id = 1",
        )
        .fetch_optional(self.pool())
        .await?;
        row.map(|row| {
            let key = super::KeyRow { id: row.try_get(0)?, wrapped: row.try_get(1)? };
            Ok((key, Sealed::from_stored(row.try_get(2)?)))
        })
        .transpose()
        .map_err(|error: sqlx::Error| error.into())
    }

    /// Sets the installation up, unless another process was faster. `bound` says that nothing in it is without its proof.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn install(
        &self,
        key: &super::NewKey,
        probe: &Sealed,
        bound: Index,
        at: Timestamp,
    ) -> Result<(), StoreFault> {
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                let first = sqlx::query(
                    "INSERT INTO installation (id, data_key_id, probe, created_at, bound) VALUES (1, $1, $2, $3, $4) \
             ON CONFLICT (id) DO NOTHING",
                )
                .bind(key.id)
                .bind(probe.stored())
                .bind(at.as_millis())
                .bind(bound.as_bytes())
                .execute(&mut *transaction)
                .await?;
                if first.rows_affected() == 1 {
                    accept::data_key(&mut transaction, key, at).await?;
                }
                transaction.commit().await?;
                Ok(())
            })
            .await
    }

    /// Keeps a data key.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn add_key(&self, key: &super::NewKey, at: Timestamp) -> Result<(), StoreFault> {
        self.pool()
            .bounded(async {
                let mut transaction = self.pool().begin().await?;
                accept::data_key(&mut transaction, key, at).await?;
                transaction.commit().await?;
                Ok(())
            })
            .await
    }
}

/// How long the listener rests after its connection broke. Meanwhile the queue is looked at as without it.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// How long it waits for the server's word that it is there.
const LISTEN_PATIENCE: Duration = Duration::from_secs(5);

/// Rings whenever a process on the same PostgreSQL made something due, until the store is dropped.
async fn listen(url: String, store: Weak<Inner>) {
    loop {
        if let Ok(mut listener) = PgListener::connect(&url).await
            && listener.listen(WOKEN).await.is_ok()
        {
            loop {
                match tokio::time::timeout(DEADLINE, listener.recv()).await {
                    // An error: connect anew.
                    Ok(Err(_)) => break,
                    Ok(Ok(_)) => {}
                    // Now and then a look whether server and store are still there: silence is no error.
                    Err(_) => {
                        let asked = sqlx::query("SELECT 1").execute(&mut listener);
                        if !matches!(tokio::time::timeout(LISTEN_PATIENCE, asked).await, Ok(Ok(_))) {
                            break;
                        }
                    }
                }
                let Some(inner) = store.upgrade() else { return };
                inner.due.notify_one();
            }
        }
        if store.strong_count() == 0 {
            return;
        }
        tokio::time::sleep(LISTEN_AGAIN).await;
    }
}
