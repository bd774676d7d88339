//! Calls: a connection of the pool, a limit of time, and another try where that is safe.

use super::postgres_connect::{CALL_LIMIT, Connection, Connector, explain, unavailable};
use deadpool::managed::{Object, Pool, PoolError, QueueMode, Timeouts, WeakPool};
use kernel::StorageError;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::RwLock;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, Statement};

/// Any call ends within this time while the server is known not to answer: a request may make several.
const SUSPECT_LIMIT: Duration = Duration::from_millis(250);

/// How long it is until a server that refused is asked again.
const PROBE_PAUSE: Duration = Duration::from_millis(250);

/// A connection whose call was given up is ready for another within this time, or goes.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);

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

/// Which connections a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Those of the pool.
    Requests,
    /// When all of those are taken, the one that is kept for effects.
    Effects,
}

/// A connection in use. It goes back to the pool unless it is in the middle of something.
#[derive(Debug)]
pub(super) struct Lease {
    connection: Option<Object<Connector>>,
    unfit: AtomicBool,
    done: AtomicBool,
}

impl Lease {
    fn new(connection: Object<Connector>) -> Self {
        Self { connection: Some(connection), unfit: AtomicBool::default(), done: AtomicBool::default() }
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

    /// Says that nothing runs on the connection any more.
    fn finish(&self) {
        self.done.store(true, Ordering::Relaxed);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if self.unfit.load(Ordering::Relaxed) {
            // Closes it; the server ends what runs on it by its own limits.
            drop(Object::take(connection));
        } else if !self.done.load(Ordering::Relaxed) {
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn(drain(connection))),
                Err(_) => drop(Object::take(connection)),
            }
        }
    }
}

/// Waits for what still runs on a connection whose caller went away: the next one isn't to wait for it.
async fn drain(connection: Object<Connector>) {
    let idle = timeout(DRAIN_LIMIT, connection.client.batch_execute("")).await;
    if !matches!(idle, Ok(Ok(()))) {
        drop(Object::take(connection));
    }
}

/// The pool of connections.
#[derive(Debug)]
pub(super) struct Database {
    pool: Pool<Connector>,
    /// One connection, so that effects don't starve behind requests.
    reserve: Pool<Connector>,
    /// A call ran out of time, and none succeeded since.
    suspect: Arc<AtomicBool>,
    /// Held to read by every call, so that closing waits for them.
    open: RwLock<bool>,
}

impl Database {
    /// A pool of at most so many connections; none is made yet.
    ///
    /// # Errors
    /// `Unavailable` when it can't be set up.
    pub(super) fn new(connector: Connector, size: usize) -> Result<Self, StorageError> {
        let build = |connector, size| {
            let pool = Pool::builder(connector).max_size(size).queue_mode(QueueMode::Lifo);
            pool.build().map_err(|e| StorageError::Unavailable(e.to_string()))
        };
        let reserve = build(connector.clone(), 1)?;
        let pool = build(connector, size.max(1))?;
        Ok(Self { pool, reserve, suspect: Arc::default(), open: RwLock::new(true) })
    }

    /// Who makes the connections.
    pub(super) fn connector(&self) -> &Connector {
        self.pool.manager()
    }

    /// When a call that begins now has to end.
    pub(super) fn deadline(&self) -> Instant {
        let suspect = self.suspect.load(Ordering::Relaxed);
        Instant::now() + if suspect { SUSPECT_LIMIT } else { CALL_LIMIT }
    }

