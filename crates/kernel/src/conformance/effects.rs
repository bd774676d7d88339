//! Effects: committed with the write or not at all, given out until settled, invalidations as a feed.

use super::storage::{assert_conflict, key_taken};
use super::{NOW, Shape, Shelf, document, effect, names, successor};
use crate::{Effect, Position, Settlement, Storage, Topic};
use serde_json::json;
use std::sync::Arc;

const AUDIT: Topic = Topic::Audit;
const INVALIDATION: Topic = Topic::Invalidation;

fn audit(name: &str) -> Vec<Effect> {
    vec![effect(AUDIT, name, NOW)]
}

fn invalidation(name: &str) -> Vec<Effect> {
    vec![effect(INVALIDATION, name, NOW)]
}

pub async fn effects_commit_with_each_write(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let payload = json!({ "name": "insert", "text": "é\u{0}\"", "list": [1, 2.5, null, { "b": 1, "a": 2 }] });
    let whole = Effect { topic: Topic::Webhook, payload, due_at: NOW };
    let old = document("a");
    shelf.insert_with(&old, vec![whole.clone()]).await.expect("nothing clashes");
    let new = successor(&old);
    let message = effect(Topic::Message, "replace", NOW);
    shelf.replace_with(&new, old.revision, vec![message]).await.expect("the expected revision is replaced");
    shelf.delete_with("a", new.revision, audit("delete")).await.expect("the expected revision is deleted");
    let due = shelf.due().await;
    assert_eq!(names(&due), ["insert", "replace", "delete"], "every write commits its effects, in order");
    assert_eq!(due[0].effect, whole, "an effect comes back as it was written");
    let topics: Vec<Topic> = due.iter().map(|e| e.effect.topic).collect();
    assert_eq!(topics, [Topic::Webhook, Topic::Message, AUDIT], "each under its topic");
    assert!(due.iter().all(|e| e.attempts == 0), "nothing was tried yet");
    assert!(due.is_sorted_by(|a, b| a.position < b.position), "positions follow the order of commits");
}

pub async fn effects_of_a_failed_write_are_not_committed(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let a = shelf.put(document("a").keys(&["k"])).await;
    let b = shelf.put(document("b")).await;
    let both = || vec![effect(AUDIT, "lost", NOW), effect(INVALIDATION, "lost", NOW)];
    assert!(shelf.insert_with(&document("a"), both()).await.is_err(), "the id is taken");
    assert_eq!(key_taken(shelf.insert_with(&document("c").keys(&["k"]), both()).await), "k");
    assert_eq!(key_taken(shelf.replace_with(&successor(&b).keys(&["k"]), b.revision, both()).await), "k");
    assert_conflict(shelf.replace_with(&successor(&a), b.revision, both()).await, "a wrong revision");
    assert_conflict(shelf.delete_with("a", b.revision, both()).await, "a wrong revision");
    assert_conflict(shelf.delete_with("none", a.revision, both()).await, "an absent record");
    assert_eq!(names(&shelf.due().await).len(), 0, "a write that failed has no effects");
    assert_eq!(shelf.feed(Position(0)).await.len(), 0, "a write that failed invalidates nothing");
}

pub async fn effects_of_a_repeated_write_are_not_doubled(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let old = document("a");
    for _ in 0..2 {
        shelf.insert_with(&old, audit("insert")).await.expect("a repeated insert is recognised");
    }
    let new = successor(&old);
    for _ in 0..2 {
        shelf
            .replace_with(&new, old.revision, audit("replace"))
            .await
            .expect("a repeated replace is recognised");
    }
    assert_eq!(
        names(&shelf.due().await),
        ["insert", "replace"],
        "a recognised repeat commits no effect again"
    );
}

