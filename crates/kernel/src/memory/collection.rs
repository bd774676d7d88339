//! What a document database offers at the least: single-document operations and a unique multikey index.
//!
//! Each operation touches one entry, atomically, and lets other tasks run before it starts. There is
//! deliberately nothing here to change two entries at once, nor to hold a lock across two calls.

use crate::{Document, Partition, StoredEffect, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

/// No partition's or kind's name has a bar in it, so the parts can't be confused.
pub(super) fn prefix(partition: &Partition, kind: &str) -> String {
    format!("{}|{kind}|id|", partition.as_str())
}

pub(super) fn id_name(partition: &Partition, kind: &str, id: &str) -> String {
    format!("{}|{kind}|id|{id}", partition.as_str())
}

pub(super) fn key_name(partition: &Partition, kind: &str, key: &str) -> String {
    format!("{}|{kind}|key|{key}", partition.as_str())
}

pub(super) fn names(partition: &Partition, document: &Document) -> Vec<String> {
    let own = id_name(partition, document.kind, &document.id);
    let keys = document.keys.iter().map(|key| key_name(partition, document.kind, key));
    std::iter::once(own).chain(keys).collect()
}

/// An effect inside the document whose write caused it.
#[derive(Clone)]
pub(super) struct Held {
    pub stored: StoredEffect,
    pub committed_at: Timestamp,
}

/// What one kind's collection keeps under one id.
#[derive(Clone)]
pub(super) struct Entry {
    /// Set anew by every write of the entry: what a compare-and-swap compares.
    pub seq: u64,
    /// The elements of the unique index; the first is the record's own id.
    pub names: Vec<String>,
    pub partition: Partition,
    /// None: a tombstone, kept until its effects are drained.
    pub document: Option<Document>,
    pub effects: Vec<Held>,
}

impl Entry {
    pub fn live(&self, now: Timestamp) -> Option<&Document> {
        self.document.as_ref().filter(|d| d.is_live(now))
    }

    /// The element of the unique index for the entry's own id.
    pub fn own_name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Done,
    /// The entry isn't as expected any more.
    Lost,
    /// Another entry has one of the names.
    Duplicate,
}

#[derive(Default)]
pub(super) struct Entries {
    by_id: BTreeMap<String, Entry>,
    /// The unique index: which entry has a name.
    owners: HashMap<String, String>,
    writes: u64,
}

/// The documents of one kind, of all partitions.
#[derive(Default)]
pub(super) struct Collection(Mutex<Entries>);

/// Lets other tasks run, as waiting for a database would.
pub(super) async fn breathe() {
    let mut waited = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Entries {
    /// The entries of a partition.
    pub(super) fn of(&self, partition: &str) -> Vec<Entry> {
        self.by_id.values().filter(|entry| entry.partition.as_str() == partition).cloned().collect()
    }
}

impl Collection {
    /// Holds everybody off, to read more than one collection at one moment.
    pub(super) fn hold(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn entries(&self) -> MutexGuard<'_, Entries> {
        breathe().await;
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the entry that has this name.
    pub async fn find(&self, name: &str) -> Option<Entry> {
        let entries = self.entries().await;
        entries.by_id.get(entries.owners.get(name)?).cloned()
    }

    /// Reads entries whose own name starts with the prefix, each as it was at one moment.
    pub async fn scan(&self, prefix: &str, wanted: impl Fn(&Entry) -> bool, limit: usize) -> Vec<Entry> {
        let entries = self.entries().await;
        let range = entries.by_id.range(prefix.to_owned()..).take_while(|(name, _)| name.starts_with(prefix));
        range.map(|(_, entry)| entry).filter(|entry| wanted(entry)).take(limit).cloned().collect()
    }

    /// Compare-and-swap of one entry; `expected` is the `seq` that was read, none for an insert.
    pub async fn write(&self, mut entry: Entry, expected: Option<u64>) -> Written {
        let mut entries = self.entries().await;
        let own = entry.own_name().to_owned();
        if entries.by_id.get(&own).map(|e| e.seq) != expected {
            return Written::Lost;
        }
        if entry.names.iter().any(|name| entries.owners.get(name).is_some_and(|owner| *owner != own)) {
            return Written::Duplicate;
        }
        entries.forget(&own);
        entries.writes += 1;
        entry.seq = entries.writes;
        for name in &entry.names {
            entries.owners.insert(name.clone(), own.clone());
        }
        entries.by_id.insert(own, entry);
        Written::Done
    }

    /// Removes one entry if it is still the one that was read; answers whether it was.
    pub async fn remove(&self, entry: &Entry) -> bool {
        let mut entries = self.entries().await;
        let same = entries.by_id.get(entry.own_name()).is_some_and(|e| e.seq == entry.seq);
        if same {
            entries.forget(entry.own_name());
        }
        same
    }
}

impl Entries {
    fn forget(&mut self, own: &str) {
        for name in self.by_id.remove(own).iter().flat_map(|e| &e.names) {
            self.owners.remove(name);
        }
    }
}
