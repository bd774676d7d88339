//! Partitions: what one tenant does, another can neither see nor feel.

use super::storage::assert_conflict;
use super::{NOW, Shape, Shelf, document, effect, successor};
use crate::{Query, Storage, TagMatch, Topic};
use std::sync::Arc;

pub async fn the_same_id_and_key_live_in_two_partitions(storage: Arc<dyn Storage>) {
    let ours = Shelf::new(storage);
    let theirs = ours.beside("beta");
    let our = ours.put(document("a").keys(&["k"]).body("{\"n\":1}")).await;
    let their = theirs.put(document("a").keys(&["k"]).body("{\"n\":2}")).await;
    assert_eq!(ours.get("a").await, Some(our.clone()), "get reads the own partition");
    assert_eq!(theirs.get("a").await, Some(their.clone()), "get reads the own partition");
    assert_eq!(ours.find("k").await, Some(our), "find reads the own partition");
    assert_eq!(theirs.find("k").await, Some(their), "find reads the own partition");
}

pub async fn a_foreign_id_or_key_is_absent(storage: Arc<dyn Storage>) {
    let ours = Shelf::new(storage);
    // Names that a careless prefix or separator would confuse with ours.
    for name in ["beta", "alpha_2", "alph", "alphaa"] {
        let theirs = ours.beside(name);
        let their = theirs.put(document("a").keys(&["k"]).tags(&["t"])).await;
        assert_eq!(ours.get("a").await, None, "a foreign id is absent");
        assert_eq!(ours.find("k").await, None, "a foreign key is absent");
        assert_conflict(ours.replace(&successor(&their), their.revision).await, "a foreign record is absent");
        assert_conflict(ours.delete("a", their.revision).await, "a foreign record is absent");
        assert_eq!(theirs.get("a").await, Some(their), "the refused writes left the foreign record alone");
    }
}

pub async fn no_write_touches_another_partition(storage: Arc<dyn Storage>) {
    let ours = Shelf::new(storage);
    let theirs = ours.beside("beta");
    let their = theirs.put(document("a").keys(&["k"]).tags(&["t"]).sort("name", b"x")).await;
    let tagged = Query::all("things").with_all(vec![TagMatch::Is("t".into())]);
    let our = ours.put(document("a").keys(&["k"]).tags(&["t"])).await;
    assert_eq!(theirs.find("k").await, Some(their.clone()), "an insert stays in its partition");
    let new = successor(&our).keys(&["l"]).tags(&["u"]);
    ours.replace(&new, our.revision).await.expect("the expected revision is replaced");
    assert_eq!(theirs.find("k").await, Some(their.clone()), "a replace stays in its partition");
    assert_eq!(theirs.find("l").await, None, "a replace stays in its partition");
    ours.delete("a", new.revision).await.expect("the expected revision is deleted");
    assert_eq!(theirs.find("k").await, Some(their.clone()), "a delete stays in its partition");
    assert_eq!(
        theirs.page(tagged).await.documents,
        std::slice::from_ref(&their),
        "tags stay in their partition"
    );
    ours.put(document("a").keys(&["k"]).expires(NOW.plus_seconds(1))).await;
    let later = ours.at(NOW.plus_seconds(1));
    later.put(document("b").keys(&["k"])).await;
    later.purge().await;
    assert_eq!(theirs.find("k").await, Some(their), "inserting over an expired key stays in its partition");
}

pub async fn lists_show_one_partition(storage: Arc<dyn Storage>) {
    let ours = Shelf::new(storage);
    let theirs = ours.beside("beta");
    for id in ["a", "b", "c"] {
        theirs.put(document(id).tags(&["t"]).sort("name", id.as_bytes())).await;
    }
    ours.put(document("x").tags(&["t"])).await;
    let queries = [
        Query::all("things"),
        Query::all("things").with_all(vec![TagMatch::Is("t".into())]),
        Query::all("things").with_all(vec![TagMatch::StartsWith(String::new())]),
    ];
    for query in queries {
        let page = ours.page(query.clone()).await;
        let ids: Vec<&str> = page.documents.iter().map(|d| d.id.as_str()).collect();
        assert_eq!((ids, page.total), (vec!["x"], 1), "{query:?} shows and counts one partition");
    }
}

pub async fn dropping_a_partition_in_chunks_leaves_the_others(storage: Arc<dyn Storage>) {
    let ours = Shelf::new(storage);
    let theirs = ours.beside("beta");
    let longer = ours.beside("alpha_2");
    let their = theirs.put(document("a0").keys(&["k:0"])).await;
    let longer_one = longer.put(document("a0").keys(&["k:0"])).await;
    for n in 0..5 {
        let (id, key) = (format!("a{n}"), format!("k:{n}"));
        let one = document(&id).keys(&[&key]).tags(&["t"]);
        ours.insert_with(&one, vec![effect(Topic::Audit, &id, NOW)]).await.expect("nothing clashes");
        ours.put(document(&id).kind("others").keys(&[&key])).await;
    }
    let mut dropped = Vec::new();
    for _ in 0..5 {
        dropped.push(ours.storage.drop_partition(&ours.partition, 3).await.expect("drop_partition answers"));
    }
    assert!(dropped.iter().all(|n| *n <= 3), "at most `limit` at a time: {dropped:?}");
    assert_eq!(dropped.iter().sum::<u32>(), 10, "every document is dropped once: {dropped:?}");
    assert_eq!(dropped.last(), Some(&0), "0 says that nothing is left: {dropped:?}");
    for n in 0..5 {
        assert_eq!(ours.get(&format!("a{n}")).await, None, "a dropped partition has no records");
        assert_eq!(ours.of("others").find(&format!("k:{n}")).await, None, "nor keys");
    }
    assert_eq!(ours.page(Query::all("things")).await.total, 0, "nor lists");
    assert_eq!(theirs.find("k:0").await, Some(their), "other partitions keep their records");
    assert_eq!(longer.find("k:0").await, Some(longer_one), "so do those whose name begins alike");
    ours.put(document("a0").keys(&["k:0"])).await;
    assert_eq!(ours.page(Query::all("things")).await.total, 1, "a dropped partition can be used again");
}

pub async fn effects_name_their_partition(storage: Arc<dyn Storage>) {
    let ours = Shelf::new(storage);
    let theirs = ours.beside("beta");
    ours.insert_with(&document("a"), vec![effect(Topic::Audit, "ours", NOW)]).await.expect("nothing clashes");
    theirs
        .insert_with(&document("a"), vec![effect(Topic::Audit, "theirs", NOW)])
        .await
        .expect("nothing clashes");
    for stored in ours.due().await {
        let expected = if stored.effect.payload["name"] == "ours" { &ours } else { &theirs };
        assert_eq!(
            stored.partition,
            expected.partition.as_str(),
            "an effect names the partition of its write"
        );
    }
}
