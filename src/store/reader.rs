//! What reads go through: a few connections, taken in turn, with an end to each wait.
//!
//! Rules: at most [`READERS`] reads run, the others wait in the order in which they came, as long as a session can
//! ([`TURN`]): many sessions at once are no fault. The connection used last is used next. One that has rested is asked first
//! whether it is still good; one whose read failed or was given up is closed. A pool that asked before and after each read,
//! as sqlx's does, had three rounds with the database for one.
//! A server whose machine is gone, or a path that drops everything, answers nothing and refuses nothing: TCP would wait for a
//! quarter of an hour, or for ever where nothing is left to be sent. So a read that takes longer than the server itself would
//! let it run is over, and its connection with it.
//! When it fails: `sqlx::Error::Io` of the kind `TimedOut`, or `PoolTimedOut` for one whose turn or connection did not come;
//! both become [`StoreFault::Unreachable`](super::StoreFault).

use super::engine::{Database, Engine, READ_PATIENCE};
use super::fault::StoreFault;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use sqlx::any::{AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo};
use sqlx::{Any, AnyConnection, Connection, Either, Error, Execute, Executor, SqlStr};
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout};

/// Reads at once, and connections for them.
const READERS: usize = 8;
/// How long a read waits for its turn. A command needs a few, and RFC 5321 §4.5.3.2 gives it five minutes.
const TURN: Duration = Duration::from_secs(30);
/// How long it waits for a connection, then.
const OPENING: Duration = Duration::from_secs(5);
/// The first rest between two tries to connect while the server starts; each is twice the one before.
const REST: Duration = Duration::from_millis(20);
/// How long a connection that is asked has for its answer: one whose server is gone must not use up what opening takes.
const ANSWERS: Duration = Duration::from_secs(1);
/// A connection that has rested for longer is asked whether it is good.
const FRESH: Duration = Duration::from_millis(100);
/// Rests and lives of connections: what is older is closed.
const LONGEST_REST: Duration = Duration::from_secs(600);
const LIFETIME: Duration = Duration::from_secs(1800);

/// The connections.
pub(super) struct Reader {
    database: Database,
    patience: Duration,
    turns: Semaphore,
    /// The one used last at the end.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: AnyConnection,
    opened_at: Instant,
    since: Instant,
}

/// A connection of one's own, closed when dropped.
pub(super) struct Held<'r> {
    connection: AnyConnection,
    opened_at: Instant,
    reader: &'r Reader,
    _turn: SemaphorePermit<'r>,
}

impl Held<'_> {
    /// Gives it back for the next: nothing is under way on it.
    pub(super) fn give_back(self) {
        let Held { connection, opened_at, reader, .. } = self;
        let mut idle = reader.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|other| other.since.elapsed() < LONGEST_REST);
        if opened_at.elapsed() < LIFETIME {
            idle.push(Idle { connection, opened_at, since: Instant::now() });
        }
    }

    /// Gives it back where what came of a read says that it can go on.
    fn give_back_after<T>(self, read: &Result<T, Error>) {
        if matches!(read, Ok(_) | Err(Error::Database(_))) {
            self.give_back();
        }
    }
}

impl Deref for Held<'_> {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.connection
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.connection
    }
}

/// A transaction on a connection of its own; dropped before its commit, it is rolled back with its connection.
pub(super) struct Transaction<'r>(Held<'r>);

impl Transaction<'_> {
    /// Commits it.
    pub(super) async fn commit(mut self) -> Result<(), Error> {
        sqlx::raw_sql("COMMIT").execute(&mut *self.0).await?;
        self.0.give_back();
        Ok(())
    }
}

impl Deref for Transaction<'_> {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.0
    }
}

impl DerefMut for Transaction<'_> {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.0
    }
}

