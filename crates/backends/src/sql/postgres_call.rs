//! Calls: a connection of the pool, a limit of time, and another try where that is safe.

use super::postgres_connect::{CALL_LIMIT, Connection, Connector, explain, unavailable};
use deadpool::managed::{Object, Pool, PoolError, QueueMode};
use kernel::StorageError;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::RwLock;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, Statement};

/// How often a call is tried again because of others' writes.
const CLASHES: u32 = 5;

/// Values to bind.
pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Why a call didn't succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The answer for the caller; nothing was written.
    Refused(StorageError),
    /// The database failed.
    Database(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Refused(error)
    }
}

/// What a call may find when it is repeated because its acknowledgement was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// The same, or its own write, which it recognises.
    Recognised,
    /// A conflict with its own write, which looks like any other.
    Uncertain,
}

/// A connection in use. It goes back to the pool unless it is in the middle of something.
#[derive(Debug)]
pub(super) struct Lease {
    connection: Option<Object<Connector>>,
    unfit: AtomicBool,
}

impl Lease {
    fn new(connection: Object<Connector>) -> Self {
        Self { connection: Some(connection), unfit: AtomicBool::new(false) }
    }

    fn connection(&self) -> Result<&Connection, Failure> {
        let gone = || Failure::Refused(StorageError::Unavailable("the connection is gone".to_owned()));
        self.connection.as_deref().ok_or_else(gone)
    }

    /// A statement, prepared at most once on this connection.
    pub(super) async fn prepare(&self, sql: &str) -> Result<Statement, Failure> {
        Ok(self.connection()?.prepare(sql).await?)
    }

    /// Runs a statement that answers rows.
    pub(super) async fn query(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Failure> {
        let statement = self.prepare(sql).await?;
        Ok(self.connection()?.client.query(&statement, values).await?)
    }

    /// Runs a statement that was prepared on this connection. Statements whose futures are polled one after the other
    /// run one after the other, without waiting for the answers between them.
    pub(super) async fn run(&self, statement: &Statement, values: Values<'_>) -> Result<Vec<Row>, Failure> {
        Ok(self.connection()?.client.query(statement, values).await?)
    }

    /// Runs a statement that isn't worth keeping.
    pub(super) async fn query_once(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Failure> {
        Ok(self.connection()?.client.query(sql, values).await?)
    }

    /// Runs a statement and answers how many rows it changed or selected.
    pub(super) async fn execute(&self, sql: &str, values: Values<'_>) -> Result<u64, Failure> {
        let statement = self.prepare(sql).await?;
        Ok(self.connection()?.client.execute(&statement, values).await?)
    }

    /// Runs a statement whose one row is a number.
    pub(super) async fn number(&self, sql: &str, values: Values<'_>) -> Result<u64, Failure> {
        let rows = self.query(sql, values).await?;
        let number: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0))?;
        Ok(number.unsigned_abs())
    }

    /// Runs statements without values.
    pub(super) async fn batch(&self, sql: &str) -> Result<(), Failure> {
        Ok(self.connection()?.client.batch_execute(sql).await?)
    }

    /// Begins a transaction. From now on the connection is unfit for others until it ends.
    pub(super) async fn begin(&self, sql: &str) -> Result<(), Failure> {
        self.discard();
        self.batch(sql).await
    }

    /// Ends a transaction.
    pub(super) async fn commit(&self) -> Result<(), Failure> {
        self.batch("COMMIT").await?;
        self.unfit.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Gives a transaction up. If that fails, so does the connection.
    pub(super) async fn roll_back(&self) {
        if self.batch("ROLLBACK").await.is_ok() {
            self.unfit.store(false, Ordering::Relaxed);
        }
    }

    /// Makes sure that nobody gets this connection again.
    fn discard(&self) {
        self.unfit.store(true, Ordering::Relaxed);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && self.unfit.load(Ordering::Relaxed)
        {
            // Closes it; the server ends what runs on it by its own limits.
            drop(Object::take(connection));
        }
    }
}

/// The pool of connections.
#[derive(Debug)]
pub(super) struct Database {
    pool: Pool<Connector>,
    /// Held to read by every call, so that closing waits for them.
    open: RwLock<bool>,
}

impl Database {
    /// A pool of at most so many connections; none is made yet.
    ///
    /// # Errors
    /// `Unavailable` when it can't be set up.
    pub(super) fn new(connector: Connector, size: usize) -> Result<Self, StorageError> {
        let pool = Pool::builder(connector).max_size(size.max(1)).queue_mode(QueueMode::Lifo);
        let pool = pool.build().map_err(|e| StorageError::Unavailable(e.to_string()))?;
        Ok(Self { pool, open: RwLock::new(true) })
    }

