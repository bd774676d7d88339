//! Revisions as entity tags (ruling D35; RFC 9110 §8.8.3, §13.1).

use crate::http::{ApiError, Json};
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, header};
use kernel::Revision;
use serde::Serialize;

/// An object with its revision as `ETag`.
#[derive(Debug)]
pub struct Tagged<T>(pub Revision, pub T);

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.1).into_response();
        if let Ok(tag) = HeaderValue::try_from(self.0.etag()) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

/// The `If-Match` of a request, if any.
#[derive(Debug, Clone)]
pub struct IfMatch(pub Option<String>);

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let value =
            parts.headers.get(header::IF_MATCH).map(|v| v.to_str().unwrap_or_default().trim().to_owned());
        Ok(Self(value))
    }
}

impl IfMatch {
    /// Whether the request insists on other revisions than this.
    pub fn is_stale(&self, revision: Revision) -> bool {
        self.0.as_deref().is_some_and(|tags| !revision.satisfies(tags))
    }
}
