//! Writing documents as they are, to move a whole installation.

use super::labels::FieldNames;
use super::postgres_call::{Failure, Lease};
use super::postgres_change::{Change, Effects};
use super::postgres_query::Source;
use super::postgres_statements::Statements;
use super::postgres_values::{ReadText, Text};
use futures_util::future::join_all;
use kernel::{Extent, Located, Place, StorageError, Timestamp};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// A document to load, and its kind's statements.
pub(super) type Load = (Arc<Statements>, Located);

/// What is there already.
#[derive(Default)]
struct Present {
    revisions: HashMap<(&'static str, String, String), i64>,
    keys: HashSet<(&'static str, String, String)>,
}

/// How long reading a snapshot may take.
pub(super) const SNAPSHOT_LIMIT: Duration = Duration::from_secs(60);

/// How many documents a snapshot reads at once.
const SNAPSHOT_PAGE: u32 = 500;

/// Live documents of an extent, all from one snapshot.
pub(super) async fn snapshot(
    lease: &Lease,
    (extent, kinds): (&Extent, &HashMap<&'static str, Arc<Statements>>),
    names: &FieldNames,
    now: Timestamp,
) -> Result<Vec<Located>, Failure> {
    lease.begin("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
    let found = read(lease, (extent, kinds), names, now).await;
    match found {
        Ok(found) => lease.commit().await.map(|()| found),
        Err(failure) => {
            lease.roll_back().await;
            Err(failure)
        }
    }
}

async fn read(
    lease: &Lease,
    (extent, kinds): (&Extent, &HashMap<&'static str, Arc<Statements>>),
    names: &FieldNames,
    now: Timestamp,
) -> Result<Vec<Located>, Failure> {
    let source = |kind| {
        let statements =
            kinds.get(kind).ok_or_else(|| StorageError::Unavailable(format!("no kind `{kind}`")))?;
        Ok::<_, StorageError>(Source { lease, statements, kind, names, now })
    };
    let mut found: Vec<Located> = Vec::new();
    for kind in &extent.kinds {
        let source = source(kind)?;
        let mut after = Place { partition: extent.partition.clone(), id: String::new() };
        loop {
            let page = source.scan(Some(&after), SNAPSHOT_PAGE).await?;
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
        let document = source(kind)?.get(&place.partition, &place.id).await?;
        found.extend(document.map(|document| Located { partition: place.partition.clone(), document }));
    }
    Ok(found)
}

/// Writes documents: all that aren't there, or none. Answers how many.
pub(super) async fn load(lease: &Lease, documents: &[Load]) -> Result<u32, Failure> {
    let present = present(lease, documents).await?;
    let fresh = missing(documents, present)?;
    if fresh.is_empty() {
        return Ok(0);
    }
    lease.begin("BEGIN").await?;
    let none = Effects::new(&[], Timestamp::default());
    let writes = fresh.iter().map(|(statements, Located { partition, document })| {
        let change = Change { lease, statements, partition, now: Timestamp::default() };
        let none = &none;
        async move { change.insert_new(document, none).await }
    });
    // All are sent before the first is answered.
    let failed = join_all(writes).await.into_iter().find_map(Result::err);
    let outcome = match failed {
        None => lease.commit().await,
        Some(failure) => Err(failure),
    };
    if let Err(failure) = outcome {
        lease.roll_back().await;
        return Err(failure);
    }
    Ok(u32::try_from(fresh.len()).unwrap_or(u32::MAX))
}

/// Which documents have to be written. The clock doesn't matter: what has expired clashes, too.
fn missing(documents: &[Load], mut present: Present) -> Result<Vec<&Load>, StorageError> {
    let mut fresh = Vec::new();
    for load in documents {
        let (_, Located { partition, document }) = load;
        let name = (document.kind, partition.clone(), document.id.clone());
        let revision = document.revision.to_stored();
        match present.revisions.insert(name, revision) {
            Some(there) if there == revision => continue,
            Some(_) => return Err(StorageError::Exists),
            None => {}
        }
        for key in &document.keys {
            if !present.keys.insert((document.kind, partition.clone(), key.clone())) {
                return Err(StorageError::KeyTaken { key: key.clone() });
            }
        }
        fresh.push(load);
    }
    Ok(fresh)
}

async fn present(lease: &Lease, documents: &[Load]) -> Result<Present, Failure> {
    let mut present = Present::default();
    let kinds: HashMap<&'static str, &Statements> =
        documents.iter().map(|(statements, l)| (l.document.kind, statements.as_ref())).collect();
    for (kind, statements) in kinds {
        let mut ids: (Vec<Text<'_>>, Vec<Text<'_>>) = Default::default();
        let mut keys: (Vec<Text<'_>>, Vec<Text<'_>>) = Default::default();
        for (_, Located { partition, document }) in documents.iter().filter(|(_, l)| l.document.kind == kind)
        {
            ids.extend([(Text(partition), Text(&document.id))]);
            keys.extend(document.keys.iter().map(|key| (Text(partition), Text(key))));
        }
        for row in lease.query(&statements.present, &[&ids.0, &ids.1]).await? {
            let (ReadText(partition), ReadText(id)) = (row.try_get(0)?, row.try_get(1)?);
            present.revisions.insert((kind, partition, id), row.try_get(2)?);
        }
        for row in lease.query(&statements.taken, &[&keys.0, &keys.1]).await? {
            let (ReadText(partition), ReadText(key)) = (row.try_get(0)?, row.try_get(1)?);
            present.keys.insert((kind, partition, key));
        }
    }
    Ok(present)
}
