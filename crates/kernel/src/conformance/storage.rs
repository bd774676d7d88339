//! One document at a time: insert, read, replace, delete, expiry, and what each refuses.

use super::{KINDS, NOW, Shape, Shelf, document, effect, names, successor};
use crate::{KindSpec, Position, Query, Storage, StorageError, TagMatch, Topic};
use std::sync::Arc;

fn tagged(tag: &str) -> Query {
    Query::all("things").with_all(vec![TagMatch::Is(tag.into())])
}

pub(super) fn key_taken(result: Result<(), StorageError>) -> String {
    match result {
        Err(StorageError::KeyTaken { key }) => key,
        other => panic!("a key of a live record must be refused as KeyTaken, not {other:?}"),
    }
}

pub(super) fn assert_exists(result: Result<(), StorageError>, rule: &str) {
    assert!(matches!(result, Err(StorageError::Exists)), "{rule}: expected Exists, got {result:?}");
}

pub(super) fn assert_conflict(result: Result<(), StorageError>, rule: &str) {
    assert!(matches!(result, Err(StorageError::Conflict)), "{rule}: expected Conflict, got {result:?}");
}

pub async fn an_inserted_document_is_read_back_whole(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let full = document("a")
        .keys(&["email:a@example.org", "name:a", "odd:|%_'\"\\é"])
        .tags(&["active:true", "odd:|%_'\"\\é", "role:admin"])
        .sort("name", "é first".as_bytes())
        .sort("raw", &[0, 255, 1])
        .expires(NOW.plus_seconds(60))
        .body(r#"{"a":2,"z":1,"big":9007199254740993,"text":"é\u0000","order":[3,1,2]}"#);
    let full = shelf.put(full).await;
    assert_eq!(shelf.get("a").await, Some(full.clone()), "get returns every field as it was written");
    for key in &full.keys {
        assert_eq!(shelf.find(key).await, Some(full.clone()), "find by {key} returns the same document");
    }
    let listed = shelf.page(tagged("role:admin")).await.documents;
    assert_eq!(listed, [full], "a list returns every field as it was written");
}

pub async fn an_unknown_id_or_key_is_absent(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    shelf.put(document("a").keys(&["k:a"])).await;
    assert_eq!(shelf.get("b").await, None, "an unknown id is absent");
    assert_eq!(shelf.get("A").await, None, "ids differ by case");
    assert_eq!(shelf.find("k:b").await, None, "an unknown key is absent");
    assert_eq!(shelf.find("k:A").await, None, "keys differ by case");
    assert_eq!(shelf.find("k:a ").await, None, "keys differ by trailing space");
}

pub async fn a_live_id_is_not_inserted_twice(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let first = shelf.put(document("a").body("{\"n\":1}")).await;
    assert_exists(shelf.insert(&document("a").body("{\"n\":2}")).await, "a live id is taken");
    assert_eq!(shelf.get("a").await, Some(first), "a refused insert leaves the record alone");
}

pub async fn a_taken_key_is_refused_by_name(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    shelf.put(document("a").keys(&["k:m", "k:x"])).await;
    let clash = shelf.insert(&document("b").keys(&["k:a", "k:m", "k:z"])).await;
    assert_eq!(key_taken(clash), "k:m", "KeyTaken names the key that clashed");
    let first_of_two = shelf.insert(&document("b").keys(&["k:m", "k:x"])).await;
    assert_eq!(key_taken(first_of_two), "k:m", "of several clashes the first in order is named");
    let b = shelf.put(document("b").keys(&["k:b"])).await;
    let clash = shelf.replace(&successor(&b).keys(&["k:b", "k:x"]), b.revision).await;
    assert_eq!(key_taken(clash), "k:x", "a replace names the key that clashed");
    let own = successor(&b).keys(&["k:b", "k:c"]);
    shelf.replace(&own, b.revision).await.expect("a record's own key is no clash");
}

pub async fn an_id_and_a_key_of_the_same_text_do_not_clash(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let holder = shelf.put(document("a").keys(&["same"])).await;
    let named = shelf.put(document("same")).await;
    assert_eq!(shelf.get("same").await, Some(named), "get looks at ids only");
    assert_eq!(shelf.find("same").await, Some(holder), "find looks at keys only");
    assert_eq!(shelf.find("a").await, None, "an id is not a key");
}

pub async fn ids_and_keys_are_unique_per_kind(storage: Arc<dyn Storage>) {
    let things = Shelf::new(storage);
    let others = things.of("others");
    let thing = things.put(document("a").keys(&["k"]).tags(&["t"])).await;
    let other = others.put(document("a").kind("others").keys(&["k"]).tags(&["t"])).await;
    assert_eq!(things.find("k").await, Some(thing.clone()), "each kind has its own keys");
    assert_eq!(others.find("k").await, Some(other.clone()), "each kind has its own keys");
    things.delete("a", thing.revision).await.expect("the live revision is deleted");
    assert_eq!(others.get("a").await, Some(other), "a delete touches one kind only");
    assert_eq!(things.page(tagged("t")).await.total, 0, "a list shows one kind only");
}

pub async fn a_replace_frees_old_keys_and_takes_new_ones(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let old = shelf.put(document("a").keys(&["k:keep", "k:old"])).await;
    let new = successor(&old).keys(&["k:keep", "k:new"]).body("{\"n\":1}");
    shelf.replace(&new, old.revision).await.expect("the expected revision is replaced");
    assert_eq!(shelf.get("a").await, Some(new.clone()), "a replace stores the new document");
    assert_eq!(shelf.find("k:old").await, None, "a key that was given up finds nothing");
    assert_eq!(shelf.find("k:new").await, Some(new.clone()), "a new key finds the record");
    assert_eq!(shelf.find("k:keep").await, Some(new), "a kept key still finds the record");
    shelf.insert(&document("b").keys(&["k:old"])).await.expect("a key that was given up is free");
    let taken = shelf.insert(&document("c").keys(&["k:new"])).await;
    assert_eq!(key_taken(taken), "k:new", "a key taken by a replace is taken");
}

pub async fn a_replace_needs_the_expected_revision(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let first = shelf.put(document("a")).await;
    let second = successor(&first);
    shelf.replace(&second, first.revision).await.expect("the expected revision is replaced");
    assert_conflict(shelf.replace(&successor(&first), first.revision).await, "a stale revision loses");
    assert_conflict(shelf.replace(&document("b"), first.revision).await, "an absent record isn't replaced");
    assert_eq!(shelf.get("a").await, Some(second), "a lost replace changes nothing");
    assert_eq!(shelf.get("b").await, None, "a replace never inserts");
}

pub async fn a_failed_replace_changes_nothing(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    shelf.put(document("holder").keys(&["k:m"])).await;
    let old = shelf.put(document("a").keys(&["k:a"]).tags(&["old"]).sort("name", b"a")).await;
    let lost = vec![effect(Topic::Audit, "lost", NOW), effect(Topic::Invalidation, "lost", NOW)];
    // One free key sorts before the taken one and one after it.
    let clash = successor(&old).keys(&["k:b", "k:m", "k:z"]).tags(&["new"]);
    assert_eq!(key_taken(shelf.replace_with(&clash, old.revision, lost.clone()).await), "k:m");
    let stale = successor(&old).keys(&["k:b"]).tags(&["new"]);
    assert_conflict(shelf.replace_with(&stale, clash.revision, lost).await, "a stale revision loses");
    assert_eq!(shelf.get("a").await, Some(old.clone()), "a failed replace leaves the record");
    assert_eq!(shelf.find("k:a").await, Some(old), "a failed replace keeps the old keys");
    assert_eq!(shelf.find("k:b").await, None, "a failed replace takes no key");
    assert_eq!(shelf.find("k:z").await, None, "a failed replace takes no key");
    assert_eq!(shelf.ids(tagged("old")).await, "a", "a failed replace keeps the old tags");
    assert_eq!(shelf.ids(tagged("new")).await, "", "a failed replace adds no tag");
    assert_eq!(names(&shelf.due().await).len(), 0, "a failed replace commits no effect");
    assert_eq!(shelf.feed(Position(0)).await.len(), 0, "a failed replace commits no invalidation");
    shelf.insert(&document("b").keys(&["k:b", "k:z"])).await.expect("the untaken keys are free");
}

pub async fn a_failed_insert_changes_nothing(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    shelf.put(document("holder").keys(&["k:m"])).await;
    let clash = document("a").keys(&["k:b", "k:m", "k:z"]).tags(&["new"]);
    assert_eq!(key_taken(shelf.insert(&clash).await), "k:m");
    assert_exists(
        shelf.insert(&document("holder").keys(&["k:b"]).tags(&["new"])).await,
        "a live id is taken",
    );
    assert_eq!(shelf.get("a").await, None, "a failed insert stores nothing");
    assert_eq!(shelf.find("k:b").await, None, "a failed insert takes no key");
    assert_eq!(shelf.ids(tagged("new")).await, "", "a failed insert adds no tag");
    shelf.insert(&document("b").keys(&["k:b", "k:z"])).await.expect("the untaken keys are free");
}

pub async fn a_repeated_insert_is_recognised_by_its_revision(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let written = shelf.put(document("a").keys(&["k"]).tags(&["t"])).await;
    shelf.insert(&written).await.expect("repeating an insert whose acknowledgement was lost is Ok");
    assert_eq!(shelf.get("a").await, Some(written.clone()), "the repeat changes nothing");
    assert_eq!(shelf.page(tagged("t")).await.total, 1, "the repeat adds no tag");
    let same_body = successor(&written);
    assert_exists(shelf.insert(&same_body).await, "equal content under another revision is another write");
}

pub async fn a_repeated_replace_is_recognised_by_its_revision(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let old = shelf.put(document("a").keys(&["k"])).await;
    let new = successor(&old).keys(&["l"]);
    shelf.replace(&new, old.revision).await.expect("the expected revision is replaced");
    shelf
        .replace(&new, old.revision)
        .await
        .expect("repeating a replace whose acknowledgement was lost is Ok");
    assert_eq!(shelf.get("a").await, Some(new), "the repeat changes nothing");
    assert_conflict(shelf.replace(&successor(&old), old.revision).await, "another write of the old revision");
}

pub async fn a_deleted_document_and_its_keys_are_gone(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let old = shelf.put(document("a").keys(&["k"]).tags(&["t"])).await;
    shelf.delete("a", old.revision).await.expect("the expected revision is deleted");
    assert_eq!(shelf.get("a").await, None, "a deleted id is absent");
    assert_eq!(shelf.find("k").await, None, "a deleted record's key finds nothing");
    assert_eq!(shelf.ids(tagged("t")).await, "", "a deleted record isn't listed");
    assert_conflict(shelf.delete("a", old.revision).await, "a record is deleted once");
    assert_conflict(shelf.replace(&successor(&old), old.revision).await, "a deleted record isn't replaced");
    shelf.put(document("b").keys(&["k"])).await;
    let again = shelf.put(document("a").tags(&["u"])).await;
    assert_eq!(shelf.get("a").await, Some(again), "a deleted id can be inserted again");
    assert_eq!(shelf.ids(tagged("t")).await, "", "the new record has none of the old tags");
}

pub async fn a_delete_needs_the_expected_revision(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let old = shelf.put(document("a").keys(&["k"])).await;
    let new = successor(&old);
    shelf.replace(&new, old.revision).await.expect("the expected revision is replaced");
    assert_conflict(shelf.delete("a", old.revision).await, "a stale revision isn't deleted");
    assert_conflict(shelf.delete("b", new.revision).await, "an absent record isn't deleted");
    assert_eq!(shelf.find("k").await, Some(new), "a refused delete leaves the record and its keys");
}

pub async fn an_expired_document_is_absent(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let at = NOW.plus_seconds(10);
    shelf.put(document("a").keys(&["k"]).tags(&["t"]).expires(at)).await;
    let before = shelf.at(at.plus_seconds(-1));
    assert!(before.get("a").await.is_some(), "a record lives until it expires");
    assert_eq!(before.page(tagged("t")).await.total, 1, "a record is listed until it expires");
    let expired = shelf.at(at);
    assert_eq!(expired.get("a").await, None, "expired is absent for get, from the very instant on");
    assert_eq!(expired.find("k").await, None, "expired is absent for find");
    let page = expired.page(tagged("t")).await;
    assert_eq!((page.documents.len(), page.total), (0, 0), "expired is absent for lists and counts");
    let page = expired.page(Query::all("things")).await;
    assert_eq!((page.documents.len(), page.total), (0, 0), "expired is absent for lists without a filter");
}

pub async fn an_expired_document_is_neither_replaced_nor_deleted(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let old = shelf.put(document("a").expires(NOW.plus_seconds(10))).await;
    let later = shelf.at(NOW.plus_seconds(10));
    assert_conflict(later.replace(&successor(&old), old.revision).await, "expired is absent for replace");
    assert_conflict(later.delete("a", old.revision).await, "expired is absent for delete");
    assert_eq!(shelf.get("a").await, Some(old), "the refused writes changed nothing");
}

pub async fn an_expired_id_is_inserted_over(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    shelf.put(document("a").keys(&["k:old"]).tags(&["old"]).expires(NOW.plus_seconds(10))).await;
    let later = shelf.at(NOW.plus_seconds(10));
    let new = document("a").keys(&["k:new"]).tags(&["new"]);
    later.insert(&new).await.expect("an expired id can be inserted over");
    assert_eq!(later.get("a").await, Some(new.clone()), "the new record is there");
    assert_eq!(later.find("k:old").await, None, "the expired record's keys are gone");
    assert_eq!(later.ids(tagged("old")).await, "", "the expired record's tags are gone");
    later.purge().await;
    assert_eq!(later.find("k:new").await, Some(new), "purging leaves the new record");
    later.insert(&document("b").keys(&["k:old"])).await.expect("the expired record's keys are free");
}

pub async fn an_expired_holder_loses_its_key(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    shelf.put(document("a").keys(&["k", "l"]).expires(NOW.plus_seconds(10))).await;
    let later = shelf.at(NOW.plus_seconds(10));
    let new = document("b").keys(&["k"]);
    later.insert(&new).await.expect("an expired record's key can be inserted over");
    assert_eq!(later.find("k").await, Some(new.clone()), "the key finds the new holder");
    assert_eq!(later.get("a").await, None, "the expired record stays absent");
    later.purge().await;
    assert_eq!(later.find("k").await, Some(new), "purging the old holder leaves the key to the new one");
    later.insert(&document("c").keys(&["l"])).await.expect("its other keys are free, too");
}

pub async fn a_key_of_an_expired_holder_is_taken_by_a_replace(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    shelf.put(document("a").keys(&["k"]).expires(NOW.plus_seconds(10))).await;
    let b = shelf.put(document("b").keys(&["l"])).await;
    assert_eq!(key_taken(shelf.replace(&successor(&b).keys(&["k"]), b.revision).await), "k");
    let later = shelf.at(NOW.plus_seconds(10));
    let new = successor(&b).keys(&["k"]);
    later.replace(&new, b.revision).await.expect("an expired record's key can be taken by a replace");
    later.purge().await;
    assert_eq!(later.find("k").await, Some(new), "purging the old holder leaves the key to the new one");
}

pub async fn purging_takes_expired_documents_up_to_the_limit(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    for n in 0..7 {
        let id = format!("old{n}");
        shelf.put(document(&id).keys(&[&format!("k:{n}")]).expires(NOW.plus_seconds(10))).await;
    }
    let live = shelf.put(document("live").expires(NOW.plus_seconds(11))).await;
    let later = shelf.at(NOW.plus_seconds(10));
    let mut counts = Vec::new();
    for _ in 0..4 {
        counts.push(later.storage.purge_expired(later.now, 3).await.expect("purge_expired answers"));
    }
    assert_eq!(counts, [3, 3, 1, 0], "purging removes what expired, at most `limit` at a time");
    assert_eq!(later.get("live").await, Some(live), "purging leaves what is alive");
    assert_eq!(shelf.get("old0").await, None, "purged records are gone for every clock");
    shelf.insert(&document("new").keys(&["k:0"])).await.expect("purged records hold no keys");
}

pub async fn preparing_twice_keeps_the_documents(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let written = shelf.put(document("a").keys(&["k"])).await;
    shelf.storage.prepare(KINDS).await.expect("a storage can be prepared again");
    assert_eq!(shelf.find("k").await, Some(written), "preparing again keeps what is stored");
    let newer = [KindSpec { kind: "things", version: 3 }];
    shelf.storage.prepare(&newer).await.expect("a newer binary upgrades a kind");
}

pub async fn a_kind_written_by_a_newer_binary_is_refused(storage: Arc<dyn Storage>) {
    let older = [KindSpec { kind: "others", version: 1 }, KindSpec { kind: "things", version: 1 }];
    match storage.prepare(&older).await {
        Err(StorageError::NewerSchema { what, found: 2, known: 1 }) => {
            assert!(what.contains("things"), "the message names the kind, not {what}");
        }
        other => panic!("a kind prepared in a newer version must be refused (ruling D38), got {other:?}"),
    }
    storage.prepare(KINDS).await.expect("the refused prepare changed nothing");
}

pub async fn a_closed_storage_is_unavailable(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    shelf.put(document("a")).await;
    shelf.storage.ping().await.expect("an open storage answers a ping");
    shelf.storage.close().await;
    let read = shelf.storage.get(&shelf.partition, "things", "a", NOW).await;
    assert!(matches!(read, Err(StorageError::Unavailable(_))), "reading after close: {read:?}");
    let written = shelf.insert(&document("b")).await;
    assert!(matches!(written, Err(StorageError::Unavailable(_))), "writing after close: {written:?}");
    let answered = shelf.storage.ping().await;
    assert!(matches!(answered, Err(StorageError::Unavailable(_))), "a ping after close: {answered:?}");
    shelf.storage.close().await;
}
