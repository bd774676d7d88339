//! Moving a whole installation: reading all documents of a kind, and writing documents as they are.

use super::labels::FieldNames;
use super::sqlite_change::{Change, Failure, Fields, Index};
use super::sqlite_open::unavailable;
use super::sqlite_query::Source;
use super::sqlite_statements::Statements;
use kernel::{Extent, Located, Place, StorageError, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// How many documents a snapshot reads at once.
const SNAPSHOT_PAGE: u32 = 500;

/// Live documents of a kind after a place, in every partition.
pub(super) fn scan(
    source: &Source<'_>,
    connection: &Connection,
    after: Option<&Place>,
    limit: u32,
) -> Result<Vec<Located>, StorageError> {
    // No partition's name is empty, so every place comes after this one.
    let (partition, id) = after.map_or(("", ""), |place| (place.partition.as_str(), place.id.as_str()));
    let mut statement = connection.prepare_cached(&source.statements.scan).map_err(unavailable)?;
    let mut rows =
        statement.query(params![partition, id, source.now.unix_micros(), limit]).map_err(unavailable)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(unavailable)? {
        let partition = row.get(10).map_err(unavailable)?;
        found.push(Located { partition, document: source.decode(row)? });
    }
    Ok(found)
}

/// Live documents of an extent, all from one snapshot.
pub(super) fn snapshot(
    connection: &Connection,
    extent: &Extent,
    kinds: &HashMap<&'static str, Arc<Statements>>,
    names: &FieldNames,
    now: Timestamp,
) -> Result<Vec<Located>, StorageError> {
    let transaction = connection.unchecked_transaction().map_err(unavailable)?;
    let source = |kind, partition| {
        let statements =
            kinds.get(kind).ok_or_else(|| StorageError::Unavailable(format!("no kind `{kind}`")))?;
        Ok::<_, StorageError>(Source { statements, kind, names, partition, now })
    };
    let mut found: Vec<Located> = Vec::new();
    for kind in &extent.kinds {
        let source = source(kind, "")?;
        let mut after = Place { partition: extent.partition.clone(), id: String::new() };
        loop {
            let page = scan(&source, connection, Some(&after), SNAPSHOT_PAGE)?;
            let read = page.len();
            found.extend(page.into_iter().take_while(|located| located.partition == extent.partition));
            match found.last().filter(|last| last.document.kind == *kind) {
                Some(last) if last.document.id != after.id && read == SNAPSHOT_PAGE as usize => {
                    after.id.clone_from(&last.document.id);
                }
                _ => break,
            }
        }
    }
    for (kind, place) in &extent.beside {
        let document = source(kind, &place.partition)?.get(connection, &place.id)?;
        found.extend(document.map(|document| Located { partition: place.partition.clone(), document }));
    }
    transaction.finish().map_err(unavailable)?;
    Ok(found)
}

/// Writes documents as they are, inside the transaction of their group: all that aren't there, or none.
pub(super) fn load(
    connection: &Connection,
    documents: &[(Arc<Statements>, Located)],
    fields: &mut Fields,
) -> Result<u32, Failure> {
    let mut names = HashSet::new();
    let mut fresh = Vec::new();
    for (statements, Located { partition, document }) in documents {
        // The clock doesn't matter: what has expired clashes, too.
        let change = Change { connection, statements, partition, now: Timestamp::default() };
        if let Some(old) = change.locate(&document.id)? {
            if old.revision == document.revision.to_stored() {
                continue;
            }
            return Err(StorageError::Exists.into());
        }
        if !names.insert((partition, document.kind, true, &document.id)) {
            return Err(StorageError::Exists.into());
        }
        for key in &document.keys {
            if !names.insert((partition, document.kind, false, key)) || change.is_key_taken(key)? {
                return Err(StorageError::KeyTaken { key: key.clone() }.into());
            }
        }
        fresh.push((change, document));
    }
    for (change, document) in &fresh {
        change.insert_row(document)?;
        change.register_fields(document, fields)?;
        change.add_keys(&document.id, &document.keys)?;
        let index = Index::of(document);
        change.add_index(&index, &index.rows(), fields)?;
    }
    Ok(u32::try_from(fresh.len()).unwrap_or(u32::MAX))
}

impl Change<'_> {
    fn is_key_taken(&self, key: &str) -> rusqlite::Result<bool> {
        let mut statement = self.connection.prepare_cached(&self.statements.key_owner)?;
        let owner: Option<String> =
            statement.query_row([self.partition, key], |row| row.get(0)).optional()?;
        Ok(owner.is_some())
    }
}
