//! The storage port on single-document operations only, as MongoDB and its relatives have to do it.
//!
//! One collection per kind with a unique multikey index: `partition|kind|id|…` is the first element,
//! `partition|kind|key|…` the others. Effects live inside the document and move with it; a delete leaves a
//! tombstone, free of keys, until they are drained. Positions come from one counter document that also knows
//! which positions are reserved but not yet written: the feed reads only below those, so nobody who follows it
//! by position ever passes over an effect that becomes visible late.

use super::INVALIDATIONS_KEPT_SECONDS;
use super::collection::{Collection, Entry, Held, Written, breathe, id_name, key_name, names, prefix};
use super::select::select;
use crate::storage::{DocumentPage, Extent, Located, Place};
use crate::{
    BoxFuture, Document, Effect, KindSpec, Partition, Position, Query, Revision, Settlement, Storage,
    StorageError, StoredEffect, Timestamp, Topic,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Documents in memory, kept the way a document database keeps them; gone with the process.
#[derive(Default)]
pub struct DocumentStorage {
    collections: Mutex<BTreeMap<&'static str, Arc<Collection>>>,
    versions: Mutex<BTreeMap<&'static str, u32>>,
    positions: Mutex<Positions>,
    under_way: AtomicUsize,
    closed: AtomicBool,
}

/// The counter document.
#[derive(Default)]
struct Positions {
    last: u64,
    reserved: BTreeSet<u64>,
}

/// Positions that a write is about to use; given back when the write is over, however it ends.
struct Reservation<'a> {
    positions: &'a Mutex<Positions>,
    range: std::ops::RangeInclusive<u64>,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut positions = lock(self.positions);
        positions.reserved.retain(|position| !self.range.contains(position));
    }
}

/// Counts an operation under way, so that closing can wait for it.
struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_old(held: &Held, now: Timestamp) -> bool {
    held.stored.effect.topic == Topic::Invalidation
        && now.seconds_since(held.committed_at) >= INVALIDATIONS_KEPT_SECONDS
}

/// The entry that follows `old` under its id: with this document or none, with the effects it still owes.
fn following(old: &Entry, document: Option<&Document>, fresh: &[Held], now: Timestamp) -> Entry {
    let mut entry = old.clone();
    entry.effects.retain(|held| !is_old(held, now));
    entry.effects.extend_from_slice(fresh);
    match document {
        Some(document) => entry.names = names(&old.partition, document),
        None => entry.names.truncate(1),
    }
    entry.document = document.cloned();
    entry
}

/// Writes what follows `old`; nothing at all is kept when it would be a tombstone that owes no effects.
async fn succeed(collection: &Collection, old: &Entry, new: Entry) -> Written {
    if new.document.is_some() || !new.effects.is_empty() {
        return collection.write(new, Some(old.seq)).await;
    }
    if collection.remove(old).await { Written::Done } else { Written::Lost }
}

/// Makes room for a document's keys by burying expired holders.
async fn free_keys(
    collection: &Collection,
    partition: &Partition,
    document: &Document,
    now: Timestamp,
) -> Result<(), StorageError> {
    let own = id_name(partition, document.kind, &document.id);
    for key in &document.keys {
        let holder = collection.find(&key_name(partition, document.kind, key)).await;
        let Some(holder) = holder.filter(|h| h.own_name() != own) else { continue };
        if holder.live(now).is_some() {
            return Err(StorageError::KeyTaken { key: key.clone() });
        }
        // If somebody was faster, the caller's next attempt meets the new holder.
        succeed(collection, &holder, following(&holder, None, &[], now)).await;
    }
    Ok(())
}

impl DocumentStorage {
    /// An empty storage.
    pub fn new() -> Self {
        Self::default()
    }

