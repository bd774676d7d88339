//! Lists: the query parameters every list takes, and the envelope every list answers with (contract 1.8).

use crate::http::ApiError;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use kernel::problem::FieldError;
use kernel::{Count, Page, Query, Sort, Stored, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

const MAX_LIMIT: u32 = 100;
const DEFAULT_LIMIT: u32 = 20;

/// A query string as a type. Duplicate parameters are refused, unknown ones ignored.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parse(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

fn blame(name: &str, msg: String) -> ApiError {
    let detail = format!("{name}: {msg}");
    let loc = vec!["query".into(), name.to_owned().into()];
    ApiError::invalid(vec![FieldError { loc, msg, kind: "value".into() }], detail)
}

/// Reads a query string.
///
/// # Errors
/// `VALIDATION_ERROR` for duplicates and bad values.
pub fn parse<T: DeserializeOwned>(query: &str) -> Result<T, ApiError> {
    // Most requests have none, and some of those are the hottest.
    if query.is_empty() {
        return serde_json::from_str("{}").or_else(|_| typed(BTreeMap::new()));
    }
    let mut seen = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if seen.insert(name.clone().into_owned(), value.into_owned()).is_some() {
            return Err(blame(&name, "is given twice".to_owned()));
        }
    }
    typed(seen)
}

fn typed<T: DeserializeOwned>(seen: BTreeMap<String, String>) -> Result<T, ApiError> {
    let object = seen.into_iter().map(|(name, value)| (name, serde_json::Value::String(value))).collect();
    serde_path_to_error::deserialize(serde_json::Value::Object(object)).map_err(|e| {
        let name = e.path().to_string();
        blame(&name, e.into_inner().to_string())
    })
}

/// What every list may be asked.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// Page, from 1.
    #[param(value_type = Option<u32>)]
    page: Option<String>,
    /// Items per page, 1 to 100; 20 by default.
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
    /// Items to pass over; wins over `page`.
    #[param(value_type = Option<u32>)]
    offset: Option<String>,
    /// A field to sort by, with `-` for descending; `-created_at` by default.
    sort: Option<String>,
    /// Created at this time or later (RFC 3339).
    created_at_from: Option<String>,
    /// Created at this time or earlier (RFC 3339).
    created_at_to: Option<String>,
    /// `exact` counts beyond 10,000.
    count: Option<String>,
}

fn number(name: &str, value: Option<&str>, (low, high): (u32, u32)) -> Result<Option<u32>, ApiError> {
    let Some(text) = value else { return Ok(None) };
    match text.parse::<u32>() {
        Ok(n) if (low..=high).contains(&n) => Ok(Some(n)),
        _ => Err(blame(name, format!("must be a whole number from {low} to {high}"))),
    }
}

fn time(name: &str, value: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    let parse =
        |text| Timestamp::parse_rfc3339(text).ok_or_else(|| blame(name, "must be an RFC 3339 time".into()));
    value.map(parse).transpose()
}

impl ListParams {
    /// The query for a kind that may be sorted by these fields.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for values out of bounds.
    pub fn query(&self, kind: &'static str, sortable: &[&'static str]) -> Result<Query, ApiError> {
        let limit = number("limit", self.limit.as_deref(), (1, MAX_LIMIT))?.unwrap_or(DEFAULT_LIMIT);
        let page = number("page", self.page.as_deref(), (1, 10_000_000))?.unwrap_or(1);
        let offset = number("offset", self.offset.as_deref(), (0, 1_000_000_000))?;
        let sort = self.sort.as_deref().unwrap_or("-created_at");
        let (name, descending) = sort.strip_prefix('-').map_or((sort, false), |name| (name, true));
        let field = sortable.iter().find(|f| **f == name).copied();
        let field = field.ok_or_else(|| blame("sort", format!("must be one of {}", sortable.join(", "))))?;
        let count = match self.count.as_deref() {
            None | Some("bounded") => Count::Bounded,
            Some("exact") => Count::Exact,
            Some(_) => return Err(blame("count", "must be `exact` or `bounded`".to_owned())),
        };
        Ok(Query {
            kind,
            any_of: Vec::new(),
            created_from: time("created_at_from", self.created_at_from.as_deref())?,
            created_to: time("created_at_to", self.created_at_to.as_deref())?,
            sort: Sort { field, descending },
            offset: offset.map_or_else(|| u64::from(page - 1) * u64::from(limit), u64::from),
            limit,
            count,
        })
    }
}

