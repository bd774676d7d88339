//! Typed access: what `Collection` promises on top of any storage.

use super::shelf::Shape;
use super::{NOW, document, partition};
use crate::memory::MemoryEphemeral;
use crate::{
    Change, Effect, Key, Partition, Ports, Query, Record, Storage, StorageError, Stored, SystemScope,
    TagMatch, TenantId, TenantScope, TestClock, TestRandom, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// A record whose first version had a `title` instead of a `name`, and no count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    id: String,
    name: String,
    pub count: u64,
}

impl Note {
    pub fn new(id: &str) -> Self {
        Self { id: id.to_owned(), name: "Émil".to_owned(), count: 0 }
    }

    pub fn plus_one(&self) -> Self {
        Self { count: self.count + 1, ..self.clone() }
    }
}

impl Record for Note {
    const KIND: &'static str = "notes";
    const VERSION: u32 = 2;

    fn id(&self) -> &str {
        &self.id
    }
    fn keys(&self) -> Vec<Key> {
        vec![Key::new("id", &self.id), Key::new("again", &self.id), Key::new("id", &self.id)]
    }
    fn tags(&self) -> Vec<String> {
        vec![format!("count:{}", self.count), "note".into(), "note".into()]
    }
    fn sorts(&self) -> Vec<(&'static str, String)> {
        vec![("name", self.name.clone())]
    }
    fn upgrade(version: u32, body: Value) -> Result<Value, String> {
        let title = body["title"].as_str().ok_or("no title")?;
        match version {
            1 => Ok(serde_json::json!({ "id": body["id"], "name": title, "count": 0 })),
            _ => Err(format!("no path from version {version}")),
        }
    }
}

/// A closure of the type `Collection::update` asks for.
pub(super) fn change(
    mut pure: impl FnMut(&Note) -> Change<Note>,
) -> impl FnMut(&Stored<Note>) -> Result<Change<Note>, StorageError> {
    move |old| Ok(pure(&old.record))
}

fn ports(storage: Arc<dyn Storage>, clock: Arc<TestClock>) -> Ports {
    let random = Arc::new(TestRandom::new(7));
    Ports { storage, ephemeral: Arc::new(MemoryEphemeral::new()), clock, random }
}

fn alpha() -> TenantId {
    TenantId::from_slug("alpha").expect("a usable slug")
}

fn alpha_partition() -> Partition {
    partition("alpha")
}

pub(super) fn tenant(storage: Arc<dyn Storage>) -> (SystemScope, TenantScope) {
    let system = SystemScope::new(ports(storage, Arc::new(TestClock::new(NOW))));
    let tenant = system.open(alpha(), ());
    (system, tenant)
}

pub async fn a_record_is_stored_with_its_revision_and_times(storage: Arc<dyn Storage>) {
    let (_system, tenant) = tenant(storage.clone());
    let notes = tenant.records::<Note>();
    let inserted = notes.insert(Note::new("n"), Vec::new()).await.expect("nothing clashes");
    assert_eq!((inserted.created_at, inserted.updated_at), (NOW, NOW), "both times are the insert's");
    assert_eq!(
        notes.get("n").await.expect("get answers"),
        Some(inserted.clone()),
        "insert answers what is stored"
    );
    let found = notes.find(&Key::new("id", "n")).await.expect("find answers");
    assert_eq!(found, Some(inserted.clone()), "a key finds the record");
    let tagged = Query::all("").with_all(vec![TagMatch::Is("note".into())]);
    let page = notes.page(tagged).await.expect("page answers");
    assert_eq!(
        (page.items, page.total, page.total_exact),
        (vec![inserted.clone()], 1, true),
        "a tag lists it"
    );
    let raw =
        storage.get(&alpha_partition(), "notes", "n", NOW).await.expect("get answers").expect("is there");
    assert_eq!(raw.version, 2, "a body is written in the newest version");
    assert_eq!(raw.keys, ["again:n", "id:n"], "keys are stored sorted, each once");
    assert_eq!(raw.tags, ["count:0", "note"], "tags are stored sorted, each once");
    assert_eq!(raw.sorts, [("name", "émil".as_bytes().to_vec())], "sort attributes are stored case-folded");
    notes.delete(&inserted, Vec::new()).await.expect("the revision that was read is deleted");
    assert_eq!(notes.get("n").await.expect("get answers"), None, "a deleted record is absent");
}

