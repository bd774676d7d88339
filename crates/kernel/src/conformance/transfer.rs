//! Moving an installation: every document once, in order; and each as it was.

use super::{NOW, Shape, Shelf, document, effect, successor};
use crate::{Document, Extent, Located, Place, Query, Sort, Storage, StorageError, TagMatch, Topic};
use std::sync::Arc;

fn located(shelf: &Shelf, document: &Document) -> Located {
    Located { partition: shelf.partition.as_str().to_owned(), document: document.clone() }
}

async fn page(shelf: &Shelf, after: Option<Place>, limit: u32) -> Vec<Located> {
    shelf.storage.scan(shelf.kind, after, limit, shelf.now).await.expect("scan answers")
}

/// Everything of the shelf's kind, read in pages of this size.
async fn all(shelf: &Shelf, limit: u32) -> Vec<Located> {
    let mut found: Vec<Located> = Vec::new();
    loop {
        let last = found.last().map(|l| Place { partition: l.partition.clone(), id: l.document.id.clone() });
        let next = page(shelf, last, limit).await;
        assert!(next.len() <= limit as usize, "a page has at most `limit` documents");
        if next.is_empty() {
            return found;
        }
        found.extend(next);
    }
}

async fn load(shelf: &Shelf, documents: &[&Document]) -> Result<u32, StorageError> {
    let documents = documents.iter().map(|document| located(shelf, document)).collect();
    shelf.storage.load(documents).await
}

