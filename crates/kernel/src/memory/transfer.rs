//! Moving whole installations into and out of [`MemoryStorage`](super::MemoryStorage).

use super::storage::{State, Table};
use crate::{Document, Extent, Located, Partition, Place, StorageError, Timestamp};

impl State {
    pub(super) fn scan(
        &self,
        kind: &'static str,
        after: Option<&Place>,
        limit: u32,
        now: Timestamp,
    ) -> Vec<Located> {
        let of_kind = self.tables.iter().filter(|((_, of), _)| *of == kind);
        let mut found: Vec<(Place, &Document)> = of_kind
            .flat_map(|((partition, _), table)| table.documents.values().map(move |d| (partition, d)))
            .filter(|(_, document)| document.is_live(now))
            .map(|(partition, document)| {
                (Place { partition: partition.as_str().to_owned(), id: document.id.clone() }, document)
            })
            .filter(|(place, _)| after.is_none_or(|after| place > after))
            .collect();
        found.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let page = found.into_iter().take(limit as usize);
        page.map(|(place, document)| Located { partition: place.partition, document: document.clone() })
            .collect()
    }

    pub(super) fn snapshot(&self, extent: &Extent, now: Timestamp) -> Vec<Located> {
        let table = |partition: &str, kind| self.tables.get(&(Partition::from_stored(partition), kind));
        let inside = extent.kinds.iter().filter_map(|kind| table(&extent.partition, kind));
        let inside = inside.flat_map(|table| table.documents.values());
        let inside = inside.filter(|d| d.is_live(now)).map(|d| (&extent.partition, d));
        let beside = extent.beside.iter().filter_map(|(kind, place)| {
            let found = table(&place.partition, kind)?.live(&place.id, now)?;
            Some((&place.partition, found))
        });
        let located = |(partition, document): (&String, &Document)| Located {
            partition: partition.clone(),
            document: document.clone(),
        };
        inside.chain(beside).map(located).collect()
    }

    pub(super) fn load(&mut self, documents: Vec<Located>) -> Result<u32, StorageError> {
        let mut written: Vec<(Partition, &'static str, String)> = Vec::new();
        let mut count = 0;
        for Located { partition, document } in documents {
            let partition = Partition::from_stored(&partition);
            let table = self.table(&partition, document.kind);
            match table.has_room(&document) {
                Ok(false) => {}
                Ok(true) => {
                    written.push((partition, document.kind, document.id.clone()));
                    table.put(document);
                    count += 1;
                }
                Err(clash) => {
                    written.iter().for_each(|(partition, kind, id)| self.table(partition, kind).remove(id));
                    return Err(clash);
                }
            }
        }
        Ok(count)
    }
}

impl Table {
    /// Whether the document has to be written: not if it is there in this revision.
    fn has_room(&self, document: &Document) -> Result<bool, StorageError> {
        match self.documents.get(&document.id) {
            Some(own) if own.revision == document.revision => return Ok(false),
            Some(_) => return Err(StorageError::Exists),
            None => {}
        }
        match document.keys.iter().find(|key| self.holders.contains_key(*key)) {
            Some(key) => Err(StorageError::KeyTaken { key: key.clone() }),
            None => Ok(true),
        }
    }
}
