//! Lists: filters, order, pages and counts.

use super::shelf::fresh_revision;
use super::{NOW, Shape, Shelf, document, successor};
use crate::{Count, Query, Sort, Storage, TagMatch};
use std::sync::Arc;

fn is(tag: &str) -> TagMatch {
    TagMatch::Is(tag.to_owned())
}

fn starts(prefix: &str) -> TagMatch {
    TagMatch::StartsWith(prefix.to_owned())
}

fn any(any_of: Vec<Vec<TagMatch>>) -> Query {
    Query { any_of, ..sorted("created_at", false) }
}

fn sorted(field: &'static str, descending: bool) -> Query {
    Query { sort: Sort { field, descending }, ..Query::all("things") }
}

pub async fn lists_follow_tags(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    shelf.put(document("a").tags(&["active:true", "role:admin"])).await;
    shelf.put(document("b").tags(&["active:true", "role:user"])).await;
    shelf.put(document("c").tags(&["active:false", "role:admin"])).await;
    shelf.put(document("d")).await;
    let cases = [
        (vec![], "a b c d", "no filter lists everything"),
        (vec![vec![]], "a b c d", "an empty conjunction lists everything"),
        (vec![vec![is("role:admin")]], "a c", "one tag"),
        (vec![vec![is("role:admin"), is("active:true")]], "a", "all of two tags"),
        (vec![vec![is("role:user")], vec![is("active:false")]], "b c", "any of two conjunctions"),
        (vec![vec![is("role:user")], vec![]], "a b c d", "any of something and everything"),
        (vec![vec![is("role")]], "", "a tag matches whole"),
        (vec![vec![is("ROLE:ADMIN")]], "", "tags differ by case"),
        (vec![vec![is("role:admin"), is("role:user")]], "", "nothing has both"),
    ];
    for (any_of, expected, rule) in cases {
        let page = shelf.page(any(any_of.clone())).await;
        assert_eq!(shelf.ids(any(any_of)).await, expected, "{rule}");
        assert_eq!(page.total as usize, page.documents.len(), "{rule}: the count agrees with the list");
    }
}

pub async fn lists_follow_tag_prefixes(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    shelf.put(document("a").tags(&["path:/eu/de", "x:1"])).await;
    shelf.put(document("b").tags(&["path:/eu/fr", "x:2"])).await;
    shelf.put(document("c").tags(&["path:/us", "x:1"])).await;
    shelf.put(document("d")).await;
    let cases = [
        (vec![vec![starts("path:/eu")]], "a b", "a prefix"),
        (vec![vec![starts("path:/eu/de")]], "a", "a prefix that is the whole tag"),
        (vec![vec![starts("path:/eu"), is("x:2")]], "b", "a prefix and a tag"),
        (vec![vec![starts("path:/eu"), starts("x:")]], "a b", "two prefixes"),
        (vec![vec![starts("path:/us")], vec![is("x:2")]], "b c", "a prefix or a tag"),
        (vec![vec![starts("")]], "a b c", "the empty prefix matches what has any tag"),
        (vec![vec![starts("PATH:")]], "", "prefixes differ by case"),
    ];
    for (any_of, expected, rule) in cases {
        assert_eq!(shelf.ids(any(any_of)).await, expected, "{rule}");
    }
}

pub async fn prefixes_are_literal(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    shelf.put(document("a").tags(&["x%y"])).await;
    shelf.put(document("b").tags(&["x_y"])).await;
    shelf.put(document("c").tags(&["xzy"])).await;
    shelf.put(document("d").tags(&["x[a]*\\y"])).await;
    shelf.put(document("e").tags(&["x\u{10FFFF}y"])).await;
    for (prefix, expected) in [("x%", "a"), ("x_", "b"), ("x[a", "d"), ("x*", ""), ("x\u{10FFFF}", "e")] {
        let found = shelf.ids(any(vec![vec![starts(prefix)]])).await;
        assert_eq!(found, expected, "the prefix {prefix:?} has no wildcards");
    }
    assert_eq!(shelf.ids(any(vec![vec![starts("x")]])).await, "a b c d e", "every continuation is matched");
}

