//! Many callers at once: exactly one winner, nothing lost, nothing half-seen.

use super::{NOW, Shape, Shelf, document, effect, names, successor};
use crate::conformance::collection::{Note, change, tenant};
use crate::{Change, Document, Position, Query, Storage, StorageError, TagMatch, Topic};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinHandle;

async fn all<T>(tasks: Vec<JoinHandle<T>>) -> Vec<T> {
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.expect("the task finishes"));
    }
    results
}

fn inserts(shelf: &Shelf, documents: Vec<Document>) -> Vec<JoinHandle<Result<(), StorageError>>> {
    let insert = |one: Document| {
        let shelf = shelf.clone();
        tokio::spawn(async move { shelf.insert_with(&one, vec![effect(Topic::Audit, &one.id, NOW)]).await })
    };
    documents.into_iter().map(insert).collect()
}

pub async fn of_parallel_inserts_of_one_key_one_wins(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let documents = (0..50).map(|n| document(&format!("d{n}")).keys(&["k", &format!("own:{n}")])).collect();
    let results = all(inserts(&shelf, documents)).await;
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1, "exactly one insert gets the key");
    for lost in results.iter().filter_map(|r| r.as_ref().err()) {
        assert!(
            matches!(lost, StorageError::KeyTaken { key } if key == "k"),
            "losers hear KeyTaken, not {lost}"
        );
    }
    let winner = shelf.find("k").await.expect("the key has a holder");
    assert_eq!(
        shelf.ids(Query { limit: 100, ..Query::all("things") }).await,
        winner.id,
        "losers store nothing"
    );
    assert_eq!(names(&shelf.due().await), [winner.id], "losers have no effects");
}

pub async fn of_parallel_inserts_of_one_id_one_wins(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let documents: Vec<Document> = (0..50).map(|n| document("d").keys(&[&format!("own:{n}")])).collect();
    let results = all(inserts(&shelf, documents.clone())).await;
    let winners: Vec<usize> = (0..50).filter(|n| results[*n].is_ok()).collect();
    assert_eq!(winners.len(), 1, "exactly one insert gets the id");
    for lost in results.iter().filter_map(|r| r.as_ref().err()) {
        assert!(matches!(lost, StorageError::Exists), "losers hear Exists, not {lost}");
    }
    assert_eq!(
        shelf.get("d").await.as_ref(),
        Some(&documents[winners[0]]),
        "the winner's document is stored"
    );
    for n in (0..50).filter(|n| *n != winners[0]) {
        assert_eq!(shelf.find(&format!("own:{n}")).await, None, "losers take no key");
    }
}

pub async fn of_parallel_replaces_one_wins_each_round(storage: Arc<dyn Storage>) {
    const ROUNDS: u64 = 6;
    let shelf = Shelf::new(storage);
    shelf.put(document("d").body("0")).await;
    for round in 1..=ROUNDS {
        let old = shelf.get("d").await.expect("the record is there");
        let count: u64 = old.body.parse().expect("a count");
        let attempts = (0..64).map(|_| {
            let (shelf, expected) = (shelf.clone(), old.revision);
            let new = successor(&old).body(&(count + 1).to_string());
            let effects = vec![effect(Topic::Audit, "won", NOW)];
            tokio::spawn(async move { shelf.replace_with(&new, expected, effects).await })
        });
        let results = all(attempts.collect()).await;
        assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1, "one compare-and-swap wins a round");
        for lost in results.iter().filter_map(|r| r.as_ref().err()) {
            assert!(matches!(lost, StorageError::Conflict), "losers hear Conflict, not {lost}");
        }
        let stored = shelf.get("d").await.expect("the record is there").body;
        assert_eq!(stored, round.to_string(), "the counter equals the successes: no update is lost");
    }
    assert_eq!(shelf.due().await.len() as u64, ROUNDS, "only winners have effects");
}

pub async fn of_a_parallel_replace_and_delete_one_wins(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    for round in 0..20 {
        let id = format!("d{round}");
        let old = shelf.put(document(&id).keys(&[&id])).await;
        let new = successor(&old);
        let (one, two) = (shelf.clone(), shelf.clone());
        let (expected, deleted) = (old.revision, id.clone());
        let replace = tokio::spawn(async move { one.replace(&new, expected).await.is_ok() });
        let delete = tokio::spawn(async move { two.delete(&deleted, expected).await.is_ok() });
        let (replaced, deleted) = (replace.await.expect("finishes"), delete.await.expect("finishes"));
        assert!(replaced != deleted, "of a replace and a delete of one revision exactly one wins");
        assert_eq!(shelf.get(&id).await.is_some(), replaced, "the record is there if the replace won");
        assert_eq!(shelf.find(&id).await.is_some(), replaced, "and so is its key");
    }
}

pub async fn parallel_writers_of_several_keys_do_not_deadlock(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let keys = ["a", "b", "c", "d", "e", "f"];
    let writers = (0..24usize).map(|n| {
        let shelf = shelf.clone();
        tokio::spawn(async move {
            for step in 0..5 {
                let wanted = [keys[(n + step) % 6], keys[(n * 5 + 3 + step) % 6], keys[(n + 2) % 6]];
                let one = document(&format!("d{n}_{step}")).keys(&wanted);
                match shelf.insert(&one).await {
                    Ok(()) => shelf.delete(&one.id, one.revision).await.expect("the own record is deleted"),
                    Err(StorageError::KeyTaken { key }) => {
                        assert!(one.keys.contains(&key), "KeyTaken names a key that was asked for");
                    }
                    Err(other) => panic!("writers of overlapping keys hear Ok or KeyTaken, not {other}"),
                }
            }
        })
    });
    all(writers.collect()).await;
    for key in keys {
        assert_eq!(shelf.find(key).await, None, "every key was given up");
    }
    shelf.put(document("after").keys(&keys)).await;
}