pub async fn an_update_keeps_the_creation_time(storage: Arc<dyn Storage>) {
    let clock = Arc::new(TestClock::new(NOW));
    let system = SystemScope::new(ports(storage, clock.clone()));
    let tenant = system.open(alpha(), ());
    let notes = tenant.records::<Note>();
    let inserted = notes.insert(Note::new("n"), Vec::new()).await.expect("nothing clashes");
    clock.advance(Duration::from_secs(60));
    let updated = notes.update("n", change(|note| Change::Put(note.plus_one(), vec![]))).await;
    let updated = updated.expect("nothing contends").expect("the note is there");
    assert_eq!(updated.created_at, NOW, "an update keeps created_at");
    assert_eq!(updated.updated_at, NOW.plus_seconds(60), "an update sets updated_at");
    assert_ne!(updated.revision, inserted.revision, "an update gives a new revision");
    assert_eq!(
        notes.get("n").await.expect("get answers"),
        Some(updated.clone()),
        "update answers what is stored"
    );
    let stale = notes.replace(&inserted, inserted.plus_one(), Vec::new()).await;
    assert!(matches!(stale, Err(StorageError::Conflict)), "replacing a stale read is a conflict: {stale:?}");
    let stale = notes.delete(&inserted, Vec::new()).await;
    assert!(matches!(stale, Err(StorageError::Conflict)), "deleting a stale read is a conflict: {stale:?}");
}

pub async fn an_update_that_keeps_writes_nothing(storage: Arc<dyn Storage>) {
    let (_system, tenant) = tenant(storage);
    let notes = tenant.records::<Note>();
    let inserted = notes.insert(Note::new("n"), Vec::new()).await.expect("nothing clashes");
    let kept = notes.update("n", change(|_| Change::Keep)).await.expect("nothing contends");
    assert_eq!(kept, Some(inserted.clone()), "an update that keeps answers the record as it is");
    let refused = notes.update("n", |_| Err(StorageError::Locked("no".into()))).await;
    assert!(
        matches!(refused, Err(StorageError::Locked(_))),
        "the closure's own error comes back: {refused:?}"
    );
    assert_eq!(notes.get("n").await.expect("get answers"), Some(inserted), "neither wrote anything");
}

pub async fn an_update_of_an_absent_record_is_none(storage: Arc<dyn Storage>) {
    let (_system, tenant) = tenant(storage);
    let updated =
        tenant.records::<Note>().update("n", change(|_| panic!("there is nothing to change"))).await;
    assert_eq!(updated.expect("no error"), None, "an absent record isn't made by an update");
}

