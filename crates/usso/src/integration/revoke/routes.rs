//! `/oauth/revoke`.

use super::service;
use crate::http::error::ErrorView;
use crate::http::form::Form;
use crate::http::{ApiError, AppState, Json, Tenant, oauth};
use axum::extract::State;
use http::HeaderMap;
use serde_json::{Map, Value};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes at the host's root.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(revoke))
}

/// End a token of the client that asks, and what belongs to it
#[utoipa::path(post, path = "/oauth/revoke", tag = "OAuth", operation_id = "revoke",
    request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = Object), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 415, body = ErrorView), (status = 429, body = ErrorView)))]
pub async fn revoke(
    State(state): State<AppState>,
    tenant: Tenant,
    headers: HeaderMap,
    Form(params): Form,
) -> Result<Json<Map<String, Value>>, ApiError> {
    let asked = tenant.asked();
    let ctx = state.context(&tenant.scope, &asked);
    service::revoke(ctx, oauth::authorization(&headers)?, &params).await?;
    Ok(Json(Map::new()))
}
