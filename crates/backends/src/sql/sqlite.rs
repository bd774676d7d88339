//! The embedded database: SQLite in one process.
//!
//! Writes go to one thread that commits them in groups (`sqlite_writer`), reads to pools of connections
//! (`sqlite_query`). A write whose future is dropped after it was queued still happens; its caller may find out by
//! repeating it with the same revision.

use super::labels::FieldNames;
use super::sqlite_open::{Role, connect, limit, migrate, take, unavailable, version};
use super::sqlite_query::{Pool, Source, closed, effects_due, effects_head, effects_since};
use super::sqlite_statements::Statements;
use super::sqlite_transfer::{scan, snapshot};
use super::sqlite_writer::{Action, Counters, GROUP, Job, Kinds, Write, Writer};
use crate::sql::schema::SCHEMA_ROW;
use kernel::storage::DocumentPage;
use kernel::{
    BoxFuture, Document, Effect, Extent, KindSpec, Located, Partition, Place, Position, Query, Revision,
    Settlement, Storage, StorageError, StoredEffect, Timestamp,
};
use rusqlite::Connection;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

/// How many effects are settled in one step of the writer.
const SETTLE_STEP: usize = 256;

/// How many documents a clean-up removes in one step of the writer, if time allows.
const CLEANUP_STEP: u32 = 256;

/// How a database is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Connections for point reads, at least one.
    pub point_readers: usize,
    /// Connections for lists, at least one.
    pub list_readers: usize,
    /// How many writes may wait; more make their callers wait before they are queued.
    pub queue: usize,
    /// How large the database file may become, in bytes; writes that need more answer `Unavailable`.
    pub max_bytes: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { point_readers: 2, list_readers: 2, queue: 1024, max_bytes: None }
    }
}

/// What a database has done since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Durable commits.
    pub commits: u64,
    /// Writes in those commits, refused ones included.
    pub writes: u64,
}

/// What reads need, shared with the threads that run lists.
#[derive(Debug)]
struct Readers {
    points: Pool,
    lists: Pool,
    names: FieldNames,
}

impl Readers {
    /// Waits for reads under way and closes.
    fn close(&self) {
        self.points.close();
        self.lists.close();
    }
}