pub async fn effects_survive_the_delete_of_their_document(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let old = document("a").keys(&["k"]);
    let effects = vec![effect(AUDIT, "insert", NOW), effect(INVALIDATION, "insert", NOW)];
    shelf.insert_with(&old, effects).await.expect("nothing clashes");
    shelf.delete("a", old.revision).await.expect("the expected revision is deleted");
    assert_eq!(names(&shelf.due().await), ["insert"], "effects outlive their document");
    assert_eq!(names(&shelf.feed(Position(0)).await), ["insert"], "invalidations outlive their document");
    assert_eq!(shelf.get("a").await, None, "what is kept for the effects isn't the document");
    assert_eq!(shelf.find("k").await, None, "nor its key");
    shelf.purge().await;
    while shelf.storage.drop_partition(&shelf.partition, 100).await.expect("drop_partition answers") > 0 {}
    assert_eq!(names(&shelf.due().await), ["insert"], "effects outlive purging and dropping");
}

pub async fn effects_survive_reinsertion_and_expiry_of_their_document(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let first = document("a");
    shelf.insert_with(&first, audit("one")).await.expect("nothing clashes");
    shelf.delete_with("a", first.revision, audit("two")).await.expect("the expected revision is deleted");
    let second = document("a").keys(&["k"]).expires(NOW.plus_seconds(5));
    shelf.insert_with(&second, audit("three")).await.expect("a deleted id is free");
    let later = shelf.at(NOW.plus_seconds(5));
    later.insert_with(&document("b").keys(&["k"]), audit("four")).await.expect("an expired key is free");
    later.insert_with(&document("a"), audit("five")).await.expect("an expired id is free");
    later.purge().await;
    let expected = ["one", "two", "three", "four", "five"];
    assert_eq!(names(&later.due().await), expected, "no effect is lost when its document makes room");
    for stored in later.due().await {
        later.storage.effects_settle(&[(stored.position, Settlement::Done)]).await.expect("settling answers");
    }
    assert_eq!(later.due().await, [], "each of them can be settled");
    assert!(later.get("a").await.is_some(), "settling leaves the document");
}

pub async fn effects_wait_until_they_are_due(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let in_a_minute = NOW.plus_seconds(60);
    let effects = vec![effect(AUDIT, "later", in_a_minute), effect(AUDIT, "now", NOW)];
    shelf.insert_with(&document("a"), effects).await.expect("nothing clashes");
    assert_eq!(names(&shelf.due().await), ["now"], "an effect isn't given out before it is due");
    let just_before = shelf.at(in_a_minute.plus_seconds(-1));
    assert_eq!(names(&just_before.due().await), ["now"], "an effect isn't given out before it is due");
    let mut due = names(&shelf.at(in_a_minute).due().await);
    due.sort_unstable();
    assert_eq!(due, ["later", "now"], "from the very instant on it is");
}

pub async fn effects_come_oldest_first_up_to_the_limit(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    // Ids in an order that differs from that of the commits.
    for (n, id) in ["m", "z", "a", "k", "b"].into_iter().enumerate() {
        let shelf = if n % 2 == 0 { shelf.clone() } else { shelf.beside("beta") };
        let name = format!("e{n}");
        shelf.insert_with(&document(id), vec![effect(AUDIT, &name, NOW)]).await.expect("nothing clashes");
    }
    let mut given = Vec::new();
    for expected in [2, 2, 1, 0] {
        let due = shelf.storage.effects_due(NOW, 2).await.expect("effects_due answers");
        assert_eq!(due.len(), expected, "at most `limit` at a time");
        given.extend(names(&due));
        let settled: Vec<_> = due.iter().map(|e| (e.position, Settlement::Done)).collect();
        shelf.storage.effects_settle(&settled).await.expect("settling answers");
    }
    assert_eq!(given, ["e0", "e1", "e2", "e3", "e4"], "oldest first, whatever partition they are of");
}