    fn enter(&self) -> Result<UnderWay<'_>, StorageError> {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        let under_way = UnderWay(&self.under_way);
        if self.closed.load(Ordering::SeqCst) {
            return Err(StorageError::Unavailable("closed".into()));
        }
        Ok(under_way)
    }

    pub(super) fn collection(&self, kind: &'static str) -> Arc<Collection> {
        lock(&self.collections).entry(kind).or_default().clone()
    }

    fn collections(&self) -> Vec<Arc<Collection>> {
        lock(&self.collections).values().cloned().collect()
    }

    /// The newest position below which everything that will ever be visible is visible.
    fn head(&self) -> Position {
        let positions = lock(&self.positions);
        Position(positions.reserved.first().map_or(positions.last, |first| first - 1))
    }

    fn reserve(
        &self,
        partition: &Partition,
        effects: Vec<Effect>,
        now: Timestamp,
    ) -> (Vec<Held>, Reservation<'_>) {
        let mut positions = lock(&self.positions);
        let first = positions.last + 1;
        positions.last += effects.len() as u64;
        let range = first..=positions.last;
        positions.reserved.extend(range.clone());
        let held = range.clone().zip(effects).map(|(position, effect)| {
            let (position, partition) = (Position(position), partition.as_str().to_owned());
            Held { stored: StoredEffect { position, partition, effect, attempts: 0 }, committed_at: now }
        });
        (held.collect(), Reservation { positions: &self.positions, range })
    }

    async fn effects(&self, wanted: impl Fn(&StoredEffect) -> bool) -> Vec<StoredEffect> {
        let mut found = Vec::new();
        for collection in self.collections() {
            let entries =
                collection.scan("", |e| e.effects.iter().any(|h| wanted(&h.stored)), usize::MAX).await;
            let effects = entries.into_iter().flat_map(|e| e.effects).map(|h| h.stored);
            found.extend(effects.filter(|e| wanted(e)));
        }
        found
    }

    async fn settle(&self, position: Position, settlement: Settlement) {
        // The feed is kept for its time whatever is drained.
        let settles =
            |h: &Held| h.stored.position == position && h.stored.effect.topic != Topic::Invalidation;
        for collection in self.collections() {
            while let Some(old) = collection.scan("", |e| e.effects.iter().any(settles), 1).await.pop() {
                let mut new = old.clone();
                match settlement {
                    Settlement::Done => new.effects.retain(|held| !settles(held)),
                    Settlement::RetryAt(at) => {
                        for held in new.effects.iter_mut().filter(|held| settles(held)) {
                            held.stored.effect.due_at = at;
                            held.stored.attempts += 1;
                        }
                    }
                }
                if succeed(&collection, &old, new).await == Written::Done {
                    return;
                }
            }
        }
    }

    /// Buries an entry's document, however often others change it meanwhile.
    async fn bury(&self, collection: &Collection, mut entry: Entry) {
        loop {
            // An operation without a clock can't tell that an invalidation is old; the next purge will.
            let tombstone = following(&entry, None, &[], Timestamp::default());
            if succeed(collection, &entry, tombstone).await == Written::Done {
                return;
            }
            match collection.find(entry.own_name()).await {
                Some(found) if found.document.is_some() => entry = found,
                _ => return,
            }
        }
    }
}

impl Storage for DocumentStorage {
    fn prepare<'a>(&'a self, kinds: &'a [KindSpec]) -> BoxFuture<'a, Result<(), StorageError>> {
        Box::pin(async move {
            let _open = self.enter()?;
            let mut versions = lock(&self.versions);
            for KindSpec { kind, version: known } in kinds.iter().copied() {
                match versions.get(kind).copied() {
                    Some(found) if found > known => {
                        return Err(StorageError::NewerSchema { what: kind.to_owned(), found, known });
                    }
                    _ => {}
                }
            }
            versions.extend(kinds.iter().map(|spec| (spec.kind, spec.version)));
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
        Box::pin(async move {
            let _open = self.enter()?;
            let collection = self.collection(document.kind);
            let (fresh, _reservation) = self.reserve(partition, effects, now);
            let names = names(partition, &document);
            let own = id_name(partition, document.kind, &document.id);
            loop {
                let old = collection.find(&own).await;
                match old.as_ref().and_then(|e| e.live(now)) {
                    Some(live) if live.revision == document.revision => return Ok(()),
                    Some(_) => return Err(StorageError::Exists),
                    None => {}
                }
                let new = match &old {
                    Some(dead) => following(dead, Some(&document), &fresh, now),
                    None => Entry {
                        seq: 0,
                        names: names.clone(),
                        partition: partition.clone(),
                        document: Some(document.clone()),
                        effects: fresh.clone(),
                    },
                };
                match collection.write(new, old.map(|e| e.seq)).await {
                    Written::Done => return Ok(()),
                    Written::Lost => {}
                    Written::Duplicate => free_keys(&collection, partition, &document, now).await?,
                }
            }
        })
    }

    fn get<'a>(
        &'a self,
        partition: &'a Partition,
        kind: &'static str,
        id: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Document>, StorageError>> {
        Box::pin(async move {
            let _open = self.enter()?;
            let found = self.collection(kind).find(&id_name(partition, kind, id)).await;
            Ok(found.and_then(|e| e.live(now).cloned()))
        })
    }

    fn find<'a>(
        &'a self,
        partition: &'a Partition,
        kind: &'static str,
        key: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Document>, StorageError>> {
        Box::pin(async move {
            let _open = self.enter()?;
            let found = self.collection(kind).find(&key_name(partition, kind, key)).await;
            Ok(found.and_then(|e| e.live(now).cloned()))
        })
    }

    fn replace<'a>(
        &'a self,
        partition: &'a Partition,
        document: Document,
        expected: Revision,
        effects: Vec<Effect>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StorageError>> {
        Box::pin(async move {
            let _open = self.enter()?;
            let collection = self.collection(document.kind);
            let (fresh, _reservation) = self.reserve(partition, effects, now);
            let own = id_name(partition, document.kind, &document.id);
            loop {
                let old = collection.find(&own).await.ok_or(StorageError::Conflict)?;
                match old.live(now) {
                    Some(live) if live.revision == document.revision => return Ok(()),
                    Some(live) if live.revision == expected => {}
                    _ => return Err(StorageError::Conflict),
                }
                match collection.write(following(&old, Some(&document), &fresh, now), Some(old.seq)).await {
                    Written::Done => return Ok(()),
                    Written::Lost => {}
                    Written::Duplicate => free_keys(&collection, partition, &document, now).await?,
                }
            }
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
    ) -> BoxFuture<'a, Result<(), StorageError>> {
        Box::pin(async move {
            let _open = self.enter()?;
            let collection = self.collection(kind);
            let (fresh, _reservation) = self.reserve(partition, effects, now);
            loop {
                let old =
                    collection.find(&id_name(partition, kind, id)).await.ok_or(StorageError::Conflict)?;
                if old.live(now).is_none_or(|live| live.revision != expected) {
                    return Err(StorageError::Conflict);
                }
                if succeed(&collection, &old, following(&old, None, &fresh, now)).await == Written::Done {
                    return Ok(());
                }
            }
        })
    }

    fn query<'a>(
        &'a self,
        partition: &'a Partition,
        query: Query,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<DocumentPage, StorageError>> {
        Box::pin(async move {
            let _open = self.enter()?;
            let prefix = prefix(partition, query.kind);
            let entries =
                self.collection(query.kind).scan(&prefix, |e| e.live(now).is_some(), usize::MAX).await;
            Ok(select(entries.iter().filter_map(|e| e.document.as_ref()), &query, now))
        })
    }

    fn drop_partition<'a>(
        &'a self,
        partition: &'a Partition,
        limit: u32,
    ) -> BoxFuture<'a, Result<u32, StorageError>> {
        Box::pin(async move {
            let _open = self.enter()?;
            let mut dropped = 0;
            for collection in self.collections() {
                let theirs = |e: &Entry| e.partition == *partition && e.document.is_some();
                for entry in collection.scan("", theirs, (limit - dropped) as usize).await {
                    self.bury(&collection, entry).await;
                    dropped += 1;
                }
            }
            Ok(dropped)
        })
    }

    fn effects_due(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<StoredEffect>, StorageError>> {
        Box::pin(async move {
            let _open = self.enter()?;
            let is_due = |e: &StoredEffect| e.effect.topic != Topic::Invalidation && e.effect.due_at <= now;
            let mut due = self.effects(is_due).await;
            due.sort_by_key(|e| (e.effect.due_at, e.position));
            due.truncate(limit as usize);
            Ok(due)
        })
    }

    fn effects_settle<'a>(
        &'a self,
        settlements: &'a [(Position, Settlement)],
    ) -> BoxFuture<'a, Result<(), StorageError>> {
        Box::pin(async move {
            let _open = self.enter()?;
            for (position, settlement) in settlements {
                self.settle(*position, *settlement).await;
            }
            Ok(())
        })
    }