/// An SQLite database as a [`Storage`].
#[derive(Debug)]
pub struct SqliteStorage {
    readers: Arc<Readers>,
    kinds: Arc<Kinds>,
    counters: Arc<Counters>,
    jobs: RwLock<Option<mpsc::Sender<Job>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl SqliteStorage {
    /// Opens the database file, creating it (mode 0600) if it isn't there, and locks it to this process by the
    /// file `<path>.lock`. Blocks for a few milliseconds.
    ///
    /// # Errors
    /// `Locked` when another process (or storage) has it, `NewerSchema` when a newer version wrote it,
    /// `Unavailable` when it can't be opened.
    pub fn open(path: &Path, options: Options) -> Result<Self, StorageError> {
        let lock = take(path)?;
        let mut connection = connect(path, Role::Writer)?;
        if let Some(bytes) = options.max_bytes {
            limit(&connection, bytes).map_err(unavailable)?;
        }
        let known = migrate(&mut connection)?;
        let kinds = known.iter().map(|kind| Ok((kind.clone(), Arc::new(Statements::new(kind)?))));
        let kinds: Arc<Kinds> = Arc::new(RwLock::new(kinds.collect::<Result<_, StorageError>>()?));
        let pool = |size: usize| -> Result<Pool, StorageError> {
            let connections: Result<Vec<Connection>, _> =
                (0..size.max(1)).map(|_| connect(path, Role::Reader)).collect();
            Ok(Pool::new(connections?))
        };
        let readers = Readers {
            points: pool(options.point_readers)?,
            lists: pool(options.list_readers)?,
            names: FieldNames::default(),
        };
        let counters = Arc::new(Counters::default());
        let writer =
            Writer { connection, kinds: kinds.clone(), counters: counters.clone(), fields: None, lock };
        let (jobs, waiting) = mpsc::channel(options.queue.max(1));
        let thread = std::thread::Builder::new().name("database-writer".to_owned());
        let writer = thread
            .spawn(move || writer.run(waiting))
            .map_err(|e| StorageError::Unavailable(e.to_string()))?;
        Ok(Self {
            readers: Arc::new(readers),
            kinds,
            counters,
            jobs: RwLock::new(Some(jobs)),
            writer: Mutex::new(Some(writer)),
        })
    }

    /// What was done since the database was opened.
    pub fn stats(&self) -> Stats {
        Stats {
            commits: self.counters.commits.load(Ordering::Relaxed),
            writes: self.counters.writes.load(Ordering::Relaxed),
        }
    }

    fn statements(&self, kind: &str) -> Result<Arc<Statements>, StorageError> {
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        let unprepared = || StorageError::Unavailable(format!("the record kind `{kind}` wasn't prepared"));
        kinds.get(kind).cloned().ok_or_else(unprepared)
    }

    /// Queues a write and waits until it is durable.
    async fn write(&self, write: Write) -> Result<u32, StorageError> {
        let jobs = self.jobs.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(closed)?;
        let (caller, answer) = oneshot::channel();
        jobs.send((write, caller)).await.map_err(|_| closed())?;
        drop(jobs);
        answer.await.map_err(|_| closed())?
    }

    async fn write_document(
        &self,
        (partition, kind): (&Partition, &str),
        action: Action,
        effects: Vec<Effect>,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let statements = self.statements(kind)?;
        let partition = partition.as_str().to_owned();
        self.write(Write::Document { statements, partition, action, effects, now }).await.map(|_| ())
    }

    /// Removes in small steps, between which other writes have their turn.
    async fn clean_up(&self, limit: u32, step: impl Fn(u32) -> Write) -> Result<u32, StorageError> {
        let mut removed = 0;
        while removed < limit {
            match self.write(step(limit.saturating_sub(removed).min(CLEANUP_STEP))).await? {
                0 => break,
                count => removed = removed.saturating_add(count),
            }
        }
        Ok(removed)
    }

    /// Runs a read that may take long on a thread that may block.
    async fn list<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection, &Readers) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let readers = self.readers.clone();
        let reading = tokio::task::spawn_blocking(move || readers.lists.read(|c| read(c, &readers)));
        reading.await.map_err(|e| StorageError::Unavailable(e.to_string()))?
    }

    fn point(
        &self,
        (partition, kind, now): (&Partition, &'static str, Timestamp),
        read: impl FnOnce(&Source<'_>, &Connection) -> Result<Option<Document>, StorageError>,
    ) -> Result<Option<Document>, StorageError> {
        let statements = self.statements(kind)?;
        let names = &self.readers.names;
        let source = Source { statements: &statements, kind, names, partition: partition.as_str(), now };
        self.readers.points.read(|connection| read(&source, connection))
    }

    fn end(&self) -> Option<JoinHandle<()>> {
        // Without a sender the writer does what is queued and ends.
        self.jobs.write().unwrap_or_else(PoisonError::into_inner).take();
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for SqliteStorage {
    /// Does what is queued and gives the lock back.
    fn drop(&mut self) {
        self.readers.close();
        if let Some(writer) = self.end() {
            // A thread that panicked has nothing more to do.
            let _ = writer.join();
        }
    }
}

impl Storage for SqliteStorage {
    fn prepare<'a>(&'a self, kinds: &'a [KindSpec]) -> BoxFuture<'a, Result<(), StorageError>> {
        Box::pin(async move {
            self.write(Write::Prepare(kinds.to_vec())).await?;
            for KindSpec { kind, .. } in kinds {
                let statements = Arc::new(Statements::new(kind)?);
                let mut known = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
                known.insert((*kind).to_owned(), statements);
            }
            Ok(())
        })
    }

    fn insert<'a>(
        &'a self,
        partition: &'a Partition,
        document: Document,
        effects: Vec<Effect>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StorageError>> {
        let kind = document.kind;
        Box::pin(self.write_document((partition, kind), Action::Insert(document), effects, now))
    }

    fn get<'a>(
        &'a self,
        partition: &'a Partition,
        kind: &'static str,
        id: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Document>, StorageError>> {
        Box::pin(async move { self.point((partition, kind, now), |source, c| source.get(c, id)) })
    }

    fn find<'a>(
        &'a self,
        partition: &'a Partition,
        kind: &'static str,
        key: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Document>, StorageError>> {
        Box::pin(async move { self.point((partition, kind, now), |source, c| source.find(c, key)) })
    }

    fn replace<'a>(
        &'a self,
        partition: &'a Partition,
        document: Document,
        expected: Revision,
        effects: Vec<Effect>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StorageError>> {
        let kind = document.kind;
        Box::pin(self.write_document((partition, kind), Action::Replace(document, expected), effects, now))
    }

    fn delete<'a>(
        &'a self,
        partition: &'a Partition,
        kind: &'static str,
        id: &'a str,
        expected: Revision,
        effects: Vec<Effect>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StorageError>> {
        let action = Action::Delete(id.to_owned(), expected);
        Box::pin(self.write_document((partition, kind), action, effects, now))
    }

    fn query<'a>(
        &'a self,
        partition: &'a Partition,
        query: Query,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<DocumentPage, StorageError>> {
        Box::pin(async move {
            let statements = self.statements(query.kind)?;
            let partition = partition.clone();
            let read = move |connection: &Connection, readers: &Readers| {
                let (kind, names, partition) = (query.kind, &readers.names, partition.as_str());
                Source { statements: &statements, kind, names, partition, now }.query(connection, query)
            };
            self.list(read).await
        })
    }

    fn drop_partition<'a>(
        &'a self,
        partition: &'a Partition,
        limit: u32,
    ) -> BoxFuture<'a, Result<u32, StorageError>> {
        Box::pin(self.clean_up(limit, |limit| Write::Drop(partition.as_str().to_owned(), limit)))
    }

    fn effects_due(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<StoredEffect>, StorageError>> {
        Box::pin(self.list(move |connection, _| effects_due(connection, now, limit)))
    }

    fn effects_settle<'a>(
        &'a self,
        settlements: &'a [(Position, Settlement)],
    ) -> BoxFuture<'a, Result<(), StorageError>> {
        Box::pin(async move {
            for step in settlements.chunks(SETTLE_STEP) {
                self.write(Write::Settle(step.to_vec())).await?;
            }
            Ok(())
        })
    }

    fn effects_since(
        &self,
        after: Position,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<StoredEffect>, StorageError>> {
        Box::pin(self.list(move |connection, _| effects_since(connection, after, limit)))
    }

    fn effects_head(&self) -> BoxFuture<'_, Result<Position, StorageError>> {
        Box::pin(async move { self.readers.points.read(effects_head) })
    }

    fn purge_expired(&self, now: Timestamp, limit: u32) -> BoxFuture<'_, Result<u32, StorageError>> {
        Box::pin(self.clean_up(limit, move |limit| Write::Purge(now, limit)))
    }

    fn scan(
        &self,
        kind: &'static str,
        after: Option<Place>,
        limit: u32,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<Located>, StorageError>> {
        Box::pin(async move {
            let statements = self.statements(kind)?;
            let read = move |connection: &Connection, readers: &Readers| {
                let source =
                    Source { statements: &statements, kind, names: &readers.names, partition: "", now };
                scan(&source, connection, after.as_ref(), limit)
            };
            self.list(read).await
        })
    }

    fn snapshot(&self, extent: Extent, now: Timestamp) -> BoxFuture<'_, Result<Vec<Located>, StorageError>> {
        Box::pin(async move {
            let with_statements = |kind| Ok((kind, self.statements(kind)?));
            let kinds: HashMap<&'static str, Arc<Statements>> = extent
                .kinds
                .iter()
                .chain(extent.beside.iter().map(|(kind, _)| kind))
                .map(|kind| with_statements(*kind))
                .collect::<Result<_, StorageError>>()?;
            let read = move |connection: &Connection, readers: &Readers| {
                snapshot(connection, &extent, &kinds, &readers.names, now)
            };
            self.list(read).await
        })
    }

    fn load(&self, documents: Vec<Located>) -> BoxFuture<'_, Result<u32, StorageError>> {
        Box::pin(async move {
            let with_statements = documents.into_iter().map(|l| Ok((self.statements(l.document.kind)?, l)));
            let documents = with_statements.collect::<Result<_, StorageError>>()?;
            self.write(Write::Load(documents)).await
        })
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            let jobs = self.jobs.read().unwrap_or_else(PoisonError::into_inner).clone();
            if jobs.is_none_or(|jobs| jobs.is_closed()) {
                return Err(closed());
            }
            let found = self.readers.points.read(|c| version(c, SCHEMA_ROW).map_err(unavailable))?;
            found
                .map(|_| ())
                .ok_or_else(|| StorageError::Unavailable("the schema's version is missing".to_owned()))
        })
    }

    fn side_by_side(&self) -> usize {
        // One group of the writer's: each commit more would write the same pages once more.
        GROUP
    }

    fn rest(&self, tidy: fn()) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let readers = self.readers.clone();
            let resting = tokio::task::spawn_blocking(move || {
                readers.points.rest();
                readers.lists.rest();
                tidy();
            });
            let rested = resting.await.map_err(|e| StorageError::Unavailable(e.to_string()));
            if let Err(error) = rested.and(self.write(Write::Rest(tidy)).await) {
                tracing::debug!(%error, "the database doesn't rest");
            }
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let (readers, writer) = (self.readers.clone(), self.end());
            let closing = tokio::task::spawn_blocking(move || {
                readers.close();
                if let Some(writer) = writer {
                    // A thread that panicked has nothing more to do.
                    let _ = writer.join();
                }
            });
            if let Err(error) = closing.await {
                tracing::warn!(%error, "the database wasn't closed in order");
            }
        })
    }
}
