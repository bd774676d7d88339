//! Which documents a query lists, in which order: the meaning of [`Query`], written plainly.

use crate::query::COUNT_BOUND;
use crate::storage::DocumentPage;
use crate::{Count, Document, Query, TagMatch, Timestamp};
use std::cmp::Ordering;

/// The page of these documents (of one partition and kind) that the query asks for.
pub(super) fn select<'a>(
    documents: impl Iterator<Item = &'a Document>,
    query: &Query,
    now: Timestamp,
) -> DocumentPage {
    let mut found: Vec<&Document> = documents.filter(|d| d.is_live(now) && matches(d, query)).collect();
    found.sort_unstable_by(|a, b| order(a, b, query));
    let count = found.len() as u64;
    let (total, total_exact) = match query.count {
        Count::Bounded if count > COUNT_BOUND => (COUNT_BOUND, false),
        Count::Bounded | Count::Exact => (count, true),
    };
    let offset = usize::try_from(query.offset).unwrap_or(usize::MAX);
    let documents = found.into_iter().skip(offset).take(query.limit as usize).cloned().collect();
    DocumentPage { documents, total, total_exact }
}

fn matches(document: &Document, query: &Query) -> bool {
    let has = |wanted: &TagMatch| match wanted {
        TagMatch::Is(tag) => document.tags.contains(tag),
        TagMatch::StartsWith(prefix) => document.tags.iter().any(|t| t.starts_with(prefix)),
    };
    query.created_from.is_none_or(|from| document.created_at >= from)
        && query.created_to.is_none_or(|to| document.created_at <= to)
        && (query.any_of.is_empty() || query.any_of.iter().any(|all| all.iter().all(has)))
}

fn order(a: &Document, b: &Document, query: &Query) -> Ordering {
    let field = query.sort.field;
    let by_field = if field == "created_at" {
        a.created_at.cmp(&b.created_at)
    } else {
        attribute(a, field).cmp(attribute(b, field))
    };
    let order = by_field.then_with(|| a.id.cmp(&b.id));
    if query.sort.descending { order.reverse() } else { order }
}

fn attribute<'a>(document: &'a Document, field: &str) -> &'a [u8] {
    document.sorts.iter().find(|(name, _)| *name == field).map_or(&[], |(_, bytes)| bytes.as_slice())
}
