//! The storage port.
//!
//! One write is one record, atomically, with its effects. There are no cross-record transactions: what must be
//! consistent lives in one aggregate, one-time things are gated first, the rest follows as effects. `now` is an
//! argument everywhere, because expiry is judged by the caller's clock: expired means absent, and inserting over
//! an expired id or key succeeds.

use crate::{
    BoxFuture, Document, Effect, KindSpec, Partition, Position, Query, Revision, Settlement, StoredEffect,
    Timestamp,
};

/// Why a storage operation failed.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// A live record of this kind has the id already.
    #[error("a record with this id exists")]
    Exists,
    /// A live record of this kind has this key already.
    #[error("the key is taken")]
    KeyTaken {
        /// The key that clashed.
        key: String,
    },
    /// The expected revision isn't the stored one, or the record is gone.
    #[error("the record was changed by somebody else")]
    Conflict,
    /// A pure update kept losing against other writers (16 tries).
    #[error("the record is contended")]
    Contended,
    /// The database was written by a newer version (ruling D38).
    #[error(
        "the database has `{what}` in version {found}, this binary knows only {known}: start a newer version"
    )]
    NewerSchema {
        /// The schema or record kind.
        what: String,
        /// The version found.
        found: u32,
        /// The newest version known.
        known: u32,
    },
    /// Something else has the database locked.
    #[error("{0}")]
    Locked(String),
    /// The database can't be reached, or is full or broken.
    #[error("storage unavailable: {0}")]
    Unavailable(String),
    /// A stored body can't be read.
    #[error("stored record is unreadable: {0}")]
    Corrupt(String),
}

/// A page of documents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DocumentPage {
    /// The documents, in order.
    pub documents: Vec<Document>,
    /// How many match in all, as far as counted.
    pub total: u64,
    /// Whether `total` is exact or a lower bound.
    pub total_exact: bool,
}

/// A document and the partition it lies in, for moving a whole installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The partition's stored name.
    pub partition: String,
    /// The document.
    pub document: Document,
}

/// Where a scan goes on: after this document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The partition's stored name.
    pub partition: String,
    /// The document's id.
    pub id: String,
}

/// What a snapshot holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// The stored name of the partition.
    pub partition: String,
    /// Which kinds of it.
    pub kinds: Vec<&'static str>,
    /// Single documents of other partitions, with their kinds.
    pub beside: Vec<(&'static str, Place)>,
}

/// A document database. Every method is atomic and durable when it returns `Ok`.
pub trait Storage: Send + Sync + 'static {
    /// Creates or upgrades what the kinds need. Called once, before anything else.
    ///
    /// # Errors
    /// `NewerSchema` when the database was written by a newer binary.
    fn prepare<'a>(&'a self, kinds: &'a [KindSpec]) -> BoxFuture<'a, Result<(), StorageError>>;

    /// Inserts a document with its effects.
    ///
    /// # Errors
    /// `Exists`, `KeyTaken`. Repeating an insert whose acknowledgement was lost (same id, same revision) is `Ok`.
    fn insert<'a>(
        &'a self,
        partition: &'a Partition,
        document: Document,
        effects: Vec<Effect>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StorageError>>;

    /// Reads a live document by id.
    fn get<'a>(
        &'a self,
        partition: &'a Partition,
        kind: &'static str,
        id: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Document>, StorageError>>;

    /// Reads a live document by one of its keys.
    fn find<'a>(
        &'a self,
        partition: &'a Partition,
        kind: &'static str,
        key: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Document>, StorageError>>;

    /// Replaces a live document of the expected revision, with its effects.
    ///
    /// # Errors
    /// `Conflict`, `KeyTaken`. Repeating a replace whose acknowledgement was lost (the stored revision is the new
    /// one) is `Ok`.
    fn replace<'a>(
        &'a self,
        partition: &'a Partition,
        document: Document,
        expected: Revision,
        effects: Vec<Effect>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StorageError>>;

    /// Deletes a live document of the expected revision; the effects survive it.
    ///
    /// # Errors
    /// `Conflict` when it is absent or has another revision.
    fn delete<'a>(
        &'a self,
        partition: &'a Partition,
        kind: &'static str,
        id: &'a str,
        expected: Revision,
        effects: Vec<Effect>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StorageError>>;

    /// A page of live documents.
    fn query<'a>(
        &'a self,
        partition: &'a Partition,
        query: Query,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<DocumentPage, StorageError>>;

    /// Deletes up to `limit` documents of a partition; answers how many it deleted (0: nothing is left).
    fn drop_partition<'a>(
        &'a self,
        partition: &'a Partition,
        limit: u32,
    ) -> BoxFuture<'a, Result<u32, StorageError>>;

    /// System: effects of every partition that are due and not settled, invalidations excepted, oldest first.
    fn effects_due(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<StoredEffect>, StorageError>>;

    /// System: settles effects. Unknown positions are ignored.
    fn effects_settle<'a>(
        &'a self,
        settlements: &'a [(Position, Settlement)],
    ) -> BoxFuture<'a, Result<(), StorageError>>;

    /// System: the invalidation feed after a position, oldest first. Invalidations are kept ten minutes.
    fn effects_since(
        &self,
        after: Position,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<StoredEffect>, StorageError>>;

    /// System: the newest position of the feed.
    fn effects_head(&self) -> BoxFuture<'_, Result<Position, StorageError>>;

    /// System: removes up to `limit` expired documents and invalidations older than ten minutes.
    fn purge_expired(&self, now: Timestamp, limit: u32) -> BoxFuture<'_, Result<u32, StorageError>>;

    /// System: live documents of a kind in every partition, in the order of partition and id compared as bytes, after
    /// a place. For moving an installation nobody serves from.
    fn scan(
        &self,
        kind: &'static str,
        after: Option<Place>,
        limit: u32,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<Located>, StorageError>>;

    /// System: the live documents of an extent, all as they were at one moment: those of the partition kind by kind, in
    /// the order of ids compared as bytes, then those beside it.
    fn snapshot(&self, extent: Extent, now: Timestamp) -> BoxFuture<'_, Result<Vec<Located>, StorageError>>;

    /// System: writes documents exactly as they are, revision and times included, without effects. One that is there
    /// with the same revision is left alone, so a load that was cut off can be repeated. Answers how many it wrote.
    ///
    /// # Errors
    /// `Exists`, `KeyTaken` when another document, expired or not, has the id or a key; then none of this call is
    /// written.
    fn load(&self, documents: Vec<Located>) -> BoxFuture<'_, Result<u32, StorageError>>;

    /// System: answers when the database does.
    fn ping(&self) -> BoxFuture<'_, Result<(), StorageError>>;

    /// System: how many background writes at once share commits and leave requests their turn.
    fn side_by_side(&self) -> usize {
        8
    }

    /// System: gives back the memory that is only held to be quicker, as the process has come to rest. `tidy` is called
    /// on each thread of the storage's own.
    fn rest(&self, tidy: fn()) -> BoxFuture<'_, ()> {
        let _ = tidy;
        Box::pin(async {})
    }

    /// System: waits for writes under way and closes; later calls answer `Unavailable`.
    fn close(&self) -> BoxFuture<'_, ()>;
}
