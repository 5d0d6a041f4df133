//! What reads go through: the pool of connections, with an end to each wait.
//!
//! A server whose machine is gone, or a path that drops everything, answers nothing and refuses nothing: TCP would wait for a
//! quarter of an hour, or for ever where nothing is left to be sent. So a read that takes longer than the server itself would
//! let it run is over, and its connection with it.
//! When it fails: `sqlx::Error::Io` of the kind `TimedOut`, which becomes [`StoreFault::Unreachable`](super::StoreFault).

use super::engine::{Engine, READ_PATIENCE};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use sqlx::any::{AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo};
use sqlx::{Any, AnyPool, Either, Error, Execute, Executor, SqlStr, Transaction};
use std::io;
use std::time::Duration;

/// The pool.
#[derive(Debug)]
pub(super) struct Reader {
    pool: AnyPool,
    patience: Duration,
}

impl Reader {
    pub(super) fn new(pool: AnyPool, engine: Engine) -> Self {
        // SQLite is in this process: whoever waits there waits for the disk.
        let patience = if engine == Engine::Postgres { READ_PATIENCE } else { Duration::MAX };
        Self { pool, patience }
    }

    /// A transaction of its own, for what is written at the start.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Any>, Error> {
        self.pool.begin().await
    }

    /// Rows and counts of a statement.
    async fn all<'q, E>(&self, query: E) -> Result<Vec<Either<AnyQueryResult, AnyRow>>, Error>
    where
        E: 'q + Execute<'q, Any>,
    {
        let mut connection = self.pool.acquire().await?;
        let rows = (&mut *connection).fetch_many(query).try_collect();
        match tokio::time::timeout(self.patience, rows).await {
            Ok(rows) => rows,
            Err(_) => {
                connection.close_on_drop();
                Err(fell_silent())
            }
        }
    }

    async fn one<'q, E>(&self, query: E) -> Result<Option<AnyRow>, Error>
    where
        E: 'q + Execute<'q, Any>,
    {
        let mut connection = self.pool.acquire().await?;
        match tokio::time::timeout(self.patience, (&mut *connection).fetch_optional(query)).await {
            Ok(row) => row,
            Err(_) => {
                connection.close_on_drop();
                Err(fell_silent())
            }
        }
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
        (&self.pool).prepare_with(sql, parameters)
    }
}