    /// Does `work` on a connection within the limit of time. It is done again when the server says that it clashed
    /// with others, or when the connection broke: pooled connections may have died unnoticed.
    ///
    /// # Errors
    /// The answer of `work`; `Corrupt` when the server can't take or give a value; `Unavailable` in all other cases.
    pub(super) async fn call<T, F>(&self, work: impl Fn(Arc<Lease>) -> F) -> Result<T, StorageError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.call_on(Line::Requests, self.deadline(), work).await
    }

    /// As [`Self::call`], for what is about effects.
    ///
    /// # Errors
    /// As there.
    pub(super) async fn call_for_effects<T, F>(
        &self,
        work: impl Fn(Arc<Lease>) -> F,
    ) -> Result<T, StorageError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.call_on(Line::Effects, self.deadline(), work).await
    }

    /// As [`Self::call`], with a deadline that another part of the same call has taken time from.
    ///
    /// # Errors
    /// As there.
    pub(super) async fn call_until<T, F>(
        &self,
        deadline: Instant,
        work: impl Fn(Arc<Lease>) -> F,
    ) -> Result<T, StorageError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.call_on(Line::Requests, deadline, work).await
    }

    async fn call_on<T, F>(
        &self,
        line: Line,
        deadline: Instant,
        work: impl Fn(Arc<Lease>) -> F,
    ) -> Result<T, StorageError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let open = self.open.read().await;
        if !*open {
            return Err(closed());
        }
        let (mut losses, mut clashes) = (0usize, 0);
        loop {
            let Ok(lease) = timeout_at(deadline, self.lease(line)).await else { return Err(self.late()) };
            let lease = Arc::new(lease?);
            let Ok(outcome) = timeout_at(deadline, work(lease.clone())).await else {
                lease.discard();
                return Err(self.late());
            };
            lease.finish();
            let error = match outcome {
                Ok(answer) => {
                    self.answered();
                    return Ok(answer);
                }
                Err(Failure::Refused(answer)) => {
                    self.answered();
                    return Err(if losses > 0 { uncertain(answer) } else { answer });
                }
                Err(Failure::Database(error)) => error,
            };
            let trouble = Trouble::of(&error);
            if trouble != Trouble::Lost && error.code().is_some() {
                self.answered();
            }
            match trouble {
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
                Trouble::Value => return Err(StorageError::Corrupt(explain(&error))),
                _ => return Err(unavailable(&error)),
            }
        }
    }

    fn answered(&self) {
        if self.suspect.load(Ordering::Relaxed) {
            self.suspect.store(false, Ordering::Relaxed);
        }
    }

    /// The error of a call that ran out of time. Until one succeeds the others are given less.
    fn late(&self) -> StorageError {
        if !self.suspect.swap(true, Ordering::Relaxed) {
            drop(tokio::spawn(probe(self.pool.weak(), self.suspect.clone())));
        }
        StorageError::Unavailable("PostgreSQL didn't answer in time".to_owned())
    }

    async fn lease(&self, line: Line) -> Result<Lease, StorageError> {
        let connection = match line {
            Line::Requests => self.pool.get().await,
            Line::Effects => {
                let at_once = Timeouts { wait: Some(Duration::ZERO), ..Timeouts::default() };
                match self.pool.timeout_get(&at_once).await {
                    Err(PoolError::Timeout(_)) => self.reserve.get().await,
                    other => other,
                }
            }
        };
        match connection {
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
        self.reserve.close();
    }
}

/// Asks until an answer comes. Calls may be given too little time to make a connection.
async fn probe(pool: WeakPool<Connector>, suspect: Arc<AtomicBool>) {
    while suspect.load(Ordering::Relaxed) {
        let Some(pool) = pool.upgrade().filter(|pool| !pool.is_closed()) else { break };
        if let Ok(Ok(connection)) = timeout(CALL_LIMIT, pool.get()).await {
            match timeout(CALL_LIMIT, connection.client.batch_execute("")).await {
                Ok(Ok(())) => suspect.store(false, Ordering::Relaxed),
                _ => drop(Object::take(connection)),
            }
        } else {
            drop(pool);
            tokio::time::sleep(PROBE_PAUSE).await;
        }
    }
}

/// What a repeated call answers: its own write may be what it was refused for.
fn uncertain(answer: StorageError) -> StorageError {
    match answer {
        StorageError::Conflict | StorageError::Exists | StorageError::KeyTaken { .. } => {
            StorageError::Unavailable("whether it was written isn't known".to_owned())
        }
        other => other,
    }
}

/// What an error says about trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// Others' writes were in the way: it may succeed now.
    Clash,
    /// The connection is gone or of no use: it may succeed on another.
    Lost,
    /// A value is such that the server can't take or give it, nor will it ever.
    Value,
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
        } else if ["22", "54"].iter().any(|class| code.code().starts_with(class)) {
            Self::Value
        } else {
            Self::Lasting
        }
    }
}

/// What everything answers once the storage is closed.
fn closed() -> StorageError {
    StorageError::Unavailable("the database is closed".to_owned())
}
