//! The writer: one thread that commits many writes at once.
//!
//! It takes every write that is waiting (at most [`GROUP`]), carries them out in one transaction, commits, and only
//! then answers them; while it waits for the disk the next group gathers. A refused write has written nothing. If
//! the database fails in the middle, the group is rolled back and its writes are carried out one by one, so that
//! only those that can't succeed fail; if the commit itself fails, all of the group have failed.

use super::schema::KIND_ROW_PREFIX;
use super::schema::SQLITE;
use super::sqlite_change::{Change, Failure, Fields, Repeated, load_fields};
use super::sqlite_open::{Lock, set_version, unavailable, version};
use super::sqlite_query::rest;
use super::sqlite_statements::Statements;
use super::sqlite_transfer::load;
use kernel::{Document, Effect, KindSpec, Located, Position, Revision, Settlement, StorageError, Timestamp};
use rusqlite::{Connection, params};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// How many writes are committed at once at most.
pub(super) const GROUP: usize = 128;

/// For how long a clean-up may keep the writer from others before it must queue again.
const CLEANUP_SLICE: Duration = Duration::from_millis(3);

/// How long invalidations are kept, in seconds.
const FEED_SECONDS: i64 = 600;

/// The statements of every kind the database has.
pub(super) type Kinds = RwLock<HashMap<String, Arc<Statements>>>;

/// What was done so far.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Durable commits.
    pub(super) commits: AtomicU64,
    /// Writes in them, refused ones included.
    pub(super) writes: AtomicU64,
}

/// What is done to one document.
#[derive(Debug)]
pub(super) enum Action {
    /// Insert.
    Insert(Document),
    /// Replace this revision.
    Replace(Document, Revision),
    /// Delete this id in this revision.
    Delete(String, Revision),
}

/// A unit of work for the writer.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all writes are the large variant")]
pub(super) enum Write {
    /// A document with its effects.
    Document {
        statements: Arc<Statements>,
        partition: String,
        action: Action,
        effects: Vec<Effect>,
        now: Timestamp,
    },
    /// Creates the kinds' tables and records their versions.
    Prepare(Vec<KindSpec>),
    /// Settles effects.
    Settle(Vec<(Position, Settlement)>),
    /// Removes at most so many expired documents and old invalidations.
    Purge(Timestamp, u32),
    /// Removes at most so many documents of a partition.
    Drop(String, u32),
    /// Gives memory back, and calls this.
    Rest(fn()),
    /// Writes documents as they are.
    Load(Vec<(Arc<Statements>, Located)>),
}

/// A write and whom to tell; the answer counts what a clean-up removed.
pub(super) type Job = (Write, oneshot::Sender<Result<u32, StorageError>>);

/// The writer's end of things.
pub(super) struct Writer {
    /// The only connection that writes.
    pub(super) connection: Connection,
    /// Shared with the face.
    pub(super) kinds: Arc<Kinds>,
    /// Shared with the face.
    pub(super) counters: Arc<Counters>,
    /// Which sort attributes have rows, as far as it has been read.
    pub(super) fields: Option<Fields>,
    /// Given back when the writer ends.
    pub(super) lock: Lock,
}

/// A clean-up's turn.
struct Slice<'a> {
    started: Instant,
    fields: &'a Fields,
}

impl Slice<'_> {
    fn is_over(&self) -> bool {
        self.started.elapsed() > CLEANUP_SLICE
    }
}

/// How a transaction ended that wasn't committed.
enum Aborted {
    /// A write failed: the others may succeed without it.
    Write(StorageError),
    /// Nothing can be written now.
    Commit(StorageError),
}

