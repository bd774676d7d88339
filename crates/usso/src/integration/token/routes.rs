//! `/oauth/token`.

use super::issue::Tokens;
use super::{Call, answer};
use crate::http::error::ErrorView;
use crate::http::form::Form;
use crate::http::{ApiError, AppState, Json, Tenant, oauth};
use crate::integration::OauthError;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes at the host's root.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(token))
}

/// Trade a grant for tokens
///
/// The client says who it is in the `Authorization` header or in the form.
#[utoipa::path(post, path = "/oauth/token", tag = "OAuth", operation_id = "token",
    request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = Tokens), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 415, body = ErrorView), (status = 429, body = ErrorView), (status = 503, body = ErrorView)))]
pub async fn token(
    State(state): State<AppState>,
    tenant: Tenant,
    headers: HeaderMap,
    Form(params): Form,
) -> Result<Response, ApiError> {
    let asked = tenant.asked();
    let proof = tenant.proof(None).map_err(|error| OauthError::invalid_dpop_proof(error.to_string()))?;
    let authorization = oauth::authorization(&headers)?;
    let call = Call { authorization, params: &params, proof: proof.as_ref() };
    let tokens = answer(state.context(&tenant.scope, &asked), call).await?;
    let mut response = Json(tokens).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    Ok(response)
}