pub async fn a_settled_effect_is_never_given_out_again(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let effects = vec![effect(AUDIT, "one", NOW), effect(AUDIT, "two", NOW)];
    let old = document("a");
    shelf.insert_with(&old, effects).await.expect("nothing clashes");
    let first = shelf.due().await[0].position;
    for _ in 0..2 {
        shelf.storage.effects_settle(&[(first, Settlement::Done)]).await.expect("settling answers");
        assert_eq!(names(&shelf.due().await), ["two"], "a settled effect is gone, its neighbour isn't");
    }
    shelf
        .replace_with(&successor(&old), old.revision, audit("three"))
        .await
        .expect("the revision is replaced");
    let much_later = shelf.at(NOW.plus_seconds(100_000));
    assert_eq!(names(&much_later.due().await), ["two", "three"], "a later write doesn't bring it back");
    shelf.storage.effects_settle(&[(first, Settlement::RetryAt(NOW))]).await.expect("settling answers");
    assert_eq!(names(&much_later.due().await), ["two", "three"], "nor does a late retry");
}

pub async fn a_retried_effect_comes_again_with_its_attempts(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    shelf.insert_with(&document("a"), audit("e")).await.expect("nothing clashes");
    let mut shelf = shelf;
    for attempts in 0..3 {
        let due = shelf.due().await;
        assert_eq!(due.len(), 1, "a retried effect is due again");
        assert_eq!(due[0].attempts, attempts, "attempts counts how often it was tried before");
        let retry_at = shelf.now.plus_seconds(30);
        let retry = [(due[0].position, Settlement::RetryAt(retry_at))];
        shelf.storage.effects_settle(&retry).await.expect("settling answers");
        assert_eq!(shelf.due().await, [], "a retried effect waits until its new time");
        shelf = shelf.at(retry_at);
        let again = shelf.due().await;
        assert_eq!(again[0].position, due[0].position, "an effect keeps its position");
        assert_eq!(again[0].effect.payload, due[0].effect.payload, "and its payload");
    }
}

pub async fn settling_unknown_positions_does_nothing(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    shelf.insert_with(&document("a"), audit("e")).await.expect("nothing clashes");
    let unknown = [
        (Position(0), Settlement::Done),
        (Position(1_000_000_000), Settlement::Done),
        (Position(1_000_000_001), Settlement::RetryAt(NOW)),
    ];
    shelf.storage.effects_settle(&unknown).await.expect("unknown positions are ignored");
    shelf.storage.effects_settle(&[]).await.expect("settling nothing is no error");
    assert_eq!(names(&shelf.due().await), ["e"], "what wasn't settled is still due");
    assert_eq!(shelf.due().await[0].attempts, 0, "and wasn't tried");
}

pub async fn settling_leaves_the_revision_alone(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let old = document("a");
    shelf.insert_with(&old, audit("e")).await.expect("nothing clashes");
    let position = shelf.due().await[0].position;
    shelf.storage.effects_settle(&[(position, Settlement::RetryAt(NOW))]).await.expect("settling answers");
    shelf.storage.effects_settle(&[(position, Settlement::Done)]).await.expect("settling answers");
    assert_eq!(shelf.get("a").await, Some(old.clone()), "settling doesn't change the document");
    shelf.replace(&successor(&old), old.revision).await.expect("the revision that was read still counts");
}

pub async fn invalidations_are_a_feed_and_never_due(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let effects = vec![effect(INVALIDATION, "stale", NOW), effect(AUDIT, "audit", NOW)];
    shelf.insert_with(&document("a"), effects).await.expect("nothing clashes");
    assert_eq!(names(&shelf.due().await), ["audit"], "an invalidation is never due");
    let feed = shelf.feed(Position(0)).await;
    assert_eq!(names(&feed), ["stale"], "the feed has invalidations only");
    assert_eq!(feed[0].partition, shelf.partition.as_str(), "the feed names the partition");
    for settlement in [Settlement::RetryAt(NOW.plus_seconds(5)), Settlement::Done] {
        shelf.storage.effects_settle(&[(feed[0].position, settlement)]).await.expect("settling answers");
        assert_eq!(shelf.feed(Position(0)).await, feed, "the feed is kept whatever is drained");
    }
    assert_eq!(names(&shelf.at(NOW.plus_seconds(9)).due().await), ["audit"], "nor does settling make it due");
}