impl Reader {
    /// Begins a transaction, within [`bounded`](Self::bounded).
    pub(super) async fn begin(&self) -> Result<Transaction<'_>, Error> {
        let mut held = self.take().await?;
        sqlx::raw_sql("BEGIN").execute(&mut *held).await?;
        Ok(Transaction(held))
    }

    /// Does what takes a transaction, or gives it up with its connection: a path that fell silent must not keep one for ever.
    pub(super) async fn bounded<T>(
        &self,
        work: impl Future<Output = Result<T, StoreFault>>,
    ) -> Result<T, StoreFault> {
        timeout(self.patience, work).await.unwrap_or_else(|_| Err(fell_silent().into()))
    }

    pub(super) fn new(database: Database) -> Self {
        // SQLite is in this process: whoever waits there waits for the disk.
        let patience = if database.engine == Engine::Postgres { READ_PATIENCE } else { Duration::MAX };
        Self { database, patience, turns: Semaphore::new(READERS), idle: Mutex::default() }
    }

    /// A connection, in turn.
    pub(super) async fn take(&self) -> Result<Held<'_>, Error> {
        let turn = timeout(TURN, self.turns.acquire()).await.map_err(|_| Error::PoolTimedOut)?;
        let turn = turn.map_err(|_| Error::PoolClosed)?;
        let opened = timeout(OPENING, self.open()).await;
        let (connection, opened_at) = opened.unwrap_or(Err(Error::PoolTimedOut))?;
        Ok(Held { connection, opened_at, reader: self, _turn: turn })
    }

    async fn open(&self) -> Result<(AnyConnection, Instant), Error> {
        if let Some(mut idle) = self.last_used() {
            let is_good = idle.since.elapsed() < FRESH
                || matches!(timeout(ANSWERS, idle.connection.ping()).await, Ok(Ok(())));
            if is_good {
                return Ok((idle.connection, idle.opened_at));
            }
            // The others have rested for longer.
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        let mut rest = REST;
        loop {
            match self.database.open().await {
                Err(Error::Io(fault)) if fault.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(Error::Database(fault)) if fault.is_transient_in_connect_phase() => {}
                opened => return Ok((opened?, Instant::now())),
            }
            sleep(rest).await;
            rest *= 2;
        }
    }

    fn last_used(&self) -> Option<Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Rows and counts of a statement.
    async fn all<'q, E>(&self, query: E) -> Result<Vec<Either<AnyQueryResult, AnyRow>>, Error>
    where
        E: 'q + Execute<'q, Any>,
    {
        let mut held = self.take().await?;
        let rows = held.fetch_many(query).try_collect();
        let read = timeout(self.patience, rows).await.unwrap_or_else(|_| Err(fell_silent()));
        held.give_back_after(&read);
        read
    }

    async fn one<'q, E>(&self, query: E) -> Result<Option<AnyRow>, Error>
    where
        E: 'q + Execute<'q, Any>,
    {
        let mut held = self.take().await?;
        let row = held.fetch_optional(query);
        let read = timeout(self.patience, row).await.unwrap_or_else(|_| Err(fell_silent()));
        held.give_back_after(&read);
        read
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

/// The database did not answer.
pub(super) fn fell_silent() -> Error {
    Error::Io(io::ErrorKind::TimedOut.into())
}

impl<'c> Executor<'c> for &'c Reader {
    type Database = Any;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<AnyQueryResult, AnyRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        let all = async move { Ok::<_, Error>(stream::iter(self.all(query).await?).map(Ok)) };
        stream::once(all).try_flatten().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<AnyRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        Box::pin(self.one(query))
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [AnyTypeInfo],
    ) -> BoxFuture<'e, Result<AnyStatement, Error>>
    where
        'c: 'e,
    {
        Box::pin(async move { self.take().await?.prepare_with(sql, parameters).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::FileKeys;
    use futures_util::poll;

    async fn reader() -> Reader {
        Reader::new(Database::from_url("sqlite::memory:", &FileKeys::default()).await.unwrap())
    }

    fn idle(reader: &Reader) -> usize {
        reader.idle.lock().unwrap().len()
    }

    #[tokio::test]
    async fn who_comes_when_all_connections_are_taken_waits_in_turn_and_one_is_enough_for_many() {
        let reader = reader().await;
        let mut held = Vec::new();
        for _ in 0..READERS {
            held.push(reader.take().await.unwrap());
        }
        let mut waiting: Vec<_> =
            (0..100).map(|_| Box::pin(sqlx::query("SELECT 1").fetch_one(&reader))).collect();
        for one in &mut waiting {
            assert!(poll!(one).is_pending());
        }
        held.pop().unwrap().give_back();
        for one in waiting {
            assert!(one.await.is_ok());
        }
        assert_eq!(idle(&reader), 1);
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let reader = reader().await;
        let mut held = Vec::new();
        for _ in 0..READERS {
            held.push(reader.take().await.unwrap());
        }
        tokio::time::pause();
        let begun = Instant::now();
        assert!(matches!(sqlx::query("SELECT 1").fetch_one(&reader).await, Err(Error::PoolTimedOut)));
        assert!((TURN..2 * TURN).contains(&begun.elapsed()));
    }

    #[tokio::test]
    async fn a_connection_whose_read_was_given_up_is_not_used_again_and_one_that_was_refused_is() {
        let reader = reader().await;
        assert!(sqlx::query("SELECT nothing").fetch_one(&reader).await.is_err());
        assert_eq!(idle(&reader), 1);
        let long = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT COUNT(*) FROM n";
        let mut read = Box::pin(sqlx::query(long).fetch_one(&reader));
        assert!(poll!(&mut read).is_pending());
        drop(read);
        assert_eq!((idle(&reader), reader.turns.available_permits()), (0, READERS));
    }
}
