//! What the cases are written with: documents in a line, and one partition at one time.

use super::{NOW, partition};
use crate::storage::DocumentPage;
use crate::{
    Document, Effect, Partition, Position, Query, Revision, Storage, StorageError, StoredEffect, Timestamp,
    Topic,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

static REVISIONS: AtomicI64 = AtomicI64::new(1);

/// A revision no other document of the process has.
pub(crate) fn fresh_revision() -> Revision {
    Revision::from_stored(REVISIONS.fetch_add(1, Ordering::Relaxed))
}

/// A plain document of kind `things`.
pub(crate) fn document(id: &str) -> Document {
    Document {
        kind: "things",
        id: id.to_owned(),
        revision: fresh_revision(),
        version: 1,
        keys: Vec::new(),
        tags: Vec::new(),
        sorts: Vec::new(),
        created_at: NOW,
        updated_at: NOW,
        expires_at: None,
        body: "{\"n\":0}".to_owned(),
    }
}

/// The same document as a writer would replace it: under a fresh revision.
pub(crate) fn successor(old: &Document) -> Document {
    Document { revision: fresh_revision(), ..old.clone() }
}

/// Ways to shape a document in a line.
pub(crate) trait Shape: Sized {
    fn kind(self, kind: &'static str) -> Self;
    fn keys(self, keys: &[&str]) -> Self;
    fn tags(self, tags: &[&str]) -> Self;
    fn sort(self, name: &'static str, bytes: &[u8]) -> Self;
    fn created(self, at: Timestamp) -> Self;
    fn expires(self, at: Timestamp) -> Self;
    fn body(self, body: &str) -> Self;
}

fn sorted(texts: &[&str]) -> Vec<String> {
    let mut texts: Vec<String> = texts.iter().map(|&t| t.to_owned()).collect();
    texts.sort_unstable();
    texts.dedup();
    texts
}

impl Shape for Document {
    fn kind(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }
    fn keys(self, keys: &[&str]) -> Self {
        Self { keys: sorted(keys), ..self }
    }
    fn tags(self, tags: &[&str]) -> Self {
        Self { tags: sorted(tags), ..self }
    }
    fn sort(mut self, name: &'static str, bytes: &[u8]) -> Self {
        self.sorts.push((name, bytes.to_vec()));
        self.sorts.sort_unstable();
        self
    }
    fn created(self, at: Timestamp) -> Self {
        Self { created_at: at, updated_at: at, ..self }
    }
    fn expires(self, at: Timestamp) -> Self {
        Self { expires_at: Some(at), ..self }
    }
    fn body(self, body: &str) -> Self {
        Self { body: body.to_owned(), ..self }
    }
}

/// An effect whose payload is a name, due at the given time.
pub(crate) fn effect(topic: Topic, name: &str, due_at: Timestamp) -> Effect {
    Effect { topic, payload: serde_json::json!({ "name": name }), due_at }
}

/// The names of effects, in their order.
pub(crate) fn names(effects: &[StoredEffect]) -> Vec<String> {
    effects.iter().map(|e| e.effect.payload["name"].as_str().expect("a named effect").to_owned()).collect()
}

/// One partition of a storage at one time.
#[derive(Clone)]
pub(crate) struct Shelf {
    pub storage: Arc<dyn Storage>,
    pub partition: Partition,
    pub kind: &'static str,
    pub now: Timestamp,
}

impl Shelf {
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, partition: partition("alpha"), kind: "things", now: NOW }
    }

    pub fn at(&self, now: Timestamp) -> Self {
        Self { now, ..self.clone() }
    }

    pub fn of(&self, kind: &'static str) -> Self {
        Self { kind, ..self.clone() }
    }

    pub fn beside(&self, name: &str) -> Self {
        Self { partition: partition(name), ..self.clone() }
    }

    pub async fn insert(&self, document: &Document) -> Result<(), StorageError> {
        self.insert_with(document, Vec::new()).await
    }

    pub async fn insert_with(&self, document: &Document, effects: Vec<Effect>) -> Result<(), StorageError> {
        self.storage.insert(&self.partition, document.clone(), effects, self.now).await
    }

    pub async fn put(&self, document: Document) -> Document {
        self.insert(&document).await.expect("an insert that clashes with nothing succeeds");
        document
    }

    pub async fn get(&self, id: &str) -> Option<Document> {
        self.storage.get(&self.partition, self.kind, id, self.now).await.expect("get answers")
    }

    pub async fn find(&self, key: &str) -> Option<Document> {
        self.storage.find(&self.partition, self.kind, key, self.now).await.expect("find answers")
    }

    pub async fn replace(&self, document: &Document, expected: Revision) -> Result<(), StorageError> {
        self.replace_with(document, expected, Vec::new()).await
    }

    pub async fn replace_with(
        &self,
        document: &Document,
        expected: Revision,
        effects: Vec<Effect>,
    ) -> Result<(), StorageError> {
        self.storage.replace(&self.partition, document.clone(), expected, effects, self.now).await
    }

    pub async fn delete(&self, id: &str, expected: Revision) -> Result<(), StorageError> {
        self.delete_with(id, expected, Vec::new()).await
    }

    pub async fn delete_with(
        &self,
        id: &str,
        expected: Revision,
        effects: Vec<Effect>,
    ) -> Result<(), StorageError> {
        self.storage.delete(&self.partition, self.kind, id, expected, effects, self.now).await
    }

    pub async fn page(&self, query: Query) -> DocumentPage {
        self.storage.query(&self.partition, query, self.now).await.expect("query answers")
    }

    /// The ids a query lists, joined by spaces.
    pub async fn ids(&self, query: Query) -> String {
        let page = self.page(query).await;
        let ids: Vec<String> = page.documents.into_iter().map(|d| d.id).collect();
        ids.join(" ")
    }

    pub async fn due(&self) -> Vec<StoredEffect> {
        self.storage.effects_due(self.now, 100).await.expect("effects_due answers")
    }

    pub async fn feed(&self, after: Position) -> Vec<StoredEffect> {
        self.storage.effects_since(after, 100).await.expect("effects_since answers")
    }

    /// Purges until nothing is left to purge.
    pub async fn purge(&self) {
        while self.storage.purge_expired(self.now, 100).await.expect("purge_expired answers") > 0 {}
    }
}