pub async fn a_document_matching_twice_is_listed_once(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    shelf.put(document("a").tags(&["x:1", "x:2", "y"])).await;
    for any_of in
        [vec![vec![starts("x:")]], vec![vec![is("x:1")], vec![is("y")]], vec![vec![is("y"), is("y")]]]
    {
        let page = shelf.page(any(any_of.clone())).await;
        assert_eq!((page.documents.len(), page.total), (1, 1), "{any_of:?} lists and counts the record once");
    }
}

pub async fn lists_follow_replaced_tags(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let old = shelf.put(document("a").tags(&["keep", "old"]).sort("name", b"a")).await;
    shelf.put(document("b").tags(&["keep"]).sort("name", b"b")).await;
    let mut new = successor(&old).tags(&["keep", "new"]);
    new.sorts = vec![("name", b"c".to_vec())];
    shelf.replace(&new, old.revision).await.expect("the expected revision is replaced");
    assert_eq!(shelf.ids(any(vec![vec![is("old")]])).await, "", "a replaced tag is gone");
    assert_eq!(shelf.ids(any(vec![vec![is("new")]])).await, "a", "a new tag is found");
    let by_name = Query { any_of: vec![vec![is("keep")]], ..sorted("name", false) };
    assert_eq!(shelf.ids(by_name).await, "b a", "a kept tag follows the new sort attribute");
    assert_eq!(shelf.ids(sorted("name", true)).await, "a b", "so does a list without a filter");
}

pub async fn lists_follow_the_created_range(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    for (id, second) in [("a", 1), ("b", 2), ("c", 3)] {
        shelf.put(document(id).created(NOW.plus_seconds(second)).tags(&["t"])).await;
    }
    let at = |second| Some(NOW.plus_seconds(second));
    let cases = [
        (at(2), None, "b c"),
        (None, at(2), "a b"),
        (at(2), at(2), "b"),
        (at(3), at(1), ""),
        (at(4), None, ""),
    ];
    for (created_from, created_to, expected) in cases {
        let range = Query { created_from, created_to, ..sorted("created_at", false) };
        assert_eq!(shelf.page(range.clone()).await.total as usize, expected.split_whitespace().count());
        assert_eq!(
            shelf.ids(range.clone()).await,
            expected,
            "both ends of the range are included: {range:?}"
        );
        let tagged = range.with_all(vec![is("t")]);
        assert_eq!(shelf.ids(tagged).await, expected, "a range combines with tags");
    }
}

pub async fn lists_sort_by_creation_with_ties_by_id(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    for (id, second) in [("m", 1), ("z", 0), ("a", 1), ("k", 2)] {
        shelf.put(document(id).created(NOW.plus_seconds(second)).tags(&["t"])).await;
    }
    for tags in [vec![], vec![is("t")]] {
        let ascending = sorted("created_at", false).with_all(tags.clone());
        assert_eq!(shelf.ids(ascending).await, "z a m k", "oldest first, ties by id");
        let descending = sorted("created_at", true).with_all(tags);
        assert_eq!(shelf.ids(descending).await, "k m a z", "newest first, ties by id descending");
    }
}

pub async fn lists_sort_by_attribute_with_ties_by_id(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    for (id, name) in [("m", "bob"), ("z", "alice"), ("a", "bob"), ("k", "carol")] {
        shelf.put(document(id).sort("name", name.as_bytes()).sort("age", b"7").tags(&["t"])).await;
    }
    for tags in [vec![], vec![is("t")]] {
        let ascending = sorted("name", false).with_all(tags.clone());
        assert_eq!(shelf.ids(ascending).await, "z a m k", "by name, ties by id");
        let descending = sorted("name", true).with_all(tags.clone());
        assert_eq!(shelf.ids(descending).await, "k m a z", "by name descending, ties by id descending");
        assert_eq!(shelf.ids(sorted("age", false).with_all(tags)).await, "a k m z", "all equal: by id");
    }
}