/// A flag in a query string.
///
/// # Errors
/// `VALIDATION_ERROR` when it is neither true nor false.
pub fn flag(name: &str, value: Option<&str>) -> Result<Option<bool>, ApiError> {
    match value {
        None => Ok(None),
        Some("true" | "1") => Ok(Some(true)),
        Some("false" | "0") => Ok(Some(false)),
        Some(_) => Err(blame(name, "must be true or false".to_owned())),
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
/// Where a page lies in its list.
pub struct Meta {
    /// Page, from 1.
    page: u64,
    /// Items per page.
    limit: u32,
    /// How many there are, as far as counted.
    total: u64,
    /// How many pages that makes.
    pages: u64,
    /// Whether `total` is exact or a lower bound.
    total_exact: bool,
}

/// A page, as answered. `data` and `items` are the same array, serialised once.
#[derive(Debug, Serialize)]
struct Envelope<'a> {
    data: &'a RawValue,
    meta: Meta,
    items: &'a RawValue,
    total: u64,
    offset: u64,
    limit: u32,
    heads: BTreeMap<String, String>,
    #[serde(flatten)]
    alias: BTreeMap<&'static str, &'a RawValue>,
}

/// The list envelope, for the OpenAPI document.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ListView<T> {
    /// The items.
    data: Vec<T>,
    /// Where the page lies.
    meta: Meta,
    /// The same as `data`.
    items: Vec<T>,
    /// The same as `meta.total`.
    total: u64,
    /// Items passed over.
    offset: u64,
    /// The same as `meta.limit`.
    limit: u32,
}

/// Answers a page, each item shown by `view`.
///
/// # Errors
/// When an item can't be serialised.
pub fn answer<R, V: Serialize>(
    query: &Query,
    page: &Page<R>,
    view: impl FnMut(&Stored<R>) -> V,
) -> Result<Response, ApiError> {
    let items: Vec<V> = page.items.iter().map(view).collect();
    envelope(query, (page.total, page.total_exact), &items, None)
}

fn envelope<V: Serialize>(
    query: &Query,
    (total, total_exact): (u64, bool),
    items: &[V],
    alias: Option<&'static str>,
) -> Result<Response, ApiError> {
    let defect = |_| ApiError::new(kernel::ProblemKind::Internal, "INTERNAL_ERROR", "Internal error");
    let items = serde_json::value::to_raw_value(items).map_err(defect)?;
    let limit = u64::from(query.limit.max(1));
    let meta = Meta {
        page: query.offset / limit + 1,
        limit: query.limit,
        total,
        pages: total.div_ceil(limit),
        total_exact,
    };
    let envelope = Envelope {
        data: &items,
        items: &items,
        total: meta.total,
        offset: query.offset,
        limit: query.limit,
        meta,
        heads: BTreeMap::new(),
        alias: alias.map(|name| (name, &*items)).into_iter().collect(),
    };
    Ok(axum::Json(envelope).into_response())
}

/// As [`answer`], the items under one more name.
///
/// # Errors
/// As [`answer`].
pub fn answer_as<R, V: Serialize>(
    name: &'static str,
    query: &Query,
    page: &Page<R>,
    view: impl FnMut(&Stored<R>) -> V,
) -> Result<Response, ApiError> {
    let items: Vec<V> = page.items.iter().map(view).collect();
    envelope(query, (page.total, page.total_exact), &items, Some(name))
}

/// Answers a short list, all of it.
///
/// # Errors
/// When an item can't be serialised.
pub fn plain<V: Serialize>(items: &[V]) -> Result<Response, ApiError> {
    let total = items.len() as u64;
    let limit = u32::try_from(total).unwrap_or(u32::MAX).max(1);
    let query = Query { limit, ..Query::all("") };
    envelope(&query, (total, true), items, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Result<Query, ApiError> {
        parse::<ListParams>(text).and_then(|p| p.query("user", &["created_at", "name"]))
    }

    #[test]
    fn pages_and_offsets() {
        assert_eq!(query("").unwrap(), Query::all("user"));
        assert_eq!(query("page=3&limit=10").unwrap().offset, 20);
        assert_eq!(query("page=3&limit=10&offset=5").unwrap().offset, 5);
        assert_eq!(query("sort=name").unwrap().sort, Sort { field: "name", descending: false });
    }

    #[test]
    fn paging_is_rejected_when_out_of_bounds() {
        for bad in [
            "limit=0",
            "limit=-1",
            "limit=101",
            "limit=1000000000",
            "limit=x",
            "page=0",
            "sort=password",
            "offset=-1",
            "created_at_from=yesterday",
            "count=all",
            "page=1&page=2",
        ] {
            assert!(query(bad).is_err(), "{bad}");
        }
    }
}