pub async fn the_feed_is_read_by_position(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let start = shelf.storage.effects_head().await.expect("effects_head answers");
    assert_eq!(shelf.feed(start).await, [], "nothing comes after the head");
    for (n, id) in ["m", "z", "a", "k", "b"].into_iter().enumerate() {
        let name = format!("e{n}");
        let effects = vec![effect(AUDIT, "audit", NOW), effect(INVALIDATION, &name, NOW)];
        shelf.insert_with(&document(id), effects).await.expect("nothing clashes");
    }
    let (mut position, mut read) = (start, Vec::new());
    for expected in [2, 2, 1, 0] {
        let part = shelf.storage.effects_since(position, 2).await.expect("effects_since answers");
        assert_eq!(part.len(), expected, "at most `limit` at a time");
        position = part.last().map_or(position, |e| e.position);
        read.extend(names(&part));
    }
    assert_eq!(
        read,
        ["e0", "e1", "e2", "e3", "e4"],
        "read by position the feed has everything once, in order"
    );
    let head = shelf.storage.effects_head().await.expect("effects_head answers");
    assert!(head >= position, "the head is at or after the newest invalidation");
    shelf.insert_with(&document("later"), invalidation("later")).await.expect("nothing clashes");
    assert_eq!(names(&shelf.feed(head).await), ["later"], "what is committed later comes after the head");
}

pub async fn the_feed_is_kept_ten_minutes(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let old = document("a");
    shelf.insert_with(&old, invalidation("early")).await.expect("nothing clashes");
    let minute = shelf.at(NOW.plus_seconds(60));
    let effects = vec![effect(INVALIDATION, "late", minute.now), effect(AUDIT, "audit", minute.now)];
    minute.replace_with(&successor(&old), old.revision, effects).await.expect("the revision is replaced");
    shelf.at(NOW.plus_seconds(599)).purge().await;
    assert_eq!(names(&shelf.feed(Position(0)).await), ["early", "late"], "kept for ten minutes");
    shelf.at(NOW.plus_seconds(601)).purge().await;
    assert_eq!(names(&shelf.feed(Position(0)).await), ["late"], "older than ten minutes is purged");
    let last = shelf.at(NOW.plus_seconds(661));
    last.purge().await;
    assert_eq!(shelf.feed(Position(0)).await, [], "older than ten minutes is purged");
    assert_eq!(names(&last.due().await), ["audit"], "purging never takes an effect that is not settled");
    assert!(last.get("a").await.is_some(), "nor the document");
}

pub async fn positions_grow_for_ever(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let mut last = Position(0);
    for id in ["a", "b", "c"] {
        let one = document(id);
        let effects = vec![effect(AUDIT, id, NOW), effect(INVALIDATION, id, NOW)];
        shelf.insert_with(&one, effects).await.expect("nothing clashes");
        let (due, feed) = (shelf.due().await, shelf.feed(Position(0)).await);
        assert_eq!((due.len(), feed.len()), (1, 1), "one of each is held");
        assert!(due[0].position > last, "a position is never used twice");
        last = due[0].position.max(feed[0].position);
        shelf.storage.effects_settle(&[(due[0].position, Settlement::Done)]).await.expect("settling answers");
        shelf.delete(id, one.revision).await.expect("the expected revision is deleted");
        shelf.at(NOW.plus_seconds(700)).purge().await;
        let head = shelf.storage.effects_head().await.expect("effects_head answers");
        assert!(head >= last, "the head never goes back, not even when everything is drained and purged");
    }
}
