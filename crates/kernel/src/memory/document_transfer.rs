//! Moving whole installations into and out of [`DocumentStorage`].
//!
//! Nobody serves from an installation that is being filled, so that looking first and writing then is enough to write
//! all or nothing; should somebody write meanwhile nevertheless, what was written is taken back.

use super::DocumentStorage;
use super::collection::{Entry, Written, names};
use crate::{Document, Extent, Located, Partition, Place, StorageError, Timestamp};
use std::collections::{BTreeMap, HashSet};

impl DocumentStorage {
    pub(super) async fn page(
        &self,
        kind: &'static str,
        after: Option<Place>,
        limit: usize,
        now: Timestamp,
    ) -> Vec<Located> {
        let entries = self.collection(kind).scan("", |e| e.live(now).is_some(), usize::MAX).await;
        let located = entries.into_iter().filter_map(|entry| {
            Some(Located { partition: entry.partition.as_str().to_owned(), document: entry.document? })
        });
        let mut found: Vec<Located> =
            located.filter(|l| after.as_ref().is_none_or(|after| place(l) > *after)).collect();
        // The index orders by partition and a bar, which isn't the order of partitions.
        found.sort_by_cached_key(place);
        found.truncate(limit);
        found
    }

    /// All collections at one moment, as a database gives them that reads from a snapshot (`readConcern: snapshot`).
    pub(super) fn moment(&self, extent: &Extent, now: Timestamp) -> Vec<Located> {
        let mut kinds: Vec<&'static str> = extent.kinds.clone();
        kinds.extend(extent.beside.iter().map(|(kind, _)| *kind));
        kinds.sort_unstable();
        kinds.dedup();
        let collections: Vec<_> = kinds.iter().map(|kind| (*kind, self.collection(kind))).collect();
        let held: BTreeMap<_, _> = collections.iter().map(|(kind, c)| (*kind, c.hold())).collect();
        let mut found = Vec::new();
        for kind in &extent.kinds {
            let all = held.get(kind).map(|entries| entries.of(&extent.partition)).unwrap_or_default();
            let mut live: Vec<Document> = all.iter().filter_map(|e| e.live(now).cloned()).collect();
            live.sort_by(|a, b| a.id.cmp(&b.id));
            found.extend(
                live.into_iter().map(|d| Located { partition: extent.partition.clone(), document: d }),
            );
        }
        for (kind, place) in &extent.beside {
            let all = held.get(kind).map(|entries| entries.of(&place.partition)).unwrap_or_default();
            let live = all.iter().filter_map(|e| e.live(now)).find(|d| d.id == place.id).cloned();
            found.extend(live.map(|d| Located { partition: place.partition.clone(), document: d }));
        }
        found
    }

    pub(super) async fn fill(&self, documents: Vec<Located>) -> Result<u32, StorageError> {
        let mut seen = HashSet::new();
        let mut fresh: Vec<Entry> = Vec::new();
        for Located { partition, document } in documents {
            let partition = Partition::from_stored(&partition);
            let names = names(&partition, &document);
            if self.is_there(&names, &document).await? {
                continue;
            }
            for (place, name) in names.iter().enumerate() {
                if !seen.insert(name.clone()) {
                    return Err(clash(place, &document));
                }
            }
            fresh.push(Entry { seq: 0, names, partition, document: Some(document), effects: Vec::new() });
        }
        for (place, entry) in fresh.iter().enumerate() {
            let Some(document) = &entry.document else { continue };
            let written = self.collection(document.kind).write(entry.clone(), None).await;
            if written != Written::Done {
                self.take_back(fresh.get(..place).unwrap_or_default()).await;
                return Err(StorageError::Exists);
            }
        }
        Ok(u32::try_from(fresh.len()).unwrap_or(u32::MAX))
    }

    /// Whether the document is there in this revision; another one under its id or keys is a clash.
    async fn is_there(&self, names: &[String], document: &Document) -> Result<bool, StorageError> {
        let collection = self.collection(document.kind);
        for (place, name) in names.iter().enumerate() {
            if let Some(found) = collection.find(name).await {
                let same = found.document.as_ref().is_some_and(|d| d.revision == document.revision);
                return if place == 0 && same { Ok(true) } else { Err(clash(place, document)) };
            }
        }
        Ok(false)
    }

    async fn take_back(&self, entries: &[Entry]) {
        for entry in entries {
            let Some(document) = &entry.document else { continue };
            let collection = self.collection(document.kind);
            if let Some(found) = collection.find(entry.own_name()).await {
                collection.remove(&found).await;
            }
        }
    }
}

fn place(located: &Located) -> Place {
    Place { partition: located.partition.clone(), id: located.document.id.clone() }
}

/// The refusal when the name at this place of the index is somebody else's: the id is the first, keys follow.
fn clash(place: usize, document: &Document) -> StorageError {
    match place.checked_sub(1).and_then(|key| document.keys.get(key)) {
        Some(key) => StorageError::KeyTaken { key: key.clone() },
        None => StorageError::Exists,
    }
}