impl Writer {
    /// Works until every sender is gone, then copies the log into the database and closes it.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut group = Vec::with_capacity(GROUP);
        while jobs.blocking_recv_many(&mut group, GROUP) > 0 {
            self.commit_group(std::mem::take(&mut group));
        }
        if let Err(error) = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
            tracing::warn!(%error, "the database's log couldn't be copied into it; the next start does it");
        }
        let Self { connection, lock, .. } = self;
        if let Err((_, error)) = connection.close() {
            tracing::warn!(%error, "the database couldn't be closed");
        }
        drop(lock);
    }

    fn commit_group(&mut self, group: Vec<Job>) {
        let writes: Vec<&Write> = group.iter().map(|(write, _)| write).collect();
        match self.transact(&writes) {
            Ok(answers) => {
                for ((_, caller), answer) in group.into_iter().zip(answers) {
                    // The caller may have gone; the write stands.
                    let _ = caller.send(answer);
                }
            }
            Err(Aborted::Write(_)) if group.len() > 1 => {
                for job in group {
                    self.commit_group(vec![job]);
                }
            }
            Err(Aborted::Write(error)) => answer_all(group, error),
            Err(Aborted::Commit(error)) => {
                tracing::error!(%error, writes = group.len(), "the database refused a commit");
                answer_all(group, error);
            }
        }
    }

    fn transact(&mut self, writes: &[&Write]) -> Result<Vec<Result<u32, StorageError>>, Aborted> {
        let began = self.connection.prepare_cached("BEGIN IMMEDIATE").and_then(|mut s| s.execute([]));
        began.map_err(|e| Aborted::Commit(unavailable(e)))?;
        let mut fields = match self.known_fields() {
            Ok(fields) => fields,
            Err(error) => {
                self.roll_back();
                return Err(Aborted::Commit(unavailable(error)));
            }
        };
        let mut answers = Vec::with_capacity(writes.len());
        for write in writes {
            match self.carry_out(write, &mut fields) {
                Ok(count) => answers.push(Ok(count)),
                Err(Failure::Refused(error)) => answers.push(Err(error)),
                Err(failure) => {
                    self.roll_back();
                    return Err(abort(failure));
                }
            }
        }
        let committed = self.connection.prepare_cached("COMMIT").and_then(|mut s| s.execute([]));
        if let Err(error) = committed {
            self.roll_back();
            return Err(Aborted::Commit(unavailable(error)));
        }
        self.fields = Some(fields);
        self.counters.commits.fetch_add(1, Ordering::Relaxed);
        self.counters.writes.fetch_add(writes.len() as u64, Ordering::Relaxed);
        Ok(answers)
    }

    fn roll_back(&mut self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "the database refused to roll back");
        }
        // What the group said about sort attributes is undone, too.
        self.fields = None;
    }

    /// The sort attributes with rows, read again after a rollback.
    fn known_fields(&mut self) -> rusqlite::Result<Fields> {
        self.fields.take().map_or_else(|| load_fields(&self.connection), Ok)
    }

    fn carry_out(&self, write: &Write, fields: &mut Fields) -> Result<u32, Failure> {
        match write {
            Write::Document { statements, partition, action, effects, now } => {
                let change = Change { connection: &self.connection, statements, partition, now: *now };
                let repeated = match action {
                    Action::Insert(document) => change.insert(document, fields)?,
                    Action::Replace(document, expected) => change.replace(document, *expected, fields)?,
                    Action::Delete(id, expected) => {
                        change.delete(id, *expected, fields)?;
                        Repeated(false)
                    }
                };
                if repeated == Repeated(false) {
                    change.record(effects)?;
                }
                Ok(0)
            }
            Write::Prepare(kinds) => self.prepare(kinds),
            Write::Settle(settlements) => self.settle(settlements),
            Write::Purge(now, limit) => self.purge(*now, *limit, fields),
            Write::Drop(partition, limit) => self.drop_partition(partition, *limit, fields),
            Write::Rest(tidy) => {
                rest(&self.connection);
                tidy();
                Ok(0)
            }
            Write::Load(documents) => load(&self.connection, documents, fields),
        }
    }

    fn prepare(&self, kinds: &[KindSpec]) -> Result<u32, Failure> {
        let mut prepared = Vec::new();
        for KindSpec { kind, version: known } in kinds {
            let statements = Statements::new(kind)?;
            let row = format!("{KIND_ROW_PREFIX}{kind}");
            let found = version(&self.connection, &row)?.unwrap_or(0);
            if found > *known {
                return Err(
                    StorageError::NewerSchema { what: (*kind).to_owned(), found, known: *known }.into()
                );
            }
            prepared.push((statements, row, *known));
        }
        for (statements, row, known) in prepared {
            self.connection.execute_batch(&statements.tables.create(&SQLITE))?;
            set_version(&self.connection, &row, known)?;
        }
        Ok(0)
    }

    fn settle(&self, settlements: &[(Position, Settlement)]) -> Result<u32, Failure> {
        let done = "DELETE FROM effects WHERE position = ?1 AND topic <> 'invalidation'";
        let again = "UPDATE effects SET due_at = ?2, attempts = attempts + 1
                     WHERE position = ?1 AND topic <> 'invalidation'";
        for (position, settlement) in settlements {
            let position = position.0.cast_signed();
            match settlement {
                Settlement::Done => self.connection.prepare_cached(done)?.execute([position])?,
                Settlement::RetryAt(at) => {
                    self.connection.prepare_cached(again)?.execute([position, at.unix_micros()])?
                }
            };
        }
        Ok(0)
    }

    fn purge(&self, now: Timestamp, limit: u32, fields: &Fields) -> Result<u32, Failure> {
        let mut removed = 0;
        let slice = Slice { started: Instant::now(), fields };
        for statements in self.all_kinds() {
            let left = limit.saturating_sub(removed);
            let select = params![now.unix_micros(), left];
            removed += self.remove_selected(&statements, &statements.expired, select, &slice)?;
            if removed >= limit || (removed > 0 && slice.is_over()) {
                return Ok(removed);
            }
        }
        // The oldest of the feed only: a clock that was put back must not make this a walk through all of it.
        let sql = "DELETE FROM effects WHERE position IN (
                     SELECT position FROM (SELECT position, recorded_at FROM effects
                       WHERE topic = 'invalidation' ORDER BY position LIMIT ?2) WHERE recorded_at <= ?1)";
        let before = now.plus_seconds(-FEED_SECONDS).unix_micros();
        let left = limit.saturating_sub(removed);
        let old = self.connection.prepare_cached(sql)?.execute(params![before, left])?;
        Ok(removed.saturating_add(u32::try_from(old).unwrap_or(u32::MAX)))
    }

    fn drop_partition(&self, partition: &str, limit: u32, fields: &Fields) -> Result<u32, Failure> {
        let mut removed = 0;
        let slice = Slice { started: Instant::now(), fields };
        for statements in self.all_kinds() {
            let select = params![partition, limit.saturating_sub(removed)];
            removed += self.remove_selected(&statements, &statements.of_partition, select, &slice)?;
            if removed >= limit || (removed > 0 && slice.is_over()) {
                break;
            }
        }
        Ok(removed)
    }

    /// Removes what a select of partitions and ids gives, until the slice of time is over.
    fn remove_selected(
        &self,
        statements: &Statements,
        select: &str,
        values: &[&dyn rusqlite::ToSql],
        slice: &Slice<'_>,
    ) -> Result<u32, Failure> {
        let mut statement = self.connection.prepare_cached(select)?;
        let found: Vec<(String, String)> =
            statement.query_map(values, |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        let mut removed = 0;
        for (partition, id) in found {
            let now = Timestamp::default();
            let change = Change { connection: &self.connection, statements, partition: &partition, now };
            change.remove(&id, slice.fields)?;
            removed += 1;
            if slice.is_over() {
                break;
            }
        }
        Ok(removed)
    }

    fn all_kinds(&self) -> Vec<Arc<Statements>> {
        self.kinds.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

/// A full disk or a failing one fails for every write; trying them one by one would only take longer.
fn abort(failure: Failure) -> Aborted {
    use rusqlite::ErrorCode::{DiskFull, OutOfMemory, ReadOnly, SystemIoFailure};
    match failure {
        Failure::Database(error)
            if matches!(
                error.sqlite_error_code(),
                Some(DiskFull | OutOfMemory | ReadOnly | SystemIoFailure)
            ) =>
        {
            Aborted::Commit(unavailable(error))
        }
        other => Aborted::Write(other.into()),
    }
}

fn answer_all(group: Vec<Job>, error: StorageError) {
    let text = error.to_string();
    let mut first = Some(error);
    for (_, caller) in group {
        let error = first.take().unwrap_or_else(|| StorageError::Unavailable(text.clone()));
        let _ = caller.send(Err(error));
    }
}