    /// Who makes the connections.
    pub(super) fn connector(&self) -> &Connector {
        self.pool.manager()
    }

    /// Does `work` on a connection within the limit of time. It is done again when the server says that it clashed
    /// with others, or when the connection broke: pooled connections may have died unnoticed.
    ///
    /// # Errors
    /// The answer of `work`; `Unavailable` in all other cases.
    pub(super) async fn call<T, F>(
        &self,
        repeat: Repeat,
        work: impl Fn(Arc<Lease>) -> F,
    ) -> Result<T, StorageError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let open = self.open.read().await;
        if !*open {
            return Err(closed());
        }
        let deadline = Instant::now() + CALL_LIMIT;
        let (mut losses, mut clashes) = (0usize, 0);
        loop {
            let lease = timeout_at(deadline, self.lease()).await.unwrap_or_else(|_| Err(late()))?;
            let lease = Arc::new(lease);
            let outcome = timeout_at(deadline, work(lease.clone())).await;
            let error = match outcome {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(Failure::Refused(StorageError::Conflict)))
                    if losses > 0 && repeat == Repeat::Uncertain =>
                {
                    return Err(StorageError::Unavailable("whether it was written isn't known".to_owned()));
                }
                Ok(Err(Failure::Refused(answer))) => return Err(answer),
                Ok(Err(Failure::Database(error))) => error,
                Err(_) => {
                    lease.discard();
                    return Err(late());
                }
            };
            match Trouble::of(&error) {
                Trouble::Clash if clashes < CLASHES => {
                    clashes += 1;
                    tracing::debug!(error = %explain(&error), "a statement is tried again");
                    tokio::time::sleep(Duration::from_millis(u64::from(clashes * clashes) * 2)).await;
                }
                // A server that went down took all pooled connections with it, and the pool notices one by one.
                Trouble::Lost if losses <= self.pool.status().max_size => {
                    losses += 1;
                    lease.discard();
                }
                Trouble::Lost => {
                    lease.discard();
                    return Err(unavailable(&error));
                }
                _ => return Err(unavailable(&error)),
            }
        }
    }

    async fn lease(&self) -> Result<Lease, StorageError> {
        match self.pool.get().await {
            Ok(connection) => Ok(Lease::new(connection)),
            Err(PoolError::Backend(error)) => Err(error),
            Err(PoolError::Closed) => Err(closed()),
            Err(other) => Err(StorageError::Unavailable(other.to_string())),
        }
    }

    /// Waits for calls under way and closes; later ones answer `Unavailable`.
    pub(super) async fn close(&self) {
        *self.open.write().await = false;
        self.pool.close();
    }
}

/// What an error says about trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// Others' writes were in the way: it may succeed now.
    Clash,
    /// The connection is gone or of no use: it may succeed on another.
    Lost,
    /// It would fail again.
    Lasting,
}

impl Trouble {
    fn of(error: &Error) -> Self {
        let Some(code) = error.code() else {
            let broken = std::error::Error::source(error).is_some_and(|cause| cause.is::<std::io::Error>());
            return if error.is_closed() || broken { Self::Lost } else { Self::Lasting };
        };
        let clash = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
        let lost = [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            SqlState::READ_ONLY_SQL_TRANSACTION,
            SqlState::INVALID_SQL_STATEMENT_NAME,
            SqlState::FEATURE_NOT_SUPPORTED,
            SqlState::IN_FAILED_SQL_TRANSACTION,
        ];
        if clash.contains(code) {
            Self::Clash
        } else if lost.contains(code) || code.code().starts_with("08") {
            Self::Lost
        } else {
            Self::Lasting
        }
    }
}

/// What everything answers once the storage is closed.
fn closed() -> StorageError {
    StorageError::Unavailable("the database is closed".to_owned())
}

fn late() -> StorageError {
    StorageError::Unavailable("PostgreSQL didn't answer in time".to_owned())
}
