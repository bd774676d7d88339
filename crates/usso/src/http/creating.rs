//! Creating an object: who asks comes before what they ask, and a request that is sent twice happens once.

use crate::http::{ApiError, AppState, Caller, Json, idempotency, json};
use axum::extract::{FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use kernel::Revision;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Answers 201 with what `make` made, and its revision as `ETag`. With an `Idempotency-Key` the same answer is given
/// again, to nobody but the session or key that asked first.
///
/// # Errors
/// Those of the caller, the body, the key, and of `make`.
pub async fn once<T: DeserializeOwned, V: Serialize>(
    state: &AppState,
    request: Request,
    operation: &str,
    make: impl AsyncFnOnce(&Caller, T) -> Result<(Revision, V), ApiError>,
) -> Result<Response, ApiError> {
    once_or(state, request, operation, async |caller: &Caller, new| {
        let (revision, view) = make(caller, new).await?;
        Ok((StatusCode::CREATED, revision, view))
    })
    .await
}

/// As [`once`], for what may be there already: `make` tells the status, too.
///
/// # Errors
/// As [`once`].
pub async fn once_or<T: DeserializeOwned, V: Serialize>(
    state: &AppState,
    request: Request,
    operation: &str,
    make: impl AsyncFnOnce(&Caller, T) -> Result<(StatusCode, Revision, V), ApiError>,
) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    let caller = Caller::from_request_parts(&mut parts, state).await?;
    let headers = parts.headers.clone();
    let body = json::read_json(Request::from_parts(parts, body), state).await?;
    let new = json::parse(&body)?;
    let operation = format!("{operation} {}", caller.principal_id());
    idempotency::once_by(&caller, &headers, (&operation, &body), async {
        let (status, revision, view) = make(&caller, new).await?;
        let tag = HeaderValue::try_from(revision.etag()).unwrap_or(HeaderValue::from_static(""));
        Ok((status, [(header::ETAG, tag)], Json(view)).into_response())
    })
    .await
}
