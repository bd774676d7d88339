//! Collections: typed access to the records of one scope.

use crate::record::sort_bytes;
use crate::storage::StorageError;
use crate::{Document, Effect, Key, Query, Record, Revision, Scope, Timestamp};
use std::marker::PhantomData;
use std::ops::Deref;

/// A record as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored<R> {
    /// The record.
    pub record: R,
    /// Its revision; also its entity tag.
    pub revision: Revision,
    /// When it was inserted.
    pub created_at: Timestamp,
    /// When this revision was written.
    pub updated_at: Timestamp,
}

impl<R> Deref for Stored<R> {
    type Target = R;
    fn deref(&self) -> &R {
        &self.record
    }
}

/// A page of records.
#[derive(Debug, Clone)]
pub struct Page<R> {
    /// The records, in order.
    pub items: Vec<Stored<R>>,
    /// How many match, as far as counted.
    pub total: u64,
    /// Whether `total` is exact.
    pub total_exact: bool,
}

/// What a pure update wants.
#[derive(Debug)]
pub enum Change<R> {
    /// Leave the record as it is and write nothing.
    Keep,
    /// Write this record with these effects.
    Put(R, Vec<Effect>),
}

/// How often an update is retried after losing against another writer.
const UPDATE_ATTEMPTS: u32 = 16;

/// The records of one kind in one scope.
pub struct Collection<'a, R> {
    scope: &'a Scope,
    kind: PhantomData<R>,
}

impl<'a, R: Record> Collection<'a, R> {
    pub(crate) fn new(scope: &'a Scope) -> Self {
        Self { scope, kind: PhantomData }
    }

    /// Reads a record by id.
    ///
    /// # Errors
    /// When the storage is away or the body unreadable.
    pub async fn get(&self, id: &str) -> Result<Option<Stored<R>>, StorageError> {
        let scope = self.scope;
        let found = scope.storage().get(scope.partition(), R::KIND, id, scope.now()).await?;
        found.map(decode).transpose()
    }

    /// Reads a record by one of its keys.
    ///
    /// # Errors
    /// When the storage is away or the body unreadable.
    pub async fn find(&self, key: &Key) -> Result<Option<Stored<R>>, StorageError> {
        let scope = self.scope;
        let found = scope.storage().find(scope.partition(), R::KIND, key.as_str(), scope.now()).await?;
        found.map(decode).transpose()
    }

    /// Inserts a record with its effects.
    ///
    /// # Errors
    /// `Exists` or `KeyTaken` when it clashes with a live record.
    pub async fn insert(&self, record: R, effects: Vec<Effect>) -> Result<Stored<R>, StorageError> {
        let scope = self.scope;
        let now = scope.now();
        let document = encode(&record, Revision::generate(scope.random()), now, now)?;
        let revision = document.revision;
        scope.storage().insert(scope.partition(), document, effects, now).await?;
        Ok(Stored { record, revision, created_at: now, updated_at: now })
    }

    /// Replaces exactly the revision that was read: one compare-and-swap, no retry.
    ///
    /// # Errors
    /// `Conflict` when somebody else was faster.
    pub async fn replace(
        &self,
        old: &Stored<R>,
        record: R,
        effects: Vec<Effect>,
    ) -> Result<Stored<R>, StorageError> {
        let scope = self.scope;
        let now = scope.now();
        let document = encode(&record, Revision::generate(scope.random()), old.created_at, now)?;
        let revision = document.revision;
        scope.storage().replace(scope.partition(), document, old.revision, effects, now).await?;
        Ok(Stored { record, revision, created_at: old.created_at, updated_at: now })
    }

    /// Applies a pure function to the newest revision, retrying conflicts. `None`: there is no such record.
    ///
    /// # Errors
    /// The function's own error; `Contended` after 16 lost races.
    pub async fn update<E: From<StorageError>>(
        &self,
        id: &str,
        mut change: impl FnMut(&Stored<R>) -> Result<Change<R>, E>,
    ) -> Result<Option<Stored<R>>, E> {
        for _ in 0..UPDATE_ATTEMPTS {
            let Some(old) = self.get(id).await? else { return Ok(None) };
            let (record, effects) = match change(&old)? {
                Change::Keep => return Ok(Some(old)),
                Change::Put(record, effects) => (record, effects),
            };
            match self.replace(&old, record, effects).await {
                Err(StorageError::Conflict) => {}
                other => return Ok(Some(other?)),
            }
        }
        Err(StorageError::Contended.into())
    }

    /// Deletes exactly the revision that was read.
    ///
    /// # Errors
    /// `Conflict` when it was changed or deleted meanwhile.
    pub async fn delete(&self, old: &Stored<R>, effects: Vec<Effect>) -> Result<(), StorageError> {
        let scope = self.scope;
        scope.storage().delete(scope.partition(), R::KIND, old.id(), old.revision, effects, scope.now()).await
    }

    /// A page of records; the query's kind must be this one's.
    ///
    /// # Errors
    /// When the storage is away or a body unreadable.
    pub async fn page(&self, query: Query) -> Result<Page<R>, StorageError> {
        let scope = self.scope;
        let query = Query { kind: R::KIND, ..query };
        let page = scope.storage().query(scope.partition(), query, scope.now()).await?;
        let items = page.documents.into_iter().map(decode).collect::<Result<_, _>>()?;
        Ok(Page { items, total: page.total, total_exact: page.total_exact })
    }
}

/// A record as a document.
///
/// # Errors
/// `Corrupt` when it can't be serialised.
pub fn encode<R: Record>(
    record: &R,
    revision: Revision,
    created_at: Timestamp,
    updated_at: Timestamp,
) -> Result<Document, StorageError> {
    let mut keys: Vec<String> = record.keys().into_iter().map(|k| k.as_str().to_owned()).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut tags = record.tags();
    tags.sort_unstable();
    tags.dedup();
    let mut sorts: Vec<_> =
        record.sorts().into_iter().map(|(name, text)| (name, sort_bytes(&text))).collect();
    sorts.sort_unstable();
    let body = serde_json::to_string(record).map_err(|e| StorageError::Corrupt(e.to_string()))?;
    Ok(Document {
        kind: R::KIND,
        id: record.id().to_owned(),
        revision,
        version: R::VERSION,
        keys,
        tags,
        sorts,
        created_at,
        updated_at,
        expires_at: record.expires_at(),
        body,
    })
}

fn decode<R: Record>(document: Document) -> Result<Stored<R>, StorageError> {
    let unreadable = |e: String| StorageError::Corrupt(format!("{} {}: {e}", R::KIND, document.id));
    let record = if document.version == R::VERSION {
        serde_json::from_str(&document.body).map_err(|e| unreadable(e.to_string()))?
    } else if document.version > R::VERSION {
        return Err(StorageError::NewerSchema {
            what: R::KIND.to_owned(),
            found: document.version,
            known: R::VERSION,
        });
    } else {
        let body = serde_json::from_str(&document.body).map_err(|e| unreadable(e.to_string()))?;
        let body = R::upgrade(document.version, body).map_err(unreadable)?;
        serde_json::from_value(body).map_err(|e| unreadable(e.to_string()))?
    };
    Ok(Stored {
        record,
        revision: document.revision,
        created_at: document.created_at,
        updated_at: document.updated_at,
    })
}
