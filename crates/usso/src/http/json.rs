//! JSON request bodies, read strictly.
//!
//! A body must be `application/json`, no larger than the limit, arrive in time, and be one JSON value without duplicate
//! members (RFC 8259 §4 leaves those open, which is where parsers disagree and attacks begin). Unknown members are
//! ignored.

use crate::http::request_info::SharedInfo;
use crate::http::{ApiError, AppState};
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header;
use http_body_util::{BodyExt, Limited};
use kernel::ProblemKind;
use kernel::problem::FieldError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;

/// How deep a body may nest.
const MAX_DEPTH: usize = 32;

/// A required JSON body, or a JSON answer.
#[derive(Debug)]
pub struct Json<T>(pub T);

/// A JSON body that may be absent.
#[derive(Debug)]
pub struct OptionalJson<T>(pub Option<T>);

impl<T: DeserializeOwned> FromRequest<AppState> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        parse(&read_json(request, state).await?).map(Self)
    }
}

impl<T: DeserializeOwned> FromRequest<AppState> for OptionalJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let is_json = has_json_type(&request);
        let body = read(request, state).await?;
        if body.is_empty() {
            return Ok(Self(None));
        }
        if is_json { parse(&body).map(|value| Self(Some(value))) } else { Err(unsupported()) }
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

fn unsupported() -> ApiError {
    ApiError::new(
        ProblemKind::UnsupportedMediaType,
        "UNSUPPORTED_MEDIA_TYPE",
        "The body must be application/json",
    )
}

fn has_json_type(request: &Request) -> bool {
    let value = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// Reads a JSON body as bytes, for handlers that need its fingerprint; [`parse`] does the rest.
///
/// # Errors
/// 415 for another media type, and those of [`read`].
pub async fn read_json(request: Request, state: &AppState) -> Result<Bytes, ApiError> {
    let is_json = has_json_type(&request);
    let body = read(request, state).await?;
    if is_json { Ok(body) } else { Err(unsupported()) }
}

/// Reads a body within the limits of size and time.
///
/// # Errors
/// 413 when it is too large, 408 when it is too slow, 400 when the connection breaks.
pub async fn read(request: Request, state: &AppState) -> Result<Bytes, ApiError> {
    let limit =
        request.extensions().get::<SharedInfo>().map_or(state.http.body_limit, |info| info.body_limit);
    let limited = Limited::new(request.into_body(), limit);
    let collected = tokio::time::timeout(state.http.body_timeout, limited.collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let detail = format!("The body is larger than {limit} bytes");
            Err(ApiError::new(ProblemKind::TooLarge, "PAYLOAD_TOO_LARGE", detail))
        }
        Ok(Err(_)) => Err(ApiError::invalid(Vec::new(), "The body could not be read")),
        Err(_) => {
            Err(ApiError::new(ProblemKind::Invalid, "REQUEST_TIMEOUT", "The body did not arrive in time")
                .with_status(http::StatusCode::REQUEST_TIMEOUT))
        }
    }
}

/// Parses a body strictly and says which field is to blame.
///
/// # Errors
/// `VALIDATION_ERROR` with the field.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let value: serde_json::Value = protocol::jose::strict_json::from_slice(body, MAX_DEPTH)
        .map_err(|e| blame(vec!["body".into()], format!("not valid JSON: {e}"), "json"))?;
    // Derived readers take an array for a struct, field by field; nobody means that.
    if !value.is_object() {
        return Err(blame(vec!["body".into()], "not an object".to_owned(), "type"));
    }
    serde_path_to_error::deserialize(value).map_err(|e| {
        let mut loc: Vec<Cow<'static, str>> = vec!["body".into()];
        loc.extend(e.path().iter().filter_map(|segment| match segment {
            serde_path_to_error::Segment::Map { key } => Some(Cow::Owned(key.clone())),
            serde_path_to_error::Segment::Seq { index } => Some(Cow::Owned(index.to_string())),
            _ => None,
        }));
        let msg = e.into_inner().to_string();
        match msg.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
            Some(field) => {
                loc.push(field.to_owned().into());
                blame(loc, "is required".to_owned(), "missing")
            }
            None => blame(loc, msg, "type"),
        }
    })
}

fn blame(loc: Vec<Cow<'static, str>>, msg: String, kind: &'static str) -> ApiError {
    let place = loc.iter().skip(1).map(AsRef::as_ref).collect::<Vec<_>>().join(".");
    let detail = if place.is_empty() { format!("The body is {msg}") } else { format!("{place}: {msg}") };
    ApiError::invalid(vec![FieldError { loc, msg, kind: kind.into() }], detail)
}
