//! `/.well-known/openid-configuration` and `/.well-known/oauth-authorization-server`.

use super::metadata::{Metadata, metadata};
use crate::http::error::ErrorView;
use crate::http::{ApiError, AppState, Json, Tenant};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes at the host's root.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(openid_configuration)).routes(routes!(authorization_server))
}

/// What this issuer offers (OpenID Connect Discovery)
#[utoipa::path(get, path = "/.well-known/openid-configuration", tag = "OAuth", operation_id = "openid_configuration",
    responses((status = 200, body = Metadata), (status = 400, body = ErrorView)))]
pub async fn openid_configuration(tenant: Tenant) -> Result<Response, ApiError> {
    Ok(answer(&tenant))
}

/// What this issuer offers (RFC 8414); the same document
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server", tag = "OAuth",
    operation_id = "authorization_server_metadata",
    responses((status = 200, body = Metadata), (status = 400, body = ErrorView)))]
pub async fn authorization_server(tenant: Tenant) -> Result<Response, ApiError> {
    Ok(answer(&tenant))
}

fn answer(tenant: &Tenant) -> Response {
    let document = metadata(&tenant.scope, &tenant.issuer());
    let caching = [
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
        (header::VARY, HeaderValue::from_static("Host, X-Tenant-ID")),
    ];
    (caching, Json(document)).into_response()
}