    fn effects_since(
        &self,
        after: Position,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<StoredEffect>, StorageError>> {
        Box::pin(async move {
            let _open = self.enter()?;
            // Asked before the entries are read: what it covers is then visible to the scan.
            let head = self.head();
            let in_feed = |e: &StoredEffect| {
                e.effect.topic == Topic::Invalidation && e.position > after && e.position <= head
            };
            let mut feed = self.effects(in_feed).await;
            feed.sort_by_key(|e| e.position);
            feed.truncate(limit as usize);
            Ok(feed)
        })
    }

    fn effects_head(&self) -> BoxFuture<'_, Result<Position, StorageError>> {
        Box::pin(async move {
            let _open = self.enter()?;
            Ok(self.head())
        })
    }

    fn purge_expired(&self, now: Timestamp, limit: u32) -> BoxFuture<'_, Result<u32, StorageError>> {
        Box::pin(async move {
            let _open = self.enter()?;
            let mut purged = 0;
            for collection in self.collections() {
                let expired = |e: &Entry| e.document.as_ref().is_some_and(|d| !d.is_live(now));
                let dead = |e: &Entry| expired(e) || e.effects.iter().any(|h| is_old(h, now));
                for old in collection.scan("", dead, (limit - purged) as usize).await {
                    let document = old.live(now);
                    if succeed(&collection, &old, following(&old, document, &[], now)).await == Written::Done
                    {
                        purged += 1;
                    }
                }
            }
            Ok(purged)
        })
    }

    fn scan(
        &self,
        kind: &'static str,
        after: Option<Place>,
        limit: u32,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<Located>, StorageError>> {
        Box::pin(async move {
            let _open = self.enter()?;
            Ok(self.page(kind, after, limit as usize, now).await)
        })
    }

    fn snapshot(&self, extent: Extent, now: Timestamp) -> BoxFuture<'_, Result<Vec<Located>, StorageError>> {
        Box::pin(async move {
            let _open = self.enter()?;
            Ok(self.moment(&extent, now))
        })
    }

    fn load(&self, documents: Vec<Located>) -> BoxFuture<'_, Result<u32, StorageError>> {
        Box::pin(async move {
            let _open = self.enter()?;
            self.fill(documents).await
        })
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move { self.enter().map(drop) })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.closed.store(true, Ordering::SeqCst);
            while self.under_way.load(Ordering::SeqCst) > 0 {
                breathe().await;
            }
        })
    }
}
