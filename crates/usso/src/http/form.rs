//! Form bodies, as the endpoints of OAuth take them (RFC 6749 appendix B; ruling D20: nothing else).

use crate::http::{ApiError, AppState, json};
use axum::extract::{FromRequest, Request};
use http::{HeaderMap, header};
use kernel::ProblemKind;
use protocol::oauth::Params;

/// The parameters of a form body. An empty body has none, whatever it says it is.
#[derive(Debug)]
pub struct Form(pub Params);

impl FromRequest<AppState> for Form {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let is_form = is_form(request.headers());
        let body = json::read(request, state).await?;
        if body.is_empty() {
            return Ok(Self(Params::default()));
        }
        if is_form { Ok(Self(Params::parse(&body))) } else { Err(unsupported()) }
    }
}

/// Whether a body says that it is a form.
pub fn is_form(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn unsupported() -> ApiError {
    let detail = "The body must be application/x-www-form-urlencoded";
    ApiError::new(ProblemKind::UnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", detail)
}