fn consistent(seen: &Document) -> String {
    let n = seen.body.clone();
    assert_eq!(seen.keys, [format!("k:{n}")], "the keys are those of the same write as the body");
    assert_eq!(seen.tags, ["all".to_owned(), format!("n:{n}")], "so are the tags");
    assert_eq!(seen.sorts, [("name", n.clone().into_bytes())], "so are the sort attributes");
    n
}

fn numbered(old: &Document, n: u32) -> Document {
    let text = n.to_string();
    let mut new = successor(old).keys(&[&format!("k:{n}")]).tags(&["all", &format!("n:{n}")]).body(&text);
    new.sorts = vec![("name", text.into_bytes())];
    new
}

pub async fn readers_never_see_half_a_write(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let done = Arc::new(AtomicBool::new(false));
    shelf.put(numbered(&document("d"), 0)).await;
    let reader = |n: u32| {
        let (shelf, done) = (shelf.clone(), done.clone());
        tokio::spawn(async move {
            while !done.load(Ordering::Relaxed) {
                let seen = shelf.get("d").await.expect("a record that is only replaced is always there");
                consistent(&seen);
                for n in (0..100).skip(n as usize).step_by(9) {
                    if let Some(found) = shelf.find(&format!("k:{n}")).await {
                        assert_eq!(
                            consistent(&found),
                            n.to_string(),
                            "find returns a record that has the key"
                        );
                    }
                    let tag = TagMatch::Is(format!("n:{n}"));
                    for listed in shelf.page(Query::all("things").with_all(vec![tag])).await.documents {
                        assert_eq!(
                            consistent(&listed),
                            n.to_string(),
                            "a list holds what matches its filter"
                        );
                    }
                }
            }
        })
    };
    let readers = vec![reader(0), reader(4)];
    let mut old = shelf.get("d").await.expect("the record is there");
    for n in 1..100 {
        let new = numbered(&old, n);
        shelf.replace(&new, old.revision).await.expect("the only writer meets no conflict");
        old = new;
        tokio::task::yield_now().await;
    }
    done.store(true, Ordering::Relaxed);
    all(readers).await;
}

/// Reads the feed by position until `over`, and once more.
async fn follow(shelf: Shelf, over: Arc<AtomicBool>) -> Vec<String> {
    let (mut position, mut seen) = (Position(0), Vec::new());
    loop {
        let last_round = over.load(Ordering::SeqCst);
        let part = shelf.feed(position).await;
        position = part.last().map_or(position, |e| e.position);
        seen.extend(names(&part));
        if last_round && part.is_empty() {
            return seen;
        }
        tokio::task::yield_now().await;
    }
}

pub async fn a_reader_of_the_feed_misses_nothing(storage: Arc<dyn Storage>) {
    const WRITERS: usize = 8;
    const EACH: usize = 25;
    let shelf = Shelf::new(storage);
    let done = Arc::new(AtomicBool::new(false));
    for n in 0..EACH {
        // Writers who have to clear away an expired holder first take longer: commits overtake each other.
        let key = format!("k:{n}");
        shelf.put(document(&format!("old{n}")).keys(&[&key]).expires(NOW.plus_seconds(1))).await;
    }
    let shelf = shelf.at(NOW.plus_seconds(1));
    let readers = (0..2).map(|_| tokio::spawn(follow(shelf.clone(), done.clone()))).collect();
    let writers = (0..WRITERS).map(|writer| {
        let shelf = shelf.clone();
        tokio::spawn(async move {
            for n in 0..EACH {
                let (name, key) = (format!("{writer}/{n}"), format!("k:{n}"));
                let slow = writer == n % WRITERS;
                let taken = [key.as_str()];
                let one = document(&name).keys(if slow { &taken } else { &[] });
                let effects = vec![effect(Topic::Invalidation, &name, NOW)];
                shelf.insert_with(&one, effects).await.expect("nothing clashes");
            }
        })
    });
    all(writers.collect()).await;
    done.store(true, Ordering::SeqCst);
    for seen in all(readers).await {
        let distinct: BTreeSet<&String> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len(), "read by position nothing comes twice");
        assert_eq!(seen.len(), WRITERS * EACH, "nor is anything passed over that was committed late");
    }
}

pub async fn parallel_updates_are_never_lost(storage: Arc<dyn Storage>) {
    let (_system, tenant) = tenant(storage);
    tenant.records::<Note>().insert(Note::new("n"), Vec::new()).await.expect("nothing clashes");
    let writers = (0..8).map(|_| {
        let tenant = tenant.clone();
        tokio::spawn(async move {
            let mut done = 0;
            while done < 8 {
                let notes = tenant.records::<Note>();
                let added = notes.update("n", change(|note| Change::Put(note.plus_one(), vec![])));
                match added.await {
                    Ok(Some(_)) => done += 1,
                    Err(StorageError::Contended) => tokio::task::yield_now().await,
                    other => panic!("an update succeeds or is contended, not {other:?}"),
                }
            }
        })
    });
    all(writers.collect()).await;
    let stored = tenant.records::<Note>().get("n").await.expect("get answers").expect("the note is there");
    assert_eq!(stored.count, 64, "every update that succeeded is counted");
}
