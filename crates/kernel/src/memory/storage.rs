//! The storage port on plain maps behind one lock: each operation is one critical section.

use super::INVALIDATIONS_KEPT_SECONDS;
use super::select::select;
use crate::storage::{DocumentPage, Extent, Located, Place};
use crate::{
    BoxFuture, Document, Effect, KindSpec, Partition, Position, Query, Revision, Settlement, Storage,
    StorageError, StoredEffect, Timestamp, Topic,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Documents in memory; gone with the process.
#[derive(Default)]
pub struct MemoryStorage(Mutex<State>);

#[derive(Default)]
pub(super) struct State {
    versions: HashMap<&'static str, u32>,
    pub(super) tables: HashMap<(Partition, &'static str), Table>,
    effects: BTreeMap<Position, Held>,
    head: Position,
    closed: bool,
}

/// The documents of one kind in one partition.
#[derive(Default)]
pub(super) struct Table {
    pub(super) documents: BTreeMap<String, Document>,
    /// Which id holds a key.
    pub(super) holders: HashMap<String, String>,
}

struct Held {
    stored: StoredEffect,
    committed_at: Timestamp,
}

impl Table {
    pub(super) fn live(&self, id: &str, now: Timestamp) -> Option<&Document> {
        self.documents.get(id).filter(|d| d.is_live(now))
    }

    fn find(&self, key: &str, now: Timestamp) -> Option<&Document> {
        self.live(self.holders.get(key)?, now)
    }

    fn keys_are_free(&self, document: &Document, now: Timestamp) -> Result<(), StorageError> {
        let taken = |key: &&String| self.find(key, now).is_some_and(|holder| holder.id != document.id);
        match document.keys.iter().find(taken) {
            Some(key) => Err(StorageError::KeyTaken { key: key.clone() }),
            None => Ok(()),
        }
    }

    /// Stores a document in place of its predecessor and of the expired holders of its keys.
    pub(super) fn put(&mut self, document: Document) {
        self.remove(&document.id);
        for key in &document.keys {
            if let Some(expired) = self.holders.get(key).cloned() {
                self.remove(&expired);
            }
            self.holders.insert(key.clone(), document.id.clone());
        }
        self.documents.insert(document.id.clone(), document);
    }

    pub(super) fn remove(&mut self, id: &str) {
        for key in self.documents.remove(id).iter().flat_map(|d| &d.keys) {
            self.holders.remove(key);
        }
    }
}

impl State {
    pub(super) fn table(&mut self, partition: &Partition, kind: &'static str) -> &mut Table {
        self.tables.entry((partition.clone(), kind)).or_default()
    }

    fn commit(&mut self, partition: &Partition, effects: Vec<Effect>, now: Timestamp) {
        for effect in effects {
            self.head = Position(self.head.0 + 1);
            let partition = partition.as_str().to_owned();
            let stored = StoredEffect { position: self.head, partition, effect, attempts: 0 };
            self.effects.insert(self.head, Held { stored, committed_at: now });
        }
    }

    fn prepare(&mut self, kinds: &[KindSpec]) -> Result<(), StorageError> {
        for spec in kinds {
            let found = self.versions.get(spec.kind).copied().unwrap_or(0);
            if found > spec.version {
                let what = spec.kind.to_owned();
                return Err(StorageError::NewerSchema { what, found, known: spec.version });
            }
        }
        self.versions.extend(kinds.iter().map(|spec| (spec.kind, spec.version)));
        Ok(())
    }

    fn settle(&mut self, position: Position, settlement: Settlement) {
        let Some(held) = self.effects.get_mut(&position) else { return };
        match settlement {
            // The feed is kept for its time whatever is drained.
            _ if held.stored.effect.topic == Topic::Invalidation => {}
            Settlement::Done => {
                self.effects.remove(&position);
            }
            Settlement::RetryAt(at) => {
                held.stored.effect.due_at = at;
                held.stored.attempts += 1;
            }
        }
    }

    fn due(&self, now: Timestamp, limit: u32) -> Vec<StoredEffect> {
        let due = |e: &&StoredEffect| e.effect.topic != Topic::Invalidation && e.effect.due_at <= now;
        let mut effects: Vec<&StoredEffect> = self.effects.values().map(|h| &h.stored).filter(due).collect();
        // By due time, so that what keeps failing goes behind what hasn't been tried.
        effects.sort_by_key(|e| (e.effect.due_at, e.position));
        effects.into_iter().take(limit as usize).cloned().collect()
    }

    fn drop_partition(&mut self, partition: &Partition, limit: u32) -> u32 {
        let mut left = limit;
        for (_, table) in self.tables.iter_mut().filter(|((owner, _), _)| owner == partition) {
            let ids: Vec<String> = table.documents.keys().take(left as usize).cloned().collect();
            left -= u32::try_from(ids.len()).unwrap_or(left);
            ids.iter().for_each(|id| table.remove(id));
        }
        self.tables.retain(|_, table| !table.documents.is_empty());
        limit - left
    }

    fn purge(&mut self, now: Timestamp, limit: u32) -> u32 {
        let mut left = limit;
        for table in self.tables.values_mut() {
            let expired = table.documents.values().filter(|d| !d.is_live(now)).take(left as usize);
            let ids: Vec<String> = expired.map(|d| d.id.clone()).collect();
            left -= u32::try_from(ids.len()).unwrap_or(left);
            ids.iter().for_each(|id| table.remove(id));
        }
        let old = |held: &Held| {
            held.stored.effect.topic == Topic::Invalidation
                && now.seconds_since(held.committed_at) >= INVALIDATIONS_KEPT_SECONDS
        };
        let positions: Vec<Position> =
            self.effects.iter().filter(|(_, held)| old(held)).map(|(p, _)| *p).take(left as usize).collect();
        left -= u32::try_from(positions.len()).unwrap_or(left);
        positions.iter().for_each(|position| drop(self.effects.remove(position)));
        limit - left
    }
}

impl MemoryStorage {
    /// An empty storage.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> Result<MutexGuard<'_, State>, StorageError> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed { Err(StorageError::Unavailable("closed".into())) } else { Ok(state) }
    }
}

impl Storage for MemoryStorage {
    fn prepare<'a>(&'a self, kinds: &'a [KindSpec]) -> BoxFuture<'a, Result<(), StorageError>> {
        Box::pin(async move { self.lock()?.prepare(kinds) })
    }

    fn insert<'a>(
        &'a self,
        partition: &'a Partition,
        document: Document,
        effects: Vec<Effect>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StorageError>> {
        Box::pin(async move {
            let mut state = self.lock()?;
            let table = state.table(partition, document.kind);
            match table.live(&document.id, now) {
                Some(own) if own.revision == document.revision => return Ok(()),
                Some(_) => return Err(StorageError::Exists),
                None => {}
            }
            table.keys_are_free(&document, now)?;
            table.put(document);
            state.commit(partition, effects, now);
            Ok(())
        })
    }

    fn get<'a>(
        &'a self,
        partition: &'a Partition,
        kind: &'static str,
        id: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Document>, StorageError>> {
        Box::pin(async move { Ok(self.lock()?.table(partition, kind).live(id, now).cloned()) })
    }

    fn find<'a>(
        &'a self,
        partition: &'a Partition,
        kind: &'static str,
        key: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Document>, StorageError>> {
        Box::pin(async move { Ok(self.lock()?.table(partition, kind).find(key, now).cloned()) })
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
            let mut state = self.lock()?;
            let table = state.table(partition, document.kind);
            match table.live(&document.id, now) {
                Some(own) if own.revision == document.revision => return Ok(()),
                Some(old) if old.revision == expected => {}
                _ => return Err(StorageError::Conflict),
            }
            table.keys_are_free(&document, now)?;
            table.put(document);
            state.commit(partition, effects, now);
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
    ) -> BoxFuture<'a, Result<(), StorageError>> {
        Box::pin(async move {
            let mut state = self.lock()?;
            let table = state.table(partition, kind);
            if table.live(id, now).is_none_or(|old| old.revision != expected) {
                return Err(StorageError::Conflict);
            }
            table.remove(id);
            state.commit(partition, effects, now);
            Ok(())
        })
    }

    fn query<'a>(
        &'a self,
        partition: &'a Partition,
        query: Query,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<DocumentPage, StorageError>> {
        Box::pin(async move {
            Ok(select(self.lock()?.table(partition, query.kind).documents.values(), &query, now))
        })
    }

    fn drop_partition<'a>(
        &'a self,
        partition: &'a Partition,
        limit: u32,
    ) -> BoxFuture<'a, Result<u32, StorageError>> {
        Box::pin(async move { Ok(self.lock()?.drop_partition(partition, limit)) })
    }

    fn effects_due(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<StoredEffect>, StorageError>> {
        Box::pin(async move { Ok(self.lock()?.due(now, limit)) })
    }

    fn effects_settle<'a>(
        &'a self,
        settlements: &'a [(Position, Settlement)],
    ) -> BoxFuture<'a, Result<(), StorageError>> {
        Box::pin(async move {
            let mut state = self.lock()?;
            settlements.iter().for_each(|(position, settlement)| state.settle(*position, *settlement));
            Ok(())
        })
    }

    fn effects_since(
        &self,
        after: Position,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<StoredEffect>, StorageError>> {
        Box::pin(async move {
            let state = self.lock()?;
            let newer =
                state.effects.range(Position(after.0.saturating_add(1))..).map(|(_, held)| &held.stored);
            let feed = newer.filter(|e| e.effect.topic == Topic::Invalidation);
            Ok(feed.take(limit as usize).cloned().collect())
        })
    }

    fn effects_head(&self) -> BoxFuture<'_, Result<Position, StorageError>> {
        Box::pin(async move { Ok(self.lock()?.head) })
    }

    fn purge_expired(&self, now: Timestamp, limit: u32) -> BoxFuture<'_, Result<u32, StorageError>> {
        Box::pin(async move { Ok(self.lock()?.purge(now, limit)) })
    }

    fn scan(
        &self,
        kind: &'static str,
        after: Option<Place>,
        limit: u32,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<Located>, StorageError>> {
        Box::pin(async move { Ok(self.lock()?.scan(kind, after.as_ref(), limit, now)) })
    }

    fn snapshot(&self, extent: Extent, now: Timestamp) -> BoxFuture<'_, Result<Vec<Located>, StorageError>> {
        Box::pin(async move { Ok(self.lock()?.snapshot(&extent, now)) })
    }

    fn load(&self, documents: Vec<Located>) -> BoxFuture<'_, Result<u32, StorageError>> {
        Box::pin(async move { self.lock()?.load(documents) })
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move { self.lock().map(drop) })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move { self.0.lock().unwrap_or_else(PoisonError::into_inner).closed = true })
    }
}