pub async fn documents_without_the_sort_attribute_count_as_empty(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    shelf.put(document("named").sort("name", b"a").tags(&["t"])).await;
    shelf.put(document("bare").tags(&["t"])).await;
    shelf.put(document("empty").sort("name", b"").tags(&["t"])).await;
    shelf.put(document("aged").sort("age", b"9").tags(&["t"])).await;
    for tags in [vec![], vec![is("t")]] {
        let ascending = sorted("name", false).with_all(tags.clone());
        assert_eq!(shelf.ids(ascending).await, "aged bare empty named", "a missing attribute sorts as empty");
        let descending = sorted("name", true).with_all(tags.clone());
        assert_eq!(shelf.ids(descending).await, "named empty bare aged", "and the other way round");
        let total = shelf.page(sorted("name", false).with_all(tags)).await.total;
        assert_eq!(total, 4, "records without the attribute are counted");
    }
}

pub async fn sort_attributes_compare_as_bytes(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    let attributes: [(&str, &[u8]); 6] =
        [("e", "é".as_bytes()), ("d", b"z"), ("c", b"a b"), ("b", b"a"), ("a", b"Z"), ("f", &[255])];
    for (id, bytes) in attributes {
        shelf.put(document(id).sort("name", bytes)).await;
    }
    let order = shelf.ids(sorted("name", false)).await;
    assert_eq!(order, "a b c d e f", "attributes compare as bytes, without any collation (ruling D34)");
}

pub async fn pages_are_cut_by_offset_and_limit(storage: Arc<dyn Storage>) {
    let shelf = Shelf::new(storage);
    for id in ["a", "b", "c", "d", "e"] {
        shelf.put(document(id).tags(&["t"]).sort("name", b"same")).await;
    }
    for (field, tags) in
        [("created_at", vec![]), ("created_at", vec![is("t")]), ("name", vec![]), ("name", vec![is("t")])]
    {
        for (offset, limit, expected) in [
            (0, 2, "a b"),
            (2, 2, "c d"),
            (4, 2, "e"),
            (5, 2, ""),
            (u64::from(u32::MAX) * 9, 2, ""),
            (1, 0, ""),
        ] {
            let query = Query { offset, limit, ..sorted(field, false).with_all(tags.clone()) };
            let page = shelf.page(query.clone()).await;
            let ids: Vec<&str> = page.documents.iter().map(|d| d.id.as_str()).collect();
            assert_eq!(ids.join(" "), expected, "the page of {query:?}");
            assert_eq!((page.total, page.total_exact), (5, true), "the total doesn't depend on the page");
        }
    }
}

pub async fn counts_are_exact_on_request_and_bounded_otherwise(storage: Arc<dyn Storage>) {
    const MORE: u64 = crate::query::COUNT_BOUND + 2;
    let shelf = Shelf::new(storage);
    // Many writers at once, so that an adapter that commits in groups can.
    let writers = (0..64u64).map(|writer| {
        let shelf = shelf.clone();
        tokio::spawn(async move {
            for n in (writer..MORE).step_by(64) {
                let mut one = document(&format!("d{n:05}"));
                one.revision = fresh_revision();
                shelf.put(one).await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("the writer finishes");
    }
    let bounded = shelf.page(Query { limit: 1, ..Query::all("things") }).await;
    assert!(!bounded.total_exact, "beyond 10,000 a bounded count isn't exact (ruling D34)");
    assert!(
        (crate::query::COUNT_BOUND..=MORE).contains(&bounded.total),
        "a bounded count is a lower bound of at least 10,000, not {}",
        bounded.total
    );
    let exact = shelf.page(Query { limit: 1, count: Count::Exact, ..Query::all("things") }).await;
    assert_eq!((exact.total, exact.total_exact), (MORE, true), "an exact count counts all");
    let last = shelf.page(Query { offset: MORE - 1, ..sorted("created_at", false) }).await;
    assert_eq!(last.documents.len(), 1, "pages beyond the bound can be read");
}