/// A document with everything a document can have.
fn full(id: &str) -> Document {
    document(id)
        .keys(&[&format!("email:{id}@example.org"), &format!("odd:|%_'\"\\é {id}")])
        .tags(&["active:true", "odd:|%_'\"\\é", "role:admin"])
        .sort("name", format!("é {id}").as_bytes())
        .sort("raw", &[0, 255, 1])
        .created(NOW.plus_seconds(-7))
        .expires(NOW.plus_seconds(60))
        .body(r#"{"text":"é","big":9007199254740993,"order":[3,1,2],"z":{"b":1.5,"a":null},"a":2}"#)
}

fn json(body: &str) -> serde_json::Value {
    serde_json::from_str(body).expect("a body is JSON")
}

fn assert_same(found: &Document, expected: &Document, rule: &str) {
    assert_eq!(json(&found.body), json(&expected.body), "{rule}: the body is the same JSON");
    let found = Document { body: expected.body.clone(), ..found.clone() };
    assert_eq!(&found, expected, "{rule}");
}

pub async fn a_scan_gives_every_live_document_once_in_byte_order(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    // Names that order differently by locale, by case, or with a separator behind them.
    let mut expected = Vec::new();
    for partition in ["beta", "alpha", "alpha_2", "alphaa"] {
        let theirs = shelf.beside(partition);
        for id in ["b", "B", "a", "a b", "a-b", "é", "zz", "1", "10", "9"] {
            expected.push((theirs.partition.as_str().to_owned(), id.to_owned()));
            theirs.put(document(id)).await;
            theirs.of("others").put(document(id).kind("others")).await;
        }
    }
    expected.sort_unstable();
    for limit in [1, 3, 7, 40, 100] {
        let found = all(&shelf, limit).await;
        assert!(found.iter().all(|l| l.document.kind == "things"), "a scan is of one kind");
        let places: Vec<_> = found.into_iter().map(|l| (l.partition, l.document.id)).collect();
        assert_eq!(places, expected, "in pages of {limit}: each once, by the bytes of partition and id");
    }
}

pub async fn a_scan_skips_what_has_expired(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let lasting = shelf.put(document("b")).await;
    for id in ["a", "c"] {
        shelf.put(document(id).expires(NOW.plus_seconds(1))).await;
    }
    assert_eq!(all(&shelf, 2).await.len(), 3, "what hasn't expired is scanned");
    assert_eq!(
        all(&shelf.at(NOW.plus_seconds(1)), 2).await,
        [located(&shelf, &lasting)],
        "expired is absent"
    );
}

pub async fn a_scan_goes_on_after_a_place_that_is_gone(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let last = shelf.put(document("c")).await;
    shelf.put(document("a")).await;
    let after = |id: &str| Some(Place { partition: shelf.partition.as_str().to_owned(), id: id.to_owned() });
    assert_eq!(
        page(&shelf, after("b"), 9).await,
        [located(&shelf, &last)],
        "a place needn't be a document's"
    );
    assert_eq!(page(&shelf, after("c"), 9).await, [], "nothing follows the last one");
}

pub async fn a_loaded_document_is_as_it_was(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let there = shelf.beside("beta");
    for id in ["a", "b"] {
        shelf.put(full(id)).await;
    }
    shelf.put(document("plain")).await;
    let originals = all(&shelf, 10).await;
    let moved = originals.iter().map(|l| located(&there, &l.document)).collect();
    assert_eq!(there.storage.load(moved).await.expect("nothing clashes"), 3, "a load counts what it wrote");
    for original in &originals {
        let found = there.get(&original.document.id).await.expect("a loaded document is there");
        assert_same(&found, &original.document, "a loaded document has every field it had");
    }
    let scanned: Vec<_> =
        all(&there, 10).await.into_iter().filter(|l| l.partition == there.partition.as_str()).collect();
    for (found, original) in scanned.iter().zip(&originals) {
        assert_same(&found.document, &original.document, "and is scanned as it was");
    }
}

pub async fn a_repeated_load_writes_nothing(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let (a, b, c) = (full("a"), full("b"), full("c"));
    assert_eq!(load(&shelf, &[&a, &b]).await.expect("nothing clashes"), 2);
    assert_eq!(load(&shelf, &[&a, &b]).await.expect("the same revisions are left alone"), 0);
    assert_eq!(load(&shelf, &[&a, &b, &c]).await.expect("a load that was cut off goes on"), 1);
    assert_eq!(load(&shelf, &[]).await.expect("nothing is loaded"), 0);
    assert_eq!(all(&shelf, 10).await.len(), 3, "each is there once");
    assert_eq!(shelf.page(Query::all("things")).await.total, 3, "and listed once");
}

pub async fn a_load_that_clashes_writes_nothing(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let old = shelf.put(document("old").keys(&["k:old"]).expires(NOW.plus_seconds(1))).await;
    let fresh = document("fresh").keys(&["k:fresh"]);
    // Expired or not: there is no clock here, and nothing may be lost by loading.
    for now in [NOW, NOW.plus_seconds(9)] {
        let shelf = shelf.at(now);
        let other_revision = successor(&old);
        let refused = load(&shelf, &[&fresh, &other_revision]).await;
        assert!(matches!(refused, Err(StorageError::Exists)), "another document has the id: {refused:?}");
        let thief = document("thief").keys(&["k:new", "k:old"]);
        let refused = load(&shelf, &[&fresh, &thief]).await;
        assert!(matches!(&refused, Err(StorageError::KeyTaken { key }) if key == "k:old"), "{refused:?}");
        let twin = successor(&fresh);
        let refused = load(&shelf, &[&fresh, &twin]).await;
        assert!(matches!(refused, Err(StorageError::Exists)), "two of one id in a load: {refused:?}");
        let rival = document("rival").keys(&["k:fresh"]);
        let refused = load(&shelf, &[&fresh, &rival]).await;
        assert!(matches!(&refused, Err(StorageError::KeyTaken { key }) if key == "k:fresh"), "{refused:?}");
        for id in ["fresh", "thief", "rival"] {
            assert_eq!(shelf.get(id).await, None, "nothing of a refused load is written");
        }
    }
    assert_eq!(shelf.find("k:old").await, Some(old), "what was there is left alone");
    assert_eq!(shelf.find("k:new").await, None, "no key is taken");
    assert_eq!(load(&shelf, &[&fresh]).await.expect("nothing clashes any more"), 1);
}

pub async fn a_loaded_document_is_a_document_like_any_other(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    // Loaded among documents that were inserted, so that rows of indexes are made either way.
    shelf.put(document("i").tags(&["role:admin"]).sort("rank", b"5")).await;
    let (a, b) = (full("a").sort("rank", b"9"), full("b"));
    load(&shelf, &[&a, &b]).await.expect("nothing clashes");
    assert_eq!(shelf.find("email:a@example.org").await.map(|d| d.id), Some("a".to_owned()), "found by key");
    let tagged = Query::all("things").with_all(vec![TagMatch::Is("role:admin".into())]);
    let ranked = Query { sort: Sort { field: "rank", descending: false }, ..tagged.clone() };
    let named = Query { sort: Sort { field: "name", descending: true }, ..tagged.clone() };
    assert_eq!(shelf.ids(ranked).await, "b i a", "listed in the order of an attribute known before");
    assert_eq!(shelf.ids(named).await, "b a i", "and of one that came with the load");
    assert_eq!(shelf.at(NOW.plus_seconds(60)).ids(tagged.clone()).await, "i", "and absent once expired");
    let taken = shelf.insert(&document("thief").keys(&["email:a@example.org"])).await;
    assert!(matches!(taken, Err(StorageError::KeyTaken { .. })), "its keys are taken: {taken:?}");
    let next = successor(&a).keys(&["k"]).tags(&["t"]);
    shelf.replace(&next, a.revision).await.expect("replaced by the revision it came with");
    assert_eq!(shelf.find("email:a@example.org").await, None, "its old keys are free");
    assert_eq!(shelf.ids(tagged).await, "i b", "its old tags are gone");
    shelf.delete("b", b.revision).await.expect("deleted by the revision it came with");
    assert_eq!(all(&shelf, 9).await.len(), 2, "and gone");
}

pub async fn a_load_keeps_to_the_partitions(storage: Arc<dyn Storage>) {
    let ours = Shelf::new(storage);
    let theirs = ours.beside("beta");
    let (our, their) = (full("a"), full("a"));
    let both = vec![located(&ours, &our), located(&theirs, &their)];
    assert_eq!(ours.storage.load(both).await.expect("two partitions don't clash"), 2);
    let key = "email:a@example.org";
    assert_eq!(ours.find(key).await.map(|d| d.revision), Some(our.revision), "ours is in our partition");
    assert_eq!(theirs.find(key).await.map(|d| d.revision), Some(their.revision), "theirs in theirs");
    assert_eq!(ours.beside("gamma").get("a").await, None, "and nowhere else");
}

pub async fn a_load_has_no_effects(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    shelf.insert_with(&document("i"), vec![effect(Topic::Audit, "one", NOW)]).await.expect("nothing clashes");
    let head = shelf.storage.effects_head().await.expect("effects_head answers");
    load(&shelf, &[&full("a")]).await.expect("nothing clashes");
    assert_eq!(shelf.due().await.len(), 1, "a load records no effect and settles none");
    assert_eq!(shelf.storage.effects_head().await.expect("effects_head answers"), head);
}

pub async fn a_snapshot_holds_one_partition_and_what_is_beside_it(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let (mine, beside) = (shelf.beside("alpha"), shelf.beside("beta"));
    // More than one page of them, and neighbours on either side.
    let many: Vec<String> = (0..1_001).map(|n| format!("{n:04}")).collect();
    for id in &many {
        mine.put(document(id)).await;
    }
    let full = mine.put(full("full")).await;
    mine.put(document("old").expires(NOW.plus_seconds(-1))).await;
    let other = mine.of("others").put(document("x").kind("others")).await;
    for partition in ["alph", "alpha_2", "b"] {
        shelf.beside(partition).put(document("x")).await;
    }
    let wanted = beside.put(document("wanted")).await;
    beside.put(document("unwanted")).await;
    let name = |shelf: &Shelf| shelf.partition.as_str().to_owned();
    let place = |id: &str| Place { partition: name(&beside), id: id.to_owned() };
    let extent = Extent {
        partition: name(&mine),
        kinds: vec!["others", "things"],
        beside: vec![("things", place("wanted")), ("things", place("absent"))],
    };
    let found = shelf.storage.snapshot(extent, NOW).await.expect("a snapshot answers");
    let places: Vec<_> = found.iter().map(|l| (l.partition.as_str(), l.document.id.as_str())).collect();
    let here = mine.partition.as_str();
    let mut expected = vec![(here, other.id.as_str())];
    expected.extend(many.iter().map(|id| (here, id.as_str())));
    expected.extend([(here, full.id.as_str()), (beside.partition.as_str(), wanted.id.as_str())]);
    assert!(places == expected, "each once: kind by kind in the order of ids, then what is beside them");
    assert_same(&found[1_002].document, &full, "and as it is");
}

pub async fn a_snapshot_is_of_one_moment(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let (first, second) = (shelf.beside("alpha"), shelf.beside("beta").of("others"));
    let mut one = first.put(document("a").body("{\"round\":0}")).await;
    let mut two = second.put(document("a").kind("others").body("{\"round\":0}")).await;
    let storage = shelf.storage.clone();
    let (here, there) = (first.partition.as_str().to_owned(), second.partition.as_str().to_owned());
    let writer = tokio::spawn(async move {
        for round in 1..=60 {
            let next = successor(&one).body(&format!("{{\"round\":{round}}}"));
            first.replace(&next, one.revision).await.expect("nobody else writes");
            let after = successor(&two).body(&format!("{{\"round\":{round}}}"));
            second.replace(&after, two.revision).await.expect("nobody else writes");
            (one, two) = (next, after);
        }
    });
    let round = |l: &Located| json(&l.document.body)["round"].as_u64().expect("a round");
    while !writer.is_finished() {
        let beside = vec![("others", Place { partition: there.clone(), id: "a".to_owned() })];
        let extent = Extent { partition: here.clone(), kinds: vec!["things"], beside };
        let found = storage.snapshot(extent, NOW).await.expect("a snapshot answers");
        let (ahead, behind) = (round(&found[0]), round(&found[1]));
        // The second follows the first: never is it ahead, and never more than one behind.
        assert!(ahead == behind || ahead == behind + 1, "{ahead} and {behind} were never there together");
    }
    writer.await.expect("the writer is done");
}
