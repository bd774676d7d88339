//! A storage that is cut off after so many writes, or writes something else than it was told.

use kernel::storage::DocumentPage;
use kernel::{
    BoxFuture, Document, Effect, Extent, KindSpec, Located, Partition, Place, Position, Query, Revision,
    Settlement, Storage, StorageError, StoredEffect, Timestamp,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// What a storage does to documents that are loaded.
pub(super) type Tamper = fn(&mut Vec<Located>);

/// A storage on top of another.
pub(super) struct Faulty {
    inner: Arc<dyn Storage>,
    /// How many writes it still does.
    left: AtomicI64,
    /// Whether the last write it does is done, and the word of it lost.
    loses: bool,
    tamper: Tamper,
}

impl Faulty {
    /// Cut off after this many writes.
    pub(super) fn after(writes: i64, inner: &Arc<dyn Storage>) -> Arc<Self> {
        Arc::new(Self { inner: inner.clone(), left: AtomicI64::new(writes), loses: false, tamper: |_| () })
    }

    /// Cut off after this many writes, of the last of which nobody hears.
    pub(super) fn losing(writes: i64, inner: &Arc<dyn Storage>) -> Arc<Self> {
        Arc::new(Self { inner: inner.clone(), left: AtomicI64::new(writes), loses: true, tamper: |_| () })
    }

    /// Never cut off, but dishonest.
    pub(super) fn tampering(tamper: Tamper, inner: &Arc<dyn Storage>) -> Arc<Self> {
        Arc::new(Self { inner: inner.clone(), left: AtomicI64::new(i64::MAX), loses: false, tamper })
    }

    fn spend(&self) -> Result<(), StorageError> {
        let is_left = self.left.fetch_sub(1, Ordering::SeqCst) > 0;
        if is_left { Ok(()) } else { Err(StorageError::Unavailable("cut off".to_owned())) }
    }
}

type Answer<'a, T> = BoxFuture<'a, Result<T, StorageError>>;

impl Storage for Faulty {
    fn prepare<'a>(&'a self, kinds: &'a [KindSpec]) -> Answer<'a, ()> {
        self.inner.prepare(kinds)
    }

    fn insert<'a>(
        &'a self,
        partition: &'a Partition,
        document: Document,
        effects: Vec<Effect>,
        now: Timestamp,
    ) -> Answer<'a, ()> {
        Box::pin(async move {
            self.spend()?;
            self.inner.insert(partition, document, effects, now).await
        })
    }

    fn get<'a>(
        &'a self,
        partition: &'a Partition,
        kind: &'static str,
        id: &'a str,
        now: Timestamp,
    ) -> Answer<'a, Option<Document>> {
        self.inner.get(partition, kind, id, now)
    }

    fn find<'a>(
        &'a self,
        partition: &'a Partition,
        kind: &'static str,
        key: &'a str,
        now: Timestamp,
    ) -> Answer<'a, Option<Document>> {
        self.inner.find(partition, kind, key, now)
    }

    fn replace<'a>(
        &'a self,
        partition: &'a Partition,
        document: Document,
        expected: Revision,
        effects: Vec<Effect>,
        now: Timestamp,
    ) -> Answer<'a, ()> {
        Box::pin(async move {
            self.spend()?;
            self.inner.replace(partition, document, expected, effects, now).await?;
            if self.loses && self.left.load(Ordering::SeqCst) == 0 {
                return Err(StorageError::Unavailable("the answer was lost".to_owned()));
            }
            Ok(())
        })
    }

    fn delete<'a>(
        &'a self,
        partition: &'a Partition,
        kind: &'static str,
        id: &'a str,
        expected: Revision,
        effects: Vec<Effect>,
        now: Timestamp,
    ) -> Answer<'a, ()> {
        Box::pin(async move {
            self.spend()?;
            self.inner.delete(partition, kind, id, expected, effects, now).await
        })
    }

    fn query<'a>(
        &'a self,
        partition: &'a Partition,
        query: Query,
        now: Timestamp,
    ) -> Answer<'a, DocumentPage> {
        self.inner.query(partition, query, now)
    }

    fn drop_partition<'a>(&'a self, partition: &'a Partition, limit: u32) -> Answer<'a, u32> {
        self.inner.drop_partition(partition, limit)
    }

    fn effects_due(&self, now: Timestamp, limit: u32) -> Answer<'_, Vec<StoredEffect>> {
        self.inner.effects_due(now, limit)
    }

    fn effects_settle<'a>(&'a self, settlements: &'a [(Position, Settlement)]) -> Answer<'a, ()> {
        self.inner.effects_settle(settlements)
    }

    fn effects_since(&self, after: Position, limit: u32) -> Answer<'_, Vec<StoredEffect>> {
        self.inner.effects_since(after, limit)
    }

    fn effects_head(&self) -> Answer<'_, Position> {
        self.inner.effects_head()
    }

    fn purge_expired(&self, now: Timestamp, limit: u32) -> Answer<'_, u32> {
        self.inner.purge_expired(now, limit)
    }

    fn scan(
        &self,
        kind: &'static str,
        after: Option<Place>,
        limit: u32,
        now: Timestamp,
    ) -> Answer<'_, Vec<Located>> {
        self.inner.scan(kind, after, limit, now)
    }

    fn snapshot(&self, extent: Extent, now: Timestamp) -> Answer<'_, Vec<Located>> {
        self.inner.snapshot(extent, now)
    }

    fn load(&self, mut documents: Vec<Located>) -> Answer<'_, u32> {
        Box::pin(async move {
            self.spend()?;
            (self.tamper)(&mut documents);
            self.inner.load(documents).await
        })
    }

    fn ping(&self) -> Answer<'_, ()> {
        self.inner.ping()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }
}