pub async fn an_old_body_is_upgraded_when_read(storage: Arc<dyn Storage>) {
    let (_system, tenant) = tenant(storage.clone());
    let old = document("n").kind("notes").keys(&["id:n"]).body(r#"{"id":"n","title":"Old"}"#);
    storage
        .insert(&alpha_partition(), old.clone(), Vec::<Effect>::new(), NOW)
        .await
        .expect("nothing clashes");
    let notes = tenant.records::<Note>();
    let read = notes.get("n").await.expect("an old body is read").expect("the note is there");
    assert_eq!((read.name.as_str(), read.count), ("Old", 0), "the body is lifted to the newest version");
    assert_eq!(read.revision, old.revision, "reading writes nothing");
    let found = notes.find(&Key::new("id", "n")).await.expect("find answers");
    assert_eq!(found, Some(read), "find lifts, too");
    let updated = notes.update("n", change(|note| Change::Put(note.plus_one(), vec![]))).await;
    assert_eq!(
        updated.expect("nothing contends").map(|n| n.count),
        Some(1),
        "a lifted record can be updated"
    );
    let raw =
        storage.get(&alpha_partition(), "notes", "n", NOW).await.expect("get answers").expect("is there");
    assert_eq!(raw.version, 2, "the update wrote the newest version");
}

pub async fn a_newer_body_is_refused(storage: Arc<dyn Storage>) {
    let (_system, tenant) = tenant(storage.clone());
    let mut newer = document("n").kind("notes").body("{}");
    newer.version = 3;
    storage.insert(&alpha_partition(), newer.clone(), Vec::new(), NOW).await.expect("nothing clashes");
    let read = tenant.records::<Note>().get("n").await;
    assert!(
        matches!(&read, Err(StorageError::NewerSchema { what, found: 3, known: 2 }) if what == "notes"),
        "a body newer than the binary knows is refused (ruling D38): {read:?}"
    );
    let mut broken = document("broken").kind("notes").body("{\"id\":1}");
    broken.version = 2;
    storage.insert(&alpha_partition(), broken, Vec::new(), NOW).await.expect("nothing clashes");
    let read = tenant.records::<Note>().get("broken").await;
    assert!(
        matches!(read, Err(StorageError::Corrupt(_))),
        "an unreadable body is an error, not absent: {read:?}"
    );
}

pub async fn an_update_that_keeps_losing_is_contended(storage: Arc<dyn Storage>) {
    let (_system, tenant) = tenant(storage);
    let notes = tenant.records::<Note>();
    notes.insert(Note::new("n"), Vec::new()).await.expect("nothing clashes");
    let mut attempts = 0;
    // A rival writes between the read and the write of every attempt.
    let lost = notes.update("n", |old: &Stored<Note>| -> Result<_, StorageError> {
        attempts += 1;
        let rival = notes.replace(old, old.plus_one(), Vec::new());
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(rival))?;
        Ok(Change::Put(Note::new("n"), Vec::new()))
    });
    let lost = lost.await;
    assert!(matches!(lost, Err(StorageError::Contended)), "losing every race is Contended: {lost:?}");
    assert_eq!(attempts, 16, "an update is tried 16 times");
    let stored = notes.get("n").await.expect("get answers").expect("the note is there");
    assert_eq!(stored.count, 16, "the rival's writes all count");
}

pub async fn records_of_two_tenants_are_apart(storage: Arc<dyn Storage>) {
    let (system, ours) = tenant(storage);
    let theirs: TenantScope = system.open(TenantId::from_slug("beta").expect("a usable slug"), ());
    let our = ours.records::<Note>().insert(Note::new("n"), Vec::new()).await.expect("nothing clashes");
    assert_eq!(theirs.records::<Note>().get("n").await.expect("get answers"), None, "a foreign id is absent");
    let foreign_key = theirs.records::<Note>().find(&Key::new("id", "n")).await.expect("find answers");
    assert_eq!(foreign_key, None, "a foreign key is absent");
    assert_eq!(
        system.records::<Note>().get("n").await.expect("get answers"),
        None,
        "the platform is apart, too"
    );
    let deleted = theirs.records::<Note>().delete(&our, Vec::new()).await;
    assert!(matches!(deleted, Err(StorageError::Conflict)), "a foreign record isn't deleted: {deleted:?}");
    theirs.records::<Note>().insert(Note::new("n"), Vec::new()).await.expect("names clash per tenant only");
    let page = ours.records::<Note>().page(Query::all("notes")).await.expect("page answers");
    assert_eq!(page.items, [our], "a list shows one tenant");
    assert_eq!(
        ours.now(),
        Timestamp::from_unix_seconds(1_800_000_000),
        "the scope's clock is the injected one"
    );
}
